/* The SQL generators' functions. */
#include <string.h>

#include "native.h"

typedef struct owned_text {
    char *text;
    size_t size;
} owned_text;

/* Protected: the caller holds the text. */
static int push_owned(lua_State *L)
{
    const owned_text *owned = lua_touserdata(L, 1);
    lua_pushlstring(L, owned->text, owned->size);
    return 1;
}

void native_push_owned(lua_State *L, char *text, size_t size)
{
    owned_text owned = {text, size};
    int failed = 0;
    if (text) {
        lua_pushcfunction(L, push_owned);
        lua_pushlightuserdata(L, &owned);
        failed = lua_pcall(L, 1, 1, 0);
    } else {
        lua_pushnil(L);
    }
    pond_string_free(text);
    if (failed)
        lua_error(L);
}

pond_dialect native_check_dialect(lua_State *L, int index)
{
    static const char *const names[] = {"postgres", "mysql", "sqlite", NULL};
    return (pond_dialect)luaL_checkoption(L, index, NULL, names);
}

/* convert(dialect, sql) -> sql for the database, number of placeholders */
static int sql_convert(lua_State *L)
{
    native_state *state = native_state_of(L);
    size_t size;
    pond_dialect dialect = native_check_dialect(L, 1);
    const char *sql = luaL_checklstring(L, 2, &size);
    char *out = NULL;
    size_t out_size;
    size_t placeholders;
    pond_error *error = NULL;
    int code = pond_sql_convert(dialect, sql, size, &out, &out_size, &placeholders, &error);
    if (code)
        return native_fail(L, state, code, error);
    native_push_owned(L, out, out_size);
    lua_pushinteger(L, (lua_Integer)placeholders);
    return 2;
}

/* ---- With parameters ----------------------------------------------------------------------- */

enum { DIALECT = 1, SQL = 2, PARAMS = 3, OBJECTS = 4, HELD = 5 };
enum { DEEPEST = 3 }; /* the parameters, lists, and rows in them */

/* Make a value of what is on top of the stack, and pop it. Lua's own travel as their numbers in
 * OBJECTS. */
static void number_value(lua_State *L, const native_state *state, size_t count, int depth,
                         pond_value *out)
{
    if (depth == DEEPEST || (depth && !native_is_list(L, state))) {
        *out = (pond_value){.type = POND_TYPE_INT64};
        out->as.integer = (int64_t)lua_rawlen(L, OBJECTS) + 1;
        if (lua_isnil(L, -1)) { /* or there would be no such number */
            lua_pop(L, 1);
            lua_pushlightuserdata(L, NULL);
        }
        lua_rawseti(L, OBJECTS, (lua_Integer)out->as.integer);
        return;
    }
    if (depth)
        count = (size_t)lua_rawlen(L, -1);
    luaL_checkstack(L, 4, NULL);
    pond_value *items = lua_newuserdatauv(L, (count + 1) * sizeof(*items), 0);
    lua_rawseti(L, HELD, (lua_Integer)lua_rawlen(L, HELD) + 1);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        number_value(L, state, 0, depth + 1, &items[i]);
    }
    lua_pop(L, 1);
    *out = (pond_value){.type = POND_TYPE_ARRAY};
    out->as.array.items = items;
    out->as.array.count = count;
}

static void push_numbered(lua_State *L, int objects, const native_state *state,
                          const pond_value *value)
{
    if (value->type != POND_TYPE_ARRAY) {
        lua_rawgeti(L, objects, (lua_Integer)value->as.integer);
        return;
    }
    luaL_checkstack(L, 4, NULL);
    lua_createtable(L, (int)value->as.array.count, 0);
    for (size_t i = 0; i < value->as.array.count; i++) {
        push_numbered(L, objects, state, &value->as.array.items[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, state->array_meta);
    lua_setmetatable(L, -2);
}

typedef struct spread {
    const native_state *state;
    const pond_value *values;
    size_t count;
} spread;

/* Protected: the caller holds the values. On the stack: the spread, the objects. */
static int push_spread(lua_State *L)
{
    const spread *made = lua_touserdata(L, 1);
    lua_createtable(L, (int)made->count, 1);
    for (size_t i = 0; i < made->count; i++) {
        push_numbered(L, 2, made->state, &made->values[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    native_set_integer(L, "n", (lua_Integer)made->count);
    return 1;
}

/* convert_lists(dialect, sql, params, count) -> sql for the database, its parameters */
static int sql_convert_lists(lua_State *L)
{
    native_state *state = native_state_of(L);
    size_t size;
    pond_dialect dialect = native_check_dialect(L, DIALECT);
    const char *sql = luaL_checklstring(L, SQL, &size);
    luaL_checktype(L, PARAMS, LUA_TTABLE);
    size_t count = (size_t)luaL_checkinteger(L, PARAMS + 1);
    lua_settop(L, PARAMS);
    lua_newtable(L);
    lua_newtable(L);
    lua_pushvalue(L, PARAMS);
    pond_value all;
    number_value(L, state, count, 0, &all);
    char *out = NULL;
    size_t out_size;
    pond_value *values = NULL;
    spread made = {.state = state};
    pond_error *error = NULL;
    int code = pond_sql_convert_lists(dialect, sql, size, all.as.array.items, count, &out,
                                      &out_size, &values, &made.count, &error);
    if (code)
        return native_fail(L, state, code, error);
    made.values = values;
    lua_pushcfunction(L, push_spread);
    lua_pushlightuserdata(L, &made);
    lua_pushvalue(L, OBJECTS);
    int failed = lua_pcall(L, 2, 1, 0);
    pond_values_free(values);
    if (failed) {
        pond_string_free(out);
        return lua_error(L);
    }
    native_push_owned(L, out, out_size);
    lua_insert(L, -2);
    return 2;
}

/* timeout_sql(dialect, seconds) -> sql or nil */
static int sql_timeout(lua_State *L)
{
    native_state *state = native_state_of(L);
    pond_dialect dialect = native_check_dialect(L, 1);
    int64_t timeout_ms = native_timeout(L, 2);
    char *out = NULL;
    pond_error *error = NULL;
    int code = pond_sql_timeout(dialect, timeout_ms, &out, &error);
    if (code)
        return native_fail(L, state, code, error);
    native_push_owned(L, out, out ? strlen(out) : 0);
    return 1;
}

/* comment(keys, values) -> a comment or nil; lists of text of the same length. */
static int sql_comment(lua_State *L)
{
    native_state *state = native_state_of(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    size_t count = (size_t)lua_rawlen(L, 1);
    luaL_argcheck(L, lua_rawlen(L, 2) == count && count < 10000, 2, "as many values as keys");
    luaL_checkstack(L, (int)count * 2 + 8, "too many tags");
    pond_tag *tags = lua_newuserdatauv(L, (count + 1) * sizeof(*tags), 0);
    for (size_t i = 0; i < count; i++) { /* the texts stay on the stack */
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        tags[i].key = luaL_checkstring(L, -1);
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        tags[i].value = luaL_checkstring(L, -1);
    }
    char *out = NULL;
    pond_error *error = NULL;
    int code = pond_sql_comment(tags, count, &out, &error);
    if (code)
        return native_fail(L, state, code, error);
    native_push_owned(L, out, out ? strlen(out) : 0);
    return 1;
}

void native_add_sql(lua_State *L, native_state *state)
{
    static const luaL_Reg functions[] = {
        {"sql_convert", sql_convert},
        {"sql_convert_lists", sql_convert_lists},
        {"sql_timeout", sql_timeout},
        {"sql_comment", sql_comment},
        {NULL, NULL},
    };
    native_add_functions(L, state, functions);
}

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
        {"sql_timeout", sql_timeout},
        {"sql_comment", sql_comment},
        {NULL, NULL},
    };
    native_add_functions(L, state, functions);
}

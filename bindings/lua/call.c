/* Arguments of execute(sql, params, options), and of what is like it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "native.h"

enum { SQL = 2, PARAMS = 3, OPTIONS = 4 };

int64_t native_timeout(lua_State *L, int index)
{
    if (lua_isnoneornil(L, index))
        return POND_TIMEOUT_DEFAULT;
    double seconds = lua_type(L, index) == LUA_TNUMBER ? lua_tonumber(L, index) : -1;
    if (!(seconds > 0)) {
        const char *given = luaL_tolstring(L, index, NULL);
        native_error(L, "timeout must be a positive number of seconds, not %s", given);
    }
    return seconds < 1e12 ? (int64_t)ceil(seconds * 1000) : POND_TIMEOUT_NONE;
}

/* ---- Options ------------------------------------------------------------------------------- */

/* The text of the value at `index`, which is kept. */
static const char *tag_text(lua_State *L, native_call *call, int index)
{
    size_t size;
    const char *text = luaL_tolstring(L, index, &size);
    if (strlen(text) != size)
        native_error(L, "a tag contains a NUL character");
    native_hold(L, call);
    return text;
}

/* The table of tags is on top of the stack, and is popped. */
static void read_tags(lua_State *L, native_call *call)
{
    int table = lua_gettop(L);
    size_t count = 0;
    if (!lua_istable(L, table))
        native_error(L, "tags must be a table, not a %s", luaL_typename(L, table));
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
        count++;
    pond_tag *tags = lua_newuserdatauv(L, (count + 1) * sizeof(*tags), 0);
    native_hold(L, call);
    size_t used = 0;
    for (lua_pushnil(L); used < count && lua_next(L, table); lua_pop(L, 1)) {
        tags[used].key = tag_text(L, call, -2);
        tags[used].value = tag_text(L, call, -1);
        used++;
    }
    lua_settop(L, table - 1);
    call->options.tags = tags;
    call->options.tag_count = used;
}

static void read_batch(lua_State *L, native_call *call)
{
    int exact;
    lua_Integer rows = lua_tointegerx(L, -1, &exact);
    if (!exact || rows < 1)
        native_error(L, "batch must be a positive integer");
    call->batch_rows = (size_t)rows;
}

static void set_shape(native_call *call, int bit, int is_set)
{
    call->shape = is_set ? call->shape | bit : call->shape & ~bit;
}

static void read_option(lua_State *L, native_call *call, const char *name)
{
    if (strcmp(name, "timeout") == 0)
        call->options.timeout_ms = native_timeout(L, -1);
    else if (strcmp(name, "named") == 0)
        set_shape(call, NATIVE_NAMED, lua_toboolean(L, -1));
    else if (strcmp(name, "null_as_nil") == 0)
        set_shape(call, NATIVE_NIL, lua_toboolean(L, -1));
    else if (strcmp(name, "batch") == 0)
        read_batch(L, call);
    else if (strcmp(name, "tags") == 0) {
        lua_pushvalue(L, -1);
        read_tags(L, call);
    } else
        native_error(L, "there is no option %s: use timeout, tags, named, null_as_nil or batch",
                     name);
}

static void read_options(lua_State *L, native_call *call)
{
    if (lua_isnil(L, OPTIONS))
        return;
    native_check_table(L, OPTIONS, "options", "{timeout = 5}");
    for (lua_pushnil(L); lua_next(L, OPTIONS); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            native_error(L, "options must be a table such as {timeout = 5}");
        read_option(L, call, lua_tostring(L, -2));
    }
}

/* ---- Parameters ---------------------------------------------------------------------------- */

/* How many values the row at `index` has: its field n, as from table.pack(), or its length. */
static size_t row_length(lua_State *L, int index)
{
    int exact;
    lua_getfield(L, index, "n");
    lua_Integer count = lua_tointegerx(L, -1, &exact);
    lua_pop(L, 1);
    return exact && count >= 0 ? (size_t)count : (size_t)lua_rawlen(L, index);
}

static void read_row(lua_State *L, native_state *state, native_call *call, int index,
                     pond_value *values, size_t row)
{
    char where[64];
    for (size_t i = 0; i < call->column_count; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        int type = lua_type(L, -1);
        if (type == LUA_TNUMBER || type == LUA_TBOOLEAN || type == LUA_TSTRING)
            where[0] = 0; /* nothing to complain of */
        else if (row)
            snprintf(where, sizeof(where), "row %zu: parameter %zu", row - 1, i + 1);
        else
            snprintf(where, sizeof(where), "parameter %zu", i + 1);
        native_read_param(L, state, call, &values[i], where);
    }
}

/* A table of names has no values in an order. */
static void refuse_names(lua_State *L, native_state *state)
{
    lua_pushnil(L);
    while (lua_next(L, PARAMS)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "n") != 0)
            native_raise(L, state, POND_EPARAMS,
                         "params must be a list of values, not a table with the name \"%s\": write "
                         "? in the statement for each value, and pass {value, ...} in their order",
                         lua_tostring(L, -1));
    }
}

static void read_params(lua_State *L, native_state *state, native_call *call)
{
    call->row_count = 1;
    if (lua_isnil(L, PARAMS))
        return;
    if (!lua_istable(L, PARAMS))
        native_raise(L, state, POND_EPARAMS, "params must be a table, not a %s: write {value}",
                     luaL_typename(L, PARAMS));
    call->column_count = row_length(L, PARAMS);
    if (!call->column_count)
        refuse_names(L, state);
    if (call->column_count > NATIVE_FEW) {
        call->values = lua_newuserdatauv(L, call->column_count * sizeof(*call->values), 0);
        native_hold(L, call);
    }
    read_row(L, state, call, PARAMS, call->values, 0);
}

/* The row is on top of the stack. */
static void check_row(lua_State *L, native_state *state, const native_call *call, size_t row)
{
    if (!lua_istable(L, -1))
        native_raise(L, state, POND_EPARAMS, "row %zu must be a table of values, not a %s", row,
                     luaL_typename(L, -1));
    size_t length = row_length(L, lua_gettop(L));
    if (length != call->column_count)
        native_raise(L, state, POND_EPARAMS, "row %zu has %zu parameters, but row 0 has %zu", row,
                     length, call->column_count);
}

static void read_rows(lua_State *L, native_state *state, native_call *call)
{
    native_check_table(L, PARAMS, "rows", "{{1, \"a\"}, {2, \"b\"}}");
    call->row_count = (size_t)lua_rawlen(L, PARAMS);
    if (!call->row_count)
        return;
    if (lua_rawgeti(L, PARAMS, 1) == LUA_TTABLE)
        call->column_count = row_length(L, lua_gettop(L));
    lua_pop(L, 1);
    size_t row_size = (call->column_count + 1) * sizeof(*call->values);
    if (call->row_count > SIZE_MAX / 2 / row_size)
        native_error(L, "there are too many rows");
    call->values = lua_newuserdatauv(L, call->row_count * row_size, 0);
    native_hold(L, call);
    for (size_t row = 0; row < call->row_count; row++) {
        lua_rawgeti(L, PARAMS, (lua_Integer)row + 1);
        check_row(L, state, call, row);
        read_row(L, state, call, lua_gettop(L), call->values + row * call->column_count, row + 1);
        lua_pop(L, 1);
    }
}

/* ---- The whole ----------------------------------------------------------------------------- */

void native_call_read(lua_State *L, native_state *state, native_call *call, int many)
{
    call->values = call->few;
    call->row_count = 0;
    call->column_count = 0;
    call->batch_rows = 0;
    call->shape = 0;
    call->held_count = 0;
    call->options = (pond_execute_options){.struct_size = sizeof(call->options),
                                           .timeout_ms = POND_TIMEOUT_DEFAULT};
    if (lua_type(L, SQL) != LUA_TSTRING)
        native_error(L, "sql must be a string, not a %s", luaL_typename(L, SQL));
    call->sql = lua_tolstring(L, SQL, &call->sql_size);
    lua_settop(L, OPTIONS);
    luaL_checkstack(L, 16, "too many values");
    lua_pushnil(L);
    call->held = lua_gettop(L);
    read_options(L, call);
    if (many)
        read_rows(L, state, call);
    else
        read_params(L, state, call);
}

/* Lua values to parameters. What they point into is kept on the stack or in a table on it. */
#include <string.h>

#include "native.h"

static int read_any(lua_State *L, native_state *state, native_call *call, pond_value *out,
                    const char *where, int depth);

static int refuse(lua_State *L, native_state *state, int code, const char *where, const char *what)
{
    return native_raise(L, state, code, "%s %s", where, what);
}

void native_hold(lua_State *L, native_call *call)
{
    if (!call->held_count) {
        lua_newtable(L);
        lua_replace(L, call->held);
    }
    lua_rawseti(L, call->held, ++call->held_count);
}

static void hold_text(lua_State *L, native_call *call, pond_type type, pond_value *out)
{
    out->type = (uint32_t)type;
    out->as.text.data = lua_tolstring(L, -1, &out->as.text.size);
    native_hold(L, call);
}

/* A number that a program made with arithmetic may be a float that is whole: it stays a float. */
static void read_number(lua_State *L, pond_value *out)
{
    if (lua_isinteger(L, -1)) {
        out->type = POND_TYPE_INT64;
        out->as.integer = lua_tointeger(L, -1);
    } else {
        out->type = POND_TYPE_DOUBLE;
        out->as.real = lua_tonumber(L, -1);
    }
    lua_pop(L, 1);
}

static int read_userdata(lua_State *L, native_state *state, native_call *call, pond_value *out,
                         const char *where)
{
    const native_value *boxed = luaL_testudata(L, -1, NATIVE_VALUE);
    if (!boxed)
        return refuse(L, state, POND_EPARAMS, where,
                      "is a userdata, which cannot be sent to a database");
    *out = boxed->value;
    native_hold(L, call);
    return 0;
}

static int read_items(lua_State *L, native_state *state, native_call *call, pond_value *out,
                      const char *where, int depth)
{
    int table = lua_gettop(L);
    size_t count = (size_t)lua_rawlen(L, table);
    pond_value *items = lua_newuserdatauv(L, (count + 1) * sizeof(*items), 0);
    native_hold(L, call);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, table, (lua_Integer)i + 1);
        read_any(L, state, call, &items[i], where, depth + 1);
    }
    lua_pop(L, 1);
    out->type = POND_TYPE_ARRAY;
    out->as.array.items = items;
    out->as.array.count = count;
    return 0;
}

static int is_array(lua_State *L, const native_state *state)
{
    if (!lua_getmetatable(L, -1))
        return 0;
    lua_rawgeti(L, LUA_REGISTRYINDEX, state->array_meta);
    int same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

static int read_table(lua_State *L, native_state *state, native_call *call, pond_value *out,
                      const char *where, int depth)
{
    if (depth > 64)
        return refuse(L, state, POND_EPARAMS, where, "is nested too deeply");
    luaL_checkstack(L, 10, "a parameter is nested too deeply");
    if (is_array(L, state) || lua_rawlen(L, -1))
        return read_items(L, state, call, out, where, depth);
    lua_pushnil(L);
    if (!lua_next(L, -2))
        return refuse(L, state, POND_EPARAMS, where,
                      "is an empty table: write millpond.array{} or millpond.json{}");
    lua_pop(L, 2);
    native_push_hook(L, state, "encode");
    lua_insert(L, -2);
    lua_call(L, 1, 1);
    hold_text(L, call, POND_TYPE_JSON, out);
    return 0;
}

static int read_any(lua_State *L, native_state *state, native_call *call, pond_value *out,
                    const char *where, int depth)
{
    *out = (pond_value){.type = POND_TYPE_NULL};
    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
        hold_text(L, call, POND_TYPE_TEXT, out);
        return 0;
    case LUA_TNUMBER:
        read_number(L, out);
        return 0;
    case LUA_TBOOLEAN:
        out->type = POND_TYPE_BOOL;
        out->as.integer = lua_toboolean(L, -1);
        break;
    case LUA_TNIL:
        break;
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, -1))
            return refuse(L, state, POND_EPARAMS, where,
                          "is a pointer, which cannot be sent to a database");
        break;
    case LUA_TUSERDATA:
        return read_userdata(L, state, call, out, where);
    case LUA_TTABLE:
        return read_table(L, state, call, out, where, depth);
    default:
        return native_raise(L, state, POND_EPARAMS,
                            "%s is a %s, which cannot be sent to a database", where,
                            luaL_typename(L, -1));
    }
    lua_pop(L, 1);
    return 0;
}

void native_read_param(lua_State *L, native_state *state, native_call *call, pond_value *out,
                       const char *where)
{
    read_any(L, state, call, out, where, 0);
}

void native_push_params(lua_State *L, native_state *state, const pond_value *values, size_t count)
{
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        if (values[i].type == POND_TYPE_BYTES || values[i].type == POND_TYPE_JSON)
            native_push_text(L, (pond_type)values[i].type, values[i].as.text.data,
                             values[i].as.text.size); /* a parameter says that it is bytes */
        else
            native_push_value(L, state, &values[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* millpond.core: the C side of the Lua module. Use require "millpond" instead. */
#include "native.h"

void native_add_functions(lua_State *L, native_state *state, const luaL_Reg *functions)
{
    lua_pushlightuserdata(L, state);
    luaL_setfuncs(L, functions, 1);
}

void native_set_integer(lua_State *L, const char *name, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

void native_set_boolean(lua_State *L, const char *name, int value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

void native_set_string(lua_State *L, const char *name, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

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

__attribute__((visibility("default"))) int luaopen_millpond_core(lua_State *L);

int luaopen_millpond_core(lua_State *L)
{
    luaL_checkversion(L);
    lua_newtable(L);
    native_state *state = native_state_new(L);
    lua_pop(L, 1);
    native_add_errors(L, state);
    native_add_where(L, state);
    native_add_waits(L, state);
    native_add_values(L, state);
    native_add_config(L, state);
    native_add_pool(L, state);
    native_add_connection(L, state);
    native_add_plan(L, state);
    native_add_breaker(L, state);
    native_add_metrics(L, state);
    native_add_loop(L, state);
    native_add_hosts(L, state);
    native_add_replicas(L, state);
    native_set_string(L, "version", pond_version());
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    lua_rawgeti(L, LUA_REGISTRYINDEX, state->hooks);
    lua_setfield(L, -2, "hooks");
    return 1;
}

/* Configurations and URLs. */
#include <locale.h>
#include <string.h>

#include <millpond/driver.h>

#include "native.h"

#define NATIVE_CONFIG "millpond.config"

static pond_config **new_config(lua_State *L)
{
    pond_config **box = lua_newuserdatauv(L, sizeof(pond_config *), 0);
    *box = NULL;
    luaL_setmetatable(L, NATIVE_CONFIG);
    return box;
}

static pond_config *check_config(lua_State *L)
{
    return *(pond_config **)luaL_checkudata(L, 1, NATIVE_CONFIG);
}

static int config_gc(lua_State *L)
{
    pond_config **box = luaL_checkudata(L, 1, NATIVE_CONFIG);
    pond_config_release(*box);
    *box = NULL;
    return 0;
}

/* config(driver) -> an empty config. */
static int config_new(lua_State *L)
{
    native_state *state = native_state_of(L);
    const char *driver = luaL_checkstring(L, 1);
    pond_error *error = NULL;
    pond_config **box = new_config(L);
    int code = pond_config_new(driver, box, &error);
    return code ? native_fail(L, state, code, error) : 1;
}

/* ---- URLs ---------------------------------------------------------------------------------- */

typedef struct setting {
    const char *key;
    const char *value;
} setting;

/* Protected: set t[key] = value. */
static int add_setting(lua_State *L)
{
    const setting *read = lua_touserdata(L, 2);
    lua_settop(L, 1);
    native_set_string(L, read->key, read->value);
    return 0;
}

typedef struct url_call {
    lua_State *L;
    int failed;
} url_call;

/* No error of Lua may cross the library: the first one waits on the stack. */
static void on_setting(void *data, const char *key, const char *value)
{
    url_call *call = data;
    setting read = {key, value};
    if (call->failed)
        return;
    lua_pushcfunction(call->L, add_setting);
    lua_pushvalue(call->L, 2);
    lua_pushlightuserdata(call->L, &read);
    call->failed = lua_pcall(call->L, 2, 0, 0);
}

/* parse_url(url) -> table of its settings, "driver" and "password" among them. */
static int parse_url(lua_State *L)
{
    native_state *state = native_state_of(L);
    url_call call = {.L = L};
    pond_error *error = NULL;
    const char *url = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    lua_newtable(L);
    luaL_checkstack(L, 8, NULL);
    int code = pond_url_parse(url, on_setting, &call, &error);
    if (code)
        return native_fail(L, state, code, error);
    return call.failed ? lua_error(L) : 1;
}

/* ---- Settings ------------------------------------------------------------------------------ */

/* A setting's value as the library takes it. */
static const char *setting_text(lua_State *L, const char *key)
{
    size_t size;
    if (lua_isboolean(L, 3))
        return lua_toboolean(L, 3) ? "true" : "false";
    int type = lua_type(L, 3);
    if (type != LUA_TSTRING && type != LUA_TNUMBER)
        native_error(L, "%s must be text, a number or a boolean, not a %s", key,
                     luaL_typename(L, 3));
    const char *text = luaL_tolstring(L, 3, &size);
    if (strlen(text) != size)
        native_error(L, "%s contains a NUL character", key);
    /* Lua writes numbers as the program's locale does */
    return type == LUA_TNUMBER ? luaL_gsub(L, text, localeconv()->decimal_point, ".") : text;
}

/* config:set(key, value) */
static int config_set(lua_State *L)
{
    native_state *state = native_state_of(L);
    pond_config *config = check_config(L);
    const char *key = luaL_checkstring(L, 2);
    pond_error *error = NULL;
    int code = pond_config_set(config, key, setting_text(L, key), &error);
    return code ? native_fail(L, state, code, error) : 0;
}

/* config:get(key) -> text or nil; never a password. */
static int config_get(lua_State *L)
{
    lua_pushstring(L, pond_config_get(check_config(L), luaL_checkstring(L, 2)));
    return 1;
}

static int config_driver(lua_State *L)
{
    lua_pushstring(L, pond_config_driver(check_config(L)));
    return 1;
}

/* config:host(id): its connections are those of a backend written in Lua. */
static int config_host(lua_State *L)
{
    return native_host_join(L, native_state_of(L), check_config(L), luaL_checkinteger(L, 2));
}

static int config_check(lua_State *L)
{
    native_state *state = native_state_of(L);
    pond_error *error = NULL;
    int code = pond_config_check(check_config(L), &error);
    return code ? native_fail(L, state, code, error) : 0;
}

static int config_hash(lua_State *L)
{
    native_state *state = native_state_of(L);
    char hash[33];
    pond_error *error = NULL;
    int code = pond_config_hash(check_config(L), hash, &error);
    if (code)
        return native_fail(L, state, code, error);
    lua_pushstring(L, hash);
    return 1;
}

/* config:pool() -> the pool of this config. */
static int config_pool(lua_State *L)
{
    native_state *state = native_state_of(L);
    pond_config *config = check_config(L);
    native_pool *pool = lua_newuserdatauv(L, sizeof(*pool), 0);
    *pool = (native_pool){.state = state};
    luaL_setmetatable(L, NATIVE_POOL);
    pool->runs_inline = pond_driver_fact(pond_config_driver(config), "inline") != NULL;
    pool->hosted = pond_config_data(config) != NULL;
    pond_error *error = NULL;
    int code = pond_pool_open(config, &pool->pool, &error);
    return code ? native_fail(L, state, code, error) : 1;
}

void native_add_config(lua_State *L, native_state *state)
{
    static const luaL_Reg methods[] = {
        {"__gc", config_gc},       {"set", config_set},     {"get", config_get},
        {"driver", config_driver}, {"check", config_check}, {"hash", config_hash},
        {"pool", config_pool},     {"host", config_host},   {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"config", config_new},
        {"parse_url", parse_url},
        {NULL, NULL},
    };
    luaL_newmetatable(L, NATIVE_CONFIG);
    native_add_functions(L, state, methods);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    native_add_functions(L, state, functions);
}

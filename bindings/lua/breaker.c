/* Circuit breakers, and when to try again. */
#include <math.h>
#include <string.h>

#include "native.h"

#define NATIVE_BREAKER "millpond.breaker"

typedef struct native_breaker {
    native_state *state;
    pond_breaker *breaker;
} native_breaker;

static native_breaker *new_breaker(lua_State *L, native_state *state)
{
    native_breaker *self = lua_newuserdatauv(L, sizeof(*self), 0);
    *self = (native_breaker){.state = state};
    luaL_setmetatable(L, NATIVE_BREAKER);
    return self;
}

static native_breaker *check_breaker(lua_State *L)
{
    return luaL_checkudata(L, 1, NATIVE_BREAKER);
}

static int breaker_gc(lua_State *L)
{
    native_breaker *self = check_breaker(L);
    pond_breaker_release(self->breaker);
    self->breaker = NULL;
    return 0;
}

/* ---- Options ------------------------------------------------------------------------------- */

/* t[name] in seconds as microseconds; nil: `otherwise`, negative: -1. */
static int64_t seconds_field(lua_State *L, int table, const char *name, int64_t otherwise)
{
    int64_t us = otherwise;
    if (lua_getfield(L, table, name) != LUA_TNIL) {
        double seconds = luaL_checknumber(L, -1);
        if (!(fabs(seconds) < 1e9))
            native_error(L, "%s must be a number of seconds", name);
        us = seconds < 0 ? -1 : (int64_t)(seconds * 1e6);
    }
    lua_pop(L, 1);
    return us;
}

static uint32_t count_field(lua_State *L, int table, const char *name, uint32_t otherwise)
{
    uint32_t count = otherwise;
    if (lua_getfield(L, table, name) != LUA_TNIL) {
        lua_Integer given = luaL_checkinteger(L, -1);
        if (given < 0 || given > UINT32_MAX)
            native_error(L, "%s must be a non-negative integer", name);
        count = (uint32_t)given;
    }
    lua_pop(L, 1);
    return count;
}

static pond_breaker_options read_options(lua_State *L, int table)
{
    pond_breaker_options options = {
        .struct_size = sizeof(options),
        .failure_threshold = count_field(L, table, "failure_threshold", 5),
        .half_open_max_calls = count_field(L, table, "half_open_max_calls", 3),
        .recovery_timeout_us = seconds_field(L, table, "recovery_timeout", 30000000),
        .window_size_us = seconds_field(L, table, "window_size", 60000000),
    };
    lua_getfield(L, table, "in_a_row");
    options.flags = lua_toboolean(L, -1) ? POND_BREAKER_IN_A_ROW : 0;
    lua_pop(L, 1);
    return options;
}

/* breaker(name, options) -> the process's of that name, or a new one; nil as name: one of its own
 */
static int breaker_get(lua_State *L)
{
    native_state *state = native_state_of(L);
    const char *name = luaL_optstring(L, 1, NULL);
    luaL_checktype(L, 2, LUA_TTABLE);
    pond_breaker_options options = read_options(L, 2);
    pond_error *error = NULL;
    native_breaker *self = new_breaker(L, state);
    int code = name ? pond_breaker_get_or_create(name, &options, &self->breaker, &error)
                    : pond_breaker_new("", &options, &self->breaker, &error);
    return code ? native_fail(L, state, code, error) : 1;
}

/* ---- Calls --------------------------------------------------------------------------------- */

/* breaker:allow() -> ticket; or nil and an error object with code "ECIRCUITOPEN" */
static int breaker_allow(lua_State *L)
{
    native_breaker *self = check_breaker(L);
    uint64_t ticket;
    pond_error *error = NULL;
    int code = pond_breaker_allow(self->breaker, &ticket, &error);
    if (code)
        return native_fail(L, self->state, code, error);
    lua_pushinteger(L, (lua_Integer)ticket);
    return 1;
}

/* breaker:record(ticket, "success" | "failure" | "cancelled") */
static int breaker_record(lua_State *L)
{
    static const char *const names[] = {"success", "failure", "cancelled", NULL};
    native_breaker *self = check_breaker(L);
    uint64_t ticket = (uint64_t)luaL_optinteger(L, 2, 0);
    pond_breaker_outcome outcome =
        (pond_breaker_outcome)(luaL_checkoption(L, 3, NULL, names) + POND_BREAKER_SUCCESS);
    pond_error *error = NULL;
    int code = pond_breaker_record(self->breaker, ticket, outcome, &error);
    return code ? native_fail(L, self->state, code, error) : 0;
}

/* outcome_of(code) -> what a breaker is to be told of an error with this code */
static int breaker_outcome_of(lua_State *L)
{
    static const char *const names[] = {"success", "failure", "cancelled"};
    int code = native_code_named(L, luaL_checkstring(L, 1));
    lua_pushstring(L, names[pond_breaker_outcome_of(code) - POND_BREAKER_SUCCESS]);
    return 1;
}

/* ---- Status -------------------------------------------------------------------------------- */

static int breaker_status(lua_State *L)
{
    static const char *const states[] = {"closed", "open", "half_open"};
    native_breaker *self = check_breaker(L);
    pond_breaker_status at = {.struct_size = sizeof(at)};
    pond_error *error = NULL;
    int code = pond_breaker_get_status(self->breaker, &at, &error);
    if (code)
        return native_fail(L, self->state, code, error);
    lua_createtable(L, 0, 8);
    native_set_string(L, "name", pond_breaker_name(self->breaker));
    native_set_string(L, "state", at.state < 3 ? states[at.state] : "unknown");
    native_set_integer(L, "recent_failures", at.recent_failures);
    native_set_integer(L, "probes", at.probes);
    native_set_integer(L, "failures", (lua_Integer)at.failures);
    native_set_integer(L, "refused", (lua_Integer)at.refused);
    native_set_integer(L, "opened", (lua_Integer)at.opened);
    lua_pushnumber(L, (double)at.retry_after_us / 1e6);
    lua_setfield(L, -2, "retry_after");
    return 1;
}

static int breaker_reset(lua_State *L)
{
    pond_breaker_reset(check_breaker(L)->breaker);
    return 0;
}

/* breakers() -> all that the process finds by name */
static int breaker_list(lua_State *L)
{
    native_state *state = native_state_of(L);
    size_t room = pond_breaker_list(NULL, 0) + 8;
    lua_newtable(L);
    for (size_t i = 0; i < room; i++) { /* the userdata first: they let go of what is stored */
        new_breaker(L, state);
        lua_rawseti(L, 1, (lua_Integer)i + 1);
    }
    pond_breaker **handles = lua_newuserdatauv(L, room * sizeof(pond_breaker *), 0);
    size_t count = pond_breaker_list(handles, room);
    for (size_t i = 0; i < room; i++) { /* neither reading nor clearing a field allocates */
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        native_breaker *breaker = lua_touserdata(L, -1);
        lua_pop(L, 1);
        if (i < count) {
            breaker->breaker = handles[i];
        } else {
            lua_pushnil(L);
            lua_rawseti(L, 1, (lua_Integer)i + 1);
        }
    }
    lua_settop(L, 1);
    return 1;
}

/* forget_breaker(name) -> whether there was one */
static int breaker_forget(lua_State *L)
{
    lua_pushboolean(L, pond_breaker_forget(luaL_checkstring(L, 1)));
    return 1;
}

/* ---- Retry --------------------------------------------------------------------------------- */

/* retry_next(policy, failures, elapsed) -> seconds to wait, or nil to give up */
static int retry_next(lua_State *L)
{
    native_state *state = native_state_of(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    pond_retry_policy policy = {
        .struct_size = sizeof(policy),
        .max_retries = count_field(L, 1, "max_retries", 3),
        .base_delay_us = seconds_field(L, 1, "base_delay", 100000),
        .max_delay_us = seconds_field(L, 1, "max_delay", 10000000),
        .total_timeout_us = seconds_field(L, 1, "total_timeout", 30000000),
    };
    int64_t delay_us;
    pond_error *error = NULL;
    int code = pond_retry_next(&policy, (uint32_t)luaL_checkinteger(L, 2),
                               (int64_t)(luaL_checknumber(L, 3) * 1e6), &delay_us, &error);
    if (code)
        return native_fail(L, state, code, error);
    if (delay_us < 0)
        return 0;
    lua_pushnumber(L, (double)delay_us / 1e6);
    return 1;
}

void native_add_breaker(lua_State *L, native_state *state)
{
    static const luaL_Reg metamethods[] = {{"__gc", breaker_gc}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"allow", breaker_allow},
        {"record", breaker_record},
        {"status", breaker_status},
        {"reset", breaker_reset},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"breaker", breaker_get},           {"breakers", breaker_list},
        {"forget_breaker", breaker_forget}, {"outcome_of", breaker_outcome_of},
        {"retry_next", retry_next},         {NULL, NULL},
    };
    luaL_newmetatable(L, NATIVE_BREAKER);
    native_add_functions(L, state, metamethods);
    lua_newtable(L);
    native_add_functions(L, state, methods);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
    lua_setfield(L, -3, "breaker_methods");
    lua_pop(L, 1);
    native_add_functions(L, state, functions);
}

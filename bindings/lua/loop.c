/* The loop of this Lua state, for the scheduler in millpond/scheduler.lua. */
#include <time.h>

#include "native.h"

static int after_run(lua_State *L, native_state *state, int code, pond_error *error)
{
    state->at_once = NATIVE_AT_ONCE;
    if (code && code != POND_EAGAIN)
        return native_fail(L, state, code, error);
    pond_error_free(error);
    if (pond_log_pending())
        native_drain_log(L, state);
    return 0;
}

/* run(seconds): wait until an operation has completed, for at most so long; nil: no limit. */
static int loop_run(lua_State *L)
{
    native_state *state = native_state_of(L);
    pond_error *error = NULL;
    double seconds = luaL_optnumber(L, 1, -1);
    int64_t timeout_ms = seconds < 0 ? -1 : seconds < 1e9 ? (int64_t)(seconds * 1000) + 1 : 1 << 30;
    if (seconds == 0)
        timeout_ms = 0;
    int code = pond_loop_run(state->loop, timeout_ms, &error);
    return after_run(L, state, code, error);
}

/* poll(): do what can be done without waiting. */
static int loop_poll(lua_State *L)
{
    native_state *state = native_state_of(L);
    pond_error *error = NULL;
    int code = pond_loop_run_nowait(state->loop, &error);
    return after_run(L, state, code, error);
}

/* fd() -> a descriptor that is readable when the loop has something to do. */
static int loop_fd(lua_State *L)
{
    lua_pushinteger(L, pond_loop_fd(native_state_of(L)->loop));
    return 1;
}

/* timeout() -> seconds until the loop has something to do, or nil. */
static int loop_timeout(lua_State *L)
{
    int timeout_ms = pond_loop_timeout_ms(native_state_of(L)->loop);
    if (timeout_ms < 0)
        return 0;
    lua_pushnumber(L, timeout_ms / 1000.0);
    return 1;
}

/* now() -> seconds of a clock that never jumps. */
static int loop_now(lua_State *L)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    lua_pushnumber(L, (double)now.tv_sec + (double)now.tv_nsec / 1e9);
    return 1;
}

void native_add_loop(lua_State *L, native_state *state)
{
    static const luaL_Reg functions[] = {
        {"run", loop_run},         {"poll", loop_poll}, {"fd", loop_fd},
        {"timeout", loop_timeout}, {"now", loop_now},   {NULL, NULL},
    };
    native_add_functions(L, state, functions);
}

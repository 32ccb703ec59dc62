#include "native.h"

/* ---- Create and destroy -------------------------------------------------------------------- */

/* The Lua state closes: this is its last finalizer of ours, since it was marked first. */
static int state_gc(lua_State *L)
{
    native_state *state = lua_touserdata(L, 1);
    if (!state->loop)
        return 0;
    native_hosts_close(state);
    pond_loop_close(state->loop);
    for (native_wait *wait = state->all; wait; wait = wait->next) {
        pond_op_release(wait->op);
        wait->op = NULL;
    }
    pond_loop_release(state->loop);
    state->loop = NULL;
    return 0;
}

static int new_table(lua_State *L)
{
    lua_newtable(L);
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

native_state *native_state_new(lua_State *L)
{
    native_state *state = lua_newuserdatauv(L, sizeof(*state), 0);
    *state = (native_state){.at_once = NATIVE_AT_ONCE, .busy = LUA_NOREF};
    lua_newtable(L);
    lua_pushcfunction(L, state_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    luaL_ref(L, LUA_REGISTRYINDEX); /* to the end */
    state->waiting = new_table(L);
    state->anchors = new_table(L);
    state->hooks = new_table(L);
    state->error_meta = new_table(L);
    state->array_meta = new_table(L);
    pond_error *error = NULL;
    int code = pond_loop_new(&state->loop, &error);
    if (code) {
        pond_error_free(error);
        native_error(L, "millpond cannot make its event loop: %s", pond_error_text(code));
    }
    return state;
}

native_state *native_state_of(lua_State *L)
{
    native_state *state = lua_touserdata(L, lua_upvalueindex(1));
    if (!state->loop)
        native_error(L, "the Lua state is closing: millpond can no longer be used");
    return state;
}

/* ---- What the Lua side sets ---------------------------------------------------------------- */

void native_push_hook(lua_State *L, const native_state *state, const char *name)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, state->hooks);
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
}

/* Protected: push level, area and text of the record. */
static int push_record(lua_State *L)
{
    const pond_log *record = lua_touserdata(L, 1);
    lua_pushinteger(L, pond_log_level_of(record));
    lua_pushstring(L, pond_log_area(record));
    lua_pushstring(L, pond_log_message(record));
    return 3;
}

/* Protected. */
static int drain_log(lua_State *L)
{
    const native_state *state = lua_touserdata(L, 1);
    while (pond_log_pending()) {
        native_push_hook(L, state, "log");
        pond_log *record = lua_isfunction(L, -1) ? pond_log_next() : NULL;
        if (!record)
            return 0;
        lua_pushcfunction(L, push_record);
        lua_pushlightuserdata(L, record);
        int failed = lua_pcall(L, 1, 3, 0);
        pond_log_free(record);
        if (failed)
            return 0;
        if (lua_pcall(L, 3, 0, 0))
            lua_pop(L, 1); /* a logger that fails stops no work */
    }
    return 0;
}

void native_drain_log(lua_State *L, const native_state *state)
{
    if (!lua_checkstack(L, 4))
        return;
    lua_pushcfunction(L, drain_log);
    lua_pushlightuserdata(L, (void *)(uintptr_t)state);
    if (lua_pcall(L, 1, 0, 0))
        lua_pop(L, 1);
}

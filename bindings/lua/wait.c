/* A coroutine that waits for an operation, or the main program that blocks for it. */
#include "native.h"

/* What a coroutine yields while it waits: this mark, and the number of its wait. */
static const char mark;

/* ---- Take and give ------------------------------------------------------------------------- */

/* A finalizer may run in each allocation and wait for something itself. */
static native_wait *new_wait(lua_State *L, native_state *state)
{
    lua_Integer number = ++state->waits;
    lua_rawgeti(L, LUA_REGISTRYINDEX, state->waiting);
    lua_pushboolean(L, 0);
    lua_rawseti(L, -2, number); /* so that later changes allocate nothing */
    lua_rawgeti(L, LUA_REGISTRYINDEX, state->anchors);
    native_wait *wait = lua_newuserdatauv(L, sizeof(*wait), 0);
    *wait = (native_wait){.state = state, .number = number};
    lua_rawseti(L, -2, number);
    lua_pop(L, 2);
    wait->next = state->all;
    state->all = wait;
    return wait;
}

native_wait *native_wait_take(lua_State *L, native_state *state)
{
    luaL_checkstack(L, 12, "too many values");
    if (state->busy != LUA_NOREF && !state->pending && lua_isyieldable(L)) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, state->busy);
        lua_call(L, 0, 0);
    }
    native_wait *wait = state->free;
    if (wait)
        state->free = wait->next_free;
    else
        wait = new_wait(L, state);
    wait->status = NATIVE_WAIT_FREE;
    wait->cancelled = 0;
    wait->shape = 0;
    wait->waited = 0;
    wait->blocks = 0;
    wait->host = 0;
    return wait;
}

static void give(native_wait *wait)
{
    native_state *state = wait->state;
    wait->status = NATIVE_WAIT_FREE;
    wait->owner = NULL;
    wait->next_free = state->free;
    state->free = wait;
}

void native_unwait(native_wait *wait)
{
    wait->op = NULL;
    give(wait);
}

/* Set whom to resume, the running coroutine or nobody. The key exists: this allocates nothing. */
static void set_coroutine(lua_State *L, const native_wait *wait, int running)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, wait->state->waiting);
    if (running)
        lua_pushthread(L);
    else
        lua_pushboolean(L, 0);
    lua_rawseti(L, -2, wait->number);
    lua_pop(L, 1);
}

static void drop(native_wait *wait)
{
    pond_op_release(wait->op);
    native_unwait(wait);
}

/* ---- Wait ---------------------------------------------------------------------------------- */

/* A signal that comes right before the wait does not interrupt it. */
enum { LOOK_MS = 250 };

int native_interrupted(void *data)
{
    native_interrupt *interrupt = data;
    lua_Hook now = lua_gethook(interrupt->L);
    int changed = now != interrupt->before;
    interrupt->before = now; /* the cleaning up after it is to go on */
    return changed;
}

static void block(lua_State *L, native_wait *wait)
{
    native_interrupt interrupt = {.L = L, .before = lua_gethook(L)};
    for (;;) {
        pond_error *error = NULL;
        int code = pond_op_wait(wait->op, LOOK_MS, &error);
        pond_error_free(error);
        if (code != POND_EAGAIN)
            break;
        if (native_interrupted(&interrupt))
            pond_op_cancel(wait->op);
    }
    wait->status = NATIVE_WAIT_DONE;
}

/* The answer may need what other coroutines do, such as those of a backend: they go on. */
static void let_others_go_on(lua_State *L, native_wait *wait)
{
    wait->status = NATIVE_WAIT_PENDING;
    wait->blocks = 1;
    wait->state->pending++;
    native_push_hook(L, wait->state, "drive");
    lua_pushinteger(L, wait->number);
    if (!lua_pcall(L, 1, 0, 0))
        return;
    if (wait->status == NATIVE_WAIT_PENDING) {
        wait->status = NATIVE_WAIT_ABANDONED;
        pond_op_cancel(wait->op);
    } else {
        drop(wait);
    }
    lua_error(L);
}

int native_await(lua_State *L, native_wait *wait, lua_KFunction finish)
{
    if (!lua_isyieldable(L)) {
        if (wait->state->hosts)
            let_others_go_on(L, wait);
        else
            block(L, wait);
        if (pond_log_pending())
            native_drain_log(L, wait->state);
        return finish(L, LUA_OK, (lua_KContext)wait);
    }
    set_coroutine(L, wait, 1);
    wait->status = NATIVE_WAIT_PENDING;
    wait->waited = 1;
    wait->state->pending++;
    lua_pushlightuserdata(L, (void *)(uintptr_t)&mark);
    lua_pushinteger(L, wait->number);
    return lua_yieldk(L, 2, (lua_KContext)wait, finish);
}

int native_await_at_once(lua_State *L, native_wait *wait, lua_KFunction finish)
{
    if (pond_op_status(wait->op) == POND_PENDING)
        return native_await(L, wait, finish);
    pond_op_wait(wait->op, 0, NULL); /* takes it, should it have got into the queue after all */
    wait->status = NATIVE_WAIT_DONE;
    return finish(L, LUA_OK, (lua_KContext)wait);
}

pond_op *native_wait_end(lua_State *L, native_wait *wait)
{
    native_state *state = wait->state;
    if (wait->waited)
        set_coroutine(L, wait, 0);
    if (wait->status == NATIVE_WAIT_PENDING) {
        wait->status = NATIVE_WAIT_ABANDONED;
        pond_op_cancel(wait->op);
        native_raise(L, state, POND_EMISUSE,
                     "this coroutine was resumed while it waits for the database: make generators "
                     "that use the database with millpond.wrap()");
    }
    pond_op *op = wait->op;
    int cancelled = wait->cancelled;
    native_unwait(wait);
    if (cancelled) {
        pond_op_release(op);
        native_raise(L, state, POND_ECANCELLED, "the task was cancelled");
    }
    return op;
}

int native_finish_plain(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    native_wait *wait = (native_wait *)context;
    native_state *state = wait->state;
    lua_Integer host = wait->host;
    pond_op *op = native_wait_end(L, wait);
    int code = pond_op_status(op);
    pond_error *error = code ? pond_op_take_error(op) : NULL;
    pond_op_release(op);
    if (code)
        return native_fail_of(L, state, host, code, error);
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- For the scheduler --------------------------------------------------------------------- */

/* next() -> a coroutine whose operation has completed, or nil. */
static int wait_next(lua_State *L)
{
    native_state *state = native_state_of(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, state->waiting);
    for (;;) {
        pond_op *op = pond_loop_next(state->loop);
        if (!op)
            return 0;
        native_wait *wait = pond_op_user_data(op);
        pond_op_release(op);
        if (!wait)
            continue;
        state->pending--;
        if (wait->status == NATIVE_WAIT_ABANDONED) {
            drop(wait);
            continue;
        }
        wait->status = NATIVE_WAIT_DONE;
        if (wait->blocks)
            continue;
        lua_rawgeti(L, -1, wait->number);
        lua_State *coroutine = lua_tothread(L, -1);
        if (coroutine && lua_status(coroutine) == LUA_YIELD)
            return 1;
        lua_pop(L, 1); /* it was closed meanwhile */
        set_coroutine(L, wait, 0);
        drop(wait);
    }
}

static native_wait *wait_at(lua_State *L, native_state *state, lua_Integer number)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, state->anchors);
    lua_rawgeti(L, -1, number);
    native_wait *wait = lua_touserdata(L, -1);
    lua_pop(L, 2);
    return wait && wait->status == NATIVE_WAIT_PENDING ? wait : NULL;
}

int native_wait_left(lua_State *L, const native_wait *wait)
{
    if (wait->status != NATIVE_WAIT_PENDING || wait->blocks)
        return wait->status == NATIVE_WAIT_ABANDONED;
    lua_rawgeti(L, LUA_REGISTRYINDEX, wait->state->waiting);
    lua_rawgeti(L, -1, wait->number);
    lua_State *coroutine = lua_tothread(L, -1);
    lua_pop(L, 2);
    return !coroutine || lua_status(coroutine) != LUA_YIELD;
}

/* is_over(number): whether what a blocking call waits for has completed. */
static int wait_is_over(lua_State *L)
{
    lua_pushboolean(L, !wait_at(L, native_state_of(L), luaL_checkinteger(L, 1)));
    return 1;
}

/* cancel(number): the wait ends soon, with an error in the coroutine. */
static int wait_cancel(lua_State *L)
{
    native_wait *wait = wait_at(L, native_state_of(L), luaL_checkinteger(L, 1));
    if (wait) {
        wait->cancelled = 1;
        pond_op_cancel(wait->op);
    }
    return 0;
}

/* rewait(number): the running coroutine is the one to resume. */
static int wait_rewait(lua_State *L)
{
    native_state *state = native_state_of(L);
    native_wait *wait = wait_at(L, state, luaL_checkinteger(L, 1));
    if (wait)
        set_coroutine(L, wait, 1);
    return 0;
}

/* block(number): where nothing can yield, wait for it to its end. */
static int wait_block(lua_State *L)
{
    native_state *state = native_state_of(L);
    native_wait *wait = wait_at(L, state, luaL_checkinteger(L, 1));
    if (wait && state->hosts) {
        wait->blocks = 1;
        native_push_hook(L, state, "drive");
        lua_pushinteger(L, wait->number);
        lua_call(L, 1, 0);
    } else if (wait) {
        block(L, wait);
        state->pending--;
    }
    return 0;
}

/* set_busy(f): called before the first coroutine begins to wait, to tell a host's loop. */
static int wait_set_busy(lua_State *L)
{
    native_state *state = native_state_of(L);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    luaL_unref(L, LUA_REGISTRYINDEX, state->busy);
    state->busy = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* pending() -> number of operations that coroutines wait for. */
static int wait_pending(lua_State *L)
{
    lua_pushinteger(L, native_state_of(L)->pending);
    return 1;
}

void native_add_waits(lua_State *L, native_state *state)
{
    static const luaL_Reg functions[] = {
        {"next", wait_next},       {"cancel", wait_cancel},
        {"rewait", wait_rewait},   {"block", wait_block},
        {"pending", wait_pending}, {"set_busy", wait_set_busy},
        {"is_over", wait_is_over}, {NULL, NULL},
    };
    native_add_functions(L, state, functions);
    lua_pushlightuserdata(L, (void *)(uintptr_t)&mark);
    lua_setfield(L, -2, "mark");
}

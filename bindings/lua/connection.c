/* Connections: each method waits in a coroutine by yielding, elsewhere by blocking. */
#include "native.h"

/* ---- Create and destroy -------------------------------------------------------------------- */

native_connection *native_connection_new(lua_State *L, const native_pool *pool)
{
    native_connection *self = lua_newuserdatauv(L, sizeof(*self), 1);
    *self = (native_connection){
        .state = pool->state, .runs_inline = (char)pool->runs_inline, .hosted = (char)pool->hosted};
    luaL_setmetatable(L, NATIVE_CONNECTION);
    return self;
}

/* A coroutine that was closed is in no transaction any more, and waits for nothing. */
static void clean_up_after(lua_State *L, native_connection *self)
{
    native_wait *busy = self->busy;
    pond_error *error = NULL;
    if (busy && busy->owner == self && native_wait_left(L, busy))
        pond_op_cancel(busy->op);
    if (self->left && pond_connection_transaction(self->lease, POND_ROLLBACK, POND_TIMEOUT_DEFAULT,
                                                  NULL, NULL, &error))
        pond_error_free(error); /* the connection is lost, or stale */
    self->left = 0;
}

native_connection *native_connection_check(lua_State *L)
{
    native_connection *self = luaL_checkudata(L, 1, NATIVE_CONNECTION);
    if (!self->state->loop)
        native_error(L, "the Lua state is closing: millpond can no longer be used");
    if (!self->lease)
        native_raise(L, self->state, POND_ESTALE,
                     "this connection was given back to its pool: acquire another");
    if (self->busy || self->left)
        clean_up_after(L, self);
    return self;
}

/* To wait for something of the connection. */
static native_wait *take_wait(lua_State *L, native_connection *self)
{
    native_wait *wait = native_wait_take(L, self->state);
    wait->owner = self;
    wait->host = self->hosted && self->lease ? native_host_id(self->lease) : 0;
    self->busy = wait;
    return wait;
}

/* Whoever forgets a connection is warned of by the pool; to close it says that nothing was
 * forgotten. Doing either again does nothing. */
static void let_go(native_connection *self)
{
    pond_connection *lease = self->lease;
    self->lease = NULL;
    pond_connection_release(lease);
}

static int connection_gc(lua_State *L)
{
    let_go(luaL_checkudata(L, 1, NATIVE_CONNECTION));
    return 0;
}

static int connection_end(lua_State *L)
{
    native_connection *self = luaL_checkudata(L, 1, NATIVE_CONNECTION);
    pond_error *error = NULL;
    if (self->lease && !self->closed)
        pond_connection_give_back(self->lease, &error);
    pond_error_free(error); /* taken by force already, as the pool closed */
    let_go(self);
    if (pond_log_pending() && self->state->loop)
        native_drain_log(L, self->state);
    return 0;
}

/* conn:release(): give it back; twice is a mistake. */
static int connection_release(lua_State *L)
{
    native_connection *self = native_connection_check(L);
    pond_error *error = NULL;
    int code = self->closed ? POND_OK : pond_connection_give_back(self->lease, &error);
    let_go(self);
    if (pond_log_pending())
        native_drain_log(L, self->state);
    return code ? native_fail(L, self->state, code, error) : 0;
}

/* conn:close(): close the connection itself; its place in the pool is free again. */
static int connection_close(lua_State *L)
{
    native_connection *self = luaL_checkudata(L, 1, NATIVE_CONNECTION);
    pond_error *error = NULL;
    if (!self->lease)
        return 0;
    int code = pond_connection_close(self->lease, &error);
    if (code)
        return native_fail(L, self->state, code, error);
    self->closed = 1;
    return 0;
}

/* ---- Statements ---------------------------------------------------------------------------- */

/* The lease, once all is ready to submit: code of the program's own that ran meanwhile, such as a
 * finalizer, may have given it back. */
static pond_connection *lease_of(lua_State *L, const native_connection *self, native_wait *wait)
{
    if (!self->lease) {
        if (wait)
            native_unwait(wait);
        native_connection_check(L);
    }
    return self->lease;
}

/* Begin to wait for what was submitted, if it was. */
static int after_submit(lua_State *L, native_wait *wait, int code, pond_error *error)
{
    native_state *state = wait->state;
    if (!code)
        return native_await(L, wait, native_finish_rows);
    native_unwait(wait);
    return native_fail(L, state, code, error);
}

/* In the caller's own thread, without an operation. A signal's handler that sets a hook ends it. */
static int execute_inline(lua_State *L, const native_connection *self, const native_call *call,
                          int many)
{
    pond_result *result = NULL;
    pond_error *error = NULL;
    pond_connection *lease = lease_of(L, self, NULL);
    native_interrupt interrupt = {.L = L, .before = lua_gethook(L)};
    pond_thread_set_interrupt(native_interrupted, &interrupt);
    int code =
        many ? pond_connection_execute_many_wait(lease, call->sql, call->sql_size, call->values,
                                                 call->row_count, call->column_count,
                                                 &call->options, &result, &error)
             : pond_connection_execute_wait(lease, call->sql, call->sql_size, call->values,
                                            call->column_count, &call->options, &result, &error);
    pond_thread_set_interrupt(NULL, NULL);
    if (code)
        return native_fail(L, self->state, code, error);
    return native_return_rows(L, self->state, result, call->shape);
}

/* Short statements of SQLite complete at once, unless the other coroutines are due. */
static void allow_at_once(native_state *state, native_call *call)
{
    if (state->at_once > 0) {
        state->at_once--;
        call->options.flags = POND_EXECUTE_AT_ONCE;
    }
}

static int connection_execute(lua_State *L)
{
    native_connection *self = native_connection_check(L);
    native_state *state = self->state;
    native_call call;
    pond_error *error = NULL;
    native_call_read(L, state, &call, 0);
    if (self->runs_inline && !lua_isyieldable(L))
        return execute_inline(L, self, &call, 0);
    if (self->runs_inline)
        allow_at_once(state, &call);
    native_wait *wait = take_wait(L, self);
    wait->shape = call.shape;
    int code =
        pond_connection_execute(lease_of(L, self, wait), call.sql, call.sql_size, call.values,
                                call.column_count, &call.options, wait, &wait->op, &error);
    if (!code && call.options.flags)
        return native_await_at_once(L, wait, native_finish_rows);
    return after_submit(L, wait, code, error);
}

static int connection_executemany(lua_State *L)
{
    native_connection *self = native_connection_check(L);
    native_call call;
    pond_error *error = NULL;
    native_call_read(L, self->state, &call, 1);
    if (self->runs_inline && !lua_isyieldable(L))
        return execute_inline(L, self, &call, 1);
    native_wait *wait = take_wait(L, self);
    wait->shape = call.shape;
    int code = pond_connection_execute_many(lease_of(L, self, wait), call.sql, call.sql_size,
                                            call.values, call.row_count, call.column_count,
                                            &call.options, wait, &wait->op, &error);
    return after_submit(L, wait, code, error);
}

/* conn:_run(plan, timeout) -> true, once the plan has its answer */
static int connection_run(lua_State *L)
{
    native_connection *self = native_connection_check(L);
    native_plan *plan = native_plan_check(L, 2);
    int64_t timeout_ms = native_timeout(L, 3);
    pond_error *error = NULL;
    native_wait *wait = take_wait(L, self);
    int code = pond_connection_run(lease_of(L, self, wait), plan->plan, timeout_ms, wait, &wait->op,
                                   &error);
    if (!code)
        return native_await(L, wait, native_finish_plain);
    native_unwait(wait);
    return native_fail(L, self->state, code, error);
}

/* conn:_pool() -> the pool it was acquired from */
static int connection_pool(lua_State *L)
{
    native_connection_check(L);
    lua_getiuservalue(L, 1, 1);
    return 1;
}

/* ---- Streams, for millpond/stream.lua ------------------------------------------------------- */

/* conn:_stream(sql, params, options) -> the first batch */
static int connection_stream(lua_State *L)
{
    native_connection *self = native_connection_check(L);
    native_call call;
    pond_error *error = NULL;
    native_call_read(L, self->state, &call, 0);
    native_wait *wait = take_wait(L, self);
    wait->shape = call.shape;
    int code = pond_connection_stream(lease_of(L, self, wait), call.sql, call.sql_size, call.values,
                                      call.column_count, call.batch_rows, &call.options, wait,
                                      &wait->op, &error);
    return after_submit(L, wait, code, error);
}

/* conn:_fetch(timeout, named, null_as_nil) -> the next batch */
static int connection_fetch(lua_State *L)
{
    native_connection *self = native_connection_check(L);
    int64_t timeout_ms = native_timeout(L, 2);
    int shape = (lua_toboolean(L, 3) ? NATIVE_NAMED : 0) | (lua_toboolean(L, 4) ? NATIVE_NIL : 0);
    pond_error *error = NULL;
    native_wait *wait = take_wait(L, self);
    wait->shape = shape;
    int code = pond_connection_fetch(lease_of(L, self, wait), timeout_ms, wait, &wait->op, &error);
    return after_submit(L, wait, code, error);
}

/* conn:_end_stream(): before the next statement; nobody waits for it. */
static int connection_end_stream(lua_State *L)
{
    native_connection *self = luaL_checkudata(L, 1, NATIVE_CONNECTION);
    pond_error *error = NULL;
    if (self->lease && self->state->loop &&
        pond_connection_end_stream(self->lease, POND_TIMEOUT_DEFAULT, NULL, NULL, &error))
        pond_error_free(error); /* the connection is lost or stale: there is no stream */
    return 0;
}

/* ---- Transactions -------------------------------------------------------------------------- */

static int transaction(lua_State *L, pond_transaction_verb verb)
{
    native_connection *self = native_connection_check(L);
    int64_t timeout_ms = native_timeout(L, 2);
    pond_error *error = NULL;
    native_wait *wait = take_wait(L, self);
    int code = pond_connection_transaction(lease_of(L, self, wait), verb, timeout_ms, wait,
                                           &wait->op, &error);
    if (!code)
        return native_await(L, wait, native_finish_plain);
    native_unwait(wait);
    return native_fail(L, self->state, code, error);
}

static int connection_begin(lua_State *L)
{
    return transaction(L, POND_BEGIN);
}

static int connection_commit(lua_State *L)
{
    return transaction(L, POND_COMMIT);
}

static int connection_rollback(lua_State *L)
{
    return transaction(L, POND_ROLLBACK);
}

/* ---- Answers that need no waiting ----------------------------------------------------------- */

static int answer_in_transaction(lua_State *L, native_connection *self)
{
    pond_error *error = NULL;
    int open;
    int code = pond_connection_in_transaction(self->lease, &open, &error);
    if (code)
        return native_fail(L, self->state, code, error);
    lua_pushboolean(L, open);
    return 1;
}

static int finish_in_transaction(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    pond_op_release(native_wait_end(L, (native_wait *)context));
    return answer_in_transaction(L, native_connection_check(L));
}

/* Known at once, unless what a closed coroutine began is still being undone. */
static int connection_in_transaction(lua_State *L)
{
    native_connection *self = luaL_checkudata(L, 1, NATIVE_CONNECTION);
    const native_wait *busy = self->busy;
    int undoes = self->left || (busy && busy->owner == self && native_wait_left(L, busy));
    native_connection_check(L);
    if (!undoes)
        return answer_in_transaction(L, self);
    pond_error *error = NULL;
    native_wait *wait = native_wait_take(L, self->state);
    int code = pond_connection_end_stream(lease_of(L, self, wait), POND_TIMEOUT_DEFAULT, wait,
                                          &wait->op, &error); /* comes after it, and does nothing */
    if (!code)
        return native_await(L, wait, finish_in_transaction);
    native_unwait(wait);
    return native_fail(L, self->state, code, error);
}

/* conn:_leave(): the coroutine that is in a transaction was closed. */
static int connection_leave(lua_State *L)
{
    native_connection *self = luaL_checkudata(L, 1, NATIVE_CONNECTION);
    self->left = 1;
    return 0;
}

/* conn:_host() -> the number by which a backend knows it; 0 if there is none */
static int connection_host(lua_State *L)
{
    const native_connection *self = native_connection_check(L);
    lua_pushinteger(L, self->hosted ? native_host_id(self->lease) : 0);
    return 1;
}

static int connection_version(lua_State *L)
{
    native_connection *self = native_connection_check(L);
    const char *server = pond_connection_server_version(self->lease);
    const char *driver = pond_connection_driver_version(self->lease);
    if (!server || !driver)
        return native_raise(L, self->state, POND_ESTALE, "the connection is gone");
    lua_createtable(L, 0, 2);
    native_set_string(L, "db_server_version", server);
    native_set_string(L, "db_driver", driver);
    return 1;
}

/* A number that no two open connections share; 0 once it was given back. */
static int connection_id(lua_State *L)
{
    native_connection *self = luaL_checkudata(L, 1, NATIVE_CONNECTION);
    lua_pushinteger(L, self->lease ? (lua_Integer)pond_connection_id(self->lease) : 0);
    return 1;
}

/* Whether the session was opened or reset since set_up() was called. */
static int connection_is_fresh(lua_State *L)
{
    lua_pushboolean(L, pond_connection_is_fresh(native_connection_check(L)->lease));
    return 1;
}

/* conn:set_up(): the program has made its settings, which stay as long as the session. */
static int connection_set_up(lua_State *L)
{
    native_connection *self = native_connection_check(L);
    pond_error *error = NULL;
    int code = pond_connection_set_up(self->lease, &error);
    return code ? native_fail(L, self->state, code, error) : 0;
}

/* conn:node() -> the number of the node that it leads to, as in db:nodes(), from 1 */
static int connection_node(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)pond_connection_node(native_connection_check(L)->lease) + 1);
    return 1;
}

static int connection_tostring(lua_State *L)
{
    native_connection *self = luaL_checkudata(L, 1, NATIVE_CONNECTION);
    if (self->lease)
        lua_pushfstring(L, "millpond.connection %I", (LUAI_UACINT)pond_connection_id(self->lease));
    else
        lua_pushliteral(L, "millpond.connection (given back)");
    return 1;
}

void native_add_connection(lua_State *L, native_state *state)
{
    static const luaL_Reg metamethods[] = {
        {"__gc", connection_gc},
        {"__close", connection_end},
        {"__tostring", connection_tostring},
        {NULL, NULL},
    };
    static const luaL_Reg methods[] = {
        {"execute", connection_execute},
        {"executemany", connection_executemany},
        {"begin", connection_begin},
        {"commit", connection_commit},
        {"rollback", connection_rollback},
        {"in_transaction", connection_in_transaction},
        {"get_version_details", connection_version},
        {"id", connection_id},
        {"node", connection_node},
        {"is_fresh", connection_is_fresh},
        {"set_up", connection_set_up},
        {"release", connection_release},
        {"close", connection_close},
        {"_run", connection_run},
        {"_pool", connection_pool},
        {"_leave", connection_leave},
        {"_host", connection_host},
        {"_stream", connection_stream},
        {"_fetch", connection_fetch},
        {"_end_stream", connection_end_stream},
        {NULL, NULL},
    };
    luaL_newmetatable(L, NATIVE_CONNECTION);
    native_add_functions(L, state, metamethods);
    lua_newtable(L);
    native_add_functions(L, state, methods);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
    lua_setfield(L, -3, "connection_methods");
    lua_pop(L, 1);
}

/* Pools: db:connection() and what is to be known about them. */
#include "native.h"

static native_pool *check_pool(lua_State *L)
{
    native_pool *self = luaL_checkudata(L, 1, NATIVE_POOL);
    if (!self->pool)
        native_error(L, "this pool was never opened");
    return self;
}

static int pool_gc(lua_State *L)
{
    native_pool *self = luaL_checkudata(L, 1, NATIVE_POOL);
    pond_pool_release(self->pool);
    self->pool = NULL;
    return 0;
}

/* ---- Acquire ------------------------------------------------------------------------------- */

enum { TIMEOUT = 2, CONNECTION = 3 };

static int finish_acquire(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    native_wait *wait = (native_wait *)context;
    native_state *state = wait->state;
    native_connection *connection = lua_touserdata(L, CONNECTION);
    pond_op *op = native_wait_end(L, wait);
    int code = pond_op_status(op);
    pond_error *error = code ? pond_op_take_error(op) : NULL;
    connection->lease = pond_op_take_connection(op);
    pond_op_release(op);
    if (code)
        return native_fail(L, state, code, error);
    lua_pushvalue(L, CONNECTION);
    return 1;
}

/* pool:acquire(timeout) -> connection; or a table of options */
static int pool_acquire(lua_State *L)
{
    native_state *state = native_state_of(L);
    native_pool *self = check_pool(L);
    pond_acquire_options options = {.struct_size = sizeof(options)};
    pond_error *error = NULL;
    lua_settop(L, TIMEOUT);
    int plain = !lua_istable(L, TIMEOUT);
    if (plain)
        options.timeout_ms = native_timeout(L, TIMEOUT);
    else
        native_read_acquire(L, TIMEOUT, &options);
    native_connection *connection = native_connection_new(L, self);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    int code = plain ? pond_pool_try_acquire(self->pool, state->loop, &connection->lease, &error)
                     : pond_pool_try_acquire_with(self->pool, state->loop, &options,
                                                  &connection->lease, &error);
    if (!code)
        return 1;
    if (code != POND_EAGAIN)
        return native_fail(L, state, code, error);
    pond_error_free(error);
    error = NULL;
    native_wait *wait = native_wait_take(L, state);
    code = plain
               ? pond_pool_acquire(self->pool, state->loop, options.timeout_ms, wait, &wait->op,
                                   &error)
               : pond_pool_acquire_with(self->pool, state->loop, &options, wait, &wait->op, &error);
    if (!code)
        return native_await(L, wait, finish_acquire);
    native_unwait(wait);
    return native_fail(L, state, code, error);
}

/* ---- Close --------------------------------------------------------------------------------- */

/* pool:close(timeout) */
static int pool_close(lua_State *L)
{
    native_state *state = native_state_of(L);
    native_pool *self = check_pool(L);
    int64_t timeout_ms = native_timeout(L, TIMEOUT);
    pond_error *error = NULL;
    native_wait *wait = native_wait_take(L, state);
    int code = pond_pool_close(self->pool, state->loop, timeout_ms, wait, &wait->op, &error);
    if (!code)
        return native_await(L, wait, native_finish_plain);
    native_unwait(wait);
    return native_fail(L, state, code, error);
}

/* ---- Health -------------------------------------------------------------------------------- */

/* pool:check(timeout) -> true, or nil and why the pool cannot serve */
static int pool_check(lua_State *L)
{
    native_state *state = native_state_of(L);
    native_pool *self = check_pool(L);
    int64_t timeout_ms = native_timeout(L, TIMEOUT);
    pond_error *error = NULL;
    native_wait *wait = native_wait_take(L, state);
    int code = pond_pool_check(self->pool, state->loop, timeout_ms, wait, &wait->op, &error);
    if (!code)
        return native_await(L, wait, native_finish_plain);
    native_unwait(wait);
    return native_fail(L, state, code, error);
}

/* pool:leases(seconds) -> {{connection_id =, seconds =}, ...}: those that are out for longer */
static int pool_leases(lua_State *L)
{
    native_pool *self = check_pool(L);
    int64_t least_ms = (int64_t)(luaL_checknumber(L, 2) * 1000);
    size_t room = pond_pool_leases(self->pool, least_ms, NULL, sizeof(pond_lease_info), 0) + 8;
    pond_lease_info *leases = lua_newuserdatauv(L, room * sizeof(*leases), 0);
    size_t count = pond_pool_leases(self->pool, least_ms, leases, sizeof(*leases), room);
    if (count > room)
        count = room;
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_createtable(L, 0, 2);
        native_set_integer(L, "connection_id", (lua_Integer)leases[i].connection_id);
        lua_pushnumber(L, (double)leases[i].age_ms / 1000);
        lua_setfield(L, -2, "seconds");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* ---- Status -------------------------------------------------------------------------------- */

static int pool_status(lua_State *L)
{
    native_state *state = native_state_of(L);
    pond_pool_status at = {.struct_size = sizeof(at)};
    pond_error *error = NULL;
    int code = pond_pool_get_status(check_pool(L)->pool, &at, &error);
    if (code)
        return native_fail(L, state, code, error);
    const struct {
        const char *name;
        uint64_t count;
    } counts[] = {
        {"min_size", at.min_size},
        {"max_size", at.max_size},
        {"size", at.size},
        {"in_use", at.in_use},
        {"idle", at.idle},
        {"opening", at.opening},
        {"sync_max_size", at.sync_max_size},
        {"sync_in_use", at.sync_in_use},
        {"waiting", at.waiting},
        {"total_acquired", at.acquired},
        {"total_released", at.released},
        {"current_active", at.acquired - at.released},
        {"peak_active", at.peak_active},
        {"timeouts", at.timeouts},
        {"errors", at.errors},
        {"created", at.created},
        {"destroyed", at.destroyed},
        {"statement_hits", at.statement_hits},
        {"statement_misses", at.statement_misses},
        {"statement_evictions", at.statement_evictions},
    };
    lua_createtable(L, 0, (int)(sizeof(counts) / sizeof(counts[0])) + 1);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        native_set_integer(L, counts[i].name, (lua_Integer)counts[i].count);
    native_set_boolean(L, "closed", at.closed != 0);
    return 1;
}

/* Not while it is still closing. In a forked child a pool counts as closed, too. */
static int pool_closed(lua_State *L)
{
    lua_pushboolean(L, pond_pool_is_closed(check_pool(L)->pool));
    return 1;
}

static int pool_hash(lua_State *L)
{
    lua_pushstring(L, pond_pool_hash(check_pool(L)->pool));
    return 1;
}

/* Both are one pool of the library. */
static int pool_eq(lua_State *L)
{
    const native_pool *a = luaL_testudata(L, 1, NATIVE_POOL);
    const native_pool *b = luaL_testudata(L, 2, NATIVE_POOL);
    lua_pushboolean(L, a && b && a->pool == b->pool);
    return 1;
}

static int pool_tostring(lua_State *L)
{
    lua_pushfstring(L, "millpond.pool: %s", pond_pool_hash(check_pool(L)->pool));
    return 1;
}

/* pools() -> the open pools of this process, of other Lua states, too. */
static int pool_list(lua_State *L)
{
    native_state *state = native_state_of(L);
    size_t room = pond_pool_list(NULL, 0) + 8;
    lua_newtable(L);
    for (size_t i = 0; i < room; i++) { /* the userdata first: they let go of what is stored */
        native_pool *pool = lua_newuserdatauv(L, sizeof(*pool), 0);
        *pool = (native_pool){.state = state};
        luaL_setmetatable(L, NATIVE_POOL);
        lua_rawseti(L, 1, (lua_Integer)i + 1);
    }
    pond_pool **handles = lua_newuserdatauv(L, room * sizeof(*handles), 0);
    size_t count = pond_pool_list(handles, room);
    if (count > room)
        count = room;
    for (size_t i = 0; i < room; i++) { /* neither reading nor clearing a field allocates */
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        native_pool *pool = lua_touserdata(L, -1);
        lua_pop(L, 1);
        if (i < count) {
            pool->pool = handles[i];
        } else {
            lua_pushnil(L);
            lua_rawseti(L, 1, (lua_Integer)i + 1);
        }
    }
    lua_settop(L, 1);
    return 1;
}

/* default_pool_size() -> smallest and largest size of a pool whose settings say nothing */
static int pool_default_size(lua_State *L)
{
    uint32_t min_size;
    uint32_t max_size;
    pond_pool_default_size(&min_size, &max_size);
    lua_pushinteger(L, min_size);
    lua_pushinteger(L, max_size);
    return 2;
}

void native_add_pool(lua_State *L, native_state *state)
{
    static const luaL_Reg methods[] = {
        {"__gc", pool_gc},
        {"__close", pool_gc},
        {"__eq", pool_eq},
        {"__tostring", pool_tostring},
        {"acquire", pool_acquire},
        {"close", pool_close},
        {"check", pool_check},
        {"leases", pool_leases},
        {"status", pool_status},
        {"closed", pool_closed},
        {"hash", pool_hash},
        {"nodes", native_pool_nodes},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"pools", pool_list}, {"default_pool_size", pool_default_size}, {NULL, NULL}};
    luaL_newmetatable(L, NATIVE_POOL);
    native_add_functions(L, state, methods);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    native_add_functions(L, state, functions);
}

/* Sessions, leases that only read, and the nodes of a database. */
#include <math.h>
#include <string.h>

#include "native.h"

/* ---- Sessions ------------------------------------------------------------------------------ */

static pond_session **check_session(lua_State *L, int index)
{
    return luaL_checkudata(L, index, NATIVE_SESSION);
}

/* session(token) -> what one caller has seen */
static int session_new(lua_State *L)
{
    native_state *state = native_state_of(L);
    size_t size = 0;
    const char *token = luaL_optlstring(L, 1, NULL, &size);
    if (token && strlen(token) != size)
        native_raise(L, state, POND_EINVAL, "the token contains a NUL character");
    pond_session **box = lua_newuserdatauv(L, sizeof(pond_session *), 0);
    *box = NULL;
    luaL_setmetatable(L, NATIVE_SESSION);
    pond_error *error = NULL;
    int code = pond_session_new(token, box, &error);
    return code ? native_fail(L, state, code, error) : 1;
}

static int session_gc(lua_State *L)
{
    pond_session **box = check_session(L, 1);
    pond_session_release(*box);
    *box = NULL;
    return 0;
}

/* session:token() -> text */
static int session_token(lua_State *L)
{
    native_state *state = native_state_of(L);
    char *text = NULL;
    pond_error *error = NULL;
    int code = pond_session_token(*check_session(L, 1), &text, &error);
    if (code)
        return native_fail(L, state, code, error);
    native_push_owned(L, text, strlen(text));
    return 1;
}

/* session:merge(token) */
static int session_merge(lua_State *L)
{
    native_state *state = native_state_of(L);
    pond_error *error = NULL;
    int code = pond_session_merge(*check_session(L, 1), luaL_checkstring(L, 2), &error);
    return code ? native_fail(L, state, code, error) : 0;
}

/* ---- Options of a lease -------------------------------------------------------------------- */

static void read_consistency(lua_State *L, pond_acquire_options *options)
{
    static const char *const names[] = {"strong", "session", "eventual"};
    static const pond_consistency values[] = {POND_STRONG, POND_SESSION, POND_EVENTUAL};
    if (lua_type(L, -1) == LUA_TNUMBER) {
        double seconds = lua_tonumber(L, -1);
        if (!(seconds > 0) || seconds > 1e9)
            native_error(L, "consistency must be above 0 seconds, not %f", seconds);
        options->consistency = POND_BOUNDED;
        options->max_staleness_ms = (int64_t)ceil(seconds * 1000);
        return;
    }
    const char *given = luaL_tolstring(L, -1, NULL);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !options->consistency; i++) {
        if (strcmp(given, names[i]) == 0)
            options->consistency = values[i];
    }
    if (!options->consistency)
        native_error(L,
                     "consistency must be \"strong\", \"session\", \"eventual\" or a number of "
                     "seconds, not %s",
                     given);
    lua_pop(L, 1);
}

void native_read_acquire(lua_State *L, int index, pond_acquire_options *options)
{
    *options = (pond_acquire_options){.struct_size = sizeof(*options)};
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        if (strcmp(name, "read_only") == 0)
            options->read_only = (uint32_t)lua_toboolean(L, -1);
        else if (strcmp(name, "consistency") == 0)
            read_consistency(L, options);
        else if (strcmp(name, "session") == 0 && lua_toboolean(L, -1))
            options->session = *check_session(L, lua_gettop(L)); /* the table keeps it */
        else if (strcmp(name, "timeout") != 0 && strcmp(name, "session") != 0)
            native_error(L, "there is no option %s for a connection", name);
    }
    lua_getfield(L, index, "timeout");
    options->timeout_ms = native_timeout(L, lua_gettop(L));
    lua_pop(L, 1);
}

/* ---- Nodes --------------------------------------------------------------------------------- */

#define NATIVE_NODES "millpond.nodes"

static int nodes_gc(lua_State *L)
{
    pond_nodes **box = luaL_checkudata(L, 1, NATIVE_NODES);
    pond_nodes_free(*box);
    *box = NULL;
    return 0;
}

/* Not known where it is negative. */
static void set_seconds(lua_State *L, const char *name, double value)
{
    if (value < 0)
        return;
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

static void push_node(lua_State *L, const pond_node *node)
{
    const struct {
        const char *name;
        uint64_t count;
    } counts[] = {
        {"reads", node->reads},     {"fallbacks", node->fallbacks}, {"waits", node->waits},
        {"missed", node->missed},   {"ejections", node->ejections}, {"failures", node->failures},
        {"size", node->size},       {"idle", node->idle},           {"in_use", node->in_use},
        {"waiting", node->waiting},
    };
    lua_createtable(L, 0, 24);
    native_set_boolean(L, "is_primary", node->is_primary != 0);
    native_set_boolean(L, "is_healthy", node->is_healthy != 0);
    native_set_string(L, "address", node->address);
    native_set_string(L, "region", node->region);
    native_set_string(L, "role", node->role);
    native_set_string(L, "problem", node->problem);
    native_set_string(L, "position", node->position);
    set_seconds(L, "weight", node->weight);
    set_seconds(L, "lag_seconds", node->lag_seconds);
    set_seconds(L, "lag_bytes", node->lag_bytes);
    set_seconds(L, "latency_seconds", node->latency_seconds);
    set_seconds(L, "report_age_seconds", node->report_age_seconds);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        native_set_integer(L, counts[i].name, (lua_Integer)counts[i].count);
}

/* pool:nodes() -> a list of what is known of each */
int native_pool_nodes(lua_State *L)
{
    native_state *state = native_state_of(L);
    const native_pool *pool = luaL_checkudata(L, 1, NATIVE_POOL);
    pond_nodes **box = lua_newuserdatauv(L, sizeof(pond_nodes *), 0);
    *box = NULL;
    luaL_setmetatable(L, NATIVE_NODES);
    pond_error *error = NULL;
    int code = pond_pool_nodes(pool->pool, box, &error);
    if (code)
        return native_fail(L, state, code, error);
    size_t count = pond_nodes_count(*box);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        pond_node node = {.struct_size = sizeof(node)};
        pond_nodes_read(*box, i, &node, NULL);
        push_node(L, &node);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

void native_add_replicas(lua_State *L, native_state *state)
{
    static const luaL_Reg methods[] = {
        {"__gc", session_gc},
        {"token", session_token},
        {"merge", session_merge},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {{"session", session_new}, {NULL, NULL}};
    luaL_newmetatable(L, NATIVE_NODES);
    lua_pushcfunction(L, nodes_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_newmetatable(L, NATIVE_SESSION);
    native_add_functions(L, state, methods);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_setfield(L, -2, "session_methods");
    native_add_functions(L, state, functions);
}

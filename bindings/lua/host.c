/* Backends written in Lua, under the library's own pools: what the library asks of them waits in a
 * queue until the Lua state takes it, in its own thread; see millpond/backend.lua.
 *
 * The callbacks come in any thread, with no lock of the library held.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <millpond/driver.h>

#include "native.h"

/* One thing to do. It is in the queue, or among those that Lua has begun. */
typedef struct item {
    struct item *next;
    const char *what;
    lua_Integer number; /* of the request */
    lua_Integer id;     /* of the connection, or of the database that opens it */
    pond_request *request;
    struct host *host;   /* what `open` makes, and `close` ends */
    pond_result *result; /* that it will finish with */
    int stop;            /* it is to end */
    int told;            /* and Lua knows */
} item;

/* Of one Lua state, for all who may outlive it. */
struct native_hosts {
    atomic_int refs;
    pthread_mutex_t lock;
    pond_loop *loop; /* NULL once the Lua state is closed */
    item *first;     /* the queue */
    item *last;
    item *begun;
    atomic_int waiting; /* there is something in the queue, or to be stopped */
    lua_Integer numbers;
};

/* What a configuration carries: which database of which Lua state. */
typedef struct database {
    item forget; /* first */
    native_hosts *hosts;
} database;

/* A connection. */
typedef struct host {
    item close; /* first */
    native_hosts *hosts;
} host;

static void unref(native_hosts *hosts)
{
    if (atomic_fetch_sub(&hosts->refs, 1) != 1)
        return;
    pthread_mutex_destroy(&hosts->lock);
    free(hosts);
}

static native_hosts *ref(native_hosts *hosts)
{
    atomic_fetch_add(&hosts->refs, 1);
    return hosts;
}

static void free_host(host *gone)
{
    if (gone)
        unref(gone->hosts);
    free(gone);
}

/* ---- The queue --------------------------------------------------------------------------- */

/* False once the Lua state is closed. */
static int append(native_hosts *hosts, item *added)
{
    pthread_mutex_lock(&hosts->lock);
    int open = hosts->loop != NULL;
    if (open) {
        if (hosts->first)
            hosts->last->next = added;
        else
            hosts->first = added;
        hosts->last = added;
        added->number = added->request ? ++hosts->numbers : 0;
        atomic_store(&hosts->waiting, 1);
        pond_loop_wake(hosts->loop);
    }
    pthread_mutex_unlock(&hosts->lock);
    return open;
}

static void end_item(item *ended, pond_error *error)
{
    pond_result *result = error ? NULL : ended->result;
    if (error)
        pond_result_release(ended->result);
    pond_request_finish(ended->request, result, error);
    free(ended);
}

static pond_error *closed_error(void)
{
    return pond_error_make(POND_ECLOSED, NULL, "the Lua state of the backend is closed");
}

/* Nobody will do it any more. */
static void drop_item(item *dropped)
{
    if (dropped->request) {
        free_host(dropped->host);
        end_item(dropped, closed_error());
    } else if (dropped->host) {
        free_host(dropped->host);
    } else {
        database *data = (database *)dropped;
        unref(data->hosts);
        free(data);
    }
}

static void drop_items(item *list)
{
    while (list) {
        item *next = list->next;
        drop_item(list);
        list = next;
    }
}

/* ---- Callbacks --------------------------------------------------------------------------- */

static void ask(const char *what, native_hosts *hosts, lua_Integer id, int opens,
                pond_request *request)
{
    item *made = calloc(1, sizeof(*made));
    host *opened = opens ? calloc(1, sizeof(*opened)) : NULL;
    if (!made || (opens && !opened)) {
        free(made);
        free(opened);
        pond_request_finish(request, NULL, pond_error_make(POND_ENOMEM, NULL, "out of memory"));
        return;
    }
    *made = (item){.what = what, .id = id, .request = request, .host = opened};
    if (opened)
        *opened = (host){.hosts = ref(hosts)};
    pthread_mutex_lock(&hosts->lock);
    int foreign = hosts->loop && pond_request_loop(request) != hosts->loop;
    pthread_mutex_unlock(&hosts->lock);
    if (foreign) {
        free_host(opened);
        end_item(made, pond_error_make(POND_ENOTSUPPORTED, NULL,
                                       "a backend written in Lua serves only the Lua state that "
                                       "made it"));
    } else if (!append(hosts, made)) {
        free_host(opened);
        end_item(made, closed_error());
    }
}

static void host_open(pond_request *request)
{
    const database *data = pond_config_data(pond_request_config(request));
    ask("open", data->hosts, data->forget.id, 1, request);
}

static void ask_of(const char *what, void *connection, pond_request *request)
{
    const host *self = connection;
    ask(what, self->hosts, self->close.id, 0, request);
}

static void host_execute(void *connection, pond_request *request)
{
    ask_of("execute", connection, request);
}

static void host_execute_many(void *connection, pond_request *request)
{
    ask_of("execute_many", connection, request);
}

static void host_transaction(void *connection, pond_request *request)
{
    static const char *const verbs[] = {"begin", "commit", "rollback"};
    ask_of(verbs[pond_request_transaction(request) - POND_BEGIN], connection, request);
}

static void host_ping(void *connection, pond_request *request)
{
    ask_of("ping", connection, request);
}

static void host_reset(void *connection, pond_request *request)
{
    ask_of("reset", connection, request);
}

static item *find_request(item *list, const pond_request *request)
{
    while (list && list->request != request)
        list = list->next;
    return list;
}

static void host_interrupt(void *connection, pond_request *request)
{
    const database *data = pond_config_data(pond_request_config(request));
    native_hosts *hosts = data->hosts;
    (void)connection;
    pthread_mutex_lock(&hosts->lock);
    item *found = find_request(hosts->begun, request);
    if (!found)
        found = find_request(hosts->first, request);
    if (found && !found->stop && hosts->loop) {
        found->stop = 1;
        atomic_store(&hosts->waiting, 1);
        pond_loop_wake(hosts->loop);
    }
    pthread_mutex_unlock(&hosts->lock);
}

static void host_close(void *connection)
{
    host *self = connection;
    if (!append(self->hosts, &self->close))
        free_host(self);
}

/* pond_config_set_data()'s: no pool opens connections of it any more. */
static void forget_database(void *object)
{
    database *data = object;
    if (!append(data->hosts, &data->forget))
        drop_item(&data->forget);
}

/* ---- Register ---------------------------------------------------------------------------- */

static pond_dialect check_dialect(lua_State *L, int index)
{
    static const char *const names[] = {"postgres", "mysql", "sqlite", NULL};
    return (pond_dialect)luaL_checkoption(L, index, NULL, names);
}

static uint32_t flag(lua_State *L, int index, uint32_t value)
{
    return lua_toboolean(L, index) ? value : 0;
}

/* register_backend(name, system, dialect, can_return, can_write_in_cte, resets): once for each name
 * in a process; those of one name have all the rest in common. */
static int host_register(lua_State *L)
{
    native_state *state = native_state_of(L);
    const pond_driver driver = {
        .struct_size = sizeof(driver),
        .flags = POND_DRIVER_ASYNC | POND_DRIVER_PINNED | POND_DRIVER_ANY_SETTING,
        .name = luaL_checkstring(L, 1),
        .system = luaL_checkstring(L, 2),
        .dialect = check_dialect(L, 3),
        .features = flag(L, 4, POND_CAN_RETURN) | flag(L, 5, POND_CAN_WRITE_IN_CTE),
        .open = host_open,
        .execute = host_execute,
        .execute_many = host_execute_many,
        .transaction = host_transaction,
        .ping = host_ping,
        .reset = lua_toboolean(L, 6) ? host_reset : NULL,
        .interrupt = host_interrupt,
        .close = host_close,
    };
    pond_error *error = NULL;
    if (!state->hosts) {
        state->hosts = calloc(1, sizeof(*state->hosts));
        if (!state->hosts)
            return native_fail(L, state, POND_ENOMEM, NULL);
        atomic_init(&state->hosts->refs, 1);
        pthread_mutex_init(&state->hosts->lock, NULL);
        state->hosts->loop = state->loop;
    }
    if (pond_driver_fact(driver.name, "name"))
        return 0; /* by whoever was first */
    int code = pond_driver_register(&driver, &error);
    if (code && pond_driver_fact(driver.name, "name")) {
        pond_error_free(error);
        code = POND_OK;
    }
    return code ? native_fail(L, state, code, error) : 0;
}

int native_host_join(lua_State *L, native_state *state, pond_config *config, lua_Integer id)
{
    database *data = calloc(1, sizeof(*data));
    pond_error *error = NULL;
    if (!data)
        return native_fail(L, state, POND_ENOMEM, NULL);
    *data = (database){.hosts = ref(state->hosts), .forget = {.what = "forget", .id = id}};
    int code = pond_config_set_data(config, data, forget_database, &error);
    if (!code)
        return 0;
    drop_item(&data->forget);
    return native_fail(L, state, code, error);
}

void native_hosts_close(native_state *state)
{
    native_hosts *hosts = state->hosts;
    if (!hosts)
        return;
    pthread_mutex_lock(&hosts->lock);
    item *first = hosts->first;
    item *begun = hosts->begun;
    hosts->loop = NULL;
    hosts->first = NULL;
    hosts->begun = NULL;
    pthread_mutex_unlock(&hosts->lock);
    state->hosts = NULL;
    drop_items(first);
    drop_items(begun);
    unref(hosts);
}

lua_Integer native_host_id(pond_connection *lease)
{
    const host *found = pond_connection_host(lease);
    return found ? found->close.id : 0;
}

/* ---- What Lua takes ---------------------------------------------------------------------- */

int native_hosts_wait(const native_state *state)
{
    return state->hosts && atomic_load(&state->hosts->waiting);
}

/* has_requests() -> whether next_request() has something */
static int host_waits(lua_State *L)
{
    lua_pushboolean(L, native_hosts_wait(native_state_of(L)));
    return 1;
}

/* One that Lua has begun and that is to end. */
static item *find_stopped(native_hosts *hosts)
{
    item *found = hosts->begun;
    while (found && (!found->stop || found->told))
        found = found->next;
    if (found)
        found->told = 1;
    return found;
}

/* The next one, which stays where it is: only this thread takes any away. */
static const item *look(native_hosts *hosts, int *stops)
{
    pthread_mutex_lock(&hosts->lock);
    const item *found = find_stopped(hosts);
    *stops = found != NULL;
    if (!found)
        found = hosts->first;
    atomic_store(&hosts->waiting, found != NULL);
    pthread_mutex_unlock(&hosts->lock);
    return found;
}

/* Take the first of the queue: a request is begun, and what is left of others is freed. */
static void take_first(native_hosts *hosts)
{
    pthread_mutex_lock(&hosts->lock);
    item *taken = hosts->first;
    hosts->first = taken->next;
    taken->next = taken->request ? hosts->begun : NULL;
    if (taken->request)
        hosts->begun = taken;
    pthread_mutex_unlock(&hosts->lock);
    if (taken->request)
        return;
    if (strcmp(taken->what, "close") == 0)
        free_host((host *)taken);
    else
        drop_item(taken);
}

/* next_request() -> what, id, number; nil where there is nothing. `what`: "open", id is that of the
 * database; "execute" and so on, id is that of the connection; "stop" for a request that was taken;
 * "close", and "forget" a database, have no number. */
static int host_next(lua_State *L)
{
    native_state *state = native_state_of(L);
    int stops;
    const item *found = native_hosts_wait(state) ? look(state->hosts, &stops) : NULL;
    if (!found)
        return 0;
    lua_pushstring(L, stops ? "stop" : found->what);
    lua_pushinteger(L, found->id);
    lua_pushinteger(L, found->number);
    if (!stops)
        take_first(state->hosts);
    return 3;
}

/* ---- Requests that Lua has --------------------------------------------------------------- */

/* Where the request whose number is the first argument is linked; raises if it has ended. */
static item **check_begun(lua_State *L, const native_state *state)
{
    lua_Integer number = luaL_checkinteger(L, 1);
    item **found = state->hosts ? &state->hosts->begun : NULL;
    while (found && *found && (*found)->number != number)
        found = &(*found)->next;
    if (!found || !*found)
        native_error(L, "there is no request %d", (int)number);
    return found;
}

/* A request's SQL and its parameters, or for execute_many its rows of them: request_sql(number,
 * as_written) */
static int host_read(lua_State *L)
{
    native_state *state = native_state_of(L);
    const pond_request *request = (*check_begun(L, state))->request;
    size_t size;
    size_t rows;
    size_t columns;
    const char *sql = lua_toboolean(L, 2) ? pond_request_written_sql(request, &size)
                                          : pond_request_sql(request, &size);
    const pond_value *values = pond_request_params(request, &rows, &columns);
    luaL_checkstack(L, 10, NULL);
    lua_pushlstring(L, sql ? sql : "", sql ? size : 0);
    if (pond_request_verb_of(request) != POND_REQUEST_EXECUTE_MANY) {
        native_push_params(L, state, values, columns);
        return 2;
    }
    lua_createtable(L, (int)rows, 0);
    for (size_t i = 0; i < rows; i++) {
        native_push_params(L, state, values + i * columns, columns);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 2;
}

/* request_is_step(number): its rows need the names of their columns. */
static int host_is_step(lua_State *L)
{
    lua_pushboolean(L, pond_request_is_step((*check_begun(L, native_state_of(L)))->request));
    return 1;
}

enum { ROWS = 2, COLUMNS = 3, AFFECTED = 4, LAST_ID = 5, HELD = 6 };

/* Without names of columns, the first row tells how many there are. */
static const char **read_names(lua_State *L, size_t *count)
{
    int named = lua_istable(L, COLUMNS);
    *count = named ? (size_t)lua_rawlen(L, COLUMNS) : 0;
    if (!named && lua_rawgeti(L, ROWS, 1) == LUA_TTABLE)
        *count = (size_t)lua_rawlen(L, -1);
    const char **names = lua_newuserdatauv(L, (*count + 1) * sizeof(*names), 0);
    for (size_t i = 0; i < *count; i++) {
        if (named && lua_rawgeti(L, COLUMNS, (lua_Integer)i + 1) != LUA_TSTRING)
            native_error(L, "the names of columns must be strings");
        names[i] = named ? lua_tostring(L, -1) : ""; /* the table keeps it */
        lua_settop(L, named ? lua_gettop(L) - 1 : lua_gettop(L));
    }
    return names;
}

static void add_row(lua_State *L, native_state *state, pond_result *result, pond_value *values,
                    size_t columns)
{
    native_call call = {.held = HELD};
    pond_error *error = NULL;
    if (!lua_istable(L, -1))
        native_error(L, "each row must be a table");
    for (size_t i = 0; i < columns; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        native_read_param(L, state, &call, &values[i], "a value of a result");
    }
    int code = pond_result_add_row(result, values, &error);
    if (code)
        native_fail(L, state, code, error);
}

/* set_rows(number, rows, columns, affected, last_id): what the request will finish with. */
static int host_set_rows(lua_State *L)
{
    native_state *state = native_state_of(L);
    item *begun = *check_begun(L, state);
    size_t columns;
    pond_error *error = NULL;
    luaL_checktype(L, ROWS, LUA_TTABLE);
    lua_settop(L, LAST_ID);
    luaL_checkstack(L, 20, NULL);
    lua_pushnil(L);
    size_t rows = (size_t)lua_rawlen(L, ROWS);
    lua_Integer affected = luaL_optinteger(L, AFFECTED, rows ? (lua_Integer)rows : -1);
    lua_Integer last_id = luaL_optinteger(L, LAST_ID, 0);
    const char **names = read_names(L, &columns);
    pond_value *values = lua_newuserdatauv(L, (columns + 1) * sizeof(*values), 0);
    pond_result_release(begun->result);
    begun->result = NULL;
    int code = pond_result_make(columns, names, &begun->result, &error);
    if (code)
        return native_fail(L, state, code, error);
    for (size_t i = 0; i < rows; i++) {
        lua_rawgeti(L, ROWS, (lua_Integer)i + 1);
        add_row(L, state, begun->result, values, columns);
        lua_pop(L, 1);
    }
    pond_result_set_counts(begun->result, affected, last_id);
    return 0;
}

/* The end of what Lua has begun; it is no longer found. */
static item *take_begun(native_state *state, item **at)
{
    pthread_mutex_lock(&state->hosts->lock);
    item *taken = *at;
    *at = taken->next;
    pthread_mutex_unlock(&state->hosts->lock);
    return taken;
}

/* request_opened(number, server, driver): the request is finished, and the connection has its
 * number as its id. */
static int host_opened(lua_State *L)
{
    native_state *state = native_state_of(L);
    item **at = check_begun(L, state);
    const char *server = luaL_optstring(L, 2, "unknown");
    const char *driver = luaL_optstring(L, 3, "backend");
    item *opened = take_begun(state, at);
    host *made = opened->host;
    made->close = (item){.what = "close", .id = opened->number, .host = made};
    pond_request_opened(opened->request, made, server, driver);
    end_item(opened, NULL);
    return 0;
}

/* finish_request(number, open, code, sqlstate, message, broken): `open` tells of a transaction, and
 * is nil where that is not known; without a code it succeeded. Allocates nothing of Lua's. */
static int host_finish(lua_State *L)
{
    native_state *state = native_state_of(L);
    item **at = check_begun(L, state);
    const char *name = luaL_optstring(L, 3, NULL);
    const char *sqlstate = luaL_optstring(L, 4, NULL);
    const char *message = luaL_optstring(L, 5, "");
    int code = name ? native_code_named(L, name) : POND_OK;
    item *ended = take_begun(state, at);
    if (!lua_isnil(L, 2))
        pond_request_set_in_transaction(ended->request, lua_toboolean(L, 2));
    if (lua_toboolean(L, 6))
        pond_request_set_broken(ended->request);
    free_host(ended->host);
    end_item(ended, code ? pond_error_make(code, sqlstate, message) : NULL);
    return 0;
}

void native_add_hosts(lua_State *L, native_state *state)
{
    static const luaL_Reg functions[] = {
        {"register_backend", host_register},
        {"has_requests", host_waits},
        {"next_request", host_next},
        {"request_sql", host_read},
        {"request_is_step", host_is_step},
        {"set_rows", host_set_rows},
        {"request_opened", host_opened},
        {"finish_request", host_finish},
        {NULL, NULL},
    };
    native_add_functions(L, state, functions);
}

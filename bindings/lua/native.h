/* What the files of the Lua module share. Only the public C interface of millpond is used.
 *
 * Lua reports errors, memory errors included, with a long jump. So a C handle is either in a
 * userdata that was made before it (its __gc lets go of it), or in a local variable with nothing
 * but protected calls until it is let go.
 */
#ifndef MILLPOND_LUA_NATIVE_H
#define MILLPOND_LUA_NATIVE_H

#include <lauxlib.h>
#include <lua.h>

#include <millpond/entity.h>
#include <millpond/millpond.h>
#include <millpond/replicas.h>

/* ---- state.c: one for each Lua state ------------------------------------------------------ */

/* After so many calls that completed at once, the other coroutines get their turn. */
enum { NATIVE_AT_ONCE = 16 };

typedef struct native_state {
    pond_loop *loop; /* NULL once the Lua state closes */
    struct native_wait *all;
    struct native_wait *free;
    lua_Integer waits;   /* how many there are in `all` */
    lua_Integer pending; /* submitted and not completed */
    int at_once;         /* calls that may still complete without a turn of the loop */
    int waiting;         /* references into the registry: table of coroutines by number of wait */
    int anchors;         /* table of waits */
    int error_meta;      /* metatable of errors */
    int array_meta;      /* metatable of arrays */
    int hooks;           /* table of functions that the Lua side sets */
    int busy;            /* the function to call before the first wait, or LUA_NOREF */
    struct native_hosts *hosts; /* of backends written in Lua; NULL before the first */
} native_state;

/* Make the state, its loop and its tables; leaves the userdata on the stack. */
native_state *native_state_new(lua_State *L);
/* The state, in a function that was registered with it as first upvalue. */
native_state *native_state_of(lua_State *L);
/* Push one of the functions that the Lua side sets: "log", "encode", "decode". */
void native_push_hook(lua_State *L, const native_state *state, const char *name);
/* Hand records that wait in the library's log to the Lua side. Raises nothing. */
void native_drain_log(lua_State *L, const native_state *state);

/* ---- wait.c: coroutines that wait for an operation ---------------------------------------- */

struct native_connection;

/* How rows look. */
enum {
    NATIVE_NAMED = 1, /* tables by names of columns */
    NATIVE_NIL = 2    /* NULL is nil, and a list has its length in n */
};

typedef enum native_wait_status {
    NATIVE_WAIT_FREE,
    NATIVE_WAIT_PENDING,
    NATIVE_WAIT_DONE,
    NATIVE_WAIT_ABANDONED /* the operation goes on, and nobody waits */
} native_wait_status;

typedef struct native_wait {
    native_state *state;
    pond_op *op;
    struct native_wait *next;      /* of all */
    struct native_wait *next_free; /* of the free ones */
    lua_Integer number;            /* its key in the table of coroutines */
    native_wait_status status;
    int cancelled;    /* the coroutine is to be stopped by an error */
    int waited;       /* a coroutine yielded for it */
    int blocks;       /* nothing can yield: the others go on until it is over */
    lua_Integer host; /* the number of the connection, if it is a backend's, else 0 */
    const struct native_connection *owner; /* what it was asked of; or NULL */
    int shape;                             /* of rows: NATIVE_NAMED and so on */
} native_wait;

/* For pond_thread_set_interrupt(), around a blocking call: whether a signal's handler has set a
 * hook since, as the standalone interpreter's does. Says so once for each change. */
typedef struct {
    lua_State *L;
    lua_Hook before;
} native_interrupt;
int native_interrupted(void *data);

/* A free one, for the running coroutine. May raise, so call it before an operation exists. It is
 * the operation's user data; submit with &wait->op, then call native_await() or native_unwait(). */
native_wait *native_wait_take(lua_State *L, native_state *state);
/* True if the coroutine that waits was closed: nobody will take the answer. */
int native_wait_left(lua_State *L, const native_wait *wait);
/* Nothing was submitted after all. */
void native_unwait(native_wait *wait);
/* The last call of a function: waits for the operation, in a coroutine by yielding, and returns
 * what `finish` does. `finish` begins with native_wait_end(). */
int native_await(lua_State *L, native_wait *wait, lua_KFunction finish);
/* For an operation that may have completed inside the submitting call. */
int native_await_at_once(lua_State *L, native_wait *wait, lua_KFunction finish);
/* The completed operation, with its reference; the wait is free again. Raises if the coroutine was
 * resumed too early or is cancelled. */
pond_op *native_wait_end(lua_State *L, native_wait *wait);
/* finish: returns true, or what went wrong. */
int native_finish_plain(lua_State *L, int status, lua_KContext context);
void native_add_waits(lua_State *L, native_state *state);

/* ---- where.c ------------------------------------------------------------------------------ */

/* Push "file:line" of the program's function that called the module; "" if there is none. */
void native_push_where(lua_State *L);
/* As luaL_error(), with that line, even if Lua files of the module are between. */
int native_error(lua_State *L, const char *format, ...);
/* Raise unless there is a table; `example` shows what it looks like. */
void native_check_table(lua_State *L, int index, const char *what, const char *example);
void native_add_where(lua_State *L, native_state *state);

/* ---- error.c ------------------------------------------------------------------------------ */

/* Return nil and the error object of `code`, or raise it if it is a mistake in the program;
 * `error` is freed, NULL stands for the code's own text. */
int native_fail(lua_State *L, native_state *state, int code, pond_error *error);
/* Raise an error object. */
int native_raise(lua_State *L, native_state *state, int code, const char *format, ...);
/* The code of a name such as "ETIMEDOUT"; raises if there is none. */
int native_code_named(lua_State *L, const char *name);
/* The same for an operation of a backend's connection: what its function returned or raised itself
 * is returned or raised. `host` is 0 for other connections. */
int native_fail_of(lua_State *L, native_state *state, lua_Integer host, int code,
                   pond_error *error);
void native_add_errors(lua_State *L, native_state *state);

/* ---- value.c: values that Lua has no type for --------------------------------------------- */

#define NATIVE_VALUE "millpond.value"

/* A userdata: `value` points into `text`, or holds everything itself. */
typedef struct native_value {
    pond_value value;
    char text[];
} native_value;

/* Push a value that has no pointers. */
void native_push_plain(lua_State *L, const pond_value *value);
/* Push one with text, which is copied. */
void native_push_text(lua_State *L, pond_type type, const char *data, size_t size);
void native_add_values(lua_State *L, native_state *state);

/* Push what Lua shows of any value, as in a result. */
void native_push_value(lua_State *L, native_state *state, const pond_value *value);

/* ---- construct.c: values from text and tables --------------------------------------------- */

extern const luaL_Reg native_constructors[];

/* ---- decimal.c ---------------------------------------------------------------------------- */

/* -1, 0 or 1: compare two decimals, exactly. NaN is greater than all else and equal to itself. */
int native_decimal_compare(const char *a, size_t a_size, const char *b, size_t b_size);
/* Whether the text is digits with sign, point and exponent, or a NaN or Infinity. */
int native_is_decimal(const char *text, size_t size);

/* ---- call.c: arguments of a statement ------------------------------------------------------ */

enum { NATIVE_FEW = 16 };

typedef struct native_call {
    const char *sql;
    size_t sql_size;
    pond_value *values;
    size_t row_count;
    size_t column_count;
    size_t batch_rows;
    pond_execute_options options;
    int shape;
    int held; /* index of the table of what values point into, made when first needed */
    lua_Integer held_count;
    pond_value few[NATIVE_FEW];
} native_call;

/* Read (self, sql, params, options) from the stack; what values point into stays on the stack.
 * `many`: params is a list of rows. */
void native_call_read(lua_State *L, native_state *state, native_call *call, int many);
/* Seconds at `index` to milliseconds; nil is POND_TIMEOUT_DEFAULT. Raises for what is no timeout.
 */
int64_t native_timeout(lua_State *L, int index);

/* ---- params.c ------------------------------------------------------------------------------ */

/* Keep the value on top of the stack, which is popped, for as long as the call lasts. */
void native_hold(lua_State *L, native_call *call);
/* Push values as a list of parameters. */
void native_push_params(lua_State *L, native_state *state, const pond_value *values, size_t count);

/* Make a parameter of the value on top of the stack, which is popped. `where` is told in errors. */
void native_read_param(lua_State *L, native_state *state, native_call *call, pond_value *out,
                       const char *where);

/* ---- result.c ------------------------------------------------------------------------------ */

/* Return rows as tables; `result` is released. */
int native_return_rows(lua_State *L, native_state *state, pond_result *result, int shape);
/* finish: returns rows, or what went wrong. */
int native_finish_rows(lua_State *L, int status, lua_KContext context);

/* ---- config.c, pool.c, connection.c -------------------------------------------------------- */

#define NATIVE_POOL "millpond.pool"
#define NATIVE_CONNECTION "millpond.connection"

typedef struct native_pool {
    native_state *state;
    pond_pool *pool;
    int runs_inline; /* blocking calls do the work in the caller's thread */
    int hosted;      /* of a backend written in Lua */
} native_pool;

typedef struct native_connection {
    native_state *state;
    pond_connection *lease; /* NULL before it is acquired and after it was given back */
    native_wait *busy;      /* for what was asked last, while the wait's owner is this connection */
    char runs_inline;
    char hosted;
    char closed;
    char left; /* a transaction whose coroutine was closed is open, and to be rolled back */
} native_connection;

void native_add_config(lua_State *L, native_state *state);
void native_add_pool(lua_State *L, native_state *state);
void native_add_connection(lua_State *L, native_state *state);
/* Push a connection without a lease. */
native_connection *native_connection_new(lua_State *L, const native_pool *pool);
/* The connection at index 1, which must have its lease; raises otherwise. */
native_connection *native_connection_check(lua_State *L);

/* ---- plan.c --------------------------------------------------------------------------------- */

#define NATIVE_PLAN "millpond.plan"

typedef struct native_plan {
    native_state *state;
    pond_plan *plan;
    pond_result *result; /* while its rows are being read */
} native_plan;

/* The plan at an index; raises if it is none. */
native_plan *native_plan_check(lua_State *L, int index);
void native_add_plan(lua_State *L, native_state *state);

/* ---- host.c: backends written in Lua --------------------------------------------------------- */

typedef struct native_hosts native_hosts;

/* Let the pools of a config open the connections of the database that Lua knows by this id. */
int native_host_join(lua_State *L, native_state *state, pond_config *config, lua_Integer id);
/* The number by which Lua knows a backend's connection; 0 for one that was given back. */
lua_Integer native_host_id(pond_connection *lease);
/* The Lua state closes: what backends were asked for fails. */
void native_hosts_close(native_state *state);
void native_add_hosts(lua_State *L, native_state *state);

/* ---- replicas.c ------------------------------------------------------------------------------ */

#define NATIVE_SESSION "millpond.session"

/* Read the table of options at an index; it keeps the session. Raises for what makes no sense. */
void native_read_acquire(lua_State *L, int index, pond_acquire_options *options);
/* The method of pools. */
int native_pool_nodes(lua_State *L);
void native_add_replicas(lua_State *L, native_state *state);

/* ---- breaker.c, metrics.c, loop.c, module.c -------------------------------------------------- */

void native_add_breaker(lua_State *L, native_state *state);
void native_add_metrics(lua_State *L, native_state *state);
void native_add_loop(lua_State *L, native_state *state);
/* Push a text of the library, which is freed; nil for NULL. */
void native_push_owned(lua_State *L, char *text, size_t size);

/* Add functions that have the state as upvalue to the table on top of the stack. */
void native_add_functions(lua_State *L, native_state *state, const luaL_Reg *functions);
/* Set t[name] of the table on top of the stack. */
void native_set_integer(lua_State *L, const char *name, lua_Integer value);
void native_set_boolean(lua_State *L, const char *name, int value);
void native_set_string(lua_State *L, const char *name, const char *value);

#endif

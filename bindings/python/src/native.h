/* What the files of the Python module share. Only the public C interface of millpond is used.
 *
 * All of this runs with the GIL held, except for the waits of the synchronous classes.
 */
#ifndef MILLPOND_NATIVE_H
#define MILLPOND_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <millpond/millpond.h>

typedef struct native_state {
    PyTypeObject *op_type;
    PyTypeObject *loop_type;
    PyTypeObject *reader_type;
    PyTypeObject *pool_type;
    PyTypeObject *acquire_type;
    PyTypeObject *connection_type;
    PyTypeObject *sync_connection_type;
    PyTypeObject *result_type;
    PyTypeObject *arrow_type;
    PyTypeObject *plan_type;
    PyTypeObject *schema_type;
    PyTypeObject *request_type;
    PyTypeObject *session_type;
    PyObject *session_variable; /* contextvars.ContextVar: the session of the code that runs */
    Py_ssize_t sessions;        /* that exist: without any nobody need look at the variable */
    PyObject *backend_opener;   /* opens connections of backends written in Python */
    PyObject *backend_hosts;    /* those that are open: the core only points to them */
    PyObject *fields_of;        /* millpond._models', of entities that are no dicts */
    PyObject *encode_field;     /* millpond._fields', of values that are not plain */
    PyObject *field_decoder;    /* the other way: by the name of a type */
    PyObject *unreadable;       /* millpond._decode's, the error for a value of an entity */
    PyObject *stored_json;      /* millpond.StoredJson */
    PyObject *errors;           /* dict: code -> exception class */
    PyObject *error_base;       /* millpond.Error */
    PyObject *connect_timeout;  /* millpond.ConnectTimeoutError */
    PyObject *loops;            /* dict: event loop -> Loop */
    PyObject *last_event_loop;  /* borrowed from `loops` */
    struct native_loop *last_loop;
    PyObject *ready_none; /* an operation that has completed with None */
    PyObject *get_running_loop;
    PyObject *cancelled_error;
    PyObject *invalid_state_error;
    PyObject *decimal_type;
    PyObject *uuid_type;
    PyObject *interval_type; /* millpond._values.Interval */
    PyObject *json_loads;
    PyObject *json_dumps;
    PyObject *plain; /* millpond._foreign's: Python's own values of numpy's, pandas's, Enum's */
    PyObject *convert_call; /* millpond._convert's, for SqlGenerators of the application's own */
    PyObject *write_log;
    PyObject *watch_shutdown;
    PyObject *format_stack;
    int full_stacks; /* reports of leaks show the whole stack */
    PyObject *empty_tuple;
    PyObject *str_int;
    PyObject *str_params;
    PyObject *str_timeout;
    PyObject *str_tags;
    PyObject *str_row_factory;
    PyObject *str_execute_shaped;
    PyObject *str_context;
    PyObject *str_blocking; /* "_asyncio_future_blocking" */
} native_state;

extern struct PyModuleDef native_module;

native_state *native_state_of(PyTypeObject *type);

/* For objects that refer to nothing but their type. That leads to the module, and so to all of its
 * interpreter: the collector must see it, or whatever outlives its turn at the end keeps it all. */
int native_traverse_type(PyObject *object, visitproc visit, void *arg);

/* ---- errors.c ---- */
/* The dict `entity_verbs`: each verb's number by its name. */
int native_add_entity_verbs(PyObject *module);
int native_add_errors(PyObject *module, native_state *state);
/* The number of a code by its name ("EUNIQUE"); POND_EOPERATIONAL for any other text. */
int native_error_number(const char *name);
/* Make the exception of an error, which is freed; NULL: the code's own text. New reference. */
PyObject *native_exception(native_state *state, int code, pond_error *error);
/* Raise it; returns NULL. */
PyObject *native_raise(native_state *state, int code, pond_error *error);
PyObject *native_raise_text(native_state *state, int code, const char *format, ...);
/* Put what was wrong where, and ": ", before the message of the exception that is set. */
void native_error_prefix(const char *format, ...);
/* Say in the exception which row or entity failed: its attribute `row`, and unless `what` is NULL
 * "row 17: " before its message. */
void native_error_row(const char *what, int64_t row);

/* ---- loop.c: one private loop for each event loop ---- */
typedef struct native_loop {
    PyObject_HEAD native_state *state;
    pond_loop *loop;
    PyObject *event_loop;
    PyObject *shutdown_watch;  /* tells when the event loop ends */
    struct native_op *pending; /* submitted and not completed, a reference each */
    int draining; /* the event loop runs inside our callback, so often: it is surely the running one
                   */
    int at_once;  /* calls that may still complete without a turn of the event loop */
} native_loop;

/* After so many the event loop gets its turn, so that no task starves the others. */
enum { NATIVE_AT_ONCE = 16 };

extern PyType_Spec native_loop_spec;
extern PyType_Spec native_reader_spec;
/* The loop for the running event loop; borrowed. Raises MisuseError where none runs. */
native_loop *native_running_loop(native_state *state);
/* Its event loop is gone: close it, and drop what was pending. */
void native_loop_close(native_loop *self);
/* Hand waiting log records to `logging`. */
void native_drain_log(native_state *state);

/* ---- lease.c ---- */
/* Where something was called; never an exception. */
typedef struct native_origin native_origin;
native_origin *native_origin_capture(native_state *state);
void native_origin_free(native_origin *origin);
PyObject *native_capture_full_stacks(PyObject *module, PyObject *enabled);
PyObject *native_default_pool_size(PyObject *module, PyObject *unused);
PyObject *native_check_pools(PyObject *module, PyObject *args);
PyObject *native_config_problems(PyObject *module, PyObject *args);
PyObject *native_pool_leases(PyObject *object, PyObject *threshold);
PyObject *native_pool_health_check(PyObject *object, PyObject *args, PyObject *keywords);
PyObject *native_connection_fresh(PyObject *object, void *unused);
PyObject *native_connection_set_up(PyObject *object, PyObject *unused);
PyObject *native_sync_check(PyObject *object, PyObject *unused);

/* ---- op.c: an awaitable ---- */
typedef enum native_op_kind {
    NATIVE_OP_NONE,       /* completes with None */
    NATIVE_OP_RESULT,     /* with rows */
    NATIVE_OP_RAW,        /* with rows whose JSON is text */
    NATIVE_OP_ARROW,      /* with rows in Arrow's form */
    NATIVE_OP_CONNECTION, /* with a connection of `pool` */
    NATIVE_OP_HEALTH,     /* with True or, for any error, False */
    NATIVE_OP_PLAN,       /* with the answer of the plan that is there */
    NATIVE_OP_OPEN        /* with whether a transaction is open on the connection that is there */
} native_op_kind;

typedef struct native_op {
    PyObject_HEAD struct native_op *next; /* in the loop's pending ones */
    struct native_op *previous;
    native_state *state;
    pond_op *op; /* NULL for one that was ready from the start */
    native_loop *loop;
    PyObject *pool; /* for a connection; or the plan, or the connection */
    native_origin *origin;
    PyObject *value;
    PyObject *exception;
    PyObject *callback; /* the first one; most have no other */
    PyObject *context;
    PyObject *more;    /* list of (callback, context), or NULL */
    PyObject *message; /* of cancel(), by which anyio knows its own */
    char kind;
    char status; /* native_op_status */
    char blocking;
    char retrieved; /* somebody saw the exception */
} native_op;

enum { NATIVE_PENDING, NATIVE_DONE, NATIVE_CANCELLED };

extern PyType_Spec native_op_spec;
/* An operation to be submitted with itself as user data: see native_op_submitted(). */
native_op *native_op_new(native_state *state, native_loop *loop, native_op_kind kind);
/* The core has taken it: keeps it alive until it completes. */
void native_op_submitted(native_op *op);
/* Undo that: the caller gets the reference that was kept. */
void native_op_remove_pending(native_op *op);
/* One that has completed with `value`, which is taken over. */
PyObject *native_op_ready(native_state *state, PyObject *value);
/* What an asynchronous call returns: `op`, or if there is none, one that raises the library's error
 * at its await. As of a coroutine function, only a TypeError of the arguments themselves comes at
 * the call. */
PyObject *native_op_or_error(native_state *state, PyObject *op);
/* The core says that it is over. Raises only what must stop the event loop. */
int native_op_completed(native_op *op);

/* ---- pool.c ---- */
typedef struct native_pool {
    PyObject_HEAD native_state *state;
    pond_pool *pool;
    pond_schema *schema;
    PyObject *steps_schema;        /* for entity calls that Python code carries out, or NULL */
    PyTypeObject *connection_type; /* for what it lends */
    PyTypeObject *sync_connection_type;
    int runs_inline;   /* blocking calls do the work in the caller's thread */
    int converts;      /* the connection type has a SqlGenerator of the application's own */
    int sync_converts; /* the same of the other type */
} native_pool;

extern PyType_Spec native_pool_spec;
/* Seconds or None to milliseconds; -1 with an exception set for what is no timeout. */
int native_timeout(native_state *state, PyObject *seconds, int64_t *out);
/* The arguments (timeout=None), as all methods of a pool have them. */
int native_read_timeout(native_state *state, PyObject *args, PyObject *keywords, int64_t *out);

/* ---- acquire.c: (timeout=None, *, read_only=False, consistency=None) ---- */
extern PyType_Spec native_acquire_spec;
PyObject *native_pool_acquire(PyObject *object, PyObject *args, PyObject *keywords);
PyObject *native_pool_acquire_sync(PyObject *object, PyObject *args, PyObject *keywords);
PyObject *native_pool_async_connection(PyObject *object, PyObject *args, PyObject *keywords);

/* ---- session.c ---- */
extern PyType_Spec native_session_spec;
int native_session_look(native_state *state, pond_session **out);
/* The session of the code that runs, NULL without one; borrowed from its context. -1 with an
 * exception set. */
static inline int native_session_of_context(native_state *state, pond_session **out)
{
    *out = NULL;
    return state->sessions ? native_session_look(state, out) : 0;
}

/* ---- nodes.c ---- */
PyObject *native_pool_nodes(PyObject *object, PyObject *unused);
PyObject *native_connection_node(PyObject *object, void *unused);

/* ---- connection.c ---- */
typedef struct native_connection {
    PyObject_HEAD native_state *state;
    pond_connection *lease; /* NULL once given back */
    pond_schema *schema;
    native_loop *loop;     /* NULL for a synchronous one */
    native_origin *origin; /* who acquired it */
    PyObject *pool;        /* if it converts; else NULL */
    native_op *undo;       /* the last rollback, which may still be under way; or NULL */
    PyObject *row_factory; /* of its database; NULL or None for tuples */
    PyObject *weakrefs;
    int runs_inline;
    int closed;
} native_connection;

extern PyType_Spec native_connection_spec;
/* Wrap a lease, which is taken over as well as `origin`. */
PyObject *native_connection_new(native_pool *pool, native_loop *loop, pond_connection *lease,
                                native_origin *origin);
/* Whether rows are to have another shape than tuples; if so execute() is native_shaped(). */
int native_wants_shape(const native_connection *self, PyObject *keywords);
PyObject *native_shaped(PyObject *object, PyObject *const *args, Py_ssize_t count,
                        PyObject *keywords);
/* Give it back; -1 with an exception set. */
int native_connection_release(native_connection *self);
/* The event loop that the connection was acquired on must be the running one; else -1. */
int native_connection_check_loop(native_connection *self);
/* What to return for an operation that was submitted, or could not be: takes `op` and `error`. */
PyObject *native_op_after_submit(native_op *op, int code, pond_error *error);

/* What both types of connection have. */
#define FAST(function) (PyCFunction)(void (*)(void)) function, METH_FASTCALL | METH_KEYWORDS
extern PyGetSetDef native_lease_attributes[];
extern PyMemberDef native_lease_members[];
int native_lease_traverse(PyObject *object, visitproc visit, void *arg);
void native_lease_finalize(PyObject *object);
void native_lease_dealloc(PyObject *object);
PyObject *native_lease_release(PyObject *object, PyObject *unused);
PyObject *native_lease_in_transaction(native_connection *self);
PyObject *native_lease_version_details(native_connection *self);
/* -1 with an exception set. */
int native_lease_close(native_connection *self);

/* ---- host.c: backends written in Python ---- */
extern PyType_Spec native_request_spec;
PyObject *native_register_backend(PyObject *module, PyObject *args);
/* The module goes: no callback looks at it any more. */
void native_forget_backends(const native_state *state);
PyObject *native_connection_host(PyObject *object, void *unused);
PyObject *native_connection_hold(PyObject *object, PyObject *const *args, Py_ssize_t count);
PyObject *native_connection_note_transaction(PyObject *object, PyObject *open);

/* ---- wait.c ---- */
/* Wait for an operation of a private loop; a signal's handler may raise, which calls it off: -1. */
int native_wait_op(pond_op *op);
/* The outcome of waiting for an operation that was submitted, or could not be; 0 for success. `op`
 * stays the caller's, NULL if there is none. */
int native_waited(native_state *state, pond_op *op, int code, pond_error *error);
/* Around a blocking function of the library: without the GIL, but a signal's handler may run and
 * raise, which ends the call early: -1 then. */
PyThreadState *native_block(void);
int native_unblock(PyThreadState *saved);
/* Unblock, and raise the function's own error, which is freed, if it has one: -1 in both cases. */
int native_blocked(native_state *state, PyThreadState *saved, int code, pond_error *error);

/* ---- stream.c: private methods of both kinds of connection ---- */
PyObject *native_connection_stream(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                   PyObject *keywords);
PyObject *native_connection_fetch(PyObject *object, PyObject *timeout);
PyObject *native_connection_end_stream(PyObject *object, PyObject *unused);
PyObject *native_sync_stream(PyObject *object, PyObject *const *args, Py_ssize_t count,
                             PyObject *keywords);
PyObject *native_sync_fetch(PyObject *object, PyObject *timeout);
PyObject *native_sync_end_stream(PyObject *object, PyObject *unused);

/* ---- sync.c ---- */
extern PyType_Spec native_sync_connection_spec;
/* Wait for a synchronous connection's operation, which is released, and return its rows. */
typedef PyObject *(*native_maker)(native_state *state, pond_result *result);
PyObject *native_connection_wait(native_connection *self, pond_op *op, native_maker make);

/* ---- call.c: the arguments of execute() and executemany() ---- */
enum { NATIVE_FEW = 16 };

typedef struct native_call {
    const char *sql;
    Py_ssize_t sql_size;
    pond_value *values;
    size_t row_count;
    size_t column_count;
    pond_execute_options options;
    pond_execute_options *options_given; /* NULL for the defaults */
    pond_tag *tags;
    PyObject *held; /* list of what the values point into, or NULL */
    pond_value few[NATIVE_FEW];
} native_call;

int native_call_read(native_connection *self, native_call *call, int many, PyObject *const *args,
                     Py_ssize_t count, PyObject *keywords);
void native_call_free(native_call *call);

/* ---- params.c, values.c, result.c ---- */
int native_init_values(PyObject *module, native_state *state);
int native_init_params(void);
/* Fill *out, which points into `object` or into something added to *held. */
int native_to_value(native_state *state, PyObject *object, Py_ssize_t number, pond_value *out,
                    PyObject **held);
PyObject *native_from_value(native_state *state, const pond_value *value);
/* A tuple of a tuple's or list's items, which *held keeps, or who gave the tuple; borrowed. */
PyObject *native_frozen(PyObject *row, PyObject **held);
extern PyType_Spec native_result_spec;
/* All rows; `result` is released. */
PyObject *native_rows(native_state *state, pond_result *result);
/* The same, with JSON as text. */
PyObject *native_raw_rows(native_state *state, pond_result *result);
/* Names of the columns, as a tuple. */
PyObject *native_columns(const pond_result *result);

/* ---- arrow.c ---- */
extern PyType_Spec native_arrow_spec;
/* An object with the result, which is taken over, for dataframe libraries. */
PyObject *native_arrow(native_state *state, pond_result *result);

/* ---- plan.c, plan_make.c, entity.c ---- */
struct native_plan;
extern PyType_Spec native_plan_spec;
extern PyType_Spec native_schema_spec;
void native_init_entity(void);
/* Arguments: see plan_make.c. `limits`, or NULL: most new fields of a call, most of a table. */
struct native_plan *native_plan_new(native_state *state, pond_schema *schema,
                                    const unsigned *limits, PyObject *const *given,
                                    Py_ssize_t count, PyObject *keywords);
PyObject *native_plan_answer(struct native_plan *self);
PyObject *native_connection_entity(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                   PyObject *keywords);
PyObject *native_sync_entity(PyObject *object, PyObject *const *args, Py_ssize_t count,
                             PyObject *keywords);

/* ---- url.c ---- */
PyObject *native_parse_url(PyObject *module, PyObject *args);
PyObject *native_driver_fact(PyObject *module, PyObject *args);

/* ---- metrics.c ---- */
int native_add_metrics(PyObject *module);
PyObject *native_pool_samples(PyObject *object, PyObject *unused);
PyObject *native_pool_scaling(PyObject *object, PyObject *unused);

/* ---- resilience.c, statement_cache.c ---- */
int native_add_resilience(PyObject *module);
extern PyType_Spec native_cache_spec;

/* ---- sql.c ---- */
PyObject *native_adopt(PyObject *module, PyObject *args, PyObject *given);
extern PyMethodDef native_functions[];

#endif

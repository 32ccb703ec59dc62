/* Leases: what kind a caller wants, and the three ways to get one. */
#include <math.h>

#include "native.h"

/* ---- Arguments --------------------------------------------------------------------------- */

static int wrong_consistency(native_state *state, PyObject *given)
{
    native_raise_text(state, POND_EINVAL,
                      "consistency must be \"strong\", \"session\", \"eventual\" or a positive "
                      "number of seconds, not %R",
                      given);
    return -1;
}

static int read_bound(native_state *state, PyObject *given, pond_acquire_options *out)
{
    double seconds = PyBool_Check(given) ? -1 : PyFloat_AsDouble(given);
    if (PyErr_Occurred())
        PyErr_Clear();
    if (!(seconds > 0) || isinf(seconds))
        return wrong_consistency(state, given);
    out->consistency = POND_BOUNDED;
    out->max_staleness_ms = seconds < 1e12 ? (int64_t)ceil(seconds * 1000) : INT64_C(1) << 50;
    return 0;
}

static int read_consistency(native_state *state, PyObject *given, pond_acquire_options *out)
{
    static const struct {
        const char *name;
        pond_consistency value;
    } names[] = {{"strong", POND_STRONG}, {"session", POND_SESSION}, {"eventual", POND_EVENTUAL}};
    if (!PyUnicode_Check(given))
        return read_bound(state, given, out);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (PyUnicode_CompareWithASCIIString(given, names[i].name) == 0) {
            out->consistency = names[i].value;
            return 0;
        }
    }
    return wrong_consistency(state, given);
}

/* (timeout=None, *, read_only=False, consistency=None) */
static int read_options(native_state *state, PyObject *args, PyObject *keywords,
                        pond_acquire_options *out)
{
    static char *names[] = {"timeout", "read_only", "consistency", NULL};
    PyObject *seconds = NULL;
    PyObject *consistency = Py_None;
    int read_only = 0;
    *out = (pond_acquire_options){.struct_size = sizeof(*out), .timeout_ms = POND_TIMEOUT_DEFAULT};
    if (PyTuple_GET_SIZE(args) == 0 && !keywords)
        return 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O$pO", names, &seconds, &read_only,
                                     &consistency) ||
        native_timeout(state, seconds, &out->timeout_ms))
        return -1;
    out->read_only = read_only ? 1 : 0;
    if (consistency == Py_None)
        return 0;
    if (read_consistency(state, consistency, out))
        return -1;
    if (read_only)
        return 0;
    native_raise_text(state, POND_EINVAL,
                      "consistency is of reads: pass read_only=True, too, or leave it out");
    return -1;
}

/* Whether the lease is one as any other: of the primary, for a caller without a session. */
static int is_plain(const pond_acquire_options *options)
{
    return !options->read_only && !options->session;
}

/* ---- Acquire ----------------------------------------------------------------------------- */

static PyObject *acquired_at_once(native_state *state, PyObject *connection)
{
    native_op *op = (native_op *)native_op_ready(state, connection);
    if (op)
        op->kind = NATIVE_OP_CONNECTION;
    return (PyObject *)op;
}

static int try_acquire(native_pool *self, pond_loop *loop, const pond_acquire_options *options,
                       pond_connection **out, pond_error **error)
{
    if (is_plain(options))
        return pond_pool_try_acquire(self->pool, loop, out, error);
    return pond_pool_try_acquire_with(self->pool, loop, options, out, error);
}

static int submit_acquire(native_pool *self, pond_loop *loop, const pond_acquire_options *options,
                          void *user_data, pond_op **op, pond_error **error)
{
    if (is_plain(options))
        return pond_pool_acquire(self->pool, loop, options->timeout_ms, user_data, op, error);
    return pond_pool_acquire_with(self->pool, loop, options, user_data, op, error);
}

/* An operation that has completed already where a connection is free. */
static PyObject *acquire(native_pool *self, pond_acquire_options *options)
{
    native_state *state = self->state;
    native_loop *loop = native_running_loop(state);
    if (!loop || native_session_of_context(state, &options->session))
        return NULL;
    pond_connection *lease = NULL;
    pond_error *error = NULL;
    int code = try_acquire(self, loop->loop, options, &lease, &error);
    if (!code)
        return acquired_at_once(
            state, native_connection_new(self, loop, lease, native_origin_capture(state)));
    if (code != POND_EAGAIN)
        return native_raise(state, code, error);
    pond_error_free(error);
    error = NULL;
    native_op *op = native_op_new(state, loop, NATIVE_OP_CONNECTION);
    if (!op)
        return NULL;
    op->pool = Py_NewRef((PyObject *)self);
    op->origin = native_origin_capture(state);
    code = submit_acquire(self, loop->loop, options, op, &op->op, &error);
    return native_op_after_submit(op, code, error);
}

PyObject *native_pool_acquire(PyObject *object, PyObject *args, PyObject *keywords)
{
    native_pool *self = (native_pool *)object;
    pond_acquire_options options;
    return read_options(self->state, args, keywords, &options) ? NULL : acquire(self, &options);
}

static pond_connection *acquire_and_wait(native_pool *self, const pond_acquire_options *options)
{
    pond_op *op = NULL;
    pond_error *error = NULL;
    int code = submit_acquire(self, NULL, options, NULL, &op, &error);
    code = native_waited(self->state, op, code, error);
    pond_connection *lease = code ? NULL : pond_op_take_connection(op);
    pond_op_release(op);
    return lease;
}

PyObject *native_pool_acquire_sync(PyObject *object, PyObject *args, PyObject *keywords)
{
    native_pool *self = (native_pool *)object;
    native_state *state = self->state;
    pond_acquire_options options;
    if (read_options(state, args, keywords, &options) ||
        native_session_of_context(state, &options.session))
        return NULL;
    pond_connection *lease = NULL;
    pond_error *error = NULL;
    int code = try_acquire(self, NULL, &options, &lease, &error);
    if (code == POND_EAGAIN) {
        pond_error_free(error);
        lease = acquire_and_wait(self, &options);
    } else if (code) {
        return native_raise(state, code, error);
    }
    return lease ? native_connection_new(self, NULL, lease, native_origin_capture(state)) : NULL;
}

/* ---- async with -------------------------------------------------------------------------- */

typedef struct native_acquire {
    PyObject_HEAD native_pool *pool;
    native_op *op; /* has the connection, once entered */
    pond_acquire_options options;
} native_acquire;

PyObject *native_pool_async_connection(PyObject *object, PyObject *args, PyObject *keywords)
{
    native_pool *self = (native_pool *)object;
    PyTypeObject *type = self->state->acquire_type;
    pond_acquire_options options;
    if (read_options(self->state, args, keywords, &options))
        return NULL;
    native_acquire *manager = (native_acquire *)type->tp_alloc(type, 0);
    if (!manager)
        return NULL;
    manager->pool = (native_pool *)Py_NewRef(object);
    manager->options = options;
    return (PyObject *)manager;
}

static PyObject *acquire_enter(PyObject *object, PyObject *unused)
{
    (void)unused;
    native_acquire *self = (native_acquire *)object;
    if (self->op)
        return native_raise_text(
            self->pool->state, POND_EMISUSE,
            "this async_connection() was entered before: call async_connection() again");
    self->op = (native_op *)acquire(self->pool, &self->options);
    return Py_XNewRef((PyObject *)self->op);
}

/* The connection that was acquired; borrowed. */
static native_connection *acquired(native_acquire *self)
{
    PyObject *value = self->op ? self->op->value : NULL;
    return (native_connection *)value;
}

static PyObject *acquire_exit(PyObject *object, PyObject *args)
{
    native_acquire *self = (native_acquire *)object;
    native_state *state = self->pool->state;
    native_connection *connection = acquired(self);
    int failing = PyTuple_GET_SIZE(args) && PyTuple_GET_ITEM(args, 0) != Py_None;
    if (connection && native_connection_release(connection)) {
        if (!failing)
            return NULL;
        PyErr_Clear(); /* the error of the block is what its caller must see */
    }
    if (pond_log_pending())
        native_drain_log(state);
    return Py_NewRef(state->ready_none);
}

static int acquire_traverse(PyObject *object, visitproc visit, void *arg)
{
    native_acquire *self = (native_acquire *)object;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->pool);
    Py_VISIT(self->op);
    return 0;
}

static void acquire_dealloc(PyObject *object)
{
    native_acquire *self = (native_acquire *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    Py_CLEAR(self->op);
    Py_CLEAR(self->pool);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef acquire_methods[] = {
    {"__aenter__", acquire_enter, METH_NOARGS, "Acquire."},
    {"__aexit__", acquire_exit, METH_VARARGS, "Release."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot acquire_slots[] = {
    {Py_tp_methods, acquire_methods},
    {Py_tp_traverse, acquire_traverse},
    {Py_tp_dealloc, acquire_dealloc},
    {0, NULL},
};

PyType_Spec native_acquire_spec = {
    .name = "millpond._native.Acquire",
    .basicsize = sizeof(native_acquire),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = acquire_slots,
};

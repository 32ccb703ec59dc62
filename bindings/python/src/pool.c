#include <math.h>

#include "native.h"

#include "millpond/driver.h"

/* ---- Arguments --------------------------------------------------------------------------- */

int native_timeout(native_state *state, PyObject *seconds, int64_t *out)
{
    *out = POND_TIMEOUT_DEFAULT;
    if (!seconds || seconds == Py_None)
        return 0;
    double number = PyFloat_AsDouble(seconds);
    if (number == -1.0 && PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_TypeError))
        return -1;
    PyErr_Clear();
    if (isnan(number) || number <= 0) {
        native_raise_text(state, POND_EINVAL,
                          "timeout must be a positive number of seconds or None, not %R", seconds);
        return -1;
    }
    *out = number < 1e12 ? (int64_t)ceil(number * 1000) : POND_TIMEOUT_NONE;
    return 0;
}

int native_read_timeout(native_state *state, PyObject *args, PyObject *keywords, int64_t *out)
{
    static char *names[] = {"timeout", NULL};
    PyObject *seconds = NULL;
    *out = POND_TIMEOUT_DEFAULT;
    if (PyTuple_GET_SIZE(args) == 0 && !keywords)
        return 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O", names, &seconds))
        return -1;
    return native_timeout(state, seconds, out);
}

/* Set one setting; -1 with an exception if it cannot be. */
static int set_one(native_state *state, pond_config *config, PyObject *key, PyObject *value)
{
    pond_error *error = NULL;
    Py_ssize_t size;
    const char *name = PyUnicode_AsUTF8(key);
    const char *text = name ? PyUnicode_AsUTF8AndSize(value, &size) : NULL;
    if (!text)
        return -1;
    if (strlen(text) != (size_t)size) {
        native_raise_text(state, POND_EINVAL, "%s contains a NUL character", name);
        return -1;
    }
    int code = pond_config_set(config, name, text, &error);
    if (code)
        native_raise(state, code, error);
    return code ? -1 : 0;
}

static int set_all(native_state *state, pond_config *config, PyObject *settings)
{
    Py_ssize_t position = 0;
    PyObject *key;
    PyObject *value;
    while (PyDict_Next(settings, &position, &key, &value)) {
        if (set_one(state, config, key, value))
            return -1;
    }
    return 0;
}

/* Take the exception that was raised and keep it in a list. */
static int keep_error(PyObject *list)
{
    PyObject *type;
    PyObject *error;
    PyObject *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    int code = PyList_Append(list, error);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
    return code;
}

/* Every setting that the driver does not know, then what is wrong with the values. */
static int find_problems(native_state *state, pond_config *config, PyObject *settings,
                         PyObject *list)
{
    Py_ssize_t position = 0;
    PyObject *key;
    PyObject *value;
    while (PyDict_Next(settings, &position, &key, &value)) {
        if (set_one(state, config, key, value) && keep_error(list))
            return -1;
    }
    pond_error *error = NULL;
    int code = pond_config_check(config, &error);
    if (!code)
        return 0;
    native_raise(state, code, error);
    return keep_error(list);
}

PyObject *native_config_problems(PyObject *module, PyObject *args)
{
    native_state *state = PyModule_GetState(module);
    const char *driver;
    PyObject *settings;
    if (!PyArg_ParseTuple(args, "sO!", &driver, &PyDict_Type, &settings))
        return NULL;
    pond_config *config = NULL;
    pond_error *error = NULL;
    int code = pond_config_new(driver, &config, &error);
    if (code)
        return native_raise(state, code, error);
    PyObject *list = PyList_New(0);
    if (list && find_problems(state, config, settings, list))
        Py_CLEAR(list);
    pond_config_release(config);
    return list;
}

/* ---- Create and destroy ------------------------------------------------------------------ */

/* Whether a class of connections says that its SqlGenerator has conversions of its own. */
static int converts(PyTypeObject *type, int *out)
{
    PyObject *answer = PyObject_GetAttrString((PyObject *)type, "_converts");
    *out = answer ? PyObject_IsTrue(answer) : 0;
    Py_XDECREF(answer);
    if (answer || !PyErr_ExceptionMatches(PyExc_AttributeError))
        return PyErr_Occurred() ? -1 : 0;
    PyErr_Clear();
    return 0;
}

static PyObject *pool_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"driver", "settings", "connection", "sync_connection", "backend", NULL};
    unsigned long long backend = 0;
    native_state *state = native_state_of(type);
    const char *driver;
    PyObject *settings;
    PyTypeObject *connection;
    PyTypeObject *sync_connection;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "sO!O!O!|K", names, &driver, &PyDict_Type,
                                     &settings, &PyType_Type, &connection, &PyType_Type,
                                     &sync_connection, &backend))
        return NULL;
    if (!PyType_IsSubtype(connection, state->connection_type) ||
        !PyType_IsSubtype(sync_connection, state->sync_connection_type))
        return PyErr_Format(PyExc_TypeError, "connection classes must derive from _native's");
    native_pool *self = (native_pool *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    self->state = state;
    self->connection_type = (PyTypeObject *)Py_NewRef((PyObject *)connection);
    self->sync_connection_type = (PyTypeObject *)Py_NewRef((PyObject *)sync_connection);
    if (converts(connection, &self->converts) || converts(sync_connection, &self->sync_converts)) {
        Py_DECREF(self);
        return NULL;
    }
    pond_config *config = NULL;
    pond_error *error = NULL;
    int code = pond_config_new(driver, &config, &error);
    if (!code && set_all(state, config, settings) == 0) {
        self->runs_inline = pond_driver_fact(driver, "inline") != NULL;
        if (backend)
            code = pond_config_set_data(config, (void *)(uintptr_t)backend, NULL, &error);
        if (!code)
            code = pond_pool_open(config, &self->pool, &error);
        if (!code)
            code = pond_pool_schema(self->pool, &self->schema, &error);
    }
    pond_config_release(config);
    if (code)
        native_raise(state, code, error);
    if (!self->schema)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static int pool_traverse(PyObject *object, visitproc visit, void *arg)
{
    native_pool *self = (native_pool *)object;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->steps_schema);
    Py_VISIT(self->connection_type);
    Py_VISIT(self->sync_connection_type);
    return 0;
}

static void pool_dealloc(PyObject *object)
{
    native_pool *self = (native_pool *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    pond_pool *pool = self->pool;
    pond_schema_release(self->schema);
    Py_BEGIN_ALLOW_THREADS /* closing files may take its time */
        pond_pool_release(pool);
    Py_END_ALLOW_THREADS
    Py_CLEAR(self->steps_schema);
    Py_CLEAR(self->connection_type);
    Py_CLEAR(self->sync_connection_type);
    type->tp_free(object);
    Py_DECREF(type);
}

/* ---- Close ------------------------------------------------------------------------------- */

static PyObject *pool_close(PyObject *object, PyObject *args, PyObject *keywords)
{
    native_pool *self = (native_pool *)object;
    native_state *state = self->state;
    int64_t timeout_ms;
    if (native_read_timeout(state, args, keywords, &timeout_ms))
        return NULL;
    native_loop *loop = native_running_loop(state);
    native_op *op = loop ? native_op_new(state, loop, NATIVE_OP_NONE) : NULL;
    if (!op)
        return NULL;
    pond_error *error = NULL;
    int code = pond_pool_close(self->pool, loop->loop, timeout_ms, op, &op->op, &error);
    return native_op_after_submit(op, code, error);
}

static PyObject *pool_close_sync(PyObject *object, PyObject *args, PyObject *keywords)
{
    native_pool *self = (native_pool *)object;
    int64_t timeout_ms;
    if (native_read_timeout(self->state, args, keywords, &timeout_ms))
        return NULL;
    pond_op *op = NULL;
    pond_error *error = NULL;
    int code = pond_pool_close(self->pool, NULL, timeout_ms, NULL, &op, &error);
    code = native_waited(self->state, op, code, error);
    pond_op_release(op);
    native_drain_log(self->state);
    return code ? NULL : Py_NewRef(Py_None);
}

/* ---- Status ------------------------------------------------------------------------------ */

static PyObject *pool_status(PyObject *object, PyObject *unused)
{
    (void)unused;
    native_pool *self = (native_pool *)object;
    pond_pool_status at = {.struct_size = sizeof(at)};
    pond_error *error = NULL;
    int code = pond_pool_get_status(self->pool, &at, &error);
    if (code)
        return native_raise(self->state, code, error);
    typedef unsigned long long count;
    return Py_BuildValue(
        "{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:O,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K}",
        "min_size", at.min_size, "max_size", at.max_size, "size", at.size, "in_use", at.in_use,
        "idle", at.idle, "opening", at.opening, "sync_max_size", at.sync_max_size, "sync_in_use",
        at.sync_in_use, "waiting", at.waiting, "closed", at.closed ? Py_True : Py_False,
        "total_acquired", (count)at.acquired, "total_released", (count)at.released, "timeouts",
        (count)at.timeouts, "errors", (count)at.errors, "created", (count)at.created, "destroyed",
        (count)at.destroyed, "peak_active", (count)at.peak_active, "statement_hits",
        (count)at.statement_hits, "statement_misses", (count)at.statement_misses,
        "statement_evictions", (count)at.statement_evictions);
}

static PyObject *pool_closed(PyObject *object, void *unused)
{
    (void)unused;
    return PyBool_FromLong(pond_pool_is_closed(((native_pool *)object)->pool));
}

/* One count of the status; the closure is its offset in the struct. */
static PyObject *pool_count(PyObject *object, void *offset)
{
    native_pool *self = (native_pool *)object;
    pond_pool_status at = {.struct_size = offsetof(pond_pool_status, acquired)};
    pond_error *error = NULL;
    uint32_t count;
    int code = pond_pool_get_status(self->pool, &at, &error);
    if (code)
        return native_raise(self->state, code, error);
    memcpy(&count, (const char *)&at + (size_t)offset, sizeof(count));
    return PyLong_FromUnsignedLong(count);
}

static PyObject *pool_same_as(PyObject *object, PyObject *other)
{
    native_pool *self = (native_pool *)object;
    if (!PyObject_TypeCheck(other, self->state->pool_type))
        Py_RETURN_FALSE;
    native_pool *that = (native_pool *)other;
    return PyBool_FromLong(self->pool == that->pool &&
                           self->connection_type == that->connection_type &&
                           self->sync_connection_type == that->sync_connection_type);
}

static PyObject *pool_hash(PyObject *object, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(pond_pool_hash(((native_pool *)object)->pool));
}

/* ---- The type ---------------------------------------------------------------------------- */

#define WITH_KEYWORDS(function) (PyCFunction)(void (*)(void)) function, METH_VARARGS | METH_KEYWORDS

static PyMethodDef pool_methods[] = {
    {"acquire", WITH_KEYWORDS(native_pool_acquire),
     "acquire(timeout=None, *, read_only=False, consistency=None): await it for a connection."},
    {"acquire_sync", WITH_KEYWORDS(native_pool_acquire_sync),
     "acquire_sync(timeout=None, *, read_only=False, consistency=None): blocks."},
    {"async_connection", WITH_KEYWORDS(native_pool_async_connection),
     "async_connection(timeout=None, *, read_only=False, consistency=None): for async with."},
    {"close", WITH_KEYWORDS(pool_close), "close(timeout=None): await it."},
    {"close_sync", WITH_KEYWORDS(pool_close_sync), "close_sync(timeout=None): blocks."},
    {"health_check", WITH_KEYWORDS(native_pool_health_check),
     "health_check(timeout=None): await it for True or False."},
    {"leases", native_pool_leases, METH_O,
     "leases(threshold_seconds) -> list of (connection, seconds, stack)."},
    {"nodes", native_pool_nodes, METH_NOARGS, "nodes() -> list of dicts, one for each node."},
    {"same_as", pool_same_as, METH_O, "True if both are one pool of the library."},
    {"samples", native_pool_samples, METH_NOARGS,
     "samples() -> [(name, label, number or durations)]"},
    {"scaling", native_pool_scaling, METH_NOARGS, "scaling() -> dict of the scaling signal."},
    {"status", pool_status, METH_NOARGS, "status() -> dict of counts."},
    {NULL, NULL, 0, NULL},
};

#define COUNT_AT(member) ((void *)offsetof(pond_pool_status, member))

static PyMemberDef pool_members[] = {
    {"_schema", T_OBJECT, offsetof(native_pool, steps_schema), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef pool_attributes[] = {
    {"closed", pool_closed, NULL,
     "True once the pool is closed, or in a forked child: open a new pool.", NULL},
    {"hash", pool_hash, NULL, "The key of the pool in the library.", NULL},
    {"min_size", pool_count, NULL, "Minimum number of open connections once the pool is in use.",
     COUNT_AT(min_size)},
    {"max_size", pool_count, NULL, "Maximum number of open connections.", COUNT_AT(max_size)},
    {"size", pool_count, NULL, "Open connections.", COUNT_AT(size)},
    {"in_use", pool_count, NULL, "Leased connections.", COUNT_AT(in_use)},
    {"idle", pool_count, NULL, "Idle connections, ready to be leased.", COUNT_AT(idle)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot pool_slots[] = {
    {Py_tp_doc, "Pool(driver, settings, connection, sync_connection)"},
    {Py_tp_new, pool_new},
    {Py_tp_methods, pool_methods},
    {Py_tp_getset, pool_attributes},
    {Py_tp_members, pool_members},
    {Py_tp_traverse, pool_traverse},
    {Py_tp_dealloc, pool_dealloc},
    {0, NULL},
};

PyType_Spec native_pool_spec = {
    .name = "millpond._native.Pool",
    .basicsize = sizeof(native_pool),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = pool_slots,
};

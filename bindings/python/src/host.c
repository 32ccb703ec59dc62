/* Backends written in Python: their connections live in the core's pools, which ask here for what
 * only Python can do. A callback comes with no lock of the library held, in any thread, with or
 * without the GIL. */
#include "native.h"

#include "millpond/driver.h"

/* ---- Requests ---------------------------------------------------------------------------- */

typedef struct native_request {
    PyObject_HEAD native_state *state;
    pond_request *request; /* NULL once finished */
    int opens;
} native_request;

static PyObject *request_new(native_state *state, pond_request *request)
{
    PyTypeObject *type = state->request_type;
    native_request *self = (native_request *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    self->state = state;
    self->request = request;
    self->opens = pond_request_verb_of(request) == POND_REQUEST_OPEN;
    if (self->opens)
        pond_request_set_prepared(request, self); /* for interrupt() */
    return (PyObject *)self;
}

static void finish(native_request *self, pond_error *error)
{
    pond_request *request = self->request;
    self->request = NULL;
    if (self->opens)
        pond_request_set_prepared(request, NULL);
    pond_request_finish(request, NULL, error);
}

static PyObject *request_finish(PyObject *object, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"code", "message", "open", "broken", NULL};
    native_request *self = (native_request *)object;
    const char *code = "";
    const char *message = "";
    int open = -1;
    int broken = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|ssip", names, &code, &message, &open,
                                     &broken))
        return NULL;
    if (!self->request)
        Py_RETURN_NONE;
    if (open >= 0)
        pond_request_set_in_transaction(self->request, open);
    if (broken)
        pond_request_set_broken(self->request);
    finish(self, *code ? pond_error_make(native_error_number(code), NULL, message) : NULL);
    Py_RETURN_NONE;
}

/* The module keeps the object until its close() has been called. */
static PyObject *request_opened(PyObject *object, PyObject *args)
{
    native_request *self = (native_request *)object;
    PyObject *connection;
    const char *server;
    const char *driver;
    if (!PyArg_ParseTuple(args, "Oss", &connection, &server, &driver))
        return NULL;
    if (!self->request)
        Py_RETURN_NONE;
    if (!self->state->backend_hosts || PySet_Add(self->state->backend_hosts, connection))
        return NULL;
    pond_request_opened(self->request, connection, server, driver);
    finish(self, NULL);
    Py_RETURN_NONE;
}

static PyObject *request_verb(PyObject *object, void *unused)
{
    (void)unused;
    const native_request *self = (native_request *)object;
    static const char *const names[] = {"open",  "execute",     "execute_many", "stream", "fetch",
                                        "close", "transaction", "ping",         "reset"};
    static const char *const verbs[] = {"begin_transaction", "commit_transaction",
                                        "rollback_transaction"};
    pond_request_verb verb = pond_request_verb_of(self->request);
    return PyUnicode_FromString(verb == POND_REQUEST_TRANSACTION
                                    ? verbs[pond_request_transaction(self->request) - POND_BEGIN]
                                    : names[verb]);
}

/* None for connections of threads that block. */
static PyObject *request_event_loop(PyObject *object, void *unused)
{
    (void)unused;
    const native_request *self = (native_request *)object;
    const pond_loop *loop = pond_request_loop(self->request);
    Py_ssize_t position = 0;
    PyObject *key;
    PyObject *value;
    while (PyDict_Next(self->state->loops, &position, &key, &value)) {
        if (((native_loop *)value)->loop == loop)
            return Py_NewRef(key);
    }
    Py_RETURN_NONE;
}

static int request_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static void request_dealloc(PyObject *object)
{
    native_request *self = (native_request *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    if (self->request)
        finish(self, pond_error_make(POND_ECANCELLED, NULL,
                                     "the backend dropped the request without finishing it"));
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef request_methods[] = {
    {"finish", (PyCFunction)(void (*)(void))request_finish, METH_VARARGS | METH_KEYWORDS,
     "finish(code=\"\", message=\"\", open=-1, broken=False): once; later calls do nothing."},
    {"opened", request_opened, METH_VARARGS, "opened(connection, server, driver): finish it."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef request_attributes[] = {
    {"verb", request_verb, NULL, "What is asked: \"open\", \"ping\", \"commit_transaction\", ...",
     NULL},
    {"event_loop", request_event_loop, NULL, "Where; None for a thread that blocks.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot request_slots[] = {
    {Py_tp_methods, request_methods},
    {Py_tp_getset, request_attributes},
    {Py_tp_traverse, request_traverse},
    {Py_tp_dealloc, request_dealloc},
    {0, NULL},
};

PyType_Spec native_request_spec = {
    .name = "millpond._native.Request",
    .basicsize = sizeof(native_request),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = request_slots,
};

/* ---- Callbacks --------------------------------------------------------------------------- */

static native_state *the_state; /* of the one interpreter that the module allows; under the GIL */

void native_forget_backends(const native_state *state)
{
    if (the_state == state)
        the_state = NULL;
}

static int is_ending(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return !Py_IsInitialized() || Py_IsFinalizing();
#else
    return !Py_IsInitialized() || _Py_IsFinalizing();
#endif
}

static void drop_result(PyObject *done, PyObject *of)
{
    if (!done)
        PyErr_WriteUnraisable(of);
    Py_XDECREF(done);
}

static void refuse(pond_request *request)
{
    pond_request_finish(request, NULL,
                        pond_error_make(POND_ECLOSED, NULL, "the interpreter is ending"));
}

/* With the GIL: false once the module was cleared, which the connections went with. */
static int is_there(void)
{
    return the_state && the_state->backend_hosts && the_state->backend_opener;
}

/* With the GIL. */
static void hand_over(PyObject *to, const char *method, pond_request *request)
{
    PyObject *key = PyLong_FromVoidPtr(pond_config_data(pond_request_config(request)));
    PyObject *handed = key ? request_new(the_state, request) : NULL;
    if (handed)
        drop_result(PyObject_CallMethod(to, method, "OO", key, handed), to);
    else
        pond_request_finish(request, NULL, pond_error_make(POND_ENOMEM, NULL, "out of memory"));
    PyErr_Clear();
    Py_XDECREF(key);
    Py_XDECREF(handed);
}

/* `connection` is NULL for what opens one. */
static void ask(PyObject *connection, pond_request *request)
{
    if (is_ending()) {
        refuse(request);
        return;
    }
    PyGILState_STATE gil = PyGILState_Ensure();
    if (is_there())
        hand_over(connection ? connection : the_state->backend_opener, "request", request);
    else
        refuse(request);
    PyGILState_Release(gil);
}

static void host_open(pond_request *request)
{
    ask(NULL, request);
}

static void host_request(void *connection, pond_request *request)
{
    ask(connection, request);
}

static void host_interrupt(void *connection, pond_request *request)
{
    if (is_ending())
        return;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *opening = connection ? NULL : pond_request_prepared(request);
    if (is_there() && connection)
        drop_result(PyObject_CallMethod(connection, "interrupt", NULL), connection);
    else if (is_there() && opening)
        drop_result(PyObject_CallMethod(the_state->backend_opener, "interrupt", "O", opening),
                    opening);
    PyGILState_Release(gil);
}

static void host_close(void *connection)
{
    if (is_ending())
        return;
    PyGILState_STATE gil = PyGILState_Ensure();
    if (is_there()) {
        drop_result(PyObject_CallMethod(connection, "close", NULL), connection);
        PySet_Discard(the_state->backend_hosts, connection);
        PyErr_Clear();
    }
    PyGILState_Release(gil);
}

/* register_backend(name, system, dialect, opener): once for each name. */
PyObject *native_register_backend(PyObject *module, PyObject *args)
{
    native_state *state = PyModule_GetState(module);
    pond_driver driver = {
        .struct_size = sizeof(driver),
        .flags = POND_DRIVER_PINNED | POND_DRIVER_ANY_SETTING,
        .open = host_open,
        .execute = host_request,
        .transaction = host_request,
        .ping = host_request,
        .reset = host_request,
        .interrupt = host_interrupt,
        .close = host_close,
    };
    PyObject *opener;
    pond_error *error = NULL;
    if (!PyArg_ParseTuple(args, "ssIO", &driver.name, &driver.system, &driver.dialect, &opener))
        return NULL;
    int code = pond_driver_register(&driver, &error);
    if (code)
        return native_raise(state, code, error);
    the_state = state;
    Py_XSETREF(state->backend_opener, Py_NewRef(opener));
    Py_RETURN_NONE;
}

/* ---- Leases ------------------------------------------------------------------------------ */

PyObject *native_connection_host(PyObject *object, void *unused)
{
    (void)unused;
    native_connection *self = (native_connection *)object;
    PyObject *host = pond_connection_host(self->lease);
    return Py_NewRef(host && self->state->backend_hosts ? host : Py_None);
}

/* _hold(sql, tags): begin a statement that Python runs. */
PyObject *native_connection_hold(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    native_connection *self = (native_connection *)object;
    native_call call;
    pond_request *request = NULL;
    pond_error *error = NULL;
    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "_hold() takes sql and tags");
    PyObject *given[] = {args[0], Py_None, Py_None, args[1]};
    call.options = (pond_execute_options)POND_EXECUTE_OPTIONS_INIT;
    if (native_call_read(self, &call, 0, given, 4, NULL))
        return NULL;
    if (!call.options_given)
        call.options = (pond_execute_options)POND_EXECUTE_OPTIONS_INIT;
    call.options.timeout_ms = POND_TIMEOUT_NONE;
    int code = pond_connection_hold(self->lease, call.sql, (size_t)call.sql_size, &call.options,
                                    &request, &error);
    native_call_free(&call);
    return code ? native_raise(self->state, code, error) : request_new(self->state, request);
}

PyObject *native_connection_note_transaction(PyObject *object, PyObject *open)
{
    native_connection *self = (native_connection *)object;
    int truth = PyObject_IsTrue(open);
    if (truth < 0)
        return NULL;
    pond_connection_set_in_transaction(self->lease, truth, NULL);
    Py_RETURN_NONE;
}

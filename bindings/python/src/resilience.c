/* Circuit breakers and backoff, for the classes and decorators of millpond.resilience. */
#include "native.h"

typedef struct native_breaker {
    PyObject_HEAD native_state *state;
    pond_breaker *breaker;
} native_breaker;

/* Seconds to microseconds, no less than `least`; -1 with an exception set. */
static int64_t microseconds(native_state *state, const char *name, double seconds)
{
    if (!(seconds >= 0) || seconds > 1e12) {
        native_raise_text(state, POND_EINVAL, "%s must be a non-negative number of seconds", name);
        return -1;
    }
    return (int64_t)(seconds * 1e6 + 0.5);
}

static PyObject *breaker_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"name",
                            "failure_threshold",
                            "recovery_timeout",
                            "half_open_max_calls",
                            "window_size",
                            "shared",
                            NULL};
    native_state *state = native_state_of(type);
    const char *name;
    unsigned int threshold;
    unsigned int calls;
    double recovery;
    double window;
    int shared;
    if (!state)
        return NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "sIdIdp", names, &name, &threshold, &recovery,
                                     &calls, &window, &shared)) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError))
            return NULL;
        PyErr_Clear();
        return native_raise_text(state, POND_EINVAL,
                                 "name contains a NUL character or a lone surrogate");
    }
    pond_breaker_options options = {.struct_size = sizeof(options),
                                    .failure_threshold = threshold,
                                    .half_open_max_calls = calls};
    options.recovery_timeout_us = microseconds(state, "recovery_timeout", recovery);
    options.window_size_us = microseconds(state, "window_size", window);
    if (PyErr_Occurred())
        return NULL;
    native_breaker *self = (native_breaker *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    self->state = state;
    pond_error *error = NULL;
    int code = shared ? pond_breaker_get_or_create(name, &options, &self->breaker, &error)
                      : pond_breaker_new(name, &options, &self->breaker, &error);
    if (code) {
        Py_DECREF(self);
        return native_raise(state, code, error);
    }
    return (PyObject *)self;
}

static void breaker_dealloc(PyObject *object)
{
    native_breaker *self = (native_breaker *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    pond_breaker_release(self->breaker);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *breaker_allow(PyObject *object, PyObject *unused)
{
    (void)unused;
    uint64_t ticket;
    int code = pond_breaker_allow(((native_breaker *)object)->breaker, &ticket, NULL);
    return PyLong_FromUnsignedLongLong(code ? 0 : ticket);
}

static PyObject *breaker_check(PyObject *object, PyObject *unused)
{
    (void)unused;
    native_breaker *self = (native_breaker *)object;
    uint64_t ticket;
    pond_error *error = NULL;
    int code = pond_breaker_allow(self->breaker, &ticket, &error);
    return code ? native_raise(self->state, code, error) : PyLong_FromUnsignedLongLong(ticket);
}

static PyObject *breaker_record(PyObject *object, PyObject *args)
{
    native_breaker *self = (native_breaker *)object;
    unsigned long long ticket;
    int outcome;
    pond_error *error = NULL;
    if (!PyArg_ParseTuple(args, "Ki", &ticket, &outcome))
        return NULL;
    int code = pond_breaker_record(self->breaker, ticket, (pond_breaker_outcome)outcome, &error);
    return code ? native_raise(self->state, code, error) : Py_NewRef(Py_None);
}

static PyObject *breaker_reset(PyObject *object, PyObject *unused)
{
    (void)unused;
    pond_breaker_reset(((native_breaker *)object)->breaker);
    Py_RETURN_NONE;
}

static PyObject *breaker_status(PyObject *object, PyObject *unused)
{
    (void)unused;
    pond_breaker_status at = {.struct_size = sizeof(at)};
    pond_breaker_get_status(((native_breaker *)object)->breaker, &at, NULL);
    typedef unsigned long long count;
    return Py_BuildValue("{s:I,s:I,s:I,s:d,s:K,s:K,s:K}", "state", at.state, "recent_failures",
                         at.recent_failures, "probes", at.probes, "retry_after",
                         (double)at.retry_after_us / 1e6, "failures", (count)at.failures, "refused",
                         (count)at.refused, "opened", (count)at.opened);
}

static PyObject *breaker_name(PyObject *object, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(pond_breaker_name(((native_breaker *)object)->breaker));
}

static PyMethodDef breaker_methods[] = {
    {"_allow", breaker_allow, METH_NOARGS, "A ticket, or 0 if the call must not be made."},
    {"_check", breaker_check, METH_NOARGS, "A ticket; raises CircuitOpenError."},
    {"_record", breaker_record, METH_VARARGS, "_record(ticket, outcome)"},
    {"reset", breaker_reset, METH_NOARGS, "Close it and forget the failures."},
    {"_status", breaker_status, METH_NOARGS, "_status() -> dict"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef breaker_attributes[] = {
    {"name", breaker_name, NULL, "The name that it was made with.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot breaker_slots[] = {
    {Py_tp_new, breaker_new},           {Py_tp_methods, breaker_methods},
    {Py_tp_getset, breaker_attributes}, {Py_tp_traverse, native_traverse_type},
    {Py_tp_dealloc, breaker_dealloc},   {0, NULL},
};

static PyType_Spec breaker_spec = {
    .name = "millpond._native.Breaker",
    .basicsize = sizeof(native_breaker),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = breaker_slots,
};

/* ---- Functions --------------------------------------------------------------------------- */

static PyObject *retry_delay(PyObject *module, PyObject *args)
{
    native_state *state = PyModule_GetState(module);
    unsigned int failures;
    unsigned int retries;
    double elapsed;
    double base;
    double most;
    double total;
    if (!PyArg_ParseTuple(args, "IdIddd", &failures, &elapsed, &retries, &base, &most, &total))
        return NULL;
    pond_retry_policy policy = {.struct_size = sizeof(policy), .max_retries = retries};
    policy.base_delay_us = microseconds(state, "base_delay", base);
    policy.max_delay_us = microseconds(state, "max_delay", most);
    policy.total_timeout_us = total < 0 ? -1 : microseconds(state, "total_timeout", total);
    if (PyErr_Occurred())
        return NULL;
    int64_t delay_us;
    pond_error *error = NULL;
    int code = pond_retry_next(&policy, failures, (int64_t)(elapsed * 1e6), &delay_us, &error);
    if (code)
        return native_raise(state, code, error);
    return delay_us < 0 ? Py_NewRef(Py_None) : PyFloat_FromDouble((double)delay_us / 1e6);
}

static PyObject *breaker_outcome(PyObject *module, PyObject *name)
{
    (void)module;
    static const struct {
        const char *name;
        int code;
    } codes[] = {
#define POND_X(code, number, cls, parent, builtin, text) {"E" #code, number},
        POND_ERROR_MAP(POND_X)
#undef POND_X
    };
    const char *wanted = PyUnicode_AsUTF8(name);
    if (!wanted)
        return NULL;
    int outcome = POND_BREAKER_FAILURE;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strcmp(codes[i].name, wanted) == 0)
            outcome = (int)pond_breaker_outcome_of(codes[i].code);
    }
    return PyLong_FromLong(outcome);
}

static PyMethodDef functions[] = {
    {"retry_delay", retry_delay, METH_VARARGS,
     "retry_delay(failures, elapsed, max_retries, base_delay, max_delay, total_timeout) -> seconds "
     "to wait, or None to give up"},
    {"breaker_outcome", breaker_outcome, METH_O, "breaker_outcome(code name) -> outcome"},
    {NULL, NULL, 0, NULL},
};

static int add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    int failed = !type || PyModule_AddType(module, (PyTypeObject *)type);
    Py_XDECREF(type);
    return failed ? -1 : 0;
}

int native_add_resilience(PyObject *module)
{
    return add_type(module, &breaker_spec) || add_type(module, &native_cache_spec) ||
                   PyModule_AddFunctions(module, functions)
               ? -1
               : 0;
}

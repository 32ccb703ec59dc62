#include <stdarg.h>

#include "native.h"

/* PEP 249's names, in an order in which each comes after its parent. */
typedef struct standard_error {
    const char *name;
    const char *parent;
    const char *doc;
} standard_error;

static const standard_error standard_errors[] = {
    {"Error", NULL,
     "Base of all errors of millpond.\n\n"
     "Attributes: code (str, such as \"EUNIQUE\"), sqlstate (str, 5 characters or empty),\n"
     "vendor_code (int, the database's own number or 0), detail, hint, constraint (str, empty if\n"
     "the database gave none), position (int, 1-based character of the statement, or 0),\n"
     "retryable (bool: trying the same again can succeed and repeats no effect); setting (str, "
     "the\n"
     "key of the configuration that is wrong, else empty), row (int, which of many rows or\n"
     "entities failed, counted from 0, else None); entity_name, entity_id and field (str) of a\n"
     "stored value that cannot be read."},
    {"InterfaceError", "Error", "The library was used incorrectly."},
    {"DatabaseError", "Error", "The database, or the connection to it, reports a problem."},
    {"DataError", "DatabaseError", "A value does not fit its type."},
    {"OperationalError", "DatabaseError", "Something outside the program's control failed."},
    {"IntegrityError", "DatabaseError", "A constraint of the schema was violated."},
    {"InternalError", "DatabaseError", "The database or the library is in an unexpected state."},
    {"ProgrammingError", "DatabaseError", "The statement or its use is wrong."},
    {"NotSupportedError", "DatabaseError", "The database or the build cannot do this."},
};

typedef struct own_error {
    const char *code_name;
    int code;
    const char *name;
    const char *parent;
    const char *builtin;
    const char *doc;
} own_error;

static const own_error own_errors[] = {
#define POND_X(code, number, cls, parent, builtin, text) \
    {"E" #code, number, #cls, #parent, #builtin, text},
    POND_ERROR_MAP(POND_X)
#undef POND_X
};

enum {
    STANDARD_COUNT = sizeof(standard_errors) / sizeof(standard_errors[0]),
    OWN_COUNT = sizeof(own_errors) / sizeof(own_errors[0])
};

int native_error_number(const char *name)
{
    for (size_t i = 0; i < OWN_COUNT; i++) {
        if (strcmp(own_errors[i].code_name, name) == 0)
            return own_errors[i].code;
    }
    return POND_EOPERATIONAL;
}

static PyObject *default_attributes(void)
{
    return Py_BuildValue("{s:s,s:s,s:i,s:s,s:s,s:s,s:i,s:O,s:s,s:O,s:s,s:s,s:s}", "code", "",
                         "sqlstate", "", "vendor_code", 0, "detail", "", "hint", "", "constraint",
                         "", "position", 0, "retryable", Py_False, "setting", "", "row", Py_None,
                         "entity_name", "", "entity_id", "", "field", "");
}

static int add_class(PyObject *module, const char *name, const char *doc, PyObject *bases,
                     PyObject *attributes)
{
    char full_name[80];
    PyOS_snprintf(full_name, sizeof(full_name), "millpond.%s", name);
    PyObject *class = PyErr_NewExceptionWithDoc(full_name, doc, bases, attributes);
    if (!class)
        return -1;
    int failed = PyModule_AddObjectRef(module, name, class);
    Py_DECREF(class);
    return failed;
}

static int add_standard(PyObject *module)
{
    for (int i = 0; i < STANDARD_COUNT; i++) {
        const standard_error *at = &standard_errors[i];
        PyObject *base =
            at->parent ? PyObject_GetAttrString(module, at->parent) : Py_NewRef(PyExc_Exception);
        PyObject *attributes = at->parent ? NULL : default_attributes();
        int failed = !base || (!at->parent && !attributes) ||
                     add_class(module, at->name, at->doc, base, attributes);
        Py_XDECREF(base);
        Py_XDECREF(attributes);
        if (failed)
            return -1;
    }
    return 0;
}

/* The parent in PEP 249's tree, and the builtin that people catch. */
static PyObject *bases_of(PyObject *module, const own_error *at)
{
    PyObject *parent = PyObject_GetAttrString(module, at->parent);
    if (!parent || strcmp(at->builtin, "None") == 0)
        return parent;
    PyObject *builtin = PyDict_GetItemString(PyEval_GetBuiltins(), at->builtin);
    PyObject *bases = builtin ? PyTuple_Pack(2, parent, builtin) : NULL;
    if (!builtin)
        PyErr_Format(PyExc_SystemError, "no builtin %s", at->builtin);
    Py_DECREF(parent);
    return bases;
}

static int add_own(PyObject *module, native_state *state, const own_error *at)
{
    PyObject *bases = bases_of(module, at);
    PyObject *attributes = Py_BuildValue("{s:s}", "code", at->code_name);
    int failed = !bases || !attributes || add_class(module, at->name, at->doc, bases, attributes);
    Py_XDECREF(bases);
    Py_XDECREF(attributes);
    if (failed)
        return -1;
    PyObject *class = PyObject_GetAttrString(module, at->name);
    PyObject *code = PyLong_FromLong(at->code);
    failed = !class || !code || PyDict_SetItem(state->errors, code, class);
    Py_XDECREF(class);
    Py_XDECREF(code);
    return failed ? -1 : 0;
}

/* One of connecting is of a class of its own: of the same code, but also what people catch. */
static int add_connect_timeout(PyObject *module, native_state *state)
{
    PyObject *parent = PyObject_GetAttrString(module, "ConnectFailedError");
    PyObject *bases = parent ? PyTuple_Pack(2, parent, PyExc_TimeoutError) : NULL;
    int failed = !bases ||
                 add_class(module, "ConnectTimeoutError",
                           "Connecting took longer than connection_creation_timeout.", bases, NULL);
    if (!failed)
        state->connect_timeout = PyObject_GetAttrString(module, "ConnectTimeoutError");
    Py_XDECREF(bases);
    Py_XDECREF(parent);
    return failed || !state->connect_timeout ? -1 : 0;
}

int native_add_errors(PyObject *module, native_state *state)
{
    state->errors = PyDict_New();
    if (!state->errors || add_standard(module))
        return -1;
    for (int i = 0; i < OWN_COUNT; i++) {
        if (add_own(module, state, &own_errors[i]))
            return -1;
    }
    if (add_connect_timeout(module, state))
        return -1;
    state->error_base = PyObject_GetAttrString(module, "Error");
    return state->error_base ? 0 : -1;
}

/* ---- Exceptions -------------------------------------------------------------------------- */

static int set_text(PyObject *exception, const char *name, const char *text)
{
    if (!*text)
        return 0; /* the class has the default */
    PyObject *value = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
    int failed = !value || PyObject_SetAttrString(exception, name, value);
    Py_XDECREF(value);
    return failed;
}

static int set_number(PyObject *exception, const char *name, long number)
{
    if (number == 0)
        return 0;
    PyObject *value = PyLong_FromLong(number);
    int failed = !value || PyObject_SetAttrString(exception, name, value);
    Py_XDECREF(value);
    return failed;
}

/* A row is a number from 0; -1 for none. */
static int set_row(PyObject *exception, int64_t row)
{
    if (row < 0)
        return 0;
    PyObject *value = PyLong_FromLongLong(row);
    int failed = !value || PyObject_SetAttrString(exception, "row", value);
    Py_XDECREF(value);
    return failed;
}

static int set_details(PyObject *exception, const pond_error *error)
{
    return set_text(exception, "sqlstate", pond_error_sqlstate(error)) ||
           set_text(exception, "detail", pond_error_detail(error)) ||
           set_text(exception, "hint", pond_error_hint(error)) ||
           set_text(exception, "constraint", pond_error_constraint(error)) ||
           set_text(exception, "setting", pond_error_setting(error)) ||
           set_row(exception, pond_error_row(error)) ||
           set_number(exception, "vendor_code", pond_error_vendor_code(error)) ||
           set_number(exception, "position", (long)pond_error_position(error)) ||
           (pond_error_retryable(error) && PyObject_SetAttrString(exception, "retryable", Py_True));
}

static PyObject *class_of(native_state *state, int code)
{
    PyObject *key = PyLong_FromLong(code);
    PyObject *class = key ? PyDict_GetItemWithError(state->errors, key) : NULL;
    Py_XDECREF(key);
    return class ? class : state->error_base;
}

static PyObject *class_for(native_state *state, int code, const pond_error *error)
{
    if (!error)
        return class_of(state, code);
    code = pond_error_code(error);
    return code == POND_ECONNECT && pond_error_is_timeout(error) ? state->connect_timeout
                                                                 : class_of(state, code);
}

PyObject *native_exception(native_state *state, int code, pond_error *error)
{
    const char *text = error ? pond_error_message(error) : pond_error_text(code);
    PyObject *message = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
    PyObject *exception =
        message ? PyObject_CallOneArg(class_for(state, code, error), message) : NULL;
    Py_XDECREF(message);
    if (exception && error && set_details(exception, error))
        Py_CLEAR(exception);
    pond_error_free(error);
    return exception;
}

PyObject *native_raise(native_state *state, int code, pond_error *error)
{
    PyObject *exception = native_exception(state, code, error);
    if (exception) {
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
        Py_DECREF(exception);
    }
    return NULL;
}

void native_error_prefix(const char *format, ...)
{
    PyObject *type;
    PyObject *value;
    PyObject *traceback;
    va_list arguments;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    va_start(arguments, format);
    PyObject *where = PyUnicode_FromFormatV(format, arguments);
    va_end(arguments);
    PyObject *text = where && value ? PyUnicode_FromFormat("%U: %S", where, value) : NULL;
    PyObject *args = text ? PyTuple_Pack(1, text) : NULL;
    if (!args || PyObject_SetAttrString(value, "args", args))
        PyErr_Clear();
    Py_XDECREF(where);
    Py_XDECREF(text);
    Py_XDECREF(args);
    PyErr_Restore(type, value, traceback);
}

void native_error_row(const char *what, int64_t row)
{
    PyObject *type;
    PyObject *value;
    PyObject *traceback;
    if (what)
        native_error_prefix("%s %lld", what, (long long)row);
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (set_row(value, row))
        PyErr_Clear();
    PyErr_Restore(type, value, traceback);
}

PyObject *native_raise_text(native_state *state, int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    PyObject *message = PyUnicode_FromFormatV(format, arguments);
    va_end(arguments);
    if (message) {
        PyErr_SetObject(class_of(state, code), message);
        Py_DECREF(message);
    }
    return NULL;
}

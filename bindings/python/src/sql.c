/* The functions of the module: the converter, for SqlGenerator. */
#include "native.h"

static PyObject *convert(PyObject *module, PyObject *args)
{
    native_state *state = PyModule_GetState(module);
    int dialect;
    const char *sql;
    Py_ssize_t size;
    char *native = NULL;
    size_t native_size;
    size_t placeholders;
    pond_error *error = NULL;
    if (!PyArg_ParseTuple(args, "is#", &dialect, &sql, &size))
        return NULL;
    int code = pond_sql_convert((pond_dialect)dialect, sql, (size_t)size, &native, &native_size,
                                &placeholders, &error);
    if (code)
        return native_raise(state, code, error);
    PyObject *out = Py_BuildValue("s#n", native, (Py_ssize_t)native_size, (Py_ssize_t)placeholders);
    pond_string_free(native);
    return out;
}

static PyObject *text_or_none(native_state *state, int code, char *text, pond_error *error)
{
    if (code)
        return native_raise(state, code, error);
    PyObject *out = text ? PyUnicode_FromString(text) : Py_NewRef(Py_None);
    pond_string_free(text);
    return out;
}

static PyObject *timeout_sql(PyObject *module, PyObject *args)
{
    native_state *state = PyModule_GetState(module);
    int dialect;
    long long timeout_ms;
    char *text = NULL;
    pond_error *error = NULL;
    if (!PyArg_ParseTuple(args, "iL", &dialect, &timeout_ms))
        return NULL;
    int code = pond_sql_timeout((pond_dialect)dialect, timeout_ms, &text, &error);
    return text_or_none(state, code, text, error);
}

/* comment_sql(((key, value), ...)) */
static PyObject *comment_sql(PyObject *module, PyObject *pairs)
{
    native_state *state = PyModule_GetState(module);
    if (!PyTuple_Check(pairs))
        return PyErr_Format(PyExc_TypeError, "a tuple of pairs is wanted");
    size_t count = (size_t)PyTuple_GET_SIZE(pairs);
    pond_tag *tags = PyMem_New(pond_tag, count + 1);
    if (!tags)
        return PyErr_NoMemory();
    PyObject *out = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(pairs, (Py_ssize_t)i), "ss", &tags[i].key,
                              &tags[i].value))
            goto done;
    }
    char *text = NULL;
    pond_error *error = NULL;
    int code = pond_sql_comment(tags, count, &text, &error);
    out = text_or_none(state, code, text, error);
done:
    PyMem_Free(tags);
    return out;
}

PyMethodDef native_functions[] = {
    {"convert", convert, METH_VARARGS, "convert(dialect, sql) -> (native sql, placeholders)"},
    {"timeout_sql", timeout_sql, METH_VARARGS, "timeout_sql(dialect, milliseconds) -> str | None"},
    {"comment_sql", comment_sql, METH_O, "comment_sql(pairs) -> str | None"},
    {"capture_full_stacks", native_capture_full_stacks, METH_O,
     "capture_full_stacks(enabled): let reports of leaks show the whole stack."},
    {"default_pool_size", native_default_pool_size, METH_NOARGS,
     "default_pool_size() -> (min, max) of a pool whose config says nothing."},
    {"check_pools", native_check_pools, METH_VARARGS,
     "check_pools(pools, timeout) -> list of bool: all checked at once."},
    {"parse_url", native_parse_url, METH_VARARGS, "parse_url(url) -> settings by name"},
    {NULL, NULL, 0, NULL},
};

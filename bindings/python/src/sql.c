/* The functions of the module: the converter, for SqlGenerator. */
#include "native.h"

/* After arguments that are not right: what is no text gets an error of ours. */
static PyObject *refuse_sql(native_state *state)
{
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
        return NULL;
    PyErr_Clear();
    return native_raise_text(state, POND_ESYNTAX,
                             "sql contains a lone surrogate, which is not a character");
}

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
        return refuse_sql(state);
    int code = pond_sql_convert((pond_dialect)dialect, sql, (size_t)size, &native, &native_size,
                                &placeholders, &error);
    if (code)
        return native_raise(state, code, error);
    PyObject *out = Py_BuildValue("s#n", native, (Py_ssize_t)native_size, (Py_ssize_t)placeholders);
    pond_string_free(native);
    return out;
}

/* ---- With parameters ----------------------------------------------------------------------- */

/* Python's objects travel as their numbers in `objects`; lists to the depth that the library looks
 * at. */
typedef struct numbering {
    PyObject *objects;
    PyObject *held;
} numbering;

static int number_value(numbering *to, PyObject *object, int depth, pond_value *out)
{
    enum { DEEPEST = 3 }; /* the parameters, lists, and rows in them */
    *out = (pond_value){.type = POND_TYPE_INT64, .as.integer = PyList_GET_SIZE(to->objects)};
    if (depth == DEEPEST || !(PyList_Check(object) || PyTuple_Check(object)))
        return PyList_Append(to->objects, object);
    PyObject *items = native_frozen(object, &to->held);
    Py_ssize_t count = items ? PyTuple_GET_SIZE(items) : 0;
    PyObject *memory =
        items ? PyBytes_FromStringAndSize(NULL, (count + 1) * (Py_ssize_t)sizeof(*out)) : NULL;
    if (!memory || PyList_Append(to->objects, memory)) { /* keeps it alive */
        Py_XDECREF(memory);
        return -1;
    }
    Py_DECREF(memory);
    pond_value *values = (pond_value *)(void *)PyBytes_AS_STRING(memory);
    int failed = 0;
    for (Py_ssize_t i = 0; i < count && !failed; i++)
        failed = number_value(to, PyTuple_GET_ITEM(items, i), depth + 1, &values[i]);
    *out = (pond_value){.type = POND_TYPE_ARRAY};
    out->as.array.items = values;
    out->as.array.count = (size_t)count;
    return failed;
}

static PyObject *object_of(const numbering *from, const pond_value *value)
{
    if (value->type != POND_TYPE_ARRAY)
        return Py_NewRef(PyList_GET_ITEM(from->objects, (Py_ssize_t)value->as.integer));
    PyObject *list = PyList_New((Py_ssize_t)value->as.array.count);
    for (size_t i = 0; list && i < value->as.array.count; i++) {
        PyObject *item = object_of(from, &value->as.array.items[i]);
        if (item)
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        else
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *convert_numbered(native_state *state, int dialect, const char *sql,
                                  Py_ssize_t size, numbering *from, const pond_value *params)
{
    pond_error *error = NULL;
    char *native;
    size_t native_size;
    pond_value *values;
    size_t count;
    int code = pond_sql_convert_lists((pond_dialect)dialect, sql, (size_t)size,
                                      params->as.array.items, params->as.array.count, &native,
                                      &native_size, &values, &count, &error);
    if (code)
        return native_raise(state, code, error);
    pond_value all = {.type = POND_TYPE_ARRAY};
    all.as.array.items = values;
    all.as.array.count = count;
    PyObject *objects = object_of(from, &all);
    PyObject *out = objects ? Py_BuildValue("s#N", native, (Py_ssize_t)native_size, objects) : NULL;
    pond_values_free(values);
    pond_string_free(native);
    return out;
}

static PyObject *convert_lists(PyObject *module, PyObject *args)
{
    native_state *state = PyModule_GetState(module);
    int dialect;
    const char *sql;
    Py_ssize_t size;
    PyObject *params;
    pond_value all;
    if (!PyArg_ParseTuple(args, "is#O!", &dialect, &sql, &size, &PyTuple_Type, &params))
        return refuse_sql(state);
    numbering numbers = {PyList_New(0), NULL};
    PyObject *out = NULL;
    if (numbers.objects && !number_value(&numbers, params, 0, &all))
        out = convert_numbered(state, dialect, sql, size, &numbers, &all);
    Py_XDECREF(numbers.objects);
    Py_XDECREF(numbers.held);
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
        return PyErr_Format(PyExc_TypeError, "expected a tuple of pairs");
    size_t count = (size_t)PyTuple_GET_SIZE(pairs);
    pond_tag *tags = PyMem_New(pond_tag, count + 1);
    if (!tags)
        return PyErr_NoMemory();
    PyObject *out = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(pairs, (Py_ssize_t)i), "ss", &tags[i].key,
                              &tags[i].value)) {
            if (PyErr_ExceptionMatches(PyExc_ValueError)) {
                PyErr_Clear();
                native_raise_text(PyModule_GetState(module), POND_EINVAL,
                                  "a tag contains a NUL character or a lone surrogate");
            }
            goto done;
        }
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
    {"convert_lists", convert_lists, METH_VARARGS,
     "convert_lists(dialect, sql, params) -> (native sql, list of parameters)"},
    {"register_backend", native_register_backend, METH_VARARGS,
     "register_backend(name, system, dialect, opener): a driver whose work Python does."},
    {"timeout_sql", timeout_sql, METH_VARARGS, "timeout_sql(dialect, milliseconds) -> str | None"},
    {"comment_sql", comment_sql, METH_O, "comment_sql(pairs) -> str | None"},
    {"capture_full_stacks", native_capture_full_stacks, METH_O,
     "capture_full_stacks(enabled): let reports of leaks show the whole stack."},
    {"default_pool_size", native_default_pool_size, METH_NOARGS,
     "default_pool_size() -> (min, max) of a pool whose config says nothing."},
    {"config_problems", native_config_problems, METH_VARARGS,
     "config_problems(driver, settings) -> list of errors: all that is wrong with the settings."},
    {"check_pools", native_check_pools, METH_VARARGS,
     "check_pools(pools, timeout) -> list of bool: all checked at once."},
    {"adopt", (PyCFunction)(void (*)(void))native_adopt, METH_VARARGS | METH_KEYWORDS,
     "adopt(**objects): take what the package gives this module."},
    {"driver_fact", native_driver_fact, METH_VARARGS, "driver_fact(driver, fact) -> str or None"},
    {"parse_url", native_parse_url, METH_VARARGS, "parse_url(url) -> settings by name"},
    {NULL, NULL, 0, NULL},
};

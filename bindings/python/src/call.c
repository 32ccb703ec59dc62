/* Arguments of execute(sql, params, timeout, tags) and of executemany(sql, param_list, timeout,
 * tags, first_row). */
#include "plan.h"

typedef struct arguments {
    PyObject *sql;
    PyObject *params;
    PyObject *timeout;
    PyObject *tags;
    PyObject *first_row;
} arguments;

static PyObject **slot_of(native_state *state, arguments *to, PyObject *name, int many)
{
    const char *params_name = many ? "param_list" : "params";
    if (PyUnicode_CompareWithASCIIString(name, "sql") == 0)
        return &to->sql;
    if (PyUnicode_CompareWithASCIIString(name, params_name) == 0)
        return &to->params;
    if (name == state->str_timeout || PyUnicode_Compare(name, state->str_timeout) == 0)
        return &to->timeout;
    if (name == state->str_tags || PyUnicode_Compare(name, state->str_tags) == 0)
        return &to->tags;
    if (many && PyUnicode_CompareWithASCIIString(name, "first_row") == 0)
        return &to->first_row;
    return NULL;
}

static int unpack(native_state *state, arguments *to, int many, PyObject *const *args,
                  Py_ssize_t count, PyObject *keywords)
{
    PyObject **slots[] = {&to->sql, &to->params, &to->timeout, &to->tags};
    const char *name = many ? "executemany" : "execute";
    *to = (arguments){0};
    if (count > 4) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most 4 arguments (%zd given)", name, count);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        *slots[i] = args[i];
    for (Py_ssize_t i = 0; keywords && i < PyTuple_GET_SIZE(keywords); i++) {
        PyObject *key = PyTuple_GET_ITEM(keywords, i);
        PyObject **slot = slot_of(state, to, key, many);
        if (!slot || *slot) {
            PyErr_Format(PyExc_TypeError, "%s() got %s argument %R", name,
                         slot ? "twice the" : "an unexpected", key);
            return -1;
        }
        *slot = args[count + i];
    }
    if (!to->sql) {
        PyErr_Format(PyExc_TypeError, "%s() needs the argument sql", name);
        return -1;
    }
    return 0;
}

/* ---- SQL, timeout, tags ------------------------------------------------------------------ */

static int read_sql(native_state *state, native_call *call, PyObject *sql)
{
    if (!PyUnicode_Check(sql)) {
        native_raise_text(state, POND_EPARAMS, "sql must be a str, not %.100s",
                          Py_TYPE(sql)->tp_name);
        return -1;
    }
    call->sql = PyUnicode_AsUTF8AndSize(sql, &call->sql_size);
    if (call->sql)
        return 0;
    if (PyErr_ExceptionMatches(PyExc_UnicodeError)) {
        PyErr_Clear();
        native_raise_text(state, POND_ESYNTAX,
                          "sql contains a lone surrogate, which is not a character");
    }
    return -1;
}

static int hold(native_call *call, PyObject *object)
{
    if (!call->held && !(call->held = PyList_New(0)))
        return -1;
    return PyList_Append(call->held, object);
}

/* Text of a tag's key or value, kept alive in call->held. */
static const char *tag_text(native_state *state, native_call *call, PyObject *object)
{
    PyObject *text = PyObject_Str(object);
    if (!text)
        return NULL;
    const char *utf8 = hold(call, text) ? NULL : native_text_of(state, text, "a tag");
    Py_DECREF(text);
    return utf8;
}

static int read_tags(native_state *state, native_call *call, PyObject *tags)
{
    if (!tags || tags == Py_None || (PyDict_Check(tags) && PyDict_GET_SIZE(tags) == 0))
        return 0;
    if (!PyDict_Check(tags)) {
        native_raise_text(state, POND_EPARAMS, "tags must be a dict, not %.100s",
                          Py_TYPE(tags)->tp_name);
        return -1;
    }
    Py_ssize_t position = 0;
    size_t count = 0;
    PyObject *key;
    PyObject *value;
    PyObject *items = PyDict_Copy(tags); /* str() of a value may change the original */
    if (!items || hold(call, items)) {
        Py_XDECREF(items);
        return -1;
    }
    Py_DECREF(items);
    call->tags = PyMem_New(pond_tag, (size_t)PyDict_GET_SIZE(items));
    if (!call->tags) {
        PyErr_NoMemory();
        return -1;
    }
    while (PyDict_Next(items, &position, &key, &value)) {
        call->tags[count].key = tag_text(state, call, key);
        call->tags[count].value = tag_text(state, call, value);
        if (!call->tags[count].key || !call->tags[count].value)
            return -1;
        count++;
    }
    call->options.tags = call->tags;
    call->options.tag_count = count;
    call->options_given = &call->options;
    return 0;
}

static int read_options(native_state *state, native_call *call, const arguments *given)
{
    call->options = (pond_execute_options){.struct_size = sizeof(call->options),
                                           .timeout_ms = POND_TIMEOUT_DEFAULT};
    if (given->timeout && given->timeout != Py_None) {
        if (native_timeout(state, given->timeout, &call->options.timeout_ms))
            return -1;
        call->options_given = &call->options;
    }
    if (given->first_row) {
        call->options.first_row = PyLong_AsUnsignedLongLong(given->first_row);
        if (PyErr_Occurred())
            return -1;
        call->options_given = &call->options;
    }
    return read_tags(state, call, given->tags);
}

/* ---- Parameters -------------------------------------------------------------------------- */

static int is_row(PyObject *object)
{
    return PyTuple_Check(object) || PyList_Check(object);
}

static int read_row(native_state *state, native_call *call, PyObject *row, pond_value *values)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(row); i++) {
        if (native_to_value(state, PyTuple_GET_ITEM(row, i), i + 1, &values[i], &call->held))
            return -1;
    }
    return 0;
}

static void refuse_dict(native_state *state, const char *what)
{
    native_raise_text(state, POND_EPARAMS,
                      "%s must be a tuple or list, not dict: write ? in the statement for each "
                      "value, instead of :name or %%(name)s, and pass the values in their order",
                      what);
}

static int read_params(native_state *state, native_call *call, PyObject *params)
{
    call->values = call->few;
    call->row_count = 1;
    if (!params || params == Py_None)
        return 0;
    if (PyDict_Check(params)) {
        refuse_dict(state, "params");
        return -1;
    }
    if (!is_row(params)) {
        native_raise_text(state, POND_EPARAMS,
                          "params must be a tuple or list, not %.100s: write (value,) for one",
                          Py_TYPE(params)->tp_name);
        return -1;
    }
    params = native_frozen(params, &call->held);
    if (!params)
        return -1;
    size_t count = (size_t)PyTuple_GET_SIZE(params);
    if (count > NATIVE_FEW) {
        call->values = PyMem_New(pond_value, count);
        if (!call->values) {
            PyErr_NoMemory();
            return -1;
        }
    }
    call->column_count = count;
    return read_row(state, call, params, call->values);
}

/* `index` counts all rows, of which this call has those from `first` on. */
static int check_row(native_state *state, PyObject *row, int64_t index, int64_t first,
                     Py_ssize_t columns)
{
    if (PyDict_Check(row)) {
        refuse_dict(state, "each row of param_list");
        return -1;
    }
    if (!is_row(row)) {
        native_raise_text(state, POND_EPARAMS,
                          "row %lld of param_list must be a tuple or list, not %.100s",
                          (long long)index, Py_TYPE(row)->tp_name);
        return -1;
    }
    if (PySequence_Fast_GET_SIZE(row) != columns) {
        native_raise_text(state, POND_EPARAMS, "row %lld has %zd parameters, but row %lld has %zd",
                          (long long)index, PySequence_Fast_GET_SIZE(row), (long long)first,
                          columns);
        return -1;
    }
    return 0;
}

static int read_one_of(native_state *state, native_call *call, PyObject *row, Py_ssize_t index)
{
    Py_ssize_t columns = (Py_ssize_t)call->column_count;
    int64_t first = (int64_t)call->options.first_row;
    if (check_row(state, row, first + index, first, columns)) {
        native_error_row(NULL, first + index);
        return -1;
    }
    if (!(row = native_frozen(row, &call->held)))
        return -1;
    if (!read_row(state, call, row, call->values + index * columns))
        return 0;
    native_error_row("row", first + index); /* a parameter's error says which parameter */
    return -1;
}

static int read_rows(native_state *state, native_call *call, PyObject *rows)
{
    PyObject *list = PySequence_Tuple(rows); /* who is called below may change what was given */
    if (!list) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear();
            native_raise_text(state, POND_EPARAMS,
                              "param_list must be a list of tuples, not %.100s",
                              Py_TYPE(rows)->tp_name);
        }
        return -1;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(list);
    PyObject *first = count ? PyTuple_GET_ITEM(list, 0) : NULL;
    Py_ssize_t columns = first && is_row(first) ? PySequence_Fast_GET_SIZE(first) : 0;
    int failed = hold(call, list);
    call->row_count = (size_t)count;
    call->column_count = (size_t)columns;
    if (!failed && columns && (size_t)count > PY_SSIZE_T_MAX / sizeof(pond_value) / (size_t)columns)
        failed = -1;
    if (!failed) {
        call->values = PyMem_New(pond_value, (size_t)(count * columns + 1));
        if (!call->values) {
            PyErr_NoMemory();
            failed = -1;
        }
    }
    for (Py_ssize_t i = 0; i < count && !failed; i++)
        failed = read_one_of(state, call, PyTuple_GET_ITEM(list, i), i);
    Py_DECREF(list);
    return failed;
}

/* ---- SqlGenerators of the application's own ------------------------------------------------ */

/* The statement and the parameters become the generator's. */
static int convert(native_connection *self, native_call *call, arguments *given, int many)
{
    PyObject *params = given->params ? given->params : Py_None;
    PyObject *tags = given->tags ? given->tags : Py_None;
    PyObject *args[] = {(PyObject *)self, given->sql, params, tags, many ? Py_True : Py_False};
    int commented;
    if (many && !given->params)
        return 0; /* is refused anyway */
    PyObject *made = PyObject_Vectorcall(self->state->convert_call, args, 5, NULL);
    if (!made)
        return -1;
    int failed =
        hold(call, made) || !PyArg_ParseTuple(made, "OOp", &given->sql, &given->params, &commented);
    Py_DECREF(made);
    call->options.flags = POND_EXECUTE_NATIVE | (commented ? POND_EXECUTE_UNTAGGED : 0);
    call->options_given = &call->options;
    return failed ? -1 : 0;
}

/* ---- The whole --------------------------------------------------------------------------- */

int native_call_read(native_connection *self, native_call *call, int many, PyObject *const *args,
                     Py_ssize_t count, PyObject *keywords)
{
    native_state *state = self->state;
    arguments given;
    call->values = call->few;
    call->row_count = 0;
    call->column_count = 0;
    call->options_given = NULL;
    call->tags = NULL;
    call->held = NULL;
    if (unpack(state, &given, many, args, count, keywords))
        return -1;
    int failed = read_options(state, call, &given) ||
                 (self->pool && convert(self, call, &given, many)) ||
                 read_sql(state, call, given.sql);
    if (!failed && many && !given.params) {
        PyErr_SetString(PyExc_TypeError, "executemany() needs the argument param_list");
        failed = 1;
    }
    if (!failed)
        failed =
            many ? read_rows(state, call, given.params) : read_params(state, call, given.params);
    if (failed)
        native_call_free(call);
    return failed ? -1 : 0;
}

void native_call_free(native_call *call)
{
    if (call->values != call->few)
        PyMem_Free(call->values);
    PyMem_Free(call->tags);
    Py_XDECREF(call->held);
    call->values = call->few;
    call->tags = NULL;
    call->held = NULL;
}

/* A list of tuples that also knows its columns. */
#include "native.h"

typedef struct native_result {
    PyListObject list; /* first */
    PyObject *columns; /* tuple of str */
    long long rowcount;
    PyObject *lastrowid; /* int, or None */
    char more;           /* a stream has further rows */
} native_result;

static int result_traverse(PyObject *object, visitproc visit, void *arg)
{
    native_result *self = (native_result *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->columns);
    Py_VISIT(self->lastrowid);
    return PyList_Type.tp_traverse(object, visit, arg);
}

static int result_clear(PyObject *object)
{
    native_result *self = (native_result *)object;
    Py_CLEAR(self->columns);
    Py_CLEAR(self->lastrowid);
    return PyList_Type.tp_clear(object);
}

static void result_dealloc(PyObject *object)
{
    native_result *self = (native_result *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    Py_CLEAR(self->columns);
    Py_CLEAR(self->lastrowid);
    PyList_Type.tp_dealloc(object);
    Py_DECREF(type);
}

static PyMemberDef result_members[] = {
    {"columns", T_OBJECT, offsetof(native_result, columns), READONLY,
     "Names of the columns, tuple of str; empty for a statement without rows."},
    {"rowcount", T_LONGLONG, offsetof(native_result, rowcount), READONLY,
     "Rows that were written, or returned by a read; -1 if the database does not say."},
    {"lastrowid", T_OBJECT, offsetof(native_result, lastrowid), READONLY,
     "The id that an insert made, or None."},
    {"_more", T_BOOL, offsetof(native_result, more), 0,
     "True for a batch of a stream that has further rows."},
    {NULL, 0, 0, 0, NULL},
};

/* For connections that are written in Python: Result(rows=(), columns=(), rowcount=-1,
 * lastrowid=None). */
static int result_init(PyObject *object, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"rows", "columns", "rowcount", "lastrowid", NULL};
    native_result *self = (native_result *)object;
    PyObject *rows = NULL;
    PyObject *columns = NULL;
    PyObject *lastrowid = Py_None;
    long long rowcount = -1;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|OOLO:Result", names, &rows, &columns,
                                     &rowcount, &lastrowid))
        return -1;
    PyObject *list_args = rows ? PyTuple_Pack(1, rows) : PyTuple_New(0);
    PyObject *names_tuple = columns ? PySequence_Tuple(columns) : PyTuple_New(0);
    int failed = !list_args || !names_tuple || PyList_Type.tp_init(object, list_args, NULL);
    Py_XDECREF(list_args);
    if (failed) {
        Py_XDECREF(names_tuple);
        return -1;
    }
    Py_XSETREF(self->columns, names_tuple);
    Py_XSETREF(self->lastrowid, Py_NewRef(lastrowid));
    self->rowcount = rowcount;
    return 0;
}

static PyType_Slot result_slots[] = {
    {Py_tp_doc, "Result(rows=(), columns=(), rowcount=-1, lastrowid=None)\n--\n\n"
                "Rows as tuples: a list, and what the database reported about the statement."},
    {Py_tp_init, result_init},
    {Py_tp_traverse, result_traverse},
    {Py_tp_clear, result_clear},
    {Py_tp_dealloc, result_dealloc},
    {Py_tp_members, result_members},
    {0, NULL},
};

PyType_Spec native_result_spec = {
    .name = "millpond._native.Result",
    .basicsize = sizeof(native_result),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = result_slots,
};

/* ---- Fill -------------------------------------------------------------------------------- */

PyObject *native_columns(const pond_result *result)
{
    size_t count = pond_result_column_count(result);
    PyObject *columns = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; columns && i < count; i++) {
        const char *name = pond_result_column_name(result, i);
        PyObject *text = PyUnicode_DecodeUTF8(name, (Py_ssize_t)strlen(name), "replace");
        if (text)
            PyTuple_SET_ITEM(columns, (Py_ssize_t)i, text);
        else
            Py_CLEAR(columns);
    }
    return columns;
}

/* Objects that can be part of a cycle; a tuple of others needs no garbage collector. */
static int is_container(uint32_t type)
{
    return type == POND_TYPE_ARRAY || type == POND_TYPE_JSON;
}

static PyObject *read_row(native_state *state, pond_result *result, size_t row, pond_value *values,
                          size_t count, int raw)
{
    pond_error *error = NULL;
    int code = pond_result_row(result, row, values, &error);
    if (code)
        return native_raise(state, code, error);
    PyObject *tuple = PyTuple_New((Py_ssize_t)count);
    int plain = 1;
    for (size_t i = 0; tuple && i < count; i++) {
        if (raw && values[i].type == POND_TYPE_JSON)
            values[i].type = POND_TYPE_TEXT;
        PyObject *item = native_from_value(state, &values[i]);
        if (item) {
            PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, item);
            plain &= !is_container(values[i].type);
        } else {
            native_error_prefix("column \"%s\" of row %zu", pond_result_column_name(result, i),
                                row);
            Py_CLEAR(tuple);
        }
    }
    if (tuple && plain && count)
        PyObject_GC_UnTrack(tuple);
    return tuple;
}

static int read_rows(native_state *state, native_result *self, pond_result *result, int raw)
{
    enum { FEW = 32, DROP_ROWS = 16384 };
    pond_value few[FEW];
    size_t rows = pond_result_row_count(result);
    size_t columns = pond_result_column_count(result);
    pond_value *values = columns <= FEW ? few : PyMem_New(pond_value, columns);
    if (!values) {
        PyErr_NoMemory();
        return -1;
    }
    if (rows) {
        self->list.ob_item = PyMem_New(PyObject *, rows);
        if (!self->list.ob_item)
            PyErr_NoMemory();
        else
            self->list.allocated = (Py_ssize_t)rows;
    }
    int failed = rows && !self->list.ob_item;
    for (size_t i = 0; i < rows && !failed; i++) {
        if (i % DROP_ROWS == 0 && rows > DROP_ROWS)
            pond_result_drop_before(result, i);
        PyObject *row = read_row(state, result, i, values, columns, raw);
        failed = !row;
        if (row) {
            self->list.ob_item[i] = row;
            Py_SET_SIZE(&self->list, (Py_ssize_t)i + 1);
        }
    }
    if (values != few)
        PyMem_Free(values);
    return failed ? -1 : 0;
}

/* Tell whoever reads the stream that it goes on at the database, though its rows cannot be read. */
static void note_open_stream(void)
{
    PyObject *type;
    PyObject *value;
    PyObject *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (!value || PyObject_SetAttrString(value, "_stream_open", Py_True))
        PyErr_Clear();
    PyErr_Restore(type, value, traceback);
}

static PyObject *make_rows(native_state *state, pond_result *result, int raw)
{
    if (!result)
        return PyErr_NoMemory();
    native_result *self = (native_result *)state->result_type->tp_alloc(state->result_type, 0);
    if (!self) {
        pond_result_release(result);
        return NULL;
    }
    int64_t id = pond_result_last_insert_id(result);
    self->rowcount = pond_result_affected(result);
    self->more = pond_result_more(result) != 0;
    self->lastrowid = id ? PyLong_FromLongLong(id) : Py_NewRef(Py_None);
    self->columns = native_columns(result);
    if (!self->lastrowid || !self->columns || read_rows(state, self, result, raw)) {
        Py_CLEAR(self);
        if (pond_result_more(result))
            note_open_stream();
    }
    pond_result_release(result);
    return (PyObject *)self;
}

PyObject *native_rows(native_state *state, pond_result *result)
{
    return make_rows(state, result, 0);
}

PyObject *native_raw_rows(native_state *state, pond_result *result)
{
    return make_rows(state, result, 1);
}

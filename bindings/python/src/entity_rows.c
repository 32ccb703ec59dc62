/* Entities: rows to dicts. */
#include "native.h"
#include "plan.h"

/* ---- Values ------------------------------------------------------------------------------ */

typedef struct decoder {
    PyObject *name;
    PyObject *call;      /* of plain values; or NULL: the value as it is */
    PyObject *call_json; /* of JSON text; or NULL: the value as it is */
    PyObject *kind;      /* the field's type; or NULL where it is not needed */
} decoder;

static int is_own_type(const char *type)
{
    static const char *const names[] = {"",      "int",     "text",     "bool",
                                        "float", "decimal", "datetime", "datetimetz",
                                        "date",  "time",    "uuid",     "bytes"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], type) == 0)
            return 1;
    }
    return 0;
}

/* None as NULL. */
static PyObject *taken(PyObject *tuple, Py_ssize_t at)
{
    PyObject *object = PyTuple_GET_ITEM(tuple, at);
    return object == Py_None ? NULL : Py_NewRef(object);
}

static int make_decoder(native_state *state, const pond_result *result, size_t column, int plain,
                        decoder *out)
{
    const char *type = pond_result_column_type(result, column);
    out->name = PyUnicode_InternFromString(pond_result_column_name(result, column));
    if (!out->name)
        return -1;
    if (is_own_type(type))
        return 0;
    out->kind = PyUnicode_FromString(type);
    if (!out->kind || plain)
        return out->kind ? 0 : -1;
    PyObject *calls = PyObject_CallOneArg(state->field_decoder, out->kind);
    if (!calls || !PyTuple_Check(calls) || PyTuple_GET_SIZE(calls) != 2) {
        Py_XDECREF(calls);
        return -1;
    }
    out->call = taken(calls, 0);
    out->call_json = taken(calls, 1);
    Py_DECREF(calls);
    return 0;
}

static void free_decoder(decoder *self)
{
    Py_XDECREF(self->name);
    Py_XDECREF(self->call);
    Py_XDECREF(self->call_json);
    Py_XDECREF(self->kind);
}

static PyObject *called(PyObject *call, PyObject *object)
{
    if (!object || !call || object == Py_None)
        return object;
    PyObject *made = PyObject_CallOneArg(call, object);
    Py_DECREF(object);
    return made;
}

/* JSON as it is stored. */
static PyObject *stored(native_state *state, const decoder *how, pond_value value)
{
    value.type = POND_TYPE_TEXT;
    PyObject *text = native_from_value(state, &value);
    PyObject *args[] = {text, how->kind};
    PyObject *made =
        text ? PyObject_Vectorcall(state->stored_json, args, how->kind ? 2 : 1, NULL) : NULL;
    Py_XDECREF(text);
    return made;
}

static PyObject *decode(native_state *state, const decoder *how, pond_value value)
{
    if (value.type == POND_TYPE_TEXT && value.aux == POND_TEXT_JSON)
        return stored(state, how, value);
    if (value.type != POND_TYPE_JSON)
        return called(how->call, native_from_value(state, &value));
    if (!how->call_json)
        return native_from_value(state, &value);
    value.type = POND_TYPE_TEXT; /* decoders read the text themselves */
    return called(how->call_json, native_from_value(state, &value));
}

/* What a read without decoding gives, more or less; for what not even that can read, bytes. */
static PyObject *undecoded(native_state *state, const decoder *how, pond_value value)
{
    char text[POND_VALUE_TEXT];
    PyObject *object =
        value.type == POND_TYPE_JSON ? stored(state, how, value) : native_from_value(state, &value);
    if (object || !PyErr_ExceptionMatches(PyExc_Exception))
        return object;
    PyErr_Clear();
    if (value.type == POND_TYPE_TEXT || value.type == POND_TYPE_JSON)
        return PyBytes_FromStringAndSize(value.as.text.data, (Py_ssize_t)value.as.text.size);
    if (pond_value_format(&value, text, NULL))
        Py_RETURN_NONE;
    return PyUnicode_FromString(text);
}

/* ---- Errors ------------------------------------------------------------------------------ */

typedef struct row_reader {
    native_state *state;
    const native_reading *how;
    pond_result *result;
    decoder *decoders;
    pond_value *values;
    size_t columns;
    PyObject *template; /* a dict with all keys, or NULL */
} row_reader;

static PyObject *id_of(const row_reader *self)
{
    for (size_t i = 0; i < self->columns; i++) {
        if (PyUnicode_CompareWithASCIIString(self->decoders[i].name, "id"))
            continue;
        PyObject *id = native_from_value(self->state, &self->values[i]);
        if (id)
            return id;
        PyErr_Clear();
    }
    return PyUnicode_FromString("?");
}

/* The error that is set becomes one that names the entity, its id and the field. */
static void name_value(const row_reader *self, size_t column)
{
    PyObject *type;
    PyObject *error;
    PyObject *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    PyObject *id = id_of(self);
    PyObject *plain = PyBool_FromLong(self->how->plain);
    PyObject *args[] = {self->how->entity_name, id, self->decoders[column].name, error, plain};
    PyObject *named = id ? PyObject_Vectorcall(self->state->unreadable, args, 5, NULL) : NULL;
    if (named)
        PyErr_SetObject((PyObject *)Py_TYPE(named), named);
    Py_XDECREF(named);
    Py_XDECREF(id);
    Py_DECREF(plain);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
}

/* True for what a caller can ask to go on after. */
static int can_go_on(void)
{
    return PyErr_ExceptionMatches(PyExc_Exception) && !PyErr_ExceptionMatches(PyExc_MemoryError);
}

/* ---- Rows -------------------------------------------------------------------------------- */

/* NULL without an exception: the row is to be left out. */
static PyObject *read_cell(const row_reader *self, size_t column)
{
    const decoder *how = &self->decoders[column];
    PyObject *object = decode(self->state, how, self->values[column]);
    if (object || !can_go_on())
        return object;
    if (self->how->on_error == NATIVE_RAISE) {
        name_value(self, column);
        return NULL;
    }
    PyErr_Clear();
    return self->how->on_error == NATIVE_SKIP_ROW
               ? NULL
               : undecoded(self->state, how, self->values[column]);
}

/* NULL without an exception: the row is to be left out. */
static PyObject *read_dict(const row_reader *self, size_t row)
{
    pond_error *error = NULL;
    int code = pond_result_row(self->result, row, self->values, &error);
    if (code) {
        native_raise(self->state, code, error);
        native_error_prefix("%U: row %zu", self->how->entity_name, row);
        return NULL;
    }
    PyObject *dict = self->template ? PyDict_Copy(self->template) : PyDict_New();
    for (size_t i = 0; dict && i < self->columns; i++) {
        PyObject *object = read_cell(self, i);
        if (!object || PyDict_SetItem(dict, self->decoders[i].name, object))
            Py_CLEAR(dict);
        Py_XDECREF(object);
    }
    return dict;
}

/* Every row has the same keys: copies of a dict that has them need not grow. */
static PyObject *make_template(const decoder *decoders, size_t count)
{
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict && i < count; i++) {
        if (PyDict_SetItem(dict, decoders[i].name, Py_None))
            Py_CLEAR(dict);
    }
    return dict;
}

static PyObject *read_dicts(const row_reader *self, size_t rows)
{
    Py_ssize_t count = 0;
    PyObject *list = PyList_New((Py_ssize_t)rows);
    for (size_t i = 0; list && i < rows; i++) {
        PyObject *dict = read_dict(self, i);
        if (dict)
            PyList_SET_ITEM(list, count++, dict);
        else if (PyErr_Occurred())
            Py_CLEAR(list);
    }
    if (list && count < (Py_ssize_t)rows && PyList_SetSlice(list, count, (Py_ssize_t)rows, NULL))
        Py_CLEAR(list);
    return list;
}

PyObject *native_dicts(native_state *state, pond_result *result, const native_reading *how)
{
    size_t columns = pond_result_column_count(result);
    size_t rows = pond_result_row_count(result);
    row_reader self = {.state = state, .how = how, .result = result, .columns = columns};
    self.decoders = PyMem_Calloc(columns + 1, sizeof(*self.decoders));
    self.values = PyMem_New(pond_value, columns + 1);
    int failed = !self.decoders || !self.values;
    if (failed)
        PyErr_NoMemory();
    for (size_t i = 0; i < columns && rows && !failed; i++)
        failed = make_decoder(state, result, i, how->plain, &self.decoders[i]);
    if (!failed && rows > 1)
        failed = !(self.template = make_template(self.decoders, columns));
    PyObject *list = failed ? NULL : read_dicts(&self, rows);
    Py_XDECREF(self.template);
    for (size_t i = 0; self.decoders && i < columns; i++)
        free_decoder(&self.decoders[i]);
    PyMem_Free(self.decoders);
    PyMem_Free(self.values);
    return list;
}

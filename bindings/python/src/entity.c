/* Entities: dicts to records. */
#include "native.h"

#include <datetime.h>

#include "plan.h"

/* ---- Values of fields -------------------------------------------------------------------- */

static int is_plain_type(native_state *state, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    return object == Py_None || type == &PyUnicode_Type || type == &PyLong_Type ||
           type == &PyFloat_Type || type == &PyBool_Type || type == &PyBytes_Type ||
           PyDateTime_CheckExact(object) || PyDate_CheckExact(object) ||
           PyTime_CheckExact(object) || type == (PyTypeObject *)state->decimal_type ||
           type == (PyTypeObject *)state->uuid_type;
}

/* An error about "parameter 0" is about this field. */
static void name_field(PyObject *name)
{
    PyObject *type;
    PyObject *value;
    PyObject *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    PyObject *said = value ? PyObject_Str(value) : NULL;
    PyObject *field = said ? PyUnicode_FromFormat("the value of \"%U\"", name) : NULL;
    PyObject *named =
        field ? PyObject_CallMethod(said, "replace", "sO", "parameter 0", field) : NULL;
    PyObject *args = named ? PyTuple_Pack(1, named) : NULL;
    if (!args || PyObject_SetAttrString(value, "args", args))
        PyErr_Clear();
    Py_XDECREF(said);
    Py_XDECREF(field);
    Py_XDECREF(named);
    Py_XDECREF(args);
    PyErr_Restore(type, value, traceback);
}

static int hold(PyObject **held, PyObject *object)
{
    if (!*held && !(*held = PyList_New(0)))
        return -1;
    return PyList_Append(*held, object);
}

/* What millpond._fields makes of a value. */
enum { AS_IT_IS, JSON, STORED_JSON };

/* (name of the type or None, value, what that is) */
static int read_encoded(native_state *state, PyObject *encoded, pond_field *out, PyObject **held)
{
    PyObject *type;
    PyObject *value;
    int what;
    if (hold(held, encoded) || !PyArg_ParseTuple(encoded, "OOi", &type, &value, &what))
        return -1;
    if (type != Py_None && !(out->type = PyUnicode_AsUTF8(type)))
        return -1;
    if (native_to_value(state, value, 0, &out->value, held))
        return -1;
    if (what == JSON)
        out->value.type = POND_TYPE_JSON;
    if (what == STORED_JSON)
        out->value.aux = POND_TEXT_JSON;
    return 0;
}

static int read_value(native_state *state, PyObject *object, pond_field *out, PyObject **held)
{
    out->type = NULL;
    if (is_plain_type(state, object))
        return native_to_value(state, object, 0, &out->value, held);
    PyObject *encoded = PyObject_CallOneArg(state->encode_field, object);
    if (!encoded)
        return -1;
    int failed = read_encoded(state, encoded, out, held);
    Py_DECREF(encoded);
    return failed;
}

static int read_field(native_state *state, PyObject *key, PyObject *value, pond_field *out,
                      PyObject **held)
{
    if (!PyUnicode_Check(key)) {
        native_raise_text(state, POND_EPARAMS, "the name of a field must be a str, not %.100s",
                          Py_TYPE(key)->tp_name);
        return -1;
    }
    Py_ssize_t size;
    out->name = PyUnicode_AsUTF8AndSize(key, &size);
    if (!out->name || strlen(out->name) != (size_t)size) {
        PyErr_Clear();
        native_raise_text(state, POND_EINVAL, "%R cannot be the name of a field", key);
        return -1;
    }
    int failed = read_value(state, value, out, held);
    if (failed)
        name_field(key);
    return failed;
}

/* ---- Records ----------------------------------------------------------------------------- */

static int read_record(native_state *state, PyObject *entity, native_records *to, size_t index)
{
    Py_ssize_t position = 0;
    PyObject *key;
    PyObject *value;
    pond_record *record = &to->records[index];
    size_t room = to->field_room - to->field_count;
    size_t count = 0;
    PyObject *copy = PyDict_Copy(entity); /* whoever is called may change the original */
    int failed = !copy || hold(&to->held, copy);
    Py_XDECREF(copy);
    if (failed)
        return -1;
    record->fields = to->fields + to->field_count;
    while (PyDict_Next(copy, &position, &key, &value)) {
        if (count == room) {
            PyErr_SetString(PyExc_RuntimeError, "an entity changed while it was saved");
            return -1;
        }
        if (read_field(state, key, value, &to->fields[to->field_count + count], &to->held))
            return -1;
        count++;
    }
    record->field_count = count;
    to->field_count += count;
    return 0;
}

/* The entity as a dict: itself, or what Python code reads of a dataclass and its like. A new
 * reference, or NULL. `index` is negative for the only one. */
static PyObject *dict_of(native_state *state, PyObject *entity, Py_ssize_t index)
{
    if (PyDict_Check(entity))
        return Py_NewRef(entity);
    PyObject *fields = PyObject_CallOneArg(state->fields_of, entity);
    if (!fields || PyDict_Check(fields))
        return fields;
    Py_DECREF(fields);
    static const char wanted[] = "must be a dict, dataclass or pydantic model";
    if (index < 0)
        return native_raise_text(state, POND_EPARAMS, "entity %s, not %.100s", wanted,
                                 Py_TYPE(entity)->tp_name);
    native_raise_text(state, POND_EPARAMS, "entity %zd %s, not %.100s", index, wanted,
                      Py_TYPE(entity)->tp_name);
    native_error_row(NULL, index);
    return NULL;
}

static int make_records(native_records *to, size_t count, size_t fields)
{
    to->records = PyMem_New(pond_record, count + 1);
    to->fields = PyMem_New(pond_field, fields + 1);
    to->count = count;
    to->field_room = fields;
    if (to->records && to->fields)
        return 0;
    PyErr_NoMemory();
    return -1;
}

int native_records_read_one(native_state *state, PyObject *entity, native_records *to)
{
    *to = (native_records){0};
    PyObject *dict = dict_of(state, entity, -1);
    int failed = !dict || make_records(to, 1, (size_t)PyDict_GET_SIZE(dict)) ||
                 read_record(state, dict, to, 0);
    Py_XDECREF(dict);
    if (failed)
        native_records_free(to);
    return failed ? -1 : 0;
}

PyObject *native_list_of(native_state *state, PyObject *object, const char *what, const char *of)
{
    int whole = PyUnicode_Check(object) || PyBytes_Check(object) || PyDict_Check(object);
    if (!whole && (Py_TYPE(object)->tp_iter || PySequence_Check(object)))
        return PySequence_List(object);
    native_raise_text(state, POND_EPARAMS, "%s must be a list of %s, not %.100s", what, of,
                      Py_TYPE(object)->tp_name);
    return NULL;
}

int native_records_read(native_state *state, PyObject *entities, uint64_t first, native_records *to)
{
    *to = (native_records){0};
    size_t fields = 0;
    PyObject *list = native_list_of(state, entities, "entities", "dicts");
    if (!list || hold(&to->held, list))
        goto failed;
    Py_ssize_t count = PyList_GET_SIZE(list);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *dict = dict_of(state, PyList_GET_ITEM(list, i), i);
        if (!dict || PyList_SetItem(list, i, dict))
            goto failed;
        fields += (size_t)PyDict_GET_SIZE(PyList_GET_ITEM(list, i));
    }
    if (make_records(to, (size_t)count, fields))
        goto failed;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (read_record(state, PyList_GET_ITEM(list, i), to, (size_t)i)) {
            if (count > 1 && PyErr_ExceptionMatches(state->error_base))
                native_error_row("entity", (int64_t)first + i);
            goto failed;
        }
    }
    Py_DECREF(list);
    return 0;

failed:
    Py_XDECREF(list);
    native_records_free(to);
    return -1;
}

void native_records_free(native_records *records)
{
    PyMem_Free(records->records);
    PyMem_Free(records->fields);
    Py_XDECREF(records->held);
    *records = (native_records){0};
}

/* ---- Parameters of conditions ------------------------------------------------------------ */

/* As for execute(), and what entities know besides: enums, types with a serializer. */
int native_where_value(native_state *state, PyObject *object, Py_ssize_t number, pond_value *out,
                       PyObject **held)
{
    if (is_plain_type(state, object) || PyList_CheckExact(object) || PyTuple_CheckExact(object) ||
        PyDict_CheckExact(object))
        return native_to_value(state, object, number, out, held);
    if (PyAnySet_Check(object)) { /* its items, as of a list */
        PyObject *list = PySequence_List(object);
        int failed = !list || hold(held, list) || native_to_value(state, list, number, out, held);
        Py_XDECREF(list);
        return failed ? -1 : 0;
    }
    pond_field field = {.name = ""};
    if (read_value(state, object, &field, held))
        return -1;
    *out = field.value;
    if (out->type == POND_TYPE_TEXT)
        out->aux = 0;
    return 0;
}

void native_init_entity(void)
{
    PyDateTime_IMPORT;
}

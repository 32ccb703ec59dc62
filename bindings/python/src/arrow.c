/* Rows for dataframe libraries, through the Arrow PyCapsule interface. */
#include "native.h"

#include <millpond/arrow.h>

typedef struct native_arrow_result {
    PyObject_HEAD PyObject *module; /* with the state, as the type does not lead to it */
    pond_result *result;
} native_arrow_result;

PyObject *native_arrow(native_state *state, pond_result *result)
{
    if (!result)
        return PyErr_NoMemory();
    native_arrow_result *self =
        (native_arrow_result *)state->arrow_type->tp_alloc(state->arrow_type, 0);
    if (!self) {
        pond_result_release(result);
        return NULL;
    }
    self->module = Py_NewRef(PyType_GetModule(state->op_type));
    self->result = result;
    return (PyObject *)self;
}

static void arrow_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    pond_result_release(((native_arrow_result *)object)->result);
    Py_XDECREF(((native_arrow_result *)object)->module);
    type->tp_free(object);
    Py_DECREF(type);
}

static int arrow_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(((native_arrow_result *)object)->module);
    return native_traverse_type(object, visit, arg);
}

/* ---- Capsules ---------------------------------------------------------------------------- */

/* A consumer moves the structure out and leaves it released. */
static void free_stream(PyObject *capsule)
{
    struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, "arrow_array_stream");
    if (stream && stream->release)
        stream->release(stream);
    PyMem_Free(stream);
}

static void free_schema(PyObject *capsule)
{
    struct ArrowSchema *schema = PyCapsule_GetPointer(capsule, "arrow_schema");
    if (schema && schema->release)
        schema->release(schema);
    PyMem_Free(schema);
}

static int open_stream(const native_arrow_result *self, struct ArrowArrayStream *out)
{
    pond_error *error = NULL;
    pond_result *result = self->result;
    int code;
    Py_BEGIN_ALLOW_THREADS
        code = pond_result_export_arrow(result, out, &error);
    Py_END_ALLOW_THREADS
    if (code)
        native_raise(PyModule_GetState(self->module), code, error);
    return code;
}

static PyObject *arrow_stream(PyObject *object, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"requested_schema", NULL};
    PyObject *requested = NULL; /* a wish, which the protocol allows to ignore */
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O", names, &requested))
        return NULL;
    struct ArrowArrayStream *stream = PyMem_Calloc(1, sizeof(*stream));
    if (!stream)
        return PyErr_NoMemory();
    PyObject *capsule = NULL;
    if (!open_stream((native_arrow_result *)object, stream))
        capsule = PyCapsule_New(stream, "arrow_array_stream", free_stream);
    if (!capsule) {
        if (stream->release)
            stream->release(stream);
        PyMem_Free(stream);
    }
    return capsule;
}

static PyObject *arrow_schema(PyObject *object, PyObject *unused)
{
    (void)unused;
    const native_arrow_result *self = (native_arrow_result *)object;
    struct ArrowArrayStream stream;
    if (open_stream(self, &stream))
        return NULL;
    struct ArrowSchema *schema = PyMem_Calloc(1, sizeof(*schema));
    PyObject *capsule = NULL;
    if (!schema || stream.get_schema(&stream, schema))
        PyErr_NoMemory();
    else
        capsule = PyCapsule_New(schema, "arrow_schema", free_schema);
    stream.release(&stream);
    if (!capsule) {
        if (schema && schema->release)
            schema->release(schema);
        PyMem_Free(schema);
    }
    return capsule;
}

/* ---- The type ---------------------------------------------------------------------------- */

static Py_ssize_t arrow_length(PyObject *object)
{
    return (Py_ssize_t)pond_result_row_count(((native_arrow_result *)object)->result);
}

static PyObject *arrow_num_rows(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromSsize_t(arrow_length(object));
}

static PyObject *arrow_columns(PyObject *object, void *unused)
{
    (void)unused;
    return native_columns(((native_arrow_result *)object)->result);
}

static PyMethodDef arrow_methods[] = {
    {"__arrow_c_stream__", (PyCFunction)(void (*)(void))arrow_stream, METH_VARARGS | METH_KEYWORDS,
     "__arrow_c_stream__($self, requested_schema=None)\n--\n\n"
     "A capsule with an ArrowArrayStream of the rows."},
    {"__arrow_c_schema__", arrow_schema, METH_NOARGS,
     "__arrow_c_schema__($self)\n--\n\nA capsule with the ArrowSchema of the rows."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef arrow_attributes[] = {
    {"columns", arrow_columns, NULL, "Names of the columns, tuple of str.", NULL},
    {"num_rows", arrow_num_rows, NULL, "Number of rows.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot arrow_slots[] = {
    {Py_tp_doc, "The rows of a statement for dataframe libraries, which take them through\n"
                "__arrow_c_stream__, any number of times."},
    {Py_tp_methods, arrow_methods},
    {Py_tp_getset, arrow_attributes},
    {Py_sq_length, arrow_length},
    {Py_tp_traverse, arrow_traverse},
    {Py_tp_dealloc, arrow_dealloc},
    {0, NULL},
};

PyType_Spec native_arrow_spec = {
    .name = "millpond._native.ArrowResult",
    .basicsize = sizeof(native_arrow_result),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = arrow_slots,
};

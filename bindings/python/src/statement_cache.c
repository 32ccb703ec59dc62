/* The cache of prepared statements for backends that are written in Python. */
#include "native.h"

typedef struct native_cache {
    PyObject_HEAD native_state *state;
    pond_statement_cache *cache; /* name -> (statement, sql) */
} native_cache;

/* Both with the GIL, which whoever uses the cache holds. */
static void retain(void *value)
{
    Py_INCREF((PyObject *)value);
}

static void release(void *value)
{
    Py_DECREF((PyObject *)value);
}

static PyObject *cache_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"size", "max_size", NULL};
    native_state *state = native_state_of(type);
    Py_ssize_t size = 0;
    PyObject *most = Py_None;
    if (!state ||
        !PyArg_ParseTupleAndKeywords(args, keywords, "|nO:StatementCache", names, &size, &most))
        return NULL;
    Py_ssize_t limit = most == Py_None ? 0 : PyNumber_AsSsize_t(most, PyExc_OverflowError);
    if (PyErr_Occurred())
        return NULL;
    if (size < 0 || limit < 0 || (most != Py_None && !limit))
        return native_raise_text(state, POND_EINVAL, "size and max_size must be at least 1");
    pond_statement_cache_options options = {.struct_size = sizeof(options),
                                            .capacity = (uint64_t)size,
                                            .limit = (uint64_t)limit,
                                            .retain = retain,
                                            .release = release};
    native_cache *self = (native_cache *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    self->state = state;
    pond_error *error = NULL;
    int code = pond_statement_cache_new(&options, &self->cache, &error);
    if (code) {
        Py_DECREF(self);
        return native_raise(state, code, error);
    }
    return (PyObject *)self;
}

typedef struct visit_call {
    visitproc visit;
    void *arg;
    int result;
} visit_call;

static void visit_value(void *data, const char *name, size_t name_size, void *value)
{
    (void)name;
    (void)name_size;
    visit_call *call = data;
    if (!call->result)
        call->result = call->visit(value, call->arg);
}

static int cache_traverse(PyObject *object, visitproc visit, void *arg)
{
    native_cache *self = (native_cache *)object;
    Py_VISIT(Py_TYPE(object));
    visit_call call = {visit, arg, 0};
    if (self->cache)
        pond_statement_cache_each(self->cache, visit_value, &call);
    return call.result;
}

static int cache_clear_values(PyObject *object)
{
    native_cache *self = (native_cache *)object;
    if (self->cache)
        pond_statement_cache_clear(self->cache);
    return 0;
}

static void cache_dealloc(PyObject *object)
{
    native_cache *self = (native_cache *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    pond_statement_cache_release(self->cache);
    type->tp_free(object);
    Py_DECREF(type);
}

/* ---- Methods ----------------------------------------------------------------------------- */

static PyObject *cache_hash(PyObject *unused, PyObject *args, PyObject *keywords)
{
    (void)unused;
    static char *names[] = {"sql", NULL};
    Py_ssize_t size;
    char hash[33];
    const char *text;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "s#:hash", names, &text, &size))
        return NULL;
    pond_statement_hash(text, (size_t)size, hash);
    return PyUnicode_FromString(hash);
}

static PyObject *cache_get(PyObject *object, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"sql_hash", NULL};
    Py_ssize_t size;
    void *value;
    const char *name;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "s#:get", names, &name, &size))
        return NULL;
    int found =
        pond_statement_cache_get(((native_cache *)object)->cache, name, (size_t)size, &value);
    return found ? value : Py_NewRef(Py_None);
}

static PyObject *cache_put(PyObject *object, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"sql_hash", "statement", "sql", NULL};
    native_cache *self = (native_cache *)object;
    const char *name;
    Py_ssize_t size;
    PyObject *statement;
    PyObject *sql;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "s#OU:put", names, &name, &size, &statement,
                                     &sql))
        return NULL;
    PyObject *value = PyTuple_Pack(2, statement, sql);
    if (!value)
        return NULL;
    pond_error *error = NULL;
    int code = pond_statement_cache_put(self->cache, name, (size_t)size, value, &error);
    Py_DECREF(value);
    return code ? native_raise(self->state, code, error) : Py_NewRef(Py_None);
}

static PyObject *cache_clear(PyObject *object, PyObject *unused)
{
    (void)unused;
    cache_clear_values(object);
    Py_RETURN_NONE;
}

static pond_statement_cache_status status_of(PyObject *object)
{
    pond_statement_cache_status at = {.struct_size = sizeof(at)};
    pond_statement_cache_get_status(((native_cache *)object)->cache, &at, NULL);
    return at;
}

static PyObject *cache_status(PyObject *object, PyObject *unused)
{
    (void)unused;
    pond_statement_cache_status at = status_of(object);
    typedef unsigned long long count;
    return Py_BuildValue("{s:K,s:K,s:K,s:K,s:K,s:K}", "count", (count)at.count, "size",
                         (count)at.capacity, "max_size", (count)at.limit, "hits", (count)at.hits,
                         "misses", (count)at.misses, "evictions", (count)at.evictions);
}

static PyObject *cache_hit_ratio(PyObject *object, void *unused)
{
    (void)unused;
    pond_statement_cache_status at = status_of(object);
    uint64_t total = at.hits + at.misses;
    return PyFloat_FromDouble(total ? (double)at.hits / (double)total : 0.0);
}

static Py_ssize_t cache_length(PyObject *object)
{
    return (Py_ssize_t)status_of(object).count;
}

static PyMethodDef cache_methods[] = {
    {"hash", (PyCFunction)(void (*)(void))cache_hash, METH_VARARGS | METH_KEYWORDS | METH_STATIC,
     "hash(sql)\n--\n\nThe MD5 of a statement's text, as 32 hexadecimal digits."},
    {"get", (PyCFunction)(void (*)(void))cache_get, METH_VARARGS | METH_KEYWORDS,
     "get($self, sql_hash)\n--\n\n(statement, sql) of a hash, or None."},
    {"put", (PyCFunction)(void (*)(void))cache_put, METH_VARARGS | METH_KEYWORDS,
     "put($self, sql_hash, statement, sql)\n--\n\nKeep a prepared statement, in place of any of "
     "that hash."},
    {"clear", cache_clear, METH_NOARGS, "clear($self, /)\n--\n\nDrop all statements."},
    {"status", cache_status, METH_NOARGS,
     "status($self, /)\n--\n\ncount, size, max_size, hits, misses, evictions."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef cache_attributes[] = {
    {"hit_ratio", cache_hit_ratio, NULL, "Hits out of all gets, from 0.0 to 1.0.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot cache_slots[] = {
    {Py_tp_doc, "StatementCache(size=256, max_size=None)\n--\n\n"
                "A cache of prepared statements, for any thread.\n\n"
                "A full cache evicts the statement that was unused for longest. When evicted "
                "statements\n"
                "are needed again, the size doubles, up to max_size.\n\n"
                "Args:\n"
                "    size: statements at first, an int from 1 on.\n"
                "    max_size: statements at most; None: four times size.\n\n"
                "Raises:\n"
                "    ArgumentError: a size is out of range."},
    {Py_tp_new, cache_new},
    {Py_tp_methods, cache_methods},
    {Py_tp_getset, cache_attributes},
    {Py_tp_traverse, cache_traverse},
    {Py_tp_clear, cache_clear_values},
    {Py_tp_dealloc, cache_dealloc},
    {Py_sq_length, cache_length},
    {0, NULL},
};

PyType_Spec native_cache_spec = {
    .name = "millpond._native.StatementCache",
    .basicsize = sizeof(native_cache),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = cache_slots,
};

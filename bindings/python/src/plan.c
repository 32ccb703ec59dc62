/* Plans as objects: their answers, and how Python code carries one out step by step. */
#include "plan.h"

/* ---- Destroy ------------------------------------------------------------------------------ */

static int plan_traverse(PyObject *object, visitproc visit, void *arg)
{
    native_plan *self = (native_plan *)object;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->subject);
    Py_VISIT(self->reading.entity_name);
    return 0;
}

static int plan_clear(PyObject *object)
{
    native_plan *self = (native_plan *)object;
    Py_CLEAR(self->subject);
    Py_CLEAR(self->reading.entity_name);
    return 0;
}

static void plan_dealloc(PyObject *object)
{
    native_plan *self = (native_plan *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    pond_plan_release(self->plan);
    plan_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

/* ---- The answer -------------------------------------------------------------------------- */

static PyObject *first_or_none(PyObject *list)
{
    if (!list)
        return NULL;
    PyObject *first = Py_NewRef(PyList_GET_SIZE(list) ? PyList_GET_ITEM(list, 0) : Py_None);
    Py_DECREF(list);
    return first;
}

/* Fields that were saved as None before they had a column. */
static PyObject *with_nones(PyObject *saved, PyObject *given)
{
    Py_ssize_t position = 0;
    PyObject *key;
    PyObject *value;
    while (saved && saved != Py_None && PyDict_Next(given, &position, &key, &value)) {
        if (value == Py_None && !PyDict_SetDefault(saved, key, Py_None))
            Py_CLEAR(saved);
    }
    return saved;
}

static PyObject *first_column(native_state *state, pond_result *result)
{
    pond_value value;
    size_t rows = pond_result_row_count(result);
    PyObject *list = PyList_New((Py_ssize_t)rows);
    for (size_t i = 0; list && i < rows; i++) {
        pond_error *error = NULL;
        int code = pond_result_row(result, i, &value, &error);
        PyObject *text = code ? native_raise(state, code, error) : native_from_value(state, &value);
        if (text)
            PyList_SET_ITEM(list, (Py_ssize_t)i, text);
        else
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *answer_rows(native_plan *self, pond_result *result)
{
    native_state *state = self->state;
    switch (self->verb) {
    case NATIVE_SAVE_MANY:
    case NATIVE_LIST:
        return first_column(state, result);
    case NATIVE_SAVE:
        return with_nones(first_or_none(native_dicts(state, result, &self->reading)),
                          self->subject);
    case NATIVE_GET:
    case NATIVE_VERSION:
        return first_or_none(native_dicts(state, result, &self->reading));
    default:
        return native_dicts(state, result, &self->reading);
    }
}

PyObject *native_plan_answer(native_plan *self)
{
    int status = pond_plan_status(self->plan);
    if (status == POND_PENDING)
        return native_raise_text(self->state, POND_EMISUSE, "the plan has no answer yet");
    if (status < 0)
        return native_raise(self->state, status, pond_plan_take_error(self->plan));
    if (self->verb == NATIVE_COUNT)
        return PyLong_FromLongLong(pond_plan_number(self->plan));
    if (self->verb == NATIVE_DELETE || self->verb == NATIVE_RESTORE)
        return PyBool_FromLong(pond_plan_number(self->plan) != 0);
    pond_result *result = pond_plan_take_result(self->plan);
    if (!result)
        return native_raise_text(self->state, POND_EMISUSE, "the answer was taken before");
    if (self->verb == NATIVE_FIND_ARROW)
        return native_arrow(self->state, result);
    PyObject *answer = answer_rows(self, result);
    pond_result_release(result);
    return answer;
}

/* ---- Step by step ------------------------------------------------------------------------ */

static PyObject *plan_start(PyObject *object, PyObject *in_transaction)
{
    native_plan *self = (native_plan *)object;
    pond_error *error = NULL;
    int open = PyObject_IsTrue(in_transaction);
    if (open < 0)
        return NULL;
    int code = pond_plan_start(self->plan, open, &error);
    return code ? native_raise(self->state, code, error) : Py_NewRef(Py_None);
}

static PyObject *read_values(native_state *state, const pond_value *values, uint64_t count)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)count);
    for (uint64_t i = 0; tuple && i < count; i++) {
        pond_value value = values[i];
        if (value.type == POND_TYPE_JSON)
            value.type = POND_TYPE_TEXT;
        PyObject *item = native_from_value(state, &value);
        if (item)
            PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, item);
        else
            Py_CLEAR(tuple);
    }
    return tuple;
}

static PyObject *read_step_params(native_state *state, const pond_step *step)
{
    if (step->kind != POND_STEP_EXECUTE_MANY)
        return read_values(state, step->params, step->column_count);
    PyObject *list = PyList_New((Py_ssize_t)step->row_count);
    for (uint64_t i = 0; list && i < step->row_count; i++) {
        PyObject *row =
            read_values(state, step->params + i * step->column_count, step->column_count);
        if (row)
            PyList_SET_ITEM(list, (Py_ssize_t)i, row);
        else
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *plan_next(PyObject *object, PyObject *unused)
{
    (void)unused;
    native_plan *self = (native_plan *)object;
    pond_step step = {.struct_size = sizeof(step)};
    pond_error *error = NULL;
    int code = pond_plan_next(self->plan, &step, &error);
    if (code)
        return native_raise(self->state, code, error);
    if (step.kind == POND_STEP_DONE)
        Py_RETURN_NONE;
    PyObject *params = read_step_params(self->state, &step);
    if (!params)
        return NULL;
    return Py_BuildValue("(Is#Nd)", step.kind, step.sql, (Py_ssize_t)step.sql_size, params,
                         (double)step.wait_ms / 1000);
}

static int read_names(PyObject *columns, const char **out, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        out[i] = PyUnicode_AsUTF8(PySequence_Fast_GET_ITEM(columns, i));
        if (!out[i])
            return -1;
    }
    return 0;
}

static int read_rows(native_state *state, PyObject *rows, Py_ssize_t columns, pond_value *out,
                     PyObject **held)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(rows); i++) {
        PyObject *row = PyList_GET_ITEM(rows, i);
        if ((!PyTuple_Check(row) && !PyList_Check(row)) ||
            PySequence_Fast_GET_SIZE(row) != columns) {
            native_raise_text(state, POND_EPARAMS, "row %zd must be a tuple of %zd values", i,
                              columns);
            return -1;
        }
        for (Py_ssize_t k = 0; k < columns; k++) {
            if (native_to_value(state, PySequence_Fast_GET_ITEM(row, k), k + 1,
                                &out[i * columns + k], held))
                return -1;
        }
    }
    return 0;
}

static PyObject *plan_feed_rows(PyObject *object, PyObject *args)
{
    native_plan *self = (native_plan *)object;
    PyObject *columns;
    PyObject *rows;
    long long affected = -1;
    PyObject *held = NULL;
    pond_error *error = NULL;
    if (!PyArg_ParseTuple(args, "OO|L", &columns, &rows, &affected))
        return NULL;
    columns = PySequence_Tuple(columns);
    rows = columns ? PySequence_List(rows) : NULL;
    Py_ssize_t width = columns ? PyTuple_GET_SIZE(columns) : 0;
    Py_ssize_t height = rows ? PyList_GET_SIZE(rows) : 0;
    const char **named = rows ? PyMem_New(const char *, (size_t)width + 1) : NULL;
    pond_value *values = named ? PyMem_New(pond_value, (size_t)(width * height) + 1) : NULL;
    int code = 0;
    if (rows && !values)
        PyErr_NoMemory();
    if (values && read_names(columns, named, width) == 0 &&
        read_rows(self->state, rows, width, values, &held) == 0)
        code = pond_plan_feed_rows(self->plan, named, values, (uint64_t)height, (uint64_t)width,
                                   affected, &error);
    PyMem_Free((void *)named);
    PyMem_Free(values);
    Py_XDECREF(held);
    Py_XDECREF(rows);
    Py_XDECREF(columns);
    if (code)
        return native_raise(self->state, code, error);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

static PyObject *plan_feed_error(PyObject *object, PyObject *args)
{
    native_plan *self = (native_plan *)object;
    int open;
    const char *name;
    const char *sqlstate;
    const char *message;
    pond_error *error = NULL;
    if (!PyArg_ParseTuple(args, "sssp", &name, &sqlstate, &message, &open))
        return NULL;
    int code = native_error_number(name);
    code = pond_plan_feed_error(self->plan, code, sqlstate, message, open, &error);
    return code ? native_raise(self->state, code, error) : Py_NewRef(Py_None);
}

static PyObject *plan_answer(PyObject *object, PyObject *unused)
{
    (void)unused;
    return native_plan_answer((native_plan *)object);
}

static PyMethodDef plan_methods[] = {
    {"start", plan_start, METH_O, "start(in_transaction): begin."},
    {"next", plan_next, METH_NOARGS,
     "next() -> (kind, sql, params, seconds to wait), or None when there is an answer."},
    {"feed_rows", plan_feed_rows, METH_VARARGS,
     "feed_rows(columns, rows, affected=-1): the step went well."},
    {"feed_error", plan_feed_error, METH_VARARGS,
     "feed_error(code, sqlstate, message, still_open): the step failed."},
    {"answer", plan_answer, METH_NOARGS, "Return the result of the call, or raise its error."},
    {NULL, NULL, 0, NULL},
};

static PyObject *plan_call(PyObject *object, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(pond_plan_call(((native_plan *)object)->plan));
}

static PyGetSetDef plan_attributes[] = {
    {"call", plan_call, NULL, "The operation that metrics count it as, such as save_entity.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot plan_slots[] = {
    {Py_tp_doc, "What one entity call does, for a connection of any kind to carry out."},
    {Py_tp_methods, plan_methods},
    {Py_tp_getset, plan_attributes},
    {Py_tp_traverse, plan_traverse},
    {Py_tp_clear, plan_clear},
    {Py_tp_dealloc, plan_dealloc},
    {0, NULL},
};

PyType_Spec native_plan_spec = {
    .name = "millpond._native.Plan",
    .basicsize = sizeof(native_plan),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = plan_slots,
};

/* ---- Schemas ----------------------------------------------------------------------------- */

typedef struct native_schema {
    PyObject_HEAD native_state *state;
    pond_schema *schema;
    unsigned limits[2]; /* most new fields of a call, most of a table; 0: as usual */
} native_schema;

static PyObject *schema_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *keys[] = {"dialect", "capabilities", "max_new_fields", "max_fields", NULL};
    native_state *state = native_state_of(type);
    int dialect;
    unsigned capabilities = 0;
    unsigned limits[2] = {0, 0};
    pond_error *error = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "i|III", keys, &dialect, &capabilities,
                                     &limits[0], &limits[1]))
        return NULL;
    native_schema *self = (native_schema *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    self->state = state;
    memcpy(self->limits, limits, sizeof(limits));
    int code = pond_schema_new((pond_dialect)dialect, capabilities, &self->schema, &error);
    if (code) {
        Py_DECREF(self);
        return native_raise(state, code, error);
    }
    return (PyObject *)self;
}

static void schema_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    pond_schema_release(((native_schema *)object)->schema);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *schema_plan(PyObject *object, PyObject *const *args, Py_ssize_t count,
                             PyObject *keywords)
{
    native_schema *self = (native_schema *)object;
    return (PyObject *)native_plan_new(self->state, self->schema, self->limits, args, count,
                                       keywords);
}

static PyObject *schema_forget(PyObject *object, PyObject *entity)
{
    native_schema *self = (native_schema *)object;
    const char *name = NULL;
    if (entity != Py_None && !(name = native_text_of(self->state, entity, "entity_name")))
        return NULL;
    pond_schema_forget(self->schema, name);
    Py_RETURN_NONE;
}

static PyMethodDef schema_methods[] = {
    {"plan", FAST(schema_plan), "plan(verb, entity_name, subject, flags, **options) -> Plan"},
    {"forget", schema_forget, METH_O, "forget(entity or None): read it again when needed."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot schema_slots[] = {
    {Py_tp_doc, "The known entity tables of a database that Python code reaches."},
    {Py_tp_new, schema_new},
    {Py_tp_methods, schema_methods},
    {Py_tp_traverse, native_traverse_type},
    {Py_tp_dealloc, schema_dealloc},
    {0, NULL},
};

PyType_Spec native_schema_spec = {
    .name = "millpond._native.Schema",
    .basicsize = sizeof(native_schema),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = schema_slots,
};

/* ---- On native connections --------------------------------------------------------------- */

static PyObject *submit_plan(PyObject *object, PyObject *const *args, Py_ssize_t count,
                             PyObject *keywords)
{
    native_connection *self = (native_connection *)object;
    pond_error *error = NULL;
    if (native_connection_check_loop(self))
        return NULL;
    native_plan *plan = native_plan_new(self->state, self->schema, NULL, args, count, keywords);
    if (!plan)
        return NULL;
    native_op *op = native_op_new(self->state, self->loop, NATIVE_OP_PLAN);
    if (!op) {
        Py_DECREF(plan);
        return NULL;
    }
    op->pool = (PyObject *)plan;
    int code =
        pond_connection_run(self->lease, plan->plan, POND_TIMEOUT_DEFAULT, op, &op->op, &error);
    return native_op_after_submit(op, code, error);
}

PyObject *native_connection_entity(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                   PyObject *keywords)
{
    PyObject *op = submit_plan(object, args, count, keywords);
    return native_op_or_error(((native_connection *)object)->state, op);
}

PyObject *native_sync_entity(PyObject *object, PyObject *const *args, Py_ssize_t count,
                             PyObject *keywords)
{
    native_connection *self = (native_connection *)object;
    pond_error *error = NULL;
    native_plan *plan = native_plan_new(self->state, self->schema, NULL, args, count, keywords);
    if (!plan)
        return NULL;
    PyObject *answer = NULL;
    int code;
    if (self->runs_inline) {
        PyThreadState *saved = native_block();
        code = pond_connection_run_wait(self->lease, plan->plan, POND_TIMEOUT_DEFAULT, &error);
        if (!native_blocked(self->state, saved, code, error))
            answer = native_plan_answer(plan);
    } else {
        pond_op *op = NULL;
        code =
            pond_connection_run(self->lease, plan->plan, POND_TIMEOUT_DEFAULT, NULL, &op, &error);
        if (code)
            native_raise(self->state, code, error);
        else if (!native_wait_op(op)) {
            code = pond_op_status(op);
            answer = code ? native_raise(self->state, code, pond_op_take_error(op))
                          : native_plan_answer(plan);
        }
        pond_op_release(op);
    }
    Py_DECREF(plan);
    if (pond_log_pending())
        native_drain_log(self->state);
    return answer;
}

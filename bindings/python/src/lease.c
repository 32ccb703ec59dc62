/* Where a connection was acquired, who has which, and whether the pool is healthy. */
#include "native.h"

/* ---- The acquiring stack ----------------------------------------------------------------- */

/* The innermost frames are enough to find the caller, and keeping their code objects is cheap:
 * nothing is made into text before somebody asks. */
enum { FRAMES = 4 };

struct native_origin {
    int count;
    PyCodeObject *codes[FRAMES];
    int instructions[FRAMES];
    PyObject *text; /* of the full stack, where that is wanted */
};

static void capture_frames(native_origin *origin)
{
    PyFrameObject *frame = PyEval_GetFrame();
    Py_XINCREF(frame);
    while (frame && origin->count < FRAMES) {
        origin->codes[origin->count] = PyFrame_GetCode(frame);
        origin->instructions[origin->count] = PyFrame_GetLasti(frame);
        origin->count++;
        PyFrameObject *back = PyFrame_GetBack(frame);
        Py_DECREF(frame);
        frame = back;
    }
    Py_XDECREF(frame);
}

native_origin *native_origin_capture(native_state *state)
{
    native_origin *origin = PyMem_Calloc(1, sizeof(*origin));
    if (!origin)
        return NULL;
    if (state->full_stacks)
        origin->text = PyObject_CallNoArgs(state->format_stack);
    else
        capture_frames(origin);
    if (PyErr_Occurred()) /* a report without a stack is better than none */
        PyErr_Clear();
    return origin;
}

void native_origin_free(native_origin *origin)
{
    if (!origin)
        return;
    for (int i = 0; i < origin->count; i++)
        Py_DECREF(origin->codes[i]);
    Py_XDECREF(origin->text);
    PyMem_Free(origin);
}

/* As a traceback has it, the innermost frame last. */
static PyObject *origin_text(const native_origin *origin)
{
    if (origin && origin->text)
        return Py_NewRef(origin->text);
    PyObject *text = PyUnicode_FromString("");
    for (int i = origin ? origin->count - 1 : -1; i >= 0 && text; i--) {
        PyCodeObject *code = origin->codes[i];
        int line = PyCode_Addr2Line(code, origin->instructions[i]);
        PyObject *longer = PyUnicode_FromFormat("%U  File \"%U\", line %d, in %U\n", text,
                                                code->co_filename, line, code->co_name);
        Py_SETREF(text, longer);
    }
    return text;
}

PyObject *native_capture_full_stacks(PyObject *module, PyObject *enabled)
{
    native_state *state = PyModule_GetState(module);
    int truth = PyObject_IsTrue(enabled);
    if (truth < 0)
        return NULL;
    state->full_stacks = truth;
    return Py_NewRef(Py_None);
}

/* ---- Leases ------------------------------------------------------------------------------ */

/* Ours, and not on its way out: a reference; NULL for one of another host in this process. */
static native_connection *connection_of(const native_state *state, const pond_lease_info *info)
{
    if (info->tag_owner != state)
        return NULL;
    PyObject *object = info->tag;
    return Py_REFCNT(object) > 0 ? (native_connection *)Py_NewRef(object) : NULL;
}

static PyObject *lease_tuple(native_connection *connection, double seconds)
{
    PyObject *text = origin_text(connection ? connection->origin : NULL);
    if (!text)
        return NULL;
    return Py_BuildValue("(OdN)", connection ? (PyObject *)connection : Py_None, seconds, text);
}

static PyObject *list_of(native_connection **connections, const pond_lease_info *info, size_t count)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; i < count && list; i++) {
        PyObject *item = lease_tuple(connections[i], (double)info[i].age_ms / 1000);
        if (!item || PyList_Append(list, item))
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

PyObject *native_pool_leases(PyObject *object, PyObject *threshold)
{
    native_pool *self = (native_pool *)object;
    double seconds = PyFloat_AsDouble(threshold);
    if (seconds == -1.0 && PyErr_Occurred())
        return NULL;
    if (!(seconds >= 0 && seconds < 1e12))
        return native_raise_text(
            self->state, POND_EINVAL,
            "threshold_seconds must be a non-negative number of seconds, not %R", threshold);
    int64_t least_ms = (int64_t)(seconds * 1000);
    size_t room = pond_pool_leases(self->pool, least_ms, NULL, sizeof(pond_lease_info), 0) + 8;
    pond_lease_info *info = PyMem_Calloc(room, sizeof(*info));
    native_connection **connections = PyMem_Calloc(room, sizeof(native_connection *));
    PyObject *list = NULL;
    size_t count = 0;
    if (info && connections) {
        count = pond_pool_leases(self->pool, least_ms, info, sizeof(*info), room);
        if (count > room)
            count = room;
        for (size_t i = 0; i < count; i++) /* no other code may run before we have them all */
            connections[i] = connection_of(self->state, &info[i]);
        list = list_of(connections, info, count);
    } else {
        PyErr_NoMemory();
    }
    for (size_t i = 0; i < count; i++)
        Py_XDECREF(connections[i]);
    PyMem_Free(connections);
    PyMem_Free(info);
    return list;
}

/* ---- Sessions ---------------------------------------------------------------------------- */

PyObject *native_connection_fresh(PyObject *object, void *unused)
{
    (void)unused;
    return PyBool_FromLong(pond_connection_is_fresh(((native_connection *)object)->lease));
}

PyObject *native_connection_set_up(PyObject *object, PyObject *unused)
{
    (void)unused;
    native_connection *self = (native_connection *)object;
    pond_error *error = NULL;
    int code = pond_connection_set_up(self->lease, &error);
    return code ? native_raise(self->state, code, error) : Py_NewRef(Py_None);
}

PyObject *native_sync_check(PyObject *object, PyObject *unused)
{
    (void)unused;
    native_connection *self = (native_connection *)object;
    pond_connection *lease = self->lease;
    pond_error *error = NULL;
    PyThreadState *saved = native_block();
    int code = pond_connection_check_wait(lease, &error);
    pond_error_free(error);
    return native_unblock(saved) ? NULL : PyBool_FromLong(code == POND_OK);
}

/* ---- Health ------------------------------------------------------------------------------ */

PyObject *native_pool_health_check(PyObject *object, PyObject *args, PyObject *keywords)
{
    native_pool *self = (native_pool *)object;
    native_state *state = self->state;
    int64_t timeout_ms;
    if (native_read_timeout(state, args, keywords, &timeout_ms))
        return NULL;
    native_loop *loop = native_running_loop(state);
    native_op *op = loop ? native_op_new(state, loop, NATIVE_OP_HEALTH) : NULL;
    if (!op)
        return NULL;
    pond_error *error = NULL;
    int code = pond_pool_check(self->pool, loop->loop, timeout_ms, op, &op->op, &error);
    if (!code)
        return native_op_after_submit(op, code, error);
    pond_error_free(error); /* closed: not healthy */
    op->status = NATIVE_CANCELLED;
    Py_DECREF(op);
    return native_op_ready(state, Py_NewRef(Py_False));
}

static PyObject *wait_for_checks(pond_op **ops, Py_ssize_t count)
{
    PyObject *list = PyList_New(count);
    int failed = !list;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (failed && ops[i])
            pond_op_cancel(ops[i]);
        if (ops[i] && native_wait_op(ops[i]))
            failed = 1; /* a signal's handler raised */
        int healthy = ops[i] && pond_op_status(ops[i]) == POND_OK;
        pond_op_release(ops[i]);
        if (list)
            PyList_SET_ITEM(list, i, PyBool_FromLong(healthy));
    }
    if (failed)
        Py_CLEAR(list);
    return list;
}

/* check_pools(pools, timeout): all at once, and wait. */
PyObject *native_check_pools(PyObject *module, PyObject *args)
{
    native_state *state = PyModule_GetState(module);
    PyObject *pools;
    PyObject *seconds;
    int64_t timeout_ms;
    if (!PyArg_ParseTuple(args, "O!O", &PyList_Type, &pools, &seconds) ||
        native_timeout(state, seconds, &timeout_ms))
        return NULL;
    Py_ssize_t count = PyList_GET_SIZE(pools);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!PyObject_TypeCheck(PyList_GET_ITEM(pools, i), state->pool_type))
            return PyErr_Format(PyExc_TypeError, "pools must be a list of Pool");
    }
    pond_op **ops = PyMem_Calloc((size_t)count + 1, sizeof(pond_op *));
    if (!ops)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        native_pool *pool = (native_pool *)PyList_GET_ITEM(pools, i);
        pond_pool_check(pool->pool, NULL, timeout_ms, NULL, &ops[i], NULL);
    }
    PyObject *list = wait_for_checks(ops, count);
    PyMem_Free(ops);
    return list;
}

PyObject *native_default_pool_size(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    uint32_t smallest;
    uint32_t biggest;
    pond_pool_default_size(&smallest, &biggest);
    return Py_BuildValue("(II)", smallest, biggest);
}

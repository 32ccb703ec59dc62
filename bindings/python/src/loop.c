#include "native.h"

/* ---- Log --------------------------------------------------------------------------------- */

/* Also on the way out of a call that failed: its exception is put aside meanwhile. */
void native_drain_log(native_state *state)
{
    PyObject *type;
    PyObject *value;
    PyObject *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    while (pond_log_pending()) {
        pond_log *record = pond_log_next();
        if (!record)
            break;
        const char *message = pond_log_message(record);
        PyObject *done = PyObject_CallFunction(
            state->write_log, "isN", pond_log_level_of(record), pond_log_area(record),
            PyUnicode_DecodeUTF8(message, (Py_ssize_t)strlen(message), "replace"));
        pond_log_free(record);
        if (!done)
            PyErr_WriteUnraisable(state->write_log);
        Py_XDECREF(done);
    }
    PyErr_Restore(type, value, traceback);
}

/* ---- Drain ------------------------------------------------------------------------------- */

static int hand_out(native_loop *self)
{
    pond_op *op;
    int failed = 0;
    self->draining++;
    self->at_once = NATIVE_AT_ONCE;
    while (!failed && (op = pond_loop_next(self->loop))) {
        native_op *awaitable = pond_op_user_data(op);
        if (pond_log_pending())
            native_drain_log(self->state); /* before the task goes on from here */
        native_op_remove_pending(awaitable);
        failed = native_op_completed(awaitable);
        Py_DECREF(awaitable); /* the core's reference */
        pond_op_release(op);
    }
    self->draining--;
    if (!failed && pond_log_pending())
        native_drain_log(self->state);
    return failed;
}

/* A task that goes on from here may run the event loop inside itself, as notebooks and debuggers
 * do, which calls us again. The context that the event loop called us in cannot be entered twice:
 * step out of it meanwhile. NULL: there is none. */
static PyObject *leave_context(void)
{
    PyObject *context = Py_XNewRef(PyThreadState_Get()->context);
    if (!context || !PyContext_Exit(context))
        return context;
    PyErr_Clear(); /* nobody has entered it */
    Py_DECREF(context);
    return NULL;
}

static void return_to(PyObject *context)
{
    if (!context)
        return;
    PyObject *type;
    PyObject *value;
    PyObject *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (PyContext_Enter(context))
        PyErr_WriteUnraisable(NULL);
    Py_DECREF(context);
    PyErr_Restore(type, value, traceback);
}

/* Called by the event loop when the descriptor is readable: no task is current then, so that tasks
 * can be woken from here. */
static PyObject *drain(native_loop *self)
{
    pond_error *error = NULL;
    int code = pond_loop_run_nowait(self->loop, &error);
    if (code)
        return native_raise(self->state, code, error);
    Py_INCREF(self);
    PyObject *context = leave_context();
    int failed = hand_out(self);
    return_to(context);
    Py_DECREF(self);
    return failed ? NULL : Py_NewRef(Py_None);
}

static void forget(native_loop *self)
{
    native_state *state = self->state;
    if (state->last_loop == self) {
        state->last_event_loop = NULL;
        state->last_loop = NULL;
    }
    if (self->event_loop && state->loops &&
        PyDict_GetItem(state->loops, self->event_loop) == (PyObject *)self)
        PyDict_DelItem(state->loops, self->event_loop);
}

/* The event loop shuts down: idle connections go back to their pools, leased ones are closed. */
static PyObject *loop_close(PyObject *object, PyObject *unused)
{
    (void)unused;
    native_loop *self = (native_loop *)object;
    PyObject *done = NULL;
    if (self->event_loop)
        done =
            PyObject_CallMethod(self->event_loop, "remove_reader", "i", pond_loop_fd(self->loop));
    if (!done)
        PyErr_Clear(); /* it is closed already */
    Py_XDECREF(done);
    Py_INCREF(self);
    forget(self);
    native_loop_close(self);
    Py_DECREF(self);
    Py_RETURN_NONE;
}

static PyMethodDef loop_methods[] = {
    {"close", loop_close, METH_NOARGS, "Let go of the event loop."},
    {NULL, NULL, 0, NULL},
};

/* ---- Create and destroy ------------------------------------------------------------------ */

static int loop_traverse(PyObject *object, visitproc visit, void *arg)
{
    native_loop *self = (native_loop *)object;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->event_loop);
    Py_VISIT(self->shutdown_watch);
    return 0;
}

static int loop_clear(PyObject *object)
{
    native_loop *self = (native_loop *)object;
    Py_CLEAR(self->event_loop);
    Py_CLEAR(self->shutdown_watch);
    return 0;
}

void native_loop_close(native_loop *self)
{
    pond_loop_close(self->loop);
    while (self->pending) {
        native_op *op = self->pending;
        native_op_remove_pending(op);
        op->status = NATIVE_CANCELLED; /* nobody is left to be told */
        Py_DECREF(op);
    }
}

static void loop_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    native_loop *self = (native_loop *)object;
    if (self->loop)
        native_loop_close(self);
    pond_loop_release(self->loop);
    loop_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyType_Slot loop_slots[] = {
    {Py_tp_methods, loop_methods},
    {Py_tp_traverse, loop_traverse},
    {Py_tp_clear, loop_clear},
    {Py_tp_dealloc, loop_dealloc},
    {0, NULL},
};

PyType_Spec native_loop_spec = {
    .name = "millpond._native.Loop",
    .basicsize = sizeof(native_loop),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = loop_slots,
};

/* ---- What the event loop calls ----------------------------------------------------------- */

/* Nobody but the event loop has a reference. So when it is freed, the event loop was closed, in
 * which way ever, and drives us no more. */
typedef struct reader {
    PyObject_HEAD native_loop *loop;
} reader;

static PyObject *reader_call(PyObject *object, PyObject *args, PyObject *keywords)
{
    (void)args;
    (void)keywords;
    return drain(((reader *)object)->loop);
}

static int reader_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((reader *)object)->loop);
    return 0;
}

static void reader_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    native_loop *loop = ((reader *)object)->loop;
    PyObject_GC_UnTrack(object);
    type->tp_free(object);
    Py_DECREF(type);
    PyObject *raised;
    PyObject *value;
    PyObject *traceback;
    PyErr_Fetch(&raised, &value, &traceback);
    if (loop) {
        forget(loop);
        native_loop_close(loop);
        Py_DECREF(loop);
    }
    PyErr_Restore(raised, value, traceback);
}

static PyType_Slot reader_slots[] = {
    {Py_tp_call, reader_call},
    {Py_tp_traverse, reader_traverse},
    {Py_tp_dealloc, reader_dealloc},
    {0, NULL},
};

PyType_Spec native_reader_spec = {
    .name = "millpond._native.Reader",
    .basicsize = sizeof(reader),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = reader_slots,
};

static int read_by(native_loop *self, PyObject *event_loop)
{
    PyTypeObject *type = self->state->reader_type;
    reader *callback = (reader *)type->tp_alloc(type, 0);
    if (!callback)
        return -1;
    callback->loop = (native_loop *)Py_NewRef((PyObject *)self);
    PyObject *done = PyObject_CallMethod(event_loop, "add_reader", "iO", pond_loop_fd(self->loop),
                                         (PyObject *)callback);
    Py_DECREF(callback);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* ---- One for each event loop ------------------------------------------------------------- */

/* Event loops that were closed: their idle connections go back to the pools. */
static int forget_closed(native_state *state)
{
    PyObject *keys = PyDict_Keys(state->loops);
    if (!keys)
        return -1;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(keys); i++) {
        PyObject *key = PyList_GET_ITEM(keys, i);
        PyObject *closed = PyObject_CallMethod(key, "is_closed", NULL);
        if (!closed) {
            Py_DECREF(keys);
            return -1;
        }
        if (PyObject_IsTrue(closed)) {
            PyObject *loop = Py_XNewRef(PyDict_GetItem(state->loops, key));
            if (loop) { /* no other thread has done it during is_closed() */
                forget((native_loop *)loop);
                native_loop_close((native_loop *)loop);
                Py_DECREF(loop);
            }
        }
        Py_DECREF(closed);
    }
    Py_DECREF(keys);
    return 0;
}

static native_loop *make(native_state *state, PyObject *event_loop)
{
    pond_error *error = NULL;
    if (forget_closed(state))
        return NULL;
    native_loop *self = (native_loop *)state->loop_type->tp_alloc(state->loop_type, 0);
    if (!self)
        return NULL;
    self->state = state;
    self->event_loop = Py_NewRef(event_loop);
    self->at_once = NATIVE_AT_ONCE;
    int code = pond_loop_new(&self->loop, &error);
    if (code) {
        native_raise(state, code, error);
        Py_DECREF(self);
        return NULL;
    }
    int failed = read_by(self, event_loop);
    if (!failed)
        self->shutdown_watch = PyObject_CallOneArg(state->watch_shutdown, (PyObject *)self);
    if (failed || !self->shutdown_watch ||
        PyDict_SetItem(state->loops, event_loop, (PyObject *)self))
        Py_CLEAR(self);
    else
        Py_DECREF(self); /* the dict has it */
    return self;
}

native_loop *native_running_loop(native_state *state)
{
    PyObject *event_loop = PyObject_CallNoArgs(state->get_running_loop);
    if (!event_loop)
        return NULL;
    if (event_loop == state->last_event_loop) {
        Py_DECREF(event_loop);
        return state->last_loop;
    }
    if (event_loop == Py_None) {
        Py_DECREF(event_loop);
        native_raise_text(state, POND_EMISUSE,
                          "no event loop is running here: use sync_connection(), or call this "
                          "from a coroutine");
        return NULL;
    }
    native_loop *loop = (native_loop *)PyDict_GetItemWithError(state->loops, event_loop);
    if (!loop && !PyErr_Occurred())
        loop = make(state, event_loop);
    if (loop) {
        state->last_event_loop = loop->event_loop;
        state->last_loop = loop;
    }
    Py_DECREF(event_loop);
    return loop;
}

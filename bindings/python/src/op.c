/* The awaitable of every asynchronous call. To whoever takes coroutines it is one: create_task()
 * does, and so do gather(), shield() and wait_for(), each of which makes a task of it. To the task
 * that awaits it, it is what it yields: something with a future's callbacks, which wakes that task.
 * One that is done is awaited without a turn of the event loop.
 *
 * It does not say that it is a future, and so needs nothing of a future's private side, which
 * gather() and others use and each version of Python changes. A task looks for
 * `_asyncio_future_blocking` on the object that was yielded; asyncio.isfuture() looks for it on the
 * object's class. So the objects have it and the class does not. */
#include "native.h"

/* ---- Create and destroy ------------------------------------------------------------------ */

native_op *native_op_new(native_state *state, native_loop *loop, native_op_kind kind)
{
    native_op *self = (native_op *)state->op_type->tp_alloc(state->op_type, 0);
    if (!self)
        return NULL;
    self->state = state;
    self->loop = (native_loop *)Py_XNewRef((PyObject *)loop);
    self->kind = (char)kind;
    return self;
}

void native_op_submitted(native_op *op)
{
    native_loop *loop = op->loop;
    Py_INCREF(op);
    op->previous = NULL;
    op->next = loop->pending;
    if (loop->pending)
        loop->pending->previous = op;
    loop->pending = op;
}

void native_op_remove_pending(native_op *op)
{
    if (op->previous)
        op->previous->next = op->next;
    else
        op->loop->pending = op->next;
    if (op->next)
        op->next->previous = op->previous;
    op->next = NULL;
    op->previous = NULL;
}

PyObject *native_op_ready(native_state *state, PyObject *value)
{
    native_op *self = value ? native_op_new(state, NULL, NATIVE_OP_NONE) : NULL;
    if (!self) {
        Py_XDECREF(value);
        return NULL;
    }
    self->status = NATIVE_DONE;
    self->value = value;
    return (PyObject *)self;
}

PyObject *native_op_or_error(native_state *state, PyObject *op)
{
    PyObject *type;
    PyObject *value;
    PyObject *traceback;
    if (op || !PyErr_ExceptionMatches(state->error_base))
        return op;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    native_op *self = native_op_new(state, NULL, NATIVE_OP_NONE);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    if (!self) {
        Py_XDECREF(value);
        return NULL;
    }
    self->status = NATIVE_DONE;
    self->exception = value;
    return (PyObject *)self;
}

static int op_traverse(PyObject *object, visitproc visit, void *arg)
{
    native_op *self = (native_op *)object;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->loop);
    Py_VISIT(self->pool);
    Py_VISIT(self->value);
    Py_VISIT(self->exception);
    Py_VISIT(self->callback);
    Py_VISIT(self->context);
    Py_VISIT(self->more);
    Py_VISIT(self->message);
    return 0;
}

static int op_clear(PyObject *object)
{
    native_op *self = (native_op *)object;
    Py_CLEAR(self->pool);
    Py_CLEAR(self->value);
    Py_CLEAR(self->exception);
    Py_CLEAR(self->callback);
    Py_CLEAR(self->context);
    Py_CLEAR(self->more);
    Py_CLEAR(self->message);
    return 0;
}

/* A failure that nobody looked at is told to the event loop, as asyncio does for its own futures.
 */
static void op_finalize(PyObject *object)
{
    native_op *self = (native_op *)object;
    int failed =
        self->status == NATIVE_DONE && !self->retrieved && self->op && pond_op_status(self->op) < 0;
    if (!failed || !self->loop || !self->loop->event_loop)
        return;
    PyObject *type;
    PyObject *value;
    PyObject *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *exception =
        native_exception(self->state, pond_op_status(self->op), pond_op_take_error(self->op));
    PyObject *context = exception ? Py_BuildValue("{s:s,s:O}", "message",
                                                  "the error of a statement was never retrieved",
                                                  "exception", exception)
                                  : NULL;
    PyObject *done = context ? PyObject_CallMethod(self->loop->event_loop, "call_exception_handler",
                                                   "O", context)
                             : NULL;
    if (!done)
        PyErr_WriteUnraisable(NULL);
    Py_XDECREF(done);
    Py_XDECREF(context);
    Py_XDECREF(exception);
    PyErr_Restore(type, value, traceback);
}

static void op_dealloc(PyObject *object)
{
    native_op *self = (native_op *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (PyObject_CallFinalizerFromDealloc(object))
        return;
    PyObject_GC_UnTrack(object);
    pond_op_release(self->op);
    native_origin_free(self->origin);
    op_clear(object);
    Py_CLEAR(self->loop);
    type->tp_free(object);
    Py_DECREF(type);
}

/* ---- Outcome ----------------------------------------------------------------------------- */

static PyObject *take_value(native_op *self)
{
    native_state *state = self->state;
    pond_connection *lease;
    switch (self->kind) {
    case NATIVE_OP_RESULT:
        return native_rows(state, pond_op_take_result(self->op));
    case NATIVE_OP_RAW:
        return native_raw_rows(state, pond_op_take_result(self->op));
    case NATIVE_OP_ARROW:
        return native_arrow(state, pond_op_take_result(self->op));
    case NATIVE_OP_HEALTH:
        return Py_NewRef(Py_True);
    case NATIVE_OP_CONNECTION:
        lease = pond_op_take_connection(self->op);
        native_origin *origin = self->origin;
        self->origin = NULL;
        return native_connection_new((native_pool *)self->pool, self->loop, lease, origin);
    case NATIVE_OP_PLAN:
        return native_plan_answer((struct native_plan *)self->pool);
    case NATIVE_OP_OPEN:
        return native_lease_in_transaction((native_connection *)self->pool);
    default:
        return Py_NewRef(Py_None);
    }
}

/* Make `value` or `exception` of what the core says; done once. */
static int read_outcome(native_op *self)
{
    if (self->value || self->exception)
        return 0;
    int status = pond_op_status(self->op);
    if (status < 0 && self->kind == NATIVE_OP_HEALTH) {
        self->value = Py_NewRef(Py_False);
        return 0;
    }
    if (status < 0) {
        self->exception = native_exception(self->state, status, pond_op_take_error(self->op));
        return self->exception ? 0 : -1;
    }
    self->value = take_value(self);
    if (self->value)
        return 0;
    PyObject *type;
    PyObject *traceback;
    PyErr_Fetch(&type, &self->exception, &traceback);
    PyErr_NormalizeException(&type, &self->exception, &traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return 0;
}

/* The value, or NULL with the exception raised; the operation is done or cancelled. */
static PyObject *outcome(native_op *self)
{
    self->retrieved = 1;
    if (self->status == NATIVE_CANCELLED) {
        PyErr_SetObject(self->state->cancelled_error, self->message);
        return NULL;
    }
    if (read_outcome(self))
        return NULL;
    if (self->value)
        return Py_NewRef(self->value);
    /* each raise begins a traceback of its own */
    PyException_SetTraceback(self->exception, Py_None);
    PyErr_SetObject((PyObject *)Py_TYPE(self->exception), self->exception);
    return NULL;
}

/* ---- Callbacks --------------------------------------------------------------------------- */

/* Returns -1 only for what must stop the event loop. */
static int call_now(native_op *self, PyObject *callback, PyObject *context)
{
    if (context && PyContext_Enter(context))
        return -1;
    PyObject *done = PyObject_CallOneArg(callback, (PyObject *)self);
    if (done) {
        Py_DECREF(done);
        return context ? PyContext_Exit(context) : 0;
    }
    PyObject *type;
    PyObject *value;
    PyObject *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (context)
        PyContext_Exit(context);
    int fatal = PyErr_GivenExceptionMatches(type, PyExc_KeyboardInterrupt) ||
                PyErr_GivenExceptionMatches(type, PyExc_SystemExit);
    PyErr_Restore(type, value, traceback);
    if (fatal)
        return -1;
    PyErr_WriteUnraisable(callback);
    return 0;
}

/* The event loop that it belongs to; one that was ready from the start has that which runs, or
 * None. */
static PyObject *event_loop_of(const native_op *self)
{
    return self->loop ? Py_NewRef(self->loop->event_loop)
                      : PyObject_CallNoArgs(self->state->get_running_loop);
}

static int call_soon(native_op *self, PyObject *callback, PyObject *context)
{
    PyObject *event_loop = event_loop_of(self);
    if (event_loop == Py_None) { /* nobody else would call it */
        Py_DECREF(event_loop);
        return call_now(self, callback, context);
    }
    PyObject *method = event_loop ? PyObject_GetAttrString(event_loop, "call_soon") : NULL;
    Py_XDECREF(event_loop);
    PyObject *positional = method ? PyTuple_Pack(2, callback, (PyObject *)self) : NULL;
    PyObject *keywords =
        positional && context ? Py_BuildValue("{O:O}", self->state->str_context, context) : NULL;
    PyObject *done =
        positional && (keywords || !context) ? PyObject_Call(method, positional, keywords) : NULL;
    Py_XDECREF(method);
    Py_XDECREF(positional);
    Py_XDECREF(keywords);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

typedef int (*caller)(native_op *self, PyObject *callback, PyObject *context);

static int run_callbacks(native_op *self, caller call)
{
    PyObject *callback = self->callback;
    PyObject *context = self->context;
    PyObject *more = self->more;
    int failed = 0;
    self->callback = NULL;
    self->context = NULL;
    self->more = NULL;
    if (callback)
        failed = call(self, callback, context);
    for (Py_ssize_t i = 0; more && i < PyList_GET_SIZE(more) && !failed; i++) {
        PyObject *pair = PyList_GET_ITEM(more, i);
        PyObject *its_context = PyTuple_GET_ITEM(pair, 1);
        failed = call(self, PyTuple_GET_ITEM(pair, 0), its_context == Py_None ? NULL : its_context);
    }
    Py_XDECREF(callback);
    Py_XDECREF(context);
    Py_XDECREF(more);
    return failed;
}

/* What it acquired, and nobody will see any more, goes back to its pool. */
static void give_back_unseen(native_op *self)
{
    if (self->kind != NATIVE_OP_CONNECTION)
        return;
    if (self->value) {
        if (native_connection_release((native_connection *)self->value))
            PyErr_Clear(); /* it was closed meanwhile */
        return;
    }
    pond_connection *lease = self->op ? pond_op_take_connection(self->op) : NULL;
    if (lease) {
        pond_connection_give_back(lease, NULL);
        pond_connection_release(lease);
    }
}

int native_op_completed(native_op *self)
{
    if (self->status != NATIVE_PENDING) { /* cancelled before: nobody waits */
        give_back_unseen(self);
        return 0;
    }
    self->status = NATIVE_DONE;
    return run_callbacks(self, call_now);
}

/* ---- The future's side ------------------------------------------------------------------- */

static PyObject *op_add_done_callback(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                      PyObject *keywords)
{
    native_op *self = (native_op *)object;
    PyObject *context = NULL;
    if (count != 1 || (keywords && PyTuple_GET_SIZE(keywords) > 1))
        return PyErr_Format(PyExc_TypeError, "add_done_callback() takes a callable and context=");
    if (keywords && PyTuple_GET_SIZE(keywords) == 1)
        context = args[1];
    if (context == Py_None)
        context = NULL;
    PyObject *held = context ? Py_NewRef(context) : PyContext_CopyCurrent();
    if (!held)
        return NULL;
    int failed = 0;
    if (self->status != NATIVE_PENDING) {
        failed = call_soon(self, args[0], held); /* asyncio counts on not being called from here */
    } else if (!self->callback) {
        self->callback = Py_NewRef(args[0]);
        self->context = Py_NewRef(held);
    } else {
        if (!self->more)
            self->more = PyList_New(0);
        PyObject *pair = self->more ? PyTuple_Pack(2, args[0], held) : NULL;
        failed = !pair || PyList_Append(self->more, pair);
        Py_XDECREF(pair);
    }
    Py_DECREF(held);
    return failed ? NULL : Py_NewRef(Py_None);
}

/* Whether it is the one to remove; a comparison may run any code, and so drop it: -1 for an error.
 */
static int is_same(PyObject *callback, PyObject *wanted)
{
    Py_INCREF(callback);
    int same = PyObject_RichCompareBool(callback, wanted, Py_EQ);
    Py_DECREF(callback);
    return same;
}

/* Returns how many went, or -1. The list is another one, or none, once the callbacks have run. */
static Py_ssize_t remove_from(PyObject *list, PyObject *callback)
{
    Py_ssize_t removed = 0;
    for (Py_ssize_t i = PyList_GET_SIZE(list) - 1; i >= 0; i--) {
        if (i >= PyList_GET_SIZE(list))
            continue; /* a comparison removed some */
        int same = is_same(PyTuple_GET_ITEM(PyList_GET_ITEM(list, i), 0), callback);
        if (same < 0 || (same && i < PyList_GET_SIZE(list) && PySequence_DelItem(list, i)))
            return -1;
        removed += same;
    }
    return removed;
}

static PyObject *op_remove_done_callback(PyObject *object, PyObject *callback)
{
    native_op *self = (native_op *)object;
    Py_ssize_t removed = 0;
    if (self->more) {
        PyObject *list = Py_NewRef(self->more);
        removed = remove_from(list, callback);
        Py_DECREF(list);
        if (removed < 0)
            return NULL;
    }
    if (self->callback) {
        int same = is_same(self->callback, callback);
        if (same < 0)
            return NULL;
        if (same) {
            Py_CLEAR(self->callback);
            Py_CLEAR(self->context);
            removed++;
        }
    }
    return PyLong_FromSsize_t(removed);
}

static PyObject *cancel(native_op *self, PyObject *message)
{
    if (self->status != NATIVE_PENDING)
        Py_RETURN_FALSE;
    self->status = NATIVE_CANCELLED;
    self->message = Py_XNewRef(message);
    pond_op_cancel(self->op); /* the core cleans up; whoever waits goes on at once */
    if (run_callbacks(self, call_soon))
        return NULL;
    Py_RETURN_TRUE;
}

static PyObject *op_cancel(PyObject *object, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"msg", NULL};
    PyObject *message = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O:cancel", names, &message))
        return NULL;
    return cancel((native_op *)object, message == Py_None ? NULL : message);
}

static PyObject *op_done(PyObject *object, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(((native_op *)object)->status != NATIVE_PENDING);
}

static PyObject *op_cancelled(PyObject *object, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(((native_op *)object)->status == NATIVE_CANCELLED);
}

static PyObject *not_done(native_op *self)
{
    PyErr_SetString(self->state->invalid_state_error, "the statement has not completed yet");
    return NULL;
}

static PyObject *op_result(PyObject *object, PyObject *unused)
{
    (void)unused;
    native_op *self = (native_op *)object;
    return self->status == NATIVE_PENDING ? not_done(self) : outcome(self);
}

static PyObject *op_exception(PyObject *object, PyObject *unused)
{
    (void)unused;
    native_op *self = (native_op *)object;
    if (self->status == NATIVE_PENDING)
        return not_done(self);
    self->retrieved = 1;
    if (self->status == NATIVE_CANCELLED)
        return outcome(self);
    if (read_outcome(self))
        return NULL;
    return Py_NewRef(self->exception ? self->exception : Py_None);
}

static PyObject *op_get_loop(PyObject *object, PyObject *unused)
{
    (void)unused;
    return event_loop_of((native_op *)object);
}

/* Names in code are interned; others are compared letter by letter. */
static int is_blocking(const native_op *self, PyObject *name)
{
    PyObject *blocking = self->state->str_blocking;
    return name == blocking ||
           (!PyUnicode_CHECK_INTERNED(name) && PyUnicode_Compare(name, blocking) == 0);
}

static PyObject *op_getattr(PyObject *object, PyObject *name)
{
    native_op *self = (native_op *)object;
    if (is_blocking(self, name))
        return PyBool_FromLong(self->blocking);
    return PyObject_GenericGetAttr(object, name);
}

static int op_setattr(PyObject *object, PyObject *name, PyObject *value)
{
    native_op *self = (native_op *)object;
    if (!is_blocking(self, name))
        return PyObject_GenericSetAttr(object, name, value);
    int truth = value ? PyObject_IsTrue(value) : 0;
    if (truth < 0)
        return -1;
    self->blocking = (char)truth;
    return 0;
}

/* ---- The coroutine's side ---------------------------------------------------------------- */

static PySendResult op_am_send(PyObject *object, PyObject *sent, PyObject **out)
{
    (void)sent;
    native_op *self = (native_op *)object;
    if (self->status == NATIVE_PENDING) {
        self->blocking = 1;
        *out = Py_NewRef(object);
        return PYGEN_NEXT;
    }
    *out = outcome(self);
    return *out ? PYGEN_RETURN : PYGEN_ERROR;
}

static void raise_stop(PyObject *value)
{
    /* a tuple or an exception as value would be taken apart by PyErr_SetObject() */
    PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
    if (stop) {
        PyErr_SetObject(PyExc_StopIteration, stop);
        Py_DECREF(stop);
    }
}

static PyObject *op_next(PyObject *object)
{
    PyObject *out;
    switch (op_am_send(object, Py_None, &out)) {
    case PYGEN_NEXT:
        return out;
    case PYGEN_RETURN:
        raise_stop(out);
        Py_DECREF(out);
        return NULL;
    default:
        return NULL;
    }
}

static PyObject *op_send(PyObject *object, PyObject *value)
{
    (void)value;
    return op_next(object);
}

/* Whoever waited, or would have, does so no more. */
static void give_up(native_op *self)
{
    if (self->status == NATIVE_PENDING) {
        PyObject *done = cancel(self, NULL);
        if (!done)
            PyErr_Clear(); /* its event loop is closed, and calls nobody back */
        Py_XDECREF(done);
    } else if (!self->retrieved) {
        give_back_unseen(self);
    }
    self->retrieved = 1;
}

/* throw(exception) or the older throw(type, value, traceback). */
static PyObject *op_throw(PyObject *object, PyObject *args)
{
    PyObject *type;
    PyObject *value = NULL;
    PyObject *traceback = NULL;
    native_op *self = (native_op *)object;
    if (!PyArg_UnpackTuple(args, "throw", 1, 3, &type, &value, &traceback))
        return NULL;
    give_up(self);
    if (PyExceptionInstance_Check(type)) {
        PyErr_SetObject((PyObject *)Py_TYPE(type), type);
        return NULL;
    }
    if (!PyExceptionClass_Check(type))
        return PyErr_Format(PyExc_TypeError, "exceptions must derive from BaseException");
    PyErr_SetObject(type, value && value != Py_None ? value : NULL);
    return NULL;
}

static PyObject *op_close(PyObject *object, PyObject *unused)
{
    (void)unused;
    give_up((native_op *)object);
    return Py_NewRef(Py_None);
}

static PyObject *op_self(PyObject *object)
{
    return Py_NewRef(object);
}

static PyObject *get_running(PyObject *object, void *unused)
{
    (void)object;
    (void)unused;
    return Py_NewRef(Py_False);
}

static PyObject *get_suspended(PyObject *object, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((native_op *)object)->status == NATIVE_PENDING);
}

static PyObject *get_none(PyObject *object, void *unused)
{
    (void)object;
    (void)unused;
    return Py_NewRef(Py_None);
}

static PyObject *get_name(PyObject *object, void *unused)
{
    (void)unused;
    static const char *const names[] = {"call",    "execute",      "execute",     "fetch_arrow",
                                        "acquire", "health_check", "entity call", "in_transaction"};
    return PyUnicode_FromFormat("millpond %s", names[(int)((native_op *)object)->kind]);
}

static PyMethodDef op_methods[] = {
    {"add_done_callback", (PyCFunction)(void (*)(void))op_add_done_callback,
     METH_FASTCALL | METH_KEYWORDS,
     "add_done_callback(callback, *, context=None): call callback(self) when done."},
    {"remove_done_callback", op_remove_done_callback, METH_O,
     "remove_done_callback(callback) -> int: how many were removed."},
    {"cancel", (PyCFunction)(void (*)(void))op_cancel, METH_VARARGS | METH_KEYWORDS,
     "cancel(msg=None) -> bool: stop the operation; False if it is done already. A rollback still "
     "runs to its end, before the next statement on its connection, but no caller waits for it."},
    {"done", op_done, METH_NOARGS, "True when it has completed or was cancelled."},
    {"cancelled", op_cancelled, METH_NOARGS, "True when it was cancelled."},
    {"result", op_result, METH_NOARGS, "Return the result, or raise the exception."},
    {"exception", op_exception, METH_NOARGS, "The exception, or None."},
    {"get_loop", op_get_loop, METH_NOARGS, "The event loop that the operation belongs to."},
    {"send", op_send, METH_O, "Resume, as a coroutine."},
    {"throw", op_throw, METH_VARARGS, "Raise in the coroutine's place, which cancels it."},
    {"close", op_close, METH_NOARGS, "Cancel."},
    {NULL, NULL, 0, NULL},
};

/* What inspect.getcoroutinestate(), and with it anyio, asks of a coroutine. */
static PyGetSetDef op_attributes[] = {
    {"cr_running", get_running, NULL, "False: no code of its own runs.", NULL},
    {"cr_suspended", get_suspended, NULL, "True until it is done.", NULL},
    {"cr_frame", get_none, NULL, "None: it has no code of its own.", NULL},
    {"cr_code", get_none, NULL, "None: it has no code of its own.", NULL},
    {"__name__", get_name, NULL, "What it is called where tasks are shown.", NULL},
    {"__qualname__", get_name, NULL, "What it is called where tasks are shown.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot op_slots[] = {
    {Py_tp_doc, "An operation that was submitted: await it, once or more often."},
    {Py_tp_methods, op_methods},
    {Py_tp_getset, op_attributes},
    {Py_tp_getattro, op_getattr},
    {Py_tp_setattro, op_setattr},
    {Py_tp_traverse, op_traverse},
    {Py_tp_clear, op_clear},
    {Py_tp_finalize, op_finalize},
    {Py_tp_dealloc, op_dealloc},
    {Py_tp_iter, op_self},
    {Py_tp_iternext, op_next},
    {Py_am_await, op_self},
    {Py_am_send, op_am_send},
    {0, NULL},
};

PyType_Spec native_op_spec = {
    .name = "millpond._native.Op",
    .basicsize = sizeof(native_op),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = op_slots,
};

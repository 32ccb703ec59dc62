#include "native.h"

/* ---- Create and destroy ------------------------------------------------------------------ */

PyObject *native_connection_new(native_pool *pool, native_loop *loop, pond_connection *lease,
                                native_origin *origin)
{
    PyTypeObject *type = loop ? pool->connection_type : pool->sync_connection_type;
    native_connection *self = (native_connection *)type->tp_alloc(type, 0);
    if (!self) {
        pond_connection_give_back(lease, NULL);
        pond_connection_release(lease);
        native_origin_free(origin);
        return NULL;
    }
    self->state = pool->state;
    self->lease = lease;
    self->origin = origin;
    pond_connection_set_tag(lease, self->state, self);
    self->schema = pond_schema_retain(pool->schema);
    self->loop = (native_loop *)Py_XNewRef((PyObject *)loop);
    self->runs_inline = pool->runs_inline;
    if (loop ? pool->converts : pool->sync_converts)
        self->pool = Py_NewRef((PyObject *)pool);
    return (PyObject *)self;
}

int native_connection_release(native_connection *self)
{
    pond_error *error = NULL;
    if (self->closed)
        return 0; /* close() gave its place back already */
    int code = pond_connection_give_back(self->lease, &error);
    if (!code)
        return 0;
    native_raise(self->state, code, error);
    return -1;
}

int native_lease_traverse(PyObject *object, visitproc visit, void *arg)
{
    native_connection *self = (native_connection *)object;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->loop);
    Py_VISIT(self->pool);
    Py_VISIT(self->undo);
    Py_VISIT(self->row_factory);
    return 0;
}

/* Nobody can release it any more: it goes back to its pool, but its owner should hear of it. */
void native_lease_finalize(PyObject *object)
{
    native_connection *self = (native_connection *)object;
    if (self->closed || !pond_connection_id(self->lease))
        return;
    PyObject *type;
    PyObject *value;
    PyObject *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    /* not PyErr_ResourceWarning(): whoever keeps the warning would keep the connection, too */
    if (PyErr_WarnFormat(PyExc_ResourceWarning, 1, "a connection was not released: %R", object))
        PyErr_WriteUnraisable(NULL);
    PyErr_Restore(type, value, traceback);
}

void native_lease_dealloc(PyObject *object)
{
    native_connection *self = (native_connection *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (PyObject_CallFinalizerFromDealloc(object))
        return;
    PyObject_GC_UnTrack(object);
    if (self->weakrefs)
        PyObject_ClearWeakRefs(object);
    pond_connection_release(self->lease);
    native_origin_free(self->origin);
    pond_schema_release(self->schema);
    Py_CLEAR(self->undo);
    Py_CLEAR(self->row_factory);
    Py_CLEAR(self->loop);
    Py_CLEAR(self->pool);
    type->tp_free(object);
    Py_DECREF(type);
}

/* ---- Submit ------------------------------------------------------------------------------ */

/* The event loop that the connection was acquired on must be the running one. */
int native_connection_check_loop(native_connection *self)
{
    if (self->loop->draining)
        return 0; /* the library itself checks the thread */
    native_loop *running = native_running_loop(self->state);
    if (running == self->loop)
        return 0;
    if (running)
        native_raise_text(self->state, POND_EMISUSE,
                          "this connection belongs to another event loop: acquire one in each "
                          "event loop and use it only there");
    return -1;
}

PyObject *native_op_after_submit(native_op *op, int code, pond_error *error)
{
    if (code) {
        native_state *state = op->state;
        op->status = NATIVE_CANCELLED;
        Py_DECREF(op);
        return native_raise(state, code, error);
    }
    native_op_submitted(op);
    return (PyObject *)op;
}

/* The same, for a call that was allowed to complete at once. */
static PyObject *submitted_at_once(native_op *op, int code, pond_error *error)
{
    if (code || pond_op_status(op->op) == POND_PENDING)
        return native_op_after_submit(op, code, error);
    pond_op_wait(op->op, 0, NULL); /* takes it, should it have got into the queue after all */
    op->status = NATIVE_DONE;
    return (PyObject *)op;
}

/* Let it complete at once, if it is short enough, and the event loop has had its turn lately. */
static void allow_at_once(native_connection *self, native_call *call)
{
    if (self->loop->at_once <= 0)
        return;
    self->loop->at_once--;
    call->options.flags |= POND_EXECUTE_AT_ONCE;
    call->options_given = &call->options;
}

int native_wants_shape(const native_connection *self, PyObject *keywords)
{
    if (self->row_factory && self->row_factory != Py_None)
        return 1;
    PyObject *wanted = self->state->str_row_factory;
    for (Py_ssize_t i = 0; keywords && i < PyTuple_GET_SIZE(keywords); i++) {
        PyObject *key = PyTuple_GET_ITEM(keywords, i);
        if (key == wanted || PyUnicode_Compare(key, wanted) == 0)
            return 1;
    }
    return 0;
}

PyObject *native_shaped(PyObject *object, PyObject *const *args, Py_ssize_t count,
                        PyObject *keywords)
{
    native_state *state = ((native_connection *)object)->state;
    PyObject *method = PyObject_GetAttr(object, state->str_execute_shaped);
    PyObject *made = method ? PyObject_Vectorcall(method, args, (size_t)count, keywords) : NULL;
    Py_XDECREF(method);
    return made;
}

static PyObject *submit_execute(native_op_kind kind, PyObject *object, PyObject *const *args,
                                Py_ssize_t count, PyObject *keywords)
{
    native_connection *self = (native_connection *)object;
    native_call call;
    pond_error *error = NULL;
    if (native_connection_check_loop(self) ||
        native_call_read(self, &call, 0, args, count, keywords))
        return NULL;
    if (self->runs_inline)
        allow_at_once(self, &call);
    native_op *op = native_op_new(self->state, self->loop, kind);
    int code =
        op ? pond_connection_execute(self->lease, call.sql, (size_t)call.sql_size, call.values,
                                     call.column_count, call.options_given, op, &op->op, &error)
           : POND_OK;
    int at_once = (call.options.flags & POND_EXECUTE_AT_ONCE) != 0;
    native_call_free(&call);
    if (!op)
        return NULL;
    return at_once ? submitted_at_once(op, code, error) : native_op_after_submit(op, code, error);
}

static PyObject *execute_as(native_op_kind kind, PyObject *object, PyObject *const *args,
                            Py_ssize_t count, PyObject *keywords)
{
    PyObject *op = submit_execute(kind, object, args, count, keywords);
    return native_op_or_error(((native_connection *)object)->state, op);
}

static PyObject *connection_execute(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                    PyObject *keywords)
{
    if (native_wants_shape((native_connection *)object, keywords))
        return native_shaped(object, args, count, keywords);
    return execute_as(NATIVE_OP_RESULT, object, args, count, keywords);
}

static PyObject *connection_execute_plain(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                          PyObject *keywords)
{
    return execute_as(NATIVE_OP_RESULT, object, args, count, keywords);
}

static PyObject *connection_execute_raw(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                        PyObject *keywords)
{
    return execute_as(NATIVE_OP_RAW, object, args, count, keywords);
}

static PyObject *connection_fetch_arrow(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                        PyObject *keywords)
{
    return execute_as(NATIVE_OP_ARROW, object, args, count, keywords);
}

static PyObject *submit_executemany(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                    PyObject *keywords)
{
    native_connection *self = (native_connection *)object;
    native_call call;
    pond_error *error = NULL;
    if (native_connection_check_loop(self) ||
        native_call_read(self, &call, 1, args, count, keywords))
        return NULL;
    native_op *op = native_op_new(self->state, self->loop, NATIVE_OP_RESULT);
    int code = op ? pond_connection_execute_many(self->lease, call.sql, (size_t)call.sql_size,
                                                 call.values, call.row_count, call.column_count,
                                                 call.options_given, op, &op->op, &error)
                  : POND_OK;
    native_call_free(&call);
    return op ? native_op_after_submit(op, code, error) : NULL;
}

static PyObject *connection_executemany(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                        PyObject *keywords)
{
    PyObject *op = submit_executemany(object, args, count, keywords);
    return native_op_or_error(((native_connection *)object)->state, op);
}

static PyObject *submit_transaction(PyObject *object, pond_transaction_verb verb)
{
    native_connection *self = (native_connection *)object;
    pond_error *error = NULL;
    if (native_connection_check_loop(self))
        return NULL;
    native_op *op = native_op_new(self->state, self->loop, NATIVE_OP_NONE);
    if (!op)
        return NULL;
    int code =
        pond_connection_transaction(self->lease, verb, POND_TIMEOUT_DEFAULT, op, &op->op, &error);
    return native_op_after_submit(op, code, error);
}

static PyObject *transaction(PyObject *object, pond_transaction_verb verb)
{
    PyObject *op = submit_transaction(object, verb);
    return native_op_or_error(((native_connection *)object)->state, op);
}

static PyObject *connection_begin(PyObject *object, PyObject *unused)
{
    (void)unused;
    return transaction(object, POND_BEGIN);
}

static PyObject *connection_commit(PyObject *object, PyObject *unused)
{
    (void)unused;
    return transaction(object, POND_COMMIT);
}

static PyObject *connection_rollback(PyObject *object, PyObject *unused)
{
    (void)unused;
    native_connection *self = (native_connection *)object;
    PyObject *op = submit_transaction(object, POND_ROLLBACK);
    if (op)
        Py_XSETREF(self->undo, (native_op *)Py_NewRef(op));
    return native_op_or_error(self->state, op);
}

/* ---- Answers that need no waiting -------------------------------------------------------- */

PyObject *native_lease_in_transaction(native_connection *self)
{
    pond_error *error = NULL;
    int open;
    int code = pond_connection_in_transaction(self->lease, &open, &error);
    return code ? native_raise(self->state, code, error) : PyBool_FromLong(open);
}

PyObject *native_lease_version_details(native_connection *self)
{
    const char *server = pond_connection_server_version(self->lease);
    const char *driver = pond_connection_driver_version(self->lease);
    if (!server || !driver) {
        PyObject *why =
            native_lease_in_transaction(self); /* the same check, which says what is wrong */
        Py_XDECREF(why);
        return why ? native_raise_text(self->state, POND_ESTALE, "the connection is gone") : NULL;
    }
    return Py_BuildValue("{s:s,s:s}", "db_server_version", server, "db_driver", driver);
}

int native_lease_close(native_connection *self)
{
    pond_error *error = NULL;
    int code = pond_connection_close(self->lease, &error);
    if (code) {
        native_raise(self->state, code, error);
        return -1;
    }
    self->closed = 1;
    return 0;
}

/* A rollback that nobody waits for comes first. */
static PyObject *in_transaction_later(native_connection *self)
{
    pond_error *error = NULL;
    native_op *op = native_op_new(self->state, self->loop, NATIVE_OP_OPEN);
    if (!op)
        return NULL;
    op->pool = Py_NewRef((PyObject *)self);
    int code = pond_connection_end_stream(self->lease, POND_TIMEOUT_DEFAULT, op, &op->op, &error);
    return native_op_after_submit(op, code, error);
}

static PyObject *connection_in_transaction(PyObject *object, PyObject *unused)
{
    (void)unused;
    native_connection *self = (native_connection *)object;
    if (native_connection_check_loop(self))
        return NULL;
    if (self->undo && pond_op_status(self->undo->op) == POND_PENDING)
        return in_transaction_later(self);
    Py_CLEAR(self->undo);
    return native_op_ready(self->state, native_lease_in_transaction(self));
}

static PyObject *connection_version(PyObject *object, PyObject *unused)
{
    (void)unused;
    native_connection *self = (native_connection *)object;
    return native_connection_check_loop(self)
               ? NULL
               : native_op_ready(self->state, native_lease_version_details(self));
}

static PyObject *connection_close(PyObject *object, PyObject *unused)
{
    (void)unused;
    native_connection *self = (native_connection *)object;
    return native_lease_close(self) ? NULL : Py_NewRef(self->state->ready_none);
}

PyObject *native_lease_release(PyObject *object, PyObject *unused)
{
    (void)unused;
    native_connection *self = (native_connection *)object;
    if (native_connection_release(self))
        return NULL;
    if (pond_log_pending())
        native_drain_log(self->state);
    return Py_NewRef(self->loop ? self->state->ready_none : Py_None);
}

static PyObject *connection_id(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(pond_connection_id(((native_connection *)object)->lease));
}

/* ---- Types ------------------------------------------------------------------------------- */

static PyMethodDef connection_methods[] = {
    {"execute", FAST(connection_execute),
     "execute($self, sql, params=None, timeout=None, tags=None, *, row_factory=None)\n--\n\n"
     "Execute one statement."},
    {"executemany", FAST(connection_executemany),
     "executemany($self, sql, param_list, timeout=None, tags=None, *, first_row=0)\n--\n\n"
     "Execute sql for each row of param_list."},
    {"fetch_arrow", FAST(connection_fetch_arrow),
     "fetch_arrow($self, sql, params=None, timeout=None, tags=None)\n--\n\n"
     "Execute one statement and return its rows in Arrow's format."},
    {"begin_transaction", connection_begin, METH_NOARGS,
     "begin_transaction($self)\n--\n\nBegin a transaction."},
    {"commit_transaction", connection_commit, METH_NOARGS,
     "commit_transaction($self)\n--\n\nCommit the transaction."},
    {"rollback_transaction", connection_rollback, METH_NOARGS,
     "rollback_transaction($self)\n--\n\nRoll the transaction back."},
    {"in_transaction", connection_in_transaction, METH_NOARGS,
     "in_transaction($self)\n--\n\nTrue while a transaction is open."},
    {"get_version_details", connection_version, METH_NOARGS,
     "get_version_details($self)\n--\n\nThe versions of the server and the driver."},
    {"_execute_raw", FAST(connection_execute_raw), "As execute(), with JSON as text."},
    {"_execute_plain", FAST(connection_execute_plain), "Like execute(), with rows as tuples."},
    {"_stream", FAST(native_connection_stream), "_stream(batch, sql, params, timeout, tags)"},
    {"_fetch", native_connection_fetch, METH_O, "_fetch(timeout)"},
    {"_entity", FAST(native_connection_entity),
     "_entity(verb, entity_name, ...): run a plan, see Schema.plan()."},
    {"_end_stream", native_connection_end_stream, METH_NOARGS, "End the open stream, if any."},
    {"close", connection_close, METH_NOARGS,
     "close($self)\n--\n\nClose the connection instead of giving it back."},
    {"_release", native_lease_release, METH_NOARGS, "Give it back to its pool."},
    {"_hold", (PyCFunction)(void (*)(void))native_connection_hold, METH_FASTCALL,
     "_hold(sql, tags) -> Request: begin a statement that Python runs."},
    {"_tell_transaction", native_connection_note_transaction, METH_O,
     "Python has begun, or ended, a transaction."},
    {"_set_up", native_connection_set_up, METH_NOARGS, "Its session is as the host wants it."},
    {NULL, NULL, 0, NULL},
};

PyGetSetDef native_lease_attributes[] = {
    {"_fresh", native_connection_fresh, NULL, "True for a session that nobody has set up.", NULL},
    {"_host", native_connection_host, NULL, "The backend's own connection; or None.", NULL},
    {"id", connection_id, NULL, "A number that no two open connections share; 0 once released.",
     NULL},
    {"node", native_connection_node, NULL,
     "The number of its node in get_pool_status()[\"nodes\"]; None once released.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyMemberDef native_lease_members[] = {
    {"_pool", T_OBJECT, offsetof(native_connection, pool), READONLY, NULL},
    {"_row_factory", T_OBJECT, offsetof(native_connection, row_factory), 0, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(native_connection, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot connection_slots[] = {
    {Py_tp_methods, connection_methods},
    {Py_tp_getset, native_lease_attributes},
    {Py_tp_members, native_lease_members},
    {Py_tp_traverse, native_lease_traverse},
    {Py_tp_finalize, native_lease_finalize},
    {Py_tp_dealloc, native_lease_dealloc},
    {0, NULL},
};

PyType_Spec native_connection_spec = {
    .name = "millpond._native.Connection",
    .basicsize = sizeof(native_connection),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = connection_slots,
};

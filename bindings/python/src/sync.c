/* The synchronous connection: it waits without the GIL. */
#include "native.h"

PyObject *native_connection_wait(native_connection *self, pond_op *op, native_maker make)
{
    PyObject *rows = NULL;
    if (!native_wait_op(op)) {
        int status = pond_op_status(op);
        rows = status ? native_raise(self->state, status, pond_op_take_error(op))
                      : make(self->state, pond_op_take_result(op));
    }
    pond_op_release(op);
    return rows;
}

/* In the caller's own thread, without an operation. */
static PyObject *run_inline(native_connection *self, const native_call *call, int many,
                            native_maker make)
{
    pond_connection *lease = self->lease;
    pond_result *result = NULL;
    pond_error *error = NULL;
    PyThreadState *saved = native_block();
    int code = many ? pond_connection_execute_many_wait(
                          lease, call->sql, (size_t)call->sql_size, call->values, call->row_count,
                          call->column_count, call->options_given, &result, &error)
                    : pond_connection_execute_wait(lease, call->sql, (size_t)call->sql_size,
                                                   call->values, call->column_count,
                                                   call->options_given, &result, &error);
    if (native_unblock(saved)) {
        pond_result_release(result);
        pond_error_free(error);
        return NULL;
    }
    return code ? native_raise(self->state, code, error) : make(self->state, result);
}

static PyObject *run_and_wait(native_connection *self, const native_call *call, int many,
                              native_maker make)
{
    pond_op *op = NULL;
    pond_error *error = NULL;
    int code =
        many ? pond_connection_execute_many(self->lease, call->sql, (size_t)call->sql_size,
                                            call->values, call->row_count, call->column_count,
                                            call->options_given, NULL, &op, &error)
             : pond_connection_execute(self->lease, call->sql, (size_t)call->sql_size, call->values,
                                       call->column_count, call->options_given, NULL, &op, &error);
    return code ? native_raise(self->state, code, error) : native_connection_wait(self, op, make);
}

static PyObject *sync_run(PyObject *object, PyObject *const *args, Py_ssize_t count,
                          PyObject *keywords, int many, native_maker make)
{
    native_connection *self = (native_connection *)object;
    native_call call;
    if (native_call_read(self, &call, many, args, count, keywords))
        return NULL;
    PyObject *rows = self->runs_inline ? run_inline(self, &call, many, make)
                                       : run_and_wait(self, &call, many, make);
    native_call_free(&call);
    if (pond_log_pending())
        native_drain_log(self->state);
    return rows;
}

static PyObject *sync_execute(PyObject *object, PyObject *const *args, Py_ssize_t count,
                              PyObject *keywords)
{
    if (native_wants_shape((native_connection *)object, keywords))
        return native_shaped(object, args, count, keywords);
    return sync_run(object, args, count, keywords, 0, native_rows);
}

static PyObject *sync_execute_plain(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                    PyObject *keywords)
{
    return sync_run(object, args, count, keywords, 0, native_rows);
}

static PyObject *sync_execute_raw(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                  PyObject *keywords)
{
    return sync_run(object, args, count, keywords, 0, native_raw_rows);
}

static PyObject *sync_fetch_arrow(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                  PyObject *keywords)
{
    return sync_run(object, args, count, keywords, 0, native_arrow);
}

static PyObject *sync_executemany(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                  PyObject *keywords)
{
    return sync_run(object, args, count, keywords, 1, native_rows);
}

static PyObject *sync_transaction(PyObject *object, pond_transaction_verb verb)
{
    native_connection *self = (native_connection *)object;
    pond_connection *lease = self->lease;
    pond_error *error = NULL;
    PyThreadState *saved = native_block();
    int code = pond_connection_transaction_wait(lease, verb, POND_TIMEOUT_DEFAULT, &error);
    return native_blocked(self->state, saved, code, error) ? NULL : Py_NewRef(Py_None);
}

static PyObject *sync_begin(PyObject *object, PyObject *unused)
{
    (void)unused;
    return sync_transaction(object, POND_BEGIN);
}

static PyObject *sync_commit(PyObject *object, PyObject *unused)
{
    (void)unused;
    return sync_transaction(object, POND_COMMIT);
}

static PyObject *sync_rollback(PyObject *object, PyObject *unused)
{
    (void)unused;
    return sync_transaction(object, POND_ROLLBACK);
}

static PyObject *sync_in_transaction(PyObject *object, PyObject *unused)
{
    (void)unused;
    return native_lease_in_transaction((native_connection *)object);
}

static PyObject *sync_version(PyObject *object, PyObject *unused)
{
    (void)unused;
    return native_lease_version_details((native_connection *)object);
}

static PyObject *sync_close(PyObject *object, PyObject *unused)
{
    (void)unused;
    return native_lease_close((native_connection *)object) ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef sync_methods[] = {
    {"execute", FAST(sync_execute),
     "execute($self, sql, params=None, timeout=None, tags=None, *, row_factory=None)\n--\n\n"
     "Execute one statement."},
    {"executemany", FAST(sync_executemany),
     "executemany($self, sql, param_list, timeout=None, tags=None, *, first_row=0)\n--\n\n"
     "Execute sql for each row of param_list."},
    {"fetch_arrow", FAST(sync_fetch_arrow),
     "fetch_arrow($self, sql, params=None, timeout=None, tags=None)\n--\n\n"
     "Execute one statement and return its rows in Arrow's format."},
    {"begin_transaction", sync_begin, METH_NOARGS,
     "begin_transaction($self)\n--\n\nBegin a transaction."},
    {"commit_transaction", sync_commit, METH_NOARGS,
     "commit_transaction($self)\n--\n\nCommit the transaction."},
    {"rollback_transaction", sync_rollback, METH_NOARGS,
     "rollback_transaction($self)\n--\n\nRoll the transaction back."},
    {"in_transaction", sync_in_transaction, METH_NOARGS,
     "in_transaction($self)\n--\n\nTrue while a transaction is open."},
    {"get_version_details", sync_version, METH_NOARGS,
     "get_version_details($self)\n--\n\nThe versions of the server and the driver."},
    {"_execute_raw", FAST(sync_execute_raw), "As execute(), with JSON as text."},
    {"_execute_plain", FAST(sync_execute_plain), "Like execute(), with rows as tuples."},
    {"_stream", FAST(native_sync_stream), "_stream(batch, sql, params, timeout, tags)"},
    {"_fetch", native_sync_fetch, METH_O, "_fetch(timeout)"},
    {"_entity", FAST(native_sync_entity),
     "_entity(verb, entity_name, ...): run a plan, see Schema.plan()."},
    {"_end_stream", native_sync_end_stream, METH_NOARGS, "End the open stream, if any."},
    {"close", sync_close, METH_NOARGS,
     "close($self)\n--\n\nClose the connection instead of giving it back."},
    {"_release", native_lease_release, METH_NOARGS, "Give it back to its pool."},
    {"_check", native_sync_check, METH_NOARGS, "True if it still works."},
    {"_hold", (PyCFunction)(void (*)(void))native_connection_hold, METH_FASTCALL,
     "_hold(sql, tags) -> Request: begin a statement that Python runs."},
    {"_tell_transaction", native_connection_note_transaction, METH_O,
     "Python has begun, or ended, a transaction."},
    {"_set_up", native_connection_set_up, METH_NOARGS, "Its session is as the host wants it."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot sync_slots[] = {
    {Py_tp_methods, sync_methods},
    {Py_tp_getset, native_lease_attributes},
    {Py_tp_members, native_lease_members},
    {Py_tp_traverse, native_lease_traverse},
    {Py_tp_finalize, native_lease_finalize},
    {Py_tp_dealloc, native_lease_dealloc},
    {0, NULL},
};

PyType_Spec native_sync_connection_spec = {
    .name = "millpond._native.SyncConnection",
    .basicsize = sizeof(native_connection),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = sync_slots,
};

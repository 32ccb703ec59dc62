/* Batches of a stream; millpond/_async/stream.py makes iterators of them. */
#include "native.h"

/* The number of rows of a batch is the first argument, those of execute() follow. */
static int read_call(native_connection *self, PyObject *const *args, Py_ssize_t count,
                     PyObject *keywords, size_t *batch, native_call *call)
{
    Py_ssize_t rows = count ? PyNumber_AsSsize_t(args[0], PyExc_OverflowError) : -1;
    if (PyErr_Occurred())
        return -1;
    if (rows < 1) {
        native_raise_text(self->state, POND_EINVAL, "batch must be a positive number of rows");
        return -1;
    }
    *batch = (size_t)rows;
    return native_call_read(self, call, 0, args + 1, count - 1, keywords);
}

static int read_timeout(native_state *state, PyObject *timeout, int64_t *out)
{
    *out = POND_TIMEOUT_DEFAULT;
    return timeout == Py_None ? 0 : native_timeout(state, timeout, out);
}

/* ---- Asynchronous ------------------------------------------------------------------------ */

PyObject *native_connection_stream(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                   PyObject *keywords)
{
    native_connection *self = (native_connection *)object;
    native_call call;
    size_t batch;
    pond_error *error = NULL;
    if (native_connection_check_loop(self) || read_call(self, args, count, keywords, &batch, &call))
        return NULL;
    native_op *op = native_op_new(self->state, self->loop, NATIVE_OP_RESULT);
    int code = op ? pond_connection_stream(self->lease, call.sql, (size_t)call.sql_size,
                                           call.values, call.column_count, batch,
                                           call.options_given, op, &op->op, &error)
                  : POND_OK;
    native_call_free(&call);
    return op ? native_op_after_submit(op, code, error) : NULL;
}

PyObject *native_connection_fetch(PyObject *object, PyObject *timeout)
{
    native_connection *self = (native_connection *)object;
    int64_t timeout_ms;
    pond_error *error = NULL;
    if (native_connection_check_loop(self) || read_timeout(self->state, timeout, &timeout_ms))
        return NULL;
    native_op *op = native_op_new(self->state, self->loop, NATIVE_OP_RESULT);
    if (!op)
        return NULL;
    int code = pond_connection_fetch(self->lease, timeout_ms, op, &op->op, &error);
    return native_op_after_submit(op, code, error);
}

PyObject *native_connection_end_stream(PyObject *object, PyObject *unused)
{
    (void)unused;
    native_connection *self = (native_connection *)object;
    pond_error *error = NULL;
    if (native_connection_check_loop(self))
        return NULL;
    native_op *op = native_op_new(self->state, self->loop, NATIVE_OP_NONE);
    if (!op)
        return NULL;
    op->retrieved = 1; /* an iterator that is dropped looks at no error: the pool sees to it */
    int code = pond_connection_end_stream(self->lease, POND_TIMEOUT_DEFAULT, op, &op->op, &error);
    return native_op_after_submit(op, code, error);
}

/* ---- Synchronous ------------------------------------------------------------------------- */

PyObject *native_sync_stream(PyObject *object, PyObject *const *args, Py_ssize_t count,
                             PyObject *keywords)
{
    native_connection *self = (native_connection *)object;
    native_call call;
    size_t batch;
    pond_op *op = NULL;
    pond_error *error = NULL;
    if (read_call(self, args, count, keywords, &batch, &call))
        return NULL;
    int code =
        pond_connection_stream(self->lease, call.sql, (size_t)call.sql_size, call.values,
                               call.column_count, batch, call.options_given, NULL, &op, &error);
    native_call_free(&call);
    return code ? native_raise(self->state, code, error)
                : native_connection_wait(self, op, native_rows);
}

PyObject *native_sync_fetch(PyObject *object, PyObject *timeout)
{
    native_connection *self = (native_connection *)object;
    int64_t timeout_ms;
    pond_op *op = NULL;
    pond_error *error = NULL;
    if (read_timeout(self->state, timeout, &timeout_ms))
        return NULL;
    int code = pond_connection_fetch(self->lease, timeout_ms, NULL, &op, &error);
    return code ? native_raise(self->state, code, error)
                : native_connection_wait(self, op, native_rows);
}

PyObject *native_sync_end_stream(PyObject *object, PyObject *unused)
{
    (void)unused;
    native_connection *self = (native_connection *)object;
    pond_connection *lease = self->lease;
    pond_error *error = NULL;
    PyThreadState *saved = native_block();
    int code = pond_connection_end_stream_wait(lease, POND_TIMEOUT_DEFAULT, &error);
    return native_blocked(self->state, saved, code, error) ? NULL : Py_NewRef(Py_None);
}

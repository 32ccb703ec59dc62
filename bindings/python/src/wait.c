/* Blocking calls, and how a signal whose handler raises ends them. */
#include "native.h"

/* ---- On an operation of a private loop --------------------------------------------------- */

/* A signal that comes right before the wait does not interrupt it. */
enum { LOOK_MS = 250 };

int native_wait_op(pond_op *op)
{
    int stopped = 0;
    for (;;) {
        pond_error *error = NULL;
        int code;
        Py_BEGIN_ALLOW_THREADS
            code = pond_op_wait(op, LOOK_MS, &error);
        Py_END_ALLOW_THREADS
        pond_error_free(error);
        if (code != POND_EAGAIN)
            return stopped ? -1 : 0;
        if (!stopped && PyErr_CheckSignals()) {
            stopped = 1;
            pond_op_cancel(op);
        }
    }
}

int native_waited(native_state *state, pond_op *op, int code, pond_error *error)
{
    if (!code && native_wait_op(op))
        return -1;
    if (!code) {
        code = pond_op_status(op);
        error = code ? pond_op_take_error(op) : NULL;
    }
    if (code)
        native_raise(state, code, error);
    return code;
}

/* ---- Inside the library ------------------------------------------------------------------ */

static int interpreter_ends(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
}

/* Asked by the library on the blocked thread. An exception that is set already was told before. */
static int handler_raised(void *data)
{
    PyThreadState *saved = data;
    if (interpreter_ends())
        return 1; /* a daemon thread: nobody waits for its answer any more */
    PyEval_RestoreThread(saved);
    int raised = !PyErr_Occurred() && PyErr_CheckSignals();
    PyEval_SaveThread();
    pond_thread_set_interrupt(handler_raised, saved); /* the handler may have blocked, too */
    return raised;
}

PyThreadState *native_block(void)
{
    PyThreadState *saved = PyEval_SaveThread();
    pond_thread_set_interrupt(handler_raised, saved);
    return saved;
}

int native_unblock(PyThreadState *saved)
{
    pond_thread_set_interrupt(NULL, NULL);
    PyEval_RestoreThread(saved);
    return PyErr_Occurred() ? -1 : 0;
}

int native_blocked(native_state *state, PyThreadState *saved, int code, pond_error *error)
{
    if (native_unblock(saved))
        pond_error_free(error);
    else if (code)
        native_raise(state, code, error);
    else
        return 0;
    return -1;
}

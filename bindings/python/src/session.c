/* millpond.Session: which positions a user of the program must see, and whose code runs here.
 *
 * The context variable has a tuple (session, what it had before), so that contexts that were copied
 * inside of a `with` block, as tasks do, can leave it, too. */
#include "native.h"

typedef struct native_session {
    PyObject_HEAD native_state *state;
    pond_session *session;
} native_session;

/* ---- Create and destroy ------------------------------------------------------------------ */

/* The text of a token; NULL with an exception set. */
static const char *token_text(native_state *state, PyObject *given)
{
    Py_ssize_t size;
    if (!PyUnicode_Check(given)) {
        native_raise_text(state, POND_EINVAL, "the token of a session must be a str, not %s",
                          Py_TYPE(given)->tp_name);
        return NULL;
    }
    const char *text = PyUnicode_AsUTF8AndSize(given, &size);
    if (text && strlen(text) == (size_t)size)
        return text;
    PyErr_Clear(); /* a lone surrogate, say */
    native_raise_text(state, POND_EINVAL,
                      "this text is no token of a session: it has characters "
                      "that no token has");
    return NULL;
}

static PyObject *session_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"token", NULL};
    native_state *state = native_state_of(type);
    PyObject *token = Py_None;
    const char *text = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O", names, &token))
        return NULL;
    if (token != Py_None && !(text = token_text(state, token)))
        return NULL;
    pond_session *session = NULL;
    pond_error *error = NULL;
    int code = pond_session_new(text, &session, &error);
    if (code)
        return native_raise(state, code, error);
    native_session *self = (native_session *)type->tp_alloc(type, 0);
    if (!self) {
        pond_session_release(session);
        return NULL;
    }
    self->state = state;
    self->session = session;
    state->sessions++;
    return (PyObject *)self;
}

static void session_dealloc(PyObject *object)
{
    native_session *self = (native_session *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    pond_session_release(self->session);
    self->state->sessions--;
    type->tp_free(object);
    Py_DECREF(type);
}

/* ---- Tokens ------------------------------------------------------------------------------ */

static PyObject *session_text(PyObject *object)
{
    native_session *self = (native_session *)object;
    char *text = NULL;
    pond_error *error = NULL;
    int code = pond_session_token(self->session, &text, &error);
    if (code)
        return native_raise(self->state, code, error);
    PyObject *token = PyUnicode_FromString(text);
    pond_string_free(text);
    return token;
}

static PyObject *session_token(PyObject *object, void *unused)
{
    (void)unused;
    return session_text(object);
}

static PyObject *session_repr(PyObject *object)
{
    PyObject *token = session_text(object);
    if (!token)
        return NULL;
    PyObject *shown = PyUnicode_FromFormat("<millpond.Session: a token of %zd characters>",
                                           PyUnicode_GET_LENGTH(token));
    Py_DECREF(token);
    return shown;
}

static PyObject *session_merge(PyObject *object, PyObject *other)
{
    native_session *self = (native_session *)object;
    PyObject *token = Py_TYPE(other) == Py_TYPE(object) ? session_text(other) : Py_NewRef(other);
    const char *text = token ? token_text(self->state, token) : NULL;
    pond_error *error = NULL;
    int code = text ? pond_session_merge(self->session, text, &error) : POND_OK;
    Py_XDECREF(token);
    if (!text)
        return NULL;
    return code ? native_raise(self->state, code, error) : Py_NewRef(Py_None);
}

/* For pickle and copy: a session of its own that has seen the same. */
static PyObject *session_reduce(PyObject *object, PyObject *unused)
{
    (void)unused;
    PyObject *token = session_text(object);
    return token ? Py_BuildValue("O(N)", Py_TYPE(object), token) : NULL;
}

/* ---- The context ------------------------------------------------------------------------- */

int native_session_look(native_state *state, pond_session **out)
{
    PyObject *entry = NULL;
    *out = NULL;
    if (!state->session_variable)
        return 0; /* the module is being torn down */
    if (PyContextVar_Get(state->session_variable, NULL, &entry))
        return -1;
    if (entry && entry != Py_None)
        *out = ((native_session *)PyTuple_GET_ITEM(entry, 0))->session;
    Py_XDECREF(entry); /* the context holds it */
    return 0;
}

/* What the variable has, None without; a reference. */
static PyObject *entry_here(native_state *state)
{
    PyObject *entry = NULL;
    if (PyContextVar_Get(state->session_variable, Py_None, &entry))
        return NULL;
    return entry;
}

static int set_entry(native_state *state, PyObject *entry)
{
    PyObject *token = entry ? PyContextVar_Set(state->session_variable, entry) : NULL;
    Py_XDECREF(entry);
    Py_XDECREF(token);
    return token ? 0 : -1;
}

static PyObject *session_enter(PyObject *object, PyObject *unused)
{
    (void)unused;
    native_state *state = ((native_session *)object)->state;
    PyObject *before = entry_here(state);
    if (!before || set_entry(state, Py_BuildValue("(ON)", object, before)))
        return NULL;
    return Py_NewRef(object);
}

/* `entry` without the innermost one of `session`; a reference. The block may be left out of order,
 * or in a context that never entered it: generators can do that. */
static PyObject *without(PyObject *entry, PyObject *session)
{
    if (entry == Py_None)
        return Py_NewRef(entry);
    PyObject *before = PyTuple_GET_ITEM(entry, 1);
    if (PyTuple_GET_ITEM(entry, 0) == session)
        return Py_NewRef(before);
    if (Py_EnterRecursiveCall(" while a session is left"))
        return NULL;
    PyObject *rest = without(before, session);
    Py_LeaveRecursiveCall();
    return rest ? Py_BuildValue("(ON)", PyTuple_GET_ITEM(entry, 0), rest) : NULL;
}

static PyObject *session_exit(PyObject *object, PyObject *args)
{
    (void)args;
    native_state *state = ((native_session *)object)->state;
    PyObject *entry = entry_here(state);
    PyObject *left = entry ? without(entry, object) : NULL;
    Py_XDECREF(entry);
    return left && set_entry(state, left) == 0 ? Py_NewRef(Py_None) : NULL;
}

static PyObject *session_current(PyObject *class, PyObject *unused)
{
    (void)unused;
    native_state *state = native_state_of((PyTypeObject *)class);
    PyObject *entry = state ? entry_here(state) : NULL;
    if (!entry || entry == Py_None)
        return entry;
    PyObject *session = Py_NewRef(PyTuple_GET_ITEM(entry, 0));
    Py_DECREF(entry);
    return session;
}

/* ---- The type ---------------------------------------------------------------------------- */

static PyMethodDef session_methods[] = {
    {"merge", session_merge, METH_O,
     "merge($self, token, /)\n--\n\n"
     "See what another session has seen, too: a token's, or another Session's."},
    {"current", session_current, METH_NOARGS | METH_CLASS,
     "current($type, /)\n--\n\n"
     "The session whose with block the caller is in, or None."},
    {"__reduce__", session_reduce, METH_NOARGS, NULL},
    {"__enter__", session_enter, METH_NOARGS, NULL},
    {"__exit__", session_exit, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef session_attributes[] = {
    {"token", session_token, NULL,
     "What was seen so far, as text for a cookie, a header or a message.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot session_slots[] = {
    {Py_tp_doc, "Session(token=None)\n--\n\n"
                "What one user of the program has written and read, for reads of replicas."},
    {Py_tp_new, session_new},
    {Py_tp_str, session_text},
    {Py_tp_repr, session_repr},
    {Py_tp_methods, session_methods},
    {Py_tp_getset, session_attributes},
    {Py_tp_traverse, native_traverse_type},
    {Py_tp_dealloc, session_dealloc},
    {0, NULL},
};

PyType_Spec native_session_spec = {
    .name = "millpond._native.Session",
    .basicsize = sizeof(native_session),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = session_slots,
};

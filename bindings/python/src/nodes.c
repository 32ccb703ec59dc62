/* The nodes of a database, as dicts. */
#include "native.h"

/* What is not known is None. */
static PyObject *known(double number)
{
    return number < 0 ? Py_NewRef(Py_None) : PyFloat_FromDouble(number);
}

static PyObject *known_bytes(double number)
{
    return number < 0 ? Py_NewRef(Py_None) : PyLong_FromDouble(number);
}

static PyObject *node_dict(const pond_node *at)
{
    typedef unsigned long long count;
    return Py_BuildValue(
        "{s:s,s:s,s:s,s:N,s:N,s:s,s:s,s:d,s:N,s:N,s:N,s:N,s:K,s:K,s:K,s:K,s:K,s:K,s:I,s:I,s:I,s:I}",
        "address", at->address, "role", at->role, "region", at->region, "is_primary",
        PyBool_FromLong(at->is_primary), "is_healthy", PyBool_FromLong(at->is_healthy), "problem",
        at->problem, "position", at->position, "weight", at->weight, "lag_seconds",
        known(at->lag_seconds), "lag_bytes", known_bytes(at->lag_bytes), "latency_seconds",
        known(at->latency_seconds), "report_age_seconds", known(at->report_age_seconds), "reads",
        (count)at->reads, "fallbacks", (count)at->fallbacks, "waits", (count)at->waits, "missed",
        (count)at->missed, "ejections", (count)at->ejections, "failures", (count)at->failures,
        "size", at->size, "idle", at->idle, "in_use", at->in_use, "waiting", at->waiting);
}

static PyObject *node_at(native_state *state, const pond_nodes *nodes, size_t number)
{
    pond_node at = {.struct_size = sizeof(at)};
    pond_error *error = NULL;
    int code = pond_nodes_read(nodes, number, &at, &error);
    return code ? native_raise(state, code, error) : node_dict(&at);
}

PyObject *native_pool_nodes(PyObject *object, PyObject *unused)
{
    (void)unused;
    native_pool *self = (native_pool *)object;
    pond_nodes *nodes = NULL;
    pond_error *error = NULL;
    int code = pond_pool_nodes(self->pool, &nodes, &error);
    if (code)
        return native_raise(self->state, code, error);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < pond_nodes_count(nodes); i++) {
        PyObject *node = node_at(self->state, nodes, i);
        if (!node || PyList_Append(list, node))
            Py_CLEAR(list);
        Py_XDECREF(node);
    }
    pond_nodes_free(nodes);
    return list;
}

PyObject *native_connection_node(PyObject *object, void *unused)
{
    (void)unused;
    int number = pond_connection_node(((native_connection *)object)->lease);
    return number < 0 ? Py_NewRef(Py_None) : PyLong_FromLong(number);
}

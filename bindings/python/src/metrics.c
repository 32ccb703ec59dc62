/* What the library counts and times, as plain Python objects; millpond.metrics gives them form. */
#include "native.h"

static PyObject *durations(const pond_metric *metric)
{
    double mean = metric->count ? metric->sum / (double)metric->count : 0;
    return Py_BuildValue("{s:K,s:d,s:d,s:d,s:d,s:d}", "count", (unsigned long long)metric->count,
                         "mean", mean, "p50", metric->p50, "p95", metric->p95, "p99", metric->p99,
                         "max", metric->max);
}

/* (name, value of the label, number or durations) */
static PyObject *sample(const pond_metric *metric)
{
    PyObject *label =
        PyUnicode_DecodeUTF8(metric->value, (Py_ssize_t)strlen(metric->value), "replace");
    PyObject *value = metric->kind == POND_METRIC_HISTOGRAM ? durations(metric)
                                                            : PyFloat_FromDouble(metric->number);
    return Py_BuildValue("(sNN)", metric->name, label, value);
}

static PyObject *samples(native_state *state, pond_pool *pool)
{
    pond_metrics *metrics = NULL;
    pond_error *error = NULL;
    int code = pond_metrics_take(pool, &metrics, &error);
    if (code)
        return native_raise(state, code, error);
    size_t count = pond_metrics_count(metrics);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list && i < count; i++) {
        pond_metric metric = {.struct_size = sizeof(metric)};
        pond_metrics_read(metrics, i, &metric, NULL);
        PyObject *item = sample(&metric);
        if (item)
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        else
            Py_CLEAR(list);
    }
    pond_metrics_free(metrics);
    return list;
}

PyObject *native_pool_samples(PyObject *object, PyObject *unused)
{
    (void)unused;
    native_pool *self = (native_pool *)object;
    return samples(self->state, self->pool);
}

PyObject *native_pool_scaling(PyObject *object, PyObject *unused)
{
    (void)unused;
    native_pool *self = (native_pool *)object;
    pond_scaling_signal at = {.struct_size = sizeof(at)};
    pond_error *error = NULL;
    int code = pond_pool_scaling(self->pool, &at, &error);
    if (code)
        return native_raise(self->state, code, error);
    typedef unsigned long long count;
    return Py_BuildValue(
        "{s:I,s:s,s:I,s:s,s:I,s:s,s:d,s:K,s:K,s:I,s:d,s:d,s:d,s:d,s:d,s:d}", "level", at.level,
        "interpretation", pond_scaling_level_text(at.level), "action", at.action,
        "suggested_action", pond_scaling_action_text(at.action), "saturation", at.saturation,
        "cause", pond_saturation_text(at.saturation), "timeout_rate", at.timeout_rate, "attempts",
        (count)at.attempts, "timeouts", (count)at.timeouts, "waiting", at.waiting, "window_seconds",
        at.window_seconds, "utilization", at.utilization, "acquires_per_second",
        at.acquires_per_second, "queries_per_second", at.queries_per_second, "mean_wait",
        at.mean_wait_seconds, "mean_query", at.mean_query_seconds);
}

static PyObject *process_samples(PyObject *module, PyObject *unused)
{
    (void)unused;
    return samples(PyModule_GetState(module), NULL);
}

static PyObject *prometheus(PyObject *module, PyObject *unused)
{
    (void)unused;
    char *text;
    size_t size;
    pond_error *error = NULL;
    int code = pond_metrics_prometheus(&text, &size, &error);
    if (code)
        return native_raise(PyModule_GetState(module), code, error);
    PyObject *out = PyUnicode_DecodeUTF8(text, (Py_ssize_t)size, "replace");
    pond_string_free(text);
    return out;
}

static PyMethodDef functions[] = {
    {"process_samples", process_samples, METH_NOARGS,
     "process_samples() -> [(name, label, number or durations)] of all pools together"},
    {"prometheus", prometheus, METH_NOARGS, "prometheus() -> str"},
    {NULL, NULL, 0, NULL},
};

int native_add_metrics(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}

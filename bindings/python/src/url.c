/* Connection URLs, for DatabaseConfig.from_url. */
#include "native.h"

/* Settings by name; none once one could not be kept. */
static void add_setting(void *data, const char *key, const char *value)
{
    PyObject **settings = data;
    if (!*settings)
        return;
    PyObject *text = PyUnicode_FromString(value);
    if (!text || PyDict_SetItemString(*settings, key, text))
        Py_CLEAR(*settings);
    Py_XDECREF(text);
}

PyObject *native_parse_url(PyObject *module, PyObject *args)
{
    const char *url;
    pond_error *error = NULL;
    if (!PyArg_ParseTuple(args, "s", &url)) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError))
            return NULL;
        const char *what = PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)
                               ? "the URL contains a lone surrogate, which is not a character"
                               : "the URL contains a NUL character";
        PyErr_Clear(); /* it may hold the URL, with the password */
        return native_raise_text(PyModule_GetState(module), POND_EINVAL, "%s", what);
    }
    PyObject *settings = PyDict_New();
    int code = settings ? pond_url_parse(url, add_setting, &settings, &error) : POND_ENOMEM;
    if (!PyErr_Occurred() && code)
        native_raise(PyModule_GetState(module), code, error);
    else
        pond_error_free(error);
    if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        native_raise_text(PyModule_GetState(module), POND_EINVAL,
                          "the URL has bytes that are not UTF-8 as percent escapes");
    }
    if (PyErr_Occurred())
        Py_CLEAR(settings);
    return settings;
}

/* driver_fact(driver, fact) -> str or None: see pond_driver_fact(). */
PyObject *native_driver_fact(PyObject *module, PyObject *args)
{
    const char *driver;
    const char *fact;
    (void)module;
    if (!PyArg_ParseTuple(args, "ss", &driver, &fact))
        return NULL;
    const char *found = pond_driver_fact(driver, fact);
    if (!found)
        Py_RETURN_NONE;
    return PyUnicode_FromString(found);
}

/* Python objects to values. */
#include <math.h>

#include "native.h"

#include <datetime.h>

static int to_value(native_state *state, PyObject *object, Py_ssize_t number, int depth,
                    pond_value *out, PyObject **held);

static int fail(native_state *state, int code, Py_ssize_t number, const char *what)
{
    native_raise_text(state, code, "parameter %zd %s", number, what);
    return -1;
}

static int hold(PyObject **held, PyObject *object)
{
    if (!*held && !(*held = PyList_New(0)))
        return -1;
    return PyList_Append(*held, object);
}

/* Another thread, or the code of a parameter, may change a list while values point into its items.
 */
PyObject *native_frozen(PyObject *row, PyObject **held)
{
    if (PyTuple_Check(row))
        return row;
    PyObject *copy = PySequence_Tuple(row);
    int failed = !copy || hold(held, copy);
    Py_XDECREF(copy);
    return failed ? NULL : copy;
}

static void set_text(pond_value *out, pond_type type, const char *data, Py_ssize_t size)
{
    out->type = (uint32_t)type;
    out->as.text.data = data;
    out->as.text.size = (size_t)size;
}

static void set_integer(pond_value *out, pond_type type, int64_t value)
{
    out->type = (uint32_t)type;
    out->as.integer = value;
}

/* ---- Text and numbers -------------------------------------------------------------------- */

static int from_str(native_state *state, PyObject *object, Py_ssize_t number, pond_type type,
                    pond_value *out)
{
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(object, &size);
    if (text) {
        set_text(out, type, text, size);
        return 0;
    }
    if (!PyErr_ExceptionMatches(PyExc_UnicodeError))
        return -1;
    PyErr_Clear();
    return fail(state, POND_EDATA, number,
                "contains a lone surrogate, which is not a character: remove it, or pass bytes");
}

static int from_int(native_state *state, PyObject *object, Py_ssize_t number, pond_value *out)
{
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (value == -1 && PyErr_Occurred())
        return -1;
    if (overflow)
        return fail(state, POND_ERANGE, number,
                    "does not fit into 64 bits: pass a Decimal for more digits");
    set_integer(out, POND_TYPE_INT64, value);
    return 0;
}

/* Text that is made here and lives in `held`; `made` is taken over. */
static int from_made_text(native_state *state, PyObject *made, Py_ssize_t number, pond_type type,
                          pond_value *out, PyObject **held)
{
    if (!made)
        return -1;
    int failed = hold(held, made) || from_str(state, made, number, type, out);
    Py_DECREF(made);
    return failed ? -1 : 0;
}

static int from_buffer(native_state *state, PyObject *object, Py_ssize_t number, pond_value *out,
                       PyObject **held)
{
    PyObject *bytes = PyBytes_FromObject(object); /* a copy: the buffer may be changed or freed */
    (void)state;
    (void)number;
    if (!bytes || hold(held, bytes)) {
        Py_XDECREF(bytes);
        return -1;
    }
    set_text(out, POND_TYPE_BYTES, PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
    return 0;
}

/* ---- Dates and times --------------------------------------------------------------------- */

static int64_t time_us(int hour, int minute, int second, int microsecond)
{
    return ((hour * 60 + minute) * 60 + second) * INT64_C(1000000) + microsecond;
}

/* Seconds east of UTC; *aware tells whether there is a zone at all. */
static int utc_offset(PyObject *object, int64_t *us, int *aware)
{
    PyObject *offset = PyObject_CallMethod(object, "utcoffset", NULL);
    *aware = 0;
    *us = 0;
    if (!offset)
        return -1;
    if (PyDelta_Check(offset)) {
        *aware = 1;
        *us = (PyDateTime_DELTA_GET_DAYS(offset) * INT64_C(86400) +
               PyDateTime_DELTA_GET_SECONDS(offset)) *
                  1000000 +
              PyDateTime_DELTA_GET_MICROSECONDS(offset);
    }
    Py_DECREF(offset);
    return 0;
}

/* Of a date or datetime, which Python has checked. */
static int64_t days_of(PyObject *object)
{
    int64_t days;
    pond_date_to_days(PyDateTime_GET_YEAR(object), PyDateTime_GET_MONTH(object),
                      PyDateTime_GET_DAY(object), &days);
    return days;
}

static int from_datetime(PyObject *object, pond_value *out)
{
    int64_t offset = 0;
    int aware = 0;
    if (PyDateTime_DATE_GET_TZINFO(object) != Py_None && utc_offset(object, &offset, &aware))
        return -1;
    int64_t us =
        days_of(object) * POND_US_PER_DAY +
        time_us(PyDateTime_DATE_GET_HOUR(object), PyDateTime_DATE_GET_MINUTE(object),
                PyDateTime_DATE_GET_SECOND(object), PyDateTime_DATE_GET_MICROSECOND(object));
    set_integer(out, aware ? POND_TYPE_TIMESTAMPTZ : POND_TYPE_TIMESTAMP, us - offset);
    return 0;
}

static int from_time(native_state *state, PyObject *object, Py_ssize_t number, pond_value *out)
{
    int64_t offset = 0;
    int aware = 0;
    if (PyDateTime_TIME_GET_TZINFO(object) != Py_None && utc_offset(object, &offset, &aware))
        return -1;
    set_integer(out, POND_TYPE_TIME,
                time_us(PyDateTime_TIME_GET_HOUR(object), PyDateTime_TIME_GET_MINUTE(object),
                        PyDateTime_TIME_GET_SECOND(object),
                        PyDateTime_TIME_GET_MICROSECOND(object)));
    if (offset % 1000000) {
        native_raise_text(state, POND_ERANGE,
                          "parameter %zd is a time whose UTC offset has a fraction of a second, "
                          "which no database can store: use an offset of whole seconds",
                          number);
        return -1;
    }
    if (aware)
        out->aux = offset ? (int32_t)(offset / 1000000) : POND_ZONE_UTC;
    return 0;
}

static int from_timedelta(native_state *state, PyObject *object, Py_ssize_t number, pond_value *out)
{
    out->type = POND_TYPE_INTERVAL;
    out->as.interval.days = PyDateTime_DELTA_GET_DAYS(object);
    out->as.interval.microseconds = PyDateTime_DELTA_GET_SECONDS(object) * INT64_C(1000000) +
                                    PyDateTime_DELTA_GET_MICROSECONDS(object);
    if (PyObject_TypeCheck(object, (PyTypeObject *)state->interval_type)) {
        PyObject *months = PyObject_GetAttrString(object, "months");
        int overflow = 0;
        long count = months ? PyLong_AsLongAndOverflow(months, &overflow) : -1;
        Py_XDECREF(months);
        if (count == -1 && PyErr_Occurred())
            return -1;
        if (overflow || count < INT32_MIN || count > INT32_MAX)
            return fail(state, POND_ERANGE, number, "has more months than fit into 32 bits");
        out->aux = (int32_t)count;
    }
    return 0;
}

static int from_date(PyObject *object, pond_value *out)
{
    set_integer(out, POND_TYPE_DATE, days_of(object));
    return 0;
}

/* ---- Compound ---------------------------------------------------------------------------- */

static int from_uuid(PyObject *object, pond_value *out)
{
    PyObject *bytes = PyObject_GetAttrString(object, "bytes");
    if (!bytes)
        return -1;
    int right = PyBytes_Check(bytes) && PyBytes_GET_SIZE(bytes) == 16;
    if (right) {
        out->type = POND_TYPE_UUID;
        memcpy(out->as.uuid, PyBytes_AS_STRING(bytes), 16);
    } else {
        PyErr_SetString(PyExc_TypeError, "UUID.bytes is not 16 bytes");
    }
    Py_DECREF(bytes);
    return right ? 0 : -1;
}

static int too_deep(native_state *state, Py_ssize_t number)
{
    return fail(state, POND_EPARAMS, number, "is nested too deeply, or contains itself");
}

static int from_sequence(native_state *state, PyObject *object, Py_ssize_t number, int depth,
                         pond_value *out, PyObject **held)
{
    enum { DEEPEST = 16 }; /* as the library's own limit */
    if (depth >= DEEPEST)
        return too_deep(state, number);
    object = native_frozen(object, held);
    if (!object)
        return -1;
    Py_ssize_t count = PyTuple_GET_SIZE(object);
    PyObject *memory = PyBytes_FromStringAndSize(NULL, count * (Py_ssize_t)sizeof(pond_value) + 16);
    if (!memory || hold(held, memory)) {
        Py_XDECREF(memory);
        return -1;
    }
    Py_DECREF(memory);
    uintptr_t start = ((uintptr_t)PyBytes_AS_STRING(memory) + 15) & ~(uintptr_t)15;
    pond_value *items = (pond_value *)start;
    int failed = 0;
    for (Py_ssize_t i = 0; i < count && !failed; i++)
        failed = to_value(state, PyTuple_GET_ITEM(object, i), number, depth + 1, &items[i], held);
    out->type = POND_TYPE_ARRAY;
    out->as.array.items = items;
    out->as.array.count = (size_t)count;
    return failed;
}

static int from_dict(native_state *state, PyObject *object, Py_ssize_t number, pond_value *out,
                     PyObject **held)
{
    PyObject *text = PyObject_CallOneArg(state->json_dumps, object);
    if (!text && PyErr_ExceptionMatches(PyExc_RecursionError)) {
        PyErr_Clear();
        return too_deep(state, number);
    }
    if (!text &&
        (PyErr_ExceptionMatches(PyExc_TypeError) || PyErr_ExceptionMatches(PyExc_ValueError))) {
        PyObject *type;
        PyObject *value;
        PyObject *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        native_raise_text(state, POND_EPARAMS, "parameter %zd cannot be written as JSON: %S",
                          number, value ? value : Py_None);
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(traceback);
    }
    return from_made_text(state, text, number, POND_TYPE_JSON, out, held);
}

/* ---- Any --------------------------------------------------------------------------------- */

/* Its fields can be read as those of Python's own classes: subclasses of others may have more. */
static int has_plain_time(native_state *state, PyObject *object)
{
    return PyDateTime_CheckExact(object) || PyDelta_CheckExact(object) ||
           PyObject_TypeCheck(object, (PyTypeObject *)state->interval_type) ||
           !(PyDateTime_Check(object) || PyDelta_Check(object));
}

static int is_time(PyObject *object)
{
    return PyDate_Check(object) || PyTime_Check(object) || PyDelta_Check(object);
}

static int from_plain_time(native_state *state, PyObject *object, Py_ssize_t number,
                           pond_value *out)
{
    if (PyDateTime_Check(object))
        return from_datetime(object, out);
    if (PyDate_Check(object))
        return from_date(object, out);
    if (PyTime_Check(object))
        return from_time(state, object, number, out);
    return from_timedelta(state, object, number, out);
}

static int refuse_type(native_state *state, PyObject *object, Py_ssize_t number)
{
    native_raise_text(
        state, POND_EPARAMS,
        "parameter %zd has the type %.100s, which cannot be sent to a database: convert it to "
        "str, int, float, Decimal, bytes, a date or time, UUID, dict or list",
        number, Py_TYPE(object)->tp_name);
    return -1;
}

/* What is of numpy or pandas, or a member of an Enum, by way of Python's own types. */
static int from_foreign(native_state *state, PyObject *object, Py_ssize_t number, int depth,
                        pond_value *out, PyObject **held)
{
    PyObject *given = PyLong_FromSsize_t(number);
    PyObject *args[] = {object, given};
    PyObject *plain = given ? PyObject_Vectorcall(state->plain, args, 2, NULL) : NULL;
    Py_XDECREF(given);
    if (!plain)
        return -1;
    int failed;
    if (plain != object)
        failed = hold(held, plain) || to_value(state, plain, number, depth, out, held);
    else if (is_time(object))
        failed = from_plain_time(state, object, number, out);
    else
        failed = refuse_type(state, object, number);
    Py_DECREF(plain);
    return failed ? -1 : 0;
}

static int from_special(native_state *state, PyObject *object, Py_ssize_t number, int depth,
                        pond_value *out, PyObject **held)
{
    if (is_time(object))
        return has_plain_time(state, object)
                   ? from_plain_time(state, object, number, out)
                   : from_foreign(state, object, number, depth, out, held);
    if (PyObject_TypeCheck(object, (PyTypeObject *)state->decimal_type))
        return from_made_text(state, PyObject_Str(object), number, POND_TYPE_DECIMAL, out, held);
    if (PyObject_TypeCheck(object, (PyTypeObject *)state->uuid_type))
        return from_uuid(object, out);
    if (PyDict_Check(object))
        return from_dict(state, object, number, out, held);
    if (PyList_Check(object) || PyTuple_Check(object))
        return from_sequence(state, object, number, depth, out, held);
    if (PyByteArray_Check(object) || PyMemoryView_Check(object))
        return from_buffer(state, object, number, out, held);
    return from_foreign(state, object, number, depth, out, held);
}

static int to_value(native_state *state, PyObject *object, Py_ssize_t number, int depth,
                    pond_value *out, PyObject **held)
{
    out->type = POND_TYPE_NULL;
    out->aux = 0;
    if (object == Py_None)
        return 0;
    if (PyUnicode_Check(object))
        return from_str(state, object, number, POND_TYPE_TEXT, out);
    if (PyBool_Check(object)) {
        set_integer(out, POND_TYPE_BOOL, object == Py_True);
        return 0;
    }
    if (PyLong_Check(object))
        return from_int(state, object, number, out);
    if (PyFloat_Check(object)) {
        out->type = POND_TYPE_DOUBLE;
        out->as.real = PyFloat_AS_DOUBLE(object);
        return 0;
    }
    if (PyBytes_Check(object)) {
        set_text(out, POND_TYPE_BYTES, PyBytes_AS_STRING(object), PyBytes_GET_SIZE(object));
        return 0;
    }
    return from_special(state, object, number, depth, out, held);
}

int native_to_value(native_state *state, PyObject *object, Py_ssize_t number, pond_value *out,
                    PyObject **held)
{
    return to_value(state, object, number, 0, out, held);
}

int native_init_params(void)
{
    PyDateTime_IMPORT;
    return PyDateTimeAPI ? 0 : -1;
}

/* Values to Python objects. */

#include "native.h"

#include <datetime.h>

/* ---- Dates and times --------------------------------------------------------------------- */

static PyObject *out_of_calendar(native_state *state, int64_t value, const char *what)
{
    const char *which = value == POND_TIME_INFINITY       ? "infinity"
                        : value == POND_TIME_NEG_INFINITY ? "-infinity"
                                                          : "outside the years 1 to 9999";
    return native_raise_text(state, POND_EDATA,
                             "a %s is %s, which Python's datetime cannot hold: "
                             "cast it to text in the statement",
                             what, which);
}

static PyObject *to_date(native_state *state, int64_t days)
{
    int year;
    int month;
    int day;
    if (pond_date_from_days(days, &year, &month, &day))
        return out_of_calendar(state, days, "date");
    return PyDate_FromDate(year, month, day);
}

static PyObject *to_time(native_state *state, int64_t us, PyObject *zone)
{
    if (us == POND_US_PER_DAY)
        return native_raise_text(state, POND_EDATA,
                                 "the time is 24:00, which Python's time cannot hold: cast it to "
                                 "text in the statement");
    if (us < 0 || us > POND_US_PER_DAY)
        return native_raise_text(state, POND_EDATA, "a time is longer than a day");
    int64_t seconds = us / 1000000;
    return PyDateTimeAPI->Time_FromTime((int)(seconds / 3600), (int)(seconds / 60 % 60),
                                        (int)(seconds % 60), (int)(us % 1000000), zone,
                                        PyDateTimeAPI->TimeType);
}

static PyObject *to_zoned_time(native_state *state, const pond_value *value)
{
    if (!value->aux)
        return to_time(state, value->as.integer, Py_None);
    if (value->aux == POND_ZONE_UTC)
        return to_time(state, value->as.integer, PyDateTime_TimeZone_UTC);
    PyObject *delta = PyDelta_FromDSU(0, value->aux, 0);
    PyObject *zone = delta ? PyTimeZone_FromOffset(delta) : NULL;
    PyObject *time = zone ? to_time(state, value->as.integer, zone) : NULL;
    Py_XDECREF(delta);
    Py_XDECREF(zone);
    return time;
}

static PyObject *to_datetime(native_state *state, int64_t us, PyObject *zone)
{
    int year;
    int month;
    int day;
    int64_t days = us / POND_US_PER_DAY - (us % POND_US_PER_DAY < 0);
    if (pond_date_from_days(days, &year, &month, &day))
        return out_of_calendar(state, us, "timestamp");
    int64_t rest = us - days * POND_US_PER_DAY;
    int64_t seconds = rest / 1000000;
    return PyDateTimeAPI->DateTime_FromDateAndTime(
        year, month, day, (int)(seconds / 3600), (int)(seconds / 60 % 60), (int)(seconds % 60),
        (int)(rest % 1000000), zone, PyDateTimeAPI->DateTimeType);
}

static PyObject *to_interval(native_state *state, const pond_value *value)
{
    int64_t us = value->as.interval.microseconds;
    int64_t extra = us / POND_US_PER_DAY - (us % POND_US_PER_DAY < 0);
    int64_t days = value->as.interval.days + extra;
    us -= extra * POND_US_PER_DAY;
    if (days < -999999999 || days > 999999999)
        return native_raise_text(state, POND_EDATA, "an interval is too long for a timedelta");
    if (!value->aux)
        return PyDelta_FromDSU((int)days, (int)(us / 1000000), (int)(us % 1000000));
    return PyObject_CallFunction(state->interval_type, "iLL", (int)value->aux, (long long)days,
                                 (long long)us);
}

/* ---- Others ------------------------------------------------------------------------------ */

static PyObject *to_str(native_state *state, const pond_value *value)
{
    PyObject *text =
        PyUnicode_DecodeUTF8(value->as.text.data, (Py_ssize_t)value->as.text.size, NULL);
    if (!text && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        native_raise_text(state, POND_EDATA,
                          "a text value is not valid UTF-8: read it as bytes "
                          "with a cast in the statement");
    }
    return text;
}

static PyObject *to_called(native_state *state, PyObject *callable, const pond_value *value)
{
    PyObject *text = to_str(state, value);
    PyObject *object = text ? PyObject_CallOneArg(callable, text) : NULL;
    Py_XDECREF(text);
    return object;
}

/* JSON that is beyond a limit of Python's, which the program may have set. */
static PyObject *beyond_limit(native_state *state, const char *what)
{
    PyErr_Clear();
    return native_raise_text(state, POND_EDATA, "the JSON %s: cast it to text in the statement",
                             what);
}

static PyObject *to_json(native_state *state, const pond_value *value)
{
    PyObject *object = to_called(state, state->json_loads, value);
    if (object)
        return object;
    if (PyErr_ExceptionMatches(PyExc_RecursionError))
        return beyond_limit(state, "is nested deeper than Python reads");
    if (PyErr_Occurred() == PyExc_ValueError) /* no JSONDecodeError, which is derived from it */
        return beyond_limit(state, "has an integer of more digits than Python reads (see "
                                   "sys.set_int_max_str_digits)");
    if (PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear(); /* SQLite keeps any text in a column that is declared json */
        return to_str(state, value);
    }
    return NULL;
}

static PyObject *to_uuid(native_state *state, const pond_value *value)
{
    PyObject *number = _PyLong_FromByteArray(value->as.uuid, 16, 0, 0);
    if (!number)
        return NULL;
    PyObject *keywords = Py_BuildValue("{O:N}", state->str_int, number);
    PyObject *uuid =
        keywords ? PyObject_Call(state->uuid_type, state->empty_tuple, keywords) : NULL;
    Py_XDECREF(keywords);
    return uuid;
}

static PyObject *to_list(native_state *state, const pond_value *value)
{
    PyObject *list = PyList_New((Py_ssize_t)value->as.array.count);
    for (size_t i = 0; list && i < value->as.array.count; i++) {
        PyObject *item = native_from_value(state, &value->as.array.items[i]);
        if (item)
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        else
            Py_CLEAR(list);
    }
    return list;
}

PyObject *native_from_value(native_state *state, const pond_value *value)
{
    switch (value->type) {
    case POND_TYPE_INT64:
        return PyLong_FromLongLong(value->as.integer);
    case POND_TYPE_TEXT:
        return to_str(state, value);
    case POND_TYPE_NULL:
        return Py_NewRef(Py_None);
    case POND_TYPE_BOOL:
        return PyBool_FromLong(value->as.integer != 0);
    case POND_TYPE_DOUBLE:
        return PyFloat_FromDouble(value->as.real);
    case POND_TYPE_BYTES:
        return PyBytes_FromStringAndSize(value->as.text.data, (Py_ssize_t)value->as.text.size);
    case POND_TYPE_DECIMAL:
        return to_called(state, state->decimal_type, value);
    case POND_TYPE_DATE:
        return to_date(state, value->as.integer);
    case POND_TYPE_TIME:
        return to_zoned_time(state, value);
    case POND_TYPE_TIMESTAMP:
        return to_datetime(state, value->as.integer, Py_None);
    case POND_TYPE_TIMESTAMPTZ:
        return to_datetime(state, value->as.integer, PyDateTime_TimeZone_UTC);
    case POND_TYPE_INTERVAL:
        return to_interval(state, value);
    case POND_TYPE_UUID:
        return to_uuid(state, value);
    case POND_TYPE_JSON:
        return to_json(state, value);
    case POND_TYPE_ARRAY:
        return to_list(state, value);
    default:
        return native_raise_text(state, POND_EDATA, "the value has the unknown type %d",
                                 (int)value->type);
    }
}

int native_init_values(PyObject *module, native_state *state)
{
    (void)module;
    (void)state;
    PyDateTime_IMPORT;
    return PyDateTimeAPI ? native_init_params() : -1;
}

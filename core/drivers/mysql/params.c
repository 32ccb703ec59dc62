#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/calendar.h"
#include "base/error.h"
#include "driver/json.h"
#include "driver/param.h"
#include "drivers/mysql/mysql.h"

/* ---- Checks ------------------------------------------------------------------------------ */

static int check_decimal(const pond_value *value)
{
    for (size_t i = 0; i < value->as.text.size; i++) {
        if (!strchr("0123456789+-.eE", value->as.text.data[i]))
            return 0;
    }
    return 1;
}

static int in_calendar(const pond_value *value)
{
    int64_t at = value->as.integer;
    int64_t days = value->type == POND_TYPE_DATE ? at : pondi_floor_days(at);
    return days >= PONDI_FIRST_DAY && days <= PONDI_LAST_DAY;
}

/* MySQL's TIME goes to 838 hours, either way. */
static int is_time_span(const pond_value *value)
{
    int64_t days = value->as.interval.days;
    int64_t us = value->as.interval.microseconds;
    int64_t most = INT64_C(3020399) * 1000000;
    if (value->aux || days < -35 || days > 35 || us > 2 * most || us < -2 * most)
        return 0;
    us += days * PONDI_US_PER_DAY;
    return us >= -most && us <= most;
}

int pondi_mysql_check_param(const pond_value *value, size_t number, pond_error **err)
{
    switch (value->type) {
    case POND_TYPE_TEXT:
    case POND_TYPE_JSON:
        return pondi_param_check_text(number, value->as.text.data, value->as.text.size, err);
    case POND_TYPE_DOUBLE:
        if (!isfinite(value->as.real))
            return pondi_error_set(err, POND_ERANGE,
                                   "parameter %zu is %s, which MySQL cannot store: pass NULL "
                                   "instead",
                                   number, isnan(value->as.real) ? "not a number" : "infinite");
        return POND_OK;
    case POND_TYPE_DECIMAL:
        if (!check_decimal(value))
            return pondi_error_set(err, POND_ERANGE,
                                   "parameter %zu is a decimal without digits, which MySQL cannot "
                                   "store: pass NULL instead",
                                   number);
        return POND_OK;
    case POND_TYPE_DATE:
    case POND_TYPE_TIMESTAMP:
    case POND_TYPE_TIMESTAMPTZ:
        if (!in_calendar(value))
            return pondi_error_set(err, POND_ERANGE,
                                   "parameter %zu is a date or time outside the years 1 to 9999",
                                   number);
        return POND_OK;
    case POND_TYPE_TIME:
        if (value->aux)
            return pondi_error_set(err, POND_ERANGE,
                                   "parameter %zu is a time of day with a zone, which MySQL does "
                                   "not have: pass it without",
                                   number);
        return POND_OK;
    case POND_TYPE_INTERVAL:
        if (!is_time_span(value))
            return pondi_error_set(err, POND_ERANGE,
                                   "parameter %zu is an interval beyond MySQL's TIME, which goes "
                                   "to 838:59:59 and has no months",
                                   number);
        return POND_OK;
    default:
        return POND_OK;
    }
}

int pondi_mysql_check_size(const my_conn *conn, uint64_t size, pond_error **err)
{
    enum { OVERHEAD = 1024 };
    if (!conn->max_packet || size + OVERHEAD <= conn->max_packet)
        return POND_OK;
    return pondi_error_set(err, POND_ERANGE,
                           "the statement and its parameters have %llu bytes, the server takes at "
                           "most %llu: raise its max_allowed_packet, or send less at once",
                           (unsigned long long)size, (unsigned long long)conn->max_packet);
}

/* ---- Native values ----------------------------------------------------------------------- */

static void set_clock(MYSQL_TIME *to, int64_t us)
{
    to->hour = (unsigned int)(us / 3600000000);
    to->minute = (unsigned int)(us / 60000000 % 60);
    to->second = (unsigned int)(us / 1000000 % 60);
    to->second_part = (unsigned long)(us % 1000000);
}

static void set_date(MYSQL_TIME *to, int64_t days)
{
    pondi_civil date = pondi_civil_from_days(days);
    to->year = (unsigned int)date.year;
    to->month = (unsigned int)date.month;
    to->day = (unsigned int)date.day;
}

static void set_timestamp(MYSQL_TIME *to, int64_t us)
{
    int64_t days = pondi_floor_days(us);
    set_date(to, days);
    set_clock(to, us - days * PONDI_US_PER_DAY);
    to->time_type = MYSQL_TIMESTAMP_DATETIME;
}

static void set_span(MYSQL_TIME *to, int64_t us)
{
    to->neg = us < 0;
    set_clock(to, us < 0 ? -us : us);
    to->day = to->hour / 24;
    to->hour %= 24;
    to->time_type = MYSQL_TIMESTAMP_TIME;
}

int pondi_mysql_native(const pond_value *value, my_scratch *to, enum enum_field_types *type)
{
    switch (value->type) {
    case POND_TYPE_BOOL:
    case POND_TYPE_INT64:
        *type = MYSQL_TYPE_LONGLONG;
        to->integer = value->as.integer;
        return 1;
    case POND_TYPE_DOUBLE:
        *type = MYSQL_TYPE_DOUBLE;
        to->real = value->as.real;
        return 1;
    case POND_TYPE_DATE:
        *type = MYSQL_TYPE_DATE;
        memset(&to->time, 0, sizeof(to->time));
        set_date(&to->time, value->as.integer);
        to->time.time_type = MYSQL_TIMESTAMP_DATE;
        return 1;
    case POND_TYPE_TIMESTAMP:
    case POND_TYPE_TIMESTAMPTZ: /* the session's zone is UTC */
        *type = MYSQL_TYPE_DATETIME;
        memset(&to->time, 0, sizeof(to->time));
        set_timestamp(&to->time, value->as.integer);
        return 1;
    case POND_TYPE_TIME:
        *type = MYSQL_TYPE_TIME;
        memset(&to->time, 0, sizeof(to->time));
        set_span(&to->time, value->as.integer);
        return 1;
    case POND_TYPE_INTERVAL:
        *type = MYSQL_TYPE_TIME;
        memset(&to->time, 0, sizeof(to->time));
        set_span(&to->time,
                 value->as.interval.microseconds + value->as.interval.days * PONDI_US_PER_DAY);
        return 1;
    default:
        return 0;
    }
}

/* ---- Text -------------------------------------------------------------------------------- */

static void append_span(const pond_value *value, pondi_buffer *out)
{
    int64_t us = value->as.interval.microseconds + value->as.interval.days * PONDI_US_PER_DAY;
    int64_t size = us < 0 ? -us : us;
    pondi_buffer_appendf(out, "%s%lld:%02d:%02d.%06d", us < 0 ? "-" : "",
                         (long long)(size / 3600000000), (int)(size / 60000000 % 60),
                         (int)(size / 1000000 % 60), (int)(size % 1000000));
}

int pondi_mysql_format(const pond_value *value, size_t number, pondi_buffer *out, pond_error **err)
{
    char text[PONDI_TIME_TEXT] = "";
    int code = POND_OK;
    switch (value->type) {
    case POND_TYPE_BOOL:
    case POND_TYPE_INT64:
        pondi_buffer_appendf(out, "%lld", (long long)value->as.integer);
        break;
    case POND_TYPE_DOUBLE:
        pondi_buffer_append_real(out, value->as.real);
        break;
    case POND_TYPE_DATE:
        pondi_format_date(value->as.integer, text);
        break;
    case POND_TYPE_TIME:
        pondi_format_time(value->as.integer, text);
        break;
    case POND_TYPE_TIMESTAMP:
    case POND_TYPE_TIMESTAMPTZ:
        pondi_format_timestamp(value->as.integer, text);
        break;
    case POND_TYPE_UUID:
        pondi_format_uuid(value->as.uuid, text);
        break;
    case POND_TYPE_INTERVAL:
        append_span(value, out);
        break;
    case POND_TYPE_ARRAY:
        code = pondi_json_write(value, out, err);
        if (code && err && *err)
            pondi_error_prefix(*err, "parameter %zu: ", number);
        break;
    default:
        pondi_buffer_append(out, value->as.text.data, value->as.text.size);
        break;
    }
    pondi_buffer_append_text(out, text);
    return code ? code : (out->failed ? pondi_error_nomem(err) : POND_OK);
}

/* ---- One row ----------------------------------------------------------------------------- */

void pondi_mysql_params_free(my_params *params)
{
    pondi_free(params->binds);
    pondi_free(params->scratch);
    pondi_free(params->sizes);
    pondi_buffer_free(&params->text);
    memset(params, 0, sizeof(*params));
}

static int make_room(my_params *params, size_t count)
{
    if (count <= params->capacity)
        return 1;
    MYSQL_BIND *binds = pondi_realloc(params->binds, count * sizeof(*binds));
    if (binds)
        params->binds = binds;
    my_scratch *scratch = pondi_realloc(params->scratch, count * sizeof(*scratch));
    if (scratch)
        params->scratch = scratch;
    unsigned long *sizes = pondi_realloc(params->sizes, count * sizeof(*sizes));
    if (sizes)
        params->sizes = sizes;
    if (!binds || !scratch || !sizes)
        return 0;
    params->capacity = count;
    return 1;
}

static enum enum_field_types text_type(const pond_value *value)
{
    if (value->type == POND_TYPE_BYTES)
        return MYSQL_TYPE_BLOB;
    return value->type == POND_TYPE_DECIMAL ? MYSQL_TYPE_NEWDECIMAL : MYSQL_TYPE_STRING;
}

/* The `E` of a decimal with an exponent; NULL for none. */
static const char *exponent_of(const pond_value *value)
{
    const char *text = value->as.text.data;
    size_t size = value->type == POND_TYPE_DECIMAL ? value->as.text.size : 0;
    const char *mark = size ? memchr(text, 'E', size) : NULL;
    return mark || !size ? mark : memchr(text, 'e', size);
}

/* Vitess takes no exponents in decimals: write the digits out, unless they are very many. */
static int put_plain(const pond_value *value, const char *mark, pondi_buffer *out)
{
    enum { MOST_DIGITS = 400, MOST_ZEROS = 100 };
    char digits[MOST_DIGITS];
    char exponent[12];
    const char *text = value->as.text.data;
    size_t rest = value->as.text.size - (size_t)(mark + 1 - text);
    int fraction = 0;
    long count = 0;
    if (mark - text >= MOST_DIGITS || rest >= sizeof(exponent))
        return 0;
    memcpy(exponent, mark + 1, rest);
    exponent[rest] = '\0';
    long point = strtol(exponent, NULL, 10); /* so many of the digits stand before it */
    for (const char *at = text; at < mark; at++) {
        if (*at >= '0' && *at <= '9') {
            digits[count++] = *at;
            point += !fraction;
        }
        fraction |= *at == '.';
    }
    if (!count || point < -MOST_ZEROS || point > count + MOST_ZEROS)
        return 0;
    pondi_buffer_append_text(out, *text == '-' ? "-" : "");
    pondi_buffer_append_text(out, point <= 0 ? "0" : "");
    for (long i = 0; i < point; i++)
        pondi_buffer_append_char(out, i < count ? digits[i] : '0');
    pondi_buffer_append_text(out, point < count ? "." : "");
    for (long i = point; i < count; i++)
        pondi_buffer_append_char(out, i < 0 ? '0' : digits[i]);
    return 1;
}

/* Text that is formatted may move while more is added: until then its place is an offset. */
static int bind_value(my_params *params, size_t i, const pond_value *value, pond_error **err)
{
    MYSQL_BIND *bind = &params->binds[i];
    enum enum_field_types type = MYSQL_TYPE_STRING;
    size_t start = params->text.size;
    const char *mark = exponent_of(value);
    int code = pondi_mysql_check_param(value, i + 1, err);
    if (code)
        return code;
    if (value->type == POND_TYPE_NULL) {
        bind->buffer_type = MYSQL_TYPE_NULL;
        return POND_OK;
    }
    bind->length = &params->sizes[i];
    if (pondi_mysql_native(value, &params->scratch[i], &type)) {
        bind->buffer = &params->scratch[i];
        params->sizes[i] = sizeof(params->scratch[i]);
    } else if (mark && put_plain(value, mark, &params->text)) {
        type = MYSQL_TYPE_NEWDECIMAL;
        code = params->text.failed ? pondi_error_nomem(err) : POND_OK;
        params->sizes[i] = (unsigned long)(params->text.size - start);
    } else if (pondi_value_has_text(value)) {
        type = text_type(value);
        bind->buffer = (void *)(uintptr_t)(value->as.text.size ? value->as.text.data : "");
        params->sizes[i] = (unsigned long)value->as.text.size;
    } else {
        code = pondi_mysql_format(value, i + 1, &params->text, err);
        params->sizes[i] = (unsigned long)(params->text.size - start);
    }
    bind->buffer_type = type;
    bind->buffer_length = params->sizes[i];
    return code;
}

static void place_formatted(my_params *params, size_t count)
{
    char *at = params->text.data;
    for (size_t i = 0; i < count; i++) {
        MYSQL_BIND *bind = &params->binds[i];
        if (bind->buffer || bind->buffer_type == MYSQL_TYPE_NULL)
            continue;
        bind->buffer = at;
        at += params->sizes[i];
    }
}

int pondi_mysql_bind(my_conn *conn, const pond_value *params, size_t count, pond_error **err)
{
    my_params *to = &conn->params;
    uint64_t total = conn->request->statement->native_size;
    if (!count)
        return POND_OK;
    if (!make_room(to, count))
        return pondi_error_nomem(err);
    memset(to->binds, 0, count * sizeof(*to->binds));
    to->text.size = 0;
    to->text.failed = 0;
    for (size_t i = 0; i < count; i++) {
        int code = bind_value(to, i, &params[i], err);
        if (code)
            return code;
        total += to->binds[i].length ? to->sizes[i] : 0;
    }
    place_formatted(to, count);
    int code = pondi_mysql_check_size(conn, total, err);
    if (!code && mysql_stmt_bind_param(conn->stmt, to->binds))
        code = pondi_error_set(err, POND_EPARAMS, "the parameters cannot be bound: %s",
                               mysql_stmt_error(conn->stmt));
    return code;
}

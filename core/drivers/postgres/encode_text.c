/* Parameters as text for the server to parse. */
#include <math.h>

#include "base/calendar.h"
#include "base/error.h"
#include "base/value.h"
#include "driver/param.h"
#include "drivers/postgres/encode.h"

int pondi_postgres_out_of_range(const pg_encoder *at, const char *wanted, pond_error **err)
{
    return pondi_error_set(err, POND_ERANGE, "parameter %zu does not fit into %s", at->number,
                           wanted);
}

int pondi_postgres_put_raw(pg_encoder *at, const char *data, size_t size, pond_error **err)
{
    if (size > PG_BIGGEST)
        return pondi_error_set(err, POND_ERANGE,
                               "parameter %zu has %zu bytes: PostgreSQL takes at most 1 GB",
                               at->number, size);
    pondi_buffer_append(at->out, data, size);
    return POND_OK;
}

/* Text goes without its length, ended by a NUL. */
static int put_text(pg_encoder *at, const char *text, size_t size, pond_error **err)
{
    int code = pondi_param_check_text(at->number, text, size, err);
    return code ? code : pondi_postgres_put_raw(at, text, size, err);
}

static void put_double_text(pg_encoder *at, double value)
{
    if (isnan(value))
        pondi_buffer_append_text(at->out, "NaN");
    else if (isinf(value))
        pondi_buffer_append_text(at->out, value < 0 ? "-Infinity" : "Infinity");
    else
        pondi_buffer_append_real(at->out, value);
}

static int put_time_text(pg_encoder *at, pond_error **err)
{
    const pond_value *value = at->value;
    char text[64];
    if (value->type != POND_TYPE_TIME &&
        (value->as.integer == POND_TIME_INFINITY || value->as.integer == POND_TIME_NEG_INFINITY)) {
        pondi_buffer_append_text(at->out, value->as.integer < 0 ? "-infinity" : "infinity");
        return POND_OK;
    }
    size_t size = pondi_format_value(value, text, sizeof(text));
    if (!size)
        return pondi_postgres_out_of_range(at, "the years 1 to 9999", err);
    pondi_buffer_append(at->out, text, size);
    return POND_OK;
}

int pondi_postgres_has_bytes(const pond_value *value)
{
    if (value->type != POND_TYPE_ARRAY)
        return value->type == POND_TYPE_BYTES;
    for (size_t i = 0; i < value->as.array.count; i++) {
        if (pondi_postgres_has_bytes(&value->as.array.items[i]))
            return 1;
    }
    return 0;
}

static void put_bytes_text(pg_encoder *at, const unsigned char *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    pondi_buffer_append_text(at->out, "\\x");
    for (size_t i = 0; i < size; i++) {
        pondi_buffer_append_char(at->out, digits[data[i] >> 4]);
        pondi_buffer_append_char(at->out, digits[data[i] & 15]);
    }
}

static int put_element(pg_encoder *at, const pond_value *value, pond_error **err)
{
    pg_encoder element = *at;
    pondi_buffer text;
    element.value = value;
    if (value->type == POND_TYPE_NULL) {
        pondi_buffer_append_text(at->out, "NULL");
        return POND_OK;
    }
    if (value->type == POND_TYPE_ARRAY)
        return pondi_postgres_put_as_text(&element, err);
    pondi_buffer_init(&text);
    element.out = &text;
    int code = pondi_postgres_put_as_text(&element, err);
    if (!code) {
        pondi_buffer_append_char(at->out, '"');
        for (size_t i = 0; i < text.size; i++) {
            if (text.data[i] == '"' || text.data[i] == '\\')
                pondi_buffer_append_char(at->out, '\\');
            pondi_buffer_append_char(at->out, text.data[i]);
        }
        pondi_buffer_append_char(at->out, '"');
        at->out->failed |= text.failed;
    }
    pondi_buffer_free(&text);
    return code;
}

static int put_array(pg_encoder *at, pond_error **err)
{
    const pond_value *value = at->value;
    pondi_buffer_append_char(at->out, '{');
    for (size_t i = 0; i < value->as.array.count; i++) {
        if (i)
            pondi_buffer_append_char(at->out, ',');
        int code = put_element(at, &value->as.array.items[i], err);
        if (code)
            return code;
    }
    pondi_buffer_append_char(at->out, '}');
    return POND_OK;
}

int pondi_postgres_put_as_text(pg_encoder *at, pond_error **err)
{
    const pond_value *value = at->value;
    char text[128];
    size_t size;
    switch (value->type) {
    case POND_TYPE_BOOL:
        pondi_buffer_append_text(at->out, value->as.integer ? "true" : "false");
        return POND_OK;
    case POND_TYPE_INT64:
        pondi_buffer_appendf(at->out, "%lld", (long long)value->as.integer);
        return POND_OK;
    case POND_TYPE_DOUBLE:
        put_double_text(at, value->as.real);
        return POND_OK;
    case POND_TYPE_BYTES:
        put_bytes_text(at, (const unsigned char *)value->as.text.data, value->as.text.size);
        return POND_OK;
    case POND_TYPE_UUID:
        size = pondi_format_uuid(value->as.uuid, text);
        return pondi_postgres_put_raw(at, text, size, err);
    case POND_TYPE_INTERVAL:
        size = pondi_format_interval(value->aux, value->as.interval.days,
                                     value->as.interval.microseconds, text, sizeof(text));
        return pondi_postgres_put_raw(at, text, size, err);
    case POND_TYPE_ARRAY:
        return put_array(at, err);
    default:
        return pondi_value_has_text(value)
                   ? put_text(at, value->as.text.data, value->as.text.size, err)
                   : put_time_text(at, err);
    }
}

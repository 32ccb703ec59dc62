/* Which values a parameter's type carries as they are.
 *
 * A statement is prepared with the types that its parameters had then. If another session has
 * changed a column's type since, the server converts from the old type to the new one, and says
 * nothing: what the old type cannot carry is lost on the way. */
#include <math.h>
#include <string.h>

#include "base/calendar.h"
#include "base/value.h"
#include "drivers/postgres/postgres.h"

static int is_text(const pond_value *value)
{
    return pondi_value_has_text(value) && value->type != POND_TYPE_BYTES;
}

/* True for what an integer's text looks like: "-12", but not "+1", "007" or " 1". */
static int is_plain_integer(const char *text, size_t size)
{
    size_t at = size && text[0] == '-';
    if (size - at == 0 || size - at > 18)
        return 0;
    if (text[at] == '0')
        return size == 1;
    for (; at < size; at++) {
        if (text[at] < '0' || text[at] > '9')
            return 0;
    }
    return 1;
}

static int fits_integer(const pond_value *value, int64_t least, int64_t most)
{
    if (value->type == POND_TYPE_INT64)
        return value->as.integer >= least && value->as.integer <= most;
    if (is_text(value))
        return is_plain_integer(value->as.text.data, value->as.text.size);
    return value->type == POND_TYPE_BOOL;
}

static int fits_float(const pond_value *value, int64_t most_whole)
{
    return value->type == POND_TYPE_INT64 && value->as.integer >= -most_whole &&
           value->as.integer <= most_whole;
}

static int fits_float4(const pond_value *value)
{
    if (value->type != POND_TYPE_DOUBLE)
        return fits_float(value, 1 << 24);
    double real = value->as.real;
    return isnan(real) || (double)(float)real == real;
}

static int fits_numeric(const pond_value *value)
{
    if (value->type == POND_TYPE_TEXT)
        return is_plain_integer(value->as.text.data, value->as.text.size);
    return value->type == POND_TYPE_INT64 || value->type == POND_TYPE_DOUBLE ||
           value->type == POND_TYPE_DECIMAL;
}

static int fits_bpchar(const pond_value *value)
{
    if (!is_text(value) || !value->as.text.size)
        return 1;
    return value->as.text.data[value->as.text.size - 1] != ' ';
}

static int fits_name(const pond_value *value)
{
    enum { LONGEST_NAME = 63 };
    return !is_text(value) || value->as.text.size <= LONGEST_NAME;
}

static int fits_uuid(const pond_value *value)
{
    char canonical[PONDI_UUID_TEXT];
    uint8_t uuid[16];
    if (value->type != POND_TYPE_TEXT)
        return value->type == POND_TYPE_UUID;
    if (!pondi_parse_uuid(value->as.text.data, value->as.text.size, uuid))
        return 0;
    pondi_format_uuid(uuid, canonical);
    return memcmp(canonical, value->as.text.data, value->as.text.size) == 0;
}

/* ---- Dates and times --------------------------------------------------------------------- */

static int fits_date(const pond_value *value)
{
    int64_t days;
    if (value->type == POND_TYPE_TEXT)
        return pondi_parse_date(value->as.text.data, value->as.text.size, &days);
    return value->type == POND_TYPE_DATE;
}

static int fits_time(const pond_value *value, int zone)
{
    int64_t us;
    if (value->type == POND_TYPE_TEXT)
        return pondi_parse_time(value->as.text.data, value->as.text.size, &us);
    return value->type == POND_TYPE_TIME && (zone || !value->aux);
}

static int fits_timestamp(const pond_value *value, int zone)
{
    int64_t us;
    int zoned;
    if (value->type == POND_TYPE_TEXT)
        return pondi_parse_timestamp(value->as.text.data, value->as.text.size, &us, &zoned) &&
               (zone || !zoned);
    return value->type == POND_TYPE_TIMESTAMP || value->type == POND_TYPE_DATE ||
           (value->type == POND_TYPE_TIMESTAMPTZ && zone);
}

/* An array whose elements are of a type that is not built in is left to the server. */
static int fits_array(const pond_value *value, Oid element)
{
    for (size_t i = 0; i < value->as.array.count; i++) {
        const pond_value *item = &value->as.array.items[i];
        int fits = item->type == POND_TYPE_ARRAY ? fits_array(item, element)
                                                 : pondi_postgres_fits(item, element);
        if (!fits)
            return 0;
    }
    return 1;
}

int pondi_postgres_fits(const pond_value *value, Oid kind)
{
    if (value->type == POND_TYPE_NULL)
        return 1;
    if (value->type == POND_TYPE_BYTES)
        return kind == OID_BYTEA;
    if (value->type == POND_TYPE_ARRAY)
        return kind == OID_JSON || kind == OID_JSONB ||
               fits_array(value, pondi_postgres_element_type(kind));
    switch (kind) {
    case OID_BOOL:
        return value->type == POND_TYPE_BOOL;
    case OID_INT2:
        return fits_integer(value, INT16_MIN, INT16_MAX);
    case OID_INT4:
        return fits_integer(value, INT32_MIN, INT32_MAX);
    case OID_OID:
        return fits_integer(value, 0, UINT32_MAX);
    case OID_INT8:
        return fits_integer(value, INT64_MIN, INT64_MAX);
    case OID_FLOAT4:
        return fits_float4(value);
    case OID_FLOAT8:
        return value->type == POND_TYPE_DOUBLE || fits_float(value, INT64_C(1) << 53);
    case OID_NUMERIC:
        return fits_numeric(value);
    case OID_BPCHAR:
        return fits_bpchar(value);
    case OID_NAME:
        return fits_name(value);
    case OID_BYTEA:
        return 0;
    case OID_DATE:
        return fits_date(value);
    case OID_TIME:
        return fits_time(value, 0);
    case OID_TIMETZ:
        return fits_time(value, 1);
    case OID_TIMESTAMP:
        return fits_timestamp(value, 0);
    case OID_TIMESTAMPTZ:
        return fits_timestamp(value, 1);
    case OID_INTERVAL:
        return value->type == POND_TYPE_INTERVAL;
    case OID_UUID:
        return fits_uuid(value);
    default:
        return 1;
    }
}

/* Text values, which come where a column's type has no binary form that we know, or the statement
 * ran without being described. What does not parse stays text. */
#include <stdlib.h>
#include <string.h>

#include "base/calendar.h"
#include "drivers/postgres/postgres.h"

static int as_text(pond_value *out, pond_type type, const char *data, int size)
{
    out->type = (uint32_t)type;
    out->as.text.data = data;
    out->as.text.size = (size_t)size;
    return POND_OK;
}

#define DECODER(name) \
    static int decode_##name(const char *data, int size, pondi_arena *arena, pond_value *out)

DECODER(text)
{
    (void)arena;
    return as_text(out, POND_TYPE_TEXT, data, size);
}

DECODER(decimal)
{
    (void)arena;
    return as_text(out, POND_TYPE_DECIMAL, data, size);
}

DECODER(json)
{
    (void)arena;
    return as_text(out, POND_TYPE_JSON, data, size);
}

DECODER(bool)
{
    (void)arena;
    if (size != 1 || (data[0] != 't' && data[0] != 'f'))
        return POND_EDATA;
    out->type = POND_TYPE_BOOL;
    out->as.integer = data[0] == 't';
    return POND_OK;
}

/* libpq ends every value with a NUL. */
DECODER(integer)
{
    (void)arena;
    char *end;
    out->type = POND_TYPE_INT64;
    out->as.integer = strtoll(data, &end, 10);
    return size && end == data + size ? POND_OK : POND_EDATA;
}

DECODER(real)
{
    (void)arena;
    char *end;
    out->type = POND_TYPE_DOUBLE;
    out->as.real = strtod(data, &end);
    return size && end == data + size ? POND_OK : POND_EDATA;
}

DECODER(uuid)
{
    (void)arena;
    out->type = POND_TYPE_UUID;
    return pondi_parse_uuid(data, (size_t)size, out->as.uuid) ? POND_OK : POND_EDATA;
}

static int infinite(pond_value *out, pond_type type, const char *data, int size)
{
    int positive = size == 8 && memcmp(data, "infinity", 8) == 0;
    if (!positive && !(size == 9 && memcmp(data, "-infinity", 9) == 0))
        return 0;
    out->type = (uint32_t)type;
    out->as.integer = positive ? POND_TIME_INFINITY : POND_TIME_NEG_INFINITY;
    return 1;
}

DECODER(date)
{
    (void)arena;
    if (infinite(out, POND_TYPE_DATE, data, size))
        return POND_OK;
    if (!pondi_parse_date(data, (size_t)size, &out->as.integer))
        return as_text(out, POND_TYPE_TEXT, data, size);
    out->type = POND_TYPE_DATE;
    return POND_OK;
}

DECODER(time)
{
    (void)arena;
    if (!pondi_parse_time(data, (size_t)size, &out->as.integer))
        return as_text(out, POND_TYPE_TEXT, data, size);
    out->type = POND_TYPE_TIME;
    return POND_OK;
}

static int timestamp(pond_value *out, const char *data, int size, int with_zone)
{
    int zoned;
    pond_type type = with_zone ? POND_TYPE_TIMESTAMPTZ : POND_TYPE_TIMESTAMP;
    if (infinite(out, type, data, size))
        return POND_OK;
    if (!pondi_parse_timestamp(data, (size_t)size, &out->as.integer, &zoned) || zoned != with_zone)
        return as_text(out, POND_TYPE_TEXT, data, size);
    out->type = (uint32_t)type;
    return POND_OK;
}

DECODER(timestamp)
{
    (void)arena;
    return timestamp(out, data, size, 0);
}

DECODER(timestamptz)
{
    (void)arena;
    return timestamp(out, data, size, 1);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

DECODER(bytea)
{
    if (size < 2 || data[0] != '\\' || data[1] != 'x' || size % 2)
        return as_text(out, POND_TYPE_TEXT, data, size);
    int count = size / 2 - 1;
    char *bytes = pondi_arena_alloc(arena, (size_t)count + 1);
    if (!bytes)
        return POND_ENOMEM;
    for (int i = 0; i < count; i++) {
        int high = hex_digit(data[2 + 2 * i]);
        int low = hex_digit(data[3 + 2 * i]);
        if (high < 0 || low < 0)
            return POND_EDATA;
        bytes[i] = (char)(high << 4 | low);
    }
    return as_text(out, POND_TYPE_BYTES, bytes, count);
}

pg_decoder pondi_postgres_text_decoder(Oid type)
{
    switch (type) {
    case OID_BOOL:
        return decode_bool;
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
    case OID_OID:
        return decode_integer;
    case OID_FLOAT4:
    case OID_FLOAT8:
        return decode_real;
    case OID_NUMERIC:
        return decode_decimal;
    case OID_JSON:
    case OID_JSONB:
        return decode_json;
    case OID_UUID:
        return decode_uuid;
    case OID_DATE:
        return decode_date;
    case OID_TIME:
        return decode_time;
    case OID_TIMESTAMP:
        return decode_timestamp;
    case OID_TIMESTAMPTZ:
        return decode_timestamptz;
    case OID_BYTEA:
        return decode_bytea;
    default:
        return decode_text;
    }
}

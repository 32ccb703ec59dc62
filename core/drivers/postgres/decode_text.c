/* Text values, which come where a column's type has no binary form that we know, or the statement
 * ran without being described. What does not parse stays text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/calendar.h"
#include "base/real.h"
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
    out->as.real = pondi_parse_real(data, &end);
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

/* The offset at the end of a time, "+05:30" or "-08" or "+00:19:32", in seconds; and where it
 * begins. 0 if there is none. */
static int read_zone(const char *data, int size, int *begin, int32_t *seconds)
{
    int32_t unit = 3600;
    int at = size;
    while (at > 0 && data[at - 1] != '+' && data[at - 1] != '-')
        at--;
    *begin = at - 1;
    *seconds = 0;
    for (; at > 0 && at + 2 <= size && unit; at += 3, unit /= 60) {
        int tens = data[at] - '0';
        int ones = data[at + 1] - '0';
        if (tens < 0 || tens > 9 || ones < 0 || ones > 9)
            return 0;
        *seconds += unit * (10 * tens + ones);
        if (at + 2 < size && data[at + 2] != ':')
            return 0;
    }
    if (*begin < 0 || at != size + 1)
        return 0;
    if (data[*begin] == '-')
        *seconds = -*seconds;
    return 1;
}

DECODER(timetz)
{
    int begin;
    int32_t zone;
    (void)arena;
    if (!read_zone(data, size, &begin, &zone) ||
        !pondi_parse_time(data, (size_t)begin, &out->as.integer))
        return as_text(out, POND_TYPE_TEXT, data, size);
    out->type = POND_TYPE_TIME;
    out->aux = pondi_zone_of_offset(zone);
    return POND_OK;
}

/* ---- Intervals, in the server's own style: "1 year -2 mons +3 days -04:05:06.7" ----------- */

typedef struct interval {
    int64_t months;
    int64_t days;
    int64_t us;
} interval;

static int add_field(interval *sum, int64_t count, const char *unit, size_t size)
{
    static const struct {
        const char *name;
        int months;
        int days;
    } units[] = {{"year", 12, 0}, {"mon", 1, 0}, {"day", 0, 1}};
    size -= size && unit[size - 1] == 's';
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strlen(units[i].name) == size && memcmp(units[i].name, unit, size) == 0) {
            sum->months += count * units[i].months;
            sum->days += count * units[i].days;
            return 1;
        }
    }
    return 0;
}

/* "04:05:06.7" with any number of hours, after its sign. */
static int add_clock(interval *sum, int64_t hours, const char *rest, size_t size, int negative)
{
    char text[PONDI_TIME_TEXT];
    int64_t us;
    if (size + 3 > sizeof(text) || hours > INT64_MAX / 3600000001)
        return 0;
    snprintf(text, sizeof(text), "00%.*s", (int)size, rest);
    if (!pondi_parse_time(text, size + 2, &us))
        return 0;
    us += hours * 3600000000;
    sum->us = negative ? -us : us;
    return 1;
}

static int parse_interval(const char *data, int size, interval *sum)
{
    const char *end = data + size;
    const char *at = data;
    memset(sum, 0, sizeof(*sum));
    while (at < end) {
        char *digits_end;
        int negative = *at == '-';
        at += *at == '-' || *at == '+';
        if (at == end || *at < '0' || *at > '9')
            return 0;
        int64_t count = strtoll(at, &digits_end, 10);
        at = digits_end;
        if (at < end && *at == ':')
            return add_clock(sum, count, at, (size_t)(end - at), negative);
        if (at == end || *at != ' ' || count > INT32_MAX)
            return 0;
        size_t word = strcspn(++at, " ");
        if (!add_field(sum, negative ? -count : count, at, word))
            return 0;
        at += word;
        at += at < end;
    }
    return size > 0 && sum->months >= INT32_MIN && sum->months <= INT32_MAX;
}

DECODER(interval)
{
    interval sum;
    (void)arena;
    if (!parse_interval(data, size, &sum))
        return as_text(out, POND_TYPE_TEXT, data, size);
    out->type = POND_TYPE_INTERVAL;
    out->aux = (int32_t)sum.months;
    out->as.interval.days = (int32_t)sum.days;
    out->as.interval.microseconds = sum.us;
    return POND_OK;
}

/* ---- Bytes ------------------------------------------------------------------------------- */

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

/* ---- Types ------------------------------------------------------------------------------- */

#define ARRAY_DECODER(name)                                                             \
    DECODER(name##_array)                                                               \
    {                                                                                   \
        return pondi_postgres_decode_text_array(data, size, decode_##name, arena, out); \
    }

ARRAY_DECODER(bool)
ARRAY_DECODER(integer)
ARRAY_DECODER(real)
ARRAY_DECODER(decimal)
ARRAY_DECODER(text)
ARRAY_DECODER(json)
ARRAY_DECODER(uuid)
ARRAY_DECODER(date)
ARRAY_DECODER(time)
ARRAY_DECODER(timetz)
ARRAY_DECODER(interval)
ARRAY_DECODER(timestamp)
ARRAY_DECODER(timestamptz)
ARRAY_DECODER(bytea)

typedef struct text_type {
    Oid type;
    pg_decoder scalar;
    pg_decoder array;
} text_type;

/* All others are text. */
static const text_type types[] = {
    {OID_BOOL, decode_bool, decode_bool_array},
    {OID_INT2, decode_integer, decode_integer_array},
    {OID_INT4, decode_integer, decode_integer_array},
    {OID_INT8, decode_integer, decode_integer_array},
    {OID_OID, decode_integer, decode_integer_array},
    {OID_FLOAT4, decode_real, decode_real_array},
    {OID_FLOAT8, decode_real, decode_real_array},
    {OID_NUMERIC, decode_decimal, decode_decimal_array},
    {OID_JSON, decode_json, decode_json_array},
    {OID_JSONB, decode_json, decode_json_array},
    {OID_UUID, decode_uuid, decode_uuid_array},
    {OID_DATE, decode_date, decode_date_array},
    {OID_TIME, decode_time, decode_time_array},
    {OID_TIMETZ, decode_timetz, decode_timetz_array},
    {OID_INTERVAL, decode_interval, decode_interval_array},
    {OID_TIMESTAMP, decode_timestamp, decode_timestamp_array},
    {OID_TIMESTAMPTZ, decode_timestamptz, decode_timestamptz_array},
    {OID_BYTEA, decode_bytea, decode_bytea_array},
};

pg_decoder pondi_postgres_text_decoder(Oid type)
{
    Oid element = pondi_postgres_element_type(type);
    Oid wanted = element ? element : type;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i].type == wanted)
            return element ? types[i].array : types[i].scalar;
    }
    return element ? decode_text_array : decode_text;
}

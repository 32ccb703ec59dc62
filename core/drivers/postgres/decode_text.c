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

/* Of four bytes: the number nearest to the digits has more of them. */
DECODER(float4)
{
    int code = decode_real(data, size, arena, out);
    out->as.real = (double)(float)out->as.real;
    return code;
}

DECODER(uuid)
{
    (void)arena;
    out->type = POND_TYPE_UUID;
    return pondi_parse_uuid(data, (size_t)size, out->as.uuid) ? POND_OK : POND_EDATA;
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

/* As the server has it, from version 17 on: all fields as far as they go. */
static int infinite_interval(pond_value *out, const char *data, int size)
{
    int positive = size == 8 && memcmp(data, "infinity", 8) == 0;
    if (!positive && !(size == 9 && memcmp(data, "-infinity", 9) == 0))
        return 0;
    out->type = POND_TYPE_INTERVAL;
    out->aux = positive ? INT32_MAX : INT32_MIN;
    out->as.interval.days = positive ? INT32_MAX : INT32_MIN;
    out->as.interval.microseconds = positive ? INT64_MAX : INT64_MIN;
    return 1;
}

DECODER(interval)
{
    interval sum;
    (void)arena;
    if (infinite_interval(out, data, size))
        return POND_OK;
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

/* bytea_output=hex: \x00ff */
static int decode_hex(const char *data, int size, char *bytes, int *count)
{
    if (size % 2)
        return POND_EDATA;
    for (int i = 2; i < size; i += 2) {
        int high = hex_digit(data[i]);
        int low = hex_digit(data[i + 1]);
        if (high < 0 || low < 0)
            return POND_EDATA;
        bytes[(*count)++] = (char)(high << 4 | low);
    }
    return POND_OK;
}

/* bytea_output=escape: a backslash is doubled, and what is not ASCII is written as \377. */
static int decode_escapes(const char *data, int size, char *bytes, int *count)
{
    for (int i = 0; i < size; i++) {
        char byte = data[i];
        if (byte == '\\' && i + 1 < size && data[i + 1] == '\\') {
            i++;
        } else if (byte == '\\') {
            unsigned value = 0;
            if (size - i < 4)
                return POND_EDATA;
            for (int digit = 1; digit <= 3; digit++) {
                if (data[i + digit] < '0' || data[i + digit] > '7')
                    return POND_EDATA;
                value = value * 8 + (unsigned)(data[i + digit] - '0');
            }
            byte = (char)value;
            i += 3;
        }
        bytes[(*count)++] = byte;
    }
    return POND_OK;
}

DECODER(bytea)
{
    int is_hex = size >= 2 && data[0] == '\\' && data[1] == 'x';
    int count = 0;
    char *bytes = pondi_arena_alloc(arena, (size_t)size + 1);
    if (!bytes)
        return POND_ENOMEM;
    int code =
        is_hex ? decode_hex(data, size, bytes, &count) : decode_escapes(data, size, bytes, &count);
    return code ? code : as_text(out, POND_TYPE_BYTES, bytes, count);
}

/* ---- Types ------------------------------------------------------------------------------- */

typedef struct text_type {
    Oid type;
    pg_decoder decoder;
} text_type;

/* All others are text. */
static const text_type types[] = {
    {OID_BOOL, decode_bool},
    {OID_INT2, decode_integer},
    {OID_INT4, decode_integer},
    {OID_INT8, decode_integer},
    {OID_OID, decode_integer},
    {OID_FLOAT4, decode_float4},
    {OID_FLOAT8, decode_real},
    {OID_NUMERIC, decode_decimal},
    {OID_JSON, decode_json},
    {OID_JSONB, decode_json},
    {OID_UUID, decode_uuid},
    {OID_DATE, pondi_postgres_decode_text_date},
    {OID_TIME, pondi_postgres_decode_text_time},
    {OID_TIMETZ, pondi_postgres_decode_text_timetz},
    {OID_INTERVAL, decode_interval},
    {OID_TIMESTAMP, pondi_postgres_decode_text_timestamp},
    {OID_TIMESTAMPTZ, pondi_postgres_decode_text_timestamptz},
    {OID_BYTEA, decode_bytea},
};

pg_decoder pondi_postgres_text_decoder(Oid type)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i].type == type)
            return types[i].decoder;
    }
    return decode_text;
}

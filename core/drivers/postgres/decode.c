/* Binary values of the server. A hostile one may send any bytes: every length is checked. */
#include <string.h>

#include "base/calendar.h"
#include "drivers/postgres/postgres.h"

#define EPOCH_DAYS 10957 /* 2000-01-01, from 1970-01-01 */
#define EPOCH_US (EPOCH_DAYS * PONDI_US_PER_DAY)

static uint64_t read_bits(const char *data, int bytes)
{
    uint64_t bits = 0;
    for (int i = 0; i < bytes; i++)
        bits = bits << 8 | (unsigned char)data[i];
    return bits;
}

static int32_t read_int32(const char *data)
{
    uint32_t bits;
    memcpy(&bits, data, 4);
    return (int32_t)__builtin_bswap32(bits);
}

static int64_t read_int64(const char *data)
{
    uint64_t bits;
    memcpy(&bits, data, 8);
    return (int64_t)__builtin_bswap64(bits);
}

static int integer(pond_value *out, pond_type type, int64_t value)
{
    out->type = (uint32_t)type;
    out->as.integer = value;
    return POND_OK;
}

static int text(pond_value *out, pond_type type, const char *data, size_t size)
{
    out->type = (uint32_t)type;
    out->as.text.data = data;
    out->as.text.size = size;
    return POND_OK;
}

#define DECODER(name) \
    static int decode_##name(const char *data, int size, pondi_arena *arena, pond_value *out)

#define EXPECT(condition)      \
    do {                       \
        (void)arena;           \
        if (!(condition))      \
            return POND_EDATA; \
    } while (0)

DECODER(bool)
{
    EXPECT(size == 1);
    return integer(out, POND_TYPE_BOOL, data[0] != 0);
}

DECODER(int2)
{
    EXPECT(size == 2);
    return integer(out, POND_TYPE_INT64, (int16_t)read_bits(data, 2));
}

DECODER(int4)
{
    EXPECT(size == 4);
    return integer(out, POND_TYPE_INT64, read_int32(data));
}

DECODER(int8)
{
    EXPECT(size == 8);
    return integer(out, POND_TYPE_INT64, read_int64(data));
}

DECODER(oid)
{
    EXPECT(size == 4);
    return integer(out, POND_TYPE_INT64, (uint32_t)read_int32(data));
}

DECODER(float4)
{
    EXPECT(size == 4);
    uint32_t bits = (uint32_t)read_int32(data);
    float value;
    memcpy(&value, &bits, sizeof(value));
    out->type = POND_TYPE_DOUBLE;
    out->as.real = (double)value;
    return POND_OK;
}

DECODER(float8)
{
    EXPECT(size == 8);
    int64_t bits = read_int64(data);
    out->type = POND_TYPE_DOUBLE;
    memcpy(&out->as.real, &bits, sizeof(bits));
    return POND_OK;
}

DECODER(text)
{
    EXPECT(size >= 0);
    return text(out, POND_TYPE_TEXT, data, (size_t)size);
}

/* One byte. As text, none is nothing, and what is not ASCII is written as \\377. */
DECODER(char)
{
    EXPECT(size == 1);
    unsigned byte = (unsigned char)data[0];
    if (byte < 128)
        return text(out, POND_TYPE_TEXT, data, byte != 0);
    char *escape = pondi_arena_alloc(arena, 4);
    if (!escape)
        return POND_ENOMEM;
    escape[0] = '\\';
    escape[1] = (char)('0' + (byte >> 6));
    escape[2] = (char)('0' + (byte >> 3 & 7));
    escape[3] = (char)('0' + (byte & 7));
    return text(out, POND_TYPE_TEXT, escape, 4);
}

DECODER(bytea)
{
    EXPECT(size >= 0);
    return text(out, POND_TYPE_BYTES, data, (size_t)size);
}

DECODER(json)
{
    EXPECT(size >= 0);
    return text(out, POND_TYPE_JSON, data, (size_t)size);
}

DECODER(jsonb)
{
    EXPECT(size >= 1 && data[0] == 1);
    return text(out, POND_TYPE_JSON, data + 1, (size_t)size - 1);
}

DECODER(uuid)
{
    EXPECT(size == 16);
    out->type = POND_TYPE_UUID;
    memcpy(out->as.uuid, data, 16);
    return POND_OK;
}

DECODER(date)
{
    EXPECT(size == 4);
    int32_t days = read_int32(data);
    if (days == INT32_MAX)
        return integer(out, POND_TYPE_DATE, POND_TIME_INFINITY);
    if (days == INT32_MIN)
        return integer(out, POND_TYPE_DATE, POND_TIME_NEG_INFINITY);
    return integer(out, POND_TYPE_DATE, (int64_t)days + EPOCH_DAYS);
}

DECODER(time)
{
    EXPECT(size == 8);
    return integer(out, POND_TYPE_TIME, read_int64(data));
}

DECODER(timetz)
{
    EXPECT(size == 12);
    integer(out, POND_TYPE_TIME, read_int64(data));
    int32_t west = read_int32(data + 8);
    EXPECT(west > -86400 && west < 86400);
    out->aux = pondi_zone_of_offset(-west);
    return POND_OK;
}

static int timestamp(pond_value *out, pond_type type, int64_t us)
{
    int64_t shifted;
    if (us == INT64_MAX || us == INT64_MIN)
        return integer(out, type, us);
    if (__builtin_add_overflow(us, EPOCH_US, &shifted))
        return POND_EDATA;
    return integer(out, type, shifted);
}

DECODER(timestamp)
{
    EXPECT(size == 8);
    return timestamp(out, POND_TYPE_TIMESTAMP, read_int64(data));
}

DECODER(timestamptz)
{
    EXPECT(size == 8);
    return timestamp(out, POND_TYPE_TIMESTAMPTZ, read_int64(data));
}

DECODER(interval)
{
    EXPECT(size == 16);
    out->type = POND_TYPE_INTERVAL;
    out->as.interval.microseconds = read_int64(data);
    out->as.interval.days = read_int32(data + 8);
    out->aux = read_int32(data + 12);
    return POND_OK;
}

/* ---- numeric: digits to base 10,000 ------------------------------------------------------ */

enum {
    NUMERIC_NEGATIVE = 0x4000,
    NUMERIC_NAN = 0xC000,
    NUMERIC_INF = 0xD000,
    NUMERIC_NEG_INF = 0xF000,
    LONGEST_SCALE = 0x3fff
};

static int put_group(char *to, unsigned group)
{
    if (group > 9999)
        return 0;
    to[0] = (char)('0' + group / 1000);
    to[1] = (char)('0' + group / 100 % 10);
    to[2] = (char)('0' + group / 10 % 10);
    to[3] = (char)('0' + group % 10);
    return 1;
}

/* The group that counts 10,000 to the power of `weight`; 0 where none was sent. */
static unsigned group_at(const char *groups, int count, int first_weight, int weight)
{
    int index = first_weight - weight;
    return index >= 0 && index < count ? (unsigned)read_bits(groups + 2 * (size_t)index, 2) : 0;
}

static int write_numeric(const char *groups, int count, int weight, int scale, int negative,
                         char *to, size_t *size)
{
    char *at = to;
    if (negative)
        *at++ = '-';
    char *integer_start = at;
    for (int i = weight; i >= 0; i--, at += 4) {
        if (!put_group(at, group_at(groups, count, weight, i)))
            return POND_EDATA;
    }
    char *first = integer_start;
    while (first < at - 1 && *first == '0')
        first++;
    memmove(integer_start, first, (size_t)(at - first));
    at -= first - integer_start;
    if (at == integer_start)
        *at++ = '0';
    if (scale) {
        *at++ = '.';
        char *fraction = at;
        for (int i = -1; at < fraction + scale; i--, at += 4) {
            if (!put_group(at, group_at(groups, count, weight, i)))
                return POND_EDATA;
        }
        at = fraction + scale;
    }
    *size = (size_t)(at - to);
    return POND_OK;
}

DECODER(numeric)
{
    EXPECT(size >= 8);
    int count = (int)read_bits(data, 2);
    int weight = (int16_t)read_bits(data + 2, 2);
    int sign = (int)read_bits(data + 4, 2);
    int scale = (int)read_bits(data + 6, 2);
    if (sign == NUMERIC_NAN)
        return text(out, POND_TYPE_DECIMAL, "NaN", 3);
    if (sign == NUMERIC_INF)
        return text(out, POND_TYPE_DECIMAL, "Infinity", 8);
    if (sign == NUMERIC_NEG_INF)
        return text(out, POND_TYPE_DECIMAL, "-Infinity", 9);
    EXPECT((sign == 0 || sign == NUMERIC_NEGATIVE) && size == 8 + 2 * count &&
           scale <= LONGEST_SCALE);
    size_t room = (weight >= 0 ? 4 * ((size_t)weight + 1) : 0) + (size_t)scale + 16;
    char *digits = pondi_arena_alloc(arena, room);
    if (!digits)
        return POND_ENOMEM;
    size_t length;
    int code =
        write_numeric(data + 8, count, weight, scale, sign == NUMERIC_NEGATIVE, digits, &length);
    return code ? code : text(out, POND_TYPE_DECIMAL, digits, length);
}

/* ---- Types ------------------------------------------------------------------------------- */

pg_decoder pondi_postgres_binary_decoder(Oid type)
{
    switch (type) {
    case OID_BOOL:
        return decode_bool;
    case OID_INT2:
        return decode_int2;
    case OID_INT4:
        return decode_int4;
    case OID_INT8:
        return decode_int8;
    case OID_OID:
        return decode_oid;
    case OID_FLOAT4:
        return decode_float4;
    case OID_FLOAT8:
        return decode_float8;
    case OID_NUMERIC:
        return decode_numeric;
    case OID_TEXT:
    case OID_VARCHAR:
    case OID_BPCHAR:
    case OID_NAME:
    case OID_UNKNOWN:
    case OID_XML:
    case OID_VOID:
        return decode_text;
    case OID_CHAR:
        return decode_char;
    case OID_BYTEA:
        return decode_bytea;
    case OID_JSON:
        return decode_json;
    case OID_JSONB:
        return decode_jsonb;
    case OID_UUID:
        return decode_uuid;
    case OID_DATE:
        return decode_date;
    case OID_TIME:
        return decode_time;
    case OID_TIMETZ:
        return decode_timetz;
    case OID_TIMESTAMP:
        return decode_timestamp;
    case OID_TIMESTAMPTZ:
        return decode_timestamptz;
    case OID_INTERVAL:
        return decode_interval;
    default:
        return NULL;
    }
}

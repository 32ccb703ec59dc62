/* Parameters in the form that the server inferred, or as text for it to parse. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/calendar.h"
#include "base/error.h"
#include "driver/json.h"
#include "drivers/postgres/encode.h"

#define EPOCH_DAYS 10957 /* 2000-01-01, from 1970-01-01 */
#define EPOCH_US (EPOCH_DAYS * PONDI_US_PER_DAY)

static const char *type_name(uint32_t type)
{
    static const char *const names[] = {"null",
                                        "a bool",
                                        "an integer",
                                        "a float",
                                        "a decimal",
                                        "text",
                                        "bytes",
                                        "a date",
                                        "a time",
                                        "a timestamp",
                                        "a timestamp with zone",
                                        "an interval",
                                        "a UUID",
                                        "JSON",
                                        "an array"};
    return type < sizeof(names) / sizeof(names[0]) ? names[type] : "unknown";
}

static int mismatch(const pg_encoder *at, const char *wanted, pond_error **err)
{
    if (at->value->type == POND_TYPE_ARRAY)
        return pondi_error_set(
            err, POND_EPARAMS,
            "parameter %zu is a list, but the statement expects %s: write IN (?) "
            "or = ANY (?) to compare with each of its items",
            at->number, wanted);
    return pondi_error_set(err, POND_EPARAMS, "parameter %zu is %s, but the statement expects %s",
                           at->number, type_name(at->value->type), wanted);
}

/* ---- Binary ------------------------------------------------------------------------------ */

static int put_number(pg_encoder *at, uint64_t bits, int bytes)
{
    char big_endian[8];
    for (int i = 0; i < bytes; i++)
        big_endian[i] = (char)(bits >> (8 * (bytes - 1 - i)));
    pondi_buffer_append(at->out, big_endian, (size_t)bytes);
    at->format = 1;
    return POND_OK;
}

static int put_integer(pg_encoder *at, int64_t value, pond_error **err)
{
    switch (at->type) {
    case OID_INT2:
        if (value < INT16_MIN || value > INT16_MAX)
            return pondi_postgres_out_of_range(at, "a smallint (2 bytes)", err);
        return put_number(at, (uint64_t)value, 2);
    case OID_INT4:
        if (value < INT32_MIN || value > INT32_MAX)
            return pondi_postgres_out_of_range(at, "an integer (4 bytes)", err);
        return put_number(at, (uint64_t)value, 4);
    case OID_OID:
        if (value < 0 || value > UINT32_MAX)
            return pondi_postgres_out_of_range(at, "an oid (4 bytes, unsigned)", err);
        return put_number(at, (uint64_t)value, 4);
    default:
        return put_number(at, (uint64_t)value, 8);
    }
}

static int put_double(pg_encoder *at, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return put_number(at, bits, 8);
}

static int put_float(pg_encoder *at, double value, pond_error **err)
{
    float single = (float)value;
    uint32_t bits;
    if (isinf(single) && !isinf(value))
        return pondi_postgres_out_of_range(at, "a real (4 bytes)", err);
    memcpy(&bits, &single, sizeof(bits));
    return put_number(at, bits, 4);
}

static int put_date(pg_encoder *at, int64_t days, pond_error **err)
{
    if (days == POND_TIME_INFINITY)
        return put_number(at, INT32_MAX, 4);
    if (days == POND_TIME_NEG_INFINITY)
        return put_number(at, (uint32_t)INT32_MIN, 4);
    if (days < INT32_MIN + EPOCH_DAYS + 1 || days > INT32_MAX - 1)
        return pondi_postgres_out_of_range(at, "a date", err);
    return put_number(at, (uint64_t)(days - EPOCH_DAYS), 4);
}

static int put_timestamp(pg_encoder *at, int64_t us, pond_error **err)
{
    if (us == POND_TIME_INFINITY || us == POND_TIME_NEG_INFINITY)
        return put_number(at, (uint64_t)us, 8);
    if (us < INT64_MIN + EPOCH_US + 1)
        return pondi_postgres_out_of_range(at, "a timestamp", err);
    return put_number(at, (uint64_t)(us - EPOCH_US), 8);
}

static int put_interval(pg_encoder *at, pond_error **err)
{
    const pond_value *value = at->value;
    if (value->as.interval.days < INT32_MIN || value->as.interval.days > INT32_MAX)
        return pondi_postgres_out_of_range(at, "an interval", err);
    put_number(at, (uint64_t)value->as.interval.microseconds, 8);
    put_number(at, (uint64_t)value->as.interval.days, 4);
    return put_number(at, (uint64_t)value->aux, 4);
}

/* ---- By what the statement wants --------------------------------------------------------- */

static int for_bool(pg_encoder *at, pond_error **err)
{
    const pond_value *value = at->value;
    if (value->type == POND_TYPE_BOOL ||
        (value->type == POND_TYPE_INT64 && (value->as.integer == 0 || value->as.integer == 1)))
        return put_number(at, value->as.integer != 0, 1);
    if (value->type == POND_TYPE_TEXT)
        return pondi_postgres_put_as_text(at, err);
    return mismatch(at, "a bool", err);
}

static int is_whole(double value)
{
    return value >= -9223372036854775808.0 && value < 9223372036854775808.0 &&
           (double)(int64_t)value == value;
}

static int for_integer(pg_encoder *at, pond_error **err)
{
    const pond_value *value = at->value;
    if (value->type == POND_TYPE_INT64)
        return put_integer(at, value->as.integer, err);
    if (value->type == POND_TYPE_BOOL)
        return put_integer(at, value->as.integer != 0, err);
    if (value->type == POND_TYPE_DOUBLE && is_whole(value->as.real))
        return put_integer(at, (int64_t)value->as.real, err);
    if (value->type == POND_TYPE_TEXT || value->type == POND_TYPE_DECIMAL ||
        value->type == POND_TYPE_DOUBLE)
        return pondi_postgres_put_as_text(at, err);
    return mismatch(at, "an integer", err);
}

static int for_float(pg_encoder *at, pond_error **err)
{
    const pond_value *value = at->value;
    double number;
    if (value->type == POND_TYPE_DOUBLE)
        number = value->as.real;
    else if (value->type == POND_TYPE_INT64)
        number = (double)value->as.integer;
    else if (value->type == POND_TYPE_TEXT || value->type == POND_TYPE_DECIMAL)
        return pondi_postgres_put_as_text(at, err);
    else
        return mismatch(at, "a float", err);
    return at->type == OID_FLOAT8 ? put_double(at, number) : put_float(at, number, err);
}

static int for_text(pg_encoder *at, pond_error **err)
{
    if (at->value->type == POND_TYPE_BYTES)
        return mismatch(at, "text: decode the bytes first", err);
    if (at->value->type == POND_TYPE_ARRAY)
        return mismatch(at, "text", err);
    return pondi_postgres_put_as_text(at, err);
}

static int for_bytes(pg_encoder *at, pond_error **err)
{
    if (at->value->type != POND_TYPE_BYTES)
        return mismatch(at, "bytes", err);
    at->format = 1;
    return pondi_postgres_put_raw(at, at->value->as.text.data, at->value->as.text.size, err);
}

static int for_json(pg_encoder *at, pond_error **err)
{
    if (at->value->type == POND_TYPE_BYTES)
        return mismatch(at, "JSON", err);
    if (at->value->type == POND_TYPE_TEXT || at->value->type == POND_TYPE_JSON)
        return pondi_postgres_put_as_text(at, err);
    return pondi_json_write(at->value, at->out, err);
}

static int for_time(pg_encoder *at, pond_error **err)
{
    const pond_value *value = at->value;
    if (at->type == OID_DATE && value->type == POND_TYPE_DATE)
        return put_date(at, value->as.integer, err);
    if (at->type == OID_TIMESTAMP && value->type == POND_TYPE_TIMESTAMP)
        return put_timestamp(at, value->as.integer, err);
    if (at->type == OID_TIMESTAMPTZ && value->type == POND_TYPE_TIMESTAMPTZ)
        return put_timestamp(at, value->as.integer, err);
    if (at->type == OID_TIME && value->type == POND_TYPE_TIME && !value->aux)
        return put_number(at, (uint64_t)value->as.integer, 8);
    if (at->type == OID_INTERVAL && value->type == POND_TYPE_INTERVAL)
        return put_interval(at, err);
    if (value->type == POND_TYPE_BYTES || value->type == POND_TYPE_ARRAY ||
        value->type == POND_TYPE_BOOL || value->type == POND_TYPE_DOUBLE)
        return mismatch(at, "a date or time", err);
    return pondi_postgres_put_as_text(at, err);
}

static int for_uuid(pg_encoder *at, pond_error **err)
{
    if (at->value->type == POND_TYPE_UUID) {
        at->format = 1;
        return pondi_postgres_put_raw(at, (const char *)at->value->as.uuid, 16, err);
    }
    return at->value->type == POND_TYPE_TEXT ? pondi_postgres_put_as_text(at, err)
                                             : mismatch(at, "a UUID", err);
}

/* Bytes in the place of text would be other text, and the other way round. */
static int check_items(const pg_encoder *at, const pond_value *list, Oid element, pond_error **err)
{
    for (size_t i = 0; i < list->as.array.count; i++) {
        const pond_value *item = &list->as.array.items[i];
        int code = POND_OK;
        if (item->type == POND_TYPE_ARRAY)
            code = check_items(at, item, element, err);
        else if (item->type != POND_TYPE_NULL &&
                 (item->type == POND_TYPE_BYTES) != (element == OID_BYTEA))
            code = pondi_error_set(
                err, POND_EPARAMS,
                "parameter %zu has an item that is %s, but the statement expects "
                "%s",
                at->number, type_name(item->type), element == OID_BYTEA ? "bytes" : "another type");
        if (code)
            return code;
    }
    return POND_OK;
}

/* Types of PostgreSQL's own that are arrays, or take any type; those of extensions are not known.
 */
static int takes_list(Oid type)
{
    enum { FIRST_OF_OTHERS = 10000 };
    return type == 0 || type >= FIRST_OF_OTHERS || pondi_postgres_is_array(type);
}

/* Bytes have no text that all types would understand as these bytes. */
static int check_bytes(const pg_encoder *at, pond_error **err)
{
    int is_array = at->type == OID_BYTEA_ARRAY || at->type == 0;
    if (pondi_postgres_has_bytes(at->value) && !(is_array && at->value->type == POND_TYPE_ARRAY))
        return pondi_error_set(
            err, POND_EPARAMS,
            "parameter %zu is or contains bytes, but the statement expects a value of "
            "another type (oid %u): decode the bytes first, or cast: ?::bytea",
            at->number, (unsigned)at->type);
    return POND_OK;
}

static int for_other(pg_encoder *at, pond_error **err)
{
    Oid element = pondi_postgres_element_type(at->type);
    int is_list = at->value->type == POND_TYPE_ARRAY;
    if (is_list && !takes_list(at->type))
        return mismatch(at, "one value", err);
    if (check_bytes(at, err))
        return POND_EPARAMS;
    int code = is_list && element ? check_items(at, at->value, element, err) : POND_OK;
    return code ? code : pondi_postgres_put_as_text(at, err);
}

static int encode(pg_encoder *at, pond_error **err)
{
    switch (at->type) {
    case OID_BOOL:
        return for_bool(at, err);
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
    case OID_OID:
        return for_integer(at, err);
    case OID_FLOAT4:
    case OID_FLOAT8:
        return for_float(at, err);
    case OID_TEXT:
    case OID_VARCHAR:
    case OID_BPCHAR:
    case OID_NAME:
        return for_text(at, err);
    case OID_BYTEA:
        return for_bytes(at, err);
    case OID_JSON:
    case OID_JSONB:
        return for_json(at, err);
    case OID_DATE:
    case OID_TIME:
    case OID_TIMETZ:
    case OID_TIMESTAMP:
    case OID_TIMESTAMPTZ:
    case OID_INTERVAL:
        return for_time(at, err);
    case OID_UUID:
        return for_uuid(at, err);
    default:
        return for_other(at, err);
    }
}

/* ---- All of them ------------------------------------------------------------------------- */

static int make_room(pg_conn *conn, size_t count, pond_error **err)
{
    if (count <= (size_t)conn->capacity)
        return POND_OK;
    const char **values = pondi_realloc(conn->values, count * sizeof(*values));
    if (values)
        conn->values = values;
    int *lengths = pondi_realloc(conn->lengths, count * sizeof(*lengths));
    if (lengths)
        conn->lengths = lengths;
    int *formats = pondi_realloc(conn->formats, count * sizeof(*formats));
    if (formats)
        conn->formats = formats;
    Oid *types = pondi_realloc(conn->types, count * sizeof(*types));
    if (types)
        conn->types = types;
    if (!values || !lengths || !formats || !types)
        return pondi_error_nomem(err);
    conn->capacity = (int)count;
    return POND_OK;
}

static int encode_one(pg_conn *conn, const pond_value *value, size_t index, Oid type,
                      pond_error **err)
{
    pondi_buffer *scratch = &conn->scratch;
    pg_encoder at = {scratch, value, index + 1, type, 0};
    size_t start = scratch->size;
    if (value->type == POND_TYPE_NULL) {
        conn->lengths[index] = -1;
        conn->formats[index] = 0;
        return POND_OK;
    }
    int code = encode(&at, err);
    if (code)
        return code;
    if (scratch->size - start > PG_BIGGEST)
        return pondi_postgres_out_of_range(&at, "PostgreSQL's limit of 1 GB", err);
    conn->lengths[index] = (int)(scratch->size - start);
    conn->formats[index] = at.format;
    pondi_buffer_append_char(scratch, '\0');
    return POND_OK;
}

/* Of a parameter whose type the server is to find out: bytes are never taken for text. */
static Oid type_of_bytes(const pond_value *value)
{
    if (value->type == POND_TYPE_BYTES)
        return OID_BYTEA;
    return pondi_postgres_has_bytes(value) ? OID_BYTEA_ARRAY : 0;
}

static int encode_typed(pg_conn *conn, const pond_value *value, size_t index,
                        const pg_statement *statement, pg_typing typing, pond_error **err)
{
    Oid kind = typing == PG_UNTYPED ? 0 : statement->param_kinds[index];
    int typed =
        typing == PG_AS_PREPARED || (typing == PG_WHERE_FIT && pondi_postgres_fits(value, kind));
    conn->types[index] = typed ? statement->param_types[index] : type_of_bytes(value);
    return encode_one(conn, value, index, typed ? kind : conn->types[index], err);
}

int pondi_postgres_encode(pg_conn *conn, const pond_value *params, size_t count,
                          const pg_statement *statement, pg_typing typing, pond_error **err)
{
    enum { KEPT = 1 << 20 }; /* a huge parameter does not pin its memory */
    if (conn->scratch.capacity > KEPT)
        pondi_buffer_free(&conn->scratch);
    conn->scratch.size = 0;
    conn->scratch.failed = 0;
    int code = make_room(conn, count, err);
    for (size_t i = 0; i < count && !code; i++)
        code = encode_typed(conn, &params[i], i, statement, typing, err);
    if (!code && conn->scratch.failed)
        code = pondi_error_nomem(err);
    if (code)
        return code;
    const char *at = conn->scratch.data;
    for (size_t i = 0; i < count; i++) {
        conn->values[i] = conn->lengths[i] < 0 ? NULL : at;
        if (conn->lengths[i] >= 0)
            at += conn->lengths[i] + 1;
    }
    return POND_OK;
}

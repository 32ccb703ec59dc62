#include "entity/type.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/calendar.h"
#include "driver/json.h"
#include "entity/dialect.h"
#include "entity/text.h"

typedef struct type_row {
    const char *name;
    pond_type type;
    const char *declarations[3]; /* by dialect */
} type_row;

/* MySQL: text and JSON get a collation that compares byte by byte, as elsewhere (alter.c); a JSON
 * column would reorder keys.
 * SQLite: decimal_text keeps all digits, and the driver's collation compares them as numbers. */
static const type_row rows[] = {
    [PONDI_STORE_ANY] = {"", POND_TYPE_NULL, {"text", "longtext", "text"}},
    [PONDI_STORE_BOOL] = {"bool", POND_TYPE_BOOL, {"boolean", "tinyint(1)", "boolean"}},
    [PONDI_STORE_INT] = {"int", POND_TYPE_INT64, {"bigint", "bigint", "bigint"}},
    [PONDI_STORE_FLOAT] = {"float", POND_TYPE_DOUBLE, {"double precision", "double", "double"}},
    [PONDI_STORE_DECIMAL] = {"decimal",
                             POND_TYPE_DECIMAL,
                             {"numeric", "decimal(65,30)", "decimal_text COLLATE decimal"}},
    [PONDI_STORE_TEXT] = {"text", POND_TYPE_TEXT, {"text", "longtext", "text"}},
    [PONDI_STORE_BYTES] = {"bytes", POND_TYPE_BYTES, {"bytea", "longblob", "blob"}},
    [PONDI_STORE_DATETIME] = {"datetime",
                              POND_TYPE_TIMESTAMP,
                              {"timestamp", "datetime(6)", "timestamp"}},
    [PONDI_STORE_DATETIMETZ] = {"datetimetz",
                                POND_TYPE_TIMESTAMPTZ,
                                {"timestamptz", "datetime(6)", "timestamptz"}},
    [PONDI_STORE_DATE] = {"date", POND_TYPE_DATE, {"date", "date", "date"}},
    [PONDI_STORE_TIME] = {"time", POND_TYPE_TIME, {"time", "time(6)", "time"}},
    [PONDI_STORE_UUID] = {"uuid",
                          POND_TYPE_UUID,
                          {"uuid", "char(36) CHARACTER SET ascii COLLATE ascii_bin", "uuid"}},
    [PONDI_STORE_JSON] = {"json", POND_TYPE_JSON, {"json", "longtext", "json"}},
};

enum { TYPE_COUNT = sizeof(rows) / sizeof(rows[0]) };

const char *pondi_storage_name(pondi_storage storage)
{
    return rows[storage].name;
}

const char *pondi_storage_declaration(pond_dialect dialect, pondi_storage storage)
{
    return rows[storage].declarations[dialect];
}

pondi_storage pondi_storage_of_name(const char *name)
{
    for (int i = 1; i < TYPE_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return (pondi_storage)i;
    }
    return PONDI_STORE_ANY;
}

int pondi_is_stored_json(const pond_value *value)
{
    return value->type == POND_TYPE_TEXT && value->aux == POND_TEXT_JSON &&
           pondi_is_json(value->as.text.data, value->as.text.size);
}

pondi_storage pondi_storage_of_value(const pond_value *value)
{
    uint32_t type = value->type == POND_TYPE_ARRAY ? POND_TYPE_JSON : value->type;
    for (int i = 1; i < TYPE_COUNT; i++) {
        if (rows[i].type == (pond_type)type)
            return (pondi_storage)i;
    }
    return PONDI_STORE_ANY;
}

pond_type pondi_storage_type(pondi_storage storage)
{
    return rows[storage].type;
}

/* ---- Declarations ------------------------------------------------------------------------ */

typedef struct declaration {
    const char *prefix; /* in lower case; the first that matches counts */
    pondi_storage storage;
} declaration;

static const declaration declarations[] = {
    {"bool", PONDI_STORE_BOOL},
    {"tinyint(1)", PONDI_STORE_BOOL},
    {"interval", PONDI_STORE_ANY},
    {"tinyint", PONDI_STORE_INT},
    {"smallint", PONDI_STORE_INT},
    {"mediumint", PONDI_STORE_INT},
    {"bigint", PONDI_STORE_INT},
    {"int", PONDI_STORE_INT},
    {"real", PONDI_STORE_FLOAT},
    {"float", PONDI_STORE_FLOAT},
    {"double", PONDI_STORE_FLOAT},
    {"decimal", PONDI_STORE_DECIMAL},
    {"numeric", PONDI_STORE_DECIMAL},
    {"timestamp with time zone", PONDI_STORE_DATETIMETZ},
    {"timestamp(6) with time zone", PONDI_STORE_DATETIMETZ},
    {"timestamptz", PONDI_STORE_DATETIMETZ},
    {"timestamp", PONDI_STORE_DATETIME},
    {"datetime", PONDI_STORE_DATETIME},
    {"time with time zone", PONDI_STORE_ANY},
    {"time", PONDI_STORE_TIME},
    {"date", PONDI_STORE_DATE},
    {"uuid", PONDI_STORE_UUID},
    {"json", PONDI_STORE_JSON},
    {"bytea", PONDI_STORE_BYTES},
    {"blob", PONDI_STORE_BYTES},
    {"tinyblob", PONDI_STORE_BYTES},
    {"mediumblob", PONDI_STORE_BYTES},
    {"longblob", PONDI_STORE_BYTES},
    {"varbinary", PONDI_STORE_BYTES},
    {"binary", PONDI_STORE_BYTES},
    {"char", PONDI_STORE_TEXT},
    {"varchar", PONDI_STORE_TEXT},
    {"character", PONDI_STORE_TEXT},
    {"text", PONDI_STORE_TEXT},
    {"tinytext", PONDI_STORE_TEXT},
    {"mediumtext", PONDI_STORE_TEXT},
    {"longtext", PONDI_STORE_TEXT},
};

pondi_storage pondi_storage_of_declaration(pond_dialect dialect, const char *declared)
{
    size_t size = strlen(declared);
    if (size >= 2 && strcmp(declared + size - 2, "[]") == 0)
        return PONDI_STORE_ANY;
    if (pondi_entity_dialect_of(dialect)->timestamps_are_instants &&
        strncasecmp(declared, "timestamp", 9) == 0)
        return PONDI_STORE_DATETIMETZ;
    for (size_t i = 0; i < sizeof(declarations) / sizeof(declarations[0]); i++) {
        if (strncasecmp(declared, declarations[i].prefix, strlen(declarations[i].prefix)) == 0)
            return declarations[i].storage;
    }
    return PONDI_STORE_ANY;
}

/* ---- Values to columns ------------------------------------------------------------------- */

static const char *value_name(const pond_value *value)
{
    if (value->type == POND_TYPE_INTERVAL)
        return "an interval";
    return pondi_storage_name(pondi_storage_of_value(value));
}

static int misfit(pondi_storage storage, const char *field, const pond_value *value,
                  pond_error **err)
{
    return pondi_error_set(err, POND_EDATA,
                           "the value of \"%s\" is %s, which does not fit the field's type, %s: "
                           "convert it, or use another field",
                           field, value_name(value), pondi_storage_name(storage));
}

static int unstorable(const char *field, const char *why, pond_error **err)
{
    return pondi_error_set(err, POND_EDATA, "the value of \"%s\" %s", field, why);
}

static int fit_decimal(pond_dialect dialect, const char *field, const char *text, size_t size,
                       pond_value *value, pondi_arena *arena, pond_error **err)
{
    const pondi_entity_dialect *facts = pondi_entity_dialect_of(dialect);
    size_t most = facts->decimal_whole;
    pondi_buffer plain;
    size_t whole;
    size_t fraction;
    pondi_buffer_init(&plain);
    int code = POND_OK;
    if (!pondi_plain_decimal(text, size, &plain, &whole, &fraction))
        code = unstorable(field, "is not a decimal number that a column can hold", err);
    else if (most && (whole > most || fraction > facts->decimal_fraction))
        code = unstorable(field,
                          "has more digits than MySQL's decimals hold: 35 before the point, 30 "
                          "after it",
                          err);
    else if (plain.failed)
        code = pondi_error_nomem(err);
    if (!code) {
        value->type = facts->decimals_as_text ? POND_TYPE_TEXT : POND_TYPE_DECIMAL;
        value->as.text.data = pondi_arena_copy(arena, plain.data, plain.size);
        value->as.text.size = plain.size;
        if (!value->as.text.data)
            code = pondi_error_nomem(err);
    }
    pondi_buffer_free(&plain);
    return code;
}

static int fit_to_decimal(pond_dialect dialect, const char *field, pond_value *value,
                          pondi_arena *arena, pond_error **err)
{
    char digits[32];
    if (value->type == POND_TYPE_INT64) {
        int size = snprintf(digits, sizeof(digits), "%lld", (long long)value->as.integer);
        return fit_decimal(dialect, field, digits, (size_t)size, value, arena, err);
    }
    if (value->type != POND_TYPE_DECIMAL && value->type != POND_TYPE_TEXT)
        return misfit(PONDI_STORE_DECIMAL, field, value, err);
    return fit_decimal(dialect, field, value->as.text.data, value->as.text.size, value, arena, err);
}

static int fit_to_float(const char *field, pond_value *value, pond_error **err)
{
    static const int64_t exact = INT64_C(1) << 53;
    if (value->type == POND_TYPE_INT64) {
        if (value->as.integer > exact || value->as.integer < -exact)
            return unstorable(field, "is an int that a float cannot hold exactly", err);
        value->type = POND_TYPE_DOUBLE;
        value->as.real = (double)value->as.integer;
    }
    if (value->type != POND_TYPE_DOUBLE)
        return misfit(PONDI_STORE_FLOAT, field, value, err);
    if (!isfinite(value->as.real))
        return unstorable(
            field, "is not a finite number, which not all databases can store: save None", err);
    value->as.real += 0.0; /* no zero has a sign: not all databases keep it */
    return POND_OK;
}

static int check_text(const char *field, const pond_value *value, pond_error **err)
{
    if (value->as.text.size && memchr(value->as.text.data, '\0', value->as.text.size))
        return unstorable(field, "contains a NUL character, which not all databases can store",
                          err);
    return POND_OK;
}

static int fit_to_text(const char *field, pond_value *value, pond_error **err)
{
    return value->type == POND_TYPE_TEXT ? check_text(field, value, err)
                                         : misfit(PONDI_STORE_TEXT, field, value, err);
}

/* As JSON: an array, or text, which is a string there. */
static int write_json(const char *field, pond_value *value, pondi_arena *arena, pond_error **err)
{
    pondi_buffer json;
    pondi_buffer_init(&json);
    int code = pondi_json_write(value, &json, err);
    if (code && err && *err)
        pondi_error_prefix(*err, "the value of \"%s\": ", field);
    if (!code && json.failed)
        code = pondi_error_nomem(err);
    if (!code) {
        value->type = POND_TYPE_JSON;
        value->aux = 0;
        value->as.text.size = json.size;
        value->as.text.data = pondi_arena_copy(arena, json.data, json.size);
        if (!value->as.text.data)
            code = pondi_error_nomem(err);
    }
    pondi_buffer_free(&json);
    return code;
}

static int fit_to_json(const char *field, pond_value *value, pondi_arena *arena, pond_error **err)
{
    int stored = pondi_is_stored_json(value);
    if (value->type == POND_TYPE_TEXT && check_text(field, value, err))
        return POND_EDATA;
    if (value->type == POND_TYPE_ARRAY || (value->type == POND_TYPE_TEXT && !stored))
        return write_json(field, value, arena, err);
    if (value->type != POND_TYPE_JSON && !stored)
        return misfit(PONDI_STORE_JSON, field, value, err);
    if (!stored && !pondi_is_json(value->as.text.data, value->as.text.size))
        return unstorable(field, "is not valid JSON text, which the field requires", err);
    value->type = POND_TYPE_JSON;
    value->aux = 0;
    return check_text(field, value, err);
}

static int in_calendar(const pond_value *value)
{
    int64_t days =
        value->type == POND_TYPE_DATE ? value->as.integer : pondi_floor_days(value->as.integer);
    return value->as.integer != POND_TIME_INFINITY && value->as.integer != POND_TIME_NEG_INFINITY &&
           days >= PONDI_FIRST_DAY && days <= PONDI_LAST_DAY;
}

/* A value of the field's type, if its text is one. */
static int from_text(pondi_storage storage, pond_value *value)
{
    pond_value read = {0};
    const char *text = value->as.text.data;
    size_t size = value->as.text.size;
    int zoned = 0;
    int ok = 0;
    switch (storage) {
    case PONDI_STORE_DATE:
        ok = pondi_parse_date(text, size, &read.as.integer);
        read.type = POND_TYPE_DATE;
        break;
    case PONDI_STORE_TIME:
        ok = pondi_parse_time(text, size, &read.as.integer);
        read.type = POND_TYPE_TIME;
        break;
    case PONDI_STORE_DATETIME:
    case PONDI_STORE_DATETIMETZ:
        ok = pondi_parse_timestamp(text, size, &read.as.integer, &zoned);
        read.type = zoned ? POND_TYPE_TIMESTAMPTZ : POND_TYPE_TIMESTAMP;
        break;
    case PONDI_STORE_UUID:
        ok = pondi_parse_uuid(text, size, read.as.uuid);
        read.type = POND_TYPE_UUID;
        break;
    default:
        break;
    }
    if (ok)
        *value = read;
    return ok;
}

static int fit_to_time(pondi_storage storage, const char *field, pond_value *value,
                       pond_error **err)
{
    if (value->type == POND_TYPE_TEXT && !from_text(storage, value))
        return misfit(storage, field, value, err);
    if (pondi_storage_of_value(value) != storage) {
        int naive = storage == PONDI_STORE_DATETIMETZ && value->type == POND_TYPE_TIMESTAMP;
        int aware = storage == PONDI_STORE_DATETIME && value->type == POND_TYPE_TIMESTAMPTZ;
        if (naive)
            return unstorable(field, "has no time zone, and the field's values have one", err);
        if (aware)
            return unstorable(field, "has a time zone, and the field's values have none", err);
        return misfit(storage, field, value, err);
    }
    if (storage == PONDI_STORE_TIME && value->aux)
        return unstorable(field,
                          "is a time of day with a zone: save a datetime, or remove the zone", err);
    if (storage == PONDI_STORE_UUID || storage == PONDI_STORE_TIME || in_calendar(value))
        return POND_OK;
    return unstorable(field, "is outside the years 1 to 9999", err);
}

static int fit_plain(pondi_storage storage, const char *field, const pond_value *value,
                     pond_error **err)
{
    return pondi_storage_of_value(value) == storage ? POND_OK : misfit(storage, field, value, err);
}

int pondi_fit(pond_dialect dialect, pondi_storage storage, const char *field, pond_value *value,
              pondi_arena *arena, pond_error **err)
{
    if (value->type == POND_TYPE_NULL)
        return POND_OK;
    switch (storage) {
    case PONDI_STORE_ANY:
        return POND_OK;
    case PONDI_STORE_FLOAT:
        return fit_to_float(field, value, err);
    case PONDI_STORE_DECIMAL:
        return fit_to_decimal(dialect, field, value, arena, err);
    case PONDI_STORE_TEXT:
        return fit_to_text(field, value, err);
    case PONDI_STORE_JSON:
        return fit_to_json(field, value, arena, err);
    case PONDI_STORE_DATETIME:
    case PONDI_STORE_DATETIMETZ:
    case PONDI_STORE_DATE:
    case PONDI_STORE_TIME:
    case PONDI_STORE_UUID:
        return fit_to_time(storage, field, value, err);
    default:
        return fit_plain(storage, field, value, err);
    }
}

/* ---- Columns to values ------------------------------------------------------------------- */

static void strip_zeros(pond_value *value)
{
    const char *text = value->as.text.data;
    size_t size = value->as.text.size;
    value->type = POND_TYPE_DECIMAL;
    if (!memchr(text, '.', size) || memchr(text, 'e', size) || memchr(text, 'E', size))
        return;
    while (size && text[size - 1] == '0')
        size--;
    if (size && text[size - 1] == '.')
        size--;
    value->as.text.size = size;
}

void pondi_unfit(pondi_storage storage, pond_value *value)
{
    int is_text = value->type == POND_TYPE_TEXT;
    switch (storage) {
    case PONDI_STORE_BOOL:
        if (value->type == POND_TYPE_INT64 && (value->as.integer & ~INT64_C(1)) == 0)
            value->type = POND_TYPE_BOOL;
        break;
    case PONDI_STORE_INT:
        if (value->type == POND_TYPE_BOOL)
            value->type = POND_TYPE_INT64;
        break;
    case PONDI_STORE_FLOAT:
        if (value->type == POND_TYPE_INT64) {
            value->as.real = (double)value->as.integer;
            value->type = POND_TYPE_DOUBLE;
        }
        break;
    case PONDI_STORE_DECIMAL:
        if (is_text || value->type == POND_TYPE_DECIMAL)
            strip_zeros(value);
        break;
    case PONDI_STORE_JSON:
        if (is_text)
            value->type = POND_TYPE_JSON;
        break;
    case PONDI_STORE_BYTES:
        if (is_text)
            value->type = POND_TYPE_BYTES;
        break;
    default:
        if (is_text)
            from_text(storage, value);
        break;
    }
    if (storage == PONDI_STORE_DATETIMETZ && value->type == POND_TYPE_TIMESTAMP)
        value->type = POND_TYPE_TIMESTAMPTZ; /* kept in UTC where there are no zones */
}

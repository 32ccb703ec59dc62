#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/calendar.h"
#include "base/error.h"
#include "base/real.h"
#include "base/value.h"
#include "drivers/sqlite/sqlite.h"
#include "driver/json.h"
#include "driver/param.h"

/* ---- Parameters -------------------------------------------------------------------------- */

static int bind_text(sqlite3_stmt *stmt, int index, const char *text, size_t size, int copy)
{
    return sqlite3_bind_text64(stmt, index, size ? text : "", size,
                               copy ? SQLITE_TRANSIENT : SQLITE_STATIC, SQLITE_UTF8);
}

static int bind_array(sqlite3_stmt *stmt, int index, const pond_value *value, pond_error **err)
{
    pondi_buffer json;
    pondi_buffer_init(&json);
    int code = pondi_json_write(value, &json, err);
    if (code == POND_OK && bind_text(stmt, index, json.data, json.size, 1) != SQLITE_OK)
        code = pondi_error_nomem(err);
    pondi_buffer_free(&json);
    return code;
}

static int check_bind(int sqlite, int index, pond_error **err)
{
    if (sqlite == SQLITE_OK)
        return POND_OK;
    if (sqlite == SQLITE_TOOBIG)
        return pondi_error_set(err, POND_ERANGE,
                               "parameter %d is bigger than SQLite's limit of 1,000,000,000 bytes",
                               index);
    if (sqlite == SQLITE_NOMEM)
        return pondi_error_nomem(err);
    return pondi_error_set(err, POND_EPARAMS, "parameter %d cannot be bound: %s", index,
                           sqlite3_errstr(sqlite));
}

static int bind_decimal(sqlite3_stmt *stmt, int index, const pond_value *value, int copy,
                        pond_error **err)
{
    const char *text = value->as.text.data;
    size_t size = value->as.text.size;
    int64_t integer = 0;
    double real = 0;
    switch (pondi_sqlite_decimal_number(text, size, &integer, &real)) {
    case SQLITE_INTEGER:
        return check_bind(sqlite3_bind_int64(stmt, index, integer), index, err);
    case SQLITE_FLOAT:
        return check_bind(sqlite3_bind_double(stmt, index, real), index, err);
    default:
        if (pondi_param_check_text((size_t)index, text, size, err))
            return POND_EDATA;
        return check_bind(bind_text(stmt, index, text, size, copy), index, err);
    }
}

/* Months are of no fixed length, so that an interval with some has an order to nobody: it is text.
 */
static int bind_interval(sqlite3_stmt *stmt, int index, const pond_value *value, pond_error **err)
{
    char text[128];
    int64_t us;
    if (value->aux) {
        size_t size = pondi_format_value(value, text, sizeof(text));
        return check_bind(bind_text(stmt, index, text, size, 1), index, err);
    }
    if (!pondi_sqlite_interval_us(value, &us))
        return pondi_error_set(err, POND_ERANGE,
                               "parameter %d is an interval of more than 292,271 years, which "
                               "SQLite cannot count in microseconds: pass a shorter one",
                               index);
    return check_bind(sqlite3_bind_int64(stmt, index, us), index, err);
}

static int bind_plain_text(sqlite3_stmt *stmt, int index, const pond_value *value, int copy,
                           pond_error **err)
{
    if (pondi_param_check_text((size_t)index, value->as.text.data, value->as.text.size, err))
        return POND_EDATA;
    return check_bind(bind_text(stmt, index, value->as.text.data, value->as.text.size, copy), index,
                      err);
}

int pondi_sqlite_bind(sqlite3_stmt *stmt, int index, const pond_value *value, int copy,
                      pond_error **err)
{
    char text[128];
    size_t size;
    switch (value->type) {
    case POND_TYPE_NULL:
        return check_bind(sqlite3_bind_null(stmt, index), index, err);
    case POND_TYPE_BOOL:
        return check_bind(sqlite3_bind_int(stmt, index, value->as.integer != 0), index, err);
    case POND_TYPE_INT64:
        return check_bind(sqlite3_bind_int64(stmt, index, value->as.integer), index, err);
    case POND_TYPE_DOUBLE:
        if (isnan(value->as.real)) /* SQLite would store NULL without a word */
            return pondi_error_set(err, POND_ERANGE,
                                   "parameter %d is not a number, which SQLite cannot store: pass "
                                   "NULL instead",
                                   index);
        return check_bind(sqlite3_bind_double(stmt, index, value->as.real), index, err);
    case POND_TYPE_DECIMAL:
        return bind_decimal(stmt, index, value, copy, err);
    case POND_TYPE_INTERVAL:
        return bind_interval(stmt, index, value, err);
    case POND_TYPE_BYTES:
        if (value->as.text.size == 0)
            return check_bind(sqlite3_bind_zeroblob(stmt, index, 0), index, err);
        return check_bind(sqlite3_bind_blob64(stmt, index, value->as.text.data, value->as.text.size,
                                              copy ? SQLITE_TRANSIENT : SQLITE_STATIC),
                          index, err);
    case POND_TYPE_ARRAY:
        return bind_array(stmt, index, value, err);
    default:
        if (pondi_value_has_text(value))
            return bind_plain_text(stmt, index, value, copy, err);
        size = pondi_format_value(value, text, sizeof(text));
        if (!size)
            return pondi_error_set(err, POND_ERANGE,
                                   "parameter %d is a date or time outside the years 1 to 9999",
                                   index);
        return check_bind(bind_text(stmt, index, text, size, 1), index, err);
    }
}

/* ---- Declared types ---------------------------------------------------------------------- */

typedef struct declaration {
    const char *name; /* "(10, 2)" and the like may follow */
    uint8_t type;
} declaration;

uint8_t pondi_sqlite_declared_type(const char *declared)
{
    /* the first that matches counts */
    static const declaration declarations[] = {
        {"boolean", POND_TYPE_BOOL},
        {"bool", POND_TYPE_BOOL},
        {"timestamp with time zone", POND_TYPE_TIMESTAMPTZ},
        {"datetime with time zone", POND_TYPE_TIMESTAMPTZ},
        {"timestamptz", POND_TYPE_TIMESTAMPTZ},
        {"timestamp", POND_TYPE_TIMESTAMP},
        {"datetime", POND_TYPE_TIMESTAMP},
        {"date", POND_TYPE_DATE},
        {"time", POND_TYPE_TIME},
        {"decimal", POND_TYPE_DECIMAL},
        {"numeric", POND_TYPE_DECIMAL},
        {"decimal_text", POND_TYPE_DECIMAL}, /* keeps all digits: the name has "text" in it */
        {"uuid", POND_TYPE_UUID},
        {"interval", POND_TYPE_INTERVAL}, /* the name has "int" in it, too */
        {"json", POND_TYPE_JSON},
    };
    if (!declared)
        return POND_TYPE_NULL;
    for (size_t i = 0; i < sizeof(declarations) / sizeof(declarations[0]); i++) {
        size_t size = strlen(declarations[i].name);
        if (strncasecmp(declared, declarations[i].name, size) == 0 &&
            !isalnum((unsigned char)declared[size]) && declared[size] != '_')
            return declarations[i].type;
    }
    return POND_TYPE_NULL;
}

static int contains(const char *text, const char *word)
{
    size_t size = strlen(word);
    for (; *text; text++) {
        if (strncasecmp(text, word, size) == 0)
            return 1;
    }
    return 0;
}

uint8_t pondi_sqlite_affinity(const char *declared)
{
    /* SQLite's own rules, in their order */
    static const declaration parts[] = {
        {"int", POND_TYPE_INT64},   {"char", POND_TYPE_TEXT},   {"clob", POND_TYPE_TEXT},
        {"text", POND_TYPE_TEXT},   {"blob", POND_TYPE_BYTES},  {"real", POND_TYPE_DOUBLE},
        {"floa", POND_TYPE_DOUBLE}, {"doub", POND_TYPE_DOUBLE},
    };
    for (size_t i = 0; declared && i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (contains(declared, parts[i].name))
            return parts[i].type;
    }
    return POND_TYPE_NULL;
}

/* ---- Cells ------------------------------------------------------------------------------- */

/* A value of a declared type, where what is stored is one; else 0, and it stays as stored. */
static int read_declared_text(pond_value *cell, uint8_t declared, const char *text, size_t size)
{
    int zoned = 0;
    switch (declared) {
    case POND_TYPE_DATE:
        if (!pondi_parse_date(text, size, &cell->as.integer))
            return 0;
        break;
    case POND_TYPE_TIME:
        if (!pondi_parse_time(text, size, &cell->as.integer))
            return 0;
        break;
    case POND_TYPE_TIMESTAMP:
    case POND_TYPE_TIMESTAMPTZ:
        if (!pondi_parse_timestamp(text, size, &cell->as.integer, &zoned))
            return 0;
        if (zoned) /* without a zone it is UTC in a timestamptz, as CURRENT_TIMESTAMP writes it */
            declared = POND_TYPE_TIMESTAMPTZ;
        break;
    case POND_TYPE_UUID:
        if (!pondi_parse_uuid(text, size, cell->as.uuid))
            return 0;
        break;
    case POND_TYPE_INTERVAL:
        if (!pondi_parse_interval(text, size, &cell->aux, &cell->as.interval.days,
                                  &cell->as.interval.microseconds))
            return 0;
        break;
    default:
        return 0;
    }
    cell->type = declared;
    return 1;
}

static int is_decimal(const char *text, size_t size)
{
    size_t digits = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c >= '0' && c <= '9')
            digits++;
        else if (c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E')
            return 0;
    }
    return digits > 0;
}

static int read_text(pondi_row_set *set, pond_value *cell, uint8_t declared, const char *text,
                     size_t size)
{
    if (declared != POND_TYPE_NULL && read_declared_text(cell, declared, text, size))
        return POND_OK;
    pond_type type = POND_TYPE_TEXT;
    if (declared == POND_TYPE_JSON || (declared == POND_TYPE_DECIMAL && is_decimal(text, size)))
        type = (pond_type)declared;
    return pondi_row_set_text(set, cell, type, text, size);
}

static int read_integer(pondi_row_set *set, pond_value *cell, uint8_t declared, int64_t value)
{
    if (declared == POND_TYPE_DECIMAL) {
        char text[32];
        int size = snprintf(text, sizeof(text), "%lld", (long long)value);
        return pondi_row_set_text(set, cell, POND_TYPE_DECIMAL, text, (size_t)size);
    }
    if (declared == POND_TYPE_INTERVAL) {
        pondi_sqlite_interval_of(value, cell);
        return POND_OK;
    }
    cell->type =
        declared == POND_TYPE_BOOL && (value == 0 || value == 1) ? POND_TYPE_BOOL : POND_TYPE_INT64;
    cell->as.integer = value;
    return POND_OK;
}

static int read_real(pondi_row_set *set, pond_value *cell, uint8_t declared, double value)
{
    if (declared == POND_TYPE_DECIMAL && isfinite(value)) {
        char text[PONDI_REAL_TEXT];
        size_t size = pondi_format_real(value, text);
        return pondi_row_set_text(set, cell, POND_TYPE_DECIMAL, text, size);
    }
    cell->type = POND_TYPE_DOUBLE;
    cell->as.real = value;
    return POND_OK;
}

static int read_cell(pondi_sqlite_statement *statement, int column, pondi_row_set *set,
                     pond_value *cell)
{
    sqlite3_stmt *stmt = statement->stmt;
    uint8_t declared = statement->kinds[column];
    const void *data;
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        return read_integer(set, cell, declared, sqlite3_column_int64(stmt, column));
    case SQLITE_FLOAT:
        return read_real(set, cell, declared, sqlite3_column_double(stmt, column));
    case SQLITE_TEXT:
        data = sqlite3_column_text(stmt, column);
        if (!data)
            return POND_ENOMEM;
        return read_text(set, cell, declared, data, (size_t)sqlite3_column_bytes(stmt, column));
    case SQLITE_BLOB:
        data = sqlite3_column_blob(stmt, column);
        return pondi_row_set_text(set, cell, POND_TYPE_BYTES, data ? data : "",
                                  (size_t)sqlite3_column_bytes(stmt, column));
    default:
        return POND_OK; /* cells begin as NULL */
    }
}

int pondi_sqlite_read_row(pondi_sqlite_statement *statement, pondi_row_set *set)
{
    pond_value *cells = pondi_row_set_add(set);
    if (!cells)
        return POND_ENOMEM;
    int code = POND_OK;
    for (int i = 0; i < statement->column_count && !code; i++)
        code = read_cell(statement, i, set, &cells[i]);
    return code;
}

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/calendar.h"
#include "base/error.h"
#include "drivers/mysql/mysql.h"

enum { BINARY_CHARSET = 63 };

/* ---- Kinds ------------------------------------------------------------------------------- */

#ifdef MARIADB_PACKAGE_VERSION
static int has_attribute(const MYSQL_FIELD *field, enum mariadb_field_attr_t which,
                         const char *name)
{
    MARIADB_CONST_STRING found = {0};
    return !mariadb_field_attr(&found, field, which) && found.length == strlen(name) &&
           memcmp(found.str, name, found.length) == 0;
}
#endif

/* MariaDB sends its JSON and UUID as text, and says so on the side. */
static my_kind kind_of_text(const MYSQL_FIELD *field)
{
#ifdef MARIADB_PACKAGE_VERSION
    if (has_attribute(field, MARIADB_FIELD_ATTR_FORMAT_NAME, "json"))
        return MY_KIND_JSON;
    if (has_attribute(field, MARIADB_FIELD_ATTR_DATA_TYPE_NAME, "uuid"))
        return MY_KIND_UUID;
#endif
    return field->charsetnr == BINARY_CHARSET ? MY_KIND_BYTES : MY_KIND_TEXT;
}

my_kind pondi_mysql_kind(const MYSQL_FIELD *field)
{
    int is_unsigned = (field->flags & UNSIGNED_FLAG) != 0;
    switch (field->type) {
    case MYSQL_TYPE_NULL:
        return MY_KIND_NULL;
    case MYSQL_TYPE_TINY:
        return field->length == 1 && !is_unsigned ? MY_KIND_BOOL : MY_KIND_INT;
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_YEAR:
        return MY_KIND_INT;
    case MYSQL_TYPE_LONGLONG:
        return is_unsigned ? MY_KIND_UINT : MY_KIND_INT;
    case MYSQL_TYPE_FLOAT:
        return MY_KIND_FLOAT;
    case MYSQL_TYPE_DOUBLE:
        return MY_KIND_DOUBLE;
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL:
        return MY_KIND_DECIMAL;
    case MYSQL_TYPE_BIT:
        return MY_KIND_BIT;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE:
        return MY_KIND_DATE;
    case MYSQL_TYPE_TIME:
        return MY_KIND_TIME;
    case MYSQL_TYPE_DATETIME:
        return MY_KIND_DATETIME;
    case MYSQL_TYPE_TIMESTAMP:
        return MY_KIND_TIMESTAMP;
    case MYSQL_TYPE_JSON:
        return MY_KIND_JSON;
    case MYSQL_TYPE_GEOMETRY:
        return MY_KIND_BYTES;
    default:
        return kind_of_text(field);
    }
}

pond_type pondi_mysql_column_type(const MYSQL_FIELD *field)
{
    static const uint8_t types[] = {
        [MY_KIND_NULL] = POND_TYPE_NULL,          [MY_KIND_BOOL] = POND_TYPE_BOOL,
        [MY_KIND_INT] = POND_TYPE_INT64,          [MY_KIND_UINT] = POND_TYPE_INT64,
        [MY_KIND_FLOAT] = POND_TYPE_DOUBLE,       [MY_KIND_DOUBLE] = POND_TYPE_DOUBLE,
        [MY_KIND_DECIMAL] = POND_TYPE_DECIMAL,    [MY_KIND_TEXT] = POND_TYPE_TEXT,
        [MY_KIND_BYTES] = POND_TYPE_BYTES,        [MY_KIND_BIT] = POND_TYPE_INT64,
        [MY_KIND_DATE] = POND_TYPE_DATE,          [MY_KIND_TIME] = POND_TYPE_TIME,
        [MY_KIND_DATETIME] = POND_TYPE_TIMESTAMP, [MY_KIND_TIMESTAMP] = POND_TYPE_TIMESTAMP,
        [MY_KIND_JSON] = POND_TYPE_JSON,          [MY_KIND_UUID] = POND_TYPE_UUID,
    };
    return (pond_type)types[pondi_mysql_kind(field)];
}

/* ---- Bind -------------------------------------------------------------------------------- */

static void bind_column(my_column *column, MYSQL_BIND *bind)
{
    bind->is_null = &column->is_null;
    bind->error = &column->truncated;
    bind->length = &column->size;
    bind->buffer = &column->at;
    bind->buffer_length = sizeof(column->at);
    switch (column->kind) {
    case MY_KIND_BOOL:
    case MY_KIND_INT:
    case MY_KIND_UINT:
        bind->buffer_type = MYSQL_TYPE_LONGLONG;
        bind->is_unsigned = column->kind == MY_KIND_UINT;
        break;
    case MY_KIND_FLOAT:
        bind->buffer_type = MYSQL_TYPE_FLOAT;
        break;
    case MY_KIND_DOUBLE:
        bind->buffer_type = MYSQL_TYPE_DOUBLE;
        break;
    case MY_KIND_DATE:
        bind->buffer_type = MYSQL_TYPE_DATE;
        break;
    case MY_KIND_TIME:
        bind->buffer_type = MYSQL_TYPE_TIME;
        break;
    case MY_KIND_DATETIME:
    case MY_KIND_TIMESTAMP:
        bind->buffer_type = MYSQL_TYPE_DATETIME;
        break;
    case MY_KIND_BYTES:
    case MY_KIND_BIT:
        bind->buffer_type = MYSQL_TYPE_BLOB;
        bind->buffer_length = 0; /* only its size: the bytes are fetched where they shall be */
        break;
    default:
        bind->buffer_type = MYSQL_TYPE_STRING;
        bind->buffer_length = 0;
        break;
    }
}

static int make_room(my_statement *statement, unsigned int count, pond_error **err)
{
    if (count <= statement->column_count && statement->columns)
        return POND_OK;
    pondi_free(statement->columns);
    pondi_free(statement->binds);
    statement->columns = pondi_calloc(count, sizeof(*statement->columns));
    statement->binds = pondi_calloc(count, sizeof(*statement->binds));
    statement->column_count = 0;
    return statement->columns && statement->binds ? POND_OK : pondi_error_nomem(err);
}

int pondi_mysql_bind_columns(my_statement *statement, pond_error **err)
{
    unsigned int count = mysql_stmt_field_count(statement->stmt);
    int code = make_room(statement, count, err);
    if (code)
        return code;
    statement->column_count = count;
    memset(statement->binds, 0, count * sizeof(*statement->binds));
    for (unsigned int i = 0; i < count; i++) { /* a table may have changed since the last time */
        statement->columns[i].kind = pondi_mysql_kind(&statement->stmt->fields[i]);
        bind_column(&statement->columns[i], &statement->binds[i]);
    }
    if (mysql_stmt_bind_result(statement->stmt, statement->binds))
        return pondi_error_set(err, POND_EINTERNAL, "the columns cannot be bound: %s",
                               mysql_stmt_error(statement->stmt));
    return POND_OK;
}

/* ---- Read -------------------------------------------------------------------------------- */

static int fetch_bytes(my_statement *statement, unsigned int index, void *to, unsigned long size)
{
    MYSQL_BIND bind;
    my_flag is_null = 0;
    my_flag truncated = 0;
    unsigned long found = 0;
    memset(&bind, 0, sizeof(bind));
    bind.buffer_type = statement->binds[index].buffer_type;
    bind.buffer = to;
    bind.buffer_length = size;
    bind.length = &found;
    bind.is_null = &is_null;
    bind.error = &truncated;
    return mysql_stmt_fetch_column(statement->stmt, &bind, index, 0) == 0 && found == size;
}

static int read_text(my_statement *statement, unsigned int index, pondi_row_set *set,
                     pond_value *cell, pond_type type)
{
    unsigned long size = statement->columns[index].size;
    char *text = pondi_row_set_alloc(set, size);
    if (!text)
        return POND_ENOMEM;
    if (size && !fetch_bytes(statement, index, text, size))
        return POND_EDATA;
    cell->type = (uint32_t)type;
    cell->as.text.data = text;
    cell->as.text.size = size;
    return POND_OK;
}

static int read_uuid(my_statement *statement, unsigned int index, pond_value *cell)
{
    char text[PONDI_UUID_TEXT];
    unsigned long size = statement->columns[index].size;
    if (size >= sizeof(text) || !fetch_bytes(statement, index, text, size) ||
        !pondi_parse_uuid(text, size, cell->as.uuid))
        return POND_EDATA;
    cell->type = POND_TYPE_UUID;
    return POND_OK;
}

/* Numbers beyond int64 stay exact as decimals. */
int pondi_mysql_read_unsigned(pondi_row_set *set, pond_value *cell, uint64_t value)
{
    char text[32];
    if (value <= INT64_MAX) {
        cell->type = POND_TYPE_INT64;
        cell->as.integer = (int64_t)value;
        return POND_OK;
    }
    int size = snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    return pondi_row_set_text(set, cell, POND_TYPE_DECIMAL, text, (size_t)size);
}

int pondi_mysql_read_bits(pondi_row_set *set, pond_value *cell, const char *bytes, size_t size)
{
    uint64_t value = 0;
    if (size > sizeof(value))
        return POND_EDATA;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | (uint8_t)bytes[i];
    return pondi_mysql_read_unsigned(set, cell, value);
}

static int read_bits(my_statement *statement, unsigned int index, pondi_row_set *set,
                     pond_value *cell)
{
    char bytes[8];
    unsigned long size = statement->columns[index].size;
    if (size > sizeof(bytes) || !fetch_bytes(statement, index, bytes, size))
        return POND_EDATA;
    return pondi_mysql_read_bits(set, cell, bytes, size);
}

static int read_date(const MYSQL_TIME *time, pond_value *cell)
{
    pondi_civil date = {(int)time->year, (int)time->month, (int)time->day};
    cell->type = POND_TYPE_DATE;
    return pondi_days_from_civil(date, &cell->as.integer) ? POND_OK : POND_EDATA;
}

/* What a server sends must be a time before anyone counts with it. MySQL's go to 838 hours. */
static int clock_us(const MYSQL_TIME *time, int64_t *us)
{
    int64_t hours = (int64_t)time->day * 24 + time->hour;
    *us = 0;
    if (hours > 838 || time->minute > 59 || time->second > 59 || time->second_part > 999999)
        return 0;
    *us = (hours * 60 + time->minute) * INT64_C(60000000) + (int64_t)time->second * 1000000 +
          (int64_t)time->second_part;
    return 1;
}

static int read_timestamp(const MYSQL_TIME *time, pond_value *cell, pond_type type)
{
    int64_t us;
    MYSQL_TIME clock = *time;
    clock.day = 0;
    if (read_date(time, cell) || !clock_us(&clock, &us) || us >= PONDI_US_PER_DAY)
        return POND_EDATA;
    cell->type = (uint32_t)type;
    cell->as.integer = cell->as.integer * PONDI_US_PER_DAY + us;
    return POND_OK;
}

void pondi_mysql_set_span(pond_value *cell, int negative, int64_t us)
{
    if ((negative && us) || us >= PONDI_US_PER_DAY) {
        cell->type = POND_TYPE_INTERVAL;
        cell->as.interval.days = 0;
        cell->as.interval.microseconds = negative ? -us : us;
    } else {
        cell->type = POND_TYPE_TIME;
        cell->as.integer = us;
    }
}

static int read_time(const MYSQL_TIME *time, pond_value *cell)
{
    int64_t us;
    if (!clock_us(time, &us))
        return POND_EDATA;
    pondi_mysql_set_span(cell, time->neg, us);
    return POND_OK;
}

static int read_cell(my_statement *statement, unsigned int index, pondi_row_set *set,
                     pond_value *cell)
{
    const my_column *column = &statement->columns[index];
    switch (column->kind) {
    case MY_KIND_NULL:
        return POND_OK;
    case MY_KIND_BOOL:
    case MY_KIND_INT:
        cell->as.integer = column->at.integer;
        cell->type = column->kind == MY_KIND_BOOL && (cell->as.integer & ~INT64_C(1)) == 0
                         ? POND_TYPE_BOOL
                         : POND_TYPE_INT64;
        return POND_OK;
    case MY_KIND_UINT:
        return pondi_mysql_read_unsigned(set, cell, (uint64_t)column->at.integer);
    case MY_KIND_FLOAT:
        cell->type = POND_TYPE_DOUBLE;
        cell->as.real = (double)column->at.single;
        return POND_OK;
    case MY_KIND_DOUBLE:
        cell->type = POND_TYPE_DOUBLE;
        cell->as.real = column->at.real;
        return POND_OK;
    case MY_KIND_DECIMAL:
        return read_text(statement, index, set, cell, POND_TYPE_DECIMAL);
    case MY_KIND_TEXT:
        return read_text(statement, index, set, cell, POND_TYPE_TEXT);
    case MY_KIND_JSON:
        return read_text(statement, index, set, cell, POND_TYPE_JSON);
    case MY_KIND_BYTES:
        return read_text(statement, index, set, cell, POND_TYPE_BYTES);
    case MY_KIND_BIT:
        return read_bits(statement, index, set, cell);
    case MY_KIND_UUID:
        return read_uuid(statement, index, cell);
    case MY_KIND_DATE:
        return read_date(&column->at.time, cell);
    case MY_KIND_TIME:
        return read_time(&column->at.time, cell);
    case MY_KIND_DATETIME:
        return read_timestamp(&column->at.time, cell, POND_TYPE_TIMESTAMP);
    case MY_KIND_TIMESTAMP:
        return read_timestamp(&column->at.time, cell, POND_TYPE_TIMESTAMPTZ);
    }
    return POND_EDATA;
}

int pondi_mysql_unreadable(int code, const char *column, const pondi_row_set *set, pond_error **err)
{
    if (code == POND_ENOMEM)
        return pondi_error_nomem(err);
    return pondi_error_set(err, POND_EDATA,
                           "column \"%s\" of row %zu cannot be read: the server sent a value "
                           "outside its type, such as a date of zeros",
                           column, set->base.row_count - 1);
}

int pondi_mysql_read_row(my_statement *statement, pondi_row_set *set, pond_error **err)
{
    pond_value *cells = pondi_row_set_add(set);
    if (!cells)
        return pondi_error_nomem(err);
    for (unsigned int i = 0; i < statement->column_count; i++) {
        if (statement->columns[i].is_null)
            continue;
        int code = read_cell(statement, i, set, &cells[i]);
        if (code)
            return pondi_mysql_unreadable(code, statement->stmt->fields[i].name, set, err);
    }
    return POND_OK;
}

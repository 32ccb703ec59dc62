/* Results in the text protocol, of the few statements that are not prepared. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/calendar.h"
#include "base/error.h"
#include "base/real.h"
#include "drivers/mysql/mysql.h"

/* `[-]HHH:MM:SS[.ffffff]`, to 838 hours. */
static int parse_time(const char *text, size_t size, pond_value *cell)
{
    const char *end = text + size;
    int negative = text < end && *text == '-';
    const char *at = text + negative;
    int64_t parts[3] = {0};
    for (int i = 0; i < 3; i++) {
        const char *start = at;
        for (; at < end && *at >= '0' && *at <= '9' && at - start < 4; at++)
            parts[i] = parts[i] * 10 + (*at - '0');
        if (at == start || (i < 2 && (at == end || *at++ != ':')))
            return POND_EDATA;
    }
    int64_t fraction = 0;
    if (at < end && *at == '.') {
        int64_t unit = 100000;
        for (at++; at < end && *at >= '0' && *at <= '9'; at++, unit /= 10)
            fraction += (*at - '0') * unit;
    }
    if (at < end || parts[0] > 838 || parts[1] > 59 || parts[2] > 59)
        return POND_EDATA;
    pondi_mysql_set_span(cell, negative,
                         ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1000000 + fraction);
    return POND_OK;
}

static int parse_timestamp(const char *text, size_t size, pond_value *cell, pond_type type)
{
    int zoned;
    cell->type = (uint32_t)type;
    return pondi_parse_timestamp(text, size, &cell->as.integer, &zoned) ? POND_OK : POND_EDATA;
}

static int parse_date(const char *text, size_t size, pond_value *cell)
{
    cell->type = POND_TYPE_DATE;
    return pondi_parse_date(text, size, &cell->as.integer) ? POND_OK : POND_EDATA;
}

static int parse_integer(const char *text, size_t size, my_kind kind, pond_value *cell)
{
    char *end;
    errno = 0;
    cell->as.integer = strtoll(text, &end, 10);
    cell->type = kind == MY_KIND_BOOL && (cell->as.integer & ~INT64_C(1)) == 0 ? POND_TYPE_BOOL
                                                                               : POND_TYPE_INT64;
    return size && end == text + size && !errno ? POND_OK : POND_EDATA;
}

static int parse_unsigned(const char *text, size_t size, pondi_row_set *set, pond_value *cell)
{
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    return size && end == text + size && !errno ? pondi_mysql_read_unsigned(set, cell, value)
                                                : POND_EDATA;
}

/* A FLOAT is the number that a prepared statement brings: the nearest of its own width. */
static int parse_double(const char *text, size_t size, my_kind kind, pond_value *cell)
{
    char *end;
    cell->type = POND_TYPE_DOUBLE;
    cell->as.real = pondi_parse_real(text, &end);
    if (kind == MY_KIND_FLOAT)
        cell->as.real = (double)(float)cell->as.real;
    return size && end == text + size ? POND_OK : POND_EDATA;
}

static int parse_uuid(const char *text, size_t size, pond_value *cell)
{
    cell->type = POND_TYPE_UUID;
    return pondi_parse_uuid(text, size, cell->as.uuid) ? POND_OK : POND_EDATA;
}

static pond_type text_type(my_kind kind)
{
    switch (kind) {
    case MY_KIND_DECIMAL:
        return POND_TYPE_DECIMAL;
    case MY_KIND_JSON:
        return POND_TYPE_JSON;
    case MY_KIND_BYTES:
        return POND_TYPE_BYTES;
    default:
        return POND_TYPE_TEXT;
    }
}

/* The same value as in the binary form of a prepared statement, or the same error. */
static int read_cell(my_kind kind, const char *text, size_t size, pondi_row_set *set,
                     pond_value *cell)
{
    switch (kind) {
    case MY_KIND_BOOL:
    case MY_KIND_INT:
        return parse_integer(text, size, kind, cell);
    case MY_KIND_UINT:
        return parse_unsigned(text, size, set, cell);
    case MY_KIND_FLOAT:
    case MY_KIND_DOUBLE:
        return parse_double(text, size, kind, cell);
    case MY_KIND_BIT:
        return pondi_mysql_read_bits(set, cell, text, size);
    case MY_KIND_DATE:
        return parse_date(text, size, cell);
    case MY_KIND_TIME:
        return parse_time(text, size, cell);
    case MY_KIND_DATETIME:
        return parse_timestamp(text, size, cell, POND_TYPE_TIMESTAMP);
    case MY_KIND_TIMESTAMP:
        return parse_timestamp(text, size, cell, POND_TYPE_TIMESTAMPTZ);
    case MY_KIND_UUID:
        return parse_uuid(text, size, cell);
    default:
        return pondi_row_set_text(set, cell, text_type(kind), text, size);
    }
}

static int read_row(MYSQL_RES *rows, MYSQL_ROW row, pondi_row_set *set, pond_error **err)
{
    const MYSQL_FIELD *fields = mysql_fetch_fields(rows);
    const unsigned long *sizes = mysql_fetch_lengths(rows);
    pond_value *cells = pondi_row_set_add(set);
    if (!cells)
        return pondi_error_nomem(err);
    for (size_t i = 0; i < set->base.column_count; i++) {
        int code = row[i]
                       ? read_cell(pondi_mysql_kind(&fields[i]), row[i], sizes[i], set, &cells[i])
                       : POND_OK;
        if (code)
            return pondi_mysql_unreadable(code, fields[i].name, set, err);
    }
    return POND_OK;
}

int pondi_mysql_read_text_rows(MYSQL_RES *rows, pondi_row_set **out, pond_error **err)
{
    const MYSQL_FIELD *fields = mysql_fetch_fields(rows);
    unsigned int count = mysql_num_fields(rows);
    MYSQL_ROW row;
    int code = POND_OK;
    pondi_row_set *set = pondi_row_set_new(count);
    if (!set)
        return pondi_error_nomem(err);
    for (unsigned int i = 0; i < count && !code; i++) {
        if (pondi_row_set_name(set, i, fields[i].name))
            code = pondi_error_nomem(err);
        pondi_row_set_type(set, i, pondi_mysql_column_type(&fields[i]));
    }
    while (!code && (row = mysql_fetch_row(rows)))
        code = read_row(rows, row, set, err);
    set->base.affected = (int64_t)set->base.row_count;
    if (code) {
        pond_result_release(&set->base);
        return code;
    }
    *out = set;
    return POND_OK;
}

/* Results in the text protocol, of the few statements that cannot be prepared. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/calendar.h"
#include "base/error.h"
#include "base/real.h"
#include "drivers/mysql/mysql.h"

static int parse_time(const char *text, size_t size, pond_value *cell)
{
    cell->type = POND_TYPE_TIME;
    return pondi_parse_time(text, size, &cell->as.integer);
}

static int parse_timestamp(const char *text, size_t size, pond_value *cell, pond_type type)
{
    int zoned;
    cell->type = (uint32_t)type;
    return pondi_parse_timestamp(text, size, &cell->as.integer, &zoned);
}

static int parse_integer(const char *text, size_t size, my_kind kind, pond_value *cell)
{
    char *end;
    errno = 0;
    cell->as.integer = strtoll(text, &end, 10);
    cell->type = kind == MY_KIND_BOOL && (cell->as.integer & ~INT64_C(1)) == 0 ? POND_TYPE_BOOL
                                                                               : POND_TYPE_INT64;
    return size && end == text + size && !errno;
}

static int parse_double(const char *text, size_t size, pond_value *cell)
{
    char *end;
    cell->type = POND_TYPE_DOUBLE;
    cell->as.real = pondi_parse_real(text, &end);
    return size && end == text + size;
}

/* 0 for what does not parse, or is text anyway: it stays text. */
static int parse(my_kind kind, const char *text, size_t size, pond_value *cell)
{
    switch (kind) {
    case MY_KIND_BOOL:
    case MY_KIND_INT:
        return parse_integer(text, size, kind, cell);
    case MY_KIND_FLOAT:
    case MY_KIND_DOUBLE:
        return parse_double(text, size, cell);
    case MY_KIND_DATE:
        cell->type = POND_TYPE_DATE;
        return pondi_parse_date(text, size, &cell->as.integer);
    case MY_KIND_TIME:
        return parse_time(text, size, cell);
    case MY_KIND_DATETIME:
        return parse_timestamp(text, size, cell, POND_TYPE_TIMESTAMP);
    case MY_KIND_TIMESTAMP:
        return parse_timestamp(text, size, cell, POND_TYPE_TIMESTAMPTZ);
    case MY_KIND_UUID:
        cell->type = POND_TYPE_UUID;
        return pondi_parse_uuid(text, size, cell->as.uuid);
    default:
        return 0;
    }
}

static pond_type text_type(my_kind kind)
{
    switch (kind) {
    case MY_KIND_DECIMAL:
    case MY_KIND_UINT:
        return POND_TYPE_DECIMAL;
    case MY_KIND_JSON:
        return POND_TYPE_JSON;
    case MY_KIND_BYTES:
    case MY_KIND_BIT:
        return POND_TYPE_BYTES;
    default:
        return POND_TYPE_TEXT;
    }
}

static int read_row(MYSQL_RES *rows, MYSQL_ROW row, pondi_row_set *set)
{
    const MYSQL_FIELD *fields = mysql_fetch_fields(rows);
    const unsigned long *sizes = mysql_fetch_lengths(rows);
    pond_value *cells = pondi_row_set_add(set);
    if (!cells)
        return POND_ENOMEM;
    for (size_t i = 0; i < set->base.column_count; i++) {
        my_kind kind = pondi_mysql_kind(&fields[i]);
        if (!row[i] || parse(kind, row[i], sizes[i], &cells[i]))
            continue;
        if (pondi_row_set_text(set, &cells[i], text_type(kind), row[i], sizes[i]))
            return POND_ENOMEM;
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
    for (unsigned int i = 0; i < count && !code; i++)
        code = pondi_row_set_name(set, i, fields[i].name);
    for (unsigned int i = 0; i < count; i++)
        pondi_row_set_type(set, i, pondi_mysql_column_type(&fields[i]));
    while (!code && (row = mysql_fetch_row(rows)))
        code = read_row(rows, row, set);
    set->base.affected = (int64_t)set->base.row_count;
    if (code) {
        pond_result_release(&set->base);
        return pondi_error_nomem(err);
    }
    *out = set;
    return POND_OK;
}

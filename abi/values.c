/* Values to pass, and cells to read, for programs that do not look into pond_value. */
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/given.h"
#include "base/real.h"
#include "base/value.h"
#include "millpond/millpond.h"

/* ---- Parameters -------------------------------------------------------------------------- */

pond_value pond_value_null(void)
{
    return (pond_value){.type = POND_TYPE_NULL};
}

pond_value pond_value_bool(int value)
{
    return (pond_value){.type = POND_TYPE_BOOL, .as.integer = value != 0};
}

pond_value pond_value_int64(int64_t value)
{
    return (pond_value){.type = POND_TYPE_INT64, .as.integer = value};
}

pond_value pond_value_double(double value)
{
    return (pond_value){.type = POND_TYPE_DOUBLE, .as.real = value};
}

pond_value pond_value_text(const char *text)
{
    return text ? pond_value_sized(POND_TYPE_TEXT, text, strlen(text)) : pond_value_null();
}

pond_value pond_value_sized(pond_type type, const char *data, size_t size)
{
    pond_value value = {.type = (uint32_t)type};
    if (!data || !pondi_value_has_text(&value))
        return pond_value_null();
    value.as.text.data = data;
    value.as.text.size = size;
    return value;
}

/* ---- Cells ------------------------------------------------------------------------------- */

static int refuse_name(const pond_result *result, const char *name, pond_error **err)
{
    enum { MOST_NAMES = 20 };
    size_t count = pond_result_column_count(result);
    pondi_buffer known;
    pondi_buffer_init(&known);
    for (size_t i = 0; i < count && i < MOST_NAMES; i++)
        pondi_buffer_appendf(&known, "%s\"%.64s\"", i ? ", " : "",
                             pond_result_column_name(result, i));
    int code = pondi_error_set(err, POND_EUNDEFINED,
                               "the result has no column \"%.64s\": its columns are %s%s", name,
                               known.size ? known.data : "none", count > MOST_NAMES ? ", ..." : "");
    pondi_buffer_free(&known);
    return code;
}

int pond_result_column(const pond_result *result, const char *name, size_t *out, pond_error **err)
{
    if (out)
        *out = 0;
    if (PONDI_GIVEN(err, result, name, out))
        return POND_EINVAL;
    size_t count = pond_result_column_count(result);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(pond_result_column_name(result, i), name) == 0) {
            *out = i;
            return POND_OK;
        }
    }
    return refuse_name(result, name, err);
}

enum { USUAL_COLUMNS = 64 };

int pond_result_cell(pond_result *result, size_t row, size_t column, pond_value *out,
                     pond_error **err)
{
    pond_value usual[USUAL_COLUMNS];
    pond_value *cells = usual;
    if (out)
        *out = pond_value_null();
    if (PONDI_GIVEN(err, result, out))
        return POND_EINVAL;
    size_t count = pond_result_column_count(result);
    if (column >= count)
        return pondi_error_set(err, POND_EINVAL,
                               "column %zu does not exist: the result has %zu, from 0", column,
                               count);
    if (count > USUAL_COLUMNS)
        cells = pondi_malloc(count * sizeof(*cells));
    if (!cells)
        return pondi_error_nomem(err);
    int code = pond_result_row(result, row, cells, err);
    if (!code)
        *out = cells[column];
    if (cells != usual)
        pondi_free(cells);
    return code;
}

/* The cell is of another type than was asked for. */
static int refuse_cell(const pond_result *result, size_t row, size_t column, const pond_value *cell,
                       const char *wanted, pond_error **err)
{
    static const char *const names[] = {
        "NULL",        "a bool",      "an integer", "a double",      "a decimal",
        "text",        "bytes",       "a date",     "a time of day", "a timestamp",
        "a timestamp", "an interval", "a UUID",     "JSON",          "an array"};
    return pondi_error_set(err, POND_EDATA, "column \"%.64s\" of row %zu is %s, not %s",
                           pond_result_column_name(result, column), row,
                           cell->type <= POND_TYPE_ARRAY ? names[cell->type] : "unknown", wanted);
}

/* Digits of a decimal, which is not NUL-terminated. Returns 0 if it has too many, or is no number
 * but NaN. */
static int read_real(const pond_value *cell, double *out)
{
    enum { LONGEST = 2000 };
    char digits[LONGEST + 1];
    char *end;
    if (!cell->as.text.size || cell->as.text.size > LONGEST)
        return 0;
    memcpy(digits, cell->as.text.data, cell->as.text.size);
    digits[cell->as.text.size] = '\0';
    *out = pondi_parse_real(digits, &end);
    return !*end;
}

static int from_real(double real, int64_t *out)
{
    const double limit = 9223372036854775808.0;
    if (!(real >= -limit && real < limit))
        return POND_ERANGE;
    *out = (int64_t)real;
    return (double)*out == real ? POND_OK : POND_EDATA;
}

/* Exact, as a double is not: digits, with a fraction of zeros at most. */
static int from_decimal(const pond_value *cell, int64_t *out)
{
    const char *at = cell->as.text.data;
    const char *end = at + cell->as.text.size;
    int negative = at < end && *at == '-';
    uint64_t number = 0;
    at += negative;
    if (at == end || *at < '0' || *at > '9')
        return POND_EDATA;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (number > ((uint64_t)INT64_MAX + (uint64_t)negative - digit) / 10)
            return POND_ERANGE;
        number = number * 10 + digit;
    }
    if (at < end && *at == '.') {
        at++;
        while (at < end && *at == '0')
            at++;
    }
    *out = negative ? (int64_t)(0 - number) : (int64_t)number;
    return at == end ? POND_OK : POND_EDATA;
}

int pond_result_int64(pond_result *result, size_t row, size_t column, int64_t *out,
                      pond_error **err)
{
    pond_value cell;
    int64_t number = 0;
    if (out)
        *out = 0;
    if (PONDI_GIVEN(err, result, out))
        return POND_EINVAL;
    int code = pond_result_cell(result, row, column, &cell, err);
    if (code)
        return code;
    if (cell.type == POND_TYPE_BOOL || cell.type == POND_TYPE_INT64)
        number = cell.as.integer;
    else if (cell.type == POND_TYPE_DOUBLE)
        code = from_real(cell.as.real, &number);
    else if (cell.type == POND_TYPE_DECIMAL)
        code = from_decimal(&cell, &number);
    else
        return refuse_cell(result, row, column, &cell, "an integer", err);
    if (!code)
        *out = number;
    else if (code == POND_ERANGE)
        pondi_error_set(err, code, "column \"%.64s\" of row %zu does not fit in 64 bits",
                        pond_result_column_name(result, column), row);
    else
        refuse_cell(result, row, column, &cell, "an integer", err);
    return code;
}

int pond_result_double(pond_result *result, size_t row, size_t column, double *out,
                       pond_error **err)
{
    pond_value cell;
    double number = 0;
    if (out)
        *out = 0;
    if (PONDI_GIVEN(err, result, out))
        return POND_EINVAL;
    int code = pond_result_cell(result, row, column, &cell, err);
    if (code)
        return code;
    if (cell.type == POND_TYPE_DOUBLE)
        number = cell.as.real;
    else if (cell.type == POND_TYPE_BOOL || cell.type == POND_TYPE_INT64)
        number = (double)cell.as.integer;
    else if (cell.type != POND_TYPE_DECIMAL || !read_real(&cell, &number))
        return refuse_cell(result, row, column, &cell, "a number", err);
    *out = number;
    return POND_OK;
}

int pond_result_text(pond_result *result, size_t row, size_t column, const char **data,
                     size_t *size, pond_error **err)
{
    pond_value cell;
    if (data)
        *data = NULL;
    if (size)
        *size = 0;
    if (PONDI_GIVEN(err, result, data, size))
        return POND_EINVAL;
    int code = pond_result_cell(result, row, column, &cell, err);
    if (code || cell.type == POND_TYPE_NULL)
        return code;
    if (!pondi_value_has_text(&cell))
        return refuse_cell(result, row, column, &cell, "text", err);
    *data = cell.as.text.data;
    *size = cell.as.text.size;
    return POND_OK;
}

/* What every result shares, and what a program reads of one. */
#include "driver/result.h"

#include <string.h>

#include "base/error.h"
#include "base/given.h"

void pondi_result_init(pond_result *result, const pondi_result_class *class)
{
    memset(result, 0, sizeof(*result));
    result->class = class;
    result->affected = -1;
    pondi_refcount_init(&result->refs);
}

pond_result *pond_result_retain(pond_result *result)
{
    if (result)
        pondi_refcount_take(&result->refs);
    return result;
}

void pond_result_release(pond_result *result)
{
    if (result && pondi_refcount_drop(&result->refs))
        result->class->destroy(result);
}

size_t pond_result_row_count(const pond_result *result)
{
    return result ? result->row_count : 0;
}

size_t pond_result_column_count(const pond_result *result)
{
    return result ? result->column_count : 0;
}

int64_t pond_result_affected(const pond_result *result)
{
    return result ? result->affected : -1;
}

int64_t pond_result_last_insert_id(const pond_result *result)
{
    return result ? result->last_insert_id : 0;
}

int pond_result_more(const pond_result *result)
{
    return result ? result->more : 0;
}

const char *pond_result_column_name(const pond_result *result, size_t column)
{
    return result && column < result->column_count ? result->class->column_name(result, column)
                                                   : NULL;
}

int pond_result_declared_type(const pond_result *result, size_t column)
{
    return result && column < result->column_count ? (int)result->class->column_type(result, column)
                                                   : POND_TYPE_NULL;
}

void pond_result_drop_before(pond_result *result, size_t row)
{
    if (!result)
        return;
    if (row > result->row_count)
        row = result->row_count;
    if (row < result->dropped || pondi_refcount_is_shared(&result->refs))
        return;
    result->dropped = row;
    if (result->class->drop_before)
        result->class->drop_before(result, row);
}

int pond_result_row(pond_result *result, size_t row, pond_value *values, pond_error **err)
{
    if (PONDI_GIVEN(err, result, values))
        return POND_EINVAL;
    if (row >= result->row_count)
        return pondi_error_set(err, POND_EINVAL, "row %zu does not exist: the result has %zu", row,
                               result->row_count);
    if (row < result->dropped)
        return pondi_error_set(err, POND_EINVAL, "row %zu was dropped: the first one left is %zu",
                               row, result->dropped);
    return result->class->row(result, row, values, err);
}

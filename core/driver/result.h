/* What a statement returned. A driver either keeps its library's own result and decodes rows when
 * asked, or fills a row set. */
#ifndef PONDI_DRIVER_RESULT_H
#define PONDI_DRIVER_RESULT_H

#include "base/refcount.h"
#include "millpond/millpond.h"

typedef struct pondi_result_class {
    /* Decode one row; `row` is in range. */
    int (*row)(pond_result *result, size_t row, pond_value *values, pond_error **err);
    const char *(*column_name)(const pond_result *result, size_t column);
    /* What the database says of a column; POND_TYPE_NULL where it does not. */
    pond_type (*column_type)(const pond_result *result, size_t column);
    /* The rows before this one are not read again. NULL where nothing can be freed early. */
    void (*drop_before)(pond_result *result, size_t row);
    /* Length of all texts and bytes in the rows, while none was dropped. NULL where it was counted
     * with other results. */
    uint64_t (*text_bytes)(const pond_result *result);
    void (*destroy)(pond_result *result);
} pondi_result_class;

struct pond_result {
    const pondi_result_class *class;
    pondi_refcount refs;
    size_t row_count;
    size_t column_count;
    int64_t affected;       /* -1: unknown */
    int64_t last_insert_id; /* 0: none */
    size_t dropped;         /* rows that were given up */
    int more;               /* of a stream: the statement waits with further rows */
};

void pondi_result_init(pond_result *result, const pondi_result_class *class);

#endif

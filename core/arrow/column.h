/* The values of one column, put together for one batch. */
#ifndef PONDI_ARROW_COLUMN_H
#define PONDI_ARROW_COLUMN_H

#include "arrow/field.h"
#include "base/buffer.h"

typedef struct pondi_arrow_column {
    const pondi_arrow_field *field;
    int64_t count;
    int64_t null_count;
    pondi_buffer valid; /* a bit a value */
    pondi_buffer data;
    pondi_buffer offsets;          /* of texts, bytes and arrays: 64-bit, one more than values */
    struct pondi_arrow_column *of; /* the elements of an array */
} pondi_arrow_column;

/* Begin a column for about `rows` values. Returns POND_OK or POND_ENOMEM. */
int pondi_arrow_column_begin(pondi_arrow_column *column, const pondi_arrow_field *field,
                             size_t rows);

/* Add a value of a type that the field has room for. Returns POND_ENOMEM, or POND_EDATA with
 * *problem set (static memory). */
int pondi_arrow_column_add(pondi_arrow_column *column, const pond_value *value,
                           const char **problem);

/* Hand the values over to `out`; the column is empty then. Returns POND_OK or POND_ENOMEM. */
int pondi_arrow_column_finish(pondi_arrow_column *column, struct ArrowArray *out);
void pondi_arrow_column_free(pondi_arrow_column *column);

/* Make the struct of all columns: a batch of `rows` rows. Takes over what the columns hold. */
int pondi_arrow_batch(pondi_arrow_column *columns, size_t count, int64_t rows,
                      struct ArrowArray *out);

#endif

/* A result in memory of its own: names, then rows, are added before anyone reads it. */
#ifndef PONDI_DRIVER_ROW_SET_H
#define PONDI_DRIVER_ROW_SET_H

#include "base/arena.h"
#include "driver/result.h"

/* Rows that are freed together. */
typedef struct pondi_row_chunk {
    pondi_arena arena; /* of texts and arrays; the first chunk's has the names, too */
    pond_value *cells; /* row-major */
    size_t cell_capacity;
    size_t first_row;
    size_t row_count;
    size_t bytes; /* of texts */
} pondi_row_chunk;

typedef struct pondi_row_set {
    pond_result base;
    char **names;
    uint8_t *types;           /* what the database says of the columns */
    pondi_row_chunk **chunks; /* oldest first; begins with &first_chunk */
    size_t chunk_count;
    size_t chunk_capacity;
    size_t last_found;    /* the chunk of the row that was read last */
    size_t dropped_bytes; /* since memory was given back */
    pondi_row_chunk first_chunk;
    pondi_row_chunk *one; /* `chunks` while there is but the first */
} pondi_row_set;

/* NULL when memory is out. Freed with pond_result_release(&set->base). */
pondi_row_set *pondi_row_set_new(size_t column_count);
int pondi_row_set_name(pondi_row_set *set, size_t column, const char *name);
void pondi_row_set_type(pondi_row_set *set, size_t column, pond_type type);

/* The row set that a result is; NULL if it is none. */
pondi_row_set *pondi_row_set_of(pond_result *result);

/* Add a row of NULLs and return its cells to be filled at once; NULL when memory is out. Text goes
 * to the set's arena (pondi_row_set_text). */
pond_value *pondi_row_set_add(pondi_row_set *set);
int pondi_row_set_text(pondi_row_set *set, pond_value *cell, pond_type type, const void *data,
                       size_t size);

/* Memory for what the last row's values point to; NULL when it is out. */
void *pondi_row_set_alloc(pondi_row_set *set, size_t size);

/* Move what the value points to into the last row's memory. */
int pondi_row_set_adopt(pondi_row_set *set, pond_value *cell);

#endif

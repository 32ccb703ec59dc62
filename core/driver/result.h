/* What a statement returned. A driver either keeps its library's own result and decodes rows when
 * asked, or fills a row set. */
#ifndef PONDI_DRIVER_RESULT_H
#define PONDI_DRIVER_RESULT_H

#include "base/arena.h"
#include "base/refcount.h"
#include "millpond/millpond.h"

typedef struct pondi_result_class {
    /* Decode one row; `row` is in range. */
    int (*row)(pond_result *result, size_t row, pond_value *values, pond_error **err);
    const char *(*column_name)(const pond_result *result, size_t column);
    void (*destroy)(pond_result *result);
} pondi_result_class;

struct pond_result {
    const pondi_result_class *class;
    pondi_refcount refs;
    size_t row_count;
    size_t column_count;
    int64_t affected;       /* -1: unknown */
    int64_t last_insert_id; /* 0: none */
    int more;               /* of a stream: the statement waits with further rows */
};

void pondi_result_init(pond_result *result, const pondi_result_class *class);

/* A result held in memory of its own: names, then rows, are added before anyone reads it. */
typedef struct pondi_row_set {
    pond_result base;
    pondi_arena arena;
    char **names;
    pond_value *cells; /* row-major */
    size_t cell_capacity;
} pondi_row_set;

/* NULL when memory is out. Freed with pond_result_release(&set->base). */
pondi_row_set *pondi_row_set_new(size_t column_count);
int pondi_row_set_name(pondi_row_set *set, size_t column, const char *name);

/* Add a row of NULLs and return its cells to be filled at once; NULL when memory is out. Text goes
 * to the set's arena (pondi_row_set_text). */
pond_value *pondi_row_set_add(pondi_row_set *set);
int pondi_row_set_text(pondi_row_set *set, pond_value *cell, pond_type type, const void *data,
                       size_t size);

#endif

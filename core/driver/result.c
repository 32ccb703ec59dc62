#include "driver/result.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

void pondi_result_init(pond_result *result, const pondi_result_class *class)
{
    memset(result, 0, sizeof(*result));
    result->class = class;
    result->affected = -1;
    pondi_refcount_init(&result->refs);
}

/* ---- Row sets ---------------------------------------------------------------------------- */

static int set_row(pond_result *result, size_t row, pond_value *values, pond_error **err)
{
    (void)err;
    const pondi_row_set *set = (const pondi_row_set *)result;
    if (result->column_count)
        memcpy(values, set->cells + row * result->column_count,
               result->column_count * sizeof(*values));
    return POND_OK;
}

static const char *set_column_name(const pond_result *result, size_t column)
{
    const pondi_row_set *set = (const pondi_row_set *)result;
    return set->names[column] ? set->names[column] : "";
}

static void set_destroy(pond_result *result)
{
    pondi_row_set *set = (pondi_row_set *)result;
    pondi_arena_free(&set->arena);
    pondi_free(set->cells);
    pondi_free(set);
}

static const pondi_result_class row_set_class = {set_row, set_column_name, set_destroy};

pondi_row_set *pondi_row_set_new(size_t column_count)
{
    /* the names' array shares the struct's allocation */
    if (column_count > SIZE_MAX / 2 / sizeof(char *))
        return NULL;
    pondi_row_set *set = pondi_calloc(1, sizeof(*set) + column_count * sizeof(char *));
    if (!set)
        return NULL;
    pondi_result_init(&set->base, &row_set_class);
    set->base.column_count = column_count;
    set->names = (char **)(void *)(set + 1);
    pondi_arena_init(&set->arena);
    return set;
}

int pondi_row_set_name(pondi_row_set *set, size_t column, const char *name)
{
    set->names[column] = pondi_arena_copy(&set->arena, name, strlen(name));
    return set->names[column] ? POND_OK : POND_ENOMEM;
}

static int grow(pondi_row_set *set)
{
    size_t columns = set->base.column_count;
    size_t capacity = set->cell_capacity ? set->cell_capacity * 2 : columns;
    if (capacity > SIZE_MAX / 2 / sizeof(pond_value))
        return POND_ENOMEM;
    pond_value *cells = pondi_realloc(set->cells, capacity * sizeof(*cells));
    if (!cells)
        return POND_ENOMEM;
    set->cells = cells;
    set->cell_capacity = capacity;
    return POND_OK;
}

pond_value *pondi_row_set_add(pondi_row_set *set)
{
    size_t columns = set->base.column_count;
    size_t used = set->base.row_count * columns;
    if (used + columns > set->cell_capacity && grow(set))
        return NULL;
    pond_value *cells = set->cells + used;
    if (columns)
        memset(cells, 0, columns * sizeof(*cells));
    set->base.row_count++;
    return cells;
}

int pondi_row_set_text(pondi_row_set *set, pond_value *cell, pond_type type, const void *data,
                       size_t size)
{
    const char *copy = pondi_arena_copy(&set->arena, data, size);
    if (!copy)
        return POND_ENOMEM;
    cell->type = (uint32_t)type;
    cell->aux = 0;
    cell->as.text.data = copy;
    cell->as.text.size = size;
    return POND_OK;
}

#include "driver/row_set.h"

#include <string.h>

#include "base/alloc.h"
#include "driver/param.h"

enum {
    CHUNK_CELLS = 16 * 1024,
    CHUNK_BYTES = 4 * 1024 * 1024, /* of texts, after which a new chunk begins */
    FIRST_CHUNK_BYTES = 64 * 1024, /* its texts are never freed early: the names are there */
    WORTH_A_TRIM = 16 * 1024 * 1024
};

static pondi_row_chunk *last_chunk(const pondi_row_set *set)
{
    return set->chunks[set->chunk_count - 1];
}

/* ---- Read -------------------------------------------------------------------------------- */

/* Rows are mostly read in order: begin where the last one was. */
static pondi_row_chunk *find_chunk(pondi_row_set *set, size_t row)
{
    size_t at = set->last_found;
    if (row < set->chunks[at]->first_row)
        at = 0;
    while (row >= set->chunks[at]->first_row + set->chunks[at]->row_count)
        at++;
    set->last_found = at;
    return set->chunks[at];
}

static int read_row(pond_result *result, size_t row, pond_value *values, pond_error **err)
{
    (void)err;
    size_t columns = result->column_count;
    const pondi_row_chunk *chunk = find_chunk((pondi_row_set *)result, row);
    if (columns)
        memcpy(values, chunk->cells + (row - chunk->first_row) * columns,
               columns * sizeof(*values));
    return 0;
}

static const char *column_name(const pond_result *result, size_t column)
{
    const pondi_row_set *set = (const pondi_row_set *)result;
    return set->names[column] ? set->names[column] : "";
}

static pond_type column_type(const pond_result *result, size_t column)
{
    return (pond_type)((const pondi_row_set *)result)->types[column];
}

/* ---- Create and destroy ------------------------------------------------------------------ */

static void drop_chunk(pondi_row_set *set, pondi_row_chunk *chunk)
{
    set->dropped_bytes += chunk->cell_capacity * sizeof(*chunk->cells) + chunk->bytes;
    pondi_free(chunk->cells);
    chunk->cells = NULL;
    chunk->cell_capacity = 0;
    if (chunk != &set->first_chunk)
        pondi_arena_free(&chunk->arena);
    chunk->bytes = 0;
}

static void drop_before(pond_result *result, size_t row)
{
    pondi_row_set *set = (pondi_row_set *)result;
    size_t at = set->last_found;
    while (at && set->chunks[at - 1]->cells)
        at--;
    for (; at + 1 < set->chunk_count && set->chunks[at + 1]->first_row <= row; at++)
        drop_chunk(set, set->chunks[at]);
    if (set->dropped_bytes < WORTH_A_TRIM)
        return;
    set->dropped_bytes = 0;
    pondi_trim();
}

static uint64_t text_bytes(const pond_result *result)
{
    const pondi_row_set *set = (const pondi_row_set *)result;
    uint64_t bytes = 0;
    for (size_t i = 0; i < set->chunk_count; i++)
        bytes += set->chunks[i]->bytes;
    return bytes;
}

static void destroy(pond_result *result)
{
    pondi_row_set *set = (pondi_row_set *)result;
    for (size_t i = set->chunk_count; i-- > 0;) {
        drop_chunk(set, set->chunks[i]);
        if (i)
            pondi_free(set->chunks[i]);
    }
    pondi_arena_free(&set->first_chunk.arena);
    if (set->chunks != &set->one)
        pondi_free(set->chunks);
    pondi_free(set);
}

static const pondi_result_class row_set_class = {
    .row = read_row,
    .column_name = column_name,
    .column_type = column_type,
    .drop_before = drop_before,
    .text_bytes = text_bytes,
    .destroy = destroy,
};

pondi_row_set *pondi_row_set_new(size_t column_count)
{
    /* names and types share the struct's allocation */
    const size_t each = sizeof(char *) + 1;
    if (column_count > SIZE_MAX / 2 / each)
        return NULL;
    pondi_row_set *set = pondi_calloc(1, sizeof(*set) + column_count * each);
    if (!set)
        return NULL;
    pondi_result_init(&set->base, &row_set_class);
    set->base.column_count = column_count;
    set->names = (char **)(void *)(set + 1);
    set->types = (uint8_t *)(set->names + column_count);
    set->one = &set->first_chunk;
    set->chunks = &set->one;
    set->chunk_count = set->chunk_capacity = 1;
    pondi_arena_init(&set->first_chunk.arena);
    return set;
}

pondi_row_set *pondi_row_set_of(pond_result *result)
{
    return result->class == &row_set_class ? (pondi_row_set *)result : NULL;
}

int pondi_row_set_name(pondi_row_set *set, size_t column, const char *name)
{
    set->names[column] = pondi_arena_copy(&set->first_chunk.arena, name, strlen(name));
    return set->names[column] ? POND_OK : POND_ENOMEM;
}

void pondi_row_set_type(pondi_row_set *set, size_t column, pond_type type)
{
    set->types[column] = (uint8_t)type;
}

/* ---- Fill -------------------------------------------------------------------------------- */

static int make_room(pondi_row_set *set)
{
    if (set->chunk_count < set->chunk_capacity)
        return POND_OK;
    size_t capacity = set->chunk_capacity * 2;
    pondi_row_chunk **chunks = set->chunks == &set->one ? NULL : set->chunks;
    chunks = pondi_realloc(chunks, capacity * sizeof(pondi_row_chunk *));
    if (!chunks)
        return POND_ENOMEM;
    chunks[0] = &set->first_chunk;
    set->chunks = chunks;
    set->chunk_capacity = capacity;
    return POND_OK;
}

static int add_chunk(pondi_row_set *set)
{
    if (make_room(set))
        return POND_ENOMEM;
    pondi_row_chunk *chunk = pondi_calloc(1, sizeof(*chunk));
    if (!chunk)
        return POND_ENOMEM;
    pondi_arena_init(&chunk->arena);
    chunk->first_row = set->base.row_count;
    set->chunks[set->chunk_count++] = chunk;
    return POND_OK;
}

static int is_full(const pondi_row_set *set, const pondi_row_chunk *chunk)
{
    size_t most = chunk == &set->first_chunk ? FIRST_CHUNK_BYTES : CHUNK_BYTES;
    return chunk->row_count &&
           (chunk->bytes >= most || (chunk->row_count + 1) * set->base.column_count > CHUNK_CELLS);
}

/* The first chunk grows from one row; after that there will be many. */
static int grow(pondi_row_set *set, pondi_row_chunk *chunk)
{
    size_t columns = set->base.column_count;
    size_t capacity = chunk->cell_capacity ? chunk->cell_capacity * 2 : columns;
    if (chunk != &set->first_chunk || capacity > CHUNK_CELLS)
        capacity = CHUNK_CELLS > columns ? CHUNK_CELLS / columns * columns : columns;
    if (capacity > SIZE_MAX / 2 / sizeof(pond_value))
        return POND_ENOMEM;
    pond_value *cells = pondi_realloc(chunk->cells, capacity * sizeof(*cells));
    if (!cells)
        return POND_ENOMEM;
    chunk->cells = cells;
    chunk->cell_capacity = capacity;
    return POND_OK;
}

pond_value *pondi_row_set_add(pondi_row_set *set)
{
    size_t columns = set->base.column_count;
    if (is_full(set, last_chunk(set)) && add_chunk(set))
        return NULL;
    pondi_row_chunk *chunk = last_chunk(set);
    size_t used = chunk->row_count * columns;
    if (used + columns > chunk->cell_capacity && grow(set, chunk))
        return NULL;
    pond_value *cells = chunk->cells + used;
    if (columns)
        memset(cells, 0, columns * sizeof(*cells));
    chunk->row_count++;
    set->base.row_count++;
    return cells;
}

int pondi_row_set_text(pondi_row_set *set, pond_value *cell, pond_type type, const void *data,
                       size_t size)
{
    pondi_row_chunk *chunk = last_chunk(set);
    const char *copy = pondi_arena_copy(&chunk->arena, data, size);
    if (!copy)
        return POND_ENOMEM;
    chunk->bytes += size;
    cell->type = (uint32_t)type;
    cell->aux = 0;
    cell->as.text.data = copy;
    cell->as.text.size = size;
    return POND_OK;
}

void *pondi_row_set_alloc(pondi_row_set *set, size_t size)
{
    pondi_row_chunk *chunk = last_chunk(set);
    chunk->bytes += size;
    return pondi_arena_alloc(&chunk->arena, size);
}

int pondi_row_set_adopt(pondi_row_set *set, pond_value *cell)
{
    if (pondi_value_has_text(cell))
        return pondi_row_set_text(set, cell, (pond_type)cell->type, cell->as.text.data,
                                  cell->as.text.size);
    if (cell->type != POND_TYPE_ARRAY || !cell->as.array.count)
        return POND_OK;
    size_t size = cell->as.array.count * sizeof(pond_value);
    pond_value *items = pondi_row_set_alloc(set, size);
    if (!items)
        return POND_ENOMEM;
    memcpy(items, cell->as.array.items, size);
    cell->as.array.items = items;
    int code = POND_OK;
    for (size_t i = 0; i < cell->as.array.count && !code; i++)
        code = pondi_row_set_adopt(set, &items[i]);
    return code;
}

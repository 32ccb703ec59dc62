/* Bump allocator: many small allocations with one lifetime. */
#ifndef PONDI_BASE_ARENA_H
#define PONDI_BASE_ARENA_H

#include <stddef.h>

typedef struct pondi_arena_block pondi_arena_block;

typedef struct pondi_arena {
    pondi_arena_block *blocks; /* newest first */
    char *next;
    size_t left;
    size_t block_size; /* of the next block; doubles up to a limit */
} pondi_arena;

void pondi_arena_init(pondi_arena *arena);
void pondi_arena_free(pondi_arena *arena);

/* Memory aligned for any value; NULL when there is none. */
void *pondi_arena_alloc(pondi_arena *arena, size_t size);

/* A copy of bytes with a NUL after them; not aligned. */
char *pondi_arena_copy(pondi_arena *arena, const void *data, size_t size);

#endif

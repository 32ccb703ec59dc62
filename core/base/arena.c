#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

enum { FIRST_BLOCK = 1024, LARGEST_BLOCK = 256 * 1024 };

struct pondi_arena_block {
    pondi_arena_block *older;
    alignas(max_align_t) char data[];
};

void pondi_arena_init(pondi_arena *arena)
{
    memset(arena, 0, sizeof(*arena));
    arena->block_size = FIRST_BLOCK;
}

void pondi_arena_free(pondi_arena *arena)
{
    pondi_arena_block *block = arena->blocks;
    while (block) {
        pondi_arena_block *older = block->older;
        pondi_free(block);
        block = older;
    }
    pondi_arena_init(arena);
}

/* Large requests get a block of their own, so that the current one is not wasted. */
static void *alloc_own_block(pondi_arena *arena, size_t size)
{
    if (size > SIZE_MAX - sizeof(pondi_arena_block))
        return NULL;
    pondi_arena_block *block = pondi_malloc(sizeof(*block) + size);
    if (!block)
        return NULL;
    if (arena->blocks) {
        block->older = arena->blocks->older;
        arena->blocks->older = block;
    } else {
        block->older = NULL;
        arena->blocks = block;
    }
    return block->data;
}

static int add_block(pondi_arena *arena)
{
    pondi_arena_block *block = pondi_malloc(sizeof(*block) + arena->block_size);
    if (!block)
        return 0;
    block->older = arena->blocks;
    arena->blocks = block;
    arena->next = block->data;
    arena->left = arena->block_size;
    if (arena->block_size < LARGEST_BLOCK)
        arena->block_size *= 2;
    return 1;
}

static void *alloc_bytes(pondi_arena *arena, size_t size)
{
    if (size > arena->left) {
        if (size > arena->block_size / 4)
            return alloc_own_block(arena, size);
        if (!add_block(arena))
            return NULL;
    }
    void *memory = arena->next;
    arena->next += size;
    arena->left -= size;
    return memory;
}

void *pondi_arena_alloc(pondi_arena *arena, size_t size)
{
    size_t misaligned = (uintptr_t)arena->next % alignof(max_align_t);
    size_t padding = misaligned ? alignof(max_align_t) - misaligned : 0;
    if (padding && padding <= arena->left) {
        arena->next += padding;
        arena->left -= padding;
    } else if (padding) {
        arena->left = 0;
    }
    return alloc_bytes(arena, size ? size : 1);
}

char *pondi_arena_copy(pondi_arena *arena, const void *data, size_t size)
{
    char *copy = size < SIZE_MAX ? alloc_bytes(arena, size + 1) : NULL;
    if (!copy)
        return NULL;
    if (size)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

/* Intrusive priority queue, the least key first: a pairing heap. To push costs the same however
 * many are in it; to remove any one takes a number of steps that grows with their logarithm. */
#ifndef PONDI_BASE_HEAP_H
#define PONDI_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

typedef struct pondi_heap_node {
    struct pondi_heap_node *child;    /* the first of those that come later */
    struct pondi_heap_node *next;     /* its brothers */
    struct pondi_heap_node *previous; /* the brother before; the parent of a first child */
    int64_t key;
    int inside; /* it is in a heap */
} pondi_heap_node;

typedef struct pondi_heap {
    pondi_heap_node *root;
    uint64_t steps; /* comparisons so far, for tests */
} pondi_heap;

/* `node` is in no heap. */
void pondi_heap_push(pondi_heap *heap, pondi_heap_node *node, int64_t key);
/* Safe on a node that is in no heap. */
void pondi_heap_remove(pondi_heap *heap, pondi_heap_node *node);

/* The one with the least key, which stays; NULL if the heap is empty. */
static inline pondi_heap_node *pondi_heap_first(const pondi_heap *heap)
{
    return heap->root;
}

#endif

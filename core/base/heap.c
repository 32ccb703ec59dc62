#include "base/heap.h"

/* Two trees, of which neither has brothers or a parent. */
static pondi_heap_node *merge(pondi_heap *heap, pondi_heap_node *a, pondi_heap_node *b)
{
    heap->steps++;
    pondi_heap_node *top = b->key < a->key ? b : a;
    pondi_heap_node *below = top == a ? b : a;
    below->next = top->child;
    below->previous = top;
    if (top->child)
        top->child->previous = below;
    top->child = below;
    return top;
}

static pondi_heap_node *cut_off(pondi_heap_node **brothers)
{
    pondi_heap_node *node = *brothers;
    *brothers = node->next;
    node->next = NULL;
    node->previous = NULL;
    return node;
}

/* Pair brothers from left to right, then join the pairs from right to left. */
static pondi_heap_node *merge_all(pondi_heap *heap, pondi_heap_node *brothers)
{
    pondi_heap_node *pairs = NULL; /* the last first, through `next` */
    while (brothers) {
        pondi_heap_node *pair = cut_off(&brothers);
        if (brothers)
            pair = merge(heap, pair, cut_off(&brothers));
        pair->next = pairs;
        pairs = pair;
    }
    pondi_heap_node *root = pairs ? cut_off(&pairs) : NULL;
    while (pairs)
        root = merge(heap, cut_off(&pairs), root);
    return root;
}

void pondi_heap_push(pondi_heap *heap, pondi_heap_node *node, int64_t key)
{
    *node = (pondi_heap_node){.key = key, .inside = 1};
    heap->root = heap->root ? merge(heap, heap->root, node) : node;
}

static void detach(pondi_heap_node *node)
{
    if (node->previous->child == node)
        node->previous->child = node->next;
    else
        node->previous->next = node->next;
    if (node->next)
        node->next->previous = node->previous;
}

void pondi_heap_remove(pondi_heap *heap, pondi_heap_node *node)
{
    if (!node->inside)
        return;
    pondi_heap_node *below = merge_all(heap, node->child);
    if (node == heap->root) {
        heap->root = below;
    } else {
        detach(node);
        if (below)
            heap->root = merge(heap, heap->root, below);
    }
    *node = (pondi_heap_node){0};
}

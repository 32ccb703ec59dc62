/* Intrusive doubly linked list. A node that is in no list points to itself. */
#ifndef PONDI_BASE_LIST_H
#define PONDI_BASE_LIST_H

#include <stddef.h>

typedef struct pondi_list {
    struct pondi_list *next;
    struct pondi_list *previous;
} pondi_list;

/* The struct that a node is embedded in. */
#define PONDI_CONTAINER(node, type, member) \
    ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void pondi_list_init(pondi_list *node)
{
    node->next = node;
    node->previous = node;
}

static inline int pondi_list_empty(const pondi_list *head)
{
    return head->next == head;
}

static inline void pondi_list_insert_before(pondi_list *position, pondi_list *node)
{
    node->next = position;
    node->previous = position->previous;
    position->previous->next = node;
    position->previous = node;
}

static inline void pondi_list_push_back(pondi_list *head, pondi_list *node)
{
    pondi_list_insert_before(head, node);
}

static inline void pondi_list_push_front(pondi_list *head, pondi_list *node)
{
    pondi_list_insert_before(head->next, node);
}

/* Safe on a node that is in no list. */
static inline void pondi_list_remove(pondi_list *node)
{
    node->next->previous = node->previous;
    node->previous->next = node->next;
    pondi_list_init(node);
}

static inline pondi_list *pondi_list_pop_front(pondi_list *head)
{
    if (pondi_list_empty(head))
        return NULL;
    pondi_list *node = head->next;
    pondi_list_remove(node);
    return node;
}

#endif

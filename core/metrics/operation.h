/* What statements are called by their tag `operation`: a bounded number of names, each with the
 * durations of its statements and a circuit breaker. */
#ifndef PONDI_METRICS_OPERATION_H
#define PONDI_METRICS_OPERATION_H

#include <pthread.h>

#include "metrics/histogram.h"
#include "millpond/types.h"

enum {
    PONDI_OPERATIONS = 64, /* names of their own; the rest is "other" */
    PONDI_OPERATION_PLACES = 128,
    PONDI_OPERATION_NAME = 63
};

typedef struct pondi_operation {
    uint64_t hash;
    pond_breaker *breaker; /* a reference; NULL for none */
    pondi_histogram durations;
    char name[PONDI_OPERATION_NAME + 1]; /* valid UTF-8, cut if it was longer; "" for no tag */
} pondi_operation;

typedef struct pondi_operations {
    pthread_mutex_t lock; /* of those who add */
    /* Open addressing, filled once: readers need no lock. */
    _Atomic(pondi_operation *) table[PONDI_OPERATION_PLACES];
    _Atomic(pondi_operation *) untagged;
    _Atomic(pondi_operation *) other;
    size_t count; /* in `table` */
    /* Makes the breaker of a new one, NULL for none; may be NULL itself. */
    pond_breaker *(*make_breaker)(void *owner, const char *name);
    void *owner;
} pondi_operations;

void pondi_operations_init(pondi_operations *operations);
/* Free all; `release` gets each breaker. */
void pondi_operations_free(pondi_operations *operations, void (*release)(pond_breaker *breaker));

/* Find or make the operation of a name; NULL and "" are of statements without the tag. NULL only
 * when memory is out. Any thread. */
pondi_operation *pondi_operations_get(pondi_operations *operations, const char *name);

/* Call `each` for all that exist. Any thread. */
void pondi_operations_each(pondi_operations *operations,
                           void (*each)(void *data, const pondi_operation *operation), void *data);

#endif

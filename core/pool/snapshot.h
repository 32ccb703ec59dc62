/* What a pond_metrics holds. */
#ifndef PONDI_POOL_SNAPSHOT_H
#define PONDI_POOL_SNAPSHOT_H

#include "metrics/histogram.h"
#include "millpond/millpond.h"

typedef struct pondi_metric_entry {
    pond_metric_kind kind;
    const char *name;  /* static, as is `label` */
    const char *label; /* "" for none */
    char *value;
    double number;
    pondi_histogram_copy *durations; /* of a histogram */
} pondi_metric_entry;

struct pond_metrics {
    pondi_metric_entry *entries;
    size_t count;
    size_t capacity;
    int failed; /* memory was out */
};

#endif

#include "metrics/histogram.h"

#include <math.h>

void pondi_histogram_add(const pondi_histogram *histogram, pondi_histogram_copy *to)
{
    for (size_t i = 0; i < PONDI_BUCKETS; i++) {
        uint64_t count = atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        to->buckets[i] += count;
        to->count += count;
    }
    to->sum_ns += atomic_load_explicit(&histogram->sum_ns, memory_order_relaxed);
    uint64_t max_ns = atomic_load_explicit(&histogram->max_ns, memory_order_relaxed);
    if (max_ns > to->max_ns)
        to->max_ns = max_ns;
}

void pondi_histogram_merge(const pondi_histogram_copy *from, pondi_histogram_copy *to)
{
    for (size_t i = 0; i < PONDI_BUCKETS; i++)
        to->buckets[i] += from->buckets[i];
    to->count += from->count;
    to->sum_ns += from->sum_ns;
    if (from->max_ns > to->max_ns)
        to->max_ns = from->max_ns;
}

static uint64_t middle_of(size_t bucket)
{
    uint64_t begin = bucket ? pondi_bucket_end_ns(bucket - 1) : 0;
    return begin + (pondi_bucket_end_ns(bucket) - begin) / 2;
}

uint64_t pondi_histogram_quantile(const pondi_histogram_copy *copy, double quantile)
{
    if (!copy->count)
        return 0;
    double rank = ceil(quantile * (double)copy->count);
    uint64_t wanted = rank < 1 ? 1 : (uint64_t)rank;
    uint64_t seen = 0;
    for (size_t i = 0; i < PONDI_BUCKETS; i++) {
        seen += copy->buckets[i];
        if (seen < wanted)
            continue;
        uint64_t ns = middle_of(i);
        int last = i == PONDI_BUCKETS - 1; /* it has no end */
        return last || ns > copy->max_ns ? copy->max_ns : ns;
    }
    return copy->max_ns;
}

uint64_t pondi_histogram_count_below(const pondi_histogram_copy *copy, uint64_t end_ns)
{
    uint64_t count = 0;
    for (size_t i = 0; i < PONDI_BUCKETS - 1 && pondi_bucket_end_ns(i) <= end_ns; i++)
        count += copy->buckets[i];
    return count;
}

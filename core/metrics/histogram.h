/* Durations in log-linear buckets: 16 to each doubling, so that a quantile is wrong by 1/32 at
 * most. From a microsecond to an hour; 4 KB each. */
#ifndef PONDI_METRICS_HISTOGRAM_H
#define PONDI_METRICS_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PONDI_BUCKET_UNIT_BITS = 10, /* the first buckets are 1.024 µs wide */
    PONDI_BUCKET_SUB_BITS = 4,
    PONDI_BUCKETS = 480
};

typedef struct pondi_histogram {
    _Atomic uint64_t sum_ns;
    _Atomic uint64_t max_ns;
    _Atomic uint64_t buckets[PONDI_BUCKETS];
} pondi_histogram;

/* A histogram at one instant. */
typedef struct pondi_histogram_copy {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t max_ns;
    uint64_t buckets[PONDI_BUCKETS];
} pondi_histogram_copy;

static inline size_t pondi_bucket_of(uint64_t ns)
{
    uint64_t units = ns >> PONDI_BUCKET_UNIT_BITS;
    if (units < 1u << PONDI_BUCKET_SUB_BITS)
        return (size_t)units;
    unsigned shift = 63u - (unsigned)__builtin_clzll(units) - PONDI_BUCKET_SUB_BITS;
    size_t bucket = ((size_t)shift << PONDI_BUCKET_SUB_BITS) + (size_t)(units >> shift);
    return bucket < PONDI_BUCKETS ? bucket : PONDI_BUCKETS - 1;
}

/* Where a bucket ends, which is where the next begins. */
static inline uint64_t pondi_bucket_end_ns(size_t bucket)
{
    const size_t subs = 1u << PONDI_BUCKET_SUB_BITS;
    size_t next = bucket + 1;
    if (next <= subs)
        return (uint64_t)next << PONDI_BUCKET_UNIT_BITS;
    size_t shift = (next >> PONDI_BUCKET_SUB_BITS) - 1;
    uint64_t units = (uint64_t)(next - (shift << PONDI_BUCKET_SUB_BITS)) << shift;
    return units << PONDI_BUCKET_UNIT_BITS;
}

/* Any thread, no lock. */
static inline void pondi_histogram_record(pondi_histogram *histogram, uint64_t ns)
{
    atomic_fetch_add_explicit(&histogram->buckets[pondi_bucket_of(ns)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_ns, ns, memory_order_relaxed);
    uint64_t max_ns = atomic_load_explicit(&histogram->max_ns, memory_order_relaxed);
    while (ns > max_ns &&
           !atomic_compare_exchange_weak_explicit(&histogram->max_ns, &max_ns, ns,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

static inline void pondi_raise_alone(_Atomic uint64_t *number, uint64_t by)
{
    atomic_store_explicit(number, atomic_load_explicit(number, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

/* The same for who holds what keeps other writers out: no locked instruction. */
static inline void pondi_histogram_record_alone(pondi_histogram *histogram, uint64_t ns)
{
    pondi_raise_alone(&histogram->buckets[pondi_bucket_of(ns)], 1);
    pondi_raise_alone(&histogram->sum_ns, ns);
    if (ns > atomic_load_explicit(&histogram->max_ns, memory_order_relaxed))
        atomic_store_explicit(&histogram->max_ns, ns, memory_order_relaxed);
}

/* Add what a histogram holds to a copy, which is zeroed before the first. Any thread. */
void pondi_histogram_add(const pondi_histogram *histogram, pondi_histogram_copy *to);
void pondi_histogram_merge(const pondi_histogram_copy *from, pondi_histogram_copy *to);

/* The duration that a share `quantile` (0 to 1) of the values does not exceed; 0 if there are none.
 */
uint64_t pondi_histogram_quantile(const pondi_histogram_copy *copy, double quantile);

/* How many values are below `end_ns`, to within a bucket: exact for the end of a bucket. */
uint64_t pondi_histogram_count_below(const pondi_histogram_copy *copy, uint64_t end_ns);

#endif

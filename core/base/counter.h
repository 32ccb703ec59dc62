/* A count that one thread at a time raises and any thread reads. */
#ifndef PONDI_BASE_COUNTER_H
#define PONDI_BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint64_t pondi_counter;

/* The caller holds whatever keeps other writers out, so no locked instruction is needed. */
static inline void pondi_counter_raise(pondi_counter *counter)
{
    uint64_t count = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, count + 1, memory_order_relaxed);
}

static inline uint64_t pondi_counter_read(const pondi_counter *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif

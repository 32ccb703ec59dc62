/* Atomic reference counts, as all public handles have them. */
#ifndef PONDI_BASE_REFCOUNT_H
#define PONDI_BASE_REFCOUNT_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct pondi_refcount {
    atomic_uint_fast32_t count;
} pondi_refcount;

static inline void pondi_refcount_init(pondi_refcount *refs)
{
    atomic_init(&refs->count, 1);
}

static inline void pondi_refcount_take(pondi_refcount *refs)
{
    atomic_fetch_add_explicit(&refs->count, 1, memory_order_relaxed);
}

/* True for the caller that dropped the last reference and must destroy the object. */
static inline int pondi_refcount_drop(pondi_refcount *refs)
{
    return atomic_fetch_sub_explicit(&refs->count, 1, memory_order_acq_rel) == 1;
}

/* True while somebody else holds a reference. */
static inline int pondi_refcount_is_shared(const pondi_refcount *refs)
{
    return atomic_load_explicit(&refs->count, memory_order_acquire) > 1;
}

#endif

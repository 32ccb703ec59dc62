/* The circuit breaker: what pond_breaker_* of millpond.h are made of.
 *
 * State and period (a number that grows with each change of state) are one atomic word, so that a
 * closed breaker, the usual case, is asked and told of successes without a lock. That word is also
 * the ticket of a call: outcomes of calls that began in an earlier period say nothing about this
 * one, and are dropped.
 */
#ifndef PONDI_RESILIENCE_BREAKER_H
#define PONDI_RESILIENCE_BREAKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/refcount.h"
#include "millpond/millpond.h"

typedef struct pondi_breaker_settings {
    uint32_t failure_threshold; /* at least 1 */
    uint32_t half_open_max_calls;
    int64_t recovery_ns;
    int64_t window_ns;
    int in_a_row; /* a success makes up for the failures before it */
} pondi_breaker_settings;

struct pond_breaker {
    pondi_refcount refs;
    pondi_list link; /* in the registry; alone for a breaker of the library's own */
    char *name;
    pondi_breaker_settings settings;
    int64_t (*now_ns)(void); /* the monotonic clock, or a test's */
    _Atomic uint64_t word;   /* period << 2 | pond_breaker_state; changed under the lock */
    atomic_uint failures;    /* in `ring`, those too old included; changed under the lock */
    pthread_mutex_t lock;    /* guards all below */
    uint32_t process;        /* whose lock it is: a forked child makes its own */
    uint32_t next;           /* place in `ring` */
    uint32_t probes;         /* half-open: calls under way */
    uint32_t passed;         /* half-open: calls that succeeded */
    int64_t changed_ns;      /* when the state changed */
    int64_t probed_ns;       /* when the last probe was let through */
    atomic_uint_fast64_t total_failures;
    atomic_uint_fast64_t total_refused;
    atomic_uint_fast64_t total_opened;
    int64_t ring[]; /* when the last failure_threshold failures happened */
};

/* One that is in no registry. `now_ns` may be NULL for the usual clock. */
int pondi_breaker_new(const char *name, const pondi_breaker_settings *settings,
                      int64_t (*now_ns)(void), pond_breaker **out, pond_error **err);

/* pond_breaker_allow() and pond_breaker_record() without their checks of arguments. */
int pondi_breaker_allow(pond_breaker *breaker, uint64_t *ticket);
void pondi_breaker_record(pond_breaker *breaker, uint64_t ticket, pond_breaker_outcome outcome);

/* The error that a refused call gets. */
pond_error *pondi_breaker_error(pond_breaker *breaker);

#endif

/* When to try again, and when no more: exponential backoff with full jitter. */
#ifndef PONDI_RESILIENCE_RETRY_H
#define PONDI_RESILIENCE_RETRY_H

#include <stdint.h>

/* What pond_retry_policy says, in nanoseconds. */
typedef struct pondi_backoff {
    uint32_t max_retries; /* UINT32_MAX: no limit */
    int64_t base_delay_ns;
    int64_t max_delay_ns;
    int64_t total_ns; /* PONDI_NEVER: no limit */
} pondi_backoff;

/* The longest that may be waited after `failures` attempts in a row failed (1 after the first):
 * base_delay doubled with each further one, up to max_delay. */
int64_t pondi_backoff_ceiling(const pondi_backoff *backoff, uint32_t failures);

/* How long to wait after `failures` attempts failed, the first of which began `elapsed_ns` ago:
 * uniform from 0 to the ceiling, so that many who failed at once do not come back at once. -1 to
 * give up: no retry is left, or the wait would not end within the total time. Any thread. */
int64_t pondi_backoff_next(const pondi_backoff *backoff, uint32_t failures, int64_t elapsed_ns);

#endif

/* While the server cannot be reached: one connection at a time is tried, at growing intervals, and
 * who has no other to wait for is told at once. When it is back, connections are opened one, two,
 * four at a time, so that it is not run over. */
#include "base/clock.h"
#include "base/error.h"
#include "pool/pool.h"
#include "resilience/retry.h"

enum {
    WANTED_MS = 60000, /* so long after the last wish for a connection the tries go on as before */
    UNWANTED = 20      /* after that, so many times slower */
};

static int is_availability(int code)
{
    return code == POND_ECONNECT || code == POND_ETIMEDOUT || code == POND_ECONNLOST ||
           code == POND_ERESOURCES;
}

static int64_t next_delay(const pond_pool *pool, int64_t now_ns)
{
    const pondi_outage *outage = &pool->outage;
    int64_t most_ns = pool->settings.reconnect_most_ns;
    if (now_ns - outage->wanted_ns > (int64_t)WANTED_MS * PONDI_NS_PER_MS)
        most_ns *= UNWANTED;
    const pondi_backoff backoff = {.max_retries = UINT32_MAX,
                                   .base_delay_ns = pool->settings.reconnect_ns,
                                   .max_delay_ns = most_ns,
                                   .total_ns = PONDI_NEVER};
    return pondi_backoff_next(&backoff, outage->failures, 0);
}

int pondi_outage_note(pond_pool *pool, const pond_error *error)
{
    pondi_outage *outage = &pool->outage;
    int64_t now_ns = pondi_now_ns();
    if (!outage->failures)
        outage->wanted_ns = now_ns;
    outage->failures++;
    outage->retry_ns = now_ns + next_delay(pool, now_ns);
    if (!is_availability(error->code))
        return 0;
    pond_error_free(outage->error);
    outage->error = pondi_error_copy(error);
    outage->begun += !outage->on;
    outage->on = 1;
    outage->open_most = 1;
    return 1;
}

void pondi_outage_end(pond_pool *pool)
{
    pondi_outage *outage = &pool->outage;
    outage->on = 0;
    outage->failures = 0;
    if (outage->open_most < pool->settings.max_size + pool->settings.sync_max_size)
        outage->open_most *= 2;
}

void pondi_outage_try_now(pond_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->outage.retry_ns = 0;
    pthread_mutex_unlock(&pool->lock);
    pondi_acquire_pump(pool, NULL);
    pondi_upkeep_nudge(pool);
}

int pondi_outage_may_open(const pond_pool *pool)
{
    const pondi_outage *outage = &pool->outage;
    return pool->opening < outage->open_most && (!outage->on || pondi_now_ns() >= outage->retry_ns);
}

int pondi_outage_refuses(const pond_pool *pool)
{
    return pool->outage.on && pool->size == 0 && pool->settings.fail_fast;
}

pond_error *pondi_outage_error(const pond_pool *pool)
{
    pond_error *error = pondi_error_copy(pool->outage.error);
    if (!pondi_error_is_shared(error))
        error->retryable = 1;
    return error;
}

void pondi_outage_refuse_waiters(pond_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    int refuses = pondi_outage_refuses(pool) && pondi_queue_is_waited_in(pool);
    pthread_mutex_unlock(&pool->lock);
    if (refuses)
        pondi_branch_tell_all(pool, PONDI_BRANCH_FAIL);
}

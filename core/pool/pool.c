#include "pool/pool.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/given.h"
#include "base/process.h"
#include "millpond/millpond.h"
#include "pool/metrics.h"

/* ---- Create and destroy ------------------------------------------------------------------ */

/* The family does not end its close, nor is it freed, before this pool is gone. */
static void join_family(pond_pool *pool)
{
    pond_pool *family = pool->family;
    pondi_pool_hold(family);
    pthread_mutex_lock(&family->lock);
    family->nodes++;
    pthread_mutex_unlock(&family->lock);
}

int pondi_pool_new(pond_config *config, pondi_dialer *dialer, pond_pool **out, pond_error **err)
{
    pond_pool *pool = pondi_calloc(1, sizeof(*pool));
    if (!pool)
        return pondi_error_nomem(err);
    int code = pondi_config_copy(config, &pool->config, err);
    if (!code)
        code = pond_config_hash(config, pool->hash, err);
    if (code) {
        pond_config_release(pool->config);
        pondi_free(pool);
        return code;
    }
    pool->dialer = dialer;
    pool->family = dialer->family ? dialer->family : pool;
    pondi_refcount_init(&pool->refs);
    pondi_refcount_init(&pool->holds);
    pool->process = pondi_process_generation();
    pool->driver = pondi_config_driver(config);
    pthread_mutex_init(&pool->lock, NULL);
    pondi_list_init(&pool->branches);
    pondi_list_init(&pool->detached);
    for (int side = 0; side < PONDI_SIDES; side++)
        pondi_list_init(&pool->waiters[side]);
    pondi_list_init(&pool->closers);
    pondi_pool_read_settings(pool->config, &pool->settings);
    pondi_pool_begin_metrics(pool);
    if (pool->family != pool)
        join_family(pool);
    pool->target = (pondi_call_target){
        .dialect = pool->driver->dialect,
        .takes_runs = pool->driver->takes_runs,
        .timeout_ms = pondi_config_ms(pool->config, "query_execution_timeout", 60000),
        .metrics = &pool->family->metrics,
    };
    pool->outage.open_most = pool->settings.max_size + pool->settings.sync_max_size;
    pool->left_close_ns = PONDI_NEVER;
    *out = pool;
    return POND_OK;
}

int pondi_pool_retain_if_alive(pond_pool *pool)
{
    uint_fast32_t count = atomic_load(&pool->refs.count);
    while (count) {
        if (atomic_compare_exchange_weak(&pool->refs.count, &count, count + 1))
            return 1;
    }
    return 0;
}

pond_error *pondi_pool_closed_error(const pond_pool *pool)
{
    return pondi_error_new(POND_ECLOSED,
                           atomic_load(&pool->closed)
                               ? "the pool was closed: open it again for new connections"
                               : "the pool is closing and lends no connections: wait until it is "
                                 "closed, then open it again");
}

int pondi_pool_check_process(const pond_pool *pool, pond_error **err)
{
    if (pool->process == pondi_process_generation())
        return POND_OK;
    return pondi_error_set(
        err, POND_EMISUSE,
        "this pool was opened before the process forked: open a new one in the child");
}

int pondi_pool_enter(const pond_pool *pool, pond_loop *loop, pond_error **err)
{
    int code = pondi_pool_check_process(pool, err);
    return code ? code : pondi_loop_enter(loop, err);
}

pond_pool *pond_pool_retain(pond_pool *pool)
{
    if (pool)
        pondi_refcount_take(&pool->refs);
    return pool;
}

void pondi_pool_close_detached(pond_pool *pool, const char *why)
{
    for (;;) {
        pthread_mutex_lock(&pool->lock);
        pondi_slot *slot = NULL;
        if (!pondi_list_empty(&pool->detached)) {
            slot = PONDI_CONTAINER(pool->detached.next, pondi_slot, link);
            pondi_list_remove(&slot->link);
        }
        pthread_mutex_unlock(&pool->lock);
        if (!slot)
            return;
        pondi_slot_destroy(slot, why);
    }
}

void pond_pool_release(pond_pool *pool)
{
    if (!pool || !pondi_refcount_drop(&pool->refs))
        return;
    if (pool->process != pondi_process_generation())
        return;
    pool->dialer->ended(pool->dialer);
    pthread_mutex_lock(&pool->lock);
    pool->closing = 1;
    pthread_mutex_unlock(&pool->lock);
    pondi_pool_close_detached(pool, "the pool ended");
    pondi_branch_tell_all(pool, PONDI_BRANCH_CLOSE | PONDI_BRANCH_END);
    pondi_pool_unhold(pool);
}

void pondi_pool_hold(pond_pool *pool)
{
    pondi_refcount_take(&pool->holds);
}

void pondi_pool_unhold(pond_pool *pool)
{
    if (!pondi_refcount_drop(&pool->holds))
        return;
    if (pool->shared_opened && pool->driver->shared_close)
        pool->driver->shared_close(pool->shared);
    pondi_pool_end_metrics(pool);
    if (pool->attachment)
        pool->attachment_free(pool->attachment);
    pond_config_release(pool->config);
    pond_error_free(pool->outage.error);
    if (pool->keeper)
        pondi_loop_unhold(pool->keeper);
    pthread_mutex_destroy(&pool->lock);
    pond_pool *family = pool->family == pool ? NULL : pool->family;
    pool->dialer->free(pool->dialer);
    pondi_free(pool);
    if (family)
        pondi_pool_unhold(family);
}

/* ---- Status ------------------------------------------------------------------------------ */

static void add_statements(pond_pool_status *status, const pondi_list *slots)
{
    for (const pondi_list *node = slots->next; node != slots; node = node->next) {
        const pondi_slot *slot = PONDI_CONTAINER(node, pondi_slot, link);
        if (!slot->conn)
            continue;
        status->statement_hits += pondi_counter_read(&slot->conn->statements.hits);
        status->statement_misses += pondi_counter_read(&slot->conn->statements.misses);
        status->statement_evictions += pondi_counter_read(&slot->conn->statements.evictions);
    }
}

static void read_counts(const pond_pool *pool, pond_pool_status *status)
{
    status->min_size = pool->settings.min_size;
    status->max_size = pool->settings.max_size;
    status->size = pool->size;
    status->idle = pool->idle;
    status->in_use = pool->leased[PONDI_ASYNC] + pool->leased[PONDI_SYNC];
    status->opening = pool->opening;
    status->sync_max_size = pool->settings.sync_max_size;
    status->sync_in_use = pool->leased[PONDI_SYNC];
    status->waiting = pool->waiting[PONDI_ASYNC] + pool->waiting[PONDI_SYNC];
    status->closed = (uint32_t)pool->closing;
    status->acquired = pool->acquired;
    status->released = pool->released;
    status->timeouts = pool->timeouts;
    status->errors = pool->errors;
    status->created = pool->created;
    status->destroyed = pool->destroyed;
    status->peak_active = pool->peak_active;
}

static void read_statements(const pond_pool *pool, pond_pool_status *status)
{
    status->statement_hits = pool->statement_hits;
    status->statement_misses = pool->statement_misses;
    status->statement_evictions = pool->statement_evictions;
    add_statements(status, &pool->detached);
    for (const pondi_list *node = pool->branches.next; node != &pool->branches; node = node->next)
        add_statements(status, &PONDI_CONTAINER(node, pondi_branch, link)->slots);
}

int pond_pool_get_status(pond_pool *pool, pond_pool_status *out, pond_error **err)
{
    if (PONDI_GIVEN(err, pool, out))
        return POND_EINVAL;
    if (out->struct_size < sizeof(out->struct_size))
        return pondi_error_set(err, POND_EINVAL,
                               "struct_size is %u: set it to sizeof(pond_pool_status)",
                               (unsigned)out->struct_size);
    int code = pondi_pool_check_process(pool, err);
    if (code)
        return code;
    pond_pool_status status = {0};
    pthread_mutex_lock(&pool->lock);
    read_counts(pool, &status);
    if (out->struct_size > offsetof(pond_pool_status, statement_hits))
        read_statements(pool, &status); /* walks all connections */
    pthread_mutex_unlock(&pool->lock);
    size_t size = out->struct_size < sizeof(status) ? out->struct_size : sizeof(status);
    status.struct_size = (uint32_t)size;
    memcpy(out, &status, size);
    return POND_OK;
}

int pond_pool_is_closed(const pond_pool *pool)
{
    return !pool || atomic_load(&pool->closed) || pool->process != pondi_process_generation();
}

const char *pond_pool_hash(const pond_pool *pool)
{
    return pool ? pool->hash : NULL;
}

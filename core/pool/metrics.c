/* What a pool records of itself, and the circuit breakers of what its statements are called. */
#include "pool/metrics.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/given.h"
#include "base/versioned.h"
#include "pool/pool.h"

/* ---- Begin and end ----------------------------------------------------------------------- */

const char *pondi_pool_alias(const pond_pool *pool)
{
    const char *alias = pondi_config_get(pool->config, "alias");
    return alias && *alias ? alias : pondi_config_get(pool->config, "database");
}

static void read_breaker_settings(const pond_config *config, pondi_breaker_settings *out)
{
    *out = (pondi_breaker_settings){
        .failure_threshold =
            (uint32_t)pondi_config_count(config, "circuit_breaker_failure_threshold", 5),
        .half_open_max_calls =
            (uint32_t)pondi_config_count(config, "circuit_breaker_half_open_max_calls", 3),
        .recovery_ns = pondi_config_ns(config, "circuit_breaker_recovery_timeout", 1000),
        .window_ns = pondi_config_ns(config, "circuit_breaker_window_size", 60000),
        .in_a_row = 1,
    };
}

/* Without memory for it, statements of that name have none. */
static pond_breaker *make_breaker(void *owner, const char *name)
{
    const pond_pool *pool = owner;
    pondi_breaker_settings settings;
    char full_name[256];
    pond_breaker *breaker = NULL;
    read_breaker_settings(pool->config, &settings);
    snprintf(full_name, sizeof(full_name), "%s: %s", pondi_pool_alias(pool),
             *name ? name : "statements");
    pondi_breaker_new(full_name, &settings, NULL, &breaker, NULL);
    return breaker;
}

void pondi_pool_begin_metrics(pond_pool *pool)
{
    pondi_metrics *metrics = &pool->metrics;
    const pond_config *config = pool->config;
    pondi_metrics_init(metrics, pondi_config_ns(config, "scaling_window", 60000),
                       pondi_coarse_now_ns());
    metrics->on = pondi_config_flag(config, "metrics", 1);
    int64_t slow_ns = pondi_config_ns(config, "slow_query_threshold", 1000);
    metrics->slow_ns = slow_ns ? slow_ns : PONDI_NEVER;
    metrics->log_parameters = pondi_config_flag(config, "slow_query_log_parameters", 0);
    metrics->operations.owner = pool;
    if (pondi_config_flag(config, "circuit_breaker", 1))
        metrics->operations.make_breaker = make_breaker;
    if (pool->family == pool)
        pondi_metrics_know(pool);
}

void pondi_pool_end_metrics(pond_pool *pool)
{
    if (pool->family == pool)
        pondi_metrics_forget(pool);
    pondi_operations_free(&pool->metrics.operations, pond_breaker_release);
}

/* ---- The signal -------------------------------------------------------------------------- */

/* Statements under way count for the time they have run, though no longer than the window. */
static void add_running(const pondi_list *slots, const pondi_metrics *metrics, int64_t now_ns,
                        uint64_t *running_ns, uint64_t *slow_ns)
{
    for (const pondi_list *node = slots->next; node != slots; node = node->next) {
        const pondi_slot *slot = PONDI_CONTAINER(node, pondi_slot, link);
        int64_t since_ns =
            slot->conn ? atomic_load_explicit(&slot->conn->running_ns, memory_order_relaxed) : 0;
        if (!since_ns || since_ns >= now_ns)
            continue;
        int64_t for_ns = now_ns - since_ns;
        int slow = for_ns >= metrics->slow_ns;
        if (for_ns > metrics->window.length_ns)
            for_ns = metrics->window.length_ns;
        *running_ns += (uint64_t)for_ns;
        *slow_ns += slow ? (uint64_t)for_ns : 0;
    }
}

void pondi_pool_load(pond_pool *pool, pondi_load *out)
{
    uint64_t running_ns = 0;
    uint64_t slow_ns = 0;
    int64_t now_ns = pondi_coarse_now_ns();
    *out = (pondi_load){.max_size = pool->settings.max_size,
                        .sync_max_size = pool->settings.sync_max_size};
    if (!pool->metrics.on)
        return;
    for (pondi_list *node = pool->branches.next; node != &pool->branches; node = node->next)
        add_running(&PONDI_CONTAINER(node, pondi_branch, link)->slots, &pool->metrics, now_ns,
                    &running_ns, &slow_ns);
    out->waiting = pool->waiting[PONDI_ASYNC] + pool->waiting[PONDI_SYNC];
    pondi_metrics_load(&pool->metrics, now_ns, running_ns, slow_ns, out);
}

int pond_pool_scaling(pond_pool *pool, pond_scaling_signal *out, pond_error **err)
{
    if (PONDI_GIVEN(err, pool, out) || pondi_check_struct_size(out, "pond_scaling_signal", err))
        return POND_EINVAL;
    int code = pondi_pool_check_process(pool, err);
    if (code)
        return code;
    pondi_load load;
    pond_scaling_signal signal = {0};
    pthread_mutex_lock(&pool->lock);
    pondi_pool_load(pool, &load);
    pthread_mutex_unlock(&pool->lock);
    pondi_scaling_judge(&load, &signal);
    pondi_give_struct(out, &signal, sizeof(signal));
    return POND_OK;
}

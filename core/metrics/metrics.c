#include "metrics/metrics.h"

#include <string.h>

#include "base/clock.h"

void pondi_metrics_init(pondi_metrics *metrics, int64_t window_ns, int64_t now_ns)
{
    memset(metrics, 0, sizeof(*metrics));
    metrics->slow_ns = PONDI_NEVER;
    metrics->active_ns = now_ns;
    pondi_operations_init(&metrics->operations);
    pondi_window_init(&metrics->window, window_ns, now_ns);
}

/* ---- Connections ------------------------------------------------------------------------- */

static pondi_totals totals_of(const pondi_metrics *metrics)
{
    return (pondi_totals){
        .acquired = metrics->acquired,
        .timeouts = metrics->timeouts,
        .released = metrics->released,
        .wait_ns = atomic_load_explicit(&metrics->waits.sum_ns, memory_order_relaxed),
        .lease_ns = metrics->lease_ns,
        .sync_lease_ns = metrics->sync_lease_ns,
        .queries = atomic_load_explicit(&metrics->queries, memory_order_relaxed),
        .query_ns = atomic_load_explicit(&metrics->query_ns, memory_order_relaxed),
        .slow_ns = atomic_load_explicit(&metrics->slow_query_ns, memory_order_relaxed),
    };
}

static void integrate(pondi_metrics *metrics, int64_t now_ns)
{
    if (now_ns <= metrics->active_ns)
        return;
    metrics->lease_ns += metrics->active * (uint64_t)(now_ns - metrics->active_ns);
    metrics->sync_lease_ns += metrics->sync_active * (uint64_t)(now_ns - metrics->active_ns);
    metrics->active_ns = now_ns;
}

/* Before anything is counted. Notes that became due while nothing happened are made up for. */
static void pass_time(pondi_metrics *metrics, int64_t now_ns)
{
    pondi_window *window = &metrics->window;
    while (pondi_window_is_due(window, now_ns)) {
        int64_t oldest_ns = now_ns - window->length_ns;
        int64_t at_ns = window->next_ns > oldest_ns ? window->next_ns : oldest_ns;
        integrate(metrics, at_ns);
        pondi_totals totals = totals_of(metrics);
        pondi_window_note(window, at_ns, &totals);
    }
    integrate(metrics, now_ns);
}

void pondi_metrics_acquired(pondi_metrics *metrics, int64_t now_ns, int64_t wait_ns, int sync)
{
    if (!metrics->on)
        return;
    pass_time(metrics, now_ns);
    metrics->active++;
    metrics->sync_active += sync != 0;
    metrics->acquired++;
    pondi_histogram_record_alone(&metrics->waits, wait_ns > 0 ? (uint64_t)wait_ns : 0);
}

void pondi_metrics_released(pondi_metrics *metrics, int64_t now_ns, int sync)
{
    if (!metrics->on)
        return;
    pass_time(metrics, now_ns);
    metrics->active--;
    metrics->sync_active -= sync != 0;
    metrics->released++;
}

void pondi_metrics_timed_out(pondi_metrics *metrics, int64_t now_ns)
{
    if (!metrics->on)
        return;
    pass_time(metrics, now_ns);
    metrics->timeouts++;
}

void pondi_metrics_connected(pondi_metrics *metrics, int64_t took_ns)
{
    if (metrics->on)
        pondi_histogram_record_alone(&metrics->connects, took_ns > 0 ? (uint64_t)took_ns : 0);
}

void pondi_metrics_closed(pondi_metrics *metrics, const char *why)
{
    if (!metrics->on)
        return;
    const char *text = *why ? why : "other";
    for (size_t i = 0; i < PONDI_CLOSE_REASONS; i++) {
        pondi_close_reason *reason = &metrics->closed[i];
        if (!reason->text)
            reason->text = i < PONDI_CLOSE_REASONS - 1 ? text : "other";
        if (strcmp(reason->text, text) != 0 && i < PONDI_CLOSE_REASONS - 1)
            continue;
        reason->count++;
        return;
    }
}

void pondi_metrics_load(pondi_metrics *metrics, int64_t now_ns, uint64_t running_ns,
                        uint64_t slow_ns, pondi_load *out)
{
    pass_time(metrics, now_ns);
    pondi_totals totals = totals_of(metrics);
    out->window_ns = pondi_window_difference(&metrics->window, now_ns, &totals, &out->totals);
    out->totals.query_ns += running_ns;
    out->totals.slow_ns += slow_ns;
}

/* ---- Statements -------------------------------------------------------------------------- */

static void add(_Atomic uint64_t *number, uint64_t by)
{
    atomic_fetch_add_explicit(number, by, memory_order_relaxed);
}

int pondi_metrics_query(pondi_metrics *metrics, pondi_operation *operation, int64_t took_ns)
{
    uint64_t ns = took_ns > 0 ? (uint64_t)took_ns : 0;
    pondi_histogram_record(&operation->durations, ns);
    add(&metrics->queries, 1);
    add(&metrics->query_ns, ns);
    if (took_ns < metrics->slow_ns)
        return 0;
    add(&metrics->slow_queries, 1);
    add(&metrics->slow_query_ns, ns);
    return 1;
}

void pondi_metrics_error(pondi_metrics *metrics, int code)
{
    if (!metrics->on || code >= 0)
        return;
    add(&metrics->errors[code > -PONDI_ERROR_CODES ? -code : PONDI_ERROR_CODES - 1], 1);
}

void pondi_metrics_retried(pondi_metrics *metrics)
{
    if (metrics->on)
        add(&metrics->retries, 1);
}

void pondi_metrics_sent(pondi_metrics *metrics, uint64_t bytes)
{
    if (metrics->on && bytes)
        add(&metrics->bytes_sent, bytes);
}

void pondi_metrics_received(pondi_metrics *metrics, uint64_t bytes)
{
    if (metrics->on && bytes)
        add(&metrics->bytes_received, bytes);
}

/* All numbers of one pool, or of the process, at one instant. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/given.h"
#include "base/process.h"
#include "base/versioned.h"
#include "pool/metrics.h"
#include "pool/snapshot.h"

/* ---- Build ------------------------------------------------------------------------------- */

static pond_metrics *metrics_new(void)
{
    return pondi_calloc(1, sizeof(pond_metrics));
}

void pond_metrics_free(pond_metrics *metrics)
{
    if (!metrics)
        return;
    for (size_t i = 0; i < metrics->count; i++) {
        pondi_free(metrics->entries[i].value);
        pondi_free(metrics->entries[i].durations);
    }
    pondi_free(metrics->entries);
    pondi_free(metrics);
}

static int grow(pond_metrics *metrics)
{
    if (metrics->count < metrics->capacity)
        return 1;
    size_t capacity = metrics->capacity ? 2 * metrics->capacity : 64;
    pondi_metric_entry *entries =
        pondi_realloc(metrics->entries, capacity * sizeof(metrics->entries[0]));
    if (!entries)
        return 0;
    metrics->entries = entries;
    metrics->capacity = capacity;
    return 1;
}

static pondi_metric_entry *add(pond_metrics *metrics, pond_metric_kind kind, const char *name,
                               const char *label, const char *value)
{
    char *copy = metrics->failed ? NULL : pondi_strdup(value);
    if (!copy || !grow(metrics)) {
        metrics->failed = 1;
        pondi_free(copy);
        return NULL;
    }
    pondi_metric_entry *entry = &metrics->entries[metrics->count++];
    *entry = (pondi_metric_entry){.kind = kind, .name = name, .label = label, .value = copy};
    return entry;
}

static void add_number(pond_metrics *metrics, pond_metric_kind kind, const char *name,
                       const char *label, const char *value, double number)
{
    pondi_metric_entry *entry = add(metrics, kind, name, label, value);
    if (entry)
        entry->number = number;
}

static void add_histogram(pond_metrics *metrics, const char *name, const char *label,
                          const char *value, const pondi_histogram *histogram)
{
    pondi_metric_entry *entry = add(metrics, POND_METRIC_HISTOGRAM, name, label, value);
    if (!entry)
        return;
    entry->durations = pondi_calloc(1, sizeof(*entry->durations));
    if (entry->durations)
        pondi_histogram_add(histogram, entry->durations);
    else
        metrics->failed = 1;
}

/* ---- One pool ---------------------------------------------------------------------------- */

static void add_status(pond_metrics *metrics, const pond_pool_status *at)
{
    const struct {
        pond_metric_kind kind;
        const char *name;
        uint64_t number;
    } numbers[] = {
        {POND_METRIC_GAUGE, "min_size", at->min_size},
        {POND_METRIC_GAUGE, "max_size", at->max_size},
        {POND_METRIC_GAUGE, "size", at->size},
        {POND_METRIC_GAUGE, "in_use", at->in_use},
        {POND_METRIC_GAUGE, "idle", at->idle},
        {POND_METRIC_GAUGE, "opening", at->opening},
        {POND_METRIC_GAUGE, "sync_max_size", at->sync_max_size},
        {POND_METRIC_GAUGE, "sync_in_use", at->sync_in_use},
        {POND_METRIC_GAUGE, "waiting", at->waiting},
        {POND_METRIC_GAUGE, "active", at->acquired - at->released},
        {POND_METRIC_GAUGE, "peak_active", at->peak_active},
        {POND_METRIC_COUNTER, "acquired", at->acquired},
        {POND_METRIC_COUNTER, "released", at->released},
        {POND_METRIC_COUNTER, "timeouts", at->timeouts},
        {POND_METRIC_COUNTER, "connection_errors", at->errors},
        {POND_METRIC_COUNTER, "created", at->created},
        {POND_METRIC_COUNTER, "destroyed", at->destroyed},
        {POND_METRIC_COUNTER, "statement_hits", at->statement_hits},
        {POND_METRIC_COUNTER, "statement_misses", at->statement_misses},
        {POND_METRIC_COUNTER, "statement_evictions", at->statement_evictions},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        add_number(metrics, numbers[i].kind, numbers[i].name, "", "", (double)numbers[i].number);
}

static uint64_t read_count(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

static void add_errors(pond_metrics *metrics, const pondi_metrics *from)
{
    for (int i = 1; i < PONDI_ERROR_CODES; i++) {
        uint64_t count = read_count(&from->errors[i]);
        if (count)
            add_number(metrics, POND_METRIC_COUNTER, "errors", "error", pond_error_name(-i),
                       (double)count);
    }
}

static void add_breaker(pond_metrics *metrics, pond_breaker *breaker, const char *name)
{
    pond_breaker_status status = {.struct_size = sizeof(status)};
    pond_breaker_get_status(breaker, &status, NULL);
    add_number(metrics, POND_METRIC_GAUGE, "breaker_state", "breaker", name, status.state);
    add_number(metrics, POND_METRIC_COUNTER, "breaker_opened", "breaker", name,
               (double)status.opened);
    add_number(metrics, POND_METRIC_COUNTER, "breaker_refused", "breaker", name,
               (double)status.refused);
}

static void add_operation(void *data, const pondi_operation *operation)
{
    pond_metrics *metrics = data;
    if (read_count(&operation->durations.sum_ns) || read_count(&operation->durations.max_ns))
        add_histogram(metrics, "query", "operation", operation->name, &operation->durations);
    if (operation->breaker)
        add_breaker(metrics, operation->breaker,
                    operation->name[0] ? operation->name : "statements");
}

/* The pool's own, around connecting: open while it waits for the next try, half-open during it. */
static void add_outage(pond_metrics *metrics, const pond_pool *pool)
{
    int state = !pool->outage.on    ? POND_BREAKER_CLOSED
                : pool->opening > 0 ? POND_BREAKER_HALF_OPEN
                                    : POND_BREAKER_OPEN;
    add_number(metrics, POND_METRIC_GAUGE, "breaker_state", "breaker", "connect", state);
    add_number(metrics, POND_METRIC_COUNTER, "breaker_opened", "breaker", "connect",
               (double)pool->outage.begun);
    add_number(metrics, POND_METRIC_COUNTER, "breaker_refused", "breaker", "connect",
               (double)pool->outage.refused);
}

/* Pool locked. */
static void add_guarded(pond_metrics *metrics, pond_pool *pool)
{
    const pondi_metrics *from = &pool->metrics;
    pondi_load load;
    pondi_pool_load(pool, &load); /* brings lease_ns up to now */
    add_number(metrics, POND_METRIC_COUNTER, "lease_seconds", "", "", (double)from->lease_ns / 1e9);
    for (size_t i = 0; i < PONDI_CLOSE_REASONS && from->closed[i].text; i++)
        add_number(metrics, POND_METRIC_COUNTER, "closed", "reason", from->closed[i].text,
                   (double)from->closed[i].count);
    add_outage(metrics, pool);
    add_histogram(metrics, "acquire_wait", "", "", &from->waits);
    add_histogram(metrics, "connect", "", "", &from->connects);
}

static void add_pool(pond_metrics *metrics, pond_pool *pool)
{
    pondi_metrics *from = &pool->metrics;
    pond_pool_status status = {.struct_size = sizeof(status)};
    if (pond_pool_get_status(pool, &status, NULL))
        return;
    add_status(metrics, &status);
    if (!from->on)
        return;
    add_number(metrics, POND_METRIC_COUNTER, "queries", "", "", (double)read_count(&from->queries));
    add_number(metrics, POND_METRIC_COUNTER, "slow_queries", "", "",
               (double)read_count(&from->slow_queries));
    add_number(metrics, POND_METRIC_COUNTER, "retries", "", "", (double)read_count(&from->retries));
    add_number(metrics, POND_METRIC_COUNTER, "bytes_sent", "", "",
               (double)read_count(&from->bytes_sent));
    add_number(metrics, POND_METRIC_COUNTER, "bytes_received", "", "",
               (double)read_count(&from->bytes_received));
    add_errors(metrics, from);
    pthread_mutex_lock(&pool->lock);
    add_guarded(metrics, pool);
    pthread_mutex_unlock(&pool->lock);
    pondi_operations_each(&from->operations, add_operation, metrics);
}

/* ---- The process ------------------------------------------------------------------------- */

static pondi_metric_entry *find(pond_metrics *metrics, const pondi_metric_entry *wanted)
{
    for (size_t i = 0; i < metrics->count; i++) {
        pondi_metric_entry *at = &metrics->entries[i];
        if (strcmp(at->name, wanted->name) == 0 && strcmp(at->value, wanted->value) == 0)
            return at;
    }
    return NULL;
}

static void merge_entry(pond_metrics *to, const pondi_metric_entry *from)
{
    pondi_metric_entry *entry = find(to, from);
    if (!entry)
        entry = add(to, from->kind, from->name, from->label, from->value);
    if (!entry)
        return;
    entry->number += from->number;
    if (!from->durations)
        return;
    if (!entry->durations)
        entry->durations = pondi_calloc(1, sizeof(*entry->durations));
    if (entry->durations)
        pondi_histogram_merge(from->durations, entry->durations);
    else
        to->failed = 1;
}

/* Breakers of different pools are not one, whatever their names. */
static void merge(pond_metrics *to, const pond_metrics *from, int counts_only)
{
    for (size_t i = 0; i < from->count; i++) {
        const pondi_metric_entry *entry = &from->entries[i];
        int is_breaker = strncmp(entry->name, "breaker_", 8) == 0;
        if (!is_breaker && !(counts_only && entry->kind == POND_METRIC_GAUGE))
            merge_entry(to, entry);
    }
}

static pondi_process_lock known_lock = PONDI_PROCESS_LOCK; /* guards all below */
static pondi_list known = {&known, &known};                /* pools, until they are freed */
static pond_metrics *gone;                                 /* counts of those that were */

/* A forked child begins with none. */
static void lock_known(void)
{
    if (pondi_process_lock_take(&known_lock)) {
        pondi_list_init(&known);
        gone = NULL;
    }
}

void pondi_metrics_know(pond_pool *pool)
{
    lock_known();
    pondi_list_push_back(&known, &pool->metrics_link);
    pondi_process_lock_give(&known_lock);
}

void pondi_metrics_forget(pond_pool *pool)
{
    pond_metrics *last = metrics_new();
    if (last)
        add_pool(last, pool);
    lock_known();
    pondi_list_remove(&pool->metrics_link);
    if (!gone)
        gone = metrics_new();
    if (gone && last) {
        merge(gone, last, 1);
        gone->failed = 0; /* what did not fit into memory is lost */
    }
    pondi_process_lock_give(&known_lock);
    pond_metrics_free(last);
}

static void add_all(pond_metrics *to)
{
    lock_known();
    for (pondi_list *node = known.next; node != &known; node = node->next) {
        pond_metrics *one = metrics_new();
        if (one)
            add_pool(one, PONDI_CONTAINER(node, pond_pool, metrics_link));
        if (one && !one->failed)
            merge(to, one, 0);
        else
            to->failed = 1;
        pond_metrics_free(one);
    }
    if (gone)
        merge(to, gone, 0);
    pondi_process_lock_give(&known_lock);
}

/* ---- Public ------------------------------------------------------------------------------ */

int pond_metrics_take(pond_pool *pool, pond_metrics **out, pond_error **err)
{
    if (PONDI_GIVEN(err, out))
        return POND_EINVAL;
    *out = NULL;
    int code = pool ? pondi_pool_check_process(pool, err) : POND_OK;
    if (code)
        return code;
    pond_metrics *metrics = metrics_new();
    if (!metrics)
        return pondi_error_nomem(err);
    if (pool)
        add_pool(metrics, pool);
    else
        add_all(metrics);
    if (metrics->failed) {
        pond_metrics_free(metrics);
        return pondi_error_nomem(err);
    }
    *out = metrics;
    return POND_OK;
}

size_t pond_metrics_count(const pond_metrics *metrics)
{
    return metrics ? metrics->count : 0;
}

static void read_durations(const pondi_histogram_copy *from, pond_metric *out)
{
    static const double ns = 1e-9;
    out->count = from->count;
    out->sum = (double)from->sum_ns * ns;
    out->max = (double)from->max_ns * ns;
    out->p50 = (double)pondi_histogram_quantile(from, 0.50) * ns;
    out->p95 = (double)pondi_histogram_quantile(from, 0.95) * ns;
    out->p99 = (double)pondi_histogram_quantile(from, 0.99) * ns;
}

int pond_metrics_read(const pond_metrics *metrics, size_t index, pond_metric *out, pond_error **err)
{
    if (PONDI_GIVEN(err, metrics, out) || pondi_check_struct_size(out, "pond_metric", err))
        return POND_EINVAL;
    if (index >= metrics->count)
        return pondi_error_set(err, POND_EINVAL,
                               "there are %zu metrics, numbered from 0: number %zu does not exist",
                               metrics->count, index);
    const pondi_metric_entry *entry = &metrics->entries[index];
    pond_metric metric = {.kind = (uint32_t)entry->kind,
                          .name = entry->name,
                          .label = entry->label,
                          .value = entry->value,
                          .number = entry->number};
    if (entry->durations)
        read_durations(entry->durations, &metric);
    pondi_give_struct(out, &metric, sizeof(metric));
    return POND_OK;
}

uint64_t pond_metrics_below(const pond_metrics *metrics, size_t index, double seconds)
{
    if (!metrics || index >= metrics->count || !metrics->entries[index].durations || !(seconds > 0))
        return 0;
    double ns = seconds * 1e9;
    return pondi_histogram_count_below(metrics->entries[index].durations,
                                       ns < 1e18 ? (uint64_t)(ns + 0.5) : UINT64_MAX);
}

/* The metrics of all pools and breakers in Prometheus' text format. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/given.h"
#include "millpond/millpond.h"
#include "pool/metrics.h"
#include "prometheus.h"

/* ---- Families ---------------------------------------------------------------------------- */

/* One metric of pond_metric's names, as Prometheus knows it: after HikariCP's names for pools and
 * OpenTelemetry's for statements. */
typedef struct family {
    const char *name; /* of pond_metric; NULL for a number of the scaling signal */
    const char *exported;
    const char *type;
    const char *help;
} family;

static const family families[] = {
    {"size", "millpond_connections", "gauge", "Open connections."},
    {"active", "millpond_connections_active", "gauge", "Leased connections."},
    {"idle", "millpond_connections_idle", "gauge", "Idle connections, ready to be leased."},
    {"waiting", "millpond_connections_pending", "gauge", "Acquires waiting for a connection."},
    {"max_size", "millpond_connections_max", "gauge", "Maximum number of open connections."},
    {"sync_max_size", "millpond_connections_sync_max", "gauge",
     "Maximum number of connections for blocking threads, in addition to those of event loops."},
    {"sync_in_use", "millpond_connections_sync_active", "gauge",
     "Connections leased by blocking threads."},
    {"opening", "millpond_connections_opening", "gauge", "Connections being opened."},
    {"min_size", "millpond_connections_min", "gauge", "Minimum number of open connections."},
    {"peak_active", "millpond_connections_active_peak", "gauge",
     "Highest number of connections leased at the same time."},
    {"acquired", "millpond_connections_acquired_total", "counter", "Leases granted."},
    {"released", "millpond_connections_released_total", "counter", "Leases that ended."},
    {"timeouts", "millpond_connections_timeout_total", "counter", "Acquires that timed out."},
    {"created", "millpond_connections_created_total", "counter", "Connections opened."},
    {"closed", "millpond_connections_closed_total", "counter", "Connections closed, by reason."},
    {"connection_errors", "millpond_connections_errors_total", "counter",
     "Failed connection attempts, and connections lost while idle."},
    {"acquire_wait", "millpond_connections_acquire_seconds", "histogram",
     "Time that acquires waited."},
    {"lease_seconds", "millpond_connections_usage_seconds_total", "counter",
     "Total time that connections were leased."},
    {"connect", "millpond_connections_creation_seconds", "histogram", "Time taken to connect."},
    {"query", "db_client_operation_duration_seconds", "histogram",
     "Time taken by statements, by the value of their operation tag."},
    {"slow_queries", "millpond_slow_queries_total", "counter",
     "Statements that took slow_query_threshold or longer."},
    {"retries", "millpond_retries_total", "counter",
     "Statements sent again because the first attempt never reached the server."},
    {"bytes_sent", "millpond_sent_bytes_total", "counter",
     "Bytes of parameters: the length of each text, and 8 for each value."},
    {"bytes_received", "millpond_received_bytes_total", "counter",
     "Bytes of results: the length of each text, and 8 for each value."},
    {"errors", "millpond_errors_total", "counter",
     "Failed acquires and statements, by error code."},
    {"statement_hits", "millpond_statement_cache_hits_total", "counter",
     "Statements found in a connection's cache."},
    {"statement_misses", "millpond_statement_cache_misses_total", "counter",
     "Statements that were not in a connection's cache."},
    {"statement_evictions", "millpond_statement_cache_evictions_total", "counter",
     "Statements evicted from a connection's cache to make room for others."},
    {"breaker_state", "millpond_circuit_breaker_state", "gauge", "0 closed, 1 open, 2 half-open."},
    {"breaker_opened", "millpond_circuit_breaker_opened_total", "counter",
     "Number of times that a circuit breaker opened."},
    {"breaker_refused", "millpond_circuit_breaker_refused_total", "counter",
     "Calls that a circuit breaker refused."},
    {"timeout_rate", "millpond_timeout_ratio", "gauge",
     "Fraction of the acquires in the window that timed out."},
    {"utilization", "millpond_utilization_ratio", "gauge",
     "Average number of connections leased in the window, as a fraction of the maximum."},
    {"level", "millpond_scaling_level", "gauge",
     "0 normal, 1 review slow queries, 2 scale vertically, 3 scale horizontally."},
    {"saturation", "millpond_saturation", "gauge",
     "0 none, 1 slow queries, 2 many queries, 3 connections held idle."},
};

enum { FAMILIES = sizeof(families) / sizeof(families[0]) };

/* ---- Text -------------------------------------------------------------------------------- */

/* Bytes of the UTF-8 character that begins here; 0 if none does. */
static size_t character_size(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    size_t size = c[0] < 0x80 ? 1 : c[0] < 0xC2 ? 0 : c[0] < 0xE0 ? 2 : c[0] < 0xF0 ? 3 : 4;
    if (c[0] > 0xF4 || (c[0] == 0xE0 && c[1] < 0xA0) || (c[0] == 0xED && c[1] > 0x9F) ||
        (c[0] == 0xF0 && c[1] < 0x90) || (c[0] == 0xF4 && c[1] > 0x8F))
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((c[i] & 0xC0) != 0x80)
            return 0;
    }
    return size;
}

void pondi_export_label(pondi_buffer *out, const char *label, const char *value)
{
    int first = out->size && out->data[out->size - 1] == '{';
    pondi_buffer_appendf(out, "%s%s=\"", first ? "" : ",", label);
    while (*value) {
        size_t size = character_size(value);
        if (*value == '\n')
            pondi_buffer_append_text(out, "\\n");
        else if (*value == '"' || *value == '\\')
            pondi_buffer_appendf(out, "\\%c", *value);
        else if (size)
            pondi_buffer_append(out, value, size);
        else
            pondi_buffer_append_text(out, "\xEF\xBF\xBD");
        value += size ? size : 1;
    }
    pondi_buffer_append_char(out, '"');
}

void pondi_export_number(pondi_buffer *out, double number)
{
    char text[64];
    int whole = number >= 0 && number < 9e15 && number == (double)(uint64_t)number;
    snprintf(text, sizeof(text), whole ? "%.0f" : "%.9g", number);
    for (char *at = text; *at; at++) {
        if (*at == ',')
            *at = '.';
    }
    pondi_buffer_append_text(out, text);
}

void pondi_export_source_labels(pondi_buffer *out, const pondi_export_source *from)
{
    char hash[48] = "";
    pondi_buffer_append_char(out, '{');
    if (!from->pool)
        return;
    snprintf(hash, sizeof(hash), from->pool->twin ? "%s-%u" : "%s", pond_pool_hash(from->pool),
             from->pool->twin + 1);
    pondi_export_label(out, "pool", pondi_pool_alias(from->pool));
    const pondi_driver *driver = from->pool->driver;
    pondi_export_label(out, "db_system_name", driver->system ? driver->system : driver->name);
    pondi_export_label(out, "hash", hash);
}

void pondi_export_family(pondi_buffer *out, const char *name, const char *type, const char *help)
{
    pondi_buffer_appendf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* ---- Samples ----------------------------------------------------------------------------- */

static void append_begin(pondi_buffer *out, const family *of, const char *suffix,
                         const pondi_export_source *from, const pond_metric *metric)
{
    pondi_buffer_append_text(out, of->exported);
    pondi_buffer_append_text(out, suffix);
    pondi_export_source_labels(out, from);
    if (*metric->label)
        pondi_export_label(
            out, strcmp(metric->label, "operation") == 0 ? "db_operation_name" : metric->label,
            metric->value);
}

static void append_sample(pondi_buffer *out, const family *of, const char *suffix,
                          const pondi_export_source *from, const pond_metric *metric, double number)
{
    append_begin(out, of, suffix, from, metric);
    pondi_buffer_append_text(out, "} ");
    pondi_export_number(out, number);
    pondi_buffer_append_char(out, '\n');
}

/* Bounds are ends of buckets, so that the counts are exact: 0.13 ms, doubled up to 69 s. */
enum { FIRST_BOUND_NS = 131072, BOUNDS = 20 };

static void append_buckets(pondi_buffer *out, const family *of, const pondi_export_source *from,
                           size_t index, const pond_metric *metric)
{
    double bound = FIRST_BOUND_NS * 1e-9;
    for (int i = 0; i <= BOUNDS; i++, bound *= 2) {
        append_begin(out, of, "_bucket", from, metric);
        pondi_buffer_append_text(out, ",le=\"");
        if (i < BOUNDS)
            pondi_export_number(out, bound);
        else
            pondi_buffer_append_text(out, "+Inf");
        pondi_buffer_append_text(out, "\"} ");
        pondi_export_number(out, i < BOUNDS
                                     ? (double)pond_metrics_below(from->metrics, index, bound)
                                     : (double)metric->count);
        pondi_buffer_append_char(out, '\n');
    }
    append_sample(out, of, "_sum", from, metric, metric->sum);
    append_sample(out, of, "_count", from, metric, (double)metric->count);
}

static void append_metrics(pondi_buffer *out, const family *of, const pondi_export_source *from)
{
    size_t count = from->metrics ? pond_metrics_count(from->metrics) : 0;
    for (size_t i = 0; i < count; i++) {
        pond_metric metric = {.struct_size = sizeof(metric)};
        pond_metrics_read(from->metrics, i, &metric, NULL);
        if (strcmp(metric.name, of->name) != 0)
            continue;
        if (metric.kind == POND_METRIC_HISTOGRAM)
            append_buckets(out, of, from, i, &metric);
        else
            append_sample(out, of, "", from, &metric, metric.number);
    }
}

static void append_signal(pondi_buffer *out, const family *of, const pondi_export_source *from)
{
    const pond_scaling_signal *signal = &from->signal;
    const pond_metric none = {.label = "", .value = ""};
    const struct {
        const char *name;
        double number;
    } numbers[] = {{"timeout_rate", signal->timeout_rate},
                   {"utilization", signal->utilization},
                   {"level", signal->level},
                   {"saturation", signal->saturation}};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(of->name, numbers[i].name) == 0)
            append_sample(out, of, "", from, &none, numbers[i].number);
    }
}

/* ---- The process's breakers -------------------------------------------------------------- */

static void append_breaker(pondi_buffer *out, const family *of, pond_breaker *breaker)
{
    const pondi_export_source process = {0};
    const pond_metric named = {.label = "breaker", .value = pond_breaker_name(breaker)};
    pond_breaker_status status = {.struct_size = sizeof(status)};
    pond_breaker_get_status(breaker, &status, NULL);
    if (strcmp(of->name, "breaker_state") == 0)
        append_sample(out, of, "", &process, &named, status.state);
    else if (strcmp(of->name, "breaker_opened") == 0)
        append_sample(out, of, "", &process, &named, (double)status.opened);
    else
        append_sample(out, of, "", &process, &named, (double)status.refused);
}

static void append_breakers(pondi_buffer *out, const family *of)
{
    size_t room = pond_breaker_list(NULL, 0);
    pond_breaker **breakers = pondi_calloc(room, sizeof(pond_breaker *));
    size_t count = breakers ? pond_breaker_list(breakers, room) : 0;
    out->failed |= !breakers;
    for (size_t i = 0; i < count && i < room; i++) {
        append_breaker(out, of, breakers[i]);
        pond_breaker_release(breakers[i]);
    }
    pondi_free(breakers);
}

/* ---- All --------------------------------------------------------------------------------- */

static void take_source(pondi_export_source *at, pond_pool *pool)
{
    at->pool = pool;
    at->signal.struct_size = sizeof(at->signal);
    pond_metrics_take(pool, &at->metrics, NULL);
    pond_pool_scaling(pool, &at->signal, NULL);
    pond_pool_nodes(pool, &at->nodes, NULL);
    if (pond_nodes_count(at->nodes) > 1)
        return;
    pond_nodes_free(at->nodes);
    at->nodes = NULL;
}

static pondi_export_source *take_sources(size_t *count)
{
    size_t room = pond_pool_list(NULL, 0) + 1;
    pond_pool **pools = pondi_calloc(room, sizeof(pond_pool *));
    pondi_export_source *sources = pondi_calloc(room, sizeof(*sources));
    size_t found = pools && sources ? pond_pool_list(pools, room) : 0;
    *count = found < room ? found : room; /* one that was opened meanwhile may be missing */
    for (size_t i = 0; i < *count; i++)
        take_source(&sources[i], pools[i]);
    pondi_free(pools);
    if (!pools) {
        pondi_free(sources);
        return NULL;
    }
    return sources;
}

static void append_family(pondi_buffer *out, const family *of, const pondi_export_source *sources,
                          size_t count)
{
    pondi_export_family(out, of->exported, of->type, of->help);
    for (size_t i = 0; i < count; i++) {
        append_metrics(out, of, &sources[i]);
        append_signal(out, of, &sources[i]);
    }
    if (strncmp(of->name, "breaker_", 8) == 0)
        append_breakers(out, of);
}

int pond_metrics_prometheus(char **out, size_t *size, pond_error **err)
{
    size_t count;
    pondi_buffer text;
    if (out)
        *out = NULL;
    if (size)
        *size = 0;
    if (PONDI_GIVEN(err, out, size))
        return POND_EINVAL;
    pondi_export_source *sources = take_sources(&count);
    if (!sources)
        return pondi_error_nomem(err);
    pondi_buffer_init(&text);
    for (size_t i = 0; i < FAMILIES; i++)
        append_family(&text, &families[i], sources, count);
    pondi_export_nodes(&text, sources, count);
    for (size_t i = 0; i < count; i++) {
        text.failed |= !sources[i].metrics;
        pond_metrics_free(sources[i].metrics);
        pond_nodes_free(sources[i].nodes);
        pond_pool_release(sources[i].pool);
    }
    pondi_free(sources);
    *size = text.size;
    *out = pondi_buffer_take(&text);
    if (*out)
        return POND_OK;
    *size = 0;
    return pondi_error_nomem(err);
}

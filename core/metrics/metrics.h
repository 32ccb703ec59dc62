/* What one pool counts and times. Two kinds of field: those that change under the pool's lock, with
 * plain additions; and those of running statements, which several loops record at once, atomically.
 * With `on` 0 nothing here is touched. */
#ifndef PONDI_METRICS_METRICS_H
#define PONDI_METRICS_METRICS_H

#include "metrics/histogram.h"
#include "metrics/operation.h"
#include "metrics/window.h"

enum {
    PONDI_ERROR_CODES = 64, /* more than there are; the last is of codes beyond */
    PONDI_CLOSE_REASONS = 24
};

typedef struct pondi_close_reason {
    const char *text; /* static */
    uint64_t count;
} pondi_close_reason;

typedef struct pondi_metrics {
    int on;
    int64_t slow_ns; /* a statement that takes as long is slow; PONDI_NEVER for none */
    int log_parameters;
    pondi_operations operations; /* works with `on` 0, too */

    /* The pool's lock. */
    pondi_window window;
    uint64_t active;      /* leases now */
    uint64_t sync_active; /* of these, of blocking threads */
    int64_t active_ns;    /* when that changed, of the coarse clock */
    uint64_t acquired;
    uint64_t timeouts;
    uint64_t released;
    uint64_t lease_ns;
    uint64_t sync_lease_ns;
    pondi_histogram waits; /* for a connection; written under the lock, read without */
    pondi_histogram connects;
    pondi_close_reason closed[PONDI_CLOSE_REASONS];

    /* Any loop. */
    _Atomic uint64_t queries;
    _Atomic uint64_t query_ns;
    _Atomic uint64_t slow_queries;
    _Atomic uint64_t slow_query_ns;
    _Atomic uint64_t retries;
    _Atomic uint64_t bytes_sent;
    _Atomic uint64_t bytes_received;
    _Atomic uint64_t errors[PONDI_ERROR_CODES];
} pondi_metrics;

void pondi_metrics_init(pondi_metrics *metrics, int64_t window_ns, int64_t now_ns);

/* The pool's lock is held; `now_ns` is of the coarse clock, except where it is a duration. */
void pondi_metrics_acquired(pondi_metrics *metrics, int64_t now_ns, int64_t wait_ns, int sync);
void pondi_metrics_released(pondi_metrics *metrics, int64_t now_ns, int sync);
void pondi_metrics_timed_out(pondi_metrics *metrics, int64_t now_ns);
void pondi_metrics_connected(pondi_metrics *metrics, int64_t took_ns);
/* `why` is static text. */
void pondi_metrics_closed(pondi_metrics *metrics, const char *why);
/* The counts of the window, which `running_ns` and `slow_ns` of statements still under way are
 * added to. */
void pondi_metrics_load(pondi_metrics *metrics, int64_t now_ns, uint64_t running_ns,
                        uint64_t slow_ns, pondi_load *out);

/* Any thread, no lock. A statement ended; non-zero if it was slow. */
int pondi_metrics_query(pondi_metrics *metrics, pondi_operation *operation, int64_t took_ns);
void pondi_metrics_error(pondi_metrics *metrics, int code);
void pondi_metrics_retried(pondi_metrics *metrics);
void pondi_metrics_sent(pondi_metrics *metrics, uint64_t bytes);
void pondi_metrics_received(pondi_metrics *metrics, uint64_t bytes);

#endif

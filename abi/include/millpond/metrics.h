/* What pools count and time, and whether to scale. Included by millpond.h, whose conventions hold.
 */
#ifndef MILLPOND_METRICS_H
#define MILLPOND_METRICS_H

#include "millpond/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Metrics ----------------------------------------------------------------------------- */

/* Every pool counts and times what it does, unless its config says metrics=off: see
 * pond_metrics_take() for the numbers, pond_pool_scaling() for what they mean. */

/* How many acquires time out in the window. */
typedef enum pond_scaling_level {
    POND_SCALING_NORMAL = 0,  /* less than 0.1 % */
    POND_SCALING_MILD = 1,    /* 0.1 to 1 % */
    POND_SCALING_HIGH = 2,    /* to 5 % */
    POND_SCALING_CRITICAL = 3 /* more */
} pond_scaling_level;

/* What to do about it. */
typedef enum pond_scaling_action {
    POND_ACTION_NONE = 0,
    POND_ACTION_REVIEW_QUERIES = 1, /* look for slow ones */
    POND_ACTION_SCALE_UP = 2,       /* a bigger database or bigger application servers */
    POND_ACTION_SCALE_OUT = 3       /* more application servers */
} pond_scaling_action;

/* Why the connections do not suffice: at least 80 % were in use, and acquires had to wait. */
typedef enum pond_saturation {
    POND_SATURATION_NONE = 0, /* they suffice */
    POND_SATURATION_SLOW = 1, /* most of the time went to statements over slow_query_threshold */
    POND_SATURATION_MANY = 2, /* statements are fast, but many */
    POND_SATURATION_HELD = 3  /* most of the time no statement ran on the leased connections */
} pond_saturation;

/* A pool's load in the last scaling_window seconds, or since it was made if that is less. */
typedef struct pond_scaling_signal {
    uint32_t struct_size; /* set by the caller to sizeof(pond_scaling_signal) */
    uint32_t level;       /* a pond_scaling_level */
    uint32_t action;      /* a pond_scaling_action */
    uint32_t saturation;  /* a pond_saturation */
    uint32_t waiting;     /* acquires in the queue now */
    uint32_t reserved;
    uint64_t attempts;   /* acquires that ended, with a connection or by their timeout */
    uint64_t timeouts;   /* of them */
    double timeout_rate; /* timeouts / attempts */
    double window_seconds;
    double utilization; /* share of max_size that was leased, on average */
    double acquires_per_second;
    double queries_per_second;
    double mean_wait_seconds; /* for a connection */
    double mean_query_seconds;
} pond_scaling_signal;

/* Fill `out`, up to its struct_size. All is 0 with metrics=off. Errors: POND_EINVAL for a
 * struct_size of 0. Thread: any. */
POND_API int pond_pool_scaling(pond_pool *pool, pond_scaling_signal *out, pond_error **err);

/* These numbers in words: "mild contention", "review slow queries", ... Static memory. Thread: any.
 */
POND_API const char *pond_scaling_level_text(uint32_t level);
POND_API const char *pond_scaling_action_text(uint32_t action);
POND_API const char *pond_saturation_text(uint32_t saturation);

/* All numbers of one pool, or of the process, at one instant. */
typedef struct pond_metrics pond_metrics;

/* Take them; with a NULL pool those of all pools together, closed ones included. The caller frees
 * them with pond_metrics_free(). Errors: POND_ENOMEM. Thread: any. */
POND_API int pond_metrics_take(pond_pool *pool, pond_metrics **out, pond_error **err);
POND_API void pond_metrics_free(pond_metrics *metrics);

/* What a metric is. */
typedef enum pond_metric_kind {
    POND_METRIC_COUNTER = 1,  /* only grows */
    POND_METRIC_GAUGE = 2,    /* as it is now */
    POND_METRIC_HISTOGRAM = 3 /* durations */
} pond_metric_kind;

/* One of them. Names, and labels in brackets:
 *   gauges      min_size max_size size in_use idle waiting active peak_active
 *               breaker_state [breaker] (a pond_breaker_state)
 *   counters    acquired released timeouts connection_errors created destroyed lease_seconds
 *               statement_hits statement_misses statement_evictions queries slow_queries retries
 *               bytes_sent bytes_received (of parameters and results: the length of texts, and 8
 *               for each value; not what protocol and TLS add)
 *               errors [error: "ETIMEDOUT"] closed [reason] breaker_opened [breaker]
 *               breaker_refused [breaker]
 *   histograms  acquire_wait connect query [operation: the tag of that name, "" for none; 64
 *               names at most, the rest is "other"]
 * Of errors, closed and query there are only those that occurred. */
typedef struct pond_metric {
    uint32_t struct_size; /* set by the caller to sizeof(pond_metric) */
    uint32_t kind;        /* a pond_metric_kind */
    const char *name;     /* strings belong to the pond_metrics */
    const char *label;    /* "" for none */
    const char *value;    /* of the label */
    double number;        /* of a counter or gauge */
    uint64_t count;       /* of a histogram: how many durations; */
    double sum;           /* and in seconds, together, */
    double max;           /* the longest, */
    double p50;           /* and those that 50, 95 and 99 % do not exceed, to within 1/32 */
    double p95;
    double p99;
} pond_metric;

/* How many there are, and one of them, from 0. Errors: POND_EINVAL if out of range, or for a
 * struct_size of 0. Thread: any. */
POND_API size_t pond_metrics_count(const pond_metrics *metrics);
POND_API int pond_metrics_read(const pond_metrics *metrics, size_t index, pond_metric *out,
                               pond_error **err);

/* How many durations of a histogram are shorter than `seconds`, to within 1/16; 0 for what is no
 * histogram. Thread: any. */
POND_API uint64_t pond_metrics_below(const pond_metrics *metrics, size_t index, double seconds);

/* The metrics of all open pools and of the process's breakers in Prometheus' text format, version
 * 0.0.4. *out is NUL-terminated UTF-8 of *size bytes; free it with pond_string_free(). Errors:
 * POND_ENOMEM. Thread: any. */
POND_API int pond_metrics_prometheus(char **out, size_t *size, pond_error **err);

#ifdef __cplusplus
}
#endif

#endif /* MILLPOND_METRICS_H */

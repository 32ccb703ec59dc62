/* What happened in the last minute or so, from counts that only grow: their values are noted every
 * now and then, and the difference to the oldest note that is young enough is the answer. */
#ifndef PONDI_METRICS_WINDOW_H
#define PONDI_METRICS_WINDOW_H

#include <stdint.h>

#include "millpond/millpond.h"

enum { PONDI_WINDOW_NOTES = 32 };

/* Counts that only grow. */
typedef struct pondi_totals {
    uint64_t acquired;
    uint64_t timeouts;
    uint64_t released;
    uint64_t wait_ns;       /* of those acquired */
    uint64_t lease_ns;      /* connections in use, integrated over time */
    uint64_t sync_lease_ns; /* of these, by blocking threads */
    uint64_t queries;
    uint64_t query_ns;
    uint64_t slow_ns; /* of queries over the threshold */
} pondi_totals;

typedef struct pondi_window {
    int64_t length_ns;
    int64_t step_ns; /* between two notes, and how exact the window is */
    int64_t next_ns; /* when the next is due */
    uint32_t count;  /* notes so far, up to PONDI_WINDOW_NOTES */
    uint32_t next;   /* place of the next */
    struct {
        int64_t at_ns;
        pondi_totals totals;
    } notes[PONDI_WINDOW_NOTES];
} pondi_window;

void pondi_window_init(pondi_window *window, int64_t length_ns, int64_t now_ns);

/* To be asked before a count changes. */
static inline int pondi_window_is_due(const pondi_window *window, int64_t now_ns)
{
    return now_ns >= window->next_ns;
}

/* Note the counts as they were until now. */
void pondi_window_note(pondi_window *window, int64_t now_ns, const pondi_totals *totals);

/* What was added in the window that ends now, and its length, which is shorter at the beginning. */
int64_t pondi_window_difference(const pondi_window *window, int64_t now_ns,
                                const pondi_totals *totals, pondi_totals *out);

/* What a pool is like now, beside what happened in the window. */
typedef struct pondi_load {
    uint32_t max_size;
    uint32_t sync_max_size;
    uint32_t waiting;
    int64_t window_ns;
    pondi_totals totals;
} pondi_load;

/* Say what it means. */
void pondi_scaling_judge(const pondi_load *load, pond_scaling_signal *out);

#endif

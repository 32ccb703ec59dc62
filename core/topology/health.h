/* How calls on a node went: when it is failing, and how slowly it comes back; and how long calls on
 * it take. No lock and no clock: the owner says who may touch it, and what time it is.
 */
#ifndef PONDI_TOPOLOGY_HEALTH_H
#define PONDI_TOPOLOGY_HEALTH_H

#include <stdint.h>

typedef struct pondi_health_settings {
    uint32_t failures;     /* in a row, that make a node failing */
    int64_t eject_ns;      /* how long for the first time; doubled each time after */
    int64_t max_eject_ns;  /* but no longer */
    int64_t slow_start_ns; /* how long it takes a node to come back to its full share */
} pondi_health_settings;

/* 5 in a row; 5 s up to a minute; 10 s of slow start. */
#define PONDI_HEALTH_SETTINGS_INIT              \
    {                                           \
        5, 5000000000, 60000000000, 10000000000 \
    }

/* All zero: a node of which nothing bad is known, with its full share. */
typedef struct pondi_health {
    uint32_t failures;  /* in a row */
    uint32_t ejections; /* in a row, without a full share between them */
    int64_t failing_until_ns;
    int64_t back_ns; /* when it came back, or will; 0 if it never was away */
} pondi_health;

/* A call on the node succeeded. */
void pondi_health_succeeded(pondi_health *health);
/* One failed for a reason that is the node's: it could not be reached, the connection broke, it
 * refused all statements. Returns 1 if the node is failing from now on, and was not before. */
int pondi_health_failed(pondi_health *health, const pondi_health_settings *settings,
                        int64_t now_ns);
/* It was away for another reason, is dead no more, lags no more: it begins with a small share. */
void pondi_health_came_back(pondi_health *health, int64_t now_ns);

int pondi_health_failing(const pondi_health *health, int64_t now_ns);
/* From PONDI_SHARE_FULL / 16 when it came back, up to PONDI_SHARE_FULL after the slow start. */
uint32_t pondi_health_share(const pondi_health *health, const pondi_health_settings *settings,
                            int64_t now_ns);

/* The smoothed time that calls on a node take. All zero: none was measured yet. */
typedef struct pondi_latency {
    int64_t mean_ns;
    int64_t noted_ns;
} pondi_latency;

/* A call took `took_ns`. It moves the mean, as it is by now, by an eighth of the difference. */
void pondi_latency_note(pondi_latency *latency, int64_t took_ns, int64_t now_ns);
/* The mean, which halves with each 10 s without a call: a node that was slow once is tried again.
 */
int64_t pondi_latency_read(const pondi_latency *latency, int64_t now_ns);

#endif

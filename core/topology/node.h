/* A node as decisions see it: what it reported, and how calls on it went. No lock and no clock.
 *
 * Whoever decides fills in an array of these, one for each node of the cluster; the place in it is
 * the node's number. It owns nothing.
 */
#ifndef PONDI_TOPOLOGY_NODE_H
#define PONDI_TOPOLOGY_NODE_H

#include <stdint.h>

#include "topology/position.h"

typedef enum pondi_node_role {
    PONDI_NODE_UNKNOWN = 0, /* it has not reported yet, or is of another cluster: never chosen */
    PONDI_NODE_PRIMARY,
    PONDI_NODE_REPLICA /* also a node of Galera that is not the one in use for writes */
} pondi_node_role;

/* Why a node serves no reads. */
typedef enum pondi_node_out {
    PONDI_NODE_IN = 0,
    PONDI_NODE_DEAD,      /* it cannot be reached, or has not reported for too long */
    PONDI_NODE_NOT_READY, /* it takes no statements, as a Galera node that joins */
    PONDI_NODE_ERRORS,    /* calls on it failed in a row */
    PONDI_NODE_STREAM,    /* it gets no changes from the primary */
    PONDI_NODE_LAG,       /* its data is too old, or how old is not known */
    PONDI_NODE_OUTS
} pondi_node_out;

/* A word for people and metrics: "in", "dead", "not-ready", "errors", "stream", "lag". */
const char *pondi_node_out_word(pondi_node_out out);

enum { PONDI_SHARE_FULL = 1024 };

typedef struct pondi_node {
    pondi_node_role role;
    int reachable; /* its monitor has a connection to it */
    int ready;
    int streaming;
    int near;              /* it is in the caller's region */
    uint32_t weight;       /* how much it takes, compared to the others; 0: no reads */
    uint32_t share;        /* pondi_health_share(): less than PONDI_SHARE_FULL when it came back */
    int failing;           /* pondi_health_failing() */
    uint32_t in_flight;    /* leases of it */
    int64_t latency_ns;    /* pondi_latency_read(); 0 if not known */
    int64_t report_age_ns; /* since its last report was asked for; PONDI_NEVER for none */
    int64_t staleness_ns;  /* how old its data is now, at most; PONDI_NEVER if not known */
    pondi_covers covers;   /* whether it has all that the session has seen */
    pondi_node_out out;    /* set by pondi_nodes_judge() */
} pondi_node;

typedef struct pondi_node_limits {
    int64_t max_report_age_ns; /* a node whose last report is older is dead */
    int64_t max_lag_ns;        /* a replica whose data is older, or of unknown age, is ejected */
} pondi_node_limits;

/* Set `out` of all nodes. Those that cannot serve are out: dead and not ready. Of the replicas that
 * are left no more than half, rounded down, are ejected by judgement, the worst first: errors, then
 * a broken stream, then lag, the oldest data first. So one replica alone is never ejected, and
 * never do all fall silent at once and leave the primary with all reads. One that stays though it
 * lags still serves no read that asks for fresher data. The primary can only be dead or not ready.
 */
void pondi_nodes_judge(pondi_node *nodes, uint32_t count, const pondi_node_limits *limits);

#endif

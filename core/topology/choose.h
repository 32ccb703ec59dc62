/* Where a read goes: a pure function of what is known of the nodes and what the read asks for. */
#ifndef PONDI_TOPOLOGY_CHOOSE_H
#define PONDI_TOPOLOGY_CHOOSE_H

#include "topology/node.h"

/* How fresh a read wants its data. */
typedef enum pondi_freshness {
    PONDI_FRESH_STRONG = 0, /* the primary's */
    PONDI_FRESH_SESSION,    /* all that the session has seen: `covers` of the nodes */
    PONDI_FRESH_BOUNDED,    /* not older than max_staleness_ns */
    PONDI_FRESH_EVENTUAL    /* any */
} pondi_freshness;

enum {
    PONDI_PENDING_NOWHERE = -1,
    PONDI_PENDING_PRIMARY = -2 /* also at a node that is not in the list any more */
};

typedef struct pondi_wish {
    pondi_freshness freshness;
    int64_t max_staleness_ns; /* BOUNDED */
    int64_t pending;          /* SESSION: at which node something is pending, or one of the above */
    int may_wait;             /* SESSION: there is time to wait for a position */
    int with_primary;         /* the primary serves such reads beside the replicas */
    uint64_t random[2];       /* any two random numbers */
} pondi_wish;

typedef enum pondi_route {
    PONDI_ROUTE_NONE = 0, /* no node can serve it now: nobody knows a primary */
    PONDI_ROUTE_NODE,     /* `node` serves it, at once */
    PONDI_ROUTE_WAIT,     /* `node` serves it once it has the session's position */
    PONDI_ROUTE_PRIMARY   /* the primary, which `node` is */
} pondi_route;

/* Why it went there: what metrics count. */
typedef enum pondi_reason {
    PONDI_REASON_FRESH = 0,  /* NODE: the node's data is fresh enough */
    PONDI_REASON_STAYED,     /* NODE: what is pending is pending at this node */
    PONDI_REASON_BEHIND,     /* WAIT, or PRIMARY where there is no time to wait: no replica has yet
                                what the session has seen */
    PONDI_REASON_STRONG,     /* PRIMARY: it was asked for */
    PONDI_REASON_NO_REPLICA, /* PRIMARY: there is none that serves reads */
    PONDI_REASON_UNHEALTHY,  /* PRIMARY: all replicas are out */
    PONDI_REASON_STALE,      /* PRIMARY: no replica's data is young enough */
    PONDI_REASON_PENDING,    /* PRIMARY: how far the session has seen is not known yet */
    PONDI_REASON_INCOMPARABLE, /* PRIMARY: positions of another timeline, or not known */
    PONDI_REASONS
} pondi_reason;

/* A word for metrics: "fresh", "stayed", "behind", "strong", "no-replica" and so on. */
const char *pondi_reason_word(pondi_reason reason);

typedef struct pondi_choice {
    pondi_route route;
    pondi_reason reason; /* of a NONE: why no replica serves it */
    uint32_t node;       /* NODE, WAIT, PRIMARY: its number */
} pondi_choice;

/* Choose among `nodes`, which pondi_nodes_judge() has judged. Of the nodes that may serve the read
 * those in the caller's region come first. Of these, two are drawn at random, by weight and speed,
 * and the one with less to do serves: leases in flight times latency, by weight. Of two idle ones
 * the first serves, so that idle nodes are used by weight and speed as well. The primary of the
 * list is the one with that role, of several the first. Allocates nothing. */
pondi_choice pondi_choose(const pondi_node *nodes, uint32_t count, const pondi_wish *wish);

#endif

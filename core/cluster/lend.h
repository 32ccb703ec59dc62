/* Leases for what a caller wishes: reading or writing, how fresh, in which session. */
#ifndef PONDI_CLUSTER_LEND_H
#define PONDI_CLUSTER_LEND_H

#include "cluster/cluster.h"

/* pond_acquire_options, checked, with the config's defaults in place. */
typedef struct pondi_lease_wish {
    int read_only;
    pond_consistency consistency; /* never the default */
    int64_t staleness_ns;         /* of bounded consistency */
    int64_t timeout_ms;           /* as callers give it */
    pond_session *session;        /* or NULL */
    int may_wait;                 /* for a position */
} pondi_lease_wish;

/* Where a lease comes from. */
typedef struct pondi_lease_route {
    int node;      /* PONDI_NO_NODE: the primary, from the program's own pool */
    int fallback;  /* the primary, from the pool of reads that fall back */
    int waits;     /* for a position, once leased: the session's, or all that was committed */
    int read_only; /* the session must be made so */
    pondi_reason reason;
} pondi_lease_route;

/* ---- wish.c ---- */
int pondi_wish_read(pondi_cluster *cluster, const pond_acquire_options *given,
                    pondi_lease_wish *out, pond_error **err);

/* ---- route.c ---- */
/* Choose for a wish; `tried` has a bit for each node that was of no use already. `awaited` is what
 * is to be waited for, the caller's to free. Errors: POND_ENOMEM, and what keeps the cluster from
 * serving anybody. No lock. */
int pondi_route_choose(pondi_cluster *cluster, const pondi_lease_wish *wish, uint64_t tried,
                       pondi_lease_route *out, pondi_position *awaited, pond_error **err);
/* The pool of a route: a reference. */
int pondi_route_pool(pondi_cluster *cluster, const pondi_lease_route *route, pond_pool **out,
                     pond_error **err);
/* Count a lease that it came to. */
void pondi_route_count(pondi_cluster *cluster, const pondi_lease_route *route);

#endif

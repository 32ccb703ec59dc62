/* What a program opens: the servers that have one database, and the connections to them.
 *
 * The pool that the program has leads to the primary, whichever server that is. Where there are
 * several servers, each that serves reads has a pool of its own besides (a node pool), whose
 * connections are read-only from birth; a small pool more leads to the primary, for reads that fall
 * back to it. A monitor asks each server now and then what it is and how far its data is.
 *
 * Locks: a loop's, then the cluster's, then a pool's.
 */
#ifndef PONDI_CLUSTER_CLUSTER_H
#define PONDI_CLUSTER_CLUSTER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "driver/report.h"
#include "millpond/replicas.h"
#include "pool/pool.h"
#include "topology/choose.h"
#include "topology/health.h"
#include "topology/primary.h"
#include "topology/session.h"
#include "topology/staleness.h"

typedef struct pondi_cluster pondi_cluster;

enum { PONDI_MOST_NODES = 64 };

/* How a pool of the cluster comes to its connections. */
typedef struct pondi_cluster_dialer {
    pondi_dialer dialer; /* first */
    pondi_cluster *cluster;
    int node; /* PONDI_NO_NODE: whichever is the primary */
} pondi_cluster_dialer;

/* What routed reads came to, at one node. Any thread. */
typedef struct pondi_node_counts {
    atomic_uint_fast64_t reads;     /* leases for reading that it served */
    atomic_uint_fast64_t fallbacks; /* of these, by the primary because no replica could */
    atomic_uint_fast64_t waits;     /* for a position */
    atomic_uint_fast64_t missed;    /* of these, those in vain */
    atomic_uint_fast64_t ejections;
    atomic_uint_fast64_t failures; /* of questions and leases */
} pondi_node_counts;

struct pondi_probe;

/* One server. */
typedef struct pondi_cluster_node {
    pondi_cluster *cluster;
    size_t number;
    pond_config *config;      /* names it alone; frozen */
    pond_config *pool_config; /* the same, with read-only sessions */
    char address[256];
    char *region; /* or NULL */
    double weight;
    pondi_cluster_dialer dialer; /* of its pool */
    pond_pool *pool;             /* of its read-only connections; NULL before the first read */
    struct pondi_probe *probe;   /* the monitor's, NULL before it began */
    pondi_node_counts counts;
    /* as the monitor found it */
    pondi_server_report report;
    int64_t asked_ns;    /* when the report was asked for; 0: there is none */
    int64_t answered_ns; /* when it came */
    int reachable;
    int foreign;      /* its data is another cluster's */
    int64_t as_of_ns; /* its data is as of then, or fresher; see pondi_staleness_as_of() */
    pondi_latency latency;
    pondi_health health;
    pondi_node_out out; /* why it serves no reads */
    char problem[256];  /* the same in words; "" for nothing */
} pondi_cluster_node;

struct pondi_cluster {
    pondi_cluster_dialer dialer; /* first; of the pool that the program has */
    pondi_list link;             /* in the registry, which has a lock of its own */
    pond_pool *pool;             /* which holds the cluster */
    pthread_mutex_t lock;        /* guards all below but what is atomic */
    pondi_cluster_node *nodes;   /* NULL before they were found */
    size_t count;
    pondi_server_role role; /* that the config or the environment asks for */
    int asks;               /* for "any", too */
    int prefers;            /* if it can be had */
    int shuffled;
    int routes;              /* reads may go to other nodes than writes */
    atomic_size_t first;     /* the server that a connection is tried at first */
    atomic_int wants_writer; /* a standby was met */
    /* where there are several */
    int ended;                     /* no node gets a pool any more */
    pondi_cluster_dialer fallback; /* of the pool of reads that fall back */
    pond_pool *fallback_pool;
    int former;         /* the primary before, until it has said what it is now; or PONDI_NO_NODE */
    atomic_int primary; /* the node that is, as far as is known; or PONDI_NO_NODE */
    char key[33];       /* of the list of its nodes, whatever their order */
    char identity[64];  /* what sessions know the cluster by; "" until it is known */
    atomic_int multi_writer; /* all nodes take writes: any can be behind another for a while */
    int tells;               /* its nodes can say how far they are; set before `known` */
    atomic_int known;        /* the identity is, or there is none */
    pondi_staleness ring;
    int64_t max_lag_ns;
    atomic_uint_fast64_t reasons[PONDI_REASONS]; /* why reads went where they went */
    uint64_t said;                               /* a hash of what the log was last told */
    pond_error *refusal; /* why nobody is served: the nodes do not belong together; or NULL */
    int64_t topology_refresh_ns;
    int64_t replica_wait_ms;
    double fallback_share;
    int primary_reads;            /* the primary serves reads beside the replicas */
    const char *region;           /* the program's own; or NULL; the pool's config has it */
    pond_consistency consistency; /* of leases that say nothing */
    int64_t staleness_ns;
    /* the monitor */
    atomic_int_fast64_t wanted_ns; /* when a read was last routed */
    int monitored;                 /* it was begun */
    pond_loop *keeper;             /* its loop, once begun; held */
    pondi_message monitor_message;
    int message_sent;
    /* on its loop */
    uint64_t acquired; /* leases of the pool when it was last looked at */
    int64_t used_ns;   /* when it was last found in use */
    int monitoring;
    pondi_loop_client monitor;
};

/* ---- servers.c: where they are ---- */
/* Find them, once. The cluster's lock is held. */
int pondi_cluster_find_servers(pondi_cluster *cluster, pond_error **err);
void pondi_cluster_free_servers(pondi_cluster *cluster);

/* ---- dial.c: which of them a connection goes to ---- */
void pondi_cluster_init_dialer(pondi_cluster_dialer *dialer, pondi_cluster *cluster, int node);

/* ---- open.c ---- */
void pondi_cluster_unregister(pondi_cluster *cluster);
void pondi_cluster_free(pondi_cluster *cluster);
pondi_cluster *pondi_cluster_of(const pond_pool *pool);

/* ---- nodes.c: the pools of nodes ---- */
/* The pool of a node's read-only connections (PONDI_NO_NODE: of reads that fall back to the
 * primary), made on first use: a reference. Errors: POND_ECLOSED once the cluster's pool ended. */
int pondi_cluster_node_pool(pondi_cluster *cluster, int node, pond_pool **out, pond_error **err);
/* See pondi_dialer.other. */
int pondi_cluster_other_pool(pondi_cluster *cluster, size_t number, pond_pool **out);
/* The cluster's pool closes: so do those of its nodes. */
void pondi_cluster_close_nodes(pondi_cluster *cluster, int tasks);
/* It ended: they do, once their leases are back. */
void pondi_cluster_end_nodes(pondi_cluster *cluster);

/* ---- monitor.c: what the nodes are, asked on the keeper's loop ---- */
/* So long after the last routed read the nodes are still asked often. */
#define PONDI_REPORT_AGE_NS ((int64_t)900 * PONDI_NS_PER_MS) /* of who may serve reads */
#define PONDI_MONITOR_IDLE_NS ((int64_t)60000 * PONDI_NS_PER_MS)
/* Have it look from now on, where there are several nodes. No pool's lock. */
void pondi_monitor_begin(pondi_cluster *cluster);
/* The most that it waits between two questions, as things are. Any lock but a pool's. */
int64_t pondi_monitor_longest_ns(const pondi_cluster *cluster);
/* Have it ask all nodes at once. Any thread, no pool's lock. */
void pondi_monitor_nudge(pondi_cluster *cluster);
/* It ends; probes are closed. */
void pondi_monitor_end(pondi_cluster *cluster);

/* ---- judge.c: what reports mean for the cluster ---- */
/* A node said what it is, or could not be asked (NULL, with why). Takes what the report owns. No
 * pool's lock. */
void pondi_cluster_reported(pondi_cluster_node *node, pondi_server_report *report, int64_t asked_ns,
                            const pond_error *error);
/* The first node that says what the cluster's data is tells what sessions know it by. */
void pondi_cluster_identify(pondi_cluster *cluster, const pondi_server_report *report);
/* All nodes as decisions see them, judged; `position` is what a session needs, or NULL. With
 * `asked_often` one that has not reported within PONDI_REPORT_AGE_NS is dead; else it has as long
 * as the monitor takes. Locked. */
void pondi_cluster_describe(pondi_cluster *cluster, const pondi_position *position, int64_t now_ns,
                            int asked_often, pondi_node *out);
/* Why a node serves no reads, in words; "" for nothing, or if it was never heard of. Locked. */
const char *pondi_cluster_problem(const pondi_cluster_node *node, pondi_node_out out);
/* Whether something is not as it should be: a node does not answer, or there is no primary. On the
 * monitor's loop. */
int pondi_cluster_is_in_doubt(pondi_cluster *cluster);
/* A lease at a node could not be had, or could. */
void pondi_cluster_note_outcome(pondi_cluster_node *node, int code);

#endif

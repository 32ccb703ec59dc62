/* The monitor's connection to one node. All on the keeper's loop, with that loop locked. */
#ifndef PONDI_CLUSTER_PROBE_H
#define PONDI_CLUSTER_PROBE_H

#include "cluster/cluster.h"
#include "loop/timer.h"

typedef struct pondi_probe {
    pondi_cluster_node *node;
    pond_loop *loop;
    pondi_conn *conn;           /* NULL while there is none */
    pondi_timer *timer;         /* of the next report */
    pondi_server_report report; /* that is asked for */
    int64_t asked_ns;           /* 0: nothing is under way */
} pondi_probe;

/* Begin to ask one node; NULL without memory. */
pondi_probe *pondi_probe_new(pondi_cluster_node *node, pond_loop *loop);
/* Ask now, unless an answer is awaited. */
void pondi_probe_ask(pondi_probe *probe);
/* Whether an answer takes longer than usual; NULL is allowed. */
int pondi_probe_is_late(const pondi_probe *probe);
/* Close and free; NULL is allowed. */
void pondi_probe_free(pondi_probe *probe);

/* ---- monitor.c ---- */
/* How long until a node is asked again. */
int64_t pondi_monitor_interval_ns(pondi_cluster *cluster);

#endif

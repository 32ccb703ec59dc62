/* What a program opens: the servers that have one database, and the connections to them. Today that
 * is one pool, whose connections all go to one server at a time: the one that took the last
 * connection, until it fails or refuses a write. */
#ifndef PONDI_CLUSTER_CLUSTER_H
#define PONDI_CLUSTER_CLUSTER_H

#include <pthread.h>
#include <stdatomic.h>

#include "pool/pool.h"

typedef struct pondi_cluster {
    pondi_dialer dialer;   /* first */
    pondi_list link;       /* in the registry, which has a lock of its own */
    pond_pool *pool;       /* which holds the cluster */
    pthread_mutex_t lock;  /* guards all below while the servers are being found */
    pond_config **servers; /* one config for each, frozen; NULL before they were found */
    size_t count;
    pondi_server_role role; /* that the config or the environment asks for */
    int asks;               /* for "any", too */
    int prefers;            /* if it can be had */
    int shuffled;
    atomic_size_t first;     /* the server that a connection is tried at first */
    atomic_int wants_writer; /* a standby was met */
} pondi_cluster;

/* ---- servers.c: where they are ---- */
/* Find them, once. The cluster's lock is held. */
int pondi_cluster_find_servers(pondi_cluster *cluster, pond_error **err);
void pondi_cluster_free_servers(pondi_cluster *cluster);

/* ---- dial.c: which of them a connection goes to ---- */
void pondi_cluster_init_dialer(pondi_cluster *cluster);

/* ---- open.c ---- */
void pondi_cluster_unregister(pondi_cluster *cluster);
void pondi_cluster_free(pondi_cluster *cluster);

#endif

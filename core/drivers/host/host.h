/* Drivers that the program registers (millpond/driver.h), under the core's own interface.
 *
 *   driver.c    one connection, and the table that the core sees
 *   request.c   what the host is handed for each request, and how it comes back
 *   register.c  the drivers of this process
 *   result.c    results that a host makes
 *
 * A request goes to the host outside of all locks: by pondi_loop_call_outside(), on the
 * connection's worker, or in the thread of a blocking caller. It comes back as a message to its
 * loop.
 */
#ifndef PONDI_HOST_HOST_H
#define PONDI_HOST_HOST_H

#include <stdatomic.h>

#include "base/list.h"
#include "base/refcount.h"
#include "driver/driver.h"
#include "loop/worker.h"
#include "millpond/driver.h"

typedef struct pondi_host_driver {
    pondi_driver base;
    pond_driver host; /* its texts are ours */
    pondi_list link;
    char **names;                 /* base.aliases, ended by NULL */
    pondi_driver_option *options; /* base.options */
} pondi_host_driver;

/* What the host prepared for a statement that has left the cache. */
typedef struct pondi_unprepared {
    struct pondi_unprepared *next;
    void *prepared;
} pondi_unprepared;

typedef struct pondi_host_conn {
    pondi_conn base;
    const pond_driver *host;
    void *connection;      /* NULL until opened */
    pond_loop *home;       /* where it must stay, held; NULL: it has no home */
    pond_request *running; /* what the host has; NULL if nothing */
    pondi_worker *worker;  /* for callbacks that may block; NULL before the first */
    pondi_refcount refs;   /* the core's, and that of the request the host has */
    pondi_refcount uses;   /* until it is to be closed, and of callbacks that have not returned */
    pondi_unprepared *unprepared; /* freed before the next callback */
    pondi_outside closing;
    pondi_job job;   /* the same on the worker */
    int abandoned;   /* it is to be destroyed */
    int close_waits; /* for `stop` of the running request */
    int freeing;     /* callbacks may be called: no loop is locked */
} pondi_host_conn;

struct pond_request {
    pondi_refcount refs; /* the connection's, the host's, and those of calls under way */
    pondi_host_conn *conn;
    pondi_request *request; /* a reference */
    pond_loop *loop;        /* held */
    int blocks;             /* a thread waits */
    pondi_outside start;
    pondi_outside stop;
    pondi_job job;
    pondi_message done;
    pondi_unprepared *unprepared; /* freed before its callback is called */
    atomic_int stopping;          /* `stop` is under way */
    atomic_int finished;          /* by the host */
    int done_waits;               /* for `stop`, which must not reach a later request */
    int inline_run;               /* its thread waits for `finished` */
    /* what the host said of it, before it finished it */
    pond_result *result;
    pond_error *error;
    void *connection;
    char *versions[2];
    void *prepared;
    int is_open; /* a transaction; -1: not said */
    int broken;
};

static inline pondi_host_conn *pondi_host_conn_of(pondi_conn *base)
{
    return (pondi_host_conn *)(void *)base;
}

/* True if its callbacks may block. */
int pondi_host_may_block(const pondi_host_conn *conn);

/* Close it; its struct is freed once the host has no request of it any more. Loop locked, or on
 * none. */
void pondi_host_close(pondi_host_conn *conn);

/* A callback has returned, or is not called after all. Whoever comes last closes the connection, if
 * that was asked for meanwhile. */
void pondi_host_callback_ended(pondi_host_conn *conn);

/* No loop is locked, and no callback of `connection`, which is NULL once it was closed, runs. */
void pondi_host_free_unprepared(const pondi_host_conn *conn, void *connection,
                                pondi_unprepared *list);

/* The host has finished the request; loop locked. */
void pondi_host_conn_drop(pondi_host_conn *conn, pond_loop *loop);

/* ---- request.c ---- */

/* Hand the current request to the host. Loop locked. */
void pondi_host_start(pondi_conn *base, pondi_request *request);
void pondi_host_run_inline(pondi_conn *base, pondi_request *request, pond_result **result,
                           pond_error **error);
void pondi_host_cancel(pondi_conn *base, pondi_request *request);

/* Whether a connection is of such a driver, and what its host calls it. */
int pondi_host_has(const pondi_conn *base);
void *pondi_host_connection(const pondi_conn *base);

/* The request that the program itself runs, once it is current; NULL before. Loop locked. */
pond_request *pondi_host_held(pondi_conn *base, const pondi_request *request);

/* What all of them have; the rest is each one's own. */
extern const pondi_driver pondi_host_template;

#endif

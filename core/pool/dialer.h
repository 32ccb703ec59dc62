/* Which server a connection is opened to, and what follows a failure. A pool asks whoever made it
 * (core/cluster), and knows nothing else of servers. */
#ifndef PONDI_POOL_DIALER_H
#define PONDI_POOL_DIALER_H

#include "base/buffer.h"
#include "driver/conn.h"
#include "millpond/replicas.h"

/* One opening: tries at one server after the other. Zeroed before the first. */
typedef struct pondi_attempt {
    size_t tries; /* that there may be; 0 before the first */
    size_t tried;
    size_t first; /* the server of the first try */
    size_t step;  /* from one to the next */
    int64_t began_ns;
    int64_t deadline_ns;
    pondi_server_role role; /* what the servers are tried for, at first */
    pondi_buffer said;      /* what went wrong with those before */
    /* the try under way */
    pond_config *config; /* names one server; the dialer's */
    size_t server;
    pondi_server_role wanted;
    int64_t timeout_ms; /* negative: no limit */
} pondi_attempt;

typedef struct pondi_dialer pondi_dialer;

/* All are called with a loop locked or none, and never with the pool's lock; any thread. */
struct pondi_dialer {
    /* Say what the next try is; `*error` is why the last one failed, which is taken over. Returns 0
     * if there is none, and then `*error` is what to tell. `timeout_ms` is for all tries. */
    int (*next)(pondi_dialer *dialer, pondi_attempt *attempt, int64_t timeout_ms,
                pond_error **error);
    /* The server took the connection. Returns 0, and why, if it is of no use. */
    int (*accept)(pondi_dialer *dialer, const pondi_conn *conn, pond_error **error);
    /* The server turned out to be a standby. */
    void (*refused_write)(pondi_dialer *dialer, const pondi_conn *conn);
    /* Something was asked on this connection for a session. */
    void (*noted)(pondi_dialer *dialer, pond_session *session, const pondi_conn *conn,
                  const pondi_use *use);
    /* The other pools of the family, from number 0 on: a reference, or NULL for one that was not
     * made yet, in *out. Returns 0 after the last. */
    int (*other)(pondi_dialer *dialer, size_t number, pond_pool **out);
    /* The pool is being closed, and its branches do these tasks (PONDI_BRANCH_*). */
    void (*closing)(pondi_dialer *dialer, int tasks);
    /* Nobody must be given this pool any more: it has ended, or closed. May be called twice. */
    void (*ended)(pondi_dialer *dialer);
    /* The pool is freed. */
    void (*free)(pondi_dialer *dialer);
    int several; /* there is more than one server; known once a connection was opened */
    /* The pool that the program opened, where this one is part of its cluster; NULL: this one. */
    pond_pool *family;
};

#endif

/* A physical connection: its queue of requests, their deadlines and cancellation. What is common to
 * all databases is here; the rest is behind the driver's functions (driver.h).
 *
 * All functions need the loop that the connection is attached to locked, unless they say otherwise.
 */
#ifndef PONDI_DRIVER_CONN_H
#define PONDI_DRIVER_CONN_H

#include "driver/report.h"
#include "driver/request.h"
#include "driver/role.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "metrics/metrics.h"

typedef struct pondi_driver pondi_driver;

/* Beside POND_CAN_*, and not for hosts. */
#define PONDI_CAN_BATCH 0x10000u /* the driver takes a batch, see pondi_request.batch */
#define PONDI_CAN_SET_LOCK_WAIT \
    0x20000u /* the session has a setting for how long it waits for a table lock, as in MySQL */

typedef enum pondi_conn_state {
    PONDI_CONN_NEW, /* not connected yet */
    PONDI_CONN_CONNECTING,
    PONDI_CONN_READY,
    PONDI_CONN_BROKEN /* lost, or in an unknown state: can only be closed */
} pondi_conn_state;

/* Whom to tell when a connection is closed for good. */
typedef struct pondi_gone {
    void (*run)(void *owner, int note); /* NULL: nobody */
    void *owner;
    int note; /* the owner's own */
} pondi_gone;

/* What a request did on a connection that somebody tracks. */
typedef struct pondi_use {
    int64_t asked_ns;               /* when it was submitted */
    int commits;                    /* it committed something, or may have done so */
    const pondi_position *position; /* where that is; NULL if that is not known */
} pondi_use;

/* First member of each driver's own connection struct. Fields under "driver" are set by the driver.
 */
typedef struct pondi_conn {
    const pondi_driver *driver;
    pond_config *config; /* holds a reference */
    void *shared;        /* what the driver keeps per pool, see pondi_driver.shared_open */
    uint64_t id;         /* unique in the process */
    pondi_conn_state state;
    pond_loop *loop;  /* NULL while attached to none */
    pondi_list queue; /* requests that wait for the current one */
    pondi_request *current;
    pondi_timer *timer;       /* deadlines, and the grace period of a stopped request */
    int64_t timer_ns;         /* when it fires, at the latest by the first deadline */
    int64_t grace_ns;         /* what is left of the grace period */
    int64_t grace_counted_ns; /* up to when it was counted */
    int cancel_failed;        /* the log says so already, of the request that is stopped */
    pondi_statement_cache statements;
    pondi_statement *streamed;  /* the statement that waits with further rows; else NULL */
    int stream_left;            /* who read it has gone: it ends before anything else begins */
    size_t batch_rows;          /* at a time */
    int64_t last_used_ns;       /* when a request last began; 0: none yet */
    pondi_metrics *metrics;     /* its pool's; NULL for none */
    _Atomic int64_t running_ns; /* when the statement that runs was submitted; else 0 */
    int touched;                /* pondi_sql_info.touches of what ran since the last reset */
    void (*on_idle)(
        void *owner);          /* if set: called once, at a safe point, when no request is left */
    void (*lost)(void *owner); /* if set: called at a safe point when the connection broke */
    /* If set: take over a request that never left this broken connection, and send it on another;
     * 0 if that is not possible. The connection may be destroyed meanwhile. */
    int (*replace)(void *owner, pondi_request *request);
    void (*refused_write)(void *owner); /* if set: called when `standby` is set */
    void *owner;
    pondi_gone gone;       /* called last of all, by any thread */
    pondi_message message; /* for those calls, and for being freed */
    int message_sent;
    int advancing;            /* the queue is being worked on further up the stack */
    pond_error *end_reason;   /* why it was lost, in the server's or library's words; or NULL */
    int lost_open;            /* it was lost with an open transaction */
    int dying;                /* code of pondi_conn_destroy() while a thread still runs inline */
    size_t server;            /* which of the config's servers it is made to */
    pondi_server_role wanted; /* the role that the server is to be in */
    /* what these requests are about; set by who submits them, and valid until they end */
    pondi_server_report *report;   /* REPORT: filled in on success */
    const pondi_position *awaited; /* WAIT_FOR */
    int wants_read_only;           /* READ_ONLY: what the session is to be */
    /* What the server must have applied before the next statement runs; the driver sets it to NULL
     * once it has. If it does not by then, the statement fails with POND_ETIMEDOUT, nothing of it
     * was sent, and this stays set. PostgreSQL alone; NULL: nothing. */
    const pondi_position *awaited_first;
    int64_t awaited_until_ns;
    /* commits, see pondi_conn_note_position() */
    int tracks; /* somebody wants to know where they are; set while no request runs */
    /* Called, if `tracks` is set, for each request that the server may have got, before it
     * completes. */
    void (*noted_by)(void *owner, const pondi_use *use);
    pondi_position noted; /* of the current request */
    int noted_nothing;    /* the current request did nothing; or it committed nothing */
    int noted_no_commit;
    int began_in_transaction; /* it did */
    int begins_read_only;     /* setting session_read_only: so the session is from the start, and
                                 after a RESET */
    int read_only;            /* the session is: transactions and statements that begin now */
    /* driver */
    int in_transaction;     /* as the server or library reports it */
    int transaction_failed; /* open, but only a rollback is possible */
    int role;               /* the server's, of pondi_server_role: two of them, or 0 if not known */
    int standby;            /* it refused a write, see pondi_conn_refused_write() */
    uint32_t features;      /* POND_CAN_* and PONDI_CAN_*, of the server too */
    char server_version[128]; /* "PostgreSQL 15.8" */
    char driver_version[64];  /* "libpq 15.8" */
} pondi_conn;

/* Open the driver's struct, attached to `loop`; connects to nothing yet. */
int pondi_conn_new(const pondi_driver *driver, pond_config *config, void *shared, pond_loop *loop,
                   pondi_conn **out, pond_error **err);

/* Queue a request, or complete it with an error at once. Takes the core's reference over. The
 * deadline counts from here. */
void pondi_conn_submit(pondi_conn *conn, pondi_request *request);

/* The same, before all that wait: for what belongs to the request that has just ended. */
void pondi_conn_submit_first(pondi_conn *conn, pondi_request *request);

/* Queue a request that was another connection's; its deadline stays. */
void pondi_conn_resubmit(pondi_conn *conn, pondi_request *request);

/* Have all that waits for this connection, which could not be made, wait for another one instead,
 * which is told to connect after that. */
void pondi_conn_hand_over(pondi_conn *conn, pondi_conn *to);

/* Whether a request can run in the calling thread now: see below. */
int pondi_conn_may_run_inline(const pondi_conn *conn);

/* Run a request in the calling thread, where the driver can and nothing else is running; the loop
 * is unlocked meanwhile. Returns 0 if it must be submitted instead. Otherwise it has completed, and
 * the connection may be gone. */
int pondi_conn_run_inline(pondi_conn *conn, pondi_request *request);

/* True while that is further up the stack of the loop's thread: its host was asked something, and
 * now wants more of the same connection. Waiting for that would never end. */
int pondi_conn_runs_inline(const pondi_conn *conn);

/* End a request of this connection early: at once if it waits, else by stopping it. A rollback, or
 * one to a savepoint, goes on instead, for as long as a server has to stop a statement. */
void pondi_conn_cancel(pondi_conn *conn, pondi_request *request);

/* The same for all requests. The connection is idle soon after, or broken. */
void pondi_conn_cancel_all(pondi_conn *conn);

/* True if a rollback runs or waits. */
int pondi_conn_rolls_back(const pondi_conn *conn);

/* True if nothing runs or waits. */
int pondi_conn_is_idle(const pondi_conn *conn);

/* End all requests with `code`, close the connection and free it at the loop's next safe point.
 * Never blocks. A detached connection is freed at once, by whoever owns it. */
void pondi_conn_destroy(pondi_conn *conn, int code, const char *why);

/* Take the connection from its loop, or give it to one. Only while idle. */
void pondi_conn_detach(pondi_conn *conn);
int pondi_conn_attach(pondi_conn *conn, pond_loop *loop, pond_error **err);

/* ---- For drivers ------------------------------------------------------------------------- */

/* Complete the current request: `result` is taken over (NULL: an empty one is made where needed),
 * `error` too (NULL for success). A driver that lost the connection calls pondi_conn_broken()
 * first. After a stop, an error that means "cancelled" becomes the stop's own code. */
void pondi_conn_finish(pondi_conn *conn, pond_result *result, pond_error *error);

/* Drop the statements (statement_free is called for those prepared) and what else the common part
 * holds. Any thread. The driver calls pondi_conn_gone() with what this returns when the connection
 * is closed and its struct freed, as the very last. */
pondi_gone pondi_conn_dispose(pondi_conn *conn);
void pondi_conn_gone(pondi_gone gone);

/* Keep the error that the server, or the client library, gave when it ended the connection: later
 * calls report it. Takes the error over. Only the first one is kept. */
void pondi_conn_keep_end_reason(pondi_conn *conn, pond_error *said);

/* The server refused a write because it is a standby, not for a reason of the session's own. */
void pondi_conn_refused_write(pondi_conn *conn);

/* The current request has committed something, which has this position; later ones replace it.
 * Takes the position over, which is NONE afterwards. Only if `tracks` is set. A driver that cannot
 * tell says nothing: the position is then taken for unknown. */
void pondi_conn_note_position(pondi_conn *conn, pondi_position *position);

/* The current request did nothing on the server; or it did, and committed nothing. Only if `tracks`
 * is set. */
void pondi_conn_note_nothing(pondi_conn *conn);
void pondi_conn_note_no_commit(pondi_conn *conn);

/* Whether a request that was, or is, sent may commit something: in doubt, yes. Before it is sent,
 * a statement inside of a transaction that ends it without saying so is not known. */
int pondi_conn_may_commit(const pondi_conn *conn, const pondi_request *request);

/* The connection cannot be used any more. The driver still finishes the current request itself; the
 * waiting ones fail after it. Also for a connection that dies while idle. */
void pondi_conn_broken(pondi_conn *conn);

#endif

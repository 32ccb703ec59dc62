#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "drivers/sqlite/sqlite.h"

static const char *const aliases[] = {"sqlite3", NULL};

static const pondi_driver_option options[] = {
    {"busy_timeout", pondi_check_seconds},
    {"read_only", pondi_check_flag},
    {"uri", pondi_check_flag},
    {"attach", pondi_check_flag},
    {"trusted_schema", pondi_check_flag},
    {NULL, NULL},
};

static pondi_sqlite_conn *conn_of(pondi_conn *base)
{
    return (pondi_sqlite_conn *)(void *)base;
}

static void on_done(pondi_message *message);
static void run_job(pondi_job *job);

static void init_turn(pondi_sqlite_turn *turn)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&turn->ready, &attributes);
    pthread_condattr_destroy(&attributes);
    pondi_list_init(&turn->link);
}

static int open_conn(pond_config *config, void *shared, pondi_conn **out, pond_error **err)
{
    (void)config;
    pondi_sqlite_conn *conn = pondi_calloc(1, sizeof(*conn));
    if (!conn)
        return pondi_error_nomem(err);
    conn->base.features = POND_CAN_RETURN | PONDI_CAN_BATCH;
    conn->shared = shared;
    pondi_refcount_take(&conn->shared->refs);
    conn->job.run = run_job;
    conn->message.run = on_done;
    conn->deadline_ns = PONDI_NEVER;
    init_turn(&conn->turn);
    *out = &conn->base;
    return POND_OK;
}

/* On whichever thread had the connection last. */
static void free_conn(pondi_sqlite_conn *conn)
{
    pondi_gone gone = pondi_conn_dispose(&conn->base);
    if (conn->db && !sqlite3_get_autocommit(conn->db))
        sqlite3_exec(conn->db, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close_v2(conn->db);
    pondi_sqlite_writers_leave(conn);
    pthread_cond_destroy(&conn->turn.ready);
    pondi_sqlite_shared_close(conn->shared);
    pondi_free(conn);
    pondi_conn_gone(gone);
}

/* ---- Asynchronous: on the worker --------------------------------------------------------- */

static void run_job(pondi_job *job)
{
    pondi_sqlite_conn *conn = PONDI_CONTAINER(job, pondi_sqlite_conn, job);
    pondi_sqlite_perform(conn, conn->job_request, &conn->result, &conn->error);
    pondi_loop_post(conn->job_loop, &conn->message);
}

/* Closing may write back the log: not on the loop. */
static void run_free(pondi_job *job)
{
    pondi_sqlite_conn *conn = PONDI_CONTAINER(job, pondi_sqlite_conn, job);
    pondi_worker *worker = conn->worker;
    free_conn(conn);
    pondi_worker_finish(worker);
}

static void close_conn(pondi_sqlite_conn *conn)
{
    if (!conn->worker) {
        free_conn(conn);
        return;
    }
    conn->job.run = run_free;
    pondi_worker_submit(conn->worker, &conn->job);
}

static void on_done(pondi_message *message)
{
    pondi_sqlite_conn *conn = PONDI_CONTAINER(message, pondi_sqlite_conn, message);
    pond_result *result = conn->result;
    pond_error *error = conn->error;
    pondi_request *request = conn->job_request;
    pond_loop *loop = conn->job_loop;
    conn->result = NULL;
    conn->error = NULL;
    conn->job_request = NULL;
    if (conn->abandoned) {
        pond_result_release(result);
        pond_error_free(error);
        close_conn(conn);
    } else {
        conn->base.in_transaction = conn->open;
        pondi_conn_finish(&conn->base, result, error);
    }
    pond_op_release(&request->op);
    pondi_loop_unhold(loop);
}

static void start(pondi_conn *base, pondi_request *request)
{
    pondi_sqlite_conn *conn = conn_of(base);
    pond_error *error = NULL;
    pond_result *result = NULL;
    conn->deadline_ns = PONDI_NEVER;                   /* the loop's timer calls cancel() */
    if (request->call->kind == PONDI_REQUEST_REPORT) { /* whose asker may go before a thread */
        pondi_server_report_init(base->report, base);
        pondi_conn_finish(base, NULL, NULL);
        return;
    }
    if (pondi_sqlite_perform_quickly(conn, request, &result, &error)) {
        pondi_conn_finish(base, result, error);
        return;
    }
    if (!conn->worker && pondi_worker_new(&conn->worker, &error)) {
        pondi_conn_finish(base, NULL, error);
        return;
    }
    pond_op_retain(&request->op);
    conn->job_request = request;
    conn->job_loop = base->loop;
    pondi_loop_hold(base->loop);
    pondi_worker_submit(conn->worker, &conn->job);
}

/* Called with the loop locked, while the worker or an inline caller is at work. */
static void cancel(pondi_conn *base, pondi_request *request)
{
    pondi_sqlite_conn *conn = conn_of(base);
    /* the progress, busy and lock waits look at it */
    atomic_store(&conn->stop, pondi_sqlite_token(request));
    /* and the few single steps that take long, such as count(*), at SQLite's own flag, which is
     * cleared as the next statement starts; while connecting `db` is still the other thread's */
    if (request->call->kind != PONDI_REQUEST_CONNECT)
        sqlite3_interrupt(conn->db);
    pondi_sqlite_writers_wake(conn);
}

/* ---- Blocking: in the caller's thread ---------------------------------------------------- */

static void run_inline(pondi_conn *base, pondi_request *request, pond_result **result,
                       pond_error **error)
{
    pondi_sqlite_conn *conn = conn_of(base);
    conn->deadline_ns = request->deadline_ns;
    pondi_sqlite_perform(conn, request, result, error);
    conn->deadline_ns = PONDI_NEVER;
    base->in_transaction = conn->open;
}

/* ---- The rest ---------------------------------------------------------------------------- */

static void detach(pondi_conn *base)
{
    (void)base;
}

static int attach(pondi_conn *base, pond_error **err)
{
    (void)base;
    (void)err;
    return POND_OK;
}

static void statement_free(pondi_conn *base, void *prepared)
{
    (void)base;
    pondi_sqlite_statement_free(prepared);
}

static void destroy(pondi_conn *base)
{
    pondi_sqlite_conn *conn = conn_of(base);
    if (!conn->job_request) {
        close_conn(conn);
        return;
    }
    conn->abandoned = 1; /* the worker is at work: its message does the rest */
    cancel(base, conn->job_request);
}

const pondi_driver pondi_sqlite_driver = {
    .name = "sqlite",
    .aliases = aliases,
    .is_file = 1,
    .dialect = POND_DIALECT_SQLITE,
    .takes_runs = 1,
    .options = options,
    .check_config = pondi_sqlite_check_config,
    .shared_open = pondi_sqlite_shared_open,
    .shared_close = pondi_sqlite_shared_close,
    .open = open_conn,
    .start = start,
    .cancel = cancel,
    .run_inline = run_inline,
    .detach = detach,
    .attach = attach,
    .statement_free = statement_free,
    .destroy = destroy,
};

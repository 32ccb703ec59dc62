/* What the host is handed for each request, and how it comes back. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/process.h"
#include "driver/row_set.h"
#include "drivers/host/host.h"
#include "loop/keeper.h"

/* Of threads that wait for a request which the host finishes from another thread. */
static pondi_process_lock waiting = PONDI_PROCESS_LOCK;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;

static void on_done(pondi_message *message);
static void run_start(pondi_outside *call);
static void run_stop(pondi_outside *call);
static void run_job(pondi_job *job);

/* A forked child has none of those threads. */
static void lock_waiting(void)
{
    if (pondi_process_lock_take(&waiting))
        pthread_cond_init(&ended, NULL);
}

/* ---- Create and destroy ------------------------------------------------------------------ */

static pond_request *request_new(pondi_conn *base, pondi_request *request, pond_error **err)
{
    pondi_host_conn *conn = pondi_host_conn_of(base);
    pond_request *made = pondi_calloc(1, sizeof(*made));
    if (!made) {
        pondi_error_nomem(err);
        return NULL;
    }
    pondi_refcount_init(&made->refs);
    pondi_refcount_take(&made->refs); /* the call's that hands it over */
    pondi_refcount_take(&conn->refs);
    pondi_refcount_take(&conn->uses);
    made->unprepared = conn->unprepared;
    conn->unprepared = NULL;
    pond_op_retain(&request->op);
    pondi_loop_hold(base->loop);
    made->conn = conn;
    made->request = request;
    made->loop = base->loop;
    made->blocks = pondi_loop_is_private(base->loop);
    made->start.run = run_start;
    made->stop.run = run_stop;
    made->job.run = run_job;
    made->done.run = on_done;
    made->is_open = -1;
    made->prepared = request->statement ? request->statement->prepared : NULL;
    return made;
}

static void request_unref(pond_request *request)
{
    if (!pondi_refcount_drop(&request->refs))
        return;
    pondi_free(request->versions[0]);
    pondi_free(request->versions[1]);
    pond_op_release(&request->request->op);
    pondi_loop_unhold(request->loop);
    pondi_free(request);
}

/* ---- To the host ------------------------------------------------------------------------- */

static void refuse(pond_request *request, const char *what)
{
    const char *name = pond_config_driver(request->conn->base.config);
    pond_request_finish(request, NULL,
                        pondi_error_new(POND_ENOTSUPPORTED, "the driver \"%s\" %s", name, what));
}

static void call_or(pond_request *request,
                    void (*function)(void *connection, pond_request *request), const char *refusal)
{
    if (function)
        function(request->conn->connection, request);
    else if (refusal)
        refuse(request, refusal);
    else
        pond_request_finish(request, NULL, NULL);
}

/* Ask the host; what the program itself runs is not asked. */
static void ask(pond_request *request)
{
    const pond_driver *host = request->conn->host;
    if (request->request->call->flags & PONDI_CALL_HELD)
        return;
    switch (request->request->call->kind) {
    case PONDI_REQUEST_CONNECT:
        if (request->conn->base.begins_read_only)
            refuse(request, "cannot make a session read-only");
        else
            host->open(request);
        break;
    case PONDI_REQUEST_EXECUTE:
        call_or(request, host->execute, "executes no statements");
        break;
    case PONDI_REQUEST_EXECUTE_MANY:
        call_or(request, host->execute_many, "has no execute_many");
        break;
    case PONDI_REQUEST_STREAM:
        call_or(request, host->stream, "has no streams");
        break;
    case PONDI_REQUEST_FETCH:
        call_or(request, host->fetch, "has no streams");
        break;
    case PONDI_REQUEST_END_STREAM:
        call_or(request, host->end_stream, NULL);
        break;
    case PONDI_REQUEST_TRANSACTION:
        call_or(request, host->transaction, "has no transactions");
        break;
    case PONDI_REQUEST_PING:
        call_or(request, host->ping, NULL);
        break;
    case PONDI_REQUEST_RESET:
        call_or(request, host->reset, NULL);
        break;
    case PONDI_REQUEST_REPORT:
        pondi_server_report_init(request->conn->base.report, &request->conn->base);
        pond_request_finish(request, NULL, NULL);
        break;
    case PONDI_REQUEST_WAIT_FOR:
        refuse(request, "has no positions");
        break;
    case PONDI_REQUEST_READ_ONLY:
        refuse(request, "cannot make a session read-only");
        break;
    }
}

/* No loop is locked. The request may be gone after this. */
static void call(pond_request *request)
{
    pondi_host_conn *conn = request->conn;
    pondi_host_free_unprepared(conn, conn->connection, request->unprepared);
    request->unprepared = NULL;
    ask(request);
    request_unref(request);
    pondi_host_callback_ended(conn);
}

/* In a thread that blocks: the keeper looks at the deadlines meanwhile. */
static void run_start(pondi_outside *outside)
{
    pond_request *request = PONDI_CONTAINER(outside, pond_request, start);
    if (request->blocks && pondi_loop_lock(request->loop)) {
        pondi_loop_attend(request->loop);
        pondi_loop_leave(request->loop);
    }
    call(request);
}

static void run_job(pondi_job *job)
{
    call(PONDI_CONTAINER(job, pond_request, job));
}

static void hand_over(pond_request *request, pond_error **err)
{
    pondi_host_conn *conn = request->conn;
    int held = request->request->call->flags & PONDI_CALL_HELD;
    if (held && !request->unprepared) {
        request_unref(request); /* nobody is called */
        pondi_host_callback_ended(conn);
        return;
    }
    if (held || !pondi_host_may_block(conn) || request->blocks) {
        pondi_loop_call_outside(request->loop, &request->start);
        return;
    }
    if (conn->worker || !pondi_worker_new(&conn->worker, err))
        pondi_worker_submit(conn->worker, &request->job);
}

void pondi_host_start(pondi_conn *base, pondi_request *request)
{
    pond_error *error = NULL;
    pondi_host_conn *conn = pondi_host_conn_of(base);
    pond_request *made = request_new(base, request, &error);
    conn->running = made;
    if (made)
        hand_over(made, &error);
    if (!error)
        return;
    conn->running = NULL;
    if (made) {
        conn->unprepared = made->unprepared;
        request_unref(made);
        request_unref(made);
        pondi_host_callback_ended(conn);
        pondi_host_conn_drop(conn, base->loop);
    }
    pondi_conn_finish(base, NULL, error);
}

pond_request *pondi_host_held(pondi_conn *base, const pondi_request *request)
{
    const pondi_host_conn *conn = pondi_host_conn_of(base);
    int is_current = base->current == request && conn->running;
    return is_current && conn->running->request == request ? conn->running : NULL;
}

/* ---- Stop -------------------------------------------------------------------------------- */

/* Loop locked, unless the request runs inline. */
static void note_stopped(pond_request *request)
{
    lock_waiting();
    atomic_store(&request->stopping, 0);
    pthread_cond_broadcast(&ended);
    pondi_process_lock_give(&waiting);
}

static void run_stop(pondi_outside *outside)
{
    pond_request *request = PONDI_CONTAINER(outside, pond_request, stop);
    pond_loop *loop = request->loop;
    if (!atomic_load(&request->finished))
        request->conn->host->interrupt(request->conn->connection, request);
    pondi_loop_hold(loop);
    if (pondi_loop_lock(loop)) {
        note_stopped(request);
        if (request->conn->close_waits)
            pondi_host_close(request->conn);
        if (request->done_waits)
            on_done(&request->done);
        pondi_loop_leave(loop);
    }
    pondi_loop_unhold(loop);
    request_unref(request);
}

void pondi_host_cancel(pondi_conn *base, pondi_request *request)
{
    (void)request;
    pondi_host_conn *conn = pondi_host_conn_of(base);
    pond_request *running = conn->running;
    if (!running || !conn->host->interrupt || atomic_load(&running->finished) ||
        atomic_exchange(&running->stopping, 1))
        return;
    pondi_refcount_take(&running->refs);
    pondi_loop_call_outside(base->loop, &running->stop);
}

/* ---- Back from the host ------------------------------------------------------------------ */

/* The connection is being closed, or was, before it was known that it is open. */
static int closes_late(const pond_request *request)
{
    return request->conn->abandoned && !pondi_host_may_block(request->conn);
}

/* Loop locked. What it said of the connection. */
static void apply(pond_request *request)
{
    pondi_host_conn *conn = request->conn;
    pondi_conn *base = &conn->base;
    pondi_request *asked = request->request;
    conn->running = NULL;
    if (asked->call->kind == PONDI_REQUEST_CONNECT && !closes_late(request)) {
        conn->connection = request->connection;
        snprintf(base->server_version, sizeof(base->server_version), "%s",
                 request->versions[0] ? request->versions[0] : "");
        snprintf(base->driver_version, sizeof(base->driver_version), "%s",
                 request->versions[1] ? request->versions[1] : "");
    }
    if (request->is_open >= 0)
        base->in_transaction = request->is_open;
    else if (asked->call->kind == PONDI_REQUEST_TRANSACTION && !request->error)
        base->in_transaction = asked->call->verb == POND_BEGIN;
    if (asked->statement) /* valid as long as the connection's struct is */
        asked->statement->prepared = request->prepared;
    if (request->broken && !conn->abandoned)
        pondi_conn_broken(base);
}

static void run_late_close(pondi_outside *outside)
{
    pond_request *request = PONDI_CONTAINER(outside, pond_request, start);
    request->conn->host->close(request->connection);
    if (pondi_loop_lock(request->loop)) {
        pondi_host_conn_drop(request->conn, request->loop);
        pondi_loop_leave(request->loop);
    }
    request_unref(request);
}

/* The connection was to be destroyed meanwhile; and was, unless its callbacks may block. */
static void drop_outcome(pond_request *request)
{
    pondi_host_conn *conn = request->conn;
    pond_result_release(request->result);
    pond_error_free(request->error);
    if (!closes_late(request)) {
        pondi_host_close(conn);
    } else if (request->connection) {
        pondi_refcount_take(&conn->refs);
        pondi_refcount_take(&request->refs);
        request->start.run = run_late_close;
        pondi_loop_call_outside(request->loop, &request->start);
    }
}

static void on_done(pondi_message *message)
{
    pond_request *request = PONDI_CONTAINER(message, pond_request, done);
    pondi_host_conn *conn = request->conn;
    pond_loop *loop = request->loop;
    request->done_waits = atomic_load(&request->stopping);
    if (request->done_waits)
        return;
    apply(request);
    if (conn->abandoned)
        drop_outcome(request);
    else
        pondi_conn_finish(&conn->base, request->result, request->error);
    pondi_host_conn_drop(conn, loop);
    request_unref(request);
}

void pond_request_finish(pond_request *request, pond_result *result, pond_error *error)
{
    if (!request) {
        pond_result_release(result);
        pond_error_free(error);
        return;
    }
    if (request->request->call->kind == PONDI_REQUEST_CONNECT && !error && !request->connection)
        error = pondi_error_new(POND_EINTERNAL, "the driver \"%s\" opened no connection",
                                pond_config_driver(request->conn->base.config));
    request->result = result;
    request->error = error;
    if (!request->inline_run) {
        atomic_store(&request->finished, 1);
        pondi_loop_post(request->loop, &request->done);
        return;
    }
    lock_waiting();
    atomic_store(&request->finished, 1);
    pthread_cond_broadcast(&ended);
    pondi_process_lock_give(&waiting);
}

/* ---- In the thread of a blocking caller -------------------------------------------------- */

/* Until it is finished, and no stop can reach what comes after it: then the loop is locked. */
static void wait_for(pond_request *request)
{
    for (;;) {
        lock_waiting();
        while (!atomic_load(&request->finished) || atomic_load(&request->stopping))
            pthread_cond_wait(&ended, &waiting.mutex);
        pondi_process_lock_give(&waiting);
        pondi_loop_lock(request->loop);
        if (!atomic_load(&request->stopping))
            return;
        pondi_loop_leave(request->loop);
    }
}

void pondi_host_run_inline(pondi_conn *base, pondi_request *asked, pond_result **result,
                           pond_error **error)
{
    pondi_host_conn *conn = pondi_host_conn_of(base);
    pond_loop *loop = base->loop;
    pond_request *request = request_new(base, asked, error);
    if (!request)
        return;
    request->inline_run = 1;
    request->blocks = 1;
    pondi_loop_lock(loop);
    conn->running = request;
    pondi_loop_leave(loop);
    call(request);
    wait_for(request);
    *result = request->result;
    *error = request->error;
    apply(request);
    pondi_host_conn_drop(conn, loop);
    pondi_loop_leave(loop);
    request_unref(request);
}

/* ---- What it asks ------------------------------------------------------------------------ */

pond_request_verb pond_request_verb_of(const pond_request *request)
{
    return request ? (pond_request_verb)request->request->call->kind : POND_REQUEST_OPEN;
}

void *pond_request_driver_data(const pond_request *request)
{
    return request ? request->conn->host->data : NULL;
}

const pond_config *pond_request_config(const pond_request *request)
{
    return request ? request->conn->base.config : NULL;
}

const char *pond_request_setting(const pond_request *request, const char *key)
{
    return request && key ? pondi_config_get(request->conn->base.config, key) : NULL;
}

pond_loop *pond_request_loop(const pond_request *request)
{
    return request ? request->loop : NULL;
}

int pond_request_blocks(const pond_request *request)
{
    return request ? request->blocks : 0;
}

const char *pond_request_sql(const pond_request *request, size_t *size)
{
    const pondi_statement *statement = request ? request->request->statement : NULL;
    if (size)
        *size = statement ? statement->native_size : 0;
    return statement ? statement->native : NULL;
}

const char *pond_request_written_sql(const pond_request *request, size_t *size)
{
    const pondi_request *asked = request ? request->request : NULL;
    if (size)
        *size = asked ? asked->sql_size : 0;
    return asked ? asked->sql : NULL;
}

int pond_request_is_step(const pond_request *request)
{
    return request ? (request->request->call->flags & PONDI_CALL_STEP) != 0 : 0;
}

const pond_value *pond_request_params(const pond_request *request, size_t *rows, size_t *columns)
{
    const pondi_request *asked = request ? request->request : NULL;
    if (rows)
        *rows = asked ? asked->call->row_count : 0;
    if (columns)
        *columns = asked ? asked->column_count : 0;
    return asked ? asked->params : NULL;
}

size_t pond_request_batch_rows(const pond_request *request)
{
    return request ? request->request->batch_rows : 0;
}

pond_transaction_verb pond_request_transaction(const pond_request *request)
{
    return request ? request->request->call->verb : (pond_transaction_verb)0;
}

void *pond_request_prepared(const pond_request *request)
{
    return request ? request->prepared : NULL;
}

void pond_request_set_prepared(pond_request *request, void *prepared)
{
    if (!request)
        return;
    request->prepared = prepared;
}

/* ---- How it ends ------------------------------------------------------------------------- */

void pond_request_opened(pond_request *request, void *connection, const char *server_version,
                         const char *driver_version)
{
    if (!request || !connection || request->connection ||
        pond_request_verb_of(request) != POND_REQUEST_OPEN)
        return;
    request->connection = connection;
    request->versions[0] = server_version ? pondi_strdup(server_version) : NULL;
    request->versions[1] = driver_version ? pondi_strdup(driver_version) : NULL;
}

void pond_request_set_in_transaction(pond_request *request, int open)
{
    if (!request)
        return;
    request->is_open = open != 0;
}

void pond_request_set_broken(pond_request *request)
{
    if (!request)
        return;
    request->broken = 1;
}

/* POND_EAGAIN means that an operation goes on. */
static int is_error(int code)
{
    return code != POND_EAGAIN && code != POND_OK && strcmp(pond_error_name(code), "UNKNOWN") != 0;
}

pond_error *pond_error_make(int code, const char *sqlstate, const char *message)
{
    int known = is_error(code) ? code : POND_EINTERNAL;
    const char *text = message && *message ? message : pond_error_text(known);
    pond_error *error = known == code ? pondi_error_new(code, "%s", text)
                                      : pondi_error_new(known, "driver error %d: %s", code, text);
    if (sqlstate && strlen(sqlstate) == 5)
        pondi_error_set_sqlstate(error, sqlstate);
    return error;
}

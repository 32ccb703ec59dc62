#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "driver/outcome.h"
#include "drivers/mysql/mysql.h"

static const char *const aliases[] = {"mariadb", NULL};

static const pondi_driver_option options[] = {
    {"get_server_public_key", pondi_check_flag},
    {"pipelining", pondi_check_flag},
    {"server_public_key", NULL},
    {"sql_mode", NULL},
    {"sslcert", NULL},
    {"sslkey", NULL},
    {"sslmode", NULL},
    {"sslrootcert", NULL},
    {"transaction_isolation", NULL},
    {NULL, NULL},
};

/* ---- Create and destroy ------------------------------------------------------------------ */

static int open_conn(pond_config *config, void *shared, pondi_conn **out, pond_error **err)
{
    (void)config;
    (void)shared;
    my_conn *conn = pondi_calloc(1, sizeof(*conn));
    if (!conn)
        return pondi_error_nomem(err);
    conn->fd = -1;
    atomic_init(&conn->phase, MY_IDLE);
    pondi_list_init(&conn->closing);
    pondi_buffer_init(&conn->params.text);
    pondi_arena_init(&conn->bulk);
    int code = pondi_mysql_run_new(conn, err);
    if (code) {
        pondi_free(conn);
        return code;
    }
    *out = &conn->base;
    return POND_OK;
}

static void clear_outcome(my_conn *conn)
{
    if (conn->set)
        pond_result_release(&conn->set->base);
    pond_error_free(conn->error);
    mysql_free_result(conn->rows);
    conn->set = NULL;
    conn->error = NULL;
    conn->rows = NULL;
}

static void drop_request(my_conn *conn)
{
    pondi_request *request = conn->request;
    conn->request = NULL;
    if (request)
        pond_op_release(&request->op);
}

void pondi_mysql_free(my_conn *conn)
{
    pondi_list *node;
    clear_outcome(conn); /* of a request that was given up: rows that were read so far */
    pondi_server_report_free(&conn->report);
    drop_request(conn);
    pondi_gone gone = pondi_conn_dispose(&conn->base);
    if (conn->mysql)
        mysql_close(conn->mysql); /* statements stay valid, without a connection */
    if (conn->fd >= 0)
        close(conn->fd);
    while ((node = pondi_list_pop_front(&conn->closing)))
        pondi_mysql_statement_free(PONDI_CONTAINER(node, my_statement, link));
    pondi_mysql_params_free(&conn->params);
    pondi_arena_free(&conn->bulk);
    pondi_free(conn);
    pondi_conn_gone(gone);
}

static void destroy(pondi_conn *base)
{
    my_conn *conn = my_of(base);
    if (conn->task)
        conn->task->base.owner = NULL; /* it frees itself when its thread is done */
    pondi_mysql_run_destroy(conn);
}

static void statement_free(pondi_conn *base, void *prepared)
{
    pondi_mysql_statement_close(my_of(base), prepared);
}

/* ---- The end of a request ---------------------------------------------------------------- */

void pondi_mysql_fail(my_conn *conn, pond_error *error)
{
    if (conn->error)
        pond_error_free(error);
    else
        conn->error = error;
}

void pondi_mysql_call_failed(my_conn *conn, MYSQL_STMT *stmt)
{
    if (stmt && !mysql_stmt_errno(stmt))
        stmt = NULL; /* a fetch leaves its error with the connection */
    unsigned int number = stmt ? mysql_stmt_errno(stmt) : mysql_errno(conn->mysql);
    if (pondi_mysql_is_loss(conn, number))
        pondi_mysql_move(conn, MY_ON_LOSS);
    pond_error *error = pondi_mysql_error(
        conn, number, stmt ? mysql_stmt_sqlstate(stmt) : mysql_sqlstate(conn->mysql),
        stmt ? mysql_stmt_error(stmt) : mysql_error(conn->mysql));
    if (pondi_mysql_is_lost(conn) && conn->no_memory && !pondi_error_is_shared(error))
        error->code = POND_ENOMEM; /* the library calls that a lost connection, too */
    pondi_mysql_fail(conn, error);
}

int pondi_mysql_in_transaction(const my_conn *conn)
{
    return conn->mysql && (conn->mysql->server_status & SERVER_STATUS_IN_TRANS) != 0;
}

static int is_transaction_verb(const char *verb)
{
    static const char *const verbs[] = {"COMMIT", "ROLLBACK", "BEGIN", "START", "SET", "XA"};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verb, verbs[i]) == 0)
            return 1;
    }
    return 0;
}

/* DDL commits what was open, without a word. */
static void note_transaction(my_conn *conn)
{
    pondi_conn *base = &conn->base;
    const pondi_request *request = conn->request;
    int before = base->in_transaction;
    base->in_transaction = pondi_mysql_in_transaction(conn);
    if (before && !base->in_transaction && !conn->error && request && request->statement &&
        request->call->kind == PONDI_REQUEST_EXECUTE &&
        !is_transaction_verb(request->statement->info.verb))
        pondi_log(POND_LOG_WARNING, "mysql",
                  "%s committed the open transaction, as MySQL does for DDL statements: run them "
                  "outside transactions",
                  request->statement->info.verb);
}

/* Replace what the library said by what it means for the request. */
static void explain_loss(my_conn *conn)
{
    pond_error *said = conn->error;
    int sent = pondi_mysql_phase(conn) == MY_LOST;
    int no_memory = said && said->code == POND_ENOMEM;
    if (said)
        pondi_conn_keep_end_reason(&conn->base, pondi_error_copy(said));
    conn->error = pondi_conn_lost_error(&conn->base, conn->request, sent,
                                        said ? pond_error_message(said) : "");
    if (no_memory && conn->error->code == POND_ECONNLOST && sent)
        pondi_conn_note_no_memory(conn->error);
    if (said && !pondi_error_is_shared(conn->error) && !pondi_error_is_shared(said)) {
        pondi_error_set_sqlstate(conn->error, said->sqlstate);
        conn->error->vendor_code = said->vendor_code;
    }
    pond_error_free(said);
}

/* A statement that only reads was stopped, but said so in its result only: SLEEP() does. */
static void note_silent_stop(my_conn *conn)
{
    if (!conn->error && conn->request->stop_code && conn->set &&
        pondi_request_only_reads(conn->request))
        pondi_mysql_fail(conn, pondi_error_new(POND_ECANCELLED, "the statement was stopped"));
}

/* It is read-only as a whole, other than a transaction of the caller's own. */
static int is_of_standby(const pond_error *error)
{
    return error && error->code == POND_EREADONLY &&
           (error->vendor_code == 1290 || error->vendor_code == 1836);
}

static void complete(my_conn *conn)
{
    note_silent_stop(conn);
    if (is_of_standby(conn->error))
        pondi_conn_refused_write(&conn->base);
    if (conn->base.tracks)
        pondi_mysql_note_commit(conn);
    pondi_row_set *set = conn->error ? NULL : conn->set;
    if (set)
        conn->set = NULL;
    if (conn->request->call->kind == PONDI_REQUEST_REPORT)
        pondi_mysql_report_done(conn);
    pond_error *error = conn->error;
    conn->error = NULL;
    clear_outcome(conn);
    drop_request(conn);
    pondi_mysql_move(conn, MY_ON_END);
    pondi_conn_finish(&conn->base, set ? &set->base : NULL, error);
}

/* ERR packets do not say whether the transaction is still open: ask. */
static int must_ask(const my_conn *conn, my_phase phase)
{
    int sent = phase == MY_RUNNING || phase == MY_RERUNNING || phase == MY_STOPPING;
    return sent && conn->error && conn->mysql &&
           (conn->base.in_transaction || conn->request->call->flags & PONDI_CALL_BLOCK ||
            conn->request->call->kind == PONDI_REQUEST_EXECUTE_MANY);
}

static void end_lost(my_conn *conn)
{
    if (pondi_mysql_phase(conn) != MY_LOST_SETTLED)
        explain_loss(conn);
    pondi_conn_broken(&conn->base);
    complete(conn);
}

/* Somebody has stopped the stream by the time that it would wait for more requests. */
static void end_parked(my_conn *conn)
{
    pondi_mysql_move(conn, MY_ON_SENT);
    pondi_mysql_fail(conn, pondi_error_new(POND_ECANCELLED, "cancelled"));
    pondi_mysql_stream_end(conn);
    pondi_mysql_run(conn);
}

void pondi_mysql_ended(my_conn *conn)
{
    my_phase phase = pondi_mysql_phase(conn);
    if (!conn->request) { /* nobody waits any more */
        if (pondi_mysql_is_lost(conn))
            pondi_conn_broken(&conn->base);
    } else if (pondi_mysql_is_lost(conn)) {
        end_lost(conn);
    } else if (phase == MY_PARKED && (conn->task || conn->request->stop_code)) {
        end_parked(conn);
    } else if (conn->task && phase != MY_CONNECTING) {
        pondi_mysql_move(conn, MY_ON_HOLD); /* the cancel must not hit the next statement */
    } else if (must_ask(conn, phase)) {
        pondi_mysql_settle(conn);
    } else {
        if (conn->base.state != PONDI_CONN_BROKEN && phase != MY_PARKED)
            note_transaction(conn);
        complete(conn);
    }
}

/* ---- Requests ---------------------------------------------------------------------------- */

static void transaction_done(my_conn *conn)
{
    if (conn->failed)
        pondi_mysql_call_failed(conn, NULL);
}

static void start_transaction_verb(my_conn *conn, pond_transaction_verb verb)
{
    static const char *const commands[] = {
        [POND_BEGIN] = "START TRANSACTION", [POND_COMMIT] = "COMMIT", [POND_ROLLBACK] = "ROLLBACK"};
    pondi_mysql_move(conn, MY_ON_SENT);
    pondi_mysql_query(conn, commands[verb], strlen(commands[verb]), transaction_done);
}

void pondi_mysql_start(my_conn *conn)
{
    const pondi_call *call = conn->request->call;
    switch (call->kind) {
    case PONDI_REQUEST_CONNECT:
    case PONDI_REQUEST_READ_ONLY: /* the server learns of it with the next statement */
        break;
    case PONDI_REQUEST_EXECUTE:
    case PONDI_REQUEST_STREAM:
        if (call->flags & PONDI_CALL_BATCH)
            pondi_mysql_batch(conn);
        else
            pondi_mysql_execute(conn);
        break;
    case PONDI_REQUEST_FETCH:
        pondi_mysql_stream_fetch(conn);
        break;
    case PONDI_REQUEST_END_STREAM:
        pondi_mysql_stream_end(conn);
        break;
    case PONDI_REQUEST_EXECUTE_MANY:
        pondi_mysql_many(conn);
        break;
    case PONDI_REQUEST_TRANSACTION:
        start_transaction_verb(conn, call->verb);
        break;
    case PONDI_REQUEST_PING:
        pondi_mysql_query(conn, "DO 0", 4, transaction_done);
        break;
    case PONDI_REQUEST_RESET:
        pondi_mysql_reset(conn);
        break;
    case PONDI_REQUEST_REPORT:
        pondi_mysql_report(conn);
        break;
    case PONDI_REQUEST_WAIT_FOR:
        pondi_mysql_wait_for(conn);
        break;
    }
}

static void start(pondi_conn *base, pondi_request *request)
{
    my_conn *conn = my_of(base);
    int is_as_wanted = conn->is_read_only == base->read_only && (!base->tracks || conn->tracking);
    pond_op_retain(&request->op);
    conn->request = request;
    if (request->call->kind == PONDI_REQUEST_CONNECT) {
        pondi_mysql_move(conn, MY_ON_CONNECT);
        pondi_mysql_connect(conn);
        return;
    }
    pondi_mysql_move(conn, MY_ON_START);
    if (!is_as_wanted && pondi_mysql_must_set(conn))
        pondi_mysql_set_first(conn);
    else
        pondi_mysql_start(conn);
    pondi_mysql_run(conn);
}

static void cancel(pondi_conn *base, pondi_request *request)
{
    (void)request;
    pondi_mysql_cancel(my_of(base));
}

static void hang_up(pondi_conn *base)
{
    const my_conn *conn = my_of(base);
    if (conn->fd >= 0)
        shutdown(conn->fd, SHUT_RDWR);
}

/* An idle connection is sent nothing but the end. */
static void look(pondi_conn *base)
{
    my_conn *conn = my_of(base);
    char byte;
    ssize_t size = recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (size >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
        pondi_mysql_keep_end_reason(conn);
        pondi_conn_broken(base);
    }
}

static void detach(pondi_conn *base)
{
    pondi_mysql_run_detach(my_of(base));
}

static int attach(pondi_conn *base, pond_error **err)
{
    return pondi_mysql_run_attach(my_of(base), err);
}

const pondi_driver pondi_mysql_driver = {
    .name = "mysql",
    .aliases = aliases,
    .port = "3306",
    .dialect = POND_DIALECT_MYSQL,
    .takes_runs = 1,
    .resets = 1,
    .options = options,
    .check_config = pondi_mysql_check_config,
    .find_servers = pondi_mysql_find_servers,
    .open = open_conn,
    .start = start,
    .cancel = cancel,
    .hang_up = hang_up,
    .look = look,
    .detach = detach,
    .attach = attach,
    .statement_free = statement_free,
    .destroy = destroy,
};

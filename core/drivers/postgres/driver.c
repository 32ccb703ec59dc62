#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/error.h"
#include "driver/outcome.h"
#include "drivers/postgres/postgres.h"

static const char *const aliases[] = {"postgresql", NULL};

static void check_order(const char *key, const char *value, pondi_problems *problems)
{
    if (*value && strcmp(value, "disable") != 0 && strcmp(value, "random") != 0)
        pondi_config_problem(problems, key, "must be disable or random, not \"%.60s\"", value);
}

static void check_role(const char *key, const char *value, pondi_problems *problems)
{
    pondi_server_role role;
    int prefers;
    if (*value && !pondi_server_role_parse(value, &role, &prefers))
        pondi_config_problem(problems, key,
                             "must be any, primary, standby, read-write, read-only or "
                             "prefer-standby, not \"%.60s\"",
                             value);
}

static const pondi_driver_option options[] = {
    {"application_name", NULL},
    {"channel_binding", NULL},
    {"cleartext_password", pondi_check_flag},
    {"command_by_command", pondi_check_flag},
    {"gssencmode", NULL},
    {"hostaddr", NULL},
    {"keepalives", pondi_check_flag},
    {"keepalives_count", pondi_check_count},
    {"keepalives_idle", pondi_check_count},
    {"keepalives_interval", pondi_check_count},
    {"krbsrvname", NULL},
    {"load_balance_hosts", check_order},
    {"options", NULL},
    {"passfile", NULL},
    {"prepared_statements", pondi_check_flag},
    {"requirepeer", NULL},
    {"ssl_min_protocol_version", NULL},
    {"sslcert", NULL},
    {"sslcrl", NULL},
    {"sslkey", NULL},
    {"sslmode", NULL},
    {"sslrootcert", NULL},
    {"target_session_attrs", check_role},
    {"tcp_user_timeout", pondi_check_count},
    {NULL, NULL},
};

/* ---- Create and destroy ------------------------------------------------------------------ */

static int open_conn(pond_config *config, void *shared, pondi_conn **out, pond_error **err)
{
    (void)shared;
    pg_conn *conn = pondi_calloc(1, sizeof(*conn));
    if (!conn)
        return pondi_error_nomem(err);
    conn->fd = -1;
    conn->base.features = POND_CAN_RETURN | POND_CAN_WRITE_IN_CTE;
    conn->unnamed = !pondi_config_flag(config, "prepared_statements", 1);
    *out = &conn->base;
    return POND_OK;
}

static void statement_free(pondi_conn *base, void *prepared)
{
    pondi_postgres_statement_free(pg_of(base), prepared);
}

static void clear_outcome(pg_conn *conn)
{
    pondi_postgres_result_free(conn->result);
    pond_error_free(conn->error);
    conn->result = NULL;
    conn->error = NULL;
}

static void destroy(pondi_conn *base)
{
    pg_conn *conn = pg_of(base);
    if (conn->task)
        conn->task->base.owner = NULL; /* it frees itself when its thread is done */
    pondi_watcher_free(conn->watcher);
    pondi_timer_free(conn->wait.timer);
    clear_outcome(conn);
    pondi_gone gone = pondi_conn_dispose(base);
    pondi_postgres_forget_former(conn);
    pondi_postgres_forget_described(conn);
    if (conn->preparing)
        pondi_postgres_statement_free(conn, conn->preparing);
    if (conn->plain)
        pondi_postgres_statement_free(conn, conn->plain);
    PQfinish(conn->pg);
    pondi_buffer_free(&conn->closing);
    pondi_buffer_free(&conn->scratch);
    pondi_free(conn->values);
    pondi_free(conn->lengths);
    pondi_free(conn->formats);
    pondi_free(conn->types);
    pondi_free(conn->known.types);
    pondi_free(conn);
    pondi_conn_gone(gone);
}

/* ---- The end of a request ---------------------------------------------------------------- */

void pondi_postgres_fail(pg_conn *conn, pond_error *error)
{
    if (conn->error)
        pond_error_free(error);
    else
        conn->error = error;
}

static int rolls_back(const pondi_request *request)
{
    if (!request)
        return 0;
    if (request->call->kind == PONDI_REQUEST_TRANSACTION)
        return request->call->verb == POND_ROLLBACK;
    return request->statement && request->statement->info.means & PONDI_VERB_UNDOES;
}

static void note_transaction(pg_conn *conn)
{
    PGTransactionStatusType status = conn->pg ? PQtransactionStatus(conn->pg) : PQTRANS_UNKNOWN;
    int before = conn->base.in_transaction;
    int failed = conn->base.transaction_failed;
    if (status == PQTRANS_ACTIVE)
        return; /* in the middle of a stream */
    conn->base.in_transaction =
        conn->begin_pending || status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
    conn->base.transaction_failed = status == PQTRANS_INERROR;
    if (before && !conn->base.in_transaction)
        pondi_postgres_end_path(conn, failed || rolls_back(conn->base.current));
    if (!conn->error && status != PQTRANS_UNKNOWN)
        pondi_postgres_note_path(conn);
}

void pondi_postgres_finish(pg_conn *conn)
{
    pondi_postgres_forget_former(conn);
    pondi_postgres_forget_described(conn);
    if (conn->wait.timer)
        pondi_postgres_end_wait(conn);
    conn->phase = PG_IDLE;
    if (conn->task && conn->base.current &&
        conn->base.current->call->kind != PONDI_REQUEST_CONNECT) {
        conn->held = 1; /* the cancel must not hit the next statement */
        return;
    }
    pg_result *result = conn->result;
    pond_error *error = conn->error;
    conn->result = NULL;
    conn->error = NULL;
    if (conn->base.state != PONDI_CONN_BROKEN)
        note_transaction(conn);
    if (error) {
        pondi_postgres_result_free(result);
        result = NULL;
    }
    pondi_conn_finish(&conn->base, result ? pondi_postgres_result_base(result) : NULL, error);
}

/* ---- Lost connections -------------------------------------------------------------------- */

static pond_error *lost_error(pg_conn *conn, const pondi_request *request)
{
    char said[512];
    int sent = conn->sent && !request->preparing;
    pondi_postgres_said(conn, said, sizeof(said));
    pond_error *error = pondi_conn_lost_error(&conn->base, request, sent, said);
    if (error->code == POND_ECONNLOST && sent && pondi_postgres_ran_out_of_memory(said))
        pondi_conn_note_no_memory(error);
    const pond_error *end_reason = conn->base.end_reason;
    if (end_reason && *end_reason->sqlstate && !pondi_error_is_shared(error)) {
        pondi_error_set_sqlstate(error, end_reason->sqlstate);
        pondi_error_set_text(error, &error->detail, pond_error_message(end_reason));
    }
    return error;
}

/* The server's own words, or the library's. */
static void keep_end_reason(pg_conn *conn)
{
    char said[512];
    if (conn->error) {
        pondi_conn_keep_end_reason(&conn->base, pondi_error_copy(conn->error));
        return;
    }
    pondi_postgres_said(conn, said, sizeof(said));
    if (*said)
        pondi_conn_keep_end_reason(&conn->base, pondi_error_new(POND_ECONNLOST, "%s", said));
}

void pondi_postgres_lost(pg_conn *conn)
{
    pondi_request *request = conn->base.current;
    if (conn->phase == PG_SETTING_UP) {
        pondi_postgres_connect_failed(conn);
        return;
    }
    keep_end_reason(conn);
    pond_error *error = request && !conn->answered ? lost_error(conn, request) : NULL;
    pondi_watcher_free(conn->watcher);
    conn->watcher = NULL;
    pondi_conn_broken(&conn->base);
    if (!request || conn->held) {
        pond_error_free(error); /* idle, or its outcome is known already */
        return;
    }
    if (!conn->answered) {
        pond_error_free(conn->error);
        conn->error = error;
    }
    pondi_postgres_finish(conn);
}

/* ---- Commands ---------------------------------------------------------------------------- */

void pondi_postgres_command(pg_conn *conn, const char *sql)
{
    conn->phase = PG_COMMAND;
    if (!PQsendQuery(conn->pg, sql))
        pondi_postgres_lost(conn);
    else
        pondi_postgres_flush(conn);
}

static void take_transaction(pg_conn *conn, PGresult *res)
{
    if (conn->answered) {
        pondi_postgres_take_position(conn, res);
        return;
    }
    if (conn->base.current->call->verb == POND_COMMIT && strcmp(PQcmdStatus(res), "ROLLBACK") == 0)
        pondi_postgres_fail(conn,
                            pondi_error_new(POND_ETRANSACTION,
                                            "the transaction had failed before, so the server "
                                            "rolled it back instead of committing"));
    conn->answered = 1;
}

static void take_command(pg_conn *conn, PGresult *res)
{
    pondi_call_kind kind = conn->base.current->call->kind;
    if (PQresultStatus(res) == PGRES_FATAL_ERROR && !conn->answered)
        pondi_postgres_fail(conn, pondi_postgres_error(conn, res));
    else if (kind == PONDI_REQUEST_REPORT)
        pondi_postgres_take_report(conn, res);
    else if (kind == PONDI_REQUEST_TRANSACTION)
        take_transaction(conn, res);
    PQclear(res);
}

/* ---- The socket -------------------------------------------------------------------------- */

void pondi_postgres_flush(pg_conn *conn)
{
    int left = PQflush(conn->pg);
    if (left < 0) {
        if (PQstatus(conn->pg) == CONNECTION_BAD || !conn->sent) {
            pondi_postgres_lost(conn);
            return;
        }
        left = 0; /* what the server said before it hung up can still be read */
    }
    conn->sent = 1;
    pond_error *error = NULL;
    if (pondi_postgres_watch(conn, left > 0 ? PONDI_READABLE | PONDI_WRITABLE : PONDI_READABLE,
                             &error)) {
        pond_error_free(error);
        pondi_postgres_lost(conn);
    }
}

static void take(pg_conn *conn, PGresult *res)
{
    switch (conn->phase) {
    case PG_PREPARING:
        pondi_postgres_take_prepared(conn, res);
        break;
    case PG_LOOKING_UP:
        pondi_postgres_take_lookup(conn, res);
        break;
    case PG_BEGINNING:
        pondi_postgres_take_begin(conn, res);
        break;
    case PG_TOGETHER:
        pondi_postgres_take_together(conn, res);
        break;
    case PG_LOOKING:
        pondi_postgres_take_wait(conn, res);
        break;
    case PG_EXECUTING:
        pondi_postgres_take_result(conn, res);
        break;
    case PG_MANY:
        pondi_postgres_many_take(conn, res);
        break;
    case PG_COMMAND:
        take_command(conn, res);
        break;
    case PG_SETTING_UP:
        pondi_postgres_take_set_up(conn, res);
        break;
    default: /* of the statement that absorbs a late cancel, or unasked for: no request waits for it
              */
        PQclear(res);
        break;
    }
}

/* All results of a command were taken. In a pipeline this comes between commands and means nothing.
 */
static void next_command(pg_conn *conn)
{
    const char *sql = conn->commands && !conn->error ? *conn->commands : NULL;
    if (!sql) {
        conn->commands = NULL;
        pondi_postgres_finish(conn);
        return;
    }
    conn->commands++;
    if (!PQsendQuery(conn->pg, sql))
        pondi_postgres_lost(conn);
    else
        pondi_postgres_flush(conn);
}

void pondi_postgres_commands(pg_conn *conn, const char *const *commands, pg_phase phase)
{
    conn->phase = phase;
    conn->commands = commands;
    next_command(conn);
}

static void no_more(pg_conn *conn)
{
    if (conn->phase == PG_EXECUTING)
        pondi_postgres_executed(conn);
    else if (conn->phase == PG_BEGINNING)
        pondi_postgres_begun(conn);
    else if (conn->phase == PG_ROLLING_BACK)
        pondi_postgres_rolled_back(conn);
    else if (conn->phase == PG_LOOKING)
        pondi_postgres_waited(conn);
    else if (conn->phase == PG_LOOKING_UP)
        pondi_postgres_looked_up(conn);
    else if (conn->phase == PG_COMMAND || conn->phase == PG_ABSORBING_CANCEL ||
             conn->phase == PG_SETTING_UP)
        next_command(conn);
}

static int waits_for_results(const pg_conn *conn)
{
    if (!conn->base.current || conn->held)
        return 0;
    if (conn->phase == PG_MANY)
        return conn->many.synced || conn->many.answered < conn->many.sent;
    return conn->phase >= PG_PREPARING && conn->phase != PG_PARKED && conn->phase != PG_WAITING;
}

void pondi_postgres_take_results(pg_conn *conn)
{
    while (waits_for_results(conn) && !PQisBusy(conn->pg)) {
        PGresult *res = PQgetResult(conn->pg);
        if (res)
            take(conn, res);
        if (res && conn->phase == PG_EXECUTING && pondi_postgres_stream_pause(conn))
            return;
        if (res)
            continue;
        if (PQstatus(conn->pg) == CONNECTION_BAD)
            pondi_postgres_lost(conn);
        else
            no_more(conn);
    }
}

/* LISTEN is not offered: what other sessions notify is dropped. */
static void drop_notifications(pg_conn *conn)
{
    PGnotify *notification;
    while ((notification = PQnotifies(conn->pg)))
        PQfreemem(notification);
}

/* The socket is broken, but the server's last words may still be in it. There is no second event.
 */
static int read_end_reason(pg_conn *conn)
{
    enum { ENOUGH = 16 };
    for (int i = 0; i < ENOUGH && PQconsumeInput(conn->pg); i++)
        ;
    return 0;
}

void pondi_postgres_on_ready(pg_conn *conn, int events)
{
    if (conn->phase == PG_CONNECTING) {
        pondi_postgres_connect_step(conn);
        return;
    }
    if (conn->base.state == PONDI_CONN_BROKEN) { /* given up: only waits to be closed */
        pondi_watcher_free(conn->watcher);
        conn->watcher = NULL;
        return;
    }
    if (events > 0 && events & PONDI_WRITABLE) {
        if (conn->phase == PG_MANY)
            pondi_postgres_many_send(conn);
        else
            pondi_postgres_flush(conn);
    }
    if (conn->base.state == PONDI_CONN_BROKEN)
        return;
    if (events < 0 || events & PONDI_READABLE) {
        int alive = events < 0 ? read_end_reason(conn) : PQconsumeInput(conn->pg);
        pondi_postgres_take_results(conn);
        if (conn->base.state == PONDI_CONN_BROKEN)
            return;
        drop_notifications(conn);
        int ended = conn->base.end_reason && !conn->base.current; /* it hangs up in a moment */
        if (!alive || ended || PQstatus(conn->pg) == CONNECTION_BAD)
            pondi_postgres_lost(conn);
    }
}

/* ---- Requests ---------------------------------------------------------------------------- */

static void start(pondi_conn *base, pondi_request *request)
{
    pg_conn *conn = pg_of(base);
    conn->sent = 0;
    conn->retried = 0;
    conn->fresh = 0;
    conn->stale = PG_SOUND;
    conn->began_with = 0;
    conn->answered = 0;
    request->preparing = 0;
    switch (request->call->kind) {
    case PONDI_REQUEST_CONNECT:
        pondi_postgres_connect(conn);
        break;
    case PONDI_REQUEST_EXECUTE:
    case PONDI_REQUEST_EXECUTE_MANY:
    case PONDI_REQUEST_STREAM:
        pondi_postgres_execute(conn);
        break;
    case PONDI_REQUEST_FETCH:
        pondi_postgres_stream_fetch(conn);
        break;
    case PONDI_REQUEST_END_STREAM:
        pondi_postgres_stream_end(conn);
        break;
    case PONDI_REQUEST_TRANSACTION:
        pondi_postgres_transaction(conn);
        break;
    case PONDI_REQUEST_PING:
        pondi_postgres_command(conn, "");
        break;
    case PONDI_REQUEST_RESET:
        pondi_postgres_reset(conn);
        break;
    case PONDI_REQUEST_REPORT:
        pondi_postgres_report(conn);
        break;
    case PONDI_REQUEST_WAIT_FOR:
        pondi_postgres_wait_for(conn);
        break;
    case PONDI_REQUEST_READ_ONLY: /* the server learns of it with the next statement */
        pondi_postgres_finish(conn);
        break;
    }
}

static void cancel(pondi_conn *base, pondi_request *request)
{
    (void)request;
    pondi_postgres_cancel(pg_of(base));
}

static int has_something(const pg_conn *conn)
{
    char byte;
    ssize_t size = recv(PQsocket(conn->pg), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return size >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static void hang_up(pondi_conn *base)
{
    const pg_conn *conn = pg_of(base);
    if (conn->pg && PQsocket(conn->pg) >= 0)
        shutdown(PQsocket(conn->pg), SHUT_RDWR);
}

/* What the server has sent meanwhile is taken as if the loop had seen it: its last words are one
 * reading, its hanging up is another. */
static void look(pondi_conn *base)
{
    pg_conn *conn = pg_of(base);
    for (int i = 0; i < 4 && base->state == PONDI_CONN_READY && has_something(conn); i++)
        pondi_postgres_on_ready(conn, PONDI_READABLE);
}

static void detach(pondi_conn *base)
{
    pg_conn *conn = pg_of(base);
    pondi_watcher_free(conn->watcher);
    conn->watcher = NULL;
}

static int attach(pondi_conn *base, pond_error **err)
{
    return pondi_postgres_watch(pg_of(base), PONDI_READABLE, err);
}

const pondi_driver pondi_postgres_driver = {
    .name = "postgres",
    .aliases = aliases,
    .port = "5432",
    .dialect = POND_DIALECT_POSTGRES,
    .resets = 1,
    .options = options,
    .check_config = pondi_postgres_check_config,
    .find_servers = pondi_postgres_find_servers,
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

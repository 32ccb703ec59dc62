#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "drivers/postgres/postgres.h"

enum { MOST_PARAMETERS = 65535 };

/* ---- Statements -------------------------------------------------------------------------- */

void pondi_postgres_statement_free(pg_conn *conn, pg_statement *statement)
{
    /* The server still has it: it is told with the next statement that it prepares. Where memory is
     * out, it stays there as long as the session. */
    if (statement->name[0] && statement != conn->preparing && !conn->base.dying)
        pondi_buffer_append(&conn->closing, statement->name, strlen(statement->name) + 1);
    pondi_free(statement->param_types);
    pondi_free(statement);
}

static int is_prepared_verb(const char *verb)
{
    static const char *const verbs[] = {"SELECT", "INSERT", "UPDATE", "DELETE",
                                        "WITH",   "VALUES", "TABLE",  "MERGE"};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verb, verbs[i]) == 0)
            return 1;
    }
    return 0;
}

/* Statements that run once in a while are not worth a name on the server. */
static int runs_unnamed(const pg_conn *conn, const pondi_request *request)
{
    return conn->unnamed ||
           (request->column_count == 0 && !is_prepared_verb(request->statement->info.verb));
}

/* ---- Prepare ----------------------------------------------------------------------------- */

static int send_closings(pg_conn *conn)
{
    char sql[64];
    conn->results_left = 0;
    for (size_t at = 0; at < conn->closing.size; at += strlen(conn->closing.data + at) + 1) {
        snprintf(sql, sizeof(sql), "DEALLOCATE %s", conn->closing.data + at);
        if (!PQsendQueryParams(conn->pg, sql, 0, NULL, NULL, NULL, NULL, 0))
            return 0;
        conn->results_left++;
    }
    return 1;
}

static void prepare(pg_conn *conn, const pondi_statement *statement)
{
    pg_statement *preparing = pondi_calloc(1, sizeof(*preparing));
    if (!preparing) {
        pondi_postgres_fail(conn, pondi_error_new(POND_ENOMEM, "out of memory"));
        pondi_postgres_finish(conn);
        return;
    }
    snprintf(preparing->name, sizeof(preparing->name), "millpond_%llu",
             (unsigned long long)++conn->statements);
    conn->preparing = preparing;
    conn->phase = PG_PREPARING;
    if (!PQenterPipelineMode(conn->pg) || !send_closings(conn) ||
        !PQsendPrepare(conn->pg, preparing->name, statement->native, 0, NULL) ||
        !PQsendDescribePrepared(conn->pg, preparing->name) || !PQpipelineSync(conn->pg)) {
        pondi_postgres_lost(conn);
        return;
    }
    conn->results_left += 1; /* the prepare's; then comes the description */
    pondi_postgres_flush(conn);
}

static int read_description(pg_statement *statement, const PGresult *res)
{
    int count = PQnparams(res);
    statement->param_types = pondi_malloc(sizeof(Oid) * (size_t)(count ? count : 1));
    if (!statement->param_types)
        return POND_ENOMEM;
    statement->param_count = count;
    for (int i = 0; i < count; i++)
        statement->param_types[i] = PQparamtype(res, i);
    statement->binary = 1;
    for (int i = 0; i < PQnfields(res); i++) {
        if (!pondi_postgres_binary_decoder(PQftype(res, i)))
            statement->binary = 0;
    }
    return POND_OK;
}

void pondi_postgres_take_prepared(pg_conn *conn, PGresult *res)
{
    switch (PQresultStatus(res)) {
    case PGRES_FATAL_ERROR:
        if (conn->results_left > 1) /* an old one that is gone already: the rest was skipped */
            conn->closing_failed = 1;
        else
            pondi_postgres_fail(conn, pondi_postgres_error(conn, res));
        break;
    case PGRES_PIPELINE_SYNC:
        PQclear(res);
        pondi_postgres_prepared(conn);
        return;
    case PGRES_COMMAND_OK:
        if (conn->results_left-- == 0 && read_description(conn->preparing, res))
            pondi_postgres_fail(conn, pondi_error_new(POND_ENOMEM, "out of memory"));
        break;
    default: /* skipped by the server after an error */
        break;
    }
    PQclear(res);
}

static void run_prepared(pg_conn *conn);

void pondi_postgres_prepared(pg_conn *conn)
{
    pondi_request *request = conn->base.current;
    pg_statement *statement = conn->preparing;
    if (!PQexitPipelineMode(conn->pg)) {
        pondi_postgres_lost(conn);
        return;
    }
    pondi_buffer_free(&conn->closing); /* closed, or gone before */
    if (conn->error || conn->closing_failed) {
        int again = !conn->error;
        conn->closing_failed = 0;
        pondi_postgres_statement_free(conn, statement);
        conn->preparing = NULL;
        if (again)
            prepare(conn, request->statement);
        else
            pondi_postgres_finish(conn);
        return;
    }
    conn->preparing = NULL;
    request->statement->prepared = statement;
    if (request->stop_code) { /* cancelled meanwhile: not to be started at all */
        pondi_postgres_fail(conn, pondi_error_new(POND_ECANCELLED, "cancelled"));
        pondi_postgres_finish(conn);
        return;
    }
    run_prepared(conn);
}

/* ---- Run --------------------------------------------------------------------------------- */

static int check_count(const pg_conn *conn, const pg_statement *statement, pond_error **err)
{
    const pondi_request *request = conn->base.current;
    if ((size_t)statement->param_count == request->column_count || request->row_count == 0)
        return POND_OK;
    return pondi_error_set(err, POND_EPARAMS,
                           "the server counts %d parameters, but %zu are written as ?: write ? "
                           "for each",
                           statement->param_count, request->column_count);
}

static void sent(pg_conn *conn, int ok)
{
    int stream = conn->base.current->kind == PONDI_REQUEST_STREAM;
    conn->phase = PG_EXECUTING;
    if (!ok || (stream && !PQsetSingleRowMode(conn->pg)))
        pondi_postgres_lost(conn);
    else
        pondi_postgres_flush(conn);
}

static int send_prepared(pg_conn *conn)
{
    const pg_statement *statement = conn->base.current->statement->prepared;
    return PQsendQueryPrepared(conn->pg, statement->name, statement->param_count, conn->values,
                               conn->lengths, conn->formats, statement->binary);
}

static int send_unnamed(pg_conn *conn)
{
    const pondi_request *request = conn->base.current;
    return PQsendQueryParams(conn->pg, request->statement->native, (int)request->column_count, NULL,
                             conn->values, conn->lengths, conn->formats, 0);
}

/* BEGIN can go in one pipeline with a statement whose end is one result. */
static int goes_with_begin(const pg_conn *conn)
{
    const pondi_request *request = conn->base.current;
    return request->kind == PONDI_REQUEST_EXECUTE &&
           is_prepared_verb(request->statement->info.verb) &&
           (conn->unnamed || request->statement->prepared);
}

static void run(pg_conn *conn, int (*send)(pg_conn *conn))
{
    if (conn->begin_pending)
        pondi_postgres_begin_with(conn, send);
    else
        sent(conn, send(conn));
}

static void run_prepared(pg_conn *conn)
{
    pondi_request *request = conn->base.current;
    pg_statement *statement = request->statement->prepared;
    pond_error *error = NULL;
    int code = check_count(conn, statement, &error);
    if (!code && request->kind == PONDI_REQUEST_EXECUTE_MANY) {
        pondi_postgres_many_start(conn);
        return;
    }
    if (!code)
        code = pondi_postgres_encode(conn, request->params, request->column_count,
                                     statement->param_types, &error);
    if (code) {
        pondi_postgres_fail(conn, error);
        pondi_postgres_finish(conn);
        return;
    }
    conn->sent = 0;
    run(conn, send_prepared);
}

static void run_unnamed(pg_conn *conn)
{
    pondi_request *request = conn->base.current;
    pond_error *error = NULL;
    if (request->kind == PONDI_REQUEST_EXECUTE_MANY) {
        pondi_postgres_many_start(conn);
        return;
    }
    if (pondi_postgres_encode(conn, request->params, request->column_count, NULL, &error)) {
        pondi_postgres_fail(conn, error);
        pondi_postgres_finish(conn);
        return;
    }
    run(conn, send_unnamed);
}

void pondi_postgres_execute(pg_conn *conn)
{
    pondi_request *request = conn->base.current;
    if (request->column_count > MOST_PARAMETERS) {
        pondi_postgres_fail(conn, pondi_error_new(POND_EPARAMS,
                                                  "%zu parameters are too many: PostgreSQL takes "
                                                  "at most %d in a statement",
                                                  request->column_count, MOST_PARAMETERS));
        pondi_postgres_finish(conn);
    } else if (conn->begin_pending && !goes_with_begin(conn)) {
        pondi_postgres_begin_first(conn, 0);
    } else if (runs_unnamed(conn, request)) {
        run_unnamed(conn);
    } else if (request->statement->prepared) {
        run_prepared(conn);
    } else {
        prepare(conn, request->statement);
    }
}

/* ---- Results ----------------------------------------------------------------------------- */

/* The server wants a stream of rows, or sends one: end it, and say so. */
static void refuse_copy(pg_conn *conn, const PGresult *res)
{
    pondi_postgres_fail(conn, pondi_error_new(POND_ENOTSUPPORTED,
                                              "COPY is not supported: use executemany(), or COPY "
                                              "with a file on the server"));
    if (PQresultStatus(res) == PGRES_COPY_IN) {
        PQputCopyEnd(conn->pg, "COPY is not supported");
        pondi_postgres_flush(conn);
        return;
    }
    pondi_conn_broken(&conn->base); /* it may send gigabytes first: hang up instead */
    pondi_postgres_finish(conn);
}

void pondi_postgres_note_stale(pg_conn *conn, const PGresult *res)
{
    const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *function = PQresultErrorField(res, PG_DIAG_SOURCE_FUNCTION);
    if (!sqlstate || !conn->base.current->statement->prepared)
        return;
    conn->stale =
        strcmp(sqlstate, "26000") == 0 || (strcmp(sqlstate, "0A000") == 0 && function &&
                                           strcmp(function, "RevalidateCachedQuery") == 0);
}

void pondi_postgres_take_result(pg_conn *conn, PGresult *res)
{
    switch (PQresultStatus(res)) {
    case PGRES_TUPLES_OK:
    case PGRES_SINGLE_TUPLE:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        if (conn->error)
            break;
        if (!conn->result)
            conn->result = pondi_postgres_result_new();
        if (!conn->result) {
            PQclear(res);
            pondi_postgres_fail(conn, pondi_error_new(POND_ENOMEM, "out of memory"));
        } else if (pondi_postgres_result_add(conn->result, res)) {
            pondi_postgres_fail(conn, pondi_error_new(POND_ENOMEM, "out of memory"));
        }
        return;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        refuse_copy(conn, res);
        break;
    default:
        pondi_postgres_note_stale(conn, res);
        pondi_postgres_fail(conn, pondi_postgres_error(conn, res));
        break;
    }
    PQclear(res);
}

/* A change of the schema made the plan useless: forget it, and try again where that is safe. */
static int retry_stale(pg_conn *conn)
{
    pondi_statement *at = conn->base.current->statement;
    conn->stale = 0;
    if (conn->error && strcmp(conn->error->sqlstate, "26000") == 0)
        ((pg_statement *)at->prepared)->name[0] = '\0'; /* the server has it no more */
    pondi_postgres_statement_free(conn, at->prepared);
    at->prepared = NULL;
    int idle = PQtransactionStatus(conn->pg) == PQTRANS_IDLE;
    if (conn->retried || !(idle || conn->began_with))
        return 0;
    conn->retried = 1;
    pond_error_free(conn->error);
    conn->error = NULL;
    pondi_postgres_result_free(conn->result);
    conn->result = NULL;
    conn->sent = 0;
    if (idle)
        prepare(conn, at);
    else
        pondi_postgres_begin_first(conn, 1);
    return 1;
}

void pondi_postgres_executed(pg_conn *conn)
{
    if (conn->error && strncmp(conn->error->sqlstate, "57P", 3) == 0) {
        pondi_postgres_lost(conn);
        return;
    }
    if (conn->stale && retry_stale(conn))
        return;
    pondi_postgres_finish(conn);
}

#include <string.h>

#include "base/error.h"
#include "drivers/postgres/postgres.h"

enum { MOST_PARAMETERS = 65535 };

/* ---- Statements -------------------------------------------------------------------------- */

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

/* ---- Run --------------------------------------------------------------------------------- */

static int check_count(const pg_conn *conn, const pg_statement *statement, pond_error **err)
{
    const pondi_request *request = conn->base.current;
    if ((size_t)statement->param_count == request->column_count || request->call->row_count == 0)
        return POND_OK;
    return pondi_error_set(err, POND_EPARAMS,
                           "the server counts %d parameters, but %zu are written as ?: write ? "
                           "for each",
                           statement->param_count, request->column_count);
}

static void sent(pg_conn *conn, int ok)
{
    int stream = conn->base.current->call->kind == PONDI_REQUEST_STREAM;
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

static int send_whole(pg_conn *conn, const char *sql, int binary)
{
    return PQsendQueryParams(conn->pg, sql, (int)conn->base.current->column_count, conn->types,
                             conn->values, conn->lengths, conn->formats, binary);
}

static int send_unnamed(pg_conn *conn)
{
    return send_whole(conn, conn->base.current->statement->native, 0);
}

/* The server finds out anew which types the parameters have, in the same round trip. */
static int send_anew(pg_conn *conn)
{
    const pondi_statement *at = conn->base.current->statement;
    const pg_statement *statement = at->prepared;
    return send_whole(conn, statement->wrapped ? statement->wrapped : at->native,
                      statement->binary);
}

/* BEGIN can go in one pipeline with a statement whose end is one result. */
static int goes_with_begin(const pg_conn *conn)
{
    const pondi_request *request = conn->base.current;
    return request->call->kind == PONDI_REQUEST_EXECUTE &&
           is_prepared_verb(request->statement->info.verb) &&
           (conn->unnamed || request->statement->prepared);
}

/* What does not go with others: a stream's rows come one by one, COPY comes in another mode. */
static int goes_alone(const pondi_request *request)
{
    return request->call->kind != PONDI_REQUEST_EXECUTE ||
           strcmp(request->statement->info.verb, "COPY") == 0;
}

static int is_due_first(const pg_conn *conn)
{
    return conn->begin_pending || ((pondi_postgres_must_set(conn) || conn->base.awaited_first) &&
                                   pondi_postgres_may_go_first(conn));
}

static void run(pg_conn *conn, int (*send)(pg_conn *conn))
{
    if (is_due_first(conn) || (conn->base.tracks && !goes_alone(conn->base.current) &&
                               pondi_postgres_wants_position(conn)))
        pondi_postgres_together(conn, send);
    else
        sent(conn, send(conn));
}

static int all_fit(const pg_statement *statement, const pond_value *params)
{
    for (int i = 0; i < statement->param_count; i++) {
        if (!pondi_postgres_fits(&params[i], statement->param_kinds[i]))
            return 0;
    }
    return 1;
}

static int all_rows_fit(const pg_statement *statement, const pondi_request *request)
{
    for (size_t i = 0; i < request->call->row_count; i++) {
        if (!all_fit(statement, request->params + i * request->column_count))
            return 0;
    }
    return 1;
}

static void fail(pg_conn *conn, pond_error *error)
{
    pondi_postgres_fail(conn, error);
    pondi_postgres_finish(conn);
}

/* Many rows are worth the round trip that makes the types certain. */
static void run_many(pg_conn *conn, const pg_statement *statement)
{
    if (!conn->fresh && !all_rows_fit(statement, conn->base.current))
        pondi_postgres_prepare_anew(conn, NULL);
    else
        pondi_postgres_many_start(conn);
}

void pondi_postgres_run_prepared(pg_conn *conn)
{
    pondi_request *request = conn->base.current;
    const pg_statement *statement = request->statement->prepared;
    pond_error *error = NULL;
    if (!conn->fresh &&
        pondi_postgres_text_suffers(conn, statement)) { /* SET DateStyle came after */
        pondi_postgres_prepare_anew(conn, NULL);
        return;
    }
    int code = check_count(conn, statement, &error);
    if (!code && request->call->kind == PONDI_REQUEST_EXECUTE_MANY) {
        run_many(conn, statement);
        return;
    }
    int certain = conn->fresh || code || all_fit(statement, request->params);
    if (!code)
        code = pondi_postgres_encode(conn, request->params, request->column_count, statement,
                                     PG_AS_PREPARED, &error);
    if (code && !conn->fresh && code != POND_ENOMEM) {
        pondi_postgres_prepare_anew(conn, error);
        return;
    }
    if (!code && !certain)
        code = pondi_postgres_encode(conn, request->params, request->column_count, statement,
                                     PG_WHERE_FIT, &error);
    if (code) {
        fail(conn, error);
        return;
    }
    conn->sent = 0;
    run(conn, certain ? send_prepared : send_anew);
}

void pondi_postgres_run_unnamed(pg_conn *conn)
{
    pondi_request *request = conn->base.current;
    const pg_statement *described = conn->described;
    pond_error *error = NULL;
    int code = described ? check_count(conn, described, &error) : POND_OK;
    if (!code && request->call->kind == PONDI_REQUEST_EXECUTE_MANY) {
        pondi_postgres_many_start(conn);
        return;
    }
    if (!code)
        code = pondi_postgres_encode(conn, request->params, request->column_count, described,
                                     described ? PG_AS_PREPARED : PG_UNTYPED, &error);
    if (code)
        fail(conn, error);
    else
        run(conn, send_unnamed);
}

/* The server makes text of bytes without a word where it is not told what the parameter is. */
static int has_bytes(const pondi_request *request)
{
    for (size_t i = 0; i < request->call->row_count * request->column_count; i++) {
        if (pondi_postgres_has_bytes(&request->params[i]))
            return 1;
    }
    return 0;
}

/* It does not go with the statement: the replica is looked at, or the session set, alone. */
static int goes_first(pg_conn *conn)
{
    const pondi_request *request = conn->base.current;
    int alone = goes_alone(request);
    int unprepared = !runs_unnamed(conn, request) && !request->statement->prepared;
    if (conn->base.awaited_first && (alone || unprepared))
        pondi_postgres_wait_first(conn); /* what it names may have come by then */
    else if ((conn->begin_pending && !goes_with_begin(conn)) ||
             (pondi_postgres_must_set(conn) && alone))
        pondi_postgres_begin_first(conn, 0);
    else
        return 0;
    return 1;
}

void pondi_postgres_execute(pg_conn *conn)
{
    pondi_request *request = conn->base.current;
    if (request->column_count > MOST_PARAMETERS) {
        fail(conn, pondi_error_new(POND_EPARAMS,
                                   "%zu parameters are too many: PostgreSQL takes at most %d in a "
                                   "statement",
                                   request->column_count, MOST_PARAMETERS));
    } else if (is_due_first(conn) && goes_first(conn)) {
        return;
    } else if (runs_unnamed(conn, request)) {
        if (!conn->fresh && has_bytes(request))
            pondi_postgres_describe(conn);
        else
            pondi_postgres_run_unnamed(conn);
    } else if (request->statement->prepared) {
        pondi_postgres_run_prepared(conn);
    } else {
        pondi_postgres_prepare(conn);
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

/* The user's own DEALLOCATE ALL or DISCARD ALL takes our statements, too. */
static void note_command(pg_conn *conn, PGresult *res)
{
    const char *tag = PQcmdStatus(res);
    if (strcmp(tag, "DISCARD ALL") == 0 || strcmp(tag, "RESET") == 0)
        conn->is_read_only = 0; /* it may be: the next statement sets it again */
    if (strcmp(tag, "DEALLOCATE ALL") == 0 || strcmp(tag, "DISCARD ALL") == 0)
        pondi_postgres_forget_names(conn);
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
        note_command(conn, res);
        if (!conn->result)
            conn->result = pondi_postgres_result_new();
        if (!conn->result) {
            PQclear(res);
            pondi_postgres_fail(conn, pondi_error_new(POND_ENOMEM, "out of memory"));
        } else if (pondi_postgres_result_add(conn->result, conn, res)) {
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

/* A statement that was not described may have columns of types that are not known yet. */
static int look_up_columns(pg_conn *conn)
{
    pg_lookup lookup;
    if (conn->error || !conn->result || conn->base.current->stop_code ||
        PQstatus(conn->pg) != CONNECTION_OK)
        return 0;
    pondi_postgres_lookup_init(&lookup);
    pondi_postgres_result_look_up(conn->result, conn, &lookup);
    if (lookup.count)
        pondi_postgres_lookup_send(&lookup, conn);
    return lookup.count != 0;
}

void pondi_postgres_executed(pg_conn *conn)
{
    if (conn->error && strncmp(conn->error->sqlstate, "57P", 3) == 0) {
        pondi_postgres_lost(conn);
        return;
    }
    if (conn->stale && pondi_postgres_retry_stale(conn))
        return;
    if (!look_up_columns(conn))
        pondi_postgres_finish(conn);
}

void pondi_postgres_columns_known(pg_conn *conn)
{
    pond_error_free(conn->error); /* the statement has been executed: they stay text then */
    conn->error = NULL;
    pondi_postgres_result_retype(conn->result, conn);
    pondi_postgres_finish(conn);
}

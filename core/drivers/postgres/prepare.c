/* Statements are prepared and described in one round trip, and kept under a name. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "drivers/postgres/postgres.h"

enum {
    MOST_DESCRIBED = 7000 /* parameters. libpq takes a description of 30,000 bytes, 7,498 of them,
                             for a sign that it has lost its place in what the server sends. */
};

/* For more, the server is asked what it found out, in rows. */
static const char parameter_types[] =
    "SELECT t.type::pg_catalog.oid FROM pg_catalog.pg_prepared_statements s, "
    "pg_catalog.unnest(s.parameter_types) WITH ORDINALITY AS t (type, place) "
    "WHERE s.name = $1 ORDER BY t.place";

/* ---- Names ------------------------------------------------------------------------------- */

void pondi_postgres_statement_free(pg_conn *conn, pg_statement *statement)
{
    /* The server still has it: it is told with the next statement that it prepares. Where memory is
     * out, it stays there as long as the session. */
    if (statement->name[0] && statement != conn->preparing && !conn->base.dying &&
        !conn->names_gone)
        pondi_buffer_append(&conn->closing, statement->name, strlen(statement->name) + 1);
    pondi_free(statement->param_types);
    pondi_free(statement->param_kinds);
    pondi_free(statement->column_types);
    pondi_free(statement->inner_types);
    pondi_free(statement->wrapped);
    pondi_buffer_free(&statement->names);
    pondi_free(statement);
}

void pondi_postgres_forget_names(pg_conn *conn)
{
    conn->names_gone = 1;
    pondi_statement_cache_unprepare(&conn->base.statements);
    conn->names_gone = 0;
    pondi_buffer_free(&conn->closing);
}

/* ---- Send -------------------------------------------------------------------------------- */

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

static int send_describe(pg_conn *conn, const char *name)
{
    if (conn->base.current->column_count <= MOST_DESCRIBED)
        return PQsendDescribePrepared(conn->pg, name);
    return PQsendQueryParams(conn->pg, parameter_types, 1, NULL, &name, NULL, NULL, 0);
}

/* No other session's, if a pooler that knows nothing of prepared statements comes between: then a
 * statement is missing, and none is taken for another. */
static void put_name(pg_conn *conn, pg_statement *statement)
{
    if (!conn->mark) {
        const uint64_t origin[] = {(uint64_t)getpid(), (uint64_t)pondi_now_ns(), conn->base.id};
        conn->mark = (uint32_t)pondi_hash_bytes(origin, sizeof(origin)) | 1;
    }
    snprintf(statement->name, sizeof(statement->name), "millpond_%08x_%u", (unsigned)conn->mark,
             (unsigned)++conn->statements);
}

static void send_prepare(pg_conn *conn, pg_statement *preparing, const char *sql)
{
    conn->preparing = preparing;
    conn->phase = PG_PREPARING;
    conn->base.current->preparing = 1;
    if (!PQenterPipelineMode(conn->pg) || !send_closings(conn) ||
        !PQsendPrepare(conn->pg, preparing->name, sql, 0, NULL) ||
        !send_describe(conn, preparing->name) || !PQpipelineSync(conn->pg)) {
        pondi_postgres_lost(conn);
        return;
    }
    conn->results_left += 1; /* the prepare's; then comes the description */
    pondi_postgres_flush(conn);
}

void pondi_postgres_prepare(pg_conn *conn)
{
    pg_statement *preparing = pondi_calloc(1, sizeof(*preparing));
    if (preparing) {
        put_name(conn, preparing);
        send_prepare(conn, preparing, conn->base.current->statement->native);
        return;
    }
    pondi_postgres_fail(conn, pondi_error_new(POND_ENOMEM, "out of memory"));
    pondi_postgres_finish(conn);
}

void pondi_postgres_describe(pg_conn *conn)
{
    pg_statement *preparing = pondi_calloc(1, sizeof(*preparing));
    if (preparing && conn->base.current->column_count <= MOST_DESCRIBED) {
        send_prepare(conn, preparing, conn->base.current->statement->native);
        return;
    }
    pondi_free(preparing);
    conn->fresh = 1;
    pondi_postgres_run_unnamed(conn);
}

void pondi_postgres_forget_described(pg_conn *conn)
{
    if (conn->described)
        pondi_postgres_statement_free(conn, conn->described);
    conn->described = NULL;
}

/* Prepare the statement that is known now inside another; 0 if that is not possible. */
static int prepare_wrapped(pg_conn *conn)
{
    pg_statement *plain = conn->preparing;
    pg_statement *preparing = pondi_calloc(1, sizeof(*preparing));
    pondi_buffer sql;
    pondi_buffer_init(&sql);
    if (!preparing || !pondi_postgres_wrap(conn, plain, &sql, &preparing->before)) {
        pondi_buffer_free(&sql);
        pondi_free(preparing);
        return 0;
    }
    preparing->wrapped = pondi_buffer_take(&sql);
    conn->plain = plain;
    put_name(conn, preparing);
    send_prepare(conn, preparing, preparing->wrapped);
    return 1;
}

/* ---- The description --------------------------------------------------------------------- */

static Oid *new_types(int count)
{
    return pondi_calloc(count ? (size_t)count : 1, sizeof(Oid));
}

static int make_params(pg_statement *statement, int count)
{
    statement->param_count = count;
    statement->param_types = new_types(count);
    statement->param_kinds = new_types(count);
    return statement->param_types && statement->param_kinds ? POND_OK : POND_ENOMEM;
}

static int read_description(pg_statement *statement, const PGresult *res)
{
    int count = PQnparams(res);
    int columns = PQnfields(res);
    if (make_params(statement, count))
        return POND_ENOMEM;
    for (int i = 0; i < count; i++)
        statement->param_types[i] = PQparamtype(res, i);
    statement->column_types = new_types(columns);
    if (!statement->column_types)
        return POND_ENOMEM;
    statement->column_count = columns;
    for (int i = 0; i < columns; i++) {
        statement->column_types[i] = PQftype(res, i);
        pondi_buffer_append(&statement->names, PQfname(res, i), strlen(PQfname(res, i)) + 1);
    }
    statement->described = 1;
    return POND_OK;
}

/* Nothing is known of the columns then: they come as text. */
static int read_parameter_types(pg_statement *statement, const PGresult *res)
{
    int count = PQntuples(res);
    if (make_params(statement, count))
        return POND_ENOMEM;
    for (int i = 0; i < count; i++)
        statement->param_types[i] = pondi_postgres_read_oid(res, i, 0);
    statement->described = 1;
    return POND_OK;
}

static void prepared(pg_conn *conn);

void pondi_postgres_take_prepared(pg_conn *conn, PGresult *res)
{
    int code = POND_OK;
    switch (PQresultStatus(res)) {
    case PGRES_FATAL_ERROR:
        if (conn->results_left > 1) /* an old one that is gone already: the rest was skipped */
            conn->closing_failed = 1;
        else
            pondi_postgres_fail(conn, pondi_postgres_error(conn, res));
        break;
    case PGRES_PIPELINE_SYNC:
        PQclear(res);
        prepared(conn);
        return;
    case PGRES_COMMAND_OK:
        if (conn->results_left-- == 0)
            code = read_description(conn->preparing, res);
        break;
    case PGRES_TUPLES_OK:
        code = read_parameter_types(conn->preparing, res);
        break;
    default: /* skipped by the server after an error */
        break;
    }
    if (code)
        pondi_postgres_fail(conn, pondi_error_new(POND_ENOMEM, "out of memory"));
    PQclear(res);
}

/* ---- Then -------------------------------------------------------------------------------- */

static void choose_forms(const pg_conn *conn, pg_statement *statement)
{
    for (int i = 0; i < statement->param_count; i++)
        statement->param_kinds[i] = pondi_postgres_kind(conn, statement->param_types[i]);
    statement->binary = statement->column_types != NULL;
    for (int i = 0; i < statement->column_count; i++) {
        if (!pondi_postgres_has_binary(conn, statement->column_types[i]))
            statement->binary = 0;
    }
    pondi_postgres_note_styles(conn, statement);
}

/* The statement that is being prepared has text around it: which of its columns are text for that
 * reason. */
static int note_inner_types(const pg_conn *conn, pg_statement *statement)
{
    const pg_statement *plain = conn->plain;
    statement->inner_types = new_types(plain->column_count);
    if (!statement->inner_types || plain->column_count != statement->column_count)
        return 0;
    for (int i = 0; i < plain->column_count; i++) {
        if (!pondi_postgres_has_binary(conn, plain->column_types[i]))
            statement->inner_types[i] = plain->column_types[i];
    }
    return 1;
}

/* Go on with one of the two, and forget the other. */
static void choose(pg_conn *conn, pg_statement *chosen, pg_statement *other)
{
    conn->preparing = NULL;
    conn->plain = NULL;
    pondi_postgres_statement_free(conn, other);
    conn->preparing = chosen;
}

static void run(pg_conn *conn)
{
    pondi_request *request = conn->base.current;
    int named = conn->preparing->name[0] != '\0';
    pondi_buffer_free(&conn->preparing->names);
    if (named)
        request->statement->prepared = conn->preparing;
    else
        conn->described = conn->preparing;
    conn->preparing = NULL;
    conn->fresh = 1;
    request->preparing = 0;
    conn->sent = 0;
    if (named && pondi_postgres_ends_as_before(conn)) {
        pondi_postgres_finish(conn);
        return;
    }
    if (request->stop_code) { /* cancelled meanwhile: not to be started at all */
        pondi_postgres_fail(conn, pondi_error_new(POND_ECANCELLED, "cancelled"));
        pondi_postgres_finish(conn);
        return;
    }
    if (named)
        pondi_postgres_run_prepared(conn);
    else
        pondi_postgres_run_unnamed(conn);
}

void pondi_postgres_types_known(pg_conn *conn)
{
    pg_statement *statement = conn->preparing;
    choose_forms(conn, statement);
    if (conn->plain && note_inner_types(conn, statement))
        choose(conn, statement, conn->plain);
    else if (conn->plain)
        choose(conn, conn->plain, statement);
    else if (statement->name[0] && pondi_postgres_text_suffers(conn, statement) &&
             prepare_wrapped(conn))
        return;
    conn->preparing->unwrappable = pondi_postgres_text_suffers(conn, conn->preparing);
    run(conn);
}

/* There cannot be another one around this statement. */
static void run_plain(pg_conn *conn)
{
    pond_error_free(conn->error);
    conn->error = NULL;
    conn->closing_failed = 0;
    conn->preparing->name[0] = '\0'; /* the server has none */
    choose(conn, conn->plain, conn->preparing);
    conn->preparing->unwrappable = 1;
    run(conn);
}

static int needs_lookup(const pg_conn *conn, const pg_statement *statement)
{
    for (int i = 0; i < statement->param_count; i++) {
        if (!pondi_postgres_knows_type(conn, statement->param_types[i]))
            return 1;
    }
    for (int i = 0; i < statement->column_count; i++) {
        if (!pondi_postgres_knows_type(conn, statement->column_types[i]))
            return 1;
    }
    return 0;
}

/* Look up what is not known of the statement that is being prepared, and go on with it. */
static void look_up_types(pg_conn *conn)
{
    const pg_statement *statement = conn->preparing;
    pg_lookup lookup;
    pondi_postgres_lookup_init(&lookup);
    for (int i = 0; i < statement->param_count; i++)
        pondi_postgres_lookup_add(&lookup, conn, statement->param_types[i]);
    for (int i = 0; i < statement->column_count; i++)
        pondi_postgres_lookup_add(&lookup, conn, statement->column_types[i]);
    pondi_postgres_lookup_send(&lookup, conn);
}

/* Forget what was begun. */
static void drop_preparing(pg_conn *conn)
{
    pg_statement *statement = conn->preparing;
    if (statement)
        pondi_postgres_statement_free(conn, statement);
    conn->preparing = NULL;
}

static void prepared(pg_conn *conn)
{
    pg_statement *statement = conn->preparing;
    if (!PQexitPipelineMode(conn->pg)) {
        pondi_postgres_lost(conn);
        return;
    }
    if (!conn->error && !conn->closing_failed && !statement->described) {
        pondi_log(POND_LOG_WARNING, "postgres",
                  "the server prepared a statement but did not describe it, so the connection was "
                  "closed");
        pondi_postgres_lost(conn); /* what else it sends may be for something else */
        return;
    }
    pondi_buffer_free(&conn->closing); /* closed, or gone before */
    if (conn->plain && (conn->error || conn->closing_failed)) {
        run_plain(conn);
        return;
    }
    if (conn->error || conn->closing_failed) {
        int again = !conn->error;
        conn->closing_failed = 0;
        drop_preparing(conn);
        if (again)
            pondi_postgres_prepare(conn);
        else
            pondi_postgres_finish(conn);
        return;
    }
    if (needs_lookup(conn, statement))
        look_up_types(conn);
    else
        pondi_postgres_types_known(conn);
}

void pondi_postgres_looked_up(pg_conn *conn)
{
    if (!conn->preparing) {
        pondi_postgres_columns_known(conn);
        return;
    }
    if (!conn->error) {
        pondi_postgres_types_known(conn);
        return;
    }
    pg_statement *statement = conn->preparing;
    conn->preparing = NULL; /* the server has it: its name is to be closed */
    pondi_postgres_statement_free(conn, statement);
    pondi_postgres_finish(conn);
}

/* BEGIN does nothing that anyone could see before the first statement: so it waits for that one,
 * and costs no round trip of its own. */
#include "base/error.h"
#include "drivers/postgres/postgres.h"

void pondi_postgres_transaction(pg_conn *conn)
{
    pond_transaction_verb verb = conn->base.current->call->verb;
    if (verb == POND_BEGIN || conn->begin_pending) {
        conn->begin_pending = verb == POND_BEGIN;
        pondi_postgres_finish(conn);
    } else {
        pondi_postgres_command(conn, verb == POND_COMMIT ? "COMMIT" : "ROLLBACK");
    }
}

/* ---- Together ---------------------------------------------------------------------------- */

void pondi_postgres_begin_with(pg_conn *conn, int (*send)(pg_conn *conn))
{
    conn->phase = PG_BEGIN_WITH;
    if (!PQenterPipelineMode(conn->pg) ||
        !PQsendQueryParams(conn->pg, "BEGIN", 0, NULL, NULL, NULL, NULL, 0) || !send(conn) ||
        !PQpipelineSync(conn->pg)) {
        pondi_postgres_lost(conn);
        return;
    }
    pondi_postgres_flush(conn);
}

void pondi_postgres_take_begin_with(pg_conn *conn, PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);
    if (status == PGRES_COMMAND_OK && conn->begin_pending) {
        conn->begin_pending = 0;
        conn->began_with = 1;
        PQclear(res);
    } else if (status == PGRES_PIPELINE_SYNC) {
        PQclear(res);
        pondi_postgres_pipeline_ended(conn);
    } else if (status == PGRES_PIPELINE_ABORTED) {
        PQclear(res);
    } else {
        pondi_postgres_take_result(conn, res);
    }
}

/* ---- One after the other ----------------------------------------------------------------- */

void pondi_postgres_begin_first(pg_conn *conn, int failed)
{
    conn->phase = PG_BEGINNING;
    conn->base.current->preparing = 1;
    if (!PQsendQuery(conn->pg, failed ? "ROLLBACK; BEGIN" : "BEGIN"))
        pondi_postgres_lost(conn);
    else
        pondi_postgres_flush(conn);
}

void pondi_postgres_take_begin(pg_conn *conn, PGresult *res)
{
    if (PQresultStatus(res) == PGRES_COMMAND_OK)
        conn->begin_pending = 0;
    else
        pondi_postgres_fail(conn, pondi_postgres_error(conn, res));
    PQclear(res);
}

void pondi_postgres_begun(pg_conn *conn)
{
    if (!conn->error && conn->base.current->stop_code)
        pondi_postgres_fail(conn, pondi_error_new(POND_ECANCELLED, "cancelled"));
    conn->sent = 0;
    conn->base.current->preparing = 0;
    if (conn->error)
        pondi_postgres_executed(conn);
    else
        pondi_postgres_execute(conn);
}

/* BEGIN does nothing that anyone could see before the first statement: so it waits for that one,
 * and costs no round trip of its own. The same goes for what makes the session read-only. Here is
 * what goes alone where it cannot go with the statement (together.c). */
#include "base/error.h"
#include "drivers/postgres/postgres.h"

static const char read_only[] = "SET default_transaction_read_only TO on";
static const char as_before[] = "RESET default_transaction_read_only";

void pondi_postgres_transaction(pg_conn *conn)
{
    pond_transaction_verb verb = conn->base.current->call->verb;
    if (verb == POND_BEGIN || conn->begin_pending) {
        conn->begin_pending = verb == POND_BEGIN;
        if (conn->base.tracks)
            pondi_conn_note_nothing(&conn->base);
        pondi_postgres_finish(conn);
    } else if (verb == POND_ROLLBACK) {
        pondi_postgres_command(conn, "ROLLBACK");
    } else {
        pondi_postgres_command(
            conn, pondi_postgres_wants_position(conn) ? "COMMIT; SELECT " PG_WRITTEN : "COMMIT");
    }
}

const char *pondi_postgres_setting(const pg_conn *conn)
{
    return conn->base.read_only ? read_only : as_before;
}

/* ---- Alone ------------------------------------------------------------------------------- */

/* A transaction is read-only as the session is when it begins. */
static const char *text_of(const pg_conn *conn, int failed)
{
    static const char set_and_begin[] =
        "BEGIN; SET default_transaction_read_only TO on; COMMIT; BEGIN";
    static const char reset_and_begin[] =
        "BEGIN; RESET default_transaction_read_only; COMMIT; BEGIN";
    if (failed)
        return "ROLLBACK; BEGIN";
    if (!pondi_postgres_must_set(conn))
        return "BEGIN";
    if (!conn->begin_pending || pondi_postgres_one_by_one(conn))
        return pondi_postgres_setting(conn); /* BEGIN comes next */
    return conn->base.read_only ? set_and_begin : reset_and_begin;
}

void pondi_postgres_begin_first(pg_conn *conn, int failed)
{
    conn->phase = PG_BEGINNING;
    conn->base.current->preparing = 1;
    if (!PQsendQuery(conn->pg, text_of(conn, failed)))
        pondi_postgres_lost(conn);
    else
        pondi_postgres_flush(conn);
}

void pondi_postgres_take_begin(pg_conn *conn, PGresult *res)
{
    if (PQresultStatus(res) != PGRES_COMMAND_OK)
        pondi_postgres_fail(conn, pondi_postgres_error(conn, res));
    PQclear(res);
}

void pondi_postgres_begun(pg_conn *conn)
{
    if (conn->error && PQtransactionStatus(conn->pg) == PQTRANS_INERROR) {
        pondi_postgres_roll_back(conn);
        return;
    }
    if (!conn->error) {
        if (!pondi_postgres_must_set(conn) || !pondi_postgres_one_by_one(conn))
            conn->begin_pending = 0;
        conn->is_read_only = conn->base.read_only;
    }
    if (!conn->error && conn->base.current->stop_code)
        pondi_postgres_fail(conn, pondi_error_new(POND_ECANCELLED, "cancelled"));
    conn->sent = 0;
    conn->base.current->preparing = 0;
    if (conn->error)
        pondi_postgres_executed(conn);
    else
        pondi_postgres_execute(conn);
}

/* ---- Undone ------------------------------------------------------------------------------ */

void pondi_postgres_roll_back(pg_conn *conn)
{
    conn->phase = PG_ROLLING_BACK;
    conn->base.current->preparing = 1;
    if (!PQsendQuery(conn->pg, "ROLLBACK"))
        pondi_postgres_lost(conn);
    else
        pondi_postgres_flush(conn);
}

void pondi_postgres_rolled_back(pg_conn *conn)
{
    conn->base.current->preparing = 0;
    conn->answered = 0;
    if (!conn->error && conn->base.current->stop_code)
        pondi_postgres_fail(conn, pondi_error_new(POND_ECANCELLED, "cancelled"));
    if (conn->error)
        pondi_postgres_executed(conn);
    else
        pondi_postgres_wait_first(conn);
}

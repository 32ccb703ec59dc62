/* What goes with a statement in one pipeline, and so costs no round trip of its own: before it what
 * makes the session read-only, a look whether a replica is far enough, and BEGIN; behind it the
 * question where its commit is.
 *
 * What comes first stands in a transaction of its own, in the segment of the statement: if it
 * fails, the server skips the statement. Else the statement begins after that transaction, so that
 * it sees all that the look saw, whatever its isolation. The question behind it has a segment of
 * its own: it comes after the commit, and fails nothing but itself. */
#include <string.h>

#include "base/error.h"
#include "drivers/postgres/postgres.h"

/* Where the replica is not there yet, an error ends the segment; the server's log says what it is
 * for. What is volatile in it keeps the planner from making it beforehand. */
static const char look[] =
    "SELECT CASE WHEN pg_catalog.pg_lsn_ge(pg_catalog.pg_last_wal_replay_lsn(), "
    "$1::pg_catalog.pg_lsn) THEN 1 ELSE pg_catalog.concat('this replica is at ', "
    "pg_catalog.pg_last_wal_replay_lsn(), ', and millpond waits for ', $1)::pg_catalog.int4 END";
static const char not_there_yet[] = "22P02";

static const char where[] = "SELECT " PG_WRITTEN;

/* ---- Send -------------------------------------------------------------------------------- */

static void add(pg_conn *conn, pg_part part)
{
    conn->together.parts[conn->together.count++] = (unsigned char)part;
}

static int send(pg_conn *conn, pg_part part, const char *sql)
{
    add(conn, part);
    return PQsendQueryParams(conn->pg, sql, 0, NULL, NULL, NULL, NULL, 0);
}

static int send_look(pg_conn *conn)
{
    char text[40];
    const char *values[] = {text};
    uint64_t lsn = conn->base.awaited_first->number;
    snprintf(text, sizeof(text), "%X/%X", (unsigned)(lsn >> 32), (unsigned)lsn);
    add(conn, PG_PART_LOOK);
    return PQsendQueryParams(conn->pg, look, 1, NULL, values, NULL, NULL, 0);
}

static int send_first(pg_conn *conn)
{
    int sets = pondi_postgres_must_set(conn);
    int looks = conn->base.awaited_first != NULL;
    if ((!sets && !looks) || !pondi_postgres_may_go_first(conn))
        return 1;
    return send(conn, PG_PART_FIRST, "BEGIN") &&
           (!sets || send(conn, PG_PART_FIRST, pondi_postgres_setting(conn))) &&
           (!looks || send_look(conn)) && send(conn, PG_PART_FIRST_END, "COMMIT");
}

static int end_segment(pg_conn *conn)
{
    add(conn, PG_PART_END);
    return PQpipelineSync(conn->pg);
}

/* What a statement alone has read is bounded by where the log is after it: then the session's next
 * read need not stay at the primary. */
static int reads_alone(const pondi_conn *base)
{
    return base->current->call->kind == PONDI_REQUEST_EXECUTE && !base->began_in_transaction &&
           !base->in_transaction;
}

int pondi_postgres_wants_position(const pg_conn *conn)
{
    const pondi_conn *base = &conn->base;
    return base->tracks && !(base->role & PONDI_SERVER_STANDBY) &&
           !pondi_postgres_one_by_one(conn) &&
           (reads_alone(base) || pondi_conn_may_commit(base, base->current));
}

int pondi_postgres_ask_position(pg_conn *conn)
{
    return PQsendQueryParams(conn->pg, where, 0, NULL, NULL, NULL, NULL, 0) &&
           PQpipelineSync(conn->pg);
}

void pondi_postgres_together(pg_conn *conn, int (*send_statement)(pg_conn *conn))
{
    int ok = PQenterPipelineMode(conn->pg);
    conn->phase = PG_TOGETHER;
    conn->together = (pg_together){.count = 0};
    ok = ok && send_first(conn);
    ok = ok && (!conn->begin_pending || send(conn, PG_PART_BEGIN, "BEGIN"));
    add(conn, PG_PART_STATEMENT);
    ok = ok && send_statement(conn) && end_segment(conn);
    if (ok && pondi_postgres_wants_position(conn)) {
        add(conn, PG_PART_POSITION);
        add(conn, PG_PART_END);
        ok = pondi_postgres_ask_position(conn);
    }
    if (ok)
        pondi_postgres_flush(conn);
    else
        pondi_postgres_lost(conn);
}

/* ---- Take -------------------------------------------------------------------------------- */

void pondi_postgres_take_position(pg_conn *conn, const PGresult *res)
{
    if (PQresultStatus(res) != PGRES_TUPLES_OK)
        return; /* it is not known then */
    pondi_position found = pondi_postgres_read_written(res, 0);
    if (found.kind != PONDI_POSITION_NONE)
        pondi_conn_note_position(&conn->base, &found);
}

static void first_failed(pg_conn *conn, pg_part part, const PGresult *res)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    conn->together.first_failed = 1;
    if (part != PG_PART_LOOK || !state || strcmp(state, not_there_yet) != 0)
        pondi_postgres_fail(conn, pondi_postgres_error(conn, res));
}

static void first_done(pg_conn *conn)
{
    conn->is_read_only = conn->base.read_only;
    conn->base.awaited_first = NULL;
}

static void begun(pg_conn *conn)
{
    conn->begin_pending = 0;
    conn->began_with = 1;
}

static void take_part(pg_conn *conn, pg_part part, PGresult *res)
{
    int failed = PQresultStatus(res) == PGRES_FATAL_ERROR;
    if (part == PG_PART_STATEMENT || (part == PG_PART_BEGIN && failed)) {
        pondi_postgres_take_result(conn, res);
        return;
    }
    if (part == PG_PART_POSITION)
        pondi_postgres_take_position(conn, res);
    else if (failed)
        first_failed(conn, part, res);
    else if (part == PG_PART_FIRST_END)
        first_done(conn);
    else if (part == PG_PART_BEGIN)
        begun(conn);
    PQclear(res);
}

/* The transaction of what came first is still open, and failed. */
static void undo_first(pg_conn *conn)
{
    if (!PQexitPipelineMode(conn->pg))
        pondi_postgres_lost(conn);
    else
        pondi_postgres_roll_back(conn);
}

static void segment_ended(pg_conn *conn)
{
    pg_together *together = &conn->together;
    while (together->at < together->count && together->parts[together->at] != PG_PART_END)
        together->at++;
    together->at++;
    if (together->at < together->count) {
        conn->answered = !together->first_failed;
        return;
    }
    if (together->first_failed)
        undo_first(conn);
    else
        pondi_postgres_pipeline_ended(conn);
}

void pondi_postgres_take_together(pg_conn *conn, PGresult *res)
{
    pg_together *together = &conn->together;
    ExecStatusType status = PQresultStatus(res);
    if (status == PGRES_PIPELINE_SYNC) {
        PQclear(res);
        segment_ended(conn);
    } else if (status == PGRES_PIPELINE_ABORTED || together->at == together->count) {
        together->at++;
        PQclear(res);
    } else {
        take_part(conn, (pg_part)together->parts[together->at++], res);
    }
}

/* Waiting until a replica has applied a position: it is asked again and again, with pauses that
 * grow, since no server before version 19 can be told to say when. */
#include "base/clock.h"
#include "base/error.h"
#include "drivers/postgres/postgres.h"

enum {
    FIRST_PAUSE_MS = 1,
    MOST_PAUSE_MS = 16,
    SPARE_MS = 5 /* of a request's time, so that it ends by itself */
};

/* Where the server is promoted meanwhile, it has what it had applied. */
static const char question[] =
    "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() "
    "ELSE pg_catalog.pg_current_wal_insert_lsn() END";

static void ask(pg_conn *conn)
{
    conn->phase = PG_LOOKING;
    conn->wait.reached = 0;
    if (!PQsendQuery(conn->pg, question))
        pondi_postgres_lost(conn);
    else
        pondi_postgres_flush(conn);
}

static void on_time(void *data)
{
    pg_conn *conn = data;
    if (conn->phase == PG_WAITING)
        ask(conn);
}

static void wait_for(pg_conn *conn, const pondi_position *position, int64_t until_ns)
{
    conn->wait.position = position;
    conn->wait.until_ns = until_ns;
    conn->wait.pause_ms = FIRST_PAUSE_MS;
    conn->base.current->preparing = 1;
    ask(conn);
}

void pondi_postgres_wait_for(pg_conn *conn)
{
    const pondi_position *position = conn->base.awaited;
    int64_t until_ns = conn->base.current->deadline_ns;
    if (position->kind == PONDI_POSITION_LSN) {
        wait_for(conn, position,
                 until_ns == PONDI_NEVER ? until_ns
                                         : until_ns - (int64_t)SPARE_MS * PONDI_NS_PER_MS);
        return;
    }
    if (position->kind != PONDI_POSITION_NONE)
        pondi_postgres_fail(conn,
                            pondi_error_new(POND_EINVAL, "this is no position of PostgreSQL"));
    pondi_postgres_finish(conn);
}

void pondi_postgres_wait_first(pg_conn *conn)
{
    wait_for(conn, conn->base.awaited_first, conn->base.awaited_until_ns);
}

void pondi_postgres_take_wait(pg_conn *conn, PGresult *res)
{
    if (PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1)
        conn->wait.reached = pondi_postgres_read_lsn(res, 0) >= conn->wait.position->number;
    else
        pondi_postgres_fail(conn, pondi_postgres_error(conn, res));
    PQclear(res);
}

static void reached(pg_conn *conn)
{
    pondi_request *request = conn->base.current;
    request->preparing = 0;
    if (request->call->kind == PONDI_REQUEST_WAIT_FOR) {
        pondi_postgres_finish(conn);
        return;
    }
    conn->base.awaited_first = NULL;
    conn->sent = 0;
    pondi_postgres_execute(conn);
}

static pond_error *too_late(const pg_conn *conn)
{
    uint64_t lsn = conn->wait.position->number;
    pond_error *error = pondi_error_new(
        POND_ETIMEDOUT, "timed out: the server has not applied %X/%X yet, so nothing was sent",
        (unsigned)(lsn >> 32), (unsigned)lsn);
    if (!pondi_error_is_shared(error))
        error->unsent = 1;
    return error;
}

static void pause_then_ask(pg_conn *conn)
{
    pond_error *error = NULL;
    pg_wait *wait = &conn->wait;
    if (!wait->timer && pondi_timer_new(conn->base.loop, on_time, conn, &wait->timer, &error)) {
        pondi_postgres_fail(conn, error);
        pondi_postgres_finish(conn);
        return;
    }
    int64_t next_ns = pondi_deadline_ns(wait->pause_ms);
    conn->phase = PG_WAITING;
    pondi_timer_start(wait->timer, next_ns < wait->until_ns ? next_ns : wait->until_ns);
    if (wait->pause_ms < MOST_PAUSE_MS)
        wait->pause_ms *= 2;
}

void pondi_postgres_waited(pg_conn *conn)
{
    if (!conn->error && conn->base.current->stop_code)
        pondi_postgres_fail(conn, pondi_error_new(POND_ECANCELLED, "cancelled"));
    else if (!conn->error && !conn->wait.reached && pondi_now_ns() >= conn->wait.until_ns)
        pondi_postgres_fail(conn, too_late(conn));
    if (conn->error)
        pondi_postgres_finish(conn);
    else if (conn->wait.reached)
        reached(conn);
    else
        pause_then_ask(conn);
}

void pondi_postgres_end_wait(pg_conn *conn)
{
    pondi_timer_free(conn->wait.timer);
    conn->wait.timer = NULL;
}

/* A cancel travels on a connection of its own and may arrive after the statement has ended. So a
 * request that was cancelled ends only when the cancel is over, and what it might still hit is an
 * empty statement of ours. */
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "drivers/postgres/postgres.h"

static void send_cancel(pg_task *task)
{
    char problem[256];
    task->cancel_failed =
        !pondi_postgres_cancel_request_send(task->cancel, problem, sizeof(problem));
    if (task->cancel_failed && !task->cancel_told) /* it is repeated until the statement ends */
        pondi_log(POND_LOG_WARNING, "postgres", "a statement could not be cancelled: %s", problem);
}

/* By the server, so that nothing of the cancel is left. */
static int was_cancelled(const pg_conn *conn)
{
    return conn->error && strcmp(conn->error->sqlstate, "57014") == 0;
}

static void absorb_late_cancel(pg_conn *conn)
{
    conn->phase = PG_ABSORBING_CANCEL;
    if (!PQsendQuery(conn->pg, "")) {
        pondi_postgres_lost(conn);
        return;
    }
    pondi_postgres_flush(conn);
}

static void cancel_done(pg_conn *conn, pg_task *task)
{
    conn->base.cancel_failed |= task->cancel_failed;
    if (!conn->held)
        return; /* the statement still runs: its answer will tell */
    conn->held = 0;
    if (was_cancelled(conn) || conn->base.state == PONDI_CONN_BROKEN)
        pondi_postgres_finish(conn);
    else
        absorb_late_cancel(conn);
}

void pondi_postgres_cancel(pg_conn *conn)
{
    if (conn->phase == PG_RESOLVING || conn->phase == PG_CONNECTING ||
        conn->phase == PG_SETTING_UP) {
        pondi_conn_broken(&conn->base);
        pondi_postgres_fail(conn, pondi_error_new(POND_ECANCELLED, "stopped while connecting"));
        pondi_postgres_finish(conn);
        return;
    }
    if (conn->phase == PG_WAITING) {
        pondi_postgres_fail(conn, pondi_error_new(POND_ECANCELLED, "stopped while waiting"));
        pondi_postgres_finish(conn);
        return;
    }
    if (conn->held || conn->phase == PG_ABSORBING_CANCEL)
        return; /* it has ended already */
    pg_task *task = conn->task ? NULL : pondi_postgres_task_new(conn);
    if (!task)
        return; /* the grace period will close the connection */
    task->cancel = pondi_postgres_cancel_request_new(conn->pg);
    if (!task->cancel) {
        pondi_task_drop(&task->base);
        return; /* the same */
    }
    task->cancel_told = conn->base.cancel_failed;
    task->base.spare = 1;
    task->work = send_cancel;
    task->done = cancel_done;
    pondi_postgres_task_run(task, NULL);
}

/* A cancel travels on a session of its own and may arrive after the statement has ended. So a
 * request that was cancelled ends only when the cancel is over, and what it might still hit is an
 * empty statement of ours. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "drivers/mysql/mysql.h"

enum { CANCEL_TIMEOUT_MS = 2000 };

/* A cancel is repeated until the statement ends: one line for all of them is enough. */
static void note_failure(my_task *task, const char *why)
{
    task->failed = 1;
    if (!task->told)
        pondi_log(POND_LOG_WARNING, "mysql", "a statement could not be cancelled: %s", why);
}

static void kill_query(pondi_task *base)
{
    my_task *task = (my_task *)base;
    char sql[64];
    pond_error *error = NULL;
    MYSQL *mysql = pondi_mysql_open_bare(task->config, NULL, CANCEL_TIMEOUT_MS, &error);
    snprintf(sql, sizeof(sql), "KILL QUERY %lu", task->victim);
    if (!mysql)
        note_failure(task, pond_error_message(error));
    else if (mysql_real_query(mysql, sql, (unsigned long)strlen(sql)))
        note_failure(task, mysql_error(mysql));
    pond_error_free(error);
    if (mysql)
        mysql_close(mysql);
    mysql_thread_end();
}

static const char nothing[] = "DO 0";

static void settled_at_last(my_conn *conn)
{
    if (conn->failed && pondi_mysql_is_loss(conn, mysql_errno(conn->mysql)))
        pondi_mysql_move(conn, MY_ON_LOSS);
}

/* One that fails says nothing of the transaction: it was stopped in the place of another, or Vitess
 * notices only now that the transaction has ended. */
static void settled(my_conn *conn)
{
    settled_at_last(conn);
    if (conn->failed && !pondi_mysql_is_lost(conn))
        pondi_mysql_query(conn, nothing, sizeof(nothing) - 1, settled_at_last);
}

void pondi_mysql_settle(my_conn *conn)
{
    pondi_mysql_move(conn, MY_ON_SETTLE);
    pondi_mysql_query(conn, nothing, sizeof(nothing) - 1, settled);
    pondi_mysql_run(conn);
}

static void cancel_done(pondi_task *base)
{
    my_conn *conn = base->owner;
    conn->task = NULL;
    conn->base.cancel_failed |= ((my_task *)base)->failed;
    if (pondi_mysql_phase(conn) != MY_HELD)
        return; /* the statement still runs: its answer will tell */
    if (conn->base.state == PONDI_CONN_BROKEN)
        pondi_mysql_ended(conn);
    else
        pondi_mysql_settle(conn);
}

void pondi_mysql_cancel(my_conn *conn)
{
    if (conn->request->call->kind == PONDI_REQUEST_CONNECT) {
        pondi_mysql_fail(conn, pondi_error_new(POND_ECANCELLED, "stopped while connecting"));
        conn->task->base.owner = NULL;
        conn->task = NULL;
        pondi_mysql_move(conn, MY_ON_LOSS);
        pondi_mysql_ended(conn);
        return;
    }
    my_phase phase = pondi_mysql_move(conn, MY_ON_STOP);
    if (phase == MY_HELD || phase == MY_SETTLING)
        return; /* it has ended already */
    if (phase == MY_BEGINNING)
        return; /* what follows must not be executed outside a transaction: soon, then */
    my_task *task = conn->task || pondi_mysql_is_lost(conn) ? NULL : pondi_mysql_task_new(conn);
    if (!task)
        return; /* the grace period will close the connection */
    task->told = conn->base.cancel_failed;
    task->victim = mysql_thread_id(conn->mysql);
    task->base.spare = 1;
    task->base.work = kill_query;
    task->base.done = cancel_done;
    if (!pondi_task_run(&task->base, NULL))
        conn->task = task;
}

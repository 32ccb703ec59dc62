/* Waiting until a replica has applied a position, on the server. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "drivers/mysql/mysql.h"

enum { SPARE_MS = 20, LEAST_MS = 1 };

/* ---- The answer -------------------------------------------------------------------------- */

static pond_error *too_late(void)
{
    return pondi_error_new(POND_ETIMEDOUT,
                           "timed out: the server has not applied the position yet");
}

/* "0": it is there. */
static void answer_read(my_conn *conn)
{
    if (!conn->rows) {
        pondi_mysql_call_failed(conn, NULL);
        return;
    }
    MYSQL_ROW row = mysql_fetch_row(conn->rows);
    int reached = row && row[0] && atoi(row[0]) == 0;
    mysql_free_result(conn->rows);
    conn->rows = NULL;
    if (!reached)
        pondi_mysql_fail(conn, pondi_mysql_is_stopping(conn)
                                   ? pondi_error_new(POND_ECANCELLED, "stopped while waiting")
                                   : too_late());
}

static void asked(my_conn *conn)
{
    if (conn->failed)
        pondi_mysql_call_failed(conn, NULL);
    else
        pondi_mysql_call(conn, MY_ROWS, answer_read);
}

/* ---- The question ------------------------------------------------------------------------ */

/* It ends by itself before the request's time does. MySQL takes 0 for no limit. */
static double seconds_left(const my_conn *conn)
{
    int64_t deadline_ns = conn->request->deadline_ns;
    int64_t ms =
        deadline_ns == PONDI_NEVER ? INT32_MAX : pondi_remaining_ms(deadline_ns) - SPARE_MS;
    return (double)(ms > LEAST_MS ? ms : LEAST_MS) / 1000;
}

/* A node that is asked so answers once it has all that its cluster has committed by now. */
static void put_galera(const pondi_position *position, pondi_buffer *out)
{
    pondi_buffer_append_text(out,
                             "SET STATEMENT wsrep_sync_wait = 1 FOR SELECT IF(variable_value >= ");
    pondi_position_print(position, out);
    pondi_buffer_append_text(out, ", 0, 1) FROM information_schema.global_status "
                                  "WHERE variable_name = 'WSREP_LAST_COMMITTED'");
}

/* A primary of MariaDB would wait in vain for what it wrote itself. */
static int put_question(const my_conn *conn, const pondi_position *position, pondi_buffer *out)
{
    if (position->kind == PONDI_POSITION_GALERA && conn->maria) {
        put_galera(position, out);
        return 1;
    }
    if (position->kind != (conn->maria ? PONDI_POSITION_GTID : PONDI_POSITION_GTID_SET))
        return 0;
    pondi_buffer_append_text(out, conn->maria ? "SELECT IF(@@global.read_only, MASTER_GTID_WAIT('"
                                              : "SELECT WAIT_FOR_EXECUTED_GTID_SET('");
    pondi_position_print(position, out);
    pondi_buffer_appendf(out, "', %.3f)%s", seconds_left(conn), conn->maria ? ", -1)" : "");
    return 1;
}

void pondi_mysql_wait_for(my_conn *conn)
{
    const pondi_position *position = conn->base.awaited;
    pondi_buffer *text = &conn->params.text;
    pondi_mysql_move(conn, MY_ON_SENT);
    if (position->kind == PONDI_POSITION_NONE)
        return;
    pondi_buffer_free(text);
    if (!put_question(conn, position, text))
        pondi_mysql_fail(conn,
                         pondi_error_new(POND_EINVAL, "this is no position of such a server"));
    else if (text->failed)
        pondi_mysql_fail(conn, pondi_error_new(POND_ENOMEM, "out of memory"));
    else
        pondi_mysql_query(conn, text->data, text->size, asked);
}

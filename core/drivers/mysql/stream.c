/* Streams: rows are fetched one by one anyway, and while nobody asks for more, nothing is read: the
 * server waits, and memory stays flat on both sides. */
#include "driver/outcome.h"
#include "drivers/mysql/mysql.h"

static void finished(my_conn *conn)
{
    (void)conn; /* no call follows */
}

int pondi_mysql_stream_pause(my_conn *conn)
{
    pond_result *result = &conn->set->base;
    if (conn->request->call->kind == PONDI_REQUEST_EXECUTE_MANY ||
        result->row_count < conn->request->batch_rows)
        return 0;
    result->affected = (int64_t)result->row_count;
    result->more = 1;
    pondi_mysql_move(conn, MY_ON_PARK);
    return 1;
}

void pondi_mysql_stream_fetch(my_conn *conn)
{
    pondi_mysql_move(conn, MY_ON_SENT);
    pondi_mysql_fetch_rows(conn, finished);
}

/* What still comes is thrown away. A statement that only reads is told to stop. */
void pondi_mysql_stream_end(my_conn *conn)
{
    if (pondi_request_only_reads(conn->request) && !conn->task)
        pondi_mysql_cancel(conn);
    pondi_mysql_drop_rows(conn, finished);
}

/* Streams: libpq hands out row by row, and while nobody asks for more, nothing is read: the server
 * waits, and memory stays flat on both sides. */
#include "base/error.h"
#include "driver/outcome.h"
#include "drivers/postgres/postgres.h"

int pondi_postgres_stream_pause(pg_conn *conn)
{
    pond_result *result = conn->result ? pondi_postgres_result_base(conn->result) : NULL;
    pondi_request *request = conn->base.current;
    if (!result || conn->error || !request || request->call->kind == PONDI_REQUEST_EXECUTE ||
        result->row_count < request->batch_rows)
        return 0;
    if (request->stop_code) { /* the rest is dropped, until the server has stopped */
        pondi_postgres_fail(conn, pondi_error_new(POND_ECANCELLED, "cancelled"));
        return 0;
    }
    if (pondi_postgres_watch(conn, 0, NULL))
        return 0; /* then all the rest is read */
    result->more = 1;
    conn->result = NULL;
    conn->phase = PG_PARKED;
    pondi_conn_finish(&conn->base, result, NULL);
    return 1;
}

static int listen(pg_conn *conn, pg_phase phase)
{
    pond_error *error = NULL;
    conn->phase = phase;
    conn->sent = 1;
    if (!pondi_postgres_watch(conn, PONDI_READABLE, &error))
        return 1;
    pond_error_free(error);
    pondi_postgres_lost(conn);
    return 0;
}

void pondi_postgres_stream_fetch(pg_conn *conn)
{
    if (listen(conn, PG_EXECUTING))
        pondi_postgres_take_results(conn);
}

/* What still comes is thrown away. Outside a transaction the server is told to stop; inside one
 * that would fail the transaction, and so may a statement that writes not be stopped halfway. */
void pondi_postgres_stream_end(pg_conn *conn)
{
    int stop = PQtransactionStatus(conn->pg) == PQTRANS_ACTIVE && !conn->base.in_transaction &&
               pondi_request_only_reads(conn->base.current);
    if (stop)
        pondi_postgres_cancel(conn);
    if (!listen(conn, PG_ABSORBING_CANCEL))
        return;
    pondi_postgres_take_results(conn);
}

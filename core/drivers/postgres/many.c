/* One statement for many rows: a pipeline, which the server runs as one transaction unless one is
 * open already. Sending and reading take turns, so that neither side's buffers fill up. */
#include <string.h>

#include "base/error.h"
#include "drivers/postgres/postgres.h"

enum { ROWS_IN_A_ROW = 256 }; /* before the socket is looked at again */

static const pg_statement *prepared_of(const pg_conn *conn)
{
    return conn->described ? conn->described : conn->base.current->statement->prepared;
}

static int send_row(pg_conn *conn, const pondi_request *request, size_t row, pond_error **err)
{
    const pg_statement *statement = prepared_of(conn);
    int count = (int)request->column_count;
    int code = pondi_postgres_encode(conn, request->params + row * request->column_count,
                                     request->column_count, statement,
                                     statement ? PG_AS_PREPARED : PG_UNTYPED, err);
    if (code)
        return code;
    int sent = statement && statement->name[0]
                   ? PQsendQueryPrepared(conn->pg, statement->name, count, conn->values,
                                         conn->lengths, conn->formats, statement->binary)
                   : PQsendQueryParams(conn->pg, request->statement->native, count, conn->types,
                                       conn->values, conn->lengths, conn->formats, 0);
    return sent ? POND_OK
                : pondi_error_move(
                      err, pondi_postgres_connection_error(conn, POND_ECONNLOST, "cannot send"));
}

static void fail_row(pg_conn *conn, pond_error *error, size_t row)
{
    if (!conn->error)
        pondi_error_set_row(error, "row", conn->many.first_row + row);
    pondi_postgres_fail(conn, error);
    conn->many.failed = 1;
}

/* A row of ours that cannot be encoded must undo those before it: a statement that fails does. */
static int send_end(pg_conn *conn)
{
    conn->many.synced = 1;
    if (conn->many.failed && conn->many.undo &&
        !PQsendQueryParams(conn->pg, "millpond: a parameter could not be sent", 0, NULL, NULL, NULL,
                           NULL, 0))
        return 0;
    conn->many.asked = pondi_postgres_wants_position(conn);
    return PQpipelineSync(conn->pg) && (!conn->many.asked || pondi_postgres_ask_position(conn));
}

void pondi_postgres_many_send(pg_conn *conn)
{
    const pondi_request *request = conn->base.current;
    pg_many *many = &conn->many;
    for (int i = 0; i < ROWS_IN_A_ROW && !many->synced; i++) {
        pond_error *error = NULL;
        if (request->stop_code && !many->failed) {
            fail_row(conn, pondi_error_new(POND_ECANCELLED, "cancelled"), many->sent);
            many->undo = 1;
        }
        if (many->failed || many->sent == request->call->row_count) {
            if (!send_end(conn)) {
                pondi_postgres_lost(conn);
                return;
            }
        } else if (send_row(conn, request, many->sent, &error)) {
            fail_row(conn, error, many->sent);
            many->undo = 1;
        } else {
            many->sent++;
        }
    }
    pondi_postgres_flush(conn);
    if (conn->phase == PG_MANY && !many->synced && conn->base.state != PONDI_CONN_BROKEN &&
        pondi_postgres_watch(conn, PONDI_READABLE | PONDI_WRITABLE, NULL))
        pondi_postgres_lost(conn);
}

void pondi_postgres_many_start(pg_conn *conn)
{
    conn->many = (pg_many){.first_row = conn->base.current->call->first_row};
    conn->phase = PG_MANY;
    conn->sent = 0;
    if (!PQenterPipelineMode(conn->pg))
        pondi_postgres_lost(conn);
    else
        pondi_postgres_many_send(conn);
}

void pondi_postgres_pipeline_ended(pg_conn *conn)
{
    conn->answered = 0;
    if (!PQexitPipelineMode(conn->pg))
        pondi_postgres_lost(conn);
    else
        pondi_postgres_executed(conn);
}

/* What went well on the server and cannot be told is undone, if the end was not sent yet. */
static void take_rows(pg_conn *conn, PGresult *res)
{
    conn->many.answered++;
    if (!conn->result)
        conn->result = pondi_postgres_result_new();
    if (conn->result && !pondi_postgres_result_add(conn->result, conn, res))
        return;
    if (!conn->result)
        PQclear(res);
    fail_row(conn, pondi_error_new(POND_ENOMEM, "out of memory"), conn->many.answered - 1);
    conn->many.undo = 1;
}

static void rows_ended(pg_conn *conn)
{
    if (conn->many.asked == 1) {
        conn->many.asked = 2;
        conn->answered = 1;
    } else {
        pondi_postgres_pipeline_ended(conn);
    }
}

void pondi_postgres_many_take(pg_conn *conn, PGresult *res)
{
    if (conn->many.asked == 2 && PQresultStatus(res) != PGRES_PIPELINE_SYNC) {
        pondi_postgres_take_position(conn, res);
        PQclear(res);
        return;
    }
    switch (PQresultStatus(res)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
        take_rows(conn, res);
        return;
    case PGRES_PIPELINE_SYNC:
        PQclear(res);
        rows_ended(conn);
        return;
    case PGRES_FATAL_ERROR:
        if (!conn->error) {
            pondi_postgres_note_stale(conn, res);
            conn->retried |= conn->many.answered > 0; /* not what a row may have done */
        }
        fail_row(conn, pondi_postgres_error(conn, res), conn->many.answered);
        conn->many.answered++;
        break;
    case PGRES_PIPELINE_ABORTED:
        conn->many.answered++;
        break;
    default:
        fail_row(conn, pondi_error_new(POND_ENOTSUPPORTED, "COPY is not supported"),
                 conn->many.answered);
        pondi_conn_broken(&conn->base);
        PQclear(res);
        pondi_postgres_finish(conn);
        return;
    }
    PQclear(res);
}

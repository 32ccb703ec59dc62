/* What is refused before anything is sent. */
#include <string.h>

#include "base/error.h"
#include "driver/conn_parts.h"

static int check_statement(pond_dialect dialect, const pondi_request *request,
                           const pondi_sql_info *info, pond_error **err)
{
    if (request->call->flags & PONDI_CALL_HELD)
        return POND_OK; /* the program knows its SQL and its parameters */
    if (info->empty)
        return pondi_error_set(err, POND_ESYNTAX, "the statement is empty");
    if (memchr(request->sql, '\0', request->sql_size))
        return pondi_error_set(err, POND_ESYNTAX, "the statement contains a NUL character");
    int no_rows =
        request->call->kind == PONDI_REQUEST_EXECUTE_MANY && request->call->row_count == 0;
    if (info->placeholders != request->column_count && info->placeholders != PONDI_UNCOUNTED &&
        !no_rows)
        return pondi_sql_refuse_count(dialect, request->sql, request->sql_size, info->placeholders,
                                      request->column_count, err);
    if (info->numbered && info->placeholders && !(request->call->flags & PONDI_CALL_NATIVE))
        return pondi_sql_refuse_numbered(dialect, request->sql, request->sql_size, err);
    return POND_OK;
}

static int check_transaction(const pondi_conn *conn, pond_transaction_verb verb, pond_error **err)
{
    if (verb == POND_BEGIN && conn->in_transaction)
        return pondi_error_set(err, POND_ETRANSACTION,
                               "a transaction is open already: commit or roll it back first");
    if (verb != POND_BEGIN && !conn->in_transaction)
        return pondi_error_set(err, POND_ETRANSACTION,
                               "there is no open transaction to %s: begin one first",
                               verb == POND_COMMIT ? "commit" : "roll back");
    return POND_OK;
}

static int check_between_transactions(const pondi_conn *conn, pond_error **err)
{
    if (conn->in_transaction)
        return pondi_error_set(err, POND_ETRANSACTION,
                               "a transaction is open: commit or roll it back before the session "
                               "is made read-only");
    return POND_OK;
}

static int check_stream(const pondi_conn *conn, const pondi_request *request, pond_error **err)
{
    int continues = request->call->kind == PONDI_REQUEST_FETCH ||
                    request->call->kind == PONDI_REQUEST_END_STREAM;
    if (conn->streamed && !continues)
        return pondi_error_set(err, POND_EMISUSE,
                               "a stream is open on this connection: read it to its end or close "
                               "it, or use another connection");
    if (!conn->streamed && request->call->kind == PONDI_REQUEST_FETCH)
        return pondi_error_set(err, POND_EMISUSE, "no stream is open on this connection");
    return POND_OK;
}

int pondi_conn_check(pondi_conn *conn, pondi_request *request, pond_error **err)
{
    if (conn->state == PONDI_CONN_BROKEN)
        return pondi_error_move(
            err, pondi_conn_lost_before(
                     conn, "this connection was lost, so release it and acquire another"));
    if (check_stream(conn, request, err))
        return POND_EMISUSE;
    switch (request->call->kind) {
    case PONDI_REQUEST_FETCH:
    case PONDI_REQUEST_END_STREAM:
        request->statement = conn->streamed;
        request->batch_rows = conn->batch_rows;
        return POND_OK;
    case PONDI_REQUEST_STREAM:
        conn->batch_rows = request->batch_rows;
        /* fall through */
    case PONDI_REQUEST_EXECUTE:
    case PONDI_REQUEST_EXECUTE_MANY: {
        int code = pondi_statement_cache_get(&conn->statements, request->sql, request->sql_size,
                                             (request->call->flags & PONDI_CALL_NATIVE),
                                             &request->statement, err);
        if (!code)
            code = check_statement(conn->driver->dialect, request, &request->statement->info, err);
        if (!code)
            conn->touched |= request->statement->info.touches;
        return code;
    }
    case PONDI_REQUEST_READ_ONLY:
        return check_between_transactions(conn, err);
    case PONDI_REQUEST_TRANSACTION:
        return check_transaction(conn, request->call->verb, err);
    default:
        return POND_OK;
    }
}

#include "driver/outcome.h"

#include "base/error.h"

int pondi_request_only_reads(const pondi_request *request)
{
    return request->statement && request->statement->info.means & PONDI_VERB_READS;
}

int pondi_request_outcome_unknown(const pondi_conn *conn, const pondi_request *request)
{
    if (request->call->kind == PONDI_REQUEST_TRANSACTION)
        return request->call->verb == POND_COMMIT;
    if (request->call->kind != PONDI_REQUEST_EXECUTE &&
        request->call->kind != PONDI_REQUEST_EXECUTE_MANY)
        return 0;
    if (request->statement && request->statement->info.means & PONDI_VERB_COMMITS)
        return 1;
    return !request->preparing && !conn->in_transaction && !pondi_request_only_reads(request);
}

/* In a transaction it is the whole of it that can be tried again: nothing of it took effect. But
 * one that the server ended between two statements is not. */
static int may_repeat(const pondi_conn *conn, int sent, int unknown)
{
    return !unknown && (conn->in_transaction ? sent : !sent);
}

pond_error *pondi_conn_lost_error(const pondi_conn *conn, const pondi_request *request, int sent,
                                  const char *said)
{
    int unknown = sent && pondi_request_outcome_unknown(conn, request);
    const char *what =
        unknown ? "the connection was lost after the statement was sent, so it is unknown whether "
                  "it took effect"
        : sent ? "the connection was lost; nothing of this statement or its transaction took effect"
               : "the connection was lost before the statement was sent";
    pond_error *error = pondi_error_new(unknown ? POND_EUNKNOWN : POND_ECONNLOST, "%s%s%s", what,
                                        *said ? ": " : "", said);
    if (!pondi_error_is_shared(error)) {
        error->retryable = may_repeat(conn, sent, unknown);
        error->unsent = !sent;
    }
    return error;
}

void pondi_conn_note_no_memory(pond_error *error)
{
    if (pondi_error_is_shared(error))
        return;
    error->code = POND_ENOMEM;
    error->retryable = 0;
    pondi_error_set_text(error, &error->message,
                         "out of memory while reading the answer, so the connection was closed; "
                         "nothing of the statement or its transaction took effect. Read large "
                         "results as a stream, or fetch less at once");
}

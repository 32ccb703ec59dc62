/* Deadlines and cancellation: how a request is stopped, and what happens if that cannot be done. */

#include "base/clock.h"
#include "base/error.h"
#include "driver/conn_parts.h"
#include "driver/outcome.h"

enum {
    GRACE_MS = 640, /* how long the server may take to stop a statement, and one look more: calls
                       end within their timeout plus one second */
    INSIST_MS = 40  /* a cancel that overtakes its statement is lost: it is told again */
};

void pondi_conn_aim_timer(pondi_conn *conn, int64_t deadline_ns)
{
    if (deadline_ns >= conn->timer_ns)
        return;
    conn->timer_ns = deadline_ns;
    pondi_timer_start(conn->timer, deadline_ns);
}

/* A statement that undoes is never called off, or what comes next on the connection would run
 * inside of what was to be undone. It comes back within the grace, or the connection is closed. */
static int is_undo(const pondi_request *request)
{
    if (request->call->kind == PONDI_REQUEST_TRANSACTION)
        return request->call->verb == POND_ROLLBACK;
    if ((request->call->flags & PONDI_CALL_UNDOES) || request->call->kind != PONDI_REQUEST_EXECUTE)
        return (request->call->flags & PONDI_CALL_UNDOES) != 0;
    unsigned means =
        request->statement ? request->statement->info.means : pondi_call_means(request->call);
    return (means & PONDI_VERB_UNDOES) != 0;
}

static void tell_driver(pondi_conn *conn, pondi_request *request)
{
    if (!is_undo(request))
        conn->driver->cancel(conn, request);
}

static void stop(pondi_conn *conn, int code)
{
    pondi_request *request = conn->current;
    if (!request || request->stop_code)
        return;
    request->stop_code = code;
    conn->cancel_failed = 0;
    conn->grace_counted_ns = pondi_now_ns();
    conn->grace_ns = (int64_t)GRACE_MS * PONDI_NS_PER_MS;
    pondi_conn_aim_timer(conn, pondi_deadline_ns(INSIST_MS));
    tell_driver(conn, request);
}

void pondi_conn_cancel_current(pondi_conn *conn)
{
    stop(conn, POND_ECANCELLED);
}

/* A request ends that was never sent. One that went on with a stream, or was to end it, was the
 * last word of whoever read it: the batch that may still come is nobody's. */
static void end_unsent(pondi_conn *conn, pondi_request *request, pond_error *error)
{
    if (request->call->kind == PONDI_REQUEST_FETCH ||
        request->call->kind == PONDI_REQUEST_END_STREAM)
        conn->stream_left = 1;
    pondi_conn_complete(request, error->code, error);
}

void pondi_conn_cancel(pondi_conn *conn, pondi_request *request)
{
    if (request == conn->current)
        stop(conn, POND_ECANCELLED);
    else if (is_undo(request))
        request->cancel_on_start = 1; /* it keeps its place */
    else
        end_unsent(conn, request, pondi_error_new(POND_ECANCELLED, "cancelled before it was sent"));
}

void pondi_conn_cancel_all(pondi_conn *conn)
{
    pondi_conn_fail_queue(conn, POND_ECANCELLED,
                          "the connection was released before the request was sent");
    stop(conn, POND_ECANCELLED);
}

static pond_error *timeout_error(const pondi_request *request, const char *what)
{
    return pondi_error_new(POND_ETIMEDOUT, "timed out after %.3g s: %s",
                           (double)request->call->timeout_ms / 1000, what);
}

static pond_error *connect_timeout_error(const pondi_request *request)
{
    const pond_config *config = request->conn->config;
    char address[200];
    pondi_config_address(config, address, sizeof(address));
    pond_error *error = pondi_error_new(
        POND_ECONNECT,
        "cannot connect to database \"%s\": timed out after %.3g s, still connecting to %s; check "
        "that the server can be reached, or raise connection_creation_timeout",
        pondi_config_get(config, "database"), (double)request->call->timeout_ms / 1000, address);
    if (!pondi_error_is_shared(error))
        error->timed_out = 1;
    return error;
}

static pond_error *stop_error(const pondi_request *request, const char *what)
{
    if (request->stop_code == POND_ETIMEDOUT && request->call->kind == PONDI_REQUEST_CONNECT)
        return connect_timeout_error(request);
    if (request->stop_code == POND_ETIMEDOUT)
        return timeout_error(request, what);
    return pondi_error_new(request->stop_code, "cancelled: %s", what);
}

/* Whoever cancelled knows that; who waited for the timeout is told what it means. */
static pond_error *silence_error(const pondi_conn *conn, const pondi_request *request)
{
    if (!pondi_request_outcome_unknown(conn, request))
        return stop_error(request, "the server did not stop the statement, so the connection was "
                                   "closed; nothing of it or its transaction took effect");
    pond_error *error = stop_error(request, "the server did not stop the statement, so the "
                                            "connection was closed; it is unknown whether the "
                                            "statement took effect");
    if (request->stop_code == POND_ETIMEDOUT && !pondi_error_is_shared(error))
        error->code = POND_EUNKNOWN;
    return error;
}

/* The server did not stop in time: nothing is known of it any more. */
static void give_up(pondi_conn *conn)
{
    pondi_request *request = conn->current;
    if (request->inline_run)
        return; /* its thread comes back by itself */
    pond_error *error = silence_error(conn, request);
    pondi_conn_keep_end_reason(
        conn, pondi_error_new(POND_ECONNLOST, "the server did not stop a cancelled or timed-out "
                                              "statement in time, so millpond closed the "
                                              "connection"));
    conn->current = NULL;
    pondi_conn_set_running(conn, 0);
    if (conn->tracks)
        pondi_conn_tell_use(conn, request, error);
    pondi_conn_broken(conn);
    pondi_conn_complete(request, error->code, error);
}

static void expire_waiting(pondi_conn *conn, int64_t now_ns)
{
    pondi_list *node = conn->queue.next;
    while (node != &conn->queue) {
        pondi_list *next = node->next;
        pondi_request *request = pondi_conn_request_at(node);
        if (request->deadline_ns <= now_ns)
            end_unsent(
                conn, request,
                timeout_error(
                    request,
                    "earlier statements on this connection took too long; this one was not sent"));
        node = next;
    }
}

/* True if the grace period is over. A look counts as one, however late it comes: while this thread
 * or the machine stood still, no answer could be seen, and a machine that lets us wait lets the
 * server wait as well. Before the last there was a turn with a look at what had arrived. */
static int is_grace_over(pondi_conn *conn, int64_t now_ns)
{
    static const int64_t most_ns = (int64_t)INSIST_MS * PONDI_NS_PER_MS;
    int64_t passed_ns = now_ns - conn->grace_counted_ns;
    int over = conn->grace_ns <= 0;
    conn->grace_counted_ns = now_ns;
    conn->grace_ns -= passed_ns < most_ns ? passed_ns : most_ns;
    return over;
}

static int64_t earliest_deadline(const pondi_conn *conn)
{
    int64_t earliest = PONDI_NEVER;
    const pondi_request *current = conn->current;
    if (current)
        earliest = current->stop_code ? pondi_deadline_ns(INSIST_MS) : current->deadline_ns;
    for (pondi_list *node = conn->queue.next; node != &conn->queue; node = node->next) {
        const pondi_request *request = pondi_conn_request_at(node);
        if (request->deadline_ns < earliest)
            earliest = request->deadline_ns;
    }
    return earliest;
}

void pondi_conn_on_deadline(void *data)
{
    pondi_conn *conn = data;
    int64_t now_ns = pondi_now_ns();
    expire_waiting(conn, now_ns);
    pondi_request *current = conn->current;
    if (current && current->stop_code && is_grace_over(conn, now_ns))
        give_up(conn);
    else if (current && current->stop_code)
        tell_driver(conn, current);
    else if (current && !current->stop_code && current->deadline_ns <= now_ns)
        stop(conn, POND_ETIMEDOUT);
    conn->timer_ns = PONDI_NEVER;
    pondi_conn_aim_timer(conn, earliest_deadline(conn));
}

pond_error *pondi_conn_after_stop(pondi_request *request, pond_error *error)
{
    if (!request->stop_code || !error || error->code != POND_ECANCELLED)
        return error;
    pond_error *told = stop_error(request, "the statement was stopped on the server");
    pondi_error_set_sqlstate(told, error->sqlstate);
    pond_error_free(error);
    return told;
}

/* The queue of requests: one after the other goes to the driver. */
#include "base/clock.h"
#include "base/error.h"
#include "call/account.h"
#include "driver/conn_parts.h"
#include "driver/row_set.h"
#include "loop/keeper.h"

/* The server may have ended the session since the last statement of a transaction: then this one is
 * not sent, and told why. Outside of transactions the answer tells. */
static void look(pondi_conn *conn)
{
    if (conn->in_transaction && !conn->streamed && conn->driver->look &&
        conn->state == PONDI_CONN_READY)
        conn->driver->look(conn);
}

/* A session that began read-only stays so. */
static int is_as_wanted(const pondi_conn *conn)
{
    return conn->read_only == (conn->wants_read_only || conn->begins_read_only);
}

/* True if the request is now the driver's to run. */
static int begin(pondi_conn *conn, pondi_request *request)
{
    pond_error *error = NULL;
    look(conn);
    conn->current = request;
    conn->last_used_ns = request->submitted_ns;
    if (pondi_conn_check(conn, request, &error)) {
        pondi_conn_finish(conn, NULL, error);
        return 0;
    }
    int nothing =
        (request->call->kind == PONDI_REQUEST_EXECUTE_MANY && request->call->row_count == 0) ||
        (request->call->kind == PONDI_REQUEST_END_STREAM && !conn->streamed) ||
        (request->call->kind == PONDI_REQUEST_READ_ONLY && is_as_wanted(conn));
    if (nothing) {
        pondi_conn_finish(conn, NULL, NULL);
        return 0;
    }
    request->started = 1;
    conn->began_in_transaction = conn->in_transaction;
    pondi_call_sent(request->call);
    if (request->call->operation)
        pondi_conn_set_running(conn, request->submitted_ns);
    return 1;
}

static void accept(pondi_conn *conn, pondi_request *request)
{
    request->conn = conn;
    request->submitted_ns = pondi_now_ns();
    request->deadline_ns = pondi_deadline_from_ns(request->submitted_ns, request->call->timeout_ms);
}

/* Nobody ends the stream, and nobody waits for its end. Without memory the connection is lost. */
static void end_left_stream(pondi_conn *conn)
{
    enum { END_MS = 10000 };
    pondi_request *request = NULL;
    conn->stream_left = 0;
    const pondi_call_spec spec = {.kind = PONDI_REQUEST_END_STREAM, .timeout_ms = END_MS};
    if (pondi_request_new(&spec, &request, NULL)) {
        pondi_conn_broken(conn);
        return;
    }
    pondi_request_bind(request, conn->loop, NULL);
    request->op.intercept = pond_op_release;
    accept(conn, request);
    pondi_list_push_front(&conn->queue, &request->op.link);
    pondi_conn_aim_timer(conn, request->deadline_ns);
}

static void advance(pondi_conn *conn)
{
    if (conn->advancing)
        return;
    conn->advancing = 1;
    if (!conn->current && conn->streamed && conn->stream_left)
        end_left_stream(conn);
    pondi_list *node;
    while (!conn->current && (node = pondi_list_pop_front(&conn->queue))) {
        pondi_request *request = pondi_conn_request_at(node);
        int cancel_on_start = request->cancel_on_start;
        if (begin(conn, request))
            conn->driver->start(conn, request);
        if (cancel_on_start && conn->current == request)
            pondi_conn_cancel_current(conn);
    }
    conn->advancing = 0;
}

void pondi_conn_submit(pondi_conn *conn, pondi_request *request)
{
    accept(conn, request);
    pondi_list_push_back(&conn->queue, &request->op.link);
    pondi_conn_aim_timer(conn, request->deadline_ns);
    advance(conn);
}

void pondi_conn_submit_first(pondi_conn *conn, pondi_request *request)
{
    accept(conn, request);
    pondi_list_push_front(&conn->queue, &request->op.link);
    pondi_conn_aim_timer(conn, request->deadline_ns);
    advance(conn);
}

static void note_session(pondi_conn *conn, pondi_call_kind kind)
{
    if (kind == PONDI_REQUEST_CONNECT || kind == PONDI_REQUEST_RESET)
        conn->read_only = conn->begins_read_only;
    else if (kind == PONDI_REQUEST_READ_ONLY)
        conn->read_only = conn->wants_read_only || conn->begins_read_only;
}

static void set_result(pondi_request *request, pond_result *result)
{
    pondi_call_kind kind = request->call->kind;
    int wanted = kind >= PONDI_REQUEST_EXECUTE && kind <= PONDI_REQUEST_FETCH;
    if (!wanted)
        note_session(request->conn, kind);
    if (result || !wanted) {
        request->op.result = result;
        return;
    }
    pondi_row_set *empty = pondi_row_set_new(0);
    if (!empty)
        return;
    empty->base.affected = 0;
    request->op.result = &empty->base;
}

void pondi_conn_resubmit(pondi_conn *conn, pondi_request *request)
{
    request->conn = conn;
    request->started = 0;
    pondi_list_push_back(&conn->queue, &request->op.link);
    pondi_conn_aim_timer(conn, request->deadline_ns);
    advance(conn);
}

void pondi_conn_hand_over(pondi_conn *conn, pondi_conn *to)
{
    pondi_list *node;
    while ((node = pondi_list_pop_front(&conn->queue))) {
        pondi_request *request = pondi_conn_request_at(node);
        request->conn = to;
        pondi_list_push_back(&to->queue, node);
        pondi_conn_aim_timer(to, request->deadline_ns);
    }
}

/* True if it goes on elsewhere: it certainly never reached the server. */
static int move_elsewhere(pondi_conn *conn, pondi_request *request, const pond_error *error)
{
    if (!request->may_move || !conn->replace || !error || error->code != POND_ECONNLOST)
        return 0;
    if ((request->started && !error->unsent) || request->stop_code || request->inline_run ||
        !pondi_list_empty(&conn->queue))
        return 0;
    request->may_move = 0;
    return conn->replace(conn->owner, request);
}

void pondi_conn_finish(pondi_conn *conn, pond_result *result, pond_error *error)
{
    pondi_request *request = conn->current;
    if (!request) { /* it was given up meanwhile */
        pond_result_release(result);
        pond_error_free(error);
        return;
    }
    conn->current = NULL;
    pondi_conn_set_running(conn, 0);
    if (conn->tracks)
        pondi_conn_tell_use(conn, request, error);
    if (error && error->code == POND_EMISUSE && !request->started)
        ; /* refused because of the stream, which goes on */
    else
        conn->streamed = !error && result && result->more ? request->statement : NULL;
    if (!conn->streamed)
        conn->stream_left = 0;
    request->statement = NULL;
    error = pondi_conn_after_stop(request, error);
    pondi_request_fix_position(request, error);
    if (move_elsewhere(conn, request, error)) {
        pond_error_free(error);
        return;
    }
    if (!error)
        set_result(request, result);
    else
        pond_result_release(result);
    pondi_conn_complete(request, error ? error->code : POND_OK, error);
    if (conn->state == PONDI_CONN_BROKEN)
        pondi_conn_fail_queue(conn, POND_ECONNLOST,
                              "the connection was lost before the request was sent");
    if (!conn->advancing)
        advance(conn);
    if (!conn->current && (conn->on_idle || (conn->state == PONDI_CONN_BROKEN && conn->lost)))
        pondi_conn_send_message(conn);
}

/* ---- Inline ------------------------------------------------------------------------------ */

int pondi_conn_may_run_inline(const pondi_conn *conn)
{
    return conn->driver->run_inline && pondi_conn_is_idle(conn) &&
           (!conn->driver->needs_timer || pondi_loop_is_private(conn->loop));
}

int pondi_conn_run_inline(pondi_conn *conn, pondi_request *request)
{
    if (!pondi_conn_may_run_inline(conn))
        return 0;
    accept(conn, request);
    conn->advancing = 1; /* what is submitted meanwhile waits */
    if (!begin(conn, request)) {
        conn->advancing = 0;
        return 1;
    }
    pond_loop *loop = conn->loop;
    pond_result *result = NULL;
    pond_error *error = NULL;
    request->inline_run = 1;
    pondi_conn_aim_timer(conn, request->deadline_ns);
    pondi_loop_attend(
        loop); /* the driver looks at the time between its steps, but a step may be long */
    pondi_loop_leave(loop);
    conn->driver->run_inline(conn, request, &result, &error);
    pondi_loop_lock(loop);
    request->inline_run = 0;
    conn->advancing = 0;
    int dying = conn->dying;
    pondi_conn_finish(conn, result, error);
    if (dying)
        pondi_conn_destroy(conn, dying, "the connection was closed");
    return 1;
}

int pondi_conn_runs_inline(const pondi_conn *conn)
{
    return conn->current && conn->current->inline_run;
}

#include "driver/conn.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "driver/driver.h"
#include "driver/meter.h"
#include "driver/outcome.h"
#include "driver/row_set.h"
#include "loop/keeper.h"

enum {
    GRACE_MS = 640, /* how long the server may take to stop a statement, and one look more: calls
                       end within their timeout plus one second */
    INSIST_MS = 40, /* a cancel that overtakes its statement is lost: it is told again */
    LOOK_MS = 80 /* the most that counts between two looks: while this thread or the machine stood
                    still, an answer could not be seen */
};

static void advance(pondi_conn *conn);
static void on_deadline(void *data);
static void on_message(pondi_message *message);

static pondi_request *request_at(pondi_list *node)
{
    return (pondi_request *)(void *)PONDI_CONTAINER(node, pond_op, link);
}

/* ---- Create and destroy ------------------------------------------------------------------ */

static void evicted(void *owner, void *prepared)
{
    pondi_conn *conn = owner;
    conn->driver->statement_free(conn, prepared);
}

static int init_statements(const pondi_driver *driver, const pond_config *config,
                           pondi_statement_cache *out, pond_error **err)
{
    static const uint64_t most = 1 << 20;
    uint64_t capacity = pondi_config_count(config, "statement_cache_size", 256);
    capacity = capacity < 1 ? 1 : capacity > most ? most : capacity;
    uint64_t limit = pondi_config_count(config, "statement_cache_max_size", 4 * capacity);
    limit = limit < capacity ? capacity : limit > 4 * most ? 4 * most : limit;
    return pondi_statement_cache_init(out, driver->dialect, (size_t)capacity, (size_t)limit,
                                      evicted, NULL, err);
}

int pondi_conn_new(const pondi_driver *driver, pond_config *config, void *shared, pond_loop *loop,
                   pondi_conn **out, pond_error **err)
{
    static atomic_uint_fast64_t last_id;
    *out = NULL;
    pondi_conn *conn = NULL;
    pondi_statement_cache statements;
    int code = init_statements(driver, config, &statements, err);
    if (code)
        return code;
    code = driver->open(config, shared, &conn, err);
    if (code) {
        pondi_statement_cache_free(&statements);
        return code;
    }
    conn->driver = driver;
    conn->config = pond_config_retain(config);
    conn->shared = shared;
    conn->id = atomic_fetch_add(&last_id, 1) + 1;
    conn->state = PONDI_CONN_NEW;
    conn->statements = statements;
    conn->statements.owner = conn;
    pondi_list_init(&conn->statements.lru.recency); /* it moved with the struct, empty */
    pondi_list_init(&conn->queue);
    conn->message.run = on_message;
    conn->timer_ns = PONDI_NEVER;
    conn->loop = loop;
    code = pondi_timer_new(loop, on_deadline, conn, &conn->timer, err);
    if (code) {
        pondi_conn_destroy(conn, code, "");
        return code;
    }
    *out = conn;
    return POND_OK;
}

pondi_gone pondi_conn_dispose(pondi_conn *conn)
{
    pondi_statement_cache_free(&conn->statements);
    pond_config_release(conn->config);
    return conn->gone;
}

void pondi_conn_gone(pondi_gone gone)
{
    if (gone.run)
        gone.run(gone.owner);
}

static void on_message(pondi_message *message)
{
    pondi_conn *conn = PONDI_CONTAINER(message, pondi_conn, message);
    conn->message_sent = 0;
    if (conn->dying && conn->current)
        return; /* a thread still runs inline: it comes by here again */
    if (conn->dying) {
        conn->driver->destroy(conn);
        return;
    }
    void *owner = conn->owner;
    if (conn->state == PONDI_CONN_BROKEN && conn->lost && !conn->current) {
        void (*lost)(void *) = conn->lost;
        conn->lost = NULL;
        lost(owner);
    } else if (conn->settled && pondi_conn_is_idle(conn)) {
        void (*settled)(void *) = conn->settled;
        conn->settled = NULL;
        settled(owner);
    }
}

static void send_message(pondi_conn *conn)
{
    if (conn->message_sent || !conn->loop)
        return;
    conn->message_sent = 1;
    pondi_loop_defer(conn->loop, &conn->message);
}

static void complete(pondi_request *request, int code, pond_error *error)
{
    pondi_meter_end(request, code);
    pondi_list_remove(&request->op.link);
    pondi_op_complete(&request->op, code, error);
}

static void fail_queue(pondi_conn *conn, int code, const char *why)
{
    pondi_list *node;
    while ((node = pondi_list_pop_front(&conn->queue)))
        complete(request_at(node), code, pondi_error_new(code, "%s", why));
}

static void set_running(pondi_conn *conn, int64_t since_ns)
{
    atomic_store_explicit(&conn->running_ns, since_ns, memory_order_relaxed);
}

void pondi_conn_destroy(pondi_conn *conn, int code, const char *why)
{
    conn->settled = NULL;
    conn->lost = NULL;
    conn->dying = code;
    fail_queue(conn, code, why);
    pondi_timer_free(conn->timer);
    conn->timer = NULL;
    if (conn->current && conn->current->inline_run) {
        conn->current->stop_code = POND_ECANCELLED;
        conn->driver->cancel(conn, conn->current); /* the thread that runs it ends what we began */
        return;
    }
    pondi_request *request = conn->current;
    conn->current = NULL;
    set_running(conn, 0);
    if (request)
        complete(request, code, pondi_error_new(code, "%s", why));
    if (!conn->loop)
        conn->driver->destroy(conn);
    else
        send_message(conn);
}

/* ---- Deadlines and cancellation ---------------------------------------------------------- */

/* Requests end without a look at the timer: when it fires, it is aimed anew. */
static void aim_timer(pondi_conn *conn, int64_t deadline_ns)
{
    if (deadline_ns >= conn->timer_ns)
        return;
    conn->timer_ns = deadline_ns;
    pondi_timer_start(conn->timer, deadline_ns);
}

static void stop(pondi_conn *conn, int code)
{
    pondi_request *request = conn->current;
    if (!request || request->stop_code)
        return;
    request->stop_code = code;
    conn->looked_ns = pondi_now_ns();
    conn->grace_ns = (int64_t)GRACE_MS * PONDI_NS_PER_MS;
    aim_timer(conn, pondi_deadline_ns(INSIST_MS));
    conn->driver->cancel(conn, request);
}

void pondi_conn_cancel(pondi_conn *conn, pondi_request *request)
{
    if (request == conn->current)
        stop(conn, POND_ECANCELLED);
    else
        complete(request, POND_ECANCELLED,
                 pondi_error_new(POND_ECANCELLED, "cancelled before it was sent"));
}

void pondi_conn_cancel_all(pondi_conn *conn)
{
    fail_queue(conn, POND_ECANCELLED, "the connection was given back before this was sent");
    stop(conn, POND_ECANCELLED);
}

static pond_error *timeout_error(const pondi_request *request, const char *what)
{
    return pondi_error_new(POND_ETIMEDOUT, "timed out after %.3g s: %s",
                           (double)request->timeout_ms / 1000, what);
}

static pond_error *connect_timeout_error(const pondi_request *request)
{
    return pondi_error_new(
        POND_ECONNECT,
        "cannot connect to database \"%s\": timed out after %.3g s; see that the "
        "server can be reached, or raise connection_creation_timeout",
        pondi_config_get(request->conn->config, "database"), (double)request->timeout_ms / 1000);
}

static pond_error *stop_error(const pondi_request *request, const char *what)
{
    if (request->stop_code == POND_ETIMEDOUT && request->kind == PONDI_REQUEST_CONNECT)
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
    conn->current = NULL;
    set_running(conn, 0);
    pondi_conn_broken(conn);
    complete(request, error->code, error);
}

static void expire_waiting(pondi_conn *conn, int64_t now_ns)
{
    pondi_list *node = conn->queue.next;
    while (node != &conn->queue) {
        pondi_list *next = node->next;
        pondi_request *request = request_at(node);
        if (request->deadline_ns <= now_ns)
            complete(request, POND_ETIMEDOUT,
                     timeout_error(request, "the statements before it on this connection took "
                                            "too long; it was not sent"));
        node = next;
    }
}

/* True if the grace period is over: after it had run out there was one turn more, with a look at
 * what had arrived. */
static int is_grace_over(pondi_conn *conn, int64_t now_ns)
{
    static const int64_t most_ns = (int64_t)LOOK_MS * PONDI_NS_PER_MS;
    int64_t passed_ns = now_ns - conn->looked_ns;
    int over = conn->grace_ns <= 0;
    conn->looked_ns = now_ns;
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
        const pondi_request *request = request_at(node);
        if (request->deadline_ns < earliest)
            earliest = request->deadline_ns;
    }
    return earliest;
}

static void on_deadline(void *data)
{
    pondi_conn *conn = data;
    int64_t now_ns = pondi_now_ns();
    expire_waiting(conn, now_ns);
    pondi_request *current = conn->current;
    if (current && current->stop_code && is_grace_over(conn, now_ns))
        give_up(conn);
    else if (current && current->stop_code)
        conn->driver->cancel(conn, current);
    else if (current && !current->stop_code && current->deadline_ns <= now_ns)
        stop(conn, POND_ETIMEDOUT);
    conn->timer_ns = PONDI_NEVER;
    aim_timer(conn, earliest_deadline(conn));
}

/* ---- Requests ---------------------------------------------------------------------------- */

static int check_statement(const pondi_request *request, const pondi_sql_info *info,
                           pond_error **err)
{
    if (info->statements == 0)
        return pondi_error_set(err, POND_ESYNTAX, "the statement is empty");
    if (info->statements > 1 && !request->block)
        return pondi_error_set(err, POND_ESYNTAX,
                               "one call executes one statement, this text has %u: execute them "
                               "one by one",
                               (unsigned)info->statements);
    if (memchr(request->sql, '\0', request->sql_size))
        return pondi_error_set(err, POND_ESYNTAX, "the statement contains a NUL character");
    int no_rows = request->kind == PONDI_REQUEST_EXECUTE_MANY && request->row_count == 0;
    if (info->placeholders != request->column_count && info->placeholders != PONDI_UNCOUNTED &&
        !no_rows)
        return pondi_error_set(err, POND_EPARAMS,
                               "the statement has %zu placeholder%s and got %zu parameter%s",
                               info->placeholders, info->placeholders == 1 ? "" : "s",
                               request->column_count, request->column_count == 1 ? "" : "s");
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

static int check_stream(const pondi_conn *conn, const pondi_request *request, pond_error **err)
{
    int continues =
        request->kind == PONDI_REQUEST_FETCH || request->kind == PONDI_REQUEST_END_STREAM;
    if (conn->streamed && !continues)
        return pondi_error_set(err, POND_EMISUSE,
                               "a stream is open on this connection: read it to its end or close "
                               "it, or use another connection");
    if (!conn->streamed && request->kind == PONDI_REQUEST_FETCH)
        return pondi_error_set(err, POND_EMISUSE, "no stream is open on this connection");
    return POND_OK;
}

/* What can be known before anything is sent. */
static int prepare(pondi_conn *conn, pondi_request *request, pond_error **err)
{
    if (conn->state == PONDI_CONN_BROKEN)
        return pondi_error_set(err, POND_ECONNLOST,
                               "this connection was lost: release it and acquire another");
    if (check_stream(conn, request, err))
        return POND_EMISUSE;
    switch (request->kind) {
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
                                             request->is_native, &request->statement, err);
        if (!code)
            code = check_statement(request, &request->statement->info, err);
        if (!code)
            conn->touched |= request->statement->info.touches;
        return code;
    }
    case PONDI_REQUEST_TRANSACTION:
        return check_transaction(conn, request->verb, err);
    default:
        return POND_OK;
    }
}

/* True if the request is now the driver's to run. */
static int begin(pondi_conn *conn, pondi_request *request)
{
    pond_error *error = NULL;
    conn->current = request;
    conn->last_used_ns = request->submitted_ns;
    if (prepare(conn, request, &error)) {
        pondi_conn_finish(conn, NULL, error);
        return 0;
    }
    int nothing = (request->kind == PONDI_REQUEST_EXECUTE_MANY && request->row_count == 0) ||
                  (request->kind == PONDI_REQUEST_END_STREAM && !conn->streamed);
    if (nothing) {
        pondi_conn_finish(conn, NULL, NULL);
        return 0;
    }
    request->started = 1;
    pondi_meter_begin(request);
    if (request->operation)
        set_running(conn, request->submitted_ns);
    return 1;
}

static void advance(pondi_conn *conn)
{
    if (conn->advancing)
        return;
    conn->advancing = 1;
    pondi_list *node;
    while (!conn->current && (node = pondi_list_pop_front(&conn->queue))) {
        pondi_request *request = request_at(node);
        if (begin(conn, request))
            conn->driver->start(conn, request);
    }
    conn->advancing = 0;
}

static void accept(pondi_conn *conn, pondi_request *request)
{
    request->conn = conn;
    request->submitted_ns = pondi_now_ns();
    request->deadline_ns = pondi_deadline_from_ns(request->submitted_ns, request->timeout_ms);
}

void pondi_conn_submit(pondi_conn *conn, pondi_request *request)
{
    accept(conn, request);
    pondi_list_push_back(&conn->queue, &request->op.link);
    aim_timer(conn, request->deadline_ns);
    advance(conn);
}

void pondi_conn_submit_first(pondi_conn *conn, pondi_request *request)
{
    accept(conn, request);
    pondi_list_push_front(&conn->queue, &request->op.link);
    aim_timer(conn, request->deadline_ns);
    advance(conn);
}

static void set_result(pondi_request *request, pond_result *result)
{
    int wanted = request->kind >= PONDI_REQUEST_EXECUTE && request->kind <= PONDI_REQUEST_FETCH;
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

static pond_error *after_stop(pondi_request *request, pond_error *error)
{
    if (!request->stop_code || !error || error->code != POND_ECANCELLED)
        return error;
    pond_error *told = stop_error(request, "the statement was stopped on the server");
    pondi_error_set_sqlstate(told, error->sqlstate);
    pond_error_free(error);
    return told;
}

void pondi_conn_resubmit(pondi_conn *conn, pondi_request *request)
{
    request->conn = conn;
    request->started = 0;
    pondi_list_push_back(&conn->queue, &request->op.link);
    aim_timer(conn, request->deadline_ns);
    advance(conn);
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
    set_running(conn, 0);
    if (error && error->code == POND_EMISUSE)
        ; /* refused because of the stream, which goes on */
    else
        conn->streamed = !error && result && result->more ? request->statement : NULL;
    request->statement = NULL;
    error = after_stop(request, error);
    if (move_elsewhere(conn, request, error)) {
        pond_error_free(error);
        return;
    }
    if (!error)
        set_result(request, result);
    else
        pond_result_release(result);
    complete(request, error ? error->code : POND_OK, error);
    if (conn->state == PONDI_CONN_BROKEN)
        fail_queue(conn, POND_ECONNLOST, "the connection was lost before this was sent");
    if (!conn->advancing)
        advance(conn);
    if (!conn->current && (conn->settled || (conn->state == PONDI_CONN_BROKEN && conn->lost)))
        send_message(conn);
}

void pondi_conn_broken(pondi_conn *conn)
{
    if (conn->state == PONDI_CONN_BROKEN)
        return;
    conn->state = PONDI_CONN_BROKEN;
    conn->in_transaction = 0;
    conn->transaction_failed = 0;
    conn->streamed = NULL;
    if (conn->current)
        return; /* its end sees to the rest */
    fail_queue(conn, POND_ECONNLOST, "the connection was lost before this was sent");
    send_message(conn);
}

int pondi_conn_is_idle(const pondi_conn *conn)
{
    return !conn->current && pondi_list_empty(&conn->queue);
}

/* ---- Inline ------------------------------------------------------------------------------ */

int pondi_conn_run_inline(pondi_conn *conn, pondi_request *request)
{
    if (!conn->driver->run_inline || !pondi_conn_is_idle(conn))
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
    aim_timer(conn, request->deadline_ns);
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

/* ---- Between loops ----------------------------------------------------------------------- */

void pondi_conn_detach(pondi_conn *conn)
{
    conn->driver->detach(conn);
    pondi_timer_free(conn->timer);
    conn->timer = NULL;
    conn->timer_ns = PONDI_NEVER;
    conn->loop = NULL;
}

int pondi_conn_attach(pondi_conn *conn, pond_loop *loop, pond_error **err)
{
    int code = pondi_timer_new(loop, on_deadline, conn, &conn->timer, err);
    if (code)
        return code;
    conn->loop = loop;
    code = conn->driver->attach(conn, err);
    if (code) {
        pondi_timer_free(conn->timer);
        conn->timer = NULL;
        conn->loop = NULL;
    }
    return code;
}

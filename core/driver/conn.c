#include "driver/conn.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "call/account.h"
#include "driver/conn_parts.h"
#include "driver/result.h"

static void on_message(pondi_message *message);

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
    conn->begins_read_only = pondi_config_flag(config, "session_read_only", 0);
    conn->id = atomic_fetch_add(&last_id, 1) + 1;
    conn->state = PONDI_CONN_NEW;
    conn->statements = statements;
    conn->statements.owner = conn;
    pondi_list_init(&conn->statements.lru.recency); /* it moved with the struct, empty */
    pondi_list_init(&conn->queue);
    conn->message.run = on_message;
    conn->timer_ns = PONDI_NEVER;
    conn->loop = loop;
    code = pondi_timer_new(loop, pondi_conn_on_deadline, conn, &conn->timer, err);
    if (code) {
        pondi_conn_destroy(conn, code, "");
        return code;
    }
    *out = conn;
    return POND_OK;
}

pondi_gone pondi_conn_dispose(pondi_conn *conn)
{
    pond_error_free(conn->end_reason);
    pondi_position_free(&conn->noted);
    pondi_statement_cache_free(&conn->statements);
    pond_config_release(conn->config);
    return conn->gone;
}

void pondi_conn_gone(pondi_gone gone)
{
    if (gone.run)
        gone.run(gone.owner, gone.note);
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
    } else if (conn->on_idle && pondi_conn_is_idle(conn)) {
        void (*on_idle)(void *) = conn->on_idle;
        conn->on_idle = NULL;
        on_idle(owner);
    }
}

void pondi_conn_send_message(pondi_conn *conn)
{
    if (conn->message_sent || !conn->loop)
        return;
    conn->message_sent = 1;
    pondi_loop_defer(conn->loop, &conn->message);
}

static uint64_t bytes_of(const pond_result *result)
{
    if (!result || !result->row_count || !result->class->text_bytes)
        return 0;
    uint64_t values = (uint64_t)result->row_count * result->column_count;
    return values * PONDI_BYTES_A_VALUE + result->class->text_bytes(result);
}

static void account(const pondi_request *request, int code)
{
    const pondi_call *call = request->call;
    if (!call->target)
        return;
    int counts = request->started && call->operation;
    const pondi_call_end end = {
        .code = code,
        .started = request->started,
        .timed_out = request->stop_code == POND_ETIMEDOUT,
        .answers = request->conn->state == PONDI_CONN_READY,
        .took_ns = counts ? pondi_now_ns() - request->submitted_ns : 0,
        .received = call->target->metrics->on ? bytes_of(request->op.result) : 0,
    };
    pondi_call_ended(call, &end);
}

void pondi_conn_complete(pondi_request *request, int code, pond_error *error)
{
    account(request, code);
    pondi_list_remove(&request->op.link);
    pondi_op_complete(&request->op, code, error);
}

void pondi_conn_keep_end_reason(pondi_conn *conn, pond_error *said)
{
    if (conn->end_reason || pondi_error_is_shared(said))
        pond_error_free(said);
    else
        conn->end_reason = said;
}

/* What an open transaction did before is gone with it, so that this statement alone is no use. */
pond_error *pondi_conn_lost_before(const pondi_conn *conn, const char *what)
{
    const pond_error *said = conn->end_reason;
    pond_error *error = pondi_error_new(POND_ECONNLOST, "%s%s%s", what, said ? ": " : "",
                                        said ? pond_error_message(said) : "");
    if (pondi_error_is_shared(error))
        return error;
    error->retryable = !conn->lost_open;
    if (said) {
        pondi_error_set_sqlstate(error, said->sqlstate);
        error->vendor_code = said->vendor_code;
    }
    return error;
}

void pondi_conn_fail_queue(pondi_conn *conn, int code, const char *why)
{
    int lost = code == POND_ECONNLOST && conn->state == PONDI_CONN_BROKEN;
    pondi_list *node;
    while ((node = pondi_list_pop_front(&conn->queue)))
        pondi_conn_complete(pondi_conn_request_at(node), code,
                            lost ? pondi_conn_lost_before(conn, why)
                                 : pondi_error_new(code, "%s", why));
}

void pondi_conn_destroy(pondi_conn *conn, int code, const char *why)
{
    conn->on_idle = NULL;
    conn->lost = NULL;
    conn->refused_write = NULL;
    conn->noted_by = NULL;
    conn->dying = code;
    pondi_conn_fail_queue(conn, code, why);
    pondi_timer_free(conn->timer);
    conn->timer = NULL;
    if (conn->current && conn->current->inline_run) {
        conn->current->stop_code = POND_ECANCELLED;
        conn->driver->cancel(conn, conn->current); /* the thread that runs it ends what we began */
        return;
    }
    pondi_request *request = conn->current;
    conn->current = NULL;
    pondi_conn_set_running(conn, 0);
    if (request)
        pondi_conn_complete(request, code, pondi_error_new(code, "%s", why));
    if (!conn->loop)
        conn->driver->destroy(conn);
    else
        pondi_conn_send_message(conn);
}

void pondi_conn_refused_write(pondi_conn *conn)
{
    if (conn->read_only)
        return; /* the session was to refuse it, whatever the server is */
    conn->standby = 1;
    if (conn->refused_write)
        conn->refused_write(conn->owner);
}

void pondi_conn_broken(pondi_conn *conn)
{
    if (conn->state == PONDI_CONN_BROKEN)
        return;
    conn->state = PONDI_CONN_BROKEN;
    conn->lost_open = conn->in_transaction;
    conn->in_transaction = 0;
    conn->transaction_failed = 0;
    conn->streamed = NULL;
    conn->stream_left = 0;
    if (conn->current)
        return; /* its end sees to the rest */
    pondi_conn_fail_queue(conn, POND_ECONNLOST,
                          "the connection was lost before the request was sent");
    pondi_conn_send_message(conn);
}

static int is_rollback(const pondi_request *request)
{
    return request->call->kind == PONDI_REQUEST_TRANSACTION && request->call->verb == POND_ROLLBACK;
}

int pondi_conn_rolls_back(const pondi_conn *conn)
{
    if (conn->current && is_rollback(conn->current))
        return 1;
    for (pondi_list *node = conn->queue.next; node != &conn->queue; node = node->next) {
        pond_op *op = PONDI_CONTAINER(node, pond_op, link);
        if (is_rollback((pondi_request *)(void *)op))
            return 1;
    }
    return 0;
}

int pondi_conn_is_idle(const pondi_conn *conn)
{
    return !conn->current && pondi_list_empty(&conn->queue);
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
    int code = pondi_timer_new(loop, pondi_conn_on_deadline, conn, &conn->timer, err);
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

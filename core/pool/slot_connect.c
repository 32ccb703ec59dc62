/* Opening a connection: server after server, as the dialer says, until one takes it. A slot does so
 * when it opens, and again for a lease whose connection broke before it was used. */
#include "base/clock.h"
#include "base/error.h"
#include "pool/pool.h"

static void on_refused_write(void *owner)
{
    pondi_slot *slot = owner;
    slot->pool->dialer->refused_write(slot->pool->dialer, slot->conn);
}

static void own(pondi_slot *slot, pondi_conn *conn)
{
    const pond_pool *pool = slot->pool;
    conn->owner = slot;
    conn->metrics = pool->family->metrics.on ? &pool->family->metrics : NULL;
    conn->replace = pool->settings.retry_unsent ? pondi_slot_replace : NULL;
    conn->refused_write = on_refused_write;
    conn->state = PONDI_CONN_CONNECTING;
    conn->server = slot->attempt.server;
    conn->wanted = slot->attempt.wanted;
    pondi_slot_track(slot, conn);
}

/* `*error` is why the last try failed. */
static pondi_conn *make_next(pondi_slot *slot, pond_error **error)
{
    pond_pool *pool = slot->pool;
    pondi_conn *conn = NULL;
    if (!pool->dialer->next(pool->dialer, &slot->attempt, pool->settings.connect_timeout_ms, error))
        return NULL;
    if (!pondi_conn_new(pool->driver, slot->attempt.config, pool->shared, slot->branch->loop, &conn,
                        error))
        own(slot, conn);
    return conn;
}

pondi_conn *pondi_slot_make_conn(pondi_slot *slot, pond_error **error)
{
    pondi_buffer_free(&slot->attempt.said);
    slot->attempt = (pondi_attempt){.began_ns = pondi_now_ns()};
    return make_next(slot, error);
}

/* ---- The next server --------------------------------------------------------------------- */

static void on_gone(void *owner, int note)
{
    (void)note;
    pondi_pool_unhold(owner);
}

/* The slot goes on with another connection; what waits for the failed one waits for that. */
static int exchange(pondi_slot *slot, pondi_conn *conn)
{
    pond_pool *pool = slot->pool;
    pondi_conn *failed = slot->conn;
    pondi_slot_lock(slot);
    int goes_on = !pool->closing;
    if (goes_on) {
        slot->conn = conn;
        if (slot->lease)
            slot->lease->id = conn->id;
    }
    pondi_slot_unlock(slot);
    if (!goes_on)
        return 0;
    pondi_conn_hand_over(failed, conn);
    pondi_pool_hold(pool);
    failed->gone = (pondi_gone){.run = on_gone, .owner = pool};
    pondi_conn_destroy(failed, POND_ECLOSED, "");
    return 1;
}

/* True if another server is tried; then the error is gone. */
static int try_next(pondi_slot *slot, pond_error **error)
{
    pondi_conn *conn = make_next(slot, error);
    if (!conn)
        return 0;
    if (exchange(slot, conn)) {
        pondi_slot_connect(slot);
        return 1;
    }
    pondi_conn_destroy(conn, POND_ECLOSED, "");
    *error = pondi_pool_closed_error(slot->pool);
    return 0;
}

/* ---- One server -------------------------------------------------------------------------- */

/* The end of the attempt; takes the error over. */
static void connected(pondi_slot *slot, pond_error *error)
{
    if (!error)
        slot->conn->state = PONDI_CONN_READY;
    if (slot->state == PONDI_SLOT_OPENING)
        pondi_slot_opened(slot, error);
    else
        pondi_slot_replaced(slot, error);
}

/* The core's own requests lead back to their slot through the user data. */
static void on_connected(pond_op *op)
{
    pondi_slot *slot = op->user_data;
    pond_error *error = op->error;
    int status = op->status;
    int stopped = ((pondi_request *)op)->stop_code == POND_ECANCELLED;
    op->error = NULL;
    pond_op_release(op);
    if (!slot->conn) {
        pond_error_free(error); /* it is being destroyed */
        return;
    }
    if (status && !error)
        error = pondi_error_new(status, "cannot connect");
    if (!status)
        slot->pool->dialer->accept(slot->pool->dialer, slot->conn, &error);
    if (error && !stopped && try_next(slot, &error))
        return;
    pondi_buffer_free(&slot->attempt.said);
    connected(slot, error);
}

void pondi_slot_connect(pondi_slot *slot)
{
    pond_error *error = NULL;
    if (pondi_slot_submit(slot, PONDI_REQUEST_CONNECT, POND_BEGIN, slot->attempt.timeout_ms,
                          on_connected, &error))
        connected(slot, error);
}

/* From one lease to the next: nothing of the one may be seen by the other. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "loop/keeper.h"
#include "pool/pool.h"

enum { CLEAN_UP_MS = 5000 };

static void clean_up(pondi_slot *slot);

static void on_conn_idle(void *owner)
{
    clean_up(owner);
}

/* What ends one of these requests may be the end of the slot itself. */
static int still_cleaning(const pondi_slot *slot)
{
    return slot->state == PONDI_SLOT_CLEANING && slot->conn;
}

static void on_rolled_back(pond_op *op)
{
    pondi_slot *slot = op->user_data;
    int status = op->status;
    pond_op_release(op);
    if (!still_cleaning(slot))
        return;
    if (status || slot->conn->in_transaction || slot->conn->state != PONDI_CONN_READY)
        pondi_slot_destroy(slot, "its transaction could not be rolled back");
    else
        slot->conn->on_idle = on_conn_idle;
}

static void on_stream_ended(pond_op *op)
{
    pondi_slot *slot = op->user_data;
    pond_op_release(op);
    if (still_cleaning(slot))
        slot->conn->on_idle = on_conn_idle;
}

/* ---- Sessions ---------------------------------------------------------------------------- */

static int needs_reset(const pondi_slot *slot)
{
    switch (slot->pool->settings.reset) {
    case PONDI_RESET_NEVER:
        return 0;
    case PONDI_RESET_ALWAYS:
        return 1;
    default:
        return slot->conn->touched;
    }
}

static void on_reset(pond_op *op)
{
    pondi_slot *slot = op->user_data;
    int status = op->status;
    pond_op_release(op);
    if (!still_cleaning(slot))
        return;
    if (status || slot->conn->state != PONDI_CONN_READY) {
        pondi_slot_destroy(slot, "its session could not be reset");
        return;
    }
    slot->conn->touched = 0;
    slot->fresh = 1;
    pondi_slot_offer_soon(slot);
}

static void reset(pondi_slot *slot)
{
    if (!slot->conn->driver->resets)
        pondi_slot_destroy(slot, "the settings of its session were changed");
    else if (pondi_slot_submit(slot, PONDI_REQUEST_RESET, POND_BEGIN, CLEAN_UP_MS, on_reset, NULL))
        pondi_slot_destroy(slot, "its session could not be reset");
}

/* ---- Read-only sessions ------------------------------------------------------------------ */

static int is_left_read_only(const pondi_conn *conn)
{
    return conn->read_only && !conn->begins_read_only;
}

static void on_writable(pond_op *op)
{
    pondi_slot *slot = op->user_data;
    int status = op->status;
    pond_op_release(op);
    if (!still_cleaning(slot))
        return;
    if (status || is_left_read_only(slot->conn) || slot->conn->state != PONDI_CONN_READY)
        pondi_slot_destroy(slot, "its session could not be made writable again");
    else
        slot->conn->on_idle = on_conn_idle;
}

static void make_writable(pondi_slot *slot)
{
    slot->conn->wants_read_only = 0;
    if (pondi_slot_submit(slot, PONDI_REQUEST_READ_ONLY, POND_BEGIN, CLEAN_UP_MS, on_writable,
                          NULL))
        pondi_slot_destroy(slot, "its session could not be made writable again");
}

/* ---- Standbys ---------------------------------------------------------------------------- */

/* Writers need another server. Where there are several, what else is open is of the same kind. */
static void leave_standby(pondi_slot *slot)
{
    pond_pool *pool = slot->pool;
    pondi_log(POND_LOG_WARNING, "pool",
              "the server refuses writes, as a standby does: its connections are replaced");
    if (pool->dialer->several)
        pondi_pool_distrust(pool);
    pondi_slot_destroy(slot, "the server is a standby");
}

/* ---- Take back --------------------------------------------------------------------------- */

static void clean_up(pondi_slot *slot)
{
    pondi_conn *conn = slot->conn;
    if (conn->state != PONDI_CONN_READY) {
        pondi_slot_destroy(slot, "the connection was lost");
    } else if (conn->streamed) {
        if (pondi_slot_submit(slot, PONDI_REQUEST_END_STREAM, POND_BEGIN, CLEAN_UP_MS,
                              on_stream_ended, NULL))
            pondi_slot_destroy(slot, "its stream could not be ended");
    } else if (conn->in_transaction) {
        if (pondi_slot_submit(slot, PONDI_REQUEST_TRANSACTION, POND_ROLLBACK, CLEAN_UP_MS,
                              on_rolled_back, NULL))
            pondi_slot_destroy(slot, "its transaction could not be rolled back");
    } else if (conn->standby) {
        leave_standby(slot);
    } else if (needs_reset(slot)) {
        reset(slot);
    } else if (is_left_read_only(conn)) {
        make_writable(slot);
    } else {
        pondi_slot_offer(slot);
    }
}

static int is_clean(const pondi_slot *slot)
{
    const pondi_conn *conn = slot->conn;
    return pondi_conn_is_idle(conn) && conn->state == PONDI_CONN_READY && !conn->streamed &&
           !conn->in_transaction && !conn->standby && !is_left_read_only(conn) &&
           !needs_reset(slot);
}

/* Most come back clean, and nobody waits: the lock is taken once. */
void pondi_slot_return(pondi_slot *slot)
{
    pondi_conn *conn = slot->conn;
    int clean = is_clean(slot);
    int64_t now_ns = pondi_coarse_now_ns();
    pondi_slot_lock(slot);
    pondi_slot_end_lease(slot, now_ns);
    slot->idle_ns = now_ns;
    slot->seen_ns = now_ns;
    int kept = clean && pondi_slot_keep(slot);
    if (!kept)
        pondi_slot_set_state(slot, PONDI_SLOT_CLEANING);
    int tend = !kept && !clean && pondi_acquire_others_wait(slot->pool, slot->branch);
    pondi_queue_unlock(slot->pool);
    if (kept)
        return;
    if (tend)
        pondi_loop_tend(slot->branch->loop);
    if (conn->in_transaction && !pondi_conn_rolls_back(conn))
        pondi_log(POND_LOG_WARNING, "pool",
                  "a connection came back with an open transaction, which was rolled back: commit "
                  "or roll back before the release");
    if (pondi_conn_is_idle(conn)) {
        clean_up(slot);
        return;
    }
    conn->on_idle = on_conn_idle;
    pondi_conn_cancel_all(conn);
}

/* ---- End by force ------------------------------------------------------------------------ */

static void on_ended(pond_op *op)
{
    pondi_slot *slot = op->user_data;
    int status = op->status;
    pond_op_release(op);
    if (!still_cleaning(slot))
        return;
    if (status)
        pondi_log(POND_LOG_ERROR, "pool",
                  "a transaction that was open when its pool closed could not be %s",
                  slot->pool->settings.on_close == POND_COMMIT ? "committed" : "rolled back");
    pondi_slot_destroy(slot, "the pool was closed");
}

static void on_forced(void *owner)
{
    pondi_slot_destroy(owner, "the pool was closed");
}

void pondi_slot_force(pondi_slot *slot)
{
    pondi_conn *conn = slot->conn;
    int64_t now_ns = pondi_coarse_now_ns();
    pondi_slot_lock(slot);
    slot->lease->slot = NULL;
    pondi_slot_end_lease(slot, now_ns);
    pondi_slot_set_state(slot, PONDI_SLOT_CLEANING);
    pondi_slot_unlock(slot);
    pondi_log(POND_LOG_WARNING, "pool",
              "a connection was still leased when its pool closed, so the pool took it back");
    if (!pondi_conn_is_idle(conn)) {
        conn->on_idle = on_forced;
        pondi_conn_cancel_all(conn);
    } else if (conn->state != PONDI_CONN_READY || !conn->in_transaction ||
               conn->transaction_failed || conn->streamed ||
               pondi_slot_submit(slot, PONDI_REQUEST_TRANSACTION, slot->pool->settings.on_close,
                                 CLEAN_UP_MS, on_ended, NULL)) {
        pondi_slot_destroy(slot, "the pool was closed");
    }
}

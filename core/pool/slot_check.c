/* An idle connection may be dead without our knowing: its loop was not driven, or the network
 * forgot it. */
#include "base/clock.h"
#include "base/error.h"
#include "pool/pool.h"

enum {
    LOOK_AFTER_MS = 20, /* idle for less: nothing is looked at */
    PING_MS = 2000      /* and the grace period of its cancel */
};

int pondi_slot_is_of_use(pondi_slot *slot, int64_t now_ns)
{
    pondi_conn *conn = slot->conn;
    if (conn->state == PONDI_CONN_READY && conn->driver->look &&
        now_ns - slot->seen_ns > (int64_t)LOOK_AFTER_MS * PONDI_NS_PER_MS)
        conn->driver->look(conn);
    return conn->state == PONDI_CONN_READY && slot->expires_ns > now_ns &&
           slot->opened_ns >= slot->pool->distrust_ns;
}

int pondi_slot_needs_ping(const pondi_slot *slot, int64_t now_ns)
{
    return now_ns - slot->seen_ns > slot->pool->settings.validate_after_ns;
}

/* ---- One round trip ---------------------------------------------------------------------- */

/* Silence tells of the network: what is as old is not to be trusted either. */
static void note_failure(pondi_slot *slot, int status)
{
    pondi_slot_lock(slot);
    slot->pool->errors++;
    pondi_slot_unlock(slot);
    if (status == POND_ETIMEDOUT)
        pondi_pool_distrust(slot->pool);
}

static void tell(pondi_acquire *checker, int status)
{
    if (!checker)
        return;
    if (checker->op.status != POND_PENDING)
        ; /* it was cancelled meanwhile */
    else if (!status)
        pondi_op_complete(&checker->op, POND_OK, NULL);
    else
        pondi_acquire_again(checker); /* a dead connection does not make a dead server */
    pond_op_release(&checker->op);
}

static void on_pinged(pond_op *op)
{
    pondi_slot *slot = op->user_data;
    pondi_acquire *checker = slot->checker;
    int status = op->status;
    slot->checker = NULL;
    pond_op_release(op);
    if (slot->state != PONDI_SLOT_CLEANING || !slot->conn) {
        tell(checker, POND_ECONNLOST); /* it is being destroyed */
        return;
    }
    if (!status && slot->conn->state == PONDI_CONN_READY) {
        slot->seen_ns = pondi_coarse_now_ns();
        slot->rested = 1;
        pondi_slot_offer_soon(slot);
    } else {
        note_failure(slot, status);
        pondi_slot_destroy(slot, "it stopped responding");
    }
    tell(checker, status);
}

void pondi_slot_ping(pondi_slot *slot)
{
    slot->conn->lost = NULL;
    pondi_slot_lock(slot);
    pondi_slot_set_state(slot, PONDI_SLOT_CLEANING);
    pondi_slot_unlock(slot);
    if (!pondi_slot_submit(slot, PONDI_REQUEST_PING, POND_BEGIN, PING_MS, on_pinged, NULL))
        return;
    pondi_acquire *checker = slot->checker;
    pondi_slot_destroy(slot, "it could not be checked");
    tell(checker, POND_ENOMEM);
}

void pondi_slot_ping_for(pondi_slot *slot, pondi_acquire *acquire)
{
    slot->checker = acquire;
    pond_op_retain(&acquire->op);
    pondi_slot_ping(slot);
}

/* A leased connection that broke before it was used: nothing of the lease is on it yet, so the
 * first statement may as well go to a new one. Nobody but us knows. */
#include "base/clock.h"
#include "base/error.h"
#include "pool/pool.h"

void pondi_slot_replaced(pondi_slot *slot, pond_error *error)
{
    pondi_slot_lock(slot);
    if (error) {
        slot->pool->errors++;
        pondi_outage_note(slot->pool, error);
        pondi_metrics_error(&slot->pool->metrics, error->code);
    } else {
        pondi_slot_note_opened(slot);
    }
    pondi_slot_unlock(slot);
    if (error)
        pondi_conn_broken(slot->conn); /* which ends the statement that waits */
    pond_error_free(error);
}

/* True if the lease may have another, which is then in the place of *broken. */
static int exchange(pondi_slot *slot, pondi_conn *conn, pondi_conn **broken)
{
    pondi_slot_lock(slot);
    if (slot->pool->closing) {
        pondi_slot_unlock(slot);
        return 0;
    }
    *broken = slot->conn;
    pondi_slot_count_out(slot);
    pondi_metrics_closed(&slot->pool->metrics, "it was lost before it was used");
    slot->conn = conn;
    slot->lease->id = conn->id;
    pondi_slot_unlock(slot);
    return 1;
}

/* What was idle in its lease may be dead without our knowing; right after the acquire nobody looks
 * again. */
int pondi_slot_may_replace(pondi_slot *slot)
{
    const pond_connection *lease = slot->lease;
    int promised = slot->conn->read_only && !slot->conn->begins_read_only;
    if (!lease || lease->used || !slot->fresh || slot->conn->in_transaction || promised)
        return 0;
    if (slot->conn->driver->look && pondi_coarse_now_ns() > lease->acquired_ns)
        slot->conn->driver->look(slot->conn);
    return 1;
}

int pondi_slot_replace(void *owner, pondi_request *request)
{
    pondi_slot *slot = owner;
    pond_pool *pool = slot->pool;
    pondi_conn *broken;
    pond_error *error = NULL;
    if (slot->state != PONDI_SLOT_LEASED || !slot->lease)
        return 0;
    pondi_conn *conn = pondi_slot_make_conn(slot, &error);
    pond_error_free(error);
    if (!conn)
        return 0;
    if (!exchange(slot, conn, &broken)) {
        pondi_conn_destroy(conn, POND_ECLOSED, "");
        return 0;
    }
    pondi_slot_connect(slot);
    pondi_slot_close_conn(pool, slot->branch, slot->side, broken, "");
    pondi_metrics_retried(&pool->metrics);
    pondi_conn_resubmit(slot->conn, request); /* another one, if the first server failed at once */
    return 1;
}

/* A slot that changes loops is detached on the old one, sent as a message, and attached on the new
 * one. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "pool/pool.h"

/* Of a driver whose connections do not fit each loop. */
static int fits(const pondi_slot *slot, const pondi_branch *branch)
{
    int (*ask)(const pondi_conn *, const pond_loop *) = slot->pool->driver->fits;
    return !ask || !branch || (slot->conn && ask(slot->conn, branch->loop));
}

/* `here` is NULL for one that need not fit, of an event loop. */
static pondi_slot *idle_elsewhere(pond_pool *pool, const pondi_branch *here)
{
    for (pondi_list *node = pool->branches.next; node != &pool->branches; node = node->next) {
        pondi_branch *branch = PONDI_CONTAINER(node, pondi_branch, link);
        for (pondi_list *at = branch->idle.next; at != &branch->idle; at = at->next) {
            pondi_slot *slot = PONDI_CONTAINER(at, pondi_slot, idle_link);
            if (here ? fits(slot, here) : slot->side == PONDI_NEITHER)
                return slot;
        }
    }
    return NULL;
}

static pondi_slot *idle_detached(pond_pool *pool, const pondi_branch *here)
{
    for (pondi_list *at = pool->detached.next; at != &pool->detached; at = at->next) {
        pondi_slot *slot = PONDI_CONTAINER(at, pondi_slot, link);
        if (fits(slot, here)) {
            pondi_list_remove(&slot->link);
            return slot;
        }
    }
    return NULL;
}

/* One that does not fit is better than none where no other may be opened: it is closed on its
 * arrival, which makes room. */
static pondi_slot *idle_unfit(pond_pool *pool, pondi_side side)
{
    if (!pool->driver->fits || side == PONDI_SYNC || pondi_queue_may_open(pool, side))
        return NULL; /* those of threads fit all of them */
    return idle_elsewhere(pool, NULL);
}

pondi_slot *pondi_slot_take_idle(pond_pool *pool, pondi_branch *branch, pondi_side side, int any)
{
    pondi_slot *slot = NULL;
    if (!pondi_list_empty(&branch->idle)) {
        slot = PONDI_CONTAINER(branch->idle.next, pondi_slot, idle_link);
    } else {
        slot = idle_detached(pool, branch);
        if (!slot && any)
            slot = idle_elsewhere(pool, branch);
        if (!slot && any)
            slot = idle_unfit(pool, side);
    }
    if (slot) {
        pondi_slot_set_state(slot, PONDI_SLOT_MOVING);
        pondi_slot_set_side(slot, side);
    }
    return slot;
}

int pondi_slot_arrive(pondi_slot *slot, pondi_branch *branch, pond_error **err)
{
    if (slot->branch == branch)
        return POND_OK;
    int code = pondi_conn_attach(slot->conn, branch->loop, err);
    if (code) {
        pondi_slot_destroy(slot, "it could not move to another event loop");
        return code;
    }
    pondi_slot_lock(slot);
    slot->branch = branch;
    pondi_list_push_back(&branch->slots, &slot->link);
    pondi_slot_unlock(slot);
    return POND_OK;
}

void pondi_slot_detach(pondi_slot *slot)
{
    if (!slot->branch)
        return;
    slot->conn->lost = NULL;
    if (slot->conn->state == PONDI_CONN_READY)
        pondi_conn_detach(slot->conn);
    pondi_conn *broken = slot->conn->state == PONDI_CONN_READY ? NULL : slot->conn;
    pondi_slot_lock(slot);
    if (broken)
        slot->conn = NULL;
    pondi_list_remove(&slot->link);
    slot->branch = NULL;
    pondi_slot_unlock(slot);
    if (broken)
        pondi_conn_destroy(broken, POND_ECONNLOST, "the connection was lost");
}

/* What the calling thread fetches at this moment, inside the target's loop: that needs no waking.
 */
static _Thread_local const pondi_slot *fetched;

void pondi_slot_send(pondi_slot *slot, pondi_acquire *target)
{
    pond_loop *to = target->branch->loop;
    pondi_slot_detach(slot);
    if (!slot->target) {
        slot->target = target;
        pond_op_retain(&target->op);
    }
    if (fetched == slot)
        pondi_loop_defer(to, &slot->message);
    else
        pondi_loop_post(to, &slot->message);
}

void pondi_slot_fetch(pondi_slot *slot, pond_loop *from, pondi_acquire *target)
{
    const pondi_slot *outer = fetched;
    slot->target = target;
    slot->leaving = from != NULL;
    pond_op_retain(&target->op);
    fetched = slot;
    if (from)
        pondi_loop_hand(from, &slot->message);
    else
        pondi_loop_defer(target->branch->loop, &slot->message);
    fetched = outer;
}

/* ---- Arrival ----------------------------------------------------------------------------- */

static int is_waited_for(const pondi_acquire *target)
{
    return target->op.status == POND_PENDING;
}

/* It is attached here: lend it, unless it must show first that it lives. */
static void hand_over(pondi_slot *slot, pondi_acquire *target)
{
    int64_t now_ns = pondi_coarse_now_ns();
    pondi_slot_lock(slot);
    int needs_ping = pondi_slot_needs_ping(slot, now_ns);
    pondi_slot_unlock(slot);
    if (!pondi_slot_is_of_use(slot, now_ns)) {
        pondi_slot_destroy(slot, "it was no longer usable");
        if (is_waited_for(target))
            pondi_acquire_again(target);
    } else if (!is_waited_for(target)) {
        pondi_slot_offer(slot);
    } else if (needs_ping && !target->checks) {
        pondi_acquire_wait_for(target, slot);
    } else {
        pondi_acquire_grant(target, slot);
    }
}

/* On the loop that it comes to: someone else's turn if the target gave up meanwhile. */
static void arrive(pondi_slot *slot, pondi_acquire *target)
{
    pond_error *error = NULL;
    if (!slot->conn) {
        pondi_slot_destroy(slot, "");
        if (is_waited_for(target))
            pondi_acquire_again(target);
    } else if (!target->branch->timer) { /* that loop is closed */
        pondi_slot_offer_unattached(slot);
    } else if (pondi_slot_arrive(slot, target->branch, &error)) {
        pond_error_free(error);
        if (is_waited_for(target))
            pondi_acquire_again(target);
    } else {
        hand_over(slot, target);
    }
}

void pondi_slot_on_moving(pondi_message *message)
{
    pondi_slot *slot = PONDI_CONTAINER(message, pondi_slot, message);
    pondi_acquire *target = slot->target;
    if (slot->leaving) {
        slot->leaving = 0;
        pondi_slot_send(slot, target);
        return;
    }
    slot->target = NULL;
    arrive(slot, target);
    pond_op_release(&target->op);
}

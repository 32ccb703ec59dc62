#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "loop/keeper.h"
#include "pool/pool.h"

static void on_lost(void *owner);
static void on_ready(void *owner);

/* The one place where a state changes; pool locked. */
void pondi_slot_set_state(pondi_slot *slot, pondi_slot_state state)
{
    pond_pool *pool = slot->pool;
    if (slot->state == PONDI_SLOT_OPENING)
        pool->opening--;
    if (slot->state == PONDI_SLOT_IDLE) {
        pool->idle--;
        pondi_list_remove(&slot->idle_link);
    }
    slot->state = state;
    if (state != PONDI_SLOT_IDLE)
        return;
    pool->idle++;
    pondi_slot_set_side(slot, PONDI_NEITHER);
    if (!slot->branch)
        pondi_list_push_front(&pool->detached, &slot->link);
    else if (slot->rested)
        pondi_list_push_back(&slot->branch->idle, &slot->idle_link);
    else
        pondi_list_push_front(&slot->branch->idle, &slot->idle_link);
}

void pondi_slot_set_side(pondi_slot *slot, pondi_side side)
{
    if (side == PONDI_NEITHER)
        side = pondi_pool_rest(slot->pool, slot->born);
    slot->pool->held[slot->side]--;
    slot->side = side;
    slot->pool->held[side]++;
}

/* ---- Create and destroy ------------------------------------------------------------------ */

pondi_slot *pondi_slot_new(pond_pool *pool, pondi_branch *branch, pondi_side side)
{
    pondi_slot *slot = pondi_calloc(1, sizeof(*slot));
    if (!slot)
        return NULL;
    slot->pool = pool;
    slot->branch = branch;
    slot->state = PONDI_SLOT_OPENING;
    slot->side = side;
    slot->born = side;
    slot->message.run = pondi_slot_on_moving;
    slot->expires_ns = PONDI_NEVER;
    pondi_list_init(&slot->idle_link);
    pondi_list_push_back(&branch->slots, &slot->link);
    pool->size++;
    pool->held[side]++;
    pool->opening++;
    pondi_pool_hold(pool);
    return slot;
}

void pondi_slot_count_out(pondi_slot *slot)
{
    pond_pool *pool = slot->pool;
    pool->leaving++;
    pool->held[slot->side]++;
    if (slot->branch)
        slot->branch->leaving++;
    pool->destroyed += slot->opened_ns != 0; /* what was never opened was not created either */
    pool->statement_hits += pondi_counter_read(&slot->conn->statements.hits);
    pool->statement_misses += pondi_counter_read(&slot->conn->statements.misses);
    pool->statement_evictions += pondi_counter_read(&slot->conn->statements.evictions);
}

/* Pool locked: the slot is out of all lists and counts after this. */
static void remove_slot(pondi_slot *slot)
{
    pond_pool *pool = slot->pool;
    if (slot->state == PONDI_SLOT_IDLE)
        pool->idle--;
    if (slot->state == PONDI_SLOT_OPENING)
        pool->opening--;
    pondi_list_remove(&slot->idle_link);
    pondi_list_remove(&slot->link);
    pool->size--;
    pool->held[slot->side]--;
    if (slot->conn)
        pondi_slot_count_out(slot);
}

pondi_acquire *pondi_slot_part(pondi_slot *slot)
{
    pondi_acquire *opener = slot->opener;
    slot->opener = NULL;
    if (!opener)
        return NULL;
    opener->opening = NULL;
    pondi_queue_set_deadline(opener, opener->deadline_ns);
    if (opener->timed.inside && opener->branch->timer)
        pondi_branch_aim(opener->branch, opener->deadline_ns);
    if (slot->state == PONDI_SLOT_OPENING)
        pondi_slot_set_side(slot, PONDI_NEITHER); /* it serves whoever comes first */
    return opener;
}

/* The connection is closed for good: its place on the server is free. Any thread. */
static void on_gone(void *owner, int side)
{
    pond_pool *pool = owner;
    pthread_mutex_lock(&pool->lock);
    pool->leaving--;
    pool->held[side]--;
    pondi_queue_unlock(pool);
    pondi_acquire_pump(pool, NULL);
    pondi_close_check(pool);
    pondi_pool_unhold(pool);
}

static void on_gone_from(void *owner, int side)
{
    pondi_branch *branch = owner;
    pond_pool *pool = branch->pool;
    pthread_mutex_lock(&pool->lock);
    branch->leaving--;
    pthread_mutex_unlock(&pool->lock);
    on_gone(pool, side);
    pondi_branch_release(branch);
}

/* Others wait for the place of a connection that needs its loop to close. */
static void close_for_others(pond_pool *pool, pondi_branch *branch)
{
    pthread_mutex_lock(&pool->lock);
    int tend = branch->leaving && pondi_acquire_others_wait(pool, branch);
    pthread_mutex_unlock(&pool->lock);
    if (tend)
        pondi_loop_tend(branch->loop);
}

void pondi_slot_close_conn(pond_pool *pool, pondi_branch *branch, pondi_side side, pondi_conn *conn,
                           const char *why)
{
    pondi_pool_hold(pool);
    conn->gone = (pondi_gone){.run = on_gone, .owner = pool, .note = side};
    if (branch) {
        pondi_branch_retain(branch);
        conn->gone = (pondi_gone){.run = on_gone_from, .owner = branch, .note = side};
    }
    pondi_conn_destroy(conn, POND_ECLOSED, why);
    if (branch)
        close_for_others(pool, branch);
}

void pondi_slot_destroy(pondi_slot *slot, const char *why)
{
    pond_pool *pool = slot->pool;
    pondi_branch *here = slot->branch;
    int64_t now_ns = pondi_coarse_now_ns();
    pondi_slot_lock(slot);
    if (slot->lease) {
        slot->lease->slot = NULL;
        pondi_slot_end_lease(slot, now_ns);
    }
    if (slot->conn && slot->opened_ns)
        pondi_metrics_closed(&pool->metrics, why);
    pondi_slot_part(slot);
    pondi_side side = slot->side;
    remove_slot(slot);
    int short_of_idle = pool->size < pool->settings.min_size && !pool->closing;
    pondi_queue_unlock(pool);
    pondi_conn *conn = slot->conn;
    slot->conn = NULL; /* the requests that end now see that it is over */
    if (conn)
        pondi_slot_close_conn(pool, here, side, conn, why);
    pond_session_release(slot->session);
    pondi_buffer_free(&slot->attempt.said);
    pondi_free(slot);
    pondi_outage_refuse_waiters(pool);
    pondi_acquire_pump(pool, here);
    pondi_close_check(pool);
    if (short_of_idle)
        pondi_upkeep_nudge(pool);
    pondi_pool_unhold(pool);
}

/* ---- Open -------------------------------------------------------------------------------- */

int pondi_pool_open_shared(pond_pool *pool, pond_error **err)
{
    int code = POND_OK;
    pthread_mutex_lock(&pool->lock);
    if (!pool->shared_opened && pool->driver->shared_open)
        code = pool->driver->shared_open(pool->config, &pool->shared, err);
    if (!code)
        pool->shared_opened = 1;
    pthread_mutex_unlock(&pool->lock);
    return code;
}

/* Nobody can use this slot: its opener is told why, unless another connection may come to serve
 * it. */
static void open_failed(pondi_slot *slot, pond_error *error)
{
    pond_pool *pool = slot->pool;
    pondi_slot_lock(slot);
    pool->errors++;
    pondi_acquire *opener = pondi_slot_part(slot);
    int down = pondi_outage_note(pool, error);
    int others = pool->size > pool->opening;
    if (opener && down && (others || !pool->settings.fail_fast))
        opener = NULL; /* it goes on waiting */
    if (opener)
        pondi_queue_remove(opener);
    else
        pondi_metrics_error(&pool->metrics, error->code);
    pondi_queue_unlock(pool);
    if (opener)
        pondi_acquire_fail(opener, pondi_error_copy(error));
    if (down)
        pondi_upkeep_begin(pool);
    pondi_slot_destroy(slot, "it could not be opened");
    if (down)
        pondi_upkeep_nudge(pool);
    pond_error_free(error);
}

/* Lifetimes differ a little, so that connections opened together are not replaced together. */
void pondi_slot_note_opened(pondi_slot *slot)
{
    pond_pool *pool = slot->pool;
    int64_t lifetime_ns = pool->settings.max_lifetime_ns;
    slot->opened_ns = pondi_now_ns();
    slot->idle_ns = slot->opened_ns;
    slot->seen_ns = slot->opened_ns;
    slot->fresh = 1;
    if (lifetime_ns != PONDI_NEVER)
        slot->expires_ns = slot->opened_ns + lifetime_ns - pondi_random_up_to(lifetime_ns / 10);
    pool->created++;
    pondi_metrics_connected(&pool->metrics, slot->opened_ns - slot->attempt.began_ns);
    pondi_outage_end(pool);
}

void pondi_slot_opened(pondi_slot *slot, pond_error *error)
{
    if (error) {
        open_failed(slot, error);
        return;
    }
    pondi_slot_lock(slot);
    pondi_slot_note_opened(slot);
    pondi_slot_set_state(slot, PONDI_SLOT_CLEANING);
    pondi_slot_unlock(slot);
    pondi_slot_offer_soon(slot);
    pondi_upkeep_begin(slot->pool);
    pondi_acquire_pump(slot->pool, slot->branch); /* after an outage the next may be opened */
}

static void on_ready(void *owner)
{
    pondi_slot *slot = owner;
    if (slot->conn->state == PONDI_CONN_READY)
        pondi_slot_offer(slot);
    else
        pondi_slot_destroy(slot, "the connection was lost");
}

/* Not from inside the request's own end: the next owner may be on another loop, at once. */
void pondi_slot_offer_soon(pondi_slot *slot)
{
    slot->conn->on_idle = on_ready;
}

int pondi_slot_submit(pondi_slot *slot, pondi_call_kind kind, pond_transaction_verb verb,
                      int64_t timeout_ms, void (*done)(pond_op *op), pond_error **err)
{
    pondi_request *request = NULL;
    const pondi_call_spec spec = {.kind = kind, .verb = verb, .timeout_ms = timeout_ms};
    int code = pondi_request_new(&spec, &request, err);
    if (code)
        return code;
    pondi_request_bind(request, slot->branch->loop, slot);
    request->op.intercept = done;
    pondi_conn_submit_first(slot->conn, request);
    return POND_OK;
}

void pondi_slot_open(pondi_slot *slot)
{
    pond_pool *pool = slot->pool;
    pond_error *error = NULL;
    pondi_conn *conn =
        pondi_pool_open_shared(pool, &error) ? NULL : pondi_slot_make_conn(slot, &error);
    if (!conn) {
        open_failed(slot, error);
        return;
    }
    pondi_slot_lock(slot);
    slot->conn = conn;
    pondi_slot_unlock(slot);
    pondi_slot_connect(slot);
}

/* ---- Lend -------------------------------------------------------------------------------- */

int pondi_slot_lease(pondi_slot *slot, int64_t wait_ns, pond_connection **out, pond_error **err)
{
    pond_pool *pool = slot->pool;
    slot->conn->lost = NULL;
    int code = pondi_lease_new(slot, out, err);
    if (code) {
        pondi_slot_offer(slot);
        return code;
    }
    pondi_slot_lock(slot);
    pondi_slot_set_state(slot, PONDI_SLOT_LEASED);
    slot->lease = *out;
    pool->leased[slot->side]++;
    pool->acquired++;
    uint64_t active = pool->acquired - pool->released;
    if (active > pool->peak_active)
        pool->peak_active = active;
    pondi_metrics_acquired(&pool->metrics, (*out)->acquired_ns, wait_ns, slot->side == PONDI_SYNC);
    pondi_slot_unlock(slot);
    return POND_OK;
}

void pondi_slot_end_lease(pondi_slot *slot, int64_t now_ns)
{
    slot->lease = NULL;
    slot->pool->leased[slot->side]--;
    slot->pool->released++;
    pondi_metrics_released(&slot->pool->metrics, now_ns, slot->side == PONDI_SYNC);
}

/* True if it must not be lent again. Pool locked. */
static int outlived(const pondi_slot *slot)
{
    return slot->expires_ns <= slot->seen_ns || slot->opened_ns < slot->pool->distrust_ns;
}

int pondi_slot_keep(pondi_slot *slot)
{
    pond_pool *pool = slot->pool;
    pondi_side side = slot->side;
    pondi_slot_set_side(slot, PONDI_NEITHER); /* its place is free */
    if (pool->closing || slot->branch == pool->upkeep || outlived(slot) ||
        !pondi_queue_leaves(slot)) {
        pondi_slot_set_side(slot, side);
        return 0;
    }
    if (slot->session)
        pondi_slot_leave_session(slot);
    slot->conn->lost = on_lost;
    pondi_slot_set_state(slot, PONDI_SLOT_IDLE);
    slot->rested = 0;
    return 1;
}

/* Who is in front, a reference: the slot is for it from now on. Pool locked. */
static pondi_acquire *pop_for(pondi_slot *slot)
{
    pondi_acquire *waiter = pondi_queue_pop(slot->pool);
    if (waiter)
        pondi_slot_set_side(slot, waiter->side);
    return waiter;
}

void pondi_slot_offer_unattached(pondi_slot *slot)
{
    pond_pool *pool = slot->pool;
    pondi_slot_lock(slot);
    int closing = pool->closing;
    pondi_slot_set_side(slot, PONDI_NEITHER);
    pondi_acquire *waiter = closing ? NULL : pop_for(slot);
    pondi_slot_set_state(slot, closing || waiter ? PONDI_SLOT_MOVING : PONDI_SLOT_IDLE);
    pondi_queue_unlock(pool);
    if (closing)
        pondi_slot_destroy(slot, "the pool was closed");
    else if (waiter)
        pondi_slot_send(slot, waiter);
    if (waiter)
        pond_op_release(&waiter->op);
}

/* On the keeper's loop nobody asks for it: it is kept where every loop can take it. */
static void leave_keeper(pondi_slot *slot)
{
    pondi_slot_detach(slot);
    if (slot->conn)
        pondi_slot_offer_unattached(slot);
    else
        pondi_slot_destroy(slot, "the connection was lost");
}

void pondi_slot_offer(pondi_slot *slot)
{
    pond_pool *pool = slot->pool;
    pondi_acquire *waiter = NULL;
    if (slot->session)
        pondi_slot_leave_session(slot);
    pondi_slot_lock(slot);
    pondi_slot_part(slot);
    if (pondi_slot_keep(slot)) {
        pondi_queue_unlock(pool);
        return;
    }
    int over = pool->closing || outlived(slot);
    const char *why = pool->closing ? "the pool was closed" : "its lifetime was over";
    pondi_slot_set_side(slot, PONDI_NEITHER);
    if (!over)
        waiter = pop_for(slot);
    pondi_slot_set_state(slot, PONDI_SLOT_MOVING);
    slot->rested = 0;
    pondi_queue_unlock(pool);
    if (over)
        pondi_slot_destroy(slot, why);
    else if (waiter && waiter->branch == slot->branch)
        pondi_acquire_grant(waiter, slot);
    else if (waiter)
        pondi_slot_send(slot, waiter);
    else
        leave_keeper(slot);
    if (waiter)
        pond_op_release(&waiter->op);
}

/* An idle connection that the server closed: those on no loop, which nobody watches, may have ended
 * with it. */
static void on_lost(void *owner)
{
    pondi_slot *slot = owner;
    pondi_slot_lock(slot);
    int mine = slot->state == PONDI_SLOT_IDLE; /* else whoever took it finds out */
    if (mine) {
        slot->pool->errors++;
        pondi_upkeep_suspect(slot->pool);
        pondi_slot_set_state(slot, PONDI_SLOT_CLEANING);
    }
    pondi_slot_unlock(slot);
    if (!mine)
        return;
    pondi_upkeep_nudge(slot->pool);
    pondi_slot_destroy(slot, "the server closed it");
}

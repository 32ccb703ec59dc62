#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "pool/pool.h"

static void on_lost(void *owner);
static void on_ready(void *owner);
static void on_settled(void *owner);
static void on_forced(void *owner);
static void on_moving(pondi_message *message);

static void lock(pondi_slot *slot)
{
    pthread_mutex_lock(&slot->pool->lock);
}

static void unlock(pondi_slot *slot)
{
    pthread_mutex_unlock(&slot->pool->lock);
}

/* The one place where a state changes; pool locked. */
static void set_state(pondi_slot *slot, pondi_slot_state state)
{
    pond_pool *pool = slot->pool;
    if (slot->state == PONDI_SLOT_IDLE) {
        pool->idle--;
        pondi_list_remove(&slot->idle_link);
    }
    slot->state = state;
    if (state == PONDI_SLOT_IDLE) {
        pool->idle++;
        pondi_list_push_front(&slot->branch->idle, &slot->idle_link);
    }
}

/* ---- Create and destroy ------------------------------------------------------------------ */

pondi_slot *pondi_slot_new(pond_pool *pool, pondi_branch *branch)
{
    pondi_slot *slot = pondi_calloc(1, sizeof(*slot));
    if (!slot)
        return NULL;
    slot->pool = pool;
    slot->branch = branch;
    slot->state = PONDI_SLOT_OPENING;
    slot->message.run = on_moving;
    pondi_list_init(&slot->idle_link);
    pondi_list_push_back(&branch->slots, &slot->link);
    pool->size++;
    pondi_pool_hold(pool);
    return slot;
}

/* Pool locked: the slot is out of all lists and counts after this. */
static void remove_slot(pondi_slot *slot)
{
    pond_pool *pool = slot->pool;
    if (slot->state == PONDI_SLOT_IDLE)
        pool->idle--;
    pondi_list_remove(&slot->idle_link);
    pondi_list_remove(&slot->link);
    pool->size--;
    if (!slot->conn)
        return;
    pool->destroyed++;
    pool->statement_hits += pondi_counter_read(&slot->conn->statements.hits);
    pool->statement_misses += pondi_counter_read(&slot->conn->statements.misses);
    pool->statement_evictions += pondi_counter_read(&slot->conn->statements.evictions);
}

/* Pool locked. */
static pondi_acquire *part_from_opener(pondi_slot *slot)
{
    pondi_acquire *opener = slot->opener;
    slot->opener = NULL;
    if (opener)
        opener->opening = NULL;
    return opener;
}

void pondi_slot_destroy(pondi_slot *slot, const char *why)
{
    pond_pool *pool = slot->pool;
    pondi_branch *here = slot->branch;
    lock(slot);
    if (slot->lease) {
        slot->lease->slot = NULL;
        pool->released++;
    }
    part_from_opener(slot);
    remove_slot(slot);
    unlock(slot);
    pondi_conn *conn = slot->conn;
    slot->conn = NULL; /* the requests that end now see that it is over */
    if (conn)
        pondi_conn_destroy(conn, POND_ECLOSED, why);
    pondi_free(slot);
    pondi_acquire_pump(pool, here);
    pondi_close_check(pool);
    pondi_pool_unhold(pool);
}

/* ---- Open -------------------------------------------------------------------------------- */

static int open_shared(pond_pool *pool, pond_error **err)
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

/* Nobody can use this slot: its opener, if it still waits, is told why. */
static void open_failed(pondi_slot *slot, pond_error *error)
{
    lock(slot);
    slot->pool->errors++;
    pondi_acquire *opener = part_from_opener(slot);
    if (opener)
        pondi_list_remove(&opener->op.link);
    unlock(slot);
    if (opener)
        pondi_acquire_fail(opener, pondi_error_copy(error));
    pondi_slot_destroy(slot, "it could not be opened");
    pond_error_free(error);
}

/* The core's own requests lead back to their slot through the user data. */
static void on_connected(pond_op *op)
{
    pondi_slot *slot = op->user_data;
    pond_error *error = op->error;
    int status = op->status;
    op->error = NULL;
    pond_op_release(op);
    if (slot->state != PONDI_SLOT_OPENING || !slot->conn) {
        pond_error_free(error); /* it is being destroyed */
        return;
    }
    if (status) {
        open_failed(slot, error ? error : pondi_error_new(status, "cannot connect"));
        return;
    }
    slot->conn->state = PONDI_CONN_READY;
    lock(slot);
    slot->pool->created++;
    part_from_opener(slot);
    unlock(slot);
    slot->conn->settled = on_ready;
}

/* Not from inside the request's own end: the next owner may be on another loop, at once. */
static void on_ready(void *owner)
{
    pondi_slot *slot = owner;
    if (slot->conn->state == PONDI_CONN_READY)
        pondi_slot_offer(slot);
    else
        pondi_slot_destroy(slot, "the connection was lost");
}

static int submit(pondi_slot *slot, pondi_request_kind kind, pond_transaction_verb verb,
                  int64_t timeout_ms, void (*done)(pond_op *op), pond_error **err)
{
    pondi_request *request = NULL;
    int code = pondi_request_new(kind, slot->branch->loop, "", 0, NULL, 0, 0, NULL, 0, slot,
                                 &request, err);
    if (code)
        return code;
    request->verb = verb;
    request->timeout_ms = timeout_ms;
    request->op.intercept = done;
    pondi_conn_submit(slot->conn, request);
    return POND_OK;
}

void pondi_slot_open(pondi_slot *slot)
{
    pond_pool *pool = slot->pool;
    pond_error *error = NULL;
    pondi_conn *conn = NULL;
    int64_t timeout_ms = pondi_config_ms(pool->config, "connection_creation_timeout", 15000);
    int code = open_shared(pool, &error);
    if (!code)
        code = pondi_conn_new(pool->driver, pool->config, pool->shared, slot->branch->loop, &conn,
                              &error);
    if (!code) {
        conn->owner = slot;
        conn->state = PONDI_CONN_CONNECTING;
        lock(slot);
        slot->conn = conn;
        unlock(slot);
        code = submit(slot, PONDI_REQUEST_CONNECT, POND_BEGIN, timeout_ms, on_connected, &error);
    }
    if (code)
        open_failed(slot, error ? error : pondi_error_new(code, "cannot connect"));
}

/* ---- Lend -------------------------------------------------------------------------------- */

static pondi_slot *idle_elsewhere(pond_pool *pool)
{
    for (pondi_list *node = pool->branches.next; node != &pool->branches; node = node->next) {
        pondi_branch *branch = PONDI_CONTAINER(node, pondi_branch, link);
        if (!pondi_list_empty(&branch->idle))
            return PONDI_CONTAINER(branch->idle.next, pondi_slot, idle_link);
    }
    return NULL;
}

pondi_slot *pondi_slot_take_idle(pond_pool *pool, pondi_branch *branch, int any)
{
    pondi_slot *slot = NULL;
    if (!pondi_list_empty(&branch->idle)) {
        slot = PONDI_CONTAINER(branch->idle.next, pondi_slot, idle_link);
    } else if (!pondi_list_empty(&pool->detached)) {
        slot = PONDI_CONTAINER(pool->detached.next, pondi_slot, link);
        pondi_list_remove(&slot->link);
    } else if (any) {
        slot = idle_elsewhere(pool);
    }
    if (slot)
        set_state(slot, PONDI_SLOT_MOVING);
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
    lock(slot);
    slot->branch = branch;
    pondi_list_push_back(&branch->slots, &slot->link);
    unlock(slot);
    return POND_OK;
}

int pondi_slot_lease(pondi_slot *slot, pond_connection **out, pond_error **err)
{
    pond_pool *pool = slot->pool;
    slot->conn->lost = NULL;
    int code = pondi_lease_new(slot, out, err);
    if (code) {
        pondi_slot_offer(slot);
        return code;
    }
    lock(slot);
    set_state(slot, PONDI_SLOT_LEASED);
    slot->lease = *out;
    pool->acquired++;
    uint64_t active = pool->acquired - pool->released;
    if (active > pool->peak_active)
        pool->peak_active = active;
    unlock(slot);
    return POND_OK;
}

/* Out of the queue, and of any connection still being opened for it. Pool locked. */
static pondi_acquire *next_waiter(pond_pool *pool)
{
    pondi_list *node = pondi_list_pop_front(&pool->waiters);
    if (!node)
        return NULL;
    pondi_acquire *waiter = (pondi_acquire *)(void *)PONDI_CONTAINER(node, pond_op, link);
    if (waiter->opening)
        part_from_opener(waiter->opening);
    return waiter;
}

void pondi_slot_offer(pondi_slot *slot)
{
    pondi_acquire *waiter = NULL;
    lock(slot);
    int closing = slot->pool->closing;
    if (!closing)
        waiter = next_waiter(slot->pool);
    if (!closing && !waiter) {
        slot->conn->lost = on_lost;
        set_state(slot, PONDI_SLOT_IDLE);
    } else {
        set_state(slot, PONDI_SLOT_MOVING);
    }
    unlock(slot);
    if (closing)
        pondi_slot_destroy(slot, "the pool was closed");
    else if (waiter && waiter->branch == slot->branch)
        pondi_acquire_grant(waiter, slot);
    else if (waiter)
        pondi_slot_send(slot, waiter);
}

/* An idle connection that the server closed. */
static void on_lost(void *owner)
{
    pondi_slot *slot = owner;
    if (slot->state != PONDI_SLOT_IDLE)
        return; /* whoever took it finds out */
    lock(slot);
    slot->pool->errors++;
    unlock(slot);
    pondi_slot_destroy(slot, "the server closed it");
}

/* ---- Move between loops ------------------------------------------------------------------ */

static void detach(pondi_slot *slot)
{
    if (!slot->branch)
        return;
    slot->conn->lost = NULL;
    if (slot->conn->state == PONDI_CONN_READY)
        pondi_conn_detach(slot->conn);
    pondi_conn *broken = slot->conn->state == PONDI_CONN_READY ? NULL : slot->conn;
    lock(slot);
    if (broken)
        slot->conn = NULL;
    pondi_list_remove(&slot->link);
    slot->branch = NULL;
    unlock(slot);
    if (broken)
        pondi_conn_destroy(broken, POND_ECONNLOST, "the connection was lost");
}

void pondi_slot_send(pondi_slot *slot, pondi_acquire *target)
{
    detach(slot);
    if (!slot->target) {
        slot->target = target;
        pond_op_retain(&target->op);
    }
    pondi_loop_post(target->branch->loop, &slot->message);
}

void pondi_slot_fetch(pondi_slot *slot, pond_loop *from, pondi_acquire *target)
{
    slot->target = target;
    slot->leaving = from != NULL;
    pond_op_retain(&target->op);
    pond_loop *to = from ? from : target->branch->loop;
    pondi_loop_post(to, &slot->message);
    pondi_loop_poke(to);
}

/* On the loop that it comes to: someone else's turn if the target gave up meanwhile. */
static void arrive(pondi_slot *slot, pondi_acquire *target)
{
    pondi_branch *branch = target->branch;
    pond_error *error = NULL;
    if (!slot->conn) {
        pondi_slot_destroy(slot, "");
        if (target->op.status == POND_PENDING)
            pondi_acquire_again(target);
    } else if (!branch->timer) { /* that loop is closed */
        lock(slot);
        slot->state = PONDI_SLOT_IDLE;
        slot->pool->idle++;
        pondi_list_push_front(&slot->pool->detached, &slot->link);
        unlock(slot);
        pondi_acquire_pump(slot->pool, NULL);
    } else if (pondi_slot_arrive(slot, branch, &error)) {
        pond_error_free(error);
        if (target->op.status == POND_PENDING)
            pondi_acquire_again(target);
    } else if (target->op.status == POND_PENDING) {
        pondi_acquire_grant(target, slot);
    } else {
        pondi_slot_offer(slot);
    }
}

static void on_moving(pondi_message *message)
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

/* ---- Take back --------------------------------------------------------------------------- */

static void on_rolled_back(pond_op *op)
{
    pondi_slot *slot = op->user_data;
    int status = op->status;
    pond_op_release(op);
    if (slot->state != PONDI_SLOT_CLEANING || !slot->conn)
        return; /* it is being destroyed */
    if (status || slot->conn->in_transaction || slot->conn->state != PONDI_CONN_READY)
        pondi_slot_destroy(slot, "its transaction could not be rolled back");
    else
        slot->conn->settled = on_ready;
}

enum { CLEAN_UP_MS = 5000 };

static void on_stream_ended(pond_op *op)
{
    pondi_slot *slot = op->user_data;
    pond_op_release(op);
    if (slot->state == PONDI_SLOT_CLEANING && slot->conn)
        slot->conn->settled = on_settled;
}

static void clean_up(pondi_slot *slot)
{
    pondi_conn *conn = slot->conn;
    if (conn->state != PONDI_CONN_READY) {
        pondi_slot_destroy(slot, "the connection was lost");
    } else if (conn->streamed) {
        if (submit(slot, PONDI_REQUEST_END_STREAM, POND_BEGIN, CLEAN_UP_MS, on_stream_ended, NULL))
            pondi_slot_destroy(slot, "its stream could not be ended");
    } else if (!conn->in_transaction) {
        pondi_slot_offer(slot);
    } else {
        pondi_log(POND_LOG_WARNING, "pool",
                  "a connection came back with an open transaction, which was rolled back: commit "
                  "or roll back before the release");
        if (submit(slot, PONDI_REQUEST_TRANSACTION, POND_ROLLBACK, CLEAN_UP_MS, on_rolled_back,
                   NULL))
            pondi_slot_destroy(slot, "its transaction could not be rolled back");
    }
}

static void on_settled(void *owner)
{
    clean_up(owner);
}

void pondi_slot_return(pondi_slot *slot)
{
    pondi_conn *conn = slot->conn;
    lock(slot);
    slot->lease = NULL;
    slot->pool->released++;
    set_state(slot, PONDI_SLOT_CLEANING);
    unlock(slot);
    if (pondi_conn_is_idle(conn)) {
        clean_up(slot);
        return;
    }
    conn->settled = on_settled;
    pondi_conn_cancel_all(conn);
}

/* ---- End by force ------------------------------------------------------------------------ */

static void on_committed(pond_op *op)
{
    pondi_slot *slot = op->user_data;
    int status = op->status;
    pond_op_release(op);
    if (slot->state != PONDI_SLOT_CLEANING || !slot->conn)
        return;
    if (status)
        pondi_log(POND_LOG_ERROR, "pool",
                  "a transaction that was open when its pool closed could not be committed");
    pondi_slot_destroy(slot, "the pool was closed");
}

static void on_forced(void *owner)
{
    pondi_slot_destroy(owner, "the pool was closed");
}

void pondi_slot_force(pondi_slot *slot)
{
    pondi_conn *conn = slot->conn;
    lock(slot);
    slot->lease->slot = NULL;
    slot->lease = NULL;
    slot->pool->released++;
    set_state(slot, PONDI_SLOT_CLEANING);
    unlock(slot);
    pondi_log(POND_LOG_WARNING, "pool",
              "a connection was still leased when its pool closed and was taken by force");
    if (!pondi_conn_is_idle(conn)) {
        conn->settled = on_forced;
        pondi_conn_cancel_all(conn);
    } else if (conn->state != PONDI_CONN_READY || !conn->in_transaction ||
               conn->transaction_failed || conn->streamed ||
               submit(slot, PONDI_REQUEST_TRANSACTION, POND_COMMIT, CLEAN_UP_MS, on_committed,
                      NULL)) {
        pondi_slot_destroy(slot, "the pool was closed");
    }
}

#include <sched.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/given.h"
#include "base/interrupt.h"
#include "pool/pool.h"

static void cancel(pond_op *op);
static void destroy(pond_op *op);

static const pondi_op_class acquire_class = {cancel, destroy};

static pondi_acquire *waiter_at(pondi_list *node)
{
    return (pondi_acquire *)(void *)PONDI_CONTAINER(node, pond_op, link);
}

/* ---- Create and destroy ------------------------------------------------------------------ */

static int acquire_new(pond_pool *pool, pondi_branch *branch, int64_t timeout_ms, void *user_data,
                       pondi_acquire **out, pond_error **err)
{
    pondi_acquire *acquire = pondi_calloc(1, sizeof(*acquire));
    *out = acquire;
    if (!acquire)
        return pondi_error_nomem(err);
    pondi_op_init(&acquire->op, &acquire_class, branch->loop, user_data);
    acquire->pool = pond_pool_retain(pool);
    acquire->branch = branch;
    pondi_branch_retain(branch);
    acquire->side = pondi_loop_is_private(branch->loop) ? PONDI_SYNC : PONDI_ASYNC;
    acquire->whole = timeout_ms != POND_TIMEOUT_DEFAULT;
    if (timeout_ms == POND_TIMEOUT_DEFAULT)
        timeout_ms = pool->settings.acquire_timeout_ms;
    acquire->timeout_ms = timeout_ms;
    acquire->deadline_ns = pondi_deadline_ns(timeout_ms);
    return POND_OK;
}

static void destroy(pond_op *op)
{
    pondi_acquire *acquire = (pondi_acquire *)op;
    pond_pool *pool = acquire->pool;
    pondi_branch *branch = acquire->branch;
    if (op->connection) {
        pond_connection_give_back(op->connection, NULL);
        pond_connection_release(op->connection);
    }
    pondi_free(acquire);
    pondi_branch_release(branch);
    pond_pool_release(pool);
}

static void cancel(pond_op *op)
{
    pondi_acquire *acquire = (pondi_acquire *)op;
    pthread_mutex_lock(&acquire->pool->lock);
    pondi_queue_remove(acquire);
    pondi_queue_unlock(acquire->pool);
    pondi_acquire_fail(acquire, pondi_error_new(POND_ECANCELLED, "the acquire was cancelled"));
}

/* ---- Outcomes ---------------------------------------------------------------------------- */

void pondi_acquire_fail(pondi_acquire *acquire, pond_error *error)
{
    pondi_metrics_error(&acquire->pool->metrics, error->code);
    pondi_op_complete(&acquire->op, error->code, error);
}

void pondi_acquire_grant(pondi_acquire *acquire, pondi_slot *slot)
{
    pond_error *error = NULL;
    if (acquire->checks) {
        pondi_slot_ping_for(slot, acquire);
        return;
    }
    pond_connection *lease = NULL;
    int64_t wait_ns = acquire->began_ns ? pondi_now_ns() - acquire->began_ns : 0;
    if (pondi_slot_lease(slot, wait_ns, &lease, &error)) {
        pondi_acquire_fail(acquire, error ? error : pondi_error_new(POND_ENOMEM, "out of memory"));
        return;
    }
    acquire->op.connection = lease;
    pondi_op_complete(&acquire->op, POND_OK, NULL);
}

/* ---- One try ----------------------------------------------------------------------------- */

/* Pool locked: an idle slot for this loop, if who waits already lets it pass. With `working` only
 * one that is known to work: others want a round trip first. */
static pondi_slot *take_first(pond_pool *pool, pondi_branch *branch, int working)
{
    pondi_side side = pondi_loop_is_private(branch->loop) ? PONDI_SYNC : PONDI_ASYNC;
    if (pool->closing || !pondi_queue_lets_pass(pool, side))
        return NULL;
    pondi_slot *slot = pondi_slot_take_idle(pool, branch, side, 0);
    if (!slot || !working || !pondi_slot_needs_ping(slot, pondi_coarse_now_ns()))
        return slot;
    pondi_slot_set_state(slot, PONDI_SLOT_IDLE);
    return NULL;
}

static int drop_if_useless(pondi_slot *slot)
{
    if (pondi_slot_is_of_use(slot, pondi_coarse_now_ns()))
        return 0;
    pondi_slot_destroy(slot, "it was no longer usable");
    return 1;
}

/* An idle slot that is on this loop now; none if others wait and come first. */
static int take_here(pond_pool *pool, pondi_branch *branch, int working, int *closing,
                     pondi_slot **out, pond_error **err)
{
    for (;;) {
        pthread_mutex_lock(&pool->lock);
        *closing = pool->closing;
        pondi_slot *slot = take_first(pool, branch, working);
        int others = slot && pondi_queue_is_waited_in(pool);
        pthread_mutex_unlock(&pool->lock);
        if (others)
            pondi_acquire_pump(pool, branch); /* nothing is idle for them any more */
        *out = slot;
        if (!slot)
            return POND_OK;
        int code = pondi_slot_arrive(slot, branch, err);
        if (code)
            *out = NULL;
        if (code || !drop_if_useless(slot))
            return code;
    }
}

/* From here on it waits, if it did not before. */
static void note_wait(pondi_acquire *acquire)
{
    if (!acquire->began_ns)
        acquire->began_ns = pondi_now_ns();
}

/* Pool locked: the error for who comes while the server is down and no try is due. */
static pond_error *refusal(pond_pool *pool)
{
    int64_t now_ns = pool->outage.on ? pondi_now_ns() : 0;
    if (!pool->outage.on)
        return NULL;
    pool->outage.wanted_ns = now_ns;
    if (!pondi_outage_refuses(pool) || now_ns >= pool->outage.retry_ns)
        return NULL;
    pool->outage.refused++;
    return pondi_outage_error(pool);
}

/* A check of the pool's health waits for no holder: that all are busy is no illness. */
static int needs_no_check(const pond_pool *pool, const pondi_acquire *acquire)
{
    int full = !pondi_queue_may_open(pool, PONDI_ASYNC) || !pondi_queue_may_open(pool, PONDI_SYNC);
    return acquire->checks && full && pool->size > pool->opening;
}

/* Nothing is idle here: fetch from another loop, open, or wait. */
static void find_or_wait(pondi_acquire *acquire, int in_front)
{
    pond_pool *pool = acquire->pool;
    pondi_slot *slot = NULL;
    note_wait(acquire);
    pthread_mutex_lock(&pool->lock);
    if (in_front ? pondi_queue_has_room(pool, acquire->side)
                 : pondi_queue_lets_pass(pool, acquire->side))
        slot = pondi_slot_take_idle(pool, acquire->branch, acquire->side, 1);
    pond_loop *from = slot && slot->branch ? slot->branch->loop : NULL;
    pond_error *refused = slot ? NULL : refusal(pool);
    int done = !slot && !refused && needs_no_check(pool, acquire);
    if (!slot && !refused && !done)
        pondi_queue_push(pool, acquire, in_front);
    int full = !slot && !pondi_queue_may_open(pool, acquire->side);
    if (from)
        pondi_loop_hold(from);
    pondi_queue_unlock(pool);
    if (refused)
        pondi_metrics_error(&pool->metrics, refused->code);
    if (refused || done) {
        pondi_op_complete(&acquire->op, refused ? refused->code : POND_OK, refused);
        return;
    }
    pondi_branch_aim(acquire->branch, acquire->deadline_ns);
    if (slot)
        pondi_slot_fetch(slot, from, acquire);
    else if (full)
        pondi_branch_tend_others(pool, acquire->branch);
    else
        pondi_acquire_pump(pool, acquire->branch);
    if (from)
        pondi_loop_unhold(from);
}

void pondi_acquire_wait_for(pondi_acquire *acquire, pondi_slot *slot)
{
    pond_pool *pool = acquire->pool;
    note_wait(acquire);
    pthread_mutex_lock(&pool->lock);
    pondi_queue_push(pool, acquire, 1);
    acquire->opening = slot;
    slot->opener = acquire;
    pondi_queue_unlock(pool);
    pondi_branch_aim(acquire->branch, acquire->deadline_ns);
    pondi_slot_ping(slot);
}

void pondi_acquire_again(pondi_acquire *acquire)
{
    pthread_mutex_lock(&acquire->pool->lock);
    int closing = acquire->pool->closing;
    pthread_mutex_unlock(&acquire->pool->lock);
    if (closing)
        pondi_acquire_fail(acquire, pondi_pool_closed_error(acquire->pool));
    else if (!acquire->branch->timer)
        pondi_acquire_fail(acquire, pondi_error_new(POND_ECLOSED, "the event loop was closed"));
    else
        find_or_wait(acquire, 1);
}

/* Whoever was woken here takes what is idle. True if others were faster, and it `looks` again. */
static int take_idle(pondi_branch *branch, int looks)
{
    pond_pool *pool = branch->pool;
    pthread_mutex_lock(&pool->lock);
    pondi_acquire *acquire = pondi_queue_woken(branch);
    pondi_slot *slot = NULL;
    if (acquire && (acquire->opening || pondi_queue_has_room(pool, acquire->side)))
        slot = pondi_slot_take_idle(pool, branch, acquire->side, 1);
    pond_loop *from = slot && slot->branch ? slot->branch->loop : NULL;
    int in_vain = acquire && !slot;
    looks = in_vain && looks && acquire->looks && pondi_queue_lets_pass(pool, acquire->side);
    if (slot)
        pondi_queue_remove(acquire);
    else if (in_vain && !looks && !pool->driver->fits) /* else what is idle fits another loop */
        pool->woken = NULL;                            /* it sleeps until the next one comes back */
    if (from)
        pondi_loop_hold(from);
    pondi_queue_unlock(pool);
    if (slot) {
        pondi_slot_fetch(slot, from, acquire);
        pondi_acquire_pump(pool, branch); /* for who found nothing idle any more */
    }
    if (from)
        pondi_loop_unhold(from);
    if (looks)
        pondi_op_nudge(&acquire->op);
    return looks;
}

void pondi_acquire_woken(pondi_branch *branch)
{
    take_idle(branch, 1);
}

/* ---- Opening for those who wait ---------------------------------------------------------- */

static pondi_acquire *without_opening(pond_pool *pool, pondi_side side)
{
    const pondi_list *line = &pool->waiters[side];
    if (!pondi_queue_may_open(pool, side))
        return NULL;
    for (pondi_list *node = line->next; node != line; node = node->next) {
        pondi_acquire *waiter = waiter_at(node);
        if (!waiter->opening)
            return waiter;
    }
    return NULL;
}

/* Pool locked: reserve a place for one waiter of `here`; or tell another loop that there is room.
 */
static pondi_slot *reserve(pond_pool *pool, pondi_branch *here, pondi_acquire **unlucky)
{
    if (pool->closing || !pondi_outage_may_open(pool))
        return NULL;
    pondi_acquire *waiter =
        pondi_queue_older(without_opening(pool, PONDI_ASYNC), without_opening(pool, PONDI_SYNC));
    if (!waiter)
        return NULL;
    if (waiter->branch != here) {
        pondi_branch_tell(pool, waiter->branch, PONDI_BRANCH_PUMP);
        return NULL;
    }
    pondi_slot *slot = pondi_slot_new(pool, here, waiter->side);
    if (!slot) {
        pondi_queue_remove(waiter);
        *unlucky = waiter;
        return NULL;
    }
    slot->opener = waiter;
    waiter->opening = slot;
    return slot;
}

void pondi_acquire_pump(pond_pool *pool, pondi_branch *here)
{
    for (;;) {
        pondi_acquire *unlucky = NULL;
        pthread_mutex_lock(&pool->lock);
        pondi_slot *slot = reserve(pool, here, &unlucky);
        pondi_queue_unlock(pool);
        if (slot)
            pondi_slot_open(slot);
        else if (unlucky)
            pondi_acquire_fail(unlucky, pondi_error_new(POND_ENOMEM, "out of memory"));
        else
            return;
    }
}

static int is_of_another(const pondi_list *node, const pondi_branch *branch)
{
    return ((const pondi_acquire *)(const void *)PONDI_CONTAINER(node, pond_op, link))->branch !=
           branch;
}

/* The ends of a line that may be long tell enough: it is rarely mixed. */
int pondi_acquire_others_wait(const pond_pool *pool, const pondi_branch *branch)
{
    for (int side = PONDI_ASYNC; side < PONDI_SIDES; side++) {
        const pondi_list *line = &pool->waiters[side];
        if (!pondi_list_empty(line) &&
            (is_of_another(line->next, branch) || is_of_another(line->previous, branch)))
            return 1;
    }
    return 0;
}

/* ---- Deadlines --------------------------------------------------------------------------- */

/* It has a place, and what is opened there has a time limit of its own. */
static int is_opened_for(const pondi_acquire *waiter)
{
    return !waiter->whole && waiter->opening && waiter->opening->state == PONDI_SLOT_OPENING;
}

static pondi_acquire *take_expired(pondi_branch *branch, int64_t now_ns, int64_t *next_ns)
{
    pondi_heap_node *first;
    *next_ns = PONDI_NEVER;
    while ((first = pondi_heap_first(&branch->waiters))) {
        pondi_acquire *waiter = PONDI_CONTAINER(first, pondi_acquire, timed);
        *next_ns = first->key;
        if (first->key > now_ns)
            return NULL;
        if (now_ns == PONDI_NEVER || !is_opened_for(waiter)) {
            pondi_queue_remove(waiter);
            return waiter;
        }
        pondi_queue_set_deadline(waiter, PONDI_NEVER);
    }
    return NULL;
}

/* Pool locked. */
static pond_error *timeout_error(const pondi_acquire *acquire)
{
    const pond_pool *pool = acquire->pool;
    double seconds = (double)acquire->timeout_ms / 1000;
    uint32_t most = pondi_queue_most(pool, acquire->side);
    uint32_t leased = pool->leased[acquire->side];
    uint32_t busy = pool->held[acquire->side] + pool->held[pondi_pool_rest(pool, acquire->side)] -
                    leased - pool->idle;
    char address[200];
    if (pool->outage.on)
        return pondi_error_new(POND_EACQUIRE,
                               "no connection became free within %.3g s, and none can be opened: "
                               "%s",
                               seconds, pond_error_message(pool->outage.error));
    if (leased < most && pool->opening) {
        pondi_config_address(pool->config, address, sizeof(address));
        return pondi_error_new(POND_EACQUIRE,
                               "no connection within %.3g s: still connecting to %s, and %u of at "
                               "most %u are in use; check that the server can be reached",
                               seconds, address, leased, most);
    }
    if (leased < most)
        return pondi_error_new(POND_EACQUIRE,
                               "no connection became free within %.3g s: %u of at most %u are in "
                               "use, %u are being checked, reset or closed",
                               seconds, leased, most, busy);
    return pondi_error_new(POND_EACQUIRE,
                           "no connection became free within %.3g s: %u of at most %u are in use; "
                           "release them sooner, or raise %s",
                           seconds, leased, most,
                           acquire->side == PONDI_SYNC ? "sync_max_size" : "pool_max_size");
}

/* Pool locked. More servers and connections help only where all are in use: a server that does not
 * answer is no sign of load. */
static void note_timeout(const pondi_acquire *acquire)
{
    pond_pool *pool = acquire->pool;
    int all_in_use = pool->leased[acquire->side] >= pondi_queue_most(pool, acquire->side);
    pool->timeouts++;
    if (all_in_use || (!pool->outage.on && !pool->opening))
        pondi_metrics_timed_out(&pool->metrics, pondi_coarse_now_ns());
}

int64_t pondi_acquire_expire(pondi_branch *branch, const pond_error *error)
{
    pond_pool *pool = branch->pool;
    int64_t now_ns = error ? PONDI_NEVER : pondi_now_ns();
    for (;;) {
        int64_t next_ns;
        pthread_mutex_lock(&pool->lock);
        pondi_acquire *waiter = take_expired(branch, now_ns, &next_ns);
        pond_error *told = NULL;
        if (waiter)
            told = error ? pondi_error_copy(error) : timeout_error(waiter);
        if (waiter && !error)
            note_timeout(waiter);
        pondi_queue_unlock(pool);
        if (!waiter)
            return next_ns;
        pondi_acquire_fail(waiter, told);
    }
}

/* ---- Public ------------------------------------------------------------------------------ */

int pond_pool_try_acquire(pond_pool *pool, pond_loop *loop, pond_connection **out, pond_error **err)
{
    if (out)
        *out = NULL;
    int code = PONDI_GIVEN(err, pool, out);
    if (!code && !loop)
        code = pondi_loop_private(&loop, err);
    if (!code)
        code = pondi_pool_enter(pool, loop, err);
    if (code)
        return code;
    pondi_branch *branch;
    pondi_slot *slot = NULL;
    int closing = 0;
    code = pondi_branch_get(pool, loop, &branch, err);
    if (!code)
        code = take_here(pool, branch, 1, &closing, &slot, err);
    if (slot)
        code = pondi_slot_lease(slot, 0, out, err);
    else if (!code && closing)
        code = pondi_error_move(err, pondi_pool_closed_error(pool));
    else if (!code)
        code = POND_EAGAIN;
    pondi_loop_leave(loop);
    return code;
}

/* Grant, check or line up a new operation, which is the caller's. */
static void begin(pondi_acquire *acquire, pondi_slot *slot)
{
    if (!slot) {
        find_or_wait(acquire, 0);
        return;
    }
    pondi_slot_lock(slot);
    int needs_ping = pondi_slot_needs_ping(slot, pondi_coarse_now_ns());
    pondi_slot_unlock(slot);
    if (needs_ping && !acquire->checks)
        pondi_acquire_wait_for(acquire, slot);
    else
        pondi_acquire_grant(acquire, slot);
}

enum {
    CHECKS = 1, /* of pond_pool_check() */
    WAITS = 2   /* the caller waits for the operation, and gets the only reference */
};

/* `intercept` gets the only reference to the operation, or nobody does (NULL). */
static int submit(pond_pool *pool, pond_loop *loop, int flags, void (*intercept)(pond_op *op),
                  int64_t timeout_ms, void *user_data, pond_op **op, pond_error **err)
{
    pondi_branch *branch;
    pondi_acquire *acquire;
    pondi_slot *slot = NULL;
    int closing = 0;
    int code = pondi_branch_get(pool, loop, &branch, err);
    if (!code)
        code = acquire_new(pool, branch, timeout_ms, user_data, &acquire, err);
    if (code)
        return code;
    acquire->checks = flags & CHECKS;
    acquire->looks = (flags & WAITS) && !pondi_loop_has_thread(loop);
    acquire->blocks = flags & WAITS || pondi_loop_is_private(loop);
    code = take_here(pool, branch, 0, &closing, &slot, err);
    if (code || closing) {
        pond_op_release(&acquire->op);
        return code ? code : pondi_error_move(err, pondi_pool_closed_error(pool));
    }
    acquire->op.intercept = intercept;
    if (intercept) {
        *op = &acquire->op;
    } else {
        pondi_op_hand_out(&acquire->op, op);
    }
    begin(acquire, slot);
    return POND_OK;
}

static int enter_and_submit(pond_pool *pool, pond_loop *loop, int flags, int64_t timeout_ms,
                            void *user_data, pond_op **op, pond_error **err)
{
    if (op)
        *op = NULL;
    int code = PONDI_GIVEN(err, pool);
    if (!code && !loop)
        code = pondi_loop_private(&loop, err);
    if (!code)
        code = pondi_pool_enter(pool, loop, err);
    if (code)
        return code;
    code = submit(pool, loop, flags, flags & WAITS ? pondi_op_keep : NULL, timeout_ms, user_data,
                  op, err);
    pondi_loop_leave(loop);
    return code;
}

int pond_pool_acquire(pond_pool *pool, pond_loop *loop, int64_t timeout_ms, void *user_data,
                      pond_op **op, pond_error **err)
{
    return enter_and_submit(pool, loop, 0, timeout_ms, user_data, op, err);
}

int pondi_acquire_within(pond_pool *pool, pond_loop *loop, int64_t timeout_ms,
                         void (*intercept)(pond_op *op), void *user_data, pond_op **op,
                         pond_error **err)
{
    *op = NULL;
    return submit(pool, loop, 0, intercept, timeout_ms, user_data, op, err);
}

int pond_pool_check(pond_pool *pool, pond_loop *loop, int64_t timeout_ms, void *user_data,
                    pond_op **op, pond_error **err)
{
    return enter_and_submit(pool, loop, CHECKS, timeout_ms, user_data, op, err);
}

enum { RETRIES = 32 };

/* The calling thread was woken, but another thread took the connection first. That may happen
 * again: to yield and retry costs less than to sleep each time. */
static void retry_take_idle(pondi_acquire *acquire)
{
    pond_op *op = &acquire->op;
    int left = RETRIES;
    while (left && !pondi_loop_enter(op->loop, NULL)) {
        int nudged = op->nudged;
        op->nudged = 0;
        left = nudged && take_idle(acquire->branch, left > 1) ? left - 1 : 0;
        pondi_loop_leave(op->loop);
        if (left)
            sched_yield();
    }
}

static int wait_for(pond_op *op, pond_connection **out, pond_error **err)
{
    int code;
    while ((code = pond_op_wait(op, pondi_interrupt_wait_ms(), err)) == POND_EAGAIN) {
        if (pondi_interrupt_is_due() && pondi_interrupt_ask())
            pond_op_cancel(op);
        retry_take_idle((pondi_acquire *)op);
    }
    if (op->status == POND_PENDING)
        return code; /* the loop was closed under us: whoever ends the operation frees it */
    if (!code && out)
        *out = pond_op_take_connection(op);
    else if (code && err && !*err)
        *err = pond_op_take_error(op);
    pond_op_release(op);
    return code;
}

int pond_pool_acquire_wait(pond_pool *pool, pond_loop *loop, int64_t timeout_ms,
                           pond_connection **out, pond_error **err)
{
    if (out)
        *out = NULL;
    int code = PONDI_GIVEN(err, pool, out);
    if (!code && !loop)
        code = pondi_loop_private(&loop, err);
    if (code)
        return code;
    code = pond_pool_try_acquire(pool, loop, out, err);
    if (code != POND_EAGAIN)
        return code;
    pond_op *op = NULL;
    code = enter_and_submit(pool, loop, WAITS, timeout_ms, NULL, &op, err);
    return code ? code : wait_for(op, out, err);
}

int pond_pool_check_wait(pond_pool *pool, int64_t timeout_ms, pond_error **err)
{
    pond_op *op = NULL;
    int code = enter_and_submit(pool, NULL, CHECKS | WAITS, timeout_ms, NULL, &op, err);
    return code ? code : wait_for(op, NULL, err);
}

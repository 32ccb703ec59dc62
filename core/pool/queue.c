/* Who waits for a connection, in which order, and who is woken.
 *
 * A connection that comes back goes straight to who has waited longest, except where that is a
 * blocked thread that came only just now (`patience_ns`). Its waking takes longer than many a use,
 * so the connection is left idle and the thread is woken to take it; a thread that runs may use it
 * meanwhile. Whoever has waited for longer is handed the next one, and nobody goes before.
 *
 * Each side has a line of its own: who cannot be served, as its side has all that it may have, is
 * passed over by the other side. Between those who can be, who came first is served first.
 *
 * Who is having a connection checked for itself needs no other. For the rest this must hold
 * whenever the pool's lock is free: if a connection is idle while one of them waits, `woken` is in
 * line and its loop has a message for it. */
#include "base/clock.h"
#include "pool/pool.h"

static pondi_acquire *waiter_at(pondi_list *node)
{
    return (pondi_acquire *)(void *)PONDI_CONTAINER(node, pond_op, link);
}

/* ---- Sides ------------------------------------------------------------------------------- */

uint32_t pondi_queue_most(const pond_pool *pool, pondi_side side)
{
    return side == PONDI_SYNC ? pool->settings.sync_max_size : pool->settings.max_size;
}

int pondi_queue_has_room(const pond_pool *pool, pondi_side side)
{
    return pool->held[side] < pondi_queue_most(pool, side);
}

int pondi_queue_may_open(const pond_pool *pool, pondi_side side)
{
    return pool->held[side] + pool->held[pondi_pool_rest(pool, side)] <
           pondi_queue_most(pool, side);
}

int pondi_queue_is_waited_in(const pond_pool *pool)
{
    return pool->waiting[PONDI_ASYNC] || pool->waiting[PONDI_SYNC];
}

pondi_acquire *pondi_queue_older(pondi_acquire *one, pondi_acquire *other)
{
    if (!one || !other)
        return one ? one : other;
    return other->began_ns < one->began_ns ? other : one;
}

/* ---- The line ---------------------------------------------------------------------------- */

/* What is opened for it has a place on its side already. */
static pondi_acquire *if_it_fits(pondi_acquire *acquire)
{
    int fits = acquire && (acquire->opening || pondi_queue_has_room(acquire->pool, acquire->side));
    return fits ? acquire : NULL;
}

static pondi_acquire *first_on(const pond_pool *pool, pondi_side side)
{
    const pondi_list *line = &pool->waiters[side];
    return pondi_list_empty(line) ? NULL : if_it_fits(waiter_at(line->next));
}

static pondi_acquire *first(const pond_pool *pool)
{
    return pondi_queue_older(first_on(pool, PONDI_ASYNC), first_on(pool, PONDI_SYNC));
}

static int has_one_checked(const pondi_acquire *acquire)
{
    return acquire->opening && acquire->opening->state != PONDI_SLOT_OPENING;
}

static pondi_acquire *first_in_need_on(const pond_pool *pool, pondi_side side)
{
    const pondi_list *line = &pool->waiters[side];
    for (pondi_list *node = line->next; node != line; node = node->next) {
        if (!has_one_checked(waiter_at(node)))
            return if_it_fits(waiter_at(node));
    }
    return NULL;
}

static pondi_acquire *first_in_need(const pond_pool *pool)
{
    return pondi_queue_older(first_in_need_on(pool, PONDI_ASYNC),
                             first_in_need_on(pool, PONDI_SYNC));
}

static int may_be_overtaken(const pondi_acquire *acquire)
{
    return acquire->blocks &&
           pondi_now_ns() - acquire->began_ns < acquire->pool->settings.patience_ns;
}

void pondi_queue_push(pond_pool *pool, pondi_acquire *acquire, int in_front)
{
    pondi_list *line = &pool->waiters[acquire->side];
    pool->waiting[acquire->side]++;
    pondi_heap_push(&acquire->branch->waiters, &acquire->timed, acquire->deadline_ns);
    if (in_front)
        pondi_list_push_front(line, &acquire->op.link);
    else
        pondi_list_push_back(line, &acquire->op.link);
}

void pondi_queue_set_deadline(pondi_acquire *acquire, int64_t deadline_ns)
{
    if (!acquire->timed.inside || acquire->timed.key == deadline_ns)
        return;
    pondi_heap_remove(&acquire->branch->waiters, &acquire->timed);
    pondi_heap_push(&acquire->branch->waiters, &acquire->timed, deadline_ns);
}

void pondi_queue_remove(pondi_acquire *acquire)
{
    pond_pool *pool = acquire->pool;
    if (acquire->timed.inside)
        pool->waiting[acquire->side]--;
    pondi_heap_remove(&acquire->branch->waiters, &acquire->timed);
    pondi_list_remove(&acquire->op.link);
    if (pool->woken == acquire)
        pool->woken = NULL;
    if (acquire->opening)
        pondi_slot_part(acquire->opening);
}

pondi_acquire *pondi_queue_pop(pond_pool *pool)
{
    pondi_acquire *acquire = first(pool);
    if (!acquire)
        return NULL;
    pond_op_retain(&acquire->op); /* its owner may cancel and drop it as soon as we unlock */
    pondi_queue_remove(acquire);
    return acquire;
}

int pondi_queue_lets_pass(const pond_pool *pool, pondi_side side)
{
    if (!pondi_queue_has_room(pool, side))
        return 0;
    const pondi_acquire *acquire = first_in_need(pool);
    return !acquire || may_be_overtaken(acquire);
}

int pondi_queue_leaves(const pondi_slot *slot)
{
    const pondi_acquire *acquire = first(slot->pool);
    return !acquire || (acquire->branch != slot->branch && !has_one_checked(acquire) &&
                        may_be_overtaken(acquire));
}

pondi_acquire *pondi_queue_woken(const pondi_branch *branch)
{
    pondi_acquire *acquire = branch->pool->woken;
    return acquire && acquire->branch == branch ? acquire : NULL;
}

/* The branch to send its message to, if an idle connection is left for somebody. */
static pondi_branch *wake(pond_pool *pool)
{
    if (!pool->idle || pool->woken || pool->closing)
        return NULL;
    pool->woken = first_in_need(pool);
    pondi_branch *branch = pool->woken ? pool->woken->branch : NULL;
    if (!branch || branch->wake_sent)
        return NULL;
    branch->wake_sent = 1;
    pondi_branch_retain(branch);
    return branch;
}

void pondi_queue_unlock(pond_pool *pool)
{
    pondi_branch *branch = wake(pool);
    pthread_mutex_unlock(&pool->lock);
    if (branch)
        pondi_loop_post(branch->loop, &branch->wake);
}

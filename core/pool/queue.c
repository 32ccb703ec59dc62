/* Who waits for a connection, in which order, and who is woken.
 *
 * A connection that comes back goes straight to who has waited longest, except where that is a
 * blocked thread that came only just now (`patience_ns`). Its waking takes longer than many a use,
 * so the connection is left idle and the thread is woken to take it; a thread that runs may use it
 * meanwhile. Whoever has waited for longer is handed the next one, and nobody goes before.
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

static pondi_acquire *first(const pond_pool *pool)
{
    return pondi_list_empty(&pool->waiters) ? NULL : waiter_at(pool->waiters.next);
}

static int has_one_checked(const pondi_acquire *acquire)
{
    return acquire->opening && acquire->opening->state != PONDI_SLOT_OPENING;
}

static pondi_acquire *first_in_need(const pond_pool *pool)
{
    for (pondi_list *node = pool->waiters.next; node != &pool->waiters; node = node->next) {
        if (!has_one_checked(waiter_at(node)))
            return waiter_at(node);
    }
    return NULL;
}

static int may_be_overtaken(const pondi_acquire *acquire)
{
    return acquire->blocks &&
           pondi_now_ns() - acquire->began_ns < acquire->pool->settings.patience_ns;
}

void pondi_queue_push(pond_pool *pool, pondi_acquire *acquire, int in_front)
{
    pool->waiting++;
    pondi_heap_push(&acquire->branch->waiters, &acquire->timed, acquire->deadline_ns);
    if (in_front)
        pondi_list_push_front(&pool->waiters, &acquire->op.link);
    else
        pondi_list_push_back(&pool->waiters, &acquire->op.link);
}

void pondi_queue_remove(pondi_acquire *acquire)
{
    pond_pool *pool = acquire->pool;
    if (acquire->timed.inside)
        pool->waiting--;
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

int pondi_queue_lets_pass(const pond_pool *pool)
{
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

/* What happens to a pool while nobody calls it. The keeper looks at all of it now and then; what is
 * due is done on the loop that a connection is on, and on the keeper's for those on none. */
#include "base/clock.h"
#include "loop/keeper.h"
#include "pool/pool.h"

/* ---- Suspicion --------------------------------------------------------------------------- */

#define SUSPECT_AGAIN_NS ((int64_t)250 * PONDI_NS_PER_MS)
#define SUSPECT_LAST_NS ((int64_t)16000 * PONDI_NS_PER_MS)

/* Pool locked. */
void pondi_upkeep_suspect(pond_pool *pool)
{
    pondi_suspicion *suspicion = &pool->suspicion;
    suspicion->since_ns = pondi_now_ns();
    suspicion->again_ns = suspicion->since_ns + SUSPECT_AGAIN_NS;
}

/* Pool locked. One that answered may have been told to end just after: each wait is four times the
 * one before. */
static void suspect_again(pond_pool *pool)
{
    pondi_suspicion *suspicion = &pool->suspicion;
    int64_t now_ns = pondi_now_ns();
    if (!suspicion->again_ns || now_ns < suspicion->again_ns)
        return;
    int64_t wait_ns = 4 * (suspicion->again_ns - suspicion->since_ns);
    suspicion->since_ns = now_ns;
    suspicion->again_ns = wait_ns > SUSPECT_LAST_NS ? 0 : now_ns + wait_ns;
}

/* ---- What is due ------------------------------------------------------------------------- */

typedef enum duty { NOTHING, PING, CLOSE_OLD, CLOSE_UNUSED } duty;

/* Pool locked; the slot is idle. */
static duty duty_of(const pondi_slot *slot, int64_t now_ns)
{
    const pond_pool *pool = slot->pool;
    const pondi_pool_settings *settings = &pool->settings;
    if (slot->expires_ns <= now_ns || slot->opened_ns < pool->distrust_ns)
        return CLOSE_OLD;
    if (pool->size > settings->min_size && now_ns - slot->idle_ns > settings->idle_timeout_ns)
        return CLOSE_UNUSED;
    if (!slot->branch && slot->seen_ns < pool->suspicion.since_ns)
        return PING;
    return now_ns - slot->seen_ns > settings->keepalive_ns ? PING : NOTHING;
}

/* Pool locked: an idle slot with a duty, the longest idle first; it is MOVING then. */
static pondi_slot *take_due(pond_pool *pool, pondi_branch *branch, duty *what)
{
    int64_t now_ns = pondi_coarse_now_ns();
    pondi_list *head = branch ? &branch->idle : &pool->detached;
    for (pondi_list *node = head->previous; node != head; node = node->previous) {
        pondi_slot *slot = branch ? PONDI_CONTAINER(node, pondi_slot, idle_link)
                                  : PONDI_CONTAINER(node, pondi_slot, link);
        *what = duty_of(slot, now_ns);
        if (*what == NOTHING)
            continue;
        if (!branch)
            pondi_list_remove(&slot->link);
        pondi_slot_set_state(slot, PONDI_SLOT_MOVING);
        return slot;
    }
    return NULL;
}

static void do_duty(pondi_slot *slot, pondi_branch *branch, duty what)
{
    if (what == CLOSE_OLD)
        pondi_slot_destroy(slot, "its lifetime was over");
    else if (what == CLOSE_UNUSED)
        pondi_slot_destroy(slot, "it was idle for too long");
    else if (!pondi_slot_arrive(slot, branch, NULL))
        pondi_slot_ping(slot);
}

/* `from` is NULL for the detached ones. */
static void do_duties(pondi_branch *here, pondi_branch *from)
{
    for (;;) {
        duty what;
        pthread_mutex_lock(&here->pool->lock);
        pondi_slot *slot = here->pool->closing ? NULL : take_due(here->pool, from, &what);
        pthread_mutex_unlock(&here->pool->lock);
        if (!slot)
            return;
        do_duty(slot, here, what);
    }
}

void pondi_upkeep_branch(pondi_branch *branch)
{
    pthread_mutex_lock(&branch->pool->lock);
    int keeps = branch->pool->upkeep == branch;
    pthread_mutex_unlock(&branch->pool->lock);
    if (keeps) {
        pondi_branch_aim(branch, pondi_upkeep_round(branch));
        pondi_branch_aim(branch, pondi_close_expire(branch));
    } else {
        do_duties(branch, branch);
    }
}

/* ---- The keeper's round ------------------------------------------------------------------ */

static int has_duty(const pondi_branch *branch, int64_t now_ns)
{
    for (const pondi_list *node = branch->idle.next; node != &branch->idle; node = node->next) {
        if (duty_of(PONDI_CONTAINER(node, pondi_slot, idle_link), now_ns) != NOTHING)
            return 1;
    }
    return 0;
}

static void send_duties(pond_pool *pool)
{
    int64_t now_ns = pondi_coarse_now_ns();
    pthread_mutex_lock(&pool->lock);
    for (pondi_list *node = pool->branches.next; node != &pool->branches; node = node->next) {
        pondi_branch *branch = PONDI_CONTAINER(node, pondi_branch, link);
        if (branch != pool->upkeep && has_duty(branch, now_ns))
            branch->tasks |= PONDI_BRANCH_UPKEEP;
    }
    pondi_branch_send_tasks(pool);
    pthread_mutex_unlock(&pool->lock);
}

/* Pool locked: is a connection to be opened, for the smallest size or to see if the server is back?
 */
static int wants_one(const pond_pool *pool)
{
    const pondi_outage *outage = &pool->outage;
    if (pool->closing || pool->driver->fits || !pondi_queue_may_open(pool, PONDI_ASYNC) ||
        !pondi_outage_may_open(pool))
        return 0;
    if (outage->failures && pondi_now_ns() < outage->retry_ns)
        return 0;
    return outage->on || pool->size < pool->settings.min_size;
}

static void fill(pondi_branch *branch)
{
    pond_pool *pool = branch->pool;
    if (pool->driver->fits) /* none that is opened here would fit the loops of those who wait */
        pondi_acquire_pump(pool, NULL);
    for (uint32_t i = 0; i <= pool->settings.min_size; i++) {
        pthread_mutex_lock(&pool->lock);
        pondi_slot *slot = wants_one(pool) ? pondi_slot_new(pool, branch, PONDI_NEITHER) : NULL;
        pthread_mutex_unlock(&pool->lock);
        if (!slot)
            return;
        pondi_slot_open(slot);
    }
}

/* Often enough that what is due is done soon after, by the measure of its setting. */
static int64_t interval_of(const pondi_pool_settings *settings)
{
    const int64_t most_ns = INT64_C(30000) * PONDI_NS_PER_MS;
    const int64_t least_ns = INT64_C(10) * PONDI_NS_PER_MS;
    int64_t least = settings->idle_timeout_ns;
    if (settings->max_lifetime_ns < least)
        least = settings->max_lifetime_ns;
    if (settings->keepalive_ns < least)
        least = settings->keepalive_ns;
    least /= 8;
    return least < least_ns ? least_ns : least > most_ns ? most_ns : least;
}

static int64_t next_round(pond_pool *pool)
{
    int64_t next_ns = pondi_now_ns() + interval_of(&pool->settings);
    pthread_mutex_lock(&pool->lock);
    const pondi_outage *outage = &pool->outage;
    if (pool->closing)
        next_ns = PONDI_NEVER;
    else if (outage->failures && outage->retry_ns < next_ns && !pool->opening &&
             (outage->on || pool->size < pool->settings.min_size))
        next_ns = outage->retry_ns;
    if (!pool->closing && pool->suspicion.again_ns && pool->suspicion.again_ns < next_ns)
        next_ns = pool->suspicion.again_ns;
    pthread_mutex_unlock(&pool->lock);
    return next_ns;
}

int64_t pondi_upkeep_round(pondi_branch *branch)
{
    pond_pool *pool = branch->pool;
    pthread_mutex_lock(&pool->lock);
    int keeps = pool->upkeep == branch && !pool->closing;
    if (keeps)
        suspect_again(pool);
    pthread_mutex_unlock(&pool->lock);
    if (!keeps)
        return PONDI_NEVER;
    send_duties(pool);
    do_duties(branch, NULL);
    fill(branch);
    return next_round(pool);
}

/* ---- Begin ------------------------------------------------------------------------------- */

static void make_branch(pond_pool *pool)
{
    pondi_branch *branch;
    if (pondi_branch_get(pool, pool->keeper, &branch, NULL))
        return; /* out of memory: idle connections are then closed with the pool */
    pthread_mutex_lock(&pool->lock);
    pool->upkeep = branch;
    int over = atomic_load(&pool->refs.count) == 0;
    pondi_branch_tell(pool, branch,
                      over ? PONDI_BRANCH_CLOSE | PONDI_BRANCH_END : PONDI_BRANCH_UPKEEP);
    pthread_mutex_unlock(&pool->lock);
}

static void on_begin(pondi_message *message)
{
    pond_pool *pool = PONDI_CONTAINER(message, pond_pool, upkeep_message);
    if (!pondi_loop_closed(pool->keeper))
        make_branch(pool);
    pondi_pool_unhold(pool);
}

void pondi_upkeep_begin(pond_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    int begins = !pool->upkeep_begun && !pool->closing;
    if (begins)
        pool->upkeep_begun = 1;
    pthread_mutex_unlock(&pool->lock);
    pond_loop *keeper = begins ? pondi_loop_keeper(NULL) : NULL;
    if (!keeper)
        return;
    pool->keeper = keeper; /* held */
    pondi_pool_hold(pool);
    pool->upkeep_message.run = on_begin;
    pondi_loop_post(keeper, &pool->upkeep_message);
}

void pondi_pool_distrust(pond_pool *pool)
{
    pool->distrust_ns = pondi_now_ns();
    pondi_branch_tell_all(pool, PONDI_BRANCH_UPKEEP);
}

void pondi_pool_hang_up(pond_pool *pool, size_t server)
{
    atomic_store(&pool->dead_server, server);
    pondi_branch_tell_all(pool, PONDI_BRANCH_HANG_UP);
}

void pondi_upkeep_nudge(pond_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    if (pool->upkeep && !pool->closing)
        pondi_branch_tell(pool, pool->upkeep, PONDI_BRANCH_UPKEEP);
    pthread_mutex_unlock(&pool->lock);
}

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "loop/keeper.h"
#include "pool/pool.h"

static int on_busy(pondi_loop_client *client);
static void on_closing(pondi_loop_client *client);
static void on_message(pondi_message *message);
static void on_timer(void *data);
static void on_wake(pondi_message *message);

static pondi_branch *find(pond_pool *pool, const pond_loop *loop)
{
    for (pondi_list *node = pool->branches.next; node != &pool->branches; node = node->next) {
        pondi_branch *branch = PONDI_CONTAINER(node, pondi_branch, link);
        if (branch->loop == loop)
            return branch;
    }
    return NULL;
}

static int branch_new(pond_pool *pool, pond_loop *loop, pondi_branch **out, pond_error **err)
{
    pondi_branch *branch = pondi_calloc(1, sizeof(*branch));
    if (!branch)
        return pondi_error_nomem(err);
    int code = pondi_timer_new(loop, on_timer, branch, &branch->timer, err);
    if (code) {
        pondi_free(branch);
        return code;
    }
    pondi_refcount_init(&branch->refs);
    branch->client.closing = on_closing;
    branch->client.busy = on_busy;
    branch->message.run = on_message;
    branch->wake.run = on_wake;
    branch->timer_ns = PONDI_NEVER;
    branch->pool = pool;
    branch->loop = loop;
    pondi_pool_hold(pool);
    pondi_loop_hold(loop);
    pondi_list_init(&branch->client.link);
    pondi_list_init(&branch->slots);
    pondi_list_init(&branch->idle);
    pondi_loop_add_client(loop, &branch->client);
    *out = branch;
    return POND_OK;
}

int pondi_branch_get(pond_pool *pool, pond_loop *loop, pondi_branch **out, pond_error **err)
{
    pthread_mutex_lock(&pool->lock);
    *out = find(pool, loop);
    pthread_mutex_unlock(&pool->lock);
    if (*out)
        return POND_OK;
    int code = branch_new(pool, loop, out, err); /* only this thread is inside the loop */
    if (code)
        return code;
    pthread_mutex_lock(&pool->lock);
    pondi_list_push_front(&pool->branches, &(*out)->link);
    pthread_mutex_unlock(&pool->lock);
    return POND_OK;
}

void pondi_branch_retain(pondi_branch *branch)
{
    pondi_refcount_take(&branch->refs);
}

void pondi_branch_release(pondi_branch *branch)
{
    if (!pondi_refcount_drop(&branch->refs))
        return;
    pondi_loop_unhold(branch->loop);
    pondi_pool_unhold(branch->pool);
    pondi_free(branch);
}

/* ---- Tasks ------------------------------------------------------------------------------- */

/* The first slot in one of the states, to be looked for anew after each change. An idle one is
 * taken: another loop may want it, too. */
static pondi_slot *slot_in(pondi_branch *branch, unsigned states)
{
    pondi_slot *found = NULL;
    pthread_mutex_lock(&branch->pool->lock);
    for (pondi_list *node = branch->slots.next; node != &branch->slots && !found;
         node = node->next) {
        pondi_slot *slot = PONDI_CONTAINER(node, pondi_slot, link);
        if (states & 1u << slot->state)
            found = slot;
    }
    if (found && found->state == PONDI_SLOT_IDLE)
        pondi_slot_set_state(found, PONDI_SLOT_CLEANING);
    pthread_mutex_unlock(&branch->pool->lock);
    return found;
}

enum {
    IDLE = 1u << PONDI_SLOT_IDLE,
    LEASED = 1u << PONDI_SLOT_LEASED,
    ANY = ~0u >> 1 & ~(1u << PONDI_SLOT_MOVING)
};

static void destroy_slots(pondi_branch *branch, unsigned states, const char *why)
{
    pondi_slot *slot;
    while ((slot = slot_in(branch, states)))
        pondi_slot_destroy(slot, why);
}

static void fail_waiters(pondi_branch *branch, int code, const char *why)
{
    pond_error *error = pondi_error_new(code, "%s", why);
    pondi_acquire_expire(branch, error);
    pond_error_free(error);
}

/* The server is down, unless it came back meanwhile. */
static void fail_refused(pondi_branch *branch)
{
    pond_pool *pool = branch->pool;
    pthread_mutex_lock(&pool->lock);
    pond_error *error = pondi_outage_refuses(pool) ? pondi_outage_error(pool) : NULL;
    pthread_mutex_unlock(&pool->lock);
    if (error)
        pondi_acquire_expire(branch, error);
    pond_error_free(error);
}

static void hang_up(pondi_branch *branch)
{
    pond_pool *pool = branch->pool;
    size_t server = atomic_load(&pool->dead_server);
    if (!pool->driver->hang_up)
        return;
    pthread_mutex_lock(&pool->lock);
    for (pondi_list *node = branch->slots.next; node != &branch->slots; node = node->next) {
        const pondi_slot *slot = PONDI_CONTAINER(node, pondi_slot, link);
        if (slot->conn && slot->conn->server == server && slot->conn->current)
            pool->driver->hang_up(slot->conn);
    }
    pthread_mutex_unlock(&pool->lock);
}

static void do_tasks(pondi_branch *branch, int tasks)
{
    if (!branch->timer)
        return; /* the loop is closed, and has seen to all this */
    if (tasks & PONDI_BRANCH_CLOSE) {
        fail_waiters(branch, POND_ECLOSED, "the pool was closed");
        destroy_slots(branch, IDLE, "the pool was closed");
    }
    if (tasks & PONDI_BRANCH_FORCE) {
        pondi_slot *slot;
        while ((slot = slot_in(branch, LEASED)))
            pondi_slot_force(slot);
    }
    if (tasks & PONDI_BRANCH_KILL)
        destroy_slots(branch, ANY, "the pool was closed");
    if (tasks & PONDI_BRANCH_FAIL)
        fail_refused(branch);
    if (tasks & PONDI_BRANCH_HANG_UP)
        hang_up(branch);
    if (tasks & PONDI_BRANCH_UPKEEP)
        pondi_upkeep_branch(branch);
    if (tasks & PONDI_BRANCH_PUMP)
        pondi_acquire_pump(branch->pool, branch);
    if (tasks & PONDI_BRANCH_TEND)
        pondi_loop_tend(branch->loop);
    if (tasks & PONDI_BRANCH_CLOSE && pondi_list_empty(&branch->slots))
        pondi_close_check(branch->pool);
}

/* The pool has ended, nothing of it is left on this loop: let the branch go. */
static void leave_if_over(pondi_branch *branch)
{
    pond_pool *pool = branch->pool;
    pthread_mutex_lock(&pool->lock);
    int over =
        branch->timer && atomic_load(&pool->refs.count) == 0 && pondi_list_empty(&branch->slots);
    if (over)
        pondi_list_remove(&branch->link);
    if (over && pool->upkeep == branch)
        pool->upkeep = NULL;
    pthread_mutex_unlock(&pool->lock);
    if (!over)
        return;
    pondi_loop_remove_client(&branch->client);
    pondi_timer_free(branch->timer);
    branch->timer = NULL;
    pondi_branch_release(branch);
}

static void on_message(pondi_message *message)
{
    pondi_branch *branch = PONDI_CONTAINER(message, pondi_branch, message);
    pthread_mutex_lock(&branch->pool->lock);
    int tasks = branch->tasks;
    branch->tasks = 0;
    branch->message_sent = 0;
    pthread_mutex_unlock(&branch->pool->lock);
    do_tasks(branch, tasks);
    leave_if_over(branch);
    pondi_branch_release(branch);
}

void pondi_branch_tell(pond_pool *pool, pondi_branch *branch, int tasks)
{
    branch->tasks |= tasks;
    if (branch->message_sent)
        return;
    branch->message_sent = 1;
    pondi_branch_retain(branch);
    pthread_mutex_unlock(&pool->lock);
    pondi_loop_hand(branch->loop, &branch->message);
    pthread_mutex_lock(&pool->lock);
}

static pondi_branch *next_untold(pond_pool *pool)
{
    for (pondi_list *node = pool->branches.next; node != &pool->branches; node = node->next) {
        pondi_branch *branch = PONDI_CONTAINER(node, pondi_branch, link);
        if (branch->tasks && !branch->message_sent)
            return branch;
    }
    return NULL;
}

void pondi_branch_send_tasks(pond_pool *pool)
{
    pondi_branch *branch;
    while ((branch = next_untold(pool)))
        pondi_branch_tell(pool, branch, branch->tasks);
}

void pondi_branch_tell_all(pond_pool *pool, int tasks)
{
    pthread_mutex_lock(&pool->lock);
    for (pondi_list *node = pool->branches.next; node != &pool->branches; node = node->next)
        PONDI_CONTAINER(node, pondi_branch, link)->tasks |= tasks;
    pondi_branch_send_tasks(pool);
    pthread_mutex_unlock(&pool->lock);
}

/* Pool locked. */
static int is_preparing(const pondi_branch *branch)
{
    const unsigned states = 1u << PONDI_SLOT_OPENING | 1u << PONDI_SLOT_CLEANING;
    if (branch->leaving)
        return 1;
    for (pondi_list *node = branch->slots.next; node != &branch->slots; node = node->next) {
        if (states & 1u << PONDI_CONTAINER(node, pondi_slot, link)->state)
            return 1;
    }
    return 0;
}

static int on_busy(pondi_loop_client *client)
{
    pondi_branch *branch = PONDI_CONTAINER(client, pondi_branch, client);
    pthread_mutex_lock(&branch->pool->lock);
    int busy = is_preparing(branch);
    pthread_mutex_unlock(&branch->pool->lock);
    return busy;
}

void pondi_branch_tend_others(pond_pool *pool, const pondi_branch *here)
{
    pthread_mutex_lock(&pool->lock);
    for (pondi_list *node = pool->branches.next; node != &pool->branches; node = node->next) {
        pondi_branch *branch = PONDI_CONTAINER(node, pondi_branch, link);
        if (branch != here && is_preparing(branch))
            branch->tasks |= PONDI_BRANCH_TEND;
    }
    pondi_branch_send_tasks(pool);
    pthread_mutex_unlock(&pool->lock);
}

static void on_wake(pondi_message *message)
{
    pondi_branch *branch = PONDI_CONTAINER(message, pondi_branch, wake);
    pthread_mutex_lock(&branch->pool->lock);
    branch->wake_sent = 0;
    pthread_mutex_unlock(&branch->pool->lock);
    if (branch->timer) /* else the loop is closed, and nobody waits here */
        pondi_acquire_woken(branch);
    pondi_branch_release(branch);
}

/* ---- Deadlines --------------------------------------------------------------------------- */

void pondi_branch_aim(pondi_branch *branch, int64_t deadline_ns)
{
    if (deadline_ns >= branch->timer_ns)
        return;
    branch->timer_ns = deadline_ns;
    pondi_timer_start(branch->timer, deadline_ns);
}

static void on_timer(void *data)
{
    pondi_branch *branch = data;
    branch->timer_ns = PONDI_NEVER;
    pondi_branch_retain(branch);
    pondi_branch_aim(branch, pondi_acquire_expire(branch, NULL));
    pondi_branch_aim(branch, pondi_close_expire(branch));
    pondi_branch_aim(branch, pondi_upkeep_round(branch));
    pondi_branch_release(branch);
}

/* ---- The end of the loop ----------------------------------------------------------------- */

/* Idle connections outlive the loop; whatever is busy does not. */
static void detach_idle(pondi_branch *branch)
{
    for (;;) {
        pondi_slot *slot = slot_in(branch, IDLE);
        if (!slot)
            return;
        pondi_slot_detach(slot);
        if (!slot->conn)
            pondi_slot_destroy(slot, "the connection was lost");
        else if (slot->pool->driver->fits && !slot->pool->driver->fits(slot->conn, NULL))
            pondi_slot_destroy(slot, "the event loop was closed");
        else
            pondi_slot_offer_unattached(slot);
    }
}

/* Those on their way to another loop are detached here; their message finds them so. */
static void let_go_of_moving(pondi_branch *branch)
{
    pondi_slot *slot;
    while ((slot = slot_in(branch, 1u << PONDI_SLOT_MOVING))) {
        pondi_conn_detach(slot->conn);
        pthread_mutex_lock(&branch->pool->lock);
        pondi_list_remove(&slot->link);
        slot->branch = NULL;
        pthread_mutex_unlock(&branch->pool->lock);
    }
}

static void on_closing(pondi_loop_client *client)
{
    pondi_branch *branch = PONDI_CONTAINER(client, pondi_branch, client);
    pond_pool *pool = branch->pool;
    fail_waiters(branch, POND_ECLOSED, "the event loop was closed");
    pondi_close_abandon(branch);
    pthread_mutex_lock(&pool->lock);
    pondi_list_remove(&branch->link);
    if (pool->upkeep == branch)
        pool->upkeep = NULL;
    int closing = pool->closing;
    pthread_mutex_unlock(&pool->lock);
    destroy_slots(branch, ANY & ~(closing ? 0u : (unsigned)IDLE), "the event loop was closed");
    detach_idle(branch);
    let_go_of_moving(branch);
    pondi_timer_free(branch->timer);
    branch->timer = NULL;
    pondi_acquire_pump(pool, NULL);
    pondi_branch_release(branch);
}

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/given.h"
#include "pool/pool.h"

enum { DEFAULT_MS = 60000, FORCE_MS = 1000 };

typedef struct closer {
    pond_op op; /* first; its link is in pool->closers while it waits */
    pond_pool *pool;
    pondi_branch *branch;
    int64_t deadline_ns; /* of the next stage */
    int forced;
    int done; /* its message is on the way */
    pondi_message message;
} closer;

static closer *closer_at(pondi_list *node)
{
    return (closer *)(void *)PONDI_CONTAINER(node, pond_op, link);
}

static void complete(closer *at, int code, pond_error *error)
{
    pthread_mutex_lock(&at->pool->lock);
    pondi_list_remove(&at->op.link);
    pthread_mutex_unlock(&at->pool->lock);
    pondi_op_complete(&at->op, code, error);
}

/* It gives up waiting, but the pool goes on closing: the keeper sees to the rest in its time. */
static void leave_to_keeper(closer *at)
{
    pond_pool *pool = at->pool;
    pthread_mutex_lock(&pool->lock);
    if (at->deadline_ns < pool->left_close_ns)
        pool->left_close_ns = at->deadline_ns;
    if (pool->upkeep)
        pondi_branch_tell(pool, pool->upkeep, PONDI_BRANCH_UPKEEP);
    pthread_mutex_unlock(&pool->lock);
}

static void cancel(pond_op *op)
{
    leave_to_keeper((closer *)op);
    complete((closer *)op, POND_ECANCELLED,
             pondi_error_new(POND_ECANCELLED, "waiting for the pool to close was cancelled; it "
                                              "goes on closing"));
}

static void destroy(pond_op *op)
{
    closer *at = (closer *)op;
    pond_pool *pool = at->pool;
    pondi_branch *branch = at->branch;
    pondi_free(at);
    pondi_branch_release(branch);
    pond_pool_release(pool);
}

static const pondi_op_class closer_class = {cancel, destroy};

static void on_done(pondi_message *message)
{
    closer *at = PONDI_CONTAINER(message, closer, message);
    if (at->op.status == POND_PENDING)
        complete(at, POND_OK, NULL);
    pond_op_release(&at->op);
}

static closer *next_undone(pond_pool *pool)
{
    for (pondi_list *node = pool->closers.next; node != &pool->closers; node = node->next) {
        if (!closer_at(node)->done)
            return closer_at(node);
    }
    return NULL;
}

/* Pool locked. */
static int is_over(const pond_pool *pool)
{
    return pool->closing && !pool->size && !pool->leaving && !pool->nodes;
}

void pondi_pool_tell_closing(pond_pool *pool, int tasks)
{
    if (tasks & PONDI_BRANCH_CLOSE)
        pondi_pool_close_detached(pool, "the pool was closed");
    pondi_branch_tell_all(pool, tasks);
    pool->dialer->closing(pool->dialer, tasks);
}

void pondi_pool_close_node(pond_pool *pool, int tasks)
{
    pthread_mutex_lock(&pool->lock);
    pool->closing = 1;
    pthread_mutex_unlock(&pool->lock);
    pondi_pool_tell_closing(pool, tasks);
    pondi_close_check(pool);
}

/* The pool of a node is closed: its family may be, too. */
static void leave_family(const pond_pool *pool)
{
    pond_pool *family = pool->family;
    if (family == pool)
        return;
    pthread_mutex_lock(&family->lock);
    family->nodes--;
    pthread_mutex_unlock(&family->lock);
    pondi_close_check(family);
}

void pondi_close_check(pond_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    int over = is_over(pool);
    int was_closed = over && atomic_exchange(&pool->closed, 1);
    pthread_mutex_unlock(&pool->lock);
    if (over && !was_closed) {
        pool->dialer->ended(pool->dialer);
        leave_family(pool);
    }
    while (over) {
        pthread_mutex_lock(&pool->lock);
        closer *at = next_undone(pool);
        if (at) {
            at->done = 1;
            pond_op_retain(&at->op);
        }
        pthread_mutex_unlock(&pool->lock);
        if (!at)
            return;
        pondi_loop_post(at->op.loop, &at->message);
    }
}

/* ---- Deadlines --------------------------------------------------------------------------- */

/* First end the leases by force; what is left a little later is closed outright. */
static int64_t next_stage(pond_pool *pool, const pondi_branch *branch, int64_t now_ns, int *tasks)
{
    int64_t next_ns = PONDI_NEVER;
    *tasks = 0;
    if (branch == pool->upkeep) {
        if (pool->left_close_ns <= now_ns) {
            *tasks |= pool->left_forced ? PONDI_BRANCH_KILL : PONDI_BRANCH_FORCE;
            pool->left_close_ns =
                pool->left_forced ? PONDI_NEVER : pondi_deadline_from_ns(now_ns, FORCE_MS);
            pool->left_forced = 1;
        }
        next_ns = pool->left_close_ns;
    }
    for (pondi_list *node = pool->closers.next; node != &pool->closers; node = node->next) {
        closer *at = closer_at(node);
        if (at->branch != branch)
            continue;
        if (at->deadline_ns <= now_ns) {
            *tasks |= at->forced ? PONDI_BRANCH_KILL : PONDI_BRANCH_FORCE;
            at->deadline_ns = at->forced ? PONDI_NEVER : pondi_deadline_from_ns(now_ns, FORCE_MS);
            at->forced = 1;
        }
        if (at->deadline_ns < next_ns)
            next_ns = at->deadline_ns;
    }
    return next_ns;
}

int64_t pondi_close_expire(pondi_branch *branch)
{
    pond_pool *pool = branch->pool;
    int tasks;
    pthread_mutex_lock(&pool->lock);
    int64_t next_ns = next_stage(pool, branch, pondi_now_ns(), &tasks);
    pthread_mutex_unlock(&pool->lock);
    if (tasks)
        pondi_pool_tell_closing(pool, tasks);
    return next_ns;
}

void pondi_close_abandon(pondi_branch *branch)
{
    pond_pool *pool = branch->pool;
    for (;;) {
        closer *found = NULL;
        pthread_mutex_lock(&pool->lock);
        for (pondi_list *node = pool->closers.next; node != &pool->closers && !found;
             node = node->next) {
            if (closer_at(node)->branch == branch)
                found = closer_at(node);
        }
        pthread_mutex_unlock(&pool->lock);
        if (!found)
            return;
        leave_to_keeper(found);
        complete(found, POND_ECLOSED,
                 pondi_error_new(POND_ECLOSED, "the event loop was closed before the pool was"));
    }
}

/* ---- Public ------------------------------------------------------------------------------ */

static int submit(pond_pool *pool, pond_loop *loop, int64_t timeout_ms, void *user_data,
                  pond_op **op, pond_error **err)
{
    pondi_branch *branch;
    int code = pondi_branch_get(pool, loop, &branch, err);
    if (code)
        return code;
    closer *at = pondi_calloc(1, sizeof(*at));
    if (!at)
        return pondi_error_nomem(err);
    pondi_op_init(&at->op, &closer_class, loop, user_data);
    at->pool = pond_pool_retain(pool);
    at->branch = branch;
    pondi_branch_retain(branch);
    at->message.run = on_done;
    at->deadline_ns =
        pondi_deadline_ns(timeout_ms == POND_TIMEOUT_DEFAULT ? DEFAULT_MS : timeout_ms);
    pondi_op_hand_out(&at->op, op);
    pthread_mutex_lock(&pool->lock);
    pool->closing = 1;
    pondi_list_push_back(&pool->closers, &at->op.link);
    pthread_mutex_unlock(&pool->lock);
    pondi_branch_aim(branch, at->deadline_ns);
    return POND_OK;
}

int pond_pool_close(pond_pool *pool, pond_loop *loop, int64_t timeout_ms, void *user_data,
                    pond_op **op, pond_error **err)
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
    code = submit(pool, loop, timeout_ms, user_data, op, err);
    if (!code) {
        pondi_pool_tell_closing(pool, PONDI_BRANCH_CLOSE);
        pondi_close_check(pool);
    }
    pondi_loop_leave(loop);
    return code;
}

int pond_pool_close_wait(pond_pool *pool, int64_t timeout_ms, pond_error **err)
{
    pond_loop *loop;
    int code = PONDI_GIVEN(err, pool);
    if (!code)
        code = pondi_loop_private(&loop, err);
    if (code)
        return code;
    pond_op *op = NULL;
    code = pond_pool_close(pool, loop, timeout_ms, NULL, &op, err);
    if (code)
        return code;
    code = pondi_op_wait_for_end(op, err);
    if (code && err && !*err)
        *err = pond_op_take_error(op);
    pond_op_release(op);
    return code;
}

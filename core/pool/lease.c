#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/given.h"
#include "base/log.h"
#include "base/process.h"
#include "call/account.h"
#include "loop/keeper.h"
#include "pool/metrics.h"
#include "pool/pool.h"

int pondi_lease_new(pondi_slot *slot, pond_connection **out, pond_error **err)
{
    pond_connection *lease = pondi_malloc(sizeof(*lease));
    *out = lease;
    if (!lease)
        return pondi_error_nomem(err);
    pondi_refcount_init(&lease->refs);
    lease->pool = pond_pool_retain(slot->pool);
    lease->loop = slot->branch->loop;
    pondi_loop_hold(lease->loop);
    lease->slot = slot;
    lease->id = slot->conn->id;
    lease->acquired_ns = pondi_coarse_now_ns();
    lease->used = 0;
    lease->given_back = 0;
    lease->tag_owner = NULL;
    lease->tag = NULL;
    return POND_OK;
}

static int stale(pond_error **err)
{
    return pondi_error_set(err, POND_ESTALE,
                           "this connection was given back, or its pool was closed: acquire "
                           "another");
}

int pondi_lease_enter(pond_connection *lease, pondi_conn **out, pond_error **err)
{
    int code = pondi_given_as(err, "connection", lease);
    if (!code)
        code = pondi_loop_enter(lease->loop, err);
    if (code)
        return code;
    if (!lease->slot) {
        pondi_loop_leave(lease->loop);
        return stale(err);
    }
    *out = lease->slot->conn;
    return POND_OK;
}

void pondi_lease_leave(pond_connection *lease)
{
    pondi_loop_leave(lease->loop);
}

int pondi_lease_bind(pond_connection *lease, pondi_request *request, void *user_data,
                     pond_error **err)
{
    int code = pondi_call_admit(request->call, lease->slot->conn->in_transaction, err);
    if (code) {
        pondi_request_free(request);
        return code;
    }
    pondi_request_bind(request, lease->loop, user_data);
    request->may_move = pondi_slot_may_replace(lease->slot);
    lease->used = 1;
    return POND_OK;
}

pond_connection *pond_connection_retain(pond_connection *lease)
{
    if (lease)
        pondi_refcount_take(&lease->refs);
    return lease;
}

static pondi_slot *end_lease(pond_connection *lease)
{
    pondi_slot *slot = lease->slot;
    lease->slot = NULL;
    return slot;
}

static int check_process(pond_error **err)
{
    return pondi_error_set(err, POND_EMISUSE,
                           "this connection was acquired before the process forked: acquire "
                           "another in the child");
}

int pond_connection_give_back(pond_connection *lease, pond_error **err)
{
    if (pondi_given_as(err, "connection", lease))
        return POND_EINVAL;
    if (!pondi_loop_lock(lease->loop))
        return check_process(err);
    int before = lease->given_back;
    lease->given_back = 1;
    pondi_slot *slot = end_lease(lease); /* NULL: the pool took it by force, or it was closed */
    if (slot)
        pondi_slot_return(slot);
    pondi_loop_depart(lease->loop);
    return before ? stale(err) : POND_OK;
}

void pondi_lease_put_back(pond_connection *lease)
{
    pondi_slot *slot = end_lease(lease);
    lease->given_back = 1;
    if (slot)
        pondi_slot_return(slot);
    pond_connection_release(lease);
}

int pond_connection_close(pond_connection *lease, pond_error **err)
{
    if (pondi_given_as(err, "connection", lease))
        return POND_EINVAL;
    if (!pondi_loop_lock(lease->loop))
        return check_process(err);
    if (lease->slot)
        pondi_slot_destroy(lease->slot, "the connection was closed");
    pondi_loop_depart(lease->loop);
    return POND_OK;
}

static void return_forgotten(pond_connection *lease)
{
    if (!pondi_loop_lock(lease->loop))
        return;
    pondi_slot *slot = end_lease(lease);
    if (slot) {
        pondi_log(POND_LOG_WARNING, "pool",
                  "a connection was dropped without being released and went back to its pool");
        pondi_slot_return(slot);
    }
    pondi_loop_depart(lease->loop);
}

void pond_connection_release(pond_connection *lease)
{
    if (!lease || !pondi_refcount_drop(&lease->refs))
        return;
    if (lease->slot)
        return_forgotten(lease);
    pondi_loop_unhold(lease->loop);
    pond_pool_release(lease->pool);
    pondi_free(lease);
}

uint64_t pond_connection_id(pond_connection *lease)
{
    if (!lease || !pondi_loop_lock(lease->loop))
        return 0;
    uint64_t id = lease->slot ? lease->id : 0;
    pondi_loop_leave(lease->loop);
    return id;
}

/* ---- Who has what ------------------------------------------------------------------------ */

void pond_connection_set_tag(pond_connection *lease, const void *owner, void *tag)
{
    if (!lease)
        return;
    pthread_mutex_lock(&lease->pool->lock);
    lease->tag_owner = owner;
    lease->tag = tag;
    pthread_mutex_unlock(&lease->pool->lock);
}

typedef struct listing {
    char *out;
    size_t info_size;
    size_t capacity;
    size_t count;
    int64_t now_ns;
    int64_t least_ns;
} listing;

static void list_lease(listing *to, const pond_connection *lease)
{
    int64_t age_ns = to->now_ns - lease->acquired_ns;
    if (age_ns < to->least_ns)
        return;
    pond_lease_info info = {.connection_id = lease->id,
                            .age_ms = age_ns > 0 ? age_ns / PONDI_NS_PER_MS : 0,
                            .tag_owner = lease->tag_owner,
                            .tag = lease->tag};
    if (to->count < to->capacity)
        memcpy(to->out + to->count * to->info_size, &info,
               to->info_size < sizeof(info) ? to->info_size : sizeof(info));
    to->count++;
}

static void list_leases(listing *to, pond_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    for (pondi_list *at = pool->branches.next; at != &pool->branches; at = at->next) {
        const pondi_branch *branch = PONDI_CONTAINER(at, pondi_branch, link);
        for (const pondi_list *node = branch->slots.next; node != &branch->slots;
             node = node->next) {
            const pondi_slot *slot = PONDI_CONTAINER(node, pondi_slot, link);
            if (slot->lease)
                list_lease(to, slot->lease);
        }
    }
    pthread_mutex_unlock(&pool->lock);
}

size_t pond_pool_leases(pond_pool *pool, int64_t least_age_ms, pond_lease_info *out,
                        size_t info_size, size_t capacity)
{
    listing to = {.out = (char *)out,
                  .info_size = info_size,
                  .capacity = out ? capacity : 0,
                  .now_ns = pondi_coarse_now_ns(),
                  .least_ns = least_age_ms > 0 ? pondi_deadline_from_ns(0, least_age_ms) : 0};
    if (!pool || pondi_pool_check_process(pool, NULL))
        return 0;
    list_leases(&to, pool);
    pond_pool *other;
    for (size_t i = 0; pool->dialer->other(pool->dialer, i, &other); i++) {
        if (other)
            list_leases(&to, other);
        pond_pool_release(other);
    }
    return to.count;
}

/* ---- Sessions ---------------------------------------------------------------------------- */

int pond_connection_is_fresh(pond_connection *lease)
{
    pondi_conn *conn = NULL;
    if (pondi_lease_enter(lease, &conn, NULL))
        return 0;
    int fresh = lease->slot->fresh;
    pondi_lease_leave(lease);
    return fresh;
}

int pond_connection_set_up(pond_connection *lease, pond_error **err)
{
    pondi_conn *conn = NULL;
    int code = pondi_lease_enter(lease, &conn, err);
    if (code)
        return code;
    lease->slot->fresh = 0;
    conn->touched = 0;
    pondi_lease_leave(lease);
    return POND_OK;
}

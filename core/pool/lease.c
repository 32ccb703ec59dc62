#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "base/process.h"
#include "loop/keeper.h"
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
    int code = pondi_loop_enter(lease->loop, err);
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
    if (!pondi_loop_lock(lease->loop))
        return check_process(err);
    pondi_slot *slot = end_lease(lease);
    if (slot)
        pondi_slot_return(slot);
    pondi_loop_depart(lease->loop);
    return slot ? POND_OK : stale(err);
}

int pond_connection_close(pond_connection *lease, pond_error **err)
{
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
    if (!pondi_loop_lock(lease->loop))
        return 0;
    uint64_t id = lease->slot ? lease->id : 0;
    pondi_loop_leave(lease->loop);
    return id;
}

#include "loop/op.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/given.h"
#include "base/interrupt.h"
#include "loop/internal.h"
#include "loop/keeper.h"

void pondi_op_init(pond_op *op, const pondi_op_class *class, pond_loop *loop, void *user_data)
{
    pondi_refcount_init(&op->refs);
    op->class = class;
    op->status = POND_PENDING;
    op->loop = loop;
    op->user_data = user_data;
    op->error = NULL;
    op->result = NULL;
    op->connection = NULL;
    op->intercept = NULL;
    op->waiters = 0;
    op->left = 0;
    op->nudged = 0;
    pondi_list_init(&op->link);
    pondi_loop_hold(loop);
    loop->pending++;
}

void pondi_op_hand_out(pond_op *op, pond_op **out)
{
    if (out)
        *out = pond_op_retain(op);
}

void pondi_op_keep(pond_op *op)
{
    (void)op;
}

void pondi_op_nudge(pond_op *op)
{
    op->nudged = 1;
    op->loop->fresh |= op->loop->sleeping;
}

void pondi_op_complete(pond_op *op, int status, pond_error *error)
{
    op->status = status;
    op->error = error;
    op->loop->pending--;
    op->loop->fresh |= op->loop->sleeping; /* its thread may wait for this very operation */
    if (op->loop->thread)
        pondi_loop_thread_tell(op->loop);
    if (op->intercept) {
        op->intercept(op);
        return;
    }
    if (op->waiters) {
        op->left = 1;
        return;
    }
    pondi_list_push_back(&op->loop->completions, &op->link);
    op->loop->fresh = 1;
}

pond_op *pond_op_retain(pond_op *op)
{
    if (op)
        pondi_refcount_take(&op->refs);
    return op;
}

void pond_op_release(pond_op *op)
{
    if (!op || !pondi_refcount_drop(&op->refs))
        return;
    pond_error_free(op->error);
    pond_loop *loop = op->loop;
    if (op->status == POND_PENDING)
        loop->pending--; /* it was never submitted; the loop is locked */
    op->class->destroy(op);
    pondi_loop_unhold(loop);
}

void *pond_op_user_data(const pond_op *op)
{
    return op ? op->user_data : NULL;
}

int pond_op_status(const pond_op *op)
{
    return op ? op->status : POND_EINVAL;
}

pond_result *pond_op_take_result(pond_op *op)
{
    if (!op)
        return NULL;
    pond_result *result = op->result;
    op->result = NULL;
    return result;
}

pond_connection *pond_op_take_connection(pond_op *op)
{
    if (!op)
        return NULL;
    pond_connection *connection = op->connection;
    op->connection = NULL;
    return connection;
}

pond_error *pond_op_take_error(pond_op *op)
{
    if (!op)
        return NULL;
    if (op->status < 0 && !op->error)
        return pondi_error_new(op->status, "%s", pond_error_text(op->status));
    pond_error *error = op->error;
    op->error = NULL;
    return error;
}

void pond_op_cancel(pond_op *op)
{
    if (!op || pondi_loop_enter(op->loop, NULL))
        return;
    if (op->status == POND_PENDING)
        op->class->cancel(op);
    pondi_loop_leave(op->loop);
}

/* Locked: run until the operation has completed. */
static int run_until_complete(pond_op *op, int64_t deadline_ns, pond_error **err)
{
    int code = POND_OK;
    while (op->status == POND_PENDING && !code) {
        pondi_loop_turn(op->loop);
        if (op->status == POND_PENDING)
            code = op->nudged ? POND_EAGAIN : pondi_loop_sleep(op->loop, deadline_ns, err);
    }
    return op->status == POND_PENDING ? code : POND_OK;
}

/* The loop has a thread, and it is another one; locked, and unlocks. */
static int wait_for_thread(pond_op *op, int64_t timeout_ms, pond_error **err)
{
    pond_loop *loop = op->loop;
    op->waiters++;
    int code = pondi_loop_thread_wait(op, pondi_deadline_ns(timeout_ms));
    op->waiters--;
    int taken = op->left || (op->status != POND_PENDING && !pondi_list_empty(&op->link));
    if (taken && !op->left)
        pondi_list_remove(&op->link);
    op->left = 0;
    int status = op->status;
    pondi_loop_leave(loop);
    if (taken)
        pond_op_release(op); /* the reference of the queue */
    if (status != POND_PENDING)
        return status;
    return code ? code
                : pondi_error_set(err, POND_ECLOSED, "the event loop was closed during the call");
}

/* The host has seen it already, even if the loop is closed by now; or it ended as it was submitted,
 * and may have left something under way. */
static int is_over(const pond_op *op)
{
    return op->status != POND_PENDING && pondi_list_empty(&op->link);
}

int pond_op_wait(pond_op *op, int64_t timeout_ms, pond_error **err)
{
    if (PONDI_GIVEN(err, op))
        return POND_EINVAL;
    pond_loop *loop = op->loop;
    if (loop->thread && pondi_loop_lock(loop)) {
        if (!pondi_loop_thread_is_here(loop))
            return wait_for_thread(op, timeout_ms, err);
        pondi_loop_leave(loop);
    }
    int locked = pondi_loop_lock(loop); /* another thread may be ending it at this moment */
    if (is_over(op)) {
        if (locked)
            pondi_loop_depart(loop);
        return op->status;
    }
    int code = locked ? pondi_loop_admit(loop, err) : pondi_loop_enter(loop, err);
    if (code)
        return code;
    loop->driven = 1;
    code = run_until_complete(op, pondi_deadline_ns(timeout_ms), err);
    int taken = !code && !pondi_list_empty(&op->link);
    if (taken)
        pondi_list_remove(&op->link);
    loop->driven = 0;
    loop->fresh = !pondi_list_empty(&loop->completions);
    if (op->nudged)
        pondi_loop_leave(loop); /* the thread is back at once */
    else
        pondi_loop_depart(loop);
    if (code)
        return code;
    if (taken)
        pond_op_release(op); /* the reference of the queue */
    return op->status;
}

int pondi_op_wait_for_end(pond_op *op, pond_error **err)
{
    int code;
    int stopped = 0;
    while ((code = pond_op_wait(op, pondi_interrupt_wait_ms(), err)) == POND_EAGAIN) {
        if (!stopped && pondi_interrupt_ask()) {
            stopped = 1;
            pond_op_cancel(op);
        }
    }
    return code;
}

/* Plans on pooled connections: one request after another, without a turn of the host's. */
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/given.h"
#include "base/interrupt.h"
#include "call/account.h"
#include "entity/plan.h"
#include "loop/timer.h"
#include "millpond/millpond.h"
#include "pool/pool.h"

enum {
    UNDO_MS = 5000, /* what a rollback may take after the time is over */
    APART_MS = 5000 /* a change of tables may wait for the caller's own transaction: not for long */
};

typedef struct run {
    pond_op op; /* first */
    pond_plan *plan;
    pond_connection *lease;
    pond_connection *apart; /* for changes of tables, while the caller's transaction is open */
    pond_op *acquiring;     /* it */
    pondi_request *current; /* a reference */
    int completed_at_once;
    pondi_timer *timer; /* of a pause */
    pondi_loop_client client;
    int64_t deadline_ns;
    int stepping; /* further up the stack */
    int cancelled;
} run;

static void go_on(run *self);

/* ---- Create and destroy ------------------------------------------------------------------ */

static run *run_of(pond_op *op)
{
    return (run *)(void *)op;
}

static void cancel(pond_op *op)
{
    run *self = run_of(op);
    self->cancelled = 1;
    if (self->current && self->lease->slot && self->current->op.status == POND_PENDING)
        pondi_conn_cancel(self->current->conn, self->current);
    else if (self->acquiring)
        self->acquiring->class->cancel(self->acquiring);
    else if (self->timer)
        pondi_timer_start(self->timer, 0);
}

static void give_back(pond_connection *lease)
{
    if (!lease)
        return;
    pond_connection_give_back(lease, NULL);
    pond_connection_release(lease);
}

/* No timer fires any more. What else is waited for ends by itself. */
static void closing(pondi_loop_client *client)
{
    run *self = PONDI_CONTAINER(client, run, client);
    if (!self->timer)
        return;
    pondi_timer_free(self->timer);
    self->timer = NULL;
    self->cancelled = 1;
    pondi_plan_feed(self->plan, NULL);
    go_on(self);
}

/* The loop is not locked: whoever drops the last reference is a host. */
static void destroy(pond_op *op)
{
    run *self = run_of(op);
    give_back(self->apart);
    pond_connection_release(self->lease);
    pond_plan_release(self->plan);
    pondi_free(self);
}

static const pondi_op_class run_class = {cancel, destroy};

static int run_new(pond_connection *lease, pond_plan *plan, int64_t timeout_ms, void *user_data,
                   run **out, pond_error **err)
{
    run *self = pondi_calloc(1, sizeof(*self));
    *out = self;
    if (!self)
        return pondi_error_nomem(err);
    pondi_op_init(&self->op, &run_class, lease->loop, user_data);
    self->plan = pond_plan_retain(plan);
    self->lease = pond_connection_retain(lease);
    self->deadline_ns = pondi_deadline_ns(timeout_ms);
    self->client.closing = closing;
    pondi_loop_add_client(lease->loop, &self->client);
    return POND_OK;
}

/* ---- Requests ---------------------------------------------------------------------------- */

/* What is left of the time, or a little for cleaning up. */
static int64_t time_left_ms(const run *self, const pond_step *step)
{
    if (self->deadline_ns == PONDI_NEVER)
        return -1;
    int64_t left_ms = (self->deadline_ns - pondi_now_ns()) / 1000000;
    if (step->flags & POND_STEP_UNDOES)
        return left_ms > UNDO_MS ? left_ms : UNDO_MS;
    if (step->kind == POND_STEP_APART)
        return left_ms > APART_MS ? APART_MS : left_ms > 0 ? left_ms : 1;
    return left_ms > 0 ? left_ms : 1;
}

/* The request for a step, bound to the lease if its circuit breaker lets it through. What undoes is
 * part of a transaction, and always may. */
static int bind_request(run *self, pond_connection *lease, const pond_step *step,
                        pondi_request **out, pond_error **err)
{
    static const struct {
        pondi_call_kind kind;
        pond_transaction_verb verb;
    } kinds[] = {[POND_STEP_EXECUTE] = {PONDI_REQUEST_EXECUTE, 0},
                 [POND_STEP_EXECUTE_MANY] = {PONDI_REQUEST_EXECUTE_MANY, 0},
                 [POND_STEP_BEGIN] = {PONDI_REQUEST_TRANSACTION, POND_BEGIN},
                 [POND_STEP_COMMIT] = {PONDI_REQUEST_TRANSACTION, POND_COMMIT},
                 [POND_STEP_ROLLBACK] = {PONDI_REQUEST_TRANSACTION, POND_ROLLBACK},
                 [POND_STEP_APART] = {PONDI_REQUEST_EXECUTE, 0}};
    const pond_plan *plan = self->plan;
    const pondi_call_spec spec = {
        .target = &lease->pool->target,
        .kind = kinds[step->kind].kind,
        .verb = kinds[step->kind].verb,
        .flags = PONDI_CALL_STEP | (step->flags & POND_STEP_UNDOES ? PONDI_CALL_UNDOES : 0u) |
                 (plan->block ? PONDI_CALL_BLOCK : 0u) | (plan->batch ? PONDI_CALL_BATCH : 0u),
        .sql = step->sql,
        .sql_size = (size_t)step->sql_size,
        .params = step->params,
        .row_count = (size_t)step->row_count,
        .column_count = (size_t)step->column_count,
        .timeout_ms = time_left_ms(self, step),
        .operation = plan->call};
    int code = pondi_request_new(&spec, out, err);
    return code ? code : pondi_lease_bind(lease, *out, self, err);
}

static int is_open(const pond_connection *lease)
{
    return lease->slot && lease->slot->conn->in_transaction;
}

/* Give the plan its answer; the request's references are dropped. */
static void feed(run *self, pondi_request *request)
{
    pond_op *op = &request->op;
    self->current = NULL;
    if (op->status == POND_OK)
        pondi_plan_feed(self->plan, pond_op_take_result(op));
    else
        pondi_plan_feed_failure(self->plan, pond_op_take_error(op), is_open(self->lease));
    pond_op_release(op);
}

static void answered(pond_op *op)
{
    run *self = op->user_data;
    feed(self, (pondi_request *)(void *)op);
    if (!self->stepping)
        go_on(self);
}

static void submit(run *self, pond_connection *lease, const pond_step *step)
{
    pondi_request *request;
    pond_error *error = NULL;
    if (bind_request(self, lease, step, &request, &error)) {
        pondi_plan_feed_failure(self->plan, error, is_open(self->lease));
        return;
    }
    request->op.intercept = answered;
    self->current = request;
    pondi_conn_submit_first(lease->slot->conn, request);
}

static void stop(run *self, int code, const char *why)
{
    pondi_plan_feed_failure(self->plan, pondi_error_new(code, "%s", why), is_open(self->lease));
}

/* ---- Apart ------------------------------------------------------------------------------- */

static void acquired(pond_op *op)
{
    run *self = op->user_data;
    self->acquiring = NULL;
    self->completed_at_once = 1;
    if (op->status == POND_OK)
        self->apart = pond_op_take_connection(op);
    else
        pondi_plan_feed_failure(self->plan, pond_op_take_error(op), is_open(self->lease));
    pond_op_release(op);
    if (!self->stepping)
        go_on(self);
}

static void submit_apart(run *self, const pond_step *step)
{
    pond_error *error = NULL;
    if (self->apart && self->apart->slot) {
        submit(self, self->apart, step);
        return;
    }
    if (pondi_queue_most(self->lease->pool, self->lease->slot->side) == 1) {
        stop(self, POND_ENOTSUPPORTED,
             "the pool has no connection besides the one of the open transaction: set "
             "pool_max_size (for blocking calls, sync_max_size) to 2 or more");
        return;
    }
    pond_op *acquiring;
    self->completed_at_once = 0;
    if (pondi_acquire_within(self->lease->pool, self->op.loop, time_left_ms(self, step), acquired,
                             self, &acquiring, &error))
        pondi_plan_feed_failure(self->plan, error, is_open(self->lease));
    else if (!self->completed_at_once)
        self->acquiring = acquiring;
}

/* ---- Pauses ------------------------------------------------------------------------------ */

static void paused(void *data)
{
    run *self = data;
    pondi_timer_free(self->timer);
    self->timer = NULL;
    pondi_plan_feed(self->plan, NULL);
    if (!self->stepping)
        go_on(self);
}

static void wait_a_while(run *self, int64_t wait_ms)
{
    pond_error *error = NULL;
    if (pondi_timer_new(self->op.loop, paused, self, &self->timer, &error))
        pondi_plan_feed_failure(self->plan, error, is_open(self->lease));
    else
        pondi_timer_start(self->timer, pondi_deadline_ns(wait_ms));
}

/* ---- Steps ------------------------------------------------------------------------------- */

/* True if the plan must not go on, and was told. */
static int is_over(run *self, const pond_step *step)
{
    if (!self->lease->slot)
        stop(self, POND_ECANCELLED, "the connection was given back before the call ended");
    else if (step->flags & POND_STEP_UNDOES)
        return 0;
    else if (self->cancelled)
        stop(self, POND_ECANCELLED, "cancelled");
    else if (pondi_now_ns() >= self->deadline_ns)
        stop(self, POND_ETIMEDOUT, "timed out before the call ended");
    else
        return 0;
    return 1;
}

static void complete(run *self)
{
    int status = pond_plan_status(self->plan);
    pond_error *error = status < 0 ? pondi_error_copy(self->plan->error) : NULL;
    pondi_loop_remove_client(&self->client);
    pondi_op_complete(&self->op, status, error);
}

/* Locked: until something has to be waited for. */
static void go_on(run *self)
{
    pond_step step = {.struct_size = sizeof(step)};
    self->stepping = 1;
    for (;;) {
        pond_plan_next(self->plan, &step, NULL);
        if (step.kind == POND_STEP_DONE)
            break;
        if (is_over(self, &step))
            continue;
        if (step.kind == POND_STEP_PAUSE)
            wait_a_while(self, step.wait_ms);
        else if (step.kind == POND_STEP_APART)
            submit_apart(self, &step);
        else
            submit(self, self->lease, &step);
        if (self->current || self->timer || self->acquiring) {
            self->stepping = 0;
            return;
        }
    }
    self->stepping = 0;
    complete(self);
}

static int check(const pond_connection *lease, const pondi_conn *conn, const pond_plan *plan,
                 pond_error **err)
{
    if (plan->started)
        return pondi_error_set(err, POND_EMISUSE, "the plan was started before: make another");
    if (plan->schema != lease->pool->family->attachment)
        return pondi_error_set(err, POND_EMISUSE,
                               "the plan is of another database: make it with the schema of this "
                               "connection's pool");
    if (pondi_conn_runs_inline(conn))
        return pondi_error_set(err, POND_EMISUSE,
                               "this call comes from a callback of a statement that runs on the "
                               "same connection: use another connection");
    if (conn->streamed)
        return pondi_error_set(err, POND_EMISUSE,
                               "a stream is open on this connection: read it to its end or close "
                               "it, or use another connection");
    return POND_OK;
}

static void start(run *self)
{
    pondi_conn *conn = self->lease->slot->conn;
    self->plan->capabilities |= conn->features;
    pond_plan_start(self->plan, conn->in_transaction, NULL);
    go_on(self);
}

/* What was submitted before is done. */
static void turn_came(pond_op *op)
{
    run *self = op->user_data;
    self->current = NULL;
    pond_op_release(op);
    if (self->lease->slot) {
        start(self);
        return;
    }
    self->plan->started = 1;
    self->plan->status = POND_ECANCELLED;
    self->plan->error =
        pondi_error_new(POND_ECANCELLED, "the connection was given back before the call began");
    complete(self);
}

/* ---- In the calling thread --------------------------------------------------------------- */

/* Locked. One step in the calling thread; the loop is unlocked meanwhile. */
static void step_inline(run *self, const pond_step *step)
{
    pondi_request *request;
    pond_error *error = NULL;
    if (bind_request(self, self->lease, step, &request, &error)) {
        pondi_plan_feed_failure(self->plan, error, is_open(self->lease));
        return;
    }
    request->op.intercept = pondi_op_keep;
    if (pondi_conn_run_inline(self->lease->slot->conn, request)) {
        self->cancelled |= request->op.status == POND_ECANCELLED; /* by the host: for all of it */
        feed(self, request);
    } else {
        pondi_call_withdraw(request->call);
        pondi_op_complete(&request->op, POND_EMISUSE,
                          pondi_error_new(POND_EMISUSE, "another thread uses this connection"));
        feed(self, request);
    }
}

static void pause_inline(run *self, int64_t wait_ms)
{
    const struct timespec time = {wait_ms / 1000, wait_ms % 1000 * 1000000};
    pondi_loop_leave(self->op.loop);
    nanosleep(&time, NULL);
    int interrupted = pondi_interrupt_is_due() && pondi_interrupt_ask();
    pondi_loop_lock(self->op.loop);
    self->cancelled |= interrupted;
    pondi_plan_feed(self->plan, NULL);
}

/* Request by request in the calling thread, where the driver can; else 0. The loop is locked. */
static int run_inline(run *self)
{
    pond_step step = {.struct_size = sizeof(step)};
    pondi_conn *conn = self->lease->slot->conn;
    if (!pondi_conn_may_run_inline(conn))
        return 0;
    self->plan->capabilities |= conn->features;
    pond_plan_start(self->plan, conn->in_transaction, NULL);
    for (;;) {
        pond_plan_next(self->plan, &step, NULL);
        if (step.kind == POND_STEP_DONE)
            return 1;
        if (is_over(self, &step))
            continue;
        if (step.kind == POND_STEP_PAUSE)
            pause_inline(self, step.wait_ms);
        else if (step.kind == POND_STEP_APART)
            stop(self, POND_ENOTSUPPORTED, "no connection is available besides the caller's");
        else
            step_inline(self, &step);
    }
}

/* ---- Submit ------------------------------------------------------------------------------ */

/* Locked. What waits in the connection's queue goes first: a request that does nothing tells when
 * that is done. */
static int begin(run *self, pondi_conn *conn, pond_error **err)
{
    if (self->op.intercept && run_inline(self)) {
        complete(self);
        return POND_OK;
    }
    if (pondi_conn_is_idle(conn)) {
        start(self);
        return POND_OK;
    }
    pondi_request *request;
    const pondi_call_spec nothing = {.kind = PONDI_REQUEST_END_STREAM, .timeout_ms = -1};
    int code = pondi_request_new(&nothing, &request, err);
    if (code)
        return code;
    pondi_request_bind(request, self->op.loop, self);
    request->op.intercept = turn_came;
    self->current = request;
    pondi_conn_submit(conn, request);
    return POND_OK;
}

/* Make the operation and begin. With `intercept` *op is the core's own reference, which the caller
 * drops. */
static int submit_run(pond_connection *lease, pond_plan *plan, int64_t timeout_ms, void *user_data,
                      void (*intercept)(pond_op *op), pond_op **op, pond_error **err)
{
    pondi_conn *conn;
    run *self;
    if (op)
        *op = NULL;
    int code = pondi_given_as(err, "connection", lease);
    if (!code)
        code = PONDI_GIVEN(err, plan);
    if (!code)
        code = pondi_call_timeout(&lease->pool->target, timeout_ms, &timeout_ms, err);
    if (!code)
        code = pondi_lease_enter(lease, &conn, err);
    if (code)
        return code;
    code = check(lease, conn, plan, err);
    if (!code)
        code = run_new(lease, plan, timeout_ms, user_data, &self, err);
    if (!code) {
        self->op.intercept = intercept;
        if (intercept)
            *op = &self->op;
        else
            pondi_op_hand_out(&self->op, op);
        code = begin(self, conn, err);
        if (code) {
            if (op && !intercept)
                pond_op_release(*op);
            if (op)
                *op = NULL;
            pondi_loop_remove_client(&self->client);
            pond_op_release(&self->op);
        }
    }
    pondi_lease_leave(lease);
    return code;
}

int pond_connection_run(pond_connection *lease, pond_plan *plan, int64_t timeout_ms,
                        void *user_data, pond_op **op, pond_error **err)
{
    return submit_run(lease, plan, timeout_ms, user_data, NULL, op, err);
}

int pond_connection_run_wait(pond_connection *lease, pond_plan *plan, int64_t timeout_ms,
                             pond_error **err)
{
    pond_op *op;
    int code = submit_run(lease, plan, timeout_ms, NULL, pondi_op_keep, &op, err);
    if (code)
        return code;
    code = pondi_op_wait_for_end(op, err);
    if (op->status == POND_PENDING) {
        pond_op_cancel(op); /* the loop was closed under us: whoever ends it frees it */
        return code;
    }
    if (code && err && !*err)
        *err = pond_op_take_error(op);
    pond_op_release(op);
    return code;
}

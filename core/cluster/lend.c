/* A lease for a wish: choose a node, acquire there, see that the connection is as wished, else try
 * the next. The caller sees one operation. */
#include "cluster/lend.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/given.h"

enum { NODE_MS = 1000 /* what a replica's pool has to lend, before another node is asked */ };

typedef struct lend {
    pond_op op; /* first */
    pondi_cluster *cluster;
    pond_pool *pool;       /* the cluster's; a reference */
    pondi_lease_wish wish; /* with a reference to the session */
    int64_t deadline_ns;
    uint64_t tried; /* a bit for each node */
    pondi_lease_route route;
    pondi_position awaited;
    pondi_server_report report;
    pond_op *acquiring; /* not a reference */
    pond_connection *lease;
    pondi_request *current; /* a reference */
    int done;               /* what was under way ended within the call that began it */
    int cancelled;
    int stepping; /* further up the stack */
} lend;

static void go_on(lend *self);

static lend *lend_of(pond_op *op)
{
    return (lend *)(void *)op;
}

/* ---- Create and destroy ------------------------------------------------------------------ */

static void give_back(pond_connection **lease)
{
    if (!*lease)
        return;
    pond_connection_give_back(*lease, NULL);
    pond_connection_release(*lease);
    *lease = NULL;
}

static void cancel(pond_op *op)
{
    lend *self = lend_of(op);
    self->cancelled = 1;
    if (self->acquiring)
        self->acquiring->class->cancel(self->acquiring);
    else if (self->current && self->lease->slot)
        pondi_conn_cancel(self->current->conn, self->current);
}

static void destroy(pond_op *op)
{
    lend *self = lend_of(op);
    pond_pool *pool = self->pool;
    give_back(&op->connection);
    give_back(&self->lease);
    pond_session_release(self->wish.session);
    pondi_position_free(&self->awaited);
    pondi_server_report_free(&self->report);
    pondi_free(self);
    pond_pool_release(pool);
}

static const pondi_op_class lend_class = {cancel, destroy};

static int lend_new(pond_pool *pool, pond_loop *loop, const pondi_lease_wish *wish, void *user_data,
                    lend **out, pond_error **err)
{
    lend *self = pondi_calloc(1, sizeof(*self));
    *out = self;
    if (!self)
        return pondi_error_nomem(err);
    pondi_op_init(&self->op, &lend_class, loop, user_data);
    self->cluster = pondi_cluster_of(pool);
    self->pool = pond_pool_retain(pool);
    self->wish = *wish;
    pond_session_retain(wish->session);
    self->deadline_ns = pondi_deadline_ns(wish->timeout_ms == POND_TIMEOUT_DEFAULT
                                              ? pool->settings.acquire_timeout_ms
                                              : wish->timeout_ms);
    return POND_OK;
}

/* ---- Outcomes ---------------------------------------------------------------------------- */

/* Locked: the lease is of no use. */
static void put_back(lend *self)
{
    if (self->lease)
        pondi_lease_put_back(self->lease);
    self->lease = NULL;
}

static void fail(lend *self, pond_error *error)
{
    put_back(self);
    pondi_op_complete(&self->op, error->code, error);
}

static void succeed(lend *self)
{
    if (self->wish.session)
        pondi_slot_join_session(self->lease->slot, self->wish.session);
    if (self->wish.read_only)
        pondi_route_count(self->cluster, &self->route);
    self->op.connection = self->lease;
    self->lease = NULL;
    pondi_op_complete(&self->op, POND_OK, NULL);
}

static int is_at_node(const lend *self)
{
    return self->route.node != PONDI_NO_NODE;
}

/* The node is of no use now. True if another one is tried; then the error is gone. */
static int tries_another(lend *self, pond_error *error)
{
    if (!is_at_node(self) || self->cancelled || error->code == POND_ECLOSED)
        return 0;
    self->tried |= UINT64_C(1) << self->route.node;
    pond_error_free(error);
    return 1;
}

/* ---- The lease --------------------------------------------------------------------------- */

/* What is done on it before the caller has it, one after the other; 0 for nothing more. */
static int next_request(const lend *self, pondi_call_kind *kind, int64_t *timeout_ms)
{
    const pondi_conn *conn = self->lease->slot->conn;
    int64_t left_ms = pondi_remaining_ms(self->deadline_ns);
    *timeout_ms = left_ms;
    if (self->wish.session && !atomic_load(&self->cluster->known)) {
        *kind = PONDI_REQUEST_REPORT;
    } else if (self->route.waits) {
        int64_t most_ms = self->cluster->replica_wait_ms;
        *kind = PONDI_REQUEST_WAIT_FOR;
        if (is_at_node(self) && (left_ms < 0 || left_ms > most_ms))
            *timeout_ms = most_ms;
    } else if (self->route.read_only && !conn->read_only) {
        *kind = PONDI_REQUEST_READ_ONLY;
    } else {
        return 0;
    }
    return 1;
}

static void count_wait(const lend *self, int status)
{
    int node = is_at_node(self) ? self->route.node : atomic_load(&self->cluster->primary);
    if (node == PONDI_NO_NODE)
        return;
    atomic_fetch_add(&self->cluster->nodes[node].counts.waits, 1);
    if (status)
        atomic_fetch_add(&self->cluster->nodes[node].counts.missed, 1);
}

static void note_answer(lend *self, pondi_call_kind kind, int status)
{
    if (kind == PONDI_REQUEST_WAIT_FOR) {
        count_wait(self, status);
        self->route.waits = 0;
        self->wish.may_wait = 0;
    } else if (kind == PONDI_REQUEST_REPORT && !status) {
        pondi_cluster_identify(self->cluster, &self->report);
    }
}

/* The current request has ended; its reference is dropped. */
static void answered(pond_op *op)
{
    lend *self = op->user_data;
    pondi_call_kind kind = self->current->call->kind;
    int status = op->status;
    pond_error *error = status ? pond_op_take_error(op) : NULL;
    self->current = NULL;
    self->done = 1;
    pond_op_release(op);
    note_answer(self, kind, status);
    if (self->cancelled && !error)
        error = pondi_error_new(POND_ECANCELLED, "the acquire was cancelled");
    if (error) {
        put_back(self);
        if (!tries_another(self, error)) {
            fail(self, error);
            return;
        }
    }
    if (!self->stepping)
        go_on(self);
}

static void submit(lend *self, pondi_call_kind kind, int64_t timeout_ms)
{
    pondi_request *request = NULL;
    pond_error *error = NULL;
    pondi_conn *conn = self->lease->slot->conn;
    const pondi_call_spec spec = {.kind = kind, .timeout_ms = timeout_ms};
    if (pondi_request_new(&spec, &request, &error)) {
        fail(self, error);
        return;
    }
    pondi_server_report_free(&self->report);
    pondi_server_report_init(&self->report, conn);
    conn->report = &self->report;
    conn->awaited = &self->awaited;
    conn->wants_read_only = 1;
    pondi_request_bind(request, self->op.loop, self);
    request->op.intercept = answered;
    self->current = request;
    pondi_conn_submit_first(conn, request);
}

/* See that the connection is as wished. */
static void look_after_lease(lend *self)
{
    pondi_call_kind kind;
    int64_t timeout_ms;
    if (!self->lease->slot)
        fail(self, pondi_pool_closed_error(self->pool));
    else if (next_request(self, &kind, &timeout_ms))
        submit(self, kind, timeout_ms);
    else
        succeed(self);
}

/* ---- Acquire ----------------------------------------------------------------------------- */

static void acquired(pond_op *op)
{
    lend *self = op->user_data;
    int status = op->status;
    self->acquiring = NULL;
    self->done = 1;
    self->lease = status ? NULL : pond_op_take_connection(op);
    pond_error *error = status ? pond_op_take_error(op) : NULL;
    pond_op_release(op);
    if (is_at_node(self))
        pondi_cluster_note_outcome(&self->cluster->nodes[self->route.node], status);
    if (error && !tries_another(self, error)) {
        fail(self, error);
        return;
    }
    if (!self->stepping)
        go_on(self);
}

static int64_t time_of_acquire_ms(const lend *self)
{
    int64_t left_ms = pondi_remaining_ms(self->deadline_ns);
    if (is_at_node(self))
        return left_ms < 0 || left_ms > NODE_MS ? NODE_MS : left_ms;
    return self->wish.timeout_ms == POND_TIMEOUT_DEFAULT && !self->tried ? POND_TIMEOUT_DEFAULT
                                                                         : left_ms;
}

static void acquire(lend *self)
{
    pond_error *error = NULL;
    pond_pool *pool = NULL;
    pond_op *op = NULL;
    pondi_position_free(&self->awaited);
    int code = pondi_route_choose(self->cluster, &self->wish, self->tried, &self->route,
                                  &self->awaited, &error);
    if (!code)
        code = pondi_route_pool(self->cluster, &self->route, &pool, &error);
    self->done = 0;
    if (!code)
        code = pondi_acquire_within(pool, self->op.loop, time_of_acquire_ms(self), acquired, self,
                                    &op, &error);
    pond_pool_release(pool);
    if (code)
        fail(self, error);
    else if (!self->done)
        self->acquiring = op;
}

/* Locked: until something has to be waited for, or it is over. */
static void go_on(lend *self)
{
    pond_op_retain(&self->op);
    self->stepping = 1;
    while (self->op.status == POND_PENDING && !self->acquiring && !self->current) {
        if (self->lease)
            look_after_lease(self);
        else
            acquire(self);
    }
    self->stepping = 0;
    pond_op_release(&self->op);
}

/* ---- Public ------------------------------------------------------------------------------ */

static int begin(pond_pool **pool, pond_loop **loop, const pond_acquire_options *options,
                 pondi_lease_wish *wish, pond_error **err)
{
    int code = pondi_given_as(err, "pool", *pool);
    if (!code && !*loop)
        code = pondi_loop_private(loop, err);
    if (!code)
        code = pondi_pool_check_process(*pool, err);
    if (!code)
        code = pondi_wish_read(pondi_cluster_of(*pool), options, wish, err);
    return code;
}

static int submit_lend(pond_pool *pool, pond_loop *loop, const pondi_lease_wish *wish,
                       void *user_data, void (*intercept)(pond_op *op), pond_op **op,
                       pond_error **err)
{
    lend *self;
    int code = pondi_pool_enter(pool, loop, err);
    if (code)
        return code;
    code = lend_new(pool, loop, wish, user_data, &self, err);
    if (!code) {
        self->op.intercept = intercept;
        if (intercept)
            *op = &self->op;
        else
            pondi_op_hand_out(&self->op, op);
        go_on(self);
    }
    pondi_loop_leave(loop);
    return code;
}

int pond_pool_acquire_with(pond_pool *pool, pond_loop *loop, const pond_acquire_options *options,
                           void *user_data, pond_op **op, pond_error **err)
{
    pondi_lease_wish wish = {0};
    if (op)
        *op = NULL;
    int code = begin(&pool, &loop, options, &wish, err);
    return code ? code : submit_lend(pool, loop, &wish, user_data, NULL, op, err);
}

/* Nothing has to be asked, or waited for, before the caller may have it. */
static int is_ready(const pondi_cluster *cluster, const pondi_lease_wish *wish,
                    const pondi_lease_route *route)
{
    return !route->waits && !route->read_only && (!wish->session || atomic_load(&cluster->known));
}

static int join(pond_connection *lease, const pondi_lease_wish *wish, pond_error **err)
{
    pondi_conn *conn;
    if (!wish->session)
        return POND_OK;
    int code = pondi_lease_enter(lease, &conn, err);
    if (code)
        return code;
    pondi_slot_join_session(lease->slot, wish->session);
    pondi_lease_leave(lease);
    return POND_OK;
}

static int try_acquire(pond_pool *pool, pond_loop *loop, const pondi_lease_wish *wish,
                       pond_connection **out, pond_error **err)
{
    pondi_cluster *cluster = pondi_cluster_of(pool);
    pondi_lease_route route;
    pondi_position awaited = {0};
    pond_pool *from = NULL;
    int code = pondi_route_choose(cluster, wish, 0, &route, &awaited, err);
    pondi_position_free(&awaited);
    if (!code && !is_ready(cluster, wish, &route))
        return POND_EAGAIN;
    if (!code)
        code = pondi_route_pool(cluster, &route, &from, err);
    if (!code)
        code = pond_pool_try_acquire(from, loop, out, err);
    pond_pool_release(from);
    if (code)
        return code;
    code = join(*out, wish, err);
    if (code)
        give_back(out);
    else if (wish->read_only)
        pondi_route_count(cluster, &route);
    return code;
}

int pond_pool_try_acquire_with(pond_pool *pool, pond_loop *loop,
                               const pond_acquire_options *options, pond_connection **out,
                               pond_error **err)
{
    pondi_lease_wish wish = {0};
    if (out)
        *out = NULL;
    int code = PONDI_GIVEN(err, pool, out);
    if (!code)
        code = begin(&pool, &loop, options, &wish, err);
    return code ? code : try_acquire(pool, loop, &wish, out, err);
}

int pond_pool_acquire_with_wait(pond_pool *pool, pond_loop *loop,
                                const pond_acquire_options *options, pond_connection **out,
                                pond_error **err)
{
    pondi_lease_wish wish = {0};
    pond_op *op = NULL;
    if (out)
        *out = NULL;
    int code = PONDI_GIVEN(err, pool, out);
    if (!code)
        code = begin(&pool, &loop, options, &wish, err);
    if (!code)
        code = try_acquire(pool, loop, &wish, out, err);
    if (code != POND_EAGAIN)
        return code;
    code = submit_lend(pool, loop, &wish, NULL, pondi_op_keep, &op, err);
    if (code)
        return code;
    code = pondi_op_wait_for_end(op, err);
    if (op->status == POND_PENDING) {
        pond_op_cancel(op); /* the loop was closed under us: whoever ends it frees it */
        return code;
    }
    if (!code)
        *out = pond_op_take_connection(op);
    else if (err && !*err)
        *err = pond_op_take_error(op);
    pond_op_release(op);
    return code;
}

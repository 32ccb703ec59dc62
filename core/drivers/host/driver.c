#include "base/alloc.h"
#include "base/error.h"
#include "drivers/host/host.h"

int pondi_host_may_block(const pondi_host_conn *conn)
{
    if (conn->host->flags & POND_DRIVER_PINNED)
        return !conn->home;
    return !(conn->host->flags & POND_DRIVER_ASYNC);
}

int pondi_host_has(const pondi_conn *base)
{
    return base->driver->start == pondi_host_template.start;
}

void *pondi_host_connection(const pondi_conn *base)
{
    return pondi_host_has(base) ? ((const pondi_host_conn *)base)->connection : NULL;
}

/* ---- Open -------------------------------------------------------------------------------- */

static int open_conn(pond_config *config, void *shared, pondi_conn **out, pond_error **err)
{
    (void)shared;
    const pondi_host_driver *driver = (const pondi_host_driver *)pondi_config_driver(config);
    pondi_host_conn *conn = pondi_calloc(1, sizeof(*conn));
    if (!conn)
        return pondi_error_nomem(err);
    conn->host = &driver->host;
    conn->base.features = driver->host.features;
    pondi_refcount_init(&conn->refs);
    pondi_refcount_init(&conn->uses);
    *out = &conn->base;
    return POND_OK;
}

/* A pinned connection stays on the loop that opened it. */
static void pin_to_loop(pondi_host_conn *conn)
{
    if (!(conn->host->flags & POND_DRIVER_PINNED) || pondi_loop_is_private(conn->base.loop))
        return;
    conn->home = conn->base.loop;
    pondi_loop_hold(conn->home);
}

static void start(pondi_conn *base, pondi_request *request)
{
    if (request->call->kind == PONDI_REQUEST_REPORT) { /* whose asker may go before the host */
        pondi_server_report_init(base->report, base);
        pondi_conn_finish(base, NULL, NULL);
        return;
    }
    if (request->call->kind == PONDI_REQUEST_CONNECT)
        pin_to_loop(pondi_host_conn_of(base));
    pondi_host_start(base, request);
}

/* ---- Close ------------------------------------------------------------------------------- */

/* No loop is locked here, and in the next two. */
static void free_conn(pondi_host_conn *conn)
{
    pondi_host_free_unprepared(conn, NULL, conn->unprepared);
    conn->freeing = 1;
    pondi_conn_dispose(&conn->base);
    if (conn->worker)
        pondi_worker_finish(conn->worker);
    if (conn->home)
        pondi_loop_unhold(conn->home);
    pondi_free(conn);
}

static void run_free(pondi_outside *call)
{
    free_conn(PONDI_CONTAINER(call, pondi_host_conn, closing));
}

/* A request that the host still has needs the struct, but no place on the server. */
static void run_close(pondi_outside *call)
{
    pondi_host_conn *conn = PONDI_CONTAINER(call, pondi_host_conn, closing);
    pondi_gone gone = conn->base.gone;
    if (conn->connection)
        conn->host->close(conn->connection);
    if (pondi_refcount_drop(&conn->refs))
        free_conn(conn);
    pondi_conn_gone(gone);
}

static void run_close_job(pondi_job *job)
{
    run_close(&PONDI_CONTAINER(job, pondi_host_conn, job)->closing);
}

void pondi_host_conn_drop(pondi_host_conn *conn, pond_loop *loop)
{
    if (!pondi_refcount_drop(&conn->refs))
        return;
    conn->closing.run = run_free;
    pondi_loop_call_outside(loop, &conn->closing);
}

void pondi_host_callback_ended(pondi_host_conn *conn)
{
    if (pondi_refcount_drop(&conn->uses))
        run_close(&conn->closing);
}

void pondi_host_close(pondi_host_conn *conn)
{
    conn->closing.run = run_close;
    if (!pondi_refcount_drop(&conn->uses))
        return; /* the callback that returns last sees to it */
    if (conn->worker) {
        conn->job.run = run_close_job;
        pondi_worker_submit(conn->worker, &conn->job);
    } else if (conn->base.loop) {
        pondi_loop_call_outside(conn->base.loop, &conn->closing);
    } else {
        pondi_call_elsewhere(&conn->closing);
    }
}

static void destroy(pondi_conn *base)
{
    pondi_host_conn *conn = pondi_host_conn_of(base);
    pond_request *running = conn->running;
    conn->abandoned = 1;
    if (running && pondi_host_may_block(conn))
        pondi_host_cancel(base, running->request); /* closed once its callback has returned */
    else if (running && atomic_load(&running->stopping))
        conn->close_waits = 1;
    else
        pondi_host_close(conn);
}

/* ---- Between loops ----------------------------------------------------------------------- */

static int fits(const pondi_conn *base, const pond_loop *loop)
{
    const pondi_host_conn *conn = (const pondi_host_conn *)base;
    if (!(conn->host->flags & POND_DRIVER_PINNED))
        return 1;
    return conn->home ? conn->home == loop : !loop || pondi_loop_is_private(loop);
}

static void detach(pondi_conn *base)
{
    (void)base;
}

static int attach(pondi_conn *base, pond_error **err)
{
    if (fits(base, base->loop))
        return POND_OK;
    return pondi_error_set(err, POND_EMISUSE, "the connection belongs to another event loop");
}

/* ---- Statements -------------------------------------------------------------------------- */

void pondi_host_free_unprepared(const pondi_host_conn *conn, void *connection,
                                pondi_unprepared *list)
{
    while (list) {
        pondi_unprepared *next = list->next;
        conn->host->free_prepared(connection, list->prepared);
        pondi_free(list);
        list = next;
    }
}

/* The host may be inside the connection now, on another thread. */
static void statement_free(pondi_conn *base, void *prepared)
{
    pondi_host_conn *conn = pondi_host_conn_of(base);
    if (!conn->host->free_prepared)
        return;
    if (conn->freeing) {
        conn->host->free_prepared(NULL, prepared);
        return;
    }
    pondi_unprepared *gone = pondi_malloc(sizeof(*gone));
    if (!gone)
        return; /* out of memory: what is prepared stays as long as the connection */
    *gone = (pondi_unprepared){conn->unprepared, prepared};
    conn->unprepared = gone;
}

const pondi_driver pondi_host_template = {
    .needs_timer = 1,
    .open = open_conn,
    .start = start,
    .cancel = pondi_host_cancel,
    .run_inline = pondi_host_run_inline,
    .detach = detach,
    .attach = attach,
    .fits = fits,
    .statement_free = statement_free,
    .destroy = destroy,
};

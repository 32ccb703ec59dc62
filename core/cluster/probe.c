#include "cluster/probe.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"

/* A node that does not answer for so long is asked on another connection. */
enum { ANSWER_MS = 2000, LATE_MS = 300 };

static void ask(pondi_probe *probe);

/* ---- One round --------------------------------------------------------------------------- */

static void again(pondi_probe *probe)
{
    probe->asked_ns = 0;
    pondi_timer_start(probe->timer,
                      pondi_now_ns() + pondi_monitor_interval_ns(probe->node->cluster));
}

static void hang_up(pondi_probe *probe)
{
    pondi_conn *conn = probe->conn;
    probe->conn = NULL;
    if (conn)
        pondi_conn_destroy(conn, POND_ECLOSED, "the monitor closed it");
}

static void failed(pondi_probe *probe, pond_error *error)
{
    hang_up(probe);
    pondi_cluster_reported(probe->node, NULL, probe->asked_ns, error);
    pond_error_free(error);
    again(probe);
}

/* The server hung up between two reports: what it says by itself is asked at once. */
static void on_lost(void *owner)
{
    pondi_probe *probe = owner;
    hang_up(probe);
    if (!probe->asked_ns)
        ask(probe);
}

/* The server refused the question alone, as a replica ends a statement that is in the way of its
 * replay. */
static int is_refused(const pondi_probe *probe, int status)
{
    return status != POND_ETIMEDOUT && probe->conn->state == PONDI_CONN_READY;
}

static void on_report(pond_op *op)
{
    pondi_probe *probe = op->user_data;
    pond_error *error = pond_op_take_error(op);
    int status = op->status;
    pond_op_release(op);
    if (probe->conn && status && !is_refused(probe, status)) {
        failed(probe, error);
        error = NULL;
    } else if (probe->conn) { /* else it is being closed */
        if (!status)
            pondi_cluster_reported(probe->node, &probe->report, probe->asked_ns, NULL);
        probe->conn->lost = on_lost;
        again(probe);
    }
    pond_error_free(error);
    pondi_server_report_free(&probe->report);
}

static void on_connected(pond_op *op);

static int submit(pondi_probe *probe, pondi_call_kind kind, int64_t timeout_ms,
                  void (*done)(pond_op *op), pond_error **err)
{
    pondi_request *request = NULL;
    const pondi_call_spec spec = {.kind = kind, .timeout_ms = timeout_ms};
    int code = pondi_request_new(&spec, &request, err);
    if (code)
        return code;
    pondi_request_bind(request, probe->loop, probe);
    request->op.intercept = done;
    pondi_conn_submit_first(probe->conn, request);
    return POND_OK;
}

static void ask_for_report(pondi_probe *probe)
{
    pond_error *error = NULL;
    probe->asked_ns = pondi_now_ns();
    probe->conn->lost = NULL;
    pondi_server_report_init(&probe->report, probe->conn);
    probe->conn->report = &probe->report;
    if (submit(probe, PONDI_REQUEST_REPORT, ANSWER_MS, on_report, &error))
        failed(probe, error);
}

static void on_connected(pond_op *op)
{
    pondi_probe *probe = op->user_data;
    pond_error *error = pond_op_take_error(op);
    int status = op->status;
    pond_op_release(op);
    if (!probe->conn) {
        pond_error_free(error);
    } else if (status) {
        failed(probe, error);
    } else {
        probe->conn->state = PONDI_CONN_READY;
        ask_for_report(probe);
    }
}

static void connect(pondi_probe *probe)
{
    pond_pool *pool = probe->node->cluster->pool;
    pond_error *error = NULL;
    int64_t timeout_ms = pool->settings.connect_timeout_ms;
    probe->asked_ns = pondi_now_ns();
    int code = pondi_pool_open_shared(pool, &error);
    if (!code)
        code = pondi_conn_new(pool->driver, probe->node->config, pool->shared, probe->loop,
                              &probe->conn, &error);
    if (code) {
        failed(probe, error);
        return;
    }
    probe->conn->owner = probe;
    probe->conn->state = PONDI_CONN_CONNECTING;
    probe->conn->server = probe->node->number;
    if (timeout_ms < 0 || timeout_ms > ANSWER_MS)
        timeout_ms = ANSWER_MS;
    if (submit(probe, PONDI_REQUEST_CONNECT, timeout_ms, on_connected, &error))
        failed(probe, error);
}

static void ask(pondi_probe *probe)
{
    if (probe->conn && probe->conn->state != PONDI_CONN_READY)
        hang_up(probe);
    if (probe->conn)
        ask_for_report(probe);
    else
        connect(probe);
}

void pondi_probe_ask(pondi_probe *probe)
{
    if (!probe->asked_ns)
        ask(probe);
}

/* ---- Create and destroy ------------------------------------------------------------------ */

static void on_timer(void *data)
{
    pondi_probe_ask(data);
}

pondi_probe *pondi_probe_new(pondi_cluster_node *node, pond_loop *loop)
{
    pondi_probe *probe = pondi_calloc(1, sizeof(*probe));
    if (!probe)
        return NULL;
    probe->node = node;
    probe->loop = loop;
    if (pondi_timer_new(loop, on_timer, probe, &probe->timer, NULL)) {
        pondi_free(probe);
        return NULL;
    }
    return probe;
}

int pondi_probe_is_late(const pondi_probe *probe)
{
    return probe && probe->asked_ns &&
           pondi_now_ns() - probe->asked_ns > (int64_t)LATE_MS * PONDI_NS_PER_MS;
}

void pondi_probe_free(pondi_probe *probe)
{
    if (!probe)
        return;
    hang_up(probe);
    pondi_timer_free(probe->timer);
    pondi_server_report_free(&probe->report);
    pondi_free(probe);
}

/* Statements and transactions on a leased connection. */
#include "base/clock.h"
#include "base/error.h"
#include "base/given.h"
#include "driver/driver.h"
#include "drivers/host/host.h"
#include "millpond/millpond.h"
#include "pool/pool.h"

/* ---- A call on a lease ------------------------------------------------------------------- */

static void submit_at_once(pondi_conn *conn, pondi_request *request)
{
    pond_op *op = &request->op;
    pond_op_retain(op);
    op->intercept = pondi_op_keep; /* what ends before the caller can ask stays with the caller */
    pondi_conn_submit(conn, request);
    if (op->status == POND_PENDING)
        op->intercept = NULL;
    else
        pond_op_release(op); /* the reference of the queue that it does not go to */
    pond_op_release(op);
}

static int submit(pond_connection *lease, const pondi_call_spec *spec, void *user_data,
                  pond_op **op, pond_error **err)
{
    pondi_conn *conn;
    pondi_request *request;
    int code = pondi_request_new_given(spec, &request, err);
    if (code)
        return code;
    code = pondi_lease_enter(lease, &conn, err);
    if (code) {
        pondi_request_free(request);
        return code;
    }
    code = pondi_lease_bind(lease, request, user_data, err);
    if (!code) {
        pondi_op_hand_out(&request->op, op);
        if (op && spec->flags & PONDI_CALL_AT_ONCE && !pondi_loop_has_thread(lease->loop))
            submit_at_once(conn, request);
        else
            pondi_conn_submit(conn, request);
    }
    pondi_lease_leave(lease);
    return code;
}

static int finish(pond_op *op, pond_result **out, pond_error **err)
{
    int code = op->status;
    if (!code && out)
        *out = pond_op_take_result(op);
    else if (code && err)
        *err = pond_op_take_error(op);
    pond_op_release(op);
    return code;
}

/* Entered; leaves. The request is bound, or freed. */
static int begin_to_wait(pond_connection *lease, pondi_conn *conn, pondi_request *request,
                         pond_error **err)
{
    int code = POND_OK;
    if (pondi_conn_runs_inline(conn)) {
        pondi_request_free(request);
        code = pondi_error_set(err, POND_EMISUSE,
                               "a statement of this connection is interrupted for this call: use "
                               "another connection");
    } else {
        code = pondi_lease_bind(lease, request, NULL, err);
    }
    if (!code) {
        request->op.intercept = pondi_op_keep;
        if (!pondi_conn_run_inline(conn, request))
            pondi_conn_submit(conn, request);
    }
    pondi_lease_leave(lease);
    return code;
}

static int submit_and_wait(pond_connection *lease, const pondi_call_spec *spec, pond_result **out,
                           pond_error **err)
{
    pondi_conn *conn;
    pondi_request *request;
    int code = pondi_request_new_given(spec, &request, err);
    if (code)
        return code;
    code = pondi_lease_enter(lease, &conn, err);
    if (code) {
        pondi_request_free(request);
        return code;
    }
    code = begin_to_wait(lease, conn, request, err);
    if (code)
        return code;
    pond_op *op = &request->op;
    code = pondi_op_wait_for_end(op, err);
    if (op->status != POND_PENDING)
        return finish(op, out, err);
    pond_op_cancel(op); /* the loop was closed under us: it ends the operation, which ends itself */
    return code;
}

/* ---- Execute ----------------------------------------------------------------------------- */

/* The rows and the kind are in `spec`. */
static int statement(const pond_connection *lease, const char *sql, size_t sql_size,
                     const pond_execute_options *options, pondi_call_spec *spec, pond_error **err)
{
    spec->sql = sql;
    spec->sql_size = sql_size;
    int code = pondi_given_as(err, "connection", lease);
    if (!code)
        code = pondi_given_text(err, "sql", sql, sql_size);
    return code ? code : pondi_call_read_options(&lease->pool->target, options, spec, err);
}

int pond_connection_execute(pond_connection *lease, const char *sql, size_t sql_size,
                            const pond_value *params, size_t param_count,
                            const pond_execute_options *options, void *user_data, pond_op **op,
                            pond_error **err)
{
    pondi_call_spec spec = {.kind = PONDI_REQUEST_EXECUTE,
                            .params = params,
                            .row_count = 1,
                            .column_count = param_count};
    if (op)
        *op = NULL;
    int code = statement(lease, sql, sql_size, options, &spec, err);
    return code ? code : submit(lease, &spec, user_data, op, err);
}

int pond_connection_execute_wait(pond_connection *lease, const char *sql, size_t sql_size,
                                 const pond_value *params, size_t param_count,
                                 const pond_execute_options *options, pond_result **out,
                                 pond_error **err)
{
    pondi_call_spec spec = {.kind = PONDI_REQUEST_EXECUTE,
                            .params = params,
                            .row_count = 1,
                            .column_count = param_count};
    if (out)
        *out = NULL;
    int code = statement(lease, sql, sql_size, options, &spec, err);
    return code ? code : submit_and_wait(lease, &spec, out, err);
}

int pond_connection_execute_many(pond_connection *lease, const char *sql, size_t sql_size,
                                 const pond_value *params, size_t row_count, size_t column_count,
                                 const pond_execute_options *options, void *user_data, pond_op **op,
                                 pond_error **err)
{
    pondi_call_spec spec = {.kind = PONDI_REQUEST_EXECUTE_MANY,
                            .params = params,
                            .row_count = row_count,
                            .column_count = column_count};
    if (op)
        *op = NULL;
    int code = statement(lease, sql, sql_size, options, &spec, err);
    return code ? code : submit(lease, &spec, user_data, op, err);
}

int pond_connection_execute_many_wait(pond_connection *lease, const char *sql, size_t sql_size,
                                      const pond_value *params, size_t row_count,
                                      size_t column_count, const pond_execute_options *options,
                                      pond_result **out, pond_error **err)
{
    pondi_call_spec spec = {.kind = PONDI_REQUEST_EXECUTE_MANY,
                            .params = params,
                            .row_count = row_count,
                            .column_count = column_count};
    if (out)
        *out = NULL;
    int code = statement(lease, sql, sql_size, options, &spec, err);
    return code ? code : submit_and_wait(lease, &spec, out, err);
}

/* ---- Statements that the program runs ---------------------------------------------------- */

/* The request is the caller's if its turn has come. */
static int take_held(pondi_conn *conn, pondi_request *request, pond_request **out, pond_error **err)
{
    pond_op *op = &request->op;
    op->intercept = pondi_op_keep;
    pondi_conn_submit(conn, request);
    if (op->status != POND_PENDING)
        return finish(op, NULL, err);
    op->intercept = pond_op_release;
    *out = pondi_host_held(conn, request);
    if (*out)
        return POND_OK;
    pondi_conn_cancel(conn, request);
    return pondi_error_set(err, POND_EMISUSE, "another statement runs on this connection");
}

int pond_connection_hold(pond_connection *lease, const char *sql, size_t sql_size,
                         const pond_execute_options *options, pond_request **out, pond_error **err)
{
    pondi_conn *conn;
    pondi_request *request = NULL;
    pondi_call_spec spec = {.kind = PONDI_REQUEST_EXECUTE,
                            .flags = PONDI_CALL_NATIVE | PONDI_CALL_HELD,
                            .row_count = 1};
    if (out)
        *out = NULL;
    int code = statement(lease, sql, sql_size, options, &spec, err);
    if (!code)
        code = PONDI_GIVEN(err, out);
    if (!code)
        code = pondi_request_new(&spec, &request, err);
    if (!code)
        code = pondi_lease_enter(lease, &conn, err);
    if (!code && !pondi_conn_is_idle(conn)) { /* the end of the one before may be on its way */
        pondi_lease_leave(lease);
        code = pondi_lease_enter(lease, &conn, err);
    }
    if (code) {
        pondi_request_free(request);
        return code;
    }
    if (pondi_host_has(conn)) {
        code = pondi_lease_bind(lease, request, NULL, err);
    } else {
        pondi_request_free(request);
        code = pondi_error_set(err, POND_ENOTSUPPORTED,
                               "only a connection of a registered driver is run by the program");
    }
    if (!code)
        code = take_held(conn, request, out, err);
    pondi_lease_leave(lease);
    return code;
}

void *pond_connection_host(pond_connection *lease)
{
    pondi_conn *conn;
    if (pondi_lease_enter(lease, &conn, NULL))
        return NULL;
    void *connection = pondi_host_connection(conn);
    pondi_lease_leave(lease);
    return connection;
}

int pond_connection_set_in_transaction(pond_connection *lease, int open, pond_error **err)
{
    pondi_conn *conn;
    int code = pondi_lease_enter(lease, &conn, err);
    if (code)
        return code;
    if (pondi_host_has(conn))
        conn->in_transaction = open != 0;
    pondi_lease_leave(lease);
    return POND_OK;
}

/* ---- Streams ----------------------------------------------------------------------------- */

enum { DEFAULT_BATCH = 1000 };

int pond_connection_stream(pond_connection *lease, const char *sql, size_t sql_size,
                           const pond_value *params, size_t param_count, size_t batch_rows,
                           const pond_execute_options *options, void *user_data, pond_op **op,
                           pond_error **err)
{
    pondi_call_spec spec = {.kind = PONDI_REQUEST_STREAM,
                            .params = params,
                            .row_count = 1,
                            .column_count = param_count,
                            .batch_rows = batch_rows ? batch_rows : DEFAULT_BATCH};
    if (op)
        *op = NULL;
    int code = statement(lease, sql, sql_size, options, &spec, err);
    return code ? code : submit(lease, &spec, user_data, op, err);
}

int pond_connection_stream_wait(pond_connection *lease, const char *sql, size_t sql_size,
                                const pond_value *params, size_t param_count, size_t batch_rows,
                                const pond_execute_options *options, pond_result **out,
                                pond_error **err)
{
    pondi_call_spec spec = {.kind = PONDI_REQUEST_STREAM,
                            .params = params,
                            .row_count = 1,
                            .column_count = param_count,
                            .batch_rows = batch_rows ? batch_rows : DEFAULT_BATCH};
    if (out)
        *out = NULL;
    int code = statement(lease, sql, sql_size, options, &spec, err);
    return code ? code : submit_and_wait(lease, &spec, out, err);
}

static int timed(const pond_connection *lease, pondi_call_spec *spec, int64_t timeout_ms,
                 pond_error **err)
{
    if (pondi_given_as(err, "connection", lease))
        return POND_EINVAL;
    spec->target = &lease->pool->target;
    return pondi_call_timeout(spec->target, timeout_ms, &spec->timeout_ms, err);
}

/* What has no statement; the kind is in `spec`. */
static int command(pond_connection *lease, pondi_call_spec *spec, int64_t timeout_ms,
                   void *user_data, pond_op **op, pond_error **err)
{
    if (op)
        *op = NULL;
    int code = timed(lease, spec, timeout_ms, err);
    return code ? code : submit(lease, spec, user_data, op, err);
}

static int command_wait(pond_connection *lease, pondi_call_spec *spec, int64_t timeout_ms,
                        pond_result **out, pond_error **err)
{
    if (out)
        *out = NULL;
    int code = timed(lease, spec, timeout_ms, err);
    return code ? code : submit_and_wait(lease, spec, out, err);
}

int pond_connection_fetch(pond_connection *lease, int64_t timeout_ms, void *user_data, pond_op **op,
                          pond_error **err)
{
    pondi_call_spec spec = {.kind = PONDI_REQUEST_FETCH};
    return command(lease, &spec, timeout_ms, user_data, op, err);
}

int pond_connection_fetch_wait(pond_connection *lease, int64_t timeout_ms, pond_result **out,
                               pond_error **err)
{
    pondi_call_spec spec = {.kind = PONDI_REQUEST_FETCH};
    return command_wait(lease, &spec, timeout_ms, out, err);
}

int pond_connection_end_stream(pond_connection *lease, int64_t timeout_ms, void *user_data,
                               pond_op **op, pond_error **err)
{
    pondi_call_spec spec = {.kind = PONDI_REQUEST_END_STREAM};
    return command(lease, &spec, timeout_ms, user_data, op, err);
}

int pond_connection_end_stream_wait(pond_connection *lease, int64_t timeout_ms, pond_error **err)
{
    pondi_call_spec spec = {.kind = PONDI_REQUEST_END_STREAM};
    return command_wait(lease, &spec, timeout_ms, NULL, err);
}

/* ---- Transactions ------------------------------------------------------------------------ */

static int check_verb(pond_transaction_verb verb, pond_error **err)
{
    if (verb == POND_BEGIN || verb == POND_COMMIT || verb == POND_ROLLBACK)
        return POND_OK;
    return pondi_error_set(err, POND_EINVAL, "%d is no pond_transaction_verb", (int)verb);
}

int pond_connection_transaction(pond_connection *lease, pond_transaction_verb verb,
                                int64_t timeout_ms, void *user_data, pond_op **op, pond_error **err)
{
    pondi_call_spec spec = {.kind = PONDI_REQUEST_TRANSACTION, .verb = verb};
    if (op)
        *op = NULL;
    int code = check_verb(verb, err);
    return code ? code : command(lease, &spec, timeout_ms, user_data, op, err);
}

int pond_connection_transaction_wait(pond_connection *lease, pond_transaction_verb verb,
                                     int64_t timeout_ms, pond_error **err)
{
    pondi_call_spec spec = {.kind = PONDI_REQUEST_TRANSACTION, .verb = verb};
    int code = check_verb(verb, err);
    return code ? code : command_wait(lease, &spec, timeout_ms, NULL, err);
}

int pond_connection_in_transaction(pond_connection *lease, int *out, pond_error **err)
{
    pondi_conn *conn;
    if (PONDI_GIVEN(err, out))
        return POND_EINVAL;
    *out = 0;
    int code = pondi_lease_enter(lease, &conn, err);
    if (code)
        return code;
    *out = conn->in_transaction;
    pondi_lease_leave(lease);
    return POND_OK;
}

/* ---- Still alive? ------------------------------------------------------------------------ */

enum { PING_MS = 2000 };

/* A look without a round trip; *ping tells whether one is wanted as well. */
static int look(pond_connection *lease, int *ping, pond_error **err)
{
    pondi_conn *conn;
    int code = pondi_lease_enter(lease, &conn, err);
    if (code)
        return code;
    int idle = pondi_conn_is_idle(conn) && !conn->streamed;
    int64_t since_ns = pondi_coarse_now_ns() - conn->last_used_ns;
    *ping = idle && since_ns > lease->pool->settings.validate_after_ns;
    if (idle && conn->state == PONDI_CONN_READY && conn->driver->look)
        conn->driver->look(conn);
    if (conn->state != PONDI_CONN_READY)
        code = pondi_error_set(err, POND_ECONNLOST,
                               "this connection was lost: release it and acquire another");
    pondi_lease_leave(lease);
    return code;
}

int pond_connection_check_wait(pond_connection *lease, pond_error **err)
{
    int ping = 0;
    int code = look(lease, &ping, err);
    if (code || !ping)
        return code;
    pondi_call_spec spec = {.kind = PONDI_REQUEST_PING};
    return command_wait(lease, &spec, PING_MS, NULL, err);
}

/* ---- Versions ---------------------------------------------------------------------------- */

const char *pond_connection_server_version(pond_connection *lease)
{
    pondi_conn *conn;
    if (pondi_lease_enter(lease, &conn, NULL))
        return NULL;
    pondi_lease_leave(lease);
    return conn->server_version;
}

const char *pond_connection_driver_version(pond_connection *lease)
{
    pondi_conn *conn;
    if (pondi_lease_enter(lease, &conn, NULL))
        return NULL;
    pondi_lease_leave(lease);
    return conn->driver_version;
}

/* Statements and transactions on a leased connection. */
#include "base/clock.h"
#include "base/error.h"
#include "base/given.h"
#include "base/versioned.h"
#include "driver/request_lists.h"
#include "drivers/host/host.h"
#include "millpond/millpond.h"
#include "pool/pool.h"
#include "sql/comment.h"
#include "sql/convert.h"

/* What one call asks for, before it becomes a request. */
typedef struct call {
    pondi_request_spec spec;
    pond_execute_options options;
} call;

static int read_options(const pond_execute_options *given, pond_execute_options *options,
                        pond_error **err)
{
    const uint32_t all_flags = POND_EXECUTE_AT_ONCE | POND_EXECUTE_NATIVE | POND_EXECUTE_UNTAGGED;
    *options = (pond_execute_options)POND_EXECUTE_OPTIONS_INIT;
    if (pondi_check_struct_size(given, "pond_execute_options", err))
        return POND_EINVAL;
    pondi_take_struct(given, options, sizeof(*options));
    if (options->flags & ~all_flags)
        return pondi_error_set(err, POND_EINVAL, "flags is %#x: %#x is no flag",
                               (unsigned)options->flags, (unsigned)(options->flags & ~all_flags));
    return options->tag_count ? pondi_check_tags(options->tags, options->tag_count, err) : POND_OK;
}

static int resolve_timeout(const pond_pool *pool, int64_t timeout_ms, int64_t *out,
                           pond_error **err)
{
    *out = -1;
    if (timeout_ms == POND_TIMEOUT_DEFAULT)
        *out = pool->settings.query_timeout_ms;
    else if (timeout_ms > 0)
        *out = timeout_ms;
    else if (timeout_ms != POND_TIMEOUT_NONE)
        return pondi_error_set(err, POND_EINVAL, "a timeout of %lld ms is not positive",
                               (long long)timeout_ms);
    return POND_OK;
}

/* No database takes more for one statement. */
enum { MOST_PARAMS = 250000 };

/* A statement has no more placeholders than characters: a count beyond that, which perhaps was
 * never set, is refused before anything is read. */
static int check_params(const pondi_driver *driver, const pondi_request_spec *spec,
                        pond_error **err)
{
    size_t count = spec->column_count;
    size_t most = spec->is_native ? MOST_PARAMS : spec->sql_size;
    if (count && spec->row_count > PONDI_MOST_ITEMS / count)
        return pondi_error_set(err, POND_ERANGE, "there are too many parameters");
    if (count <= most)
        return pondi_given_array(err, "params", spec->params, spec->row_count * count);
    pondi_places places = {0};
    int code = pondi_places_find(driver->dialect, spec->sql, spec->sql_size, &places, err);
    if (!code)
        code = pondi_sql_refuse_count(driver->dialect, spec->sql, spec->sql_size, places.count,
                                      count, err);
    pondi_places_free(&places);
    return code;
}

static int new_request(pond_connection *lease, const pondi_request_spec *spec, void *user_data,
                       pondi_request **out, pond_error **err)
{
    const pondi_driver *driver = lease->pool->driver;
    int has_list;
    int code = check_params(driver, spec, err);
    if (!code)
        code =
            pondi_given_values(err, spec->params, spec->row_count * spec->column_count, &has_list);
    if (code)
        return code;
    if (has_list && !spec->is_native)
        return pondi_request_new_lists(driver, spec, lease->loop, user_data, out, err);
    if (has_list) {
        code = pondi_check_native_lists(driver, spec, err);
        if (code)
            return code;
    }
    return pondi_request_new(spec, lease->loop, user_data, out, err);
}

static int build_request(pond_connection *lease, call *wanted, void *user_data, pondi_request **out,
                         pond_error **err)
{
    pondi_request_spec *spec = &wanted->spec;
    const pond_execute_options *options = &wanted->options;
    int code = resolve_timeout(lease->pool, options->timeout_ms, &spec->timeout_ms, err);
    if (code)
        return code;
    spec->is_native = (options->flags & POND_EXECUTE_NATIVE) != 0;
    spec->first_row = options->first_row;
    if (!(options->flags & POND_EXECUTE_UNTAGGED)) {
        spec->tags = options->tags;
        spec->tag_count = (size_t)options->tag_count;
    }
    return new_request(lease, spec, user_data, out, err);
}

/* The same, if its circuit breaker lets it through. */
static int make_request(pond_connection *lease, call *wanted, void *user_data, pondi_request **out,
                        pond_error **err)
{
    int code = build_request(lease, wanted, user_data, out, err);
    if (code)
        return code;
    code = pondi_lease_admit(lease, *out, wanted->options.tags, (size_t)wanted->options.tag_count,
                             err);
    if (code)
        pond_op_release(&(*out)->op);
    return code;
}

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

static int submit(pond_connection *lease, call *wanted, void *user_data, pond_op **op,
                  pond_error **err)
{
    pondi_conn *conn;
    pondi_request *request;
    if (op)
        *op = NULL;
    int code = pondi_lease_enter(lease, &conn, err);
    if (code)
        return code;
    code = make_request(lease, wanted, user_data, &request, err);
    if (!code) {
        pondi_op_hand_out(&request->op, op);
        if (op && wanted->options.flags & POND_EXECUTE_AT_ONCE &&
            !pondi_loop_has_thread(lease->loop))
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

static int submit_and_wait(pond_connection *lease, call *wanted, pond_result **out,
                           pond_error **err)
{
    pondi_conn *conn;
    pondi_request *request;
    if (out)
        *out = NULL;
    int code = pondi_lease_enter(lease, &conn, err);
    if (code)
        return code;
    if (pondi_conn_runs_inline(conn))
        code = pondi_error_set(err, POND_EMISUSE,
                               "a statement of this connection is interrupted for this call: use "
                               "another connection");
    if (!code)
        code = make_request(lease, wanted, NULL, &request, err);
    if (code) {
        pondi_lease_leave(lease);
        return code;
    }
    pond_op *op = &request->op;
    op->intercept = pondi_op_keep;
    if (!pondi_conn_run_inline(conn, request))
        pondi_conn_submit(conn, request);
    pondi_lease_leave(lease);
    code = pondi_op_wait_for_end(op, err);
    if (op->status != POND_PENDING)
        return finish(op, out, err);
    pond_op_cancel(op); /* the loop was closed under us: it ends the operation, which ends itself */
    return code;
}

/* ---- Execute ----------------------------------------------------------------------------- */

static int execute_call(const char *sql, size_t sql_size, const pond_value *params,
                        size_t param_count, const pond_execute_options *options, call *out,
                        pond_error **err)
{
    out->spec = (pondi_request_spec){.kind = PONDI_REQUEST_EXECUTE,
                                     .sql = sql,
                                     .sql_size = sql_size,
                                     .params = params,
                                     .row_count = 1,
                                     .column_count = param_count};
    int code = pondi_given_text(err, "sql", sql, sql_size);
    return code ? code : read_options(options, &out->options, err);
}

int pond_connection_execute(pond_connection *lease, const char *sql, size_t sql_size,
                            const pond_value *params, size_t param_count,
                            const pond_execute_options *options, void *user_data, pond_op **op,
                            pond_error **err)
{
    call wanted;
    if (op)
        *op = NULL;
    int code = execute_call(sql, sql_size, params, param_count, options, &wanted, err);
    return code ? code : submit(lease, &wanted, user_data, op, err);
}

int pond_connection_execute_wait(pond_connection *lease, const char *sql, size_t sql_size,
                                 const pond_value *params, size_t param_count,
                                 const pond_execute_options *options, pond_result **out,
                                 pond_error **err)
{
    call wanted;
    if (out)
        *out = NULL;
    int code = execute_call(sql, sql_size, params, param_count, options, &wanted, err);
    return code ? code : submit_and_wait(lease, &wanted, out, err);
}

static int many_call(const char *sql, size_t sql_size, const pond_value *params, size_t row_count,
                     size_t column_count, const pond_execute_options *options, call *out,
                     pond_error **err)
{
    out->spec = (pondi_request_spec){.kind = PONDI_REQUEST_EXECUTE_MANY,
                                     .sql = sql,
                                     .sql_size = sql_size,
                                     .params = params,
                                     .row_count = row_count,
                                     .column_count = column_count};
    int code = pondi_given_text(err, "sql", sql, sql_size);
    return code ? code : read_options(options, &out->options, err);
}

int pond_connection_execute_many(pond_connection *lease, const char *sql, size_t sql_size,
                                 const pond_value *params, size_t row_count, size_t column_count,
                                 const pond_execute_options *options, void *user_data, pond_op **op,
                                 pond_error **err)
{
    call wanted;
    if (op)
        *op = NULL;
    int code = many_call(sql, sql_size, params, row_count, column_count, options, &wanted, err);
    return code ? code : submit(lease, &wanted, user_data, op, err);
}

int pond_connection_execute_many_wait(pond_connection *lease, const char *sql, size_t sql_size,
                                      const pond_value *params, size_t row_count,
                                      size_t column_count, const pond_execute_options *options,
                                      pond_result **out, pond_error **err)
{
    call wanted;
    if (out)
        *out = NULL;
    int code = many_call(sql, sql_size, params, row_count, column_count, options, &wanted, err);
    return code ? code : submit_and_wait(lease, &wanted, out, err);
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
    call wanted;
    pondi_conn *conn;
    pondi_request *request;
    if (out)
        *out = NULL;
    int code = pondi_given_as(err, "connection", lease);
    if (!code)
        code = PONDI_GIVEN(err, out);
    if (!code)
        code = execute_call(sql, sql_size, NULL, 0, options, &wanted, err);
    if (!code)
        code = pondi_lease_enter(lease, &conn, err);
    if (!code && !pondi_conn_is_idle(conn)) { /* the end of the one before may be on its way */
        pondi_lease_leave(lease);
        code = pondi_lease_enter(lease, &conn, err);
    }
    if (code)
        return code;
    if (!pondi_host_has(conn))
        code = pondi_error_set(err, POND_ENOTSUPPORTED,
                               "only a connection of a registered driver is run by the program");
    wanted.options.flags |= POND_EXECUTE_NATIVE;
    if (!code)
        code = make_request(lease, &wanted, NULL, &request, err);
    if (!code) {
        request->held = 1;
        code = take_held(conn, request, out, err);
    }
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

static int stream_call(const char *sql, size_t sql_size, const pond_value *params,
                       size_t param_count, size_t batch_rows, const pond_execute_options *options,
                       call *out, pond_error **err)
{
    int code = execute_call(sql, sql_size, params, param_count, options, out, err);
    out->spec.kind = PONDI_REQUEST_STREAM;
    out->spec.batch_rows = batch_rows ? batch_rows : DEFAULT_BATCH;
    return code;
}

int pond_connection_stream(pond_connection *lease, const char *sql, size_t sql_size,
                           const pond_value *params, size_t param_count, size_t batch_rows,
                           const pond_execute_options *options, void *user_data, pond_op **op,
                           pond_error **err)
{
    call wanted;
    if (op)
        *op = NULL;
    int code = stream_call(sql, sql_size, params, param_count, batch_rows, options, &wanted, err);
    return code ? code : submit(lease, &wanted, user_data, op, err);
}

int pond_connection_stream_wait(pond_connection *lease, const char *sql, size_t sql_size,
                                const pond_value *params, size_t param_count, size_t batch_rows,
                                const pond_execute_options *options, pond_result **out,
                                pond_error **err)
{
    call wanted;
    if (out)
        *out = NULL;
    int code = stream_call(sql, sql_size, params, param_count, batch_rows, options, &wanted, err);
    return code ? code : submit_and_wait(lease, &wanted, out, err);
}

static call plain_call(pondi_request_kind kind, int64_t timeout_ms)
{
    return (call){.spec = {.kind = kind}, .options = {.timeout_ms = timeout_ms}};
}

int pond_connection_fetch(pond_connection *lease, int64_t timeout_ms, void *user_data, pond_op **op,
                          pond_error **err)
{
    call wanted = plain_call(PONDI_REQUEST_FETCH, timeout_ms);
    return submit(lease, &wanted, user_data, op, err);
}

int pond_connection_fetch_wait(pond_connection *lease, int64_t timeout_ms, pond_result **out,
                               pond_error **err)
{
    call wanted = plain_call(PONDI_REQUEST_FETCH, timeout_ms);
    return submit_and_wait(lease, &wanted, out, err);
}

int pond_connection_end_stream(pond_connection *lease, int64_t timeout_ms, void *user_data,
                               pond_op **op, pond_error **err)
{
    call wanted = plain_call(PONDI_REQUEST_END_STREAM, timeout_ms);
    return submit(lease, &wanted, user_data, op, err);
}

int pond_connection_end_stream_wait(pond_connection *lease, int64_t timeout_ms, pond_error **err)
{
    call wanted = plain_call(PONDI_REQUEST_END_STREAM, timeout_ms);
    return submit_and_wait(lease, &wanted, NULL, err);
}

/* ---- Transactions ------------------------------------------------------------------------ */

static int transaction_call(pond_transaction_verb verb, int64_t timeout_ms, call *out,
                            pond_error **err)
{
    *out = plain_call(PONDI_REQUEST_TRANSACTION, timeout_ms);
    out->spec.verb = verb;
    if (verb == POND_BEGIN || verb == POND_COMMIT || verb == POND_ROLLBACK)
        return POND_OK;
    return pondi_error_set(err, POND_EINVAL, "%d is no pond_transaction_verb", (int)verb);
}

int pond_connection_transaction(pond_connection *lease, pond_transaction_verb verb,
                                int64_t timeout_ms, void *user_data, pond_op **op, pond_error **err)
{
    call wanted;
    if (op)
        *op = NULL;
    int code = transaction_call(verb, timeout_ms, &wanted, err);
    return code ? code : submit(lease, &wanted, user_data, op, err);
}

int pond_connection_transaction_wait(pond_connection *lease, pond_transaction_verb verb,
                                     int64_t timeout_ms, pond_error **err)
{
    call wanted;
    int code = transaction_call(verb, timeout_ms, &wanted, err);
    return code ? code : submit_and_wait(lease, &wanted, NULL, err);
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
    call wanted = plain_call(PONDI_REQUEST_PING, PING_MS);
    return submit_and_wait(lease, &wanted, NULL, err);
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

#include "driver/meter.h"

#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "driver/driver.h"
#include "driver/param.h"
#include "driver/request_lists.h"
#include "driver/result.h"
#include "resilience/breaker.h"
#include "sql/mask.h"

/* ---- Slow statements --------------------------------------------------------------------- */

enum { MOST_SQL = 1000, MOST_PARAMETERS = 20, MOST_TEXT = 60 };

/* How much of a text is shown: no part of a UTF-8 character. */
static int shown_size(const char *text, size_t size, size_t most)
{
    if (size <= most)
        return (int)size;
    size = most;
    while (size && ((unsigned char)text[size] & 0xC0) == 0x80)
        size--;
    return (int)size;
}

static void append_parameter(pondi_buffer *out, const pond_value *value)
{
    switch (value->type) {
    case POND_TYPE_NULL:
        pondi_buffer_append_text(out, "NULL");
        break;
    case POND_TYPE_BOOL:
    case POND_TYPE_INT64:
    case POND_TYPE_DATE:
    case POND_TYPE_TIME:
    case POND_TYPE_TIMESTAMP:
    case POND_TYPE_TIMESTAMPTZ:
        pondi_buffer_appendf(out, "%lld", (long long)value->as.integer);
        break;
    case POND_TYPE_DOUBLE:
        pondi_buffer_append_real(out, value->as.real);
        break;
    case POND_TYPE_DECIMAL:
    case POND_TYPE_TEXT:
    case POND_TYPE_JSON: {
        int size = shown_size(value->as.text.data, value->as.text.size, MOST_TEXT);
        pondi_buffer_appendf(out, "'%.*s'%s", size, value->as.text.data,
                             (size_t)size < value->as.text.size ? "..." : "");
        break;
    }
    case POND_TYPE_BYTES:
        pondi_buffer_appendf(out, "%zu bytes", value->as.text.size);
        break;
    case POND_TYPE_ARRAY:
        pondi_buffer_appendf(out, "array of %zu", value->as.array.count);
        break;
    default:
        pondi_buffer_append_text(out, "?");
    }
}

static void append_parameters(pondi_buffer *out, const pondi_request *request)
{
    size_t count = request->column_count;
    pondi_buffer_append_text(out, "; parameters: ");
    for (size_t i = 0; i < count && i < MOST_PARAMETERS; i++) {
        if (i)
            pondi_buffer_append_text(out, ", ");
        append_parameter(out, &request->params[i]);
    }
    if (count > MOST_PARAMETERS)
        pondi_buffer_append_text(out, ", ...");
    if (request->row_count > 1)
        pondi_buffer_appendf(out, " (the first of %zu rows)", request->row_count);
}

/* Without the literals of a statement that may set a password. */
static void append_sql(pondi_buffer *out, const pondi_request *request, size_t size, int secret)
{
    pondi_buffer_append_text(out, ": ");
    if (secret) {
        pondi_sql_mask(request->conn->driver->dialect, request->sql, size, MOST_SQL, out);
        return;
    }
    int shown = shown_size(request->sql, size, MOST_SQL);
    pondi_buffer_appendf(out, "%.*s%s", shown, request->sql, (size_t)shown < size ? "..." : "");
}

/* The tags are shown as they were sent: URL-encoded, so that none can forge anything. */
static void log_slow(const pondi_request *request, int64_t took_ns, int code)
{
    pondi_buffer text;
    pondi_buffer_init(&text);
    size_t size = request->sql_size - request->comment_size;
    int secret = pondi_sql_has_secrets(request->sql, size);
    pondi_buffer_appendf(&text, "slow query: %.3f s", (double)took_ns / 1e9);
    if (code)
        pondi_buffer_appendf(&text, ", ended with %s", pond_error_name(code));
    if (request->comment_size > 5) /* newline, and the comment's ends */
        pondi_buffer_appendf(&text, ", tags %.*s", (int)(request->comment_size - 5),
                             request->sql + size + 3);
    append_sql(&text, request, size, secret);
    if (!secret && request->conn->metrics->log_parameters && request->row_count &&
        request->column_count)
        append_parameters(&text, request);
    if (!text.failed)
        pondi_log(POND_LOG_WARNING, "slow_query", "%s", text.data);
    pondi_buffer_free(&text);
}

/* ---- Bytes ------------------------------------------------------------------------------- */

enum { BYTES_A_VALUE = 8 }; /* and the length of texts, whatever the protocol makes of them */

static uint64_t bytes_of(const pond_value *values, size_t count)
{
    uint64_t bytes = (uint64_t)count * BYTES_A_VALUE;
    for (size_t i = 0; i < count; i++) {
        if (pondi_value_has_text(&values[i]))
            bytes += values[i].as.text.size;
        else if (values[i].type == POND_TYPE_ARRAY)
            bytes += bytes_of(values[i].as.array.items, values[i].as.array.count);
    }
    return bytes;
}

void pondi_meter_begin(const pondi_request *request)
{
    pondi_metrics *metrics = request->conn->metrics;
    if (metrics && request->params)
        pondi_metrics_sent(metrics, bytes_of(request->params, pondi_request_value_count(request)));
}

static void count_received(pondi_metrics *metrics, const pond_result *result)
{
    if (!result || !result->row_count || !result->class->text_bytes)
        return;
    uint64_t values = (uint64_t)result->row_count * result->column_count;
    pondi_metrics_received(metrics, values * BYTES_A_VALUE + result->class->text_bytes(result));
}

/* ---- The end ----------------------------------------------------------------------------- */

/* Statements that cannot be sent are the pool's to notice, which reconnects. What is left is a
 * database that does not answer in time: for statements of one name any timeout says so; for those
 * without a name, of all kinds, only one after which the server did not even stop the work. */
static pond_breaker_outcome outcome_of(const pondi_request *request, int code)
{
    pond_breaker_outcome outcome = pond_breaker_outcome_of(code);
    if (!request->started)
        return POND_BREAKER_CANCELLED;
    if (outcome != POND_BREAKER_FAILURE)
        return outcome;
    if (request->stop_code != POND_ETIMEDOUT && code != POND_ETIMEDOUT)
        return POND_BREAKER_CANCELLED;
    int answers = request->conn->state == PONDI_CONN_READY;
    return answers && !request->operation->name[0] ? POND_BREAKER_SUCCESS : POND_BREAKER_FAILURE;
}

void pondi_meter_end(const pondi_request *request, int code)
{
    pondi_operation *operation = request->operation;
    if (request->conn->metrics)
        count_received(request->conn->metrics, request->op.result);
    if (!operation)
        return;
    if (request->ticket)
        pondi_breaker_record(operation->breaker, request->ticket, outcome_of(request, code));
    pondi_metrics *metrics = request->conn->metrics;
    if (!metrics)
        return;
    pondi_metrics_error(metrics, code);
    if (!request->started)
        return;
    int64_t took_ns = pondi_now_ns() - request->submitted_ns;
    if (pondi_metrics_query(metrics, operation, took_ns))
        log_slow(request, took_ns, code);
}

#include "call/account.h"

#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/value.h"
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

static void append_parameters(pondi_buffer *out, const pondi_call *call)
{
    size_t count = call->column_count;
    pondi_buffer_append_text(out, "; parameters: ");
    for (size_t i = 0; i < count && i < MOST_PARAMETERS; i++) {
        if (i)
            pondi_buffer_append_text(out, ", ");
        append_parameter(out, &call->params[i]);
    }
    if (count > MOST_PARAMETERS)
        pondi_buffer_append_text(out, ", ...");
    if (call->row_count > 1)
        pondi_buffer_appendf(out, " (the first of %zu rows)", call->row_count);
}

/* Without the literals of a statement that may set a password. */
static void append_sql(pondi_buffer *out, const pondi_call *call, size_t size, int secret)
{
    pondi_buffer_append_text(out, ": ");
    if (secret) {
        pondi_sql_mask(call->target->dialect, call->sql, size, MOST_SQL, out);
        return;
    }
    int shown = shown_size(call->sql, size, MOST_SQL);
    pondi_buffer_appendf(out, "%.*s%s", shown, call->sql, (size_t)shown < size ? "..." : "");
}

/* The tags are shown as they were sent: URL-encoded, so that none can forge anything. */
static void log_slow(const pondi_call *call, int64_t took_ns, int code)
{
    pondi_buffer text;
    pondi_buffer_init(&text);
    size_t size = call->sql_size - call->comment_size;
    int secret = pondi_sql_has_secrets(call->sql, size);
    pondi_buffer_appendf(&text, "slow query: %.3f s", (double)took_ns / 1e9);
    if (code)
        pondi_buffer_appendf(&text, ", ended with %s", pond_error_name(code));
    if (call->comment_size > 5) /* newline, and the comment's ends */
        pondi_buffer_appendf(&text, ", tags %.*s", (int)(call->comment_size - 5),
                             call->sql + size + 3);
    append_sql(&text, call, size, secret);
    if (!secret && call->target->metrics->log_parameters && call->row_count && call->column_count)
        append_parameters(&text, call);
    if (!text.failed)
        pondi_log(POND_LOG_WARNING, "slow_query", "%s", text.data);
    pondi_buffer_free(&text);
}

/* ---- Bytes ------------------------------------------------------------------------------- */

static uint64_t bytes_of(const pond_value *values, size_t count)
{
    uint64_t bytes = (uint64_t)count * PONDI_BYTES_A_VALUE;
    for (size_t i = 0; i < count; i++) {
        if (pondi_value_has_text(&values[i]))
            bytes += values[i].as.text.size;
        else if (values[i].type == POND_TYPE_ARRAY)
            bytes += bytes_of(values[i].as.array.items, values[i].as.array.count);
    }
    return bytes;
}

static pondi_metrics *metrics_of(const pondi_call *call)
{
    return call->target && call->target->metrics->on ? call->target->metrics : NULL;
}

void pondi_call_sent(const pondi_call *call)
{
    pondi_metrics *metrics = metrics_of(call);
    if (metrics)
        pondi_metrics_sent(metrics, bytes_of(call->params, pondi_call_value_count(call)));
}

/* ---- The beginning ----------------------------------------------------------------------- */

int pondi_call_admit(pondi_call *call, int in_transaction, pond_error **err)
{
    pond_breaker *breaker = call->operation ? call->operation->breaker : NULL;
    if (!breaker || in_transaction || call->kind == PONDI_REQUEST_TRANSACTION)
        return POND_OK;
    if (pondi_breaker_allow(breaker, &call->ticket))
        return POND_OK;
    call->ticket = 0;
    pondi_metrics_error(call->target->metrics, POND_ECIRCUITOPEN);
    return err ? pondi_error_move(err, pondi_breaker_error(breaker)) : POND_ECIRCUITOPEN;
}

void pondi_call_withdraw(pondi_call *call)
{
    if (call->ticket)
        pondi_breaker_record(call->operation->breaker, call->ticket, POND_BREAKER_CANCELLED);
    call->ticket = 0;
}

/* ---- The end ----------------------------------------------------------------------------- */

/* Statements that cannot be sent are the pool's to notice, which reconnects. What is left is a
 * database that does not answer in time: for statements of one name any timeout says so; for those
 * without a name, of all kinds, only one after which the server did not even stop the work. */
static pond_breaker_outcome outcome_of(const pondi_call *call, const pondi_call_end *end)
{
    pond_breaker_outcome outcome = pond_breaker_outcome_of(end->code);
    if (!end->started)
        return POND_BREAKER_CANCELLED;
    if (outcome != POND_BREAKER_FAILURE)
        return outcome;
    if (!end->timed_out && end->code != POND_ETIMEDOUT)
        return POND_BREAKER_CANCELLED;
    return end->answers && !call->operation->name[0] ? POND_BREAKER_SUCCESS : POND_BREAKER_FAILURE;
}

void pondi_call_ended(const pondi_call *call, const pondi_call_end *end)
{
    pondi_operation *operation = call->operation;
    pondi_metrics *metrics = metrics_of(call);
    if (metrics && end->received)
        pondi_metrics_received(metrics, end->received);
    if (!operation)
        return;
    if (call->ticket)
        pondi_breaker_record(operation->breaker, call->ticket, outcome_of(call, end));
    if (!metrics)
        return;
    pondi_metrics_error(metrics, end->code);
    if (end->started && pondi_metrics_query(metrics, operation, end->took_ns))
        log_slow(call, end->took_ns, end->code);
}

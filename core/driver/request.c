#include "driver/request.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "driver/conn.h"
#include "sql/tokenizer.h"

static pondi_request *request_of(pond_op *op)
{
    return PONDI_CONTAINER(op, pondi_request, op);
}

static void cancel(pond_op *op)
{
    pondi_conn_cancel(request_of(op)->conn, request_of(op));
}

void pondi_request_free(pondi_request *request)
{
    if (!request)
        return;
    pondi_call_dispose(request->call);
    pondi_free(request);
}

static void destroy(pond_op *op)
{
    pond_result_release(op->result);
    pondi_request_free(request_of(op));
}

static const pondi_op_class request_class = {cancel, destroy};

typedef int (*maker)(const pondi_call_spec *spec, size_t room, void **memory, pondi_call **out,
                     pond_error **err);

static int make(maker call_new, const pondi_call_spec *spec, pondi_request **out, pond_error **err)
{
    void *memory = NULL;
    pondi_call *call = NULL;
    int code = call_new(spec, sizeof(pondi_request), &memory, &call, err);
    *out = NULL;
    if (code)
        return code;
    pondi_request *request = memory;
    request->call = call;
    request->sql = call->sql;
    request->sql_size = call->sql_size;
    request->params = call->params;
    request->column_count = call->column_count;
    request->batch_rows = call->batch_rows;
    request->deadline_ns = PONDI_NEVER;
    *out = request;
    return POND_OK;
}

int pondi_request_new(const pondi_call_spec *spec, pondi_request **out, pond_error **err)
{
    return make(pondi_call_new, spec, out, err);
}

int pondi_request_new_given(const pondi_call_spec *spec, pondi_request **out, pond_error **err)
{
    return make(pondi_call_new_given, spec, out, err);
}

void pondi_request_bind(pondi_request *request, pond_loop *loop, void *user_data)
{
    pondi_op_init(&request->op, &request_class, loop, user_data);
}

/* ---- Runs -------------------------------------------------------------------------------- */

size_t pondi_request_run_end(const pondi_request *request)
{
    return request->call->lists ? request->call->lists->runs[request->run].end
                                : request->call->row_count;
}

const pond_value *pondi_request_row(const pondi_request *request, size_t row)
{
    const pondi_call_lists *lists = request->call->lists;
    size_t first = lists && request->run ? lists->runs[request->run - 1].end : 0;
    return request->params + (row - first) * request->column_count;
}

int pondi_request_enter_run(pondi_conn *conn, pondi_request *request, size_t row, pond_error **err)
{
    const pondi_call_lists *lists = request->call->lists;
    if (!lists || lists->run_count == 1)
        return POND_OK;
    request->run = row ? request->run + 1 : 0;
    const pondi_run *run = &lists->runs[request->run];
    request->sql = run->sql;
    request->sql_size = run->sql_size;
    request->params = run->params;
    request->column_count = run->column_count;
    return pondi_statement_cache_get(&conn->statements, run->sql, run->sql_size, 0,
                                     &request->statement, err);
}

/* The byte where a character begins, counted from 1. */
static size_t byte_of(const char *text, size_t size, size_t character)
{
    size_t at = 0;
    while (at < size && --character) {
        at++;
        while (at < size && ((unsigned char)text[at] & 0xC0) == 0x80)
            at++;
    }
    return at;
}

void pondi_request_fix_position(const pondi_request *request, pond_error *error)
{
    const pondi_call_lists *lists = request->call->lists;
    if (!lists || !error || !error->position || pondi_error_is_shared(error))
        return;
    size_t byte = byte_of(request->sql, request->sql_size, error->position);
    size_t from = pondi_segments_from(lists->segments, lists->segment_count, byte);
    if (from > lists->original_size)
        from = lists->original_size;
    error->position =
        request->run ? 0 : (uint32_t)pondi_count_characters(lists->original, from) + 1;
}

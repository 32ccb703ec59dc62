#include "driver/request.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "driver/conn.h"
#include "driver/param.h"
#include "driver/request_lists.h"
#include "sql/comment.h"

static void cancel(pond_op *op)
{
    pondi_conn_cancel(PONDI_CONTAINER(op, pondi_request, op)->conn, (pondi_request *)op);
}

static void destroy(pond_op *op)
{
    pondi_list_runs_free(PONDI_CONTAINER(op, pondi_request, op)->lists);
    pond_result_release(op->result);
    pondi_free(op);
}

static const pondi_op_class request_class = {cancel, destroy};

/* ---- Deep copies of values --------------------------------------------------------------- */

/* What a set of values needs beyond itself, or where its copies go. */
typedef struct space {
    size_t values; /* of nested arrays */
    size_t bytes;
    pond_value *next_value;
    char *next_byte;
} space;

static int add_size(size_t *total, size_t more, pond_error **err)
{
    if (more > SIZE_MAX / 4 - *total)
        return pondi_error_set(err, POND_ERANGE, "the parameters are too big for memory");
    *total += more;
    return POND_OK;
}

static int measure(const pond_value *values, size_t count, int depth, space *needed,
                   pond_error **err)
{
    if (depth > PONDI_DEEPEST_ARRAY)
        return pondi_error_set(err, POND_ERANGE, "arrays nest at most %d deep",
                               PONDI_DEEPEST_ARRAY);
    int code = POND_OK;
    for (size_t i = 0; i < count && !code; i++) {
        const pond_value *value = &values[i];
        if (pondi_value_has_text(value)) {
            code = add_size(&needed->bytes, value->as.text.size, err);
        } else if (value->type == POND_TYPE_ARRAY) {
            if (value->as.array.count > SIZE_MAX / 4 / sizeof(*value))
                return pondi_error_set(err, POND_ERANGE, "an array is too big for memory");
            code = add_size(&needed->values, value->as.array.count, err);
            if (!code)
                code =
                    measure(value->as.array.items, value->as.array.count, depth + 1, needed, err);
        } else if (value->type > POND_TYPE_ARRAY) {
            return pondi_error_set(err, POND_EINVAL, "parameter %zu has the unknown type %u", i + 1,
                                   (unsigned)value->type);
        }
    }
    return code;
}

static void copy_values(pond_value *to, const pond_value *from, size_t count, space *room)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = from[i];
        if (pondi_value_has_text(&from[i])) {
            to[i].as.text.data = room->next_byte;
            if (from[i].as.text.size)
                memcpy(room->next_byte, from[i].as.text.data, from[i].as.text.size);
            room->next_byte += from[i].as.text.size;
        } else if (from[i].type == POND_TYPE_ARRAY) {
            pond_value *items = room->next_value;
            room->next_value += from[i].as.array.count;
            to[i].as.array.items = items;
            copy_values(items, from[i].as.array.items, from[i].as.array.count, room);
        }
    }
}

/* ---- Requests ---------------------------------------------------------------------------- */

static int build(size_t value_count, const space *needed, size_t sql_size,
                 const pondi_buffer *comment, pondi_request **out, pond_error **err)
{
    size_t total = 0;
    if (value_count > SIZE_MAX / 8 / sizeof(pond_value) ||
        needed->values > SIZE_MAX / 8 / sizeof(pond_value))
        return pondi_error_set(err, POND_ERANGE, "the parameters are too big for memory");
    int code = add_size(&total, sizeof(pondi_request), err);
    if (!code)
        code = add_size(&total, (value_count + needed->values) * sizeof(pond_value), err);
    if (!code)
        code = add_size(&total, needed->bytes, err);
    if (!code)
        code = add_size(&total, sql_size, err);
    if (!code)
        code = add_size(&total, comment->size + 2, err);
    if (code)
        return code;
    pondi_request *request = pondi_malloc(total);
    if (!request)
        return pondi_error_nomem(err);
    memset(request, 0, sizeof(*request));
    *out = request;
    return POND_OK;
}

static char *put_sql(pondi_request *request, char *at, const char *sql, size_t sql_size,
                     const pondi_buffer *comment)
{
    request->sql = at;
    if (sql_size)
        memcpy(at, sql, sql_size);
    at += sql_size;
    if (comment->size) {
        request->comment_size = comment->size + 1;
        *at++ = '\n'; /* ends a `--` comment, which would swallow the tags */
        memcpy(at, comment->data, comment->size);
        at += comment->size;
    }
    *at = '\0';
    request->sql_size = (size_t)(at - request->sql);
    return at + 1;
}

static void take_spec(pondi_request *request, const pondi_request_spec *spec)
{
    request->kind = spec->kind;
    request->verb = spec->verb;
    request->undoes = spec->undoes;
    request->is_native = spec->is_native;
    request->block = spec->block;
    request->batch = spec->batch;
    request->row_count = spec->row_count;
    request->column_count = spec->column_count;
    request->first_row = spec->first_row;
    request->batch_rows = spec->batch_rows ? spec->batch_rows : SIZE_MAX;
    request->timeout_ms = spec->timeout_ms;
    request->deadline_ns = PONDI_NEVER;
}

void pondi_request_blame_row(const pondi_request *request, pond_error *error, size_t row)
{
    if (error)
        pondi_error_set_row(error, "row", request->first_row + row);
}

int pondi_request_new(const pondi_request_spec *spec, pond_loop *loop, void *user_data,
                      pondi_request **out, pond_error **err)
{
    *out = NULL;
    pondi_request *request = NULL;
    space room = {0};
    pondi_buffer comment;
    pondi_buffer_init(&comment);
    if (spec->column_count && spec->row_count > SIZE_MAX / spec->column_count)
        return pondi_error_set(err, POND_ERANGE, "there are too many parameters");
    size_t value_count = spec->row_count * spec->column_count;
    int code = measure(spec->params, value_count, 0, &room, err);
    if (code)
        return code;
    code = pondi_sql_comment(spec->tags, spec->tag_count, &comment, err);
    if (!code)
        code = build(value_count, &room, spec->sql_size, &comment, &request, err);
    if (code)
        goto done;
    pondi_op_init(&request->op, &request_class, loop, user_data);
    take_spec(request, spec);
    pond_value *values = (pond_value *)(void *)(request + 1);
    request->params = values;
    room.next_value = values + value_count;
    room.next_byte = put_sql(request, (char *)(values + value_count + room.values), spec->sql,
                             spec->sql_size, &comment);
    copy_values(values, spec->params, value_count, &room);
    *out = request;
done:
    pondi_buffer_free(&comment);
    return code;
}

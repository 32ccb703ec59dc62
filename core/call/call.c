#include "call/call.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/value.h"
#include "call/lists.h"
#include "sql/comment.h"
#include "sql/verb.h"

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

/* ---- Calls ------------------------------------------------------------------------------- */

static int allocate(size_t room, size_t value_count, const space *needed, size_t text_size,
                    void **out, pond_error **err)
{
    size_t total = 0;
    if (value_count > SIZE_MAX / 8 / sizeof(pond_value) ||
        needed->values > SIZE_MAX / 8 / sizeof(pond_value))
        return pondi_error_set(err, POND_ERANGE, "the parameters are too big for memory");
    int code = add_size(&total, room + sizeof(pondi_call), err);
    if (!code)
        code = add_size(&total, (value_count + needed->values) * sizeof(pond_value), err);
    if (!code)
        code = add_size(&total, needed->bytes, err);
    if (!code)
        code = add_size(&total, text_size, err);
    if (code)
        return code;
    *out = pondi_malloc(total);
    if (!*out)
        return pondi_error_nomem(err);
    memset(*out, 0, room + sizeof(pondi_call));
    return POND_OK;
}

static char *put_sql(pondi_call *call, char *at, const pondi_call_spec *spec,
                     const pondi_buffer *comment)
{
    call->sql = at;
    if (spec->sql_size)
        memcpy(at, spec->sql, spec->sql_size);
    at += spec->sql_size;
    if (comment->size) {
        call->comment_size = comment->size + 1;
        *at++ = '\n'; /* ends a `--` comment, which would swallow the tags */
        memcpy(at, comment->data, comment->size);
        at += comment->size;
    }
    *at = '\0';
    call->sql_size = (size_t)(at - call->sql);
    return at + 1;
}

static const char *verb_name(pond_transaction_verb verb)
{
    return verb == POND_COMMIT ? "commit" : verb == POND_ROLLBACK ? "rollback" : "begin";
}

/* The rest of a stream counts as nothing. */
static pondi_operation *operation_of(const pondi_call_spec *spec)
{
    int is_rest = spec->kind == PONDI_REQUEST_FETCH || spec->kind == PONDI_REQUEST_END_STREAM;
    pondi_metrics *metrics = spec->target ? spec->target->metrics : NULL;
    if (is_rest || !metrics || (!metrics->on && !metrics->operations.make_breaker))
        return NULL;
    const char *name =
        spec->kind == PONDI_REQUEST_TRANSACTION ? verb_name(spec->verb) : spec->operation;
    return pondi_operations_get(&metrics->operations, name);
}

static void take_spec(pondi_call *call, const pondi_call_spec *spec)
{
    call->target = spec->target;
    call->kind = spec->kind;
    call->verb = spec->verb;
    call->flags = spec->flags;
    call->row_count = spec->row_count;
    call->column_count = spec->column_count;
    call->first_row = spec->first_row;
    call->batch_rows = spec->batch_rows ? spec->batch_rows : SIZE_MAX;
    call->timeout_ms = spec->timeout_ms;
    call->operation = operation_of(spec);
}

int pondi_call_new(const pondi_call_spec *spec, size_t room, void **memory, pondi_call **out,
                   pond_error **err)
{
    space needed = {0};
    pondi_buffer comment;
    pondi_buffer_init(&comment);
    if (spec->column_count && spec->row_count > SIZE_MAX / spec->column_count)
        return pondi_error_set(err, POND_ERANGE, "there are too many parameters");
    size_t count = spec->row_count * spec->column_count;
    int code = measure(spec->params, count, 0, &needed, err);
    if (!code && spec->tag_count)
        code = pondi_sql_comment(spec->tags, spec->tag_count, &comment, err);
    if (!code)
        code = allocate(room, count, &needed, spec->sql_size + comment.size + 2, memory, err);
    if (!code) {
        pondi_call *call = (pondi_call *)(void *)((char *)*memory + room);
        pond_value *values = (pond_value *)(void *)(call + 1);
        needed.next_value = values + count;
        char *text = (char *)(needed.next_value + needed.values);
        take_spec(call, spec);
        call->params = values;
        needed.next_byte = put_sql(call, text, spec, &comment);
        copy_values(values, spec->params, count, &needed);
        *out = call;
    }
    pondi_buffer_free(&comment);
    return code;
}

void pondi_call_dispose(pondi_call *call)
{
    pondi_call_lists_free(call->lists);
}

unsigned pondi_call_means(const pondi_call *call)
{
    if (call->flags & PONDI_CALL_UNDOES || call->verb == POND_ROLLBACK)
        return PONDI_VERB_UNDOES;
    if (call->verb == POND_COMMIT)
        return PONDI_VERB_COMMITS;
    return call->target ? pondi_sql_means(call->target->dialect, call->sql, call->sql_size) : 0;
}

size_t pondi_call_value_count(const pondi_call *call)
{
    return call->lists ? call->lists->value_count : call->row_count * call->column_count;
}

void pondi_call_blame_row(const pondi_call *call, pond_error *error, size_t row)
{
    if (error)
        pondi_error_set_row(error, "row", call->first_row + row);
}

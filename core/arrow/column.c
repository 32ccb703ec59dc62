#include "arrow/column.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

/* ---- Begin ------------------------------------------------------------------------------- */

static int has_offsets(const pondi_arrow_field *field)
{
    return field->type == POND_TYPE_TEXT || field->type == POND_TYPE_JSON ||
           field->type == POND_TYPE_BYTES || field->type == POND_TYPE_ARRAY;
}

static void append_offset(pondi_arrow_column *column)
{
    int64_t end = column->of ? column->of->count : (int64_t)column->data.size;
    pondi_buffer_append(&column->offsets, &end, sizeof(end));
}

int pondi_arrow_column_begin(pondi_arrow_column *column, const pondi_arrow_field *field,
                             size_t rows)
{
    memset(column, 0, sizeof(*column));
    column->field = field;
    pondi_buffer_init(&column->valid);
    pondi_buffer_init(&column->data);
    pondi_buffer_init(&column->offsets);
    if (field->of) {
        column->of = pondi_calloc(1, sizeof(*column->of));
        if (!column->of || pondi_arrow_column_begin(column->of, field->of, rows))
            return POND_ENOMEM;
    }
    if (has_offsets(field)) {
        pondi_buffer_reserve(&column->offsets, (rows + 1) * sizeof(int64_t));
        append_offset(column);
    } else if (field->type != POND_TYPE_NULL && field->type != POND_TYPE_BOOL) {
        pondi_buffer_reserve(&column->data, rows * pondi_arrow_width(field));
    }
    return column->data.failed || column->offsets.failed ? POND_ENOMEM : POND_OK;
}

void pondi_arrow_column_free(pondi_arrow_column *column)
{
    if (column->of)
        pondi_arrow_column_free(column->of);
    pondi_free(column->of);
    pondi_buffer_free(&column->valid);
    pondi_buffer_free(&column->data);
    pondi_buffer_free(&column->offsets);
    column->of = NULL;
}

/* ---- Add --------------------------------------------------------------------------------- */

static void append_bit(pondi_buffer *bits, int64_t index, int bit)
{
    if (index % 8 == 0)
        pondi_buffer_append_char(bits, 0);
    if (bit && !bits->failed)
        bits->data[index / 8] |= (char)(1u << (index % 8));
}

static void append_number(pondi_arrow_column *column, int64_t number)
{
    pondi_buffer_append(&column->data, &number, sizeof(number));
}

static int add_date(pondi_arrow_column *column, int64_t days, const char **problem)
{
    if (days < INT32_MIN || days > INT32_MAX) {
        *problem = "has a date that is infinite or too far away: cast it to text";
        return POND_EDATA;
    }
    int32_t small = (int32_t)days;
    pondi_buffer_append(&column->data, &small, sizeof(small));
    return POND_OK;
}

static int add_timestamp(pondi_arrow_column *column, int64_t us, const char **problem)
{
    if (us == POND_TIME_INFINITY || us == POND_TIME_NEG_INFINITY) {
        *problem = "has an infinite timestamp: cast it to text";
        return POND_EDATA;
    }
    append_number(column, us);
    return POND_OK;
}

static int add_time(pondi_arrow_column *column, int64_t us, const char **problem)
{
    static const int64_t us_per_day = INT64_C(86400000000);
    if (us < 0 || us >= us_per_day) {
        *problem = "has a time of 24:00, which Arrow cannot represent: cast it to interval or text";
        return POND_EDATA;
    }
    append_number(column, us);
    return POND_OK;
}

static int add_interval(pondi_arrow_column *column, const pond_value *value, const char **problem)
{
    static const int64_t us_per_day = INT64_C(86400000000);
    int is_time = value->type == POND_TYPE_TIME;
    int64_t us = is_time ? value->as.integer : value->as.interval.microseconds;
    int64_t days = is_time ? 0 : value->as.interval.days;
    int64_t whole;
    struct {
        int32_t months;
        int32_t days;
        int64_t nanoseconds;
    } parts = {is_time ? 0 : value->aux, (int32_t)days, 0};
    *problem = "has an interval that is too long: cast it to text";
    if (column->field->has_months) {
        if (days != parts.days || __builtin_mul_overflow(us, 1000, &parts.nanoseconds))
            return POND_EDATA;
        pondi_buffer_append(&column->data, &parts, sizeof(parts));
        return POND_OK;
    }
    if (__builtin_mul_overflow(days, us_per_day, &whole) ||
        __builtin_add_overflow(whole, us, &whole))
        return POND_EDATA;
    append_number(column, whole);
    return POND_OK;
}

static int add_decimal(pondi_arrow_column *column, const pond_value *value, const char **problem)
{
    pondi_arrow_decimal decimal;
    uint64_t words[4];
    char text[24];
    size_t width = pondi_arrow_width(column->field);
    const char *digits = value->as.text.data;
    size_t size = value->as.text.size;
    if (value->type == POND_TYPE_INT64) {
        size = (size_t)snprintf(text, sizeof(text), "%lld", (long long)value->as.integer);
        digits = text;
    }
    if (!pondi_arrow_decimal_read(digits, size, &decimal)) {
        *problem = "has a decimal that is not finite: cast it to double precision";
        return POND_EDATA;
    }
    pondi_arrow_decimal_write(&decimal, column->field->scale, words, (int)(width / 8));
    pondi_buffer_append(&column->data, words, width);
    return POND_OK;
}

static int add_items(pondi_arrow_column *column, const pond_value *value, const char **problem)
{
    int code = POND_OK;
    for (size_t i = 0; i < value->as.array.count && !code; i++)
        code = pondi_arrow_column_add(column->of, &value->as.array.items[i], problem);
    return code;
}

static int add_value(pondi_arrow_column *column, const pond_value *value, const char **problem)
{
    double real = value->type == POND_TYPE_DOUBLE ? value->as.real : (double)value->as.integer;
    switch (column->field->type) {
    case POND_TYPE_BOOL:
        append_bit(&column->data, column->count, value->as.integer != 0);
        return POND_OK;
    case POND_TYPE_DOUBLE:
        pondi_buffer_append(&column->data, &real, sizeof(real));
        return POND_OK;
    case POND_TYPE_DATE:
        return add_date(column, value->as.integer, problem);
    case POND_TYPE_TIMESTAMP:
    case POND_TYPE_TIMESTAMPTZ:
        return add_timestamp(column, value->as.integer, problem);
    case POND_TYPE_TIME:
        return add_time(column, value->as.integer, problem);
    case POND_TYPE_INTERVAL:
        return add_interval(column, value, problem);
    case POND_TYPE_DECIMAL:
        return add_decimal(column, value, problem);
    case POND_TYPE_UUID:
        pondi_buffer_append(&column->data, value->as.uuid, sizeof(value->as.uuid));
        return POND_OK;
    case POND_TYPE_TEXT:
    case POND_TYPE_JSON:
    case POND_TYPE_BYTES:
        pondi_buffer_append(&column->data, value->as.text.data, value->as.text.size);
        return POND_OK;
    case POND_TYPE_ARRAY:
        return add_items(column, value, problem);
    default:
        append_number(column, value->as.integer);
        return POND_OK;
    }
}

/* The place of a NULL holds zeros. */
static void add_nothing(pondi_arrow_column *column)
{
    static const char zeros[32];
    column->null_count++;
    if (column->field->type == POND_TYPE_BOOL)
        append_bit(&column->data, column->count, 0);
    else if (column->field->type != POND_TYPE_NULL && !has_offsets(column->field))
        pondi_buffer_append(&column->data, zeros, pondi_arrow_width(column->field));
}

int pondi_arrow_column_add(pondi_arrow_column *column, const pond_value *value,
                           const char **problem)
{
    int is_null = value->type == POND_TYPE_NULL;
    int code = POND_OK;
    append_bit(&column->valid, column->count, !is_null);
    if (is_null)
        add_nothing(column);
    else
        code = add_value(column, value, problem);
    column->count++;
    if (has_offsets(column->field))
        append_offset(column);
    if (column->valid.failed || column->data.failed || column->offsets.failed)
        return POND_ENOMEM;
    return code;
}

/* ---- Hand over --------------------------------------------------------------------------- */

/* Everything that one array owns. */
typedef struct array_memory {
    const void *buffers[3];
    pondi_buffer valid;
    pondi_buffer data;
    pondi_buffer offsets;
    struct ArrowArray *children;
    struct ArrowArray *pointers[];
} array_memory;

static void release_array(struct ArrowArray *array)
{
    array_memory *memory = array->private_data;
    for (int64_t i = 0; i < array->n_children; i++) {
        if (array->children[i]->release) /* else the consumer has moved it away */
            array->children[i]->release(array->children[i]);
    }
    pondi_buffer_free(&memory->valid);
    pondi_buffer_free(&memory->data);
    pondi_buffer_free(&memory->offsets);
    pondi_free(memory->children);
    pondi_free(memory);
    array->release = NULL;
}

static array_memory *make_array(struct ArrowArray *out, size_t children)
{
    memset(out, 0, sizeof(*out));
    array_memory *memory =
        pondi_calloc(1, sizeof(*memory) + children * sizeof(struct ArrowArray *));
    if (!memory)
        return NULL;
    memory->children = pondi_calloc(children ? children : 1, sizeof(struct ArrowArray));
    if (!memory->children) {
        pondi_free(memory);
        return NULL;
    }
    for (size_t i = 0; i < children; i++)
        memory->pointers[i] = &memory->children[i];
    out->buffers = memory->buffers;
    out->n_children = (int64_t)children;
    out->children = children ? memory->pointers : NULL;
    out->release = release_array;
    out->private_data = memory;
    return memory;
}

static const void *bytes_of(const pondi_buffer *buffer)
{
    return buffer->data ? buffer->data : ""; /* a consumer may want an address all the same */
}

int pondi_arrow_column_finish(pondi_arrow_column *column, struct ArrowArray *out)
{
    array_memory *memory = make_array(out, column->of ? 1 : 0);
    if (!memory)
        return POND_ENOMEM;
    if (column->of && pondi_arrow_column_finish(column->of, out->children[0])) {
        out->release(out);
        return POND_ENOMEM;
    }
    memory->valid = column->valid;
    memory->data = column->data;
    memory->offsets = column->offsets;
    pondi_buffer_init(&column->valid);
    pondi_buffer_init(&column->data);
    pondi_buffer_init(&column->offsets);
    out->length = column->count;
    out->null_count = column->null_count;
    if (column->field->type == POND_TYPE_NULL)
        return POND_OK;
    memory->buffers[out->n_buffers++] = column->null_count ? memory->valid.data : NULL;
    if (has_offsets(column->field))
        memory->buffers[out->n_buffers++] = memory->offsets.data;
    if (column->field->type != POND_TYPE_ARRAY)
        memory->buffers[out->n_buffers++] = bytes_of(&memory->data);
    return POND_OK;
}

int pondi_arrow_batch(pondi_arrow_column *columns, size_t count, int64_t rows,
                      struct ArrowArray *out)
{
    if (!make_array(out, count))
        return POND_ENOMEM;
    out->length = rows;
    out->n_buffers = 1;
    for (size_t i = 0; i < count; i++) {
        if (pondi_arrow_column_finish(&columns[i], out->children[i])) {
            out->release(out);
            return POND_ENOMEM;
        }
    }
    return POND_OK;
}

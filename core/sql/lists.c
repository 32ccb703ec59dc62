#include "sql/lists.h"

#include <string.h>

#include "base/alloc.h"
#include "base/value.h"
#include "sql/dialect.h"

typedef struct writer {
    const pondi_dialect *dialect;
    pondi_array_form form;
    const pondi_places *places;
    const char *sql;
    const pond_value *given;
    pondi_spread *out;
    size_t placeholder; /* the next one */
    size_t in;
    int rounds; /* list lengths are rounded up */
    pond_error **err;
} writer;

int pondi_has_list(const pond_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (values[i].type == POND_TYPE_ARRAY)
            return 1;
    }
    return 0;
}

static int is_list(const pond_value *value)
{
    return value->type == POND_TYPE_ARRAY;
}

/* ---- Memory ------------------------------------------------------------------------------ */

static int push(writer *at, const pond_value *value)
{
    pondi_spread *out = at->out;
    if (out->count == out->room) {
        size_t room = out->room ? out->room * 2 : 32;
        pond_value *more = room < SIZE_MAX / sizeof(*more)
                               ? pondi_realloc(out->values, room * sizeof(*more))
                               : NULL;
        if (!more)
            return pondi_error_nomem(at->err);
        out->values = more;
        out->room = room;
    }
    out->values[out->count++] = *value;
    return POND_OK;
}

static int note_segment(writer *at, size_t from)
{
    pondi_spread *out = at->out;
    if (out->segment_count == out->segment_room) {
        size_t room = out->segment_room ? out->segment_room * 2 : 16;
        pondi_segment *more = pondi_realloc(out->segments, room * sizeof(*more));
        if (!more)
            return pondi_error_nomem(at->err);
        out->segments = more;
        out->segment_room = room;
    }
    out->segments[out->segment_count++] = (pondi_segment){out->sql.size, from};
    return POND_OK;
}

void pondi_spread_init(pondi_spread *spread)
{
    memset(spread, 0, sizeof(*spread));
    pondi_buffer_init(&spread->sql);
    pondi_arena_init(&spread->arena);
}

void pondi_spread_free(pondi_spread *spread)
{
    pondi_buffer_free(&spread->sql);
    pondi_free(spread->values);
    pondi_free(spread->segments);
    pondi_arena_free(&spread->arena);
    memset(spread, 0, sizeof(*spread));
}

size_t pondi_segments_from(const pondi_segment *segments, size_t count, size_t to)
{
    size_t i = count;
    while (i && segments[i - 1].to > to)
        i--;
    if (!i)
        return 0;
    size_t from = segments[i - 1].from + (to - segments[i - 1].to);
    return i < count && from > segments[i].from ? segments[i].from : from;
}

/* ---- What stays as it is ----------------------------------------------------------------- */

static int refuse_compared(writer *at, size_t index)
{
    return pondi_error_set(at->err, POND_EPARAMS,
                           "parameter %zu is a list, but its placeholder takes one value: "
                           "write IN (?) to compare with each of its items",
                           index + 1);
}

/* The next placeholder's parameter. */
static int pass_param(writer *at)
{
    size_t index = at->placeholder++;
    if (is_list(&at->given[index]) && !at->dialect->array_params &&
        at->places->placeholders[index].place == PONDI_PLACE_COMPARED)
        return refuse_compared(at, index);
    return push(at, &at->given[index]);
}

/* Text, and the parameters in it. */
static int pass(writer *at, size_t from, size_t to)
{
    const pondi_places *places = at->places;
    int code = from < to ? note_segment(at, from) : POND_OK;
    if (from < to)
        pondi_buffer_append(&at->out->sql, at->sql + from, to - from);
    while (!code && at->placeholder < places->count &&
           places->placeholders[at->placeholder].at < to)
        code = pass_param(at);
    return code;
}

/* ---- Items ------------------------------------------------------------------------------- */

/* What is known of one IN before it is written. */
typedef struct shape {
    int lists;  /* some of its items are lists */
    int nested; /* of which some hold lists */
    int bare;   /* all items are placeholders */
    size_t total;
} shape;

static const pondi_in_item *next_item(const writer *at, size_t in, size_t *from)
{
    while (at->places->items[*from].in != in)
        ++*from;
    return &at->places->items[(*from)++];
}

static shape shape_of(const writer *at, size_t index)
{
    const pondi_in *in = &at->places->ins[index];
    shape found = {.bare = 1};
    size_t from = in->first_item;
    for (size_t i = 0; i < in->item_count; i++) {
        const pondi_in_item *item = next_item(at, index, &from);
        const pond_value *value =
            item->placeholder == SIZE_MAX ? NULL : &at->given[item->placeholder];
        found.bare &= value != NULL;
        found.total += value && is_list(value) ? value->as.array.count : 1;
        if (!value || !is_list(value))
            continue;
        found.lists = 1;
        found.nested |= pondi_has_list(value->as.array.items, value->as.array.count);
    }
    return found;
}

static size_t size_of(const pond_value *value)
{
    if (is_list(value)) {
        size_t size = 0;
        for (size_t i = 0; i < value->as.array.count; i++)
            size += size_of(&value->as.array.items[i]);
        return size;
    }
    return pondi_value_has_text(value) ? value->as.text.size : 0;
}

/* Few lengths, so that few statements are prepared. */
static size_t rounded(size_t count)
{
    enum { STEP = 1024 };
    size_t power = 1;
    if (count > STEP)
        return (count + STEP - 1) / STEP * STEP;
    while (power < count)
        power *= 2;
    return power;
}

static int check_row(const writer *at, const pondi_in *in, const pond_value *row, size_t index,
                     size_t placeholder)
{
    if (is_list(row) && row->as.array.count == in->width)
        return POND_OK;
    return pondi_error_set(at->err, POND_EPARAMS,
                           "item %zu of parameter %zu must be a list of %zu values, as the row on "
                           "the left of IN has",
                           index, placeholder + 1, in->width);
}

static int check_scalar(const writer *at, const pond_value *value, size_t index, size_t placeholder)
{
    if (!is_list(value) || at->dialect->array_params)
        return POND_OK;
    return pondi_error_set(at->err, POND_EPARAMS,
                           "item %zu of parameter %zu is a list, but there is one value on the "
                           "left of IN: write a row there, as in (a, b) IN (?)",
                           index, placeholder + 1);
}

/* A placeholder, or a row of them. */
static int put_value(writer *at, const pondi_in *in, const pond_value *value, int *written)
{
    pondi_buffer *sql = &at->out->sql;
    pondi_buffer_append_text(sql, *written ? ", " : "");
    *written = 1;
    if (!in->width) {
        pondi_buffer_append_char(sql, '?');
        return push(at, value);
    }
    int code = POND_OK;
    for (size_t i = 0; i < in->width && !code; i++) {
        pondi_buffer_append_text(sql, i ? ", ?" : "(?");
        code = push(at, &value->as.array.items[i]);
    }
    pondi_buffer_append_char(sql, ')');
    return code;
}

static int put_list(writer *at, const pondi_in *in, size_t placeholder, int *written)
{
    const pond_value *list = &at->given[placeholder];
    const pond_value *items = list->as.array.items;
    size_t count = list->as.array.count;
    size_t smallest = 0;
    int code = POND_OK;
    for (size_t i = 0; i < count && !code; i++) {
        code = in->width ? check_row(at, in, &items[i], i, placeholder)
                         : check_scalar(at, &items[i], i, placeholder);
        if (!code)
            code = put_value(at, in, &items[i], written);
        if (size_of(&items[i]) < size_of(&items[smallest]))
            smallest = i;
    }
    size_t wanted = count && at->rounds ? rounded(count) : count;
    for (size_t i = count; i < wanted && !code; i++)
        code = put_value(at, in, &items[smallest], written);
    return code;
}

/* A set of nothing, which any value can be looked for in. */
static int put_nothing(writer *at, const pondi_in *in)
{
    pondi_buffer *sql = &at->out->sql;
    if (at->dialect->array_params) { /* of the row's own types */
        for (size_t i = 0; i < at->places->count; i++) {
            size_t place = at->places->placeholders[i].at;
            if (place >= in->left_start && place < in->left_end)
                return pondi_error_set(at->err, POND_EPARAMS,
                                       "parameter %zu belongs to a row that is compared with an "
                                       "empty list, whose types PostgreSQL cannot infer",
                                       i + 1);
        }
        pondi_buffer_append_text(sql, "SELECT ");
        pondi_buffer_append(sql, at->sql + in->left_start, in->left_end - in->left_start);
        pondi_buffer_append_text(sql, " WHERE FALSE");
        return POND_OK;
    }
    pondi_buffer_append_text(sql, "SELECT NULL");
    for (size_t i = 1; i < in->width; i++)
        pondi_buffer_append_text(sql, ", NULL");
    if (at->dialect->needs_dual)
        pondi_buffer_append_text(sql, " FROM DUAL");
    pondi_buffer_append_text(sql, " WHERE FALSE");
    return POND_OK;
}

static int copy(writer *at, size_t from, size_t to);

/* `IN (?, ?, ...)`. */
static int put_spread(writer *at, size_t index, const shape *found)
{
    const pondi_in *in = &at->places->ins[index];
    size_t from = in->first_item;
    int written = 0;
    int code = pass(at, in->start, in->open + 1);
    if (in->width && at->dialect->needs_values_for_rows && found->total)
        pondi_buffer_append_text(&at->out->sql, "VALUES ");
    for (size_t i = 0; i < in->item_count && !code; i++) {
        const pondi_in_item *item = next_item(at, index, &from);
        if (item->placeholder != SIZE_MAX && is_list(&at->given[item->placeholder])) {
            at->placeholder++;
            code = put_list(at, in, item->placeholder, &written);
            continue;
        }
        pondi_buffer_append_text(&at->out->sql, written ? ", " : "");
        written = 1;
        code = copy(at, item->start, item->end);
    }
    if (!code && !written)
        code = put_nothing(at, in);
    pondi_buffer_append_char(&at->out->sql, ')');
    return code;
}

/* All items in one array. */
static int join(writer *at, size_t index, size_t total, pond_value *out)
{
    const pondi_in *in = &at->places->ins[index];
    pond_value *items = pondi_arena_alloc(&at->out->arena, (total + 1) * sizeof(*items));
    size_t from = in->first_item;
    size_t count = 0;
    if (!items)
        return pondi_error_nomem(at->err);
    for (size_t i = 0; i < in->item_count; i++) {
        const pond_value *value = &at->given[next_item(at, index, &from)->placeholder];
        if (!is_list(value))
            items[count++] = *value;
        for (size_t k = 0; is_list(value) && k < value->as.array.count; k++)
            items[count++] = value->as.array.items[k];
    }
    *out = (pond_value){.type = POND_TYPE_ARRAY};
    out->as.array.items = items;
    out->as.array.count = count;
    return POND_OK;
}

/* `= ANY (?)` and `<> ALL (?)` say the same as IN and NOT IN. */
static int put_array(writer *at, size_t index, const shape *found)
{
    const pondi_in *in = &at->places->ins[index];
    const char *operation = in->negated ? "<>" : "=";
    pond_value array;
    int code = join(at, index, found->total, &array);
    if (code)
        return code;
    at->placeholder += in->item_count;
    if (at->form == PONDI_ARRAY_OPERATOR)
        pondi_buffer_appendf(&at->out->sql, "OPERATOR(%s)", operation);
    else
        pondi_buffer_append_text(&at->out->sql, operation);
    pondi_buffer_append_text(&at->out->sql, in->negated ? " ALL (?)" : " ANY (?)");
    return push(at, &array);
}

/* Text with all IN that begin in it. */
static int copy(writer *at, size_t from, size_t to)
{
    const pondi_places *places = at->places;
    int code = POND_OK;
    while (!code && at->in < places->in_count && places->ins[at->in].start < to) {
        size_t index = at->in++;
        const pondi_in *in = &places->ins[index];
        const shape found = shape_of(at, index);
        if (!found.lists)
            continue;
        code = pass(at, from, in->start);
        if (!code)
            code = at->dialect->array_params && found.bare && !found.nested && !in->width
                       ? put_array(at, index, &found)
                       : put_spread(at, index, &found);
        from = in->close + 1;
    }
    return code ? code : pass(at, from, to);
}

/* ---- One row ----------------------------------------------------------------------------- */

static int write(writer *at, size_t size)
{
    at->placeholder = 0;
    at->in = 0;
    at->out->sql.size = 0;
    at->out->count = 0;
    at->out->segment_count = 0;
    int code = copy(at, 0, size);
    return code ? code : at->out->sql.failed ? pondi_error_nomem(at->err) : POND_OK;
}

int pondi_lists_spread(pond_dialect dialect, pondi_array_form form, const pondi_places *places,
                       const char *sql, size_t size, const pond_value *values, pondi_spread *out,
                       pond_error **err)
{
    writer at = {.dialect = pondi_dialect_of(dialect),
                 .form = form,
                 .places = places,
                 .sql = sql,
                 .given = values,
                 .out = out,
                 .rounds = 1,
                 .err = err};
    int code = write(&at, size);
    if (code || out->count <= at.dialect->most_params)
        return code;
    at.rounds = 0; /* rather another statement than too many parameters */
    return write(&at, size);
}

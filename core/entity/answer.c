/* An entity's rows: what the database returned, read as the types of the fields. */
#include <string.h>

#include "base/alloc.h"
#include "base/calendar.h"
#include "driver/result.h"
#include "driver/row_set.h"
#include "entity/plan.h"
#include "entity/tagged.h"
#include "millpond/millpond.h"

typedef struct answer {
    pond_result base; /* first */
    pond_result *inner;
    pondi_entity *entity;
    pondi_arena arena; /* text of values that had to be made */
    int plain;
    int tagged;
    const pondi_column **columns; /* one for each; NULL for none of the entity's */
    uint8_t *storages;
} answer;

/* ---- Plain values ------------------------------------------------------------------------ */

static size_t format(const pond_value *value, char *out, size_t room)
{
    size_t size = pondi_format_value(value, out, room);
    if (size && (value->type == POND_TYPE_TIMESTAMP || value->type == POND_TYPE_TIMESTAMPTZ))
        out[10] = 'T';
    return size;
}

/* A document is told from text: it is saved as it is, and text as text. */
static int make_plain_json(answer *self, pond_value *value, pond_error **err)
{
    pondi_buffer text;
    pondi_buffer_init(&text);
    value->type = POND_TYPE_TEXT;
    if (pondi_json_text(value->as.text.data, value->as.text.size, &text))
        return pondi_keep_text(&self->arena, &text, value, err);
    value->aux = POND_TEXT_JSON;
    return POND_OK;
}

static int unescape_tags(answer *self, pond_value *value, pond_error **err)
{
    pondi_buffer text;
    pondi_buffer_init(&text);
    if (!pondi_tags_unescape(value->as.text.data, value->as.text.size, &text))
        return POND_OK;
    return pondi_keep_text(&self->arena, &text, value, err);
}

static int make_plain(answer *self, pond_value *value, pond_error **err)
{
    char text[128];
    if (value->type == POND_TYPE_JSON)
        return make_plain_json(self, value, err);
    if (value->type == POND_TYPE_DECIMAL) {
        value->type = POND_TYPE_TEXT;
        return POND_OK;
    }
    size_t size = format(value, text, sizeof(text));
    if (!size)
        return POND_OK;
    char *kept = pondi_arena_copy(&self->arena, text, size);
    if (!kept)
        return pondi_error_nomem(err);
    value->type = POND_TYPE_TEXT;
    value->aux = 0;
    value->as.text.data = kept;
    value->as.text.size = size;
    return POND_OK;
}

/* ---- The result -------------------------------------------------------------------------- */

static int answer_row(pond_result *result, size_t row, pond_value *values, pond_error **err)
{
    answer *self = (answer *)result;
    int code = self->inner->class->row(self->inner, row, values, err);
    for (size_t i = 0; i < result->column_count && !code; i++) {
        if (values[i].type == POND_TYPE_NULL)
            continue;
        pondi_unfit((pondi_storage)self->storages[i], &values[i]);
        if (values[i].type == POND_TYPE_JSON && !self->tagged && !self->plain)
            code = unescape_tags(self, &values[i], err);
        if (self->plain && !code)
            code = make_plain(self, &values[i], err);
    }
    return code;
}

static const char *answer_column_name(const pond_result *result, size_t column)
{
    const answer *self = (const answer *)result;
    return pond_result_column_name(self->inner, column);
}

static pond_type answer_column_type(const pond_result *result, size_t column)
{
    const answer *self = (const answer *)result;
    pond_type type = pondi_storage_type((pondi_storage)self->storages[column]);
    if (type == POND_TYPE_NULL)
        return self->inner->class->column_type(self->inner, column);
    int stays = type == POND_TYPE_BOOL || type == POND_TYPE_INT64 || type == POND_TYPE_DOUBLE ||
                type == POND_TYPE_BYTES;
    return self->plain && !stays ? POND_TYPE_TEXT : type;
}

static void answer_destroy(pond_result *result)
{
    answer *self = (answer *)result;
    pond_result_release(self->inner);
    pondi_entity_release(self->entity);
    pondi_arena_free(&self->arena);
    pondi_free(self);
}

static const pondi_result_class answer_class = {
    .row = answer_row,
    .column_name = answer_column_name,
    .column_type = answer_column_type,
    .destroy = answer_destroy,
};

static pondi_storage history_storage(const char *name)
{
    return strcmp(name, "history_timestamp") == 0 ? PONDI_STORE_DATETIMETZ : PONDI_STORE_TEXT;
}

/* The entity's column of this name: mostly the one in the same place. */
static const pondi_column *column_at(const pondi_entity *entity, size_t place, const char *name)
{
    if (place < entity->count && strcmp(entity->columns[place].name, name) == 0)
        return &entity->columns[place];
    return pondi_entity_find(entity, name);
}

static int is_of_history(const pondi_column *column, const char *name)
{
    return (column ? column->role : pondi_role_of(name)) == PONDI_ROLE_HISTORY;
}

void pondi_plan_answer_rows(pond_plan *plan)
{
    size_t count = pond_result_column_count(plan->got);
    answer *self = pondi_calloc(1, sizeof(*self) + count * (sizeof(*self->columns) + 1));
    if (!self) {
        pondi_plan_nomem(plan);
        return;
    }
    pondi_result_init(&self->base, &answer_class);
    pondi_arena_init(&self->arena);
    self->columns = (const pondi_column **)(void *)(self + 1);
    self->storages = (uint8_t *)(self->columns + count);
    self->inner = plan->got;
    plan->got = NULL;
    self->entity = pondi_entity_retain(plan->entity);
    self->plain = (plan->flags & POND_ENTITY_PLAIN) != 0;
    self->tagged = (plan->flags & POND_ENTITY_TAGGED) != 0;
    self->base.row_count = self->inner->row_count;
    self->base.column_count = count;
    self->base.affected = self->inner->affected;
    for (size_t i = 0; i < count; i++) {
        const char *name = pond_result_column_name(self->inner, i);
        const pondi_column *column = column_at(plan->entity, i, name);
        self->columns[i] = column;
        self->storages[i] = (uint8_t)(column ? column->storage : PONDI_STORE_ANY);
        if (is_of_history(column, name))
            self->storages[i] = (uint8_t)history_storage(name);
    }
    pond_result_release(plan->result);
    plan->result = &self->base;
}

const char *pond_result_column_type(const pond_result *result, size_t column)
{
    if (!result || result->class != &answer_class || column >= result->column_count)
        return "";
    const answer *self = (const answer *)result;
    const pondi_column *known = self->columns[column];
    return known && known->type[0] ? known->type
                                   : pondi_storage_name((pondi_storage)self->storages[column]);
}

int pondi_plan_knows_columns(const pond_plan *plan)
{
    for (size_t i = 0; i < pond_result_column_count(plan->got); i++) {
        const char *name = pond_result_column_name(plan->got, i);
        const pondi_column *column = column_at(plan->entity, i, name);
        if (!column && !is_of_history(column, name))
            return 0;
    }
    return 1;
}

/* ---- Ids --------------------------------------------------------------------------------- */

int pondi_plan_answer_ids(pond_plan *plan)
{
    pondi_row_set *set = pondi_row_set_new(1);
    if (!set)
        return POND_ENOMEM;
    int code = pondi_row_set_name(set, 0, "id");
    for (size_t i = 0; i < plan->record_count && !code; i++) {
        const pond_value *id = &plan->records[i].id;
        pond_value *cell = pondi_row_set_add(set);
        code =
            cell ? pondi_row_set_text(set, cell, POND_TYPE_TEXT, id->as.text.data, id->as.text.size)
                 : POND_ENOMEM;
    }
    set->base.affected = (int64_t)plan->record_count;
    if (code)
        pond_result_release(&set->base);
    else
        plan->result = &set->base;
    return code;
}

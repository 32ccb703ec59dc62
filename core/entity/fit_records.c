/* What the records of a save need: columns that fit their values, and which are not there yet. */
#include <string.h>

#include "base/alloc.h"
#include "driver/param.h"
#include "entity/plan.h"
#include "entity/tagged.h"
#include "millpond/millpond.h"

static int case_conflict(const pond_plan *plan, const char *name, const char *there,
                         pond_error **err)
{
    return pondi_error_set(err, POND_EINVAL,
                           "the field \"%s\" of %s would differ only in case from \"%s\": use that "
                           "name",
                           name, plan->name, there);
}

static pondi_new_field *find_new(pond_plan *plan, const char *name, pond_error **err)
{
    size_t at = pondi_names_find_like(&plan->new_names, name);
    if (at == SIZE_MAX || strcmp(plan->news[at].name, name) == 0)
        return at == SIZE_MAX ? NULL : &plan->news[at];
    case_conflict(plan, name, plan->news[at].name, err);
    return NULL;
}

/* Before the tables grow without end for what others send. */
static int check_count(const pond_plan *plan, pond_error **err)
{
    uint32_t most_new = plan->max_new_fields ? plan->max_new_fields : plan->schema->max_new_fields;
    uint32_t most = plan->max_fields ? plan->max_fields : plan->schema->max_fields;
    size_t fields = plan->new_count + 1;
    if (fields > most_new)
        return pondi_error_set(err, POND_EDATA,
                               "\"%s\" would get more than %u new fields at once: save fewer, put "
                               "them into one field as a dict, or raise entity_max_new_fields",
                               plan->name, most_new);
    for (size_t i = 0; i < plan->entity->count; i++)
        fields += plan->entity->columns[i].role == PONDI_ROLE_FIELD;
    if (fields > most)
        return pondi_error_set(err, POND_EDATA,
                               "\"%s\" would have more than %u fields: put them into one field as "
                               "a dict, or raise entity_max_fields",
                               plan->name, most);
    return POND_OK;
}

static int add_new(pond_plan *plan, const pondi_field *field, pondi_storage storage,
                   pond_error **err)
{
    int code = check_count(plan, err);
    if (code)
        return code;
    if (plan->new_count == plan->new_capacity) {
        size_t capacity = plan->new_capacity ? plan->new_capacity * 2 : 16;
        pondi_new_field *news = pondi_realloc(plan->news, capacity * sizeof(*news));
        if (!news)
            return pondi_error_nomem(err);
        plan->news = news;
        plan->new_capacity = capacity;
    }
    if (pondi_names_add(&plan->new_names, field->name, plan->new_count))
        return pondi_error_nomem(err);
    plan->news[plan->new_count++] = (pondi_new_field){field->name, field->type, storage};
    return POND_OK;
}

static int widens(pondi_storage from, pondi_storage to)
{
    return from == PONDI_STORE_INT && (to == PONDI_STORE_FLOAT || to == PONDI_STORE_DECIMAL);
}

/* What PostgreSQL has in every table. */
static int check_system_column(const pond_plan *plan, const char *name, pond_error **err)
{
    const char *const *names = pondi_plan_facts(plan)->system_columns;
    for (; *names; names++) {
        if (strcmp(*names, name) == 0)
            return pondi_error_set(
                err, POND_EINVAL,
                "the field \"%s\" has the name of a system column of PostgreSQL: use another name",
                name);
    }
    return POND_OK;
}

/* The first value decides; whole numbers among others follow these. */
static int note_new(pond_plan *plan, const pondi_field *field, pond_error **err)
{
    pondi_storage storage = pondi_is_stored_json(&field->value)
                                ? PONDI_STORE_JSON
                                : pondi_storage_of_value(&field->value);
    if (storage == PONDI_STORE_ANY)
        return pondi_error_set(err, POND_EDATA,
                               "the value of \"%s\" is an interval, which entities cannot store: "
                               "save its seconds",
                               field->name);
    pond_error *error = NULL;
    pondi_new_field *known = find_new(plan, field->name, &error);
    if (error)
        return pondi_error_move(err, error);
    if (known) {
        if (widens(known->storage, storage))
            known->storage = storage;
        return POND_OK;
    }
    int code = check_system_column(plan, field->name, err);
    return code ? code : add_new(plan, field, storage, err);
}

/* Content that looks like a typed value must not become one. */
static int escape_tags(pond_plan *plan, const pondi_field *field, pond_value *value,
                       pond_error **err)
{
    pondi_buffer text;
    pondi_buffer_init(&text);
    if (value->type != POND_TYPE_JSON || (plan->flags & POND_ENTITY_TAGGED) ||
        pondi_is_stored_json(&field->value) ||
        !pondi_tags_escape(value->as.text.data, value->as.text.size, &text))
        return POND_OK;
    return pondi_keep_text(&plan->arena, &text, value, err);
}

/* A JSON value whose type is not the field's carries its type with it; so does text that has a
 * type, since a mere string is text. */
static int wrap(pond_plan *plan, const pondi_field *field, const char *type, pond_value *value,
                pond_error **err)
{
    static const char open[] = "{\"$type\": \"";
    static const char middle[] = "\", \"$value\": ";
    const char *given = field->type[0] ? field->type : "json";
    int is_text = field->value.type == POND_TYPE_TEXT && !pondi_is_stored_json(&field->value);
    if (value->type != POND_TYPE_JSON || (is_text && !field->type[0]) ||
        (!is_text && strcmp(given, type[0] ? type : "json") == 0))
        return POND_OK;
    pondi_buffer text;
    pondi_buffer_init(&text);
    pondi_buffer_append_text(&text, open);
    pondi_buffer_append_text(&text, given);
    pondi_buffer_append_text(&text, middle);
    pondi_buffer_append(&text, value->as.text.data, value->as.text.size);
    pondi_buffer_append_char(&text, '}');
    return pondi_keep_text(&plan->arena, &text, value, err);
}

static int fit_field(pond_plan *plan, pondi_field *field, pondi_storage storage, const char *type,
                     pond_error **err)
{
    field->fitted = field->value;
    int code = pondi_fit(pondi_plan_dialect(plan), storage, field->name, &field->fitted,
                         &plan->arena, err);
    if (code || storage != PONDI_STORE_JSON)
        return code;
    code = escape_tags(plan, field, &field->fitted, err);
    return code ? code : wrap(plan, field, type, &field->fitted, err);
}

/* The column of a field, by its place in the record before: most records are alike. */
static const pondi_column *column_of(const pond_plan *plan, pondi_field *field, size_t hint)
{
    const pondi_entity *entity = plan->entity;
    if (hint < entity->count && strcmp(entity->columns[hint].name, field->name) == 0) {
        field->column = hint;
        return &entity->columns[hint];
    }
    const pondi_column *column = pondi_entity_find(entity, field->name);
    field->column = column ? (size_t)(column - entity->columns) : SIZE_MAX;
    return column;
}

static int check_field(pond_plan *plan, pondi_field *field, size_t hint, pond_error **err)
{
    const pondi_column *column = column_of(plan, field, hint);
    if (column)
        return fit_field(plan, field, column->storage, column->type, err);
    const pondi_column *like = pondi_entity_find_like(plan->entity, field->name);
    if (like)
        return case_conflict(plan, field->name, like->name, err);
    return field->value.type == POND_TYPE_NULL ? POND_OK : note_new(plan, field, err);
}

static int fit_new_field(pond_plan *plan, pondi_field *field, size_t hint, pond_error **err)
{
    (void)hint;
    if (field->column != SIZE_MAX || field->value.type == POND_TYPE_NULL)
        return POND_OK;
    const pondi_new_field *known = find_new(plan, field->name, err);
    return fit_field(plan, field, known->storage, known->type, err);
}

typedef int (*field_function)(pond_plan *plan, pondi_field *field, size_t hint, pond_error **err);

static int each_field(pond_plan *plan, field_function call, pond_error **err)
{
    for (size_t i = 0; i < plan->record_count; i++) {
        pondi_record *record = &plan->records[i];
        for (size_t k = 0; k < record->count; k++) {
            const pondi_record *before = i ? record - 1 : record;
            size_t hint = k < before->count ? before->fields[k].column : SIZE_MAX;
            int code = call(plan, &record->fields[k], hint, err);
            if (code && plan->record_count > 1 && err && *err)
                pondi_error_set_row(*err, "entity", plan->first_record + i);
            if (code)
                return code;
        }
    }
    return POND_OK;
}

int pondi_plan_check_records(pond_plan *plan, pond_error **err)
{
    plan->new_count = 0;
    pondi_names_free(&plan->new_names);
    int code = each_field(plan, check_field, err);
    return code || !plan->new_count ? code : each_field(plan, fit_new_field, err);
}

int pondi_plan_needs_alter(const pond_plan *plan)
{
    const pondi_entity *entity = plan->entity;
    if (!entity->has_main && !plan->record_count)
        return 0; /* nothing to delete or restore */
    return plan->new_count || !pondi_entity_is_complete(entity);
}

/* Copies of what callers give. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/calendar.h"
#include "base/given.h"
#include "driver/param.h"
#include "entity/plan.h"

enum { LONGEST_FIELD = 63, LONGEST_TYPE = 120, LONGEST_ID = 255 };

pond_value pondi_text_value(const char *text)
{
    pond_value value = {.type = POND_TYPE_TEXT};
    value.as.text.data = text;
    value.as.text.size = strlen(text);
    return value;
}

/* ---- Values ------------------------------------------------------------------------------ */

static int copy_array(pondi_arena *arena, const pond_value *from, pond_value *to, int depth,
                      pond_error **err);

static int copy_value(pondi_arena *arena, const pond_value *from, pond_value *to, int depth,
                      pond_error **err)
{
    *to = *from;
    if (from->type > POND_TYPE_ARRAY)
        return pondi_error_set(err, POND_EINVAL, "a value has the unknown type %u",
                               (unsigned)from->type);
    if (from->type == POND_TYPE_ARRAY)
        return copy_array(arena, from, to, depth, err);
    if (!pondi_value_has_text(from))
        return POND_OK;
    if (pondi_given_value_text(err, from))
        return POND_EINVAL;
    to->as.text.data = pondi_arena_copy(arena, from->as.text.data, from->as.text.size);
    return to->as.text.data ? POND_OK : pondi_error_nomem(err);
}

static int copy_array(pondi_arena *arena, const pond_value *from, pond_value *to, int depth,
                      pond_error **err)
{
    size_t count = from->as.array.count;
    if (depth >= PONDI_DEEPEST_ARRAY || count > SIZE_MAX / 4 / sizeof(*to))
        return pondi_error_set(err, POND_ERANGE, "an array is too big or nested too deep");
    int code = pondi_given_array(err, "an array's items", from->as.array.items, count);
    if (code)
        return code;
    pond_value *items = pondi_arena_alloc(arena, count * sizeof(*items));
    if (!items)
        return pondi_error_nomem(err);
    to->as.array.items = items;
    for (size_t i = 0; i < count && !code; i++)
        code = copy_value(arena, &from->as.array.items[i], &items[i], depth + 1, err);
    return code;
}

int pondi_copy_value(pondi_arena *arena, const pond_value *from, pond_value *to, pond_error **err)
{
    return copy_value(arena, from, to, 0, err);
}

/* ---- Ids --------------------------------------------------------------------------------- */

static int check_id(const char *id, size_t size, pond_error **err)
{
    if (!size)
        return pondi_error_set(err, POND_EINVAL, "an id must not be empty");
    if (size > LONGEST_ID)
        return pondi_error_set(err, POND_EINVAL, "an id has %zu bytes: the maximum is %d", size,
                               LONGEST_ID);
    if (memchr(id, '\0', size))
        return pondi_error_set(err, POND_EINVAL, "an id contains a NUL character");
    return POND_OK;
}

int pondi_copy_ids(pond_plan *plan, const char *const *ids, size_t count, pond_error **err)
{
    int code = pondi_given_array(err, "ids", ids, count);
    if (code)
        return code;
    plan->ids = pondi_arena_alloc(&plan->arena, count * sizeof(*plan->ids));
    if (!plan->ids)
        return pondi_error_nomem(err);
    plan->id_count = count;
    for (size_t i = 0; i < count; i++) {
        if (!ids[i])
            return pondi_error_set(err, POND_EINVAL, "id is NULL");
        pond_value given = pondi_text_value(ids[i]);
        code = check_id(ids[i], given.as.text.size, err);
        if (!code)
            code = pondi_copy_value(&plan->arena, &given, &plan->ids[i], err);
        if (code)
            return code;
    }
    return POND_OK;
}

/* In the one way that an int is written. */
static int is_int(const char *text, size_t size)
{
    enum { LONGEST_INT = 20 };
    if (size > LONGEST_INT)
        return 0;
    size_t at = size > 1 && *text == '-';
    if (text[at] == '0')
        return size == 1;
    for (; at < size; at++) {
        if (text[at] < '0' || text[at] > '9')
            return 0;
    }
    return 1;
}

static int check_int(const pond_plan *plan, const pond_value *id, int made, pond_error **err)
{
    if (is_int(id->as.text.data, id->as.text.size))
        return POND_OK;
    return pondi_error_set(err, POND_EDATA,
                           "the id \"%.*s\" is not an int, but the ids of \"%s\" are%s",
                           (int)id->as.text.size, id->as.text.data, plan->name,
                           made ? ": give each entity an id" : "");
}

static size_t characters_of(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

/* PostgreSQL's char(n) pads what it is given: an id that ends in spaces is another one there, but
 * for one that it gave back. */
static int check_padded(const pond_plan *plan, const pond_value *id, int made, pond_error **err)
{
    const char *declared = plan->entity->columns[plan->entity->id_at].declared;
    const char *text = id->as.text.data;
    size_t size = id->as.text.size;
    const char *length = strchr(declared, '(');
    (void)made;
    if (text[size - 1] != ' ' ||
        (length && characters_of(text, size) == strtoul(length + 1, NULL, 10)))
        return POND_OK;
    return pondi_error_set(err, POND_EDATA,
                           "the id \"%.*s\" ends in spaces, which %s, the type of \"%s\".id, does "
                           "not keep: remove the spaces, or declare the column as text",
                           (int)size, text, declared, plan->name);
}

static int is_padded(const pond_plan *plan)
{
    const char *declared = plan->entity->columns[plan->entity->id_at].declared;
    return pondi_plan_facts(plan)->pads_characters &&
           (strcmp(declared, "bpchar") == 0 || strncmp(declared, "character(", 10) == 0);
}

int pondi_plan_check_ids(const pond_plan *plan, pond_error **err)
{
    const pondi_entity *entity = plan->entity;
    int code = POND_OK;
    if (!entity->has_main)
        return POND_OK;
    int ints = entity->columns[entity->id_at].storage == PONDI_STORE_INT;
    if (!ints && !is_padded(plan))
        return POND_OK;
    int (*check)(const pond_plan *, const pond_value *, int, pond_error **) =
        ints ? check_int : check_padded;
    for (size_t i = 0; i < plan->id_count && !code; i++)
        code = check(plan, &plan->ids[i], 0, err);
    for (size_t i = 0; i < plan->record_count && !code; i++) {
        code = check(plan, &plan->records[i].id, plan->records[i].made_id, err);
        if (code && plan->record_count > 1 && err && *err)
            pondi_error_set_row(*err, "entity", plan->first_record + i);
    }
    return code;
}

/* A random UUID, version 4, as text. */
static int make_id(pond_plan *plan, pond_value *out, pond_error **err)
{
    uint8_t bytes[16];
    char text[PONDI_UUID_TEXT];
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return pondi_error_set(err, POND_ERESOURCES,
                               "the system could not supply random numbers for an id");
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    pondi_format_uuid(bytes, text);
    pond_value made = pondi_text_value(text);
    return pondi_copy_value(&plan->arena, &made, out, err);
}

/* Ids are text; numbers and UUIDs are taken for tables that others made. */
static int read_id(pond_plan *plan, const pond_value *given, pondi_record *record, pond_error **err)
{
    char text[PONDI_UUID_TEXT];
    pond_value value = *given;
    if (record->id.type != POND_TYPE_NULL)
        return pondi_error_set(err, POND_EINVAL, "the field \"id\" is given twice");
    if (given->type == POND_TYPE_NULL)
        return POND_OK;
    if (given->type == POND_TYPE_INT64) {
        snprintf(text, sizeof(text), "%lld", (long long)given->as.integer);
        value = pondi_text_value(text);
    } else if (given->type == POND_TYPE_UUID) {
        pondi_format_uuid(given->as.uuid, text);
        value = pondi_text_value(text);
    } else if (given->type != POND_TYPE_TEXT) {
        return pondi_error_set(err, POND_EINVAL, "an id must be text, an int or a UUID");
    }
    int code = check_id(value.as.text.data, value.as.text.size, err);
    return code ? code : pondi_copy_value(&plan->arena, &value, &record->id, err);
}

/* ---- Records ----------------------------------------------------------------------------- */

/* It is written into JSON, and into the meta table with its storage behind it. */
static int check_type(const char *type, pond_error **err)
{
    size_t size = strlen(type);
    int right = size && size <= LONGEST_TYPE && type[0] >= 'a' && type[0] <= 'z';
    for (size_t i = 0; i < size && right; i++)
        right = (unsigned char)type[i] > ' ' && !strchr("\"\\()\x7f", type[i]);
    if (right)
        return POND_OK;
    return pondi_error_set(err, POND_EINVAL,
                           "\"%.150s\" cannot be the name of a type: it must begin with a letter "
                           "in lower case, have at most %d bytes, and no spaces, quotes, "
                           "backslashes or parentheses",
                           type, LONGEST_TYPE);
}

/* Names come again with each record: the last copy is reused. */
typedef struct names {
    const char *given;
    const char *kept;
} names;

static int keep_name(pond_plan *plan, const char *name, names *last, const char **out,
                     pond_error **err)
{
    if (last->given == name && last->kept && strcmp(last->kept, name) == 0) {
        *out = last->kept;
        return POND_OK;
    }
    int code = pondi_check_name(name, LONGEST_FIELD, "a field", err);
    if (code || !name) /* NULL was refused: only the analyzer needs to be told */
        return code;
    *out = pondi_arena_copy(&plan->arena, name, strlen(name));
    *last = (names){name, *out};
    return *out ? POND_OK : pondi_error_nomem(err);
}

static int copy_field(pond_plan *plan, const pond_field *given, names *last, pondi_field *field,
                      pond_error **err)
{
    int code = keep_name(plan, given->name, last, &field->name, err);
    field->type = "";
    field->column = SIZE_MAX;
    if (!code && given->type) {
        code = check_type(given->type, err);
        field->type = code ? "" : pondi_arena_copy(&plan->arena, given->type, strlen(given->type));
        if (!field->type)
            code = pondi_error_nomem(err);
    }
    return code ? code : pondi_copy_value(&plan->arena, &given->value, &field->value, err);
}

static int check_version_field(const pond_field *given, pond_error **err)
{
    if (pondi_role_of(given->name) != PONDI_ROLE_VERSION || given->value.type == POND_TYPE_INT64 ||
        given->value.type == POND_TYPE_NULL)
        return POND_OK;
    return pondi_error_set(
        err, POND_EINVAL,
        "the field \"version\" is reserved for the version number of an entity: use another name");
}

/* Each is given once. `seen` has the names of the record when they are more than a few. */
static int see_field(pondi_names *seen, const pondi_record *record, const char *name,
                     pond_error **err)
{
    enum { FEW = 16 };
    int twice = record->count > FEW && pondi_names_find(seen, name) != SIZE_MAX;
    for (size_t i = 0; record->count <= FEW && i < record->count && !twice; i++)
        twice = strcmp(record->fields[i].name, name) == 0;
    if (twice)
        return pondi_error_set(err, POND_EINVAL, "the field \"%s\" is given twice", name);
    while (record->count >= FEW && seen->count < record->count) {
        if (pondi_names_add(seen, record->fields[seen->count].name, seen->count))
            return pondi_error_nomem(err);
    }
    return POND_OK;
}

static int copy_fields(pond_plan *plan, const pond_record *given, names *last, pondi_record *record,
                       pondi_names *seen, pond_error **err)
{
    for (size_t i = 0; i < (size_t)given->field_count; i++) {
        const pond_field *field = &given->fields[i];
        if (!field->name)
            return pondi_error_set(err, POND_EINVAL, "the name of field %zu is NULL", i);
        pondi_role role = pondi_role_of(field->name);
        int code;
        if (role == PONDI_ROLE_ID)
            code = read_id(plan, &field->value, record, err);
        else if (role != PONDI_ROLE_FIELD)
            code = check_version_field(field, err);
        else if (!(code = see_field(seen, record, field->name, err)))
            code = copy_field(plan, field, &last[i % 64], &record->fields[record->count++], err);
        if (code)
            return code;
    }
    return POND_OK;
}

static int copy_record(pond_plan *plan, const pond_record *given, names *last, pondi_record *record,
                       pond_error **err)
{
    size_t count = (size_t)given->field_count;
    pondi_names seen;
    int code = pondi_given_array(err, "fields", given->fields, given->field_count);
    if (code)
        return code;
    record->fields = pondi_arena_alloc(&plan->arena, count * sizeof(*record->fields));
    if (!record->fields)
        return pondi_error_nomem(err);
    pondi_names_init(&seen, 0);
    code = copy_fields(plan, given, last, record, &seen, err);
    pondi_names_free(&seen);
    if (code || record->id.type != POND_TYPE_NULL)
        return code;
    record->made_id = 1;
    return make_id(plan, &record->id, err);
}

int pondi_copy_records(pond_plan *plan, const pond_record *records, size_t count, pond_error **err)
{
    names last[64] = {{NULL, NULL}};
    int code = pondi_given_array(err, "records", records, count);
    if (code)
        return code;
    plan->records = pondi_arena_alloc(&plan->arena, count * sizeof(*plan->records));
    if (!plan->records)
        return pondi_error_nomem(err);
    memset(plan->records, 0, count * sizeof(*plan->records));
    plan->record_count = count;
    for (size_t i = 0; i < count; i++) {
        code = copy_record(plan, &records[i], last, &plan->records[i], err);
        if (code) {
            if (count > 1 && err && *err)
                pondi_error_set_row(*err, "entity", plan->first_record + i);
            return code;
        }
    }
    return POND_OK;
}

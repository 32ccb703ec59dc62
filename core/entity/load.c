/* Reading what tables an entity has. */
#include <string.h>
#include <strings.h>

#include "base/hash.h"
#include "entity/plan.h"
#include "millpond/millpond.h"

/* The columns come as rows of (table, column, declared type, required, key, guard). The key is
 * KEYED where others made one, LOOSE where it takes some texts for the same (MySQL's type says so).
 * The guard is a number of the main table that a write can check; MySQL's is found later. No two
 * have one name: hosts may know rows as maps. */
enum { KEYED = 1, LOOSE = 2 };

enum { COLUMNS = 6 };

typedef struct row {
    char table[80];
    char column[80];
    const char *declared; /* in the entity's arena */
    int required;
    int64_t key;
    int64_t guard;
} row;

static void copy_text(const pond_value *value, char *out, size_t room)
{
    size_t size = 0;
    if (value->type == POND_TYPE_TEXT || value->type == POND_TYPE_BYTES) {
        size = value->as.text.size < room ? value->as.text.size : room - 1;
        memcpy(out, value->as.text.data, size);
    }
    out[size] = '\0';
}

/* Of any length, as an enum may have; NULL when memory is out. */
static const char *keep_text(pond_plan *plan, const pond_value *value)
{
    if (value->type != POND_TYPE_TEXT && value->type != POND_TYPE_BYTES)
        return "";
    return pondi_arena_copy(&plan->entity->arena, value->as.text.data, value->as.text.size);
}

static int64_t integer_of(const pond_value *value)
{
    return value->type == POND_TYPE_INT64 || value->type == POND_TYPE_BOOL ? value->as.integer : 0;
}

static int read_row(pond_plan *plan, size_t at, row *out, pond_error **err)
{
    pond_value values[COLUMNS];
    if (pond_result_column_count(plan->got) != COLUMNS)
        return pondi_error_set(err, POND_EINTERNAL, "the catalog returned unexpected columns");
    int code = pond_result_row(plan->got, at, values, err);
    if (code)
        return code;
    copy_text(&values[0], out->table, sizeof(out->table));
    copy_text(&values[1], out->column, sizeof(out->column));
    const char *declared = keep_text(plan, &values[2]);
    if (!declared)
        return pondi_error_nomem(err);
    out->declared = declared;
    out->required = integer_of(&values[3]) != 0;
    out->key = integer_of(&values[4]);
    out->guard = integer_of(&values[5]);
    return POND_OK;
}

/* ---- Tables ------------------------------------------------------------------------------ */

typedef enum table { MAIN, HISTORY, META, OTHER } table;

static int same_name(const pond_plan *plan, const char *a, const char *b)
{
    return (pondi_plan_facts(plan)->folds_table_names ? strcasecmp(a, b) : strcmp(a, b)) == 0;
}

static table table_of(const pond_plan *plan, const char *found)
{
    size_t size = strlen(plan->name);
    char stem[80];
    if (strlen(found) < size || size >= sizeof(stem))
        return OTHER;
    memcpy(stem, found, size);
    stem[size] = '\0';
    if (!same_name(plan, stem, plan->name))
        return OTHER;
    const char *suffix = found + size;
    if (!*suffix)
        return MAIN;
    return strcmp(suffix, "_history") == 0 ? HISTORY : strcmp(suffix, "_meta") == 0 ? META : OTHER;
}

/* Whether a column can hold what the library keeps by that name: a table of others may have a
 * "version" that is no count of changes. */
static int can_be_own(const pondi_column *column)
{
    switch (column->role) {
    case PONDI_ROLE_VERSION:
        return column->storage == PONDI_STORE_INT || column->storage == PONDI_STORE_DECIMAL ||
               column->storage == PONDI_STORE_ANY;
    case PONDI_ROLE_CREATED_AT:
    case PONDI_ROLE_UPDATED_AT:
    case PONDI_ROLE_DELETED_AT:
        return column->storage == PONDI_STORE_DATETIMETZ ||
               column->storage == PONDI_STORE_DATETIME || column->storage == PONDI_STORE_DATE ||
               column->storage == PONDI_STORE_TEXT || column->storage == PONDI_STORE_ANY;
    default:
        return 1;
    }
}

static int add_main(pond_plan *plan, const row *found, pond_error **err)
{
    pondi_entity *entity = plan->entity;
    pondi_column *column = pondi_entity_add(entity, found->column, found->declared);
    if (!column)
        return pondi_error_nomem(err);
    entity->has_main = 1;
    column->required = found->required;
    column->storage = pondi_storage_of_declaration(pondi_plan_dialect(plan), found->declared);
    if (!can_be_own(column))
        entity->foreign_at = entity->count - 1;
    if (column->role != PONDI_ROLE_FIELD && column->role != PONDI_ROLE_HISTORY &&
        column->role != PONDI_ROLE_ID)
        column->storage = pondi_role_storage(column->role);
    entity->careful |= column->role == PONDI_ROLE_FIELD && (found->required || found->key == KEYED);
    pondi_guard_source source = pondi_plan_facts(plan)->guard_source;
    if (source != PONDI_GUARD_META)
        entity->guard = source == PONDI_GUARD_CATALOG ? found->guard : (int64_t)entity->count;
    return POND_OK;
}

/* Whether no two different texts are the same to a column that is declared so. */
static int tells_apart(const char *declared)
{
    static const char *const exact[] = {"nopad_bin", "0900_bin"};
    const char *collation = strstr(declared, " COLLATE ");
    for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]) && collation; i++) {
        size_t size = strlen(declared);
        size_t tail = strlen(exact[i]);
        if (size >= tail && strcmp(declared + size - tail, exact[i]) == 0)
            return 1;
    }
    return !collation;
}

/* What takes ids for the same, and MySQL's collations. A server may have both that are wanted: the
 * one of its own comes first. */
static void note_collation(pond_plan *plan, const row *found, table which)
{
    pondi_entity *entity = plan->entity;
    int is_id = (which == MAIN || which == HISTORY) && strcasecmp(found->column, "id") == 0;
    if (is_id && found->key == LOOSE)
        entity->loose = 1;
    if (!pondi_plan_facts(plan)->names_collations)
        return;
    if (!found->table[0] && strcmp(entity->collation, "utf8mb4_nopad_bin") != 0)
        entity->collation = found->declared;
    if (is_id)
        entity->loose |= !tells_apart(found->declared);
}

static int note_history(pondi_entity *entity, const char *name, pond_error **err)
{
    const char *kept = pondi_arena_copy(&entity->arena, name, strlen(name));
    if (!kept || pondi_names_add(&entity->history_names, kept, entity->history_names.count))
        return pondi_error_nomem(err);
    size_t place = 0;
    size_t at;
    while ((at = pondi_names_next_like(&entity->names, name, &place)) != SIZE_MAX)
        entity->columns[at].in_history = 1;
    return POND_OK;
}

/* The main table comes first in the order of names. */
static int read_columns(pond_plan *plan, pond_error **err)
{
    pondi_entity *entity = plan->entity;
    row found = {.declared = ""};
    int code = POND_OK;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < pondi_plan_got_rows(plan) && !code; i++) {
            code = read_row(plan, i, &found, err);
            table which = code ? OTHER : table_of(plan, found.table);
            if (pass == 0 && !code)
                note_collation(plan, &found, which);
            if (pass == 0 && which == MAIN)
                code = add_main(plan, &found, err);
            if (pass == 0 && which == OTHER && !code && strcasecmp(found.table, plan->name) == 0)
                memcpy(entity->other, found.table, sizeof(entity->other));
            if (pass == 0)
                continue;
            entity->has_history |= which == HISTORY;
            entity->has_meta |= which == META;
            if (which == HISTORY && !code)
                code = note_history(entity, found.column, err);
        }
    }
    if (entity->has_main)
        entity->other[0] = '\0';
    return code;
}

/* ---- Types ------------------------------------------------------------------------------- */

/* "tuple (json)": the type is cut off where its storage begins. */
static pondi_storage split_type(const char *type, char *kept)
{
    char storage[32];
    char *open = NULL;
    for (char *at = kept; (at = strstr(at, " (")); at++)
        open = at;
    size_t size = open ? strlen(open + 2) : 0;
    if (size < 2 || size > sizeof(storage) || open[1 + size] != ')')
        return pondi_storage_of_name(type);
    memcpy(storage, open + 2, size - 1);
    storage[size - 1] = '\0';
    *open = '\0';
    return pondi_storage_of_name(storage);
}

static int set_type(pond_plan *plan, const pond_value *values, pond_error **err)
{
    char name[80];
    char type[160];
    pondi_entity *entity = plan->entity;
    copy_text(&values[0], name, sizeof(name));
    copy_text(&values[1], type, sizeof(type));
    size_t at = pondi_names_find(&entity->names, name);
    if (at == SIZE_MAX)
        return POND_OK;
    pondi_column *column = &entity->columns[at];
    char *kept = pondi_arena_copy(&entity->arena, type, strlen(type));
    if (!kept)
        return pondi_error_nomem(err);
    column->type = kept;
    pondi_storage storage = split_type(type, kept);
    /* uuid as text and instants without a zone are what the meta table says */
    if (storage != PONDI_STORE_ANY)
        column->storage = storage;
    return POND_OK;
}

/* Statements differ where types do: PostgreSQL keeps those of parameters with a statement. */
static void note_shape(pondi_entity *entity)
{
    uint64_t shape = 0;
    for (size_t i = 0; i < entity->count; i++) {
        const pondi_column *column = &entity->columns[i];
        shape = (shape ^ pondi_hash_bytes(column->name, strlen(column->name))) *
                    UINT64_C(0x9E3779B97F4A7C15) +
                pondi_hash_bytes(column->declared, strlen(column->declared));
    }
    entity->shape = (uint32_t)(shape >> 32);
}

static void finish(pond_plan *plan)
{
    note_shape(plan->entity);
    if (plan->entity->has_main && !plan->private && !plan->entity->other[0])
        pondi_schema_publish(plan->schema, plan->entity, plan->joined);
    plan->loaded(plan);
}

static void got_types(pond_plan *plan)
{
    pond_value values[2];
    pond_error *error = NULL;
    for (size_t i = 0; i < pondi_plan_got_rows(plan) && !error; i++) {
        if (pond_result_column_count(plan->got) == 2 &&
            !pond_result_row(plan->got, i, values, &error))
            set_type(plan, values, &error);
    }
    if (error) {
        pondi_plan_fail(plan, error);
        return;
    }
    if (pondi_plan_facts(plan)->guard_source == PONDI_GUARD_META)
        plan->entity->guard = (int64_t)pondi_plan_got_rows(plan);
    finish(plan);
}

static void put_types(pond_plan *plan)
{
    pondi_buffer_append_text(pondi_plan_sql(plan), "SELECT name, type FROM ");
    pondi_put_table(plan, "_meta");
}

/* What a read on another connection brought. The host may have none: then `put` is read as the open
 * transaction sees it. */
static void took_apart(pond_plan *plan, void (*put)(pond_plan *plan), pondi_state then)
{
    pond_error *error = plan->failure;
    if (!error) {
        then(plan);
    } else if (error->code == POND_ENOTSUPPORTED) {
        put(plan);
        pondi_plan_execute(plan, then);
    } else {
        plan->failure = NULL;
        if (error->code == POND_EACQUIRE)
            pondi_error_prefix(error,
                               "the columns of \"%s\" must be read on a second connection beside "
                               "that of the open transaction: ",
                               plan->name);
        pondi_plan_undo(plan, error, plan->open);
    }
}

/* MySQL: a read in the caller's transaction would see, and settle, what it sees of the past: of
 * tables, too, and of the catalog itself in MySQL 8. */
static void ask(pond_plan *plan, void (*put)(pond_plan *plan), pondi_state apart, pondi_state then)
{
    put(plan);
    if (!pondi_plan_facts(plan)->catalog_in_snapshot || !plan->joined) {
        pondi_plan_execute(plan, then);
        return;
    }
    pondi_plan_execute_apart(plan, apart);
    plan->catches = plan->kind != POND_STEP_DONE;
}

static void got_types_apart(pond_plan *plan)
{
    took_apart(plan, put_types, got_types);
}

static void got_columns(pond_plan *plan)
{
    pond_error *error = NULL;
    if (read_columns(plan, &error)) {
        pondi_plan_fail(plan, error);
        return;
    }
    if (!plan->entity->has_meta) {
        finish(plan);
        return;
    }
    ask(plan, put_types, got_types_apart, got_types);
}

static void put_lower_name(pond_plan *plan, const char *suffix)
{
    char name[80] = "";
    size_t size = strlen(plan->name);
    size_t tail = strlen(suffix);
    if (size + tail >= sizeof(name))
        return;
    memcpy(name, plan->name, size);
    memcpy(name + size, suffix, tail + 1);
    for (char *c = name; *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    char *kept = pondi_arena_copy(&plan->entity->arena, name, strlen(name));
    if (kept)
        pondi_plan_param_text(plan, kept);
    else
        plan->values_failed = 1;
}

static void put_columns(pond_plan *plan)
{
    pondi_buffer_append_text(pondi_plan_sql(plan), pondi_plan_facts(plan)->columns);
    put_lower_name(plan, "");
    put_lower_name(plan, "_history");
    put_lower_name(plan, "_meta");
}

static void got_columns_apart(pond_plan *plan)
{
    took_apart(plan, put_columns, got_columns);
}

void pondi_plan_load(pond_plan *plan, pondi_state loaded)
{
    pond_error *error = NULL;
    pondi_entity_release(plan->entity);
    plan->entity = pondi_entity_new(plan->name, &error);
    if (!plan->entity) {
        pondi_plan_fail(plan, error);
        return;
    }
    plan->loaded = loaded;
    ask(plan, put_columns, got_columns_apart, got_columns);
}

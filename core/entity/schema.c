#include "entity/schema.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/given.h"
#include "base/hash.h"
#include "millpond/millpond.h"

/* How long reads within transactions stay private after one changed the tables: transactions are
 * shorter, and where one is not, a statement fails and the schema is read anew. */
enum { TAINT_MS = 30000 };

typedef struct pondi_taint {
    struct pondi_taint *next;
    int64_t until_ns;
    char name[];
} pondi_taint;

/* ---- Columns of the library's own -------------------------------------------------------- */

typedef struct own_column {
    const char *name;
    pondi_storage storage;
} own_column;

static const own_column own_columns[PONDI_ROLE_COUNT] = {
    [PONDI_ROLE_FIELD] = {"", PONDI_STORE_ANY},
    [PONDI_ROLE_ID] = {"id", PONDI_STORE_TEXT},
    [PONDI_ROLE_CREATED_AT] = {"created_at", PONDI_STORE_DATETIMETZ},
    [PONDI_ROLE_CREATED_BY] = {"created_by", PONDI_STORE_TEXT},
    [PONDI_ROLE_UPDATED_AT] = {"updated_at", PONDI_STORE_DATETIMETZ},
    [PONDI_ROLE_UPDATED_BY] = {"updated_by", PONDI_STORE_TEXT},
    [PONDI_ROLE_DELETED_AT] = {"deleted_at", PONDI_STORE_DATETIMETZ},
    [PONDI_ROLE_VERSION] = {"version", PONDI_STORE_INT},
};

pondi_role pondi_role_of(const char *name)
{
    static const char *const history[] = {"history_timestamp", "history_user_id",
                                          "history_comment"};
    for (int i = PONDI_ROLE_ID; i < PONDI_ROLE_COUNT; i++) {
        if (strcasecmp(own_columns[i].name, name) == 0)
            return (pondi_role)i;
    }
    for (size_t i = 0; i < sizeof(history) / sizeof(history[0]); i++) {
        if (strcasecmp(history[i], name) == 0)
            return PONDI_ROLE_HISTORY;
    }
    return PONDI_ROLE_FIELD;
}

const char *pondi_role_name(pondi_role role)
{
    return own_columns[role].name;
}

pondi_storage pondi_role_storage(pondi_role role)
{
    return own_columns[role].storage;
}

/* ---- Entities ---------------------------------------------------------------------------- */

pondi_entity *pondi_entity_new(const char *name, pond_error **err)
{
    pondi_entity *entity = pondi_calloc(1, sizeof(*entity));
    if (!entity) {
        pondi_error_nomem(err);
        return NULL;
    }
    pondi_refcount_init(&entity->refs);
    pondi_arena_init(&entity->arena);
    pondi_names_init(&entity->names, 1);
    pondi_names_init(&entity->history_names, 1);
    entity->collation = "utf8mb4_bin"; /* what all servers have; trailing spaces do not count */
    entity->id_at = SIZE_MAX;
    entity->foreign_at = SIZE_MAX;
    entity->name = pondi_arena_copy(&entity->arena, name, strlen(name));
    if (entity->name)
        return entity;
    pondi_entity_release(entity);
    pondi_error_nomem(err);
    return NULL;
}

pondi_column *pondi_entity_add(pondi_entity *entity, const char *name, const char *declared)
{
    if (entity->count == entity->capacity) {
        size_t capacity = entity->capacity ? entity->capacity * 2 : 16;
        pondi_column *columns = pondi_realloc(entity->columns, capacity * sizeof(*entity->columns));
        if (!columns)
            return NULL;
        entity->columns = columns;
        entity->capacity = capacity;
    }
    pondi_column *column = &entity->columns[entity->count];
    memset(column, 0, sizeof(*column));
    column->name = pondi_arena_copy(&entity->arena, name, strlen(name));
    column->declared = pondi_arena_copy(&entity->arena, declared, strlen(declared));
    column->type = "";
    column->role = pondi_role_of(name);
    if (!column->name || !column->declared ||
        pondi_names_add(&entity->names, column->name, entity->count))
        return NULL;
    if (column->role == PONDI_ROLE_ID)
        entity->id_at = entity->count;
    entity->count++;
    return column;
}

pondi_entity *pondi_entity_retain(pondi_entity *entity)
{
    if (entity)
        pondi_refcount_take(&entity->refs);
    return entity;
}

void pondi_entity_release(pondi_entity *entity)
{
    if (!entity || !pondi_refcount_drop(&entity->refs))
        return;
    pondi_arena_free(&entity->arena);
    pondi_names_free(&entity->names);
    pondi_names_free(&entity->history_names);
    pondi_free(entity->columns);
    pondi_free(entity);
}

static const pondi_column *column_at(const pondi_entity *entity, size_t at)
{
    return at == SIZE_MAX ? NULL : &entity->columns[at];
}

const pondi_column *pondi_entity_find(const pondi_entity *entity, const char *name)
{
    return column_at(entity, pondi_names_find(&entity->names, name));
}

const pondi_column *pondi_entity_find_like(const pondi_entity *entity, const char *name)
{
    return column_at(entity, pondi_names_find_like(&entity->names, name));
}

int pondi_entity_is_complete(const pondi_entity *entity)
{
    unsigned seen = 0;
    if (!entity->has_main || !entity->has_history || !entity->has_meta)
        return 0;
    for (size_t i = 0; i < entity->count; i++) {
        if (!entity->columns[i].in_history)
            return 0;
        seen |= 1u << entity->columns[i].role;
    }
    for (int role = PONDI_ROLE_ID; role < PONDI_ROLE_COUNT; role++) {
        if (!(seen & 1u << role))
            return 0;
    }
    return 1;
}

/* ---- The schema -------------------------------------------------------------------------- */

int pond_schema_new(pond_dialect dialect, uint32_t capabilities, pond_schema **out,
                    pond_error **err)
{
    if (PONDI_GIVEN(err, out))
        return POND_EINVAL;
    *out = NULL;
    if (!pondi_entity_dialect_of(dialect))
        return pondi_error_set(err, POND_EINVAL, "%d is no pond_dialect", (int)dialect);
    pond_schema *schema = pondi_calloc(1, sizeof(*schema));
    if (!schema)
        return pondi_error_nomem(err);
    pondi_refcount_init(&schema->refs);
    schema->dialect = dialect;
    schema->facts = pondi_entity_dialect_of(dialect);
    schema->max_new_fields = PONDI_MOST_NEW_FIELDS;
    schema->max_fields = PONDI_MOST_FIELDS;
    schema->capabilities =
        capabilities & (POND_CAN_RETURN | POND_CAN_RUN_BLOCK | POND_CAN_WRITE_IN_CTE);
    pthread_mutex_init(&schema->lock, NULL);
    *out = schema;
    return POND_OK;
}

pond_schema *pond_schema_retain(pond_schema *schema)
{
    if (schema)
        pondi_refcount_take(&schema->refs);
    return schema;
}

static pondi_entity **bucket_of(pond_schema *schema, const char *name)
{
    enum { COUNT = sizeof(schema->buckets) / sizeof(schema->buckets[0]) };
    return &schema->buckets[pondi_hash_bytes(name, strlen(name)) % COUNT];
}

/* Locked. */
static void drop(pondi_entity **link)
{
    pondi_entity *entity = *link;
    *link = entity->next;
    entity->next = NULL;
    pondi_entity_release(entity);
}

/* Locked. */
static pondi_entity **find_link(pond_schema *schema, const char *name)
{
    pondi_entity **link = bucket_of(schema, name);
    while (*link && strcmp((*link)->name, name) != 0)
        link = &(*link)->next;
    return link;
}

static void forget_all(pond_schema *schema)
{
    for (size_t i = 0; i < sizeof(schema->buckets) / sizeof(schema->buckets[0]); i++) {
        while (schema->buckets[i])
            drop(&schema->buckets[i]);
    }
}

void pond_schema_forget(pond_schema *schema, const char *name)
{
    if (!schema)
        return;
    pthread_mutex_lock(&schema->lock);
    if (!name) {
        forget_all(schema);
    } else {
        pondi_entity **link = find_link(schema, name);
        if (*link)
            drop(link);
    }
    pthread_mutex_unlock(&schema->lock);
}

void pond_schema_release(pond_schema *schema)
{
    if (!schema || !pondi_refcount_drop(&schema->refs))
        return;
    forget_all(schema);
    while (schema->taints) {
        pondi_taint *taint = schema->taints;
        schema->taints = taint->next;
        pondi_free(taint);
    }
    pthread_mutex_destroy(&schema->lock);
    pondi_free(schema);
}

pondi_entity *pondi_schema_find(pond_schema *schema, const char *name)
{
    pthread_mutex_lock(&schema->lock);
    pondi_entity *entity = pondi_entity_retain(*find_link(schema, name));
    pthread_mutex_unlock(&schema->lock);
    return entity;
}

/* ---- Taints ------------------------------------------------------------------------------ */

/* Locked: forget the taint of an entity, and all that are over. */
static int clear_taints(pond_schema *schema, const char *name, int only_old)
{
    int64_t now_ns = pondi_now_ns();
    int tainted = 0;
    pondi_taint **link = &schema->taints;
    while (*link) {
        pondi_taint *taint = *link;
        int mine = strcmp(taint->name, name) == 0;
        if (taint->until_ns <= now_ns || (mine && !only_old)) {
            *link = taint->next;
            pondi_free(taint);
            continue;
        }
        tainted |= mine;
        link = &taint->next;
    }
    return tainted;
}

void pondi_schema_taint(pond_schema *schema, const char *name)
{
    size_t size = strlen(name) + 1;
    pondi_taint *taint = pondi_malloc(sizeof(*taint) + size);
    pond_schema_forget(schema, name);
    if (!taint)
        return; /* then a statement fails later, and the schema is read anew */
    memcpy(taint->name, name, size);
    taint->until_ns = pondi_deadline_ns(TAINT_MS);
    pthread_mutex_lock(&schema->lock);
    clear_taints(schema, name, 0);
    taint->next = schema->taints;
    schema->taints = taint;
    pthread_mutex_unlock(&schema->lock);
}

void pondi_schema_publish(pond_schema *schema, pondi_entity *entity, int joined)
{
    pthread_mutex_lock(&schema->lock);
    if (clear_taints(schema, entity->name, joined) == 0) {
        pondi_entity **link = find_link(schema, entity->name);
        if (*link)
            drop(link);
        pondi_entity **bucket = bucket_of(schema, entity->name);
        entity->next = *bucket;
        *bucket = pondi_entity_retain(entity);
    }
    pthread_mutex_unlock(&schema->lock);
}

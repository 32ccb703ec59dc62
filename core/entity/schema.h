/* What is known of the entity tables of one database, shared by all connections to it. */
#ifndef PONDI_ENTITY_SCHEMA_H
#define PONDI_ENTITY_SCHEMA_H

#include <pthread.h>

#include "base/names.h"
#include "base/refcount.h"
#include "entity/dialect.h"
#include "entity/type.h"

/* Which columns an entity's tables have for the library itself. */
typedef enum pondi_role {
    PONDI_ROLE_FIELD,
    PONDI_ROLE_ID,
    PONDI_ROLE_CREATED_AT,
    PONDI_ROLE_CREATED_BY,
    PONDI_ROLE_UPDATED_AT,
    PONDI_ROLE_UPDATED_BY,
    PONDI_ROLE_DELETED_AT,
    PONDI_ROLE_VERSION,
    PONDI_ROLE_HISTORY /* history_timestamp, history_user_id, history_comment */
} pondi_role;

enum { PONDI_ROLE_COUNT = PONDI_ROLE_HISTORY };

/* How many fields others can make a program add, unless it says otherwise. */
enum { PONDI_MOST_NEW_FIELDS = 500, PONDI_MOST_FIELDS = 1000 };

typedef struct pondi_column {
    const char *name;
    const char *declared; /* as the database says */
    const char *type;     /* as the meta table says; "" for none */
    pondi_storage storage;
    pondi_role role;
    int in_history;
    int required; /* NOT NULL without a default */
} pondi_column;

/* One entity's tables as they were read; never changed after that. */
typedef struct pondi_entity {
    pondi_refcount refs;
    struct pondi_entity *next; /* in the schema's bucket */
    pondi_arena arena;
    char *name;
    pondi_column *columns; /* of the main table, in its order */
    size_t count;
    size_t capacity;
    pondi_names names;         /* of the columns */
    pondi_names history_names; /* of the history's columns */
    int has_main;
    int has_history;
    int has_meta;
    /* MySQL: of new text columns, one that tells every two texts apart where the server has it */
    const char *collation;
    int loose;      /* the tables' ids have a collation, or a type, that takes some for the same */
    int careful;    /* an upsert could meet a key or a rule of others: update, then insert */
    int64_t guard;  /* what the guard of a write must find, see write.c */
    uint32_t shape; /* a hash of the columns and their types */
    char other[80]; /* the table that differs only by case; "" for none */
    size_t id_at;   /* index of the column; SIZE_MAX for none */
    size_t foreign_at; /* of one that is called like the library's own and is not; SIZE_MAX */
} pondi_entity;

struct pond_schema {
    pondi_refcount refs;
    pond_dialect dialect;
    const pondi_entity_dialect *facts; /* of it */
    uint32_t capabilities;
    uint32_t max_new_fields; /* of one call */
    uint32_t max_fields;     /* of one table */
    pthread_mutex_t lock;    /* guards all below */
    pondi_entity *buckets[64];
    struct pondi_taint *taints;
};

/* The role of a column by its name. */
pondi_role pondi_role_of(const char *name);
/* Name and storage of a column of the library's own. */
const char *pondi_role_name(pondi_role role);
pondi_storage pondi_role_storage(pondi_role role);

/* A column by name, NULL if there is none. */
const pondi_column *pondi_entity_find(const pondi_entity *entity, const char *name);
/* One that differs at most in case: the first of them. */
const pondi_column *pondi_entity_find_like(const pondi_entity *entity, const char *name);
/* True if all columns of the library's own are there, in both tables, and all three tables. */
int pondi_entity_is_complete(const pondi_entity *entity);

pondi_entity *pondi_entity_new(const char *name, pond_error **err);
pondi_column *pondi_entity_add(pondi_entity *entity, const char *name, const char *declared);
pondi_entity *pondi_entity_retain(pondi_entity *entity);
void pondi_entity_release(pondi_entity *entity);

/* A reference to what is known, or NULL. Any thread. */
pondi_entity *pondi_schema_find(pond_schema *schema, const char *name);

/* Make it known. `joined`: it was read within a transaction of the caller's, so it is not known to
 * others while the schema is tainted for this entity. Any thread. */
void pondi_schema_publish(pond_schema *schema, pondi_entity *entity, int joined);

/* An open transaction changed the entity's tables: what it reads of them may be rolled back. */
void pondi_schema_taint(pond_schema *schema, const char *name);

#endif

/* A plan: what one call does, as steps that somebody else carries out.
 *
 * A state is a function. It either names the next step and the state to go on with, or ends the
 * plan. A step that fails ends the round: what was begun is undone, and then the plan begins anew,
 * where that can help, or fails. Between rounds only arguments and counters are kept.
 */
#ifndef PONDI_ENTITY_PLAN_H
#define PONDI_ENTITY_PLAN_H

#include "base/buffer.h"
#include "base/names.h"
#include "entity/schema.h"
#include "entity/text.h"

typedef void (*pondi_state)(pond_plan *plan);

typedef enum pondi_entity_call {
#define POND_X(verb, VERB, call) PONDI_ENTITY_##VERB,
    POND_ENTITY_CALL_MAP(POND_X)
#undef POND_X
} pondi_entity_call;

typedef struct pondi_plan_class {
    int writes;
    /* Check the arguments against plan->entity, and fit values to columns; notes in plan->news what
     * has no column yet. May be NULL. */
    int (*check)(pond_plan *plan, pond_error **err);
    /* True if the body has to be in a transaction. May be NULL: it need not. */
    int (*needs_transaction)(const pond_plan *plan);
    /* The steps themselves: at last pondi_plan_leave() or pondi_plan_fail(). */
    pondi_state body;
} pondi_plan_class;

/* One field to save. */
typedef struct pondi_field {
    const char *name;
    const char *type;  /* "" for none of the host's own */
    pond_value value;  /* as given */
    pond_value fitted; /* as the column takes it */
    size_t column;     /* in plan->entity; SIZE_MAX for none */
} pondi_field;

typedef struct pondi_record {
    pondi_field *fields; /* without the library's own */
    size_t count;
    pond_value id;
    int made_id;
} pondi_record;

/* A field that has no column yet. */
typedef struct pondi_new_field {
    const char *name;
    const char *type;
    pondi_storage storage;
} pondi_new_field;

struct pond_plan {
    pondi_refcount refs;
    const pondi_plan_class *class;
    pond_schema *schema;
    pondi_arena arena; /* arguments, and what rounds make of them */
    /* arguments */
    const char *name; /* of the entity; "" for none */
    const char *call; /* what it is counted as, such as "save_entity" */
    uint32_t flags;
    const char *user_id; /* or NULL */
    const char *comment; /* or NULL */
    int64_t expected;    /* a version, or POND_VERSION_* */
    const char *where;   /* or NULL */
    pond_value *where_params;
    size_t where_count;
    const char *order_by; /* or NULL */
    int64_t limit;        /* negative: none */
    int64_t offset;
    pond_value *ids; /* of get, delete and so on */
    size_t id_count;
    pondi_record *records;
    size_t record_count;
    uint32_t max_new_fields; /* 0: the schema's */
    uint32_t max_fields;
    uint64_t first_record; /* how errors count the first */
    size_t *earlier;       /* of bulk.c: the record before with the same id; SIZE_MAX for none */
    pond_value *items;     /* of bulk.c: arrays of the step that waits */
    int verb;              /* of write.c and read.c */
    int64_t numbers[2];    /* a version, or instants */
    /* answer */
    int status;
    pond_error *error;
    pond_result *result;
    int64_t number;
    /* conversation */
    int started;
    uint32_t kind; /* of the step that waits for its answer; DONE for none */
    pondi_buffer sql;
    pond_value *values;
    size_t value_count;
    size_t value_capacity;
    int values_failed;
    size_t rows; /* of parameters */
    int block;   /* the statement is a compound one, or with `batch` a list of them */
    int batch;
    int undoes; /* the step goes on though the call's time is over, or it was cancelled */
    int64_t wait_ms;
    pondi_state then;
    int catches;      /* `then` looks at `failure` itself */
    pond_result *got; /* what the last step returned; or NULL */
    pond_error *failure;
    int open; /* a transaction is open after the failure */
    /* round */
    uint32_t capabilities; /* the schema's and the connection's */
    pondi_entity *entity;
    pondi_new_field *news; /* an array of new_count, and where each is by its name */
    size_t new_count;
    size_t new_capacity;
    pondi_names new_names;
    int joined;        /* the caller's transaction is open */
    int owns;          /* ours is */
    int saved;         /* our savepoint is set */
    int names_columns; /* the server cannot say what * means */
    pondi_state loaded;
    int private; /* what is loaded is not to be published */
    unsigned attempts;
    unsigned heals;
    unsigned alters;
    int versions;            /* new rows look for their version in the history */
    int lock_wait_shortened; /* the session needs PONDI_RESTORE_LOCK_WAIT */
    pond_value now;
    size_t at; /* where the body is in records, ids or statements */
    size_t ends;
    size_t made; /* of bulk.c and alter_sql.c */
    size_t making;
    size_t added;
    unsigned stage;
    int one_by_one;
};

/* In the caller's transaction. */
#define PONDI_SAVEPOINT "SAVEPOINT millpond_entity"
#define PONDI_BACK_TO_SAVEPOINT "ROLLBACK TO SAVEPOINT millpond_entity"
#define PONDI_RELEASE_SAVEPOINT "RELEASE SAVEPOINT millpond_entity"

/* Make the session wait only briefly for a table lock, and restore the limit that it had. The
 * server evaluates all values before it sets the first. */
#define PONDI_SHORTEN_LOCK_WAIT \
    "SET @millpond_lock_wait = @@SESSION.lock_wait_timeout, SESSION lock_wait_timeout = 1"
#define PONDI_RESTORE_LOCK_WAIT "SET SESSION lock_wait_timeout = @millpond_lock_wait"

/* ---- plan.c ---- */
/* Name what the call is counted as. */
void pondi_plan_name(pond_plan *plan, pondi_entity_call call);
int pondi_plan_new(const pondi_plan_class *class, pond_schema *schema, const char *entity,
                   const pond_entity_options *options, pond_plan **out, pond_error **err);

/* The same for a plan that is of no entity in particular. */
int pondi_plan_new_for_all(const pondi_plan_class *class, pond_schema *schema, pond_plan **out,
                           pond_error **err);

/* Begin a statement: an empty text and no parameters. Never NULL. */
pondi_buffer *pondi_plan_sql(pond_plan *plan);
void pondi_plan_param(pond_plan *plan, const pond_value *value);
void pondi_plan_param_text(pond_plan *plan, const char *text); /* NULL: null */
void pondi_plan_param_integer(pond_plan *plan, int64_t integer);

/* Have the statement executed, and go on with `then` if it went well. */
void pondi_plan_execute(pond_plan *plan, pondi_state then);
/* The same for a compound statement that begins and ends a transaction itself, and for a list of
 * statements that the driver wraps in one: see pondi_request. */
void pondi_plan_execute_block(pond_plan *plan, pondi_state then);
void pondi_plan_execute_batch(pond_plan *plan, pondi_state then);
/* The same for each of so many rows of parameters. */
void pondi_plan_execute_many(pond_plan *plan, size_t rows, pondi_state then);
/* The same, by itself and committed: for DDL while the caller's transaction is open. */
void pondi_plan_execute_apart(pond_plan *plan, pondi_state then);
void pondi_plan_command(pond_plan *plan, pond_step_kind kind, pondi_state then);
/* A statement without parameters. */
void pondi_plan_run(pond_plan *plan, const char *sql, pondi_state then);
/* The same for one that undoes what was done: it goes on whatever becomes of the call. */
void pondi_plan_run_undo(pond_plan *plan, const char *sql, pondi_state then);

/* End the body: commit, and give the answer, which was set before. */
void pondi_plan_leave(pond_plan *plan);
/* The plan has its answer, or failed; takes `error` over. */
void pondi_plan_finish(pond_plan *plan, pond_error *error);
/* Let others go first. */
void pondi_plan_pause(pond_plan *plan, int64_t wait_ms, pondi_state then);
/* Begin the round with what is known of the schema. */
void pondi_plan_round(pond_plan *plan);
/* The number in row 0 of what was returned; `fallback` if there is none. */
int64_t pondi_plan_got_number(pond_plan *plan, size_t column, int64_t fallback);
size_t pondi_plan_got_rows(const pond_plan *plan);

/* ---- plan_failure.c ---- */
/* Undo, and fail; takes `error` over. */
void pondi_plan_fail(pond_plan *plan, pond_error *error);
/* The same for what a statement failed with: the plan may begin again. `open`: the transaction. */
void pondi_plan_undo(pond_plan *plan, pond_error *error, int open);
/* Nothing is open, and others were in the way: let them go first, then begin again. Takes `error`
 * over, which it fails with if that goes on. */
void pondi_plan_give_way(pond_plan *plan, pond_error *error);
/* Undo, read the schema anew and begin again. */
void pondi_plan_stale(pond_plan *plan);
/* Fail: the tables take an id for another one that is there. */
void pondi_plan_met_another(pond_plan *plan);
/* Give up waiting memory: fails the plan. */
void pondi_plan_nomem(pond_plan *plan);

/* ---- plan_host.c ---- */
/* Answer the step that waits; each takes its argument over. */
void pondi_plan_feed(pond_plan *plan, pond_result *result);
void pondi_plan_feed_failure(pond_plan *plan, pond_error *error, int open);

static inline pond_dialect pondi_plan_dialect(const pond_plan *plan)
{
    return plan->schema->dialect;
}

static inline const pondi_entity_dialect *pondi_plan_facts(const pond_plan *plan)
{
    return plan->schema->facts;
}

static inline int pondi_plan_can(const pond_plan *plan, uint32_t capability)
{
    return (plan->capabilities & capability) != 0;
}

/* ---- args.c ---- */
pond_value pondi_text_value(const char *text);
int pondi_copy_value(pondi_arena *arena, const pond_value *from, pond_value *to, pond_error **err);
int pondi_copy_records(pond_plan *plan, const pond_record *records, size_t count, pond_error **err);
int pondi_copy_ids(pond_plan *plan, const char *const *ids, size_t count, pond_error **err);
/* Ids of a table of others must be what it has: databases make a number of any text. */
int pondi_plan_check_ids(const pond_plan *plan, pond_error **err);

/* ---- load.c ---- */
/* Read what the database has, into plan->entity; then plan->loaded. */
void pondi_plan_load(pond_plan *plan, pondi_state loaded);

/* ---- fit_records.c ---- */
/* Find the columns of the records' fields, fit the values, and note new fields. */
int pondi_plan_check_records(pond_plan *plan, pond_error **err);
int pondi_plan_needs_alter(const pond_plan *plan);

/* ---- alter.c ---- */
/* Make what is missing, then begin the round again. */
void pondi_plan_alter(pond_plan *plan);

/* ---- clause.c ---- */
/* The table, or its history: `"person_history"`. */
void pondi_put_table(pond_plan *plan, const char *suffix);
/* Append `id = ?`. Where the tables take some ids for the same, they are compared as bytes, too. */
void pondi_put_id_is(pond_plan *plan, const pond_value *id);
/* Such a table's id as what compares byte by byte: an operator and parameters follow. */
const char *pondi_id_as_bytes(const pond_plan *plan);
/* Append the caller's condition in parentheses, with its parameters. */
int pondi_put_where(pond_plan *plan, pond_error **err);
/* Append ORDER BY, with the id at its end. */
int pondi_put_order(pond_plan *plan, pond_error **err);
void pondi_put_limit(pond_plan *plan);

/* ---- answer.c ---- */
/* Take what was returned as the answer. */
void pondi_plan_answer_rows(pond_plan *plan);
/* One column `id`, of the records. */
int pondi_plan_answer_ids(pond_plan *plan);
/* True if all columns of what was returned are known to the schema. */
int pondi_plan_knows_columns(const pond_plan *plan);

#endif

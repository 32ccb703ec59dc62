/* Entities: records in ordinary tables, which get their columns as fields are first saved, with a
 * full history of every change.
 *
 * An entity named `person` lives in the tables `person` (the current rows), `person_history` (one
 * full row for every save, delete and restore, versions 1, 2, 3 ... per id) and `person_meta` (what
 * type each field has). docs/entities.md shows the tables, per database.
 *
 * Every call is a plan: a state machine that does no I/O. It names its next statement, is told what
 * came of it, and so on until it has its answer. On a pooled connection one call runs a plan:
 *
 *     pond_plan *plan = NULL;
 *     pond_plan_get(schema, "person", "7", NULL, &plan, &err);
 *     pond_connection_run_wait(connection, plan, POND_TIMEOUT_DEFAULT, &err);
 *     pond_result *row = pond_plan_take_result(plan);
 *
 * Over a connection of the host's own (a backend in another language), the host drives it:
 *
 *     pond_plan_start(plan, in_transaction, &err);
 *     for (;;) {
 *         pond_step step = {sizeof(step)};
 *         pond_plan_next(plan, &step);
 *         if (step.kind == POND_STEP_DONE)
 *             break;
 *         ... do it, then one of pond_plan_feed_rows() and pond_plan_feed_error()
 *     }
 *
 * A plan is used once, by one thread at a time. Included by millpond.h, whose conventions hold.
 */
#ifndef MILLPOND_ENTITY_H
#define MILLPOND_ENTITY_H

#include "millpond/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Schemas ----------------------------------------------------------------------------- */

/* What is known of the entity tables of one database: a cache, shared by all connections to it.
 * It never knows more than what was committed, and what others change in the database is noticed
 * when a statement fails for it, and read anew. */
typedef struct pond_schema pond_schema;

/* What a database can do, besides what all databases of its dialect can. */
#define POND_CAN_RETURN 1u       /* INSERT ... RETURNING */
#define POND_CAN_WRITE_IN_CTE 2u /* WITH x AS (INSERT ... RETURNING ...) SELECT ... */
#define POND_CAN_RUN_BLOCK 4u    /* BEGIN NOT ATOMIC ... END with parameters, as MariaDB */

/* Make the cache for a database that the host reaches by its own means: one for each database, not
 * for each connection. `capabilities`: the sum of POND_CAN_* that hold. Errors: POND_EINVAL for
 * what is no dialect. Thread: any. */
POND_API int pond_schema_new(pond_dialect dialect, uint32_t capabilities, pond_schema **out,
                             pond_error **err);
POND_API pond_schema *pond_schema_retain(pond_schema *schema);
POND_API void pond_schema_release(pond_schema *schema);

/* The cache of a pool's database; a new reference. Errors: POND_ENOTSUPPORTED for a driver without
 * SQL. Thread: any. */
POND_API int pond_pool_schema(pond_pool *pool, pond_schema **out, pond_error **err);

/* Forget what is known of an entity (NULL: of all): it is read again when needed. Thread: any. */
POND_API void pond_schema_forget(pond_schema *schema, const char *entity);

/* ---- Fields ------------------------------------------------------------------------------ */

/* One field of an entity to save. Types of columns follow from the first value that is not null:
 *   bool, int, float, decimal, text, bytes, date, time, uuid, json    from the value's own type
 *   datetime, datetimetz                      from POND_TYPE_TIMESTAMP and POND_TYPE_TIMESTAMPTZ
 * `type` may name a type of the host's own ("tuple", "enum:app.Color"; a lower-case letter first,
 * at most 120 bytes, no spaces, quotes, backslashes or parentheses): it is kept in the meta table,
 * and told again with results. A later value must fit the column, else POND_EDATA before anything
 * is written; text fits date, time, uuid, decimal and datetime if it is one.
 *
 * In a json field, text is text: it is stored as a JSON string, whatever it contains, and a read
 * with POND_ENTITY_PLAIN gives it back. JSON is a value of POND_TYPE_JSON. One whose type is not
 * the field's is stored as {"$type": type, "$value": value}, and so is text that has a type.
 * Content cannot imitate that: its keys "$type" are stored as "$$type" (and "$$type" as "$$$type"),
 * which reads undo, but for those with POND_ENTITY_PLAIN or POND_ENTITY_TAGGED. */
typedef struct pond_field {
    const char *name; /* letters, digits and _; not beginning with a digit */
    const char *type; /* or NULL */
    pond_value value;
} pond_field;

/* The fields of one entity. `id` is one of them (text), or is made: a random UUID as text. Fields
 * that the library keeps itself (created_at, created_by, updated_at, updated_by, deleted_at,
 * version, history_timestamp, history_user_id, history_comment) are ignored, so that what was read
 * can be changed and saved. */
typedef struct pond_record {
    const pond_field *fields;
    uint64_t field_count;
} pond_record;

/* Flags of pond_entity_options. */
#define POND_ENTITY_DELETED 1u   /* rows that are marked as deleted count, too */
#define POND_ENTITY_PERMANENT 2u /* delete the row itself, not only mark it */
/* Results hold only null, bool, int, float, text and bytes: times as ISO 8601, decimals in digits
 * without trailing zeros, JSON as it is stored, with POND_TEXT_JSON in `aux`. A JSON string is its
 * text. */
#define POND_ENTITY_PLAIN 4u
/* Check what would be saved, and make the tables and columns for it, but write no row. */
#define POND_ENTITY_PREPARE 8u
/* JSON of fields is in its stored form, both ways: the host writes and reads objects with "$type"
 * by itself, and sees to it that no content of others becomes one. */
#define POND_ENTITY_TAGGED 16u

/* As expected_version: no check; there must be no row. */
#define POND_VERSION_ANY ((int64_t)0)
#define POND_VERSION_NONE ((int64_t)-1)

/* As limit: all rows; not even one. */
#define POND_LIMIT_NONE ((int64_t)0)
#define POND_LIMIT_NO_ROWS ((int64_t)-1)

/* How to call; a NULL pointer stands for the defaults, and so does zero in each member but
 * struct_size. Each function says what it looks at. */
typedef struct pond_entity_options {
    uint32_t struct_size;     /* set by the caller to sizeof(pond_entity_options) */
    uint32_t flags;           /* POND_ENTITY_* */
    const char *user_id;      /* who does it, at most 255 bytes; or NULL */
    const char *comment;      /* for the history; or NULL */
    int64_t expected_version; /* what the row's version must be, or POND_VERSION_NONE */
    const char *where;        /* a condition on columns, with ? for params; or NULL */
    const pond_value *params;
    uint64_t param_count;
    const char *order_by; /* "name, age DESC NULLS LAST"; or NULL: by id */
    int64_t limit;        /* at most so many rows, or POND_LIMIT_NO_ROWS; 0: no limit */
    int64_t offset;       /* after so many */
    /* since 0.1, after its first release: what saves may add to a table, so that the keys of data
     * that others send do not; 0 for the pool's settings entity_max_new_fields and
     * entity_max_fields, else 500 and 1,000 */
    uint32_t max_new_fields; /* in one call */
    uint32_t max_fields;     /* in the whole table, beside the library's own */
    uint64_t first_record;   /* how errors count the first of many records */
} pond_entity_options;

/* The defaults, to be changed by the caller. */
#define POND_ENTITY_OPTIONS_INIT                                                           \
    {                                                                                      \
        sizeof(pond_entity_options), 0, NULL, NULL, POND_VERSION_ANY, NULL, NULL, 0, NULL, \
            POND_LIMIT_NONE, 0, 0, 0, 0                                                    \
    }

/* ---- Plans ------------------------------------------------------------------------------- */

/* The one table of entity calls, from which bindings make their lists. X(verb, VERB, call): `call`
 * is what a plan of this verb is counted as, and the method's name in the bindings. Append-only. */
#define POND_ENTITY_CALL_MAP(X)                       \
    X(save, SAVE, "save_entity")                      \
    X(save_many, SAVE_MANY, "save_entities")          \
    X(get, GET, "get_entity")                         \
    X(get_many, GET_MANY, "get_entities")             \
    X(delete, DELETE, "delete_entity")                \
    X(restore, RESTORE, "restore_entity")             \
    X(find, FIND, "find_entities")                    \
    X(count, COUNT, "count_entities")                 \
    X(history, HISTORY, "get_entity_history")         \
    X(between, BETWEEN, "get_entity_history_between") \
    X(version, VERSION, "get_entity_by_version")      \
    X(list, LIST, "list_entities")

/* One call on its way, and then its answer. */
typedef struct pond_plan pond_plan;

/* Each makes a plan; all arguments are copied. The common errors: POND_EINVAL for a name that is
 * too long or has other characters, for an id that is empty or longer than 255 bytes, and for
 * options out of range. What the database says against it comes when the plan is run. Thread: any.
 */

/* Create or update; only the given fields change. Options: user_id, comment, expected_version,
 * max_new_fields, max_fields, PLAIN, TAGGED. Answer: one row, the whole entity. The plan fails with
 * POND_EVERSION if the version is another. Errors: the common ones. Thread: any. */
POND_API int pond_plan_save(pond_schema *schema, const char *entity, const pond_record *record,
                            const pond_entity_options *options, pond_plan **out, pond_error **err);

/* Create or update many, each with fields of its own: all or none. Options: user_id, comment,
 * max_new_fields, max_fields, first_record, PREPARE, TAGGED. Answer: one column `id`, in the order
 * given. Errors: the common ones; pond_error_row() tells which record. Thread: any. */
POND_API int pond_plan_save_many(pond_schema *schema, const char *entity,
                                 const pond_record *records, uint64_t record_count,
                                 const pond_entity_options *options, pond_plan **out,
                                 pond_error **err);

/* One row by its id, or none. Options: DELETED, PLAIN. Errors: the common ones. Thread: any. */
POND_API int pond_plan_get(pond_schema *schema, const char *entity, const char *id,
                           const pond_entity_options *options, pond_plan **out, pond_error **err);

/* The rows that exist of these ids, in no particular order. Options: DELETED, PLAIN. Errors: the
 * common ones. Thread: any. */
POND_API int pond_plan_get_many(pond_schema *schema, const char *entity, const char *const *ids,
                                uint64_t id_count, const pond_entity_options *options,
                                pond_plan **out, pond_error **err);

/* Mark as deleted, or delete for good; the answer's number is 1 if there was a row to delete.
 * Options: user_id, comment, expected_version, PERMANENT. Errors: the common ones. Thread: any. */
POND_API int pond_plan_delete(pond_schema *schema, const char *entity, const char *id,
                              const pond_entity_options *options, pond_plan **out,
                              pond_error **err);

/* Take the mark away; the answer's number is 1 if there was one. Options: user_id, comment,
 * expected_version. Errors: the common ones. Thread: any. */
POND_API int pond_plan_restore(pond_schema *schema, const char *entity, const char *id,
                               const pond_entity_options *options, pond_plan **out,
                               pond_error **err);

/* Rows that meet a condition. Options: where, params, order_by, limit, offset, DELETED, PLAIN.
 * Errors: POND_ESYNTAX for a condition or order that is more than one; the common ones. Thread:
 * any. */
POND_API int pond_plan_find(pond_schema *schema, const char *entity,
                            const pond_entity_options *options, pond_plan **out, pond_error **err);

/* How many there are: the answer's number. Options: where, params, DELETED. Errors: the common
 * ones. Thread: any. */
POND_API int pond_plan_count(pond_schema *schema, const char *entity,
                             const pond_entity_options *options, pond_plan **out, pond_error **err);

/* All versions of one id, ascending. Options: limit, offset, PLAIN. Errors: the common ones.
 * Thread: any. */
POND_API int pond_plan_history(pond_schema *schema, const char *entity, const char *id,
                               const pond_entity_options *options, pond_plan **out,
                               pond_error **err);

/* What changed from one instant to before another (microseconds since 1970-01-01 UTC), of one id or
 * (NULL) of all, by time, id and version. Options: limit, offset, PLAIN. Errors: the common ones.
 * Thread: any. */
POND_API int pond_plan_history_between(pond_schema *schema, const char *entity, const char *id,
                                       int64_t from_us, int64_t to_us,
                                       const pond_entity_options *options, pond_plan **out,
                                       pond_error **err);

/* One version of one id, or no row. Options: PLAIN. Errors: the common ones. Thread: any. */
POND_API int pond_plan_version(pond_schema *schema, const char *entity, const char *id,
                               int64_t version, const pond_entity_options *options, pond_plan **out,
                               pond_error **err);

/* The names of the database's entities: one column `name`, in order. Errors: POND_ENOMEM. Thread:
 * any. */
POND_API int pond_plan_list(pond_schema *schema, pond_plan **out, pond_error **err);

POND_API pond_plan *pond_plan_retain(pond_plan *plan);
POND_API void pond_plan_release(pond_plan *plan);

/* What the call is counted as in metrics, and what its circuit breaker is called: "save_entity",
 * "find_entities" and so on. Static memory. Thread: any. */
POND_API const char *pond_plan_call(const pond_plan *plan);

/* ---- The answer -------------------------------------------------------------------------- */

/* POND_PENDING, POND_OK, or the code that the plan failed with. Thread: any, one at a time. */
POND_API int pond_plan_status(const pond_plan *plan);

/* Take the rows of the answer, NULL if it has none; and the error. The caller owns what it gets.
 * Thread: any, one at a time. */
POND_API pond_result *pond_plan_take_result(pond_plan *plan);
POND_API pond_error *pond_plan_take_error(pond_plan *plan);

/* A count, or 1 and 0 for true and false. Thread: any, one at a time. */
POND_API int64_t pond_plan_number(const pond_plan *plan);

/* The type of a column of an entity's rows, as the meta table has it ("int", "tuple"); "" for a
 * column that is none of an entity. Owned by the result. Thread: any. */
POND_API const char *pond_result_column_type(const pond_result *result, size_t column);

/* ---- Running ----------------------------------------------------------------------------- */

/* Run a plan that was not started, in a transaction of its own, which is done again after a
 * deadlock or serialization failure; or, if one is open, as a part of it that fails alone. The
 * plan's schema must be the pool's. Completes when the plan is done, with its status. Errors: what
 * the statements can fail with. Thread: loop. */
POND_API int pond_connection_run(pond_connection *connection, pond_plan *plan, int64_t timeout_ms,
                                 void *user_data, pond_op **op, pond_error **err);
POND_API int pond_connection_run_wait(pond_connection *connection, pond_plan *plan,
                                      int64_t timeout_ms, pond_error **err);

/* ---- Driving it oneself ------------------------------------------------------------------ */

/* What to do next. */
typedef enum pond_step_kind {
    POND_STEP_DONE = 0,         /* nothing: the plan has its answer */
    POND_STEP_EXECUTE = 1,      /* one statement, column_count parameters */
    POND_STEP_EXECUTE_MANY = 2, /* one statement for each row of parameters, atomically */
    POND_STEP_BEGIN = 3,
    POND_STEP_COMMIT = 4,
    POND_STEP_ROLLBACK = 5,
    POND_STEP_APART = 6, /* as EXECUTE, but on another connection than the one whose transaction is
                            open, and committed; a failure may be POND_ENOTSUPPORTED */
    POND_STEP_PAUSE = 7  /* wait for wait_ms, then feed no rows: others go first */
} pond_step_kind;

/* The step undoes what was done: carry it out even if the call is cancelled or its time is over. */
#define POND_STEP_UNDOES 1u

/* A step of a plan. */
typedef struct pond_step {
    uint32_t struct_size; /* set by the caller to sizeof(pond_step) */
    uint32_t kind;        /* a pond_step_kind */
    const char *sql;      /* with ? placeholders, NUL-terminated; see pond_sql_convert() */
    uint64_t sql_size;
    const pond_value *params; /* row-major */
    uint64_t row_count;       /* 1 but for EXECUTE_MANY */
    uint64_t column_count;
    int64_t wait_ms;
    /* since 0.1, after its first release */
    uint32_t flags; /* POND_STEP_UNDOES, or 0 */
    uint32_t reserved;
} pond_step;

/* Begin; `in_transaction`: whether the caller has one open on the connection. Errors: POND_EMISUSE
 * if it was started before. Thread: any, one at a time. */
POND_API int pond_plan_start(pond_plan *plan, int in_transaction, pond_error **err);

/* The next step, the same until it is answered. What it points to lives until then. Errors:
 * POND_EMISUSE if the plan was not started. Thread: any, one at a time. */
POND_API int pond_plan_next(pond_plan *plan, pond_step *out, pond_error **err);

/* Answer a step that went well: rows of values, row-major, with the names of their columns, which
 * are copied. `affected`: rows that a write touched, or -1 if the database does not say. Errors:
 * POND_EMISUSE if no step waits, POND_ENOMEM: the step still waits. Thread: any, one at a time. */
POND_API int pond_plan_feed_rows(pond_plan *plan, const char *const *names,
                                 const pond_value *values, uint64_t row_count,
                                 uint64_t column_count, int64_t affected, pond_error **err);

/* Answer a step that failed: the code decides what the plan does. POND_EUNIQUE, POND_EUNDEFINED,
 * POND_EDEADLOCK and POND_ESERIALIZATION may mean to try again, POND_EPROGRAMMING that a column is
 * there already. `message` is kept for the plan's own error; it and `sqlstate` may be NULL.
 * `still_open`: whether the caller's or the plan's transaction is open now. Errors: POND_EMISUSE if
 * no step waits. Thread: any, one at a time. */
POND_API int pond_plan_feed_error(pond_plan *plan, int code, const char *sqlstate,
                                  const char *message, int still_open, pond_error **err);

#ifdef __cplusplus
}
#endif

#endif /* MILLPOND_ENTITY_H */

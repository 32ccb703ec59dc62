#include "entity/plan.h"

#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/given.h"
#include "driver/result.h"
#include "millpond/millpond.h"

enum {
    LONGEST_NAME = 55, /* and "_history" makes 63, PostgreSQL's limit */
    LONGEST_USER = 255,
    MOST_ALTERS = 8
};

/* ---- Create and destroy ------------------------------------------------------------------ */

static int read_options(const pond_entity_options *given, pond_entity_options *options,
                        pond_error **err)
{
    static const uint32_t flags = POND_ENTITY_DELETED | POND_ENTITY_PERMANENT |
                                  POND_ENTITY_PREPARE | POND_ENTITY_PLAIN | POND_ENTITY_TAGGED;
    *options = (pond_entity_options)POND_ENTITY_OPTIONS_INIT;
    if (!given)
        return POND_OK;
    if (given->struct_size < sizeof(given->struct_size))
        return pondi_error_set(err, POND_EINVAL,
                               "struct_size is %u: set it to sizeof(pond_entity_options)",
                               (unsigned)given->struct_size);
    size_t size = given->struct_size;
    memcpy(options, given, size < sizeof(*options) ? size : sizeof(*options));
    if (options->flags & ~flags)
        return pondi_error_set(err, POND_EINVAL, "flags is %#x: unknown flag %#x",
                               (unsigned)options->flags, (unsigned)(options->flags & ~flags));
    if (options->expected_version < POND_VERSION_NONE)
        return pondi_error_set(err, POND_EINVAL, "expected_version is %lld: versions begin at 1",
                               (long long)options->expected_version);
    if (options->limit < POND_LIMIT_NO_ROWS)
        return pondi_error_set(err, POND_EINVAL, "limit is %lld: it must not be negative",
                               (long long)options->limit);
    if (options->offset < 0)
        return pondi_error_set(err, POND_EINVAL, "offset is %lld: it must not be negative",
                               (long long)options->offset);
    return POND_OK;
}

/* A copy of text that may be NULL; 0 when memory is out. */
static int copy_text(pond_plan *plan, const char *text, const char **out)
{
    *out = text ? pondi_arena_copy(&plan->arena, text, strlen(text)) : NULL;
    return !text || *out;
}

static int keep_options(pond_plan *plan, const pond_entity_options *options, pond_error **err)
{
    plan->flags = options->flags;
    plan->max_new_fields = options->max_new_fields;
    plan->first_record = options->first_record;
    plan->max_fields = options->max_fields;
    plan->expected = options->expected_version;
    plan->limit = options->limit == POND_LIMIT_NO_ROWS ? 0
                  : options->limit == POND_LIMIT_NONE  ? -1
                                                       : options->limit;
    plan->offset = options->offset;
    plan->where_count = (size_t)options->param_count;
    size_t user_size = options->user_id ? strlen(options->user_id) : 0;
    if (user_size > LONGEST_USER)
        return pondi_error_set(err, POND_EINVAL, "user_id has %zu bytes: the maximum is %d",
                               user_size, LONGEST_USER);
    if (!copy_text(plan, options->user_id, &plan->user_id) ||
        !copy_text(plan, options->comment, &plan->comment) ||
        !copy_text(plan, options->where, &plan->where) ||
        !copy_text(plan, options->order_by, &plan->order_by))
        return pondi_error_nomem(err);
    int code = pondi_given_array(err, "params", options->params, options->param_count);
    if (code || !plan->where_count)
        return code;
    plan->where_params =
        pondi_arena_alloc(&plan->arena, plan->where_count * sizeof(*plan->where_params));
    if (!plan->where_params)
        return pondi_error_nomem(err);
    for (size_t i = 0; i < plan->where_count && !code; i++)
        code = pondi_copy_value(&plan->arena, &options->params[i], &plan->where_params[i], err);
    return code;
}

static int check_entity(const char *entity, pond_error **err)
{
    static const char *const suffixes[] = {"_history", "_meta"};
    int code = pondi_check_name(entity, LONGEST_NAME, "an entity", err);
    size_t size = strlen(entity);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]) && !code; i++) {
        size_t tail = strlen(suffixes[i]);
        if (size > tail && strcmp(entity + size - tail, suffixes[i]) == 0)
            code = pondi_error_set(err, POND_EINVAL,
                                   "an entity cannot be called \"%s\": names that end in %s are "
                                   "reserved for the library's own tables",
                                   entity, suffixes[i]);
    }
    return code;
}

static int plan_new(const pondi_plan_class *class, pond_schema *schema, const char *entity,
                    const pond_entity_options *given, pond_plan **out, pond_error **err)
{
    pond_entity_options options;
    if (out)
        *out = NULL;
    int code = PONDI_GIVEN(err, schema, out);
    if (!code)
        code = read_options(given, &options, err);
    if (!code && entity)
        code = check_entity(entity, err);
    if (code)
        return code;
    pond_plan *plan = pondi_calloc(1, sizeof(*plan));
    if (!plan)
        return pondi_error_nomem(err);
    pondi_refcount_init(&plan->refs);
    pondi_arena_init(&plan->arena);
    pondi_buffer_init(&plan->sql);
    plan->class = class;
    plan->schema = pond_schema_retain(schema);
    plan->status = POND_PENDING;
    pondi_names_init(&plan->new_names, 1);
    plan->name = "";
    plan->call = "";
    if (entity && !copy_text(plan, entity, &plan->name))
        code = pondi_error_nomem(err);
    if (!code)
        code = keep_options(plan, &options, err);
    if (code)
        pond_plan_release(plan);
    else
        *out = plan;
    return code;
}

int pondi_plan_new(const pondi_plan_class *class, pond_schema *schema, const char *entity,
                   const pond_entity_options *given, pond_plan **out, pond_error **err)
{
    if (out)
        *out = NULL;
    int code = PONDI_GIVEN(err, entity);
    return code ? code : plan_new(class, schema, entity, given, out, err);
}

int pondi_plan_new_for_all(const pondi_plan_class *class, pond_schema *schema, pond_plan **out,
                           pond_error **err)
{
    return plan_new(class, schema, NULL, NULL, out, err);
}

pond_plan *pond_plan_retain(pond_plan *plan)
{
    if (plan)
        pondi_refcount_take(&plan->refs);
    return plan;
}

void pond_plan_release(pond_plan *plan)
{
    if (!plan || !pondi_refcount_drop(&plan->refs))
        return;
    pond_result_release(plan->result);
    pond_result_release(plan->got);
    pond_error_free(plan->error);
    pond_error_free(plan->failure);
    pondi_entity_release(plan->entity);
    pondi_buffer_free(&plan->sql);
    pondi_free(plan->values);
    pondi_free(plan->items);
    pondi_free(plan->news);
    pondi_names_free(&plan->new_names);
    pondi_arena_free(&plan->arena);
    pond_schema_release(plan->schema);
    pondi_free(plan);
}

/* ---- Steps ------------------------------------------------------------------------------- */

pondi_buffer *pondi_plan_sql(pond_plan *plan)
{
    plan->sql.size = 0;
    plan->sql.failed = 0;
    plan->value_count = 0;
    plan->values_failed = 0;
    return &plan->sql;
}

void pondi_plan_param(pond_plan *plan, const pond_value *value)
{
    if (plan->value_count == plan->value_capacity && !plan->values_failed) {
        size_t capacity = plan->value_capacity ? plan->value_capacity * 2 : 32;
        pond_value *values = pondi_realloc(plan->values, capacity * sizeof(*values));
        plan->values_failed = !values;
        if (values) {
            plan->values = values;
            plan->value_capacity = capacity;
        }
    }
    if (!plan->values_failed)
        plan->values[plan->value_count++] = *value;
}

void pondi_plan_param_text(pond_plan *plan, const char *text)
{
    pond_value value = {.type = POND_TYPE_NULL};
    if (text)
        value = pondi_text_value(text);
    pondi_plan_param(plan, &value);
}

void pondi_plan_param_integer(pond_plan *plan, int64_t integer)
{
    pond_value value = {.type = POND_TYPE_INT64};
    value.as.integer = integer;
    pondi_plan_param(plan, &value);
}

void pondi_plan_name(pond_plan *plan, pondi_entity_call call)
{
    static const char *const calls[] = {
#define POND_X(verb, VERB, call) call,
        POND_ENTITY_CALL_MAP(POND_X)
#undef POND_X
    };
    plan->call = calls[call];
}

static void step(pond_plan *plan, pond_step_kind kind, size_t rows, pondi_state then)
{
    pond_result_release(plan->got);
    plan->got = NULL;
    if (plan->sql.failed || plan->values_failed) {
        pondi_plan_nomem(plan);
        return;
    }
    plan->kind = (uint32_t)kind;
    plan->rows = rows;
    plan->block = 0;
    plan->batch = 0;
    plan->undoes = kind == POND_STEP_ROLLBACK;
    plan->then = then;
    plan->catches = 0;
}

void pondi_plan_execute(pond_plan *plan, pondi_state then)
{
    step(plan, POND_STEP_EXECUTE, 1, then);
}

void pondi_plan_execute_block(pond_plan *plan, pondi_state then)
{
    plan->owns = 1; /* what is left open if it is stopped in the middle */
    step(plan, POND_STEP_EXECUTE, 1, then);
    plan->block = 1;
}

void pondi_plan_execute_batch(pond_plan *plan, pondi_state then)
{
    pondi_plan_execute_block(plan, then);
    plan->batch = 1;
}

void pondi_plan_execute_many(pond_plan *plan, size_t rows, pondi_state then)
{
    step(plan, POND_STEP_EXECUTE_MANY, rows, then);
}

void pondi_plan_execute_apart(pond_plan *plan, pondi_state then)
{
    step(plan, POND_STEP_APART, 1, then);
}

void pondi_plan_command(pond_plan *plan, pond_step_kind kind, pondi_state then)
{
    pondi_plan_sql(plan);
    step(plan, kind, 1, then);
}

void pondi_plan_run(pond_plan *plan, const char *sql, pondi_state then)
{
    pondi_buffer_append_text(pondi_plan_sql(plan), sql);
    pondi_plan_execute(plan, then);
}

void pondi_plan_run_undo(pond_plan *plan, const char *sql, pondi_state then)
{
    pondi_plan_run(plan, sql, then);
    plan->undoes = 1;
}

void pondi_plan_pause(pond_plan *plan, int64_t wait_ms, pondi_state then)
{
    pondi_plan_command(plan, POND_STEP_PAUSE, then);
    plan->wait_ms = wait_ms;
}

/* ---- The end ----------------------------------------------------------------------------- */

void pondi_plan_finish(pond_plan *plan, pond_error *error)
{
    pond_result_release(plan->got);
    plan->got = NULL;
    plan->kind = POND_STEP_DONE;
    plan->status = error ? error->code : POND_OK;
    plan->error = error;
    if (error) {
        pond_result_release(plan->result);
        plan->result = NULL;
    }
}

static void left(pond_plan *plan)
{
    plan->owns = 0;
    plan->saved = 0;
    pondi_plan_finish(plan, NULL);
}

void pondi_plan_leave(pond_plan *plan)
{
    if (plan->owns)
        pondi_plan_command(plan, POND_STEP_COMMIT, left);
    else if (plan->saved)
        pondi_plan_run(plan, PONDI_RELEASE_SAVEPOINT, left);
    else
        left(plan);
}

/* ---- What was returned ------------------------------------------------------------------- */

size_t pondi_plan_got_rows(const pond_plan *plan)
{
    return plan->got ? pond_result_row_count(plan->got) : 0;
}

int64_t pondi_plan_got_number(pond_plan *plan, size_t column, int64_t fallback)
{
    enum { MOST = 64 };
    pond_value values[MOST];
    if (!pondi_plan_got_rows(plan) || pond_result_column_count(plan->got) > MOST ||
        column >= pond_result_column_count(plan->got) ||
        pond_result_row(plan->got, 0, values, NULL))
        return fallback;
    const pond_value *value = &values[column];
    return value->type == POND_TYPE_INT64 || value->type == POND_TYPE_BOOL ? value->as.integer
                                                                           : fallback;
}

/* ---- Rounds ------------------------------------------------------------------------------ */

static void begun(pond_plan *plan)
{
    plan->owns = !plan->joined;
    plan->saved = plan->joined;
    plan->class->body(plan);
}

/* Within the caller's transaction a failure must be undone alone. One statement is undone by
 * itself, but where it fails the transaction. */
static void enter(pond_plan *plan)
{
    int many = plan->class->needs_transaction && plan->class->needs_transaction(plan);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    plan->now.type = POND_TYPE_TIMESTAMPTZ;
    plan->now.as.integer = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    plan->at = 0;
    if (plan->joined && (many || pondi_plan_facts(plan)->errors_abort))
        pondi_plan_run(plan, PONDI_SAVEPOINT, begun);
    else if (many && !plan->joined)
        pondi_plan_command(plan, POND_STEP_BEGIN, begun);
    else
        plan->class->body(plan);
}

static void known(pond_plan *plan)
{
    pond_error *error = NULL;
    const pondi_entity *entity = plan->entity;
    if (entity && entity->other[0])
        pondi_error_set(&error, POND_EINVAL,
                        "the entity \"%s\" would differ only in case from the table \"%s\": use "
                        "that name",
                        plan->name, entity->other);
    else if (entity && entity->has_main && entity->id_at == SIZE_MAX)
        pondi_error_set(&error, POND_EINVAL,
                        "the table \"%s\" has no column \"id\", which an entity needs", plan->name);
    else if (entity && plan->class->writes && entity->foreign_at != SIZE_MAX)
        pondi_error_set(&error, POND_EINVAL,
                        "the table \"%s\" has a column \"%s\" (%s), which an entity needs for "
                        "itself: rename it",
                        plan->name, entity->columns[entity->foreign_at].name,
                        entity->columns[entity->foreign_at].declared);
    if (!error)
        pondi_plan_check_ids(plan, &error);
    if (!error && plan->class->check)
        plan->class->check(plan, &error);
    if (error) {
        pondi_plan_fail(plan, error);
        return;
    }
    if (!plan->class->writes || !pondi_plan_needs_alter(plan)) {
        enter(plan);
    } else if (plan->alters++ < MOST_ALTERS) {
        pondi_plan_alter(plan);
    } else {
        pondi_plan_stale(plan);
    }
}

void pondi_plan_round(pond_plan *plan)
{
    if (!plan->name[0]) { /* of no entity */
        enter(plan);
        return;
    }
    plan->private = 0;
    pondi_entity_release(plan->entity);
    plan->entity = pondi_schema_find(plan->schema, plan->name);
    if (plan->entity)
        known(plan);
    else
        pondi_plan_load(plan, known);
}

int pond_plan_start(pond_plan *plan, int in_transaction, pond_error **err)
{
    if (PONDI_GIVEN(err, plan))
        return POND_EINVAL;
    if (plan->started)
        return pondi_error_set(err, POND_EMISUSE, "the plan was started before: make another");
    plan->started = 1;
    plan->joined = in_transaction != 0;
    plan->capabilities |= plan->schema->capabilities;
    pondi_plan_round(plan);
    return POND_OK;
}

/* Plans without a database: scripted answers, and memory that runs out at each allocation in turn.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "check.h"

static pond_value text_value(const char *text)
{
    pond_value value = {.type = POND_TYPE_TEXT};
    value.as.text.data = text;
    value.as.text.size = strlen(text);
    return value;
}

static pond_value int_value(int64_t integer)
{
    pond_value value = {.type = POND_TYPE_INT64};
    value.as.integer = integer;
    return value;
}

/* ---- A database of one table, by the beginnings of the statements ------------------------ */

typedef struct script {
    int has_tables;
    int fails_once; /* the code that the first write fails with */
    int statements;
    int pauses;
    int begins;
    int commits;
    int rollbacks;
    int open;
    char last_write[4096];
} script;

static const char *const columns[] = {"id",         "created_at", "created_by", "updated_at",
                                      "updated_by", "deleted_at", "version",    "a"};
enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

static int feed_catalog(pond_plan *plan, const script *with, pond_error **err)
{
    static const char *const names[] = {"t", "c", "d", "r", "k", "g"};
    static const char *const tables[] = {"thing", "thing_history", "thing_meta"};
    pond_value values[3 * COLUMNS * 6];
    size_t count = 0;
    for (size_t t = 0; t < 3 && with->has_tables; t++) {
        for (size_t c = 0; c < COLUMNS; c++) {
            pond_value *row = &values[6 * count++];
            row[0] = text_value(tables[t]);
            row[1] = text_value(columns[c]);
            row[2] = text_value(c == COLUMNS - 1 || c == 6 ? "bigint" : "text");
            row[3] = int_value(0);
            row[4] = int_value(0);
            row[5] = int_value(8);
        }
    }
    return pond_plan_feed_rows(plan, names, values, count, 6, -1, err);
}

static int feed_entity(pond_plan *plan, pond_error **err)
{
    pond_value row[COLUMNS] = {{0}};
    row[0] = text_value("x");
    row[1] = text_value("2026-01-02 03:04:05+00:00");
    row[6] = int_value(1);
    row[7] = int_value(5);
    return pond_plan_feed_rows(plan, columns, row, 1, COLUMNS, 1, err);
}

static int starts(const pond_step *step, const char *with)
{
    return strncmp(step->sql, with, strlen(with)) == 0;
}

static int is_write(const pond_step *step)
{
    return starts(step, "WITH changed") || starts(step, "INSERT INTO \"thing\" ") ||
           starts(step, "UPDATE \"thing\" ");
}

static int answer_statement(pond_plan *plan, script *with, const pond_step *step, pond_error **err)
{
    static const char *const meta[] = {"name", "type"};
    static const char *const one[] = {"n"};
    with->statements++;
    if (strstr(step->sql, "sqlite_schema s, pragma") || strstr(step->sql, "pg_attribute"))
        return feed_catalog(plan, with, err);
    if (starts(step, "SELECT name, type"))
        return pond_plan_feed_rows(plan, meta, NULL, 0, 2, -1, err);
    if (starts(step, "CREATE TABLE") && strstr(step->sql, "_history"))
        with->has_tables = 1;
    if (is_write(step)) {
        snprintf(with->last_write, sizeof(with->last_write), "%s", step->sql);
        int code = with->fails_once;
        with->fails_once = 0;
        if (code)
            return pond_plan_feed_error(plan, code, "", "thing_history", 1, err);
        return feed_entity(plan, err);
    }
    if (starts(step, "SELECT count(*)")) {
        pond_value value = int_value(3);
        return pond_plan_feed_rows(plan, one, &value, 1, 1, -1, err);
    }
    if (starts(step, "SELECT * FROM"))
        return feed_entity(plan, err);
    return pond_plan_feed_rows(plan, NULL, NULL, 0, 0, 1, err);
}

static int answer(pond_plan *plan, script *with, const pond_step *step, pond_error **err)
{
    switch (step->kind) {
    case POND_STEP_EXECUTE:
    case POND_STEP_EXECUTE_MANY:
        return answer_statement(plan, with, step, err);
    case POND_STEP_PAUSE:
        with->pauses++;
        break;
    case POND_STEP_BEGIN:
        with->begins++;
        with->open = 1;
        break;
    case POND_STEP_COMMIT:
        with->commits++;
        with->open = 0;
        break;
    case POND_STEP_ROLLBACK:
        with->rollbacks++;
        with->open = 0;
        break;
    default:
        break;
    }
    return pond_plan_feed_rows(plan, NULL, NULL, 0, 0, -1, err);
}

/* Run to the end. A step whose answer meets no memory is answered again. */
static int run_plan(pond_plan *plan, script *with)
{
    pond_step step = {.struct_size = sizeof(step)};
    assert_int_equal(pond_plan_start(plan, with->open, NULL), POND_OK);
    for (int steps = 0; steps < 1000; steps++) {
        assert_int_equal(pond_plan_next(plan, &step, NULL), POND_OK);
        if (step.kind == POND_STEP_DONE)
            return pond_plan_status(plan);
        script before = *with;
        if (answer(plan, with, &step, NULL))
            *with = before;
    }
    fail_msg("the plan has no end");
    return POND_EINTERNAL;
}

static pond_schema *new_schema(pond_dialect dialect, uint32_t can)
{
    pond_schema *schema = NULL;
    assert_int_equal(pond_schema_new(dialect, can, &schema, NULL), POND_OK);
    return schema;
}

static int save_plan(pond_schema *schema, pond_plan **out)
{
    pond_field fields[] = {{"id", NULL, text_value("x")}, {"a", NULL, int_value(5)}};
    pond_record record = {fields, 2};
    pond_entity_options options = POND_ENTITY_OPTIONS_INIT;
    options.user_id = "ann";
    return pond_plan_save(schema, "thing", &record, &options, out, NULL);
}

static pond_plan *saving(pond_schema *schema)
{
    pond_plan *plan = NULL;
    assert_int_equal(save_plan(schema, &plan), POND_OK);
    return plan;
}

/* ---- Tests ------------------------------------------------------------------------------- */

static void a_save_that_can_be_one_statement_is_one(void **state)
{
    (void)state;
    pond_schema *schema =
        new_schema(POND_DIALECT_POSTGRES, POND_CAN_RETURN | POND_CAN_WRITE_IN_CTE);
    script with = {.has_tables = 1};
    pond_plan *plan = saving(schema);
    assert_int_equal(run_plan(plan, &with), POND_OK);
    assert_int_equal(with.begins, 0);
    pond_plan_release(plan);
    with.statements = 0;
    plan = saving(schema); /* now the schema is known */
    assert_int_equal(run_plan(plan, &with), POND_OK);
    assert_int_equal(with.statements, 1);
    pond_result *row = pond_plan_take_result(plan);
    pond_value values[COLUMNS];
    assert_int_equal(pond_result_row(row, 0, values, NULL), POND_OK);
    assert_int_equal(values[1].type, POND_TYPE_TIMESTAMPTZ);
    assert_string_equal(pond_result_column_type(row, 7), "int");
    assert_string_equal(pond_result_column_type(row, 99), "");
    pond_result_release(row);
    assert_null(pond_plan_take_result(plan));
    pond_plan_release(plan);
    pond_schema_release(schema);
}

static void a_first_save_makes_the_tables_before_its_own_transaction(void **state)
{
    (void)state;
    pond_schema *schema = new_schema(POND_DIALECT_SQLITE, POND_CAN_RETURN);
    script with = {0};
    pond_plan *plan = saving(schema);
    assert_int_equal(run_plan(plan, &with), POND_OK);
    assert_int_equal(with.begins, 2);
    assert_int_equal(with.commits, 2);
    assert_int_equal(with.rollbacks, 0);
    pond_plan_release(plan);
    pond_schema_release(schema);
}

static void a_deadlock_is_tried_again_and_not_told(void **state)
{
    (void)state;
    static const int codes[] = {POND_EDEADLOCK, POND_ESERIALIZATION, POND_EUNIQUE, POND_EUNDEFINED};
    pond_schema *schema = new_schema(POND_DIALECT_SQLITE, POND_CAN_RETURN);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        script with = {.has_tables = 1, .fails_once = codes[i]};
        pond_plan *plan = saving(schema);
        assert_int_equal(run_plan(plan, &with), POND_OK);
        assert_int_equal(with.rollbacks, 1);
        assert_int_equal(with.commits, 1);
        assert_int_equal(with.pauses, codes[i] != POND_EUNDEFINED);
        pond_plan_release(plan);
    }
    pond_schema_release(schema);
}

static void other_failures_are_told_after_the_rollback(void **state)
{
    (void)state;
    static const int codes[] = {POND_ECHECK, POND_ECONNLOST, POND_EUNKNOWN, POND_ETIMEDOUT};
    pond_schema *schema = new_schema(POND_DIALECT_SQLITE, POND_CAN_RETURN);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        script with = {.has_tables = 1, .fails_once = codes[i]};
        pond_plan *plan = saving(schema);
        assert_int_equal(run_plan(plan, &with), codes[i]);
        assert_int_equal(with.rollbacks, 1);
        assert_int_equal(with.commits, 0);
        pond_error *error = pond_plan_take_error(plan);
        assert_string_equal(pond_error_message(error), "thing_history");
        pond_error_free(error);
        pond_plan_release(plan);
    }
    pond_schema_release(schema);
}

static void within_a_transaction_a_savepoint_is_undone_alone(void **state)
{
    (void)state;
    pond_schema *schema = new_schema(POND_DIALECT_POSTGRES, POND_CAN_WRITE_IN_CTE);
    script with = {.has_tables = 1, .open = 1, .fails_once = POND_EDEADLOCK};
    pond_plan *plan = saving(schema);
    assert_int_equal(run_plan(plan, &with), POND_EDEADLOCK);
    assert_int_equal(with.begins + with.commits + with.rollbacks, 0);
    pond_plan_release(plan);
    pond_schema_release(schema);
}

static void steps_are_told_again_until_they_are_answered(void **state)
{
    (void)state;
    pond_schema *schema = new_schema(POND_DIALECT_SQLITE, 0);
    pond_plan *plan = saving(schema);
    pond_step step = {.struct_size = sizeof(step)};
    pond_step again = {.struct_size = sizeof(again)};
    assert_int_equal(pond_plan_next(plan, &step, NULL), POND_EMISUSE);
    assert_int_equal(pond_plan_status(plan), POND_PENDING);
    assert_int_equal(pond_plan_start(plan, 0, NULL), POND_OK);
    assert_int_equal(pond_plan_start(plan, 0, NULL), POND_EMISUSE);
    assert_int_equal(pond_plan_next(plan, &step, NULL), POND_OK);
    assert_int_equal(pond_plan_next(plan, &again, NULL), POND_OK);
    assert_string_equal(step.sql, again.sql);
    pond_plan_release(plan);
    pond_schema_release(schema);
}

static int refused(const char *entity, const char *field, pond_value value)
{
    pond_schema *schema = new_schema(POND_DIALECT_SQLITE, 0);
    pond_field fields[] = {{field, NULL, value}};
    pond_record record = {fields, 1};
    pond_plan *plan = NULL;
    int code = pond_plan_save(schema, entity, &record, NULL, &plan, NULL);
    if (!code)
        pond_plan_release(plan);
    else
        assert_null(plan);
    pond_schema_release(schema);
    return code;
}

static void names_and_ids_are_checked_before_anything_else(void **state)
{
    (void)state;
    char longest[57];
    memset(longest, 'x', sizeof(longest));
    longest[55] = '\0';
    assert_int_equal(refused(longest, "a", int_value(1)), POND_OK);
    longest[55] = 'x';
    longest[56] = '\0';
    assert_int_equal(refused(longest, "a", int_value(1)), POND_EINVAL);
    assert_int_equal(refused("a\"b", "a", int_value(1)), POND_EINVAL);
    assert_int_equal(refused("a_meta", "a", int_value(1)), POND_EINVAL);
    assert_int_equal(refused("thing", "a;b", int_value(1)), POND_EINVAL);
    assert_int_equal(refused("thing", "id", text_value("")), POND_EINVAL);
    assert_int_equal(refused("thing", "version", text_value("1")), POND_EINVAL);
}

/* ---- Memory ------------------------------------------------------------------------------ */

typedef int (*maker)(pond_schema *schema, pond_plan **out);

static int make_many(pond_schema *schema, pond_plan **out)
{
    pond_field one[] = {{"a", NULL, int_value(1)}};
    pond_field two[] = {{"id", NULL, text_value("x")}, {"b", "tuple", {0}}};
    pond_record records[] = {{one, 1}, {two, 2}, {one, 1}};
    return pond_plan_save_many(schema, "thing", records, 3, NULL, out, NULL);
}

static int make_find(pond_schema *schema, pond_plan **out)
{
    pond_entity_options options = POND_ENTITY_OPTIONS_INIT;
    pond_value params[] = {text_value("text")};
    options.where = "a > ? OR (a IS NULL)";
    options.params = params;
    options.param_count = 1;
    options.order_by = "a DESC, created_at";
    options.limit = 3;
    options.flags = POND_ENTITY_PLAIN;
    return pond_plan_find(schema, "thing", &options, out, NULL);
}

static int make_delete(pond_schema *schema, pond_plan **out)
{
    pond_entity_options options = POND_ENTITY_OPTIONS_INIT;
    options.flags = POND_ENTITY_PERMANENT;
    return pond_plan_delete(schema, "thing", "x", &options, out, NULL);
}

/* As a host gets them that sets only what it must. */
static void options_of_zeros_are_the_defaults(void **state)
{
    (void)state;
    pond_entity_options zeros = {.struct_size = sizeof(zeros)};
    pond_entity_options defaults = POND_ENTITY_OPTIONS_INIT;
    pond_error *error = NULL;
    pond_plan *plan = NULL;
    pond_schema *schema = NULL;
    assert_int_equal(pond_schema_new(POND_DIALECT_SQLITE, 0, &schema, NULL), POND_OK);
    assert_memory_equal(&zeros, &defaults, sizeof(zeros));
    zeros.struct_size = 0;
    assert_int_equal(pond_plan_find(schema, "thing", &zeros, &plan, &error), POND_EINVAL);
    assert_non_null(strstr(pond_error_message(error), "sizeof(pond_entity_options)"));
    pond_error_free(error);
    zeros.struct_size = sizeof(zeros);
    zeros.limit = -2;
    assert_int_equal(pond_plan_find(schema, "thing", &zeros, &plan, NULL), POND_EINVAL);
    zeros.limit = 0;
    zeros.expected_version = -2;
    assert_int_equal(pond_plan_find(schema, "thing", &zeros, &plan, NULL), POND_EINVAL);
    assert_null(plan);
    pond_schema_release(schema);
}

static int make_count(pond_schema *schema, pond_plan **out)
{
    return pond_plan_count(schema, "thing", NULL, out, NULL);
}

/* One run with the allocation `number` failing; 0 when it was not reached. */
static int run_starved(maker make, pond_dialect dialect, uint32_t can, int has_tables, int number)
{
    pond_schema *schema = NULL;
    pond_plan *plan = NULL;
    script with = {.has_tables = has_tables};
    pondi_alloc_fail_after((uint64_t)number, 0);
    int code = pond_schema_new(dialect, can, &schema, NULL);
    if (!code)
        code = make(schema, &plan);
    if (!code)
        code = run_plan(plan, &with);
    pondi_alloc_fail_after(0, 0);
    if (!code) {
        pond_result *rows = pond_plan_take_result(plan);
        pond_result_release(rows);
    }
    assert_true(code == POND_OK || code == POND_ENOMEM);
    pond_plan_release(plan);
    pond_schema_release(schema);
    return code;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const maker makers[] = {save_plan, make_many, make_find, make_delete, make_count};
    static const uint32_t capabilities[] = {POND_CAN_RETURN | POND_CAN_WRITE_IN_CTE, 0,
                                            POND_CAN_RETURN};
    for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
        for (int dialect = POND_DIALECT_POSTGRES; dialect <= POND_DIALECT_SQLITE; dialect += 2) {
            for (int has_tables = 0; has_tables < 2; has_tables++) {
                for (int number = 1; number < 300; number++)
                    run_starved(makers[i], (pond_dialect)dialect, capabilities[dialect], has_tables,
                                number);
            }
        }
    }
}

RUN_TESTS(cmocka_unit_test(a_save_that_can_be_one_statement_is_one),
          cmocka_unit_test(a_first_save_makes_the_tables_before_its_own_transaction),
          cmocka_unit_test(a_deadlock_is_tried_again_and_not_told),
          cmocka_unit_test(other_failures_are_told_after_the_rollback),
          cmocka_unit_test(within_a_transaction_a_savepoint_is_undone_alone),
          cmocka_unit_test(steps_are_told_again_until_they_are_answered),
          cmocka_unit_test(names_and_ids_are_checked_before_anything_else),
          cmocka_unit_test(options_of_zeros_are_the_defaults),
          cmocka_unit_test(every_allocation_may_fail))

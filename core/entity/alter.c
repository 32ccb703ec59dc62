/* Tables and columns that a save needs and that are not there yet.
 *
 * PostgreSQL and SQLite: in a transaction, with the schema read again inside it, so that of many
 * who want the same column one makes it. MySQL commits with every such statement: they are executed
 * before the transaction of the save begins, or apart from the caller's; each is complete in
 * itself, and "it is there already" is what was wanted.
 */
#include <stdio.h>
#include <string.h>

#include "entity/alter.h"
#include "millpond/millpond.h"

/* ---- The steps --------------------------------------------------------------------------- */

static void ended(pond_plan *plan)
{
    plan->owns = 0;
    plan->saved = 0;
    plan->private = 0;
    if (plan->joined && pondi_alter_is_in_place(plan))
        pondi_schema_taint(plan->schema, plan->name);
    else
        pond_schema_forget(plan->schema, plan->name);
    pondi_plan_round(plan);
}

/* Restore the session's lock wait, if the plan has shortened it. Then go on, even if that failed.
 */
static void restore_lock_wait(pond_plan *plan, pondi_state then)
{
    if (!plan->lock_wait_shortened) {
        then(plan);
        return;
    }
    plan->lock_wait_shortened = 0;
    pondi_plan_run_undo(plan, PONDI_RESTORE_LOCK_WAIT, then);
    plan->catches = plan->kind != POND_STEP_DONE;
}

static void end(pond_plan *plan)
{
    if (plan->lock_wait_shortened)
        restore_lock_wait(plan, ended);
    else if (plan->owns)
        pondi_plan_command(plan, POND_STEP_COMMIT, ended);
    else if (plan->saved)
        pondi_plan_run(plan, PONDI_RELEASE_SAVEPOINT, ended);
    else
        ended(plan);
}

static int is_there_already(const pond_error *error)
{
    return strcmp(error->sqlstate, "42S21") == 0 || strcmp(error->sqlstate, "42S01") == 0 ||
           strstr(pond_error_message(error), "uplicate column") ||
           strstr(pond_error_message(error), "already exists");
}

static void next(pond_plan *plan);

/* With why in plan->error. */
static void not_made(pond_plan *plan)
{
    pond_error *error = plan->error;
    plan->error = NULL;
    plan->private = 0;
    if (error->code == POND_EBUSY &&
        (pondi_alter_waits_briefly(plan) || pondi_alter_shortens_lock_wait(plan))) {
        pondi_plan_give_way(plan, error);
        return;
    }
    if (error->code == POND_ETIMEDOUT && plan->joined)
        pondi_error_prefix(error,
                           "a new field of \"%s\" cannot be added while a transaction that used it "
                           "is open, because MySQL would commit that transaction: save the entity "
                           "before the transaction begins: ",
                           plan->name);
    else if (plan->joined && (error->code == POND_ENOTSUPPORTED || error->code == POND_EACQUIRE))
        pondi_error_prefix(error,
                           "new fields of \"%s\" need a second connection beside that of the open "
                           "transaction, because MySQL would commit it: ",
                           plan->name);
    pondi_plan_fail(plan, error);
}

static void made_one(pond_plan *plan)
{
    pond_error *error = plan->failure;
    if (error && (pondi_alter_is_in_place(plan) || !is_there_already(error))) {
        plan->failure = NULL;
        pond_error_free(plan->error);
        plan->error = error;
        restore_lock_wait(plan, not_made);
        return;
    }
    if (error && pondi_alter_is_several(plan))
        plan->one_by_one = 1; /* another one made some of the columns */
    else
        plan->made += plan->making;
    next(plan);
}

static void next(pond_plan *plan)
{
    if (!pondi_alter_next(plan)) {
        end(plan);
        return;
    }
    if (plan->joined && !pondi_alter_is_in_place(plan))
        pondi_plan_execute_apart(plan, made_one);
    else
        pondi_plan_execute(plan, made_one);
    plan->catches = !pondi_alter_is_in_place(plan) && plan->kind != POND_STEP_DONE;
}

static void begin_changes(pond_plan *plan)
{
    pondi_alter_begin(plan);
    plan->lock_wait_shortened = pondi_alter_shortens_lock_wait(plan);
    if (!plan->lock_wait_shortened) {
        next(plan);
        return;
    }
    pondi_plan_run(plan, PONDI_SHORTEN_LOCK_WAIT, next);
    plan->catches = plan->kind != POND_STEP_DONE;
}

/* A server that does not tell its pages has those of nearly all. */
static void got_page_size(pond_plan *plan)
{
    enum { USUAL = 16384 };
    pond_error *error = NULL;
    int64_t page_size = pondi_plan_got_number(plan, 0, USUAL);
    int mariadb = pondi_plan_got_number(plan, 1, 0) != 0;
    if (pondi_row_size_check(plan, page_size, mariadb, &error))
        pondi_plan_fail(plan, error);
    else
        begin_changes(plan);
}

static void reloaded(pond_plan *plan)
{
    pond_error *error = NULL;
    plan->private = 0;
    if (plan->class->check && plan->class->check(plan, &error)) {
        pondi_plan_fail(plan, error);
        return;
    }
    if (!pondi_row_size_is_critical(plan)) {
        begin_changes(plan);
        return;
    }
    pondi_plan_run(plan,
                   "SELECT IF(@@innodb_strict_mode, @@innodb_page_size, 0), "
                   "LOCATE('MariaDB', VERSION())",
                   got_page_size);
    plan->catches = plan->kind != POND_STEP_DONE;
}

static void locked(pond_plan *plan)
{
    plan->private = 1; /* nobody may know what is read here: it is not committed */
    pondi_plan_load(plan, reloaded);
}

static void begun(pond_plan *plan)
{
    plan->owns = !plan->joined;
    plan->saved = plan->joined;
    const char *lock = pondi_plan_facts(plan)->lock;
    if (!lock) {
        locked(plan);
        return;
    }
    pondi_buffer_append_text(pondi_plan_sql(plan), lock);
    char *key = pondi_arena_alloc(&plan->arena, strlen(plan->name) + 32);
    if (!key) {
        pondi_plan_nomem(plan);
        return;
    }
    snprintf(key, strlen(plan->name) + 32, "millpond.entity.%s", plan->name);
    pondi_plan_param_text(plan, key);
    pondi_plan_execute(plan, locked);
}

void pondi_plan_alter(pond_plan *plan)
{
    if (!pondi_alter_is_in_place(plan))
        locked(plan);
    else if (plan->joined)
        pondi_plan_run(plan, PONDI_SAVEPOINT, begun);
    else
        pondi_plan_command(plan, POND_STEP_BEGIN, begun);
}

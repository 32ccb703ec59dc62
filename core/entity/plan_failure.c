/* What becomes of a plan whose step failed: what was begun is undone, and then it begins anew,
 * where that can help, or fails. */
#include <string.h>

#include "base/clock.h"
#include "entity/plan.h"
#include "millpond/millpond.h"
#include "resilience/retry.h"

enum {
    MOST_ATTEMPTS = 12, /* of a transaction that meets others */
    MOST_HEALS = 60,    /* of the schema: whoever adds a field makes all others read it anew */
    HEALS_AT_ONCE = 4   /* then others go first */
};

static void undone(pond_plan *plan);

/* Undo what was begun, as far as it is still there; then undone(), which looks at plan->error. */
static void undo_savepoint_end(pond_plan *plan)
{
    if (plan->failure) {
        undone(plan);
        return;
    }
    pondi_plan_run(plan, PONDI_RELEASE_SAVEPOINT, undone);
    plan->catches = 1;
}

static void undo(pond_plan *plan)
{
    int owns = plan->owns && plan->open;
    int saved = plan->saved && plan->open;
    plan->owns = 0;
    plan->saved = 0;
    if (plan->joined && !plan->open) { /* the caller's transaction is gone: it has to know */
        plan->attempts = MOST_ATTEMPTS;
        plan->heals = MOST_HEALS;
    }
    if (owns) {
        pondi_plan_command(plan, POND_STEP_ROLLBACK, undone);
    } else if (saved) {
        pondi_plan_run_undo(plan, PONDI_BACK_TO_SAVEPOINT, undo_savepoint_end);
    } else {
        undone(plan);
        return;
    }
    plan->catches = plan->kind != POND_STEP_DONE;
}

void pondi_plan_undo(pond_plan *plan, pond_error *error, int open)
{
    pond_error_free(plan->error);
    plan->error = error;
    plan->open = open;
    undo(plan);
}

void pondi_plan_fail(pond_plan *plan, pond_error *error)
{
    plan->attempts = MOST_ATTEMPTS; /* it is ours: not to be tried again */
    plan->heals = MOST_HEALS;
    pondi_plan_undo(plan, error, 1);
}

void pondi_plan_nomem(pond_plan *plan)
{
    pond_error *error = NULL;
    pondi_error_nomem(&error);
    plan->owns = 0; /* the host ends what is open: a step needs memory */
    plan->saved = 0;
    pond_error_free(plan->error);
    plan->error = NULL;
    pondi_plan_finish(plan, error);
}

void pondi_plan_stale(pond_plan *plan)
{
    pondi_plan_undo(plan,
                    pondi_error_new(POND_EUNDEFINED,
                                    "the tables of \"%s\" keep changing: try again later",
                                    plan->name),
                    1);
}

static void again(pond_plan *plan)
{
    pond_error_free(plan->error);
    plan->error = NULL;
    pondi_plan_round(plan);
}

/* Those who met must not meet again: a random while, longer each time. */
static int64_t backoff_ms(unsigned tries, int64_t most_ms)
{
    const pondi_backoff backoff = {.max_retries = UINT32_MAX,
                                   .base_delay_ns = 4000000,
                                   .max_delay_ns = most_ms * 1000000,
                                   .total_ns = PONDI_NEVER};
    return pondi_backoff_next(&backoff, tries, 0) / 1000000 + 1;
}

void pondi_plan_give_way(pond_plan *plan, pond_error *error)
{
    if (plan->heals >= MOST_HEALS) {
        pondi_plan_fail(plan, error);
        return;
    }
    pond_error_free(error);
    plan->heals++;
    plan->alters--; /* it changed nothing */
    pond_schema_forget(plan->schema, plan->name);
    pondi_plan_pause(plan, backoff_ms(plan->heals, 100), again);
}

/* Two made the same version of one id, or the same id. Other keys are the caller's affair. */
static int is_own_key(const pond_error *error)
{
    const char *constraint = error->constraint ? error->constraint : "";
    const char *message = pond_error_message(error);
    return strstr(constraint, "_pkey") || strcmp(constraint, "PRIMARY") == 0 ||
           strstr(message, "_history") || strstr(message, ".id") || strstr(message, "PRIMARY");
}

static pond_error *another(const pond_plan *plan)
{
    const char *collation = pondi_plan_facts(plan)->byte_collation;
    if (collation)
        return pondi_error_new(
            POND_EUNIQUE,
            "another entity \"%s\" has an id that differs only in case, accents or trailing "
            "spaces, and the "
            "type or collation of its column treats the two as equal: use another id, or declare "
            "\"%s\".id and \"%s_history\".id as text with %s",
            plan->name, plan->name, plan->name, collation);
    if (strcmp(plan->entity->collation, "utf8mb4_bin") == 0)
        return pondi_error_new(POND_EUNIQUE,
                               "another entity \"%s\" has an id that differs only in case, accents "
                               "or trailing spaces, and the "
                               "server treats the two as equal: use another id, or MySQL 8.0.17, "
                               "which has a collation that distinguishes them",
                               plan->name);
    return pondi_error_new(POND_EUNIQUE,
                           "another entity \"%s\" has an id that differs only in case, accents or "
                           "trailing spaces, and the "
                           "collation of its tables treats the two as equal: give `%s`.id and "
                           "`%s_history`.id a collation that distinguishes them, with ALTER TABLE "
                           "... MODIFY id varchar(255) CHARACTER SET utf8mb4 COLLATE %s "
                           "NOT NULL",
                           plan->name, plan->name, plan->name, plan->entity->collation);
}

void pondi_plan_met_another(pond_plan *plan)
{
    pondi_plan_fail(plan, another(plan));
}

/* The write would have changed the row of another id, see pondi_put_same_id(), or goes on meeting
 * it. */
static int met_another(const pond_plan *plan, const pond_error *error)
{
    enum { SURE = 3 }; /* those who only came at the same time have made way by then */
    if (!plan->class->writes || !plan->entity || !plan->entity->loose)
        return 0;
    return (error->code == POND_EUNIQUE && is_own_key(error) && plan->attempts >= SURE) ||
           strstr(pond_error_message(error), PONDI_NO_ID);
}

static int may_heal(const pond_plan *plan, const pond_error *error)
{
    int changed = pondi_plan_facts(plan)->table_changed_error;
    int unknown = error->code == POND_EUNDEFINED || strcmp(error->sqlstate, "0A000") == 0 ||
                  (changed && error->vendor_code == changed) ||
                  strcmp(error->sqlstate, "42701") == 0 || strcmp(error->sqlstate, "42P07") == 0;
    unsigned most = plan->where ? 1 : MOST_HEALS; /* the condition may name what is not there */
    return unknown && plan->heals < most;
}

static int may_retry(const pond_plan *plan, const pond_error *error)
{
    if (plan->attempts >= MOST_ATTEMPTS)
        return 0;
    if (error->code == POND_EUNIQUE)
        return plan->class->writes && is_own_key(error);
    return !plan->joined && (error->code == POND_EDEADLOCK || error->code == POND_ESERIALIZATION);
}

/* Vitess does not know a table that was made a moment ago well enough to sort the rows of several
 * shards, unless it is told which columns are wanted. */
static int wants_columns(const pond_error *error)
{
    return strstr(pond_error_message(error), "VT09015") != NULL;
}

static void undone(pond_plan *plan)
{
    pond_error *error = plan->error;
    plan->names_columns |= wants_columns(error);
    if (met_another(plan, error)) {
        pond_error_free(error);
        plan->error = NULL;
        pondi_plan_finish(plan, another(plan));
    } else if (may_heal(plan, error)) {
        plan->heals++;
        pond_schema_forget(plan->schema, plan->name);
        if (plan->heals > HEALS_AT_ONCE)
            pondi_plan_pause(plan, backoff_ms(plan->heals - HEALS_AT_ONCE, 100), again);
        else
            again(plan);
    } else if (may_retry(plan, error)) {
        plan->attempts++;
        plan->versions = 1;
        pondi_plan_pause(plan, backoff_ms(plan->attempts, 500), again);
        plan->catches = plan->kind != POND_STEP_DONE;
    } else {
        plan->error = NULL;
        pondi_plan_finish(plan, error);
    }
}

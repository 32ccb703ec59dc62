/* One entity: save, delete, restore.
 *
 * Each changes the row and adds it to the history. Where a statement can do both it is alone (one
 * round trip); elsewhere there is a transaction. The history's row must be whole, so a write checks
 * that the table has no column that the schema does not know (the guard): if it has, nothing is
 * written, and the schema is read anew.
 */
#include "base/given.h"
#include "driver/result.h"
#include "entity/write_sql.h"
#include "millpond/millpond.h"

/* ---- The end of each ----------------------------------------------------------------------- */

static void conflict(pond_plan *plan, int64_t version)
{
    pond_error *error =
        version < 0 ? pondi_error_new(POND_EVERSION,
                                      "%s \"%.*s\" does not exist, where version %lld was "
                                      "expected",
                                      plan->name, (int)pondi_write_id(plan)->as.text.size,
                                      pondi_write_id(plan)->as.text.data, (long long)plan->expected)
        : plan->expected > 0
            ? pondi_error_new(POND_EVERSION,
                              "%s \"%.*s\" has version %lld, where %lld was expected: read it "
                              "again",
                              plan->name, (int)pondi_write_id(plan)->as.text.size,
                              pondi_write_id(plan)->as.text.data, (long long)version,
                              (long long)plan->expected)
            : pondi_error_new(POND_EVERSION, "%s \"%.*s\" exists already, in version %lld",
                              plan->name, (int)pondi_write_id(plan)->as.text.size,
                              pondi_write_id(plan)->as.text.data, (long long)version);
    pondi_plan_fail(plan, error);
}

/* No row was touched: was it the guard, the version, or is there none? */
static void looked(pond_plan *plan)
{
    int64_t version = pondi_plan_got_number(plan, 1, -1);
    int guarded = pondi_plan_got_number(plan, 0, 0) != 0;
    if (!guarded) {
        pondi_plan_stale(plan);
    } else if (plan->expected > 0 && version != plan->expected) {
        conflict(plan, version);
    } else if (plan->verb == PONDI_SAVE && plan->expected > 0) {
        pondi_plan_stale(plan); /* it came back meanwhile */
    } else if (plan->verb == PONDI_SAVE && version < 0 && plan->entity->loose) {
        pondi_plan_met_another(plan);
    } else if (plan->verb == PONDI_SAVE) {
        conflict(plan, version);
    } else {
        plan->number = 0;
        pondi_plan_leave(plan);
    }
}

static void look(pond_plan *plan)
{
    pondi_plan_sql(plan);
    pondi_put(plan, "SELECT CASE WHEN ");
    pondi_put_guard(plan);
    pondi_put(plan, " THEN 1 ELSE 0 END, (SELECT COALESCE(version, 0) FROM ");
    pondi_put_table(plan, "");
    pondi_put(plan, " WHERE ");
    pondi_put_id_is(plan, pondi_write_id(plan));
    pondi_put(plan, ")");
    pondi_plan_execute(plan, looked);
}

static void begin_write(pond_plan *plan);

static void untouched(pond_plan *plan)
{
    if (pondi_write_way(plan) == PONDI_UPDATE_OR_INSERT) {
        plan->at = 1;
        begin_write(plan);
    } else {
        look(plan);
    }
}

static void deleted(pond_plan *plan)
{
    pondi_plan_leave(plan);
}

static void done(pond_plan *plan)
{
    plan->number = 1;
    if (!pondi_write_is_permanent(plan) || pondi_write_in_one(plan) || pondi_write_in_block(plan) ||
        pondi_write_in_batch(plan)) {
        pondi_plan_leave(plan);
        return;
    }
    pondi_plan_sql(plan);
    pondi_write_put_delete(plan);
    pondi_plan_execute(plan, deleted);
}

/* ---- In one statement -------------------------------------------------------------------- */

static void wrote_in_one(pond_plan *plan)
{
    if (!pondi_plan_got_rows(plan)) {
        untouched(plan);
        return;
    }
    if (plan->verb == PONDI_SAVE)
        pondi_plan_answer_rows(plan);
    if (plan->status == POND_PENDING)
        done(plan);
}

static void write_in_one(pond_plan *plan)
{
    pondi_plan_sql(plan);
    pondi_put(plan, "WITH changed AS (");
    if (pondi_write_is_permanent(plan)) {
        pondi_write_put_delete_returning(plan);
    } else {
        pondi_write_put_main(plan);
        if (pondi_write_way(plan) == PONDI_INSERT)
            pondi_put(plan, " ON CONFLICT (id) DO NOTHING");
        pondi_put(plan, " RETURNING ");
        pondi_put_columns(plan, "m.");
    }
    pondi_put(plan, "), noted AS (");
    pondi_put_history_head(plan);
    pondi_put(plan, "changed m) SELECT ");
    pondi_write_put_seen(plan);
    pondi_put(plan, " FROM changed");
    pondi_put_shape(plan);
    pondi_plan_execute(plan, wrote_in_one);
}

/* ---- In one block: MariaDB --------------------------------------------------------------- */

static void wrote_block(pond_plan *plan)
{
    plan->owns = 0; /* it committed, or rolled back */
    wrote_in_one(plan);
}

/* No rows come back if no row was touched, or the guard stopped it. */
static void write_block(pond_plan *plan)
{
    pondi_plan_sql(plan);
    pondi_put_block_head(plan);
    pondi_write_put_main(plan);
    pondi_put(plan, "; IF ROW_COUNT() > 0 THEN ");
    pondi_write_put_note(plan);
    pondi_put(plan, "; IF ROW_COUNT() > 0 THEN ");
    pondi_write_put_select(plan);
    pondi_put(plan, "; ");
    if (pondi_write_is_permanent(plan)) {
        pondi_write_put_delete(plan);
        pondi_put(plan, "; ");
    }
    pondi_put(plan, "COMMIT; ELSE ROLLBACK; END IF; ELSE ROLLBACK; END IF; END");
    pondi_plan_execute_block(plan, wrote_block);
}

/* ---- In a batch: SQLite, MySQL ----------------------------------------------------------- */

static void write_batch(pond_plan *plan)
{
    int returns_it = pondi_plan_facts(plan)->batch_inserts_return;
    pondi_plan_sql(plan);
    pondi_write_put_main(plan);
    if (returns_it) {
        pondi_put(plan, pondi_write_way(plan) == PONDI_INSERT
                            ? " ON CONFLICT (id) DO NOTHING RETURNING "
                            : " RETURNING ");
        pondi_write_put_seen(plan);
    }
    pondi_put(plan, "; ");
    pondi_write_put_note(plan);
    if (pondi_write_is_permanent(plan)) {
        pondi_put(plan, "; ");
        pondi_write_put_delete(plan);
    }
    if (!returns_it) {
        pondi_put(plan, "; ");
        if (pondi_write_is_permanent(plan))
            pondi_put(plan, "SELECT 1");
        else
            pondi_write_put_select(plan);
    }
    pondi_plan_execute_batch(plan, wrote_block);
}

/* ---- In a transaction -------------------------------------------------------------------- */

static void selected(pond_plan *plan)
{
    pondi_plan_answer_rows(plan);
    if (plan->status == POND_PENDING)
        done(plan);
}

static void noted(pond_plan *plan)
{
    if (plan->got->affected == 0) { /* the guard: the table has another column */
        pondi_plan_stale(plan);
        return;
    }
    if (plan->verb != PONDI_SAVE || plan->result) {
        done(plan);
        return;
    }
    pondi_plan_sql(plan);
    pondi_write_put_select(plan);
    if (pondi_plan_facts(plan)->locks_reads)
        pondi_put(plan, " FOR UPDATE");
    pondi_plan_execute(plan, selected);
}

static void note(pond_plan *plan)
{
    pondi_plan_sql(plan);
    pondi_write_put_note(plan);
    pondi_plan_execute(plan, noted);
}

static int returns(const pond_plan *plan)
{
    pondi_way how = pondi_write_way(plan);
    int inserts_only = pondi_plan_facts(plan)->returns_inserts_only;
    return plan->verb == PONDI_SAVE && pondi_plan_can(plan, POND_CAN_RETURN) &&
           !(inserts_only && (how == PONDI_UPDATE || how == PONDI_UPDATE_OR_INSERT));
}

static void wrote(pond_plan *plan)
{
    if (returns(plan) ? !pondi_plan_got_rows(plan) : plan->got->affected == 0) {
        untouched(plan);
        return;
    }
    if (returns(plan))
        pondi_plan_answer_rows(plan);
    if (plan->status == POND_PENDING)
        note(plan);
}

/* An insert where no row was expected met one. */
static void inserted(pond_plan *plan)
{
    if (!plan->failure) {
        wrote(plan);
    } else if (plan->failure->code == POND_EUNIQUE && plan->open) {
        look(plan);
    } else {
        pond_error *error = plan->failure;
        plan->failure = NULL;
        pondi_plan_undo(plan, error, plan->open);
    }
}

static void begin_write(pond_plan *plan)
{
    if (pondi_write_in_one(plan)) {
        write_in_one(plan);
        return;
    }
    if (pondi_write_in_block(plan)) {
        write_block(plan);
        return;
    }
    if (pondi_write_in_batch(plan)) {
        write_batch(plan);
        return;
    }
    int inserts = pondi_write_way(plan) == PONDI_INSERT;
    pondi_plan_sql(plan);
    pondi_write_put_main(plan);
    if (returns(plan)) {
        pondi_put(plan, " RETURNING ");
        pondi_put_columns(plan, "");
    }
    pondi_plan_execute(plan, inserts ? inserted : wrote);
    plan->catches = inserts && plan->kind != POND_STEP_DONE;
}

/* ---- Plans ------------------------------------------------------------------------------- */

static int needs_transaction(const pond_plan *plan)
{
    return !pondi_write_in_one(plan) && !pondi_write_in_block(plan) && !pondi_write_in_batch(plan);
}

static void body(pond_plan *plan)
{
    plan->number = 0;
    pond_result_release(plan->result);
    plan->result = NULL;
    if (!plan->entity->has_main)
        pondi_plan_leave(plan); /* nothing to delete or restore */
    else
        begin_write(plan);
}

static const pondi_plan_class save_class = {1, pondi_plan_check_records, needs_transaction, body};
static const pondi_plan_class mark_class = {1, NULL, needs_transaction, body};

int pond_plan_save(pond_schema *schema, const char *entity, const pond_record *record,
                   const pond_entity_options *options, pond_plan **out, pond_error **err)
{
    int code = pondi_plan_new(&save_class, schema, entity, options, out, err);
    if (code)
        return code;
    (*out)->verb = PONDI_SAVE;
    pondi_plan_name(*out, PONDI_ENTITY_SAVE);
    code = PONDI_GIVEN(err, record);
    if (!code)
        code = pondi_copy_records(*out, record, 1, err);
    if (code) {
        pond_plan_release(*out);
        *out = NULL;
    }
    return code;
}

static int mark(pond_schema *schema, const char *entity, const char *id, pondi_verb verb,
                const pond_entity_options *options, pond_plan **out, pond_error **err)
{
    int code = pondi_plan_new(&mark_class, schema, entity, options, out, err);
    if (code)
        return code;
    (*out)->verb = verb;
    pondi_plan_name(*out, verb == PONDI_DELETE ? PONDI_ENTITY_DELETE : PONDI_ENTITY_RESTORE);
    code = pondi_copy_ids(*out, &id, 1, err);
    if (code) {
        pond_plan_release(*out);
        *out = NULL;
    }
    return code;
}

int pond_plan_delete(pond_schema *schema, const char *entity, const char *id,
                     const pond_entity_options *options, pond_plan **out, pond_error **err)
{
    return mark(schema, entity, id, PONDI_DELETE, options, out, err);
}

int pond_plan_restore(pond_schema *schema, const char *entity, const char *id,
                      const pond_entity_options *options, pond_plan **out, pond_error **err)
{
    return mark(schema, entity, id, PONDI_RESTORE, options, out, err);
}

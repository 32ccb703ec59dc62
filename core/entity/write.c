/* One entity: save, delete, restore.
 *
 * Each changes the row and adds it to the history. Where a statement can do both it is alone (one
 * round trip); elsewhere there is a transaction. The history's row must be whole, so a write checks
 * that the table has no column that the schema does not know (the guard): if it has, nothing is
 * written, and the schema is read anew.
 */
#include <string.h>

#include "driver/conn.h"
#include "driver/param.h"
#include "driver/result.h"
#include "entity/plan.h"
#include "entity/write.h"
#include "millpond/millpond.h"

enum verb { SAVE, DELETE, RESTORE };

static pondi_record *record_of(pond_plan *plan)
{
    return &plan->records[0];
}

static const pond_value *id_of(pond_plan *plan)
{
    return plan->verb == SAVE ? &record_of(plan)->id : &plan->ids[0];
}

static int in_one(const pond_plan *plan)
{
    return pondi_plan_can(plan, POND_CAN_WRITE_IN_CTE);
}

static int is_permanent(const pond_plan *plan)
{
    return plan->verb == DELETE && (plan->flags & POND_ENTITY_PERMANENT);
}

static void put(pond_plan *plan, const char *text)
{
    pondi_buffer_append_text(&plan->sql, text);
}

static void put_name(pond_plan *plan, const char *name)
{
    pondi_quote(pondi_plan_dialect(plan), name, &plan->sql);
}

/* ---- What all writes share --------------------------------------------------------------- */

void pondi_put_columns(pond_plan *plan, const char *prefix)
{
    const pondi_entity *entity = plan->entity;
    for (size_t i = 0; i < entity->count; i++) {
        put(plan, i ? ", " : "");
        put(plan, prefix);
        put_name(plan, entity->columns[i].name);
    }
}

void pondi_put_guard(pond_plan *plan)
{
    switch (pondi_plan_dialect(plan)) {
    case POND_DIALECT_POSTGRES:
        put(plan, "(SELECT c.relnatts FROM pg_catalog.pg_class c WHERE c.oid = CAST('");
        pondi_put_table(plan, "");
        put(plan, "' AS regclass)) = ");
        break;
    case POND_DIALECT_MYSQL:
        put(plan, "(SELECT count(*) FROM ");
        pondi_put_table(plan, "_meta");
        put(plan, ") = ");
        break;
    case POND_DIALECT_SQLITE:
        put(plan, "(SELECT count(*) FROM pragma_table_info('");
        put(plan, plan->name);
        put(plan, "')) = ");
        break;
    }
    pondi_buffer_appendf(&plan->sql, "%lld", (long long)plan->entity->guard);
}

void pondi_put_shape(pond_plan *plan)
{
    pondi_buffer_appendf(&plan->sql, " /* %08x */", (unsigned)plan->entity->shape);
}

void pondi_put_history_head(pond_plan *plan)
{
    put(plan, "INSERT INTO ");
    pondi_put_table(plan, "_history");
    put(plan, " (");
    pondi_put_columns(plan, "");
    put(plan, ", history_timestamp, history_user_id, history_comment) SELECT ");
    pondi_put_columns(plan, "m.");
    put(plan, ", m.updated_at, m.updated_by, ");
    put(plan, pondi_plan_dialect(plan) == POND_DIALECT_POSTGRES ? "CAST(? AS text)" : "?");
    pondi_plan_param_text(plan, plan->comment);
    put(plan, " FROM ");
}

void pondi_put_next_version(pond_plan *plan, const pond_value *id)
{
    put(plan, "1 + COALESCE((SELECT max(h.version) FROM ");
    pondi_put_table(plan, "_history");
    put(plan, " h WHERE h.id = ");
    if (id) {
        put(plan, "?");
        pondi_plan_param(plan, id);
    } else {
        put(plan, "s.id");
    }
    put(plan, "), 0)");
}

void pondi_put_own_updates(pond_plan *plan, const char *old)
{
    pond_dialect dialect = pondi_plan_dialect(plan);
    static const char *const names[] = {"updated_at", "updated_by"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        put_name(plan, names[i]);
        put(plan, dialect == POND_DIALECT_MYSQL ? " = VALUES(" : " = excluded.");
        put_name(plan, names[i]);
        put(plan, dialect == POND_DIALECT_MYSQL ? "), " : ", ");
    }
    put_name(plan, "version");
    put(plan, " = COALESCE(");
    put(plan, old);
    put_name(plan, "version");
    put(plan, ", 0) + 1");
}

/* An upsert tries the insert first: it must not fail for columns that a change leaves alone, nor
 * meet another row by another key. */
int pondi_needs_care(const pond_plan *plan, const pondi_record *record)
{
    const pondi_entity *entity = plan->entity;
    if (!entity->careful || pondi_plan_dialect(plan) == POND_DIALECT_MYSQL)
        return entity->careful;
    for (size_t i = 0; i < entity->count; i++) {
        int given = entity->columns[i].role != PONDI_ROLE_FIELD || !entity->columns[i].required;
        for (size_t k = 0; k < record->count && !given; k++)
            given = record->fields[k].column == i;
        if (!given)
            return 1;
    }
    return 0;
}

/* ---- The statement on the main table ----------------------------------------------------- */

static int is_written(const pondi_field *field)
{
    return field->column != SIZE_MAX;
}

static void put_insert(pond_plan *plan)
{
    const pondi_record *record = record_of(plan);
    int mysql = pondi_plan_dialect(plan) == POND_DIALECT_MYSQL;
    /* MySQL would lock the history's gaps: it looks only after it met an old version */
    int looks = !record->made_id && (!mysql || plan->versions);
    put(plan, "INSERT INTO ");
    pondi_put_table(plan, "");
    put(plan, mysql ? " (id" : " AS m (id");
    for (size_t i = 0; i < record->count; i++) {
        if (is_written(&record->fields[i])) {
            put(plan, ", ");
            put_name(plan, record->fields[i].name);
        }
    }
    put(plan, ", created_at, created_by, updated_at, updated_by, version) ");
    put(plan, in_one(plan) ? "SELECT ?" : "VALUES (?");
    pondi_plan_param(plan, &record->id);
    for (size_t i = 0; i < record->count; i++) {
        if (is_written(&record->fields[i])) {
            put(plan, ", ?");
            pondi_plan_param(plan, &record->fields[i].fitted);
        }
    }
    put(plan, ", ?, ?, ?, ?, ");
    for (int i = 0; i < 2; i++) {
        pondi_plan_param(plan, &plan->now);
        pondi_plan_param_text(plan, plan->user_id);
    }
    if (looks)
        pondi_put_next_version(plan, &record->id);
    else
        put(plan, "1");
    if (in_one(plan)) {
        put(plan, " WHERE ");
        pondi_put_guard(plan);
    } else {
        put(plan, ")");
    }
}

static void put_assignment(pond_plan *plan, const char *name)
{
    put_name(plan, name);
    if (pondi_plan_dialect(plan) == POND_DIALECT_MYSQL) {
        put(plan, " = VALUES(");
        put_name(plan, name);
        put(plan, "), ");
    } else {
        put(plan, " = excluded.");
        put_name(plan, name);
        put(plan, ", ");
    }
}

static void put_upsert(pond_plan *plan)
{
    const pondi_record *record = record_of(plan);
    pond_dialect dialect = pondi_plan_dialect(plan);
    put_insert(plan);
    put(plan, dialect == POND_DIALECT_MYSQL ? " ON DUPLICATE KEY UPDATE "
                                            : " ON CONFLICT (id) DO UPDATE SET ");
    for (size_t i = 0; i < record->count; i++) {
        if (is_written(&record->fields[i]))
            put_assignment(plan, record->fields[i].name);
    }
    pondi_put_own_updates(plan, dialect == POND_DIALECT_MYSQL ? "" : "m.");
}

static void put_deleted_at(pond_plan *plan)
{
    if (plan->verb == SAVE)
        return;
    put(plan, "deleted_at = ");
    if (plan->verb == RESTORE) {
        put(plan, "NULL, ");
        return;
    }
    put(plan, pondi_plan_dialect(plan) == POND_DIALECT_POSTGRES
                  ? "COALESCE(deleted_at, CAST(? AS timestamptz)), "
                  : "COALESCE(deleted_at, ?), ");
    pondi_plan_param(plan, &plan->now);
}

static void put_update(pond_plan *plan)
{
    int postgres = pondi_plan_dialect(plan) == POND_DIALECT_POSTGRES;
    put(plan, "UPDATE ");
    pondi_put_table(plan, "");
    put(plan, postgres ? " AS m SET " : " SET ");
    for (size_t i = 0; plan->verb == SAVE && i < record_of(plan)->count; i++) {
        const pondi_field *field = &record_of(plan)->fields[i];
        if (!is_written(field))
            continue;
        put_name(plan, field->name);
        put(plan, " = ?, ");
        pondi_plan_param(plan, &field->fitted);
    }
    put_deleted_at(plan);
    put(plan, "updated_at = ?, updated_by = ?, version = COALESCE(version, 0) + 1 WHERE id = ?");
    pondi_plan_param(plan, &plan->now);
    pondi_plan_param_text(plan, plan->user_id);
    pondi_plan_param(plan, id_of(plan));
    if (plan->verb == RESTORE)
        put(plan, " AND deleted_at IS NOT NULL");
    else if (plan->verb == DELETE && !is_permanent(plan))
        put(plan, " AND deleted_at IS NULL");
    if (plan->expected > 0) {
        put(plan, " AND COALESCE(version, 0) = ?");
        pondi_plan_param_integer(plan, plan->expected);
    }
    if (in_one(plan)) {
        put(plan, " AND ");
        pondi_put_guard(plan);
    }
}

/* The row as its last version has it: PostgreSQL deletes and returns it at once. */
static void put_delete_returning(pond_plan *plan)
{
    const pondi_entity *entity = plan->entity;
    put(plan, "DELETE FROM ");
    pondi_put_table(plan, "");
    put(plan, " AS m WHERE id = ?");
    pondi_plan_param(plan, id_of(plan));
    if (plan->expected > 0) {
        put(plan, " AND COALESCE(version, 0) = ?");
        pondi_plan_param_integer(plan, plan->expected);
    }
    put(plan, " AND ");
    pondi_put_guard(plan);
    put(plan, " RETURNING ");
    for (size_t i = 0; i < entity->count; i++) {
        put(plan, i ? ", " : "");
        switch (entity->columns[i].role) {
        case PONDI_ROLE_VERSION:
            put(plan, "COALESCE(version, 0) + 1 AS version");
            break;
        case PONDI_ROLE_DELETED_AT:
            put(plan, "COALESCE(deleted_at, CAST(? AS timestamptz)) AS deleted_at");
            pondi_plan_param(plan, &plan->now);
            break;
        case PONDI_ROLE_UPDATED_AT:
            put(plan, "CAST(? AS timestamptz) AS updated_at");
            pondi_plan_param(plan, &plan->now);
            break;
        case PONDI_ROLE_UPDATED_BY:
            put(plan, "CAST(? AS text) AS updated_by");
            pondi_plan_param_text(plan, plan->user_id);
            break;
        default:
            put_name(plan, entity->columns[i].name);
        }
    }
}

/* ---- Which way to save ------------------------------------------------------------------- */

typedef enum way {
    UPSERT,
    UPDATE,           /* a version is expected, or the row is only to be marked */
    INSERT,           /* no row is expected */
    UPDATE_OR_INSERT, /* rules of others forbid to try the insert first */
    INSERT_AFTER_ALL
} way;

static way way_of(const pond_plan *plan)
{
    if (plan->verb != SAVE || plan->expected > 0)
        return UPDATE;
    if (plan->expected == POND_VERSION_NONE)
        return INSERT;
    if (!plan->records[0].made_id && pondi_needs_care(plan, &plan->records[0]))
        return plan->at ? INSERT_AFTER_ALL : UPDATE_OR_INSERT;
    return UPSERT;
}

static void put_main(pond_plan *plan)
{
    switch (way_of(plan)) {
    case UPSERT:
        put_upsert(plan);
        break;
    case UPDATE:
    case UPDATE_OR_INSERT:
        put_update(plan);
        break;
    default:
        put_insert(plan);
        break;
    }
}

/* A transaction of several statements that travel as one. Where an insert must not meet a row, or
 * an update comes first, the answers in between are needed. */
static int in_block(const pond_plan *plan)
{
    way how = way_of(plan);
    return pondi_plan_can(plan, POND_CAN_RUN_BLOCK) && !plan->joined &&
           pondi_plan_dialect(plan) == POND_DIALECT_MYSQL && (how == UPSERT || how == UPDATE);
}

int pondi_is_small(const pondi_record *records, size_t count)
{
    enum { MOST = 256 * 1024, NUMBER = 20 };
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < records[i].count; k++) {
            const pond_value *value = &records[i].fields[k].fitted;
            size += pondi_param_has_text(value) ? value->as.text.size : NUMBER;
        }
        if (size > MOST)
            return 0;
    }
    return 1;
}

/* The same where the driver does it. SQLite's insert need not fail when it meets a row. */
static int in_batch(const pond_plan *plan)
{
    way how = way_of(plan);
    if (!pondi_plan_can(plan, PONDI_CAN_BATCH) || plan->joined || in_block(plan))
        return 0;
    if (pondi_plan_dialect(plan) == POND_DIALECT_SQLITE)
        return how != UPDATE_OR_INSERT && how != INSERT_AFTER_ALL;
    return (how == UPSERT || how == UPDATE) &&
           (plan->verb != SAVE || pondi_is_small(plan->records, 1));
}

/* In a batch on MySQL a statement may be executed though the one before it failed. */
static void put_if_written(pond_plan *plan)
{
    if (in_batch(plan) && pondi_plan_dialect(plan) == POND_DIALECT_MYSQL)
        put(plan, " AND ROW_COUNT() > 0");
}

static void put_note(pond_plan *plan)
{
    pondi_put_history_head(plan);
    pondi_put_table(plan, "");
    put(plan, " m WHERE m.id = ? AND ");
    pondi_plan_param(plan, id_of(plan));
    pondi_put_guard(plan);
    put_if_written(plan);
}

static void put_delete(pond_plan *plan)
{
    put(plan, "DELETE FROM ");
    pondi_put_table(plan, "");
    put(plan, " WHERE id = ?");
    pondi_plan_param(plan, id_of(plan));
    put_if_written(plan);
}

/* What the plan gets to see of the row: all of it after a save. */
static void put_seen(pond_plan *plan)
{
    if (plan->verb == SAVE)
        pondi_put_columns(plan, "");
    else
        put(plan, "version");
}

static void put_select(pond_plan *plan)
{
    put(plan, "SELECT ");
    put_seen(plan);
    put(plan, " FROM ");
    pondi_put_table(plan, "");
    put(plan, " WHERE id = ?");
    pondi_plan_param(plan, id_of(plan));
}

/* ---- The end of each ----------------------------------------------------------------------- */

static void conflict(pond_plan *plan, int64_t version)
{
    pond_error *error =
        version < 0 ? pondi_error_new(POND_EVERSION,
                                      "%s \"%.*s\" does not exist, where version %lld was "
                                      "expected",
                                      plan->name, (int)id_of(plan)->as.text.size,
                                      id_of(plan)->as.text.data, (long long)plan->expected)
        : plan->expected > 0
            ? pondi_error_new(POND_EVERSION,
                              "%s \"%.*s\" has version %lld, where %lld was expected: read it "
                              "again",
                              plan->name, (int)id_of(plan)->as.text.size, id_of(plan)->as.text.data,
                              (long long)version, (long long)plan->expected)
            : pondi_error_new(POND_EVERSION, "%s \"%.*s\" exists already, in version %lld",
                              plan->name, (int)id_of(plan)->as.text.size, id_of(plan)->as.text.data,
                              (long long)version);
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
    } else if (plan->verb == SAVE && plan->expected > 0) {
        pondi_plan_stale(plan); /* it came back meanwhile */
    } else if (plan->verb == SAVE) {
        conflict(plan, version);
    } else {
        plan->number = 0;
        pondi_plan_leave(plan);
    }
}

static void look(pond_plan *plan)
{
    pondi_plan_sql(plan);
    put(plan, "SELECT CASE WHEN ");
    pondi_put_guard(plan);
    put(plan, " THEN 1 ELSE 0 END, (SELECT COALESCE(version, 0) FROM ");
    pondi_put_table(plan, "");
    put(plan, " WHERE id = ?)");
    pondi_plan_param(plan, id_of(plan));
    pondi_plan_execute(plan, looked);
}

static void begin_write(pond_plan *plan);

static void untouched(pond_plan *plan)
{
    if (way_of(plan) == UPDATE_OR_INSERT) {
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
    if (!is_permanent(plan) || in_one(plan) || in_block(plan) || in_batch(plan)) {
        pondi_plan_leave(plan);
        return;
    }
    pondi_plan_sql(plan);
    put_delete(plan);
    pondi_plan_execute(plan, deleted);
}

/* ---- In one statement -------------------------------------------------------------------- */

static void wrote_in_one(pond_plan *plan)
{
    if (!pondi_plan_got_rows(plan)) {
        untouched(plan);
        return;
    }
    if (plan->verb == SAVE)
        pondi_plan_answer_rows(plan);
    if (plan->status == POND_PENDING)
        done(plan);
}

static void write_in_one(pond_plan *plan)
{
    pondi_plan_sql(plan);
    put(plan, "WITH changed AS (");
    if (is_permanent(plan)) {
        put_delete_returning(plan);
    } else {
        put_main(plan);
        if (way_of(plan) == INSERT)
            put(plan, " ON CONFLICT (id) DO NOTHING");
        put(plan, " RETURNING ");
        pondi_put_columns(plan, "m.");
    }
    put(plan, "), noted AS (");
    pondi_put_history_head(plan);
    put(plan, "changed m) SELECT ");
    put_seen(plan);
    put(plan, " FROM changed");
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
    put_main(plan);
    put(plan, "; IF ROW_COUNT() > 0 THEN ");
    put_note(plan);
    put(plan, "; IF ROW_COUNT() > 0 THEN ");
    put_select(plan);
    put(plan, "; ");
    if (is_permanent(plan)) {
        put_delete(plan);
        put(plan, "; ");
    }
    put(plan, "COMMIT; ELSE ROLLBACK; END IF; ELSE ROLLBACK; END IF; END");
    pondi_plan_execute_block(plan, wrote_block);
}

/* ---- In a batch: SQLite, MySQL ----------------------------------------------------------- */

static void write_batch(pond_plan *plan)
{
    int sqlite = pondi_plan_dialect(plan) == POND_DIALECT_SQLITE;
    pondi_plan_sql(plan);
    put_main(plan);
    if (sqlite) {
        put(plan,
            way_of(plan) == INSERT ? " ON CONFLICT (id) DO NOTHING RETURNING " : " RETURNING ");
        put_seen(plan);
    }
    put(plan, "; ");
    put_note(plan);
    if (is_permanent(plan)) {
        put(plan, "; ");
        put_delete(plan);
    }
    if (!sqlite) {
        put(plan, "; ");
        if (is_permanent(plan))
            put(plan, "SELECT 1");
        else
            put_select(plan);
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
    if (plan->verb != SAVE || plan->result) {
        done(plan);
        return;
    }
    pondi_plan_sql(plan);
    put_select(plan);
    if (pondi_plan_dialect(plan) == POND_DIALECT_MYSQL)
        put(plan, " FOR UPDATE"); /* the row as it is, not as of an old snapshot */
    pondi_plan_execute(plan, selected);
}

static void note(pond_plan *plan)
{
    pondi_plan_sql(plan);
    put_note(plan);
    pondi_plan_execute(plan, noted);
}

static int returns(const pond_plan *plan)
{
    way how = way_of(plan);
    int mysql = pondi_plan_dialect(plan) == POND_DIALECT_MYSQL; /* inserts only */
    return plan->verb == SAVE && pondi_plan_can(plan, POND_CAN_RETURN) &&
           !(mysql && (how == UPDATE || how == UPDATE_OR_INSERT));
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
    if (in_one(plan)) {
        write_in_one(plan);
        return;
    }
    if (in_block(plan)) {
        write_block(plan);
        return;
    }
    if (in_batch(plan)) {
        write_batch(plan);
        return;
    }
    int inserts = way_of(plan) == INSERT;
    pondi_plan_sql(plan);
    put_main(plan);
    if (returns(plan)) {
        put(plan, " RETURNING ");
        pondi_put_columns(plan, "");
    }
    pondi_plan_execute(plan, inserts ? inserted : wrote);
    plan->catches = inserts && plan->kind != POND_STEP_DONE;
}

/* ---- Plans ------------------------------------------------------------------------------- */

static int needs_transaction(const pond_plan *plan)
{
    return !in_one(plan) && !in_block(plan) && !in_batch(plan);
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
    (*out)->verb = SAVE;
    code = pondi_copy_records(*out, record, 1, err);
    if (code) {
        pond_plan_release(*out);
        *out = NULL;
    }
    return code;
}

static int mark(pond_schema *schema, const char *entity, const char *id, enum verb verb,
                const pond_entity_options *options, pond_plan **out, pond_error **err)
{
    int code = pondi_plan_new(&mark_class, schema, entity, options, out, err);
    if (code)
        return code;
    (*out)->verb = verb;
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
    return mark(schema, entity, id, DELETE, options, out, err);
}

int pond_plan_restore(pond_schema *schema, const char *entity, const char *id,
                      const pond_entity_options *options, pond_plan **out, pond_error **err)
{
    return mark(schema, entity, id, RESTORE, options, out, err);
}

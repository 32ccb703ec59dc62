#include "entity/write_sql.h"

#include "driver/conn.h"
#include "millpond/millpond.h"

static const pondi_record *record_of(const pond_plan *plan)
{
    return &plan->records[0];
}

const pond_value *pondi_write_id(const pond_plan *plan)
{
    return plan->verb == PONDI_SAVE ? &plan->records[0].id : &plan->ids[0];
}

int pondi_write_in_one(const pond_plan *plan)
{
    return pondi_plan_can(plan, POND_CAN_WRITE_IN_CTE);
}

int pondi_write_is_permanent(const pond_plan *plan)
{
    return plan->verb == PONDI_DELETE && (plan->flags & POND_ENTITY_PERMANENT);
}

/* ---- The statement on the main table ----------------------------------------------------- */

static int is_written(const pondi_field *field)
{
    return field->column != SIZE_MAX;
}

static void put_insert(pond_plan *plan)
{
    const pondi_record *record = record_of(plan);
    /* where the history's gaps would be locked, only after an old version was met */
    int looks = !record->made_id && (!pondi_plan_facts(plan)->locks_gaps || plan->versions);
    pondi_put(plan, "INSERT INTO ");
    pondi_put_table(plan, "");
    pondi_put(plan, pondi_plan_facts(plan)->alias);
    pondi_put(plan, " (id");
    for (size_t i = 0; i < record->count; i++) {
        if (is_written(&record->fields[i])) {
            pondi_put(plan, ", ");
            pondi_put_name(plan, record->fields[i].name);
        }
    }
    pondi_put(plan, ", created_at, created_by, updated_at, updated_by, version) ");
    pondi_put(plan, pondi_write_in_one(plan) ? "SELECT ?" : "VALUES (?");
    pondi_plan_param(plan, &record->id);
    for (size_t i = 0; i < record->count; i++) {
        if (is_written(&record->fields[i])) {
            pondi_put(plan, ", ?");
            pondi_plan_param(plan, &record->fields[i].fitted);
        }
    }
    pondi_put(plan, ", ?, ?, ?, ?, ");
    for (int i = 0; i < 2; i++) {
        pondi_plan_param(plan, &plan->now);
        pondi_plan_param_text(plan, plan->user_id);
    }
    if (looks)
        pondi_put_next_version(plan, &record->id);
    else
        pondi_put(plan, "1");
    if (pondi_write_in_one(plan)) {
        pondi_put(plan, " WHERE ");
        pondi_put_guard(plan);
    } else {
        pondi_put(plan, ")");
    }
}

static void put_assignment(pond_plan *plan, const char *name)
{
    pondi_put_name(plan, name);
    pondi_put(plan, " = ");
    pondi_put_new(plan, name);
    pondi_put(plan, ", ");
}

static void put_upsert(pond_plan *plan)
{
    const pondi_record *record = record_of(plan);
    put_insert(plan);
    pondi_put(plan, pondi_plan_facts(plan)->upsert);
    pondi_put_same_id(plan);
    for (size_t i = 0; i < record->count; i++) {
        if (is_written(&record->fields[i]))
            put_assignment(plan, record->fields[i].name);
    }
    pondi_put_own_updates(plan);
}

static void put_deleted_at(pond_plan *plan)
{
    if (plan->verb == PONDI_SAVE)
        return;
    pondi_put(plan, "deleted_at = ");
    if (plan->verb == PONDI_RESTORE) {
        pondi_put(plan, "NULL, ");
        return;
    }
    pondi_put(plan, "COALESCE(deleted_at, ");
    pondi_put(plan, pondi_plan_facts(plan)->instant_param);
    pondi_put(plan, "), ");
    pondi_plan_param(plan, &plan->now);
}

static void put_update(pond_plan *plan)
{
    pondi_put(plan, "UPDATE ");
    pondi_put_table(plan, "");
    pondi_put(plan, pondi_plan_facts(plan)->update_alias);
    pondi_put(plan, " SET ");
    for (size_t i = 0; plan->verb == PONDI_SAVE && i < record_of(plan)->count; i++) {
        const pondi_field *field = &record_of(plan)->fields[i];
        if (!is_written(field))
            continue;
        pondi_put_name(plan, field->name);
        pondi_put(plan, " = ?, ");
        pondi_plan_param(plan, &field->fitted);
    }
    put_deleted_at(plan);
    pondi_put(plan, "updated_at = ?, updated_by = ?, version = COALESCE(version, 0) + 1 WHERE ");
    pondi_plan_param(plan, &plan->now);
    pondi_plan_param_text(plan, plan->user_id);
    pondi_put_id_is(plan, pondi_write_id(plan));
    if (plan->verb == PONDI_RESTORE)
        pondi_put(plan, " AND deleted_at IS NOT NULL");
    else if (plan->verb == PONDI_DELETE && !pondi_write_is_permanent(plan))
        pondi_put(plan, " AND deleted_at IS NULL");
    if (plan->expected > 0) {
        pondi_put(plan, " AND COALESCE(version, 0) = ?");
        pondi_plan_param_integer(plan, plan->expected);
    }
    if (pondi_write_in_one(plan)) {
        pondi_put(plan, " AND ");
        pondi_put_guard(plan);
    }
}

/* The row as its last version has it: PostgreSQL deletes and returns it at once. */
void pondi_write_put_delete_returning(pond_plan *plan)
{
    const pondi_entity *entity = plan->entity;
    pondi_put(plan, "DELETE FROM ");
    pondi_put_table(plan, "");
    pondi_put(plan, " AS m WHERE ");
    pondi_put_id_is(plan, pondi_write_id(plan));
    if (plan->expected > 0) {
        pondi_put(plan, " AND COALESCE(version, 0) = ?");
        pondi_plan_param_integer(plan, plan->expected);
    }
    pondi_put(plan, " AND ");
    pondi_put_guard(plan);
    pondi_put(plan, " RETURNING ");
    for (size_t i = 0; i < entity->count; i++) {
        pondi_put(plan, i ? ", " : "");
        switch (entity->columns[i].role) {
        case PONDI_ROLE_VERSION:
            pondi_put(plan, "COALESCE(version, 0) + 1 AS version");
            break;
        case PONDI_ROLE_DELETED_AT:
            pondi_put(plan, "COALESCE(deleted_at, CAST(? AS timestamptz)) AS deleted_at");
            pondi_plan_param(plan, &plan->now);
            break;
        case PONDI_ROLE_UPDATED_AT:
            pondi_put(plan, "CAST(? AS timestamptz) AS updated_at");
            pondi_plan_param(plan, &plan->now);
            break;
        case PONDI_ROLE_UPDATED_BY:
            pondi_put(plan, "CAST(? AS text) AS updated_by");
            pondi_plan_param_text(plan, plan->user_id);
            break;
        default:
            pondi_put_name(plan, entity->columns[i].name);
        }
    }
}

/* ---- Which way to save ------------------------------------------------------------------- */

pondi_way pondi_write_way(const pond_plan *plan)
{
    if (plan->verb != PONDI_SAVE || plan->expected > 0)
        return PONDI_UPDATE;
    if (plan->expected == POND_VERSION_NONE)
        return PONDI_INSERT;
    if (!plan->records[0].made_id && pondi_needs_care(plan, &plan->records[0]))
        return plan->at ? PONDI_INSERT_AFTER_ALL : PONDI_UPDATE_OR_INSERT;
    return PONDI_UPSERT;
}

void pondi_write_put_main(pond_plan *plan)
{
    switch (pondi_write_way(plan)) {
    case PONDI_UPSERT:
        put_upsert(plan);
        break;
    case PONDI_UPDATE:
    case PONDI_UPDATE_OR_INSERT:
        put_update(plan);
        break;
    default:
        put_insert(plan);
        break;
    }
}

/* A transaction of several statements that travel as one. Where an insert must not meet a row, or
 * an update comes first, the answers in between are needed. */
int pondi_write_in_block(const pond_plan *plan)
{
    pondi_way how = pondi_write_way(plan);
    return pondi_plan_can(plan, POND_CAN_RUN_BLOCK) && !plan->joined &&
           pondi_plan_facts(plan)->has_blocks && (how == PONDI_UPSERT || how == PONDI_UPDATE);
}

/* The same where the driver does it. */
int pondi_write_in_batch(const pond_plan *plan)
{
    pondi_way how = pondi_write_way(plan);
    if (!pondi_plan_can(plan, PONDI_CAN_BATCH) || plan->joined || pondi_write_in_block(plan))
        return 0;
    if (pondi_plan_facts(plan)->batch_inserts_return)
        return how != PONDI_UPDATE_OR_INSERT && how != PONDI_INSERT_AFTER_ALL;
    return (how == PONDI_UPSERT || how == PONDI_UPDATE) &&
           (plan->verb != PONDI_SAVE || pondi_is_small(plan->records, 1));
}

static void put_if_written(pond_plan *plan)
{
    if (pondi_write_in_batch(plan) && pondi_plan_facts(plan)->batch_goes_on)
        pondi_put(plan, " AND ROW_COUNT() > 0");
}

void pondi_write_put_note(pond_plan *plan)
{
    pondi_put_history_head(plan);
    pondi_put_table(plan, "");
    pondi_put(plan, " m WHERE m.id = ? AND ");
    pondi_plan_param(plan, pondi_write_id(plan));
    pondi_put_guard(plan);
    put_if_written(plan);
}

void pondi_write_put_delete(pond_plan *plan)
{
    pondi_put(plan, "DELETE FROM ");
    pondi_put_table(plan, "");
    pondi_put(plan, " WHERE id = ?");
    pondi_plan_param(plan, pondi_write_id(plan));
    put_if_written(plan);
}

/* What the plan gets to see of the row: all of it after a save. */
void pondi_write_put_seen(pond_plan *plan)
{
    if (plan->verb == PONDI_SAVE)
        pondi_put_columns(plan, "");
    else
        pondi_put(plan, "version");
}

void pondi_write_put_select(pond_plan *plan)
{
    pondi_put(plan, "SELECT ");
    pondi_write_put_seen(plan);
    pondi_put(plan, " FROM ");
    pondi_put_table(plan, "");
    pondi_put(plan, " WHERE id = ?");
    pondi_plan_param(plan, pondi_write_id(plan));
}

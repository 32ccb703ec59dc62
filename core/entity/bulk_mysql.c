/* Many rows in one INSERT: MySQL and MariaDB. */
#include "driver/conn.h"
#include "entity/bulk.h"

enum { BLOCK_ROWS = 100 };

static void put_row(pond_plan *plan, const pondi_record *record, const uint8_t *given)
{
    pondi_put(plan, "(?");
    pondi_plan_param(plan, &record->id);
    size_t place = 0;
    for (size_t i = 0; i < plan->entity->count; i++) {
        if (!given[i])
            continue;
        const pondi_field *field = pondi_record_find(record, i, place);
        place = (size_t)(field - record->fields) + 1;
        pondi_put(plan, ", ?");
        pondi_plan_param(plan, &field->fitted);
    }
    pondi_put(plan, ", ?, ?, ?, ?, ");
    pondi_bulk_put_own_params(plan);
    if (plan->versions && !record->made_id)
        pondi_put_next_version(plan, &record->id);
    else
        pondi_put(plan, "1");
    pondi_put(plan, ")");
}

static void put_rows(pond_plan *plan, const uint8_t *given)
{
    pondi_bulk_put_insert(plan, given);
    pondi_put(plan, "VALUES ");
    for (size_t i = plan->at; i < plan->ends; i++) {
        pondi_put(plan, i > plan->at ? ", " : "");
        put_row(plan, &plan->records[i], given);
    }
    pondi_bulk_put_conflict(plan, given, 0);
}

void pondi_bulk_write_rows(pond_plan *plan, const uint8_t *given)
{
    pondi_plan_sql(plan);
    put_rows(plan, given);
    pondi_plan_execute(plan, pondi_bulk_note);
}

/* ---- All in one piece: MySQL ------------------------------------------------------------- */

int pondi_bulk_in_one_piece(const pond_plan *plan)
{
    if (!pondi_plan_facts(plan)->has_blocks || plan->joined || plan->entity->careful)
        return 0;
    pond_plan whole = *plan; /* as a chunk */
    whole.at = 0;
    whole.ends = plan->record_count;
    if (pondi_chunk_find_end(plan, 0) < plan->record_count || !pondi_chunk_is_alike(&whole))
        return 0;
    if (pondi_plan_can(plan, POND_CAN_RUN_BLOCK))
        return plan->record_count <= BLOCK_ROWS;
    return pondi_plan_can(plan, PONDI_CAN_BATCH) &&
           pondi_is_small(plan->records, plan->record_count);
}

static void wrote_piece(pond_plan *plan)
{
    plan->owns = 0; /* it committed, or rolled back */
    if (pondi_plan_got_rows(plan))
        pondi_chunk_done(plan);
    else
        pondi_plan_stale(plan);
}

void pondi_bulk_write_piece(pond_plan *plan, const uint8_t *given)
{
    int block = pondi_plan_can(plan, POND_CAN_RUN_BLOCK);
    pondi_plan_sql(plan);
    if (block)
        pondi_put_block_head(plan);
    put_rows(plan, given);
    pondi_put(plan, "; ");
    pondi_bulk_put_note(plan); /* allocates nothing on MySQL */
    if (block) {
        pondi_put(plan, "; IF ROW_COUNT() > 0 THEN COMMIT; SELECT 1; ELSE ROLLBACK; END IF; END");
        pondi_plan_execute_block(plan, wrote_piece);
    } else {
        pondi_put(plan, " AND ROW_COUNT() > 0; SELECT 1");
        pondi_plan_execute_batch(plan, wrote_piece);
    }
}

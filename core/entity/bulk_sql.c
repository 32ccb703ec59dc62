/* Parts of the statements that write many entities. */
#include "base/alloc.h"
#include "entity/bulk.h"

void pondi_bulk_put_insert(pond_plan *plan, const uint8_t *given)
{
    pondi_put(plan, "INSERT INTO ");
    pondi_put_table(plan, "");
    pondi_put(plan, pondi_plan_facts(plan)->alias);
    pondi_put(plan, " (id");
    for (size_t i = 0; i < plan->entity->count; i++) {
        if (given[i]) {
            pondi_put(plan, ", ");
            pondi_put_name(plan, plan->entity->columns[i].name);
        }
    }
    pondi_put(plan, ", created_at, created_by, updated_at, updated_by, version) ");
}

void pondi_bulk_put_conflict(pond_plan *plan, const uint8_t *given, int flagged)
{
    const char *old = pondi_plan_facts(plan)->row;
    pondi_put(plan, pondi_plan_facts(plan)->upsert);
    pondi_put_same_id(plan);
    for (size_t i = 0; i < plan->entity->count; i++) {
        const char *name = plan->entity->columns[i].name;
        if (!given[i])
            continue;
        pondi_put_name(plan, name);
        pondi_put(plan, flagged ? " = CASE WHEN ? THEN " : " = ");
        pondi_put_new(plan, name);
        if (flagged) {
            pondi_put(plan, " ELSE ");
            pondi_put(plan, old);
            pondi_put_name(plan, name);
            pondi_put(plan, " END");
        }
        pondi_put(plan, ", ");
    }
    pondi_put_own_updates(plan);
}

void pondi_bulk_put_own_params(pond_plan *plan)
{
    for (int i = 0; i < 2; i++) {
        pondi_plan_param(plan, &plan->now);
        pondi_plan_param_text(plan, plan->user_id);
    }
}

int pondi_bulk_make_items(pond_plan *plan, size_t count)
{
    pondi_free(plan->items);
    plan->items = pondi_malloc((count ? count : 1) * sizeof(*plan->items));
    return plan->items != NULL;
}

/* " IN (...)", of the ids of the chunk; 0 when memory is out. */
static int put_chunk_ids(pond_plan *plan)
{
    size_t count = plan->ends - plan->at;
    const char *id_in = pondi_plan_facts(plan)->id_in;
    if (!id_in) {
        pondi_put(plan, " IN (");
        for (size_t i = 0; i < count; i++) {
            pondi_put(plan, i ? ", ?" : "?");
            pondi_plan_param(plan, &plan->records[plan->at + i].id);
        }
        pondi_put(plan, ")");
        return 1;
    }
    pond_value ids = {.type = POND_TYPE_ARRAY};
    if (!pondi_bulk_make_items(plan, count))
        return 0;
    for (size_t i = 0; i < count; i++)
        plan->items[i] = plan->records[plan->at + i].id;
    ids.as.array.items = plan->items;
    ids.as.array.count = count;
    pondi_put(plan, id_in);
    pondi_plan_param(plan, &ids);
    return 1;
}

int pondi_bulk_put_note(pond_plan *plan)
{
    pondi_put_history_head(plan);
    pondi_put_table(plan, "");
    pondi_put(plan, " m WHERE m.id");
    if (!put_chunk_ids(plan))
        return 0;
    pondi_put(plan, " AND ");
    pondi_put_guard(plan);
    return 1;
}

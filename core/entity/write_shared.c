/* Parts of statements that writes of one entity and of many share. */
#include "driver/param.h"
#include "entity/write.h"
#include "millpond/millpond.h"

void pondi_put_columns(pond_plan *plan, const char *prefix)
{
    const pondi_entity *entity = plan->entity;
    for (size_t i = 0; i < entity->count; i++) {
        pondi_put(plan, i ? ", " : "");
        pondi_put(plan, prefix);
        pondi_put_name(plan, entity->columns[i].name);
    }
}

void pondi_put_guard(pond_plan *plan)
{
    const pondi_entity_dialect *facts = pondi_plan_facts(plan);
    pondi_put(plan, facts->guard_before);
    if (facts->guard_suffix)
        pondi_put_table(plan, facts->guard_suffix);
    else
        pondi_put(plan, plan->name);
    pondi_put(plan, facts->guard_after);
    pondi_buffer_appendf(&plan->sql, "%lld", (long long)plan->entity->guard);
}

void pondi_put_shape(pond_plan *plan)
{
    pondi_buffer_appendf(&plan->sql, " /* %08x */", (unsigned)plan->entity->shape);
}

void pondi_put_history_head(pond_plan *plan)
{
    pondi_put(plan, "INSERT INTO ");
    pondi_put_table(plan, "_history");
    pondi_put(plan, " (");
    pondi_put_columns(plan, "");
    pondi_put(plan, ", history_timestamp, history_user_id, history_comment) SELECT ");
    pondi_put_columns(plan, "m.");
    pondi_put(plan, ", m.updated_at, m.updated_by, ");
    pondi_put(plan, pondi_plan_facts(plan)->text_param);
    pondi_plan_param_text(plan, plan->comment);
    pondi_put(plan, " FROM ");
}

void pondi_put_next_version(pond_plan *plan, const pond_value *id)
{
    pondi_put(plan, "1 + COALESCE((SELECT max(h.version) FROM ");
    pondi_put_table(plan, "_history");
    pondi_put(plan, " h WHERE h.id = ");
    if (id) {
        pondi_put(plan, "?");
        pondi_plan_param(plan, id);
    } else {
        pondi_put(plan, "s.id");
    }
    pondi_put(plan, "), 0)");
}

void pondi_put_new(pond_plan *plan, const char *name)
{
    pondi_put(plan, pondi_plan_facts(plan)->new_before);
    pondi_put_name(plan, name);
    pondi_put(plan, pondi_plan_facts(plan)->new_after);
}

void pondi_put_own_updates(pond_plan *plan)
{
    const pondi_entity_dialect *facts = pondi_plan_facts(plan);
    static const char *const names[] = {"updated_at", "updated_by"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        pondi_put_name(plan, names[i]);
        pondi_put(plan, " = ");
        pondi_put_new(plan, names[i]);
        pondi_put(plan, ", ");
    }
    int checks = plan->entity->loose && facts->same_id_before;
    pondi_put_name(plan, "version");
    pondi_put(plan, " = ");
    pondi_put(plan, checks ? facts->same_id_before : "");
    pondi_put(plan, "COALESCE(");
    pondi_put(plan, facts->row);
    pondi_put_name(plan, "version");
    pondi_put(plan, ", 0) + 1");
    pondi_put(plan, checks ? facts->same_id_after : "");
}

void pondi_put_same_id(pond_plan *plan)
{
    if (plan->entity->loose && pondi_plan_facts(plan)->same_id)
        pondi_put(plan, pondi_plan_facts(plan)->same_id);
}

/* An upsert tries the insert first: it must not fail for columns that a change leaves alone, nor
 * meet another row by another key. */
int pondi_needs_care(const pond_plan *plan, const pondi_record *record)
{
    const pondi_entity *entity = plan->entity;
    if (!entity->careful || pondi_plan_facts(plan)->upserts_by_any_key)
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

int pondi_is_small(const pondi_record *records, size_t count)
{
    enum { MOST = 256 * 1024, NUMBER = 20 };
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < records[i].count; k++) {
            const pond_value *value = &records[i].fields[k].fitted;
            size += pondi_value_has_text(value) ? value->as.text.size : NUMBER;
        }
        if (size > MOST)
            return 0;
    }
    return 1;
}

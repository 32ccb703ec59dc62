/* Columns as arrays, in one statement that writes the history, too: PostgreSQL. */
#include "driver/result.h"
#include "entity/bulk.h"

static void wrote_arrays(pond_plan *plan)
{
    if (pondi_plan_got_number(plan, 0, 0) == 0)
        pondi_plan_stale(plan);
    else
        pondi_chunk_done(plan);
}

static void put_array(pond_plan *plan, const pondi_column *column, pond_value *items, size_t count)
{
    pond_value array = {.type = POND_TYPE_ARRAY};
    array.as.array.items = items;
    array.as.array.count = count;
    pondi_put(plan, "CAST(? AS ");
    pondi_put(plan, column->declared);
    pondi_put(plan, "[])");
    pondi_plan_param(plan, &array);
}

static void put_source(pond_plan *plan, const uint8_t *given)
{
    const pondi_entity *entity = plan->entity;
    size_t rows = plan->ends - plan->at;
    pond_value *items = plan->items;
    for (size_t i = 0; i < rows; i++)
        items[i] = plan->records[plan->at + i].id;
    pondi_put(plan, " FROM unnest(");
    put_array(plan, &entity->columns[entity->id_at], items, rows);
    items += rows;
    size_t place = 0;
    for (size_t column = 0; column < entity->count; column++) {
        if (!given[column])
            continue;
        const pondi_field *first = pondi_record_find(&plan->records[plan->at], column, SIZE_MAX);
        place = (size_t)(first - plan->records[plan->at].fields);
        for (size_t i = 0; i < rows; i++)
            items[i] = plan->records[plan->at + i].fields[place].fitted;
        pondi_put(plan, ", ");
        put_array(plan, &entity->columns[column], items, rows);
        items += rows;
    }
    pondi_put(plan, ") AS s (id");
    for (size_t i = 0; i < entity->count; i++) {
        if (given[i]) {
            pondi_put(plan, ", ");
            pondi_put_name(plan, entity->columns[i].name);
        }
    }
    pondi_put(plan, ")");
}

void pondi_bulk_write_arrays(pond_plan *plan, const uint8_t *given, size_t columns)
{
    const pondi_entity *entity = plan->entity;
    if (!pondi_bulk_make_items(plan, (columns + 1) * (plan->ends - plan->at))) {
        pondi_plan_nomem(plan);
        return;
    }
    pondi_plan_sql(plan);
    pondi_put(plan, "WITH changed AS (");
    pondi_bulk_put_insert(plan, given);
    pondi_put(plan, "SELECT s.id");
    for (size_t i = 0; i < entity->count; i++) {
        if (given[i]) {
            pondi_put(plan, ", s.");
            pondi_put_name(plan, entity->columns[i].name);
        }
    }
    pondi_put(plan, ", CAST(? AS timestamptz), ?, CAST(? AS timestamptz), ?, ");
    pondi_bulk_put_own_params(plan);
    if (pondi_chunk_made_ids(plan))
        pondi_put(plan, "1");
    else
        pondi_put_next_version(plan, NULL);
    put_source(plan, given);
    pondi_put(plan, " WHERE ");
    pondi_put_guard(plan);
    if (!pondi_chunk_made_ids(plan)) /* saves of the same rows lock them in one order */
        pondi_put(plan, entity->columns[entity->id_at].storage == PONDI_STORE_TEXT
                            ? " ORDER BY s.id COLLATE \"C\""
                            : " ORDER BY s.id");
    pondi_bulk_put_conflict(plan, given, 0);
    pondi_put(plan, " RETURNING ");
    pondi_put_columns(plan, "m.");
    pondi_put(plan, "), noted AS (");
    pondi_put_history_head(plan);
    pondi_put(plan, "changed m) SELECT count(*) FROM changed");
    pondi_put_shape(plan);
    pondi_plan_execute(plan, wrote_arrays);
}

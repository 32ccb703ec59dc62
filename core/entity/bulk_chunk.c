#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "entity/bulk.h"

enum { ARRAY_ROWS = 5000, VALUES_ROWS = 1000, VALUES_PARAMS = 60000 };

static int same_id(const pond_plan *plan, size_t a, size_t b)
{
    const pond_value *one = &plan->records[a].id;
    const pond_value *two = &plan->records[b].id;
    return one->as.text.size == two->as.text.size &&
           memcmp(one->as.text.data, two->as.text.data, one->as.text.size) == 0;
}

/* Fill plan->earlier, by a table of open addresses. */
int pondi_bulk_index_ids(pond_plan *plan, pond_error **err)
{
    size_t count = plan->record_count;
    size_t room = 16;
    if (plan->earlier)
        return POND_OK;
    while (room < 2 * count)
        room *= 2;
    size_t *table = pondi_malloc(room * sizeof(*table));
    plan->earlier = pondi_arena_alloc(&plan->arena, (count + 1) * sizeof(*plan->earlier));
    if (!table || !plan->earlier) {
        pondi_free(table);
        plan->earlier = NULL;
        return pondi_error_nomem(err);
    }
    memset(table, 0xff, room * sizeof(*table));
    for (size_t i = 0; i < count; i++) {
        const pond_value *id = &plan->records[i].id;
        size_t at = (size_t)pondi_hash_bytes(id->as.text.data, id->as.text.size) & (room - 1);
        while (table[at] != SIZE_MAX && !same_id(plan, table[at], i))
            at = (at + 1) & (room - 1);
        plan->earlier[i] = table[at];
        table[at] = i;
    }
    pondi_free(table);
    return POND_OK;
}

/* Records with the same columns in the same order. */
static int alike(const pondi_record *a, const pondi_record *b)
{
    if (a->count != b->count)
        return 0;
    for (size_t i = 0; i < a->count; i++) {
        if (a->fields[i].column != b->fields[i].column)
            return 0;
    }
    return 1;
}

int pondi_chunk_is_alike(const pond_plan *plan)
{
    for (size_t i = plan->at + 1; i < plan->ends; i++) {
        if (!alike(&plan->records[plan->at], &plan->records[i]))
            return 0;
    }
    return 1;
}

int pondi_chunk_made_ids(const pond_plan *plan)
{
    for (size_t i = plan->at; i < plan->ends; i++) {
        if (!plan->records[i].made_id)
            return 0;
    }
    return 1;
}

size_t pondi_chunk_find_end(const pond_plan *plan, size_t from)
{
    size_t most = ARRAY_ROWS;
    if (!pondi_plan_facts(plan)->id_in) {
        size_t params = plan->entity->count + 8;
        most = VALUES_PARAMS / params < VALUES_ROWS ? VALUES_PARAMS / params : VALUES_ROWS;
    }
    size_t end = from;
    while (end < plan->record_count && end - from < most &&
           (plan->earlier[end] == SIZE_MAX || plan->earlier[end] < from))
        end++;
    return end;
}

/* The columns that any record of the chunk has: flags by their index. */
uint8_t *pondi_chunk_find_columns(pond_plan *plan, size_t *count)
{
    uint8_t *given = pondi_arena_alloc(&plan->arena, plan->entity->count + 1);
    *count = 0;
    if (!given)
        return NULL;
    memset(given, 0, plan->entity->count + 1);
    for (size_t i = plan->at; i < plan->ends; i++) {
        const pondi_record *record = &plan->records[i];
        for (size_t k = 0; k < record->count; k++) {
            size_t column = record->fields[k].column;
            if (column != SIZE_MAX && !given[column]) {
                given[column] = 1;
                ++*count;
            }
        }
    }
    return given;
}

const pondi_field *pondi_record_find(const pondi_record *record, size_t column, size_t hint)
{
    if (hint < record->count && record->fields[hint].column == column)
        return &record->fields[hint];
    for (size_t i = 0; i < record->count; i++) {
        if (record->fields[i].column == column)
            return &record->fields[i];
    }
    return NULL;
}

/* Many entities at once, in chunks that hold no id twice. Each chunk is a constant number of
 * statements, whatever fields its entities have:
 *
 *   PostgreSQL   entities alike: one statement that takes the columns as arrays and writes the
 *                history, too; else one statement, executed for each in a pipeline
 *   MySQL        entities alike: one INSERT with many rows; else one statement, executed for each;
 *                then one for the history; few of them: all of that in one piece
 *   SQLite       one statement, executed for each; then one for the history
 *
 * Where entities are not alike, flags beside the values say which fields of a row are given.
 */
#include "driver/result.h"
#include "entity/bulk.h"
#include "millpond/millpond.h"

/* ---- The end of a chunk ------------------------------------------------------------------ */

static void next_chunk(pond_plan *plan);

void pondi_chunk_done(pond_plan *plan)
{
    plan->at = plan->ends;
    next_chunk(plan);
}

static void noted(pond_plan *plan)
{
    if (plan->got->affected == 0)
        pondi_plan_stale(plan); /* the guard: the table has another column */
    else
        pondi_chunk_done(plan);
}

void pondi_bulk_note(pond_plan *plan)
{
    pondi_plan_sql(plan);
    if (pondi_bulk_put_note(plan))
        pondi_plan_execute(plan, noted);
    else
        pondi_plan_nomem(plan);
}

/* ---- One statement for each row ---------------------------------------------------------- */

static void wrote_each_in_one(pond_plan *plan)
{
    if (plan->got->affected == 0)
        pondi_plan_stale(plan);
    else
        pondi_chunk_done(plan);
}

static void put_values_of(pond_plan *plan, const pondi_record *record, const uint8_t *given,
                          int looks, int flagged)
{
    static const pond_value none = {.type = POND_TYPE_NULL};
    size_t place = 0;
    pondi_plan_param(plan, &record->id);
    for (size_t i = 0; i < plan->entity->count; i++) {
        if (!given[i])
            continue;
        const pondi_field *field = pondi_record_find(record, i, place);
        place = field ? (size_t)(field - record->fields) + 1 : place;
        pondi_plan_param(plan, field ? &field->fitted : &none);
    }
    pondi_bulk_put_own_params(plan);
    if (looks)
        pondi_plan_param(plan, &record->id);
    for (size_t i = 0; i < plan->entity->count && flagged; i++) {
        pond_value flag = {.type = POND_TYPE_BOOL};
        flag.as.integer = pondi_record_find(record, i, SIZE_MAX) != NULL;
        if (given[i])
            pondi_plan_param(plan, &flag);
    }
}

static void write_each(pond_plan *plan, const uint8_t *given, size_t columns)
{
    int flagged = !pondi_chunk_is_alike(plan);
    int looks =
        !pondi_chunk_made_ids(plan) && (!pondi_plan_facts(plan)->locks_gaps || plan->versions);
    pondi_plan_sql(plan);
    pondi_put(plan, pondi_is_one_statement(plan) ? "WITH changed AS (" : "");
    pondi_bulk_put_insert(plan, given);
    pondi_put(plan, pondi_is_one_statement(plan) ? "SELECT ?" : "VALUES (?");
    for (size_t i = 0; i < columns + 4; i++)
        pondi_put(plan, ", ?");
    pondi_put(plan, ", ");
    if (looks) {
        pondi_put_next_version(plan, &plan->records[plan->at].id);
        plan->value_count = 0; /* parameters come row by row */
    } else {
        pondi_put(plan, "1");
    }
    if (pondi_is_one_statement(plan)) {
        pondi_put(plan, " WHERE ");
        pondi_put_guard(plan);
    } else {
        pondi_put(plan, ")");
    }
    pondi_bulk_put_conflict(plan, given, flagged);
    if (pondi_is_one_statement(plan)) {
        pondi_put(plan, " RETURNING ");
        pondi_put_columns(plan, "m.");
        pondi_put(plan, ") ");
        pondi_put_history_head(plan);
        pondi_put(plan, "changed m");
        pondi_put_shape(plan);
        plan->value_count = 0;
    }
    for (size_t i = plan->at; i < plan->ends; i++) {
        put_values_of(plan, &plan->records[i], given, looks, flagged);
        if (pondi_is_one_statement(plan))
            pondi_plan_param_text(plan, plan->comment);
    }
    pondi_plan_execute_many(plan, plan->ends - plan->at,
                            pondi_is_one_statement(plan) ? wrote_each_in_one : pondi_bulk_note);
}

/* ---- With care: update, then insert, one by one ------------------------------------------ */

static void care_for(pond_plan *plan);

static void cared(pond_plan *plan)
{
    plan->made++;
    care_for(plan);
}

static void updated(pond_plan *plan)
{
    const pondi_record *record = &plan->records[plan->at + plan->made];
    if (plan->got->affected != 0) {
        cared(plan);
        return;
    }
    pondi_plan_sql(plan);
    pondi_put(plan, "INSERT INTO ");
    pondi_put_table(plan, "");
    pondi_put(plan, " (id, created_at, created_by, updated_at, updated_by, version");
    for (size_t i = 0; i < record->count; i++) {
        if (record->fields[i].column != SIZE_MAX) {
            pondi_put(plan, ", ");
            pondi_put_name(plan, record->fields[i].name);
        }
    }
    pondi_put(plan, ") VALUES (?, ?, ?, ?, ?, ");
    pondi_plan_param(plan, &record->id);
    pondi_bulk_put_own_params(plan);
    pondi_put_next_version(plan, &record->id);
    for (size_t i = 0; i < record->count; i++) {
        if (record->fields[i].column != SIZE_MAX) {
            pondi_put(plan, ", ?");
            pondi_plan_param(plan, &record->fields[i].fitted);
        }
    }
    pondi_put(plan, ")");
    pondi_plan_execute(plan, cared);
}

static void care_for(pond_plan *plan)
{
    if (plan->at + plan->made == plan->ends) {
        pondi_bulk_note(plan);
        return;
    }
    const pondi_record *record = &plan->records[plan->at + plan->made];
    pondi_plan_sql(plan);
    pondi_put(plan, "UPDATE ");
    pondi_put_table(plan, "");
    pondi_put(plan, " SET ");
    for (size_t i = 0; i < record->count; i++) {
        if (record->fields[i].column == SIZE_MAX)
            continue;
        pondi_put_name(plan, record->fields[i].name);
        pondi_put(plan, " = ?, ");
        pondi_plan_param(plan, &record->fields[i].fitted);
    }
    pondi_put(plan, "updated_at = ?, updated_by = ?, version = COALESCE(version, 0) + 1 WHERE ");
    pondi_plan_param(plan, &plan->now);
    pondi_plan_param_text(plan, plan->user_id);
    pondi_put_id_is(plan, &record->id);
    pondi_plan_execute(plan, updated);
}

/* ---- The whole --------------------------------------------------------------------------- */

static int chunk_needs_care(const pond_plan *plan)
{
    for (size_t i = plan->at; i < plan->ends && plan->entity->careful; i++) {
        if (pondi_needs_care(plan, &plan->records[i]))
            return 1;
    }
    return 0;
}

static void next_chunk(pond_plan *plan)
{
    size_t columns;
    if (plan->at == plan->record_count) {
        if (pondi_plan_answer_ids(plan))
            pondi_plan_nomem(plan);
        else
            pondi_plan_leave(plan);
        return;
    }
    plan->ends = pondi_chunk_find_end(plan, plan->at);
    const uint8_t *given = pondi_chunk_find_columns(plan, &columns);
    if (!given) {
        pondi_plan_nomem(plan);
    } else if (chunk_needs_care(plan)) {
        plan->made = 0;
        care_for(plan);
    } else if (pondi_is_one_statement(plan) && pondi_chunk_is_alike(plan)) {
        pondi_bulk_write_arrays(plan, given, columns);
    } else if (pondi_bulk_in_one_piece(plan)) {
        pondi_bulk_write_piece(plan, given);
    } else if (!pondi_plan_facts(plan)->id_in && pondi_chunk_is_alike(plan)) {
        pondi_bulk_write_rows(plan, given);
    } else {
        write_each(plan, given, columns);
    }
}

static int only_prepares(const pond_plan *plan)
{
    return (plan->flags & POND_ENTITY_PREPARE) != 0;
}

static void body(pond_plan *plan)
{
    pond_result_release(plan->result);
    plan->result = NULL;
    plan->at = only_prepares(plan) ? plan->record_count : 0;
    next_chunk(plan);
}

static int check(pond_plan *plan, pond_error **err)
{
    int code = pondi_plan_check_records(plan, err);
    return code ? code : pondi_bulk_index_ids(plan, err);
}

static int needs_transaction(const pond_plan *plan)
{
    pond_plan whole = *plan; /* as a chunk */
    whole.at = 0;
    whole.ends = plan->record_count;
    if (only_prepares(plan) || pondi_bulk_in_one_piece(plan))
        return 0;
    return plan->record_count &&
           !(pondi_is_one_statement(plan) && pondi_chunk_find_end(plan, 0) == plan->record_count &&
             pondi_chunk_is_alike(&whole) && !plan->entity->careful);
}

static const pondi_plan_class bulk_class = {1, check, needs_transaction, body};

int pond_plan_save_many(pond_schema *schema, const char *entity, const pond_record *records,
                        uint64_t record_count, const pond_entity_options *options, pond_plan **out,
                        pond_error **err)
{
    int code = pondi_plan_new(&bulk_class, schema, entity, options, out, err);
    if (code)
        return code;
    pondi_plan_name(*out, PONDI_ENTITY_SAVE_MANY);
    code = pondi_copy_records(*out, records, (size_t)record_count, err);
    if (code) {
        pond_plan_release(*out);
        *out = NULL;
    }
    return code;
}

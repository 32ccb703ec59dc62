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
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "driver/conn.h"
#include "driver/result.h"
#include "entity/plan.h"
#include "entity/write.h"
#include "millpond/millpond.h"

enum { ARRAY_ROWS = 5000, VALUES_ROWS = 1000, VALUES_PARAMS = 60000, BLOCK_ROWS = 100 };

static void put(pond_plan *plan, const char *text)
{
    pondi_buffer_append_text(&plan->sql, text);
}

static void put_name(pond_plan *plan, const char *name)
{
    pondi_quote(pondi_plan_dialect(plan), name, &plan->sql);
}

static int is_mysql(const pond_plan *plan)
{
    return pondi_plan_dialect(plan) == POND_DIALECT_MYSQL;
}

static int in_one(const pond_plan *plan)
{
    return pondi_plan_can(plan, POND_CAN_WRITE_IN_CTE);
}

/* ---- Chunks ------------------------------------------------------------------------------ */

static int same_id(const pond_plan *plan, size_t a, size_t b)
{
    const pond_value *one = &plan->records[a].id;
    const pond_value *two = &plan->records[b].id;
    return one->as.text.size == two->as.text.size &&
           memcmp(one->as.text.data, two->as.text.data, one->as.text.size) == 0;
}

/* Fill plan->earlier, by a table of open addresses. */
static int index_ids(pond_plan *plan, pond_error **err)
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

static int chunk_is_alike(const pond_plan *plan)
{
    for (size_t i = plan->at + 1; i < plan->ends; i++) {
        if (!alike(&plan->records[plan->at], &plan->records[i]))
            return 0;
    }
    return 1;
}

static int chunk_made_ids(const pond_plan *plan)
{
    for (size_t i = plan->at; i < plan->ends; i++) {
        if (!plan->records[i].made_id)
            return 0;
    }
    return 1;
}

static size_t find_end(const pond_plan *plan, size_t from)
{
    size_t most = ARRAY_ROWS;
    if (is_mysql(plan)) {
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
static uint8_t *find_union(pond_plan *plan, size_t *count)
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

static const pondi_field *find_field(const pondi_record *record, size_t column, size_t hint)
{
    if (hint < record->count && record->fields[hint].column == column)
        return &record->fields[hint];
    for (size_t i = 0; i < record->count; i++) {
        if (record->fields[i].column == column)
            return &record->fields[i];
    }
    return NULL;
}

/* ---- Parts of statements ----------------------------------------------------------------- */

static void put_insert_columns(pond_plan *plan, const uint8_t *given)
{
    put(plan, "INSERT INTO ");
    pondi_put_table(plan, "");
    put(plan, is_mysql(plan) ? " (id" : " AS m (id");
    for (size_t i = 0; i < plan->entity->count; i++) {
        if (given[i]) {
            put(plan, ", ");
            put_name(plan, plan->entity->columns[i].name);
        }
    }
    put(plan, ", created_at, created_by, updated_at, updated_by, version) ");
}

static void put_excluded(pond_plan *plan, const char *name)
{
    put(plan, is_mysql(plan) ? "VALUES(" : "excluded.");
    put_name(plan, name);
    put(plan, is_mysql(plan) ? ")" : "");
}

/* `flagged`: a parameter for each field says whether it is given. */
static void put_conflict(pond_plan *plan, const uint8_t *given, int flagged)
{
    const char *old = is_mysql(plan) ? "" : "m.";
    put(plan, is_mysql(plan) ? " ON DUPLICATE KEY UPDATE " : " ON CONFLICT (id) DO UPDATE SET ");
    for (size_t i = 0; i < plan->entity->count; i++) {
        const char *name = plan->entity->columns[i].name;
        if (!given[i])
            continue;
        put_name(plan, name);
        put(plan, flagged ? " = CASE WHEN ? THEN " : " = ");
        put_excluded(plan, name);
        if (flagged) {
            put(plan, " ELSE ");
            put(plan, old);
            put_name(plan, name);
            put(plan, " END");
        }
        put(plan, ", ");
    }
    pondi_put_own_updates(plan, old);
}

static void put_own_params(pond_plan *plan)
{
    for (int i = 0; i < 2; i++) {
        pondi_plan_param(plan, &plan->now);
        pondi_plan_param_text(plan, plan->user_id);
    }
}

/* ---- The end of a chunk ------------------------------------------------------------------ */

static void next_chunk(pond_plan *plan);

static void chunk_done(pond_plan *plan)
{
    plan->at = plan->ends;
    next_chunk(plan);
}

static void noted(pond_plan *plan)
{
    if (plan->got->affected == 0)
        pondi_plan_stale(plan); /* the guard: the table has another column */
    else
        chunk_done(plan);
}

/* Room for arrays of the step to come. */
static int make_items(pond_plan *plan, size_t count)
{
    pondi_free(plan->items);
    plan->items = pondi_malloc((count ? count : 1) * sizeof(*plan->items));
    return plan->items != NULL;
}

/* "IN (...)", of the ids of the chunk; 0 when memory is out. */
static int put_chunk_ids(pond_plan *plan)
{
    size_t count = plan->ends - plan->at;
    if (is_mysql(plan)) {
        put(plan, "IN (");
        for (size_t i = 0; i < count; i++) {
            put(plan, i ? ", ?" : "?");
            pondi_plan_param(plan, &plan->records[plan->at + i].id);
        }
        put(plan, ")");
        return 1;
    }
    pond_value ids = {.type = POND_TYPE_ARRAY};
    if (!make_items(plan, count))
        return 0;
    for (size_t i = 0; i < count; i++)
        plan->items[i] = plan->records[plan->at + i].id;
    ids.as.array.items = plan->items;
    ids.as.array.count = count;
    put(plan, pondi_plan_dialect(plan) == POND_DIALECT_SQLITE
                  ? "IN (SELECT value FROM json_each(?))"
                  : "= ANY (?)");
    pondi_plan_param(plan, &ids);
    return 1;
}

static int put_note(pond_plan *plan)
{
    pondi_put_history_head(plan);
    pondi_put_table(plan, "");
    put(plan, " m WHERE m.id ");
    if (!put_chunk_ids(plan))
        return 0;
    put(plan, " AND ");
    pondi_put_guard(plan);
    return 1;
}

static void note(pond_plan *plan)
{
    pondi_plan_sql(plan);
    if (put_note(plan))
        pondi_plan_execute(plan, noted);
    else
        pondi_plan_nomem(plan);
}

/* ---- Arrays: PostgreSQL ------------------------------------------------------------------ */

static void wrote_arrays(pond_plan *plan)
{
    if (pondi_plan_got_number(plan, 0, 0) == 0)
        pondi_plan_stale(plan);
    else
        chunk_done(plan);
}

static void put_array(pond_plan *plan, const pondi_column *column, pond_value *items, size_t count)
{
    pond_value array = {.type = POND_TYPE_ARRAY};
    array.as.array.items = items;
    array.as.array.count = count;
    put(plan, "CAST(? AS ");
    put(plan, column->declared);
    put(plan, "[])");
    pondi_plan_param(plan, &array);
}

static void put_source(pond_plan *plan, const uint8_t *given)
{
    const pondi_entity *entity = plan->entity;
    size_t rows = plan->ends - plan->at;
    pond_value *items = plan->items;
    for (size_t i = 0; i < rows; i++)
        items[i] = plan->records[plan->at + i].id;
    put(plan, " FROM unnest(");
    put_array(plan, &entity->columns[entity->id_at], items, rows);
    items += rows;
    size_t place = 0;
    for (size_t column = 0; column < entity->count; column++) {
        if (!given[column])
            continue;
        const pondi_field *first = find_field(&plan->records[plan->at], column, SIZE_MAX);
        place = (size_t)(first - plan->records[plan->at].fields);
        for (size_t i = 0; i < rows; i++)
            items[i] = plan->records[plan->at + i].fields[place].fitted;
        put(plan, ", ");
        put_array(plan, &entity->columns[column], items, rows);
        items += rows;
    }
    put(plan, ") AS s (id");
    for (size_t i = 0; i < entity->count; i++) {
        if (given[i]) {
            put(plan, ", ");
            put_name(plan, entity->columns[i].name);
        }
    }
    put(plan, ")");
}

static void write_arrays(pond_plan *plan, const uint8_t *given, size_t columns)
{
    const pondi_entity *entity = plan->entity;
    if (!make_items(plan, (columns + 1) * (plan->ends - plan->at))) {
        pondi_plan_nomem(plan);
        return;
    }
    pondi_plan_sql(plan);
    put(plan, "WITH changed AS (");
    put_insert_columns(plan, given);
    put(plan, "SELECT s.id");
    for (size_t i = 0; i < entity->count; i++) {
        if (given[i]) {
            put(plan, ", s.");
            put_name(plan, entity->columns[i].name);
        }
    }
    put(plan, ", CAST(? AS timestamptz), ?, CAST(? AS timestamptz), ?, ");
    put_own_params(plan);
    if (chunk_made_ids(plan))
        put(plan, "1");
    else
        pondi_put_next_version(plan, NULL);
    put_source(plan, given);
    put(plan, " WHERE ");
    pondi_put_guard(plan);
    put_conflict(plan, given, 0);
    put(plan, " RETURNING ");
    pondi_put_columns(plan, "m.");
    put(plan, "), noted AS (");
    pondi_put_history_head(plan);
    put(plan, "changed m) SELECT count(*) FROM changed");
    pondi_put_shape(plan);
    pondi_plan_execute(plan, wrote_arrays);
}

/* ---- Rows in one statement: MySQL -------------------------------------------------------- */

static void put_row(pond_plan *plan, const pondi_record *record, const uint8_t *given)
{
    put(plan, "(?");
    pondi_plan_param(plan, &record->id);
    size_t place = 0;
    for (size_t i = 0; i < plan->entity->count; i++) {
        if (!given[i])
            continue;
        const pondi_field *field = find_field(record, i, place);
        place = (size_t)(field - record->fields) + 1;
        put(plan, ", ?");
        pondi_plan_param(plan, &field->fitted);
    }
    put(plan, ", ?, ?, ?, ?, ");
    put_own_params(plan);
    if (plan->versions && !record->made_id)
        pondi_put_next_version(plan, &record->id);
    else
        put(plan, "1");
    put(plan, ")");
}

static void put_rows(pond_plan *plan, const uint8_t *given)
{
    put_insert_columns(plan, given);
    put(plan, "VALUES ");
    for (size_t i = plan->at; i < plan->ends; i++) {
        put(plan, i > plan->at ? ", " : "");
        put_row(plan, &plan->records[i], given);
    }
    put_conflict(plan, given, 0);
}

static void write_rows(pond_plan *plan, const uint8_t *given)
{
    pondi_plan_sql(plan);
    put_rows(plan, given);
    pondi_plan_execute(plan, note);
}

/* ---- All in one piece: MySQL ------------------------------------------------------------- */

/* True if there are few, alike, and a transaction can travel as one statement or as a batch. */
static int in_one_piece(const pond_plan *plan)
{
    if (!is_mysql(plan) || plan->joined || plan->entity->careful)
        return 0;
    pond_plan whole = *plan; /* as a chunk */
    whole.at = 0;
    whole.ends = plan->record_count;
    if (find_end(plan, 0) < plan->record_count || !chunk_is_alike(&whole))
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
        chunk_done(plan);
    else
        pondi_plan_stale(plan);
}

static void write_piece(pond_plan *plan, const uint8_t *given)
{
    int block = pondi_plan_can(plan, POND_CAN_RUN_BLOCK);
    pondi_plan_sql(plan);
    if (block)
        pondi_put_block_head(plan);
    put_rows(plan, given);
    put(plan, "; ");
    put_note(plan); /* allocates nothing on MySQL */
    if (block) {
        put(plan, "; IF ROW_COUNT() > 0 THEN COMMIT; SELECT 1; ELSE ROLLBACK; END IF; END");
        pondi_plan_execute_block(plan, wrote_piece);
    } else {
        put(plan, " AND ROW_COUNT() > 0; SELECT 1");
        pondi_plan_execute_batch(plan, wrote_piece);
    }
}

/* ---- One statement for each row ---------------------------------------------------------- */

static void wrote_each_in_one(pond_plan *plan)
{
    if (plan->got->affected == 0)
        pondi_plan_stale(plan);
    else
        chunk_done(plan);
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
        const pondi_field *field = find_field(record, i, place);
        place = field ? (size_t)(field - record->fields) + 1 : place;
        pondi_plan_param(plan, field ? &field->fitted : &none);
    }
    put_own_params(plan);
    if (looks)
        pondi_plan_param(plan, &record->id);
    for (size_t i = 0; i < plan->entity->count && flagged; i++) {
        pond_value flag = {.type = POND_TYPE_BOOL};
        flag.as.integer = find_field(record, i, SIZE_MAX) != NULL;
        if (given[i])
            pondi_plan_param(plan, &flag);
    }
}

static void write_each(pond_plan *plan, const uint8_t *given, size_t columns)
{
    int flagged = !chunk_is_alike(plan);
    int looks = !chunk_made_ids(plan) && (!is_mysql(plan) || plan->versions);
    pondi_plan_sql(plan);
    put(plan, in_one(plan) ? "WITH changed AS (" : "");
    put_insert_columns(plan, given);
    put(plan, in_one(plan) ? "SELECT ?" : "VALUES (?");
    for (size_t i = 0; i < columns + 4; i++)
        put(plan, ", ?");
    put(plan, ", ");
    if (looks) {
        pondi_put_next_version(plan, &plan->records[plan->at].id);
        plan->value_count = 0; /* parameters come row by row */
    } else {
        put(plan, "1");
    }
    if (in_one(plan)) {
        put(plan, " WHERE ");
        pondi_put_guard(plan);
    } else {
        put(plan, ")");
    }
    put_conflict(plan, given, flagged);
    if (in_one(plan)) {
        put(plan, " RETURNING ");
        pondi_put_columns(plan, "m.");
        put(plan, ") ");
        pondi_put_history_head(plan);
        put(plan, "changed m");
        pondi_put_shape(plan);
        plan->value_count = 0;
    }
    for (size_t i = plan->at; i < plan->ends; i++) {
        put_values_of(plan, &plan->records[i], given, looks, flagged);
        if (in_one(plan))
            pondi_plan_param_text(plan, plan->comment);
    }
    pondi_plan_execute_many(plan, plan->ends - plan->at, in_one(plan) ? wrote_each_in_one : note);
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
    put(plan, "INSERT INTO ");
    pondi_put_table(plan, "");
    put(plan, " (id, created_at, created_by, updated_at, updated_by, version");
    for (size_t i = 0; i < record->count; i++) {
        if (record->fields[i].column != SIZE_MAX) {
            put(plan, ", ");
            put_name(plan, record->fields[i].name);
        }
    }
    put(plan, ") VALUES (?, ?, ?, ?, ?, ");
    pondi_plan_param(plan, &record->id);
    put_own_params(plan);
    pondi_put_next_version(plan, &record->id);
    for (size_t i = 0; i < record->count; i++) {
        if (record->fields[i].column != SIZE_MAX) {
            put(plan, ", ?");
            pondi_plan_param(plan, &record->fields[i].fitted);
        }
    }
    put(plan, ")");
    pondi_plan_execute(plan, cared);
}

static void care_for(pond_plan *plan)
{
    if (plan->at + plan->made == plan->ends) {
        note(plan);
        return;
    }
    const pondi_record *record = &plan->records[plan->at + plan->made];
    pondi_plan_sql(plan);
    put(plan, "UPDATE ");
    pondi_put_table(plan, "");
    put(plan, " SET ");
    for (size_t i = 0; i < record->count; i++) {
        if (record->fields[i].column == SIZE_MAX)
            continue;
        put_name(plan, record->fields[i].name);
        put(plan, " = ?, ");
        pondi_plan_param(plan, &record->fields[i].fitted);
    }
    put(plan, "updated_at = ?, updated_by = ?, version = COALESCE(version, 0) + 1 WHERE id = ?");
    pondi_plan_param(plan, &plan->now);
    pondi_plan_param_text(plan, plan->user_id);
    pondi_plan_param(plan, &record->id);
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
    plan->ends = find_end(plan, plan->at);
    const uint8_t *given = find_union(plan, &columns);
    if (!given) {
        pondi_plan_nomem(plan);
    } else if (chunk_needs_care(plan)) {
        plan->made = 0;
        care_for(plan);
    } else if (in_one(plan) && chunk_is_alike(plan)) {
        write_arrays(plan, given, columns);
    } else if (in_one_piece(plan)) {
        write_piece(plan, given);
    } else if (is_mysql(plan) && chunk_is_alike(plan)) {
        write_rows(plan, given);
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
    return code ? code : index_ids(plan, err);
}

static int needs_transaction(const pond_plan *plan)
{
    pond_plan whole = *plan; /* as a chunk */
    whole.at = 0;
    whole.ends = plan->record_count;
    if (only_prepares(plan) || in_one_piece(plan))
        return 0;
    return plan->record_count && !(in_one(plan) && find_end(plan, 0) == plan->record_count &&
                                   chunk_is_alike(&whole) && !plan->entity->careful);
}

static const pondi_plan_class bulk_class = {1, check, needs_transaction, body};

int pond_plan_save_many(pond_schema *schema, const char *entity, const pond_record *records,
                        uint64_t record_count, const pond_entity_options *options, pond_plan **out,
                        pond_error **err)
{
    int code = pondi_plan_new(&bulk_class, schema, entity, options, out, err);
    if (code)
        return code;
    code = pondi_copy_records(*out, records, (size_t)record_count, err);
    if (code) {
        pond_plan_release(*out);
        *out = NULL;
    }
    return code;
}

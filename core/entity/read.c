/* Reading entities and their histories. */
#include <string.h>

#include "driver/result.h"
#include "driver/row_set.h"
#include "entity/plan.h"
#include "millpond/millpond.h"

static void put(pond_plan *plan, const char *text)
{
    pondi_buffer_append_text(&plan->sql, text);
}

static int reads_history(const pond_plan *plan)
{
    return plan->verb >= PONDI_ENTITY_HISTORY;
}

static int has_column(const pond_plan *plan, pondi_role role)
{
    return pondi_entity_find(plan->entity, pondi_role_name(role)) != NULL;
}

/* ---- Statements -------------------------------------------------------------------------- */

static void put_alive(pond_plan *plan, const char *before)
{
    if (plan->flags & POND_ENTITY_DELETED || !has_column(plan, PONDI_ROLE_DELETED_AT))
        return;
    put(plan, before);
    put(plan, "deleted_at IS NULL");
}

static void put_list(pond_plan *plan, const char *what)
{
    put(plan, what);
    put(plan, " IN (NULL");
    for (size_t i = 0; i < plan->id_count; i++) {
        put(plan, ", ?");
        pondi_plan_param(plan, &plan->ids[i]);
    }
    put(plan, ")");
}

static void put_array(pond_plan *plan, const char *what)
{
    pond_value ids = {.type = POND_TYPE_ARRAY};
    ids.as.array.items = plan->ids;
    ids.as.array.count = plan->id_count;
    put(plan, what);
    put(plan, pondi_plan_facts(plan)->id_in);
    pondi_plan_param(plan, &ids);
}

/* Where ids have to be told apart byte by byte, the plain comparison finds them by the index. With
 * more ids than can be listed twice, reading all rows costs little beside them. */
static int put_ids(pond_plan *plan, pond_error **err)
{
    size_t most = pondi_plan_facts(plan)->most_ids;
    int loose = plan->entity->loose;
    void (*put_which)(pond_plan *, const char *) = most ? put_list : put_array;
    if (most && plan->id_count > most)
        return pondi_error_set(err, POND_ERANGE,
                               "%zu ids are too many for one call: at most %zu; split the list",
                               plan->id_count, most);
    if (!loose || !most || plan->id_count <= most / 2) {
        put_which(plan, "id");
        put(plan, loose ? " AND " : "");
    }
    if (loose)
        put_which(plan, pondi_id_as_bytes(plan));
    return POND_OK;
}

static int put_find(pond_plan *plan, pond_error **err)
{
    int code = POND_OK;
    if (plan->where) {
        put(plan, " WHERE ");
        code = pondi_put_where(plan, err);
    }
    put_alive(plan, plan->where ? " AND " : " WHERE ");
    if (code || plan->verb == PONDI_ENTITY_COUNT)
        return code;
    code = pondi_put_order(plan, err);
    pondi_put_limit(plan);
    return code;
}

static void put_between(pond_plan *plan)
{
    pond_value instant = {.type = POND_TYPE_TIMESTAMPTZ};
    put(plan, " WHERE history_timestamp >= ? AND history_timestamp < ?");
    for (int i = 0; i < 2; i++) {
        instant.as.integer = plan->numbers[i];
        pondi_plan_param(plan, &instant);
    }
    if (plan->id_count) {
        put(plan, " AND ");
        pondi_put_id_is(plan, &plan->ids[0]);
    }
    put(plan, " ORDER BY history_timestamp, id, version");
    pondi_put_limit(plan);
}

static int put_conditions(pond_plan *plan, pond_error **err)
{
    switch (plan->verb) {
    case PONDI_ENTITY_GET:
        put(plan, " WHERE ");
        pondi_put_id_is(plan, &plan->ids[0]);
        put_alive(plan, " AND ");
        return POND_OK;
    case PONDI_ENTITY_GET_MANY: {
        put(plan, " WHERE ");
        int code = put_ids(plan, err);
        put_alive(plan, " AND ");
        return code;
    }
    case PONDI_ENTITY_HISTORY:
        put(plan, " WHERE ");
        pondi_put_id_is(plan, &plan->ids[0]);
        put(plan, " ORDER BY version");
        pondi_put_limit(plan);
        return POND_OK;
    case PONDI_ENTITY_BETWEEN:
        put_between(plan);
        return POND_OK;
    case PONDI_ENTITY_VERSION:
        put(plan, " WHERE ");
        pondi_put_id_is(plan, &plan->ids[0]);
        put(plan, " AND version = ?");
        pondi_plan_param_integer(plan, plan->numbers[0]);
        return POND_OK;
    default:
        return put_find(plan, err);
    }
}

/* ---- Steps ------------------------------------------------------------------------------- */

/* Somebody added a column: its type is in the meta table. */
static int must_reload(const pond_plan *plan)
{
    return plan->heals == 0 && !pondi_plan_knows_columns(plan);
}

static void got_rows(pond_plan *plan)
{
    if (must_reload(plan)) {
        pondi_plan_stale(plan);
        return;
    }
    pondi_plan_answer_rows(plan);
    if (plan->status == POND_PENDING)
        pondi_plan_leave(plan);
}

static void got_count(pond_plan *plan)
{
    plan->number = pondi_plan_got_number(plan, 0, 0);
    pondi_plan_leave(plan);
}

static void answer_nothing(pond_plan *plan)
{
    pondi_row_set *none = plan->verb == PONDI_ENTITY_COUNT ? NULL : pondi_row_set_new(0);
    plan->number = 0;
    if (!none && plan->verb != PONDI_ENTITY_COUNT) {
        pondi_plan_nomem(plan);
        return;
    }
    if (none) {
        plan->got = &none->base;
        pondi_plan_answer_rows(plan);
    }
    if (plan->status == POND_PENDING)
        pondi_plan_leave(plan);
}

static void put_columns(pond_plan *plan)
{
    const pondi_names *names = &plan->entity->history_names;
    size_t count = reads_history(plan) ? names->count : plan->entity->count;
    for (size_t i = 0; i < count; i++) {
        put(plan, i ? ", " : "");
        pondi_quote(pondi_plan_dialect(plan),
                    reads_history(plan) ? pondi_names_at(names, i) : plan->entity->columns[i].name,
                    &plan->sql);
    }
}

static void put_what(pond_plan *plan)
{
    if (plan->verb == PONDI_ENTITY_COUNT)
        put(plan, "count(*)");
    else if (plan->names_columns)
        put_columns(plan);
    else
        put(plan, "*");
}

static void body(pond_plan *plan)
{
    pond_error *error = NULL;
    pond_result_release(plan->got);
    plan->got = NULL;
    if (reads_history(plan) ? !plan->entity->has_history : !plan->entity->has_main) {
        answer_nothing(plan);
        return;
    }
    pondi_plan_sql(plan);
    put(plan, "SELECT ");
    put_what(plan);
    put(plan, " FROM ");
    pondi_put_table(plan, reads_history(plan) ? "_history" : "");
    if (put_conditions(plan, &error))
        pondi_plan_fail(plan, error);
    else
        pondi_plan_execute(plan, plan->verb == PONDI_ENTITY_COUNT ? got_count : got_rows);
}

static const pondi_plan_class read_class = {0, NULL, NULL, body};

/* ---- The list ---------------------------------------------------------------------------- */

static void got_list(pond_plan *plan)
{
    plan->result = plan->got;
    plan->got = NULL;
    pondi_plan_leave(plan);
}

static void list_body(pond_plan *plan)
{
    pondi_plan_run(plan, pondi_plan_facts(plan)->list, got_list);
}

static const pondi_plan_class list_class = {0, NULL, NULL, list_body};

/* ---- Plans ------------------------------------------------------------------------------- */

static int read_plan(pond_schema *schema, const char *entity, pondi_entity_call verb,
                     const char *const *ids, size_t id_count, const pond_entity_options *options,
                     pond_plan **out, pond_error **err)
{
    int code = pondi_plan_new(&read_class, schema, entity, options, out, err);
    if (code)
        return code;
    (*out)->verb = verb;
    pondi_plan_name(*out, verb);
    if (verb != PONDI_ENTITY_FIND && verb != PONDI_ENTITY_COUNT) { /* only these have conditions */
        (*out)->where = NULL;
        (*out)->where_count = 0;
    }
    if (id_count || verb == PONDI_ENTITY_GET_MANY)
        code = pondi_copy_ids(*out, ids, id_count, err);
    if (code) {
        pond_plan_release(*out);
        *out = NULL;
    }
    return code;
}

int pond_plan_get(pond_schema *schema, const char *entity, const char *id,
                  const pond_entity_options *options, pond_plan **out, pond_error **err)
{
    return read_plan(schema, entity, PONDI_ENTITY_GET, &id, 1, options, out, err);
}

int pond_plan_get_many(pond_schema *schema, const char *entity, const char *const *ids,
                       uint64_t id_count, const pond_entity_options *options, pond_plan **out,
                       pond_error **err)
{
    return read_plan(schema, entity, PONDI_ENTITY_GET_MANY, ids, (size_t)id_count, options, out,
                     err);
}

int pond_plan_find(pond_schema *schema, const char *entity, const pond_entity_options *options,
                   pond_plan **out, pond_error **err)
{
    return read_plan(schema, entity, PONDI_ENTITY_FIND, NULL, 0, options, out, err);
}

int pond_plan_count(pond_schema *schema, const char *entity, const pond_entity_options *options,
                    pond_plan **out, pond_error **err)
{
    return read_plan(schema, entity, PONDI_ENTITY_COUNT, NULL, 0, options, out, err);
}

int pond_plan_history(pond_schema *schema, const char *entity, const char *id,
                      const pond_entity_options *options, pond_plan **out, pond_error **err)
{
    return read_plan(schema, entity, PONDI_ENTITY_HISTORY, &id, 1, options, out, err);
}

int pond_plan_history_between(pond_schema *schema, const char *entity, const char *id,
                              int64_t from_us, int64_t to_us, const pond_entity_options *options,
                              pond_plan **out, pond_error **err)
{
    int code = read_plan(schema, entity, PONDI_ENTITY_BETWEEN, &id, id ? 1 : 0, options, out, err);
    if (code)
        return code;
    (*out)->numbers[0] = from_us;
    (*out)->numbers[1] = to_us;
    return POND_OK;
}

int pond_plan_version(pond_schema *schema, const char *entity, const char *id, int64_t version,
                      const pond_entity_options *options, pond_plan **out, pond_error **err)
{
    int code = read_plan(schema, entity, PONDI_ENTITY_VERSION, &id, 1, options, out, err);
    if (!code)
        (*out)->numbers[0] = version;
    return code;
}

int pond_plan_list(pond_schema *schema, pond_plan **out, pond_error **err)
{
    int code = pondi_plan_new_for_all(&list_class, schema, out, err);
    if (!code)
        pondi_plan_name(*out, PONDI_ENTITY_LIST);
    return code;
}

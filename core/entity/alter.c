/* Tables and columns that a save needs and that are not there yet.
 *
 * PostgreSQL and SQLite: in a transaction, with the schema read again inside it, so that of many
 * who want the same column one makes it. MySQL commits with every such statement: they are executed
 * before the transaction of the save begins, or apart from the caller's; each is complete in
 * itself, and "it is there already" is what was wanted.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "driver/conn.h"
#include "driver/param.h"
#include "entity/plan.h"
#include "entity/tagged.h"
#include "millpond/millpond.h"

/* ---- What the records need --------------------------------------------------------------- */

static int case_conflict(const pond_plan *plan, const char *name, const char *there,
                         pond_error **err)
{
    return pondi_error_set(err, POND_EINVAL,
                           "the field \"%s\" of %s would differ only in case from \"%s\": use that "
                           "name",
                           name, plan->name, there);
}

static pondi_new_field *find_new(pond_plan *plan, const char *name, pond_error **err)
{
    for (pondi_new_field *at = plan->news; at; at = at->next) {
        if (strcmp(at->name, name) == 0)
            return at;
        if (strcasecmp(at->name, name) == 0) {
            case_conflict(plan, name, at->name, err);
            return NULL;
        }
    }
    return NULL;
}

static int widens(pondi_storage from, pondi_storage to)
{
    return from == PONDI_STORE_INT && (to == PONDI_STORE_FLOAT || to == PONDI_STORE_DECIMAL);
}

/* What PostgreSQL has in every table. */
static int check_system_column(const pond_plan *plan, const char *name, pond_error **err)
{
    static const char *const names[] = {"cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (pondi_plan_dialect(plan) == POND_DIALECT_POSTGRES && strcmp(names[i], name) == 0)
            return pondi_error_set(err, POND_EINVAL,
                                   "the field \"%s\" is called like a column of PostgreSQL's own: "
                                   "give it another name",
                                   name);
    }
    return POND_OK;
}

/* The first value decides; whole numbers among others follow these. */
static int note_new(pond_plan *plan, const pondi_field *field, pond_error **err)
{
    pondi_storage storage = pondi_is_stored_json(&field->value)
                                ? PONDI_STORE_JSON
                                : pondi_storage_of_value(&field->value);
    if (storage == PONDI_STORE_ANY)
        return pondi_error_set(err, POND_EDATA,
                               "the value of \"%s\" is an interval, which entities do not store: "
                               "save its seconds",
                               field->name);
    pond_error *error = NULL;
    pondi_new_field *known = find_new(plan, field->name, &error);
    if (error)
        return pondi_error_move(err, error);
    if (known) {
        if (widens(known->storage, storage))
            known->storage = storage;
        return POND_OK;
    }
    if (check_system_column(plan, field->name, err))
        return POND_EINVAL;
    known = pondi_arena_alloc(&plan->arena, sizeof(*known));
    if (!known)
        return pondi_error_nomem(err);
    *known = (pondi_new_field){plan->news, field->name, field->type, storage};
    plan->news = known;
    return POND_OK;
}

/* Take what is in the buffer as the value, and free the buffer. */
static int keep_json(pond_plan *plan, pondi_buffer *text, pond_value *value, pond_error **err)
{
    value->as.text.size = text->size;
    value->as.text.data =
        text->failed ? NULL : pondi_arena_copy(&plan->arena, text->data, text->size);
    pondi_buffer_free(text);
    return value->as.text.data ? POND_OK : pondi_error_nomem(err);
}

/* Content that looks like a typed value must not become one. */
static int escape_tags(pond_plan *plan, const pondi_field *field, pond_value *value,
                       pond_error **err)
{
    pondi_buffer text;
    pondi_buffer_init(&text);
    if (value->type != POND_TYPE_JSON || (plan->flags & POND_ENTITY_TAGGED) ||
        pondi_is_stored_json(&field->value) ||
        !pondi_tags_escape(value->as.text.data, value->as.text.size, &text))
        return POND_OK;
    return keep_json(plan, &text, value, err);
}

/* A JSON value whose type is not the field's carries its type with it; so does text that has a
 * type, since a mere string is text. */
static int wrap(pond_plan *plan, const pondi_field *field, const char *type, pond_value *value,
                pond_error **err)
{
    static const char open[] = "{\"$type\": \"";
    static const char middle[] = "\", \"$value\": ";
    const char *given = field->type[0] ? field->type : "json";
    int is_text = field->value.type == POND_TYPE_TEXT && !pondi_is_stored_json(&field->value);
    if (value->type != POND_TYPE_JSON || (is_text && !field->type[0]) ||
        (!is_text && strcmp(given, type[0] ? type : "json") == 0))
        return POND_OK;
    pondi_buffer text;
    pondi_buffer_init(&text);
    pondi_buffer_append_text(&text, open);
    pondi_buffer_append_text(&text, given);
    pondi_buffer_append_text(&text, middle);
    pondi_buffer_append(&text, value->as.text.data, value->as.text.size);
    pondi_buffer_append_char(&text, '}');
    return keep_json(plan, &text, value, err);
}

static int fit_field(pond_plan *plan, pondi_field *field, pondi_storage storage, const char *type,
                     pond_error **err)
{
    field->fitted = field->value;
    int code = pondi_fit(pondi_plan_dialect(plan), storage, field->name, &field->fitted,
                         &plan->arena, err);
    if (code || storage != PONDI_STORE_JSON)
        return code;
    code = escape_tags(plan, field, &field->fitted, err);
    return code ? code : wrap(plan, field, type, &field->fitted, err);
}

/* The column of a field, by its place in the record before: most records are alike. */
static const pondi_column *column_of(const pond_plan *plan, pondi_field *field, size_t hint)
{
    const pondi_entity *entity = plan->entity;
    if (hint < entity->count && strcmp(entity->columns[hint].name, field->name) == 0) {
        field->column = hint;
        return &entity->columns[hint];
    }
    const pondi_column *column = pondi_entity_find(entity, field->name);
    field->column = column ? (size_t)(column - entity->columns) : SIZE_MAX;
    return column;
}

static int check_field(pond_plan *plan, pondi_field *field, size_t hint, pond_error **err)
{
    const pondi_column *column = column_of(plan, field, hint);
    if (column)
        return fit_field(plan, field, column->storage, column->type, err);
    const pondi_column *like = pondi_entity_find_like(plan->entity, field->name);
    if (like)
        return case_conflict(plan, field->name, like->name, err);
    return field->value.type == POND_TYPE_NULL ? POND_OK : note_new(plan, field, err);
}

static int fit_new(pond_plan *plan, pondi_field *field, pond_error **err)
{
    if (field->column != SIZE_MAX || field->value.type == POND_TYPE_NULL)
        return POND_OK;
    const pondi_new_field *known = find_new(plan, field->name, err);
    return fit_field(plan, field, known->storage, known->type, err);
}

typedef int (*field_function)(pond_plan *plan, pondi_field *field, size_t hint, pond_error **err);

static int fit_new_field(pond_plan *plan, pondi_field *field, size_t hint, pond_error **err)
{
    (void)hint;
    return fit_new(plan, field, err);
}

static int each_field(pond_plan *plan, field_function call, pond_error **err)
{
    for (size_t i = 0; i < plan->record_count; i++) {
        pondi_record *record = &plan->records[i];
        for (size_t k = 0; k < record->count; k++) {
            const pondi_record *before = i ? record - 1 : record;
            size_t hint = k < before->count ? before->fields[k].column : SIZE_MAX;
            int code = call(plan, &record->fields[k], hint, err);
            if (code && plan->record_count > 1 && err && *err)
                pondi_error_prefix(*err, "entity %zu: ", i);
            if (code)
                return code;
        }
    }
    return POND_OK;
}

int pondi_plan_check_records(pond_plan *plan, pond_error **err)
{
    plan->news = NULL;
    int code = each_field(plan, check_field, err);
    return code || !plan->news ? code : each_field(plan, fit_new_field, err);
}

int pondi_plan_needs_alter(const pond_plan *plan)
{
    const pondi_entity *entity = plan->entity;
    if (!entity->has_main && !plan->record_count)
        return 0; /* nothing to delete or restore */
    return plan->news || !pondi_entity_is_complete(entity);
}

/* ---- Statements -------------------------------------------------------------------------- */

/* They are counted, and made one at a time: `plan->at` is the next one. */

/* MySQL's types of text, with the collation that compares as the other databases do, or comes
 * closest; a key has no longtext. */
static const char *text_declaration(const pond_plan *plan, int key)
{
    static const struct {
        const char *collation;
        const char *types[2];
    } texts[] = {
        {"utf8mb4_nopad_bin",
         {"longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
          "varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"}},
        {"utf8mb4_0900_bin",
         {"longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin",
          "varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin"}},
        {"utf8mb4_bin",
         {"longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
          "varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"}},
    };
    enum { LAST = sizeof(texts) / sizeof(texts[0]) - 1 };
    size_t i = 0;
    while (i < LAST && strcmp(texts[i].collation, plan->entity->collation) != 0)
        i++;
    return texts[i].types[key];
}

static const char *declaration(const pond_plan *plan, pondi_storage storage)
{
    pond_dialect dialect = pondi_plan_dialect(plan);
    int is_text = storage == PONDI_STORE_TEXT || storage == PONDI_STORE_JSON;
    return is_text && dialect == POND_DIALECT_MYSQL ? text_declaration(plan, 0)
                                                    : pondi_storage_declaration(dialect, storage);
}

static const char *declaration_of(const pond_plan *plan, pondi_role role)
{
    int named =
        role == PONDI_ROLE_ID || role == PONDI_ROLE_CREATED_BY || role == PONDI_ROLE_UPDATED_BY;
    if (named && pondi_plan_dialect(plan) == POND_DIALECT_MYSQL)
        return text_declaration(plan, 1);
    return declaration(plan, pondi_role_storage(role));
}

static void put_column(pond_plan *plan, const char *name, const char *declaration)
{
    pondi_quote(pondi_plan_dialect(plan), name, &plan->sql);
    pondi_buffer_append_char(&plan->sql, ' ');
    pondi_buffer_append_text(&plan->sql, declaration);
}

static void put_create(pond_plan *plan, const char *suffix)
{
    pondi_buffer_append_text(pondi_plan_sql(plan), "CREATE TABLE IF NOT EXISTS ");
    pondi_put_table(plan, suffix);
    pondi_buffer_append_text(&plan->sql, " (");
}

static void put_own_columns(pond_plan *plan, int from)
{
    for (int role = from; role < PONDI_ROLE_COUNT; role++) {
        put_column(plan, pondi_role_name((pondi_role)role), declaration_of(plan, (pondi_role)role));
        if (role == PONDI_ROLE_ID || role == PONDI_ROLE_VERSION)
            pondi_buffer_append_text(&plan->sql, " NOT NULL");
        pondi_buffer_append_text(&plan->sql, ", ");
    }
}

static void end_create(pond_plan *plan)
{
    pondi_buffer_append_text(
        &plan->sql, pondi_plan_dialect(plan) == POND_DIALECT_MYSQL ? ") ENGINE=InnoDB" : ")");
}

static void make_main(pond_plan *plan)
{
    put_create(plan, "");
    put_own_columns(plan, PONDI_ROLE_ID);
    pondi_buffer_append_text(&plan->sql, "PRIMARY KEY (");
    pondi_quote(pondi_plan_dialect(plan), "id", &plan->sql);
    pondi_buffer_append_char(&plan->sql, ')');
    end_create(plan);
}

/* The id as the main table has it, if others declared that. */
static const char *id_declaration(const pond_plan *plan)
{
    const pondi_entity *entity = plan->entity;
    if (!entity->has_main)
        return declaration_of(plan, PONDI_ROLE_ID);
    return entity->columns[entity->id_at].declared;
}

static void make_history(pond_plan *plan)
{
    pond_dialect dialect = pondi_plan_dialect(plan);
    put_create(plan, "_history");
    put_column(plan, "id", id_declaration(plan));
    pondi_buffer_append_text(&plan->sql, " NOT NULL, ");
    put_own_columns(plan, PONDI_ROLE_CREATED_AT);
    put_column(plan, "history_timestamp", declaration(plan, PONDI_STORE_DATETIMETZ));
    pondi_buffer_append_text(&plan->sql, " NOT NULL, ");
    put_column(plan, "history_user_id", declaration_of(plan, PONDI_ROLE_UPDATED_BY));
    pondi_buffer_append_text(&plan->sql, ", ");
    put_column(plan, "history_comment", declaration(plan, PONDI_STORE_TEXT));
    pondi_buffer_append_text(&plan->sql, ", PRIMARY KEY (");
    pondi_quote(dialect, "id", &plan->sql);
    pondi_buffer_append_text(&plan->sql, ", ");
    pondi_quote(dialect, "version", &plan->sql);
    pondi_buffer_append_char(&plan->sql, ')');
    end_create(plan);
}

static void make_meta(pond_plan *plan)
{
    static const char *const columns[] = {
        [POND_DIALECT_POSTGRES] = "name text NOT NULL PRIMARY KEY, type text NOT NULL",
        [POND_DIALECT_MYSQL] =
            "name varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, "
            "type varchar(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL",
        [POND_DIALECT_SQLITE] = "name text NOT NULL PRIMARY KEY, type text NOT NULL"};
    put_create(plan, "_meta");
    pondi_buffer_append_text(&plan->sql, columns[pondi_plan_dialect(plan)]);
    end_create(plan);
}

/* A change that waits for one transaction holds up all others, among them perhaps the one that this
 * transaction waits for. MySQL and MariaDB do not see such a deadlock, and can be told to give up
 * early: MariaDB by the statement, MySQL by the session. */
static int waits_briefly(const pond_plan *plan)
{
    return pondi_plan_dialect(plan) == POND_DIALECT_MYSQL && !plan->joined &&
           pondi_plan_can(plan, POND_CAN_RUN_BLOCK);
}

static int hastens(const pond_plan *plan)
{
    return pondi_plan_dialect(plan) == POND_DIALECT_MYSQL && !plan->joined &&
           pondi_plan_can(plan, PONDI_CAN_HASTEN);
}

static void add_column(pond_plan *plan, const char *suffix, const char *name,
                       const char *declaration)
{
    pondi_buffer_append_text(pondi_plan_sql(plan), "ALTER TABLE ");
    pondi_put_table(plan, suffix);
    if (waits_briefly(plan))
        pondi_buffer_append_text(&plan->sql, " WAIT 1");
    pondi_buffer_append_text(&plan->sql, " ADD COLUMN ");
    if (pondi_plan_dialect(plan) == POND_DIALECT_POSTGRES)
        pondi_buffer_append_text(&plan->sql, "IF NOT EXISTS ");
    put_column(plan, name, declaration);
}

/* Types of the host's own say what they are stored as: "tuple (json)". */
static void add_meta(pond_plan *plan, const pondi_new_field *field)
{
    char type[160];
    const char *storage = pondi_storage_name(field->storage);
    if (field->type[0])
        snprintf(type, sizeof(type), "%s (%s)", field->type, storage);
    else
        snprintf(type, sizeof(type), "%s", storage);
    char *kept = pondi_arena_copy(&plan->arena, type, strlen(type));
    int mysql = pondi_plan_dialect(plan) == POND_DIALECT_MYSQL;
    pondi_buffer_append_text(pondi_plan_sql(plan), mysql ? "INSERT IGNORE INTO " : "INSERT INTO ");
    pondi_put_table(plan, "_meta");
    pondi_buffer_append_text(&plan->sql, " (name, type) VALUES (?, ?)");
    if (!mysql)
        pondi_buffer_append_text(&plan->sql, " ON CONFLICT (name) DO NOTHING");
    pondi_plan_param_text(plan, field->name);
    pondi_plan_param_text(plan, kept);
    plan->values_failed |= !kept;
}

/* True (and the statement made) if this is the one that `*left` counts down to. */
static int is_next(size_t *left)
{
    return (*left)-- == 0;
}

static int make_table(pond_plan *plan, size_t *left)
{
    const pondi_entity *entity = plan->entity;
    if (!entity->has_meta && is_next(left))
        make_meta(plan);
    else if (!entity->has_main && is_next(left))
        make_main(plan);
    else if (!entity->has_history && is_next(left))
        make_history(plan);
    else
        return 0;
    return 1;
}

static int in_place(const pond_plan *plan)
{
    return pondi_plan_dialect(plan) != POND_DIALECT_MYSQL;
}

/* Columns of the library's own that the main table lacks. */
static int make_missing(pond_plan *plan, size_t *left)
{
    const pondi_entity *entity = plan->entity;
    for (int role = PONDI_ROLE_CREATED_AT; role < PONDI_ROLE_COUNT && entity->has_main; role++) {
        const char *name = pondi_role_name((pondi_role)role);
        if (!pondi_entity_find_like(entity, name) && is_next(left)) {
            add_column(plan, "", name, declaration_of(plan, (pondi_role)role));
            return 1;
        }
    }
    return 0;
}

/* Columns that only the history lacks. */
static int make_missing_history(pond_plan *plan, size_t *left)
{
    const pondi_entity *entity = plan->entity;
    for (size_t i = 0; i < entity->count; i++) {
        const pondi_column *column = &entity->columns[i];
        int own = column->role != PONDI_ROLE_FIELD && !entity->has_history;
        if (!column->in_history && !own && is_next(left)) {
            add_column(plan, "_history", column->name, column->declared);
            return 1;
        }
    }
    return 0;
}

static int make_meta_rows(pond_plan *plan, size_t *left)
{
    for (const pondi_new_field *at = plan->news; at; at = at->next) {
        if (is_next(left)) {
            add_meta(plan, at);
            return 1;
        }
    }
    return 0;
}

static int make_columns(pond_plan *plan, const char *suffix, size_t *left)
{
    for (const pondi_new_field *at = plan->news; at; at = at->next) {
        if (is_next(left)) {
            add_column(plan, suffix, at->name, declaration(plan, at->storage));
            return 1;
        }
    }
    return 0;
}

/* Where each statement is committed by itself, whoever sees the meta row and not the column makes
 * the column, too; and no column may be seen that the history lacks. In a transaction others see
 * all or nothing, and the main table comes first, as in every write: the other way round this and
 * a write would each wait for a table that the other has locked. */
static int make_statement(pond_plan *plan)
{
    size_t left = plan->made;
    if (make_table(plan, &left) || make_missing(plan, &left))
        return 1;
    if (in_place(plan))
        return make_columns(plan, "", &left) || make_missing_history(plan, &left) ||
               make_columns(plan, "_history", &left) || make_meta_rows(plan, &left);
    return make_missing_history(plan, &left) || make_meta_rows(plan, &left) ||
           make_columns(plan, "_history", &left) || make_columns(plan, "", &left);
}

/* ---- The steps --------------------------------------------------------------------------- */

static void ended(pond_plan *plan)
{
    plan->owns = 0;
    plan->saved = 0;
    plan->private = 0;
    if (plan->joined && in_place(plan))
        pondi_schema_taint(plan->schema, plan->name);
    else
        pond_schema_forget(plan->schema, plan->name);
    pondi_plan_round(plan);
}

/* Make the session wait for tables as before, if it was hastened; then go on, whatever came of it.
 */
static void be_patient(pond_plan *plan, pondi_state then)
{
    if (!plan->hastened) {
        then(plan);
        return;
    }
    plan->hastened = 0;
    pondi_plan_run(plan, PONDI_BACK_TO_PATIENCE, then);
    plan->catches = plan->kind != POND_STEP_DONE;
}

static void end(pond_plan *plan)
{
    if (plan->hastened)
        be_patient(plan, ended);
    else if (plan->owns)
        pondi_plan_command(plan, POND_STEP_COMMIT, ended);
    else if (plan->saved)
        pondi_plan_run(plan, PONDI_RELEASE_SAVEPOINT, ended);
    else
        ended(plan);
}

static int is_there_already(const pond_error *error)
{
    return strcmp(error->sqlstate, "42S21") == 0 || strcmp(error->sqlstate, "42S01") == 0 ||
           strstr(pond_error_message(error), "uplicate column") ||
           strstr(pond_error_message(error), "already exists");
}

static void next(pond_plan *plan);

/* With why in plan->error. */
static void not_made(pond_plan *plan)
{
    pond_error *error = plan->error;
    plan->error = NULL;
    plan->private = 0;
    if (error->code == POND_EBUSY && (waits_briefly(plan) || hastens(plan))) {
        pondi_plan_give_way(plan, error);
        return;
    }
    if (error->code == POND_ETIMEDOUT && plan->joined)
        pondi_error_prefix(error,
                           "a new field of \"%s\" cannot be added while a transaction that used it "
                           "is open, since MySQL commits with it: save it before: ",
                           plan->name);
    else if (plan->joined && (error->code == POND_ENOTSUPPORTED || error->code == POND_EACQUIRE))
        pondi_error_prefix(error,
                           "new fields of \"%s\" need a connection beside that of the open "
                           "transaction, since MySQL commits with them: ",
                           plan->name);
    pondi_plan_fail(plan, error);
}

static void made_one(pond_plan *plan)
{
    pond_error *error = plan->failure;
    if (error && (in_place(plan) || !is_there_already(error))) {
        plan->failure = NULL;
        pond_error_free(plan->error);
        plan->error = error;
        be_patient(plan, not_made);
        return;
    }
    plan->made++;
    next(plan);
}

static void next(pond_plan *plan)
{
    if (!make_statement(plan)) {
        end(plan);
        return;
    }
    if (plan->joined && !in_place(plan))
        pondi_plan_execute_apart(plan, made_one);
    else
        pondi_plan_execute(plan, made_one);
    plan->catches = !in_place(plan) && plan->kind != POND_STEP_DONE;
}

static void reloaded(pond_plan *plan)
{
    pond_error *error = NULL;
    plan->private = 0;
    if (plan->class->check && plan->class->check(plan, &error)) {
        pondi_plan_fail(plan, error);
        return;
    }
    plan->made = 0;
    plan->hastened = hastens(plan);
    if (!plan->hastened) {
        next(plan);
        return;
    }
    pondi_plan_run(plan, PONDI_HASTEN, next);
    plan->catches = plan->kind != POND_STEP_DONE;
}

static void locked(pond_plan *plan)
{
    plan->private = 1; /* nobody may know what is read here: it is not committed */
    pondi_plan_load(plan, reloaded);
}

static void begun(pond_plan *plan)
{
    plan->owns = !plan->joined;
    plan->saved = plan->joined;
    if (pondi_plan_dialect(plan) != POND_DIALECT_POSTGRES) {
        locked(plan);
        return;
    }
    pondi_buffer_append_text(pondi_plan_sql(plan),
                             "SELECT 1 FROM pg_advisory_xact_lock(hashtext(?))");
    char *key = pondi_arena_alloc(&plan->arena, strlen(plan->name) + 32);
    if (!key) {
        pondi_plan_nomem(plan);
        return;
    }
    snprintf(key, strlen(plan->name) + 32, "millpond.entity.%s", plan->name);
    pondi_plan_param_text(plan, key);
    pondi_plan_execute(plan, locked);
}

void pondi_plan_alter(pond_plan *plan)
{
    if (!in_place(plan))
        locked(plan);
    else if (plan->joined)
        pondi_plan_run(plan, PONDI_SAVEPOINT, begun);
    else
        pondi_plan_command(plan, POND_STEP_BEGIN, begun);
}

/* The statements that make what a save needs: tables with all their columns at once, several
 * columns in one ALTER. They come in stages, each of so many items: `plan->made` of the stage are
 * done.
 */
#include <stdio.h>
#include <string.h>

#include "driver/conn.h"
#include "entity/alter.h"
#include "millpond/millpond.h"

/* ---- Columns ----------------------------------------------------------------------------- */

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
    int is_text = storage == PONDI_STORE_TEXT || storage == PONDI_STORE_JSON;
    return is_text && pondi_plan_facts(plan)->text_needs_collation
               ? text_declaration(plan, 0)
               : pondi_storage_declaration(pondi_plan_dialect(plan), storage);
}

static const char *declaration_of(const pond_plan *plan, pondi_role role)
{
    int named =
        role == PONDI_ROLE_ID || role == PONDI_ROLE_CREATED_BY || role == PONDI_ROLE_UPDATED_BY;
    if (named && pondi_plan_facts(plan)->text_needs_collation)
        return text_declaration(plan, 1);
    return declaration(plan, pondi_role_storage(role));
}

static void put_column(pond_plan *plan, const char *name, const char *declaration)
{
    pondi_quote(pondi_plan_dialect(plan), name, &plan->sql);
    pondi_buffer_append_char(&plan->sql, ' ');
    pondi_buffer_append_text(&plan->sql, declaration);
}

static void put_new_columns(pond_plan *plan)
{
    for (size_t i = 0; i < plan->new_count; i++) {
        put_column(plan, plan->news[i].name, declaration(plan, plan->news[i].storage));
        pondi_buffer_append_text(&plan->sql, ", ");
    }
}

/* Fields that the main table has and no history yet. */
static void put_known_columns(pond_plan *plan)
{
    for (size_t i = 0; i < plan->entity->count; i++) {
        const pondi_column *column = &plan->entity->columns[i];
        if (column->role != PONDI_ROLE_FIELD)
            continue;
        put_column(plan, column->name, column->declared);
        pondi_buffer_append_text(&plan->sql, ", ");
    }
}

/* ---- Tables ------------------------------------------------------------------------------ */

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
    pondi_buffer_append_text(&plan->sql, pondi_plan_facts(plan)->create_end);
}

static void make_main(pond_plan *plan)
{
    put_create(plan, "");
    put_own_columns(plan, PONDI_ROLE_ID);
    put_new_columns(plan);
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
    put_known_columns(plan);
    put_new_columns(plan);
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
    put_create(plan, "_meta");
    pondi_buffer_append_text(&plan->sql, pondi_plan_facts(plan)->meta_columns);
    end_create(plan);
}

/* ---- Stages ------------------------------------------------------------------------------ */

typedef enum stage {
    META_TABLE,
    MAIN_TABLE,
    HISTORY_TABLE,
    OWN_COLUMNS,     /* of the library's own that the main table lacks */
    NEW_COLUMNS,     /* of the main table */
    KNOWN_COLUMNS,   /* that the history lacks */
    HISTORY_COLUMNS, /* new ones */
    META_ROWS,
    STAGE_COUNT
} stage;

/* Where each statement is committed by itself, whoever sees the meta row and not the column makes
 * the column, too; no column may be seen without its meta row, nor one that the history lacks. In a
 * transaction others see all or nothing, and the main table comes first, as in every write: the
 * other way round this and a write would each wait for a table that the other has locked. */
static stage stage_at(const pond_plan *plan, unsigned at)
{
    static const stage in_place[STAGE_COUNT] = {META_TABLE,      MAIN_TABLE,  HISTORY_TABLE,
                                                OWN_COLUMNS,     NEW_COLUMNS, KNOWN_COLUMNS,
                                                HISTORY_COLUMNS, META_ROWS};
    static const stage committed[STAGE_COUNT] = {META_TABLE,      META_ROWS,   HISTORY_TABLE,
                                                 MAIN_TABLE,      OWN_COLUMNS, KNOWN_COLUMNS,
                                                 HISTORY_COLUMNS, NEW_COLUMNS};
    return pondi_alter_is_in_place(plan) ? in_place[at] : committed[at];
}

static int is_missing_role(const pondi_entity *entity, int role)
{
    return !pondi_entity_find_like(entity, pondi_role_name((pondi_role)role));
}

/* How many candidates a stage has; some may be there already. */
static size_t candidates_of(const pond_plan *plan, stage of)
{
    const pondi_entity *entity = plan->entity;
    switch (of) {
    case META_TABLE:
        return !entity->has_meta;
    case MAIN_TABLE:
        return !entity->has_main;
    case HISTORY_TABLE:
        return !entity->has_history;
    case OWN_COLUMNS:
        return entity->has_main ? PONDI_ROLE_COUNT - PONDI_ROLE_CREATED_AT : 0;
    case KNOWN_COLUMNS:
        return entity->has_history ? entity->count : 0;
    case NEW_COLUMNS:
        return entity->has_main ? plan->new_count : 0;
    case HISTORY_COLUMNS:
        return entity->has_history ? plan->new_count : 0;
    default:
        return plan->new_count;
    }
}

static int is_needed(const pond_plan *plan, stage of, size_t at)
{
    if (of == OWN_COLUMNS)
        return is_missing_role(plan->entity, PONDI_ROLE_CREATED_AT + (int)at);
    if (of == HISTORY_COLUMNS) /* it may be there still, if others dropped the main table's */
        return pondi_names_find_like(&plan->entity->history_names, plan->news[at].name) == SIZE_MAX;
    return of != KNOWN_COLUMNS || !plan->entity->columns[at].in_history;
}

/* ---- Columns of tables that are there ---------------------------------------------------- */

static void put_candidate(pond_plan *plan, stage of, size_t at)
{
    pondi_role role = (pondi_role)(PONDI_ROLE_CREATED_AT + (int)at);
    if (of == OWN_COLUMNS)
        put_column(plan, pondi_role_name(role), declaration_of(plan, role));
    else if (of == KNOWN_COLUMNS)
        put_column(plan, plan->entity->columns[at].name, plan->entity->columns[at].declared);
    else
        put_column(plan, plan->news[at].name, declaration(plan, plan->news[at].storage));
}

/* A change that waits for one transaction holds up all others, among them perhaps the one that this
 * transaction waits for. MySQL and MariaDB do not see such a deadlock, and can be told to give up
 * early: MariaDB by the statement, MySQL by the session. */
int pondi_alter_waits_briefly(const pond_plan *plan)
{
    return pondi_plan_facts(plan)->ddl_deadlocks && !plan->joined &&
           pondi_plan_can(plan, POND_CAN_RUN_BLOCK);
}

int pondi_alter_shortens_lock_wait(const pond_plan *plan)
{
    return pondi_plan_facts(plan)->ddl_deadlocks && !plan->joined &&
           pondi_plan_can(plan, PONDI_CAN_SET_LOCK_WAIT);
}

/* PostgreSQL's, and MariaDB's, which the capability tells from MySQL's. */
static int has_if_not_exists(const pond_plan *plan)
{
    pondi_if_absent when = pondi_plan_facts(plan)->adds_if_absent;
    return when == PONDI_IF_ABSENT_ALWAYS ||
           (when == PONDI_IF_ABSENT_WITH_BLOCKS && pondi_plan_can(plan, POND_CAN_RUN_BLOCK));
}

/* As many as one statement may add, from candidate plan->made on. */
static void add_columns(pond_plan *plan, stage of, size_t count)
{
    int history = of == KNOWN_COLUMNS || of == HISTORY_COLUMNS;
    size_t added = 0;
    pondi_buffer_append_text(pondi_plan_sql(plan), "ALTER TABLE ");
    pondi_put_table(plan, history ? "_history" : "");
    if (pondi_alter_waits_briefly(plan))
        pondi_buffer_append_text(&plan->sql, " WAIT 1");
    size_t at = plan->made;
    for (; at < count && !(added && plan->one_by_one); at++) {
        if (!is_needed(plan, of, at))
            continue;
        pondi_buffer_append_text(&plan->sql, added++ ? ", ADD COLUMN " : " ADD COLUMN ");
        if (has_if_not_exists(plan))
            pondi_buffer_append_text(&plan->sql, "IF NOT EXISTS ");
        put_candidate(plan, of, at);
    }
    plan->making = at - plan->made;
    plan->added = added;
}

/* ---- Rows of the meta table -------------------------------------------------------------- */

/* Types of the host's own say what they are stored as: "tuple (json)". */
static const char *type_of(pond_plan *plan, const pondi_new_field *field)
{
    char type[160];
    const char *storage = pondi_storage_name(field->storage);
    if (!field->type[0])
        return storage;
    snprintf(type, sizeof(type), "%s (%s)", field->type, storage);
    return pondi_arena_copy(&plan->arena, type, strlen(type));
}

static void add_meta_rows(pond_plan *plan, size_t count)
{
    enum { MOST_ROWS = 400 }; /* SQLite was limited to 999 parameters */
    size_t end = count - plan->made > MOST_ROWS ? plan->made + MOST_ROWS : count;
    pondi_buffer_append_text(pondi_plan_sql(plan), pondi_plan_facts(plan)->meta_insert);
    pondi_put_table(plan, "_meta");
    pondi_buffer_append_text(&plan->sql, " (name, type) VALUES ");
    for (size_t i = plan->made; i < end; i++) {
        const char *type = type_of(plan, &plan->news[i]);
        pondi_buffer_append_text(&plan->sql, i > plan->made ? ", (?, ?)" : "(?, ?)");
        pondi_plan_param_text(plan, plan->news[i].name);
        pondi_plan_param_text(plan, type);
        plan->values_failed |= !type;
    }
    pondi_buffer_append_text(&plan->sql, pondi_plan_facts(plan)->meta_conflict);
    plan->making = end - plan->made;
}

/* ---- The next one ------------------------------------------------------------------------ */

int pondi_alter_is_in_place(const pond_plan *plan)
{
    return pondi_plan_facts(plan)->ddl_in_transactions;
}

void pondi_alter_begin(pond_plan *plan)
{
    plan->stage = 0;
    plan->made = 0;
    plan->one_by_one = pondi_plan_facts(plan)->adds_one_column;
}

static void make_statement(pond_plan *plan, stage of, size_t count)
{
    plan->making = 1;
    plan->added = 0;
    switch (of) {
    case META_TABLE:
        make_meta(plan);
        break;
    case MAIN_TABLE:
        make_main(plan);
        break;
    case HISTORY_TABLE:
        make_history(plan);
        break;
    case META_ROWS:
        add_meta_rows(plan, count);
        break;
    default:
        add_columns(plan, of, count);
        break;
    }
}

int pondi_alter_next(pond_plan *plan)
{
    for (; plan->stage < STAGE_COUNT; plan->stage++, plan->made = 0) {
        stage of = stage_at(plan, plan->stage);
        size_t count = candidates_of(plan, of);
        while (plan->made < count && !is_needed(plan, of, plan->made))
            plan->made++;
        if (plan->made == count)
            continue;
        make_statement(plan, of, count);
        return 1;
    }
    return 0;
}

int pondi_alter_is_several(const pond_plan *plan)
{
    return plan->added > 1;
}

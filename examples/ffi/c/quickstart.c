/* In C, with the public header alone: open a pool, lease a connection, work in a transaction, stop
 * a statement that takes too long, save an entity and read its history, close the pool.
 *
 *     quickstart DRIVER DATABASE [KEY=VALUE ...]
 *     quickstart sqlite /tmp/quickstart.db
 *     quickstart postgres shop host=localhost user=me password=secret
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <millpond/millpond.h>

static pond_error *error;

/* Every failure ends the program with its whole story. */
static void check(int code, const char *what)
{
    if (code == POND_OK)
        return;
    fprintf(stderr, "%s failed: %s (%s%s%s)\n", what,
            error ? pond_error_message(error) : pond_error_text(code), pond_error_name(code),
            error && *pond_error_sqlstate(error) ? ", SQLSTATE " : "",
            error ? pond_error_sqlstate(error) : "");
    pond_error_free(error);
    exit(1);
}

static pond_config *read_arguments(int count, char **arguments)
{
    pond_config *config = NULL;
    check(pond_config_new(arguments[1], &config, &error), "choosing the driver");
    check(pond_config_set(config, "database", arguments[2], &error), "naming the database");
    for (int i = 3; i < count; i++) {
        char *value = strchr(arguments[i], '=');
        if (!value) {
            fprintf(stderr, "\"%s\" is not KEY=VALUE\n", arguments[i]);
            exit(2);
        }
        *value++ = '\0';
        check(pond_config_set(config, arguments[i], value, &error), "a setting");
    }
    return config;
}

static pond_result *execute(pond_connection *connection, const char *sql, const pond_value *params,
                            size_t param_count)
{
    pond_result *result = NULL;
    check(pond_connection_execute_wait(connection, sql, strlen(sql), params, param_count, NULL,
                                       &result, &error),
          sql);
    return result;
}

static void add_users(pond_connection *connection)
{
    const pond_value rows[] = {pond_value_int64(1), pond_value_text("Ada"), pond_value_int64(2),
                               pond_value_text("Grace")};
    const char *insert = "INSERT INTO quickstart_users (id, name) VALUES (?, ?)";
    pond_result *result = NULL;
    check(pond_connection_execute_many_wait(connection, insert, strlen(insert), rows, 2, 2, NULL,
                                            &result, &error),
          insert);
    printf("inserted %lld rows in one call\n", (long long)pond_result_affected(result));
    pond_result_release(result);
}

static void show_user(pond_connection *connection, int64_t id)
{
    const pond_value key = pond_value_int64(id);
    pond_value row[2];
    pond_result *result =
        execute(connection, "SELECT id, name FROM quickstart_users WHERE id = ?", &key, 1);
    for (size_t i = 0; i < pond_result_row_count(result); i++) {
        check(pond_result_row(result, i, row, &error), "reading a row");
        printf("user %lld is %.*s\n", (long long)row[0].as.integer, (int)row[1].as.text.size,
               row[1].as.text.data);
    }
    pond_result_release(result);
}

/* The statement would take hours, on any database; the server, too, stops working on it. */
static void stop_in_time(pond_connection *connection)
{
    const char *endless = "WITH RECURSIVE n (i) AS "
                          "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) "
                          "SELECT count(*) FROM n a, n b, n c, n d";
    pond_execute_options options = {.struct_size = sizeof(options), .timeout_ms = 100};
    pond_result *result = NULL;
    int code = pond_connection_execute_wait(connection, endless, strlen(endless), NULL, 0, &options,
                                            &result, &error);
    if (code != POND_ETIMEDOUT)
        check(code ? code : POND_EINTERNAL, "stopping a statement");
    pond_error_free(error);
    error = NULL;
    printf("stopped a statement after 100 ms\n");
}

/* ---- Values of every type ---------------------------------------------------------------- */

static void show(const pond_value *value)
{
    char text[POND_VALUE_TEXT];
    switch (value->type) {
    case POND_TYPE_NULL:
        printf("NULL");
        break;
    case POND_TYPE_BOOL:
        printf("%s", value->as.integer ? "true" : "false");
        break;
    case POND_TYPE_INT64:
        printf("%lld", (long long)value->as.integer);
        break;
    case POND_TYPE_DOUBLE:
        printf("%.17g", value->as.real);
        break;
    case POND_TYPE_DECIMAL:
    case POND_TYPE_TEXT:
    case POND_TYPE_JSON:
        printf("%.*s", (int)value->as.text.size, value->as.text.data);
        break;
    case POND_TYPE_BYTES:
        for (size_t i = 0; i < value->as.text.size; i++)
            printf("%02x", (unsigned char)value->as.text.data[i]);
        break;
    case POND_TYPE_ARRAY:
        printf("[");
        for (size_t i = 0; i < value->as.array.count; i++) {
            printf("%s", i ? ", " : "");
            show(&value->as.array.items[i]);
        }
        printf("]");
        break;
    default: /* dates, times, intervals and UUIDs */
        check(pond_value_format(value, text, &error), "a value as text");
        printf("%s", text);
    }
}

static void show_row(const char *title, pond_result *result)
{
    enum { MOST = 16 };
    pond_value row[MOST];
    check(pond_result_column_count(result) <= MOST ? POND_OK : POND_ERANGE, "counting columns");
    check(pond_result_row(result, 0, row, &error), "reading a row");
    printf("%s: ", title);
    for (size_t i = 0; i < pond_result_column_count(result); i++) {
        printf("%s", i ? " | " : "");
        show(&row[i]);
    }
    printf("\n");
    pond_result_release(result);
}

static pond_value parsed(pond_type type, const char *text)
{
    pond_value value;
    check(pond_value_parse(type, text, strlen(text), &value, &error), text);
    return value;
}

static void use_others(pond_connection *connection)
{
    const pond_value items[] = {pond_value_int64(1), pond_value_null(), pond_value_int64(3)};
    pond_value array = {.type = POND_TYPE_ARRAY};
    array.as.array.items = items;
    array.as.array.count = 3;
    const pond_value params[] = {parsed(POND_TYPE_UUID, "12345678-9abc-def0-1234-56789abcdef0"),
                                 pond_value_sized(POND_TYPE_JSON, "{\"a\":1}", 7), array,
                                 parsed(POND_TYPE_TIME, "23:59:59.5"),
                                 parsed(POND_TYPE_TIMESTAMPTZ, "2026-01-02 03:04:05Z")};
    show_row("and", execute(connection,
                            "SELECT CAST(? AS uuid), CAST(? AS json), "
                            "interval '14 months 3 days 1.5 s', CAST(? AS integer[]), "
                            "CAST(? AS time), CAST(? AS timestamptz)",
                            params, 5));
}

/* Every type, there and back. */
static void use_values(pond_connection *connection, const pond_config *config)
{
    int postgres = strcmp(pond_config_driver(config), "postgres") == 0;
    char create[256];
    const pond_value row[] = {pond_value_bool(1),
                              pond_value_int64(9007199254740993),
                              pond_value_double(2.5),
                              pond_value_sized(POND_TYPE_DECIMAL, "12.50", 5),
                              pond_value_text("Ada \xe2\x9c\x93"),
                              pond_value_sized(POND_TYPE_BYTES, "\0\1\xff", 3),
                              parsed(POND_TYPE_DATE, "2026-01-02"),
                              parsed(POND_TYPE_TIMESTAMP, "2026-01-02 03:04:05"),
                              pond_value_null()};
    snprintf(create, sizeof(create),
             "CREATE TABLE quickstart_values (flag boolean, big bigint, half double precision, "
             "price decimal(10, 2), name text, data %s, day date, moment timestamp NULL, "
             "missing text)",
             postgres ? "bytea" : "blob");
    pond_result_release(execute(connection, "DROP TABLE IF EXISTS quickstart_values", NULL, 0));
    pond_result_release(execute(connection, create, NULL, 0));
    pond_result_release(execute(
        connection, "INSERT INTO quickstart_values VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row, 9));
    show_row("values", execute(connection, "SELECT * FROM quickstart_values", NULL, 0));
    if (postgres)
        use_others(connection);
}

/* ---- An entity --------------------------------------------------------------------------- */

/* Run a plan, and return the rows of its answer. */
static pond_result *run(pond_connection *connection, pond_plan *plan)
{
    check(pond_connection_run_wait(connection, plan, POND_TIMEOUT_DEFAULT, &error), "a plan");
    pond_result *result = pond_plan_take_result(plan);
    pond_plan_release(plan);
    return result;
}

/* A cell by the name of its column. */
static pond_value cell_of(pond_result *result, size_t row, const char *name)
{
    size_t column;
    pond_value cell;
    check(pond_result_column(result, name, &column, &error), name);
    check(pond_result_cell(result, row, column, &cell, &error), name);
    return cell;
}

/* Create or update a person; without an id it gets one. The answer is the whole entity. */
static pond_result *save_person(pond_connection *connection, pond_schema *schema,
                                const pond_value *id, const char *name)
{
    pond_field fields[2] = {{.name = "name", .value = pond_value_text(name)}, {.name = "id"}};
    pond_record record = {.fields = fields, .field_count = 1};
    pond_entity_options options = POND_ENTITY_OPTIONS_INIT;
    pond_plan *plan = NULL;
    options.user_id = "quickstart";
    if (id) {
        fields[1].value = *id;
        record.field_count = 2;
    }
    check(pond_plan_save(schema, "quickstart_person", &record, &options, &plan, &error), "saving");
    return run(connection, plan);
}

static void use_entity(pond_pool *pool, pond_connection *connection)
{
    pond_schema *schema = NULL;
    pond_plan *plan = NULL;
    char id[64];
    check(pond_pool_schema(pool, &schema, &error), "the schema");
    pond_result *first = save_person(connection, schema, NULL, "Ada Byron");
    pond_value key = cell_of(first, 0, "id");
    snprintf(id, sizeof(id), "%.*s", (int)key.as.text.size, key.as.text.data);
    pond_result_release(save_person(connection, schema, &key, "Ada Lovelace"));
    pond_result_release(first);
    check(pond_plan_history(schema, "quickstart_person", id, NULL, &plan, &error), "history");
    pond_result *history = run(connection, plan);
    for (size_t i = 0; i < pond_result_row_count(history); i++) {
        pond_value name = cell_of(history, i, "name");
        printf("version %lld is %.*s\n", (long long)cell_of(history, i, "version").as.integer,
               (int)name.as.text.size, name.as.text.data);
    }
    pond_result_release(history);
    pond_schema_release(schema);
}

/* ---- The job ----------------------------------------------------------------------------- */

static void work(pond_connection *connection)
{
    printf("connected to %s\n", pond_connection_server_version(connection));
    pond_result_release(execute(connection, "DROP TABLE IF EXISTS quickstart_users", NULL, 0));
    pond_result_release(execute(
        connection, "CREATE TABLE quickstart_users (id integer PRIMARY KEY, name text)", NULL, 0));
    check(pond_connection_transaction_wait(connection, POND_BEGIN, POND_TIMEOUT_DEFAULT, &error),
          "begin");
    add_users(connection);
    check(pond_connection_transaction_wait(connection, POND_COMMIT, POND_TIMEOUT_DEFAULT, &error),
          "commit");
    printf("committed\n");
    stop_in_time(connection);
    show_user(connection, 2);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s DRIVER DATABASE [KEY=VALUE ...]\n", argv[0]);
        return 2;
    }
    pond_config *config = read_arguments(argc, argv);
    pond_pool *pool = NULL;
    pond_connection *connection = NULL;
    check(pond_pool_open(config, &pool, &error), "opening the pool");
    check(pond_pool_acquire_wait(pool, NULL, POND_TIMEOUT_DEFAULT, &connection, &error),
          "acquiring a connection");
    work(connection);
    use_values(connection, config);
    use_entity(pool, connection);
    check(pond_connection_give_back(connection, &error), "giving the connection back");
    pond_connection_release(connection);
    check(pond_pool_close_wait(pool, 30000, &error), "closing the pool");
    printf("pool closed\n");
    pond_pool_release(pool);
    pond_config_release(config);
    return 0;
}

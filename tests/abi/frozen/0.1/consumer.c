/* A user's program over the width of the interface: what it was compiled against must go on working
 * with every later library. Uses a database in memory; says nothing and gives 0 if all is right. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <millpond/millpond.h>

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                \
        }                                                                           \
    } while (0)

static pond_config *make_config(const char *driver)
{
    pond_config *config = NULL;
    char hash[33];
    CHECK(pond_config_new(driver, &config, NULL) == POND_OK);
    CHECK(pond_config_set(config, "database",
                          strcmp(driver, "sqlite") ? "consumer" : ":memory:", NULL) == POND_OK);
    CHECK(pond_config_hash(config, hash, NULL) == POND_OK && strlen(hash) == 32);
    CHECK(strcmp(pond_config_driver(config), driver) == 0);
    return config;
}

static pond_result *execute(pond_connection *connection, const char *sql, const pond_value *params,
                            size_t count)
{
    pond_execute_options options = POND_EXECUTE_OPTIONS_INIT;
    pond_tag tag = {"route", "consumer"};
    pond_result *result = NULL;
    pond_error *error = NULL;
    options.tags = &tag;
    options.tag_count = 1;
    int code = pond_connection_execute_wait(connection, sql, strlen(sql), params, count, &options,
                                            &result, &error);
    if (code)
        fprintf(stderr, "%s: %s\n", sql, error ? pond_error_message(error) : pond_error_text(code));
    CHECK(code == POND_OK);
    return result;
}

static void check_values(pond_connection *connection)
{
    pond_value given[4], back[4];
    memset(given, 0, sizeof(given));
    given[0].type = POND_TYPE_INT64;
    given[0].as.integer = INT64_MIN;
    given[1].type = POND_TYPE_TEXT;
    given[1].as.text.data = "h\xc3\xa9";
    given[1].as.text.size = 3;
    given[2].type = POND_TYPE_DOUBLE;
    given[2].as.real = 0.5;
    pond_result *result = execute(connection, "SELECT ? AS a, ? AS b, ?, ?", given, 4);
    CHECK(pond_result_row_count(result) == 1 && pond_result_column_count(result) == 4);
    CHECK(strcmp(pond_result_column_name(result, 1), "b") == 0);
    CHECK(pond_result_row(result, 0, back, NULL) == POND_OK);
    CHECK(back[0].type == POND_TYPE_INT64 && back[0].as.integer == INT64_MIN);
    CHECK(back[1].type == POND_TYPE_TEXT && memcmp(back[1].as.text.data, "h\xc3\xa9", 3) == 0);
    CHECK(back[2].type == POND_TYPE_DOUBLE && back[2].as.real > 0.4 && back[2].as.real < 0.6);
    CHECK(back[3].type == POND_TYPE_NULL);
    pond_result_release(result);
}

static void check_errors(pond_connection *connection)
{
    pond_result *result = NULL;
    pond_error *error = NULL;
    int code =
        pond_connection_execute_wait(connection, "SELECT FROM", 11, NULL, 0, NULL, &result, &error);
    CHECK(code == POND_ESYNTAX && !result && error && pond_error_code(error) == code);
    CHECK(*pond_error_message(error) && strcmp(pond_error_name(code), "ESYNTAX") == 0);
    pond_error_free(error);
}

static void check_transaction(pond_connection *connection)
{
    const int64_t limit = POND_TIMEOUT_DEFAULT;
    int open = 0;
    pond_result_release(execute(connection, "CREATE TABLE t (a integer)", NULL, 0));
    CHECK(pond_connection_transaction_wait(connection, POND_BEGIN, limit, NULL) == POND_OK);
    CHECK(pond_connection_in_transaction(connection, &open, NULL) == POND_OK && open);
    pond_result *result = execute(connection, "INSERT INTO t VALUES (1), (2)", NULL, 0);
    CHECK(pond_result_affected(result) == 2);
    pond_result_release(result);
    CHECK(pond_connection_transaction_wait(connection, POND_ROLLBACK, limit, NULL) == POND_OK);
    result = execute(connection, "SELECT a FROM t", NULL, 0);
    CHECK(pond_result_row_count(result) == 0);
    pond_result_release(result);
}

/* The host's own event loop, in its smallest form. */
static pond_op *next_of(pond_loop *loop)
{
    pond_op *op;
    while (!(op = pond_loop_next(loop))) {
        struct pollfd descriptor = {pond_loop_fd(loop), POLLIN, 0};
        poll(&descriptor, 1, pond_loop_timeout_ms(loop));
        CHECK(pond_loop_run_nowait(loop, NULL) == POND_OK);
    }
    return op;
}

static void check_loop(void)
{
    pond_config *config = make_config("fake");
    pond_pool *pool = NULL;
    pond_loop *loop = NULL;
    int mine = 0;
    CHECK(pond_pool_open(config, &pool, NULL) == POND_OK);
    CHECK(pond_loop_new(&loop, NULL) == POND_OK);
    CHECK(pond_pool_acquire(pool, loop, 10000, &mine, NULL, NULL) == POND_OK);
    pond_op *op = next_of(loop);
    pond_connection *connection = pond_op_take_connection(op);
    CHECK(connection && pond_op_user_data(op) == &mine && pond_op_status(op) == POND_OK);
    pond_op_release(op);
    CHECK(pond_connection_execute(connection, "HANG", 4, NULL, 0, NULL, NULL, &op, NULL) ==
          POND_OK);
    pond_op_cancel(op);
    pond_op_release(op);
    op = next_of(loop);
    CHECK(pond_op_status(op) == POND_ECANCELLED);
    pond_op_release(op);
    pond_connection_close(connection, NULL);
    pond_connection_release(connection);
    pond_loop_release(loop);
    CHECK(pond_pool_close_wait(pool, 1000, NULL) == POND_OK);
    pond_pool_release(pool);
    pond_config_release(config);
}

/* A loop of the library's own thread, whose operations come to a callback. */
static void count_completed(void *data, pond_op *op)
{
    *(int *)data += pond_op_status(op) == POND_OK;
    pond_op_release(op);
}

static void check_thread(pond_pool *pool)
{
    pond_loop *loop = NULL;
    pond_connection *connection = NULL;
    int completed = 0;
    CHECK(pond_loop_new(&loop, NULL) == POND_OK);
    CHECK(pond_loop_start_thread(loop, count_completed, &completed, NULL) == POND_OK);
    CHECK(pond_pool_acquire_wait(pool, loop, 10000, &connection, NULL) == POND_OK);
    CHECK(pond_connection_execute(connection, "SELECT 1", 8, NULL, 0, NULL, NULL, NULL, NULL) ==
          POND_OK);
    pond_result_release(execute(connection, "SELECT 2", NULL, 0)); /* comes after it */
    CHECK(pond_connection_give_back(connection, NULL) == POND_OK);
    pond_connection_release(connection);
    pond_loop_release(loop); /* returns when the thread has ended */
    CHECK(completed == 1);
}

static pond_result *run(pond_connection *connection, pond_plan *plan)
{
    CHECK(pond_connection_run_wait(connection, plan, POND_TIMEOUT_DEFAULT, NULL) == POND_OK);
    CHECK(pond_plan_status(plan) == POND_OK);
    pond_result *result = pond_plan_take_result(plan);
    pond_plan_release(plan);
    return result;
}

static void check_entity(pond_pool *pool, pond_connection *connection)
{
    pond_entity_options options = POND_ENTITY_OPTIONS_INIT;
    pond_schema *schema = NULL;
    pond_plan *plan = NULL;
    pond_field fields[2];
    pond_record record = {fields, 2};
    memset(fields, 0, sizeof(fields));
    fields[0].name = "id";
    fields[0].value.type = POND_TYPE_TEXT;
    fields[0].value.as.text.data = "7";
    fields[0].value.as.text.size = 1;
    fields[1].name = "age";
    fields[1].value.type = POND_TYPE_INT64;
    options.user_id = "me";
    CHECK(pond_pool_schema(pool, &schema, NULL) == POND_OK);
    for (int age = 36; age < 38; age++) {
        fields[1].value.as.integer = age;
        CHECK(pond_plan_save(schema, "person", &record, &options, &plan, NULL) == POND_OK);
        pond_result_release(run(connection, plan));
    }
    CHECK(pond_plan_history(schema, "person", "7", NULL, &plan, NULL) == POND_OK);
    pond_result *history = run(connection, plan);
    CHECK(pond_result_row_count(history) == 2);
    pond_result_release(history);
    pond_schema_release(schema);
}

/* A library that knows more fields leaves the bytes after an old struct alone. */
static void check_status(pond_pool *pool)
{
    struct {
        pond_pool_status status;
        unsigned char after[64];
    } room;
    memset(&room, 0xa5, sizeof(room));
    room.status.struct_size = sizeof(room.status);
    CHECK(pond_pool_get_status(pool, &room.status, NULL) == POND_OK);
    CHECK(room.status.struct_size == sizeof(room.status));
    CHECK(room.status.in_use >= 1 && room.status.acquired == 1);
    for (size_t i = 0; i < sizeof(room.after); i++)
        CHECK(room.after[i] == 0xa5);
}

int main(void)
{
    pond_config *config = make_config("sqlite");
    pond_pool *pool = NULL;
    pond_connection *connection = NULL;
    CHECK(strlen(pond_version()) >= 5);
    CHECK(pond_pool_open(config, &pool, NULL) == POND_OK);
    CHECK(pond_pool_acquire_wait(pool, NULL, 10000, &connection, NULL) == POND_OK);
    check_status(pool);
    check_values(connection);
    check_errors(connection);
    check_transaction(connection);
    check_entity(pool, connection);
    check_thread(pool);
    CHECK(pond_connection_give_back(connection, NULL) == POND_OK);
    CHECK(pond_connection_give_back(connection, NULL) == POND_ESTALE);
    pond_connection_release(connection);
    CHECK(pond_pool_close_wait(pool, 1000, NULL) == POND_OK);
    pond_pool_release(pool);
    pond_config_release(config);
    check_loop();
    return 0;
}

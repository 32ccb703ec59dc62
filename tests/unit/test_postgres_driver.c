/* The PostgreSQL driver on a real server, under the sanitizers. What its values look like to a
 * program is tested in tests/python. */
#include "postgres_fixture.h"

typedef struct world {
    pond_loop *loop;
    pond_pool *pool;
    pond_connection *connection;
} world;

static world *enter(const char *alias, const char *const *settings)
{
    static world made;
    assert_int_equal(pond_loop_new(&made.loop, NULL), POND_OK);
    made.pool = open_postgres(alias, settings);
    pond_error *error = NULL;
    int code = pond_pool_acquire_wait(made.pool, made.loop, 10000, &made.connection, &error);
    if (code)
        fail_msg("%s", pond_error_message(error));
    return &made;
}

static void leave(world *at)
{
    if (at->connection)
        assert_int_equal(pond_connection_give_back(at->connection, NULL), POND_OK);
    pond_connection_release(at->connection);
    pond_op *op = NULL;
    assert_int_equal(pond_pool_close(at->pool, at->loop, 5000, NULL, &op, NULL), POND_OK);
    assert_int_equal(pond_op_wait(op, 20000, NULL), POND_OK);
    pond_op_release(op);
    pond_pool_status status = {.struct_size = sizeof(status)};
    pond_pool_get_status(at->pool, &status, NULL);
    assert_int_equal(status.size, 0);
    assert_int_equal(status.acquired, status.released);
    pond_pool_release(at->pool);
    pond_loop_release(at->loop);
}

static pond_value integer(int64_t number)
{
    pond_value value = {.type = POND_TYPE_INT64};
    value.as.integer = number;
    return value;
}

static int execute(world *at, const char *sql, const pond_value *params, size_t count,
                   int64_t timeout_ms, pond_result **result, pond_error **err)
{
    pond_execute_options options = {.struct_size = sizeof(options), .timeout_ms = timeout_ms};
    pond_result *got = NULL;
    int code = pond_connection_execute_wait(at->connection, sql, strlen(sql), params, count,
                                            &options, &got, err);
    if (result)
        *result = got;
    else
        pond_result_release(got);
    return code;
}

/* The one number that a statement returns. */
static int64_t number_of(world *at, const char *sql, const pond_value *params, size_t count)
{
    pond_result *result = NULL;
    pond_error *error = NULL;
    pond_value value;
    if (execute(at, sql, params, count, 10000, &result, &error))
        fail_msg("%s: %s", sql, pond_error_message(error));
    assert_int_equal(pond_result_row_count(result), 1);
    assert_int_equal(pond_result_row(result, 0, &value, NULL), POND_OK);
    assert_int_equal(value.type, POND_TYPE_INT64);
    pond_result_release(result);
    return value.as.integer;
}

/* ---- Statements -------------------------------------------------------------------------- */

static void statements_are_prepared_once_and_give_values(void **state)
{
    (void)state;
    world *at = enter("prepared", NULL);
    for (int64_t i = 0; i < 100; i++) {
        pond_value param = integer(i);
        assert_int_equal(number_of(at, "SELECT ?::bigint + 1", &param, 1), i + 1);
    }
    assert_int_equal(number_of(at, "SELECT count(*) FROM pg_prepared_statements", NULL, 0), 2);
    leave(at);
}

static void an_error_leaves_the_connection_usable(void **state)
{
    (void)state;
    world *at = enter("errors", NULL);
    pond_error *error = NULL;
    pond_value zero = integer(0);
    assert_int_equal(execute(at, "SELECT 1 / ?::int", &zero, 1, 1000, NULL, &error), POND_EDATA);
    assert_string_equal(pond_error_sqlstate(error), "22012");
    pond_error_free(error);
    error = NULL;
    assert_int_equal(execute(at, "SELECT * FROM nowhere", NULL, 0, 1000, NULL, &error),
                     POND_EUNDEFINED);
    assert_int_equal(pond_error_position(error), 15);
    pond_error_free(error);
    assert_int_equal(number_of(at, "SELECT 7", NULL, 0), 7);
    leave(at);
}

static void a_failed_transaction_is_not_committed(void **state)
{
    (void)state;
    world *at = enter("transactions", NULL);
    int open;
    assert_int_equal(pond_connection_transaction_wait(at->connection, POND_BEGIN, 1000, NULL),
                     POND_OK);
    assert_true(execute(at, "SELECT nonsense", NULL, 0, 1000, NULL, NULL) < 0);
    pond_connection_in_transaction(at->connection, &open, NULL);
    assert_int_equal(open, 1);
    assert_int_equal(pond_connection_transaction_wait(at->connection, POND_COMMIT, 1000, NULL),
                     POND_ETRANSACTION);
    pond_connection_in_transaction(at->connection, &open, NULL);
    assert_int_equal(open, 0);
    leave(at);
}

static void many_rows_are_all_or_none(void **state)
{
    (void)state;
    world *at = enter("many", NULL);
    enum { ROWS = 5000 };
    static pond_value rows[ROWS];
    const char *insert = "INSERT INTO many_rows VALUES (?)";
    execute(at, "DROP TABLE IF EXISTS many_rows", NULL, 0, 5000, NULL, NULL);
    execute(at, "CREATE TABLE many_rows (n int PRIMARY KEY)", NULL, 0, 5000, NULL, NULL);
    for (int i = 0; i < ROWS; i++)
        rows[i] = integer(i);
    rows[ROWS - 10] = integer(3);
    pond_error *error = NULL;
    pond_result *result = NULL;
    assert_int_equal(pond_connection_execute_many_wait(at->connection, insert, strlen(insert), rows,
                                                       ROWS, 1, NULL, &result, &error),
                     POND_EUNIQUE);
    assert_int_equal(strncmp(pond_error_message(error), "row 4990: ", 10), 0);
    pond_error_free(error);
    assert_int_equal(number_of(at, "SELECT count(*) FROM many_rows", NULL, 0), 0);
    rows[ROWS - 10] = integer(ROWS - 10);
    assert_int_equal(pond_connection_execute_many_wait(at->connection, insert, strlen(insert), rows,
                                                       ROWS, 1, NULL, &result, NULL),
                     POND_OK);
    assert_int_equal(pond_result_affected(result), ROWS);
    pond_result_release(result);
    assert_int_equal(number_of(at, "SELECT count(*) FROM many_rows", NULL, 0), ROWS);
    leave(at);
}

/* ---- Stopping ---------------------------------------------------------------------------- */

static void a_timeout_stops_the_server_and_keeps_the_session(void **state)
{
    (void)state;
    world *at = enter("timeout", NULL);
    int64_t pid = number_of(at, "SELECT pg_backend_pid()", NULL, 0);
    assert_int_equal(execute(at, "SELECT pg_sleep(600)", NULL, 0, 50, NULL, NULL), POND_ETIMEDOUT);
    assert_int_equal(number_of(at, "SELECT pg_backend_pid()", NULL, 0), pid);
    leave(at);
}

/* A cancel that comes too late must not stop the next statement: each is cancelled at a moment of
 * its own, many after they have ended. */
static void a_storm_of_cancels_never_hits_the_next_statement(void **state)
{
    (void)state;
    world *at = enter("storm", NULL);
    const char *sql = "SELECT count(*)::bigint FROM generate_series(1, ?::bigint)";
    for (int64_t i = 0; i < 300; i++) {
        pond_value param = integer((i * 7919) % 40000);
        pond_op *op = NULL;
        assert_int_equal(pond_connection_execute(at->connection, sql, strlen(sql), &param, 1, NULL,
                                                 NULL, &op, NULL),
                         POND_OK);
        for (int64_t turns = 0; turns < i % 5; turns++)
            pond_loop_run_nowait(at->loop, NULL);
        pond_op_cancel(op);
        int status = pond_op_wait(op, 20000, NULL);
        assert_true(status == POND_OK || status == POND_ECANCELLED);
        pond_op_release(op);
        pond_value next = integer(i);
        assert_int_equal(number_of(at, "SELECT ?::bigint", &next, 1), i);
    }
    leave(at);
}

static void closing_the_loop_while_a_cancel_is_under_way_is_safe(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        world *at = enter("closing", NULL);
        const char *sql = "SELECT pg_sleep(600)";
        pond_op *op = NULL;
        pond_connection_execute(at->connection, sql, strlen(sql), NULL, 0, NULL, NULL, &op, NULL);
        pond_loop_run_nowait(at->loop, NULL);
        pond_op_cancel(op);
        pond_loop_close(at->loop);
        assert_true(pond_op_status(op) < 0);
        pond_op_release(op);
        pond_connection_release(at->connection);
        pond_pool_release(at->pool);
        pond_loop_release(at->loop);
    }
}

static void a_killed_session_is_lost_and_replaced(void **state)
{
    (void)state;
    world *at = enter("killed", NULL);
    pond_value pid = integer(number_of(at, "SELECT pg_backend_pid()", NULL, 0));
    pond_pool *other = open_postgres("killer", NULL);
    pond_connection *killer = NULL;
    const char *kill = "SELECT pg_terminate_backend(?::int)";
    pond_result *result = NULL;
    assert_int_equal(pond_pool_acquire_wait(other, NULL, 10000, &killer, NULL), POND_OK);
    assert_int_equal(
        pond_connection_execute_wait(killer, kill, strlen(kill), &pid, 1, NULL, &result, NULL),
        POND_OK);
    pond_result_release(result);
    pond_connection_give_back(killer, NULL);
    pond_connection_release(killer);
    assert_int_equal(pond_pool_close_wait(other, 5000, NULL), POND_OK);
    pond_pool_release(other);
    assert_int_equal(execute(at, "SELECT 1", NULL, 0, 5000, NULL, NULL), POND_ECONNLOST);
    pond_connection_give_back(at->connection, NULL);
    pond_connection_release(at->connection);
    at->connection = NULL;
    assert_int_equal(pond_pool_acquire_wait(at->pool, at->loop, 10000, &at->connection, NULL),
                     POND_OK);
    assert_int_equal(number_of(at, "SELECT 1", NULL, 0), 1);
    leave(at);
}

RUN_TESTS(cmocka_unit_test(statements_are_prepared_once_and_give_values),
          cmocka_unit_test(an_error_leaves_the_connection_usable),
          cmocka_unit_test(a_failed_transaction_is_not_committed),
          cmocka_unit_test(many_rows_are_all_or_none),
          cmocka_unit_test(a_timeout_stops_the_server_and_keeps_the_session),
          cmocka_unit_test(a_storm_of_cancels_never_hits_the_next_statement),
          cmocka_unit_test(closing_the_loop_while_a_cancel_is_under_way_is_safe),
          cmocka_unit_test(a_killed_session_is_lost_and_replaced))

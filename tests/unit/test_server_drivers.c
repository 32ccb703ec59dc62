/* The drivers of servers on real ones, under the sanitizers. What their values look like to a
 * program is tested in tests/python. */
#include "server_fixture.h"

typedef struct world {
    const server *server;
    pond_loop *loop;
    pond_pool *pool;
    pond_connection *connection;
} world;

static world *enter(void **state, const char *alias, const char *const *settings)
{
    static world made;
    made.server = *state;
    assert_int_equal(pond_loop_new(&made.loop, NULL), POND_OK);
    made.pool = open_server(made.server, alias, settings);
    pond_error *error = NULL;
    int code = pond_pool_acquire_wait(made.pool, made.loop, 60000, &made.connection, &error);
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
    assert_int_equal(pond_op_wait(op, 60000, NULL), POND_OK);
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
    if (execute(at, sql, params, count, 60000, &result, &error))
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
    world *at = enter(state, "prepared", NULL);
    for (int64_t i = 0; i < 100; i++) {
        pond_value param = integer(i);
        assert_int_equal(number_of(at, at->server->add_one, &param, 1), i + 1);
    }
    assert_int_equal(number_of(at, at->server->prepared, NULL, 0), 2);
    leave(at);
}

static void an_error_leaves_the_connection_usable(void **state)
{
    world *at = enter(state, "errors", NULL);
    pond_error *error = NULL;
    assert_int_equal(execute(at, "SELECT * FROM nowhere", NULL, 0, 60000, NULL, &error),
                     POND_EUNDEFINED);
    assert_string_equal(pond_error_sqlstate(error), at->server->no_table);
    pond_error_free(error);
    assert_int_equal(number_of(at, "SELECT 7", NULL, 0), 7);
    leave(at);
}

static void a_failed_transaction_is_not_committed(void **state)
{
    world *at = enter(state, "transactions", NULL);
    int open;
    assert_int_equal(pond_connection_transaction_wait(at->connection, POND_BEGIN, 20000, NULL),
                     POND_OK);
    assert_true(execute(at, "SELECT nonsense", NULL, 0, 60000, NULL, NULL) < 0);
    pond_connection_in_transaction(at->connection, &open, NULL);
    assert_int_equal(open, 1);
    assert_int_equal(pond_connection_transaction_wait(at->connection, POND_COMMIT, 20000, NULL),
                     at->server->commits_failed ? POND_OK : POND_ETRANSACTION);
    pond_connection_in_transaction(at->connection, &open, NULL);
    assert_int_equal(open, 0);
    leave(at);
}

static void many_rows_are_all_or_none(void **state)
{
    world *at = enter(state, "many", NULL);
    enum { ROWS = 5000 };
    static pond_value rows[ROWS];
    const char *insert = "INSERT INTO many_rows VALUES (?)";
    execute(at, "DROP TABLE IF EXISTS many_rows", NULL, 0, 60000, NULL, NULL);
    execute(at, "CREATE TABLE many_rows (n int PRIMARY KEY)", NULL, 0, 60000, NULL, NULL);
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
    world *at = enter(state, "timeout", NULL);
    int64_t pid = number_of(at, at->server->session, NULL, 0);
    assert_int_equal(execute(at, at->server->sleep, NULL, 0, 50, NULL, NULL), POND_ETIMEDOUT);
    assert_int_equal(number_of(at, at->server->session, NULL, 0), pid);
    leave(at);
}

static void end_of_cancelled(pond_op *op)
{
    int status = pond_op_wait(op, 60000, NULL);
    pond_error *error = pond_op_take_error(op);
    if (status != POND_OK && status != POND_ECANCELLED)
        fail_msg("a cancelled statement ended with %s, SQLSTATE %s: %s", pond_error_name(status),
                 pond_error_sqlstate(error), pond_error_message(error));
    pond_error_free(error);
    pond_op_release(op);
}

/* A cancel that comes too late must not stop the next statement: each is cancelled at a moment of
 * its own, many after they have ended. */
static void a_storm_of_cancels_never_hits_the_next_statement(void **state)
{
    world *at = enter(state, "storm", NULL);
    const char *sql = at->server->count_to;
    for (int64_t i = 0; i < 300; i++) {
        pond_value param = integer((i * 7919) % 40000);
        pond_op *op = NULL;
        assert_int_equal(pond_connection_execute(at->connection, sql, strlen(sql), &param, 1, NULL,
                                                 NULL, &op, NULL),
                         POND_OK);
        for (int64_t turns = 0; turns < i % 5; turns++)
            pond_loop_run_nowait(at->loop, NULL);
        pond_op_cancel(op);
        end_of_cancelled(op);
        pond_value next = integer(i);
        assert_int_equal(number_of(at, at->server->same, &next, 1), i);
    }
    leave(at);
}

/* Few statements are kept, so that nearly each is prepared, and one closed, when it is cancelled.
 * Their texts differ by what they add, and by the number of their parameters. */
static void a_storm_of_cancels_takes_no_prepare_for_anothers(void **state)
{
    static const char *const settings[] = {"statement_cache_size", "3", "statement_cache_max_size",
                                           "3", NULL};
    world *at = enter(state, "prepares", settings);
    for (int64_t i = 0; i < 400; i++) {
        char sql[400];
        pond_value params[4];
        size_t count = (size_t)(i % 5);
        int64_t sum = i % 11;
        int length = snprintf(sql, sizeof(sql), "%s + %d", at->server->same, (int)sum);
        params[0] = integer(i);
        for (size_t j = 1; j < count; j++) {
            params[j] = integer(i * (int64_t)j);
            length += snprintf(sql + length, sizeof(sql) - (size_t)length, " + %s",
                               at->server->same + strlen("SELECT "));
        }
        if (!count)
            length = snprintf(sql, sizeof(sql), "SELECT %d", (int)sum);
        for (size_t j = 0; j < count; j++)
            sum += params[j].as.integer;
        pond_op *op = NULL;
        assert_int_equal(pond_connection_execute(at->connection, sql, (size_t)length, params, count,
                                                 NULL, NULL, &op, NULL),
                         POND_OK);
        for (int64_t turns = 0; turns < i % 7; turns++)
            pond_loop_run_nowait(at->loop, NULL);
        pond_op_cancel(op);
        end_of_cancelled(op);
        assert_int_equal(number_of(at, sql, params, count), sum);
    }
    leave(at);
}

static void closing_the_loop_while_a_cancel_is_under_way_is_safe(void **state)
{
    for (int i = 0; i < 20; i++) {
        world *at = enter(state, "closing", NULL);
        const char *sql = at->server->sleep;
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
    world *at = enter(state, "killed", NULL);
    pond_value pid = integer(number_of(at, at->server->session, NULL, 0));
    pond_pool *other = open_server(at->server, "killer", NULL);
    pond_connection *killer = NULL;
    const char *kill = at->server->kill;
    pond_result *result = NULL;
    assert_int_equal(pond_pool_acquire_wait(other, NULL, 60000, &killer, NULL), POND_OK);
    assert_int_equal(
        pond_connection_execute_wait(killer, kill, strlen(kill), &pid, 1, NULL, &result, NULL),
        POND_OK);
    pond_result_release(result);
    pond_connection_give_back(killer, NULL);
    pond_connection_release(killer);
    assert_int_equal(pond_pool_close_wait(other, 5000, NULL), POND_OK);
    pond_pool_release(other);
    assert_int_equal(execute(at, "SELECT 1", NULL, 0, 60000, NULL, NULL), POND_ECONNLOST);
    pond_connection_give_back(at->connection, NULL);
    pond_connection_release(at->connection);
    at->connection = NULL;
    assert_int_equal(pond_pool_acquire_wait(at->pool, at->loop, 60000, &at->connection, NULL),
                     POND_OK);
    assert_int_equal(number_of(at, "SELECT 1", NULL, 0), 1);
    leave(at);
}

#define ON(server, test) cmocka_unit_test_prestate(test, (void *)(uintptr_t)&server)
#define ON_ALL(test) ON(postgres_server, test), ON(mysql_server, test)

RUN_TESTS(ON_ALL(statements_are_prepared_once_and_give_values),
          ON_ALL(an_error_leaves_the_connection_usable),
          ON_ALL(a_failed_transaction_is_not_committed), ON_ALL(many_rows_are_all_or_none),
          ON_ALL(a_timeout_stops_the_server_and_keeps_the_session),
          ON_ALL(a_storm_of_cancels_never_hits_the_next_statement),
          ON_ALL(a_storm_of_cancels_takes_no_prepare_for_anothers),
          ON_ALL(closing_the_loop_while_a_cancel_is_under_way_is_safe),
          ON_ALL(a_killed_session_is_lost_and_replaced))

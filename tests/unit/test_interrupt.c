/* Blocking calls that the host of their thread ends, wherever they wait. */
#include "sqlite_fixture.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdint.h>

static const char *const endless =
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

/* Says yes to the third question, and no to all others. */
static int third(void *data)
{
    int *asked = data;
    return ++*asked == 3;
}

static void ask_none(void)
{
    pond_thread_set_interrupt(NULL, NULL);
}

static void a_running_statement_ends_and_its_connection_goes_on(void **state)
{
    fixture *at = *state;
    int asked = 0;
    pond_thread_set_interrupt(third, &asked);
    assert_int_equal(execute(at->conn, endless, NULL, 0, NULL), POND_ECANCELLED);
    assert_int_equal(asked, 3);
    assert_int_equal(number_from(at->conn, "SELECT 7"), 7);
    ask_none();
}

static void many_rows_that_are_interrupted_have_no_effect(void **state)
{
    enum { ROWS = 3 };
    fixture *at = *state;
    int asked = 0;
    pond_value rows[ROWS] = {of_integer(1), of_integer(2), of_integer(INT64_MAX)};
    const char *sql =
        "INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
        "WHERE i < ?) SELECT max(i) FROM n";
    run(at->conn, "CREATE TABLE t (n integer)");
    pond_thread_set_interrupt(third, &asked);
    assert_int_equal(pond_connection_execute_many_wait(at->conn, sql, strlen(sql), rows, ROWS, 1,
                                                       NULL, NULL, NULL),
                     POND_ECANCELLED);
    ask_none();
    assert_int_equal(number_from(at->conn, "SELECT count(*) FROM t"), 0);
}

static void waiting_for_the_turn_to_write_ends(void **state)
{
    fixture *at = *state;
    pond_connection *writer = NULL;
    int asked = 0;
    assert_int_equal(lease(at->pool, &writer), POND_OK);
    assert_int_equal(transact(writer, POND_BEGIN, 5000), POND_OK);
    pond_thread_set_interrupt(third, &asked);
    assert_int_equal(transact(at->conn, POND_BEGIN, POND_TIMEOUT_NONE), POND_ECANCELLED);
    ask_none();
    assert_int_equal(asked, 3);
    assert_int_equal(transact(writer, POND_ROLLBACK, 5000), POND_OK);
    assert_int_equal(transact(at->conn, POND_BEGIN, 5000), POND_OK);
    assert_int_equal(transact(at->conn, POND_ROLLBACK, 5000), POND_OK);
    give_back(writer);
}

static void waiting_for_another_program_ends(void **state)
{
    fixture *at = *state;
    sqlite3 *other = NULL;
    int asked = 0;
    run(at->conn, "CREATE TABLE t (n integer)");
    assert_int_equal(sqlite3_open(at->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    pond_thread_set_interrupt(third, &asked);
    assert_int_equal(execute(at->conn, "INSERT INTO t VALUES (1)", NULL, 0, NULL), POND_ECANCELLED);
    ask_none();
    assert_int_equal(asked, 3);
    sqlite3_close(other);
    run(at->conn, "INSERT INTO t VALUES (1)");
}

static void waiting_for_a_connection_ends(void **state)
{
    fixture *at = *state;
    const char *const one[] = {"sync_max_size", "1", NULL};
    pond_pool *pool = open_pool(at->path, one);
    pond_connection *held = NULL;
    pond_connection *wanted = NULL;
    pond_pool_status status = {.struct_size = sizeof(status)};
    int asked = 0;
    assert_int_equal(lease(pool, &held), POND_OK);
    pond_thread_set_interrupt(third, &asked);
    assert_int_equal(pond_pool_acquire_wait(pool, NULL, POND_TIMEOUT_NONE, &wanted, NULL),
                     POND_ECANCELLED);
    ask_none();
    assert_null(wanted);
    assert_int_equal(asked, 3);
    assert_int_equal(pond_pool_get_status(pool, &status, NULL), POND_OK);
    assert_int_equal(status.waiting, 0);
    give_back(held);
    close_pool(pool);
}

/* Runs until its time is over, which is long enough to be asked. */
static void *run_beside(void *data)
{
    pond_connection *conn = NULL;
    int code = lease(data, &conn);
    if (!code)
        code = execute_within(conn, 500, endless, NULL, 0, NULL);
    give_back(conn);
    return (void *)(intptr_t)code;
}

static void other_threads_are_not_asked(void **state)
{
    fixture *at = *state;
    int asked = 0;
    pthread_t thread;
    void *answer;
    pond_thread_set_interrupt(third, &asked);
    assert_int_equal(pthread_create(&thread, NULL, run_beside, at->pool), 0);
    pthread_join(thread, &answer);
    ask_none();
    assert_int_equal((intptr_t)answer, POND_ETIMEDOUT);
    assert_int_equal(asked, 0);
}

RUN_TESTS(SQLITE_TEST(a_running_statement_ends_and_its_connection_goes_on),
          SQLITE_TEST(many_rows_that_are_interrupted_have_no_effect),
          SQLITE_TEST(waiting_for_the_turn_to_write_ends),
          SQLITE_TEST(waiting_for_another_program_ends), SQLITE_TEST(waiting_for_a_connection_ends),
          SQLITE_TEST(other_threads_are_not_asked))

/* The SQLite driver while memory runs out: each allocation fails once, none may be fatal. */
#include "sqlite_fixture.h"

#include "base/alloc.h"

#ifdef POND_FAULT_INJECTION

/* A day's work; nothing in it may fail for another reason than memory. */
static int work(const char *path)
{
    const char *insert = "INSERT INTO t (a, b) VALUES (?, ?) RETURNING a";
    pond_value rows[] = {of_integer(1), of_text("one"), of_integer(2), of_text("two")};
    pond_config *config = NULL;
    pond_pool *pool = NULL;
    pond_connection *conn = NULL;
    pond_result *result = NULL;
    int code = pond_config_new("sqlite", &config, NULL);
    if (!code)
        code = pond_config_set(config, "database", path, NULL);
    if (!code)
        code = pond_pool_open(config, &pool, NULL);
    if (!code)
        code = lease(pool, &conn);
    if (!code)
        code =
            execute(conn, "CREATE TABLE IF NOT EXISTS t (a integer, b timestamp)", NULL, 0, NULL);
    if (!code)
        code = transact(conn, POND_BEGIN, 5000);
    if (!code)
        code = pond_connection_execute_many_wait(conn, insert, strlen(insert), rows, 2, 2, NULL,
                                                 &result, NULL);
    pond_result_release(result);
    if (!code)
        code = execute(conn, "SELECT * FROM t", NULL, 0, NULL);
    if (!code && execute(conn, "SELECT * FROM missing", NULL, 0, NULL) != POND_EUNDEFINED)
        code = POND_ENOMEM;
    if (!code)
        code = transact(conn, POND_ROLLBACK, 5000);
    give_back(conn);
    pond_pool_release(pool);
    pond_config_release(config);
    return code;
}

static void an_allocation_that_fails_ends_in_an_error_and_nothing_else(void **state)
{
    fixture *at = *state;
    uint64_t failures = 0;
    assert_int_equal(work(at->path), POND_OK);
    for (uint64_t call = 1; call < 200; call++) {
        pondi_alloc_fail_after(call, 0);
        int code = work(at->path);
        pondi_alloc_fail_after(0, 0);
        if (code != POND_OK && code != POND_ENOMEM)
            fail_msg("allocation %llu: %s, %s", (unsigned long long)call, pond_error_name(code),
                     last_message);
        failures += code != POND_OK;
    }
    assert_true(failures > 20);
    assert_int_equal(work(at->path), POND_OK);
}

#else

static void an_allocation_that_fails_ends_in_an_error_and_nothing_else(void **state)
{
    (void)state;
    skip();
}

#endif

RUN_TESTS(FOLDER_TEST(an_allocation_that_fails_ends_in_an_error_and_nothing_else))

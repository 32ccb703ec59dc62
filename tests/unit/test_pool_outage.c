/* A server that cannot be reached, and its return. */
#include "pool_fixture.h"

#include "base/clock.h"
#include "pool/pool.h"

static int try_once(world *at, int64_t timeout_ms)
{
    pond_connection *connection = NULL;
    int code = pond_pool_acquire_wait(at->pool, at->loop, timeout_ms, &connection, NULL);
    if (!code)
        give_back(connection);
    return code;
}

/* Nothing can be opened, and a try is due once an hour at most. */
static const char *const down_for_long[] = {"connect_failures",
                                            "1000000",
                                            "pool_reconnect_delay",
                                            "3600",
                                            "pool_reconnect_max_delay",
                                            "3600",
                                            NULL};

static void while_the_server_is_down_callers_are_told_at_once_and_it_is_left_alone(void **state)
{
    (void)state;
    world *at = begin(down_for_long);
    for (int i = 0; i < 10; i++) {
        pond_error *error = NULL;
        pond_connection *connection = NULL;
        assert_int_equal(
            pond_pool_acquire_wait(at->pool, at->loop, POND_TIMEOUT_NONE, &connection, &error),
            POND_ECONNECT);
        assert_string_equal(pond_error_message(error), "cannot connect, as told");
        pond_error_free(error);
    }
    assert_int_equal(status_of(at->pool).errors, 1); /* one try for all of them */
    finish(at);
}

static void the_pool_finds_out_by_itself_that_the_server_is_back(void **state)
{
    (void)state;
    const char *const settings[] = {"connect_failures", "4", NULL};
    world *at = begin(settings);
    assert_int_equal(try_once(at, 20000), POND_ECONNECT);
    EVENTUALLY(at->pool, status.idle == 1);
    assert_int_equal(status_of(at->pool).errors, 4);
    assert_int_equal(try_once(at, 20000), POND_OK);
    assert_int_equal(status_of(at->pool).created, 1);
    finish(at);
}

static void all_who_wait_share_the_fate_of_the_one_try(void **state)
{
    (void)state;
    const char *const settings[] = {"connect_failures",
                                    "100",
                                    "connect_delay",
                                    "0.5",
                                    "pool_reconnect_delay",
                                    "3600",
                                    "pool_reconnect_max_delay",
                                    "3600",
                                    "pool_max_size",
                                    "2",
                                    NULL};
    world *at = begin(settings);
    enum { WAITERS = 6 };
    pond_op *waiters[WAITERS];
    for (int i = 0; i < WAITERS; i++)
        pond_pool_acquire(at->pool, at->loop, POND_TIMEOUT_NONE, NULL, &waiters[i], NULL);
    for (int i = 0; i < WAITERS; i++) {
        assert_int_equal(pond_op_wait(waiters[i], 60000, NULL), POND_ECONNECT);
        pond_op_release(waiters[i]);
    }
    assert_int_equal(status_of(at->pool).errors, 2);
    finish(at);
}

static void who_can_get_another_connection_goes_on_waiting(void **state)
{
    (void)state;
    const char *const settings[] = {"connect_successes", "1", "connect_failures", "1000", NULL};
    world *at = begin(settings);
    pond_connection *held = acquire(at);
    pond_op *waiter = NULL;
    pond_pool_acquire(at->pool, at->loop, 20000, NULL, &waiter, NULL);
    while (status_of(at->pool).errors == 0)
        assert_int_equal(pond_op_wait(waiter, 5, NULL), POND_EAGAIN);
    assert_int_equal(pond_op_wait(waiter, 20, NULL), POND_EAGAIN);
    give_back(held);
    assert_int_equal(pond_op_wait(waiter, 60000, NULL), POND_OK);
    pond_op_release(waiter);
    wait_until_idle(at);
    finish(at);
}

static void who_waits_for_a_connection_that_dies_is_told(void **state)
{
    (void)state;
    const char *const settings[] = {"connect_successes", "1", "connect_failures", "1000", NULL};
    world *at = begin(settings);
    pond_connection *held = acquire(at);
    pond_op *waiter = NULL;
    pond_pool_acquire(at->pool, at->loop, 20000, NULL, &waiter, NULL);
    while (status_of(at->pool).errors == 0)
        assert_int_equal(pond_op_wait(waiter, 5, NULL), POND_EAGAIN);
    run(held, "DROP", 20000, NULL);
    give_back(held);
    assert_int_equal(pond_op_wait(waiter, 60000, NULL), POND_ECONNECT);
    pond_op_release(waiter);
    finish(at);
}

static void without_fail_fast_callers_wait_for_the_server(void **state)
{
    (void)state;
    const char *const settings[] = {"connect_failures", "4", "pool_fail_fast", "false", NULL};
    world *at = begin(settings);
    assert_int_equal(try_once(at, 20000), POND_OK);
    assert_int_equal(status_of(at->pool).errors, 4);
    finish(at);
}

static void without_fail_fast_a_deadline_tells_the_cause(void **state)
{
    (void)state;
    const char *const settings[] = {"connect_failures", "1000000", "pool_fail_fast", "false", NULL};
    world *at = begin(settings);
    pond_connection *connection = NULL;
    pond_error *error = NULL;
    assert_int_equal(pond_pool_acquire_wait(at->pool, at->loop, 100, &connection, &error),
                     POND_EACQUIRE);
    assert_non_null(strstr(pond_error_message(error), "none can be opened: cannot connect"));
    pond_error_free(error);
    finish(at);
}

static void a_server_that_comes_back_is_not_run_over(void **state)
{
    (void)state;
    const char *const settings[] = {"connect_failures",
                                    "8",
                                    "connect_delay",
                                    "0.02",
                                    "pool_fail_fast",
                                    "false",
                                    "pool_max_size",
                                    "8",
                                    NULL};
    world *at = begin(settings);
    enum { WAITERS = 8 };
    pond_op *waiters[WAITERS];
    for (int i = 0; i < WAITERS; i++)
        pond_pool_acquire(at->pool, at->loop, 20000, NULL, &waiters[i], NULL);
    while (status_of(at->pool).errors < 8) /* the first wave, opened before anyone knew */
        pond_loop_run(at->loop, 1, NULL);
    for (;;) {
        pond_pool_status status = status_of(at->pool);
        assert_true(status.size <= status.created + (UINT64_C(1) << status.created));
        if (status.created == WAITERS)
            break;
        pond_loop_run_nowait(at->loop, NULL);
        usleep(1000);
    }
    for (int i = 0; i < WAITERS; i++) {
        assert_int_equal(pond_op_wait(waiters[i], 60000, NULL), POND_OK);
        pond_op_release(waiters[i]);
    }
    wait_until_idle(at);
    finish(at);
}

/* Many processes that lost the same server at once: each comes back at a moment of its own. */
static void those_who_lost_a_server_together_do_not_come_back_together(void **state)
{
    (void)state;
    enum { POOLS = 100, QUARTERS = 4 };
    int in_quarter[QUARTERS] = {0};
    for (int i = 0; i < POOLS; i++) {
        world *at = begin(down_for_long);
        assert_int_equal(try_once(at, 20000), POND_ECONNECT);
        pthread_mutex_lock(&at->pool->lock);
        int64_t wait_ms = (at->pool->outage.retry_ns - pondi_now_ns()) / PONDI_NS_PER_MS;
        pthread_mutex_unlock(&at->pool->lock);
        assert_true(wait_ms <= 3600 * 1000);
        in_quarter[wait_ms > 0 ? (wait_ms - 1) / (3600 * 1000 / QUARTERS) : 0]++;
        finish(at);
    }
    for (int i = 0; i < QUARTERS; i++) /* one chance in 10^12 to be empty */
        assert_true(in_quarter[i] > 0);
}

/* ---- Health ------------------------------------------------------------------------------ */

static void a_check_pings_or_opens_and_leaves_no_lease(void **state)
{
    (void)state;
    world *at = begin(NULL);
    assert_int_equal(pond_pool_check_wait(at->pool, 20000, NULL), POND_OK);
    EVENTUALLY(at->pool, status.idle == 1);
    pond_connection *connection = acquire(at);
    int64_t pings = number_of(connection, "PINGS");
    give_back(connection);
    assert_int_equal(pond_pool_check_wait(at->pool, 20000, NULL), POND_OK);
    connection = acquire(at);
    assert_true(number_of(connection, "PINGS") > pings);
    give_back(connection);
    pond_pool_status status = status_of(at->pool);
    assert_int_equal(status.created, 1);
    assert_int_equal(status.acquired, 2);
    finish(at);
}

static void a_check_takes_nobodys_connection(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_max_size", "1", NULL};
    world *at = begin(settings);
    pond_connection *held = acquire(at);
    assert_int_equal(pond_pool_check_wait(at->pool, 20000, NULL), POND_OK);
    assert_int_equal(run(held, "ROWS 1 1", 20000, NULL), POND_OK);
    give_back(held);
    finish(at);
}

static void a_check_of_dead_connections_judges_by_a_new_one(void **state)
{
    (void)state;
    const char *const healthy[] = {"fail_pings", "true", NULL};
    const char *const down[] = {"fail_pings", "true", "connect_successes", "1", "connect_failures",
                                "1000",       NULL};
    world *at = begin(down);
    give_back(acquire(at));
    assert_int_equal(pond_pool_check_wait(at->pool, 20000, NULL), POND_ECONNECT);
    EVENTUALLY(at->pool, status.size == 0 || status.errors > 1);
    finish(at);
    at = begin(healthy);
    give_back(acquire(at));
    /* the one that was opened to judge by fails its ping as well: as told, this server is dead */
    assert_int_not_equal(pond_pool_check_wait(at->pool, 200, NULL), POND_OK);
    finish(at);
}

RUN_TESTS(cmocka_unit_test(while_the_server_is_down_callers_are_told_at_once_and_it_is_left_alone),
          cmocka_unit_test(the_pool_finds_out_by_itself_that_the_server_is_back),
          cmocka_unit_test(all_who_wait_share_the_fate_of_the_one_try),
          cmocka_unit_test(who_can_get_another_connection_goes_on_waiting),
          cmocka_unit_test(who_waits_for_a_connection_that_dies_is_told),
          cmocka_unit_test(without_fail_fast_callers_wait_for_the_server),
          cmocka_unit_test(without_fail_fast_a_deadline_tells_the_cause),
          cmocka_unit_test(a_server_that_comes_back_is_not_run_over),
          cmocka_unit_test(those_who_lost_a_server_together_do_not_come_back_together),
          cmocka_unit_test(a_check_pings_or_opens_and_leaves_no_lease),
          cmocka_unit_test(a_check_takes_nobodys_connection),
          cmocka_unit_test(a_check_of_dead_connections_judges_by_a_new_one))

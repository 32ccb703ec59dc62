/* A leased connection that breaks before it was used: the first statement goes to another. */
#include "pool_fixture.h"

#include "base/alloc.h"
#include "pool/pool.h"

/* As when the server closes it. */
static void break_idle(pond_connection *connection)
{
    assert_true(pondi_loop_lock(connection->loop));
    pondi_conn_broken(connection->slot->conn);
    pondi_loop_leave(connection->loop);
}

static double retries_of(pond_pool *pool)
{
    return (double)atomic_load(&pool->metrics.retries);
}

static void the_first_statement_goes_to_another_connection(void **state)
{
    (void)state;
    world *at = begin((const char *[]){"pool_max_size", "1", NULL});
    pond_connection *connection = acquire(at);
    uint64_t id = pond_connection_id(connection);
    break_idle(connection);
    assert_int_equal(run(connection, "ROWS 1 1", -1, NULL), POND_OK);
    assert_true(pond_connection_id(connection) > id);
    assert_int_equal(run(connection, "ROWS 1 1", -1, NULL), POND_OK);
    pond_pool_status status = status_of(at->pool);
    assert_int_equal(status.size, 1);
    assert_int_equal(status.created, 2);
    assert_int_equal(status.destroyed, 1);
    assert_int_equal(status.acquired - status.released, 1);
    assert_true(retries_of(at->pool) == 1);
    give_back(connection);
    finish(at);
}

static void a_transaction_may_begin_on_another_connection(void **state)
{
    (void)state;
    world *at = begin(NULL);
    pond_connection *connection = acquire(at);
    break_idle(connection);
    assert_int_equal(pond_connection_transaction_wait(connection, POND_BEGIN, -1, NULL), POND_OK);
    assert_int_equal(run(connection, "ROWS 1 1", -1, NULL), POND_OK);
    assert_int_equal(pond_connection_transaction_wait(connection, POND_COMMIT, -1, NULL), POND_OK);
    give_back(connection);
    finish(at);
}

static void lost_after(const char *const *settings, int used, int set_up)
{
    world *at = begin(settings);
    pond_connection *connection = acquire(at);
    if (used)
        assert_int_equal(run(connection, "SET something", -1, NULL), POND_OK);
    if (set_up)
        assert_int_equal(pond_connection_set_up(connection, NULL), POND_OK);
    break_idle(connection);
    assert_int_equal(run(connection, "ROWS 1 1", -1, NULL), POND_ECONNLOST);
    assert_int_equal(run(connection, "ROWS 1 1", -1, NULL), POND_ECONNLOST);
    assert_true(retries_of(at->pool) == 0);
    give_back(connection);
    finish(at);
}

static void what_may_have_a_session_is_not_replaced(void **state)
{
    (void)state;
    lost_after(NULL, 1, 0);
    lost_after(NULL, 0, 1);
}

static void it_can_be_turned_off(void **state)
{
    (void)state;
    lost_after((const char *[]){"retry_unsent", "off", NULL}, 0, 0);
}

static void it_happens_once(void **state)
{
    (void)state;
    world *at = begin(NULL);
    pond_connection *connection = acquire(at);
    break_idle(connection);
    assert_int_equal(run(connection, "ROWS 1 1", -1, NULL), POND_OK);
    break_idle(connection);
    assert_int_equal(run(connection, "ROWS 1 1", -1, NULL), POND_ECONNLOST);
    assert_true(retries_of(at->pool) == 1);
    give_back(connection);
    finish(at);
}

static void the_statement_can_be_cancelled_and_times_out_meanwhile(void **state)
{
    (void)state;
    world *at = begin((const char *[]){"connect_delay", "0.05", NULL});
    pond_connection *connection = acquire(at);
    break_idle(connection);
    pond_op *op = start(connection, "ROWS 1 1");
    pond_op_cancel(op);
    assert_int_equal(pond_op_wait(op, 60000, NULL), POND_ECANCELLED);
    pond_op_release(op);
    give_back(connection);
    wait_until_idle(at);
    connection = acquire(at);
    break_idle(connection);
    assert_int_equal(run(connection, "ROWS 1 1", 5, NULL), POND_ETIMEDOUT);
    give_back(connection);
    finish(at);
}

static void the_lease_can_end_meanwhile(void **state)
{
    (void)state;
    for (int close = 0; close < 2; close++) {
        world *at = begin((const char *[]){"connect_delay", "0.02", NULL});
        pond_connection *connection = acquire(at);
        break_idle(connection);
        pond_op *op = start(connection, "ROWS 1 1");
        if (close)
            assert_int_equal(pond_connection_close(connection, NULL), POND_OK);
        else
            assert_int_equal(pond_connection_give_back(connection, NULL), POND_OK);
        assert_int_equal(pond_op_wait(op, 60000, NULL), close ? POND_ECLOSED : POND_ECANCELLED);
        pond_op_release(op);
        pond_connection_release(connection);
        finish(at);
    }
}

static void every_failed_allocation_ends_in_an_error(void **state)
{
    (void)state;
    int code = POND_ENOMEM;
    for (uint64_t n = 1; code; n++) {
        world *at = begin(NULL);
        pond_connection *connection = acquire(at);
        break_idle(connection);
        pondi_alloc_fail_after(n, 0);
        code = run(connection, "ROWS 1 1", -1, NULL);
        pondi_alloc_fail_after(0, 0);
        assert_true(code == POND_OK || code == POND_ENOMEM || code == POND_ECONNLOST);
        give_back(connection);
        finish(at);
        assert_true(n < 200);
    }
}

RUN_TESTS(cmocka_unit_test(the_first_statement_goes_to_another_connection),
          cmocka_unit_test(a_transaction_may_begin_on_another_connection),
          cmocka_unit_test(what_may_have_a_session_is_not_replaced),
          cmocka_unit_test(it_can_be_turned_off), cmocka_unit_test(it_happens_once),
          cmocka_unit_test(the_statement_can_be_cancelled_and_times_out_meanwhile),
          cmocka_unit_test(the_lease_can_end_meanwhile),
          cmocka_unit_test(every_failed_allocation_ends_in_an_error))

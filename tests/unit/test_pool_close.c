/* The end of a pool, on the fake driver. */
#include "pool_fixture.h"

#include "pool/pool.h"

static void closing_waits_for_holders_then_takes_by_force(void **state)
{
    (void)state;
    world *at = begin(NULL);
    pond_connection *idle = acquire(at);
    pond_connection *busy = acquire(at);
    pond_connection_transaction_wait(idle, POND_BEGIN, 20000, NULL);
    pond_op *running = start(busy, "SLEEP 600000");
    pond_op *closing = NULL;
    assert_int_equal(pond_pool_close(at->pool, at->loop, 30, NULL, &closing, NULL), POND_OK);
    pond_connection *late = NULL;
    assert_int_equal(pond_pool_acquire_wait(at->pool, at->loop, 20000, &late, NULL), POND_ECLOSED);
    assert_int_equal(pond_op_wait(closing, 60000, NULL), POND_OK);
    assert_true(pond_op_status(running) < 0);
    assert_int_equal(run(idle, "ROWS 1 1", 20000, NULL), POND_ESTALE);
    pond_op_release(running);
    pond_op_release(closing);
    pond_connection_release(idle);
    pond_connection_release(busy);
    finish(at);
}

static void closing_ends_when_the_last_holder_gives_back(void **state)
{
    (void)state;
    world *at = begin(NULL);
    pond_connection *held = acquire(at);
    pond_op *closing = NULL;
    pond_pool_close(at->pool, at->loop, POND_TIMEOUT_NONE, NULL, &closing, NULL);
    assert_int_equal(pond_op_wait(closing, 20, NULL), POND_EAGAIN);
    give_back(held);
    assert_int_equal(pond_op_wait(closing, 60000, NULL), POND_OK);
    pond_op_release(closing);
    finish(at);
}

static pond_pool *open_again(const world *at)
{
    pond_pool *pool = NULL;
    assert_int_equal(pond_pool_open(at->pool->config, &pool, NULL), POND_OK);
    return pool;
}

/* With whoever closed it waiting, or having given up. */
static void no_other_pool_is_made_before_the_closing_is_over(void **state)
{
    (void)state;
    for (int gives_up = 0; gives_up < 2; gives_up++) {
        world *at = begin(NULL);
        pond_connection *connection = acquire(at);
        pond_connection *none = NULL;
        pond_op *closing = NULL;
        pond_pool_close(at->pool, at->loop, POND_TIMEOUT_NONE, NULL, &closing, NULL);
        if (gives_up)
            pond_op_cancel(closing);
        pond_pool *again = open_again(at);
        assert_ptr_equal(again, at->pool);
        assert_int_equal(pond_pool_is_closed(at->pool), 0);
        assert_int_equal(pond_pool_try_acquire(again, at->loop, &none, NULL), POND_ECLOSED);
        assert_int_equal(pond_pool_acquire_wait(again, NULL, 60000, &none, NULL), POND_ECLOSED);
        give_back(connection);
        assert_int_equal(pond_pool_is_closed(at->pool), 1);
        pond_pool *another = open_again(at);
        assert_ptr_not_equal(another, at->pool);
        pond_pool_release(another);
        pond_pool_release(again);
        pond_op_wait(closing, 60000, NULL);
        pond_op_release(closing);
        finish(at);
    }
}

/* Its loop is not even there any more: the keeper sees to it. */
static void the_time_of_a_close_ends_though_nobody_waits_for_it(void **state)
{
    (void)state;
    for (int loop_ends = 0; loop_ends < 2; loop_ends++) {
        world *at = begin(NULL);
        pond_connection *connection = acquire(at);
        pond_loop *own = NULL;
        pond_op *closing = NULL;
        assert_int_equal(pond_loop_new(&own, NULL), POND_OK);
        pond_pool_close(at->pool, own, 50, NULL, &closing, NULL);
        if (!loop_ends)
            pond_op_cancel(closing);
        pond_op_release(closing);
        pond_loop_release(own);
        EVENTUALLY(at->pool, status.size == 0 && pond_pool_is_closed(at->pool));
        assert_int_equal(pond_connection_give_back(connection, NULL), POND_OK);
        assert_int_equal(pond_connection_give_back(connection, NULL), POND_ESTALE);
        pond_connection_release(connection);
        finish(at);
    }
}

RUN_TESTS(cmocka_unit_test(closing_waits_for_holders_then_takes_by_force),
          cmocka_unit_test(closing_ends_when_the_last_holder_gives_back),
          cmocka_unit_test(no_other_pool_is_made_before_the_closing_is_over),
          cmocka_unit_test(the_time_of_a_close_ends_though_nobody_waits_for_it))

/* What happens to a pool's connections while nobody calls it. */
#include "pool_fixture.h"

#include <pthread.h>

#include "pool/pool.h"

/* Open so many connections, and give all back. */
static void open_some(world *at, int count)
{
    pond_connection *held[8];
    for (int i = 0; i < count; i++)
        held[i] = acquire(at);
    for (int i = 0; i < count; i++)
        give_back(held[i]);
}

static void the_smallest_size_is_reached_once_the_pool_was_used(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_min_size", "3", NULL};
    world *at = begin(settings);
    assert_int_equal(status_of(at->pool).size, 0);
    give_back(acquire(at));
    EVENTUALLY(at->pool, status.idle == 3);
    assert_int_equal(status_of(at->pool).created, 3);
    open_some(at, 3); /* those that the keeper opened serve this loop */
    assert_int_equal(status_of(at->pool).created, 3);
    finish(at);
}

static void a_lost_connection_is_made_up_for(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_min_size", "2", NULL};
    world *at = begin(settings);
    pond_connection *connection = acquire(at);
    EVENTUALLY(at->pool, status.size == 2);
    run(connection, "DROP", 20000, NULL);
    give_back(connection);
    EVENTUALLY(at->pool, status.idle == 2 && status.created == 3);
    finish(at);
}

static void unused_connections_are_closed_down_to_the_smallest_size(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_min_size", "1", "pool_idle_timeout", "0.05", NULL};
    world *at = begin(settings);
    open_some(at, 4);
    EVENTUALLY(at->pool, status.size == 1);
    usleep(200000); /* more than one round of the keeper */
    assert_int_equal(status_of(at->pool).size, 1);
    finish(at);
}

/* Opened together, they do not end together. */
static void lifetimes_differ_by_up_to_a_tenth(void **state)
{
    (void)state;
    const int64_t most_ns = 3600 * INT64_C(1000000000);
    const char *const settings[] = {"pool_max_lifetime", "3600", "pool_max_size", "8", NULL};
    world *at = begin(settings);
    pond_connection *held[8];
    int64_t before = 0;
    for (int i = 0; i < 8; i++) {
        held[i] = acquire(at);
        pondi_slot *slot = held[i]->slot;
        int64_t lifetime_ns = slot->expires_ns - slot->opened_ns;
        assert_true(lifetime_ns >= most_ns - most_ns / 10 && lifetime_ns <= most_ns);
        assert_true(lifetime_ns != before);
        before = lifetime_ns;
    }
    for (int i = 0; i < 8; i++)
        give_back(held[i]);
    finish(at);
}

static void an_old_connection_is_not_lent_again_but_never_taken_from_its_holder(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_max_lifetime", "0.1", NULL};
    world *at = begin(settings);
    pond_connection *held = acquire(at);
    uint64_t id = pond_connection_id(held);
    assert_int_equal(run(held, "SLEEP 200", 60000, NULL), POND_OK);
    assert_int_equal(pond_connection_id(held), id);
    give_back(held);
    pond_connection *next = acquire(at);
    assert_int_not_equal(pond_connection_id(next), id);
    give_back(next);
    EVENTUALLY(at->pool, status.size == 0); /* idle, it ends by itself */
    finish(at);
}

static void idle_connections_are_pinged(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_keepalive", "0.01", NULL};
    world *at = begin(settings);
    open_some(at, 2);
    for (int i = 0; i < 1000; i++) {
        pond_connection *connection = acquire(at);
        int64_t pings = number_of(connection, "PINGS");
        give_back(connection);
        if (pings >= 4)
            break;
        assert_true(i < 999);
        usleep(20000);
    }
    assert_int_equal(status_of(at->pool).created, 2);
    finish(at);
}

static void a_keepalive_that_is_not_answered_ends_the_connection(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_keepalive", "0.01", "fail_pings", "true", NULL};
    world *at = begin(settings);
    open_some(at, 2);
    EVENTUALLY(at->pool, status.size == 0);
    assert_int_equal(status_of(at->pool).errors, 2);
    finish(at);
}

/* How many pings a connection gets that is lent again after 100 ms. */
static int64_t pings_before_it_is_lent(const char *validate_after)
{
    const char *const settings[] = {"pool_validate_after", validate_after, "pool_keepalive", "0",
                                    NULL};
    world *at = begin(settings);
    open_some(at, 1);
    usleep(100000);
    pond_connection *connection = acquire(at);
    int64_t pings = number_of(connection, "PINGS");
    give_back(connection);
    assert_int_equal(status_of(at->pool).created, 1);
    finish(at);
    return pings;
}

static void a_connection_is_checked_before_it_is_lent_only_if_it_was_idle_for_long(void **state)
{
    (void)state;
    assert_int_equal(pings_before_it_is_lent("3600"), 0);
    assert_int_equal(pings_before_it_is_lent("0.05"), 1);
}

static void a_connection_that_fails_its_check_is_replaced_for_whoever_waits(void **state)
{
    (void)state;
    const char *const settings[] = {
        "pool_validate_after", "0.02", "pool_keepalive", "0", "fail_pings", "true", NULL};
    world *at = begin(settings);
    pond_connection *connection = acquire(at);
    uint64_t id = pond_connection_id(connection);
    give_back(connection);
    usleep(100000);
    connection = acquire(at);
    assert_int_not_equal(pond_connection_id(connection), id);
    give_back(connection);
    assert_int_equal(status_of(at->pool).size, 1);
    assert_int_equal(status_of(at->pool).errors, 1);
    finish(at);
}

/* What the check of a connection says that lay idle for 100 ms, and would fail its ping. */
static int check_of_a_lease(const char *validate_after)
{
    const char *const settings[] = {"pool_validate_after", validate_after, "fail_pings", "true",
                                    NULL};
    world *at = begin(settings);
    pond_connection *connection = acquire(at);
    run(connection, "ROWS 1 1", POND_TIMEOUT_DEFAULT, NULL);
    usleep(100000);
    int code = pond_connection_check_wait(connection, NULL);
    give_back(connection);
    finish(at);
    return code;
}

static void a_leased_connection_can_be_checked(void **state)
{
    (void)state;
    assert_int_equal(check_of_a_lease("3600"), POND_OK); /* it was in use a moment ago: no ping */
    assert_int_equal(check_of_a_lease("0.02"), POND_ECONNLOST);
}

typedef struct quiet_thread {
    pond_pool *pool;
    int told[2]; /* a pipe: it may end */
} quiet_thread;

/* Leaves an idle connection on its private loop, and makes no more calls. */
static void *leave_one_idle(void *data)
{
    quiet_thread *at = data;
    pond_connection *connection = NULL;
    char byte;
    intptr_t failed = pond_pool_acquire_wait(at->pool, NULL, 20000, &connection, NULL) != POND_OK;
    if (!failed)
        give_back(connection);
    failed |= read(at->told[0], &byte, 1) != 1;
    return (void *)failed;
}

static void check_quiet_thread(const char *const *settings)
{
    world *at = begin(settings);
    quiet_thread quiet = {.pool = at->pool};
    pthread_t thread;
    void *failed;
    assert_int_equal(pipe(quiet.told), 0);
    pthread_create(&thread, NULL, leave_one_idle, &quiet);
    EVENTUALLY(at->pool, status.destroyed == 1 && status.size == 0);
    assert_int_equal(write(quiet.told[1], "x", 1), 1);
    pthread_join(thread, &failed);
    assert_null(failed);
    close(quiet.told[0]);
    close(quiet.told[1]);
    finish(at);
}

static void idle_connections_of_a_thread_that_makes_no_calls_are_looked_after(void **state)
{
    (void)state;
    const char *const unused[] = {"pool_idle_timeout", "0.05", NULL};
    const char *const dead[] = {"pool_keepalive", "0.02", "fail_pings", "true", NULL};
    check_quiet_thread(unused);
    check_quiet_thread(dead);
}

static void an_unused_pool_that_is_dropped_leaves_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) { /* the keeper may come to it before, during or after */
        const char *const settings[] = {"pool_min_size", "2", "pool_max_size", "4", NULL};
        world *at = begin(settings);
        give_back(acquire(at));
        pond_pool_release(at->pool);
        pond_loop_release(at->loop);
    }
    pond_pool *left[4];
    assert_int_equal(pond_pool_list(left, 4), 0);
}

RUN_TESTS(cmocka_unit_test(the_smallest_size_is_reached_once_the_pool_was_used),
          cmocka_unit_test(a_lost_connection_is_made_up_for),
          cmocka_unit_test(unused_connections_are_closed_down_to_the_smallest_size),
          cmocka_unit_test(lifetimes_differ_by_up_to_a_tenth),
          cmocka_unit_test(an_old_connection_is_not_lent_again_but_never_taken_from_its_holder),
          cmocka_unit_test(idle_connections_are_pinged),
          cmocka_unit_test(a_keepalive_that_is_not_answered_ends_the_connection),
          cmocka_unit_test(a_connection_is_checked_before_it_is_lent_only_if_it_was_idle_for_long),
          cmocka_unit_test(a_connection_that_fails_its_check_is_replaced_for_whoever_waits),
          cmocka_unit_test(a_leased_connection_can_be_checked),
          cmocka_unit_test(idle_connections_of_a_thread_that_makes_no_calls_are_looked_after),
          cmocka_unit_test(an_unused_pool_that_is_dropped_leaves_nothing))

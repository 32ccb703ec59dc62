/* Who gets the connection that comes back, on the fake driver. No thread sleeps here: a waiter
 * whose loop nobody drives stands for one that was woken and does not run yet. */
#include "pool_fixture.h"

#include <pthread.h>

#include "base/clock.h"
#include "loop/op.h"
#include "pool/pool.h"

static const char *const one[] = {"pool_max_size", "1", NULL};

typedef struct waiter {
    pond_loop *loop;
    pond_op *op;
} waiter;

static pondi_acquire *acquire_of(const waiter *at)
{
    return (pondi_acquire *)(void *)at->op;
}

static waiter line_up(const world *at, int blocks, int64_t timeout_ms)
{
    waiter made = {NULL, NULL};
    assert_int_equal(pond_loop_new(&made.loop, NULL), POND_OK);
    assert_int_equal(pond_pool_acquire(at->pool, made.loop, timeout_ms, NULL, &made.op, NULL),
                     POND_OK);
    acquire_of(&made)->blocks = blocks;
    return made;
}

static waiter blocked(const world *at)
{
    return line_up(at, 1, POND_TIMEOUT_NONE);
}

/* Its thread runs: it must be served, by what is there already. */
static pond_connection *served(const waiter *at)
{
    assert_int_equal(pond_op_wait(at->op, 10000, NULL), POND_OK);
    return pond_op_take_connection(at->op);
}

static void forget(const waiter *at)
{
    pond_op_release(at->op);
    pond_loop_release(at->loop);
}

static int try_here(const world *at, pond_connection **out)
{
    return pond_pool_try_acquire(at->pool, at->loop, out, NULL);
}

/* Only as an order of events, not in milliseconds. */
static world *begin_with_patience(const char *const *settings)
{
    world *at = begin(settings);
    at->pool->settings.patience_ns = PONDI_NEVER;
    return at;
}

/* ---- Overtaking -------------------------------------------------------------------------- */

static void who_runs_may_use_what_a_blocked_thread_was_just_woken_for(void **state)
{
    (void)state;
    world *at = begin_with_patience(one);
    pond_connection *connection = acquire(at);
    waiter sleeper = blocked(at);
    for (int i = 0; i < 3; i++) {
        give_back(connection);
        assert_int_equal(status_of(at->pool).idle, 1);
        assert_int_equal(status_of(at->pool).waiting, 1);
        assert_int_equal(try_here(at, &connection), POND_OK);
    }
    give_back(connection);
    give_back(served(&sleeper));
    forget(&sleeper);
    finish(at);
}

static void who_has_waited_long_is_served_before_all_who_come(void **state)
{
    (void)state;
    world *at = begin(one);
    pond_connection *connection = acquire(at);
    waiter sleeper = blocked(at);
    acquire_of(&sleeper)->began_ns -= 2 * at->pool->settings.patience_ns;
    give_back(connection);
    assert_int_equal(try_here(at, &connection), POND_EAGAIN);
    give_back(served(&sleeper));
    forget(&sleeper);
    finish(at);
}

static void what_is_idle_is_kept_for_who_has_meanwhile_waited_long(void **state)
{
    (void)state;
    world *at = begin_with_patience(one);
    pond_connection *connection = acquire(at);
    waiter sleeper = blocked(at);
    give_back(connection);
    at->pool->settings.patience_ns = 0;
    assert_int_equal(status_of(at->pool).idle, 1);
    assert_int_equal(try_here(at, &connection), POND_EAGAIN);
    waiter late = line_up(at, 0, POND_TIMEOUT_NONE);
    give_back(served(&sleeper));
    give_back(served(&late));
    forget(&sleeper);
    forget(&late);
    finish(at);
}

static void an_event_loop_is_never_overtaken(void **state)
{
    (void)state;
    world *at = begin_with_patience(one);
    pond_connection *connection = acquire(at);
    waiter task = line_up(at, 0, POND_TIMEOUT_NONE);
    give_back(connection);
    assert_int_equal(try_here(at, &connection), POND_EAGAIN);
    give_back(served(&task));
    forget(&task);
    finish(at);
}

static void blocked_threads_are_served_in_their_order(void **state)
{
    (void)state;
    world *at = begin_with_patience(one);
    pond_connection *connection = acquire(at);
    waiter first = blocked(at);
    waiter second = blocked(at);
    give_back(connection);
    assert_int_equal(pond_op_wait(second.op, 0, NULL), POND_EAGAIN);
    connection = served(&first);
    assert_int_equal(pond_op_wait(second.op, 0, NULL), POND_EAGAIN);
    give_back(connection);
    give_back(served(&second));
    forget(&first);
    forget(&second);
    finish(at);
}

/* ---- No wake-up is lost ------------------------------------------------------------------ */

static void each_of_several_idle_connections_wakes_a_thread(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_max_size", "3", NULL};
    world *at = begin_with_patience(settings);
    pond_connection *held[3];
    waiter sleepers[3];
    for (int i = 0; i < 3; i++)
        held[i] = acquire(at);
    for (int i = 0; i < 3; i++)
        sleepers[i] = blocked(at);
    for (int i = 0; i < 3; i++)
        give_back(held[i]);
    assert_int_equal(status_of(at->pool).idle, 3);
    for (int i = 0; i < 3; i++)
        held[i] = served(&sleepers[i]);
    for (int i = 0; i < 3; i++) {
        give_back(held[i]);
        forget(&sleepers[i]);
    }
    finish(at);
}

/* The first of two is woken, and then something happens to it. */
static void pass_on(void (*happens)(const waiter *to), int64_t timeout_ms)
{
    world *at = begin_with_patience(one);
    pond_connection *connection = acquire(at);
    waiter first = line_up(at, 1, timeout_ms);
    waiter second = blocked(at);
    give_back(connection);
    assert_ptr_equal(at->pool->woken, first.op);
    happens(&first);
    give_back(served(&second));
    pond_op_release(first.op);
    pond_loop_release(first.loop);
    forget(&second);
    finish(at);
}

static void cancel(const waiter *at)
{
    pond_op_cancel(at->op);
    assert_int_equal(pond_op_status(at->op), POND_ECANCELLED);
}

static void let_expire(const waiter *at)
{
    while (acquire_of(at)->deadline_ns > pondi_now_ns())
        usleep(1000);
    assert_int_equal(pond_op_wait(at->op, 10000, NULL), POND_EACQUIRE);
}

static void close_loop(const waiter *at)
{
    pond_loop_close(at->loop);
}

static void who_is_cancelled_when_woken_passes_it_on(void **state)
{
    (void)state;
    pass_on(cancel, POND_TIMEOUT_NONE);
}

static void who_times_out_when_woken_passes_it_on(void **state)
{
    (void)state;
    pass_on(let_expire, 1);
}

static void who_loses_its_loop_when_woken_passes_it_on(void **state)
{
    (void)state;
    pass_on(close_loop, POND_TIMEOUT_NONE);
}

static void who_is_handed_another_when_woken_passes_it_on(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_max_size", "2", NULL};
    world *at = begin_with_patience(settings);
    pond_connection *left_idle = acquire(at);
    pond_connection *handed = acquire(at);
    waiter first = blocked(at);
    waiter second = blocked(at);
    give_back(left_idle);
    at->pool->settings.patience_ns = 0;
    give_back(handed);
    give_back(served(&second));
    give_back(served(&first));
    forget(&first);
    forget(&second);
    finish(at);
}

/* Nobody drives the loop where the one connection is being checked. */
static void an_idle_connection_serves_others_while_the_first_has_one_checked(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_max_size", "2", "ping_delay", "600", NULL};
    for (int blocks = 0; blocks < 2; blocks++) {
        world *at = begin(settings);
        pond_connection *first = acquire(at);
        give_back(acquire(at));
        give_back(first);
        at->pool->settings.validate_after_ns = -1;
        waiter checking = line_up(at, blocks, POND_TIMEOUT_NONE);
        assert_int_equal(pond_op_wait(checking.op, 0, NULL), POND_EAGAIN);
        at->pool->settings.validate_after_ns = PONDI_NEVER;
        waiter other = line_up(at, 0, POND_TIMEOUT_NONE);
        give_back(served(&other));
        assert_int_equal(pond_op_status(checking.op), POND_PENDING);
        forget(&checking);
        forget(&other);
        finish(at);
    }
}

/* ---- Two sides --------------------------------------------------------------------------- */

static pond_connection *by_thread(const world *at)
{
    pond_connection *connection = NULL;
    assert_int_equal(pond_pool_acquire_wait(at->pool, NULL, 60000, &connection, NULL), POND_OK);
    return connection;
}

static void blocking_threads_and_loops_take_no_places_of_each_other(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_max_size", "1", "sync_max_size", "2", NULL};
    world *at = begin(settings);
    pond_connection *held[3] = {by_thread(at), by_thread(at), acquire(at)};
    pond_pool_status status = status_of(at->pool);
    assert_int_equal(status.in_use, 3);
    assert_int_equal(status.sync_in_use, 2);
    pond_error *error = NULL;
    pond_connection *none = NULL;
    assert_int_equal(pond_pool_acquire_wait(at->pool, NULL, 10, &none, &error), POND_EACQUIRE);
    assert_non_null(strstr(pond_error_message(error), "2 of at most 2 are in use"));
    assert_non_null(strstr(pond_error_message(error), "raise sync_max_size"));
    pond_error_free(error);
    error = NULL;
    assert_int_equal(pond_pool_acquire_wait(at->pool, at->loop, 10, &none, &error), POND_EACQUIRE);
    assert_non_null(strstr(pond_error_message(error), "1 of at most 1 are in use"));
    assert_non_null(strstr(pond_error_message(error), "raise pool_max_size"));
    pond_error_free(error);
    for (int i = 0; i < 3; i++)
        give_back(held[i]);
    finish(at);
}

static void what_is_idle_serves_both_sides(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_max_size", "1", "sync_max_size", "2", NULL};
    world *at = begin(settings);
    give_back(by_thread(at));
    give_back(acquire(at));
    give_back(by_thread(at));
    assert_int_equal(status_of(at->pool).created, 1);
    /* three places, but a loop may have one of them, however many are idle */
    pond_connection *held[3] = {by_thread(at), by_thread(at), acquire(at)};
    for (int i = 0; i < 3; i++)
        give_back(held[i]);
    assert_int_equal(status_of(at->pool).idle, 3);
    held[0] = acquire(at);
    assert_int_equal(try_here(at, &held[1]), POND_EAGAIN);
    waiter late = line_up(at, 0, POND_TIMEOUT_NONE);
    assert_int_equal(pond_op_wait(late.op, 0, NULL), POND_EAGAIN);
    give_back(by_thread(at)); /* passes who waits for another's place */
    assert_int_equal(pond_op_status(late.op), POND_PENDING);
    give_back(held[0]);
    give_back(served(&late));
    assert_int_equal(status_of(at->pool).created, 3);
    forget(&late);
    finish(at);
}

/* Its idle connection goes to the other side: it opens one in its own place. */
static void who_finds_what_was_idle_taken_opens_another(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_max_size", "1", "sync_max_size", "1", NULL};
    world *at = begin_with_patience(settings);
    give_back(acquire(at));
    pond_connection *of_thread = by_thread(at);
    waiter task = line_up(at, 0, POND_TIMEOUT_NONE);
    pond_connection *of_loop = served(&task);
    assert_int_equal(status_of(at->pool).created, 2);
    give_back(of_thread);
    give_back(of_loop);
    forget(&task);
    finish(at);
}

/* ---- Long lines -------------------------------------------------------------------------- */

enum { LONG = 5000, LOG_LONG = 13 };

/* What takes a waiter out, each in turn. */
static uint64_t steps_to_end(int64_t timeout_ms, void (*end)(pond_op **ops, pond_loop *loop))
{
    static pond_op *ops[LONG];
    world *at = begin(one);
    pond_connection *connection = acquire(at);
    for (int i = 0; i < LONG; i++)
        assert_int_equal(pond_pool_acquire(at->pool, at->loop, timeout_ms, NULL, &ops[i], NULL),
                         POND_OK);
    assert_int_equal(status_of(at->pool).waiting, LONG);
    pondi_branch *branch = acquire_of(&(waiter){at->loop, ops[0]})->branch;
    end(ops, at->loop);
    assert_int_equal(status_of(at->pool).waiting, 0);
    uint64_t steps = branch->waiters.steps;
    for (int i = 0; i < LONG; i++)
        pond_op_release(ops[i]);
    give_back(connection);
    finish(at);
    return steps;
}

static void cancel_all(pond_op **ops, pond_loop *loop)
{
    (void)loop;
    for (int i = 0; i < LONG; i++)
        pond_op_cancel(ops[i * 7 % LONG]); /* 7 does not divide LONG: each once */
}

static void let_all_expire(pond_op **ops, pond_loop *loop)
{
    (void)loop;
    for (int i = 0; i < LONG; i++)
        assert_int_equal(pond_op_wait(ops[i], 60000, NULL), POND_EACQUIRE);
}

static void a_waiter_leaves_a_long_line_in_few_steps(void **state)
{
    (void)state;
    const uint64_t most = (uint64_t)4 * LONG * LOG_LONG;
    assert_true(steps_to_end(POND_TIMEOUT_NONE, cancel_all) < most);
    assert_true(steps_to_end(100, let_all_expire) < most);
}

/* ---- Threads ----------------------------------------------------------------------------- */

enum { TURNS = 400, THREADS = 6 };

/* Blocks, sometimes with no time to wait; or waits on a loop, and sometimes gives up. */
static void *use_much(void *data)
{
    pond_pool *pool = data;
    pond_loop *loop = NULL;
    intptr_t failures = pond_loop_new(&loop, NULL);
    for (int i = 0; i < TURNS; i++) {
        pond_connection *connection = NULL;
        pond_op *op = NULL;
        int code = POND_OK;
        if (i % 5 == 1) {
            failures += pond_pool_acquire(pool, loop, 20000, NULL, &op, NULL) != POND_OK;
            if (i % 2)
                pond_op_cancel(op);
            code = pond_op_wait(op, -1, NULL);
            connection = pond_op_take_connection(op);
            pond_op_release(op);
        } else {
            code = pond_pool_acquire_wait(pool, NULL, i % 7 == 3 ? 0 : 20000, &connection, NULL);
        }
        if (connection)
            give_back(connection);
        else if (code != POND_ECANCELLED && (code != POND_EACQUIRE || i % 7 != 3))
            failures++;
    }
    pond_loop_release(loop);
    return (void *)failures;
}

static void threads_and_loops_share_without_losing_a_wake_up(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_max_size", "2", NULL};
    const int64_t patience[] = {0, PONDI_NS_PER_MS, PONDI_NEVER};
    for (size_t i = 0; i < 3; i++) {
        world *at = begin(settings);
        pthread_t threads[THREADS];
        at->pool->settings.patience_ns = patience[i];
        for (int j = 0; j < THREADS; j++)
            pthread_create(&threads[j], NULL, use_much, at->pool);
        for (int j = 0; j < THREADS; j++) {
            void *failures;
            pthread_join(threads[j], &failures);
            assert_int_equal((intptr_t)failures, 0);
        }
        pond_pool_status status = wait_until_idle(at);
        assert_int_equal(status.waiting, 0);
        assert_int_equal(status.acquired, status.released);
        finish(at);
    }
}

typedef struct hog {
    pond_pool *pool;
    atomic_int over;
} hog;

static void *take_again_and_again(void *data)
{
    hog *at = data;
    while (!atomic_load(&at->over)) {
        pond_connection *connection = NULL;
        if (pond_pool_acquire_wait(at->pool, NULL, POND_TIMEOUT_NONE, &connection, NULL))
            return "an acquire failed";
        give_back(connection);
    }
    return NULL;
}

/* Else the waits would not end. */
static void those_who_come_again_and_again_starve_nobody(void **state)
{
    (void)state;
    world *at = begin(one);
    hog shared = {.pool = at->pool};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, take_again_and_again, &shared);
    for (int i = 0; i < 50; i++) {
        pond_connection *connection = NULL;
        assert_int_equal(
            pond_pool_acquire_wait(at->pool, NULL, POND_TIMEOUT_NONE, &connection, NULL), POND_OK);
        give_back(connection);
    }
    atomic_store(&shared.over, 1);
    for (int i = 0; i < 2; i++) {
        void *failure;
        pthread_join(threads[i], &failure);
        assert_null(failure);
    }
    finish(at);
}

RUN_TESTS(cmocka_unit_test(who_runs_may_use_what_a_blocked_thread_was_just_woken_for),
          cmocka_unit_test(who_has_waited_long_is_served_before_all_who_come),
          cmocka_unit_test(what_is_idle_is_kept_for_who_has_meanwhile_waited_long),
          cmocka_unit_test(an_event_loop_is_never_overtaken),
          cmocka_unit_test(blocked_threads_are_served_in_their_order),
          cmocka_unit_test(each_of_several_idle_connections_wakes_a_thread),
          cmocka_unit_test(who_is_cancelled_when_woken_passes_it_on),
          cmocka_unit_test(who_times_out_when_woken_passes_it_on),
          cmocka_unit_test(who_loses_its_loop_when_woken_passes_it_on),
          cmocka_unit_test(who_is_handed_another_when_woken_passes_it_on),
          cmocka_unit_test(an_idle_connection_serves_others_while_the_first_has_one_checked),
          cmocka_unit_test(blocking_threads_and_loops_take_no_places_of_each_other),
          cmocka_unit_test(what_is_idle_serves_both_sides),
          cmocka_unit_test(who_finds_what_was_idle_taken_opens_another),
          cmocka_unit_test(a_waiter_leaves_a_long_line_in_few_steps),
          cmocka_unit_test(threads_and_loops_share_without_losing_a_wake_up),
          cmocka_unit_test(those_who_come_again_and_again_starve_nobody))

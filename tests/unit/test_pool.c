/* The pool and what is common to all connections, on the fake driver: no server decides the
 * outcome. */
#include "pool_fixture.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "loop/internal.h"
#include "pool/pool.h"

/* ---- Acquire and release ----------------------------------------------------------------- */

static void a_released_connection_is_lent_again(void **state)
{
    (void)state;
    world *at = begin(NULL);
    pond_connection *first = acquire(at);
    uint64_t id = pond_connection_id(first);
    give_back(first);
    pond_connection *second = acquire(at);
    assert_int_equal(pond_connection_id(second), id);
    give_back(second);
    assert_int_equal(status_of(at->pool).created, 1);
    finish(at);
}

static void a_stale_handle_fails_and_giving_back_twice_says_so(void **state)
{
    (void)state;
    world *at = begin(NULL);
    pond_connection *connection = acquire(at);
    assert_int_equal(pond_connection_give_back(connection, NULL), POND_OK);
    pond_error *error = NULL;
    assert_int_equal(run(connection, "ROWS 1 1", 20000, &error), POND_ESTALE);
    pond_error_free(error);
    error = NULL;
    assert_int_equal(pond_connection_give_back(connection, &error), POND_ESTALE);
    pond_error_free(error);
    assert_int_equal(pond_connection_id(connection), 0);
    pond_connection_release(connection);
    finish(at);
}

static void a_forgotten_connection_comes_back(void **state)
{
    (void)state;
    world *at = begin(NULL);
    pond_connection_release(acquire(at));
    assert_int_equal(wait_until_idle(at).idle, 1);
    pond_log *record = pond_log_next();
    assert_non_null(strstr(pond_log_message(record), "without being released"));
    pond_log_free(record);
    finish(at);
}

static void try_acquire_never_waits(void **state)
{
    (void)state;
    world *at = begin(NULL);
    pond_connection *connection = NULL;
    assert_int_equal(pond_pool_try_acquire(at->pool, at->loop, &connection, NULL), POND_EAGAIN);
    give_back(acquire(at));
    assert_int_equal(pond_pool_try_acquire(at->pool, at->loop, &connection, NULL), POND_OK);
    give_back(connection);
    finish(at);
}

static void waiters_are_served_in_order_and_time_out(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_max_size", "1", NULL};
    world *at = begin(settings);
    pond_connection *held = acquire(at);
    enum { WAITERS = 5 };
    pond_op *waiters[WAITERS];
    for (int i = 0; i < WAITERS; i++)
        assert_int_equal(pond_pool_acquire(at->pool, at->loop, 60000, NULL, &waiters[i], NULL),
                         POND_OK);
    pond_op *hasty = NULL;
    pond_pool_acquire(at->pool, at->loop, 20, NULL, &hasty, NULL);
    assert_int_equal(status_of(at->pool).waiting, WAITERS + 1);
    assert_int_equal(pond_op_wait(hasty, 60000, NULL), POND_EACQUIRE);
    pond_error *error = pond_op_take_error(hasty);
    assert_non_null(strstr(pond_error_message(error), "1 of at most 1 are in use"));
    pond_error_free(error);
    pond_op_release(hasty);
    pond_op_cancel(waiters[2]);
    give_back(held);
    for (int i = 0; i < WAITERS; i++) {
        int status = pond_op_wait(waiters[i], 60000, NULL);
        assert_int_equal(status, i == 2 ? POND_ECANCELLED : POND_OK);
        for (int later = i + 1; later < WAITERS && i != 2; later++)
            assert_int_equal(pond_op_status(waiters[later]),
                             later == 2 ? POND_ECANCELLED : POND_PENDING);
        if (!status)
            give_back(pond_op_take_connection(waiters[i]));
        pond_op_release(waiters[i]);
    }
    assert_int_equal(status_of(at->pool).timeouts, 1);
    finish(at);
}

static void a_connection_that_nobody_takes_goes_back(void **state)
{
    (void)state;
    world *at = begin(NULL);
    pond_op *op = NULL;
    pond_pool_acquire(at->pool, at->loop, 20000, NULL, &op, NULL);
    assert_int_equal(pond_op_wait(op, 60000, NULL), POND_OK);
    assert_int_equal(status_of(at->pool).in_use, 1);
    pond_op_release(op);
    assert_int_equal(wait_until_idle(at).idle, 1);
    finish(at);
}

/* ---- Connecting -------------------------------------------------------------------------- */

static void a_failed_connect_is_told_to_its_waiter_and_leaves_room(void **state)
{
    (void)state;
    const char *const settings[] = {
        "connect_failures", "2", "connect_error", "EAUTH", "pool_max_size", "1", NULL};
    world *at = begin(settings);
    for (int i = 0; i < 2; i++) {
        pond_connection *connection = NULL;
        assert_int_equal(pond_pool_acquire_wait(at->pool, at->loop, 20000, &connection, NULL),
                         POND_EAUTH);
    }
    give_back(acquire(at));
    assert_int_equal(status_of(at->pool).errors, 2);
    finish(at);
}

static void a_connect_that_takes_too_long_is_given_up(void **state)
{
    (void)state;
    const char *const settings[] = {"connect_delay", "600", "connection_creation_timeout", "0.02",
                                    NULL};
    world *at = begin(settings);
    pond_connection *connection = NULL;
    assert_int_equal(pond_pool_acquire_wait(at->pool, at->loop, 60000, &connection, NULL),
                     POND_ECONNECT);
    assert_int_equal(status_of(at->pool).size, 0);
    finish(at);
}

static void an_acquire_that_times_out_leaves_its_connection_to_the_pool(void **state)
{
    (void)state;
    const char *const settings[] = {"connect_delay", "0.1", NULL};
    world *at = begin(settings);
    pond_connection *connection = NULL;
    assert_int_equal(pond_pool_acquire_wait(at->pool, at->loop, 10, &connection, NULL),
                     POND_EACQUIRE);
    assert_int_equal(wait_until_idle(at).idle, 1);
    finish(at);
}

/* ---- Statements -------------------------------------------------------------------------- */

static void a_timeout_cancels_and_leaves_the_connection_usable(void **state)
{
    (void)state;
    world *at = begin(NULL);
    pond_connection *connection = acquire(at);
    pond_error *error = NULL;
    assert_int_equal(run(connection, "SLEEP 600000", 20, &error), POND_ETIMEDOUT);
    assert_non_null(strstr(pond_error_message(error), "timed out after 0.02 s"));
    pond_error_free(error);
    assert_int_equal(run(connection, "ROWS 1 1", 20000, NULL), POND_OK);
    give_back(connection);
    assert_int_equal(status_of(at->pool).idle, 1);
    finish(at);
}

static void a_server_that_does_not_stop_costs_the_connection(void **state)
{
    (void)state;
    world *at = begin(NULL);
    pond_connection *connection = acquire(at);
    pond_op *waiting = NULL;
    pond_op *hanging = start(connection, "HANG");
    waiting = start(connection, "ROWS 1 1");
    pond_op_cancel(hanging);
    assert_int_equal(pond_op_wait(hanging, 60000, NULL), POND_ECANCELLED);
    assert_int_equal(pond_op_wait(waiting, 60000, NULL), POND_ECONNLOST);
    pond_op_release(hanging);
    pond_op_release(waiting);
    assert_int_equal(run(connection, "ROWS 1 1", 20000, NULL), POND_ECONNLOST);
    give_back(connection);
    assert_int_equal(wait_until_idle(at).size, 0);
    finish(at);
}

/* As a machine that stood still, or a host that came back late to its loop. */
static void time_in_which_nobody_looked_is_not_the_servers(void **state)
{
    (void)state;
    const char *const settings[] = {"cancels_lost", "1", NULL};
    world *at = begin(settings);
    pond_connection *connection = acquire(at);
    pond_op *op = start(connection, "SLEEP 600000");
    pond_op_cancel(op);
    usleep(1500000);
    assert_int_equal(pond_op_wait(op, 60000, NULL), POND_ECANCELLED);
    pond_op_release(op);
    assert_int_equal(run(connection, "ROWS 1 1", 20000, NULL), POND_OK);
    give_back(connection);
    assert_int_equal(status_of(at->pool).created, 1);
    finish(at);
}

static void statements_run_in_order_and_a_cancelled_one_is_not_sent(void **state)
{
    (void)state;
    world *at = begin(NULL);
    pond_connection *connection = acquire(at);
    pond_op *first = start(connection, "SLEEP 30");
    pond_op *second = start(connection, "FAIL EDEADLOCK 40P01 never");
    pond_op *third = start(connection, "FAIL EUNIQUE 23505 a key");
    pond_op_cancel(second);
    assert_int_equal(pond_op_status(second), POND_ECANCELLED);
    assert_int_equal(pond_op_wait(third, 60000, NULL), POND_EUNIQUE);
    assert_int_equal(pond_op_status(first), POND_OK);
    pond_error *error = pond_op_take_error(third);
    assert_string_equal(pond_error_sqlstate(error), "23505");
    assert_string_equal(pond_error_message(error), "a key");
    pond_error_free(error);
    pond_op_release(first);
    pond_op_release(second);
    pond_op_release(third);
    give_back(connection);
    finish(at);
}

static void what_still_runs_on_release_is_stopped_before_the_next_owner(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_max_size", "1", NULL};
    world *at = begin(settings);
    pond_connection *connection = acquire(at);
    assert_int_equal(pond_connection_transaction_wait(connection, POND_BEGIN, 20000, NULL),
                     POND_OK);
    pond_op *running = start(connection, "SLEEP 600000");
    pond_op *queued = start(connection, "ROWS 1 1");
    give_back(connection);
    pond_connection *next = acquire(at);
    int open = 1;
    assert_int_equal(pond_connection_in_transaction(next, &open, NULL), POND_OK);
    assert_int_equal(open, 0);
    assert_int_equal(pond_op_status(running), POND_ECANCELLED);
    assert_int_equal(pond_op_status(queued), POND_ECANCELLED);
    pond_op_release(running);
    pond_op_release(queued);
    give_back(next);
    assert_int_equal(status_of(at->pool).created, 1);
    finish(at);
}

static void a_dropped_connection_is_replaced(void **state)
{
    (void)state;
    world *at = begin(NULL);
    pond_connection *connection = acquire(at);
    assert_int_equal(run(connection, "DROP", 20000, NULL), POND_EUNKNOWN);
    give_back(connection);
    assert_int_equal(status_of(at->pool).size, 0);
    give_back(acquire(at));
    finish(at);
}

/* ---- Close ------------------------------------------------------------------------------- */

static void closing_the_loop_keeps_idle_connections_for_others(void **state)
{
    (void)state;
    world *at = begin(NULL);
    pond_connection *leased = acquire(at);
    pond_connection *idle = acquire(at);
    uint64_t id = pond_connection_id(idle);
    give_back(idle);
    pond_loop_close(at->loop);
    assert_int_equal(status_of(at->pool).size, 1);
    assert_int_equal(run(leased, "ROWS 1 1", 20000, NULL), POND_ECLOSED);
    pond_connection_release(leased);
    pond_loop_release(at->loop);
    assert_int_equal(pond_loop_new(&at->loop, NULL), POND_OK);
    pond_connection *again = acquire(at);
    assert_int_equal(pond_connection_id(again), id);
    give_back(again);
    finish(at);
}

/* ---- Threads ----------------------------------------------------------------------------- */

static void *use_much(void *data)
{
    pond_pool *pool = data;
    intptr_t failures = 0;
    for (int i = 0; i < 200; i++) {
        pond_connection *connection = NULL;
        if (pond_pool_acquire_wait(pool, NULL, 20000, &connection, NULL)) {
            failures++;
            continue;
        }
        failures += run(connection, "ROWS 1 1", 20000, NULL) != POND_OK;
        if (i % 3 == 0)
            pond_connection_transaction_wait(connection, POND_BEGIN, 20000, NULL);
        give_back(connection);
    }
    return (void *)failures;
}

static void threads_pass_connections_to_each_other(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_max_size", "2", NULL};
    world *at = begin(settings);
    enum { THREADS = 6 };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, use_much, at->pool);
    for (int i = 0; i < THREADS; i++) {
        void *failures;
        pthread_join(threads[i], &failures);
        assert_int_equal((intptr_t)failures, 0);
    }
    pond_pool_status status = wait_until_idle(at);
    assert_true(status.size <= 2);
    assert_int_equal(status.acquired, THREADS * 200);
    pond_log *record;
    while ((record = pond_log_next()))
        pond_log_free(record);
    finish(at);
}

typedef struct holder {
    pond_pool *pool;
    int told[2]; /* a pipe: it may let go */
    int begins_transaction;
} holder;

/* Takes a connection and makes no calls until it is told to let go. */
static void *hold_one(void *data)
{
    holder *at = data;
    pond_connection *connection = NULL;
    char byte;
    intptr_t code = pond_pool_acquire_wait(at->pool, NULL, 20000, &connection, NULL);
    if (code)
        return (void *)code;
    if (at->begins_transaction) {
        pond_connection_transaction_wait(connection, POND_BEGIN, 20000, NULL);
        give_back(connection);
    }
    code = read(at->told[0], &byte, 1) != 1;
    if (!at->begins_transaction)
        give_back(connection);
    return (void *)code;
}

static void let_go(holder *at, pthread_t thread)
{
    void *failures;
    assert_int_equal(write(at->told[1], "x", 1), 1);
    pthread_join(thread, &failures);
    assert_int_equal((intptr_t)failures, 0);
    close(at->told[0]);
    close(at->told[1]);
}

typedef struct giver {
    pond_connection *held;
    pond_loop *loop;
    pthread_t sleeper;
    atomic_int woken;
} giver;

static int sleeps(pond_loop *loop)
{
    assert_true(pondi_loop_lock(loop));
    int sleeping = loop->sleeping;
    pondi_loop_leave(loop);
    return sleeping;
}

static void on_signal(int number)
{
    (void)number;
}

/* Gives the connection back while its loop's thread sleeps, waiting for it. */
static void *give_back_to_a_sleeper(void *data)
{
    giver *at = data;
    while (!sleeps(at->loop))
        usleep(100);
    give_back(at->held);
    for (int tries = 20000; !atomic_load(&at->woken); tries--) {
        if (!tries) {
            pthread_kill(at->sleeper, SIGUSR1);
            return "it slept on";
        }
        usleep(1000);
    }
    return NULL;
}

/* No deadline may wake it instead, so there is none. */
static void a_release_by_another_thread_wakes_who_waits_on_the_same_loop(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_max_size", "1", "connection_creation_timeout", "0", NULL};
    struct sigaction action = {.sa_handler = on_signal};
    world *at = begin(settings);
    giver other = {.loop = at->loop, .sleeper = pthread_self()};
    pond_connection *next = NULL;
    pthread_t thread;
    void *failure;
    sigaction(SIGUSR1, &action, NULL);
    assert_int_equal(
        pond_pool_acquire_wait(at->pool, at->loop, POND_TIMEOUT_NONE, &other.held, NULL), POND_OK);
    while (at->loop->alarm_ns != PONDI_NEVER) /* of connecting */
        pond_loop_run(at->loop, 1, NULL);
    pthread_create(&thread, NULL, give_back_to_a_sleeper, &other);
    assert_int_equal(pond_pool_acquire_wait(at->pool, at->loop, POND_TIMEOUT_NONE, &next, NULL),
                     POND_OK);
    atomic_store(&other.woken, 1);
    pthread_join(thread, &failure);
    assert_null(failure);
    give_back(next);
    finish(at);
}

/* A blocking acquire on the thread of a host's loop, which nobody drives meanwhile; on another
 * loop, as it is to want the same place. */
static void give_back_what_is_acquired_beside_the_loop(world *at)
{
    pond_connection *connection = NULL;
    pond_error *error = NULL;
    pond_loop *other = NULL;
    assert_int_equal(pond_loop_new(&other, NULL), POND_OK);
    int code = pond_pool_acquire_wait(at->pool, other, 20000, &connection, &error);
    if (code)
        fail_msg("%s", pond_error_message(error));
    give_back(connection);
    pond_loop_release(other);
}

static void what_a_blocked_loop_was_opening_goes_to_who_waits(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_max_size", "1", "connect_delay", "0.2", NULL};
    world *at = begin(settings);
    pond_op *op = NULL;
    assert_int_equal(pond_pool_acquire(at->pool, at->loop, 10000, NULL, &op, NULL), POND_OK);
    pond_op_cancel(op);
    give_back_what_is_acquired_beside_the_loop(at);
    assert_int_equal(pond_op_wait(op, 10000, NULL), POND_ECANCELLED);
    pond_op_release(op);
    finish(at);
}

static void what_a_blocked_loop_was_cleaning_goes_to_who_waits(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_max_size", "1", NULL};
    world *at = begin(settings);
    pond_connection *connection = acquire(at);
    pond_op *op = start(connection, "HANG"); /* it takes a moment until it is given up */
    give_back(connection);
    give_back_what_is_acquired_beside_the_loop(at);
    struct pollfd descriptor = {.fd = pond_loop_fd(at->loop), .events = POLLIN};
    assert_int_equal(poll(&descriptor, 1, 20000), 1); /* its host is told of what ended */
    assert_int_equal(pond_loop_run_nowait(at->loop, NULL), POND_OK);
    pond_op *ended = pond_loop_next(at->loop);
    assert_ptr_equal(ended, op);
    pond_op_release(ended);
    pond_op_release(op);
    finish(at);
}

static void *acquire_beside(void *data)
{
    pond_pool *pool = data;
    pond_connection *connection = NULL;
    pond_loop *own = NULL;
    intptr_t code = pond_loop_new(&own, NULL);
    if (!code)
        code = pond_pool_acquire_wait(pool, own, 20000, &connection, NULL);
    if (!code)
        give_back(connection);
    pond_loop_release(own);
    return (void *)code;
}

static void what_a_blocked_loop_was_to_clean_goes_to_another_thread(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_max_size", "1", NULL};
    world *at = begin(settings);
    pond_connection *connection = acquire(at);
    pond_op *op = start(connection, "HANG");
    pthread_t thread;
    pthread_create(&thread, NULL, acquire_beside, at->pool);
    EVENTUALLY(at->pool, status.waiting == 1);
    give_back(connection);
    void *code;
    pthread_join(thread, &code); /* and the loop is not driven */
    assert_int_equal((intptr_t)code, POND_OK);
    pond_op_release(op);
    finish(at);
}

static void what_a_thread_leaves_half_open_becomes_usable(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_max_size", "2", "connect_delay", "0.2", NULL};
    world *at = begin(settings);
    pond_connection *first = acquire(at);
    holder other = {.pool = at->pool};
    pthread_t thread;
    assert_int_equal(pipe(other.told), 0);
    pthread_create(&thread, NULL, hold_one, &other);
    while (status_of(at->pool).size < 2) /* the thread opens one for itself … */
        pond_loop_run(at->loop, 1, NULL);
    give_back(first); /* … but gets this one, and does not come back to its own */
    give_back(acquire(at));
    let_go(&other, thread);
    wait_until_idle(at);
    finish(at);
}

static void what_a_thread_leaves_to_be_rolled_back_becomes_usable(void **state)
{
    (void)state;
    const char *const settings[] = {"pool_max_size", "1", NULL};
    world *at = begin(settings);
    holder other = {.pool = at->pool, .begins_transaction = 1};
    pthread_t thread;
    assert_int_equal(pipe(other.told), 0);
    pthread_create(&thread, NULL, hold_one, &other);
    while (status_of(at->pool).released < 1)
        pond_loop_run(at->loop, 1, NULL);
    pond_connection *next = NULL;
    assert_int_equal(pond_pool_acquire_wait(at->pool, NULL, 20000, &next, NULL), POND_OK);
    give_back(next);
    let_go(&other, thread);
    pond_log_free(pond_log_next());
    finish(at);
}

/* ---- Private loops whose thread does not come back --------------------------------------- */

typedef struct absentee {
    pond_loop *loop;
    int told[2];  /* a pipe: its loop is there */
    int leave[2]; /* and it may end */
} absentee;

static void *be_absent(void *data)
{
    absentee *at = data;
    char byte;
    intptr_t failures = pondi_loop_private(&at->loop, NULL) || write(at->told[1], "x", 1) != 1;
    failures += read(at->leave[0], &byte, 1) != 1;
    return (void *)failures;
}

static void begin_absence(absentee *at, pthread_t *thread)
{
    char byte;
    assert_int_equal(pipe(at->told), 0);
    assert_int_equal(pipe(at->leave), 0);
    pthread_create(thread, NULL, be_absent, at);
    assert_int_equal(read(at->told[0], &byte, 1), 1);
}

static void end_absence(absentee *at, pthread_t thread)
{
    void *failures;
    assert_int_equal(write(at->leave[1], "x", 1), 1);
    pthread_join(thread, &failures);
    assert_int_equal((intptr_t)failures, 0);
    for (int i = 0; i < 2; i++) {
        close(at->told[i]);
        close(at->leave[i]);
    }
}

typedef struct note {
    pondi_message message;
    pond_pool *pool;
    pond_loop *loop;
    pond_op *op;
    atomic_int read;
} note;

static void read_note(pondi_message *message)
{
    atomic_store(&PONDI_CONTAINER(message, note, message)->read, 1);
}

static void wait_until_read(note *at)
{
    for (int tries = 20000; !atomic_load(&at->read) && tries; tries--)
        usleep(1000);
    assert_true(atomic_load(&at->read));
}

static void a_message_to_an_absent_thread_is_read_for_it(void **state)
{
    (void)state;
    absentee other = {NULL};
    note sent = {.message.run = read_note};
    pthread_t thread;
    begin_absence(&other, &thread);
    pondi_loop_post(other.loop, &sent.message);
    wait_until_read(&sent);
    end_absence(&other, thread);
}

static void note_end(pond_op *op)
{
    atomic_store(&((note *)op->user_data)->read, 1);
}

static void open_one(pondi_message *message)
{
    note *at = PONDI_CONTAINER(message, note, message);
    assert_int_equal(pondi_acquire_within(at->pool, at->loop, 20000, note_end, at, &at->op, NULL),
                     POND_OK);
}

static void what_begins_as_an_absent_threads_loop_is_left_goes_on(void **state)
{
    (void)state;
    const char *const settings[] = {"connect_delay", "0.05", NULL};
    world *at = begin(settings);
    absentee other = {NULL};
    pthread_t thread;
    begin_absence(&other, &thread);
    note sent = {.message.run = open_one, .pool = at->pool, .loop = other.loop};
    assert_true(pondi_loop_lock(other.loop));
    pondi_loop_post(other.loop, &sent.message);
    pondi_loop_leave(other.loop);
    wait_until_read(&sent);
    pond_op_release(sent.op);
    end_absence(&other, thread);
    finish(at);
}

/* ---- Out of memory ----------------------------------------------------------------------- */

/* One whole job; any of its allocations may fail, and then it must end cleanly. */
static int whole_job(void)
{
    pond_loop *loop = NULL;
    pond_config *config = NULL;
    pond_pool *pool = NULL;
    pond_connection *connection = NULL;
    pond_result *result = NULL;
    pond_error *error = NULL;
    pond_value value = {.type = POND_TYPE_TEXT, .as.text = {"text", 4}};
    pond_tag tag = {"key", "value"};
    pond_execute_options options = POND_EXECUTE_OPTIONS_INIT;
    options.timeout_ms = 20000;
    options.tags = &tag;
    options.tag_count = 1;
    int code = pond_loop_new(&loop, &error);
    if (!code)
        code = pond_config_new("fake", &config, &error);
    if (!code)
        code = pond_config_set(config, "database", "memory is scarce", &error);
    if (!code)
        code = pond_pool_open(config, &pool, &error);
    if (!code)
        code = pond_pool_acquire_wait(pool, loop, 60000, &connection, &error);
    if (!code)
        code = pond_connection_execute_wait(connection, "ECHO ?", 6, &value, 1, &options, &result,
                                            &error);
    if (!code)
        code = pond_connection_transaction_wait(connection, POND_BEGIN, 60000, &error);
    pond_error_free(error);
    pond_result_release(result);
    pond_connection_release(connection);
    pond_pool_release(pool);
    pond_config_release(config);
    pond_loop_release(loop);
    pond_log *record;
    while ((record = pond_log_next()))
        pond_log_free(record);
    return code;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    assert_int_equal(whole_job(), POND_OK);
    for (int sticky = 0; sticky < 2; sticky++) {
        uint64_t nth = 0;
        int code;
        do {
            pondi_alloc_fail_after(++nth, sticky);
            code = whole_job();
            pondi_alloc_fail_after(0, 0);
            assert_true(nth < 1000);
        } while (code != POND_OK || nth < 20);
        assert_int_equal(whole_job(), POND_OK);
    }
}

RUN_TESTS(cmocka_unit_test(a_released_connection_is_lent_again),
          cmocka_unit_test(a_stale_handle_fails_and_giving_back_twice_says_so),
          cmocka_unit_test(a_forgotten_connection_comes_back),
          cmocka_unit_test(try_acquire_never_waits),
          cmocka_unit_test(waiters_are_served_in_order_and_time_out),
          cmocka_unit_test(a_connection_that_nobody_takes_goes_back),
          cmocka_unit_test(a_failed_connect_is_told_to_its_waiter_and_leaves_room),
          cmocka_unit_test(a_connect_that_takes_too_long_is_given_up),
          cmocka_unit_test(an_acquire_that_times_out_leaves_its_connection_to_the_pool),
          cmocka_unit_test(a_timeout_cancels_and_leaves_the_connection_usable),
          cmocka_unit_test(a_server_that_does_not_stop_costs_the_connection),
          cmocka_unit_test(time_in_which_nobody_looked_is_not_the_servers),
          cmocka_unit_test(statements_run_in_order_and_a_cancelled_one_is_not_sent),
          cmocka_unit_test(what_still_runs_on_release_is_stopped_before_the_next_owner),
          cmocka_unit_test(a_dropped_connection_is_replaced),
          cmocka_unit_test(closing_the_loop_keeps_idle_connections_for_others),
          cmocka_unit_test(threads_pass_connections_to_each_other),
          cmocka_unit_test(a_release_by_another_thread_wakes_who_waits_on_the_same_loop),
          cmocka_unit_test(what_a_blocked_loop_was_opening_goes_to_who_waits),
          cmocka_unit_test(what_a_blocked_loop_was_cleaning_goes_to_who_waits),
          cmocka_unit_test(what_a_blocked_loop_was_to_clean_goes_to_another_thread),
          cmocka_unit_test(what_a_thread_leaves_half_open_becomes_usable),
          cmocka_unit_test(what_a_thread_leaves_to_be_rolled_back_becomes_usable),
          cmocka_unit_test(a_message_to_an_absent_thread_is_read_for_it),
          cmocka_unit_test(what_begins_as_an_absent_threads_loop_is_left_goes_on),
          cmocka_unit_test(every_allocation_may_fail))

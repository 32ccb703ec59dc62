/* Loops that a thread of the library drives: pond_loop_start_thread(). */
#include "check.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4, TURNS = 50, SECONDS_MS = 20000 };

/* One pool of the fake driver and one loop with a thread; `completed` is the host's callback. */
typedef struct host {
    pond_pool *pool;
    pond_loop *loop;
    sem_t done;
    pond_connection *connection;
    int status;
    int nested; /* what a call inside the callback gave */
    atomic_int calls;
    pthread_t thread; /* that ran the callback */
    void (*then)(struct host *host, pond_op *op);
} host;

static void completed(void *data, pond_op *op)
{
    host *self = data;
    self->thread = pthread_self();
    self->status = pond_op_status(op);
    atomic_fetch_add(&self->calls, 1);
    if (self->then)
        self->then(self, op);
    else
        sem_post(&self->done);
    pond_op_release(op);
}

static int open_host(void **state)
{
    static int count; /* of pools, so that each test has its own */
    host *self = calloc(1, sizeof(*self));
    pond_config *config = NULL;
    char name[20];
    assert_non_null(self);
    snprintf(name, sizeof(name), "thread%d", count++);
    assert_int_equal(pond_config_new("fake", &config, NULL), POND_OK);
    assert_int_equal(pond_config_set(config, "database", name, NULL), POND_OK);
    assert_int_equal(pond_pool_open(config, &self->pool, NULL), POND_OK);
    pond_config_release(config);
    assert_int_equal(pond_loop_new(&self->loop, NULL), POND_OK);
    sem_init(&self->done, 0, 0);
    *state = self;
    return 0;
}

static int start_host(void **state)
{
    open_host(state);
    host *self = *state;
    return pond_loop_start_thread(self->loop, completed, self, NULL);
}

static int start_without_callback(void **state)
{
    open_host(state);
    return pond_loop_start_thread(((host *)*state)->loop, NULL, NULL, NULL);
}

static int close_host(void **state)
{
    host *self = *state;
    pond_connection_release(self->connection);
    pond_loop_release(self->loop);
    assert_int_equal(pond_pool_close_wait(self->pool, 1000, NULL), POND_OK);
    pond_pool_release(self->pool);
    sem_destroy(&self->done);
    free(self);
    return 0;
}

static pond_connection *acquire(host *self)
{
    pond_connection *connection = NULL;
    assert_int_equal(pond_pool_acquire_wait(self->pool, self->loop, SECONDS_MS, &connection, NULL),
                     POND_OK);
    return connection;
}

static int64_t echo(pond_connection *connection, int64_t number)
{
    pond_value param = {.type = POND_TYPE_INT64, .as.integer = number};
    pond_value cell;
    pond_result *result = NULL;
    assert_int_equal(
        pond_connection_execute_wait(connection, "ECHO ?", 6, &param, 1, NULL, &result, NULL),
        POND_OK);
    assert_int_equal(pond_result_row(result, 0, &cell, NULL), POND_OK);
    pond_result_release(result);
    return cell.as.integer;
}

static pond_op *submit(pond_connection *connection, const char *sql)
{
    pond_op *op = NULL;
    assert_int_equal(
        pond_connection_execute(connection, sql, strlen(sql), NULL, 0, NULL, NULL, &op, NULL),
        POND_OK);
    return op;
}

/* ---- Callbacks --------------------------------------------------------------------------- */

static void on_statement(host *self, pond_op *op)
{
    (void)op;
    pond_connection_give_back(self->connection, NULL);
    sem_post(&self->done);
}

static void on_connection(host *self, pond_op *op)
{
    self->connection = pond_op_take_connection(op);
    self->then = on_statement;
    pond_connection_execute(self->connection, "ROWS 3 2", 8, NULL, 0, NULL, self, NULL, NULL);
}

static void callbacks_submit_what_comes_next(void **state)
{
    host *self = *state;
    self->then = on_connection;
    assert_int_equal(pond_pool_acquire(self->pool, self->loop, SECONDS_MS, self, NULL, NULL),
                     POND_OK);
    sem_wait(&self->done);
    assert_int_equal(self->status, POND_OK);
    assert_int_equal(atomic_load(&self->calls), 2);
    assert_false(pthread_equal(self->thread, pthread_self()));
}

static void wait_inside(host *self, pond_op *op)
{
    pond_connection *connection = NULL;
    (void)op;
    self->nested = pond_pool_acquire_wait(self->pool, NULL, SECONDS_MS, &connection, NULL);
    assert_null(connection);
    assert_int_equal(echo(self->connection, 5), 5);
    sem_post(&self->done);
}

static void a_callback_may_wait_on_its_own_loop_and_on_no_other(void **state)
{
    host *self = *state;
    self->connection = acquire(self);
    self->then = wait_inside;
    pond_op_release(submit(self->connection, "SLEEP 1"));
    sem_wait(&self->done);
    assert_int_equal(self->nested, POND_EMISUSE);
}

/* ---- Waiting from any thread ------------------------------------------------------------- */

static void *work(void *data)
{
    host *self = data;
    for (int64_t i = 0; i < TURNS; i++) {
        pond_connection *connection = acquire(self);
        assert_int_equal(echo(connection, i), i);
        assert_int_equal(pond_connection_give_back(connection, NULL), POND_OK);
        pond_connection_release(connection);
    }
    return NULL;
}

static void many_threads_wait_on_one_loop(void **state)
{
    pthread_t threads[THREADS];
    host *self = *state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, self), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pond_pool_status status = {.struct_size = sizeof(status)};
    assert_int_equal(pond_pool_get_status(self->pool, &status, NULL), POND_OK);
    assert_int_equal(status.acquired, THREADS * TURNS);
    assert_int_equal(atomic_load(&self->calls), 0); /* who waits gets the answer, no one else */
}

static void *use_connection(void *data)
{
    host *self = data;
    assert_int_equal(echo(self->connection, 7), 7);
    return NULL;
}

static void a_connection_may_move_between_threads(void **state)
{
    pthread_t thread;
    host *self = *state;
    self->connection = acquire(self);
    assert_int_equal(echo(self->connection, 1), 1);
    assert_int_equal(pthread_create(&thread, NULL, use_connection, self), 0);
    pthread_join(thread, NULL);
    assert_int_equal(echo(self->connection, 2), 2);
}

static void a_wait_ends_in_time_and_can_be_taken_up_again(void **state)
{
    host *self = *state;
    self->connection = acquire(self);
    pond_op *op = submit(self->connection, "SLEEP 600000");
    assert_int_equal(pond_op_wait(op, 1, NULL), POND_EAGAIN);
    pond_op_cancel(op);
    assert_int_equal(pond_op_wait(op, SECONDS_MS, NULL), POND_ECANCELLED);
    assert_int_equal(pond_op_wait(op, SECONDS_MS, NULL), POND_ECANCELLED);
    pond_op_release(op);
}

static void what_nobody_waits_for_is_dropped_without_a_callback(void **state)
{
    host *self = *state;
    self->connection = acquire(self);
    for (int i = 0; i < TURNS; i++)
        pond_op_release(submit(self->connection, "ROWS 1 1"));
    assert_int_equal(echo(self->connection, 9), 9); /* comes after them */
}

static void answers_at_once_are_not_looked_for_beside_a_thread(void **state)
{
    pond_execute_options options = {.struct_size = sizeof(options),
                                    .flags = POND_EXECUTE_AT_ONCE,
                                    .timeout_ms = POND_TIMEOUT_DEFAULT};
    pond_op *op = NULL;
    host *self = *state;
    self->connection = acquire(self);
    assert_int_equal(pond_connection_execute(self->connection, "ROWS 1 1", 8, NULL, 0, &options,
                                             self, &op, NULL),
                     POND_OK);
    sem_wait(&self->done); /* so it was given to the callback */
    pond_op_release(op);
}

/* ---- Closing ----------------------------------------------------------------------------- */

static void closing_hands_over_what_is_pending_and_then_no_more(void **state)
{
    host *self = *state;
    self->connection = acquire(self);
    pond_op *op = submit(self->connection, "SLEEP 600000");
    pond_loop_close(self->loop);
    assert_int_equal(atomic_load(&self->calls), 1);
    assert_int_equal(self->status, POND_ECLOSED);
    assert_int_equal(pond_op_wait(op, SECONDS_MS, NULL), POND_ECLOSED);
    pond_op_release(op);
    pond_op *none = NULL;
    assert_int_equal(
        pond_connection_execute(self->connection, "DROP", 4, NULL, 0, NULL, NULL, &none, NULL),
        POND_ECLOSED);
    pond_loop_close(self->loop);
}

static void *wait_for_ever(void *data)
{
    host *self = data;
    pond_result *result = NULL;
    self->status = pond_connection_execute_wait(self->connection, "SLEEP 600000", 12, NULL, 0, NULL,
                                                &result, NULL);
    return NULL;
}

static void closing_ends_the_waits_of_other_threads(void **state)
{
    pthread_t thread;
    host *self = *state;
    self->connection = acquire(self);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_ever, self), 0);
    pond_loop_close(self->loop); /* before or after the statement began: closed all the same */
    pthread_join(thread, NULL);
    assert_int_equal(self->status, POND_ECLOSED);
}

static void release_inside(host *self, pond_op *op)
{
    (void)op;
    pond_loop_release(self->loop);
    self->loop = NULL;
    sem_post(&self->done);
}

static void a_callback_may_drop_the_last_reference(void **state)
{
    host *self = *state;
    self->connection = acquire(self);
    self->then = release_inside;
    pond_op_release(submit(self->connection, "SLEEP 1"));
    sem_wait(&self->done);
    assert_null(self->loop);
}

/* ---- Misuse ------------------------------------------------------------------------------ */

static void ignore(void *data)
{
    (void)data;
}

static void nobody_else_drives_a_loop_with_a_thread(void **state)
{
    pond_loop *loop = ((host *)*state)->loop;
    pond_error *error = NULL;
    assert_int_equal(pond_loop_run(loop, 0, &error), POND_EMISUSE);
    assert_non_null(strstr(pond_error_message(error), "already driven by a thread"));
    pond_error_free(error);
    assert_int_equal(pond_loop_run_nowait(loop, NULL), POND_EMISUSE);
    assert_null(pond_loop_next(loop));
    assert_int_equal(pond_loop_set_wake(loop, ignore, NULL, NULL), POND_EMISUSE);
    assert_int_equal(pond_loop_start_thread(loop, completed, NULL, NULL), POND_EMISUSE);
}

static void *start_elsewhere(void *data)
{
    host *self = data;
    self->status = pond_loop_start_thread(self->loop, completed, self, NULL);
    return NULL;
}

static void a_loop_that_wakes_its_host_or_is_another_threads_gets_no_thread(void **state)
{
    pthread_t thread;
    host *self = *state;
    assert_int_equal(pond_loop_set_wake(self->loop, ignore, NULL, NULL), POND_OK);
    assert_int_equal(pond_loop_start_thread(self->loop, completed, self, NULL), POND_EMISUSE);
    assert_int_equal(pond_loop_set_wake(self->loop, NULL, NULL, NULL), POND_OK);
    assert_int_equal(pthread_create(&thread, NULL, start_elsewhere, self), 0);
    pthread_join(thread, NULL);
    assert_int_equal(self->status, POND_EMISUSE);
    assert_int_equal(pond_loop_start_thread(self->loop, completed, self, NULL), POND_OK);
}

#define WITH(start, test) cmocka_unit_test_setup_teardown(test, start, close_host)

RUN_TESTS(WITH(start_host, callbacks_submit_what_comes_next),
          WITH(start_host, a_callback_may_wait_on_its_own_loop_and_on_no_other),
          WITH(start_host, many_threads_wait_on_one_loop),
          WITH(start_host, a_connection_may_move_between_threads),
          WITH(start_host, a_wait_ends_in_time_and_can_be_taken_up_again),
          WITH(start_without_callback, what_nobody_waits_for_is_dropped_without_a_callback),
          WITH(start_host, answers_at_once_are_not_looked_for_beside_a_thread),
          WITH(start_host, closing_hands_over_what_is_pending_and_then_no_more),
          WITH(start_host, closing_ends_the_waits_of_other_threads),
          WITH(start_host, a_callback_may_drop_the_last_reference),
          WITH(start_host, nobody_else_drives_a_loop_with_a_thread),
          WITH(open_host, a_loop_that_wakes_its_host_or_is_another_threads_gets_no_thread))

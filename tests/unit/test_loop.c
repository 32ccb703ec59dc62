#include "check.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "loop/keeper.h"
#include "loop/loop.h"
#include "loop/op.h"
#include "loop/timer.h"
#include "loop/watcher.h"
#include "loop/worker.h"

static int new_loop(void **state)
{
    pond_loop *loop = NULL;
    assert_int_equal(pond_loop_new(&loop, NULL), POND_OK);
    *state = loop;
    return 0;
}

static int release_loop(void **state)
{
    pond_loop_release(*state);
    return 0;
}

#define LOOP_TEST(test) cmocka_unit_test_setup_teardown(test, new_loop, release_loop)

/* ---- An operation that completes when it is told to -------------------------------------- */

typedef struct plain_op {
    pond_op op;
    pondi_message message;
} plain_op;

static void complete_cancelled(pond_op *op)
{
    pondi_op_complete(op, POND_ECANCELLED, NULL);
}

static void free_op(pond_op *op)
{
    pondi_free(op);
}

static const pondi_op_class plain_class = {complete_cancelled, free_op};

static void complete_by_message(pondi_message *message)
{
    pondi_op_complete(&PONDI_CONTAINER(message, plain_op, message)->op, POND_OK, NULL);
}

static plain_op *new_op(pond_loop *loop)
{
    plain_op *op = pondi_calloc(1, sizeof(*op));
    assert_non_null(op);
    pondi_op_init(&op->op, &plain_class, loop, NULL);
    op->message.run = complete_by_message;
    return op;
}

static int is_readable(pond_loop *loop)
{
    struct pollfd descriptor = {.fd = pond_loop_fd(loop), .events = POLLIN};
    return poll(&descriptor, 1, 0) == 1;
}

static void post_from_here(pond_loop *loop, plain_op *op)
{
    pondi_loop_post(loop, &op->message);
}

/* ---- Completions ------------------------------------------------------------------------- */

static void a_message_makes_the_descriptor_readable_and_completes_in_order(void **state)
{
    pond_loop *loop = *state;
    plain_op *first = new_op(loop);
    plain_op *second = new_op(loop);
    assert_false(is_readable(loop));
    post_from_here(loop, first);
    post_from_here(loop, second);
    assert_true(is_readable(loop));
    assert_int_equal(pond_loop_run_nowait(loop, NULL), POND_OK);
    pond_op *next = pond_loop_next(loop);
    assert_ptr_equal(next, &first->op);
    assert_int_equal(pond_op_status(next), POND_OK);
    pond_op_release(next);
    next = pond_loop_next(loop);
    assert_ptr_equal(next, &second->op);
    pond_op_release(next);
    assert_null(pond_loop_next(loop));
    assert_false(is_readable(loop));
}

static void what_completes_inside_a_call_makes_the_descriptor_readable(void **state)
{
    pond_loop *loop = *state;
    plain_op *op = new_op(loop);
    pond_op_cancel(&op->op);
    assert_true(is_readable(loop));
    pond_op *next = pond_loop_next(loop);
    assert_int_equal(pond_op_status(next), POND_ECANCELLED);
    pond_op_release(next);
}

static void *post_in_thread(void *data)
{
    plain_op *op = data;
    pondi_loop_post(op->op.loop, &op->message);
    return NULL;
}

static void a_wait_ends_when_another_thread_completes_the_operation(void **state)
{
    pond_loop *loop = *state;
    for (int i = 0; i < 200; i++) {
        plain_op *op = new_op(loop);
        pond_op_retain(&op->op);
        pthread_t thread;
        pthread_create(&thread, NULL, post_in_thread, op);
        assert_int_equal(pond_op_wait(&op->op, -1, NULL), POND_OK);
        pthread_join(thread, NULL);
        pond_op_release(&op->op);
        assert_null(pond_loop_next(loop));
    }
}

static void a_wait_gives_up_after_its_time_and_can_be_repeated(void **state)
{
    pond_loop *loop = *state;
    plain_op *op = new_op(loop);
    pond_op_retain(&op->op);
    assert_int_equal(pond_op_wait(&op->op, 5, NULL), POND_EAGAIN);
    assert_int_equal(pond_op_status(&op->op), POND_PENDING);
    post_from_here(loop, op);
    assert_int_equal(pond_op_wait(&op->op, -1, NULL), POND_OK);
    pond_op_release(&op->op);
}

static void others_that_completed_during_a_wait_are_still_announced(void **state)
{
    pond_loop *loop = *state;
    plain_op *waited = new_op(loop);
    plain_op *other = new_op(loop);
    pond_op_retain(&waited->op);
    post_from_here(loop, other);
    post_from_here(loop, waited);
    assert_int_equal(pond_op_wait(&waited->op, -1, NULL), POND_OK);
    pond_op_release(&waited->op);
    assert_true(is_readable(loop));
    pond_op *next = pond_loop_next(loop);
    assert_ptr_equal(next, &other->op);
    pond_op_release(next);
}

/* ---- Timers and watchers ----------------------------------------------------------------- */

static void count(void *data)
{
    ++*(int *)data;
}

static void a_timer_makes_the_descriptor_readable_and_fires_once(void **state)
{
    pond_loop *loop = *state;
    int fired = 0;
    pondi_timer *timer;
    assert_int_equal(pondi_loop_enter(loop, NULL), POND_OK);
    assert_int_equal(pondi_timer_new(loop, count, &fired, &timer, NULL), POND_OK);
    pondi_timer_start(timer, pondi_deadline_ns(60000));
    pondi_timer_start(timer, pondi_deadline_ns(3));
    pondi_loop_leave(loop);
    struct pollfd descriptor = {.fd = pond_loop_fd(loop), .events = POLLIN};
    while (!fired) {
        assert_int_equal(poll(&descriptor, 1, 10000), 1);
        pond_loop_run_nowait(loop, NULL);
    }
    assert_int_equal(fired, 1);
    pondi_loop_enter(loop, NULL);
    pondi_timer_free(timer);
    pondi_loop_leave(loop);
}

static void a_stopped_timer_does_not_fire_and_a_later_one_fires_late(void **state)
{
    pond_loop *loop = *state;
    int fired = 0;
    pondi_timer *timer;
    pondi_loop_enter(loop, NULL);
    pondi_timer_new(loop, count, &fired, &timer, NULL);
    pondi_timer_start(timer, pondi_deadline_ns(1));
    int64_t late = pondi_deadline_ns(20);
    pondi_timer_start(timer, late);
    pondi_loop_leave(loop);
    while (!fired)
        pond_loop_run(loop, 1, NULL);
    assert_true(pondi_now_ns() >= late);
    pondi_loop_enter(loop, NULL);
    pondi_timer_start(timer, pondi_deadline_ns(1));
    pondi_timer_stop(timer);
    pondi_loop_leave(loop);
    int64_t end = pondi_deadline_ns(5);
    while (pondi_now_ns() < end)
        pond_loop_run(loop, 1, NULL);
    assert_int_equal(fired, 1);
    pondi_loop_enter(loop, NULL);
    pondi_timer_free(timer);
    pondi_loop_leave(loop);
}

static void note_events(void *data, int events)
{
    *(int *)data |= events;
}

static void a_watcher_sees_a_descriptor_become_ready(void **state)
{
    pond_loop *loop = *state;
    int ends[2];
    int seen = 0;
    pondi_watcher *watcher;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    pondi_loop_enter(loop, NULL);
    assert_int_equal(pondi_watcher_new(loop, ends[0], note_events, &seen, &watcher, NULL), POND_OK);
    assert_int_equal(pondi_watcher_set(watcher, PONDI_READABLE), POND_OK);
    pondi_loop_leave(loop);
    assert_false(is_readable(loop));
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_true(is_readable(loop));
    pond_loop_run_nowait(loop, NULL);
    assert_int_equal(seen, PONDI_READABLE);
    pondi_loop_enter(loop, NULL);
    pondi_watcher_free(watcher);
    pondi_loop_leave(loop);
    close(ends[0]);
    close(ends[1]);
}

static void a_change_of_watchers_does_not_swallow_the_news_of_a_completion(void **state)
{
    pond_loop *loop = *state;
    int ends[2];
    int seen = 0;
    pondi_watcher *watcher;
    plain_op *op = new_op(loop);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    pond_op_cancel(&op->op);
    pondi_loop_enter(loop, NULL);
    pondi_watcher_new(loop, ends[0], note_events, &seen, &watcher, NULL);
    pondi_watcher_set(watcher, PONDI_READABLE);
    pondi_loop_leave(loop); /* looks at the descriptors, the wake-up's among them */
    assert_true(is_readable(loop));
    pondi_loop_enter(loop, NULL);
    pondi_watcher_free(watcher);
    pondi_loop_leave(loop);
    close(ends[0]);
    close(ends[1]);
}

/* ---- Misuse ------------------------------------------------------------------------------ */

static void *run_elsewhere(void *data)
{
    pond_error *error = NULL;
    int code = pond_loop_run_nowait(data, &error);
    int right = code == POND_EMISUSE && strstr(pond_error_message(error), "another thread");
    pond_error_free(error);
    return (void *)(intptr_t)right;
}

static void a_loop_refuses_a_second_thread(void **state)
{
    pond_loop *loop = *state;
    void *right;
    pthread_t thread;
    pond_loop_run_nowait(loop, NULL);
    pthread_create(&thread, NULL, run_elsewhere, loop);
    pthread_join(thread, &right);
    assert_int_equal((intptr_t)right, 1);
}

static void a_loop_refuses_a_forked_child(void **state)
{
    pond_loop *loop = *state;
    pond_loop_run_nowait(loop, NULL);
    pid_t child = fork();
    if (child == 0) {
        int code = pond_loop_run_nowait(loop, NULL);
        pond_loop_release(loop);
        _exit(code == POND_EMISUSE ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(pond_loop_run_nowait(loop, NULL), POND_OK);
}

static void a_process_may_end_right_after_the_keeper_began(void **state)
{
    (void)state;
    fflush(NULL);
    for (int i = 0; i < 20; i++) {
        int status;
        pid_t child = fork();
        if (child == 0)
            exit(pondi_loop_keeper(NULL) ? 0 : 1);
        waitpid(child, &status, 0);
        assert_int_equal(status, 0);
    }
}

static void a_closed_loop_says_so_and_frees_what_nobody_took(void **state)
{
    pond_loop *loop = *state;
    plain_op *op = new_op(loop);
    post_from_here(loop, op);
    pond_loop_close(loop);
    pond_error *error = NULL;
    assert_int_equal(pond_loop_run_nowait(loop, &error), POND_ECLOSED);
    pond_error_free(error);
    assert_null(pond_loop_next(loop));
    pond_loop_close(loop);
}

static void *close_in_thread(void *data)
{
    pond_loop_close(data);
    return NULL;
}

static void closing_from_another_thread_ends_a_wait(void **state)
{
    pond_loop *loop = *state;
    plain_op *op = new_op(loop);
    pond_op_retain(&op->op);
    pond_loop_run_nowait(loop, NULL);
    pthread_t thread;
    pthread_create(&thread, NULL, close_in_thread, loop);
    assert_int_equal(pond_op_wait(&op->op, -1, NULL), POND_ECLOSED);
    pthread_join(thread, NULL);
    pond_op_release(&op->op);
    pond_op_release(&op->op); /* nothing in this test completes it */
}

/* ---- Workers and wake -------------------------------------------------------------------- */

typedef struct sum_job {
    pondi_job job;
    int *total;
    int number;
    sem_t *done;
} sum_job;

static void add(pondi_job *job)
{
    sum_job *at = (sum_job *)(void *)job;
    *at->total = *at->total * 10 + at->number;
    sem_post(at->done);
}

static void a_worker_runs_jobs_in_order_and_finishes_them(void **state)
{
    (void)state;
    pondi_worker *worker;
    int total = 0;
    sem_t done;
    sem_init(&done, 0, 0);
    assert_int_equal(pondi_worker_new(&worker, NULL), POND_OK);
    sum_job jobs[3];
    for (int i = 0; i < 3; i++) {
        jobs[i] = (sum_job){{.run = add}, &total, i + 1, &done};
        pondi_worker_submit(worker, &jobs[i].job);
    }
    pondi_worker_finish(worker);
    for (int i = 0; i < 3; i++)
        sem_wait(&done);
    assert_int_equal(total, 123);
    sem_destroy(&done);
}

static void post_semaphore(void *data)
{
    sem_post(data);
}

static void a_host_without_a_descriptor_is_woken_once(void **state)
{
    pond_loop *loop = *state;
    sem_t woken;
    sem_init(&woken, 0, 0);
    assert_int_equal(pond_loop_set_wake(loop, post_semaphore, &woken, NULL), POND_OK);
    for (int i = 0; i < 50; i++) {
        plain_op *op = new_op(loop);
        post_from_here(loop, op);
        sem_wait(&woken);
        assert_int_equal(pond_loop_run_nowait(loop, NULL), POND_OK);
        pond_op *next;
        while ((next = pond_loop_next(loop)))
            pond_op_release(next);
    }
    assert_int_equal(pond_loop_set_wake(loop, NULL, NULL, NULL), POND_OK);
    sem_destroy(&woken);
}

static void a_host_is_woken_by_a_byte(void **state)
{
    pond_loop *loop = *state;
    for (int kind = 0; kind < 2; kind++) { /* a pipe, a pair of sockets */
        int ends[2];
        char bytes[8];
        assert_int_equal(kind ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends), 0);
        assert_int_equal(pond_loop_set_wake_fd(loop, ends[1], NULL), POND_OK);
        for (int i = 0; i < 50; i++) {
            plain_op *op = new_op(loop);
            post_from_here(loop, op);
            assert_int_equal(read(ends[0], bytes, sizeof(bytes)), 1);
            assert_int_equal(pond_loop_run_nowait(loop, NULL), POND_OK);
            pond_op *next;
            while ((next = pond_loop_next(loop)))
                pond_op_release(next);
        }
        close(ends[0]); /* a reader that has gone kills nobody */
        post_from_here(loop, new_op(loop));
        pond_op *last;
        while (!(last = pond_loop_next(loop)))
            assert_int_equal(pond_loop_run_nowait(loop, NULL), POND_OK);
        pond_op_release(last);
        assert_int_equal(pond_loop_set_wake_fd(loop, -1, NULL), POND_OK);
        close(ends[1]);
    }
}

/* ---- Clients that come while the loop closes ----------------------------------------------- */

typedef struct late_client {
    pondi_loop_client client;
    pondi_message message;
    pond_loop *loop;
    struct late_client *next; /* sent for as this one closes */
    int closed;
} late_client;

static void send_for_the_next(pondi_loop_client *client)
{
    late_client *self = PONDI_CONTAINER(client, late_client, client);
    self->closed++;
    if (self->next)
        pondi_loop_post(self->loop, &self->next->message);
}

static void come(pondi_message *message)
{
    late_client *self = PONDI_CONTAINER(message, late_client, message);
    assert_false(pondi_loop_closed(self->loop));
    pondi_loop_add_client(self->loop, &self->client);
}

static void who_comes_while_a_loop_closes_is_told_of_it(void **state)
{
    pond_loop *loop = *state;
    late_client clients[3];
    for (int i = 0; i < 3; i++) {
        clients[i] = (late_client){.client.closing = send_for_the_next,
                                   .message.run = come,
                                   .loop = loop,
                                   .next = i < 2 ? &clients[i + 1] : NULL};
        pondi_list_init(&clients[i].client.link);
    }
    pondi_loop_post(loop, &clients[0].message);
    assert_int_equal(pond_loop_run_nowait(loop, NULL), POND_OK);
    pond_loop_close(loop);
    for (int i = 0; i < 3; i++)
        assert_int_equal(clients[i].closed, 1);
}

static void *wake(void *loop)
{
    pond_loop_wake(loop);
    return NULL;
}

static void a_host_that_waits_can_be_called(void **state)
{
    pond_loop *loop = *state;
    struct pollfd descriptor = {.fd = pond_loop_fd(loop), .events = POLLIN};
    pthread_t thread;
    pond_loop_wake(loop); /* nobody waits yet */
    assert_int_equal(poll(&descriptor, 1, -1), 1);
    assert_int_equal(pond_loop_run(loop, -1, NULL), POND_EAGAIN);
    assert_int_equal(pond_loop_run_nowait(loop, NULL), POND_OK);
    assert_int_equal(poll(&descriptor, 1, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, wake, loop), 0);
    assert_int_equal(pond_loop_run(loop, -1, NULL), POND_EAGAIN);
    pthread_join(thread, NULL);
    pond_loop_close(loop);
    pond_loop_wake(loop); /* does nothing */
    pond_loop_wake(NULL);
}

RUN_TESTS(LOOP_TEST(a_host_that_waits_can_be_called),
          LOOP_TEST(a_message_makes_the_descriptor_readable_and_completes_in_order),
          LOOP_TEST(what_completes_inside_a_call_makes_the_descriptor_readable),
          LOOP_TEST(a_wait_ends_when_another_thread_completes_the_operation),
          LOOP_TEST(a_wait_gives_up_after_its_time_and_can_be_repeated),
          LOOP_TEST(others_that_completed_during_a_wait_are_still_announced),
          LOOP_TEST(a_timer_makes_the_descriptor_readable_and_fires_once),
          LOOP_TEST(a_stopped_timer_does_not_fire_and_a_later_one_fires_late),
          LOOP_TEST(a_watcher_sees_a_descriptor_become_ready),
          LOOP_TEST(a_change_of_watchers_does_not_swallow_the_news_of_a_completion),
          LOOP_TEST(a_loop_refuses_a_second_thread), LOOP_TEST(a_loop_refuses_a_forked_child),
          LOOP_TEST(a_process_may_end_right_after_the_keeper_began),
          LOOP_TEST(a_closed_loop_says_so_and_frees_what_nobody_took),
          LOOP_TEST(closing_from_another_thread_ends_a_wait),
          LOOP_TEST(who_comes_while_a_loop_closes_is_told_of_it),
          cmocka_unit_test(a_worker_runs_jobs_in_order_and_finishes_them),
          LOOP_TEST(a_host_without_a_descriptor_is_woken_once),
          LOOP_TEST(a_host_is_woken_by_a_byte))

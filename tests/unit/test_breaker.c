/* The circuit breaker on a clock that the test moves. */
#include "check.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "resilience/breaker.h"

#define SECOND ((int64_t)1000000000)

static _Atomic int64_t test_now_ns;

static int64_t test_clock(void)
{
    return atomic_load(&test_now_ns);
}

static pond_breaker *make(int in_a_row)
{
    const pondi_breaker_settings settings = {.failure_threshold = 3,
                                             .half_open_max_calls = 2,
                                             .recovery_ns = 30 * SECOND,
                                             .window_ns = 60 * SECOND,
                                             .in_a_row = in_a_row};
    pond_breaker *breaker = NULL;
    assert_int_equal(pondi_breaker_new("test", &settings, test_clock, &breaker, NULL), POND_OK);
    return breaker;
}

static void pass_seconds(int64_t seconds)
{
    atomic_fetch_add(&test_now_ns, seconds * SECOND);
}

static pond_breaker_status status_of(pond_breaker *breaker)
{
    pond_breaker_status status = {.struct_size = sizeof(status)};
    assert_int_equal(pond_breaker_get_status(breaker, &status, NULL), POND_OK);
    return status;
}

static pond_breaker_state state_of(pond_breaker *breaker)
{
    return (pond_breaker_state)status_of(breaker).state;
}

static uint64_t allowed(pond_breaker *breaker)
{
    uint64_t ticket = 0;
    assert_int_equal(pond_breaker_allow(breaker, &ticket, NULL), POND_OK);
    assert_int_not_equal(ticket, 0);
    return ticket;
}

static void refused(pond_breaker *breaker)
{
    pond_error *error = NULL;
    assert_int_equal(pond_breaker_allow(breaker, NULL, &error), POND_ECIRCUITOPEN);
    assert_non_null(strstr(pond_error_message(error), "\"test\""));
    pond_error_free(error);
}

static void tell(pond_breaker *breaker, uint64_t ticket, pond_breaker_outcome outcome)
{
    assert_int_equal(pond_breaker_record(breaker, ticket, outcome, NULL), POND_OK);
}

static void fail_times(pond_breaker *breaker, int times)
{
    for (int i = 0; i < times; i++)
        tell(breaker, allowed(breaker), POND_BREAKER_FAILURE);
}

static pond_breaker *make_open(void)
{
    pond_breaker *breaker = make(0);
    fail_times(breaker, 3);
    assert_int_equal(state_of(breaker), POND_BREAKER_OPEN);
    return breaker;
}

static pond_breaker *make_half_open(void)
{
    pond_breaker *breaker = make_open();
    pass_seconds(30);
    assert_int_equal(state_of(breaker), POND_BREAKER_HALF_OPEN);
    return breaker;
}

/* ---- Closed ------------------------------------------------------------------------------ */

static void enough_failures_in_the_window_open_it(void **state)
{
    (void)state;
    pond_breaker *breaker = make(0);
    fail_times(breaker, 2);
    assert_int_equal(state_of(breaker), POND_BREAKER_CLOSED);
    tell(breaker, allowed(breaker), POND_BREAKER_SUCCESS);
    pass_seconds(60); /* still within the window */
    fail_times(breaker, 1);
    assert_int_equal(state_of(breaker), POND_BREAKER_OPEN);
    refused(breaker);
    pond_breaker_status status = status_of(breaker);
    assert_int_equal(status.failures, 3);
    assert_int_equal(status.refused, 1);
    assert_int_equal(status.opened, 1);
    assert_int_equal(status.retry_after_us, 30 * 1000000);
    pond_breaker_release(breaker);
}

static void failures_that_left_the_window_do_not_count(void **state)
{
    (void)state;
    pond_breaker *breaker = make(0);
    for (int i = 0; i < 100; i++) { /* never three within 60 s */
        fail_times(breaker, 1);
        pass_seconds(31);
        assert_int_equal(state_of(breaker), POND_BREAKER_CLOSED);
    }
    assert_int_equal(status_of(breaker).recent_failures, 1);
    pond_breaker_release(breaker);
}

static void failures_in_a_row_are_forgotten_by_a_success(void **state)
{
    (void)state;
    pond_breaker *breaker = make(1);
    for (int i = 0; i < 50; i++) {
        fail_times(breaker, 2);
        tell(breaker, allowed(breaker), POND_BREAKER_SUCCESS);
    }
    assert_int_equal(state_of(breaker), POND_BREAKER_CLOSED);
    fail_times(breaker, 3);
    assert_int_equal(state_of(breaker), POND_BREAKER_OPEN);
    pond_breaker_release(breaker);
}

static void a_cancelled_call_is_no_failure(void **state)
{
    (void)state;
    pond_breaker *breaker = make(0);
    for (int i = 0; i < 50; i++)
        tell(breaker, allowed(breaker), POND_BREAKER_CANCELLED);
    assert_int_equal(state_of(breaker), POND_BREAKER_CLOSED);
    pond_breaker_release(breaker);
}

/* ---- Open and half-open ------------------------------------------------------------------ */

static void an_open_one_refuses_until_the_recovery_time_is_over(void **state)
{
    (void)state;
    pond_breaker *breaker = make_open();
    pass_seconds(29);
    refused(breaker);
    pass_seconds(1);
    allowed(breaker);
    assert_int_equal(state_of(breaker), POND_BREAKER_HALF_OPEN);
    pond_breaker_release(breaker);
}

static void a_half_open_one_lets_few_through_and_closes_when_they_succeed(void **state)
{
    (void)state;
    pond_breaker *breaker = make_half_open();
    uint64_t first = allowed(breaker);
    uint64_t second = allowed(breaker);
    refused(breaker);
    tell(breaker, first, POND_BREAKER_SUCCESS);
    refused(breaker); /* the other one decides */
    tell(breaker, second, POND_BREAKER_SUCCESS);
    assert_int_equal(state_of(breaker), POND_BREAKER_CLOSED);
    fail_times(breaker, 2); /* the old failures are forgotten */
    assert_int_equal(state_of(breaker), POND_BREAKER_CLOSED);
    pond_breaker_release(breaker);
}

static void a_failed_test_call_opens_it_again(void **state)
{
    (void)state;
    pond_breaker *breaker = make_half_open();
    uint64_t first = allowed(breaker);
    tell(breaker, allowed(breaker), POND_BREAKER_FAILURE);
    refused(breaker);
    tell(breaker, first, POND_BREAKER_SUCCESS); /* too late to say anything */
    assert_int_equal(state_of(breaker), POND_BREAKER_OPEN);
    pass_seconds(29);
    refused(breaker);
    pass_seconds(1);
    tell(breaker, first, POND_BREAKER_FAILURE); /* of an earlier period: ignored */
    assert_int_equal(state_of(breaker), POND_BREAKER_HALF_OPEN);
    assert_int_equal(status_of(breaker).opened, 2);
    pond_breaker_release(breaker);
}

static void cancelled_test_calls_never_wedge_it(void **state)
{
    (void)state;
    pond_breaker *breaker = make_half_open();
    for (int i = 0; i < 100; i++) {
        uint64_t first = allowed(breaker);
        uint64_t second = allowed(breaker);
        refused(breaker);
        tell(breaker, first, POND_BREAKER_CANCELLED);
        tell(breaker, second, POND_BREAKER_CANCELLED);
    }
    assert_int_equal(state_of(breaker), POND_BREAKER_HALF_OPEN);
    tell(breaker, allowed(breaker), POND_BREAKER_SUCCESS);
    tell(breaker, allowed(breaker), POND_BREAKER_SUCCESS);
    assert_int_equal(state_of(breaker), POND_BREAKER_CLOSED);
    pond_breaker_release(breaker);
}

static void test_calls_that_nobody_reports_are_given_up(void **state)
{
    (void)state;
    pond_breaker *breaker = make_half_open();
    allowed(breaker);
    pass_seconds(20);
    allowed(breaker);
    pass_seconds(29);
    refused(breaker);
    pass_seconds(1);
    allowed(breaker);
    pond_breaker_release(breaker);
}

static void an_outcome_from_before_the_change_is_ignored(void **state)
{
    (void)state;
    pond_breaker *breaker = make(0);
    uint64_t slow = allowed(breaker);
    fail_times(breaker, 3);
    pass_seconds(30);
    tell(breaker, slow, POND_BREAKER_SUCCESS);
    tell(breaker, slow, POND_BREAKER_SUCCESS);
    assert_int_equal(state_of(breaker), POND_BREAKER_HALF_OPEN);
    tell(breaker, 0, POND_BREAKER_SUCCESS); /* without a ticket it is of now */
    tell(breaker, 0, POND_BREAKER_SUCCESS);
    assert_int_equal(state_of(breaker), POND_BREAKER_CLOSED);
    pond_breaker_release(breaker);
}

static void reset_closes_it(void **state)
{
    (void)state;
    pond_breaker *breaker = make_open();
    pond_breaker_reset(breaker);
    assert_int_equal(state_of(breaker), POND_BREAKER_CLOSED);
    fail_times(breaker, 2);
    allowed(breaker);
    pond_breaker_release(breaker);
}

/* ---- Registry, arguments, memory --------------------------------------------------------- */

static void a_name_always_means_the_same_breaker(void **state)
{
    (void)state;
    const pond_breaker_options once = {.struct_size = 8, .failure_threshold = 1};
    pond_breaker *first = NULL;
    pond_breaker *second = NULL;
    assert_int_equal(pond_breaker_get_or_create("shop", &once, &first, NULL), POND_OK);
    assert_int_equal(pond_breaker_get_or_create("shop", NULL, &second, NULL), POND_OK);
    assert_ptr_equal(first, second);
    tell(second, 0, POND_BREAKER_FAILURE);
    pond_breaker_release(first);
    pond_breaker_release(second);
    assert_int_equal(pond_breaker_get_or_create("shop", NULL, &first, NULL), POND_OK);
    assert_int_equal(state_of(first), POND_BREAKER_OPEN); /* kept, though nobody held it */
    pond_breaker *listed[2];
    assert_int_equal(pond_breaker_list(listed, 2), 1);
    assert_string_equal(pond_breaker_name(listed[0]), "shop");
    pond_breaker_release(listed[0]);
    assert_int_equal(pond_breaker_forget("shop"), 1);
    assert_int_equal(pond_breaker_forget("shop"), 0);
    assert_int_equal(pond_breaker_get_or_create("shop", NULL, &second, NULL), POND_OK);
    assert_ptr_not_equal(first, second);
    pond_breaker_release(first);
    pond_breaker_release(second);
    pond_breaker_forget("shop");
}

static void the_defaults_can_be_changed_one_by_one(void **state)
{
    (void)state;
    pond_breaker_options options = POND_BREAKER_OPTIONS_INIT;
    pond_breaker *breaker = NULL;
    assert_int_equal(pond_breaker_new("five", &options, &breaker, NULL), POND_OK);
    fail_times(breaker, 4);
    assert_int_equal(state_of(breaker), POND_BREAKER_CLOSED);
    fail_times(breaker, 1);
    assert_int_equal(state_of(breaker), POND_BREAKER_OPEN);
    pond_breaker_release(breaker);
    options.failure_threshold = 1;
    assert_int_equal(pond_breaker_new("one", &options, &breaker, NULL), POND_OK);
    fail_times(breaker, 1);
    assert_int_equal(state_of(breaker), POND_BREAKER_OPEN);
    pond_breaker_release(breaker);
}

static void options_out_of_range_are_refused(void **state)
{
    (void)state;
    const pond_breaker_options right = {.struct_size = sizeof(right),
                                        .failure_threshold = 1,
                                        .half_open_max_calls = 1,
                                        .window_size_us = 1};
    pond_breaker_options wrong[7];
    for (size_t i = 0; i < 7; i++)
        wrong[i] = right;
    wrong[0].struct_size = 0;
    wrong[1].failure_threshold = 0;
    wrong[2].failure_threshold = 1000001;
    wrong[3].half_open_max_calls = 0;
    wrong[4].recovery_timeout_us = -1;
    wrong[5].window_size_us = 0;
    wrong[6].flags = 2;
    pond_breaker *breaker = NULL;
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(pond_breaker_new("x", &wrong[i], &breaker, NULL), POND_EINVAL);
        assert_null(breaker);
    }
    assert_int_equal(pond_breaker_new("x", &right, &breaker, NULL), POND_OK);
    assert_int_equal(pond_breaker_record(breaker, 0, (pond_breaker_outcome)4, NULL), POND_EINVAL);
    pond_breaker_release(breaker);
}

static void every_failed_allocation_leaves_nothing_behind(void **state)
{
    (void)state;
    int code = POND_ENOMEM;
    for (uint64_t n = 1; code; n++) {
        pond_breaker *breaker = NULL;
        pondi_alloc_fail_after(n, 0);
        code = pond_breaker_get_or_create("memory", NULL, &breaker, NULL);
        pondi_alloc_fail_after(0, 0);
        assert_true(code == POND_OK || code == POND_ENOMEM);
        assert_int_equal(pond_breaker_list(NULL, 0), code ? 0 : 1);
        pond_breaker_release(breaker);
        assert_true(n < 10);
    }
    pond_breaker_forget("memory");
}

static void a_forked_child_goes_on_with_its_own(void **state)
{
    (void)state;
    pond_breaker *breaker = make_open();
    pthread_mutex_lock(&breaker->lock); /* as another thread may, at the instant of the fork */
    pid_t child = fork();
    if (child == 0) {
        uint64_t ticket;
        pass_seconds(30);
        _exit(pondi_breaker_allow(breaker, &ticket) ? 0 : 1);
    }
    int ended = -1;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_int_equal(ended, 0);
    pthread_mutex_unlock(&breaker->lock);
    pond_breaker_release(breaker);
}

static void only_what_concerns_the_database_being_there_counts(void **state)
{
    (void)state;
    const int failures[] = {POND_ECONNECT,  POND_ECONNLOST, POND_EACQUIRE,
                            POND_ETIMEDOUT, POND_EUNKNOWN,  POND_ERESOURCES};
    const int nothing[] = {POND_ECANCELLED, POND_ECIRCUITOPEN, POND_EPARAMS, POND_ECLOSED};
    const int successes[] = {POND_OK, POND_ESYNTAX, POND_EUNIQUE, POND_EDEADLOCK, POND_EAUTH};
    for (size_t i = 0; i < sizeof(failures) / sizeof(int); i++)
        assert_int_equal(pond_breaker_outcome_of(failures[i]), POND_BREAKER_FAILURE);
    for (size_t i = 0; i < sizeof(nothing) / sizeof(int); i++)
        assert_int_equal(pond_breaker_outcome_of(nothing[i]), POND_BREAKER_CANCELLED);
    for (size_t i = 0; i < sizeof(successes) / sizeof(int); i++)
        assert_int_equal(pond_breaker_outcome_of(successes[i]), POND_BREAKER_SUCCESS);
}

/* ---- Threads ----------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 20000 };

static atomic_uint inside;
static atomic_uint most_inside;

static void *use(void *data)
{
    pond_breaker *breaker = data;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t ticket;
        if (!pondi_breaker_allow(breaker, &ticket)) {
            if ((ticket & 3) == POND_BREAKER_OPEN) /* else a test call would be given up */
                pass_seconds(1);
            continue;
        }
        int half_open = (ticket & 3) == POND_BREAKER_HALF_OPEN;
        unsigned now = half_open ? atomic_fetch_add(&inside, 1) + 1 : 0;
        if (now > atomic_load(&most_inside))
            atomic_store(&most_inside, now);
        if (half_open)
            atomic_fetch_sub(&inside, 1);
        pondi_breaker_record(breaker, ticket, i % 3 ? POND_BREAKER_SUCCESS : POND_BREAKER_FAILURE);
    }
    return NULL;
}

static void threads_share_it_and_tests_stay_few(void **state)
{
    (void)state;
    pond_breaker *breaker = make(0);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, breaker), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pond_breaker_status status = status_of(breaker);
    assert_true(status.opened > 1);
    assert_true(atomic_load(&most_inside) <= 2);
    assert_int_equal(status.probes, 0);
    pond_breaker_release(breaker);
}

RUN_TESTS(cmocka_unit_test(enough_failures_in_the_window_open_it),
          cmocka_unit_test(failures_that_left_the_window_do_not_count),
          cmocka_unit_test(failures_in_a_row_are_forgotten_by_a_success),
          cmocka_unit_test(a_cancelled_call_is_no_failure),
          cmocka_unit_test(an_open_one_refuses_until_the_recovery_time_is_over),
          cmocka_unit_test(a_half_open_one_lets_few_through_and_closes_when_they_succeed),
          cmocka_unit_test(a_failed_test_call_opens_it_again),
          cmocka_unit_test(cancelled_test_calls_never_wedge_it),
          cmocka_unit_test(test_calls_that_nobody_reports_are_given_up),
          cmocka_unit_test(an_outcome_from_before_the_change_is_ignored),
          cmocka_unit_test(reset_closes_it), cmocka_unit_test(a_name_always_means_the_same_breaker),
          cmocka_unit_test(the_defaults_can_be_changed_one_by_one),
          cmocka_unit_test(options_out_of_range_are_refused),
          cmocka_unit_test(every_failed_allocation_leaves_nothing_behind),
          cmocka_unit_test(a_forked_child_goes_on_with_its_own),
          cmocka_unit_test(only_what_concerns_the_database_being_there_counts),
          cmocka_unit_test(threads_share_it_and_tests_stay_few))

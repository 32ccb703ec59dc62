/* Backoff: how long to wait, and when to give up. */
#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "resilience/retry.h"

static const pondi_backoff backoff = {
    .max_retries = 3, .base_delay_ns = 100, .max_delay_ns = 1000, .total_ns = PONDI_NEVER};

static void the_ceiling_doubles_up_to_the_longest_delay(void **state)
{
    (void)state;
    const int64_t ceilings[] = {100, 200, 400, 800, 1000, 1000};
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(pondi_backoff_ceiling(&backoff, i + 1), ceilings[i]);
    assert_int_equal(pondi_backoff_ceiling(&backoff, UINT32_MAX), 1000);
    const pondi_backoff huge = {.base_delay_ns = 3, .max_delay_ns = INT64_MAX};
    assert_int_equal(pondi_backoff_ceiling(&huge, 500), INT64_MAX);
    const pondi_backoff none = {.base_delay_ns = 0, .max_delay_ns = 10};
    assert_int_equal(pondi_backoff_ceiling(&none, 500), 0);
    const pondi_backoff small = {.base_delay_ns = 50, .max_delay_ns = 10};
    assert_int_equal(pondi_backoff_ceiling(&small, 1), 10);
}

/* Full jitter: all of the range, evenly. */
static void delays_fill_the_range_evenly(void **state)
{
    (void)state;
    enum { DRAWS = 40000, PARTS = 8 };
    int counts[PARTS] = {0};
    for (int i = 0; i < DRAWS; i++) {
        int64_t delay = pondi_backoff_next(&backoff, 3, 0);
        assert_in_range(delay, 0, 400);
        counts[delay == 400 ? PARTS - 1 : delay * PARTS / 400]++;
    }
    for (int i = 0; i < PARTS; i++) /* 5,000 expected; 10 standard deviations are 660 */
        assert_in_range(counts[i], DRAWS / PARTS - 700, DRAWS / PARTS + 700);
}

static void it_gives_up_after_the_last_retry(void **state)
{
    (void)state;
    for (uint32_t failures = 1; failures <= 3; failures++)
        assert_true(pondi_backoff_next(&backoff, failures, 0) >= 0);
    assert_int_equal(pondi_backoff_next(&backoff, 4, 0), -1);
    pondi_backoff forever = backoff;
    forever.max_retries = UINT32_MAX;
    assert_true(pondi_backoff_next(&forever, UINT32_MAX, 0) >= 0);
}

static void it_gives_up_where_the_wait_would_pass_the_total_time(void **state)
{
    (void)state;
    pondi_backoff limited = backoff;
    limited.total_ns = 150;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(pondi_backoff_next(&limited, 1, 150), -1);
        assert_in_range(pondi_backoff_next(&limited, 1, 0), 0, 100);
        int64_t delay = pondi_backoff_next(&limited, 1, 100);
        assert_true(delay == -1 || 100 + delay < 150);
    }
}

static void the_public_function_takes_defaults_and_refuses_nonsense(void **state)
{
    (void)state;
    int64_t delay = 0;
    assert_int_equal(pond_retry_next(NULL, 1, 0, &delay, NULL), POND_OK);
    assert_in_range(delay, 0, 100000);
    assert_int_equal(pond_retry_next(NULL, 4, 0, &delay, NULL), POND_OK);
    assert_int_equal(delay, -1);
    assert_int_equal(pond_retry_next(NULL, 1, 30000000, &delay, NULL), POND_OK);
    assert_int_equal(delay, -1);
    pond_retry_policy own = POND_RETRY_POLICY_INIT;
    own.max_retries = 4;
    assert_int_equal(pond_retry_next(&own, 4, 0, &delay, NULL), POND_OK);
    assert_in_range(delay, 0, 800000);
    const pond_retry_policy old = {.struct_size = 8, .max_retries = 4}; /* knows one field */
    assert_int_equal(pond_retry_next(&old, 4, 0, &delay, NULL), POND_OK);
    assert_in_range(delay, 0, 800000);
    pond_error *error = NULL;
    assert_int_equal(pond_retry_next(NULL, 0, 0, &delay, &error), POND_EINVAL);
    pond_error_free(error);
    const pond_retry_policy wrong = {.struct_size = sizeof(wrong), .base_delay_us = -1};
    assert_int_equal(pond_retry_next(&wrong, 1, 0, &delay, NULL), POND_EINVAL);
    assert_int_equal(delay, -1);
}

/* Workers forked from one process must not all come back at the same instant. */
static void forked_children_draw_numbers_of_their_own(void **state)
{
    (void)state;
    pondi_random();
    uint64_t drawn[2];
    for (int i = 0; i < 2; i++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            uint64_t number = pondi_random();
            _exit(write(ends[1], &number, sizeof(number)) == (ssize_t)sizeof(number) ? 0 : 1);
        }
        assert_int_equal(read(ends[0], &drawn[i], sizeof(drawn[i])), sizeof(drawn[i]));
        close(ends[0]);
        close(ends[1]);
        int ended = -1;
        waitpid(child, &ended, 0);
        assert_int_equal(ended, 0);
    }
    assert_true(drawn[0] != drawn[1]);
}

RUN_TESTS(cmocka_unit_test(the_ceiling_doubles_up_to_the_longest_delay),
          cmocka_unit_test(delays_fill_the_range_evenly),
          cmocka_unit_test(it_gives_up_after_the_last_retry),
          cmocka_unit_test(it_gives_up_where_the_wait_would_pass_the_total_time),
          cmocka_unit_test(the_public_function_takes_defaults_and_refuses_nonsense),
          cmocka_unit_test(forked_children_draw_numbers_of_their_own))

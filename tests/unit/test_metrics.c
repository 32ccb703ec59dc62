/* Histograms, operations, the window and the signal, on numbers that the test makes. */
#include "check.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/random.h"
#include "metrics/metrics.h"

#define SECOND ((int64_t)1000000000)
#define MS ((int64_t)1000000)

/* ---- Histogram --------------------------------------------------------------------------- */

static void buckets_follow_one_another_without_gaps(void **state)
{
    (void)state;
    uint64_t begin = 0;
    for (size_t i = 0; i < PONDI_BUCKETS; i++) {
        uint64_t end = pondi_bucket_end_ns(i);
        assert_true(end > begin);
        assert_int_equal(pondi_bucket_of(begin), i);
        assert_int_equal(pondi_bucket_of(end - 1), i);
        begin = end;
    }
    assert_int_equal(pondi_bucket_of(UINT64_MAX), PONDI_BUCKETS - 1);
    assert_true(begin > 3600u * (uint64_t)SECOND); /* longer than an hour */
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Of any size from a microsecond to minutes, each as likely. */
static uint64_t random_duration(void)
{
    return (uint64_t)pondi_random_up_to((int64_t)1 << (10 + pondi_random_up_to(28)));
}

static void quantiles_are_right_to_within_a_thirty_second(void **state)
{
    (void)state;
    static uint64_t values[3000];
    const double quantiles[] = {0, 0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1};
    for (int round = 0; round < 200; round++) {
        pondi_histogram histogram = {0};
        pondi_histogram_copy copy = {0};
        size_t count = 1 + (size_t)pondi_random_up_to(2999);
        uint64_t sum = 0;
        for (size_t i = 0; i < count; i++) {
            values[i] = random_duration();
            sum += values[i];
            if (i % 2)
                pondi_histogram_record(&histogram, values[i]);
            else
                pondi_histogram_record_alone(&histogram, values[i]);
        }
        qsort(values, count, sizeof(values[0]), compare);
        pondi_histogram_add(&histogram, &copy);
        assert_int_equal(copy.count, count);
        assert_int_equal(copy.sum_ns, sum);
        assert_int_equal(copy.max_ns, values[count - 1]);
        for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
            double rank = quantiles[i] * (double)count;
            size_t at = rank < 1 ? 0 : (size_t)rank == rank ? (size_t)rank - 1 : (size_t)rank;
            uint64_t exact = values[at];
            uint64_t told = pondi_histogram_quantile(&copy, quantiles[i]);
            uint64_t allowed = exact / 32 + 1024; /* the first buckets are 1,024 ns wide */
            assert_in_range(told, exact > allowed ? exact - allowed : 0, exact + allowed);
        }
    }
}

static void an_empty_histogram_has_no_quantiles(void **state)
{
    (void)state;
    const pondi_histogram_copy copy = {0};
    assert_int_equal(pondi_histogram_quantile(&copy, 0.5), 0);
    assert_int_equal(pondi_histogram_count_below(&copy, UINT64_MAX), 0);
}

static void counts_below_the_end_of_a_bucket_are_exact(void **state)
{
    (void)state;
    pondi_histogram histogram = {0};
    pondi_histogram_copy copy = {0};
    static uint64_t values[1000];
    for (size_t i = 0; i < 1000; i++) {
        values[i] = random_duration();
        pondi_histogram_record(&histogram, values[i]);
    }
    pondi_histogram_add(&histogram, &copy);
    for (uint64_t bound = 1024; bound < (uint64_t)1 << 40; bound *= 2) {
        uint64_t exact = 0;
        for (size_t i = 0; i < 1000; i++)
            exact += values[i] < bound;
        assert_int_equal(pondi_histogram_count_below(&copy, bound), exact);
    }
}

static void merged_histograms_are_as_one_of_all_values(void **state)
{
    (void)state;
    pondi_histogram parts[2] = {0};
    pondi_histogram whole = {0};
    pondi_histogram_copy copies[3] = {0};
    for (int i = 0; i < 1000; i++) {
        uint64_t value = random_duration();
        pondi_histogram_record(&parts[i % 3 == 0], value);
        pondi_histogram_record(&whole, value);
    }
    for (int i = 0; i < 2; i++) {
        pondi_histogram_copy part = {0};
        pondi_histogram_add(&parts[i], &part);
        pondi_histogram_merge(&part, &copies[0]);
    }
    pondi_histogram_add(&whole, &copies[1]);
    assert_memory_equal(&copies[0], &copies[1], sizeof(copies[0]));
}

/* ---- Operations -------------------------------------------------------------------------- */

static void count_one(void *data, const pondi_operation *operation)
{
    (void)operation;
    ++*(size_t *)data;
}

static void names_are_bounded_and_the_rest_is_other(void **state)
{
    (void)state;
    pondi_operations operations;
    char name[32];
    size_t count = 0;
    pondi_operations_init(&operations);
    pondi_operation *untagged = pondi_operations_get(&operations, NULL);
    assert_ptr_equal(pondi_operations_get(&operations, ""), untagged);
    assert_string_equal(untagged->name, "");
    for (int i = 0; i < PONDI_OPERATIONS; i++) {
        snprintf(name, sizeof(name), "operation %d", i);
        pondi_operation *made = pondi_operations_get(&operations, name);
        assert_string_equal(made->name, name);
        assert_ptr_equal(pondi_operations_get(&operations, name), made);
    }
    pondi_operation *other = pondi_operations_get(&operations, "one too many");
    assert_string_equal(other->name, "other");
    assert_ptr_equal(pondi_operations_get(&operations, "another"), other);
    assert_ptr_equal(pondi_operations_get(&operations, "other"), other);
    assert_string_equal(pondi_operations_get(&operations, "operation 7")->name, "operation 7");
    pondi_operations_each(&operations, count_one, &count);
    assert_int_equal(count, PONDI_OPERATIONS + 2);
    pondi_operations_free(&operations, NULL);
}

static void a_long_name_is_cut_between_characters(void **state)
{
    (void)state;
    pondi_operations operations;
    char name[200];
    pondi_operations_init(&operations);
    memset(name, 'a', 62);
    snprintf(name + 62, sizeof(name) - 62, "\xC3\xA4 and more"); /* ä would end at byte 64 */
    pondi_operation *made = pondi_operations_get(&operations, name);
    assert_int_equal(strlen(made->name), 62);
    assert_ptr_equal(pondi_operations_get(&operations, name), made);
    pondi_operations_free(&operations, NULL);
}

static void without_memory_there_is_no_operation(void **state)
{
    (void)state;
    pondi_operations operations;
    pondi_operations_init(&operations);
    pondi_alloc_fail_after(1, 0);
    assert_null(pondi_operations_get(&operations, "a"));
    pondi_alloc_fail_after(1, 0);
    assert_null(pondi_operations_get(&operations, NULL));
    pondi_alloc_fail_after(0, 0);
    assert_non_null(pondi_operations_get(&operations, "a"));
    pondi_operations_free(&operations, NULL);
}

/* ---- Window and signal ------------------------------------------------------------------- */

static pondi_metrics *make_metrics(int64_t window_ns)
{
    static pondi_metrics metrics;
    pondi_metrics_init(&metrics, window_ns, SECOND);
    metrics.on = 1;
    metrics.slow_ns = SECOND;
    return &metrics;
}

static pond_scaling_signal signal_of(pondi_metrics *metrics, int64_t now_ns)
{
    pondi_load load = {.max_size = 2};
    pond_scaling_signal signal = {0};
    pondi_metrics_load(metrics, now_ns, 0, 0, &load);
    pondi_scaling_judge(&load, &signal);
    return signal;
}

static void the_bands_are_those_of_the_timeout_rate(void **state)
{
    (void)state;
    const struct {
        uint64_t acquired;
        uint64_t timeouts;
        uint32_t level;
    } cases[] = {
        {0, 0, POND_SCALING_NORMAL},      {100000, 0, POND_SCALING_NORMAL},
        {99901, 99, POND_SCALING_NORMAL}, {99900, 100, POND_SCALING_MILD},
        {99000, 1000, POND_SCALING_MILD}, {98999, 1001, POND_SCALING_HIGH},
        {95000, 5000, POND_SCALING_HIGH}, {94999, 5001, POND_SCALING_CRITICAL},
        {0, 1, POND_SCALING_CRITICAL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const pondi_load load = {
            .max_size = 1,
            .window_ns = SECOND,
            .totals = {.acquired = cases[i].acquired, .timeouts = cases[i].timeouts}};
        pond_scaling_signal signal = {0};
        pondi_scaling_judge(&load, &signal);
        assert_int_equal(signal.level, cases[i].level);
        assert_int_equal(signal.action, cases[i].level);
    }
    assert_string_equal(pond_scaling_action_text(POND_ACTION_REVIEW_QUERIES),
                        "review slow queries");
    assert_string_equal(pond_scaling_level_text(POND_SCALING_CRITICAL), "critical pressure");
    assert_string_equal(pond_scaling_level_text(99), "unknown");
}

static void what_left_the_window_does_not_count(void **state)
{
    (void)state;
    pondi_metrics *metrics = make_metrics(60 * SECOND);
    int64_t now_ns = SECOND;
    for (int i = 0; i < 100; i++)
        pondi_metrics_timed_out(metrics, now_ns);
    assert_int_equal(signal_of(metrics, now_ns).timeouts, 100);
    for (int i = 0; i < 1200; i++) { /* a minute of two a second, on the other side of it */
        now_ns += SECOND / 20;
        pondi_metrics_acquired(metrics, now_ns, MS, 0);
        pondi_metrics_released(metrics, now_ns, 0);
    }
    now_ns += 4 * SECOND;
    pond_scaling_signal signal = signal_of(metrics, now_ns);
    assert_int_equal(signal.timeouts, 0);
    assert_in_range(signal.attempts, 1080, 1140); /* 56 s of 20, to within a step of the window */
    assert_true(signal.window_seconds > 57 && signal.window_seconds <= 60);
    signal = signal_of(metrics, now_ns + 100 * SECOND);
    assert_int_equal(signal.attempts, 0);
}

/* The window against a plain list of all events. */
static void the_window_agrees_with_a_list_of_all_events(void **state)
{
    (void)state;
    static int64_t at[20000];
    pondi_metrics *metrics = make_metrics(10 * SECOND);
    int64_t now_ns = SECOND;
    size_t count = 0;
    for (int round = 0; round < 4000; round++) {
        now_ns += pondi_random_up_to(round % 100 ? SECOND / 10 : 30 * SECOND);
        for (int64_t i = pondi_random_up_to(4); i > 0; i--) {
            pondi_metrics_timed_out(metrics, now_ns);
            at[count++] = now_ns;
        }
        if (round % 7)
            continue;
        int64_t step_ns = metrics->window.step_ns;
        uint64_t least = 0;
        uint64_t most = 0;
        for (size_t i = 0; i < count; i++) {
            least += at[i] >= now_ns - metrics->window.length_ns + step_ns;
            most += at[i] >= now_ns - metrics->window.length_ns;
        }
        assert_in_range(signal_of(metrics, now_ns).timeouts, least, most);
    }
}

static void a_connection_held_for_long_counts_all_the_time(void **state)
{
    (void)state;
    pondi_metrics *metrics = make_metrics(60 * SECOND);
    pondi_metrics_acquired(metrics, SECOND, 0, 0);
    pond_scaling_signal signal = signal_of(metrics, 1000 * SECOND); /* nothing happened meanwhile */
    assert_true(signal.utilization > 0.499 && signal.utilization < 0.501); /* one of two */
    signal = signal_of(metrics, 1001 * SECOND);
    assert_true(signal.utilization > 0.499 && signal.utilization < 0.501);
    pondi_metrics_released(metrics, 1001 * SECOND, 0);
    assert_true(signal_of(metrics, 1100 * SECOND).utilization < 0.001);
}

static void saturation_tells_slow_from_many_from_held(void **state)
{
    (void)state;
    const struct {
        uint64_t lease_s;
        uint64_t query_s;
        uint64_t slow_s;
        uint32_t waiting;
        uint32_t wanted;
    } cases[] = {
        {20, 20, 0, 0, POND_SATURATION_NONE},  /* busy, but nobody waits */
        {10, 10, 10, 5, POND_SATURATION_NONE}, /* they wait for connections to be opened */
        {20, 19, 12, 5, POND_SATURATION_SLOW}, {20, 19, 2, 5, POND_SATURATION_MANY},
        {20, 3, 3, 5, POND_SATURATION_HELD},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const pondi_load load = {.max_size = 2,
                                 .waiting = cases[i].waiting,
                                 .window_ns = 10 * SECOND,
                                 .totals = {.lease_ns = cases[i].lease_s * (uint64_t)SECOND,
                                            .query_ns = cases[i].query_s * (uint64_t)SECOND,
                                            .slow_ns = cases[i].slow_s * (uint64_t)SECOND}};
        pond_scaling_signal signal = {0};
        pondi_scaling_judge(&load, &signal);
        assert_int_equal(signal.saturation, cases[i].wanted);
    }
}

static void reasons_are_counted_each_and_never_overflow(void **state)
{
    (void)state;
    static char texts[40][16];
    pondi_metrics *metrics = make_metrics(60 * SECOND);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 40; i++) {
            snprintf(texts[i], sizeof(texts[i]), "reason %d", i);
            pondi_metrics_closed(metrics, texts[i]);
        }
    }
    uint64_t total = 0;
    for (int i = 0; i < PONDI_CLOSE_REASONS; i++)
        total += metrics->closed[i].count;
    assert_int_equal(total, 120);
    assert_int_equal(metrics->closed[0].count, 3);
    assert_string_equal(metrics->closed[PONDI_CLOSE_REASONS - 1].text, "other");
}

static void nothing_is_recorded_when_off(void **state)
{
    (void)state;
    pondi_metrics *metrics = make_metrics(60 * SECOND);
    metrics->on = 0;
    pondi_metrics_acquired(metrics, SECOND, MS, 0);
    pondi_metrics_timed_out(metrics, SECOND);
    pondi_metrics_closed(metrics, "x");
    pondi_metrics_error(metrics, POND_ECONNECT);
    pondi_metrics_retried(metrics);
    assert_int_equal(metrics->acquired + metrics->timeouts, 0);
    assert_null(metrics->closed[0].text);
    assert_int_equal(atomic_load(&metrics->errors[-POND_ECONNECT]), 0);
}

/* ---- Threads ----------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 20000 };

static pondi_metrics shared;

static void *record(void *data)
{
    char name[32];
    (void)data;
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(name, sizeof(name), "%d", i % 100);
        pondi_operation *operation = pondi_operations_get(&shared.operations, name);
        pondi_metrics_query(&shared, operation, i % 2 ? SECOND : MS);
        pondi_metrics_error(&shared, POND_ETIMEDOUT);
    }
    return NULL;
}

static void add_up(void *data, const pondi_operation *operation)
{
    pondi_histogram_add(&operation->durations, data);
}

static void threads_record_at_once_and_nothing_is_lost(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    pondi_histogram_copy all = {0};
    pondi_metrics_init(&shared, 60 * SECOND, SECOND);
    shared.on = 1;
    shared.slow_ns = SECOND;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, record, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pondi_operations_each(&shared.operations, add_up, &all);
    assert_int_equal(all.count, THREADS * ROUNDS);
    assert_int_equal(all.max_ns, SECOND);
    assert_int_equal(atomic_load(&shared.queries), THREADS * ROUNDS);
    assert_int_equal(atomic_load(&shared.slow_queries), THREADS * ROUNDS / 2);
    assert_int_equal(atomic_load(&shared.errors[-POND_ETIMEDOUT]), THREADS * ROUNDS);
    assert_int_equal(all.sum_ns, atomic_load(&shared.query_ns));
    pondi_operations_free(&shared.operations, NULL);
}

RUN_TESTS(cmocka_unit_test(buckets_follow_one_another_without_gaps),
          cmocka_unit_test(quantiles_are_right_to_within_a_thirty_second),
          cmocka_unit_test(an_empty_histogram_has_no_quantiles),
          cmocka_unit_test(counts_below_the_end_of_a_bucket_are_exact),
          cmocka_unit_test(merged_histograms_are_as_one_of_all_values),
          cmocka_unit_test(names_are_bounded_and_the_rest_is_other),
          cmocka_unit_test(a_long_name_is_cut_between_characters),
          cmocka_unit_test(without_memory_there_is_no_operation),
          cmocka_unit_test(the_bands_are_those_of_the_timeout_rate),
          cmocka_unit_test(what_left_the_window_does_not_count),
          cmocka_unit_test(the_window_agrees_with_a_list_of_all_events),
          cmocka_unit_test(a_connection_held_for_long_counts_all_the_time),
          cmocka_unit_test(saturation_tells_slow_from_many_from_held),
          cmocka_unit_test(reasons_are_counted_each_and_never_overflow),
          cmocka_unit_test(nothing_is_recorded_when_off),
          cmocka_unit_test(threads_record_at_once_and_nothing_is_lost))

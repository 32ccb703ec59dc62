/* What a pool counts, times and refuses, on the fake driver. */
#include "pool_fixture.h"

#include <pthread.h>

#include "base/alloc.h"

/* ---- Reading ----------------------------------------------------------------------------- */

/* The metric of a name and a label's value; count is UINT64_MAX if there is none. */
static pond_metric read_metric(pond_pool *pool, const char *name, const char *value)
{
    pond_metrics *metrics = NULL;
    pond_metric found = {.count = UINT64_MAX, .number = -1};
    assert_int_equal(pond_metrics_take(pool, &metrics, NULL), POND_OK);
    for (size_t i = 0; i < pond_metrics_count(metrics); i++) {
        pond_metric at = {.struct_size = sizeof(at)};
        assert_int_equal(pond_metrics_read(metrics, i, &at, NULL), POND_OK);
        if (strcmp(at.name, name) == 0 && strcmp(at.value, value) == 0)
            found = at;
    }
    found.name = found.label = found.value = NULL; /* they end with the metrics */
    pond_metrics_free(metrics);
    return found;
}

static double metric_of(pond_pool *pool, const char *name, const char *value)
{
    return read_metric(pool, name, value).number;
}

static int run_as(pond_connection *connection, const char *operation, const char *sql,
                  int64_t timeout_ms)
{
    const pond_tag tags[] = {{"user", "Ann"}, {"operation", operation}};
    const pond_execute_options options = {.struct_size = sizeof(options),
                                          .timeout_ms = timeout_ms,
                                          .tags = tags,
                                          .tag_count = operation ? 2 : 0};
    pond_result *result = NULL;
    pond_error *error = NULL;
    int code = pond_connection_execute_wait(connection, sql, strlen(sql), NULL, 0, &options,
                                            &result, &error);
    pond_result_release(result);
    pond_error_free(error);
    return code;
}

static void drop_log(void)
{
    pond_log *record;
    while ((record = pond_log_next()))
        pond_log_free(record);
}

/* The next record of an area, copied; "" if there is none. */
static const char *next_logged(const char *area)
{
    static char text[2048];
    pond_log *record;
    text[0] = '\0';
    while (!text[0] && (record = pond_log_next())) {
        if (strcmp(pond_log_area(record), area) == 0)
            snprintf(text, sizeof(text), "%s", pond_log_message(record));
        pond_log_free(record);
    }
    return text;
}

/* ---- Counts ------------------------------------------------------------------------------ */

static void values_are_counted_by_their_bytes(void **state)
{
    (void)state;
    world *at = begin(NULL);
    pond_connection *connection = acquire(at);
    const pond_value items[] = {{.type = POND_TYPE_INT64}, {.type = POND_TYPE_INT64}};
    const pond_value params[] = {
        {.type = POND_TYPE_TEXT, .as.text = {"four", 4}},
        {.type = POND_TYPE_NULL},
        {.type = POND_TYPE_ARRAY, .as.array = {items, 2}},
    };
    pond_result *result = NULL;
    pond_error *error = NULL;
    assert_int_equal(
        pond_connection_execute_wait(connection, "ECHO ?, ?", 9, params, 2, NULL, &result, NULL),
        POND_OK);
    pond_result_release(result);
    assert_int_equal(metric_of(at->pool, "bytes_sent", ""), 8 + 4 + 8);
    assert_int_equal(metric_of(at->pool, "bytes_received", ""), 8 + 4 + 8);
    pond_connection_execute_wait(connection, "ECHO ?", 6, params + 2, 1, NULL, &result, &error);
    pond_error_free(error); /* it knows no arrays */
    assert_int_equal(metric_of(at->pool, "bytes_sent", ""), 20 + 8 + 2 * 8);
    assert_int_equal(metric_of(at->pool, "bytes_received", ""), 20);
    assert_int_equal(run(connection, "ROWS 10 3", 1000, NULL), POND_OK);
    assert_int_equal(metric_of(at->pool, "bytes_received", ""), 20 + 240);
    give_back(connection);
    finish(at);
}

static void statements_are_timed_by_their_operation(void **state)
{
    (void)state;
    world *at = begin(NULL);
    pond_connection *connection = acquire(at);
    for (int i = 0; i < 5; i++)
        assert_int_equal(run_as(connection, "load", "SLEEP 5", POND_TIMEOUT_DEFAULT), POND_OK);
    assert_int_equal(run_as(connection, NULL, "ROWS 1 1", POND_TIMEOUT_DEFAULT), POND_OK);
    assert_int_equal(run_as(connection, "save", "FAIL EUNIQUE 23505 no", POND_TIMEOUT_DEFAULT),
                     POND_EUNIQUE);
    assert_int_equal(pond_connection_transaction_wait(connection, POND_BEGIN, -1, NULL), POND_OK);
    assert_int_equal(pond_connection_transaction_wait(connection, POND_COMMIT, -1, NULL), POND_OK);
    give_back(connection);
    pond_metric load = read_metric(at->pool, "query", "load");
    assert_int_equal(load.count, 5);
    assert_true(load.p50 >= 0.005 * 31 / 32 && load.p50 <= load.max && load.max <= load.sum);
    assert_true(load.p50 <= load.p95 && load.p95 <= load.p99);
    assert_int_equal(read_metric(at->pool, "query", "").count, 1);
    assert_int_equal(read_metric(at->pool, "query", "save").count, 1);
    assert_int_equal(read_metric(at->pool, "query", "commit").count, 1);
    assert_true(metric_of(at->pool, "queries", "") == 9);
    assert_true(metric_of(at->pool, "errors", "EUNIQUE") == 1);
    assert_true(metric_of(at->pool, "errors", "ETIMEDOUT") == -1); /* there was none */
    finish(at);
}

static void connections_are_counted_by_why_they_closed(void **state)
{
    (void)state;
    world *at = begin(NULL);
    pond_connection *connection = acquire(at);
    assert_int_equal(run(connection, "DROP", -1, NULL), POND_EUNKNOWN);
    give_back(connection);
    wait_until_idle(at);
    connection = acquire(at);
    assert_int_equal(pond_connection_close(connection, NULL), POND_OK);
    pond_connection_release(connection);
    wait_until_idle(at);
    assert_true(metric_of(at->pool, "closed", "the connection was lost") == 1);
    assert_true(metric_of(at->pool, "closed", "the connection was closed") == 1);
    assert_int_equal(read_metric(at->pool, "connect", "").count, 2);
    assert_true(metric_of(at->pool, "errors", "EUNKNOWN") == 1);
    finish(at);
}

static void waits_and_timeouts_of_acquires_are_counted(void **state)
{
    (void)state;
    world *at = begin((const char *[]){"pool_max_size", "1", NULL});
    pond_connection *connection = acquire(at);
    pond_connection *none = NULL;
    assert_int_equal(pond_pool_acquire_wait(at->pool, at->loop, 20, &none, NULL), POND_EACQUIRE);
    give_back(connection);
    give_back(acquire(at));
    pond_metric waits = read_metric(at->pool, "acquire_wait", "");
    assert_int_equal(waits.count, 2);
    assert_true(metric_of(at->pool, "timeouts", "") == 1);
    assert_true(metric_of(at->pool, "errors", "EACQUIRE") == 1);
    pond_scaling_signal signal = {.struct_size = sizeof(signal)};
    assert_int_equal(pond_pool_scaling(at->pool, &signal, NULL), POND_OK);
    assert_int_equal(signal.attempts, 3);
    assert_int_equal(signal.timeouts, 1);
    assert_int_equal(signal.level, POND_SCALING_CRITICAL);
    finish(at);
}

static void with_metrics_off_only_the_status_is_known(void **state)
{
    (void)state;
    world *at = begin((const char *[]){"metrics", "off", NULL});
    pond_connection *connection = acquire(at);
    assert_int_equal(run_as(connection, "load", "ROWS 1 1", -1), POND_OK);
    give_back(connection);
    assert_true(metric_of(at->pool, "acquired", "") == 1);
    assert_int_equal(read_metric(at->pool, "query", "load").count, UINT64_MAX);
    pond_scaling_signal signal = {.struct_size = sizeof(signal)};
    assert_int_equal(pond_pool_scaling(at->pool, &signal, NULL), POND_OK);
    assert_int_equal(signal.attempts, 0);
    finish(at);
}

static void the_process_counts_all_pools_also_closed_ones(void **state)
{
    (void)state;
    pond_metric before = read_metric(NULL, "query", "everywhere");
    assert_int_equal(before.count, UINT64_MAX);
    world *at = begin(NULL);
    pond_connection *connection = acquire(at);
    assert_int_equal(run_as(connection, "everywhere", "ROWS 1 1", -1), POND_OK);
    give_back(connection);
    pond_pool *other = open_pool(NULL);
    assert_int_equal(pond_pool_acquire_wait(other, at->loop, -1, &connection, NULL), POND_OK);
    assert_int_equal(run_as(connection, "everywhere", "ROWS 1 1", -1), POND_OK);
    give_back(connection);
    assert_int_equal(read_metric(NULL, "query", "everywhere").count, 2);
    pond_pool_release(other);
    finish(at);
    assert_int_equal(read_metric(NULL, "query", "everywhere").count, 2);
}

/* ---- Slow statements --------------------------------------------------------------------- */

static void a_slow_statement_is_logged_once_with_its_tags(void **state)
{
    (void)state;
    world *at = begin((const char *[]){"slow_query_threshold", "0.01", NULL});
    pond_connection *connection = acquire(at);
    drop_log();
    assert_int_equal(run_as(connection, "re\nport", "SLEEP 20", -1), POND_OK);
    const char *text = next_logged("slow_query");
    double seconds = 0;
    assert_int_equal(sscanf(text, "slow query: %lf s", &seconds), 1);
    assert_true(seconds >= 0.02);
    assert_non_null(strstr(text, "tags operation='re%0Aport',user='Ann': SLEEP 20"));
    assert_string_equal(next_logged("slow_query"), "");
    assert_int_equal(run_as(connection, "report", "SLEEP 1000", 15), POND_ETIMEDOUT);
    assert_non_null(strstr(next_logged("slow_query"), "ended with ETIMEDOUT"));
    assert_true(metric_of(at->pool, "slow_queries", "") == 2);
    give_back(connection);
    finish(at);
}

static void log_a_slow_echo(const char *parameters)
{
    world *at = begin((const char *[]){"slow_query_threshold", "0.000001",
                                       "slow_query_log_parameters", parameters, NULL});
    pond_connection *connection = acquire(at);
    const pond_value values[] = {
        {.type = POND_TYPE_TEXT, .as.text = {"secret\nforged", 13}},
        {.type = POND_TYPE_INT64, .as.integer = 42},
    };
    pond_result *result = NULL;
    drop_log();
    assert_int_equal(
        pond_connection_execute_wait(connection, "ECHO ?, ?", 9, values, 2, NULL, &result, NULL),
        POND_OK);
    pond_result_release(result);
    give_back(connection);
    finish(at);
}

static void parameters_are_logged_only_if_asked(void **state)
{
    (void)state;
    log_a_slow_echo("off");
    const char *text = next_logged("slow_query");
    assert_non_null(strstr(text, "ECHO ?, ?"));
    assert_null(strstr(text, "secret"));
    log_a_slow_echo("on");
    assert_non_null(strstr(next_logged("slow_query"), "parameters: 'secret forged', 42"));
}

/* ---- Circuit breaker --------------------------------------------------------------------- */

static void statements_of_one_name_that_time_out_in_a_row_are_refused(void **state)
{
    (void)state;
    world *at = begin((const char *[]){"circuit_breaker_failure_threshold", "3",
                                       "circuit_breaker_recovery_timeout", "3600", NULL});
    pond_connection *connection = acquire(at);
    for (int round = 0; round < 4; round++) { /* a success makes up for the timeouts */
        for (int i = 0; i < 2; i++)
            assert_int_equal(run_as(connection, "report", "SLEEP 1000", 2), POND_ETIMEDOUT);
        assert_int_equal(run_as(connection, "report", "ROWS 1 1", -1), POND_OK);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(run_as(connection, "report", "SLEEP 1000", 2), POND_ETIMEDOUT);
    assert_int_equal(run_as(connection, "report", "ROWS 1 1", -1), POND_ECIRCUITOPEN);
    assert_int_equal(run_as(connection, "other", "ROWS 1 1", -1), POND_OK);
    assert_int_equal(run_as(connection, NULL, "ROWS 1 1", -1), POND_OK);
    assert_true(metric_of(at->pool, "breaker_state", "report") == POND_BREAKER_OPEN);
    assert_true(metric_of(at->pool, "breaker_refused", "report") == 1);
    assert_true(metric_of(at->pool, "breaker_state", "other") == POND_BREAKER_CLOSED);
    assert_true(metric_of(at->pool, "errors", "ECIRCUITOPEN") == 1);
    assert_int_equal(pond_connection_transaction_wait(connection, POND_BEGIN, -1, NULL), POND_OK);
    assert_int_equal(run_as(connection, "report", "ROWS 1 1", -1), POND_OK); /* it may finish */
    assert_int_equal(pond_connection_transaction_wait(connection, POND_COMMIT, -1, NULL), POND_OK);
    give_back(connection);
    finish(at);
}

static void timeouts_without_a_name_count_only_if_the_server_does_not_answer(void **state)
{
    (void)state;
    world *at = begin((const char *[]){"circuit_breaker_failure_threshold", "2",
                                       "circuit_breaker_recovery_timeout", "3600", NULL});
    pond_connection *connection = acquire(at);
    for (int i = 0; i < 10; i++)
        assert_int_equal(run(connection, "SLEEP 1000", 2, NULL), POND_ETIMEDOUT);
    assert_int_equal(run(connection, "ROWS 1 1", -1, NULL), POND_OK);
    give_back(connection);
    for (int i = 0; i < 2; i++) {
        connection = acquire(at);
        assert_int_equal(run(connection, "HANG", 2, NULL), POND_EUNKNOWN);
        give_back(connection);
    }
    connection = acquire(at);
    assert_int_equal(run(connection, "ROWS 1 1", -1, NULL), POND_ECIRCUITOPEN);
    give_back(connection);
    finish(at);
}

static void an_open_breaker_lets_tests_through_and_closes(void **state)
{
    (void)state;
    world *at = begin((const char *[]){"circuit_breaker_failure_threshold", "1",
                                       "circuit_breaker_half_open_max_calls", "2",
                                       "circuit_breaker_recovery_timeout", "0", NULL});
    pond_connection *connection = acquire(at);
    assert_int_equal(run_as(connection, "report", "SLEEP 1000", 2), POND_ETIMEDOUT);
    assert_true(metric_of(at->pool, "breaker_state", "report") == POND_BREAKER_HALF_OPEN);
    assert_int_equal(run_as(connection, "report", "ROWS 1 1", -1), POND_OK);
    assert_true(metric_of(at->pool, "breaker_state", "report") == POND_BREAKER_HALF_OPEN);
    assert_int_equal(run_as(connection, "report", "ROWS 1 1", -1), POND_OK);
    assert_true(metric_of(at->pool, "breaker_state", "report") == POND_BREAKER_CLOSED);
    give_back(connection);
    finish(at);
}

/* Given up tests get their places back after the recovery time, too: it must not be over here. */
static void a_cancelled_test_leaves_its_place_to_the_next(void **state)
{
    (void)state;
    world *at = begin((const char *[]){"circuit_breaker_failure_threshold", "1",
                                       "circuit_breaker_half_open_max_calls", "1",
                                       "circuit_breaker_recovery_timeout", "1", NULL});
    const pond_tag report = {"operation", "report"};
    const pond_execute_options options = {.struct_size = sizeof(options),
                                          .timeout_ms = POND_TIMEOUT_NONE,
                                          .tags = &report,
                                          .tag_count = 1};
    pond_connection *connection = acquire(at);
    assert_int_equal(run_as(connection, "report", "SLEEP 1000", 2), POND_ETIMEDOUT);
    while (metric_of(at->pool, "breaker_state", "report") != POND_BREAKER_HALF_OPEN)
        usleep(1000);
    for (int i = 0; i < 3; i++) {
        pond_op *op = NULL;
        assert_int_equal(pond_connection_execute(connection, "SLEEP 600000", 12, NULL, 0, &options,
                                                 NULL, &op, NULL),
                         POND_OK);
        pond_op_cancel(op);
        assert_int_equal(pond_op_wait(op, 60000, NULL), POND_ECANCELLED);
        pond_op_release(op);
    }
    assert_true(metric_of(at->pool, "breaker_state", "report") == POND_BREAKER_HALF_OPEN);
    assert_true(metric_of(at->pool, "breaker_refused", "report") == 0);
    assert_int_equal(run_as(connection, "report", "ROWS 1 1", -1), POND_OK);
    assert_true(metric_of(at->pool, "breaker_state", "report") == POND_BREAKER_CLOSED);
    give_back(connection);
    finish(at);
}

static void breakers_can_be_turned_off(void **state)
{
    (void)state;
    world *at = begin(
        (const char *[]){"circuit_breaker", "off", "circuit_breaker_failure_threshold", "1", NULL});
    pond_connection *connection = acquire(at);
    for (int i = 0; i < 5; i++)
        assert_int_equal(run_as(connection, "report", "SLEEP 1000", 2), POND_ETIMEDOUT);
    assert_int_equal(run_as(connection, "report", "ROWS 1 1", -1), POND_OK);
    assert_true(metric_of(at->pool, "breaker_state", "report") == -1);
    give_back(connection);
    finish(at);
}

/* ---- Prometheus, memory, threads --------------------------------------------------------- */

static void labels_are_escaped(void **state)
{
    (void)state;
    world *at = begin((const char *[]){"alias", "a\"b\\c\nd\xFFz", NULL});
    pond_connection *connection = acquire(at);
    assert_int_equal(run_as(connection, "lo\"ad", "ROWS 1 1", -1), POND_OK);
    give_back(connection);
    char *text = NULL;
    size_t size = 0;
    assert_int_equal(pond_metrics_prometheus(&text, &size, NULL), POND_OK);
    assert_int_equal(strlen(text), size);
    assert_non_null(strstr(text, "{pool=\"a\\\"b\\\\c\\nd\xEF\xBF\xBDz\",db_system_name=\"fake\""));
    assert_non_null(strstr(text, "db_operation_name=\"lo\\\"ad\",le=\"+Inf\"} 1\n"));
    assert_non_null(strstr(text, "\n# TYPE millpond_connections_max gauge\n"));
    pond_string_free(text);
    finish(at);
}

static void every_failed_allocation_leaves_nothing_behind(void **state)
{
    (void)state;
    world *at = begin(NULL);
    pond_connection *connection = acquire(at);
    assert_int_equal(run_as(connection, "load", "ROWS 1 1", -1), POND_OK);
    give_back(connection);
    int codes[3] = {1, 1, 1};
    for (uint64_t n = 1; codes[0] || codes[1] || codes[2]; n++) {
        for (int i = 0; i < 3; i++) {
            pond_metrics *metrics = NULL;
            char *text = NULL;
            size_t size = 0;
            pondi_alloc_fail_after(n, 0);
            codes[i] = i == 2 ? pond_metrics_prometheus(&text, &size, NULL)
                              : pond_metrics_take(i ? at->pool : NULL, &metrics, NULL);
            pondi_alloc_fail_after(0, 0);
            assert_true(codes[i] == POND_OK || codes[i] == POND_ENOMEM);
            assert_true((metrics || text) == (codes[i] == POND_OK));
            pond_metrics_free(metrics);
            pond_string_free(text);
        }
        assert_true(n < 2000);
    }
    finish(at);
}

enum { THREADS = 3, ROUNDS = 300 };

static void *work(void *data)
{
    pond_pool *pool = data;
    for (int i = 0; i < ROUNDS; i++) {
        pond_connection *connection = NULL;
        assert_int_equal(pond_pool_acquire_wait(pool, NULL, POND_TIMEOUT_NONE, &connection, NULL),
                         POND_OK);
        assert_int_equal(run_as(connection, i % 2 ? "odd" : "even", "ROWS 1 1", -1), POND_OK);
        give_back(connection);
    }
    return NULL;
}

static void metrics_can_be_read_while_threads_work(void **state)
{
    (void)state;
    world *at = begin((const char *[]){"pool_max_size", "2", NULL});
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, at->pool), 0);
    for (int i = 0; i < 50; i++) {
        char *text = NULL;
        size_t size;
        pond_scaling_signal signal = {.struct_size = sizeof(signal)};
        assert_int_equal(pond_metrics_prometheus(&text, &size, NULL), POND_OK);
        assert_int_equal(pond_pool_scaling(at->pool, &signal, NULL), POND_OK);
        pond_string_free(text);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(read_metric(at->pool, "query", "odd").count, THREADS * ROUNDS / 2);
    assert_int_equal(read_metric(at->pool, "acquire_wait", "").count, THREADS * ROUNDS);
    finish(at);
}

RUN_TESTS(cmocka_unit_test(values_are_counted_by_their_bytes),
          cmocka_unit_test(statements_are_timed_by_their_operation),
          cmocka_unit_test(connections_are_counted_by_why_they_closed),
          cmocka_unit_test(waits_and_timeouts_of_acquires_are_counted),
          cmocka_unit_test(with_metrics_off_only_the_status_is_known),
          cmocka_unit_test(the_process_counts_all_pools_also_closed_ones),
          cmocka_unit_test(a_slow_statement_is_logged_once_with_its_tags),
          cmocka_unit_test(parameters_are_logged_only_if_asked),
          cmocka_unit_test(statements_of_one_name_that_time_out_in_a_row_are_refused),
          cmocka_unit_test(timeouts_without_a_name_count_only_if_the_server_does_not_answer),
          cmocka_unit_test(an_open_breaker_lets_tests_through_and_closes),
          cmocka_unit_test(a_cancelled_test_leaves_its_place_to_the_next),
          cmocka_unit_test(breakers_can_be_turned_off), cmocka_unit_test(labels_are_escaped),
          cmocka_unit_test(every_failed_allocation_leaves_nothing_behind),
          cmocka_unit_test(metrics_can_be_read_while_threads_work))

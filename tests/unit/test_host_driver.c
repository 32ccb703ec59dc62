/* Drivers that a program registers: their connections live as those of the built-in ones do. */
#include "pool_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "millpond/driver.h"
#include "millpond/entity.h"
#include "millpond/metrics.h"

/* ---- Two drivers ------------------------------------------------------------------------- */

/* A statement is one word: ECHO, HANG (until it is interrupted), DEAF (until it is let go), LOSE,
 * FAIL, ROWS. What may not block finishes on a thread of its own. */
typedef struct session {
    atomic_int interrupts;
    int is_async;
} session;

static atomic_int opened;
static atomic_int closed;
static atomic_int prepared;
static atomic_int let_go;
static atomic_int refuse;
static atomic_int resets;
static atomic_int steps;
static char written[100];

static pond_result *echo(const pond_request *request)
{
    size_t columns;
    pond_result *result = NULL;
    const pond_value *params = pond_request_params(request, NULL, &columns);
    const char *names[] = {"one", "two"};
    assert_true(columns <= 2);
    assert_int_equal(pond_result_make(columns, names, &result, NULL), POND_OK);
    if (columns)
        assert_int_equal(pond_result_add_row(result, params, NULL), POND_OK);
    pond_result_set_counts(result, 1, 7);
    return result;
}

static void wait_until(atomic_int *flag)
{
    while (!atomic_load(flag))
        usleep(1000);
}

static void work(session *own, pond_request *request)
{
    size_t size;
    atomic_store(&own->interrupts, 0); /* one that comes too early is told again */
    const char *sql = pond_request_sql(request, &size);
    assert_int_equal(size, strlen(sql));
    const char *as_written = pond_request_written_sql(request, &size);
    snprintf(written, sizeof(written), "%.*s", (int)size, as_written);
    atomic_fetch_add(&steps, pond_request_is_step(request));
    if (!pond_request_prepared(request)) {
        atomic_fetch_add(&prepared, 1);
        pond_request_set_prepared(request, strdup(sql));
    }
    if (strncmp(sql, "HANG", 4) == 0) {
        wait_until(&own->interrupts);
        pond_request_finish(request, NULL, pond_error_make(POND_ECANCELLED, NULL, "stopped"));
    } else if (strncmp(sql, "DEAF", 4) == 0) {
        wait_until(&let_go);
        pond_request_finish(request, echo(request), NULL);
    } else if (strncmp(sql, "LOSE", 4) == 0) {
        pond_request_set_broken(request);
        pond_request_finish(request, NULL, pond_error_make(POND_EUNKNOWN, "08006", "it is gone"));
    } else if (strncmp(sql, "FAIL", 4) == 0) {
        pond_request_finish(request, NULL, pond_error_make(POND_EDEADLOCK, "40P01", "as told"));
    } else {
        pond_request_finish(request, echo(request), NULL);
    }
}

typedef struct errand {
    session *owner;
    pond_request *request;
} errand;

static void *run_errand(void *data)
{
    errand own = *(errand *)data;
    free(data);
    work(own.owner, own.request);
    return NULL;
}

static void execute(void *connection, pond_request *request)
{
    session *own = connection;
    pthread_t thread;
    if (!own->is_async) {
        work(own, request);
        return;
    }
    errand *made = malloc(sizeof(*made));
    *made = (errand){own, request};
    assert_int_equal(pthread_create(&thread, NULL, run_errand, made), 0);
    pthread_detach(thread);
}

static void open_session(pond_request *request)
{
    if (atomic_load(&refuse)) {
        pond_request_finish(request, NULL, pond_error_make(POND_ECONNECT, NULL, "nobody there"));
        return;
    }
    session *made = calloc(1, sizeof(*made));
    made->is_async = pond_request_driver_data(request) != NULL;
    assert_int_equal(pond_request_verb_of(request), POND_REQUEST_OPEN);
    assert_string_equal(pond_request_setting(request, "database"), "none");
    atomic_fetch_add(&opened, 1);
    pond_request_opened(request, made, "test 1", "test 2");
    pond_request_finish(request, NULL, NULL);
}

static void transaction(void *connection, pond_request *request)
{
    (void)connection;
    pond_request_finish(request, NULL, NULL);
}

static void reset(void *connection, pond_request *request)
{
    (void)connection;
    atomic_fetch_add(&resets, 1);
    pond_request_finish(request, NULL, NULL);
}

static void interrupt(void *connection, pond_request *request)
{
    (void)request;
    if (connection)
        atomic_fetch_add(&((session *)connection)->interrupts, 1);
}

static void close_session(void *connection)
{
    atomic_fetch_add(&closed, 1);
    free(connection);
}

static void free_prepared(void *connection, void *statement)
{
    (void)connection;
    atomic_fetch_sub(&prepared, 1);
    free(statement);
}

static const pond_driver blocking = {
    .struct_size = sizeof(pond_driver),
    .name = "blocking",
    .aliases = "blk  blocky",
    .options = "colour size",
    .dialect = POND_DIALECT_POSTGRES,
    .port = 4711,
    .open = open_session,
    .execute = execute,
    .transaction = transaction,
    .reset = reset,
    .interrupt = interrupt,
    .close = close_session,
    .free_prepared = free_prepared,
};

static void register_drivers(void)
{
    pond_driver made = blocking;
    if (pond_driver_register(&blocking, NULL))
        return; /* by an earlier test */
    made.name = "async";
    made.aliases = made.options = NULL;
    made.flags = POND_DRIVER_ASYNC;
    made.data = &made;
    assert_int_equal(pond_driver_register(&made, NULL), POND_OK);
    made.name = "pinned";
    made.flags = POND_DRIVER_PINNED;
    made.data = NULL;
    assert_int_equal(pond_driver_register(&made, NULL), POND_OK);
}

static pond_pool *pool_of(const char *driver, const char *const *settings)
{
    static int number;
    char alias[32];
    pond_config *config = NULL;
    pond_pool *pool = NULL;
    register_drivers();
    snprintf(alias, sizeof(alias), "host %d", ++number);
    assert_int_equal(pond_config_new(driver, &config, NULL), POND_OK);
    pond_config_set(config, "alias", alias, NULL);
    pond_config_set(config, "database", "none", NULL);
    pond_config_set(config, "pool_min_size", "0", NULL);
    for (; settings && settings[0]; settings += 2)
        assert_int_equal(pond_config_set(config, settings[0], settings[1], NULL), POND_OK);
    assert_int_equal(pond_pool_open(config, &pool, NULL), POND_OK);
    pond_config_release(config);
    return pool;
}

static world *begin_with(const char *driver, const char *const *settings)
{
    static world made;
    atomic_store(&let_go, 0);
    assert_int_equal(pond_loop_new(&made.loop, NULL), POND_OK);
    made.pool = pool_of(driver, settings);
    return &made;
}

static void all_closed(void)
{
    for (int i = 0; i < 60000 && atomic_load(&closed) != atomic_load(&opened); i++)
        usleep(1000);
    assert_int_equal(atomic_load(&closed), atomic_load(&opened));
    for (int i = 0; i < 60000 && atomic_load(&prepared); i++)
        usleep(1000);
    assert_int_equal(atomic_load(&prepared), 0);
}

static void end(world *at)
{
    finish(at);
    all_closed();
}

static const char *const both[] = {"blocking", "async"};

/* ---- Registering ------------------------------------------------------------------------- */

static void wrong(pond_driver driver, const char *message)
{
    pond_error *error = NULL;
    assert_int_equal(pond_driver_register(&driver, &error), POND_EINVAL);
    assert_non_null(strstr(pond_error_message(error), message));
    pond_error_free(error);
}

static void a_driver_that_cannot_be_is_refused(void **state)
{
    (void)state;
    register_drivers();
    pond_driver driver = blocking;
    wrong(driver, "there is a driver \"blocking\" already");
    driver.name = "new";
    driver.aliases = "mariadb";
    wrong(driver, "there is a driver \"mariadb\" already");
    driver.aliases = NULL;
    driver.flags = 1024;
    wrong(driver, "unknown flag 0x400");
    driver.flags = 0;
    driver.close = NULL;
    wrong(driver, "open, execute and close must not be NULL");
    driver.close = blocking.close;
    driver.name = "new one";
    wrong(driver, "name must have no spaces");
    driver.name = "";
    wrong(driver, "name must have 1 to");
    driver.name = "new";
    driver.dialect = 17;
    wrong(driver, "unknown dialect 17");
    driver.dialect = 0;
    driver.struct_size = 0;
    wrong(driver, "struct_size is 0");
}

static void note(void *data, const char *key, const char *value)
{
    char *text = data;
    snprintf(text + strlen(text), 200 - strlen(text), "%s=%s ", key, value);
}

static void its_names_are_those_of_urls(void **state)
{
    (void)state;
    char text[200] = "";
    pond_config *config = NULL;
    pond_error *error = NULL;
    register_drivers();
    assert_int_equal(pond_url_parse("blocky://a:1,b/none?colour=red", note, text, NULL), POND_OK);
    assert_string_equal(text, "driver=blocky host=a,b port=1,4711 database=none colour=red ");
    assert_int_equal(pond_config_from_url("blk://a/none?size=3", &config, NULL), POND_OK);
    assert_string_equal(pond_config_driver(config), "blocking");
    assert_int_equal(pond_config_set(config, "taste", "sweet", &error), POND_EINVAL);
    pond_error_free(error);
    pond_config_release(config);
}

/* ---- Use --------------------------------------------------------------------------------- */

static void statements_come_with_parameters_and_rows_go_back(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        world *at = begin_with(both[i], NULL);
        pond_connection *connection = acquire(at);
        pond_value params[] = {pond_value_int64(5), pond_value_text("five")};
        pond_value cells[2];
        pond_result *result = NULL;
        assert_int_equal(pond_connection_execute_wait(connection, "ECHO ?, ?", 9, params, 2, NULL,
                                                      &result, NULL),
                         POND_OK);
        assert_string_equal(written, "ECHO ?, ?");
        assert_int_equal(pond_result_row(result, 0, cells, NULL), POND_OK);
        assert_int_equal(cells[0].as.integer, 5);
        assert_memory_equal(cells[1].as.text.data, "five", 4);
        assert_string_equal(pond_result_column_name(result, 1), "two");
        assert_int_equal(pond_result_affected(result), 1);
        assert_int_equal(pond_result_last_insert_id(result), 7);
        pond_result_release(result);
        pond_op *op = start(connection, "ECHO");
        assert_int_equal(pond_op_wait(op, -1, NULL), POND_OK);
        pond_op_release(op);
        assert_int_equal(run(connection, "ECHO ?", -1, NULL), POND_EPARAMS);
        assert_string_equal(pond_connection_server_version(connection), "test 1");
        give_back(connection);
        pond_pool_status status = wait_until_idle(at);
        assert_int_equal(status.created, 1);
        assert_true(status.statement_misses >= 1);
        end(at);
    }
}

static void steps_of_entity_calls_say_what_they_are(void **state)
{
    (void)state;
    world *at = begin_with("blocking", NULL);
    pond_connection *connection = acquire(at);
    pond_schema *schema = NULL;
    pond_plan *plan = NULL;
    atomic_store(&steps, 0);
    assert_int_equal(run(connection, "ECHO", -1, NULL), POND_OK);
    assert_int_equal(atomic_load(&steps), 0);
    assert_int_equal(pond_pool_schema(at->pool, &schema, NULL), POND_OK);
    assert_int_equal(pond_plan_list(schema, &plan, NULL), POND_OK);
    pond_op *op = NULL;
    assert_int_equal(pond_connection_run(connection, plan, -1, NULL, &op, NULL), POND_OK);
    pond_op_wait(op, -1, NULL); /* it fails: this is no database of SQL */
    pond_op_release(op);
    assert_true(atomic_load(&steps) > 0);
    pond_plan_release(plan);
    pond_schema_release(schema);
    give_back(connection);
    end(at);
}

static void an_error_is_the_drivers(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        world *at = begin_with(both[i], NULL);
        pond_connection *connection = acquire(at);
        pond_error *error = NULL;
        assert_int_equal(run(connection, "FAIL", -1, &error), POND_EDEADLOCK);
        assert_string_equal(pond_error_message(error), "as told");
        assert_string_equal(pond_error_sqlstate(error), "40P01");
        pond_error_free(error);
        assert_int_equal(run(connection, "ECHO", -1, NULL), POND_OK);
        give_back(connection);
        end(at);
    }
}

static void what_it_cannot_is_refused_by_name(void **state)
{
    (void)state;
    world *at = begin_with("blocking", NULL);
    pond_connection *connection = acquire(at);
    pond_value rows[] = {pond_value_int64(1), pond_value_int64(2)};
    pond_error *error = NULL;
    pond_result *result = NULL;
    assert_int_equal(
        pond_connection_execute_many_wait(connection, "ECHO ?", 6, rows, 2, 1, NULL, NULL, &error),
        POND_ENOTSUPPORTED);
    assert_string_equal(pond_error_message(error), "the driver \"blocking\" has no execute_many");
    pond_error_free(error);
    assert_int_equal(
        pond_connection_stream_wait(connection, "ECHO", 4, NULL, 0, 0, NULL, &result, NULL),
        POND_ENOTSUPPORTED);
    give_back(connection);
    end(at);
}

static void transactions_are_known_and_rolled_back(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        world *at = begin_with(both[i], NULL);
        pond_connection *connection = acquire(at);
        int open = 0;
        assert_int_equal(pond_connection_transaction_wait(connection, POND_BEGIN, -1, NULL),
                         POND_OK);
        assert_int_equal(pond_connection_in_transaction(connection, &open, NULL), POND_OK);
        assert_int_equal(open, 1);
        assert_int_equal(pond_connection_transaction_wait(connection, POND_BEGIN, -1, NULL),
                         POND_ETRANSACTION);
        give_back(connection);
        wait_until_idle(at);
        connection = acquire(at);
        assert_int_equal(pond_connection_in_transaction(connection, &open, NULL), POND_OK);
        assert_int_equal(open, 0);
        give_back(connection);
        end(at);
    }
}

/* ---- Stop -------------------------------------------------------------------------------- */

static void a_statement_that_is_late_is_interrupted(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        world *at = begin_with(both[i], NULL);
        pond_connection *connection = acquire(at);
        pond_error *error = NULL;
        assert_int_equal(run(connection, "HANG", 30, &error), POND_ETIMEDOUT);
        pond_error_free(error);
        assert_int_equal(run(connection, "ECHO", -1, NULL), POND_OK);
        give_back(connection);
        assert_int_equal(wait_until_idle(at).destroyed, 0);
        end(at);
    }
}

static void a_statement_can_be_cancelled(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        world *at = begin_with(both[i], NULL);
        pond_connection *connection = acquire(at);
        pond_op *op = start(connection, "HANG");
        pond_op_cancel(op);
        assert_int_equal(pond_op_wait(op, -1, NULL), POND_ECANCELLED);
        pond_op_release(op);
        assert_int_equal(run(connection, "ECHO", -1, NULL), POND_OK);
        give_back(connection);
        end(at);
    }
}

static void one_that_does_not_stop_loses_its_connection(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        world *at = begin_with(both[i], NULL);
        pond_connection *connection = acquire(at);
        pond_op *op = start(connection, "DEAF");
        pond_op_cancel(op);
        assert_int_equal(pond_op_wait(op, -1, NULL), POND_ECANCELLED);
        pond_op_release(op);
        assert_int_equal(run(connection, "ECHO", -1, NULL), POND_ECONNLOST);
        give_back(connection);
        atomic_store(&let_go, 1);
        connection = acquire(at);
        assert_int_equal(run(connection, "ECHO", -1, NULL), POND_OK);
        give_back(connection);
        end(at);
    }
}

static void a_connection_that_is_lost_is_replaced(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        world *at = begin_with(both[i], NULL);
        pond_connection *connection = acquire(at);
        assert_int_equal(run(connection, "LOSE", -1, NULL), POND_EUNKNOWN);
        give_back(connection);
        connection = acquire(at);
        assert_int_equal(run(connection, "ECHO", -1, NULL), POND_OK);
        give_back(connection);
        assert_int_equal(wait_until_idle(at).created, 2);
        end(at);
    }
}

static void a_pool_that_closes_ends_what_runs(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        world *at = begin_with(both[i], NULL);
        pond_connection *connection = acquire(at);
        pond_op *running = start(connection, "HANG");
        pond_op *closing = NULL;
        assert_int_equal(pond_pool_close(at->pool, at->loop, 20, NULL, &closing, NULL), POND_OK);
        assert_int_equal(pond_op_wait(closing, -1, NULL), POND_OK);
        pond_op_release(closing);
        assert_int_equal(pond_op_wait(running, -1, NULL), POND_ECANCELLED);
        pond_op_release(running);
        pond_connection_release(connection);
        end(at);
    }
}

/* ---- The pool's own ---------------------------------------------------------------------- */

static void a_session_that_was_changed_is_reset(void **state)
{
    (void)state;
    world *at = begin_with("async", NULL);
    pond_connection *connection = acquire(at);
    int before = atomic_load(&resets);
    assert_int_equal(run(connection, "SET x = 1", -1, NULL), POND_OK);
    give_back(connection);
    wait_until_idle(at);
    assert_int_equal(atomic_load(&resets), before + 1);
    end(at);
}

static void a_database_that_cannot_be_reached_says_so(void **state)
{
    (void)state;
    world *at = begin_with("async", (const char *[]){"pool_fail_fast", "on", NULL});
    pond_connection *connection = NULL;
    pond_error *error = NULL;
    atomic_store(&refuse, 1);
    assert_int_equal(pond_pool_acquire_wait(at->pool, at->loop, 500, &connection, &error),
                     POND_ECONNECT);
    assert_non_null(strstr(pond_error_message(error), "nobody there"));
    pond_error_free(error);
    atomic_store(&refuse, 0);
    while (pond_pool_acquire_wait(at->pool, at->loop, 5000, &connection, NULL))
        usleep(1000);
    give_back(connection);
    end(at);
}

static void a_breaker_opens_on_timeouts(void **state)
{
    (void)state;
    world *at =
        begin_with("async", (const char *[]){"circuit_breaker_failure_threshold", "2", NULL});
    pond_connection *connection = acquire(at);
    pond_tag tag = {.key = "operation", .value = "slow"};
    pond_execute_options options = POND_EXECUTE_OPTIONS_INIT;
    options.timeout_ms = 20;
    options.tags = &tag;
    options.tag_count = 1;
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            pond_connection_execute_wait(connection, "HANG", 4, NULL, 0, &options, NULL, NULL),
            POND_ETIMEDOUT);
    assert_int_equal(
        pond_connection_execute_wait(connection, "ECHO", 4, NULL, 0, &options, NULL, NULL),
        POND_ECIRCUITOPEN);
    give_back(connection);
    end(at);
}

static void leaks_and_metrics_know_it(void **state)
{
    (void)state;
    world *at = begin_with("async", NULL);
    pond_connection *connection = acquire(at);
    pond_lease_info info[4];
    assert_int_equal(run(connection, "ECHO", -1, NULL), POND_OK);
    assert_int_equal(pond_pool_leases(at->pool, 0, info, sizeof(info[0]), 4), 1);
    char *text = NULL;
    size_t size;
    assert_int_equal(pond_metrics_prometheus(&text, &size, NULL), POND_OK);
    assert_non_null(strstr(text, "db_system_name=\"async\""));
    pond_string_free(text);
    give_back(connection);
    end(at);
}

/* ---- Statements that the program runs ---------------------------------------------------- */

static void a_statement_that_the_program_runs_counts_like_others(void **state)
{
    (void)state;
    world *at = begin_with("async", NULL);
    pond_connection *connection = acquire(at);
    pond_request *held = NULL;
    pond_request *second = NULL;
    int open = 0;
    assert_int_equal(pond_connection_hold(connection, "ANY ? ?", 7, NULL, &held, NULL), POND_OK);
    assert_non_null(pond_connection_host(connection));
    assert_int_equal(pond_connection_hold(connection, "ANY", 3, NULL, &second, NULL), POND_EMISUSE);
    assert_null(second);
    pond_request_set_in_transaction(held, 1);
    pond_request_finish(held, NULL, NULL);
    assert_int_equal(pond_connection_hold(connection, "ANY", 3, NULL, &held, NULL), POND_OK);
    assert_int_equal(pond_connection_in_transaction(connection, &open, NULL), POND_OK);
    assert_int_equal(open, 1);
    pond_request_finish(held, NULL, pond_error_make(POND_EDEADLOCK, NULL, "as told"));
    assert_int_equal(pond_connection_set_in_transaction(connection, 0, NULL), POND_OK);
    give_back(connection);
    assert_int_equal(wait_until_idle(at).statement_misses, 2);
    end(at);
}

static void one_that_the_program_runs_is_interrupted(void **state)
{
    (void)state;
    world *at = begin_with("async", NULL);
    pond_connection *connection = acquire(at);
    session *own = pond_connection_host(connection);
    pond_request *held = NULL;
    pond_execute_options options = POND_EXECUTE_OPTIONS_INIT;
    options.timeout_ms = 20;
    atomic_store(&own->interrupts, 0);
    assert_int_equal(pond_connection_hold(connection, "ANY", 3, &options, &held, NULL), POND_OK);
    while (!atomic_load(&own->interrupts))
        pond_loop_run(at->loop, 10, NULL);
    pond_request_finish(held, NULL, pond_error_make(POND_ECANCELLED, NULL, "stopped"));
    assert_int_equal(run(connection, "ECHO", -1, NULL), POND_OK);
    give_back(connection);
    end(at);
}

/* ---- Loops ------------------------------------------------------------------------------- */

static void a_pinned_connection_stays_with_its_loop(void **state)
{
    (void)state;
    world *at = begin_with("pinned", (const char *[]){"pool_max_size", "1", NULL});
    pond_connection *connection = acquire(at);
    uint64_t first = pond_connection_id(connection);
    give_back(connection);
    connection = acquire(at);
    assert_int_equal(pond_connection_id(connection), first);
    give_back(connection);
    wait_until_idle(at);
    assert_int_equal(pond_pool_acquire_wait(at->pool, NULL, 60000, &connection, NULL), POND_OK);
    uint64_t second = pond_connection_id(connection);
    assert_true(second != first);
    assert_int_equal(run(connection, "ECHO", -1, NULL), POND_OK);
    give_back(connection);
    pond_loop *other = NULL;
    assert_int_equal(pond_loop_new(&other, NULL), POND_OK);
    assert_int_equal(pond_pool_acquire_wait(at->pool, other, 60000, &connection, NULL), POND_OK);
    assert_true(pond_connection_id(connection) > second);
    give_back(connection);
    pond_loop_release(other); /* and its connection goes with it */
    EVENTUALLY(at->pool, status.idle == 0 || status.idle == 1);
    end(at);
}

static void *acquire_in_a_thread(void *data)
{
    pond_connection *connection = NULL;
    assert_int_equal(pond_pool_acquire_wait(data, NULL, 60000, &connection, NULL), POND_OK);
    assert_int_equal(run(connection, "ECHO", -1, NULL), POND_OK);
    give_back(connection);
    return NULL;
}

static void threads_share_what_is_not_pinned(void **state)
{
    (void)state;
    world *at = begin_with("pinned", NULL);
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, acquire_in_a_thread, at->pool), 0);
        pthread_join(thread, NULL);
    }
    assert_int_equal(status_of(at->pool).created, 1);
    end(at);
}

/* ---- The rest ---------------------------------------------------------------------------- */

static void count_release(void *data)
{
    ++*(int *)data;
}

static void a_config_carries_data_for_it(void **state)
{
    (void)state;
    int released = 0;
    pond_config *config = NULL;
    pond_pool *pool = NULL;
    register_drivers();
    assert_int_equal(pond_config_new("blocking", &config, NULL), POND_OK);
    pond_config_set(config, "database", "none", NULL);
    pond_config_set(config, "alias", "with data", NULL);
    assert_null(pond_config_data(config));
    assert_int_equal(pond_config_set_data(config, &released, count_release, NULL), POND_OK);
    assert_ptr_equal(pond_config_data(config), &released);
    assert_int_equal(pond_pool_open(config, &pool, NULL), POND_OK);
    pond_config_release(config);
    assert_int_equal(released, 0);
    pond_pool_release(pool);
    assert_int_equal(released, 1);
}

static void a_result_can_be_an_object_of_the_host(void **state)
{
    (void)state;
    int released = 0;
    pond_result *result = NULL;
    assert_int_equal(pond_result_of_host(&released, count_release, &result, NULL), POND_OK);
    assert_int_equal(pond_result_row_count(result), 0);
    pond_result_release(result);
    assert_int_equal(released, 1);
    assert_int_equal(pond_result_of_host(&released, count_release, &result, NULL), POND_OK);
    assert_ptr_equal(pond_result_take_host(result), &released);
    assert_null(pond_result_take_host(result));
    pond_result_release(result);
    assert_int_equal(released, 1);
}

static void a_child_opens_its_own(void **state)
{
    (void)state;
    world *at = begin_with("blocking", NULL);
    pond_connection *connection = acquire(at);
    pid_t child = fork();
    if (!child) {
        pond_connection *other = NULL;
        pond_pool *pool = pool_of("blocking", NULL);
        int parents = run(connection, "ECHO", -1, NULL) == POND_EMISUSE;
        int own = pond_pool_acquire_wait(pool, NULL, 60000, &other, NULL) == POND_OK &&
                  run(other, "ECHO", -1, NULL) == POND_OK;
        _exit(parents && own ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(run(connection, "ECHO", -1, NULL), POND_OK);
    give_back(connection);
    end(at);
}

static void facts_of_a_driver_are_found_by_its_names(void **state)
{
    (void)state;
    assert_string_equal(pond_driver_fact("FAKE", "name"), "fake");
    assert_null(pond_driver_fact("fake", "port"));
    assert_null(pond_driver_fact("fake", "inline"));
    assert_null(pond_driver_fact("fake", "colour"));
    assert_null(pond_driver_fact("none", "name"));
    assert_null(pond_driver_fact("fake", NULL));
    if (pond_driver_fact("sqlite", "name"))
        assert_string_equal(pond_driver_fact("sqlite", "inline"), "1");
    if (pond_driver_fact("mysql", "name")) {
        assert_string_equal(pond_driver_fact("MariaDB", "name"), "mysql");
        assert_string_equal(pond_driver_fact("mariadb", "port"), "3306");
    }
}

RUN_TESTS(cmocka_unit_test(a_driver_that_cannot_be_is_refused),
          cmocka_unit_test(its_names_are_those_of_urls),
          cmocka_unit_test(statements_come_with_parameters_and_rows_go_back),
          cmocka_unit_test(steps_of_entity_calls_say_what_they_are),
          cmocka_unit_test(an_error_is_the_drivers),
          cmocka_unit_test(what_it_cannot_is_refused_by_name),
          cmocka_unit_test(transactions_are_known_and_rolled_back),
          cmocka_unit_test(a_statement_that_is_late_is_interrupted),
          cmocka_unit_test(a_statement_can_be_cancelled),
          cmocka_unit_test(one_that_does_not_stop_loses_its_connection),
          cmocka_unit_test(a_connection_that_is_lost_is_replaced),
          cmocka_unit_test(a_pool_that_closes_ends_what_runs),
          cmocka_unit_test(a_session_that_was_changed_is_reset),
          cmocka_unit_test(a_database_that_cannot_be_reached_says_so),
          cmocka_unit_test(a_breaker_opens_on_timeouts),
          cmocka_unit_test(leaks_and_metrics_know_it),
          cmocka_unit_test(a_statement_that_the_program_runs_counts_like_others),
          cmocka_unit_test(one_that_the_program_runs_is_interrupted),
          cmocka_unit_test(a_pinned_connection_stays_with_its_loop),
          cmocka_unit_test(threads_share_what_is_not_pinned),
          cmocka_unit_test(a_config_carries_data_for_it),
          cmocka_unit_test(a_result_can_be_an_object_of_the_host),
          cmocka_unit_test(a_child_opens_its_own),
          cmocka_unit_test(facts_of_a_driver_are_found_by_its_names))

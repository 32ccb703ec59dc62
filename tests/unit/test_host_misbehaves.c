/* Drivers of a program that do what their contract allows and the usual ones do not, and some that
 * break it: the library stays whole. */
#include "pool_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "millpond/driver.h"

/* ---- A driver that each test makes of its own callbacks ----------------------------------- */

typedef struct session {
    atomic_int busy; /* callbacks that are inside it now */
    atomic_int closed;
} session;

static atomic_int opened;
static atomic_int closed;
static atomic_int overlaps; /* callbacks of one connection that ran at the same time */
static atomic_int prepared;

static void enter(session *own)
{
    if (atomic_fetch_add(&own->busy, 1) || atomic_load(&own->closed))
        atomic_fetch_add(&overlaps, 1);
}

static void leave(session *own)
{
    atomic_fetch_sub(&own->busy, 1);
}

static void open_session(pond_request *request)
{
    atomic_fetch_add(&opened, 1);
    pond_request_opened(request, calloc(1, sizeof(session)), "test 1", "test 2");
    pond_request_finish(request, NULL, NULL);
}

static void execute(void *connection, pond_request *request)
{
    session *own = connection;
    enter(own);
    if (!pond_request_prepared(request)) {
        atomic_fetch_add(&prepared, 1);
        pond_request_set_prepared(request, strdup("statement"));
    }
    usleep(300);
    leave(own);
    pond_request_finish(request, NULL, NULL);
}

static void close_session(void *connection)
{
    session *own = connection;
    enter(own);
    atomic_store(&own->closed, 1);
    atomic_fetch_add(&closed, 1);
    leave(own);
    free(own);
}

static void free_prepared(void *connection, void *statement)
{
    session *own = connection;
    if (own) {
        enter(own);
        usleep(300);
        leave(own);
    }
    atomic_fetch_sub(&prepared, 1);
    free(statement);
}

static const pond_driver usual = {
    .struct_size = sizeof(pond_driver),
    .dialect = POND_DIALECT_POSTGRES,
    .open = open_session,
    .execute = execute,
    .close = close_session,
    .free_prepared = free_prepared,
};

/* A pool of a driver that is registered under a new name. */
static world *begin_driver(pond_driver driver, const char *const *settings)
{
    static world made;
    static int number;
    char name[32];
    pond_config *config = NULL;
    snprintf(name, sizeof(name), "wicked%d", ++number);
    atomic_store(&opened, 0);
    atomic_store(&closed, 0);
    atomic_store(&overlaps, 0);
    atomic_store(&prepared, 0);
    driver.name = name;
    assert_int_equal(pond_driver_register(&driver, NULL), POND_OK);
    assert_int_equal(pond_loop_new(&made.loop, NULL), POND_OK);
    assert_int_equal(pond_config_new(name, &config, NULL), POND_OK);
    pond_config_set(config, "database", "none", NULL);
    pond_config_set(config, "pool_min_size", "0", NULL);
    for (; settings && settings[0]; settings += 2)
        assert_int_equal(pond_config_set(config, settings[0], settings[1], NULL), POND_OK);
    assert_int_equal(pond_pool_open(config, &made.pool, NULL), POND_OK);
    pond_config_release(config);
    return &made;
}

static void end(world *at)
{
    finish(at);
    for (int i = 0; i < 60000 && atomic_load(&closed) != atomic_load(&opened); i++)
        usleep(1000);
    assert_int_equal(atomic_load(&closed), atomic_load(&opened));
    for (int i = 0; i < 60000 && atomic_load(&prepared); i++)
        usleep(1000);
    assert_int_equal(atomic_load(&prepared), 0);
    assert_int_equal(atomic_load(&overlaps), 0);
}

static pond_connection *acquire_blocking(world *at)
{
    pond_connection *connection = NULL;
    assert_int_equal(pond_pool_acquire_wait(at->pool, NULL, 60000, &connection, NULL), POND_OK);
    return connection;
}

/* ---- Never finished ---------------------------------------------------------------------- */

static _Atomic(pond_request *) kept;

static void keep(void *connection, pond_request *request)
{
    (void)connection;
    atomic_store(&kept, request);
}

/* A blocking caller of an asynchronous driver gets its error, too. */
static void a_blocking_call_does_not_wait_for_ever(void **state)
{
    (void)state;
    pond_driver driver = usual;
    driver.flags = POND_DRIVER_ASYNC;
    driver.execute = keep;
    world *at = begin_driver(driver, NULL);
    pond_connection *connection = acquire_blocking(at);
    assert_int_equal(run(connection, "ANY", 30, NULL), POND_EUNKNOWN);
    give_back(connection);
    pond_request_finish(atomic_load(&kept), NULL, NULL);
    end(at);
}

/* ---- Said twice, or of the wrong request ------------------------------------------------- */

static void open_twice(pond_request *request)
{
    void *first = calloc(1, sizeof(session));
    pond_request_opened(request, first, "old", "old");
    atomic_fetch_add(&opened, 1);
    pond_request_opened(request, first, "new", "new");
    pond_request_finish(request, NULL, NULL);
}

static void open_while_executing(void *connection, pond_request *request)
{
    pond_request_opened(request, connection, "wrong", "wrong");
    pond_request_finish(request, NULL, NULL);
}

static void a_connection_is_named_once(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        pond_driver driver = usual;
        driver.flags = i ? POND_DRIVER_ASYNC : 0;
        driver.open = open_twice;
        driver.execute = open_while_executing;
        world *at = begin_driver(driver, NULL);
        pond_connection *connection = acquire(at);
        assert_string_equal(pond_connection_server_version(connection), "old");
        assert_int_equal(run(connection, "ANY", -1, NULL), POND_OK);
        assert_string_equal(pond_connection_server_version(connection), "old");
        give_back(connection);
        end(at);
    }
}

/* ---- Errors of all kinds ----------------------------------------------------------------- */

static int next_code;
static const char *next_state;
static const char *next_message;

static void fail_as_told(void *connection, pond_request *request)
{
    (void)connection;
    pond_request_finish(request, NULL, pond_error_make(next_code, next_state, next_message));
}

static void an_error_is_always_one(void **state)
{
    (void)state;
    static const int codes[] = {POND_OK, POND_PENDING, POND_EAGAIN, POND_ENOMEM, 9999};
    static const char *const messages[] = {
        "driver error 0: internal error", "driver error 1: as told %s",
        "driver error -6: as told %s", "as told %s", "driver error 9999: as told %s"};
    static const char *const states[] = {NULL, "", "1", "40P01", "more than five"};
    pond_driver driver = usual;
    driver.execute = fail_as_told;
    world *at = begin_driver(driver, NULL);
    pond_connection *connection = acquire(at);
    for (size_t i = 0; i < 5; i++) {
        pond_error *error = NULL;
        next_code = codes[i];
        next_state = states[i];
        next_message = i ? "as told %s" : NULL;
        int code = run(connection, "ANY", -1, &error);
        assert_int_equal(code, codes[i] == POND_ENOMEM ? POND_ENOMEM : POND_EINTERNAL);
        assert_string_equal(pond_error_message(error), messages[i]);
        assert_string_equal(pond_error_sqlstate(error), i == 3 ? states[i] : "");
        pond_error_free(error);
    }
    give_back(connection);
    end(at);
}

/* ---- Streams ----------------------------------------------------------------------------- */

static void stream_one(void *connection, pond_request *request)
{
    pond_result *result = NULL;
    (void)connection;
    assert_int_equal(pond_result_make(1, (const char *[]){"one"}, &result, NULL), POND_OK);
    pond_result_set_more(result, 1);
    pond_request_finish(request, result, NULL);
}

static void fail_misuse(void *connection, pond_request *request)
{
    (void)connection;
    pond_request_finish(request, NULL, pond_error_make(POND_EMISUSE, NULL, "as told"));
}

static void never_called(void *connection, pond_request *request)
{
    (void)connection;
    pond_request_finish(request, NULL, NULL);
    fail_msg("the stream has ended");
}

static void a_stream_ends_with_any_error(void **state)
{
    (void)state;
    pond_driver driver = usual;
    driver.stream = stream_one;
    driver.fetch = fail_misuse;
    driver.end_stream = never_called;
    world *at = begin_driver(driver, NULL);
    pond_connection *connection = acquire(at);
    pond_result *result = NULL;
    assert_int_equal(
        pond_connection_stream_wait(connection, "ANY", 3, NULL, 0, 0, NULL, &result, NULL),
        POND_OK);
    pond_result_release(result);
    assert_int_equal(pond_connection_fetch_wait(connection, -1, &result, NULL), POND_EMISUSE);
    assert_int_equal(run(connection, "ANY", -1, NULL), POND_OK);
    give_back(connection);
    end(at);
}

/* ---- One callback at a time -------------------------------------------------------------- */

static void statements_are_freed_between_others(void **state)
{
    (void)state;
    pond_driver driver = usual;
    world *at = begin_driver(driver, (const char *[]){"statement_cache_size", "1",
                                                      "statement_cache_max_size", "1", NULL});
    pond_connection *connection = acquire(at);
    for (int i = 0; i < 50; i++) {
        char sql[32];
        snprintf(sql, sizeof(sql), "NUMBER%d", i);
        assert_int_equal(run(connection, sql, -1, NULL), POND_OK);
    }
    give_back(connection);
    end(at);
}

/* ---- Opened and given up at once --------------------------------------------------------- */

static void *finish_open(void *data)
{
    pond_request *request = data;
    usleep(1000 * (unsigned)(rand() % 3));
    atomic_fetch_add(&opened, 1);
    pond_request_opened(request, calloc(1, sizeof(session)), "late", "late");
    pond_request_finish(request, NULL, NULL);
    return NULL;
}

static void open_late(pond_request *request)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, finish_open, request), 0);
    pthread_detach(thread);
}

static void *close_pool(void *pool)
{
    pond_pool_close_wait(pool, 0, NULL);
    return NULL;
}

static void one_that_is_opened_too_late_is_closed_once(void **state)
{
    (void)state;
    pond_driver driver = usual;
    driver.flags = POND_DRIVER_ASYNC;
    driver.open = open_late;
    for (int i = 0; i < 200; i++) {
        pthread_t thread;
        world *at = begin_driver(driver, NULL);
        pond_op *op = NULL;
        assert_int_equal(pond_pool_acquire(at->pool, at->loop, -1, NULL, &op, NULL), POND_OK);
        usleep(1000);
        assert_int_equal(pthread_create(&thread, NULL, close_pool, at->pool), 0);
        pond_loop_run(at->loop, 2, NULL);
        pond_op_release(op);
        end(at);
        pthread_join(thread, NULL);
    }
}

/* ---- What cannot be registered ----------------------------------------------------------- */

static void wrong(pond_driver driver, const char *message)
{
    pond_error *error = NULL;
    int code = pond_driver_register(&driver, &error);
    assert_int_equal(code, POND_EINVAL);
    assert_string_equal(pond_error_message(error), message);
    pond_error_free(error);
}

static void what_no_driver_has_is_refused(void **state)
{
    (void)state;
    pond_driver driver = usual;
    driver.name = "unheard";
    driver.features = 0x10000;
    wrong(driver, "unknown feature 0x10000");
    driver.features = 0;
    driver.reserved = 1;
    wrong(driver, "reserved must be 0");
    driver.reserved = 0;
}

/* ---- Callbacks that use the library ------------------------------------------------------- */

/* Acquire another connection of the same pool, and execute something there. */
static world *nested_in;
static atomic_int depth;
static int from_loop;

static void execute_nested(void *connection, pond_request *request)
{
    if (strncmp(pond_request_sql(request, NULL), "OUTER", 5) == 0) {
        pond_connection *other = NULL;
        pond_pool_status status = {.struct_size = sizeof(status)};
        assert_int_equal(pond_pool_get_status(nested_in->pool, &status, NULL), POND_OK);
        assert_int_equal(pond_pool_acquire_wait(nested_in->pool, from_loop ? nested_in->loop : NULL,
                                                60000, &other, NULL),
                         POND_OK);
        assert_int_equal(run(other, "INNER", -1, NULL), POND_OK);
        give_back(other);
        atomic_fetch_add(&depth, 1);
    }
    execute(connection, request);
}

static void a_callback_may_use_the_pool(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        static const uint32_t flags[] = {0, POND_DRIVER_ASYNC, POND_DRIVER_PINNED};
        pond_driver driver = usual;
        driver.flags = flags[i % 3];
        driver.execute = execute_nested;
        world *at = begin_driver(
            driver, (const char *[]){"pool_max_size", "2", "sync_max_size", "2", NULL});
        nested_in = at;
        from_loop = i < 3 && i % 3;
        atomic_store(&depth, 0);
        pond_connection *connection = i < 3 ? acquire(at) : acquire_blocking(at);
        assert_int_equal(run(connection, "OUTER", 30000, NULL), POND_OK);
        assert_int_equal(atomic_load(&depth), 1);
        give_back(connection);
        end(at);
    }
}

/* ---- An interrupt that does all there is to do -------------------------------------------- */

static void finish_in_interrupt(void *connection, pond_request *request)
{
    (void)connection;
    if (atomic_exchange(&kept, NULL) == request)
        pond_request_finish(request, NULL, pond_error_make(POND_ECANCELLED, NULL, "stopped"));
}

static void an_interrupt_may_finish(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        static const uint32_t flags[] = {POND_DRIVER_ASYNC, POND_DRIVER_PINNED,
                                         POND_DRIVER_ASYNC | POND_DRIVER_PINNED};
        pond_driver driver = usual;
        driver.flags = flags[i % 3];
        driver.execute = keep;
        driver.interrupt = finish_in_interrupt;
        world *at = begin_driver(driver, NULL);
        pond_connection *connection = i < 3 ? acquire(at) : acquire_blocking(at);
        for (int j = 0; j < 5; j++)
            assert_int_equal(run(connection, "ANY", 5, NULL), POND_ETIMEDOUT);
        give_back(connection);
        end(at);
    }
}

/* ---- Closed while it runs ----------------------------------------------------------------- */

static atomic_int inside;

static void execute_slowly(void *connection, pond_request *request)
{
    session *own = connection;
    enter(own);
    atomic_fetch_add(&inside, 1);
    pond_request_finish(request, NULL, NULL);
    usleep(2000); /* the request is over, and the callback is not */
    leave(own);
}

static void *run_once(void *pool)
{
    pond_connection *connection = NULL;
    if (pond_pool_acquire_wait(pool, NULL, 60000, &connection, NULL))
        return NULL;
    run(connection, "ANY", 1000, NULL);
    pond_connection_give_back(connection, NULL);
    pond_connection_release(connection);
    return NULL;
}

static void none_is_closed_under_its_callback(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        static const uint32_t flags[] = {0, POND_DRIVER_ASYNC, POND_DRIVER_PINNED};
        pond_driver driver = usual;
        pthread_t threads[4];
        driver.flags = flags[i % 3];
        driver.execute = execute_slowly;
        world *at = begin_driver(driver, NULL);
        int before = atomic_load(&inside);
        for (int j = 0; j < 4; j++)
            assert_int_equal(pthread_create(&threads[j], NULL, run_once, at->pool), 0);
        pond_op *op = NULL;
        pond_connection *connection = acquire(at);
        op = start(connection, "ANY");
        while (atomic_load(&inside) < before + 2)
            pond_loop_run(at->loop, 1, NULL);
        assert_int_equal(pond_pool_close_wait(at->pool, 1, NULL), POND_OK);
        pond_op_release(op);
        pond_connection_release(connection);
        for (int j = 0; j < 4; j++)
            pthread_join(threads[j], NULL);
        end(at);
    }
}

RUN_TESTS(cmocka_unit_test(a_connection_is_named_once), cmocka_unit_test(an_error_is_always_one),
          cmocka_unit_test(a_stream_ends_with_any_error),
          cmocka_unit_test(statements_are_freed_between_others),
          cmocka_unit_test(one_that_is_opened_too_late_is_closed_once),
          cmocka_unit_test(a_callback_may_use_the_pool), cmocka_unit_test(an_interrupt_may_finish),
          cmocka_unit_test(none_is_closed_under_its_callback),
          cmocka_unit_test(what_no_driver_has_is_refused),
          cmocka_unit_test(a_blocking_call_does_not_wait_for_ever))

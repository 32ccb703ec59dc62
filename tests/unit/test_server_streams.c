/* Streams that end early, in each way that there is: the rows that were read of a batch are given
 * back. Counted in bytes, by the address sanitizer where it is there. */
#include "server_fixture.h"

#include <time.h>

#if defined(__SANITIZE_ADDRESS__)
size_t __sanitizer_get_current_allocated_bytes(void); /* a header that GCC does not bring */
#else
#include <malloc.h>
#endif

enum { ROW = 20000, BATCH = 60, ROWS = 100, WARM = 2, CYCLES = 6 };

/* Less than the rows of one batch. */
enum { LIMIT = ROW * (ROWS - BATCH) / 2 };

#define MYSQL_ROWS(when)                                                                 \
    "SELECT REPEAT('x', 20000), SLEEP(IF(" when ", 0)) FROM (WITH RECURSIVE numbers "    \
    "(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 200) SELECT n FROM " \
    "numbers) numbered"
#define POSTGRES_ROWS(when, seconds)                                                \
    "SELECT repeat('x', 20000), CASE WHEN " when " THEN pg_sleep(" seconds ") END " \
    "FROM generate_series(1, 200) n"

typedef struct world {
    const server *server;
    pond_loop *loop;
    pond_pool *pool;
    pond_connection *connection;
    pond_value session; /* its number */
    int orphaned;       /* the server does not know yet that nobody waits for it */
    pond_op *op;        /* a fetch that has some of its rows */
} world;

static size_t bytes_in_use(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return __sanitizer_get_current_allocated_bytes();
#else
    return mallinfo2().uordblks;
#endif
}

/* No connection is opened but those that are asked for. */
static const char *const few[] = {"pool_min_size", "0", NULL};

/* Big rows at once, and then none for a long time. */
static const char *rows_of(const server *which)
{
    return which == &mysql_server ? MYSQL_ROWS("n > 100, 600") : POSTGRES_ROWS("n > 100", "600");
}

/* The rows of the second batch take a moment. */
static const char *slow_rows_of(const server *which)
{
    return which == &mysql_server ? MYSQL_ROWS("n = 40, 1") : POSTGRES_ROWS("n = 40", "1");
}

static void acquire(world *at)
{
    pond_error *error = NULL;
    if (pond_pool_acquire_wait(at->pool, at->loop, 60000, &at->connection, &error))
        fail_msg("%s", pond_error_message(error));
}

/* The first batch is taken, and some rows of the second one have come. */
static void begin_stream(world *at)
{
    const char *sql = rows_of(at->server);
    pond_result *batch = NULL;
    pond_error *error = NULL;
    if (!at->loop)
        assert_int_equal(pond_loop_new(&at->loop, NULL), POND_OK);
    acquire(at);
    assert_int_equal(pond_connection_execute_wait(at->connection, at->server->session,
                                                  strlen(at->server->session), NULL, 0, NULL,
                                                  &batch, NULL),
                     POND_OK);
    assert_int_equal(pond_result_row(batch, 0, &at->session, NULL), POND_OK);
    pond_result_release(batch);
    if (pond_connection_stream_wait(at->connection, sql, strlen(sql), NULL, 0, BATCH, NULL, &batch,
                                    &error))
        fail_msg("%s", pond_error_message(error));
    assert_int_equal(pond_result_row_count(batch), BATCH);
    assert_true(pond_result_more(batch));
    pond_result_release(batch);
    size_t before = bytes_in_use();
    assert_int_equal(pond_connection_fetch(at->connection, 600000, NULL, &at->op, NULL), POND_OK);
    while (bytes_in_use() < before + (size_t)(ROWS - BATCH) * ROW)
        assert_int_equal(pond_op_wait(at->op, 20, NULL), POND_EAGAIN);
}

static void end_op(world *at)
{
    pond_op_wait(at->op, 60000, NULL);
    assert_true(pond_op_status(at->op) < 0);
    pond_op_release(at->op);
    at->op = NULL;
}

static void let_go(world *at)
{
    pond_connection_give_back(at->connection, NULL);
    pond_connection_release(at->connection);
    at->connection = NULL;
}

/* ---- Ways to end ------------------------------------------------------------------------- */

static void by_cancel(world *at)
{
    pond_op_cancel(at->op);
    end_op(at);
    let_go(at);
}

static void by_closing(world *at)
{
    at->orphaned = 1;
    assert_int_equal(pond_connection_close(at->connection, NULL), POND_OK);
    end_op(at);
    let_go(at);
}

static void by_giving_back(world *at)
{
    let_go(at);
    end_op(at);
}

static void by_the_end_of_the_loop(world *at)
{
    at->orphaned = 1;
    pond_loop_close(at->loop);
    end_op(at);
    let_go(at);
    pond_loop_release(at->loop);
    at->loop = NULL;
}

static void by_the_server(world *at)
{
    const char *kill = at->server->kill;
    pond_connection *killer = NULL;
    pond_result *done = NULL;
    assert_int_equal(pond_pool_acquire_wait(at->pool, at->loop, 60000, &killer, NULL), POND_OK);
    assert_int_equal(pond_connection_execute_wait(killer, kill, strlen(kill), &at->session, 1, NULL,
                                                  &done, NULL),
                     POND_OK);
    pond_result_release(done);
    pond_connection_give_back(killer, NULL);
    pond_connection_release(killer);
    end_op(at);
    let_go(at);
}

static void by_the_end_of_the_pool(world *at)
{
    pond_op *op = NULL;
    at->orphaned = 1;
    assert_int_equal(pond_pool_close(at->pool, at->loop, 0, NULL, &op, NULL), POND_OK);
    assert_int_equal(pond_op_wait(op, 60000, NULL), POND_OK);
    pond_op_release(op);
    end_op(at);
    let_go(at);
    pond_pool_release(at->pool);
    at->pool = open_server(at->server, "streams", few);
}

/* ---- Ends that are never sent ------------------------------------------------------------ */

/* Whoever reads a stream ends it while a batch is under way, and takes that back: what comes then
 * is nobody's, and in nobody's way. */
static void a_stream_whose_end_was_cancelled_is_ended(void **state)
{
    world at = {.server = *state};
    const char *sql = slow_rows_of(at.server);
    pond_result *batch = NULL;
    pond_op *fetch = NULL;
    pond_op *end = NULL;
    assert_int_equal(pond_loop_new(&at.loop, NULL), POND_OK);
    at.pool = open_server(at.server, "streams", few);
    acquire(&at);
    assert_int_equal(pond_connection_stream_wait(at.connection, sql, strlen(sql), NULL, 0, 30, NULL,
                                                 &batch, NULL),
                     POND_OK);
    pond_result_release(batch);
    assert_int_equal(pond_connection_fetch(at.connection, 60000, NULL, &fetch, NULL), POND_OK);
    assert_int_equal(pond_connection_end_stream(at.connection, 60000, NULL, &end, NULL), POND_OK);
    pond_op_cancel(end);
    assert_int_equal(pond_op_wait(end, 60000, NULL), POND_ECANCELLED);
    pond_op_release(end);
    assert_int_equal(pond_op_wait(fetch, 60000, NULL), POND_OK);
    batch = pond_op_take_result(fetch);
    pond_op_release(fetch);
    assert_true(pond_result_more(batch));
    pond_result_release(batch);
    pond_error *error = NULL;
    if (pond_connection_execute_wait(at.connection, "SELECT 1", 8, NULL, 0, NULL, &batch, &error))
        fail_msg("%s", pond_error_message(error));
    pond_result_release(batch);
    let_go(&at);
    assert_int_equal(pond_pool_close_wait(at.pool, 5000, NULL), POND_OK);
    pond_pool_release(at.pool);
    pond_loop_release(at.loop);
}

/* ---- The test ---------------------------------------------------------------------------- */

static void pause_briefly(void)
{
    const struct timespec moment = {.tv_nsec = 10000000};
    nanosleep(&moment, NULL);
}

/* It may have ended by itself. */
static void end_session(world *at)
{
    const char *kill = at->server->kill;
    pond_result *done = NULL;
    at->orphaned = 0;
    pond_connection_execute_wait(at->connection, kill, strlen(kill), &at->session, 1, NULL, &done,
                                 NULL);
    pond_result_release(done);
}

/* The pool is at rest: what was closed has gone. */
static void wait_until_idle(world *at)
{
    if (!at->loop)
        assert_int_equal(pond_loop_new(&at->loop, NULL), POND_OK);
    acquire(at);
    if (at->orphaned)
        end_session(at);
    let_go(at);
    pond_pool_status status = {.struct_size = sizeof(status)};
    for (int i = 0; i < 3000; i++) {
        pond_loop_run_nowait(at->loop, NULL);
        pond_pool_get_status(at->pool, &status, NULL);
        if (status.in_use == 0 && status.size == status.idle)
            return;
        pause_briefly();
    }
    fail_msg("the pool does not come to rest");
}

static void leaves_nothing(const server *which, void (*end)(world *at))
{
    world at = {.server = which};
    size_t warm = 0;
    assert_int_equal(pond_loop_new(&at.loop, NULL), POND_OK);
    at.pool = open_server(which, "streams", few);
    for (int i = 0; i < CYCLES; i++) {
        begin_stream(&at);
        end(&at);
        wait_until_idle(&at);
        if (i == WARM)
            warm = bytes_in_use();
    }
    size_t now = bytes_in_use();
    for (int i = 0; i < 3000 && now > warm + LIMIT; i++) { /* a thread may still tell the server */
        pause_briefly();
        pond_loop_run_nowait(at.loop, NULL);
        now = bytes_in_use();
    }
    if (now > warm + LIMIT)
        fail_msg("%zu bytes more after %d streams", now - warm, CYCLES - WARM - 1);
    assert_int_equal(pond_pool_close_wait(at.pool, 5000, NULL), POND_OK);
    pond_pool_release(at.pool);
    pond_loop_release(at.loop);
}

#define WAY(end)                                                        \
    static void a_stream_that_ends_##end##_leaves_nothing(void **state) \
    {                                                                   \
        leaves_nothing(*state, end);                                    \
    }

WAY(by_cancel)
WAY(by_closing)
WAY(by_giving_back)
WAY(by_the_end_of_the_loop)
WAY(by_the_server)
WAY(by_the_end_of_the_pool)

#define ON(server, test) cmocka_unit_test_prestate(test, (void *)(uintptr_t)&server)
#define ON_ALL(end)                                                 \
    ON(postgres_server, a_stream_that_ends_##end##_leaves_nothing), \
        ON(mysql_server, a_stream_that_ends_##end##_leaves_nothing)

RUN_TESTS(ON_ALL(by_cancel), ON_ALL(by_closing), ON_ALL(by_giving_back),
          ON_ALL(by_the_end_of_the_loop), ON_ALL(by_the_server), ON_ALL(by_the_end_of_the_pool),
          ON(postgres_server, a_stream_whose_end_was_cancelled_is_ended),
          ON(mysql_server, a_stream_whose_end_was_cancelled_is_ended))

/* The SQLite driver under concurrency: timeouts, cancels, writers in turn, threads, two processes.
 */
#include "sqlite_fixture.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include <sched.h>

#include "base/clock.h"
#include "drivers/sqlite/sqlite.h"
#include "pool/pool.h"

/* Never ends by itself. */
static const char *const endless =
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

static int64_t ms_since(int64_t start_ns)
{
    return (pondi_now_ns() - start_ns) / PONDI_NS_PER_MS;
}

/* ---- Asynchronous calls ------------------------------------------------------------------ */

typedef struct async {
    fixture *at;
    pond_loop *loop;
    pond_connection *conn;
} async;

static async open_async(fixture *at)
{
    async it = {.at = at};
    pond_op *op = NULL;
    assert_int_equal(pond_loop_new(&it.loop, NULL), POND_OK);
    assert_int_equal(pond_pool_acquire(at->pool, it.loop, 20000, NULL, &op, NULL), POND_OK);
    assert_int_equal(pond_op_wait(op, 60000, NULL), POND_OK);
    it.conn = pond_op_take_connection(op);
    pond_op_release(op);
    return it;
}

static void close_async(async *it)
{
    give_back(it->conn);
    pond_loop_release(it->loop);
}

static pond_op *submit(async *it, const char *sql, int64_t timeout_ms)
{
    pond_op *op = NULL;
    pond_execute_options options = {.struct_size = sizeof(options), .timeout_ms = timeout_ms};
    assert_int_equal(
        pond_connection_execute(it->conn, sql, strlen(sql), NULL, 0, &options, NULL, &op, NULL),
        POND_OK);
    return op;
}

/* Its code; the result is dropped. */
static int await(pond_op *op)
{
    pond_error *error = NULL;
    int code = pond_op_wait(op, 60000, &error);
    note_error(code, error);
    error = pond_op_take_error(op);
    note_error(code, error);
    pond_op_release(op);
    return code;
}

/* ---- Timeouts ---------------------------------------------------------------------------- */

static void a_blocking_call_ends_by_its_timeout_and_the_connection_goes_on(void **state)
{
    fixture *at = *state;
    int64_t start_ns = pondi_now_ns();
    assert_int_equal(execute_within(at->conn, 100, endless, NULL, 0, NULL), POND_ETIMEDOUT);
    assert_true(ms_since(start_ns) >= 100);
    assert_non_null(strstr(last_message, "0.1 s"));
    assert_string_equal(last_sqlstate, "57014");
    assert_int_equal(number_from(at->conn, "SELECT 7"), 7);
}

static void an_asynchronous_call_ends_by_its_timeout_and_the_connection_goes_on(void **state)
{
    async it = open_async(*state);
    int64_t start_ns = pondi_now_ns();
    assert_int_equal(await(submit(&it, endless, 100)), POND_ETIMEDOUT);
    assert_true(ms_since(start_ns) >= 100);
    for (int i = 0; i < 20; i++)
        assert_int_equal(await(submit(&it, "SELECT 7", 20000)), POND_OK);
    close_async(&it);
}

/* Counting a table is one step of SQLite's machine, however long it takes: too few steps for SQLite
 * to look at the time by itself. */
static void a_blocking_call_of_few_long_steps_ends_by_its_timeout(void **state)
{
    enum { COUNTS = 100, SIZE = 64 * COUNTS };
    fixture *at = *state;
    run(at->conn, "CREATE TABLE big (filler blob)");
    run(at->conn, "INSERT INTO big WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                  "WHERE i < 30000) SELECT zeroblob(3000) FROM n");
    static char sql[SIZE] = "SELECT 0";
    for (int i = 0; i < COUNTS; i++)
        strncat(sql, " + (SELECT count(*) FROM big)", SIZE - strlen(sql) - 1);
    assert_int_equal(execute_within(at->conn, 20, sql, NULL, 0, NULL), POND_ETIMEDOUT);
    assert_int_equal(number_from(at->conn, "SELECT 7"), 7);
}

/* SQLite's own count of steps, for the statement that it worked on: it worked, and no longer does.
 */
static void a_timeout_ends_the_work_by_sqlites_own_count(void **state)
{
    async it = open_async(*state);
    assert_int_equal(await(submit(&it, endless, 100)), POND_ETIMEDOUT);
    sqlite3 *db = ((pondi_sqlite_conn *)it.conn->slot->conn)->db;
    sqlite3_stmt *stmt = sqlite3_next_stmt(db, NULL);
    while (stmt && strcmp(sqlite3_sql(stmt), endless) != 0)
        stmt = sqlite3_next_stmt(db, stmt);
    assert_non_null(stmt);
    int steps = sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 0);
    assert_true(steps > 1000);
    assert_int_equal(sqlite3_stmt_busy(stmt), 0);
    assert_int_equal(await(submit(&it, "SELECT 7", 20000)), POND_OK);
    assert_int_equal(sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 0), steps);
    close_async(&it);
}

static void a_read_that_times_out_leaves_the_transaction_open(void **state)
{
    fixture *at = *state;
    run(at->conn, "CREATE TABLE t (a)");
    assert_int_equal(transact(at->conn, POND_BEGIN, 20000), POND_OK);
    run(at->conn, "INSERT INTO t VALUES (1)");
    assert_int_equal(execute_within(at->conn, 50, endless, NULL, 0, NULL), POND_ETIMEDOUT);
    assert_int_equal(is_open(at->conn), 1);
    assert_int_equal(transact(at->conn, POND_COMMIT, 20000), POND_OK);
    assert_int_equal(number_from(at->conn, "SELECT count(*) FROM t"), 1);
}

static void a_write_that_times_out_has_no_effect_and_frees_the_writers_turn(void **state)
{
    fixture *at = *state;
    pond_connection *other = NULL;
    assert_int_equal(lease(at->pool, &other), POND_OK);
    run(at->conn, "CREATE TABLE t (a)");
    assert_int_equal(execute_within(at->conn, 50,
                                    "INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL "
                                    "SELECT i + 1 FROM n) SELECT i FROM n",
                                    NULL, 0, NULL),
                     POND_ETIMEDOUT);
    assert_int_equal(is_open(at->conn), 0);
    assert_int_equal(execute_within(other, 20000, "INSERT INTO t VALUES (1)", NULL, 0, NULL),
                     POND_OK);
    assert_int_equal(number_from(at->conn, "SELECT count(*) FROM t"), 1);
    give_back(other);
}

static void many_rows_that_time_out_have_no_effect(void **state)
{
    async it = open_async(*state);
    fixture *at = *state;
    pond_value rows[] = {of_integer(1), of_integer(2), of_integer(2000000000)};
    const char *sql = "INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM "
                      "n WHERE i < ?) SELECT i FROM n";
    pond_execute_options options = {.struct_size = sizeof(options), .timeout_ms = 100};
    pond_op *op = NULL;
    run(at->conn, "CREATE TABLE t (a)");
    assert_int_equal(pond_connection_execute_many(it.conn, sql, strlen(sql), rows, 3, 1, &options,
                                                  NULL, &op, NULL),
                     POND_OK);
    assert_int_equal(await(op), POND_ETIMEDOUT);
    assert_int_equal(await(submit(&it, "INSERT INTO t VALUES (5)", 20000)), POND_OK);
    assert_int_equal(number_from(at->conn, "SELECT count(*) FROM t"), 1);
    close_async(&it);
}

/* ---- Cancels ----------------------------------------------------------------------------- */

static void a_cancel_at_any_moment_never_reaches_the_next_statement(void **state)
{
    async it = open_async(*state);
    int cancelled = 0;
    for (int i = 0; i < 300; i++) {
        pond_op *op = submit(&it, i % 2 ? endless : "SELECT 1", POND_TIMEOUT_NONE);
        pond_op *next = submit(&it, "SELECT count(*) FROM sqlite_schema", 20000);
        for (volatile int spin = 0; spin < i * 50; spin++)
            ;
        pond_op_cancel(op);
        int code = await(op);
        assert_true(code == POND_ECANCELLED || (code == POND_OK && i % 2 == 0));
        cancelled += code == POND_ECANCELLED;
        assert_int_equal(await(next), POND_OK);
    }
    assert_true(cancelled >= 150);
    close_async(&it);
}

static void a_quick_read_that_became_slow_moves_to_the_worker(void **state)
{
    async it = open_async(*state);
    const char *sql =
        "SELECT count(*) FROM (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
        "WHERE i < ?) SELECT i FROM n)";
    static const int64_t sizes[] = {2, 2, 2, 200000, 2, 2, INT64_MAX};
    pond_value cell;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        pond_value size = of_integer(sizes[i]);
        pond_execute_options options = {.struct_size = sizeof(options), .timeout_ms = 20000};
        pond_op *op = NULL;
        int64_t start_ns = pondi_now_ns();
        pond_connection_execute(it.conn, sql, strlen(sql), &size, 1, &options, NULL, &op, NULL);
        assert_true(ms_since(start_ns) < 10000); /* the call itself never waits */
        if (sizes[i] == INT64_MAX) {
            pond_op_cancel(op);
            assert_int_equal(await(op), POND_ECANCELLED);
            break;
        }
        assert_int_equal(pond_op_wait(op, 60000, NULL), POND_OK);
        pond_result *result = pond_op_take_result(op);
        pond_result_row(result, 0, &cell, NULL);
        assert_int_equal(cell.as.integer, sizes[i]);
        pond_result_release(result);
        pond_op_release(op);
    }
    close_async(&it);
}

static void a_pool_closed_by_force_stops_what_runs(void **state)
{
    fixture *at = *state;
    async it = open_async(at);
    pond_op *op = submit(&it, endless, POND_TIMEOUT_NONE);
    pond_op *closing = NULL;
    give_back(at->conn);
    at->conn = NULL;
    assert_int_equal(pond_pool_close(at->pool, it.loop, 50, NULL, &closing, NULL), POND_OK);
    int code = await(op);
    assert_true(code == POND_ECANCELLED || code == POND_ECLOSED);
    assert_int_equal(await(closing), POND_OK);
    close_async(&it);
}

/* ---- Writers ----------------------------------------------------------------------------- */

static void a_reader_and_a_new_connection_do_not_wait_for_an_open_write(void **state)
{
    fixture *at = *state;
    pond_connection *other = NULL;
    run(at->conn, "CREATE TABLE t (a)");
    assert_int_equal(transact(at->conn, POND_BEGIN, 20000), POND_OK);
    run(at->conn, "INSERT INTO t VALUES (1)");
    int64_t start_ns = pondi_now_ns();
    assert_int_equal(lease(at->pool, &other), POND_OK);
    assert_int_equal(number_from(other, "SELECT count(*) FROM t"), 0);
    assert_true(ms_since(start_ns) < 10000); /* of the 30 s for a turn to write */
    assert_int_equal(transact(at->conn, POND_COMMIT, 20000), POND_OK);
    assert_int_equal(number_from(other, "SELECT count(*) FROM t"), 1);
    give_back(other);
}

/* One thread that waits for itself: the deadline tells. */
static void waiting_for_a_turn_ends_by_the_calls_timeout(void **state)
{
    fixture *at = *state;
    pond_connection *other = NULL;
    run(at->conn, "CREATE TABLE t (a)");
    assert_int_equal(lease(at->pool, &other), POND_OK);
    assert_int_equal(transact(at->conn, POND_BEGIN, 20000), POND_OK);
    assert_int_equal(execute_within(other, 60, "INSERT INTO t VALUES (1)", NULL, 0, NULL),
                     POND_ETIMEDOUT);
    assert_int_equal(transact(other, POND_BEGIN, 60), POND_ETIMEDOUT);
    assert_int_equal(is_open(other), 0);
    assert_int_equal(transact(at->conn, POND_ROLLBACK, 20000), POND_OK);
    assert_int_equal(execute_within(other, 20000, "INSERT INTO t VALUES (1)", NULL, 0, NULL),
                     POND_OK);
    give_back(other);
}

static void waiting_for_a_turn_ends_by_the_busy_timeout_and_by_a_cancel(void **state)
{
    fixture *at = *state;
    static const char *const impatient[] = {"busy_timeout", "0.05", NULL};
    run(at->conn, "CREATE TABLE t (a)");
    give_back(at->conn);
    at->conn = NULL;
    close_pool(at->pool);
    at->pool = open_pool(at->path, impatient);
    assert_int_equal(lease(at->pool, &at->conn), POND_OK);
    async it = open_async(at);
    assert_int_equal(transact(at->conn, POND_BEGIN, 20000), POND_OK);
    assert_int_equal(await(submit(&it, "INSERT INTO t VALUES (1)", 20000)), POND_EBUSY);
    assert_string_equal(last_sqlstate, "55P03");
    for (int i = 0; i < 50; i++) {
        pond_op *op = submit(&it, "INSERT INTO t VALUES (1)", 20000);
        for (volatile int spin = 0; spin < i * 2000; spin++)
            ;
        pond_op_cancel(op);
        int code = await(op);
        assert_true(code == POND_ECANCELLED || code == POND_EBUSY);
    }
    assert_int_equal(transact(at->conn, POND_COMMIT, 20000), POND_OK);
    assert_int_equal(await(submit(&it, "INSERT INTO t VALUES (1)", 20000)), POND_OK);
    assert_int_equal(number_from(at->conn, "SELECT count(*) FROM t"), 1);
    close_async(&it);
}

enum { IN_LINE = 6 };

typedef struct line {
    pondi_sqlite_conn conn;
    int *served; /* how many have been; guarded by the turn itself */
    int place;
} line;

static void *write_in_line(void *data)
{
    line *at = data;
    if (pondi_sqlite_writers_enter(&at->conn) != SQLITE_OK)
        return NULL;
    at->place = (*at->served)++;
    pondi_sqlite_writers_leave(&at->conn);
    return NULL;
}

static int count_turns(pondi_sqlite_writers *writers)
{
    int count = 0;
    pthread_mutex_lock(&writers->lock);
    for (pondi_list *node = writers->turns.next; node != &writers->turns; node = node->next)
        count++;
    pthread_mutex_unlock(&writers->lock);
    return count;
}

static void stand_in_line(line *at, pondi_sqlite_shared *shared, int *served)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    *at = (line){.served = served, .place = -1};
    at->conn.shared = shared;
    at->conn.token = 1;
    at->conn.busy_ms = 60000;
    at->conn.deadline_ns = PONDI_NEVER;
    pthread_cond_init(&at->conn.turn.ready, &attributes);
    pthread_condattr_destroy(&attributes);
    pondi_list_init(&at->conn.turn.link);
}

static void writers_are_served_in_the_order_they_came(void **state)
{
    (void)state;
    static pondi_sqlite_writers writers;
    static pondi_sqlite_shared shared = {.writers = &writers};
    static line all[IN_LINE];
    pthread_t threads[IN_LINE];
    int served = 0;
    pondi_sqlite_writers_init(&writers);
    for (int i = 0; i < IN_LINE; i++)
        stand_in_line(&all[i], &shared, &served);
    assert_int_equal(pondi_sqlite_writers_enter(&all[0].conn), SQLITE_OK);
    int64_t end_ns = pondi_deadline_ns(60000);
    for (int i = 1; i < IN_LINE; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_in_line, &all[i]), 0);
        while (count_turns(&writers) < i && pondi_now_ns() < end_ns)
            sched_yield();
    }
    int waiting = count_turns(&writers);
    pondi_sqlite_writers_leave(&all[0].conn);
    for (int i = 1; i < IN_LINE; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(waiting, IN_LINE - 1);
    for (int i = 1; i < IN_LINE; i++)
        assert_int_equal(all[i].place, i - 1);
    for (int i = 0; i < IN_LINE; i++)
        pthread_cond_destroy(&all[i].conn.turn.ready);
    pondi_sqlite_writers_destroy(&writers);
}

/* The writers of a file as a pool finds them when it is opened. */
static pondi_sqlite_shared *share(const char *path)
{
    void *shared = NULL;
    pond_config *config = NULL;
    assert_int_equal(pond_config_new("sqlite", &config, NULL), POND_OK);
    assert_int_equal(pond_config_set(config, "database", path, NULL), POND_OK);
    assert_int_equal(pondi_sqlite_shared_open(config, &shared, NULL), POND_OK);
    pond_config_release(config);
    return shared;
}

static int are_one_line(const char *path, const char *other)
{
    pondi_sqlite_shared *a = share(path);
    pondi_sqlite_shared *b = share(other);
    int same = a->writers == b->writers;
    pondi_sqlite_shared_close(a);
    pondi_sqlite_shared_close(b);
    return same;
}

static void writers_of_all_pools_of_a_file_stand_in_one_line(void **state)
{
    fixture *at = *state;
    char longer[PATH_MAX];
    char missing[PATH_MAX];
    const char *name = strrchr(at->path, '/') + 1;
    int folder = (int)(name - at->path);
    snprintf(longer, sizeof(longer), "%.*s./%s", folder, at->path, name);
    assert_true(are_one_line(at->path, longer)); /* it exists */
    snprintf(missing, sizeof(missing), "%.*smissing", folder, at->path);
    snprintf(longer, sizeof(longer), "%.*s./missing", folder, at->path);
    assert_true(are_one_line(missing, longer));
    assert_true(are_one_line("missing", "./missing"));
    assert_false(are_one_line(at->path, missing));
    assert_false(are_one_line(":memory:", ":memory:"));
    assert_true(are_one_line("/no/such/folder/file", "/no/such/folder/file"));
}

/* Whoever was writing in the parent at that moment is not there. */
static void a_forked_child_waits_for_no_writer_of_its_parent(void **state)
{
    fixture *at = *state;
    assert_int_equal(transact(at->conn, POND_BEGIN, 20000), POND_OK);
    pid_t child = fork();
    if (child == 0) {
        pondi_sqlite_shared *shared = share(at->path);
        _exit(shared->writers->busy);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(transact(at->conn, POND_ROLLBACK, 20000), POND_OK);
}

static int transact_async(async *it, pond_transaction_verb verb)
{
    pond_op *op = NULL;
    assert_int_equal(pond_connection_transaction(it->conn, verb, 20000, NULL, &op, NULL), POND_OK);
    return await(op);
}

static void an_asynchronous_transaction_is_seen_open_and_closed(void **state)
{
    async it = open_async(*state);
    assert_int_equal(transact_async(&it, POND_BEGIN), POND_OK);
    assert_int_equal(is_open(it.conn), 1);
    assert_int_equal(transact_async(&it, POND_BEGIN), POND_ETRANSACTION);
    assert_int_equal(await(submit(&it, "CREATE TABLE t (a)", 20000)), POND_OK);
    assert_int_equal(transact_async(&it, POND_COMMIT), POND_OK);
    assert_int_equal(is_open(it.conn), 0);
    assert_int_equal(transact_async(&it, POND_ROLLBACK), POND_ETRANSACTION);
    close_async(&it);
}

static void a_read_transaction_that_comes_too_late_to_write_says_so(void **state)
{
    fixture *at = *state;
    pond_connection *other = NULL;
    run(at->conn, "CREATE TABLE t (a)");
    assert_int_equal(lease(at->pool, &other), POND_OK);
    run(at->conn, "BEGIN");
    run(at->conn, "SELECT * FROM t");
    run(other, "INSERT INTO t VALUES (1)");
    assert_int_equal(execute(at->conn, "INSERT INTO t VALUES (2)", NULL, 0, NULL),
                     POND_ESERIALIZATION);
    assert_string_equal(last_sqlstate, "40001");
    assert_int_equal(transact(at->conn, POND_ROLLBACK, 20000), POND_OK);
    run(at->conn, "INSERT INTO t VALUES (2)");
    give_back(other);
}

/* ---- Threads and processes --------------------------------------------------------------- */

enum { THREADS = 8, ROUNDS = 60 };

typedef struct crowd {
    pond_pool *pool;
    atomic_int failures;
    char message[512]; /* of the first failure */
} crowd;

static int note_failure(crowd *at, int code)
{
    if (code && atomic_fetch_add(&at->failures, 1) == 0)
        memcpy(at->message, last_message, sizeof(at->message));
    return code;
}

/* Raise a counter in a transaction, or in one statement. */
static int raise_counter(pond_connection *conn, int round)
{
    if (round % 3)
        return execute(conn, "UPDATE counter SET n = n + 1", NULL, 0, NULL);
    pond_result *result = NULL;
    pond_value value = {.type = POND_TYPE_NULL};
    int code = transact(conn, POND_BEGIN, 20000);
    if (!code)
        code = execute(conn, "SELECT n FROM counter", NULL, 0, &result);
    if (!code)
        code = pond_result_row(result, 0, &value, NULL);
    pond_result_release(result);
    value.as.integer++;
    if (!code)
        code = execute(conn, "UPDATE counter SET n = ?", &value, 1, NULL);
    return code ? code : transact(conn, POND_COMMIT, 20000);
}

static void *raise_often(void *data)
{
    crowd *at = data;
    for (int i = 0; i < ROUNDS; i++) {
        pond_connection *conn = NULL;
        if (note_failure(at, lease(at->pool, &conn)))
            break;
        note_failure(at, raise_counter(conn, i));
        give_back(conn);
    }
    return NULL;
}

static void let_threads_write(pond_pool *pool)
{
    crowd all = {.pool = pool};
    pthread_t threads[THREADS];
    pond_connection *conn = NULL;
    assert_int_equal(lease(pool, &conn), POND_OK);
    run(conn, "CREATE TABLE counter (n integer)");
    run(conn, "INSERT INTO counter VALUES (0)");
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, raise_often, &all), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    if (atomic_load(&all.failures))
        fail_msg("%d failures, the first: %s", atomic_load(&all.failures), all.message);
    assert_int_equal(number_from(conn, "SELECT n FROM counter"), THREADS * ROUNDS);
    give_back(conn);
}

static void eight_threads_write_one_file_without_a_locked_database(void **state)
{
    let_threads_write(((fixture *)*state)->pool);
}

static void eight_threads_write_one_database_in_memory(void **state)
{
    (void)state;
    pond_pool *pool = open_pool(":memory:", NULL);
    let_threads_write(pool);
    close_pool(pool);
}

static void a_hundred_writes_at_once_on_one_loop_all_succeed(void **state)
{
    enum { WRITERS = 10, EACH = 10 };
    fixture *at = *state;
    pond_loop *loop = NULL;
    pond_connection *conns[WRITERS];
    run(at->conn, "CREATE TABLE t (a)");
    assert_int_equal(pond_loop_new(&loop, NULL), POND_OK);
    for (int i = 0; i < WRITERS; i++) {
        pond_op *op = NULL;
        pond_pool_acquire(at->pool, loop, 20000, NULL, &op, NULL);
        assert_int_equal(pond_op_wait(op, 60000, NULL), POND_OK);
        conns[i] = pond_op_take_connection(op);
        pond_op_release(op);
    }
    for (int i = 0; i < WRITERS * EACH; i++)
        pond_connection_execute(conns[i % WRITERS], "INSERT INTO t VALUES (1)", 24, NULL, 0, NULL,
                                NULL, NULL, NULL);
    for (int done = 0; done < WRITERS * EACH;) {
        assert_int_equal(pond_loop_run(loop, 60000, NULL), POND_OK);
        for (pond_op *op; (op = pond_loop_next(loop)); done++) {
            assert_int_equal(pond_op_status(op), POND_OK);
            pond_op_release(op);
        }
    }
    for (int i = 0; i < WRITERS; i++)
        give_back(conns[i]);
    pond_loop_release(loop);
    assert_int_equal(number_from(at->conn, "SELECT count(*) FROM t"), WRITERS * EACH);
}

static int write_in_child(const char *path)
{
    pond_pool *pool = open_pool(path, NULL);
    pond_connection *conn = NULL;
    int code = lease(pool, &conn);
    if (!code)
        code = execute(conn, "CREATE TABLE IF NOT EXISTS counter (n integer)", NULL, 0, NULL);
    if (!code)
        code =
            execute(conn, "INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT * FROM counter)",
                    NULL, 0, NULL);
    for (int i = 0; i < ROUNDS && !code; i++)
        code = raise_counter(conn, i);
    if (code)
        fprintf(stderr, "child: %s\n", last_message);
    give_back(conn);
    close_pool(pool);
    return code ? 1 : 0;
}

/* Forked while SQLite has no file open here: its locks must not be carried into a child. */
static void two_processes_open_and_write_one_file_at_once(void **state)
{
    fixture *at = *state;
    pid_t children[2];
    pond_connection *conn = NULL;
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(write_in_child(at->path));
    }
    for (int i = 0; i < 2; i++) {
        int status = -1;
        waitpid(children[i], &status, 0);
        assert_int_equal(status, 0);
    }
    pond_pool *pool = open_pool(at->path, NULL);
    assert_int_equal(lease(pool, &conn), POND_OK);
    assert_int_equal(number_from(conn, "SELECT n FROM counter"), 2 * ROUNDS);
    give_back(conn);
    close_pool(pool);
}

RUN_TESTS(FOLDER_TEST(two_processes_open_and_write_one_file_at_once),
          SQLITE_TEST(a_blocking_call_ends_by_its_timeout_and_the_connection_goes_on),
          SQLITE_TEST(a_blocking_call_of_few_long_steps_ends_by_its_timeout),
          SQLITE_TEST(an_asynchronous_call_ends_by_its_timeout_and_the_connection_goes_on),
          SQLITE_TEST(a_timeout_ends_the_work_by_sqlites_own_count),
          SQLITE_TEST(a_read_that_times_out_leaves_the_transaction_open),
          SQLITE_TEST(a_write_that_times_out_has_no_effect_and_frees_the_writers_turn),
          SQLITE_TEST(many_rows_that_time_out_have_no_effect),
          SQLITE_TEST(a_cancel_at_any_moment_never_reaches_the_next_statement),
          SQLITE_TEST(a_quick_read_that_became_slow_moves_to_the_worker),
          SQLITE_TEST(a_pool_closed_by_force_stops_what_runs),
          SQLITE_TEST(a_reader_and_a_new_connection_do_not_wait_for_an_open_write),
          SQLITE_TEST(waiting_for_a_turn_ends_by_the_calls_timeout),
          SQLITE_TEST(waiting_for_a_turn_ends_by_the_busy_timeout_and_by_a_cancel),
          cmocka_unit_test(writers_are_served_in_the_order_they_came),
          SQLITE_TEST(writers_of_all_pools_of_a_file_stand_in_one_line),
          SQLITE_TEST(a_forked_child_waits_for_no_writer_of_its_parent),
          SQLITE_TEST(an_asynchronous_transaction_is_seen_open_and_closed),
          SQLITE_TEST(a_read_transaction_that_comes_too_late_to_write_says_so),
          SQLITE_TEST(eight_threads_write_one_file_without_a_locked_database),
          FOLDER_TEST(eight_threads_write_one_database_in_memory),
          SQLITE_TEST(a_hundred_writes_at_once_on_one_loop_all_succeed))

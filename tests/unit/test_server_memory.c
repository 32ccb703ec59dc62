/* The drivers of servers while memory runs out: in each job each allocation of ours fails once, and
 * once more with all that follow it. The job may end in that error and no other, nothing is left
 * behind, and the pool serves the next caller. The client libraries' own allocations are theirs.
 *
 * By itself every few allocations only; with MILLPOND_LONG set, all. */
#include "server_fixture.h"

#include "base/alloc.h"

#ifdef POND_FAULT_INJECTION

enum { FEW = 40, MANY = 1000, SHORT_STEP = 11, REPEATS = 3, ROUND_LIMIT = 20000 };

typedef struct world {
    const server *server;
    pond_config *config;
    pond_pool *pool;
    pond_loop *loop;
    pond_connection *conn;
    int64_t rows; /* that the job writes, all or none */
    int code;     /* of the job's first failure */
    char said[512];
} world;

typedef void (*job)(world *at);

/* ---- What a job is made of ---------------------------------------------------------------- */

/* True if the job may go on. The error is a pointer's: it is set by what gives the code. */
static int went_well(world *at, int code, pond_error **told)
{
    pond_error *error = *told;
    *told = NULL;
    if (code && !at->code) {
        at->code = code;
        snprintf(at->said, sizeof(at->said), "%s",
                 error ? pond_error_message(error) : pond_error_text(code));
        if (error && pond_error_code(error) != code)
            fail_msg("the error says %s, the call %s: %s", pond_error_name(pond_error_code(error)),
                     pond_error_name(code), at->said);
    }
    pond_error_free(error);
    return !at->code;
}

/* A failure that the job is after; any other counts. */
static int failed_with(world *at, int wanted, int code, pond_error *error)
{
    if (code == wanted) {
        pond_error_free(error);
        return !at->code;
    }
    return went_well(at, code ? code : POND_EINTERNAL, &error);
}

static pond_value typed(pond_type type, int64_t integer)
{
    pond_value value = {.type = (uint32_t)type};
    value.as.integer = integer;
    return value;
}

static pond_value of_bytes(pond_type type, const char *data, size_t size)
{
    pond_value value = {.type = (uint32_t)type};
    value.as.text.data = data;
    value.as.text.size = size;
    return value;
}

static pond_value of_text(const char *text)
{
    return of_bytes(POND_TYPE_TEXT, text, strlen(text));
}

static int execute_within(world *at, const char *sql, const pond_value *params, size_t count,
                          int64_t timeout_ms, pond_result **out, pond_error **error)
{
    pond_execute_options options = {.struct_size = sizeof(options), .timeout_ms = timeout_ms};
    pond_result *result = NULL;
    int code = pond_connection_execute_wait(at->conn, sql, strlen(sql), params, count, &options,
                                            &result, error);
    if (out)
        *out = result;
    else
        pond_result_release(result);
    return code;
}

static int execute(world *at, const char *sql, const pond_value *params, size_t count)
{
    pond_error *error = NULL;
    if (at->code)
        return 0;
    return went_well(at, execute_within(at, sql, params, count, 20000, NULL, &error), &error);
}

static int execute_many(world *at, const char *sql, const pond_value *params, size_t rows,
                        size_t columns, int wanted)
{
    pond_error *error = NULL;
    pond_result *result = NULL;
    if (at->code)
        return 0;
    int code = pond_connection_execute_many_wait(at->conn, sql, strlen(sql), params, rows, columns,
                                                 NULL, &result, &error);
    pond_result_release(result);
    return wanted ? failed_with(at, wanted, code, error) : went_well(at, code, &error);
}

static int transact(world *at, pond_transaction_verb verb)
{
    pond_error *error = NULL;
    return !at->code &&
           went_well(at, pond_connection_transaction_wait(at->conn, verb, 20000, &error), &error);
}

static int acquire(world *at)
{
    pond_error *error = NULL;
    return !at->code &&
           went_well(at, pond_pool_acquire_wait(at->pool, at->loop, 20000, &at->conn, &error),
                     &error);
}

static void give_back(world *at)
{
    if (at->conn)
        pond_connection_give_back(at->conn, NULL);
    pond_connection_release(at->conn);
    at->conn = NULL;
}

/* Every value of every row is read. */
static int read_all(world *at, pond_result *result)
{
    pond_value cells[32];
    pond_error *error = NULL;
    assert_true(pond_result_column_count(result) <= 32);
    for (size_t row = 0; row < pond_result_row_count(result); row++) {
        if (!went_well(at, pond_result_row(result, row, cells, &error), &error))
            return 0;
    }
    return 1;
}

static int is_mysql(const world *at)
{
    return at->server == &mysql_server;
}

/* ---- Jobs --------------------------------------------------------------------------------- */

/* From nothing: the config, the pool, names to addresses, the connection. */
static void connect_anew(world *at)
{
    pond_error *error = NULL;
    pond_pool *standing = at->pool;
    pond_loop *loop = at->loop;
    at->pool = NULL;
    at->loop = NULL;
    pond_config *config = server_config(at->server, "starved from the beginning", &error);
    if (!went_well(at, config ? POND_OK : pond_error_code(error), &error))
        goto end;
    error = NULL;
    if (went_well(at, pond_config_set(config, "host", "localhost", &error), &error) &&
        went_well(at, pond_loop_new(&at->loop, &error), &error) &&
        went_well(at, pond_pool_open(config, &at->pool, &error), &error) && acquire(at) &&
        execute(at, "SELECT 1", NULL, 0))
        give_back(at);
    give_back(at);
end:
    pond_config_release(config);
    pond_pool_release(at->pool);
    pond_loop_release(at->loop);
    at->pool = standing;
    at->loop = loop;
}

enum { VALUES = 14 };

static void all_values(pond_value *out, int as_mysql)
{
    static pond_value items[2];
    items[0] = typed(POND_TYPE_INT64, 1);
    items[1] = typed(POND_TYPE_INT64, 2);
    size_t i = 0;
    out[i++] = typed(POND_TYPE_INT64, INT64_MIN);
    out[i] = (pond_value){.type = POND_TYPE_DOUBLE};
    out[i++].as.real = 1.5;
    out[i++] = of_bytes(POND_TYPE_DECIMAL, "12345678901234567890.5", 22);
    out[i++] = of_text("text");
    out[i++] = of_bytes(POND_TYPE_BYTES, "\0\1\2", 3);
    out[i++] = typed(POND_TYPE_DATE, 20000);
    out[i++] = typed(POND_TYPE_TIME, 3600000001);
    out[i++] = typed(POND_TYPE_TIMESTAMP, 1000000000000001);
    out[i++] = typed(POND_TYPE_TIMESTAMPTZ, 1000000000000001);
    out[i] = (pond_value){.type = POND_TYPE_INTERVAL};
    out[i++].as.interval.microseconds = 5000001;
    out[i] = (pond_value){.type = POND_TYPE_UUID};
    memset(out[i++].as.uuid, 7, 16);
    out[i++] = of_bytes(as_mysql ? POND_TYPE_TEXT : POND_TYPE_JSON, "{\"a\": 1}", 8);
    out[i] = (pond_value){.type = POND_TYPE_ARRAY};
    out[i].as.array.items = items;
    out[i++].as.array.count = 2;
    out[i++] = typed(POND_TYPE_NULL, 0);
}

/* Each type of value there and back: prepared, then from the cache. */
static void values(world *at)
{
    pond_value params[VALUES];
    pond_error *error = NULL;
    const char *sql = is_mysql(at)
                          ? "SELECT CAST(? AS signed), ?, CAST(? AS decimal(40, 3)), ?, ?, "
                            "CAST(? AS date), CAST(? AS time(6)), CAST(? AS datetime(6)), ?, ?, ?, "
                            "?, ?, ?"
                          : "SELECT ?::int8, ?::float8, ?::numeric, ?::text, ?::bytea, ?::date, "
                            "?::time, ?::timestamp, ?::timestamptz, ?::interval, ?::uuid, "
                            "?::json, ?::int8[], ?::bool";
    all_values(params, is_mysql(at));
    acquire(at);
    for (int i = 0; i < 2 && !at->code; i++) {
        pond_result *result = NULL;
        if (went_well(at, execute_within(at, sql, params, VALUES, 20000, &result, &error), &error))
            read_all(at, result);
        pond_result_release(result);
    }
    execute(at, is_mysql(at) ? "DO 1" : "SET application_name = 'starved'", NULL, 0);
    give_back(at);
}

/* More than the first chunk of a result holds. */
static void many_rows(world *at)
{
    pond_error *error = NULL;
    pond_result *result = NULL;
    const char *sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
                      "300) SELECT i, repeat('x', 1000) FROM n";
    acquire(at);
    if (!at->code &&
        went_well(at, execute_within(at, sql, NULL, 0, 20000, &result, &error), &error))
        read_all(at, result);
    pond_result_release(result);
    give_back(at);
}

static void statements_without_a_plan(world *at)
{
    acquire(at);
    execute(at, is_mysql(at) ? "SHOW TABLES" : "SHOW ALL", NULL, 0);
    execute(at, is_mysql(at) ? "SHOW VARIABLES LIKE 'max%'" : "EXPLAIN SELECT 1", NULL, 0);
    execute(at, is_mysql(at) ? "SET @a = 1" : "SET work_mem = '8MB'", NULL, 0);
    give_back(at); /* a session that was changed is reset */
    acquire(at);
    execute(at, "SELECT 1", NULL, 0);
    give_back(at);
}

static int64_t count_rows(world *at)
{
    pond_result *result = NULL;
    pond_error *error = NULL;
    pond_value value;
    if (execute_within(at, "SELECT count(*) FROM starved", NULL, 0, 20000, &result, &error))
        fail_msg("%s", pond_error_message(error));
    assert_int_equal(pond_result_row(result, 0, &value, NULL), POND_OK);
    pond_result_release(result);
    return value.as.integer;
}

static void fill_rows(pond_value *rows, int count)
{
    for (int i = 0; i < count; i++) {
        rows[i * 3] = typed(POND_TYPE_INT64, i);
        rows[i * 3 + 1] = of_text("text");
        rows[i * 3 + 2] =
            i % 3 ? typed(POND_TYPE_TIMESTAMP, 1000000000000000 + i) : typed(POND_TYPE_NULL, 0);
    }
}

static const char insert[] = "INSERT INTO starved (n, t, at) VALUES (?, ?, ?)";

/* All rows or none, in a transaction of its own. */
static void many(world *at)
{
    static pond_value rows[MANY * 3];
    fill_rows(rows, MANY);
    for (int i = 0; i < MANY && is_mysql(at); i += 2) /* which takes a date as text */
        rows[i * 3 + 1] = typed(POND_TYPE_DATE, 20000);
    at->rows = MANY;
    acquire(at);
    execute_many(at, insert, rows, MANY, 3, 0);
    give_back(at);
}

/* The same in an open transaction; the last row fails first. */
static void many_in_a_transaction(world *at)
{
    pond_value rows[FEW * 3];
    fill_rows(rows, FEW);
    rows[(FEW - 1) * 3] = typed(POND_TYPE_INT64, 0);
    at->rows = FEW;
    acquire(at);
    transact(at, POND_BEGIN);
    execute_many(at, insert, rows, FEW, 3, POND_EUNIQUE);
    transact(at, POND_ROLLBACK);
    rows[(FEW - 1) * 3] = typed(POND_TYPE_INT64, FEW);
    transact(at, POND_BEGIN);
    execute_many(at, insert, rows, FEW, 3, 0);
    transact(at, POND_COMMIT);
    give_back(at);
}

/* More than is sent before the first answers are read. */
static void returning(world *at)
{
    static pond_value rows[MANY];
    const char *sql = is_mysql(at) ? "DELETE FROM starved WHERE n = ?"
                                   : "INSERT INTO starved (n) VALUES (?) RETURNING n, t";
    for (int i = 0; i < MANY; i++)
        rows[i] = typed(POND_TYPE_INT64, i);
    at->rows = MANY;
    acquire(at);
    execute_many(at, sql, rows, MANY, 1, 0);
    give_back(at);
}

static void errors(world *at)
{
    static const struct {
        const char *sql;
        int code;
    } wrong[] = {{"SELECT * FROM nowhere", POND_EUNDEFINED},
                 {"SELECT 1 FROM FROM", POND_ESYNTAX},
                 {"INSERT INTO starved (n) VALUES (1), (1)", POND_EUNIQUE},
                 {"INSERT INTO starved (n) VALUES (NULL)", POND_ENOTNULL},
                 {"SELECT ?", POND_EPARAMS}};
    acquire(at);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]) && !at->code; i++) {
        pond_error *error = NULL;
        int code = execute_within(at, wrong[i].sql, NULL, 0, 20000, NULL, &error);
        failed_with(at, wrong[i].code, code, error);
    }
    give_back(at);
}

/* To its end, and left early. */
static void streams(world *at)
{
    const char *sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
                      "25) SELECT i, 'text' FROM n";
    acquire(at);
    for (int whole = 1; whole >= 0 && !at->code; whole--) {
        pond_result *batch = NULL;
        pond_error *error = NULL;
        went_well(at,
                  pond_connection_stream_wait(at->conn, sql, strlen(sql), NULL, 0, 10, NULL, &batch,
                                              &error),
                  &error);
        while (batch && read_all(at, batch) && pond_result_more(batch) && whole) {
            pond_result_release(batch);
            batch = NULL;
            error = NULL;
            went_well(at, pond_connection_fetch_wait(at->conn, 20000, &batch, &error), &error);
        }
        pond_result_release(batch);
        error = NULL;
        if (!at->code)
            went_well(at, pond_connection_end_stream_wait(at->conn, 20000, &error), &error);
        execute(at, "SELECT 1", NULL, 0);
    }
    give_back(at);
}

/* More statements than the cache holds. */
static void evictions(world *at)
{
    static const char *const statements[] = {"SELECT 1 + ?", "SELECT 2 + ?", "SELECT 3 + ?"};
    pond_value one = typed(POND_TYPE_INT64, 1);
    acquire(at);
    for (int i = 0; i < 6; i++)
        execute(at, statements[i % 3], &one, 1);
    give_back(at);
}

/* A cancel takes memory, too: without it the connection is closed instead. */
static void time_out(world *at)
{
    pond_error *error = NULL;
    if (acquire(at)) {
        int code = execute_within(at, at->server->sleep, NULL, 0, 20, NULL, &error);
        failed_with(at, POND_ETIMEDOUT, code, error);
    }
    give_back(at);
}

/* Several at once on one loop, one of them cancelled, the lease given back meanwhile. */
static void at_once(world *at)
{
    enum { OPS = 4 };
    pond_op *ops[OPS] = {NULL};
    pond_error *error = NULL;
    acquire(at);
    for (int i = 0; i < OPS && !at->code; i++) {
        error = NULL;
        went_well(
            at,
            pond_connection_execute(at->conn, "SELECT 1", 8, NULL, 0, NULL, NULL, &ops[i], &error),
            &error);
    }
    if (ops[2])
        pond_op_cancel(ops[2]);
    for (int i = 0; i < OPS; i++) {
        int status = ops[i] ? pond_op_wait(ops[i], 20000, NULL) : POND_OK;
        if (status && status != POND_ECANCELLED) {
            error = pond_op_take_error(ops[i]);
            went_well(at, status, &error);
        }
        pond_op_release(ops[i]);
    }
    ops[0] = NULL;
    error = NULL;
    if (!at->code)
        went_well(
            at,
            pond_connection_execute(at->conn, "SELECT 2", 8, NULL, 0, NULL, NULL, &ops[0], &error),
            &error);
    give_back(at);
    pond_op_release(ops[0]);
}

static void check(world *at)
{
    pond_error *error = NULL;
    went_well(at, pond_pool_check_wait(at->pool, 20000, &error), &error);
    if (acquire(at)) {
        error = NULL;
        went_well(at, pond_connection_check_wait(at->conn, &error), &error);
    }
    give_back(at);
}

/* ---- Entities ------------------------------------------------------------------------------ */

static int run_plan(world *at, int code, pond_plan *plan, pond_error *error)
{
    if (went_well(at, code, &error)) {
        error = NULL;
        went_well(at, pond_connection_run_wait(at->conn, plan, 20000, &error), &error);
        pond_result_release(pond_plan_take_result(plan));
    }
    pond_plan_release(plan);
    return !at->code;
}

/* Saved, saved again, found, read, deleted; what is known of the tables is read first. */
static void entities(world *at)
{
    pond_field fields[] = {{"id", NULL, of_text("one")},
                           {"n", NULL, typed(POND_TYPE_INT64, 1)},
                           {"t", "tuple", of_text("[1]")}};
    pond_record records[] = {{fields, 3}, {fields + 1, 2}};
    pond_schema *schema = NULL;
    pond_plan *plan = NULL;
    pond_error *error = NULL;
    if (!acquire(at) || !went_well(at, pond_pool_schema(at->pool, &schema, &error), &error))
        goto end;
    error = NULL;
    int code = pond_plan_save(schema, "starving", &records[0], NULL, &plan, &error);
    if (!run_plan(at, code, plan, error))
        goto end;
    error = NULL;
    code = pond_plan_save_many(schema, "starving", records, 2, NULL, &plan, &error);
    if (!run_plan(at, code, plan, error))
        goto end;
    error = NULL;
    code = pond_plan_find(schema, "starving", NULL, &plan, &error);
    if (!run_plan(at, code, plan, error))
        goto end;
    error = NULL;
    code = pond_plan_history(schema, "starving", "one", NULL, &plan, &error);
    if (!run_plan(at, code, plan, error))
        goto end;
    error = NULL;
    code = pond_plan_delete(schema, "starving", "one", NULL, &plan, &error);
    run_plan(at, code, plan, error);
end:
    pond_schema_release(schema);
    give_back(at);
}

/* The first of its kind: its tables are made. What is half made, the next save finishes. */
static void new_entities(world *at)
{
    pond_field fields[] = {{"id", NULL, of_text("one")}, {"n", NULL, typed(POND_TYPE_INT64, 1)}};
    pond_record record = {fields, 2};
    pond_schema *schema = NULL;
    pond_plan *plan = NULL;
    pond_error *error = NULL;
    if (acquire(at) && went_well(at, pond_pool_schema(at->pool, &schema, &error), &error)) {
        int code = pond_plan_save(schema, "starveling", &record, NULL, &plan, &error);
        run_plan(at, code, plan, error);
    }
    pond_schema_release(schema);
    give_back(at);
}

static void drop_new_entities(world *at)
{
    static const char *const statements[] = {"DROP TABLE IF EXISTS starveling",
                                             "DROP TABLE IF EXISTS starveling_history",
                                             "DROP TABLE IF EXISTS starveling_meta", NULL};
    acquire(at);
    for (int i = 0; statements[i]; i++) {
        if (!execute(at, statements[i], NULL, 0))
            fail_msg("%s", at->said);
    }
    give_back(at);
}

static void finish_new_entities(world *at, uint64_t n)
{
    new_entities(at);
    if (at->code)
        fail_msg("allocation %llu: the next save fails: %s: %s", (unsigned long long)n,
                 pond_error_name(at->code), at->said);
}

/* ---- The pool afterwards -------------------------------------------------------------------- */

static void drain_log(void)
{
    pond_log *record;
    while ((record = pond_log_next()))
        pond_log_free(record);
}

static void make_tables(world *at)
{
    static const char *const statements[] = {
        "DROP TABLE IF EXISTS starved",
        "CREATE TABLE starved (n bigint PRIMARY KEY, t varchar(100), at timestamp NULL)", NULL};
    assert_true(acquire(at));
    for (int i = 0; statements[i]; i++) {
        if (!execute(at, statements[i], NULL, 0))
            fail_msg("%s", at->said);
    }
    give_back(at);
}

/* What a row's worth of writes may have left: all or nothing; and then nothing. */
static void check_rows(world *at, const char *name, uint64_t n)
{
    int64_t rows = count_rows(at);
    if (rows != 0 && rows != at->rows)
        fail_msg("%s, allocation %llu: %lld rows were kept of %lld", name, (unsigned long long)n,
                 (long long)rows, (long long)at->rows);
    if (rows && !execute(at, "DELETE FROM starved", NULL, 0))
        fail_msg("%s", at->said);
}

/* What was left to be cleaned is cleaned on the loop, long before the pool's patience ends. */
static void close_pool(world *at, const char *name, uint64_t n)
{
    pond_op *op = NULL;
    assert_int_equal(pond_pool_close(at->pool, at->loop, 60000, NULL, &op, NULL), POND_OK);
    if (pond_op_wait(op, 20000, NULL))
        fail_msg("%s, allocation %llu: the pool does not close", name, (unsigned long long)n);
    pond_op_release(op);
}

/* The next caller is served, by a session without a transaction, and the counts add up. */
static void check_pool(world *at, const char *name, uint64_t n)
{
    pond_pool_status status = {.struct_size = sizeof(status)};
    pond_value token = typed(POND_TYPE_INT64, (int64_t)n);
    pond_result *result = NULL;
    pond_error *error = NULL;
    pond_value got;
    int open = 1;
    if (!acquire(at))
        fail_msg("%s, allocation %llu: no connection afterwards: %s", name, (unsigned long long)n,
                 at->said);
    if (execute_within(at, at->server->same, &token, 1, 20000, &result, &error))
        fail_msg("%s, allocation %llu: no answer afterwards: %s", name, (unsigned long long)n,
                 pond_error_message(error));
    assert_int_equal(pond_result_row(result, 0, &got, NULL), POND_OK);
    assert_int_equal(got.as.integer, n);
    pond_result_release(result);
    pond_connection_in_transaction(at->conn, &open, NULL);
    assert_int_equal(open, 0);
    check_rows(at, name, n);
    give_back(at);
    close_pool(at, name, n);
    pond_pool_get_status(at->pool, &status, NULL);
    assert_int_equal(status.size, 0);
    assert_int_equal(status.waiting, 0);
    assert_int_equal(status.acquired, status.released);
}

/* ---- Every allocation ----------------------------------------------------------------------- */

static void open_world(world *at, const server *which, const char *name)
{
    static const char *const settings[] = {"pool_max_size",
                                           "2",
                                           "pool_min_size",
                                           "0",
                                           "statement_cache_size",
                                           "2",
                                           "circuit_breaker",
                                           "off",
                                           "statement_cache_max_size",
                                           "2",
                                           NULL};
    memset(at, 0, sizeof(*at));
    at->server = which;
    at->pool = open_server(which, name, settings);
    assert_int_equal(pond_loop_new(&at->loop, NULL), POND_OK);
}

static void close_world(world *at)
{
    pond_pool_release(at->pool);
    pond_loop_release(at->loop);
    drain_log();
}

/* True if the allocation was reached. */
static int run_starved(const server *which, const char *name, job do_it, uint64_t n, int sticky)
{
    world at;
    open_world(&at, which, name);
    if (do_it == new_entities)
        drop_new_entities(&at);
    pondi_alloc_fail_after(n, sticky);
    do_it(&at);
    uint64_t failures = pondi_alloc_failures();
    pondi_alloc_fail_after(0, 0);
    if (at.code && at.code != POND_ENOMEM)
        fail_msg("%s on %s, allocation %llu: %s: %s", name, which->driver, (unsigned long long)n,
                 pond_error_name(at.code), at.said);
    if (at.code && !failures)
        fail_msg("%s on %s fails by itself: %s", name, which->driver, at.said);
    at.code = POND_OK;
    if (do_it == new_entities)
        finish_new_entities(&at, n);
    check_pool(&at, name, n);
    close_world(&at);
    return failures != 0;
}

/* Whatever a job before this one left. */
static void clear_rows(const server *which)
{
    world at;
    open_world(&at, which, "clear");
    if (!acquire(&at) || !execute(&at, "DELETE FROM starved", NULL, 0))
        fail_msg("%s", at.said);
    give_back(&at);
    close_pool(&at, "clear", 0);
    close_world(&at);
}

static void starve(const server *which, const char *name, job do_it)
{
    uint64_t step = getenv("MILLPOND_LONG") ? 1 : SHORT_STEP;
    uint64_t most = 0;
    clear_rows(which);
    for (int sticky = 0; sticky < 2; sticky++) {
        int missed = 0; /* threads of the library allocate, too, now more, now less */
        for (uint64_t n = 1; missed < REPEATS; n += step) {
            missed = run_starved(which, name, do_it, n, sticky) ? 0 : missed + 1;
            most = missed ? most : n;
            assert_true(n < ROUND_LIMIT);
        }
    }
    print_message("%s, %s: %llu allocations\n", which->driver, name, (unsigned long long)most);
    assert_true(most >= step);
}

static void make_entities(world *at)
{
    entities(at);
    if (at->code)
        fail_msg("%s", at->said);
}

static int set_up_tables(void **state)
{
    const server *const servers[] = {&postgres_server, &mysql_server};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        world at;
        open_world(&at, servers[i], "tables");
        make_tables(&at);
        make_entities(&at);
        close_pool(&at, "tables", 0);
        close_world(&at);
    }
    return 0;
}

#define STARVE(job)                                 \
    static void job##_may_lack_memory(void **state) \
    {                                               \
        starve(*state, #job, job);                  \
    }

STARVE(connect_anew)
STARVE(values)
STARVE(many_rows)
STARVE(statements_without_a_plan)
STARVE(many)
STARVE(many_in_a_transaction)
STARVE(returning)
STARVE(errors)
STARVE(streams)
STARVE(evictions)
STARVE(time_out)
STARVE(at_once)
STARVE(check)
STARVE(entities)
STARVE(new_entities)

#define ON(server, test) cmocka_unit_test_prestate(test, (void *)(uintptr_t)&server)
#define ON_ALL(job) \
    ON(postgres_server, job##_may_lack_memory), ON(mysql_server, job##_may_lack_memory)

int main(void)
{
    const struct CMUnitTest tests[] = {ON_ALL(connect_anew), ON_ALL(values),
                                       ON_ALL(many_rows),    ON_ALL(statements_without_a_plan),
                                       ON_ALL(many),         ON_ALL(returning),
                                       ON_ALL(errors),       ON_ALL(many_in_a_transaction),
                                       ON_ALL(streams),      ON_ALL(evictions),
                                       ON_ALL(time_out),     ON_ALL(at_once),
                                       ON_ALL(check),        ON_ALL(entities),
                                       ON_ALL(new_entities)};
    return cmocka_run_group_tests(tests, set_up_tables, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif

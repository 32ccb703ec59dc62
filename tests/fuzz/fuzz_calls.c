/* Any calls in any order with any options, on the fake driver: each fails as it should or does what
 * it says, nothing is touched that was not given, and nothing is left behind. */
#include <stdlib.h>
#include <string.h>

#include "millpond/millpond.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

enum { CONNECTIONS = 4, OPS = 6, RESULTS = 4, STEPS = 80, ROOM = 160 };

/* What is left of the input: it decides everything. */
typedef struct script {
    const uint8_t *data;
    size_t size;
} script;

typedef struct world {
    script in;
    pond_config *config;
    pond_pool *pool;
    pond_loop *loop;
    pond_connection *connections[CONNECTIONS];
    pond_op *ops[OPS];
    pond_result *results[RESULTS];
    pond_error *error;
    unsigned char *options; /* exactly as big as it says, so that a byte too far is seen */
    pond_tag tags[2];
} world;

static unsigned take(script *in)
{
    if (!in->size)
        return 0;
    in->size--;
    return *in->data++;
}

/* The outcome of a call: its error is there if it failed, and no output is. */
static void check(world *at, int code, const void *output)
{
    CHECK(code <= 0 && strcmp(pond_error_name(code), "UNKNOWN") != 0);
    CHECK(!code || !output);
    CHECK(!at->error || (code && pond_error_code(at->error) == code));
    CHECK(!at->error || *pond_error_message(at->error));
    pond_error_free(at->error);
    at->error = NULL;
}

/* ---- Arguments --------------------------------------------------------------------------- */

static const char *statement(world *at, int blocks, size_t *size)
{
    static const char *const texts[] = {
        "ECHO ?, ?", "ECHO ?", "ROWS 3 2", "ROWS 0 1", "ROWS 100 1",           "SLEEP 1",
        "DROP",      "SET x",  "SHOW",     "PINGS",    "FAIL EDEADLOCK 40P01", "'open",
        "",          "what",   "FAIL",     "HANG",
    };
    enum { COUNT = sizeof(texts) / sizeof(texts[0]) };
    const char *text = texts[take(&at->in) % (COUNT - (blocks ? 1 : 0))];
    *size = strlen(text);
    if (take(&at->in) % 16 == 0)
        *size /= 2;
    return text;
}

static int64_t timeout(world *at)
{
    static const int64_t timeouts[] = {
        POND_TIMEOUT_DEFAULT, POND_TIMEOUT_NONE, 1, 2, 0, -7, INT64_MIN, INT64_MAX, 3};
    return timeouts[take(&at->in) % (sizeof(timeouts) / sizeof(timeouts[0]))];
}

/* For calls that block: it comes soon. */
static int64_t short_timeout(world *at)
{
    return 1 + take(&at->in) % 3;
}

static const pond_execute_options *execute_options(world *at, int64_t timeout_ms)
{
    pond_execute_options all;
    unsigned char image[ROOM];
    size_t size = take(&at->in) % 48;
    if (size > 44)
        return NULL;
    if (size < 4)
        size = sizeof(all);
    memset(&all, 0, sizeof(all));
    all.struct_size = take(&at->in) % 32 ? (uint32_t)size : take(&at->in) % 4;
    all.flags = take(&at->in) % 4;
    all.timeout_ms = timeout_ms;
    all.tag_count = take(&at->in) % 3;
    all.tags = take(&at->in) % 16 ? at->tags : NULL;
    memset(image, (int)take(&at->in), sizeof(image));
    memcpy(image, &all, sizeof(all));
    free(at->options);
    at->options = malloc(size);
    CHECK(at->options);
    memcpy(at->options, image, size);
    return (const pond_execute_options *)(const void *)at->options;
}

static void fill(world *at, pond_value *values, size_t count)
{
    static const pond_value items[1] = {{.type = POND_TYPE_INT64}};
    memset(values, 0, count * sizeof(*values));
    for (size_t i = 0; i < count; i++) {
        values[i].type = take(&at->in) % (POND_TYPE_ARRAY + 2);
        values[i].as.integer = (int64_t)take(&at->in) << take(&at->in) % 56;
        if (values[i].type == POND_TYPE_ARRAY) {
            values[i].as.array.items = items;
            values[i].as.array.count = take(&at->in) % 2;
        } else if (values[i].type == POND_TYPE_DECIMAL || values[i].type == POND_TYPE_TEXT ||
                   values[i].type == POND_TYPE_BYTES || values[i].type == POND_TYPE_JSON) {
            values[i].as.text.data = "text";
            values[i].as.text.size = take(&at->in) % 5;
        }
    }
}

/* ---- Where handles are kept -------------------------------------------------------------- */

static pond_connection **connection_at(world *at)
{
    return &at->connections[take(&at->in) % CONNECTIONS];
}

static void keep_op(world *at, pond_op *op)
{
    pond_op **place = &at->ops[take(&at->in) % OPS];
    pond_op_release(*place);
    *place = op;
}

static void keep_result(world *at, pond_result *result)
{
    pond_result **place = &at->results[take(&at->in) % RESULTS];
    pond_result_release(*place);
    *place = result;
}

static void keep_connection(world *at, pond_connection *connection)
{
    pond_connection **place = connection_at(at);
    pond_connection_release(*place); /* may be leased still: then it goes back with a warning */
    *place = connection;
}

/* ---- Calls ------------------------------------------------------------------------------- */

static void acquire(world *at)
{
    pond_op *op = NULL;
    int wants = take(&at->in) % 4 != 0;
    check(at,
          pond_pool_acquire(at->pool, at->loop, timeout(at), at, wants ? &op : NULL, &at->error),
          NULL);
    keep_op(at, op);
}

static void acquire_now(world *at)
{
    pond_connection *connection = NULL;
    int code = take(&at->in) % 2
                   ? pond_pool_try_acquire(at->pool, at->loop, &connection, &at->error)
                   : pond_pool_acquire_wait(at->pool, at->loop, short_timeout(at), &connection,
                                            &at->error);
    check(at, code, connection);
    if (connection)
        keep_connection(at, connection);
}

static void execute(world *at)
{
    pond_value params[6];
    size_t size;
    pond_op *op = NULL;
    pond_connection *connection = *connection_at(at);
    if (!connection)
        return;
    const char *sql = statement(at, 0, &size);
    size_t count = take(&at->in) % 3;
    const pond_execute_options *options = execute_options(at, timeout(at));
    fill(at, params, 6);
    int code;
    switch (take(&at->in) % 3) {
    case 0:
        code = pond_connection_execute(connection, sql, size, params, count, options, at, &op,
                                       &at->error);
        break;
    case 1:
        code = pond_connection_execute_many(connection, sql, size, params, take(&at->in) % 3, count,
                                            options, at, &op, &at->error);
        break;
    default:
        code = pond_connection_stream(connection, sql, size, params, count, take(&at->in) % 3,
                                      options, at, &op, &at->error);
    }
    check(at, code, op);
    if (op && pond_op_status(op) != POND_PENDING) /* it was done at once */
        keep_result(at, pond_op_take_result(op));
    keep_op(at, op);
}

static void execute_and_wait(world *at)
{
    pond_value params[6];
    size_t size;
    pond_result *result = NULL;
    pond_connection *connection = *connection_at(at);
    if (!connection)
        return;
    const char *sql = statement(at, 1, &size);
    size_t count = take(&at->in) % 3;
    const pond_execute_options *options = execute_options(at, short_timeout(at));
    fill(at, params, 6);
    int code;
    switch (take(&at->in) % 4) {
    case 0:
        code = pond_connection_execute_many_wait(connection, sql, size, params, take(&at->in) % 3,
                                                 count, options, &result, &at->error);
        break;
    case 1:
        code = pond_connection_stream_wait(connection, sql, size, params, count, take(&at->in) % 3,
                                           options, &result, &at->error);
        break;
    case 2:
        code = pond_connection_fetch_wait(connection, short_timeout(at), &result, &at->error);
        break;
    default:
        code = pond_connection_execute_wait(connection, sql, size, params, count, options, &result,
                                            &at->error);
    }
    check(at, code, result);
    keep_result(at, result);
}

static void transact(world *at)
{
    pond_connection *connection = *connection_at(at);
    pond_transaction_verb verb = (pond_transaction_verb)(take(&at->in) % 5);
    pond_op *op = NULL;
    int open = 7;
    if (!connection)
        return;
    if (take(&at->in) % 2) {
        check(at, pond_connection_transaction_wait(connection, verb, short_timeout(at), &at->error),
              NULL);
    } else {
        check(at, pond_connection_transaction(connection, verb, timeout(at), at, &op, &at->error),
              op);
        keep_op(at, op);
    }
    int code = pond_connection_in_transaction(connection, &open, &at->error);
    CHECK(open == 0 || (open == 1 && !code));
    check(at, code, NULL);
}

static void end_stream(world *at)
{
    pond_connection *connection = *connection_at(at);
    pond_op *op = NULL;
    if (!connection)
        return;
    if (take(&at->in) % 2)
        check(at, pond_connection_end_stream(connection, timeout(at), at, &op, &at->error), op);
    else
        check(at, pond_connection_fetch(connection, timeout(at), at, &op, &at->error), op);
    keep_op(at, op);
}

static void end_lease(world *at)
{
    pond_connection **place = connection_at(at);
    if (!*place)
        return;
    switch (take(&at->in) % 4) {
    case 0:
        check(at, pond_connection_close(*place, &at->error), NULL);
        break;
    case 1:
        pond_connection_release(*place);
        *place = NULL;
        break;
    default:
        check(at, pond_connection_give_back(*place, &at->error), NULL);
    }
}

static void drain(world *at)
{
    pond_op *op;
    int64_t wait_ms = take(&at->in) % 3;
    check(at,
          take(&at->in) % 2 ? pond_loop_run_nowait(at->loop, &at->error)
                            : pond_loop_run(at->loop, wait_ms, &at->error),
          NULL);
    while ((op = pond_loop_next(at->loop))) {
        CHECK(pond_op_status(op) <= 0 && pond_op_user_data(op) == at);
        pond_connection *connection = pond_op_take_connection(op);
        pond_result *result = pond_op_take_result(op);
        at->error = pond_op_take_error(op);
        CHECK((at->error != NULL) == (pond_op_status(op) < 0));
        check(at, pond_op_status(op), result);
        if (connection)
            keep_connection(at, connection);
        if (result)
            keep_result(at, result);
        pond_op_release(op);
    }
}

static void use_op(world *at)
{
    pond_op *op = at->ops[take(&at->in) % OPS];
    if (!op)
        return;
    if (take(&at->in) % 2) {
        pond_op_cancel(op);
        return;
    }
    int code = pond_op_wait(op, take(&at->in) % 3, &at->error);
    CHECK(code == POND_EAGAIN || pond_op_status(op) == code);
    pond_error_free(at->error);
    at->error = NULL;
}

static void read_result(world *at)
{
    pond_value cells[8];
    pond_result *result = at->results[take(&at->in) % RESULTS];
    if (!result)
        return;
    size_t columns = pond_result_column_count(result);
    size_t row = take(&at->in);
    CHECK(columns <= 8);
    int code = pond_result_row(result, row, cells, &at->error);
    CHECK((code == POND_OK) == (row < pond_result_row_count(result)));
    check(at, code, NULL);
    CHECK(!pond_result_column_name(result, columns));
    (void)pond_result_more(result);
    (void)pond_result_affected(result);
}

static void read_status(world *at)
{
    pond_pool_status status;
    size_t size = take(&at->in) % ROOM;
    unsigned char *room = malloc(size + 4);
    CHECK(room);
    memset(room, 0xa5, size + 4);
    uint32_t told = (uint32_t)(size + 4);
    memcpy(room, &told, sizeof(told));
    check(at, pond_pool_get_status(at->pool, (pond_pool_status *)(void *)room, &at->error), NULL);
    for (size_t i = sizeof(status); i < size + 4; i++)
        CHECK(room[i] == 0xa5);
    free(room);
    memset(&status, 0, sizeof(status));
    status.struct_size = sizeof(status);
    CHECK(pond_pool_get_status(at->pool, &status, NULL) == POND_OK);
    CHECK(status.size == status.in_use + status.idle && status.size <= status.max_size);
}

static void configure(world *at)
{
    static const char *const keys[] = {"pool_max_size",           "connect_delay", "host", "port",
                                       "query_execution_timeout", "nonsense",      ""};
    static const char *const values[] = {"1", "0", "-1", "many", "", "999999999999999999999"};
    const char *key = keys[take(&at->in) % (sizeof(keys) / sizeof(keys[0]))];
    unsigned value = take(&at->in) % (1 + sizeof(values) / sizeof(values[0]));
    pond_config *config = NULL;
    pond_pool *pool = NULL;
    check(at, pond_config_set(at->config, key, value ? values[value - 1] : NULL, &at->error), NULL);
    CHECK(pond_config_new("fake", &config, NULL) == POND_OK);
    check(at, pond_config_set(config, key, value ? values[value - 1] : NULL, &at->error), NULL);
    check(at, pond_config_check(config, &at->error), NULL);
    check(at, pond_pool_open(config, &pool, &at->error), NULL);
    pond_pool_release(pool);
    pond_config_release(config);
}

static void close_something(world *at)
{
    pond_op *op = NULL;
    switch (take(&at->in) % 8) {
    case 0:
        check(at, pond_pool_close(at->pool, at->loop, take(&at->in) % 3, at, &op, &at->error), op);
        keep_op(at, op);
        break;
    case 1:
        pond_loop_close(at->loop);
        break;
    default:
        break;
    }
    while (pond_log_pending())
        pond_log_free(pond_log_next());
}

/* ---- A run ------------------------------------------------------------------------------- */

static void begin(world *at)
{
    static const char *const sizes[] = {"1", "2", "4"};
    static const char *const delays[] = {"0", "0.001"};
    at->tags[0] = (pond_tag){"route", "a*/b"};
    at->tags[1] = (pond_tag){"user", "me"};
    CHECK(pond_config_new("fake", &at->config, NULL) == POND_OK);
    CHECK(pond_config_set(at->config, "database", "fuzz", NULL) == POND_OK);
    CHECK(pond_config_set(at->config, "pool_min_size", "0", NULL) == POND_OK);
    CHECK(pond_config_set(at->config, "pool_max_size", sizes[take(&at->in) % 3], NULL) == POND_OK);
    CHECK(pond_config_set(at->config, "connect_delay", delays[take(&at->in) % 2], NULL) == POND_OK);
    CHECK(pond_pool_open(at->config, &at->pool, NULL) == POND_OK);
    CHECK(pond_loop_new(&at->loop, NULL) == POND_OK);
}

static void end(world *at)
{
    for (int i = 0; i < OPS; i++)
        pond_op_release(at->ops[i]);
    for (int i = 0; i < CONNECTIONS; i++)
        pond_connection_release(at->connections[i]);
    pond_loop_release(at->loop);
    for (int i = 0; i < RESULTS; i++)
        pond_result_release(at->results[i]); /* outlive all else */
    CHECK(pond_pool_close_wait(at->pool, 1, NULL) == POND_OK);
    pond_pool_release(at->pool);
    pond_config_release(at->config);
    free(at->options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const calls[])(world * at) = {
        acquire,     acquire_now, execute,         execute_and_wait, transact,
        end_stream,  drain,       end_lease,       use_op,           execute,
        read_result, read_status, close_something, configure,        acquire_now,
    };
    world at = {.in = {data, size}};
    begin(&at);
    for (int i = 0; i < STEPS && at.in.size; i++)
        calls[take(&at.in) % (sizeof(calls) / sizeof(calls[0]))](&at);
    end(&at);
    return 0;
}

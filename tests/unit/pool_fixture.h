/* A pool of the fake driver and a loop that drives it. */
#ifndef PONDI_TEST_POOL_FIXTURE_H
#define PONDI_TEST_POOL_FIXTURE_H

#include "check.h"

#include <stdio.h>
#include <unistd.h>

typedef struct world {
    pond_loop *loop;
    pond_pool *pool;
} world;

static inline pond_pool *open_pool(const char *const *settings)
{
    static int number;
    char alias[32];
    pond_config *config = NULL;
    pond_pool *pool = NULL;
    assert_int_equal(pond_config_new("fake", &config, NULL), POND_OK);
    snprintf(alias, sizeof(alias), "pool %d", ++number); /* a pool of its own for each test */
    pond_config_set(config, "alias", alias, NULL);
    pond_config_set(config, "database", "none", NULL);
    pond_config_set(config, "pool_min_size", "0", NULL); /* tests count connections */
    for (; settings && settings[0]; settings += 2) {
        assert_int_equal(pond_config_set(config, settings[0], settings[1], NULL), POND_OK);
        if (strcmp(settings[0], "pool_max_size") == 0) /* blocking threads have as many */
            assert_int_equal(pond_config_set(config, "sync_max_size", settings[1], NULL), POND_OK);
    }
    assert_int_equal(pond_pool_open(config, &pool, NULL), POND_OK);
    pond_config_release(config);
    return pool;
}

static inline world *begin(const char *const *settings)
{
    static world made;
    assert_int_equal(pond_loop_new(&made.loop, NULL), POND_OK);
    made.pool = open_pool(settings);
    return &made;
}

static inline pond_pool_status status_of(pond_pool *pool)
{
    pond_pool_status status = {.struct_size = sizeof(status)};
    assert_int_equal(pond_pool_get_status(pool, &status, NULL), POND_OK);
    assert_true(status.size >= status.in_use + status.idle + status.opening);
    return status;
}

/* Poll until a condition on `status` of `pool` holds. */
#define EVENTUALLY(of_pool, condition)                        \
    do {                                                      \
        pond_pool_status status;                              \
        int tries = 60000;                                    \
        while (status = status_of(of_pool), !(condition)) {   \
            if (tries-- == 0)                                 \
                fail_msg("never came to be: %s", #condition); \
            usleep(1000);                                     \
        }                                                     \
    } while (0)

/* The only cell of a statement's only row. */
static inline void cell_of(pond_connection *connection, const char *sql, pond_value *out,
                           char *text, size_t room)
{
    pond_result *result = NULL;
    assert_int_equal(
        pond_connection_execute_wait(connection, sql, strlen(sql), NULL, 0, NULL, &result, NULL),
        POND_OK);
    assert_int_equal(pond_result_row(result, 0, out, NULL), POND_OK);
    if (out->type == POND_TYPE_TEXT)
        snprintf(text, room, "%.*s", (int)out->as.text.size, out->as.text.data);
    pond_result_release(result);
}

static inline int64_t number_of(pond_connection *connection, const char *sql)
{
    pond_value value;
    cell_of(connection, sql, &value, NULL, 0);
    return value.as.integer;
}

/* Everything came back, and nothing is left. */
static inline void finish(world *at)
{
    pond_op *op = NULL;
    assert_int_equal(pond_pool_close(at->pool, at->loop, 5000, NULL, &op, NULL), POND_OK);
    assert_int_equal(pond_op_wait(op, 60000, NULL), POND_OK);
    pond_op_release(op);
    pond_pool_status status = status_of(at->pool);
    assert_int_equal(status.size, 0);
    assert_int_equal(status.acquired, status.released);
    pond_pool_release(at->pool);
    pond_loop_release(at->loop);
}

static inline pond_connection *acquire(world *at)
{
    pond_connection *connection = NULL;
    assert_int_equal(
        pond_pool_acquire_wait(at->pool, at->loop, POND_TIMEOUT_DEFAULT, &connection, NULL),
        POND_OK);
    return connection;
}

static inline void give_back(pond_connection *connection)
{
    assert_int_equal(pond_connection_give_back(connection, NULL), POND_OK);
    pond_connection_release(connection);
}

static inline int run(pond_connection *connection, const char *sql, int64_t timeout_ms,
                      pond_error **err)
{
    pond_result *result = NULL;
    pond_execute_options options = {.struct_size = sizeof(options), .timeout_ms = timeout_ms};
    int code =
        pond_connection_execute_wait(connection, sql, strlen(sql), NULL, 0, &options, &result, err);
    pond_result_release(result);
    return code;
}

static inline pond_op *start(pond_connection *connection, const char *sql)
{
    pond_op *op = NULL;
    assert_int_equal(
        pond_connection_execute(connection, sql, strlen(sql), NULL, 0, NULL, NULL, &op, NULL),
        POND_OK);
    return op;
}

/* Drive the loop until nothing is leased, opened or cleaned. */
static inline pond_pool_status wait_until_idle(world *at)
{
    for (int i = 0; i < 10000; i++) {
        pond_pool_status status = status_of(at->pool);
        if (status.size == status.idle)
            return status;
        pond_loop_run(at->loop, 10, NULL);
        pond_op *op;
        while ((op = pond_loop_next(at->loop)))
            pond_op_release(op);
    }
    fail_msg("the pool does not come to rest");
    return (pond_pool_status){0};
}

#endif

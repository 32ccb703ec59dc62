/* A temporary folder, a pool on a database in it, and one leased connection. */
#ifndef PONDI_TEST_SQLITE_FIXTURE_H
#define PONDI_TEST_SQLITE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

typedef struct fixture {
    char folder[64];
    char path[96];
    pond_pool *pool;
    pond_connection *conn;
} fixture;

/* Text of the last failure, for threads too: each has its own. */
static _Thread_local char last_message[512];
static _Thread_local char last_hint[256];
static _Thread_local char last_sqlstate[6];
static _Thread_local char last_constraint[64];
static _Thread_local int last_vendor_code;
static _Thread_local unsigned last_position;

static inline int note_error(int code, pond_error *error)
{
    if (error) {
        snprintf(last_message, sizeof(last_message), "%s", pond_error_message(error));
        snprintf(last_hint, sizeof(last_hint), "%s", pond_error_hint(error));
        snprintf(last_sqlstate, sizeof(last_sqlstate), "%s", pond_error_sqlstate(error));
        snprintf(last_constraint, sizeof(last_constraint), "%s", pond_error_constraint(error));
        last_vendor_code = pond_error_vendor_code(error);
        last_position = pond_error_position(error);
    }
    pond_error_free(error);
    return code;
}

/* `settings` are keys and values, ended by NULL. */
static inline pond_pool *open_pool(const char *database, const char *const *settings)
{
    pond_config *config = NULL;
    pond_pool *pool = NULL;
    assert_int_equal(pond_config_new("sqlite", &config, NULL), POND_OK);
    assert_int_equal(pond_config_set(config, "database", database, NULL), POND_OK);
    for (; settings && *settings; settings += 2)
        assert_int_equal(pond_config_set(config, settings[0], settings[1], NULL), POND_OK);
    pond_error *error = NULL;
    int code = pond_pool_open(config, &pool, &error);
    note_error(code, error);
    pond_config_release(config);
    return pool;
}

static inline void close_pool(pond_pool *pool)
{
    if (pool)
        assert_int_equal(pond_pool_close_wait(pool, 10000, NULL), POND_OK);
    pond_pool_release(pool);
}

static inline int lease(pond_pool *pool, pond_connection **out)
{
    pond_error *error = NULL;
    int code = pond_pool_acquire_wait(pool, NULL, 60000, out, &error);
    return note_error(code, error);
}

static inline void give_back(pond_connection *conn)
{
    if (conn)
        pond_connection_give_back(conn, NULL);
    pond_connection_release(conn);
}

/* Execute; the code is returned, and the result stored if it is asked for. */
static inline int execute_within(pond_connection *conn, int64_t timeout_ms, const char *sql,
                                 const pond_value *params, size_t count, pond_result **out)
{
    pond_error *error = NULL;
    pond_result *result = NULL;
    pond_execute_options options = {.struct_size = sizeof(options), .timeout_ms = timeout_ms};
    int code = pond_connection_execute_wait(conn, sql, strlen(sql), params, count, &options,
                                            &result, &error);
    if (out)
        *out = result;
    else
        pond_result_release(result);
    return note_error(code, error);
}

static inline int execute(pond_connection *conn, const char *sql, const pond_value *params,
                          size_t count, pond_result **out)
{
    return execute_within(conn, POND_TIMEOUT_DEFAULT, sql, params, count, out);
}

static inline void run(pond_connection *conn, const char *sql)
{
    if (execute(conn, sql, NULL, 0, NULL))
        fail_msg("%s: %s", sql, last_message);
}

static inline int64_t number_from(pond_connection *conn, const char *sql)
{
    pond_result *result;
    pond_value value;
    if (execute(conn, sql, NULL, 0, &result))
        fail_msg("%s: %s", sql, last_message);
    assert_int_equal(pond_result_row_count(result), 1);
    assert_int_equal(pond_result_row(result, 0, &value, NULL), POND_OK);
    assert_int_equal(value.type, POND_TYPE_INT64);
    pond_result_release(result);
    return value.as.integer;
}

static inline int transact(pond_connection *conn, pond_transaction_verb verb, int64_t timeout_ms)
{
    pond_error *error = NULL;
    int code = pond_connection_transaction_wait(conn, verb, timeout_ms, &error);
    return note_error(code, error);
}

static inline int is_open(pond_connection *conn)
{
    int open = -1;
    assert_int_equal(pond_connection_in_transaction(conn, &open, NULL), POND_OK);
    return open;
}

static inline pond_value of_integer(int64_t integer)
{
    pond_value value = {.type = POND_TYPE_INT64};
    value.as.integer = integer;
    return value;
}

static inline pond_value of_bytes(pond_type type, const char *data, size_t size)
{
    pond_value value = {.type = (uint32_t)type};
    value.as.text.data = data;
    value.as.text.size = size;
    return value;
}

static inline pond_value of_text(const char *text)
{
    return of_bytes(POND_TYPE_TEXT, text, strlen(text));
}

static inline int set_up_folder(void **state)
{
    fixture *at = calloc(1, sizeof(*at));
    snprintf(at->folder, sizeof(at->folder), "/tmp/millpond-sqlite-XXXXXX");
    if (!at || !mkdtemp(at->folder))
        return -1;
    snprintf(at->path, sizeof(at->path), "%s/test.db", at->folder);
    *state = at;
    return 0;
}

static inline int set_up(void **state)
{
    if (set_up_folder(state))
        return -1;
    fixture *at = *state;
    at->pool = open_pool(at->path, NULL);
    return at->pool && lease(at->pool, &at->conn) == POND_OK ? 0 : -1;
}

static inline int tear_down(void **state)
{
    fixture *at = *state;
    char command[128];
    give_back(at->conn);
    close_pool(at->pool);
    snprintf(command, sizeof(command), "rm -rf '%s'", at->folder);
    int failed;
    int tries = 1000; /* a pool that was only dropped closes its files when it comes to it */
    while ((failed = system(command)) && tries-- > 0)
        usleep(10000);
    free(at);
    return failed;
}

#define SQLITE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define FOLDER_TEST(test) cmocka_unit_test_setup_teardown(test, set_up_folder, tear_down)

#endif

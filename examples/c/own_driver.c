/* A driver of the program's own under millpond's pools: see keyvalue.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keyvalue.h"

static void check(int code, pond_error *error, const char *what)
{
    if (code == POND_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, error ? pond_error_message(error) : pond_error_text(code));
    exit(1);
}

static pond_pool *open_pool(void)
{
    pond_config *config = NULL;
    pond_pool *pool = NULL;
    pond_error *error = NULL;
    check(keyvalue_register(&error), error, "the driver");
    check(pond_config_from_url("keyvalue:///ponds?pool_min_size=0", &config, &error), error,
          "the URL");
    check(pond_pool_open(config, &pool, &error), error, "the pool");
    pond_config_release(config);
    return pool;
}

static pond_connection *acquire(pond_pool *pool)
{
    pond_connection *connection = NULL;
    pond_error *error = NULL;
    check(pond_pool_acquire_wait(pool, NULL, 5000, &connection, &error), error, "the connection");
    return connection;
}

static void put(pond_connection *connection, const char *key, const char *text)
{
    pond_error *error = NULL;
    const pond_value params[] = {pond_value_text(key), pond_value_text(text)};
    check(pond_connection_execute_wait(connection, "PUT ?, ?", 8, params, 2, NULL, NULL, &error),
          error, "PUT");
}

static void show(pond_connection *connection, const char *key)
{
    const char *text = NULL;
    size_t size = 0;
    pond_result *result = NULL;
    pond_error *error = NULL;
    const pond_value param = pond_value_text(key);
    check(pond_connection_execute_wait(connection, "GET ?", 5, &param, 1, NULL, &result, &error),
          error, "GET");
    if (pond_result_row_count(result))
        check(pond_result_text(result, 0, 0, &text, &size, &error), error, "the text");
    printf("%s = %.*s\n", key, (int)size, text ? text : "");
    pond_result_release(result);
}

/* A connection with an open transaction keeps the others out: their timeouts work here, too. */
static void wait_in_vain(pond_pool *pool)
{
    pond_error *error = NULL;
    pond_connection *other = acquire(pool);
    pond_execute_options options = POND_EXECUTE_OPTIONS_INIT;
    options.timeout_ms = 100;
    int code = pond_connection_execute_wait(other, "KEYS", 4, NULL, 0, &options, NULL, &error);
    printf("%s: %s\n", pond_error_name(code), pond_error_message(error));
    pond_error_free(error);
    pond_connection_release(other);
}

int main(void)
{
    pond_pool *pool = open_pool();
    pond_connection *connection = acquire(pool);
    pond_error *error = NULL;
    put(connection, "north", "1.5 hectares");
    check(pond_connection_transaction_wait(connection, POND_BEGIN, 5000, &error), error, "BEGIN");
    put(connection, "north", "dry");
    wait_in_vain(pool);
    check(pond_connection_transaction_wait(connection, POND_ROLLBACK, 5000, &error), error,
          "ROLLBACK");
    show(connection, "north");
    pond_connection_release(connection);
    check(pond_pool_close_wait(pool, 5000, &error), error, "closing");
    pond_pool_status status = {.struct_size = sizeof(status)};
    check(pond_pool_get_status(pool, &status, &error), error, "the status");
    printf("%llu connections were opened, %llu closed\n", (unsigned long long)status.created,
           (unsigned long long)status.destroyed);
    pond_pool_release(pool);
    return 0;
}

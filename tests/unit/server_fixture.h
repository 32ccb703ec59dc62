/* The servers that tests/support started. A missing one is a failure. */
#ifndef PONDI_TEST_SERVER_FIXTURE_H
#define PONDI_TEST_SERVER_FIXTURE_H

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

/* A server's driver, where its address is, and how it says a few things. */
typedef struct server {
    const char *driver;
    const char *variable;
    const char *add_one;  /* to the parameter, an integer */
    const char *prepared; /* how many statements the session has prepared, itself included */
    const char *session;  /* its number */
    const char *sleep;
    const char *kill;     /* a session by its number */
    const char *count_to; /* the parameter, slowly */
    const char *same;     /* the parameter, an integer */
    const char *no_table; /* SQLSTATE */
    int commits_failed;   /* a transaction in which a statement failed can be committed */
} server;

static const server postgres_server = {
    .driver = "postgres",
    .variable = "MILLPOND_TEST_POSTGRES",
    .add_one = "SELECT ?::bigint + 1",
    .prepared = "SELECT count(*) FROM pg_prepared_statements",
    .session = "SELECT pg_backend_pid()",
    .sleep = "SELECT pg_sleep(600)",
    .kill = "SELECT pg_terminate_backend(?::int)",
    .count_to = "SELECT count(*)::bigint FROM generate_series(1, ?::bigint)",
    .same = "SELECT ?::bigint",
    .no_table = "42P01",
};

static const server mysql_server = {
    .driver = "mysql",
    .variable = "MILLPOND_TEST_MYSQL",
    .add_one = "SELECT CAST(? AS signed) + 1",
    /* Prepared_stmt_count would be of all sessions, those of other tests included */
    .prepared = "SELECT CAST(variable_value AS signed) FROM information_schema.session_status "
                "WHERE variable_name = 'Com_stmt_prepare'",
    .session = "SELECT connection_id()",
    .sleep = "SELECT sleep(600)",
    .kill = "KILL ?",
    .count_to = "SELECT count(*) FROM seq_1_to_100000 WHERE seq <= ?",
    .same = "SELECT CAST(? AS signed)",
    .no_table = "42S02",
    .commits_failed = 1,
};

/* The value of a key in the server's variable, a flat JSON object of plain strings and numbers. */
static inline void address_part(const server *at_server, const char *key, char *out, size_t room)
{
    const char *address = getenv(at_server->variable);
    char quoted[64];
    if (!address)
        fail_msg("%s is not set: run the tests through tests/run", at_server->variable);
    snprintf(quoted, sizeof(quoted), "\"%s\":", key);
    const char *at = strstr(address, quoted);
    assert_non_null(at);
    at += strlen(quoted);
    at += strspn(at, " \"");
    snprintf(out, room, "%.*s", (int)strcspn(at, "\",}"), at);
}

/* How to reach the server; NULL with an error if memory is out. */
static inline pond_config *server_config(const server *which, const char *alias, pond_error **err)
{
    static const char *const keys[] = {"host", "port", "user", "password", "database"};
    pond_config *config = NULL;
    char value[200];
    int code = pond_config_new(which->driver, &config, err);
    for (size_t i = 0; !code && i < sizeof(keys) / sizeof(keys[0]); i++) {
        address_part(which, keys[i], value, sizeof(value));
        code = pond_config_set(config, keys[i], value, err);
    }
    if (!code)
        code = pond_config_set(config, "alias", alias, err);
    if (!code)
        return config;
    pond_config_release(config);
    return NULL;
}

/* A pool of its own, told apart by `alias`. */
static inline pond_pool *open_server(const server *which, const char *alias,
                                     const char *const *settings)
{
    pond_config *config = server_config(which, alias, NULL);
    pond_pool *pool = NULL;
    assert_non_null(config);
    for (; settings && settings[0]; settings += 2)
        assert_int_equal(pond_config_set(config, settings[0], settings[1], NULL), POND_OK);
    assert_int_equal(pond_pool_open(config, &pool, NULL), POND_OK);
    pond_config_release(config);
    return pool;
}

#endif

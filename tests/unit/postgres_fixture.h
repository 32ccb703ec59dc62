/* The server that tests/support/postgres_server.py started. A missing one is a failure. */
#ifndef PONDI_TEST_POSTGRES_FIXTURE_H
#define PONDI_TEST_POSTGRES_FIXTURE_H

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

/* The value of a key in MILLPOND_TEST_POSTGRES, a flat JSON object of plain strings and numbers. */
static inline void address_part(const char *key, char *out, size_t room)
{
    const char *address = getenv("MILLPOND_TEST_POSTGRES");
    char quoted[64];
    if (!address)
        fail_msg("MILLPOND_TEST_POSTGRES is not set: run the tests through tests/run");
    snprintf(quoted, sizeof(quoted), "\"%s\":", key);
    const char *at = strstr(address, quoted);
    assert_non_null(at);
    at += strlen(quoted);
    at += strspn(at, " \"");
    snprintf(out, room, "%.*s", (int)strcspn(at, "\",}"), at);
}

/* A pool of its own, told apart by `alias`. */
static inline pond_pool *open_postgres(const char *alias, const char *const *settings)
{
    static const char *const keys[] = {"host", "port", "user", "password", "database"};
    pond_config *config = NULL;
    pond_pool *pool = NULL;
    char value[200];
    assert_int_equal(pond_config_new("postgres", &config, NULL), POND_OK);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        address_part(keys[i], value, sizeof(value));
        assert_int_equal(pond_config_set(config, keys[i], value, NULL), POND_OK);
    }
    pond_config_set(config, "alias", alias, NULL);
    for (; settings && settings[0]; settings += 2)
        assert_int_equal(pond_config_set(config, settings[0], settings[1], NULL), POND_OK);
    assert_int_equal(pond_pool_open(config, &pool, NULL), POND_OK);
    pond_config_release(config);
    return pool;
}

#endif

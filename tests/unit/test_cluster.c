/* Several servers: which of them a connection goes to. */
#include "pool_fixture.h"

#include "base/clock.h"
#include "pool/pool.h"

/* Where a new connection goes; it is given back. */
static void where(world *at, char *host, size_t room)
{
    pond_value value;
    pond_connection *connection = acquire(at);
    cell_of(connection, "WHERE", &value, host, room);
    give_back(connection);
}

static void assert_goes_to(world *at, const char *expected)
{
    char host[64];
    where(at, host, sizeof(host));
    assert_string_equal(host, expected);
}

/* No connection is left, so that the next acquire opens one. */
static void forget_connections(world *at)
{
    pondi_pool_distrust(at->pool);
    wait_until_idle(at);
}

static void a_server_that_is_down_is_passed_over_and_the_next_is_preferred(void **state)
{
    (void)state;
    const char *const settings[] = {"host", "down1,down2,one,two", NULL};
    world *at = begin(settings);
    assert_goes_to(at, "one");
    forget_connections(at);
    assert_goes_to(at, "one");
    pond_pool_status status = status_of(at->pool);
    assert_int_equal(status.errors, 0); /* the pool has no outage */
    assert_int_equal(status.created, 2);
    finish(at);
}

static void a_silent_server_gets_only_its_share_of_the_time(void **state)
{
    (void)state;
    const char *const settings[] = {"host", "silent,one", "connection_creation_timeout", "1", NULL};
    world *at = begin(settings);
    assert_goes_to(at, "one");
    finish(at);
}

static void the_error_names_what_each_server_said(void **state)
{
    (void)state;
    const char *const settings[] = {"host", "down1,down2", NULL};
    world *at = begin(settings);
    pond_error *error = NULL;
    pond_connection *connection = NULL;
    assert_int_equal(
        pond_pool_acquire_wait(at->pool, at->loop, POND_TIMEOUT_NONE, &connection, &error),
        POND_ECONNECT);
    assert_string_equal(pond_error_message(error),
                        "cannot connect to database \"none\": none of the hosts accepts writes: "
                        "down1 is down, as told; down2 is down, as told");
    pond_error_free(error);
    finish(at);
}

static void an_error_that_all_servers_would_give_is_told_at_once(void **state)
{
    (void)state;
    const char *const settings[] = {"host", "one,two", "connect_error", "EAUTH", "connect_failures",
                                    "1000", NULL};
    world *at = begin(settings);
    pond_error *error = NULL;
    pond_connection *connection = NULL;
    assert_int_equal(
        pond_pool_acquire_wait(at->pool, at->loop, POND_TIMEOUT_NONE, &connection, &error),
        POND_EAUTH);
    assert_string_equal(pond_error_message(error), "cannot connect, as told");
    pond_error_free(error);
    finish(at);
}

/* ---- Roles ------------------------------------------------------------------------------- */

static void connections_go_to_the_primary_unless_another_role_is_asked_for(void **state)
{
    (void)state;
    const char *const settings[] = {"host", "standby1,standby2,one", NULL};
    world *at = begin(settings);
    assert_goes_to(at, "one");
    finish(at);
}

static void a_standby_that_refuses_a_write_is_left_for_good(void **state)
{
    (void)state;
    const char *const settings[] = {"host", "secret1,standby2,one", NULL};
    world *at = begin(settings);
    assert_goes_to(at, "secret1");
    pond_connection *connection = acquire(at);
    assert_int_equal(run(connection, "WRITE", 5000, NULL), POND_EREADONLY);
    pond_connection *other = acquire(at); /* a new one, while the first is still lent */
    char host[64];
    pond_value value;
    cell_of(other, "WHERE", &value, host, sizeof(host));
    assert_string_equal(host, "one");
    give_back(other);
    give_back(connection);
    wait_until_idle(at);
    assert_goes_to(at, "one");
    finish(at);
}

static void the_role_that_is_asked_for_chooses_the_server(void **state)
{
    (void)state;
    static const struct {
        const char *wanted;
        const char *hosts;
        const char *expected;
    } cases[] = {
        {"any", "standby,one", "standby"},       {"primary", "standby,one", "one"},
        {"read-write", "standby,one", "one"},    {"standby", "one,standby", "standby"},
        {"read-only", "one,standby", "standby"}, {"prefer-standby", "one,standby", "standby"},
        {"prefer-standby", "down,one", "one"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const settings[] = {"host", cases[i].hosts, "target_session_attrs",
                                        cases[i].wanted, NULL};
        world *at = begin(settings);
        assert_goes_to(at, cases[i].expected);
        finish(at);
    }
}

static void no_server_in_the_wanted_role_is_an_error(void **state)
{
    (void)state;
    const char *const settings[] = {"host", "standby1,standby2", "target_session_attrs",
                                    "read-write", NULL};
    world *at = begin(settings);
    pond_error *error = NULL;
    pond_connection *connection = NULL;
    assert_int_equal(
        pond_pool_acquire_wait(at->pool, at->loop, POND_TIMEOUT_NONE, &connection, &error),
        POND_ECONNECT);
    assert_non_null(strstr(pond_error_message(error), "none of the hosts accepts writes"));
    pond_error_free(error);
    finish(at);
}

static void a_role_that_does_not_exist_is_refused(void **state)
{
    (void)state;
    const char *const settings[] = {"target_session_attrs", "leader", NULL};
    world *at = begin(settings);
    pond_connection *connection = NULL;
    assert_int_equal(
        pond_pool_acquire_wait(at->pool, at->loop, POND_TIMEOUT_NONE, &connection, NULL),
        POND_EINVAL);
    finish(at);
}

static void refused_with(const char *const *settings, const char *message)
{
    world *at = begin(settings);
    pond_connection *connection = NULL;
    pond_error *error = NULL;
    assert_int_equal(
        pond_pool_acquire_wait(at->pool, at->loop, POND_TIMEOUT_NONE, &connection, &error),
        POND_EINVAL);
    assert_string_equal(pond_error_message(error), message);
    pond_error_free(error);
    finish(at);
}

/* Who gives a port too many has forgotten a host. */
static void more_ports_than_hosts_are_refused(void **state)
{
    (void)state;
    refused_with((const char *[]){"host", "one,two", "port", "1,2,3", NULL},
                 "port has 3 ports for 2 hosts: give one for each host, or one for all");
    refused_with((const char *[]){"port", "1,2", NULL},
                 "port has 2 ports for 1 host: give one for each host, or one for all");
}

static void words_of_postgres_are_checked_with_the_settings(void **state)
{
    (void)state;
    static const char *const wrong[][3] = {
        {"target_session_attrs", "leader", "not \"leader\""},
        {"load_balance_hosts", "radom", "must be disable or random, not \"radom\""},
    };
    for (size_t i = 0; i < 2; i++) {
        pond_config *config = NULL;
        pond_error *error = NULL;
        assert_int_equal(pond_config_new("postgres", &config, NULL), POND_OK);
        pond_config_set(config, "database", "none", NULL);
        pond_config_set(config, wrong[i][0], wrong[i][1], NULL);
        assert_int_equal(pond_config_check(config, &error), POND_EINVAL);
        assert_string_equal(pond_error_setting(error), wrong[i][0]);
        assert_non_null(strstr(pond_error_message(error), wrong[i][2]));
        pond_error_free(error);
        pond_config_release(config);
    }
}

/* ---- Leases ------------------------------------------------------------------------------ */

/* Its connection breaks before it was used, and the statement waits for one to another server. */
static void a_statement_waits_until_one_of_the_servers_has_taken_its_connection(void **state)
{
    (void)state;
    const char *const settings[] = {"host", "standby,down1,down2,one", "target_session_attrs",
                                    "any", NULL};
    world *at = begin(settings);
    pond_connection *connection = acquire(at);
    pond_connection *other = acquire(at);
    assert_int_equal(run(other, "WRITE", 5000, NULL), POND_EREADONLY); /* tried last from now on */
    pondi_loop_enter(at->loop, NULL);
    pondi_conn_broken(((pondi_slot *)connection->slot)->conn);
    pondi_loop_leave(at->loop);
    char host[64];
    pond_value value;
    cell_of(connection, "WHERE", &value, host, sizeof(host));
    assert_string_equal(host, "one");
    give_back(connection);
    give_back(other);
    finish(at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_is_down_is_passed_over_and_the_next_is_preferred),
        cmocka_unit_test(a_silent_server_gets_only_its_share_of_the_time),
        cmocka_unit_test(the_error_names_what_each_server_said),
        cmocka_unit_test(an_error_that_all_servers_would_give_is_told_at_once),
        cmocka_unit_test(connections_go_to_the_primary_unless_another_role_is_asked_for),
        cmocka_unit_test(a_standby_that_refuses_a_write_is_left_for_good),
        cmocka_unit_test(the_role_that_is_asked_for_chooses_the_server),
        cmocka_unit_test(no_server_in_the_wanted_role_is_an_error),
        cmocka_unit_test(a_role_that_does_not_exist_is_refused),
        cmocka_unit_test(more_ports_than_hosts_are_refused),
        cmocka_unit_test(words_of_postgres_are_checked_with_the_settings),
        cmocka_unit_test(a_statement_waits_until_one_of_the_servers_has_taken_its_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

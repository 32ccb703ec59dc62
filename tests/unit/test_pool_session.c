/* What one lease leaves behind, and what may be known of leases. */
#include "pool_fixture.h"

/* The session's setting on the pool's only connection, as the next lease sees it. */
static void next_setting(world *at, char *text, size_t room)
{
    pond_value value;
    pond_connection *connection = acquire(at);
    cell_of(connection, "SHOW", &value, text, room);
    give_back(connection);
}

static void change(world *at, const char *sql)
{
    pond_connection *connection = acquire(at);
    assert_int_equal(run(connection, sql, 20000, NULL), POND_OK);
    give_back(connection);
}

static world *begin_with_reset(const char *mode)
{
    const char *const settings[] = {"pool_max_size", "1", "pool_reset", mode, NULL};
    return begin(settings);
}

static void a_touched_session_is_reset_before_the_next_lease(void **state)
{
    (void)state;
    char text[32];
    world *at = begin_with_reset("touched");
    change(at, "SET one");
    next_setting(at, text, sizeof(text));
    assert_string_equal(text, "");
    assert_int_equal(status_of(at->pool).created, 1);
    finish(at);
}

static void resetting_can_be_turned_off(void **state)
{
    (void)state;
    char text[32];
    world *at = begin_with_reset("never");
    change(at, "SET one");
    next_setting(at, text, sizeof(text));
    assert_string_equal(text, "one");
    finish(at);
}

static void settings_of_the_pool_are_checked(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"pool_reset", "sometimes"},   {"pool_close_transactions", "keep"},
        {"pool_idle_timeout", "soon"}, {"pool_max_lifetime", "-1"},
        {"pool_keepalive", "x"},       {"pool_validate_after", ""},
        {"pool_reconnect_delay", "0"}, {"pool_reconnect_max_delay", "4000"},
        {"pool_fail_fast", "maybe"}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        pond_config *config = NULL;
        pond_error *error = NULL;
        assert_int_equal(pond_config_new("fake", &config, NULL), POND_OK);
        pond_config_set(config, "database", "none", NULL);
        assert_int_equal(pond_config_set(config, wrong[i][0], wrong[i][1], NULL), POND_OK);
        assert_int_equal(pond_config_check(config, &error), POND_EINVAL);
        assert_non_null(strstr(pond_error_message(error), wrong[i][0]));
        pond_error_free(error);
        pond_config_release(config);
    }
}

static void a_host_sets_up_each_session_once(void **state)
{
    (void)state;
    char text[32];
    world *at = begin_with_reset("touched");
    pond_connection *connection = acquire(at);
    assert_int_equal(pond_connection_is_fresh(connection), 1);
    run(connection, "SET mine", 20000, NULL);
    assert_int_equal(pond_connection_set_up(connection, NULL), POND_OK);
    assert_int_equal(pond_connection_is_fresh(connection), 0);
    give_back(connection);
    next_setting(at, text, sizeof(text));
    assert_string_equal(text, "mine"); /* what the host set does not count as changed */
    change(at, "SET other");
    connection = acquire(at);
    assert_int_equal(pond_connection_is_fresh(connection), 1); /* reset: to be set up again */
    pond_connection_give_back(connection, NULL);
    assert_int_equal(pond_connection_set_up(connection, NULL), POND_ESTALE);
    assert_int_equal(pond_connection_is_fresh(connection), 0);
    pond_connection_release(connection);
    finish(at);
}

static void leases_can_be_listed_by_age_with_their_tags(void **state)
{
    (void)state;
    static const char me[] = "this test";
    int first_tag = 1;
    pond_lease_info info[4];
    world *at = begin(NULL);
    assert_int_equal(pond_pool_leases(at->pool, 0, info, sizeof(info[0]), 4), 0);
    pond_connection *first = acquire(at);
    pond_connection_set_tag(first, me, &first_tag);
    usleep(120000);
    pond_connection *second = acquire(at);
    assert_int_equal(pond_pool_leases(at->pool, 0, info, sizeof(info[0]), 4), 2);
    assert_int_equal(pond_pool_leases(at->pool, 0, info, sizeof(info[0]), 1), 2);
    assert_int_equal(pond_pool_leases(at->pool, 3600000, info, sizeof(info[0]), 4), 0);
    assert_int_equal(pond_pool_leases(at->pool, INT64_MAX, info, sizeof(info[0]), 4), 0);
    assert_int_equal(pond_pool_leases(at->pool, INT64_MIN, info, sizeof(info[0]), 4), 2);
    int64_t age_ms; /* of the first; unless the machine dawdles, the second is not as old yet */
    do {
        assert_int_equal(pond_pool_leases(at->pool, 0, info, sizeof(info[0]), 4), 2);
        age_ms = info[0].age_ms > info[1].age_ms ? info[0].age_ms : info[1].age_ms;
        assert_true(age_ms >= 100);
    } while (pond_pool_leases(at->pool, age_ms, info, sizeof(info[0]), 4) != 1);
    assert_true(info[0].age_ms >= age_ms);
    assert_int_equal(info[0].connection_id, pond_connection_id(first));
    assert_ptr_equal(info[0].tag_owner, me);
    assert_ptr_equal(info[0].tag, &first_tag);
    give_back(first);
    give_back(second);
    assert_int_equal(pond_pool_leases(at->pool, 0, info, sizeof(info[0]), 4), 0);
    finish(at);
}

static const char *closing_log_of(const char *end)
{
    const char *const settings[] = {"pool_close_transactions", end, "fail_commit", "true", NULL};
    static char text[400];
    world *at = begin(settings);
    pond_connection *held = acquire(at);
    pond_connection_transaction_wait(held, POND_BEGIN, 20000, NULL);
    assert_int_equal(pond_pool_close_wait(at->pool, 1, NULL), POND_OK);
    pond_connection_release(held);
    text[0] = '\0';
    pond_log *record;
    while ((record = pond_log_next())) {
        strncat(text, pond_log_message(record), sizeof(text) - strlen(text) - 1);
        pond_log_free(record);
    }
    pond_pool_release(at->pool);
    pond_loop_release(at->loop);
    return text;
}

static void what_is_open_when_the_pool_closes_is_committed_or_rolled_back(void **state)
{
    (void)state;
    assert_non_null(strstr(closing_log_of("commit"), "could not be committed"));
    assert_null(strstr(closing_log_of("rollback"), "could not be"));
}

static void sizes_are_chosen_from_cores_and_memory(void **state)
{
    (void)state;
    uint32_t smallest = 0;
    uint32_t biggest = 0;
    pond_pool_default_size(&smallest, &biggest);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    assert_int_equal(smallest, cores / 2 > 3 ? cores / 2 : 3);
    assert_true(biggest >= smallest && biggest <= (cores * 4 > 20 ? cores * 4 : 20));
    world *at = begin(NULL);
    assert_int_equal(status_of(at->pool).max_size, biggest);
    finish(at);
}

RUN_TESTS(cmocka_unit_test(a_touched_session_is_reset_before_the_next_lease),
          cmocka_unit_test(resetting_can_be_turned_off),
          cmocka_unit_test(settings_of_the_pool_are_checked),
          cmocka_unit_test(a_host_sets_up_each_session_once),
          cmocka_unit_test(leases_can_be_listed_by_age_with_their_tags),
          cmocka_unit_test(what_is_open_when_the_pool_closes_is_committed_or_rolled_back),
          cmocka_unit_test(sizes_are_chosen_from_cores_and_memory))

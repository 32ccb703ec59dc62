/* How old a replica's data is, when a node is failing, how it comes back, how long calls take. */
#include "topology_cases.h"

#include "base/alloc.h"
#include "topology/health.h"
#include "topology/node.h"
#include "topology/staleness.h"

#define SECOND INT64_C(1000000000)
#define QUARTER (SECOND / 4)

/* ---- Staleness ---------------------------------------------------------------------------- */

static int64_t age_at(const pondi_staleness *ring, uint64_t lsn, int64_t now_ns)
{
    pondi_position position = pondi_position_of_lsn(1, lsn);
    return pondi_staleness_age(pondi_staleness_as_of(ring, &position), now_ns);
}

static void add(pondi_staleness *ring, int64_t asked_ns, uint32_t timeline, uint64_t lsn)
{
    pondi_position position = pondi_position_of_lsn(timeline, lsn);
    pondi_staleness_add(ring, asked_ns, &position);
}

static void data_is_as_old_as_the_newest_position_that_it_covers(void **state)
{
    (void)state;
    pondi_staleness ring = {0};
    assert_int_equal(age_at(&ring, 100, 5), PONDI_NEVER);
    add(&ring, 10, 1, 100);
    add(&ring, 20, 1, 200);
    add(&ring, 30, 1, 300);
    assert_int_equal(age_at(&ring, 99, 50), PONDI_NEVER);
    assert_int_equal(age_at(&ring, 100, 50), 40);
    assert_int_equal(age_at(&ring, 299, 50), 30);
    assert_int_equal(age_at(&ring, 300, 50), 20);
    assert_int_equal(age_at(&ring, 900, 50), 20);
    assert_int_equal(age_at(&ring, 900, 30), 0);
    assert_int_equal(age_at(&ring, 900, 29), 0);
    pondi_staleness_free(&ring);
}

static void an_idle_primary_makes_no_replica_look_old(void **state)
{
    (void)state;
    pondi_staleness ring = {0};
    for (int i = 1; i <= 10000; i++)
        add(&ring, i * QUARTER, 1, 100);
    assert_int_equal(ring.count, 1);
    assert_int_equal(age_at(&ring, 100, 10001 * QUARTER), QUARTER);
    assert_int_equal(age_at(&ring, 99, 10001 * QUARTER), PONDI_NEVER);
    pondi_staleness_free(&ring);
}

static void what_cannot_be_compared_is_of_unknown_age(void **state)
{
    (void)state;
    pondi_staleness ring = {0};
    pondi_position none = {0};
    add(&ring, 10, 2, 100);
    assert_int_equal(age_at(&ring, 500, 50), PONDI_NEVER); /* on timeline 1 */
    assert_int_equal(pondi_staleness_as_of(&ring, &none), PONDI_STALENESS_UNKNOWN);
    pondi_staleness_add(&ring, 20, &none);
    add(&ring, 5, 2, 50); /* asked earlier, heard later */
    assert_int_equal(ring.count, 1);
    pondi_staleness_free(&ring);
}

/* Hours of reports four times a second, of a primary that writes all the time: never too young,
 * and for at least an hour at most a tenth too old. */
static void the_ring_reaches_back_an_hour(void **state)
{
    (void)state;
    enum { REPORTS = 3 * 3600 * 4 };
    static pondi_staleness ring;
    for (int i = 1; i <= REPORTS; i++)
        add(&ring, i * QUARTER, 1, (uint64_t)i);
    for (int age = 0; age <= 3600 * 4; age++) {
        int64_t told = age_at(&ring, (uint64_t)(REPORTS - age), REPORTS * QUARTER);
        int64_t real = age * QUARTER;
        if (told < real || told > real + real / 10 + QUARTER)
            fail_msg("%d quarters of a second old data is told to be %lld", age,
                     (long long)(told / QUARTER));
    }
    assert_true(ring.count <= PONDI_STALENESS_RING);
    assert_int_equal(age_at(&ring, 1, REPORTS * QUARTER), PONDI_NEVER);
    pondi_staleness_free(&ring);
}

static void without_memory_data_is_taken_for_older(void **state)
{
    (void)state;
    static const char *const sets[] = {"3e11fa47-71ca-11e1-9e33-c80aa9429562:1",
                                       "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-2"};
    pondi_staleness ring = {0};
    pondi_position first = position_of("gtid_set", sets[0]);
    pondi_position second = position_of("gtid_set", sets[1]);
    pondi_staleness_add(&ring, 10, &first);
    pondi_alloc_fail_after(1, 1);
    pondi_staleness_add(&ring, 20, &second);
    pondi_alloc_fail_after(0, 0);
    assert_int_equal(pondi_staleness_as_of(&ring, &second), 10);
    pondi_staleness_add(&ring, 30, &second);
    assert_int_equal(pondi_staleness_as_of(&ring, &second), 30);
    assert_int_equal(pondi_staleness_as_of(&ring, &first), 10);
    pondi_position_free(&first);
    pondi_position_free(&second);
    pondi_staleness_free(&ring);
}

/* ---- Errors ------------------------------------------------------------------------------- */

static const pondi_health_settings settings = PONDI_HEALTH_SETTINGS_INIT;

/* Fail until the node is failing; how many failures that took. */
static uint32_t make_failing(pondi_health *health, int64_t now_ns)
{
    for (uint32_t failures = 1; failures < 100; failures++) {
        if (pondi_health_failed(health, &settings, now_ns))
            return failures;
    }
    return 0;
}

static void failures_in_a_row_make_a_node_failing(void **state)
{
    (void)state;
    pondi_health health = {0};
    for (int i = 0; i < 20; i++) {
        for (uint32_t failures = 1; failures < settings.failures; failures++)
            assert_int_equal(pondi_health_failed(&health, &settings, i), 0);
        pondi_health_succeeded(&health);
    }
    assert_false(pondi_health_failing(&health, 20));
    assert_int_equal(make_failing(&health, 20), settings.failures);
    assert_int_equal(make_failing(&health, 21), 0); /* it is failing already */
    assert_true(pondi_health_failing(&health, 20 + 5 * SECOND - 1));
    assert_false(pondi_health_failing(&health, 20 + 5 * SECOND));
}

static void a_node_that_fails_again_stays_away_for_longer(void **state)
{
    (void)state;
    pondi_health health = {0};
    const int64_t spans[] = {5, 10, 20, 40, 60, 60};
    int64_t now_ns = SECOND;
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        make_failing(&health, now_ns);
        assert_true(pondi_health_failing(&health, now_ns + spans[i] * SECOND - 1));
        now_ns += spans[i] * SECOND;
        assert_false(pondi_health_failing(&health, now_ns));
    }
    now_ns += settings.slow_start_ns; /* it has its full share again */
    make_failing(&health, now_ns);
    assert_false(pondi_health_failing(&health, now_ns + 5 * SECOND));
}

static void a_node_comes_back_slowly(void **state)
{
    (void)state;
    pondi_health health = {0};
    uint32_t before = 0;
    assert_int_equal(pondi_health_share(&health, &settings, 0), PONDI_SHARE_FULL);
    make_failing(&health, SECOND);
    for (int64_t now_ns = 6 * SECOND; now_ns < 16 * SECOND; now_ns += QUARTER) {
        uint32_t share = pondi_health_share(&health, &settings, now_ns);
        assert_true(share > before && share < PONDI_SHARE_FULL);
        before = share;
    }
    assert_int_equal(pondi_health_share(&health, &settings, 6 * SECOND), PONDI_SHARE_FULL / 16);
    assert_int_equal(pondi_health_share(&health, &settings, 16 * SECOND), PONDI_SHARE_FULL);
    pondi_health_came_back(&health, 20 * SECOND);
    assert_int_equal(pondi_health_share(&health, &settings, 20 * SECOND), PONDI_SHARE_FULL / 16);
    pondi_health_came_back(&health, 10 * SECOND); /* no way back in time */
    assert_int_equal(pondi_health_share(&health, &settings, 30 * SECOND - 1) < PONDI_SHARE_FULL, 1);
}

/* ---- Latency ------------------------------------------------------------------------------ */

static void the_mean_follows_what_is_measured(void **state)
{
    (void)state;
    pondi_latency latency = {0};
    assert_int_equal(pondi_latency_read(&latency, 5), 0);
    pondi_latency_note(&latency, 1000, 10);
    assert_int_equal(pondi_latency_read(&latency, 10), 1000);
    pondi_latency_note(&latency, 9000, 10);
    assert_int_equal(pondi_latency_read(&latency, 10), 2000);
    for (int i = 0; i < 100; i++)
        pondi_latency_note(&latency, 500, 10);
    assert_in_range(pondi_latency_read(&latency, 10), 499, 510);
    for (int i = 0; i < 200; i++)
        pondi_latency_note(&latency, -5, 10);
    assert_in_range(pondi_latency_read(&latency, 10), 1, 10);
}

static void a_node_that_was_slow_once_is_tried_again(void **state)
{
    (void)state;
    pondi_latency latency = {0};
    pondi_latency_note(&latency, 4 * SECOND, 10 * SECOND);
    assert_int_equal(pondi_latency_read(&latency, 10 * SECOND), 4 * SECOND);
    assert_int_equal(pondi_latency_read(&latency, 15 * SECOND), 3 * SECOND);
    assert_int_equal(pondi_latency_read(&latency, 20 * SECOND), 2 * SECOND);
    assert_int_equal(pondi_latency_read(&latency, 30 * SECOND), SECOND);
    assert_int_equal(pondi_latency_read(&latency, 5 * SECOND), 4 * SECOND);
    assert_int_equal(pondi_latency_read(&latency, INT64_MAX), 1);
    int64_t before = INT64_MAX;
    for (int64_t now_ns = 10 * SECOND; now_ns < 500 * SECOND; now_ns += QUARTER) {
        int64_t read_ns = pondi_latency_read(&latency, now_ns);
        assert_true(read_ns <= before && read_ns > 0);
        before = read_ns;
    }
}

RUN_TESTS(cmocka_unit_test(data_is_as_old_as_the_newest_position_that_it_covers),
          cmocka_unit_test(an_idle_primary_makes_no_replica_look_old),
          cmocka_unit_test(what_cannot_be_compared_is_of_unknown_age),
          cmocka_unit_test(the_ring_reaches_back_an_hour),
          cmocka_unit_test(without_memory_data_is_taken_for_older),
          cmocka_unit_test(failures_in_a_row_make_a_node_failing),
          cmocka_unit_test(a_node_that_fails_again_stays_away_for_longer),
          cmocka_unit_test(a_node_comes_back_slowly),
          cmocka_unit_test(the_mean_follows_what_is_measured),
          cmocka_unit_test(a_node_that_was_slow_once_is_tried_again))

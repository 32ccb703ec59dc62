/* Where a read under a session goes, by what the nodes have reported. */
#include "check.h"

#include "base/clock.h"
#include "cluster/lend.h"
#include "topology/session.h"

enum { NODES = 3, PRIMARY = PONDI_SERVER_PRIMARY | PONDI_SERVER_READ_WRITE };
enum { STANDBY = PONDI_SERVER_STANDBY | PONDI_SERVER_READ_ONLY };

typedef struct world {
    pondi_cluster cluster;
    pondi_cluster_node nodes[NODES];
    pond_session *session;
} world;

/* A node's report of now. */
static void report(world *at, size_t number, int role, uint64_t lsn)
{
    pondi_cluster_node *node = &at->nodes[number];
    node->report = (pondi_server_report){
        .role = role, .ready = 1, .streaming = 1, .position = pondi_position_of_lsn(1, lsn)};
    node->asked_ns = pondi_now_ns();
    node->reachable = 1;
    node->as_of_ns = node->asked_ns;
}

static void begin(world *at)
{
    static const char *const addresses[NODES] = {"n0", "n1", "n2"};
    *at = (world){0};
    at->cluster.nodes = at->nodes;
    at->cluster.count = NODES;
    at->cluster.routes = 1;
    at->cluster.monitored = 1; /* nobody asks but the test */
    at->cluster.max_lag_ns = PONDI_NEVER;
    strcpy(at->cluster.identity, "c");
    atomic_store(&at->cluster.known, 1);
    pthread_mutex_init(&at->cluster.lock, NULL);
    for (size_t i = 0; i < NODES; i++) {
        at->nodes[i].cluster = &at->cluster;
        at->nodes[i].number = i;
        at->nodes[i].weight = 1;
        strcpy(at->nodes[i].address, addresses[i]);
        report(at, i, i ? STANDBY : PRIMARY, 10);
    }
    assert_int_equal(pond_session_new(NULL, &at->session, NULL), POND_OK);
}

static void end(world *at)
{
    pond_session_release(at->session);
    pthread_mutex_destroy(&at->cluster.lock);
}

static pondi_lease_route choose_for(world *at, pond_consistency consistency, int read_only)
{
    const pondi_lease_wish wish = {
        .read_only = read_only, .consistency = consistency, .session = at->session, .may_wait = 1};
    pondi_lease_route route;
    pondi_position awaited;
    assert_int_equal(pondi_route_choose(&at->cluster, &wish, 0, &route, &awaited, NULL), POND_OK);
    assert_int_equal(route.waits != 0, awaited.kind != PONDI_POSITION_NONE);
    pondi_position_free(&awaited);
    return route;
}

static pondi_lease_route choose(world *at)
{
    return choose_for(at, POND_SESSION, 1);
}

static void use(world *at, const char *node)
{
    pondi_session_note_use(at->session, "c", node, pondi_now_ns());
}

static void what_is_pending_at_a_replica_is_read_there_until_it_reports(void **state)
{
    (void)state;
    world at;
    begin(&at);
    use(&at, "n1");
    for (int i = 0; i < 20; i++)
        assert_int_equal(choose(&at).node, 1);
    report(&at, 1, STANDBY, 12);
    report(&at, 2, STANDBY, 12);
    int others = 0;
    for (int i = 0; i < 200; i++)
        others += choose(&at).node == 2;
    assert_true(others > 0);
    end(&at);
}

static void the_primary_tells_how_far_a_read_anywhere_can_have_been(void **state)
{
    (void)state;
    world at;
    begin(&at);
    use(&at, "n1");
    use(&at, "n2");
    assert_int_equal(choose(&at).reason, PONDI_REASON_PENDING);
    report(&at, 1, STANDBY, 30);
    assert_int_equal(choose(&at).reason, PONDI_REASON_PENDING);
    report(&at, 0, PRIMARY, 20);
    assert_int_equal(choose(&at).node, 1);
    end(&at);
}

/* n1 was promoted, which nobody knows yet: it has more than n0, which follows it already. */
static void a_primary_that_became_a_standby_tells_nothing_of_others(void **state)
{
    (void)state;
    world at;
    begin(&at);
    use(&at, "n1");
    report(&at, 0, STANDBY, 10);
    for (int i = 0; i < 20; i++)
        assert_int_equal(choose(&at).node, 1);
    at.nodes[1].reachable = 0;
    pondi_lease_route route = choose(&at);
    assert_int_equal(route.node, PONDI_NO_NODE);
    assert_int_equal(route.reason, PONDI_REASON_PENDING);
    end(&at);
}

/* Where all nodes take writes, what another has committed may not be at the one in use yet. */
static void a_read_at_the_node_in_use_waits_for_other_writers(void **state)
{
    (void)state;
    world at;
    begin(&at);
    assert_false(choose_for(&at, POND_STRONG, 1).waits);
    atomic_store(&at.cluster.multi_writer, 1);
    assert_true(choose_for(&at, POND_STRONG, 1).waits);
    assert_false(choose_for(&at, POND_STRONG, 0).waits);
    assert_false(choose(&at).waits); /* at a replica that has all */
    use(&at, "n1");
    use(&at, "n2");
    pondi_lease_route route = choose(&at);
    assert_true(route.waits && route.fallback && route.node == PONDI_NO_NODE);
    end(&at);
}

RUN_TESTS(cmocka_unit_test(a_read_at_the_node_in_use_waits_for_other_writers),
          cmocka_unit_test(what_is_pending_at_a_replica_is_read_there_until_it_reports),
          cmocka_unit_test(the_primary_tells_how_far_a_read_anywhere_can_have_been),
          cmocka_unit_test(a_primary_that_became_a_standby_tells_nothing_of_others))

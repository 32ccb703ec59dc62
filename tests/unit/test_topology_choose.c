/* Which node serves a read: cases, and what holds of any nodes and any wish. */
#include "topology_cases.h"

#include <stdlib.h>

#include "base/clock.h"
#include "topology/choose.h"

enum { MOST = 8 };

/* ---- Cases -------------------------------------------------------------------------------- */

/* Milliseconds of a case: what is not given is `otherwise`, null is not known. */
static int64_t span_of(const json_t *of, const char *name, int64_t otherwise)
{
    if (json_is_null(json_object_get(of, name)))
        return PONDI_NEVER;
    return number_or(of, name, otherwise) * PONDI_NS_PER_MS;
}

static pondi_node node_of(const json_t *given)
{
    static const char *const roles[] = {"unknown", "primary", "replica"};
    static const char *const covers[] = {"no", "yes", "unknown"};
    return (pondi_node){
        .role = (pondi_node_role)word_index(text_or(given, "role", "replica"), roles, 3),
        .reachable = truth_or(given, "reachable", 1),
        .ready = truth_or(given, "ready", 1),
        .streaming = truth_or(given, "streaming", 1),
        .near = truth_or(given, "near", 1),
        .weight = (uint32_t)number_or(given, "weight", 1),
        .share = (uint32_t)number_or(given, "share", PONDI_SHARE_FULL),
        .failing = truth_or(given, "failing", 0),
        .in_flight = (uint32_t)number_or(given, "in_flight", 0),
        .latency_ns = span_of(given, "latency", 0),
        .report_age_ns = span_of(given, "report_age", 0),
        .staleness_ns = span_of(given, "staleness", 0),
        .covers = (pondi_covers)word_index(text_or(given, "covers", "yes"), covers, 3),
    };
}

/* The nodes of a case, judged. */
static uint32_t read_nodes(const json_t *cases, const json_t *one, pondi_node nodes[MOST])
{
    const json_t *given = member(cases, "limits");
    pondi_node_limits limits = {.max_report_age_ns = span_of(given, "max_report_age", 0),
                                .max_lag_ns = span_of(given, "max_lag", 0)};
    uint32_t count = (uint32_t)json_array_size(member(one, "nodes"));
    assert_true(count <= MOST);
    for (uint32_t i = 0; i < count; i++)
        nodes[i] = node_of(json_array_get(member(one, "nodes"), i));
    pondi_nodes_judge(nodes, count, &limits);
    return count;
}

static void nodes_are_judged(void **state)
{
    (void)state;
    json_t *cases = load_cases("choices");
    size_t i;
    json_t *one;
    json_array_foreach(member(cases, "judge"), i, one)
    {
        pondi_node nodes[MOST];
        uint32_t count = read_nodes(cases, one, nodes);
        print_message("  %s\n", text_or(one, "name", "?"));
        assert_int_equal(json_array_size(member(one, "out")), count);
        for (uint32_t at = 0; at < count; at++)
            assert_string_equal(pondi_node_out_word(nodes[at].out),
                                json_string_value(json_array_get(member(one, "out"), at)));
    }
    json_decref(cases);
}

static void data_of_unknown_age_is_too_old_without_a_limit_too(void **state)
{
    (void)state;
    const pondi_node_limits no_limits = {.max_report_age_ns = PONDI_NEVER,
                                         .max_lag_ns = PONDI_NEVER};
    pondi_node nodes[2];
    for (int i = 0; i < 2; i++)
        nodes[i] = (pondi_node){
            .role = PONDI_NODE_REPLICA, .reachable = 1, .ready = 1, .streaming = 1, .weight = 1};
    nodes[0].staleness_ns = PONDI_NEVER;
    nodes[1].staleness_ns = PONDI_NEVER - 1;
    pondi_nodes_judge(nodes, 2, &no_limits);
    assert_int_equal(nodes[0].out, PONDI_NODE_LAG);
    assert_int_equal(nodes[1].out, PONDI_NODE_IN);
}

static pondi_wish wish_of(const json_t *given)
{
    static const char *const words[] = {"strong", "session", "bounded", "eventual"};
    const json_t *pending = json_object_get(given, "pending");
    const json_t *random = json_object_get(given, "random");
    pondi_wish wish = {
        .freshness = (pondi_freshness)word_index(text_or(given, "freshness", "?"), words, 4),
        .max_staleness_ns = span_of(given, "max_staleness", 0),
        .pending = number_or(given, "pending", PONDI_PENDING_NOWHERE),
        .may_wait = truth_or(given, "may_wait", 0),
        .with_primary = truth_or(given, "with_primary", 0),
    };
    if (json_is_string(pending))
        wish.pending = PONDI_PENDING_PRIMARY;
    for (size_t i = 0; i < 2; i++)
        wish.random[i] = (uint64_t)(json_number_value(json_array_get(random, i)) * 0x1p64);
    return wish;
}

static void check_choice(const pondi_choice *choice, const json_t *expected)
{
    static const char *const routes[] = {"none", "node", "wait", "primary"};
    assert_string_equal(routes[choice->route], json_string_value(json_array_get(expected, 0)));
    assert_string_equal(pondi_reason_word(choice->reason),
                        json_string_value(json_array_get(expected, 1)));
    assert_int_equal(choice->node, json_integer_value(json_array_get(expected, 2)));
}

static void a_read_goes_where_it_may(void **state)
{
    (void)state;
    json_t *cases = load_cases("choices");
    size_t i;
    json_t *one;
    json_array_foreach(member(cases, "choose"), i, one)
    {
        pondi_node nodes[MOST];
        uint32_t count = read_nodes(cases, one, nodes);
        size_t at;
        json_t *pair;
        print_message("  %s\n", text_or(one, "name", "?"));
        json_array_foreach(member(one, "choices"), at, pair)
        {
            pondi_wish wish = wish_of(json_array_get(pair, 0));
            pondi_choice choice = pondi_choose(nodes, count, &wish);
            check_choice(&choice, json_array_get(pair, 1));
        }
    }
    json_decref(cases);
}

/* ---- Any nodes ----------------------------------------------------------------------------- */

enum { WALKS = 40000 };

static const pondi_node_limits limits = {.max_report_age_ns = 10, .max_lag_ns = 10};

static int64_t random_span(dice *from)
{
    return roll(from, 5) ? (int64_t)roll(from, 13) : PONDI_NEVER;
}

static pondi_node random_node(dice *from)
{
    uint64_t role = roll(from, 6);
    return (pondi_node){
        .role = role == 0   ? PONDI_NODE_PRIMARY
                : role == 1 ? PONDI_NODE_UNKNOWN
                            : PONDI_NODE_REPLICA,
        .reachable = roll(from, 8) != 0,
        .ready = roll(from, 8) != 0,
        .streaming = roll(from, 4) != 0,
        .near = roll(from, 2) != 0,
        .weight = (uint32_t)roll(from, 4),
        .share = (uint32_t)roll(from, PONDI_SHARE_FULL + 1),
        .failing = roll(from, 4) == 0,
        .in_flight = (uint32_t)roll(from, 5),
        .latency_ns = (int64_t)roll(from, 4),
        .report_age_ns = roll(from, 8) ? (int64_t)roll(from, 11) : PONDI_NEVER,
        .staleness_ns = random_span(from),
        .covers = (pondi_covers)roll(from, 3),
    };
}

static pondi_wish random_wish(dice *from, uint32_t count)
{
    return (pondi_wish){
        .freshness = (pondi_freshness)roll(from, 4),
        .max_staleness_ns = (int64_t)roll(from, 10),
        .pending = roll(from, 2) ? PONDI_PENDING_NOWHERE : (int64_t)roll(from, count + 2) - 2,
        .may_wait = roll(from, 2) != 0,
        .with_primary = roll(from, 4) == 0,
        .random = {roll(from, UINT64_MAX), roll(from, UINT64_MAX)},
    };
}

static int could_serve(const pondi_node *node)
{
    return node->role == PONDI_NODE_REPLICA && node->reachable && node->ready &&
           node->report_age_ns <= limits.max_report_age_ns;
}

static int has_fault(const pondi_node *node)
{
    return node->failing || !node->streaming || node->staleness_ns > limits.max_lag_ns;
}

/* As many are ejected as may be, none without a fault, and nobody who cannot serve is in. */
static void check_judgement(const pondi_node *nodes, uint32_t count)
{
    uint32_t able = 0;
    uint32_t faulty = 0;
    uint32_t ejected = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (nodes[i].role != PONDI_NODE_REPLICA)
            continue;
        int out = nodes[i].out != PONDI_NODE_IN;
        assert_true(could_serve(&nodes[i]) || out);
        assert_true(!could_serve(&nodes[i]) || has_fault(&nodes[i]) || !out);
        able += could_serve(&nodes[i]) != 0;
        faulty += could_serve(&nodes[i]) && has_fault(&nodes[i]);
        ejected += could_serve(&nodes[i]) && out;
    }
    assert_int_equal(ejected, faulty < able / 2 ? faulty : able / 2);
}

/* Whether a replica's data is what was asked for: 1 now, 2 once it has the session's position. */
static int is_fresh(const pondi_node *node, int64_t number, const pondi_wish *wish)
{
    if (wish->freshness == PONDI_FRESH_BOUNDED)
        return node->staleness_ns <= wish->max_staleness_ns;
    if (wish->freshness == PONDI_FRESH_EVENTUAL)
        return 1;
    if (wish->pending != PONDI_PENDING_NOWHERE && wish->pending != number)
        return 0;
    return node->covers == PONDI_COVERS_YES ? 1 : node->covers == PONDI_COVERS_NO ? 2 : 0;
}

/* Which replicas there are to choose from: `fresh` is 1 or 2, as above. */
static uint32_t count_fresh(const pondi_node *nodes, uint32_t count, const pondi_wish *wish,
                            int fresh, int near_only)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++)
        found += nodes[i].role == PONDI_NODE_REPLICA && nodes[i].out == PONDI_NODE_IN &&
                 nodes[i].weight && is_fresh(&nodes[i], i, wish) == fresh &&
                 (!near_only || nodes[i].near);
    return found;
}

static void check_route_to_node(const pondi_node *nodes, uint32_t count, const pondi_wish *wish,
                                const pondi_choice *choice)
{
    const pondi_node *node = &nodes[choice->node];
    assert_true(choice->node < count);
    assert_int_equal(node->out, PONDI_NODE_IN);
    assert_true(node->weight > 0);
    if (node->role == PONDI_NODE_PRIMARY) {
        assert_true(wish->with_primary);
        return;
    }
    int fresh = choice->route == PONDI_ROUTE_NODE ? 1 : 2;
    assert_int_equal(node->role, PONDI_NODE_REPLICA);
    assert_int_equal(is_fresh(node, choice->node, wish), fresh);
    if (fresh == 2)
        assert_int_equal(count_fresh(nodes, count, wish, 1, 0), 0);
    if (!node->near && !wish->with_primary)
        assert_int_equal(count_fresh(nodes, count, wish, fresh, 1), 0);
}

static void check_any_choice(const pondi_node *nodes, uint32_t count, const pondi_wish *wish)
{
    pondi_choice choice = pondi_choose(nodes, count, wish);
    int has_primary = 0;
    for (uint32_t i = 0; i < count; i++)
        has_primary |= nodes[i].role == PONDI_NODE_PRIMARY;
    if (choice.route == PONDI_ROUTE_NODE || choice.route == PONDI_ROUTE_WAIT) {
        assert_int_not_equal(wish->freshness, PONDI_FRESH_STRONG);
        assert_true(choice.route == PONDI_ROUTE_NODE || wish->may_wait);
        check_route_to_node(nodes, count, wish, &choice);
        return;
    }
    assert_int_equal(choice.route, has_primary ? PONDI_ROUTE_PRIMARY : PONDI_ROUTE_NONE);
    if (has_primary)
        assert_int_equal(nodes[choice.node].role, PONDI_NODE_PRIMARY);
    if (wish->freshness != PONDI_FRESH_STRONG) {
        assert_int_equal(count_fresh(nodes, count, wish, 1, 0), 0);
        assert_true(!wish->may_wait || count_fresh(nodes, count, wish, 2, 0) == 0);
    }
}

static void no_unhealthy_node_is_chosen_and_half_of_them_stay(void **state)
{
    (void)state;
    dice from = {4};
    for (int walk = 0; walk < WALKS; walk++) {
        pondi_node nodes[MOST];
        uint32_t count = 1 + (uint32_t)roll(&from, MOST);
        for (uint32_t i = 0; i < count; i++)
            nodes[i] = random_node(&from);
        pondi_nodes_judge(nodes, count, &limits);
        check_judgement(nodes, count);
        pondi_wish wish = random_wish(&from, count);
        check_any_choice(nodes, count, &wish);
    }
}

/* ---- Load ---------------------------------------------------------------------------------- */

enum { NODES = 4, LEASES = 20000 };

/* Each node ends its leases at its own speed; which of them is chosen says how even they are. */
static void load_follows_speed_and_weight(void **state)
{
    (void)state;
    dice from = {5};
    uint32_t chosen[NODES] = {0};
    double debt[NODES] = {0};
    const double speeds[NODES] = {1, 1, 2, 0.25};
    pondi_node nodes[NODES];
    for (int i = 0; i < NODES; i++)
        nodes[i] = (pondi_node){.role = PONDI_NODE_REPLICA,
                                .weight = 1,
                                .share = PONDI_SHARE_FULL,
                                .near = 1,
                                .latency_ns = (int64_t)(1000 / speeds[i])};
    for (int lease = 0; lease < LEASES; lease++) {
        pondi_wish wish = {.freshness = PONDI_FRESH_EVENTUAL,
                           .random = {roll(&from, UINT64_MAX), roll(&from, UINT64_MAX)}};
        uint32_t node = pondi_choose(nodes, NODES, &wish).node;
        chosen[node]++;
        nodes[node].in_flight++;
        for (int i = 0; i < NODES; i++) { /* together as fast as leases come */
            debt[i] += speeds[i] / 4.25;
            while (debt[i] >= 1 && nodes[i].in_flight) {
                debt[i] -= 1;
                nodes[i].in_flight--;
            }
            debt[i] = debt[i] > 1 ? 1 : debt[i];
        }
    }
    for (int i = 0; i < NODES; i++) { /* each gets its part, to a fifth of it */
        double part = (double)chosen[i] / LEASES;
        assert_true(part > 0.8 * speeds[i] / 4.25 && part < 1.2 * speeds[i] / 4.25);
    }
}

/* With nothing in flight each gets its part by weight and speed: 1, 2, 1, 2 of 6, and one that has
 * just come back little. */
static void idle_nodes_are_drawn_by_weight_and_speed(void **state)
{
    (void)state;
    enum { ALL = 5, DRAWS = 60000, EACH = DRAWS / 6 };
    dice from = {6};
    const int expected[ALL] = {EACH, 2 * EACH, EACH, 2 * EACH, EACH / PONDI_SHARE_FULL};
    int chosen[ALL] = {0};
    pondi_node nodes[ALL];
    for (uint32_t i = 0; i < ALL; i++)
        nodes[i] = (pondi_node){.role = PONDI_NODE_REPLICA,
                                .weight = i == 1 || i == 2 ? 2 : 1,
                                .share = i == 4 ? 0 : PONDI_SHARE_FULL,
                                .near = 1,
                                .latency_ns = i == 2   ? 4000
                                              : i == 3 ? 1000
                                                       : 2000};
    for (int i = 0; i < DRAWS; i++) {
        pondi_wish wish = {.freshness = PONDI_FRESH_EVENTUAL,
                           .random = {roll(&from, UINT64_MAX), roll(&from, UINT64_MAX)}};
        chosen[pondi_choose(nodes, ALL, &wish).node]++;
    }
    for (int i = 0; i < ALL; i++) /* 10 standard deviations are less than 1,000 */
        assert_in_range(chosen[i] + 1000, expected[i], expected[i] + 2000);
}

RUN_TESTS(cmocka_unit_test(nodes_are_judged),
          cmocka_unit_test(data_of_unknown_age_is_too_old_without_a_limit_too),
          cmocka_unit_test(a_read_goes_where_it_may),
          cmocka_unit_test(no_unhealthy_node_is_chosen_and_half_of_them_stay),
          cmocka_unit_test(load_follows_speed_and_weight),
          cmocka_unit_test(idle_nodes_are_drawn_by_weight_and_speed))

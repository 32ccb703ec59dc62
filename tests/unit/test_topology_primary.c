/* Who is the primary, and what people are told if that is in doubt. */
#include "topology_cases.h"

#include "topology/primary.h"

enum { MOST = 8 };

static const char *const names[MOST] = {"n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7"};

static void check_number(const json_t *one, const char *name, int got)
{
    int64_t expected = number_or(one, name, PONDI_NO_NODE);
    if (got != expected)
        fail_msg("%s is %d, expected %d", name, got, (int)expected);
}

static void check_case(const json_t *one)
{
    pondi_claim claims[MOST];
    pondi_position positions[MOST];
    pondi_buffer told;
    const json_t *nodes = member(one, "nodes");
    uint32_t count = (uint32_t)json_array_size(nodes);
    assert_true(count <= MOST);
    for (uint32_t i = 0; i < count; i++) {
        const json_t *given = json_array_get(nodes, i);
        const json_t *pair = json_object_get(given, "position");
        positions[i] = pair ? position_in(pair) : pondi_position_of_lsn(1, 0x10);
        claims[i] = (pondi_claim){.name = names[i],
                                  .identity = text_or(given, "identity", "A"),
                                  .position = &positions[i],
                                  .heard = truth_or(given, "heard", 1),
                                  .writable = truth_or(given, "writable", 0),
                                  .ready = truth_or(given, "ready", 1),
                                  .multi_writer = truth_or(given, "multi_writer", 0),
                                  .in_use = truth_or(given, "in_use", 0)};
    }
    pondi_election got = pondi_primary_elect(claims, count, text_or(one, "known", NULL));
    check_number(one, "primary", got.primary);
    check_number(one, "rival", got.rival);
    check_number(one, "foreign", got.foreign);
    if (got.foreign != PONDI_NO_NODE)
        check_number(one, "native", got.native);
    pondi_buffer_init(&told);
    pondi_primary_explain(claims, count, &got, &told);
    const char *says = text_or(one, "says", NULL);
    if (says && (!told.size || !strstr(told.data, says)))
        fail_msg("people are told \"%s\"", told.size ? told.data : "");
    int is_wrong =
        got.primary == PONDI_NO_NODE || got.rival != PONDI_NO_NODE || got.foreign != PONDI_NO_NODE;
    assert_int_equal(told.size != 0, is_wrong);
    pondi_buffer_free(&told);
    for (uint32_t i = 0; i < count; i++)
        pondi_position_free(&positions[i]);
}

static void the_primary_is_elected_from_what_nodes_claim(void **state)
{
    (void)state;
    json_t *cases = load_cases("elections");
    size_t i;
    json_t *one;
    json_array_foreach(member(cases, "cases"), i, one)
    {
        print_message("  %s\n", text_or(one, "name", "?"));
        check_case(one);
    }
    json_decref(cases);
}

/* Whatever the order of the list, the one with the highest timeline is elected. */
static void the_order_of_the_list_does_not_matter(void **state)
{
    (void)state;
    dice from = {7};
    for (int walk = 0; walk < 2000; walk++) {
        pondi_claim claims[MOST];
        pondi_position positions[MOST];
        uint32_t highest = 0;
        for (uint32_t i = 0; i < MOST; i++) {
            positions[i] = pondi_position_of_lsn(1 + (uint32_t)roll(&from, 1000), roll(&from, 99));
            claims[i] = (pondi_claim){.name = names[i],
                                      .position = &positions[i],
                                      .heard = 1,
                                      .ready = 1,
                                      .writable = roll(&from, 2) != 0,
                                      .in_use = i == 3};
            if (claims[i].writable && positions[i].timeline > highest)
                highest = positions[i].timeline;
        }
        pondi_election got = pondi_primary_elect(claims, MOST, NULL);
        assert_int_equal(got.primary == PONDI_NO_NODE, highest == 0);
        if (highest)
            assert_int_equal(positions[got.primary].timeline, highest);
    }
}

RUN_TESTS(cmocka_unit_test(the_primary_is_elected_from_what_nodes_claim),
          cmocka_unit_test(the_order_of_the_list_does_not_matter))

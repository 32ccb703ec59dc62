/* The queue of deadlines. */
#include "check.h"

#include "base/heap.h"

enum { MANY = 4096, LOG_MANY = 12 };

static uint32_t seed;

static uint32_t any_below(uint32_t end)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % end;
}

static const pondi_heap_node *least_of(const pondi_heap_node *nodes)
{
    const pondi_heap_node *least = NULL;
    for (int i = 0; i < MANY; i++) {
        if (nodes[i].inside && (!least || nodes[i].key < least->key))
            least = &nodes[i];
    }
    return least;
}

static void the_first_is_always_the_least_whatever_comes_and_goes(void **state)
{
    (void)state;
    static pondi_heap_node nodes[MANY];
    pondi_heap heap = {0};
    seed = 7;
    for (int i = 0; i < 4 * MANY; i++) {
        pondi_heap_node *node = &nodes[any_below(MANY)];
        if (node->inside)
            pondi_heap_remove(&heap, node);
        else
            pondi_heap_push(&heap, node, any_below(MANY / 4)); /* many keys are equal */
        if (i % 16)
            continue;
        const pondi_heap_node *least = least_of(nodes);
        assert_int_equal(least == NULL, pondi_heap_first(&heap) == NULL);
        if (least)
            assert_int_equal(pondi_heap_first(&heap)->key, least->key);
    }
    int64_t last = -1;
    for (pondi_heap_node *node; (node = pondi_heap_first(&heap));) {
        assert_true(node->key >= last);
        last = node->key;
        pondi_heap_remove(&heap, node);
        pondi_heap_remove(&heap, node); /* harmless */
    }
    assert_null(least_of(nodes));
}

/* Fill it in an order, then take all out in another. */
static uint64_t steps_of(int64_t (*key)(int i), int cancels)
{
    static pondi_heap_node nodes[MANY];
    pondi_heap heap = {0};
    for (int i = 0; i < MANY; i++)
        pondi_heap_push(&heap, &nodes[i], key(i));
    assert_true(heap.steps < MANY);
    for (int i = 0; i < MANY; i++)
        pondi_heap_remove(&heap, cancels == 1   ? &nodes[i]
                                 : cancels == 2 ? &nodes[MANY - 1 - i]
                                                : pondi_heap_first(&heap));
    assert_null(pondi_heap_first(&heap));
    return heap.steps;
}

static int64_t growing(int i)
{
    return i;
}

static int64_t falling(int i)
{
    return -i;
}

static int64_t mixed(int i)
{
    return i * 7919 % MANY;
}

static void a_removal_costs_no_more_than_a_logarithm(void **state)
{
    (void)state;
    int64_t (*const orders[])(int) = {growing, falling, mixed};
    for (int i = 0; i < 3; i++) {
        for (int cancels = 0; cancels < 3; cancels++)
            assert_true(steps_of(orders[i], cancels) < (uint64_t)4 * MANY * LOG_MANY);
    }
}

RUN_TESTS(cmocka_unit_test(the_first_is_always_the_least_whatever_comes_and_goes),
          cmocka_unit_test(a_removal_costs_no_more_than_a_logarithm))

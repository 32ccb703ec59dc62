#include "topology/choose.h"

const char *pondi_reason_word(pondi_reason reason)
{
    static const char *const words[PONDI_REASONS] = {"fresh",  "stayed",     "behind",
                                                     "strong", "no-replica", "unhealthy",
                                                     "stale",  "pending",    "incomparable"};
    return reason < PONDI_REASONS ? words[reason] : "unknown";
}

/* ---- Which nodes may ---------------------------------------------------------------------- */

/* Whether a node may serve a read, as far as its data goes. */
typedef enum fit {
    FIT_NOT = 0, /* not healthy, or none that serves reads */
    FIT_STALE,
    FIT_INCOMPARABLE,
    FIT_LATER, /* once it has the session's position */
    FIT_NOW,
    FITS
} fit;

static int serves_reads(const pondi_node *node, const pondi_wish *wish)
{
    return node->weight && (node->role == PONDI_NODE_REPLICA ||
                            (node->role == PONDI_NODE_PRIMARY && wish->with_primary));
}

static fit find_fit_of_session(const pondi_node *node, int64_t number, const pondi_wish *wish)
{
    if (wish->pending != PONDI_PENDING_NOWHERE && wish->pending != number)
        return FIT_NOT;
    if (node->covers == PONDI_COVERS_UNKNOWN)
        return FIT_INCOMPARABLE;
    return node->covers == PONDI_COVERS_YES ? FIT_NOW : FIT_LATER;
}

static fit find_fit(const pondi_node *node, int64_t number, const pondi_wish *wish)
{
    if (!serves_reads(node, wish) || node->out != PONDI_NODE_IN)
        return FIT_NOT;
    if (node->role == PONDI_NODE_PRIMARY || wish->freshness == PONDI_FRESH_EVENTUAL)
        return FIT_NOW;
    if (wish->freshness == PONDI_FRESH_BOUNDED)
        return node->staleness_ns <= wish->max_staleness_ns ? FIT_NOW : FIT_STALE;
    return find_fit_of_session(node, number, wish);
}

/* ---- Which of them ------------------------------------------------------------------------ */

/* The nodes among which is drawn: those with this fit, of the near ones alone if there are any. */
typedef struct field {
    const pondi_node *nodes;
    uint32_t count;
    const pondi_wish *wish;
    fit fit;
    int near_only;
    uint32_t size;   /* how many they are */
    uint64_t weight; /* of all of them */
} field;

static uint64_t weight_of(const pondi_node *node)
{
    return (uint64_t)node->weight * (node->share ? node->share : 1);
}

static int is_in(const field *among, uint32_t number)
{
    const pondi_node *node = &among->nodes[number];
    return (!among->near_only || node->near) && find_fit(node, number, among->wish) == among->fit;
}

static void measure(field *among)
{
    among->size = 0;
    among->weight = 0;
    for (uint32_t i = 0; i < among->count; i++) {
        if (is_in(among, i)) {
            among->size++;
            among->weight += weight_of(&among->nodes[i]);
        }
    }
}

static field find_field(const pondi_node *nodes, uint32_t count, const pondi_wish *wish, fit wanted)
{
    field among = {.nodes = nodes, .count = count, .wish = wish, .fit = wanted, .near_only = 1};
    measure(&among);
    if (!among.size) {
        among.near_only = 0;
        measure(&among);
    }
    return among;
}

/* Draw one by weight, of all but `except`. */
static uint32_t draw(const field *among, uint64_t random, int64_t except)
{
    uint64_t weight = among->weight;
    if (except >= 0)
        weight -= weight_of(&among->nodes[except]);
    uint64_t left = random % weight;
    uint32_t drawn = 0;
    for (uint32_t i = 0; i < among->count; i++) {
        if (i == except || !is_in(among, i))
            continue;
        drawn = i;
        if (left < weight_of(&among->nodes[i]))
            break;
        left -= weight_of(&among->nodes[i]);
    }
    return drawn;
}

/* What a node has to do, of which less is better. Without the latency of both nothing is said of
 * latency. */
static double load_of(const pondi_node *node, int by_latency)
{
    double latency = by_latency ? (double)node->latency_ns : 1;
    return ((double)node->in_flight + 1) * latency / (double)weight_of(node);
}

static uint32_t draw_better(const field *among)
{
    uint32_t first = draw(among, among->wish->random[0], -1);
    if (among->size == 1)
        return first;
    uint32_t second = draw(among, among->wish->random[1], first);
    const pondi_node *a = &among->nodes[first];
    const pondi_node *b = &among->nodes[second];
    int by_latency = a->latency_ns > 0 && b->latency_ns > 0;
    return load_of(b, by_latency) < load_of(a, by_latency) ? second : first;
}

/* ---- Routes ------------------------------------------------------------------------------- */

static pondi_choice go_to_primary(const pondi_node *nodes, uint32_t count, pondi_reason reason)
{
    pondi_choice choice = {.route = PONDI_ROUTE_NONE, .reason = reason};
    for (uint32_t i = 0; i < count; i++) {
        if (nodes[i].role == PONDI_NODE_PRIMARY) {
            choice.route = PONDI_ROUTE_PRIMARY;
            choice.node = i;
            break;
        }
    }
    return choice;
}

static pondi_choice go_to(const field *among, pondi_route route, pondi_reason reason)
{
    return (pondi_choice){.route = route, .reason = reason, .node = draw_better(among)};
}

/* Why no replica serves a read, of which none has a fit of FIT_LATER or better. */
static pondi_reason find_reason(const pondi_node *nodes, uint32_t count, const pondi_wish *wish)
{
    int fits[FITS] = {0};
    int replicas = 0;
    int healthy = 0;
    for (uint32_t i = 0; i < count; i++) {
        int is_replica = nodes[i].weight && nodes[i].role == PONDI_NODE_REPLICA;
        replicas += is_replica;
        healthy += is_replica && nodes[i].out == PONDI_NODE_IN;
        fits[find_fit(&nodes[i], i, wish)]++;
    }
    if (fits[FIT_STALE])
        return PONDI_REASON_STALE;
    if (fits[FIT_INCOMPARABLE])
        return PONDI_REASON_INCOMPARABLE;
    if (!replicas)
        return PONDI_REASON_NO_REPLICA;
    return healthy ? PONDI_REASON_PENDING : PONDI_REASON_UNHEALTHY;
}

pondi_choice pondi_choose(const pondi_node *nodes, uint32_t count, const pondi_wish *wish)
{
    if (wish->freshness == PONDI_FRESH_STRONG)
        return go_to_primary(nodes, count, PONDI_REASON_STRONG);
    int is_pending = wish->freshness == PONDI_FRESH_SESSION && wish->pending >= 0;
    field now = find_field(nodes, count, wish, FIT_NOW);
    if (now.size)
        return go_to(&now, PONDI_ROUTE_NODE, is_pending ? PONDI_REASON_STAYED : PONDI_REASON_FRESH);
    field later = find_field(nodes, count, wish, FIT_LATER);
    if (!later.size)
        return go_to_primary(nodes, count, find_reason(nodes, count, wish));
    if (wish->may_wait)
        return go_to(&later, PONDI_ROUTE_WAIT, PONDI_REASON_BEHIND);
    return go_to_primary(nodes, count, PONDI_REASON_BEHIND);
}

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
    uint32_t size;      /* how many they are */
    int64_t fastest_ns; /* the least latency that is known; 0 for none */
    double chances;     /* of all of them */
} field;

static double weight_of(const pondi_node *node)
{
    return (double)node->weight * (node->share ? node->share : 1);
}

/* How often a node is drawn, compared to the others: by its weight, and the faster it is. */
static double chance_of(const field *among, const pondi_node *node)
{
    double slowness =
        node->latency_ns > 0 ? (double)node->latency_ns / (double)among->fastest_ns : 1;
    return weight_of(node) / slowness;
}

static int is_in(const field *among, uint32_t number)
{
    const pondi_node *node = &among->nodes[number];
    return (!among->near_only || node->near) && find_fit(node, number, among->wish) == among->fit;
}

static void measure(field *among)
{
    among->size = 0;
    among->fastest_ns = 0;
    for (uint32_t i = 0; i < among->count; i++) {
        int64_t latency_ns = among->nodes[i].latency_ns;
        if (!is_in(among, i))
            continue;
        among->size++;
        if (latency_ns > 0 && (!among->fastest_ns || latency_ns < among->fastest_ns))
            among->fastest_ns = latency_ns;
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
    for (uint32_t i = 0; i < count; i++) {
        if (is_in(&among, i))
            among.chances += chance_of(&among, &nodes[i]);
    }
    return among;
}

/* Draw one by chance, of all but `except`. */
static uint32_t draw(const field *among, uint64_t random, int64_t except)
{
    double chances = among->chances;
    if (except >= 0)
        chances -= chance_of(among, &among->nodes[except]);
    double left = (double)random / 18446744073709551616.0 * chances;
    uint32_t drawn = 0;
    for (uint32_t i = 0; i < among->count; i++) {
        if (i == except || !is_in(among, i))
            continue;
        drawn = i;
        left -= chance_of(among, &among->nodes[i]);
        if (left < 0)
            break;
    }
    return drawn;
}

/* What a node has to do with one more lease, of which less is better. */
static double load_of(const pondi_node *node, int by_latency)
{
    double latency = by_latency ? (double)node->latency_ns : 1;
    return ((double)node->in_flight + 1) * latency / weight_of(node);
}

/* Of two idle nodes the first that was drawn serves: so idle ones are used by their chances, too.
 */
static int is_better(const pondi_node *second, const pondi_node *first)
{
    int by_latency = first->latency_ns > 0 && second->latency_ns > 0;
    if (!first->in_flight && !second->in_flight)
        return 0;
    return load_of(second, by_latency) < load_of(first, by_latency);
}

static uint32_t draw_better(const field *among)
{
    uint32_t first = draw(among, among->wish->random[0], -1);
    if (among->size == 1)
        return first;
    uint32_t second = draw(among, among->wish->random[1], first);
    return is_better(&among->nodes[second], &among->nodes[first]) ? second : first;
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

/* Which node serves a read: what is known of the nodes and of the session, put before
 * pondi_choose(). */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "cluster/lend.h"

/* ---- What the session needs -------------------------------------------------------------- */

/* The number of the node that a session names; locked. */
static int64_t node_named(const pondi_cluster *cluster, const char *key)
{
    if (!*key)
        return PONDI_PENDING_PRIMARY;
    for (size_t i = 0; i < cluster->count; i++) {
        if (strcmp(cluster->nodes[i].address, key) == 0)
            return (int64_t)i;
    }
    return PONDI_PENDING_PRIMARY;
}

/* A node that has reported since what is pending tells how far that was. For all other nodes only
 * one that takes writes can: a primary that became a standby may be behind them. Locked. */
static int resolve_at(const pondi_cluster *cluster, int64_t number, const char *key,
                      pond_session *session)
{
    if (number < 0)
        return 0;
    const pondi_cluster_node *node = &cluster->nodes[number];
    int takes_writes = node->report.ready && node->report.role & PONDI_SERVER_READ_WRITE;
    return node->asked_ns && (*key || takes_writes) &&
           pondi_session_resolve(session, cluster->identity, key, node->asked_ns,
                                 &node->report.position);
}

/* What the session needs, and where something is pending; locked. */
static int ask_session(pondi_cluster *cluster, pond_session *session, pondi_position *position,
                       int64_t *pending, pond_error **err)
{
    pondi_session_wish needs;
    int code = pondi_session_needs(session, cluster->identity, &needs, err);
    if (!code && needs.pending) {
        int64_t number = node_named(cluster, needs.node);
        int resolved = (*needs.node && resolve_at(cluster, number, needs.node, session)) ||
                       resolve_at(cluster, atomic_load(&cluster->primary), "", session);
        if (resolved) {
            pondi_position_free(&needs.position);
            code = pondi_session_needs(session, cluster->identity, &needs, err);
        }
    }
    if (code)
        return code;
    *pending = needs.pending ? node_named(cluster, needs.node) : PONDI_PENDING_NOWHERE;
    pondi_position_move(position, &needs.position);
    return POND_OK;
}

/* ---- Choose ------------------------------------------------------------------------------ */

static pondi_freshness freshness_of(const pondi_lease_wish *wish)
{
    switch (wish->consistency) {
    case POND_SESSION:
        return PONDI_FRESH_SESSION;
    case POND_BOUNDED:
        return PONDI_FRESH_BOUNDED;
    case POND_EVENTUAL:
        return PONDI_FRESH_EVENTUAL;
    default:
        return PONDI_FRESH_STRONG;
    }
}

/* Locked. */
static pondi_choice choose(pondi_cluster *cluster, const pondi_lease_wish *wish, uint64_t tried,
                           const pondi_position *position, int64_t pending)
{
    pondi_node nodes[PONDI_MOST_NODES];
    const pondi_wish what = {.freshness = freshness_of(wish),
                             .max_staleness_ns = wish->staleness_ns,
                             .pending = pending,
                             .may_wait = wish->may_wait,
                             .with_primary = cluster->primary_reads,
                             .random = {pondi_random(), pondi_random()}};
    pondi_cluster_describe(cluster, position, pondi_now_ns(), 1, nodes);
    for (size_t i = 0; i < cluster->count; i++) {
        if (tried & UINT64_C(1) << i && nodes[i].role == PONDI_NODE_REPLICA)
            nodes[i].role = PONDI_NODE_UNKNOWN;
    }
    return pondi_choose(nodes, (uint32_t)cluster->count, &what);
}

/* Locked. */
static void take_choice(pondi_choice choice, pondi_lease_route *out)
{
    int at_node = choice.route == PONDI_ROUTE_NODE || choice.route == PONDI_ROUTE_WAIT;
    *out = (pondi_lease_route){.node = at_node ? (int)choice.node : PONDI_NO_NODE,
                               .fallback = !at_node && choice.reason != PONDI_REASON_STRONG,
                               .waits = choice.route == PONDI_ROUTE_WAIT,
                               .read_only = !at_node && choice.reason == PONDI_REASON_STRONG,
                               .reason = choice.reason};
}

/* Where all nodes take writes, the one in use, too, can be behind another: it waits until it has
 * all that any has committed. Galera waits for that at any position. */
static void wait_for_all_writers(const pondi_cluster *cluster, pondi_lease_route *out,
                                 pondi_position *awaited)
{
    if (out->node != PONDI_NO_NODE || !atomic_load(&cluster->multi_writer))
        return;
    out->waits = 1;
    *awaited = pondi_position_of_galera(0);
}

static int route(pondi_cluster *cluster, const pondi_lease_wish *wish, uint64_t tried,
                 pondi_lease_route *out, pondi_position *awaited, pond_error **err)
{
    int64_t pending = PONDI_PENDING_NOWHERE;
    pondi_position position = {0};
    int code = POND_OK;
    if (wish->consistency == POND_SESSION)
        code = ask_session(cluster, wish->session, &position, &pending, err);
    if (!code)
        take_choice(choose(cluster, wish, tried, &position, pending), out);
    if (!code && out->waits)
        pondi_position_move(awaited, &position);
    else if (!code)
        wait_for_all_writers(cluster, out, awaited);
    pondi_position_free(&position);
    return code;
}

int pondi_route_choose(pondi_cluster *cluster, const pondi_lease_wish *wish, uint64_t tried,
                       pondi_lease_route *out, pondi_position *awaited, pond_error **err)
{
    int routed = wish->read_only && wish->consistency != POND_STRONG;
    *awaited = (pondi_position){0};
    *out = (pondi_lease_route){
        .node = PONDI_NO_NODE, .read_only = wish->read_only, .reason = PONDI_REASON_STRONG};
    if (!routed) {
        if (wish->read_only)
            wait_for_all_writers(cluster, out, awaited);
        return POND_OK;
    }
    pthread_mutex_lock(&cluster->lock);
    int code = pondi_cluster_find_servers(cluster, err);
    int routes = !code && cluster->routes;
    int knows = wish->consistency != POND_SESSION || atomic_load(&cluster->known);
    if (routes && knows)
        code = route(cluster, wish, tried, out, awaited, err);
    pthread_mutex_unlock(&cluster->lock);
    if (routes) {
        int64_t before_ns = atomic_exchange(&cluster->wanted_ns, pondi_now_ns());
        pondi_monitor_begin(cluster);
        if (out->fallback && pondi_now_ns() - before_ns > PONDI_MONITOR_IDLE_NS)
            pondi_monitor_nudge(cluster); /* it asked seldom: nothing is known of now */
    }
    return code;
}

int pondi_route_pool(pondi_cluster *cluster, const pondi_lease_route *route, pond_pool **out,
                     pond_error **err)
{
    if (route->node != PONDI_NO_NODE || route->fallback)
        return pondi_cluster_node_pool(cluster, route->node, out, err);
    *out = pond_pool_retain(cluster->pool);
    return POND_OK;
}

void pondi_route_count(pondi_cluster *cluster, const pondi_lease_route *route)
{
    int node = route->node != PONDI_NO_NODE ? route->node : atomic_load(&cluster->primary);
    if (node == PONDI_NO_NODE)
        return;
    pondi_node_counts *counts = &cluster->nodes[node].counts;
    atomic_fetch_add(&counts->reads, 1);
    if (route->fallback)
        atomic_fetch_add(&counts->fallbacks, 1);
    atomic_fetch_add(&cluster->reasons[route->reason], 1);
}

/* What reports mean for the cluster: who is the primary, and who may serve reads. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "cluster/probe.h"

/* ---- Identity ---------------------------------------------------------------------------- */

/* The identity, if it is one of the data itself; locked. */
static const char *known_by_data(const pondi_cluster *cluster, const char *identity)
{
    return identity && strcmp(identity, cluster->key) != 0 ? identity : NULL;
}

/* Locked. */
static void identify(pondi_cluster *cluster, const pondi_server_report *report)
{
    if (atomic_load(&cluster->known))
        return;
    const char *known_as = *report->identity ? report->identity : cluster->key;
    snprintf(cluster->identity, sizeof(cluster->identity), "%s", known_as);
    cluster->tells = report->position.kind != PONDI_POSITION_NONE;
    atomic_store(&cluster->known, 1);
}

void pondi_cluster_identify(pondi_cluster *cluster, const pondi_server_report *report)
{
    pthread_mutex_lock(&cluster->lock);
    identify(cluster, report);
    pthread_mutex_unlock(&cluster->lock);
}

/* ---- One report -------------------------------------------------------------------------- */

/* Locked. The log hears of what is new. */
static void set_problem(pondi_cluster_node *node, const char *format, ...)
{
    char text[sizeof(node->problem)];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    int same_kind = strncmp(text, node->problem, 12) == 0;
    memcpy(node->problem, text, sizeof(text));
    if (*text && !same_kind)
        pondi_log(POND_LOG_WARNING, "nodes", "%s %s", node->address, text);
}

/* Locked. */
static void take_failure(pondi_cluster_node *node, const pond_error *error)
{
    node->reachable = 0;
    atomic_fetch_add(&node->counts.failures, 1);
    set_problem(node, "does not answer: %s", pond_error_message(error));
}

/* Locked. */
static void take_report(pondi_cluster_node *node, pondi_server_report *report, int64_t asked_ns)
{
    int64_t now_ns = pondi_now_ns();
    pondi_position_free(&node->report.position);
    node->report = *report;
    report->position = (pondi_position){0};
    if (!node->reachable && node->asked_ns)
        pondi_health_came_back(&node->health, now_ns);
    node->reachable = 1;
    node->asked_ns = asked_ns;
    node->answered_ns = now_ns;
    pondi_latency_note(&node->latency, now_ns - asked_ns, now_ns);
}

/* ---- Who is the primary ------------------------------------------------------------------ */

/* Locked. */
static void claim(const pondi_cluster *cluster, pondi_claim *claims)
{
    int used = atomic_load(&cluster->primary);
    for (size_t i = 0; i < cluster->count; i++) {
        const pondi_cluster_node *node = &cluster->nodes[i];
        claims[i] = (pondi_claim){.name = node->address,
                                  .identity = node->report.identity,
                                  .position = &node->report.position,
                                  .heard = node->asked_ns && node->reachable,
                                  .writable = (node->report.role & PONDI_SERVER_READ_WRITE) != 0,
                                  .ready = node->report.ready,
                                  .multi_writer = node->report.multi_writer,
                                  .in_use = (int)i == used};
    }
}

static int is_heard_of_all(const pondi_cluster *cluster)
{
    for (size_t i = 0; i < cluster->count; i++) {
        if (!cluster->nodes[i].asked_ns)
            return 0;
    }
    return 1;
}

/* Locked. Two primaries of two clusters, before it is known which is ours: nobody is served. Later
 * the stranger alone is left out. */
static void refuse_strangers(pondi_cluster *cluster, const pondi_claim *claims,
                             const pondi_election *election)
{
    int stranger = election->foreign;
    int unsure =
        !atomic_load(&cluster->known) && stranger != PONDI_NO_NODE && claims[stranger].writable;
    pond_error_free(cluster->refusal);
    cluster->refusal = NULL;
    if (!unsure)
        return;
    pondi_buffer text;
    pondi_buffer_init(&text);
    pondi_primary_explain(claims, (uint32_t)cluster->count, election, &text);
    cluster->refusal = pondi_error_new(POND_EINVAL, "%s", text.failed ? "" : text.data);
    pondi_buffer_free(&text);
}

/* Locked: what is wrong with the list, to the log, whenever that changes. */
static void tell_what_is_wrong(pondi_cluster *cluster, const pondi_claim *claims,
                               const pondi_election *election)
{
    pondi_buffer text;
    pondi_buffer_init(&text);
    int worth = election->rival != PONDI_NO_NODE || election->foreign != PONDI_NO_NODE ||
                (election->primary == PONDI_NO_NODE && is_heard_of_all(cluster));
    if (worth)
        pondi_primary_explain(claims, (uint32_t)cluster->count, election, &text);
    uint64_t said = text.size && !text.failed ? pondi_hash_bytes(text.data, text.size) : 0;
    if (said && said != cluster->said)
        pondi_log(POND_LOG_ERROR, "nodes", "%s", text.data);
    cluster->said = said;
    pondi_buffer_free(&text);
}

/* Locked. True if the primary is another one now. */
static int find_primary(pondi_cluster *cluster)
{
    pondi_claim claims[PONDI_MOST_NODES];
    int before = atomic_load(&cluster->primary);
    const char *identity = atomic_load(&cluster->known) ? cluster->identity : NULL;
    claim(cluster, claims);
    pondi_election election =
        pondi_primary_elect(claims, (uint32_t)cluster->count, known_by_data(cluster, identity));
    refuse_strangers(cluster, claims, &election);
    tell_what_is_wrong(cluster, claims, &election);
    for (size_t i = 0; i < cluster->count; i++)
        cluster->nodes[i].foreign = pondi_claim_is_foreign(&claims[i], election.identity);
    int now = cluster->refusal ? PONDI_NO_NODE : election.primary;
    if (now == PONDI_NO_NODE || now == before)
        return 0;
    atomic_store(&cluster->primary, now);
    atomic_store(&cluster->first, (size_t)now);
    pondi_log(POND_LOG_INFO, "nodes", "%s is the primary%s%s", cluster->nodes[now].address,
              before == PONDI_NO_NODE ? "" : " now, and no longer ",
              before == PONDI_NO_NODE ? "" : cluster->nodes[before].address);
    return before != PONDI_NO_NODE;
}

/* ---- Who serves reads -------------------------------------------------------------------- */

static uint32_t leases_of(pond_pool *pool)
{
    if (!pool)
        return 0;
    pthread_mutex_lock(&pool->lock);
    uint32_t count = pool->leased[PONDI_ASYNC] + pool->leased[PONDI_SYNC] +
                     pool->waiting[PONDI_ASYNC] + pool->waiting[PONDI_SYNC];
    pthread_mutex_unlock(&pool->lock);
    return count;
}

static pondi_node_role role_of(const pondi_cluster *cluster, const pondi_cluster_node *node)
{
    if (!node->asked_ns || node->foreign)
        return PONDI_NODE_UNKNOWN;
    if ((int)node->number == atomic_load(&cluster->primary))
        return PONDI_NODE_PRIMARY;
    int replica = node->report.multi_writer || node->report.role & PONDI_SERVER_STANDBY;
    return replica ? PONDI_NODE_REPLICA : PONDI_NODE_UNKNOWN;
}

static int is_near(const pondi_cluster *cluster, const pondi_cluster_node *node)
{
    return !cluster->region || !node->region || strcmp(cluster->region, node->region) == 0;
}

/* Nodes that are about as near are told apart by what they have to do, not by noise. */
static int64_t latency_of(const pondi_cluster_node *node, int64_t now_ns)
{
    const int64_t least_ns = INT64_C(10) * PONDI_NS_PER_MS;
    int64_t latency_ns = pondi_latency_read(&node->latency, now_ns);
    return latency_ns > least_ns ? latency_ns : least_ns;
}

/* The nodes may be asked seldom. */
static int64_t usual_report_age_ns(pondi_cluster *cluster)
{
    return 2 * pondi_monitor_longest_ns(cluster) + PONDI_REPORT_AGE_NS;
}

void pondi_cluster_describe(pondi_cluster *cluster, const pondi_position *position, int64_t now_ns,
                            int asked_often, pondi_node *out)
{
    static const pondi_health_settings health = PONDI_HEALTH_SETTINGS_INIT;
    const pondi_node_limits limits = {
        .max_report_age_ns = asked_often ? PONDI_REPORT_AGE_NS : usual_report_age_ns(cluster),
        .max_lag_ns = cluster->max_lag_ns};
    for (size_t i = 0; i < cluster->count; i++) {
        const pondi_cluster_node *node = &cluster->nodes[i];
        out[i] = (pondi_node){
            .role = role_of(cluster, node),
            .reachable = node->reachable,
            .ready = node->report.ready,
            .streaming = node->report.streaming,
            .near = is_near(cluster, node),
            .weight = (uint32_t)(node->weight * 100),
            .share = pondi_health_share(&node->health, &health, now_ns),
            .failing = pondi_health_failing(&node->health, now_ns),
            .in_flight = leases_of(node->pool),
            .latency_ns = latency_of(node, now_ns),
            .report_age_ns = node->asked_ns ? now_ns - node->asked_ns : PONDI_NEVER,
            .staleness_ns = pondi_staleness_age(node->as_of_ns, now_ns),
            .covers = position ? pondi_position_covers(&node->report.position, position)
                               : PONDI_COVERS_YES,
        };
    }
    pondi_nodes_judge(out, (uint32_t)cluster->count, &limits);
}

const char *pondi_cluster_problem(const pondi_cluster_node *node, pondi_node_out out)
{
    if (node->foreign)
        return "holds the data of another cluster: take it out of the list of hosts";
    switch (out) {
    case PONDI_NODE_DEAD:
        return node->asked_ns ? "does not answer in time" : "";
    case PONDI_NODE_NOT_READY:
        return "is not ready to serve";
    case PONDI_NODE_ERRORS:
        return "failed several times in a row, and is left out for a while";
    case PONDI_NODE_STREAM:
        return "receives nothing from its primary";
    case PONDI_NODE_LAG:
        return "lags too far behind its primary";
    default:
        return "";
    }
}

/* Locked: what has changed for one node. */
static void note_verdict(pondi_cluster_node *node, pondi_node_out out, int64_t now_ns)
{
    if (node->reachable)
        set_problem(node, "%s", pondi_cluster_problem(node, out));
    if (out == node->out)
        return;
    if (node->out == PONDI_NODE_IN && node->asked_ns)
        atomic_fetch_add(&node->counts.ejections, 1);
    if (out == PONDI_NODE_IN && node->out != PONDI_NODE_DEAD)
        pondi_health_came_back(&node->health, now_ns);
    node->out = out;
}

/* Locked. */
static void judge(pondi_cluster *cluster)
{
    pondi_node nodes[PONDI_MOST_NODES];
    int64_t now_ns = pondi_now_ns();
    for (size_t i = 0; i < cluster->count; i++)
        cluster->nodes[i].as_of_ns =
            pondi_staleness_as_of(&cluster->ring, &cluster->nodes[i].report.position);
    pondi_cluster_describe(cluster, NULL, now_ns, 0, nodes);
    for (size_t i = 0; i < cluster->count; i++)
        note_verdict(&cluster->nodes[i], nodes[i].out, now_ns);
}

void pondi_cluster_note_outcome(pondi_cluster_node *node, int code)
{
    static const pondi_health_settings settings = PONDI_HEALTH_SETTINGS_INIT;
    pthread_mutex_lock(&node->cluster->lock);
    if (!code) {
        pondi_health_succeeded(&node->health);
    } else if (code == POND_ECONNECT || code == POND_ECONNLOST || code == POND_ERESOURCES ||
               code == POND_EAUTH) {
        atomic_fetch_add(&node->counts.failures, 1);
        pondi_health_failed(&node->health, &settings, pondi_now_ns());
    }
    pthread_mutex_unlock(&node->cluster->lock);
}

/* ---- A report ---------------------------------------------------------------------------- */

/* What follows for the pools, once the cluster is unlocked. */
typedef struct consequence {
    int changed; /* the primary is another one: connections to the former are not lent any more */
    int back;    /* it can be reached again */
    size_t dead; /* a server that does not answer, or SIZE_MAX: nobody waits for it any more */
} consequence;

static void apply(const consequence *what, pond_pool *pool)
{
    if (!pool)
        return;
    if (what->changed)
        pondi_pool_distrust(pool);
    if (what->changed || what->back)
        pondi_outage_try_now(pool);
    if (what->dead != SIZE_MAX)
        pondi_pool_hang_up(pool, what->dead);
}

static void apply_to_all(pondi_cluster *cluster, const consequence *what)
{
    pond_pool *node_pool = NULL;
    pthread_mutex_lock(&cluster->lock);
    pond_pool *fallback = pond_pool_retain(cluster->fallback_pool);
    if (what->dead != SIZE_MAX)
        node_pool = pond_pool_retain(cluster->nodes[what->dead].pool);
    pthread_mutex_unlock(&cluster->lock);
    const consequence only_dead = {.dead = what->dead};
    apply(what, cluster->pool);
    apply(what, fallback);
    apply(&only_dead, node_pool);
    pond_pool_release(fallback);
    pond_pool_release(node_pool);
}

/* The former primary, once it has been silent for a while: then SIZE_MAX for good. Locked. */
static size_t take_silent_one(pondi_cluster *cluster)
{
    int former = cluster->former;
    if (former == PONDI_NO_NODE)
        return SIZE_MAX;
    const pondi_cluster_node *node = &cluster->nodes[former];
    if (node->reachable && pondi_now_ns() - node->asked_ns <= PONDI_REPORT_AGE_NS)
        return SIZE_MAX;
    cluster->former = PONDI_NO_NODE;
    return (size_t)former;
}

void pondi_cluster_reported(pondi_cluster_node *node, pondi_server_report *report, int64_t asked_ns,
                            const pond_error *error)
{
    pondi_cluster *cluster = node->cluster;
    consequence what = {.dead = SIZE_MAX};
    pthread_mutex_lock(&cluster->lock);
    int was_reachable = node->reachable;
    int former = atomic_load(&cluster->primary);
    if (report)
        take_report(node, report, asked_ns);
    else
        take_failure(node, error);
    what.changed = find_primary(cluster);
    int is_primary = atomic_load(&cluster->primary) == (int)node->number;
    what.back = is_primary && report && !was_reachable;
    if (what.changed)
        cluster->former = former;
    else if (report && cluster->former == (int)node->number)
        cluster->former = PONDI_NO_NODE; /* it lives, and serves as what it is now */
    what.dead = take_silent_one(cluster);
    if (what.dead == SIZE_MAX && error && error->code == POND_ETIMEDOUT && !is_primary)
        what.dead = node->number;
    if (is_primary && report) {
        atomic_store(&cluster->multi_writer, node->report.multi_writer);
        identify(cluster, &node->report);
        pondi_staleness_add(&cluster->ring, asked_ns, &node->report.position);
    }
    judge(cluster);
    pthread_mutex_unlock(&cluster->lock);
    if (what.changed || what.back || what.dead != SIZE_MAX)
        apply_to_all(cluster, &what);
}

int pondi_cluster_is_in_doubt(pondi_cluster *cluster)
{
    pthread_mutex_lock(&cluster->lock);
    int doubt = atomic_load(&cluster->primary) == PONDI_NO_NODE;
    for (size_t i = 0; i < cluster->count; i++)
        doubt |= !cluster->nodes[i].reachable;
    pthread_mutex_unlock(&cluster->lock);
    for (size_t i = 0; i < cluster->count; i++)
        doubt |= pondi_probe_is_late(cluster->nodes[i].probe);
    return doubt;
}

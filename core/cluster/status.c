/* What is known of the nodes, as a snapshot for programs. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/given.h"
#include "base/versioned.h"
#include "cluster/lend.h"

typedef struct node_texts {
    char address[256];
    char region[64];
    char problem[256];
    pondi_buffer position;
} node_texts;

struct pond_nodes {
    size_t count;
    pond_node *nodes;
    node_texts *texts;
};

/* ---- Take -------------------------------------------------------------------------------- */

static double seconds(int64_t ns)
{
    return ns < 0 || ns == PONDI_NEVER ? -1 : (double)ns / 1e9;
}

static const char *role_of(const pondi_cluster *cluster, const pondi_cluster_node *node)
{
    if (!cluster->routes || (int)node->number == atomic_load(&cluster->primary))
        return node->asked_ns || !cluster->routes ? "primary" : "unknown";
    return node->asked_ns && node->report.role & PONDI_SERVER_STANDBY ? "replica" : "unknown";
}

static double lag_bytes(const pondi_cluster *cluster, const pondi_cluster_node *node)
{
    int primary = atomic_load(&cluster->primary);
    const pondi_position *here = &node->report.position;
    if (primary == PONDI_NO_NODE || here->kind != PONDI_POSITION_LSN)
        return -1;
    const pondi_position *there = &cluster->nodes[primary].report.position;
    if (there->kind != PONDI_POSITION_LSN)
        return -1;
    return there->number > here->number ? (double)(there->number - here->number) : 0;
}

static void read_counts(const pondi_cluster_node *node, pond_node *out)
{
    const pondi_node_counts *counts = &node->counts;
    out->reads = atomic_load(&counts->reads);
    out->fallbacks = atomic_load(&counts->fallbacks);
    out->waits = atomic_load(&counts->waits);
    out->missed = atomic_load(&counts->missed);
    out->ejections = atomic_load(&counts->ejections);
    out->failures = atomic_load(&counts->failures);
}

static void add_connections(pond_pool *pool, pond_node *out)
{
    pond_pool_status status = {.struct_size = offsetof(pond_pool_status, statement_hits)};
    if (!pool || pond_pool_get_status(pool, &status, NULL))
        return;
    out->size += status.size;
    out->idle += status.idle;
    out->in_use += status.in_use;
    out->waiting += status.waiting;
}

static void copy_text(char *to, size_t size, const char *from)
{
    size_t length = from ? strlen(from) : 0;
    if (length >= size)
        length = size - 1;
    memcpy(to, from ? from : "", length);
    to[length] = '\0';
}

/* The cluster is locked. */
static void take_node(pondi_cluster *cluster, const pondi_cluster_node *node,
                      const pondi_node *seen, pond_node *out, node_texts *texts)
{
    int64_t now_ns = pondi_now_ns();
    int is_primary = (int)node->number == atomic_load(&cluster->primary) || !cluster->routes;
    *out = (pond_node){
        .is_primary = (uint32_t)is_primary,
        .is_healthy = (uint32_t)(is_primary ? !*node->problem : seen->out == PONDI_NODE_IN),
        .role = role_of(cluster, node),
        .weight = node->weight,
        .lag_seconds = is_primary ? 0 : seconds(seen->staleness_ns),
        .lag_bytes = is_primary ? 0 : lag_bytes(cluster, node),
        .latency_seconds = node->latency.mean_ns ? seconds(node->latency.mean_ns) : -1,
        .report_age_seconds = node->answered_ns ? seconds(now_ns - node->answered_ns) : -1};
    read_counts(node, out);
    add_connections(node->pool, out);
    if (is_primary) {
        add_connections(cluster->pool, out);
        add_connections(cluster->fallback_pool, out);
    }
    copy_text(texts->address, sizeof(texts->address), node->address);
    copy_text(texts->region, sizeof(texts->region), node->region);
    copy_text(texts->problem, sizeof(texts->problem),
              *node->problem ? node->problem : pondi_cluster_problem(node, seen->out));
    pondi_buffer_init(&texts->position);
    pondi_position_print(&node->report.position, &texts->position);
}

static pond_nodes *nodes_new(size_t count)
{
    pond_nodes *nodes = pondi_calloc(1, sizeof(*nodes));
    if (!nodes)
        return NULL;
    nodes->count = count;
    nodes->nodes = pondi_calloc(count, sizeof(*nodes->nodes));
    nodes->texts = pondi_calloc(count, sizeof(*nodes->texts));
    if (nodes->nodes && nodes->texts)
        return nodes;
    nodes->count = 0;
    pond_nodes_free(nodes);
    return NULL;
}

static int failed(const pond_nodes *nodes)
{
    for (size_t i = 0; i < nodes->count; i++) {
        if (nodes->texts[i].position.failed)
            return 1;
    }
    return 0;
}

int pond_pool_nodes(pond_pool *pool, pond_nodes **out, pond_error **err)
{
    if (out)
        *out = NULL;
    if (PONDI_GIVEN(err, pool, out))
        return POND_EINVAL;
    int code = pondi_pool_check_process(pool, err);
    if (code)
        return code;
    pondi_cluster *cluster = pondi_cluster_of(pool);
    pondi_node seen[PONDI_MOST_NODES];
    pthread_mutex_lock(&cluster->lock);
    code = pondi_cluster_find_servers(cluster, err);
    pond_nodes *nodes = code ? NULL : nodes_new(cluster->count);
    if (nodes)
        pondi_cluster_describe(cluster, NULL, pondi_now_ns(), 0, seen);
    for (size_t i = 0; nodes && i < nodes->count; i++)
        take_node(cluster, &cluster->nodes[i], &seen[i], &nodes->nodes[i], &nodes->texts[i]);
    pthread_mutex_unlock(&cluster->lock);
    if (code)
        return code;
    if (!nodes || failed(nodes)) {
        pond_nodes_free(nodes);
        return pondi_error_nomem(err);
    }
    pondi_monitor_begin(cluster);
    *out = nodes;
    return POND_OK;
}

/* ---- Read -------------------------------------------------------------------------------- */

void pond_nodes_free(pond_nodes *nodes)
{
    if (!nodes)
        return;
    for (size_t i = 0; i < nodes->count; i++)
        pondi_buffer_free(&nodes->texts[i].position);
    pondi_free(nodes->nodes);
    pondi_free(nodes->texts);
    pondi_free(nodes);
}

size_t pond_nodes_count(const pond_nodes *nodes)
{
    return nodes ? nodes->count : 0;
}

int pond_nodes_read(const pond_nodes *nodes, size_t number, pond_node *out, pond_error **err)
{
    if (PONDI_GIVEN(err, nodes, out) || pondi_check_struct_size(out, "pond_node", err))
        return POND_EINVAL;
    if (number >= nodes->count)
        return pondi_error_set(err, POND_EINVAL,
                               "there are %zu nodes: number must be below, not %zu", nodes->count,
                               number);
    pond_node node = nodes->nodes[number];
    const node_texts *texts = &nodes->texts[number];
    node.address = texts->address;
    node.region = texts->region;
    node.problem = texts->problem;
    node.position = texts->position.size ? texts->position.data : "";
    pondi_give_struct(out, &node, sizeof(node));
    return POND_OK;
}

/* ---- Leases ------------------------------------------------------------------------------ */

int pond_connection_node(pond_connection *lease)
{
    pondi_conn *conn;
    if (pondi_lease_enter(lease, &conn, NULL))
        return -1;
    int node = (int)conn->server;
    pondi_lease_leave(lease);
    return node;
}

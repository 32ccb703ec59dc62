/* Where the servers are: lists of hosts, addresses and ports, as one config for each server. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/real.h"
#include "cluster/cluster.h"

static size_t count_items(const char *list)
{
    size_t count = 1;
    for (; *list; list++)
        count += *list == ',';
    return count;
}

/* An item of a list as a copy; the last one stands for all beyond, and an empty one is NULL. */
static int item_of(const char *list, size_t number, char **out, pond_error **err)
{
    *out = NULL;
    if (!list)
        return POND_OK;
    for (const char *comma; number && (comma = strchr(list, ',')); number--)
        list = comma + 1;
    size_t size = strcspn(list, ",");
    if (!size)
        return POND_OK;
    *out = pondi_memdup(list, size);
    return *out ? POND_OK : pondi_error_nomem(err);
}

static int make_server(const pond_config *config, const pondi_servers *lists, size_t number,
                       pond_config **out, pond_error **err)
{
    char *host = NULL;
    char *address = NULL;
    char *port = NULL;
    int code = item_of(lists->hosts, number, &host, err);
    if (!code)
        code = item_of(lists->addresses, number, &address, err);
    if (!code)
        code = item_of(lists->ports, number, &port, err);
    if (!code)
        code = pondi_config_copy_for(config, host, address, port, out, err);
    pondi_free(host);
    pondi_free(address);
    pondi_free(port);
    return code;
}

static int check_lists(const pondi_servers *lists, pond_error **err)
{
    size_t hosts = lists->hosts ? count_items(lists->hosts) : 0;
    size_t addresses = lists->addresses ? count_items(lists->addresses) : 0;
    size_t ports = lists->ports ? count_items(lists->ports) : 0;
    size_t most = addresses > hosts ? addresses : hosts;
    if (hosts && addresses && hosts != addresses)
        return pondi_error_set(err, POND_EINVAL,
                               "hostaddr must have as many addresses as host has hosts: %zu, not "
                               "%zu",
                               hosts, addresses);
    if (most > PONDI_MOST_NODES)
        return pondi_error_set(err, POND_EINVAL, "host must name at most %d servers, not %zu",
                               PONDI_MOST_NODES, most);
    if (ports > 1 && ports > most)
        return pondi_error_set(err, POND_EINVAL,
                               "port has %zu ports for %zu host%s: give one for each host, or one "
                               "for all",
                               ports, most ? most : 1, most > 1 ? "s" : "");
    return POND_OK;
}

/* A list beside that of the hosts has an item for each of them. */
static int check_beside(const pond_config *config, const char *key, size_t count, pond_error **err)
{
    const char *list = pondi_config_get(config, key);
    if (!list || count_items(list) == count)
        return POND_OK;
    return pondi_error_set(err, POND_EINVAL, "%s must have an item for each host: %zu, not %zu",
                           key, count, count_items(list));
}

static int read_node(pondi_cluster_node *node, const pond_config *config, pond_error **err)
{
    char *weight = NULL;
    pondi_config_address(node->config, node->address, sizeof(node->address));
    int code = item_of(pondi_config_get(config, "node_regions"), node->number, &node->region, err);
    if (!code)
        code = item_of(pondi_config_get(config, "node_weights"), node->number, &weight, err);
    char *end;
    node->weight = weight ? pondi_parse_real(weight, &end) : 1;
    pondi_free(weight);
    if (!code)
        code = pondi_config_copy(node->config, &node->pool_config, err);
    if (!code)
        code = pondi_config_replace(node->pool_config, "session_read_only", "yes", err);
    if (!code)
        code = pondi_config_replace(node->pool_config, "pool_min_size", "0", err);
    return code;
}

static int make_nodes(pondi_cluster *cluster, size_t count, pond_error **err)
{
    cluster->nodes = pondi_calloc(count, sizeof(*cluster->nodes));
    if (!cluster->nodes)
        return pondi_error_nomem(err);
    cluster->count = count;
    for (size_t i = 0; i < count; i++) {
        cluster->nodes[i].cluster = cluster;
        cluster->nodes[i].number = i;
    }
    return POND_OK;
}

static int make_servers(pondi_cluster *cluster, const pondi_servers *lists, pond_error **err)
{
    const pond_config *config = cluster->pool->config;
    const char *all = lists->addresses ? lists->addresses : lists->hosts;
    size_t count = all ? count_items(all) : 1;
    int code = check_beside(config, "node_regions", count, err);
    if (!code)
        code = check_beside(config, "node_weights", count, err);
    if (!code)
        code = make_nodes(cluster, count, err);
    for (size_t i = 0; i < count && !code; i++) {
        pondi_cluster_node *node = &cluster->nodes[i];
        code = make_server(config, lists, i, &node->config, err);
        if (!code)
            code = read_node(node, config, err);
    }
    return code;
}

/* The driver knows of one server, and the pool's config names it. */
static int make_only_server(pondi_cluster *cluster, pond_error **err)
{
    int code = make_nodes(cluster, 1, err);
    if (code)
        return code;
    cluster->nodes[0].config = pond_config_retain(cluster->pool->config);
    return read_node(&cluster->nodes[0], cluster->pool->config, err);
}

static int read_role(pondi_cluster *cluster, const char *word, pond_error **err)
{
    cluster->asks = word != NULL;
    if (!word || pondi_server_role_parse(word, &cluster->role, &cluster->prefers))
        return POND_OK;
    return pondi_error_set(err, POND_EINVAL,
                           "target_session_attrs must be any, primary, standby, read-write, "
                           "read-only or prefer-standby, not \"%.60s\"",
                           word);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What sessions know the cluster by, where its data has no name of its own: processes that list the
 * same nodes agree on it. */
static int make_key(pondi_cluster *cluster, pond_error **err)
{
    const char *addresses[PONDI_MOST_NODES] = {NULL};
    const char *database = pondi_config_get(cluster->pool->config, "database");
    pondi_buffer text;
    for (size_t i = 0; i < cluster->count; i++)
        addresses[i] = cluster->nodes[i].address;
    qsort(addresses, cluster->count, sizeof(addresses[0]), by_text);
    pondi_buffer_init(&text);
    pondi_buffer_appendf(&text, "%s/%s", cluster->pool->driver->name, database ? database : "");
    for (size_t i = 0; i < cluster->count; i++)
        pondi_buffer_appendf(&text, ",%s", addresses[i]);
    int code = text.failed ? pondi_error_nomem(err) : POND_OK;
    if (!code)
        pondi_md5_hex(text.data, text.size, cluster->key);
    pondi_buffer_free(&text);
    return code;
}

/* Who asks for any server, or for standbys, or for all of them in turn, chooses by himself. */
static void decide_on_routing(pondi_cluster *cluster)
{
    int to_writer =
        cluster->role == PONDI_SERVER_PRIMARY || cluster->role == PONDI_SERVER_READ_WRITE;
    cluster->routes = cluster->count > 1 && (cluster->asks ? to_writer : !cluster->shuffled);
    cluster->dialer.dialer.several = cluster->count > 1;
    if (cluster->count == 1)
        atomic_store(&cluster->primary, 0);
}

static int find_servers(pondi_cluster *cluster, pond_error **err)
{
    const pond_pool *pool = cluster->pool;
    pondi_servers lists = {0};
    if (!pool->driver->find_servers)
        return make_only_server(cluster, err);
    int code = pool->driver->find_servers(pool->config, &lists, err);
    if (!code)
        code = read_role(cluster, lists.role, err);
    if (!code)
        code = check_lists(&lists, err);
    if (!code)
        code = make_servers(cluster, &lists, err);
    cluster->shuffled = lists.shuffled;
    pondi_servers_free(&lists);
    return code;
}

int pondi_cluster_find_servers(pondi_cluster *cluster, pond_error **err)
{
    if (cluster->nodes)
        return POND_OK;
    int code = find_servers(cluster, err);
    if (!code)
        code = make_key(cluster, err);
    if (code)
        pondi_cluster_free_servers(cluster);
    else
        decide_on_routing(cluster);
    return code;
}

void pondi_cluster_free_servers(pondi_cluster *cluster)
{
    for (size_t i = 0; i < cluster->count; i++) {
        pondi_cluster_node *node = &cluster->nodes[i];
        pond_config_release(node->config);
        pond_config_release(node->pool_config);
        pondi_free(node->region);
        pondi_position_free(&node->report.position);
    }
    pondi_free(cluster->nodes);
    cluster->nodes = NULL;
    cluster->count = 0;
}

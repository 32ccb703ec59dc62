/* Where the servers are: lists of hosts, addresses and ports, as one config for each server. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
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
    if (!hosts || !addresses || hosts == addresses)
        return POND_OK;
    return pondi_error_set(err, POND_EINVAL,
                           "hostaddr must have as many addresses as host has hosts: %zu, not %zu",
                           hosts, addresses);
}

static int make_servers(pondi_cluster *cluster, const pondi_servers *lists, pond_error **err)
{
    const char *all = lists->addresses ? lists->addresses : lists->hosts;
    size_t count = all ? count_items(all) : 1;
    int code = POND_OK;
    cluster->servers = pondi_calloc(count, sizeof(*cluster->servers));
    if (!cluster->servers)
        return pondi_error_nomem(err);
    for (; cluster->count < count && !code; cluster->count += !code)
        code = make_server(cluster->pool->config, lists, cluster->count,
                           &cluster->servers[cluster->count], err);
    return code;
}

/* The driver knows of one server, and the pool's config names it. */
static int make_only_server(pondi_cluster *cluster, pond_error **err)
{
    cluster->servers = pondi_calloc(1, sizeof(*cluster->servers));
    if (!cluster->servers)
        return pondi_error_nomem(err);
    cluster->servers[0] = pond_config_retain(cluster->pool->config);
    cluster->count = 1;
    return POND_OK;
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

int pondi_cluster_find_servers(pondi_cluster *cluster, pond_error **err)
{
    const pond_pool *pool = cluster->pool;
    pondi_servers lists = {0};
    if (cluster->servers)
        return POND_OK;
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
    cluster->dialer.several = cluster->count > 1;
    pondi_servers_free(&lists);
    if (code)
        pondi_cluster_free_servers(cluster);
    return code;
}

void pondi_cluster_free_servers(pondi_cluster *cluster)
{
    for (size_t i = 0; i < cluster->count; i++)
        pond_config_release(cluster->servers[i]);
    pondi_free(cluster->servers);
    cluster->servers = NULL;
    cluster->count = 0;
}

/* The pools of nodes: each belongs to the pool that the program has, closes with it, and has its
 * calls counted there. */
#include <stdio.h>

#include "base/error.h"
#include "cluster/cluster.h"

/* ---- Make -------------------------------------------------------------------------------- */

/* Locked. */
static int make_node_pool(pondi_cluster_node *node, pond_error **err)
{
    pondi_cluster_init_dialer(&node->dialer, node->cluster, (int)node->number);
    return pondi_pool_new(node->pool_config, &node->dialer.dialer, &node->pool, err);
}

static int share_size(pond_config *config, const char *key, double share, uint32_t size,
                      pond_error **err)
{
    char text[16];
    uint32_t part = (uint32_t)(share * size);
    snprintf(text, sizeof(text), "%u", part < 1 ? 1 : part);
    return pondi_config_replace(config, key, text, err);
}

/* Locked. It leads where the program's pool does, with fewer connections. */
static int make_fallback_pool(pondi_cluster *cluster, pond_error **err)
{
    const pond_pool *pool = cluster->pool;
    double share = cluster->fallback_share;
    pond_config *config;
    int code = pondi_config_copy(pool->config, &config, err);
    if (!code)
        code = share_size(config, "pool_max_size", share, pool->settings.max_size, err);
    if (!code)
        code = share_size(config, "sync_max_size", share, pool->settings.sync_max_size, err);
    if (!code)
        code = pondi_config_replace(config, "pool_min_size", "0", err);
    if (!code)
        code = pondi_config_replace(config, "session_read_only", "yes", err);
    if (!code) {
        pondi_cluster_init_dialer(&cluster->fallback, cluster, PONDI_NO_NODE);
        code = pondi_pool_new(config, &cluster->fallback.dialer, &cluster->fallback_pool, err);
    }
    pond_config_release(config);
    return code;
}

int pondi_cluster_node_pool(pondi_cluster *cluster, int node, pond_pool **out, pond_error **err)
{
    int code = POND_OK;
    pthread_mutex_lock(&cluster->lock);
    pond_pool **at = node == PONDI_NO_NODE ? &cluster->fallback_pool : &cluster->nodes[node].pool;
    *out = NULL;
    if (!*at && cluster->ended)
        code = pondi_error_move(err, pondi_pool_closed_error(cluster->pool));
    else if (!*at)
        code = node == PONDI_NO_NODE ? make_fallback_pool(cluster, err)
                                     : make_node_pool(&cluster->nodes[node], err);
    if (!code)
        *out = pond_pool_retain(*at);
    pthread_mutex_unlock(&cluster->lock);
    return code;
}

/* ---- End --------------------------------------------------------------------------------- */

/* The pool of a node, or of the fallback for the number after the last: a reference, or NULL. */
static pond_pool *pool_at(pondi_cluster *cluster, size_t number)
{
    pthread_mutex_lock(&cluster->lock);
    pond_pool *pool = pond_pool_retain(number < cluster->count ? cluster->nodes[number].pool
                                                               : cluster->fallback_pool);
    pthread_mutex_unlock(&cluster->lock);
    return pool;
}

int pondi_cluster_other_pool(pondi_cluster *cluster, size_t number, pond_pool **out)
{
    pthread_mutex_lock(&cluster->lock);
    int is_one = number <= cluster->count;
    pthread_mutex_unlock(&cluster->lock);
    *out = is_one ? pool_at(cluster, number) : NULL;
    return is_one;
}

/* No more are made from now on; returns how many there may be. */
static size_t end_making(pondi_cluster *cluster)
{
    pthread_mutex_lock(&cluster->lock);
    cluster->ended = 1;
    size_t count = cluster->count + 1;
    pthread_mutex_unlock(&cluster->lock);
    return count;
}

void pondi_cluster_close_nodes(pondi_cluster *cluster, int tasks)
{
    size_t count = end_making(cluster);
    for (size_t i = 0; i < count; i++) {
        pond_pool *pool = pool_at(cluster, i);
        if (pool)
            pondi_pool_close_node(pool, tasks);
        pond_pool_release(pool);
    }
}

static pond_pool *take_pool_at(pondi_cluster *cluster, size_t number)
{
    pthread_mutex_lock(&cluster->lock);
    pond_pool **at =
        number < cluster->count ? &cluster->nodes[number].pool : &cluster->fallback_pool;
    pond_pool *pool = *at;
    *at = NULL;
    pthread_mutex_unlock(&cluster->lock);
    return pool;
}

void pondi_cluster_end_nodes(pondi_cluster *cluster)
{
    size_t count = end_making(cluster);
    for (size_t i = 0; i < count; i++)
        pond_pool_release(take_pool_at(cluster, i));
}

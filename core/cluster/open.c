/* The clusters of the process, found by their config. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/given.h"
#include "base/process.h"
#include "cluster/cluster.h"
#include "millpond/millpond.h"

static pondi_process_lock registry_lock = PONDI_PROCESS_LOCK; /* guards `clusters` */
static pondi_list clusters = {&clusters, &clusters};

/* A forked child begins with none. */
static void lock_registry(void)
{
    if (pondi_process_lock_take(&registry_lock))
        pondi_list_init(&clusters);
}

static pondi_cluster *cluster_at(pondi_list *node)
{
    return PONDI_CONTAINER(node, pondi_cluster, link);
}

/* ---- Create and destroy ------------------------------------------------------------------ */

void pondi_cluster_free(pondi_cluster *cluster)
{
    pondi_cluster_free_servers(cluster);
    pthread_mutex_destroy(&cluster->lock);
    pondi_free(cluster);
}

void pondi_cluster_unregister(pondi_cluster *cluster)
{
    lock_registry();
    pondi_list_remove(&cluster->link);
    pondi_process_lock_give(&registry_lock);
}

/* The smallest that none of the others with its hash has: it stays, so that exported series do. */
static unsigned find_twin(const pond_pool *made)
{
    unsigned twin = 0;
    pondi_list *node = clusters.next;
    while (node != &clusters) {
        const pond_pool *pool = cluster_at(node)->pool;
        int taken = pool->twin == twin && strcmp(pool->hash, made->hash) == 0;
        twin += (unsigned)taken;
        node = taken ? clusters.next : node->next;
    }
    return twin;
}

static int cluster_new(pond_config *config, pond_pool **out, pond_error **err)
{
    pondi_cluster *cluster = pondi_calloc(1, sizeof(*cluster));
    if (!cluster)
        return pondi_error_nomem(err);
    pthread_mutex_init(&cluster->lock, NULL);
    pondi_cluster_init_dialer(cluster);
    int code = pondi_pool_new(config, &cluster->dialer, out, err);
    if (code) {
        pondi_cluster_free(cluster);
        return code;
    }
    cluster->pool = *out;
    cluster->pool->twin = find_twin(*out);
    pondi_list_push_back(&clusters, &cluster->link);
    return POND_OK;
}

/* ---- Public ------------------------------------------------------------------------------ */

/* Registered pools are not references: one may be at its end. One that closes is found until that
 * is over, so that nobody opens another beside it. */
static pond_pool *find(const pond_config *config)
{
    for (pondi_list *node = clusters.next; node != &clusters; node = node->next) {
        pond_pool *pool = cluster_at(node)->pool;
        if (pondi_config_equal(pool->config, config) && !atomic_load(&pool->closed) &&
            pondi_pool_retain_if_alive(pool))
            return pool;
    }
    return NULL;
}

int pond_pool_open(pond_config *config, pond_pool **out, pond_error **err)
{
    if (out)
        *out = NULL;
    if (PONDI_GIVEN(err, config, out))
        return POND_EINVAL;
    int code = pond_config_check(config, err);
    if (code)
        return code;
    lock_registry();
    *out = find(config);
    if (!*out)
        code = cluster_new(config, out, err);
    pondi_process_lock_give(&registry_lock);
    return code;
}

size_t pond_pool_list(pond_pool **out, size_t capacity)
{
    size_t count = 0;
    lock_registry();
    for (pondi_list *node = clusters.next; node != &clusters; node = node->next) {
        pond_pool *pool = cluster_at(node)->pool;
        if (count >= capacity || !out)
            count++;
        else if (pondi_pool_retain_if_alive(pool))
            out[count++] = pool;
    }
    pondi_process_lock_give(&registry_lock);
    return count;
}

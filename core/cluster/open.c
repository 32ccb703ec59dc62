/* The clusters of the process, found by their config. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
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
    pondi_staleness_free(&cluster->ring);
    pond_error_free(cluster->refusal);
    if (cluster->keeper)
        pondi_loop_unhold(cluster->keeper);
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

static void read_consistency(pondi_cluster *cluster, const char *word)
{
    static const struct {
        const char *word;
        pond_consistency consistency;
    } words[] = {{"strong", POND_STRONG}, {"session", POND_SESSION}, {"eventual", POND_EVENTUAL}};
    cluster->consistency = word ? POND_BOUNDED : POND_STRONG;
    for (size_t i = 0; word && i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(word, words[i].word) == 0)
            cluster->consistency = words[i].consistency;
    }
}

static void read_settings(pondi_cluster *cluster, const pond_config *config)
{
    read_consistency(cluster, pondi_config_get(config, "consistency"));
    cluster->staleness_ns = pondi_config_ns(config, "consistency", 0);
    cluster->replica_wait_ms = pondi_config_ms(config, "replica_wait", 200);
    cluster->topology_refresh_ns = pondi_config_ns(config, "topology_refresh", 5000);
    cluster->max_lag_ns = pondi_config_ns(config, "replica_max_lag", 30000);
    if (!cluster->max_lag_ns)
        cluster->max_lag_ns = PONDI_NEVER;
    cluster->fallback_share = pondi_config_real(config, "fallback_share", 0.5);
    cluster->primary_reads = pondi_config_flag(config, "primary_reads", 0);
    cluster->region = pondi_config_get(config, "region");
}

static int cluster_new(pond_config *config, pond_pool **out, pond_error **err)
{
    pondi_cluster *cluster = pondi_calloc(1, sizeof(*cluster));
    if (!cluster)
        return pondi_error_nomem(err);
    pthread_mutex_init(&cluster->lock, NULL);
    atomic_init(&cluster->primary, PONDI_NO_NODE);
    cluster->former = PONDI_NO_NODE;
    pondi_cluster_init_dialer(&cluster->dialer, cluster, PONDI_NO_NODE);
    int code = pondi_pool_new(config, &cluster->dialer.dialer, out, err);
    if (code) {
        pondi_cluster_free(cluster);
        return code;
    }
    cluster->pool = *out;
    read_settings(cluster, (*out)->config);
    cluster->pool->twin = find_twin(*out);
    pondi_list_push_back(&clusters, &cluster->link);
    return POND_OK;
}

pondi_cluster *pondi_cluster_of(const pond_pool *pool)
{
    return ((pondi_cluster_dialer *)(void *)pool->family->dialer)->cluster;
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

/* What the nodes are, asked by the keeper: often while reads are routed, or something is wrong;
 * less often while connections are in use; seldom otherwise. */
#include "base/clock.h"
#include "base/random.h"
#include "cluster/probe.h"
#include "loop/keeper.h"

#define OFTEN_NS ((int64_t)250 * PONDI_NS_PER_MS)
#define IN_USE_NS ((int64_t)500 * PONDI_NS_PER_MS)

static int is_recent(int64_t at_ns)
{
    return at_ns && pondi_now_ns() - at_ns < PONDI_MONITOR_IDLE_NS;
}

/* Whether programs lease connections at all: those who write must hear of a new primary, too. */
static int is_in_use(pondi_cluster *cluster)
{
    pond_pool *pool = cluster->pool;
    pthread_mutex_lock(&pool->lock);
    uint64_t acquired = pool->acquired;
    int held = pool->acquired != pool->released;
    pthread_mutex_unlock(&pool->lock);
    if (held || acquired != cluster->acquired)
        cluster->used_ns = pondi_now_ns();
    cluster->acquired = acquired;
    return is_recent(cluster->used_ns);
}

int64_t pondi_monitor_longest_ns(const pondi_cluster *cluster)
{
    int64_t whole_ns = cluster->topology_refresh_ns;
    return is_recent(atomic_load(&cluster->wanted_ns)) && whole_ns > OFTEN_NS ? OFTEN_NS : whole_ns;
}

/* Processes that were started together do not ask together. */
int64_t pondi_monitor_interval_ns(pondi_cluster *cluster)
{
    int64_t whole_ns = pondi_monitor_longest_ns(cluster);
    if (whole_ns > IN_USE_NS && is_in_use(cluster))
        whole_ns = IN_USE_NS;
    if (whole_ns > OFTEN_NS && pondi_cluster_is_in_doubt(cluster))
        whole_ns = OFTEN_NS;
    return whole_ns - pondi_random_up_to(whole_ns / 8);
}

/* ---- On the keeper's loop ---------------------------------------------------------------- */

static void on_closing(pondi_loop_client *client)
{
    pondi_cluster *cluster = PONDI_CONTAINER(client, pondi_cluster, monitor);
    for (size_t i = 0; i < cluster->count; i++) {
        pondi_probe_free(cluster->nodes[i].probe);
        cluster->nodes[i].probe = NULL;
    }
    cluster->monitoring = 0;
    pondi_pool_unhold(cluster->pool); /* may free the cluster */
}

static void start(pondi_cluster *cluster)
{
    pondi_pool_hold(cluster->pool);
    cluster->monitoring = 1;
    cluster->monitor.closing = on_closing;
    pondi_list_init(&cluster->monitor.link);
    pondi_loop_add_client(cluster->keeper, &cluster->monitor);
    for (size_t i = 0; i < cluster->count; i++)
        cluster->nodes[i].probe = pondi_probe_new(&cluster->nodes[i], cluster->keeper);
}

static void stop(pondi_cluster *cluster)
{
    pondi_loop_remove_client(&cluster->monitor);
    on_closing(&cluster->monitor);
}

static void on_message(pondi_message *message)
{
    pondi_cluster *cluster = PONDI_CONTAINER(message, pondi_cluster, monitor_message);
    pondi_pool_hold(cluster->pool);
    pthread_mutex_lock(&cluster->lock);
    cluster->message_sent = 0;
    int ended = cluster->ended;
    pthread_mutex_unlock(&cluster->lock);
    if (ended && cluster->monitoring)
        stop(cluster);
    else if (!ended && !cluster->monitoring && !pondi_loop_closed(cluster->keeper))
        start(cluster);
    for (size_t i = 0; i < cluster->count && cluster->monitoring; i++) {
        if (cluster->nodes[i].probe)
            pondi_probe_ask(cluster->nodes[i].probe);
    }
    pondi_pool_unhold(cluster->pool);
    pondi_pool_unhold(cluster->pool); /* the message's */
}

/* ---- From elsewhere ---------------------------------------------------------------------- */

static void send(pondi_cluster *cluster)
{
    pthread_mutex_lock(&cluster->lock);
    int sends = cluster->keeper && !cluster->message_sent;
    if (sends) {
        cluster->message_sent = 1;
        pondi_pool_hold(cluster->pool);
    }
    pthread_mutex_unlock(&cluster->lock);
    if (sends)
        pondi_loop_post(cluster->keeper, &cluster->monitor_message);
}

void pondi_monitor_begin(pondi_cluster *cluster)
{
    pthread_mutex_lock(&cluster->lock);
    int begins = cluster->routes && !cluster->monitored && !cluster->ended;
    if (begins)
        cluster->monitored = 1;
    pthread_mutex_unlock(&cluster->lock);
    pond_loop *keeper = begins ? pondi_loop_keeper(NULL) : NULL;
    if (!keeper)
        return;
    pthread_mutex_lock(&cluster->lock);
    cluster->keeper = keeper; /* held */
    cluster->monitor_message.run = on_message;
    pthread_mutex_unlock(&cluster->lock);
    send(cluster);
}

void pondi_monitor_nudge(pondi_cluster *cluster)
{
    send(cluster);
}

void pondi_monitor_end(pondi_cluster *cluster)
{
    send(cluster);
}

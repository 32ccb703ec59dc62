/* Which server a connection goes to. One of a node's pool: to that node. All others: to the server
 * that took the last connection, or that the monitor found to be the primary, else to the next that
 * can be reached and is in the right role. Each gets its share of connection_creation_timeout. */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "cluster/cluster.h"

/* ---- The first try ----------------------------------------------------------------------- */

static size_t common_divisor(size_t a, size_t b)
{
    while (b) {
        size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* With a step that has no common divisor with the number of servers, each has its turn. */
static void shuffle(const pondi_cluster *cluster, pondi_attempt *attempt)
{
    int64_t last = (int64_t)cluster->count - 1;
    attempt->first = (size_t)pondi_random_up_to(last);
    do
        attempt->step = (size_t)pondi_random_up_to(last);
    while (common_divisor(cluster->count, attempt->step) != 1);
}

static int begin(pondi_cluster *cluster, pondi_attempt *attempt, int64_t timeout_ms,
                 pond_error **error)
{
    pthread_mutex_lock(&cluster->lock);
    int code = pondi_cluster_find_servers(cluster, error);
    if (!code && cluster->refusal)
        code = pondi_error_move(error, pondi_error_copy(cluster->refusal));
    pthread_mutex_unlock(&cluster->lock);
    if (code || !cluster->count)
        return 0;
    attempt->tries = cluster->count << (cluster->prefers ? 1 : 0);
    attempt->deadline_ns = pondi_deadline_from_ns(attempt->began_ns, timeout_ms);
    attempt->role = cluster->role;
    if (!cluster->asks && cluster->count > 1 &&
        (cluster->routes || atomic_load(&cluster->wants_writer)))
        attempt->role = PONDI_SERVER_READ_WRITE;
    attempt->first = atomic_load(&cluster->first);
    attempt->step = 1;
    if (cluster->shuffled && cluster->count > 1)
        shuffle(cluster, attempt);
    pondi_monitor_begin(cluster);
    return 1;
}

/* ---- What went wrong --------------------------------------------------------------------- */

static const char *what_none_does(pondi_server_role role)
{
    switch (role) {
    case PONDI_SERVER_PRIMARY:
        return "is a primary";
    case PONDI_SERVER_STANDBY:
        return "is a standby";
    case PONDI_SERVER_READ_WRITE:
        return "accepts writes";
    case PONDI_SERVER_READ_ONLY:
        return "is read-only";
    default:
        return "can be used";
    }
}

/* Make the last error one of all servers. */
static void tell_all(const pondi_cluster *cluster, pondi_attempt *attempt, pond_error *error)
{
    pondi_buffer text;
    if (!attempt->said.size || pondi_error_is_shared(error))
        return;
    pondi_buffer_init(&text);
    pondi_buffer_appendf(&text, "cannot connect to database \"%s\": none of the hosts %s: %s%s",
                         pondi_config_get(cluster->pool->config, "database"),
                         what_none_does(attempt->wanted), attempt->said.data,
                         pond_error_message(error));
    if (!text.failed && !attempt->said.failed)
        pondi_error_set_text(error, &error->message, text.data);
    pondi_buffer_free(&text);
}

/* Only where the next server may do better. */
static int is_of_one_server(const pond_error *error)
{
    return error->code == POND_ECONNECT || error->code == POND_ERESOURCES;
}

/* True if there is a next try; then the error is noted and gone. */
static int goes_on(const pondi_cluster *cluster, pondi_attempt *attempt, pond_error **error)
{
    int last = ++attempt->tried == attempt->tries || pondi_now_ns() >= attempt->deadline_ns;
    if (!is_of_one_server(*error))
        return 0;
    if (last) {
        tell_all(cluster, attempt, *error);
        return 0;
    }
    if (attempt->tried == cluster->count) /* all of them once more, in any role */
        pondi_buffer_free(&attempt->said);
    else
        pondi_buffer_appendf(&attempt->said, "%s; ", pond_error_message(*error));
    pond_error_free(*error);
    *error = NULL;
    return 1;
}

/* ---- The dialer -------------------------------------------------------------------------- */

/* One that does not answer must leave time for the others. */
static int64_t share_of(const pondi_attempt *attempt, int64_t timeout_ms)
{
    if (timeout_ms < 0 || attempt->tries == 1)
        return timeout_ms;
    int64_t left_ms = pondi_remaining_ms(attempt->deadline_ns);
    return left_ms / (int64_t)(attempt->tries - attempt->tried) + 1;
}

static pondi_cluster *cluster_of(const pondi_dialer *dialer)
{
    return ((const pondi_cluster_dialer *)(const void *)dialer)->cluster;
}

static int next(pondi_dialer *dialer, pondi_attempt *attempt, int64_t timeout_ms,
                pond_error **error)
{
    pondi_cluster *cluster = cluster_of(dialer);
    if (!attempt->tries ? !begin(cluster, attempt, timeout_ms, error)
                        : !goes_on(cluster, attempt, error))
        return 0;
    size_t turn = attempt->tried % cluster->count;
    attempt->server = (attempt->first + turn * attempt->step) % cluster->count;
    const pondi_cluster_node *node = &cluster->nodes[attempt->server];
    attempt->config = dialer == &cluster->fallback.dialer ? node->pool_config : node->config;
    attempt->wanted = attempt->tried < cluster->count ? attempt->role : PONDI_SERVER_ANY;
    attempt->timeout_ms = share_of(attempt, timeout_ms);
    return 1;
}

static int accept(pondi_dialer *dialer, const pondi_conn *conn, pond_error **error)
{
    pondi_cluster *cluster = cluster_of(dialer);
    char address[200];
    if (!conn->wanted || !conn->role || conn->role & (int)conn->wanted) {
        if (atomic_load(&cluster->primary) == PONDI_NO_NODE) /* else the monitor knows better */
            atomic_store(&cluster->first, conn->server);
        return 1;
    }
    pondi_config_address(conn->config, address, sizeof(address));
    *error =
        pondi_error_new(POND_ECONNECT, "cannot connect to database \"%s\" at %s: the server is %s",
                        pondi_config_get(conn->config, "database"), address,
                        conn->role & PONDI_SERVER_STANDBY     ? "a standby"
                        : conn->role & PONDI_SERVER_READ_ONLY ? "read-only"
                                                              : "a primary");
    return 0;
}

/* Writers need another server: the next one is tried first, unless the monitor knows better. */
static void refused_write(pondi_dialer *dialer, const pondi_conn *conn)
{
    pondi_cluster *cluster = cluster_of(dialer);
    atomic_store(&cluster->wants_writer, 1);
    if (atomic_load(&cluster->first) == conn->server)
        atomic_store(&cluster->first, conn->server + 1);
    pondi_monitor_nudge(cluster);
}

/* ---- To one node ------------------------------------------------------------------------- */

static int next_of_node(pondi_dialer *dialer, pondi_attempt *attempt, int64_t timeout_ms,
                        pond_error **error)
{
    const pondi_cluster_dialer *to = (const pondi_cluster_dialer *)(const void *)dialer;
    (void)error;
    if (attempt->tries)
        return 0;
    attempt->tries = 1;
    attempt->server = (size_t)to->node;
    attempt->config = to->cluster->nodes[to->node].pool_config;
    attempt->wanted = PONDI_SERVER_ANY;
    attempt->timeout_ms = timeout_ms;
    return 1;
}

static int accept_any(pondi_dialer *dialer, const pondi_conn *conn, pond_error **error)
{
    (void)dialer;
    (void)conn;
    (void)error;
    return 1;
}

/* Its connections are for reading. */
static void refused_write_of_node(pondi_dialer *dialer, const pondi_conn *conn)
{
    (void)dialer;
    (void)conn;
}

/* ---- Sessions ---------------------------------------------------------------------------- */

/* What sessions call the server of a connection: nothing for the primary. */
static const char *key_of(const pondi_cluster *cluster, size_t server)
{
    int primary = atomic_load(&cluster->primary);
    return !cluster->routes || (int)server == primary ? "" : cluster->nodes[server].address;
}

/* A position of the server that is the primary now; locked. */
static int is_whole(const pondi_cluster *cluster, const pondi_position *position)
{
    int primary = atomic_load(&cluster->primary);
    return primary != PONDI_NO_NODE && cluster->nodes[primary].asked_ns &&
           pondi_position_is_whole(position, &cluster->nodes[primary].report.position);
}

static void noted(pondi_dialer *dialer, pond_session *session, const pondi_conn *conn,
                  const pondi_use *use)
{
    pondi_cluster *cluster = cluster_of(dialer);
    int64_t now_ns = pondi_now_ns();
    if (use->position) {
        pthread_mutex_lock(&cluster->lock);
        int whole = is_whole(cluster, use->position);
        pthread_mutex_unlock(&cluster->lock);
        pondi_session_note_position(session, cluster->identity, use->position, whole, use->asked_ns,
                                    now_ns);
    } else if (cluster->routes || cluster->tells) {
        pondi_session_note_use(session, cluster->identity, key_of(cluster, conn->server), now_ns);
    }
}

static void nothing_to_close(pondi_dialer *dialer, int tasks)
{
    (void)dialer;
    (void)tasks;
}

static void nothing_ended(pondi_dialer *dialer)
{
    (void)dialer;
}

/* ---- The pool that the program has ------------------------------------------------------- */

static int other(pondi_dialer *dialer, size_t number, pond_pool **out)
{
    return pondi_cluster_other_pool(cluster_of(dialer), number, out);
}

static int no_other(pondi_dialer *dialer, size_t number, pond_pool **out)
{
    (void)dialer;
    (void)number;
    *out = NULL;
    return 0;
}

static void closing(pondi_dialer *dialer, int tasks)
{
    pondi_cluster_close_nodes(cluster_of(dialer), tasks);
}

static void ended(pondi_dialer *dialer)
{
    pondi_cluster_unregister(cluster_of(dialer));
    pondi_monitor_end(cluster_of(dialer));
    pondi_cluster_end_nodes(cluster_of(dialer));
}

static void free_cluster(pondi_dialer *dialer)
{
    pondi_cluster_free(cluster_of(dialer));
}

void pondi_cluster_init_dialer(pondi_cluster_dialer *dialer, pondi_cluster *cluster, int node)
{
    int whole = dialer == &cluster->dialer;
    int to_primary = node == PONDI_NO_NODE;
    dialer->cluster = cluster;
    dialer->node = node;
    dialer->dialer =
        (pondi_dialer){.next = to_primary ? next : next_of_node,
                       .accept = to_primary ? accept : accept_any,
                       .refused_write = to_primary && whole ? refused_write : refused_write_of_node,
                       .noted = noted,
                       .other = whole ? other : no_other,
                       .closing = whole ? closing : nothing_to_close,
                       .ended = whole ? ended : nothing_ended,
                       .free = whole ? free_cluster : nothing_ended,
                       .several = cluster->count > 1,
                       .family = whole ? NULL : cluster->pool};
}

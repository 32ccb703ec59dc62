/* Which server a connection goes to: the one that took the last connection, else the next that can
 * be reached and is in the right role. Each gets its share of connection_creation_timeout. */
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
    pthread_mutex_unlock(&cluster->lock);
    if (code || !cluster->count)
        return 0;
    attempt->tries = cluster->count << (cluster->prefers ? 1 : 0);
    attempt->deadline_ns = pondi_deadline_from_ns(attempt->began_ns, timeout_ms);
    attempt->role = cluster->role;
    if (!cluster->asks && cluster->count > 1 && atomic_load(&cluster->wants_writer))
        attempt->role = PONDI_SERVER_READ_WRITE;
    attempt->first = atomic_load(&cluster->first);
    attempt->step = 1;
    if (cluster->shuffled && cluster->count > 1)
        shuffle(cluster, attempt);
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

static int next(pondi_dialer *dialer, pondi_attempt *attempt, int64_t timeout_ms,
                pond_error **error)
{
    pondi_cluster *cluster = (pondi_cluster *)dialer;
    if (!attempt->tries ? !begin(cluster, attempt, timeout_ms, error)
                        : !goes_on(cluster, attempt, error))
        return 0;
    size_t turn = attempt->tried % cluster->count;
    attempt->server = (attempt->first + turn * attempt->step) % cluster->count;
    attempt->config = cluster->servers[attempt->server];
    attempt->wanted = attempt->tried < cluster->count ? attempt->role : PONDI_SERVER_ANY;
    attempt->timeout_ms = share_of(attempt, timeout_ms);
    return 1;
}

static int accept(pondi_dialer *dialer, const pondi_conn *conn, pond_error **error)
{
    pondi_cluster *cluster = (pondi_cluster *)dialer;
    char address[200];
    if (!conn->wanted || !conn->role || conn->role & (int)conn->wanted) {
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

/* Writers need another server: the next one is tried first. */
static void refused_write(pondi_dialer *dialer, const pondi_conn *conn)
{
    pondi_cluster *cluster = (pondi_cluster *)dialer;
    atomic_store(&cluster->wants_writer, 1);
    atomic_store(&cluster->first, conn->server + 1);
}

static void ended(pondi_dialer *dialer)
{
    pondi_cluster_unregister((pondi_cluster *)dialer);
}

static void free_cluster(pondi_dialer *dialer)
{
    pondi_cluster_free((pondi_cluster *)dialer);
}

void pondi_cluster_init_dialer(pondi_cluster *cluster)
{
    cluster->dialer = (pondi_dialer){.next = next,
                                     .accept = accept,
                                     .refused_write = refused_write,
                                     .ended = ended,
                                     .free = free_cluster};
}

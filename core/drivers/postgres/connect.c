#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/error.h"
#include "driver/openssl.h"
#include "driver/sqlstate.h"
#include "drivers/postgres/postgres.h"

/* Settings that go to libpq as they are. */
static const char *const passed_on[] = {
    "user",
    "password",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslcrl",
    "ssl_min_protocol_version",
    "passfile",
    "options",
    "channel_binding",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "requirepeer",
    "krbsrvname",
};

enum { PG_BALANCES = 160000 }; /* versions of libpq from here on know load_balance_hosts */

enum { PASSED_ON = sizeof(passed_on) / sizeof(passed_on[0]), MOST_KEYWORDS = PASSED_ON + 12 };

typedef struct keywords {
    const char *names[MOST_KEYWORDS];
    const char *values[MOST_KEYWORDS];
    int count;
} keywords;

static void put(keywords *to, const char *name, const char *value)
{
    if (!value)
        return;
    to->names[to->count] = name;
    to->values[to->count] = value;
    to->count++;
    to->names[to->count] = NULL;
    to->values[to->count] = NULL;
}

/* ---- Watching ---------------------------------------------------------------------------- */

static void on_ready(void *data, int events);

int pondi_postgres_watch(pg_conn *conn, int events, pond_error **err)
{
    int fd = PQsocket(conn->pg);
    if (fd != conn->fd || !conn->watcher) { /* libpq may change its socket while it connects */
        pondi_watcher_free(conn->watcher);
        conn->watcher = NULL;
        conn->fd = fd;
        int code = pondi_watcher_new(conn->base.loop, fd, on_ready, conn, &conn->watcher, err);
        if (code)
            return code;
    }
    int code = pondi_watcher_set(conn->watcher, events);
    return code ? pondi_error_set(err, code, "cannot watch the connection's socket") : POND_OK;
}

static void on_ready(void *data, int events)
{
    pondi_postgres_on_ready(data, events);
}

/* ---- Failure ----------------------------------------------------------------------------- */

static int code_of_failure(const pg_conn *conn)
{
    const char *said = PQerrorMessage(conn->pg);
    if (strstr(said, "password authentication failed") || strstr(said, "no password supplied") ||
        strstr(said, "pg_hba.conf") || strstr(said, "authentication failed") ||
        strstr(said, "authentication method requirement"))
        return POND_EAUTH;
    if (strstr(said, "too many clients") || strstr(said, "too many connections") ||
        strstr(said, "remaining connection slots"))
        return POND_ERESOURCES;
    return POND_ECONNECT;
}

void pondi_postgres_connect_failed(pg_conn *conn)
{
    const pond_config *config = conn->base.config;
    const char *host = pondi_config_get(config, "host");
    const char *address = pondi_config_get(config, "hostaddr");
    const char *port = pondi_config_get(config, "port");
    int code = conn->pg ? code_of_failure(conn) : POND_ENOMEM;
    pond_error *error = pondi_postgres_connection_error(conn, code, "PostgreSQL refused");
    pondi_error_prefix(
        error, "cannot connect to database \"%s\" at %s:%s: ", pondi_config_get(config, "database"),
        host      ? host
        : address ? address
                  : "the default host",
        port ? port : "5432");
    pondi_conn_broken(&conn->base);
    pondi_postgres_fail(conn, error);
    pondi_postgres_finish(conn);
}

/* ---- Steps ------------------------------------------------------------------------------- */

static void connected(pg_conn *conn)
{
    int version = PQserverVersion(conn->pg);
    int library = PQlibVersion();
    const char *text = PQparameterStatus(conn->pg, "server_version");
    pond_error *error = NULL;
    snprintf(conn->base.server_version, sizeof(conn->base.server_version), "PostgreSQL %s",
             text ? text : "?");
    snprintf(conn->base.driver_version, sizeof(conn->base.driver_version), "libpq %d.%d",
             library / 10000, library % 10000);
    conn->base.role = pondi_postgres_role(conn);
    PQsetnonblocking(conn->pg, 1);
    if (version < 100000)
        pondi_postgres_fail(conn, pondi_error_new(POND_ENOTSUPPORTED,
                                                  "PostgreSQL %s is too old: 10 is the oldest "
                                                  "that is supported",
                                                  text ? text : "?"));
    else if (pondi_postgres_watch(conn, PONDI_READABLE, &error))
        pondi_postgres_fail(conn, error);
    if (!conn->error) {
        pondi_postgres_set_up(conn);
        return;
    }
    pondi_conn_broken(&conn->base);
    pondi_postgres_finish(conn);
}

void pondi_postgres_connect_step(pg_conn *conn)
{
    pond_error *error = NULL;
    int events = PONDI_READABLE;
    /* libpq may close its socket in here, and open another of the same number; or another
     * connection gets the number */
    pondi_watcher_free(conn->watcher);
    conn->watcher = NULL;
    if (pondi_postgres_refuses_login(conn, &error)) {
        pondi_conn_broken(&conn->base);
        pondi_postgres_fail(conn, error);
        pondi_postgres_finish(conn);
        return;
    }
    switch (PQconnectPoll(conn->pg)) {
    case PGRES_POLLING_OK:
        connected(conn);
        return;
    case PGRES_POLLING_FAILED:
        pondi_postgres_connect_failed(conn);
        return;
    case PGRES_POLLING_WRITING:
        events = PONDI_WRITABLE;
        break;
    default:
        break;
    }
    if (pondi_postgres_watch(conn, events, &error)) {
        pondi_conn_broken(&conn->base);
        pondi_postgres_fail(conn, error);
        pondi_postgres_finish(conn);
    }
}

static void begin(pg_conn *conn, const char *hosts, const char *addresses)
{
    const pond_config *config = conn->base.config;
    const char *name = pondi_config_get(config, "application_name");
    const char *gss = pondi_config_get(config, "gssencmode");
    keywords words = {.count = 0};
    put(&words, "host", hosts);
    put(&words, "hostaddr", addresses);
    put(&words, "port", pondi_config_get(config, "port"));
    put(&words, "dbname", pondi_config_get(config, "database"));
    put(&words, "client_encoding", "UTF8");
    put(&words, "application_name", name ? name : "millpond");
    put(&words, "target_session_attrs", pondi_server_role_word(conn->base.wanted));
    if (PQlibVersion() >= PG_BALANCES)
        put(&words, "load_balance_hosts", pondi_config_get(config, "load_balance_hosts"));
    put(&words, "gssencmode", gss ? gss : "disable"); /* asking for it costs a round trip */
    if (PQlibVersion() >= PG_REQUIRES_AUTH && pondi_postgres_refuses_clear_text(config))
        put(&words, "require_auth", "!password");
    for (int i = 0; i < PASSED_ON; i++)
        put(&words, passed_on[i], pondi_config_get(config, passed_on[i]));
    conn->phase = PG_CONNECTING;
    conn->login = (pg_login){0};
    pondi_openssl_init();
    conn->pg = PQconnectStartParams(words.names, words.values, 0);
    if (!conn->pg || PQstatus(conn->pg) == CONNECTION_BAD) {
        pondi_postgres_connect_failed(conn);
        return;
    }
    PQsetNoticeReceiver(conn->pg, pondi_postgres_notice, conn);
    pond_error *error = NULL;
    if (pondi_postgres_watch(conn, PONDI_WRITABLE, &error)) {
        pondi_conn_broken(&conn->base);
        pondi_postgres_fail(conn, error);
        pondi_postgres_finish(conn);
    }
}

/* ---- Names to addresses, off the loop ---------------------------------------------------- */

/* libpq takes the addresses of one host as a list of hosts. */
static void append_entry(pg_task *task, const char *address)
{
    const char *comma = task->hosts.size ? "," : "";
    pondi_buffer_appendf(&task->hosts, "%s%s", comma, task->host);
    pondi_buffer_appendf(&task->addresses, "%s%s", comma, address);
}

static int needs_lookup(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return host[0] && host[0] != '/' && host[0] != '@' && inet_pton(AF_INET, host, address) != 1 &&
           inet_pton(AF_INET6, host, address) != 1;
}

/* Other settings than ours may name an address that libpq would connect to instead of the host.
 * What is set here wins over them, but only a list can be set that has nothing in it. */
static int others_name_address(void)
{
    return getenv("PGHOSTADDR") || getenv("PGSERVICE");
}

/* One entry for each address, so that libpq tries them all. */
static void resolve(pg_task *task)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char text[INET6_ADDRSTRLEN + 16];
    if (needs_lookup(task->host) && getaddrinfo(task->host, NULL, &hints, &found) != 0)
        found = NULL; /* libpq will say what is wrong with it */
    for (struct addrinfo *at = found; at; at = at->ai_next) {
        if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) ==
            0)
            append_entry(task, text);
    }
    if (found)
        freeaddrinfo(found);
    if (!task->hosts.size)
        append_entry(task, "");
    if (!task->addresses.size && others_name_address())
        append_entry(task, ""); /* the same host again */
}

static void resolved(pg_conn *conn, pg_task *task)
{
    if (task->hosts.failed || task->addresses.failed) {
        pondi_conn_broken(&conn->base);
        pondi_postgres_fail(conn, pondi_error_new(POND_ENOMEM, "out of memory"));
        pondi_postgres_finish(conn);
        return;
    }
    begin(conn, task->hosts.data, task->addresses.data);
}

void pondi_postgres_connect(pg_conn *conn)
{
    const char *host = pondi_config_get(conn->base.config, "host");
    const char *address = pondi_config_get(conn->base.config, "hostaddr");
    if (!host || address || !(needs_lookup(host) || others_name_address())) {
        begin(conn, host, address);
        return;
    }
    pond_error *error = NULL;
    conn->phase = PG_RESOLVING;
    pg_task *task = pondi_postgres_task_new(conn);
    int code = task ? POND_OK : pondi_error_nomem(&error);
    if (task) {
        task->host = pondi_strdup(host);
        task->work = resolve;
        task->done = resolved;
        if (!task->host) {
            pondi_task_drop(&task->base);
            code = pondi_error_nomem(&error);
        } else {
            code = pondi_postgres_task_run(task, &error);
        }
    }
    if (code) {
        pondi_conn_broken(&conn->base);
        pondi_postgres_fail(conn, error);
        pondi_postgres_finish(conn);
    }
}

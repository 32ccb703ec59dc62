/* Until a server has shown who it is, it gets no password in clear text, and little of our time and
 * memory. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/log.h"
#include "driver/trust.h"
#include "drivers/postgres/postgres.h"

enum { MOST_BYTES = 1 << 20, MOST_NOTICES = 100 };

/* ---- Settings ---------------------------------------------------------------------------- */

static const char *setting(const pond_config *config, const char *key, const char *variable)
{
    const char *value = pondi_config_get(config, key);
    return value ? value : getenv(variable);
}

static int is(const char *value, const char *word)
{
    return value && strcmp(value, word) == 0;
}

/* With the authorities of the system, libpq insists on the host's name, too. */
static int verifies_name(const pond_config *config)
{
    const char *mode = setting(config, "sslmode", "PGSSLMODE");
    return is(mode, "verify-full") ||
           (!mode && is(setting(config, "sslrootcert", "PGSSLROOTCERT"), "system"));
}

static int verifies(const pond_config *config)
{
    const char *mode = setting(config, "sslmode", "PGSSLMODE");
    const char *root = setting(config, "sslrootcert", "PGSSLROOTCERT");
    return verifies_name(config) || is(mode, "verify-ca") || (root && is(mode, "require"));
}

static int is_on_sockets(const pond_config *config)
{
    return !pondi_config_get(config, "hostaddr") &&
           pondi_hosts_are_sockets(pondi_config_get(config, "host"));
}

/* Passwords in clear text are for those who asked for it, and for sockets of this machine. */
int pondi_postgres_refuses_clear_text(const pond_config *config)
{
    return !pondi_config_flag(config, "cleartext_password", 0) && !is_on_sockets(config);
}

void pondi_postgres_check_config(const pond_config *config, pondi_problems *problems)
{
    if (pondi_config_flag(config, "cleartext_password", 0) && !verifies_name(config) &&
        !is_on_sockets(config))
        pondi_config_problem(
            problems, "cleartext_password",
            "needs sslmode=verify-full, or an attacker on the network can read the password");
}

static void warn_old_library(void)
{
    static atomic_flag warned = ATOMIC_FLAG_INIT;
    int version = PQlibVersion();
    if (!atomic_flag_test_and_set(&warned))
        pondi_log(POND_LOG_WARNING, "postgres",
                  "libpq %d.%d cannot be told to keep passwords from servers that ask for them in "
                  "clear text: use libpq 16 or newer, or sslmode=verify-full",
                  version / 10000, version % 10000);
}

void pondi_postgres_note_trust(const pond_config *config, const char *hosts)
{
    if (!pondi_hosts_are_remote(hosts))
        return;
    if (!verifies(config))
        pondi_warn_unverified("postgres", hosts);
    if (PQlibVersion() < PG_REQUIRES_AUTH && !verifies_name(config) &&
        pondi_postgres_refuses_clear_text(config))
        warn_old_library();
}

/* ---- While it lasts ---------------------------------------------------------------------- */

static size_t size_at(const unsigned char *head)
{
    return (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
}

/* Newer versions of libpq are told to refuse. For older ones, a look at what the server has sent so
 * far: a clever one goes unseen, and so does what comes under TLS. */
static int asks_for_clear_text(const pg_conn *conn)
{
    static const unsigned char request[] = {'R', 0, 0, 0, 8, 0, 0, 0, 3};
    unsigned char said[4096];
    if (PQlibVersion() >= PG_REQUIRES_AUTH || PQstatus(conn->pg) != CONNECTION_AWAITING_RESPONSE ||
        PQsslInUse(conn->pg) || !pondi_postgres_refuses_clear_text(conn->base.config))
        return 0;
    ssize_t size = recv(PQsocket(conn->pg), said, sizeof(said), MSG_PEEK | MSG_DONTWAIT);
    for (size_t at = 0; size > 0 && at + sizeof(request) <= (size_t)size;
         at += 1 + size_at(said + at + 1)) {
        if (memcmp(said + at, request, sizeof(request)) == 0)
            return 1;
    }
    return 0;
}

/* What is there to be read now is added up. */
static int says_too_much(pg_conn *conn)
{
    int waiting = 0;
    if (ioctl(PQsocket(conn->pg), FIONREAD, &waiting) == 0 && waiting > 0)
        conn->login.bytes += (size_t)waiting;
    return conn->login.bytes > MOST_BYTES || conn->login.notices > MOST_NOTICES;
}

int pondi_postgres_refuses_login(pg_conn *conn, pond_error **error)
{
    char where[300];
    pondi_config_address(conn->base.config, where, sizeof(where));
    if (asks_for_clear_text(conn))
        *error = pondi_error_new(POND_EAUTH,
                                 "the server at %s asks for the password in clear text, which was "
                                 "refused: configure it to use SCRAM, or set cleartext_password",
                                 where);
    else if (says_too_much(conn))
        *error = pondi_error_new(POND_ECONNECT,
                                 "the server at %s sent more than %d notices or %d bytes while the "
                                 "client was logging in: it may not be a database",
                                 where, MOST_NOTICES, MOST_BYTES);
    return *error != NULL;
}

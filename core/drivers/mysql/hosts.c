/* Which of several hosts to connect to: the one that the last connection was made to, else the next
 * that can be reached and, once a standby was met, that accepts writes. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "driver/openssl.h"
#include "driver/trust.h"
#include "drivers/mysql/tls.h"
#include "loop/keeper.h"
#include "loop/worker.h"

/* ---- What the pool remembers ------------------------------------------------------------- */

struct my_hosts {
    atomic_uint first;
    atomic_int wants_writer;
};

int pondi_mysql_shared_open(pond_config *config, void **shared, pond_error **err)
{
    my_hosts *hosts = pondi_calloc(1, sizeof(*hosts));
    if (!hosts)
        return pondi_error_nomem(err);
    const char *names = pondi_mysql_setting(config, "host", "MYSQL_HOST");
    if (pondi_hosts_are_remote(names) && pondi_mysql_tls(config, 0).level < MY_TLS_TRUSTED)
        pondi_warn_unverified("mysql", names);
    atomic_init(&hosts->first, 0);
    atomic_init(&hosts->wants_writer, 0);
    *shared = hosts;
    return POND_OK;
}

my_target pondi_mysql_target(my_hosts *hosts)
{
    return (my_target){.first = atomic_load(&hosts->first),
                       .writer = atomic_load(&hosts->wants_writer)};
}

void pondi_mysql_prefer(my_hosts *hosts, unsigned int host)
{
    atomic_store(&hosts->first, host);
}

void pondi_mysql_met_standby(my_conn *conn)
{
    my_hosts *hosts = conn->base.shared;
    conn->base.standby = 1;
    atomic_store(&hosts->wants_writer, 1);
    atomic_store(&hosts->first, conn->host + 1);
}

/* ---- The list ---------------------------------------------------------------------------- */

static unsigned int count_parts(const char *list)
{
    unsigned int count = 1;
    for (; *list; list++)
        count += *list == ',';
    return count;
}

/* A part of a list separated by commas, as a copy; the last one stands for all beyond. */
static char *part_of(const char *list, unsigned int number)
{
    for (const char *comma; number && (comma = strchr(list, ',')); number--)
        list = comma + 1;
    return pondi_memdup(list, strcspn(list, ","));
}

static MYSQL *open_number(const pond_config *config, const char *database, unsigned int number,
                          int64_t timeout_ms, pond_error **err)
{
    const char *hosts = pondi_mysql_setting(config, "host", "MYSQL_HOST");
    const char *ports = pondi_mysql_setting(config, "port", "MYSQL_TCP_PORT");
    char *host = part_of(hosts ? hosts : "", number);
    char *port = part_of(ports ? ports : "3306", number);
    MYSQL *mysql = NULL;
    if (host && port)
        mysql = pondi_mysql_open_at(config, database, *host ? host : NULL,
                                    (unsigned int)strtoul(port, NULL, 10), timeout_ms, err);
    else
        pondi_error_nomem(err);
    pondi_free(host);
    pondi_free(port);
    return mysql;
}

/* ---- The server's own words -------------------------------------------------------------- */

/* What it takes in one packet, as it hangs up on those who send more; and if it refuses writes. */
static int ask(MYSQL *mysql, uint64_t *max_packet, int *read_only)
{
    if (mysql_query(mysql, "SELECT @@max_allowed_packet, @@read_only"))
        return 0;
    MYSQL_RES *rows = mysql_store_result(mysql);
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;
    int told = row && row[0] && row[1];
    if (told) {
        *max_packet = strtoull(row[0], NULL, 10);
        *read_only = strcmp(row[1], "0") != 0 && strcmp(row[1], "OFF") != 0;
    }
    mysql_free_result(rows);
    return told;
}

static MYSQL *open_fit(const pond_config *config, my_target *target, unsigned int number,
                       int64_t timeout_ms, pond_error **err)
{
    int read_only = 0;
    const char *database = target->no_database ? NULL : pondi_config_get(config, "database");
    MYSQL *mysql = open_number(config, database, number, timeout_ms, err);
    if (!mysql)
        return NULL;
    int told = ask(mysql, &target->max_packet, &read_only);
    target->used = number;
    if (told && !(target->writer && read_only))
        return mysql;
    if (!told)
        pondi_error_move(err, pondi_mysql_connect_error(config, mysql, "the server"));
    else
        pondi_error_set(err, POND_ECONNECT,
                        "cannot connect to database \"%s\": none of the hosts accepts writes",
                        pondi_config_get(config, "database"));
    mysql_close(mysql);
    return NULL;
}

/* ---- Open -------------------------------------------------------------------------------- */

static void init_library(void)
{
    pondi_openssl_init(); /* Connector/C would have it torn down at exit */
    mysql_library_init(0, NULL, NULL);
    pondi_mysql_gate_init();
    pondi_threads_end_before_exit(); /* and before whatever that has registered */
}

void pondi_mysql_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_library);
}

/* Only where the next host may do better. */
static int try_next(const pond_error *error)
{
    int code = pond_error_code(error);
    return code == POND_ECONNECT || code == POND_ERESOURCES;
}

/* One that does not answer must leave time for the others. */
static int64_t share_of(int64_t timeout_ms, unsigned int count)
{
    return timeout_ms < 0 ? timeout_ms : timeout_ms / count + 1;
}

MYSQL *pondi_mysql_open(const pond_config *config, my_target *target, int64_t timeout_ms,
                        pond_error **err)
{
    pondi_mysql_init();
    const char *hosts = pondi_mysql_setting(config, "host", "MYSQL_HOST");
    unsigned int count = count_parts(hosts ? hosts : "");
    unsigned int tries = target->only ? 1 : count;
    target->writer &= count > 1;
    for (unsigned int i = 0; i < tries; i++) {
        pond_error *error = NULL;
        MYSQL *mysql = open_fit(config, target, (target->first + i) % count,
                                share_of(timeout_ms, tries), &error);
        if (mysql)
            return mysql;
        int again = i + 1 < tries && try_next(error);
        if (!again) {
            pondi_error_move(err, error);
            return NULL;
        }
        pond_error_free(error);
    }
    return NULL;
}

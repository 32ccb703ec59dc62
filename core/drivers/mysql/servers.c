/* Where the servers are, as the config and the variables of MySQL's own programs say; and one
 * connection to one of them. */
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

/* ---- Where ------------------------------------------------------------------------------- */

static int setting(const pond_config *config, const char *key, const char *variable, char **out,
                   pond_error **err)
{
    const char *value = pondi_mysql_setting(config, key, variable);
    *out = value ? pondi_strdup(value) : NULL;
    return value && !*out ? pondi_error_nomem(err) : POND_OK;
}

int pondi_mysql_find_servers(const pond_config *config, pondi_servers *out, pond_error **err)
{
    int code = setting(config, "host", "MYSQL_HOST", &out->hosts, err);
    if (!code)
        code = setting(config, "port", "MYSQL_TCP_PORT", &out->ports, err);
    if (!code && pondi_hosts_are_remote(out->hosts) &&
        pondi_mysql_tls(config, 0).level < MY_TLS_TRUSTED)
        pondi_warn_unverified("mysql", out->hosts);
    return code;
}

/* ---- The client library ------------------------------------------------------------------ */

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

/* ---- Open -------------------------------------------------------------------------------- */

/* What it takes in one packet, as it hangs up on those who send more; and if it refuses writes. */
static int ask(MYSQL *mysql, my_server *server)
{
    if (mysql_query(mysql, "SELECT @@max_allowed_packet, @@read_only"))
        return 0;
    MYSQL_RES *rows = mysql_store_result(mysql);
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;
    int told = row && row[0] && row[1];
    if (told) {
        server->max_packet = strtoull(row[0], NULL, 10);
        server->read_only = strcmp(row[1], "0") != 0 && strcmp(row[1], "OFF") != 0;
    }
    mysql_free_result(rows);
    return told;
}

MYSQL *pondi_mysql_open(const pond_config *config, int64_t timeout_ms, my_server *server,
                        pond_error **err)
{
    const char *database = pondi_config_get(config, "database");
    MYSQL *mysql = pondi_mysql_open_bare(config, database, timeout_ms, err);
    if (!mysql || ask(mysql, server))
        return mysql;
    pondi_error_move(err, pondi_mysql_connect_error(config, mysql, "the server"));
    mysql_close(mysql);
    return NULL;
}

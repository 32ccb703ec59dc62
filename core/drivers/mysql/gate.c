/* What is sent before TLS is up, and what only under TLS.
 *
 * By itself Connector/C answers a server that offers no TLS as that server wants, and looks only
 * afterwards whether TLS was required. Some versions take the wish for TLS for TLS, and send the
 * password as it is; all of them, and Oracle's library for sha256_password, ask any server for an
 * RSA key to encrypt the password with. So the first authentication method of a connection is one
 * of our own, the gate. It runs once the server's greeting was read, sends the user's name alone
 * (which sets TLS up), and sees what came of that. Only then are the methods allowed that send
 * anything of the password: the server, which does not know the gate, names one of them next. That
 * takes one round trip of each login. */
#include "drivers/mysql/tls.h"

#ifdef MARIADB_PACKAGE_VERSION
#include <mysql/plugin_auth.h>
#else
#include <mysql/client_plugin.h>
#include <string.h>
#endif

enum { AUTHENTICATION = 2 };

static const char name[] = "millpond_gate";

/* As the library's header has it; that of Connector/C needs a header which is not installed. */
static struct gate {
    struct st_mysql_client_plugin head;
    int (*authenticate)(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql);
    void *other; /* for the password's hash, or to do the same without blocking: not offered */
} gate = {.head = {.type = AUTHENTICATION,
#ifdef MARIADB_PACKAGE_VERSION
                   .interface_version = 0x0101,
#else
                   .interface_version = MYSQL_CLIENT_AUTHENTICATION_PLUGIN_INTERFACE_VERSION,
#endif
                   .name = name,
                   .author = "millpond",
                   .desc = "sends nothing secret before TLS is up",
                   .version = {1, 0, 0},
                   .license = "MIT"}};

static int vet(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql);

/* If it fails, or another copy of this library was first, connections still find a gate or are
 * refused. */
void pondi_mysql_gate_init(void)
{
    MYSQL *mysql = mysql_init(NULL);
    gate.authenticate = vet;
    gate.other = NULL;
    if (mysql)
        mysql_client_register_plugin(mysql, &gate.head);
    mysql_close(mysql);
}

/* Whether methods that tell the server the password are allowed. */
static int may_tell(const my_tls *tls, int encrypted)
{
    return encrypted || tls->local || tls->has_key;
}

#ifdef MARIADB_PACKAGE_VERSION
/* ---- Connector/C ------------------------------------------------------------------------- */

enum { OFFERS_TLS = 2048 };

/* Methods that prove to know the password without telling it. */
#define PROOFS "mysql_native_password,client_ed25519,parsec,auth_gssapi_client"
static const char proofs[] = PROOFS;
/* These two tell it: under TLS as it is, else encrypted with the server's RSA key. */
static const char all[] = PROOFS ",caching_sha2_password,sha256_password";

static int vet(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql)
{
    unsigned long server = 0;
    my_tls *tls = NULL;
    my_flag off = 0;
    mysql_get_optionv(mysql, MARIADB_OPT_USERDATA, (void *)name, &tls);
    mariadb_get_infov(mysql, MARIADB_CONNECTION_SERVER_CAPABILITIES, &server);
    if (!tls)
        return CR_ERROR;
    tls->vetted = 1;
    tls->not_offered = tls->level >= MY_TLS_REQUIRED && !(server & OFFERS_TLS);
    if (tls->not_offered || vio->write_packet(vio, NULL, 0))
        return CR_ERROR;
    int encrypted = mysql_get_ssl_cipher(mysql) != NULL;
    tls->not_offered = tls->level >= MY_TLS_REQUIRED && !encrypted;
    if (tls->not_offered)
        return CR_ERROR;
    if (!encrypted)
        mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &off);
    mysql_options(mysql, MARIADB_OPT_RESTRICTED_AUTH, may_tell(tls, encrypted) ? all : proofs);
    return CR_OK;
}

int pondi_mysql_gate_set(MYSQL *mysql, my_tls *tls)
{
    /* a server that knows no methods to choose from gets a proof, if that may go unencrypted */
    static const char first[] = "millpond_gate,mysql_native_password";
    const char *allowed = tls->level >= MY_TLS_REQUIRED ? name : first;
    if (tls->local && tls->level == MY_TLS_OFF) {
        tls->vetted = 1;
        return mysql_options(mysql, MARIADB_OPT_RESTRICTED_AUTH, all);
    }
    return mysql_optionsv(mysql, MARIADB_OPT_USERDATA, (void *)name, (void *)tls) ||
           mysql_options(mysql, MYSQL_DEFAULT_AUTH, name) ||
           mysql_options(mysql, MARIADB_OPT_RESTRICTED_AUTH, allowed);
}

#else
/* ---- Oracle's libmysqlclient ------------------------------------------------------------- */

enum { SWITCH = 254, ERROR = 255, METHOD_FAILED = 2061 };

/* Of the connection that this thread is making. */
static _Thread_local my_tls *current;

/* Reading sends the user's name first. The server's answer names the method that it wants: the
 * library goes on with that when the gate fails, as long as the answer says so. */
static int vet(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql)
{
    unsigned char *packet;
    if (!current)
        return CR_ERROR;
    current->vetted = 1;
    if (vio->read_packet(vio, &packet) >= 0)
        return CR_OK_HANDSHAKE_COMPLETE;
    unsigned char *answer = mysql->net.read_pos;
    if (!answer || answer[0] != SWITCH || may_tell(current, mysql_get_ssl_cipher(mysql) != NULL))
        return CR_ERROR;
    const char *method = (const char *)answer + 1;
    current->refused =
        strcmp(method, "caching_sha2_password") == 0 || strcmp(method, "sha256_password") == 0;
    if (!current->refused)
        return CR_ERROR;
    answer[0] = ERROR;
    return METHOD_FAILED;
}

/* This library sends nothing to a server that lacks the TLS which is required. */
int pondi_mysql_gate_set(MYSQL *mysql, my_tls *tls)
{
    current = tls;
    if (tls->level >= MY_TLS_REQUIRED || may_tell(tls, 0))
        return 0;
    return mysql_options(mysql, MYSQL_DEFAULT_AUTH, name);
}
#endif

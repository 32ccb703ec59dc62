#include "drivers/mysql/tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

enum { NOT_ALLOWED = 5010 };

/* ---- Settings ---------------------------------------------------------------------------- */

static const char *const modes[] = {"disable", "prefer", "require", "verify-full"};
static const my_tls_level levels[] = {MY_TLS_OFF, MY_TLS_PREFERRED, MY_TLS_REQUIRED,
                                      MY_TLS_VERIFIED};

/* -1 if there is no such mode. */
static int mode_number(const char *mode)
{
    for (int i = 0; i < (int)(sizeof(modes) / sizeof(modes[0])); i++) {
        if (strcmp(mode, modes[i]) == 0)
            return i;
    }
    return -1;
}

void pondi_mysql_check_tls(const pond_config *config, pondi_problems *problems)
{
    const char *mode = pondi_config_get(config, "sslmode");
    if (mode && mode_number(mode) < 0)
        pondi_config_problem(problems, "sslmode",
                             "must be disable, prefer, require or verify-full, not \"%s\"", mode);
    if (mode && strcmp(mode, "disable") == 0 && pondi_config_get(config, "sslrootcert"))
        pondi_config_problem(
            problems, "sslrootcert",
            "requires a verified server, but sslmode is disable: remove one of the two settings");
}

my_tls pondi_mysql_tls(const pond_config *config, int local)
{
    const char *mode = pondi_config_get(config, "sslmode");
    int number = mode_number(mode ? mode : local ? "disable" : "prefer");
    my_tls tls = {.local = local, .level = levels[number < 0 ? 0 : number]};
    int trusts = pondi_config_get(config, "sslrootcert") != NULL;
    if (trusts && (tls.level == MY_TLS_PREFERRED || tls.level == MY_TLS_REQUIRED))
        tls.level = MY_TLS_TRUSTED;
    tls.has_key = pondi_config_get(config, "server_public_key") ||
                  pondi_config_flag(config, "get_server_public_key", 0);
    return tls;
}

/* The client libraries ask the server for its key if they find none in the file. */
static int check_key(const char *path, pond_error **err)
{
    static const char begin[] = "-----BEGIN PUBLIC KEY-----";
    char text[4096] = "";
    FILE *file = fopen(path, "re");
    size_t size = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file)
        fclose(file);
    text[size] = '\0';
    if (strstr(text, begin))
        return POND_OK;
    return pondi_error_set(err, POND_ECONNECT,
                           "the file of server_public_key, %s, has no public key in it: a line "
                           "\"%s\" was expected",
                           path, begin);
}

int pondi_mysql_check_files(const pond_config *config, pond_error **err)
{
    static const char *const keys[] = {"sslrootcert", "sslcert", "sslkey", "server_public_key"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *path = pondi_config_get(config, keys[i]);
        if (path && access(path, R_OK))
            return pondi_error_set(err, POND_ECONNECT, "cannot read the file of %s, %s: %s",
                                   keys[i], path, strerror(errno));
    }
    const char *key = pondi_config_get(config, "server_public_key");
    return key ? check_key(key, err) : POND_OK;
}

/* ---- Before connecting ------------------------------------------------------------------- */

#ifdef MARIADB_PACKAGE_VERSION
/* With sslrootcert, the library checks who signed the certificate without being told so. */
static int set_level(MYSQL *mysql, my_tls *tls)
{
    my_flag on = 1;
    if (tls->level != MY_TLS_OFF) /* it is off unless something of it is set */
        mysql_ssl_set(mysql, NULL, NULL, NULL, NULL, NULL);
    if (tls->level >= MY_TLS_REQUIRED)
        mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &on);
    on = tls->level == MY_TLS_VERIFIED;
    if (tls->level != MY_TLS_OFF)
        mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on);
    return pondi_mysql_gate_set(mysql, tls);
}
#else
static int set_level(MYSQL *mysql, my_tls *tls)
{
    static const unsigned int theirs[] = {SSL_MODE_DISABLED, SSL_MODE_PREFERRED, SSL_MODE_REQUIRED,
                                          SSL_MODE_VERIFY_CA, SSL_MODE_VERIFY_IDENTITY};
    bool ask = tls->has_key;
    mysql_reset_server_public_key(); /* it keeps the first file's for the whole process */
    return mysql_options(mysql, MYSQL_OPT_SSL_MODE, &theirs[tls->level]) ||
           mysql_options(mysql, MYSQL_OPT_GET_SERVER_PUBLIC_KEY, &ask) ||
           pondi_mysql_gate_set(mysql, tls);
}
#endif

int pondi_mysql_set_tls(MYSQL *mysql, const pond_config *config, my_tls *tls)
{
    const char *key = pondi_config_get(config, "server_public_key");
    int failed = set_level(mysql, tls);
    if (key)
        failed |= mysql_options(mysql, MYSQL_SERVER_PUBLIC_KEY, key);
    if (tls->level == MY_TLS_OFF)
        return failed;
    mysql_options(mysql, MYSQL_OPT_SSL_KEY, pondi_config_get(config, "sslkey"));
    mysql_options(mysql, MYSQL_OPT_SSL_CERT, pondi_config_get(config, "sslcert"));
    mysql_options(mysql, MYSQL_OPT_SSL_CA, pondi_config_get(config, "sslrootcert"));
    return failed;
}

/* ---- Afterwards -------------------------------------------------------------------------- */

/* Which setting asks for TLS. */
static void wish(const pond_config *config, char *out, size_t room)
{
    const char *mode = pondi_config_get(config, "sslmode");
    if (mode && strcmp(mode, "prefer") != 0)
        snprintf(out, room, "sslmode is %s", mode);
    else
        snprintf(out, room, "sslrootcert is set");
}

/* The server asked for a method that tells it the password. Connector/C names a wrong one. */
static pond_error *refused_method(const pond_config *config, MYSQL *mysql, const my_tls *tls,
                                  const char *where)
{
    static const char *const why[] = {
        "the server asks for the password in clear text, or by a method that is not supported",
        "the server does not let the client choose an authentication method, and the method that "
        "it requires is not safe",
        "the server asks for the password, and the connection is not encrypted: use "
        "sslmode=verify-full, or set server_public_key to the file of the server's RSA key; "
        "get_server_public_key=true accepts the key of any server without verifying it"};
    int encrypted = mysql_get_ssl_cipher(mysql) != NULL;
    int which = !tls->vetted ? 1 : encrypted || tls->local || tls->has_key ? 0 : 2;
    return pondi_error_new(tls->vetted ? POND_EAUTH : POND_ECONNECT,
                           "cannot connect to database \"%s\" at %s: %s",
                           pondi_config_get(config, "database"), where, why[which]);
}

pond_error *pondi_mysql_tls_error(const pond_config *config, MYSQL *mysql, const my_tls *tls,
                                  const char *where)
{
    char why[64];
    int plain =
        !mysql_errno(mysql) && tls->level >= MY_TLS_REQUIRED && !mysql_get_ssl_cipher(mysql);
    int refused = tls->refused || mysql_errno(mysql) == NOT_ALLOWED;
    if (!tls->not_offered && !plain)
        return refused ? refused_method(config, mysql, tls, where) : NULL;
    wish(config, why, sizeof(why));
    return pondi_error_new(
        POND_ECONNECT, "cannot connect to database \"%s\" at %s: the server offers no SSL, but %s",
        pondi_config_get(config, "database"), where, why);
}

/* Connecting runs on a thread: names are looked up and TLS is negotiated without the loop waiting.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "drivers/mysql/tls.h"

/* Modes under which text reads in another way than the tokenizer reads it. */
static const char *const refused_modes[] = {
    "ANSI", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "DB2", "MAXDB", "MSSQL", "ORACLE", "POSTGRESQL"};
static const char default_mode[] =
    "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO";

/* ---- Settings ---------------------------------------------------------------------------- */

static int in_list(const char *list, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',') {
        if (strcspn(at, ",") == size && strncasecmp(at, word, size) == 0)
            return 1;
    }
    return 0;
}

static int only_has(const char *text, const char *allowed)
{
    return text[strspn(text, allowed)] == '\0';
}

static void check_modes(const pond_config *config, pondi_problems *problems)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_,";
    const char *mode = pondi_config_get(config, "sql_mode");
    if (mode && !only_has(mode, letters))
        pondi_config_problem(problems, "sql_mode", "must be names separated by commas");
    for (size_t i = 0; mode && i < sizeof(refused_modes) / sizeof(refused_modes[0]); i++) {
        if (in_list(mode, refused_modes[i]))
            pondi_config_problem(problems, "sql_mode",
                                 "must not contain %s, which changes what quotes mean",
                                 refused_modes[i]);
    }
}

static void check_isolation(const pond_config *config, pondi_problems *problems)
{
    static const char *const levels[] = {"READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ",
                                         "SERIALIZABLE"};
    const char *isolation = pondi_config_get(config, "transaction_isolation");
    if (!isolation)
        return;
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcasecmp(isolation, levels[i]) == 0)
            return;
    }
    pondi_config_problem(problems, "transaction_isolation",
                         "must be one of READ UNCOMMITTED, READ COMMITTED, REPEATABLE READ, "
                         "SERIALIZABLE");
}

void pondi_mysql_check_config(const pond_config *config, pondi_problems *problems)
{
    pondi_mysql_check_tls(config, problems);
    check_modes(config, problems);
    check_isolation(config, problems);
}

const char *pondi_mysql_setting(const pond_config *config, const char *key, const char *variable)
{
    const char *value = pondi_config_get(config, key);
    return value ? value : getenv(variable);
}

/* ---- One connection ---------------------------------------------------------------------- */

void pondi_mysql_session(const pond_config *config, pondi_buffer *out)
{
    const char *mode = pondi_config_get(config, "sql_mode");
    pondi_buffer_appendf(out, "SET time_zone = '+00:00', autocommit = 1, sql_mode = '%s'",
                         mode ? mode : default_mode);
}

int pondi_mysql_isolation(const pond_config *config, pondi_buffer *out)
{
    const char *isolation = pondi_config_get(config, "transaction_isolation");
    if (isolation)
        pondi_buffer_appendf(out, "SET SESSION TRANSACTION ISOLATION LEVEL %s", isolation);
    return isolation != NULL;
}

static int set_options(MYSQL *mysql, const pond_config *config, int64_t timeout_ms, my_tls *tls)
{
    pondi_buffer init;
    unsigned int seconds = timeout_ms < 0 ? 0 : (unsigned int)((timeout_ms + 999) / 1000);
    unsigned int off = 0;
    pondi_buffer_init(&init);
    pondi_mysql_session(config, &init);
    if (!init.failed)
        mysql_options(mysql, MYSQL_INIT_COMMAND, init.data);
    int failed = init.failed;
    pondi_buffer_free(&init);
    if (pondi_mysql_isolation(config, &init)) {
        if (!init.failed)
            mysql_options(mysql, MYSQL_INIT_COMMAND, init.data);
        failed |= init.failed;
        pondi_buffer_free(&init);
    }
    pondi_mysql_run_options(mysql, seconds);
    pondi_mysql_set_plugins(mysql);
    if (seconds)
        mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &off);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options4(mysql, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "millpond");
    failed |= pondi_mysql_set_tls(mysql, config, tls);
    return failed;
}

static void limit_answers(MYSQL *mysql, int64_t timeout_ms)
{
    unsigned int seconds = (unsigned int)((timeout_ms + 999) / 1000);
    mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &seconds);
    mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
}

/* A server that is full says so before TLS is up, which Connector/C takes for less certain and
 * wraps into an error of its own. */
static unsigned int number_of(MYSQL *mysql)
{
    static const char wrapped[] = "cannot be verified: ";
    const char *early = strstr(mysql_error(mysql), wrapped);
    return early ? (unsigned int)strtoul(early + strlen(wrapped), NULL, 10) : mysql_errno(mysql);
}

static int code_of(unsigned int number)
{
    switch (number) {
    case 1044: /* this user may not use this database */
    case 1045:
    case 1698:
    case 1820: /* the password has expired */
    case 1862:
    case 2059: /* an authentication method that we do not take part in */
    case 3118: /* the account is locked: MySQL */
    case 3955: /* for some days, after wrong passwords */
    case 4150: /* as these two, MariaDB; nothing else has these numbers before there is a session */
    case 4151:
        return POND_EAUTH;
    case 1040:
    case 1203:
    case 1226:
        return POND_ERESOURCES;
    case 1049:
        return POND_EUNDEFINED;
    default:
        return POND_ECONNECT;
    }
}

pond_error *pondi_mysql_connect_error(const pond_config *config, MYSQL *mysql, const char *where)
{
    unsigned int number = mysql ? number_of(mysql) : 0;
    if (!mysql)
        return pondi_error_new(POND_ENOMEM, "out of memory");
    pond_error *error =
        pondi_error_new(code_of(number), "cannot connect to database \"%s\" at %s: %s",
                        pondi_config_get(config, "database"), where, mysql_error(mysql));
    if (!pondi_error_is_shared(error))
        error->vendor_code = (int32_t)number;
    pondi_error_set_sqlstate(error, mysql_sqlstate(mysql));
    return error;
}

/* A folder stands for the socket that servers make in it. */
static void socket_path(const char *host, char *out, size_t room)
{
    struct stat info;
    int folder = stat(host, &info) == 0 && S_ISDIR(info.st_mode);
    snprintf(out, room, folder ? "%s/mysqld.sock" : "%s", host);
}

MYSQL *pondi_mysql_open_bare(const pond_config *config, const char *database, int64_t timeout_ms,
                             pond_error **err)
{
    const char *host = pondi_config_get(config, "host");
    unsigned int port = (unsigned int)pondi_config_count(config, "port", 3306);
    char path[512] = "";
    char where[600];
    int local = !host || host[0] == '/';
    unsigned int protocol = local ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
    const char *socket = local ? host : NULL;
    int failed = 0;
    if (!host)
        socket = getenv("MYSQL_UNIX_PORT");
    if (socket)
        socket_path(socket, path, sizeof(path));
    if (local)
        snprintf(where, sizeof(where), "%s", *path ? path : "the default socket");
    else
        snprintf(where, sizeof(where), "%s:%u", host, port);
    if (pondi_mysql_check_files(config, err))
        return NULL;
    my_tls tls = pondi_mysql_tls(config, local);
    MYSQL *mysql = mysql_init(NULL);
    if (mysql && set_options(mysql, config, timeout_ms, &tls)) {
        mysql_close(mysql);
        mysql = NULL;
    }
    if (mysql && !database) /* only for a KILL: its answer is waited for as long, too */
        limit_answers(mysql, timeout_ms);
    if (mysql)
        mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
    if (!mysql ||
        !mysql_real_connect(mysql, local ? NULL : host, pondi_mysql_setting(config, "user", "USER"),
                            pondi_mysql_setting(config, "password", "MYSQL_PWD"), database, port,
                            *path ? path : NULL, CLIENT_FOUND_ROWS | CLIENT_MULTI_RESULTS))
        failed = 1;
    pond_error *error = mysql ? pondi_mysql_tls_error(config, mysql, &tls, where) : NULL;
    if (!failed && !error)
        return mysql;
    pondi_error_move(err, error ? error : pondi_mysql_connect_error(config, mysql, where));
    if (mysql)
        mysql_close(mysql);
    return NULL;
}

/* ---- On the thread ----------------------------------------------------------------------- */

static void work(pondi_task *base)
{
    my_task *task = (my_task *)base;
    task->mysql = pondi_mysql_open(task->config, task->timeout_ms, &task->server, &task->error);
    mysql_thread_end();
}

static void free_task(pondi_task *base)
{
    my_task *task = (my_task *)base;
    if (task->mysql)
        mysql_close(task->mysql);
    pond_error_free(task->error);
    pond_config_release(task->config);
    pondi_free(task);
}

my_task *pondi_mysql_task_new(my_conn *conn)
{
    my_task *task = pondi_calloc(1, sizeof(*task));
    if (!task)
        return NULL;
    pondi_task_init(&task->base, conn->base.loop, conn);
    task->base.free = free_task;
    task->config = pond_config_retain(conn->base.config);
    return task;
}

/* ---- On the loop ------------------------------------------------------------------------- */

static const char *server_version(MYSQL *mysql)
{
    const char *version = mysql_get_server_info(mysql);
    int disguised = strncmp(version, "5.5.5-", 6) == 0; /* MariaDB, for old clients */
    return disguised ? version + 6 : version;
}

/* As comments write it: 101119 for 10.11.19. */
static unsigned int version_number(const char *version)
{
    unsigned int number = 0;
    for (int part = 0; part < 3; part++) {
        unsigned int value = 0;
        for (; *version >= '0' && *version <= '9'; version++)
            value = value < 10 ? value * 10 + (unsigned int)(*version - '0') : 99;
        number = number * 100 + value;
        if (*version == '.')
            version++;
    }
    return number;
}

static int is_too_old(const my_conn *conn)
{
    return conn->version < 50700;
}

static void note_versions(my_conn *conn)
{
    const char *server = server_version(conn->mysql);
    conn->maria = strstr(server, "MariaDB") != NULL;
    conn->version = version_number(server);
    conn->base.statements.server = (pondi_sql_server){conn->maria, conn->version};
    if (conn->maria && conn->version >= 100500)
        conn->base.features |= POND_CAN_RETURN | POND_CAN_RUN_BLOCK;
    else
        conn->base.features |= PONDI_CAN_SET_LOCK_WAIT;
#ifdef MARIADB_PACKAGE_VERSION /* Oracle's library takes one answer before the next statement */
    if (!conn->maria && conn->version >= 80000 &&
        pondi_config_flag(conn->base.config, "pipelining", 1))
        conn->base.features |= PONDI_CAN_BATCH;
#endif
    snprintf(conn->base.server_version, sizeof(conn->base.server_version), "%s %s",
             conn->maria ? "MariaDB" : "MySQL", server);
#ifdef MARIADB_PACKAGE_VERSION
    snprintf(conn->base.driver_version, sizeof(conn->base.driver_version), "MariaDB Connector/C %s",
             mysql_get_client_info());
#else
    snprintf(conn->base.driver_version, sizeof(conn->base.driver_version), "libmysqlclient %s",
             mysql_get_client_info());
#endif
}

static int socket_of(MYSQL *mysql)
{
#ifdef MARIADB_PACKAGE_VERSION
    return (int)mysql_get_socket(mysql);
#else
    return mysql->net.fd;
#endif
}

static void fail_connect(my_conn *conn, pond_error *error)
{
    pondi_mysql_fail(conn, error);
    pondi_mysql_move(conn, MY_ON_LOSS);
    pondi_mysql_ended(conn);
}

static void done(pondi_task *base)
{
    my_task *task = (my_task *)base;
    my_conn *conn = base->owner;
    pond_error *error = task->error;
    conn->task = NULL;
    task->error = NULL;
    if (!task->mysql) {
        fail_connect(conn, error);
        return;
    }
    conn->mysql = task->mysql;
    task->mysql = NULL;
    /* one of our own: the library closes its own at the first error, and the number may be given
     * to another file before we hear of it */
    conn->fd = fcntl(socket_of(conn->mysql), F_DUPFD_CLOEXEC, 0);
    conn->max_packet = task->server.max_packet;
    conn->base.role = task->server.read_only ? PONDI_SERVER_STANDBY | PONDI_SERVER_READ_ONLY
                                             : PONDI_SERVER_PRIMARY | PONDI_SERVER_READ_WRITE;
    conn->tls = mysql_get_ssl_cipher(conn->mysql) != NULL;
    note_versions(conn);
    if (is_too_old(conn))
        fail_connect(conn, pondi_error_new(POND_ENOTSUPPORTED,
                                           "%s is too old: MySQL 5.7 and MariaDB 10.2 are the "
                                           "oldest that are supported",
                                           conn->base.server_version));
    else if (conn->fd < 0)
        fail_connect(conn, pondi_error_new(POND_ERESOURCES,
                                           "the process has too many open files for another "
                                           "connection"));
    else if (pondi_mysql_run_attach(conn, &error))
        fail_connect(conn, error);
    else
        pondi_mysql_ended(conn);
}

void pondi_mysql_connect(my_conn *conn)
{
    pond_error *error = NULL;
    pondi_mysql_init(); /* not first in the thread: the process may be ending by then */
    my_task *task = pondi_mysql_task_new(conn);
    int code = task ? POND_OK : pondi_error_nomem(&error);
    if (task) {
        task->timeout_ms = conn->request->call->timeout_ms;
        task->base.work = work;
        task->base.done = done;
        code = pondi_task_run(&task->base, &error);
    }
    if (code)
        fail_connect(conn, error);
    else
        conn->task = task;
}

void pondi_mysql_hang_up(const my_conn *conn)
{
    if (conn->fd >= 0)
        shutdown(conn->fd, SHUT_RDWR); /* whoever waits on it comes back */
}

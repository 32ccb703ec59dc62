#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "drivers/sqlite/sqlite.h"

/* Looks at the flag and the clock every so many steps of SQLite's machine: a few microseconds. */
enum { STEPS_BETWEEN_LOOKS = 1000 };

int pondi_sqlite_was_stopped(const pondi_sqlite_conn *conn)
{
    return atomic_load_explicit(&conn->stop, memory_order_relaxed) == conn->token;
}

int pondi_sqlite_must_stop(const pondi_sqlite_conn *conn)
{
    if (conn->undisturbed)
        return 0;
    if (pondi_sqlite_was_stopped(conn))
        return 1;
    return conn->deadline_ns != PONDI_NEVER && pondi_now_ns() >= conn->deadline_ns;
}

void pondi_sqlite_ask_host(pondi_sqlite_conn *conn)
{
    int mine = conn->running && conn->running->inline_run && !conn->undisturbed;
    if (mine && pondi_interrupt_is_due() && pondi_interrupt_ask())
        atomic_store(&conn->stop, conn->token);
}

static int on_progress(void *data)
{
    pondi_sqlite_conn *conn = data;
    pondi_sqlite_ask_host(conn);
    return conn->hurried || pondi_sqlite_must_stop(conn);
}

/* Another process writes: try again soon, for as long as the settings and the request allow. */
static int on_busy(void *data, int attempts)
{
    static const int waits_us[] = {100, 300, 1000, 3000, 5000};
    enum { KINDS = sizeof(waits_us) / sizeof(waits_us[0]) };
    pondi_sqlite_conn *conn = data;
    if (attempts == 0)
        conn->busy_until_ns = pondi_deadline_ns(conn->busy_ms);
    pondi_sqlite_ask_host(conn);
    if (conn->hurried || pondi_sqlite_must_stop(conn) || pondi_now_ns() >= conn->busy_until_ns)
        return 0;
    struct timespec pause = {.tv_nsec = 1000L * waits_us[attempts < KINDS ? attempts : KINDS - 1]};
    nanosleep(&pause, NULL);
    return 1;
}

/* ---- What the pool shares ---------------------------------------------------------------- */

void pondi_sqlite_check_config(const pond_config *config, pondi_problems *problems)
{
    const char *database = pondi_config_get(config, "database");
    if (database && strncmp(database, "file:", 5) == 0 && !pondi_config_flag(config, "uri", 0))
        pondi_config_problem(problems, "database", "is a file: URI: set uri to true to allow it");
}

static int in_memory(const char *database)
{
    return strcmp(database, ":memory:") == 0;
}

static int open_anchor(pondi_sqlite_shared *shared, pond_error **err)
{
    int code = sqlite3_open_v2(shared->path, &shared->anchor, shared->flags, NULL);
    if (code == SQLITE_OK)
        return POND_OK;
    return pondi_error_set(err, POND_ECONNECT, "cannot create a database in memory: %s",
                           sqlite3_errstr(code));
}

/* A name that nobody guesses: whoever knows it can open the database by a URI in this process. */
static char *memory_path(void)
{
    unsigned char secret[16];
    char path[80] = "file:/millpond-";
    if (getentropy(secret, sizeof(secret)))
        return NULL;
    for (size_t i = 0; i < sizeof(secret); i++)
        snprintf(path + strlen(path), sizeof(path) - strlen(path), "%02x", secret[i]);
    strcat(path, "?vfs=memdb");
    return pondi_strdup(path);
}

int pondi_sqlite_shared_open(pond_config *config, void **out, pond_error **err)
{
    const char *database = pondi_config_get(config, "database");
    if (!sqlite3_threadsafe())
        return pondi_error_set(err, POND_ENOTSUPPORTED,
                               "this SQLite library was built without thread support");
    pondi_sqlite_watch_forks();
    pondi_sqlite_shared *shared = pondi_calloc(1, sizeof(*shared));
    if (!shared)
        return pondi_error_nomem(err);
    pondi_refcount_init(&shared->refs);
    shared->memory = in_memory(database);
    shared->flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    shared->flags |= pondi_config_flag(config, "read_only", 0)
                         ? SQLITE_OPEN_READONLY
                         : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (shared->memory || pondi_config_flag(config, "uri", 0))
        shared->flags |= SQLITE_OPEN_URI;
    shared->path = shared->memory ? memory_path() : pondi_strdup(database);
    shared->writers = shared->path ? pondi_sqlite_writers_join(shared->path) : NULL;
    int code = shared->writers ? POND_OK : pondi_error_nomem(err);
    if (!code && shared->memory)
        code = open_anchor(shared, err);
    if (code) {
        pondi_sqlite_shared_close(shared);
        return code;
    }
    *out = shared;
    return POND_OK;
}

void pondi_sqlite_shared_close(void *data)
{
    pondi_sqlite_shared *shared = data;
    if (!pondi_refcount_drop(&shared->refs))
        return;
    sqlite3_close_v2(shared->anchor);
    pondi_sqlite_writers_part(shared->writers);
    pondi_free(shared->path);
    pondi_free(shared);
}

/* ---- Connect ----------------------------------------------------------------------------- */

/* SQLite only says "unable to open database file": find out why. */
static int explain(const pondi_sqlite_shared *shared, int code, int reason, pond_error **err)
{
    const char *path = shared->path;
    const char *slash = strrchr(path, '/');
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return pondi_error_set(err, POND_ECONNECT,
                               "cannot open the database \"%s\": this is a folder, name a file",
                               path);
    if (slash && slash != path && !(shared->flags & SQLITE_OPEN_URI)) {
        char *folder = pondi_memdup(path, (size_t)(slash - path));
        if (!folder)
            return pondi_error_nomem(err);
        int missing = stat(folder, &info) != 0 && errno == ENOENT;
        if (missing)
            pondi_error_set(err, POND_ECONNECT,
                            "cannot open the database \"%s\": the folder \"%s\" does not exist, "
                            "create it first",
                            path, folder);
        pondi_free(folder);
        if (missing)
            return POND_ECONNECT;
    }
    if (shared->flags & SQLITE_OPEN_READONLY && stat(path, &info) != 0 && errno == ENOENT)
        return pondi_error_set(
            err, POND_ECONNECT,
            "cannot open the database \"%s\": it does not exist, and read_only does not create it",
            path);
    return pondi_error_set(err, POND_ECONNECT, "cannot open the database \"%s\": %s (%s)", path,
                           sqlite3_errstr(code), reason ? strerror(reason) : "no reason given");
}

static int run(pondi_sqlite_conn *conn, const char *sql)
{
    return sqlite3_exec(conn->db, sql, NULL, NULL, NULL);
}

static int note_mode(void *data, int count, char **values, char **names)
{
    (void)names;
    *(int *)data = count == 1 && values[0] && strcmp(values[0], "wal") == 0;
    return 0;
}

static int switch_to_wal(pondi_sqlite_conn *conn)
{
    int code = pondi_sqlite_writers_enter(conn);
    if (code == SQLITE_OK)
        code = run(conn, "PRAGMA journal_mode = WAL");
    pondi_sqlite_writers_leave(conn);
    return code;
}

/* The mode stays with the file: only who comes first must wait for the writers' turn to set it.
 * Where two processes come first at once, SQLite refuses one of them without calling on_busy. */
static int use_wal(pondi_sqlite_conn *conn)
{
    int is_wal = 0;
    int attempts = 0;
    int code;
    do {
        code = sqlite3_exec(conn->db, "PRAGMA journal_mode", note_mode, &is_wal, NULL);
        if (code == SQLITE_OK && !is_wal)
            code = switch_to_wal(conn);
    } while ((code & 0xff) == SQLITE_BUSY && on_busy(conn, attempts++));
    return code == SQLITE_OK ? run(conn, "PRAGMA synchronous = NORMAL") : code;
}

static int set_up(pondi_sqlite_conn *conn)
{
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA,
                      pondi_config_flag(conn->base.config, "trusted_schema", 0), NULL);
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    conn->attach = pondi_config_flag(conn->base.config, "attach", 0);
    if (!conn->attach)
        sqlite3_limit(conn->db, SQLITE_LIMIT_ATTACHED, 0);
    int code = pondi_sqlite_add_collation(conn->db);
    if (code == SQLITE_OK)
        code = pondi_sqlite_add_rowid(conn);
    if (code != SQLITE_OK)
        return code;
    sqlite3_busy_handler(conn->db, on_busy, conn);
    sqlite3_progress_handler(conn->db, STEPS_BETWEEN_LOOKS, on_progress, conn);
    if (conn->shared->memory)
        code = SQLITE_OK; /* a look at it would wait for an open transaction */
    else if (conn->read_only)
        code = run(conn, "SELECT count(*) FROM sqlite_schema"); /* is it a database? */
    else
        code = use_wal(conn);
    return code == SQLITE_OK && conn->base.begins_read_only ? run(conn, PONDI_SQLITE_READ_ONLY)
                                                            : code;
}

static void close_failed(pondi_sqlite_conn *conn)
{
    sqlite3_close_v2(conn->db);
    conn->db = NULL;
}

int pondi_sqlite_connect(pondi_sqlite_conn *conn, pond_error **err)
{
    pondi_sqlite_shared *shared = conn->shared;
    conn->busy_ms = pondi_config_ms(conn->base.config, "busy_timeout", 30000);
    int code = sqlite3_open_v2(shared->path, &conn->db, shared->flags, NULL);
    if (code != SQLITE_OK) {
        int reason = conn->db ? sqlite3_system_errno(conn->db) : 0;
        close_failed(conn);
        return (code & 0xff) == SQLITE_NOMEM ? pondi_error_nomem(err)
                                             : explain(shared, code, reason, err);
    }
    conn->read_only = sqlite3_db_readonly(conn->db, "main") == 1;
    if (conn->read_only && !(shared->flags & (SQLITE_OPEN_READONLY | SQLITE_OPEN_URI))) {
        close_failed(conn);
        return pondi_error_set(err, POND_ECONNECT,
                               "cannot open the database \"%s\": the file is not writable: change "
                               "its permissions, or set read_only to true",
                               shared->path);
    }
    code = set_up(conn);
    if (code != SQLITE_OK) {
        pond_error *error = pondi_sqlite_error(conn, NULL, code);
        pondi_error_prefix(error, "cannot open the database \"%s\": ", shared->path);
        if (error->code != POND_ETIMEDOUT && error->code != POND_ECANCELLED &&
            !pondi_error_is_shared(error))
            error->code = POND_ECONNECT;
        close_failed(conn);
        return pondi_error_move(err, error);
    }
    snprintf(conn->base.server_version, sizeof(conn->base.server_version), "SQLite %s",
             sqlite3_libversion());
    snprintf(conn->base.driver_version, sizeof(conn->base.driver_version), "sqlite3 %s",
             sqlite3_libversion());
    return POND_OK;
}

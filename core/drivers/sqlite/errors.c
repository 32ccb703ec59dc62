#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "drivers/sqlite/sqlite.h"

typedef struct meaning {
    int sqlite; /* extended result code, or a primary one */
    int code;
    const char *sqlstate; /* what PostgreSQL would say, so that programs can compare */
} meaning;

static const meaning meanings[] = {
    {SQLITE_CONSTRAINT_UNIQUE, POND_EUNIQUE, "23505"},
    {SQLITE_CONSTRAINT_PRIMARYKEY, POND_EUNIQUE, "23505"},
    {SQLITE_CONSTRAINT_ROWID, POND_EUNIQUE, "23505"},
    {SQLITE_CONSTRAINT_FOREIGNKEY, POND_EFOREIGNKEY, "23503"},
    {SQLITE_CONSTRAINT_NOTNULL, POND_ENOTNULL, "23502"},
    {SQLITE_CONSTRAINT_CHECK, POND_ECHECK, "23514"},
    {SQLITE_CONSTRAINT_DATATYPE, POND_EDATA, "22000"},
    {SQLITE_CONSTRAINT, POND_EINTEGRITY, "23000"},
    {SQLITE_BUSY, POND_EBUSY, "55P03"},
    {SQLITE_LOCKED, POND_EBUSY, "55P03"},
    {SQLITE_READONLY, POND_EREADONLY, "25006"},
    {SQLITE_FULL, POND_ERESOURCES, "53100"},
    {SQLITE_NOMEM, POND_ENOMEM, "53200"},
    {SQLITE_TOOBIG, POND_ERANGE, "54000"},
    {SQLITE_MISMATCH, POND_EDATA, "22000"},
    {SQLITE_RANGE, POND_EPARAMS, "22000"},
    {SQLITE_INTERRUPT, POND_ECANCELLED, "57014"},
    {SQLITE_AUTH, POND_EPROGRAMMING, "42501"},
    {SQLITE_PERM, POND_EOPERATIONAL, "42501"},
};

static const meaning *find_meaning(int sqlite)
{
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (meanings[i].sqlite == sqlite || meanings[i].sqlite == (sqlite & 0xff))
            return &meanings[i];
    }
    return NULL;
}

/* SQLite has one code for all that is wrong with a statement: its words tell more. */
static meaning meaning_of_message(const char *message)
{
    static const char *const undefined[] = {"no such table", "no such column", "no such function",
                                            "no such view",  "no such index",  "no such trigger"};
    static const char *const sqlstates[] = {"42P01", "42703", "42883", "42P01", "42704", "42704"};
    for (size_t i = 0; i < sizeof(undefined) / sizeof(undefined[0]); i++) {
        if (strstr(message, undefined[i]))
            return (meaning){SQLITE_ERROR, POND_EUNDEFINED, sqlstates[i]};
    }
    if (strstr(message, "syntax error") || strstr(message, "incomplete input") ||
        strstr(message, "unrecognized token"))
        return (meaning){SQLITE_ERROR, POND_ESYNTAX, "42601"};
    return (meaning){SQLITE_ERROR, POND_EPROGRAMMING, "42000"};
}

static meaning meaning_of(int sqlite, const char *message)
{
    const meaning *found = find_meaning(sqlite);
    if (found)
        return *found;
    if ((sqlite & 0xff) == SQLITE_ERROR)
        return meaning_of_message(message);
    return (meaning){sqlite, POND_EOPERATIONAL, "58000"};
}

static void set_position(pondi_sqlite_conn *conn, const pondi_request *request, pond_error *error)
{
    int offset = sqlite3_error_offset(conn->db); /* bytes into the native statement */
    if (offset < 0 || !request || !request->statement || pondi_error_is_shared(error))
        return;
    const pondi_statement *statement = request->statement;
    uint32_t characters = 1;
    for (int i = 0; i < offset && (size_t)i < statement->native_size; i++)
        characters += ((unsigned char)statement->native[i] & 0xC0) != 0x80;
    error->position = pondi_sql_caller_position(POND_DIALECT_SQLITE, statement->sql,
                                                statement->sql_size, characters);
}

pond_error *pondi_sqlite_error(pondi_sqlite_conn *conn, const pondi_request *request, int code)
{
    int from_sqlite = sqlite3_extended_errcode(conn->db) == code;
    const char *message = from_sqlite ? sqlite3_errmsg(conn->db) : sqlite3_errstr(code);
    meaning is = meaning_of(code, message);
    if (is.code == POND_ECANCELLED && request && conn->deadline_ns != PONDI_NEVER &&
        pondi_now_ns() >= conn->deadline_ns && !atomic_load(&conn->stop))
        return pondi_error_new(POND_ETIMEDOUT, "timed out after %.3g s: the statement was stopped",
                               (double)request->timeout_ms / 1000);
    pond_error *error = NULL;
    if (code == SQLITE_BUSY && !from_sqlite)
        error = pondi_error_new(is.code, "other writers kept the database for longer than the busy "
                                         "timeout");
    else
        error = pondi_error_new(is.code, "%s", message);
    pondi_error_set_sqlstate(error, is.sqlstate);
    if (pondi_error_is_shared(error))
        return error;
    error->vendor_code = code;
    const char *colon = strstr(message, "constraint failed: ");
    if (colon)
        pondi_error_set_text(error, &error->constraint, colon + strlen("constraint failed: "));
    set_position(conn, request, error);
    return error;
}

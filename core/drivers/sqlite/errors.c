#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "drivers/sqlite/sqlite.h"
#include "sql/tokenizer.h"

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
    {SQLITE_BUSY_SNAPSHOT, POND_ESERIALIZATION, "40001"},
    {SQLITE_IOERR_NOMEM, POND_ENOMEM, "53200"},
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
    {SQLITE_CORRUPT, POND_EOPERATIONAL, "XX001"},
    {SQLITE_NOTADB, POND_EOPERATIONAL, "XX001"},
    {SQLITE_SCHEMA, POND_EPROGRAMMING, "0A000"},
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
    static const struct {
        const char *words;
        int code;
        const char *sqlstate;
    } known[] = {
        {"no such table", POND_EUNDEFINED, "42P01"},
        {"no such view", POND_EUNDEFINED, "42P01"},
        {"no such column", POND_EUNDEFINED, "42703"},
        {"has no column named", POND_EUNDEFINED, "42703"},
        {"no such function", POND_EUNDEFINED, "42883"},
        {"no such index", POND_EUNDEFINED, "42704"},
        {"no such trigger", POND_EUNDEFINED, "42704"},
        {"syntax error", POND_ESYNTAX, "42601"},
        {"incomplete input", POND_ESYNTAX, "42601"},
        {"unrecognized token", POND_ESYNTAX, "42601"},
        {"within a transaction", POND_ETRANSACTION, "25001"},
        {"no transaction is active", POND_ETRANSACTION, "25P01"},
        {"integer overflow", POND_ERANGE, "22003"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strstr(message, known[i].words))
            return (meaning){SQLITE_ERROR, known[i].code, known[i].sqlstate};
    }
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

static void set_position_at(const pondi_statement *statement, size_t offset, pond_error *error)
{
    size_t before = pondi_count_characters(statement->native, offset);
    if (!pondi_error_is_shared(error))
        error->position =
            pondi_statement_position(statement, POND_DIALECT_SQLITE, (uint32_t)before + 1);
}

/* SQLite ends a comment where the text ends, and then misses the rest of the statement. */
static pond_error *open_comment_error(const pondi_request *request, const char *message)
{
    const pondi_statement *statement = request ? request->statement : NULL;
    if (!statement || strcmp(message, "incomplete input") != 0)
        return NULL;
    size_t offset =
        pondi_sql_open_comment(POND_DIALECT_SQLITE, statement->native, statement->native_size);
    if (!offset)
        return NULL;
    pond_error *error =
        pondi_error_new(POND_ESYNTAX, "%s: unterminated comment, end it with */", message);
    set_position_at(statement, offset - 1, error);
    return error;
}

static void set_position(pondi_sqlite_conn *conn, const pondi_request *request, pond_error *error)
{
    int offset = sqlite3_error_offset(conn->db); /* bytes into the native statement */
    if (offset < 0 || !request || !request->statement || error->position)
        return;
    const pondi_statement *statement = request->statement;
    size_t size = statement->native_size;
    set_position_at(statement, (size_t)offset < size ? (size_t)offset : size, error);
}

/* What ended early because it was told to, or because its time was over. A busy database gives up
 * waiting for those reasons too. */
static pond_error *stopped_error(const pondi_sqlite_conn *conn, int code)
{
    int waiting = (code & 0xff) == SQLITE_BUSY;
    if (!conn->running || (code != SQLITE_INTERRUPT && !waiting))
        return NULL;
    pond_error *error = NULL;
    if (pondi_sqlite_was_stopped(conn))
        error =
            pondi_error_new(POND_ECANCELLED, "cancelled: %s",
                            waiting ? "other connections held the write lock" : "it was stopped");
    else if (conn->deadline_ns != PONDI_NEVER && pondi_now_ns() >= conn->deadline_ns)
        error = pondi_error_new(POND_ETIMEDOUT, "timed out after %.3g s: %s",
                                (double)conn->running->call->timeout_ms / 1000,
                                waiting ? "other connections had the database all the time"
                                        : "the statement was stopped");
    if (error)
        pondi_error_set_sqlstate(error, "57014");
    return error;
}

/* Before 3.44, SQLite's own search tables are among what the schema may not use then. */
static const char *advice_for(const char *message)
{
    if (strncmp(message, "unsafe use of ", 14) != 0)
        return "";
    return ": views and triggers may use it only if the setting trusted_schema is true, which "
           "trusts everyone who can write to the file";
}

static void set_hint(pond_error *error, int code, const char *message)
{
    const char *hint = NULL;
    if (code == SQLITE_BUSY_SNAPSHOT)
        hint = "another connection wrote after this transaction began to read: roll back and run "
               "it again, or begin it with begin_transaction";
    else if (strstr(message, "too many attached databases"))
        hint = "ATTACH is off unless the setting attach is true";
    else if ((code & 0xff) == SQLITE_BUSY)
        hint = "another connection or process keeps a transaction open: end it sooner, or raise "
               "busy_timeout";
    pondi_error_set_text(error, &error->hint, hint);
}

pond_error *pondi_sqlite_error(pondi_sqlite_conn *conn, const pondi_request *request, int code)
{
    int from_sqlite = sqlite3_extended_errcode(conn->db) == code;
    const char *message = from_sqlite ? sqlite3_errmsg(conn->db) : sqlite3_errstr(code);
    meaning is = meaning_of(code, message);
    pond_error *error = stopped_error(conn, code);
    if (error)
        return error;
    error = open_comment_error(request, message);
    if (!error)
        error = pondi_error_new(is.code, "%s%s", message, advice_for(message));
    if (pondi_error_is_shared(error))
        return error;
    pondi_error_set_sqlstate(error, is.sqlstate);
    error->vendor_code = code;
    const char *colon = strstr(message, "constraint failed: ");
    if (colon)
        pondi_error_set_text(error, &error->constraint, colon + strlen("constraint failed: "));
    set_hint(error, code, message);
    set_position(conn, request, error);
    return error;
}

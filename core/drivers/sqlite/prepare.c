/* From a text to prepared statements. */
#include "base/alloc.h"
#include "base/error.h"
#include "drivers/sqlite/sqlite.h"
#include "sql/tokenizer.h"

void pondi_sqlite_statement_free(pondi_sqlite_statement *statement)
{
    while (statement) {
        pondi_sqlite_statement *next = statement->next;
        sqlite3_finalize(statement->stmt);
        pondi_free(statement->kinds);
        pondi_free(statement);
        statement = next;
    }
}

int pondi_sqlite_read_kinds(pondi_sqlite_statement *statement)
{
    int count = sqlite3_column_count(statement->stmt);
    uint8_t *kinds = pondi_realloc(statement->kinds, 2 * (size_t)count + 1);
    if (!kinds)
        return SQLITE_NOMEM;
    for (int i = 0; i < count; i++) {
        const char *declared = sqlite3_column_decltype(statement->stmt, i);
        kinds[i] = pondi_sqlite_declared_type(declared);
        kinds[count + i] = kinds[i] ? kinds[i] : pondi_sqlite_affinity(declared);
    }
    statement->kinds = kinds;
    statement->usual = kinds + count;
    statement->column_count = count;
    statement->reprepared = sqlite3_stmt_status(statement->stmt, SQLITE_STMTSTATUS_REPREPARE, 0);
    return SQLITE_OK;
}

int pondi_sqlite_is_stale(const pondi_sqlite_statement *statement)
{
    return sqlite3_stmt_status(statement->stmt, SQLITE_STMTSTATUS_REPREPARE, 0) !=
           statement->reprepared;
}

/* ---- One statement, and no other after it ------------------------------------------------ */

static void start_at(pondi_tokenizer *tokenizer, const pondi_statement *at, const char *from)
{
    size_t skipped = (size_t)(from - at->native);
    pondi_tokenizer_init(tokenizer, POND_DIALECT_SQLITE, from, at->native_size - skipped);
}

/* What follows a statement may be space, comments and `;`, or it is another statement. */
static int refuse_another(const pondi_statement *at, const char *rest, pond_error **err)
{
    pondi_tokenizer tokenizer;
    pondi_token token;
    start_at(&tokenizer, at, rest);
    do {
        if (pondi_tokenizer_next(&tokenizer, &token, NULL))
            break; /* something unterminated is something, too */
        if (token.kind == PONDI_TOKEN_END)
            return POND_OK;
    } while (!pondi_token_is_of_statement(&token));
    size_t before = (size_t)(token.text - at->native);
    return pondi_statement_refuse_several(
        at, POND_DIALECT_SQLITE, (uint32_t)pondi_count_characters(at->native, before) + 1, err);
}

/* SQLite executes some pragmas while it prepares them: what follows must be looked at before. None
 * has a body, so that it ends at its first `;`. */
static int check_pragma(const pondi_statement *at, pond_error **err)
{
    pondi_tokenizer tokenizer;
    pondi_token token;
    int is_pragma = 0;
    start_at(&tokenizer, at, at->native);
    while (!pondi_tokenizer_next(&tokenizer, &token, NULL) && token.kind != PONDI_TOKEN_END) {
        if (token.kind == PONDI_TOKEN_SEMICOLON && is_pragma)
            return refuse_another(at, token.text, err);
        if (is_pragma || !pondi_token_is_of_statement(&token))
            continue;
        is_pragma = pondi_token_is_word(&token, "PRAGMA");
        if (!is_pragma && !pondi_token_is_word(&token, "EXPLAIN") &&
            !pondi_token_is_word(&token, "QUERY") && !pondi_token_is_word(&token, "PLAN"))
            break;
    }
    return POND_OK;
}

/* ---- Prepare ----------------------------------------------------------------------------- */

/* The statement that `sql` begins with; `rest` is what follows it. */
static int prepare_one(pondi_sqlite_conn *conn, const char *sql, size_t size,
                       pondi_sqlite_statement **out, const char **rest)
{
    *out = NULL;
    pondi_sqlite_statement *statement = pondi_calloc(1, sizeof(*statement));
    if (!statement)
        return SQLITE_NOMEM;
    int code = sqlite3_prepare_v3(conn->db, sql, (int)size + 1, SQLITE_PREPARE_PERSISTENT,
                                  &statement->stmt, rest);
    if (code == SQLITE_OK && statement->stmt)
        code = pondi_sqlite_read_kinds(statement);
    if (code == SQLITE_OK && statement->stmt)
        *out = statement;
    else
        pondi_sqlite_statement_free(statement);
    return *out || code ? code : SQLITE_ERROR;
}

/* All of a batch, else one; `rest` is what follows. */
static int prepare_list(pondi_sqlite_conn *conn, const pondi_statement *at, int batch,
                        pondi_sqlite_statement **out, const char **rest)
{
    pondi_sqlite_statement **link = out;
    int code = SQLITE_OK;
    *rest = at->native;
    if (at->native_size > INT32_MAX - 1)
        return SQLITE_TOOBIG;
    do {
        code = prepare_one(conn, *rest, at->native_size - (size_t)(*rest - at->native), link, rest);
        link = code ? link : &(*link)->next;
    } while (batch && !code && **rest);
    return code;
}

static int prepare(pondi_sqlite_conn *conn, const pondi_request *request, pond_error **err)
{
    pondi_statement *at = request->statement;
    pondi_sqlite_statement *first = NULL;
    const char *rest = NULL;
    int code = (request->call->flags & PONDI_CALL_BATCH) ? POND_OK : check_pragma(at, err);
    if (code)
        return code;
    int sqlite = prepare_list(conn, at, (request->call->flags & PONDI_CALL_BATCH), &first, &rest);
    if (sqlite)
        code = pondi_error_move(err, pondi_sqlite_error(conn, request, sqlite));
    else if (!(request->call->flags & PONDI_CALL_BATCH))
        code = refuse_another(at, rest, err);
    if (code)
        pondi_sqlite_statement_free(first);
    else
        at->prepared = first;
    return code;
}

/* `:name`, `@name` and `$1` are parameters to SQLite, but not to us. */
static int check_parameters(const pondi_sqlite_statement *statement, const pondi_request *request,
                            pond_error **err)
{
    size_t found = 0;
    for (; statement; statement = statement->next)
        found += (size_t)sqlite3_bind_parameter_count(statement->stmt);
    if (found == request->column_count)
        return POND_OK;
    if (request->call->flags & PONDI_CALL_NATIVE)
        return pondi_error_set(err, POND_EPARAMS, "the statement has %zu parameters and got %zu",
                               found, request->column_count);
    return pondi_error_set(err, POND_EPARAMS,
                           "the statement has parameters that are not written as ?, such as "
                           ":name, @name or $1: write ? for each");
}

static int check_count(const pondi_sqlite_conn *conn, const pondi_request *request,
                       pond_error **err)
{
    int most = sqlite3_limit(conn->db, SQLITE_LIMIT_VARIABLE_NUMBER, -1);
    if (request->column_count <= (size_t)most || (request->call->flags & PONDI_CALL_BATCH))
        return POND_OK;
    return pondi_error_set(err, POND_EPARAMS,
                           "%zu parameters are too many: this SQLite takes at most %d in a "
                           "statement",
                           request->column_count, most);
}

int pondi_sqlite_prepare(pondi_sqlite_conn *conn, const pondi_request *request, pond_error **err)
{
    int code = check_count(conn, request, err);
    if (!code && !request->statement->prepared)
        code = prepare(conn, request, err);
    return code ? code : check_parameters(request->statement->prepared, request, err);
}

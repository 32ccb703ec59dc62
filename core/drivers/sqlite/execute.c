#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "drivers/sqlite/sqlite.h"

/* ---- One execution ----------------------------------------------------------------------- */

/* The parameters are the request's: a stream goes on after its first one has gone. */
static int bind_all(const pondi_sqlite_statement *statement, const pondi_request *request,
                    const pond_value *params, size_t count, pond_error **err)
{
    int code = POND_OK;
    int copy = request->call->kind == PONDI_REQUEST_STREAM;
    for (size_t i = 0; i < count && !code; i++)
        code = pondi_sqlite_bind(statement->stmt, (int)i + 1, &params[i], copy, err);
    return code;
}

pondi_row_set *pondi_sqlite_new_rows(const pondi_sqlite_statement *statement)
{
    pondi_row_set *set = pondi_row_set_new((size_t)statement->column_count);
    if (!set)
        return NULL;
    set->base.affected = 0;
    for (int i = 0; i < statement->column_count; i++) {
        const char *name = sqlite3_column_name(statement->stmt, i);
        if (!name || pondi_row_set_name(set, (size_t)i, name)) {
            pond_result_release(&set->base);
            return NULL;
        }
        pondi_row_set_type(set, (size_t)i, (pond_type)statement->usual[i]);
    }
    return set;
}

/* After the first step, which prepares anew when the schema changed. The columns of a set that is
 * shared by several executions must not change under it. */
static int match_columns(pondi_sqlite_statement *statement, pondi_row_set **set)
{
    if (!pondi_sqlite_is_stale(statement))
        return SQLITE_OK;
    if (pondi_sqlite_read_kinds(statement))
        return SQLITE_NOMEM;
    if ((*set)->base.row_count)
        return (*set)->base.column_count == (size_t)statement->column_count ? SQLITE_OK
                                                                            : SQLITE_SCHEMA;
    pondi_row_set *renewed = pondi_sqlite_new_rows(statement);
    if (!renewed)
        return SQLITE_NOMEM;
    renewed->base.affected = (*set)->base.affected;
    pond_result_release(&(*set)->base);
    *set = renewed;
    return SQLITE_OK;
}

/* Up to so many rows; `more` is set if it stopped for that. */
static int step_rows(pondi_sqlite_statement *statement, size_t most, pondi_row_set **set)
{
    int step = sqlite3_step(statement->stmt);
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        return step;
    int code = match_columns(statement, set);
    size_t first = (*set)->base.row_count;
    while (!code && step == SQLITE_ROW) {
        if (pondi_sqlite_read_row(statement, *set))
            return SQLITE_NOMEM;
        (*set)->base.more = (*set)->base.row_count - first == most;
        if ((*set)->base.more)
            return SQLITE_OK;
        step = sqlite3_step(statement->stmt);
    }
    if (code)
        return code;
    return step == SQLITE_DONE ? SQLITE_OK : step;
}

static int touches_rows(const char *verb)
{
    static const char *const verbs[] = {"INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verb, verbs[i]) == 0)
            return 1;
    }
    return 0;
}

/* Ready for the next time. */
void pondi_sqlite_rewind(pondi_sqlite_statement *statement)
{
    sqlite3_reset(statement->stmt);
    sqlite3_clear_bindings(statement->stmt);
}

/* All that it changes is changed in the first step; rows that it returns come after. */
static int write_rows(pondi_sqlite_conn *conn, const pondi_request *request,
                      pondi_sqlite_statement *statement, pondi_row_set **set, int64_t *rowid)
{
    /* VACUUM attaches a file of its own */
    int vacuum = !conn->attach && strcmp(request->statement->info.verb, "VACUUM") == 0;
    int sqlite = pondi_sqlite_writers_enter(conn);
    if (sqlite)
        return sqlite;
    if (vacuum)
        sqlite3_limit(conn->db, SQLITE_LIMIT_ATTACHED, 1);
    pondi_sqlite_rowid_begin(conn);
    sqlite = step_rows(statement, request->batch_rows, set);
    *rowid = pondi_sqlite_rowid_end(conn);
    if (vacuum)
        sqlite3_limit(conn->db, SQLITE_LIMIT_ATTACHED, 0);
    return sqlite;
}

int pondi_sqlite_execute_one(pondi_sqlite_conn *conn, pondi_request *request,
                             pondi_sqlite_statement *statement, const pond_value *params,
                             size_t count, pondi_row_set **set, pond_error **err)
{
    int writes = !sqlite3_stmt_readonly(statement->stmt);
    int code = bind_all(statement, request, params, count, err);
    int sqlite = SQLITE_OK;
    int64_t rowid = 0;
    if (!code && writes)
        sqlite = write_rows(conn, request, statement, set, &rowid);
    else if (!code)
        sqlite = step_rows(statement, request->batch_rows, set);
    if (sqlite)
        code = pondi_error_move(err, pondi_sqlite_error(conn, request, sqlite));
    pond_result *result = &(*set)->base;
    if (code || !result->more)
        pondi_sqlite_rewind(statement);
    if (code)
        return code;
    if (writes && touches_rows(request->statement->info.verb)) {
        result->affected += sqlite3_changes64(conn->db);
        result->last_insert_id = rowid;
    } else if (!writes) {
        result->affected = (int64_t)result->row_count;
    }
    return POND_OK;
}

static int execute_row(pondi_sqlite_conn *conn, pondi_request *request, const pond_value *params,
                       pondi_row_set **set, pond_error **err)
{
    return pondi_sqlite_execute_one(conn, request, request->statement->prepared, params,
                                    request->column_count, set, err);
}

static int run(pondi_sqlite_conn *conn, const char *sql)
{
    return sqlite3_exec(conn->db, sql, NULL, NULL, NULL);
}

void pondi_sqlite_run_undisturbed(pondi_sqlite_conn *conn, const char *sql)
{
    conn->undisturbed = 1;
    while (run(conn, sql) == SQLITE_INTERRUPT)
        ; /* a stop that came late; there is one for each request */
    conn->undisturbed = 0;
}

/* ---- Requests ---------------------------------------------------------------------------- */

static int execute(pondi_sqlite_conn *conn, pondi_request *request, pond_result **result,
                   pond_error **err)
{
    pondi_row_set *set = NULL;
    int code = pondi_sqlite_prepare(conn, request, err);
    if (code)
        return code;
    if (request->call->flags & PONDI_CALL_BATCH)
        return pondi_sqlite_execute_batch(conn, request, result, err);
    set = pondi_sqlite_new_rows(request->statement->prepared);
    if (!set)
        return pondi_error_nomem(err);
    code = execute_row(conn, request, request->params, &set, err);
    if (!code)
        *result = &set->base;
    else
        pond_result_release(&set->base);
    return code;
}

/* A statement that only reads may be given up and begun anew without anyone noticing. So one that
 * was quick on the worker runs on the loop's own thread next time, within a small budget of
 * SQLite's steps, and goes back to the worker when it exceeds it. */
enum { QUICK_NS = 50000, QUICK_ROWS = 64 };

static void note_speed(const pondi_request *request, const pond_result *result, int64_t started_ns)
{
    pondi_sqlite_statement *statement = request->statement->prepared;
    statement->quick = result && sqlite3_stmt_readonly(statement->stmt) &&
                       strcmp(request->statement->info.verb, "SELECT") == 0 &&
                       result->row_count <= QUICK_ROWS && pondi_now_ns() - started_ns < QUICK_NS;
}

int pondi_sqlite_perform_quickly(pondi_sqlite_conn *conn, pondi_request *request,
                                 pond_result **result, pond_error **error)
{
    pondi_sqlite_statement *statement =
        request->call->kind == PONDI_REQUEST_EXECUTE ? request->statement->prepared : NULL;
    if (!statement || !statement->quick)
        return 0;
    *result = NULL;
    *error = NULL;
    conn->running = request;
    conn->token = pondi_sqlite_token(request);
    conn->hurried = 1;
    int code = execute(conn, request, result, error);
    conn->hurried = 0;
    conn->running = NULL;
    if (!code)
        return 1;
    statement->quick = 0;
    pond_error_free(*error);
    *error = NULL;
    return 0; /* whatever it was, the worker finds it out in peace */
}

static int enter_run(pondi_sqlite_conn *conn, pondi_request *request, size_t row, pond_error **err)
{
    int code = pondi_request_enter_run(&conn->base, request, row, err);
    return code ? code : pondi_sqlite_prepare(conn, request, err);
}

static int execute_rows(pondi_sqlite_conn *conn, pondi_request *request, pondi_row_set **set,
                        pond_error **err)
{
    for (size_t row = 0; row < request->call->row_count; row++) {
        int code = POND_OK;
        if (row == pondi_request_run_end(request))
            code = enter_run(conn, request, row, err);
        if (!code)
            code = execute_row(conn, request, pondi_request_row(request, row), set, err);
        if (code) {
            if (err)
                pondi_call_blame_row(request->call, *err, row);
            return code;
        }
    }
    return POND_OK;
}

int pondi_sqlite_begin(pondi_sqlite_conn *conn)
{
    if (conn->read_only || conn->base.read_only)
        return run(conn, "BEGIN"); /* it waits for no writer */
    int sqlite = pondi_sqlite_writers_enter(conn);
    return sqlite ? sqlite : run(conn, "BEGIN IMMEDIATE");
}

/* All rows or none: in a transaction of its own, or behind a savepoint of the open one. */
static int execute_many(pondi_sqlite_conn *conn, pondi_request *request, pond_result **result,
                        pond_error **err)
{
    int owns = sqlite3_get_autocommit(conn->db);
    pondi_row_set *set = NULL;
    int code = pondi_sqlite_prepare(conn, request, err);
    if (code)
        return code;
    int sqlite = owns ? pondi_sqlite_begin(conn) : run(conn, "SAVEPOINT millpond_many");
    if (sqlite)
        return pondi_error_move(err, pondi_sqlite_error(conn, NULL, sqlite));
    set = pondi_sqlite_new_rows(request->statement->prepared);
    code = set ? execute_rows(conn, request, &set, err) : pondi_error_nomem(err);
    if (!code) {
        sqlite = run(conn, owns ? "COMMIT" : "RELEASE millpond_many");
        if (sqlite)
            code = pondi_error_move(err, pondi_sqlite_error(conn, NULL, sqlite));
    }
    if (code && !sqlite3_get_autocommit(conn->db))
        pondi_sqlite_run_undisturbed(
            conn, owns ? "ROLLBACK" : "ROLLBACK TO millpond_many; RELEASE millpond_many");
    if (!code)
        *result = &set->base;
    else if (set)
        pond_result_release(&set->base);
    return code;
}

/* The next rows of a stream. */
static int fetch(pondi_sqlite_conn *conn, pondi_request *request, pond_result **result,
                 pond_error **err)
{
    pondi_sqlite_statement *statement = request->statement->prepared;
    pondi_row_set *set = pondi_sqlite_new_rows(statement);
    int sqlite = set ? step_rows(statement, request->batch_rows, &set) : SQLITE_NOMEM;
    int code = sqlite ? pondi_error_move(err, pondi_sqlite_error(conn, request, sqlite)) : POND_OK;
    if (code || !set->base.more)
        pondi_sqlite_rewind(statement);
    if (!code)
        *result = &set->base;
    else if (set)
        pond_result_release(&set->base);
    return code;
}

/* SQLite refuses writes then, temporary tables included. */
static int set_read_only(pondi_sqlite_conn *conn, pond_error **err)
{
    int sqlite =
        run(conn, conn->base.wants_read_only ? PONDI_SQLITE_READ_ONLY : "PRAGMA query_only = OFF");
    return sqlite ? pondi_error_move(err, pondi_sqlite_error(conn, NULL, sqlite)) : POND_OK;
}

/* A statement may have turned that off, as the end of a read-only transaction does. */
static void stay_read_only(pondi_sqlite_conn *conn, const pondi_request *request)
{
    if (request->statement && request->statement->info.touches)
        run(conn, PONDI_SQLITE_READ_ONLY);
}

static int transact(pondi_sqlite_conn *conn, pondi_request *request, pond_error **err)
{
    int sqlite;
    if (request->call->verb == POND_BEGIN)
        sqlite = pondi_sqlite_begin(conn);
    else
        sqlite = run(conn, request->call->verb == POND_COMMIT ? "COMMIT" : "ROLLBACK");
    return sqlite ? pondi_error_move(err, pondi_sqlite_error(conn, NULL, sqlite)) : POND_OK;
}

void pondi_sqlite_perform(pondi_sqlite_conn *conn, pondi_request *request, pond_result **result,
                          pond_error **error)
{
    int code = POND_OK;
    *result = NULL;
    *error = NULL;
    conn->running = request;
    conn->token = pondi_sqlite_token(request);
    switch (request->call->kind) {
    case PONDI_REQUEST_CONNECT:
        code = pondi_sqlite_connect(conn, error);
        break;
    case PONDI_REQUEST_EXECUTE: {
        int64_t started_ns = request->inline_run ? 0 : pondi_now_ns();
        code = execute(conn, request, result, error);
        if (!code && !request->inline_run)
            note_speed(request, *result, started_ns);
        break;
    }
    case PONDI_REQUEST_STREAM:
        code = execute(conn, request, result, error);
        break;
    case PONDI_REQUEST_FETCH:
        code = fetch(conn, request, result, error);
        break;
    case PONDI_REQUEST_END_STREAM:
        pondi_sqlite_rewind(request->statement->prepared);
        break;
    case PONDI_REQUEST_EXECUTE_MANY:
        code = execute_many(conn, request, result, error);
        break;
    case PONDI_REQUEST_TRANSACTION:
        code = transact(conn, request, error);
        break;
    case PONDI_REQUEST_PING:
        break; /* nothing can be between us and a file */
    case PONDI_REQUEST_RESET:
        code = POND_ENOTSUPPORTED; /* see pondi_driver.resets */
        break;
    case PONDI_REQUEST_REPORT:
        pondi_server_report_init(conn->base.report, &conn->base);
        break;
    case PONDI_REQUEST_WAIT_FOR:
        code = POND_ENOTSUPPORTED; /* nothing of a file is ever behind */
        break;
    case PONDI_REQUEST_READ_ONLY:
        code = set_read_only(conn, error);
        break;
    }
    if (code && !*error)
        *error = pondi_error_new(code, "%s", pond_error_text(code));
    if (conn->base.read_only)
        stay_read_only(conn, request);
    conn->running = NULL;
    conn->open = conn->db && !sqlite3_get_autocommit(conn->db);
    if (!conn->open && !(*result && (*result)->more)) /* a stream that writes keeps its turn */
        pondi_sqlite_writers_leave(conn);
}

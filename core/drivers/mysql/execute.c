#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "driver/outcome.h"
#include "drivers/mysql/mysql.h"
#include "sql/tokenizer.h"

enum {
    ER_CANNOT_PREPARE = 1295,
    ER_UNKNOWN_STATEMENT = 1243,
    ER_NEED_REPREPARE_AGAIN = 1615,
    MOST_PARAMETERS = 65535
};

/* ---- Statements -------------------------------------------------------------------------- */

void pondi_mysql_statement_free(my_statement *statement)
{
    if (statement->stmt)
        mysql_stmt_close(statement->stmt);
    pondi_free(statement->more_fields);
    pondi_free(statement->more_binds);
    pondi_free(statement->columns);
    pondi_free(statement->binds);
    pondi_free(statement);
}

void pondi_mysql_statement_close(my_conn *conn, my_statement *statement)
{
    if (conn->mysql && !pondi_mysql_is_lost(conn) && !conn->base.dying)
        pondi_list_push_back(&conn->closing, &statement->link);
    else
        pondi_mysql_statement_free(statement);
}

my_statement *pondi_mysql_prepared(const my_conn *conn)
{
    return conn->request->statement->prepared;
}

/* MariaDB's statements that only begin like one that gives no rows. */
static int has_statement_inside(const pondi_statement *statement)
{
    static const char *const openings[][2] = {{"SET", "STATEMENT"}, {"BEGIN", "NOT"}};
    pondi_tokenizer tokenizer;
    pondi_token token;
    const char *wanted = NULL;
    for (size_t i = 0; i < sizeof(openings) / sizeof(openings[0]); i++) {
        if (strcmp(statement->info.verb, openings[i][0]) == 0)
            wanted = openings[i][1];
    }
    if (!wanted)
        return 0;
    pondi_tokenizer_init(&tokenizer, POND_DIALECT_MYSQL, statement->native, statement->native_size);
    tokenizer.server = statement->server;
    for (int words = 0; words < 2;) {
        if (pondi_tokenizer_next(&tokenizer, &token, NULL) || token.kind == PONDI_TOKEN_END)
            return 0;
        words += token.kind == PONDI_TOKEN_WORD;
    }
    return pondi_token_is_word(&token, wanted);
}

/* Statements that are not worth a name on the server: they give no rows, or only text. */
static int runs_as_text(const pondi_request *request)
{
    static const char *const verbs[] = {"SELECT", "INSERT",  "UPDATE", "DELETE",  "REPLACE",
                                        "WITH",   "VALUES",  "TABLE",  "SHOW",    "DESCRIBE",
                                        "DESC",   "EXPLAIN", "CALL",   "EXECUTE", "HANDLER"};
    if (request->column_count)
        return 0;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(request->statement->info.verb, verbs[i]) == 0)
            return 0;
    }
    return !has_statement_inside(request->statement);
}

/* ---- Text -------------------------------------------------------------------------------- */

static void next_text_result(my_conn *conn);

static int take_text_rows(my_conn *conn, pond_error **err)
{
    pondi_row_set *set = NULL;
    int code = pondi_mysql_read_text_rows(conn->rows, &set, err);
    mysql_free_result(conn->rows);
    conn->rows = NULL;
    if (code)
        return code;
    if (conn->set && (conn->set->base.column_count || !set->base.column_count)) {
        pond_result_release(&set->base); /* the first one with columns counts */
        return POND_OK;
    }
    if (conn->set)
        pond_result_release(&conn->set->base);
    conn->set = set;
    return POND_OK;
}

static int take_text_outcome(my_conn *conn, pond_error **err)
{
    if (conn->set)
        return POND_OK;
    conn->set = pondi_row_set_new(0);
    if (!conn->set)
        return pondi_error_nomem(err);
    conn->set->base.affected = (int64_t)mysql_affected_rows(conn->mysql);
    conn->set->base.last_insert_id = (int64_t)mysql_insert_id(conn->mysql);
    return POND_OK;
}

static void took_text_rows(my_conn *conn)
{
    pond_error *error = NULL;
    if (!conn->rows && mysql_field_count(conn->mysql)) {
        pondi_mysql_call_failed(conn, NULL);
        return;
    }
    if (conn->rows ? take_text_rows(conn, &error) : take_text_outcome(conn, &error))
        pondi_mysql_fail(conn, error);
    if (mysql_more_results(conn->mysql))
        pondi_mysql_call(conn, MY_NEXT, next_text_result);
}

static void next_text_result(my_conn *conn)
{
    if (conn->failed > 0)
        pondi_mysql_call_failed(conn, NULL);
    else if (conn->failed == 0)
        pondi_mysql_call(conn, MY_ROWS, took_text_rows);
}

static void run_text(my_conn *conn)
{
    const pondi_statement *statement = conn->request->statement;
    pondi_mysql_move(conn, MY_ON_SENT);
    pondi_mysql_query(conn, statement->native, statement->native_size, next_text_result);
}

/* ---- Prepare ----------------------------------------------------------------------------- */

static void close_next(my_conn *conn);

static void prepare_done(my_conn *conn)
{
    my_statement *statement = conn->request->statement->prepared;
    conn->request->preparing = 0;
    if (!conn->failed) {
        size_t expected = conn->request->column_count;
        if (mysql_stmt_param_count(statement->stmt) == expected) {
            conn->prepared(conn);
            return;
        }
        pondi_mysql_fail(conn, pondi_error_new(POND_EPARAMS,
                                               "the server sees %lu placeholders, where %zu "
                                               "parameters were given",
                                               mysql_stmt_param_count(statement->stmt), expected));
    } else if (mysql_stmt_errno(statement->stmt) == ER_CANNOT_PREPARE &&
               !conn->request->column_count && conn->request->call->kind == PONDI_REQUEST_EXECUTE) {
        run_text(conn);
    } else {
        pondi_mysql_call_failed(conn, statement->stmt);
    }
    conn->request->statement->prepared = NULL;
    pondi_mysql_statement_close(conn, statement);
    if (conn->request->call->kind == PONDI_REQUEST_EXECUTE_MANY && conn->many.row)
        pondi_mysql_many_undo(conn);
}

static void prepare_now(my_conn *conn)
{
    pondi_statement *at = conn->request->statement;
    my_statement *statement = pondi_calloc(1, sizeof(*statement));
    if (statement) {
        pondi_list_init(&statement->link);
        statement->stmt = mysql_stmt_init(conn->mysql);
    }
    if (!statement || !statement->stmt) {
        pondi_free(statement);
        pondi_mysql_fail(conn, pondi_error_new(POND_ENOMEM, "out of memory"));
        return;
    }
    at->prepared = statement;
    conn->stmt = statement->stmt;
    conn->text = at->native;
    conn->text_size = at->native_size;
    conn->request->preparing = 1;
    pondi_mysql_call(conn, MY_PREPARE, prepare_done);
}

static void closed(my_conn *conn)
{
    my_statement *statement =
        PONDI_CONTAINER(pondi_list_pop_front(&conn->closing), my_statement, link);
    statement->stmt = NULL;
    pondi_mysql_statement_free(statement);
    close_next(conn);
}

static void close_next(my_conn *conn)
{
    if (pondi_list_empty(&conn->closing)) {
        prepare_now(conn);
        return;
    }
    conn->stmt = PONDI_CONTAINER(conn->closing.next, my_statement, link)->stmt;
    pondi_mysql_call(conn, MY_CLOSE_STMT, closed);
}

void pondi_mysql_prepare(my_conn *conn, my_step then)
{
    pondi_statement *at = conn->request->statement;
    my_statement *known = at->prepared;
    conn->prepared = then;
    if (known && known->is_stale) {
        at->prepared = NULL;
        pondi_mysql_statement_close(conn, known);
    }
    if (at->prepared)
        then(conn);
    else
        close_next(conn);
}

/* ---- Rows -------------------------------------------------------------------------------- */

static void next_result(my_conn *conn);

/* Nothing more of this result is wanted. */
static void result_ended(my_conn *conn)
{
    if (mysql_more_results(conn->mysql))
        pondi_mysql_call(conn, MY_NEXT_STMT, next_result);
    else
        conn->prepared(conn);
}

static void fetched(my_conn *conn)
{
    pond_error *error = NULL;
    if (conn->failed == MYSQL_NO_DATA) {
        conn->set->base.affected = (int64_t)conn->set->base.row_count;
        result_ended(conn);
    } else if (conn->failed == 0 || conn->failed == MYSQL_DATA_TRUNCATED) {
        if (pondi_mysql_read_row(pondi_mysql_prepared(conn), conn->set, &error)) {
            pondi_mysql_fail(conn, error);
            pondi_mysql_call(conn, MY_FREE_ROWS, result_ended);
        } else if (!pondi_mysql_stream_pause(conn)) {
            pondi_mysql_call(conn, MY_FETCH, fetched);
        }
    } else {
        pondi_mysql_call_failed(conn, conn->stmt);
        conn->prepared(conn);
    }
}

static int same_name(const MYSQL_FIELD *a, const MYSQL_FIELD *b)
{
    return strcmp(a->name ? a->name : "", b->name ? b->name : "") == 0;
}

/* The columns of what the server has just answered. When a table has changed, the server prepares
 * the statement anew and tells the columns once; the library takes note of their types, and keeps
 * the old names. Such a statement is prepared again the next time, since MariaDB then leaves out
 * what it has told. */
static const MYSQL_FIELD *answered_fields(my_conn *conn, unsigned int count)
{
    const MYSQL *mysql = conn->mysql;
    const MYSQL_FIELD *known = conn->stmt->fields;
    unsigned int same = 0;
    if (!mysql->fields || mysql->field_count != count)
        return known;
    while (same < count && same_name(&mysql->fields[same], &known[same]))
        same++;
    if (same == count)
        return known; /* which says more of JSON than the answer does */
    pondi_mysql_prepared(conn)->is_stale = 1;
    return mysql->fields;
}

static int name_columns(my_conn *conn, unsigned int count)
{
    const MYSQL_FIELD *fields = answered_fields(conn, count);
    pondi_row_set *set = pondi_row_set_new(count);
    for (unsigned int i = 0; set && i < count; i++) {
        if (pondi_row_set_name(set, i, fields[i].name ? fields[i].name : "")) {
            pond_result_release(&set->base);
            set = NULL;
        } else {
            pondi_row_set_type(set, i, pondi_mysql_column_type(&fields[i]));
        }
    }
    conn->set = set;
    return set ? POND_OK : POND_ENOMEM;
}

/* A row set for this result; the rows of further executions are added to the first one's. */
static int ready_set(my_conn *conn, unsigned int count, pond_error **err)
{
    pondi_row_set *set = conn->set;
    if (set && set->base.column_count == count)
        return POND_OK;
    if (set)
        pond_result_release(&set->base);
    conn->set = NULL;
    return name_columns(conn, count) ? pondi_error_nomem(err) : POND_OK;
}

void pondi_mysql_fetch_rows(my_conn *conn, my_step then)
{
    pond_error *error = NULL;
    conn->prepared = then;
    if (!ready_set(conn, mysql_stmt_field_count(conn->stmt), &error)) {
        pondi_mysql_call(conn, MY_FETCH, fetched);
        return;
    }
    pondi_mysql_fail(conn, error);
    pondi_mysql_call(conn, MY_FREE_ROWS, result_ended);
}

void pondi_mysql_drop_rows(my_conn *conn, my_step then)
{
    conn->prepared = then;
    pondi_mysql_call(conn, MY_FREE_ROWS, result_ended);
}

static void take_result(my_conn *conn)
{
    pond_error *error = NULL;
    unsigned int count = mysql_stmt_field_count(conn->stmt);
    int unwanted =
        conn->set && conn->set->base.column_count &&
        conn->request->call->kind != PONDI_REQUEST_EXECUTE_MANY; /* of a procedure's many */
    unwanted |= conn->request->call->kind >= PONDI_REQUEST_FETCH;
    if (count && !unwanted && !conn->error) {
        if (!ready_set(conn, count, &error) &&
            !pondi_mysql_bind_columns(pondi_mysql_prepared(conn), &error)) {
            pondi_mysql_call(conn, MY_FETCH, fetched);
            return;
        }
        pondi_mysql_fail(conn, error);
    }
    if (count) {
        pondi_mysql_call(conn, MY_FREE_ROWS, result_ended);
        return;
    }
    if (!conn->set && !(conn->set = pondi_row_set_new(0)))
        pondi_mysql_fail(conn, pondi_error_new(POND_ENOMEM, "out of memory"));
    if (conn->set && !conn->set->base.column_count) {
        conn->set->base.affected = (int64_t)mysql_stmt_affected_rows(conn->stmt);
        conn->set->base.last_insert_id = (int64_t)mysql_stmt_insert_id(conn->stmt);
    }
    result_ended(conn);
}

static void next_result(my_conn *conn)
{
    if (conn->failed == 0) {
        take_result(conn);
        return;
    }
    if (conn->failed > 0)
        pondi_mysql_call_failed(conn, conn->stmt);
    conn->prepared(conn);
}

void pondi_mysql_take_rows(my_conn *conn, my_step then)
{
    conn->prepared = then;
    take_result(conn);
}

/* ---- Execute ----------------------------------------------------------------------------- */

static void finished(my_conn *conn)
{
    (void)conn; /* no call follows */
}

static void bind_and_execute(my_conn *conn);

static void prepare_again(my_conn *conn)
{
    pondi_statement *at = conn->request->statement;
    my_statement *statement = at->prepared;
    at->prepared = NULL;
    pondi_mysql_statement_close(conn, statement);
    pondi_mysql_prepare(conn, bind_and_execute);
}

/* The schema changed under the statement, and nothing can happen twice. */
static int is_stale(const my_conn *conn)
{
    unsigned int number = mysql_stmt_errno(conn->stmt);
    return number == ER_NEED_REPREPARE_AGAIN || number == ER_UNKNOWN_STATEMENT;
}

static void executed(my_conn *conn)
{
    if (!pondi_mysql_execute_failed(conn))
        pondi_mysql_take_rows(conn, finished);
    else if (pondi_mysql_phase(conn) == MY_RUNNING && is_stale(conn) &&
             pondi_mysql_move(conn, MY_ON_STALE) == MY_RERUNNING)
        pondi_mysql_call(conn, MY_FREE_ROWS, prepare_again);
    else if (pondi_mysql_is_stopping(conn) && is_stale(conn))
        pondi_mysql_fail(conn, pondi_error_new(POND_ECANCELLED, "cancelled"));
    else
        pondi_mysql_call_failed(conn, conn->stmt);
}

static void bind_and_execute(my_conn *conn)
{
    const pondi_request *request = conn->request;
    pond_error *error = NULL;
    conn->stmt = pondi_mysql_prepared(conn)->stmt;
    if (pondi_mysql_bind(conn, request->params, request->column_count, &error)) {
        pondi_mysql_fail(conn, error);
        return;
    }
    pondi_mysql_move(conn, MY_ON_SENT);
    pondi_mysql_call(conn, MY_EXECUTE, executed);
}

void pondi_mysql_execute(my_conn *conn)
{
    const pondi_request *request = conn->request;
    pond_error *error = NULL;
    if (request->column_count > MOST_PARAMETERS)
        pondi_mysql_fail(conn, pondi_error_new(POND_EPARAMS,
                                               "%zu parameters are too many: MySQL takes at most "
                                               "%d in a statement",
                                               request->column_count, MOST_PARAMETERS));
    else if (pondi_mysql_check_size(conn, request->statement->native_size, &error))
        pondi_mysql_fail(conn, error);
    else if (runs_as_text(request))
        run_text(conn);
    else
        pondi_mysql_prepare(conn, bind_and_execute);
}

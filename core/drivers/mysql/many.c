/* One statement for many rows, all or none: in a transaction of its own, or behind a savepoint of
 * the open one. Many rows go in one call where the server can; if that fails, it does not say at
 * which row, so they are tried again one by one before all is undone. */
#include <string.h>

#include "base/error.h"
#include "drivers/mysql/mysql.h"

static const char savepoint[] = "SAVEPOINT millpond_many";
static const char release[] = "RELEASE SAVEPOINT millpond_many";
static const char undo[] = "ROLLBACK TO SAVEPOINT millpond_many";

static void next(my_conn *conn);
static void begin(my_conn *conn);
static void begin_again(my_conn *conn);

static void query(my_conn *conn, const char *sql, my_step then)
{
    pondi_mysql_query(conn, sql, strlen(sql), then);
}

/* ---- The end ----------------------------------------------------------------------------- */

/* What was open may be gone, as after a deadlock: then there is nothing left to undo. */
static void undone(my_conn *conn)
{
    if (conn->failed && pondi_mysql_is_loss(conn, mysql_errno(conn->mysql)))
        pondi_mysql_move(conn, MY_ON_LOSS);
    if (!conn->many.searching || conn->error || pondi_mysql_is_lost(conn))
        return;
    conn->many.bulk = 0;
    conn->many.row = 0;
    conn->many.affected = 0;
    begin_again(conn);
}

static void roll_back(my_conn *conn)
{
    pondi_mysql_bulk_reset(conn);
    if (!pondi_mysql_is_lost(conn))
        query(conn, conn->many.owns ? "ROLLBACK" : undo, undone);
}

/* The statement of later rows cannot be prepared. */
void pondi_mysql_many_undo(my_conn *conn)
{
    if (!pondi_mysql_is_lost(conn))
        roll_back(conn);
}

static void fail_row(my_conn *conn, pond_error *error, size_t row)
{
    if (!conn->error)
        pondi_call_blame_row(conn->request->call, error, row);
    pondi_mysql_fail(conn, error);
}

static void committed(my_conn *conn)
{
    pondi_mysql_bulk_reset(conn);
    if (conn->failed) {
        pondi_mysql_call_failed(conn, NULL);
        roll_back(conn);
    } else if (conn->set && !conn->set->base.column_count) {
        conn->set->base.affected = conn->many.affected;
        conn->set->base.last_insert_id = conn->many.last_insert_id;
    }
}

/* ---- Rows -------------------------------------------------------------------------------- */

static void count(my_conn *conn)
{
    my_many *many = &conn->many;
    if (conn->error) {
        roll_back(conn);
        return;
    }
    if (!conn->set->base.column_count && conn->set->base.affected > 0)
        many->affected += conn->set->base.affected;
    many->last_insert_id = conn->set->base.last_insert_id;
    many->row = many->bulk ? many->ends : many->row + 1;
    next(conn);
}

/* An error of one row, of which it is worth to know the number. */
static int is_of_a_row(const pond_error *error)
{
    static const int others[] = {POND_EDEADLOCK,  POND_EBUSY,     POND_ECANCELLED, POND_ECONNLOST,
                                 POND_ERESOURCES, POND_EREADONLY, POND_EUNDEFINED, POND_ENOMEM};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (error->code == others[i])
            return 0;
    }
    return 1;
}

static void executed(my_conn *conn)
{
    my_many *many = &conn->many;
    if (!pondi_mysql_execute_failed(conn)) {
        pondi_mysql_take_rows(conn, count);
        return;
    }
    pondi_mysql_call_failed(conn, conn->stmt);
    if (many->bulk && !pondi_mysql_is_lost(conn) && is_of_a_row(conn->error)) {
        pond_error_free(conn->error);
        conn->error = NULL;
        many->searching = 1;
    } else if (!many->bulk) {
        pondi_call_blame_row(conn->request->call, conn->error, many->row);
    }
    roll_back(conn);
}

/* The statement of the next rows, whose lists are of another length. */
static void prepared_run(my_conn *conn)
{
    conn->stmt = pondi_mysql_prepared(conn)->stmt;
    conn->many.bulk = !conn->many.searching && pondi_mysql_can_bulk(conn);
    pondi_mysql_bulk_reset(conn);
    next(conn);
}

static void enter_run(my_conn *conn)
{
    pond_error *error = NULL;
    pondi_mysql_bulk_reset(conn);
    if (!pondi_request_enter_run(&conn->base, conn->request, conn->many.row, &error)) {
        pondi_mysql_prepare(conn, prepared_run);
        return;
    }
    fail_row(conn, error, conn->many.row);
    roll_back(conn);
}

static void next(my_conn *conn)
{
    const pondi_request *request = conn->request;
    my_many *many = &conn->many;
    pond_error *error = NULL;
    int code = POND_OK;
    if (many->row == request->call->row_count) {
        query(conn, many->owns ? "COMMIT" : release, committed);
        return;
    }
    if (many->row == pondi_request_run_end(request)) {
        enter_run(conn);
        return;
    }
    if (pondi_mysql_prepared(conn)->is_stale) {
        pondi_mysql_prepare(conn, prepared_run);
        return;
    }
    if (pondi_mysql_is_stopping(conn))
        error = pondi_error_new(POND_ECANCELLED, "cancelled");
    else if (many->bulk)
        code = pondi_mysql_bulk_bind(conn, &error);
    else
        code = pondi_mysql_bind(conn, pondi_request_row(request, many->row), request->column_count,
                                &error);
    if (code || error) {
        if (many->bulk && code)
            pondi_mysql_fail(conn, error); /* names its row itself */
        else
            fail_row(conn, error, many->row);
        roll_back(conn);
        return;
    }
    pondi_mysql_call(conn, MY_EXECUTE, executed);
}

/* ---- The beginning ----------------------------------------------------------------------- */

static void begun(my_conn *conn)
{
    if (conn->failed)
        pondi_mysql_call_failed(conn, NULL);
    else
        next(conn);
}

static void begin(my_conn *conn)
{
    pondi_mysql_move(conn, MY_ON_SENT);
    query(conn, conn->many.owns ? "START TRANSACTION" : savepoint, begun);
}

static void prepared_again(my_conn *conn)
{
    conn->stmt = pondi_mysql_prepared(conn)->stmt;
    begin(conn);
}

/* From the first row on, one by one. */
static void begin_again(my_conn *conn)
{
    pond_error *error = NULL;
    if (pondi_request_enter_run(&conn->base, conn->request, 0, &error))
        pondi_mysql_fail(conn, error);
    else
        pondi_mysql_prepare(conn, prepared_again);
}

static void prepared(my_conn *conn)
{
    conn->stmt = pondi_mysql_prepared(conn)->stmt;
    conn->many.bulk = pondi_mysql_can_bulk(conn);
    pondi_mysql_bulk_reset(conn);
    begin(conn);
}

void pondi_mysql_many(my_conn *conn)
{
    pond_error *error = NULL;
    conn->many = (my_many){.owns = !conn->base.in_transaction};
    if (pondi_mysql_check_size(conn, conn->request->statement->native_size, &error))
        pondi_mysql_fail(conn, error);
    else
        pondi_mysql_prepare(conn, prepared);
}

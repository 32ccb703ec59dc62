/* A batch: see pondi_request.batch. On the worker it is one job. */
#include "base/error.h"
#include "drivers/sqlite/sqlite.h"

/* True if the batch goes on; what has rows first is the result. */
static int keep(pondi_row_set *set, const pondi_sqlite_statement *statement, pondi_row_set **kept)
{
    int wrote = sqlite3_stmt_readonly(statement->stmt) || set->base.affected > 0;
    if (*kept || !set->base.row_count)
        pond_result_release(&set->base);
    else
        *kept = set;
    return wrote;
}

static int execute_all(pondi_sqlite_conn *conn, pondi_request *request, pondi_row_set **kept,
                       int *wrote, pond_error **err)
{
    const pond_value *params = request->params;
    pondi_sqlite_statement *at = request->statement->prepared;
    *wrote = 1;
    for (; at && *wrote; at = at->next) {
        size_t count = (size_t)sqlite3_bind_parameter_count(at->stmt);
        pondi_row_set *set = pondi_sqlite_new_rows(at);
        if (!set)
            return pondi_error_nomem(err);
        int code = pondi_sqlite_execute_one(conn, request, at, params, count, &set, err);
        if (code) {
            pond_result_release(&set->base);
            return code;
        }
        *wrote = keep(set, at, kept);
        params += count;
    }
    return POND_OK;
}

int pondi_sqlite_execute_batch(pondi_sqlite_conn *conn, pondi_request *request,
                               pond_result **result, pond_error **err)
{
    pondi_row_set *kept = NULL;
    int wrote = 0;
    int sqlite = pondi_sqlite_begin(conn);
    if (sqlite)
        return pondi_error_move(err, pondi_sqlite_error(conn, NULL, sqlite));
    int code = execute_all(conn, request, &kept, &wrote, err);
    if (!code && wrote) {
        sqlite = sqlite3_exec(conn->db, "COMMIT", NULL, NULL, NULL);
        if (sqlite)
            code = pondi_error_move(err, pondi_sqlite_error(conn, NULL, sqlite));
    }
    if (!sqlite3_get_autocommit(conn->db))
        pondi_sqlite_run_undisturbed(conn, "ROLLBACK");
    if (!code && wrote && kept)
        *result = &kept->base;
    else if (kept)
        pond_result_release(&kept->base);
    return code;
}

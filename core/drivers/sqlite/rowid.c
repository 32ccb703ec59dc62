/* Whether a statement inserted a row, and last_insert_rowid() as SQLite has it all the same.
 *
 * SQLite keeps the rowid of the last insert, and does not say which statement set it. So a write
 * begins with a rowid that no row has. The function of SQL must not see that one. */
#include "drivers/sqlite/sqlite.h"

/* Of 2^64 rowids, one that neither SQLite nor people give away. */
#define NOT_INSERTED (INT64_MIN + INT64_C(0x6d696c6c706f6e64))

void pondi_sqlite_rowid_begin(pondi_sqlite_conn *conn)
{
    conn->last_rowid = sqlite3_last_insert_rowid(conn->db);
    sqlite3_set_last_insert_rowid(conn->db, NOT_INSERTED);
}

int64_t pondi_sqlite_rowid_end(pondi_sqlite_conn *conn)
{
    int64_t rowid = sqlite3_last_insert_rowid(conn->db);
    if (rowid != NOT_INSERTED)
        return rowid;
    sqlite3_set_last_insert_rowid(conn->db, conn->last_rowid);
    return 0;
}

static void last_insert_rowid(sqlite3_context *context, int count, sqlite3_value **values)
{
    const pondi_sqlite_conn *conn = sqlite3_user_data(context);
    int64_t rowid = sqlite3_last_insert_rowid(conn->db);
    (void)count;
    (void)values;
    sqlite3_result_int64(context, rowid == NOT_INSERTED ? conn->last_rowid : rowid);
}

int pondi_sqlite_add_rowid(pondi_sqlite_conn *conn)
{
    return sqlite3_create_function_v2(conn->db, "last_insert_rowid", 0,
                                      SQLITE_UTF8 | SQLITE_INNOCUOUS, conn, last_insert_rowid, NULL,
                                      NULL, NULL);
}

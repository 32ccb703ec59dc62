/* What a session is told when it first matters, in one round trip before the statement: that its
 * transactions are read-only, or no longer, and that somebody wants to know where its commits are.
 * After that the server tells of each commit in its answer. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "drivers/mysql/mysql.h"

/* ---- Settings ---------------------------------------------------------------------------- */

/* MySQL renamed it in 5.7.20, MariaDB in 11.1. */
static const char *read_only_variable(const my_conn *conn)
{
    enum { MARIA_RENAMED = 110100, MYSQL_RENAMED = 50720 };
    int renamed = conn->version >= (unsigned)(conn->maria ? MARIA_RENAMED : MYSQL_RENAMED);
    return renamed ? "transaction_read_only" : "tx_read_only";
}

static void put_read_only(const my_conn *conn, int read_only, pondi_buffer *out)
{
    pondi_buffer_appendf(out, "SESSION %s = %s", read_only_variable(conn),
                         read_only ? "1" : "DEFAULT");
}

/* A node of Galera has GTIDs of its own, which are no positions of its cluster. */
static void put_tracking(const my_conn *conn, pondi_buffer *out)
{
    pondi_buffer_append_text(out, conn->maria
                                      ? "SESSION session_track_system_variables = CONCAT_WS(',', "
                                        "NULLIF(@@session.session_track_system_variables, ''), "
                                        "IF(@@session.wsrep_on, NULL, 'last_gtid'))"
                                      : "SESSION session_track_gtids = OWN_GTID");
}

void pondi_mysql_put_settings(my_conn *conn, pondi_buffer *out)
{
    conn->is_read_only = 0;
    if (conn->base.begins_read_only) {
        pondi_buffer_append_text(out, ", ");
        put_read_only(conn, 1, out);
        conn->is_read_only = 1;
    }
    if (conn->tracking > 0) {
        pondi_buffer_append_text(out, ", ");
        put_tracking(conn, out);
    }
}

/* ---- Before a statement ------------------------------------------------------------------ */

int pondi_mysql_must_set(const my_conn *conn)
{
    pondi_call_kind kind = conn->request->call->kind;
    if (conn->base.in_transaction)
        return 0;
    return kind == PONDI_REQUEST_EXECUTE || kind == PONDI_REQUEST_EXECUTE_MANY ||
           kind == PONDI_REQUEST_STREAM || kind == PONDI_REQUEST_TRANSACTION;
}

static void set_read_only(my_conn *conn);

static void read_only_set(my_conn *conn)
{
    if (conn->failed) {
        pondi_mysql_call_failed(conn, NULL);
        return;
    }
    conn->is_read_only = conn->base.read_only;
    if (pondi_mysql_is_stopping(conn))
        pondi_mysql_fail(conn, pondi_error_new(POND_ECANCELLED, "cancelled"));
    else
        pondi_mysql_start(conn);
}

/* A server that cannot do it says so once; then nothing is known of commits. */
static void tracking_set(my_conn *conn)
{
    if (conn->failed && pondi_mysql_is_loss(conn, mysql_errno(conn->mysql))) {
        pondi_mysql_call_failed(conn, NULL);
        return;
    }
    conn->tracking = conn->failed ? -1 : 1;
    if (conn->failed)
        pondi_log(POND_LOG_INFO, "mysql", "the server does not tell where commits are: %s",
                  mysql_error(conn->mysql));
    else
        conn->is_read_only = conn->base.read_only;
    if (conn->is_read_only != conn->base.read_only)
        set_read_only(conn);
    else
        read_only_set(conn);
}

static void query(my_conn *conn, pondi_buffer *text, my_step then)
{
    if (text->failed)
        pondi_mysql_fail(conn, pondi_error_new(POND_ENOMEM, "out of memory"));
    else
        pondi_mysql_query(conn, text->data, text->size, then);
}

static void set_read_only(my_conn *conn)
{
    pondi_buffer *text = &conn->params.text;
    pondi_buffer_free(text);
    pondi_buffer_append_text(text, "SET ");
    put_read_only(conn, conn->base.read_only, text);
    query(conn, text, read_only_set);
}

void pondi_mysql_set_first(my_conn *conn)
{
    pondi_buffer *text = &conn->params.text;
    if (!conn->base.tracks || conn->tracking) {
        set_read_only(conn);
        return;
    }
    pondi_buffer_free(text);
    pondi_buffer_append_text(text, "SET ");
    put_tracking(conn, text);
    if (conn->is_read_only != conn->base.read_only) {
        pondi_buffer_append_text(text, ", ");
        put_read_only(conn, conn->base.read_only, text);
    }
    query(conn, text, tracking_set);
}

/* ---- Behind a statement ------------------------------------------------------------------ */

/* The value of last_gtid among the variables that the answer tells, which come as name, value,
 * name, value. */
static int find_last_gtid(MYSQL *mysql, const char **gtid, size_t *size)
{
    static const char name[] = "last_gtid";
    int found = 0;
    int failed = mysql_session_track_get_first(mysql, SESSION_TRACK_SYSTEM_VARIABLES, gtid, size);
    while (!failed && !found) {
        found = *size == sizeof(name) - 1 && memcmp(*gtid, name, *size) == 0;
        failed = mysql_session_track_get_next(mysql, SESSION_TRACK_SYSTEM_VARIABLES, gtid, size);
        if (!found && !failed)
            failed =
                mysql_session_track_get_next(mysql, SESSION_TRACK_SYSTEM_VARIABLES, gtid, size);
    }
    return found && !failed;
}

static int find_gtid(const my_conn *conn, const char **gtid, size_t *size)
{
    if (!(conn->mysql->server_status & SERVER_SESSION_STATE_CHANGED))
        return 0;
    if (conn->maria)
        return find_last_gtid(conn->mysql, gtid, size);
    return !mysql_session_track_get_first(conn->mysql, SESSION_TRACK_GTIDS, gtid, size);
}

void pondi_mysql_note_commit(my_conn *conn)
{
    const char *gtid = NULL;
    size_t size = 0;
    pondi_position position = {.kind = PONDI_POSITION_NONE};
    /* an answer with rows does not end with what is told of the session */
    if (conn->error || conn->tracking <= 0 || (conn->set && conn->set->base.column_count))
        return;
    if (!find_gtid(conn, &gtid, &size)) {
        if (conn->gtids_seen && conn->request->call->kind == PONDI_REQUEST_TRANSACTION)
            pondi_conn_note_nothing(&conn->base);
        else if (conn->gtids_seen)
            pondi_conn_note_no_commit(&conn->base);
        return;
    }
    pondi_position_kind kind = conn->maria ? PONDI_POSITION_GTID : PONDI_POSITION_GTID_SET;
    if (!pondi_position_parse(kind, gtid, size, &position, NULL)) {
        conn->gtids_seen = 1;
        pondi_conn_note_position(&conn->base, &position);
    }
    pondi_position_free(&position);
}

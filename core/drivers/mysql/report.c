/* What a server is and how far its data is, as an ordinary user may ask: in one round trip, or in
 * two where the first says that it is a replica and not whether it receives, or a node of Galera.
 *
 * Positions come from system variables alone: the tables that show these cut long values off. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/log.h"
#include "drivers/mysql/mysql.h"

/* Rows of a name and a value, so that a name that a server does not know is only missing. */
static const char maria_question[] =
    "SELECT 'READ_ONLY' AS name, @@global.read_only AS value "
    "UNION ALL SELECT 'LOG_BIN', @@global.log_bin "
    "UNION ALL SELECT 'BINLOG', @@global.gtid_binlog_pos "
    "UNION ALL SELECT 'REPLICA', @@global.gtid_slave_pos "
    "UNION ALL SELECT variable_name, variable_value FROM information_schema.global_variables "
    "WHERE variable_name IN ('SERVER_UID', 'WSREP_ON') "
    "UNION ALL SELECT variable_name, variable_value FROM information_schema.global_status "
    "WHERE variable_name IN ('SLAVE_RUNNING', 'SLAVES_RUNNING', 'WSREP_READY', "
    "'WSREP_LOCAL_STATE', 'WSREP_CLUSTER_STATE_UUID', 'WSREP_LAST_COMMITTED')";

static const char mysql_question[] = "SELECT 'READ_ONLY' AS name, @@global.read_only AS value "
                                     "UNION ALL SELECT 'SERVER_UID', @@global.server_uuid "
                                     "UNION ALL SELECT 'GTID_MODE', @@global.gtid_mode "
                                     "UNION ALL SELECT 'EXECUTED', @@global.gtid_executed";

/* ---- One answer -------------------------------------------------------------------------- */

/* The value of a name; "" if the server did not name it. */
static const char *value_of(MYSQL_RES *rows, const char *name)
{
    MYSQL_ROW row;
    mysql_data_seek(rows, 0);
    while ((row = mysql_fetch_row(rows))) {
        if (row[0] && strcasecmp(row[0], name) == 0)
            return row[1] ? row[1] : "";
    }
    return "";
}

static int is_on(MYSQL_RES *rows, const char *name)
{
    const char *value = value_of(rows, name);
    return *value && strcmp(value, "0") != 0 && strcasecmp(value, "OFF") != 0;
}

static void take_position(pondi_position_kind kind, const char *text, pondi_position *out)
{
    pondi_position_free(out);
    if (!*text)
        return;
    pond_error *error = NULL;
    if (pondi_position_parse(kind, text, strlen(text), out, &error))
        pondi_log(POND_LOG_WARNING, "mysql", "a server's position cannot be used: %s",
                  pond_error_message(error));
    pond_error_free(error);
}

/* ---- What it means ----------------------------------------------------------------------- */

/* A server has what it wrote and what it applied while it was a replica. Without a binary log it
 * does not know what it wrote. */
static void read_maria_position(pondi_server_report *report, MYSQL_RES *rows, int replica)
{
    pondi_position applied = {.kind = PONDI_POSITION_NONE};
    take_position(PONDI_POSITION_GTID, value_of(rows, "REPLICA"), &applied);
    if (replica) {
        pondi_position_move(&report->position, &applied);
        return;
    }
    if (is_on(rows, "LOG_BIN"))
        take_position(PONDI_POSITION_GTID, value_of(rows, "BINLOG"), &report->position);
    if (is_on(rows, "LOG_BIN") && pondi_position_merge(&report->position, &applied, NULL))
        pondi_position_free(&report->position); /* a part of it would be too little */
    pondi_position_free(&applied);
}

static void read_galera(pondi_server_report *report, MYSQL_RES *rows)
{
    enum { SYNCED = 4 };
    report->multi_writer = 1;
    report->streaming = 1;
    report->ready =
        is_on(rows, "WSREP_READY") && atoi(value_of(rows, "WSREP_LOCAL_STATE")) == SYNCED;
    snprintf(report->identity, sizeof(report->identity), "%s",
             value_of(rows, "WSREP_CLUSTER_STATE_UUID"));
    take_position(PONDI_POSITION_GALERA, value_of(rows, "WSREP_LAST_COMMITTED"), &report->position);
}

static void read_mysql_position(pondi_server_report *report, MYSQL_RES *rows)
{
    if (strncmp(value_of(rows, "GTID_MODE"), "ON", 2) == 0)
        take_position(PONDI_POSITION_GTID_SET, value_of(rows, "EXECUTED"), &report->position);
}

static void read_server(my_conn *conn, pondi_server_report *report, MYSQL_RES *rows)
{
    int read_only = is_on(rows, "READ_ONLY");
    pondi_server_report_init(report, &conn->base);
    report->role = read_only ? PONDI_SERVER_STANDBY | PONDI_SERVER_READ_ONLY
                             : PONDI_SERVER_PRIMARY | PONDI_SERVER_READ_WRITE;
    report->streaming = !read_only || is_on(rows, "SLAVE_RUNNING");
    snprintf(report->node, sizeof(report->node), "%s", value_of(rows, "SERVER_UID"));
    if (is_on(rows, "WSREP_ON"))
        read_galera(report, rows);
    else if (conn->maria)
        read_maria_position(report, rows, read_only);
    else
        read_mysql_position(report, rows);
}

/* ---- Whether it receives ----------------------------------------------------------------- */

/* MySQL tells it nowhere else, and MariaDB not of connections that have names. */
static int must_ask_more(const my_conn *conn, MYSQL_RES *rows)
{
    const pondi_server_report *report = &conn->report;
    if (!(report->role & PONDI_SERVER_STANDBY) || report->streaming || conn->hides_replication)
        return 0;
    return !conn->maria || atoi(value_of(rows, "SLAVES_RUNNING")) > 0;
}

/* Both of its threads run, from each of its sources. */
static int receives(MYSQL_RES *rows)
{
    MYSQL_ROW row;
    const MYSQL_FIELD *fields = mysql_fetch_fields(rows);
    unsigned int count = mysql_num_fields(rows);
    int up = mysql_num_rows(rows) > 0;
    while ((row = mysql_fetch_row(rows))) {
        for (unsigned int i = 0; i < count; i++) {
            const char *name = strchr(fields[i].name, '_');
            if (name && (strcmp(name, "_IO_Running") == 0 || strcmp(name, "_SQL_Running") == 0))
                up &= row[i] && strcmp(row[i], "Yes") == 0;
        }
    }
    return up;
}

static void note_hidden(my_conn *conn)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    conn->hides_replication = 1;
    if (!atomic_flag_test_and_set(&told))
        pondi_log(POND_LOG_WARNING, "mysql",
                  "this user may not see whether a replica still receives, so that only its lag "
                  "tells: GRANT %s ON *.* to the user",
                  conn->maria ? "SLAVE MONITOR" : "REPLICATION CLIENT");
}

static void free_rows(my_conn *conn)
{
    mysql_free_result(conn->rows);
    conn->rows = NULL;
}

static void status_read(my_conn *conn)
{
    if (!conn->rows) {
        pondi_mysql_call_failed(conn, NULL);
        return;
    }
    conn->report.streaming = receives(conn->rows);
    free_rows(conn);
}

static void status_asked(my_conn *conn)
{
    if (!conn->failed) {
        pondi_mysql_call(conn, MY_ROWS, status_read);
        return;
    }
    if (pondi_mysql_is_loss(conn, mysql_errno(conn->mysql))) {
        pondi_mysql_call_failed(conn, NULL);
        return;
    }
    note_hidden(conn);
    conn->report.streaming = !conn->maria;
}

static void ask_status(my_conn *conn)
{
    enum { SAYS_REPLICA = 80022 };
    const char *text = conn->maria                     ? "SHOW ALL SLAVES STATUS"
                       : conn->version >= SAYS_REPLICA ? "SHOW REPLICA STATUS"
                                                       : "SHOW SLAVE STATUS";
    pondi_mysql_query(conn, text, strlen(text), status_asked);
}

/* ---- How far Galera's cluster is ---------------------------------------------------------- */

/* A node can be behind what another has committed already. Asked so it answers once it has all of
 * that: its position then bounds what was read or written at any node before the question. */
static const char galera_question[] =
    "SET STATEMENT wsrep_sync_wait = 1 FOR "
    "SELECT 'WSREP_LAST_COMMITTED' AS name, variable_value FROM information_schema.global_status "
    "WHERE variable_name = 'WSREP_LAST_COMMITTED'";

static void cluster_read(my_conn *conn)
{
    if (!conn->rows) {
        pondi_mysql_call_failed(conn, NULL);
        return;
    }
    take_position(PONDI_POSITION_GALERA, value_of(conn->rows, "WSREP_LAST_COMMITTED"),
                  &conn->report.position);
    free_rows(conn);
}

/* It fails where the node has left the cluster since. */
static void cluster_asked(my_conn *conn)
{
    if (!conn->failed)
        pondi_mysql_call(conn, MY_ROWS, cluster_read);
    else if (pondi_mysql_is_loss(conn, mysql_errno(conn->mysql)))
        pondi_mysql_call_failed(conn, NULL);
    else
        conn->report.ready = 0;
}

static void ask_cluster(my_conn *conn)
{
    pondi_position_free(&conn->report.position);
    pondi_mysql_query(conn, galera_question, sizeof(galera_question) - 1, cluster_asked);
}

/* ---- The request ------------------------------------------------------------------------- */

static void server_read(my_conn *conn)
{
    if (!conn->rows) {
        pondi_mysql_call_failed(conn, NULL);
        return;
    }
    read_server(conn, &conn->report, conn->rows);
    int more = must_ask_more(conn, conn->rows);
    free_rows(conn);
    if (conn->report.multi_writer && conn->report.ready)
        ask_cluster(conn);
    else if (more)
        ask_status(conn);
    else if (conn->hides_replication && !conn->maria)
        conn->report.streaming = 1;
}

static void server_asked(my_conn *conn)
{
    if (conn->failed)
        pondi_mysql_call_failed(conn, NULL);
    else
        pondi_mysql_call(conn, MY_ROWS, server_read);
}

void pondi_mysql_report_done(my_conn *conn)
{
    const pondi_request *request = conn->request;
    if (conn->base.current == request && !conn->error) {
        *conn->base.report = conn->report;
        conn->base.role = conn->report.role;
        conn->report.position = (pondi_position){.kind = PONDI_POSITION_NONE};
    }
    pondi_server_report_free(&conn->report);
}

void pondi_mysql_report(my_conn *conn)
{
    const char *text = conn->maria ? maria_question : mysql_question;
    pondi_mysql_move(conn, MY_ON_SENT);
    pondi_mysql_query(conn, text, strlen(text), server_asked);
}

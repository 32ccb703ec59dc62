/* What a server is and how far its data is, as an ordinary user may ask: in one round trip. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "drivers/postgres/postgres.h"

/* ---- Positions --------------------------------------------------------------------------- */

static int is_null(const PGresult *res, int column)
{
    return PQgetisnull(res, 0, column);
}

static int is_true(const PGresult *res, int column)
{
    return PQgetvalue(res, 0, column)[0] == 't';
}

static uint64_t number_at(const PGresult *res, int column)
{
    return is_null(res, column) ? 0 : strtoull(PQgetvalue(res, 0, column), NULL, 10);
}

uint64_t pondi_postgres_read_lsn(const PGresult *res, int column)
{
    uint64_t lsn = 0;
    const char *text = PQgetvalue(res, 0, column);
    return pondi_lsn_parse(text, strlen(text), &lsn) ? lsn : 0;
}

/* A file of the log is named by its timeline, in eight hexadecimal digits, and its number. */
static uint32_t timeline_of_file(const char *name)
{
    char digits[9];
    snprintf(digits, sizeof(digits), "%s", name);
    return (uint32_t)strtoul(digits, NULL, 16);
}

/* The end of a record that fills its page is told in two ways: a server that writes counts the
 * header of the next page as well, one that replays does not. Without the header, a replica that
 * has everything is not taken for one that has still to wait. */
static uint64_t without_header(uint64_t lsn, uint64_t segment_size, uint64_t page_size)
{
    enum { PAGE = 8192, HEADER = 24, FIRST_HEADER = 40 };
    if (page_size != PAGE || !segment_size)
        return lsn;
    if (lsn % segment_size < PAGE)
        return lsn % segment_size == FIRST_HEADER ? lsn - FIRST_HEADER : lsn;
    return lsn % PAGE == HEADER ? lsn - HEADER : lsn;
}

pondi_position pondi_postgres_read_written(const PGresult *res, int column)
{
    uint64_t lsn = pondi_postgres_read_lsn(res, column);
    uint32_t timeline = timeline_of_file(PQgetvalue(res, 0, column + 1));
    lsn = without_header(lsn, number_at(res, column + 2), number_at(res, column + 3));
    return pondi_position_of_lsn(lsn ? timeline : 0, lsn);
}

/* ---- The report -------------------------------------------------------------------------- */

/* pg_stat_wal_receiver tells each user whether it runs, and its timeline only those who may read
 * statistics. What the control file has is right as well, but may be of a while ago. */
static const char question[] =
    "SELECT s.standby, "
    "(SELECT system_identifier FROM pg_catalog.pg_control_system()), "
    "pg_catalog.current_setting('default_transaction_read_only'), "
    "CASE WHEN s.standby THEN pg_catalog.pg_is_wal_replay_paused() END, "
    "CASE WHEN s.standby THEN pg_catalog.pg_last_wal_replay_lsn() END, "
    "CASE WHEN s.standby THEN (SELECT greatest(c.timeline_id, r.min_recovery_end_timeline) FROM "
    "pg_catalog.pg_control_checkpoint() c, pg_catalog.pg_control_recovery() r) END, "
    "w.pid, w.received_tli, "
    "CASE WHEN NOT s.standby THEN pg_catalog.pg_current_wal_insert_lsn() END, "
    "CASE WHEN NOT s.standby THEN "
    "pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()) END, " PG_WAL_SIZES
    " FROM (SELECT pg_catalog.pg_is_in_recovery() AS standby) s "
    "LEFT JOIN pg_catalog.pg_stat_wal_receiver w ON true";

enum {
    IS_STANDBY,
    IDENTITY,
    READ_ONLY,
    PAUSED,
    REPLAYED,
    OLD_TIMELINE,
    RECEIVER,
    TIMELINE,
    WRITTEN,
    COLUMNS = WRITTEN + 4
};

static void note_hidden_timeline(void)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&told))
        pondi_log(
            POND_LOG_WARNING, "postgres",
            "this user may not see which timeline a replica follows, so that for some minutes "
            "after a failover replicas may serve no reads that need a position: GRANT "
            "pg_read_all_stats to the user");
}

static uint32_t replayed_timeline(const PGresult *res)
{
    uint64_t old = number_at(res, OLD_TIMELINE);
    uint64_t followed = number_at(res, TIMELINE);
    if (!is_null(res, RECEIVER) && !followed)
        note_hidden_timeline();
    return (uint32_t)(followed > old ? followed : old);
}

static void read_standby(pondi_server_report *report, const PGresult *res)
{
    uint64_t lsn = pondi_postgres_read_lsn(res, REPLAYED);
    report->role = PONDI_SERVER_STANDBY | PONDI_SERVER_READ_ONLY;
    report->ready = !is_true(res, PAUSED);
    report->streaming = !is_null(res, RECEIVER);
    report->position = pondi_position_of_lsn(lsn ? replayed_timeline(res) : 0, lsn);
}

static void read_primary(pondi_server_report *report, const pondi_conn *base, const PGresult *res)
{
    int read_only = !base->read_only && strcmp(PQgetvalue(res, 0, READ_ONLY), "on") == 0;
    report->role =
        PONDI_SERVER_PRIMARY | (read_only ? PONDI_SERVER_READ_ONLY : PONDI_SERVER_READ_WRITE);
    report->streaming = 1;
    report->position = pondi_postgres_read_written(res, WRITTEN);
}

void pondi_postgres_report(pg_conn *conn)
{
    pondi_postgres_command(conn, question);
}

void pondi_postgres_take_report(pg_conn *conn, const PGresult *res)
{
    pondi_server_report *report = conn->base.report;
    if (PQntuples(res) != 1 || PQnfields(res) != COLUMNS) {
        pondi_postgres_fail(conn,
                            pondi_error_new(POND_EDATA, "the server does not say what it is"));
        return;
    }
    pondi_server_report_init(report, &conn->base);
    if (is_true(res, IS_STANDBY))
        read_standby(report, res);
    else
        read_primary(report, &conn->base, res);
    snprintf(report->identity, sizeof(report->identity), "%s", PQgetvalue(res, 0, IDENTITY));
    conn->base.role = report->role;
}

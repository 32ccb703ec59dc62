/* How the server writes values as text is the driver's choice, whatever the server's, the role's or
 * the environment's settings say. */
#include "base/error.h"
#include "base/log.h"
#include "drivers/postgres/postgres.h"

void pondi_postgres_set_up(pg_conn *conn)
{
    static const char *const each[] = {PG_DATES, PG_INTERVALS, PG_FLOATS, NULL};
    if (pondi_postgres_one_by_one(conn)) {
        pondi_postgres_commands(conn, each, PG_SETTING_UP);
        return;
    }
    conn->phase = PG_SETTING_UP;
    if (!PQsendQuery(conn->pg, PG_SESSION))
        pondi_postgres_lost(conn);
    else
        pondi_postgres_flush(conn);
}

/* A server that only resembles PostgreSQL may not know them all. */
void pondi_postgres_take_set_up(const pg_conn *conn, PGresult *res)
{
    (void)conn;
    if (PQresultStatus(res) == PGRES_FATAL_ERROR)
        pondi_log(POND_LOG_WARNING, "postgres",
                  "the server refuses the session's settings, so some dates, intervals and floats "
                  "may arrive as different values: %s",
                  PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
    PQclear(res);
}

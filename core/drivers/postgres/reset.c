/* A session as new: what DISCARD ALL does, but the statements that we prepared stay. */
#include "drivers/postgres/postgres.h"
#include "sql/session.h"

/* One text, so one round trip. RESET ALL goes back to what the server was told when the connection
 * was opened; DISCARD ALL, which would be shorter, cannot stand beside other commands. */
#define FORGET                                                                     \
    "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; " PG_SESSION         \
    "; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD PLANS; DISCARD TEMP; " \
    "DISCARD SEQUENCES"
/* One after the other, they come to all servers behind pgpool-II. */
#define FORGET_EACH                                                                        \
    "CLOSE ALL", "SET SESSION AUTHORIZATION DEFAULT", "RESET ALL", PG_DATES, PG_INTERVALS, \
        PG_FLOATS, "UNLISTEN *", "SELECT pg_advisory_unlock_all()", "DISCARD PLANS",       \
        "DISCARD TEMP", "DISCARD SEQUENCES"
static const char *const forget_most_each[] = {FORGET_EACH, NULL};
static const char *const forget_all_each[] = {FORGET_EACH, "DEALLOCATE ALL", NULL};
static const char forget_most[] = FORGET;
static const char forget_all[] = FORGET "; DEALLOCATE ALL";

void pondi_postgres_reset(pg_conn *conn)
{
    int prepared = conn->base.touched & PONDI_TOUCHES_PREPARED;
    if (prepared) { /* nobody knows the names: all go, ours too */
        pondi_statement_cache_clear(&conn->base.statements);
        pondi_buffer_free(&conn->closing);
    }
    conn->base.statements.context = 0;
    conn->path.changed = 0;
    conn->is_read_only = 0;
    if (pondi_postgres_one_by_one(conn))
        pondi_postgres_commands(conn, prepared ? forget_all_each : forget_most_each, PG_COMMAND);
    else
        pondi_postgres_command(conn, prepared ? forget_all : forget_most);
}

/* A prepared statement keeps the types that its parameters had when it was prepared. When another
 * session has changed the schema since, the server says so by an error at best; what it does not
 * say is fit.c's to avoid. */
#include <string.h>

#include "base/error.h"
#include "drivers/postgres/postgres.h"

static int is_any(const char *sqlstate, const char *const *states)
{
    for (; *states; states++) {
        if (strcmp(*states, sqlstate) == 0)
            return 1;
    }
    return 0;
}

/* The statement was understood when it was prepared, and is not any more. */
static int is_misunderstood(const char *sqlstate)
{
    static const char *const states[] = {"42804", "42846", "42883", "42725", "42P18", NULL};
    return is_any(sqlstate, states);
}

/* The parameter's type does not take the value; the column's may. */
static int refuses_value(const char *sqlstate)
{
    static const char *const states[] = {"22P02", "22P03", "22003", "22007",
                                         "22008", "42704", "08P01", NULL};
    return is_any(sqlstate, states);
}

static pg_staleness read(const char *sqlstate, const char *message, const char *function)
{
    if (strcmp(sqlstate, "26000") == 0)
        return PG_GONE;
    if (strcmp(sqlstate, "0A000") == 0 && strcmp(function, "RevalidateCachedQuery") == 0)
        return PG_STALE;
    if (strcmp(sqlstate, "XX000") == 0 && strncmp(message, "cache lookup failed", 19) == 0)
        return PG_STALE;
    if (is_misunderstood(sqlstate))
        return PG_STALE;
    return refuses_value(sqlstate) ? PG_SUSPECT : PG_SOUND;
}

static const char *field(const PGresult *res, int code)
{
    const char *text = PQresultErrorField(res, code);
    return text ? text : "";
}

void pondi_postgres_note_stale(pg_conn *conn, const PGresult *res)
{
    pg_staleness stale = PG_SOUND;
    if (conn->base.current->statement->prepared)
        stale = read(field(res, PG_DIAG_SQLSTATE), field(res, PG_DIAG_MESSAGE_PRIMARY),
                     field(res, PG_DIAG_SOURCE_FUNCTION));
    conn->stale = conn->fresh && stale != PG_GONE ? PG_SOUND : stale;
}

/* ---- Again ------------------------------------------------------------------------------- */

void pondi_postgres_forget_former(pg_conn *conn)
{
    if (conn->former)
        pondi_postgres_statement_free(conn, conn->former);
    pond_error_free(conn->former_error);
    conn->former = NULL;
    conn->former_error = NULL;
}

static void clear_outcome(pg_conn *conn)
{
    pond_error_free(conn->error);
    pondi_postgres_result_free(conn->result);
    conn->error = NULL;
    conn->result = NULL;
    conn->sent = 0;
}

void pondi_postgres_prepare_anew(pg_conn *conn, pond_error *error)
{
    pondi_statement *at = conn->base.current->statement;
    conn->former = at->prepared;
    conn->former_error = error;
    conn->retried = 1;
    at->prepared = NULL;
    pondi_postgres_prepare(conn);
}

int pondi_postgres_ends_as_before(pg_conn *conn)
{
    const pg_statement *now = conn->base.current->statement->prepared;
    const pg_statement *former = conn->former;
    int same =
        conn->former_error && former->param_count == now->param_count &&
        memcmp(former->param_types, now->param_types, sizeof(Oid) * (size_t)now->param_count) == 0;
    if (same) {
        pondi_postgres_fail(conn, conn->former_error);
        conn->former_error = NULL;
    }
    pondi_postgres_forget_former(conn);
    return same;
}

/* What the caller may do again, with the transaction: the statement will be prepared anew. */
static void drop(pg_conn *conn, pg_staleness stale)
{
    pondi_statement *at = conn->base.current->statement;
    pond_error *error = conn->error;
    if (stale == PG_GONE)
        ((pg_statement *)at->prepared)->name[0] = '\0';
    pondi_postgres_statement_free(conn, at->prepared);
    at->prepared = NULL;
    if (stale != PG_SUSPECT && error && !pondi_error_is_shared(error))
        error->retryable = 1;
}

int pondi_postgres_retry_stale(pg_conn *conn)
{
    pg_staleness stale = conn->stale;
    int idle = PQtransactionStatus(conn->pg) == PQTRANS_IDLE;
    conn->stale = PG_SOUND;
    if (conn->retried || conn->base.current->stop_code || !(idle || conn->began_with)) {
        drop(conn, stale);
        return 0;
    }
    if (!idle) {
        drop(conn, stale);
        clear_outcome(conn);
        conn->retried = 1;
        pondi_postgres_begin_first(conn, 1);
    } else if (stale == PG_SUSPECT) {
        pond_error *error = conn->error;
        conn->error = NULL;
        clear_outcome(conn);
        pondi_postgres_prepare_anew(conn, error);
    } else {
        drop(conn, stale);
        clear_outcome(conn);
        conn->retried = 1;
        pondi_postgres_prepare(conn);
    }
    return 1;
}

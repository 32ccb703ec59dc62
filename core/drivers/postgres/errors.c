#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "driver/sqlstate.h"
#include "drivers/postgres/postgres.h"

static void set_position(const pg_conn *conn, const PGresult *res, pond_error *error)
{
    const char *position = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);
    const pondi_request *request = conn->base.current;
    if (!position || !request || !request->statement)
        return;
    const pondi_statement *statement = request->statement;
    const pg_statement *prepared = statement->prepared;
    unsigned long at = strtoul(position, NULL, 10);
    if (prepared && prepared->wrapped)
        at = at > prepared->before ? at - prepared->before : 0;
    error->position =
        at ? pondi_statement_position(statement, POND_DIALECT_POSTGRES, (uint32_t)at) : 0;
}

/* The message may be in any language: only this function of the server raises it. */
static int is_of_several(const char *sqlstate, const PGresult *res)
{
    const char *function = PQresultErrorField(res, PG_DIAG_SOURCE_FUNCTION);
    return strcmp(sqlstate, "42601") == 0 && function &&
           strcmp(function, "exec_parse_message") == 0;
}

int pondi_postgres_ran_out_of_memory(const char *said)
{
    return strstr(said, "out of memory") || strstr(said, "cannot allocate memory for");
}

pond_error *pondi_postgres_error(pg_conn *conn, const PGresult *res)
{
    const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    if (!sqlstate && pondi_postgres_ran_out_of_memory(PQresultErrorMessage(res)))
        return pondi_error_new(POND_ENOMEM,
                               "out of memory while reading the answer: read large results as a "
                               "stream, or fetch less at once");
    if (!sqlstate || !message)
        return pondi_postgres_connection_error(conn, POND_ECONNLOST, "the connection failed");
    const pondi_request *request = conn->base.current;
    pond_error *error = NULL;
    if (request && request->statement && is_of_several(sqlstate, res)) {
        pondi_statement_refuse_several(request->statement, POND_DIALECT_POSTGRES, 0, &error);
        return error;
    }
    error = pondi_error_new(pondi_sqlstate_code(sqlstate), "%s", message);
    if (pondi_error_is_shared(error))
        return error;
    pondi_error_set_sqlstate(error, sqlstate);
    if (strcmp(sqlstate, "25006") == 0)
        pondi_postgres_refused_write(conn);
    pondi_error_set_text(error, &error->detail, PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL));
    pondi_error_set_text(error, &error->hint, PQresultErrorField(res, PG_DIAG_MESSAGE_HINT));
    pondi_error_set_text(error, &error->constraint,
                         PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME));
    set_position(conn, res, error);
    return error;
}

void pondi_postgres_said(const pg_conn *conn, char *out, size_t room)
{
    snprintf(out, room, "%s", conn->pg ? PQerrorMessage(conn->pg) : "");
    size_t size = strlen(out);
    while (size && out[size - 1] == '\n')
        out[--size] = '\0';
}

pond_error *pondi_postgres_connection_error(pg_conn *conn, int code, const char *what)
{
    char said[512];
    pondi_postgres_said(conn, said, sizeof(said));
    return pondi_error_new(code, "%s%s%s", what, *said ? ": " : "", said);
}

static pond_log_level level_of(const char *severity)
{
    if (!severity || strncmp(severity, "DEBUG", 5) == 0)
        return POND_LOG_DEBUG;
    return strcmp(severity, "WARNING") == 0 ? POND_LOG_WARNING : POND_LOG_INFO;
}

void pondi_postgres_notice(void *data, const PGresult *res)
{
    pg_conn *conn = data;
    const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
    conn->login.notices += conn->phase == PG_CONNECTING;
    if (message)
        pondi_log(level_of(severity), "postgres", "%s", message);
    /* the last words to an idle session */
    if (severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0))
        pondi_conn_keep_end_reason(&conn->base, pondi_postgres_error(conn, res));
}

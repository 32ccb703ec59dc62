/* Commits of a connection that is tracked: which requests may have made one, and where it is. */
#include <string.h>
#include <strings.h>

#include "driver/conn_parts.h"

static int has_word(const char *text, const char *word)
{
    size_t size = strlen(word);
    for (; *text; text++) {
        if (strncasecmp(text, word, size) == 0)
            return 1;
    }
    return 0;
}

/* SELECT INTO makes a table, EXPLAIN ANALYZE runs what it explains, and functions may do anything:
 * those of the databases that write, but leave the session as it was, have names like these. */
static int reads_for_certain(const pondi_statement *statement)
{
    static const char *const words[] = {"into", "analyze", "nextval", "setval", "lo_", "notify"};
    if (!(statement->info.means & PONDI_VERB_READS) || statement->info.touches)
        return 0;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (has_word(statement->native, words[i]))
            return 0;
    }
    return 1;
}

int pondi_statement_may_write(pondi_statement *statement)
{
    if (!statement->effect)
        statement->effect = reads_for_certain(statement) ? PONDI_EFFECT_NONE : PONDI_EFFECT_WRITES;
    return statement->effect == PONDI_EFFECT_WRITES;
}

/* A routine may end the transaction that it is called in, and begin another. */
static int ends_transaction(const pondi_statement *statement)
{
    static const char *const verbs[] = {"CALL", "DO", "EXECUTE", "BEGIN", "XA"};
    if (statement->info.means & PONDI_VERB_COMMITS)
        return 1;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(statement->info.verb, verbs[i]) == 0)
            return 1;
    }
    return 0;
}

int pondi_conn_may_commit(const pondi_conn *conn, const pondi_request *request)
{
    switch (request->call->kind) {
    case PONDI_REQUEST_TRANSACTION:
        return request->call->verb == POND_COMMIT;
    case PONDI_REQUEST_EXECUTE:
    case PONDI_REQUEST_EXECUTE_MANY:
    case PONDI_REQUEST_STREAM:
    case PONDI_REQUEST_FETCH:
    case PONDI_REQUEST_END_STREAM:
        return request->statement && pondi_statement_may_write(request->statement) &&
               (!conn->began_in_transaction || !conn->in_transaction ||
                ends_transaction(request->statement));
    default:
        return 0;
    }
}

void pondi_conn_note_position(pondi_conn *conn, pondi_position *position)
{
    pondi_position_move(&conn->noted, position);
}

void pondi_conn_note_nothing(pondi_conn *conn)
{
    conn->noted_nothing = 1;
}

void pondi_conn_note_no_commit(pondi_conn *conn)
{
    conn->noted_no_commit = 1;
}

void pondi_conn_tell_use(pondi_conn *conn, const pondi_request *request, const pond_error *error)
{
    int noted = conn->noted.kind != PONDI_POSITION_NONE;
    int only_reads = request->statement && !pondi_statement_may_write(request->statement);
    int commits =
        !only_reads && (noted || (!conn->noted_no_commit && pondi_conn_may_commit(conn, request)));
    int unsent = !request->started || conn->noted_nothing || (error && error->unsent);
    const pondi_use use = {.asked_ns = request->submitted_ns,
                           .commits = commits,
                           .position = noted ? &conn->noted : NULL};
    if (conn->noted_by && (noted || !unsent))
        conn->noted_by(conn->owner, &use);
    pondi_position_free(&conn->noted);
    conn->noted_nothing = 0;
    conn->noted_no_commit = 0;
}

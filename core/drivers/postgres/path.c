/* Which table, type or function a name means depends on search_path, and through "$user" on the
 * role. A prepared statement keeps what it found: so each path has its own statements in the cache.
 *
 * From version 18 on the server reports its search_path. Older ones are asked nothing: what the
 * statements say that change it is taken as its name. */
#include <string.h>
#include <strings.h>

#include "base/hash.h"
#include "drivers/postgres/postgres.h"

static int has_word(const char *text, const char *word)
{
    size_t size = strlen(word);
    for (; *text; text++) {
        if (strncasecmp(text, word, size) == 0)
            return 1;
    }
    return 0;
}

static int names_path(const char *text)
{
    return has_word(text, "search_path") || has_word(text, "schema") || has_word(text, "role") ||
           has_word(text, "authorization");
}

static int changes_path(const pondi_statement *statement)
{
    const char *verb = statement->info.verb;
    const char *text = statement->native;
    if (strcmp(verb, "SET") == 0)
        return names_path(text);
    if (strcmp(verb, "RESET") == 0 || strcmp(verb, "DISCARD") == 0)
        return names_path(text) || has_word(text, "all");
    if (strcmp(verb, "ROLLBACK") == 0)
        return has_word(text, "to");
    return statement->info.touches && has_word(text, "set_config") &&
           (has_word(text, "search_path") || strchr(text, '$'));
}

static uint64_t add(uint64_t hash, const char *text, size_t size)
{
    return (hash ^ pondi_hash_bytes(text, size)) * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

/* A name for the path that the request set. What it had been plays no part, so that a session which
 * comes back to a path finds its statements again. */
static uint64_t name_of(const pondi_request *request)
{
    uint64_t name = add(0, request->statement->native, request->statement->native_size);
    for (size_t i = 0; i < request->column_count; i++) {
        const pond_value *value = &request->params[i];
        if (value->type == POND_TYPE_TEXT)
            name = add(name, value->as.text.data, value->as.text.size);
    }
    return name;
}

static void note_text(pg_conn *conn, const pondi_request *request)
{
    const char *verb = request->statement->info.verb;
    const char *text = request->statement->native;
    pg_path *path = &conn->path;
    uint64_t *now = &conn->base.statements.context;
    if (!path->changed)
        path->before = *now;
    path->changed = 1;
    path->local = has_word(text, "local") || has_word(text, "true");
    if (strcmp(verb, "RESET") == 0 || strcmp(verb, "DISCARD") == 0)
        *now = 0;
    else if (strcmp(verb, "ROLLBACK") == 0)
        *now = ++path->marks; /* to a savepoint: who knows which path it had */
    else
        *now = name_of(request);
    if (!conn->base.in_transaction)
        pondi_postgres_end_path(conn, 0);
}

void pondi_postgres_note_path(pg_conn *conn)
{
    enum { REPORTS_PATH = 180000 };
    const pondi_request *request = conn->base.current;
    if (PQserverVersion(conn->pg) >= REPORTS_PATH) {
        const char *path = PQparameterStatus(conn->pg, "search_path");
        if (path)
            conn->base.statements.context = pondi_hash_bytes(path, strlen(path));
    } else if (request && request->statement && changes_path(request->statement)) {
        note_text(conn, request);
    }
}

void pondi_postgres_end_path(pg_conn *conn, int rolled_back)
{
    pg_path *path = &conn->path;
    if (path->changed && (path->local || rolled_back))
        conn->base.statements.context = path->before;
    path->changed = 0;
    path->local = 0;
}

#include "sql/session.h"

#include <string.h>

#include "sql/functions.h"

enum { NO_SCHEMA, BUILT_IN, OTHER_SCHEMA };
enum { VERB_SET = 's', VERB_CREATE = 'c', VERB_PRAGMA = 'p' };

void pondi_session_watch_init(pondi_session_watch *watch, pond_dialect dialect)
{
    memset(watch, 0, sizeof(*watch));
    watch->dialect = pondi_dialect_of(dialect);
}

/* ---- The first word ---------------------------------------------------------------------- */

static void note_verb(pondi_session_watch *watch, const pondi_token *word)
{
    const pondi_dialect *dialect = watch->dialect;
    if (pondi_token_is_any(word, dialect->session_verbs))
        watch->touches |= PONDI_TOUCHES_SESSION;
    if (dialect->prepares_by_name && pondi_token_is_word(word, "PREPARE"))
        watch->touches |= PONDI_TOUCHES_SESSION | PONDI_TOUCHES_PREPARED;
    if (dialect->uses_databases && pondi_token_is_word(word, "USE"))
        watch->touches |= PONDI_TOUCHES_DATABASE;
    if (dialect->sets_locally && pondi_token_is_word(word, "SET"))
        watch->verb = VERB_SET;
    else if (pondi_token_is_word(word, "CREATE"))
        watch->verb = VERB_CREATE;
    else if (dialect->has_pragmas && pondi_token_is_word(word, "PRAGMA"))
        watch->verb = VERB_PRAGMA;
}

/* ---- Words after it ---------------------------------------------------------------------- */

static void note_word(pondi_session_watch *watch, const pondi_token *word)
{
    static const char *const local[] = {"LOCAL", "TRANSACTION", "CONSTRAINTS", NULL};
    static const char *const temporary[] = {"TEMP", "TEMPORARY", "PG_TEMP", NULL};
    static const char *const queries[] = {"SELECT", "INSERT",  "UPDATE", "DELETE", "VALUES",
                                          "MERGE",  "REPLACE", "WITH",   NULL};
    int is_temporary = pondi_token_is_any(word, temporary);
    if (watch->verb == VERB_SET && watch->words == 2 && !pondi_token_is_any(word, local))
        watch->touches |= PONDI_TOUCHES_SESSION;
    /* CREATE OR REPLACE TEMP VIEW, CREATE TABLE IF NOT EXISTS temp.t */
    if (watch->verb == VERB_CREATE && is_temporary)
        watch->touches |= PONDI_TOUCHES_SESSION;
    if (is_temporary && watch->last_word.text && pondi_token_is_word(&watch->last_word, "INTO"))
        watch->touches |= PONDI_TOUCHES_SESSION;
    if (pondi_token_is_any(word, queries))
        watch->is_query = 1;
}

/* ---- Calls ------------------------------------------------------------------------------- */

/* Keep what came before a name, and its schema: `INTO shop.orders (` calls nothing. */
static void follow_name(pondi_session_watch *watch, const pondi_token *token)
{
    static const char *const built_in[] = {"PG_CATALOG", "SYS", NULL};
    int is_name = token->kind == PONDI_TOKEN_WORD || token->kind == PONDI_TOKEN_QUOTED;
    int is_dot = pondi_token_is_byte(token, '.');
    if (is_dot)
        watch->schema = pondi_token_is_any(&watch->previous, built_in) ? BUILT_IN : OTHER_SCHEMA;
    else if (is_name && !(watch->previous.text && pondi_token_is_byte(&watch->previous, '.'))) {
        watch->before = watch->previous;
        watch->schema = NO_SCHEMA;
    }
}

/* After these comes the name of a table, an alias or a constraint. */
static int is_declared(const pondi_token *before)
{
    static const char *const words[] = {"INTO",    "TABLE",      "AS",       "WITH", "RECURSIVE",
                                        "INSERT",  "IGNORE",     "INDEX",    "KEY",  "CONSTRAINT",
                                        "REPLACE", "REFERENCES", "CONFLICT", NULL};
    return before->text && (pondi_token_is_any(before, words) || pondi_token_is_byte(before, ':'));
}

static int is_harmless_call(const pondi_session_watch *watch, const pondi_token *name)
{
    int quoted = name->kind == PONDI_TOKEN_QUOTED && name->size >= 2;
    if (watch->schema == OTHER_SCHEMA)
        return 0;
    return pondi_function_is_harmless(name->text + quoted, name->size - (quoted ? 2 : 0));
}

/* At an opening bracket. */
static void note_call(pondi_session_watch *watch)
{
    const pondi_token *name = &watch->previous;
    int is_name =
        name->text && (name->kind == PONDI_TOKEN_WORD || name->kind == PONDI_TOKEN_QUOTED);
    if (!watch->dialect->functions_touch || !watch->is_query || !is_name)
        return;
    if (!is_declared(&watch->before) && !is_harmless_call(watch, name))
        watch->touches |= PONDI_TOUCHES_SESSION;
}

/* ---- Pragmas, names and variables -------------------------------------------------------- */

/* Those that take an argument but only tell, or change the file and not the session. */
static int is_harmless_pragma(const pondi_token *name)
{
    static const char *const names[] = {
        "APPLICATION_ID", "FOREIGN_KEY_CHECK", "FOREIGN_KEY_LIST", "INCREMENTAL_VACUUM",
        "INDEX_INFO",     "INDEX_LIST",        "INDEX_XINFO",      "INTEGRITY_CHECK",
        "OPTIMIZE",       "QUICK_CHECK",       "TABLE_INFO",       "TABLE_LIST",
        "TABLE_XINFO",    "USER_VERSION",      "WAL_CHECKPOINT",   NULL};
    return name->text && pondi_token_is_any(name, names);
}

static void note_other(pondi_session_watch *watch, const pondi_token *token)
{
    if (watch->verb == VERB_PRAGMA &&
        (pondi_token_is_byte(token, '=') || pondi_token_is_byte(token, '(')) &&
        !is_harmless_pragma(&watch->last_word))
        watch->touches |= PONDI_TOUCHES_SESSION;
    if (watch->verb == VERB_CREATE && pondi_token_is_byte(token, '('))
        watch->verb = 0; /* the rest is about what is created */
    /* PostgreSQL lets the name be quoted: SET "x" = 1 */
    if (watch->verb == VERB_SET && watch->words == 1 && token->kind == PONDI_TOKEN_QUOTED)
        watch->touches |= PONDI_TOUCHES_SESSION;
    /* a variable of the user, but not @@ of the server */
    if (watch->dialect->has_user_variables && watch->previous.text &&
        pondi_token_is_byte(&watch->previous, '@') && !pondi_token_is_byte(token, '@'))
        watch->touches |= PONDI_TOUCHES_SESSION;
}

void pondi_session_watch_token(pondi_session_watch *watch, const pondi_token *token)
{
    pondi_token previous = watch->previous;
    if (token->kind == PONDI_TOKEN_SPACE || token->kind == PONDI_TOKEN_COMMENT)
        return;
    note_other(watch, token);
    if (pondi_token_is_byte(token, '('))
        note_call(watch);
    follow_name(watch, token);
    watch->previous = *token;
    if (previous.text && pondi_token_is_byte(&previous, '@') && pondi_token_is_byte(token, '@'))
        watch->previous.text = NULL; /* the two are one */
    if (token->kind != PONDI_TOKEN_WORD)
        return;
    watch->words++;
    if (watch->words == 1)
        note_verb(watch, token);
    note_word(watch, token);
    watch->last_word = *token;
}

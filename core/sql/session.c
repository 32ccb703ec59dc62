#include "sql/session.h"

#include <string.h>
#include <strings.h>

enum { VERB_SET = 's', VERB_CREATE = 'c', VERB_PRAGMA = 'p' };

void pondi_session_watch_init(pondi_session_watch *watch, pond_dialect dialect)
{
    memset(watch, 0, sizeof(*watch));
    watch->dialect = dialect;
}

static int begins_with(const pondi_token *token, const char *start)
{
    size_t size = strlen(start);
    return token->size >= size && strncasecmp(token->text, start, size) == 0;
}

/* ---- The first word ---------------------------------------------------------------------- */

static const char *const *verbs_of(pond_dialect dialect)
{
    static const char *const postgres[] = {"LISTEN", "LOAD", "DECLARE", "DO", "CALL", NULL};
    static const char *const mysql[] = {"SET",     "USE",   "LOCK",    "PREPARE", "CALL",
                                        "HANDLER", "FLUSH", "EXECUTE", "BACKUP",  NULL};
    static const char *const sqlite[] = {"SET", "ATTACH", "DETACH", NULL};
    return dialect == POND_DIALECT_POSTGRES ? postgres
           : dialect == POND_DIALECT_MYSQL  ? mysql
                                            : sqlite;
}

static void look_at_verb(pondi_session_watch *watch, const pondi_token *word)
{
    int postgres = watch->dialect == POND_DIALECT_POSTGRES;
    if (pondi_token_is_any(word, verbs_of(watch->dialect)))
        watch->touches |= PONDI_TOUCHES_SESSION;
    if (postgres && pondi_token_is_word(word, "PREPARE"))
        watch->touches |= PONDI_TOUCHES_SESSION | PONDI_TOUCHES_PREPARED;
    if (watch->dialect == POND_DIALECT_MYSQL && pondi_token_is_word(word, "USE"))
        watch->touches |= PONDI_TOUCHES_DATABASE;
    if (postgres && pondi_token_is_word(word, "SET"))
        watch->verb = VERB_SET;
    else if (pondi_token_is_word(word, "CREATE"))
        watch->verb = VERB_CREATE;
    else if (watch->dialect == POND_DIALECT_SQLITE && pondi_token_is_word(word, "PRAGMA"))
        watch->verb = VERB_PRAGMA;
}

/* ---- Words after it ---------------------------------------------------------------------- */

static void look_at_function(pondi_session_watch *watch, const pondi_token *word)
{
    int touches = 0;
    if (watch->dialect == POND_DIALECT_POSTGRES)
        touches = pondi_token_is_word(word, "SET_CONFIG") ||
                  begins_with(word, "pg_advisory_lock") ||
                  begins_with(word, "pg_try_advisory_lock");
    else if (watch->dialect == POND_DIALECT_MYSQL)
        touches = pondi_token_is_word(word, "GET_LOCK");
    if (touches)
        watch->touches |= PONDI_TOUCHES_SESSION;
}

static void look_at_word(pondi_session_watch *watch, const pondi_token *word)
{
    static const char *const local[] = {"LOCAL", "TRANSACTION", "CONSTRAINTS", NULL};
    static const char *const temporary[] = {"TEMP", "TEMPORARY", "PG_TEMP", NULL};
    int is_temporary = pondi_token_is_any(word, temporary);
    if (watch->verb == VERB_SET && watch->words == 2 && !pondi_token_is_any(word, local))
        watch->touches |= PONDI_TOUCHES_SESSION;
    /* CREATE OR REPLACE TEMP VIEW, CREATE TABLE IF NOT EXISTS temp.t */
    if (watch->verb == VERB_CREATE && is_temporary)
        watch->touches |= PONDI_TOUCHES_SESSION;
    if (is_temporary && watch->last_word.text && pondi_token_is_word(&watch->last_word, "INTO"))
        watch->touches |= PONDI_TOUCHES_SESSION;
    look_at_function(watch, word);
}

/* ---- What is no word --------------------------------------------------------------------- */

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

static void look_at_other(pondi_session_watch *watch, const pondi_token *token)
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
    if (watch->dialect == POND_DIALECT_MYSQL && watch->previous.text &&
        pondi_token_is_byte(&watch->previous, '@') && !pondi_token_is_byte(token, '@'))
        watch->touches |= PONDI_TOUCHES_SESSION;
}

void pondi_session_watch_token(pondi_session_watch *watch, const pondi_token *token)
{
    pondi_token previous = watch->previous;
    if (token->kind == PONDI_TOKEN_SPACE || token->kind == PONDI_TOKEN_COMMENT)
        return;
    look_at_other(watch, token);
    watch->previous = *token;
    if (previous.text && pondi_token_is_byte(&previous, '@') && pondi_token_is_byte(token, '@'))
        watch->previous.text = NULL; /* the two are one */
    if (token->kind != PONDI_TOKEN_WORD)
        return;
    watch->words++;
    if (watch->words == 1)
        look_at_verb(watch, token);
    look_at_word(watch, token);
    watch->last_word = *token;
}

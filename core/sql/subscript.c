#include "sql/subscript.h"

/* Reserved words are no columns. ARRAY is, as it were: it comes before a `[` of its own. */
static const char *const reserved[] = {
    "ALL", "ANALYSE", "ANALYZE", "AND", "ANY", "AS", "ASC", "ASYMMETRIC", "AUTHORIZATION", "BINARY",
    "BOTH", "CASE", "CAST", "CHECK", "COLLATE", "COLLATION", "COLUMN", "CONCURRENTLY", "CONSTRAINT",
    "CREATE", "CROSS", "CURRENT_CATALOG", "CURRENT_DATE", "CURRENT_ROLE", "CURRENT_SCHEMA",
    "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "DEFAULT", "DEFERRABLE", "DESC",
    "DISTINCT", "DO", "ELSE", "END", "EXCEPT", "FALSE", "FETCH", "FOR", "FOREIGN", "FREEZE", "FROM",
    "FULL", "GRANT", "GROUP", "HAVING", "ILIKE", "IN", "INITIALLY", "INNER", "INTERSECT", "INTO",
    "IS", "ISNULL", "JOIN", "LATERAL", "LEADING", "LEFT", "LIKE", "LIMIT", "LOCALTIME",
    "LOCALTIMESTAMP", "NATURAL", "NOT", "NOTNULL", "NULL", "OFFSET", "ON", "ONLY", "OR", "ORDER",
    "OUTER", "OVERLAPS", "PLACING", "PRIMARY", "REFERENCES", "RETURNING", "RIGHT", "SELECT",
    "SESSION_USER", "SIMILAR", "SOME", "SYMMETRIC", "SYSTEM_USER", "TABLE", "TABLESAMPLE", "THEN",
    "TO", "TRAILING", "TRUE", "UNION", "UNIQUE", "USER", "USING", "VARIADIC", "VERBOSE", "WHEN",
    "WHERE", "WINDOW", "WITH",
    /* not reserved, but a name follows them far more often than they are one */
    "BETWEEN", "BY", "DELETE", "ESCAPE", "EXISTS", "INSERT", "OF", "OVER", "SET", "UPDATE",
    "VALUES", "ZONE", NULL};

/* So are these, where things are made, altered and dropped; in a query they may be columns. */
static const char *const defining[] = {
    "ADD",         "CALL",       "CLUSTER",      "COMMENT",    "DATABASE", "DOMAIN",    "EXECUTE",
    "EXTENSION",   "FUNCTION",   "IF",           "INDEX",      "KEY",      "POLICY",    "PROCEDURE",
    "PUBLICATION", "REINDEX",    "RENAME",       "ROLE",       "RULE",     "SCHEMA",    "SEQUENCE",
    "SERVER",      "STATISTICS", "SUBSCRIPTION", "TABLESPACE", "TEMP",     "TEMPORARY", "TRIGGER",
    "TRUNCATE",    "TYPE",       "VACUUM",       "VIEW",       NULL};

static const char *const queries[] = {"SELECT", "INSERT", "UPDATE", "DELETE",
                                      "MERGE",  "VALUES", NULL};
static const char *const after_tables[] = {
    "WHERE", "ON",     "SET",   "GROUP",     "ORDER",     "HAVING", "LIMIT",  "OFFSET", "FETCH",
    "FOR",   "WINDOW", "UNION", "INTERSECT", "RETURNING", "USING",  "VALUES", "EXCEPT", NULL};

/* ---- Looking ----------------------------------------------------------------------------- */

static int begins_name(const pondi_subscripts *at, const pondi_token *word)
{
    return pondi_token_is_any(word, reserved) ||
           (!at->in_query && pondi_token_is_any(word, defining));
}

/* The name of a function comes before its parenthesis, and so do words such as IN and OVER. */
static int is_called(const pondi_subscripts *at)
{
    static const char *const groups[] = {"ALL",  "AND",      "ANY",  "AS",   "BETWEEN",   "BY",
                                         "CASE", "DISTINCT", "ELSE", "FROM", "HAVING",    "LIMIT",
                                         "NOT",  "OFFSET",   "ON",   "OR",   "RETURNING", "SELECT",
                                         "SET",  "SOME",     "THEN", "WHEN", "WHERE",     NULL};
    if (at->last.kind == PONDI_TOKEN_WORD)
        return !pondi_token_is_any(&at->last, groups);
    return at->last.kind == PONDI_TOKEN_QUOTED || at->last.kind == PONDI_TOKEN_BRACKETED;
}

/* FROM is in expressions, too: extract(year FROM a), a IS DISTINCT FROM b. */
static int begins_tables(const pondi_subscripts *at, const pondi_token *word)
{
    if (pondi_token_is_word(word, "FROM"))
        return (at->selects & 1) && !pondi_token_is_word(&at->last, "DISTINCT");
    return pondi_token_is_word(word, "JOIN") || pondi_token_is_word(word, "INTO") ||
           pondi_token_is_word(word, "UPDATE");
}

static void note_word(pondi_subscripts *at, const pondi_token *word)
{
    if (pondi_token_is_any(word, queries)) {
        at->in_query = 1;
        at->selects |= 1;
        at->tables &= ~UINT64_C(1);
    }
    if (begins_tables(at, word))
        at->tables |= 1;
    else if ((at->tables & 1) && pondi_token_is_any(word, after_tables))
        at->tables &= ~UINT64_C(1);
}

static void note_byte(pondi_subscripts *at, char c)
{
    switch (c) {
    case '[':
        at->brackets++;
        return;
    case ']':
        at->brackets -= at->brackets > 0;
        return;
    case '(':
        at->calls = at->calls << 1 | (uint64_t)is_called(at);
        at->selects <<= 1;
        at->tables <<= 1;
        break;
    case ')':
        at->closed_call = at->calls & 1;
        at->calls >>= 1;
        at->selects >>= 1;
        at->tables >>= 1;
        break;
    case ':':
        at->in_cast = pondi_token_is_byte(&at->previous, ':');
        return;
    case '.':
        return;
    default:
        break;
    }
    at->in_cast = 0;
}

void pondi_subscripts_note(pondi_subscripts *at, const pondi_token *token)
{
    int blank = token->kind == PONDI_TOKEN_SPACE || token->kind == PONDI_TOKEN_COMMENT;
    if (token->kind == PONDI_TOKEN_OTHER)
        note_byte(at, token->text[0]);
    else if (token->kind == PONDI_TOKEN_WORD)
        note_word(at, token);
    else if (token->kind == PONDI_TOKEN_SEMICOLON)
        *at = (pondi_subscripts){.in_query = 0};
    at->previous = *token;
    if (!blank)
        at->last = *token;
}

/* ---- Telling ----------------------------------------------------------------------------- */

/* Right after a token. */
static int follows(const pondi_token *token)
{
    switch (token->kind) {
    case PONDI_TOKEN_WORD:
    case PONDI_TOKEN_NUMBER: /* of `$1` */
    case PONDI_TOKEN_LITERAL:
    case PONDI_TOKEN_QUOTED:
    case PONDI_TOKEN_BRACKETED:
    case PONDI_TOKEN_PLACEHOLDER:
        return 1;
    default:
        return pondi_token_is_byte(token, ']') || pondi_token_is_byte(token, ')');
    }
}

/* With a space between: what cannot have a subscript has a name here, `count(*) [n]`. */
static int follows_space(const pondi_subscripts *at)
{
    int in_name = at->in_cast || (at->tables & 1);
    switch (at->last.kind) {
    case PONDI_TOKEN_WORD:
        return !in_name && !begins_name(at, &at->last);
    case PONDI_TOKEN_QUOTED:
    case PONDI_TOKEN_BRACKETED:
        return !in_name;
    case PONDI_TOKEN_PLACEHOLDER:
        return 1;
    default:
        return (pondi_token_is_byte(&at->last, ']') && !at->in_cast) ||
               (pondi_token_is_byte(&at->last, ')') && !at->closed_call && !(at->tables & 1));
    }
}

int pondi_subscript_can_stand(const pondi_subscripts *at, const pondi_dialect *dialect)
{
    int inside = pondi_token_is_byte(&at->last, '[') || pondi_token_is_byte(&at->last, ',');
    if (follows(&at->previous) || pondi_token_is_word(&at->last, "ARRAY") ||
        (at->brackets && inside))
        return 1;
    return dialect->subscripts_after_space && at->previous.text && follows_space(at);
}

#include "sql/tokenizer.h"

#include <string.h>

#include "base/error.h"

/* ---- Bytes ------------------------------------------------------------------------------- */

static int is_space(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static int is_word_start(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static int is_word(unsigned char c)
{
    return is_word_start(c) || is_digit(c) || c == '$';
}

size_t pondi_count_characters(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

/* ---- Tokenizer --------------------------------------------------------------------------- */

void pondi_tokenizer_init(pondi_tokenizer *tokenizer, pond_dialect dialect, const char *sql,
                          size_t size)
{
    memset(tokenizer, 0, sizeof(*tokenizer));
    tokenizer->dialect = pondi_dialect_of(dialect);
    tokenizer->sql = sql;
    tokenizer->size = size;
}

/* The byte `ahead` of the position; 0 past the end. */
static unsigned char peek(const pondi_tokenizer *at, size_t ahead)
{
    return ahead < at->size - at->position ? (unsigned char)at->sql[at->position + ahead] : 0;
}

static int unterminated(const pondi_tokenizer *at, size_t start, const char *what, pond_error **err)
{
    int code = pondi_error_set(err, POND_ESYNTAX, "unterminated %s", what);
    if (err && !pondi_error_is_shared(*err))
        (*err)->position = (uint32_t)pondi_count_characters(at->sql, start) + 1;
    return code;
}

/* From an opening quote to after its closing one, which is written twice to stand for itself. */
static int scan_quoted(pondi_tokenizer *at, size_t start, int backslashes, const char *what,
                       pond_error **err)
{
    char quote = at->sql[at->position++];
    while (at->position < at->size) {
        char c = at->sql[at->position++];
        if (c == '\\' && backslashes && at->position < at->size) {
            at->position++;
        } else if (c == quote) {
            if (at->position >= at->size || at->sql[at->position] != quote)
                return POND_OK;
            at->position++;
        }
    }
    return unterminated(at, start, what, err);
}

static int ends_line(const pondi_dialect *dialect, char c)
{
    return c == '\n' || (c == '\r' && dialect->carriage_return_ends);
}

static void scan_line(pondi_tokenizer *at)
{
    while (at->position < at->size && !ends_line(at->dialect, at->sql[at->position]))
        at->position++;
}

/* PostgreSQL: a literal goes on in the next one if a line ends between them, and comments to the
 * end of their line do not count. Moves to its quote. */
static int continues(pondi_tokenizer *at)
{
    size_t before = at->position;
    int line_ended = 0;
    for (; at->position < at->size; at->position++) {
        char c = at->sql[at->position];
        if (ends_line(at->dialect, c)) {
            line_ended = 1;
        } else if (c == '-' && peek(at, 1) == '-') {
            scan_line(at);
            at->position--; /* the line's end is looked at next */
        } else if (!is_space((unsigned char)c)) {
            break;
        }
    }
    if (line_ended && peek(at, 0) == '\'')
        return 1;
    at->position = before;
    return 0;
}

static int scan_block_comment(pondi_tokenizer *at, pond_error **err)
{
    size_t start = at->position;
    size_t depth = 1;
    at->position += 2;
    while (at->position < at->size) {
        unsigned char c = peek(at, 0);
        unsigned char next = peek(at, 1);
        if (c == '*' && next == '/') {
            at->position += 2;
            if (--depth == 0)
                return POND_OK;
        } else if (c == '/' && next == '*' && at->dialect->nested_comments) {
            at->position += 2;
            depth++;
        } else {
            at->position++;
        }
    }
    if (at->dialect->open_comments)
        return POND_OK;
    return unterminated(at, start, "comment", err);
}

/* The next `tag`, which begins with `$`, from the position on; NULL if there is none. */
static const char *find_tag(const pondi_tokenizer *at, const char *from, const char *tag,
                            size_t size)
{
    const char *end = at->sql + at->size;
    while ((size_t)(end - from) >= size) {
        const char *found = memchr(from, '$', (size_t)(end - from) - size + 1);
        if (!found || memcmp(found, tag, size) == 0)
            return found;
        from = found + 1;
    }
    return NULL;
}

/* $$ ... $$ or $tag$ ... $tag$. Returns 0 in *found if no dollar quote begins here. */
static int scan_dollar_quote(pondi_tokenizer *at, int *found, pond_error **err)
{
    size_t start = at->position;
    size_t tag = 1;
    *found = 0;
    if (is_digit(peek(at, 1)))
        return POND_OK;
    while (is_word_start(peek(at, tag)) || is_digit(peek(at, tag)))
        tag++;
    if (peek(at, tag) != '$')
        return POND_OK;
    *found = 1;
    tag++;
    const char *opening = at->sql + start;
    const char *end = find_tag(at, opening + tag, opening, tag);
    if (!end)
        return unterminated(at, start, "dollar-quoted string", err);
    at->position = (size_t)(end - at->sql) + tag;
    return POND_OK;
}

/* ---- Brackets ---------------------------------------------------------------------------- */

static int in_bracketed_name(unsigned char c)
{
    return is_word(c) || c == ' ' || c == '-' || c == '.' || c == '#';
}

static int scan_bracket(pondi_tokenizer *at, pondi_token_kind *kind, pond_error **err)
{
    size_t start = at->position;
    *kind = PONDI_TOKEN_OTHER;
    at->position++;
    if (at->dialect->quotes_with_brackets) {
        const char *end = memchr(at->sql + at->position, ']', at->size - at->position);
        if (!end)
            return unterminated(at, start, "identifier", err);
        at->position = (size_t)(end - at->sql) + 1;
        *kind = PONDI_TOKEN_QUOTED;
        return POND_OK;
    }
    if (pondi_subscript_can_stand(&at->before, at->dialect) || !is_word_start(peek(at, 0)))
        return POND_OK;
    size_t size = 0;
    while (at->position + size < at->size && in_bracketed_name(peek(at, size)))
        size++;
    if (at->position + size >= at->size)
        return unterminated(at, start, "identifier", err);
    if (peek(at, size) != ']')
        return POND_OK;
    at->position += size + 1;
    *kind = PONDI_TOKEN_BRACKETED;
    return POND_OK;
}

/* ---- One token --------------------------------------------------------------------------- */

static pondi_token_kind scan_word(pondi_tokenizer *at)
{
    while (at->position < at->size && is_word(peek(at, 0)))
        at->position++;
    return PONDI_TOKEN_WORD;
}

static pondi_token_kind scan_number(pondi_tokenizer *at)
{
    while (at->position < at->size && (is_word(peek(at, 0)) || peek(at, 0) == '.'))
        at->position++;
    return PONDI_TOKEN_NUMBER;
}

static pondi_token_kind scan_space(pondi_tokenizer *at)
{
    while (at->position < at->size && is_space(peek(at, 0)))
        at->position++;
    return PONDI_TOKEN_SPACE;
}

static int starts_line_comment(const pondi_tokenizer *at, unsigned char c)
{
    if (c == '#')
        return at->dialect->hash_comments;
    if (c != '-' || peek(at, 1) != '-')
        return 0;
    /* MySQL: `5--1` is a subtraction */
    return !at->dialect->hash_comments || at->position + 2 >= at->size || peek(at, 2) <= ' ';
}

static int scan_quote(pondi_tokenizer *at, unsigned char quote, pondi_token_kind *kind,
                      pond_error **err)
{
    const pondi_dialect *dialect = at->dialect;
    int literal = quote == '\'' || (quote == '"' && dialect->quotes_text_doubly);
    int is_e_text =
        literal && dialect->escapes_in_e_text && pondi_token_is_word(&at->before.previous, "E");
    int backslashes = is_e_text || (literal && dialect->escapes_in_text);
    size_t start = at->position;
    int code;
    *kind = literal ? PONDI_TOKEN_LITERAL : PONDI_TOKEN_QUOTED;
    do
        code = scan_quoted(at, start, backslashes, literal ? "string literal" : "identifier", err);
    while (!code && is_e_text && continues(at)); /* which keeps its escapes */
    return code;
}

/* A comment that another server or a newer one would execute. */
static int scan_skipped(pondi_tokenizer *at, pond_error **err)
{
    size_t size = pondi_sql_skipped_size(at->sql + at->position, at->size - at->position);
    if (!size)
        return unterminated(at, at->position, "comment", err);
    at->position += size;
    return POND_OK;
}

static int is_versioned(const pondi_tokenizer *at)
{
    int marked = peek(at, 2) == 'M' && peek(at, 3) == '!';
    return at->dialect->versioned_comments && at->server.version &&
           (peek(at, 2) == '!' || (marked && at->server.maria));
}

/* MySQL executes what is in `/ *! ... * /`: only its frame is set apart. */
static int is_executed(const pondi_tokenizer *at, size_t *opening)
{
    return at->dialect->versioned_comments && (!at->executable || at->server.version) &&
           pondi_sql_is_executed(at->server, at->sql + at->position, at->size - at->position,
                                 opening);
}

static int scan_slash(pondi_tokenizer *at, pondi_token_kind *kind, pond_error **err)
{
    size_t opening;
    *kind = PONDI_TOKEN_OTHER;
    if (peek(at, 1) != '*') {
        at->position++;
        return POND_OK;
    }
    if (is_executed(at, &opening)) {
        at->executable = at->position + 1;
        at->position += opening;
        return POND_OK;
    }
    *kind = PONDI_TOKEN_COMMENT;
    return is_versioned(at) ? scan_skipped(at, err) : scan_block_comment(at, err);
}

static pondi_token_kind scan_question(pondi_tokenizer *at)
{
    int escaped = peek(at, 1) == '?';
    at->position += escaped ? 2 : 1;
    return escaped ? PONDI_TOKEN_QUESTION : PONDI_TOKEN_PLACEHOLDER;
}

static pondi_token_kind scan_other(pondi_tokenizer *at, unsigned char c)
{
    if (at->executable && c == '*' && peek(at, 1) == '/') {
        at->executable = 0;
        at->position += 2;
        return PONDI_TOKEN_OTHER;
    }
    at->position++;
    return c == ';' ? PONDI_TOKEN_SEMICOLON : PONDI_TOKEN_OTHER;
}

static int scan(pondi_tokenizer *at, pondi_token_kind *kind, pond_error **err)
{
    unsigned char c = peek(at, 0);
    int found = 0;
    int code = POND_OK;
    if (is_space(c)) {
        *kind = scan_space(at);
    } else if (is_word_start(c)) {
        *kind = scan_word(at);
    } else if (is_digit(c)) {
        *kind = scan_number(at);
    } else if (c == '?') {
        *kind = scan_question(at);
    } else if (c == '\'' || c == '"' || (c == '`' && at->dialect->quotes_with_backticks)) {
        code = scan_quote(at, c, kind, err);
    } else if (starts_line_comment(at, c)) {
        scan_line(at);
        *kind = PONDI_TOKEN_COMMENT;
    } else if (c == '/') {
        code = scan_slash(at, kind, err);
    } else if (c == '[') {
        code = scan_bracket(at, kind, err);
    } else {
        if (c == '$' && at->dialect->dollar_quotes)
            code = scan_dollar_quote(at, &found, err);
        *kind = found ? PONDI_TOKEN_LITERAL : scan_other(at, c);
    }
    return code;
}

int pondi_tokenizer_next(pondi_tokenizer *at, pondi_token *out, pond_error **err)
{
    *out = (pondi_token){PONDI_TOKEN_END, at->sql + at->position, 0};
    if (at->position >= at->size)
        return at->executable ? unterminated(at, at->executable - 1, "comment", err) : POND_OK;
    size_t start = at->position;
    int code = scan(at, &out->kind, err);
    if (code)
        return code;
    out->size = at->position - start;
    pondi_subscripts_note(&at->before, out);
    return POND_OK;
}

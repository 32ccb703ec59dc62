#include "sql/convert.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "sql/hint.h"
#include "sql/session.h"
#include "sql/tokenizer.h"

/* ---- What is learned on the way ---------------------------------------------------------- */

static void start_info(pondi_sql_info *info)
{
    memset(info, 0, sizeof(*info));
    info->empty = 1;
}

static void note_token(const pondi_token *token, pondi_sql_info *info)
{
    if (!pondi_token_is_of_statement(token))
        return;
    info->empty = 0;
    if (token->kind == PONDI_TOKEN_PLACEHOLDER)
        info->placeholders++;
    else if (token->kind == PONDI_TOKEN_WORD && !info->verb[0]) {
        pondi_verb_of(token, info->verb);
        info->means = pondi_verb_means(info->verb);
    }
}

/* ---- Writing ----------------------------------------------------------------------------- */

static int joins_words(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || c >= 0x80;
}

/* `$1` and `?` must not grow together with a word or number beside them. */
static void write_placeholder(const pondi_tokenizer *at, size_t number, pondi_buffer *out)
{
    if (out->size && joins_words((unsigned char)out->data[out->size - 1]))
        pondi_buffer_append_char(out, ' ');
    if (at->dialect->dollar_numbers)
        pondi_buffer_appendf(out, "$%zu", number);
    else
        pondi_buffer_append_char(out, '?');
    if (at->position < at->size && joins_words((unsigned char)at->sql[at->position]))
        pondi_buffer_append_char(out, ' ');
}

static void write_bracketed(const pondi_tokenizer *at, const pondi_token *token, pondi_buffer *out)
{
    char quote = at->dialect->quote;
    pondi_buffer_append_char(out, quote);
    pondi_buffer_append(out, token->text + 1, token->size - 2); /* its letters need no escape */
    pondi_buffer_append_char(out, quote);
}

static void write_token(const pondi_tokenizer *at, const pondi_token *token, size_t placeholders,
                        pondi_buffer *out)
{
    switch (token->kind) {
    case PONDI_TOKEN_PLACEHOLDER:
        write_placeholder(at, placeholders, out);
        break;
    case PONDI_TOKEN_QUESTION:
        pondi_buffer_append_char(out, '?');
        break;
    case PONDI_TOKEN_BRACKETED:
        write_bracketed(at, token, out);
        break;
    default:
        pondi_buffer_append(out, token->text, token->size);
        break;
    }
}

/* `$1` of PostgreSQL would take the place of a `?`, and `?1` is two tokens. */
static int is_numbered(const pondi_dialect *dialect, const pondi_token *before,
                       const pondi_token *token)
{
    if (token->kind != PONDI_TOKEN_NUMBER)
        return 0;
    return before->kind == PONDI_TOKEN_PLACEHOLDER ||
           (dialect->dollar_numbers && before->kind == PONDI_TOKEN_OTHER && *before->text == '$');
}

int pondi_sql_convert(pond_dialect dialect, pondi_sql_server server, const char *sql, size_t size,
                      pondi_buffer *out, pondi_sql_info *info, pond_error **err)
{
    pondi_tokenizer tokenizer;
    pondi_token token;
    pondi_token before = {PONDI_TOKEN_END, sql, 0};
    pondi_session_watch session;
    start_info(info);
    pondi_session_watch_init(&session, dialect);
    pondi_tokenizer_init(&tokenizer, dialect, sql, size);
    tokenizer.server = server;
    pondi_buffer_reserve(out, size + size / 8);
    for (;;) {
        int code = pondi_tokenizer_next(&tokenizer, &token, err);
        if (code)
            return code;
        if (token.kind == PONDI_TOKEN_END)
            break;
        note_token(&token, info);
        pondi_session_watch_token(&session, &token);
        write_token(&tokenizer, &token, info->placeholders, out);
        info->numbered |= is_numbered(tokenizer.dialect, &before, &token);
        before = token;
    }
    info->touches = session.touches;
    return out->failed ? pondi_error_nomem(err) : POND_OK;
}

/* ---- Placeholders of others ----------------------------------------------------------------- */

int pondi_sql_refuse_count(pond_dialect dialect, const char *sql, size_t size, size_t placeholders,
                           size_t params, pond_error **err)
{
    char found[PONDI_HINT_TEXT];
    int hint = pondi_sql_hint(dialect, sql, size, found);
    return pondi_error_set(
        err, POND_EPARAMS, "the statement has %zu placeholder%s and got %zu parameter%s%s%s",
        placeholders, placeholders == 1 ? "" : "s", params, params == 1 ? "" : "s",
        hint ? ": write ? for each value, instead of " : "", hint ? found : "");
}

int pondi_sql_refuse_numbered(pond_dialect dialect, const char *sql, size_t size, pond_error **err)
{
    char found[PONDI_HINT_TEXT] = "$1";
    pondi_sql_hint(dialect, sql, size, found);
    return pondi_error_set(err, POND_EPARAMS,
                           "the statement has %s in it: write ? for each value, and pass a value "
                           "again for each further use",
                           found);
}

/* ---- Statements in a dialect's own words -------------------------------------------------- */

/* The N of `$N`, whose `$` was the token before; 0 for anything else. */
static size_t parameter_number(const pondi_token *token, int after_dollar)
{
    size_t number = 0;
    if (!after_dollar || token->kind != PONDI_TOKEN_NUMBER)
        return 0;
    for (size_t i = 0; i < token->size && token->text[i] >= '0' && token->text[i] <= '9'; i++)
        number =
            number < PONDI_UNCOUNTED / 100 ? number * 10 + (size_t)(token->text[i] - '0') : number;
    return number;
}

int pondi_sql_inspect(pond_dialect dialect, pondi_sql_server server, const char *sql, size_t size,
                      pondi_sql_info *info, pond_error **err)
{
    pondi_tokenizer tokenizer;
    pondi_token token;
    pondi_session_watch session;
    size_t highest = 0;
    int after_dollar = 0;
    start_info(info);
    pondi_session_watch_init(&session, dialect);
    pondi_tokenizer_init(&tokenizer, dialect, sql, size);
    tokenizer.server = server;
    for (;;) {
        int code = pondi_tokenizer_next(&tokenizer, &token, err);
        if (code)
            return code;
        if (token.kind == PONDI_TOKEN_END)
            break;
        note_token(&token, info);
        pondi_session_watch_token(&session, &token);
        size_t number = parameter_number(&token, after_dollar);
        highest = number > highest ? number : highest;
        after_dollar = token.kind == PONDI_TOKEN_OTHER && token.text[0] == '$';
    }
    info->placeholders = tokenizer.dialect->dollar_numbers ? highest : PONDI_UNCOUNTED;
    info->touches = session.touches;
    return POND_OK;
}

/* ---- Positions --------------------------------------------------------------------------- */

int pondi_sql_follows_semicolon(pond_dialect dialect, const char *sql, size_t size)
{
    pondi_tokenizer tokenizer;
    pondi_token token;
    int found = 0;
    pondi_tokenizer_init(&tokenizer, dialect, sql, size);
    while (pondi_tokenizer_next(&tokenizer, &token, NULL) == POND_OK &&
           token.kind != PONDI_TOKEN_END) {
        if (token.kind != PONDI_TOKEN_SPACE && token.kind != PONDI_TOKEN_COMMENT)
            found = token.kind == PONDI_TOKEN_SEMICOLON;
    }
    return found;
}

size_t pondi_sql_open_comment(pond_dialect dialect, const char *sql, size_t size)
{
    pondi_tokenizer tokenizer;
    pondi_token token;
    pondi_token last = {PONDI_TOKEN_END, sql, 0};
    pondi_tokenizer_init(&tokenizer, dialect, sql, size);
    while (pondi_tokenizer_next(&tokenizer, &token, NULL) == POND_OK &&
           token.kind != PONDI_TOKEN_END)
        last = token;
    if (last.kind != PONDI_TOKEN_COMMENT || last.text[0] != '/' ||
        (last.size >= 4 && memcmp(last.text + last.size - 2, "*/", 2) == 0))
        return 0;
    return (size_t)(last.text - sql) + 1;
}

static int is_verbatim(pondi_token_kind kind)
{
    return kind != PONDI_TOKEN_PLACEHOLDER && kind != PONDI_TOKEN_QUESTION &&
           kind != PONDI_TOKEN_BRACKETED;
}

uint32_t pondi_sql_caller_position(pond_dialect dialect, pondi_sql_server server, const char *sql,
                                   size_t size, uint32_t native_position)
{
    pondi_tokenizer tokenizer;
    pondi_token token;
    pondi_buffer piece;
    size_t placeholders = 0;
    size_t native = 1; /* characters, of what comes next */
    size_t caller = 1;
    size_t found = 0;
    if (native_position == 0)
        return 0;
    pondi_tokenizer_init(&tokenizer, dialect, sql, size);
    tokenizer.server = server;
    pondi_buffer_init(&piece);
    while (!found && pondi_tokenizer_next(&tokenizer, &token, NULL) == POND_OK &&
           token.kind != PONDI_TOKEN_END) {
        size_t before = piece.size;
        placeholders += token.kind == PONDI_TOKEN_PLACEHOLDER;
        write_token(&tokenizer, &token, placeholders, &piece);
        if (piece.failed)
            break;
        size_t written = pondi_count_characters(piece.data + before, piece.size - before);
        if (native_position < native + written)
            found = caller + (is_verbatim(token.kind) ? native_position - native : 0);
        native += written;
        caller += pondi_count_characters(token.text, token.size);
    }
    if (!found && native_position == native)
        found = caller; /* the end of the statement */
    pondi_buffer_free(&piece);
    return (uint32_t)found;
}

#include "sql/hint.h"

#include <stdio.h>
#include <string.h>

#include "sql/tokenizer.h"

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t count_word(const char *at, const char *end)
{
    size_t count = 0;
    while (at + count < end && (is_letter(at[count]) || is_digit(at[count])))
        count++;
    return count;
}

/* Bytes of `%s` or `%(name)s`, from the `%` on. */
static size_t count_percent(const char *at, const char *end)
{
    if (at + 1 < end && at[1] == 's' && count_word(at + 1, end) == 1)
        return 2;
    if (at + 1 >= end || at[1] != '(')
        return 0;
    size_t name = count_word(at + 2, end);
    return name && at + name + 3 < end && at[name + 2] == ')' && at[name + 3] == 's' ? name + 4 : 0;
}

/* Bytes of what begins with this token and is a placeholder elsewhere; 0 for none. */
static size_t count_foreign(const pondi_dialect *dialect, const pondi_token *token, char before,
                            const char *end)
{
    const char *at = token->text;
    size_t word = count_word(at + token->size, end);
    if (token->kind == PONDI_TOKEN_PLACEHOLDER)
        return word && is_digit(at[1]) ? word + 1 : 0;
    if (token->kind != PONDI_TOKEN_OTHER || token->size != 1)
        return 0;
    if (*at == '%')
        return count_percent(at, end);
    int named = word && is_letter(at[1]);
    if ((*at == '$' && word) || (*at == ':' && named && before != ':') ||
        (*at == '@' && named && before != '@' && dialect->named_with_at))
        return word + 1;
    return 0;
}

int pondi_sql_hint(pond_dialect dialect, const char *sql, size_t size, char out[PONDI_HINT_TEXT])
{
    pondi_tokenizer tokenizer;
    pondi_token token;
    pondi_tokenizer_init(&tokenizer, dialect, sql, size);
    while (pondi_tokenizer_next(&tokenizer, &token, NULL) == POND_OK &&
           token.kind != PONDI_TOKEN_END) {
        size_t found = count_foreign(tokenizer.dialect, &token,
                                     token.text > sql ? token.text[-1] : ' ', sql + size);
        if (found) {
            snprintf(out, PONDI_HINT_TEXT, "%.*s", (int)(found > 40 ? 40 : found), token.text);
            return 1;
        }
    }
    return 0;
}

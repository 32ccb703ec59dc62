#include "sql/token.h"

#include <string.h>

static unsigned char upper(unsigned char c)
{
    return c >= 'a' && c <= 'z' ? (unsigned char)(c - 'a' + 'A') : c;
}

int pondi_token_is_of_statement(const pondi_token *token)
{
    return token->kind != PONDI_TOKEN_SPACE && token->kind != PONDI_TOKEN_COMMENT &&
           token->kind != PONDI_TOKEN_SEMICOLON && token->kind != PONDI_TOKEN_END;
}

int pondi_token_is_word(const pondi_token *token, const char *word)
{
    if (token->kind != PONDI_TOKEN_WORD || token->size != strlen(word))
        return 0;
    for (size_t i = 0; i < token->size; i++) {
        if (upper((unsigned char)token->text[i]) != (unsigned char)word[i])
            return 0;
    }
    return 1;
}

int pondi_token_is_any(const pondi_token *token, const char *const *words)
{
    for (; *words; words++) {
        if (pondi_token_is_word(token, *words))
            return 1;
    }
    return 0;
}

int pondi_token_is_byte(const pondi_token *token, char byte)
{
    return token->kind == PONDI_TOKEN_OTHER && token->size == 1 && token->text[0] == byte;
}

/* The kinds of token that conversion needs to tell apart. */
#ifndef PONDI_SQL_TOKEN_H
#define PONDI_SQL_TOKEN_H

#include <stddef.h>

#include "millpond/types.h"

typedef enum pondi_token_kind {
    PONDI_TOKEN_END,
    PONDI_TOKEN_SPACE,
    PONDI_TOKEN_COMMENT,
    PONDI_TOKEN_WORD, /* keyword or plain identifier */
    PONDI_TOKEN_NUMBER,
    PONDI_TOKEN_LITERAL,     /* string of any kind, dollar quotes included */
    PONDI_TOKEN_QUOTED,      /* quoted identifier in the dialect's own way */
    PONDI_TOKEN_BRACKETED,   /* [name], to be quoted in the dialect's own way */
    PONDI_TOKEN_PLACEHOLDER, /* ? */
    PONDI_TOKEN_QUESTION,    /* ??, stands for a plain ? */
    PONDI_TOKEN_SEMICOLON,
    PONDI_TOKEN_OTHER /* one byte of anything else, or the frame of a MySQL `/ *! ... * /` */
} pondi_token_kind;

typedef struct pondi_token {
    pondi_token_kind kind;
    const char *text;
    size_t size;
} pondi_token;

/* True if the token is part of a statement: no space, comment or `;`, and not the end. */
int pondi_token_is_of_statement(const pondi_token *token);

/* True if the token is this word, given in upper case. */
int pondi_token_is_word(const pondi_token *token, const char *word);

/* ... one of these; NULL ends them. */
int pondi_token_is_any(const pondi_token *token, const char *const *words);

/* True if the token is this one byte. */
int pondi_token_is_byte(const pondi_token *token, char byte);

#endif

/* Splits SQL into the few kinds of token that conversion needs to tell apart, by each dialect's own
 * rules for literals, identifiers and comments. Every byte of the text is in exactly one token. */
#ifndef PONDI_SQL_TOKENIZER_H
#define PONDI_SQL_TOKENIZER_H

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

typedef struct pondi_tokenizer {
    pond_dialect dialect;
    const char *sql;
    size_t size;
    size_t position;
    pondi_token previous; /* the one before, of any kind */
    int after_array;      /* the last token that is no space or comment was the word ARRAY */
    int after_open;       /* ... was a `[` or `,` inside brackets */
    size_t brackets;      /* open `[` that are no identifiers */
    size_t executable;    /* where an open MySQL `/ *!` began, plus 1; 0 for none */
} pondi_tokenizer;

void pondi_tokenizer_init(pondi_tokenizer *tokenizer, pond_dialect dialect, const char *sql,
                          size_t size);

/* The next token. Errors: POND_ESYNTAX for something unterminated, with the position of its start.
 */
int pondi_tokenizer_next(pondi_tokenizer *tokenizer, pondi_token *out, pond_error **err);

/* Characters in UTF-8 text; a byte that is no part of a character counts as one or as none. */
size_t pondi_count_characters(const char *text, size_t size);

/* True if the token is part of a statement: no space, comment or `;`, and not the end. */
int pondi_token_is_of_statement(const pondi_token *token);

/* True if the token is this word, given in upper case. */
int pondi_token_is_word(const pondi_token *token, const char *word);

#endif

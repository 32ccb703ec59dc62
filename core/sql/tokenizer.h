/* Splits SQL into the few kinds of token that conversion needs to tell apart, by each dialect's own
 * rules for literals, identifiers and comments. Every byte of the text is in exactly one token. */
#ifndef PONDI_SQL_TOKENIZER_H
#define PONDI_SQL_TOKENIZER_H

#include <stddef.h>

#include "sql/dialect.h"
#include "sql/executable.h"
#include "sql/subscript.h"
#include "sql/token.h"

typedef struct pondi_tokenizer {
    const pondi_dialect *dialect;
    pondi_sql_server server; /* may be set after the init */
    const char *sql;
    size_t size;
    size_t position;
    pondi_subscripts before; /* the position */
    size_t executable;       /* where an open MySQL `/ *!` began, plus 1; 0 for none */
} pondi_tokenizer;

void pondi_tokenizer_init(pondi_tokenizer *tokenizer, pond_dialect dialect, const char *sql,
                          size_t size);

/* The next token. Errors: POND_ESYNTAX for something unterminated, with the position of its start.
 */
int pondi_tokenizer_next(pondi_tokenizer *tokenizer, pondi_token *out, pond_error **err);

/* Characters in UTF-8 text; a byte that is no part of a character counts as one or as none. */
size_t pondi_count_characters(const char *text, size_t size);

#endif

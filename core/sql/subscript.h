/* PostgreSQL: whether a `[` begins the subscript of an array or a name in brackets. */
#ifndef PONDI_SQL_SUBSCRIPT_H
#define PONDI_SQL_SUBSCRIPT_H

#include <stdint.h>

#include "sql/dialect.h"
#include "sql/token.h"

/* What a later `[` needs to know of the tokens before it. */
typedef struct pondi_subscripts {
    pondi_token previous; /* the one before, of any kind */
    pondi_token last;     /* ... that is no space or comment */
    size_t brackets;      /* open `[` that are no names */
    uint64_t calls;       /* a bit for each open parenthesis, the last one lowest: of a call? */
    uint64_t selects;     /* ... is there a query in it? */
    uint64_t tables;      /* ... is this in its FROM clause? Tables have no subscripts */
    int closed_call;      /* the last parenthesis that was closed was of a call */
    int in_cast;          /* in the type after `::` */
    int in_query;         /* words of DDL alone are names from here on */
} pondi_subscripts;

/* Look at the next token. */
void pondi_subscripts_note(pondi_subscripts *at, const pondi_token *token);

/* True if a `[` that comes next is no quote. With a space before it, only PostgreSQL has
 * subscripts. */
int pondi_subscript_can_stand(const pondi_subscripts *at, const pondi_dialect *dialect);

#endif

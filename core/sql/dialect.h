/* The dialects of SQL: one row of facts for each. Code asks for a fact, never for a dialect's name,
 * so that what is known of a dialect stands in `dialect.c` alone. */
#ifndef PONDI_SQL_DIALECT_H
#define PONDI_SQL_DIALECT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "millpond/types.h"

typedef struct pondi_dialect {
    pond_dialect id;

    /* How its text is read. */
    int quotes_with_backticks;  /* `name` */
    int quotes_with_brackets;   /* [name], with anything up to the bracket */
    int quotes_text_doubly;     /* "text" is a literal */
    int takes_names_for_text;   /* "text" is a literal where no such name exists */
    int escapes_in_text;        /* a backslash in any literal */
    int escapes_in_e_text;      /* in E'text', and a literal goes on in one of the next line */
    int dollar_quotes;          /* $tag$text$tag$ */
    int dollar_numbers;         /* $1 is a parameter */
    int subscripts_after_space; /* name [1] is an element of an array */
    int carriage_return_ends;   /* a line, and so a comment */
    int hash_comments;          /* # to the end of the line; `--` needs a space after it */
    int nested_comments;        /* a comment may hold others */
    int open_comments;          /* the end of the text ends a comment, too */
    int versioned_comments;     /* what is in a comment may be executed */
    int named_with_at;          /* @name is a parameter elsewhere */

    /* How it is written. */
    char quote;                /* around names */
    size_t most_params;        /* in one statement */
    int array_params;          /* a list is a value */
    int needs_dual;            /* SELECT needs a table before WHERE */
    int needs_values_for_rows; /* (a, b) IN (VALUES (1, 2)) */
    /* Write what limits the time of the open transaction's statements; NULL: nothing does. */
    void (*put_timeout)(pondi_buffer *out, int64_t timeout_ms);

    /* What changes a session, beside what all have in common. */
    const char *const *session_verbs; /* ended by NULL */
    int prepares_by_name;             /* PREPARE leaves a statement behind */
    int sets_locally;                 /* SET LOCAL, which ends with the transaction */
    int uses_databases;               /* USE changes the default one */
    int has_pragmas;
    int has_user_variables; /* @name */
    int functions_touch;    /* one that is not known may change the session */
} pondi_dialect;

/* The facts of a dialect; NULL for a number that is none. */
const pondi_dialect *pondi_dialect_of(pond_dialect id);

#endif

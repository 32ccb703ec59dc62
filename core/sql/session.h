/* Which statements leave something behind in their session: settings, temporary tables, locks.
 *
 * What is found is what the text says. A call of a function that is not known to be harmless counts
 * as a change. What a trigger, an operator or a view calls is not seen. */
#ifndef PONDI_SQL_SESSION_H
#define PONDI_SQL_SESSION_H

#include "sql/tokenizer.h"

enum {
    PONDI_TOUCHES_SESSION = 1,
    PONDI_TOUCHES_PREPARED = 2, /* prepared statements of the user's own */
    PONDI_TOUCHES_DATABASE = 4  /* the default database */
};

typedef struct pondi_session_watch {
    const pondi_dialect *dialect;
    int touches;
    size_t words;
    char verb;             /* which of the verbs that need a second look; 0 for none */
    pondi_token last_word; /* its text is NULL before the first */
    pondi_token previous;  /* no space or comment */
    pondi_token before;    /* what came before the name that `previous` ends, schema included */
    int schema;            /* of that name: none, built-in or another */
    int is_query;          /* functions are called, not only named */
} pondi_session_watch;

void pondi_session_watch_init(pondi_session_watch *watch, pond_dialect dialect);

/* Look at the next token of the statement. */
void pondi_session_watch_token(pondi_session_watch *watch, const pondi_token *token);

#endif

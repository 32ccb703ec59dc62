/* What the first word of a statement tells of it. */
#ifndef PONDI_SQL_VERB_H
#define PONDI_SQL_VERB_H

#include "millpond/types.h"
#include "sql/token.h"

enum {
    PONDI_VERB_READS = 1,       /* it writes nothing, but for functions that it calls */
    PONDI_VERB_WRITES_ROWS = 2, /* it writes rows of tables */
    PONDI_VERB_CHANGES_SCHEMA = 4,
    PONDI_VERB_COMMITS = 8,
    PONDI_VERB_UNDOES = 16 /* it rolls back a transaction, or to a savepoint */
};

/* The sum of what is known of a word in upper case; 0 for one that tells nothing, as WITH. */
unsigned pondi_verb_means(const char *verb);

/* The same of a statement that nothing is known of yet: reads up to its first word. */
unsigned pondi_sql_means(pond_dialect dialect, const char *sql, size_t size);

/* Store a word in upper case, cut to what fits, with a NUL. */
enum { PONDI_VERB_ROOM = 16 };
void pondi_verb_of(const pondi_token *word, char out[PONDI_VERB_ROOM]);

#endif

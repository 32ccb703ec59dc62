/* Placeholders of other libraries, for errors that say what to write instead. */
#ifndef PONDI_SQL_HINT_H
#define PONDI_SQL_HINT_H

#include <stddef.h>

#include "millpond/types.h"

enum { PONDI_HINT_TEXT = 48 };

/* Write the first thing that looks like one of them, such as `%s`, `:name` or `$1`; 0 if there is
 * none. A guess: call it for statements that are wrong anyway. */
int pondi_sql_hint(pond_dialect dialect, const char *sql, size_t size, char out[PONDI_HINT_TEXT]);

#endif

/* Which functions of the databases leave their session as it was. */
#ifndef PONDI_SQL_FUNCTIONS_H
#define PONDI_SQL_FUNCTIONS_H

#include <stddef.h>

/* True for a function that is known to change nothing in its session, and for a word that calls
 * nothing though a bracket follows it. Case does not count. */
int pondi_function_is_harmless(const char *name, size_t size);

/* For tests: where the list of names is out of order, or has one twice; else 0. */
size_t pondi_function_unsorted(void);

#endif

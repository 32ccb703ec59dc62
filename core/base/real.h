/* Floats as text and back, with a point, whatever the locale of the program says. */
#ifndef PONDI_BASE_REAL_H
#define PONDI_BASE_REAL_H

#include <stddef.h>

enum { PONDI_REAL_TEXT = 32 }; /* bytes that any text below fits in */

/* As strtod(). Any thread. */
double pondi_parse_real(const char *text, char **end);

/* So many significant digits, 17 at most, as short as they can be; writes a NUL and returns the
 * length. The number is finite. Any thread. */
size_t pondi_format_real(double value, int digits, char out[PONDI_REAL_TEXT]);

/* All digits, and always an exponent. */
size_t pondi_format_scientific(double value, char out[PONDI_REAL_TEXT]);

#endif

/* Floats as text and back, with a point, whatever the locale of the program says. */
#ifndef PONDI_BASE_REAL_H
#define PONDI_BASE_REAL_H

#include <stddef.h>

enum { PONDI_REAL_TEXT = 32 }; /* bytes that any text below fits in */

/* As strtod(). Any thread. */
double pondi_parse_real(const char *text, char **end);

/* The fewest digits that read back as the same float; all digits of a whole number below 2^63, so
 * that it is an integer to whoever wants one. Writes a NUL and returns the length. The number is
 * finite. Any thread. */
size_t pondi_format_real(double value, char out[PONDI_REAL_TEXT]);

/* The fewest digits, and always an exponent. */
size_t pondi_format_scientific(double value, char out[PONDI_REAL_TEXT]);

#endif

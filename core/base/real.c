#include "base/real.h"

#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static locale_t plain;

static void make_plain(void)
{
    plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* The C library has the object ready, and allocates nothing for it. */
static locale_t plain_locale(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_plain);
    return plain;
}

double pondi_parse_real(const char *text, char **end)
{
    return strtod_l(text, end, plain_locale());
}

size_t pondi_format_real(double value, int digits, char out[PONDI_REAL_TEXT])
{
    locale_t before = uselocale(plain_locale());
    int size = snprintf(out, PONDI_REAL_TEXT, "%.*g", digits, value);
    uselocale(before);
    return (size_t)size;
}

size_t pondi_format_scientific(double value, char out[PONDI_REAL_TEXT])
{
    locale_t before = uselocale(plain_locale());
    int size = snprintf(out, PONDI_REAL_TEXT, "%.17e", value);
    uselocale(before);
    return (size_t)size;
}

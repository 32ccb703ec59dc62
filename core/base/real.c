#include "base/real.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- The fewest digits ------------------------------------------------------------------- */

enum { SAFE_DIGITS = 15, MOST_DIGITS = 17 };

/* 0.DIGITS times ten to the `point`. */
typedef struct decimal {
    char digits[MOST_DIGITS + 1];
    int count;
    int point;
} decimal;

/* Round a positive number to so many digits; 1 if they read back as the same number. */
static int round_to(double value, int count, decimal *out)
{
    char text[PONDI_REAL_TEXT];
    snprintf(text, sizeof(text), "%.*e", count - 1, value);
    out->digits[0] = text[0];
    memcpy(out->digits + 1, text + 2, (size_t)count - 1); /* after the point */
    out->count = count;
    out->point = atoi(strchr(text, 'e') + 1) + 1;
    return pondi_parse_real(text, NULL) == value;
}

static int reads_back(const decimal *number, double value)
{
    char text[PONDI_REAL_TEXT];
    snprintf(text, sizeof(text), "0.%.*se%d", number->count, number->digits, number->point);
    return pondi_parse_real(text, NULL) == value;
}

/* The next greater number of as many digits. */
static void raise_last(decimal *number)
{
    int i = number->count;
    while (i-- && number->digits[i] == '9')
        number->digits[i] = '0';
    if (i >= 0) {
        number->digits[i]++;
    } else {
        number->digits[0] = '1';
        number->point++;
    }
}

/* Below a power of two floats are twice as dense: the nearest decimal may be below and belong to
 * another float, while the one above still reads back. */
static int is_power_of_two(double value)
{
    int exponent;
    return frexp(value, &exponent) == 0.5;
}

static int fits(double value, int count, decimal *out)
{
    if (round_to(value, count, out))
        return 1;
    if (!is_power_of_two(value))
        return 0;
    raise_last(out);
    return reads_back(out, value);
}

/* Any 15 digits come back from a float as they were, but for the smallest ones of all, which have
 * fewer. */
static void shorten(double value, decimal *out)
{
    int count = value < DBL_MIN ? 1 : SAFE_DIGITS;
    while (count < MOST_DIGITS && !fits(value, count, out))
        count++;
    if (count == MOST_DIGITS)
        round_to(value, count, out);
    while (out->count > 1 && out->digits[out->count - 1] == '0')
        out->count--;
}

/* ---- Text -------------------------------------------------------------------------------- */

static size_t write_scientific(const decimal *number, const char *sign, char *out)
{
    int point = number->count > 1;
    return (size_t)snprintf(out, PONDI_REAL_TEXT, "%s%c%s%.*se%+03d", sign, number->digits[0],
                            point ? "." : "", number->count - 1, number->digits + 1,
                            number->point - 1);
}

static size_t write_plain(const decimal *number, const char *sign, char *out)
{
    int before = number->point > 0 ? number->point : 0;
    if (!before)
        return (size_t)snprintf(out, PONDI_REAL_TEXT, "%s0.%.*s%.*s", sign, -number->point, "0000",
                                number->count, number->digits);
    return (size_t)snprintf(out, PONDI_REAL_TEXT, "%s%.*s.%.*s", sign, before, number->digits,
                            number->count - before, number->digits + before);
}

static int is_whole(double value)
{
    return value >= -9223372036854775808.0 && value < 9223372036854775808.0 &&
           (double)(int64_t)value == value && !(value == 0 && signbit(value));
}

size_t pondi_format_real(double value, char out[PONDI_REAL_TEXT])
{
    enum { LEAST_POINT = -3 }; /* 0.0001 */
    decimal number;
    const char *sign = signbit(value) ? "-" : "";
    if (is_whole(value))
        return (size_t)snprintf(out, PONDI_REAL_TEXT, "%lld", (long long)value);
    if (value == 0)
        return (size_t)snprintf(out, PONDI_REAL_TEXT, "-0");
    locale_t before = uselocale(plain_locale());
    shorten(fabs(value), &number);
    uselocale(before);
    if (number.point < LEAST_POINT || number.point >= number.count)
        return write_scientific(&number, sign, out);
    return write_plain(&number, sign, out);
}

size_t pondi_format_scientific(double value, char out[PONDI_REAL_TEXT])
{
    decimal number = {.digits = "0", .count = 1, .point = 1};
    locale_t before = uselocale(plain_locale());
    if (value != 0)
        shorten(fabs(value), &number);
    uselocale(before);
    return write_scientific(&number, signbit(value) ? "-" : "", out);
}

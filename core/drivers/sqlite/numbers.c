/* Decimals and intervals as the numbers that SQLite has: what is text is greater than every number
 * to it, and sorts by its first letter. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/real.h"
#include "drivers/sqlite/sqlite.h"

/* As many digits as every float keeps, and SQLite writes. */
enum { EXACT_DIGITS = 15, EXACT_EXPONENT = 280, INTEGER_DIGITS = 19 };

static const int64_t day_us = INT64_C(86400000000);

/* ---- Decimals ---------------------------------------------------------------------------- */

/* 0.DIGITS * 10^point, without zeros at either end. */
typedef struct decimal {
    int negative;
    int is_integer; /* as it is written: no point, no exponent */
    char digits[INTEGER_DIGITS];
    size_t count; /* more than that: they are not all there */
    long point;
} decimal;

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void add_digit(decimal *out, char c, size_t *zeros)
{
    if (c == '0') {
        (*zeros)++; /* they count if another digit follows */
        return;
    }
    for (; *zeros; (*zeros)--) {
        if (out->count < INTEGER_DIGITS)
            out->digits[out->count] = '0';
        out->count++;
    }
    if (out->count < INTEGER_DIGITS)
        out->digits[out->count] = c;
    out->count++;
}

static int read_decimal(const char *text, size_t size, decimal *out)
{
    const char *end = text + size;
    const char *at = text + (size && (*text == '-' || *text == '+'));
    size_t zeros = 0;
    int seen = 0;
    int point = 0;
    long exponent = 0;
    memset(out, 0, sizeof(*out));
    out->negative = size && *text == '-';
    for (; at < end && (is_digit(*at) || (*at == '.' && !point)); at++) {
        if (*at == '.') {
            point = 1;
            continue;
        }
        seen = 1;
        if (out->count || *at != '0')
            add_digit(out, *at, &zeros);
        if (!point)
            out->point += out->count || *at != '0';
        else if (!out->count)
            out->point--; /* a zero right after the point */
    }
    out->is_integer = !point && at == end;
    if (!seen || (at < end && ((*at != 'e' && *at != 'E') ||
                               !pondi_sqlite_read_exponent(at + 1, end, &exponent))))
        return 0;
    out->point += exponent;
    return 1;
}

/* True if it is one of 64 bits. */
static int to_integer(const decimal *from, int64_t *out)
{
    uint64_t value = 0;
    if (from->point > INTEGER_DIGITS)
        return 0;
    for (long i = 0; i < from->point; i++)
        value = value * 10 + (uint64_t)((size_t)i < from->count ? from->digits[i] - '0' : 0);
    if (value > (uint64_t)INT64_MAX + (uint64_t)from->negative)
        return 0;
    *out = from->negative ? (int64_t)(0 - value) : (int64_t)value;
    return 1;
}

/* True if the float reads back as the same decimal. */
static int to_real(const decimal *from, double *out)
{
    char text[64];
    *out = 0;
    if (!from->count)
        return 1;
    if (from->count > EXACT_DIGITS || labs(from->point) > EXACT_EXPONENT)
        return 0;
    snprintf(text, sizeof(text), "%s0.%.*se%ld", from->negative ? "-" : "", (int)from->count,
             from->digits, from->point);
    *out = pondi_parse_real(text, NULL);
    return 1;
}

static int is_infinity(const char *text, size_t size, double *out)
{
    size_t sign = size && (*text == '-' || *text == '+');
    *out = size && *text == '-' ? -HUGE_VAL : HUGE_VAL;
    return size == sign + 8 && memcmp(text + sign, "Infinity", 8) == 0;
}

int pondi_sqlite_decimal_number(const char *text, size_t size, int64_t *integer, double *real)
{
    decimal read;
    if (is_infinity(text, size, real))
        return SQLITE_FLOAT;
    if (!read_decimal(text, size, &read))
        return SQLITE_TEXT;
    if (read.is_integer && to_integer(&read, integer))
        return SQLITE_INTEGER;
    return to_real(&read, real) ? SQLITE_FLOAT : SQLITE_TEXT;
}

/* ---- Intervals --------------------------------------------------------------------------- */

int pondi_sqlite_interval_us(const pond_value *value, int64_t *us)
{
    int64_t days = value->as.interval.days;
    return !__builtin_mul_overflow(days, day_us, us) &&
           !__builtin_add_overflow(*us, value->as.interval.microseconds, us);
}

void pondi_sqlite_interval_of(int64_t us, pond_value *out)
{
    out->type = POND_TYPE_INTERVAL;
    out->aux = 0;
    out->as.interval.days = us / day_us;
    out->as.interval.microseconds = us % day_us;
}

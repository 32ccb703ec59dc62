/* Decimals are kept as the text that the database gave, all digits of it; this compares them. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "native.h"

/* A finite number is sign * 0.DIGITS * 10^exponent, without leading zeros in DIGITS. */
typedef struct decimal {
    int sign; /* -1, 0 for zero, 1 */
    int nan;
    int infinite;
    const char *digits; /* may contain a point, which is skipped */
    const char *end;
    long exponent;
} decimal;

static int is_word(const char *text, size_t size, const char *word)
{
    return size == strlen(word) && strncasecmp(text, word, size) == 0;
}

static int read_exponent(const char *at, const char *end, long *out)
{
    int negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (at == end)
        return 0;
    long value = 0;
    for (; at < end; at++) {
        if (!isdigit((unsigned char)*at) || value > 1000000)
            return 0;
        value = value * 10 + (*at - '0');
    }
    *out = negative ? -value : value;
    return 1;
}

static int read_digits(const char *at, const char *end, decimal *out)
{
    long before_point = 0;
    int seen = 0;
    int point = 0;
    out->digits = NULL;
    for (; at < end && (isdigit((unsigned char)*at) || (*at == '.' && !point)); at++) {
        if (*at == '.') {
            point = 1;
            continue;
        }
        seen = 1;
        if (!out->digits && *at != '0')
            out->digits = at;
        if (out->digits && !point)
            before_point++;
        else if (!out->digits && point)
            before_point--;
    }
    out->end = at;
    out->exponent = before_point;
    if (!out->digits)
        out->sign = 0;
    if (at == end)
        return seen;
    long exponent = 0;
    if (!seen || (*at != 'e' && *at != 'E') || !read_exponent(at + 1, end, &exponent))
        return 0;
    out->exponent += exponent;
    return 1;
}

static int read_decimal(const char *text, size_t size, decimal *out)
{
    *out = (decimal){.sign = 1};
    if (size && (*text == '-' || *text == '+')) {
        out->sign = *text == '-' ? -1 : 1;
        text++;
        size--;
    }
    out->nan = is_word(text, size, "nan");
    out->infinite = is_word(text, size, "infinity") || is_word(text, size, "inf");
    return out->nan || out->infinite || read_digits(text, text + size, out);
}

int native_is_decimal(const char *text, size_t size)
{
    decimal read;
    return read_decimal(text, size, &read);
}

/* The next digit of one, '0' after its last. */
static char next_digit(const char **at, const char *end)
{
    if (*at < end && **at == '.')
        ++*at;
    return *at < end ? *(*at)++ : '0';
}

static int compare_magnitude(const decimal *a, const decimal *b)
{
    if (a->infinite || b->infinite)
        return a->infinite - b->infinite;
    if (a->exponent != b->exponent)
        return a->exponent < b->exponent ? -1 : 1;
    const char *at_a = a->digits;
    const char *at_b = b->digits;
    while (at_a < a->end || at_b < b->end) {
        char digit_a = next_digit(&at_a, a->end);
        char digit_b = next_digit(&at_b, b->end);
        if (digit_a != digit_b)
            return digit_a < digit_b ? -1 : 1;
    }
    return 0;
}

int native_decimal_compare(const char *a, size_t a_size, const char *b, size_t b_size)
{
    decimal left;
    decimal right;
    read_decimal(a, a_size, &left);
    read_decimal(b, b_size, &right);
    if (left.nan || right.nan)
        return left.nan - right.nan;
    if (left.sign != right.sign)
        return left.sign < right.sign ? -1 : 1;
    return left.sign ? left.sign * compare_magnitude(&left, &right) : 0;
}

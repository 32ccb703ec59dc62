/* The collation "decimal": text in a column declared decimal_text compares as the numbers it is. */
#include <string.h>

#include "drivers/sqlite/sqlite.h"

/* A number: its significant digits, and where its point is before or after them. */
typedef struct number {
    int sign; /* -1, 0 or 1 */
    const char *digits;
    const char *end;
    long exponent; /* of the first digit: 0 for units */
} number;

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int pondi_sqlite_read_exponent(const char *at, const char *end, long *out)
{
    int negative = at < end && *at == '-';
    at += at < end && (*at == '-' || *at == '+');
    long value = 0;
    if (at == end)
        return 0;
    for (; at < end; at++) {
        if (!is_digit(*at) || value > 1000000)
            return 0;
        value = value * 10 + (*at - '0');
    }
    *out = negative ? -value : value;
    return 1;
}

static int read_number(const char *text, int size, number *out)
{
    const char *end = text + size;
    const char *at = text + (size && (*text == '-' || *text == '+'));
    int seen = 0;
    int point = 0;
    long exponent = 0;
    *out = (number){0, NULL, NULL, -1};
    for (; at < end && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.' && !point) {
            point = 1;
            continue;
        }
        if (!is_digit(*at))
            return 0;
        seen = 1;
        if (!out->digits && *at != '0')
            out->digits = at;
        if (out->digits && !point)
            out->exponent++; /* one more digit before the point */
        else if (!out->digits && point)
            out->exponent--; /* a zero right after it */
    }
    if (!seen || (at < end && !pondi_sqlite_read_exponent(at + 1, end, &exponent)))
        return 0;
    out->end = at;
    out->exponent += exponent;
    if (out->digits)
        out->sign = size && *text == '-' ? -1 : 1;
    return 1;
}

/* The next digit, 0 after the last. */
static char next_digit(const char **at, const char *end)
{
    while (*at < end && **at == '.')
        ++*at;
    return *at < end ? *(*at)++ : '0';
}

static int compare_digits(const number *a, const number *b)
{
    const char *x = a->digits;
    const char *y = b->digits;
    while (x < a->end || y < b->end) {
        char one = next_digit(&x, a->end);
        char two = next_digit(&y, b->end);
        if (one != two)
            return one < two ? -1 : 1;
    }
    return 0;
}

static int compare(void *data, int a_size, const void *a_text, int b_size, const void *b_text)
{
    number a;
    number b;
    (void)data;
    if (!read_number(a_text, a_size, &a) || !read_number(b_text, b_size, &b)) {
        int order = memcmp(a_text, b_text, (size_t)(a_size < b_size ? a_size : b_size));
        return order ? order : a_size - b_size;
    }
    if (a.sign != b.sign)
        return a.sign < b.sign ? -1 : 1;
    if (a.sign == 0)
        return 0;
    int order =
        a.exponent != b.exponent ? (a.exponent < b.exponent ? -1 : 1) : compare_digits(&a, &b);
    return a.sign * order;
}

int pondi_sqlite_add_collation(sqlite3 *db)
{
    return sqlite3_create_collation_v2(db, "decimal", SQLITE_UTF8, NULL, compare, NULL);
}

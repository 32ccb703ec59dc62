#include "entity/text.h"

#include <string.h>

#include "sql/dialect.h"

/* ---- Names ------------------------------------------------------------------------------- */

static int is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int pondi_check_name(const char *name, size_t longest, const char *what, pond_error **err)
{
    size_t size = name ? strlen(name) : 0;
    if (!size)
        return pondi_error_set(err, POND_EINVAL, "the name of %s is empty", what);
    if (size > longest)
        return pondi_error_set(err, POND_EINVAL,
                               "the name of %s has %zu characters: the maximum is %zu", what, size,
                               longest);
    for (size_t i = 0; i < size; i++) {
        if (!is_letter(name[i]) && (i == 0 || !is_digit(name[i])))
            return pondi_error_set(err, POND_EINVAL,
                                   "\"%s\" cannot be the name of %s: use letters from A to Z, "
                                   "digits and underscores, and do not begin with a digit",
                                   name, what);
    }
    return POND_OK;
}

void pondi_quote_with(pond_dialect dialect, const char *name, const char *suffix, pondi_buffer *out)
{
    char quote = pondi_dialect_of(dialect)->quote;
    pondi_buffer_append_char(out, quote);
    pondi_buffer_append_text(out, name);
    pondi_buffer_append_text(out, suffix);
    pondi_buffer_append_char(out, quote);
}

void pondi_quote(pond_dialect dialect, const char *name, pondi_buffer *out)
{
    pondi_quote_with(dialect, name, "", out);
}

/* ---- Decimals ---------------------------------------------------------------------------- */

enum { MOST_DIGITS = 1000, MOST_EXPONENT = 10000 };

/* The parts of a number: digits with a point after `point` of them. */
typedef struct number {
    int negative;
    char digits[MOST_DIGITS];
    long count;
    long point;
} number;

static int read_exponent(const char *text, size_t size, long *out)
{
    int negative = size && *text == '-';
    size_t at = size && (*text == '-' || *text == '+');
    long value = 0;
    if (at == size)
        return 0;
    for (; at < size; at++) {
        if (!is_digit(text[at]) || value > MOST_EXPONENT)
            return 0;
        value = value * 10 + (text[at] - '0');
    }
    *out = negative ? -value : value;
    return 1;
}

static int read_number(const char *text, size_t size, number *out)
{
    size_t at = size && (*text == '-' || *text == '+');
    long exponent = 0;
    int seen_point = 0;
    int seen_digit = 0;
    out->negative = size && *text == '-';
    out->count = 0;
    out->point = 0;
    for (; at < size; at++) {
        char c = text[at];
        if (c == '.' && !seen_point) {
            seen_point = 1;
            continue;
        }
        if ((c == 'e' || c == 'E') && seen_digit) {
            if (!read_exponent(text + at + 1, size - at - 1, &exponent))
                return 0;
            break;
        }
        if (!is_digit(c))
            return 0;
        seen_digit = 1;
        if (c == '0' && !out->count) { /* a leading zero counts only after the point */
            out->point -= seen_point;
            continue;
        }
        if (out->count == MOST_DIGITS)
            return 0;
        out->digits[out->count++] = c;
        out->point += !seen_point;
    }
    out->point += exponent;
    while (out->count && out->digits[out->count - 1] == '0')
        out->count--;
    return seen_digit;
}

static void put_zeros(pondi_buffer *out, long count)
{
    for (long i = 0; i < count; i++)
        pondi_buffer_append_char(out, '0');
}

int pondi_plain_decimal(const char *text, size_t size, pondi_buffer *out, size_t *whole,
                        size_t *fraction)
{
    number read;
    *whole = 0;
    *fraction = 0;
    if (!read_number(text, size, &read))
        return 0;
    if (!read.count) {
        pondi_buffer_append_char(out, '0');
        return 1;
    }
    if (read.point > MOST_DIGITS || read.point < -MOST_DIGITS)
        return 0;
    long before = read.point < 0 ? 0 : read.point < read.count ? read.point : read.count;
    if (read.negative)
        pondi_buffer_append_char(out, '-');
    pondi_buffer_append(out, read.digits, (size_t)before);
    put_zeros(out, read.point - before);
    if (read.point <= 0)
        pondi_buffer_append_char(out, '0');
    if (before < read.count) {
        pondi_buffer_append_char(out, '.');
        put_zeros(out, -read.point);
        pondi_buffer_append(out, read.digits + before, (size_t)(read.count - before));
    }
    *whole = read.point > 0 ? (size_t)read.point : 0;
    *fraction = read.count > read.point ? (size_t)(read.count - read.point) : 0;
    return 1;
}

/* ---- JSON -------------------------------------------------------------------------------- */

typedef struct reader {
    const char *at;
    const char *end;
    int depth;
} reader;

static void skip_space(reader *in)
{
    while (in->at < in->end &&
           (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r'))
        in->at++;
}

static int take(reader *in, char c)
{
    if (in->at >= in->end || *in->at != c)
        return 0;
    in->at++;
    return 1;
}

static int is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static int read_string(reader *in)
{
    if (!take(in, '"'))
        return 0;
    while (in->at < in->end) {
        char c = *in->at++;
        if (c == '"')
            return 1;
        if ((unsigned char)c < 0x20)
            return 0;
        if (c != '\\')
            continue;
        if (in->at >= in->end || !*in->at || !strchr("\"\\/bfnrtu", *in->at))
            return 0;
        if (*in->at++ != 'u')
            continue;
        for (int i = 0; i < 4; i++) {
            if (in->at >= in->end || !is_hex(*in->at++))
                return 0;
        }
    }
    return 0;
}

static int read_digits(reader *in)
{
    const char *start = in->at;
    while (in->at < in->end && is_digit(*in->at))
        in->at++;
    return in->at > start;
}

static int read_json_number(reader *in)
{
    take(in, '-');
    if (!take(in, '0') && !read_digits(in))
        return 0;
    if (take(in, '.') && !read_digits(in))
        return 0;
    if (!take(in, 'e') && !take(in, 'E'))
        return 1;
    if (!take(in, '-'))
        take(in, '+');
    return read_digits(in);
}

static int read_word(reader *in, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(in->end - in->at) < size || memcmp(in->at, word, size) != 0)
        return 0;
    in->at += size;
    return 1;
}

static int read_json(reader *in);

static int read_members(reader *in, char close, int keys)
{
    skip_space(in);
    if (take(in, close))
        return 1;
    do {
        skip_space(in);
        if (keys) {
            if (!read_string(in))
                return 0;
            skip_space(in);
            if (!take(in, ':'))
                return 0;
        }
        if (!read_json(in))
            return 0;
        skip_space(in);
    } while (take(in, ','));
    return take(in, close);
}

static int read_json(reader *in)
{
    enum { MOST_DEPTH = 1000 };
    int right;
    skip_space(in);
    if (in->at >= in->end || in->depth >= MOST_DEPTH)
        return 0;
    in->depth++;
    if (take(in, '{'))
        right = read_members(in, '}', 1);
    else if (take(in, '['))
        right = read_members(in, ']', 0);
    else if (*in->at == '"')
        right = read_string(in);
    else
        right = read_word(in, "true") || read_word(in, "false") || read_word(in, "null") ||
                read_json_number(in);
    in->depth--;
    return right;
}

int pondi_is_json(const char *text, size_t size)
{
    reader in = {text, text + size, 0};
    if (!read_json(&in))
        return 0;
    skip_space(&in);
    return in.at == in.end;
}

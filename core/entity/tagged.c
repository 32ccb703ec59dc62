#include "entity/tagged.h"

#include <stdint.h>
#include <string.h>

#include "base/error.h"

/* ---- Strings of JSON --------------------------------------------------------------------- */

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four digits of a \u escape; -1 if they are none. */
static int32_t read_unit(const char *at, const char *end)
{
    int32_t unit = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* The end of a string whose first character after the quote is at `at`: its closing quote. */
static const char *string_end(const char *at, const char *end)
{
    while (at < end && *at != '"')
        at += *at == '\\' && end - at > 1 ? 2 : 1;
    return at;
}

/* One character of a string if it is ASCII, else -1; `*at` moves on. */
static int read_ascii(const char **at, const char *end)
{
    char c = *(*at)++;
    if (c != '\\' || *at >= end)
        return (unsigned char)c < 0x80 ? c : -1;
    c = *(*at)++;
    if (c != 'u')
        return -1; /* no letter of a tag is written so */
    int32_t unit = read_unit(*at, end);
    *at += unit >= 0 ? 4 : 0;
    return unit < 0x80 ? (int)unit : -1;
}

/* ---- Keys -------------------------------------------------------------------------------- */

/* How many "$" are before "type" in a key that is made of these; else 0. */
static size_t count_dollars(const char *at, const char *end)
{
    static const char name[] = "type";
    size_t dollars = 0;
    size_t letters = 0;
    while (at < end) {
        int c = read_ascii(&at, end);
        if (c == '$' && !letters)
            dollars++;
        else if (c > 0 && letters < sizeof(name) - 1 && c == name[letters])
            letters++;
        else
            return 0;
    }
    return letters == sizeof(name) - 1 ? dollars : 0;
}

static int is_key(const char *after, const char *end)
{
    while (after < end && is_space(*after))
        after++;
    return after < end && *after == ':';
}

static void put_key(size_t dollars, pondi_buffer *out)
{
    pondi_buffer_append_char(out, '"');
    while (dollars--)
        pondi_buffer_append_char(out, '$');
    pondi_buffer_append_text(out, "type\"");
}

/* Replace keys of `least` and more dollars by those with `more` more. */
static int change_keys(const char *text, size_t size, size_t least, int more, pondi_buffer *out)
{
    const char *end = text + size;
    const char *done = text;
    int changed = 0;
    if (!memchr(text, '$', size) && !memchr(text, '\\', size))
        return 0;
    for (const char *at = text; (at = memchr(at, '"', (size_t)(end - at))) != NULL;) {
        const char *stop = string_end(at + 1, end);
        size_t dollars = count_dollars(at + 1, stop);
        const char *after = stop < end ? stop + 1 : end;
        if (dollars >= least && is_key(after, end)) {
            pondi_buffer_append(out, done, (size_t)(at - done));
            put_key(more > 0 ? dollars + 1 : dollars - 1, out);
            done = after;
            changed = 1;
        }
        at = after;
    }
    if (changed)
        pondi_buffer_append(out, done, (size_t)(end - done));
    return changed;
}

int pondi_tags_escape(const char *text, size_t size, pondi_buffer *out)
{
    return change_keys(text, size, 1, 1, out);
}

int pondi_tags_unescape(const char *text, size_t size, pondi_buffer *out)
{
    return change_keys(text, size, 2, -1, out);
}

/* ---- Text -------------------------------------------------------------------------------- */

static void put_character(uint32_t c, pondi_buffer *out)
{
    char bytes[4];
    size_t count = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = count; i-- > 1; c >>= 6)
        bytes[i] = (char)(0x80 | (c & 0x3f));
    bytes[0] = (char)(first[count] | c);
    pondi_buffer_append(out, bytes, count);
}

static int is_high(int32_t unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

static int is_low(int32_t unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

/* Behind "\u"; returns what is behind it all. */
static const char *put_escaped(const char *at, const char *end, pondi_buffer *out)
{
    enum { REPLACEMENT = 0xfffd };
    int32_t unit = read_unit(at, end);
    if (unit < 0)
        return end;
    at += 4;
    if (is_high(unit) && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        int32_t low = read_unit(at + 2, end);
        if (is_low(low)) {
            put_character((uint32_t)(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)), out);
            return at + 6;
        }
    }
    put_character((uint32_t)(is_high(unit) || is_low(unit) ? REPLACEMENT : unit), out);
    return at;
}

static const char *put_escape(const char *at, const char *end, pondi_buffer *out)
{
    static const char letters[] = "bfnrt";
    static const char meanings[] = "\b\f\n\r\t";
    if (at >= end)
        return end;
    if (*at == 'u')
        return put_escaped(at + 1, end, out);
    const char *letter = *at ? strchr(letters, *at) : NULL;
    pondi_buffer_append_char(out, letter ? meanings[letter - letters] : *at);
    return at + 1;
}

int pondi_json_text(const char *json, size_t size, pondi_buffer *out)
{
    const char *end = json + size;
    while (json < end && is_space(*json))
        json++;
    while (end > json && is_space(end[-1]))
        end--;
    if (end - json < 2 || *json != '"' || string_end(json + 1, end) != end - 1)
        return 0;
    end--;
    for (const char *at = json + 1; at < end;) {
        const char *stop = memchr(at, '\\', (size_t)(end - at));
        pondi_buffer_append(out, at, (size_t)((stop ? stop : end) - at));
        at = stop ? put_escape(stop + 1, end, out) : end;
    }
    return 1;
}

int pondi_keep_text(pondi_arena *arena, pondi_buffer *text, pond_value *value, pond_error **err)
{
    const char *data = text->size ? text->data : "";
    value->as.text.size = text->size;
    value->as.text.data = text->failed ? NULL : pondi_arena_copy(arena, data, text->size);
    pondi_buffer_free(text);
    return value->as.text.data ? POND_OK : pondi_error_nomem(err);
}

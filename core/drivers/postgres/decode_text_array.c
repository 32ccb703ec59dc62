/* Arrays in text: {1,NULL,"a \"b\""}, nested, after bounds such as [0:1]= if they are unusual. */
#include <stdint.h>
#include <string.h>

#include "drivers/postgres/postgres.h"

enum { MOST_DIMENSIONS = 6 };

typedef struct text_array {
    const char *at;
    const char *end;
    pondi_arena *arena;
    pg_decoder decoder;
    char delimiter;
} text_array;

static int next_is(const text_array *in, char c)
{
    return in->at < in->end && *in->at == c;
}

/* How many items the braces at `at` have, not counting those of inner braces; -1 if they do not
 * close. */
static int64_t count_items(const text_array *in)
{
    int64_t count = 0;
    int depth = 0;
    int quoted = 0;
    for (const char *at = in->at; at < in->end; at++) {
        if (*at == '\\')
            at++;
        else if (*at == '"')
            quoted = !quoted;
        else if (quoted)
            continue;
        else if (*at == '{')
            depth++;
        else if (*at == '}' && --depth == 0)
            return at == in->at + 1 ? 0 : count + 1;
        else if (*at == in->delimiter && depth == 1)
            count++;
    }
    return -1;
}

/* Where the item at `at` ends: at its closing quote, or at what follows it. */
static const char *item_end(const text_array *in, int quoted)
{
    const char *at = in->at;
    while (at < in->end && *at != '"' && (quoted || (*at != in->delimiter && *at != '}')))
        at += *at == '\\' && at + 1 < in->end ? 2 : 1;
    return at;
}

/* One item without its quotes, in memory of its own: decoders count on the NUL after it. */
static int read_item(text_array *in, pond_value *out)
{
    int quoted = next_is(in, '"');
    in->at += quoted;
    const char *end = item_end(in, quoted);
    char *text = pondi_arena_alloc(in->arena, (size_t)(end - in->at) + 1);
    size_t size = 0;
    if (!text)
        return POND_ENOMEM;
    while (in->at < end) {
        in->at += *in->at == '\\' && in->at + 1 < end;
        text[size++] = *in->at++;
    }
    text[size] = '\0';
    if (quoted && !next_is(in, '"'))
        return POND_EDATA;
    in->at += quoted;
    memset(out, 0, sizeof(*out));
    if (!quoted && size == 4 && memcmp(text, "NULL", 4) == 0)
        return POND_OK;
    return in->decoder(text, (int)size, in->arena, out);
}

static int read_braces(text_array *in, int depth, pond_value *out)
{
    int64_t count = count_items(in);
    if (count < 0 || depth > MOST_DIMENSIONS)
        return POND_EDATA;
    pond_value *items = pondi_arena_alloc(in->arena, (size_t)(count ? count : 1) * sizeof(*items));
    if (!items)
        return POND_ENOMEM;
    in->at++;
    for (int64_t i = 0; i < count; i++) {
        int code =
            next_is(in, '{') ? read_braces(in, depth + 1, &items[i]) : read_item(in, &items[i]);
        if (code)
            return code;
        if (!next_is(in, i + 1 < count ? in->delimiter : '}'))
            return POND_EDATA;
        in->at += i + 1 < count;
    }
    in->at++;
    out->type = POND_TYPE_ARRAY;
    out->aux = 0;
    out->as.array.items = count ? items : NULL;
    out->as.array.count = (size_t)count;
    return POND_OK;
}

int pondi_postgres_decode_text_array(const char *data, int size, pg_decoder element, char delimiter,
                                     pondi_arena *arena, pond_value *out)
{
    text_array in = {data, data + size, arena, element, delimiter};
    if (next_is(&in, '[')) {
        const char *bounds_end = memchr(data, '=', (size_t)size);
        in.at = bounds_end ? bounds_end + 1 : in.end;
    }
    if (!next_is(&in, '{'))
        return POND_EDATA;
    int code = read_braces(&in, 1, out);
    return code ? code : in.at == in.end ? POND_OK : POND_EDATA;
}

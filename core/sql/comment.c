#include "sql/comment.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static int compare_keys(const void *a, const void *b)
{
    return strcmp(((const pond_tag *)a)->key, ((const pond_tag *)b)->key);
}

static int is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

static void append_encoded(pondi_buffer *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (is_unreserved(c))
            pondi_buffer_append_char(out, (char)c);
        else
            pondi_buffer_appendf(out, "%%%02X", c);
    }
}

void pondi_sql_comment(const pond_tag *tags, size_t count, pondi_buffer *out)
{
    if (count == 0)
        return;
    pond_tag *sorted =
        count < SIZE_MAX / sizeof(*sorted) ? pondi_malloc(count * sizeof(*sorted)) : NULL;
    if (!sorted) {
        out->failed = 1;
        return;
    }
    memcpy(sorted, tags, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_keys);
    pondi_buffer_append_text(out, "/*");
    for (size_t i = 0; i < count; i++) {
        if (i)
            pondi_buffer_append_char(out, ',');
        append_encoded(out, sorted[i].key);
        pondi_buffer_append_text(out, "='");
        append_encoded(out, sorted[i].value ? sorted[i].value : "");
        pondi_buffer_append_char(out, '\'');
    }
    pondi_buffer_append_text(out, "*/");
    pondi_free(sorted);
}

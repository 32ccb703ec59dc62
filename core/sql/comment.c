#include "sql/comment.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/given.h"

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

int pondi_check_tags(const pond_tag *tags, uint64_t count, pond_error **err)
{
    enum { MOST_TAGS = 4096 };
    if (count > MOST_TAGS)
        return pondi_error_set(err, POND_ERANGE, "there are %llu tags: the maximum is %d",
                               (unsigned long long)count, MOST_TAGS);
    int code = pondi_given_array(err, "tags", tags, count);
    for (size_t i = 0; i < count && !code; i++) {
        if (!tags[i].key)
            code = pondi_error_set(err, POND_EINVAL, "tag %zu has no key", i + 1);
    }
    return code;
}

static int sort(const pond_tag *tags, size_t count, pond_tag **out, pond_error **err)
{
    int code = pondi_check_tags(tags, count, err);
    if (code)
        return code;
    pond_tag *sorted = pondi_malloc(count * sizeof(*sorted));
    if (!sorted)
        return pondi_error_nomem(err);
    memcpy(sorted, tags, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_keys);
    *out = sorted;
    return POND_OK;
}

int pondi_sql_comment(const pond_tag *tags, size_t count, pondi_buffer *out, pond_error **err)
{
    pond_tag *sorted = NULL;
    int code = count ? sort(tags, count, &sorted, err) : POND_OK;
    if (code || count == 0)
        return code;
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
    return out->failed ? pondi_error_nomem(err) : POND_OK;
}

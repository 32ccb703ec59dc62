/* The converter for those who talk to a database by other means. */
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/given.h"
#include "millpond/millpond.h"
#include "sql/comment.h"
#include "sql/convert.h"
#include "sql/dialect.h"
#include "sql/lists.h"

static int check_dialect(pond_dialect dialect, pond_error **err)
{
    if (pondi_dialect_of(dialect))
        return POND_OK;
    return pondi_error_set(err, POND_EINVAL, "%d is no pond_dialect", (int)dialect);
}

static int check_sql(pond_dialect dialect, const char *sql, size_t sql_size, pond_error **err)
{
    int code = check_dialect(dialect, err);
    return code ? code : pondi_given_text(err, "sql", sql, sql_size);
}

static int hand_over(pondi_buffer *text, char **out, pond_error **err)
{
    *out = pondi_buffer_take(text);
    return *out ? POND_OK : pondi_error_nomem(err);
}

int pond_sql_convert(pond_dialect dialect, const char *sql, size_t sql_size, char **out,
                     size_t *out_size, size_t *placeholders, pond_error **err)
{
    pondi_sql_info info;
    pondi_buffer native;
    if (out)
        *out = NULL;
    if (out_size)
        *out_size = 0;
    if (placeholders)
        *placeholders = 0;
    int code = PONDI_GIVEN(err, out, out_size, placeholders);
    if (!code)
        code = check_sql(dialect, sql, sql_size, err);
    if (code)
        return code;
    pondi_buffer_init(&native);
    code = pondi_sql_convert(dialect, (pondi_sql_server){0}, sql, sql_size, &native, &info, err);
    if (code) {
        pondi_buffer_free(&native);
        return code;
    }
    *out_size = native.size;
    *placeholders = info.placeholders;
    return hand_over(&native, out, err);
}

/* One block: the values, then the items of arrays, which may be the spread's own. */
static pond_value *copy_values(const pond_value *values, size_t count)
{
    size_t total = count + 1;
    for (size_t i = 0; i < count; i++)
        total += values[i].type == POND_TYPE_ARRAY ? values[i].as.array.count : 0;
    pond_value *copy =
        total < SIZE_MAX / sizeof(*copy) ? pondi_malloc(total * sizeof(*copy)) : NULL;
    pond_value *items = copy ? copy + count : NULL;
    for (size_t i = 0; copy && i < count; i++) {
        size_t size = values[i].type == POND_TYPE_ARRAY ? values[i].as.array.count : 0;
        copy[i] = values[i];
        if (values[i].type != POND_TYPE_ARRAY)
            continue;
        if (size)
            memcpy(items, values[i].as.array.items, size * sizeof(*items));
        copy[i].as.array.items = items;
        items += size;
    }
    return copy;
}

static int convert_spread(pond_dialect dialect, const pondi_spread *spread, char **out,
                          size_t *out_size, pond_value **values, pond_error **err)
{
    size_t placeholders;
    int code = pond_sql_convert(dialect, spread->sql.data ? spread->sql.data : "", spread->sql.size,
                                out, out_size, &placeholders, err);
    if (code)
        return code;
    *values = copy_values(spread->values, spread->count);
    if (*values)
        return POND_OK;
    pond_string_free(*out);
    *out = NULL;
    return pondi_error_nomem(err);
}

int pond_sql_convert_lists(pond_dialect dialect, const char *sql, size_t sql_size,
                           const pond_value *params, size_t param_count, char **out,
                           size_t *out_size, pond_value **values, size_t *value_count,
                           pond_error **err)
{
    pondi_places places = {0};
    pondi_spread spread;
    int has_list;
    if (out)
        *out = NULL;
    if (out_size)
        *out_size = 0;
    if (values)
        *values = NULL;
    if (value_count)
        *value_count = 0;
    int code = PONDI_GIVEN(err, out, out_size, values, value_count);
    if (!code)
        code = check_sql(dialect, sql, sql_size, err);
    if (code)
        return code;
    pondi_spread_init(&spread);
    code = pondi_places_find(dialect, sql, sql_size, &places, err);
    if (!code && places.count != param_count)
        code = pondi_sql_refuse_count(dialect, sql, sql_size, places.count, param_count, err);
    if (!code)
        code = pondi_given_array(err, "params", params, param_count);
    if (!code)
        code = pondi_given_values(err, params, param_count, &has_list);
    if (!code)
        code = pondi_lists_spread(dialect, PONDI_ARRAY_PLAIN, &places, sql, sql_size, params,
                                  &spread, err);
    if (!code)
        code = convert_spread(dialect, &spread, out, out_size, values, err);
    if (!code)
        *value_count = spread.count;
    pondi_places_free(&places);
    pondi_spread_free(&spread);
    return code;
}

void pond_values_free(pond_value *values)
{
    pondi_free(values);
}

int pond_sql_comment(const pond_tag *tags, size_t tag_count, char **out, pond_error **err)
{
    pondi_buffer text;
    if (out)
        *out = NULL;
    int code = PONDI_GIVEN(err, out);
    if (code || tag_count == 0)
        return code;
    pondi_buffer_init(&text);
    code = pondi_sql_comment(tags, tag_count, &text, err);
    if (!code)
        return hand_over(&text, out, err);
    pondi_buffer_free(&text);
    return code;
}

int pond_sql_timeout(pond_dialect dialect, int64_t timeout_ms, char **out, pond_error **err)
{
    pondi_buffer text;
    if (PONDI_GIVEN(err, out))
        return POND_EINVAL;
    *out = NULL;
    int code = check_dialect(dialect, err);
    if (code)
        return code;
    const pondi_dialect *facts = pondi_dialect_of(dialect);
    if (!facts->put_timeout || timeout_ms <= 0)
        return POND_OK;
    pondi_buffer_init(&text);
    facts->put_timeout(&text, timeout_ms);
    return hand_over(&text, out, err);
}

#include "base/given.h"

#include <string.h>

#include "base/value.h"

enum { LONGEST_TEXT = 1 << 30 };

int pondi_refuse_null(pond_error **err, const char *names, size_t index)
{
    for (; index; index--)
        names = strchr(names, ',') + 2;
    return pondi_error_set(err, POND_EINVAL, "%.*s is NULL, which this function does not accept",
                           (int)strcspn(names, ","), names);
}

int pondi_given_array(pond_error **err, const char *name, const void *items, uint64_t count)
{
    if (count > PONDI_MOST_ITEMS)
        return pondi_error_set(
            err, POND_ERANGE,
            "the count of %s is %llu, more than memory holds: check that it was initialized", name,
            (unsigned long long)count);
    if (count && !items)
        return pondi_error_set(err, POND_EINVAL, "%s is NULL, but its count is %llu", name,
                               (unsigned long long)count);
    return POND_OK;
}

/* ---- Values ------------------------------------------------------------------------------ */

int pondi_given_value_text(pond_error **err, const pond_value *value)
{
    if (!pondi_value_has_text(value) || value->as.text.data || !value->as.text.size)
        return POND_OK;
    return pondi_error_set(err, POND_EINVAL, "the text of a value is NULL, but its size is %zu",
                           value->as.text.size);
}

static int check_items(pond_error **err, const pond_value *array, int depth);

static int check_value(pond_error **err, const pond_value *value, int depth)
{
    if (value->type == POND_TYPE_ARRAY)
        return check_items(err, value, depth + 1);
    if (value->type > POND_TYPE_ARRAY)
        return pondi_error_set(err, POND_EINVAL, "a value has the unknown type %u: see pond_type",
                               (unsigned)value->type);
    return pondi_given_value_text(err, value);
}

static int check_items(pond_error **err, const pond_value *array, int depth)
{
    size_t count = array->as.array.count;
    if (depth > PONDI_DEEPEST_ARRAY)
        return pondi_error_set(err, POND_ERANGE, "arrays nest at most %d deep",
                               PONDI_DEEPEST_ARRAY);
    int code = pondi_given_array(err, "an array's items", array->as.array.items, count);
    for (size_t i = 0; i < count && !code; i++)
        code = check_value(err, &array->as.array.items[i], depth);
    return code;
}

int pondi_given_values(pond_error **err, const pond_value *values, size_t count, int *has_list)
{
    int code = POND_OK;
    *has_list = 0;
    for (size_t i = 0; i < count && !code; i++) {
        *has_list |= values[i].type == POND_TYPE_ARRAY;
        code = check_value(err, &values[i], 0);
    }
    return code;
}

/* ---- Texts ------------------------------------------------------------------------------- */

int pondi_given_text(pond_error **err, const char *name, const char *text, size_t size)
{
    if (!text)
        return pondi_refuse_null(err, name, 0);
    if (size <= LONGEST_TEXT)
        return POND_OK;
    return pondi_error_set(err, POND_ERANGE, "%s has %zu bytes: the maximum is %d", name, size,
                           LONGEST_TEXT);
}

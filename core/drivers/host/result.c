/* Results that a host makes: rows of values, or an object of its own. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/given.h"
#include "driver/row_set.h"
#include "millpond/driver.h"

/* ---- Rows -------------------------------------------------------------------------------- */

int pond_result_make(size_t column_count, const char *const *names, pond_result **out,
                     pond_error **err)
{
    if (out)
        *out = NULL;
    if (PONDI_GIVEN(err, out) || pondi_given_array(err, "names", names, column_count))
        return POND_EINVAL;
    for (size_t i = 0; i < column_count; i++) {
        if (!names[i])
            return pondi_error_set(err, POND_EINVAL, "the name of column %zu is NULL", i);
    }
    pondi_row_set *set = pondi_row_set_new(column_count);
    int failed = !set;
    for (size_t i = 0; i < column_count && !failed; i++)
        failed = pondi_row_set_name(set, i, names[i]);
    if (failed) {
        if (set)
            pond_result_release(&set->base);
        return pondi_error_nomem(err);
    }
    *out = &set->base;
    return POND_OK;
}

int pond_result_add_row(pond_result *result, const pond_value *values, pond_error **err)
{
    if (PONDI_GIVEN(err, result))
        return POND_EINVAL;
    pondi_row_set *set = pondi_row_set_of(result);
    int has_list;
    if (!set)
        return pondi_error_set(err, POND_EINVAL,
                               "rows can be added only to a result of pond_result_make()");
    int code = pondi_given_array(err, "values", values, result->column_count);
    if (!code)
        code = pondi_given_values(err, values, result->column_count, &has_list);
    if (code)
        return code;
    pond_value *cells = pondi_row_set_add(set);
    if (!cells)
        return pondi_error_nomem(err);
    for (size_t i = 0; i < result->column_count; i++) {
        cells[i] = values[i];
        if (pondi_row_set_adopt(set, &cells[i])) {
            cells[i] = (pond_value){.type = POND_TYPE_NULL};
            return pondi_error_nomem(err);
        }
    }
    return POND_OK;
}

void pond_result_set_counts(pond_result *result, int64_t affected, int64_t last_id)
{
    if (!result)
        return;
    result->affected = affected;
    result->last_insert_id = last_id;
}

void pond_result_set_more(pond_result *result, int more)
{
    if (result)
        result->more = more != 0;
}

/* ---- Objects of the host ----------------------------------------------------------------- */

typedef struct host_result {
    pond_result base; /* first */
    void *object;
    void (*release)(void *object);
} host_result;

static int no_row(pond_result *result, size_t row, pond_value *values, pond_error **err)
{
    (void)result;
    (void)row;
    (void)values;
    return pondi_error_set(err, POND_EINVAL, "the result has no rows");
}

static const char *no_name(const pond_result *result, size_t column)
{
    (void)result;
    (void)column;
    return "";
}

static pond_type no_type(const pond_result *result, size_t column)
{
    (void)result;
    (void)column;
    return POND_TYPE_NULL;
}

static void destroy(pond_result *result)
{
    host_result *own = (host_result *)result;
    if (own->object && own->release)
        own->release(own->object);
    pondi_free(own);
}

static const pondi_result_class host_result_class = {
    .row = no_row,
    .column_name = no_name,
    .column_type = no_type,
    .destroy = destroy,
};

int pond_result_of_host(void *object, void (*release)(void *object), pond_result **out,
                        pond_error **err)
{
    if (out)
        *out = NULL;
    if (PONDI_GIVEN(err, out))
        return POND_EINVAL;
    host_result *made = pondi_calloc(1, sizeof(*made));
    if (!made)
        return pondi_error_nomem(err);
    pondi_result_init(&made->base, &host_result_class);
    made->object = object;
    made->release = release;
    *out = &made->base;
    return POND_OK;
}

void *pond_result_take_host(pond_result *result)
{
    if (!result || result->class != &host_result_class)
        return NULL;
    host_result *own = (host_result *)result;
    void *object = own->object;
    own->object = NULL;
    return object;
}

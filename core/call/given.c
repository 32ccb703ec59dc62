/* What callers of public functions give: checked before anything of it is read. */
#include <string.h>

#include "base/given.h"
#include "base/versioned.h"
#include "call/lists.h"
#include "sql/comment.h"
#include "sql/convert.h"

/* ---- Options ----------------------------------------------------------------------------- */

int pondi_call_timeout(const pondi_call_target *target, int64_t given_ms, int64_t *out,
                       pond_error **err)
{
    *out = given_ms == POND_TIMEOUT_DEFAULT ? target->timeout_ms : given_ms;
    if (given_ms == POND_TIMEOUT_NONE)
        *out = -1;
    else if (given_ms != POND_TIMEOUT_DEFAULT && given_ms <= 0)
        return pondi_error_set(err, POND_EINVAL, "a timeout of %lld ms is not positive",
                               (long long)given_ms);
    return POND_OK;
}

static const char *operation_tag(const pond_tag *tags, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(tags[i].key, "operation") == 0)
            return tags[i].value;
    }
    return NULL;
}

static int take_tags(const pond_execute_options *options, pondi_call_spec *spec, pond_error **err)
{
    int code = pondi_check_tags(options->tags, options->tag_count, err);
    if (code)
        return code;
    spec->operation = operation_tag(options->tags, (size_t)options->tag_count);
    if (!(options->flags & POND_EXECUTE_UNTAGGED)) {
        spec->tags = options->tags;
        spec->tag_count = (size_t)options->tag_count;
    }
    return POND_OK;
}

int pondi_call_read_options(const pondi_call_target *target, const pond_execute_options *given,
                            pondi_call_spec *spec, pond_error **err)
{
    const uint32_t all = POND_EXECUTE_AT_ONCE | POND_EXECUTE_NATIVE | POND_EXECUTE_UNTAGGED;
    pond_execute_options options = POND_EXECUTE_OPTIONS_INIT;
    spec->target = target;
    if (pondi_check_struct_size(given, "pond_execute_options", err))
        return POND_EINVAL;
    pondi_take_struct(given, &options, sizeof(options));
    if (options.flags & ~all)
        return pondi_error_set(err, POND_EINVAL, "flags is %#x: %#x is no flag",
                               (unsigned)options.flags, (unsigned)(options.flags & ~all));
    spec->first_row = options.first_row;
    if (options.flags & POND_EXECUTE_NATIVE)
        spec->flags |= PONDI_CALL_NATIVE;
    if (options.flags & POND_EXECUTE_AT_ONCE)
        spec->flags |= PONDI_CALL_AT_ONCE;
    int code = options.tag_count ? take_tags(&options, spec, err) : POND_OK;
    return code ? code : pondi_call_timeout(target, options.timeout_ms, &spec->timeout_ms, err);
}

/* ---- Parameters -------------------------------------------------------------------------- */

/* No database takes more for one statement. */
enum { MOST_PARAMS = 250000 };

/* A statement has no more placeholders than characters: a count beyond that, which perhaps was
 * never set, is refused before anything is read. */
static int check_count(const pondi_call_spec *spec, pond_error **err)
{
    size_t count = spec->column_count;
    size_t most = spec->flags & PONDI_CALL_NATIVE ? MOST_PARAMS : spec->sql_size;
    if (count && spec->row_count > PONDI_MOST_ITEMS / count)
        return pondi_error_set(err, POND_ERANGE, "there are too many parameters");
    if (count <= most)
        return pondi_given_array(err, "params", spec->params, spec->row_count * count);
    pondi_places places = {0};
    pond_dialect dialect = spec->target->dialect;
    int code = pondi_places_find(dialect, spec->sql, spec->sql_size, &places, err);
    if (!code)
        code = pondi_sql_refuse_count(dialect, spec->sql, spec->sql_size, places.count, count, err);
    pondi_places_free(&places);
    return code;
}

int pondi_call_new_given(const pondi_call_spec *spec, size_t room, void **memory, pondi_call **out,
                         pond_error **err)
{
    int has_list;
    int code = check_count(spec, err);
    if (!code)
        code =
            pondi_given_values(err, spec->params, spec->row_count * spec->column_count, &has_list);
    if (!code && has_list && !(spec->flags & PONDI_CALL_NATIVE))
        return pondi_call_new_lists(spec, room, memory, out, err);
    if (!code && has_list)
        code = pondi_call_check_native_lists(spec, err);
    return code ? code : pondi_call_new(spec, room, memory, out, err);
}

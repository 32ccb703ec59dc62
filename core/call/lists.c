#include "call/lists.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "sql/dialect.h"

void pondi_call_lists_free(pondi_call_lists *lists)
{
    if (!lists)
        return;
    for (size_t i = 0; i < lists->run_count; i++)
        pondi_free(lists->runs[i].sql);
    pondi_free(lists->runs);
    pondi_free(lists->segments);
    pondi_free(lists->original);
    pondi_free(lists);
}

/* ---- Make -------------------------------------------------------------------------------- */

/* The rows of one call while their statements are written. */
typedef struct maker {
    const pondi_call_spec *spec;
    pondi_places places;
    pondi_spread spread;
    pondi_call_lists *lists;
    pond_value *values; /* of all rows */
    size_t count;
    size_t room;
} maker;

static int keep_values(maker *at)
{
    size_t wanted = at->count + at->spread.count;
    if (wanted > at->room) {
        size_t room = wanted > SIZE_MAX / 4 ? wanted : wanted * 2;
        pond_value *more = room < SIZE_MAX / sizeof(*more)
                               ? pondi_realloc(at->values, room * sizeof(*more))
                               : NULL;
        if (!more)
            return POND_ENOMEM;
        at->values = more;
        at->room = room;
    }
    if (at->spread.count)
        memcpy(at->values + at->count, at->spread.values, at->spread.count * sizeof(pond_value));
    at->count = wanted;
    return POND_OK;
}

/* Where the first statement's text came from. */
static int keep_segments(maker *at)
{
    const pondi_spread *spread = &at->spread;
    size_t size = spread->segment_count * sizeof(*spread->segments);
    at->lists->segments = pondi_malloc(size + 1);
    if (at->lists->segments && size)
        memcpy(at->lists->segments, spread->segments, size);
    at->lists->segment_count = spread->segment_count;
    at->lists->original = pondi_memdup(at->spec->sql, at->spec->sql_size);
    at->lists->original_size = at->spec->sql_size;
    return at->lists->segments && at->lists->original ? POND_OK : POND_ENOMEM;
}

static int is_same(const pondi_run *run, const pondi_spread *spread)
{
    return run->sql_size == spread->sql.size &&
           memcmp(run->sql, spread->sql.data, run->sql_size) == 0;
}

static int keep_row(maker *at, size_t row)
{
    pondi_call_lists *lists = at->lists;
    pondi_run *run = lists->run_count ? &lists->runs[lists->run_count - 1] : NULL;
    int code = row ? POND_OK : keep_segments(at);
    if (!code && !(run && is_same(run, &at->spread))) {
        pondi_run *more = pondi_realloc(lists->runs, (lists->run_count + 1) * sizeof(*more));
        if (!more)
            return POND_ENOMEM;
        lists->runs = more;
        run = &more[lists->run_count++];
        *run = (pondi_run){.column_count = at->spread.count, .sql_size = at->spread.sql.size};
        run->sql = pondi_memdup(at->spread.sql.data, at->spread.sql.size);
        code = run->sql ? POND_OK : POND_ENOMEM;
    }
    if (code)
        return code;
    run->end = row + 1;
    return keep_values(at);
}

static int spread_row(maker *at, size_t row, pond_error **err)
{
    const pondi_call_spec *spec = at->spec;
    int code = pondi_lists_spread(at->spec->target->dialect, PONDI_ARRAY_OPERATOR, &at->places,
                                  spec->sql, spec->sql_size,
                                  spec->params + row * spec->column_count, &at->spread, err);
    if (!code && keep_row(at, row))
        code = pondi_error_nomem(err);
    if (!code && at->lists->run_count > 1 && !at->spec->target->takes_runs)
        code = pondi_error_set(err, POND_ENOTSUPPORTED,
                               "its lists of rows or arrays differ in length from those of row "
                               "%llu: execute the rows one by one",
                               (unsigned long long)spec->first_row);
    return code;
}

static int spread_rows(maker *at, pond_error **err)
{
    const pondi_call_spec *spec = at->spec;
    for (size_t row = 0; row < spec->row_count; row++) {
        int code = spread_row(at, row, err);
        if (code && spec->row_count > 1 && err && *err)
            pondi_error_set_row(*err, "row", spec->first_row + row);
        if (code)
            return code;
    }
    return POND_OK;
}

/* Every run's statement ends with the tags of the first one's. */
static int finish_runs(const pondi_call *call, pondi_call_lists *lists)
{
    const char *comment = call->sql + call->sql_size - call->comment_size;
    const pond_value *params = call->params;
    size_t row = 0;
    for (size_t i = 0; i < lists->run_count; i++) {
        pondi_run *run = &lists->runs[i];
        run->params = params;
        params += (run->end - row) * run->column_count;
        row = run->end;
        char *sql = pondi_realloc(run->sql, run->sql_size + call->comment_size + 1);
        if (!sql)
            return POND_ENOMEM;
        memcpy(sql + run->sql_size, comment, call->comment_size);
        run->sql = sql;
        run->sql_size += call->comment_size;
        sql[run->sql_size] = '\0';
    }
    return POND_OK;
}

static int make(maker *at, size_t room, void **memory, pondi_call **out, pond_error **err)
{
    at->lists = pondi_calloc(1, sizeof(*at->lists));
    if (!at->lists)
        return pondi_error_nomem(err);
    int code = spread_rows(at, err);
    if (code)
        return code;
    const pondi_run *first = &at->lists->runs[0];
    pondi_call_spec spread = *at->spec;
    spread.sql = first->sql;
    spread.sql_size = first->sql_size;
    spread.params = at->values;
    spread.row_count = 1;
    spread.column_count = at->count;
    code = pondi_call_new(&spread, room, memory, out, err);
    if (code)
        return code;
    (*out)->row_count = at->spec->row_count;
    (*out)->column_count = first->column_count;
    if (finish_runs(*out, at->lists)) {
        pondi_free(*memory);
        return pondi_error_nomem(err);
    }
    at->lists->value_count = at->count;
    (*out)->lists = at->lists;
    at->lists = NULL;
    return POND_OK;
}

int pondi_call_new_lists(const pondi_call_spec *spec, size_t room, void **memory, pondi_call **out,
                         pond_error **err)
{
    maker at = {.spec = spec};
    pondi_spread_init(&at.spread);
    int code = pondi_places_find(spec->target->dialect, spec->sql, spec->sql_size, &at.places, err);
    if (code)
        ;
    else if (at.places.count != spec->column_count) /* is refused like any other */
        code = pondi_call_new(spec, room, memory, out, err);
    else
        code = make(&at, room, memory, out, err);
    pondi_places_free(&at.places);
    pondi_spread_free(&at.spread);
    pondi_call_lists_free(at.lists);
    pondi_free(at.values);
    return code;
}

int pondi_call_check_native_lists(const pondi_call_spec *spec, pond_error **err)
{
    pondi_places places = {0};
    size_t count = spec->column_count;
    if (pondi_dialect_of(spec->target->dialect)->array_params)
        return POND_OK; /* which knows by its types */
    int code = pondi_places_find(spec->target->dialect, spec->sql, spec->sql_size, &places, err);
    for (size_t i = 0; i < count && places.count == count && !code; i++) {
        if (spec->params[i].type == POND_TYPE_ARRAY &&
            places.placeholders[i].place != PONDI_PLACE_VALUE)
            code = pondi_error_set(
                err, POND_EPARAMS,
                "parameter %zu is a list, but its placeholder takes one value: a statement in the "
                "database's native syntax needs a placeholder for each item",
                i + 1);
    }
    pondi_places_free(&places);
    return code;
}

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "driver/row_set.h"
#include "drivers/postgres/postgres.h"

/* The rows of one execution, or of many: libpq's own results, decoded when asked for. */
struct pg_result {
    pond_result base; /* first */
    pondi_arena arena;
    PGresult *first; /* has the columns */
    PGresult **parts;
    size_t *ends; /* number of rows up to the end of each part */
    size_t part_count;
    size_t part_capacity;
    size_t last_part; /* where the last row was found */
    pg_codec *codecs;
    pondi_row_set *packed; /* all rows decoded, in the parts' place; or NULL */
    int unpackable;
};

static int row(pond_result *base, size_t index, pond_value *values, pond_error **err);
static const char *column_name(const pond_result *base, size_t column);
static pond_type column_type(const pond_result *base, size_t column);
static void drop_before(pond_result *base, size_t index);
static uint64_t text_bytes(const pond_result *base);
static void destroy(pond_result *base);

static const pondi_result_class result_class = {
    .row = row,
    .column_name = column_name,
    .column_type = column_type,
    .drop_before = drop_before,
    .text_bytes = text_bytes,
    .destroy = destroy,
};

pg_result *pondi_postgres_result_new(void)
{
    pg_result *result = pondi_calloc(1, sizeof(*result));
    if (!result)
        return NULL;
    pondi_result_init(&result->base, &result_class);
    result->base.affected = 0;
    pondi_arena_init(&result->arena);
    return result;
}

static void clear_parts(pg_result *result)
{
    for (size_t i = 0; i < result->part_count; i++)
        PQclear(result->parts[i]);
    if (!result->part_count)
        PQclear(result->first);
    result->part_count = 0;
    result->first = NULL;
    pondi_arena_free(&result->arena);
}

static void destroy(pond_result *base)
{
    pg_result *result = (pg_result *)base;
    clear_parts(result);
    if (result->packed)
        pond_result_release(&result->packed->base);
    pondi_free(result->parts);
    pondi_free(result->ends);
    pondi_free(result->codecs);
    pondi_free(result);
}

void pondi_postgres_result_free(pg_result *result)
{
    if (result)
        pond_result_release(&result->base);
}

pond_result *pondi_postgres_result_base(pg_result *result)
{
    return &result->base;
}

/* ---- Fill -------------------------------------------------------------------------------- */

static int read_columns(pg_result *result, const pg_conn *conn, PGresult *res)
{
    int count = PQnfields(res);
    result->codecs = pondi_malloc(sizeof(pg_codec) * (size_t)(count ? count : 1));
    if (!result->codecs)
        return POND_ENOMEM;
    result->first = res;
    result->base.column_count = (size_t)count;
    pondi_postgres_result_retype(result, conn);
    return POND_OK;
}

void pondi_postgres_result_look_up(const pg_result *result, const pg_conn *conn, pg_lookup *lookup)
{
    for (size_t i = 0; result->codecs && i < result->base.column_count; i++)
        pondi_postgres_lookup_add(lookup, conn, PQftype(result->first, (int)i));
}

void pondi_postgres_result_retype(pg_result *result, const pg_conn *conn)
{
    const pondi_statement *statement = conn->base.current->statement;
    const pg_statement *prepared = statement ? statement->prepared : NULL;
    for (int i = 0; i < (int)result->base.column_count; i++) {
        Oid type = PQftype(result->first, i);
        int wrapped = prepared && prepared->wrapped && i < prepared->column_count &&
                      prepared->inner_types[i] && type == OID_TEXT;
        if (wrapped)
            result->codecs[i] = pondi_postgres_codec(conn, prepared->inner_types[i], 0);
        else
            result->codecs[i] = pondi_postgres_codec(conn, type, PQfformat(result->first, i) == 1);
        result->codecs[i].is_wrapped = wrapped;
    }
}

static int make_room(pg_result *result)
{
    if (result->part_count < result->part_capacity)
        return POND_OK;
    size_t capacity = result->part_capacity ? result->part_capacity * 2 : 1;
    PGresult **parts = pondi_realloc(result->parts, capacity * sizeof(*parts));
    if (!parts)
        return POND_ENOMEM;
    result->parts = parts;
    size_t *ends = pondi_realloc(result->ends, capacity * sizeof(*ends));
    if (!ends)
        return POND_ENOMEM;
    result->ends = ends;
    result->part_capacity = capacity;
    return POND_OK;
}

int pondi_postgres_result_add(pg_result *result, const pg_conn *conn, PGresult *res)
{
    const char *touched = PQcmdTuples(res);
    result->base.affected += *touched ? strtoll(touched, NULL, 10) : 0;
    int rows = PQntuples(res);
    if (!PQnfields(res)) {
        PQclear(res);
        return POND_OK;
    }
    if (rows == 0 && result->first) {
        PQclear(res);
        return POND_OK;
    }
    int code = result->codecs ? POND_OK : read_columns(result, conn, res);
    if (!code)
        code = make_room(result);
    if (code) {
        if (result->first == res)
            result->first = NULL;
        PQclear(res);
        return code;
    }
    result->base.row_count += (size_t)rows;
    result->parts[result->part_count] = res;
    result->ends[result->part_count] = result->base.row_count;
    result->part_count++;
    return POND_OK;
}

/* ---- Read -------------------------------------------------------------------------------- */

static size_t start_of(const pg_result *result, size_t part)
{
    return part ? result->ends[part - 1] : 0;
}

/* Rows are mostly read in order: begin where the last one was. */
static size_t find_part(pg_result *result, size_t index)
{
    size_t part = result->last_part;
    if (index < start_of(result, part))
        part = 0;
    while (index >= result->ends[part])
        part++;
    result->last_part = part;
    return part;
}

static int row(pond_result *base, size_t index, pond_value *values, pond_error **err)
{
    pg_result *result = (pg_result *)base;
    if (result->packed)
        return result->packed->base.class->row(&result->packed->base, index, values, err);
    size_t part = find_part(result, index);
    PGresult *res = result->parts[part];
    int tuple = (int)(index - start_of(result, part));
    for (size_t i = 0; i < base->column_count; i++) {
        int column = (int)i;
        values[i].type = POND_TYPE_NULL;
        values[i].aux = 0;
        if (PQgetisnull(res, tuple, column))
            continue;
        int code =
            pondi_postgres_decode(&result->codecs[i], PQgetvalue(res, tuple, column),
                                  PQgetlength(res, tuple, column), &result->arena, &values[i]);
        if (code == POND_ENOMEM)
            return pondi_error_nomem(err);
        if (code)
            return pondi_error_set(err, POND_EDATA,
                                   "column \"%s\" of row %zu cannot be read: the server sent a "
                                   "value that is not valid for type %u",
                                   PQfname(res, column), index, (unsigned)PQftype(res, column));
    }
    return POND_OK;
}

static const char *column_name(const pond_result *base, size_t column)
{
    const pg_result *result = (const pg_result *)base;
    if (result->packed)
        return result->packed->base.class->column_name(&result->packed->base, column);
    const char *name = PQfname(result->first, (int)column);
    return name ? name : "";
}

static pond_type column_type(const pond_result *base, size_t column)
{
    const pg_result *result = (const pg_result *)base;
    if (result->packed)
        return result->packed->base.class->column_type(&result->packed->base, column);
    return result->codecs[column].type;
}

static uint64_t column_bytes(const PGresult *res, int column)
{
    uint64_t bytes = 0;
    int rows = PQntuples(res);
    for (int tuple = 0; tuple < rows; tuple++)
        bytes += (uint64_t)PQgetlength(res, tuple, column);
    return bytes;
}

/* Types of a fixed size are no texts. */
static uint64_t text_bytes(const pond_result *base)
{
    const pg_result *result = (const pg_result *)base;
    uint64_t bytes = 0;
    for (size_t part = 0; part < result->part_count; part++) {
        for (int column = 0; column < (int)base->column_count; column++) {
            if (PQfsize(result->first, column) < 0)
                bytes += column_bytes(result->parts[part], column);
        }
    }
    return bytes;
}

/* ---- Free early -------------------------------------------------------------------------- */

enum {
    WORTH_PACKING = 8 * 1024 * 1024,
    ROWS_AN_ARENA = 1000 /* what decoding leaves in the arena is copied: it is emptied so often */
};

static int is_worth_packing(const pg_result *result)
{
    size_t size = 0;
    for (size_t i = 0; i < result->part_count; i++)
        size += PQresultMemorySize(result->parts[i]);
    return size >= WORTH_PACKING;
}

static int pack_row(pg_result *result, pondi_row_set *set, size_t index)
{
    pond_value *cells = pondi_row_set_add(set);
    int code = cells ? row(&result->base, index, cells, NULL) : POND_ENOMEM;
    for (size_t i = 0; i < result->base.column_count && !code; i++)
        code = pondi_row_set_adopt(set, &cells[i]);
    if (index % ROWS_AN_ARENA == 0)
        pondi_arena_free(&result->arena);
    return code;
}

static pondi_row_set *pack_rows(pg_result *result)
{
    pondi_row_set *set = pondi_row_set_new(result->base.column_count);
    int code = set ? POND_OK : POND_ENOMEM;
    for (size_t i = 0; i < result->base.column_count && !code; i++)
        code = pondi_row_set_name(set, i, column_name(&result->base, i));
    for (size_t i = 0; i < result->base.column_count && !code; i++)
        pondi_row_set_type(set, i, column_type(&result->base, i));
    for (size_t i = 0; i < result->base.row_count && !code; i++)
        code = pack_row(result, set, i);
    if (code && set) {
        pond_result_release(&set->base);
        set = NULL;
    }
    return set;
}

/* libpq frees all rows or none: they are moved to where that can happen bit by bit. If one of them
 * cannot be decoded, they stay where they are, and whoever reads it is told. */
static void drop_before(pond_result *base, size_t index)
{
    pg_result *result = (pg_result *)base;
    if (!result->packed && !result->unpackable && is_worth_packing(result)) {
        result->packed = pack_rows(result);
        result->unpackable = !result->packed;
        if (result->packed) {
            clear_parts(result);
            pondi_trim();
        }
    }
    if (result->packed)
        result->packed->base.class->drop_before(&result->packed->base, index);
}

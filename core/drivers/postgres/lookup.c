/* Types that are not built in: domains, enums, what extensions bring, and arrays of these. What the
 * server tells of them is kept with the connection: another server may number them otherwise. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "drivers/postgres/postgres.h"

/* Below, every PostgreSQL gives the same numbers to the same types. */
enum { FIRST_OF_ITS_OWN = 10000 };

/* The function that writes a type's binary form says which built-in type has the same: of domains
 * the base type's, of enums and citext that of text. */
static const char columns[] =
    "SELECT t.oid, CASE WHEN t.typcategory = 'A' AND t.typlen = -1 THEN t.typelem ELSE 0 END, "
    "t.typdelim, p.prosrc FROM pg_catalog.pg_type t "
    "LEFT JOIN pg_catalog.pg_type e "
    "ON e.oid = t.typelem AND t.typcategory = 'A' AND t.typlen = -1 "
    "LEFT JOIN pg_catalog.pg_proc p "
    "ON p.oid = coalesce(e.typsend, t.typsend) AND p.prolang = 12 WHERE t.oid IN (";

/* ---- What is known ----------------------------------------------------------------------- */

static const pg_type *find(const pg_conn *conn, Oid oid)
{
    for (size_t i = 0; i < conn->known.count; i++) {
        if (conn->known.types[i].oid == oid)
            return &conn->known.types[i];
    }
    return NULL;
}

void pondi_postgres_find_type(const pg_conn *conn, Oid oid, pg_type *out)
{
    const pg_type *known = oid >= FIRST_OF_ITS_OWN ? find(conn, oid) : NULL;
    *out = known ? *known : (pg_type){.oid = oid, .delimiter = ','};
    if (oid >= FIRST_OF_ITS_OWN)
        return;
    out->element = pondi_postgres_element_type(oid);
    out->delimiter = pondi_postgres_delimiter(out->element);
    Oid single = out->element ? out->element : oid;
    out->like = pondi_postgres_binary_decoder(single) ? single : 0;
}

int pondi_postgres_knows_type(const pg_conn *conn, Oid oid)
{
    return oid < FIRST_OF_ITS_OWN || find(conn, oid);
}

Oid pondi_postgres_kind(const pg_conn *conn, Oid oid)
{
    pg_type type;
    if (oid < FIRST_OF_ITS_OWN)
        return oid;
    pondi_postgres_find_type(conn, oid, &type);
    return type.element || !type.like ? oid : type.like;
}

int pondi_postgres_has_binary(const pg_conn *conn, Oid oid)
{
    pg_type type;
    pondi_postgres_find_type(conn, oid, &type);
    return type.like != 0;
}

static void learn(pg_types *known, const pg_type *type)
{
    if (known->count == known->capacity) {
        size_t capacity = known->capacity ? 2 * known->capacity : 16;
        pg_type *types = pondi_realloc(known->types, capacity * sizeof(*types));
        if (!types)
            return; /* it is looked up again, and is text until then */
        known->types = types;
        known->capacity = capacity;
    }
    known->types[known->count++] = *type;
}

/* ---- Ask --------------------------------------------------------------------------------- */

void pondi_postgres_lookup_init(pg_lookup *lookup)
{
    pondi_buffer_init(&lookup->sql);
    lookup->count = 0;
}

void pondi_postgres_lookup_add(pg_lookup *lookup, const pg_conn *conn, Oid oid)
{
    if (pondi_postgres_knows_type(conn, oid))
        return;
    pondi_buffer_appendf(&lookup->sql, "%s%u", lookup->count++ ? ", " : columns, (unsigned)oid);
}

void pondi_postgres_lookup_send(pg_lookup *lookup, pg_conn *conn)
{
    pondi_buffer_append_char(&lookup->sql, ')');
    conn->phase = PG_LOOKING_UP;
    if (lookup->sql.failed) {
        pondi_buffer_free(&lookup->sql);
        pondi_postgres_fail(conn, pondi_error_new(POND_ENOMEM, "out of memory"));
        pondi_postgres_looked_up(conn);
        return;
    }
    int sent = PQsendQueryParams(conn->pg, lookup->sql.data, 0, NULL, NULL, NULL, NULL, 0);
    pondi_buffer_free(&lookup->sql);
    if (sent)
        pondi_postgres_flush(conn);
    else
        pondi_postgres_lost(conn);
}

Oid pondi_postgres_read_oid(const PGresult *res, int row, int column)
{
    return (Oid)strtoul(PQgetvalue(res, row, column), NULL, 10);
}

void pondi_postgres_take_lookup(pg_conn *conn, PGresult *res)
{
    if (PQresultStatus(res) != PGRES_TUPLES_OK)
        pondi_postgres_fail(conn, pondi_postgres_error(conn, res));
    for (int i = 0; i < PQntuples(res); i++) {
        pg_type type = {.oid = pondi_postgres_read_oid(res, i, 0),
                        .element = pondi_postgres_read_oid(res, i, 1),
                        .like = pondi_postgres_type_of_sender(PQgetvalue(res, i, 3)),
                        .delimiter = *PQgetvalue(res, i, 2)};
        learn(&conn->known, &type);
    }
    PQclear(res);
}

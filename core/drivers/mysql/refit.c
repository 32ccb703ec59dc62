/* An answer may have other columns than the library was told of when it prepared the statement: a
 * table has gained or lost some since, or the server had told too many, as Vitess does of what it
 * sorts itself. The library has read the new columns by then, but calls it an error, and there is
 * no way back: what the statement did is done. So it is made to take them. */
#include <errmsg.h>
#include <string.h>

#include "base/alloc.h"
#include "drivers/mysql/mysql.h"

#ifndef CR_NEW_STMT_METADATA
#define CR_NEW_STMT_METADATA 2057
#endif

/* Room for more columns than the library has made; it frees none of this itself. */
static int grow(my_statement *statement, unsigned int count)
{
    MYSQL_FIELD *fields = pondi_calloc(count, sizeof(*fields));
    MYSQL_BIND *binds = pondi_calloc(count, sizeof(*binds));
    if (!fields || !binds) {
        pondi_free(fields);
        pondi_free(binds);
        return 0;
    }
    pondi_free(statement->more_fields);
    pondi_free(statement->more_binds);
    statement->more_fields = statement->stmt->fields = fields;
    statement->more_binds = statement->stmt->bind = binds;
    return 1;
}

static void take_types(MYSQL_FIELD *out, const MYSQL_FIELD *from)
{
    out->type = from->type;
    out->length = from->length;
    out->flags = from->flags;
    out->decimals = from->decimals;
    out->charsetnr = from->charsetnr;
}

int pondi_mysql_execute_failed(my_conn *conn)
{
    MYSQL_STMT *stmt = conn->stmt;
    my_statement *statement = pondi_mysql_prepared(conn);
    unsigned int count = conn->mysql->field_count;
    const MYSQL_FIELD *fields = conn->mysql->fields;
    if (!conn->failed || mysql_stmt_errno(stmt) != CR_NEW_STMT_METADATA || !count || !fields)
        return conn->failed;
    if (count > stmt->field_count && !grow(statement, count)) {
        conn->no_memory = 1;
        pondi_mysql_move(conn, MY_ON_LOSS); /* its rows would be taken for the next answer */
        return conn->failed;
    }
    if (count > stmt->field_count) {
        memcpy(stmt->fields, fields, count * sizeof(*fields));
        statement->is_stale = 1; /* the names do not live longer than the answer */
    }
    for (unsigned int i = 0; i < count; i++)
        take_types(&stmt->fields[i], &fields[i]);
    stmt->field_count = count;
    stmt->last_errno = 0;
    stmt->last_error[0] = '\0';
    return 0;
}

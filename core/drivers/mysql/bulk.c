/* Many rows in one call: MariaDB's bulk execution, with the parameters column by column. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "driver/param.h"
#include "drivers/mysql/mysql.h"

enum { MOST_ROWS = 16384, MOST_BYTES = 8 << 20 };

#ifndef MARIADB_PACKAGE_VERSION

int pondi_mysql_can_bulk(const my_conn *conn)
{
    (void)conn;
    return 0;
}

int pondi_mysql_bulk_bind(my_conn *conn, pond_error **err)
{
    (void)conn;
    return pondi_error_set(err, POND_ENOTSUPPORTED, "this client library has no bulk execution");
}

void pondi_mysql_bulk_reset(my_conn *conn)
{
    (void)conn;
}

#else

/* One column's values, and how the library finds each. */
typedef struct column {
    enum enum_field_types type;
    void *values; /* numbers in a row, or pointers */
    unsigned long *sizes;
    char *indicators;
} column;

static int server_has_bulk(MYSQL *mysql)
{
    unsigned long extended = 0;
    if (mariadb_get_infov(mysql, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &extended))
        return 0;
    return (extended & (unsigned long)(MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32)) != 0;
}

int pondi_mysql_can_bulk(const my_conn *conn)
{
    const pondi_request *request = conn->request;
    if (!server_has_bulk(conn->mysql) || request->call->row_count < 2 || !request->column_count ||
        mysql_stmt_field_count(conn->stmt))
        return 0;
    return (request->statement->info.means & PONDI_VERB_WRITES_ROWS) != 0;
}

static void set_array_size(my_conn *conn, unsigned int size)
{
    mysql_stmt_attr_set(conn->stmt, STMT_ATTR_ARRAY_SIZE, &size);
}

void pondi_mysql_bulk_reset(my_conn *conn)
{
    set_array_size(conn, 0);
    pondi_arena_free(&conn->bulk);
}

/* Zeroed memory until the reset; NULL when there is none. */
static void *room(my_conn *conn, size_t count, size_t size)
{
    void *memory = pondi_arena_alloc(&conn->bulk, count * size);
    if (memory)
        memset(memory, 0, count * size);
    return memory;
}

/* ---- What goes into one call ------------------------------------------------------------- */

static const pond_value *value_at(const pondi_request *request, size_t row, size_t index)
{
    return &pondi_request_row(request, row)[index];
}

static uint64_t values_size(const pond_value *values, size_t count)
{
    enum { FIXED = 24 };
    uint64_t size = (uint64_t)count * FIXED;
    for (size_t i = 0; i < count; i++) {
        if (pondi_value_has_text(&values[i]))
            size += values[i].as.text.size;
        else if (values[i].type == POND_TYPE_ARRAY)
            size += values_size(values[i].as.array.items, values[i].as.array.count);
    }
    return size;
}

/* About: what is formatted here, as JSON is, may turn out longer. */
static uint64_t row_size(const pondi_request *request, size_t row)
{
    return values_size(value_at(request, row, 0), request->column_count);
}

static size_t find_end(const my_conn *conn)
{
    const pondi_request *request = conn->request;
    uint64_t most = MOST_BYTES;
    uint64_t size = request->statement->native_size;
    size_t row = conn->many.row;
    if (conn->max_packet && conn->max_packet / 2 < most)
        most = conn->max_packet / 2;
    for (; row < pondi_request_run_end(request) && row < conn->many.row + MOST_ROWS; row++) {
        size += row_size(request, row);
        if (size > most && row > conn->many.row)
            break;
    }
    return row;
}

/* ---- Columns ----------------------------------------------------------------------------- */

static enum enum_field_types type_of(const pond_value *value)
{
    my_scratch scratch;
    enum enum_field_types type = MYSQL_TYPE_STRING;
    if (value->type == POND_TYPE_BYTES)
        return MYSQL_TYPE_BLOB;
    if (value->type == POND_TYPE_DECIMAL)
        return MYSQL_TYPE_NEWDECIMAL;
    pondi_mysql_native(value, &scratch, &type);
    return type;
}

/* Beyond this a float is written with an exponent where it becomes text. */
#define MOST_WHOLE INT64_C(999999999999999)

/* What the values of a column are: bits, one for each type. */
enum { INTEGERS = 1, BIG_INTEGERS = 2, REALS = 4, DECIMALS = 8 };

static int mix_of(const pond_value *value, enum enum_field_types type)
{
    if (type == MYSQL_TYPE_LONGLONG)
        return value->as.integer < -MOST_WHOLE || value->as.integer > MOST_WHOLE
                   ? INTEGERS | BIG_INTEGERS
                   : INTEGERS;
    return type == MYSQL_TYPE_DOUBLE ? REALS : type == MYSQL_TYPE_NEWDECIMAL ? DECIMALS : 0;
}

/* Values of several types. Numbers stay numbers, since a server does not take digits for one
 * everywhere: in a column of bits they are characters. What else there is travels as text, which
 * the server converts for its columns. */
static enum enum_field_types mixed_type(int mix, int others)
{
    if (others)
        return MYSQL_TYPE_STRING;
    if (mix == (INTEGERS | REALS))
        return MYSQL_TYPE_DOUBLE;
    return mix & REALS ? MYSQL_TYPE_STRING : MYSQL_TYPE_NEWDECIMAL;
}

static int choose_type(const my_conn *conn, size_t index, column *to, pond_error **err)
{
    const pondi_request *request = conn->request;
    int known = 0;
    int mixed = 0;
    int mix = 0;
    int others = 0;
    to->type = MYSQL_TYPE_STRING;
    for (size_t row = conn->many.row; row < conn->many.ends; row++) {
        const pond_value *value = value_at(request, row, index);
        int code = pondi_mysql_check_param(value, index + 1, err);
        if (code) {
            if (err)
                pondi_call_blame_row(request->call, *err, row);
            return code;
        }
        if (value->type == POND_TYPE_NULL)
            continue;
        enum enum_field_types type = type_of(value);
        int kind = mix_of(value, type);
        mixed |= known && type != to->type;
        mix |= kind;
        others |= !kind;
        to->type = type;
        known = 1;
    }
    if (mixed)
        to->type = mixed_type(mix, others);
    return POND_OK;
}

static int fill_fixed(my_conn *conn, size_t index, column *to, size_t width)
{
    const pondi_request *request = conn->request;
    size_t count = conn->many.ends - conn->many.row;
    char *values = room(conn, count, width);
    to->values = values;
    for (size_t i = 0; values && i < count; i++) {
        my_scratch scratch;
        enum enum_field_types type;
        const pond_value *value = value_at(request, conn->many.row + i, index);
        if (value->type == POND_TYPE_NULL)
            continue;
        pondi_mysql_native(value, &scratch, &type);
        if (to->type == MYSQL_TYPE_DOUBLE && type == MYSQL_TYPE_LONGLONG)
            scratch.real = (double)value->as.integer;
        memcpy(values + i * width, &scratch, width);
    }
    return values ? POND_OK : POND_ENOMEM;
}

/* The times themselves follow the pointers to them. */
static int fill_times(my_conn *conn, size_t index, column *to)
{
    const pondi_request *request = conn->request;
    size_t count = conn->many.ends - conn->many.row;
    MYSQL_TIME **pointers = room(conn, count, sizeof(MYSQL_TIME *) + sizeof(MYSQL_TIME));
    to->values = pointers;
    if (!pointers)
        return POND_ENOMEM;
    MYSQL_TIME *times = (MYSQL_TIME *)(void *)(pointers + count);
    for (size_t i = 0; i < count; i++) {
        my_scratch scratch;
        enum enum_field_types type;
        const pond_value *value = value_at(request, conn->many.row + i, index);
        pointers[i] = &times[i];
        if (value->type == POND_TYPE_NULL)
            continue;
        pondi_mysql_native(value, &scratch, &type);
        times[i] = scratch.time;
    }
    return POND_OK;
}

static int fill_text(my_conn *conn, size_t index, column *to, pond_error **err)
{
    const pondi_request *request = conn->request;
    pondi_buffer *text = &conn->params.text;
    size_t count = conn->many.ends - conn->many.row;
    const char **pointers = room(conn, count, sizeof(char *));
    to->values = pointers;
    if (!pointers)
        return pondi_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        const pond_value *value = value_at(request, conn->many.row + i, index);
        if (value->type == POND_TYPE_NULL)
            continue;
        if (pondi_value_has_text(value)) {
            pointers[i] = value->as.text.size ? value->as.text.data : "";
            to->sizes[i] = (unsigned long)value->as.text.size;
            continue;
        }
        size_t start = text->size;
        int code = pondi_mysql_format(value, index + 1, text, err);
        if (code)
            return code;
        to->sizes[i] = (unsigned long)(text->size - start);
    }
    return POND_OK;
}

static int fill(my_conn *conn, size_t index, column *to, pond_error **err)
{
    const pondi_request *request = conn->request;
    size_t count = conn->many.ends - conn->many.row;
    to->sizes = room(conn, count, sizeof(*to->sizes));
    to->indicators = room(conn, count, 1);
    if (!to->sizes || !to->indicators)
        return pondi_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        if (value_at(request, conn->many.row + i, index)->type == POND_TYPE_NULL)
            to->indicators[i] = STMT_INDICATOR_NULL;
    }
    int code = POND_OK;
    switch (to->type) {
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_DOUBLE:
        code = fill_fixed(conn, index, to, sizeof(int64_t));
        break;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_TIME:
    case MYSQL_TYPE_DATETIME:
        code = fill_times(conn, index, to);
        break;
    default:
        return fill_text(conn, index, to, err);
    }
    return code ? pondi_error_nomem(err) : POND_OK;
}

/* The buffer of formatted text moves no more. */
static void place_formatted(my_conn *conn, column *columns)
{
    const pondi_request *request = conn->request;
    size_t count = conn->many.ends - conn->many.row;
    char *at = conn->params.text.data;
    for (size_t index = 0; index < request->column_count; index++) {
        column *to = &columns[index];
        const char **pointers = to->values;
        if (to->type != MYSQL_TYPE_STRING && to->type != MYSQL_TYPE_BLOB &&
            to->type != MYSQL_TYPE_NEWDECIMAL)
            continue;
        for (size_t i = 0; i < count; i++) {
            if (pointers[i] || to->indicators[i])
                continue;
            pointers[i] = at;
            at += to->sizes[i];
        }
    }
}

/* ---- The call ---------------------------------------------------------------------------- */

static int bind(my_conn *conn, const column *columns, pond_error **err)
{
    size_t count = conn->request->column_count;
    MYSQL_BIND *binds = room(conn, count, sizeof(*binds));
    if (!binds)
        return pondi_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        binds[i].buffer_type = columns[i].type;
        binds[i].buffer = columns[i].values;
        binds[i].length = columns[i].sizes;
        binds[i].u.indicator = columns[i].indicators;
    }
    set_array_size(conn, (unsigned int)(conn->many.ends - conn->many.row));
    if (mysql_stmt_bind_param(conn->stmt, binds))
        return pondi_error_set(err, POND_EPARAMS, "the parameters cannot be bound: %s",
                               mysql_stmt_error(conn->stmt));
    return POND_OK;
}

/* The columns of the rows up to many.ends; NULL with an error. */
static column *fill_all(my_conn *conn, pond_error **err)
{
    size_t count = conn->request->column_count;
    int code = POND_OK;
    pondi_mysql_bulk_reset(conn);
    conn->params.text.size = 0;
    conn->params.text.failed = 0;
    column *columns = room(conn, count, sizeof(*columns));
    if (!columns) {
        pondi_error_nomem(err);
        return NULL;
    }
    for (size_t i = 0; i < count && !code; i++)
        code = choose_type(conn, i, &columns[i], err);
    for (size_t i = 0; i < count && !code; i++)
        code = fill(conn, i, &columns[i], err);
    return code ? NULL : columns;
}

static uint64_t call_size(const my_conn *conn, const column *columns)
{
    enum { FIXED = 14 }; /* of a value: its indicator, and a time or the length of a text */
    const pondi_request *request = conn->request;
    size_t rows = conn->many.ends - conn->many.row;
    uint64_t size = request->statement->native_size;
    for (size_t index = 0; index < request->column_count; index++) {
        for (size_t i = 0; i < rows; i++)
            size += FIXED + columns[index].sizes[i];
    }
    return size;
}

/* The server hangs up on a call that is too big. */
int pondi_mysql_bulk_bind(my_conn *conn, pond_error **err)
{
    my_many *many = &conn->many;
    many->ends = find_end(conn);
    for (;;) {
        column *columns = fill_all(conn, err);
        if (!columns)
            return POND_EPARAMS;
        uint64_t size = call_size(conn, columns);
        int alone = many->ends == many->row + 1;
        int code = pondi_mysql_check_size(conn, size, alone ? err : NULL);
        if (!code) {
            place_formatted(conn, columns);
            return bind(conn, columns, err);
        }
        if (alone) {
            if (err)
                pondi_call_blame_row(conn->request->call, *err, many->row);
            return code;
        }
        many->ends = many->row + (many->ends - many->row) / 2;
    }
}
#endif

/* The decoders of MySQL's values, binary and text, on any columns and any values: no crash, and
 * what comes out is what its type says. A server of three packets, in a socket pair, sends what the
 * input says; packets and lengths in them are sound, as Connector/C trusts them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/calendar.h"
#include "base/error.h"
#include "drivers/mysql/mysql.h"

enum { MOST_COLUMNS = 6, MOST_ROWS = 8, IS_TEXT = 1, CHANGES = 2 };

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

/* ---- The input ---------------------------------------------------------------------------- */

typedef struct script {
    const uint8_t *data;
    size_t size;
} script;

static unsigned take(script *in)
{
    if (!in->size)
        return 0;
    in->size--;
    return *in->data++;
}

/* As many bytes as are wanted; zeros after the end. */
static void take_bytes(script *in, pondi_buffer *out, size_t size)
{
    while (size--)
        pondi_buffer_append_char(out, (char)take(in));
}

/* ---- Packets ------------------------------------------------------------------------------ */

typedef struct wire {
    pondi_buffer out;
    uint8_t sequence;
} wire;

static void put(pondi_buffer *out, uint64_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        pondi_buffer_append_char(out, (char)(number >> (8 * i)));
}

static void put_text(pondi_buffer *out, const char *text)
{
    put(out, strlen(text), 1);
    pondi_buffer_append_text(out, text);
}

static void send_packet(wire *to, pondi_buffer *body)
{
    put(&to->out, body->size, 3);
    put(&to->out, to->sequence++, 1);
    pondi_buffer_append(&to->out, body->data, body->size);
    pondi_buffer_free(body);
}

static void send_bytes(wire *to, const char *bytes, size_t size)
{
    pondi_buffer body;
    pondi_buffer_init(&body);
    pondi_buffer_append(&body, bytes, size);
    send_packet(to, &body);
}

static void send_ok(wire *to)
{
    send_bytes(to, "\0\0\0\2\0\0\0", 7);
}

static void send_eof(wire *to)
{
    send_bytes(to, "\xfe\0\0\2\0", 5);
}

/* MariaDB's, which tells of JSON and UUID on the side; no TLS, no new-fashioned ends. */
static void send_greeting(wire *to)
{
    const uint32_t capabilities = CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION |
                                  CLIENT_PLUGIN_AUTH | CLIENT_CONNECT_WITH_DB | CLIENT_LONG_FLAG |
                                  CLIENT_TRANSACTIONS;
    const uint64_t extended = MARIADB_CLIENT_EXTENDED_METADATA;
    pondi_buffer body;
    pondi_buffer_init(&body);
    put(&body, 10, 1);
    pondi_buffer_append(&body, "5.5.5-10.11.0-MariaDB", 22);
    put(&body, 1, 4);
    pondi_buffer_append(&body, "12345678", 9);
    put(&body, capabilities & 0xffff, 2);
    put(&body, 45, 1);
    put(&body, 2, 2);
    put(&body, capabilities >> 16, 2);
    put(&body, 21, 1);
    put(&body, 0, 6);
    put(&body, extended >> 32, 4);
    pondi_buffer_append(&body, "123456789012", 13);
    pondi_buffer_append(&body, "mysql_native_password", 22);
    send_packet(to, &body);
    to->sequence = 2;
    send_ok(to);
    to->sequence = 1;
}

/* ---- Columns ------------------------------------------------------------------------------ */

typedef struct column {
    unsigned type;
    unsigned flags;
    unsigned charset;
    unsigned length;
    unsigned decimals;
    unsigned format;
} column;

static const uint8_t types[] = {
    MYSQL_TYPE_DECIMAL,     MYSQL_TYPE_TINY,       MYSQL_TYPE_SHORT,   MYSQL_TYPE_LONG,
    MYSQL_TYPE_FLOAT,       MYSQL_TYPE_DOUBLE,     MYSQL_TYPE_NULL,    MYSQL_TYPE_TIMESTAMP,
    MYSQL_TYPE_LONGLONG,    MYSQL_TYPE_INT24,      MYSQL_TYPE_DATE,    MYSQL_TYPE_TIME,
    MYSQL_TYPE_DATETIME,    MYSQL_TYPE_YEAR,       MYSQL_TYPE_NEWDATE, MYSQL_TYPE_VARCHAR,
    MYSQL_TYPE_BIT,         MYSQL_TYPE_JSON,       MYSQL_TYPE_ENUM,    MYSQL_TYPE_SET,
    MYSQL_TYPE_NEWDECIMAL,  MYSQL_TYPE_TINY_BLOB,  MYSQL_TYPE_BLOB,    MYSQL_TYPE_LONG_BLOB,
    MYSQL_TYPE_MEDIUM_BLOB, MYSQL_TYPE_VAR_STRING, MYSQL_TYPE_STRING,  MYSQL_TYPE_GEOMETRY};

static column take_column(script *in)
{
    static const unsigned charsets[] = {45, 63, 8, 255};
    column at;
    at.type = types[take(in) % sizeof(types)];
    at.flags = take(in) % 2 ? UNSIGNED_FLAG : 0;
    unsigned bits = take(in);
    at.flags |= bits & 1 ? ZEROFILL_FLAG : 0;
    at.charset = charsets[bits >> 1 & 3];
    at.format = bits >> 3 & 3;
    at.decimals = bits >> 5;
    at.length = take(in);
    return at;
}

static void send_column(wire *to, const column *at)
{
    pondi_buffer body;
    pondi_buffer_init(&body);
    put_text(&body, "def");
    for (int i = 0; i < 3; i++)
        put_text(&body, "t");
    put_text(&body, "c");
    put_text(&body, "c");
    if (at->format == 1) /* "json" as the format */
        pondi_buffer_append(&body, "\6\1\4json", 7);
    else if (at->format == 2) /* "uuid" as the type */
        pondi_buffer_append(&body, "\6\0\4uuid", 7);
    else
        put(&body, 0, 1);
    put(&body, 12, 1);
    put(&body, at->charset, 2);
    put(&body, at->length, 4);
    put(&body, at->type, 1);
    put(&body, at->flags, 2);
    put(&body, at->decimals, 1);
    put(&body, 0, 2);
    send_packet(to, &body);
}

static void send_columns(wire *to, const column *columns, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        send_column(to, &columns[i]);
    send_eof(to);
}

/* ---- Rows --------------------------------------------------------------------------------- */

static void take_string(script *in, pondi_buffer *body)
{
    unsigned size = take(in);
    if (size > 250) /* long enough for another form of length */
        size = 251 + take(in);
    if (size > 250) {
        put(body, 252, 1);
        put(body, size, 2);
    } else {
        put(body, size, 1);
    }
    take_bytes(in, body, size);
}

/* The lengths that servers send, and others. */
static void take_time(script *in, pondi_buffer *body)
{
    unsigned size = take(in) % 16;
    put(body, size, 1);
    take_bytes(in, body, size);
}

static void take_binary(script *in, const column *at, pondi_buffer *body)
{
    switch (at->type) {
    case MYSQL_TYPE_NULL:
        return;
    case MYSQL_TYPE_TINY:
        take_bytes(in, body, 1);
        return;
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR:
        take_bytes(in, body, 2);
        return;
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_FLOAT:
        take_bytes(in, body, 4);
        return;
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_DOUBLE:
        take_bytes(in, body, 8);
        return;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE:
    case MYSQL_TYPE_TIME:
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP:
        take_time(in, body);
        return;
    default:
        take_string(in, body);
    }
}

static void send_binary_row(wire *to, script *in, const column *columns, unsigned count)
{
    unsigned nulls = take(in);
    pondi_buffer body;
    pondi_buffer_init(&body);
    put(&body, 0, 1);
    put(&body, nulls << 2, (int)(count + 9) / 8);
    for (unsigned i = 0; i < count; i++) {
        if (!(nulls >> i & 1))
            take_binary(in, &columns[i], &body);
    }
    send_packet(to, &body);
}

static void send_text_row(wire *to, script *in, unsigned count)
{
    unsigned nulls = take(in);
    pondi_buffer body;
    pondi_buffer_init(&body);
    for (unsigned i = 0; i < count; i++) {
        if (nulls >> i & 1)
            put(&body, 0xfb, 1);
        else
            take_string(in, &body);
    }
    if (body.size && (uint8_t)body.data[0] != 0xfe && (uint8_t)body.data[0] != 0xff)
        send_packet(to, &body);
    else
        pondi_buffer_free(&body);
}

static void send_rows(wire *to, script *in, const column *columns, unsigned count, int is_text)
{
    for (int i = 0; i < MOST_ROWS && in->size; i++) {
        if (is_text)
            send_text_row(to, in, count);
        else
            send_binary_row(to, in, columns, count);
    }
    send_eof(to);
}

static void send_result(wire *to, script *in, const column *columns, unsigned count, int is_text)
{
    char number = (char)count;
    to->sequence = 1;
    send_bytes(to, &number, 1);
    send_columns(to, columns, count);
    send_rows(to, in, columns, count, is_text);
}

static void send_prepared(wire *to, const column *columns, unsigned count)
{
    pondi_buffer body;
    pondi_buffer_init(&body);
    put(&body, 0, 1);
    put(&body, 1, 4);
    put(&body, count, 2);
    put(&body, 0, 5);
    to->sequence = 1;
    send_packet(to, &body);
    send_columns(to, columns, count);
}

/* All that the server will say. Returns whether in text. */
static int write_script(wire *to, script *in)
{
    column columns[MOST_COLUMNS];
    unsigned how = take(in);
    int is_text = (how & IS_TEXT) != 0;
    unsigned count = 1 + take(in) % MOST_COLUMNS;
    for (unsigned i = 0; i < count; i++)
        columns[i] = take_column(in);
    send_greeting(to);
    if (!is_text)
        send_prepared(to, columns, count);
    for (unsigned i = 0; i < count && how & CHANGES; i++) /* the table was altered meanwhile */
        columns[i] = take_column(in);
    send_result(to, in, columns, count, is_text);
    return is_text;
}

/* ---- The server --------------------------------------------------------------------------- */

static int ends[2]; /* the library's, ours */

/* In place of the C library's: where Connector/C connects to. */
__attribute__((visibility("default"))) int connect(int fd, const struct sockaddr *address,
                                                   socklen_t size);
int connect(int fd, const struct sockaddr *address, socklen_t size)
{
    (void)address;
    (void)size;
    return dup2(ends[0], fd) == fd ? 0 : -1;
}

/* The greeting is ours, so this fuzzer is wrong. */
static void fail_connect(MYSQL *mysql)
{
    fprintf(stderr, "cannot connect: %s\n", mysql_error(mysql));
    abort();
}

static MYSQL *open_library(const wire *says)
{
    unsigned int protocol = MYSQL_PROTOCOL_SOCKET;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(write(ends[1], says->out.data, says->out.size) == (ssize_t)says->out.size);
    CHECK(shutdown(ends[1], SHUT_WR) == 0); /* whoever wants more sees an end, and waits for none */
    MYSQL *mysql = mysql_init(NULL);
    CHECK(mysql);
    mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (!mysql_real_connect(mysql, NULL, "fuzz", "", NULL, 0, "/none", 0))
        fail_connect(mysql);
    return mysql;
}

/* ---- What comes out ----------------------------------------------------------------------- */

static volatile unsigned read_so_far;

static void read_bytes(const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        read_so_far += (unsigned char)data[i];
}

static void check_value(const pond_value *value)
{
    int64_t at = value->as.integer;
    const int64_t first = PONDI_FIRST_DAY * PONDI_US_PER_DAY;
    const int64_t last = (PONDI_LAST_DAY + 1) * PONDI_US_PER_DAY - 1;
    switch (value->type) {
    case POND_TYPE_NULL:
    case POND_TYPE_INT64:
    case POND_TYPE_DOUBLE:
    case POND_TYPE_UUID:
        break;
    case POND_TYPE_BOOL:
        CHECK(at == 0 || at == 1);
        break;
    case POND_TYPE_DATE:
        CHECK(at >= PONDI_FIRST_DAY && at <= PONDI_LAST_DAY);
        break;
    case POND_TYPE_TIME:
        CHECK(at >= 0 && at < PONDI_US_PER_DAY && !value->aux);
        break;
    case POND_TYPE_TIMESTAMP:
    case POND_TYPE_TIMESTAMPTZ:
        CHECK(at >= first && at <= last);
        break;
    case POND_TYPE_INTERVAL:
        CHECK(!value->aux && !value->as.interval.days);
        break;
    case POND_TYPE_TEXT:
    case POND_TYPE_BYTES:
    case POND_TYPE_JSON:
    case POND_TYPE_DECIMAL:
        read_bytes(value->as.text.data, value->as.text.size);
        break;
    default:
        abort();
    }
}

static void check_rows(pondi_row_set *set)
{
    pond_value cells[MOST_COLUMNS];
    pond_result *result = &set->base;
    CHECK(result->column_count <= MOST_COLUMNS);
    for (size_t row = 0; row < result->row_count; row++) {
        CHECK(pond_result_row(result, row, cells, NULL) == POND_OK);
        for (size_t i = 0; i < result->column_count; i++)
            check_value(&cells[i]);
    }
}

static void read_text(MYSQL *mysql)
{
    pondi_row_set *set = NULL;
    pond_error *error = NULL;
    if (mysql_query(mysql, "SHOW x"))
        return;
    MYSQL_RES *rows = mysql_store_result(mysql);
    if (!rows)
        return;
    if (!pondi_mysql_read_text_rows(rows, &set, &error)) {
        check_rows(set);
        pond_result_release(&set->base);
    }
    pond_error_free(error);
    mysql_free_result(rows);
}

/* As the driver's own chain of steps does. */
static void fetch(my_statement *statement)
{
    unsigned int count = mysql_stmt_field_count(statement->stmt);
    pond_error *error = NULL;
    pondi_row_set *set = pondi_row_set_new(count);
    CHECK(set);
    int code = pondi_mysql_bind_columns(statement, &error);
    for (unsigned i = 0; i < count; i++)
        pondi_row_set_type(set, i, pondi_mysql_column_type(&statement->stmt->fields[i]));
    while (!code) {
        int failed = mysql_stmt_fetch(statement->stmt);
        if (failed && failed != MYSQL_DATA_TRUNCATED)
            break;
        code = pondi_mysql_read_row(statement, set, &error);
    }
    CHECK((code != POND_OK) == (error != NULL));
    CHECK(!error || strstr(pond_error_message(error), "column \"c\""));
    if (!code)
        check_rows(set);
    pond_error_free(error);
    pond_result_release(&set->base);
}

static void read_binary(MYSQL *mysql)
{
    my_statement statement;
    memset(&statement, 0, sizeof(statement));
    statement.stmt = mysql_stmt_init(mysql);
    CHECK(statement.stmt);
    if (!mysql_stmt_prepare(statement.stmt, "SELECT c", 8) && !mysql_stmt_execute(statement.stmt) &&
        mysql_stmt_field_count(statement.stmt))
        fetch(&statement);
    mysql_stmt_close(statement.stmt);
    pondi_free(statement.columns);
    pondi_free(statement.binds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    script in = {data, size};
    wire says = {.sequence = 0};
    pondi_buffer_init(&says.out);
    int is_text = write_script(&says, &in);
    CHECK(!says.out.failed);
    MYSQL *mysql = open_library(&says);
    if (is_text)
        read_text(mysql);
    else
        read_binary(mysql);
    mysql_close(mysql);
    close(ends[0]);
    close(ends[1]);
    pondi_buffer_free(&says.out);
    return 0;
}

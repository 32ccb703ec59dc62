/* A batch: see pondi_request.batch. For servers without compound statements: all statements are
 * sent before the first answer is read, and their answers decide between COMMIT and ROLLBACK: two
 * round trips, whatever their number. The library has no such calls for prepared statements, so
 * these travel as text, with the values in it.
 *
 * The server goes on after a statement that failed, even when that ended the transaction, as a
 * deadlock does: statements that must not be executed then say so themselves. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/real.h"
#include "driver/param.h"
#include "drivers/mysql/mysql.h"

static const char begin[] = "START TRANSACTION";

/* ---- Values as text ---------------------------------------------------------------------- */

/* Characters that mean themselves between quotes, whatever the session's modes. */
static int is_plain(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] < ' ' || text[i] > '~' || text[i] == '\'' || text[i] == '\\')
            return 0;
    }
    return 1;
}

static void put_hex(pondi_buffer *out, const char *text, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    pondi_buffer_append_text(out, "X'");
    for (size_t i = 0; i < size; i++) {
        pondi_buffer_append_char(out, digits[(uint8_t)text[i] >> 4]);
        pondi_buffer_append_char(out, digits[(uint8_t)text[i] & 15]);
    }
    pondi_buffer_append_char(out, '\'');
}

static void put_text(pondi_buffer *out, const char *text, size_t size)
{
    if (is_plain(text, size)) {
        pondi_buffer_append_char(out, '\'');
        pondi_buffer_append(out, text, size);
        pondi_buffer_append_char(out, '\'');
    } else {
        pondi_buffer_append_text(out, "_utf8mb4 ");
        put_hex(out, text, size);
    }
}

/* With an exponent a number would be an approximate one. */
static int is_exact(const pond_value *value)
{
    return value->as.text.size && !memchr(value->as.text.data, 'e', value->as.text.size) &&
           !memchr(value->as.text.data, 'E', value->as.text.size);
}

static int put_formatted(pondi_buffer *out, const pond_value *value, size_t number,
                         pond_error **err)
{
    pondi_buffer text;
    pondi_buffer_init(&text);
    int code = pondi_mysql_format(value, number, &text, err);
    if (!code)
        put_text(out, text.data, text.size);
    pondi_buffer_free(&text);
    return code;
}

static int put_literal(pondi_buffer *out, const pond_value *value, size_t number, pond_error **err)
{
    char real[PONDI_REAL_TEXT];
    int code = pondi_mysql_check_param(value, number, err);
    if (code)
        return code;
    switch (value->type) {
    case POND_TYPE_NULL:
        pondi_buffer_append_text(out, "NULL");
        return POND_OK;
    case POND_TYPE_BOOL:
    case POND_TYPE_INT64:
        return pondi_mysql_format(value, number, out, err);
    case POND_TYPE_DOUBLE:
        pondi_buffer_append(out, real, pondi_format_scientific(value->as.real, real));
        return POND_OK;
    case POND_TYPE_BYTES:
        put_hex(out, value->as.text.data, value->as.text.size);
        return POND_OK;
    case POND_TYPE_DECIMAL:
        if (is_exact(value))
            pondi_buffer_append(out, value->as.text.data, value->as.text.size);
        else
            put_text(out, value->as.text.data, value->as.text.size);
        return POND_OK;
    default:
        if (!pondi_value_has_text(value))
            return put_formatted(out, value, number, err);
        put_text(out, value->as.text.data, value->as.text.size);
        return POND_OK;
    }
}

/* ---- The statements ---------------------------------------------------------------------- */

static int end_statement(my_batch *batch, size_t size, pond_error **err)
{
    if (batch->count == MY_BATCH_MOST)
        return pondi_error_set(err, POND_EINTERNAL, "a batch has more than %d statements",
                               MY_BATCH_MOST);
    batch->ends[batch->count++] = size;
    return POND_OK;
}

/* The library's own text: quotes are around names only, and no comment has a `?` or `;`. */
static int render(my_conn *conn, pond_error **err)
{
    const pondi_request *request = conn->request;
    const char *sql = request->statement->native;
    pondi_buffer *out = &conn->params.text;
    my_batch *batch = &conn->batch;
    size_t param = 0;
    int quoted = 0;
    *batch = (my_batch){0};
    out->size = 0;
    out->failed = 0;
    pondi_buffer_append_text(out, begin);
    int code = end_statement(batch, out->size, err);
    for (; *sql && !code; sql++) {
        quoted ^= *sql == '`';
        if (!quoted && *sql == ';') {
            code = end_statement(batch, out->size, err);
        } else if (!quoted && *sql == '?') {
            code = put_literal(out, &request->params[param], param + 1, err);
            param++;
        } else {
            pondi_buffer_append_char(out, *sql);
        }
    }
    if (!code)
        code = end_statement(batch, out->size, err);
    if (!code && out->failed)
        code = pondi_error_nomem(err);
    return code ? code : pondi_mysql_check_size(conn, out->size, err);
}

/* ---- The end ----------------------------------------------------------------------------- */

static void drop_rows(my_conn *conn)
{
    if (conn->set)
        pond_result_release(&conn->set->base);
    conn->set = NULL;
}

static void rolled_back(my_conn *conn)
{
    if (conn->failed && pondi_mysql_is_loss(conn, mysql_errno(conn->mysql)))
        pondi_mysql_move(conn, MY_ON_LOSS);
}

/* The answer to this tells whether a transaction is open: nobody need ask. */
static void roll_back(my_conn *conn)
{
    drop_rows(conn);
    if (conn->error)
        pondi_mysql_move(conn, MY_ON_SETTLE);
    conn->base.in_transaction = 0;
    pondi_mysql_query(conn, "ROLLBACK", 8, rolled_back);
}

static void committed(my_conn *conn)
{
    if (!conn->failed)
        return;
    pondi_mysql_call_failed(conn, NULL);
    if (!pondi_mysql_is_lost(conn))
        roll_back(conn);
}

static void decide(my_conn *conn)
{
    if (pondi_mysql_is_stopping(conn) && !conn->error)
        pondi_mysql_fail(conn, pondi_error_new(POND_ECANCELLED, "cancelled"));
    if (conn->error || conn->batch.untouched) {
        roll_back(conn);
        return;
    }
    conn->base.in_transaction = 0; /* from here on a lost answer leaves it unknown */
    pondi_mysql_query(conn, "COMMIT", 6, committed);
}

/* ---- Sending and reading ----------------------------------------------------------------- */

static void answered(my_conn *conn);

static void next_answer(my_conn *conn)
{
    my_batch *batch = &conn->batch;
    pondi_mysql_move(conn, MY_ON_BEGUN);
    if (++batch->read < batch->count)
        pondi_mysql_call(conn, MY_READ, answered);
    else
        decide(conn);
}

static void took_rows(my_conn *conn)
{
    pond_error *error = NULL;
    pondi_row_set *set = NULL;
    if (!conn->rows) {
        pondi_mysql_call_failed(conn, NULL);
        if (pondi_mysql_is_lost(conn))
            return;
    } else if (pondi_mysql_read_text_rows(conn->rows, &set, &error)) {
        pondi_mysql_fail(conn, error);
    }
    mysql_free_result(conn->rows);
    conn->rows = NULL;
    if (set && conn->set)
        pond_result_release(&set->base);
    else if (set)
        conn->set = set;
    next_answer(conn);
}

static void answered(my_conn *conn)
{
    if (conn->failed) {
        pondi_mysql_call_failed(conn, NULL);
        if (pondi_mysql_is_lost(conn))
            return;
    } else if (mysql_field_count(conn->mysql)) {
        pondi_mysql_call(conn, MY_ROWS, took_rows);
        return;
    } else if (conn->batch.read && !mysql_affected_rows(conn->mysql)) {
        conn->batch.untouched = 1;
    }
    next_answer(conn);
}

/* So that what is sent piece by piece travels together. Not on Unix sockets, which need no help. */
static void cork(const my_conn *conn, int on)
{
    setsockopt(conn->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

static void send_next(my_conn *conn)
{
    my_batch *batch = &conn->batch;
    if (batch->sent && conn->failed) {
        pondi_mysql_call_failed(conn, NULL);
        pondi_mysql_move(conn, MY_ON_LOSS); /* nobody knows how much of it went out */
        return;
    }
    if (batch->sent == batch->count) {
        cork(conn, 0);
        pondi_mysql_call(conn, MY_READ, answered);
        return;
    }
    size_t start = batch->sent ? batch->ends[batch->sent - 1] : 0;
    conn->text = conn->params.text.data + start;
    conn->text_size = batch->ends[batch->sent++] - start;
    pondi_mysql_call(conn, MY_SEND, send_next);
}

void pondi_mysql_batch(my_conn *conn)
{
    pond_error *error = NULL;
    if (render(conn, &error)) {
        pondi_mysql_fail(conn, error);
        return;
    }
    pondi_mysql_move(conn, MY_ON_BATCH);
    conn->base.in_transaction = 1; /* whatever is lost now was not committed */
    cork(conn, 1);
    send_next(conn);
}

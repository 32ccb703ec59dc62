/* A session as new, in two or three round trips. */
#include "base/error.h"
#include "drivers/mysql/mysql.h"
#include "sql/session.h"

static void ended(my_conn *conn)
{
    if (conn->failed)
        pondi_mysql_call_failed(conn, NULL);
}

/* The connection's scratch text holds the statement until it is sent. */
static void set_up(my_conn *conn, my_step then)
{
    pondi_buffer *text = &conn->params.text;
    if (text->failed)
        pondi_mysql_fail(conn, pondi_error_new(POND_ENOMEM, "out of memory"));
    else
        pondi_mysql_query(conn, text->data, text->size, then);
}

static void isolate(my_conn *conn)
{
    pondi_buffer *text = &conn->params.text;
    ended(conn);
    pondi_buffer_free(text);
    if (!conn->error && pondi_mysql_isolation(conn->base.config, text))
        set_up(conn, ended);
}

/* The server's reset leaves the default database as it is. */
static void session_set(my_conn *conn)
{
    pondi_buffer *text = &conn->params.text;
    const char *name = pondi_config_get(conn->base.config, "database");
    if (conn->failed || !(conn->base.touched & PONDI_TOUCHES_DATABASE)) {
        isolate(conn);
        return;
    }
    pondi_buffer_free(text);
    pondi_buffer_append_text(text, "USE `");
    for (; *name; name++) {
        if (*name == '`')
            pondi_buffer_append_char(text, '`');
        pondi_buffer_append_char(text, *name);
    }
    pondi_buffer_append_char(text, '`');
    set_up(conn, isolate);
}

/* The server has forgotten the prepared statements, too. */
static void reset_done(my_conn *conn)
{
    pondi_list *node;
    pondi_buffer *text = &conn->params.text;
    if (conn->failed) {
        pondi_mysql_call_failed(conn, NULL);
        return;
    }
    pondi_statement_cache_clear(&conn->base.statements);
    while ((node = pondi_list_pop_front(&conn->closing)))
        pondi_mysql_statement_free(PONDI_CONTAINER(node, my_statement, link));
    pondi_buffer_free(text);
    pondi_mysql_session(conn->base.config, text);
    pondi_buffer_append_text(text, ", NAMES utf8mb4");
    pondi_mysql_put_settings(conn, text);
    set_up(conn, session_set);
}

void pondi_mysql_reset(my_conn *conn)
{
    pondi_mysql_move(conn, MY_ON_SENT);
    pondi_mysql_call(conn, MY_RESET, reset_done);
}

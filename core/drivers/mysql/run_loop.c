/* Calls on the loop, through Connector/C's non-blocking twins: a call that would wait says for
 * what, and goes on when the socket has it. */
#ifndef POND_MYSQL_THREADS
#include <errno.h>
#include <fcntl.h>

#include "base/alloc.h"
#include "base/error.h"
#include "drivers/mysql/mysql.h"

enum { CALLS_IN_A_ROW = 4096 }; /* before others on the loop get their turn */

struct my_run {
    pondi_watcher *watcher;
    pondi_message turn; /* goes on in the next turn of the loop */
    my_conn *conn;      /* NULL once destroyed, while the message is under way */
    int turning;
    int waiting; /* what the call waits for; 0 if none does */
};

static void step(my_conn *conn, int ready);

/* ---- The calls --------------------------------------------------------------------------- */

static int read_answer(my_conn *conn, int waiting, const my_flag *failed)
{
    if (!waiting)
        conn->failed = *failed != 0;
    return waiting;
}

static int start_call(my_conn *conn)
{
    my_flag flag = 0;
    switch (conn->call) {
    case MY_QUERY:
        return mysql_real_query_start(&conn->failed, conn->mysql, conn->text,
                                      (unsigned long)conn->text_size);
    case MY_SEND:
        return mysql_send_query_start(&conn->failed, conn->mysql, conn->text,
                                      (unsigned long)conn->text_size);
    case MY_READ:
        return read_answer(conn, mysql_read_query_result_start(&flag, conn->mysql), &flag);
    case MY_ROWS:
        return mysql_store_result_start(&conn->rows, conn->mysql);
    case MY_NEXT:
        return mysql_next_result_start(&conn->failed, conn->mysql);
    case MY_PREPARE:
        return mysql_stmt_prepare_start(&conn->failed, conn->stmt, conn->text,
                                        (unsigned long)conn->text_size);
    case MY_EXECUTE:
        return mysql_stmt_execute_start(&conn->failed, conn->stmt);
    case MY_FETCH:
        return mysql_stmt_fetch_start(&conn->failed, conn->stmt);
    case MY_FREE_ROWS:
        return mysql_stmt_free_result_start(&flag, conn->stmt);
    case MY_NEXT_STMT:
        return mysql_stmt_next_result_start(&conn->failed, conn->stmt);
    case MY_CLOSE_STMT:
        return mysql_stmt_close_start(&flag, conn->stmt);
    case MY_RESET:
        return mysql_reset_connection_start(&conn->failed, conn->mysql);
    default:
        return 0;
    }
}

static int go_on(my_conn *conn, int ready)
{
    my_flag flag = 0;
    switch (conn->call) {
    case MY_QUERY:
        return mysql_real_query_cont(&conn->failed, conn->mysql, ready);
    case MY_SEND:
        return mysql_send_query_cont(&conn->failed, conn->mysql, ready);
    case MY_READ:
        return read_answer(conn, mysql_read_query_result_cont(&flag, conn->mysql, ready), &flag);
    case MY_ROWS:
        return mysql_store_result_cont(&conn->rows, conn->mysql, ready);
    case MY_NEXT:
        return mysql_next_result_cont(&conn->failed, conn->mysql, ready);
    case MY_PREPARE:
        return mysql_stmt_prepare_cont(&conn->failed, conn->stmt, ready);
    case MY_EXECUTE:
        return mysql_stmt_execute_cont(&conn->failed, conn->stmt, ready);
    case MY_FETCH:
        return mysql_stmt_fetch_cont(&conn->failed, conn->stmt, ready);
    case MY_FREE_ROWS:
        return mysql_stmt_free_result_cont(&flag, conn->stmt, ready);
    case MY_NEXT_STMT:
        return mysql_stmt_next_result_cont(&conn->failed, conn->stmt, ready);
    case MY_CLOSE_STMT:
        return mysql_stmt_close_cont(&flag, conn->stmt, ready);
    case MY_RESET:
        return mysql_reset_connection_cont(&conn->failed, conn->mysql, ready);
    default:
        return 0;
    }
}

/* ---- Waiting ----------------------------------------------------------------------------- */

/* The server has nothing to say to an idle connection, unless it hangs up. */
static void idle_event(my_conn *conn)
{
    if (conn->base.current || conn->task)
        return; /* its call, or its settling, will see */
    pondi_watcher_free(conn->run->watcher);
    conn->run->watcher = NULL;
    pondi_mysql_keep_end_reason(conn);
    pondi_conn_broken(&conn->base);
}

static void on_ready(void *data, int events)
{
    my_conn *conn = data;
    my_run *run = conn->run;
    int ready = 0;
    if (conn->base.state == PONDI_CONN_BROKEN) { /* given up: only waits to be closed */
        pondi_watcher_free(run->watcher);
        run->watcher = NULL;
        return;
    }
    if (!run->waiting) {
        if (!run->turning && pondi_mysql_phase(conn) != MY_PARKED)
            idle_event(conn);
        return;
    }
    if (events < 0)
        ready = run->waiting; /* the call finds out what is wrong */
    else
        ready = (events & PONDI_READABLE ? MYSQL_WAIT_READ : 0) |
                (events & PONDI_WRITABLE ? MYSQL_WAIT_WRITE : 0);
    if (ready & run->waiting)
        step(conn, ready & run->waiting);
}

static int watch(my_conn *conn, int events, pond_error **err)
{
    my_run *run = conn->run;
    if (!run->watcher) {
        int code = pondi_watcher_new(conn->base.loop, conn->fd, on_ready, conn, &run->watcher, err);
        if (code)
            return code;
    }
    int code = pondi_watcher_set(run->watcher, events);
    return code ? pondi_error_set(err, code, "cannot watch the connection's socket") : POND_OK;
}

/* Being readable is always asked for: changing it would cost a system call each time. */
static int wait(my_conn *conn)
{
    pond_error *error = NULL;
    int events = PONDI_READABLE;
    if (conn->run->waiting & MYSQL_WAIT_WRITE)
        events |= PONDI_WRITABLE;
    if (!watch(conn, events, &error))
        return 1;
    conn->run->waiting = 0;
    conn->call = MY_NONE;
    pondi_mysql_fail(conn, error);
    pondi_mysql_move(conn, MY_ON_LOSS);
    return 0;
}

/* ---- The chain --------------------------------------------------------------------------- */

static void on_turn(pondi_message *message)
{
    my_run *run = PONDI_CONTAINER(message, my_run, turn);
    if (!run->conn) {
        pondi_free(run);
        return;
    }
    run->turning = 0;
    if (run->conn->base.state != PONDI_CONN_BROKEN)
        step(run->conn, 0);
}

static void step(my_conn *conn, int ready)
{
    my_run *run = conn->run;
    for (int count = 0; conn->call; count++) {
        if (count == CALLS_IN_A_ROW && !run->waiting) {
            run->turning = 1;
            pondi_loop_post(conn->base.loop, &run->turn);
            return;
        }
        pondi_mysql_before_call(conn);
        errno = 0;
        run->waiting = run->waiting ? go_on(conn, ready) : start_call(conn);
        conn->no_memory = errno == ENOMEM;
        if (run->waiting) {
            if (wait(conn))
                return;
            break;
        }
        my_step then = conn->then;
        conn->call = MY_NONE;
        then(conn);
    }
    if (run->watcher && !pondi_mysql_is_lost(conn))
        pondi_watcher_set(run->watcher, pondi_mysql_phase(conn) == MY_PARKED ? 0 : PONDI_READABLE);
    pondi_mysql_ended(conn);
}

void pondi_mysql_run(my_conn *conn)
{
    step(conn, 0);
}

/* ---- Create, move, destroy --------------------------------------------------------------- */

int pondi_mysql_run_new(my_conn *conn, pond_error **err)
{
    conn->run = pondi_calloc(1, sizeof(*conn->run));
    if (!conn->run)
        return pondi_error_nomem(err);
    conn->run->conn = conn;
    conn->run->turn.run = on_turn;
    return POND_OK;
}

/* The limit is for what blocks, which is connecting: later calls only tell of it, to nobody. */
void pondi_mysql_run_options(MYSQL *mysql, unsigned int seconds)
{
    mysql_options(mysql, MYSQL_OPT_NONBLOCK, 0);
    if (seconds) {
        mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &seconds);
        mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
    }
}

void pondi_mysql_run_detach(my_conn *conn)
{
    pondi_watcher_free(conn->run->watcher);
    conn->run->watcher = NULL;
}

int pondi_mysql_run_attach(my_conn *conn, pond_error **err)
{
    /* it was connected with blocking calls, and TLS would go on so */
    fcntl(conn->fd, F_SETFL, fcntl(conn->fd, F_GETFL) | O_NONBLOCK);
    return watch(conn, PONDI_READABLE, err);
}

/* A call that waits holds memory of its own, which only its end gives back: it ends at once, since
 * the socket has ended. */
static void end_call(my_conn *conn)
{
    enum { MOST = 10000 };
    my_run *run = conn->run;
    for (int i = 0; run->waiting && i < MOST; i++) {
        pondi_mysql_before_call(conn);
        run->waiting = go_on(conn, run->waiting);
    }
    if (conn->call == MY_CLOSE_STMT && !run->waiting)
        PONDI_CONTAINER(conn->closing.next, my_statement, link)->stmt = NULL;
}

void pondi_mysql_run_destroy(my_conn *conn)
{
    my_run *run = conn->run;
    pondi_watcher_free(run->watcher);
    if (conn->fd >= 0 && (run->waiting || conn->base.state == PONDI_CONN_BROKEN))
        pondi_mysql_hang_up(conn);
    end_call(conn);
    run->conn = NULL;
    if (!run->turning)
        pondi_free(run);
    conn->run = NULL;
    pondi_mysql_free(conn);
}

#else
typedef int pondi_mysql_no_loop; /* this build makes its calls on threads */
#endif

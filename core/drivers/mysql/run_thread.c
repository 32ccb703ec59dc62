/* Blocking calls on a thread of the connection's own: for libraries without non-blocking calls,
 * such as Oracle's libmysqlclient. */
#ifdef POND_MYSQL_THREADS
#include <errno.h>

#include "base/alloc.h"
#include "base/error.h"
#include "drivers/mysql/mysql.h"

struct my_run {
    pondi_worker *worker;
    pondi_job job;
    pondi_message message;  /* the chain has ended */
    pond_loop *loop;        /* held while a job is under way */
    pondi_watcher *watcher; /* while idle: the server hangs up */
    my_conn *conn;
    int busy;
    int abandoned;
};

/* ---- The calls --------------------------------------------------------------------------- */

static void call(my_conn *conn)
{
    switch (conn->call) {
    case MY_QUERY:
        conn->failed = mysql_real_query(conn->mysql, conn->text, (unsigned long)conn->text_size);
        break;
    case MY_SEND:
        conn->failed = mysql_send_query(conn->mysql, conn->text, (unsigned long)conn->text_size);
        break;
    case MY_READ:
        conn->failed = mysql_read_query_result(conn->mysql);
        break;
    case MY_ROWS:
        conn->rows = mysql_store_result(conn->mysql);
        break;
    case MY_NEXT:
        conn->failed = mysql_next_result(conn->mysql);
        break;
    case MY_PREPARE:
        conn->failed = mysql_stmt_prepare(conn->stmt, conn->text, (unsigned long)conn->text_size);
        break;
    case MY_EXECUTE:
        conn->failed = mysql_stmt_execute(conn->stmt);
        break;
    case MY_FETCH:
        conn->failed = mysql_stmt_fetch(conn->stmt);
        break;
    case MY_FREE_ROWS:
        mysql_stmt_free_result(conn->stmt);
        break;
    case MY_NEXT_STMT:
        conn->failed = mysql_stmt_next_result(conn->stmt);
        break;
    case MY_CLOSE_STMT:
        mysql_stmt_close(conn->stmt);
        break;
    case MY_RESET:
        conn->failed = mysql_reset_connection(conn->mysql);
        break;
    default:
        break;
    }
}

static void on_hung_up(void *data, int events)
{
    my_conn *conn = data;
    (void)events;
    pondi_watcher_free(conn->run->watcher);
    conn->run->watcher = NULL;
    pondi_mysql_keep_end_reason(conn);
    pondi_conn_broken(&conn->base);
}

static void watch(my_run *run, int events)
{
    if (run->watcher)
        pondi_watcher_set(run->watcher, events);
}

/* ---- The chain --------------------------------------------------------------------------- */

static void run_job(pondi_job *job)
{
    my_run *run = PONDI_CONTAINER(job, my_run, job);
    my_conn *conn = run->conn;
    while (conn->call) {
        pondi_mysql_before_call(conn);
        errno = 0;
        call(conn);
        conn->no_memory = errno == ENOMEM;
        my_step then = conn->then;
        conn->call = MY_NONE;
        then(conn);
    }
    pondi_loop_post(run->loop, &run->message);
}

static void free_all(my_conn *conn)
{
    my_run *run = conn->run;
    if (run->worker)
        pondi_worker_finish(run->worker);
    pondi_mysql_free(conn);
    pondi_free(run);
}

static void on_done(pondi_message *message)
{
    my_run *run = PONDI_CONTAINER(message, my_run, message);
    pond_loop *loop = run->loop;
    run->busy = 0;
    if (run->abandoned) {
        free_all(run->conn);
    } else {
        if (pondi_mysql_phase(run->conn) != MY_PARKED && !pondi_mysql_is_lost(run->conn))
            watch(run, PONDI_READABLE);
        pondi_mysql_ended(run->conn);
    }
    pondi_loop_unhold(loop);
}

void pondi_mysql_run(my_conn *conn)
{
    my_run *run = conn->run;
    pond_error *error = NULL;
    if (!conn->call) {
        pondi_mysql_ended(conn);
        return;
    }
    if (!run->worker && pondi_worker_new(&run->worker, &error)) {
        conn->call = MY_NONE;
        pondi_mysql_fail(conn, error);
        pondi_mysql_move(conn, MY_ON_LOSS);
        pondi_mysql_ended(conn);
        return;
    }
    watch(run, 0);
    run->busy = 1;
    run->loop = conn->base.loop;
    pondi_loop_hold(run->loop);
    pondi_worker_submit(run->worker, &run->job);
}

/* ---- Create, move, destroy --------------------------------------------------------------- */

int pondi_mysql_run_new(my_conn *conn, pond_error **err)
{
    conn->run = pondi_calloc(1, sizeof(*conn->run));
    if (!conn->run)
        return pondi_error_nomem(err);
    conn->run->conn = conn;
    conn->run->job.run = run_job;
    conn->run->message.run = on_done;
    return POND_OK;
}

void pondi_mysql_run_options(MYSQL *mysql, unsigned int seconds)
{
    (void)seconds; /* it would hold for statements, too */
    (void)mysql;
}

void pondi_mysql_run_detach(my_conn *conn)
{
    pondi_watcher_free(conn->run->watcher);
    conn->run->watcher = NULL;
}

int pondi_mysql_run_attach(my_conn *conn, pond_error **err)
{
    my_run *run = conn->run;
    int code = pondi_watcher_new(conn->base.loop, conn->fd, on_hung_up, conn, &run->watcher, err);
    if (!code)
        watch(run, PONDI_READABLE);
    return code;
}

void pondi_mysql_run_destroy(my_conn *conn)
{
    my_run *run = conn->run;
    if (conn->base.state == PONDI_CONN_BROKEN || run->busy)
        pondi_mysql_hang_up(conn); /* a call that waits comes back at once */
    pondi_mysql_run_detach(conn);
    if (run->busy)
        run->abandoned = 1; /* its message does the rest */
    else
        free_all(conn);
}

#else
typedef int pondi_mysql_no_threads; /* this build makes its calls on the loop */
#endif

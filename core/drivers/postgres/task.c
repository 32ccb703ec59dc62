#include "base/alloc.h"
#include "drivers/postgres/postgres.h"

static void free_task(pg_task *task)
{
    PQfreeCancel(task->cancel);
    pondi_free(task->host);
    pondi_free(task->port);
    pondi_buffer_free(&task->hosts);
    pondi_buffer_free(&task->addresses);
    pondi_buffer_free(&task->ports);
    pondi_loop_unhold(task->loop);
    pondi_free(task);
}

static void on_done(pondi_message *message)
{
    pg_task *task = PONDI_CONTAINER(message, pg_task, message);
    if (task->conn) {
        task->conn->task = NULL;
        task->done(task->conn, task);
    }
    free_task(task);
}

static void run(pondi_job *job)
{
    pg_task *task = PONDI_CONTAINER(job, pg_task, job);
    task->work(task);
    pondi_loop_post(task->loop, &task->message);
}

pg_task *pondi_postgres_task_new(pg_conn *conn)
{
    pg_task *task = pondi_calloc(1, sizeof(*task));
    if (!task)
        return NULL;
    task->job.run = run;
    task->message.run = on_done;
    task->loop = conn->base.loop;
    pondi_loop_hold(task->loop);
    task->conn = conn;
    task->free = free_task;
    return task;
}

int pondi_postgres_task_run(pg_task *task, pond_error **err)
{
    int code = pondi_thread_run(&task->job, err);
    if (code)
        free_task(task);
    else
        task->conn->task = task;
    return code;
}

#include "base/alloc.h"
#include "drivers/postgres/postgres.h"

static void free_task(pondi_task *base)
{
    pg_task *task = (pg_task *)base;
    pondi_postgres_cancel_request_free(task->cancel);
    pondi_free(task->host);
    pondi_buffer_free(&task->hosts);
    pondi_buffer_free(&task->addresses);
    pondi_free(task);
}

static void done(pondi_task *base)
{
    pg_task *task = (pg_task *)base;
    pg_conn *conn = base->owner;
    conn->task = NULL;
    task->done(conn, task);
}

static void work(pondi_task *base)
{
    pg_task *task = (pg_task *)base;
    task->work(task);
}

pg_task *pondi_postgres_task_new(pg_conn *conn)
{
    pg_task *task = pondi_calloc(1, sizeof(*task));
    if (!task)
        return NULL;
    pondi_task_init(&task->base, conn->base.loop, conn);
    task->base.work = work;
    task->base.done = done;
    task->base.free = free_task;
    return task;
}

int pondi_postgres_task_run(pg_task *task, pond_error **err)
{
    pg_conn *conn = task->base.owner;
    int code = pondi_task_run(&task->base, err);
    if (!code)
        conn->task = task;
    return code;
}

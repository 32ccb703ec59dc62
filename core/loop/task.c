#include "loop/task.h"

void pondi_task_drop(pondi_task *task)
{
    pond_loop *loop = task->loop;
    task->free(task);
    pondi_loop_unhold(loop);
}

static void on_done(pondi_message *message)
{
    pondi_task *task = PONDI_CONTAINER(message, pondi_task, message);
    if (task->owner)
        task->done(task);
    pondi_task_drop(task);
}

static void run(pondi_job *job)
{
    pondi_task *task = PONDI_CONTAINER(job, pondi_task, job);
    task->work(task);
    pondi_loop_post(task->loop, &task->message);
}

void pondi_task_init(pondi_task *task, pond_loop *loop, void *owner)
{
    task->job.run = run;
    task->message.run = on_done;
    task->loop = loop;
    task->owner = owner;
    pondi_loop_hold(loop);
}

int pondi_task_run(pondi_task *task, pond_error **err)
{
    int code = pondi_thread_run(&task->job, task->spare, err);
    if (code)
        pondi_task_drop(task);
    return code;
}

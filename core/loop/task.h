/* Blocking work of a connection on a thread of its own, whose end comes back to the loop. */
#ifndef PONDI_LOOP_TASK_H
#define PONDI_LOOP_TASK_H

#include "loop/loop.h"
#include "loop/worker.h"

/* First member of a struct with the work's details. It outlives its owner: whoever goes away sets
 * `owner` to NULL, with the loop locked. */
typedef struct pondi_task {
    pondi_job job;
    pondi_message message;
    pond_loop *loop; /* holds it */
    void *owner;
    int spare;                             /* can be done without, see pondi_thread_run() */
    void (*work)(struct pondi_task *task); /* on the thread */
    void (*done)(struct pondi_task *task); /* back on the loop, only if there still is an owner */
    void (*free)(struct pondi_task *task); /* last of all, the loop locked */
} pondi_task;

/* Fill a zeroed struct; the loop is locked, here and below. */
void pondi_task_init(pondi_task *task, pond_loop *loop, void *owner);

/* Start the thread. On failure `free` was called. */
int pondi_task_run(pondi_task *task, pond_error **err);

/* Free a task that was never run. */
void pondi_task_drop(pondi_task *task);

#endif

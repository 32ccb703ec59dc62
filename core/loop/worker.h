/* A thread of its own for blocking work: one job at a time, in order. */
#ifndef PONDI_LOOP_WORKER_H
#define PONDI_LOOP_WORKER_H

#include "millpond/types.h"

typedef struct pondi_worker pondi_worker;

/* A job is embedded in what it is about; `run` is called on the worker's thread and may free it. */
typedef struct pondi_job {
    struct pondi_job *next;
    void (*run)(struct pondi_job *job);
} pondi_job;

/* Start a thread. Errors: POND_ENOMEM, POND_ERESOURCES if the system refuses one. */
int pondi_worker_new(pondi_worker **out, pond_error **err);

/* Queue a job. Any thread. */
void pondi_worker_submit(pondi_worker *worker, pondi_job *job);

/* Let the thread end after the jobs queued so far, and return at once. Any thread, the worker's own
 * too. The worker must not be used any more. */
void pondi_worker_finish(pondi_worker *worker);

/* The same, but return when the thread is gone, with all that libraries keep for each thread: true;
 * false if that has not come about in so many milliseconds, or never will since the caller is that
 * thread. The worker is then not freed. */
int pondi_worker_join(pondi_worker *worker, int64_t timeout_ms);

/* Run one job on a short-lived thread of its own. A fixed number run at once; what can be done
 * without (`spare`) gets at most half of them, so that cancels which a silent server does not
 * answer keep nobody from connecting elsewhere. Beyond that POND_ERESOURCES. */
int pondi_thread_run(pondi_job *job, int spare, pond_error **err);

/* The process is ending: wait a moment for these threads, and start no more. They use libraries
 * that clean up next. See pondi_threads_end_before_exit(). */
void pondi_thread_end(void);

#endif

/* Loops that a thread of the library's own drives, for hosts with no loop and for those whose code
 * moves between threads. */
#include <errno.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/given.h"
#include "loop/internal.h"
#include "loop/worker.h"

struct pondi_loop_thread {
    pondi_job job;          /* first */
    pond_loop *loop;        /* which owns this; the running thread holds it */
    pthread_cond_t changed; /* with the loop's lock: an operation completed, or the state below */
    void (*completed)(void *data, pond_op *op);
    void *data;
    int began;
    int ended;
};

static _Thread_local int serves;

/* ---- The thread -------------------------------------------------------------------------- */

void pondi_loop_thread_deliver(pond_loop *loop, pond_op *op)
{
    if (loop->thread->completed)
        loop->thread->completed(loop->thread->data, op);
    else
        pond_op_release(op);
}

static void set_state(pondi_loop_thread *thread, int *state)
{
    pthread_mutex_lock(&thread->loop->lock);
    thread->loop->owner = pthread_self();
    *state = 1;
    pthread_cond_broadcast(&thread->changed);
    pthread_mutex_unlock(&thread->loop->lock);
}

static void serve(pondi_job *job)
{
    pondi_loop_thread *thread = (pondi_loop_thread *)(void *)job;
    pond_loop *loop = thread->loop;
    int code;
    serves = 1;
    set_state(thread, &thread->began);
    do {
        code = pond_loop_run(loop, -1, NULL);
        pond_op *op;
        while ((op = pond_loop_next(loop)))
            pondi_loop_thread_deliver(loop, op);
    } while (!code || code == POND_EAGAIN);
    pondi_loop_close_here(loop);
    set_state(thread, &thread->ended);
    serves = 0;
    pondi_loop_unhold(loop);
}

static int thread_new(pond_loop *loop, void (*completed)(void *data, pond_op *op), void *data,
                      pondi_loop_thread **out, pond_error **err)
{
    pondi_loop_thread *thread = pondi_calloc(1, sizeof(*thread));
    *out = thread;
    if (!thread)
        return pondi_error_nomem(err);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&thread->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    thread->job.run = serve;
    thread->loop = loop;
    thread->completed = completed;
    thread->data = data;
    return POND_OK;
}

void pondi_loop_thread_free(pondi_loop_thread *thread)
{
    if (!thread)
        return;
    pthread_cond_destroy(&thread->changed);
    pondi_free(thread);
}

/* ---- Start and stop ---------------------------------------------------------------------- */

/* Locked. */
static int start(pond_loop *loop, pondi_loop_thread *thread, pond_error **err)
{
    pondi_worker *worker;
    if (loop->thread || loop->waker)
        return pondi_error_set(
            err, POND_EMISUSE,
            loop->thread
                ? "this event loop has a thread already"
                : "this event loop wakes its host: stop that first with pond_loop_set_wake()");
    int code = pondi_worker_new(&worker, err);
    if (code)
        return code;
    loop->thread = thread;
    pondi_loop_hold(loop);
    pondi_worker_submit(worker, &thread->job);
    pondi_worker_finish(worker);
    while (!thread->began)
        pthread_cond_wait(&thread->changed, &loop->lock);
    return POND_OK;
}

int pond_loop_start_thread(pond_loop *loop, void (*completed)(void *data, pond_op *op), void *data,
                           pond_error **err)
{
    pondi_loop_thread *thread;
    int code = PONDI_GIVEN(err, loop);
    if (!code)
        code = thread_new(loop, completed, data, &thread, err);
    if (code)
        return code;
    code = pondi_loop_enter(loop, err);
    if (!code) {
        code = start(loop, thread, err);
        pondi_loop_leave(loop);
    }
    if (code)
        pondi_loop_thread_free(thread);
    return code;
}

void pondi_loop_thread_stop(pond_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    if (!loop->closed && !loop->ending) {
        loop->ending = 1;
        pondi_loop_wake(loop);
    }
    while (!loop->thread->ended && !pondi_loop_thread_is_here(loop))
        pthread_cond_wait(&loop->thread->changed, &loop->lock);
    pthread_mutex_unlock(&loop->lock);
}

/* ---- What others ask of it --------------------------------------------------------------- */

int pondi_loop_has_thread(const pond_loop *loop)
{
    return loop->thread != NULL;
}

int pondi_loop_thread_is_here(const pond_loop *loop)
{
    return pthread_equal(loop->owner, pthread_self());
}

int pondi_loop_thread_serves_here(void)
{
    return serves;
}

void pondi_loop_thread_tell(pond_loop *loop)
{
    pthread_cond_broadcast(&loop->thread->changed);
}

int pondi_loop_thread_wait(pond_op *op, int64_t deadline_ns)
{
    pond_loop *loop = op->loop;
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / 1000000000),
                             .tv_nsec = (long)(deadline_ns % 1000000000)};
    int code = 0;
    while (op->status == POND_PENDING && !loop->closed && code != ETIMEDOUT) {
        if (deadline_ns == PONDI_NEVER)
            pthread_cond_wait(&loop->thread->changed, &loop->lock);
        else
            code = pthread_cond_timedwait(&loop->thread->changed, &loop->lock, &until);
    }
    return code == ETIMEDOUT ? POND_EAGAIN : POND_OK;
}

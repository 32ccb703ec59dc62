#include "loop/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"

enum { SHORT_LIVED_LIMIT = 128, SPARE_LIMIT = SHORT_LIVED_LIMIT / 2 };

struct pondi_worker {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    pondi_job *first;
    pondi_job **last;
    int finishing;
    int joined; /* somebody waits for its end */
    int ended;  /* nothing more is run */
    pthread_t thread;
};

enum { LAST_MS = 2000, TRIM_AFTER = 256, TRIM_MS = 60000 };

static atomic_int short_lived; /* threads, those of spare jobs included */
static atomic_int spares;
static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER; /* held while one is started */
static int over; /* guarded by it: the process is ending */

/* Signals are for the host's threads. */
static int start_thread(void *(*main)(void *), void *data, pthread_t *out, pond_error **err)
{
    sigset_t all;
    sigset_t old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int code = pthread_create(out, NULL, main, data);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (code)
        return pondi_error_set(err, POND_ERESOURCES, "cannot start a thread: %s", strerror(code));
    return POND_OK;
}

static pondi_job *next_job(pondi_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    while (!worker->first && !worker->finishing)
        pthread_cond_wait(&worker->changed, &worker->lock);
    pondi_job *job = worker->first;
    if (job) {
        worker->first = job->next;
        if (!worker->first)
            worker->last = &worker->first;
    }
    pthread_mutex_unlock(&worker->lock);
    return job;
}

static void worker_free(pondi_worker *worker)
{
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->lock);
    pondi_free(worker);
}

static void *worker_main(void *data)
{
    pondi_worker *worker = data;
    pondi_job *job;
    while ((job = next_job(worker)))
        job->run(job);
    pthread_mutex_lock(&worker->lock);
    worker->ended = 1;
    pthread_cond_broadcast(&worker->changed);
    int joined = worker->joined;
    pthread_mutex_unlock(&worker->lock);
    if (!joined) {
        pthread_detach(pthread_self());
        worker_free(worker);
    }
    return NULL;
}

int pondi_worker_new(pondi_worker **out, pond_error **err)
{
    *out = NULL;
    pondi_worker *worker = pondi_calloc(1, sizeof(*worker));
    if (!worker)
        return pondi_error_nomem(err);
    pthread_mutex_init(&worker->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&worker->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    worker->last = &worker->first;
    int code = start_thread(worker_main, worker, &worker->thread, err);
    if (code) {
        worker_free(worker);
        return code;
    }
    *out = worker;
    return POND_OK;
}

void pondi_worker_submit(pondi_worker *worker, pondi_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&worker->lock);
    *worker->last = job;
    worker->last = &job->next;
    pthread_cond_signal(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
}

static void finish(pondi_worker *worker, int joined)
{
    pthread_mutex_lock(&worker->lock);
    worker->finishing = 1;
    worker->joined = joined;
    pthread_cond_signal(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
}

void pondi_worker_finish(pondi_worker *worker)
{
    finish(worker, 0);
}

int pondi_worker_join(pondi_worker *worker, int64_t timeout_ms)
{
    int64_t end_ns = pondi_deadline_ns(timeout_ms);
    struct timespec until = {.tv_sec = (time_t)(end_ns / 1000000000),
                             .tv_nsec = (long)(end_ns % 1000000000)};
    finish(worker, 1);
    if (pthread_equal(worker->thread, pthread_self()))
        return 0;
    int late = 0;
    pthread_mutex_lock(&worker->lock);
    while (!worker->ended && !late)
        late = pthread_cond_timedwait(&worker->changed, &worker->lock, &until) != 0;
    int ended = worker->ended;
    pthread_mutex_unlock(&worker->lock);
    if (!ended)
        return 0;
    pthread_join(worker->thread, NULL);
    worker_free(worker);
    return 1;
}

/* Each of these threads allocates in an arena of its own, and what it made is freed much later, by
 * others: the arenas keep the holes. After many of them the last one gives these back. */
static void give_back_holes(void)
{
    static atomic_uint ended;
    static _Atomic int64_t last_ns;
    const int64_t now_ns = pondi_now_ns();
    if (atomic_fetch_add(&ended, 1) + 1 < TRIM_AFTER ||
        now_ns - atomic_load(&last_ns) < (int64_t)TRIM_MS * PONDI_NS_PER_MS)
        return;
    atomic_store(&ended, 0);
    atomic_store(&last_ns, now_ns);
    pondi_trim();
}

static void *short_lived_main(void *data)
{
    pondi_job *job = data;
    pthread_detach(pthread_self());
    job->run(job);
    give_back_holes();
    atomic_fetch_sub(&short_lived, 1);
    return NULL;
}

static void *spare_main(void *data)
{
    short_lived_main(data);
    atomic_fetch_sub(&spares, 1);
    return NULL;
}

/* Count one more, if there may be one. */
static int reserve(atomic_int *running, int limit)
{
    if (atomic_fetch_add(running, 1) < limit)
        return 1;
    atomic_fetch_sub(running, 1);
    return 0;
}

static int too_many(int limit, pond_error **err)
{
    return pondi_error_set(err, POND_ERESOURCES, "all %d helper threads are busy", limit);
}

/* At the end of the process, and at a fork, these threads must not be inside a library: one that is
 * torn down, or whose locks a child would find taken for ever. Whoever is silent for longer is left
 * to the kernel. */
static void let_end(void)
{
    const struct timespec moment = {.tv_nsec = PONDI_NS_PER_MS};
    int64_t end_ns = pondi_deadline_ns(LAST_MS);
    while (atomic_load(&short_lived) > 0 && pondi_now_ns() < end_ns)
        nanosleep(&moment, NULL);
}

void pondi_thread_end(void)
{
    pthread_mutex_lock(&starting);
    over = 1;
    pthread_mutex_unlock(&starting);
    let_end();
}

static void before_fork(void)
{
    pthread_mutex_lock(&starting);
    let_end();
}

static void after_fork(void)
{
    pthread_mutex_unlock(&starting);
}

/* The child has none of them, not even those that were too slow. */
static void after_fork_in_child(void)
{
    atomic_store(&short_lived, 0);
    atomic_store(&spares, 0);
    pthread_mutex_unlock(&starting);
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

static int start_short_lived(pondi_job *job, int spare, pond_error **err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_t thread;
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&starting);
    int code = POND_OK;
    if (over) {
        code = pondi_error_set(err, POND_ERESOURCES, "the process is ending");
    } else if (!reserve(&short_lived, SHORT_LIVED_LIMIT)) {
        code = too_many(SHORT_LIVED_LIMIT, err);
    } else {
        code = start_thread(spare ? spare_main : short_lived_main, job, &thread, err);
        if (code)
            atomic_fetch_sub(&short_lived, 1);
    }
    pthread_mutex_unlock(&starting);
    return code;
}

int pondi_thread_run(pondi_job *job, int spare, pond_error **err)
{
    if (spare && !reserve(&spares, SPARE_LIMIT))
        return too_many(SPARE_LIMIT, err);
    int code = start_short_lived(job, spare, err);
    if (code && spare)
        atomic_fetch_sub(&spares, 1);
    return code;
}

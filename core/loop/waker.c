/* For hosts that cannot poll a descriptor: a thread that does it for them. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "loop/internal.h"
#include "loop/worker.h"

struct pondi_waker {
    pondi_job job;        /* first */
    pondi_refcount refs;  /* the loop's and the thread's */
    pthread_mutex_t lock; /* guards `armed`, `ended` and the call of `wake` */
    pthread_cond_t changed;
    int fd;
    int stop; /* eventfd that interrupts the poll */
    void (*wake)(void *data);
    void *data;
    int armed;
    int ended;
    pondi_worker *worker;
};

static void drop(pondi_waker *waker)
{
    if (!pondi_refcount_drop(&waker->refs))
        return;
    close(waker->stop);
    pthread_cond_destroy(&waker->changed);
    pthread_mutex_destroy(&waker->lock);
    pondi_free(waker);
}

static int wait_until_armed(pondi_waker *waker)
{
    pthread_mutex_lock(&waker->lock);
    while (!waker->armed && !waker->ended)
        pthread_cond_wait(&waker->changed, &waker->lock);
    int go_on = !waker->ended;
    pthread_mutex_unlock(&waker->lock);
    return go_on;
}

static void watch(pondi_job *job)
{
    pondi_waker *waker = (pondi_waker *)(void *)job;
    while (wait_until_armed(waker)) {
        struct pollfd descriptors[2] = {{.fd = waker->fd, .events = POLLIN},
                                        {.fd = waker->stop, .events = POLLIN}};
        if (poll(descriptors, 2, -1) < 0 && errno != EINTR)
            break;
        pthread_mutex_lock(&waker->lock);
        if (descriptors[0].revents && waker->armed && !waker->ended) {
            waker->armed = 0;
            waker->wake(waker->data);
        }
        pthread_mutex_unlock(&waker->lock);
    }
    drop(waker);
}

int pondi_waker_new(int fd, void (*wake)(void *data), void *data, pondi_waker **out,
                    pond_error **err)
{
    *out = NULL;
    pondi_waker *waker = pondi_calloc(1, sizeof(*waker));
    if (!waker)
        return pondi_error_nomem(err);
    waker->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (waker->stop < 0) {
        pondi_free(waker);
        return pondi_error_set(err, POND_ERESOURCES, "no descriptors are left");
    }
    pondi_refcount_init(&waker->refs);
    pthread_mutex_init(&waker->lock, NULL);
    pthread_cond_init(&waker->changed, NULL);
    waker->fd = fd;
    waker->wake = wake;
    waker->data = data;
    waker->job.run = watch;
    int code = pondi_worker_new(&waker->worker, err);
    if (code) {
        drop(waker);
        return code;
    }
    pondi_refcount_take(&waker->refs);
    pondi_worker_submit(waker->worker, &waker->job);
    *out = waker;
    return POND_OK;
}

void pondi_waker_arm(pondi_waker *waker)
{
    pthread_mutex_lock(&waker->lock);
    if (!waker->armed) {
        waker->armed = 1;
        pthread_cond_signal(&waker->changed);
    }
    pthread_mutex_unlock(&waker->lock);
}

void pondi_waker_free(pondi_waker *waker)
{
    if (!waker)
        return;
    pthread_mutex_lock(&waker->lock);
    waker->ended = 1;
    pthread_cond_signal(&waker->changed);
    pthread_mutex_unlock(&waker->lock);
    uint64_t one = 1;
    if (write(waker->stop, &one, sizeof(one)) < 0) {
        /* the counter is full: the thread is being woken already */
    }
    pondi_worker_finish(waker->worker);
    drop(waker);
}

/* ---- A byte instead of a call ------------------------------------------------------------ */

/* On a thread of the library's own, which has all signals blocked. */
static void write_byte(void *data)
{
    int fd = (int)(intptr_t)data;
    ssize_t sent = send(fd, "w", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == ENOTSOCK)
        sent = write(fd, "w", 1);
    (void)sent; /* who reads has gone, or has bytes enough to read */
}

int pond_loop_set_wake_fd(pond_loop *loop, int fd, pond_error **err)
{
    return pond_loop_set_wake(loop, fd < 0 ? NULL : write_byte, (void *)(intptr_t)fd, err);
}

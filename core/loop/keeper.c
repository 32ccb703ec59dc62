#include "loop/keeper.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/process.h"
#include "loop/internal.h"
#include "loop/timer.h"
#include "loop/watcher.h"
#include "loop/worker.h"

/* ---- The thread -------------------------------------------------------------------------- */

enum { LAST_MS = 2000 };

static struct {
    pthread_mutex_t lock; /* guards all below */
    pond_loop *loop;      /* NULL once the process is ending */
    pond_loop *driven;    /* what the thread drives, until it has ended */
    pondi_worker *worker;
    pondi_job job;
    uint32_t process;
    int over; /* the process is ending */
} keeper = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void drive(pondi_job *job)
{
    pond_loop *loop = keeper.driven;
    (void)job;
    int code;
    do {
        code = pond_loop_run(loop, -1, NULL);
        pond_op *op;
        while ((op = pond_loop_next(loop)))
            pond_op_release(op);
    } while (!code || code == POND_EAGAIN);
}

/* The thread must not run into what the process tears down on its way out. What still refers to the
 * loop holds it: other threads, and handlers and destructors that come later, let go of theirs when
 * they end, and what they send to a closed loop runs at once. A thread that does not end in time
 * waits for what the caller has locked, or is the caller: it is left to the kernel. */
static void end_keeper(void)
{
    pthread_mutex_lock(&keeper.lock);
    keeper.over = 1;
    int mine = keeper.process == pondi_process_generation();
    pond_loop *loop = mine ? keeper.loop : NULL;
    keeper.loop = NULL;
    pthread_mutex_unlock(&keeper.lock);
    if (!loop)
        return;
    pondi_loop_end(loop);
    if (pondi_worker_join(keeper.worker, LAST_MS))
        pond_loop_release(loop);
}

static void end_threads(void)
{
    pondi_thread_end();
    end_keeper();
}

void pondi_threads_end_before_exit(void)
{
    atexit(end_threads);
}

static void before_fork(void)
{
    pthread_mutex_lock(&keeper.lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&keeper.lock);
}

static void register_hooks(void)
{
    atexit(end_keeper);
    pthread_atfork(before_fork, after_fork, after_fork);
}

/* Locked. A forked child starts one of its own; its parent's cannot be freed there. */
static int start(pond_error **err)
{
    int code = pond_loop_new(&keeper.loop, err);
    if (code)
        return code;
    code = pondi_worker_new(&keeper.worker, err);
    if (code) {
        pond_loop_release(keeper.loop);
        keeper.loop = NULL;
        return code;
    }
    keeper.process = pondi_process_generation();
    keeper.driven = keeper.loop;
    keeper.job.run = drive;
    pondi_worker_submit(keeper.worker, &keeper.job);
    return POND_OK;
}

pond_loop *pondi_loop_keeper(pond_error **err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_hooks);
    pthread_mutex_lock(&keeper.lock);
    if (keeper.process != pondi_process_generation())
        keeper.loop = NULL;
    if (keeper.over)
        pondi_error_set(err, POND_ERESOURCES, "the process is ending");
    else if (!keeper.loop)
        start(err);
    pond_loop *loop = keeper.loop;
    if (loop)
        pondi_loop_hold(loop);
    pthread_mutex_unlock(&keeper.lock);
    return loop;
}

static int is_keeper(const pond_loop *loop)
{
    pthread_mutex_lock(&keeper.lock);
    int is = loop == keeper.driven;
    pthread_mutex_unlock(&keeper.lock);
    return is;
}

/* ---- Loops with work in them that their threads may not come back to ----------------------- */

enum { BUSY_MS = 2 };

struct pondi_attention {
    pond_loop *loop;   /* holds it */
    pond_loop *keeper; /* holds it: the process may be ending */
    int fd;            /* a duplicate: the loop may be closed meanwhile */
    pondi_watcher *watcher;
    pondi_timer *timer;
    pondi_loop_client client;
    int stays; /* also while no operation is under way */
    pondi_message begin;
    pondi_message end;
};

static void stop_watching(pondi_attention *attention)
{
    pondi_watcher_free(attention->watcher);
    pondi_timer_free(attention->timer);
    attention->watcher = NULL;
    attention->timer = NULL;
}

static void on_keeper_closing(pondi_loop_client *client)
{
    stop_watching(PONDI_CONTAINER(client, pondi_attention, client));
}

static void free_attention(pondi_attention *attention)
{
    stop_watching(attention);
    pondi_loop_remove_client(&attention->client);
    close(attention->fd);
    pondi_loop_unhold(attention->loop);
    pondi_loop_unhold(attention->keeper);
    pondi_free(attention);
}

/* The loop was closed. */
static void on_end(pondi_message *message)
{
    free_attention(PONDI_CONTAINER(message, pondi_attention, end));
}

static void watch_again(void *data)
{
    pondi_attention *attention = data;
    pondi_watcher_set(attention->watcher, PONDI_READABLE);
}

static void watch_later(pondi_attention *attention)
{
    pondi_watcher_set(attention->watcher, 0);
    pondi_timer_start(attention->timer, pondi_deadline_ns(BUSY_MS));
}

static int has_busy_client(const pond_loop *loop)
{
    for (pondi_list *node = loop->clients.next; node != &loop->clients; node = node->next) {
        pondi_loop_client *client = PONDI_CONTAINER(node, pondi_loop_client, link);
        if (client->busy && client->busy(client))
            return 1;
    }
    return 0;
}

/* Locked. Who sleeps in the loop drives it himself. */
static int is_over(const pond_loop *loop)
{
    if (loop->sleeping)
        return 1;
    return loop->private ? !(loop->pending || loop->attention->stays) : !has_busy_client(loop);
}

/* Locked. The turn may have taken the wake-up that was to tell the host of completions: it is sent
 * anew, and makes the descriptor readable, which must not keep the keeper busy. */
static void turn(pondi_attention *attention)
{
    pond_loop *loop = attention->loop;
    pondi_loop_turn(loop);
    if (pondi_list_empty(&loop->completions))
        return;
    loop->fresh = 1;
    watch_later(attention);
}

/* Drive it a little. Whoever is inside it now drives it himself, or leaves soon. */
static void on_ready(void *data, int events)
{
    pondi_attention *attention = data;
    pond_loop *loop = attention->loop;
    (void)events;
    if (pthread_mutex_trylock(&loop->lock)) {
        watch_later(attention);
        return;
    }
    loop->nested = 1;
    if (loop->attention && !loop->sleeping)
        turn(attention);
    int over = loop->attention && is_over(loop);
    if (over)
        loop->attention = NULL;
    else if (!loop->attention)
        pondi_watcher_set(attention->watcher, 0); /* closed: the end is on its way */
    pondi_loop_unlock(loop);
    if (over)
        free_attention(attention);
}

static void on_begin(pondi_message *message)
{
    pondi_attention *attention = PONDI_CONTAINER(message, pondi_attention, begin);
    pond_loop *keeper_loop = attention->keeper;
    if (pondi_loop_closed(keeper_loop))
        return;
    pondi_loop_add_client(keeper_loop, &attention->client);
    if (pondi_timer_new(keeper_loop, watch_again, attention, &attention->timer, NULL) ||
        pondi_watcher_new(keeper_loop, attention->fd, on_ready, attention, &attention->watcher,
                          NULL))
        return; /* out of memory: it goes on when its thread comes back */
    pondi_watcher_set(attention->watcher, PONDI_READABLE);
}

static pondi_attention *attention_new(pond_loop *loop)
{
    pond_loop *keeper_loop = pondi_loop_keeper(NULL);
    if (!keeper_loop)
        return NULL;
    pondi_attention *attention = pondi_calloc(1, sizeof(*attention));
    int fd = attention ? fcntl(uv_backend_fd(&loop->uv), F_DUPFD_CLOEXEC, 0) : -1;
    if (fd < 0) {
        pondi_free(attention);
        pondi_loop_unhold(keeper_loop);
        return NULL;
    }
    attention->fd = fd;
    attention->loop = loop;
    attention->keeper = keeper_loop;
    pondi_loop_hold(loop);
    pondi_list_init(&attention->client.link);
    attention->client.closing = on_keeper_closing;
    attention->begin.run = on_begin;
    attention->end.run = on_end;
    return attention;
}

void pondi_loop_unattend(pond_loop *loop)
{
    pondi_attention *attention = loop->attention;
    loop->attention = NULL;
    if (attention)
        pondi_loop_post(attention->keeper, &attention->end);
}

/* Locked. */
static void attend(pond_loop *loop, int stays)
{
    if (loop->sleeping || loop->tearing_down)
        return;
    if (loop->attention) {
        loop->attention->stays |= stays;
        return;
    }
    loop->attention = attention_new(loop);
    if (!loop->attention)
        return;
    loop->attention->stays = stays;
    pondi_loop_post(loop->attention->keeper, &loop->attention->begin);
}

void pondi_loop_attend(pond_loop *loop)
{
    if (loop->private)
        attend(loop, 1);
}

void pondi_loop_tend(pond_loop *loop)
{
    if (!loop->thread && !is_keeper(loop))
        attend(loop, 0);
}

void pondi_loop_see_to(pond_loop *loop)
{
    if (loop->private && loop->pending)
        attend(loop, 0);
}

void pondi_loop_depart(pond_loop *loop)
{
    pondi_loop_see_to(loop);
    pondi_loop_leave(loop);
}

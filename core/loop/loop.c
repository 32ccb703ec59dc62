#include "loop/loop.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/given.h"
#include "base/process.h"
#include "loop/internal.h"
#include "loop/keeper.h"

/* ---- Create and destroy ------------------------------------------------------------------ */

/* Who calls this looks at the inbox after it. First read, then let others write again: what they
 * ask for in between is seen by that look. */
static void sleep_again(pond_loop *loop)
{
    uint64_t times;
    if (read(loop->wake, &times, sizeof(times)) < 0) {
        /* nobody wrote after all */
    }
    atomic_store(&loop->woken, 0);
}

static void on_wake(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events;
    sleep_again(handle->data);
}

/* Not libuv's own way, whose receiver spins until the sender, which it may have interrupted, has
 * run on. */
void pondi_loop_wake(pond_loop *loop)
{
    const uint64_t one = 1;
    if (!atomic_exchange(&loop->woken, 1) && write(loop->wake, &one, sizeof(one)) < 0) {
        /* it is readable already */
    }
}

static void on_alarm(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events;
    pond_loop *loop = handle->data;
    uint64_t expirations;
    if (read(loop->alarm, &expirations, sizeof(expirations)) < 0) {
        /* nothing was due after all */
    }
    loop->alarm_ns = PONDI_NEVER;
    loop->timers_changed = 1;
}

static void close_handle(uv_handle_t *handle, void *data)
{
    (void)data;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Only closing handles are left, so that this ends at once. */
static void end_uv(pond_loop *loop)
{
    uv_walk(&loop->uv, close_handle, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_loop_close(&loop->uv);
    if (loop->alarm >= 0)
        close(loop->alarm);
    if (loop->wake >= 0)
        close(loop->wake);
}

/* Call `ready` whenever a descriptor of the loop's own, which may be an error, is readable. */
static int watch(pond_loop *loop, int fd, uv_poll_t *poll, uv_poll_cb ready)
{
    int code = fd < 0 ? uv_translate_sys_error(errno) : uv_poll_init(&loop->uv, poll, fd);
    if (code)
        return code;
    poll->data = loop;
    return uv_poll_start(poll, UV_READABLE, ready);
}

static int start_uv(pond_loop *loop, pond_error **err)
{
    loop->alarm = -1;
    loop->wake = -1;
    int code = uv_loop_init(&loop->uv);
    if (code)
        return pondi_error_set(err, POND_ERESOURCES, "cannot make an event loop: %s",
                               uv_strerror(code));
    loop->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    code = watch(loop, loop->wake, &loop->wake_poll, on_wake);
    if (!code) {
        loop->alarm = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        code = watch(loop, loop->alarm, &loop->alarm_poll, on_alarm);
    }
    if (code) {
        end_uv(loop);
        return pondi_error_set(err, POND_ERESOURCES, "cannot make an event loop: %s",
                               uv_strerror(code));
    }
    uv_run(&loop->uv, UV_RUN_NOWAIT); /* registers the descriptors */
    return POND_OK;
}

int pond_loop_new(pond_loop **out, pond_error **err)
{
    if (PONDI_GIVEN(err, out))
        return POND_EINVAL;
    *out = NULL;
    pond_loop *loop = pondi_calloc(1, sizeof(*loop));
    if (!loop)
        return pondi_error_nomem(err);
    int code = start_uv(loop, err);
    if (code) {
        pondi_free(loop);
        return code;
    }
    pondi_refcount_init(&loop->refs);
    pondi_refcount_init(&loop->holds);
    loop->process = pondi_process_generation();
    pthread_mutex_init(&loop->lock, NULL);
    loop->alarm_ns = PONDI_NEVER;
    pondi_list_init(&loop->completions);
    pondi_list_init(&loop->clients);
    loop->deferred_tail = &loop->deferred;
    *out = loop;
    return POND_OK;
}

pond_loop *pond_loop_retain(pond_loop *loop)
{
    if (loop)
        pondi_refcount_take(&loop->refs);
    return loop;
}

void pond_loop_release(pond_loop *loop)
{
    if (!loop || !pondi_refcount_drop(&loop->refs))
        return;
    pond_loop_close(loop);
    pondi_loop_unhold(loop);
}

void pondi_loop_hold(pond_loop *loop)
{
    pondi_refcount_take(&loop->holds);
}

void pondi_loop_unhold(pond_loop *loop)
{
    if (!pondi_refcount_drop(&loop->holds) || loop->process != pondi_process_generation())
        return; /* a child's copy of the lock may be held by a thread that it does not have */
    pthread_mutex_destroy(&loop->lock);
    pondi_loop_thread_free(loop->thread);
    pondi_free(loop);
}

/* ---- Close ------------------------------------------------------------------------------- */

static int run_messages(pond_loop *loop);

static void close_clients(pond_loop *loop)
{
    pondi_list *node;
    while ((node = pondi_list_pop_front(&loop->clients))) {
        pondi_loop_client *client = PONDI_CONTAINER(node, pondi_loop_client, link);
        client->closing(client);
    }
}

/* Locked. Completions that nobody took are moved to `untaken`, to be released without the lock. */
static void tear_down(pond_loop *loop, pondi_list *untaken)
{
    loop->tearing_down = 1;
    pondi_loop_unattend(loop);
    run_messages(loop);
    close_clients(loop);
    atomic_store(&loop->ended, 1);
    while (atomic_load(&loop->senders)) /* they are about to touch what is closed below */
        sched_yield();
    while (run_messages(loop))
        close_clients(loop); /* those that came meanwhile */
    loop->closed = 1;
    end_uv(loop);
    pondi_list *node;
    while ((node = pondi_list_pop_front(&loop->completions)))
        pondi_list_push_back(untaken, node);
}

static void drop_untaken(pond_loop *loop, pond_op *op)
{
    if (loop->thread)
        pondi_loop_thread_deliver(loop, op);
    else
        pond_op_release(op);
}

void pondi_loop_close_here(pond_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    pondi_waker_free(loop->waker);
    loop->waker = NULL;
    pondi_list untaken;
    pondi_list_init(&untaken);
    if (loop->sleeping && !loop->ending) {
        loop->ending = 1;
        pondi_loop_wake(loop);
    } else if (!loop->closed && !loop->sleeping) {
        tear_down(loop, &untaken);
    }
    pondi_loop_unlock(loop);
    pondi_list *node;
    while ((node = pondi_list_pop_front(&untaken)))
        drop_untaken(loop, PONDI_CONTAINER(node, pond_op, link));
}

void pond_loop_close(pond_loop *loop)
{
    if (!loop || loop->process != pondi_process_generation())
        return;
    if (loop->thread)
        pondi_loop_thread_stop(loop);
    else
        pondi_loop_close_here(loop);
}

void pondi_loop_end(pond_loop *loop)
{
    atomic_fetch_add(&loop->senders, 1);
    atomic_store(&loop->ending, 1);
    if (!atomic_load(&loop->ended))
        pondi_loop_wake(loop);
    atomic_fetch_sub(&loop->senders, 1);
}

int pondi_loop_closed(const pond_loop *loop)
{
    return loop->closed;
}

/* ---- Messages ---------------------------------------------------------------------------- */

/* Returns whether there were any. */
static int run_messages(pond_loop *loop)
{
    int ran = 0;
    for (;;) {
        while (loop->deferred) {
            pondi_message *message = loop->deferred;
            loop->deferred = message->next;
            if (!loop->deferred)
                loop->deferred_tail = &loop->deferred;
            message->run(message);
            ran = 1;
        }
        if (!atomic_load_explicit(&loop->inbox, memory_order_relaxed))
            return ran;
        pondi_message *newest = atomic_exchange(&loop->inbox, NULL);
        pondi_message *oldest = NULL;
        while (newest) {
            pondi_message *next = newest->next;
            newest->next = oldest;
            oldest = newest;
            newest = next;
        }
        while (oldest) {
            pondi_message *next = oldest->next;
            oldest->run(oldest);
            oldest = next;
        }
        ran = 1;
    }
}

/* If nobody is inside the loop, run its messages here. */
static int run_here(pond_loop *loop)
{
    if (pthread_mutex_trylock(&loop->lock))
        return 0;
    loop->nested = 1;
    run_messages(loop);
    pondi_loop_depart(loop); /* they may have begun something that nobody drives */
    return 1;
}

static void push(pond_loop *loop, pondi_message *message)
{
    pondi_message *head = atomic_load_explicit(&loop->inbox, memory_order_relaxed);
    do
        message->next = head;
    while (!atomic_compare_exchange_weak(&loop->inbox, &head, message));
}

static void wake_for_message(pond_loop *loop)
{
    atomic_fetch_add(&loop->senders, 1);
    int asleep_for_good = atomic_load(&loop->ended);
    if (!asleep_for_good)
        pondi_loop_wake(loop);
    atomic_fetch_sub(&loop->senders, 1);
    if (asleep_for_good)
        run_here(loop);
}

void pondi_loop_post(pond_loop *loop, pondi_message *message)
{
    pondi_loop_hold(loop); /* once pushed, the message may be run and let go of the loop */
    push(loop, message);
    /* the thread of a private loop may never come back, and nobody else looks at its descriptor */
    if (!loop->private || atomic_load(&loop->sleeping) || !run_here(loop))
        wake_for_message(loop);
    pondi_loop_unhold(loop);
}

void pondi_loop_hand(pond_loop *loop, pondi_message *message)
{
    pondi_loop_hold(loop);
    push(loop, message);
    if (!run_here(loop))
        wake_for_message(loop);
    pondi_loop_unhold(loop);
}

void pondi_loop_defer(pond_loop *loop, pondi_message *message)
{
    message->next = NULL;
    *loop->deferred_tail = message;
    loop->deferred_tail = &message->next;
}

void pondi_loop_add_client(pond_loop *loop, pondi_loop_client *client)
{
    pondi_list_push_back(&loop->clients, &client->link);
}

void pondi_loop_remove_client(pondi_loop_client *client)
{
    pondi_list_remove(&client->link);
}

/* ---- Lock and unlock --------------------------------------------------------------------- */

int pondi_loop_lock(pond_loop *loop)
{
    if (loop->process != pondi_process_generation())
        return 0;
    pthread_mutex_lock(&loop->lock);
    return 1;
}

int pondi_loop_enter(pond_loop *loop, pond_error **err)
{
    if (!pondi_loop_lock(loop))
        return pondi_error_set(
            err, POND_EMISUSE,
            "this object was made before the process forked: make a new one in the child");
    return pondi_loop_admit(loop, err);
}

int pondi_loop_admit(pond_loop *loop, pond_error **err)
{
    if (loop->closed || loop->ending) {
        pondi_loop_unlock(loop);
        return pondi_error_set(err, POND_ECLOSED, "the event loop of this object is closed");
    }
    if (!loop->owned) {
        loop->owner = pthread_self();
        loop->owned = 1;
    } else if (!loop->thread && !pthread_equal(loop->owner, pthread_self())) {
        pondi_loop_unlock(loop);
        return pondi_error_set(err, POND_EMISUSE,
                               "this belongs to another thread: acquire a connection in each "
                               "thread and use it only there");
    }
    return POND_OK;
}

void pondi_loop_leave(pond_loop *loop)
{
    pondi_loop_unlock(loop);
}

static void set_alarm(pond_loop *loop)
{
    int left_ms = uv_backend_timeout(&loop->uv);
    loop->timers_changed = 0;
    if (left_ms < 0)
        return;
    int64_t due_ns = pondi_now_ns() + (int64_t)left_ms * PONDI_NS_PER_MS;
    if (due_ns >= loop->alarm_ns)
        return;
    /* libuv counts whole milliseconds from its own last look at the clock: one more is never early
     */
    int64_t at_ns = due_ns + PONDI_NS_PER_MS;
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(at_ns / 1000000000),
                                           .tv_nsec = (long)(at_ns % 1000000000)}};
    if (timerfd_settime(loop->alarm, TFD_TIMER_ABSTIME, &when, NULL) == 0)
        loop->alarm_ns = at_ns;
}

/* True while the loop's thread waits for the descriptor, and we are another. */
static int has_sleeper(const pond_loop *loop)
{
    return loop->sleeping && !pthread_equal(loop->owner, pthread_self());
}

/* Run what is pending, and make sure that the next event makes the descriptor readable. */
static void arm_wakeups(pond_loop *loop)
{
    if (run_messages(loop))
        pondi_loop_see_to(loop);
    if (loop->closed)
        return;
    while (loop->watchers_changed) {
        loop->watchers_changed = 0;
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        run_messages(loop);
        /* the turn may have taken a wake-up that the host, or a sleeper, has not seen */
        loop->fresh |= !pondi_list_empty(&loop->completions) || has_sleeper(loop);
    }
    if (loop->timers_changed)
        set_alarm(loop);
    if (loop->fresh && !loop->driven)
        pondi_loop_wake(loop);
    loop->fresh = 0;
    if (loop->waker && loop->driven)
        pondi_waker_arm(loop->waker);
}

/* With calls to be made outside of the lock. */
static void unlock_and_call(pond_loop *loop)
{
    pondi_outside *calls = loop->outside;
    int nested = loop->nested;
    loop->outside = NULL;
    loop->nested = 0;
    pthread_mutex_unlock(&loop->lock);
    pondi_outside_run(calls, nested);
}

void pondi_loop_unlock(pond_loop *loop)
{
    /* A message posted while we held the lock could not be run by its sender: run it here. */
    do {
        arm_wakeups(loop);
        if (loop->outside || loop->nested)
            unlock_and_call(loop);
        else
            pthread_mutex_unlock(&loop->lock);
    } while (atomic_load(&loop->inbox) && pthread_mutex_trylock(&loop->lock) == 0);
}

/* ---- Run --------------------------------------------------------------------------------- */

void pondi_loop_turn(pond_loop *loop)
{
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    run_messages(loop);
}

int pondi_loop_sleep(pond_loop *loop, int64_t deadline_ns, pond_error **err)
{
    int64_t left_ms = pondi_remaining_ms(deadline_ns);
    if (left_ms == 0)
        return POND_EAGAIN;
    struct pollfd descriptor = {.fd = uv_backend_fd(&loop->uv), .events = POLLIN};
    int driven = loop->driven;
    loop->driven = 0; /* another thread that completes something now must wake us */
    loop->fresh = 0;
    loop->sleeping = 1;
    pondi_loop_unlock(loop);
    int ready = 0;
    if (!atomic_load(&loop->ending)) /* else the wake-up may be spent already */
        ready = poll(&descriptor, 1, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);
    int interrupted = ready < 0 && errno == EINTR;
    pthread_mutex_lock(&loop->lock);
    loop->sleeping = 0;
    loop->driven = driven;
    if (!loop->ending)
        return interrupted ? POND_EAGAIN : POND_OK;
    pondi_loop_unlock(loop);
    pondi_loop_close_here(loop);
    pthread_mutex_lock(&loop->lock);
    return pondi_error_set(err, POND_ECLOSED, "the event loop was closed during the call");
}

/* As pondi_loop_enter(), for the calls of hosts that drive the loop themselves. */
static int enter_to_drive(pond_loop *loop, pond_error **err)
{
    int code = PONDI_GIVEN(err, loop);
    if (!code)
        code = pondi_loop_enter(loop, err);
    if (code || !loop->thread || pondi_loop_thread_is_here(loop))
        return code;
    pondi_loop_leave(loop);
    return pondi_error_set(err, POND_EMISUSE, "this event loop is already driven by a thread");
}

int pond_loop_fd(const pond_loop *loop)
{
    return loop ? uv_backend_fd(&loop->uv) : -1;
}

int pond_loop_timeout_ms(pond_loop *loop)
{
    if (enter_to_drive(loop, NULL))
        return -1;
    int left_ms = pondi_list_empty(&loop->completions) ? uv_backend_timeout(&loop->uv) : 0;
    pondi_loop_leave(loop);
    return left_ms;
}

int pond_loop_run_nowait(pond_loop *loop, pond_error **err)
{
    int code = enter_to_drive(loop, err);
    if (code)
        return code;
    loop->driven = 1;
    pondi_loop_turn(loop);
    pondi_loop_leave(loop);
    return POND_OK;
}

int pond_loop_run(pond_loop *loop, int64_t timeout_ms, pond_error **err)
{
    int code = enter_to_drive(loop, err);
    if (code)
        return code;
    int64_t deadline_ns = pondi_deadline_ns(timeout_ms);
    loop->driven = 1;
    while (!code && pondi_list_empty(&loop->completions)) {
        pondi_loop_turn(loop);
        if (!pondi_list_empty(&loop->completions))
            break;
        code = atomic_exchange(&loop->called, 0) ? POND_EAGAIN
                                                 : pondi_loop_sleep(loop, deadline_ns, err);
    }
    pondi_loop_leave(loop);
    return code;
}

void pond_loop_wake(pond_loop *loop)
{
    if (!loop || loop->process != pondi_process_generation())
        return;
    atomic_fetch_add(&loop->senders, 1);
    atomic_store(&loop->called, 1);
    if (!atomic_load(&loop->ended))
        pondi_loop_wake(loop);
    atomic_fetch_sub(&loop->senders, 1);
}

/* The host may run its own loop from inside what it does with an operation that it was given. So
 * the descriptor is readable as long as there are more, and becomes so with what completes from
 * then on. With the last of them that is taken back, or the host would be woken for nothing. */
pond_op *pond_loop_next(pond_loop *loop)
{
    if (enter_to_drive(loop, NULL))
        return NULL;
    pondi_list *node = pondi_list_pop_front(&loop->completions);
    loop->driven = 0;
    if (!pondi_list_empty(&loop->completions))
        loop->fresh = 1;
    else if (atomic_load(&loop->woken))
        sleep_again(loop);
    pondi_loop_leave(loop);
    return node ? PONDI_CONTAINER(node, pond_op, link) : NULL;
}

int pond_loop_set_wake(pond_loop *loop, void (*wake)(void *data), void *data, pond_error **err)
{
    int code = enter_to_drive(loop, err);
    if (code)
        return code;
    pondi_waker_free(loop->waker);
    loop->waker = NULL;
    if (wake)
        code = pondi_waker_new(uv_backend_fd(&loop->uv), wake, data, &loop->waker, err);
    if (loop->waker)
        pondi_waker_arm(loop->waker);
    pondi_loop_leave(loop);
    return code;
}

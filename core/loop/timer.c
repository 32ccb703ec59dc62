#include "loop/timer.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "loop/internal.h"

/* Deadlines move later with every statement and rarely come: libuv's timer is left where it is and
 * looked at again when it fires, so that a start or stop usually costs nothing. */
struct pondi_timer {
    uv_timer_t handle;
    pond_loop *loop;
    void (*fire)(void *data);
    void *data;
    int64_t wanted_ns; /* PONDI_NEVER: stopped */
    int64_t set_ns;    /* where libuv's timer is; PONDI_NEVER: nowhere */
};

static void on_timer(uv_timer_t *handle);

static void set(pondi_timer *timer, int64_t deadline_ns)
{
    timer->set_ns = deadline_ns;
    uv_update_time(&timer->loop->uv);
    uv_timer_start(&timer->handle, on_timer, (uint64_t)pondi_remaining_ms(deadline_ns), 0);
    timer->loop->timers_changed = 1;
}

static void on_timer(uv_timer_t *handle)
{
    pondi_timer *timer = handle->data;
    timer->set_ns = PONDI_NEVER;
    timer->loop->timers_changed = 1;
    if (timer->wanted_ns == PONDI_NEVER)
        return;
    if (timer->wanted_ns > pondi_now_ns()) {
        set(timer, timer->wanted_ns);
        return;
    }
    timer->wanted_ns = PONDI_NEVER;
    timer->fire(timer->data);
}

int pondi_timer_new(pond_loop *loop, void (*fire)(void *data), void *data, pondi_timer **out,
                    pond_error **err)
{
    pondi_timer *timer = pondi_calloc(1, sizeof(*timer));
    *out = timer;
    if (!timer)
        return pondi_error_nomem(err);
    uv_timer_init(&loop->uv, &timer->handle);
    timer->handle.data = timer;
    timer->loop = loop;
    timer->fire = fire;
    timer->data = data;
    timer->wanted_ns = PONDI_NEVER;
    timer->set_ns = PONDI_NEVER;
    return POND_OK;
}

void pondi_timer_start(pondi_timer *timer, int64_t deadline_ns)
{
    timer->wanted_ns = deadline_ns;
    if (deadline_ns < timer->set_ns)
        set(timer, deadline_ns);
}

void pondi_timer_stop(pondi_timer *timer)
{
    timer->wanted_ns = PONDI_NEVER;
}

static void on_close(uv_handle_t *handle)
{
    pondi_free(handle->data);
}

void pondi_timer_free(pondi_timer *timer)
{
    if (!timer)
        return;
    timer->wanted_ns = PONDI_NEVER;
    uv_close((uv_handle_t *)&timer->handle, on_close);
    timer->loop->watchers_changed = 1; /* a turn is needed to free it */
}

/* A host with a libuv loop of its own: millpond's is one more uv_poll_t on it. */
#include <stdio.h>
#include <uv.h>

#include "job.h"

typedef struct host {
    pond_loop *loop;
    job *work;
    uv_poll_t poll;
    uv_timer_t ticker;
    int ticks;
} host;

static void go_on(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events;
    host *self = handle->data;
    pond_op *op;
    int done = 0;
    pond_loop_run_nowait(self->loop, NULL);
    while ((op = pond_loop_next(self->loop)))
        done = job_step(self->work, op);
    if (done) {
        uv_close((uv_handle_t *)&self->poll, NULL);
        uv_close((uv_handle_t *)&self->ticker, NULL);
    }
}

static void tick(uv_timer_t *handle)
{
    host *self = handle->data;
    self->ticks++;
}

int main(int argc, char **argv)
{
    host self = {0};
    uv_loop_t *loop = uv_default_loop();
    if (pond_loop_new(&self.loop, NULL))
        return 1;
    self.poll.data = self.ticker.data = &self;
    uv_poll_init(loop, &self.poll, pond_loop_fd(self.loop));
    uv_poll_start(&self.poll, UV_READABLE, go_on); /* on Linux timers make it readable, too */
    uv_timer_init(loop, &self.ticker);
    uv_timer_start(&self.ticker, tick, 1, 10);
    self.work = job_start(self.loop, argc, argv);
    uv_run(loop, UV_RUN_DEFAULT);
    printf("libuv's timer ran %s\n", self.ticks ? "between the answers" : "never");
    job_end(self.work);
    pond_loop_release(self.loop);
    return uv_loop_close(loop) ? 1 : 0;
}

/* A host with a GLib main loop: millpond's loop as a GSource. */
#include <glib.h>
#include <stdio.h>

#include "job.h"

typedef struct pond_source {
    GSource source; /* first */
    GPollFD ready;
    pond_loop *loop;
    job *work;
    GMainLoop *main;
} pond_source;

static gboolean prepare(GSource *base, gint *timeout)
{
    pond_source *self = (pond_source *)base;
    *timeout = pond_loop_timeout_ms(self->loop);
    return *timeout == 0;
}

static gboolean is_due(GSource *base)
{
    pond_source *self = (pond_source *)base;
    return self->ready.revents || pond_loop_timeout_ms(self->loop) == 0;
}

static gboolean dispatch(GSource *base, GSourceFunc callback, gpointer data)
{
    (void)callback;
    (void)data;
    pond_source *self = (pond_source *)base;
    pond_op *op;
    pond_loop_run_nowait(self->loop, NULL);
    while ((op = pond_loop_next(self->loop)))
        if (job_step(self->work, op))
            g_main_loop_quit(self->main);
    return G_SOURCE_CONTINUE;
}

static gboolean tick(gpointer data)
{
    ++*(int *)data;
    return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
    static GSourceFuncs functions = {.prepare = prepare, .check = is_due, .dispatch = dispatch};
    int ticks = 0;
    pond_source *source = (pond_source *)g_source_new(&functions, sizeof(*source));
    if (pond_loop_new(&source->loop, NULL))
        return 1;
    source->main = g_main_loop_new(NULL, FALSE);
    source->ready.fd = pond_loop_fd(source->loop);
    source->ready.events = G_IO_IN;
    g_source_add_poll(&source->source, &source->ready);
    g_source_attach(&source->source, NULL);
    g_timeout_add(10, tick, &ticks);
    source->work = job_start(source->loop, argc, argv);
    g_main_loop_run(source->main);
    printf("GLib's timer ran %s\n", ticks ? "between the answers" : "never");
    job_end(source->work);
    pond_loop_release(source->loop);
    g_main_loop_unref(source->main);
    g_source_destroy(&source->source);
    g_source_unref(&source->source);
    return 0;
}

#include "loop/watcher.h"

#include "base/alloc.h"
#include "base/error.h"
#include "loop/internal.h"

struct pondi_watcher {
    uv_poll_t handle;
    pond_loop *loop;
    void (*ready)(void *data, int events);
    void *data;
    int events; /* asked for */
};

static void on_poll(uv_poll_t *handle, int status, int events)
{
    pondi_watcher *watcher = handle->data;
    if (status < 0) {
        watcher->events = 0; /* libuv stopped it */
        watcher->ready(watcher->data, status);
        return;
    }
    int ready = ((events & UV_READABLE) ? PONDI_READABLE : 0) |
                ((events & UV_WRITABLE) ? PONDI_WRITABLE : 0);
    watcher->ready(watcher->data, ready);
}

int pondi_watcher_new(pond_loop *loop, int fd, void (*ready)(void *data, int events), void *data,
                      pondi_watcher **out, pond_error **err)
{
    pondi_watcher *watcher = pondi_calloc(1, sizeof(*watcher));
    *out = watcher;
    if (!watcher)
        return pondi_error_nomem(err);
    int code = uv_poll_init(&loop->uv, &watcher->handle, fd);
    if (code) {
        pondi_free(watcher);
        *out = NULL;
        return pondi_error_set(err, POND_EINTERNAL, "cannot watch descriptor %d: %s", fd,
                               uv_strerror(code));
    }
    watcher->handle.data = watcher;
    watcher->loop = loop;
    watcher->ready = ready;
    watcher->data = data;
    return POND_OK;
}

int pondi_watcher_set(pondi_watcher *watcher, int events)
{
    if (watcher->events == events)
        return POND_OK;
    int flags =
        (events & PONDI_READABLE ? UV_READABLE : 0) | (events & PONDI_WRITABLE ? UV_WRITABLE : 0);
    int code =
        flags ? uv_poll_start(&watcher->handle, flags, on_poll) : uv_poll_stop(&watcher->handle);
    if (code)
        return POND_EINTERNAL;
    watcher->events = events;
    watcher->loop->watchers_changed = 1;
    return POND_OK;
}

static void on_close(uv_handle_t *handle)
{
    pondi_free(handle->data);
}

void pondi_watcher_free(pondi_watcher *watcher)
{
    if (!watcher)
        return;
    uv_close((uv_handle_t *)&watcher->handle, on_close);
    watcher->loop->watchers_changed = 1; /* a turn is needed to free it */
}

/* One loop for each thread that only ever makes blocking calls. */
#include <pthread.h>

#include "base/error.h"
#include "loop/internal.h"

static pthread_key_t key;
static int key_error;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void release_loop(void *loop)
{
    pond_loop_release(loop);
}

static void make_key(void)
{
    key_error = pthread_key_create(&key, release_loop);
}

/* The loop of a parent process stays with the parent. */
static int usable(pond_loop *loop)
{
    if (!loop || !pondi_loop_lock(loop))
        return 0;
    int closed = loop->closed || loop->ending;
    pondi_loop_unlock(loop);
    return !closed;
}

int pondi_loop_private(pond_loop **out, pond_error **err)
{
    *out = NULL;
    if (pondi_loop_thread_serves_here())
        return pondi_error_set(err, POND_EMISUSE,
                               "this would block the thread of an event loop in its callback: pass "
                               "that loop, or use the function without _wait");
    pthread_once(&once, make_key);
    if (key_error)
        return pondi_error_set(err, POND_ERESOURCES,
                               "the process has no free slot for thread-specific data");
    pond_loop *loop = pthread_getspecific(key);
    if (!usable(loop)) {
        pond_loop_release(loop);
        pthread_setspecific(key, NULL);
        int code = pond_loop_new(&loop, err);
        if (code)
            return code;
        loop->private = 1;
        pthread_setspecific(key, loop);
    }
    *out = loop;
    return POND_OK;
}

int pondi_loop_is_private(const pond_loop *loop)
{
    return loop->private;
}

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

pond_loop *pondi_loop_private(pond_error **err)
{
    pthread_once(&once, make_key);
    if (key_error) {
        pondi_error_set(err, POND_ERESOURCES, "no thread-specific data is left in this process");
        return NULL;
    }
    pond_loop *loop = pthread_getspecific(key);
    if (usable(loop))
        return loop;
    pond_loop_release(loop);
    pthread_setspecific(key, NULL);
    if (pond_loop_new(&loop, err))
        return NULL;
    loop->private = 1;
    pthread_setspecific(key, loop);
    return loop;
}

#include "base/process.h"

static uint32_t generation = 1;             /* written only by the sole thread of a new child */
static _Atomic(pondi_process_lock *) locks; /* all that were ever taken */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void in_child(void)
{
    generation++;
    for (pondi_process_lock *lock = locks; lock; lock = lock->next) {
        pthread_mutex_init(&lock->mutex, NULL);
        lock->forked = 1;
    }
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, in_child);
}

uint32_t pondi_process_generation(void)
{
    pthread_once(&once, watch_forks);
    return generation;
}

static void list(pondi_process_lock *lock)
{
    pthread_once(&once, watch_forks);
    lock->next = locks;
    while (!atomic_compare_exchange_weak(&locks, &lock->next, lock))
        ;
}

int pondi_process_lock_take(pondi_process_lock *lock)
{
    if (!atomic_exchange(&lock->listed, 1))
        list(lock);
    pthread_mutex_lock(&lock->mutex);
    int forked = lock->forked;
    lock->forked = 0;
    return forked;
}

void pondi_process_lock_give(pondi_process_lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

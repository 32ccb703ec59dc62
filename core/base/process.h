/* Which process this is: handles made before a fork must not be used after it. */
#ifndef PONDI_BASE_PROCESS_H
#define PONDI_BASE_PROCESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* Grows by one in every forked child; cheap to read. */
uint32_t pondi_process_generation(void);

/* A lock for what a process has once, in static memory. In a forked child it is free, though
 * another thread of the parent may have held it at that moment. */
typedef struct pondi_process_lock {
    pthread_mutex_t mutex;
    atomic_int listed;
    int forked;
    struct pondi_process_lock *next;
} pondi_process_lock;

#define PONDI_PROCESS_LOCK                 \
    {                                      \
        .mutex = PTHREAD_MUTEX_INITIALIZER \
    }

/* Returns 1 to the first who gets it in a forked child, else 0: what it guards is the parent's. */
int pondi_process_lock_take(pondi_process_lock *lock);
void pondi_process_lock_give(pondi_process_lock *lock);

#endif

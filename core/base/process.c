#include "base/process.h"

#include <pthread.h>

static uint32_t generation = 1; /* written only by the sole thread of a new child */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void in_child(void)
{
    generation++;
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

/* A host without a loop: a thread of the library calls back, and the program's own goes on. */
#include <pthread.h>
#include <stdio.h>

#include "job.h"

typedef struct host {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    job *work;
    int done;
} host;

static void on_completed(void *data, pond_op *op)
{
    host *self = data;
    pthread_mutex_lock(&self->lock);
    while (!self->work) /* job_start() is not back yet */
        pthread_cond_wait(&self->changed, &self->lock);
    self->done = job_step(self->work, op);
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

int main(int argc, char **argv)
{
    host self = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    pond_loop *loop = NULL;
    if (pond_loop_new(&loop, NULL) || pond_loop_start_thread(loop, on_completed, &self, NULL))
        return 1;
    job *work = job_start(loop, argc, argv);
    printf("the program goes on\n");
    pthread_mutex_lock(&self.lock);
    self.work = work;
    pthread_cond_broadcast(&self.changed);
    while (!self.done)
        pthread_cond_wait(&self.changed, &self.lock);
    pthread_mutex_unlock(&self.lock);
    job_end(work);
    pond_loop_release(loop);
    return 0;
}

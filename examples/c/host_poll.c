/* A host with plain poll(): the loop's descriptor is one of those that it waits for anyway. */
#include <poll.h>
#include <stdio.h>

#include "job.h"

/* Do what is ready; 1 when the job is done. */
static int go_on(pond_loop *loop, job *work)
{
    pond_op *op;
    int done = 0;
    pond_loop_run_nowait(loop, NULL);
    while ((op = pond_loop_next(loop)))
        done = job_step(work, op);
    return done;
}

int main(int argc, char **argv)
{
    pond_loop *loop = NULL;
    int turns = 0;
    if (pond_loop_new(&loop, NULL))
        return 1;
    job *work = job_start(loop, argc, argv);
    while (!go_on(loop, work)) {
        /* a server would have its sockets beside it */
        struct pollfd ready = {.fd = pond_loop_fd(loop), .events = POLLIN};
        poll(&ready, 1, pond_loop_timeout_ms(loop));
        turns++;
    }
    printf("poll() returned %s\n", turns ? "between the answers" : "never");
    job_end(work);
    pond_loop_release(loop);
    return 0;
}

/* What the hosts of this folder have done, whatever drives their loop: several statements at once,
 * each on a connection of its own, one of which is stopped in time. */
#ifndef JOB_H
#define JOB_H

#include <millpond/millpond.h>

typedef struct job job;

/* Open the pool that the arguments name (DRIVER DATABASE [KEY=VALUE ...]) and ask for its
 * connections on the loop. Ends the program if that fails. */
job *job_start(pond_loop *loop, int argc, char **argv);

/* Go on with one operation that completed, and release it. Returns 1 when all is done. */
int job_step(job *self, pond_op *op);

/* Close the pool. */
void job_end(job *self);

#endif

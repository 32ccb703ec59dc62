/* The state of one submitted operation, embedded as the first member of what carries its details.
 */
#ifndef PONDI_LOOP_OP_H
#define PONDI_LOOP_OP_H

#include "base/list.h"
#include "base/refcount.h"
#include "millpond/millpond.h"

typedef struct pondi_op_class {
    /* Begin an early end of a pending operation; the loop is locked. It must complete later on. */
    void (*cancel)(pond_op *op);
    /* Let go of what nobody took of the outcome, and free the memory of the whole operation; the
     * error is already gone. */
    void (*destroy)(pond_op *op);
} pondi_op_class;

struct pond_op {
    const pondi_op_class *class;
    pondi_refcount refs;
    int status; /* POND_PENDING until it completes */
    pond_loop *loop;
    pondi_list link; /* in the queue that it waits in, at last in the loop's completions */
    void *user_data;
    pond_error *error;
    pond_result *result;
    pond_connection *connection;
    void (*intercept)(pond_op *op); /* for the core's own operations: called on completion instead
                                       of queueing, loop locked; takes over the core's reference */
    int nudged;                     /* see pondi_op_nudge() */
    uint32_t waiters;               /* threads that wait while another drives the loop */
    uint32_t left;                  /* completed and left to one of them instead of queueing */
};

/* Initialise with one reference, the core's, which goes to the completion queue in the end. */
void pondi_op_init(pond_op *op, const pondi_op_class *class, pond_loop *loop, void *user_data);

/* Complete: takes `error` over (NULL for success or where the code's own text says enough). The
 * loop is locked and `link` is in no list. Once only. */
void pondi_op_complete(pond_op *op, int status, pond_error *error);

/* Let the thread that waits for a pending operation return with POND_EAGAIN, unless the loop has a
 * thread. Locked; `nudged` is set until the submitter takes it back. */
void pondi_op_nudge(pond_op *op);

/* An `intercept` for who waits for the operation and keeps the core's reference. */
void pondi_op_keep(pond_op *op);

/* pond_op_wait() without a limit, but the thread's host may have it cancelled meanwhile. */
int pondi_op_wait_for_end(pond_op *op, pond_error **err);

/* Give the submitter its reference, if it asked for one. Call before anything can complete. */
void pondi_op_hand_out(pond_op *op, pond_op **out);

#endif

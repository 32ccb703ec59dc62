/* What only the files of this folder may know about a loop. */
#ifndef PONDI_LOOP_INTERNAL_H
#define PONDI_LOOP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/refcount.h"
#include "loop/loop.h"
#include "loop/op.h"

typedef struct pondi_waker pondi_waker;
typedef struct pondi_attention pondi_attention;
typedef struct pondi_loop_thread pondi_loop_thread;

struct pond_loop {
    pondi_refcount refs;  /* public handles; with the last the loop closes */
    pondi_refcount holds; /* all who point here, one for `refs`; with the last it is freed */
    uint32_t process;     /* generation of the process that made it */
    pthread_mutex_t lock; /* guards all below but `inbox` */
    pthread_t owner;
    int owned;
    atomic_int closed;
    atomic_int ended;           /* it cannot be woken any more */
    atomic_int senders;         /* threads that may be waking it at this moment */
    int private;                /* of a thread that only makes blocking calls */
    size_t pending;             /* operations that have not completed */
    pondi_attention *attention; /* the keeper drives it meanwhile; or NULL */
    int driven;                 /* inside a call after which the host asks for completions */
    int fresh;                  /* something completed that the host was not told of */
    atomic_int sleeping;        /* its thread waits for the descriptor, unlocked */
    atomic_int called;          /* pond_loop_run() is to return */
    atomic_int ending;          /* closed while sleeping: the sleeper does the work */
    int tearing_down;           /* the keeper is to drive it no more */
    uv_loop_t uv;
    int wake;         /* eventfd: makes the backend descriptor readable */
    atomic_int woken; /* it was written to and not yet read */
    uv_poll_t wake_poll;
    uv_poll_t alarm_poll;
    int alarm;        /* timerfd: makes the backend descriptor readable at the next deadline */
    int64_t alarm_ns; /* what it is set to, PONDI_NEVER if to nothing */
    int watchers_changed;
    int timers_changed;
    pondi_list completions;
    pondi_list clients;
    _Atomic(pondi_message *) inbox; /* newest first */
    pondi_message *deferred;
    pondi_message **deferred_tail;
    pondi_outside *outside;    /* calls to be made once it is unlocked, in order */
    int nested;                /* by who may be inside another loop: they are made elsewhere */
    pondi_waker *waker;        /* of hosts that cannot poll; or NULL */
    pondi_loop_thread *thread; /* the library's own that drives it; or NULL */
};

/* Close on the loop's thread, or where nobody is inside it. Not locked. */
void pondi_loop_close_here(pond_loop *loop);

/* Do what is ready: I/O, timers, messages. Locked. */
void pondi_loop_turn(pond_loop *loop);

/* Make the descriptor readable, for whoever waits for it. Locked, or counted in `senders`. */
void pondi_loop_wake(pond_loop *loop);

/* Make the descriptor tell everything that is to come, then unlock. */
void pondi_loop_unlock(pond_loop *loop);

/* Wait, unlocked, until something is ready or `deadline_ns` has passed; POND_EAGAIN when it has, or
 * when a signal came; POND_ECLOSED when the loop was closed. Locked before and after. */
int pondi_loop_sleep(pond_loop *loop, int64_t deadline_ns, pond_error **err);

/* Have the thread that sleeps in the loop, or is about to, close it. Not locked, and waits for
 * nobody. The caller has a handle. */
void pondi_loop_end(pond_loop *loop);

/* The loop is closing: the keeper lets go of it. Locked. */
void pondi_loop_unattend(pond_loop *loop);

/* Make calls in order, each in a thread of its own if `nested`. No loop is locked otherwise. */
void pondi_outside_run(pondi_outside *calls, int nested);

/* The thread that tells a host of readiness, see pond_loop_set_wake(). */
int pondi_waker_new(int fd, void (*wake)(void *data), void *data, pondi_waker **out,
                    pond_error **err);
void pondi_waker_arm(pondi_waker *waker);
void pondi_waker_free(pondi_waker *waker);

/* ---- Loops with a thread of the library's own (thread.c); the first three locked ---------- */

/* Whether the caller is the thread that drives the loop. */
int pondi_loop_thread_is_here(const pond_loop *loop);

/* Whether the caller is such a thread, of any loop; needs no lock. */
int pondi_loop_thread_serves_here(void);

/* Tell those who wait for an operation that one has completed. */
void pondi_loop_thread_tell(pond_loop *loop);

/* Wait, unlocked meanwhile, until the operation has completed or the loop is closed: POND_OK; or
 * until the deadline: POND_EAGAIN. */
int pondi_loop_thread_wait(pond_op *op, int64_t deadline_ns);

/* Ask the thread to close the loop and end, and wait until it has, unless it is the caller. */
void pondi_loop_thread_stop(pond_loop *loop);

/* Hand over an operation that completed, on the loop's thread. */
void pondi_loop_thread_deliver(pond_loop *loop, pond_op *op);

void pondi_loop_thread_free(pondi_loop_thread *thread);

#endif

/* The library's own thread, for what no host drives. */
#ifndef PONDI_LOOP_KEEPER_H
#define PONDI_LOOP_KEEPER_H

#include "millpond/millpond.h"

/* The loop that this thread runs, started on first use. Any thread. It is held for the caller, who
 * ends that with pondi_loop_unhold(): the process may end, and close it, at any time. NULL with an
 * error: POND_ENOMEM, POND_ERESOURCES, the latter also once the process is ending. */
pond_loop *pondi_loop_keeper(pond_error **err);

/* Have this thread, and those of pondi_thread_run(), end before what was set up in this process
 * until now is torn down at its end; they may use that. Any thread, any number of times. */
void pondi_threads_end_before_exit(void);

/* If the loop, which is locked, is a thread's private one and operations are under way in it, the
 * keeper drives it until they have ended: its thread may never come back. */
void pondi_loop_see_to(pond_loop *loop);

/* See to it, then leave it as pondi_loop_leave() does. */
void pondi_loop_depart(pond_loop *loop);

/* The thread of a private loop, which is locked, is about to work outside it: from here on the
 * keeper runs the loop's timers, until the loop is next slept in. Costs nothing the next time.
 * Where memory is out, they run when the thread comes back. */
void pondi_loop_attend(pond_loop *loop);

/* Somebody elsewhere waits for what is under way in this loop, which is locked: until no client of
 * it is busy any more the keeper drives it too, since its host's thread may be blocked, perhaps in
 * that very wait. The host is told of completions all the same. */
void pondi_loop_tend(pond_loop *loop);

#endif

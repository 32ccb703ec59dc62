/* The private event loop: what the rest of the core may do with a pond_loop.
 *
 * A loop is guarded by its lock, which is held by whoever is inside it: the host's thread during a
 * call, briefly another thread that hands something over. It is never held while waiting. Order of
 * locks: a loop's, then a pool's; never two loops' at once (post a message instead).
 */
#ifndef PONDI_LOOP_LOOP_H
#define PONDI_LOOP_LOOP_H

#include <stdint.h>

#include "base/list.h"
#include "millpond/millpond.h"

/* Check that the calling thread may use the loop now (not closed, right thread, not a forked child)
 * and lock it. The first caller becomes the loop's thread. */
int pondi_loop_enter(pond_loop *loop, pond_error **err);

/* The same for a loop that is locked, which it is not any more if that fails. */
int pondi_loop_admit(pond_loop *loop, pond_error **err);

/* Run what was deferred, apply pending changes of watchers and timers, then unlock: polling the
 * loop's descriptor is enough from here on. */
void pondi_loop_leave(pond_loop *loop);

/* Lock without the check, for the calls that any thread may make; ended by pondi_loop_leave() too.
 * False, and not locked, in a forked child. */
int pondi_loop_lock(pond_loop *loop);

/* The loop of the calling thread, made on first use and closed with the thread. Not a reference. */
int pondi_loop_private(pond_loop **out, pond_error **err);

/* Whether it is such a loop: its thread only makes blocking calls. */
int pondi_loop_is_private(const pond_loop *loop);

/* Whether a thread of the library drives it, so that operations complete beside the caller. */
int pondi_loop_has_thread(const pond_loop *loop);

/* Keep the struct in memory, for what points to it; unlike a handle this does not keep it open. */
void pondi_loop_hold(pond_loop *loop);
void pondi_loop_unhold(pond_loop *loop);

/* True once the loop is closed; its lock must be held. */
int pondi_loop_closed(const pond_loop *loop);

/* A message to a loop, embedded in what it is about. `run` is called once, with the loop locked, by
 * the thread that is or comes inside the loop; it may free the message. */
typedef struct pondi_message {
    struct pondi_message *next;
    void (*run)(struct pondi_message *message);
} pondi_message;

/* Send a message and wake the host; to a private loop that nobody is inside as by
 * pondi_loop_hand(). Any thread that holds no pool's lock. Messages run in order;
 * those to a closed loop run at once. */
void pondi_loop_post(pond_loop *loop, pondi_message *message);

/* The same, but if nobody is inside the loop, run it here, since the loop's host may be gone or
 * asleep. The caller may be inside another loop, but must hold no pool's lock. */
void pondi_loop_hand(pond_loop *loop, pondi_message *message);

/* Run a message at the next safe point of a loop that is locked here: no frame of a driver or of
 * the event library is then on the stack. */
void pondi_loop_defer(pond_loop *loop, pondi_message *message);

/* A call that must be made with no loop locked, such as a host's callback; embedded. */
typedef struct pondi_outside {
    struct pondi_outside *next;
    void (*run)(struct pondi_outside *call);
} pondi_outside;

/* Make it as soon as the loop, which is locked here, is unlocked: in this thread, or in one of its
 * own if this one may be inside another loop. In order, but for those. */
void pondi_loop_call_outside(pond_loop *loop, pondi_outside *call);

/* Make it in a thread of its own. */
void pondi_call_elsewhere(pondi_outside *call);

/* Something to tear down when the loop closes: embedded, added and removed with the loop locked.
 * `closing` must stop all use of the loop's watchers and timers, and is called without the list
 * position being valid any more. `busy` (or NULL) says whether something is under way that others
 * than the loop's host may be waiting for, see pondi_loop_tend(). */
typedef struct pondi_loop_client {
    pondi_list link;
    void (*closing)(struct pondi_loop_client *client);
    int (*busy)(struct pondi_loop_client *client);
} pondi_loop_client;

void pondi_loop_add_client(pond_loop *loop, pondi_loop_client *client);
void pondi_loop_remove_client(pondi_loop_client *client);

#endif

/* The connections of one config, shared by all loops of the process.
 *
 * Locks: a loop's, then its pool's. A slot's connection is touched only with the lock of the loop
 * that it is attached to; lists and counts only with the pool's lock. A slot that changes loops is
 * detached on the old one, sent as a message, and attached on the new one.
 *
 * Two sides lend from one pool: event loops, up to max_size, and blocking threads, up to
 * sync_max_size. Neither takes the other's places; what is idle, or is opened ahead or checked for
 * nobody, is on neither side, and serves both.
 */
#ifndef PONDI_POOL_POOL_H
#define PONDI_POOL_POOL_H

#include <pthread.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/refcount.h"
#include "driver/config.h"
#include "driver/driver.h"
#include "loop/loop.h"
#include "loop/op.h"
#include "loop/timer.h"
#include "pool/dialer.h"

typedef enum pondi_side {
    PONDI_NEITHER,
    PONDI_ASYNC, /* loops of hosts */
    PONDI_SYNC,  /* the private loops of threads that block */
    PONDI_SIDES,
    /* PONDI_NEITHER for what only serves threads, where the driver's connections do not fit each
     * loop: it takes no place of the other side. */
    PONDI_SYNC_RESTED = PONDI_SIDES
} pondi_side;

typedef enum pondi_reset_mode {
    PONDI_RESET_TOUCHED, /* sessions whose settings a statement may have changed */
    PONDI_RESET_ALWAYS,
    PONDI_RESET_NEVER
} pondi_reset_mode;

/* What the config says of the pool, read once. Durations are PONDI_NEVER where there is none. */
typedef struct pondi_pool_settings {
    uint32_t min_size;
    uint32_t max_size;
    uint32_t sync_max_size;
    int64_t acquire_timeout_ms;
    int64_t connect_timeout_ms;
    int64_t idle_timeout_ns;
    int64_t max_lifetime_ns;
    int64_t keepalive_ns;
    int64_t validate_after_ns;
    int64_t patience_ns;  /* so long a blocked thread in front may be overtaken */
    int64_t reconnect_ns; /* backoff: the first delay is at most this */
    int64_t reconnect_most_ns;
    int fail_fast;
    int retry_unsent;
    uint32_t max_new_fields; /* of entities; 0: as usual */
    uint32_t max_fields;
    pondi_reset_mode reset;
    pond_transaction_verb on_close; /* for transactions that are open when the time is over */
} pondi_pool_settings;

/* A server that cannot be reached; outage.c. */
typedef struct pondi_outage {
    int on;
    uint64_t begun;     /* how many there were */
    uint64_t refused;   /* callers who were told at once */
    uint32_t failures;  /* one after another */
    int64_t retry_ns;   /* nobody tries before */
    int64_t wanted_ns;  /* when a connection was last asked for */
    pond_error *error;  /* the last one; NULL only before the first */
    uint32_t open_most; /* connections that may be opened at once: doubles with each success */
} pondi_outage;

/* An idle connection was found dead: those on no loop, which nobody watches, may have ended with
 * it, or end soon after it (a server that shuts down ends one after another). upkeep.c. */
typedef struct pondi_suspicion {
    int64_t since_ns; /* a connection on no loop that was not heard from since is pinged */
    int64_t again_ns; /* when all of them are suspected once more; 0: never */
} pondi_suspicion;

struct pond_pool {
    pondi_dialer *dialer;
    /* The pool that the program opened: itself, or the one that holds it as the pool of a node.
     * Calls are counted there, and entities' schemas are kept there. Held by the others. */
    pond_pool *family;
    pondi_refcount refs;  /* public handles, leases and operations; with the last the pool ends */
    pondi_refcount holds; /* who points here, one for `refs`; with the last it is freed */
    uint32_t process;
    pond_config *config; /* a frozen copy */
    const pondi_driver *driver;
    char hash[33];
    unsigned twin; /* 0 for the first of those with this hash, which differ in the password */
    pondi_pool_settings settings;
    pondi_call_target target; /* what calls need to know of it */
    pondi_message upkeep_message;
    pond_loop *keeper;            /* its loop, once asked; holds it */
    _Atomic(int64_t) distrust_ns; /* connections opened before are not lent any more */
    atomic_int closed;            /* it was closed, and its last connection is gone */
    atomic_size_t dead_server;    /* the last one that was found dead while others live */

    pthread_mutex_t lock; /* guards all below */
    int closing;
    int shared_opened;
    int upkeep_begun;            /* the keeper was asked */
    struct pondi_branch *upkeep; /* on the keeper's loop; NULL before the keeper came to it */
    pondi_suspicion suspicion;
    void *shared;                    /* the driver's, for all connections */
    pondi_list branches;             /* one for each loop in use */
    pondi_list detached;             /* idle slots on no loop, last used first */
    pondi_list waiters[PONDI_SIDES]; /* acquire operations, oldest first; queue.c */
    uint32_t waiting[PONDI_SIDES];   /* how many */
    struct pondi_acquire *woken;     /* one of them that was told of an idle connection; or NULL */
    pondi_list closers;              /* close operations */
    int64_t left_close_ns;           /* deadline of closers that gave up waiting; for the keeper */
    int left_forced;                 /* its first stage is over */
    pondi_outage outage;
    uint32_t size;
    uint32_t idle;
    uint32_t opening;               /* of `size` */
    uint32_t leaving;               /* out of `size`, but not closed yet */
    uint32_t nodes;                 /* pools of its family that are not closed yet */
    uint32_t held[PONDI_SIDES + 1]; /* `size` and `leaving`, by the side that they are on */
    uint32_t leased[PONDI_SIDES];   /* of these, lent at this moment */
    uint64_t acquired;
    uint64_t released;
    uint64_t timeouts;
    uint64_t errors;
    uint64_t created;
    uint64_t destroyed;
    uint64_t peak_active;
    uint64_t statement_hits; /* of connections that are gone */
    uint64_t statement_misses;
    uint64_t statement_evictions;
    pondi_metrics metrics;   /* says itself what the lock guards */
    pondi_list metrics_link; /* in snapshot.c's list, which has a lock of its own */
    void *attachment;        /* what a layer above keeps per pool; set once */
    void (*attachment_free)(void *attachment);
};

/* A pool's presence on one loop. */
typedef struct pondi_branch {
    pondi_loop_client client;
    pondi_list link;     /* in pool->branches */
    pondi_refcount refs; /* the loop's, messages' and operations' */
    pond_pool *pool;     /* holds it */
    pond_loop *loop;     /* holds it */
    pondi_timer *timer;  /* deadlines of waiters and closers; NULL once the loop is closed */
    int64_t timer_ns;    /* when it fires at the latest */
    pondi_heap waiters;  /* pool's lock: who waits here, by deadline */
    pondi_list slots;    /* all that are attached here */
    pondi_list idle;     /* those that are ready, last used first */
    pondi_message message;
    int message_sent;   /* pool's lock */
    int tasks;          /* pool's lock: what the message asks for */
    pondi_message wake; /* a connection is idle, and who waits longest does so here */
    int wake_sent;      /* pool's lock */
    uint32_t leaving;   /* pool's lock: connections that may need this loop to close */
} pondi_branch;

enum {
    PONDI_BRANCH_PUMP = 1,  /* open connections for waiters */
    PONDI_BRANCH_CLOSE = 2, /* fail waiters, close idle connections */
    PONDI_BRANCH_FORCE = 4, /* end leases: commit what is idle, cancel what runs */
    PONDI_BRANCH_KILL = 8,  /* close every connection now */
    PONDI_BRANCH_END = 16,  /* the last reference is gone: let go of the loop */
    PONDI_BRANCH_FAIL = 32, /* the server is down: tell the waiters */
    PONDI_BRANCH_UPKEEP = 64,
    PONDI_BRANCH_TEND = 128,   /* others wait: get on even if the loop's thread is blocked */
    PONDI_BRANCH_HANG_UP = 256 /* a server is dead: nobody waits for it any more */
};

typedef enum pondi_slot_state {
    PONDI_SLOT_OPENING,
    PONDI_SLOT_IDLE,
    PONDI_SLOT_LEASED,
    PONDI_SLOT_CLEANING, /* between two leases, being checked, or before the end */
    PONDI_SLOT_MOVING    /* between two loops */
} pondi_slot_state;

typedef struct pondi_acquire {
    pond_op op; /* first; its link is in pool->waiters while it waits */
    pond_pool *pool;
    pondi_branch *branch;
    pondi_side side;
    int64_t timeout_ms;
    int64_t deadline_ns;        /* of waiting for a place, unless `whole` */
    int whole;                  /* and of opening: the caller said how long it wants to wait */
    pondi_heap_node timed;      /* in branch->waiters while it waits; pool's lock */
    struct pondi_slot *opening; /* a connection that is being opened or checked on its behalf;
                                   pool's lock */
    int64_t began_ns;           /* when it began to wait; 0 if it did not */
    int blocks;                 /* a thread sleeps until it completes */
    int looks;                  /* and may look for an idle connection itself */
    int checks;                 /* of pond_pool_check(): wants no lease */
} pondi_acquire;

/* One place in the pool, and the physical connection in it. */
typedef struct pondi_slot {
    pondi_list link;      /* in branch->slots or pool->detached; none while between loops */
    pondi_list idle_link; /* in branch->idle */
    pond_pool *pool;      /* holds it */
    pondi_branch *branch; /* NULL while on no loop */
    pondi_conn *conn;     /* NULL if it broke between loops */
    pondi_slot_state state;
    pondi_side side; /* whose place it takes */
    pondi_side born; /* whom it was opened for */
    pond_connection *lease;
    pondi_acquire *opener;  /* whose wait made it open, while it waits; pool's lock */
    pondi_acquire *target;  /* where it is moving to; holds a reference */
    pondi_acquire *checker; /* of pond_pool_check(): waits for its ping; holds a reference */
    int leaving;            /* the message is on its way to the loop that it leaves */
    int fresh;              /* a session that nobody has set up, see pond_connection_is_fresh() */
    pond_session *session;  /* that what is asked on the lease is noted in, a reference; or NULL */
    pondi_attempt attempt;  /* to open it */
    int rested;             /* it was only checked: its place among the idle ones is the last */
    int64_t opened_ns;
    int64_t expires_ns; /* end of its lifetime */
    int64_t idle_ns;    /* since when nobody uses it */
    int64_t seen_ns;    /* when it was last known to work */
    pondi_message message;
} pondi_slot;

/* A lease. */
struct pond_connection {
    pondi_refcount refs;
    pond_pool *pool; /* a reference */
    pond_loop *loop; /* holds it */
    /* NULL once the lease ended; guarded by the loop's lock, but read without it by the last
     * release: seen as NULL, nobody else touches the lease any more. */
    _Atomic(pondi_slot *) slot;
    uint64_t id;
    int64_t acquired_ns;
    int used; /* something was asked of it: it may have a session; guarded by the loop's lock */
    int given_back;        /* by its holder, once; guarded by the loop's lock */
    const void *tag_owner; /* pool's lock */
    void *tag;
};

/* ---- pool.c ---- */
/* Make one, which takes the dialer over. On failure the dialer is the caller's. */
int pondi_pool_new(pond_config *config, pondi_dialer *dialer, pond_pool **out, pond_error **err);
/* Take a reference, unless the last one was given back. */
int pondi_pool_retain_if_alive(pond_pool *pool);
void pondi_pool_hold(pond_pool *pool);
void pondi_pool_unhold(pond_pool *pool);
int pondi_pool_check_process(const pond_pool *pool, pond_error **err);
/* Check the process, then pondi_loop_enter(). */
int pondi_pool_enter(const pond_pool *pool, pond_loop *loop, pond_error **err);
/* Close the idle connections that are on no loop. */
void pondi_pool_close_detached(pond_pool *pool, const char *why);
/* End what runs on the connections to a server that is dead, as if it had hung up. Neither lock. */
void pondi_pool_hang_up(pond_pool *pool, size_t server);
/* The error for who asks for a connection of a pool that closes. Any lock. */
pond_error *pondi_pool_closed_error(const pond_pool *pool);

/* ---- branch.c ---- */
/* Find or make; the loop is locked. Not a reference. */
int pondi_branch_get(pond_pool *pool, pond_loop *loop, pondi_branch **out, pond_error **err);
void pondi_branch_retain(pondi_branch *branch);
void pondi_branch_release(pondi_branch *branch);
/* Have all branches do `tasks`, each with its loop locked. Call without the pool's lock; a loop
 * that is locked by the caller does its share when it is left. */
void pondi_branch_tell_all(pond_pool *pool, int tasks);
/* Send the tasks that branches were given under the pool's lock, which is released meanwhile. */
void pondi_branch_send_tasks(pond_pool *pool);
/* Send one branch its tasks. Call with the pool's lock, which is released meanwhile. */
void pondi_branch_tell(pond_pool *pool, pondi_branch *branch, int tasks);
/* Somebody waits on `here`: see that what is being opened or cleaned on other loops gets on, even
 * if their threads are blocked (perhaps in this very wait). Call without the pool's lock. */
void pondi_branch_tend_others(pond_pool *pool, const pondi_branch *here);
/* Fire at `deadline_ns` or before; loop locked. */
void pondi_branch_aim(pondi_branch *branch, int64_t deadline_ns);

/* ---- settings.c ---- */
void pondi_pool_read_settings(const pond_config *config, pondi_pool_settings *out);

/* ---- slot.c: the life of a slot, and the one place where its state changes ---- */
static inline void pondi_slot_lock(pondi_slot *slot)
{
    pthread_mutex_lock(&slot->pool->lock);
}

static inline void pondi_slot_unlock(pondi_slot *slot)
{
    pthread_mutex_unlock(&slot->pool->lock);
}

/* Pool locked. A slot that becomes idle is on a branch, or goes to the detached ones. */
void pondi_slot_set_state(pondi_slot *slot, pondi_slot_state state);
/* The side of what is on neither, for who is on a side. */
static inline pondi_side pondi_pool_rest(const pond_pool *pool, pondi_side side)
{
    return pool->driver->fits && side == PONDI_SYNC ? PONDI_SYNC_RESTED : PONDI_NEITHER;
}

/* Put it on a side; pool locked. Idle ones are on neither by themselves. */
void pondi_slot_set_side(pondi_slot *slot, pondi_side side);
/* Reserve a place on a side; pool locked, and it has room. NULL when memory is out. */
pondi_slot *pondi_slot_new(pond_pool *pool, pondi_branch *branch, pondi_side side);
/* Make what all connections of the pool share (pool->shared), once. Pool not locked. */
int pondi_pool_open_shared(pond_pool *pool, pond_error **err);
/* Begin to connect; loop locked, pool not. */
void pondi_slot_open(pondi_slot *slot);
/* Lease it out; loop locked. The slot goes back where it came from if that fails. */
int pondi_slot_lease(pondi_slot *slot, int64_t wait_ns, pond_connection **out, pond_error **err);
/* It is not leased any more; pool locked. `now_ns` is of the coarse clock. */
void pondi_slot_end_lease(pondi_slot *slot, int64_t now_ns);
/* Give a clean connection to the next waiter, or keep it; loop locked. */
void pondi_slot_offer(pondi_slot *slot);
/* Keep it idle, unless somebody is to be handed it; loop locked, and pool, to be unlocked with
 * pondi_queue_unlock(). False, and unchanged, if it must be offered. */
int pondi_slot_keep(pondi_slot *slot);
/* Send a connection that is on no loop to the next waiter, or keep it idle; pool not locked. */
void pondi_slot_offer_unattached(pondi_slot *slot);
/* Offer it as soon as no frame of its driver is on the stack. */
void pondi_slot_offer_soon(pondi_slot *slot);
/* Close the connection and free the slot; loop locked, or on no loop. */
void pondi_slot_destroy(pondi_slot *slot, const char *why);
/* Run a request of the core's own on its connection, before all that waits; `done` gets the slot as
 * the user data. */
int pondi_slot_submit(pondi_slot *slot, pondi_call_kind kind, pond_transaction_verb verb,
                      int64_t timeout_ms, void (*done)(pond_op *op), pond_error **err);
/* Part from the waiter that it is prepared for; pool locked. */
pondi_acquire *pondi_slot_part(pondi_slot *slot);

/* Count a connection out that is about to be closed; pool locked. */
void pondi_slot_count_out(pondi_slot *slot);
/* Close it, and tell the pool when it is gone; its loop locked, pool not. */
void pondi_slot_close_conn(pond_pool *pool, pondi_branch *branch, pondi_side side, pondi_conn *conn,
                           const char *why);

/* An attempt to connect, for a slot that is opening, has ended; pool not locked. Takes `error`
 * over, which is NULL if it succeeded. */
void pondi_slot_opened(pondi_slot *slot, pond_error *error);
/* A connection of this slot's was opened; pool locked. */
void pondi_slot_note_opened(pondi_slot *slot);

/* ---- slot_connect.c: server after server, until one takes the connection ---- */
/* A connection that is not open yet, to the first server of a new attempt; NULL with the error.
 * Loop locked, pool not. */
pondi_conn *pondi_slot_make_conn(pondi_slot *slot, pond_error **error);
/* Open it, once it is the slot's: pondi_slot_opened() follows, or pondi_slot_replaced(), maybe
 * within this call. Another connection is the slot's then if the first server failed. */
void pondi_slot_connect(pondi_slot *slot);

/* ---- slot_session.c: the session that a lease belongs to ---- */
/* Have it told of all that is asked from now on; it may be another one's. Loop locked. */
void pondi_slot_join_session(pondi_slot *slot, pond_session *session);
/* A connection of this slot tells it. */
void pondi_slot_track(pondi_slot *slot, pondi_conn *conn);
/* Nothing runs, or will run, for it any more. */
void pondi_slot_leave_session(pondi_slot *slot);

/* ---- slot_replace.c ---- */
/* True if a statement on this slot's lease may go to another connection, should this one be found
 * dead; looks whether it is. Loop locked. */
int pondi_slot_may_replace(pondi_slot *slot);
/* An attempt to connect, for a slot that is leased, has ended; as pondi_slot_opened(). */
void pondi_slot_replaced(pondi_slot *slot, pond_error *error);
/* The `replace` of connections: `owner` is the slot. */
int pondi_slot_replace(void *owner, pondi_request *request);

/* ---- slot_move.c: between loops ---- */
/* Take an idle slot of this branch for a side that has room, else a detached one, else (`any`)
 * another branch's; pool locked. It is MOVING after that. */
pondi_slot *pondi_slot_take_idle(pond_pool *pool, pondi_branch *branch, pondi_side side, int any);
/* Make a slot that was taken usable here; loop locked. It was destroyed if that fails. */
int pondi_slot_arrive(pondi_slot *slot, pondi_branch *branch, pond_error **err);
/* Send it to the loop of a waiter, which is out of the queue already. Its own loop is locked, or it
 * has none. */
void pondi_slot_send(pondi_slot *slot, pondi_acquire *target);
/* Ask the loop that it is on (`from`; NULL for none) to send it. The target's loop is locked. */
void pondi_slot_fetch(pondi_slot *slot, pond_loop *from, pondi_acquire *target);
/* Take it from its loop; what broke meanwhile is closed. Loop locked. */
void pondi_slot_detach(pondi_slot *slot);
void pondi_slot_on_moving(pondi_message *message);

/* ---- slot_return.c: from one lease to the next ---- */
/* A lease ended: clean up what it left, then offer; loop locked. */
void pondi_slot_return(pondi_slot *slot);
/* End a lease by force: commit or roll back or cancel, then close; loop locked. */
void pondi_slot_force(pondi_slot *slot);

/* ---- slot_check.c: does an idle connection still live? ---- */
/* True if it may be lent, as far as can be told without a round trip; loop locked, and it is
 * attached. `now_ns` is of the coarse clock. */
int pondi_slot_is_of_use(pondi_slot *slot, int64_t now_ns);
/* True if it was idle so long that only a round trip can tell. Pool locked. */
int pondi_slot_needs_ping(const pondi_slot *slot, int64_t now_ns);
/* Send one round trip, then offer it to whoever waits; loop locked. */
void pondi_slot_ping(pondi_slot *slot);
/* The same for pond_pool_check(), which is told the outcome. */
void pondi_slot_ping_for(pondi_slot *slot, pondi_acquire *acquire);

/* ---- outage.c: while the server cannot be reached ---- */
/* A connection could not be opened. Pool locked; true if that means that the server is down. */
int pondi_outage_note(pond_pool *pool, const pond_error *error);
/* One was opened. Pool locked. */
void pondi_outage_end(pond_pool *pool);
/* There is a server now, as the owner of the pool knows: do not wait for the next try. Neither
 * lock. */
void pondi_outage_try_now(pond_pool *pool);
/* True if connections may be opened now. Pool locked. */
int pondi_outage_may_open(const pond_pool *pool);
/* True if who asks for a connection now is to be refused, as no connection is left or under way.
 * Pool locked. */
int pondi_outage_refuses(const pond_pool *pool);
/* A copy of the error to refuse them with. Pool locked. */
pond_error *pondi_outage_error(const pond_pool *pool);
/* Refuse the waiters if the outage leaves no connection to wait for. Neither lock. */
void pondi_outage_refuse_waiters(pond_pool *pool);

/* ---- upkeep.c: what happens to idle connections, on the keeper's loop ---- */
/* Have the keeper look after the pool from now on. A loop locked or none, pool not. */
void pondi_upkeep_begin(pond_pool *pool);
/* An idle connection was found dead. Pool locked; nudge it after that. */
void pondi_upkeep_suspect(pond_pool *pool);
/* Have it look at once. Neither lock. */
void pondi_upkeep_nudge(pond_pool *pool);
/* Connections that were opened up to now are not lent any more. Neither lock. */
void pondi_pool_distrust(pond_pool *pool);
/* Do what is due on this branch; loop locked. */
void pondi_upkeep_branch(pondi_branch *branch);
/* The keeper's round; returns when it wants the next. Loop locked. PONDI_NEVER on other loops. */
int64_t pondi_upkeep_round(pondi_branch *branch);

/* ---- queue.c: who waits; pool locked ---- */
/* Connections that a side may have. */
uint32_t pondi_queue_most(const pond_pool *pool, pondi_side side);
/* True if a side may take one more that is idle. */
int pondi_queue_has_room(const pond_pool *pool, pondi_side side);
/* True if a side may open one more: nothing is left for it to take. */
int pondi_queue_may_open(const pond_pool *pool, pondi_side side);
/* True if anybody waits. */
int pondi_queue_is_waited_in(const pond_pool *pool);
/* The older of two waiters, of which either may be NULL. */
pondi_acquire *pondi_queue_older(pondi_acquire *one, pondi_acquire *other);
/* Have it wait no longer than its deadline again, once nothing is opened for it any more. */
void pondi_queue_set_deadline(pondi_acquire *acquire, int64_t deadline_ns);
/* Get in line, at the end or (again) at the front. */
void pondi_queue_push(pond_pool *pool, pondi_acquire *acquire, int in_front);
/* Out of line, wherever it is, and of any connection being opened for it, which goes to someone
 * else. */
void pondi_queue_remove(pondi_acquire *acquire);
/* The same for who is in front, a reference; NULL if nobody is. */
pondi_acquire *pondi_queue_pop(pond_pool *pool);
/* True if who comes now, on this side, may take an idle connection. */
int pondi_queue_lets_pass(const pond_pool *pool, pondi_side side);
/* True if a clean connection is to be left idle, not handed to who is in front. */
int pondi_queue_leaves(const pondi_slot *slot);
/* Who was woken on this branch; NULL if it was served or gave up. */
pondi_acquire *pondi_queue_woken(const pondi_branch *branch);
/* Unlock the pool after connections became idle or waiters came or went: wakes who is in front if
 * something is left for it. */
void pondi_queue_unlock(pond_pool *pool);

/* ---- acquire.c ---- */
/* Let who was woken on this branch have what is idle; loop locked. */
void pondi_acquire_woken(pondi_branch *branch);
/* Give a waiter, out of the queue, its connection; loop locked. */
void pondi_acquire_grant(pondi_acquire *acquire, pondi_slot *slot);
/* Try again for a waiter whose connection got lost on the way; loop locked. */
void pondi_acquire_again(pondi_acquire *acquire);
/* End it with an error; loop locked, and it is in no queue. */
void pondi_acquire_fail(pondi_acquire *acquire, pond_error *error);
/* Put it in line, while `slot`, on its loop, is checked for it; loop locked. */
void pondi_acquire_wait_for(pondi_acquire *acquire, pondi_slot *slot);
/* Open connections for waiters while there is room. `here` is locked, or NULL. */
void pondi_acquire_pump(pond_pool *pool, pondi_branch *here);
/* True if somebody waits on another loop. Pool locked. */
int pondi_acquire_others_wait(const pond_pool *pool, const pondi_branch *branch);
/* Fail the waiters of a branch whose time is over, or all of them with `error` (a copy each);
 * returns the next deadline. */
int64_t pondi_acquire_expire(pondi_branch *branch, const pond_error *error);

/* Acquire for the core itself, the loop locked: `intercept` takes the operation over when it has
 * completed, maybe within this call. *op is no reference. */
int pondi_acquire_within(pond_pool *pool, pond_loop *loop, int64_t timeout_ms,
                         void (*intercept)(pond_op *op), void *user_data, pond_op **op,
                         pond_error **err);

/* ---- close.c ---- */
/* Have the branches of a pool that closes, and of the pools of its nodes, do `tasks`. No pool's
 * lock. */
void pondi_pool_tell_closing(pond_pool *pool, int tasks);
/* Close the pool of a node, or go on with that. No pool's lock. */
void pondi_pool_close_node(pond_pool *pool, int tasks);
/* To be called when a slot went: if it was the last of a pool that closes, forget the pool, and
 * complete the closers. Any lock but the pool's. */
void pondi_close_check(pond_pool *pool);
int64_t pondi_close_expire(pondi_branch *branch);
/* The loop of these closers is going away. */
void pondi_close_abandon(pondi_branch *branch);

/* ---- lease.c ---- */
int pondi_lease_new(pondi_slot *slot, pond_connection **out, pond_error **err);
/* Enter the lease's loop and find the connection; the loop is locked on success. */
int pondi_lease_enter(pond_connection *lease, pondi_conn **out, pond_error **err);
void pondi_lease_leave(pond_connection *lease);
/* Locked: give it back, and drop the caller's reference. */
void pondi_lease_put_back(pond_connection *lease);
/* Bind a request to the lease, right before it is sent on it: it becomes an operation of its loop.
 * Refused by its circuit breaker (POND_ECIRCUITOPEN) it is freed. Entered. */
int pondi_lease_bind(pond_connection *lease, pondi_request *request, void *user_data,
                     pond_error **err);

#endif

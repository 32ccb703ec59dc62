/* What one caller has seen of each cluster: what pond_session is made of.
 *
 * For each cluster there is a position, the maximum of all that are known, and what is pending:
 * something was read or written at a node, and how far that node was is not known yet. A position
 * that the node, or the primary, reports later is an upper bound, and ends that.
 *
 * The notes cannot fail: where memory is out, or positions cannot be merged, the session remembers
 * that something was seen, and what is pending at the primary. It never knows less than was seen.
 *
 * A cluster's key is a text that is the same in all processes, as the system identifier is; a
 * node's key likewise. A node's key of NULL or "" stands for the primary. Times are pondi_now_ns():
 * one that is taken early by the coarse clock would let a report that was asked before the use
 * stand for one asked after it.
 *
 * All functions: any thread.
 */
#ifndef PONDI_TOPOLOGY_SESSION_H
#define PONDI_TOPOLOGY_SESSION_H

#include <pthread.h>

#include "base/refcount.h"
#include "millpond/replicas.h"
#include "topology/position.h"

enum {
    PONDI_SESSION_CLUSTER =
        128,                  /* bytes of a cluster's key, with its NUL; a longer one is hashed */
    PONDI_SESSION_NODE = 128, /* of a node's; a longer one stands for the primary */
    PONDI_SESSION_MOST = 256  /* clusters; what is pending of further ones is at their primary */
};

/* What a session has seen of one cluster. */
typedef struct pondi_seen {
    char cluster[PONDI_SESSION_CLUSTER];
    pondi_position position;
    int pending;
    char node[PONDI_SESSION_NODE]; /* where something is pending; "": at the primary */
    int64_t pending_ns;            /* when the last use of the node was answered */
    struct pondi_seen *next;
} pondi_seen;

struct pond_session {
    pondi_refcount refs;
    pthread_mutex_t lock; /* guards all below */
    uint32_t process;     /* whose lock it is: a forked child makes its own */
    pondi_seen *seen;
    uint32_t count;    /* of them */
    int others;        /* clusters that are not in `seen` were used, too */
    int64_t others_ns; /* when the last of them was */
};

/* A commit at the primary is at `position`; it was asked for at `asked_ns`, and its answer came at
 * `answered_ns`. `whole`: the position names all that the primary had (pondi_position_is_whole()),
 * so it ends what has been pending since before it was asked for. One that is not whole, or NONE,
 * leaves something pending at the primary. Allocates nothing for a known cluster on PostgreSQL. */
void pondi_session_note_position(pond_session *session, const char *cluster,
                                 const pondi_position *position, int whole, int64_t asked_ns,
                                 int64_t answered_ns);

/* Something was read or written at `node`, the answer came at `answered_ns`, and no position is
 * known for it. One lock and one store for a known cluster. */
void pondi_session_note_use(pond_session *session, const char *cluster, const char *node,
                            int64_t answered_ns);

/* `node` reported its position when asked at `asked_ns`; NULL or "": the primary did. If something
 * is pending there (for the primary: anywhere) and its last use was no later than that, the
 * position is merged and nothing is pending any more. Returns whether that was so. */
int pondi_session_resolve(pond_session *session, const char *cluster, const char *node,
                          int64_t asked_ns, const pondi_position *position);

/* What a read of a cluster must see. */
typedef struct pondi_session_wish {
    pondi_position position; /* a copy, which the caller frees */
    int pending;
    char node[PONDI_SESSION_NODE]; /* where something is pending; "": at the primary */
    int64_t pending_ns;
    int known;       /* the session has seen this cluster, or may have */
    uint32_t others; /* how many other clusters it has seen */
} pondi_session_wish;

/* Errors: POND_ENOMEM; then `out` holds nothing to free. */
int pondi_session_needs(pond_session *session, const char *cluster, pondi_session_wish *out,
                        pond_error **err);

/* Let the session have seen what a token says, too. What is pending in it counts from `now_ns`.
 * Errors: POND_EINVAL for what is no token, POND_ENOMEM; the session has at least what it had. */
int pondi_session_merge(pond_session *session, const char *token, size_t size, int64_t now_ns,
                        pond_error **err);

/* ---- For session.c and session_token.c ---------------------------------------------------- */

void pondi_session_lock(pond_session *session);
void pondi_session_unlock(pond_session *session);

/* Let the session have seen what `seen` says, too; its position may be moved out of it. Locked. */
void pondi_session_add(pond_session *session, pondi_seen *seen);

/* Let it have seen clusters that are not named, those in its list maybe among them. Locked. */
void pondi_session_add_others(pond_session *session, int64_t at_ns);

#endif

/* Databases of several nodes: a primary and its replicas.
 *
 * A config whose host is a list names the nodes of one database: host=db1,db2,db3. The library asks
 * each of them what it is. Connections go to the primary, unless a caller asks for one that only
 * reads and says how fresh the answers must be.
 *
 *     pond_session *session = NULL;
 *     pond_session_new(NULL, &session, &err);
 *     pond_acquire_options options = {.struct_size = sizeof(options), .read_only = 1,
 *                                     .consistency = POND_SESSION, .session = session,
 *                                     .timeout_ms = POND_TIMEOUT_DEFAULT};
 *     pond_pool_acquire_with_wait(pool, NULL, &options, &conn, &err);
 *
 * Settings of the config beside those in millpond.h:
 *
 *   consistency (strong)    of read-only leases that say POND_CONSISTENCY_DEFAULT: strong, session,
 *                           eventual, or seconds, which bound how old an answer may be
 *   replica_wait (0.2)      seconds that a read waits for a replica to reach the position of its
 *                           session, before the primary serves it
 *   topology_refresh (5)    seconds between two questions to each node what it is; every 0.25 s
 *                           while reads are routed, or a node does not answer
 *   replica_max_lag (30)    seconds: reads leave out a replica whose data is older, 0 for no limit;
 *                           of several that lag, half at most
 *   fallback_share (0.5)    of pool_max_size and sync_max_size: connections to the primary, besides
 *                           those of the pool, for reads that no replica can serve
 *   primary_reads (no)      the primary serves reads beside the replicas, from a pool of its own
 *   region                  where the program runs: nodes of that region are preferred
 *   node_regions            where the nodes are, in the order of the hosts: eu,eu,us
 *   node_weights (1)        how much of the reads they get: 1,1,0.5
 *
 * A replica has a pool of its own, as large as the config says, whose sessions are read-only.
 */
#ifndef MILLPOND_REPLICAS_H
#define MILLPOND_REPLICAS_H

#include "millpond/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Sessions ---------------------------------------------------------------------------- */

/* A session remembers how far the data was that one caller wrote and read: for each database a
 * position, the highest of all that was seen. A read with the consistency "session" then goes only
 * to a server that has at least this, so that the caller sees its own writes, and never goes back
 * in time. One session stands for one caller: a user's web request, a job. It can be used by
 * several threads and leases at once; each then sees what any of them saw.
 *
 * Its token is the session as text, for a cookie, a header or a message: another process that makes
 * a session of it sees at least as much. A token is made of the characters A-Z a-z 0-9 . _ ~ - and
 * has at most POND_SESSION_TOKEN_MAX of them. It holds no data of the database and no secret, but
 * names servers and positions; it is not signed. Who forges one can only make his own reads slower.
 * A position that is too long for the token (sets of MySQL's GTIDs can be) is not cut: the token
 * then says that the database was seen, and the next reads go to the primary until it has told its
 * position. */
typedef struct pond_session pond_session;

/* The most characters that a token has, without its NUL. */
#define POND_SESSION_TOKEN_MAX 4096

/* Make a session: of a token, or an empty one if `token` is NULL or "". It is destroyed with its
 * last reference. Errors: POND_EINVAL for a text that is no token, or one of a later version of the
 * library. Thread: any. */
POND_API int pond_session_new(const char *token, pond_session **out, pond_error **err);
POND_API pond_session *pond_session_retain(pond_session *session);
POND_API void pond_session_release(pond_session *session);

/* The session as text: what was seen up to now, by finished calls. *out is NUL-terminated; free it
 * with pond_string_free(). A session that has seen nothing has a token, too. Errors: POND_ENOMEM.
 * Thread: any. */
POND_API int pond_session_token(pond_session *session, char **out, pond_error **err);

/* Let the session have seen what a token says, too; for each database the higher position counts.
 * On an error it has at least what it had. Errors: as pond_session_new(). Thread: any. */
POND_API int pond_session_merge(pond_session *session, const char *token, pond_error **err);

/* ---- Leases ------------------------------------------------------------------------------ */

/* How fresh the answers of a read-only lease are. */
typedef enum pond_consistency {
    POND_CONSISTENCY_DEFAULT = 0, /* as the config says */
    POND_STRONG = 1,              /* the primary answers */
    POND_SESSION = 2, /* they show all that the session wrote and read; without a session: strong */
    POND_BOUNDED = 3, /* they are at most max_staleness_ms old */
    POND_EVENTUAL = 4 /* any healthy replica answers */
} pond_consistency;

/* What a lease is for. Zero stands for what pond_pool_acquire() does. */
typedef struct pond_acquire_options {
    uint32_t struct_size; /* sizeof(pond_acquire_options) */
    uint32_t read_only;   /* not 0: the database refuses writes on it, wherever it leads */
    uint32_t consistency; /* of pond_consistency; only for a read_only lease */
    uint32_t reserved;
    int64_t max_staleness_ms; /* for POND_BOUNDED: above 0 */
    int64_t timeout_ms;       /* as of pond_pool_acquire() */
    pond_session *session;    /* that notes what is asked on the lease; or NULL */
} pond_acquire_options;

/* Lease a connection as pond_pool_try_acquire(), pond_pool_acquire() and pond_pool_acquire_wait()
 * do, for what the options say (NULL: none of them); a replica may serve one that only reads. A
 * replica that cannot, and there is no other, leaves it to the primary; pond_pool_nodes() counts
 * that. On a database of one node all leases lead to it. Errors: as theirs; POND_EINVAL for options
 * that make no sense; POND_ENOTSUPPORTED for a read-only lease of a driver that has none.
 * Thread: loop. */
POND_API int pond_pool_try_acquire_with(pond_pool *pool, pond_loop *loop,
                                        const pond_acquire_options *options, pond_connection **out,
                                        pond_error **err);
POND_API int pond_pool_acquire_with(pond_pool *pool, pond_loop *loop,
                                    const pond_acquire_options *options, void *user_data,
                                    pond_op **op, pond_error **err);
POND_API int pond_pool_acquire_with_wait(pond_pool *pool, pond_loop *loop,
                                         const pond_acquire_options *options, pond_connection **out,
                                         pond_error **err);

/* The number of the node that a lease leads to, as in pond_pool_nodes(); -1 for a lease that ended.
 * Thread: any. */
POND_API int pond_connection_node(pond_connection *connection);

/* ---- Nodes ------------------------------------------------------------------------------- */

/* All nodes of a database at one moment. */
typedef struct pond_nodes pond_nodes;

/* One of them. */
typedef struct pond_node {
    uint32_t struct_size; /* set by the caller to sizeof(pond_node) */
    uint32_t is_primary;  /* writes go there */
    uint32_t is_healthy;  /* reads may go there */
    uint32_t reserved;
    const char *address;  /* "db1:5432" */
    const char *region;   /* "" if none is given */
    const char *role;     /* "primary", "replica" or "unknown" */
    const char *problem;  /* why reads do not go there, in words; "" for nothing */
    const char *position; /* how far its data is: an LSN or GTIDs; "" if not known */
    double weight;
    double lag_seconds;        /* its data is at most so old; negative: not known */
    double lag_bytes;          /* of the primary's log, PostgreSQL only; negative: not known */
    double latency_seconds;    /* of the library's own questions; negative: not known */
    double report_age_seconds; /* since it last answered; negative: it never did */
    uint64_t reads;            /* read-only leases that it served */
    uint64_t fallbacks;        /* of these, the primary's for want of a replica */
    uint64_t waits;            /* of these, those that first waited for their session's position */
    uint64_t missed;           /* waits that were in vain */
    uint64_t ejections;        /* how often it was left out for errors or lag */
    uint64_t failures;         /* questions and leases that it failed */
    /* its connections: of the pool for reads, and of the primary those of the pool */
    uint32_t size;
    uint32_t idle;
    uint32_t in_use;
    uint32_t waiting; /* callers */
} pond_node;

/* Take a snapshot, without asking the nodes: what is known. Errors: POND_ENOMEM, POND_EMISUSE after
 * a fork, POND_EINVAL for settings that make no sense. Thread: any. */
POND_API int pond_pool_nodes(pond_pool *pool, pond_nodes **out, pond_error **err);
/* NULL is allowed. Thread: any. */
POND_API void pond_nodes_free(pond_nodes *nodes);
/* How many there are; 0 for NULL. Thread: any. */
POND_API size_t pond_nodes_count(const pond_nodes *nodes);
/* Read one, in the order of the hosts. Its texts live as long as the snapshot. Errors: POND_EINVAL
 * for a number that is too high. Thread: any. */
POND_API int pond_nodes_read(const pond_nodes *nodes, size_t number, pond_node *out,
                             pond_error **err);

#ifdef __cplusplus
}
#endif

#endif

/* The functions that make a database a millpond database.
 *
 * A driver's connection struct begins with a pondi_conn. One request runs on it at a time. All
 * functions are called with the connection's loop locked, and must not block, unless they say so.
 */
#ifndef PONDI_DRIVER_DRIVER_H
#define PONDI_DRIVER_DRIVER_H

#include "base/buffer.h"
#include "driver/config.h"
#include "driver/conn.h"
#include "driver/result.h"

/* A config key that a driver knows besides the common ones. */
typedef struct pondi_driver_option {
    const char *key;
    /* Append what is wrong with `value` to `problem`, or nothing. NULL: any text is right. */
    void (*check)(const char *key, const char *value, pondi_problems *problem);
} pondi_driver_option;

/* Where a config's servers are. Lists are separated by commas, and the last item stands for all
 * beyond; NULL is the client library's default. The texts are freed with pondi_servers_free(). */
typedef struct pondi_servers {
    char *hosts;
    char *addresses; /* instead of looking the hosts up; there are as many servers as these */
    char *ports;
    char *role;   /* see role.h */
    int shuffled; /* each connection begins with another one */
} pondi_servers;

void pondi_servers_free(pondi_servers *servers);

struct pondi_driver {
    const char *name;           /* canonical, lower-case */
    const char *const *aliases; /* ended by NULL; or NULL */
    const char *system;         /* what metrics call it; NULL: the name */
    const char *port;           /* where its servers listen; NULL: it has none */
    pond_dialect dialect;
    int is_file;     /* the database is a file: its URL has no host */
    int any_setting; /* settings beside the common ones and `options` are right, too */
    int takes_runs; /* EXECUTE_MANY goes on with another statement, see pondi_request_enter_run() */
    int needs_timer; /* run_inline() looks at no deadline: only where the keeper runs timers */
    int resets;      /* RESET requests make a session as new; else its connection is replaced */
    const pondi_driver_option *options; /* ended by a NULL key; or NULL */

    /* Check what the config says as a whole; append each problem with pondi_config_problem(). May
     * be NULL. Any thread. */
    void (*check_config)(const pond_config *config, pondi_problems *problems);

    /* Make what all connections of one pool share; may be NULL. Any thread; may do file I/O. */
    int (*shared_open)(pond_config *config, void **shared, pond_error **err);
    void (*shared_close)(void *shared);

    /* Find out where the servers are, as the config and the environment say: once for each pool,
     * before its first connection. Any thread; may do file I/O. NULL: there is one, and the config
     * says all of it. `out` is zeroed. */
    int (*find_servers)(const pond_config *config, pondi_servers *out, pond_error **err);

    /* Allocate the driver's struct, zeroed beyond what it sets itself. The caller fills the
     * pondi_conn. With find_servers, the config names one server: no setting is a list. */
    int (*open)(pond_config *config, void *shared, pondi_conn **out, pond_error **err);

    /* Begin a request: conn->current, its statement already converted and its parameter count
     * checked. The driver calls pondi_conn_finish() once, later or right away. For CONNECT it sets
     * server_version, driver_version and, if it can, role on success. It keeps in_transaction true
     * to the server. */
    void (*start)(pondi_conn *conn, pondi_request *request);

    /* A STREAM or FETCH request that reaches batch_rows rows finishes with result->more set; then
     * only FETCH and END_STREAM requests of the same statement come, until a result without it. A
     * failed request ends the stream, too. Between requests nothing is read from the server. */

    /* Stop the server's work on the current request; it is finished soon after, by POND_ECANCELLED
     * if it did stop, and the connection usable then: nothing of the cancel may reach a later
     * request. Called again every now and then until it is finished. */
    void (*cancel)(pondi_conn *conn, pondi_request *request);

    /* Execute the request in the calling thread, with the loop NOT locked and blocking allowed;
     * fill *result or *error. cancel() may be called meanwhile from another thread. NULL if the
     * driver cannot. */
    void (*run_inline)(pondi_conn *conn, pondi_request *request, pond_result **result,
                       pond_error **error);

    /* Look, without a round trip, whether the server has hung up on an idle connection:
     * pondi_conn_broken() if so. NULL if there is no server. */
    void (*look)(pondi_conn *conn);

    /* Shut the way to the server, which is taken for dead: what runs ends soon, as if the server
     * had hung up. NULL if there is no such way. */
    void (*hang_up)(pondi_conn *conn);

    /* Move between loops, only without a current request: free watchers, or make them on
     * conn->loop. */
    void (*detach)(pondi_conn *conn);
    int (*attach)(pondi_conn *conn, pond_error **err);

    /* Whether an idle connection can be attached to a loop, or to any (NULL). NULL: each can. Any
     * thread, any lock. */
    int (*fits)(const pondi_conn *conn, const pond_loop *loop);

    /* Free what was prepared for a statement. Never while a request runs. */
    void (*statement_free)(pondi_conn *conn, void *prepared);

    /* Close at once and free the struct, whatever state it is in; the current request, if any, was
     * already completed and must not be touched unless the driver holds a reference. Must not
     * block: what needs time happens later, out of sight. Before the struct goes,
     * pondi_conn_dispose(), and after it pondi_conn_gone(). */
    void (*destroy)(pondi_conn *conn);

    const pondi_driver *next; /* of those that were added */
};

#endif

/* Drivers that a program brings itself: its connections run under millpond's pools, deadlines,
 * circuit breakers, statement cache, metrics and leak reports, as those of the built-in drivers do.
 *
 * This header promises less than the others. They are for programs that use a database; this one is
 * for those that extend the library. It may change in any 0.x release, and struct_size alone tells
 * the releases apart. Rebuild a driver with the library that it is for.
 *
 * A driver is a table of callbacks. Most of them get a request, do what it asks of the database,
 * and finish it once with pond_request_finish(), before they return or later, from any thread. A
 * connection gets its next request only after that. No lock of the library is held during a
 * callback, so callbacks may take locks of their own, and may make any call of the library except
 * those that would wait for the same connection.
 */
#ifndef MILLPOND_DRIVER_H
#define MILLPOND_DRIVER_H

#include "millpond/millpond.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One thing asked of one connection. A callback's pointer is valid until the request is finished;
 * it never becomes invalid before, even if the connection is closed meanwhile. */
typedef struct pond_request pond_request;

/* What a request asks for. */
typedef enum pond_request_verb {
    POND_REQUEST_OPEN = 0,
    POND_REQUEST_EXECUTE = 1,
    POND_REQUEST_EXECUTE_MANY = 2,
    POND_REQUEST_STREAM = 3,
    POND_REQUEST_FETCH = 4,
    POND_REQUEST_END_STREAM = 5,
    POND_REQUEST_TRANSACTION = 6,
    POND_REQUEST_PING = 7,
    POND_REQUEST_RESET = 8
} pond_request_verb;

/* How a driver's callbacks are called. */
typedef enum pond_driver_flag {
    /* No callback blocks: each begins its work and returns, and the request is finished later.
     * Without this flag callbacks may block, and are called in the thread of the caller if that
     * blocks, else in a thread that the library keeps for the connection. */
    POND_DRIVER_ASYNC = 1,
    /* A connection belongs to the event loop that it was opened on. Only requests from there reach
     * it, and callbacks for it must not block. Connections that are opened for threads that make
     * blocking calls move among those threads, and callbacks for them may block. */
    POND_DRIVER_PINNED = 2,
    /* The configuration may have any settings; without it only common ones and `options`. */
    POND_DRIVER_ANY_SETTING = 4
} pond_driver_flag;

/* What pond_driver_register() needs to know. Set struct_size to sizeof(pond_driver) and the rest to
 * 0 where nothing is to be said. The texts are copied. */
typedef struct pond_driver {
    uint32_t struct_size;
    uint32_t flags;      /* pond_driver_flag */
    const char *name;    /* as in pond_config_new(); also the scheme of its URLs */
    const char *aliases; /* more names and schemes, separated by spaces; or NULL */
    const char *options; /* settings beside the common ones, separated by spaces; or NULL */
    const char *system;  /* what metrics call it; NULL: the name */
    uint32_t dialect;    /* pond_dialect: how ? is spelled, and what the SQL means */
    uint32_t features;   /* POND_CAN_*, of all its databases */
    uint32_t port;       /* where its servers listen; 0: it has none */
    uint32_t reserved;   /* 0 */
    void *data;          /* the driver's own: see pond_request_driver_data() */

    /* Connect to the database of pond_request_config(). Give the connection to
     * pond_request_opened() before finishing. */
    void (*open)(pond_request *request);
    /* Execute pond_request_sql() with the parameters of pond_request_params(). */
    void (*execute)(void *connection, pond_request *request);
    /* Execute it for each row of parameters, all or nothing. NULL: POND_ENOTSUPPORTED. */
    void (*execute_many)(void *connection, pond_request *request);
    /* As `execute`, but finish with the first pond_request_batch_rows() rows, and with
     * pond_result_set_more() on them if there are others. Only `fetch` and `end_stream` follow
     * then, until a batch without it, or an error. NULL: POND_ENOTSUPPORTED. */
    void (*stream)(void *connection, pond_request *request);
    void (*fetch)(void *connection, pond_request *request);
    void (*end_stream)(void *connection, pond_request *request);
    /* Begin, commit or roll back, as pond_request_transaction() says. */
    void (*transaction)(void *connection, pond_request *request);
    /* See that the connection works. NULL: it is taken for granted. */
    void (*ping)(void *connection, pond_request *request);
    /* Make the session as new. NULL: a connection whose session was changed is closed. */
    void (*reset)(void *connection, pond_request *request);
    /* Make the database stop a request, which is finished soon after: with POND_ECANCELLED if its
     * work was stopped. Called from any thread, again every few milliseconds until the request is
     * finished. After 700 ms the caller gets its error, and the connection is closed.
     * `connection` is NULL while it is opened. Must not block. */
    void (*interrupt)(void *connection, pond_request *request);
    /* Close a connection and free it. Last of all, once its other callbacks have returned; only
     * with POND_DRIVER_ASYNC, or for a loop's connection with POND_DRIVER_PINNED, a request may be
     * unfinished: the driver finishes it soon after, and its outcome is ignored. */
    void (*close)(void *connection);
    /* Free what pond_request_set_prepared() was given, before the connection's next callback.
     * `connection` is NULL if it was closed before. NULL: nothing is to be freed. */
    void (*free_prepared)(void *connection, void *prepared);
} pond_driver;

/* Make a driver known to this process, for good: configurations, URLs and pools know its name from
 * then on. Errors: POND_EINVAL if a name is taken, or something is missing or unknown; POND_ENOMEM.
 * Thread: any. */
POND_API int pond_driver_register(const pond_driver *driver, pond_error **err);

/* Let a configuration carry something of the program's own to the driver's `open`. Pools of equal
 * settings share one pool, whose first opener's data it keeps. `release` (or NULL) is called once
 * nothing has it any more, by any thread. Errors: POND_EINVAL, POND_EMISUSE for the config of a
 * pool, POND_ENOMEM; `release` is not called then. Thread: one at a time. */
POND_API int pond_config_set_data(pond_config *config, void *data, void (*release)(void *data),
                                  pond_error **err);

/* What pond_config_set_data() was given; NULL without. Thread: any. */
POND_API void *pond_config_data(const pond_config *config);

/* ---- What a request asks ----------------------------------------------------------------- */

/* All of these may be called on any thread until the request is finished, and return NULL or 0
 * where they do not fit its verb. */

/* What is asked. Thread: any. */
POND_API pond_request_verb pond_request_verb_of(const pond_request *request);

/* pond_driver.data. Thread: any. */
POND_API void *pond_request_driver_data(const pond_request *request);

/* The pool's configuration; borrowed. Thread: any. */
POND_API const pond_config *pond_request_config(const pond_request *request);

/* A setting's text, "password" too; NULL if it is unset. Borrowed. Thread: any. */
POND_API const char *pond_request_setting(const pond_request *request, const char *key);

/* The event loop that the connection is on; borrowed. Thread: any. */
POND_API pond_loop *pond_request_loop(const pond_request *request);

/* True if a thread waits for the request, or for the connection, with a blocking call. Thread: any.
 */
POND_API int pond_request_blocks(const pond_request *request);

/* The statement in the driver's dialect, NUL-terminated, with its tags as a comment. Thread: any.
 */
POND_API const char *pond_request_sql(const pond_request *request, size_t *size);

/* The same with ? placeholders, as the caller wrote it, for drivers that convert it themselves; not
 * NUL-terminated. Thread: any. */
POND_API const char *pond_request_written_sql(const pond_request *request, size_t *size);

/* True if it is a step of an entity call: the library reads its rows by the names of their columns.
 * Thread: any. */
POND_API int pond_request_is_step(const pond_request *request);

/* The parameters in the order of their placeholders, row after row; *rows is 1 but for
 * POND_REQUEST_EXECUTE_MANY. Borrowed. Thread: any. */
POND_API const pond_value *pond_request_params(const pond_request *request, size_t *rows,
                                               size_t *columns);

/* How many rows a batch of a stream has. Thread: any. */
POND_API size_t pond_request_batch_rows(const pond_request *request);

/* Whether to begin, to commit or to roll back. Thread: any. */
POND_API pond_transaction_verb pond_request_transaction(const pond_request *request);

/* What the driver keeps for the connection's statement, which the statement cache holds; NULL
 * before it was set. Thread: any. */
POND_API void *pond_request_prepared(const pond_request *request);

/* Have it kept until the statement leaves the cache; then `free_prepared` is called. Thread: any.
 */
POND_API void pond_request_set_prepared(pond_request *request, void *prepared);

/* ---- How it ends ------------------------------------------------------------------------- */

/* The connection of POND_REQUEST_OPEN, which must not be NULL, and the versions of server and
 * driver (or NULL), which are copied. It is closed if the request was given up meanwhile. Only the
 * first call for a request counts, and none for other verbs. Thread: any. */
POND_API void pond_request_opened(pond_request *request, void *connection,
                                  const char *server_version, const char *driver_version);

/* Whether a transaction is open now; call it before finishing whatever may have changed that.
 * Without it POND_REQUEST_TRANSACTION that succeeds has begun or ended one. Thread: any. */
POND_API void pond_request_set_in_transaction(pond_request *request, int open);

/* The connection is lost, or in an unknown state: it is closed after this request. Thread: any. */
POND_API void pond_request_set_broken(pond_request *request);

/* Finish: once, from any thread. `result` (NULL: no rows) and `error` (NULL: success) are taken
 * over. The request must not be used after that. Never blocks. Thread: any. */
POND_API void pond_request_finish(pond_request *request, pond_result *result, pond_error *error);

/* Make an error. Its message is copied; NULL stands for the code's own text, as in
 * pond_error_text(). A `sqlstate` that does not have 5 characters counts as NULL, and a code that
 * is no error of the library as POND_EINTERNAL; so does POND_EAGAIN, which means that an operation
 * goes on. Never NULL. Thread: any. */
POND_API pond_error *pond_error_make(int code, const char *sqlstate, const char *message);

/* ---- Statements that the program runs ---------------------------------------------------- */

/* Begin a statement on a connection of a registered driver that the program runs itself, instead of
 * the driver's `execute`: it is admitted by the circuit breaker, timed, counted and logged as
 * others are, and `interrupt` is called if it is to stop. The program ends it with
 * pond_request_finish(). `sql` is only looked at. Errors: those of pond_connection_execute() before
 * anything is sent; POND_ENOTSUPPORTED for other drivers, POND_EMISUSE while another statement
 * runs. Thread: loop. */
POND_API int pond_connection_hold(pond_connection *connection, const char *sql, size_t sql_size,
                                  const pond_execute_options *options, pond_request **out,
                                  pond_error **err);

/* What the driver gave to pond_request_opened(); NULL for other drivers, and for a connection that
 * was given back. Thread: loop. */
POND_API void *pond_connection_host(pond_connection *connection);

/* Tell of a transaction that the program began or ended itself. Errors: POND_ESTALE, POND_EMISUSE.
 * Thread: loop. */
POND_API int pond_connection_set_in_transaction(pond_connection *connection, int open,
                                                pond_error **err);

/* ---- Results ----------------------------------------------------------------------------- */

/* Make a result with these columns and no rows. Errors: POND_ENOMEM, POND_EINVAL. Thread: any. */
POND_API int pond_result_make(size_t column_count, const char *const *names, pond_result **out,
                              pond_error **err);

/* Add a row to a result that was made so and that the caller has not read; the values are copied.
 * Errors: POND_ENOMEM, POND_EINVAL. Thread: any, one at a time. */
POND_API int pond_result_add_row(pond_result *result, const pond_value *values, pond_error **err);

/* How many rows a statement changed (-1: unknown), and the last number that it generated (0: none).
 * Thread: as above, also below. */
POND_API void pond_result_set_counts(pond_result *result, int64_t affected, int64_t last_id);

/* The batch of a stream after which more rows come. Thread: any. */
POND_API void pond_result_set_more(pond_result *result, int more);

/* Make a result around an object of the host, such as rows of its own language, which C does not
 * look into: it has no columns and no rows for C. `release` (or NULL) is called with the object
 * when the result is freed with it, by any thread. Errors: POND_ENOMEM, POND_EINVAL; `release` is
 * not called then. Thread: any. */
POND_API int pond_result_of_host(void *object, void (*release)(void *object), pond_result **out,
                                 pond_error **err);

/* The object, which is the caller's from then on; NULL if the result is none of those, or gave it
 * away. Thread: any, one at a time. */
POND_API void *pond_result_take_host(pond_result *result);

#ifdef __cplusplus
}
#endif

#endif /* MILLPOND_DRIVER_H */

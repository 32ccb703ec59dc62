/* millpond: PostgreSQL, MySQL/MariaDB and SQLite through one pooled, asynchronous interface.
 *
 * A program makes a config, opens the pool of that config, acquires a connection, executes
 * statements and gives the connection back:
 *
 *     pond_config *config = NULL; pond_pool *pool = NULL; pond_connection *conn = NULL;
 *     pond_result *result = NULL; pond_error *err = NULL;
 *     pond_config_new("sqlite", &config, &err);
 *     pond_config_set(config, "database", "app.db", &err);
 *     pond_pool_open(config, &pool, &err);
 *     pond_pool_acquire_wait(pool, NULL, POND_TIMEOUT_DEFAULT, &conn, &err);
 *     pond_connection_execute_wait(conn, "SELECT 1", 8, NULL, 0, NULL, &result, &err);
 *
 * Conventions, true of every function unless its comment says otherwise:
 *
 * Results.   Functions that can fail return 0 (POND_OK) or a negative POND_E* code, and take a
 *            trailing `pond_error **err`. If `err` is not NULL, a failing call stores there the
 *            details, which the caller frees with pond_error_free(); it must be NULL or point to
 *            NULL before the call. On failure the other outputs are set to NULL or 0. "Errors:"
 *            names the codes to expect; POND_ENOMEM and, for NULL, POND_EINVAL may come from any
 *            function that can fail. So may POND_ERANGE for a count or size beyond what memory
 *            holds, which was never set: nothing is read then. Of an asynchronous function, most
 *            come with the operation.
 * NULL.      A function that can fail refuses NULL with POND_EINVAL, and its message names what was
 *            NULL. Allowed are NULL for err, for an options struct (the defaults), for `op` (see
 *            "Operations"), for what is only handed back (user_data, data, tag, owner), for an
 *            array whose count is 0, and where the function's comment says so. One that cannot fail
 *            answers a NULL handle with 0, NULL, "" or, where 0 would mean something, -1; a status
 *            is POND_EINVAL then.
 * Ownership. Strings and values passed in are copied before the call returns. A handle put into
 *            an output carries one reference, which the caller drops with the handle's _release
 *            function. _retain and _release accept NULL and may be called from any thread.
 * Threads.   "Thread: any" may be called from any thread at any time. "Thread: loop" must be
 *            called from the thread that drives the loop concerned, which is the first thread
 *            that submitted to it or ran it; any other gets POND_EMISUSE. If the loop has a thread
 *            of its own (pond_loop_start_thread()), it means any thread.
 * Blocking.  A function that ends in _wait does what its twin without _wait does, and returns
 *            when the work is done. All others return at once.
 * Fork.      Handles made before a fork are unusable in the child: functions fail with
 *            POND_EMISUSE, and releasing a handle there only forgets it.
 */
#ifndef MILLPOND_MILLPOND_H
#define MILLPOND_MILLPOND_H

#include "millpond/entity.h"
#include "millpond/metrics.h"
#include "millpond/replicas.h"
#include "millpond/resilience.h"
#include "millpond/types.h"
#include "millpond/values.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of these headers. */
#define POND_VERSION_MAJOR 0
#define POND_VERSION_MINOR 1
#define POND_VERSION_PATCH 0

/* The version of the library in use, such as "0.1.0". Static memory. Thread: any. */
POND_API const char *pond_version(void);

/* ---- Errors ------------------------------------------------------------------------------ */

/* The short name of a POND_E* code ("ETIMEDOUT"), and what it means in a few words. Static
 * memory; "UNKNOWN" and "unknown error" for a number that is no code. Thread: any. */
POND_API const char *pond_error_name(int code);
POND_API const char *pond_error_text(int code);

/* Read one detail of an error. Strings are owned by the error and never NULL: a detail that the
 * database did not give is "". `position` is the 1-based character of the statement, as the
 * caller wrote it, that the database complained of, or 0. `retryable` is non-zero where trying
 * the same again can succeed and cannot repeat an effect. `vendor_code` is the database's own
 * number (errno of MySQL, extended result code of SQLite), 0 if none. `setting` is the key of the
 * configuration that is wrong or unknown, the first if there are several. `row` is the number of
 * the row, or of the record to save, that failed, as the message has it; -1 if it is of none. NULL
 * stands for no error: POND_OK, "", 0 and, for `row`, -1. Thread: any, one at a time. */
POND_API int pond_error_code(const pond_error *error);
POND_API const char *pond_error_message(const pond_error *error);
POND_API const char *pond_error_sqlstate(const pond_error *error);
POND_API const char *pond_error_detail(const pond_error *error);
POND_API const char *pond_error_hint(const pond_error *error);
POND_API const char *pond_error_constraint(const pond_error *error);
POND_API const char *pond_error_setting(const pond_error *error);
POND_API int64_t pond_error_row(const pond_error *error);
POND_API int32_t pond_error_vendor_code(const pond_error *error);
POND_API uint32_t pond_error_position(const pond_error *error);
POND_API int pond_error_retryable(const pond_error *error);

/* 1 if time ran out: POND_ETIMEDOUT, POND_EACQUIRE, or POND_ECONNECT as the server was silent for
 * connection_creation_timeout. Thread: any. */
POND_API int pond_error_is_timeout(const pond_error *error);

/* Free an error; NULL is allowed. Thread: any. */
POND_API void pond_error_free(pond_error *error);

/* ---- Log --------------------------------------------------------------------------------- */

/* Warnings that no call can return, such as a transaction rolled back on release, wait in a
 * bounded process-wide queue for the host to collect; the oldest are dropped when it is full. */
typedef struct pond_log pond_log;

/* Number of records waiting; cheap enough to ask after every call. Thread: any. */
POND_API uint32_t pond_log_pending(void);

/* Take the oldest record, or NULL. The caller frees it with pond_log_free(). Thread: any. */
POND_API pond_log *pond_log_next(void);

/* Read a record: a pond_log_level; the part of the library ("pool", "postgres", ...); the text,
 * one line without control characters. Strings belong to the record. Thread: any. */
POND_API int pond_log_level_of(const pond_log *record);
POND_API const char *pond_log_area(const pond_log *record);
POND_API const char *pond_log_message(const pond_log *record);
POND_API void pond_log_free(pond_log *record);

/* ---- Interrupts -------------------------------------------------------------------------- */

/* Have the calling thread's blocking functions (_wait) ask the host whether to end early, as when
 * the user pressed Ctrl-C. `interrupted` is called on that thread, with `data`, some 20 times a
 * second at most and with no lock of the library held; once it returns non-zero the work is
 * cancelled, and the function returns POND_ECANCELLED unless it was over already. It may be asked
 * again while that is cleaned up, and should then return 0. It must not use the connection
 * concerned. NULL: there is no function to ask. SQLite can interrupt a statement only between the
 * steps of its machine; a few statements, such as count(*) of a whole table, are one long step.
 * pond_op_wait() does not call `interrupted`: it returns to its caller when a signal comes. Thread:
 * any; for that thread alone. */
POND_API void pond_thread_set_interrupt(int (*interrupted)(void *data), void *data);

/* ---- Configuration ----------------------------------------------------------------------- */

/* Make an empty config for a driver: "postgres" (or "postgresql"), "mysql" (or "mariadb"),
 * "sqlite", "fake". Errors: POND_ENOTBUILT for a name this build does not have; the message
 * lists those it has. Thread: any. */
POND_API int pond_config_new(const char *driver, pond_config **out, pond_error **err);
POND_API pond_config *pond_config_retain(pond_config *config);
POND_API void pond_config_release(pond_config *config);

/* Make a config from a URL:
 *   postgres://user:password@host:5432/database?sslmode=require
 *   mysql://user@host1:3306,host2:3307/database      several hosts
 *   postgres:///database?host=/var/run/postgresql    the folder of a Unix socket
 *   sqlite:///app.db  sqlite:////var/app.db  sqlite:///:memory:
 * What follows the ? are settings as for pond_config_set(). In each part, %XY stands for a byte.
 * Errors: POND_EINVAL, naming the part but never its text; as pond_config_new() and
 * pond_config_set(). Thread: any. */
POND_API int pond_config_from_url(const char *url, pond_config **out, pond_error **err);

/* Only read a URL: `each` is called with "driver" and the scheme in lower case, then with each
 * setting, "password" among them, before this returns. Its strings are valid in the call only.
 * Errors: POND_EINVAL, naming the part but never its text. Thread: any. */
typedef void (*pond_url_setting)(void *data, const char *key, const char *value);
POND_API int pond_url_parse(const char *url, pond_url_setting each, void *data, pond_error **err);

/* Set one setting; both strings are copied. NULL as value unsets it. Keys known to all drivers:
 *   database, host, port, user, password, alias, env
 *   connection_acquisition_timeout (10), connection_creation_timeout (15),
 *   pool_creation_timeout (30), query_execution_timeout (60)       seconds, fractions allowed
 *   pool_min_size, pool_max_size, sync_max_size (40)               connections; see
 *                                                                  pond_pool_open()
 *   pool_idle_timeout (600), pool_max_lifetime (1800), pool_keepalive (120),
 *   pool_validate_after (30), pool_reconnect_delay (0.05), pool_reconnect_max_delay (0.5)
 *                                                                  seconds, 0: never (the delays
 *                                                                  must be more); see
 *                                                                  pond_pool_open()
 *   pool_fail_fast (true), pool_reset (touched, always, never),
 *   pool_close_transactions (commit, rollback)                     see pond_pool_open()
 *   statement_cache_size (256)                                     statements per connection
 *   statement_cache_max_size (4 times that)       what it may grow to while evicted ones return
 *                                                 (and at most 8 MiB of texts a connection: one
 *                                                 that needs over 2 MiB is kept only in use)
 *   metrics (on), scaling_window (60 s)           count and time; what the scaling signal looks at
 *   slow_query_threshold (1 s; 0: none)           statements that take as long are logged,
 *   slow_query_log_parameters (off)               with their parameters only if asked
 *   circuit_breaker (on)                          refuse statements whose like time out in a row:
 *   circuit_breaker_failure_threshold (5), circuit_breaker_window_size (60 s),
 *   circuit_breaker_recovery_timeout (1 s), circuit_breaker_half_open_max_calls (3)
 *   entity_max_new_fields (500), entity_max_fields (1000)
 *                                                 fields that one call may add to an entity, and
 *                                                 that its table may have
 *   retry_unsent (on)                             if a connection dies before its lease was used,
 *                                                 send the first statement on a new one
 * Any other key must be one that the driver names in its README. Errors: POND_EINVAL for a key or
 * value that is none; POND_EMISUSE once a pool was opened with the config. Thread: any, one at a
 * time. */
POND_API int pond_config_set(pond_config *config, const char *key, const char *value,
                             pond_error **err);

/* The value of a setting, or NULL if unset. Owned by the config, valid until the setting is
 * changed. The password is never returned: NULL. Thread: any, not beside pond_config_set(). */
POND_API const char *pond_config_get(const pond_config *config, const char *key);

/* The driver's canonical name ("postgres"). Static memory. Thread: any. */
POND_API const char *pond_config_driver(const pond_config *config);

/* What is known of a driver, which is found by its name or an alias, in any case of letters:
 *   "name"    its canonical name
 *   "port"    where its servers listen, unless a config says otherwise; NULL: it has no servers
 *   "inline"  "1" if blocking calls do the work in the caller's thread, else NULL
 * NULL for a driver or a fact that does not exist. Static memory. Thread: any. */
POND_API const char *pond_driver_fact(const char *driver, const char *fact);

/* Check the config as a whole: every problem is named in one message. Errors: POND_EINVAL. Thread:
 * any, not beside pond_config_set(). */
POND_API int pond_config_check(const pond_config *config, pond_error **err);

/* Write the config's key into `out`: 32 hexadecimal digits of the MD5 of the driver and all
 * settings except the password, and a NUL. Equal configs share one pool. Errors: POND_ENOMEM.
 * Thread: any, not beside pond_config_set(). */
POND_API int pond_config_hash(const pond_config *config, char out[33], pond_error **err);

/* ---- Loop -------------------------------------------------------------------------------- */

/* A loop moves bytes for the connections that were acquired through it. Its host may be
 *   an event loop: poll pond_loop_fd() for reading, within pond_loop_timeout_ms(); when either
 *   comes due call pond_loop_run_nowait() and then pond_loop_next() until it gives NULL; or
 *   a thread of its own: pond_loop_run(), or just the _wait functions, which run it; or
 *   none: pond_loop_start_thread() lets a thread of the library drive it.
 * Make one loop for each event loop or thread. Errors: POND_ERESOURCES. Thread: any. */
POND_API int pond_loop_new(pond_loop **out, pond_error **err);
POND_API pond_loop *pond_loop_retain(pond_loop *loop);

/* Drop a reference. With the last one the loop closes: its pending operations are cancelled,
 * leased connections are closed, idle ones stay with their pools. Thread: any. */
POND_API void pond_loop_release(pond_loop *loop);

/* Close now, without waiting for the last reference: what pond_loop_release() says, and every
 * later call on the loop fails with POND_ECLOSED. A second close does nothing. Thread: any. */
POND_API void pond_loop_close(pond_loop *loop);

/* A descriptor that is readable when the loop has something to do. It stays the same for the
 * loop's lifetime; never read from it or close it. Timers of the loop make it readable too on
 * Linux, so a host there needs nothing else. Thread: any. */
POND_API int pond_loop_fd(const pond_loop *loop);

/* Milliseconds until the next timer: -1 for none, 0 if completions are waiting. Thread: loop. */
POND_API int pond_loop_timeout_ms(pond_loop *loop);

/* Do what can be done without waiting. Errors: POND_EMISUSE, POND_ECLOSED. Thread: loop. */
POND_API int pond_loop_run_nowait(pond_loop *loop, pond_error **err);

/* Wait for at most `timeout_ms` (negative: no limit) until at least one operation has completed,
 * and do the work that comes up meanwhile. Returns POND_OK with a completion waiting, POND_EAGAIN
 * when the time is over or a signal handler ran. Errors: POND_EMISUSE, POND_ECLOSED. Thread: loop.
 */
POND_API int pond_loop_run(pond_loop *loop, int64_t timeout_ms, pond_error **err);

/* Take the next completed operation, in the order of completion, with one reference that the
 * caller drops; NULL if there is none. Thread: loop. */
POND_API pond_op *pond_loop_next(pond_loop *loop);

/* Make the descriptor readable, and pond_loop_run() return POND_EAGAIN, now or when it is called
 * next: for what a host that drives the loop is to do besides. Thread: any. */
POND_API void pond_loop_wake(pond_loop *loop);

/* Call `wake(data)` when the loop gets something to do while no thread is in a call on it, at most
 * once until the next pond_loop_run_nowait(). For hosts that cannot poll a descriptor. `wake`
 * runs on any thread, must not call the library, and should only set a flag or write to a pipe.
 * NULL ends it. Errors: POND_EMISUSE, also if the loop has a thread of its own; POND_ECLOSED.
 * Thread: loop. */
POND_API int pond_loop_set_wake(pond_loop *loop, void (*wake)(void *data), void *data,
                                pond_error **err);

/* The same for hosts whose functions no other thread may call: write one byte to `fd`, a socket or
 * a pipe that the host reads; it stays the host's, and open until this is called with another. -1
 * ends it. Errors: as pond_loop_set_wake(). Thread: loop. */
POND_API int pond_loop_set_wake_fd(pond_loop *loop, int fd, pond_error **err);

/* Let a thread of the library drive the loop from now on, for hosts that have no loop, or whose
 * code moves between threads. What says "Thread: loop" may then be called from any thread, several
 * at once, and a connection may be used from one thread after the other. The loop must be new, or
 * the calling thread's.
 *
 * On that thread, `completed(data, op)` is called for each operation that completed, one at a time,
 * with the reference that pond_loop_next() would give: release it. NULL drops them, for hosts that
 * only wait. Operations that a thread waits for, in a _wait function or already in pond_op_wait(),
 * go to that thread instead. `completed` may call the library, submit more, and wait on this loop,
 * which holds up all others; a _wait function without a loop fails there with POND_EMISUSE.
 * pond_loop_run(), _run_nowait(), _next() and _set_wake() fail with POND_EMISUSE,
 * POND_EXECUTE_AT_ONCE does nothing, and pond_op_status() and pond_op_take_*() are for whom the
 * operation went to.
 *
 * pond_loop_close() and the last pond_loop_release() return when the thread has ended: pending
 * operations went to `completed` with POND_ECLOSED, and it is not called any more. From inside
 * `completed` they return at once, and the same happens after it. Close the loop before the process
 * exits. Errors: POND_EMISUSE if it has a thread or a wake function already, or is another
 * thread's; POND_ERESOURCES. Thread: any, before all other use. */
POND_API int pond_loop_start_thread(pond_loop *loop, void (*completed)(void *data, pond_op *op),
                                    void *data, pond_error **err);

/* ---- Operations -------------------------------------------------------------------------- */

/* An operation is submitted by a function with a `pond_op **` output and completes exactly once,
 * never inside the submitting call (but see POND_EXECUTE_AT_ONCE): it appears in pond_loop_next()
 * of its loop. The output may be NULL if the operation need not be cancelled or identified
 * before then. */
POND_API pond_op *pond_op_retain(pond_op *op);

/* Drop a reference. Dropping the last before completion does not cancel. A connection or result
 * that was not taken is given back or freed. Thread: any. */
POND_API void pond_op_release(pond_op *op);

/* The pointer given when the operation was submitted. Thread: any. */
POND_API void *pond_op_user_data(const pond_op *op);

/* POND_PENDING, POND_OK, or the error code it completed with. Thread: loop. */
POND_API int pond_op_status(const pond_op *op);

/* Take what the operation produced; each at most once, NULL if there is none (or no more). The
 * caller owns what it gets: pond_result_release(), pond_connection_release(), pond_error_free().
 * Thread: loop. */
POND_API pond_result *pond_op_take_result(pond_op *op);
POND_API pond_connection *pond_op_take_connection(pond_op *op);
POND_API pond_error *pond_op_take_error(pond_op *op);

/* Ask for an early end; it completes soon, usually with POND_ECANCELLED, or normally if that
 * comes first. A running statement is stopped on the server, and the connection is clean or
 * replaced before anyone uses it again. A rollback is not stopped but left to itself, before what
 * comes next on its connection: it ends within 700 ms, or the connection is closed. Harmless on a
 * completed operation. Thread: loop. */
POND_API void pond_op_cancel(pond_op *op);

/* Run the loop until the operation has completed, for at most `timeout_ms` (negative: no limit).
 * Returns its status, or POND_EAGAIN when the time is over or a signal handler ran; it then goes
 * on and can be waited for again. An operation that was waited for to its end does not appear
 * in pond_loop_next(). Errors: of the operation, POND_EMISUSE. Thread: loop. */
POND_API int pond_op_wait(pond_op *op, int64_t timeout_ms, pond_error **err);

/* ---- Pool -------------------------------------------------------------------------------- */

/* Get the pool of a config, made on first use and shared by all with the same hash and password.
 * Connects to nothing yet. Errors: POND_EINVAL if the config is incomplete or has a value out of
 * range (see pond_config_check()). Thread: any.
 *
 * Leases on loops take up to pool_max_size connections. Leases on private loops, which calls with
 * a NULL loop and the blocking calls of a thread make, take up to sync_max_size others (40, less if
 * memory is short), so that neither side waits for the other. Idle connections serve both. The
 * server sees pool_max_size + sync_max_size connections at most.
 *
 * From its first connection on, a thread of the library's own looks after the pool:
 *   pool_min_size           so many connections are kept open
 *   pool_idle_timeout       idle ones beyond that are closed after this time
 *   pool_max_lifetime       no connection is lent again after this time, less up to a tenth
 *   pool_keepalive          idle ones get a ping this often
 *   pool_validate_after     one that was idle for longer gets a ping before it is lent; a socket
 *                           that the server has closed is noticed without
 * A server that cannot be reached is tried by one connection at a time, after a random delay of up
 * to pool_reconnect_delay, which doubles up to pool_reconnect_max_delay. Until it is back an
 * acquire fails at once with the last cause, POND_ECONNECT as a rule, unless another connection
 * may still come back to the pool; with pool_fail_fast off it waits until its own deadline.
 * When it is back, connections are opened one, two, four at a time.
 *
 * What a lease did to its session is not seen by the next: an open transaction is rolled back;
 * after statements that change a session (SET, LISTEN, temporary tables, advisory locks, PRAGMA,
 * ...) it is reset, or its connection is replaced where that cannot be done. The text of a
 * statement tells; a function of the database that changes settings needs pool_reset = always,
 * which costs a round trip for each lease; never turns it off. */
POND_API int pond_pool_open(pond_config *config, pond_pool **out, pond_error **err);
POND_API pond_pool *pond_pool_retain(pond_pool *pool);

/* Drop a reference. With the last one, leases included, idle connections close. Thread: any. */
POND_API void pond_pool_release(pond_pool *pool);

/* The sizes of a pool whose config says nothing: from the number of cores and the memory that this
 * process may use. Thread: any. */
POND_API void pond_pool_default_size(uint32_t *min_size, uint32_t *max_size);

/* Lease an idle connection if that takes no waiting: POND_EAGAIN if it would (none is idle, it must
 * be checked first, or others come first, see there). A NULL loop is as for
 * pond_pool_acquire(). Errors: POND_ECLOSED, POND_EMISUSE.
 * Thread: loop. */
POND_API int pond_pool_try_acquire(pond_pool *pool, pond_loop *loop, pond_connection **out,
                                   pond_error **err);

/* Lease a connection: an idle one, a new one if there is room, else the first to come back after
 * those who waited longer were served. (Who has waited in a blocked thread for less than a
 * millisecond may be overtaken by who runs, as it could not run yet.) Completes with a connection
 * to be taken with pond_op_take_connection(). Errors: POND_EACQUIRE after `timeout_ms`;
 * POND_ECONNECT, POND_EAUTH, POND_ECLOSED. A NULL loop stands for a private one of the calling
 * thread, which pond_op_wait() drives; all uses of the connection must then come from this thread.
 * Thread: loop. */
POND_API int pond_pool_acquire(pond_pool *pool, pond_loop *loop, int64_t timeout_ms,
                               void *user_data, pond_op **op, pond_error **err);
POND_API int pond_pool_acquire_wait(pond_pool *pool, pond_loop *loop, int64_t timeout_ms,
                                    pond_connection **out, pond_error **err);

/* Close the pool: no new leases (POND_ECLOSED), wait for the leased connections to come back,
 * and after `timeout_ms` take them by force: idle ones in a healthy transaction are committed (or
 * rolled back, see pool_close_transactions), running statements are cancelled. The operation
 * completes when the last connection is closed, which pond_pool_is_closed() tells; from then on a
 * pond_pool_open() of the config makes a new pool, up to then it returns this one. Closing again
 * waits likewise; a close that is cancelled goes on without being waited for. Errors: POND_EMISUSE,
 * POND_ECANCELLED. Thread: loop. */
POND_API int pond_pool_close(pond_pool *pool, pond_loop *loop, int64_t timeout_ms, void *user_data,
                             pond_op **op, pond_error **err);
POND_API int pond_pool_close_wait(pond_pool *pool, int64_t timeout_ms, pond_error **err);

/* Counts at one instant: size = in_use + idle. */
typedef struct pond_pool_status {
    uint32_t struct_size; /* set by the caller to sizeof(pond_pool_status) */
    uint32_t min_size;
    uint32_t max_size;
    uint32_t size;      /* connections; those not counted below are being reset, checked or moved */
    uint32_t in_use;    /* leased */
    uint32_t idle;      /* ready to be leased */
    uint32_t waiting;   /* acquire operations in the queue */
    uint32_t closed;    /* 1 once the pool is closing or closed */
    uint64_t acquired;  /* leases handed out since the pool was made */
    uint64_t released;  /* leases that ended: acquired - released are active */
    uint64_t timeouts;  /* acquires that ran out of time */
    uint64_t errors;    /* connections that could not be opened or were lost */
    uint64_t created;   /* connections opened */
    uint64_t destroyed; /* connections closed */
    uint64_t peak_active;
    uint64_t statement_hits; /* statement caches of all connections of the pool */
    uint64_t statement_misses;
    uint64_t statement_evictions;
    uint32_t opening;       /* being opened */
    uint32_t sync_max_size; /* see pond_pool_open() */
    uint32_t sync_in_use;   /* of in_use, leased to blocking threads */
    uint32_t reserved;      /* 0 */
} pond_pool_status;

/* Fill `out`, up to its struct_size. Errors: POND_EINVAL for a struct_size of 0. Thread: any. */
POND_API int pond_pool_get_status(pond_pool *pool, pond_pool_status *out, pond_error **err);

/* Find out whether the pool can serve: an idle connection is pinged, or one is opened if there is
 * room. A pool whose connections are all leased is healthy. The check takes no connection from its
 * holder and closes dead connections only. A NULL loop is as for pond_pool_acquire(). Errors, where
 * it cannot: POND_ECONNECT, POND_EAUTH, POND_EACQUIRE after `timeout_ms`, POND_ECLOSED. Thread:
 * loop. */
POND_API int pond_pool_check(pond_pool *pool, pond_loop *loop, int64_t timeout_ms, void *user_data,
                             pond_op **op, pond_error **err);
POND_API int pond_pool_check_wait(pond_pool *pool, int64_t timeout_ms, pond_error **err);

/* One lease that is out. */
typedef struct pond_lease_info {
    uint64_t connection_id; /* see pond_connection_id() */
    int64_t age_ms;         /* since it was acquired */
    const void *tag_owner;  /* see pond_connection_set_tag(); NULL if it was not set */
    void *tag;
} pond_lease_info;

/* Tell of the leases of a pool that are at least `least_age_ms` old, to find those that were
 * forgotten. Stores up to `capacity` and returns how many there are; `out` may be NULL. `info_size`
 * is sizeof(pond_lease_info): the struct may grow at its end. Thread: any. */
POND_API size_t pond_pool_leases(pond_pool *pool, int64_t least_age_ms, pond_lease_info *out,
                                 size_t info_size, size_t capacity);

/* 1 once the pool was closed and its last connection is gone, or in a process forked from the one
 * that opened it: pond_pool_open() of the config makes a new one then. 0 while it is open or still
 * closing. Costs no lock. Thread: any. */
POND_API int pond_pool_is_closed(const pond_pool *pool);

/* The hash of the pool's config. Owned by the pool. Thread: any. */
POND_API const char *pond_pool_hash(const pond_pool *pool);

/* Collect the open pools of this process: stores up to `capacity` handles, a reference each, and
 * returns how many there are. `out` may be NULL, to ask for the number. Thread: any. */
POND_API size_t pond_pool_list(pond_pool **out, size_t capacity);

/* ---- Connection -------------------------------------------------------------------------- */

/* A connection handle is one lease. Statements submitted to it run one after another in the order
 * of submission. */
POND_API pond_connection *pond_connection_retain(pond_connection *connection);

/* Drop a reference. If the last one goes while the lease is still held, the connection returns
 * to its pool with a warning in the log. Thread: any. */
POND_API void pond_connection_release(pond_connection *connection);

/* Give the connection back to its pool; from then on, the handle gives POND_ESTALE. An open
 * transaction is rolled back with a warning in the log; statements still running are cancelled
 * first. Both happen in the background, before anyone else gets the connection. A connection that
 * was closed, or that its pool took by force as it closed, can still be given back once. Errors:
 * POND_ESTALE if it was given back before. Thread: any. */
POND_API int pond_connection_give_back(pond_connection *connection, pond_error **err);

/* Close the connection itself instead of giving it back. Its pending operations end with
 * POND_ECLOSED. Closing twice is no error. Errors: POND_EMISUSE after a fork. Thread: any. */
POND_API int pond_connection_close(pond_connection *connection, pond_error **err);

/* Remember something with a lease, for pond_pool_leases(). `owner` is an address of the host's own,
 * by which it knows its tags from those of others in the process. Thread: any. */
POND_API void pond_connection_set_tag(pond_connection *connection, const void *owner, void *tag);

/* Hooks. The library calls no code of the host when a connection is opened, acquired or released:
 * the host acquires and releases, so it can do then what it likes. What it cannot know is whether
 * the session is new. pond_connection_is_fresh() is 1 for a session that was opened, or reset,
 * since anyone called pond_connection_set_up(), which says that the host has made its settings:
 * they stay as long as the session, as they do not count as changed. 0 for a stale handle.
 * Errors: POND_ESTALE. Thread: loop. */
POND_API int pond_connection_is_fresh(pond_connection *connection);
POND_API int pond_connection_set_up(pond_connection *connection, pond_error **err);

/* Find out whether a leased connection still works: a look at its socket and, if it was idle for
 * longer than pool_validate_after, a round trip. Blocks for at most 3 seconds. Errors:
 * POND_ECONNLOST, POND_ETIMEDOUT, POND_ESTALE; it should then be given back. Thread: loop. */
POND_API int pond_connection_check_wait(pond_connection *connection, pond_error **err);

/* One name and value for logs, metrics and the comment in the SQL. */
typedef struct pond_tag {
    const char *key;
    const char *value;
} pond_tag;

/* The caller looks at pond_op_status() as soon as the call returns: an operation that is complete
 * by then does not appear in pond_loop_next(). Some statements are so short that doing them at once
 * is quicker than a turn of the loop. Needs the `pond_op **` output. A host that uses it all the
 * time never comes back to its event loop: let every so many calls go without. */
#define POND_EXECUTE_AT_ONCE 1u

/* The statement is in the database's own words: no `?` is replaced, no `??` and no `[name]`. Its
 * placeholders must be those that the database itself takes by position: `$1` in PostgreSQL, `?` in
 * MySQL, `?` or `?1` in SQLite. Errors tell positions in this text. */
#define POND_EXECUTE_NATIVE 2u

/* The tags are for metrics alone: the statement brings its own comment, or is to have none. */
#define POND_EXECUTE_UNTAGGED 4u

/* How to execute; a NULL pointer stands for the defaults. */
typedef struct pond_execute_options {
    uint32_t struct_size; /* set by the caller to sizeof(pond_execute_options) */
    uint32_t flags;       /* POND_EXECUTE_AT_ONCE and its like, or 0 */
    int64_t timeout_ms;   /* for the whole call; POND_TIMEOUT_DEFAULT: query_execution_timeout */
    const pond_tag *tags;
    uint64_t tag_count;
    /* since 0.1, after its first release */
    uint64_t first_row; /* how errors count the first of many rows, for work done in pieces */
} pond_execute_options;

/* The defaults, to be changed by the caller. A struct of zeros will not do: no timeout is 0. */
#define POND_EXECUTE_OPTIONS_INIT                                         \
    {                                                                     \
        sizeof(pond_execute_options), 0, POND_TIMEOUT_DEFAULT, NULL, 0, 0 \
    }

/* Execute one statement with `?` placeholders (see pond_sql_convert()). Completes with a result. A
 * list (POND_TYPE_ARRAY) in `IN (?)` stands for its items (see pond_sql_convert_lists()); elsewhere
 * it is an array in PostgreSQL, and JSON text in MySQL and SQLite, which refuse one that is
 * compared. The database says where the statement ends; of a text with a second one nothing is
 * executed. Errors: POND_ESYNTAX for that; POND_EPARAMS and POND_ERANGE before anything is sent;
 * POND_ETIMEDOUT after the server's work was stopped, the connection usable; POND_ECONNLOST if it
 * was lost before the statement could have had an effect, POND_EUNKNOWN if after; the latter too if
 * the time is over and the server, silent, could not be stopped; any other that the database's own
 * answer maps to. `out` may be NULL: the result is dropped. Thread: loop. */
POND_API int pond_connection_execute(pond_connection *connection, const char *sql, size_t sql_size,
                                     const pond_value *params, size_t param_count,
                                     const pond_execute_options *options, void *user_data,
                                     pond_op **op, pond_error **err);
POND_API int pond_connection_execute_wait(pond_connection *connection, const char *sql,
                                          size_t sql_size, const pond_value *params,
                                          size_t param_count, const pond_execute_options *options,
                                          pond_result **out, pond_error **err);

/* Execute one statement for each row of parameters: `params` holds row_count * column_count
 * values, row-major. All rows take effect or none, in a transaction of its own unless one is
 * open; after an error in an open transaction, whether earlier rows stand is as after any failed
 * statement of that database. The error names the failing row, counted from first_row: see
 * pond_error_row(). The result holds the rows of all executions in order, and the sum of their row
 * counts. Errors: as pond_connection_execute(). Thread: loop. */
POND_API int pond_connection_execute_many(pond_connection *connection, const char *sql,
                                          size_t sql_size, const pond_value *params,
                                          size_t row_count, size_t column_count,
                                          const pond_execute_options *options, void *user_data,
                                          pond_op **op, pond_error **err);
POND_API int pond_connection_execute_many_wait(pond_connection *connection, const char *sql,
                                               size_t sql_size, const pond_value *params,
                                               size_t row_count, size_t column_count,
                                               const pond_execute_options *options,
                                               pond_result **out, pond_error **err);

/* Read a statement's rows in batches of at most `batch_rows` (0: 1000), so that memory stays flat
 * however many there are. The operation completes with the first batch; while pond_result_more() of
 * a batch is true, the stream is open, nothing is read from the server, and other statements on
 * this connection fail with POND_EMISUSE. A failed batch ends the stream. Timeouts count for each
 * batch. Giving the connection back ends its stream. Errors: as pond_connection_execute(). Thread:
 * loop. */
POND_API int pond_connection_stream(pond_connection *connection, const char *sql, size_t sql_size,
                                    const pond_value *params, size_t param_count, size_t batch_rows,
                                    const pond_execute_options *options, void *user_data,
                                    pond_op **op, pond_error **err);
POND_API int pond_connection_stream_wait(pond_connection *connection, const char *sql,
                                         size_t sql_size, const pond_value *params,
                                         size_t param_count, size_t batch_rows,
                                         const pond_execute_options *options, pond_result **out,
                                         pond_error **err);

/* The next batch of the open stream. Errors: POND_EMISUSE if none is open, and as above. Thread:
 * loop. */
POND_API int pond_connection_fetch(pond_connection *connection, int64_t timeout_ms, void *user_data,
                                   pond_op **op, pond_error **err);
POND_API int pond_connection_fetch_wait(pond_connection *connection, int64_t timeout_ms,
                                        pond_result **out, pond_error **err);

/* End the open stream before its end; no error if none is open. A statement that only reads is
 * stopped on the server, but not inside a transaction of PostgreSQL, which that would fail: there
 * the rest is read and dropped. Errors: POND_ECONNLOST, POND_ETIMEDOUT. Thread: loop. */
POND_API int pond_connection_end_stream(pond_connection *connection, int64_t timeout_ms,
                                        void *user_data, pond_op **op, pond_error **err);
POND_API int pond_connection_end_stream_wait(pond_connection *connection, int64_t timeout_ms,
                                             pond_error **err);

/* What a transaction call does. */
typedef enum pond_transaction_verb {
    POND_BEGIN = 1,
    POND_COMMIT = 2,
    POND_ROLLBACK = 3
} pond_transaction_verb;

/* Begin, commit or roll back. Errors: POND_ETRANSACTION when beginning inside a transaction, or
 * committing or rolling back outside one; POND_EUNKNOWN when the connection was lost, or
 * the server fell silent, during a commit. A commit of a failed PostgreSQL transaction rolls back
 * and fails with POND_ETRANSACTION. Thread: loop. */
POND_API int pond_connection_transaction(pond_connection *connection, pond_transaction_verb verb,
                                         int64_t timeout_ms, void *user_data, pond_op **op,
                                         pond_error **err);
POND_API int pond_connection_transaction_wait(pond_connection *connection,
                                              pond_transaction_verb verb, int64_t timeout_ms,
                                              pond_error **err);

/* Set *out to 1 while a transaction is open on the server, as the server or library reports it,
 * else to 0; statements in the queue have not happened yet. Errors: POND_ESTALE, POND_ECLOSED.
 * Thread: loop. */
POND_API int pond_connection_in_transaction(pond_connection *connection, int *out,
                                            pond_error **err);

/* The version of the server ("PostgreSQL 15.8") and of the client library ("libpq 15.8"), as
 * known since connecting. Owned by the connection; NULL if the handle is stale. Thread: loop. */
POND_API const char *pond_connection_server_version(pond_connection *connection);
POND_API const char *pond_connection_driver_version(pond_connection *connection);

/* A number that no two physical connections of this process share, 0 if the handle is stale.
 * Thread: any. */
POND_API uint64_t pond_connection_id(pond_connection *connection);

/* ---- Result ------------------------------------------------------------------------------ */

POND_API pond_result *pond_result_retain(pond_result *result);
POND_API void pond_result_release(pond_result *result);

/* Shape. `affected` is the number of rows that a write touched, or that a read returned; -1 if
 * the database does not say. `last_insert_id` is 0 if the statement made none. Thread: any. */
POND_API size_t pond_result_row_count(const pond_result *result);
POND_API size_t pond_result_column_count(const pond_result *result);
POND_API int64_t pond_result_affected(const pond_result *result);
POND_API int64_t pond_result_last_insert_id(const pond_result *result);

/* Non-zero for a batch of a stream that has more rows to fetch. Thread: any. */
POND_API int pond_result_more(const pond_result *result);

/* Name of a column, UTF-8 with a NUL; NULL if out of range. Owned by the result. Thread: any. */
POND_API const char *pond_result_column_name(const pond_result *result, size_t column);

/* What the database says a column holds, a pond_type: POND_TYPE_NULL where it does not say (an
 * expression of SQLite), or `column` is out of range. SQLite's values may be others all the same.
 * Thread: any. */
POND_API int pond_result_declared_type(const pond_result *result, size_t column);

/* Decode one whole row into `values`, one per column. Pointers in them live as long as the
 * result. Errors: POND_EINVAL if out of range; POND_EDATA for a value that cannot be decoded: the
 * message names column and row. Thread: any, one at a time. */
POND_API int pond_result_row(pond_result *result, size_t row, pond_value *values, pond_error **err);

/* Say that the rows before `row`, and what their values point to, are not needed any more. Code
 * that converts a large result calls this with 0 first and then after every few thousand rows, so
 * that memory does not hold the whole result twice. Does nothing while others hold references.
 * Thread: any, one at a time. */
POND_API void pond_result_drop_before(pond_result *result, size_t row);

/* ---- Calendar ---------------------------------------------------------------------------- */

/* The day that POND_TYPE_DATE counts for a date of the proleptic Gregorian calendar, and the date
 * of a day. Errors: POND_ERANGE for a date that does not exist, such as 30 February, and outside
 * the years 1 to 9999; the outputs are 0 then. Thread: any. */
POND_API int pond_date_to_days(int year, int month, int day, int64_t *days);
POND_API int pond_date_from_days(int64_t days, int *year, int *month, int *day);

/* Bytes that any text of pond_value_format() fits in, its NUL included. */
#define POND_VALUE_TEXT 96

/* The name of a type, such as "timestamptz"; "unknown" for a number that is no pond_type. Static
 * memory. Thread: any. */
POND_API const char *pond_type_name(uint32_t type);

/* Write a date, time, timestamp, interval or UUID in the manner of ISO 8601, with a NUL:
 *   2026-01-02   23:59:59.500000   12:00:00-05:30   2026-01-02 03:04:05   2026-01-02 03:04:05+00:00
 *   P14M3DT1.500000S   12345678-9abc-def0-1234-56789abcdef0   infinity   -infinity
 * A fraction of zero is left out but for intervals. Errors: POND_EINVAL for a value of another
 * type, POND_ERANGE for one outside the years 1 to 9999, or the day; `out` holds "" then. Thread:
 * any. */
POND_API int pond_value_format(const pond_value *value, char out[POND_VALUE_TEXT],
                               pond_error **err);

/* Read a date, time, timestamp or UUID (not an interval) from the whole of such a text. `T` may
 * stand for the space, `Z` for +00:00; seconds, and a timestamp's time, may be left out. A
 * timestamptz must have a zone, and is moved to UTC; a time may have one, a timestamp must not.
 * Errors: POND_EDATA if it is no such text, POND_EINVAL for another type; *out is null then.
 * Thread: any. */
POND_API int pond_value_parse(pond_type type, const char *text, size_t size, pond_value *out,
                              pond_error **err);

/* ---- SQL --------------------------------------------------------------------------------- */

/* Text made by the library. Free with pond_string_free(); NULL is allowed. Thread: any. */
POND_API void pond_string_free(char *text);

/* Convert a statement with `?` placeholders to what the dialect takes. A `?` inside a string
 * literal, quoted identifier, comment or dollar quote stays; `??` becomes a literal `?`; `[name]`
 * becomes a quoted identifier where no array subscript can stand. *out is NUL-terminated UTF-8 of
 * *out_size bytes; *placeholders gets their number. MySQL's versioned comments count as part of the
 * statement here, whatever their version; a connection counts those that its server executes.
 * Errors: POND_ESYNTAX for an unterminated literal, identifier, comment or dollar quote; the
 * position is that of its first character. Thread: any. */
POND_API int pond_sql_convert(pond_dialect dialect, const char *sql, size_t sql_size, char **out,
                              size_t *out_size, size_t *placeholders, pond_error **err);

/* The same with the parameters, of which some may be lists (POND_TYPE_ARRAY). One that is by itself
 * an item of `IN (...)` stands for its items: `IN (?)` becomes as many placeholders, in PostgreSQL
 * `= ANY ($1)` with one array. An empty one makes IN false and NOT IN true. *values gets one value
 * for each placeholder of *out, *value_count in all; free them with pond_values_free(). What they
 * point into is the caller's `params`, arrays aside. pond_connection_execute() and its like do this
 * by themselves. Errors: as above; POND_EPARAMS for another number of parameters than of
 * placeholders, and for a list where only one value can be meant. Thread: any. */
POND_API int pond_sql_convert_lists(pond_dialect dialect, const char *sql, size_t sql_size,
                                    const pond_value *params, size_t param_count, char **out,
                                    size_t *out_size, pond_value **values, size_t *value_count,
                                    pond_error **err);

/* Free what pond_sql_convert_lists() made; NULL is allowed. Thread: any. */
POND_API void pond_values_free(pond_value *values);

/* Make the comment that carries tags in a statement: sqlcommenter format, keys sorted, keys and
 * values URL-encoded, so that nothing in them can end the comment. *out is NULL if there are no
 * tags; a value may be NULL, for none. Errors: POND_EINVAL for a tag without a key. Thread: any. */
POND_API int pond_sql_comment(const pond_tag *tags, size_t tag_count, char **out, pond_error **err);

/* Make the statement that limits later statements to `timeout_ms` on the server; *out is NULL if
 * the dialect has none or the timeout is not positive. MySQL's is one that MariaDB takes, too.
 * Errors: POND_EINVAL for what is no dialect. Thread: any. */
POND_API int pond_sql_timeout(pond_dialect dialect, int64_t timeout_ms, char **out,
                              pond_error **err);

#ifdef __cplusplus
}
#endif

#endif /* MILLPOND_MILLPOND_H */

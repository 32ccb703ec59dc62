/* What keeps a program going when a database does not: circuit breakers and delays between tries;
 * and the statement cache, for drivers of the host's own. Included by millpond.h, whose conventions
 * hold.
 */
#ifndef MILLPOND_RESILIENCE_H
#define MILLPOND_RESILIENCE_H

#include "millpond/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Circuit breaker --------------------------------------------------------------------- */

/* A circuit breaker keeps calls away from something that fails, so that it can recover and callers
 * need not wait for it. It counts failures in a sliding window of time. Enough of them open it:
 * calls are refused. When the recovery time is over it is half-open: a few calls are let through as
 * a test, no more at a time. If as many succeed it closes; if one fails it opens again.
 *
 * Ask pond_breaker_allow() before a call, and tell its outcome with pond_breaker_record() and the
 * ticket that it gave. Time is the monotonic clock's. The library's own breakers, one for each
 * pool and operation, work in the same way: see the settings circuit_breaker_*. */

/* What a breaker does with calls. */
typedef enum pond_breaker_state {
    POND_BREAKER_CLOSED = 0,   /* lets all through */
    POND_BREAKER_OPEN = 1,     /* refuses all */
    POND_BREAKER_HALF_OPEN = 2 /* lets a few through, to see */
} pond_breaker_state;

/* How a call ended. */
typedef enum pond_breaker_outcome {
    POND_BREAKER_SUCCESS = 1,
    POND_BREAKER_FAILURE = 2,
    POND_BREAKER_CANCELLED = 3 /* says nothing; gives its place among the tests to another */
} pond_breaker_outcome;

/* A success makes up for all failures before it: only failures in a row open the breaker. */
#define POND_BREAKER_IN_A_ROW 1u

/* A NULL pointer stands for the defaults, which are in brackets. */
typedef struct pond_breaker_options {
    uint32_t struct_size;         /* set by the caller to sizeof(pond_breaker_options) */
    uint32_t failure_threshold;   /* failures within the window that open it (5) */
    uint32_t half_open_max_calls; /* test calls at a time, and successes that close it (3) */
    uint32_t flags;               /* POND_BREAKER_IN_A_ROW, or 0 */
    int64_t recovery_timeout_us;  /* how long it stays open (30 s), in microseconds */
    int64_t window_size_us;       /* the window's length (60 s), in microseconds */
} pond_breaker_options;

/* The defaults, to be changed by the caller. */
#define POND_BREAKER_OPTIONS_INIT                                 \
    {                                                             \
        sizeof(pond_breaker_options), 5, 3, 0, 30000000, 60000000 \
    }

/* Make a breaker that is not registered under its name. Errors: POND_EINVAL for an option out of
 * range. Thread: any. */
POND_API int pond_breaker_new(const char *name, const pond_breaker_options *options,
                              pond_breaker **out, pond_error **err);

/* Find the process's breaker of a name, whatever its options, or make it with these; it is kept
 * until pond_breaker_forget(). Errors: as pond_breaker_new(). Thread: any. */
POND_API int pond_breaker_get_or_create(const char *name, const pond_breaker_options *options,
                                        pond_breaker **out, pond_error **err);
POND_API pond_breaker *pond_breaker_retain(pond_breaker *breaker);
POND_API void pond_breaker_release(pond_breaker *breaker);

/* Take a breaker from the process's; who holds it may go on. Returns 1, or 0 if there is none of
 * that name. Thread: any. */
POND_API int pond_breaker_forget(const char *name);

/* Collect the process's breakers: stores up to `capacity` handles, a reference each, and returns
 * how many there are. `out` may be NULL, to ask for the number. Thread: any. */
POND_API size_t pond_breaker_list(pond_breaker **out, size_t capacity);

/* May a call be made now? If so, *ticket is to record its outcome with.
 * Every call that was let through must be recorded, cancelled ones too; a half-open breaker gives
 * up a test call of which it hears nothing for the recovery time. `ticket` may be NULL. Errors:
 * POND_ECIRCUITOPEN. Thread: any. */
POND_API int pond_breaker_allow(pond_breaker *breaker, uint64_t *ticket, pond_error **err);

/* Tell how a call ended. An outcome from before the last change of state is ignored; a ticket of 0
 * is never from before. Errors: POND_EINVAL for what is no outcome. Thread: any. */
POND_API int pond_breaker_record(pond_breaker *breaker, uint64_t ticket,
                                 pond_breaker_outcome outcome, pond_error **err);

/* What a breaker around a database is to be told of a call that ended with `code`: POND_OK and
 * answers of the database, errors among them, are successes, since it is there; connections that
 * fail and timeouts are failures; what never reached it, or was cancelled, says nothing. Thread:
 * any. */
POND_API pond_breaker_outcome pond_breaker_outcome_of(int code);

/* Close it and forget the failures. Thread: any. */
POND_API void pond_breaker_reset(pond_breaker *breaker);

/* The name it was made with. Owned by the breaker. Thread: any. */
POND_API const char *pond_breaker_name(const pond_breaker *breaker);

/* A breaker at one instant. */
typedef struct pond_breaker_status {
    uint32_t struct_size;     /* set by the caller to sizeof(pond_breaker_status) */
    uint32_t state;           /* a pond_breaker_state */
    uint32_t recent_failures; /* in the window */
    uint32_t probes;          /* test calls under way */
    int64_t retry_after_us;   /* until an open one is half-open; else 0 */
    uint64_t failures;        /* since it was made: failures recorded, */
    uint64_t refused;         /* calls refused, */
    uint64_t opened;          /* and times that it opened */
} pond_breaker_status;

/* Fill `out`, up to its struct_size. Errors: POND_EINVAL for a struct_size of 0. Thread: any. */
POND_API int pond_breaker_get_status(pond_breaker *breaker, pond_breaker_status *out,
                                     pond_error **err);

/* ---- Retry ------------------------------------------------------------------------------- */

/* When to try again: exponential backoff with full jitter. A NULL pointer stands for the defaults,
 * which are in brackets. */
typedef struct pond_retry_policy {
    uint32_t struct_size;     /* set by the caller to sizeof(pond_retry_policy) */
    uint32_t max_retries;     /* after the first attempt (3); UINT32_MAX: no limit */
    int64_t base_delay_us;    /* the first wait is at most this, in microseconds (0.1 s); */
    int64_t max_delay_us;     /* each further one at most twice that, up to this (10 s) */
    int64_t total_timeout_us; /* all attempts and waits together (30 s); negative: no limit */
} pond_retry_policy;

/* The defaults, to be changed by the caller. */
#define POND_RETRY_POLICY_INIT                                   \
    {                                                            \
        sizeof(pond_retry_policy), 3, 100000, 10000000, 30000000 \
    }

/* `failures` attempts (at least 1) have failed, the first of which began `elapsed_us` ago:
 * *delay_us is how many microseconds to wait before the next, or -1 to give up. The wait is uniform
 * from 0 to the limit, so that many who failed together do not return together. Errors:
 * POND_EINVAL. Thread: any. */
POND_API int pond_retry_next(const pond_retry_policy *policy, uint32_t failures, int64_t elapsed_us,
                             int64_t *delay_us, pond_error **err);

/* ---- Statement cache --------------------------------------------------------------------- */

/* A cache for what a program prepares by itself, as a backend of its own does; the library's
 * connections have theirs inside. Values are the program's pointers, found by a name, which is
 * usually pond_statement_hash() of the SQL. The one that was not used for longest goes first. While
 * values that had to go are asked for again, the capacity doubles, up to the limit. */

/* A NULL pointer stands for the defaults, which are in brackets. */
typedef struct pond_statement_cache_options {
    uint32_t struct_size; /* set by the caller to sizeof(pond_statement_cache_options) */
    uint32_t reserved;    /* 0 */
    uint64_t capacity;    /* values at first (0: 256) */
    uint64_t limit;       /* values at most (0: 4 times the capacity) */
    /* Called with a value that is put in or handed out, and with one that is dropped; each may be
     * NULL. `retain` must not use the cache; `release` may. */
    void (*retain)(void *value);
    void (*release)(void *value);
} pond_statement_cache_options;

/* Errors: POND_EINVAL for an option out of range. Thread: any. */
POND_API int pond_statement_cache_new(const pond_statement_cache_options *options,
                                      pond_statement_cache **out, pond_error **err);
POND_API pond_statement_cache *pond_statement_cache_retain(pond_statement_cache *cache);
POND_API void pond_statement_cache_release(pond_statement_cache *cache);

/* Find a value: 1, with *value retained for the caller; or 0, with *value NULL. Thread: any. */
POND_API int pond_statement_cache_get(pond_statement_cache *cache, const char *name,
                                      size_t name_size, void **value);

/* Put a value in, in the place of any of that name. Errors: POND_ENOMEM, and the value was not
 * retained. Thread: any. */
POND_API int pond_statement_cache_put(pond_statement_cache *cache, const char *name,
                                      size_t name_size, void *value, pond_error **err);

/* Call `each(data, name, name_size, value)` for all values, before this returns. It must not use
 * the cache. Thread: any. */
POND_API void pond_statement_cache_each(pond_statement_cache *cache,
                                        void (*each)(void *data, const char *name, size_t name_size,
                                                     void *value),
                                        void *data);

/* Drop all values. Thread: any. */
POND_API void pond_statement_cache_clear(pond_statement_cache *cache);

/* A cache at one instant. */
typedef struct pond_statement_cache_status {
    uint32_t struct_size; /* set by the caller to sizeof(pond_statement_cache_status) */
    uint32_t reserved;
    uint64_t count; /* values in it */
    uint64_t capacity;
    uint64_t limit;
    uint64_t hits;
    uint64_t misses;
    uint64_t evictions;
} pond_statement_cache_status;

/* Fill `out`, up to its struct_size. Errors: POND_EINVAL for a struct_size of 0. Thread: any. */
POND_API int pond_statement_cache_get_status(pond_statement_cache *cache,
                                             pond_statement_cache_status *out, pond_error **err);

/* Write the MD5 of a statement's text into `out`: 32 hexadecimal digits and a NUL. Thread: any. */
POND_API void pond_statement_hash(const char *sql, size_t sql_size, char out[33]);

#ifdef __cplusplus
}
#endif

#endif /* MILLPOND_RESILIENCE_H */

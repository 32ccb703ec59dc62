/* A call: what a caller asks of a database. It exists before there is a connection for it; a lease
 * binds it to one as a request (driver/request.h), which borrows what the call owns.
 *
 * All ways to ask make calls: statements, batches, streams, transactions and the steps of entity
 * plans. So options are read, timeouts resolved, breakers asked and durations counted here alone.
 */
#ifndef PONDI_CALL_CALL_H
#define PONDI_CALL_CALL_H

#include "base/error.h"
#include "metrics/metrics.h"
#include "millpond/millpond.h"

struct pondi_call_lists;

typedef enum pondi_call_kind {
    PONDI_REQUEST_CONNECT,
    PONDI_REQUEST_EXECUTE,      /* statement, params[column_count] */
    PONDI_REQUEST_EXECUTE_MANY, /* statement, params[row_count * column_count]; atomic */
    PONDI_REQUEST_STREAM,       /* as EXECUTE, but stops at batch_rows rows */
    PONDI_REQUEST_FETCH,        /* the next batch_rows rows */
    PONDI_REQUEST_END_STREAM,   /* the rest of the rows is not wanted */
    PONDI_REQUEST_TRANSACTION,  /* verb */
    PONDI_REQUEST_PING,         /* one cheap round trip */
    PONDI_REQUEST_RESET,        /* forget all that statements did to the session */
    PONDI_REQUEST_REPORT,       /* what the server is: fills pondi_conn.report */
    PONDI_REQUEST_WAIT_FOR,     /* until pondi_conn.awaited is applied here; POND_ETIMEDOUT if it
                                   still is not when the request's time is over */
    PONDI_REQUEST_READ_ONLY     /* the session's next transactions are read-only, or as they were
                                   when it began: pondi_conn.wants_read_only */
} pondi_call_kind;

enum {
    PONDI_CALL_NATIVE = 1, /* in the dialect's own words: nothing to convert */
    PONDI_CALL_UNDOES = 2, /* it rolls back, or puts the session right again: it goes on though
                              nobody waits for it any more */
    PONDI_CALL_BLOCK = 4,  /* of several statements on purpose, from the library itself: one
                              compound statement, or with BATCH a list of them */
    /* A transaction of its own: the statements of the list one by one, until one fails or writes no
     * row, which rolls back; then there are no rows. Else it commits, and the result is the first
     * with rows. MySQL has got them all before the first one is answered. */
    PONDI_CALL_BATCH = 8,
    PONDI_CALL_AT_ONCE = 16, /* see POND_EXECUTE_AT_ONCE */
    PONDI_CALL_HELD = 32,    /* the program itself runs it, see pond_connection_hold() */
    PONDI_CALL_STEP = 64     /* of an entity call: the library reads the rows */
};

/* What calls need to know of the database that they are for, whichever connection they get. Lives
 * longer than they. */
typedef struct pondi_call_target {
    pond_dialect dialect;
    int takes_runs; /* see pondi_driver */
    int64_t timeout_ms;
    pondi_metrics *metrics;
} pondi_call_target;

/* What a call is made of. NULL and 0 wherever something has no meaning for its kind. */
typedef struct pondi_call_spec {
    const pondi_call_target *target; /* NULL for what the library asks for itself, uncounted */
    pondi_call_kind kind;
    pond_transaction_verb verb;
    unsigned flags; /* PONDI_CALL_* */
    const char *sql;
    size_t sql_size;
    const pond_value *params; /* row_count * column_count */
    size_t row_count;
    size_t column_count;
    uint64_t first_row;    /* how errors count the first one */
    size_t batch_rows;     /* 0: all there are */
    int64_t timeout_ms;    /* negative: no limit */
    const char *operation; /* what it is counted as; NULL for no name */
    const pond_tag *tags;  /* become a comment after the SQL */
    size_t tag_count;
} pondi_call_spec;

typedef struct pondi_call {
    const pondi_call_target *target; /* or NULL */
    pondi_call_kind kind;
    pond_transaction_verb verb;
    unsigned flags;
    const char *sql; /* tags' comment included */
    size_t sql_size;
    size_t comment_size; /* of it: the tags, and the line end before them */
    const pond_value *params;
    size_t row_count;
    size_t column_count;
    uint64_t first_row;
    size_t batch_rows; /* SIZE_MAX: all there are */
    int64_t timeout_ms;
    struct pondi_call_lists *lists; /* what its parameters' lists made of it; NULL: it has none */
    pondi_operation *operation;     /* what it is counted as; NULL for not at all */
    uint64_t ticket;                /* of the operation's circuit breaker; 0 for none */
} pondi_call;

/* Make a call with its own copies of everything, in one allocation that begins with `room` bytes,
 * zeroed, for the request that will carry it out: *memory. Free what the call holds besides with
 * pondi_call_dispose(), then the memory. Errors: POND_ENOMEM, POND_EINVAL, POND_ERANGE for sizes
 * beyond what can be counted. */
int pondi_call_new(const pondi_call_spec *spec, size_t room, void **memory, pondi_call **out,
                   pond_error **err);
void pondi_call_dispose(pondi_call *call);

/* What is known of its statement without a connection: PONDI_VERB_*. Reads up to its first word. */
unsigned pondi_call_means(const pondi_call *call);

/* Parameters of all rows. */
size_t pondi_call_value_count(const pondi_call *call);

/* Say in an error which row failed, from 0; nothing for NULL. */
void pondi_call_blame_row(const pondi_call *call, pond_error *error, size_t row);

/* ---- given.c ---- */
/* The same for parameters that a caller of a public function gives: they are checked, and lists
 * among them become part of the statement. */
int pondi_call_new_given(const pondi_call_spec *spec, size_t room, void **memory, pondi_call **out,
                         pond_error **err);
/* Read the options of a public function; NULL stands for the defaults. */
int pondi_call_read_options(const pondi_call_target *target, const pond_execute_options *given,
                            pondi_call_spec *spec, pond_error **err);
/* A timeout as callers give it, and as calls have it. */
int pondi_call_timeout(const pondi_call_target *target, int64_t given_ms, int64_t *out,
                       pond_error **err);

#endif

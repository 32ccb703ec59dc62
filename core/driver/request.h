/* One thing asked of one connection. */
#ifndef PONDI_DRIVER_REQUEST_H
#define PONDI_DRIVER_REQUEST_H

#include "driver/statement.h"
#include "loop/op.h"
#include "metrics/operation.h"

typedef enum pondi_request_kind {
    PONDI_REQUEST_CONNECT,
    PONDI_REQUEST_EXECUTE,      /* statement, params[column_count] */
    PONDI_REQUEST_EXECUTE_MANY, /* statement, params[row_count * column_count]; atomic */
    PONDI_REQUEST_STREAM,       /* as EXECUTE, but stops at batch_rows rows */
    PONDI_REQUEST_FETCH,        /* the next batch_rows rows */
    PONDI_REQUEST_END_STREAM,   /* the rest of the rows is not wanted */
    PONDI_REQUEST_TRANSACTION,  /* verb */
    PONDI_REQUEST_PING,         /* one cheap round trip */
    PONDI_REQUEST_RESET         /* forget all that statements did to the session */
} pondi_request_kind;

typedef struct pondi_request {
    pond_op op; /* first: a request is an operation */
    pondi_request_kind kind;
    pond_transaction_verb verb;
    struct pondi_conn *conn;
    pondi_statement *statement; /* valid from driver->start until the request is finished */
    const char *sql;            /* the caller's text, tags' comment included; inside the request */
    size_t sql_size;
    struct pondi_list_runs *lists; /* what its parameters' lists made of it; NULL: it has none */
    int undoes;                    /* it rolls back, or puts the session right again */
    int held;                      /* the program itself runs it, see pond_connection_hold() */
    int is_native;                 /* in the dialect's own words: nothing to convert */
    size_t comment_size;           /* of it: the tags, and the line end before them */
    const pond_value *params;      /* deep copies, inside the request */
    size_t row_count;
    size_t column_count;
    size_t batch_rows;  /* SIZE_MAX: all there are */
    uint64_t first_row; /* how errors count the first row */
    int64_t timeout_ms; /* as resolved from the call and the config; negative: no limit */
    int64_t submitted_ns;
    int64_t deadline_ns; /* PONDI_NEVER for no limit */
    int stop_code;       /* POND_ETIMEDOUT or POND_ECANCELLED once the driver was told to stop */
    int block;           /* of several statements on purpose, from the library itself: one compound
                            statement, or with `batch` a list of them */
    int batch;      /* a transaction of its own: the statements of the list one by one, until one
                       fails or writes no row, which rolls back; then there are no rows. Else
                       it commits, and the result is the first with rows. MySQL has got them
                       all before the first one is answered. */
    int inline_run; /* executed by the calling thread, see pondi_driver.run_inline */
    int may_move;   /* once, to another connection, if it never left this one */
    int hastened;   /* nobody waits for it any more, but it is executed when its turn comes */
    int started;    /* it passed its checks, and was the driver's to run */
    int preparing;  /* what the driver has sent so far does nothing: the statement is yet to come */
    pondi_operation *operation; /* what it is counted as; NULL for not at all */
    uint64_t ticket;            /* of the operation's circuit breaker; 0 for none */
} pondi_request;

/* What a request is made of. NULL and 0 wherever something has no meaning for its kind. */
typedef struct pondi_request_spec {
    pondi_request_kind kind;
    pond_transaction_verb verb;
    const char *sql;
    size_t sql_size;
    int undoes; /* these four as in pondi_request; what the SQL itself says of it is known */
    int is_native;
    int block;
    int batch;
    const pond_value *params; /* row_count * column_count */
    size_t row_count;
    size_t column_count;
    uint64_t first_row;
    size_t batch_rows;    /* 0: all there are */
    int64_t timeout_ms;   /* negative: no limit */
    const pond_tag *tags; /* become a comment after the SQL */
    size_t tag_count;
} pondi_request_spec;

/* Make a request with its own copies of everything. Errors: POND_ENOMEM, POND_EINVAL, POND_ERANGE
 * for sizes beyond what can be counted. */
int pondi_request_new(const pondi_request_spec *spec, pond_loop *loop, void *user_data,
                      pondi_request **out, pond_error **err);

/* Say in an error which row failed, from 0; nothing for NULL. */
void pondi_request_blame_row(const pondi_request *request, pond_error *error, size_t row);

#endif

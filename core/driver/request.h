/* One thing asked of one connection: a call on its way. */
#ifndef PONDI_DRIVER_REQUEST_H
#define PONDI_DRIVER_REQUEST_H

#include "call/lists.h"
#include "driver/statement.h"
#include "loop/op.h"

typedef struct pondi_request {
    pond_op op;                 /* first: a request is an operation */
    pondi_call *call;           /* in the same allocation */
    struct pondi_conn *conn;    /* NULL before it is submitted */
    pondi_statement *statement; /* valid from driver->start until the request is finished */
    /* what of the call is under way: with lists among its parameters, one run of rows */
    const char *sql; /* the caller's text, tags' comment included */
    size_t sql_size;
    const pond_value *params;
    size_t column_count;
    size_t run;
    size_t batch_rows; /* SIZE_MAX: all there are */
    int64_t submitted_ns;
    int64_t deadline_ns; /* PONDI_NEVER for no limit */
    int stop_code;       /* POND_ETIMEDOUT or POND_ECANCELLED once the driver was told to stop */
    int inline_run;      /* executed by the calling thread, see pondi_driver.run_inline */
    int may_move;        /* once, to another connection, if it never left this one */
    int cancel_on_start; /* its caller no longer waits: it is sent in its turn, and cancelled once
                            sent */
    int started;         /* it passed its checks, and was the driver's to run */
    int preparing; /* what the driver has sent so far does nothing: the statement is yet to come */
} pondi_request;

/* Make a request, and the call that it carries out: as pondi_call_new() and
 * pondi_call_new_given(). It has no loop yet. */
int pondi_request_new(const pondi_call_spec *spec, pondi_request **out, pond_error **err);
int pondi_request_new_given(const pondi_call_spec *spec, pondi_request **out, pond_error **err);

/* Make it an operation of a loop, which is locked: from now on it is freed by pond_op_release(). */
void pondi_request_bind(pondi_request *request, pond_loop *loop, void *user_data);

/* Free one that was never bound; NULL is allowed. */
void pondi_request_free(pondi_request *request);

/* The row after the last one that the request's current statement is for. */
size_t pondi_request_run_end(const pondi_request *request);

/* The parameters of a row of the current run. */
const pond_value *pondi_request_row(const pondi_request *request, size_t row);

/* Go to the run that begins with `row`, which is 0 or the end of the current one: statement,
 * parameters and their number change. Errors: as pondi_statement_cache_get(). Only while the
 * request runs, by whichever thread runs it. */
int pondi_request_enter_run(struct pondi_conn *conn, pondi_request *request, size_t row,
                            pond_error **err);

/* Have an error's position count in the caller's own statement. */
void pondi_request_fix_position(const pondi_request *request, pond_error *error);

#endif

/* Requests with lists among their parameters: see sql/lists.h. */
#ifndef PONDI_DRIVER_REQUEST_LISTS_H
#define PONDI_DRIVER_REQUEST_LISTS_H

#include "driver/conn.h"
#include "sql/lists.h"

/* Rows in a row for which the statement is the same. */
typedef struct pondi_run {
    size_t end; /* after its last row */
    size_t column_count;
    const pond_value *params;
    char *sql; /* tags' comment included */
    size_t sql_size;
} pondi_run;

typedef struct pondi_list_runs {
    char *original; /* the caller's statement */
    size_t original_size;
    pondi_segment *segments; /* of the first run's statement */
    size_t segment_count;
    pondi_run *runs;
    size_t run_count;
    size_t run;         /* the current one */
    size_t value_count; /* parameters of all rows */
} pondi_list_runs;

/* As pondi_request_new(), for a statement with `?` of which some parameters are lists. Errors: also
 * POND_ESYNTAX; POND_EPARAMS for a list that cannot be meant where it stands. */
int pondi_request_new_lists(const pondi_driver *driver, const pondi_request_spec *spec,
                            pond_loop *loop, void *user_data, pondi_request **out,
                            pond_error **err);

/* A statement in the database's own words is executed as it is: refuse lists that it cannot mean.
 */
int pondi_check_native_lists(const pondi_driver *driver, const pondi_request_spec *spec,
                             pond_error **err);

void pondi_list_runs_free(pondi_list_runs *lists);

/* The row after the last one that the request's current statement is for. */
size_t pondi_request_run_end(const pondi_request *request);

/* Of all rows; `request->params` begins with those of the first run while that is the current one.
 */
size_t pondi_request_value_count(const pondi_request *request);

/* The parameters of a row of the current run. */
const pond_value *pondi_request_row(const pondi_request *request, size_t row);

/* Go to the run that begins with `row`, which is 0 or the end of the current one: statement,
 * parameters and their number change. Errors: as pondi_statement_cache_get(). Only while the
 * request runs, by whichever thread runs it. */
int pondi_request_enter_run(pondi_conn *conn, pondi_request *request, size_t row, pond_error **err);

/* Have an error's position count in the caller's own statement. */
void pondi_request_fix_position(const pondi_request *request, pond_error *error);

#endif

/* What is known of a request whose connection was lost. */
#ifndef PONDI_DRIVER_OUTCOME_H
#define PONDI_DRIVER_OUTCOME_H

#include "driver/conn.h"

/* True for statements that change nothing, as far as the first word tells. */
int pondi_request_only_reads(const pondi_request *request);

/* True if the server may have done something for good that was asked for, where no answer comes. */
int pondi_request_outcome_unknown(const pondi_conn *conn, const pondi_request *request);

/* The error for it: POND_EUNKNOWN if something may have been done for good without our hearing of
 * it, else POND_ECONNLOST. `sent`: the server may have got some of it. `said`: the library's own
 * words, or "". Never NULL. */
pond_error *pondi_conn_lost_error(const pondi_conn *conn, const pondi_request *request, int sent,
                                  const char *said);

/* Make an error of pondi_conn_lost_error() one of memory: the client library could not hold the
 * answer, and gave the connection up. */
void pondi_conn_note_no_memory(pond_error *error);

#endif

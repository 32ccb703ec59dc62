/* One request to a server that it stop a session's statement, with a limit of time: libpq's
 * PQcancel() waits for a silent server for ever. */
#ifndef PONDI_POSTGRES_CANCEL_REQUEST_H
#define PONDI_POSTGRES_CANCEL_REQUEST_H

#include <libpq-fe.h>
#include <stddef.h>

typedef struct pg_cancel_request pg_cancel_request;

/* Note what is needed to reach the connection's session; NULL if that cannot be done. Sends
 * nothing. */
pg_cancel_request *pondi_postgres_cancel_request_new(PGconn *pg);

/* Send it, and wait until the server has acted on it, a few seconds at most. Any thread, which
 * blocks. Returns 0 and says why in `problem` if it may not have arrived. */
int pondi_postgres_cancel_request_send(pg_cancel_request *request, char *problem, size_t room);

/* NULL is allowed. */
void pondi_postgres_cancel_request_free(pg_cancel_request *request);

#endif

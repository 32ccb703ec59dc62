/* A pool's metrics and the breakers of its statements. */
#ifndef PONDI_POOL_METRICS_H
#define PONDI_POOL_METRICS_H

#include "pool/pool.h"
#include "resilience/breaker.h"

/* Read what the config says of them; the pool is being made. */
void pondi_pool_begin_metrics(pond_pool *pool);
/* Its counts go to the process's; it is being freed. */
void pondi_pool_end_metrics(pond_pool *pool);

/* What the pool is called in metrics: its alias, or the database. */
const char *pondi_pool_alias(const pond_pool *pool);

/* What a statement is counted as, and whether it may be sent: POND_ECIRCUITOPEN. *ticket is to be
 * recorded when it ended; 0 for no breaker, as for statements inside a transaction. The loop of
 * `conn` is locked. */
int pondi_pool_admit(pond_pool *pool, const pondi_conn *conn, pondi_request_kind kind,
                     pond_transaction_verb verb, const pond_tag *tags, size_t tag_count,
                     pondi_operation **operation, uint64_t *ticket, pond_error **err);

/* The load of the window; pool locked. */
void pondi_pool_load(pond_pool *pool, pondi_load *out);

/* ---- snapshot.c ---- */
/* The pool counts for the process from now on; when it is freed, what it counted stays. */
void pondi_metrics_know(pond_pool *pool);
void pondi_metrics_forget(pond_pool *pool);

#endif

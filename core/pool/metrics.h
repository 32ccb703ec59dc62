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

/* The load of the window; pool locked. */
void pondi_pool_load(pond_pool *pool, pondi_load *out);

/* ---- snapshot.c ---- */
/* The pool counts for the process from now on; when it is freed, what it counted stays. */
void pondi_metrics_know(pond_pool *pool);
void pondi_metrics_forget(pond_pool *pool);

#endif

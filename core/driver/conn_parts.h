/* What the files of a connection share: conn.c (life and death), conn_run.c (requests one by one),
 * conn_check.c (what is refused before anything is sent), conn_stop.c (deadlines, cancellation). */
#ifndef PONDI_DRIVER_CONN_PARTS_H
#define PONDI_DRIVER_CONN_PARTS_H

#include <stdatomic.h>

#include "driver/conn.h"
#include "driver/driver.h"

static inline pondi_request *pondi_conn_request_at(pondi_list *node)
{
    return (pondi_request *)(void *)PONDI_CONTAINER(node, pond_op, link);
}

static inline void pondi_conn_set_running(pondi_conn *conn, int64_t since_ns)
{
    atomic_store_explicit(&conn->running_ns, since_ns, memory_order_relaxed);
}

/* ---- conn.c ---- */

/* End a request; `error` is taken over. */
void pondi_conn_complete(pondi_request *request, int code, pond_error *error);
/* The error of what is not sent since the connection is lost: with the server's reason. */
pond_error *pondi_conn_lost_before(const pondi_conn *conn, const char *what);
/* End all that wait. */
void pondi_conn_fail_queue(pondi_conn *conn, int code, const char *why);
/* Have the owner told, or the connection freed, when the loop is left. */
void pondi_conn_send_message(pondi_conn *conn);

/* ---- conn_check.c ---- */

/* What can be known before anything is sent; finds the request's statement. */
int pondi_conn_check(pondi_conn *conn, pondi_request *request, pond_error **err);

/* ---- track.c ---- */

/* The current request ends: tell who tracks the connection. Only if `tracks` is set. */
void pondi_conn_tell_use(pondi_conn *conn, const pondi_request *request, const pond_error *error);

/* ---- conn_stop.c ---- */

/* Make the timer fire by `deadline_ns` at the latest. A request that ends does not stop the timer:
 * when it fires, it is set for the next deadline. */
void pondi_conn_aim_timer(pondi_conn *conn, int64_t deadline_ns);
void pondi_conn_on_deadline(void *data);
/* Cancel the current request: its caller no longer waits for it. */
void pondi_conn_cancel_current(pondi_conn *conn);
/* What the error of a request becomes that was stopped. */
pond_error *pondi_conn_after_stop(pondi_request *request, pond_error *error);

#endif

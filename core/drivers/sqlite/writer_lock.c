#include <errno.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "drivers/sqlite/sqlite.h"

void pondi_sqlite_writers_init(pondi_sqlite_writers *writers)
{
    pthread_mutex_init(&writers->lock, NULL);
    pondi_list_init(&writers->turns);
    writers->busy = 0;
}

void pondi_sqlite_writers_destroy(pondi_sqlite_writers *writers)
{
    pthread_mutex_destroy(&writers->lock);
}

static void wait_until(pondi_sqlite_writers *writers, pondi_sqlite_turn *turn, int64_t deadline_ns)
{
    if (deadline_ns == PONDI_NEVER) {
        pthread_cond_wait(&turn->ready, &writers->lock);
        return;
    }
    struct timespec when = {.tv_sec = (time_t)(deadline_ns / 1000000000),
                            .tv_nsec = (long)(deadline_ns % 1000000000)};
    pthread_cond_timedwait(&turn->ready, &writers->lock, &when);
}

/* Locked. */
static void wait_for_turn(pondi_sqlite_conn *conn, int64_t give_up_ns)
{
    pondi_sqlite_writers *writers = conn->shared->writers;
    pondi_sqlite_turn *turn = &conn->turn;
    int64_t until_ns = give_up_ns < conn->deadline_ns ? give_up_ns : conn->deadline_ns;
    turn->granted = 0;
    pondi_list_push_back(&writers->turns, &turn->link);
    while (!turn->granted && !pondi_sqlite_must_stop(conn) && pondi_now_ns() < give_up_ns) {
        int64_t interrupt_check_ns = pondi_deadline_ns(pondi_interrupt_wait_ms());
        wait_until(writers, turn, interrupt_check_ns < until_ns ? interrupt_check_ns : until_ns);
        if (turn->granted || !pondi_interrupt_is_due())
            continue;
        pthread_mutex_unlock(&writers->lock);
        pondi_sqlite_ask_host(conn);
        pthread_mutex_lock(&writers->lock);
    }
    if (!turn->granted)
        pondi_list_remove(&turn->link);
}

int pondi_sqlite_writers_enter(pondi_sqlite_conn *conn)
{
    pondi_sqlite_writers *writers = conn->shared->writers;
    if (conn->holds_writers)
        return SQLITE_OK;
    pthread_mutex_lock(&writers->lock);
    if (!writers->busy) {
        writers->busy = 1;
        conn->holds_writers = 1;
    } else {
        wait_for_turn(conn, pondi_deadline_ns(conn->busy_ms));
        conn->holds_writers = conn->turn.granted;
    }
    pthread_mutex_unlock(&writers->lock);
    if (conn->holds_writers)
        return SQLITE_OK;
    return pondi_sqlite_must_stop(conn) ? SQLITE_INTERRUPT : SQLITE_BUSY;
}

void pondi_sqlite_writers_leave(pondi_sqlite_conn *conn)
{
    pondi_sqlite_writers *writers = conn->shared->writers;
    if (!conn->holds_writers)
        return;
    conn->holds_writers = 0;
    pthread_mutex_lock(&writers->lock);
    pondi_list *node = pondi_list_pop_front(&writers->turns);
    if (node) { /* handed on, never free in between: nobody overtakes */
        pondi_sqlite_turn *turn = PONDI_CONTAINER(node, pondi_sqlite_turn, link);
        turn->granted = 1;
        pthread_cond_signal(&turn->ready);
    } else {
        writers->busy = 0;
    }
    pthread_mutex_unlock(&writers->lock);
}

void pondi_sqlite_writers_wake(pondi_sqlite_conn *conn)
{
    pthread_mutex_lock(&conn->shared->writers->lock);
    pthread_cond_signal(&conn->turn.ready);
    pthread_mutex_unlock(&conn->shared->writers->lock);
}

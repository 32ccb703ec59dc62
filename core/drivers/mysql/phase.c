/* The phases of a connection and what leads from one to the next; README.md has the picture. */
#include "drivers/mysql/mysql.h"

enum { SAME = 0 };

/* What is not listed changes nothing: a stop of what has ended already, the end of a stream's
 * batch, what a step says once more. */
static const unsigned char after[MY_PHASES][MY_EVENTS] = {
    [MY_IDLE] = {[MY_ON_CONNECT] = MY_CONNECTING,
                 [MY_ON_START] = MY_STARTING,
                 [MY_ON_LOSS] = MY_LOST_SETTLED},
    [MY_CONNECTING] = {[MY_ON_LOSS] = MY_LOST_SETTLED, [MY_ON_END] = MY_IDLE},
    [MY_STARTING] = {[MY_ON_SENT] = MY_RUNNING,
                     [MY_ON_BATCH] = MY_BEGINNING,
                     [MY_ON_STOP] = MY_WITHDRAWN,
                     [MY_ON_HOLD] = MY_HELD,
                     [MY_ON_LOSS] = MY_LOST_UNSENT,
                     [MY_ON_END] = MY_IDLE},
    [MY_WITHDRAWN] = {[MY_ON_SENT] = MY_STOPPING,
                      [MY_ON_HOLD] = MY_HELD,
                      [MY_ON_LOSS] = MY_LOST_UNSENT,
                      [MY_ON_END] = MY_IDLE},
    [MY_BEGINNING] = {[MY_ON_BEGUN] = MY_RUNNING, [MY_ON_LOSS] = MY_LOST, [MY_ON_END] = MY_IDLE},
    [MY_RUNNING] = {[MY_ON_STALE] = MY_RERUNNING,
                    [MY_ON_STOP] = MY_STOPPING,
                    [MY_ON_PARK] = MY_PARKED,
                    [MY_ON_HOLD] = MY_HELD,
                    [MY_ON_SETTLE] = MY_SETTLING,
                    [MY_ON_LOSS] = MY_LOST,
                    [MY_ON_END] = MY_IDLE},
    [MY_RERUNNING] = {[MY_ON_STOP] = MY_STOPPING,
                      [MY_ON_PARK] = MY_PARKED,
                      [MY_ON_HOLD] = MY_HELD,
                      [MY_ON_SETTLE] = MY_SETTLING,
                      [MY_ON_LOSS] = MY_LOST,
                      [MY_ON_END] = MY_IDLE},
    [MY_STOPPING] = {[MY_ON_PARK] = MY_PARKED,
                     [MY_ON_HOLD] = MY_HELD,
                     [MY_ON_SETTLE] = MY_SETTLING,
                     [MY_ON_LOSS] = MY_LOST,
                     [MY_ON_END] = MY_IDLE},
    [MY_PARKED] = {[MY_ON_START] = MY_STARTING, [MY_ON_SENT] = MY_RUNNING, [MY_ON_LOSS] = MY_LOST},
    [MY_HELD] =
        {[MY_ON_SETTLE] = MY_SETTLING, [MY_ON_LOSS] = MY_LOST_SETTLED, [MY_ON_END] = MY_IDLE},
    [MY_SETTLING] = {[MY_ON_HOLD] = MY_HELD, [MY_ON_LOSS] = MY_LOST_SETTLED, [MY_ON_END] = MY_IDLE},
    /* a lost connection stays so */
};

/* A step may run on a thread while the loop stops its request. */
my_phase pondi_mysql_move(my_conn *conn, my_event event)
{
    int now = atomic_load(&conn->phase);
    int next;
    do
        next = after[now][event] == SAME ? now : after[now][event];
    while (next != now && !atomic_compare_exchange_weak(&conn->phase, &now, next));
    return (my_phase)next;
}

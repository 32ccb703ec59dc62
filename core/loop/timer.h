/* One deadline at a time on a loop. */
#ifndef PONDI_LOOP_TIMER_H
#define PONDI_LOOP_TIMER_H

#include <stdint.h>

#include "millpond/millpond.h"

typedef struct pondi_timer pondi_timer;

/* `fire` is called once per start, with the loop locked. The loop must be locked, here and below.
 */
int pondi_timer_new(pond_loop *loop, void (*fire)(void *data), void *data, pondi_timer **out,
                    pond_error **err);

/* Fire at `deadline_ns` of the monotonic clock, instead of any earlier setting; PONDI_NEVER stops.
 */
void pondi_timer_start(pondi_timer *timer, int64_t deadline_ns);
void pondi_timer_stop(pondi_timer *timer);

/* End it; NULL is allowed. */
void pondi_timer_free(pondi_timer *timer);

#endif

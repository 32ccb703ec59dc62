/* How old a replica's data is: the primary's positions of the last hour, and when they were asked.
 *
 * A replica that covers a position which the primary had when it was asked at 12:00:00 has all that
 * was committed by then: its data is at most as old as that. Measured so, an idle primary makes no
 * replica look old, and one whose position is not known is never taken for fresh.
 *
 * No lock and no clock: the monitor's thread owns it.
 */
#ifndef PONDI_TOPOLOGY_STALENESS_H
#define PONDI_TOPOLOGY_STALENESS_H

#include <stdint.h>

#include "base/clock.h"
#include "topology/position.h"

enum { PONDI_STALENESS_RING = 256 };

/* Not an instant: the data's age is not known. */
#define PONDI_STALENESS_UNKNOWN INT64_MIN

typedef struct pondi_staleness_entry {
    int64_t asked_ns;
    pondi_position position;
} pondi_staleness_entry;

/* All zero is an empty one. */
typedef struct pondi_staleness {
    pondi_staleness_entry ring[PONDI_STALENESS_RING]; /* from the oldest to the newest */
    uint32_t count;
} pondi_staleness;

void pondi_staleness_free(pondi_staleness *staleness);

/* The primary reported `position`, which is copied, when asked at `asked_ns`. One that was asked
 * earlier than the newest is left out, and so is one without memory: what is known then is older,
 * and nothing is taken for fresher than it is. A full ring is thinned: the older an entry, the
 * further it may be from the next. Of reports four times a second it keeps an hour, and takes data
 * for at most a tenth older than it is. */
void pondi_staleness_add(pondi_staleness *staleness, int64_t asked_ns,
                         const pondi_position *position);

/* The instant up to which a replica at `position` has everything for certain: its data is as of
 * then or fresher. PONDI_STALENESS_UNKNOWN if that is not known. */
int64_t pondi_staleness_as_of(const pondi_staleness *staleness, const pondi_position *position);

/* How old data as of `as_of_ns` is at most; PONDI_NEVER if that is not known. */
static inline int64_t pondi_staleness_age(int64_t as_of_ns, int64_t now_ns)
{
    if (as_of_ns == PONDI_STALENESS_UNKNOWN)
        return PONDI_NEVER;
    return now_ns > as_of_ns ? now_ns - as_of_ns : 0;
}

#endif

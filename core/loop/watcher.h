/* Waiting for a descriptor to become readable or writable. */
#ifndef PONDI_LOOP_WATCHER_H
#define PONDI_LOOP_WATCHER_H

#include "millpond/millpond.h"

typedef struct pondi_watcher pondi_watcher;

enum { PONDI_READABLE = 1, PONDI_WRITABLE = 2 };

/* `ready` gets the events that came up, or a negative number for a broken descriptor; the loop is
 * locked. The watcher starts with no events asked for. The loop must be locked, here and below. */
int pondi_watcher_new(pond_loop *loop, int fd, void (*ready)(void *data, int events), void *data,
                      pondi_watcher **out, pond_error **err);

/* Ask for these events from now on. Asking for what is already asked for costs nothing, so a
 * connection stays readable all its life. Returns POND_OK or POND_EINTERNAL. */
int pondi_watcher_set(pondi_watcher *watcher, int events);

/* End it; `ready` is not called any more. The descriptor may be closed right after. NULL is
 * allowed. Memory follows in the loop's own time. */
void pondi_watcher_free(pondi_watcher *watcher);

#endif

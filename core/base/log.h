/* Queue of log records that the host collects with pond_log_next(). */
#ifndef PONDI_BASE_LOG_H
#define PONDI_BASE_LOG_H

#include "base/error.h"
#include "millpond/types.h"

/* Add a record. Control characters in the text become spaces, so that no value can forge a line.
 * Never fails: without memory the record is lost. Any thread. */
void pondi_log(pond_log_level level, const char *area, const char *format, ...) PONDI_PRINTF(3, 4);

#endif

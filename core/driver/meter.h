/* What is learnt from each statement: the bytes of its values, its duration, its error, whether its
 * circuit breaker should know, and whether it was so slow that the log should. */
#ifndef PONDI_DRIVER_METER_H
#define PONDI_DRIVER_METER_H

#include "driver/conn.h"

/* To be called for every request as it is sent; the loop is locked. */
void pondi_meter_begin(const pondi_request *request);

/* To be called for every request right before it completes; the loop is locked. */
void pondi_meter_end(const pondi_request *request, int code);

#endif

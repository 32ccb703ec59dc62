/* Checks of parameters that all databases share. */
#ifndef PONDI_DRIVER_PARAM_H
#define PONDI_DRIVER_PARAM_H

#include "base/error.h"
#include "base/value.h"

/* Refuse a NUL in text: PostgreSQL cannot store it, SQLite's functions end at it. `number` counts
 * parameters from 1. */
int pondi_param_check_text(size_t number, const char *text, size_t size, pond_error **err);

#endif

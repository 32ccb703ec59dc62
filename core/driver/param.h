/* Checks of parameters that all databases share. */
#ifndef PONDI_DRIVER_PARAM_H
#define PONDI_DRIVER_PARAM_H

#include "base/error.h"

/* True if the value's bytes are its own: text, bytes, decimal, JSON. */
static inline int pondi_param_has_text(const pond_value *value)
{
    return value->type == POND_TYPE_TEXT || value->type == POND_TYPE_BYTES ||
           value->type == POND_TYPE_DECIMAL || value->type == POND_TYPE_JSON;
}

/* Refuse a NUL in text: PostgreSQL cannot store it, SQLite's functions end at it. `number` counts
 * parameters from 1. */
int pondi_param_check_text(size_t number, const char *text, size_t size, pond_error **err);

#endif

/* What is true of a value by its type. */
#ifndef PONDI_BASE_VALUE_H
#define PONDI_BASE_VALUE_H

#include "millpond/types.h"

/* Arrays nest at most so deep. */
enum { PONDI_DEEPEST_ARRAY = 16 };

/* True if the value's bytes are its own: text, bytes, decimal, JSON. */
static inline int pondi_value_has_text(const pond_value *value)
{
    return value->type == POND_TYPE_TEXT || value->type == POND_TYPE_BYTES ||
           value->type == POND_TYPE_DECIMAL || value->type == POND_TYPE_JSON;
}

#endif

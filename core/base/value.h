/* The types of values: one row of facts for each. */
#ifndef PONDI_BASE_VALUE_H
#define PONDI_BASE_VALUE_H

#include "millpond/types.h"

/* Arrays nest at most so deep. */
enum { PONDI_DEEPEST_ARRAY = 16 };

/* The member of pond_value.as that is in use. */
typedef enum pondi_payload {
    PONDI_PAYLOAD_NONE,
    PONDI_PAYLOAD_INTEGER,
    PONDI_PAYLOAD_REAL,
    PONDI_PAYLOAD_TEXT,
    PONDI_PAYLOAD_INTERVAL,
    PONDI_PAYLOAD_UUID,
    PONDI_PAYLOAD_ARRAY
} pondi_payload;

typedef struct pondi_value_type {
    const char *name; /* what programs see, in Lua, too */
    pondi_payload payload;
    const char *arrow_format;    /* NULL where it depends on the values */
    const char *arrow_extension; /* NULL for none */
} pondi_value_type;

/* NULL for a number that is no type. */
const pondi_value_type *pondi_value_type_of(uint32_t type);

/* True if the value's bytes are its own: text, bytes, decimal, JSON. */
static inline int pondi_value_has_text(const pond_value *value)
{
    return value->type == POND_TYPE_TEXT || value->type == POND_TYPE_BYTES ||
           value->type == POND_TYPE_DECIMAL || value->type == POND_TYPE_JSON;
}

#endif

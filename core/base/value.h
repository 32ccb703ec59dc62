/* The types of values: one row of facts for each. */
#ifndef PONDI_BASE_VALUE_H
#define PONDI_BASE_VALUE_H

#include <stddef.h>
#include <stdint.h>

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

/* A row for each type, as in pondi_value_type: the payload is of PONDI_PAYLOAD_*. */
#define PONDI_VALUE_TYPES(X)                                \
    X(NULL, "null", NONE, "n", NULL)                        \
    X(BOOL, "boolean", INTEGER, "b", NULL)                  \
    X(INT64, "integer", INTEGER, "l", NULL)                 \
    X(DOUBLE, "float", REAL, "g", NULL)                     \
    X(DECIMAL, "decimal", TEXT, NULL, NULL)                 \
    X(TEXT, "text", TEXT, "U", NULL)                        \
    X(BYTES, "bytes", TEXT, "Z", NULL)                      \
    X(DATE, "date", INTEGER, "tdD", NULL)                   \
    X(TIME, "time", INTEGER, "ttu", NULL)                   \
    X(TIMESTAMP, "timestamp", INTEGER, "tsu:", NULL)        \
    X(TIMESTAMPTZ, "timestamptz", INTEGER, "tsu:UTC", NULL) \
    X(INTERVAL, "interval", INTERVAL, NULL, NULL)           \
    X(UUID, "uuid", UUID, "w:16", "arrow.uuid")             \
    X(JSON, "json", TEXT, "U", "arrow.json")                \
    X(ARRAY, "array", ARRAY, "+L", NULL)

/* NULL for a number that is no type. */
const pondi_value_type *pondi_value_type_of(uint32_t type);

#define PONDI_TEXT_BIT(type, name, payload, format, extension) \
    | (uint32_t)(PONDI_PAYLOAD_##payload == PONDI_PAYLOAD_TEXT) << POND_TYPE_##type

/* True if the value's bytes are its own: text, bytes, decimal, JSON. */
static inline int pondi_value_has_text(const pond_value *value)
{
    const uint32_t text_types = 0 PONDI_VALUE_TYPES(PONDI_TEXT_BIT);
    return value->type < 32 && (text_types >> value->type & 1);
}

#endif

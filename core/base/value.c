#include "base/value.h"

#include "millpond/millpond.h"

static const pondi_value_type types[] = {
    [POND_TYPE_NULL] = {"null", PONDI_PAYLOAD_NONE, "n", NULL},
    [POND_TYPE_BOOL] = {"boolean", PONDI_PAYLOAD_INTEGER, "b", NULL},
    [POND_TYPE_INT64] = {"integer", PONDI_PAYLOAD_INTEGER, "l", NULL},
    [POND_TYPE_DOUBLE] = {"float", PONDI_PAYLOAD_REAL, "g", NULL},
    [POND_TYPE_DECIMAL] = {"decimal", PONDI_PAYLOAD_TEXT, NULL, NULL},
    [POND_TYPE_TEXT] = {"text", PONDI_PAYLOAD_TEXT, "U", NULL},
    [POND_TYPE_BYTES] = {"bytes", PONDI_PAYLOAD_TEXT, "Z", NULL},
    [POND_TYPE_DATE] = {"date", PONDI_PAYLOAD_INTEGER, "tdD", NULL},
    [POND_TYPE_TIME] = {"time", PONDI_PAYLOAD_INTEGER, "ttu", NULL},
    [POND_TYPE_TIMESTAMP] = {"timestamp", PONDI_PAYLOAD_INTEGER, "tsu:", NULL},
    [POND_TYPE_TIMESTAMPTZ] = {"timestamptz", PONDI_PAYLOAD_INTEGER, "tsu:UTC", NULL},
    [POND_TYPE_INTERVAL] = {"interval", PONDI_PAYLOAD_INTERVAL, NULL, NULL},
    [POND_TYPE_UUID] = {"uuid", PONDI_PAYLOAD_UUID, "w:16", "arrow.uuid"},
    [POND_TYPE_JSON] = {"json", PONDI_PAYLOAD_TEXT, "U", "arrow.json"},
    [POND_TYPE_ARRAY] = {"array", PONDI_PAYLOAD_ARRAY, "+L", NULL},
};

enum { TYPE_COUNT = sizeof(types) / sizeof(types[0]) };

const pondi_value_type *pondi_value_type_of(uint32_t type)
{
    return type < TYPE_COUNT ? &types[type] : NULL;
}

const char *pond_type_name(uint32_t type)
{
    return type < TYPE_COUNT ? types[type].name : "unknown";
}

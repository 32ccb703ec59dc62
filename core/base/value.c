#include "base/value.h"

#include "millpond/millpond.h"

#define ROW(type, name, payload, format, extension) \
    [POND_TYPE_##type] = {name, PONDI_PAYLOAD_##payload, format, extension},

static const pondi_value_type types[] = {PONDI_VALUE_TYPES(ROW)};

enum { TYPE_COUNT = sizeof(types) / sizeof(types[0]) };

const pondi_value_type *pondi_value_type_of(uint32_t type)
{
    return type < TYPE_COUNT ? &types[type] : NULL;
}

const char *pond_type_name(uint32_t type)
{
    return type < TYPE_COUNT ? types[type].name : "unknown";
}

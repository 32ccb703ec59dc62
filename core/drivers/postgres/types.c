/* What the server's types become. */
#include <stdint.h>

#include "drivers/postgres/oids.h"
#include "drivers/postgres/postgres.h"

pond_type pondi_postgres_type(Oid type)
{
    switch (type) {
    case OID_BOOL:
        return POND_TYPE_BOOL;
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
    case OID_OID:
        return POND_TYPE_INT64;
    case OID_FLOAT4:
    case OID_FLOAT8:
        return POND_TYPE_DOUBLE;
    case OID_NUMERIC:
        return POND_TYPE_DECIMAL;
    case OID_BYTEA:
        return POND_TYPE_BYTES;
    case OID_JSON:
    case OID_JSONB:
        return POND_TYPE_JSON;
    case OID_UUID:
        return POND_TYPE_UUID;
    case OID_DATE:
        return POND_TYPE_DATE;
    case OID_TIME:
    case OID_TIMETZ:
        return POND_TYPE_TIME;
    case OID_TIMESTAMP:
        return POND_TYPE_TIMESTAMP;
    case OID_TIMESTAMPTZ:
        return POND_TYPE_TIMESTAMPTZ;
    case OID_INTERVAL:
        return POND_TYPE_INTERVAL;
    default:
        return POND_TYPE_TEXT;
    }
}

int pondi_postgres_is_array(Oid type)
{
    /* pg_type's of the category A, and two that stand for any; the numbers never change */
    static const uint16_t arrays[] = {
        143,  199,  210,  270,  271,  272,  273,  629,  651,  719,  775,  791,  1000, 1001,
        1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015, 1016,
        1017, 1018, 1019, 1020, 1021, 1022, 1027, 1028, 1034, 1040, 1041, 1115, 1182, 1183,
        1185, 1187, 1231, 1263, 1270, 1561, 1563, 2201, 2207, 2208, 2209, 2210, 2211, 2277,
        2287, 2949, 2951, 3221, 3643, 3644, 3645, 3735, 3770, 3807, 3905, 3907, 3909, 3911,
        3913, 3927, 4073, 4090, 4097, 4192, 5039, 5078, 6150, 6151, 6152, 6153, 6155, 6157};
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
        if (arrays[i] == type)
            return 1;
    }
    return 0;
}

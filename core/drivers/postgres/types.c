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

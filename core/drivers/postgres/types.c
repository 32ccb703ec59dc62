/* What the server's types become. */
#include <stdint.h>
#include <string.h>

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

Oid pondi_postgres_type_of_sender(const char *sender)
{
    static const struct {
        const char *sender;
        Oid type;
    } senders[] = {
        {"textsend", OID_TEXT},
        {"enum_send", OID_TEXT},
        {"varcharsend", OID_VARCHAR},
        {"bpcharsend", OID_BPCHAR},
        {"namesend", OID_NAME},
        {"charsend", OID_CHAR},
        {"unknownsend", OID_TEXT},
        {"xml_send", OID_XML},
        {"boolsend", OID_BOOL},
        {"byteasend", OID_BYTEA},
        {"int2send", OID_INT2},
        {"int4send", OID_INT4},
        {"int8send", OID_INT8},
        {"oidsend", OID_OID},
        {"float4send", OID_FLOAT4},
        {"float8send", OID_FLOAT8},
        {"numeric_send", OID_NUMERIC},
        {"json_send", OID_JSON},
        {"jsonb_send", OID_JSONB},
        {"date_send", OID_DATE},
        {"time_send", OID_TIME},
        {"timetz_send", OID_TIMETZ},
        {"timestamp_send", OID_TIMESTAMP},
        {"timestamptz_send", OID_TIMESTAMPTZ},
        {"interval_send", OID_INTERVAL},
        {"uuid_send", OID_UUID},
    };
    for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++) {
        if (strcmp(senders[i].sender, sender) == 0)
            return senders[i].type;
    }
    return 0;
}

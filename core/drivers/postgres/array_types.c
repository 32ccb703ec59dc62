/* The built-in arrays (catalog/pg_type). */
#include <stdint.h>

#include "drivers/postgres/postgres.h"

enum { ANY_ARRAY = 2277, ANY_COMPATIBLE_ARRAY = 5078 };

/* By the array's object id, as columns are looked up for each result. */
static const uint16_t elements[] = {
    [143] = OID_XML,
    [199] = OID_JSON,
    [210] = 71,
    [270] = 75,
    [271] = 5069,
    [272] = 81,
    [273] = 83,
    [629] = 628,
    [651] = 650,
    [719] = 718,
    [775] = 774,
    [791] = 790,
    [1000] = OID_BOOL,
    [1001] = OID_BYTEA,
    [1002] = OID_CHAR,
    [1003] = OID_NAME,
    [1005] = OID_INT2,
    [1006] = 22,
    [1007] = OID_INT4,
    [1008] = 24,
    [1009] = OID_TEXT,
    [1010] = 27,
    [1011] = 28,
    [1012] = 29,
    [1013] = 30,
    [1014] = OID_BPCHAR,
    [1015] = OID_VARCHAR,
    [1016] = OID_INT8,
    [1017] = 600,
    [1018] = 601,
    [1019] = 602,
    [1020] = OID_BOX,
    [1021] = OID_FLOAT4,
    [1022] = OID_FLOAT8,
    [1027] = 604,
    [1028] = OID_OID,
    [1034] = 1033,
    [1040] = 829,
    [1041] = 869,
    [1115] = OID_TIMESTAMP,
    [1182] = OID_DATE,
    [1183] = OID_TIME,
    [1185] = OID_TIMESTAMPTZ,
    [1187] = OID_INTERVAL,
    [1231] = OID_NUMERIC,
    [1263] = 2275,
    [1270] = OID_TIMETZ,
    [1561] = 1560,
    [1563] = 1562,
    [2201] = 1790,
    [2207] = 2202,
    [2208] = 2203,
    [2209] = 2204,
    [2210] = 2205,
    [2211] = 2206,
    [2287] = 2249,
    [2949] = 2970,
    [2951] = OID_UUID,
    [3221] = 3220,
    [3643] = 3614,
    [3644] = 3642,
    [3645] = 3615,
    [3735] = 3734,
    [3770] = 3769,
    [3807] = OID_JSONB,
    [3905] = 3904,
    [3907] = 3906,
    [3909] = 3908,
    [3911] = 3910,
    [3913] = 3912,
    [3927] = 3926,
    [4073] = 4072,
    [4090] = 4089,
    [4097] = 4096,
    [4192] = 4191,
    [5039] = 5038,
    [6150] = 4451,
    [6151] = 4532,
    [6152] = 4533,
    [6153] = 4534,
    [6155] = 4535,
    [6157] = 4536,
};

Oid pondi_postgres_element_type(Oid array)
{
    return array < sizeof(elements) / sizeof(elements[0]) ? elements[array] : 0;
}

int pondi_postgres_is_array(Oid type)
{
    return type == ANY_ARRAY || type == ANY_COMPATIBLE_ARRAY || pondi_postgres_element_type(type);
}

char pondi_postgres_delimiter(Oid element)
{
    return element == OID_BOX ? ';' : ',';
}

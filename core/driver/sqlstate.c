#include "driver/sqlstate.h"

#include <string.h>

#include "millpond/types.h"

typedef struct meaning {
    const char *prefix; /* the first that matches counts: whole states before their class */
    int code;
} meaning;

static const meaning meanings[] = {
    {"02", POND_EPROGRAMMING},
    {"08P01", POND_EINTERNAL},
    {"08", POND_ECONNLOST},
    {"0A", POND_ENOTSUPPORTED},
    {"21", POND_EPROGRAMMING},
    {"22003", POND_ERANGE},
    {"22008", POND_ERANGE},
    {"22", POND_EDATA},
    {"23502", POND_ENOTNULL},
    {"23503", POND_EFOREIGNKEY},
    {"23505", POND_EUNIQUE},
    {"23514", POND_ECHECK},
    {"23", POND_EINTEGRITY},
    {"25006", POND_EREADONLY},
    {"25P03", POND_ECONNLOST}, /* idle in transaction for too long: the server hung up */
    {"25", POND_ETRANSACTION},
    {"26", POND_EPROGRAMMING},
    {"28", POND_EAUTH},
    {"2D", POND_ETRANSACTION},
    {"34", POND_EPROGRAMMING},
    {"3B", POND_ETRANSACTION},
    {"3D", POND_EUNDEFINED},
    {"3F", POND_EUNDEFINED},
    {"40001", POND_ESERIALIZATION},
    {"40P01", POND_EDEADLOCK},
    {"40003", POND_EUNKNOWN},
    {"40", POND_ESERIALIZATION},
    {"42601", POND_ESYNTAX},
    {"42703", POND_EUNDEFINED},
    {"42704", POND_EUNDEFINED},
    {"42883", POND_EUNDEFINED},
    {"42P01", POND_EUNDEFINED},
    {"42P02", POND_EPARAMS},
    {"42P18", POND_EPARAMS},
    {"42", POND_EPROGRAMMING},
    {"53", POND_ERESOURCES},
    {"54", POND_ERANGE},
    {"55P03", POND_EBUSY},
    {"57014", POND_ECANCELLED},
    {"57P", POND_ECONNLOST},
    {"XX", POND_EINTERNAL},
};

int pondi_sqlstate_code(const char *sqlstate)
{
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (strncmp(sqlstate, meanings[i].prefix, strlen(meanings[i].prefix)) == 0)
            return meanings[i].code;
    }
    return POND_EOPERATIONAL;
}

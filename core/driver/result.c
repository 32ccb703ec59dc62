#include "driver/result.h"

#include <string.h>

void pondi_result_init(pond_result *result, const pondi_result_class *class)
{
    memset(result, 0, sizeof(*result));
    result->class = class;
    result->affected = -1;
    pondi_refcount_init(&result->refs);
}

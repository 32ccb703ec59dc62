#include "driver/param.h"

#include <string.h>

int pondi_param_check_text(size_t number, const char *text, size_t size, pond_error **err)
{
    const char *nul = size ? memchr(text, '\0', size) : NULL;
    if (!nul)
        return POND_OK;
    return pondi_error_set(err, POND_EDATA,
                           "parameter %zu has a NUL character at position %zu, which text must not "
                           "contain: remove it, or pass bytes",
                           number, (size_t)(nul - text) + 1);
}

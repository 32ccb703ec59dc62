#include "base/versioned.h"

#include <string.h>

static uint32_t size_in(const void *given)
{
    uint32_t size;
    memcpy(&size, given, sizeof(size));
    return size;
}

int pondi_check_struct_size(const void *given, const char *type, pond_error **err)
{
    if (!given || size_in(given) >= sizeof(uint32_t))
        return POND_OK;
    return pondi_error_set(err, POND_EINVAL, "struct_size is %u: set it to sizeof(%s)",
                           (unsigned)size_in(given), type);
}

void pondi_give_struct(void *out, const void *full, size_t size)
{
    uint32_t given = size_in(out);
    uint32_t copied = given < size ? given : (uint32_t)size;
    memcpy(out, full, copied);
    memcpy(out, &copied, sizeof(copied));
}

void pondi_take_struct(const void *given, void *full, size_t size)
{
    if (given)
        memcpy(full, given, size_in(given) < size ? size_in(given) : size);
}

/* Public structs that begin with their size, so that they can grow: `uint32_t struct_size`. */
#ifndef PONDI_BASE_VERSIONED_H
#define PONDI_BASE_VERSIONED_H

#include "base/error.h"

/* Refuse a struct whose size was not set; `type` is its name. */
int pondi_check_struct_size(const void *given, const char *type, pond_error **err);

/* Copy what fits of `full`, the struct as this library knows it, to the caller's. */
void pondi_give_struct(void *out, const void *full, size_t size);

/* Copy what the caller's has over the defaults in `full`. Nothing for NULL. */
void pondi_take_struct(const void *given, void *full, size_t size);

#endif

/* Hashes: a fast one for tables inside the process, MD5 for names that others see. */
#ifndef PONDI_BASE_HASH_H
#define PONDI_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Not for hostile keys beyond a bounded cache: fast and well mixed, not keyed. */
uint64_t pondi_hash_bytes(const void *data, size_t size);

/* For keys that others choose: SipHash-1-3 with a random key of this process. */
uint64_t pondi_hash_keyed(const void *data, size_t size);

/* 32 lower-case hexadecimal digits and a NUL. */
void pondi_md5_hex(const void *data, size_t size, char out[33]);

#endif

#include "base/hash.h"

#include <md5.h>
#include <string.h>

static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t pondi_hash_bytes(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint64_t hash = 0x9E3779B97F4A7C15u ^ size;
    size_t left = size;
    while (left >= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        hash = mix(hash ^ word, 0xD6E8FEB86659FD93u);
        bytes += 8;
        left -= 8;
    }
    uint64_t tail = 0;
    memcpy(&tail, bytes, left);
    return mix(hash ^ tail ^ 0xA0761D6478BD642Fu, 0xE7037ED1A0B428DBu);
}

void pondi_md5_hex(const void *data, size_t size, char out[33])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[MD5_DIGEST_LENGTH];
    MD5_CTX context;
    MD5Init(&context);
    MD5Update(&context, data, size);
    MD5Final(digest, &context);
    for (size_t i = 0; i < MD5_DIGEST_LENGTH; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[32] = '\0';
}

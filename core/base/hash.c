#include "base/hash.h"

#include <md5.h>
#include <pthread.h>
#include <string.h>

#include "base/random.h"

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

/* ---- SipHash-1-3, by Aumasson and Bernstein ---------------------------------------------- */

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static uint64_t key[2];

static void make_key(void)
{
    key[0] = pondi_random();
    key[1] = pondi_random();
}

static uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

uint64_t pondi_hash_keyed(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint64_t last = (uint64_t)size << 56;
    uint64_t word;
    pthread_once(&key_once, make_key);
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                     key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    for (; size >= sizeof(word); size -= sizeof(word), bytes += sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        sip_word(v, word);
    }
    for (size_t i = 0; i < size; i++)
        last |= (uint64_t)bytes[i] << (8 * i);
    sip_word(v, last);
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- MD5 --------------------------------------------------------------------------------- */

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

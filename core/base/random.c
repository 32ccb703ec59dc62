#include "base/random.h"

#include <sys/random.h>

#include "base/clock.h"
#include "base/process.h"

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

static uint64_t seed(const void *thread)
{
    uint64_t bits;
    if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) == (ssize_t)sizeof(bits))
        return bits;
    return mix((uint64_t)pondi_now_ns()) ^ (uint64_t)(uintptr_t)thread;
}

uint64_t pondi_random(void)
{
    static _Thread_local uint64_t state;
    static _Thread_local uint32_t process;
    if (process != pondi_process_generation()) {
        process = pondi_process_generation();
        state = seed(&state);
    }
    state += 0x9E3779B97F4A7C15u;
    return mix(state);
}

int64_t pondi_random_up_to(int64_t most)
{
    if (most < 1)
        return 0;
    __extension__ unsigned __int128 scaled =
        (unsigned __int128)pondi_random() * ((uint64_t)most + 1);
    return (int64_t)(scaled >> 64);
}

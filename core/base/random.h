/* Random numbers for spreading things in time; not for secrets. */
#ifndef PONDI_BASE_RANDOM_H
#define PONDI_BASE_RANDOM_H

#include <stdint.h>

/* 64 random bits. Each thread has a stream of its own, and so has a forked child: processes that
 * were forked from one must not all wait for the same time. Any thread. */
uint64_t pondi_random(void);

/* Uniform from 0 to `most`, inclusive; 0 for a `most` below 1. */
int64_t pondi_random_up_to(int64_t most);

#endif

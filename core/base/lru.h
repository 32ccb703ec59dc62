/* A hash table that forgets what was not used for longest, and grows while what it forgot comes
 * back. Entries are embedded in what they are about; the caller frees what is taken out. */
#ifndef PONDI_BASE_LRU_H
#define PONDI_BASE_LRU_H

#include <stdint.h>

#include "base/error.h"
#include "base/list.h"

typedef struct pondi_lru_entry {
    pondi_list recency; /* most recently used first */
    struct pondi_lru_entry *chain;
    uint64_t hash;
} pondi_lru_entry;

typedef struct pondi_lru {
    size_t capacity; /* doubles up to `limit` while evicted entries come back */
    size_t limit;
    size_t count;
    size_t regrets;           /* misses of entries evicted lately, since the capacity was set */
    uint64_t *evicted_hashes; /* the last `limit` ones, a ring */
    size_t next_evicted;
    size_t bucket_count; /* a power of two */
    pondi_lru_entry **buckets;
    pondi_list recency;
} pondi_lru;

/* `limit` is at least `capacity`, and that at least 1. The struct must not move afterwards. */
int pondi_lru_init(pondi_lru *lru, size_t capacity, size_t limit, pond_error **err);

/* Free the table; it must be empty, or its entries of no more use. */
void pondi_lru_free(pondi_lru *lru);

/* The entry of a hash for which `same` is true, NULL if there is none. It is not used by that. */
pondi_lru_entry *pondi_lru_find(pondi_lru *lru, uint64_t hash,
                                int (*same)(const pondi_lru_entry *entry, const void *key),
                                const void *key);

/* It was used just now. */
void pondi_lru_touch(pondi_lru *lru, pondi_lru_entry *entry);

/* Make room for an entry of this hash, which was not found: take out the oldest if the table is
 * full. To be called until it returns NULL. */
pondi_lru_entry *pondi_lru_make_room(pondi_lru *lru, uint64_t hash);

/* Add an entry; there is room. */
void pondi_lru_insert(pondi_lru *lru, pondi_lru_entry *entry, uint64_t hash);

/* Take one out, the oldest for NULL. NULL if the table is empty. */
pondi_lru_entry *pondi_lru_remove(pondi_lru *lru, pondi_lru_entry *entry);

#endif

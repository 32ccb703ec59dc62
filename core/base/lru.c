#include "base/lru.h"

#include <string.h>

#include "base/alloc.h"

int pondi_lru_init(pondi_lru *lru, size_t capacity, size_t limit, pond_error **err)
{
    memset(lru, 0, sizeof(*lru));
    pondi_list_init(&lru->recency);
    lru->capacity = capacity;
    lru->limit = limit;
    lru->bucket_count = 16;
    while (lru->bucket_count < limit && lru->bucket_count < 1u << 20)
        lru->bucket_count *= 2;
    lru->buckets = pondi_calloc(lru->bucket_count, sizeof(pondi_lru_entry *));
    lru->evicted_hashes = pondi_calloc(limit, sizeof(lru->evicted_hashes[0]));
    if (lru->buckets && lru->evicted_hashes)
        return POND_OK;
    pondi_lru_free(lru);
    return pondi_error_nomem(err);
}

void pondi_lru_free(pondi_lru *lru)
{
    pondi_free(lru->buckets);
    pondi_free(lru->evicted_hashes);
    lru->buckets = NULL;
    lru->evicted_hashes = NULL;
}

static pondi_lru_entry **bucket_of(pondi_lru *lru, uint64_t hash)
{
    return &lru->buckets[hash & (lru->bucket_count - 1)];
}

static pondi_lru_entry *oldest(pondi_lru *lru)
{
    return PONDI_CONTAINER(lru->recency.previous, pondi_lru_entry, recency);
}

pondi_lru_entry *pondi_lru_find(pondi_lru *lru, uint64_t hash,
                                int (*same)(const pondi_lru_entry *entry, const void *key),
                                const void *key)
{
    pondi_lru_entry *entry = *bucket_of(lru, hash);
    while (entry && (entry->hash != hash || !same(entry, key)))
        entry = entry->chain;
    return entry;
}

void pondi_lru_touch(pondi_lru *lru, pondi_lru_entry *entry)
{
    pondi_list_remove(&entry->recency);
    pondi_list_push_front(&lru->recency, &entry->recency);
}

pondi_lru_entry *pondi_lru_remove(pondi_lru *lru, pondi_lru_entry *entry)
{
    if (!lru->count)
        return NULL;
    if (!entry)
        entry = oldest(lru);
    pondi_lru_entry **link = bucket_of(lru, entry->hash);
    while (*link != entry)
        link = &(*link)->chain;
    *link = entry->chain;
    pondi_list_remove(&entry->recency);
    lru->count--;
    return entry;
}

void pondi_lru_insert(pondi_lru *lru, pondi_lru_entry *entry, uint64_t hash)
{
    pondi_lru_entry **bucket = bucket_of(lru, hash);
    entry->hash = hash;
    entry->chain = *bucket;
    *bucket = entry;
    pondi_list_push_front(&lru->recency, &entry->recency);
    lru->count++;
}

/* ---- Size -------------------------------------------------------------------------------- */

static void note_eviction(pondi_lru *lru, uint64_t hash)
{
    lru->evicted_hashes[lru->next_evicted] = hash;
    lru->next_evicted = (lru->next_evicted + 1) % lru->limit;
}

/* True for a miss that the limit as capacity would have avoided. */
static int was_evicted_lately(pondi_lru *lru, uint64_t hash)
{
    size_t at = lru->next_evicted;
    for (size_t i = lru->capacity; i < lru->limit; i++) {
        at = (at ? at : lru->limit) - 1;
        if (lru->evicted_hashes[at] == hash)
            return 1;
    }
    return 0;
}

/* Many regrets: what is in use is more than the table holds, and not just different each time. */
static void note_miss(pondi_lru *lru, uint64_t hash)
{
    if (lru->capacity >= lru->limit || !was_evicted_lately(lru, hash))
        return;
    if (++lru->regrets <= lru->capacity / 2)
        return;
    lru->regrets = 0;
    lru->capacity = lru->capacity > lru->limit / 2 ? lru->limit : lru->capacity * 2;
}

pondi_lru_entry *pondi_lru_make_room(pondi_lru *lru, uint64_t hash)
{
    if (lru->count < lru->capacity)
        return NULL;
    note_miss(lru, hash);
    if (lru->count < lru->capacity)
        return NULL;
    pondi_lru_entry *entry = pondi_lru_remove(lru, NULL);
    note_eviction(lru, entry->hash);
    return entry;
}

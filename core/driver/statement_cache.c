/* pond_statement_cache_*: a cache for statements that a program prepares by itself, on what the
 * connections' own caches stand on. */
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/given.h"
#include "base/hash.h"
#include "base/lru.h"
#include "base/refcount.h"
#include "base/versioned.h"
#include "millpond/millpond.h"

typedef struct item {
    pondi_lru_entry entry; /* first */
    void *value;
    size_t key_size;
    char key[];
} item;

struct pond_statement_cache {
    pondi_refcount refs;
    pond_statement_cache_options options;
    pthread_mutex_t lock; /* guards all below */
    pondi_lru lru;
    uint64_t hits;
    uint64_t misses;
    uint64_t evictions;
};

/* ---- Create and destroy ------------------------------------------------------------------ */

enum { DEFAULT_CAPACITY = 256, MOST = 1 << 22 };

static int read_options(const pond_statement_cache_options *given,
                        pond_statement_cache_options *out, pond_error **err)
{
    *out = (pond_statement_cache_options){0};
    if (pondi_check_struct_size(given, "pond_statement_cache_options", err))
        return POND_EINVAL;
    pondi_take_struct(given, out, sizeof(*out));
    if (!out->capacity)
        out->capacity = DEFAULT_CAPACITY;
    if (out->capacity > MOST || out->limit > MOST)
        return pondi_error_set(err, POND_EINVAL, "a cache holds at most %d statements", MOST);
    if (!out->limit)
        out->limit = out->capacity > MOST / 4 ? MOST : 4 * out->capacity;
    if (out->limit < out->capacity)
        return pondi_error_set(err, POND_EINVAL, "limit (%llu) is less than capacity (%llu)",
                               (unsigned long long)out->limit, (unsigned long long)out->capacity);
    return POND_OK;
}

int pond_statement_cache_new(const pond_statement_cache_options *options,
                             pond_statement_cache **out, pond_error **err)
{
    pond_statement_cache_options wanted;
    if (PONDI_GIVEN(err, out))
        return POND_EINVAL;
    *out = NULL;
    int code = read_options(options, &wanted, err);
    if (code)
        return code;
    pond_statement_cache *cache = pondi_calloc(1, sizeof(*cache));
    if (!cache)
        return pondi_error_nomem(err);
    code = pondi_lru_init(&cache->lru, (size_t)wanted.capacity, (size_t)wanted.limit, err);
    if (code) {
        pondi_free(cache);
        return code;
    }
    pondi_refcount_init(&cache->refs);
    pthread_mutex_init(&cache->lock, NULL);
    cache->options = wanted;
    *out = cache;
    return POND_OK;
}

pond_statement_cache *pond_statement_cache_retain(pond_statement_cache *cache)
{
    if (cache)
        pondi_refcount_take(&cache->refs);
    return cache;
}

/* Without the lock: what frees a value may come back here. */
static void drop(const pond_statement_cache *cache, pondi_lru_entry *entry)
{
    item *dropped = (item *)(void *)entry;
    if (cache->options.release)
        cache->options.release(dropped->value);
    pondi_free(dropped);
}

void pond_statement_cache_clear(pond_statement_cache *cache)
{
    pondi_lru_entry *entry;
    if (!cache)
        return;
    do {
        pthread_mutex_lock(&cache->lock);
        entry = pondi_lru_remove(&cache->lru, NULL);
        pthread_mutex_unlock(&cache->lock);
        if (entry)
            drop(cache, entry);
    } while (entry);
}

void pond_statement_cache_release(pond_statement_cache *cache)
{
    if (!cache || !pondi_refcount_drop(&cache->refs))
        return;
    pond_statement_cache_clear(cache);
    pondi_lru_free(&cache->lru);
    pthread_mutex_destroy(&cache->lock);
    pondi_free(cache);
}

/* ---- Get and put ------------------------------------------------------------------------- */

typedef struct key {
    const char *data;
    size_t size;
} key;

static int is_of(const pondi_lru_entry *entry, const void *wanted)
{
    const item *at = (const item *)(const void *)entry;
    const key *name = wanted;
    return at->key_size == name->size && memcmp(at->key, name->data, name->size) == 0;
}

int pond_statement_cache_get(pond_statement_cache *cache, const char *name, size_t name_size,
                             void **value)
{
    if (value)
        *value = NULL;
    if (PONDI_GIVEN(NULL, cache, value) || pondi_given_text(NULL, "name", name, name_size))
        return 0;
    const key wanted = {name, name_size};
    uint64_t hash = pondi_hash_bytes(name, name_size);
    pthread_mutex_lock(&cache->lock);
    pondi_lru_entry *entry = pondi_lru_find(&cache->lru, hash, is_of, &wanted);
    if (entry) {
        cache->hits++;
        pondi_lru_touch(&cache->lru, entry);
        *value = ((item *)(void *)entry)->value;
        if (cache->options.retain)
            cache->options.retain(*value);
    } else {
        cache->misses++;
    }
    pthread_mutex_unlock(&cache->lock);
    return entry != NULL;
}

int pond_statement_cache_put(pond_statement_cache *cache, const char *name, size_t name_size,
                             void *value, pond_error **err)
{
    int code = PONDI_GIVEN(err, cache);
    if (!code)
        code = pondi_given_text(err, "name", name, name_size);
    if (code)
        return code;
    const key wanted = {name, name_size};
    uint64_t hash = pondi_hash_bytes(name, name_size);
    item *added = pondi_calloc(1, sizeof(*added) + name_size);
    if (!added)
        return pondi_error_nomem(err);
    added->value = value;
    added->key_size = name_size;
    if (name_size)
        memcpy(added->key, name, name_size);
    if (cache->options.retain)
        cache->options.retain(value);
    pthread_mutex_lock(&cache->lock);
    pondi_lru_entry *gone = pondi_lru_find(&cache->lru, hash, is_of, &wanted);
    if (gone)
        pondi_lru_remove(&cache->lru, gone);
    else if ((gone = pondi_lru_make_room(&cache->lru, hash)))
        cache->evictions++;
    pondi_lru_insert(&cache->lru, &added->entry, hash);
    pthread_mutex_unlock(&cache->lock);
    if (gone)
        drop(cache, gone);
    return POND_OK;
}

void pond_statement_cache_each(pond_statement_cache *cache,
                               void (*each)(void *data, const char *name, size_t name_size,
                                            void *value),
                               void *data)
{
    if (!cache || !each)
        return;
    pthread_mutex_lock(&cache->lock);
    for (pondi_list *node = cache->lru.recency.next; node != &cache->lru.recency;
         node = node->next) {
        item *at = (item *)(void *)PONDI_CONTAINER(node, pondi_lru_entry, recency);
        each(data, at->key, at->key_size, at->value);
    }
    pthread_mutex_unlock(&cache->lock);
}

/* ---- Status ------------------------------------------------------------------------------ */

int pond_statement_cache_get_status(pond_statement_cache *cache, pond_statement_cache_status *out,
                                    pond_error **err)
{
    if (PONDI_GIVEN(err, cache, out) ||
        pondi_check_struct_size(out, "pond_statement_cache_status", err))
        return POND_EINVAL;
    pond_statement_cache_status status = {0};
    pthread_mutex_lock(&cache->lock);
    status.count = cache->lru.count;
    status.capacity = cache->lru.capacity;
    status.limit = cache->lru.limit;
    status.hits = cache->hits;
    status.misses = cache->misses;
    status.evictions = cache->evictions;
    pthread_mutex_unlock(&cache->lock);
    pondi_give_struct(out, &status, sizeof(status));
    return POND_OK;
}

void pond_statement_hash(const char *sql, size_t sql_size, char out[33])
{
    if (!out)
        return;
    out[0] = '\0';
    if (!pondi_given_text(NULL, "sql", sql, sql_size))
        pondi_md5_hex(sql, sql_size, out);
}

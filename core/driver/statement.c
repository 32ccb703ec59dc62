#include "driver/statement.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/hash.h"

int pondi_statement_cache_init(pondi_statement_cache *cache, pond_dialect dialect, size_t capacity,
                               size_t limit, void (*evicted)(void *owner, void *prepared),
                               void *owner, pond_error **err)
{
    memset(cache, 0, sizeof(*cache));
    pondi_list_init(&cache->recency);
    cache->dialect = dialect;
    cache->capacity = capacity;
    cache->limit = limit;
    cache->evicted = evicted;
    cache->owner = owner;
    cache->bucket_count = 16;
    while (cache->bucket_count < limit && cache->bucket_count < 1u << 20)
        cache->bucket_count *= 2;
    cache->buckets = pondi_calloc(cache->bucket_count, sizeof(cache->buckets[0]));
    cache->evicted_hashes = pondi_calloc(limit, sizeof(cache->evicted_hashes[0]));
    if (cache->buckets && cache->evicted_hashes)
        return POND_OK;
    pondi_statement_cache_free(cache);
    return pondi_error_nomem(err);
}

static pondi_statement **bucket_of(pondi_statement_cache *cache, uint64_t hash)
{
    return &cache->buckets[hash & (cache->bucket_count - 1)];
}

static void statement_free(pondi_statement *statement)
{
    pondi_free(statement->sql);
    pondi_free(statement->native);
    pondi_free(statement);
}

void pondi_statement_cache_remove(pondi_statement_cache *cache, pondi_statement *statement)
{
    pondi_statement **link = bucket_of(cache, statement->hash);
    while (*link != statement)
        link = &(*link)->chain;
    *link = statement->chain;
    pondi_list_remove(&statement->recency);
    cache->count--;
    if (statement->prepared)
        cache->evicted(cache->owner, statement->prepared);
    statement_free(statement);
}

static pondi_statement *oldest(pondi_statement_cache *cache)
{
    return PONDI_CONTAINER(cache->recency.previous, pondi_statement, recency);
}

void pondi_statement_cache_clear(pondi_statement_cache *cache)
{
    while (cache->count)
        pondi_statement_cache_remove(cache, oldest(cache));
}

void pondi_statement_cache_free(pondi_statement_cache *cache)
{
    pondi_statement_cache_clear(cache);
    pondi_free(cache->buckets);
    pondi_free(cache->evicted_hashes);
    cache->buckets = NULL;
    cache->evicted_hashes = NULL;
}

static pondi_statement *find(pondi_statement_cache *cache, uint64_t hash, const char *sql,
                             size_t size)
{
    pondi_statement *statement = *bucket_of(cache, hash);
    while (statement && (statement->hash != hash || statement->sql_size != size ||
                         memcmp(statement->sql, sql, size) != 0))
        statement = statement->chain;
    return statement;
}

static int convert(pondi_statement_cache *cache, const char *sql, size_t size,
                   pondi_statement **out, pond_error **err)
{
    pondi_buffer native;
    pondi_buffer_init(&native);
    int code = POND_OK;
    pondi_statement *statement = pondi_calloc(1, sizeof(*statement));
    if (!statement)
        return pondi_error_nomem(err);
    code = pondi_sql_convert(cache->dialect, sql, size, &native, &statement->info, err);
    if (code)
        goto failed;
    statement->sql = pondi_memdup(sql, size);
    statement->sql_size = size;
    statement->native_size = native.size;
    statement->native = pondi_buffer_take(&native);
    if (!statement->sql || !statement->native) {
        code = pondi_error_nomem(err);
        goto failed;
    }
    *out = statement;
    return POND_OK;

failed:
    pondi_buffer_free(&native);
    statement_free(statement);
    return code;
}

/* ---- Size -------------------------------------------------------------------------------- */

static void note_eviction(pondi_statement_cache *cache, uint64_t hash)
{
    cache->evicted_hashes[cache->next_evicted] = hash;
    cache->next_evicted = (cache->next_evicted + 1) % cache->limit;
}

/* A miss that the limit as capacity would have avoided. Many of them: the statements in use are
 * more than the cache holds, and not just different each time. */
static void note_miss(pondi_statement_cache *cache, uint64_t hash)
{
    if (cache->capacity >= cache->limit)
        return;
    size_t at = cache->next_evicted;
    for (size_t i = cache->capacity; i < cache->limit; i++) {
        at = (at ? at : cache->limit) - 1;
        if (cache->evicted_hashes[at] == hash) {
            cache->regrets++;
            break;
        }
    }
    if (cache->regrets <= cache->capacity / 2)
        return;
    cache->regrets = 0;
    cache->capacity = cache->capacity > cache->limit / 2 ? cache->limit : cache->capacity * 2;
}

static void insert(pondi_statement_cache *cache, pondi_statement *statement, uint64_t hash)
{
    while (cache->count && cache->count >= cache->capacity) {
        note_eviction(cache, oldest(cache)->hash);
        pondi_statement_cache_remove(cache, oldest(cache));
        pondi_counter_raise(&cache->evictions);
    }
    pondi_statement **bucket = bucket_of(cache, hash);
    statement->hash = hash;
    statement->chain = *bucket;
    *bucket = statement;
    pondi_list_push_front(&cache->recency, &statement->recency);
    cache->count++;
}

int pondi_statement_cache_get(pondi_statement_cache *cache, const char *sql, size_t size,
                              pondi_statement **out, pond_error **err)
{
    uint64_t hash = pondi_hash_bytes(sql, size);
    pondi_statement *statement = find(cache, hash, sql, size);
    if (statement) {
        pondi_counter_raise(&cache->hits);
        pondi_list_remove(&statement->recency);
        pondi_list_push_front(&cache->recency, &statement->recency);
        *out = statement;
        return POND_OK;
    }
    pondi_counter_raise(&cache->misses);
    *out = NULL;
    int code = convert(cache, sql, size, &statement, err);
    if (code)
        return code;
    pondi_list_init(&statement->recency);
    note_miss(cache, hash);
    insert(cache, statement, hash);
    *out = statement;
    return POND_OK;
}

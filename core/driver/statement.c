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
    cache->dialect = dialect;
    cache->evicted = evicted;
    cache->owner = owner;
    return pondi_lru_init(&cache->lru, capacity, limit, err);
}

static void statement_free(pondi_statement *statement)
{
    pondi_free(statement->sql);
    pondi_free(statement->native);
    pondi_free(statement);
}

/* The caller's text, the native one, and the copy of that which belongs to what is prepared: at the
 * server or in SQLite. */
static uint64_t bytes_of(const pondi_statement *statement)
{
    return sizeof(*statement) + (uint64_t)statement->sql_size +
           2 * (uint64_t)statement->native_size;
}

static void drop(pondi_statement_cache *cache, pondi_lru_entry *entry)
{
    pondi_statement *statement = (pondi_statement *)(void *)entry;
    if (statement == cache->passing)
        cache->passing = NULL;
    else
        cache->bytes -= bytes_of(statement);
    if (statement->prepared)
        cache->evicted(cache->owner, statement->prepared);
    statement_free(statement);
}

void pondi_statement_cache_remove(pondi_statement_cache *cache, pondi_statement *statement)
{
    drop(cache, pondi_lru_remove(&cache->lru, &statement->entry));
}

void pondi_statement_cache_unprepare(pondi_statement_cache *cache)
{
    for (pondi_list *node = cache->lru.recency.next; node != &cache->lru.recency;
         node = node->next) {
        pondi_statement *statement =
            (pondi_statement *)(void *)PONDI_CONTAINER(node, pondi_lru_entry, recency);
        if (statement->prepared)
            cache->evicted(cache->owner, statement->prepared);
        statement->prepared = NULL;
    }
}

void pondi_statement_cache_clear(pondi_statement_cache *cache)
{
    pondi_lru_entry *entry;
    while ((entry = pondi_lru_remove(&cache->lru, NULL)))
        drop(cache, entry);
}

void pondi_statement_cache_free(pondi_statement_cache *cache)
{
    pondi_statement_cache_clear(cache);
    pondi_lru_free(&cache->lru);
}

typedef struct text {
    const char *sql;
    size_t size;
    int is_native;
    uint64_t context;
} text;

static int is_of(const pondi_lru_entry *entry, const void *key)
{
    const pondi_statement *statement = (const pondi_statement *)(const void *)entry;
    const text *wanted = key;
    return statement->sql_size == wanted->size && statement->is_native == wanted->is_native &&
           statement->context == wanted->context &&
           memcmp(statement->sql, wanted->sql, wanted->size) == 0;
}

static int convert(pondi_statement_cache *cache, const text *from, pondi_buffer *native,
                   pondi_sql_info *info, pond_error **err)
{
    if (!from->is_native)
        return pondi_sql_convert(cache->dialect, cache->server, from->sql, from->size, native, info,
                                 err);
    pondi_buffer_append(native, from->sql, from->size);
    if (native->failed)
        return pondi_error_nomem(err);
    return pondi_sql_inspect(cache->dialect, cache->server, from->sql, from->size, info, err);
}

static int statement_new(pondi_statement_cache *cache, const text *from, pondi_statement **out,
                         pond_error **err)
{
    pondi_buffer native;
    pondi_buffer_init(&native);
    int code = POND_OK;
    pondi_statement *statement = pondi_calloc(1, sizeof(*statement));
    if (!statement)
        return pondi_error_nomem(err);
    code = convert(cache, from, &native, &statement->info, err);
    if (code)
        goto failed;
    statement->sql = pondi_memdup(from->sql, from->size);
    statement->sql_size = from->size;
    statement->is_native = from->is_native;
    statement->context = from->context;
    statement->server = cache->server;
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

static void evict(pondi_statement_cache *cache, pondi_lru_entry *entry)
{
    drop(cache, entry);
    pondi_counter_raise(&cache->evictions);
}

static void let_pass(pondi_statement_cache *cache, const pondi_lru_entry *found)
{
    pondi_statement *passing = cache->passing;
    if (passing && &passing->entry != found)
        evict(cache, pondi_lru_remove(&cache->lru, &passing->entry));
}

static void add(pondi_statement_cache *cache, pondi_statement *statement, uint64_t hash)
{
    pondi_lru_entry *oldest;
    uint64_t bytes = bytes_of(statement);
    while ((oldest = pondi_lru_make_room(&cache->lru, hash)))
        evict(cache, oldest);
    if (bytes > PONDI_STATEMENT_MOST_BYTES) {
        cache->passing = statement;
    } else {
        while (cache->bytes + bytes > PONDI_STATEMENT_CACHE_BYTES)
            evict(cache, pondi_lru_remove(&cache->lru, NULL));
        cache->bytes += bytes;
    }
    pondi_lru_insert(&cache->lru, &statement->entry, hash);
}

int pondi_statement_cache_get(pondi_statement_cache *cache, const char *sql, size_t size,
                              int is_native, pondi_statement **out, pond_error **err)
{
    uint64_t hash = pondi_hash_bytes(sql, size) + (uint64_t)is_native + cache->context;
    const text wanted = {sql, size, is_native, cache->context};
    pondi_lru_entry *found = pondi_lru_find(&cache->lru, hash, is_of, &wanted);
    let_pass(cache, found);
    if (found) {
        pondi_counter_raise(&cache->hits);
        pondi_lru_touch(&cache->lru, found);
        *out = (pondi_statement *)(void *)found;
        return POND_OK;
    }
    pondi_counter_raise(&cache->misses);
    *out = NULL;
    pondi_statement *statement = NULL;
    int code = statement_new(cache, &wanted, &statement, err);
    if (code)
        return code;
    add(cache, statement, hash);
    *out = statement;
    return POND_OK;
}

uint32_t pondi_statement_position(const pondi_statement *statement, pond_dialect dialect,
                                  uint32_t native_position)
{
    if (statement->is_native)
        return native_position;
    return pondi_sql_caller_position(dialect, statement->server, statement->sql,
                                     statement->sql_size, native_position);
}

int pondi_statement_refuse_several(const pondi_statement *statement, pond_dialect dialect,
                                   uint32_t native_position, pond_error **err)
{
    pond_error *error = pondi_error_new(
        POND_ESYNTAX, "the text has more than one statement: execute them one by one");
    pondi_error_set_sqlstate(error, "42601");
    if (!pondi_error_is_shared(error))
        error->position = pondi_statement_position(statement, dialect, native_position);
    return pondi_error_move(err, error);
}

/* The public statement cache. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "driver/statement.h"

static atomic_int alive; /* references to the tests' values */

static void retain(void *value)
{
    (void)value;
    atomic_fetch_add(&alive, 1);
}

static void release(void *value)
{
    (void)value;
    atomic_fetch_sub(&alive, 1);
}

static pond_statement_cache *make(uint64_t capacity, uint64_t limit)
{
    const pond_statement_cache_options options = {.struct_size = sizeof(options),
                                                  .capacity = capacity,
                                                  .limit = limit,
                                                  .retain = retain,
                                                  .release = release};
    pond_statement_cache *cache = NULL;
    assert_int_equal(pond_statement_cache_new(&options, &cache, NULL), POND_OK);
    return cache;
}

static pond_statement_cache_status status_of(pond_statement_cache *cache)
{
    pond_statement_cache_status status = {.struct_size = sizeof(status)};
    assert_int_equal(pond_statement_cache_get_status(cache, &status, NULL), POND_OK);
    return status;
}

static char values[64];

static void put(pond_statement_cache *cache, int number)
{
    char name[16];
    int size = snprintf(name, sizeof(name), "%d", number);
    assert_int_equal(pond_statement_cache_put(cache, name, (size_t)size, &values[number], NULL),
                     POND_OK);
}

static int get(pond_statement_cache *cache, int number)
{
    char name[16];
    void *value;
    int size = snprintf(name, sizeof(name), "%d", number);
    int found = pond_statement_cache_get(cache, name, (size_t)size, &value);
    assert_ptr_equal(value, found ? &values[number] : NULL);
    if (found)
        release(value);
    return found;
}

static void the_least_recently_used_goes_first(void **state)
{
    (void)state;
    pond_statement_cache *cache = make(3, 3);
    for (int i = 0; i < 3; i++)
        put(cache, i);
    assert_true(get(cache, 0));
    put(cache, 3);
    assert_false(get(cache, 1));
    assert_true(get(cache, 0) && get(cache, 2) && get(cache, 3));
    pond_statement_cache_status status = status_of(cache);
    assert_int_equal(status.count, 3);
    assert_int_equal(status.hits, 4);
    assert_int_equal(status.misses, 1);
    assert_int_equal(status.evictions, 1);
    pond_statement_cache_release(cache);
    assert_int_equal(atomic_load(&alive), 0);
}

static void a_name_holds_the_last_value_put(void **state)
{
    (void)state;
    pond_statement_cache *cache = make(2, 2);
    void *value;
    assert_int_equal(pond_statement_cache_put(cache, "a\0b", 3, &values[1], NULL), POND_OK);
    assert_int_equal(pond_statement_cache_put(cache, "a\0b", 3, &values[2], NULL), POND_OK);
    assert_int_equal(pond_statement_cache_get(cache, "a", 1, &value), 0);
    assert_int_equal(pond_statement_cache_get(cache, "a\0b", 3, &value), 1);
    assert_ptr_equal(value, &values[2]);
    release(value);
    assert_int_equal(status_of(cache).evictions, 0);
    pond_statement_cache_clear(cache);
    assert_int_equal(status_of(cache).count, 0);
    assert_int_equal(atomic_load(&alive), 0);
    pond_statement_cache_release(cache);
}

static void it_grows_while_evicted_values_come_back(void **state)
{
    (void)state;
    pond_statement_cache *cache = make(4, 16);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 15; i++) {
            if (!get(cache, i))
                put(cache, i);
        }
    }
    assert_int_equal(status_of(cache).capacity, 16);
    uint64_t misses = status_of(cache).misses;
    for (int i = 0; i < 15; i++)
        assert_true(get(cache, i));
    assert_int_equal(status_of(cache).misses, misses);
    pond_statement_cache_release(cache);

    cache = make(4, 16);
    for (int i = 0; i < 60; i++) /* none comes back */
        put(cache, i);
    assert_int_equal(status_of(cache).capacity, 4);
    pond_statement_cache_release(cache);
    assert_int_equal(atomic_load(&alive), 0);
}

static void sizes_out_of_range_are_refused(void **state)
{
    (void)state;
    const pond_statement_cache_options wrong[] = {
        {.struct_size = 0},
        {.struct_size = sizeof(wrong[0]), .capacity = 4, .limit = 3},
        {.struct_size = sizeof(wrong[0]), .capacity = 1ull << 40},
    };
    pond_statement_cache *cache = NULL;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pond_statement_cache_new(&wrong[i], &cache, NULL), POND_EINVAL);
    assert_int_equal(pond_statement_cache_new(NULL, &cache, NULL), POND_OK);
    assert_int_equal(status_of(cache).capacity, 256);
    assert_int_equal(status_of(cache).limit, 1024);
    pond_statement_cache_release(cache);
}

static void every_failed_allocation_leaves_nothing_behind(void **state)
{
    (void)state;
    int code = POND_ENOMEM;
    for (uint64_t n = 1; code; n++) {
        pond_statement_cache *cache = NULL;
        pondi_alloc_fail_after(n, 0);
        code = pond_statement_cache_new(NULL, &cache, NULL);
        if (!code)
            code = pond_statement_cache_put(cache, "a", 1, &values[0], NULL);
        pondi_alloc_fail_after(0, 0);
        assert_true(code == POND_OK || code == POND_ENOMEM);
        pond_statement_cache_release(cache);
        assert_true(n < 10);
    }
}

static void add_number(void *data, const char *name, size_t name_size, void *value)
{
    assert_int_equal(name_size, 1);
    assert_ptr_equal(value, &values[name[0] - '0']);
    *(int *)data += name[0] - '0';
}

static void all_values_can_be_visited(void **state)
{
    (void)state;
    pond_statement_cache *cache = make(8, 8);
    for (int i = 1; i <= 5; i++)
        put(cache, i);
    int sum = 0;
    pond_statement_cache_each(cache, add_number, &sum);
    assert_int_equal(sum, 15);
    pond_statement_cache_release(cache);
}

static void *use(void *data)
{
    pond_statement_cache *cache = data;
    for (int i = 0; i < 20000; i++) {
        if (i % 3)
            get(cache, i * 7 % 40);
        else
            put(cache, i * 7 % 40);
    }
    return NULL;
}

static void threads_share_it(void **state)
{
    (void)state;
    pond_statement_cache *cache = make(16, 32);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, cache), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    pond_statement_cache_status status = status_of(cache);
    assert_int_equal(status.hits + status.misses, 4 * 13333);
    assert_int_equal(atomic_load(&alive), (int)status.count);
    pond_statement_cache_release(cache);
    assert_int_equal(atomic_load(&alive), 0);
}

static void the_hash_is_md5(void **state)
{
    (void)state;
    char hash[33];
    pond_statement_hash("", 0, hash);
    assert_string_equal(hash, "d41d8cd98f00b204e9800998ecf8427e");
    pond_statement_hash("SELECT 1", 8, hash);
    assert_string_equal(hash, "b1698e52a0f16203489454196a0c6307");
}

/* ---- A connection's own ------------------------------------------------------------------ */

enum { TEXTS = 300, MEGABYTE = 1 << 20 };

static void unprepare(void *owner, void *prepared)
{
    (void)prepared;
    --*(int *)owner;
}

static void make_own(pondi_statement_cache *cache, int *prepared)
{
    assert_int_equal(pondi_statement_cache_init(cache, POND_DIALECT_SQLITE, 512, 2048, unprepare,
                                                prepared, NULL),
                     POND_OK);
}

static pondi_statement *find(pondi_statement_cache *cache, int number, size_t size)
{
    char *sql = malloc(size + 1);
    pondi_statement *statement = NULL;
    assert_non_null(sql);
    int begun = snprintf(sql, size + 1, "SELECT %d AS ", number);
    memset(sql + begun, 'a', size - (size_t)begun);
    assert_int_equal(pondi_statement_cache_get(cache, sql, size, 1, &statement, NULL), POND_OK);
    free(sql);
    return statement;
}

static uint64_t held_bytes(pondi_statement_cache *cache)
{
    uint64_t bytes = 0;
    for (pondi_list *node = cache->lru.recency.next; node != &cache->lru.recency;
         node = node->next) {
        pondi_statement *at =
            (pondi_statement *)(void *)PONDI_CONTAINER(node, pondi_lru_entry, recency);
        bytes += at->sql_size + 2 * at->native_size;
    }
    return bytes;
}

static void large_texts_are_bounded_in_bytes(void **state)
{
    (void)state;
    for (size_t size = MEGABYTE / 4; size <= MEGABYTE; size *= 4) {
        pondi_statement_cache cache;
        int prepared = 0;
        make_own(&cache, &prepared);
        for (int i = 0; i < TEXTS; i++) {
            pondi_statement *statement = find(&cache, i, size);
            statement->prepared = statement;
            prepared++;
            assert_true(held_bytes(&cache) <= PONDI_STATEMENT_CACHE_BYTES);
            assert_int_equal(prepared, cache.lru.count);
        }
        assert_int_equal(pondi_counter_read(&cache.evictions), TEXTS - cache.lru.count);
        pondi_statement_cache_clear(&cache);
        assert_int_equal(prepared, 0);
        assert_int_equal(cache.bytes, 0);
        pondi_statement_cache_free(&cache);
    }
}

static void a_very_large_text_pushes_no_others_out(void **state)
{
    (void)state;
    pondi_statement_cache cache;
    int prepared = 0;
    make_own(&cache, &prepared);
    for (int i = 0; i < 100; i++)
        find(&cache, i, 100);
    pondi_statement *large = find(&cache, 100, 10 * MEGABYTE);
    assert_ptr_equal(find(&cache, 100, 10 * MEGABYTE), large); /* kept while it is in use */
    assert_int_equal(cache.lru.count, 101);
    for (int i = 0; i < 100; i++)
        find(&cache, i, 100);
    assert_int_equal(pondi_counter_read(&cache.hits), 101);
    assert_int_equal(cache.lru.count, 100);
    assert_int_equal(pondi_counter_read(&cache.evictions), 1);
    pondi_statement_cache_remove(&cache, find(&cache, 101, 10 * MEGABYTE));
    assert_null(cache.passing);
    pondi_statement_cache_free(&cache);
    assert_int_equal(cache.bytes, 0);
}

RUN_TESTS(cmocka_unit_test(the_least_recently_used_goes_first),
          cmocka_unit_test(a_name_holds_the_last_value_put),
          cmocka_unit_test(it_grows_while_evicted_values_come_back),
          cmocka_unit_test(sizes_out_of_range_are_refused),
          cmocka_unit_test(every_failed_allocation_leaves_nothing_behind),
          cmocka_unit_test(all_values_can_be_visited), cmocka_unit_test(threads_share_it),
          cmocka_unit_test(the_hash_is_md5), cmocka_unit_test(large_texts_are_bounded_in_bytes),
          cmocka_unit_test(a_very_large_text_pushes_no_others_out))

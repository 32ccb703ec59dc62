#include "metrics/operation.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

void pondi_operations_init(pondi_operations *operations)
{
    memset(operations, 0, sizeof(*operations));
    pthread_mutex_init(&operations->lock, NULL);
}

static pondi_operation *load(_Atomic(pondi_operation *) *place)
{
    return atomic_load_explicit(place, memory_order_acquire);
}

static void free_one(pondi_operation *operation, void (*release)(pond_breaker *breaker))
{
    if (operation && operation->breaker)
        release(operation->breaker);
    pondi_free(operation);
}

void pondi_operations_free(pondi_operations *operations, void (*release)(pond_breaker *breaker))
{
    for (size_t i = 0; i < PONDI_OPERATION_PLACES; i++)
        free_one(load(&operations->table[i]), release);
    free_one(load(&operations->untagged), release);
    free_one(load(&operations->other), release);
    pthread_mutex_destroy(&operations->lock);
}

/* ---- Names ------------------------------------------------------------------------------- */

/* How much of a name is kept: no more than fits, and no part of a character. */
static size_t kept_size(const char *name)
{
    size_t size = strnlen(name, PONDI_OPERATION_NAME + 1);
    if (size <= PONDI_OPERATION_NAME)
        return size;
    size = PONDI_OPERATION_NAME;
    while (size && ((unsigned char)name[size] & 0xC0) == 0x80)
        size--;
    return size;
}

static pondi_operation *make(const pondi_operations *operations, const char *name, size_t size,
                             uint64_t hash)
{
    pondi_operation *made = pondi_calloc(1, sizeof(*made));
    if (!made)
        return NULL;
    made->hash = hash;
    memcpy(made->name, name, size);
    if (operations->make_breaker)
        made->breaker = operations->make_breaker(operations->owner, made->name);
    return made;
}

/* ---- Find or make ------------------------------------------------------------------------ */

/* Its place in the table, or the empty one where it belongs: there are always empty ones. */
static _Atomic(pondi_operation *) *place_of(pondi_operations *operations, const char *name,
                                            size_t size, uint64_t hash)
{
    for (size_t i = (size_t)hash;; i++) {
        _Atomic(pondi_operation *) *place = &operations->table[i % PONDI_OPERATION_PLACES];
        const pondi_operation *at = load(place);
        if (!at || (at->hash == hash && strncmp(at->name, name, size) == 0 && !at->name[size]))
            return place;
    }
}

/* The lock is held. */
static pondi_operation *fill(pondi_operations *operations, _Atomic(pondi_operation *) *place,
                             const char *name, size_t size, uint64_t hash)
{
    pondi_operation *made = load(place);
    if (made)
        return made;
    made = make(operations, name, size, hash);
    atomic_store_explicit(place, made, memory_order_release);
    return made;
}

/* One that has a place of its own. */
static pondi_operation *get_special(pondi_operations *operations, _Atomic(pondi_operation *) *place,
                                    const char *name)
{
    pondi_operation *found = load(place);
    if (found)
        return found;
    pthread_mutex_lock(&operations->lock);
    found = fill(operations, place, name, strlen(name), 0);
    pthread_mutex_unlock(&operations->lock);
    return found;
}

static pondi_operation *get_tagged(pondi_operations *operations, const char *name)
{
    size_t size = kept_size(name);
    if (strcmp(name, "other") == 0)
        return get_special(operations, &operations->other, "other");
    uint64_t hash = pondi_hash_bytes(name, size);
    pondi_operation *found = load(place_of(operations, name, size, hash));
    if (found)
        return found;
    pthread_mutex_lock(&operations->lock);
    _Atomic(pondi_operation *) *place = place_of(operations, name, size, hash);
    if (!load(place) && operations->count >= PONDI_OPERATIONS) {
        found = fill(operations, &operations->other, "other", 5, 0);
    } else {
        operations->count += load(place) == NULL;
        found = fill(operations, place, name, size, hash);
        if (!found)
            operations->count--;
    }
    pthread_mutex_unlock(&operations->lock);
    return found;
}

pondi_operation *pondi_operations_get(pondi_operations *operations, const char *name)
{
    if (name && *name)
        return get_tagged(operations, name);
    return get_special(operations, &operations->untagged, "");
}

void pondi_operations_each(pondi_operations *operations,
                           void (*each)(void *data, const pondi_operation *operation), void *data)
{
    pondi_operation *at = load(&operations->untagged);
    if (at)
        each(data, at);
    for (size_t i = 0; i < PONDI_OPERATION_PLACES; i++) {
        if ((at = load(&operations->table[i])))
            each(data, at);
    }
    if ((at = load(&operations->other)))
        each(data, at);
}

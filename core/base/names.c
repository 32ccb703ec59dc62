#include "base/names.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

enum { FIRST_CAPACITY = 32 };

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int is_like(const char *a, const char *b)
{
    while (*a && fold(*a) == fold(*b)) {
        a++;
        b++;
    }
    return fold(*a) == fold(*b);
}

static size_t hash_of(const pondi_names *names, const char *text)
{
    char folded[128]; /* what is longer differs in its beginning, or is compared */
    size_t size = 0;
    for (; size < sizeof(folded) && text[size]; size++)
        folded[size] = names->folds ? fold(text[size]) : text[size];
    return (size_t)pondi_hash_keyed(folded, size);
}

void pondi_names_init(pondi_names *names, int folds)
{
    *names = (pondi_names){.folds = folds};
}

void pondi_names_free(pondi_names *names)
{
    pondi_free(names->slots);
    pondi_names_init(names, names->folds);
}

/* There is room. */
static void put(pondi_names *names, pondi_name name)
{
    size_t at = hash_of(names, name.text) & (names->capacity - 1);
    while (names->slots[at].text)
        at = (at + 1) & (names->capacity - 1);
    names->slots[at] = name;
}

static int grow(pondi_names *names)
{
    pondi_names bigger = {.folds = names->folds};
    bigger.capacity = names->capacity ? names->capacity * 2 : FIRST_CAPACITY;
    bigger.slots = pondi_calloc(bigger.capacity, sizeof(*bigger.slots));
    if (!bigger.slots)
        return -1;
    bigger.count = names->count;
    for (size_t i = 0; i < names->capacity; i++) {
        if (names->slots[i].text)
            put(&bigger, names->slots[i]);
    }
    pondi_free(names->slots);
    *names = bigger;
    return 0;
}

int pondi_names_add(pondi_names *names, const char *text, size_t number)
{
    if (names->count * 2 >= names->capacity && grow(names))
        return -1;
    put(names, (pondi_name){text, number});
    names->count++;
    return 0;
}

const char *pondi_names_at(const pondi_names *names, size_t number)
{
    for (size_t i = 0; i < names->capacity; i++) {
        if (names->slots[i].text && names->slots[i].number == number)
            return names->slots[i].text;
    }
    return NULL;
}

size_t pondi_names_next_like(const pondi_names *names, const char *text, size_t *place)
{
    if (!names->capacity)
        return SIZE_MAX;
    size_t start = hash_of(names, text);
    for (;; ++*place) {
        const pondi_name *slot = &names->slots[(start + *place) & (names->capacity - 1)];
        if (!slot->text)
            return SIZE_MAX;
        if (is_like(slot->text, text)) {
            ++*place;
            return slot->number;
        }
    }
}

size_t pondi_names_find_like(const pondi_names *names, const char *text)
{
    size_t place = 0;
    size_t least = SIZE_MAX;
    size_t number;
    while ((number = pondi_names_next_like(names, text, &place)) != SIZE_MAX)
        least = number < least ? number : least;
    return least;
}

size_t pondi_names_find(const pondi_names *names, const char *text)
{
    if (!names->capacity)
        return SIZE_MAX;
    for (size_t at = hash_of(names, text);; at++) {
        const pondi_name *slot = &names->slots[at & (names->capacity - 1)];
        if (!slot->text || strcmp(slot->text, text) == 0)
            return slot->text ? slot->number : SIZE_MAX;
    }
}

/* What callers from other languages get wrong: NULL where a value must be, and counts that are not
 * set. Refused at the public functions, before anything is read. */
#ifndef PONDI_BASE_GIVEN_H
#define PONDI_BASE_GIVEN_H

#include "base/error.h"

/* `names` is "first, second, ..."; the one at `index` is NULL. Returns POND_EINVAL. */
int pondi_refuse_null(pond_error **err, const char *names, size_t index);

static inline int pondi_given(pond_error **err, const char *names, const void *const *pointers,
                              size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!pointers[i])
            return pondi_refuse_null(err, names, i);
    }
    return POND_OK;
}

/* POND_EINVAL if one of the pointers is NULL; the message names it as the call does. */
#define PONDI_GIVEN(err, ...)                                            \
    pondi_given((err), #__VA_ARGS__, (const void *const[]){__VA_ARGS__}, \
                sizeof((const void *const[]){__VA_ARGS__}) / sizeof(void *))

/* The same for one pointer that the header calls otherwise. */
static inline int pondi_given_as(pond_error **err, const char *name, const void *pointer)
{
    return pointer ? POND_OK : pondi_refuse_null(err, name, 0);
}

/* No program has so many of anything: a bigger count was never set, or is negative. */
#define PONDI_MOST_ITEMS ((uint64_t)1 << 32)

/* Refuse an array that is NULL though its count is not 0, and a count that cannot be. */
int pondi_given_array(pond_error **err, const char *name, const void *items, uint64_t count);

/* Check values that a caller gives, arrays within arrays too: one whose text or items are NULL
 * though its size is not 0 is refused. *has_list tells whether an array is among them. */
int pondi_given_values(pond_error **err, const pond_value *values, size_t count, int *has_list);

/* Refuse a value whose text is NULL though its size is not 0. */
int pondi_given_value_text(pond_error **err, const pond_value *value);

/* Refuse a text that is NULL, or longer than the gigabyte that databases take at most. */
int pondi_given_text(pond_error **err, const char *name, const char *text, size_t size);

#endif

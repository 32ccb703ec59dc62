/* Names with numbers, found by a keyed hash: names that an attacker chose take no longer than
 * others. Case is that of ASCII letters. */
#ifndef PONDI_BASE_NAMES_H
#define PONDI_BASE_NAMES_H

#include <stddef.h>
#include <stdint.h>

typedef struct pondi_name {
    const char *text; /* the caller's; NULL in an empty slot */
    size_t number;
} pondi_name;

typedef struct pondi_names {
    pondi_name *slots;
    size_t capacity; /* a power of 2, or 0 */
    size_t count;
    int folds; /* it can be asked for names that differ in case */
} pondi_names;

/* `folds`: names that differ only in case are neighbours. Not for a list in which an attacker can
 * have many such. */
void pondi_names_init(pondi_names *names, int folds);
void pondi_names_free(pondi_names *names);

/* Add a name, which must live as long as it is in use; one that is there already is there twice.
 * Returns 0, or -1 when memory is out. */
int pondi_names_add(pondi_names *names, const char *text, size_t number);

/* The number of a name; SIZE_MAX if there is none. The second takes one that differs in case. */
size_t pondi_names_find(const pondi_names *names, const char *text);
size_t pondi_names_find_like(const pondi_names *names, const char *text);

/* The name of a number, of which there is one; NULL if there is none. Looks at all of them. */
const char *pondi_names_at(const pondi_names *names, size_t number);

/* One after the other the numbers of all names that differ at most in case, then SIZE_MAX; `*place`
 * is 0 at first. */
size_t pondi_names_next_like(const pondi_names *names, const char *text, size_t *place);

#endif

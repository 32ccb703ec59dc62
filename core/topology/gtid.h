/* Sets of global transaction ids, MariaDB's and MySQL's alike: sorted ranges that never touch.
 *
 * MariaDB numbers the transactions of a domain one after the other, so "0-7-42" stands for all of
 * domain 0 up to 42: the range 0 to 42. MySQL names what it has of each server: "uuid:1-5:9" is two
 * ranges. With that, one set "covers" another where it includes it, and their maximum is the union.
 */
#ifndef PONDI_TOPOLOGY_GTID_H
#define PONDI_TOPOLOGY_GTID_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

enum {
    PONDI_GTID_SOURCE = 16,  /* bytes of a uuid */
    PONDI_GTID_TAG = 32,     /* characters of a tag, at most */
    PONDI_GTID_MOST = 4096,  /* ranges of one set; a longer one is refused */
    PONDI_GTID_TEXT = 262144 /* bytes of a set's text; a longer one is refused */
};

/* The transactions `first` to `last`, both included, of one source. */
typedef struct pondi_gtid_range {
    uint8_t source[PONDI_GTID_SOURCE]; /* MySQL: the uuid; MariaDB: the domain, big-endian */
    char tag[PONDI_GTID_TAG + 1];      /* MySQL 8.3 and later; "" for none */
    uint32_t server;                   /* MariaDB: who wrote `last`; says nothing of the order */
    uint64_t first;                    /* MariaDB: 0 */
    uint64_t last;
} pondi_gtid_range;

/* All zero is the empty set. */
typedef struct pondi_gtids {
    pondi_gtid_range *ranges; /* owned */
    uint32_t count;
    uint32_t capacity;
} pondi_gtids;

void pondi_gtids_free(pondi_gtids *set);
int pondi_gtids_copy(const pondi_gtids *set, pondi_gtids *out, pond_error **err);

/* Append one range to a set under construction, which pondi_gtids_settle() ends.
 * Errors: POND_ERANGE beyond PONDI_GTID_MOST. */
int pondi_gtids_add(pondi_gtids *set, const pondi_gtid_range *range, pond_error **err);
/* Sort the ranges and join those that touch. */
void pondi_gtids_settle(pondi_gtids *set);

/* Non-zero if both are of one domain, or of one uuid and tag. */
int pondi_gtids_same_source(const pondi_gtid_range *a, const pondi_gtid_range *b);

/* Non-zero if `set` includes `other`. */
int pondi_gtids_include(const pondi_gtids *set, const pondi_gtids *other);

/* Make `set` the union of both. Allocates nothing where `other` only continues ranges of `set`, as
 * one more commit does. On an error `set` still has all that it had. Errors: POND_ERANGE,
 * POND_ENOMEM. */
int pondi_gtids_unite(pondi_gtids *set, const pondi_gtids *other, pond_error **err);

/* "0-7-42,1-7-3", as MariaDB prints and takes it; "" is the empty set. The highest number of a
 * domain that is named twice counts. Errors: POND_EINVAL, POND_ERANGE. */
int pondi_gtids_parse_mariadb(const char *text, size_t size, pondi_gtids *out, pond_error **err);
void pondi_gtids_print_mariadb(const pondi_gtids *set, pondi_buffer *out);

/* "uuid:1-5:9,uuid:tag:1-3", as MySQL prints and takes it, with white space between the parts.
 * Errors: POND_EINVAL, POND_ERANGE. */
int pondi_gtids_parse_mysql(const char *text, size_t size, pondi_gtids *out, pond_error **err);
void pondi_gtids_print_mysql(const pondi_gtids *set, pondi_buffer *out);

#endif

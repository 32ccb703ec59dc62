/* Where the placeholders of a statement stand, for those whose parameter is a list. */
#ifndef PONDI_SQL_PLACES_H
#define PONDI_SQL_PLACES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef enum pondi_place {
    PONDI_PLACE_VALUE,    /* stored, selected, or an argument: a list can be meant */
    PONDI_PLACE_COMPARED, /* beside an operator, or in a row: only one value can be meant */
    PONDI_PLACE_ITEM      /* by itself an item of `IN (...)`: a list stands for its items */
} pondi_place;

typedef struct pondi_placeholder {
    size_t at; /* its byte */
    size_t depth;
    pondi_place place;
} pondi_placeholder;

/* One item of `IN (...)`, from its first byte to after its last. */
typedef struct pondi_in_item {
    size_t in;
    size_t start;
    size_t end;
    size_t placeholder; /* if that is all it is, parentheses around it aside; else SIZE_MAX */
} pondi_in_item;

/* One `IN (...)` that is no query. */
typedef struct pondi_in {
    size_t start; /* of the word NOT or IN */
    int negated;
    size_t open; /* the bytes of its parentheses */
    size_t close;
    size_t width; /* of the row on its left; 0: no row */
    size_t left_start;
    size_t left_end; /* of the row, without its parentheses */
    size_t first_item;
    size_t item_count; /* 0 for a query */
} pondi_in;

typedef struct pondi_places {
    pondi_placeholder *placeholders;
    size_t count;
    size_t room;
    pondi_in *ins; /* by their start */
    size_t in_count;
    size_t in_room;
    pondi_in_item *items; /* by their start; those of an inner IN stand between */
    size_t item_count;
    size_t item_room;
} pondi_places;

/* Find them. `out` is to be freed, whatever is returned. Errors: POND_ESYNTAX, POND_ENOMEM. */
int pondi_places_find(pond_dialect dialect, const char *sql, size_t size, pondi_places *out,
                      pond_error **err);
void pondi_places_free(pondi_places *places);

#endif

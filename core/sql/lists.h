/* Lists among the parameters: `IN (?)` becomes a statement of as many placeholders as the list has
 * items, or in PostgreSQL of one array. */
#ifndef PONDI_SQL_LISTS_H
#define PONDI_SQL_LISTS_H

#include "base/arena.h"
#include "base/buffer.h"
#include "sql/places.h"

/* How PostgreSQL gets an array: `= ANY (?)`, or `OPERATOR(=) ANY (?)`, which binds as IN does where
 * another comparison stands beside it. */
typedef enum pondi_array_form { PONDI_ARRAY_PLAIN, PONDI_ARRAY_OPERATOR } pondi_array_form;

/* Text that was copied as it was, so that positions can be told in the caller's statement. */
typedef struct pondi_segment {
    size_t to; /* its first byte in the new statement */
    size_t from;
} pondi_segment;

/* One row of parameters, and the statement for it. */
typedef struct pondi_spread {
    pondi_buffer sql;
    pond_value *values; /* what they point into is the caller's, or the arena's */
    size_t count;
    size_t room;
    pondi_segment *segments;
    size_t segment_count;
    size_t segment_room;
    pondi_arena arena;
} pondi_spread;

/* True if a list is among the values. */
int pondi_has_list(const pond_value *values, size_t count);

/* Write the statement for one row of `places->count` parameters. Lists of nearly the same length
 * give the same statement: items are repeated, which IN does not mind. An empty list makes IN false
 * and NOT IN true, whatever is on the left. What was written into `out` before is gone, but for
 * what its values point into. Errors: POND_EPARAMS for a list that cannot be meant where it stands;
 * POND_ENOMEM. */
int pondi_lists_spread(pond_dialect dialect, pondi_array_form form, const pondi_places *places,
                       const char *sql, size_t size, const pond_value *values, pondi_spread *out,
                       pond_error **err);
void pondi_spread_init(pondi_spread *spread);
void pondi_spread_free(pondi_spread *spread);

/* The byte of the caller's statement that a byte of the new one came from. */
size_t pondi_segments_from(const pondi_segment *segments, size_t count, size_t to);

#endif

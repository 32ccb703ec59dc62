/* Calls with lists among their parameters: see sql/lists.h. */
#ifndef PONDI_CALL_LISTS_H
#define PONDI_CALL_LISTS_H

#include "call/call.h"
#include "sql/lists.h"

/* Rows in a row for which the statement is the same. */
typedef struct pondi_run {
    size_t end; /* after its last row */
    size_t column_count;
    const pond_value *params;
    char *sql; /* tags' comment included */
    size_t sql_size;
} pondi_run;

typedef struct pondi_call_lists {
    char *original; /* the caller's statement */
    size_t original_size;
    pondi_segment *segments; /* of the first run's statement */
    size_t segment_count;
    pondi_run *runs;
    size_t run_count;
    size_t value_count; /* parameters of all rows */
} pondi_call_lists;

/* As pondi_call_new(), for a statement with `?` of which some parameters are lists. */
int pondi_call_new_lists(const pondi_call_spec *spec, size_t room, void **memory, pondi_call **out,
                         pond_error **err);

/* A statement in the database's own words is executed as it is: refuse lists that it cannot mean.
 */
int pondi_call_check_native_lists(const pondi_call_spec *spec, pond_error **err);

void pondi_call_lists_free(pondi_call_lists *lists);

#endif

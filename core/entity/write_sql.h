/* The statements that write one entity. They append to the plan's statement. */
#ifndef PONDI_ENTITY_WRITE_SQL_H
#define PONDI_ENTITY_WRITE_SQL_H

#include "entity/write.h"

/* In plan->verb. */
typedef enum pondi_verb { PONDI_SAVE, PONDI_DELETE, PONDI_RESTORE } pondi_verb;

/* What is executed on the main table. */
typedef enum pondi_way {
    PONDI_UPSERT,
    PONDI_UPDATE,           /* a version is expected, or the row is only to be marked */
    PONDI_INSERT,           /* no row is expected */
    PONDI_UPDATE_OR_INSERT, /* rules of others forbid to try the insert first */
    PONDI_INSERT_AFTER_ALL
} pondi_way;

pondi_way pondi_write_way(const pond_plan *plan);

/* How many statements travel together: one that does it all, a compound one, a list of them. */
int pondi_write_in_one(const pond_plan *plan);
int pondi_write_in_block(const pond_plan *plan);
int pondi_write_in_batch(const pond_plan *plan);

const pond_value *pondi_write_id(const pond_plan *plan);
int pondi_write_is_permanent(const pond_plan *plan);

/* The change of the main table, by the way to save. */
void pondi_write_put_main(pond_plan *plan);
void pondi_write_put_delete(pond_plan *plan);
void pondi_write_put_delete_returning(pond_plan *plan);
/* The row's copy in the history. */
void pondi_write_put_note(pond_plan *plan);
/* The columns that the plan gets to see, and a SELECT of them. */
void pondi_write_put_seen(pond_plan *plan);
void pondi_write_put_select(pond_plan *plan);

#endif

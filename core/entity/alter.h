/* Statements that make tables and columns, one after the other. */
#ifndef PONDI_ENTITY_ALTER_H
#define PONDI_ENTITY_ALTER_H

#include "entity/plan.h"

/* True where the changes are a part of the transaction of the save. */
int pondi_alter_is_in_place(const pond_plan *plan);

/* True if a statement, or the session, gets a short time limit for its wait for a table lock. */
int pondi_alter_waits_briefly(const pond_plan *plan);
int pondi_alter_shortens_lock_wait(const pond_plan *plan);

/* Begin with the first statement. */
void pondi_alter_begin(pond_plan *plan);

/* Make the next statement; 0 if nothing is missing any more. It is done when plan->made was raised
 * by plan->making. */
int pondi_alter_next(pond_plan *plan);

/* True if the statement adds several columns. */
int pondi_alter_is_several(const pond_plan *plan);

/* ---- row_size.c ---- */
/* True if InnoDB may have no room for the rows of the tables as they would be. */
int pondi_row_size_is_critical(const pond_plan *plan);
/* The same for certain, where pages have so many bytes, or 0 for no limit: POND_EDATA. */
int pondi_row_size_check(const pond_plan *plan, int64_t page_size, int mariadb, pond_error **err);

#endif

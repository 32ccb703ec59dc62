/* Parts of statements that one entity and many share. They append to the plan's statement. */
#ifndef PONDI_ENTITY_WRITE_H
#define PONDI_ENTITY_WRITE_H

#include "entity/plan.h"

static inline void pondi_put(pond_plan *plan, const char *text)
{
    pondi_buffer_append_text(&plan->sql, text);
}

static inline void pondi_put_name(pond_plan *plan, const char *name)
{
    pondi_quote(pondi_plan_dialect(plan), name, &plan->sql);
}

/* All columns of the main table, each after a prefix such as "m.". */
void pondi_put_columns(pond_plan *plan, const char *prefix);

/* A condition that is false if the main table has columns that the schema does not know. */
void pondi_put_guard(pond_plan *plan);

/* A comment that differs where the types of columns do: a statement that the server has prepared
 * would keep the old ones. */
void pondi_put_shape(pond_plan *plan);

/* INSERT INTO the history SELECT from rows that are called m: FROM comes last. */
void pondi_put_history_head(pond_plan *plan);

/* The version of a new row, after those of a row with this id that is gone; NULL: of s.id. */
void pondi_put_next_version(pond_plan *plan, const pond_value *id);

/* A column of the row that an upsert wanted to insert. */
void pondi_put_new(pond_plan *plan, const char *name);

/* What every update of an upsert sets. */
void pondi_put_own_updates(pond_plan *plan);

/* The first thing that an upsert sets, where the tables take some ids for the same: an id that is
 * not that of the row which was met is an error. */
void pondi_put_same_id(pond_plan *plan);

/* A transaction as one statement, where POND_CAN_RUN_BLOCK: this, statements, COMMIT or ROLLBACK
 * and an END. */
static inline void pondi_put_block_head(pond_plan *plan)
{
    pondi_buffer_append_text(&plan->sql,
                             "BEGIN NOT ATOMIC DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN "
                             "ROLLBACK; RESIGNAL; END; START TRANSACTION; ");
}

/* True if the values are few enough to travel as the text of a batch. */
int pondi_is_small(const pondi_record *records, size_t count);

/* True if the record must not be written by an upsert. */
int pondi_needs_care(const pond_plan *plan, const pondi_record *record);

#endif

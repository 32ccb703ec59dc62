/* What the files of bulk saves share: chunks of records, and the statements that write one. */
#ifndef PONDI_ENTITY_BULK_H
#define PONDI_ENTITY_BULK_H

#include "entity/write.h"

/* True if one statement writes the row and its history. */
static inline int pondi_is_one_statement(const pond_plan *plan)
{
    return pondi_plan_can(plan, POND_CAN_WRITE_IN_CTE);
}

/* ---- bulk_chunk.c: the records from plan->at to plan->ends ---- */
/* Fill plan->earlier. */
int pondi_bulk_index_ids(pond_plan *plan, pond_error **err);
/* Where a chunk that begins at `from` ends: before an id that it has already. */
size_t pondi_chunk_find_end(const pond_plan *plan, size_t from);
/* True if all have the same columns in the same order. */
int pondi_chunk_is_alike(const pond_plan *plan);
/* True if all ids are new ones of ours. */
int pondi_chunk_made_ids(const pond_plan *plan);
/* The columns that any record has, flags by their index in the arena; NULL when memory is out. */
uint8_t *pondi_chunk_find_columns(pond_plan *plan, size_t *count);
/* The record's field of a column, probably number `hint`; or NULL. */
const pondi_field *pondi_record_find(const pondi_record *record, size_t column, size_t hint);

/* ---- bulk_sql.c ---- */
void pondi_bulk_put_insert(pond_plan *plan, const uint8_t *given);
/* What happens to rows that exist; `flagged`: a parameter for each field says whether it is given.
 */
void pondi_bulk_put_conflict(pond_plan *plan, const uint8_t *given, int flagged);
void pondi_bulk_put_own_params(pond_plan *plan);
/* The chunk's copies in the history; 0 when memory is out, never on MySQL. */
int pondi_bulk_put_note(pond_plan *plan);
/* Room for arrays of the step to come; 0 when memory is out. */
int pondi_bulk_make_items(pond_plan *plan, size_t count);

/* ---- bulk_arrays.c: PostgreSQL ---- */
void pondi_bulk_write_arrays(pond_plan *plan, const uint8_t *given, size_t columns);

/* ---- bulk_mysql.c ---- */
void pondi_bulk_write_rows(pond_plan *plan, const uint8_t *given);
/* True if there are few, alike, and a transaction can travel as one statement or as a batch. */
int pondi_bulk_in_one_piece(const pond_plan *plan);
void pondi_bulk_write_piece(pond_plan *plan, const uint8_t *given);

/* ---- bulk.c ---- */
/* Write the chunk's history, then go on with the next one. */
void pondi_bulk_note(pond_plan *plan);
/* The chunk is written, and its history. */
void pondi_chunk_done(pond_plan *plan);

#endif

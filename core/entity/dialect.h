/* What entities need to know of each dialect: the texts and the rules that differ. */
#ifndef PONDI_ENTITY_DIALECT_H
#define PONDI_ENTITY_DIALECT_H

#include <stddef.h>

#include "millpond/types.h"

/* What nothing can be added to: an error with this number in it, in every mode of the session. */
#define PONDI_NO_ID "9223372036854775807"

/* How the number of a table's columns is found that a write checks. */
typedef enum pondi_guard_source {
    PONDI_GUARD_CATALOG, /* the query of the columns has it */
    PONDI_GUARD_COLUMNS, /* their count */
    PONDI_GUARD_META     /* rows of the meta table */
} pondi_guard_source;

typedef enum pondi_if_absent {
    PONDI_IF_ABSENT_NEVER,
    PONDI_IF_ABSENT_WITH_BLOCKS, /* where the connection can run those */
    PONDI_IF_ABSENT_ALWAYS
} pondi_if_absent;

typedef struct pondi_entity_dialect {
    /* The catalog. Rows of (table, column, declared type, required, key, guard); see load.c. */
    const char *columns;
    const char *list; /* names of all entities */
    pondi_guard_source guard_source;
    const char
        *guard_before; /* around the table's name, quoted or not, or that of the meta table */
    const char *guard_after;
    const char *guard_suffix; /* NULL: the bare name of the table */
    int catalog_in_snapshot;  /* a transaction sees the catalog as of its own past */
    int folds_table_names;    /* names of tables may differ by case alone and mean the same */
    int names_collations;     /* the catalog's rows say which collations there are */
    const char *const *system_columns; /* names that no field may have; ended by NULL */

    /* Making tables. */
    const char *meta_columns;
    const char *create_end;
    const char *lock;        /* by a name, until the transaction ends; NULL: none is needed */
    const char *meta_insert; /* of rows that may be there */
    const char *meta_conflict;
    pondi_if_absent adds_if_absent; /* ADD COLUMN IF NOT EXISTS */
    int adds_one_column;            /* in each ALTER TABLE */
    int ddl_in_transactions;        /* else it commits */
    int ddl_deadlocks;              /* with transactions, unseen: it must not wait for long */
    int text_needs_collation;       /* to tell all texts apart */
    int limits_rows;                /* by the bytes of their columns */
    int table_changed_error;        /* vendor's number; 0: none */

    /* Values. */
    size_t decimal_whole; /* most digits before the point; 0: as many as there are */
    size_t decimal_fraction;
    int decimals_as_text;
    int timestamps_are_instants; /* a column that is declared "timestamp" */
    int pads_characters;         /* a char(n) ends in spaces */
    const char *text_param;      /* `?` where nothing else says the type */
    const char *instant_param;

    /* Writing. */
    const char *alias; /* of the table in INSERT */
    const char *update_alias;
    const char *row; /* before a column of the row that is there */
    const char *upsert;
    const char *new_before; /* around a column of the row that was to be inserted */
    const char *new_after;
    const char *same_id; /* SET in an upsert, where ids are taken for others; or, as Vitess refuses
                            to set the column that says on which shard a row is, */
    const char *same_id_before; /* around the new version */
    const char *same_id_after;
    const char *byte_collation; /* of ids; NULL: the entity's own */
    const char *id_as_bytes;
    const char *id_in; /* a list that is one parameter; NULL: a placeholder for each id */
    size_t most_ids;   /* of one call, where each has a placeholder */
    int upserts_by_any_key;
    int returns_inserts_only;
    int locks_reads;          /* FOR UPDATE, to read what is there and not an old snapshot */
    int locks_gaps;           /* looking for what is not there keeps others from inserting it */
    int has_blocks;           /* several statements in one text, where the connection can */
    int batch_inserts_return; /* what a batch writes comes back */
    int batch_goes_on;        /* behind a statement that failed */
    int errors_abort;         /* a statement that fails ends the transaction */

    /* Reading. */
    int orders_nulls;     /* NULLS FIRST */
    const char *all_rows; /* after LIMIT */
} pondi_entity_dialect;

/* NULL for a number that is no dialect. */
const pondi_entity_dialect *pondi_entity_dialect_of(pond_dialect id);

#endif

/* Types of fields: what a column stores, and which values fit. */
#ifndef PONDI_ENTITY_TYPE_H
#define PONDI_ENTITY_TYPE_H

#include "base/arena.h"
#include "base/error.h"
#include "millpond/millpond.h"

/* What a column stores; the order is that of the table in type.c. */
typedef enum pondi_storage {
    PONDI_STORE_ANY, /* of a column that others declared, as what we do not know: sent as it is */
    PONDI_STORE_BOOL,
    PONDI_STORE_INT,
    PONDI_STORE_FLOAT,
    PONDI_STORE_DECIMAL,
    PONDI_STORE_TEXT,
    PONDI_STORE_BYTES,
    PONDI_STORE_DATETIME,
    PONDI_STORE_DATETIMETZ,
    PONDI_STORE_DATE,
    PONDI_STORE_TIME,
    PONDI_STORE_UUID,
    PONDI_STORE_JSON
} pondi_storage;

/* The name in the meta table ("int"); "" for ANY. */
const char *pondi_storage_name(pondi_storage storage);

/* How a new column is declared; on MySQL without its collation. */
const char *pondi_storage_declaration(pond_dialect dialect, pondi_storage storage);

/* The type of its values; NULL for ANY. */
pond_type pondi_storage_type(pondi_storage storage);

/* Text that a PLAIN read made of a JSON document, and that is still one. */
int pondi_is_stored_json(const pond_value *value);

/* What holds values of this type; ANY for NULL and for what no column holds. */
pondi_storage pondi_storage_of_value(const pond_value *value);

/* By the name in the meta table; ANY for a name of the host's own. */
pondi_storage pondi_storage_of_name(const char *name);

/* By what a column is declared as. */
pondi_storage pondi_storage_of_declaration(pond_dialect dialect, const char *declared);

/* Make `value` one that the column takes, or say why it is none: POND_EDATA naming the field.
 * Memory that is needed comes from the arena. */
int pondi_fit(pond_dialect dialect, pondi_storage storage, const char *field, pond_value *value,
              pondi_arena *arena, pond_error **err);

/* Make what a database returned for the column a value of the field's type, where it is one. Needs
 * no memory. */
void pondi_unfit(pondi_storage storage, pond_value *value);

#endif

/* Arrays as JSON text, for databases that have no arrays. */
#ifndef PONDI_DRIVER_JSON_H
#define PONDI_DRIVER_JSON_H

#include "base/buffer.h"
#include "millpond/types.h"

/* Append one value. Times, decimals and UUIDs become strings; JSON goes in as it is. Errors:
 * POND_ERANGE for what JSON cannot say (NaN, bytes). */
int pondi_json_write(const pond_value *value, pondi_buffer *out, pond_error **err);

#endif

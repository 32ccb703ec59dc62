/* Text that entities are made of: names, decimals, JSON. */
#ifndef PONDI_ENTITY_TEXT_H
#define PONDI_ENTITY_TEXT_H

#include "base/buffer.h"
#include "millpond/millpond.h"

/* Check the name of an entity or field: letters, digits, underscores, no digit first, at most
 * `longest` bytes. Errors: POND_EINVAL; `what` says whose name it is. */
int pondi_check_name(const char *name, size_t longest, const char *what, pond_error **err);

/* Append a name in the dialect's quotes. Names are checked, so there is no quote in them. */
void pondi_quote(pond_dialect dialect, const char *name, pondi_buffer *out);

/* The same with something after it: "_history". */
void pondi_quote_with(pond_dialect dialect, const char *name, const char *suffix,
                      pondi_buffer *out);

/* Append a decimal number in plain digits, without exponent and needless zeros; tells how many
 * digits are before and after the point. 0 for what is no finite number of reasonable length. */
int pondi_plain_decimal(const char *text, size_t size, pondi_buffer *out, size_t *whole,
                        size_t *fraction);

/* True for one JSON value, nested at most 1,000 deep. */
int pondi_is_json(const char *text, size_t size);

#endif

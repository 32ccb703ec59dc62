/* Statements for a log, without the secrets that stand in them. */
#ifndef PONDI_SQL_MASK_H
#define PONDI_SQL_MASK_H

#include "base/buffer.h"
#include "millpond/types.h"

/* True for a statement that may set or tell a password: a word of its own, or a part of one, says
 * so. Rather one too many. */
int pondi_sql_has_secrets(const char *sql, size_t size);

/* Append the statement, at most about `most` bytes of it, with '***' for each literal and without
 * comments. What cannot be read to its end, such as a literal that is not closed, is left out. */
void pondi_sql_mask(pond_dialect dialect, const char *sql, size_t size, size_t most,
                    pondi_buffer *out);

#endif

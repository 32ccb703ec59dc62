/* Tags of a statement as a comment in the SQL. */
#ifndef PONDI_SQL_COMMENT_H
#define PONDI_SQL_COMMENT_H

#include "base/buffer.h"
#include "millpond/millpond.h"

/* Append the comment, by the rules of pond_sql_comment(). Out of memory sticks in the buffer. */
void pondi_sql_comment(const pond_tag *tags, size_t count, pondi_buffer *out);

#endif

/* Tags of a statement as a comment in the SQL. */
#ifndef PONDI_SQL_COMMENT_H
#define PONDI_SQL_COMMENT_H

#include "base/buffer.h"
#include "millpond/millpond.h"

/* Append the comment, by the rules of pond_sql_comment(). Errors: POND_EINVAL for a tag without a
 * key, POND_ENOMEM. */
int pondi_sql_comment(const pond_tag *tags, size_t count, pondi_buffer *out, pond_error **err);

#endif

/* Tags of a statement as a comment in the SQL. */
#ifndef PONDI_SQL_COMMENT_H
#define PONDI_SQL_COMMENT_H

#include "base/buffer.h"
#include "millpond/millpond.h"

/* Refuse tags that are too many to be meant, before any is read, and one without a key. */
int pondi_check_tags(const pond_tag *tags, uint64_t count, pond_error **err);

/* Append the comment, by the rules of pond_sql_comment(). Errors: POND_EINVAL for a tag without a
 * key, POND_ENOMEM. */
int pondi_sql_comment(const pond_tag *tags, size_t count, pondi_buffer *out, pond_error **err);

#endif

/* From the one way to write a statement to each dialect's own. */
#ifndef PONDI_SQL_CONVERT_H
#define PONDI_SQL_CONVERT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "millpond/types.h"
#include "sql/executable.h"
#include "sql/verb.h"

/* For placeholders that only the database can count. */
#define PONDI_UNCOUNTED SIZE_MAX

/* What the converter learned about a statement on the way. */
typedef struct pondi_sql_info {
    size_t placeholders;
    int empty;      /* nothing but space, comments and `;`. How many statements there are, only the
                       database can tell: the bodies of routines have `;` in them, too */
    int numbered;   /* something like `$1` or `?1` is in it, which is no placeholder here */
    int touches;    /* the session: PONDI_TOUCHES_* of sql/session.h */
    unsigned means; /* what its first keyword tells: PONDI_VERB_* */
    char verb[PONDI_VERB_ROOM]; /* that, upper-case ("SELECT", "CREATE"); "" if there is none */
} pondi_sql_info;

/* Append the native form of `sql` to `out` and fill `info`. The rules are those of
 * pond_sql_convert() in the public header; of MySQL's versioned comments, those that
 * `server` executes ({0}: all) are part of the statement. Linear in `size`. Returns POND_OK;
 * POND_ESYNTAX for something unterminated, with the position (1-based, in characters) of its start;
 * POND_ENOMEM. */
int pondi_sql_convert(pond_dialect dialect, pondi_sql_server server, const char *sql, size_t size,
                      pondi_buffer *out, pondi_sql_info *info, pond_error **err);

/* Fill `info` for a statement that is in the dialect's own words already. Errors: as above. */
int pondi_sql_inspect(pond_dialect dialect, pondi_sql_server server, const char *sql, size_t size,
                      pondi_sql_info *info, pond_error **err);

/* True if the last token of the first `size` bytes that is no space or comment is a `;`. */
int pondi_sql_follows_semicolon(pond_dialect dialect, const char *sql, size_t size);

/* Where the comment begins that the end of the text ends, as SQLite lets it: in bytes, plus 1; 0 if
 * there is none. */
size_t pondi_sql_open_comment(pond_dialect dialect, const char *sql, size_t size);

/* The 1-based character of the caller's `sql` that became character `native_position` of the
 * native statement, so that a server's error position can be told in the caller's terms; 0 if
 * out of range. */
uint32_t pondi_sql_caller_position(pond_dialect dialect, pondi_sql_server server, const char *sql,
                                   size_t size, uint32_t native_position);

/* Say that a statement has another number of placeholders than of parameters, and what to write
 * instead of another library's. Returns POND_EPARAMS. */
int pondi_sql_refuse_count(pond_dialect dialect, const char *sql, size_t size, size_t placeholders,
                           size_t params, pond_error **err);

/* The same for `$1` or `?1` in a statement with placeholders. */
int pondi_sql_refuse_numbered(pond_dialect dialect, const char *sql, size_t size, pond_error **err);

#endif

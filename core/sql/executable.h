/* MySQL's and MariaDB's comments that are executed: by all servers, or from a version on. */
#ifndef PONDI_SQL_EXECUTABLE_H
#define PONDI_SQL_EXECUTABLE_H

#include <stddef.h>

/* The server that reads a text of MySQL's dialect, as far as it is known. */
typedef struct pondi_sql_server {
    int maria;            /* MariaDB; else MySQL */
    unsigned int version; /* as comments write it, 101119 for 10.11.19; 0: nothing is known */
} pondi_sql_server;

/* Whether the comment that `text` begins with is executed; the size of its opening is then in
 * *opening. Where the server is not known, all that some server executes is. */
int pondi_sql_is_executed(pondi_sql_server server, const char *text, size_t size, size_t *opening);

/* The size of a versioned comment that is not executed, which may have comments in it, but these
 * none in them; 0 if it is not closed. */
size_t pondi_sql_skipped_size(const char *text, size_t size);

#endif

/* What a server says of itself when it is asked with a PONDI_REQUEST_REPORT. */
#ifndef PONDI_DRIVER_REPORT_H
#define PONDI_DRIVER_REPORT_H

#include "topology/position.h"

struct pondi_conn;

typedef struct pondi_server_report {
    int role;  /* of pondi_server_role, two of them; 0 if not known */
    int ready; /* it takes statements as a member of its cluster: Galera's wsrep_ready; else 1 */
    int streaming;     /* a replica: its stream from the primary is up; 1 for a primary, and where
                          nothing tells */
    int multi_writer;  /* all nodes of its cluster accept writes, as Galera's do */
    char identity[64]; /* of the data: PostgreSQL's system identifier, Galera's state UUID;
                          "" where the database has none, or does not tell this user */
    char node[64];     /* of the server: MySQL's and MariaDB's server UUID; "" for none */
    pondi_position position; /* a primary: what is written; a replica: what is applied. NONE if not
                                known. The asker frees it with pondi_server_report_free() */
} pondi_server_report;

/* What is known of the server of an open connection without asking: its role. Drivers fill in the
 * rest. `report` holds nothing of its own yet. */
void pondi_server_report_init(pondi_server_report *report, const struct pondi_conn *conn);

/* Free what it owns; its position is NONE afterwards. */
void pondi_server_report_free(pondi_server_report *report);

#endif

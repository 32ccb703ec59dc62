/* Who is the primary, among what the nodes say of themselves. Pure: no I/O, no clock. */
#ifndef PONDI_TOPOLOGY_PRIMARY_H
#define PONDI_TOPOLOGY_PRIMARY_H

#include <stdint.h>

#include "base/buffer.h"
#include "topology/position.h"

enum { PONDI_NO_NODE = -1 };

/* What one node said; it owns nothing. */
typedef struct pondi_claim {
    const char *name;     /* for messages: "db1:5432" */
    const char *identity; /* of the data; NULL or "" if not known */
    const pondi_position *position;
    int heard;        /* it has reported; all else counts only then */
    int writable;     /* it says that it is a primary */
    int ready;        /* it takes statements */
    int multi_writer; /* all nodes of its cluster accept writes */
    int in_use;       /* writes go to it now */
} pondi_claim;

typedef struct pondi_election {
    int primary;          /* the node's number; PONDI_NO_NODE if none claims to be one */
    int rival;            /* another that claims it, and does not serve; or PONDI_NO_NODE */
    int foreign;          /* the first node of another cluster; or PONDI_NO_NODE */
    int native;           /* a node of this cluster, to name beside `foreign`; or PONDI_NO_NODE */
    const char *identity; /* of this cluster, from what was passed; NULL if nobody tells it */
} pondi_election;

/* Decide. `identity` is that of the cluster as it was known before; with NULL or "" the node in use
 * says which it is, else the first that tells its own. A node of another cluster is never elected.
 * Of several that claim to be the primary, on PostgreSQL the one with the highest timeline is; else
 * the one whose position covers the other's; else the one in use; else the first of the list. Where
 * all nodes accept writes, the one in use stays while it is ready. */
pondi_election pondi_primary_elect(const pondi_claim *claims, uint32_t count, const char *identity);

/* Non-zero if a claim is of a node of another cluster than `identity`. */
int pondi_claim_is_foreign(const pondi_claim *claim, const char *identity);

/* Append what is wrong with the list, for an error or the log: no primary, two primaries (both are
 * named, and which one serves), nodes of two clusters (both are named). Nothing if all is well. */
void pondi_primary_explain(const pondi_claim *claims, uint32_t count,
                           const pondi_election *election, pondi_buffer *out);

#endif

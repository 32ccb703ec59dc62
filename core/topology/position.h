/* How far a node's data is: what a commit reached, what a replica has applied.
 *
 * A position belongs to one cluster; who compares two knows that they are of the same one. It does
 * no I/O and has no lock: whoever holds it says who may touch it.
 */
#ifndef PONDI_TOPOLOGY_POSITION_H
#define PONDI_TOPOLOGY_POSITION_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "topology/gtid.h"

typedef enum pondi_position_kind {
    PONDI_POSITION_NONE = 0, /* of a node: not known; of a wish: nothing is asked for */
    PONDI_POSITION_LSN,      /* PostgreSQL: timeline and LSN */
    PONDI_POSITION_GTID,     /* MariaDB: the last transaction of each domain */
    PONDI_POSITION_GTID_SET, /* MySQL: all transactions by their server's uuid */
    PONDI_POSITION_GALERA,   /* Galera: the number of the write set within the cluster's history */
    PONDI_POSITION_KINDS
} pondi_position_kind;

/* All zero is PONDI_POSITION_NONE. */
typedef struct pondi_position {
    pondi_position_kind kind;
    uint32_t timeline; /* LSN: never 0; a driver that does not know it reports NONE */
    uint64_t number;   /* LSN; Galera's number */
    pondi_gtids gtids; /* GTID and GTID_SET; owned */
} pondi_position;

typedef enum pondi_covers {
    PONDI_COVERS_NO = 0,
    PONDI_COVERS_YES = 1,
    PONDI_COVERS_UNKNOWN = 2 /* they cannot be compared: only the primary is right */
} pondi_covers;

/* What it owned is freed; it is NONE afterwards. */
void pondi_position_free(pondi_position *position);
/* `out` holds nothing yet. Errors: POND_ENOMEM; then `out` is NONE. */
int pondi_position_copy(const pondi_position *position, pondi_position *out, pond_error **err);
/* `to` gets what `from` has, and `from` is NONE; what `to` had is freed. */
void pondi_position_move(pondi_position *to, pondi_position *from);

/* Both of these hold nothing of their own: there is nothing to free. */
static inline pondi_position pondi_position_of_lsn(uint32_t timeline, uint64_t lsn)
{
    return (pondi_position){.kind = timeline ? PONDI_POSITION_LSN : PONDI_POSITION_NONE,
                            .timeline = timeline,
                            .number = timeline ? lsn : 0};
}

static inline pondi_position pondi_position_of_galera(uint64_t number)
{
    return (pondi_position){.kind = PONDI_POSITION_GALERA, .number = number};
}

/* PostgreSQL's "16/B374D848". Returns 0 if it is no LSN. */
int pondi_lsn_parse(const char *text, size_t size, uint64_t *lsn);

/* Read the text of a position: "3:16/B374D848" (the timeline and PostgreSQL's LSN), MariaDB's and
 * MySQL's own text of GTIDs, Galera's number. `out` holds nothing yet; the caller frees it.
 * Errors: POND_EINVAL; POND_ERANGE for a set of GTIDs that is too long; then `out` is NONE. */
int pondi_position_parse(pondi_position_kind kind, const char *text, size_t size,
                         pondi_position *out, pond_error **err);
/* Append that text; nothing for NONE. */
void pondi_position_print(const pondi_position *position, pondi_buffer *out);

/* Does a node that is at `node` have everything that `wanted` names? All nodes have what NONE
 * names. Another kind, another timeline, or a node at NONE: unknown. */
pondi_covers pondi_position_covers(const pondi_position *node, const pondi_position *wanted);

/* Does the position of a commit name all that its server had before, others' commits included?
 * `primary` is what the primary reported last. One LSN or one number of Galera does; MariaDB's GTID
 * does if there is one domain; MySQL's GTID of the commit alone does not. */
int pondi_position_is_whole(const pondi_position *commit, const pondi_position *primary);

/* Make `position` the maximum of both: it names all that either named. On PostgreSQL a higher
 * timeline is higher, whatever the LSN: the lower one has ended. Allocates nothing for LSNs and
 * Galera, and seldom for GTIDs. On an error `position` still names all that it named. Errors:
 * POND_EINVAL for two kinds, which have no maximum; POND_ERANGE for too many GTIDs; POND_ENOMEM. */
int pondi_position_merge(pondi_position *position, const pondi_position *other, pond_error **err);

#endif

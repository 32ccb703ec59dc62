#include "topology/primary.h"

#include <inttypes.h>
#include <string.h>

/* ---- One cluster -------------------------------------------------------------------------- */

static int has_identity(const pondi_claim *claim)
{
    return claim->heard && claim->identity && claim->identity[0];
}

int pondi_claim_is_foreign(const pondi_claim *claim, const char *identity)
{
    return identity && identity[0] && has_identity(claim) && strcmp(claim->identity, identity) != 0;
}

/* That of the cluster; NULL if nobody tells one. */
static const char *find_identity(const pondi_claim *claims, uint32_t count, const char *known)
{
    const char *found = known && known[0] ? known : NULL;
    for (uint32_t i = 0; i < count && !found; i++) {
        if (claims[i].in_use && has_identity(&claims[i]))
            found = claims[i].identity;
    }
    for (uint32_t i = 0; i < count && !found; i++) {
        if (has_identity(&claims[i]))
            found = claims[i].identity;
    }
    return found;
}

static void find_foreign(const pondi_claim *claims, uint32_t count, const char *identity,
                         pondi_election *out)
{
    for (uint32_t i = 0; i < count; i++) {
        if (pondi_claim_is_foreign(&claims[i], identity)) {
            if (out->foreign == PONDI_NO_NODE)
                out->foreign = (int)i;
        } else if (has_identity(&claims[i]) && out->native == PONDI_NO_NODE) {
            out->native = (int)i;
        }
    }
}

/* ---- One primary -------------------------------------------------------------------------- */

static int is_candidate(const pondi_claim *claim, const char *identity)
{
    return claim->heard && claim->writable && claim->ready &&
           !pondi_claim_is_foreign(claim, identity);
}

/* Of those that claim to be the only one: 1 if the first has more of the data, -1 if the second. */
static int compare_data(const pondi_claim *a, const pondi_claim *b)
{
    if (a->position->kind == PONDI_POSITION_LSN && b->position->kind == PONDI_POSITION_LSN &&
        a->position->timeline != b->position->timeline)
        return a->position->timeline > b->position->timeline ? 1 : -1;
    int more = pondi_position_covers(a->position, b->position) == PONDI_COVERS_YES;
    int less = pondi_position_covers(b->position, a->position) == PONDI_COVERS_YES;
    return more - less;
}

/* Whether a later claim of the list wins against an earlier one. */
static int wins(const pondi_claim *later, const pondi_claim *earlier)
{
    int order = later->multi_writer && earlier->multi_writer ? 0 : compare_data(later, earlier);
    return order ? order > 0 : later->in_use && !earlier->in_use;
}

static int find_rival(const pondi_claim *claims, uint32_t count, const char *identity, int primary)
{
    for (uint32_t i = 0; i < count; i++) {
        if ((int)i != primary && is_candidate(&claims[i], identity) &&
            !(claims[i].multi_writer && claims[primary].multi_writer))
            return (int)i;
    }
    return PONDI_NO_NODE;
}

pondi_election pondi_primary_elect(const pondi_claim *claims, uint32_t count, const char *known)
{
    const char *identity = find_identity(claims, count, known);
    pondi_election out = {.primary = PONDI_NO_NODE,
                          .rival = PONDI_NO_NODE,
                          .foreign = PONDI_NO_NODE,
                          .native = PONDI_NO_NODE,
                          .identity = identity};
    find_foreign(claims, count, identity, &out);
    for (uint32_t i = 0; i < count; i++) {
        if (is_candidate(&claims[i], identity) &&
            (out.primary == PONDI_NO_NODE || wins(&claims[i], &claims[out.primary])))
            out.primary = (int)i;
    }
    if (out.primary != PONDI_NO_NODE)
        out.rival = find_rival(claims, count, identity, out.primary);
    return out;
}

/* ---- In words ------------------------------------------------------------------------------ */

static const char *describe(const pondi_claim *claim, int is_foreign)
{
    if (!claim->heard)
        return "did not answer";
    if (is_foreign)
        return "belongs to another cluster";
    if (!claim->ready)
        return "is not ready";
    return claim->writable ? "is a primary" : "is a replica";
}

static void explain_none(const pondi_claim *claims, uint32_t count, const char *identity,
                         pondi_buffer *out)
{
    pondi_buffer_append_text(out, "no node is the primary: ");
    for (uint32_t i = 0; i < count; i++)
        pondi_buffer_appendf(out, "%s%s %s", i ? ", " : "", claims[i].name,
                             describe(&claims[i], pondi_claim_is_foreign(&claims[i], identity)));
    pondi_buffer_append_text(out, "; promote a replica, or add the primary to the list of nodes");
}

static void explain_rival(const pondi_claim *primary, const pondi_claim *rival, pondi_buffer *out)
{
    pondi_buffer_appendf(out, "two nodes say that they are the primary: %s and %s; %s is used",
                         primary->name, rival->name, primary->name);
    if (primary->position->timeline > rival->position->timeline)
        pondi_buffer_appendf(out, ", its timeline %" PRIu32 " is higher than %" PRIu32,
                             primary->position->timeline, rival->position->timeline);
    pondi_buffer_appendf(out, "; stop %s, or make it a replica", rival->name);
}

static void explain_foreign(const pondi_claim *claims, const pondi_election *election,
                            pondi_buffer *out)
{
    const pondi_claim *foreign = &claims[election->foreign];
    pondi_buffer_appendf(out, "%s belongs to another cluster", foreign->name);
    if (election->native != PONDI_NO_NODE)
        pondi_buffer_appendf(out, " than %s: the identifiers of their data are %s and %s",
                             claims[election->native].name, foreign->identity,
                             claims[election->native].identity);
    else
        pondi_buffer_appendf(out, " than before: the identifier of its data is %s",
                             foreign->identity);
    pondi_buffer_appendf(out, "; it is not used, remove it from the list of nodes");
}

void pondi_primary_explain(const pondi_claim *claims, uint32_t count,
                           const pondi_election *election, pondi_buffer *out)
{
    size_t before = out->size;
    if (election->foreign != PONDI_NO_NODE)
        explain_foreign(claims, election, out);
    if (election->primary == PONDI_NO_NODE) {
        pondi_buffer_append_text(out, out->size > before ? ". Besides, " : "");
        explain_none(claims, count, election->identity, out);
    } else if (election->rival != PONDI_NO_NODE) {
        pondi_buffer_append_text(out, out->size > before ? ". Besides, " : "");
        explain_rival(&claims[election->primary], &claims[election->rival], out);
    }
}

#include "topology/gtid.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void pondi_gtids_free(pondi_gtids *set)
{
    pondi_free(set->ranges);
    *set = (pondi_gtids){0};
}

int pondi_gtids_copy(const pondi_gtids *set, pondi_gtids *out, pond_error **err)
{
    *out = (pondi_gtids){0};
    if (!set->count)
        return POND_OK;
    out->ranges = pondi_malloc(set->count * sizeof(*set->ranges));
    if (!out->ranges)
        return pondi_error_nomem(err);
    memcpy(out->ranges, set->ranges, set->count * sizeof(*set->ranges));
    out->count = out->capacity = set->count;
    return POND_OK;
}

/* ---- Building ----------------------------------------------------------------------------- */

static int refuse_length(pond_error **err)
{
    return pondi_error_set(err, POND_ERANGE, "a set of GTIDs has more than %d ranges",
                           PONDI_GTID_MOST);
}

int pondi_gtids_add(pondi_gtids *set, const pondi_gtid_range *range, pond_error **err)
{
    if (set->count == PONDI_GTID_MOST)
        return refuse_length(err);
    if (set->count == set->capacity) {
        uint32_t capacity = set->capacity ? 2 * set->capacity : 1;
        pondi_gtid_range *ranges = pondi_realloc(set->ranges, capacity * sizeof(*ranges));
        if (!ranges)
            return pondi_error_nomem(err);
        set->ranges = ranges;
        set->capacity = capacity;
    }
    set->ranges[set->count++] = *range;
    return POND_OK;
}

static int compare_source(const pondi_gtid_range *a, const pondi_gtid_range *b)
{
    int order = memcmp(a->source, b->source, sizeof(a->source));
    return order ? order : strcmp(a->tag, b->tag);
}

static int compare(const void *left, const void *right)
{
    const pondi_gtid_range *a = left;
    const pondi_gtid_range *b = right;
    int order = compare_source(a, b);
    if (order)
        return order;
    return a->first < b->first ? -1 : a->first > b->first;
}

/* Nothing fits between the end of `a` and the beginning of `b`, which does not begin before it. */
static int touches(const pondi_gtid_range *a, const pondi_gtid_range *b)
{
    return compare_source(a, b) == 0 && (b->first <= a->last || b->first - 1 == a->last);
}

/* `to` gets what `from` has at its end. Which server stays where both end alike must not depend on
 * their order. */
static void extend(pondi_gtid_range *to, const pondi_gtid_range *from)
{
    if (from->last > to->last || (from->last == to->last && from->server > to->server)) {
        to->last = from->last;
        to->server = from->server;
    }
}

void pondi_gtids_settle(pondi_gtids *set)
{
    if (set->count < 2)
        return;
    qsort(set->ranges, set->count, sizeof(*set->ranges), compare);
    uint32_t kept = 0;
    for (uint32_t i = 1; i < set->count; i++) {
        if (touches(&set->ranges[kept], &set->ranges[i]))
            extend(&set->ranges[kept], &set->ranges[i]);
        else
            set->ranges[++kept] = set->ranges[i];
    }
    set->count = kept + 1;
}

int pondi_gtids_same_source(const pondi_gtid_range *a, const pondi_gtid_range *b)
{
    return compare_source(a, b) == 0;
}

/* ---- Sets --------------------------------------------------------------------------------- */

/* The last range that does not come after `range`; -1 if all do. */
static int64_t find(const pondi_gtids *set, const pondi_gtid_range *range)
{
    uint32_t low = 0;
    uint32_t high = set->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare(&set->ranges[middle], range) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return (int64_t)low - 1;
}

int pondi_gtids_include(const pondi_gtids *set, const pondi_gtids *other)
{
    for (uint32_t i = 0; i < other->count; i++) {
        int64_t at = find(set, &other->ranges[i]);
        if (at < 0 || compare_source(&set->ranges[at], &other->ranges[i]) != 0 ||
            set->ranges[at].last < other->ranges[i].last)
            return 0;
    }
    return 1;
}

/* Whether `range` changes nothing but the end of one range of `set`, which it then has changed. */
static int continue_range(pondi_gtids *set, const pondi_gtid_range *range)
{
    int64_t at = find(set, range);
    if (at < 0 || !touches(&set->ranges[at], range))
        return 0;
    if (at + 1 < set->count) {
        pondi_gtid_range longer = set->ranges[at];
        extend(&longer, range);
        if (touches(&longer, &set->ranges[at + 1]))
            return 0;
    }
    extend(&set->ranges[at], range);
    return 1;
}

int pondi_gtids_unite(pondi_gtids *set, const pondi_gtids *other, pond_error **err)
{
    uint32_t done = 0;
    while (done < other->count && continue_range(set, &other->ranges[done]))
        done++;
    uint32_t left = other->count - done;
    if (!left)
        return POND_OK;
    pondi_gtids united = {.count = set->count + left, .capacity = set->count + left};
    united.ranges = pondi_malloc(united.count * sizeof(*united.ranges));
    if (!united.ranges)
        return pondi_error_nomem(err);
    if (set->count)
        memcpy(united.ranges, set->ranges, set->count * sizeof(*set->ranges));
    memcpy(united.ranges + set->count, other->ranges + done, left * sizeof(*other->ranges));
    pondi_gtids_settle(&united);
    if (united.count > PONDI_GTID_MOST) {
        pondi_gtids_free(&united);
        return refuse_length(err);
    }
    pondi_gtids_free(set);
    *set = united;
    return POND_OK;
}

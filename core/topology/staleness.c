#include "topology/staleness.h"

#include <string.h>

#define HORIZON_NS (INT64_C(3600) * 1000000000)

void pondi_staleness_free(pondi_staleness *staleness)
{
    for (uint32_t i = 0; i < staleness->count; i++)
        pondi_position_free(&staleness->ring[i].position);
    staleness->count = 0;
}

/* Take out the entry at `index`. */
static void drop(pondi_staleness *staleness, uint32_t index)
{
    pondi_staleness_entry *at = &staleness->ring[index];
    pondi_position_free(&at->position);
    staleness->count--;
    memmove(at, at + 1, (staleness->count - index) * sizeof(*at));
}

/* The entry that is missed least: its neighbours are closest together for their age. The first and
 * the last one stay. */
static uint32_t find_least(const pondi_staleness *staleness, int64_t now_ns)
{
    uint32_t least = 1;
    double smallest = 0;
    for (uint32_t i = 1; i + 1 < staleness->count; i++) {
        const pondi_staleness_entry *at = &staleness->ring[i];
        double gap = (double)(at[1].asked_ns - at[-1].asked_ns);
        double relative = gap / (double)(now_ns - at[-1].asked_ns);
        if (i == 1 || relative < smallest) {
            smallest = relative;
            least = i;
        }
    }
    return least;
}

/* Make room for one more. */
static void thin(pondi_staleness *staleness, int64_t now_ns)
{
    while (staleness->count > 1 && now_ns - staleness->ring[1].asked_ns >= HORIZON_NS)
        drop(staleness, 0);
    if (staleness->count == PONDI_STALENESS_RING)
        drop(staleness, find_least(staleness, now_ns));
}

static int is_same(const pondi_position *a, const pondi_position *b)
{
    return pondi_position_covers(a, b) == PONDI_COVERS_YES &&
           pondi_position_covers(b, a) == PONDI_COVERS_YES;
}

void pondi_staleness_add(pondi_staleness *staleness, int64_t asked_ns,
                         const pondi_position *position)
{
    pondi_staleness_entry *newest =
        staleness->count ? &staleness->ring[staleness->count - 1] : NULL;
    pondi_staleness_entry entry = {.asked_ns = asked_ns};
    if (position->kind == PONDI_POSITION_NONE || (newest && asked_ns <= newest->asked_ns))
        return;
    if (newest && is_same(&newest->position, position)) {
        newest->asked_ns = asked_ns;
        return;
    }
    if (pondi_position_copy(position, &entry.position, NULL))
        return;
    thin(staleness, asked_ns);
    staleness->ring[staleness->count++] = entry;
}

int64_t pondi_staleness_as_of(const pondi_staleness *staleness, const pondi_position *position)
{
    for (uint32_t i = staleness->count; i-- > 0;) {
        const pondi_staleness_entry *entry = &staleness->ring[i];
        if (pondi_position_covers(position, &entry->position) == PONDI_COVERS_YES)
            return entry->asked_ns;
    }
    return PONDI_STALENESS_UNKNOWN;
}

#include "metrics/window.h"

#include <string.h>

void pondi_window_init(pondi_window *window, int64_t length_ns, int64_t now_ns)
{
    static const pondi_totals nothing;
    memset(window, 0, sizeof(*window));
    window->length_ns = length_ns;
    window->step_ns = length_ns / (PONDI_WINDOW_NOTES - 2) + 1;
    pondi_window_note(window, now_ns, &nothing);
}

void pondi_window_note(pondi_window *window, int64_t now_ns, const pondi_totals *totals)
{
    window->notes[window->next].at_ns = now_ns;
    window->notes[window->next].totals = *totals;
    window->next = (window->next + 1) % PONDI_WINDOW_NOTES;
    if (window->count < PONDI_WINDOW_NOTES)
        window->count++;
    window->next_ns = now_ns + window->step_ns;
}

static void subtract(const pondi_totals *from, const pondi_totals *what, pondi_totals *out)
{
    out->acquired = from->acquired - what->acquired;
    out->timeouts = from->timeouts - what->timeouts;
    out->released = from->released - what->released;
    out->wait_ns = from->wait_ns - what->wait_ns;
    out->lease_ns = from->lease_ns - what->lease_ns;
    out->sync_lease_ns = from->sync_lease_ns - what->sync_lease_ns;
    out->queries = from->queries - what->queries;
    out->query_ns = from->query_ns - what->query_ns;
    out->slow_ns = from->slow_ns - what->slow_ns;
}

int64_t pondi_window_difference(const pondi_window *window, int64_t now_ns,
                                const pondi_totals *totals, pondi_totals *out)
{
    int64_t begin_ns = now_ns - window->length_ns;
    /* If all notes are older, nothing was counted since shortly after the last. */
    const pondi_totals *base = totals;
    int64_t length_ns = window->length_ns;
    for (uint32_t i = 1; i <= window->count; i++) {
        uint32_t at = (window->next + PONDI_WINDOW_NOTES - i) % PONDI_WINDOW_NOTES;
        if (window->notes[at].at_ns < begin_ns)
            break;
        base = &window->notes[at].totals;
        length_ns = now_ns - window->notes[at].at_ns;
    }
    subtract(totals, base, out);
    return length_ns;
}

/* ---- The signal -------------------------------------------------------------------------- */

static const double band_ends[] = {0.001, 0.01, 0.05}; /* timeouts as a share of all acquires */

static const double busy_share = 0.8; /* connections in use, of max_size, that call it saturated */
static const double half = 0.5;

static uint32_t level_of(double rate)
{
    uint32_t level = POND_SCALING_NORMAL;
    for (size_t i = 0; i < sizeof(band_ends) / sizeof(band_ends[0]); i++)
        level += rate > band_ends[i] || (i == 0 && rate >= band_ends[0]);
    return level;
}

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

/* Of the side, loops or blocking threads, that uses more of what it may have. */
static double utilization_of(const pondi_load *load, double seconds)
{
    static const double ns_per_s = 1e9;
    uint64_t sync_ns = load->totals.sync_lease_ns;
    double async = (double)(load->totals.lease_ns - sync_ns) / ns_per_s;
    double used = ratio(async, seconds * load->max_size);
    double sync_used = ratio((double)sync_ns / ns_per_s, seconds * load->sync_max_size);
    if (sync_used > used)
        used = sync_used;
    return used < 1 ? used : 1;
}

/* Why the connections do not suffice, which only the pool can tell. */
static uint32_t saturation_of(const pondi_load *load, double utilization)
{
    const pondi_totals *totals = &load->totals;
    if (utilization < busy_share || (!load->waiting && !totals->timeouts))
        return POND_SATURATION_NONE;
    if ((double)totals->query_ns < half * (double)totals->lease_ns)
        return POND_SATURATION_HELD;
    if ((double)totals->slow_ns >= half * (double)totals->query_ns)
        return POND_SATURATION_SLOW;
    return POND_SATURATION_MANY;
}

void pondi_scaling_judge(const pondi_load *load, pond_scaling_signal *out)
{
    static const double ns_per_s = 1e9;
    const pondi_totals *totals = &load->totals;
    uint64_t attempts = totals->acquired + totals->timeouts;
    double seconds = (double)load->window_ns / ns_per_s;
    out->attempts = attempts;
    out->timeouts = totals->timeouts;
    out->timeout_rate = ratio((double)totals->timeouts, (double)attempts);
    out->level = level_of(out->timeout_rate);
    out->action = out->level;
    out->window_seconds = seconds;
    out->utilization = utilization_of(load, seconds);
    out->waiting = load->waiting;
    out->saturation = saturation_of(load, out->utilization);
    out->acquires_per_second = ratio((double)totals->acquired, seconds);
    out->queries_per_second = ratio((double)totals->queries, seconds);
    out->mean_wait_seconds = ratio((double)totals->wait_ns / ns_per_s, (double)totals->acquired);
    out->mean_query_seconds = ratio((double)totals->query_ns / ns_per_s, (double)totals->queries);
}

const char *pond_scaling_level_text(uint32_t level)
{
    static const char *const texts[] = {"normal load", "mild contention", "high load",
                                        "critical pressure"};
    return level < sizeof(texts) / sizeof(texts[0]) ? texts[level] : "unknown";
}

const char *pond_scaling_action_text(uint32_t action)
{
    static const char *const texts[] = {"no action needed", "review slow queries",
                                        "scale vertically: bigger database or application servers",
                                        "scale horizontally: more application servers"};
    return action < sizeof(texts) / sizeof(texts[0]) ? texts[action] : "unknown";
}

const char *pond_saturation_text(uint32_t saturation)
{
    static const char *const texts[] = {
        "connections suffice", "slow queries keep the connections busy: make them faster first",
        "many fast queries keep the connections busy: more connections or servers help",
        "connections are held while no query runs: release them sooner"};
    return saturation < sizeof(texts) / sizeof(texts[0]) ? texts[saturation] : "unknown";
}

#include "topology/health.h"

#include "topology/node.h"

enum { SMALLEST_SHARE = PONDI_SHARE_FULL / 16, LATENCY_PART = 8 };

#define HALF_LIFE_NS (INT64_C(10) * 1000000000)

/* ---- Errors ------------------------------------------------------------------------------- */

void pondi_health_succeeded(pondi_health *health)
{
    health->failures = 0;
}

static int64_t ejection_ns(const pondi_health_settings *settings, uint32_t times_before)
{
    int64_t span_ns = settings->eject_ns;
    for (uint32_t i = 0; i < times_before && span_ns < settings->max_eject_ns; i++)
        span_ns = span_ns > settings->max_eject_ns / 2 ? settings->max_eject_ns : 2 * span_ns;
    return span_ns < settings->max_eject_ns ? span_ns : settings->max_eject_ns;
}

int pondi_health_failed(pondi_health *health, const pondi_health_settings *settings, int64_t now_ns)
{
    if (pondi_health_failing(health, now_ns))
        return 0;
    if (pondi_health_share(health, settings, now_ns) == PONDI_SHARE_FULL)
        health->ejections = 0;
    if (++health->failures < settings->failures)
        return 0;
    health->failing_until_ns = now_ns + ejection_ns(settings, health->ejections);
    health->back_ns = health->failing_until_ns;
    health->failures = 0;
    health->ejections++;
    return 1;
}

void pondi_health_came_back(pondi_health *health, int64_t now_ns)
{
    if (now_ns > health->back_ns)
        health->back_ns = now_ns;
}

int pondi_health_failing(const pondi_health *health, int64_t now_ns)
{
    return now_ns < health->failing_until_ns;
}

uint32_t pondi_health_share(const pondi_health *health, const pondi_health_settings *settings,
                            int64_t now_ns)
{
    int64_t since_ns = now_ns - health->back_ns;
    if (!health->back_ns || since_ns >= settings->slow_start_ns)
        return PONDI_SHARE_FULL;
    if (since_ns <= 0)
        return SMALLEST_SHARE;
    double part = (double)since_ns / (double)settings->slow_start_ns;
    return SMALLEST_SHARE + (uint32_t)(part * (PONDI_SHARE_FULL - SMALLEST_SHARE));
}

/* ---- Latency ------------------------------------------------------------------------------ */

void pondi_latency_note(pondi_latency *latency, int64_t took_ns, int64_t now_ns)
{
    int64_t mean_ns = pondi_latency_read(latency, now_ns);
    if (took_ns < 1)
        took_ns = 1;
    latency->mean_ns = mean_ns ? mean_ns + (took_ns - mean_ns) / LATENCY_PART : took_ns;
    if (latency->mean_ns < 1)
        latency->mean_ns = 1;
    latency->noted_ns = now_ns;
}

int64_t pondi_latency_read(const pondi_latency *latency, int64_t now_ns)
{
    int64_t since_ns = now_ns - latency->noted_ns;
    if (!latency->mean_ns || since_ns <= 0)
        return latency->mean_ns;
    int64_t halvings = since_ns / HALF_LIFE_NS;
    if (halvings > 60)
        return 1;
    int64_t halved_ns = latency->mean_ns >> halvings;
    int64_t rest_ns = since_ns % HALF_LIFE_NS;
    /* Between two halvings on the line from one to the other. */
    halved_ns -= (int64_t)((double)halved_ns / 2 * ((double)rest_ns / (double)HALF_LIFE_NS));
    return halved_ns > 1 ? halved_ns : 1;
}

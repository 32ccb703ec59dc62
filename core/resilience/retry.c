#include "resilience/retry.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/given.h"
#include "base/random.h"
#include "base/versioned.h"
#include "millpond/millpond.h"

int64_t pondi_backoff_ceiling(const pondi_backoff *backoff, uint32_t failures)
{
    int64_t ceiling = backoff->base_delay_ns < backoff->max_delay_ns ? backoff->base_delay_ns
                                                                     : backoff->max_delay_ns;
    for (uint32_t i = 1; i < failures && ceiling > 0 && ceiling < backoff->max_delay_ns; i++)
        ceiling = ceiling > backoff->max_delay_ns / 2 ? backoff->max_delay_ns : 2 * ceiling;
    return ceiling;
}

int64_t pondi_backoff_next(const pondi_backoff *backoff, uint32_t failures, int64_t elapsed_ns)
{
    if (backoff->max_retries != UINT32_MAX && failures > backoff->max_retries)
        return -1;
    int64_t delay_ns = pondi_random_up_to(pondi_backoff_ceiling(backoff, failures));
    if (backoff->total_ns != PONDI_NEVER && delay_ns >= backoff->total_ns - elapsed_ns)
        return -1;
    return delay_ns;
}

/* ---- Public ------------------------------------------------------------------------------ */

static int read_policy(const pond_retry_policy *given, pondi_backoff *out, pond_error **err)
{
    pond_retry_policy policy = POND_RETRY_POLICY_INIT;
    if (pondi_check_struct_size(given, "pond_retry_policy", err))
        return POND_EINVAL;
    pondi_take_struct(given, &policy, sizeof(policy));
    if (policy.base_delay_us < 0 || policy.max_delay_us < 0)
        return pondi_error_set(err, POND_EINVAL, "a delay must not be negative");
    *out = (pondi_backoff){
        .max_retries = policy.max_retries,
        .base_delay_ns = pondi_ns_from_us(policy.base_delay_us),
        .max_delay_ns = pondi_ns_from_us(policy.max_delay_us),
        .total_ns =
            policy.total_timeout_us < 0 ? PONDI_NEVER : pondi_ns_from_us(policy.total_timeout_us),
    };
    return POND_OK;
}

int pond_retry_next(const pond_retry_policy *policy, uint32_t failures, int64_t elapsed_us,
                    int64_t *delay_us, pond_error **err)
{
    pondi_backoff backoff = {0};
    if (PONDI_GIVEN(err, delay_us))
        return POND_EINVAL;
    *delay_us = -1;
    int code = read_policy(policy, &backoff, err);
    if (!code && (failures < 1 || elapsed_us < 0))
        code = pondi_error_set(err, POND_EINVAL,
                               "failures must be at least 1 and elapsed_us not negative");
    if (code)
        return code;
    int64_t delay_ns = pondi_backoff_next(&backoff, failures, pondi_ns_from_us(elapsed_us));
    *delay_us = delay_ns < 0 ? -1 : delay_ns / PONDI_NS_PER_US;
    return POND_OK;
}

/* What a caller wishes of a lease. */
#include "base/clock.h"
#include "base/error.h"
#include "base/versioned.h"
#include "cluster/lend.h"

static int check(const pond_acquire_options *options, pond_error **err)
{
    if (options->consistency > POND_EVENTUAL)
        return pondi_error_set(err, POND_EINVAL,
                               "consistency is %u: use one of pond_consistency, from 0 to %d",
                               (unsigned)options->consistency, POND_EVENTUAL);
    if (options->consistency && !options->read_only)
        return pondi_error_set(err, POND_EINVAL,
                               "consistency is for read-only leases: set read_only, too");
    if (options->consistency == POND_BOUNDED && options->max_staleness_ms <= 0)
        return pondi_error_set(err, POND_EINVAL,
                               "max_staleness_ms must be above 0 for bounded consistency, not %lld",
                               (long long)options->max_staleness_ms);
    if (options->consistency != POND_BOUNDED && options->max_staleness_ms)
        return pondi_error_set(err, POND_EINVAL,
                               "max_staleness_ms is for bounded consistency: set consistency to "
                               "POND_BOUNDED, or leave it 0");
    return POND_OK;
}

static int64_t ns_from_ms(int64_t ms)
{
    return ms > INT64_MAX / PONDI_NS_PER_MS ? INT64_MAX : ms * PONDI_NS_PER_MS;
}

int pondi_wish_read(pondi_cluster *cluster, const pond_acquire_options *given,
                    pondi_lease_wish *out, pond_error **err)
{
    pond_acquire_options options = {.struct_size = sizeof(options),
                                    .timeout_ms = POND_TIMEOUT_DEFAULT};
    if (given && pondi_check_struct_size(given, "pond_acquire_options", err))
        return POND_EINVAL;
    pondi_take_struct(given, &options, sizeof(options));
    int code = check(&options, err);
    if (code)
        return code;
    *out = (pondi_lease_wish){.read_only = options.read_only != 0,
                              .consistency = (pond_consistency)options.consistency,
                              .staleness_ns = ns_from_ms(options.max_staleness_ms),
                              .timeout_ms = options.timeout_ms,
                              .session = options.session,
                              .may_wait = cluster->replica_wait_ms != 0};
    if (!out->consistency) {
        out->consistency = cluster->consistency;
        out->staleness_ns = cluster->staleness_ns;
    }
    if (out->consistency == POND_SESSION && !out->session)
        out->consistency = POND_STRONG;
    return POND_OK;
}

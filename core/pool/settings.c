/* What a config says of its pool, and what is chosen where it says nothing. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "millpond/millpond.h"
#include "pool/pool.h"

/* ---- Sizes ------------------------------------------------------------------------------- */

/* What a connection may come to cost: buffers, prepared statements, a result under way, a thread.
 */
static const uint64_t memory_of_one = UINT64_C(16) << 20;

/* A container's limit; UINT64_MAX for none. */
static uint64_t container_memory(void)
{
    unsigned long long bytes = 0;
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "re");
    if (!file)
        return UINT64_MAX;
    int known = fscanf(file, "%llu", &bytes) == 1; /* else it says "max" */
    fclose(file);
    return known ? bytes : UINT64_MAX;
}

static uint64_t memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);
    uint64_t limit = container_memory();
    uint64_t physical = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;
    return physical < limit ? physical : limit;
}

/* Connections wait for the server more than they compute here: a few for each core. */
void pond_pool_default_size(uint32_t *min_size, uint32_t *max_size)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t cores = online > 0 ? (uint64_t)online : 1;
    uint64_t smallest = cores / 2 > 3 ? cores / 2 : 3;
    uint64_t biggest = cores * 4 > 20 ? cores * 4 : 20;
    uint64_t affordable = memory() / memory_of_one;
    if (biggest > affordable)
        biggest = affordable > smallest ? affordable : smallest;
    if (min_size)
        *min_size = (uint32_t)smallest;
    if (max_size)
        *max_size = (uint32_t)biggest;
}

/* As many as the pools of threads of web frameworks have threads. */
static uint64_t default_sync_size(void)
{
    const uint64_t usual = 40;
    uint64_t affordable = memory() / memory_of_one;
    return affordable >= usual ? usual : affordable > 3 ? affordable : 3;
}

static void read_sizes(const pond_config *config, pondi_pool_settings *out)
{
    uint32_t smallest;
    uint32_t biggest;
    pond_pool_default_size(&smallest, &biggest);
    out->max_size = (uint32_t)pondi_config_count(config, "pool_max_size", biggest);
    out->sync_max_size = (uint32_t)pondi_config_count(config, "sync_max_size", default_sync_size());
    uint64_t wanted = pondi_config_count(config, "pool_min_size", smallest);
    out->min_size = wanted < out->max_size ? (uint32_t)wanted : out->max_size;
}

/* ---- Times ------------------------------------------------------------------------------- */

static int64_t duration_ns(const pond_config *config, const char *key, int64_t fallback_ms)
{
    int64_t ms = pondi_config_ms(config, key, fallback_ms);
    return ms < 0 ? PONDI_NEVER : ms * PONDI_NS_PER_MS;
}

static void read_times(const pond_config *config, pondi_pool_settings *out)
{
    out->acquire_timeout_ms = pondi_config_ms(config, "connection_acquisition_timeout", 10000);
    out->connect_timeout_ms = pondi_config_ms(config, "connection_creation_timeout", 15000);
    out->idle_timeout_ns = duration_ns(config, "pool_idle_timeout", 600000);
    out->max_lifetime_ns = duration_ns(config, "pool_max_lifetime", 1800000);
    out->keepalive_ns = duration_ns(config, "pool_keepalive", 120000);
    out->validate_after_ns = duration_ns(config, "pool_validate_after", 30000);
    out->patience_ns = PONDI_NS_PER_MS;
    out->reconnect_ns = pondi_config_ms(config, "pool_reconnect_delay", 50) * PONDI_NS_PER_MS;
    out->reconnect_most_ns =
        pondi_config_ms(config, "pool_reconnect_max_delay", 500) * PONDI_NS_PER_MS;
}

/* ---- Choices ----------------------------------------------------------------------------- */

static int is(const pond_config *config, const char *key, const char *value)
{
    const char *given = pondi_config_get(config, key);
    return given && strcmp(given, value) == 0;
}

void pondi_pool_read_settings(const pond_config *config, pondi_pool_settings *out)
{
    read_sizes(config, out);
    read_times(config, out);
    out->fail_fast = pondi_config_flag(config, "pool_fail_fast", 1);
    out->retry_unsent = pondi_config_flag(config, "retry_unsent", 1);
    out->max_new_fields = (uint32_t)pondi_config_count(config, "entity_max_new_fields", 0);
    out->max_fields = (uint32_t)pondi_config_count(config, "entity_max_fields", 0);
    out->reset = is(config, "pool_reset", "always")  ? PONDI_RESET_ALWAYS
                 : is(config, "pool_reset", "never") ? PONDI_RESET_NEVER
                                                     : PONDI_RESET_TOUCHED;
    out->on_close = is(config, "pool_close_transactions", "rollback") ? POND_ROLLBACK : POND_COMMIT;
}

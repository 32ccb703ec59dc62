/* The layouts that were promised (STABILITY.md): an FFI writes these offsets down, and a program
 * compiled years ago has them built in. Written by tests/abi/update_layout.py. */
#include <stddef.h>

#include "millpond/driver.h"
#include "millpond/entity.h"
#include "millpond/millpond.h"

_Static_assert(POND_ENOMEM == -1 && POND_EUNDEFINED == -34 && POND_ECIRCUITOPEN == -35,
               "numbers of errors changed");
_Static_assert(POND_TYPE_NULL == 0 && POND_TYPE_ARRAY == 14, "numbers of types changed");

/* clang-format off */
#if UINTPTR_MAX == UINT64_MAX
#define SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), "size of " #type " changed")
#define AT(type, member, offset) \
    _Static_assert(offsetof(type, member) == (offset), "place of " #type "." #member " changed")

SIZE(pond_driver, 160);
AT(pond_driver, struct_size, 0);
AT(pond_driver, flags, 4);
AT(pond_driver, name, 8);
AT(pond_driver, aliases, 16);
AT(pond_driver, options, 24);
AT(pond_driver, system, 32);
AT(pond_driver, dialect, 40);
AT(pond_driver, features, 44);
AT(pond_driver, port, 48);
AT(pond_driver, reserved, 52);
AT(pond_driver, data, 56);
AT(pond_driver, open, 64);
AT(pond_driver, execute, 72);
AT(pond_driver, execute_many, 80);
AT(pond_driver, stream, 88);
AT(pond_driver, fetch, 96);
AT(pond_driver, end_stream, 104);
AT(pond_driver, transaction, 112);
AT(pond_driver, ping, 120);
AT(pond_driver, reset, 128);
AT(pond_driver, interrupt, 136);
AT(pond_driver, close, 144);
AT(pond_driver, free_prepared, 152);

SIZE(pond_field, 40);
AT(pond_field, name, 0);
AT(pond_field, type, 8);
AT(pond_field, value, 16);

SIZE(pond_record, 16);
AT(pond_record, fields, 0);
AT(pond_record, field_count, 8);

SIZE(pond_entity_options, 96);
AT(pond_entity_options, struct_size, 0);
AT(pond_entity_options, flags, 4);
AT(pond_entity_options, user_id, 8);
AT(pond_entity_options, comment, 16);
AT(pond_entity_options, expected_version, 24);
AT(pond_entity_options, where, 32);
AT(pond_entity_options, params, 40);
AT(pond_entity_options, param_count, 48);
AT(pond_entity_options, order_by, 56);
AT(pond_entity_options, limit, 64);
AT(pond_entity_options, offset, 72);
AT(pond_entity_options, max_new_fields, 80);
AT(pond_entity_options, max_fields, 84);
AT(pond_entity_options, first_record, 88);

SIZE(pond_step, 64);
AT(pond_step, struct_size, 0);
AT(pond_step, kind, 4);
AT(pond_step, sql, 8);
AT(pond_step, sql_size, 16);
AT(pond_step, params, 24);
AT(pond_step, row_count, 32);
AT(pond_step, column_count, 40);
AT(pond_step, wait_ms, 48);
AT(pond_step, flags, 56);
AT(pond_step, reserved, 60);

SIZE(pond_scaling_signal, 96);
AT(pond_scaling_signal, struct_size, 0);
AT(pond_scaling_signal, level, 4);
AT(pond_scaling_signal, action, 8);
AT(pond_scaling_signal, saturation, 12);
AT(pond_scaling_signal, waiting, 16);
AT(pond_scaling_signal, reserved, 20);
AT(pond_scaling_signal, attempts, 24);
AT(pond_scaling_signal, timeouts, 32);
AT(pond_scaling_signal, timeout_rate, 40);
AT(pond_scaling_signal, window_seconds, 48);
AT(pond_scaling_signal, utilization, 56);
AT(pond_scaling_signal, acquires_per_second, 64);
AT(pond_scaling_signal, queries_per_second, 72);
AT(pond_scaling_signal, mean_wait_seconds, 80);
AT(pond_scaling_signal, mean_query_seconds, 88);

SIZE(pond_metric, 88);
AT(pond_metric, struct_size, 0);
AT(pond_metric, kind, 4);
AT(pond_metric, name, 8);
AT(pond_metric, label, 16);
AT(pond_metric, value, 24);
AT(pond_metric, number, 32);
AT(pond_metric, count, 40);
AT(pond_metric, sum, 48);
AT(pond_metric, max, 56);
AT(pond_metric, p50, 64);
AT(pond_metric, p95, 72);
AT(pond_metric, p99, 80);

SIZE(pond_pool_status, 128);
AT(pond_pool_status, struct_size, 0);
AT(pond_pool_status, min_size, 4);
AT(pond_pool_status, max_size, 8);
AT(pond_pool_status, size, 12);
AT(pond_pool_status, in_use, 16);
AT(pond_pool_status, idle, 20);
AT(pond_pool_status, waiting, 24);
AT(pond_pool_status, closed, 28);
AT(pond_pool_status, acquired, 32);
AT(pond_pool_status, released, 40);
AT(pond_pool_status, timeouts, 48);
AT(pond_pool_status, errors, 56);
AT(pond_pool_status, created, 64);
AT(pond_pool_status, destroyed, 72);
AT(pond_pool_status, peak_active, 80);
AT(pond_pool_status, statement_hits, 88);
AT(pond_pool_status, statement_misses, 96);
AT(pond_pool_status, statement_evictions, 104);
AT(pond_pool_status, opening, 112);
AT(pond_pool_status, sync_max_size, 116);
AT(pond_pool_status, sync_in_use, 120);
AT(pond_pool_status, reserved, 124);

SIZE(pond_lease_info, 32);
AT(pond_lease_info, connection_id, 0);
AT(pond_lease_info, age_ms, 8);
AT(pond_lease_info, tag_owner, 16);
AT(pond_lease_info, tag, 24);

SIZE(pond_tag, 16);
AT(pond_tag, key, 0);
AT(pond_tag, value, 8);

SIZE(pond_execute_options, 40);
AT(pond_execute_options, struct_size, 0);
AT(pond_execute_options, flags, 4);
AT(pond_execute_options, timeout_ms, 8);
AT(pond_execute_options, tags, 16);
AT(pond_execute_options, tag_count, 24);
AT(pond_execute_options, first_row, 32);

SIZE(pond_acquire_options, 40);
AT(pond_acquire_options, struct_size, 0);
AT(pond_acquire_options, read_only, 4);
AT(pond_acquire_options, consistency, 8);
AT(pond_acquire_options, reserved, 12);
AT(pond_acquire_options, max_staleness_ms, 16);
AT(pond_acquire_options, timeout_ms, 24);
AT(pond_acquire_options, session, 32);

SIZE(pond_node, 160);
AT(pond_node, struct_size, 0);
AT(pond_node, is_primary, 4);
AT(pond_node, is_healthy, 8);
AT(pond_node, reserved, 12);
AT(pond_node, address, 16);
AT(pond_node, region, 24);
AT(pond_node, role, 32);
AT(pond_node, problem, 40);
AT(pond_node, position, 48);
AT(pond_node, weight, 56);
AT(pond_node, lag_seconds, 64);
AT(pond_node, lag_bytes, 72);
AT(pond_node, latency_seconds, 80);
AT(pond_node, report_age_seconds, 88);
AT(pond_node, reads, 96);
AT(pond_node, fallbacks, 104);
AT(pond_node, waits, 112);
AT(pond_node, missed, 120);
AT(pond_node, ejections, 128);
AT(pond_node, failures, 136);
AT(pond_node, size, 144);
AT(pond_node, idle, 148);
AT(pond_node, in_use, 152);
AT(pond_node, waiting, 156);

SIZE(pond_breaker_options, 32);
AT(pond_breaker_options, struct_size, 0);
AT(pond_breaker_options, failure_threshold, 4);
AT(pond_breaker_options, half_open_max_calls, 8);
AT(pond_breaker_options, flags, 12);
AT(pond_breaker_options, recovery_timeout_us, 16);
AT(pond_breaker_options, window_size_us, 24);

SIZE(pond_breaker_status, 48);
AT(pond_breaker_status, struct_size, 0);
AT(pond_breaker_status, state, 4);
AT(pond_breaker_status, recent_failures, 8);
AT(pond_breaker_status, probes, 12);
AT(pond_breaker_status, retry_after_us, 16);
AT(pond_breaker_status, failures, 24);
AT(pond_breaker_status, refused, 32);
AT(pond_breaker_status, opened, 40);

SIZE(pond_retry_policy, 32);
AT(pond_retry_policy, struct_size, 0);
AT(pond_retry_policy, max_retries, 4);
AT(pond_retry_policy, base_delay_us, 8);
AT(pond_retry_policy, max_delay_us, 16);
AT(pond_retry_policy, total_timeout_us, 24);

SIZE(pond_statement_cache_options, 40);
AT(pond_statement_cache_options, struct_size, 0);
AT(pond_statement_cache_options, reserved, 4);
AT(pond_statement_cache_options, capacity, 8);
AT(pond_statement_cache_options, limit, 16);
AT(pond_statement_cache_options, retain, 24);
AT(pond_statement_cache_options, release, 32);

SIZE(pond_statement_cache_status, 56);
AT(pond_statement_cache_status, struct_size, 0);
AT(pond_statement_cache_status, reserved, 4);
AT(pond_statement_cache_status, count, 8);
AT(pond_statement_cache_status, capacity, 16);
AT(pond_statement_cache_status, limit, 24);
AT(pond_statement_cache_status, hits, 32);
AT(pond_statement_cache_status, misses, 40);
AT(pond_statement_cache_status, evictions, 48);

SIZE(pond_value, 24);
AT(pond_value, type, 0);
AT(pond_value, aux, 4);
AT(pond_value, as, 8);
AT(pond_value, as.text.data, 8);
AT(pond_value, as.text.size, 16);
AT(pond_value, as.interval.microseconds, 8);
AT(pond_value, as.interval.days, 16);
AT(pond_value, as.array.items, 8);
AT(pond_value, as.array.count, 16);
#endif /* 64-bit pointers */

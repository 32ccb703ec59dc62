/* What pools count and time, and what it means. */
#include <string.h>

#include "native.h"

#define NATIVE_METRICS "millpond.metrics"

static int metrics_gc(lua_State *L)
{
    pond_metrics **box = luaL_checkudata(L, 1, NATIVE_METRICS);
    pond_metrics_free(*box);
    *box = NULL;
    return 0;
}

/* ---- Numbers ------------------------------------------------------------------------------- */

static void set_number(lua_State *L, const char *name, double number)
{
    lua_pushnumber(L, number);
    lua_setfield(L, -2, name);
}

static void push_metric(lua_State *L, const pond_metric *metric)
{
    if (metric->kind != POND_METRIC_HISTOGRAM) {
        lua_pushnumber(L, metric->number);
        return;
    }
    lua_createtable(L, 0, 6);
    native_set_integer(L, "count", (lua_Integer)metric->count);
    set_number(L, "sum", metric->sum);
    set_number(L, "max", metric->max);
    set_number(L, "p50", metric->p50);
    set_number(L, "p95", metric->p95);
    set_number(L, "p99", metric->p99);
}

/* Put a metric into the table on top: by its name, or by its name and the value of its label. */
static void add_metric(lua_State *L, const pond_metric *metric)
{
    if (!*metric->label) {
        push_metric(L, metric);
        lua_setfield(L, -2, metric->name);
        return;
    }
    luaL_getsubtable(L, -1, metric->name);
    push_metric(L, metric);
    lua_setfield(L, -2, metric->value);
    lua_pop(L, 1);
}

/* metrics(pool) -> table of numbers; nil: of the whole process. */
static int metrics_take(lua_State *L)
{
    native_state *state = native_state_of(L);
    const native_pool *pool = lua_isnoneornil(L, 1) ? NULL : luaL_checkudata(L, 1, NATIVE_POOL);
    pond_error *error = NULL;
    pond_metrics **box = lua_newuserdatauv(L, sizeof(pond_metrics *), 0);
    *box = NULL;
    luaL_setmetatable(L, NATIVE_METRICS);
    int code = pond_metrics_take(pool ? pool->pool : NULL, box, &error);
    if (code)
        return native_fail(L, state, code, error);
    size_t count = pond_metrics_count(*box);
    lua_createtable(L, 0, 32);
    for (size_t i = 0; i < count; i++) {
        pond_metric metric = {.struct_size = sizeof(metric)};
        if (!pond_metrics_read(*box, i, &metric, NULL))
            add_metric(L, &metric);
    }
    pond_metrics_free(*box);
    *box = NULL;
    return 1;
}

/* ---- What they mean ------------------------------------------------------------------------ */

/* scaling(pool) -> the load of the last minute, and what to do about it. */
static int metrics_scaling(lua_State *L)
{
    native_state *state = native_state_of(L);
    const native_pool *pool = luaL_checkudata(L, 1, NATIVE_POOL);
    pond_scaling_signal at = {.struct_size = sizeof(at)};
    pond_error *error = NULL;
    int code = pond_pool_scaling(pool->pool, &at, &error);
    if (code)
        return native_fail(L, state, code, error);
    lua_createtable(L, 0, 14);
    native_set_string(L, "level", pond_scaling_level_text(at.level));
    native_set_string(L, "action", pond_scaling_action_text(at.action));
    native_set_string(L, "saturation", pond_saturation_text(at.saturation));
    native_set_integer(L, "waiting", at.waiting);
    native_set_integer(L, "attempts", (lua_Integer)at.attempts);
    native_set_integer(L, "timeouts", (lua_Integer)at.timeouts);
    set_number(L, "timeout_rate", at.timeout_rate);
    set_number(L, "window_seconds", at.window_seconds);
    set_number(L, "utilization", at.utilization);
    set_number(L, "acquires_per_second", at.acquires_per_second);
    set_number(L, "queries_per_second", at.queries_per_second);
    set_number(L, "mean_wait_seconds", at.mean_wait_seconds);
    set_number(L, "mean_query_seconds", at.mean_query_seconds);
    return 1;
}

/* prometheus() -> the metrics of all pools and breakers as text */
static int metrics_prometheus(lua_State *L)
{
    native_state *state = native_state_of(L);
    char *text = NULL;
    size_t size = 0;
    pond_error *error = NULL;
    int code = pond_metrics_prometheus(&text, &size, &error);
    if (code)
        return native_fail(L, state, code, error);
    native_push_owned(L, text, size);
    return 1;
}

void native_add_metrics(lua_State *L, native_state *state)
{
    static const luaL_Reg functions[] = {
        {"metrics", metrics_take},
        {"scaling", metrics_scaling},
        {"prometheus", metrics_prometheus},
        {NULL, NULL},
    };
    luaL_newmetatable(L, NATIVE_METRICS);
    lua_pushcfunction(L, metrics_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    native_add_functions(L, state, functions);
}

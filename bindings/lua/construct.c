/* Values from the text or table that a program gives. */
#include <math.h>

#include "native.h"

static int no_such(lua_State *L, const char *what, const char *example)
{
    const char *given = luaL_tolstring(L, 1, NULL);
    return native_error(L, "%s is not a valid %s: write it like %s", given, what, example);
}

static int push_integer_value(lua_State *L, pond_type type, int64_t integer, int32_t aux)
{
    pond_value value = {.type = (uint32_t)type, .aux = aux};
    value.as.integer = integer;
    native_push_plain(L, &value);
    return 1;
}

/* t[name] as an int, `otherwise` where it is nil. */
static int field(lua_State *L, const char *name, int otherwise)
{
    int exact = 1;
    lua_Integer number = otherwise;
    if (lua_getfield(L, 1, name) != LUA_TNIL)
        number = lua_tointegerx(L, -1, &exact);
    if (!exact || number < -100000000 || number > 100000000)
        native_error(L, "the field %s must be an integer in its valid range", name);
    lua_pop(L, 1);
    return (int)number;
}

/* Days and microseconds of a table like that of os.date("*t"); 0 if there is no such moment. */
static int read_table(lua_State *L, int date, int time, int64_t *days, int64_t *us)
{
    *days = 0;
    *us = 0;
    if (date &&
        pond_date_to_days(field(L, "year", 0), field(L, "month", 0), field(L, "day", 0), days))
        return 0;
    if (!time)
        return 1;
    int hour = field(L, "hour", 0);
    int minute = field(L, "min", 0);
    int second = field(L, "sec", 0);
    int microsecond = field(L, "usec", 0);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 ||
        microsecond < 0 || microsecond > 999999)
        return 0;
    *us = ((hour * 60 + minute) * 60 + second) * INT64_C(1000000) + microsecond;
    return 1;
}

/* A value of the text that is argument 1. */
static int from_text(lua_State *L, pond_type type, const char *what, const char *example)
{
    size_t size;
    pond_value value;
    const char *text = luaL_checklstring(L, 1, &size);
    if (pond_value_parse(type, text, size, &value, NULL))
        return no_such(L, what, example);
    native_push_plain(L, &value);
    return 1;
}

static int new_date(lua_State *L)
{
    static const char example[] = "2026-11-25, or {year = 2026, month = 11, day = 25}";
    int64_t days;
    int64_t us;
    if (!lua_istable(L, 1))
        return from_text(L, POND_TYPE_DATE, "date", example);
    if (!read_table(L, 1, 0, &days, &us))
        return no_such(L, "date", example);
    return push_integer_value(L, POND_TYPE_DATE, days, 0);
}

static int new_time(lua_State *L)
{
    static const char example[] = "23:59:59.5, or {hour = 23, min = 59}";
    int64_t days;
    int64_t us;
    if (!lua_istable(L, 1))
        return from_text(L, POND_TYPE_TIME, "time", example);
    if (!read_table(L, 0, 1, &days, &us))
        return no_such(L, "time", example);
    int has_zone = lua_getfield(L, 1, "offset") != LUA_TNIL;
    lua_pop(L, 1);
    int offset = field(L, "offset", 0);
    if (offset <= -86400 || offset >= 86400)
        return no_such(L, "time", "{hour = 23, offset = 3600}, the offset less than a day");
    return push_integer_value(L, POND_TYPE_TIME, us,
                              !has_zone ? 0
                              : offset  ? offset
                                        : POND_ZONE_UTC);
}

/* Text, or a table; a timestamptz's is in UTC. */
static int new_moment(lua_State *L, pond_type type, const char *what, const char *example)
{
    int64_t days;
    int64_t us;
    if (!lua_istable(L, 1))
        return from_text(L, type, what, example);
    if (!read_table(L, 1, 1, &days, &us))
        return no_such(L, what, example);
    return push_integer_value(L, type, days * POND_US_PER_DAY + us, 0);
}

static int new_timestamp(lua_State *L)
{
    return new_moment(L, POND_TYPE_TIMESTAMP, "timestamp", "2026-11-25 23:59:59.5, without a zone");
}

/* As above, with a zone; or seconds since 1970, as os.time() gives them. */
static int new_timestamptz(lua_State *L)
{
    if (lua_isinteger(L, 1)) {
        lua_Integer seconds = lua_tointeger(L, 1);
        if (seconds < -100000000000 || seconds > 1000000000000)
            return no_such(L, "timestamptz", "os.time()");
        return push_integer_value(L, POND_TYPE_TIMESTAMPTZ, seconds * 1000000, 0);
    }
    if (lua_type(L, 1) == LUA_TNUMBER) {
        double seconds = lua_tonumber(L, 1);
        if (!(fabs(seconds) < 1e11))
            return no_such(L, "timestamptz", "os.time()");
        return push_integer_value(L, POND_TYPE_TIMESTAMPTZ, (int64_t)floor(seconds * 1e6 + 0.5), 0);
    }
    return new_moment(L, POND_TYPE_TIMESTAMPTZ, "timestamptz",
                      "2026-11-25 23:59:59+01:00, with a zone");
}

static int64_t wide_field(lua_State *L, const char *name)
{
    int exact = 1;
    lua_Integer number = 0;
    if (lua_getfield(L, 1, name) != LUA_TNIL)
        number = lua_tointegerx(L, -1, &exact);
    if (!exact)
        native_error(L, "the field %s must be an integer", name);
    lua_pop(L, 1);
    return number;
}

/* interval{months =, days =, microseconds =} */
static int new_interval(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    pond_value value = {.type = POND_TYPE_INTERVAL, .aux = field(L, "months", 0)};
    value.as.interval.days = wide_field(L, "days");
    value.as.interval.microseconds = wide_field(L, "microseconds");
    native_push_plain(L, &value);
    return 1;
}

/* With its dashes, or without any. */
static int new_uuid(lua_State *L)
{
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    if (size == 32) {
        luaL_Buffer dashed;
        luaL_buffinit(L, &dashed);
        for (size_t i = 0; i < size; i++) {
            if (i == 8 || i == 12 || i == 16 || i == 20)
                luaL_addchar(&dashed, '-');
            luaL_addchar(&dashed, text[i]);
        }
        luaL_pushresult(&dashed);
        lua_replace(L, 1);
    }
    return from_text(L, POND_TYPE_UUID, "UUID", "12345678-9abc-def0-1234-56789abcdef0");
}

static int new_decimal(lua_State *L)
{
    size_t size;
    if (lua_type(L, 1) == LUA_TNUMBER && !lua_isinteger(L, 1))
        return native_error(L, "a decimal is made of text or an integer: a float is not exact");
    const char *text = luaL_checklstring(L, 1, &size);
    if (!native_is_decimal(text, size))
        return no_such(L, "decimal", "\"-12.50\"");
    native_push_text(L, POND_TYPE_DECIMAL, text, size);
    return 1;
}

static int new_bytes(lua_State *L)
{
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    native_push_text(L, POND_TYPE_BYTES, text, size);
    return 1;
}

/* json_text(text): a parameter of JSON text, which is not looked at. */
static int new_json_text(lua_State *L)
{
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    native_push_text(L, POND_TYPE_JSON, text, size);
    return 1;
}

/* stored_json(text): the text that a read gave for a JSON document, for a save to take it back. */
static int new_stored_json(lua_State *L)
{
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    native_push_text(L, POND_TYPE_TEXT, text, size);
    native_value *made = lua_touserdata(L, -1);
    made->value.aux = POND_TEXT_JSON;
    return 1;
}

const luaL_Reg native_constructors[] = {
    {"date", new_date},
    {"time", new_time},
    {"timestamp", new_timestamp},
    {"interval", new_interval},
    {"timestamptz", new_timestamptz},
    {"uuid", new_uuid},
    {"decimal", new_decimal},
    {"bytes", new_bytes},
    {"json_text", new_json_text},
    {"stored_json", new_stored_json},
    {NULL, NULL},
};

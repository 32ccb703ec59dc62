/* Values that Lua has no type for: userdata that cannot be changed, compare, and print. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "native.h"

/* ---- Make ---------------------------------------------------------------------------------- */

static native_value *new_value(lua_State *L, size_t room)
{
    native_value *made = lua_newuserdatauv(L, sizeof(*made) + room, 0);
    made->value = (pond_value){.type = POND_TYPE_NULL};
    luaL_setmetatable(L, NATIVE_VALUE);
    return made;
}

void native_push_plain(lua_State *L, const pond_value *value)
{
    new_value(L, 0)->value = *value;
}

void native_push_text(lua_State *L, pond_type type, const char *data, size_t size)
{
    native_value *made = new_value(L, size + 1);
    if (size)
        memcpy(made->text, data, size);
    made->text[size] = 0;
    made->value.type = (uint32_t)type;
    made->value.as.text.data = made->text;
    made->value.as.text.size = size;
}

/* ---- As text ------------------------------------------------------------------------------- */

static int has_text(const pond_value *value)
{
    return value->type == POND_TYPE_DECIMAL || value->type == POND_TYPE_BYTES ||
           value->type == POND_TYPE_JSON || value->type == POND_TYPE_TEXT;
}

static int has_calendar(const pond_value *value)
{
    return value->type == POND_TYPE_DATE || value->type == POND_TYPE_TIMESTAMP ||
           value->type == POND_TYPE_TIMESTAMPTZ;
}

typedef struct moment {
    int year;
    int month;
    int day;
    int hour;
    int minute;
    int second;
    int microsecond;
} moment;

/* The fields of microseconds of a day, counted from 1970-01-01; 0 for a day outside the calendar.
 */
static int moment_at(int64_t days, int64_t us, moment *out)
{
    out->hour = (int)(us / 3600000000);
    out->minute = (int)(us / 60000000 % 60);
    out->second = (int)(us / 1000000 % 60);
    out->microsecond = (int)(us % 1000000);
    return pond_date_from_days(days, &out->year, &out->month, &out->day) == POND_OK;
}

/* The fields of a date or time; 0 for a moment that no calendar has. */
static int moment_of(const pond_value *value, moment *out)
{
    int64_t us = value->as.integer;
    int64_t rest = us % POND_US_PER_DAY;
    int64_t days = us / POND_US_PER_DAY - (rest < 0);
    if (value->type == POND_TYPE_DATE)
        return moment_at(us, 0, out);
    if (!has_calendar(value)) /* a time may be 24:00 */
        return moment_at(0, us, out);
    return moment_at(days, rest < 0 ? rest + POND_US_PER_DAY : rest, out);
}

static void push_text(lua_State *L, const pond_value *value)
{
    char text[POND_VALUE_TEXT];
    if (has_text(value)) {
        lua_pushlstring(L, value->as.text.data, value->as.text.size);
        return;
    }
    if (pond_value_format(value, text, NULL))
        snprintf(text, sizeof(text), "%s %" PRId64, pond_type_name(value->type), value->as.integer);
    lua_pushstring(L, text);
}

static const pond_value *check_value(lua_State *L, int index)
{
    native_value *boxed = luaL_checkudata(L, index, NATIVE_VALUE);
    return &boxed->value;
}

static int value_tostring(lua_State *L)
{
    push_text(L, check_value(L, 1));
    return 1;
}

static int value_concat(lua_State *L)
{
    luaL_tolstring(L, 1, NULL);
    luaL_tolstring(L, 2, NULL);
    lua_concat(L, 2);
    return 1;
}

/* ---- Compare ------------------------------------------------------------------------------- */

static int compare_integers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* -1, 0 or 1; *ordered is 0 where only being equal makes sense. */
static int compare(const pond_value *a, const pond_value *b, int *ordered)
{
    *ordered = a->type == b->type && (has_calendar(a) || a->type == POND_TYPE_DECIMAL ||
                                      (a->type == POND_TYPE_TIME && a->aux == b->aux));
    if (a->type != b->type)
        return 1;
    if (a->type == POND_TYPE_DECIMAL)
        return native_decimal_compare(a->as.text.data, a->as.text.size, b->as.text.data,
                                      b->as.text.size);
    if (has_text(a))
        return a->as.text.size != b->as.text.size ||
               memcmp(a->as.text.data, b->as.text.data, a->as.text.size) != 0;
    if (a->type == POND_TYPE_UUID)
        return memcmp(a->as.uuid, b->as.uuid, sizeof(a->as.uuid)) != 0;
    if (a->type == POND_TYPE_INTERVAL)
        return a->aux != b->aux || a->as.interval.days != b->as.interval.days ||
               a->as.interval.microseconds != b->as.interval.microseconds;
    int order = compare_integers(a->as.integer, b->as.integer);
    return order ? order : a->aux != b->aux;
}

static int value_eq(lua_State *L)
{
    const native_value *a = luaL_testudata(L, 1, NATIVE_VALUE);
    const native_value *b = luaL_testudata(L, 2, NATIVE_VALUE);
    int ordered;
    lua_pushboolean(L, a && b && compare(&a->value, &b->value, &ordered) == 0);
    return 1;
}

static int ordered_compare(lua_State *L)
{
    int ordered;
    const pond_value *a = check_value(L, 1);
    const pond_value *b = check_value(L, 2);
    int order = compare(a, b, &ordered);
    if (!ordered)
        return native_error(L, "attempt to compare %s with %s", pond_type_name(a->type),
                            pond_type_name(b->type));
    return order;
}

static int value_lt(lua_State *L)
{
    lua_pushboolean(L, ordered_compare(L) < 0);
    return 1;
}

static int value_le(lua_State *L)
{
    lua_pushboolean(L, ordered_compare(L) <= 0);
    return 1;
}

/* ---- Fields -------------------------------------------------------------------------------- */

static int push_if(lua_State *L, int there, lua_Integer number)
{
    if (!there)
        return 0;
    lua_pushinteger(L, number);
    return 1;
}

static int moment_field(lua_State *L, const pond_value *value, const char *name)
{
    moment at;
    int date = value->type != POND_TYPE_TIME;
    int time = value->type != POND_TYPE_DATE;
    if (strcmp(name, "offset") == 0)
        return push_if(
            L,
            value->type == POND_TYPE_TIMESTAMPTZ || (value->type == POND_TYPE_TIME && value->aux),
            value->type == POND_TYPE_TIMESTAMPTZ || value->aux == POND_ZONE_UTC ? 0 : value->aux);
    if (strcmp(name, "microseconds") == 0)
        return push_if(L, time, value->as.integer);
    if (strcmp(name, "days") == 0)
        return push_if(L, value->type == POND_TYPE_DATE, value->as.integer);
    if (!moment_of(value, &at))
        return 0;
    const struct {
        const char *name;
        int there;
        int number;
    } fields[] = {{"year", date, at.year},       {"month", date, at.month},
                  {"day", date, at.day},         {"hour", time, at.hour},
                  {"min", time, at.minute},      {"sec", time, at.second},
                  {"usec", time, at.microsecond}};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strcmp(name, fields[i].name) == 0)
            return push_if(L, fields[i].there, fields[i].number);
    }
    return 0;
}

static int interval_field(lua_State *L, const pond_value *value, const char *name)
{
    if (strcmp(name, "months") == 0)
        return push_if(L, 1, value->aux);
    if (strcmp(name, "days") == 0)
        return push_if(L, 1, value->as.interval.days);
    return push_if(L, strcmp(name, "microseconds") == 0, value->as.interval.microseconds);
}

/* The nearest float of a decimal. Lua reads a point in any locale, but no NaN. */
static int push_number(lua_State *L, const pond_value *value)
{
    const char *text = value->as.text.data;
    lua_Number number =
        lua_stringtonumber(L, text) ? lua_tonumber(L, -1) : (lua_Number)strtod(text, NULL);
    lua_pushnumber(L, number);
    return 1;
}

static int value_index(lua_State *L)
{
    const pond_value *value = check_value(L, 1);
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (strcmp(name, "type") == 0) {
        lua_pushstring(L, pond_type_name(value->type));
        return 1;
    }
    if (value->type == POND_TYPE_INTERVAL)
        return interval_field(L, value, name);
    if (has_calendar(value) || value->type == POND_TYPE_TIME)
        return moment_field(L, value, name);
    if (value->type == POND_TYPE_DECIMAL && strcmp(name, "number") == 0)
        return push_number(L, value);
    return 0;
}

/* ---- From a result ------------------------------------------------------------------------- */

static void push_array(lua_State *L, native_state *state, const pond_value *value)
{
    luaL_checkstack(L, 8, "an array is nested too deeply");
    lua_createtable(L, (int)value->as.array.count, 0);
    for (size_t i = 0; i < value->as.array.count; i++) {
        native_push_value(L, state, &value->as.array.items[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, state->array_meta);
    lua_setmetatable(L, -2);
}

/* Text that is no JSON stays text: SQLite keeps any in a column that is declared json. */
static void push_json(lua_State *L, const native_state *state, const pond_value *value)
{
    native_push_hook(L, state, "decode");
    lua_pushlstring(L, value->as.text.data, value->as.text.size);
    lua_call(L, 1, 1);
}

void native_push_value(lua_State *L, native_state *state, const pond_value *value)
{
    switch (value->type) {
    case POND_TYPE_INT64:
        lua_pushinteger(L, value->as.integer);
        break;
    case POND_TYPE_TEXT:
    case POND_TYPE_BYTES:
        lua_pushlstring(L, value->as.text.data, value->as.text.size);
        break;
    case POND_TYPE_NULL:
        lua_pushlightuserdata(L, NULL);
        break;
    case POND_TYPE_BOOL:
        lua_pushboolean(L, value->as.integer != 0);
        break;
    case POND_TYPE_DOUBLE:
        lua_pushnumber(L, value->as.real);
        break;
    case POND_TYPE_DECIMAL:
        native_push_text(L, POND_TYPE_DECIMAL, value->as.text.data, value->as.text.size);
        break;
    case POND_TYPE_UUID:
        push_text(L, value);
        break;
    case POND_TYPE_JSON:
        push_json(L, state, value);
        break;
    case POND_TYPE_ARRAY:
        push_array(L, state, value);
        break;
    default:
        native_push_plain(L, value);
    }
}

static int is_value(lua_State *L)
{
    lua_pushboolean(L, luaL_testudata(L, 1, NATIVE_VALUE) != NULL);
    return 1;
}

void native_add_values(lua_State *L, native_state *state)
{
    static const luaL_Reg methods[] = {
        {"__tostring", value_tostring},
        {"__concat", value_concat},
        {"__eq", value_eq},
        {"__lt", value_lt},
        {"__le", value_le},
        {"__index", value_index},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {{"is_value", is_value}, {NULL, NULL}};
    luaL_newmetatable(L, NATIVE_VALUE);
    luaL_setfuncs(L, methods, 0);
    native_set_boolean(L, "__metatable", 0);
    lua_pop(L, 1);
    native_add_functions(L, state, native_constructors);
    native_add_functions(L, state, functions);
    lua_rawgeti(L, LUA_REGISTRYINDEX, state->array_meta);
    native_set_string(L, "__name", "millpond.array");
    lua_setfield(L, -2, "array_meta");
}

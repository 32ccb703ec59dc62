/* Driving a plan over a connection of the program's own: see millpond/backend.lua. */
#include <string.h>

#include "native.h"

/* plan:start(in_transaction) */
static int drive_start(lua_State *L)
{
    native_plan *self = native_plan_check(L, 1);
    pond_error *error = NULL;
    int code = pond_plan_start(self->plan, lua_toboolean(L, 2), &error);
    return code ? native_fail(L, self->state, code, error) : 0;
}

/* ---- The next step ------------------------------------------------------------------------- */

static void push_values(lua_State *L, native_state *state, const pond_value *values, size_t count)
{
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        if (values[i].type == POND_TYPE_BYTES || values[i].type == POND_TYPE_JSON)
            native_push_text(L, (pond_type)values[i].type, values[i].as.text.data,
                             values[i].as.text.size); /* a parameter says that it is bytes */
        else
            native_push_value(L, state, &values[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_step(lua_State *L, native_state *state, const pond_step *step)
{
    static const char *const names[] = {"done",   "execute",  "execute_many", "begin",
                                        "commit", "rollback", "apart",        "pause"};
    lua_pushstring(L, step->kind < sizeof(names) / sizeof(names[0]) ? names[step->kind] : "?");
    if (step->kind == POND_STEP_PAUSE) {
        lua_pushnumber(L, (double)step->wait_ms / 1000);
        return;
    }
    lua_pushlstring(L, step->sql ? step->sql : "", step->sql ? (size_t)step->sql_size : 0);
    if (step->kind != POND_STEP_EXECUTE_MANY) {
        push_values(L, state, step->params, (size_t)step->column_count);
        return;
    }
    lua_createtable(L, (int)step->row_count, 0);
    for (size_t i = 0; i < step->row_count; i++) {
        push_values(L, state, step->params + i * step->column_count, (size_t)step->column_count);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* plan:next() -> kind, sql, params; or "pause", seconds. It is the same until it is answered. */
static int drive_next(lua_State *L)
{
    native_plan *self = native_plan_check(L, 1);
    pond_step step = {.struct_size = sizeof(step)};
    pond_error *error = NULL;
    int code = pond_plan_next(self->plan, &step, &error);
    if (code)
        return native_fail(L, self->state, code, error);
    lua_settop(L, 1);
    luaL_checkstack(L, 10, NULL);
    push_step(L, self->state, &step);
    return lua_gettop(L) - 1;
}

/* ---- Its answer ---------------------------------------------------------------------------- */

enum { ROWS = 2, NAMES = 3, AFFECTED = 4, HELD = 5 };

static const char **read_names(lua_State *L, size_t *count)
{
    *count = lua_istable(L, NAMES) ? (size_t)lua_rawlen(L, NAMES) : 0;
    const char **names = lua_newuserdatauv(L, (*count + 1) * sizeof(*names), 0);
    for (size_t i = 0; i < *count; i++) {
        if (lua_rawgeti(L, NAMES, (lua_Integer)i + 1) != LUA_TSTRING)
            native_error(L, "the names of columns must be strings");
        names[i] = lua_tostring(L, -1); /* the table keeps it */
        lua_pop(L, 1);
    }
    return names;
}

/* plan:feed(rows, names, affected): what the step gave; rows may be nil. */
static int drive_feed(lua_State *L)
{
    native_plan *self = native_plan_check(L, 1);
    native_call call = {.held = HELD};
    size_t columns;
    lua_settop(L, AFFECTED);
    luaL_checkstack(L, 20, NULL);
    lua_pushnil(L);
    size_t rows = lua_istable(L, ROWS) ? (size_t)lua_rawlen(L, ROWS) : 0;
    const char **names = read_names(L, &columns);
    pond_value *values = lua_newuserdatauv(L, (rows * columns + 1) * sizeof(*values), 0);
    for (size_t i = 0; i < rows; i++) {
        if (lua_rawgeti(L, ROWS, (lua_Integer)i + 1) != LUA_TTABLE)
            native_error(L, "each row must be a table");
        for (size_t j = 0; j < columns; j++) {
            lua_rawgeti(L, -1, (lua_Integer)j + 1);
            native_read_param(L, self->state, &call, &values[i * columns + j],
                              "a value of a result");
        }
        lua_pop(L, 1);
    }
    pond_error *error = NULL;
    int code = pond_plan_feed_rows(self->plan, names, values, rows, columns,
                                   luaL_optinteger(L, AFFECTED, -1), &error);
    return code ? native_fail(L, self->state, code, error) : 0;
}

/* plan:feed_error(code, sqlstate, message, still_open): how the step failed. */
static int drive_feed_error(lua_State *L)
{
    native_plan *self = native_plan_check(L, 1);
    int failed = native_code_named(L, luaL_checkstring(L, 2));
    const char *sqlstate = luaL_optstring(L, 3, "");
    const char *message = luaL_checkstring(L, 4);
    pond_error *error = NULL;
    int code =
        pond_plan_feed_error(self->plan, failed, sqlstate, message, lua_toboolean(L, 5), &error);
    return code ? native_fail(L, self->state, code, error) : 0;
}

/* plan:outcome() -> true, or nil and an error object */
static int drive_outcome(lua_State *L)
{
    native_plan *self = native_plan_check(L, 1);
    int code = pond_plan_status(self->plan);
    if (code < 0)
        return native_fail(L, self->state, code, pond_plan_take_error(self->plan));
    lua_pushboolean(L, code == POND_OK);
    return 1;
}

const luaL_Reg native_drivers[] = {
    {"start", drive_start},           {"next", drive_next},       {"feed", drive_feed},
    {"feed_error", drive_feed_error}, {"outcome", drive_outcome}, {NULL, NULL},
};

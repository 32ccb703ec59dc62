/* Error objects: tables with a metatable, so that a program can read and extend them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "native.h"

typedef struct error_row {
    int code;
    const char *class_name;
    const char *parent;
} error_row;

static const error_row rows[] = {
#define POND_X(code, number, cls, parent, builtin, text) {number, #cls, #parent},
    POND_ERROR_MAP(POND_X)
#undef POND_X
};

static const char *class_of(int code)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].code == code)
            return rows[i].class_name;
    }
    return "InternalError";
}

/* Mistakes in the program, which it cannot handle sensibly, are raised. */
static int is_mistake(int code)
{
    return code == POND_EINVAL || code == POND_EMISUSE || code == POND_ESTALE ||
           code == POND_EPARAMS || code == POND_ENOMEM;
}

/* For errors that were made without the library's own. */
static int is_timeout(int code)
{
    return code == POND_ETIMEDOUT || code == POND_EACQUIRE;
}

/* ---- Make ---------------------------------------------------------------------------------- */

typedef struct made_error {
    const native_state *state;
    int code;
    const pond_error *error; /* or NULL */
    const char *message;     /* without an error */
} made_error;

static void set_text(lua_State *L, const char *name, const char *text)
{
    if (*text)
        native_set_string(L, name, text);
}

/* Protected: may run out of memory while the caller holds the error. */
static int push_error(lua_State *L)
{
    const made_error *made = lua_touserdata(L, 1);
    const pond_error *error = made->error;
    lua_createtable(L, 0, 9);
    native_set_string(L, "code", pond_error_name(made->code));
    native_set_string(L, "class", class_of(made->code));
    native_set_string(L, "message", error ? pond_error_message(error) : made->message);
    native_push_where(L);
    if (lua_rawlen(L, -1))
        lua_setfield(L, -2, "where");
    else
        lua_pop(L, 1);
    native_set_boolean(L, "retryable", error && pond_error_retryable(error));
    native_set_boolean(L, "timed_out",
                       error ? pond_error_is_timeout(error) : is_timeout(made->code));
    if (error) {
        set_text(L, "sqlstate", pond_error_sqlstate(error));
        set_text(L, "detail", pond_error_detail(error));
        set_text(L, "hint", pond_error_hint(error));
        set_text(L, "constraint", pond_error_constraint(error));
        set_text(L, "setting", pond_error_setting(error));
        if (pond_error_row(error) >= 0)
            native_set_integer(L, "row", (lua_Integer)pond_error_row(error));
        if (pond_error_vendor_code(error))
            native_set_integer(L, "vendor_code", pond_error_vendor_code(error));
        if (pond_error_position(error))
            native_set_integer(L, "position", (lua_Integer)pond_error_position(error));
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, made->state->error_meta);
    lua_setmetatable(L, -2);
    return 1;
}

int native_fail(lua_State *L, native_state *state, int code, pond_error *error)
{
    made_error made = {state, code, error, pond_error_text(code)};
    int room = lua_checkstack(L, 4);
    int failed = 1;
    if (room) {
        lua_pushnil(L);
        lua_pushcfunction(L, push_error);
        lua_pushlightuserdata(L, &made);
        failed = lua_pcall(L, 1, 1, 0);
    }
    pond_error_free(error);
    if (!room)
        return native_error(L, "stack overflow");
    return failed || is_mistake(code) ? lua_error(L) : 2;
}

/* Protected: ask Lua, which raises what a function of the backend raised; nil: it was the core. */
static int explain(lua_State *L)
{
    const made_error *made = lua_touserdata(L, 1);
    native_push_hook(L, made->state, "explain");
    lua_pushvalue(L, 2);
    lua_pushstring(L, pond_error_name(made->code));
    lua_pushstring(L, pond_error_message(made->error));
    lua_call(L, 3, 1);
    return 1;
}

int native_fail_of(lua_State *L, native_state *state, lua_Integer host, int code, pond_error *error)
{
    made_error made = {state, code, error, NULL};
    if (!host || !error || !lua_checkstack(L, 4))
        return native_fail(L, state, code, error);
    lua_pushnil(L);
    lua_pushcfunction(L, explain);
    lua_pushlightuserdata(L, &made);
    lua_pushinteger(L, host);
    int failed = lua_pcall(L, 2, 1, 0);
    if (!failed && lua_isnil(L, -1))
        return native_fail(L, state, code, error);
    pond_error_free(error);
    return failed ? lua_error(L) : 2;
}

int native_raise(lua_State *L, native_state *state, int code, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    made_error made = {state, code, NULL, message};
    luaL_checkstack(L, 4, NULL);
    lua_pushcfunction(L, push_error);
    lua_pushlightuserdata(L, &made);
    lua_call(L, 1, 1);
    return lua_error(L);
}

/* ---- From Lua ------------------------------------------------------------------------------ */

int native_code_named(lua_State *L, const char *name)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(name, pond_error_name(rows[i].code)) == 0)
            return rows[i].code;
    }
    return native_error(L, "there is no error code %s", name);
}

/* error(code, message, retryable) -> an error object, for backends written in Lua. */
static int error_new(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    made_error made = {native_state_of(L), native_code_named(L, name), NULL,
                       luaL_checkstring(L, 2)};
    lua_pushcfunction(L, push_error);
    lua_pushlightuserdata(L, &made);
    lua_call(L, 1, 1);
    native_set_boolean(L, "retryable", lua_toboolean(L, 3));
    return 1;
}

void native_add_errors(lua_State *L, native_state *state)
{
    static const luaL_Reg functions[] = {{"error", error_new}, {NULL, NULL}};
    native_add_functions(L, state, functions);
    lua_rawgeti(L, LUA_REGISTRYINDEX, state->error_meta);
    native_set_string(L, "__name", "millpond.error");
    lua_setfield(L, -2, "error_meta");
    lua_newtable(L); /* parents by class */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        native_set_string(L, rows[i].class_name, rows[i].parent);
    lua_setfield(L, -2, "error_classes");
    lua_newtable(L); /* texts by code */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        native_set_string(L, pond_error_name(rows[i].code), pond_error_text(rows[i].code));
    lua_setfield(L, -2, "error_codes");
}

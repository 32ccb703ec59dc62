/* Where in the program a call of the library stands: errors say it. */
#include <stdarg.h>
#include <string.h>

#include "native.h"

static const char
    own_key; /* of the registry: where the module's Lua files are, as a source names it */

/* True for a function of the module's own Lua files. */
static int is_own(const char *source, const char *own)
{
    return own && strncmp(source, own, strlen(own)) == 0;
}

void native_push_where(lua_State *L)
{
    lua_Debug at;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &own_key);
    const char *own = lua_tostring(L, -1); /* the registry keeps it */
    lua_pop(L, 1);
    for (int level = 0; lua_getstack(L, level, &at); level++) {
        lua_getinfo(L, "Sl", &at);
        if (at.currentline > 0 && !is_own(at.source, own)) {
            lua_pushfstring(L, "%s:%d", at.short_src, at.currentline);
            return;
        }
    }
    lua_pushliteral(L, "");
}

int native_error(lua_State *L, const char *format, ...)
{
    luaL_checkstack(L, 8, NULL);
    native_push_where(L);
    lua_pushstring(L, lua_rawlen(L, -1) ? ": " : "");
    va_list args;
    va_start(args, format);
    lua_pushvfstring(L, format, args);
    va_end(args);
    lua_concat(L, 3);
    return lua_error(L);
}

void native_check_table(lua_State *L, int index, const char *what, const char *example)
{
    if (!lua_istable(L, index))
        native_error(L, "%s must be a table such as %s, not a %s", what, example,
                     luaL_typename(L, index));
}

/* complain(message): raise a text that begins with the line of the program. */
static int where_complain(lua_State *L)
{
    return native_error(L, "%s", luaL_checkstring(L, 1));
}

/* mark_own(): the calling file lies where all of the module's do. */
static int where_mark_own(lua_State *L)
{
    lua_Debug at;
    if (!lua_getstack(L, 1, &at) || !lua_getinfo(L, "S", &at))
        return 0;
    const char *end = strrchr(at.source, '/');
    if (at.source[0] != '@' || !end)
        return 0;
    lua_pushlstring(L, at.source, (size_t)(end - at.source) + 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &own_key);
    return 0;
}

void native_add_where(lua_State *L, native_state *state)
{
    static const luaL_Reg functions[] = {
        {"complain", where_complain}, {"mark_own", where_mark_own}, {NULL, NULL}};
    native_add_functions(L, state, functions);
}

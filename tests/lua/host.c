/* Runs a Lua script with the module linked in, so that the sanitizers see both.
 *
 *     lua_host SCRIPT [ARGUMENT...]               as lua5.4 does
 *     lua_host --collect SCRIPT [ARGUMENT...]     a full collection at each allocation
 *     lua_host --interruptible SCRIPT [...]       with lua5.4's handler of Ctrl-C
 *     lua_host --fail SCRIPT                      again and again, with allocation N and all later
 *                                                 ones failing from when the script calls arm(),
 *                                                 until it ends without; then N alone failing
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

int luaopen_millpond_core(lua_State *L);

/* ---- Memory -------------------------------------------------------------------------------- */

typedef struct memory {
    size_t used;
    long left; /* allocations until one fails, if armed */
    int armed;
    int lasting; /* all later ones fail, too */
    int failed;  /* how many did */
    int collect; /* each fails once: Lua collects all garbage and tries again */
    int refused;
} memory;

static int must_fail(memory *at)
{
    if (at->collect) {
        at->refused = !at->refused;
        return at->refused;
    }
    if (!at->armed)
        return 0;
    at->left--;
    if (at->left == 0 || (at->left < 0 && at->lasting))
        return ++at->failed;
    return 0;
}

static void *allocate(void *data, void *old, size_t old_size, size_t size)
{
    memory *at = data;
    size_t had = old ? old_size : 0;
    if (!size) {
        free(old);
        at->used -= had;
        return NULL;
    }
    if (size > had && must_fail(at))
        return NULL;
    void *made = realloc(old, size);
    if (made)
        at->used += size - had;
    return made;
}

static int arm(lua_State *L)
{
    void *data;
    lua_getallocf(L, &data);
    ((memory *)data)->armed = lua_isnone(L, 1) || lua_toboolean(L, 1);
    return 0;
}

static const char *program; /* arg[-1], as in the standalone interpreter */

/* ---- Run ----------------------------------------------------------------------------------- */

static int traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

static void set_arguments(lua_State *L, char **arguments)
{
    lua_newtable(L);
    for (int i = 0; arguments[i]; i++) {
        lua_pushstring(L, arguments[i]);
        lua_rawseti(L, -2, i);
    }
    lua_pushstring(L, program);
    lua_rawseti(L, -2, -1);
    lua_setglobal(L, "arg");
}

static int prepare(lua_State *L)
{
    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_millpond_core);
    lua_setfield(L, -2, "millpond.core");
    lua_register(L, "arm", arm);
    set_arguments(L, lua_touserdata(L, 1));
    return 0;
}

static lua_State *open_state(memory *at, char **arguments)
{
    lua_State *L = lua_newstate(allocate, at);
    if (!L)
        return NULL;
    lua_pushcfunction(L, prepare);
    lua_pushlightuserdata(L, arguments);
    if (lua_pcall(L, 1, 0, 0)) {
        fprintf(stderr, "cannot prepare: %s\n", lua_tostring(L, -1));
        exit(2);
    }
    return L;
}

static int run_script(lua_State *L, const char *script)
{
    lua_pushcfunction(L, traceback);
    return luaL_loadfile(L, script) || lua_pcall(L, 0, 0, 1);
}

/* ---- Ctrl-C -------------------------------------------------------------------------------- */

static lua_State *interruptible;

static void stop(lua_State *L, lua_Debug *at)
{
    (void)at;
    lua_sethook(L, NULL, 0, 0);
    luaL_error(L, "interrupted!");
}

static void on_interrupt(int number)
{
    signal(number, SIG_DFL);
    lua_sethook(interruptible, stop, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

static int run_once(char **arguments, int collect, int with_handler)
{
    memory at = {.used = 0};
    lua_State *L = open_state(&at, arguments);
    at.collect = collect;
    if (with_handler) {
        interruptible = L;
        signal(SIGINT, on_interrupt);
    }
    int failed = run_script(L, arguments[0]);
    at.collect = 0;
    if (failed)
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_close(L);
    if (at.used)
        fprintf(stderr, "%zu bytes of Lua's memory leaked\n", at.used);
    return failed || at.used;
}

/* ---- Memory that runs out ------------------------------------------------------------------ */

/* Only running out of memory may go wrong; returns 0 once no allocation failed. */
static int run_with_failure(char **arguments, long number, int lasting)
{
    memory at = {.left = number, .lasting = lasting};
    lua_State *L = open_state(&at, arguments);
    int failed = luaL_loadfile(L, arguments[0]) || lua_pcall(L, 0, 0, 0);
    at.armed = 0;
    const char *text = failed ? luaL_tolstring(L, -1, NULL) : "";
    if (failed && (!at.failed || !strstr(text, "not enough memory"))) {
        fprintf(stderr, "allocation %ld %s, and then: %s\n", number,
                at.failed ? "failed" : "did not fail", text);
        exit(1);
    }
    lua_close(L);
    if (at.used) {
        fprintf(stderr, "allocation %ld failed, and %zu bytes leaked\n", number, at.used);
        exit(1);
    }
    return at.failed;
}

static int run_with_failures(char **arguments)
{
    for (int lasting = 1; lasting >= 0; lasting--) {
        long number = 1;
        while (run_with_failure(arguments, number, lasting))
            number++;
        printf("%s: %ld allocations failed %s\n", arguments[0], number - 1,
               lasting ? "for good" : "once");
    }
    return 0;
}

int main(int count, char **arguments)
{
    program = arguments[0];
    if (count > 2 && strcmp(arguments[1], "--fail") == 0)
        return run_with_failures(arguments + 2);
    if (count > 2 && strcmp(arguments[1], "--collect") == 0)
        return run_once(arguments + 2, 1, 0);
    if (count > 2 && strcmp(arguments[1], "--interruptible") == 0)
        return run_once(arguments + 2, 0, 1);
    if (count > 1)
        return run_once(arguments + 1, 0, 0);
    fprintf(stderr,
            "usage: lua_host [--fail | --collect | --interruptible] SCRIPT [ARGUMENT...]\n");
    return 2;
}

/* A program in C whose request handlers are written in Lua: four threads, each with a Lua state of
 * its own, answer requests from one pool of connections, which the library shares by itself.
 *
 *     host URL        such as sqlite:////tmp/notes.db or postgres:///NAME
 *
 * The folder of handlers.lua is the program's argument 2, or the current one.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

enum { THREADS = 4, REQUESTS = 25 };

static const char *url;
static const char *folder = ".";

static _Noreturn void die(lua_State *L, const char *what)
{
    fprintf(stderr, "%s: %s\n", what, lua_tostring(L, -1));
    exit(1);
}

/* A state with handlers.lua loaded: its table is at index 1. */
static lua_State *open_state(void)
{
    lua_State *L = luaL_newstate();
    if (!L)
        exit(1);
    luaL_openlibs(L);
    lua_pushfstring(L, "%s/handlers.lua", folder);
    if (luaL_loadfile(L, lua_tostring(L, -1)) || lua_pcall(L, 0, 1, 0))
        die(L, "handlers.lua");
    lua_replace(L, 1);
    return L;
}

/* Push handlers[name] and the URL, to be called with one more argument than `more`. */
static void push_handler(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    lua_pushstring(L, url);
}

static void check_answers(lua_State *L)
{
    for (int i = 1; i <= REQUESTS; i++) {
        lua_rawgeti(L, -1, i);
        const char *answer = lua_tostring(L, -1);
        if (!answer || strcmp(answer, "kept") != 0)
            die(L, "an answer is wrong");
        lua_pop(L, 1);
    }
}

/* One thread: a batch of requests, then one to see what came of them. */
static void *serve(void *number)
{
    lua_State *L = open_state();
    int thread = *(int *)number;
    push_handler(L, "handle");
    lua_newtable(L);
    for (int i = 1; i <= REQUESTS; i++) {
        lua_pushfstring(L, "add author%d note %d", thread, i);
        lua_rawseti(L, -2, i);
    }
    if (lua_pcall(L, 2, 1, 0))
        die(L, "handle");
    check_answers(L);
    push_handler(L, "handle");
    lua_newtable(L);
    lua_pushfstring(L, "count author%d", thread);
    lua_rawseti(L, -2, 1);
    if (lua_pcall(L, 2, 1, 0))
        die(L, "handle");
    lua_rawgeti(L, -1, 1);
    printf("thread %d kept %s notes\n", thread, lua_tostring(L, -1));
    lua_close(L);
    return NULL;
}

int main(int count, char **arguments)
{
    if (count < 2) {
        fprintf(stderr, "usage: host URL [FOLDER]\n");
        return 2;
    }
    url = arguments[1];
    if (count > 2)
        folder = arguments[2];
    lua_State *L = open_state();
    push_handler(L, "prepare");
    if (lua_pcall(L, 1, 0, 0))
        die(L, "prepare");
    pthread_t threads[THREADS];
    int numbers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i + 1;
        if (pthread_create(&threads[i], NULL, serve, &numbers[i]))
            return 1;
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    push_handler(L, "connections");
    if (lua_pcall(L, 1, 1, 0))
        die(L, "connections");
    printf("all shared %s connections\n", lua_tostring(L, -1));
    lua_close(L);
    return 0;
}

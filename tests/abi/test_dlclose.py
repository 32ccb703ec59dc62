"""A host that loads the library with dlopen() may call dlclose() whenever it is done with it."""

import subprocess
from pathlib import Path

from headers import ROOT

LIBRARY = ROOT / "build" / "release" / "abi" / "libmillpond.so.0"

# Its thread has a loop of its own, with a destructor in the library's code.
PROGRAM = r"""
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include <millpond/millpond.h>

#define NAMED(name) __typeof__(&name) p_##name = (__typeof__(&name))dlsym(library, #name)
static void *library;
static sem_t used, go;

static void *use(void *unused)
{
    NAMED(pond_config_new); NAMED(pond_config_set); NAMED(pond_config_release);
    NAMED(pond_pool_open); NAMED(pond_pool_acquire_wait); NAMED(pond_pool_close_wait);
    NAMED(pond_pool_release); NAMED(pond_connection_execute_wait); NAMED(pond_result_release);
    NAMED(pond_connection_give_back); NAMED(pond_connection_release);
    pond_config *config; pond_pool *pool; pond_connection *connection; pond_result *result;
    if (p_pond_config_new("sqlite", &config, NULL) ||
        p_pond_config_set(config, "database", ":memory:", NULL) ||
        p_pond_pool_open(config, &pool, NULL) ||
        p_pond_pool_acquire_wait(pool, NULL, -1, &connection, NULL) ||
        p_pond_connection_execute_wait(connection, "SELECT 1", 8, NULL, 0, NULL, &result, NULL))
        exit(2);
    p_pond_result_release(result);
    p_pond_connection_give_back(connection, NULL);
    p_pond_connection_release(connection);
    p_pond_pool_close_wait(pool, 60000, NULL);
    p_pond_pool_release(pool);
    p_pond_config_release(config);
    sem_post(&used);
    sem_wait(&go);
    return unused;
}

int main(int count, char **arguments)
{
    pthread_t thread;
    library = dlopen(arguments[count - 1], RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return 3;
    sem_init(&used, 0, 0);
    sem_init(&go, 0, 0);
    pthread_create(&thread, NULL, use, NULL);
    sem_wait(&used);
    if (dlclose(library))
        return 4;
    sem_post(&go);
    pthread_join(thread, NULL);
    return 0;
}
"""


def test_a_thread_may_end_after_dlclose(tmp_path: Path) -> None:
    source, program = tmp_path / "host.c", tmp_path / "host"
    source.write_text(PROGRAM)
    include = ROOT / "abi" / "include"
    subprocess.run(["cc", "-pthread", f"-I{include}", source, "-o", program, "-ldl"], check=True)
    assert subprocess.run([program, LIBRARY]).returncode == 0

/* What SQLite needs at a fork. Its own locks guard memory, pages and files for all connections of
 * the process: a thread that holds one of them while another forks would leave it taken in the
 * child for ever. So the thread that forks takes them all, and gives them back on both sides. */
#include <pthread.h>

#include "drivers/sqlite/sqlite.h"

/* In the order in which SQLite takes one while it holds another. */
static const int kinds[] = {
    SQLITE_MUTEX_STATIC_OPEN,   SQLITE_MUTEX_STATIC_VFS1, SQLITE_MUTEX_STATIC_VFS2,
    SQLITE_MUTEX_STATIC_VFS3,   SQLITE_MUTEX_STATIC_PRNG, /* which looks for the file system */
    SQLITE_MUTEX_STATIC_MASTER, SQLITE_MUTEX_STATIC_LRU,  SQLITE_MUTEX_STATIC_PMEM,
    SQLITE_MUTEX_STATIC_MEM,
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static sqlite3_mutex *locks[KINDS]; /* NULL, which SQLite takes for no lock, where it has none */

static void before_fork(void)
{
    for (int i = 0; i < KINDS; i++)
        sqlite3_mutex_enter(locks[i]);
}

static void after_fork(void)
{
    for (int i = KINDS - 1; i >= 0; i--)
        sqlite3_mutex_leave(locks[i]);
}

static void watch_forks(void)
{
    for (int i = 0; i < KINDS; i++)
        locks[i] = sqlite3_mutex_alloc(kinds[i]);
    pthread_atfork(before_fork, after_fork, after_fork);
}

void pondi_sqlite_watch_forks(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
}

/* Pools that differ in an option, or belong to different parts of a program, may share a file:
 * their writers stand in one line. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/process.h"
#include "drivers/sqlite/sqlite.h"

static pondi_process_lock known_lock = PONDI_PROCESS_LOCK; /* guards all below */
static pondi_list known = {&known, &known};

/* A forked child begins with none: its parent's writers are busy for ever there. */
static void lock_known(void)
{
    if (pondi_process_lock_take(&known_lock))
        pondi_list_init(&known);
}

/* The file may not exist yet: then its folder tells. URIs and what is in memory are taken as they
 * are written. */
static char *file_of(const char *path)
{
    char real[PATH_MAX];
    if (realpath(path, real))
        return pondi_strdup(real);
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char *folder = slash ? pondi_memdup(path, (size_t)(name - path)) : pondi_strdup("./");
    if (!folder)
        return NULL;
    size_t size = realpath(folder, real) ? strlen(real) : 0;
    pondi_free(folder);
    if (!size || size + strlen(name) + 2 > sizeof(real))
        return pondi_strdup(path);
    real[size] = '/';
    strcpy(real + size + 1, name);
    return pondi_strdup(real);
}

static pondi_sqlite_writers *find(const char *file)
{
    for (pondi_list *node = known.next; node != &known; node = node->next) {
        pondi_sqlite_writers *writers = PONDI_CONTAINER(node, pondi_sqlite_writers, link);
        if (strcmp(writers->file, file) == 0)
            return writers;
    }
    return NULL;
}

/* Takes `file`. */
static pondi_sqlite_writers *make(char *file)
{
    pondi_sqlite_writers *writers = pondi_calloc(1, sizeof(*writers));
    if (!writers) {
        pondi_free(file);
        return NULL;
    }
    pondi_sqlite_writers_init(writers);
    writers->file = file;
    writers->process = pondi_process_generation();
    pondi_list_push_back(&known, &writers->link);
    return writers;
}

pondi_sqlite_writers *pondi_sqlite_writers_join(const char *path)
{
    char *file = file_of(path);
    if (!file)
        return NULL;
    lock_known();
    pondi_sqlite_writers *writers = find(file);
    if (writers)
        pondi_free(file);
    else
        writers = make(file);
    if (writers)
        writers->pools++;
    pondi_process_lock_give(&known_lock);
    return writers;
}

void pondi_sqlite_writers_part(pondi_sqlite_writers *writers)
{
    if (!writers || writers->process != pondi_process_generation())
        return; /* a parent's stay with the parent */
    lock_known();
    int last = --writers->pools == 0;
    if (last)
        pondi_list_remove(&writers->link);
    pondi_process_lock_give(&known_lock);
    if (!last)
        return;
    pondi_sqlite_writers_destroy(writers);
    pondi_free(writers->file);
    pondi_free(writers);
}

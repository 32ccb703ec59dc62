/* Where Connector/C finds its authentication plugins when it was moved: a wheel carries them in a
 * folder beside the object that holds this code, on whatever machine that is. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/mysql/mysql.h"

#ifdef POND_MYSQL_BUNDLE_PLUGINS
static const char folder[] = "mysql_plugins";

void pondi_mysql_set_plugins(MYSQL *mysql)
{
    Dl_info here;
    char path[PATH_MAX];
    if (getenv("MARIADB_PLUGIN_DIR") || !dladdr(folder, &here))
        return; /* what the user says wins */
    const char *slash = strrchr(here.dli_fname, '/');
    int parent = slash ? (int)(slash - here.dli_fname) : 1;
    int size =
        snprintf(path, sizeof(path), "%.*s/%s", parent, slash ? here.dli_fname : ".", folder);
    if (size > 0 && (size_t)size < sizeof(path))
        mysql_options(mysql, MYSQL_PLUGIN_DIR, path);
}
#else
void pondi_mysql_set_plugins(MYSQL *mysql)
{
    (void)mysql; /* they are where the library was installed to look */
}
#endif

/* The drivers of this build. */
#include <strings.h>

#include "base/error.h"
#include "driver/driver.h"

#ifdef POND_DRIVER_POSTGRES
extern const pondi_driver pondi_postgres_driver;
#endif
#ifdef POND_DRIVER_MYSQL
extern const pondi_driver pondi_mysql_driver;
#endif
#ifdef POND_DRIVER_SQLITE
extern const pondi_driver pondi_sqlite_driver;
#endif
extern const pondi_driver pondi_fake_driver;

static const pondi_driver *const drivers[] = {
#ifdef POND_DRIVER_POSTGRES
    &pondi_postgres_driver,
#endif
#ifdef POND_DRIVER_MYSQL
    &pondi_mysql_driver,
#endif
#ifdef POND_DRIVER_SQLITE
    &pondi_sqlite_driver,
#endif
    &pondi_fake_driver,
};

enum { DRIVER_COUNT = sizeof(drivers) / sizeof(drivers[0]) };

static int is_named(const pondi_driver *driver, const char *name)
{
    if (strcasecmp(driver->name, name) == 0)
        return 1;
    for (const char *const *alias = driver->aliases; alias && *alias; alias++) {
        if (strcasecmp(*alias, name) == 0)
            return 1;
    }
    return 0;
}

const pondi_driver *pondi_driver_find(const char *name, pond_error **err)
{
    for (size_t i = 0; name && i < DRIVER_COUNT; i++) {
        if (is_named(drivers[i], name))
            return drivers[i];
    }
    pondi_buffer known;
    pondi_buffer_init(&known);
    for (size_t i = 0; i < DRIVER_COUNT; i++)
        pondi_buffer_appendf(&known, "%s%s", i ? ", " : "", drivers[i]->name);
    pondi_error_set(err, POND_ENOTBUILT,
                    "there is no driver \"%s\" in this build of millpond, which has: %s",
                    name ? name : "", known.failed ? "?" : known.data);
    pondi_buffer_free(&known);
    return NULL;
}

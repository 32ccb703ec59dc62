/* The drivers of this build, and a configuration for one by its name. */
#include <strings.h>

#include "base/error.h"
#include "base/given.h"
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

/* NULL and POND_ENOTBUILT, with the known names in the message, if there is none. */
static const pondi_driver *find(const char *name, pond_error **err)
{
    for (size_t i = 0; i < DRIVER_COUNT; i++) {
        if (is_named(drivers[i], name))
            return drivers[i];
    }
    pondi_buffer known;
    pondi_buffer_init(&known);
    for (size_t i = 0; i < DRIVER_COUNT; i++)
        pondi_buffer_appendf(&known, "%s%s", i ? ", " : "", drivers[i]->name);
    pondi_error_set(err, POND_ENOTBUILT,
                    "there is no driver \"%s\" in this build of millpond, which has: %s", name,
                    known.failed ? "?" : known.data);
    pondi_buffer_free(&known);
    return NULL;
}

int pond_config_new(const char *driver_name, pond_config **out, pond_error **err)
{
    if (out)
        *out = NULL;
    if (pondi_given_as(err, "driver", driver_name) || PONDI_GIVEN(err, out))
        return POND_EINVAL;
    const pondi_driver *driver = find(driver_name, err);
    return driver ? pondi_config_new(driver, out, err) : POND_ENOTBUILT;
}

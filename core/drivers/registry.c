/* The drivers of this build, and a configuration for one by its name. */
#include <stdatomic.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/given.h"
#include "base/process.h"
#include "driver/registry.h"

/* CMake lists those whose folders it found. */
#ifndef POND_DRIVERS
#define POND_DRIVERS
#endif

#define POND_X(name) extern const pondi_driver pondi_##name##_driver;
POND_DRIVERS
POND_X(fake)
#undef POND_X

#define POND_X(name) &pondi_##name##_driver,
static const pondi_driver *const drivers[] = {POND_DRIVERS POND_X(fake)};
#undef POND_X

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

/* Added at the front; never removed, so that readers need no lock. */
static _Atomic(const pondi_driver *) added;
static pondi_process_lock adding = PONDI_PROCESS_LOCK;

const pondi_driver *pondi_driver_named(const char *name)
{
    for (size_t i = 0; i < DRIVER_COUNT; i++) {
        if (is_named(drivers[i], name))
            return drivers[i];
    }
    for (const pondi_driver *driver = atomic_load(&added); driver; driver = driver->next) {
        if (is_named(driver, name))
            return driver;
    }
    return NULL;
}

const char *pond_driver_fact(const char *name, const char *fact)
{
    const pondi_driver *driver = name && fact ? pondi_driver_named(name) : NULL;
    if (!driver)
        return NULL;
    if (strcmp(fact, "name") == 0)
        return driver->name;
    if (strcmp(fact, "port") == 0)
        return driver->port;
    int is_inline = driver->run_inline && !driver->needs_timer;
    return strcmp(fact, "inline") == 0 && is_inline ? "1" : NULL;
}

static int refuse_taken(const pondi_driver *driver, pond_error **err)
{
    const char *taken = pondi_driver_named(driver->name) ? driver->name : NULL;
    for (const char *const *alias = driver->aliases; alias && *alias && !taken; alias++)
        taken = pondi_driver_named(*alias) ? *alias : NULL;
    if (!taken)
        return POND_OK;
    return pondi_error_set(err, POND_EINVAL, "there is a driver \"%s\" already: use another name",
                           taken);
}

int pondi_driver_add(pondi_driver *driver, pond_error **err)
{
    pondi_process_lock_take(&adding);
    int code = refuse_taken(driver, err);
    if (!code) {
        driver->next = atomic_load(&added);
        atomic_store(&added, driver);
    }
    pondi_process_lock_give(&adding);
    return code;
}

/* NULL and POND_ENOTBUILT, with the known names in the message, if there is none. */
static const pondi_driver *find(const char *name, pond_error **err)
{
    const pondi_driver *found = pondi_driver_named(name);
    if (found)
        return found;
    pondi_buffer known;
    pondi_buffer_init(&known);
    for (size_t i = 0; i < DRIVER_COUNT; i++)
        pondi_buffer_appendf(&known, "%s%s", i ? ", " : "", drivers[i]->name);
    for (const pondi_driver *driver = atomic_load(&added); driver; driver = driver->next)
        pondi_buffer_appendf(&known, ", %s", driver->name);
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

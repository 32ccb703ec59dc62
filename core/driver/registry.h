/* The drivers of this process: those of the build, and those that the program registered. The list
 * is in drivers/registry.c. */
#ifndef PONDI_DRIVER_REGISTRY_H
#define PONDI_DRIVER_REGISTRY_H

#include "driver/driver.h"

/* Find a driver by name or alias; NULL if there is none. Any thread. */
const pondi_driver *pondi_driver_named(const char *name);

/* Make another driver known, for good; POND_EINVAL if one of its names is taken. Any thread. */
int pondi_driver_add(pondi_driver *driver, pond_error **err);

#endif

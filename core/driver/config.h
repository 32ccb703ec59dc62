/* Where a database is and how to use it: a driver's name and its settings as text. */
#ifndef PONDI_DRIVER_CONFIG_H
#define PONDI_DRIVER_CONFIG_H

#include "base/buffer.h"
#include "millpond/millpond.h"

struct pondi_driver;

/* Where the database is, for messages: "host:port", or the database that is a file. */
void pondi_config_address(const pond_config *config, char *out, size_t size);

/* The driver that the config was made for. */
const struct pondi_driver *pondi_config_driver(const pond_config *config);

/* The text of a setting, NULL if it is unset. Valid until the setting changes. */
const char *pondi_config_get(const pond_config *config, const char *key);

/* The value of a setting that pond_config_check() found right, or `fallback` if it is unset.
 * Durations are written in seconds and returned in milliseconds, -1 for "no limit" (0). */
int64_t pondi_config_ms(const pond_config *config, const char *key, int64_t fallback_ms);
/* The same in nanoseconds, `fallback_ms` too; 0 stays 0. */
int64_t pondi_config_ns(const pond_config *config, const char *key, int64_t fallback_ms);
double pondi_config_real(const pond_config *config, const char *key, double fallback);
uint64_t pondi_config_count(const pond_config *config, const char *key, uint64_t fallback);
int pondi_config_flag(const pond_config *config, const char *key, int fallback);

/* An empty config of one reference. pond_config_new() finds the driver by its name. */
int pondi_config_new(const struct pondi_driver *driver, pond_config **out, pond_error **err);

/* A copy that no later pond_config_set() on the original reaches. */
int pondi_config_copy(const pond_config *config, pond_config **out, pond_error **err);

/* The same for one server: with this host, address and port in place of the lists, NULL for none.
 */
int pondi_config_copy_for(const pond_config *config, const char *host, const char *address,
                          const char *port, pond_config **out, pond_error **err);

/* Change a setting of a copy that its maker has given to nobody yet; NULL unsets it. Errors:
 * POND_EINVAL for a key that the driver does not have, POND_ENOMEM. */
int pondi_config_replace(pond_config *copy, const char *key, const char *value, pond_error **err);

/* True if both name the same database with the same settings, the password included. */
int pondi_config_equal(const pond_config *a, const pond_config *b);

/* What is wrong with a config. */
typedef struct pondi_problems {
    pondi_buffer text;
    const char *setting; /* the first that is wrong; or NULL */
} pondi_problems;

/* Checks for pondi_driver_option.check: each appends what is wrong, or nothing. */
void pondi_check_flag(const char *key, const char *value, pondi_problems *problem);
void pondi_check_count(const char *key, const char *value, pondi_problems *problem);
void pondi_check_seconds(const char *key, const char *value, pondi_problems *problem);

/* Add one: the message is the setting's key and then what `format` says of it. `key` lives as long
 * as the problems. */
void pondi_config_problem(pondi_problems *problems, const char *key, const char *format, ...)
    PONDI_PRINTF(3, 4);

#endif

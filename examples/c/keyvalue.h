/* A driver of a program's own: a store of texts in memory. */
#ifndef MILLPOND_EXAMPLE_KEYVALUE_H
#define MILLPOND_EXAMPLE_KEYVALUE_H

#include <millpond/driver.h>

/* Register the driver "keyvalue". Its databases are named stores; its statements are
 *   PUT ?, ?     a key and its text
 *   GET ?        a row with the text, or none
 *   KEYS         a row for each key
 * and a transaction keeps other connections out until it ends. */
int keyvalue_register(pond_error **err);

#endif

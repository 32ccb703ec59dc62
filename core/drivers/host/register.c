/* The drivers that programs register. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/given.h"
#include "base/versioned.h"
#include "drivers/host/host.h"
#include "driver/registry.h"
#include "millpond/entity.h"

/* ---- Checks ------------------------------------------------------------------------------ */

static int check_name(const char *name, pond_error **err)
{
    enum { LONGEST = 200 };
    size_t size = name ? strlen(name) : 0;
    if (!size || size > LONGEST)
        return pondi_error_set(err, POND_EINVAL, "name must have 1 to %d characters", LONGEST);
    if (strpbrk(name, " \t\r\n\"\\"))
        return pondi_error_set(err, POND_EINVAL, "name must have no spaces, quotes or backslashes");
    return POND_OK;
}

static int check(const pond_driver *driver, pond_error **err)
{
    const uint32_t flags = POND_DRIVER_ASYNC | POND_DRIVER_PINNED | POND_DRIVER_ANY_SETTING;
    const uint32_t features = POND_CAN_RETURN | POND_CAN_WRITE_IN_CTE | POND_CAN_RUN_BLOCK;
    int code = check_name(driver->name, err);
    if (code)
        return code;
    if (driver->flags & ~flags)
        return pondi_error_set(err, POND_EINVAL, "unknown flag %#x",
                               (unsigned)(driver->flags & ~flags));
    if (driver->features & ~features)
        return pondi_error_set(err, POND_EINVAL, "unknown feature %#x",
                               (unsigned)(driver->features & ~features));
    if (driver->reserved)
        return pondi_error_set(err, POND_EINVAL, "reserved must be 0");
    if (driver->dialect > POND_DIALECT_SQLITE)
        return pondi_error_set(err, POND_EINVAL, "unknown dialect %u", (unsigned)driver->dialect);
    if (driver->port > 65535)
        return pondi_error_set(err, POND_EINVAL, "port must be from 0 to 65535, not %u",
                               (unsigned)driver->port);
    if (!driver->open || !driver->close || !driver->execute)
        return pondi_error_set(err, POND_EINVAL, "open, execute and close must not be NULL");
    if (driver->stream && (!driver->fetch || !driver->end_stream))
        return pondi_error_set(err, POND_EINVAL,
                               "fetch and end_stream must not be NULL when stream is set");
    return POND_OK;
}

/* ---- Copies ------------------------------------------------------------------------------ */

static size_t count_words(const char *text)
{
    size_t count = 0;
    for (const char *at = text; *at; count++) {
        at += strspn(at, " ");
        if (!*at)
            break;
        at += strcspn(at, " ");
    }
    return count;
}

/* The next word of `*text`, which it cuts off; NULL at the end. */
static char *next_word(char **text)
{
    char *word = *text + strspn(*text, " ");
    if (!*word)
        return NULL;
    char *end = word + strcspn(word, " ");
    *text = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

static int copy_aliases(pondi_host_driver *made)
{
    if (!made->host.aliases)
        return POND_OK;
    char *text = pondi_strdup(made->host.aliases);
    made->host.aliases = text;
    made->names = text ? pondi_calloc(count_words(text) + 1, sizeof(char *)) : NULL;
    if (!made->names)
        return POND_ENOMEM;
    for (size_t i = 0; (made->names[i] = next_word(&text)); i++)
        ;
    made->base.aliases = (const char *const *)made->names;
    return POND_OK;
}

static int copy_options(pondi_host_driver *made)
{
    if (!made->host.options)
        return POND_OK;
    char *text = pondi_strdup(made->host.options);
    made->host.options = text;
    made->options = text ? pondi_calloc(count_words(text) + 1, sizeof(*made->options)) : NULL;
    if (!made->options)
        return POND_ENOMEM;
    for (size_t i = 0; (made->options[i].key = next_word(&text)); i++)
        ;
    made->base.options = made->options;
    return POND_OK;
}

static int copy_port(pondi_host_driver *made)
{
    if (!made->host.port)
        return POND_OK;
    char *port = pondi_malloc(8);
    if (!port)
        return POND_ENOMEM;
    snprintf(port, 8, "%u", (unsigned)made->host.port);
    made->base.port = port;
    return POND_OK;
}

static void free_driver(pondi_host_driver *made, const pond_driver *given)
{
    if (made->host.aliases != given->aliases)
        pondi_free((char *)(uintptr_t)made->host.aliases);
    if (made->host.options != given->options)
        pondi_free((char *)(uintptr_t)made->host.options);
    if (made->host.system != given->system)
        pondi_free((char *)(uintptr_t)made->host.system);
    pondi_free((char *)(uintptr_t)made->base.port);
    pondi_free((char *)(uintptr_t)made->base.name);
    pondi_free(made->names);
    pondi_free(made->options);
    pondi_free(made);
}

static int fill(pondi_host_driver *made)
{
    made->base.name = pondi_strdup(made->host.name);
    made->host.name = made->base.name;
    if (made->host.system) {
        made->host.system = pondi_strdup(made->host.system);
        if (!made->host.system)
            return POND_ENOMEM;
    }
    made->base.system = made->host.system;
    made->base.dialect = (pond_dialect)made->host.dialect;
    made->base.any_setting = (made->host.flags & POND_DRIVER_ANY_SETTING) != 0;
    made->base.resets = made->host.reset != NULL;
    int pinned = (made->host.flags & POND_DRIVER_PINNED) != 0;
    if (!pinned)
        made->base.fits = NULL;
    if (!pinned && made->host.flags & POND_DRIVER_ASYNC)
        made->base.run_inline = NULL; /* a callback that returns at once can be given up */
    if (!made->base.name || copy_aliases(made) || copy_options(made))
        return POND_ENOMEM;
    return copy_port(made);
}

int pond_driver_register(const pond_driver *driver, pond_error **err)
{
    if (PONDI_GIVEN(err, driver))
        return POND_EINVAL;
    pond_driver given = {0};
    int code = pondi_check_struct_size(driver, "pond_driver", err);
    if (code)
        return code;
    pondi_take_struct(driver, &given, sizeof(given));
    code = check(&given, err);
    if (code)
        return code;
    pondi_host_driver *made = pondi_calloc(1, sizeof(*made));
    if (!made)
        return pondi_error_nomem(err);
    made->base = pondi_host_template;
    made->host = given;
    code = fill(made);
    if (code)
        pondi_error_nomem(err);
    else
        code = pondi_driver_add(&made->base, err);
    if (code)
        free_driver(made, &given);
    return code;
}

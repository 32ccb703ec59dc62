/* Breakers by name, for all of the process. */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/given.h"
#include "base/process.h"
#include "base/versioned.h"
#include "resilience/breaker.h"

/* A reference each; a forked child keeps them. */
static pondi_process_lock registry_lock = PONDI_PROCESS_LOCK; /* guards `breakers` */
static pondi_list breakers = {&breakers, &breakers};

static pond_breaker *breaker_at(pondi_list *node)
{
    return PONDI_CONTAINER(node, pond_breaker, link);
}

static pond_breaker *find(const char *name)
{
    for (pondi_list *node = breakers.next; node != &breakers; node = node->next) {
        if (strcmp(breaker_at(node)->name, name) == 0)
            return breaker_at(node);
    }
    return NULL;
}

/* ---- Options ----------------------------------------------------------------------------- */

enum { MOST_FAILURES = 1000000 };

static int check(const pond_breaker_options *options, pond_error **err)
{
    if (options->failure_threshold < 1 || options->failure_threshold > MOST_FAILURES)
        return pondi_error_set(err, POND_EINVAL, "failure_threshold must be from 1 to %d, not %u",
                               MOST_FAILURES, (unsigned)options->failure_threshold);
    if (options->half_open_max_calls < 1)
        return pondi_error_set(err, POND_EINVAL, "half_open_max_calls must be at least 1");
    if (options->recovery_timeout_us < 0)
        return pondi_error_set(err, POND_EINVAL, "recovery_timeout must not be negative");
    if (options->window_size_us <= 0)
        return pondi_error_set(err, POND_EINVAL, "window_size must be positive");
    if (options->flags & ~POND_BREAKER_IN_A_ROW)
        return pondi_error_set(err, POND_EINVAL, "flags is %#x: unknown flag %#x",
                               (unsigned)options->flags,
                               (unsigned)(options->flags & ~POND_BREAKER_IN_A_ROW));
    return POND_OK;
}

static int read_options(const pond_breaker_options *given, pondi_breaker_settings *out,
                        pond_error **err)
{
    pond_breaker_options options = POND_BREAKER_OPTIONS_INIT;
    if (pondi_check_struct_size(given, "pond_breaker_options", err))
        return POND_EINVAL;
    pondi_take_struct(given, &options, sizeof(options));
    int code = check(&options, err);
    *out = (pondi_breaker_settings){
        .failure_threshold = options.failure_threshold,
        .half_open_max_calls = options.half_open_max_calls,
        .recovery_ns = pondi_ns_from_us(options.recovery_timeout_us),
        .window_ns = pondi_ns_from_us(options.window_size_us),
        .in_a_row = (options.flags & POND_BREAKER_IN_A_ROW) != 0,
    };
    return code;
}

/* ---- Public ------------------------------------------------------------------------------ */

int pond_breaker_new(const char *name, const pond_breaker_options *options, pond_breaker **out,
                     pond_error **err)
{
    pondi_breaker_settings settings;
    if (out)
        *out = NULL;
    if (PONDI_GIVEN(err, name, out))
        return POND_EINVAL;
    int code = read_options(options, &settings, err);
    return code ? code : pondi_breaker_new(name, &settings, NULL, out, err);
}

int pond_breaker_get_or_create(const char *name, const pond_breaker_options *options,
                               pond_breaker **out, pond_error **err)
{
    pondi_breaker_settings settings;
    if (out)
        *out = NULL;
    if (PONDI_GIVEN(err, name, out))
        return POND_EINVAL;
    int code = read_options(options, &settings, err);
    if (code)
        return code;
    pondi_process_lock_take(&registry_lock);
    pond_breaker *found = find(name);
    if (!found) {
        code = pondi_breaker_new(name, &settings, NULL, &found, err);
        if (!code)
            pondi_list_push_back(&breakers, &found->link);
    }
    *out = pond_breaker_retain(found);
    pondi_process_lock_give(&registry_lock);
    return code;
}

int pond_breaker_forget(const char *name)
{
    if (!name)
        return 0;
    pondi_process_lock_take(&registry_lock);
    pond_breaker *found = find(name);
    if (found)
        pondi_list_remove(&found->link);
    pondi_process_lock_give(&registry_lock);
    pond_breaker_release(found);
    return found != NULL;
}

size_t pond_breaker_list(pond_breaker **out, size_t capacity)
{
    size_t count = 0;
    pondi_process_lock_take(&registry_lock);
    for (pondi_list *node = breakers.next; node != &breakers; node = node->next) {
        if (count < capacity && out)
            out[count] = pond_breaker_retain(breaker_at(node));
        count++;
    }
    pondi_process_lock_give(&registry_lock);
    return count;
}

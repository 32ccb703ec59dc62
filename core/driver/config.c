#include "driver/config.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/given.h"
#include "base/hash.h"
#include "base/real.h"
#include "base/refcount.h"
#include "driver/driver.h"
#include "millpond/driver.h"

typedef struct setting {
    struct setting *next; /* in the order of keys */
    char *key;
    char *value;
} setting;

/* Shared by a config and its copies. */
typedef struct config_data {
    pondi_refcount refs;
    void *data;
    void (*release)(void *data);
} config_data;

struct pond_config {
    pondi_refcount refs;
    const pondi_driver *driver;
    setting *settings;
    int frozen;        /* a pool's own copy */
    config_data *data; /* of the program; NULL: none */
};

/* ---- Checks of single values ------------------------------------------------------------- */

void pondi_config_problem(pondi_problems *problems, const char *key, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (problems->text.size)
        pondi_buffer_append_text(&problems->text, "; ");
    else
        problems->setting = key;
    pondi_buffer_appendf(&problems->text, "%s %s", key, text);
}

static int parse_count(const char *value, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(value, &end, 10);
    return value[0] >= '0' && value[0] <= '9' && *end == '\0' && !errno;
}

static int parse_seconds(const char *value, double *out)
{
    char *end;
    *out = pondi_parse_real(value, &end);
    return end != value && *end == '\0' && isfinite(*out) && *out >= 0 && *out <= 1e9;
}

static int parse_flag(const char *value, int *out)
{
    static const char *const yes[] = {"1", "true", "yes", "on"};
    static const char *const no[] = {"0", "false", "no", "off"};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        *out = strcasecmp(value, yes[i]) == 0;
        if (*out || strcasecmp(value, no[i]) == 0)
            return 1;
    }
    return 0;
}

void pondi_check_count(const char *key, const char *value, pondi_problems *problem)
{
    uint64_t count;
    if (!parse_count(value, &count))
        pondi_config_problem(problem, key, "must be a whole number, not \"%s\"", value);
}

void pondi_check_seconds(const char *key, const char *value, pondi_problems *problem)
{
    double seconds;
    if (!parse_seconds(value, &seconds))
        pondi_config_problem(problem, key, "must be a number of seconds from 0 to 1e9, not \"%s\"",
                             value);
}

void pondi_check_flag(const char *key, const char *value, pondi_problems *problem)
{
    int flag;
    if (!parse_flag(value, &flag))
        pondi_config_problem(problem, key, "must be true or false, not \"%s\"", value);
}

/* Longer ones are mistakes, and would make every message as long. */
static void check_length(const char *key, const char *value, size_t most, pondi_problems *problem)
{
    size_t size = strlen(value);
    if (size > most)
        pondi_config_problem(problem, key, "must have at most %zu bytes, not %zu", most, size);
}

static void check_name(const char *key, const char *value, pondi_problems *problem)
{
    check_length(key, value, 1024, problem);
}

/* For SQLite it is a path. */
static void check_database(const char *key, const char *value, pondi_problems *problem)
{
    check_length(key, value, 4096, problem);
}

/* Each host of a list: a name has at most 253 bytes, a socket's path fewer. */
static void check_host(const char *key, const char *value, pondi_problems *problem)
{
    enum { MOST = 255 };
    for (const char *at = value; at; at = strchr(at, ',')) {
        at += *at == ',';
        size_t size = strcspn(at, ",");
        if (size > MOST) {
            pondi_config_problem(problem, key, "must have at most %d bytes, not %zu", MOST, size);
            return;
        }
    }
}

/* One port, or a list of them beside a list of hosts. */
static void check_port(const char *key, const char *value, pondi_problems *problem)
{
    char text[8];
    uint64_t port;
    for (const char *at = value;; at++) {
        size_t size = strcspn(at, ",");
        snprintf(text, sizeof(text), "%.*s", (int)(size < 7 ? size : 7), at);
        if (!parse_count(text, &port) || port < 1 || port > 65535) {
            pondi_config_problem(problem, key, "must be a whole number from 1 to 65535, not \"%s\"",
                                 value);
            return;
        }
        at += size;
        if (!*at)
            return;
    }
}

/* One of the words of a list that NULL ends. */
static void check_word(const char *key, const char *value, const char *const *words,
                       pondi_problems *problem)
{
    char list[100] = "";
    for (const char *const *word = words; *word; word++) {
        if (strcmp(value, *word) == 0)
            return;
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s",
                 word == words ? ""
                 : word[1]     ? ", "
                               : " or ",
                 *word);
    }
    pondi_config_problem(problem, key, "must be %s, not \"%s\"", list, value);
}

static void check_reset(const char *key, const char *value, pondi_problems *problem)
{
    static const char *const words[] = {"touched", "always", "never", NULL};
    check_word(key, value, words, problem);
}

static void check_close(const char *key, const char *value, pondi_problems *problem)
{
    static const char *const words[] = {"commit", "rollback", NULL};
    check_word(key, value, words, problem);
}

/* A delay of nothing would be a flood. */
static void check_delay(const char *key, const char *value, pondi_problems *problem)
{
    double seconds;
    if (!parse_seconds(value, &seconds) || seconds <= 0 || seconds > 3600)
        pondi_config_problem(
            problem, key, "must be a number of seconds above 0 and up to 3600, not \"%s\"", value);
}

static void check_threshold(const char *key, const char *value, pondi_problems *problem)
{
    uint64_t count;
    if (!parse_count(value, &count) || count < 1 || count > 1000000)
        pondi_config_problem(problem, key, "must be a whole number from 1 to 1000000, not \"%s\"",
                             value);
}

static void check_consistency(const char *key, const char *value, pondi_problems *problem)
{
    static const char *const words[] = {"strong", "session", "eventual"};
    double seconds;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(value, words[i]) == 0)
            return;
    }
    if (!parse_seconds(value, &seconds) || seconds <= 0)
        pondi_config_problem(problem, key,
                             "must be strong, session, eventual or a number of seconds above 0 "
                             "(how old an answer may be), not \"%.60s\"",
                             value);
}

static void check_share(const char *key, const char *value, pondi_problems *problem)
{
    double share;
    if (!parse_seconds(value, &share) || share <= 0 || share > 1)
        pondi_config_problem(problem, key, "must be a number above 0 and up to 1, not \"%.60s\"",
                             value);
}

/* One for each host. */
static void check_weights(const char *key, const char *value, pondi_problems *problem)
{
    char text[32];
    double weight;
    for (const char *at = value;; at++) {
        size_t size = strcspn(at, ",");
        snprintf(text, sizeof(text), "%.*s", (int)(size < 31 ? size : 31), at);
        if (!parse_seconds(text, &weight) || weight <= 0) {
            pondi_config_problem(
                problem, key, "must be numbers above 0 with commas between, not \"%.60s\"", value);
            return;
        }
        at += size;
        if (!*at)
            return;
    }
}

static const pondi_driver_option common_options[] = {
    {"database", check_database},
    {"host", check_host},
    {"port", check_port},
    {"user", check_name},
    {"password", NULL},
    {"alias", NULL},
    {"env", NULL},
    {"connection_acquisition_timeout", pondi_check_seconds},
    {"connection_creation_timeout", pondi_check_seconds},
    {"pool_creation_timeout", pondi_check_seconds},
    {"query_execution_timeout", pondi_check_seconds},
    {"pool_min_size", pondi_check_count},
    {"pool_max_size", pondi_check_count},
    {"sync_max_size", check_threshold},
    {"pool_idle_timeout", pondi_check_seconds},
    {"pool_max_lifetime", pondi_check_seconds},
    {"pool_keepalive", pondi_check_seconds},
    {"pool_validate_after", pondi_check_seconds},
    {"pool_reconnect_delay", check_delay},
    {"pool_reconnect_max_delay", check_delay},
    {"pool_fail_fast", pondi_check_flag},
    {"pool_reset", check_reset},
    {"pool_close_transactions", check_close},
    {"statement_cache_size", pondi_check_count},
    {"statement_cache_max_size", pondi_check_count},
    {"entity_max_new_fields", check_threshold},
    {"entity_max_fields", check_threshold},
    {"retry_unsent", pondi_check_flag},
    {"consistency", check_consistency},
    {"replica_wait", pondi_check_seconds},
    {"topology_refresh", check_delay},
    {"replica_max_lag", pondi_check_seconds},
    {"fallback_share", check_share},
    {"primary_reads", pondi_check_flag},
    {"region", check_name},
    {"node_regions", NULL},
    {"node_weights", check_weights},
    {"session_read_only", pondi_check_flag},
    {"metrics", pondi_check_flag},
    {"scaling_window", check_delay},
    {"slow_query_threshold", pondi_check_seconds},
    {"slow_query_log_parameters", pondi_check_flag},
    {"circuit_breaker", pondi_check_flag},
    {"circuit_breaker_failure_threshold", check_threshold},
    {"circuit_breaker_window_size", check_delay},
    {"circuit_breaker_recovery_timeout", pondi_check_seconds},
    {"circuit_breaker_half_open_max_calls", check_threshold},
    {NULL, NULL},
};

static const pondi_driver_option *find_option(const pondi_driver_option *options, const char *key)
{
    for (; options && options->key; options++) {
        if (strcmp(options->key, key) == 0)
            return options;
    }
    return NULL;
}

static const pondi_driver_option *option_of(const pond_config *config, const char *key)
{
    const pondi_driver_option *option = find_option(common_options, key);
    return option ? option : find_option(config->driver->options, key);
}

/* ---- Create and destroy ------------------------------------------------------------------ */

int pondi_config_new(const pondi_driver *driver, pond_config **out, pond_error **err)
{
    pond_config *config = pondi_calloc(1, sizeof(*config));
    if (!config)
        return pondi_error_nomem(err);
    pondi_refcount_init(&config->refs);
    config->driver = driver;
    *out = config;
    return POND_OK;
}

pond_config *pond_config_retain(pond_config *config)
{
    if (config)
        pondi_refcount_take(&config->refs);
    return config;
}

/* Passwords do not stay behind in freed memory. */
static void free_setting(setting *old)
{
    if (old->value)
        explicit_bzero(old->value, strlen(old->value));
    pondi_free(old->value);
    pondi_free(old->key);
    pondi_free(old);
}

static void release_data(config_data *data)
{
    if (!data || !pondi_refcount_drop(&data->refs))
        return;
    if (data->release)
        data->release(data->data);
    pondi_free(data);
}

void pond_config_release(pond_config *config)
{
    if (!config || !pondi_refcount_drop(&config->refs))
        return;
    while (config->settings) {
        setting *next = config->settings->next;
        free_setting(config->settings);
        config->settings = next;
    }
    release_data(config->data);
    pondi_free(config);
}

/* ---- Data of the program ----------------------------------------------------------------- */

int pond_config_set_data(pond_config *config, void *data, void (*release)(void *data),
                         pond_error **err)
{
    if (PONDI_GIVEN(err, config))
        return POND_EINVAL;
    if (config->frozen)
        return pondi_error_set(err, POND_EMISUSE, "the config of an open pool cannot be changed");
    config_data *made = pondi_calloc(1, sizeof(*made));
    if (!made)
        return pondi_error_nomem(err);
    pondi_refcount_init(&made->refs);
    made->data = data;
    made->release = release;
    release_data(config->data);
    config->data = made;
    return POND_OK;
}

void *pond_config_data(const pond_config *config)
{
    return config && config->data ? config->data->data : NULL;
}

/* ---- Settings ---------------------------------------------------------------------------- */

static setting **place_of(pond_config *config, const char *key)
{
    setting **link = &config->settings;
    while (*link && strcmp((*link)->key, key) < 0)
        link = &(*link)->next;
    return link;
}

static int insert(setting **place, const char *key, const char *value, pond_error **err)
{
    setting *added = pondi_calloc(1, sizeof(*added));
    if (!added)
        return pondi_error_nomem(err);
    added->key = pondi_strdup(key);
    added->value = pondi_strdup(value);
    if (!added->key || !added->value) {
        free_setting(added);
        return pondi_error_nomem(err);
    }
    added->next = *place;
    *place = added;
    return POND_OK;
}

static int blame_setting(pond_error **err, pond_error *error, const char *key)
{
    pondi_error_set_text(error, &error->setting, key);
    return pondi_error_move(err, error);
}

int pond_config_set(pond_config *config, const char *key, const char *value, pond_error **err)
{
    if (PONDI_GIVEN(err, config, key))
        return POND_EINVAL;
    if (!option_of(config, key) && !config->driver->any_setting)
        return blame_setting(err,
                             pondi_error_new(POND_EINVAL,
                                             "the driver \"%s\" has no setting \"%.60s\"",
                                             config->driver->name, key),
                             key);
    if (config->frozen)
        return pondi_error_set(err, POND_EMISUSE, "the config of an open pool cannot be changed");
    setting **place = place_of(config, key);
    setting *old = *place && strcmp((*place)->key, key) == 0 ? *place : NULL;
    setting **after = old ? &old->next : place;
    int code = value ? insert(after, key, value, err) : POND_OK;
    if (!code && old) {
        *place = old->next;
        free_setting(old);
    }
    return code;
}

const char *pondi_config_get(const pond_config *config, const char *key)
{
    for (const setting *at = config->settings; at; at = at->next) {
        if (strcmp(at->key, key) == 0)
            return at->value;
    }
    return NULL;
}

const char *pond_config_get(const pond_config *config, const char *key)
{
    if (!config || !key || strcmp(key, "password") == 0)
        return NULL;
    return pondi_config_get(config, key);
}

const char *pond_config_driver(const pond_config *config)
{
    return config ? config->driver->name : NULL;
}

const pondi_driver *pondi_config_driver(const pond_config *config)
{
    return config->driver;
}

int64_t pondi_config_ms(const pond_config *config, const char *key, int64_t fallback_ms)
{
    const char *value = pondi_config_get(config, key);
    double seconds;
    if (!value || !parse_seconds(value, &seconds))
        return fallback_ms;
    return seconds > 0 ? (int64_t)ceil(seconds * 1000) : -1;
}

int64_t pondi_config_ns(const pond_config *config, const char *key, int64_t fallback_ms)
{
    const char *value = pondi_config_get(config, key);
    double seconds;
    if (!value || !parse_seconds(value, &seconds))
        return fallback_ms * 1000000;
    return (int64_t)ceil(seconds * 1e9); /* at most 1e18 */
}

double pondi_config_real(const pond_config *config, const char *key, double fallback)
{
    const char *value = pondi_config_get(config, key);
    double number;
    return value && parse_seconds(value, &number) ? number : fallback;
}

uint64_t pondi_config_count(const pond_config *config, const char *key, uint64_t fallback)
{
    const char *value = pondi_config_get(config, key);
    uint64_t count;
    return value && parse_count(value, &count) ? count : fallback;
}

int pondi_config_flag(const pond_config *config, const char *key, int fallback)
{
    const char *value = pondi_config_get(config, key);
    int flag;
    return value && parse_flag(value, &flag) ? flag : fallback;
}

int pondi_config_copy(const pond_config *config, pond_config **out, pond_error **err)
{
    pond_config *copy = NULL;
    int code = pondi_config_new(config->driver, &copy, err);
    for (const setting *at = config->settings; at && !code; at = at->next)
        code = pond_config_set(copy, at->key, at->value, err);
    if (code) {
        pond_config_release(copy);
        copy = NULL;
    } else {
        copy->frozen = 1;
        copy->data = config->data;
        if (copy->data)
            pondi_refcount_take(&copy->data->refs);
    }
    *out = copy;
    return code;
}

int pondi_config_replace(pond_config *copy, const char *key, const char *value, pond_error **err)
{
    int frozen = copy->frozen;
    if (!value && !pondi_config_get(copy, key))
        return POND_OK; /* not every driver has it */
    copy->frozen = 0;
    int code = pond_config_set(copy, key, value, err);
    copy->frozen = frozen;
    return code;
}

int pondi_config_copy_for(const pond_config *config, const char *host, const char *address,
                          const char *port, pond_config **out, pond_error **err)
{
    int code = pondi_config_copy(config, out, err);
    if (code)
        return code;
    code = pondi_config_replace(*out, "host", host, err);
    if (!code)
        code = pondi_config_replace(*out, "hostaddr", address, err);
    if (!code)
        code = pondi_config_replace(*out, "port", port, err);
    if (code) {
        pond_config_release(*out);
        *out = NULL;
    }
    return code;
}

/* ---- Whole configs ----------------------------------------------------------------------- */

int pondi_config_equal(const pond_config *a, const pond_config *b)
{
    const setting *x = a->settings;
    const setting *y = b->settings;
    while (x && y && strcmp(x->key, y->key) == 0 && strcmp(x->value, y->value) == 0) {
        x = x->next;
        y = y->next;
    }
    return a->driver == b->driver && !x && !y;
}

static void check_pool_sizes(const pond_config *config, pondi_problems *problems)
{
    uint64_t smallest = pondi_config_count(config, "pool_min_size", 0);
    uint64_t biggest = pondi_config_count(config, "pool_max_size", UINT32_MAX);
    if (biggest < 1 || biggest > UINT32_MAX)
        pondi_config_problem(problems, "pool_max_size", "must be at least 1");
    else if (smallest > biggest)
        pondi_config_problem(problems, "pool_min_size", "(%llu) is more than pool_max_size (%llu)",
                             (unsigned long long)smallest, (unsigned long long)biggest);
}

int pond_config_check(const pond_config *config, pond_error **err)
{
    if (PONDI_GIVEN(err, config))
        return POND_EINVAL;
    pondi_problems problems = {.setting = NULL};
    pondi_buffer_init(&problems.text);
    const char *database = pondi_config_get(config, "database");
    if (!database || !*database)
        pondi_config_problem(&problems, "database", "is missing: name the database%s",
                             config->driver->is_file ? " file" : "");
    for (const setting *at = config->settings; at; at = at->next) {
        const pondi_driver_option *option = option_of(config, at->key);
        if (option && option->check)
            option->check(at->key, at->value, &problems);
    }
    check_pool_sizes(config, &problems);
    if (config->driver->check_config)
        config->driver->check_config(config, &problems);
    int code = POND_OK;
    if (problems.text.failed)
        code = pondi_error_nomem(err);
    else if (problems.text.size)
        code = blame_setting(err,
                             pondi_error_new(POND_EINVAL, "the configuration for %s is invalid: %s",
                                             config->driver->name, problems.text.data),
                             problems.setting);
    pondi_buffer_free(&problems.text);
    return code;
}

/* Lengths go in, so that no two different configs read the same. */
static void append_sized(pondi_buffer *text, const char *part)
{
    pondi_buffer_appendf(text, "%zu:%s,", strlen(part), part);
}

int pond_config_hash(const pond_config *config, char out[33], pond_error **err)
{
    if (out)
        out[0] = '\0';
    if (PONDI_GIVEN(err, config, out))
        return POND_EINVAL;
    pondi_buffer text;
    pondi_buffer_init(&text);
    append_sized(&text, config->driver->name);
    for (const setting *at = config->settings; at; at = at->next) {
        if (strcmp(at->key, "password") == 0)
            continue;
        append_sized(&text, at->key);
        append_sized(&text, at->value);
    }
    int code = text.failed ? pondi_error_nomem(err) : POND_OK;
    if (!code)
        pondi_md5_hex(text.data, text.size, out);
    pondi_buffer_free(&text);
    return code;
}

/* ---- Messages ---------------------------------------------------------------------------- */

void pondi_config_address(const pond_config *config, char *out, size_t size)
{
    const char *host = pondi_config_get(config, "host");
    const char *address = pondi_config_get(config, "hostaddr");
    const char *port = pondi_config_get(config, "port");
    const char *database = pondi_config_get(config, "database");
    if (!port)
        port = config->driver->port;
    if (!port)
        snprintf(out, size, "the database \"%s\"", database ? database : "");
    else
        snprintf(out, size, "%s:%s", host && *host ? host : address ? address : "localhost", port);
}

/* Connection URLs: scheme://user:password@host:port,host:port/database?setting=value&... */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/given.h"
#include "driver/config.h"
#include "driver/registry.h"

typedef struct span {
    const char *at;
    size_t size;
} span;

typedef struct url_reader {
    pond_url_setting each;
    void *data;
    pond_error **err;
} url_reader;

static span span_of(const char *at, const char *end)
{
    return (span){at, (size_t)(end - at)};
}

/* The part before `c`, or all; `rest` is what follows it, empty if nothing does. */
static span cut(span text, char c, span *rest)
{
    const char *end = text.at + text.size;
    const char *found = text.size ? memchr(text.at, c, text.size) : NULL;
    *rest = found ? span_of(found + 1, end) : span_of(end, end);
    return found ? span_of(text.at, found) : text;
}

/* ---- Percent encoding -------------------------------------------------------------------- */

static int digit_of(char c)
{
    if (isdigit((unsigned char)c))
        return c - '0';
    return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* The byte that %XY stands for; 0 if it is none. */
static char byte_at(span text, size_t i)
{
    int high = i + 2 < text.size ? digit_of(text.at[i + 1]) : -1;
    int low = i + 2 < text.size ? digit_of(text.at[i + 2]) : -1;
    return high < 0 || low < 0 ? '\0' : (char)(high * 16 + low);
}

/* What was encoded, of which `what` is the name: its text may be a password, and is in no message.
 * NULL with an error. */
static char *decode(const url_reader *reader, span text, const char *what)
{
    char *out = pondi_malloc(text.size + 1);
    size_t size = 0;
    if (!out) {
        pondi_error_nomem(reader->err);
        return NULL;
    }
    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i] == '%' ? byte_at(text, i) : text.at[i];
        if (!c) {
            pondi_free(out);
            pondi_error_set(reader->err, POND_EINVAL,
                            "the URL's %s has a %% without two hexadecimal digits (not 00) after "
                            "it: write %%25 for a literal %%",
                            what);
            return NULL;
        }
        i += text.at[i] == '%' ? 2 : 0;
        out[size++] = c;
    }
    out[size] = '\0';
    return out;
}

static void give(const url_reader *reader, const char *key, char *value)
{
    reader->each(reader->data, key, value);
    explicit_bzero(value, strlen(value));
    pondi_free(value);
}

/* Report a part, if there is one. */
static int report(const url_reader *reader, const char *key, span text)
{
    if (!text.size)
        return POND_OK;
    char *value = decode(reader, text, key);
    if (!value)
        return pond_error_code(*reader->err);
    give(reader, key, value);
    return POND_OK;
}

/* ---- Hosts ------------------------------------------------------------------------------- */

/* Cut one host into name and port; an address of IPv6 stands in brackets. */
static int cut_host(const url_reader *reader, span text, span *name, span *port)
{
    span rest = text;
    if (!text.size || text.at[0] != '[') {
        *name = cut(text, ':', port);
        rest = *port;
    } else {
        if (!memchr(text.at, ']', text.size))
            return pondi_error_set(reader->err, POND_EINVAL,
                                   "the URL's host has a [ without a ]: write an IPv6 address in "
                                   "brackets, as in [::1]");
        *name = cut(span_of(text.at + 1, text.at + text.size), ']', &rest);
        cut(rest, ':', port);
        if (rest.size && rest.at[0] != ':')
            return pondi_error_set(reader->err, POND_EINVAL,
                                   "the URL's host has text after its ]: only :port may follow");
        rest = *port;
    }
    for (size_t i = 0; i < rest.size; i++) {
        if (!isdigit((unsigned char)rest.at[i]))
            return pondi_error_set(reader->err, POND_EINVAL,
                                   "the URL's port must be a number: write an IPv6 address in "
                                   "brackets, and write @, : and / in a password as %%40, "
                                   "%%3A and %%2F");
    }
    return POND_OK;
}

static void append_part(pondi_buffer *list, span part)
{
    pondi_buffer_append(list, part.at, part.size);
    pondi_buffer_append_char(list, ',');
}

static span list_of(const pondi_buffer *list)
{
    return list->size ? (span){list->data, list->size - 1} : (span){"", 0};
}

/* Ports go into one number if all are the same. */
static int read_hosts(const url_reader *reader, span hosts, const char *default_port)
{
    pondi_buffer names;
    pondi_buffer ports;
    span first = {NULL, 0};
    int given = 0;
    int differ = 0;
    int code = POND_OK;
    pondi_buffer_init(&names);
    pondi_buffer_init(&ports);
    while (hosts.size && !code) {
        span name = {"", 0};
        span port = {"", 0};
        code = cut_host(reader, cut(hosts, ',', &hosts), &name, &port);
        given |= port.size > 0;
        if (!port.size)
            port = (span){default_port, strlen(default_port)};
        append_part(&names, name);
        append_part(&ports, port);
        if (!first.at)
            first = port;
        differ |= port.size != first.size || memcmp(port.at, first.at, first.size) != 0;
    }
    if (!code && (names.failed || ports.failed))
        code = pondi_error_nomem(reader->err);
    if (!code)
        code = report(reader, "host", list_of(&names));
    if (!code && given)
        code = report(reader, "port", differ ? list_of(&ports) : first);
    pondi_buffer_free(&names);
    pondi_buffer_free(&ports);
    return code;
}

/* ---- The parts --------------------------------------------------------------------------- */

static int read_authority(const url_reader *reader, span text, const char *default_port)
{
    span user = {text.at, 0};
    span password;
    for (size_t i = text.size; i-- > 0;) {
        if (text.at[i] == '@') { /* the last one: a password may have others */
            user.size = i;
            text = span_of(text.at + i + 1, text.at + text.size);
            break;
        }
    }
    span name = cut(user, ':', &password);
    int code = report(reader, "user", name);
    if (!code)
        code = report(reader, "password", password);
    return code ? code : read_hosts(reader, text, default_port);
}

static int read_setting(const url_reader *reader, span text)
{
    span value;
    span name = cut(text, '=', &value);
    char *key = decode(reader, name, "query");
    if (!key)
        return pond_error_code(*reader->err);
    int code = report(reader, strcmp(key, "dbname") == 0 ? "database" : key, value);
    pondi_free(key);
    return code;
}

/* A file: the path after the third slash, so a fourth one begins an absolute path. */
static int read_file(const url_reader *reader, span authority, span path)
{
    static const char memory[] = ":memory:";
    if (authority.size)
        return pondi_error_set(reader->err, POND_EINVAL,
                               "the URL of a file has no host: write sqlite:///app.db for a "
                               "relative path, sqlite:////var/app.db for an absolute one");
    return report(reader, "database", path.size ? path : (span){memory, sizeof(memory) - 1});
}

/* A / in a password ends the authority too early: where the rest of it looks like a port, the
 * password would go on as the name of the database, which is in messages. */
static int check_database(const url_reader *reader, span authority, span path)
{
    int whole = memchr(authority.at, '@', authority.size) || !path.size ||
                !memchr(authority.at, ':', authority.size) || !memchr(path.at, '@', path.size);
    if (whole)
        return POND_OK;
    return pondi_error_set(reader->err, POND_EINVAL,
                           "the URL has an @ after its first /: in a password write / as %%2F, in "
                           "the name of a database @ as %%40");
}

/* A ? in a password ends what is before it too early, and what follows would be taken for the name
 * of a setting, which is in messages. */
static int check_query(const url_reader *reader, span authority, span query)
{
    int whole = !query.size || !memchr(query.at, '@', query.size) ||
                memchr(authority.at, '@', authority.size) ||
                !memchr(authority.at, ':', authority.size);
    if (whole)
        return POND_OK;
    return pondi_error_set(reader->err, POND_EINVAL,
                           "the URL has an @ after its ?: in a password write ? as %%3F, in the "
                           "value of a setting @ as %%40");
}

static int read_parts(const url_reader *reader, const char *scheme, span rest)
{
    const pondi_driver *driver = pondi_driver_named(scheme);
    const char *default_port = driver && driver->port ? driver->port : "";
    span query;
    span path;
    span place = cut(rest, '?', &query);
    span authority = cut(place, '/', &path);
    int code;
    if (driver && driver->is_file) {
        code = read_file(reader, authority, path);
    } else {
        code = check_query(reader, authority, query);
        if (!code)
            code = read_authority(reader, authority, default_port);
        if (!code)
            code = check_database(reader, authority, path);
        if (!code)
            code = report(reader, "database", path);
    }
    while (query.size && !code)
        code = read_setting(reader, cut(query, '&', &query));
    return code;
}

int pond_url_parse(const char *url, pond_url_setting each, void *data, pond_error **err)
{
    if (PONDI_GIVEN(err, url) || pondi_given_as(err, "each", each ? url : NULL))
        return POND_EINVAL;
    pond_error *error = NULL;
    url_reader reader = {each, data, &error};
    const char *end = strstr(url, "://");
    if (!end || end == url || end - url > 32)
        return pondi_error_set(err, POND_EINVAL,
                               "the URL must begin with the scheme of a database, such as "
                               "postgres://, mysql:// or sqlite:///");
    const char *plus = memchr(url, '+', (size_t)(end - url));
    if (plus)
        return pondi_error_set(err, POND_EINVAL,
                               "the URL names a driver after a +, as SQLAlchemy's do: write "
                               "%.*s://",
                               (int)(plus - url), url);
    if (strchr(url, '#'))
        return pondi_error_set(err, POND_EINVAL, "the URL has a #, which must be written as %%23");
    char scheme[33] = "";
    for (size_t i = 0; url + i < end; i++)
        scheme[i] = (char)tolower((unsigned char)url[i]);
    each(data, "driver", scheme);
    int code = read_parts(&reader, scheme, (span){end + 3, strlen(end + 3)});
    return code ? pondi_error_move(err, error) : POND_OK;
}

/* ---- A config from a URL ----------------------------------------------------------------- */

typedef struct new_config {
    pond_config *config;
    pond_error *error;
    int code;
} new_config;

static void add_setting(void *data, const char *key, const char *value)
{
    new_config *making = data;
    if (making->code)
        return;
    if (!making->config)
        making->code = pond_config_new(value, &making->config, &making->error);
    else
        making->code = pond_config_set(making->config, key, value, &making->error);
}

int pond_config_from_url(const char *url, pond_config **out, pond_error **err)
{
    if (PONDI_GIVEN(err, out))
        return POND_EINVAL;
    new_config making = {0};
    int code = pond_url_parse(url, add_setting, &making, err);
    if (!code && making.code) {
        code = making.code;
        pondi_error_move(err, making.error);
        making.error = NULL;
    }
    pond_error_free(making.error);
    if (code) {
        pond_config_release(making.config);
        making.config = NULL;
    }
    *out = making.config;
    return code;
}

/* Sets of GTIDs as text: how MariaDB and MySQL write them. */
#include <inttypes.h>
#include <string.h>

#include "topology/gtid.h"

/* What is left of a text to read. */
typedef struct scan {
    const char *at;
    const char *end;
} scan;

static int refuse(pond_error **err, const char *whose, const char *expected)
{
    return pondi_error_set(err, POND_EINVAL, "this is no set of %s's GTIDs: expected %s", whose,
                           expected);
}

static int refuse_text(pond_error **err, size_t size)
{
    return pondi_error_set(err, POND_ERANGE, "a set of GTIDs has %zu bytes; at most %d are read",
                           size, PONDI_GTID_TEXT);
}

static void skip_space(scan *in)
{
    while (in->at < in->end && (*in->at == ' ' || (*in->at >= '\t' && *in->at <= '\r')))
        in->at++;
}

static int take(scan *in, char c)
{
    if (in->at == in->end || *in->at != c)
        return 0;
    in->at++;
    return 1;
}

/* A decimal number up to `most`. Returns 0 if there is none. */
static int take_number(scan *in, uint64_t most, uint64_t *number)
{
    const char *begin = in->at;
    *number = 0;
    for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++) {
        uint64_t digit = (uint64_t)(*in->at - '0');
        if (*number > most / 10 || 10 * *number > most - digit)
            return 0;
        *number = 10 * *number + digit;
    }
    return in->at > begin;
}

/* ---- MariaDB ------------------------------------------------------------------------------ */

static int take_mariadb_gtid(scan *in, pondi_gtid_range *range)
{
    uint64_t domain = 0;
    uint64_t server = 0;
    *range = (pondi_gtid_range){0};
    if (!take_number(in, UINT32_MAX, &domain) || !take(in, '-') ||
        !take_number(in, UINT32_MAX, &server) || !take(in, '-') ||
        !take_number(in, UINT64_MAX, &range->last))
        return 0;
    for (int i = 0; i < 4; i++)
        range->source[i] = (uint8_t)(domain >> (24 - 8 * i));
    range->server = (uint32_t)server;
    return 1;
}

static int read_mariadb(scan *in, pondi_gtids *out, pond_error **err)
{
    pondi_gtid_range range;
    skip_space(in);
    if (in->at == in->end)
        return POND_OK;
    do {
        skip_space(in);
        if (!take_mariadb_gtid(in, &range))
            return refuse(err, "MariaDB", "domain-server-number, as in 0-1-42");
        int code = pondi_gtids_add(out, &range, err);
        if (code)
            return code;
        skip_space(in);
    } while (take(in, ','));
    return in->at == in->end ? POND_OK : refuse(err, "MariaDB", "',' between two GTIDs");
}

void pondi_gtids_print_mariadb(const pondi_gtids *set, pondi_buffer *out)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const pondi_gtid_range *range = &set->ranges[i];
        uint32_t domain = 0;
        for (int byte = 0; byte < 4; byte++)
            domain = domain << 8 | range->source[byte];
        pondi_buffer_appendf(out, "%s%" PRIu32 "-%" PRIu32 "-%" PRIu64, i ? "," : "", domain,
                             range->server, range->last);
    }
}

/* ---- MySQL -------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 8-4-4-4-12 hexadecimal digits. */
static int take_uuid(scan *in, uint8_t out[PONDI_GTID_SOURCE])
{
    for (int i = 0; i < PONDI_GTID_SOURCE; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && !take(in, '-'))
            return 0;
        if (in->end - in->at < 2)
            return 0;
        int high = hex_digit(in->at[0]);
        int low = hex_digit(in->at[1]);
        if (high < 0 || low < 0)
            return 0;
        out[i] = (uint8_t)(high << 4 | low);
        in->at += 2;
    }
    return 1;
}

static char small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static int is_tag_character(char c, int is_first)
{
    return (c >= 'a' && c <= 'z') || c == '_' || (!is_first && c >= '0' && c <= '9');
}

/* MySQL takes capitals, and prints them small. Returns 0, and changes nothing, if there is none. */
static int take_tag(scan *in, char out[PONDI_GTID_TAG + 1])
{
    size_t size = 0;
    if (in->at == in->end || !is_tag_character(small(*in->at), 1))
        return 0;
    memset(out, 0, PONDI_GTID_TAG + 1);
    while (in->at < in->end && size < PONDI_GTID_TAG) {
        char c = small(*in->at);
        if (!is_tag_character(c, size == 0))
            break;
        out[size++] = c;
        in->at++;
    }
    return 1;
}

static int take_interval(scan *in, pondi_gtid_range *range)
{
    if (!take_number(in, INT64_MAX, &range->first) || !range->first)
        return 0;
    range->last = range->first;
    skip_space(in);
    if (!take(in, '-'))
        return 1;
    skip_space(in);
    return take_number(in, INT64_MAX, &range->last) && range->last >= range->first;
}

/* All of one server: "uuid:1-5:9:tag:1". */
static int read_server(scan *in, pondi_gtids *out, pond_error **err)
{
    pondi_gtid_range range = {0};
    int after_tag = 0;
    if (!take_uuid(in, range.source))
        return refuse(err, "MySQL", "a server's uuid");
    skip_space(in);
    if (!take(in, ':'))
        return refuse(err, "MySQL", "':' after a server's uuid");
    do {
        skip_space(in);
        if (!after_tag && take_tag(in, range.tag)) {
            after_tag = 1;
        } else {
            if (!take_interval(in, &range))
                return refuse(err, "MySQL", "numbers from 1, as in 7 or 1-5");
            int code = pondi_gtids_add(out, &range, err);
            if (code)
                return code;
            after_tag = 0;
        }
        skip_space(in);
    } while (take(in, ':'));
    return after_tag ? refuse(err, "MySQL", "numbers after a tag") : POND_OK;
}

static int read_mysql(scan *in, pondi_gtids *out, pond_error **err)
{
    skip_space(in);
    if (in->at == in->end)
        return POND_OK;
    do {
        skip_space(in);
        int code = read_server(in, out, err);
        if (code)
            return code;
    } while (take(in, ','));
    return in->at == in->end ? POND_OK : refuse(err, "MySQL", "',' between two servers");
}

static void print_uuid(const uint8_t uuid[PONDI_GTID_SOURCE], pondi_buffer *out)
{
    for (int i = 0; i < PONDI_GTID_SOURCE; i++)
        pondi_buffer_appendf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                             uuid[i]);
}

void pondi_gtids_print_mysql(const pondi_gtids *set, pondi_buffer *out)
{
    const pondi_gtid_range *before = NULL;
    for (uint32_t i = 0; i < set->count; i++) {
        const pondi_gtid_range *range = &set->ranges[i];
        if (!before || memcmp(before->source, range->source, sizeof(range->source)) != 0) {
            pondi_buffer_append_text(out, before ? "," : "");
            print_uuid(range->source, out);
            before = NULL;
        }
        if (strcmp(before ? before->tag : "", range->tag) != 0)
            pondi_buffer_appendf(out, ":%s", range->tag);
        pondi_buffer_appendf(out, ":%" PRIu64, range->first);
        if (range->last > range->first)
            pondi_buffer_appendf(out, "-%" PRIu64, range->last);
        before = range;
    }
}

/* ---- Both --------------------------------------------------------------------------------- */

static int parse(int (*reader)(scan *, pondi_gtids *, pond_error **), const char *text, size_t size,
                 pondi_gtids *out, pond_error **err)
{
    scan in = {text, text + size};
    *out = (pondi_gtids){0};
    if (size > PONDI_GTID_TEXT)
        return refuse_text(err, size);
    int code = reader(&in, out, err);
    if (code)
        pondi_gtids_free(out);
    else
        pondi_gtids_settle(out);
    return code;
}

int pondi_gtids_parse_mariadb(const char *text, size_t size, pondi_gtids *out, pond_error **err)
{
    return parse(read_mariadb, text, size, out, err);
}

int pondi_gtids_parse_mysql(const char *text, size_t size, pondi_gtids *out, pond_error **err)
{
    return parse(read_mysql, text, size, out, err);
}

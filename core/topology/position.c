#include "topology/position.h"

#include <inttypes.h>
#include <string.h>

void pondi_position_free(pondi_position *position)
{
    pondi_gtids_free(&position->gtids);
    *position = (pondi_position){0};
}

int pondi_position_copy(const pondi_position *position, pondi_position *out, pond_error **err)
{
    *out = *position;
    int code = pondi_gtids_copy(&position->gtids, &out->gtids, err);
    if (code)
        *out = (pondi_position){0};
    return code;
}

void pondi_position_move(pondi_position *to, pondi_position *from)
{
    if (to == from)
        return;
    pondi_position_free(to);
    *to = *from;
    *from = (pondi_position){0};
}

/* ---- Text --------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* All of `text`: 1 to 8 hexadecimal digits. */
static int read_half(const char *text, size_t size, uint64_t *half)
{
    *half = 0;
    for (size_t i = 0; i < size; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0)
            return 0;
        *half = *half << 4 | (uint64_t)digit;
    }
    return size >= 1 && size <= 8;
}

int pondi_lsn_parse(const char *text, size_t size, uint64_t *lsn)
{
    uint64_t high = 0;
    uint64_t low = 0;
    const char *slash = size <= 17 ? memchr(text, '/', size) : NULL;
    if (!slash || !read_half(text, (size_t)(slash - text), &high) ||
        !read_half(slash + 1, size - (size_t)(slash - text) - 1, &low))
        return 0;
    *lsn = high << 32 | low;
    return 1;
}

/* All of `text`: a decimal number up to `most`. */
static int read_number(const char *text, size_t size, uint64_t most, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < size; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (text[i] < '0' || text[i] > '9' || *number > most / 10 || 10 * *number > most - digit)
            return 0;
        *number = 10 * *number + digit;
    }
    return size > 0;
}

static int read_lsn(const char *text, size_t size, pondi_position *out, pond_error **err)
{
    uint64_t timeline = 0;
    const char *colon = memchr(text, ':', size);
    size_t before = colon ? (size_t)(colon - text) : 0;
    if (!colon || !read_number(text, before, UINT32_MAX, &timeline) || !timeline ||
        !pondi_lsn_parse(colon + 1, size - before - 1, &out->number))
        return pondi_error_set(err, POND_EINVAL,
                               "this is no position of PostgreSQL: expected a timeline and an LSN, "
                               "as in 3:16/B374D848");
    out->timeline = (uint32_t)timeline;
    return POND_OK;
}

static int read_text(pondi_position_kind kind, const char *text, size_t size, pondi_position *out,
                     pond_error **err)
{
    switch (kind) {
    case PONDI_POSITION_LSN:
        return read_lsn(text, size, out, err);
    case PONDI_POSITION_GTID:
        return pondi_gtids_parse_mariadb(text, size, &out->gtids, err);
    case PONDI_POSITION_GTID_SET:
        return pondi_gtids_parse_mysql(text, size, &out->gtids, err);
    case PONDI_POSITION_GALERA:
        if (!read_number(text, size, INT64_MAX, &out->number))
            return pondi_error_set(err, POND_EINVAL,
                                   "this is no position of Galera: expected a number");
        return POND_OK;
    default:
        return pondi_error_set(err, POND_EINVAL, "a position of this kind has no text");
    }
}

int pondi_position_parse(pondi_position_kind kind, const char *text, size_t size,
                         pondi_position *out, pond_error **err)
{
    *out = (pondi_position){0};
    int code = read_text(kind, text, size, out, err);
    if (code)
        *out = (pondi_position){0};
    else
        out->kind = kind;
    return code;
}

void pondi_position_print(const pondi_position *position, pondi_buffer *out)
{
    switch (position->kind) {
    case PONDI_POSITION_LSN:
        pondi_buffer_appendf(out, "%" PRIu32 ":%" PRIX64 "/%" PRIX64, position->timeline,
                             position->number >> 32, position->number & UINT32_MAX);
        return;
    case PONDI_POSITION_GTID:
        pondi_gtids_print_mariadb(&position->gtids, out);
        return;
    case PONDI_POSITION_GTID_SET:
        pondi_gtids_print_mysql(&position->gtids, out);
        return;
    case PONDI_POSITION_GALERA:
        pondi_buffer_appendf(out, "%" PRIu64, position->number);
        return;
    default:
        return;
    }
}

/* ---- Order -------------------------------------------------------------------------------- */

pondi_covers pondi_position_covers(const pondi_position *node, const pondi_position *wanted)
{
    if (wanted->kind == PONDI_POSITION_NONE)
        return PONDI_COVERS_YES;
    if (node->kind != wanted->kind || node->timeline != wanted->timeline)
        return PONDI_COVERS_UNKNOWN;
    int covers = node->kind == PONDI_POSITION_LSN || node->kind == PONDI_POSITION_GALERA
                     ? node->number >= wanted->number
                     : pondi_gtids_include(&node->gtids, &wanted->gtids);
    return covers ? PONDI_COVERS_YES : PONDI_COVERS_NO;
}

int pondi_position_is_whole(const pondi_position *commit, const pondi_position *primary)
{
    switch (commit->kind) {
    case PONDI_POSITION_LSN:
    case PONDI_POSITION_GALERA:
        return 1;
    case PONDI_POSITION_GTID:
        return commit->gtids.count == 1 && primary->kind == PONDI_POSITION_GTID &&
               primary->gtids.count <= 1 &&
               (!primary->gtids.count ||
                pondi_gtids_same_source(&commit->gtids.ranges[0], &primary->gtids.ranges[0]));
    default:
        return 0;
    }
}

int pondi_position_merge(pondi_position *position, const pondi_position *other, pond_error **err)
{
    if (other->kind == PONDI_POSITION_NONE)
        return POND_OK;
    if (position->kind == PONDI_POSITION_NONE)
        return pondi_position_copy(other, position, err);
    if (position->kind != other->kind)
        return pondi_error_set(err, POND_EINVAL, "positions of two kinds of database");
    if (position->timeline != other->timeline || position->kind == PONDI_POSITION_LSN ||
        position->kind == PONDI_POSITION_GALERA) {
        if (other->timeline > position->timeline ||
            (other->timeline == position->timeline && other->number > position->number))
            *position = *other;
        return POND_OK;
    }
    return pondi_gtids_unite(&position->gtids, &other->gtids, err);
}

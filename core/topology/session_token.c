/* Sessions as text: "1~7123456789.l3_c16_lB374D848~cluster.n.pdb2_c5432~o".
 *
 * The version, and then for each cluster, after a '~': its key, '.', a letter for the kind of the
 * position and its text; if something is pending there, ".p" and the node's key. An 'o' by itself
 * stands for all other clusters: something is pending at the primary of each. Keys and positions
 * have '_' and a letter for what may not be in a token.
 */
#include <string.h>

#include "base/given.h"
#include "topology/session.h"

enum { VERSION = '1', HEX_ESCAPE = 4, OTHERS_SIZE = 2 };

/* By pondi_position_kind. */
static const char kinds[PONDI_POSITION_KINDS] = {'n', 'l', 'm', 's', 'g'};

/* ---- Escapes ------------------------------------------------------------------------------- */

static const struct escape {
    char plain;
    char letter;
} escapes[] = {{':', 'c'}, {',', 's'}, {'/', 'l'}, {'.', 'd'}, {'_', '_'}};

enum { ESCAPES = sizeof(escapes) / sizeof(escapes[0]) };

static int is_plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

static void append_escaped_char(char c, pondi_buffer *out)
{
    for (size_t i = 0; i < ESCAPES; i++) {
        if (escapes[i].plain == c) {
            pondi_buffer_append_char(out, '_');
            pondi_buffer_append_char(out, escapes[i].letter);
            return;
        }
    }
    if (is_plain(c))
        pondi_buffer_append_char(out, c);
    else
        pondi_buffer_appendf(out, "_x%02x", (unsigned)(unsigned char)c);
}

static void append_escaped(const char *text, size_t size, pondi_buffer *out)
{
    for (size_t i = 0; i < size; i++)
        append_escaped_char(text[i], out);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character that the escape at `text` stands for, and its size; 0 if it is none, or one that
 * is never written. */
static size_t read_escape(const char *text, size_t size, char *c)
{
    if (size < 2)
        return 0;
    for (size_t i = 0; i < ESCAPES; i++) {
        if (escapes[i].letter == text[1]) {
            *c = escapes[i].plain;
            return 2;
        }
    }
    if (text[1] != 'x' || size < HEX_ESCAPE || hex_digit(text[2]) < 0 || hex_digit(text[3]) < 0)
        return 0;
    *c = (char)(hex_digit(text[2]) << 4 | hex_digit(text[3]));
    return *c ? HEX_ESCAPE : 0;
}

/* Append what an escaped text stands for. Returns 0 if it is none. */
static int append_plain(const char *text, size_t size, pondi_buffer *out)
{
    while (size) {
        char c = *text;
        size_t used = is_plain(c) ? 1 : c == '_' ? read_escape(text, size, &c) : 0;
        if (!used)
            return 0;
        pondi_buffer_append_char(out, c);
        text += used;
        size -= used;
    }
    return 1;
}

/* ---- Print --------------------------------------------------------------------------------- */

static void print_seen(const pondi_seen *seen, pondi_buffer *out)
{
    pondi_buffer position;
    pondi_buffer_init(&position);
    pondi_position_print(&seen->position, &position);
    pondi_buffer_append_char(out, '~');
    append_escaped(seen->cluster, strlen(seen->cluster), out);
    pondi_buffer_append_char(out, '.');
    pondi_buffer_append_char(out, kinds[seen->position.kind]);
    append_escaped(position.data, position.size, out);
    if (seen->pending) {
        pondi_buffer_append_text(out, ".p");
        append_escaped(seen->node, strlen(seen->node), out);
    }
    if (position.failed)
        out->failed = 1;
    pondi_buffer_free(&position);
}

/* What stands for one whose position is too long: all is pending at the primary. */
static void print_short(const pondi_seen *seen, pondi_buffer *out)
{
    pondi_buffer_append_char(out, '~');
    append_escaped(seen->cluster, strlen(seen->cluster), out);
    pondi_buffer_append_text(out, ".n.p");
}

/* Cut what was appended after `size` off again, if with it the token is too long. */
static int fits(pondi_buffer *out, size_t size)
{
    if (out->failed || out->size <= POND_SESSION_TOKEN_MAX - OTHERS_SIZE)
        return 1;
    out->size = size;
    out->data[size] = '\0';
    return 0;
}

static void print(const pond_session *session, pondi_buffer *out)
{
    int others = session->others;
    pondi_buffer_append_char(out, VERSION);
    for (const pondi_seen *seen = session->seen; seen; seen = seen->next) {
        size_t size = out->size;
        print_seen(seen, out);
        if (fits(out, size))
            continue;
        print_short(seen, out);
        if (!fits(out, size))
            others = 1;
    }
    if (others)
        pondi_buffer_append_text(out, "~o");
}

int pond_session_token(pond_session *session, char **out, pond_error **err)
{
    pondi_buffer text;
    if (out)
        *out = NULL;
    if (PONDI_GIVEN(err, session, out))
        return POND_EINVAL;
    pondi_buffer_init(&text);
    pondi_session_lock(session);
    print(session, &text);
    pondi_session_unlock(session);
    *out = pondi_buffer_take(&text);
    return *out ? POND_OK : pondi_error_nomem(err);
}

/* ---- Parse --------------------------------------------------------------------------------- */

/* A part of a token, without the separators around it. */
typedef struct part {
    const char *text;
    size_t size;
} part;

/* Take off what is before the next `separator`, or all; `from` is what is after it. Its text is
 * NULL once there is nothing more. */
static part take_part(part *from, char separator)
{
    part taken = *from;
    const char *end = from->text ? memchr(from->text, separator, from->size) : NULL;
    if (end) {
        taken.size = (size_t)(end - from->text);
        *from = (part){end + 1, from->size - taken.size - 1};
    } else {
        *from = (part){NULL, 0};
    }
    return taken;
}

static int refuse(pond_error **err, const char *reason)
{
    return pondi_error_set(
        err, POND_EINVAL,
        "this is no session token: %s. Pass the text that the token of a session "
        "had, unchanged, or start with an empty session",
        reason);
}

/* Read a key of at most `room` bytes, its NUL included. */
static int read_key(part from, char *out, size_t room, const char *reason, pond_error **err)
{
    pondi_buffer text;
    pondi_buffer_init(&text);
    int code = POND_OK;
    if (!append_plain(from.text, from.size, &text) || text.size >= room)
        code = refuse(err, reason);
    else if (text.failed)
        code = pondi_error_nomem(err);
    else if (text.size)
        memcpy(out, text.data, text.size + 1);
    pondi_buffer_free(&text);
    return code;
}

static int read_kind(char letter, pondi_position_kind *kind)
{
    for (int i = 0; i < PONDI_POSITION_KINDS; i++) {
        if (kinds[i] == letter) {
            *kind = (pondi_position_kind)i;
            return 1;
        }
    }
    return 0;
}

static int read_position(part from, pondi_position *out, pond_error **err)
{
    pondi_buffer text;
    pondi_position_kind kind = PONDI_POSITION_NONE;
    if (!from.size || !read_kind(from.text[0], &kind))
        return refuse(err, "it has a position of an unknown kind");
    if (kind == PONDI_POSITION_NONE)
        return from.size == 1 ? POND_OK : refuse(err, "it has a position that is none");
    pondi_buffer_init(&text);
    int code = POND_OK;
    if (!append_plain(from.text + 1, from.size - 1, &text))
        code = refuse(err, "a position has characters that none has");
    else if (text.failed)
        code = pondi_error_nomem(err);
    else
        code = pondi_position_parse(kind, text.data ? text.data : "", text.size, out, err);
    if (code == POND_EINVAL || code == POND_ERANGE)
        code = refuse(err, "it has a position that cannot be read");
    pondi_buffer_free(&text);
    return code;
}

static int read_pending(part from, pondi_seen *seen, pond_error **err)
{
    if (!from.text)
        return POND_OK;
    if (!from.size || from.text[0] != 'p')
        return refuse(err, "what follows a position is not what is pending");
    seen->pending = 1;
    part node = {from.text + 1, from.size - 1};
    return read_key(node, seen->node, sizeof(seen->node), "a node's name cannot be read", err);
}

static int read_seen(part from, pondi_seen *seen, pond_error **err)
{
    part key = take_part(&from, '.');
    if (!key.size)
        return refuse(err, "a database has no name");
    int code = read_key(key, seen->cluster, sizeof(seen->cluster),
                        "a database's name cannot be read", err);
    if (!code)
        code = read_position(take_part(&from, '.'), &seen->position, err);
    if (!code)
        code = read_pending(from, seen, err);
    return code;
}

/* Read what `from` says of one cluster, and if `session` is not NULL, let it have seen that. */
static int read_entry(part from, int64_t now_ns, pond_session *session, pond_error **err)
{
    pondi_seen seen = {.pending_ns = now_ns};
    int code = read_seen(from, &seen, err);
    if (!code && session)
        pondi_session_add(session, &seen);
    pondi_position_free(&seen.position);
    return code;
}

static int is_others(part entry)
{
    return entry.size == 1 && entry.text[0] == 'o';
}

static int read_token(part from, int64_t now_ns, pond_session *session, pond_error **err)
{
    part version = take_part(&from, '~');
    if (version.size != 1 || version.text[0] != VERSION)
        return refuse(err, "it does not begin with a version that this library knows");
    while (from.text) {
        part entry = take_part(&from, '~');
        if (!is_others(entry)) {
            int code = read_entry(entry, now_ns, session, err);
            if (code)
                return code;
        } else if (session) {
            pondi_session_add_others(session, now_ns);
        }
    }
    return POND_OK;
}

int pondi_session_merge(pond_session *session, const char *token, size_t size, int64_t now_ns,
                        pond_error **err)
{
    part all = {token, size};
    if (size > POND_SESSION_TOKEN_MAX)
        return refuse(err, "it is too long");
    int code = read_token(all, now_ns, NULL, err);
    if (code)
        return code;
    pondi_session_lock(session);
    code = read_token(all, now_ns, session, err);
    pondi_session_unlock(session);
    return code;
}

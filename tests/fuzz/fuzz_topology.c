/* Positions of nodes and tokens of sessions, of any bytes: no crash; what can be read is printed so
 * that it is read as the same; and the maximum of two positions has what both have. The first byte
 * says what the rest is: a position of a kind, or two with a '|' between them, or a token. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "millpond/millpond.h"
#include "topology/session.h"

static void require(int condition)
{
    if (!condition)
        abort();
}

static int is_same_text(const pondi_buffer *a, const pondi_buffer *b)
{
    return a->size == b->size && (!a->size || memcmp(a->data, b->data, a->size) == 0);
}

/* ---- Positions ----------------------------------------------------------------------------- */

static int is_equal(const pondi_position *a, const pondi_position *b)
{
    pondi_buffer texts[2];
    pondi_buffer_init(&texts[0]);
    pondi_buffer_init(&texts[1]);
    pondi_position_print(a, &texts[0]);
    pondi_position_print(b, &texts[1]);
    int equal = is_same_text(&texts[0], &texts[1]);
    pondi_buffer_free(&texts[0]);
    pondi_buffer_free(&texts[1]);
    return equal;
}

static int read_position(pondi_position_kind kind, const char *text, size_t size,
                         pondi_position *out)
{
    pond_error *error = NULL;
    int code = pondi_position_parse(kind, text, size, out, &error);
    require((code == POND_OK) == (error == NULL) && (code == POND_OK || out->kind == 0));
    pond_error_free(error);
    return code == POND_OK;
}

static void check_printed(const pondi_position *position)
{
    pondi_buffer text;
    pondi_position again;
    pondi_buffer_init(&text);
    pondi_position_print(position, &text);
    require(read_position(position->kind, text.data ? text.data : "", text.size, &again));
    require(is_equal(position, &again));
    require(pondi_position_covers(position, &again) == PONDI_COVERS_YES);
    pondi_position_free(&again);
    pondi_buffer_free(&text);
}

/* `a` becomes the maximum of both. */
static void check_maximum(pondi_position *a, pondi_position *b)
{
    pondi_position before;
    require(pondi_position_copy(a, &before, NULL) == POND_OK);
    pondi_covers covers = pondi_position_covers(a, b);
    require((covers == PONDI_COVERS_UNKNOWN) ==
            (pondi_position_covers(b, a) == PONDI_COVERS_UNKNOWN));
    if (pondi_position_merge(a, b, NULL) == POND_OK &&
        pondi_position_merge(b, &before, NULL) == POND_OK) {
        require(is_equal(a, b));
        require(covers == PONDI_COVERS_UNKNOWN ||
                pondi_position_covers(a, &before) == PONDI_COVERS_YES);
    }
    check_printed(a);
    pondi_position_free(&before);
}

static void check_positions(pondi_position_kind kind, const char *text, size_t size)
{
    pondi_position a;
    pondi_position b;
    const char *bar = memchr(text, '|', size);
    size_t left = bar ? (size_t)(bar - text) : size;
    if (!read_position(kind, text, left, &a))
        return;
    check_printed(&a);
    if (bar && read_position(kind, bar + 1, size - left - 1, &b)) {
        check_maximum(&a, &b);
        pondi_position_free(&b);
    }
    pondi_position_free(&a);
}

/* ---- Tokens -------------------------------------------------------------------------------- */

static char *token_of(pond_session *session)
{
    char *token = NULL;
    require(pond_session_token(session, &token, NULL) == POND_OK);
    require(strlen(token) <= POND_SESSION_TOKEN_MAX);
    return token;
}

static char *token_again(const char *token)
{
    pond_session *session = NULL;
    require(pond_session_new(token, &session, NULL) == POND_OK);
    char *again = token_of(session);
    pond_session_release(session);
    return again;
}

/* Each time clusters come in the other order. Where some had no room, the rest is pending. */
static void check_token(const char *token)
{
    char *first = token_again(token);
    char *second = token_again(first);
    char *third = token_again(second);
    require(strstr(first, "~o") || strcmp(first, third) == 0);
    pond_string_free(first);
    pond_string_free(second);
    pond_string_free(third);
}

static void check_any_token(const char *text, size_t size)
{
    pond_session *session = NULL;
    pond_error *error = NULL;
    require(pond_session_new(NULL, &session, NULL) == POND_OK);
    int code = pondi_session_merge(session, text, size, 1, &error);
    require((code == POND_OK) == (error == NULL));
    char *token = token_of(session);
    if (code)
        require(strcmp(token, "1") == 0);
    check_token(token);
    pond_string_free(token);
    pond_error_free(error);
    pond_session_release(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    const char *text = (const char *)data + 1;
    if (data[0] % PONDI_POSITION_KINDS == PONDI_POSITION_NONE)
        check_any_token(text, size - 1);
    else
        check_positions((pondi_position_kind)(data[0] % PONDI_POSITION_KINDS), text, size - 1);
    return 0;
}

#include "sql/places.h"

#include <string.h>

#include "base/alloc.h"
#include "sql/tokenizer.h"

#define NONE SIZE_MAX

typedef enum frame_kind {
    FRAME_GROUP, /* parentheses around an expression, or a row */
    FRAME_CALL,  /* arguments, or the columns of a table */
    FRAME_VALUES,
    FRAME_IN
} frame_kind;

/* One open parenthesis, or the statement itself. */
typedef struct frame {
    frame_kind kind;
    size_t open;
    pondi_token before; /* the token before it */
    int assigned;       /* which is the `=` of an assignment */
    size_t first;       /* its first placeholder */
    size_t in;          /* FRAME_IN: which */
    int is_query;
    size_t commas;
    size_t item_start;
    size_t item_end;
    size_t units; /* of the current item: tokens, and parentheses as one */
    size_t sole;  /* the placeholder, if the last unit is one */
    enum { NO_SET, SET_NAME, SET_VALUE } set;
} frame;

typedef struct finder {
    const char *sql;
    size_t size;
    pondi_places *places;
    frame *frames;
    size_t depth;
    size_t frame_room;
    pondi_token last[3]; /* significant tokens, the newest first */
    int assigning;       /* the newest is the `=` of an assignment */
    size_t pending;      /* the placeholder that ends at the newest; NONE: it does not */
    frame closed;        /* the parentheses that ended last, and where */
    size_t closed_at;
} finder;

/* ---- Tokens ------------------------------------------------------------------------------ */

static int is_char(const pondi_token *token, char c)
{
    return token->kind == PONDI_TOKEN_OTHER && token->size == 1 && *token->text == c;
}

static int is_any(const pondi_token *token, const char *const *words)
{
    for (; *words; words++) {
        if (pondi_token_is_word(token, *words))
            return 1;
    }
    return 0;
}

/* Words that an opening parenthesis may follow, and that are no function's name. */
static int is_keyword(const pondi_token *token)
{
    static const char *const words[] = {
        "AND",   "OR",        "XOR",    "NOT",     "WHERE",    "ON",   "HAVING", "WHEN",
        "THEN",  "ELSE",      "CASE",   "SELECT",  "DISTINCT", "ALL",  "BY",     "ROW",
        "SET",   "IS",        "LIKE",   "BETWEEN", "FROM",     "JOIN", "LIMIT",  "AS",
        "USING", "RETURNING", "OFFSET", "ANY",     "SOME",     NULL};
    return is_any(token, words);
}

static int compares_after(const pondi_token *before)
{
    static const char *const words[] = {
        "LIKE",   "ILIKE",  "GLOB", "REGEXP", "RLIKE",  "MATCH", "BETWEEN",  "AND",     "OR",
        "XOR",    "NOT",    "IS",   "WHERE",  "HAVING", "ON",    "CASE",     "WHEN",    "LIMIT",
        "OFFSET", "ESCAPE", "BY",   "DIV",    "MOD",    "FROM",  "INTERVAL", "SIMILAR", NULL};
    return (before->kind == PONDI_TOKEN_OTHER && before->size == 1 &&
            strchr("=<>!+-*/%|&^~", *before->text)) ||
           is_any(before, words);
}

static int compares_before(const finder *at, const pondi_token *next)
{
    static const char *const words[] = {"LIKE",    "ILIKE", "GLOB",   "REGEXP",  "RLIKE",  "MATCH",
                                        "BETWEEN", "AND",   "OR",     "XOR",     "NOT",    "IN",
                                        "DIV",     "MOD",   "MEMBER", "SIMILAR", "SOUNDS", NULL};
    if (is_char(next, '-')) /* `->` takes something from a JSON value */
        return next->text + 1 >= at->sql + at->size || next->text[1] != '>';
    return (next->kind == PONDI_TOKEN_OTHER && next->size == 1 &&
            strchr("=<>!+*/%|&^~", *next->text)) ||
           is_any(next, words);
}

/* Functions of one plain value: of a list's JSON text they make nonsense. */
static int wants_plain(const pondi_token *function)
{
    static const char *const words[] = {"UPPER", "LOWER", "TRIM",  "LTRIM",  "RTRIM",       "ABS",
                                        "ROUND", "CEIL",  "FLOOR", "LENGTH", "CHAR_LENGTH", NULL};
    return is_any(function, words);
}

/* ---- Memory ------------------------------------------------------------------------------ */

static int has_room(void **items, size_t *room, size_t count, size_t size)
{
    if (count < *room)
        return 1;
    size_t wanted = *room ? *room * 2 : 16;
    void *more = wanted < SIZE_MAX / size ? pondi_realloc(*items, wanted * size) : NULL;
    if (!more)
        return 0;
    *items = more;
    *room = wanted;
    return 1;
}

/* ---- Items ------------------------------------------------------------------------------- */

static void begin_item(frame *top, size_t start)
{
    top->item_start = start;
    top->item_end = start;
    top->units = 0;
    top->sole = NONE;
}

static void add_unit(finder *at, size_t sole, const pondi_token *token)
{
    frame *top = &at->frames[at->depth];
    size_t start = (size_t)(token->text - at->sql);
    if (!top->units)
        top->item_start = start;
    top->item_end = start + token->size;
    top->units++;
    top->sole = sole;
}

static int end_item(finder *at)
{
    const frame *top = &at->frames[at->depth];
    pondi_places *places = at->places;
    if (top->kind != FRAME_IN || top->is_query || !top->units)
        return 1;
    if (!has_room((void **)&places->items, &places->item_room, places->item_count,
                  sizeof(*places->items)))
        return 0;
    pondi_in *in = &places->ins[top->in];
    size_t placeholder = top->units == 1 ? top->sole : NONE;
    if (!in->item_count++)
        in->first_item = places->item_count;
    places->items[places->item_count++] =
        (pondi_in_item){top->in, top->item_start, top->item_end, placeholder};
    if (placeholder != NONE)
        places->placeholders[placeholder].place = PONDI_PLACE_ITEM;
    return 1;
}

/* ---- Parentheses ------------------------------------------------------------------------- */

static frame_kind kind_of(const finder *at)
{
    const pondi_token *before = &at->last[0];
    if (pondi_token_is_word(before, "IN") && !is_char(&at->last[1], '.'))
        return FRAME_IN;
    if (pondi_token_is_word(before, "VALUES") || pondi_token_is_word(before, "VALUE"))
        return FRAME_VALUES;
    if (is_char(before, ',') && at->closed.kind == FRAME_VALUES && is_char(&at->last[1], ')') &&
        at->closed_at == (size_t)(at->last[1].text - at->sql))
        return FRAME_VALUES; /* a further row */
    if (before->kind == PONDI_TOKEN_WORD)
        return is_keyword(before) ? FRAME_GROUP : FRAME_CALL;
    return before->kind == PONDI_TOKEN_QUOTED || before->kind == PONDI_TOKEN_BRACKETED
               ? FRAME_CALL
               : FRAME_GROUP;
}

static int begin_in(finder *at, size_t open)
{
    pondi_places *places = at->places;
    int negated = pondi_token_is_word(&at->last[1], "NOT");
    const pondi_token *first = &at->last[negated];
    const pondi_token *left = &at->last[negated + 1];
    if (!has_room((void **)&places->ins, &places->in_room, places->in_count, sizeof(*places->ins)))
        return 0;
    pondi_in *in = &places->ins[places->in_count++];
    *in = (pondi_in){.start = (size_t)(first->text - at->sql), .negated = negated, .open = open};
    if (is_char(left, ')') && at->closed_at == (size_t)(left->text - at->sql) &&
        at->closed.kind == FRAME_GROUP && at->closed.commas) {
        in->width = at->closed.commas + 1;
        in->left_start = at->closed.open + 1;
        in->left_end = at->closed_at;
    }
    return 1;
}

static int open_frame(finder *at, const pondi_token *token)
{
    size_t open = (size_t)(token->text - at->sql);
    frame made = {.kind = kind_of(at),
                  .open = open,
                  .before = at->last[0],
                  .assigned = at->assigning,
                  .first = at->places->count};
    if (made.kind == FRAME_IN && !begin_in(at, open))
        return 0;
    if (!has_room((void **)&at->frames, &at->frame_room, at->depth + 1, sizeof(*at->frames)))
        return 0;
    made.in = at->places->in_count - 1;
    begin_item(&made, open + 1);
    at->frames[++at->depth] = made;
    return 1;
}

/* A row is compared as a whole, unless it is assigned. */
static void close_row(finder *at, const frame *row)
{
    if (row->kind != FRAME_GROUP || !row->commas || row->assigned)
        return;
    for (size_t i = row->first; i < at->places->count; i++) {
        if (at->places->placeholders[i].depth == at->depth + 1)
            at->places->placeholders[i].place = PONDI_PLACE_COMPARED;
    }
}

static int close_frame(finder *at, const pondi_token *token)
{
    size_t close = (size_t)(token->text - at->sql);
    if (!at->depth)
        return 1; /* the database will say so */
    if (!end_item(at))
        return 0;
    frame done = at->frames[at->depth--];
    if (done.kind == FRAME_IN)
        at->places->ins[done.in].close = close;
    close_row(at, &done);
    const pondi_token whole = {PONDI_TOKEN_OTHER, at->sql + done.open, close + 1 - done.open};
    int transparent = done.kind == FRAME_GROUP && done.units == 1 && !done.commas &&
                      done.sole != NONE &&
                      !is_any(&done.before, (const char *const[]){"ROW", NULL});
    add_unit(at, transparent ? done.sole : NONE, &whole);
    if (transparent) {
        pondi_placeholder *inner = &at->places->placeholders[done.sole];
        inner->depth = at->depth;
        if (compares_after(&done.before) && !done.assigned)
            inner->place = PONDI_PLACE_COMPARED;
        at->pending = done.sole;
    }
    at->closed = done;
    at->closed_at = close;
    return 1;
}

/* ---- Assignments ------------------------------------------------------------------------- */

static void note_word(finder *at, const pondi_token *token)
{
    static const char *const ends[] = {"WHERE", "FROM", "RETURNING", "ORDER", "LIMIT", NULL};
    static const char *const queries[] = {"SELECT", "WITH", "VALUES", "TABLE", NULL};
    frame *top = &at->frames[at->depth];
    if (!top->units && !top->commas && is_any(token, queries))
        top->is_query = 1;
    if ((pondi_token_is_word(token, "SET") && !pondi_token_is_word(&at->last[0], "CHARACTER")) ||
        (pondi_token_is_word(token, "UPDATE") && pondi_token_is_word(&at->last[0], "KEY")))
        top->set = SET_NAME;
    else if (is_any(token, ends))
        top->set = NO_SET;
}

static int assigns(finder *at, const pondi_token *token)
{
    frame *top = &at->frames[at->depth];
    if (!is_char(token, '='))
        return 0;
    int is_assignment = top->set == SET_NAME || is_char(&at->last[0], ':');
    if (top->set == SET_NAME)
        top->set = SET_VALUE;
    return is_assignment;
}

/* ---- All --------------------------------------------------------------------------------- */

/* In `IN (VALUES (?))`, or an argument of such a function. */
static int is_in_plain_place(const finder *at)
{
    const frame *top = &at->frames[at->depth];
    if (top->kind == FRAME_VALUES)
        return at->depth > 1 && top[-1].kind == FRAME_IN;
    return top->kind == FRAME_CALL && wants_plain(&top->before);
}

static int add_placeholder(finder *at, const pondi_token *token)
{
    pondi_places *places = at->places;
    if (!has_room((void **)&places->placeholders, &places->room, places->count,
                  sizeof(*places->placeholders)))
        return 0;
    int compared = (compares_after(&at->last[0]) && !at->assigning) || is_in_plain_place(at);
    places->placeholders[places->count] =
        (pondi_placeholder){(size_t)(token->text - at->sql), at->depth,
                            compared ? PONDI_PLACE_COMPARED : PONDI_PLACE_VALUE};
    add_unit(at, places->count, token);
    at->pending = places->count++;
    return 1;
}

static int take_comma(finder *at, const pondi_token *token)
{
    if (!end_item(at))
        return 0;
    frame *top = &at->frames[at->depth];
    top->commas++;
    if (top->set == SET_VALUE)
        top->set = SET_NAME;
    begin_item(top, (size_t)(token->text - at->sql) + 1);
    return 1;
}

static int take(finder *at, const pondi_token *token)
{
    if (at->pending != NONE && compares_before(at, token))
        at->places->placeholders[at->pending].place = PONDI_PLACE_COMPARED;
    at->pending = NONE;
    if (is_char(token, '('))
        return open_frame(at, token);
    if (is_char(token, ')'))
        return close_frame(at, token);
    if (is_char(token, ','))
        return take_comma(at, token);
    if (token->kind == PONDI_TOKEN_PLACEHOLDER)
        return add_placeholder(at, token);
    if (token->kind == PONDI_TOKEN_WORD)
        note_word(at, token);
    add_unit(at, NONE, token);
    return 1;
}

static int find(finder *at, pond_dialect dialect, pond_error **err)
{
    pondi_tokenizer tokenizer;
    pondi_token token;
    pondi_tokenizer_init(&tokenizer, dialect, at->sql, at->size);
    for (;;) {
        int code = pondi_tokenizer_next(&tokenizer, &token, err);
        if (code || token.kind == PONDI_TOKEN_END)
            return code;
        if (token.kind == PONDI_TOKEN_SPACE || token.kind == PONDI_TOKEN_COMMENT)
            continue;
        int assigning = assigns(at, &token);
        if (!take(at, &token))
            return pondi_error_nomem(err);
        at->assigning = assigning;
        at->last[2] = at->last[1];
        at->last[1] = at->last[0];
        at->last[0] = token;
    }
}

int pondi_places_find(pond_dialect dialect, const char *sql, size_t size, pondi_places *out,
                      pond_error **err)
{
    finder at = {.sql = sql, .size = size, .places = out, .pending = NONE, .closed_at = NONE};
    memset(out, 0, sizeof(*out));
    if (!has_room((void **)&at.frames, &at.frame_room, 0, sizeof(*at.frames)))
        return pondi_error_nomem(err);
    at.frames[0] = (frame){.sole = NONE};
    int code = find(&at, dialect, err);
    while (at.depth) { /* never closed: no list, and the database will say so */
        const frame *top = &at.frames[at.depth--];
        if (top->kind == FRAME_IN)
            out->ins[top->in].item_count = 0;
    }
    pondi_free(at.frames);
    return code;
}

void pondi_places_free(pondi_places *places)
{
    pondi_free(places->placeholders);
    pondi_free(places->ins);
    pondi_free(places->items);
    memset(places, 0, sizeof(*places));
}

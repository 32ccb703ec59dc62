/* Results come in binary or in text, all columns alike. Text depends on the session: on DateStyle,
 * IntervalStyle, and on extra_float_digits, which cuts digits off. Where a column can come in text
 * alone and another would suffer from that, the statement is prepared once more inside another,
 * which makes text of the former: then all come in binary.
 *
 * ROW(x)::text is the text of any type's own output function, and tells NULL from nothing. */
#include <string.h>

#include "drivers/postgres/postgres.h"
#include "sql/tokenizer.h"

/* ---- Whether ----------------------------------------------------------------------------- */

static int begins_with(const char *text, const char *start)
{
    return text && strncmp(text, start, strlen(start)) == 0;
}

static int has_plain_style(const pg_conn *conn)
{
    const char *interval = PQparameterStatus(conn->pg, "IntervalStyle");
    return begins_with(PQparameterStatus(conn->pg, "DateStyle"), "ISO") && interval &&
           strcmp(interval, "postgres") == 0;
}

static int is_float(Oid like)
{
    return like == OID_FLOAT4 || like == OID_FLOAT8;
}

static int has_style(Oid like)
{
    return like == OID_DATE || like == OID_TIMESTAMP || like == OID_TIMESTAMPTZ ||
           like == OID_INTERVAL;
}

void pondi_postgres_note_styles(const pg_conn *conn, pg_statement *statement)
{
    pg_type type;
    for (int i = 0; i < statement->column_count; i++) {
        pondi_postgres_find_type(conn, statement->column_types[i], &type);
        statement->floats |= is_float(type.like);
        statement->styled |= has_style(type.like);
    }
}

int pondi_postgres_text_suffers(const pg_conn *conn, const pg_statement *statement)
{
    if (statement->binary || statement->wrapped || statement->unwrappable)
        return 0;
    return statement->floats || (statement->styled && !has_plain_style(conn));
}

/* ---- How --------------------------------------------------------------------------------- */

typedef struct words {
    int with;
    int writes;
} words;

/* "FOR UPDATE" writes nothing. */
static words words_of(const pondi_statement *statement)
{
    pondi_tokenizer tokens;
    pondi_token token;
    words found = {0};
    int after_for = 0;
    pondi_tokenizer_init(&tokens, POND_DIALECT_POSTGRES, statement->native, statement->native_size);
    while (!pondi_tokenizer_next(&tokens, &token, NULL) && token.kind != PONDI_TOKEN_END) {
        if (token.kind != PONDI_TOKEN_WORD)
            continue;
        int update = pondi_token_is_word(&token, "UPDATE") && !after_for;
        found.with |= pondi_token_is_word(&token, "WITH");
        found.writes |= update || pondi_token_is_word(&token, "INSERT") ||
                        pondi_token_is_word(&token, "DELETE") ||
                        pondi_token_is_word(&token, "MERGE");
        after_for = pondi_token_is_word(&token, "FOR") || pondi_token_is_word(&token, "NO") ||
                    (after_for && pondi_token_is_word(&token, "KEY"));
    }
    return found;
}

static int is_any(const char *verb, const char *const *verbs)
{
    for (; *verbs; verbs++) {
        if (strcmp(*verbs, verb) == 0)
            return 1;
    }
    return 0;
}

static int is_query(const pondi_statement *statement)
{
    static const char *const queries[] = {"SELECT", "VALUES", "TABLE", NULL};
    if (strcmp(statement->info.verb, "WITH") == 0)
        return !words_of(statement).writes;
    return is_any(statement->info.verb, queries);
}

/* What writes may stand at the top alone, where it cannot be if it has a WITH of its own. A rule
 * may forbid it, too, and an error ends a transaction. */
static int is_plain_write(const pg_conn *conn, const pondi_statement *statement)
{
    static const char *const writes[] = {"INSERT", "UPDATE", "DELETE", "MERGE", NULL};
    return is_any(statement->info.verb, writes) && !words_of(statement).with &&
           PQtransactionStatus(conn->pg) == PQTRANS_IDLE;
}

static void put_statement(pondi_buffer *out, const pondi_statement *statement)
{
    pondi_tokenizer tokens;
    pondi_token token;
    pondi_tokenizer_init(&tokens, POND_DIALECT_POSTGRES, statement->native, statement->native_size);
    while (!pondi_tokenizer_next(&tokens, &token, NULL) && token.kind != PONDI_TOKEN_END) {
        if (token.kind == PONDI_TOKEN_SEMICOLON)
            pondi_buffer_append_char(out, ' ');
        else
            pondi_buffer_append(out, token.text, token.size);
    }
    pondi_buffer_append_char(out, '\n'); /* after a comment */
}

static void put_name(pondi_buffer *out, const char *name)
{
    pondi_buffer_append_char(out, '"');
    for (; *name; name++) {
        if (*name == '"')
            pondi_buffer_append_char(out, '"');
        pondi_buffer_append_char(out, *name);
    }
    pondi_buffer_append_char(out, '"');
}

static void put_columns(pondi_buffer *out, const pg_conn *conn, const pg_statement *statement)
{
    const char *name = statement->names.data;
    pondi_buffer_append_text(out, "SELECT ");
    for (int i = 0; i < statement->column_count; i++, name += strlen(name) + 1) {
        int binary = pondi_postgres_has_binary(conn, statement->column_types[i]);
        pondi_buffer_appendf(out, binary ? "%st.c%d AS " : "%sROW(t.c%d)::pg_catalog.text AS ",
                             i ? ", " : "", i);
        put_name(out, name);
    }
}

static void put_aliases(pondi_buffer *out, const pg_statement *statement)
{
    pondi_buffer_append_text(out, " t (");
    for (int i = 0; i < statement->column_count; i++)
        pondi_buffer_appendf(out, "%sc%d", i ? ", " : "", i);
    pondi_buffer_append_text(out, ")");
}

int pondi_postgres_wrap(const pg_conn *conn, const pg_statement *statement, pondi_buffer *out,
                        size_t *before)
{
    const pondi_statement *given = conn->base.current->statement;
    int query = is_query(given);
    if (statement->names.failed || (!query && !is_plain_write(conn, given)))
        return 0;
    if (query) {
        put_columns(out, conn, statement);
        pondi_buffer_append_text(out, " FROM (");
    } else {
        pondi_buffer_append_text(out, "WITH");
        put_aliases(out, statement);
        pondi_buffer_append_text(out, " AS (");
    }
    *before = out->failed ? 0 : pondi_count_characters(out->data, out->size);
    put_statement(out, given);
    pondi_buffer_append_text(out, ")");
    if (query) {
        put_aliases(out, statement);
    } else {
        pondi_buffer_append_char(out, ' ');
        put_columns(out, conn, statement);
        pondi_buffer_append_text(out, " FROM t");
    }
    return !out->failed;
}

/* ---- Back -------------------------------------------------------------------------------- */

int pondi_postgres_unwrap(const char *data, int size, pondi_arena *arena, const char **text,
                          int *length)
{
    const char *end = data + size - 1;
    *text = NULL;
    *length = 0;
    if (size < 2 || data[0] != '(' || *end != ')')
        return POND_EDATA;
    if (size == 2)
        return POND_OK; /* NULL */
    char *out = pondi_arena_alloc(arena, (size_t)size);
    if (!out)
        return POND_ENOMEM;
    int quoted = data[1] == '"';
    const char *at = data + 1 + quoted;
    end -= quoted;
    while (at < end) {
        at += (*at == '"' || *at == '\\') && at + 1 < end; /* each is doubled */
        out[(*length)++] = *at++;
    }
    out[*length] = '\0';
    *text = out;
    return POND_OK;
}

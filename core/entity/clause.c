/* What callers write of a statement: conditions and orders. */
#include <string.h>

#include "entity/plan.h"
#include "millpond/millpond.h"
#include "sql/lists.h"
#include "sql/tokenizer.h"

void pondi_put_table(pond_plan *plan, const char *suffix)
{
    pondi_quote_with(pondi_plan_dialect(plan), plan->name, suffix, &plan->sql);
}

const char *pondi_id_as_bytes(const pond_plan *plan)
{
    return pondi_plan_facts(plan)->id_as_bytes;
}

void pondi_put_id_is(pond_plan *plan, const pond_value *id)
{
    pondi_buffer_append_text(&plan->sql, "id = ?");
    pondi_plan_param(plan, id);
    if (!plan->entity->loose)
        return;
    pondi_buffer_append_text(&plan->sql, " AND ");
    pondi_buffer_append_text(&plan->sql, pondi_id_as_bytes(plan));
    pondi_buffer_append_text(&plan->sql, " = ?");
    pondi_plan_param(plan, id);
}

/* ---- Conditions -------------------------------------------------------------------------- */

static int keep_spread(pond_plan *plan, const pondi_spread *spread, pond_error **err)
{
    pond_value *values = pondi_arena_alloc(&plan->arena, (spread->count + 1) * sizeof(*values));
    const char *where = pondi_arena_copy(&plan->arena, spread->sql.data, spread->sql.size);
    int code = values && where ? POND_OK : pondi_error_nomem(err);
    for (size_t i = 0; i < spread->count && !code; i++)
        code = pondi_copy_value(&plan->arena, &spread->values[i], &values[i], err);
    if (code)
        return code;
    plan->where = where;
    plan->where_params = values;
    plan->where_count = spread->count;
    return POND_OK;
}

/* Lists in IN are spread here, so that a backend in another language needs to know of none. */
static int spread_lists(pond_plan *plan, pond_error **err)
{
    pondi_places places = {0};
    pondi_spread spread;
    size_t size = strlen(plan->where);
    if (!pondi_has_list(plan->where_params, plan->where_count))
        return POND_OK;
    pondi_spread_init(&spread);
    pond_dialect dialect = pondi_plan_dialect(plan);
    int code = pondi_places_find(dialect, plan->where, size, &places, err);
    if (!code && places.count == plan->where_count)
        code = pondi_lists_spread(dialect, PONDI_ARRAY_PLAIN, &places, plan->where, size,
                                  plan->where_params, &spread, err);
    if (!code && places.count == plan->where_count)
        code = keep_spread(plan, &spread, err);
    pondi_places_free(&places);
    pondi_spread_free(&spread);
    return code;
}

/* One condition: nothing in it may end the parentheses around it. Comments are left out. */
static int put_condition(pond_plan *plan, pond_error **err)
{
    pondi_tokenizer tokenizer;
    pondi_token token;
    size_t depth = 0;
    size_t placeholders = 0;
    size_t words = 0;
    pondi_tokenizer_init(&tokenizer, pondi_plan_dialect(plan), plan->where, strlen(plan->where));
    for (;;) {
        int code = pondi_tokenizer_next(&tokenizer, &token, err);
        if (code)
            return code;
        if (token.kind == PONDI_TOKEN_END)
            break;
        int other = token.kind == PONDI_TOKEN_OTHER && token.size == 1;
        depth += other && *token.text == '(';
        if (other && *token.text == ')' && depth-- == 0)
            return pondi_error_set(err, POND_ESYNTAX,
                                   "the condition closes a parenthesis that it did not open");
        if (token.kind == PONDI_TOKEN_SEMICOLON || (token.kind == PONDI_TOKEN_OTHER && !other))
            return pondi_error_set(err, POND_ESYNTAX,
                                   "the condition has \"%.*s\" in it: it must be one condition",
                                   (int)token.size, token.text);
        placeholders += token.kind == PONDI_TOKEN_PLACEHOLDER;
        words += token.kind != PONDI_TOKEN_SPACE && token.kind != PONDI_TOKEN_COMMENT;
        if (token.kind == PONDI_TOKEN_COMMENT)
            pondi_buffer_append_char(&plan->sql, ' ');
        else
            pondi_buffer_append(&plan->sql, token.text, token.size);
    }
    if (depth)
        return pondi_error_set(err, POND_ESYNTAX, "the condition leaves a parenthesis open");
    if (!words)
        return pondi_error_set(err, POND_ESYNTAX, "the condition is empty: leave it out instead");
    if (placeholders == plan->where_count)
        return POND_OK;
    return pondi_error_set(err, POND_EPARAMS,
                           "the condition has %zu placeholder%s and got %zu parameter%s",
                           placeholders, placeholders == 1 ? "" : "s", plan->where_count,
                           plan->where_count == 1 ? "" : "s");
}

int pondi_put_where(pond_plan *plan, pond_error **err)
{
    int code = spread_lists(plan, err);
    pondi_buffer_append_char(&plan->sql, '(');
    if (!code)
        code = put_condition(plan, err);
    pondi_buffer_append_char(&plan->sql, ')');
    for (size_t i = 0; i < plan->where_count && !code; i++)
        pondi_plan_param(plan, &plan->where_params[i]);
    return code;
}

/* ---- Orders ------------------------------------------------------------------------------ */

/* One item: a column, its direction, and where rows without a value go. */
typedef struct item {
    const pondi_column *column;
    int descending;
    int nulls_first;
} item;

static int next_word(pondi_tokenizer *tokenizer, pondi_token *token, pond_error **err)
{
    int code;
    do
        code = pondi_tokenizer_next(tokenizer, token, err);
    while (!code && (token->kind == PONDI_TOKEN_SPACE || token->kind == PONDI_TOKEN_COMMENT));
    return code;
}

static int bad_order(const pondi_token *token, pond_error **err)
{
    return pondi_error_set(err, POND_ESYNTAX,
                           "order_by has an unexpected \"%.*s\": write columns, each with ASC "
                           "or DESC and NULLS FIRST or NULLS LAST, separated by commas",
                           (int)(token->size > 40 ? 40 : token->size), token->text);
}

static int find_column(const pond_plan *plan, const pondi_token *token, item *out, pond_error **err)
{
    char name[80];
    size_t size = token->size;
    const char *text = token->text;
    if (token->kind == PONDI_TOKEN_QUOTED || token->kind == PONDI_TOKEN_BRACKETED) {
        text++;
        size -= 2;
    } else if (token->kind != PONDI_TOKEN_WORD) {
        return bad_order(token, err);
    }
    if (size >= sizeof(name))
        return bad_order(token, err);
    memcpy(name, text, size);
    name[size] = '\0';
    out->column = pondi_entity_find_like(plan->entity, name);
    if (out->column)
        return POND_OK;
    return pondi_error_set(err, POND_EUNDEFINED,
                           "order_by names \"%s\", which is not a field of %s", name, plan->name);
}

/* After the column: at the end, *token is what follows the item. */
static int read_modifiers(pondi_tokenizer *tokenizer, pondi_token *token, item *out,
                          pond_error **err)
{
    int code = next_word(tokenizer, token, err);
    if (!code && (pondi_token_is_word(token, "ASC") || pondi_token_is_word(token, "DESC"))) {
        out->descending = pondi_token_is_word(token, "DESC");
        code = next_word(tokenizer, token, err);
    }
    out->nulls_first = out->descending;
    if (code || !pondi_token_is_word(token, "NULLS"))
        return code;
    code = next_word(tokenizer, token, err);
    if (!code && !pondi_token_is_word(token, "FIRST") && !pondi_token_is_word(token, "LAST"))
        return bad_order(token, err);
    out->nulls_first = pondi_token_is_word(token, "FIRST");
    return code ? code : next_word(tokenizer, token, err);
}

/* The same order everywhere: rows without a value last, or first when descending. */
static void put_item(pond_plan *plan, const item *one)
{
    pond_dialect dialect = pondi_plan_dialect(plan);
    int orders_nulls = pondi_plan_facts(plan)->orders_nulls;
    if (!orders_nulls) {
        pondi_quote(dialect, one->column->name, &plan->sql);
        pondi_buffer_append_text(&plan->sql, one->nulls_first ? " IS NULL DESC, " : " IS NULL, ");
    }
    pondi_quote(dialect, one->column->name, &plan->sql);
    pondi_buffer_append_text(&plan->sql, one->descending ? " DESC" : "");
    if (orders_nulls)
        pondi_buffer_append_text(&plan->sql, one->nulls_first ? " NULLS FIRST" : " NULLS LAST");
}

int pondi_put_order(pond_plan *plan, pond_error **err)
{
    pondi_tokenizer tokenizer;
    pondi_token token = {.kind = PONDI_TOKEN_END};
    const char *order = plan->order_by ? plan->order_by : "id";
    int comma = 1;
    int by_id = 0;
    pondi_tokenizer_init(&tokenizer, pondi_plan_dialect(plan), order, strlen(order));
    pondi_buffer_append_text(&plan->sql, " ORDER BY ");
    while (comma) {
        item one = {0};
        int code = next_word(&tokenizer, &token, err);
        if (!code)
            code = find_column(plan, &token, &one, err);
        if (!code)
            code = read_modifiers(&tokenizer, &token, &one, err);
        if (code)
            return code;
        comma = token.kind == PONDI_TOKEN_OTHER && token.size == 1 && *token.text == ',';
        if (!comma && token.kind != PONDI_TOKEN_END)
            return bad_order(&token, err);
        if (one.column->role == PONDI_ROLE_ID) { /* never null: an index on it can be used */
            by_id = 1;
            pondi_quote(pondi_plan_dialect(plan), one.column->name, &plan->sql);
            pondi_buffer_append_text(&plan->sql, one.descending ? " DESC" : "");
        } else {
            put_item(plan, &one);
        }
        pondi_buffer_append_text(&plan->sql, comma ? ", " : "");
    }
    if (!by_id) {
        pondi_buffer_append_text(&plan->sql, ", ");
        pondi_quote(pondi_plan_dialect(plan), "id", &plan->sql);
    }
    return POND_OK;
}

void pondi_put_limit(pond_plan *plan)
{
    if (plan->limit < 0 && !plan->offset)
        return;
    pondi_buffer_append_text(&plan->sql, " LIMIT ");
    if (plan->limit >= 0)
        pondi_buffer_appendf(&plan->sql, "%lld", (long long)plan->limit);
    else
        pondi_buffer_append_text(&plan->sql, pondi_plan_facts(plan)->all_rows);
    pondi_buffer_appendf(&plan->sql, " OFFSET %lld", (long long)plan->offset);
}

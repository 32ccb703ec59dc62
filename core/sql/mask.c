#include "sql/mask.h"

#include <string.h>
#include <strings.h>

#include "sql/tokenizer.h"

int pondi_sql_has_secrets(const char *sql, size_t size)
{
    static const char *const words[] = {"password", "passwd", "passphrase", "identified",
                                        "secret",   "pragma", "credential", "api_key"};
    for (size_t at = 0; at < size; at++) {
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
            size_t length = strlen(words[i]);
            if ((sql[at] | 0x20) == words[i][0] && size - at >= length &&
                strncasecmp(sql + at, words[i], length) == 0)
                return 1;
        }
    }
    return 0;
}

static void put(const pondi_dialect *dialect, const pondi_token *token, pondi_buffer *out)
{
    int may_be_text = token->kind == PONDI_TOKEN_QUOTED && dialect->takes_names_for_text;
    if (token->kind == PONDI_TOKEN_LITERAL || may_be_text)
        pondi_buffer_append_text(out, "'***'");
    else if (token->kind == PONDI_TOKEN_COMMENT)
        pondi_buffer_append_char(out, ' ');
    else
        pondi_buffer_append(out, token->text, token->size);
}

void pondi_sql_mask(pond_dialect dialect, const char *sql, size_t size, size_t most,
                    pondi_buffer *out)
{
    pondi_tokenizer tokenizer;
    pondi_token token;
    size_t start = out->size;
    pondi_tokenizer_init(&tokenizer, dialect, sql, size);
    while (out->size - start < most) {
        if (pondi_tokenizer_next(&tokenizer, &token, NULL)) {
            pondi_buffer_append_text(out, "'***'");
            break;
        }
        if (token.kind == PONDI_TOKEN_END)
            return;
        put(tokenizer.dialect, &token, out);
    }
    pondi_buffer_append_text(out, "...");
}

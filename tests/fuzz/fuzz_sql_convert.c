/* The tokenizer and the converter on any bytes: no crash, and what must hold of every statement. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "millpond/millpond.h"
#include "sql/convert.h"
#include "sql/tokenizer.h"

static void require(int condition)
{
    if (!condition)
        abort();
}

/* The tokens of a statement are the whole statement. */
static void check_tokens(pond_dialect dialect, pondi_sql_server server, const char *sql,
                         size_t size)
{
    pondi_tokenizer tokenizer;
    pondi_token token;
    size_t covered = 0;
    pondi_tokenizer_init(&tokenizer, dialect, sql, size);
    tokenizer.server = server;
    while (pondi_tokenizer_next(&tokenizer, &token, NULL) == POND_OK &&
           token.kind != PONDI_TOKEN_END) {
        require(token.text == sql + covered && token.size > 0);
        covered += token.size;
    }
    require(covered <= size);
}

/* Positions stay inside the statement, of errors and of what the server would complain of. */
static void check_conversion(pond_dialect dialect, pondi_sql_server server, const char *sql,
                             size_t size)
{
    pondi_buffer out;
    pondi_sql_info info;
    pond_error *error = NULL;
    pondi_buffer_init(&out);
    int code = pondi_sql_convert(dialect, server, sql, size, &out, &info, &error);
    require(code == POND_OK || code == POND_ESYNTAX);
    pondi_sql_info looked;
    require(pondi_sql_inspect(dialect, server, sql, size, &looked, NULL) == code);
    if (code == POND_OK) {
        require(looked.empty == info.empty && looked.touches == info.touches);
        uint32_t last = (uint32_t)pondi_count_characters(out.data ? out.data : "", out.size);
        for (uint32_t at = 0; at <= last + 2; at += 1 + last / 16)
            require(pondi_sql_caller_position(dialect, server, sql, size, at) <=
                    pondi_count_characters(sql, size) + 1);
    } else {
        require(pond_error_position(error) >= 1 &&
                pond_error_position(error) <= pondi_count_characters(sql, size) + 1);
    }
    pond_error_free(error);
    pondi_buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const pondi_sql_server servers[] = {{0, 0}, {0, 80015}, {1, 101119}};
    for (int dialect = POND_DIALECT_POSTGRES; dialect <= POND_DIALECT_SQLITE; dialect++) {
        for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
            check_tokens((pond_dialect)dialect, servers[i], (const char *)data, size);
            check_conversion((pond_dialect)dialect, servers[i], (const char *)data, size);
        }
    }
    return 0;
}

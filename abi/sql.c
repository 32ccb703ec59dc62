/* The converter for those who talk to a database by other means. */
#include "base/buffer.h"
#include "millpond/millpond.h"
#include "sql/comment.h"
#include "sql/convert.h"

static int check_dialect(pond_dialect dialect, pond_error **err)
{
    if (dialect == POND_DIALECT_POSTGRES || dialect == POND_DIALECT_MYSQL ||
        dialect == POND_DIALECT_SQLITE)
        return POND_OK;
    return pondi_error_set(err, POND_EINVAL, "%d is no pond_dialect", (int)dialect);
}

static int hand_over(pondi_buffer *text, char **out, pond_error **err)
{
    *out = pondi_buffer_take(text);
    return *out ? POND_OK : pondi_error_nomem(err);
}

int pond_sql_convert(pond_dialect dialect, const char *sql, size_t sql_size, char **out,
                     size_t *out_size, size_t *placeholders, pond_error **err)
{
    pondi_sql_info info;
    pondi_buffer native;
    *out = NULL;
    *out_size = 0;
    *placeholders = 0;
    int code = check_dialect(dialect, err);
    if (code)
        return code;
    pondi_buffer_init(&native);
    code = pondi_sql_convert(dialect, sql, sql_size, &native, &info, err);
    if (code) {
        pondi_buffer_free(&native);
        return code;
    }
    *out_size = native.size;
    *placeholders = info.placeholders;
    return hand_over(&native, out, err);
}

int pond_sql_comment(const pond_tag *tags, size_t tag_count, char **out, pond_error **err)
{
    pondi_buffer text;
    *out = NULL;
    if (tag_count == 0)
        return POND_OK;
    pondi_buffer_init(&text);
    int code = pondi_sql_comment(tags, tag_count, &text, err);
    if (!code)
        return hand_over(&text, out, err);
    pondi_buffer_free(&text);
    return code;
}

int pond_sql_timeout(pond_dialect dialect, int64_t timeout_ms, char **out, pond_error **err)
{
    pondi_buffer text;
    *out = NULL;
    int code = check_dialect(dialect, err);
    if (code)
        return code;
    if (dialect == POND_DIALECT_SQLITE || timeout_ms <= 0)
        return POND_OK;
    pondi_buffer_init(&text);
    if (dialect == POND_DIALECT_POSTGRES)
        pondi_buffer_appendf(&text, "SET LOCAL statement_timeout = %lld", (long long)timeout_ms);
    else
        pondi_buffer_appendf(&text,
                             "SET SESSION /*!50708 max_execution_time = %lld */ "
                             "/*M!100101 max_statement_time = %lld.%03lld */",
                             (long long)timeout_ms, (long long)(timeout_ms / 1000),
                             (long long)(timeout_ms % 1000));
    return hand_over(&text, out, err);
}

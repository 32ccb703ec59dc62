#include "sql/dialect.h"

static const char *const postgres_verbs[] = {"LISTEN", "LOAD",    "DECLARE", "DO",
                                             "CALL",   "EXECUTE", NULL};
static const char *const mysql_verbs[] = {"SET",     "USE",   "LOCK",    "PREPARE", "CALL",
                                          "HANDLER", "FLUSH", "EXECUTE", "BACKUP",  NULL};
static const char *const sqlite_verbs[] = {"SET", "ATTACH", "DETACH", NULL};

static void put_postgres_timeout(pondi_buffer *out, int64_t timeout_ms)
{
    pondi_buffer_appendf(out, "SET LOCAL statement_timeout = %lld", (long long)timeout_ms);
}

/* MySQL and MariaDB execute one comment each. */
static void put_mysql_timeout(pondi_buffer *out, int64_t timeout_ms)
{
    pondi_buffer_appendf(out,
                         "SET SESSION /*!50708 max_execution_time = %lld */ "
                         "/*M!100101 max_statement_time = %lld.%03lld */",
                         (long long)timeout_ms, (long long)(timeout_ms / 1000),
                         (long long)(timeout_ms % 1000));
}

static const pondi_dialect dialects[] = {
    {.id = POND_DIALECT_POSTGRES,
     .escapes_in_e_text = 1,
     .dollar_quotes = 1,
     .dollar_numbers = 1,
     .subscripts_after_space = 1,
     .carriage_return_ends = 1,
     .nested_comments = 1,
     .quote = '"',
     .most_params = 65535,
     .array_params = 1,
     .put_timeout = put_postgres_timeout,
     .session_verbs = postgres_verbs,
     .prepares_by_name = 1,
     .sets_locally = 1,
     .functions_touch = 1},
    {.id = POND_DIALECT_MYSQL,
     .quotes_with_backticks = 1,
     .quotes_text_doubly = 1,
     .escapes_in_text = 1,
     .hash_comments = 1,
     .versioned_comments = 1,
     .quote = '`',
     .most_params = 65535,
     .needs_dual = 1,
     .put_timeout = put_mysql_timeout,
     .session_verbs = mysql_verbs,
     .uses_databases = 1,
     .has_user_variables = 1,
     .functions_touch = 1},
    {.id = POND_DIALECT_SQLITE,
     .quotes_with_backticks = 1,
     .quotes_with_brackets = 1,
     .takes_names_for_text = 1,
     .open_comments = 1,
     .named_with_at = 1,
     .quote = '"',
     .most_params = 32766,
     .needs_values_for_rows = 1,
     .session_verbs = sqlite_verbs,
     .has_pragmas = 1},
};

const pondi_dialect *pondi_dialect_of(pond_dialect id)
{
    size_t count = sizeof(dialects) / sizeof(dialects[0]);
    return (size_t)id < count ? &dialects[id] : NULL;
}

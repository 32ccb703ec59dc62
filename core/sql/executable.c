#include "sql/executable.h"

static int is_digit(const char *text, size_t size, size_t at)
{
    return at < size && text[at] >= '0' && text[at] <= '9';
}

static int is_space(const char *text, size_t size, size_t at)
{
    return at < size && (text[at] == ' ' || (text[at] >= '\t' && text[at] <= '\r'));
}

/* Digits of the version: five, or six where the server takes so many: MariaDB always, MySQL if a
 * space follows. 0 if there is no version. */
static size_t count_digits(pondi_sql_server server, const char *text, size_t size, size_t at)
{
    enum { SHORT = 5, LONG = 6 };
    size_t count = 0;
    while (count < LONG && is_digit(text, size, at + count))
        count++;
    if (count == LONG && server.version && !server.maria && !is_space(text, size, at + LONG))
        count = SHORT;
    return count < SHORT ? 0 : count;
}

/* MariaDB leaves out what MySQL has had since 5.7, unless it says that it means MariaDB. */
static int has_version(pondi_sql_server server, unsigned int wanted, int marked)
{
    enum { PARTED = 50700, JOINED = 99999 };
    if (!server.version)
        return 1;
    if (server.maria && !marked && wanted >= PARTED && wanted <= JOINED)
        return 0;
    return wanted <= server.version;
}

int pondi_sql_is_executed(pondi_sql_server server, const char *text, size_t size, size_t *opening)
{
    int marked = size > 3 && text[2] == 'M' && text[3] == '!';
    if (!marked && (size < 3 || text[2] != '!'))
        return 0;
    if (marked && server.version && !server.maria)
        return 0;
    size_t at = marked ? 4 : 3;
    size_t digits = count_digits(server, text, size, at);
    unsigned int wanted = 0;
    for (size_t i = 0; i < digits; i++)
        wanted = wanted * 10 + (unsigned int)(text[at + i] - '0');
    *opening = at + digits;
    return has_version(server, wanted, marked);
}

size_t pondi_sql_skipped_size(const char *text, size_t size)
{
    int depth = 1;
    for (size_t at = 2; at + 1 < size; at++) {
        if (text[at] == '/' && text[at + 1] == '*' && depth == 1) {
            depth = 2;
            at++;
        } else if (text[at] == '*' && text[at + 1] == '/') {
            at++;
            if (--depth == 0)
                return at + 1;
        }
    }
    return 0;
}

#include "driver/role.h"

#include <stddef.h>
#include <string.h>

static const struct word {
    const char *text;
    pondi_server_role role;
    int prefers;
} words[] = {
    {"any", PONDI_SERVER_ANY, 0},
    {"primary", PONDI_SERVER_PRIMARY, 0},
    {"standby", PONDI_SERVER_STANDBY, 0},
    {"read-write", PONDI_SERVER_READ_WRITE, 0},
    {"read-only", PONDI_SERVER_READ_ONLY, 0},
    {"prefer-standby", PONDI_SERVER_STANDBY, 1},
};

enum { WORDS = sizeof(words) / sizeof(words[0]) };

int pondi_server_role_parse(const char *word, pondi_server_role *role, int *prefers)
{
    for (size_t i = 0; i < WORDS; i++) {
        if (strcmp(word, words[i].text) == 0) {
            *role = words[i].role;
            *prefers = words[i].prefers;
            return 1;
        }
    }
    return 0;
}

const char *pondi_server_role_word(pondi_server_role role)
{
    size_t i = 0;
    while (i < WORDS - 1 && words[i].role != role)
        i++;
    return words[i].text;
}

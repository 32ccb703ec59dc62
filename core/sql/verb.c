#include "sql/verb.h"

#include <string.h>

#include "sql/tokenizer.h"

unsigned pondi_verb_means(const char *verb)
{
    static const struct {
        char verb[PONDI_VERB_ROOM];
        unsigned means;
    } verbs[] = {
        {"SELECT", PONDI_VERB_READS},
        {"SHOW", PONDI_VERB_READS},
        {"EXPLAIN", PONDI_VERB_READS},
        {"VALUES", PONDI_VERB_READS},
        {"TABLE", PONDI_VERB_READS},
        {"DESCRIBE", PONDI_VERB_READS},
        {"DESC", PONDI_VERB_READS},
        {"INSERT", PONDI_VERB_WRITES_ROWS},
        {"UPDATE", PONDI_VERB_WRITES_ROWS},
        {"DELETE", PONDI_VERB_WRITES_ROWS},
        {"REPLACE", PONDI_VERB_WRITES_ROWS},
        {"MERGE", PONDI_VERB_WRITES_ROWS},
        {"CREATE", PONDI_VERB_CHANGES_SCHEMA},
        {"ALTER", PONDI_VERB_CHANGES_SCHEMA},
        {"DROP", PONDI_VERB_CHANGES_SCHEMA},
        {"RENAME", PONDI_VERB_CHANGES_SCHEMA},
        {"TRUNCATE", PONDI_VERB_CHANGES_SCHEMA},
        {"COMMIT", PONDI_VERB_COMMITS},
        {"END", PONDI_VERB_COMMITS},
        {"ROLLBACK", PONDI_VERB_UNDOES},
        {"ABORT", PONDI_VERB_UNDOES},
    };
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verbs[i].verb, verb) == 0)
            return verbs[i].means;
    }
    return 0;
}

void pondi_verb_of(const pondi_token *word, char out[PONDI_VERB_ROOM])
{
    size_t size = word->size < PONDI_VERB_ROOM - 1 ? word->size : PONDI_VERB_ROOM - 1;
    for (size_t i = 0; i < size; i++) {
        char c = word->text[i];
        out[i] = c;
        if (c >= 'a' && c <= 'z')
            out[i] &= '_'; /* the bit that tells the cases apart */
    }
    out[size] = '\0';
}

unsigned pondi_sql_means(pond_dialect dialect, const char *sql, size_t size)
{
    pondi_tokenizer tokenizer;
    pondi_token token;
    char verb[PONDI_VERB_ROOM];
    pondi_tokenizer_init(&tokenizer, dialect, sql, size);
    do {
        if (pondi_tokenizer_next(&tokenizer, &token, NULL) || token.kind == PONDI_TOKEN_END)
            return 0;
    } while (token.kind != PONDI_TOKEN_WORD);
    pondi_verb_of(&token, verb);
    return pondi_verb_means(verb);
}

/* The cases of tests/topology/, and positions as they are written there. */
#ifndef PONDI_TEST_TOPOLOGY_CASES_H
#define PONDI_TEST_TOPOLOGY_CASES_H

#include "check.h"

#include <jansson.h>
#include <stdio.h>

#include "base/buffer.h"
#include "topology/position.h"

/* All of one file; json_decref() it. */
static inline json_t *load_cases(const char *name)
{
    char path[512];
    json_error_t error;
    snprintf(path, sizeof(path), "%s/%s.json", TOPOLOGY_CASES, name);
    json_t *cases = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!cases)
        fail_msg("%s:%d: %s", path, error.line, error.text);
    return cases;
}

/* A member that must be there. */
static inline json_t *member(const json_t *of, const char *name)
{
    json_t *found = json_object_get(of, name);
    if (!found)
        fail_msg("a case has no \"%s\"", name);
    return found;
}

/* A text, a number, a truth value of a case; the default where it is not given. */
static inline const char *text_or(const json_t *of, const char *name, const char *otherwise)
{
    const json_t *found = json_object_get(of, name);
    return json_is_string(found) ? json_string_value(found) : otherwise;
}

static inline int64_t number_or(const json_t *of, const char *name, int64_t otherwise)
{
    const json_t *found = json_object_get(of, name);
    return json_is_integer(found) ? (int64_t)json_integer_value(found) : otherwise;
}

static inline int truth_or(const json_t *of, const char *name, int otherwise)
{
    const json_t *found = json_object_get(of, name);
    return json_is_boolean(found) ? json_is_true(found) : otherwise;
}

/* Which of `words` it is. */
static inline int word_index(const char *word, const char *const *words, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(word, words[i]) == 0)
            return i;
    }
    fail_msg("\"%s\" is no word that the test knows", word);
    return -1;
}

static inline pondi_position_kind kind_of(const char *word)
{
    static const char *const words[PONDI_POSITION_KINDS] = {"none", "lsn", "gtid", "gtid_set",
                                                            "galera"};
    return (pondi_position_kind)word_index(word, words, PONDI_POSITION_KINDS);
}

static inline pondi_position position_of(const char *kind, const char *text)
{
    pondi_position position = {0};
    if (kind_of(kind) != PONDI_POSITION_NONE)
        assert_int_equal(pondi_position_parse(kind_of(kind), text, strlen(text), &position, NULL),
                         POND_OK);
    return position;
}

/* A case's ["lsn", "1:0/1"]; NULL is NONE. */
static inline pondi_position position_in(const json_t *pair)
{
    if (!pair)
        return (pondi_position){0};
    return position_of(json_string_value(json_array_get(pair, 0)),
                       json_string_value(json_array_get(pair, 1)));
}

static inline void check_printed(const pondi_position *position, const char *expected)
{
    pondi_buffer text;
    pondi_buffer_init(&text);
    pondi_position_print(position, &text);
    assert_string_equal(text.data ? text.data : "", expected);
    pondi_buffer_free(&text);
}

static inline int is_equal(const pondi_position *a, const pondi_position *b)
{
    pondi_buffer texts[2];
    pondi_buffer_init(&texts[0]);
    pondi_buffer_init(&texts[1]);
    pondi_position_print(a, &texts[0]);
    pondi_position_print(b, &texts[1]);
    int equal = a->kind == b->kind && texts[0].size == texts[1].size &&
                memcmp(texts[0].data ? texts[0].data : "", texts[1].data ? texts[1].data : "",
                       texts[0].size) == 0;
    pondi_buffer_free(&texts[0]);
    pondi_buffer_free(&texts[1]);
    return equal;
}

/* Random numbers that are the same in each run. */
typedef struct dice {
    uint64_t state;
} dice;

static inline uint64_t roll(dice *from, uint64_t sides)
{
    uint64_t x = from->state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (x ^ (x >> 31)) % sides;
}

#endif

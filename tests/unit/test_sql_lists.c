/* Lists among the parameters: which statement they make. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "sql/lists.h"

static const pond_value items[] = {
    {.type = POND_TYPE_INT64, .as.integer = 1},
    {.type = POND_TYPE_INT64, .as.integer = 2},
    {.type = POND_TYPE_INT64, .as.integer = 3},
};

static pond_value list_of(size_t count)
{
    pond_value list = {.type = POND_TYPE_ARRAY};
    list.as.array.items = items;
    list.as.array.count = count;
    return list;
}

/* The statement for parameters that are all lists of so many items; NULL if it is refused. */
static char *spread(pond_dialect dialect, const char *sql, size_t count, size_t *values)
{
    static char text[512];
    pondi_places places;
    pondi_spread out;
    pond_error *error = NULL;
    pond_value params[8];
    for (size_t i = 0; i < 8; i++)
        params[i] = list_of(count);
    pondi_spread_init(&out);
    int code = pondi_places_find(dialect, sql, strlen(sql), &places, &error);
    assert_int_equal(code, POND_OK);
    assert_true(places.count <= 8);
    code = pondi_lists_spread(dialect, PONDI_ARRAY_OPERATOR, &places, sql, strlen(sql), params,
                              &out, &error);
    *values = out.count;
    if (!code)
        snprintf(text, sizeof(text), "%s", out.sql.data ? out.sql.data : "");
    else
        assert_int_equal(code, POND_EPARAMS);
    pond_error_free(error);
    pondi_places_free(&places);
    pondi_spread_free(&out);
    return code ? NULL : text;
}

typedef struct example {
    pond_dialect dialect;
    const char *sql;
    size_t count;
    const char *expected; /* NULL: it is refused */
    size_t values;
} example;

static void lists_make_statements(void **state)
{
    (void)state;
    static const example examples[] = {
        {POND_DIALECT_SQLITE, "a IN (?)", 3, "a IN (?, ?, ?, ?)", 4},
        {POND_DIALECT_SQLITE, "a IN(?)", 1, "a IN(?)", 1},
        {POND_DIALECT_SQLITE, "a IN (?)", 0, "a IN (SELECT NULL WHERE FALSE)", 0},
        {POND_DIALECT_MYSQL, "a not in (?)", 0, "a not in (SELECT NULL FROM DUAL WHERE FALSE)", 0},
        {POND_DIALECT_SQLITE, "a IN (?, 7, ?)", 2, "a IN (?, ?, 7, ?, ?)", 4},
        {POND_DIALECT_SQLITE, "a IN (?, 7, ?)", 0, "a IN (7)", 0},
        {POND_DIALECT_SQLITE, "a IN ((?))", 2, "a IN (?, ?)", 2},
        {POND_DIALECT_SQLITE, "a IN (1, (SELECT 2 WHERE 3 IN (?)))", 2,
         "a IN (1, (SELECT 2 WHERE 3 IN (?, ?)))", 2},
        {POND_DIALECT_POSTGRES, "a IN (?)", 3, "a OPERATOR(=) ANY (?)", 1},
        {POND_DIALECT_POSTGRES, "a NOT IN (?, ?)", 3, "a OPERATOR(<>) ALL (?)", 1},
        {POND_DIALECT_POSTGRES, "a IN (7, ?)", 3, "a IN (7, ?, ?, ?, ?)", 4},
        {POND_DIALECT_POSTGRES, "(a, b) IN (?)", 0, "(a, b) IN (SELECT a, b WHERE FALSE)", 0},
        {POND_DIALECT_POSTGRES, "a = ?", 3, "a = ?", 1}, /* its types tell */
        {POND_DIALECT_POSTGRES, "a = ANY(?)", 3, "a = ANY(?)", 1},
        {POND_DIALECT_SQLITE, "a IN (SELECT value FROM json_each(?))", 3,
         "a IN (SELECT value FROM json_each(?))", 1},
        {POND_DIALECT_SQLITE, "INSERT INTO t (a, b) VALUES (?, ?), (?, f(?))", 3,
         "INSERT INTO t (a, b) VALUES (?, ?), (?, f(?))", 4},
        {POND_DIALECT_SQLITE, "UPDATE t SET a = ?, b = (?), c = CASE WHEN d THEN ? END, e = ?", 3,
         "UPDATE t SET a = ?, b = (?), c = CASE WHEN d THEN ? END, e = ?", 4},
        {POND_DIALECT_MYSQL, "INSERT INTO t VALUES (?) ON DUPLICATE KEY UPDATE a = ?", 3,
         "INSERT INTO t VALUES (?) ON DUPLICATE KEY UPDATE a = ?", 2},
        {POND_DIALECT_MYSQL, "SET @a := ?", 3, "SET @a := ?", 1},
        {POND_DIALECT_SQLITE, "SELECT ?, ? -> 0", 3, "SELECT ?, ? -> 0", 2},
        {POND_DIALECT_SQLITE, "UPDATE t SET a = 1 WHERE b = ?", 3, NULL, 0},
        {POND_DIALECT_SQLITE, "UPDATE t SET a = b = ?", 3, NULL, 0},
        {POND_DIALECT_SQLITE, "a = (?)", 3, NULL, 0},
        {POND_DIALECT_SQLITE, "(?) = a", 3, NULL, 0},
        {POND_DIALECT_SQLITE, "a = ((?))", 3, NULL, 0},
        {POND_DIALECT_MYSQL, "a LIKE ?", 3, NULL, 0},
        {POND_DIALECT_MYSQL, "? MEMBER OF (a)", 3, NULL, 0},
        {POND_DIALECT_MYSQL, "(a, b) IN ((1, ?))", 3, NULL, 0},
        {POND_DIALECT_MYSQL, "(a, b) IN (?)", 3, NULL, 0}, /* items that are no rows */
        {POND_DIALECT_MYSQL, "SELECT 1 LIMIT ?", 3, NULL, 0},
        {POND_DIALECT_SQLITE, "a IN (? + 1)", 3, NULL, 0},
    };
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        const example *at = &examples[i];
        size_t values;
        const char *made = spread(at->dialect, at->sql, at->count, &values);
        if (!at->expected) {
            if (made)
                fail_msg("%s became %s", at->sql, made);
            continue;
        }
        if (!made)
            fail_msg("%s was refused", at->sql);
        assert_string_equal(made, at->expected);
        assert_int_equal(values, at->values);
    }
}

/* What is never closed, or closes too much, is for the database to refuse. */
static void any_text_is_taken(void **state)
{
    (void)state;
    static const char *const pieces[] = {"?", "(", ")",   ",",      " IN ", "NOT",
                                         "=", "a", "SET", "VALUES", "'x'",  "SELECT"};
    uint32_t seed = 14;
    for (int round = 0; round < 20000; round++) {
        char sql[128] = "";
        size_t size = 0;
        size_t placeholders = 0;
        for (int i = 0; i < 12; i++) {
            seed = seed * 1664525 + 1013904223;
            size_t piece = (seed >> 16) % (sizeof(pieces) / sizeof(pieces[0]));
            if (piece == 0 && placeholders++ == 8)
                break;
            size += (size_t)snprintf(sql + size, sizeof(sql) - size, "%s ", pieces[piece]);
        }
        for (int dialect = POND_DIALECT_POSTGRES; dialect <= POND_DIALECT_SQLITE; dialect++) {
            size_t values;
            spread((pond_dialect)dialect, sql, (size_t)round % 4, &values);
        }
    }
}

RUN_TESTS(cmocka_unit_test(lists_make_statements), cmocka_unit_test(any_text_is_taken))

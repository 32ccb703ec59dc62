#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "sql/convert.h"

static const pondi_sql_server any_server; /* nothing is known of it */

/* What each dialect makes of a statement: its text and the number of placeholders; or "!" and the
 * position of what is not terminated. SAME stands for the statement as it is. */
typedef struct expectation {
    const char *text;
    size_t placeholders;
} expectation;

typedef struct conversion {
    const char *sql;
    expectation expected[3]; /* by pond_dialect */
} conversion;

#define SAME NULL
#define ALL(text, count)              \
    {                                 \
        {text, count}, {text, count}, \
        {                             \
            text, count               \
        }                             \
    }
/* PostgreSQL numbers them, the others leave them alone. */
#define NUMBERED(text, count)         \
    {                                 \
        {text, count}, {SAME, count}, \
        {                             \
            SAME, count               \
        }                             \
    }
#define EACH(pg, pg_count, my, my_count, lite, lite_count) \
    {                                                      \
        {pg, pg_count}, {my, my_count},                    \
        {                                                  \
            lite, lite_count                               \
        }                                                  \
    }

static const conversion conversions[] = {
    /* placeholders beside other tokens */
    {"SELECT 1", ALL(SAME, 0)},
    {"SELECT ?", NUMBERED("SELECT $1", 1)},
    {"?", NUMBERED("$1", 1)},
    {"SELECT ?,?", NUMBERED("SELECT $1,$2", 2)},
    {"a=?AND b=?", EACH("a=$1 AND b=$2", 2, "a=? AND b=?", 2, "a=? AND b=?", 2)},
    {"a=?and", EACH("a=$1 and", 1, "a=? and", 1, "a=? and", 1)},
    {"LIMIT?", EACH("LIMIT $1", 1, "LIMIT ?", 1, "LIMIT ?", 1)},
    {"LIMIT?OFFSET?", EACH("LIMIT $1 OFFSET $2", 2, "LIMIT ? OFFSET ?", 2, "LIMIT ? OFFSET ?", 2)},
    {"?1", EACH("$1 1", 1, "? 1", 1, "? 1", 1)},
    {"1?", EACH("1 $1", 1, "1 ?", 1, "1 ?", 1)},
    {"(?)", NUMBERED("($1)", 1)},
    {"f(?,?)", NUMBERED("f($1,$2)", 2)},
    {"(?,?),(?,?)", NUMBERED("($1,$2),($3,$4)", 4)},
    {"?+?-?*?/?", NUMBERED("$1+$2-$3*$4/$5", 5)},
    {"?||?", NUMBERED("$1||$2", 2)},
    {"x<?", NUMBERED("x<$1", 1)},
    {"x>=?", NUMBERED("x>=$1", 1)},
    {"x!=?;", NUMBERED("x!=$1;", 1)},
    {"?::int", NUMBERED("$1::int", 1)},
    {"?::int[]", NUMBERED("$1::int[]", 1)},
    {"CAST(? AS text)", NUMBERED("CAST($1 AS text)", 1)},
    {"x::text = ?::text", NUMBERED("x::text = $1::text", 1)},
    {"?\n?", NUMBERED("$1\n$2", 2)},
    {"\t?\r\n", NUMBERED("\t$1\r\n", 1)},
    {"'a'?", NUMBERED("'a'$1", 1)},
    {"?'a'", NUMBERED("$1'a'", 1)},
    {"_?", EACH("_ $1", 1, "_ ?", 1, "_ ?", 1)},
    {"é?é", EACH("é $1 é", 1, "é ? é", 1, "é ? é", 1)},
    {"IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
     NUMBERED("IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)", 11)},
    /* string literals */
    {"'?'", ALL(SAME, 0)},
    {"''", ALL(SAME, 0)},
    {"'' ?", NUMBERED("'' $1", 1)},
    {"'it''s ?' ?", NUMBERED("'it''s ?' $1", 1)},
    {"'''' ?", NUMBERED("'''' $1", 1)},
    {"'''?'''", ALL(SAME, 0)},
    {"'a' '?'", ALL(SAME, 0)},
    {"'a'\n'?'", ALL(SAME, 0)},
    {"'\xF0\x9F\x98\x80?' ?", NUMBERED("'\xF0\x9F\x98\x80?' $1", 1)},
    {"'--' ?", NUMBERED("'--' $1", 1)},
    {"'/*' ?", NUMBERED("'/*' $1", 1)},
    {"'$$' ?", NUMBERED("'$$' $1", 1)},
    {"'[a]' ?", NUMBERED("'[a]' $1", 1)},
    {"'\\' ?", EACH("'\\' $1", 1, "!1", 0, "'\\' ?", 1)},
    {"'\\\\' ?", NUMBERED("'\\\\' $1", 1)},
    {"'\\'?' ?", EACH("!5", 0, SAME, 1, "!5", 0)},
    {"'a\\'' ?", EACH("!1", 0, SAME, 1, "!1", 0)},
    {"E'\\'?' ?", EACH("E'\\'?' $1", 1, SAME, 1, "!6", 0)},
    /* PostgreSQL: a literal goes on after a line end, escapes included */
    {"E'a'\n'b\\'?' ?", EACH("E'a'\n'b\\'?' $1", 1, SAME, 1, "!11", 0)},
    {"E'a' \t\n -- x\n 'b\\'?' ?", EACH("E'a' \t\n -- x\n 'b\\'?' $1", 1, SAME, 1, "!20", 0)},
    {"E'a'--x\n'b\\'?' ?", EACH("E'a'--x\n'b\\'?' $1", 1, SAME, 1, "!14", 0)},
    {"E'a' 'b\\' ?", EACH("E'a' 'b\\' $1", 1, "!6", 0, SAME, 1)},
    {"E'a'\n?'\\' ?", EACH("E'a'\n$1'\\' $2", 2, "!7", 0, SAME, 2)},
    /* PostgreSQL: a comment ends at a carriage return, too */
    {"-- a\r?", EACH("-- a\r$1", 1, SAME, 0, SAME, 0)},
    {"e'\\\\' ?", NUMBERED("e'\\\\' $1", 1)},
    {"E'\\\\\\'?' ?", EACH("E'\\\\\\'?' $1", 1, SAME, 1, "!8", 0)},
    {"E 'a\\' ?", EACH("E 'a\\' $1", 1, "!3", 0, SAME, 1)},
    {"NAME'\\' ?", EACH("NAME'\\' $1", 1, "!5", 0, SAME, 1)},
    {"U&'\\0041?' ?", NUMBERED("U&'\\0041?' $1", 1)},
    {"U&'d!0061?' UESCAPE '!' ?", NUMBERED("U&'d!0061?' UESCAPE '!' $1", 1)},
    {"U&\"?\" ?", NUMBERED("U&\"?\" $1", 1)},
    {"B'01' ?", NUMBERED("B'01' $1", 1)},
    {"X'3F' ?", NUMBERED("X'3F' $1", 1)},
    {"N'?' ?", NUMBERED("N'?' $1", 1)},
    {"_utf8'?' ?", NUMBERED("_utf8'?' $1", 1)},
    /* quoted identifiers */
    {"\"?\"", ALL(SAME, 0)},
    {"\"a\"\"?\" ?", NUMBERED("\"a\"\"?\" $1", 1)},
    {"\"a\\\" ?", EACH("\"a\\\" $1", 1, "!1", 0, SAME, 1)},
    {"\"a\\\"?\" ?", EACH("!6", 0, SAME, 1, "!6", 0)},
    {"`?` ?", EACH("`$1` $2", 2, SAME, 1, SAME, 1)},
    {"`a``?` ?", EACH("`a``$1` $2", 2, SAME, 1, SAME, 1)},
    {"`a\\` ?", EACH("`a\\` $1", 1, SAME, 1, SAME, 1)},
    {"\"'\" ?", NUMBERED("\"'\" $1", 1)},
    {"'\"' ?", NUMBERED("'\"' $1", 1)},
    /* brackets */
    {"SELECT [name] FROM t", EACH("SELECT \"name\" FROM t", 0, "SELECT `name` FROM t", 0, SAME, 0)},
    {"[a].[b]", EACH("\"a\".\"b\"", 0, "`a`.`b`", 0, SAME, 0)},
    {"t.[order] = ?", EACH("t.\"order\" = $1", 1, "t.`order` = ?", 1, SAME, 1)},
    {"([age] > ?)", EACH("(\"age\" > $1)", 1, "(`age` > ?)", 1, SAME, 1)},
    {"[order date]", EACH("\"order date\"", 0, "`order date`", 0, SAME, 0)},
    {"[_x]", EACH("\"_x\"", 0, "`_x`", 0, SAME, 0)},
    {"[größe]", EACH("\"größe\"", 0, "`größe`", 0, SAME, 0)},
    {"a,[b]", EACH("a,\"b\"", 0, "a,`b`", 0, SAME, 0)},
    {"x[1]", ALL(SAME, 0)},
    {"x[i]", ALL(SAME, 0)},
    {"x[?]", EACH("x[$1]", 1, SAME, 1, SAME, 0)},
    {"x[1:2]", ALL(SAME, 0)},
    {"x[a:b]", ALL(SAME, 0)},
    {"x[a][b]", ALL(SAME, 0)},
    {"\"x\"[i]", ALL(SAME, 0)},
    {"f(x)[i]", ALL(SAME, 0)},
    {"'{1}'[i]", ALL(SAME, 0)},
    {"$1[i]", ALL(SAME, 0)},
    {"?[i]", EACH("$1[i]", 1, SAME, 1, SAME, 1)},
    {"ARRAY[a]", ALL(SAME, 0)},
    {"ARRAY [a]", ALL(SAME, 0)},
    {"array/**/[a]", ALL(SAME, 0)},
    {"ARRAY[[a,b],[c,d]]", ALL(SAME, 0)},
    {"ARRAY[[a],[b]]", ALL(SAME, 0)},
    {"ARRAY[?, ?]", EACH("ARRAY[$1, $2]", 2, SAME, 2, SAME, 0)},
    {"ARRAY[ [a] ]", ALL(SAME, 0)},
    /* ... with a space before it */
    {"SELECT a [i]", EACH(SAME, 0, "SELECT a `i`", 0, SAME, 0)},
    {"SELECT a [i], b /* c */ [j]", EACH(SAME, 0, "SELECT a `i`, b /* c */ `j`", 0, SAME, 0)},
    {"SELECT t.a\n[i] [j] FROM t", EACH(SAME, 0, "SELECT t.a\n`i` `j` FROM t", 0, SAME, 0)},
    {"SELECT \"a\" [i]", EACH(SAME, 0, "SELECT \"a\" `i`", 0, SAME, 0)},
    {"SELECT [a] [i]", EACH("SELECT \"a\" [i]", 0, "SELECT `a` `i`", 0, SAME, 0)},
    {"SELECT ? [i]", EACH("SELECT $1 [i]", 1, "SELECT ? `i`", 1, SAME, 1)},
    {"SELECT (a) [i], (ARRAY[x, y]) [i]",
     EACH(SAME, 0, "SELECT (a) `i`, (ARRAY[x, y]) `i`", 0, SAME, 0)},
    {"SELECT type [i], index [i], key [i], value [i] FROM t",
     EACH(SAME, 0, "SELECT type `i`, index `i`, key `i`, value `i` FROM t", 0, SAME, 0)},
    {"UPDATE t SET a [i] = b [j] WHERE c [k] IS DISTINCT FROM d [k]",
     EACH(SAME, 0, "UPDATE t SET a `i` = b `j` WHERE c `k` IS DISTINCT FROM d `k`", 0, SAME, 0)},
    {"SELECT extract(year FROM a [i]) FROM t",
     EACH(SAME, 0, "SELECT extract(year FROM a `i`) FROM t", 0, SAME, 0)},
    /* ... where no subscript can stand */
    {"SELECT 1 [n], 'x' [s], NULL [o], TRUE [b]",
     EACH("SELECT 1 \"n\", 'x' \"s\", NULL \"o\", TRUE \"b\"", 0,
          "SELECT 1 `n`, 'x' `s`, NULL `o`, TRUE `b`", 0, SAME, 0)},
    {"SELECT DISTINCT [a] AS [b] FROM [t] [x], u [y] JOIN [v] [z] ON [k] = 1 WHERE [a] ORDER BY "
     "[b]",
     EACH("SELECT DISTINCT \"a\" AS \"b\" FROM \"t\" \"x\", u \"y\" JOIN \"v\" \"z\" ON \"k\" = 1 "
          "WHERE \"a\" ORDER BY \"b\"",
          0,
          "SELECT DISTINCT `a` AS `b` FROM `t` `x`, u `y` JOIN `v` `z` ON `k` = 1 WHERE `a` "
          "ORDER BY `b`",
          0, SAME, 0)},
    {"SELECT count(*) [n], sum(a) OVER (ORDER BY b) [s], a IN (1) [i], CASE a WHEN 1 THEN 2 END "
     "[c]",
     EACH("SELECT count(*) \"n\", sum(a) OVER (ORDER BY b) \"s\", a IN (1) \"i\", "
          "CASE a WHEN 1 THEN 2 END \"c\"",
          0,
          "SELECT count(*) `n`, sum(a) OVER (ORDER BY b) `s`, a IN (1) `i`, "
          "CASE a WHEN 1 THEN 2 END `c`",
          0, SAME, 0)},
    {"SELECT a::int [n], a::double precision [d], a::int[] [l], (a::int[]) [i]",
     EACH("SELECT a::int \"n\", a::double precision \"d\", a::int[] \"l\", (a::int[]) [i]", 0,
          "SELECT a::int `n`, a::double precision `d`, a::int[] `l`, (a::int[]) `i`", 0, SAME, 0)},
    {"CREATE INDEX [i] ON [t] ([a])",
     EACH("CREATE INDEX \"i\" ON \"t\" (\"a\")", 0, "CREATE INDEX `i` ON `t` (`a`)", 0, SAME, 0)},
    {"ALTER TABLE [t] ADD [a] int",
     EACH("ALTER TABLE \"t\" ADD \"a\" int", 0, "ALTER TABLE `t` ADD `a` int", 0, SAME, 0)},
    {"DROP VIEW IF EXISTS [v]",
     EACH("DROP VIEW IF EXISTS \"v\"", 0, "DROP VIEW IF EXISTS `v`", 0, SAME, 0)},
    {"UPDATE [t] SET [a] = 1",
     EACH("UPDATE \"t\" SET \"a\" = 1", 0, "UPDATE `t` SET `a` = 1", 0, SAME, 0)},
    {"INSERT INTO [t] ([a]) VALUES (1)", EACH("INSERT INTO \"t\" (\"a\") VALUES (1)", 0,
                                              "INSERT INTO `t` (`a`) VALUES (1)", 0, SAME, 0)},
    {"SELECT 1 FROM (SELECT [a] FROM t [x]) [y]",
     EACH("SELECT 1 FROM (SELECT \"a\" FROM t \"x\") \"y\"", 0,
          "SELECT 1 FROM (SELECT `a` FROM t `x`) `y`", 0, SAME, 0)},
    {"[1]", ALL(SAME, 0)},
    {"[]", ALL(SAME, 0)},
    {"[a,b]", ALL(SAME, 0)},
    {"SELECT [a", ALL("!8", 0)},
    {"int[]", ALL(SAME, 0)},
    {"[a]]", EACH("\"a\"]", 0, "`a`]", 0, SAME, 0)},
    /* comments */
    {"-- ?\n?", NUMBERED("-- ?\n$1", 1)},
    {"-- ?", ALL(SAME, 0)},
    {"--?", EACH(SAME, 0, SAME, 1, SAME, 0)},
    {"5--?", EACH(SAME, 0, SAME, 1, SAME, 0)},
    {"--\n?", NUMBERED("--\n$1", 1)},
    {"--", ALL(SAME, 0)},
    {"# ?\n?", EACH("# $1\n$2", 2, SAME, 1, SAME, 2)},
    {"/* ? */ ?", NUMBERED("/* ? */ $1", 1)},
    {"/**/?", NUMBERED("/**/$1", 1)},
    {"/***/?", NUMBERED("/***/$1", 1)},
    {"/* /* ? */ ? */ ?", EACH("/* /* ? */ ? */ $1", 1, SAME, 2, SAME, 2)},
    {"/* ' */ ?", NUMBERED("/* ' */ $1", 1)},
    {"/* -- */ ?", NUMBERED("/* -- */ $1", 1)},
    {"/*! ? */ ?", EACH("/*! ? */ $1", 1, SAME, 2, "/*! ? */ ?", 1)},
    {"/*!50001 SELECT ? */", EACH(SAME, 0, SAME, 1, SAME, 0)},
    {"/*+ hint ? */ ?", NUMBERED("/*+ hint ? */ $1", 1)},
    {"/ ? * ?", NUMBERED("/ $1 * $2", 2)},
    {"SELECT ? /*a='%3F',b='?'*/", NUMBERED("SELECT $1 /*a='%3F',b='?'*/", 1)},
    /* dollar quotes */
    {"$$?$$ ?", EACH("$$?$$ $1", 1, "$$ ? $$ ?", 2, "$$ ? $$ ?", 2)},
    {"$tag$ ? $$ ? $tag$ ?", EACH("$tag$ ? $$ ? $tag$ $1", 1, SAME, 3, SAME, 3)},
    {"$a$ $b$ ? $b$ $a$ ?", EACH("$a$ $b$ ? $b$ $a$ $1", 1, SAME, 2, SAME, 2)},
    {"$1 + ?", NUMBERED("$1 + $1", 1)},
    {"a$b$c ?", NUMBERED("a$b$c $1", 1)},
    {"$1$ ?", NUMBERED("$1$ $1", 1)},
    {"$é$?$é$", EACH(SAME, 0, "$é$ ? $é$", 1, "$é$ ? $é$", 1)},
    {"$ ?", NUMBERED("$ $1", 1)},
    /* operators with a question mark */
    {"a ?\? 'b'", ALL("a ? 'b'", 0)},
    {"a ??| ?", EACH("a ?| $1", 1, "a ?| ?", 1, "a ?| ?", 1)},
    {"a ??& array[?]", EACH("a ?& array[$1]", 1, "a ?& array[?]", 1, "a ?& array[?]", 0)},
    {"a @?? ?", EACH("a @? $1", 1, "a @? ?", 1, "a @? ?", 1)},
    {"???", EACH("?$1", 1, "??", 1, "??", 1)},
    {"????", ALL("??", 0)},
    {"'?\?'", ALL(SAME, 0)},
    {"a->'b' = ?", NUMBERED("a->'b' = $1", 1)},
    {"a->>? = ?", NUMBERED("a->>$1 = $2", 2)},
    {"a#>>'{b}' = ?", EACH("a#>>'{b}' = $1", 1, SAME, 0, SAME, 1)},
    {"a @> ?", NUMBERED("a @> $1", 1)},
    /* not terminated */
    {"SELECT 'a", ALL("!8", 0)},
    {"SELECT 'a''", ALL("!8", 0)},
    {"é 'a", ALL("!3", 0)},
    {"\"a", ALL("!1", 0)},
    {"/* a", EACH("!1", 0, "!1", 0, SAME, 0)},
    {"/* /* */", EACH("!1", 0, SAME, 0, SAME, 0)},
    {"? /*", EACH("!3", 0, "!3", 0, SAME, 1)},
    {"?, ? /* ? ' [ ; *", EACH("!6", 0, "!6", 0, SAME, 2)},
    {"/*/", EACH("!1", 0, "!1", 0, SAME, 0)},
    {"`a", EACH(SAME, 0, "!1", 0, "!1", 0)},
    {"$$a", EACH("!1", 0, SAME, 0, SAME, 0)},
    {"$a$ $b$", EACH("!1", 0, SAME, 0, SAME, 0)},
    {"/*! a", EACH("!1", 0, "!1", 0, SAME, 0)},
    {"'", ALL("!1", 0)},
    /* bytes that are no characters */
    {"\xff? \xc3", EACH("\xff $1 \xc3", 1, "\xff ? \xc3", 1, "\xff ? \xc3", 1)},
    {"'\xff?'", ALL(SAME, 0)},
    {"", ALL(SAME, 0)},
};

enum { COUNT = sizeof(conversions) / sizeof(conversions[0]) };

static const char *const names[] = {"postgres", "mysql", "sqlite"};

/* Says what differs, and returns 0. */
static int is_converted(pond_dialect dialect, const conversion *at)
{
    const expectation *expected = &at->expected[dialect];
    const char *text = expected->text ? expected->text : at->sql;
    pondi_buffer out;
    pondi_sql_info info;
    pond_error *error = NULL;
    char failure[32] = "";
    pondi_buffer_init(&out);
    int code =
        pondi_sql_convert(dialect, any_server, at->sql, strlen(at->sql), &out, &info, &error);
    if (code)
        snprintf(failure, sizeof(failure), "!%u", (unsigned)pond_error_position(error));
    const char *got = code ? failure : out.data ? out.data : "";
    size_t count = code ? 0 : info.placeholders;
    int right = strcmp(got, text) == 0 && count == expected->placeholders;
    if (code && code != POND_ESYNTAX)
        right = 0;
    if (!right)
        print_error("%s: <%s>\n  wanted <%s> with %zu\n  got    <%s> with %zu\n", names[dialect],
                    at->sql, text, expected->placeholders, got, count);
    pond_error_free(error);
    pondi_buffer_free(&out);
    return right;
}

static void convert_all(pond_dialect dialect)
{
    int wrong = 0;
    for (size_t i = 0; i < COUNT; i++)
        wrong += !is_converted(dialect, &conversions[i]);
    assert_int_equal(wrong, 0);
}

static void postgres_statements_are_converted(void **state)
{
    (void)state;
    assert_true(COUNT >= 100);
    convert_all(POND_DIALECT_POSTGRES);
}

static void mysql_statements_are_converted(void **state)
{
    (void)state;
    convert_all(POND_DIALECT_MYSQL);
}

static void sqlite_statements_are_converted(void **state)
{
    (void)state;
    convert_all(POND_DIALECT_SQLITE);
}

/* ---- What else the converter learns ------------------------------------------------------ */

static void an_empty_statement_is_told_and_others_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        int empty;
        const char *verb;
    } cases[] = {
        {"", 1, ""},
        {" ; ; -- x", 1, ""},
        {"/* a */\n;", 1, ""},
        {"select 1", 0, "SELECT"},
        {"SELECT 1; -- done", 0, "SELECT"},
        {";SELECT ';'", 0, "SELECT"},
        {"/* a */ (select 1)", 0, "SELECT"},
        {"a;b;c", 0, "A"},
        {"?", 0, ""},
        {"'a' b", 0, "B"},
        {"WITH x AS (SELECT 1) DELETE FROM y", 0, "WITH"},
        {"averyveryverylongverb", 0, "AVERYVERYVERYLO"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pondi_buffer out;
        pondi_sql_info info;
        pondi_buffer_init(&out);
        assert_int_equal(pondi_sql_convert(POND_DIALECT_SQLITE, any_server, cases[i].sql,
                                           strlen(cases[i].sql), &out, &info, NULL),
                         POND_OK);
        if (info.empty != cases[i].empty)
            print_error("<%s>\n", cases[i].sql);
        assert_int_equal(info.empty, cases[i].empty);
        assert_string_equal(info.verb, cases[i].verb);
        pondi_buffer_free(&out);
    }
}

static void what_follows_a_semicolon_is_known(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        int follows;
    } cases[] = {
        {"", 0},         {"a", 0},     {"a;", 1},       {"a; -- b\n /* c; */ ", 1},
        {"a; b", 0},     {"';", 0},    {"a ';' ", 0},   {";", 1},
        {"a; /*! b", 0}, {"a # ;", 0}, {"a; # b\n", 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(
            pondi_sql_follows_semicolon(POND_DIALECT_MYSQL, cases[i].sql, strlen(cases[i].sql)),
            cases[i].follows);
}

static void a_comment_that_the_end_ends_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        size_t open;
    } cases[] = {
        {"", 0},          {"a /* b", 3},      {"a /*", 3},      {"a /*/", 3},  {"a /**/", 0},
        {"a /* b */", 0}, {"a /* b */ c", 0}, {"a -- /* b", 0}, {"'/* a'", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(
            pondi_sql_open_comment(POND_DIALECT_SQLITE, cases[i].sql, strlen(cases[i].sql)),
            cases[i].open);
}

static void a_native_statement_is_only_looked_at(void **state)
{
    (void)state;
    static const struct {
        pond_dialect dialect;
        const char *sql;
        size_t placeholders;
        int empty;
    } cases[] = {
        {POND_DIALECT_POSTGRES, "SELECT $2, $1", 2, 0},
        {POND_DIALECT_POSTGRES, "SELECT $10 ?| $3, '$11', $$ $12 $$ -- $13", 10, 0},
        {POND_DIALECT_POSTGRES, "SELECT a$1 ? b, x[i]; SELECT 2", 0, 0},
        {POND_DIALECT_POSTGRES, "SELECT $99999999999999999999999999", 999999999999999999u, 0},
        {POND_DIALECT_MYSQL, "SELECT ?", PONDI_UNCOUNTED, 0},
        {POND_DIALECT_SQLITE, "SELECT ?1, :a; ; SELECT 2", PONDI_UNCOUNTED, 0},
        {POND_DIALECT_SQLITE, " -- nothing", PONDI_UNCOUNTED, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pondi_sql_info info;
        const char *sql = cases[i].sql;
        assert_int_equal(
            pondi_sql_inspect(cases[i].dialect, any_server, sql, strlen(sql), &info, NULL),
            POND_OK);
        if (cases[i].placeholders != 999999999999999999u)
            assert_int_equal(info.placeholders, cases[i].placeholders);
        else
            assert_true(info.placeholders > 65535 && info.placeholders != PONDI_UNCOUNTED);
        assert_int_equal(info.empty, cases[i].empty);
    }
    pondi_sql_info info;
    assert_int_equal(pondi_sql_inspect(POND_DIALECT_SQLITE, any_server, "'a", 2, &info, NULL),
                     POND_ESYNTAX);
}

/* Versioned comments: what a server of each kind executes is part of the statement. */
static void placeholders_in_versioned_comments_are_counted_for_the_server(void **state)
{
    (void)state;
    static const pondi_sql_server mysql57 = {0, 50744};
    static const pondi_sql_server mysql84 = {0, 80406};
    static const pondi_sql_server maria = {1, 101119};
    static const struct {
        const char *sql;
        size_t on_57, on_84, on_maria, on_any;
    } cases[] = {
        {"SELECT 1 /*! ? */", 1, 1, 1, 1},
        {"SELECT 1 /*!50744 ? */ ?", 2, 2, 1, 2},
        {"SELECT 1 /*!50745 ? */ ?", 1, 2, 1, 2},
        {"SELECT 1 /*!50699 ? */ ?", 2, 2, 2, 2},
        {"SELECT 1 /*!080406 ? */ ?", 1, 2, 1, 2}, /* six digits and a space */
        {"SELECT 1 /*!080407 ? */ ?", 1, 1, 1, 2},
        {"SELECT 1 /*!100000 ? */ ?", 1, 1, 2, 2},
        {"SELECT 1 /*!101119 ? */ ?", 1, 1, 2, 2},
        {"SELECT 1 /*!101120 ? */ ?", 1, 1, 1, 2},
        {"SELECT 1 /*M! ? */ ?", 1, 1, 2, 2},
        {"SELECT 1 /*M!50800 ? */ ?", 1, 1, 2, 2},
        {"SELECT 1 /*M!110000 ? /* ? */ ? */ ?", 2, 2, 1, 3},
        {"SELECT 1 /*!99999 ? /* ? */ ? */ ?", 1, 1, 1, 3},
        {"SELECT 1 /*!50000 ? /* ? */ ? */ ?", 3, 3, 3, 3},
        {"SELECT 1 /*!50000 ? /*!99999 ? */ ? */ ?", 3, 3, 3, 3},
        {"SELECT 1 /*!50000 ? /*!50000 ? */ ? */", 3, 3, 3, 2},
        {"SELECT 1 /*!5000 ? */ ?", 2, 2, 2, 2}, /* no version: digits of the statement */
    };
    int wrong = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const pondi_sql_server servers[] = {mysql57, mysql84, maria, any_server};
        const size_t wanted[] = {cases[i].on_57, cases[i].on_84, cases[i].on_maria,
                                 cases[i].on_any};
        for (size_t k = 0; k < sizeof(servers) / sizeof(servers[0]); k++) {
            pondi_buffer out;
            pondi_sql_info info;
            pondi_buffer_init(&out);
            int code = pondi_sql_convert(POND_DIALECT_MYSQL, servers[k], cases[i].sql,
                                         strlen(cases[i].sql), &out, &info, NULL);
            if (code || info.placeholders != wanted[k] || strcmp(out.data, cases[i].sql) != 0) {
                print_error("server %zu: <%s>: wanted %zu, got %zu\n", k, cases[i].sql, wanted[k],
                            info.placeholders);
                wrong++;
            }
            pondi_buffer_free(&out);
        }
    }
    assert_int_equal(wrong, 0);
}

static uint32_t position_of(const char *sql, uint32_t native)
{
    return pondi_sql_caller_position(POND_DIALECT_POSTGRES, any_server, sql, strlen(sql), native);
}

static void positions_are_told_in_the_callers_terms(void **state)
{
    (void)state;
    assert_int_equal(position_of("SELECT x", 8), 8);
    /* SELECT $1, x */
    assert_int_equal(position_of("SELECT ?, x", 8), 8);
    assert_int_equal(position_of("SELECT ?, x", 9), 8);
    assert_int_equal(position_of("SELECT ?, x", 12), 11);
    /* 'é' ?| $1 x: characters, not bytes */
    assert_int_equal(position_of("'é' ??| ? x", 11), 11);
    assert_int_equal(position_of("[a] x", 5), 5);
    assert_int_equal(position_of("SELECT", 7), 7);
    assert_int_equal(position_of("SELECT", 8), 0);
    assert_int_equal(position_of("SELECT", 0), 0);
}

static void ten_megabytes_are_converted(void **state)
{
    (void)state;
    static const char *const pieces[] = {"?,", "[", "$a", "/*", "'a'", "$$ ", "--", "\"", "x[y]"};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        size_t piece = strlen(pieces[i]);
        size_t size = (10u << 20) / piece * piece;
        char *sql = malloc(size);
        assert_non_null(sql);
        for (size_t at = 0; at < size; at += piece)
            memcpy(sql + at, pieces[i], piece);
        for (int dialect = 0; dialect < 3; dialect++) {
            pondi_buffer out;
            pondi_sql_info info;
            pondi_buffer_init(&out);
            int code =
                pondi_sql_convert((pond_dialect)dialect, any_server, sql, size, &out, &info, NULL);
            assert_true(code == POND_OK || code == POND_ESYNTAX);
            pondi_buffer_free(&out);
        }
        free(sql);
    }
}

/* ---- Comments and timeouts --------------------------------------------------------------- */

static void tags_become_a_comment_that_nothing_can_end(void **state)
{
    (void)state;
    const pond_tag tags[] = {{"route", "/a b"}, {"a*/", "*/ DROP\n'"}, {"empty", ""}};
    char *text = NULL;
    assert_int_equal(pond_sql_comment(tags, 3, &text, NULL), POND_OK);
    assert_string_equal(text, "/*a%2A%2F='%2A%2F%20DROP%0A%27',empty='',route='%2Fa%20b'*/");
    pond_string_free(text);
    assert_int_equal(pond_sql_comment(NULL, 0, &text, NULL), POND_OK);
    assert_null(text);
}

static void a_tag_without_a_key_is_refused(void **state)
{
    (void)state;
    const pond_tag tags[] = {{"route", "/"}, {NULL, "x"}};
    char *text = NULL;
    pond_error *error = NULL;
    assert_int_equal(pond_sql_comment(tags, 2, &text, &error), POND_EINVAL);
    assert_null(text);
    assert_string_equal(pond_error_message(error), "tag 2 has no key");
    pond_error_free(error);
}

static void an_unterminated_literal_survives_a_lack_of_memory(void **state)
{
    (void)state;
    for (uint64_t i = 1; i < 5; i++) {
        pondi_buffer out;
        pondi_sql_info info;
        pond_error *error = NULL;
        pondi_buffer_init(&out);
        pondi_alloc_fail_after(i, 1);
        assert_true(
            pondi_sql_convert(POND_DIALECT_POSTGRES, any_server, "'a", 2, &out, &info, &error) < 0);
        pondi_alloc_fail_after(0, 0);
        if (pondi_error_is_shared(error))
            assert_int_equal(pond_error_position(error), 0);
        pond_error_free(error);
        pondi_buffer_free(&out);
    }
}

static void timeouts_are_statements_where_there_are_any(void **state)
{
    (void)state;
    char *text = NULL;
    pond_sql_timeout(POND_DIALECT_POSTGRES, 1500, &text, NULL);
    assert_string_equal(text, "SET LOCAL statement_timeout = 1500");
    pond_string_free(text);
    pond_sql_timeout(POND_DIALECT_MYSQL, 1500, &text, NULL);
    assert_string_equal(text, "SET SESSION /*!50708 max_execution_time = 1500 */ "
                              "/*M!100101 max_statement_time = 1.500 */");
    pond_string_free(text);
    pond_sql_timeout(POND_DIALECT_SQLITE, 1500, &text, NULL);
    assert_null(text);
    pond_sql_timeout(POND_DIALECT_POSTGRES, 0, &text, NULL);
    assert_null(text);
    assert_int_equal(pond_sql_timeout((pond_dialect)7, 1500, &text, NULL), POND_EINVAL);
    assert_null(text);
}

RUN_TESTS(cmocka_unit_test(postgres_statements_are_converted),
          cmocka_unit_test(mysql_statements_are_converted),
          cmocka_unit_test(sqlite_statements_are_converted),
          cmocka_unit_test(an_empty_statement_is_told_and_others_are_named),
          cmocka_unit_test(a_comment_that_the_end_ends_is_found),
          cmocka_unit_test(what_follows_a_semicolon_is_known),
          cmocka_unit_test(a_native_statement_is_only_looked_at),
          cmocka_unit_test(placeholders_in_versioned_comments_are_counted_for_the_server),
          cmocka_unit_test(positions_are_told_in_the_callers_terms),
          cmocka_unit_test(ten_megabytes_are_converted),
          cmocka_unit_test(tags_become_a_comment_that_nothing_can_end),
          cmocka_unit_test(a_tag_without_a_key_is_refused),
          cmocka_unit_test(an_unterminated_literal_survives_a_lack_of_memory),
          cmocka_unit_test(timeouts_are_statements_where_there_are_any))

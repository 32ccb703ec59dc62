/* Which statements are seen to change their session. */
#include "check.h"

#include "base/buffer.h"
#include "sql/convert.h"
#include "sql/functions.h"
#include "sql/session.h"

static int touches(pond_dialect dialect, const char *sql)
{
    pondi_buffer out;
    pondi_sql_info info;
    pondi_buffer_init(&out);
    assert_int_equal(
        pondi_sql_convert(dialect, (pondi_sql_server){0}, sql, strlen(sql), &out, &info, NULL),
        POND_OK);
    pondi_buffer_free(&out);
    return info.touches;
}

static void check_all(pond_dialect dialect, const char *const *statements, int touched)
{
    for (; *statements; statements++) {
        if ((touches(dialect, *statements) != 0) != touched)
            fail_msg("%s: %s", *statements, touched ? "is not seen" : "is taken for a change");
    }
}

static void changes_of_a_postgres_session_are_seen(void **state)
{
    (void)state;
    static const char *const yes[] = {"SET search_path = other",
                                      "  -- a comment\n set ROLE joe",
                                      "SET SESSION AUTHORIZATION joe",
                                      "SET \"statement_timeout\" = 5",
                                      "LISTEN news",
                                      "CREATE TEMP TABLE t (id int)",
                                      "create global temporary table t (id int)",
                                      "CREATE OR REPLACE TEMP VIEW v AS SELECT 1",
                                      "SELECT 1 INTO TEMP t",
                                      "SELECT set_config('a.b', ?, false)",
                                      "SELECT pg_advisory_lock(1)",
                                      "SELECT pg_try_advisory_lock_shared(1)",
                                      "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
                                      "DO $$ BEGIN SET x = 1; END $$",
                                      "CALL change_things()",
                                      "EXECUTE p(1)",
                                      "SELECT \"set_config\"('a.b', ?, false)",
                                      "SELECT pg_catalog.\"pg_advisory_lock\"(1)",
                                      "SELECT become(?)",
                                      "SELECT lower(become(?))",
                                      "SELECT shop.lower(?)",
                                      "SELECT * FROM become(?) AS b(x)",
                                      "INSERT INTO t (a) SELECT become(?)",
                                      "UPDATE t SET a = \"Become\" (?)",
                                      "CREATE TABLE t AS SELECT become(1)",
                                      "EXPLAIN ANALYZE SELECT become(1)",
                                      NULL};
    static const char *const no[] = {"SELECT 'SET x = 1'",
                                     "SELECT count(*), now(), LOWER(a), \"upper\"(b) FROM t",
                                     "SELECT pg_catalog.lower(a) FROM t WHERE b IN (1, 2)",
                                     "INSERT INTO shop.orders (a, b) VALUES (?, ?)",
                                     "INSERT INTO \"shop\".\"orders\" (\"a\") VALUES (?) "
                                     "ON CONFLICT (\"a\") DO UPDATE SET \"a\" = EXCLUDED.\"a\"",
                                     "WITH x (a) AS (SELECT 1) SELECT * FROM x AS y (b)",
                                     "SELECT a::thing(3), CAST(b AS numeric(10, 2)) FROM t",
                                     "SELECT a FROM t JOIN u USING (id) WHERE EXISTS (SELECT 1)",
                                     "SELECT sum(a) FILTER (WHERE b) OVER (PARTITION BY c) FROM t",
                                     "CREATE TABLE t (id int, name varchar(20), UNIQUE (name))",
                                     "SELECT pg_backend_pid()",
                                     "SET LOCAL search_path = other",
                                     "SET TRANSACTION READ ONLY",
                                     "UPDATE t SET a = ?",
                                     "SELECT pg_advisory_xact_lock(1)",
                                     "CREATE TABLE temporary_things (temp int)",
                                     "SELECT temp FROM weather",
                                     "INSERT INTO t (listen) VALUES (1) -- SET x",
                                     NULL};
    check_all(POND_DIALECT_POSTGRES, yes, 1);
    check_all(POND_DIALECT_POSTGRES, no, 0);
    assert_int_equal(touches(POND_DIALECT_POSTGRES, "PREPARE p AS SELECT 1"),
                     PONDI_TOUCHES_SESSION | PONDI_TOUCHES_PREPARED);
}

static void the_list_of_functions_is_sorted(void **state)
{
    (void)state;
    assert_int_equal(pondi_function_unsorted(), 0);
    assert_true(pondi_function_is_harmless("Abs", 3));
    assert_true(pondi_function_is_harmless("yearweek", 8));
    assert_false(pondi_function_is_harmless("low", 3));
    assert_false(pondi_function_is_harmless("lower_case", 10));
}

static void changes_of_a_mysql_session_are_seen(void **state)
{
    (void)state;
    static const char *const yes[] = {"SET sql_mode = ''",
                                      "SET @x = 1",
                                      "SELECT @x := 1",
                                      "SELECT 1 INTO @x",
                                      "USE other",
                                      "CREATE TEMPORARY TABLE t (id int)",
                                      "SELECT GET_LOCK('a', 1)",
                                      "LOCK TABLES t WRITE",
                                      "PREPARE p FROM 'SELECT 1'",
                                      "EXECUTE IMMEDIATE 'SET sql_mode = \\'\\''",
                                      "BACKUP LOCK t",
                                      "SET TRANSACTION READ ONLY",
                                      "SELECT become(1)",
                                      "SELECT `become` (1)",
                                      "SELECT shop.lower('A')",
                                      NULL};
    static const char *const no[] = {"SELECT @@version",
                                     "UPDATE t SET a = 1",
                                     "INSERT INTO `t` (`a`) VALUES (?) ON DUPLICATE KEY UPDATE "
                                     "a = VALUES(a)",
                                     "INSERT IGNORE `t` (a) VALUES (uuid())",
                                     "REPLACE t (a) VALUES (LAST_INSERT_ID())",
                                     "SELECT GROUP_CONCAT(a), IFNULL(b, 1) FROM t USE INDEX (i)",
                                     "SELECT 'GET_LOCK(1)'",
                                     NULL};
    check_all(POND_DIALECT_MYSQL, yes, 1);
    check_all(POND_DIALECT_MYSQL, no, 0);
}

static void changes_of_an_sqlite_session_are_seen(void **state)
{
    (void)state;
    static const char *const yes[] = {"PRAGMA foreign_keys = OFF",
                                      "PRAGMA cache_size(100)",
                                      "pragma main.synchronous = 0",
                                      "CREATE TEMP TABLE t (id)",
                                      "CREATE TABLE IF NOT EXISTS temp.t (id)",
                                      "ATTACH 'a.db' AS a",
                                      NULL};
    static const char *const no[] = {"PRAGMA table_info(t)",
                                     "PRAGMA foreign_keys",
                                     "PRAGMA main.table_info(t)",
                                     "PRAGMA user_version = 3",
                                     "PRAGMA wal_checkpoint(TRUNCATE)",
                                     "UPDATE t SET a = 1",
                                     "SELECT * FROM pragma_table_info('t')",
                                     NULL};
    check_all(POND_DIALECT_SQLITE, yes, 1);
    check_all(POND_DIALECT_SQLITE, no, 0);
}

static unsigned means(pond_dialect dialect, const char *sql)
{
    pondi_sql_info info;
    assert_int_equal(
        pondi_sql_inspect(dialect, (pondi_sql_server){0}, sql, strlen(sql), &info, NULL), POND_OK);
    assert_int_equal(pondi_sql_means(dialect, sql, strlen(sql)), info.means);
    return info.means;
}

static void the_first_word_tells_what_a_statement_does(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        unsigned means;
    } statements[] = {{"/* ROLLBACK */ select 1", PONDI_VERB_READS},
                      {"(SELECT 1)", PONDI_VERB_READS},
                      {"rollback to savepoint a", PONDI_VERB_UNDOES},
                      {" -- as before\n Abort", PONDI_VERB_UNDOES},
                      {"rollbacks", 0},
                      {"END", PONDI_VERB_COMMITS},
                      {"insert INTO rollback VALUES (1)", PONDI_VERB_WRITES_ROWS},
                      {"ALTER TABLE t ADD a int", PONDI_VERB_CHANGES_SCHEMA},
                      {"WITH a AS (SELECT 1) SELECT * FROM a", 0},
                      {"", 0}};
    for (pond_dialect dialect = POND_DIALECT_POSTGRES; dialect <= POND_DIALECT_SQLITE; dialect++) {
        for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
            assert_int_equal(means(dialect, statements[i].sql), statements[i].means);
    }
}

RUN_TESTS(cmocka_unit_test(the_first_word_tells_what_a_statement_does),
          cmocka_unit_test(changes_of_a_postgres_session_are_seen),
          cmocka_unit_test(the_list_of_functions_is_sorted),
          cmocka_unit_test(changes_of_a_mysql_session_are_seen),
          cmocka_unit_test(changes_of_an_sqlite_session_are_seen))

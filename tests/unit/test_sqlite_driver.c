/* The SQLite driver through the public interface, on real files: opening, values, errors, rows. */
#include "sqlite_fixture.h"

#include <math.h>

/* ---- Open -------------------------------------------------------------------------------- */

static void expect_no_connection(const char *path, const char *const *settings, const char *words)
{
    pond_connection *conn = NULL;
    pond_pool *pool = open_pool(path, settings);
    assert_non_null(pool);
    int code = lease(pool, &conn);
    close_pool(pool);
    assert_int_equal(code, POND_ECONNECT);
    assert_null(conn);
    if (!strstr(last_message, words) || !strstr(last_message, path))
        fail_msg("\"%s\" does not say \"%s\" and the path", last_message, words);
}

static void what_cannot_be_opened_is_named_with_the_reason(void **state)
{
    fixture *at = *state;
    static const char *const read_only[] = {"read_only", "true", NULL};
    char path[160];
    snprintf(path, sizeof(path), "%s/no/such.db", at->folder);
    expect_no_connection(path, NULL, "does not exist");
    expect_no_connection(at->folder, NULL, "is a folder");
    snprintf(path, sizeof(path), "%s/missing.db", at->folder);
    expect_no_connection(path, read_only, "does not exist");
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof(path), "%s/text.db", at->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 100; i++)
        fputs("This is a letter, and no database at all.\n", file);
    fclose(file);
    expect_no_connection(path, NULL, "not a database");
    expect_no_connection(path, read_only, "not a database");
}

static void a_uri_is_a_file_name_unless_the_option_is_set(void **state)
{
    fixture *at = *state;
    static const char *const uri[] = {"uri", "true", NULL};
    char path[160];
    run(at->conn, "CREATE TABLE t (a)");
    snprintf(path, sizeof(path), "file:%s?mode=ro", at->path);
    assert_null(open_pool(path, NULL));
    assert_non_null(strstr(last_message, "uri"));
    pond_pool *pool = open_pool(path, uri);
    pond_connection *conn = NULL;
    assert_int_equal(lease(pool, &conn), POND_OK);
    assert_int_equal(number_from(conn, "SELECT count(*) FROM t"), 0);
    assert_int_equal(execute(conn, "INSERT INTO t VALUES (1)", NULL, 0, NULL), POND_EREADONLY);
    assert_int_equal(transact(conn, POND_BEGIN, 20000), POND_OK);
    give_back(conn);
    close_pool(pool);
}

static void a_connection_is_set_up_as_the_readme_says(void **state)
{
    fixture *at = *state;
    pond_result *result;
    pond_value value;
    assert_int_equal(execute(at->conn, "PRAGMA journal_mode", NULL, 0, &result), POND_OK);
    pond_result_row(result, 0, &value, NULL);
    assert_memory_equal(value.as.text.data, "wal", 3);
    pond_result_release(result);
    assert_int_equal(number_from(at->conn, "PRAGMA foreign_keys"), 1);
    assert_int_equal(number_from(at->conn, "PRAGMA synchronous"), 1);
    assert_int_equal(number_from(at->conn, "PRAGMA trusted_schema"), 0);
    assert_memory_equal(pond_connection_server_version(at->conn), "SQLite 3.", 9);
    assert_memory_equal(pond_connection_driver_version(at->conn), "sqlite3 3.", 10);
}

static void attach_and_extensions_are_off_and_vacuum_works_all_the_same(void **state)
{
    fixture *at = *state;
    static const char *const attach[] = {"attach", "true", NULL};
    assert_int_not_equal(execute(at->conn, "ATTACH ':memory:' AS other", NULL, 0, NULL), POND_OK);
    assert_non_null(strstr(last_hint, "attach"));
    assert_int_not_equal(execute(at->conn, "SELECT load_extension('x')", NULL, 0, NULL), POND_OK);
    run(at->conn, "CREATE TABLE t (a)");
    run(at->conn, "VACUUM");
    assert_int_not_equal(execute(at->conn, "ATTACH ':memory:' AS other", NULL, 0, NULL), POND_OK);
    pond_pool *pool = open_pool(at->path, attach);
    pond_connection *conn = NULL;
    assert_int_equal(lease(pool, &conn), POND_OK);
    run(conn, "ATTACH ':memory:' AS other");
    run(conn, "VACUUM");
    give_back(conn);
    close_pool(pool);
}

static void a_database_in_memory_is_shared_by_its_pool_and_ends_with_it(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        pond_pool *pool = open_pool(":memory:", NULL);
        pond_connection *first = NULL;
        pond_connection *second = NULL;
        assert_int_equal(lease(pool, &first), POND_OK);
        assert_int_equal(lease(pool, &second), POND_OK);
        run(first, "CREATE TABLE t (a)"); /* would exist in the second round */
        run(second, "INSERT INTO t VALUES (1)");
        run(first, "INSERT INTO t VALUES (2)");
        assert_int_equal(number_from(second, "SELECT sum(a) FROM t"), 3);
        give_back(first);
        give_back(second);
        close_pool(pool);
    }
}

/* ---- Values ------------------------------------------------------------------------------ */

static void assert_same(const pond_value *a, const pond_value *b)
{
    assert_int_equal(a->type, b->type);
    switch (a->type) {
    case POND_TYPE_NULL:
        break;
    case POND_TYPE_DOUBLE:
        assert_true(a->as.real == b->as.real && signbit(a->as.real) == signbit(b->as.real));
        break;
    case POND_TYPE_UUID:
        assert_memory_equal(a->as.uuid, b->as.uuid, 16);
        break;
    case POND_TYPE_TEXT:
    case POND_TYPE_BYTES:
    case POND_TYPE_DECIMAL:
    case POND_TYPE_JSON:
        assert_int_equal(a->as.text.size, b->as.text.size);
        assert_memory_equal(a->as.text.data, b->as.text.data, a->as.text.size);
        break;
    default:
        assert_int_equal(a->as.integer, b->as.integer);
        break;
    }
}

/* Through a column declared as `declared`, and out again as `wanted`. */
static void check_value(fixture *at, const char *declared, pond_value given, pond_value wanted)
{
    char sql[128];
    pond_result *result;
    pond_value read;
    snprintf(sql, sizeof(sql), "CREATE TABLE v (a %s)", declared);
    run(at->conn, sql);
    if (execute(at->conn, "INSERT INTO v VALUES (?)", &given, 1, NULL))
        fail_msg("%s: %s", declared, last_message);
    assert_int_equal(execute(at->conn, "SELECT a FROM v", NULL, 0, &result), POND_OK);
    assert_int_equal(pond_result_row_count(result), 1);
    assert_int_equal(pond_result_row(result, 0, &read, NULL), POND_OK);
    assert_same(&read, &wanted);
    pond_result_release(result);
    run(at->conn, "DROP TABLE v");
}

static void check_both(fixture *at, const char *declared, pond_value value)
{
    check_value(at, declared, value, value);
}

static void check_scalar(fixture *at, const char *declared, pond_type type, int64_t integer)
{
    pond_value value = {.type = (uint32_t)type};
    value.as.integer = integer;
    check_both(at, declared, value);
}

static void numbers_and_null_come_back_as_they_went_in(void **state)
{
    static const int64_t integers[] = {0, 1, -1, INT64_MAX, INT64_MIN};
    static const double reals[] = {0.0,      0.1,      -1.5e300, 4.9e-324, 1.7976931348623157e308,
                                   INFINITY, -INFINITY};
    pond_value value = {.type = POND_TYPE_NULL};
    check_both(*state, "", value);
    check_both(*state, "boolean", value);
    for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++)
        check_both(*state, "integer", of_integer(integers[i]));
    value.type = POND_TYPE_DOUBLE;
    for (size_t i = 0; i < sizeof(reals) / sizeof(reals[0]); i++) {
        value.as.real = reals[i];
        check_both(*state, "real", value);
    }
    check_scalar(*state, "boolean", POND_TYPE_BOOL, 1);
    check_scalar(*state, "BOOL", POND_TYPE_BOOL, 0);
    check_both(*state, "boolean", of_integer(2)); /* not a boolean: as stored */
}

static void text_and_bytes_of_any_size_and_content_come_back(void **state)
{
    static const char every[] = "\0\1\2\xff\xfe";
    size_t size = 1 << 20;
    char *big = malloc(size);
    memset(big, 'x', size);
    check_both(*state, "text", of_text(""));
    check_both(*state, "text", of_text("gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x9f 'quoted'"));
    check_both(*state, "text", of_bytes(POND_TYPE_TEXT, big, size));
    check_both(*state, "blob", of_bytes(POND_TYPE_BYTES, NULL, 0));
    check_both(*state, "blob", of_bytes(POND_TYPE_BYTES, every, sizeof(every)));
    check_both(*state, "text", of_bytes(POND_TYPE_BYTES, big, size));
    free(big);
}

static void times_keep_type_and_microseconds_by_the_declared_type(void **state)
{
    static const int64_t year_1 = INT64_C(-62135596800000000);
    static const int64_t year_9999_end = INT64_C(253402300799999999);
    check_scalar(*state, "date", POND_TYPE_DATE, 0);
    check_scalar(*state, "date", POND_TYPE_DATE, -719162);
    check_scalar(*state, "date", POND_TYPE_DATE, 2932896);
    check_scalar(*state, "time", POND_TYPE_TIME, 1);
    check_scalar(*state, "time", POND_TYPE_TIME, INT64_C(86399999999));
    check_scalar(*state, "timestamp", POND_TYPE_TIMESTAMP, -1);
    check_scalar(*state, "TIMESTAMP(6)", POND_TYPE_TIMESTAMP, year_1);
    check_scalar(*state, "datetime", POND_TYPE_TIMESTAMP, year_9999_end);
    check_scalar(*state, "timestamptz", POND_TYPE_TIMESTAMPTZ, year_1);
    check_scalar(*state, "timestamp with time zone", POND_TYPE_TIMESTAMPTZ, year_9999_end);
    check_value(*state, "text", (pond_value){.type = POND_TYPE_DATE}, of_text("1970-01-01"));
    pond_value eastern = {.type = POND_TYPE_TIME, .aux = -(5 * 3600 + 1800)};
    check_value(*state, "time", eastern, of_text("00:00:00-05:30")); /* the zone is not lost */
    check_both(*state, "date", of_text("tomorrow"));
    check_both(*state, "timezone", of_text("12:00")); /* not a time */
    fixture *at = *state;
    run(at->conn, "CREATE TABLE stamped (a timestamptz DEFAULT '2026-01-02 03:04:05', b integer)");
    run(at->conn, "INSERT INTO stamped (b) VALUES (1)"); /* as CURRENT_TIMESTAMP writes it */
    pond_result *result;
    pond_value read;
    assert_int_equal(execute(at->conn, "SELECT a FROM stamped", NULL, 0, &result), POND_OK);
    pond_result_row(result, 0, &read, NULL);
    assert_int_equal(read.type, POND_TYPE_TIMESTAMPTZ);
    assert_int_equal(read.as.integer, INT64_C(1767323045000000));
    pond_result_release(result);
}

static void decimals_uuids_json_arrays_and_intervals_are_text_underneath(void **state)
{
    pond_value uuid = {.type = POND_TYPE_UUID, .as.uuid = {0, 1, 2, 0xff}};
    pond_value items[] = {of_integer(1), of_text("a\"b"), {.type = POND_TYPE_NULL}};
    pond_value array = {.type = POND_TYPE_ARRAY};
    pond_value interval = {.type = POND_TYPE_INTERVAL, .aux = 14};
    array.as.array.items = items;
    array.as.array.count = 3;
    interval.as.interval.days = 3;
    interval.as.interval.microseconds = 1500000;
    check_both(*state, "uuid", uuid);
    check_value(*state, "text", uuid, of_text("000102ff-0000-0000-0000-000000000000"));
    check_both(*state, "decimal(10, 2)", of_bytes(POND_TYPE_DECIMAL, "12.5", 4));
    check_both(*state, "numeric", of_bytes(POND_TYPE_DECIMAL, "-7", 2));
    const char *digits = "-12345678901234567890123456789012345.678";
    check_value(*state, "text", of_bytes(POND_TYPE_DECIMAL, digits, strlen(digits)),
                of_text(digits));
    check_both(*state, "json", of_bytes(POND_TYPE_JSON, "{\"a\": [1]}", 10));
    check_value(*state, "json", array, of_bytes(POND_TYPE_JSON, "[1,\"a\\\"b\",null]", 15));
    check_value(*state, "text", interval, of_text("P14M3DT1.500000S"));
}

static pond_value of_decimal(const char *digits)
{
    return of_bytes(POND_TYPE_DECIMAL, digits, strlen(digits));
}

static void check_number(fixture *at, const char *digits, const char *type, const char *text)
{
    pond_result *result;
    pond_value cells[2];
    pond_value params[] = {of_decimal(digits), of_decimal(digits)};
    assert_int_equal(execute(at->conn, "SELECT typeof(?), CAST(? AS text)", params, 2, &result),
                     POND_OK);
    pond_result_row(result, 0, cells, NULL);
    pond_value wanted[] = {of_text(type), of_text(text)};
    assert_same(&cells[0], &wanted[0]);
    assert_same(&cells[1], &wanted[1]);
    pond_result_release(result);
}

static void a_decimal_travels_as_the_number_that_its_digits_are(void **state)
{
    static const struct {
        const char *digits;
        const char *type;
        const char *text;
    } cases[] = {
        {"0", "integer", "0"},
        {"-0", "integer", "0"},
        {"+7", "integer", "7"},
        {"100", "integer", "100"},
        {"0012", "integer", "12"},
        {"9223372036854775807", "integer", "9223372036854775807"},
        {"-9223372036854775808", "integer", "-9223372036854775808"},
        {"9223372036854775808", "text", "9223372036854775808"},
        {"-9223372036854775809", "text", "-9223372036854775809"},
        {"99999999999999999999", "text", "99999999999999999999"},
        {"123450000000000000000", "real", "1.2345e+20"},
        {"0.0", "real", "0.0"},
        {"-0.00", "real", "0.0"},
        {"1.5", "real", "1.5"},
        {"10.00", "real", "10.0"},
        {"-19.99", "real", "-19.99"},
        {"0.1", "real", "0.1"},
        {".5", "real", "0.5"},
        {"5.", "real", "5.0"},
        {"1E+3", "real", "1000.0"},
        {"12.5e-1", "real", "1.25"},
        {"0.000000000000000000000000000001", "real", "1.0e-30"},
        {"123456789012.345", "real", "123456789012.345"},
        {"123456789012.345000", "real", "123456789012.345"},
        {"123456789012.3456", "text", "123456789012.3456"},
        {"0.1000000000000001", "text", "0.1000000000000001"},
        {"1E+400", "text", "1E+400"},
        {"1E-400", "text", "1E-400"},
        {"1E+99999999999", "text", "1E+99999999999"},
        {"Infinity", "real", "Inf"},
        {"-Infinity", "real", "-Inf"},
        {"NaN", "text", "NaN"},
        {"", "text", ""},
        {".", "text", "."},
        {"1.2.3", "text", "1.2.3"},
        {"1e", "text", "1e"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_number(*state, cases[i].digits, cases[i].type, cases[i].text);
}

/* A row of each kind of storage; both ends of what 15 digits can be. */
static void a_decimal_of_15_digits_is_the_same_in_all_columns(void **state)
{
    fixture *at = *state;
    uint64_t random = 88172645463325252u;
    run(at->conn, "CREATE TABLE sums (t decimal_text, n decimal(15, 3), c decimal_text COLLATE "
                  "decimal)");
    for (int i = 0; i < 2000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        char digits[64];
        snprintf(digits, sizeof(digits), "%s%llu.%0*llu", random & 1 ? "-" : "",
                 (unsigned long long)(random >> 8) % 1000000000, 1 + i % 6,
                 (unsigned long long)(random >> 40) % 10);
        pond_value value = of_decimal(digits);
        pond_value params[] = {value, value, value, value, value, value};
        pond_result *result;
        pond_value count;
        run(at->conn, "DELETE FROM sums");
        assert_int_equal(execute(at->conn, "INSERT INTO sums VALUES (?, ?, ?)", params, 3, NULL),
                         POND_OK);
        assert_int_equal(execute(at->conn,
                                 "SELECT (t = ?) + (n = ?) + (c = ?) + (t + 0 = ?) + (n + 0 = ?) + "
                                 "(c + 0 = ?) FROM sums",
                                 params, 6, &result),
                         POND_OK);
        pond_result_row(result, 0, &count, NULL);
        if (count.as.integer != 6)
            fail_msg("%s is not itself", digits);
        pond_result_release(result);
    }
    run(at->conn, "DROP TABLE sums");
}

static pond_value of_interval(int32_t months, int64_t days, int64_t us)
{
    pond_value value = {.type = POND_TYPE_INTERVAL, .aux = months};
    value.as.interval.days = days;
    value.as.interval.microseconds = us;
    return value;
}

static void an_interval_is_a_number_of_microseconds(void **state)
{
    check_both(*state, "interval", of_interval(0, 3, 1500000));
    check_both(*state, "INTERVAL", of_interval(0, 0, -1500000));
    check_both(*state, "interval", of_interval(0, -3, -1));
    check_both(*state, "interval", of_interval(14, 3, 1500000)); /* as text underneath */
    check_value(*state, "integer", of_interval(0, 1, 1), of_integer(INT64_C(86400000001)));
    check_value(*state, "interval", of_text("P0M3DT1.500000S"), of_interval(0, 3, 1500000));
    check_both(*state, "interval", of_text("soon"));
}

static void expect_refused(fixture *at, pond_value value, int code, const char *words)
{
    pond_value params[] = {of_integer(1), value};
    assert_int_equal(execute(at->conn, "SELECT ?, ?", params, 2, NULL), code);
    if (!strstr(last_message, "parameter 2") || !strstr(last_message, words))
        fail_msg("\"%s\" does not name parameter 2 and \"%s\"", last_message, words);
}

static void values_that_sqlite_would_change_are_refused_by_name(void **state)
{
    fixture *at = *state;
    pond_value value = {.type = POND_TYPE_DOUBLE};
    value.as.real = NAN;
    expect_refused(at, value, POND_ERANGE, "not a number");
    expect_refused(at, of_bytes(POND_TYPE_TEXT, "a\0b", 3), POND_EDATA, "NUL");
    value = of_interval(0, INT64_C(106751992), 0); /* a day more than 64 bits of microseconds */
    expect_refused(at, value, POND_ERANGE, "292,271 years");
    value = of_interval(0, INT64_MAX, INT64_MAX);
    expect_refused(at, value, POND_ERANGE, "292,271 years");
    value.type = POND_TYPE_DATE;
    value.as.integer = 2932897;
    expect_refused(at, value, POND_ERANGE, "9999");
    value.type = POND_TYPE_TIMESTAMPTZ;
    value.as.integer = POND_TIME_INFINITY;
    expect_refused(at, value, POND_ERANGE, "9999");
    assert_int_equal(number_from(at->conn, "SELECT 1"), 1);
}

/* ---- Errors ------------------------------------------------------------------------------ */

static void each_violation_has_its_code_sqlstate_and_constraint(void **state)
{
    fixture *at = *state;
    static const struct {
        const char *sql;
        int code;
        const char *sqlstate;
        const char *constraint;
        int vendor_code;
    } cases[] = {
        {"INSERT INTO t (id, u) VALUES (1, 9)", POND_EUNIQUE, "23505", "t.id", 1555},
        {"INSERT INTO t (id, u) VALUES (2, 5)", POND_EUNIQUE, "23505", "t.u", 2067},
        {"INSERT INTO t (id, u, n) VALUES (2, 6, NULL)", POND_ENOTNULL, "23502", "t.n", 1299},
        {"INSERT INTO t (id, u, n) VALUES (2, 6, -1)", POND_ECHECK, "23514", "positive", 275},
        {"INSERT INTO t (id, u, p) VALUES (2, 6, 77)", POND_EFOREIGNKEY, "23503", "", 787},
        {"INSERT INTO strict_t VALUES ('x')", POND_EDATA, "22000", NULL, 3091},
        {"SELECT * FROM missing", POND_EUNDEFINED, "42P01", "", 1},
        {"SELECT missing FROM t", POND_EUNDEFINED, "42703", "", 1},
        {"INSERT INTO t (missing) VALUES (1)", POND_EUNDEFINED, "42703", "", 1},
        {"SELECT missing(1)", POND_EUNDEFINED, "42883", "", 1},
        {"SELECT \"missing\"", POND_EUNDEFINED, "42703", "", 1},
        {"SELEKT 1", POND_ESYNTAX, "42601", "", 1},
        {"SELECT (1", POND_ESYNTAX, "42601", "", 1},
        {"COMMIT", POND_ETRANSACTION, "25P01", "", 1},
        {"SELECT zeroblob(2000000000)", POND_ERANGE, "54000", "", 18},
    };
    run(at->conn, "CREATE TABLE t (id integer PRIMARY KEY, u integer UNIQUE, "
                  "n integer NOT NULL DEFAULT 1 CONSTRAINT positive CHECK (n > 0), "
                  "p integer REFERENCES t (id))");
    run(at->conn, "CREATE TABLE strict_t (a integer) STRICT");
    run(at->conn, "INSERT INTO t (id, u) VALUES (1, 5)");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int code = execute(at->conn, cases[i].sql, NULL, 0, NULL);
        if (code != cases[i].code)
            fail_msg("%s: %s, %s", cases[i].sql, pond_error_name(code), last_message);
        assert_string_equal(last_sqlstate, cases[i].sqlstate);
        assert_int_equal(last_vendor_code, cases[i].vendor_code);
        if (cases[i].constraint)
            assert_string_equal(last_constraint, cases[i].constraint);
    }
    assert_int_equal(number_from(at->conn, "SELECT count(*) FROM t"), 1);
}

static void a_position_counts_characters_of_the_callers_text(void **state)
{
    fixture *at = *state;
    assert_int_equal(execute(at->conn, "SELECT 'gr\xc3\xbc\xc3\x9f', 1 FORM t", NULL, 0, NULL),
                     POND_ESYNTAX);
    assert_int_equal(last_position, 23); /* of the `t`: FORM is taken for a name */
}

static void parameters_of_sqlites_own_kinds_are_refused(void **state)
{
    fixture *at = *state;
    pond_value value = of_integer(1);
    assert_int_equal(execute(at->conn, "SELECT :name", NULL, 0, NULL), POND_EPARAMS);
    assert_non_null(strstr(last_message, "?"));
    assert_int_equal(execute(at->conn, "SELECT ?, $x", &value, 1, NULL), POND_EPARAMS);
    assert_int_equal(execute(at->conn, "SELECT ?, ?", &value, 1, NULL), POND_EPARAMS);
}

/* ---- Rows -------------------------------------------------------------------------------- */

static void counts_and_ids_are_those_of_the_statement_itself(void **state)
{
    fixture *at = *state;
    static const struct {
        const char *sql;
        int64_t affected;
        int64_t id;
        size_t rows;
    } cases[] = {
        {"CREATE TABLE t (id integer PRIMARY KEY, a text)", 0, 0, 0},
        {"INSERT INTO t VALUES (41, 'a'), (42, 'b')", 2, 42, 0},
        {"UPDATE t SET a = 'c'", 2, 0, 0},
        {"SELECT * FROM t", 2, 0, 2},
        {"INSERT INTO t (a) VALUES ('d') RETURNING id", 1, 43, 1},
        {"INSERT OR IGNORE INTO t VALUES (43, 'x')", 0, 0, 0},
        {"WITH one AS (SELECT 41 AS id) DELETE FROM t WHERE id IN (SELECT id FROM one)", 1, 0, 0},
        {"CREATE INDEX i ON t (a)", 0, 0, 0},
        {"DELETE FROM t WHERE id = 99", 0, 0, 0},
        {"PRAGMA user_version = 3", 0, 0, 0},
        {"WITH two AS (SELECT 1 UNION ALL SELECT 2) SELECT * FROM two", 2, 0, 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pond_result *result;
        if (execute(at->conn, cases[i].sql, NULL, 0, &result))
            fail_msg("%s: %s", cases[i].sql, last_message);
        assert_int_equal(pond_result_affected(result), cases[i].affected);
        assert_int_equal(pond_result_last_insert_id(result), cases[i].id);
        assert_int_equal(pond_result_row_count(result), cases[i].rows);
        pond_result_release(result);
    }
}

static int execute_many(fixture *at, const char *sql, const pond_value *params, size_t rows,
                        size_t columns, pond_result **out)
{
    pond_error *error = NULL;
    *out = NULL;
    int code = pond_connection_execute_many_wait(at->conn, sql, strlen(sql), params, rows, columns,
                                                 NULL, out, &error);
    return note_error(code, error);
}

static void many_rows_take_effect_together_or_not_at_all(void **state)
{
    fixture *at = *state;
    const char *insert = "INSERT INTO t VALUES (?) RETURNING a * 10";
    pond_value good[] = {of_integer(1), of_integer(2), of_integer(3)};
    pond_value bad[] = {of_integer(4), of_integer(5), of_integer(1)};
    pond_result *result;
    pond_value cell;
    run(at->conn, "CREATE TABLE t (a integer PRIMARY KEY)");
    assert_int_equal(execute_many(at, insert, good, 3, 1, &result), POND_OK);
    assert_int_equal(pond_result_affected(result), 3);
    assert_int_equal(pond_result_row_count(result), 3);
    pond_result_row(result, 2, &cell, NULL);
    assert_int_equal(cell.as.integer, 30);
    pond_result_release(result);
    assert_int_equal(execute_many(at, insert, bad, 3, 1, &result), POND_EUNIQUE);
    assert_memory_equal(last_message, "row 2: ", 7);
    assert_int_equal(is_open(at->conn), 0);
    assert_int_equal(number_from(at->conn, "SELECT count(*) FROM t"), 3);
    assert_int_equal(transact(at->conn, POND_BEGIN, 20000), POND_OK);
    run(at->conn, "INSERT INTO t VALUES (100)");
    assert_int_equal(execute_many(at, insert, bad, 3, 1, &result), POND_EUNIQUE);
    assert_int_equal(is_open(at->conn), 1);
    assert_int_equal(transact(at->conn, POND_COMMIT, 20000), POND_OK);
    assert_int_equal(number_from(at->conn, "SELECT sum(a) FROM t"), 106);
}

static void a_statement_follows_the_schema_when_another_connection_changes_it(void **state)
{
    fixture *at = *state;
    pond_connection *other = NULL;
    pond_result *result;
    pond_value cells[2];
    assert_int_equal(lease(at->pool, &other), POND_OK);
    run(at->conn, "CREATE TABLE t (a text)");
    for (int i = 0; i < 3; i++)
        run(at->conn, "SELECT * FROM t");
    run(other, "ALTER TABLE t RENAME COLUMN a TO b");
    assert_int_equal(execute(at->conn, "SELECT * FROM t", NULL, 0, &result), POND_OK);
    assert_string_equal(pond_result_column_name(result, 0), "b");
    pond_result_release(result);
    run(other, "ALTER TABLE t ADD COLUMN c boolean DEFAULT 1");
    run(other, "INSERT INTO t (b) VALUES ('x')");
    assert_int_equal(execute(at->conn, "SELECT * FROM t", NULL, 0, &result), POND_OK);
    assert_int_equal(pond_result_column_count(result), 2);
    assert_string_equal(pond_result_column_name(result, 1), "c");
    assert_int_equal(pond_result_affected(result), 1);
    pond_result_row(result, 0, cells, NULL);
    assert_int_equal(cells[1].type, POND_TYPE_BOOL);
    pond_result_release(result);
    give_back(other);
}

static void an_open_transaction_is_seen_however_it_was_begun(void **state)
{
    fixture *at = *state;
    run(at->conn, "CREATE TABLE t (a integer PRIMARY KEY, p REFERENCES t DEFERRABLE INITIALLY "
                  "DEFERRED)");
    run(at->conn, "BEGIN");
    assert_int_equal(is_open(at->conn), 1);
    assert_int_equal(transact(at->conn, POND_BEGIN, 20000), POND_ETRANSACTION);
    run(at->conn, "INSERT INTO t VALUES (1, 2)");
    assert_int_equal(transact(at->conn, POND_COMMIT, 20000), POND_EFOREIGNKEY);
    assert_int_equal(is_open(at->conn), 1);
    run(at->conn, "INSERT INTO t VALUES (2, 2)");
    assert_int_equal(transact(at->conn, POND_COMMIT, 20000), POND_OK);
    assert_int_equal(is_open(at->conn), 0);
    assert_int_equal(transact(at->conn, POND_ROLLBACK, 20000), POND_ETRANSACTION);
    assert_int_equal(number_from(at->conn, "SELECT count(*) FROM t"), 2);
}

RUN_TESTS(FOLDER_TEST(what_cannot_be_opened_is_named_with_the_reason),
          SQLITE_TEST(a_uri_is_a_file_name_unless_the_option_is_set),
          SQLITE_TEST(a_connection_is_set_up_as_the_readme_says),
          SQLITE_TEST(attach_and_extensions_are_off_and_vacuum_works_all_the_same),
          FOLDER_TEST(a_database_in_memory_is_shared_by_its_pool_and_ends_with_it),
          SQLITE_TEST(numbers_and_null_come_back_as_they_went_in),
          SQLITE_TEST(text_and_bytes_of_any_size_and_content_come_back),
          SQLITE_TEST(times_keep_type_and_microseconds_by_the_declared_type),
          SQLITE_TEST(decimals_uuids_json_arrays_and_intervals_are_text_underneath),
          SQLITE_TEST(a_decimal_travels_as_the_number_that_its_digits_are),
          SQLITE_TEST(a_decimal_of_15_digits_is_the_same_in_all_columns),
          SQLITE_TEST(an_interval_is_a_number_of_microseconds),
          SQLITE_TEST(values_that_sqlite_would_change_are_refused_by_name),
          SQLITE_TEST(each_violation_has_its_code_sqlstate_and_constraint),
          SQLITE_TEST(a_position_counts_characters_of_the_callers_text),
          SQLITE_TEST(parameters_of_sqlites_own_kinds_are_refused),
          SQLITE_TEST(counts_and_ids_are_those_of_the_statement_itself),
          SQLITE_TEST(many_rows_take_effect_together_or_not_at_all),
          SQLITE_TEST(a_statement_follows_the_schema_when_another_connection_changes_it),
          SQLITE_TEST(an_open_transaction_is_seen_however_it_was_begun))

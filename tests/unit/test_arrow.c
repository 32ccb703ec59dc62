/* Arrow streams: what a consumer of the C interface sees, and that memory may run out. */
#include "sqlite_fixture.h"

#include "arrow/field.h"
#include "base/alloc.h"
#include "millpond/arrow.h"

static int open_stream(pond_connection *conn, const char *sql, struct ArrowArrayStream *out)
{
    pond_result *result = NULL;
    pond_error *error = NULL;
    int code = execute(conn, sql, NULL, 0, &result);
    if (code)
        return code;
    code = pond_result_export_arrow(result, out, &error);
    pond_result_release(result); /* the stream has its own reference */
    return note_error(code, error);
}

/* ---- Shape ------------------------------------------------------------------------------- */

static void columns_have_the_formats_of_the_specification(void **state)
{
    static const char *const formats[] = {"l", "g", "U", "Z", "tdD", "tsu:", "n", "w:16", "l"};
    fixture *at = *state;
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    run(at->conn, "CREATE TABLE t (a integer, b real, c text, d blob, e date, f timestamp, g, "
                  "h uuid, i integer)");
    run(at->conn, "INSERT INTO t VALUES (1, 0.5, 'x', x'00ff', '2024-02-29', "
                  "'2024-02-29 12:00:00', NULL, '00112233-4455-6677-8899-aabbccddeeff', NULL)");
    assert_int_equal(open_stream(at->conn, "SELECT * FROM t", &stream), POND_OK);
    assert_int_equal(stream.get_schema(&stream, &schema), 0);
    assert_string_equal(schema.format, "+s");
    assert_int_equal(schema.n_children, 9);
    for (int i = 0; i < 9; i++) {
        const char name[] = {(char)('a' + i), 0};
        assert_string_equal(schema.children[i]->format, formats[i]);
        assert_string_equal(schema.children[i]->name, name);
    }
    schema.release(&schema);
    assert_null(schema.release);
    stream.release(&stream);
    assert_null(stream.release);
}

static void rows_come_in_batches_and_then_the_end(void **state)
{
    fixture *at = *state;
    struct ArrowArrayStream stream;
    struct ArrowArray batch;
    int64_t expected = 0;
    assert_int_equal(open_stream(at->conn,
                                 "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n "
                                 "WHERE i < 99999) SELECT CASE WHEN i % 3 THEN i END, "
                                 "'row ' || i FROM n",
                                 &stream),
                     POND_OK);
    while (!stream.get_next(&stream, &batch) && batch.release) {
        const struct ArrowArray *numbers = batch.children[0];
        const unsigned char *valid = numbers->buffers[0];
        const int64_t *values = numbers->buffers[1];
        const int64_t *ends = batch.children[1]->buffers[1];
        for (int64_t i = 0; i < batch.length; i++, expected++) {
            assert_int_equal(valid[i / 8] >> i % 8 & 1, expected % 3 != 0);
            if (expected % 3)
                assert_int_equal(values[i], expected);
        }
        assert_int_equal(numbers->null_count,
                         (expected + 2) / 3 - (expected - batch.length + 2) / 3);
        assert_true(ends[batch.length] > batch.length * 5);
        batch.release(&batch);
        assert_null(batch.release);
    }
    assert_int_equal(expected, 100000);
    stream.release(&stream);
}

static void a_child_that_was_moved_away_outlives_its_parent(void **state)
{
    fixture *at = *state;
    struct ArrowArrayStream stream;
    struct ArrowArray batch;
    assert_int_equal(open_stream(at->conn, "SELECT 7 AS a", &stream), POND_OK);
    assert_int_equal(stream.get_next(&stream, &batch), 0);
    struct ArrowArray moved = *batch.children[0];
    batch.children[0]->release = NULL;
    batch.release(&batch);
    stream.release(&stream);
    assert_int_equal(((const int64_t *)moved.buffers[1])[0], 7);
    moved.release(&moved);
}

static void columns_of_mixed_types_are_refused_by_name(void **state)
{
    fixture *at = *state;
    struct ArrowArrayStream stream;
    int code = open_stream(at->conn, "SELECT 1 AS mixed UNION ALL SELECT 'x'", &stream);
    assert_int_equal(code, POND_EDATA);
    assert_null(stream.release);
    assert_non_null(strstr(last_message, "\"mixed\" has values of different types"));
}

/* ---- Decimals ---------------------------------------------------------------------------- */

static void check_decimal(const char *text, int32_t scale, int64_t high, uint64_t low)
{
    pondi_arrow_decimal decimal;
    uint64_t words[2];
    assert_true(pondi_arrow_decimal_read(text, strlen(text), &decimal));
    pondi_arrow_decimal_write(&decimal, scale, words, 2);
    assert_true(words[0] == low);
    assert_true(words[1] == (uint64_t)high);
}

static void decimals_are_exact(void **state)
{
    (void)state;
    check_decimal("0", 3, 0, 0);
    check_decimal("12.5", 1, 0, 125);
    check_decimal("12.5", 3, 0, 12500);
    check_decimal("-1", 0, -1, UINT64_MAX);
    check_decimal("-12.50", 2, -1, (uint64_t)-1250);
    check_decimal("1e3", 0, 0, 1000);
    check_decimal("1.5E-3", 4, 0, 15);
    check_decimal("18446744073709551616", 0, 1, 0);
    check_decimal("-18446744073709551616", 0, -1, 0);
    check_decimal("99999999999999999999999999999999999999", 0, INT64_C(5421010862427522170),
                  UINT64_C(687399551400673279));
}

static void what_is_no_finite_number_is_no_decimal(void **state)
{
    static const char *const texts[] = {"", "-", ".", "NaN", "Infinity", "1e", "1.2.3", "1x", "e5"};
    pondi_arrow_decimal decimal;
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(pondi_arrow_decimal_read(texts[i], strlen(texts[i]), &decimal));
}

/* ---- Memory ------------------------------------------------------------------------------ */

static int read_all(pond_connection *conn)
{
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    struct ArrowArray batch;
    int code = open_stream(conn,
                           "SELECT 1 AS a, 'text' AS b, x'ff' AS c, 2.5 AS d UNION ALL "
                           "SELECT NULL, NULL, NULL, NULL",
                           &stream);
    if (code)
        return code;
    if (stream.get_schema(&stream, &schema))
        code = POND_ENOMEM;
    else
        schema.release(&schema);
    if (stream.get_next(&stream, &batch)) {
        code = POND_ENOMEM;
        assert_null(batch.release);
        assert_non_null(stream.get_last_error(&stream));
    } else if (batch.release) {
        batch.release(&batch);
    }
    stream.release(&stream);
    return code;
}

static void an_allocation_that_fails_ends_in_an_error_and_nothing_else(void **state)
{
#ifdef POND_FAULT_INJECTION
    fixture *at = *state;
    int failures = 0;
    assert_int_equal(read_all(at->conn), POND_OK);
    for (uint64_t call = 1; call < 80; call++) {
        pondi_alloc_fail_after(call, 0);
        int code = read_all(at->conn);
        pondi_alloc_fail_after(0, 0);
        assert_true(code == POND_OK || code == POND_ENOMEM);
        failures += code != POND_OK;
    }
    assert_true(failures > 20);
    assert_int_equal(read_all(at->conn), POND_OK);
#else
    (void)state;
    skip();
#endif
}

RUN_TESTS(SQLITE_TEST(columns_have_the_formats_of_the_specification),
          SQLITE_TEST(rows_come_in_batches_and_then_the_end),
          SQLITE_TEST(a_child_that_was_moved_away_outlives_its_parent),
          SQLITE_TEST(columns_of_mixed_types_are_refused_by_name),
          cmocka_unit_test(decimals_are_exact),
          cmocka_unit_test(what_is_no_finite_number_is_no_decimal),
          SQLITE_TEST(an_allocation_that_fails_ends_in_an_error_and_nothing_else))

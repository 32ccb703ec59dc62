/* Values to pass and cells to read, as programs do that do not look into pond_value. */
#include <stdio.h>
#include <string.h>

#include "sqlite_fixture.h"

static pond_result *ask(fixture *at, const char *sql, const pond_value *params, size_t count)
{
    pond_result *result = NULL;
    pond_error *error = NULL;
    int code = pond_connection_execute_wait(at->conn, sql, strlen(sql), params, count, NULL,
                                            &result, &error);
    assert_int_equal(note_error(code, error), POND_OK);
    return result;
}

static void parameters_are_made_in_one_call(void **state)
{
    fixture *at = *state;
    const pond_value params[] = {pond_value_int64(-7),
                                 pond_value_text("Ada"),
                                 pond_value_double(0.5),
                                 pond_value_bool(3),
                                 pond_value_null(),
                                 pond_value_text(NULL),
                                 pond_value_sized(POND_TYPE_BYTES, "a\0b", 3),
                                 pond_value_sized(POND_TYPE_DECIMAL, "12.5", 4)};
    pond_result *result = ask(at, "SELECT ?, ?, ?, ?, ?, ?, hex(?), CAST(? AS TEXT)", params, 8);
    pond_value row[8];
    assert_int_equal(pond_result_row(result, 0, row, NULL), POND_OK);
    assert_int_equal(row[0].as.integer, -7);
    assert_memory_equal(row[1].as.text.data, "Ada", 3);
    assert_true(row[2].type == POND_TYPE_DOUBLE && row[2].as.real * 2 == 1);
    assert_int_equal(row[3].as.integer, 1);
    assert_int_equal(row[4].type, POND_TYPE_NULL);
    assert_int_equal(row[5].type, POND_TYPE_NULL);
    assert_memory_equal(row[6].as.text.data, "610062", 6);
    assert_memory_equal(row[7].as.text.data, "12.5", 4);
    pond_result_release(result);
}

static void a_value_of_no_text_is_null(void **state)
{
    (void)state;
    assert_int_equal(pond_value_sized(POND_TYPE_TEXT, NULL, 3).type, POND_TYPE_NULL);
    assert_int_equal(pond_value_sized(POND_TYPE_DATE, "2026-01-02", 10).type, POND_TYPE_NULL);
    assert_int_equal(pond_value_sized((pond_type)99, "x", 1).type, POND_TYPE_NULL);
    pond_value empty = pond_value_text("");
    assert_true(empty.type == POND_TYPE_TEXT && empty.as.text.size == 0);
}

static void a_column_is_found_by_its_name(void **state)
{
    fixture *at = *state;
    size_t column = 9;
    pond_error *error = NULL;
    pond_result *result = ask(at, "SELECT 1 AS id, 2 AS name, 3 AS name", NULL, 0);
    assert_int_equal(pond_result_column(result, "name", &column, NULL), POND_OK);
    assert_int_equal(column, 1);
    int code = pond_result_column(result, "nmae", &column, &error);
    assert_int_equal(note_error(code, error), POND_EUNDEFINED);
    assert_int_equal(column, 0);
    assert_string_equal(last_message, "the result has no column \"nmae\": its columns are \"id\", "
                                      "\"name\", \"name\"");
    pond_result_release(result);
    result = ask(at, "DROP TABLE IF EXISTS absent", NULL, 0);
    error = NULL;
    code = pond_result_column(result, "id", &column, &error);
    assert_int_equal(note_error(code, error), POND_EUNDEFINED);
    assert_string_equal(last_message, "the result has no column \"id\": its columns are none");
    pond_result_release(result);
}

static pond_result *one_of_each(fixture *at)
{
    pond_value values[] = {pond_value_int64(INT64_MIN),
                           pond_value_double(2.0),
                           pond_value_double(2.5),
                           pond_value_double(1e300),
                           pond_value_text("Grace"),
                           pond_value_null(),
                           pond_value_sized(POND_TYPE_BYTES, "\0\1", 2)};
    return ask(at, "SELECT ?, ?, ?, ?, ?, ?, ?", values, 7);
}

static void integers_are_exact_or_refused(void **state)
{
    const struct {
        int64_t number;
        int code;
    } expected[] = {{INT64_MIN, POND_OK}, {2, POND_OK},    {0, POND_EDATA}, {0, POND_ERANGE},
                    {0, POND_EDATA},      {0, POND_EDATA}, {0, POND_EDATA}};
    fixture *at = *state;
    pond_result *result = one_of_each(at);
    for (size_t i = 0; i < 7; i++) {
        int64_t number = 99;
        pond_error *error = NULL;
        int code = pond_result_int64(result, 0, i, &number, &error);
        assert_int_equal(note_error(code, error), expected[i].code);
        assert_true(number == expected[i].number);
    }
    assert_string_equal(last_message, "column \"?\" of row 0 is bytes, not an integer");
    pond_result_release(result);
}

static void doubles_take_any_number(void **state)
{
    const double expected[] = {-9223372036854775808.0, 2.0, 2.5, 1e300, 0, 0, 0};
    fixture *at = *state;
    pond_result *result = one_of_each(at);
    for (size_t i = 0; i < 7; i++) {
        double number = 99;
        int code = pond_result_double(result, 0, i, &number, NULL);
        assert_int_equal(code, i < 4 ? POND_OK : POND_EDATA);
        assert_true(!(number < expected[i]) && !(number > expected[i]));
    }
    pond_result_release(result);
}

static void text_is_given_with_its_size(void **state)
{
    fixture *at = *state;
    const char *data;
    size_t size;
    pond_error *error = NULL;
    pond_result *result = one_of_each(at);
    assert_int_equal(pond_result_text(result, 0, 4, &data, &size, NULL), POND_OK);
    assert_int_equal(size, 5);
    assert_memory_equal(data, "Grace", 5);
    assert_int_equal(pond_result_text(result, 0, 6, &data, &size, NULL), POND_OK);
    assert_int_equal(size, 2);
    assert_int_equal(pond_result_text(result, 0, 5, &data, &size, NULL), POND_OK);
    assert_true(!data && !size);
    int code = pond_result_text(result, 0, 0, &data, &size, &error);
    assert_int_equal(note_error(code, error), POND_EDATA);
    assert_string_equal(last_message, "column \"?\" of row 0 is an integer, not text");
    pond_result_release(result);
}

static void cells_out_of_range_are_refused(void **state)
{
    fixture *at = *state;
    pond_value cell;
    pond_error *error = NULL;
    pond_result *result = one_of_each(at);
    int code = pond_result_cell(result, 0, 7, &cell, &error);
    assert_int_equal(note_error(code, error), POND_EINVAL);
    assert_string_equal(last_message, "column 7 does not exist: the result has 7, from 0");
    assert_int_equal(pond_result_cell(result, 1, 0, &cell, NULL), POND_EINVAL);
    assert_int_equal(cell.type, POND_TYPE_NULL);
    pond_result_release(result);
}

static void wide_rows_have_cells_too(void **state)
{
    char sql[2048] = "SELECT 0";
    fixture *at = *state;
    int64_t number = 0;
    for (int i = 1; i < 200; i++)
        snprintf(sql + strlen(sql), sizeof(sql) - strlen(sql), ",%d", i);
    pond_result *result = ask(at, sql, NULL, 0);
    assert_int_equal(pond_result_int64(result, 0, 199, &number, NULL), POND_OK);
    assert_int_equal(number, 199);
    pond_result_release(result);
}

static void types_have_names(void **state)
{
    (void)state;
    assert_string_equal(pond_type_name(POND_TYPE_NULL), "null");
    assert_string_equal(pond_type_name(POND_TYPE_TIMESTAMPTZ), "timestamptz");
    assert_string_equal(pond_type_name(POND_TYPE_ARRAY), "array");
    assert_string_equal(pond_type_name(POND_TYPE_ARRAY + 1), "unknown");
    assert_string_equal(pond_type_name(UINT32_MAX), "unknown");
}

RUN_TESTS(SQLITE_TEST(parameters_are_made_in_one_call), SQLITE_TEST(a_value_of_no_text_is_null),
          SQLITE_TEST(a_column_is_found_by_its_name), SQLITE_TEST(integers_are_exact_or_refused),
          SQLITE_TEST(doubles_take_any_number), SQLITE_TEST(text_is_given_with_its_size),
          SQLITE_TEST(cells_out_of_range_are_refused), SQLITE_TEST(wide_rows_have_cells_too),
          SQLITE_TEST(types_have_names))

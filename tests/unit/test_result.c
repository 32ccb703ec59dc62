#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#include "base/alloc.h"
#include "driver/row_set.h"

enum { ROWS = 50000, COLUMNS = 3 };

static const char *text_of(size_t row)
{
    static char text[32];
    snprintf(text, sizeof(text), "row %zu", row);
    return text;
}

/* Row n is: n, "row n", an array of n and "row n". */
static int fill(pondi_row_set *set, size_t rows)
{
    for (size_t i = 0; i < rows; i++) {
        pond_value items[2] = {{.type = POND_TYPE_INT64, .as.integer = (int64_t)i},
                               {.type = POND_TYPE_TEXT}};
        items[1].as.text.data = text_of(i);
        items[1].as.text.size = strlen(text_of(i));
        pond_value *cells = pondi_row_set_add(set);
        if (!cells)
            return POND_ENOMEM;
        cells[0] = items[0];
        if (pondi_row_set_text(set, &cells[1], POND_TYPE_TEXT, text_of(i), strlen(text_of(i))))
            return POND_ENOMEM;
        cells[2].type = POND_TYPE_ARRAY;
        cells[2].as.array.items = items;
        cells[2].as.array.count = 2;
        if (pondi_row_set_adopt(set, &cells[2]))
            return POND_ENOMEM;
    }
    return POND_OK;
}

static pondi_row_set *new_set(void)
{
    static const char *const names[] = {"number", "text", "both"};
    pondi_row_set *set = pondi_row_set_new(COLUMNS);
    for (size_t i = 0; set && i < COLUMNS; i++) {
        if (pondi_row_set_name(set, i, names[i])) {
            pond_result_release(&set->base);
            return NULL;
        }
    }
    return set;
}

static void check_row(pond_result *result, size_t row)
{
    pond_value values[COLUMNS];
    assert_int_equal(pond_result_row(result, row, values, NULL), POND_OK);
    assert_int_equal(values[0].as.integer, row);
    assert_int_equal(values[1].as.text.size, strlen(text_of(row)));
    assert_memory_equal(values[1].as.text.data, text_of(row), values[1].as.text.size);
    const pond_value *items = values[2].as.array.items;
    assert_int_equal(items[0].as.integer, row);
    assert_memory_equal(items[1].as.text.data, text_of(row), items[1].as.text.size);
}

static void rows_can_be_read_in_any_order(void **state)
{
    (void)state;
    pondi_row_set *set = new_set();
    assert_int_equal(fill(set, ROWS), POND_OK);
    for (size_t i = 0; i < ROWS; i++)
        check_row(&set->base, i);
    for (size_t i = 0; i < ROWS; i += 997)
        check_row(&set->base, ROWS - 1 - i);
    pond_result_release(&set->base);
}

static void dropped_rows_are_refused_and_the_rest_can_be_read(void **state)
{
    (void)state;
    pondi_row_set *set = new_set();
    assert_int_equal(fill(set, ROWS), POND_OK);
    for (size_t first = 0; first < ROWS; first += 3000) {
        pond_result_drop_before(&set->base, first);
        check_row(&set->base, first);
        check_row(&set->base, ROWS - 1);
    }
    pond_value values[COLUMNS];
    pond_error *error = NULL;
    assert_int_equal(pond_result_row(&set->base, 17, values, &error), POND_EINVAL);
    assert_non_null(strstr(pond_error_message(error), "row 17 was dropped"));
    pond_error_free(error);
    assert_string_equal(pond_result_column_name(&set->base, 1), "text");
    pond_result_drop_before(&set->base, 5); /* going back changes nothing */
    assert_int_equal(pond_result_row(&set->base, 5, values, NULL), POND_EINVAL);
    pond_result_drop_before(&set->base, ROWS * 2);
    assert_int_equal(pond_result_row(&set->base, ROWS - 1, values, NULL), POND_EINVAL);
    pond_result_release(&set->base);
}

static void nothing_is_dropped_while_others_read(void **state)
{
    (void)state;
    pondi_row_set *set = new_set();
    assert_int_equal(fill(set, 100), POND_OK);
    pond_result *other = pond_result_retain(&set->base);
    pond_result_drop_before(&set->base, 50);
    check_row(other, 0);
    pond_result_release(other);
    pond_result_release(&set->base);
}

static void large_texts_are_kept_too(void **state)
{
    (void)state;
    enum { SIZE = 1024 * 1024, LARGE = 20 };
    char *text = malloc(SIZE);
    pondi_row_set *set = pondi_row_set_new(1);
    pond_value value;
    for (int i = 0; i < LARGE; i++) {
        memset(text, 'a' + i, SIZE);
        pond_value *cell = pondi_row_set_add(set);
        assert_int_equal(pondi_row_set_text(set, cell, POND_TYPE_TEXT, text, SIZE), POND_OK);
    }
    for (size_t i = 0; i < LARGE; i++) {
        pond_result_drop_before(&set->base, i);
        assert_int_equal(pond_result_row(&set->base, i, &value, NULL), POND_OK);
        assert_int_equal(value.as.text.data[0], 'a' + (int)i);
        assert_int_equal(value.as.text.data[SIZE - 1], 'a' + (int)i);
    }
    pond_result_release(&set->base);
    free(text);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    int failed = 1;
    for (uint64_t countdown = 1; failed; countdown++) {
        pondi_alloc_fail_after(countdown, 1);
        pondi_row_set *set = new_set();
        failed = !set || fill(set, 9000);
        pondi_alloc_fail_after(0, 0);
        for (size_t i = 0; set && i + 1 < set->base.row_count; i += 100)
            check_row(&set->base, i);
        if (set)
            pond_result_release(&set->base);
    }
}

RUN_TESTS(cmocka_unit_test(rows_can_be_read_in_any_order),
          cmocka_unit_test(dropped_rows_are_refused_and_the_rest_can_be_read),
          cmocka_unit_test(nothing_is_dropped_while_others_read),
          cmocka_unit_test(large_texts_are_kept_too), cmocka_unit_test(every_allocation_may_fail))

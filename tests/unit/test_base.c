#include "check.h"

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"

static void every_error_code_has_a_name_and_a_text(void **state)
{
    (void)state;
    assert_string_equal(pond_error_name(POND_ETIMEDOUT), "ETIMEDOUT");
    assert_string_equal(pond_error_text(POND_ETIMEDOUT), "query timed out");
    assert_string_equal(pond_error_name(-9999), "UNKNOWN");
    for (int code = -1; code >= POND_EVERSION; code--)
        assert_string_not_equal(pond_error_name(code), "UNKNOWN");
}

static void an_error_keeps_its_details_and_copies_them(void **state)
{
    (void)state;
    pond_error *error = pondi_error_new(POND_EUNIQUE, "key %d exists", 7);
    pondi_error_set_sqlstate(error, "23505");
    pondi_error_set_text(error, &error->constraint, "users_pkey");
    pondi_error_set_text(error, &error->setting, "sslmode");
    assert_int_equal(pond_error_row(error), -1);
    pondi_error_set_row(error, "row", 3);
    pond_error *copy = pondi_error_copy(error);
    pond_error_free(error);
    assert_string_equal(pond_error_message(copy), "row 3: key 7 exists");
    assert_string_equal(pond_error_sqlstate(copy), "23505");
    assert_string_equal(pond_error_constraint(copy), "users_pkey");
    assert_string_equal(pond_error_setting(copy), "sslmode");
    assert_int_equal(pond_error_row(copy), 3);
    assert_string_equal(pond_error_hint(copy), "");
    pond_error_free(copy);
}

static void an_arena_gives_aligned_memory_of_any_size(void **state)
{
    (void)state;
    pondi_arena arena;
    pondi_arena_init(&arena);
    for (size_t size = 0; size < 5000; size += 7) {
        char *bytes = pondi_arena_alloc(&arena, size);
        assert_int_equal((uintptr_t)bytes % _Alignof(max_align_t), 0);
        memset(bytes, 1, size);
        assert_string_equal(pondi_arena_copy(&arena, "odd", 3), "odd");
    }
    assert_non_null(pondi_arena_alloc(&arena, 10u << 20));
    pondi_arena_free(&arena);
}

static void a_buffer_grows_and_hands_its_text_over(void **state)
{
    (void)state;
    pondi_buffer buffer;
    pondi_buffer_init(&buffer);
    for (int i = 0; i < 1000; i++)
        pondi_buffer_appendf(&buffer, "%d,", i % 10);
    assert_int_equal(buffer.size, 2000);
    char *text = pondi_buffer_take(&buffer);
    assert_int_equal(strncmp(text, "0,1,2,3,", 8), 0);
    pond_string_free(text);
}

static void md5_is_the_published_one(void **state)
{
    (void)state;
    char hex[33];
    pondi_md5_hex("abc", 3, hex);
    assert_string_equal(hex, "900150983cd24fb0d6963f7d28e17f72"); /* RFC 1321, A.5 */
}

static void a_log_record_cannot_hold_a_line_break(void **state)
{
    (void)state;
    pondi_log(POND_LOG_WARNING, "pool", "tag is %s", "a\nERROR forged");
    assert_int_equal(pond_log_pending(), 1);
    pond_log *record = pond_log_next();
    assert_string_equal(pond_log_message(record), "tag is a ERROR forged");
    assert_string_equal(pond_log_area(record), "pool");
    assert_int_equal(pond_log_level_of(record), POND_LOG_WARNING);
    pond_log_free(record);
    assert_null(pond_log_next());
}

RUN_TESTS(cmocka_unit_test(every_error_code_has_a_name_and_a_text),
          cmocka_unit_test(an_error_keeps_its_details_and_copies_them),
          cmocka_unit_test(an_arena_gives_aligned_memory_of_any_size),
          cmocka_unit_test(a_buffer_grows_and_hands_its_text_over),
          cmocka_unit_test(md5_is_the_published_one),
          cmocka_unit_test(a_log_record_cannot_hold_a_line_break))

/* JSON of entity fields: no key of content is left that a typed value has, and none is lost. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "entity/tagged.h"

static void check_change(const char *plain, const char *stored)
{
    pondi_buffer out;
    pondi_buffer_init(&out);
    assert_int_equal(pondi_tags_escape(plain, strlen(plain), &out), strcmp(plain, stored) != 0);
    if (out.size)
        assert_string_equal(out.data, stored);
    pondi_buffer_free(&out);
    assert_int_equal(pondi_tags_unescape(stored, strlen(stored), &out), strcmp(plain, stored) != 0);
    if (out.size)
        assert_string_equal(out.data, plain);
    pondi_buffer_free(&out);
}

static void keys_of_content_get_a_dollar_and_lose_it(void **state)
{
    (void)state;
    check_change("{\"$type\": 1}", "{\"$$type\": 1}");
    check_change("[{\"a\" : {\"$$type\"\n:{\"$type\":\"$type\"}}}]",
                 "[{\"a\" : {\"$$$type\"\n:{\"$$type\":\"$type\"}}}]");
    check_change("{\"$types\": \"$type\", \"type\": 1, \"$\": 2, \"$value\": \"\\\"$type\"}",
                 "{\"$types\": \"$type\", \"type\": 1, \"$\": 2, \"$value\": \"\\\"$type\"}");
    check_change("\"$type\"", "\"$type\"");
}

static void keys_with_escapes_are_the_same_keys(void **state)
{
    (void)state;
    static const char *const keys[] = {"\\u0024type", "$\\u0074ype",
                                       "\\u0024\\u0074\\u0079\\u0070"
                                       "\\u0065"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char json[80];
        pondi_buffer out;
        pondi_buffer_init(&out);
        snprintf(json, sizeof(json), "{\"%s\": 1}", keys[i]);
        assert_true(pondi_tags_escape(json, strlen(json), &out));
        assert_string_equal(out.data, "{\"$$type\": 1}");
        pondi_buffer_free(&out);
    }
}

static void check_text(const char *json, const char *text)
{
    pondi_buffer out;
    pondi_buffer_init(&out);
    assert_int_equal(pondi_json_text(json, strlen(json), &out), text != NULL);
    if (text)
        assert_string_equal(out.data ? out.data : "", text);
    pondi_buffer_free(&out);
}

static void a_string_is_its_text(void **state)
{
    (void)state;
    check_text("\"\"", "");
    check_text(" \"a\\n\\\"\\/\\\\\\t\\u00e9\\ud83e\\udd86\" ",
               "a\n\"/\\\t\xc3\xa9\xf0\x9f\xa6\x86");
    check_text("\"\\ud83e\"", "\xef\xbf\xbd");
    check_text("\"\\udd86 \\ud83e\\u0041\"", "\xef\xbf\xbd \xef\xbf\xbd"
                                             "A");
    static const char *const others[] = {"", "\"", "1", "[\"a\"]", "\"a\" 1", "\"a\\\"", "{}"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        check_text(others[i], NULL);
}

RUN_TESTS(cmocka_unit_test(keys_of_content_get_a_dollar_and_lose_it),
          cmocka_unit_test(keys_with_escapes_are_the_same_keys),
          cmocka_unit_test(a_string_is_its_text))

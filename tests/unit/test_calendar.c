#include "check.h"

#include <stdio.h>
#include <time.h>

#include "base/calendar.h"

static int64_t days_of(const char *text)
{
    int64_t days = INT64_MIN;
    assert_true(pondi_parse_date(text, strlen(text), &days));
    return days;
}

static int64_t us_of(const char *text, int *zoned)
{
    int64_t us = INT64_MIN;
    assert_true(pondi_parse_timestamp(text, strlen(text), &us, zoned));
    return us;
}

static int is_timestamp(const char *text)
{
    int64_t us;
    int zoned;
    return pondi_parse_timestamp(text, strlen(text), &us, &zoned);
}

/* ---- Dates ------------------------------------------------------------------------------- */

static void every_day_of_ten_thousand_years_reads_back_and_follows_its_neighbour(void **state)
{
    (void)state;
    char text[PONDI_TIME_TEXT];
    char previous[PONDI_TIME_TEXT] = "";
    for (int64_t day = PONDI_FIRST_DAY; day <= PONDI_LAST_DAY; day++) {
        int64_t read;
        assert_int_equal(pondi_format_date(day, text), 10);
        assert_true(strcmp(previous, text) < 0);
        assert_true(pondi_parse_date(text, 10, &read));
        assert_int_equal(read, day);
        memcpy(previous, text, sizeof(text));
    }
}

static void dates_agree_with_the_c_library(void **state)
{
    (void)state;
    for (int64_t day = PONDI_FIRST_DAY; day <= PONDI_LAST_DAY; day += 397) {
        char ours[PONDI_TIME_TEXT];
        char theirs[PONDI_TIME_TEXT];
        struct tm civil;
        time_t seconds = (time_t)(day * 86400);
        assert_non_null(gmtime_r(&seconds, &civil));
        snprintf(theirs, sizeof(theirs), "%04d-%02d-%02d", civil.tm_year + 1900, civil.tm_mon + 1,
                 civil.tm_mday);
        pondi_format_date(day, ours);
        assert_string_equal(ours, theirs);
    }
}

static void the_ends_of_the_calendar_are_where_they_should_be(void **state)
{
    (void)state;
    char text[PONDI_TIME_TEXT];
    assert_int_equal(days_of("1970-01-01"), 0);
    assert_int_equal(days_of("0001-01-01"), PONDI_FIRST_DAY);
    assert_int_equal(days_of("9999-12-31"), PONDI_LAST_DAY);
    assert_int_equal(days_of("2000-02-29"), 11016);
    assert_int_equal(pondi_format_date(PONDI_FIRST_DAY - 1, text), 0);
    assert_int_equal(pondi_format_date(PONDI_LAST_DAY + 1, text), 0);
    assert_int_equal(pondi_format_date(INT64_MIN, text), 0);
    assert_int_equal(pondi_format_date(INT64_MAX, text), 0);
}

static void what_is_no_date_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",           "2026",        "2026-1-02",  "2026-01-2",   "2026-13-01",  "2026-00-01",
        "2026-01-00", "2026-01-32",  "2026-02-29", "1900-02-29",  "2026-04-31",  "0000-01-01",
        "-001-01-01", "10000-01-01", "2026/01/02", "2026-01-02 ", " 2026-01-02", "2026-01-0x",
        "+026-01-02", "20260102",    "infinity",   "2026-01-02Z",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int64_t days;
        if (pondi_parse_date(wrong[i], strlen(wrong[i]), &days))
            fail_msg("\"%s\" was taken for a date", wrong[i]);
    }
}

/* ---- Times ------------------------------------------------------------------------------- */

static void times_keep_their_microseconds(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {0, "00:00:00"},
        {1, "00:00:00.000001"},
        {500000, "00:00:00.500000"},
        {INT64_C(45296789012), "12:34:56.789012"},
        {PONDI_US_PER_DAY - 1, "23:59:59.999999"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[PONDI_TIME_TEXT];
        int64_t us;
        assert_int_equal(pondi_format_time(cases[i].us, text), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
        assert_true(pondi_parse_time(text, strlen(text), &us));
        assert_int_equal(us, cases[i].us);
    }
}

static void a_time_may_leave_out_seconds_and_digits_of_the_fraction(void **state)
{
    (void)state;
    int64_t us;
    assert_true(pondi_parse_time("07:30", 5, &us));
    assert_int_equal(us, INT64_C(27000000000));
    assert_true(pondi_parse_time("00:00:01.5", 10, &us));
    assert_int_equal(us, 1500000);
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",         "7:30",      "24:00:01",         "12:60",
                                        "12:30:60", "12:30:15.", "12:30:15.1234567", "12:30:15Z",
                                        "12",       "12:3",      "12:30:1",          "-1:30:00"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int64_t us;
        if (pondi_parse_time(wrong[i], strlen(wrong[i]), &us))
            fail_msg("\"%s\" was taken for a time", wrong[i]);
    }
    char text[PONDI_TIME_TEXT];
    assert_int_equal(pondi_format_time(-1, text), 0);
    assert_int_equal(pondi_format_time(PONDI_US_PER_DAY + 1, text), 0);
}

/* ---- Timestamps -------------------------------------------------------------------------- */

static void a_timestamp_reads_back_at_both_ends_and_before_the_epoch(void **state)
{
    (void)state;
    static const char *const texts[] = {"0001-01-01 00:00:00", "9999-12-31 23:59:59.999999",
                                        "1969-12-31 23:59:59.999999", "1970-01-01 00:00:00",
                                        "2026-01-02 03:04:05.000006"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char text[PONDI_TIME_TEXT];
        int zoned = 7;
        int64_t us = us_of(texts[i], &zoned);
        assert_int_equal(zoned, 0);
        assert_int_equal(pondi_format_timestamp(us, text), strlen(texts[i]));
        assert_string_equal(text, texts[i]);
    }
    int zoned;
    assert_int_equal(us_of("1969-12-31 23:59:59.999999", &zoned), -1);
}

static void a_timestamp_with_a_zone_is_moved_to_utc(void **state)
{
    (void)state;
    int zoned = 0;
    char text[PONDI_TIME_TEXT];
    int64_t utc = us_of("2026-01-02 03:04:05", &zoned);
    static const char *const same[] = {"2026-01-02T03:04:05Z", "2026-01-02 05:04:05+02",
                                       "2026-01-01 22:34:05-04:30", "2026-01-02 05:04:05+0200"};
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        assert_int_equal(us_of(same[i], &zoned), utc);
        assert_int_equal(zoned, 1);
    }
    assert_int_equal(pondi_format_timestamptz(utc, text), 25);
    assert_string_equal(text, "2026-01-02 03:04:05+00:00");
}

static void a_timestamp_may_have_no_time(void **state)
{
    (void)state;
    int zoned = 0;
    assert_int_equal(us_of("1970-01-02", &zoned), PONDI_US_PER_DAY);
}

static void what_is_no_timestamp_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "2026-01-02 ",
        "2026-01-02x03:04:05",
        "2026-01-02 03",
        "2026-01-02 03:04:05 +00:00",
        "2026-01-02 03:04:05+",
        "2026-01-02 03:04:05+1",
        "2026-01-02 03:04:05+24:00",
        "2026-01-02 03:04:05Zx",
        "0001-01-01 00:00:00+01:00", /* is in the year 0 of UTC */
        "9999-12-31 23:30:00-01:00", /* is in the year 10000 */
        "now",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (is_timestamp(wrong[i]))
            fail_msg("\"%s\" was taken for a timestamp", wrong[i]);
    }
    char text[PONDI_TIME_TEXT];
    assert_int_equal(pondi_format_timestamp(POND_TIME_INFINITY, text), 0);
    assert_int_equal(pondi_format_timestamp(POND_TIME_NEG_INFINITY, text), 0);
    assert_int_equal(pondi_format_timestamptz((PONDI_LAST_DAY + 1) * PONDI_US_PER_DAY, text), 0);
}

/* ---- The rest ---------------------------------------------------------------------------- */

static void intervals_are_iso_8601_durations(void **state)
{
    (void)state;
    char text[128];
    assert_true(pondi_format_interval(14, -3, INT64_C(-1500000), text, sizeof(text)));
    assert_string_equal(text, "P14M-3DT-1.500000S");
    assert_true(pondi_format_interval(INT32_MIN, INT64_MIN, INT64_MIN, text, sizeof(text)));
    assert_string_equal(text, "P-2147483648M-9223372036854775808DT-9223372036854.775808S");
    assert_int_equal(pondi_format_interval(1, 1, 1, text, 5), 0);
}

static void intervals_read_back(void **state)
{
    (void)state;
    static const int64_t edges[] = {INT64_MIN, -1500000, -999999, -1, 0, 1, 999999, INT64_MAX};
    enum { COUNT = sizeof(edges) / sizeof(edges[0]) };
    for (size_t i = 0; i < COUNT * COUNT; i++) {
        char text[128];
        int32_t months;
        int64_t days;
        int64_t us;
        size_t size = pondi_format_interval(i % 2 ? INT32_MIN : 14, edges[i / COUNT],
                                            edges[i % COUNT], text, sizeof(text));
        assert_true(pondi_parse_interval(text, size, &months, &days, &us));
        assert_int_equal(months, i % 2 ? INT32_MIN : 14);
        assert_int_equal(days, edges[i / COUNT]);
        assert_int_equal(us, edges[i % COUNT]);
        assert_false(pondi_parse_interval(text, size - 1, &months, &days, &us));
    }
    static const char *const wrong[] = {"",
                                        "P1D",
                                        "PMDT1.000000S",
                                        "P1M2DT3S",
                                        "P1M2DT3.000000Sx",
                                        "P9999999999M0DT0.000000S",
                                        "P0M9223372036854775808DT0.000000S",
                                        "P0M0DT9223372036854.775808S"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int32_t months;
        int64_t days;
        int64_t us;
        if (pondi_parse_interval(wrong[i], strlen(wrong[i]), &months, &days, &us))
            fail_msg("\"%s\" was taken for an interval", wrong[i]);
    }
}

static void a_uuid_reads_back_in_either_case(void **state)
{
    (void)state;
    const char *lower = "00112233-4455-6677-8899-aabbccddeeff";
    char text[PONDI_UUID_TEXT];
    uint8_t uuid[16];
    uint8_t upper[16];
    assert_true(pondi_parse_uuid(lower, 36, uuid));
    assert_int_equal(uuid[0], 0);
    assert_int_equal(uuid[15], 0xff);
    assert_int_equal(pondi_format_uuid(uuid, text), 36);
    assert_string_equal(text, lower);
    assert_true(pondi_parse_uuid("00112233-4455-6677-8899-AABBCCDDEEFF", 36, upper));
    assert_memory_equal(uuid, upper, 16);
    assert_false(pondi_parse_uuid(lower, 35, uuid));
    assert_false(pondi_parse_uuid("00112233x4455-6677-8899-aabbccddeeff", 36, uuid));
    assert_false(pondi_parse_uuid("0011223g-4455-6677-8899-aabbccddeeff", 36, uuid));
    assert_false(pondi_parse_uuid("", 0, uuid));
}

static void the_public_calendar_is_the_same_and_refuses_what_is_no_date(void **state)
{
    int year;
    int month;
    int day;
    int64_t days;
    (void)state;
    for (int64_t at = PONDI_FIRST_DAY; at <= PONDI_LAST_DAY; at += 97) {
        assert_int_equal(pond_date_from_days(at, &year, &month, &day), POND_OK);
        assert_int_equal(pond_date_to_days(year, month, day, &days), POND_OK);
        assert_int_equal(days, at);
    }
    assert_int_equal(pond_date_to_days(1970, 1, 1, &days), POND_OK);
    assert_int_equal(days, 0);
    assert_int_equal(pond_date_to_days(2023, 2, 29, &days), POND_ERANGE);
    assert_int_equal(days, 0);
    assert_int_equal(pond_date_to_days(10000, 1, 1, &days), POND_ERANGE);
    assert_int_equal(pond_date_from_days(POND_TIME_INFINITY, &year, &month, &day), POND_ERANGE);
    assert_int_equal(pond_date_from_days(PONDI_FIRST_DAY - 1, &year, &month, &day), POND_ERANGE);
    assert_int_equal(year, 0);
}

/* ---- Values as text ---------------------------------------------------------------------- */

static void check_text(pond_type type, const char *given, const char *expected)
{
    pond_value value;
    char text[POND_VALUE_TEXT];
    assert_int_equal(pond_value_parse(type, given, strlen(given), &value, NULL), POND_OK);
    assert_int_equal(value.type, type);
    assert_int_equal(pond_value_format(&value, text, NULL), POND_OK);
    assert_string_equal(text, expected);
}

static void values_are_read_from_text_and_written_as_text(void **state)
{
    (void)state;
    check_text(POND_TYPE_DATE, "2024-02-29", "2024-02-29");
    check_text(POND_TYPE_TIME, "23:59", "23:59:00");
    check_text(POND_TYPE_TIME, "23:59:59.5", "23:59:59.500000");
    check_text(POND_TYPE_TIME, "12:00:00-05:30", "12:00:00-05:30");
    check_text(POND_TYPE_TIME, "12:00+0530", "12:00:00+05:30");
    check_text(POND_TYPE_TIME, "12:00Z", "12:00:00+00:00");
    check_text(POND_TYPE_TIME, "12:00-00:00", "12:00:00+00:00");
    check_text(POND_TYPE_TIMESTAMP, "2026-01-02T03:04:05.0000060", "2026-01-02 03:04:05.000006");
    check_text(POND_TYPE_TIMESTAMP, "0001-01-01", "0001-01-01 00:00:00");
    check_text(POND_TYPE_TIMESTAMPTZ, "2026-01-02 03:04:05+02:00", "2026-01-02 01:04:05+00:00");
    check_text(POND_TYPE_TIMESTAMPTZ, "2026-01-02 03:04:05z", "2026-01-02 03:04:05+00:00");
    check_text(POND_TYPE_UUID, "00112233-4455-6677-8899-AABBCCDDEEFF",
               "00112233-4455-6677-8899-aabbccddeeff");
}

static void check_format(pond_value value, const char *expected)
{
    char text[POND_VALUE_TEXT];
    assert_int_equal(pond_value_format(&value, text, NULL), POND_OK);
    assert_string_equal(text, expected);
}

static void values_that_no_text_gives_are_written_too(void **state)
{
    (void)state;
    check_format((pond_value){.type = POND_TYPE_DATE, .as.integer = POND_TIME_INFINITY},
                 "infinity");
    check_format((pond_value){.type = POND_TYPE_TIMESTAMPTZ, .as.integer = POND_TIME_NEG_INFINITY},
                 "-infinity");
    check_format((pond_value){.type = POND_TYPE_TIME, .aux = -3723}, "00:00:00-01:02:03");
    check_format((pond_value){.type = POND_TYPE_INTERVAL,
                              .aux = INT32_MIN,
                              .as.interval = {.days = INT64_MIN, .microseconds = INT64_MIN}},
                 "P-2147483648M-9223372036854775808DT-9223372036854.775808S");
}

static void what_has_no_text_or_no_value_is_refused(void **state)
{
    const struct {
        pond_type type;
        const char *text;
    } wrong[] = {
        {POND_TYPE_DATE, "2023-02-29"},
        {POND_TYPE_DATE, "2024-02-29 00:00"},
        {POND_TYPE_DATE, ""},
        {POND_TYPE_TIME, "24:00"},
        {POND_TYPE_TIME, "12:00:00.1234567"},
        {POND_TYPE_TIME, "12:00+24:00"},
        {POND_TYPE_TIMESTAMP, "2026-01-01 10:00Z"},
        {POND_TYPE_TIMESTAMPTZ, "2026-01-01 10:00"},
        {POND_TYPE_TIMESTAMPTZ, "0001-01-01 00:00+01:00"},
        {POND_TYPE_UUID, "00112233445566778899aabbccddeeff"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        pond_value value = {.type = POND_TYPE_BOOL};
        pond_error *error = NULL;
        assert_int_equal(
            pond_value_parse(wrong[i].type, wrong[i].text, strlen(wrong[i].text), &value, &error),
            POND_EDATA);
        assert_int_equal(value.type, POND_TYPE_NULL);
        pond_error_free(error);
    }
    pond_value value = {.type = POND_TYPE_TEXT};
    char text[POND_VALUE_TEXT] = "?";
    assert_int_equal(pond_value_format(&value, text, NULL), POND_EINVAL);
    assert_string_equal(text, "");
    value = (pond_value){.type = POND_TYPE_DATE, .as.integer = PONDI_LAST_DAY + 1};
    assert_int_equal(pond_value_format(&value, text, NULL), POND_ERANGE);
    value = (pond_value){.type = POND_TYPE_TIME, .as.integer = -1};
    assert_int_equal(pond_value_format(&value, text, NULL), POND_ERANGE);
    value = (pond_value){.type = POND_TYPE_TIME, .aux = INT32_MIN};
    assert_int_equal(pond_value_format(&value, text, NULL), POND_ERANGE);
    assert_int_equal(pond_value_parse(POND_TYPE_INTERVAL, "P1D", 3, &value, NULL), POND_EINVAL);
}

RUN_TESTS(cmocka_unit_test(every_day_of_ten_thousand_years_reads_back_and_follows_its_neighbour),
          cmocka_unit_test(dates_agree_with_the_c_library),
          cmocka_unit_test(the_ends_of_the_calendar_are_where_they_should_be),
          cmocka_unit_test(what_is_no_date_is_refused),
          cmocka_unit_test(the_public_calendar_is_the_same_and_refuses_what_is_no_date),
          cmocka_unit_test(times_keep_their_microseconds),
          cmocka_unit_test(a_time_may_leave_out_seconds_and_digits_of_the_fraction),
          cmocka_unit_test(what_is_no_time_is_refused),
          cmocka_unit_test(a_timestamp_reads_back_at_both_ends_and_before_the_epoch),
          cmocka_unit_test(a_timestamp_with_a_zone_is_moved_to_utc),
          cmocka_unit_test(a_timestamp_may_have_no_time),
          cmocka_unit_test(what_is_no_timestamp_is_refused),
          cmocka_unit_test(intervals_are_iso_8601_durations), cmocka_unit_test(intervals_read_back),
          cmocka_unit_test(a_uuid_reads_back_in_either_case),
          cmocka_unit_test(values_are_read_from_text_and_written_as_text),
          cmocka_unit_test(values_that_no_text_gives_are_written_too),
          cmocka_unit_test(what_has_no_text_or_no_value_is_refused))

#include "base/calendar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Days -------------------------------------------------------------------------------- */

/* Count from 1 March of year 0, so that the leap day ends a year; 400 years are 146097 days. */
int64_t pondi_days_of(pondi_civil date)
{
    int64_t year = date.month <= 2 ? date.year - 1 : date.year;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t month = (date.month + 9) % 12;
    int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

pondi_civil pondi_civil_from_days(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    pondi_civil date;
    date.day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    date.month = (int)(month < 10 ? month + 3 : month - 9);
    date.year = (int)(year_of_era + era * 400 + (date.month <= 2));
    return date;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

int pondi_days_from_civil(pondi_civil date, int64_t *days)
{
    if (date.year < 1 || date.year > 9999 || date.month < 1 || date.month > 12 || date.day < 1 ||
        date.day > days_in_month(date.year, date.month))
        return 0;
    *days = pondi_days_of(date);
    return 1;
}

/* ---- Format ------------------------------------------------------------------------------ */

int64_t pondi_floor_days(int64_t us)
{
    int64_t days = us / PONDI_US_PER_DAY;
    return us % PONDI_US_PER_DAY < 0 ? days - 1 : days;
}

/* By hand: a row may have several of them, and snprintf() took a third of reading entities. */
static char *put_digits(char *out, int number, int count)
{
    for (int i = count; i-- > 0; number /= 10)
        out[i] = (char)('0' + number % 10);
    return out + count;
}

static char *put_part(char *out, char before, int number)
{
    *out = before;
    return put_digits(out + 1, number, 2);
}

size_t pondi_format_date(int64_t days, char out[PONDI_TIME_TEXT])
{
    if (days < PONDI_FIRST_DAY || days > PONDI_LAST_DAY)
        return 0;
    pondi_civil date = pondi_civil_from_days(days);
    char *end = put_digits(out, date.year, 4);
    end = put_part(put_part(end, '-', date.month), '-', date.day);
    *end = '\0';
    return (size_t)(end - out);
}

static size_t put_time(int64_t us, char *out)
{
    int seconds = (int)(us / 1000000);
    int fraction = (int)(us % 1000000);
    char *end = put_digits(out, seconds / 3600, 2);
    end = put_part(put_part(end, ':', seconds / 60 % 60), ':', seconds % 60);
    if (fraction) {
        *end = '.';
        end = put_digits(end + 1, fraction, 6);
    }
    *end = '\0';
    return (size_t)(end - out);
}

size_t pondi_format_time(int64_t us, char out[PONDI_TIME_TEXT])
{
    if (us < 0 || us > PONDI_US_PER_DAY)
        return 0;
    return put_time(us, out);
}

size_t pondi_format_timestamp(int64_t us, char out[PONDI_TIME_TEXT])
{
    int64_t days = pondi_floor_days(us);
    size_t size = pondi_format_date(days, out);
    if (!size)
        return 0;
    out[size++] = ' ';
    return size + put_time(us - days * PONDI_US_PER_DAY, out + size);
}

size_t pondi_format_timestamptz(int64_t us, char out[PONDI_TIME_TEXT])
{
    size_t size = pondi_format_timestamp(us, out);
    if (!size)
        return 0;
    memcpy(out + size, "+00:00", 7);
    return size + 6;
}

size_t pondi_format_uuid(const uint8_t uuid[16], char out[PONDI_UUID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    size_t size = 0;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[size++] = '-';
        out[size++] = digits[uuid[i] >> 4];
        out[size++] = digits[uuid[i] & 15];
    }
    out[size] = '\0';
    return size;
}

size_t pondi_format_interval(int32_t months, int64_t days, int64_t us, char *out, size_t room)
{
    uint64_t size_us = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
    int size = snprintf(out, room, "P%dM%lldDT%s%llu.%06uS", (int)months, (long long)days,
                        us < 0 ? "-" : "", (unsigned long long)(size_us / 1000000),
                        (unsigned)(size_us % 1000000));
    return size > 0 && (size_t)size < room ? (size_t)size : 0;
}

/* A time's zone, "+05:30" or "-01:02:03", nothing for none; 0 if a day has no room for it. */
static int put_zone(int32_t zone, char *out, size_t *size)
{
    int32_t offset = pondi_zone_offset(zone);
    if (offset <= -86400 || offset >= 86400)
        return 0;
    int seconds = abs(offset);
    char *end = out + *size;
    if (zone)
        end =
            put_part(put_part(end, offset < 0 ? '-' : '+', seconds / 3600), ':', seconds / 60 % 60);
    if (seconds % 60)
        end = put_part(end, ':', seconds % 60);
    *end = '\0';
    *size = (size_t)(end - out);
    return 1;
}

static size_t format_zoned_time(const pond_value *value, char *out)
{
    size_t size = pondi_format_time(value->as.integer, out);
    return size && put_zone(value->aux, out, &size) ? size : 0;
}

size_t pondi_format_value(const pond_value *value, char *out, size_t room)
{
    switch (value->type) {
    case POND_TYPE_DATE:
        return pondi_format_date(value->as.integer, out);
    case POND_TYPE_TIME:
        return format_zoned_time(value, out);
    case POND_TYPE_TIMESTAMP:
        return pondi_format_timestamp(value->as.integer, out);
    case POND_TYPE_TIMESTAMPTZ:
        return pondi_format_timestamptz(value->as.integer, out);
    case POND_TYPE_UUID:
        return pondi_format_uuid(value->as.uuid, out);
    case POND_TYPE_INTERVAL:
        return pondi_format_interval(value->aux, value->as.interval.days,
                                     value->as.interval.microseconds, out, room);
    default:
        return 0;
    }
}

/* ---- Parse ------------------------------------------------------------------------------- */

typedef struct reader {
    const char *at;
    const char *end;
} reader;

/* Exactly `digits` digits. */
static int read_number(reader *in, int digits, int *out)
{
    *out = 0;
    for (int i = 0; i < digits; i++, in->at++) {
        if (in->at >= in->end || *in->at < '0' || *in->at > '9')
            return 0;
        *out = *out * 10 + (*in->at - '0');
    }
    return 1;
}

static int read_char(reader *in, char c)
{
    if (in->at >= in->end || *in->at != c)
        return 0;
    in->at++;
    return 1;
}

static int read_date(reader *in, int64_t *days)
{
    pondi_civil date;
    if (!read_number(in, 4, &date.year) || !read_char(in, '-') ||
        !read_number(in, 2, &date.month) || !read_char(in, '-') || !read_number(in, 2, &date.day))
        return 0;
    return pondi_days_from_civil(date, days);
}

/* Up to six digits, and zeros: more would be lost. */
static int read_fraction(reader *in, int *us)
{
    int scale = 100000;
    *us = 0;
    if (in->at >= in->end || *in->at < '0' || *in->at > '9')
        return 0;
    for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++, scale /= 10) {
        if (scale == 0 && *in->at != '0')
            return 0;
        *us += (*in->at - '0') * scale;
    }
    return 1;
}

static int read_time(reader *in, int64_t *us)
{
    int hour;
    int minute;
    int second = 0;
    int fraction = 0;
    if (!read_number(in, 2, &hour) || !read_char(in, ':') || !read_number(in, 2, &minute))
        return 0;
    if (read_char(in, ':')) {
        if (!read_number(in, 2, &second) || (read_char(in, '.') && !read_fraction(in, &fraction)))
            return 0;
    }
    if (hour > 23 || minute > 59 || second > 59)
        return 0;
    *us = ((hour * 60 + minute) * 60 + second) * INT64_C(1000000) + fraction;
    return 1;
}

static int read_zone(reader *in, int64_t *us)
{
    int hour;
    int minute = 0;
    *us = 0;
    if (read_char(in, 'Z') || read_char(in, 'z'))
        return 1;
    int west = read_char(in, '-');
    if (!west && !read_char(in, '+'))
        return 0;
    if (!read_number(in, 2, &hour))
        return 0;
    int colon = read_char(in, ':');
    if ((colon || in->at < in->end) && !read_number(in, 2, &minute))
        return 0;
    if (hour > 23 || minute > 59)
        return 0;
    *us = (hour * 60 + minute) * INT64_C(60000000) * (west ? -1 : 1);
    return 1;
}

int pondi_parse_date(const char *text, size_t size, int64_t *days)
{
    reader in = {text, text + size};
    return read_date(&in, days) && in.at == in.end;
}

int pondi_parse_time(const char *text, size_t size, int64_t *us)
{
    reader in = {text, text + size};
    return read_time(&in, us) && in.at == in.end;
}

int pondi_parse_zoned_time(const char *text, size_t size, int64_t *us, int32_t *zone)
{
    reader in = {text, text + size};
    int64_t offset_us = 0;
    *zone = 0;
    if (!read_time(&in, us))
        return 0;
    if (in.at == in.end)
        return 1;
    if (!read_zone(&in, &offset_us) || in.at != in.end)
        return 0;
    *zone = pondi_zone_of_offset((int32_t)(offset_us / 1000000));
    return 1;
}

int pondi_parse_timestamp(const char *text, size_t size, int64_t *us, int *zoned)
{
    reader in = {text, text + size};
    int64_t days;
    int64_t time = 0;
    int64_t offset = 0;
    *zoned = 0;
    if (!read_date(&in, &days))
        return 0;
    if (in.at < in.end) {
        if (!read_char(&in, ' ') && !read_char(&in, 'T'))
            return 0;
        if (!read_time(&in, &time))
            return 0;
    }
    if (in.at < in.end) {
        if (!read_zone(&in, &offset) || in.at != in.end)
            return 0;
        *zoned = 1;
    }
    *us = days * PONDI_US_PER_DAY + time - offset;
    return *us >= PONDI_FIRST_DAY * PONDI_US_PER_DAY &&
           *us < (PONDI_LAST_DAY + 1) * PONDI_US_PER_DAY; /* in UTC too */
}

/* A whole number with its sign, and what must follow. */
static int read_count(reader *in, char then, int64_t *out)
{
    int negative = read_char(in, '-');
    const char *start = in->at;
    int64_t value = 0; /* below zero, where there is room for one more */
    for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, *in->at - '0', &value))
            return 0;
    }
    if (in->at == start || (!negative && value == INT64_MIN))
        return 0;
    *out = negative ? value : -value;
    return read_char(in, then);
}

int pondi_parse_interval(const char *text, size_t size, int32_t *months, int64_t *days, int64_t *us)
{
    reader in = {text, text + size};
    int64_t count;
    int64_t seconds;
    int fraction;
    if (!read_char(&in, 'P') || !read_count(&in, 'M', &count) || count < INT32_MIN ||
        count > INT32_MAX || !read_count(&in, 'D', days) || !read_char(&in, 'T'))
        return 0;
    int negative = in.at < in.end && *in.at == '-';
    if (!read_count(&in, '.', &seconds) || !read_fraction(&in, &fraction) || !read_char(&in, 'S') ||
        in.at != in.end)
        return 0;
    *months = (int32_t)count;
    return !__builtin_mul_overflow(seconds, INT64_C(1000000), us) &&
           !__builtin_add_overflow(*us, negative ? -fraction : fraction, us);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int pondi_parse_uuid(const char *text, size_t size, uint8_t out[16])
{
    if (size != 36)
        return 0;
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && text[at++] != '-')
            return 0;
        int high = hex_digit(text[at]);
        int low = hex_digit(text[at + 1]);
        if (high < 0 || low < 0)
            return 0;
        out[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    return 1;
}

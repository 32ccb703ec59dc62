/* Dates and times of the proleptic Gregorian calendar, years 1 to 9999. */
#include "native.h"

/* Days from 1970-01-01 to the first of March of year 0, whose leap day is its last day. */
enum { EPOCH_FROM_MARCH_0 = 719468, DAYS_PER_ERA = 146097 };

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

int native_days(int year, int month, int day, int64_t *days)
{
    if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 ||
        day > days_in_month(year, month))
        return 0;
    int shifted = month > 2 ? year : year - 1; /* years begin in March */
    int of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    *days = (int64_t)shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + of_year -
            EPOCH_FROM_MARCH_0;
    return 1;
}

int64_t native_floor_days(int64_t us)
{
    return us / NATIVE_US_PER_DAY - (us % NATIVE_US_PER_DAY < 0);
}

native_moment native_moment_of(int64_t us)
{
    int64_t days = native_floor_days(us);
    int64_t rest = us - days * NATIVE_US_PER_DAY;
    int since = (int)(days + EPOCH_FROM_MARCH_0);
    int era = since / DAYS_PER_ERA;
    int of_era = since % DAYS_PER_ERA;
    int year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int of_year = of_era - (365 * year + year / 4 - year / 100);
    int month = (5 * of_year + 2) / 153;
    native_moment moment = {.day = of_year - (153 * month + 2) / 5 + 1,
                            .month = month < 10 ? month + 3 : month - 9,
                            .hour = (int)(rest / 3600000000),
                            .minute = (int)(rest / 60000000 % 60),
                            .second = (int)(rest / 1000000 % 60),
                            .microsecond = (int)(rest % 1000000)};
    moment.year = era * 400 + year + (moment.month <= 2);
    return moment;
}

/* ---- Read ---------------------------------------------------------------------------------- */

typedef struct reader {
    const char *at;
    const char *end;
} reader;

/* Exactly so many digits; -1 if they are not there. */
static int digits(reader *in, int count)
{
    int value = 0;
    if (in->end - in->at < count)
        return -1;
    for (int i = 0; i < count; i++) {
        char c = in->at[i];
        if (c < '0' || c > '9')
            return -1;
        value = value * 10 + (c - '0');
    }
    in->at += count;
    return value;
}

static int skip(reader *in, char c)
{
    if (in->at == in->end || *in->at != c)
        return 0;
    in->at++;
    return 1;
}

static int read_date(reader *in, int64_t *days)
{
    int year = digits(in, 4);
    int month = year >= 0 && skip(in, '-') ? digits(in, 2) : -1;
    int day = month >= 0 && skip(in, '-') ? digits(in, 2) : -1;
    return day >= 0 && native_days(year, month, day, days);
}

static int read_fraction(reader *in, int *microsecond)
{
    int scale = 100000;
    if (!skip(in, '.'))
        return 1;
    const char *start = in->at;
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9') {
        if (!scale && *in->at != '0')
            return 0; /* finer than a microsecond */
        *microsecond += (*in->at++ - '0') * scale;
        scale /= 10;
    }
    return in->at > start;
}

static int read_time(reader *in, int64_t *us)
{
    int microsecond = 0;
    int hour = digits(in, 2);
    int minute = hour >= 0 && skip(in, ':') ? digits(in, 2) : -1;
    int second = 0;
    if (minute >= 0 && skip(in, ':'))
        second = digits(in, 2);
    if (minute < 0 || second < 0 || hour > 23 || minute > 59 || second > 59 ||
        !read_fraction(in, &microsecond))
        return 0;
    *us = ((hour * 60 + minute) * 60 + second) * INT64_C(1000000) + microsecond;
    return 1;
}

static int read_zone(reader *in, int *offset)
{
    if (skip(in, 'Z') || skip(in, 'z'))
        return 1;
    int sign = skip(in, '-') ? -1 : 1;
    if (sign > 0 && !skip(in, '+'))
        return 0;
    int hours = digits(in, 2);
    int minutes = 0;
    if (hours >= 0 && (skip(in, ':') || in->at < in->end))
        minutes = digits(in, 2);
    *offset = sign * (hours * 60 + minutes) * 60;
    return hours >= 0 && hours <= 15 && minutes >= 0 && minutes <= 59;
}

int native_parse_moment(const char *text, size_t size, int64_t *days, int64_t *us, int *offset)
{
    reader in = {text, text + size};
    int parts = 0;
    *days = 0;
    *us = 0;
    *offset = 0;
    if (size > 4 && text[4] == '-') {
        if (!read_date(&in, days))
            return 0;
        parts = NATIVE_HAS_DATE;
        if (in.at == in.end)
            return parts;
        if (!skip(&in, 'T') && !skip(&in, ' '))
            return 0;
    }
    if (!read_time(&in, us))
        return 0;
    parts |= NATIVE_HAS_TIME;
    if (in.at == in.end)
        return parts;
    return read_zone(&in, offset) && in.at == in.end ? parts | NATIVE_HAS_ZONE : 0;
}

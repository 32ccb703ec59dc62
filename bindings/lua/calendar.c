/* Dates and times of the proleptic Gregorian calendar, years 1 to 9999. */
#include "native.h"

int native_moment_of(int64_t days, int64_t us, native_moment *out)
{
    out->hour = (int)(us / 3600000000);
    out->minute = (int)(us / 60000000 % 60);
    out->second = (int)(us / 1000000 % 60);
    out->microsecond = (int)(us % 1000000);
    return pond_date_from_days(days, &out->year, &out->month, &out->day) == POND_OK;
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
    return day >= 0 && pond_date_to_days(year, month, day, days) == POND_OK;
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

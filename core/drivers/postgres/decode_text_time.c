/* Dates and times in text, as DateStyle=ISO has them: any year, "BC" at the end, 24:00, and zones
 * with seconds. What does not parse stays text. */
#include <string.h>

#include "base/calendar.h"
#include "drivers/postgres/postgres.h"

typedef struct reader {
    const char *at;
    const char *end;
} reader;

static int as_text(pond_value *out, const char *data, int size)
{
    out->type = POND_TYPE_TEXT;
    out->as.text.data = data;
    out->as.text.size = (size_t)size;
    return POND_OK;
}

static int as_integer(pond_value *out, pond_type type, int64_t value)
{
    out->type = (uint32_t)type;
    out->as.integer = value;
    return POND_OK;
}

/* ---- Pieces ------------------------------------------------------------------------------ */

/* From `least` to `most` digits. */
static int read_number(reader *in, int least, int most, int *out)
{
    int digits = 0;
    *out = 0;
    for (; in->at < in->end && digits < most && *in->at >= '0' && *in->at <= '9'; digits++)
        *out = *out * 10 + (*in->at++ - '0');
    return digits >= least;
}

static int read_char(reader *in, char c)
{
    if (in->at >= in->end || *in->at != c)
        return 0;
    in->at++;
    return 1;
}

static int read_date(reader *in, pondi_civil *date)
{
    return read_number(in, 4, 7, &date->year) && read_char(in, '-') &&
           read_number(in, 2, 2, &date->month) && read_char(in, '-') &&
           read_number(in, 2, 2, &date->day) && date->month >= 1 && date->month <= 12 &&
           date->day >= 1 && date->day <= 31;
}

static int read_fraction(reader *in, int *us)
{
    int scale = 100000;
    const char *start = in->at;
    *us = 0;
    for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++, scale /= 10)
        *us += (*in->at - '0') * scale;
    return in->at > start && in->at - start <= 6;
}

static int read_time(reader *in, int64_t *us)
{
    int hour;
    int minute;
    int second;
    int fraction = 0;
    if (!read_number(in, 2, 2, &hour) || !read_char(in, ':') || !read_number(in, 2, 2, &minute) ||
        !read_char(in, ':') || !read_number(in, 2, 2, &second) ||
        (read_char(in, '.') && !read_fraction(in, &fraction)))
        return 0;
    *us = ((hour * 60 + minute) * 60 + second) * INT64_C(1000000) + fraction;
    return minute <= 59 && second <= 59 && *us <= PONDI_US_PER_DAY;
}

/* "+05:30", "-08" or "+00:53:28", in seconds. */
static int read_zone(reader *in, int32_t *seconds)
{
    int hours;
    int minutes = 0;
    int rest = 0;
    int west = read_char(in, '-');
    if ((!west && !read_char(in, '+')) || !read_number(in, 2, 2, &hours))
        return 0;
    if (read_char(in, ':') && !read_number(in, 2, 2, &minutes))
        return 0;
    if (read_char(in, ':') && !read_number(in, 2, 2, &rest))
        return 0;
    *seconds = (hours * 60 + minutes) * 60 + rest;
    if (west)
        *seconds = -*seconds;
    return hours <= 23 && minutes <= 59 && rest <= 59;
}

/* The years before 1 are counted back from there; at the end. */
static int read_era(reader *in, pondi_civil *date)
{
    if (in->end - in->at == 3 && memcmp(in->at, " BC", 3) == 0) {
        in->at += 3;
        date->year = 1 - date->year;
    }
    return in->at == in->end;
}

static int infinite(pond_value *out, pond_type type, const char *data, int size)
{
    int positive = size == 8 && memcmp(data, "infinity", 8) == 0;
    if (!positive && !(size == 9 && memcmp(data, "-infinity", 9) == 0))
        return 0;
    as_integer(out, type, positive ? POND_TIME_INFINITY : POND_TIME_NEG_INFINITY);
    return 1;
}

/* ---- Types ------------------------------------------------------------------------------- */

int pondi_postgres_decode_text_date(const char *data, int size, pondi_arena *arena, pond_value *out)
{
    (void)arena;
    reader in = {data, data + size};
    pondi_civil date;
    if (infinite(out, POND_TYPE_DATE, data, size))
        return POND_OK;
    if (!read_date(&in, &date) || !read_era(&in, &date))
        return as_text(out, data, size);
    return as_integer(out, POND_TYPE_DATE, pondi_days_of(date));
}

int pondi_postgres_decode_text_time(const char *data, int size, pondi_arena *arena, pond_value *out)
{
    (void)arena;
    reader in = {data, data + size};
    int64_t us;
    if (!read_time(&in, &us) || in.at != in.end)
        return as_text(out, data, size);
    return as_integer(out, POND_TYPE_TIME, us);
}

int pondi_postgres_decode_text_timetz(const char *data, int size, pondi_arena *arena,
                                      pond_value *out)
{
    (void)arena;
    reader in = {data, data + size};
    int64_t us;
    int32_t zone;
    if (!read_time(&in, &us) || !read_zone(&in, &zone) || in.at != in.end)
        return as_text(out, data, size);
    out->aux = pondi_zone_of_offset(zone);
    return as_integer(out, POND_TYPE_TIME, us);
}

static int decode_timestamp(const char *data, int size, int zoned, pond_value *out)
{
    reader in = {data, data + size};
    pond_type type = zoned ? POND_TYPE_TIMESTAMPTZ : POND_TYPE_TIMESTAMP;
    pondi_civil date;
    int64_t us;
    int32_t zone = 0;
    if (infinite(out, type, data, size))
        return POND_OK;
    if (!read_date(&in, &date) || !read_char(&in, ' ') || !read_time(&in, &us) ||
        (zoned && !read_zone(&in, &zone)) || !read_era(&in, &date))
        return as_text(out, data, size);
    return as_integer(out, type,
                      pondi_days_of(date) * PONDI_US_PER_DAY + us - zone * INT64_C(1000000));
}

int pondi_postgres_decode_text_timestamp(const char *data, int size, pondi_arena *arena,
                                         pond_value *out)
{
    (void)arena;
    return decode_timestamp(data, size, 0, out);
}

int pondi_postgres_decode_text_timestamptz(const char *data, int size, pondi_arena *arena,
                                           pond_value *out)
{
    (void)arena;
    return decode_timestamp(data, size, 1, out);
}

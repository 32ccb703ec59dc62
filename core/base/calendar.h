/* Dates and times as ISO 8601 text and back; the proleptic Gregorian calendar, years 1 to 9999. */
#ifndef PONDI_BASE_CALENDAR_H
#define PONDI_BASE_CALENDAR_H

#include <stddef.h>
#include <stdint.h>

#include "millpond/types.h"

#define PONDI_US_PER_DAY INT64_C(86400000000)
#define PONDI_FIRST_DAY (-719162) /* 0001-01-01, in days since 1970-01-01 */
#define PONDI_LAST_DAY 2932896    /* 9999-12-31 */

enum { PONDI_TIME_TEXT = 40, PONDI_UUID_TEXT = 37 }; /* bytes that any text below fits in */

/* Each writes text and a NUL, and returns its length; 0 if the value has no such text. Timestamps
 * look like "2026-01-02 03:04:05.000006"; the fraction is left out if it is zero. The zone
 * is always UTC, "+00:00". */
size_t pondi_format_date(int64_t days, char out[PONDI_TIME_TEXT]);
size_t pondi_format_time(int64_t us, char out[PONDI_TIME_TEXT]);
size_t pondi_format_timestamp(int64_t us, char out[PONDI_TIME_TEXT]);
size_t pondi_format_timestamptz(int64_t us, char out[PONDI_TIME_TEXT]);
size_t pondi_format_uuid(const uint8_t uuid[16], char out[PONDI_UUID_TEXT]);
/* ISO 8601, "P1M2DT3.500000S". */
size_t pondi_format_interval(int32_t months, int64_t days, int64_t us, char *out, size_t room);
/* A value of any of these types, a time with its zone (aux). 0 for all others, too. `out` has room
 * for PONDI_TIME_TEXT at least. */
size_t pondi_format_value(const pond_value *value, char *out, size_t room);

/* A day's year, month and day of month; and back, 0 for a date that does not exist. `days` must be
 * from PONDI_FIRST_DAY to PONDI_LAST_DAY. */
typedef struct pondi_civil {
    int year;
    int month;
    int day;
} pondi_civil;
pondi_civil pondi_civil_from_days(int64_t days);
int pondi_days_from_civil(pondi_civil date, int64_t *days);
/* The same for any year, 0 being 1 BC; the date must exist. */
int64_t pondi_days_of(pondi_civil date);

/* Whole days before an instant, rounded down. */
int64_t pondi_floor_days(int64_t us);

/* Each reads the whole text and returns 1, or 0 if it is nothing of the kind. A timestamp may have
 * `T` or a space in its middle, and no time at all; with a zone it is moved to UTC, and *zoned set.
 * A zoned time may have no zone; `zone` is as in pond_value.aux. */
int pondi_parse_date(const char *text, size_t size, int64_t *days);
int pondi_parse_time(const char *text, size_t size, int64_t *us);
int pondi_parse_zoned_time(const char *text, size_t size, int64_t *us, int32_t *zone);
int pondi_parse_timestamp(const char *text, size_t size, int64_t *us, int *zoned);
int pondi_parse_interval(const char *text, size_t size, int32_t *months, int64_t *days,
                         int64_t *us); /* as pondi_format_interval() writes it */
int pondi_parse_uuid(const char *text, size_t size, uint8_t out[16]);

/* Of a time of day: its zone's offset in seconds, and the other way round. */
static inline int32_t pondi_zone_offset(int32_t zone)
{
    return zone == POND_ZONE_UTC ? 0 : zone;
}

static inline int32_t pondi_zone_of_offset(int32_t offset)
{
    return offset ? offset : POND_ZONE_UTC;
}

#endif

/* Dates and times for those who have values from elsewhere, or show them. */
#include <stdio.h>

#include "base/calendar.h"
#include "base/error.h"
#include "base/given.h"
#include "millpond/millpond.h"

int pond_date_to_days(int year, int month, int day, int64_t *days)
{
    if (!days)
        return POND_EINVAL;
    *days = 0;
    return pondi_days_from_civil((pondi_civil){year, month, day}, days) ? POND_OK : POND_ERANGE;
}

int pond_date_from_days(int64_t days, int *year, int *month, int *day)
{
    pondi_civil date = {0, 0, 0};
    int known = days >= PONDI_FIRST_DAY && days <= PONDI_LAST_DAY;
    if (known)
        date = pondi_civil_from_days(days);
    if (year)
        *year = date.year;
    if (month)
        *month = date.month;
    if (day)
        *day = date.day;
    if (!year || !month || !day)
        return POND_EINVAL;
    return known ? POND_OK : POND_ERANGE;
}

/* ---- Values as text ---------------------------------------------------------------------- */

enum { LONGEST_TEXT = 1024 };

static int is_infinite(const pond_value *value)
{
    return (value->type == POND_TYPE_DATE || value->type == POND_TYPE_TIMESTAMP ||
            value->type == POND_TYPE_TIMESTAMPTZ) &&
           (value->as.integer == POND_TIME_INFINITY || value->as.integer == POND_TIME_NEG_INFINITY);
}

int pond_value_format(const pond_value *value, char out[POND_VALUE_TEXT], pond_error **err)
{
    if (out)
        *out = '\0';
    if (PONDI_GIVEN(err, value, out))
        return POND_EINVAL;
    if (is_infinite(value)) {
        snprintf(out, POND_VALUE_TEXT, value->as.integer < 0 ? "-infinity" : "infinity");
        return POND_OK;
    }
    if (pondi_format_value(value, out, POND_VALUE_TEXT))
        return POND_OK;
    *out = '\0';
    if ((value->type >= POND_TYPE_DATE && value->type <= POND_TYPE_TIMESTAMPTZ))
        return pondi_error_set(err, POND_ERANGE, "%lld is outside the years 1 to 9999",
                               (long long)value->as.integer);
    return pondi_error_set(err, POND_EINVAL, "a value of type %u is not a date, time or UUID",
                           (unsigned)value->type);
}

int pond_value_parse(pond_type type, const char *text, size_t size, pond_value *out,
                     pond_error **err)
{
    pond_value value = {.type = (uint32_t)type};
    int zoned = 0;
    int ok;
    if (out)
        *out = (pond_value){.type = POND_TYPE_NULL};
    if (PONDI_GIVEN(err, text, out))
        return POND_EINVAL;
    if (size > LONGEST_TEXT)
        size = 0; /* no date has so many characters: the count was never set */
    switch (type) {
    case POND_TYPE_DATE:
        ok = pondi_parse_date(text, size, &value.as.integer);
        break;
    case POND_TYPE_TIME:
        ok = pondi_parse_zoned_time(text, size, &value.as.integer, &value.aux);
        break;
    case POND_TYPE_TIMESTAMP:
    case POND_TYPE_TIMESTAMPTZ:
        ok = pondi_parse_timestamp(text, size, &value.as.integer, &zoned) &&
             zoned == (type == POND_TYPE_TIMESTAMPTZ);
        break;
    case POND_TYPE_UUID:
        ok = pondi_parse_uuid(text, size, value.as.uuid);
        break;
    default:
        return pondi_error_set(err, POND_EINVAL,
                               "type %d cannot be read from text: pass a date, time or UUID type",
                               (int)type);
    }
    if (!ok)
        return pondi_error_set(err, POND_EDATA,
                               "the text is not a valid date, time or UUID of this type");
    *out = value;
    return POND_OK;
}

/* Dates for those who have values from elsewhere. */
#include "base/calendar.h"
#include "millpond/millpond.h"

int pond_date_to_days(int year, int month, int day, int64_t *days)
{
    *days = 0;
    return pondi_days_from_civil((pondi_civil){year, month, day}, days) ? POND_OK : POND_ERANGE;
}

int pond_date_from_days(int64_t days, int *year, int *month, int *day)
{
    pondi_civil date = {0, 0, 0};
    int known = days >= PONDI_FIRST_DAY && days <= PONDI_LAST_DAY;
    if (known)
        date = pondi_civil_from_days(days);
    *year = date.year;
    *month = date.month;
    *day = date.day;
    return known ? POND_OK : POND_ERANGE;
}

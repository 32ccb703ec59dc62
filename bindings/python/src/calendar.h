/* Days since 1970-01-01, for values that come and go as such. */
#ifndef MILLPOND_NATIVE_CALENDAR_H
#define MILLPOND_NATIVE_CALENDAR_H

#include <stdint.h>

#define NATIVE_US_PER_DAY INT64_C(86400000000)
#define NATIVE_FIRST_DAY (-719162) /* 0001-01-01 */
#define NATIVE_LAST_DAY 2932896    /* 9999-12-31 */

int64_t native_days(int year, int month, int day);
void native_date(int64_t days, int *year, int *month, int *day);

int native_init_params(void);

#endif

/* cf.h - the parts of the CF conventions that give stored numbers a meaning: calendars and time.
 *
 * A time variable holds numbers, and says in its attributes what they count: units "days since 1850-01-01", calendar "noleap". The
 * calendars are those of CF 1.11, section 4.4.1; texts are understood as cftime understands them. All arithmetic is in whole
 * microseconds since the calendar's own 1 January of year 1, in 64 bits: years -290,000 to 290,000, and exact for integers.
 *
 * Threads: everything is a pure function.
 *
 * Invariants
 *  1. Decoding and encoding an instant that the units can express gives it back.
 *  2. In the standard and Julian calendars there is no year 0: -1 is followed by 1. In all others there is, as in ISO 8601.
 */
#ifndef CRATON_CF_H
#define CRATON_CF_H

#include <stdbool.h>
#include <stdint.h>
#include "craton/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/*      name                 CF's name               other names */
#define CR_CALENDAR_TABLE(X)                                                                  \
    X(STANDARD,             "standard",             "gregorian")  /* Julian up to 1582-10-04, then Gregorian from 1582-10-15 */ \
    X(PROLEPTIC_GREGORIAN,  "proleptic_gregorian",  "")                                       \
    X(JULIAN,               "julian",               "")                                       \
    X(NOLEAP,               "noleap",               "365_day")                                \
    X(ALL_LEAP,             "all_leap",             "366_day")                                \
    X(360_DAY,              "360_day",              "")

typedef enum cr_calendar {
#define X(name, text, other) CR_CALENDAR_##name,
    CR_CALENDAR_TABLE(X)
#undef X
    CR_CALENDAR_COUNT
} cr_calendar;

typedef struct cr_date {
    int64_t year;
    int32_t month, day;           /* from 1 */
    int32_t hour, minute, second, microsecond;
} cr_date;

typedef struct cr_time_units {
    cr_calendar calendar;
    int64_t unit_us;              /* microseconds in one unit; 0: the unit is a nanosecond */
    int64_t epoch_us;             /* of the reference date, which was in UTC after its time zone was taken off */
} cr_time_units;

/* name NULL: standard. Capital letters are allowed. CR_INVALID lists the names. */
CR_API cr_status cr_calendar_find(const char *name, cr_calendar *ret_calendar, cr_err *err) CR_MUST_USE;
CR_API const char *cr_calendar_name(cr_calendar c);
/* 28 to 31; 0 for a month that is not 1 to 12. year as people write it (invariant 2). */
CR_API int cr_calendar_days_in_month(cr_calendar c, int64_t year, int month);
CR_API int cr_calendar_days_in_year(cr_calendar c, int64_t year);

/* CR_RANGE: there is no such date in this calendar, or it lies outside of the years above; says which part is wrong. */
CR_API cr_status cr_date_to_us(cr_calendar c, const cr_date *date, int64_t *ret_us, cr_err *err) CR_MUST_USE;
CR_API void cr_date_from_us(cr_calendar c, int64_t us, cr_date *ret_date);
/* 1 for 1 January; the date must be one of the calendar. */
CR_API int cr_date_day_of_year(cr_calendar c, const cr_date *date);
/* "2001-02-03", with " 04:05:06.000007" as far as it is not zero; years of less than four digits are filled up. Returns buf
 * (at least 64 bytes). */
CR_API char *cr_date_text(const cr_date *date, char *buf, size_t size);

/* text: "UNIT since DATE[ TIME[ ZONE]]"; units from nanoseconds to weeks in the spellings of cftime and xarray, months in
 * 360_day only. CR_INVALID says what is not understood. At most 256 bytes are looked at. */
CR_API cr_status cr_time_units_parse(const char *text, cr_calendar calendar, cr_time_units *ret_units, cr_err *err) CR_MUST_USE;
/* Whether a units attribute looks like one of time ("... since ..."). */
CR_API bool cr_time_units_likely(const char *text);
/* Values to microseconds. A float is rounded to the nearest microsecond; CR_RANGE: outside of the years above, or NaN. */
CR_API cr_status cr_time_decode_int(const cr_time_units *u, int64_t value, int64_t *ret_us, cr_err *err) CR_MUST_USE;
CR_API cr_status cr_time_decode_float(const cr_time_units *u, double value, int64_t *ret_us, cr_err *err) CR_MUST_USE;
/* *ret_whole is false when us is not a whole number of units; *ret_value is then rounded down. CR_RANGE: does not fit. */
CR_API cr_status cr_time_encode_int(const cr_time_units *u, int64_t us, int64_t *ret_value, bool *ret_whole, cr_err *err) CR_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif

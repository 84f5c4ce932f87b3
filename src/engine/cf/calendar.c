/* calendar.c - day numbers and dates of the six calendars.
 *
 * Days are counted from 1 January of year 1 of the calendar itself, which is day 0. Inside, years are astronomical (there is a year 0);
 * people's years without 0 are turned at the border. The Gregorian and Julian rules work on years that begin in March, so that the
 * leap day is the last of its year (the well-known method, for instance in Reingold and Dershowitz, Calendrical Calculations).
 */
#include "craton/cf.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>
#include "base/error.h"

#define DAY_US INT64_C(86400000000)
enum { YEAR_MOST = 290000 };
/* 1582-10-15 Gregorian and 1582-10-05 Julian are the same day; these are its numbers in the two counts. */
enum { SWITCH_GREGORIAN = 577735, SWITCH_JULIAN = 577737 };

static const char *const names[CR_CALENDAR_COUNT][2] = {
#define X(name, text, other) {text, other},
    CR_CALENDAR_TABLE(X)
#undef X
};

cr_status cr_calendar_find(const char *name, cr_calendar *ret_calendar, cr_err *err) {
    if (!name) {
        *ret_calendar = CR_CALENDAR_STANDARD;
        return CR_OK;
    }
    for (int c = 0; c < CR_CALENDAR_COUNT; c++)
        for (int k = 0; k < 2; k++)
            if (names[c][k][0] && strcasecmp(name, names[c][k]) == 0) {
                *ret_calendar = c;
                return CR_OK;
            }
    cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "there is no calendar \"%.64s\"", name);
    cr_err_hint(err, "Calendars: standard (gregorian), proleptic_gregorian, julian, noleap (365_day), all_leap (366_day), 360_day.");
    return CR_INVALID;
}

const char *cr_calendar_name(cr_calendar c) { return c >= 0 && c < CR_CALENDAR_COUNT ? names[c][0] : "?"; }

static bool has_year_zero(cr_calendar c) { return c != CR_CALENDAR_STANDARD && c != CR_CALENDAR_JULIAN; }
static int64_t inside_year(cr_calendar c, int64_t year) { return !has_year_zero(c) && year < 0 ? year + 1 : year; }
static int64_t peoples_year(cr_calendar c, int64_t year) { return !has_year_zero(c) && year <= 0 ? year - 1 : year; }

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }
static int64_t floor_mod(int64_t a, int64_t b) { return a - floor_div(a, b) * b; }

static bool leap_gregorian(int64_t y) { return floor_mod(y, 4) == 0 && (floor_mod(y, 100) != 0 || floor_mod(y, 400) == 0); }
static bool leap_julian(int64_t y) { return floor_mod(y, 4) == 0; }

static bool is_leap(cr_calendar c, int64_t y) {
    switch (c) {
    case CR_CALENDAR_STANDARD: return y > 1582 ? leap_gregorian(y) : leap_julian(y);
    case CR_CALENDAR_PROLEPTIC_GREGORIAN: return leap_gregorian(y);
    case CR_CALENDAR_JULIAN: return leap_julian(y);
    case CR_CALENDAR_ALL_LEAP: return true;
    default: return false;
    }
}

static const int month_days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
/* Days before the month in a year of 365 days. */
static const int days_before[13] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};

static int days_in_month(cr_calendar c, int64_t y, int month) {
    if (c == CR_CALENDAR_360_DAY)
        return 30;
    return month_days[month - 1] + (month == 2 && is_leap(c, y));
}

int cr_calendar_days_in_month(cr_calendar c, int64_t year, int month) {
    return month < 1 || month > 12 ? 0 : days_in_month(c, inside_year(c, year), month);
}

int cr_calendar_days_in_year(cr_calendar c, int64_t year) {
    int64_t y = inside_year(c, year);
    if (c == CR_CALENDAR_360_DAY)
        return 360;
    return 365 + is_leap(c, y) - (c == CR_CALENDAR_STANDARD && y == 1582 ? 10 : 0);
}

/* Years from March: day of that year, and its number of leap days. */
static int64_t march_day(int month, int day) { return (153 * (int64_t)((month + 9) % 12) + 2) / 5 + day - 1; }

static int64_t gregorian_day(int64_t y, int month, int day) {
    y -= month <= 2;
    return 365 * y + floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400) + march_day(month, day) - 306;
}

static int64_t julian_day(int64_t y, int month, int day) {
    y -= month <= 2;
    return 365 * y + floor_div(y, 4) + march_day(month, day) - 306;
}

static int64_t even_day(int64_t y, int month, int day, bool leap) {
    return (y - 1) * (365 + leap) + days_before[month - 1] + (leap && month > 2) + day - 1;
}

/* y inside, month and day existing. */
static int64_t day_number(cr_calendar c, int64_t y, int month, int day) {
    switch (c) {
    case CR_CALENDAR_PROLEPTIC_GREGORIAN: return gregorian_day(y, month, day);
    case CR_CALENDAR_JULIAN: return julian_day(y, month, day);
    case CR_CALENDAR_NOLEAP: return even_day(y, month, day, false);
    case CR_CALENDAR_ALL_LEAP: return even_day(y, month, day, true);
    case CR_CALENDAR_360_DAY: return (y - 1) * 360 + (month - 1) * 30 + day - 1;
    default: {
        int64_t julian = julian_day(y, month, day);
        return julian < SWITCH_JULIAN ? julian : gregorian_day(y, month, day) - SWITCH_GREGORIAN + SWITCH_JULIAN;
    }
    }
}

static void from_march(int64_t y, int64_t day_of_year, cr_date *d) {
    int64_t m = (5 * day_of_year + 2) / 153;
    d->day = (int)(day_of_year - (153 * m + 2) / 5 + 1);
    d->month = (int)(m < 10 ? m + 3 : m - 9);
    d->year = y + (d->month <= 2);
}

static void from_gregorian(int64_t day, cr_date *d) {
    int64_t z = day + 306, era = floor_div(z, 146097), doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    from_march(yoe + era * 400, doe - (365 * yoe + yoe / 4 - yoe / 100), d);
}

static void from_julian(int64_t day, cr_date *d) {
    int64_t z = day + 306, era = floor_div(z, 1461), doe = z - era * 1461;
    int64_t yoe = (doe - doe / 1460) / 365;
    from_march(yoe + era * 4, doe - 365 * yoe, d);
}

static void from_even(int64_t day, int64_t length, cr_date *d) {
    d->year = floor_div(day, length) + 1;
    int64_t rest = floor_mod(day, length);
    if (length == 360) {
        d->month = (int)(rest / 30 + 1);
        d->day = (int)(rest % 30 + 1);
        return;
    }
    bool leap = length == 366;
    d->month = 12;
    while (days_before[d->month - 1] + (leap && d->month > 2) > rest)
        d->month--;
    d->day = (int)(rest - days_before[d->month - 1] - (leap && d->month > 2) + 1);
}

static void date_of_day(cr_calendar c, int64_t day, cr_date *d) {
    switch (c) {
    case CR_CALENDAR_PROLEPTIC_GREGORIAN: from_gregorian(day, d); break;
    case CR_CALENDAR_JULIAN: from_julian(day, d); break;
    case CR_CALENDAR_NOLEAP: from_even(day, 365, d); break;
    case CR_CALENDAR_ALL_LEAP: from_even(day, 366, d); break;
    case CR_CALENDAR_360_DAY: from_even(day, 360, d); break;
    default:
        if (day < SWITCH_JULIAN)
            from_julian(day, d);
        else
            from_gregorian(day - SWITCH_JULIAN + SWITCH_GREGORIAN, d);
    }
}

static cr_status check(cr_calendar c, const cr_date *d, cr_err *err) {
    if (d->year < -YEAR_MOST || d->year > YEAR_MOST)
        return CR_FAIL(err, CR_RANGE, "year %" PRId64 " lies outside of -%d to %d", d->year, YEAR_MOST, YEAR_MOST);
    if (d->year == 0 && !has_year_zero(c))
        return CR_FAIL(err, CR_RANGE, "the %s calendar has no year 0", cr_calendar_name(c));
    if (d->month < 1 || d->month > 12)
        return CR_FAIL(err, CR_RANGE, "there is no month %d", d->month);
    int64_t y = inside_year(c, d->year);
    if (d->day < 1 || d->day > days_in_month(c, y, d->month))
        return CR_FAIL(err, CR_RANGE, "%" PRId64 "-%02d has no day %d in the %s calendar", d->year, d->month, d->day, cr_calendar_name(c));
    if (c == CR_CALENDAR_STANDARD && y == 1582 && d->month == 10 && d->day > 4 && d->day < 15)
        return CR_FAIL(err, CR_RANGE, "1582-10-%02d was left out when the standard calendar changed from Julian to Gregorian", d->day);
    if (d->hour < 0 || d->hour > 23 || d->minute < 0 || d->minute > 59 || d->second < 0 || d->second > 59 || d->microsecond < 0 ||
        d->microsecond > 999999)
        return CR_FAIL(err, CR_RANGE, "%02d:%02d:%02d is no time of day", d->hour, d->minute, d->second);
    return CR_OK;
}

cr_status cr_date_to_us(cr_calendar c, const cr_date *d, int64_t *ret_us, cr_err *err) {
    CR_TRY(check(c, d, err));
    int64_t day = day_number(c, inside_year(c, d->year), d->month, d->day);
    int64_t in_day = ((d->hour * INT64_C(60) + d->minute) * 60 + d->second) * 1000000 + d->microsecond;
    *ret_us = day * DAY_US + in_day;
    return CR_OK;
}

void cr_date_from_us(cr_calendar c, int64_t us, cr_date *ret_date) {
    cr_date d = {0};
    date_of_day(c, floor_div(us, DAY_US), &d);
    d.year = peoples_year(c, d.year);
    int64_t rest = floor_mod(us, DAY_US);
    d.microsecond = (int)(rest % 1000000);
    rest /= 1000000;
    d.second = (int)(rest % 60);
    d.minute = (int)(rest / 60 % 60);
    d.hour = (int)(rest / 3600);
    *ret_date = d;
}

int cr_date_day_of_year(cr_calendar c, const cr_date *d) {
    int64_t y = inside_year(c, d->year);
    return (int)(day_number(c, y, d->month, d->day) - day_number(c, y, 1, 1)) + 1;
}

char *cr_date_text(const cr_date *d, char *buf, size_t size) {
    int64_t year = d->year < 0 ? -d->year : d->year;
    int n = snprintf(buf, size, "%s%04" PRId64 "-%02d-%02d", d->year < 0 ? "-" : "", year, d->month, d->day);
    if (d->hour || d->minute || d->second || d->microsecond)
        n += snprintf(buf + n, size - (size_t)n, d->second || d->microsecond ? " %02d:%02d:%02d" : " %02d:%02d", d->hour, d->minute, d->second);
    if (d->microsecond)
        snprintf(buf + n, size - (size_t)n, ".%06d", d->microsecond);
    return buf;
}

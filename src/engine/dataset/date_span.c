/* date_span.c - "2001-02" as the span of time that it stands for, in any calendar. */
#include <ctype.h>
#include <string.h>

#include "engine/dataset/variable.h"

/* Exactly n digits. */
static bool number(const char **at, int n, int32_t *ret) {
    int32_t v = 0;
    for (int k = 0; k < n; k++) {
        if (!isdigit((unsigned char)(*at)[k]))
            return false;
        v = v * 10 + ((*at)[k] - '0');
    }
    *at += n;
    *ret = v;
    return true;
}

static bool take(const char **at, char c) {
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

/* How far a text goes; each includes those before. */
typedef enum precision { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, FRACTION } precision;

/* [-]Y+[-MM[-DD[(T| )HH[:MM[:SS[.f+]]]]]]; *ret_step_us: length of what the last digit of a fraction counts. */
static bool parse(const char *text, cr_date *d, precision *ret_precision, int64_t *ret_step_us) {
    const char *at = text;
    bool negative = take(&at, '-');
    int n = 0;
    for (d->year = 0; n < 6 && isdigit((unsigned char)at[n]); n++)
        d->year = d->year * 10 + (at[n] - '0');
    if (n == 0)
        return false;
    d->year = negative ? -d->year : d->year;
    at += n;
    *ret_precision = YEAR;
    if (!*at)
        return true;
    if (n < 4 || !take(&at, '-') || !number(&at, 2, &d->month)) /* "99-01" could be anything */
        return false;
    *ret_precision = MONTH;
    if (!*at)
        return true;
    if (!take(&at, '-') || !number(&at, 2, &d->day))
        return false;
    *ret_precision = DAY;
    if (!*at)
        return true;
    if ((!take(&at, 'T') && !take(&at, ' ')) || !number(&at, 2, &d->hour))
        return false;
    *ret_precision = HOUR;
    if (!*at)
        return true;
    if (!take(&at, ':') || !number(&at, 2, &d->minute))
        return false;
    *ret_precision = MINUTE;
    if (!*at)
        return true;
    if (!take(&at, ':') || !number(&at, 2, &d->second))
        return false;
    *ret_precision = SECOND;
    if (!*at)
        return true;
    if (!take(&at, '.') || !isdigit((unsigned char)*at))
        return false;
    *ret_precision = FRACTION;
    *ret_step_us = 1000000;
    for (; isdigit((unsigned char)*at) && *ret_step_us > 1; at++) {
        *ret_step_us /= 10;
        d->microsecond += (int32_t)(*ret_step_us * (*at - '0'));
    }
    return !*at;
}

cr_status cr_date_span(cr_calendar calendar, const char *text, int64_t *ret_begin_us, int64_t *ret_end_us, cr_err *err) {
    static const int64_t lengths[] = {[DAY] = INT64_C(86400000000), [HOUR] = INT64_C(3600000000), [MINUTE] = 60000000, [SECOND] = 1000000};
    cr_date d = {.month = 1, .day = 1};
    precision p = YEAR;
    int64_t step = 0, begin = 0, end = 0;
    if (!parse(text, &d, &p, &step)) {
        cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "\"%.64s\" is no date", text);
        cr_err_hint(err, "Dates are written as 2001, 2001-02, 2001-02-03, 2001-02-03T04:05:06.");
        return CR_INVALID;
    }
    cr_status status = cr_date_to_us(calendar, &d, &begin, err);
    if (status == CR_OK && p <= MONTH) { /* its last day, which exists in every calendar, and one more */
        cr_date last = {.year = d.year, .month = p == YEAR ? 12 : d.month};
        last.day = cr_calendar_days_in_month(calendar, last.year, last.month);
        status = cr_date_to_us(calendar, &last, &end, err);
        end += lengths[DAY];
    } else if (status == CR_OK) {
        end = begin + (p == FRACTION ? step : lengths[p]);
    }
    if (status != CR_OK) {
        cr_err_context(err, "\"%.64s\"", text);
        return status;
    }
    *ret_begin_us = begin;
    *ret_end_us = end;
    return CR_OK;
}

/* ticks.c - steps that people count in. */
#include "cli/ticks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

/* ---- numbers ---- */

static double round_step(double span, int most) {
    double least = span / most, power = pow(10, floor(log10(least)));
    static const double steps[] = {1, 2, 2.5, 5, 10};
    for (size_t k = 0; k < CR_ARRAY_LEN(steps); k++)
        if (steps[k] * power >= least * (1 - 1e-9))
            return steps[k] * power;
    return 10 * power;
}

static double degree_step(double span, int most) {
    static const double steps[] = {1, 2, 5, 10, 15, 20, 30, 45, 60, 90};
    for (size_t k = 0; k < CR_ARRAY_LEN(steps); k++)
        if (span / steps[k] <= most && span > 4)
            return steps[k];
    return round_step(span, most);
}

static void number_text(double v, double step, double largest, char *buf, size_t size) {
    /* As many decimals as the step has; 2.5 has one more than its power. */
    int decimals = (int)CR_MAX(-floor(log10(step) + 1e-9), 0);
    decimals += fabs(step * pow(10, decimals) - nearbyint(step * pow(10, decimals))) > 1e-6;
    v = fabs(v) < step * 1e-6 ? 0 : v;
    if (largest >= 1e7 || step < 1e-5)
        snprintf(buf, size, "%.*g", (int)CR_MIN(CR_MAX(ceil(log10(largest / step)) + 1, 2), 12), v);
    else
        snprintf(buf, size, "%.*f", decimals, v);
}

/* 200 is 160 W. */
static void degree_text(double v, double step, bool lat, bool plain, char *buf, size_t size) {
    char number[24];
    double turned = lat ? v : v - 360 * nearbyint(v / 360);
    const char *side = fabs(turned) < step * 1e-6 || (!lat && fabs(fabs(turned) - 180) < 1e-6) ? "" : lat ? turned < 0 ? "S" : "N" : turned < 0 ? "W" : "E";
    number_text(fabs(turned), step, 360, number, sizeof number);
    snprintf(buf, size, "%s%s%s", number, plain ? "" : "\u00b0", side);
}

static int numbers(cr_plot_scale scale, double from, double to, int most, bool plain, cr_tick *ret) {
    bool degrees = scale == CR_SCALE_LATITUDES || scale == CR_SCALE_LONGITUDES;
    double step = degrees ? degree_step(to - from, most) : round_step(to - from, most);
    int n = 0;
    for (double k = ceil(from / step - 1e-9); k * step <= to + step * 1e-9 && n < CR_TICKS_MOST; k++, n++) {
        ret[n].at = k * step;
        if (degrees)
            degree_text(k * step, step, scale == CR_SCALE_LATITUDES, plain, ret[n].text, sizeof ret[n].text);
        else
            number_text(k * step, step, CR_MAX(fabs(from), fabs(to)), ret[n].text, sizeof ret[n].text);
    }
    return n;
}

/* ---- times ---- */

#define SECOND 1e6
#define DAY (86400 * SECOND)

typedef enum part { YEARS, MONTHS, DAYS, CLOCK } part;
typedef struct step_of_time {
    part part;
    int count;                    /* CLOCK: seconds */
    double about_us;
} step_of_time;

static const step_of_time time_steps[] = {
    {CLOCK, 1, SECOND}, {CLOCK, 5, 5 * SECOND}, {CLOCK, 15, 15 * SECOND}, {CLOCK, 30, 30 * SECOND}, {CLOCK, 60, 60 * SECOND},
    {CLOCK, 300, 300 * SECOND}, {CLOCK, 900, 900 * SECOND}, {CLOCK, 1800, 1800 * SECOND}, {CLOCK, 3600, 3600 * SECOND},
    {CLOCK, 10800, 10800 * SECOND}, {CLOCK, 21600, 21600 * SECOND}, {CLOCK, 43200, 43200 * SECOND}, {DAYS, 1, DAY}, {DAYS, 2, 2 * DAY},
    {DAYS, 5, 5 * DAY}, {DAYS, 10, 10 * DAY}, {MONTHS, 1, 30 * DAY}, {MONTHS, 2, 61 * DAY}, {MONTHS, 3, 91 * DAY}, {MONTHS, 6, 182 * DAY},
    {YEARS, 1, 365 * DAY}, {YEARS, 2, 730 * DAY}, {YEARS, 5, 1826 * DAY}, {YEARS, 10, 3652 * DAY}, {YEARS, 20, 7305 * DAY},
    {YEARS, 50, 18262 * DAY}, {YEARS, 100, 36525 * DAY}, {YEARS, 200, 73050 * DAY}, {YEARS, 500, 182625 * DAY}, {YEARS, 1000, 365250 * DAY},
    {YEARS, 10000, 3652500 * DAY}, {YEARS, 100000, 36525000 * DAY},
};

static int64_t down_to(int64_t v, int64_t step) { return v - ((v % step) + step) % step; }

/* The first date of the step at or before d. */
static void floor_date(const step_of_time *s, cr_date *d) {
    cr_date e = {.year = d->year, .month = d->month, .day = d->day};
    if (s->part == YEARS)
        e.year = down_to(d->year, s->count);
    if (s->part <= MONTHS) {
        e.month = s->part == MONTHS ? (d->month - 1) / s->count * s->count + 1 : 1;
        e.day = 1;
    } else if (s->part == DAYS) {
        e.day = (d->day - 1) / s->count * s->count + 1;
    } else {
        int seconds = (d->hour * 3600 + d->minute * 60 + d->second) / s->count * s->count;
        e.hour = seconds / 3600;
        e.minute = seconds / 60 % 60;
        e.second = seconds % 60;
    }
    *d = e;
}

static void next_date(const step_of_time *s, cr_calendar c, cr_date *d) {
    int64_t us;
    if (s->part == YEARS) {
        d->year += s->count;
    } else if (s->part == MONTHS) {
        d->month += s->count;
        d->year += d->month > 12;
        d->month -= d->month > 12 ? 12 : 0;
    } else if (cr_date_to_us(c, d, &us, NULL) == CR_OK) {
        int32_t month = d->month;
        cr_date_from_us(c, us + (s->part == DAYS ? (int64_t)DAY : (int64_t)SECOND) * s->count, d);
        /* Days are counted in each month: no tick three days before the first. */
        if (s->part == DAYS && s->count > 1 && (d->month != month || cr_calendar_days_in_month(c, d->year, d->month) - d->day < s->count - 1)) {
            if (d->month == month)
                next_date(&(step_of_time){MONTHS, 1, 0}, c, d);
            d->day = 1;
        }
    }
}

static void date_text(const step_of_time *s, const cr_date *d, char *buf, size_t size) {
    char whole[80];
    cr_date_text(d, whole, sizeof whole);
    char *blank = strchr(whole, ' '), *dash = strrchr(whole, '-');
    if (s->part == YEARS)
        snprintf(buf, size, "%lld", (long long)d->year);
    else if (s->part == MONTHS && dash)
        snprintf(buf, size, "%.*s", (int)(dash - whole), whole);
    else if (s->part == CLOCK && d->hour + d->minute + d->second > 0)
        snprintf(buf, size, s->count >= 60 ? "%02d:%02d" : "%02d:%02d:%02d", d->hour, d->minute, d->second);
    else
        snprintf(buf, size, "%.*s", blank ? (int)(blank - whole) : 30, whole);
}

static int times(cr_calendar c, double from, double to, int most, cr_tick *ret) {
    const step_of_time *s = time_steps;
    while (s < time_steps + CR_ARRAY_LEN(time_steps) - 1 && (to - from) / s->about_us > most)
        s++;
    cr_date d;
    int n = 0;
    cr_date_from_us(c, (int64_t)from, &d);
    floor_date(s, &d);
    for (int tried = 0; tried < 10 * CR_TICKS_MOST && n < CR_TICKS_MOST; tried++, next_date(s, c, &d)) {
        int64_t us;
        if (cr_date_to_us(c, &d, &us, NULL) != CR_OK)
            continue;             /* the calendar leaves it out, as the year 0 */
        if ((double)us > to)
            break;
        if ((double)us < from)
            continue;
        ret[n].at = (double)us;
        date_text(s, &d, ret[n].text, sizeof ret[n].text);
        n++;
    }
    return n;
}

int cr_ticks(cr_plot_scale scale, cr_calendar calendar, double from, double to, int most, bool plain, cr_tick *ret_ticks) {
    double low = CR_MIN(from, to), high = CR_MAX(from, to);
    most = CR_MIN(CR_MAX(most, 2), CR_TICKS_MOST - 1);
    if (!(high > low) || !isfinite(high - low)) {
        ret_ticks[0].at = low;
        snprintf(ret_ticks[0].text, CR_TICK_TEXT, "%.7g", low);
        return 1;
    }
    return scale == CR_SCALE_TIMES ? times(calendar, low, high, most, ret_ticks) : numbers(scale, low, high, most, plain, ret_ticks);
}

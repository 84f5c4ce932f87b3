/* time_units.c - "days since 1850-01-01 00:00 +1:00": the text, and numbers to instants and back. */
#include "craton/cf.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include <strings.h>
#include "base/error.h"

enum { TEXT_MOST = 256 };
/* Instants that cr_date can hold in every calendar; also keeps sums of two of them inside of 64 bits. */
#define US_MOST (INT64_C(105000000) * 86400000000 / 1)

typedef struct unit_name {
    const char *name;
    int64_t us;                   /* 0: nanosecond; -1: month */
} unit_name;

/* The spellings of cftime 1.6 and of xarray; a plural s is taken off before. */
static const unit_name units[] = {
    {"nanosecond", 0}, {"nanosec", 0}, {"ns", 0}, {"microsecond", 1}, {"microsec", 1}, {"us", 1}, {"millisecond", 1000},
    {"millisec", 1000}, {"msec", 1000}, {"ms", 1000}, {"second", 1000000}, {"sec", 1000000}, {"s", 1000000},
    {"minute", 60000000}, {"min", 60000000}, {"hour", 3600000000}, {"hr", 3600000000}, {"h", 3600000000}, {"day", 86400000000},
    {"d", 86400000000}, {"week", 604800000000}, {"month", -1},
};

static cr_status find_unit(const char *word, size_t n, cr_calendar c, int64_t *ret_us, cr_err *err) {
    for (size_t i = 0; i < CR_ARRAY_LEN(units); i++) {
        size_t length = strlen(units[i].name);
        bool plural = n == length + 1 && length > 1 && tolower((unsigned char)word[n - 1]) == 's';
        if ((n != length && !plural) || strncasecmp(word, units[i].name, length) != 0)
            continue;
        if (units[i].us >= 0) {
            *ret_us = units[i].us;
            return CR_OK;
        }
        if (c != CR_CALENDAR_360_DAY)
            return CR_FAIL(err, CR_INVALID, "months have no fixed length in the %s calendar", cr_calendar_name(c));
        *ret_us = INT64_C(30) * 86400000000;
        return CR_OK;
    }
    return CR_FAIL(err, CR_INVALID, "\"%.*s\" is not a unit of time", (int)CR_MIN(n, 64), word);
}

/* At most `most` digits to a number; false when there are none. */
static bool digits(const char **at, int most, int64_t *ret) {
    int64_t v = 0;
    int n = 0;
    while (isdigit((unsigned char)**at) && n < most) {
        v = v * 10 + (*(*at)++ - '0');
        n++;
    }
    *ret = v;
    return n > 0;
}

static bool take(const char **at, char c) {
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

static bool two(const char **at, int32_t *ret) {
    int64_t v;
    if (!digits(at, 2, &v))
        return false;
    *ret = (int32_t)v;
    return true;
}

/* [+-]h[h][:mm|mm], Z or UTC; minutes that local time is ahead. */
static bool zone(const char **at, int *ret_minutes) {
    *ret_minutes = 0;
    if (take(at, 'Z') || take(at, 'z'))
        return true;
    if (strncasecmp(*at, "UTC", 3) == 0 || strncasecmp(*at, "GMT", 3) == 0) {
        *at += 3;
        return true;
    }
    int sign = take(at, '+') ? 1 : take(at, '-') ? -1 : 0;
    if (!sign)
        return false;
    int32_t hours = 0, minutes = 0;
    if (!two(at, &hours))
        return false;
    if (take(at, ':') || isdigit((unsigned char)**at))
        if (!two(at, &minutes))
            return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return hours <= 24 && minutes <= 59;
}

static bool fraction(const char **at, int32_t *ret_us) {
    int32_t us = 0;
    int n = 0;
    for (; isdigit((unsigned char)**at); (*at)++, n++)
        if (n < 6)
            us = us * 10 + (**at - '0');
    for (int k = n; k < 6; k++)
        us *= 10;
    *ret_us = us;
    return n > 0;
}

static bool time_of_day(const char **at, cr_date *d) {
    if (!two(at, &d->hour))
        return false;
    if (!take(at, ':'))
        return true;
    if (!two(at, &d->minute))
        return false;
    if (!take(at, ':'))
        return true;
    if (!two(at, &d->second))
        return false;
    return !take(at, '.') || fraction(at, &d->microsecond) || true;
}

/* A date with an optional time and zone; the rest of the text must be blank. */
static cr_status reference(const char *text, cr_calendar c, int64_t *ret_us, cr_err *err) {
    cr_date d = {.month = 1, .day = 1};
    const char *at = text;
    int minutes = 0;
    int sign = take(&at, '-') ? -1 : (take(&at, '+'), 1);
    bool good = digits(&at, 6, &d.year);
    d.year *= sign;
    if (good && take(&at, '-'))
        good = two(&at, &d.month) && (!take(&at, '-') || two(&at, &d.day));
    if (good && (*at == 'T' || *at == 't' || *at == ' ' || *at == '_')) {
        at++;
        while (*at == ' ')
            at++;
        if (isdigit((unsigned char)*at))
            good = time_of_day(&at, &d);
    }
    while (good && *at == ' ')
        at++;
    if (good && *at)
        good = zone(&at, &minutes);
    while (good && *at == ' ')
        at++;
    if (!good || *at)
        return CR_FAIL(err, CR_INVALID, "\"%.64s\" is not a date such as 1850-01-01 or 1850-01-01 12:00:00", text);
    CR_TRY(cr_date_to_us(c, &d, ret_us, err));
    *ret_us -= minutes * INT64_C(60000000);
    return CR_OK;
}

static const char *find_since(const char *text) {
    size_t n = strnlen(text, TEXT_MOST);
    for (size_t i = 1; i + 6 <= n; i++)
        if (isspace((unsigned char)text[i - 1]) && strncasecmp(text + i, "since", 5) == 0 && isspace((unsigned char)text[i + 5]))
            return text + i;
    return NULL;
}

bool cr_time_units_likely(const char *text) { return text && find_since(text) != NULL; }

cr_status cr_time_units_parse(const char *text, cr_calendar calendar, cr_time_units *ret_units, cr_err *err) {
    size_t n = strnlen(text, TEXT_MOST + 1);
    const char *since = n <= TEXT_MOST ? find_since(text) : NULL;
    if (!since) {
        cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "\"%.64s\" are not units of time", text);
        cr_err_hint(err, "Units of time are written as \"days since 1850-01-01\".");
        return CR_INVALID;
    }
    const char *word = text, *end = since;
    while (isspace((unsigned char)*word))
        word++;
    while (end > word && isspace((unsigned char)end[-1]))
        end--;
    cr_time_units u = {.calendar = calendar};
    const char *date = since + 5;
    while (isspace((unsigned char)*date))
        date++;
    cr_status status = find_unit(word, (size_t)(end - word), calendar, &u.unit_us, err);
    if (status == CR_OK)
        status = reference(date, calendar, &u.epoch_us, err);
    if (status != CR_OK) {
        cr_err_context(err, "units \"%.128s\"", text);
        return status;
    }
    *ret_units = u;
    return CR_OK;
}

static cr_status in_range(int64_t us, int64_t *ret_us, cr_err *err) {
    if (us < -US_MOST || us > US_MOST)
        return CR_FAIL(err, CR_RANGE, "a time lies more than 287,000 years from year 1");
    *ret_us = us;
    return CR_OK;
}

cr_status cr_time_decode_int(const cr_time_units *u, int64_t value, int64_t *ret_us, cr_err *err) {
    int64_t us;
    if (u->unit_us == 0)
        us = value / 1000 - (value % 1000 < 0);
    else if (__builtin_mul_overflow(value, u->unit_us, &us))
        return CR_FAIL(err, CR_RANGE, "a time of %lld units does not fit", (long long)value);
    if (__builtin_add_overflow(us, u->epoch_us, &us))
        return CR_FAIL(err, CR_RANGE, "a time of %lld units does not fit", (long long)value);
    return in_range(us, ret_us, err);
}

cr_status cr_time_decode_float(const cr_time_units *u, double value, int64_t *ret_us, cr_err *err) {
    double unit = u->unit_us ? (double)u->unit_us : 1e-3;
    if (!(fabs(value) * unit <= (double)US_MOST))
        return CR_FAIL(err, CR_RANGE, "a time of %g units does not fit", value);
    /* The whole units exactly, and only the fraction in floating point. */
    double whole = u->unit_us ? floor(value) : 0;
    int64_t us = (int64_t)whole * u->unit_us + llround((value - whole) * unit);
    return in_range(us + u->epoch_us, ret_us, err);
}

cr_status cr_time_encode_int(const cr_time_units *u, int64_t us, int64_t *ret_value, bool *ret_whole, cr_err *err) {
    int64_t rest;
    if (__builtin_sub_overflow(us, u->epoch_us, &rest))
        return CR_FAIL(err, CR_RANGE, "a time does not fit");
    if (u->unit_us == 0) {
        if (__builtin_mul_overflow(rest, 1000, ret_value))
            return CR_FAIL(err, CR_RANGE, "a time does not fit into nanoseconds");
        *ret_whole = true;
        return CR_OK;
    }
    int64_t q = rest / u->unit_us - (rest % u->unit_us < 0);
    *ret_whole = rest % u->unit_us == 0;
    *ret_value = q;
    return CR_OK;
}

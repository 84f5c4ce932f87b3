/* resample.c - reductions over calendar periods in a row: hours, days, months, quarters, years. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/text.h"
#include "engine/array/node.h"
#include "engine/dataset/aggregate.h"

enum { LONGEST = 100000 };

typedef struct frequency {
    int64_t step_us;              /* 0: calendar months */
    int64_t step_months;
    int64_t round_months, anchor; /* the first period begins in a month m with (m - anchor) % round_months == 0, m from 0 */
} frequency;

static cr_status not_understood(const char *text, cr_err *err) {
    cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "resample: \"%.40s\" is no frequency", text);
    cr_err_hint(err,
                "A number, if it is not 1, and s, min, h, D, MS, QS, QS-DEC, YS or YS-JUL: 6h, 5D, MS. Labels are where periods begin.");
    return CR_INVALID;
}

static bool month_of(const char *name, int64_t *ret_month) {
    static const char *const names[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
    for (int k = 0; k < 12; k++)
        if (strcmp(name, names[k]) == 0) {
            *ret_month = k;
            return true;
        }
    return false;
}

/* pandas' names of today and before. */
static cr_status parse_frequency(const char *text, frequency *f, cr_err *err) {
    static const struct { const char *name; int64_t us; } clocks[] = {
        {"s", 1000000}, {"S", 1000000}, {"min", 60000000}, {"T", 60000000}, {"h", INT64_C(3600000000)}, {"H", INT64_C(3600000000)},
        {"D", INT64_C(86400000000)}};
    static const struct { const char *name; int64_t months; } calendars[] = {{"MS", 1}, {"QS", 3}, {"YS", 12}, {"AS", 12}};
    char digits[8] = "1";
    size_t n = strspn(text, "0123456789");
    int64_t times;
    if (n >= sizeof digits)
        return not_understood(text, err);
    if (n > 0) {
        memcpy(digits, text, n);
        digits[n] = 0;
    }
    if (cr_parse_int(digits, 1, LONGEST, &times, NULL) != CR_OK)
        return not_understood(text, err);
    *f = (frequency){0};
    const char *unit = text + n;
    for (size_t k = 0; k < CR_ARRAY_LEN(clocks); k++)
        if (strcmp(unit, clocks[k].name) == 0) {
            f->step_us = times * clocks[k].us;
            return CR_OK;
        }
    for (size_t k = 0; k < CR_ARRAY_LEN(calendars); k++) {
        if (strncmp(unit, calendars[k].name, 2) != 0)
            continue;
        f->step_months = times * calendars[k].months;
        f->round_months = calendars[k].months;
        if (!unit[2] || (calendars[k].months > 1 && unit[2] == '-' && month_of(unit + 3, &f->anchor)))
            return CR_OK;
    }
    return not_understood(text, err);
}

/* ---- months, counted from the beginning of the year 0 of a calendar that has one ---- */

static bool no_year_0(cr_calendar c) { return c == CR_CALENDAR_STANDARD || c == CR_CALENDAR_JULIAN; }

static int64_t month_number(cr_calendar c, int64_t us) {
    cr_date d;
    cr_date_from_us(c, us, &d);
    return (d.year + (no_year_0(c) && d.year < 0)) * 12 + d.month - 1;
}

static cr_status month_begins(cr_calendar c, int64_t month, int64_t *ret_us, cr_err *err) {
    int64_t year = month >= 0 ? month / 12 : -((11 - month) / 12);
    cr_date d = {.year = year - (no_year_0(c) && year <= 0), .month = (int32_t)(month - 12 * year) + 1, .day = 1};
    return cr_date_to_us(c, &d, ret_us, err);
}

static int64_t floor_mod(int64_t a, int64_t b) { return (a % b + b) % b; }

/* Where periods begin, from the one with the first time to the one with the last. */
static cr_status make_periods(const frequency *f, cr_calendar c, int64_t first, int64_t last, cr_labels **ret_begins, cr_err *err) {
    int64_t n, day = 0, month = 0, begin;
    if (f->step_us) {
        /* Counted from midnight of the first day. */
        day = first - floor_mod(first, INT64_C(86400000000));
        begin = day + (first - day) / f->step_us * f->step_us;
        n = (last - begin) / f->step_us + 1;
    } else {
        month = month_number(c, first);
        month -= floor_mod(month - f->anchor, f->round_months);
        n = (month_number(c, last) - month) / f->step_months + 1;
    }
    if (n > CR_LABELS_MAX)
        return CR_FAIL(err, CR_LIMIT, "resample: %" PRId64 " periods; at most %d are possible", n, CR_LABELS_MAX);
    cr_auto_labels cr_labels *begins = NULL;
    CR_TRY(cr_labels_new('t', n, &begins, err));
    for (int64_t k = 0; k < n; k++)
        if (f->step_us)
            begins->i[k] = begin + k * f->step_us;
        else
            CR_TRY(month_begins(c, month + k * f->step_months, &begins->i[k], err));
    *ret_begins = begins;
    begins = NULL;
    return CR_OK;
}

/* The period of each time; times rise. */
static cr_status number_periods(const char *dim, const cr_labels *times, const cr_labels *begins, int32_t *codes, cr_err *err) {
    int64_t at = 0;
    for (int64_t k = 0; k < times->n; k++) {
        if (k > 0 && times->i[k] < times->i[k - 1])
            return CR_FAIL(err, CR_INVALID, "resample: the labels of %s do not rise, first at position %" PRId64, dim, k);
        while (at + 1 < begins->n && begins->i[at + 1] <= times->i[k])
            at++;
        codes[k] = (int32_t)at;
    }
    return CR_OK;
}

cr_status cr_resample_reduce(cr_reduction r, cr_labelled *a, const char *dim, const char *every, const cr_reduce_options *options,
                             cr_labelled **ret_array, cr_err *err) {
    frequency f;
    int axis;
    if (r == CR_REDUCE_ARGMIN || r == CR_REDUCE_ARGMAX)
        return CR_FAIL(err, CR_UNSUPPORTED, "%s of periods is not available", cr_reduction_name(r));
    CR_TRY(parse_frequency(every, &f, err));
    CR_TRY(cr_labelled_find_dim(a, "resample", dim, &axis, err));
    const cr_var *index = cr_labelled_index(a, dim);
    if (!index || index->kind != CR_KIND_TIMES)
        return CR_FAIL(err, CR_TYPE, "resample: the dimension %s has no index of times", dim);
    const cr_labels *times = index->labels;
    if (times->n == 0)
        return CR_FAIL(err, CR_INVALID, "resample: there is nothing along %s", dim);
    for (int64_t k = 0; k < times->n; k++)
        if (cr_labels_missing(times, k))
            return CR_FAIL(err, CR_INVALID, "resample: the time at position %" PRId64 " of %s is missing", k, dim);
    cr_auto_labels cr_labels *begins = NULL;
    cr_auto_free int32_t *codes = calloc((size_t)times->n, sizeof *codes);
    if (!codes)
        return CR_FAIL(err, CR_MEMORY, "no memory for %" PRId64 " times", times->n);
    CR_TRY(make_periods(&f, index->calendar, times->i[0], CR_MAX(times->i[0], times->i[times->n - 1]), &begins, err));
    CR_TRY(number_periods(dim, times, begins, codes, err));
    cr_folding fold = {.n_axes = 1, .axes = &axis, .codes = codes, .n_groups = begins->n};
    cr_auto_array cr_array *data = NULL;
    cr_auto_labelled cr_labelled *bare = NULL, *coord = NULL;
    cr_auto_var cr_var *periods = NULL;
    CR_TRY(cr_fold_labelled(a, &fold, r, options, &data, err));
    cr_result_rules rules = {.first_attrs = true, .first_name = true, .drop_dims = (const char *const[]){dim, NULL}};
    CR_TRY(cr_labelled_result(1, &a, a->var->ndim, (const char *const *)a->var->dims, data, &rules, &bare, err));
    if (a->var->kind == CR_KIND_TIMES && r != CR_REDUCE_COUNT) {
        bare->var->kind = CR_KIND_TIMES;
        bare->var->calendar = a->var->calendar;
    }
    CR_TRY(cr_var_of_labels(dim, dim, begins, CR_I64, index->calendar, &periods, err));
    CR_TRY(cr_var_copy_attrs(periods, index->n_attrs, index->attrs, err));
    CR_TRY(cr_labelled_make(a->context, periods, 0, NULL, &coord, err));
    return cr_labelled_with_coord(bare, coord, ret_array, err);
}

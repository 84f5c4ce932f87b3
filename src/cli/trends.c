/* trends.c - operations along a dimension: running sums, differences, straight lines, gaps; and correlation. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/evaluate.h"

/* ---- a row of steps, of which the first that fails is told and the others do nothing ---- */

enum { STEPS_MOST = 40 };

typedef struct steps {
    cr_context *context;
    cr_labelled *held[STEPS_MOST];
    int n;
    cr_status status;
    cr_err *err;
} steps;

static void steps_done(steps *s) {
    for (int k = 0; k < s->n; k++)
        cr_labelled_unref(s->held[k]);
}

/* Takes the reference. */
static cr_labelled *hold(steps *s, cr_status status, cr_labelled *made) {
    if (status != CR_OK) {
        s->status = status;
        return NULL;
    }
    return s->held[s->n++] = made;
}

static cr_labelled *map(steps *s, cr_map_op op, cr_labelled *a, cr_labelled *b) {
    cr_labelled *made = NULL;
    if (s->status != CR_OK)
        return NULL;
    cr_status status = cr_labelled_map(op, (cr_labelled *[]){a, b}, &made, s->err);
    return hold(s, status, made);
}

static cr_labelled *reduce(steps *s, cr_reduction r, cr_labelled *a, int n, const char *const *dims) {
    cr_labelled *made = NULL;
    if (s->status != CR_OK)
        return NULL;
    cr_status status = cr_labelled_reduce(r, a, n, dims, NULL, &made, s->err);
    return hold(s, status, made);
}

static cr_labelled *where(steps *s, cr_labelled *a, cr_labelled *condition) {
    cr_labelled *made = NULL;
    if (s->status != CR_OK)
        return NULL;
    cr_status status = cr_labelled_where(a, condition, NULL, &made, s->err);
    return hold(s, status, made);
}

/* The same values in another type. */
static cr_labelled *cast(steps *s, cr_labelled *a, cr_dtype type) {
    cr_labelled *made = NULL;
    cr_array *typed = NULL;
    if (s->status != CR_OK)
        return NULL;
    cr_status status = cr_array_cast(cr_labelled_array(a), type, &typed, s->err);
    if (status == CR_OK)
        status = cr_labelled_with_values(a, typed, &made, s->err);
    cr_array_unref(typed);
    return hold(s, status, made);
}

static cr_labelled *present(steps *s, cr_labelled *a) { return map(s, CR_MAP_LOGICAL_NOT, map(s, CR_MAP_ISNAN, a, NULL), NULL); }

/* made with name and attributes of a, units set to them unless NULL. */
static cr_status as_of(cr_labelled *made, cr_labelled *a, const char *units, cr_labelled **ret_array, cr_err *err) {
    int n = cr_labelled_n_attrs(a);
    cr_auto_free cr_attr *attrs = calloc((size_t)n + 1, sizeof *attrs);
    cr_labelled *named = NULL, *own = NULL;
    if (!attrs)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d attributes", n);
    for (int k = 0; k < n; k++)
        attrs[k] = *cr_labelled_attr(a, k);
    CR_TRY(cr_labelled_with_name(made, cr_labelled_name(a), &named, err));
    cr_status status = cr_labelled_with_attrs(named, n, attrs, &own, err);
    cr_labelled_unref(named);
    CR_TRY(status);
    if (!units) {
        *ret_array = own;
        return CR_OK;
    }
    status = cr_set_attr(own, "units", units, ret_array, err);
    cr_labelled_unref(own);
    return status;
}

static cr_dtype floating(cr_labelled *a) { return cr_labelled_dtype(a) == CR_F32 ? CR_F32 : CR_F64; }

/* ---- lines ---- */

/* Microseconds of the mean year of a calendar. */
static double year_of(cr_calendar c) {
    double days = c == CR_CALENDAR_360_DAY ? 360 : c == CR_CALENDAR_NOLEAP ? 365 : c == CR_CALENDAR_ALL_LEAP ? 366 : c == CR_CALENDAR_JULIAN ? 365.25 : 365.2425;
    return days * 86400e6;
}

/* The labels of dim as numbers that begin near 0: times in years; without labels positions. */
static cr_status distances(cr_context *c, cr_labelled *a, const char *dim, cr_labelled **ret_x, bool *ret_years, cr_err *err) {
    int64_t n = cr_labelled_shape(a)[cr_labelled_axis(a, dim)], many = n;
    cr_labelled *index = NULL, *plain = NULL;
    cr_array *array = NULL;
    cr_auto_free double *x = NULL;
    *ret_years = false;
    if (cr_labelled_coord(a, dim, &index, NULL) == CR_OK && cr_labelled_kind(index) != CR_KIND_TEXT) {
        cr_status status = cr_load_doubles(c, index, &x, &many, err);
        *ret_years = cr_labelled_kind(index) == CR_KIND_TIMES;
        double unit = *ret_years ? year_of(cr_labelled_calendar(index)) : 1, first = status == CR_OK && n > 0 ? x[0] : 0;
        for (int64_t k = 0; status == CR_OK && k < n; k++)
            x[k] = (x[k] - first) / unit;
        cr_labelled_unref(index);
        CR_TRY(status);
    } else {
        cr_labelled_unref(index);
        if (!(x = calloc((size_t)n + 1, sizeof *x)))
            return CR_FAIL(err, CR_MEMORY, "no memory for %lld labels", (long long)n);
        for (int64_t k = 0; k < n; k++)
            x[k] = (double)k;
    }
    CR_TRY(cr_array_copy_memory(CR_F64, 1, &n, x, &array, err));
    cr_status status = cr_labelled_new(c, NULL, &dim, array, CR_KIND_NUMBERS, CR_CALENDAR_STANDARD, &plain, err);
    cr_array_unref(array);
    *ret_x = plain;
    return status;
}

/* Least squares over what is not missing; one scan gives all sums. With rest the values less their line, else its slope. */
static cr_status line(cr_context *c, cr_labelled *a, const char *dim, bool rest, cr_labelled **ret_array, cr_err *err) {
    steps s = {.context = c, .err = err};
    cr_labelled *x = NULL;
    bool years;
    CR_TRY(distances(c, a, dim, &x, &years, err));
    hold(&s, CR_OK, x);
    cr_labelled *wide = cast(&s, a, CR_F64);
    cr_labelled *xs = where(&s, x, present(&s, wide));
    cr_labelled *n = reduce(&s, CR_REDUCE_COUNT, wide, 1, &dim), *sum_x = reduce(&s, CR_REDUCE_SUM, xs, 1, &dim), *sum_a = reduce(&s, CR_REDUCE_SUM, wide, 1, &dim);
    cr_labelled *sum_xx = reduce(&s, CR_REDUCE_SUM, map(&s, CR_MAP_MULTIPLY, xs, x), 1, &dim);
    cr_labelled *sum_ax = reduce(&s, CR_REDUCE_SUM, map(&s, CR_MAP_MULTIPLY, wide, x), 1, &dim);
    cr_labelled *mean_x = map(&s, CR_MAP_DIVIDE, sum_x, n);
    cr_labelled *covariance = map(&s, CR_MAP_SUBTRACT, sum_ax, map(&s, CR_MAP_MULTIPLY, sum_a, mean_x));
    cr_labelled *variance = map(&s, CR_MAP_SUBTRACT, sum_xx, map(&s, CR_MAP_MULTIPLY, sum_x, mean_x));
    cr_labelled *result = map(&s, CR_MAP_DIVIDE, covariance, variance);
    if (rest) {
        cr_labelled *mean_a = map(&s, CR_MAP_DIVIDE, sum_a, n);
        cr_labelled *rise = map(&s, CR_MAP_MULTIPLY, map(&s, CR_MAP_SUBTRACT, x, mean_x), result);
        result = map(&s, CR_MAP_SUBTRACT, map(&s, CR_MAP_SUBTRACT, wide, mean_a), rise);
    }
    result = cast(&s, result, floating(a));
    char units[300] = "";
    for (int k = 0; k < cr_labelled_n_attrs(a); k++) {
        const cr_attr *own = cr_labelled_attr(a, k);
        if (strcmp(own->name, "units") == 0 && own->dtype == CR_STRING && own->n == 1)
            snprintf(units, sizeof units, years ? "%.200s year-1" : "%.200s per label", *(const char *const *)own->values);
    }
    cr_status status = s.status == CR_OK ? as_of(result, a, rest || !*units ? NULL : units, ret_array, err) : s.status;
    steps_done(&s);
    return status;
}

/* ---- correlation ---- */

/* Pearson's, of the pairs of which neither is missing. */
static cr_status correlate(cr_context *c, cr_labelled *a, cr_labelled *b, int n, const char *const *dims, cr_labelled **ret_array, cr_err *err) {
    steps s = {.context = c, .err = err};
    cr_labelled *x = cast(&s, a, CR_F64), *y = cast(&s, b, CR_F64);
    cr_labelled *both = map(&s, CR_MAP_LOGICAL_AND, present(&s, x), present(&s, y));
    x = where(&s, x, both);
    y = where(&s, y, both);
    x = map(&s, CR_MAP_SUBTRACT, x, reduce(&s, CR_REDUCE_MEAN, x, n, dims));
    y = map(&s, CR_MAP_SUBTRACT, y, reduce(&s, CR_REDUCE_MEAN, y, n, dims));
    cr_labelled *xy = reduce(&s, CR_REDUCE_SUM, map(&s, CR_MAP_MULTIPLY, x, y), n, dims);
    cr_labelled *xx = reduce(&s, CR_REDUCE_SUM, map(&s, CR_MAP_MULTIPLY, x, x), n, dims), *yy = reduce(&s, CR_REDUCE_SUM, map(&s, CR_MAP_MULTIPLY, y, y), n, dims);
    cr_labelled *r = map(&s, CR_MAP_DIVIDE, xy, map(&s, CR_MAP_SQRT, map(&s, CR_MAP_MULTIPLY, xx, yy), NULL));
    cr_labelled *plain = NULL;
    cr_status status = s.status == CR_OK ? cr_labelled_with_attrs(r, 0, NULL, &plain, err) : s.status;
    if (status == CR_OK)
        status = cr_labelled_with_name(plain, "correlation", ret_array, err);
    cr_labelled_unref(plain);
    steps_done(&s);
    return status;
}

/* ---- the operations ---- */

static cr_status numbers_only(const cr_expr *e, cr_labelled *a, cr_err *err) {
    return cr_labelled_kind(a) == CR_KIND_NUMBERS ? CR_OK : CR_FAIL(err, CR_TYPE, "%s is for numbers", e->verb->name);
}

cr_status cr_apply_correlation(cr_context *c, cr_expr *e, cr_labelled *a, cr_labelled *b, cr_labelled **ret_array, cr_err *err) {
    const char *dims[CR_EXPR_DIMS + 1];
    CR_TRY(numbers_only(e, a, err));
    CR_TRY(numbers_only(e, b, err));
    for (int k = 0; k < e->n_words; k++)
        dims[k] = cr_dim_called(a, e->words[k].text);
    return correlate(c, a, b, e->n_words, dims, ret_array, err);
}

cr_status cr_apply_filling(cr_labelled *a, cr_labelled *other, cr_labelled **ret_array, cr_err *err) {
    cr_labelled *missing = NULL, *there = NULL;
    CR_TRY(cr_labelled_map(CR_MAP_ISNAN, &a, &missing, err));
    cr_status status = cr_labelled_map(CR_MAP_LOGICAL_NOT, &missing, &there, err);
    if (status == CR_OK)
        status = cr_labelled_where(a, there, other, ret_array, err);
    cr_labelled_unref(there);
    cr_labelled_unref(missing);
    return status;
}

/* Each element less the one before it, under the later label. */
static cr_status differences(cr_context *c, cr_labelled *a, const char *dim, cr_labelled **ret_array, cr_err *err) {
    cr_labelled *late = NULL, *early = NULL;
    cr_array *data = NULL;
    cr_status status = cr_isel_range(a, dim, 1, CR_FROM_END, 1, &late, err);
    if (status == CR_OK)
        status = cr_isel_range(a, dim, CR_FROM_END, -1, 1, &early, err);
    if (status == CR_OK)
        status = cr_array_map(CR_MAP_SUBTRACT, (cr_array *[]){cr_labelled_array(late), cr_labelled_array(early)}, &data, err);
    if (status == CR_OK)
        status = cr_labelled_with_values(late, data, ret_array, err);
    cr_array_unref(data);
    cr_labelled_unref(early);
    cr_labelled_unref(late);
    return status;
}

cr_status cr_apply_along(cr_context *c, cr_expr *e, cr_labelled *a, bool each, cr_labelled **ret_array, int *at, cr_err *err) {
    const char *dim = cr_dim_called(a, e->words[0].text);
    int axis = cr_labelled_axis(a, dim);
    cr_array *data = NULL;
    if (axis < 0 && each) {
        *ret_array = cr_labelled_ref(a);
        return CR_OK;
    }
    e->used = true;
    *at = e->words[0].at;
    if (axis < 0)
        return cr_no_dim(a, dim, err);
    CR_TRY(numbers_only(e, a, err));
    switch (e->verb->detail) {
    case CR_ALONG_DIFFERENCES: return differences(c, a, dim, ret_array, err);
    case CR_ALONG_SLOPE:
    case CR_ALONG_REST: return line(c, a, dim, e->verb->detail == CR_ALONG_REST, ret_array, err);
    case CR_ALONG_SUMS: CR_TRY(cr_array_cumulate(CR_CUMULATE_SUM, cr_labelled_array(a), axis, true, &data, err)); break;
    default: CR_TRY(cr_array_fill_forward(cr_labelled_array(a), axis, 0, &data, err)); break;
    }
    cr_status status = cr_labelled_with_values(a, data, ret_array, err);
    cr_array_unref(data);
    return status;
}

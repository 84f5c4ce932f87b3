/* order_statistics.c - medians and quantiles: over dimensions, by group, by period. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/evaluate.h"

typedef struct order {
    bool median;
    double q;
} order;

static cr_status order_of(const cr_expr *e, cr_labelled *a, order *o, int *at, cr_err *err) {
    *o = (order){e->verb->kind == CR_VERB_MEDIAN, 0.5};
    if (cr_labelled_kind(a) != CR_KIND_NUMBERS)
        return CR_FAIL(err, CR_TYPE, "%s is for numbers", e->verb->name);
    if (o->median)
        return CR_OK;
    char *end;
    o->q = cr_parse_real(e->words[0].text, &end);
    if (!*end && o->q >= 0 && o->q <= 1)
        return CR_OK;
    *at = e->words[0].at;
    cr_status status = CR_FAIL(err, CR_INVALID, "a quantile lies between 0 and 1");
    if (!*end && o->q > 1 && o->q <= 100)
        cr_err_hint(err, "The percentile %g is the quantile %g.", o->q, o->q / 100);
    return status;
}

/* data, without its axis of quantiles, with the labels of like; a quantile is told by xarray's coordinate. */
static cr_status finish(cr_context *c, const order *o, cr_labelled *like, cr_array *data, cr_labelled **ret_array, cr_err *err) {
    cr_array *number = NULL, *flat = NULL;
    cr_labelled *plain = NULL, *coord = NULL;
    if (o->median)
        return cr_labelled_with_values(like, data, ret_array, err);
    cr_status status = cr_array_squeeze(data, 0, &flat, err);
    if (status == CR_OK)
        status = cr_labelled_with_values(like, flat, &plain, err);
    if (status == CR_OK)
        status = cr_array_copy_memory(CR_F64, 0, &(int64_t){0}, &o->q, &number, err);
    if (status == CR_OK)
        status = cr_labelled_new(c, "quantile", NULL, number, CR_KIND_NUMBERS, CR_CALENDAR_STANDARD, &coord, err);
    if (status == CR_OK)
        status = cr_labelled_with_coord(plain, coord, ret_array, err);
    cr_array_unref(number);
    cr_array_unref(flat);
    cr_labelled_unref(coord);
    cr_labelled_unref(plain);
    return status;
}

cr_status cr_order_over(cr_context *c, const cr_expr *e, cr_labelled *a, int n, const char *const *dims, cr_labelled **ret_array, int *at,
                        cr_err *err) {
    int axes[CR_MAX_DIMS];
    order o;
    cr_labelled *like = NULL;
    cr_array *data = NULL;
    cr_quantile_options options = {.skipna = true};
    CR_TRY(order_of(e, a, &o, at, err));
    CR_TRY(cr_labelled_reduce(CR_REDUCE_COUNT, a, n, dims, NULL, &like, err)); /* its labels, and whether the dimensions are there */
    for (int k = 0; k < n; k++)
        axes[k] = cr_labelled_axis(a, dims[k]);
    const int *over = n ? axes : NULL; /* NULL: all */
    cr_status status = o.median ? cr_array_median(cr_labelled_array(a), n, over, &options, &data, err)
                                : cr_array_quantile(cr_labelled_array(a), n, over, 1, &o.q, &options, &data, err);
    if (status == CR_OK)
        status = finish(c, &o, like, data, ret_array, err);
    cr_array_unref(data);
    cr_labelled_unref(like);
    return status;
}

/* codes: the group of each element along dim; like: the labels of the result. */
static cr_status grouped(cr_context *c, const order *o, cr_labelled *a, const char *dim, const int32_t *codes, cr_labelled *like,
                         const char *group, cr_labelled **ret_array, cr_err *err) {
    int axis = cr_labelled_axis(a, dim), at = cr_labelled_axis(like, group);
    if (at < 0)
        return CR_FAIL(err, CR_INTERNAL, "the dimension %s of groups is not there", group);
    int64_t n = cr_labelled_shape(like)[at];
    cr_array *data = NULL;
    cr_quantile_options options = {.skipna = true};
    cr_status status = o->median ? cr_array_median_group(cr_labelled_array(a), 1, &axis, codes, n, &options, &data, err)
                                 : cr_array_quantile_group(cr_labelled_array(a), 1, &axis, codes, n, 1, &o->q, &options, &data, err);
    if (status == CR_OK)
        status = finish(c, o, like, data, ret_array, err);
    cr_array_unref(data);
    return status;
}

/* ---- by group ---- */

/* Zeros along dim with the coordinates that a has along it. */
static cr_status zeros_along(cr_context *c, cr_labelled *a, const char *dim, cr_labelled **ret_zeros, cr_err *err) {
    int64_t n = cr_labelled_shape(a)[cr_labelled_axis(a, dim)], zero = 0;
    cr_array *value = NULL, *row = NULL;
    cr_labelled *now = NULL;
    cr_status status = cr_array_scalar(CR_I64, &zero, false, &value, err);
    if (status == CR_OK)
        status = cr_array_broadcast(value, 1, &n, &row, err);
    if (status == CR_OK)
        status = cr_labelled_new(c, "group", &dim, row, CR_KIND_NUMBERS, CR_CALENDAR_STANDARD, &now, err);
    for (int k = 0; k < cr_labelled_n_coords(a) && status == CR_OK; k++) {
        cr_labelled *coord = NULL, *next = NULL;
        status = cr_labelled_coord(a, cr_labelled_coord_name(a, k), &coord, err);
        if (status == CR_OK && cr_labelled_ndim(coord) == 1 && strcmp(cr_labelled_dim(coord, 0), dim) == 0) {
            status = cr_labelled_with_coord(now, coord, &next, err);
            if (status == CR_OK)
                cr_labelled_become(&now, next);
        }
        cr_labelled_unref(coord);
    }
    cr_array_unref(row);
    cr_array_unref(value);
    if (status == CR_OK)
        *ret_zeros = now;
    else
        cr_labelled_unref(now);
    return status;
}

/* The number of its group for each element: numbers of the groups, brought back to the elements as a climatology is. */
static cr_status number_groups(cr_context *c, cr_labelled *zeros, const char *key, double **ret_numbers, int64_t *ret_n, char *group,
                               size_t size, cr_err *err) {
    cr_labelled *counts = NULL, *numbered = NULL, *back = NULL;
    cr_array *numbers = NULL;
    CR_TRY(cr_group_reduce(CR_REDUCE_COUNT, zeros, key, NULL, &counts, err));
    int64_t n = cr_labelled_shape(counts)[0];
    cr_auto_free int64_t *row = calloc((size_t)n + 1, sizeof *row);
    cr_status status = row ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for %lld groups", (long long)n);
    for (int64_t k = 0; row && k < n; k++)
        row[k] = k;
    snprintf(group, size, "%s", cr_labelled_dim(counts, 0));
    if (status == CR_OK)
        status = cr_array_copy_memory(CR_I64, 1, &n, row, &numbers, err);
    if (status == CR_OK)
        status = cr_labelled_with_values(counts, numbers, &numbered, err);
    if (status == CR_OK)
        status = cr_group_map(CR_MAP_ADD, zeros, key, numbered, &back, err);
    if (status == CR_OK)
        status = cr_load_doubles(c, back, ret_numbers, ret_n, err);
    cr_array_unref(numbers);
    cr_labelled_unref(back);
    cr_labelled_unref(numbered);
    cr_labelled_unref(counts);
    return status;
}

cr_status cr_order_by_group(cr_context *c, const cr_expr *e, cr_labelled *a, const char *dim, const char *key, cr_labelled **ret_array,
                            int *at, cr_err *err) {
    char group[600];
    order o;
    cr_labelled *zeros = NULL, *like = NULL;
    cr_auto_free double *numbers = NULL;
    int64_t n = 0, length = cr_labelled_shape(a)[cr_labelled_axis(a, dim)];
    CR_TRY(order_of(e, a, &o, at, err));
    CR_TRY(zeros_along(c, a, dim, &zeros, err));
    cr_status status = number_groups(c, zeros, key, &numbers, &n, group, sizeof group, err);
    if (status == CR_OK && n != length)
        status = CR_FAIL(err, CR_UNSUPPORTED, "%s by %s where labels of %s are missing is not available", e->verb->name, key, dim);
    cr_auto_free int32_t *codes = calloc((size_t)length + 1, sizeof *codes);
    if (status == CR_OK && !codes)
        status = CR_FAIL(err, CR_MEMORY, "no memory for %lld labels", (long long)length);
    for (int64_t k = 0; status == CR_OK && k < n; k++)
        codes[k] = isnan(numbers[k]) ? -1 : (int32_t)numbers[k];
    if (status == CR_OK)
        status = cr_group_reduce(CR_REDUCE_COUNT, a, key, NULL, &like, err);
    if (status == CR_OK)
        status = grouped(c, &o, a, dim, codes, like, group, ret_array, err);
    cr_labelled_unref(like);
    cr_labelled_unref(zeros);
    return status;
}

/* ---- by period ---- */

/* Periods follow each other, and their labels are where they begin. */
static void number_periods(const int64_t *times, int64_t n, const int64_t *begins, int64_t n_begins, int32_t *codes) {
    int64_t at = -1;
    for (int64_t k = 0; k < n; k++) {
        while (at + 1 < n_begins && begins[at + 1] <= times[k])
            at++;
        codes[k] = (int32_t)at;
    }
}

static cr_status times_of(cr_labelled *a, const char *dim, int64_t **ret_times, int64_t *ret_n, cr_err *err) {
    cr_labelled *index = NULL;
    CR_TRY(cr_labelled_coord(a, dim, &index, err));
    int64_t n = cr_labelled_shape(index)[0];
    int64_t *times = calloc((size_t)n + 1, sizeof *times);
    cr_status status = times ? cr_labelled_load(index, times, (size_t)n * sizeof *times, err)
                             : CR_FAIL(err, CR_MEMORY, "no memory for %lld times", (long long)n);
    cr_labelled_unref(index);
    if (status == CR_OK) {
        *ret_times = times;
        *ret_n = n;
    } else {
        free(times);
    }
    return status;
}

cr_status cr_order_by_period(cr_context *c, const cr_expr *e, cr_labelled *a, const char *dim, const char *every, cr_labelled **ret_array,
                             int *at, cr_err *err) {
    order o;
    cr_labelled *like = NULL;
    cr_auto_free int64_t *times = NULL, *begins = NULL;
    int64_t n = 0, n_begins = 0;
    CR_TRY(order_of(e, a, &o, at, err));
    CR_TRY(cr_resample_reduce(CR_REDUCE_COUNT, a, dim, every, NULL, &like, err)); /* also checks that the times rise */
    cr_status status = times_of(a, dim, &times, &n, err);
    if (status == CR_OK)
        status = times_of(like, dim, &begins, &n_begins, err);
    cr_auto_free int32_t *codes = calloc((size_t)n + 1, sizeof *codes);
    if (status == CR_OK && !codes)
        status = CR_FAIL(err, CR_MEMORY, "no memory for %lld times", (long long)n);
    if (status == CR_OK) {
        number_periods(times, n, begins, n_begins, codes);
        status = grouped(c, &o, a, dim, codes, like, dim, ret_array, err);
    }
    cr_labelled_unref(like);
    return status;
}

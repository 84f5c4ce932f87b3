/* longitudes.c - coordinates of the Earth by their attributes (CF 4.1, 4.2), and selection around it: a longitude and the same a turn
 * further are one place. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/evaluate.h"

enum { RUNS_MOST = 8 };

static bool text_is(cr_labelled *a, const char *attr, const char *const *texts) {
    for (int k = 0; k < cr_labelled_n_attrs(a); k++) {
        const cr_attr *own = cr_labelled_attr(a, k);
        if (strcmp(own->name, attr) != 0 || own->dtype != CR_STRING || own->n != 1)
            continue;
        for (; *texts; texts++)
            if (strcmp(*(const char *const *)own->values, *texts) == 0)
                return true;
    }
    return false;
}

/* By units or standard name; else by its own name. */
static bool is_known(cr_labelled *a, const char *const *units, const char *const *standard, const char *const *names) {
    if (cr_labelled_kind(a) != CR_KIND_NUMBERS || cr_labelled_ndim(a) == 0)
        return false;
    if (text_is(a, "units", units) || text_is(a, "standard_name", standard))
        return true;
    for (int k = 0; names[k]; k++)
        if (cr_labelled_name(a) && strcmp(cr_labelled_name(a), names[k]) == 0)
            return true;
    return false;
}

bool cr_is_latitude(cr_labelled *a) {
    static const char *const units[] = {"degrees_north", "degree_north", "degree_N", "degrees_N", "degreeN", "degreesN", NULL};
    static const char *const standard[] = {"latitude", NULL}, *const names[] = {"lat", "latitude", "nav_lat", NULL};
    return is_known(a, units, standard, names);
}

bool cr_is_longitude(cr_labelled *a) {
    static const char *const units[] = {"degrees_east", "degree_east", "degree_E", "degrees_E", "degreeE", "degreesE", NULL};
    static const char *const standard[] = {"longitude", NULL}, *const names[] = {"lon", "longitude", "nav_lon", NULL};
    return is_known(a, units, standard, names);
}

cr_status cr_load_doubles(cr_context *c, cr_labelled *a, double **ret_values, int64_t *ret_n, cr_err *err) {
    cr_array *real = NULL;
    int64_t n = 1;
    for (int k = 0; k < cr_labelled_ndim(a); k++)
        n *= cr_labelled_shape(a)[k];
    cr_auto_free double *values = calloc((size_t)n + 1, sizeof *values);
    if (!values)
        return CR_FAIL(err, CR_MEMORY, "no memory for %lld labels", (long long)n);
    CR_TRY(cr_array_cast(cr_labelled_array(a), CR_F64, &real, err));
    cr_status status = cr_compute(c, 1, &real, (void *[]){values}, err);
    cr_array_unref(real);
    if (status != CR_OK)
        return status;
    *ret_values = values;
    values = NULL;
    *ret_n = n;
    return CR_OK;
}

/* a with its index dim, which has numbers, moved to these labels. */
static cr_status relabel(cr_context *c, cr_labelled *a, const char *dim, const double *labels, cr_labelled **ret_array, cr_err *err) {
    cr_labelled *index = NULL, *plain = NULL, *named = NULL;
    cr_array *real = NULL, *typed = NULL;
    CR_TRY(cr_labelled_coord(a, dim, &index, err));
    int n = cr_labelled_n_attrs(index);
    cr_auto_free cr_attr *attrs = calloc((size_t)n + 1, sizeof *attrs);
    cr_status status = attrs ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for %d attributes", n);
    for (int k = 0; attrs && k < n; k++)
        attrs[k] = *cr_labelled_attr(index, k);
    cr_dtype type = cr_dtype_kind(cr_labelled_dtype(index)) == 'u' ? CR_I64 : cr_labelled_dtype(index); /* west is negative */
    if (status == CR_OK)
        status = cr_array_copy_memory(CR_F64, 1, cr_labelled_shape(index), labels, &real, err);
    if (status == CR_OK)
        status = cr_array_cast(real, type, &typed, err);
    if (status == CR_OK)
        status = cr_labelled_new(c, dim, &dim, typed, CR_KIND_NUMBERS, CR_CALENDAR_STANDARD, &plain, err);
    if (status == CR_OK)
        status = cr_labelled_with_attrs(plain, n, attrs, &named, err);
    if (status == CR_OK)
        status = cr_labelled_with_coord(a, named, ret_array, err);
    cr_array_unref(typed);
    cr_array_unref(real);
    cr_labelled_unref(named);
    cr_labelled_unref(plain);
    cr_labelled_unref(index);
    return status;
}

typedef struct run {              /* neighbours in the array whose labels go on in one direction */
    int64_t first, last;
    double from, to;              /* labels of its ends, turned */
} run;

static bool rises_or_falls(const double *x, int64_t n, bool *ret_falling) {
    *ret_falling = n > 1 && x[1] < x[0];
    for (int64_t k = 1; k < n; k++)
        if (*ret_falling ? !(x[k] < x[k - 1]) : !(x[k] > x[k - 1]))
            return false;
    return true;
}

static double turned(double x, double from) { return x - 360 * floor((x - from) / 360); }

/* Runs of what lies between from and to; 0: nothing, or what plain selection finds too; -1: not to be told. */
static int find_runs(const double *x, int64_t n, double from, double to, bool falling, run *runs) {
    int n_runs = 0;
    bool moved = false;
    for (int64_t k = 0; k < n; k++) {
        double here = turned(x[k], from);
        if (!(here <= to))
            continue;
        run *r = n_runs ? &runs[n_runs - 1] : NULL;
        moved = moved || here != x[k];
        if (r && r->last == k - 1 && (falling ? here < r->to : here > r->to)) {
            r->last = k;
            r->to = here;
        } else if (n_runs < RUNS_MOST) {
            runs[n_runs++] = (run){k, k, here, here};
        } else {
            return -1;
        }
    }
    return moved ? n_runs : 0;
}

static int by_label(const void *a, const void *b) {
    double x = ((const run *)a)->from, y = ((const run *)b)->from;
    return (x > y) - (x < y);
}

/* In a row; a place that is there twice (0 and 360) once. */
static int put_in_order(run *runs, int n, bool falling) {
    qsort(runs, (size_t)n, sizeof *runs, by_label);
    for (int k = 0; falling && k < n / 2; k++) {
        run other = runs[k];
        runs[k] = runs[n - 1 - k];
        runs[n - 1 - k] = other;
    }
    int kept = 0;
    for (int k = 0; k < n; k++) {
        run r = runs[k];
        if (kept && r.from == runs[kept - 1].to)
            r.first++;
        if (r.first <= r.last)
            runs[kept++] = r;
    }
    return kept;
}

static cr_status join(cr_context *c, cr_labelled *a, const char *dim, const run *runs, int n, const double *x, double from,
                      cr_labelled **ret_array, cr_err *err) {
    cr_labelled *parts[RUNS_MOST] = {0}, *all = NULL;
    int64_t total = 0, at = 0;
    cr_status status = CR_OK;
    for (int k = 0; k < n && status == CR_OK; k++) {
        status = cr_isel_range(a, dim, runs[k].first, runs[k].last + 1, 1, &parts[k], err);
        total += runs[k].last + 1 - runs[k].first;
    }
    cr_auto_free double *labels = calloc((size_t)total + 1, sizeof *labels);
    if (status == CR_OK && !labels)
        status = CR_FAIL(err, CR_MEMORY, "no memory for %lld labels", (long long)total);
    for (int k = 0; k < n && labels; k++)
        for (int64_t i = runs[k].first; i <= runs[k].last; i++)
            labels[at++] = turned(x[i], from);
    if (status == CR_OK)
        status = cr_concat(n, parts, dim, &all, err);
    if (status == CR_OK)
        status = relabel(c, all, dim, labels, ret_array, err);
    cr_labelled_unref(all);
    for (int k = 0; k < n; k++)
        cr_labelled_unref(parts[k]);
    return status;
}

cr_status cr_sel_longitudes(cr_context *c, cr_labelled *a, const char *dim, cr_labelled *index, double from, double to,
                            cr_labelled **ret_array, cr_err *err) {
    cr_auto_free double *x = NULL;
    int64_t n = 0;
    run runs[RUNS_MOST];
    bool falling;
    *ret_array = NULL;
    if (!isfinite(from) || !isfinite(to) || !cr_is_longitude(index))
        return CR_OK;
    to += from > to && from - to < 360 ? 360 : 0;
    if (from > to)
        return CR_OK;
    CR_TRY(cr_load_doubles(c, index, &x, &n, err));
    if (!rises_or_falls(x, n, &falling) || n == 0 || fabs(x[n - 1] - x[0]) > 360)
        return CR_OK;
    int n_runs = find_runs(x, n, from, to, falling, runs);
    if (n_runs <= 0)
        return CR_OK;
    return join(c, a, dim, runs, put_in_order(runs, n_runs, falling), x, from, ret_array, err);
}

cr_status cr_turn_longitude(cr_context *c, cr_labelled *index, double *label, cr_err *err) {
    cr_auto_free double *x = NULL;
    int64_t n = 0;
    double best = INFINITY, turn = 0;
    if (!isfinite(*label) || !cr_is_longitude(index))
        return CR_OK;
    CR_TRY(cr_load_doubles(c, index, &x, &n, err));
    for (int64_t k = 0; k < n; k++) {
        double by = 360 * round((x[k] - *label) / 360), far = fabs(x[k] - *label - by);
        if (far < best || (far == best && fabs(by) < fabs(turn))) {
            best = far;
            turn = by;
        }
    }
    *label += turn;
    return CR_OK;
}

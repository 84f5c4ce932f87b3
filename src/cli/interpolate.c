/* interpolate.c - the operations interp (between labels of a dimension, linearly) and points (places, each with a label of every dimension named). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/evaluate.h"

enum { WANTED_MOST = 1 << 20, POINTS_MOST = 10000 };

/* ---- labels that are wanted ---- */

static cr_status number_of(const cr_label_text *l, const char *dim, double *ret, int *at, cr_err *err) {
    char *end = NULL;
    *ret = l->text ? cr_parse_real(l->text, &end) : NAN;
    if (l->text && end != l->text && !*end && isfinite(*ret))
        return CR_OK;
    *at = l->at;
    cr_status status = CR_FAIL(err, CR_TYPE, "\"%.60s\" is no number, as the labels of %s are here", l->text ? l->text : "", dim);
    cr_err_hint(err, "%s=LABEL, %s=[LABEL, ...] or %s=FROM:TO:STEP", dim, dim, dim);
    return status;
}

/* FROM:TO:STEP with both ends in. */
static cr_status read_steps(const cr_keyed *k, double **ret, int64_t *ret_n, int *at, cr_err *err) {
    double from, to, step;
    CR_TRY(number_of(&k->labels[0], k->key, &from, at, err));
    CR_TRY(number_of(&k->labels[1], k->key, &to, at, err));
    CR_TRY(number_of(&k->labels[2], k->key, &step, at, err));
    double n = floor((to - from) / step + 1e-9) + 1;
    if (!(n >= 1 && n <= WANTED_MOST)) {
        *at = k->at;
        return CR_FAIL(err, CR_INVALID, "%s goes in steps of %g from %g to %g: that is no row of at most %d labels", k->key, step, from, to, WANTED_MOST);
    }
    *ret_n = (int64_t)n;
    if (!(*ret = calloc((size_t)*ret_n, sizeof **ret)))
        return CR_FAIL(err, CR_MEMORY, "no memory for %lld labels", (long long)*ret_n);
    for (int64_t i = 0; i < *ret_n; i++)
        (*ret)[i] = from + (double)i * step;
    return CR_OK;
}

static cr_status read_wanted(const cr_keyed *k, double **ret, int64_t *ret_n, int *at, cr_err *err) {
    if (k->form == CR_KEYED_RANGE)
        return read_steps(k, ret, ret_n, at, err);
    *ret_n = k->n;
    if (!(*ret = calloc((size_t)k->n + 1, sizeof **ret)))
        return CR_FAIL(err, CR_MEMORY, "no memory for %d labels", k->n);
    for (int i = 0; i < k->n; i++)
        CR_TRY(number_of(&k->labels[i], k->key, &(*ret)[i], at, err));
    return CR_OK;
}

/* ---- between labels ---- */

typedef struct between {
    int64_t n, *low, *high;       /* positions; the same where a label is met, so that what lies behind it does not matter */
    double *share;                /* of high */
} between;

static void between_done(between *b) {
    free(b->low);
    free(b->high);
    free(b->share);
}

static cr_status find_one(const double *labels, int64_t n, double wanted, bool falls, const char *dim, int64_t *low, int64_t *high, double *share, cr_err *err) {
    int64_t from = 0, to = n - 1;
    double first = n > 0 ? labels[falls ? n - 1 : 0] : NAN, last = n > 0 ? labels[falls ? 0 : n - 1] : NAN;
    if (!(wanted >= first && wanted <= last)) {
        cr_status status = CR_FAIL(err, CR_NOT_FOUND, "%g lies outside of the labels of %s", wanted, dim);
        cr_err_hint(err, "They go from %.10g to %.10g; the nearest one is given by: nearest %s=%g", first, last, dim, wanted);
        return status;
    }
    while (to - from > 1) {
        int64_t middle = (from + to) / 2;
        if (falls ? labels[middle] >= wanted : labels[middle] <= wanted)
            from = middle;
        else
            to = middle;
    }
    *low = labels[to] == wanted ? to : from;
    *high = labels[from] == wanted || labels[to] == wanted ? *low : to;
    *share = *high == *low ? 0 : (wanted - labels[from]) / (labels[to] - labels[from]);
    return CR_OK;
}

static cr_status find_between(const double *labels, int64_t n, const double *wanted, int64_t n_wanted, const char *dim, between *b, cr_err *err) {
    bool falls = n > 1 && labels[1] < labels[0];
    for (int64_t k = 1; k < n; k++)
        if (!(falls ? labels[k] < labels[k - 1] : labels[k] > labels[k - 1]))
            return CR_FAIL(err, CR_INVALID, "the labels of %s neither rise nor fall", dim);
    *b = (between){n_wanted, calloc((size_t)n_wanted + 1, sizeof *b->low), calloc((size_t)n_wanted + 1, sizeof *b->high), calloc((size_t)n_wanted + 1, sizeof *b->share)};
    if (!b->low || !b->high || !b->share)
        return CR_FAIL(err, CR_MEMORY, "no memory for %lld labels", (long long)n_wanted);
    for (int64_t i = 0; i < n_wanted; i++)
        CR_TRY(find_one(labels, n, wanted[i], falls, dim, &b->low[i], &b->high[i], &b->share[i], err));
    return CR_OK;
}

/* low + (high - low) * share, in double as xarray has it. */
static cr_status mix(cr_array *a, int axis, const between *b, cr_array **ret_array, cr_err *err) {
    int ndim = cr_array_ndim(a);
    int64_t shape[CR_MAX_DIMS];
    cr_array *real = NULL, *low = NULL, *high = NULL, *share = NULL, *rise = NULL, *part = NULL;
    for (int k = 0; k < ndim; k++)
        shape[k] = k == axis ? b->n : 1;
    cr_status status = cr_array_cast(a, CR_F64, &real, err);
    if (status == CR_OK)
        status = cr_array_take(real, axis, b->low, b->n, &low, err);
    if (status == CR_OK)
        status = cr_array_take(real, axis, b->high, b->n, &high, err);
    if (status == CR_OK)
        status = cr_array_copy_memory(CR_F64, ndim, shape, b->share, &share, err);
    if (status == CR_OK)
        status = cr_array_map(CR_MAP_SUBTRACT, (cr_array *[]){high, low}, &rise, err);
    if (status == CR_OK)
        status = cr_array_map(CR_MAP_MULTIPLY, (cr_array *[]){rise, share}, &part, err);
    if (status == CR_OK)
        status = cr_array_map(CR_MAP_ADD, (cr_array *[]){low, part}, ret_array, err);
    cr_array *held[] = {real, low, high, share, rise, part};
    for (size_t k = 0; k < CR_ARRAY_LEN(held); k++)
        cr_array_unref(held[k]);
    return status;
}

/* data on the dimensions of a, with labels in place of those of dim; what else lies along dim goes. */
static cr_status with_labels(cr_context *c, cr_labelled *a, const char *dim, cr_labelled *index, cr_array *data, const double *labels, int64_t n, cr_labelled **ret_array, cr_err *err) {
    const char *dims[CR_MAX_DIMS];
    int n_attrs = cr_labelled_n_attrs(a), n_own = cr_labelled_n_attrs(index);
    cr_auto_free cr_attr *attrs = calloc((size_t)n_attrs + 1, sizeof *attrs), *own = calloc((size_t)n_own + 1, sizeof *own);
    cr_array *row = NULL;
    cr_labelled *plain = NULL, *now = NULL, *next = NULL, *new_index = NULL;
    if (!attrs || !own)
        return CR_FAIL(err, CR_MEMORY, "no memory for attributes");
    for (int k = 0; k < n_attrs; k++)
        attrs[k] = *cr_labelled_attr(a, k);
    for (int k = 0; k < n_own; k++)
        own[k] = *cr_labelled_attr(index, k);
    for (int k = 0; k < cr_labelled_ndim(a); k++)
        dims[k] = cr_labelled_dim(a, k);
    cr_status status = cr_array_copy_memory(CR_F64, 1, &n, labels, &row, err);
    if (status == CR_OK)
        status = cr_labelled_new(c, dim, &dim, row, CR_KIND_NUMBERS, CR_CALENDAR_STANDARD, &plain, err);
    if (status == CR_OK)
        status = cr_labelled_with_attrs(plain, n_own, own, &new_index, err);
    cr_labelled_unref(plain);
    plain = NULL;
    if (status == CR_OK)
        status = cr_labelled_new(c, cr_labelled_name(a), dims, data, CR_KIND_NUMBERS, CR_CALENDAR_STANDARD, &plain, err);
    if (status == CR_OK)
        status = cr_labelled_with_attrs(plain, n_attrs, attrs, &now, err);
    for (int k = 0; k <= cr_labelled_n_coords(a) && status == CR_OK; k++) {
        cr_labelled *coord = k == 0 ? cr_labelled_ref(new_index) : NULL;
        status = coord ? CR_OK : cr_labelled_coord(a, cr_labelled_coord_name(a, k - 1), &coord, err);
        if (status == CR_OK && (k == 0 || cr_labelled_axis(coord, dim) < 0)) {
            status = cr_labelled_with_coord(now, coord, &next, err);
            if (status == CR_OK)
                cr_labelled_become(&now, next);
        }
        cr_labelled_unref(coord);
    }
    cr_labelled_unref(plain);
    cr_labelled_unref(new_index);
    cr_array_unref(row);
    if (status == CR_OK)
        *ret_array = now;
    else
        cr_labelled_unref(now);
    return status;
}

static cr_status interpolate(cr_context *c, const cr_keyed *k, cr_labelled *a, cr_labelled **ret_array, int *at, cr_err *err) {
    const char *dim = cr_dim_called(a, k->key);
    cr_auto_free double *wanted = NULL, *labels = NULL;
    int64_t n_wanted = 0, n = 0;
    between b = {0};
    cr_labelled *index = NULL, *row = NULL;
    cr_array *data = NULL;
    if (cr_labelled_axis(a, dim) < 0)
        return cr_no_dim(a, dim, err);
    if (cr_labelled_kind(a) != CR_KIND_NUMBERS)
        return CR_FAIL(err, CR_TYPE, "interp is for numbers");
    CR_TRY(read_wanted(k, &wanted, &n_wanted, at, err));
    CR_TRY(cr_labelled_coord(a, dim, &index, err));
    cr_status status = cr_labelled_kind(index) == CR_KIND_NUMBERS ? cr_load_doubles(c, index, &labels, &n, err)
                                                                   : CR_FAIL(err, CR_UNSUPPORTED, "interp goes between numbers, and the labels of %s are none", dim);
    for (int64_t i = 0; i < n_wanted && status == CR_OK; i++)
        status = cr_turn_longitude(c, index, &wanted[i], err);
    if (status == CR_OK)
        status = find_between(labels, n, wanted, n_wanted, dim, &b, err);
    if (status == CR_OK)
        status = mix(cr_labelled_array(a), cr_labelled_axis(a, dim), &b, &data, err);
    if (status == CR_OK)
        status = with_labels(c, a, dim, index, data, wanted, n_wanted, &row, err);
    if (status == CR_OK)
        status = k->form == CR_KEYED_ONE ? cr_isel(row, dim, 0, ret_array, err) : CR_OK;
    if (status == CR_OK && k->form != CR_KEYED_ONE)
        *ret_array = cr_labelled_ref(row);
    cr_labelled_unref(row);
    cr_labelled_unref(index);
    cr_array_unref(data);
    between_done(&b);
    return status;
}

cr_status cr_apply_interpolation(cr_context *c, cr_expr *e, cr_labelled *a, bool each, cr_labelled **ret_array, int *at, cr_err *err) {
    cr_labelled *now = cr_labelled_ref(a);
    cr_status status = CR_OK;
    for (int i = 0; i < e->n_keys && status == CR_OK; i++) {
        cr_labelled *next = NULL;
        if (each && !cr_has_dim(now, e->keys[i].key))
            continue;
        e->used = true;
        *at = e->keys[i].at;
        status = interpolate(c, &e->keys[i], now, &next, at, err);
        if (status == CR_OK)
            cr_labelled_become(&now, next);
    }
    if (status == CR_OK)
        *ret_array = now;
    else
        cr_labelled_unref(now);
    return status;
}

/* ---- places ---- */

static cr_status check_points(const cr_expr *e, int *at, cr_err *err) {
    for (int i = 0; i < e->n_keys; i++) {
        *at = e->keys[i].at;
        if (e->keys[i].form != CR_KEYED_LIST || e->keys[i].n > POINTS_MOST || e->keys[i].n != e->keys[0].n) {
            cr_status status = CR_FAIL(err, CR_INVALID, "points takes lists of labels that are as long as each other, of at most %d", POINTS_MOST);
            cr_err_hint(err, "For instance of two places: points lat=[52.5, 48.1] lon=[13.4, 11.6]");
            return status;
        }
    }
    return CR_OK;
}

/* Of cells that are no rows and columns: their latitude or longitude. */
static bool is_place(cr_labelled *a, cr_labelled *coord) {
    cr_labelled *whole = NULL;
    bool found = cr_labelled_coord(a, cr_labelled_name(coord), &whole, NULL) == CR_OK && cr_labelled_ndim(whole) == 2 && (cr_is_latitude(whole) || cr_is_longitude(whole));
    cr_labelled_unref(whole);
    return found;
}

/* One place, with a dimension "point" of one element before the others. */
static cr_status point(cr_context *c, const cr_expr *e, cr_labelled *a, int at_point, cr_labelled **ret_array, int *at, cr_err *err) {
    static const char *const dim = "point";
    cr_label_text labels[CR_EXPR_DIMS];
    cr_keyed keys[CR_EXPR_DIMS];
    const char *dims[CR_MAX_DIMS + 1] = {dim};
    cr_expr one = {.verb = cr_verb_find("nearest", 7), .at = e->at, .n_keys = e->n_keys, .keys = keys};
    cr_labelled *place = NULL, *now = NULL;
    cr_array *data = NULL;
    for (int i = 0; i < e->n_keys; i++) {
        labels[i] = e->keys[i].labels[at_point];
        keys[i] = (cr_keyed){.key = e->keys[i].key, .at = e->keys[i].at, .form = CR_KEYED_ONE, .n = 1, .labels = &labels[i]};
    }
    CR_TRY(cr_apply_selection(c, &one, a, false, &place, at, err));
    for (int k = 0; k < cr_labelled_ndim(place); k++)
        dims[k + 1] = cr_labelled_dim(place, k);
    cr_status status = cr_array_expand(cr_labelled_array(place), 0, &data, err);
    if (status == CR_OK)
        status = cr_labelled_new(c, cr_labelled_name(a), dims, data, CR_KIND_NUMBERS, CR_CALENDAR_STANDARD, &now, err);
    cr_array_unref(data);
    for (int k = 0; k < cr_labelled_n_coords(place) && status == CR_OK; k++) {
        cr_labelled *coord = NULL, *along = NULL, *next = NULL;
        cr_array *wide = NULL;
        status = cr_labelled_coord(place, cr_labelled_coord_name(place, k), &coord, err);
        bool chosen = false;      /* what was chosen by is told of each point */
        for (int i = 0; i < e->n_keys && status == CR_OK; i++)
            chosen = chosen || strcmp(cr_dim_called(a, e->keys[i].key), cr_labelled_name(coord)) == 0 || (cr_place_word(e->keys[i].key) && is_place(a, coord));
        if (status == CR_OK && chosen && cr_labelled_kind(coord) == CR_KIND_NUMBERS) {
            status = cr_array_expand(cr_labelled_array(coord), 0, &wide, err);
            if (status == CR_OK)
                status = cr_labelled_new(c, cr_labelled_name(coord), &dim, wide, CR_KIND_NUMBERS, CR_CALENDAR_STANDARD, &along, err);
            cr_array_unref(wide);
        }
        if (status == CR_OK)
            status = cr_labelled_with_coord(now, along ? along : coord, &next, err);
        if (status == CR_OK)
            cr_labelled_become(&now, next);
        cr_labelled_unref(along);
        cr_labelled_unref(coord);
    }
    cr_labelled_unref(place);
    if (status == CR_OK)
        *ret_array = now;
    else
        cr_labelled_unref(now);
    return status;
}

cr_status cr_apply_points(cr_context *c, cr_expr *e, cr_labelled *a, bool each, cr_labelled **ret_array, int *at, cr_err *err) {
    CR_TRY(check_points(e, at, err));
    for (int i = 0; i < e->n_keys && each; i++)
        if (!cr_has_dim(a, e->keys[i].key)) {
            *ret_array = cr_labelled_ref(a);
            return CR_OK;
        }
    e->used = true;
    *at = e->at;
    if (cr_labelled_kind(a) != CR_KIND_NUMBERS)
        return CR_FAIL(err, CR_TYPE, "points is for numbers");
    if (cr_labelled_axis(a, "point") >= 0 || cr_labelled_ndim(a) == CR_MAX_DIMS)
        return CR_FAIL(err, CR_INVALID, "%s has a dimension point already", cr_labelled_name(a) ? cr_labelled_name(a) : "the array");
    int n = e->keys[0].n, n_attrs = cr_labelled_n_attrs(a);
    cr_auto_free cr_labelled **parts = calloc((size_t)n, sizeof *parts);
    cr_auto_free cr_attr *attrs = calloc((size_t)n_attrs + 1, sizeof *attrs);
    cr_labelled *joined = NULL;
    cr_status status = parts && attrs ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for %d points", n);
    for (int k = 0; attrs && k < n_attrs; k++)
        attrs[k] = *cr_labelled_attr(a, k);
    for (int k = 0; k < n && status == CR_OK; k++)
        status = point(c, e, a, k, &parts[k], at, err);
    if (status == CR_OK)
        status = cr_concat(n, parts, "point", &joined, err);
    if (status == CR_OK)
        status = cr_labelled_with_attrs(joined, n_attrs, attrs, ret_array, err);
    cr_labelled_unref(joined);
    for (int k = 0; parts && k < n; k++)
        cr_labelled_unref(parts[k]);
    return status;
}

/* statistics.c - reductions: plain, by group, by period, in windows, weighted; anomalies. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/evaluate.h"

/* ---- what labelled arrays lack ---- */

cr_status cr_set_attr(cr_labelled *a, const char *name, const char *value, cr_labelled **ret_array, cr_err *err) {
    int n = cr_labelled_n_attrs(a), at = n;
    cr_auto_free cr_attr *attrs = calloc((size_t)n + 1, sizeof *attrs);
    if (!attrs)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d attributes", n);
    for (int k = 0; k < n; k++) {
        attrs[k] = *cr_labelled_attr(a, k);
        at = strcmp(attrs[k].name, name) == 0 ? k : at;
    }
    attrs[at] = (cr_attr){name, CR_STRING, 1, &value};
    return cr_labelled_with_attrs(a, at == n ? n + 1 : n, attrs, ret_array, err);
}

/* Floats as they are, other numbers as xarray has them in windows. */
static cr_status as_float(cr_array *a, cr_array **ret_array, cr_err *err) {
    cr_dtype t = cr_array_dtype(a);
    return cr_array_cast(a, cr_dtype_kind(t) == 'f' ? t : CR_F64, ret_array, err);
}

/* ---- times and groups ---- */

const char *cr_time_dim(cr_labelled *a) {
    for (int k = 0; k < cr_labelled_ndim(a); k++) {
        cr_labelled *index = NULL;
        bool found = cr_labelled_coord(a, cr_labelled_dim(a, k), &index, NULL) == CR_OK && cr_labelled_kind(index) == CR_KIND_TIMES;
        cr_labelled_unref(index);
        if (found)
            return cr_labelled_dim(a, k);
    }
    return NULL;
}

static cr_status no_times(cr_labelled *a, cr_err *err) {
    return CR_FAIL(err, CR_NOT_FOUND, "%s has no dimension with times", cr_labelled_name(a) ? cr_labelled_name(a) : "the array");
}

cr_status cr_group_key(cr_labelled *a, const char *word, char *buf, size_t size, cr_err *err) {
    cr_labelled *coord = NULL;
    bool known = cr_labelled_coord(a, word, &coord, NULL) == CR_OK;
    cr_labelled_unref(coord);
    int n;
    const char *dot = strncmp(word, "time.", 5) == 0 && cr_time_dim(a) ? word + 4 : NULL;
    if (!known && dot) {
        n = snprintf(buf, size, "%s%s", cr_labelled_axis(a, "time") >= 0 ? "time" : cr_time_dim(a), dot);
    } else if (known || strchr(word, '.')) {
        n = snprintf(buf, size, "%s", word);
    } else {
        const char *dim = cr_time_dim(a);
        if (!dim)
            return no_times(a, err);
        n = snprintf(buf, size, "%s.%s", dim, word);
    }
    return n >= 0 && (size_t)n < size ? CR_OK : CR_FAIL(err, CR_LIMIT, "the name of the group is too long");
}

/* The dimension that groups are made along; NULL when it cannot be told. */
static const char *grouped_dim(cr_labelled *a, const char *key, char *buf, size_t size) {
    cr_labelled *coord = NULL;
    const char *dot = strrchr(key, '.');
    if (cr_labelled_coord(a, key, &coord, NULL) != CR_OK && dot) {
        snprintf(buf, size, "%.*s", (int)(dot - key), key);
        if (cr_labelled_coord(a, buf, &coord, NULL) != CR_OK)
            return NULL;
    }
    bool one = coord && cr_labelled_ndim(coord) == 1;
    if (one)
        snprintf(buf, size, "%s", cr_labelled_dim(coord, 0));
    cr_labelled_unref(coord);
    return one ? buf : NULL;
}

/* Behind a modifier along dim, words can only say the same again: x.groupby("time.month").mean(time). */
static cr_status only_along(const cr_expr *e, cr_labelled *a, const char *dim, int *at, cr_err *err) {
    for (int k = e->verb->kind == CR_VERB_QUANTILE ? 1 : 0; k < e->n_words; k++)
        if (!dim || strcmp(cr_dim_called(a, e->words[k].text), dim) != 0) {
            *at = e->words[k].at;
            cr_err_set(err, CR_UNSUPPORTED, __FILE__, __LINE__, "%s goes along %s here, not along %.60s", e->verb->name,
                       dim ? dim : "the groups", e->words[k].text);
            cr_err_hint(err, "Reduce %.60s in a step of its own, before or after: | mean %.60s", e->words[k].text, e->words[k].text);
            return CR_UNSUPPORTED;
        }
    return CR_OK;
}

static cr_reduction reduction_of(const cr_expr *e) { return (cr_reduction)(e->verb->detail & ~CR_VERB_SAMPLE); }
static cr_reduce_options options_of(const cr_expr *e) {
    return (cr_reduce_options){.skipna = true, .ddof = e->verb->detail & CR_VERB_SAMPLE ? 1 : 0};
}

/* What quantiles by group need, which the file of order statistics has. */
static bool is_order(const cr_expr *e) { return e->verb->kind == CR_VERB_MEDIAN || e->verb->kind == CR_VERB_QUANTILE; }

static cr_status plain_only(const cr_expr *e, const cr_expr *modifier, cr_err *err) {
    if (e->verb->kind == CR_VERB_REDUCE)
        return CR_OK;
    return CR_FAIL(err, CR_UNSUPPORTED, "%s behind %s is not available", e->verb->name, modifier->verb->name);
}

static cr_status by_group(cr_context *c, const cr_expr *e, const cr_operand *o, cr_labelled **ret_array, int *at, cr_err *err) {
    char key[600], dim[600];
    if (!is_order(e))
        CR_TRY(plain_only(e, o->modifier, err));
    *at = o->modifier->words[0].at;
    CR_TRY(cr_group_key(o->array, o->modifier->words[0].text, key, sizeof key, err));
    const char *along = grouped_dim(o->array, key, dim, sizeof dim);
    CR_TRY(only_along(e, o->array, along, at, err));
    if (is_order(e) && !along)
        return CR_FAIL(err, CR_UNSUPPORTED, "%s by %s is not available", e->verb->name, key);
    if (is_order(e))
        return cr_order_by_group(c, e, o->array, along, key, ret_array, at, err);
    const cr_reduce_options options = options_of(e);
    return cr_group_reduce(reduction_of(e), o->array, key, &options, ret_array, err);
}

static cr_status by_period(cr_context *c, const cr_expr *e, const cr_operand *o, cr_labelled **ret_array, int *at, cr_err *err) {
    const cr_expr *m = o->modifier;
    const char *dim = cr_time_dim(o->array), *every = NULL;
    if (!is_order(e))
        CR_TRY(plain_only(e, m, err));
    if (m->verb->kind == CR_VERB_RESAMPLE) {
        dim = cr_dim_called(o->array, m->keys[0].key);
        every = m->keys[0].form == CR_KEYED_ONE ? m->keys[0].labels[0].text : "";
        *at = m->keys[0].at;
    } else {
        int d = m->verb->detail;
        every = d == 'h' ? "h" : d == 'D' ? "D" : d == 'M' ? "MS" : d == 'Q' ? "QS-DEC" : "YS";
    }
    if (!dim)
        return no_times(o->array, err);
    CR_TRY(only_along(e, o->array, dim, at, err));
    if (is_order(e))
        return cr_order_by_period(c, e, o->array, dim, every, ret_array, at, err);
    const cr_reduce_options options = options_of(e);
    return cr_resample_reduce(reduction_of(e), o->array, dim, every, &options, ret_array, err);
}

/* ---- weights ---- */

static cr_status cosine(cr_labelled *latitude, cr_labelled **ret_weights, cr_err *err) {
    cr_labelled *radians = NULL;
    CR_TRY(cr_labelled_map(CR_MAP_DEG2RAD, &latitude, &radians, err));
    cr_status status = cr_labelled_map(CR_MAP_COS, &radians, ret_weights, err);
    cr_labelled_unref(radians);
    return status;
}

static cr_status latitude_weights(cr_labelled *a, cr_labelled **ret_weights, cr_err *err) {
    for (int k = 0; k < cr_labelled_n_coords(a); k++) {
        cr_labelled *coord = NULL;
        CR_TRY(cr_labelled_coord(a, cr_labelled_coord_name(a, k), &coord, err));
        bool found = cr_is_latitude(coord);
        cr_status status = found ? cosine(coord, ret_weights, err) : CR_OK;
        cr_labelled_unref(coord);
        if (found)
            return status;
    }
    cr_err_set(err, CR_NOT_FOUND, __FILE__, __LINE__, "%s has no coordinate of latitude to be weighted by",
               cr_labelled_name(a) ? cr_labelled_name(a) : "the array");
    cr_err_hint(err, "Name the weights: weighted(area) mean x y, or weighted(cos(deg2rad(y))) mean x y.");
    return CR_NOT_FOUND;
}

static cr_status by_weight(const cr_expr *e, const cr_operand *o, int n, const char *const *dims, cr_labelled **ret_array, cr_err *err) {
    cr_labelled *weights = cr_labelled_ref(o->weights), *product = NULL, *named = NULL;
    cr_reduction r = reduction_of(e);
    if (e->verb->kind != CR_VERB_REDUCE || (r != CR_REDUCE_MEAN && r != CR_REDUCE_SUM)) {
        cr_labelled_unref(weights);
        return CR_FAIL(err, CR_UNSUPPORTED, "weighted goes with mean and sum");
    }
    cr_status status = weights ? CR_OK : latitude_weights(o->array, &weights, err);
    if (status == CR_OK && r == CR_REDUCE_MEAN)
        status = cr_weighted_mean(o->array, weights, n, dims, ret_array, err);
    if (status == CR_OK && r == CR_REDUCE_SUM) {
        status = cr_labelled_map(CR_MAP_MULTIPLY, (cr_labelled *[]){o->array, weights}, &product, err);
        if (status == CR_OK)
            status = cr_labelled_with_name(product, cr_labelled_name(o->array), &named, err);
        if (status == CR_OK)
            status = cr_labelled_reduce(r, named, n, dims, NULL, ret_array, err);
    }
    cr_labelled_unref(named);
    cr_labelled_unref(product);
    cr_labelled_unref(weights);
    return status;
}

/* ---- windows ---- */

static cr_status window_array(cr_window_op op, cr_array *a, int axis, int64_t window, int ddof, cr_array **ret_array, cr_err *err) {
    int64_t shape[CR_MAX_DIMS], n = cr_array_shape(a)[axis];
    int ndim = cr_array_ndim(a);
    double nan = NAN;
    cr_array *real = NULL, *value = NULL, *typed = NULL, *before = NULL, *windows = NULL;
    memcpy(shape, cr_array_shape(a), (size_t)ndim * sizeof *shape);
    shape[axis] = CR_MIN(window - 1, n);
    cr_status status = as_float(a, &real, err);
    if (status == CR_OK)
        status = cr_array_scalar(CR_F64, &nan, false, &value, err);
    if (status == CR_OK)
        status = cr_array_cast(value, cr_array_dtype(real), &typed, err);
    if (status == CR_OK)
        status = cr_array_broadcast(typed, ndim, shape, &before, err);
    cr_window_options options = {.skipna = false, .ddof = ddof};
    if (status == CR_OK && window <= n)
        status = cr_array_window(op, real, axis, window, &options, &windows, err);
    if (status == CR_OK)
        status = cr_array_concat(windows ? 2 : 1, (cr_array *[]){before, windows}, axis, ret_array, err);
    cr_array *held[] = {real, value, typed, before, windows};
    for (size_t k = 0; k < CR_ARRAY_LEN(held); k++)
        cr_array_unref(held[k]);
    return status;
}

static cr_status in_windows(cr_context *c, const cr_expr *e, const cr_operand *o, cr_labelled **ret_array, int *at, cr_err *err) {
    const cr_keyed *k = &o->modifier->keys[0];
    cr_window_op op;
    *at = k->at;
    char *end = NULL;
    long long window = k->form == CR_KEYED_ONE ? strtoll(k->labels[0].text, &end, 10) : 0;
    const char *dim = cr_dim_called(o->array, k->key);
    int axis = cr_labelled_axis(o->array, dim);
    if (axis < 0 || !cr_labelled_array(o->array))
        return CR_FAIL(err, CR_NOT_FOUND, "%s has no dimension %.60s",
                       cr_labelled_name(o->array) ? cr_labelled_name(o->array) : "the array", k->key);
    if (!end || *end || window < 1 || window > CR_WINDOW_LONGEST)
        return CR_FAIL(err, CR_INVALID, "a window has 1 to %lld elements", (long long)CR_WINDOW_LONGEST);
    if (cr_labelled_kind(o->array) != CR_KIND_NUMBERS)
        return CR_FAIL(err, CR_TYPE, "windows are made of numbers");
    CR_TRY(only_along(e, o->array, dim, at, err));
    if (is_order(e) || cr_window_find(cr_reduction_name(reduction_of(e)), &op, NULL) != CR_OK)
        return CR_FAIL(err, CR_UNSUPPORTED, "%s of windows is not available", e->verb->name);
    cr_array *data = NULL;
    CR_TRY(window_array(op, cr_labelled_array(o->array), axis, window, options_of(e).ddof, &data, err));
    cr_status status = cr_labelled_with_values(o->array, data, ret_array, err);
    cr_array_unref(data);
    return status;
}

/* ---- all of them ---- */

/* Over which dimensions; in a run over several variables those that the array has. */
static int dims_of(const cr_expr *e, cr_labelled *a, bool each, const char **dims) {
    int n = 0, first = e->verb->kind == CR_VERB_QUANTILE, places = 0;
    const char *cells[2];
    cr_labelled *lat = NULL, *lon = NULL;
    for (int k = first; k < e->n_words; k++)
        places += cr_place_word(e->words[k].text) && !cr_has_dim(a, e->words[k].text);
    bool both = places == 2 && cr_cells_of(a, cells, &lat, &lon); /* of cells that are no rows and columns lat and lon are one thing */
    for (int k = first; k < e->n_words; k++) {
        const char *word = e->words[k].text;
        if (both && cr_place_word(word))
            dims[n++] = cells[strcmp(cr_place_word(word), "lon") == 0];
        else if (!each || cr_has_dim(a, word))
            dims[n++] = cr_dim_called(a, word);
    }
    cr_labelled_unref(lat);
    cr_labelled_unref(lon);
    return n;
}

static bool modifier_fits(const cr_operand *o) {
    const cr_expr *m = o->modifier;
    char key[600], dim[600];
    switch (m->verb->kind) {
    case CR_VERB_BY: return cr_group_key(o->array, m->words[0].text, key, sizeof key, NULL) == CR_OK && grouped_dim(o->array, key, dim, sizeof dim);
    case CR_VERB_PERIOD: return cr_time_dim(o->array) != NULL;
    default: return cr_has_dim(o->array, m->keys[0].key);
    }
}

cr_status cr_apply_reduction(cr_context *c, cr_expr *e, const cr_operand *o, bool each, cr_labelled **ret_array, int *at, cr_err *err) {
    const char *dims[CR_EXPR_DIMS + 1];
    bool weighted = o->modifier && o->modifier->verb->kind == CR_VERB_WEIGHTED;
    int n = dims_of(e, o->array, each, dims), named = e->n_words - (e->verb->kind == CR_VERB_QUANTILE);
    if (each && (o->modifier && !weighted ? !modifier_fits(o) : n == 0 && named > 0)) {
        *ret_array = cr_labelled_ref(o->array);
        return CR_OK;
    }
    e->used = true;
    if (weighted)
        return by_weight(e, o, n, dims, ret_array, err);
    if (o->modifier && o->modifier->verb->kind == CR_VERB_BY)
        return by_group(c, e, o, ret_array, at, err);
    if (o->modifier && o->modifier->verb->kind == CR_VERB_ROLLING)
        return in_windows(c, e, o, ret_array, at, err);
    if (o->modifier)
        return by_period(c, e, o, ret_array, at, err);
    if (e->verb->kind != CR_VERB_REDUCE)
        return cr_order_over(c, e, o->array, n, dims, ret_array, at, err);
    const cr_reduce_options options = options_of(e);
    return cr_labelled_reduce(reduction_of(e), o->array, n, dims, &options, ret_array, err);
}

/* Without the coordinate of the groups, which would stand in the way of a climatology in the same file. */
cr_status cr_apply_anomaly(cr_expr *e, cr_labelled *a, bool each, cr_labelled **ret_array, cr_err *err) {
    char key[600];
    cr_labelled *mean = NULL, *difference = NULL;
    if (each && cr_labelled_kind(a) == CR_KIND_NUMBERS && !cr_time_dim(a) && !strchr(e->words[0].text, '.')) {
        *ret_array = cr_labelled_ref(a);
        return CR_OK;
    }
    e->used = true;
    CR_TRY(cr_group_key(a, e->words[0].text, key, sizeof key, err));
    CR_TRY(cr_group_reduce(CR_REDUCE_MEAN, a, key, NULL, &mean, err));
    cr_status status = cr_group_map(CR_MAP_SUBTRACT, a, key, mean, &difference, err);
    const char *dot = strrchr(key, '.');
    if (status == CR_OK && dot && cr_labelled_axis(difference, dot + 1) < 0)
        status = cr_labelled_without_coord(difference, dot + 1, ret_array, err);
    else if (status == CR_OK)
        *ret_array = cr_labelled_ref(difference);
    cr_labelled_unref(difference);
    cr_labelled_unref(mean);
    return status;
}

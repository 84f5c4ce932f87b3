/* position.c - selecting by position: one dimension of an array and of all its coordinates. */
#include <inttypes.h>
#include <stdlib.h>

#include "engine/array/node.h"
#include "engine/dataset/variable.h"

static int64_t position(const cr_pick *p, int64_t k) { return p->at ? p->at[k] : p->start + k * p->step; }

/* The picked elements of texts with any number of dimensions: outer x (picked axis) x inner. */
static cr_status pick_text(const cr_var *v, int axis, const cr_pick *p, cr_labels **ret_labels, cr_err *err) {
    int64_t outer = 1, inner = 1, total;
    for (int a = 0; a < axis; a++)
        outer *= v->shape[a];
    for (int a = axis + 1; a < v->ndim; a++)
        inner *= v->shape[a];
    if (__builtin_mul_overflow(outer * inner, p->n, &total) || total > PTRDIFF_MAX / 16)
        return CR_FAIL(err, CR_LIMIT, "too many texts are selected");
    cr_auto_free int64_t *at = calloc((size_t)total + 1, sizeof *at);
    if (!at)
        return CR_FAIL(err, CR_MEMORY, "no memory for a selection of %" PRId64 " texts", total);
    int64_t *next = at;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < p->n; k++)
            for (int64_t i = 0; i < inner; i++)
                *next++ = (o * v->shape[axis] + position(p, k)) * inner + i;
    return cr_labels_take(v->labels, at, total, ret_labels, err);
}

static cr_status pick_array(const cr_var *v, int axis, const cr_pick *p, cr_array **ret_array, cr_err *err) {
    cr_auto_array cr_array *picked = NULL;
    if (p->at) {
        CR_TRY(cr_array_take(v->data, axis, p->at, p->n, &picked, err));
    } else {
        cr_slice slices[CR_MAX_DIMS];
        for (int a = 0; a < v->ndim; a++)
            slices[a] = (cr_slice){0, 1, v->shape[a]};
        slices[axis] = (cr_slice){p->start, p->step, p->n};
        CR_TRY(cr_array_slice(v->data, slices, &picked, err));
    }
    if (p->drop)
        return cr_array_squeeze(picked, axis, ret_array, err);
    *ret_array = cr_array_ref(picked);
    return CR_OK;
}

cr_status cr_var_pick(const cr_var *v, const cr_pick *p, cr_var **ret_var, cr_err *err) {
    int axis = cr_var_axis(v, p->dim);
    cr_auto_labels cr_labels *labels = NULL;
    cr_auto_array cr_array *data = NULL;
    if (v->labels)
        CR_TRY(pick_text(v, axis, p, &labels, err));
    if (v->data)
        CR_TRY(pick_array(v, axis, p, &data, err));
    const char *dims[CR_MAX_DIMS];
    int64_t shape[CR_MAX_DIMS];
    int ndim = 0;
    for (int a = 0; a < v->ndim; a++) {
        if (a == axis && p->drop)
            continue;
        dims[ndim] = v->dims[a];
        shape[ndim++] = a == axis ? p->n : v->shape[a];
    }
    cr_auto_var cr_var *picked = NULL;
    if (v->kind == CR_KIND_TEXT) {
        CR_TRY(cr_var_new_text(v->name, ndim, dims, shape, labels, &picked, err));
    } else {
        CR_TRY(cr_var_new(v->name, ndim, dims, data, v->kind, v->calendar, &picked, err));
        picked->labels = cr_labels_ref(labels);
    }
    CR_TRY(cr_var_copy_attrs(picked, v->n_attrs, v->attrs, err));
    CR_TRY(cr_var_copy_encoding(picked, v->encoding, err));
    *ret_var = picked;
    picked = NULL;
    return CR_OK;
}

cr_status cr_labelled_pick(cr_labelled *a, const cr_pick *p, cr_labelled **ret_array, cr_err *err) {
    cr_auto_var cr_var *var = NULL;
    CR_TRY(cr_var_pick(a->var, p, &var, err));
    cr_auto_free cr_var **coords = calloc((size_t)a->n_coords + 1, sizeof *coords);
    if (!coords)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d coordinates", a->n_coords);
    cr_status status = CR_OK;
    for (int k = 0; k < a->n_coords && status == CR_OK; k++) {
        if (cr_var_axis(a->coords[k], p->dim) < 0)
            coords[k] = cr_var_ref(a->coords[k]);
        else
            status = cr_var_pick(a->coords[k], p, &coords[k], err);
    }
    if (status == CR_OK)
        status = cr_labelled_make(a->context, var, a->n_coords, coords, ret_array, err);
    for (int k = 0; k < a->n_coords; k++)
        cr_var_unref(coords[k]);
    return status;
}

cr_status cr_isel(cr_labelled *a, const char *dim, int64_t at, cr_labelled **ret_array, cr_err *err) {
    int axis;
    CR_TRY(cr_labelled_find_dim(a, "isel", dim, &axis, err));
    int64_t n = a->var->shape[axis];
    if (at < -n || at >= n)
        return CR_FAIL(err, CR_RANGE, "isel: position %" PRId64 " of dimension %s, which has %" PRId64 " elements", at, dim, n);
    cr_pick pick = {.dim = dim, .drop = true, .n = 1, .start = at < 0 ? at + n : at, .step = 1};
    return cr_labelled_pick(a, &pick, ret_array, err);
}

/* Python's slice.indices(). */
static int64_t edge(int64_t value, int64_t missing, int64_t n, int64_t step) {
    if (value == CR_FROM_END)
        return missing;
    if (value < 0)
        value = value < -n ? (step > 0 ? 0 : -1) : value + n;
    else if (value >= n)
        value = step > 0 ? n : n - 1;
    return value;
}

cr_status cr_isel_range(cr_labelled *a, const char *dim, int64_t start, int64_t stop, int64_t step, cr_labelled **ret_array, cr_err *err) {
    int axis;
    CR_TRY(cr_labelled_find_dim(a, "isel", dim, &axis, err));
    if (step == 0 || step == INT64_MIN)
        return CR_FAIL(err, CR_INVALID, "isel: steps of %" PRId64 " along %s", step, dim);
    int64_t n = a->var->shape[axis];
    int64_t first = edge(start, step > 0 ? 0 : n - 1, n, step), end = edge(stop, step > 0 ? n : -1, n, step);
    int64_t count = step > 0 ? (end > first ? (end - first - 1) / step + 1 : 0) : (first > end ? (first - end - 1) / -step + 1 : 0);
    cr_pick pick = {.dim = dim, .n = count, .start = count ? first : 0, .step = count > 1 ? step : 1};
    return cr_labelled_pick(a, &pick, ret_array, err);
}

cr_status cr_isel_list(cr_labelled *a, const char *dim, const int64_t *at, int64_t n, cr_labelled **ret_array, cr_err *err) {
    int axis;
    CR_TRY(cr_labelled_find_dim(a, "isel", dim, &axis, err));
    int64_t extent = a->var->shape[axis];
    cr_auto_free int64_t *own = n >= 0 && n < PTRDIFF_MAX / 16 ? calloc((size_t)n + 1, sizeof *own) : NULL;
    if (!own)
        return CR_FAIL(err, CR_MEMORY, "isel: no memory for %" PRId64 " positions", n);
    for (int64_t k = 0; k < n; k++) {
        if (at[k] < -extent || at[k] >= extent)
            return CR_FAIL(err, CR_RANGE, "isel: position %" PRId64 " of dimension %s, which has %" PRId64 " elements", at[k], dim, extent);
        own[k] = at[k] < 0 ? at[k] + extent : at[k];
    }
    cr_pick pick = {.dim = dim, .at = own, .n = n};
    return cr_labelled_pick(a, &pick, ret_array, err);
}

/* concat.c - labelled arrays one after the other along a dimension. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/array/node.h"
#include "engine/dataset/variable.h"

static bool attrs_agree(const cr_attr *a, const cr_attr *b) { return a == b || (a && b && cr_attr_equal(a, b)); }
static bool texts_agree(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

/* Values that were stored in one way can be stored so again; of others nothing is known. */
static bool stored_alike(const cr_encoding *a, const cr_encoding *b) {
    if (!a || !b)
        return a == b;
    return a->has_dtype == b->has_dtype && a->dtype == b->dtype && attrs_agree(a->scale, b->scale) && attrs_agree(a->offset, b->offset) &&
           attrs_agree(a->fill, b->fill) && attrs_agree(a->missing, b->missing) && texts_agree(a->units, b->units) &&
           texts_agree(a->calendar, b->calendar) && texts_agree(a->unsigned_, b->unsigned_);
}

static cr_status check_pieces(int n, cr_var *const *vars, const char *dim, cr_err *err) {
    const char *name = vars[0]->name ? vars[0]->name : "the array";
    for (int k = 1; k < n; k++) {
        char one[512], two[512];
        const cr_var *v = vars[k];
        bool fits = v->ndim == vars[0]->ndim;
        for (int a = 0; a < v->ndim && fits; a++)
            fits = strcmp(v->dims[a], vars[0]->dims[a]) == 0;
        if (!fits)
            return CR_FAIL(err, CR_INVALID, "concat: %s has the dimensions (%s) in one part and (%s) in another", name,
                           cr_var_dims_text(vars[0], one, sizeof one), cr_var_dims_text(v, two, sizeof two));
        for (int a = 0; a < v->ndim; a++)
            if (strcmp(v->dims[a], dim) != 0 && v->shape[a] != vars[0]->shape[a])
                return CR_FAIL(err, CR_INVALID, "concat: %s has %" PRId64 " elements along %s in one part and %" PRId64 " in another", name,
                               vars[0]->shape[a], v->dims[a], v->shape[a]);
        if (v->kind != vars[0]->kind)
            return CR_FAIL(err, CR_TYPE, "concat: %s is of different kinds: numbers, times or text", name);
        if (v->kind == CR_KIND_TIMES && v->calendar != vars[0]->calendar)
            return CR_FAIL(err, CR_TYPE, "concat: %s is in the calendar %s in one part and %s in another", name,
                           cr_calendar_name(vars[0]->calendar), cr_calendar_name(v->calendar));
    }
    return CR_OK;
}

/* Labels of 1-d variables in a row. */
static cr_status join_labels(int n, cr_var *const *vars, cr_labels **ret_labels, cr_err *err) {
    int64_t total = 0, at = 0;
    bool real = false;
    for (int k = 0; k < n; k++) {
        total += vars[k]->labels->n;
        real = real || vars[k]->labels->kind == 'f';
    }
    char kind = vars[0]->labels->kind;
    if (total > CR_LABELS_MAX)
        return CR_FAIL(err, CR_LIMIT, "concat: %" PRId64 " labels; at most %d are possible", total, CR_LABELS_MAX);
    if (kind == 's') {
        cr_auto_free const char **texts = calloc((size_t)total + 1, sizeof *texts);
        if (!texts)
            return CR_FAIL(err, CR_MEMORY, "no memory for %" PRId64 " labels", total);
        for (int k = 0; k < n; k++)
            for (int64_t i = 0; i < vars[k]->labels->n; i++)
                texts[at++] = vars[k]->labels->s[i];
        return cr_labels_text(total, texts, ret_labels, err);
    }
    CR_TRY(cr_labels_new(kind == 't' ? 't' : real ? 'f' : 'i', total, ret_labels, err));
    for (int k = 0; k < n; k++)
        for (int64_t i = 0; i < vars[k]->labels->n; i++, at++) {
            const cr_labels *l = vars[k]->labels;
            if ((*ret_labels)->kind == 'f')
                (*ret_labels)->f[at] = l->kind == 'f' ? l->f[i] : (double)l->i[i];
            else
                (*ret_labels)->i[at] = l->i[i];
        }
    return CR_OK;
}

static cr_status join_data(int n, cr_var *const *vars, int axis, cr_array **ret_array, cr_err *err) {
    cr_auto_free cr_array **arrays = calloc((size_t)n, sizeof *arrays);
    if (!arrays)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d parts", n);
    for (int k = 0; k < n; k++)
        arrays[k] = vars[k]->data;
    return cr_array_concat(n, arrays, axis, ret_array, err);
}

/* vars have the dimension dim. Name and attributes are those of the first. */
static cr_status join_vars(int n, cr_var *const *vars, const char *dim, cr_var **ret_var, cr_err *err) {
    CR_TRY(check_pieces(n, vars, dim, err));
    const cr_var *first = vars[0];
    int axis = cr_var_axis(first, dim);
    bool labels = first->ndim == 1, alike = true;
    for (int k = 0; k < n; k++) {
        labels = labels && vars[k]->labels;
        alike = alike && stored_alike(first->encoding, vars[k]->encoding);
    }
    cr_auto_labels cr_labels *joined = NULL;
    cr_auto_array cr_array *data = NULL;
    cr_auto_var cr_var *var = NULL;
    if (labels)
        CR_TRY(join_labels(n, vars, &joined, err));
    if (first->kind == CR_KIND_TEXT) {
        if (!labels)
            return CR_FAIL(err, CR_UNSUPPORTED, "concat: %s is text of %d dimensions", first->name ? first->name : "the array",
                           first->ndim);
        CR_TRY(cr_var_new_text(first->name, 1, &dim, &joined->n, joined, &var, err));
    } else {
        CR_TRY(join_data(n, vars, axis, &data, err));
        CR_TRY(cr_var_new(first->name, first->ndim, (const char *const *)first->dims, data, first->kind, first->calendar, &var, err));
        var->labels = cr_labels_ref(joined);
    }
    CR_TRY(cr_var_copy_attrs(var, first->n_attrs, first->attrs, err));
    if (alike)
        CR_TRY(cr_var_copy_encoding(var, first->encoding, err));
    *ret_var = var;
    var = NULL;
    return CR_OK;
}

/* The coordinate `name` of all, joined or the same; *ret_var stays NULL when it differs or one has none. */
static cr_status join_coord(int n, cr_labelled *const *arrays, const char *name, const char *dim, cr_var **ret_var, cr_err *err) {
    cr_auto_free cr_var **vars = calloc((size_t)n, sizeof *vars);
    if (!vars)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d parts", n);
    int along = 0;
    for (int k = 0; k < n; k++) {
        if (!(vars[k] = cr_labelled_find_coord(arrays[k], name)))
            return strcmp(name, dim) == 0 ? CR_FAIL(err, CR_INVALID, "concat: one part has labels along %s, another has none", dim) : CR_OK;
        along += cr_var_axis(vars[k], dim) >= 0;
    }
    if (along == n)
        return join_vars(n, vars, dim, ret_var, err);
    bool same = along == 0;
    for (int k = 1; k < n && same; k++)
        CR_TRY(cr_same_values(arrays[0]->context, vars[0], vars[k], &same, err));
    if (same)
        *ret_var = cr_var_ref(vars[0]);
    return CR_OK;
}

/* Indexes of the other dimensions are equal, or their first labels that differ are named. */
static cr_status check_others(int n, cr_labelled *const *arrays, const char *dim, cr_err *err) {
    cr_auto_free cr_labelled **ends = calloc((size_t)n, sizeof *ends);
    if (!ends)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d parts", n);
    cr_status status = CR_OK;
    for (int k = 0; k < n && status == CR_OK; k++) { /* without dim, whose labels differ */
        cr_pick none = {.dim = dim, .n = 0, .step = 1};
        status = cr_labelled_pick(arrays[k], &none, &ends[k], err);
    }
    if (status == CR_OK)
        status = cr_check_aligned("concat", n, ends, err);
    for (int k = 0; k < n; k++)
        cr_labelled_unref(ends[k]);
    return status;
}

cr_status cr_concat(int n, cr_labelled *const *arrays, const char *dim, cr_labelled **ret_array, cr_err *err) {
    if (n < 1)
        return CR_FAIL(err, CR_INVALID, "concat: no arrays");
    cr_auto_free cr_var **vars = calloc((size_t)n, sizeof *vars);
    cr_auto_free cr_var **coords = calloc((size_t)arrays[0]->n_coords + 1, sizeof *coords);
    if (!vars || !coords)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d parts", n);
    for (int k = 0; k < n; k++) {
        int axis;
        if (arrays[k]->context != arrays[0]->context)
            return CR_FAIL(err, CR_INVALID, "concat: the arrays belong to different contexts");
        CR_TRY(cr_labelled_find_dim(arrays[k], "concat", dim, &axis, err));
        vars[k] = arrays[k]->var;
    }
    CR_TRY(check_others(n, arrays, dim, err));
    cr_auto_var cr_var *var = NULL;
    CR_TRY(join_vars(n, vars, dim, &var, err));
    int n_coords = 0;
    cr_status status = CR_OK;
    for (int k = 0; k < arrays[0]->n_coords && status == CR_OK; k++) {
        status = join_coord(n, arrays, arrays[0]->coords[k]->name, dim, &coords[n_coords], err);
        n_coords += coords[n_coords] != NULL;
    }
    if (status == CR_OK)
        status = cr_labelled_make(arrays[0]->context, var, n_coords, coords, ret_array, err);
    for (int k = 0; k < n_coords; k++)
        cr_var_unref(coords[k]);
    return status;
}

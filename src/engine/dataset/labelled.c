/* labelled.c - labelled arrays: made, asked, given coordinates and names, computed. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/array/node.h"
#include "engine/dataset/variable.h"

static bool dims_within(const cr_var *coord, const cr_var *v) {
    for (int a = 0; a < coord->ndim; a++)
        if (cr_var_axis(v, coord->dims[a]) < 0)
            return false;
    return true;
}

cr_status cr_labelled_make(cr_context *c, cr_var *var, int n_coords, cr_var *const *coords, cr_labelled **ret_array, cr_err *err) {
    cr_labelled *a = calloc(1, sizeof *a);
    cr_var **own = calloc((size_t)n_coords + 1, sizeof *own);
    if (!a || !own) {
        free(a);
        free(own);
        return CR_FAIL(err, CR_MEMORY, "no memory for a labelled array");
    }
    a->refs = 1;
    a->context = c;
    a->var = cr_var_ref(var);
    a->coords = own;
    for (int k = 0; k < n_coords; k++)
        if (dims_within(coords[k], var))
            own[a->n_coords++] = cr_var_ref(coords[k]);
    *ret_array = a;
    return CR_OK;
}

cr_labelled *cr_labelled_ref(cr_labelled *a) {
    if (a)
        atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
    return a;
}

void cr_labelled_unref(cr_labelled *a) {
    if (!a || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (int k = 0; k < a->n_coords; k++)
        cr_var_unref(a->coords[k]);
    cr_var_unref(a->var);
    free(a->coords);
    free(a);
}

cr_var *cr_labelled_find_coord(const cr_labelled *a, const char *name) {
    for (int k = 0; k < a->n_coords; k++)
        if (strcmp(a->coords[k]->name, name) == 0)
            return a->coords[k];
    return NULL;
}

cr_var *cr_labelled_index(const cr_labelled *a, const char *dim) {
    cr_var *v = cr_labelled_find_coord(a, dim);
    return v && cr_var_is_index(v) ? v : NULL;
}

cr_status cr_labelled_find_dim(const cr_labelled *a, const char *what, const char *dim, int *ret_axis, cr_err *err) {
    char dims[512];
    *ret_axis = cr_var_axis(a->var, dim);
    if (*ret_axis >= 0)
        return CR_OK;
    cr_err_set(err, CR_NOT_FOUND, __FILE__, __LINE__, "%s: %s has no dimension %.100s", what, a->var->name ? a->var->name : "the array", dim);
    cr_err_hint(err, a->var->ndim ? "Its dimensions: %s." : "It has no dimensions%s.", cr_var_dims_text(a->var, dims, sizeof dims));
    return CR_NOT_FOUND;
}

cr_status cr_labelled_axes(const cr_labelled *a, const char *what, int n, const char *const *dims, int *axes, int *ret_n, cr_err *err) {
    if (n == 0)
        for (int k = 0; k < a->var->ndim; k++)
            axes[k] = k;
    for (int k = 0; k < n; k++) {
        int axis;
        CR_TRY(cr_labelled_find_dim(a, what, dims[k], &axis, err));
        for (int j = 0; j < k; j++)
            if (axes[j] == axis)
                return CR_FAIL(err, CR_INVALID, "%s: the dimension %s is named twice", what, dims[k]);
        axes[k] = axis;
    }
    *ret_n = n == 0 ? a->var->ndim : n;
    return CR_OK;
}

/* ---- making ---- */

cr_status cr_labelled_new(cr_context *c, const char *name, const char *const *dims, cr_array *values, cr_kind kind, cr_calendar calendar,
                          cr_labelled **ret_array, cr_err *err) {
    if (kind == CR_KIND_TEXT || cr_dtype_size(values->dtype) == 0)
        return CR_FAIL(err, CR_TYPE, "values of type %s are not numbers; text is made with cr_labelled_texts", cr_dtype_name(values->dtype));
    if (kind == CR_KIND_TIMES && (calendar < 0 || calendar >= CR_CALENDAR_COUNT))
        return CR_FAIL(err, CR_INVALID, "there is no calendar number %d", (int)calendar);
    cr_auto_var cr_var *var = NULL;
    CR_TRY(cr_var_new(name, values->ndim, dims, values, kind, calendar, &var, err));
    return cr_labelled_make(c, var, 0, NULL, ret_array, err);
}

cr_status cr_labelled_texts(cr_context *c, const char *name, int ndim, const char *const *dims, const int64_t *shape,
                            const char *const *texts, cr_labelled **ret_array, cr_err *err) {
    if (ndim < 0 || ndim > CR_MAX_DIMS)
        return CR_FAIL(err, CR_RANGE, "%d axes; 0 to %d are possible", ndim, CR_MAX_DIMS);
    int64_t n = 1;
    for (int a = 0; a < ndim; a++)
        if (shape[a] < 0 || __builtin_mul_overflow(n, shape[a], &n))
            return CR_FAIL(err, CR_RANGE, "axis %d has extent %lld", a, (long long)shape[a]);
    cr_auto_labels cr_labels *labels = NULL;
    cr_auto_var cr_var *var = NULL;
    CR_TRY(cr_labels_text(n, texts, &labels, err));
    CR_TRY(cr_var_new_text(name, ndim, dims, shape, labels, &var, err));
    return cr_labelled_make(c, var, 0, NULL, ret_array, err);
}

static cr_status number(cr_context *c, cr_dtype dtype, const void *value, cr_labelled **ret_array, cr_err *err) {
    cr_auto_array cr_array *scalar = NULL;
    CR_TRY(cr_array_scalar(dtype, value, true, &scalar, err));
    CR_TRY(cr_labelled_new(c, NULL, NULL, scalar, CR_KIND_NUMBERS, 0, ret_array, err));
    (*ret_array)->number = true;
    return CR_OK;
}

cr_status cr_labelled_number(cr_context *c, double value, cr_labelled **ret_array, cr_err *err) { return number(c, CR_F64, &value, ret_array, err); }
cr_status cr_labelled_whole(cr_context *c, int64_t value, cr_labelled **ret_array, cr_err *err) { return number(c, CR_I64, &value, ret_array, err); }

cr_status cr_labelled_with_name(cr_labelled *a, const char *name, cr_labelled **ret_array, cr_err *err) {
    cr_auto_var cr_var *var = NULL;
    CR_TRY(cr_var_renamed(a->var, name, &var, err));
    return cr_labelled_make(a->context, var, a->n_coords, a->coords, ret_array, err);
}

cr_status cr_labelled_with_attrs(cr_labelled *a, int n, const cr_attr *attrs, cr_labelled **ret_array, cr_err *err) {
    cr_auto_var cr_var *var = NULL;
    CR_TRY(cr_var_renamed(a->var, a->var->name, &var, err));
    var->n_attrs = 0;
    CR_TRY(cr_var_copy_attrs(var, n, attrs, err));
    return cr_labelled_make(a->context, var, a->n_coords, a->coords, ret_array, err);
}

cr_status cr_labelled_with_coord(cr_labelled *a, cr_labelled *coord, cr_labelled **ret_array, cr_err *err) {
    const cr_var *given = coord->var;
    if (!given->name)
        return CR_FAIL(err, CR_INVALID, "a coordinate needs a name");
    for (int k = 0; k < given->ndim; k++) {
        int axis;
        CR_TRY(cr_labelled_find_dim(a, "with_coord", given->dims[k], &axis, err));
        if (a->var->shape[axis] != given->shape[k])
            return CR_FAIL(err, CR_INVALID, "the coordinate %s has %lld elements along %s, the array %lld", given->name, (long long)given->shape[k],
                           given->dims[k], (long long)a->var->shape[axis]);
    }
    if (cr_var_axis(a->var, given->name) >= 0 && !cr_var_is_index(given))
        return CR_FAIL(err, CR_INVALID, "%s is a dimension; its coordinate has that dimension alone", given->name);
    cr_auto_var cr_var *own = NULL;
    CR_TRY(cr_var_renamed(given, given->name, &own, err));
    if (cr_var_is_index(own) && !own->labels)
        CR_TRY(cr_var_labels(a->context, own, &own->labels, err));
    cr_auto_free cr_var **coords = calloc((size_t)a->n_coords + 1, sizeof *coords);
    if (!coords)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d coordinates", a->n_coords + 1);
    int n = 0;
    for (int k = 0; k < a->n_coords; k++)
        if (strcmp(a->coords[k]->name, own->name) != 0)
            coords[n++] = a->coords[k];
    coords[n++] = own;
    return cr_labelled_make(a->context, a->var, n, coords, ret_array, err);
}

cr_status cr_labelled_without_coord(cr_labelled *a, const char *name, cr_labelled **ret_array, cr_err *err) {
    cr_auto_labelled cr_labelled *found = NULL;
    cr_auto_free cr_var **coords = calloc((size_t)a->n_coords + 1, sizeof *coords);
    if (!coords)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d coordinates", a->n_coords);
    CR_TRY(cr_labelled_coord(a, name, &found, err));
    int n = 0;
    for (int k = 0; k < a->n_coords; k++)
        if (strcmp(a->coords[k]->name, name) != 0)
            coords[n++] = a->coords[k];
    return cr_labelled_make(a->context, a->var, n, coords, ret_array, err);
}

/* ---- asking ---- */

const char *cr_labelled_name(const cr_labelled *a) { return a->var->name; }
cr_kind cr_labelled_kind(const cr_labelled *a) { return a->var->kind; }
cr_calendar cr_labelled_calendar(const cr_labelled *a) { return a->var->calendar; }
cr_dtype cr_labelled_dtype(const cr_labelled *a) { return a->var->data ? a->var->data->dtype : CR_STRING; }
int cr_labelled_ndim(const cr_labelled *a) { return a->var->ndim; }
const char *cr_labelled_dim(const cr_labelled *a, int axis) { return axis < 0 || axis >= a->var->ndim ? NULL : a->var->dims[axis]; }
const int64_t *cr_labelled_shape(const cr_labelled *a) { return a->var->shape; }
int cr_labelled_axis(const cr_labelled *a, const char *dim) { return cr_var_axis(a->var, dim); }
int cr_labelled_n_attrs(const cr_labelled *a) { return a->var->n_attrs; }
const cr_attr *cr_labelled_attr(const cr_labelled *a, int i) { return i < 0 || i >= a->var->n_attrs ? NULL : &a->var->attrs[i]; }
int cr_labelled_n_coords(const cr_labelled *a) { return a->n_coords; }
const char *cr_labelled_coord_name(const cr_labelled *a, int i) { return i < 0 || i >= a->n_coords ? NULL : a->coords[i]->name; }
cr_array *cr_labelled_array(const cr_labelled *a) { return a->var->data; }
const char *const *cr_labelled_text_values(const cr_labelled *a) {
    return a->var->kind == CR_KIND_TEXT ? (const char *const *)a->var->labels->s : NULL;
}

cr_status cr_labelled_coord(cr_labelled *a, const char *name, cr_labelled **ret_array, cr_err *err) {
    cr_var *v = cr_labelled_find_coord(a, name);
    if (v)
        return cr_labelled_make(a->context, v, a->n_coords, a->coords, ret_array, err);
    char names[400] = "";
    for (int k = 0; k < a->n_coords; k++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", k ? ", " : "", a->coords[k]->name);
    cr_err_set(err, CR_NOT_FOUND, __FILE__, __LINE__, "%s has no coordinate %.100s", a->var->name ? a->var->name : "the array", name);
    cr_err_hint(err, a->n_coords ? "Its coordinates: %s." : "It has no coordinates%s.", names);
    return CR_NOT_FOUND;
}

/* ---- computing ---- */

static cr_status check_times(const cr_var *v, const int64_t *us, cr_err *err) {
    for (int64_t k = 0; v->kind == CR_KIND_TIMES && k < v->data->size; k++)
        if (us[k] == CR_TIME_MISSING + 1)
            return CR_FAIL(err, CR_RANGE, "%s: the time at position %lld lies more than 287,000 years from year 1", v->name ? v->name : "the array",
                           (long long)k);
    return CR_OK;
}

cr_status cr_labelled_load(cr_labelled *a, void *ret_values, size_t bytes, cr_err *err) {
    if (!a->var->data)
        return CR_FAIL(err, CR_TYPE, "%s is text; ask for cr_labelled_text_values", a->var->name ? a->var->name : "the array");
    if (bytes < (size_t)a->var->data->size * a->var->data->itemsize)
        return CR_FAIL(err, CR_LIMIT, "%zu bytes for %lld values of %zu bytes", bytes, (long long)a->var->data->size, a->var->data->itemsize);
    CR_TRY(cr_compute(a->context, 1, &a->var->data, &ret_values, err));
    return check_times(a->var, ret_values, err);
}

static bool in_memory(const cr_var *v) { return !v->data || strcmp(cr_array_op(v->data), "memory") == 0; }

/* v with its values in memory that is owned by the new array. */
static cr_status held(const cr_var *v, void *values, cr_var **ret_var, cr_err *err) {
    cr_auto_array cr_array *data = NULL;
    cr_auto_var cr_var *copy = NULL;
    cr_status status = check_times(v, values, err);
    if (status == CR_OK)
        status = cr_array_from_memory(v->data->dtype, 0, v->ndim, v->shape, NULL, NULL, values, free, values, &data, err);
    if (status != CR_OK) {
        free(values);
        return status;
    }
    CR_TRY(cr_var_renamed(v, v->name, &copy, err));
    cr_array_unref(copy->data);
    copy->data = data;
    data = NULL;
    *ret_var = copy;
    copy = NULL;
    return CR_OK;
}

cr_status cr_labelled_compute(cr_labelled *a, cr_labelled **ret_array, cr_err *err) {
    int n = a->n_coords + 1, lazy = 0;
    cr_auto_free cr_var **vars = calloc((size_t)n, sizeof *vars);
    cr_auto_free cr_array **arrays = calloc((size_t)n, sizeof *arrays);
    cr_auto_free void **out = calloc((size_t)n, sizeof *out);
    cr_auto_free int *which = calloc((size_t)n, sizeof *which);
    if (!vars || !arrays || !out || !which)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d variables", n);
    cr_status status = CR_OK;
    for (int k = 0; k < n; k++) {
        cr_var *v = k < a->n_coords ? a->coords[k] : a->var;
        vars[k] = cr_var_ref(v);
        if (in_memory(v) || status != CR_OK)
            continue;
        out[lazy] = malloc((size_t)v->data->size * v->data->itemsize + 1);
        if (!out[lazy])
            status = CR_FAIL(err, CR_MEMORY, "no memory for %lld values of %s", (long long)v->data->size, v->name ? v->name : "the array");
        arrays[lazy] = v->data;
        which[lazy++] = k;
    }
    if (status == CR_OK && lazy > 0)
        status = cr_compute(a->context, lazy, arrays, out, err);
    for (int j = 0; j < lazy; j++) {
        cr_var *old = vars[which[j]];
        if (status != CR_OK) {
            free(out[j]);
            continue;
        }
        status = held(old, out[j], &vars[which[j]], err);
        if (status == CR_OK)
            cr_var_unref(old);
    }
    if (status == CR_OK)
        status = cr_labelled_make(a->context, vars[n - 1], a->n_coords, vars, ret_array, err);
    for (int k = 0; k < n; k++)
        cr_var_unref(vars[k]);
    return status;
}

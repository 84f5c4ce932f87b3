/* pointwise.c - arithmetic, comparison and where on labelled arrays. */
#include <math.h>
#include <stdlib.h>

#include "engine/array/node.h"
#include "engine/dataset/variable.h"

static bool compares(cr_map_op op) { return op >= CR_MAP_EQUAL && op <= CR_MAP_GREATER_EQUAL; }

/* Missing times are equal to nothing and unequal to everything, as NaN is. */
static cr_status compare_times(cr_map_op op, cr_array **arrays, cr_array **ret_array, cr_err *err) {
    cr_auto_array cr_array *answer = NULL, *missing = NULL, *known = NULL, *one = NULL, *two = NULL, *nothing = NULL;
    int64_t value = CR_TIME_MISSING;
    CR_TRY(cr_array_scalar(CR_I64, &value, false, &nothing, err));
    CR_TRY(cr_array_map(op, arrays, &answer, err));
    CR_TRY(cr_array_map(CR_MAP_EQUAL, (cr_array *[]){arrays[0], nothing}, &one, err));
    CR_TRY(cr_array_map(CR_MAP_EQUAL, (cr_array *[]){arrays[1], nothing}, &two, err));
    CR_TRY(cr_array_map(CR_MAP_LOGICAL_OR, (cr_array *[]){one, two}, &missing, err));
    if (op == CR_MAP_NOT_EQUAL)
        return cr_array_map(CR_MAP_LOGICAL_OR, (cr_array *[]){answer, missing}, ret_array, err);
    CR_TRY(cr_array_map(CR_MAP_LOGICAL_NOT, &missing, &known, err));
    return cr_array_map(CR_MAP_LOGICAL_AND, (cr_array *[]){answer, known}, ret_array, err);
}

/* Whether the arguments are times that op can take. */
static cr_status check_times(cr_map_op op, int n, cr_labelled *const *args, bool *ret_times, cr_err *err) {
    int times = 0;
    for (int k = 0; k < n; k++)
        times += args[k]->var->kind == CR_KIND_TIMES;
    *ret_times = times > 0;
    if (times == 0)
        return CR_OK;
    if (!compares(op) || times < n) {
        cr_err_set(err, CR_TYPE, __FILE__, __LINE__, "%s of times%s is not possible", cr_map_name(op), times < n ? " and numbers" : "");
        cr_err_hint(err, "Times are compared with times. Their microseconds are numbers: cr_labelled_array, cr_labelled_new.");
        return CR_TYPE;
    }
    if (args[0]->var->calendar != args[1]->var->calendar)
        return CR_FAIL(err, CR_TYPE, "%s: times of the calendars %s and %s cannot be compared", cr_map_name(op),
                       cr_calendar_name(args[0]->var->calendar), cr_calendar_name(args[1]->var->calendar));
    return CR_OK;
}

/* The first argument that is no plain number gives the context. */
static cr_status check_contexts(const char *what, int n, cr_labelled *const *args, cr_err *err) {
    for (int k = 1; k < n; k++)
        if (args[k]->context != args[0]->context)
            return CR_FAIL(err, CR_INVALID, "%s: the arguments belong to different contexts", what);
    return CR_OK;
}

cr_status cr_labelled_map(cr_map_op op, cr_labelled *const *args, cr_labelled **ret_array, cr_err *err) {
    if ((unsigned)op >= CR_MAP_COUNT)
        return CR_FAIL(err, CR_INVALID, "there is no elementwise operation number %d", (int)op);
    if (op == CR_MAP_WHERE)
        return cr_labelled_where(args[1], args[0], args[2], ret_array, err);
    int n = cr_map_arity(op);
    bool times;
    cr_frame frame;
    cr_array *arrays[3] = {0};
    CR_TRY(check_contexts(cr_map_name(op), n, args, err));
    CR_TRY(check_times(op, n, args, &times, err));
    CR_TRY(cr_broadcast(cr_map_name(op), n, args, &frame, arrays, err));
    cr_auto_array cr_array *data = NULL;
    cr_status status = times ? compare_times(op, arrays, &data, err) : cr_array_map(op, arrays, &data, err);
    for (int k = 0; k < n; k++)
        cr_array_unref(arrays[k]);
    CR_TRY(status);
    cr_result_rules rules = {0};
    return cr_labelled_result(n, args, frame.ndim, frame.dims, data, &rules, ret_array, err);
}

cr_status cr_array_where_missing(cr_array *a, cr_array *keep, cr_array **ret_array, cr_err *err) {
    cr_dtype dtype = a->dtype;
    if (dtype == CR_BOOL) {
        cr_err_set(err, CR_TYPE, __FILE__, __LINE__, "where: bools have no missing value");
        cr_err_hint(err, "Name what stands where the condition does not hold.");
        return CR_TYPE;
    }
    if (cr_dtype_kind(dtype) != 'f')
        dtype = cr_dtype_size(dtype) <= 2 ? CR_F32 : CR_F64;
    double nan = NAN;
    cr_auto_array cr_array *real = NULL, *missing = NULL, *typed = NULL;
    CR_TRY(cr_array_cast(a, dtype, &real, err));
    CR_TRY(cr_array_scalar(CR_F64, &nan, false, &missing, err));
    CR_TRY(cr_array_cast(missing, dtype, &typed, err));
    return cr_array_map(CR_MAP_WHERE, (cr_array *[]){keep, real, typed}, ret_array, err);
}

static cr_status times_where_missing(cr_array *a, cr_array *keep, cr_array **ret_array, cr_err *err) {
    int64_t value = CR_TIME_MISSING;
    cr_auto_array cr_array *missing = NULL;
    CR_TRY(cr_array_scalar(CR_I64, &value, false, &missing, err));
    return cr_array_map(CR_MAP_WHERE, (cr_array *[]){keep, a, missing}, ret_array, err);
}

cr_status cr_labelled_where(cr_labelled *a, cr_labelled *condition, cr_labelled *other, cr_labelled **ret_array, cr_err *err) {
    cr_labelled *args[] = {a, condition, other};
    int n = other ? 3 : 2;
    cr_frame frame;
    cr_array *arrays[3] = {0};
    bool times = a->var->kind == CR_KIND_TIMES;
    CR_TRY(check_contexts("where", n, args, err));
    if (condition->var->kind == CR_KIND_TIMES)
        return CR_FAIL(err, CR_TYPE, "where: the condition is made of times");
    if (other && (other->var->kind == CR_KIND_TIMES) != times)
        return CR_FAIL(err, CR_TYPE, "where: times and numbers cannot be mixed");
    if (other && times && other->var->calendar != a->var->calendar)
        return CR_FAIL(err, CR_TYPE, "where: times of the calendars %s and %s cannot be mixed", cr_calendar_name(a->var->calendar),
                       cr_calendar_name(other->var->calendar));
    CR_TRY(cr_broadcast("where", n, args, &frame, arrays, err));
    cr_auto_array cr_array *data = NULL, *keep = NULL;
    cr_status status = cr_array_cast(arrays[1], CR_BOOL, &keep, err);
    if (status == CR_OK && other)
        status = cr_array_map(CR_MAP_WHERE, (cr_array *[]){keep, arrays[0], arrays[2]}, &data, err);
    else if (status == CR_OK)
        status = times ? times_where_missing(arrays[0], keep, &data, err) : cr_array_where_missing(arrays[0], keep, &data, err);
    for (int k = 0; k < n; k++)
        cr_array_unref(arrays[k]);
    CR_TRY(status);
    cr_result_rules rules = {.first_attrs = true, .first_name = true};
    CR_TRY(cr_labelled_result(n, args, frame.ndim, frame.dims, data, &rules, ret_array, err));
    (*ret_array)->var->kind = a->var->kind;
    (*ret_array)->var->calendar = a->var->calendar;
    return CR_OK;
}

/* A coordinate of several dimensions in the order of dims, as xarray turns them too; text stays. */
static cr_status transpose_coord(cr_var *v, int n, const char *const *dims, cr_var **ret_var, cr_err *err) {
    const char *own[CR_MAX_DIMS];
    int axes[CR_MAX_DIMS], k = 0;
    if (v->ndim < 2 || !v->data) {
        *ret_var = cr_var_ref(v);
        return CR_OK;
    }
    for (int d = 0; d < n; d++)
        if (cr_var_axis(v, dims[d]) >= 0) {
            own[k] = dims[d];
            axes[k++] = cr_var_axis(v, dims[d]);
        }
    cr_auto_array cr_array *data = NULL;
    cr_auto_var cr_var *turned = NULL;
    CR_TRY(cr_array_permute(v->data, axes, &data, err));
    CR_TRY(cr_var_new(v->name, k, own, data, v->kind, v->calendar, &turned, err));
    CR_TRY(cr_var_copy_attrs(turned, v->n_attrs, v->attrs, err));
    CR_TRY(cr_var_copy_encoding(turned, v->encoding, err));
    *ret_var = turned;
    turned = NULL;
    return CR_OK;
}

static cr_status with_turned_coords(cr_labelled *a, cr_var *var, cr_labelled **ret_array, cr_err *err) {
    cr_auto_free cr_var **coords = calloc((size_t)a->n_coords + 1, sizeof *coords);
    if (!coords)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d coordinates", a->n_coords);
    cr_status status = CR_OK;
    for (int k = 0; k < a->n_coords && status == CR_OK; k++)
        status = transpose_coord(a->coords[k], var->ndim, (const char *const *)var->dims, &coords[k], err);
    if (status == CR_OK)
        status = cr_labelled_make(a->context, var, a->n_coords, coords, ret_array, err);
    for (int k = 0; k < a->n_coords; k++)
        cr_var_unref(coords[k]);
    return status;
}

cr_status cr_labelled_transpose(cr_labelled *a, const char *const *dims, cr_labelled **ret_array, cr_err *err) {
    int axes[CR_MAX_DIMS], n;
    if (!a->var->data)
        return CR_FAIL(err, CR_TYPE, "transpose: %s is text", a->var->name ? a->var->name : "the array");
    if (a->var->ndim == 0) {
        *ret_array = cr_labelled_ref(a);
        return CR_OK;
    }
    CR_TRY(cr_labelled_axes(a, "transpose", a->var->ndim, dims, axes, &n, err));
    cr_auto_array cr_array *data = NULL;
    cr_auto_var cr_var *var = NULL;
    CR_TRY(cr_array_permute(a->var->data, axes, &data, err));
    CR_TRY(cr_var_new(a->var->name, a->var->ndim, dims, data, a->var->kind, a->var->calendar, &var, err));
    var->labels = a->var->ndim == 1 ? cr_labels_ref(a->var->labels) : NULL;
    CR_TRY(cr_var_copy_attrs(var, a->var->n_attrs, a->var->attrs, err));
    CR_TRY(cr_var_copy_encoding(var, a->var->encoding, err));
    return with_turned_coords(a, var, ret_array, err);
}

/* aggregate.c - reductions over named dimensions. */
#include <stdlib.h>

#include "engine/array/node.h"
#include "engine/dataset/aggregate.h"

static cr_status times_equal(cr_array *a, int64_t value, cr_array **ret_array, cr_err *err) {
    cr_auto_array cr_array *scalar = NULL;
    CR_TRY(cr_array_scalar(CR_I64, &value, false, &scalar, err));
    return cr_array_map(CR_MAP_EQUAL, (cr_array *[]){a, scalar}, ret_array, err);
}

static cr_status times_where(cr_array *condition, int64_t value, cr_array *other, cr_array **ret_array, cr_err *err) {
    cr_auto_array cr_array *scalar = NULL;
    CR_TRY(cr_array_scalar(CR_I64, &value, false, &scalar, err));
    return cr_array_map(CR_MAP_WHERE, (cr_array *[]){condition, scalar, other}, ret_array, err);
}

cr_status cr_fold_array(const cr_folding *f, cr_array *a, cr_reduction r, const cr_reduce_options *options, cr_array **ret_array, cr_err *err) {
    if (f->codes)
        return cr_array_group(r, a, f->n_axes, f->axes, f->codes, f->n_groups, options, ret_array, err);
    if (f->n_axes > 0)
        return cr_array_reduce(r, a, f->n_axes, f->axes, options, ret_array, err);
    /* No axis to reduce is the same as one axis of one element. */
    cr_auto_array cr_array *wider = NULL;
    CR_TRY(cr_array_expand(a, a->ndim, &wider, err));
    return cr_array_reduce(r, wider, 1, (int[]){a->ndim}, options, ret_array, err);
}

/* Missing times are the lowest number: min finds them by itself, max must be told. */
static cr_status fold_times(const cr_folding *f, cr_array *a, cr_reduction r, bool skipna, cr_array **ret_array, cr_err *err) {
    cr_auto_array cr_array *missing = NULL, *told = NULL, *folded = NULL, *empty = NULL, *present = NULL;
    CR_TRY(times_equal(a, CR_TIME_MISSING, &missing, err));
    if (r == CR_REDUCE_COUNT) {
        CR_TRY(cr_array_map(CR_MAP_LOGICAL_NOT, &missing, &present, err));
        return cr_fold_array(f, present, CR_REDUCE_SUM, NULL, ret_array, err);
    }
    if (r != CR_REDUCE_MIN && r != CR_REDUCE_MAX) {
        cr_err_set(err, CR_TYPE, __FILE__, __LINE__, "%s of times is not possible", cr_reduction_name(r));
        cr_err_hint(err, "Times can be counted, and have a min and a max.");
        return CR_TYPE;
    }
    CR_TRY(skipna && r == CR_REDUCE_MIN ? times_where(missing, INT64_MAX, a, &told, err) : cr_array_cast(a, CR_I64, &told, err));
    CR_TRY(cr_fold_array(f, told, r, NULL, &folded, err));
    CR_TRY(cr_fold_array(f, missing, skipna ? CR_REDUCE_ALL : CR_REDUCE_ANY, NULL, &empty, err));
    return times_where(empty, CR_TIME_MISSING, folded, ret_array, err);
}

static cr_status check_options(const char *name, const cr_labelled *a, const cr_reduce_options *options, cr_err *err) {
    if (!a->var->data)
        return CR_FAIL(err, CR_TYPE, "%s: %s is text", name, a->var->name ? a->var->name : "the array");
    if (options && options->keepdims)
        return CR_FAIL(err, CR_UNSUPPORTED, "%s: labelled arrays cannot keep a reduced dimension", name);
    return CR_OK;
}

cr_status cr_fold_labelled(cr_labelled *a, const cr_folding *f, cr_reduction r, const cr_reduce_options *options, cr_array **ret_array,
                           cr_err *err) {
    CR_TRY(check_options(cr_reduction_name(r), a, options, err));
    cr_reduce_options own = options ? *options : (cr_reduce_options){.skipna = true};
    if (a->var->kind == CR_KIND_TIMES)
        return fold_times(f, a->var->data, r, own.skipna, ret_array, err);
    own.skipna = own.skipna && cr_dtype_kind(a->var->data->dtype) == 'f';
    return cr_fold_array(f, a->var->data, r, &own, ret_array, err);
}

cr_status cr_labelled_reduce(cr_reduction r, cr_labelled *a, int n, const char *const *dims, const cr_reduce_options *options,
                             cr_labelled **ret_array, cr_err *err) {
    const char *name = cr_reduction_name(r);
    int axes[CR_MAX_DIMS];
    cr_folding f = {.axes = axes};
    CR_TRY(cr_labelled_axes(a, name, n, dims, axes, &f.n_axes, err));
    cr_auto_array cr_array *data = NULL;
    CR_TRY(cr_fold_labelled(a, &f, r, options, &data, err));
    const char *kept[CR_MAX_DIMS], *dropped[CR_MAX_DIMS + 1];
    int n_kept = 0, n_dropped = 0;
    for (int k = 0; k < a->var->ndim; k++) {
        bool reduced = false;
        for (int j = 0; j < f.n_axes; j++)
            reduced = reduced || axes[j] == k;
        if (reduced)
            dropped[n_dropped++] = a->var->dims[k];
        else
            kept[n_kept++] = a->var->dims[k];
    }
    dropped[n_dropped] = NULL;
    cr_result_rules rules = {.first_attrs = true, .drop_dims = dropped};
    CR_TRY(cr_labelled_result(1, &a, n_kept, kept, data, &rules, ret_array, err));
    if (a->var->kind == CR_KIND_TIMES && r != CR_REDUCE_COUNT) {
        (*ret_array)->var->kind = CR_KIND_TIMES;
        (*ret_array)->var->calendar = a->var->calendar;
    }
    return CR_OK;
}

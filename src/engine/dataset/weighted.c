/* weighted.c - the weighted mean: two sums in one scan. */
#include "engine/array/node.h"
#include "engine/dataset/aggregate.h"

/* Values with 0 in place of missing ones, times the weights; and the weights of what is not missing. Summed over the axes. */
static cr_status two_sums(cr_array *values, cr_array *weights, const cr_folding *f, cr_array **ret_sum, cr_array **ret_weight, cr_err *err) {
    cr_auto_array cr_array *present = NULL, *zero = NULL, *filled = NULL, *products = NULL, *present_weights = NULL, *wide = NULL, *exact = NULL;
    double nothing = 0;
    CR_TRY(cr_array_map(CR_MAP_EQUAL, (cr_array *[]){values, values}, &present, err)); /* NaN alone differs from itself */
    CR_TRY(cr_array_scalar(CR_F64, &nothing, true, &zero, err));
    if (cr_dtype_kind(values->dtype) == 'f')
        CR_TRY(cr_array_map(CR_MAP_WHERE, (cr_array *[]){present, values, zero}, &filled, err));
    else
        filled = cr_array_ref(values);
    CR_TRY(cr_array_cast(weights, weights->dtype == CR_BOOL ? CR_I64 : weights->dtype, &wide, err));
    CR_TRY(cr_array_map(CR_MAP_MULTIPLY, (cr_array *[]){filled, wide}, &products, err));
    /* The sum of float32 weights is not rounded to less than the result has. */
    CR_TRY(cr_array_cast(wide, cr_dtype_kind(wide->dtype) == 'f' ? products->dtype : wide->dtype, &exact, err));
    CR_TRY(cr_array_map(CR_MAP_MULTIPLY, (cr_array *[]){present, exact}, &present_weights, err));
    CR_TRY(cr_fold_array(f, products, CR_REDUCE_SUM, NULL, ret_sum, err));
    return cr_fold_array(f, present_weights, CR_REDUCE_SUM, NULL, ret_weight, err);
}

/* sum / weight, missing where the weight is 0. */
static cr_status quotient(cr_array *sum, cr_array *weight, cr_array **ret_array, cr_err *err) {
    cr_auto_array cr_array *zero = NULL, *counts = NULL, *valid = NULL;
    int64_t nothing = 0;
    CR_TRY(cr_array_scalar(CR_I64, &nothing, true, &zero, err));
    CR_TRY(cr_array_map(CR_MAP_NOT_EQUAL, (cr_array *[]){weight, zero}, &counts, err));
    CR_TRY(cr_array_where_missing(weight, counts, &valid, err));
    return cr_array_map(CR_MAP_DIVIDE, (cr_array *[]){sum, valid}, ret_array, err);
}

cr_status cr_weighted_mean(cr_labelled *a, cr_labelled *weights, int n, const char *const *dims, cr_labelled **ret_array, cr_err *err) {
    cr_labelled *args[] = {a, weights};
    cr_frame frame;
    cr_array *arrays[2] = {0};
    int axes[CR_MAX_DIMS];
    const char *kept[CR_MAX_DIMS], *dropped[CR_MAX_DIMS + 1];
    bool reduced[CR_MAX_DIMS] = {0};
    if (a->context != weights->context)
        return CR_FAIL(err, CR_INVALID, "weighted mean: the weights belong to another context");
    if (a->var->kind != CR_KIND_NUMBERS || weights->var->kind != CR_KIND_NUMBERS)
        return CR_FAIL(err, CR_TYPE, "weighted mean: values and weights must be numbers");
    CR_TRY(cr_broadcast("weighted mean", 2, args, &frame, arrays, err));
    cr_auto_array cr_array *values = arrays[0], *factors = arrays[1], *sum = NULL, *weight = NULL, *mean = NULL;
    for (int k = 0; k < n; k++) {
        int at = 0;
        while (at < frame.ndim && strcmp(frame.dims[at], dims[k]) != 0)
            at++;
        if (at == frame.ndim)
            return CR_FAIL(err, CR_NOT_FOUND, "weighted mean: neither the values nor the weights have the dimension %.100s", dims[k]);
        if (reduced[at])
            return CR_FAIL(err, CR_INVALID, "weighted mean: the dimension %s is named twice", dims[k]);
        reduced[at] = true;
    }
    int n_kept = 0, n_dropped = 0;
    for (int k = 0; k < frame.ndim; k++)
        if (n == 0 || reduced[k]) {
            axes[n_dropped] = k;
            dropped[n_dropped++] = frame.dims[k];
        } else {
            kept[n_kept++] = frame.dims[k];
        }
    dropped[n_dropped] = NULL;
    cr_folding f = {.n_axes = n_dropped, .axes = axes};
    /* The products have all axes, unless values and weights both lack the first ones: they cannot. */
    CR_TRY(two_sums(values, factors, &f, &sum, &weight, err));
    CR_TRY(quotient(sum, weight, &mean, err));
    cr_result_rules rules = {.first_attrs = true, .first_name = true, .drop_dims = dropped};
    return cr_labelled_result(2, args, n_kept, kept, mean, &rules, ret_array, err);
}

/* quantile.c - nodes of order statistics: quantiles and medians, plain and grouped. What they mean is the kernel's (rank.h). */
#include "craton/quantile.h"

#include <stdlib.h>

#include "engine/array/node.h"
#include "engine/kernel/rank.h"

/* ---- what is asked ---- */

typedef struct request {
    const char *name;
    uint32_t mask;
    int n_q;
    const double *q;
    const int32_t *codes;         /* NULL: not grouped */
    int64_t n_codes, n_groups;
} request;

static cr_status check_quantiles(int n_q, const double *q, cr_err *err) {
    if (n_q < 1 || n_q > CR_QUANTILE_MOST)
        return CR_FAIL(err, CR_LIMIT, "%d quantiles at once; 1 to %d are possible", n_q, CR_QUANTILE_MOST);
    for (int i = 0; i < n_q; i++)
        if (!(q[i] >= 0 && q[i] <= 1))
            return CR_FAIL(err, CR_RANGE, "quantile %d is %g; quantiles must be in the range [0, 1]", i, q[i]);
    return CR_OK;
}

static void order_quantiles(const double *q, int n, int32_t *ascending) {
    for (int i = 0; i < n; i++) {
        int k = i;
        for (; k > 0 && q[ascending[k - 1]] > q[i]; k--)
            ascending[k] = ascending[k - 1];
        ascending[k] = i;
    }
}

static cr_status make_params(const request *r, const cr_quantile_options *o, cr_quantile_params **ret_params, size_t *ret_bytes, cr_err *err) {
    size_t bytes = sizeof(cr_quantile_params) + (size_t)r->n_q * (sizeof(double) + sizeof(int32_t)) + (size_t)r->n_codes * sizeof(int32_t);
    cr_quantile_params *p = calloc(1, bytes);
    if (p == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for a %s of %lld group codes", r->name, (long long)r->n_codes);
    p->axes_mask = r->mask;
    p->n_q = r->n_q;
    p->grouped = r->codes != NULL;
    p->n_groups = r->n_groups;
    p->n_codes = r->n_codes;
    if (o != NULL) {
        p->method = r->n_q > 0 ? (int32_t)o->method : 0;
        p->skipna = o->skipna;
        p->own_type = o->own_type && r->n_q > 0;
        p->keepdims = o->keepdims && r->codes == NULL;
    }
    if (r->n_q > 0) {
        memcpy(p->q, r->q, (size_t)r->n_q * sizeof *r->q);
        order_quantiles(p->q, r->n_q, (int32_t *)(p->q + r->n_q));
    }
    if (r->n_codes > 0)
        memcpy((int32_t *)(p->q + r->n_q) + r->n_q, r->codes, (size_t)r->n_codes * sizeof *r->codes);
    *ret_params = p;
    *ret_bytes = bytes;
    return CR_OK;
}

/* ---- the node ---- */

/* Shape of the result, and for every axis the axis of the input whose cuts it takes; -1: one piece. */
static int result_shape(const cr_array *a, const cr_quantile_params *p, int64_t *shape, int *from, bool *ret_no_elements) {
    int ndim = 0;
    bool group_done = false;
    *ret_no_elements = false;
    if (p->n_q > 0) {
        shape[ndim] = p->n_q;
        from[ndim++] = -1;
    }
    for (int i = 0; i < a->ndim; i++) {
        if (!(p->axes_mask & (1u << i))) {
            shape[ndim] = a->shape[i];
            from[ndim++] = i;
            continue;
        }
        *ret_no_elements = *ret_no_elements || a->shape[i] == 0;
        if (p->keepdims || (p->grouped && !group_done)) {
            shape[ndim] = p->grouped ? p->n_groups : 1;
            from[ndim++] = -1;
        }
        group_done = true;
    }
    return ndim;
}

static cr_status quantile_new(cr_array *a, const request *r, const cr_quantile_options *o, cr_array **ret_array, cr_err *err) {
    if (o != NULL && (unsigned)o->method >= CR_QUANTILE_METHOD_COUNT)
        return CR_FAIL(err, CR_INVALID, "%s: there is no method number %d", r->name, (int)o->method);
    cr_auto_free cr_quantile_params *p = NULL;
    size_t bytes;
    CR_TRY(make_params(r, o, &p, &bytes, err));
    cr_rank what = {.in = a->dtype, .method = (cr_quantile_method)p->method, .own_type = p->own_type, .n_q = p->n_q};
    cr_dtype out;
    CR_TRY(cr_rank_type(&what, &out, err));
    int64_t shape[CR_MAX_DIMS + 1];
    int from[CR_MAX_DIMS + 1];
    bool nothing;
    int ndim = result_shape(a, p, shape, from, &nothing);
    if (nothing && !p->grouped && cr_dtype_kind(out) != 'f')
        return CR_FAIL(err, CR_INVALID, "%s of no elements has no value of type %s", r->name, cr_dtype_name(out));
    cr_node_spec spec = {.op = CR_OP_QUANTILE, .dtype = out, .ndim = ndim, .shape = shape, .n_inputs = 1, .inputs = &a, .params = p,
                         .params_bytes = bytes};
    cr_array *v;
    CR_TRY(cr_node_new(&spec, &v, err));
    cr_status status = cr_node_cut_along(v, a, from, err);
    if (status != CR_OK)
        cr_array_unref(v);
    else
        *ret_array = v;
    return status;
}

static cr_status plain(cr_array *a, request *r, int n_axes, const int *axes, const cr_quantile_options *o, cr_array **ret_array, cr_err *err) {
    CR_TRY(cr_axes_mask(r->name, a->ndim, n_axes, axes, &r->mask, err));
    return quantile_new(a, r, o, ret_array, err);
}

static cr_status grouped(cr_array *a, request *r, int n_axes, const int *axes, const cr_quantile_options *o, cr_array **ret_array, cr_err *err) {
    CR_TRY(cr_group_check(r->name, a, n_axes, axes, r->codes, r->n_groups, &r->mask, &r->n_codes, err));
    return quantile_new(a, r, o, ret_array, err);
}

cr_status cr_array_quantile(cr_array *a, int n_axes, const int *axes, int n_q, const double *q, const cr_quantile_options *options,
                            cr_array **ret_array, cr_err *err) {
    request r = {.name = "quantile", .n_q = n_q, .q = q, .n_groups = 1};
    CR_TRY(check_quantiles(n_q, q, err));
    return plain(a, &r, n_axes, axes, options, ret_array, err);
}

cr_status cr_array_median(cr_array *a, int n_axes, const int *axes, const cr_quantile_options *options, cr_array **ret_array, cr_err *err) {
    request r = {.name = "median", .n_groups = 1};
    return plain(a, &r, n_axes, axes, options, ret_array, err);
}

cr_status cr_array_quantile_group(cr_array *a, int n_axes, const int *axes, const int32_t *codes, int64_t n_groups, int n_q, const double *q,
                                  const cr_quantile_options *options, cr_array **ret_array, cr_err *err) {
    request r = {.name = "quantile", .n_q = n_q, .q = q, .codes = codes, .n_groups = n_groups};
    CR_TRY(check_quantiles(n_q, q, err));
    return grouped(a, &r, n_axes, axes, options, ret_array, err);
}

cr_status cr_array_median_group(cr_array *a, int n_axes, const int *axes, const int32_t *codes, int64_t n_groups,
                                const cr_quantile_options *options, cr_array **ret_array, cr_err *err) {
    request r = {.name = "median", .codes = codes, .n_groups = n_groups};
    return grouped(a, &r, n_axes, axes, options, ret_array, err);
}

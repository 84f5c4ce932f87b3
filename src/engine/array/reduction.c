/* reduction.c - nodes that fold axes away: plain and grouped. The arithmetic is the kernel's (fold.h). */
#include <stdlib.h>

#include "engine/array/node.h"
#include "engine/kernel/fold.h"

cr_status cr_axes_mask(const char *name, int ndim, int n_axes, const int *axes, uint32_t *ret_mask, cr_err *err) {
    uint32_t mask = 0;
    if (axes == NULL && n_axes == 0)
        mask = ndim == 32 ? UINT32_MAX : (1u << ndim) - 1;
    for (int i = 0; i < n_axes; i++) {
        int axis;
        CR_TRY(cr_axis_check(name, axes[i], ndim, &axis, err));
        if (mask & (1u << axis))
            return CR_FAIL(err, CR_INVALID, "%s: axis %d is named twice", name, axis);
        mask |= 1u << axis;
    }
    *ret_mask = mask;
    return CR_OK;
}

static void copy_options(cr_reduce_options *to, const cr_reduce_options *from) {
    if (from == NULL)
        return;
    to->skipna = from->skipna;
    to->keepdims = from->keepdims;
    to->ddof = from->ddof;
    to->min_count = from->min_count;
    to->has_dtype = from->has_dtype;
    if (from->has_dtype)
        to->dtype = from->dtype;
}

static bool needs_elements(cr_reduction r) {
    return r == CR_REDUCE_MIN || r == CR_REDUCE_MAX || r == CR_REDUCE_FIRST || r == CR_REDUCE_LAST;
}

/* Fills params, output type and shape of either form. codes NULL: not grouped. */
static cr_status reduce_new(cr_op_id op, cr_reduction r, cr_array *a, cr_reduce_params *p, cr_array **ret_array, cr_err *err) {
    const char *name = cr_reduction_name(r);
    const cr_fold *fold;
    cr_dtype out;
    CR_TRY(cr_fold_find(-1, r, a->dtype, &p->options, &fold, &out, err));
    int64_t shape[CR_MAX_DIMS], reduced = 1;
    int from[CR_MAX_DIMS], ndim = 0;  /* from[]: the input's axis whose cuts are kept; -1: one piece */
    bool group_axis_done = false;
    for (int i = 0; i < a->ndim; i++) {
        if (!(p->axes_mask & (1u << i))) {
            shape[ndim] = a->shape[i];
            from[ndim++] = i;
            continue;
        }
        reduced = a->shape[i] == 0 ? 0 : reduced;
        if (op == CR_OP_GROUP && !group_axis_done) {
            shape[ndim] = p->n_groups;
            from[ndim++] = -1;
            group_axis_done = true;
        } else if (op == CR_OP_REDUCE && p->options.keepdims) {
            shape[ndim] = 1;
            from[ndim++] = -1;
        }
    }
    if (op == CR_OP_REDUCE && reduced == 0) {
        if (r == CR_REDUCE_ARGMIN || r == CR_REDUCE_ARGMAX || (needs_elements(r) && cr_dtype_kind(out) != 'f'))
            return CR_FAIL(err, CR_INVALID, "%s of no elements has no value", name);
    }
    cr_node_spec spec = {.op = op, .dtype = out, .ndim = ndim, .shape = shape, .n_inputs = 1, .inputs = &a, .params = p,
                         .params_bytes = sizeof *p};
    cr_array *v;
    CR_TRY(cr_node_new(&spec, &v, err));
    cr_status status = cr_node_cut_along(v, a, from, err);
    if (status != CR_OK) {
        ((cr_reduce_params *)v->params)->release = NULL; /* the codes are still the caller's */
        cr_array_unref(v);
    } else {
        *ret_array = v;
    }
    return status;
}

cr_status cr_array_reduce(cr_reduction r, cr_array *a, int n_axes, const int *axes, const cr_reduce_options *options,
                          cr_array **ret_array, cr_err *err) {
    if ((unsigned)r >= CR_REDUCTION_COUNT)
        return CR_FAIL(err, CR_INVALID, "there is no reduction number %d", (int)r);
    cr_reduce_params p;
    memset(&p, 0, sizeof p);
    p.reduction = (int32_t)r;
    copy_options(&p.options, options);
    CR_TRY(cr_axes_mask(cr_reduction_name(r), a->ndim, n_axes, axes, &p.axes_mask, err));
    int reduced = __builtin_popcount(p.axes_mask);
    if ((r == CR_REDUCE_ARGMIN || r == CR_REDUCE_ARGMAX) && reduced != 1 && reduced != a->ndim)
        return CR_FAIL(err, CR_INVALID, "%s takes one axis or all, not %d of %d", cr_reduction_name(r), reduced, a->ndim);
    return reduce_new(CR_OP_REDUCE, r, a, &p, ret_array, err);
}

cr_status cr_group_check(const char *name, const cr_array *a, int n_axes, const int *axes, const int32_t *codes, int64_t n_groups,
                         uint32_t *ret_mask, int64_t *ret_n_codes, cr_err *err) {
    int64_t n = 1;
    if (n_axes < 1)
        return CR_FAIL(err, CR_INVALID, "%s by group needs at least one axis", name);
    if (n_groups < 0 || n_groups > INT32_MAX)
        return CR_FAIL(err, CR_INVALID, "%s by group: %lld groups", name, (long long)n_groups);
    CR_TRY(cr_axes_mask(name, a->ndim, n_axes, axes, ret_mask, err));
    for (int i = 0; i < a->ndim; i++) /* a product of some extents of an array that was accepted, unless another extent is 0 */
        if ((*ret_mask & (1u << i)) && (__builtin_mul_overflow(n, a->shape[i], &n) || n > (int64_t)(PTRDIFF_MAX / 16)))
            return CR_FAIL(err, CR_LIMIT, "%s by group: too many codes", name);
    for (int64_t i = 0; i < n; i++)
        if (codes[i] < -1 || codes[i] >= n_groups)
            return CR_FAIL(err, CR_RANGE, "%s by group: code %d at position %lld; codes are -1 to %lld", name, (int)codes[i],
                           (long long)i, (long long)n_groups - 1);
    *ret_n_codes = n;
    return CR_OK;
}

/* Grouping what was transposed is transposing what was grouped, if the grouped axes stay in order, in which the codes count. xarray
 * transposes to group and then back: both together are nothing, and the result is made where it is wanted, without a second pass.
 * axes: of the input of the transposition; order: what is to be done to that result. false: out of order. */
static bool group_below_permute(const cr_array *a, uint32_t mask, int *axes, int *ret_n_axes, int *order) {
    const int *from = a->params;
    int place[CR_MAX_DIMS], n = 0, group = -1, k = 0, n_axes = 0; /* place: in the result, of the inner array's axes */
    uint32_t inner = 0;
    for (int i = 0; i < a->ndim; i++) {
        if (!(mask & (1u << i)))
            continue;
        if (n_axes > 0 && from[i] < axes[n_axes - 1])
            return false;
        axes[n_axes++] = from[i];
        inner |= 1u << from[i];
    }
    for (int j = 0; j < a->ndim; j++) {
        place[j] = n;
        if (!(inner & (1u << j)))
            n++;
        else if (group < 0)
            group = n++;
    }
    bool done = false;
    for (int i = 0; i < a->ndim; i++) {
        if (!(mask & (1u << i)))
            order[k++] = place[from[i]];
        else if (!done)
            order[k++] = group;
        done = done || (mask & (1u << i));
    }
    *ret_n_axes = n_axes;
    return true;
}

/* release NULL: the codes are copied. */
static cr_status group_node(cr_reduction r, cr_array *a, int n_axes, const int *axes, const int32_t *codes, int64_t n_groups,
                            const cr_reduce_options *options, void (*release)(void *owner), void *owner, cr_array **ret_array, cr_err *err) {
    if ((unsigned)r >= CR_REDUCTION_COUNT)
        return CR_FAIL(err, CR_INVALID, "there is no reduction number %d", (int)r);
    const char *name = cr_reduction_name(r);
    uint32_t mask;
    int64_t n;
    CR_TRY(cr_group_check(name, a, n_axes, axes, codes, n_groups, &mask, &n, err));
    cr_auto_free int32_t *copy = NULL;
    if (release == NULL) {
        copy = malloc(((size_t)n + 1) * sizeof *copy);
        if (copy == NULL)
            return CR_FAIL(err, CR_MEMORY, "no memory for %lld group codes", (long long)n);
        if (n > 0)
            memcpy(copy, codes, (size_t)n * sizeof *codes);
    }
    cr_reduce_params p;
    memset(&p, 0, sizeof p);
    p.reduction = (int32_t)r;
    p.axes_mask = mask;
    p.n_groups = n_groups;
    copy_options(&p.options, options);
    p.codes = copy != NULL ? copy : codes;
    p.n_codes = n;
    p.release = release != NULL ? release : free;
    p.owner = release != NULL ? owner : copy;
    cr_status status = reduce_new(CR_OP_GROUP, r, a, &p, ret_array, err);
    if (status == CR_OK)
        copy = NULL;
    return status;
}

cr_status cr_array_group_node(cr_reduction r, cr_array *a, int n_axes, const int *axes, const int32_t *codes, int64_t n_groups,
                              const cr_reduce_options *options, cr_array **ret_array, cr_err *err) {
    return group_node(r, a, n_axes, axes, codes, n_groups, options, NULL, NULL, ret_array, err);
}

static cr_status group(cr_reduction r, cr_array *a, int n_axes, const int *axes, const int32_t *codes, int64_t n_groups,
                       const cr_reduce_options *options, void (*release)(void *owner), void *owner, cr_array **ret_array, cr_err *err) {
    int inner_axes[CR_MAX_DIMS], order[CR_MAX_DIMS];
    uint32_t mask;
    if (a->op != CR_OP_PERMUTE || n_axes < 1 || cr_axes_mask("", a->ndim, n_axes, axes, &mask, NULL) != CR_OK ||
        !group_below_permute(a, mask, inner_axes, &n_axes, order))
        return group_node(r, a, n_axes, axes, codes, n_groups, options, release, owner, ret_array, err);
    cr_array *below = NULL;
    CR_TRY(group_node(r, a->inputs[0], n_axes, inner_axes, codes, n_groups, options, release, owner, &below, err));
    cr_status status = cr_array_permute(below, order, ret_array, err);
    if (status != CR_OK && release != NULL)
        ((cr_reduce_params *)below->params)->release = NULL;
    cr_array_unref(below);
    return status;
}

cr_status cr_array_group(cr_reduction r, cr_array *a, int n_axes, const int *axes, const int32_t *codes, int64_t n_groups,
                         const cr_reduce_options *options, cr_array **ret_array, cr_err *err) {
    return group(r, a, n_axes, axes, codes, n_groups, options, NULL, NULL, ret_array, err);
}

cr_status cr_array_group_shared(cr_reduction r, cr_array *a, int n_axes, const int *axes, const int32_t *codes, int64_t n_groups,
                                const cr_reduce_options *options, void (*release)(void *owner), void *owner, cr_array **ret_array, cr_err *err) {
    if (release == NULL)
        return CR_FAIL(err, CR_INVALID, "%s by group: shared codes need a function that releases them", cr_reduction_name(r));
    return group(r, a, n_axes, axes, codes, n_groups, options, release, owner, ret_array, err);
}

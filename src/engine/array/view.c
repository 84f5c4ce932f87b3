/* view.c - the same elements seen otherwise: no view touches data; the plan composes them onto what lies below, so that only the chunks
 * that are looked at are read. */
#include <stdlib.h>

#include "engine/array/node.h"

static cr_status view_new(cr_op_id op, cr_array *a, int ndim, const int64_t *shape, const void *params, size_t params_bytes,
                          cr_array **ret_array, cr_err *err) {
    cr_node_spec spec = {.op = op, .dtype = a->dtype, .itemsize = a->itemsize, .ndim = ndim, .shape = shape, .n_inputs = 1,
                         .inputs = &a, .params = params, .params_bytes = params_bytes};
    return cr_node_new(&spec, ret_array, err);
}

static cr_status done(cr_array *v, cr_status status, cr_array **ret_array) {
    if (status == CR_OK)
        *ret_array = v;
    else
        cr_array_unref(v);
    return status;
}

cr_status cr_array_slice(cr_array *a, const cr_slice *slices, cr_array **ret_array, cr_err *err) {
    int64_t shape[CR_MAX_DIMS];
    cr_slice own[CR_MAX_DIMS];
    memset(own, 0, sizeof own);
    bool same = true;
    for (int i = 0; i < a->ndim; i++) {
        cr_slice s = slices[i];
        int64_t span, last;
        if (s.count < 0 || s.step == 0)
            return CR_FAIL(err, CR_INVALID, "slice of axis %d: step %lld, count %lld", i, (long long)s.step, (long long)s.count);
        if (s.count == 0)
            s.start = 0, s.step = 1;
        else if (s.count == 1)
            s.step = 1;
        if (s.count > 0 && (s.start < 0 || s.start >= a->shape[i] || __builtin_mul_overflow(s.count - 1, s.step, &span) ||
                            __builtin_add_overflow(s.start, span, &last) || last < 0 || last >= a->shape[i]))
            return CR_FAIL(err, CR_RANGE, "slice of axis %d: %lld elements from %lld in steps of %lld leave the extent %lld", i,
                           (long long)s.count, (long long)s.start, (long long)s.step, (long long)a->shape[i]);
        same = same && s.start == 0 && s.step == 1 && s.count == a->shape[i];
        own[i].start = s.start;
        own[i].step = s.step;
        own[i].count = shape[i] = s.count;
    }
    if (same) {
        *ret_array = cr_array_ref(a);
        return CR_OK;
    }
    cr_array *v;
    CR_TRY(view_new(CR_OP_SLICE, a, a->ndim, shape, own, (size_t)a->ndim * sizeof *own, &v, err));
    cr_status status = CR_OK;
    for (int i = 0; i < a->ndim && status == CR_OK; i++)
        status = cr_cuts_slice(a->cuts[i], own[i].start, own[i].step, own[i].count, &v->cuts[i], err);
    return done(v, status, ret_array);
}

cr_status cr_array_take(cr_array *a, int axis, const int64_t *index, int64_t n, cr_array **ret_array, cr_err *err) {
    CR_TRY(cr_axis_check("take", axis, a->ndim, &axis, err));
    if (n < 0 || n > (int64_t)(PTRDIFF_MAX / 16))
        return CR_FAIL(err, CR_INVALID, "take: %lld indices", (long long)n);
    size_t bytes = sizeof(cr_take_params) + (size_t)n * sizeof(int64_t);
    cr_auto_free cr_take_params *p = calloc(1, bytes);
    if (p == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for %lld indices", (long long)n);
    p->axis = axis;
    p->n = n;
    int64_t extent = a->shape[axis], shape[CR_MAX_DIMS];
    for (int64_t i = 0; i < n; i++) {
        if (index[i] < -extent || index[i] >= extent)
            return CR_FAIL(err, CR_RANGE, "take: index %lld is out of range for axis %d of extent %lld", (long long)index[i], axis,
                           (long long)extent);
        p->index[i] = index[i] < 0 ? index[i] + extent : index[i];
    }
    memcpy(shape, a->shape, (size_t)a->ndim * sizeof *shape);
    shape[axis] = n;
    cr_array *v;
    CR_TRY(view_new(CR_OP_TAKE, a, a->ndim, shape, p, bytes, &v, err));
    cr_status status = CR_OK;
    for (int i = 0; i < a->ndim && status == CR_OK; i++) {
        if (i == axis)
            status = cr_cuts_take(a->cuts[i], p->index, n, &v->cuts[i], err);
        else
            v->cuts[i] = cr_cuts_ref(a->cuts[i]);
    }
    return done(v, status, ret_array);
}

bool cr_array_permutation(const cr_array *a, int *ret_axes) {
    if (a->op == CR_OP_PERMUTE)
        memcpy(ret_axes, a->params, (size_t)a->ndim * sizeof *ret_axes);
    return a->op == CR_OP_PERMUTE;
}

cr_status cr_array_permute(cr_array *a, const int *axes, cr_array **ret_array, cr_err *err) {
    int64_t shape[CR_MAX_DIMS];
    int own[CR_MAX_DIMS] = {0};
    uint32_t seen = 0;
    bool same = true;
    for (int i = 0; i < a->ndim; i++) {
        CR_TRY(cr_axis_check("permute", axes[i], a->ndim, &own[i], err));
        if (seen & (1u << own[i]))
            return CR_FAIL(err, CR_INVALID, "permute: axis %d is named twice", own[i]);
        seen |= 1u << own[i];
        shape[i] = a->shape[own[i]];
        same = same && own[i] == i;
    }
    if (same) {
        *ret_array = cr_array_ref(a);
        return CR_OK;
    }
    if (a->op == CR_OP_PERMUTE) { /* one of one, so that going back leads to what was there */
        const int *before = a->params;
        for (int i = 0; i < a->ndim; i++)
            own[i] = before[own[i]];
        return cr_array_permute(a->inputs[0], own, ret_array, err);
    }
    cr_array *v;
    CR_TRY(view_new(CR_OP_PERMUTE, a, a->ndim, shape, own, (size_t)a->ndim * sizeof *own, &v, err));
    for (int i = 0; i < a->ndim; i++)
        v->cuts[i] = cr_cuts_ref(a->cuts[own[i]]);
    *ret_array = v;
    return CR_OK;
}

cr_status cr_array_expand(cr_array *a, int axis, cr_array **ret_array, cr_err *err) {
    if (a->ndim >= CR_MAX_DIMS)
        return CR_FAIL(err, CR_LIMIT, "%d axes; at most %d are possible", a->ndim + 1, CR_MAX_DIMS);
    CR_TRY(cr_axis_check("expand", axis, a->ndim + 1, &axis, err));
    int64_t shape[CR_MAX_DIMS];
    for (int i = 0; i <= a->ndim; i++)
        shape[i] = i == axis ? 1 : a->shape[i < axis ? i : i - 1];
    cr_array *v;
    CR_TRY(view_new(CR_OP_EXPAND, a, a->ndim + 1, shape, &axis, sizeof axis, &v, err));
    cr_status status = CR_OK;
    for (int i = 0; i <= a->ndim && status == CR_OK; i++) {
        if (i == axis)
            status = cr_cuts_regular(1, 1, 0, &v->cuts[i], err);
        else
            v->cuts[i] = cr_cuts_ref(a->cuts[i < axis ? i : i - 1]);
    }
    return done(v, status, ret_array);
}

cr_status cr_array_squeeze(cr_array *a, int axis, cr_array **ret_array, cr_err *err) {
    CR_TRY(cr_axis_check("squeeze", axis, a->ndim, &axis, err));
    if (a->shape[axis] != 1)
        return CR_FAIL(err, CR_INVALID, "squeeze: axis %d has the extent %lld, not 1", axis, (long long)a->shape[axis]);
    int64_t shape[CR_MAX_DIMS];
    for (int i = 0; i < a->ndim - 1; i++)
        shape[i] = a->shape[i < axis ? i : i + 1];
    cr_array *v;
    CR_TRY(view_new(CR_OP_SQUEEZE, a, a->ndim - 1, shape, &axis, sizeof axis, &v, err));
    for (int i = 0; i < a->ndim - 1; i++)
        v->cuts[i] = cr_cuts_ref(a->cuts[i < axis ? i : i + 1]);
    *ret_array = v;
    return CR_OK;
}

cr_status cr_array_broadcast(cr_array *a, int ndim, const int64_t *shape, cr_array **ret_array, cr_err *err) {
    char from[256], to[256];
    int lead = ndim - a->ndim;
    bool fits = lead >= 0 && ndim <= CR_MAX_DIMS, same = lead == 0;
    for (int i = 0; i < a->ndim && fits; i++) {
        fits = a->shape[i] == shape[lead + i] || a->shape[i] == 1;
        same = same && a->shape[i] == shape[lead + i];
    }
    if (!fits)
        return CR_FAIL(err, CR_INVALID, "an array of shape %s cannot be broadcast to %s", cr_shape_text(a->ndim, a->shape, from, sizeof from),
                       ndim >= 0 && ndim <= CR_MAX_DIMS ? cr_shape_text(ndim, shape, to, sizeof to) : "that many axes");
    if (same) {
        *ret_array = cr_array_ref(a);
        return CR_OK;
    }
    cr_array *v;
    CR_TRY(view_new(CR_OP_BROADCAST, a, ndim, shape, NULL, 0, &v, err));
    cr_status status = CR_OK;
    for (int i = 0; i < ndim && status == CR_OK; i++) {
        if (i >= lead && a->shape[i - lead] == shape[i])
            v->cuts[i] = cr_cuts_ref(a->cuts[i - lead]);
        else /* repeated: one piece, as it costs nothing to make */
            status = cr_cuts_regular(shape[i], shape[i], 0, &v->cuts[i], err);
    }
    return done(v, status, ret_array);
}

static cr_status concat_cuts(int n, cr_array *const *arrays, int axis, cr_cuts **ret_cuts, cr_err *err) {
    int64_t pieces = 0, at = 0, k = 0;
    for (int i = 0; i < n; i++)
        pieces += arrays[i]->cuts[axis]->n;
    if (pieces > (int64_t)1 << 40)
        return CR_FAIL(err, CR_LIMIT, "concat: %lld chunks along axis %d", (long long)pieces, axis);
    int64_t *ends = malloc((size_t)(pieces + 1) * sizeof *ends);
    if (ends == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for a chunk grid of %lld pieces", (long long)pieces);
    for (int i = 0; i < n; i++) {
        const cr_cuts *c = arrays[i]->cuts[axis];
        for (int64_t j = 1; j <= c->n; j++)
            ends[k++] = at + cr_cuts_begin(c, j);
        at += c->extent;
    }
    cr_status status = cr_cuts_list(ends, k, ret_cuts, err);
    free(ends);
    return status;
}

/* All inputs of one type: where they differ, casts are put before. */
cr_status cr_array_concat(int n, cr_array *const *arrays, int axis, cr_array **ret_array, cr_err *err) {
    if (n < 1)
        return CR_FAIL(err, CR_INVALID, "concat needs at least one array");
    cr_array *first = arrays[0];
    CR_TRY(cr_axis_check("concat", axis, first->ndim, &axis, err));
    int64_t shape[CR_MAX_DIMS];
    memcpy(shape, first->shape, (size_t)first->ndim * sizeof *shape);
    cr_dtype type = first->dtype;
    for (int i = 1; i < n; i++) {
        char a[256], b[256];
        bool fits = arrays[i]->ndim == first->ndim;
        for (int d = 0; d < first->ndim && fits; d++)
            fits = d == axis || arrays[i]->shape[d] == first->shape[d];
        if (!fits)
            return CR_FAIL(err, CR_INVALID, "concat along axis %d: array %d has shape %s, the first has %s", axis, i,
                           cr_shape_text(arrays[i]->ndim, arrays[i]->shape, a, sizeof a),
                           cr_shape_text(first->ndim, first->shape, b, sizeof b));
        if (__builtin_add_overflow(shape[axis], arrays[i]->shape[axis], &shape[axis]))
            return CR_FAIL(err, CR_LIMIT, "concat: the extent of axis %d overflows", axis);
        if ((type == CR_BYTES || arrays[i]->dtype == CR_BYTES) &&
            (type != arrays[i]->dtype || first->itemsize != arrays[i]->itemsize))
            return CR_FAIL(err, CR_TYPE, "concat: array %d is %s of %zu bytes, the first is %s of %zu bytes", i,
                           cr_dtype_name(arrays[i]->dtype), arrays[i]->itemsize, cr_dtype_name(type), first->itemsize);
        if (type != arrays[i]->dtype)
            type = cr_dtype_promote(type, arrays[i]->dtype);
    }
    if (n == 1) {
        *ret_array = cr_array_ref(first);
        return CR_OK;
    }
    cr_array **inputs = calloc((size_t)n, sizeof *inputs), *v = NULL;
    if (inputs == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d inputs", n);
    cr_status status = CR_OK;
    int m = 0; /* inputs of extent 0 along the axis bring nothing but their type */
    for (int i = 0; i < n && status == CR_OK; i++) {
        if (arrays[i]->shape[axis] == 0 && !(i == n - 1 && m == 0))
            continue;
        if (arrays[i]->dtype == type)
            inputs[m] = cr_array_ref(arrays[i]);
        else
            status = cr_array_cast(arrays[i], type, &inputs[m], err);
        m += status == CR_OK;
    }
    if (status == CR_OK && m == 1) {
        v = cr_array_ref(inputs[0]);
    } else if (status == CR_OK) {
        cr_node_spec spec = {.op = CR_OP_CONCAT, .dtype = type, .itemsize = first->dtype == CR_BYTES ? first->itemsize : 0,
                             .ndim = first->ndim, .shape = shape, .n_inputs = m, .inputs = inputs, .params = &axis,
                             .params_bytes = sizeof axis};
        int longest = 0; /* not what is put before or behind it */
        for (int i = 1; i < m; i++)
            longest = inputs[i]->shape[axis] > inputs[longest]->shape[axis] ? i : longest;
        status = cr_node_new(&spec, &v, err);
        for (int d = 0; d < first->ndim && status == CR_OK; d++) {
            if (d == axis)
                status = concat_cuts(m, inputs, axis, &v->cuts[d], err);
            else
                v->cuts[d] = cr_cuts_ref(inputs[longest]->cuts[d]);
        }
    }
    for (int i = 0; i < m; i++)
        cr_array_unref(inputs[i]);
    free(inputs);
    return done(v, status, ret_array);
}

cr_status cr_array_rechunk(cr_array *a, const int64_t *chunks, cr_array **ret_array, cr_err *err) {
    int64_t own[CR_MAX_DIMS] = {0};
    for (int i = 0; i < a->ndim; i++) {
        if (chunks[i] < 1 && !(chunks[i] == 0 && a->shape[i] == 0))
            return CR_FAIL(err, CR_INVALID, "rechunk: axis %d has the chunk size %lld", i, (long long)chunks[i]);
        own[i] = CR_MAX(1, CR_MIN(chunks[i], a->shape[i]));
    }
    cr_array *v;
    CR_TRY(view_new(CR_OP_RECHUNK, a, a->ndim, a->shape, own, (size_t)a->ndim * sizeof *own, &v, err));
    return done(v, cr_node_cut(v, own, err), ret_array);
}

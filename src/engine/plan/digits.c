/* digits.c - quantiles whose series do not fit the memory, in other terms.
 *
 * A rank is found without holding the values: a pass over them counts the highest digits of their keys (rank.h); the counts say which
 * digit the wanted key has, and its rank among those that share it; the next pass counts the next digit of these, and so on until
 * the key is known. Every pass is a reduction (NARROW) of digits (DIGIT) that are made from the elements and the result of the pass
 * before, so that planning and running know nothing new: the passes of several ranks over one source are one scan.
 *
 * A quantile grouped along one axis first becomes one quantile per group, of the elements of that group; along several axes, passes that
 * look at one group each.
 *
 * The graph is rebuilt from these nodes up; what does not depend on them stays shared.
 */
#include <stdlib.h>

#include "engine/plan/plan.h"

#define MOST_GROUPS 4096
#define MOST_CHAINS 256           /* quantiles times groups of one node */

/* ---- steps: each takes the reference in *at and leaves a new one ---- */

static cr_status replace_with(cr_array **at, cr_status status, cr_array *next) {
    cr_array_unref(*at);
    *at = status == CR_OK ? next : NULL;
    return status;
}

static cr_status step_expand(cr_array **at, int axis, cr_err *err) {
    cr_array *next = NULL;
    cr_status status = cr_array_expand(*at, axis, &next, err);
    return replace_with(at, status, next);
}

/* Row i of the first axis. */
static cr_status row_of(cr_array *a, int64_t i, cr_array **ret_row, cr_err *err) {
    cr_slice slices[CR_MAX_DIMS];
    cr_array *one = NULL, *row = NULL;
    for (int d = 0; d < a->ndim; d++)
        slices[d] = d == 0 ? (cr_slice){i, 1, 1} : (cr_slice){0, 1, a->shape[d]};
    CR_TRY(cr_array_slice(a, slices, &one, err));
    cr_status status = cr_array_squeeze(one, 0, &row, err);
    cr_array_unref(one);
    if (status == CR_OK)
        *ret_row = row;
    return status;
}

/* The parts along a new axis; takes their references. */
static cr_status stack(cr_array **parts, int n, int axis, cr_array **ret_array, cr_err *err) {
    cr_status status = CR_OK;
    for (int i = 0; i < n && status == CR_OK; i++)
        status = step_expand(&parts[i], axis, err);
    if (status == CR_OK && n == 1)
        *ret_array = cr_array_ref(parts[0]);
    else if (status == CR_OK)
        status = cr_array_concat(n, parts, axis, ret_array, err);
    for (int i = 0; i < n; i++)
        cr_array_unref(parts[i]);
    return status;
}

/* ---- nodes ---- */

static cr_status with_cuts(const cr_node_spec *spec, const cr_array *like, const int *from, cr_array **ret_array, cr_err *err) {
    cr_array *v;
    CR_TRY(cr_node_new(spec, &v, err));
    cr_status status = CR_OK;
    for (int i = 0; i < spec->ndim && status == CR_OK; i++) {
        if (from[i] >= 0)
            v->cuts[i] = cr_cuts_ref(like->cuts[from[i]]);
        else
            status = cr_cuts_regular(spec->shape[i], spec->shape[i], 0, &v->cuts[i], err);
    }
    if (status != CR_OK)
        cr_array_unref(v);
    else
        *ret_array = v;
    return status;
}

static cr_status digit_node(cr_array *x, cr_array *prefix, cr_array *codes, const cr_digit_params *p, cr_array **ret_array, cr_err *err) {
    cr_array *inputs[3] = {x};
    int from[CR_MAX_DIMS], n_inputs = 1;
    if (prefix != NULL)
        inputs[n_inputs++] = prefix;
    if (codes != NULL)
        inputs[n_inputs++] = codes;
    for (int d = 0; d < x->ndim; d++)
        from[d] = d;
    cr_node_spec spec = {.op = CR_OP_DIGIT, .dtype = CR_I32, .ndim = x->ndim, .shape = x->shape, .n_inputs = n_inputs,
                         .inputs = inputs, .params = p, .params_bytes = sizeof *p};
    return with_cuts(&spec, x, from, ret_array, err);
}

static cr_status narrow_node(cr_array *digits, cr_array *before, const cr_digit_params *p, cr_array **ret_array, cr_err *err) {
    cr_array *inputs[] = {digits, before};
    int64_t shape[CR_MAX_DIMS + 1] = {3};
    int from[CR_MAX_DIMS + 1] = {-1}, ndim = 1;
    for (int d = 0; d < digits->ndim; d++)
        if (!(p->axes_mask & (1u << d))) {
            shape[ndim] = digits->shape[d];
            from[ndim++] = d;
        }
    cr_node_spec spec = {.op = CR_OP_NARROW, .dtype = CR_U64, .ndim = ndim, .shape = shape, .n_inputs = before != NULL ? 2 : 1,
                         .inputs = inputs, .params = p, .params_bytes = sizeof *p};
    return with_cuts(&spec, digits, from, ret_array, err);
}

static cr_status between_node(cr_array *const *inputs, const cr_digit_params *p, cr_array **ret_array, cr_err *err) {
    const cr_array *like = inputs[0];
    int from[CR_MAX_DIMS];
    for (int d = 0; d < like->ndim; d++)
        from[d] = d;
    cr_node_spec spec = {.op = CR_OP_BETWEEN, .dtype = (cr_dtype)p->out, .ndim = like->ndim, .shape = like->shape, .n_inputs = 3,
                         .inputs = inputs, .params = p, .params_bytes = sizeof *p};
    return with_cuts(&spec, like, from, ret_array, err);
}

/* ---- one rank ---- */

/* The digits known so far, in the shape of x. */
static cr_status prefix_of(cr_array *before, const cr_array *x, uint32_t axes_mask, cr_array **ret_prefix, cr_err *err) {
    cr_array *at = NULL;
    CR_TRY(row_of(before, 0, &at, err));
    for (int d = 0; d < x->ndim; d++)
        if (axes_mask & (1u << d))
            CR_TRY(step_expand(&at, d, err));
    *ret_prefix = at;
    return CR_OK;
}

/* All passes for one rank: prefix, rank and number of values, as rows. */
static cr_status chain(cr_array *x, cr_array *codes, const cr_digit_params *quantile, int bits, cr_array **ret_last, cr_err *err) {
    int width = 8 * (int)cr_dtype_size(x->dtype);
    cr_array *last = NULL;
    cr_status status = CR_OK;
    for (int known = 0; known < width && status == CR_OK; known += bits) {
        cr_digit_params p = *quantile;
        cr_array *prefix = NULL, *digits = NULL, *next = NULL;
        p.shift = width - known - bits;
        p.bits = bits;
        p.first = known == 0;
        if (!p.first)
            status = prefix_of(last, x, p.axes_mask, &prefix, err);
        cr_digit_params d = p; /* what digits do not depend on is left out: then the ranks of several quantiles share them */
        d.axes_mask = 0;
        d.method = d.skipna = d.own_type = d.median = d.above = 0;
        d.out = CR_I32;
        d.q = 0;
        d.n = 0;
        if (status == CR_OK)
            status = digit_node(x, prefix, codes, &d, &digits, err);
        if (status == CR_OK)
            status = narrow_node(digits, last, &p, &next, err);
        cr_array_unref(prefix);
        cr_array_unref(digits);
        cr_array_unref(last);
        last = status == CR_OK ? next : NULL;
    }
    if (status == CR_OK)
        *ret_last = last;
    return status;
}

static cr_status quantile_by_digits(cr_array *x, cr_array *codes, const cr_digit_params *p, bool two, int bits, cr_array **ret_array, cr_err *err) {
    cr_digit_params above = *p;
    cr_array *chains[2] = {NULL, NULL}, *rows[3] = {NULL, NULL, NULL};
    above.above = 1;
    cr_status status = chain(x, codes, p, bits, &chains[0], err);
    if (status == CR_OK)
        status = two ? chain(x, codes, &above, bits, &chains[1], err) : CR_OK;
    if (status == CR_OK)
        status = row_of(chains[0], 0, &rows[0], err);
    if (status == CR_OK)
        status = row_of(chains[two], 0, &rows[1], err);
    if (status == CR_OK)
        status = row_of(chains[0], 2, &rows[2], err);
    if (status == CR_OK)
        status = between_node(rows, p, ret_array, err);
    for (int i = 0; i < 3; i++) {
        cr_array_unref(rows[i]);
        cr_array_unref(chains[i % 2]);
        chains[i % 2] = NULL;
    }
    return status;
}

/* ---- a quantile node ---- */

static bool has_two_ranks(const cr_quantile_params *q) {
    cr_rank rank = {.method = (cr_quantile_method)q->method, .n_q = q->n_q};
    return !cr_rank_discrete(&rank);
}

/* Digits as wide as their counters find room; a quarter of it, for several states of each. */
static int choose_bits(int width, int64_t series, double chains, uint64_t room) {
    static const int choices[] = {16, 8, 4};
    for (size_t i = 0; i < CR_ARRAY_LEN(choices); i++)
        if (choices[i] <= width && (double)series * chains * (double)((uint64_t)64 << choices[i]) <= (double)room / 4)
            return choices[i];
    return 4;
}

/* All quantiles of all elements, or (codes not NULL) of the n elements of one group. */
static cr_status plain_instead(const cr_array *old, cr_array *x, cr_array *codes, int32_t group, int64_t n, int bits, cr_array **ret_array,
                               cr_err *err) {
    const cr_quantile_params *q = old->params;
    int n_places = CR_MAX(1, q->n_q), made = 0;
    cr_auto_free cr_array **parts = calloc((size_t)n_places, sizeof *parts);
    if (parts == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan");
    cr_status status = CR_OK;
    for (; made < n_places && status == CR_OK; made++) {
        cr_digit_params p;
        memset(&p, 0, sizeof p);
        p.axes_mask = q->axes_mask;
        p.in = x->dtype;
        p.out = old->dtype;
        p.method = q->method;
        p.skipna = q->skipna;
        p.own_type = q->own_type;
        p.median = q->n_q == 0;
        p.masked = codes != NULL;
        p.group = group;
        p.q = q->n_q > 0 ? q->q[made] : 0;
        p.n = n;
        status = quantile_by_digits(x, codes, &p, has_two_ranks(q), bits, &parts[made], err);
        for (int d = 0; d < x->ndim && q->keepdims && status == CR_OK; d++)
            if (q->axes_mask & (1u << d))
                status = step_expand(&parts[made], d, err);
    }
    if (status == CR_OK && q->n_q > 0)
        return stack(parts, n_places, 0, ret_array, err);
    if (status == CR_OK)
        *ret_array = parts[0];
    for (int i = 0; i < made && status != CR_OK; i++)
        cr_array_unref(parts[i]);
    return status;
}

static int bits_for(const cr_array *old, const cr_array *x, uint64_t room, int64_t *ret_n) {
    const cr_quantile_params *q = old->params;
    int64_t series = 1, n = 1;
    for (int d = 0; d < x->ndim; d++)
        *(q->axes_mask & (1u << d) ? &n : &series) *= x->shape[d];
    *ret_n = n;
    return choose_bits(8 * (int)cr_dtype_size(x->dtype), series, (double)q->n_groups * CR_MAX(1, q->n_q) * (1 + has_two_ranks(q)), room);
}

static cr_status all_instead(const cr_array *old, cr_array *x, uint64_t room, cr_array **ret_array, cr_err *err) {
    int64_t n;
    int bits = bits_for(old, x, room, &n);
    return plain_instead(old, x, NULL, 0, n, bits, ret_array, err);
}

/* Where the groups lie in the result. */
static int group_axis_of(const cr_quantile_params *q) { return __builtin_ctz(q->axes_mask) + (q->n_q > 0); }

/* Groups along several axes: the codes become an array beside x. */
static cr_status masks_instead(const cr_array *old, cr_array *x, uint64_t room, cr_array **ret_array, cr_err *err) {
    const cr_quantile_params *q = old->params;
    const int32_t *codes = cr_quantile_codes(q);
    int64_t shape[CR_MAX_DIMS], n;
    int bits = bits_for(old, x, room, &n), made = 0;
    cr_array *beside = NULL;
    cr_auto_free cr_array **parts = calloc((size_t)q->n_groups + 1, sizeof *parts);
    cr_auto_free int64_t *members = calloc((size_t)q->n_groups + 1, sizeof *members);
    if (parts == NULL || members == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan");
    for (int64_t i = 0; i < q->n_codes; i++)
        if (codes[i] >= 0)
            members[codes[i]]++;
    for (int d = 0; d < x->ndim; d++)
        shape[d] = q->axes_mask & (1u << d) ? x->shape[d] : 1;
    CR_TRY(cr_array_copy_memory(CR_I32, x->ndim, shape, codes, &beside, err));
    cr_status status = CR_OK;
    for (; made < q->n_groups && status == CR_OK; made++)
        status = plain_instead(old, x, beside, made, members[made], bits, &parts[made], err);
    cr_array_unref(beside);
    if (status == CR_OK)
        return stack(parts, made, group_axis_of(q), ret_array, err);
    for (int i = 0; i < made; i++)
        cr_array_unref(parts[i]);
    return status;
}

/* The quantile of one group. */
static cr_status group_instead(const cr_array *old, cr_array *x, int axis, const int64_t *members, int64_t n, cr_array **ret_array, cr_err *err) {
    const cr_quantile_params *q = old->params;
    cr_quantile_options o;
    memset(&o, 0, sizeof o);
    o.method = (cr_quantile_method)q->method;
    o.skipna = q->skipna;
    o.own_type = q->own_type;
    if (n == 0) {
        int64_t shape[CR_MAX_DIMS + 1];
        uint64_t nothing = 0;
        int group_axis = group_axis_of(q), ndim = 0;
        cr_fold_put_missing(old->dtype, &nothing, 1);
        for (int i = 0; i < old->ndim; i++)
            if (i != group_axis)
                shape[ndim++] = old->shape[i];
        return cr_array_full(old->dtype, ndim, shape, NULL, &nothing, ret_array, err);
    }
    cr_array *taken = NULL;
    CR_TRY(cr_array_take(x, axis, members, n, &taken, err));
    cr_status status = q->n_q > 0 ? cr_array_quantile(taken, 1, &axis, q->n_q, q->q, &o, ret_array, err)
                                  : cr_array_median(taken, 1, &axis, &o, ret_array, err);
    cr_array_unref(taken);
    return status;
}

static cr_status groups_instead(const cr_array *old, cr_array *x, cr_array **ret_array, cr_err *err) {
    const cr_quantile_params *q = old->params;
    const int32_t *codes = cr_quantile_codes(q);
    int axis = __builtin_ctz(q->axes_mask), made = 0;
    cr_auto_free cr_array **parts = calloc((size_t)q->n_groups + 1, sizeof *parts);
    cr_auto_free int64_t *members = malloc(((size_t)q->n_codes + 1) * sizeof *members);
    if (parts == NULL || members == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan");
    cr_status status = CR_OK;
    for (; made < q->n_groups && status == CR_OK; made++) {
        int64_t n = 0;
        for (int64_t i = 0; i < q->n_codes; i++)
            if (codes[i] == made)
                members[n++] = i;
        status = group_instead(old, x, axis, members, n, &parts[made], err);
    }
    if (status == CR_OK)
        return stack(parts, made, group_axis_of(q), ret_array, err);
    for (int i = 0; i < made; i++)
        cr_array_unref(parts[i]);
    return status;
}

static cr_status instead(const cr_array *old, cr_array *x, uint64_t room, cr_array **ret_array, cr_err *err) {
    const cr_quantile_params *q = old->params;
    if (!q->grouped)
        return all_instead(old, x, room, ret_array, err);
    if (__builtin_popcount(q->axes_mask) == 1)
        return groups_instead(old, x, ret_array, err);
    return masks_instead(old, x, room, ret_array, err);
}

static bool can_replace(const cr_array *a) {
    const cr_quantile_params *q = a->params;
    if (q->grouped && __builtin_popcount(q->axes_mask) == 1)
        return q->n_groups >= 1 && q->n_groups <= MOST_GROUPS;
    return q->n_groups >= 1 && q->n_groups * CR_MAX(1, q->n_q) <= MOST_CHAINS && a->inputs[0]->ndim < CR_MAX_DIMS;
}

/* ---- the graph ---- */

static cr_status rebuild(const cr_plan *plan, int32_t id, const bool *replace, uint64_t room, cr_array **made, cr_err *err) {
    const cr_plan_node *n = &plan->nodes[id];
    const cr_array *a = n->node;
    bool same = true;
    for (int i = 0; i < a->n_inputs; i++)
        same = same && made[n->inputs[i]] == plan->nodes[n->inputs[i]].node;
    if (replace[id] && can_replace(a))
        return instead(a, made[n->inputs[0]], room, &made[id], err);
    if (same) {
        made[id] = cr_array_ref((cr_array *)a);
        return CR_OK;
    }
    cr_auto_free cr_array **inputs = calloc((size_t)a->n_inputs, sizeof *inputs);
    if (inputs == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan");
    for (int i = 0; i < a->n_inputs; i++)
        inputs[i] = made[n->inputs[i]];
    return cr_graph_again(a, inputs, &made[id], err);
}

cr_status cr_digits_instead(const cr_plan *plan, const bool *replace, uint64_t room_bytes, cr_array **ret_arrays, bool *ret_changed,
                            cr_err *err) {
    cr_auto_free cr_array **made = calloc((size_t)plan->n_nodes + 1, sizeof *made);
    cr_status status = made == NULL ? CR_FAIL(err, CR_MEMORY, "no memory to plan") : CR_OK;
    *ret_changed = false;
    for (int32_t id = 0; id < plan->n_nodes && status == CR_OK; id++) { /* inputs come before what is made of them */
        *ret_changed = *ret_changed || (replace[id] && can_replace(plan->nodes[id].node));
        status = rebuild(plan, id, replace, room_bytes, made, err);
    }
    *ret_changed = *ret_changed && status == CR_OK;
    for (int i = 0; i < plan->n_outputs && *ret_changed; i++)
        ret_arrays[i] = cr_array_ref(made[plan->output_nodes[i]]);
    for (int32_t id = 0; id < plan->n_nodes && made != NULL; id++)
        cr_array_unref(made[id]);
    return status;
}

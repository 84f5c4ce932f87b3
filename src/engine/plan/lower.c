/* lower.c - from a node to a flat program: views vanish into the accesses of the leaves, elementwise nodes become calls of kernels, a concat
 * becomes a choice between values that exist in scopes. Iterative, with a memo on (node, access, scope), so that what is shared is computed once.
 *
 * First all that is looked at is collected, users before what they use: what several look at through the same access, in boxes of the domain that
 * overlap, is looked at once, in a box that holds theirs. Shifts of shifts would otherwise have a part for every way that leads to it. */
#include <stdlib.h>

#include "engine/plan/plan.h"

#define MOST_VALUES (1 << 24)
#define MOST_SEGMENTS ((int64_t)1 << 22)
#define MOST_BOXES 64              /* in which a node is looked at through one access, that are tried for one more */
#define STRIP_BYTES (24 << 10)     /* registers of a strip: half of a usual level 1 cache */

void cr_program_init(cr_plan *plan, cr_program *p, int ndim, const int64_t *shape) {
    memset(p, 0, sizeof *p);
    p->ndim = ndim;
    if (ndim > 0)
        memcpy(p->shape, shape, (size_t)ndim * sizeof *shape);
    /* Compositions hold index tables as long as the domain's axes, so they are good for one domain only. */
    cr_idtable_done(&plan->composed);
}

void cr_program_done(cr_program *p) {
    for (int32_t i = 0; i < p->n_leaves; i++)
        if (p->leaves[i].inner != NULL) /* no deeper than CR_NESTED_MOST */
            cr_program_done(&p->leaves[i].inner->program);
    free(p->values);
    free(p->leaves);
    free(p->scopes);
    free(p->borders);
    free(p->scope_begin);
    free(p->scope_values);
    free(p->scope_dims);
    cr_idtable_done(&p->memo);
}

uint64_t cr_program_bytes(const cr_program *p) {
    uint64_t scope = 2 * (uint64_t)p->ndim * sizeof *p->scopes;
    return (uint64_t)p->cap_values * (sizeof *p->values + sizeof *p->scope_values) + (uint64_t)p->cap_leaves * sizeof *p->leaves +
           (uint64_t)p->cap_scopes * (scope + sizeof *p->scope_begin + 1) + (uint64_t)p->n_borders * sizeof *p->borders + 24 * p->memo.cap;
}

static cr_status grow(void **items, int32_t n, int32_t *cap, size_t size, cr_err *err) {
    if (n < *cap)
        return CR_OK;
    int32_t more = *cap == 0 ? 32 : 2 * *cap;
    void *bigger = more > MOST_VALUES ? NULL : realloc(*items, (size_t)more * size);
    if (bigger == NULL) {
        cr_status s = CR_FAIL(err, CR_LIMIT, "the expression has more than %d parts once its views are resolved", n);
        cr_err_hint(err, "compute parts of it first");
        return s;
    }
    *items = bigger;
    *cap = more;
    return CR_OK;
}

static cr_status add_value(cr_program *p, const cr_value *v, int32_t *ret_id, cr_err *err) {
    CR_TRY(grow((void **)&p->values, p->n_values, &p->cap_values, sizeof *v, err));
    p->values[p->n_values] = *v;
    p->values[p->n_values].reg = -1;
    *ret_id = p->n_values++;
    return CR_OK;
}

/* Second words of keys of the memo: accesses are addresses, multiples of 8, for values of nodes; the others differ from those and each other. */
static uint64_t memo_key(int32_t what, int32_t scope) { return (uint64_t)(uint32_t)what << 32 | (uint32_t)scope; }
static uint64_t memo_cast(cr_dtype to) { return (uint64_t)to << 1 | 1; }
static uint64_t memo_leaf(const cr_access *a) { return (uint64_t)(uintptr_t)a | 2; }
static uint64_t memo_scope(uint64_t k) { return k << 3 | 4; }

/* ---- leaves ---- */

static uint64_t bytes_looked_at(const cr_program *p, const cr_access *a, size_t itemsize) {
    uint64_t bytes = itemsize;
    for (int i = 0; i < a->ndim; i++)
        if (a->axis[i].dim >= 0 && __builtin_mul_overflow(bytes, (uint64_t)p->shape[a->axis[i].dim], &bytes))
            return UINT64_MAX;
    return bytes;
}

static cr_status add_load(cr_plan *plan, cr_program *p, cr_leaf_kind kind, int32_t node, const cr_access *access, int result, cr_dtype dtype,
                          size_t itemsize, int32_t scope, int32_t *ret_value, cr_err *err) {
    const cr_plan_node *n = &plan->nodes[node];
    int32_t leaf = (int32_t)cr_idtable_get(&p->memo, memo_key(node, kind), memo_leaf(access));
    if (leaf < 0) {
        leaf = p->n_leaves;
        CR_TRY(cr_idtable_put(&p->memo, memo_key(node, kind), memo_leaf(access), leaf, err));
        CR_TRY(grow((void **)&p->leaves, p->n_leaves, &p->cap_leaves, sizeof *p->leaves, err));
        p->leaves[p->n_leaves++] = (cr_leaf){.kind = kind, .node = n->node, .access = access, .result = result, .itemsize = itemsize,
                                             .read_bytes = bytes_looked_at(p, access, itemsize)};
    }
    cr_value v = {.kind = CR_VALUE_LOAD, .dtype = dtype, .itemsize = (uint32_t)itemsize, .scope = scope, .leaf = leaf,
                  .name = cr_array_op(n->node)};
    return add_value(p, &v, ret_value, err);
}

static cr_status want_result(cr_plan *plan, int32_t node, int *ret_result, cr_err *err) {
    cr_plan_node *n = &plan->nodes[node];
    if (n->result < 0) /* cr_plan_make gives every reduction its result before anything is lowered */
        return CR_FAIL(err, CR_INTERNAL, "%s has no place for its result", cr_array_op(n->node));
    *ret_result = n->result;
    return CR_OK;
}

static cr_status lower_leaf(cr_plan *plan, cr_program *p, int32_t node, const cr_access *access, int32_t scope, int32_t *ret_value,
                            cr_err *err) {
    const cr_plan_node *n = &plan->nodes[node];
    const cr_array *a = n->node;
    int result = -1;
    if (a->op == CR_OP_SCALAR || a->op == CR_OP_FULL) {
        cr_value v = {.kind = CR_VALUE_CONST, .dtype = a->dtype, .itemsize = (uint32_t)a->itemsize, .scope = scope,
                      .data = ((const cr_value_params *)a->params)->value, .name = "constant"};
        return add_value(p, &v, ret_value, err);
    }
    cr_leaf_kind kind = a->op == CR_OP_MEMORY ? CR_LEAF_MEMORY : a->op == CR_OP_CALLBACK ? CR_LEAF_CALLBACK : a->op == CR_OP_SPILLED ? CR_LEAF_SPILLED
                                                                                                                       : CR_LEAF_STORED;
    if (cr_ops[a->op].cls == CR_CLASS_REDUCE) {
        kind = CR_LEAF_RESULT;
        CR_TRY(want_result(plan, node, &result, err));
    }
    if (cr_ops[a->op].cls == CR_CLASS_ALONG) {
        kind = CR_LEAF_ALONG;
        if (a->n_inputs > 1)
            CR_TRY(want_result(plan, n->inputs[1], &result, err));
    }
    return add_load(plan, p, kind, node, access, result, a->dtype, a->itemsize, scope, ret_value, err);
}

/* ---- calls ---- */

/* A call on constants is done here and now. */
static cr_status fold_constant(cr_plan *plan, cr_program *p, cr_value *v, cr_err *err) {
    const void *args[3];
    int64_t steps[3] = {0, 0, 0};
    for (int i = 0; i < v->n_args; i++) {
        if (p->values[v->args[i]].kind != CR_VALUE_CONST)
            return CR_OK;
        args[i] = p->values[v->args[i]].data;
    }
    void *out = cr_arena_alloc(&plan->arena, 16);
    if (out == NULL)
        return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: the expression is too large");
    v->kernel(1, out, args, steps, v->data);
    v->kind = CR_VALUE_CONST;
    v->data = out;
    return CR_OK;
}

static cr_status add_call(cr_plan *plan, cr_program *p, cr_value *v, int32_t *ret_value, cr_err *err) {
    if (v->kernel == NULL)
        return CR_FAIL(err, CR_INTERNAL, "%s has no loop for %s", v->name, cr_dtype_name(v->dtype));
    v->kind = CR_VALUE_CALL;
    v->itemsize = (uint32_t)cr_dtype_size(v->dtype);
    CR_TRY(fold_constant(plan, p, v, err));
    return add_value(p, v, ret_value, err);
}

static cr_status cast_value(cr_plan *plan, cr_program *p, int32_t value, cr_dtype to, int32_t scope, int32_t *ret_value, cr_err *err) {
    cr_dtype from = p->values[value].dtype;
    *ret_value = value;
    if (from == to)
        return CR_OK;
    uint64_t key = memo_key(value, scope), what = memo_cast(to);
    int64_t known = cr_idtable_get(&p->memo, key, what);
    if (known >= 0) {
        *ret_value = (int32_t)known;
        return CR_OK;
    }
    cr_value v = {.n_args = 1, .dtype = to, .scope = scope, .args = {value}, .kernel = cr_kernel_cast(plan->simd, from, to), .name = "cast"};
    CR_TRY(add_call(plan, p, &v, ret_value, err));
    return cr_idtable_put(&p->memo, key, what, *ret_value, err);
}

static void digit_kernel(int64_t n, void *dst, const void *const *args, const int64_t *steps, const void *imm) {
    const cr_digit_params *p = imm;
    int codes = p->first ? 1 : 2;
    cr_rank_digit d = {.shift = p->shift, .bits = p->bits, .group = p->group};
    if (!p->first) {
        d.prefix = args[1];
        d.prefix_step = steps[1];
    }
    if (p->masked) {
        d.codes = args[codes];
        d.codes_step = steps[codes];
    }
    cr_rank_digits((cr_dtype)p->in, &d, n, dst, args[0], steps[0]);
}

static void between_kernel(int64_t n, void *dst, const void *const *args, const int64_t *steps, const void *imm) {
    const cr_digit_params *p = imm;
    const uint64_t *below = args[0], *above = args[1];
    const int64_t *valid = args[2];
    cr_rank rank = cr_digit_rank(p);
    for (int64_t i = 0; i < n; i++)
        cr_rank_known(&rank, below[i * steps[0]], above[i * steps[1]], valid[i * steps[2]], p->n, (char *)dst + (size_t)i * cr_dtype_size(rank.out));
}

/* What stands for a quantile that does not fit: types are settled, nothing is cast. */
static cr_status lower_digits(cr_plan *plan, cr_program *p, const cr_array *a, const int32_t *args, int32_t scope, int32_t *ret_value,
                              cr_err *err) {
    cr_value v = {.n_args = (uint8_t)a->n_inputs, .dtype = a->dtype, .scope = scope, .name = cr_array_op(a), .data = a->params,
                  .kernel = a->op == CR_OP_DIGIT ? digit_kernel : between_kernel};
    for (int i = 0; i < a->n_inputs; i++)
        v.args[i] = args[i];
    return add_call(plan, p, &v, ret_value, err);
}

static cr_status lower_map(cr_plan *plan, cr_program *p, const cr_array *a, const int32_t *args, int32_t scope, int32_t *ret_value,
                           cr_err *err) {
    if (a->op == CR_OP_CAST)
        return cast_value(plan, p, args[0], a->dtype, scope, ret_value, err);
    if (a->op == CR_OP_DIGIT || a->op == CR_OP_BETWEEN)
        return lower_digits(plan, p, a, args, scope, ret_value, err);
    cr_value v = {.n_args = (uint8_t)a->n_inputs, .dtype = a->dtype, .scope = scope, .name = cr_array_op(a)};
    if (a->op == CR_OP_UNPACK) {
        void *imm = cr_arena_alloc(&plan->arena, cr_map_imm_size());
        if (imm == NULL)
            return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: the expression is too large");
        CR_TRY(cr_unpack_prepare(plan->simd, a->inputs[0]->dtype, a->params, imm, err));
        v.kernel = cr_kernel_unpack(plan->simd, a->inputs[0]->dtype, a->params);
        v.data = imm;
        v.args[0] = args[0];
        return add_call(plan, p, &v, ret_value, err);
    }
    cr_map_op op = (cr_map_op) * (const int *)a->params;
    cr_dtype types[3], loop[3], out;
    bool weak[3];
    for (int i = 0; i < a->n_inputs; i++) {
        types[i] = a->inputs[i]->dtype;
        weak[i] = a->inputs[i]->weak;
    }
    CR_TRY(cr_map_resolve(op, a->n_inputs, types, weak, loop, &out, err));
    for (int i = 0; i < a->n_inputs; i++)
        CR_TRY(cast_value(plan, p, args[i], loop[i], scope, &v.args[i], err));
    v.kernel = cr_kernel_map(plan->simd, op, loop);
    return add_call(plan, p, &v, ret_value, err);
}

/* ---- what is looked at ---- */

typedef struct work_item {        /* a node through an access, in a box of the domain */
    int32_t node, box;
    const cr_access *access;
    int32_t into;                 /* the item that looks at all of this one too; -1: none */
    int32_t same, next;           /* items of the same node and access; of the same node */
    int32_t value;                /* -1: not yet */
    int64_t first_link, n_links;  /* elementwise: items of its inputs */
    int dim;                      /* concat: `value` of a segment is an item until it is known */
    int64_t n_segments;
    cr_segment *segments;
} work_item;

typedef struct walk {
    cr_plan *plan;
    cr_program *p;
    work_item *items;
    int32_t n_items, cap_items;
    int32_t *links;
    int32_t n_links, cap_links;
    int64_t *boxes;               /* 2 * ndim each: from, to; the first is everything */
    int32_t n_boxes, cap_boxes;
    int32_t *nodes;               /* that have items which wait, a heap: the last first */
    int32_t n_nodes, cap_nodes;
    cr_idtable known;             /* (node, access): its latest item; (node, 0): the node's latest */
} walk;

static void walk_done(walk *k) {
    free(k->items);
    free(k->links);
    free(k->boxes);
    free(k->nodes);
    cr_idtable_done(&k->known);
}

static size_t box_words(const cr_program *p) { return 2 * (size_t)CR_MAX(1, p->ndim); }
static int64_t *box_at(const walk *k, int32_t box) { return k->boxes + (size_t)box * box_words(k->p); }

/* A new box like `like`, -1: everything. */
static cr_status add_box(walk *k, int32_t like, int32_t *ret_box, cr_err *err) {
    size_t words = box_words(k->p);
    CR_TRY(grow((void **)&k->boxes, k->n_boxes, &k->cap_boxes, words * sizeof *k->boxes, err));
    int64_t *b = box_at(k, k->n_boxes);
    for (int d = 0; d < k->p->ndim && like < 0; d++) {
        b[2 * d] = 0;
        b[2 * d + 1] = k->p->shape[d];
    }
    if (like >= 0)
        memcpy(b, box_at(k, like), words * sizeof *b);
    *ret_box = k->n_boxes++;
    return CR_OK;
}

static double box_size(const int64_t *b, int ndim) {
    double n = 1;
    for (int d = 0; d < ndim; d++)
        n *= (double)(b[2 * d + 1] - b[2 * d]);
    return n;
}

/* Two boxes become one where that adds nothing, or no more than they have in common. It adds no position along any axis that is in neither: there,
 * accesses would mean nothing. */
static bool join_boxes(int ndim, const int64_t *a, const int64_t *b, int64_t *ret_both) {
    bool a_holds = true, b_holds = true, overlap = true;
    int differ = 0;
    for (int d = 0; d < ndim; d++) {
        int64_t lo = CR_MIN(a[2 * d], b[2 * d]), hi = CR_MAX(a[2 * d + 1], b[2 * d + 1]);
        int64_t from = CR_MAX(a[2 * d], b[2 * d]), to = CR_MIN(a[2 * d + 1], b[2 * d + 1]);
        if (from > to)
            return false;
        overlap = overlap && from < to;
        a_holds = a_holds && a[2 * d] == lo && a[2 * d + 1] == hi;
        b_holds = b_holds && b[2 * d] == lo && b[2 * d + 1] == hi;
        differ += a[2 * d] != b[2 * d] || a[2 * d + 1] != b[2 * d + 1];
        ret_both[2 * d] = lo;
        ret_both[2 * d + 1] = hi;
    }
    if (a_holds || b_holds || differ <= 1)
        return true;
    return overlap && box_size(ret_both, ndim) <= box_size(a, ndim) + box_size(b, ndim);
}

static int32_t item_of(walk *k, int32_t i) {
    while (k->items[i].into >= 0)
        i = k->items[i].into;
    return i;
}

/* Goes down through views until something has a value of its own. A concat at a constant position is a view too. */
static cr_status skip_views(cr_plan *plan, const cr_program *p, int32_t *node, const cr_access **access, cr_err *err) {
    for (;;) {
        const cr_plan_node *n = &plan->nodes[*node];
        const cr_array *a = n->node;
        if (cr_ops[a->op].cls != CR_CLASS_VIEW)
            return CR_OK;
        if (a->op == CR_OP_CONCAT) {
            int axis = *(const int *)a->params, k = 0;
            if ((*access)->axis[axis].dim >= 0)
                return CR_OK;
            cr_access_axis x = (*access)->axis[axis];
            while (x.start >= a->inputs[k]->shape[axis])
                x.start -= a->inputs[k++]->shape[axis];
            CR_TRY(cr_access_replace(plan, *access, axis, &x, access, err));
            *node = n->inputs[k];
            continue;
        }
        CR_TRY(cr_access_through(plan, p->shape, *node, 0, *access, access, err));
        *node = n->inputs[0];
    }
}

static cr_status push_node(walk *k, int32_t node, cr_err *err) {
    CR_TRY(grow((void **)&k->nodes, k->n_nodes, &k->cap_nodes, sizeof *k->nodes, err));
    int32_t i = k->n_nodes++;
    for (; i > 0 && k->nodes[(i - 1) / 2] < node; i = (i - 1) / 2)
        k->nodes[i] = k->nodes[(i - 1) / 2];
    k->nodes[i] = node;
    return CR_OK;
}

static int32_t pop_node(walk *k) {
    int32_t top = k->nodes[0], last = k->nodes[--k->n_nodes], i = 0;
    for (int32_t c; (c = 2 * i + 1) < k->n_nodes; i = c) {
        c += c + 1 < k->n_nodes && k->nodes[c + 1] > k->nodes[c];
        if (k->nodes[c] <= last)
            break;
        k->nodes[i] = k->nodes[c];
    }
    k->nodes[i] = last;
    return top;
}

/* An item of the same node and access that can look at the box too; -1: none. As it grows it may meet others, which become parts of it. */
static cr_status join_items(walk *k, int32_t latest, int32_t box, int32_t *ret_item, cr_err *err) {
    int64_t both[2 * CR_MAX_DIMS];
    int ndim = k->p->ndim;
    int32_t found = -1;
    for (bool grown = true; grown;) {
        grown = false;
        int32_t seen = 0;
        for (int32_t i = latest; i >= 0 && seen < MOST_BOXES; i = k->items[i].same) {
            if (k->items[i].into >= 0 || i == found)
                continue;
            seen++;
            int32_t with = found >= 0 ? k->items[found].box : box, more;
            if (!join_boxes(ndim, box_at(k, k->items[i].box), box_at(k, with), both))
                continue;
            if (found >= 0)
                k->items[i].into = found;
            else
                found = i;
            if (memcmp(box_at(k, k->items[found].box), both, 2 * (size_t)ndim * sizeof *both) == 0)
                continue;
            CR_TRY(add_box(k, 0, &more, err));
            memcpy(box_at(k, more), both, 2 * (size_t)ndim * sizeof *both);
            k->items[found].box = more;
            grown = true;
        }
    }
    *ret_item = found;
    return CR_OK;
}

static cr_status look_at(walk *k, int32_t node, const cr_access *access, int32_t box, int32_t *ret_item, cr_err *err) {
    CR_TRY(skip_views(k->plan, k->p, &node, &access, err));
    uint8_t op = k->plan->nodes[node].node->op;
    if (op == CR_OP_SCALAR || op == CR_OP_FULL) /* the same wherever it is looked at */
        box = 0;
    uint64_t key = memo_key(node, 0), word = (uint64_t)(uintptr_t)access;
    int32_t same = (int32_t)cr_idtable_get(&k->known, key, word), next = (int32_t)cr_idtable_get(&k->known, key, 0), found;
    CR_TRY(join_items(k, same, box, &found, err));
    if (found < 0) {
        CR_TRY(grow((void **)&k->items, k->n_items, &k->cap_items, sizeof *k->items, err));
        found = k->n_items++;
        k->items[found] = (work_item){.node = node, .box = box, .access = access, .into = -1, .same = same, .next = next, .value = -1};
        CR_TRY(cr_idtable_put(&k->known, key, word, found, err));
        CR_TRY(cr_idtable_put(&k->known, key, 0, found, err));
        if (next < 0)
            CR_TRY(push_node(k, node, err));
    }
    *ret_item = found;
    return CR_OK;
}

/* ---- concat ---- */

static int64_t position_at(const cr_access_axis *x, int64_t i) { return x->index != NULL ? x->index[i] : x->start + x->step * i; }

/* Which input holds `position` along the concat's axis; starts[k] is where input k begins. */
static int64_t input_at(const int64_t *starts, int64_t n, int64_t position) {
    int64_t lo = 0, hi = n - 1;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo + 1) / 2;
        if (starts[mid] <= position)
            lo = mid;
        else
            hi = mid - 1;
    }
    return lo;
}

/* End of the run of domain positions from i on that stay in input [begin, end). */
static int64_t run_end(const cr_access_axis *x, int64_t i, int64_t extent, int64_t begin, int64_t end) {
    if (x->index == NULL) {
        int64_t at = x->start + x->step * i;
        int64_t more = x->step > 0 ? (end - 1 - at) / x->step : x->step < 0 ? (at - begin) / -x->step : extent;
        return CR_MIN(extent, i + more + 1);
    }
    while (i < extent && x->index[i] >= begin && x->index[i] < end)
        i++;
    return i;
}

/* The access of an input that begins at `begin` of the concat: positions of x less that. Of a list the positions in their own inputs are made once for all of
 * them (own): each input is looked at where they are its own. */
static cr_status shifted(cr_plan *plan, const cr_access *a, int axis, const cr_access_axis *x, int64_t begin, const int64_t *own, const cr_access **ret_access,
                         cr_err *err) {
    cr_access_axis y = *x;
    if (x->index == NULL)
        y.start = x->start - begin;
    else
        y.index = own;
    return cr_access_replace(plan, a, axis, &y, ret_access, err);
}

/* Segments of an item that is a concat, and items for what they show. */
static cr_status split_concat(walk *w, int32_t item, cr_err *err) {
    cr_plan *plan = w->plan;
    const work_item it = w->items[item]; /* they move as others come */
    const cr_plan_node *n = &plan->nodes[it.node];
    const cr_array *a = n->node;
    int axis = *(const int *)a->params;
    const cr_access_axis *x = &it.access->axis[axis];
    int64_t first = box_at(w, it.box)[2 * x->dim], extent = box_at(w, it.box)[2 * x->dim + 1], m = 0;
    cr_auto_free int64_t *starts = malloc(((size_t)a->n_inputs + 1) * sizeof *starts);
    if (starts == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan a concat of %d arrays", a->n_inputs);
    starts[0] = 0;
    for (int i = 0; i < a->n_inputs; i++)
        starts[i + 1] = starts[i] + a->inputs[i]->shape[axis];
    int64_t *own = x->index != NULL ? cr_arena_calloc(&plan->arena, (size_t)w->p->shape[x->dim] + 1, sizeof *own) : NULL;
    if (x->index != NULL && own == NULL)
        return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: an index list over a concat");
    for (int64_t i = first; i < extent; m++) {
        int64_t k = input_at(starts, a->n_inputs, position_at(x, i));
        int64_t end = run_end(x, i, extent, starts[k], starts[k + 1]);
        for (; own != NULL && i < end; i++) /* all of it before anything is made of it */
            own[i] = x->index[i] - starts[k];
        i = end;
        if (m >= MOST_SEGMENTS)
            return CR_FAIL(err, CR_LIMIT, "an index list jumps between the parts of a concat more than %lld times", (long long)m);
    }
    cr_segment *segments = cr_arena_calloc(&plan->arena, (size_t)m + 1, sizeof *segments);
    if (segments == NULL)
        return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: the concat has too many parts");
    m = 0;
    for (int64_t i = first; i < extent; m++) {
        const cr_access *access;
        int32_t box;
        int64_t k = input_at(starts, a->n_inputs, position_at(x, i));
        int64_t end = run_end(x, i, extent, starts[k], starts[k + 1]);
        CR_TRY(shifted(plan, it.access, axis, x, starts[k], own, &access, err));
        CR_TRY(add_box(w, it.box, &box, err));
        box_at(w, box)[2 * x->dim] = i;
        box_at(w, box)[2 * x->dim + 1] = end;
        segments[m].lo = i;
        segments[m].hi = end;
        CR_TRY(look_at(w, n->inputs[k], access, box, &segments[m].value, err));
        i = end;
    }
    w->items[item].dim = x->dim;
    w->items[item].n_segments = m;
    w->items[item].segments = segments;
    return CR_OK;
}

/* ---- the walk ---- */

static cr_status split_map(walk *k, int32_t item, cr_err *err) {
    const work_item it = k->items[item];
    const cr_plan_node *n = &k->plan->nodes[it.node];
    k->items[item].first_link = k->n_links;
    k->items[item].n_links = n->node->n_inputs;
    for (int i = 0; i < n->node->n_inputs; i++) {
        const cr_access *access;
        int32_t in;
        CR_TRY(cr_access_through(k->plan, k->p->shape, it.node, i, it.access, &access, err));
        CR_TRY(look_at(k, n->inputs[i], access, it.box, &in, err));
        CR_TRY(grow((void **)&k->links, k->n_links, &k->cap_links, sizeof *k->links, err));
        k->links[k->n_links++] = in;
    }
    return CR_OK;
}

static cr_status check_size(const walk *k, cr_err *err) {
    uint64_t bytes = cr_program_bytes(k->p) + (uint64_t)k->cap_items * sizeof(work_item) + (uint64_t)(k->cap_links + k->cap_nodes) * sizeof(int32_t) +
                     (uint64_t)k->cap_boxes * box_words(k->p) * sizeof(int64_t) + 24 * k->known.cap;
    if (bytes <= k->plan->limit_bytes)
        return CR_OK;
    cr_status status = CR_FAIL(err, CR_LIMIT, "the expression has more than %d parts once its views are resolved, which is more than planning may hold",
                               k->n_items);
    cr_err_hint(err, "compute parts of it first: shifts, rolls and concats of each other multiply");
    return status;
}

/* All that is looked at, users first: inputs have smaller numbers. */
static cr_status collect(walk *k, cr_err *err) {
    while (k->n_nodes > 0) {
        int32_t node = pop_node(k);
        const cr_array *a = k->plan->nodes[node].node;
        if (a->op != CR_OP_CONCAT && cr_ops[a->op].cls != CR_CLASS_MAP)
            continue;
        for (int32_t i = (int32_t)cr_idtable_get(&k->known, memo_key(node, 0), 0); i >= 0; i = k->items[i].next) {
            CR_TRY(check_size(k, err));
            if (k->items[i].into < 0)
                CR_TRY((a->op == CR_OP_CONCAT ? split_concat : split_map)(k, i, err));
        }
    }
    return CR_OK;
}

/* The program's scope for a box; 0 is everywhere. */
static cr_status scope_of(cr_program *p, const int64_t *box, int32_t *ret_scope, cr_err *err) {
    size_t bytes = box_words(p) * sizeof *box;
    uint64_t hash = 0x9E3779B97F4A7C15u;
    bool all = true;
    for (int d = 0; d < p->ndim; d++) {
        all = all && box[2 * d] == 0 && box[2 * d + 1] == p->shape[d];
        hash = (hash ^ (uint64_t)box[2 * d] ^ hash >> 31) * 0xD6E8FEB86659FD93u;
        hash = (hash ^ (uint64_t)box[2 * d + 1] ^ hash >> 31) * 0xD6E8FEB86659FD93u;
    }
    *ret_scope = 0;
    for (uint64_t k = 0; !all; k++) {
        int32_t known = (int32_t)cr_idtable_get(&p->memo, hash, memo_scope(k));
        if (known >= 0 && memcmp(cr_scope_box(p, known), box, bytes) != 0)
            continue;
        *ret_scope = known;
        if (known >= 0)
            return CR_OK;
        CR_TRY(grow((void **)&p->scopes, p->n_scopes, &p->cap_scopes, bytes, err));
        *ret_scope = ++p->n_scopes;
        memcpy(p->scopes + (size_t)(p->n_scopes - 1) * box_words(p), box, bytes);
        return cr_idtable_put(&p->memo, hash, memo_scope(k), *ret_scope, err);
    }
    return CR_OK;
}

/* The value of an item whose inputs have theirs. */
static cr_status make_value(walk *k, const work_item *it, int32_t scope, int32_t *ret_value, cr_err *err) {
    const cr_array *a = k->plan->nodes[it->node].node;
    if (a->op == CR_OP_CONCAT) {
        for (int64_t i = 0; i < it->n_segments; i++)
            it->segments[i].value = k->items[item_of(k, it->segments[i].value)].value;
        cr_value v = {.kind = CR_VALUE_SELECT, .dtype = a->dtype, .itemsize = (uint32_t)a->itemsize, .scope = scope, .dim = it->dim,
                      .n_segments = it->n_segments, .segments = it->segments, .name = "concat"};
        return add_value(k->p, &v, ret_value, err);
    }
    if (cr_ops[a->op].cls == CR_CLASS_MAP) {
        int32_t args[3];
        for (int64_t i = 0; i < it->n_links; i++)
            args[i] = k->items[item_of(k, k->links[it->first_link + i])].value;
        return lower_map(k->plan, k->p, a, args, scope, ret_value, err);
    }
    return lower_leaf(k->plan, k->p, it->node, it->access, scope, ret_value, err);
}

typedef struct work_frame {
    int32_t item, scope;
    int64_t next;
} work_frame;

typedef struct work_stack {
    work_frame *frames;
    int32_t n, cap;
} work_stack;

/* Takes what another sink has made of the same, or begins. */
static cr_status enter(walk *k, work_stack *s, int32_t item, cr_err *err) {
    work_item *it = &k->items[item];
    int32_t scope;
    CR_TRY(scope_of(k->p, box_at(k, it->box), &scope, err));
    it->value = (int32_t)cr_idtable_get(&k->p->memo, memo_key(it->node, scope), (uint64_t)(uintptr_t)it->access);
    if (it->value >= 0)
        return CR_OK;
    CR_TRY(grow((void **)&s->frames, s->n, &s->cap, sizeof *s->frames, err));
    s->frames[s->n++] = (work_frame){.item = item, .scope = scope};
    return CR_OK;
}

static cr_status make_values(walk *k, work_stack *s, int32_t root, cr_err *err) {
    CR_TRY(enter(k, s, root, err));
    while (s->n > 0) {
        work_frame *f = &s->frames[s->n - 1];
        work_item *it = &k->items[f->item];
        int64_t n = it->segments != NULL ? it->n_segments : it->n_links;
        CR_TRY(check_size(k, err));
        if (f->next < n) {
            int32_t in = item_of(k, it->segments != NULL ? it->segments[f->next].value : k->links[it->first_link + f->next]);
            f->next++;
            if (k->items[in].value < 0)
                CR_TRY(enter(k, s, in, err));
            continue;
        }
        CR_TRY(make_value(k, it, f->scope, &it->value, err));
        CR_TRY(cr_idtable_put(&k->p->memo, memo_key(it->node, f->scope), (uint64_t)(uintptr_t)it->access, it->value, err));
        s->n--;
    }
    return CR_OK;
}

cr_status cr_program_lower(cr_plan *plan, cr_program *p, int32_t node, const cr_access *access, int32_t *ret_value, cr_err *err) {
    walk k = {.plan = plan, .p = p};
    work_stack s = {0};
    int32_t everything, root = -1;
    cr_status status = add_box(&k, -1, &everything, err);
    if (status == CR_OK)
        status = look_at(&k, node, access, everything, &root, err);
    if (status == CR_OK)
        status = collect(&k, err);
    if (status == CR_OK)
        status = make_values(&k, &s, root, err);
    if (status == CR_OK)
        *ret_value = k.items[root].value;
    free(s.frames);
    walk_done(&k);
    return status;
}

cr_status cr_program_codes(cr_plan *plan, cr_program *p, int32_t node, const cr_access *access, int32_t *ret_value, cr_err *err) {
    const cr_reduce_params *r = plan->nodes[node].node->params;
    int dims[CR_MAX_DIMS], k = 0;
    cr_access *codes;
    for (int i = 0; i < access->ndim; i++)
        if (r->axes_mask & (1u << i))
            dims[k++] = access->axis[i].dim;
    CR_TRY(cr_access_identity(plan, k, dims, &codes, err));
    return add_load(plan, p, CR_LEAF_CODES, node, codes, -1, CR_I32, sizeof(int32_t), 0, ret_value, err);
}

/* ---- what goes along an axis ---- */

static cr_status nest_leaf(cr_plan *plan, cr_leaf *l, int depth, cr_err *err) {
    const cr_plan_node *n = &plan->nodes[cr_idtable_get(&plan->by_address, (uint64_t)(uintptr_t)l->node, 0)];
    const cr_array *in = l->node->inputs[0];
    int dims[CR_MAX_DIMS];
    cr_access *all;
    if (depth > CR_NESTED_MOST) {
        cr_status s = CR_FAIL(err, CR_LIMIT, "more than %d windows, running sums or fills are made of each other", CR_NESTED_MOST);
        cr_err_hint(err, "compute one of them first");
        return s;
    }
    cr_scan *inner = cr_arena_calloc(&plan->arena, 1, sizeof *inner);
    cr_sink_plan *sink = cr_arena_calloc(&plan->arena, 1, sizeof *sink);
    if (inner == NULL || sink == NULL)
        return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: the expression is too large");
    cr_program_init(plan, &inner->program, in->ndim, in->shape);
    l->inner = inner;
    inner->nested = true;
    inner->sinks = sink;
    inner->n_sinks = 1;
    *sink = (cr_sink_plan){.node = n->inputs[0], .output = -1, .codes = -1, .result = -1, .narrowed_before = -1};
    for (int d = 0; d < in->ndim; d++)
        dims[d] = sink->out_axis[d] = d;
    CR_TRY(cr_access_identity(plan, in->ndim, dims, &all, err));
    CR_TRY(cr_program_lower(plan, &inner->program, n->inputs[0], all, &sink->value, err));
    CR_TRY(cr_program_nest(plan, &inner->program, depth, err));
    CR_TRY(cr_program_finish(&inner->program, &sink->value, 1, err));
    return cr_cells_borders(plan, &inner->program, &inner->cells, err);
}

cr_status cr_program_nest(cr_plan *plan, cr_program *p, int depth, cr_err *err) {
    for (int32_t i = 0; i < p->n_leaves; i++)
        if (p->leaves[i].kind == CR_LEAF_ALONG && p->leaves[i].inner == NULL)
            CR_TRY(nest_leaf(plan, &p->leaves[i], depth + 1, err));
    return CR_OK;
}

bool cr_leaf_is_read(const cr_leaf *l) {
    if (l->kind == CR_LEAF_SPILLED)
        return ((const cr_spilled_params *)l->node->params)->was_read;
    return l->kind == CR_LEAF_STORED || l->kind == CR_LEAF_CALLBACK || l->kind == CR_LEAF_ALONG;
}

int32_t cr_program_largest(const cr_program *p) {
    int32_t best = -1;
    for (int32_t i = 0; i < p->n_leaves; i++) {
        if (p->leaves[i].kind == CR_LEAF_CODES)
            continue;
        bool stored = cr_leaf_is_read(&p->leaves[i]), best_stored = best >= 0 && cr_leaf_is_read(&p->leaves[best]);
        if (best < 0 || (stored && !best_stored) || (stored == best_stored && p->leaves[i].read_bytes > p->leaves[best].read_bytes))
            best = i;
    }
    return best;
}

/* ---- borders ---- */

static int by_place(const void *a, const void *b) {
    const cr_border *x = a, *y = b;
    if (x->dim != y->dim)
        return x->dim - y->dim;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return (x->scope > y->scope) - (x->scope < y->scope);
}

/* Where scopes begin and end, and where selects go over to another value; which values there are in each scope. */
static cr_status find_borders(cr_program *p, cr_err *err) {
    int64_t n = 0;
    for (int32_t i = 0; i < p->n_values; i++)
        n += p->values[i].n_segments;
    if (n > 0)
        n += 2 * (int64_t)p->n_scopes * p->ndim;
    p->borders = calloc((size_t)n + 1, sizeof *p->borders);
    p->scope_begin = calloc((size_t)p->n_scopes + 2, sizeof *p->scope_begin);
    p->scope_values = calloc((size_t)p->n_values + 1, sizeof *p->scope_values);
    p->scope_dims = calloc((size_t)p->n_scopes + 1, 1);
    if (p->borders == NULL || p->scope_begin == NULL || p->scope_values == NULL || p->scope_dims == NULL || n > INT32_MAX)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan %lld parts of concats", (long long)n);
    for (int32_t i = 0; i < p->n_values; i++)
        for (int64_t k = 1; k < p->values[i].n_segments; k++)
            p->borders[p->n_borders++] = (cr_border){.at = p->values[i].segments[k].lo, .dim = p->values[i].dim};
    for (int32_t s = 1; s <= p->n_scopes; s++)
        for (int d = 0; d < p->ndim; d++) {
            const int64_t *b = cr_scope_box(p, s) + 2 * d;
            if (b[0] == 0 && b[1] == p->shape[d])
                continue;
            p->scope_dims[s]++;
            p->borders[p->n_borders++] = (cr_border){.at = b[0], .dim = d, .scope = s, .enters = true};
            if (b[1] < p->shape[d])
                p->borders[p->n_borders++] = (cr_border){.at = b[1], .dim = d, .scope = s};
        }
    qsort(p->borders, (size_t)p->n_borders, sizeof *p->borders, by_place);
    int32_t kept = 0; /* of selects that change at the same place one suffices */
    for (int32_t i = 0; i < p->n_borders; i++)
        if (kept == 0 || p->borders[i].scope > 0 || by_place(&p->borders[kept - 1], &p->borders[i]) != 0)
            p->borders[kept++] = p->borders[i];
    p->n_borders = kept;
    for (int32_t i = 0, d = 0; d <= p->ndim; d++) {
        while (i < p->n_borders && p->borders[i].dim < d)
            i++;
        p->border_begin[d] = i;
    }
    for (int32_t i = 0; i < p->n_values; i++)
        if (p->values[i].kind != CR_VALUE_CONST)
            p->scope_begin[p->values[i].scope]++;
    for (int32_t s = 0; s <= p->n_scopes; s++)
        p->scope_begin[s + 1] += p->scope_begin[s];
    for (int32_t i = p->n_values - 1; i >= 0; i--) /* from ends to beginnings */
        if (p->values[i].kind != CR_VALUE_CONST)
            p->scope_values[--p->scope_begin[p->values[i].scope]] = i;
    return CR_OK;
}

/* ---- registers ---- */

/* Linear scan over the values in order: a register is free again after the last value that looks at it. The result of a select's scope
 * is needed until the select. */
cr_status cr_program_finish(cr_program *p, const int32_t *keep, int n_keep, cr_err *err) {
    int32_t n = p->n_values, n_free = 0;
    cr_auto_free int32_t *last = malloc(((size_t)n + 1) * sizeof *last);
    cr_auto_free int32_t *next_dead = malloc(((size_t)n + 1) * sizeof *next_dead); /* list of values that die at i */
    cr_auto_free int32_t *dead_at = malloc(((size_t)n + 1) * sizeof *dead_at);
    cr_auto_free int32_t *unused = malloc(((size_t)n + 1) * sizeof *unused);
    if (last == NULL || next_dead == NULL || dead_at == NULL || unused == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan %d steps", n);
    for (int32_t i = 0; i < n; i++) {
        const cr_value *v = &p->values[i];
        last[i] = i;
        dead_at[i] = -1;
        for (int k = 0; k < v->n_args; k++)
            last[v->args[k]] = i;
        for (int64_t k = 0; k < v->n_segments; k++)
            last[v->segments[k].value] = i;
    }
    for (int k = 0; k < n_keep; k++)
        last[keep[k]] = n;
    for (int32_t i = 0; i < n; i++)
        if (last[i] < n) {
            next_dead[i] = dead_at[last[i]];
            dead_at[last[i]] = i;
        }
    size_t widest = 1;
    for (int32_t i = 0; i < n; i++) {
        cr_value *v = &p->values[i];
        widest = CR_MAX(widest, v->itemsize);
        if (v->kind != CR_VALUE_CONST)
            v->reg = n_free > 0 ? unused[--n_free] : p->n_regs++;
        for (int32_t d = dead_at[i]; d >= 0; d = next_dead[d])
            if (p->values[d].reg >= 0)
                unused[n_free++] = p->values[d].reg;
    }
    CR_TRY(find_borders(p, err));
    size_t strip = STRIP_BYTES / ((size_t)CR_MAX(1, p->n_regs) * widest);
    p->strip = (uint32_t)CR_MIN(2048, CR_MAX(128, strip / 64 * 64));
    p->reg_bytes = (uint32_t)((p->strip * widest + 63) / 64 * 64);
    return CR_OK;
}

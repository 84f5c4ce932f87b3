/* lower.c - from a node to a flat program: views vanish into the accesses of the leaves, elementwise nodes become calls of kernels, a concat
 * becomes a choice between scopes. Iterative, with a memo on (node, access, scope), so that what is shared is computed once. */
#include <stdlib.h>

#include "engine/plan/plan.h"

#define MOST_VALUES (1 << 24)
#define MOST_SEGMENTS ((int64_t)1 << 22)
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
    cr_idtable_done(&p->memo);
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

static uint64_t memo_key(int32_t what, int32_t scope) { return (uint64_t)(uint32_t)what << 32 | (uint32_t)scope; }

/* ---- leaves ---- */

static uint64_t bytes_looked_at(const cr_program *p, const cr_access *a, size_t itemsize) {
    uint64_t bytes = itemsize;
    for (int i = 0; i < a->ndim; i++)
        if (a->axis[i].dim >= 0 && __builtin_mul_overflow(bytes, (uint64_t)p->shape[a->axis[i].dim], &bytes))
            return UINT64_MAX;
    return bytes;
}

static cr_status add_load(cr_program *p, cr_leaf_kind kind, const cr_plan_node *n, const cr_access *access, int result, cr_dtype dtype,
                          size_t itemsize, int32_t scope, int32_t *ret_value, cr_err *err) {
    int32_t leaf = 0;
    while (leaf < p->n_leaves && !(p->leaves[leaf].kind == kind && p->leaves[leaf].node == n->node && p->leaves[leaf].access == access))
        leaf++;
    if (leaf == p->n_leaves) {
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
    return add_load(p, kind, n, access, result, a->dtype, a->itemsize, scope, ret_value, err);
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
    uint64_t key = memo_key(value, scope), what = (uint64_t)to << 1 | 1; /* accesses are even addresses */
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

/* ---- concat ---- */

typedef struct work_frame {
    int32_t node, scope;
    const cr_access *access;
    int64_t next;
    int32_t args[3];
    int32_t memo_node;            /* where the walk through views began to need a value */
    int dim;                      /* concat */
    int64_t n_segments;
    cr_segment *segments;
    const cr_access **accesses;   /* per segment */
    int32_t *inputs;
} work_frame;

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

static cr_status add_scope(cr_program *p, int32_t parent, int dim, int64_t lo, int64_t hi, int32_t *ret_scope, cr_err *err) {
    CR_TRY(grow((void **)&p->scopes, p->n_scopes, &p->cap_scopes, sizeof *p->scopes, err));
    p->scopes[p->n_scopes] = (cr_scope){.parent = parent, .select = -1, .lo = lo, .hi = hi, .dim = dim};
    *ret_scope = ++p->n_scopes; /* scope s is scopes[s - 1]; 0 is everywhere */
    return CR_OK;
}

/* The part of dimension dim that a scope is about: outside of it the positions of accesses below mean nothing. */
static void scope_range(const cr_program *p, int32_t scope, int dim, int64_t *lo, int64_t *hi) {
    for (; scope > 0; scope = p->scopes[scope - 1].parent) {
        if (p->scopes[scope - 1].dim == dim) {
            *lo = CR_MAX(*lo, p->scopes[scope - 1].lo);
            *hi = CR_MIN(*hi, p->scopes[scope - 1].hi);
        }
    }
}

static cr_status split_concat(cr_plan *plan, cr_program *p, work_frame *f, cr_err *err) {
    const cr_plan_node *n = &plan->nodes[f->node];
    const cr_array *a = n->node;
    int axis = *(const int *)a->params;
    const cr_access_axis *x = &f->access->axis[axis];
    int64_t first = 0, extent = p->shape[x->dim], m = 0;
    scope_range(p, f->scope, x->dim, &first, &extent);
    cr_auto_free int64_t *starts = malloc(((size_t)a->n_inputs + 1) * sizeof *starts);
    if (starts == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan a concat of %d arrays", a->n_inputs);
    starts[0] = 0;
    for (int i = 0; i < a->n_inputs; i++)
        starts[i + 1] = starts[i] + a->inputs[i]->shape[axis];
    for (int64_t i = first; i < extent; m++) {
        int64_t k = input_at(starts, a->n_inputs, position_at(x, i));
        i = run_end(x, i, extent, starts[k], starts[k + 1]);
        if (m >= MOST_SEGMENTS)
            return CR_FAIL(err, CR_LIMIT, "an index list jumps between the parts of a concat more than %lld times", (long long)m);
    }
    f->dim = x->dim;
    f->n_segments = m;
    f->segments = cr_arena_calloc(&plan->arena, (size_t)m + 1, sizeof *f->segments);
    f->accesses = cr_arena_calloc(&plan->arena, (size_t)m + 1, sizeof *f->accesses);
    f->inputs = cr_arena_calloc(&plan->arena, (size_t)m + 1, sizeof *f->inputs);
    if (f->segments == NULL || f->accesses == NULL || f->inputs == NULL)
        return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: the concat has too many parts");
    int64_t *own = x->index != NULL ? cr_arena_calloc(&plan->arena, (size_t)p->shape[x->dim] + 1, sizeof *own) : NULL;
    if (x->index != NULL && own == NULL)
        return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: an index list over a concat");
    m = 0;
    for (int64_t i = first; i < extent; m++) {
        int64_t k = input_at(starts, a->n_inputs, position_at(x, i));
        int64_t end = run_end(x, i, extent, starts[k], starts[k + 1]);
        for (int64_t at = i; own != NULL && at < end; at++)
            own[at] = x->index[at] - starts[k];
        CR_TRY(shifted(plan, f->access, axis, x, starts[k], own, &f->accesses[m], err));
        f->inputs[m] = n->inputs[k];
        f->segments[m].lo = i;
        f->segments[m].hi = end;
        CR_TRY(add_scope(p, f->scope, x->dim, i, end, &f->segments[m].scope, err));
        i = end;
    }
    return CR_OK;
}

static cr_status finish_concat(cr_program *p, const work_frame *f, const cr_array *a, int32_t *ret_value, cr_err *err) {
    cr_value v = {.kind = CR_VALUE_SELECT, .dtype = a->dtype, .itemsize = (uint32_t)a->itemsize, .scope = f->scope, .dim = f->dim,
                  .n_segments = f->n_segments, .segments = f->segments, .name = "concat"};
    CR_TRY(add_value(p, &v, ret_value, err));
    for (int64_t i = 0; i < f->n_segments; i++)
        p->scopes[f->segments[i].scope - 1].select = *ret_value;
    return CR_OK;
}

/* ---- the walk ---- */

/* Goes down through views until something has a value of its own. A concat at a constant position is a view too. */
static cr_status skip_views(cr_plan *plan, cr_program *p, work_frame *f, cr_err *err) {
    for (;;) {
        const cr_plan_node *n = &plan->nodes[f->node];
        const cr_array *a = n->node;
        if (cr_ops[a->op].cls != CR_CLASS_VIEW)
            return CR_OK;
        if (a->op == CR_OP_CONCAT) {
            int axis = *(const int *)a->params, k = 0;
            if (f->access->axis[axis].dim >= 0)
                return CR_OK;
            cr_access_axis x = f->access->axis[axis];
            while (x.start >= a->inputs[k]->shape[axis])
                x.start -= a->inputs[k++]->shape[axis];
            CR_TRY(cr_access_replace(plan, f->access, axis, &x, &f->access, err));
            f->node = n->inputs[k];
            continue;
        }
        CR_TRY(cr_access_through(plan, p->shape, f->node, 0, f->access, &f->access, err));
        f->node = n->inputs[0];
    }
}

typedef struct work_stack {
    work_frame *frames;
    int32_t n, cap;
} work_stack;

static cr_status push(work_stack *s, int32_t node, const cr_access *access, int32_t scope, cr_err *err) {
    CR_TRY(grow((void **)&s->frames, s->n, &s->cap, sizeof *s->frames, err));
    s->frames[s->n++] = (work_frame){.node = node, .scope = scope, .access = access};
    return CR_OK;
}

/* One step of the top frame. *ret_done: it has its value. */
static cr_status advance(cr_plan *plan, cr_program *p, work_stack *s, bool *ret_done, int32_t *ret_value, cr_err *err) {
    work_frame *f = &s->frames[s->n - 1];
    *ret_done = false;
    if (f->next == 0 && f->segments == NULL) {
        CR_TRY(skip_views(plan, p, f, err));
        int64_t known = cr_idtable_get(&p->memo, memo_key(f->node, f->scope), (uint64_t)(uintptr_t)f->access);
        if (known >= 0) {
            *ret_value = (int32_t)known;
            *ret_done = true;
            return CR_OK;
        }
    }
    const cr_plan_node *n = &plan->nodes[f->node];
    const cr_array *a = n->node;
    if (a->op == CR_OP_CONCAT) {
        if (f->segments == NULL)
            CR_TRY(split_concat(plan, p, f, err));
        if (f->next < f->n_segments) {
            int64_t k = f->next++;
            return push(s, f->inputs[k], f->accesses[k], f->segments[k].scope, err);
        }
        CR_TRY(finish_concat(p, f, a, ret_value, err));
    } else if (cr_ops[a->op].cls == CR_CLASS_MAP) {
        if (f->next < a->n_inputs) {
            const cr_access *access;
            int k = (int)f->next++;
            CR_TRY(cr_access_through(plan, p->shape, f->node, k, f->access, &access, err));
            return push(s, n->inputs[k], access, f->scope, err);
        }
        CR_TRY(lower_map(plan, p, a, f->args, f->scope, ret_value, err));
    } else {
        CR_TRY(lower_leaf(plan, p, f->node, f->access, f->scope, ret_value, err));
    }
    *ret_done = true;
    return cr_idtable_put(&p->memo, memo_key(f->node, f->scope), (uint64_t)(uintptr_t)f->access, *ret_value, err);
}

/* Shifts of shifts of shifts have parts for all combinations of their borders: three times as many for each. */
static cr_status check_size(const cr_plan *plan, const cr_program *p, cr_err *err) {
    uint64_t bytes = (uint64_t)p->cap_values * sizeof(cr_value) + (uint64_t)p->cap_leaves * sizeof(cr_leaf) + (uint64_t)p->cap_scopes * sizeof(cr_scope) +
                     24 * p->memo.cap;
    if (bytes <= plan->limit_bytes)
        return CR_OK;
    cr_status status = CR_FAIL(err, CR_LIMIT, "the expression has more than %d parts once its views are resolved, which is more than planning may hold",
                               p->n_values);
    cr_err_hint(err, "compute parts of it first: shifts, rolls and concats of each other multiply");
    return status;
}

cr_status cr_program_lower(cr_plan *plan, cr_program *p, int32_t node, const cr_access *access, int32_t *ret_value, cr_err *err) {
    work_stack s = {0};
    cr_status status = push(&s, node, access, 0, err);
    int32_t value = -1;
    while (status == CR_OK && s.n > 0) {
        bool done;
        status = check_size(plan, p, err);
        if (status == CR_OK)
            status = advance(plan, p, &s, &done, &value, err);
        if (status != CR_OK || !done)
            continue;
        s.n--;
        if (s.n == 0)
            break;
        work_frame *parent = &s.frames[s.n - 1];
        if (parent->segments != NULL)
            parent->segments[parent->next - 1].value = value;
        else
            parent->args[parent->next - 1] = value;
    }
    free(s.frames);
    if (status == CR_OK)
        *ret_value = value;
    return status;
}

cr_status cr_program_codes(cr_plan *plan, cr_program *p, int32_t node, const cr_access *access, int32_t *ret_value, cr_err *err) {
    const cr_plan_node *n = &plan->nodes[node];
    const cr_reduce_params *r = n->node->params;
    int dims[CR_MAX_DIMS], k = 0;
    cr_access *codes;
    for (int i = 0; i < access->ndim; i++)
        if (r->axes_mask & (1u << i))
            dims[k++] = access->axis[i].dim;
    CR_TRY(cr_access_identity(plan, k, dims, &codes, err));
    return add_load(p, CR_LEAF_CODES, n, codes, -1, CR_I32, sizeof(int32_t), 0, ret_value, err);
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
    size_t strip = STRIP_BYTES / ((size_t)CR_MAX(1, p->n_regs) * widest);
    p->strip = (uint32_t)CR_MIN(2048, CR_MAX(128, strip / 64 * 64));
    p->reg_bytes = (uint32_t)((p->strip * widest + 63) / 64 * 64);
    return CR_OK;
}

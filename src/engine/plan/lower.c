/* lower.c - from a node to a flat program: views vanish into the accesses of the leaves, elementwise nodes become calls of kernels, a concat
 * becomes a choice between values that exist in scopes. Iterative, with a memo on (node, access, scope), so that what is shared is computed once.
 * First all that is looked at is collected (walk.c). */
#include <stdlib.h>

#include "engine/plan/walk.h"

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

static cr_status add_value(cr_program *p, const cr_value *v, int32_t *ret_id, cr_err *err) {
    CR_TRY(cr_plan_grow((void **)&p->values, p->n_values, &p->cap_values, sizeof *v, err));
    p->values[p->n_values] = *v;
    p->values[p->n_values].reg = -1;
    *ret_id = p->n_values++;
    return CR_OK;
}

/* Second words of keys of the memo: accesses are addresses, multiples of 8, for values of nodes; the others differ from those and each other. */
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
    int32_t leaf = (int32_t)cr_idtable_get(&p->memo, cr_memo_key(node, kind), memo_leaf(access));
    if (leaf < 0) {
        leaf = p->n_leaves;
        CR_TRY(cr_idtable_put(&p->memo, cr_memo_key(node, kind), memo_leaf(access), leaf, err));
        CR_TRY(cr_plan_grow((void **)&p->leaves, p->n_leaves, &p->cap_leaves, sizeof *p->leaves, err));
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
    uint64_t key = cr_memo_key(value, scope), what = memo_cast(to);
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

/* ---- values of what is looked at ---- */

/* The program's scope for a box; 0 is everywhere. */
static cr_status scope_of(cr_program *p, const int64_t *box, int32_t *ret_scope, cr_err *err) {
    size_t bytes = cr_box_words(p) * sizeof *box;
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
        CR_TRY(cr_plan_grow((void **)&p->scopes, p->n_scopes, &p->cap_scopes, bytes, err));
        *ret_scope = ++p->n_scopes;
        memcpy(p->scopes + (size_t)(p->n_scopes - 1) * cr_box_words(p), box, bytes);
        return cr_idtable_put(&p->memo, hash, memo_scope(k), *ret_scope, err);
    }
    return CR_OK;
}

/* The value of an item whose inputs have theirs. */
static cr_status make_value(cr_walk *k, const cr_walk_item *it, int32_t scope, int32_t *ret_value, cr_err *err) {
    const cr_array *a = k->plan->nodes[it->node].node;
    if (a->op == CR_OP_CONCAT) {
        for (int64_t i = 0; i < it->n_segments; i++)
            it->segments[i].value = k->items[cr_walk_seen(k, it->segments[i].value)].value;
        cr_value v = {.kind = CR_VALUE_SELECT, .dtype = a->dtype, .itemsize = (uint32_t)a->itemsize, .scope = scope, .dim = it->dim,
                      .n_segments = it->n_segments, .segments = it->segments, .name = "concat"};
        return add_value(k->p, &v, ret_value, err);
    }
    if (cr_ops[a->op].cls == CR_CLASS_MAP) {
        int32_t args[3];
        for (int64_t i = 0; i < it->n_links; i++)
            args[i] = k->items[cr_walk_seen(k, k->links[it->first_link + i])].value;
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
static cr_status enter(cr_walk *k, work_stack *s, int32_t item, cr_err *err) {
    cr_walk_item *it = &k->items[item];
    int32_t scope;
    CR_TRY(scope_of(k->p, cr_walk_box(k, it->box), &scope, err));
    it->value = (int32_t)cr_idtable_get(&k->p->memo, cr_memo_key(it->node, scope), (uint64_t)(uintptr_t)it->access);
    if (it->value >= 0)
        return CR_OK;
    CR_TRY(cr_plan_grow((void **)&s->frames, s->n, &s->cap, sizeof *s->frames, err));
    s->frames[s->n++] = (work_frame){.item = item, .scope = scope};
    return CR_OK;
}

static cr_status make_values(cr_walk *k, work_stack *s, int32_t root, cr_err *err) {
    CR_TRY(enter(k, s, root, err));
    while (s->n > 0) {
        work_frame *f = &s->frames[s->n - 1];
        cr_walk_item *it = &k->items[f->item];
        int64_t n = it->segments != NULL ? it->n_segments : it->n_links;
        CR_TRY(cr_walk_check(k, err));
        if (f->next < n) {
            int32_t in = cr_walk_seen(k, it->segments != NULL ? it->segments[f->next].value : k->links[it->first_link + f->next]);
            f->next++;
            if (k->items[in].value < 0)
                CR_TRY(enter(k, s, in, err));
            continue;
        }
        CR_TRY(make_value(k, it, f->scope, &it->value, err));
        CR_TRY(cr_idtable_put(&k->p->memo, cr_memo_key(it->node, f->scope), (uint64_t)(uintptr_t)it->access, it->value, err));
        s->n--;
    }
    return CR_OK;
}

cr_status cr_program_lower(cr_plan *plan, cr_program *p, int32_t node, const cr_access *access, int32_t *ret_value, cr_err *err) {
    cr_walk k;
    work_stack s = {0};
    int32_t root = -1;
    cr_status status = cr_walk_make(&k, plan, p, node, access, &root, err);
    if (status == CR_OK)
        status = make_values(&k, &s, root, err);
    if (status == CR_OK)
        *ret_value = k.items[root].value;
    free(s.frames);
    cr_walk_done(&k);
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

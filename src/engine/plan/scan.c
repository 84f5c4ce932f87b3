/* scan.c - sinks that walk over the same cells of the same sources are computed in one scan. */
#include <stdlib.h>

#include "engine/plan/plan.h"

/* ---- one sink ---- */

static const cr_array *domain_of(const cr_plan *plan, int32_t node, bool reduces) {
    const cr_array *a = plan->nodes[node].node;
    return reduces ? a->inputs[0] : a;
}

/* Domain axes so ordered that the axes of the largest leaf lie as it stores them; axes that it does not have stay where they are.
 * order[d] = axis of the array. false: nothing to change. */
static bool storage_order(const cr_program *p, int *order) {
    int32_t l = cr_program_largest(p);
    if (l < 0)
        return false;
    const cr_access *x = p->leaves[l].access;
    int own[CR_MAX_DIMS], n = 0;
    for (int i = 0; i < x->ndim; i++)
        if (x->axis[i].dim >= 0 && p->shape[x->axis[i].dim] > 1)
            own[n++] = x->axis[i].dim;
    bool sorted = true, has[CR_MAX_DIMS] = {false};
    for (int i = 0; i < n; i++) {
        has[own[i]] = true;
        sorted = sorted && (i == 0 || own[i] > own[i - 1]);
    }
    for (int d = 0, k = 0; d < p->ndim; d++)
        order[d] = has[d] ? own[k++] : d;
    return !sorted;
}

static int64_t power_of_two_below(int64_t n) {
    int64_t p = 1;
    while (2 * p <= n)
        p *= 2;
    return p;
}

/* How many blocks are worth their states, which are made and merged: every slot should see several elements, or else there are too few
 * kept cells to keep many workers busy. Where a slot sees few in all, as of the members of an ensemble, states are most of what goes through memory,
 * and a few pieces of work have to do. A power of two. */
static int64_t worthwhile_blocks(const cr_sink_plan *s, const cr_cells *c, const int64_t *shape, int ndim) {
    int64_t kept = 1, elements = 1, blocks = 1;
    for (int d = 0; d < ndim; d++)
        if (s->reduced & (1u << d))
            elements = __builtin_mul_overflow(elements, shape[d], &elements) ? INT64_MAX : elements;
        else
            kept = CR_MIN(kept * c->n[d], CR_FOLD_MAX_BLOCKS);
    int64_t for_slots = elements / (CR_FOLD_SLOT_ELEMENTS * s->n_groups), pieces = for_slots > 0 ? CR_FOLD_MAX_BLOCKS : CR_FOLD_FEW_PIECES;
    int64_t most = CR_MAX(for_slots, (pieces + kept - 1) / CR_MAX(kept, 1));
    while (blocks < most && blocks < CR_FOLD_MAX_BLOCKS)
        blocks *= 2;
    return blocks;
}

/* Along the outermost reduced axes first. */
static void choose_blocks(cr_sink_plan *s, const cr_cells *c, const int64_t *shape, int ndim) {
    int64_t left = s->ranks || s->narrows ? CR_FOLD_MAX_BLOCKS : worthwhile_blocks(s, c, shape, ndim);
    s->n_blocks = 1;
    for (int d = 0; d < ndim; d++) {
        s->blocks[d] = 1;
        if (!(s->reduced & (1u << d)) || c->n[d] < 2)
            continue;
        s->blocks[d] = CR_MIN(left, power_of_two_below(c->n[d]));
        left /= s->blocks[d];
        s->n_blocks *= s->blocks[d];
    }
}

static cr_status describe_ranks(cr_sink_plan *s, const cr_array *a, const cr_array *in) {
    const cr_quantile_params *p = s->quantiles;
    s->rank = (cr_rank){.in = in->dtype, .out = a->dtype, .method = (cr_quantile_method)p->method, .skipna = p->skipna,
                        .own_type = p->own_type, .n_q = p->n_q, .q = p->q, .ascending = cr_quantile_ascending(p)};
    int64_t n = 1;
    for (int i = 0; i < in->ndim; i++)
        if (p->axes_mask & (1u << i))
            n = __builtin_mul_overflow(n, in->shape[i], &n) ? INT64_MAX : n;
    s->can_sift = !p->grouped && cr_rank_sift_of(&s->rank, n, &s->sift);
    return CR_OK;
}

static cr_status describe_sink(cr_plan *plan, cr_sink_plan *s, int ndim, const int *order, cr_err *err) {
    const cr_array *a = plan->nodes[s->node].node, *in = domain_of(plan, s->node, s->reduces);
    int out_of[CR_MAX_DIMS], k = 0; /* input axis to result axis */
    s->codes = -1;
    s->result = s->narrowed_before = -1;
    s->n_groups = 1;
    if (!s->reduces) {
        for (int d = 0; d < ndim; d++)
            s->out_axis[d] = order[d];
        return CR_OK;
    }
    s->ranks = a->op == CR_OP_QUANTILE;
    s->result = plan->nodes[s->node].result;
    uint32_t axes_mask;
    bool keepdims = false, grouped;
    if (s->ranks) {
        const cr_quantile_params *p = s->quantiles = a->params;
        axes_mask = p->axes_mask;
        keepdims = p->keepdims;
        grouped = p->grouped;
        s->n_groups = p->n_groups;
        k = p->n_q > 0;
    } else if (a->op == CR_OP_NARROW) {
        const cr_digit_params *p = s->narrows = a->params;
        axes_mask = p->axes_mask;
        grouped = false;
        s->n_groups = (int64_t)1 << p->bits;
        s->narrowed_before = p->first ? -1 : plan->nodes[plan->nodes[s->node].inputs[1]].result;
        k = 1;
    } else {
        s->params = a->params;
        axes_mask = s->params->axes_mask;
        grouped = a->op == CR_OP_GROUP;
        keepdims = !grouped && s->params->options.keepdims;
        if (grouped)
            s->n_groups = s->params->n_groups;
    }
    bool group_done = false;
    int64_t stride[CR_MAX_DIMS], n = 1;
    for (int i = in->ndim - 1; i >= 0; i--) {
        stride[i] = n;
        if (axes_mask & (1u << i))
            n *= in->shape[i];
    }
    for (int i = 0; i < in->ndim; i++) {
        bool reduced = axes_mask & (1u << i);
        out_of[i] = reduced ? -1 : k;
        if (reduced && !group_done)
            s->group_axis = k;
        k += !reduced || keepdims || (grouped && !group_done);
        group_done = group_done || reduced;
    }
    for (int d = 0; d < ndim; d++) {
        s->out_axis[d] = out_of[order[d]];
        if (s->out_axis[d] < 0)
            s->reduced |= 1u << d;
        s->index_stride[d] = stride[order[d]];
    }
    if (s->ranks)
        return describe_ranks(s, a, in);
    /* From the shape alone, so that cells cut finer for lack of memory are folded the same way. */
    int last = ndim - 1;
    while (last >= 0 && in->shape[order[last]] == 1)
        last--;
    s->runs = last >= 0 && (s->reduced & (1u << last));
    s->run_from = ndim;
    for (int d = ndim - 1; d >= 0 && ((s->reduced & (1u << d)) || in->shape[order[d]] == 1); d--)
        s->run_from = d;
    if (s->narrows != NULL) {
        s->fold = &cr_fold_digits;
        s->slot_bytes = cr_fold_slot_bytes(s->fold);
        return CR_OK;
    }
    cr_reduction r = (cr_reduction)s->params->reduction;
    s->by_index = r == CR_REDUCE_ARGMIN || r == CR_REDUCE_ARGMAX || r == CR_REDUCE_FIRST || r == CR_REDUCE_LAST;
    cr_dtype out;
    CR_TRY(cr_fold_find(plan->simd, r, in->dtype, &s->params->options, &s->fold, &out, err));
    s->slot_bytes = cr_fold_slot_bytes(s->fold);
    return CR_OK;
}

static cr_status lower_sink(cr_plan *plan, cr_program *p, cr_sink_plan *s, const int *order, cr_err *err) {
    const cr_array *in = domain_of(plan, s->node, s->reduces);
    int32_t node = s->reduces ? plan->nodes[s->node].inputs[0] : s->node;
    int dim_of[CR_MAX_DIMS];
    cr_access *root;
    for (int d = 0; d < in->ndim; d++)
        dim_of[order[d]] = d;
    CR_TRY(cr_access_identity(plan, in->ndim, dim_of, &root, err));
    CR_TRY(cr_program_lower(plan, p, node, root, &s->value, err));
    if (plan->nodes[s->node].node->op == CR_OP_GROUP && s->reduces)
        CR_TRY(cr_program_codes(plan, p, s->node, root, &s->codes, err));
    return CR_OK;
}

typedef struct probe {            /* a sink seen alone: this is what decides its cells */
    cr_sink_plan sink;
    cr_program program;
    cr_cells cells;
    int order[CR_MAX_DIMS];
    int32_t phase, scan;
    bool empty;
} probe;

static void domain_shape(const cr_array *in, const int *order, int64_t *shape) {
    for (int d = 0; d < in->ndim; d++)
        shape[d] = in->shape[order[d]];
}

static cr_status probe_sink(cr_plan *plan, probe *q, cr_err *err) {
    const cr_array *in = domain_of(plan, q->sink.node, q->sink.reduces);
    int64_t shape[CR_MAX_DIMS];
    for (int d = 0; d < in->ndim; d++)
        q->order[d] = d;
    q->empty = in->size == 0;
    q->sink.codes = -1;
    cr_program_init(plan, &q->program, in->ndim, in->shape);
    if (q->empty)
        return describe_sink(plan, &q->sink, in->ndim, q->order, err);
    CR_TRY(lower_sink(plan, &q->program, &q->sink, q->order, err));
    if (storage_order(&q->program, q->order)) {
        cr_program_done(&q->program);
        domain_shape(in, q->order, shape);
        cr_program_init(plan, &q->program, in->ndim, shape);
        CR_TRY(lower_sink(plan, &q->program, &q->sink, q->order, err));
    }
    CR_TRY(cr_program_nest(plan, &q->program, 0, err));
    CR_TRY(cr_cells_cut(plan, &q->program, &q->cells, err));
    int32_t codes = q->sink.codes;
    CR_TRY(describe_sink(plan, &q->sink, in->ndim, q->order, err));
    q->sink.codes = codes;
    choose_blocks(&q->sink, &q->cells, q->program.shape, in->ndim);
    return CR_OK;
}

/* ---- together ---- */

static bool same_cells(const cr_cells *a, const cr_cells *b, int ndim) {
    for (int d = 0; d < ndim; d++)
        if (a->n[d] != b->n[d] || memcmp(a->ends[d], b->ends[d], (size_t)a->n[d] * sizeof(int64_t)) != 0)
            return false;
    return true;
}

static bool same_form(const probe *a, const probe *b) {
    int ndim = a->program.ndim;
    return a->phase == b->phase && ndim == b->program.ndim &&
           (ndim == 0 || memcmp(a->program.shape, b->program.shape, (size_t)ndim * sizeof(int64_t)) == 0) && same_cells(&a->cells, &b->cells, ndim);
}

typedef struct forms {
    cr_idtable known;             /* (hash, k): the first probe of a form; (node, 2 * form + 1): the first of that form which reads it */
} forms;

/* The first probe of the same phase, shape and cells. */
static cr_status form_of(forms *f, const probe *probes, int32_t i, int32_t *ret_form, cr_err *err) {
    const probe *q = &probes[i];
    uint64_t h = 0x9E3779B97F4A7C15u ^ (uint64_t)q->phase;
    for (int d = 0; d < q->program.ndim; d++)
        for (int64_t k = 0; k < q->cells.n[d]; k++)
            h = (h ^ (uint64_t)q->cells.ends[d][k] ^ h >> 31) * 0xD6E8FEB86659FD93u;
    for (uint64_t k = 0;; k += 2) {
        int32_t known = (int32_t)cr_idtable_get(&f->known, h, k);
        if (known >= 0 && !same_form(&probes[known], q))
            continue;
        *ret_form = known >= 0 ? known : i;
        return known >= 0 ? CR_OK : cr_idtable_put(&f->known, h, k, i, err);
    }
}

#define MOST_SHARED 64            /* leaves that are looked up for a source in common */

/* The scan of the first probe that has the form of this one and reads something that it reads; -1: none has. */
static cr_status find_scan(const cr_plan *plan, forms *f, probe *probes, int32_t i, cr_err *err) {
    probe *q = &probes[i];
    int32_t form, first = -1;
    q->scan = -1;
    if (q->empty || (plan->apart && q->sink.ranks))
        return CR_OK;
    CR_TRY(form_of(f, probes, i, &form, err));
    uint64_t word = 2 * (uint64_t)(uint32_t)form + 1;
    for (int32_t k = 0; k < q->program.n_leaves && k < MOST_SHARED; k++) {
        int32_t known = (int32_t)cr_idtable_get(&f->known, (uint64_t)(uintptr_t)q->program.leaves[k].node, word);
        if (known >= 0 && (first < 0 || known < first))
            first = known;
    }
    q->scan = first >= 0 ? probes[first].scan : -1;
    for (int32_t k = 0; k < q->program.n_leaves; k++) {
        uint64_t node = (uint64_t)(uintptr_t)q->program.leaves[k].node;
        if (q->program.leaves[k].kind != CR_LEAF_CODES && cr_idtable_get(&f->known, node, word) < 0)
            CR_TRY(cr_idtable_put(&f->known, node, word, i, err));
    }
    return CR_OK;
}

static cr_status new_scan(cr_plan *plan, const probe *q, cr_scan **ret_scan, cr_err *err) {
    if (plan->n_scans == plan->cap_scans) {
        int32_t cap = plan->cap_scans == 0 ? 8 : 2 * plan->cap_scans;
        cr_scan *more = realloc(plan->scans, (size_t)cap * sizeof *more);
        if (more == NULL)
            return CR_FAIL(err, CR_MEMORY, "no memory to plan %d scans", cap);
        plan->scans = more;
        plan->cap_scans = cap;
    }
    cr_scan *scan = &plan->scans[plan->n_scans++];
    memset(scan, 0, sizeof *scan);
    scan->phase = q->phase;
    scan->empty = q->empty;
    scan->cells = q->cells;
    *ret_scan = scan;
    return CR_OK;
}

static cr_status build_scan(cr_plan *plan, cr_scan *scan, probe **members, int n, cr_err *err) {
    scan->n_sinks = n;
    scan->sinks = cr_arena_calloc(&plan->arena, (size_t)n, sizeof *scan->sinks);
    int32_t *keep = cr_arena_calloc(&plan->arena, 2 * (size_t)n, sizeof *keep);
    if (scan->sinks == NULL || keep == NULL)
        return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: %d results", n);
    if (n == 1) { /* what was lowered alone is the program */
        scan->program = members[0]->program;
        memset(&members[0]->program, 0, sizeof members[0]->program);
    } else {
        cr_program_init(plan, &scan->program, members[0]->program.ndim, members[0]->program.shape);
    }
    int n_keep = 0;
    for (int i = 0; i < n; i++) {
        cr_sink_plan *s = &scan->sinks[i];
        *s = members[i]->sink;
        if (scan->empty)
            continue;
        if (n > 1)
            CR_TRY(lower_sink(plan, &scan->program, s, members[i]->order, err));
        keep[n_keep++] = s->value;
        if (s->codes >= 0)
            keep[n_keep++] = s->codes;
    }
    if (scan->empty)
        return CR_OK;
    CR_TRY(cr_program_nest(plan, &scan->program, 0, err));
    CR_TRY(cr_program_finish(&scan->program, keep, n_keep, err));
    return cr_cells_measure(scan, err);
}

/* All of a scan are of one phase. */
static cr_status group_scans(cr_plan *plan, probe *probes, int32_t n, probe **members, cr_err *err) {
    cr_auto_free int32_t *next = malloc(((size_t)n + 1) * sizeof *next), *head = malloc(((size_t)n + 1) * sizeof *head);
    forms f = {0};
    int32_t n_scans = 0;
    cr_status status = next == NULL || head == NULL ? CR_FAIL(err, CR_MEMORY, "no memory to plan") : CR_OK;
    for (int32_t i = 0; i < n && status == CR_OK; i++) {
        status = find_scan(plan, &f, probes, i, err);
        if (status == CR_OK && probes[i].scan < 0)
            probes[i].scan = n_scans++;
    }
    cr_idtable_done(&f.known);
    CR_TRY(status);
    for (int32_t g = 0; g < n_scans; g++)
        head[g] = -1;
    for (int32_t i = n - 1; i >= 0; i--) {
        next[i] = head[probes[i].scan];
        head[probes[i].scan] = i;
    }
    for (int32_t phase = 0; phase < plan->n_phases; phase++)
        for (int32_t g = 0; g < n_scans; g++) {
            int m = 0;
            cr_scan *scan = NULL;
            if (probes[head[g]].phase != phase)
                continue;
            for (int32_t i = head[g]; i >= 0; i = next[i])
                members[m++] = &probes[i];
            CR_TRY(new_scan(plan, members[0], &scan, err));
            CR_TRY(build_scan(plan, scan, members, m, err));
        }
    return CR_OK;
}

static void note_reads(cr_plan *plan, const cr_program *p, int32_t phase) {
    for (int32_t i = 0; i < p->n_leaves; i++) {
        if (p->leaves[i].result >= 0) {
            cr_result *r = &plan->results[p->leaves[i].result];
            r->last_used = CR_MAX(r->last_used, phase);
        }
        if (p->leaves[i].inner != NULL)
            note_reads(plan, &p->leaves[i].inner->program, phase);
    }
}

/* Every reduction is a sink of its phase; so is every output that is not one. Outputs of no elements need no scan. */
cr_status cr_scans_make(cr_plan *plan, cr_err *err) {
    int32_t n = 0, most = plan->n_results + plan->n_outputs;
    probe *probes = calloc((size_t)most + 1, sizeof *probes);
    probe **members = calloc((size_t)most + 1, sizeof *members);
    cr_status status = CR_OK;
    if (probes == NULL || members == NULL)
        status = CR_FAIL(err, CR_MEMORY, "no memory to plan");
    for (int32_t i = 0; i < plan->n_results && status == CR_OK; i++) {
        int32_t node = plan->results[i].node;
        if (plan->nodes[node].node->size == 0)
            continue;
        probe *q = &probes[n++];
        q->sink.node = node;
        q->sink.reduces = true;
        q->sink.output = -1;
        q->phase = plan->nodes[node].phase;
        status = probe_sink(plan, q, err);
        note_reads(plan, &q->program, q->phase);
    }
    for (int i = 0; i < plan->n_outputs && status == CR_OK; i++) {
        int32_t node = plan->output_nodes[i];
        bool again = plan->output_first[i] != i && (plan->outputs == NULL || plan->outputs[i].sink == NULL); /* copied at the end */
        if (again || plan->nodes[node].result >= 0 || plan->nodes[node].node->size == 0)
            continue;
        probe *q = &probes[n++];
        q->sink.node = node;
        q->sink.output = i;
        q->phase = plan->nodes[node].phase;
        status = probe_sink(plan, q, err);
        note_reads(plan, &q->program, q->phase);
    }
    if (status == CR_OK)
        status = group_scans(plan, probes, n, members, err);
    for (int32_t i = 0; i < n; i++)
        cr_program_done(&probes[i].program);
    free(probes);
    free(members);
    return status;
}

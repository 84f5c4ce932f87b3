/* looked_at.c - of a reduction, only what something looks at is computed.
 *
 * Its whole axes decide cells and blocks, whoever looks at what, so that bits are the same; then its scan goes over a box of the kept axes alone. Elements of
 * the result outside of the box are never written, and its memory is given pages only where it is.
 */
#include "engine/plan/plan.h"

typedef struct looked_box {           /* of a result, along its axes; lo >= hi: nobody looks */
    int64_t lo[CR_MAX_DIMS], hi[CR_MAX_DIMS];
} looked_box;

#define PAGE_BYTES ((uint64_t)4096)

static void look_at_all(const cr_array *a, looked_box *box) {
    for (int i = 0; i < a->ndim; i++) {
        box->lo[i] = 0;
        box->hi[i] = a->shape[i];
    }
}

static void look_between(looked_box *box, int axis, int64_t extent, int64_t first, int64_t last) {
    int64_t lo = CR_MAX(0, CR_MIN(first, last)), hi = CR_MIN(extent, CR_MAX(first, last) + 1);
    box->lo[axis] = CR_MIN(box->lo[axis], lo);
    box->hi[axis] = CR_MAX(box->hi[axis], hi);
}

/* from, to: of the domain. Below a concatenation an access may lead outside of the array where it is not used. */
static void look_through(looked_box *box, const cr_array *a, const cr_access *x, const int64_t *from, const int64_t *to) {
    for (int i = 0; i < a->ndim; i++) {
        const cr_access_axis *ax = &x->axis[i];
        if (ax->dim < 0) {
            look_between(box, i, a->shape[i], ax->start, ax->start);
        } else if (ax->index == NULL) {
            look_between(box, i, a->shape[i], ax->start + ax->step * from[ax->dim], ax->start + ax->step * (to[ax->dim] - 1));
        } else {
            for (int64_t k = from[ax->dim]; k < to[ax->dim]; k++)
                look_between(box, i, a->shape[i], ax->index[k], ax->index[k]);
        }
    }
}

static void look_by_program(const cr_plan *plan, const cr_program *p, const int64_t *from, const int64_t *to, looked_box *boxes) {
    static const int64_t zeros[CR_MAX_DIMS];
    for (int32_t i = 0; i < p->n_leaves; i++) {
        const cr_leaf *l = &p->leaves[i];
        if (l->result >= 0 && l->kind == CR_LEAF_RESULT)
            look_through(&boxes[l->result], l->node, l->access, from, to);
        else if (l->result >= 0)      /* what a running sum begins with is of all blocks before */
            look_at_all(plan->nodes[plan->results[l->result].node].node, &boxes[l->result]);
        if (l->inner != NULL)         /* its boxes are larger than the cells */
            look_by_program(plan, &l->inner->program, zeros, l->inner->program.shape, boxes);
    }
}

/* What of the domain is needed for what is looked at of the results. false: all of it. */
static bool needed_of(const cr_plan *plan, const cr_scan *s, const looked_box *boxes, cr_part_box *ret_box) {
    bool less = false;
    for (int d = 0; d < s->program.ndim; d++) {
        int64_t lo = INT64_MAX, hi = 0;
        for (int i = 0; i < s->n_sinks; i++) {
            const cr_sink_plan *k = &s->sinks[i];
            bool all = !cr_sink_folds(k) || k->narrows != NULL || (k->reduced & (1u << d)) || cr_scan_runs_along(s, d);
            const looked_box *box = all ? NULL : &boxes[k->result];
            lo = all ? 0 : CR_MIN(lo, box->lo[k->out_axis[d]]);
            hi = all ? s->program.shape[d] : CR_MAX(hi, box->hi[k->out_axis[d]]);
        }
        if (lo >= hi)
            return false;
        ret_box->lo[d] = lo;
        ret_box->hi[d] = hi;
        less = less || lo > 0 || hi < s->program.shape[d];
    }
    return less;
}

/* Bytes of the pages that hold the box of a result: it lies in rows, all of the axes behind `at` and what the box has of that one. */
static uint64_t bytes_of_pages(const cr_array *a, const int64_t *lo, const int64_t *hi) {
    uint64_t row = a->itemsize, rows = 1;
    int at = a->ndim - 1;
    for (; at > 0 && lo[at] == 0 && hi[at] == a->shape[at]; at--)
        row *= (uint64_t)a->shape[at];
    row *= (uint64_t)(hi[at] - lo[at]);
    for (int i = 0; i < at; i++)
        rows *= (uint64_t)(hi[i] - lo[i]);
    uint64_t pages = (row + PAGE_BYTES - 1) / PAGE_BYTES + 1, all = (uint64_t)a->size * a->itemsize, bytes;
    return __builtin_mul_overflow(pages * PAGE_BYTES, rows, &bytes) ? all : CR_MIN(all, bytes);
}

/* Cells end where the box does. Along kept axes that changes no bit, as when they are cut for lack of memory. */
static cr_status cut_cells(cr_plan *plan, cr_scan *s, int d, int64_t lo, int64_t hi, cr_err *err) {
    cr_cells *c = &s->cells;
    int64_t *ends = cr_arena_alloc(&plan->arena, ((size_t)c->n[d] + 2) * sizeof *ends), n = 0, begin = 0;
    if (ends == NULL)
        return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: %lld pieces along one axis", (long long)c->n[d]);
    c->most[d] = 0;
    for (int64_t i = 0; i < c->n[d]; i++) {
        int64_t end = c->ends[d][i], at[3] = {lo, hi, end};
        for (int k = 0; k < 3; k++)
            if (at[k] > begin && (at[k] < end || k == 2)) {
                c->most[d] = CR_MAX(c->most[d], at[k] - begin);
                ends[n++] = begin = at[k];
            }
    }
    c->ends[d] = ends;
    c->n[d] = n;
    return CR_OK;
}

static void restrict_results(cr_plan *plan, const cr_scan *s) {
    for (int i = 0; i < s->n_sinks; i++) {
        const cr_sink_plan *k = &s->sinks[i];
        const cr_array *a = plan->nodes[k->node].node;
        int64_t lo[CR_MAX_DIMS] = {0}, hi[CR_MAX_DIMS];
        memcpy(hi, a->shape, (size_t)a->ndim * sizeof *hi);
        for (int d = 0; d < s->program.ndim; d++)
            if (!(k->reduced & (1u << d))) {
                lo[k->out_axis[d]] = s->part->lo[d];
                hi[k->out_axis[d]] = s->part->hi[d];
            }
        plan->results[k->result].touched_bytes = bytes_of_pages(a, lo, hi);
    }
}

static void restrict_reads(cr_scan *s) {
    for (int32_t i = 0; i < s->program.n_leaves; i++) {
        cr_leaf *l = &s->program.leaves[i];
        double share = 1;
        for (int a = 0; a < l->access->ndim; a++) {
            int d = l->access->axis[a].dim;
            share *= d < 0 ? 1 : (double)(s->part->hi[d] - s->part->lo[d]) / (double)s->program.shape[d];
        }
        l->read_bytes = (uint64_t)((double)l->read_bytes * share);
    }
}

/* From the last phase to the first: what is not needed of one reduction is not looked at either. */
cr_status cr_plan_look(cr_plan *plan, cr_err *err) {
    static const int64_t zeros[CR_MAX_DIMS];
    looked_box *boxes = cr_arena_alloc(&plan->arena, ((size_t)plan->n_results + 1) * sizeof *boxes);
    if (boxes == NULL)
        return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: %d reductions", plan->n_results);
    for (int32_t i = 0; i < plan->n_results; i++)
        for (int k = 0; k < CR_MAX_DIMS; k++) {
            boxes[i].lo[k] = INT64_MAX;
            boxes[i].hi[k] = 0;
        }
    for (int i = 0; i < plan->n_outputs; i++) {
        const cr_plan_node *n = &plan->nodes[plan->output_nodes[i]];
        if (n->result >= 0)
            look_at_all(n->node, &boxes[n->result]);
    }
    for (int32_t phase = plan->n_phases - 1; phase >= 0; phase--)
        for (int32_t i = 0; i < plan->n_scans; i++) {
            cr_scan *s = &plan->scans[i];
            cr_part_box box;
            if (s->phase != phase || s->empty)
                continue;
            memset(&box, 0, sizeof box);
            if (needed_of(plan, s, boxes, &box)) {
                cr_part_box *own = cr_arena_alloc(&plan->arena, sizeof *own);
                if (own == NULL)
                    return CR_FAIL(err, CR_LIMIT, "planning needs too much memory");
                *own = box;
                s->part = own;
                for (int d = 0; d < s->program.ndim; d++)
                    if (box.lo[d] > 0 || box.hi[d] < s->program.shape[d])
                        CR_TRY(cut_cells(plan, s, d, box.lo[d], box.hi[d], err));
                CR_TRY(cr_cells_measure(s, err));
                restrict_results(plan, s);
                restrict_reads(s);
            }
            look_by_program(plan, &s->program, s->part ? s->part->lo : zeros, s->part ? s->part->hi : s->program.shape, boxes);
            for (int k = 0; k < s->n_sinks; k++)
                if (s->sinks[k].narrowed_before >= 0)
                    look_at_all(plan->nodes[plan->results[s->sinks[k].narrowed_before].node].node, &boxes[s->sinks[k].narrowed_before]);
        }
    return CR_OK;
}

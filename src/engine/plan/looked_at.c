/* looked_at.c - of a reduction, only what something looks at is computed.
 *
 * Its whole axes decide cells and blocks, whoever looks at what, so that bits are the same; then its scan goes over a box of the kept axes alone. Elements of
 * the result outside of the box are never written, and its memory is given pages only where it is.
 *
 * Of groups only those that something looks at have states, and elements of the others are in no group. Where all groups lie along one axis, the scan passes over
 * the cells that have no element of any.
 */
#include "engine/plan/plan.h"

typedef struct looked_box {           /* of a result, along its axes; lo >= hi: nobody looks */
    int64_t lo[CR_MAX_DIMS], hi[CR_MAX_DIMS];
    int group_axis;                   /* of the result; -1: it is not grouped by one axis */
    uint8_t *groups;                  /* those that are looked at */
} looked_box;

#define PAGE_BYTES ((uint64_t)4096)

static void look_at_all(const cr_array *a, looked_box *box) {
    for (int i = 0; i < a->ndim; i++) {
        box->lo[i] = 0;
        box->hi[i] = a->shape[i];
    }
    if (box->group_axis >= 0)
        memset(box->groups, 1, (size_t)a->shape[box->group_axis]);
}

static void look_at_group(looked_box *box, int axis, int64_t extent, int64_t at) {
    if (axis == box->group_axis && at >= 0 && at < extent)
        box->groups[at] = 1;
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
            look_at_group(box, i, a->shape[i], ax->start);
        } else if (ax->index == NULL) {
            look_between(box, i, a->shape[i], ax->start + ax->step * from[ax->dim], ax->start + ax->step * (to[ax->dim] - 1));
            for (int64_t k = from[ax->dim]; i == box->group_axis && k < to[ax->dim]; k++)
                look_at_group(box, i, a->shape[i], ax->start + ax->step * k);
        } else {
            for (int64_t k = from[ax->dim]; k < to[ax->dim]; k++) {
                look_between(box, i, a->shape[i], ax->index[k], ax->index[k]);
                look_at_group(box, i, a->shape[i], ax->index[k]);
            }
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

/* Of `all` positions along axis d of the domain only some are gone over. */
static void read_less(cr_scan *s, int d, int64_t some, int64_t all) {
    for (int32_t i = 0; i < s->program.n_leaves; i++)
        for (int a = 0; a < s->program.leaves[i].access->ndim; a++)
            if (s->program.leaves[i].access->axis[a].dim == d)
                s->program.leaves[i].read_bytes = (uint64_t)((double)s->program.leaves[i].read_bytes * (double)some / (double)all);
}

/* What of the domain is needed for what is looked at of the results. false: all of it. */
static bool needed_of(const cr_plan *plan, const cr_scan *s, const looked_box *boxes, cr_part_box *ret_box) {
    bool less = false;
    for (int d = 0; d < s->program.ndim; d++) {
        int64_t lo = INT64_MAX, hi = 0;
        for (int i = 0; i < s->n_sinks; i++) {
            const cr_sink_plan *k = &s->sinks[i];
            bool all = !k->reduces || k->narrows != NULL || (k->reduced & (1u << d)) || cr_scan_runs_along(s, d);
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

/* ---- groups ---- */

static bool is_grouped(const cr_sink_plan *k) { return cr_sink_folds(k) && k->codes >= 0; }

static int32_t leaf_of_codes(const cr_scan *s, const cr_sink_plan *k) { return s->program.values[k->codes].leaf; }

static cr_status list_groups(cr_plan *plan, looked_box *boxes, cr_err *err) {
    for (int32_t i = 0; i < plan->n_scans; i++)
        for (int k = 0; k < plan->scans[i].n_sinks; k++) {
            const cr_sink_plan *sink = &plan->scans[i].sinks[k];
            if (plan->scans[i].empty || !is_grouped(sink))
                continue;
            boxes[sink->result].groups = cr_arena_calloc(&plan->arena, (size_t)sink->n_groups + 1, 1);
            if (boxes[sink->result].groups == NULL)
                return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: %lld groups", (long long)sink->n_groups);
            boxes[sink->result].group_axis = sink->group_axis;
        }
    return CR_OK;
}

static int64_t count_groups(const uint8_t *groups, int64_t n) {
    int64_t wanted = 0;
    for (int64_t g = 0; g < n; g++)
        wanted += groups[g];
    return wanted;
}

/* Sinks with the same codes are looked at alike. */
static void look_alike(const cr_scan *s, const looked_box *boxes) {
    for (int i = 0; i < s->n_sinks; i++)
        for (int k = 0; k < s->n_sinks; k++) {
            const cr_sink_plan *a = &s->sinks[i], *b = &s->sinks[k];
            if (i == k || !is_grouped(a) || !is_grouped(b) || leaf_of_codes(s, a) != leaf_of_codes(s, b))
                continue;
            for (int64_t g = 0; g < CR_MIN(a->n_groups, b->n_groups); g++)
                boxes[a->result].groups[g] |= boxes[b->result].groups[g];
        }
}

/* Codes that were made for another sink with the same labels, of which the same groups are looked at; NULL: there is none. Labels of a map are many. */
static const int32_t *codes_made(const cr_plan *plan, const cr_sink_plan *k, const int64_t *group_at, int64_t n) {
    for (int32_t i = 0; i < plan->n_scans; i++)
        for (int m = 0; m < plan->scans[i].n_sinks; m++) {
            const cr_sink_plan *other = &plan->scans[i].sinks[m];
            if (other->group_at != NULL && other->params->codes == k->params->codes && other->params->n_groups == k->params->n_groups &&
                other->params->n_codes == k->params->n_codes && other->n_groups == n &&
                memcmp(other->group_at, group_at, (size_t)n * sizeof *group_at) == 0)
                return cr_sink_codes(&plan->scans[i], other);
        }
    return NULL;
}

/* States for the groups that are looked at, and codes that count these alone. */
static cr_status choose_groups(cr_plan *plan, cr_scan *s, cr_sink_plan *k, const uint8_t *groups, int64_t n_wanted, cr_err *err) {
    cr_leaf *l = &s->program.leaves[leaf_of_codes(s, k)];
    const int64_t n = k->params->n_codes;
    int64_t *group_at = cr_arena_alloc(&plan->arena, (size_t)n_wanted * sizeof *group_at), m = 0;
    int32_t *number = cr_arena_alloc(&plan->arena, (size_t)k->n_groups * sizeof *number), *codes = NULL;
    for (int64_t g = 0; group_at != NULL && number != NULL && g < k->n_groups; g++) {
        number[g] = groups[g] ? (int32_t)m : -1;
        if (groups[g])
            group_at[m++] = g;
    }
    if (group_at != NULL && l->codes == NULL)
        l->codes = codes_made(plan, k, group_at, n_wanted);
    if (l->codes == NULL)
        codes = cr_arena_alloc(&plan->arena, ((size_t)n + 1) * sizeof *codes);
    if (group_at == NULL || number == NULL || (l->codes == NULL && codes == NULL))
        return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: groups of %lld elements", (long long)n);
    for (int64_t i = 0; i < n && codes != NULL; i++)
        codes[i] = k->params->codes[i] < 0 ? -1 : number[k->params->codes[i]];
    l->codes = codes != NULL ? codes : l->codes;
    k->group_at = group_at;
    k->n_groups = n_wanted;
    return CR_OK;
}

const int32_t *cr_sink_codes(const cr_scan *s, const cr_sink_plan *k) {
    const int32_t *chosen = s->program.leaves[leaf_of_codes(s, k)].codes;
    return chosen != NULL ? chosen : k->params->codes;
}

static cr_status look_at_groups(cr_plan *plan, cr_scan *s, const looked_box *boxes, bool *ret_less, cr_err *err) {
    look_alike(s, boxes);
    for (int i = 0; i < s->n_sinks; i++) {
        cr_sink_plan *k = &s->sinks[i];
        int64_t n = is_grouped(k) ? count_groups(boxes[k->result].groups, k->n_groups) : 0;
        if (n == 0 || n == k->n_groups)
            continue;
        CR_TRY(choose_groups(plan, s, k, boxes[k->result].groups, n, err));
        *ret_less = true;
    }
    return CR_OK;
}

static bool has_members(const int32_t *codes, int64_t lo, int64_t hi) {
    for (int64_t i = lo; i < hi; i++)
        if (codes[i] >= 0)
            return true;
    return false;
}

/* The cells along an axis without which all groups are what they are. */
static cr_status pass_over(cr_plan *plan, cr_scan *s, cr_err *err) {
    int axis = -1;
    for (int i = 0; i < s->n_sinks; i++) {
        const cr_sink_plan *k = &s->sinks[i];
        const cr_access *x = is_grouped(k) ? s->program.leaves[leaf_of_codes(s, k)].access : NULL;
        if (x == NULL || x->ndim != 1 || (i > 0 && x->axis[0].dim != axis))
            return CR_OK;
        axis = x->axis[0].dim;
    }
    if (axis < 0)
        return CR_OK;
    uint8_t *wanted = cr_arena_calloc(&plan->arena, (size_t)s->cells.n[axis], 1);
    if (wanted == NULL)
        return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: %lld pieces along one axis", (long long)s->cells.n[axis]);
    int64_t n_wanted = 0, positions = 0;
    for (int64_t c = 0; c < s->cells.n[axis]; c++) {
        int64_t lo = cr_cells_begin(&s->cells, axis, c), hi = s->cells.ends[axis][c];
        for (int i = 0; i < s->n_sinks && !wanted[c]; i++)
            wanted[c] = has_members(cr_sink_codes(s, &s->sinks[i]), lo, hi);
        n_wanted += wanted[c];
        positions += wanted[c] ? hi - lo : 0;
    }
    if (n_wanted == s->cells.n[axis])
        return CR_OK;
    s->wanted = wanted;
    s->wanted_axis = axis;
    s->n_wanted = n_wanted;
    read_less(s, axis, positions, s->program.shape[axis]);
    return CR_OK;
}

/* ---- what is left ---- */

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
        if (k->result < 0)            /* what is stored beside the groups */
            continue;
        memcpy(hi, a->shape, (size_t)a->ndim * sizeof *hi);
        for (int d = 0; s->part != NULL && d < s->program.ndim; d++)
            if (!(k->reduced & (1u << d))) {
                lo[k->out_axis[d]] = s->part->lo[d];
                hi[k->out_axis[d]] = s->part->hi[d];
            }
        if (k->group_at != NULL) {
            lo[k->group_axis] = k->group_at[0];
            hi[k->group_axis] = k->group_at[k->n_groups - 1] + 1;
        }
        plan->results[k->result].touched_bytes = bytes_of_pages(a, lo, hi);
    }
}

/* From the last phase to the first: what is not needed of one reduction is not looked at either. */
cr_status cr_plan_look(cr_plan *plan, cr_err *err) {
    static const int64_t zeros[CR_MAX_DIMS];
    looked_box *boxes = cr_arena_alloc(&plan->arena, ((size_t)plan->n_results + 1) * sizeof *boxes);
    if (boxes == NULL)
        return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: %d reductions", plan->n_results);
    for (int32_t i = 0; i < plan->n_results; i++) {
        boxes[i] = (looked_box){.group_axis = -1};
        for (int k = 0; k < CR_MAX_DIMS; k++)
            boxes[i].lo[k] = INT64_MAX;
    }
    CR_TRY(list_groups(plan, boxes, err));
    for (int i = 0; i < plan->n_outputs; i++) {
        const cr_plan_node *n = &plan->nodes[plan->output_nodes[i]];
        if (n->result >= 0)
            look_at_all(n->node, &boxes[n->result]);
    }
    for (int32_t phase = plan->n_phases - 1; phase >= 0; phase--)
        for (int32_t i = 0; i < plan->n_scans; i++) {
            cr_scan *s = &plan->scans[i];
            cr_part_box box;
            bool less = false;
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
                for (int d = 0; d < s->program.ndim; d++)
                    read_less(s, d, box.hi[d] - box.lo[d], s->program.shape[d]);
                less = true;
            }
            CR_TRY(look_at_groups(plan, s, boxes, &less, err));
            CR_TRY(pass_over(plan, s, err));
            if (less)
                restrict_results(plan, s);
            look_by_program(plan, &s->program, s->part ? s->part->lo : zeros, s->part ? s->part->hi : s->program.shape, boxes);
            for (int k = 0; k < s->n_sinks; k++)
                if (s->sinks[k].narrowed_before >= 0)
                    look_at_all(plan->nodes[plan->results[s->sinks[k].narrowed_before].node].node, &boxes[s->sinks[k].narrowed_before]);
        }
    return CR_OK;
}

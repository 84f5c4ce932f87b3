/* cells.c - the domain is cut into cells along the chunks of the largest source: what is read and computed at once.
 *
 * For every axis of the domain the largest thing that has this axis says where to cut: a leaf by its chunks, a concat by its parts and,
 * in each part, by what is largest there. All borders of concats are cuts too, so that a cell lies in one part. Small chunks are
 * then taken several at a time. Nothing else is looked at: cells decide the order of folding, and with it bits.
 */
#include <stdlib.h>

#include "engine/array/weights.h"
#include "engine/kernel/series.h"
#include "engine/kernel/sparse.h"
#include "engine/plan/plan.h"

#define MOST_CELLS ((int64_t)1 << 24)      /* along one axis */
#define MOST_HELD ((int64_t)1 << 24)       /* scopes that are looked at to see which ones meet */

typedef struct cut_list {
    int64_t *ends;
    int64_t n, cap;
} cut_list;

static cr_status add_end(cut_list *l, int64_t end, cr_err *err) {
    if (l->n > 0 && l->ends[l->n - 1] >= end)
        return CR_OK;
    if (l->n == l->cap) {
        int64_t cap = l->cap == 0 ? 64 : 2 * l->cap;
        int64_t *more = cap > MOST_CELLS ? NULL : realloc(l->ends, (size_t)cap * sizeof *more);
        if (more == NULL) {
            cr_status s = CR_FAIL(err, CR_LIMIT, "more than %lld chunks along one axis", (long long)l->n);
            cr_err_hint(err, "compute parts of it first, or store the data in larger chunks");
            return s;
        }
        l->ends = more;
        l->cap = cap;
    }
    l->ends[l->n++] = end;
    return CR_OK;
}

/* ---- what is largest along an axis ---- */

typedef struct best_table {       /* of one axis */
    int32_t *value;               /* of each value: the largest of what it is made of, down to selects; -1: nothing has the axis */
    uint64_t *weight;             /* the same; storage outweighs memory */
    int32_t root;                 /* the largest of all that sinks look at */
} best_table;

static uint64_t leaf_weight(const cr_leaf *l) {
    uint64_t bytes = CR_MIN(l->read_bytes, UINT64_MAX >> 2);
    return cr_leaf_is_read(l) ? bytes | (uint64_t)1 << 62 : bytes;
}

/* Of equal ones the first in the program. */
static void offer(int32_t *best, uint64_t *most, int32_t value, uint64_t weight) {
    if (value >= 0 && (*best < 0 || weight > *most || (weight == *most && value < *best))) {
        *best = value;
        *most = weight;
    }
}

static uint64_t add_weight(uint64_t a, uint64_t b) {
    uint64_t stored = (a | b) & (uint64_t)1 << 62;
    return CR_MIN((a & ~((uint64_t)1 << 62)) + (b & ~((uint64_t)1 << 62)), UINT64_MAX >> 2) | stored;
}

/* Values come after what they are made of, so one pass suffices. What nothing is made of is what sinks look at. */
static void find_best(const cr_program *p, int d, best_table *t, bool *used) {
    uint64_t most = 0;
    for (int32_t i = 0; i < p->n_values; i++) {
        const cr_value *v = &p->values[i];
        t->value[i] = -1;
        t->weight[i] = 0;
        used[i] = false;
        for (int k = 0; k < v->n_args; k++) {
            offer(&t->value[i], &t->weight[i], t->value[v->args[k]], t->weight[v->args[k]]);
            used[v->args[k]] = true;
        }
        if (v->kind == CR_VALUE_LOAD && p->leaves[v->leaf].kind != CR_LEAF_CODES) {
            const cr_leaf *l = &p->leaves[v->leaf];
            for (int a = 0; a < l->access->ndim; a++)
                if (l->access->axis[a].dim == d)
                    offer(&t->value[i], &t->weight[i], i, leaf_weight(l));
        } else if (v->kind == CR_VALUE_SELECT) {
            uint64_t sum = 0;
            for (int64_t k = 0; k < v->n_segments; k++) {
                sum = add_weight(sum, t->weight[v->segments[k].value]);
                used[v->segments[k].value] = true;
            }
            if (sum > 0 || d == v->dim)
                offer(&t->value[i], &t->weight[i], i, sum);
        }
    }
    t->root = -1;
    for (int32_t i = 0; i < p->n_values; i++)
        if (!used[i])
            offer(&t->root, &most, t->value[i], t->weight[i]);
}

/* ---- cuts of one axis ---- */

static cr_status leaf_cuts(const cr_leaf *l, int d, int64_t lo, int64_t hi, cut_list *out, cr_err *err) {
    int a = 0;
    while (l->access->axis[a].dim != d)
        a++;
    const cr_access_axis *x = &l->access->axis[a];
    cr_cuts *cuts;
    if (x->index != NULL)
        CR_TRY(cr_cuts_take(l->node->cuts[a], x->index + lo, hi - lo, &cuts, err));
    else
        CR_TRY(cr_cuts_slice(l->node->cuts[a], x->start + x->step * lo, x->step, hi - lo, &cuts, err));
    cr_status status = CR_OK;
    for (int64_t i = 1; i <= cuts->n && status == CR_OK; i++)
        status = add_end(out, lo + cr_cuts_begin(cuts, i), err);
    cr_cuts_unref(cuts);
    return status;
}

typedef struct cut_frame {
    int32_t best;
    int64_t lo, hi;
} cut_frame;

static cr_status axis_cuts(const cr_program *p, const best_table *t, int d, cut_list *out, cr_err *err) {
    size_t cap = 64, n = 0;
    cut_frame *stack = malloc(cap * sizeof *stack);
    if (stack == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan");
    stack[n++] = (cut_frame){t->root, 0, p->shape[d]};
    cr_status status = CR_OK;
    while (n > 0 && status == CR_OK) {
        cut_frame f = stack[--n];
        if (f.best < 0) {
            status = add_end(out, f.hi, err);
            continue;
        }
        const cr_value *v = &p->values[f.best];
        if (v->kind == CR_VALUE_LOAD) {
            status = leaf_cuts(&p->leaves[v->leaf], d, f.lo, f.hi, out, err);
            continue;
        }
        size_t need = n + (v->dim == d ? (size_t)v->n_segments : 1);
        if (need > cap) {
            cut_frame *more = realloc(stack, 2 * need * sizeof *more);
            if (more == NULL) {
                status = CR_FAIL(err, CR_MEMORY, "no memory to plan");
                break;
            }
            stack = more;
            cap = 2 * need;
        }
        if (v->dim == d) { /* the last part is pushed first, so that cuts come in order */
            for (int64_t k = v->n_segments - 1; k >= 0; k--) {
                const cr_segment *s = &v->segments[k];
                if (s->hi > f.lo && s->lo < f.hi)
                    stack[n++] = (cut_frame){t->value[s->value], CR_MAX(s->lo, f.lo), CR_MIN(s->hi, f.hi)};
            }
        } else {
            const cr_segment *pick = &v->segments[0];
            for (int64_t k = 1; k < v->n_segments; k++)
                if (t->weight[v->segments[k].value] > t->weight[pick->value])
                    pick = &v->segments[k];
            stack[n++] = (cut_frame){t->value[pick->value], f.lo, f.hi};
        }
    }
    free(stack);
    return status;
}

static int compare_ends(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Borders of concats along axis d, sorted: a cell may not cross them. */
static cr_status hard_cuts(const cr_program *p, int d, cut_list *out, cr_err *err) {
    int64_t n = 0;
    for (int32_t i = 0; i < p->n_values; i++)
        n += p->values[i].dim == d ? p->values[i].n_segments : 0;
    if (n == 0)
        return CR_OK;
    out->ends = malloc((size_t)n * sizeof *out->ends);
    if (out->ends == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan");
    for (int32_t i = 0; i < p->n_values; i++)
        for (int64_t k = 0; k < p->values[i].n_segments && p->values[i].dim == d; k++)
            out->ends[out->n++] = p->values[i].segments[k].hi;
    qsort(out->ends, (size_t)out->n, sizeof *out->ends, compare_ends);
    int64_t k = 0;
    for (int64_t i = 0; i < out->n; i++)
        if (k == 0 || out->ends[k - 1] != out->ends[i])
            out->ends[k++] = out->ends[i];
    out->n = k;
    return CR_OK;
}

/* soft and hard together into *ret, keeping only every f-th soft one after a hard one. */
static cr_status join_cuts(const cut_list *soft, const cut_list *hard, int64_t f, cut_list *out, cr_err *err) {
    int64_t h = 0, run = 0;
    for (int64_t s = 0; s < soft->n; s++) {
        while (h < hard->n && hard->ends[h] < soft->ends[s]) {
            CR_TRY(add_end(out, hard->ends[h++], err));
            run = 0;
        }
        bool is_hard = h < hard->n && hard->ends[h] == soft->ends[s];
        if (++run >= f || is_hard || s + 1 == soft->n) {
            CR_TRY(add_end(out, soft->ends[s], err));
            run = 0;
        }
        h += is_hard;
    }
    return CR_OK;
}

/* A cell of few elements along the axis of a wide window would be mostly what windows of other cells look at too. */
static void grow_for_windows(const cr_program *p, const cut_list *soft, double bytes, int64_t *f) {
    for (int32_t i = 0; i < p->n_leaves; i++) {
        const cr_leaf *l = &p->leaves[i];
        if (l->kind != CR_LEAF_ALONG || l->node->op != CR_OP_WINDOW)
            continue;
        const cr_along_params *k = cr_along_params_of(l->node);
        int d = l->access->axis[k->axis].dim;
        if (d < 0 || soft[d].n <= 1)
            continue;
        double extent = (double)p->shape[d] / (double)soft[d].n;
        while (f[d] < soft[d].n && extent * (double)f[d] < 2.0 * (double)k->window && 2 * bytes <= CR_CELL_WINDOW_BYTES) {
            int64_t more = CR_MIN(2 * f[d], soft[d].n);
            bytes *= (double)more / (double)f[d];
            f[d] = more;
        }
    }
}

/* Maps that are regridded together share the work of looking up weights. */
static void grow_for_maps(const cr_program *p, const cut_list *soft, double bytes, int64_t *f) {
    for (int32_t i = 0; i < p->n_leaves; i++) {
        const cr_leaf *l = &p->leaves[i];
        if (l->kind != CR_LEAF_ALONG || l->node->op != CR_OP_REGRID)
            continue;
        double maps = 1;
        int lead = cr_regrid_lead(l->node);
        for (int a = 0; a < lead; a++) {
            int d = l->access->axis[a].dim;
            if (d >= 0 && soft[d].n > 0)
                maps *= (double)p->shape[d] / (double)soft[d].n * (double)f[d];
        }
        for (int a = lead - 1; a >= 0; a--) {
            int d = l->access->axis[a].dim;
            while (d >= 0 && f[d] < soft[d].n && maps < CR_SPARSE_LANES_MOST && 2 * bytes <= CR_CELL_WINDOW_BYTES) {
                int64_t more = CR_MIN(2 * f[d], soft[d].n);
                bytes *= (double)more / (double)f[d];
                maps *= (double)more / (double)f[d];
                f[d] = more;
            }
        }
    }
}

/* How many chunks are computed at once along each axis, from the last axis on, until a cell is not tiny. */
static void growth(const cr_program *p, const cut_list *soft, int64_t *ret_f) {
    int32_t largest = cr_program_largest(p);
    double bytes = largest >= 0 ? (double)p->leaves[largest].itemsize : 8;
    for (int d = 0; d < p->ndim; d++)
        bytes *= (double)p->shape[d] / (double)CR_MAX(1, soft[d].n);
    int64_t left = CR_CELL_MOST_CHUNKS;
    for (int d = p->ndim - 1; d >= 0; d--) {
        ret_f[d] = 1;
        if (bytes >= CR_CELL_LEAST_BYTES || left <= 1 || soft[d].n <= 1)
            continue;
        int64_t want = (int64_t)(CR_CELL_LEAST_BYTES / CR_MAX(bytes, 1)) + 1;
        ret_f[d] = CR_MIN(CR_MIN(want, left), soft[d].n);
        left /= ret_f[d];
        bytes *= (double)ret_f[d];
    }
    grow_for_windows(p, soft, bytes, ret_f);
    grow_for_maps(p, soft, bytes, ret_f);
}

static cr_status cut_all(cr_plan *plan, const cr_program *p, best_table *t, bool *used, cut_list *soft, cut_list *hard, cut_list *joined, cr_cells *c,
                         cr_err *err) {
    int64_t f[CR_MAX_DIMS];
    for (int d = 0; d < p->ndim; d++) {
        find_best(p, d, t, used);
        CR_TRY(axis_cuts(p, t, d, &soft[d], err));
        CR_TRY(hard_cuts(p, d, &hard[d], err));
    }
    growth(p, soft, f);
    for (int d = 0; d < p->ndim; d++) {
        CR_TRY(join_cuts(&soft[d], &hard[d], f[d], &joined[d], err));
        c->n[d] = joined[d].n;
        c->ends[d] = cr_arena_calloc(&plan->arena, (size_t)joined[d].n, sizeof(int64_t));
        if (c->ends[d] == NULL)
            return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: %lld chunks along one axis", (long long)joined[d].n);
        memcpy(c->ends[d], joined[d].ends, (size_t)joined[d].n * sizeof(int64_t));
        c->most[d] = 0;
        for (int64_t i = 0; i < c->n[d]; i++)
            c->most[d] = CR_MAX(c->most[d], c->ends[d][i] - cr_cells_begin(c, d, i));
    }
    return CR_OK;
}

cr_status cr_cells_cut(cr_plan *plan, const cr_program *p, cr_cells *ret_cells, cr_err *err) {
    cut_list soft[CR_MAX_DIMS], hard[CR_MAX_DIMS], joined[CR_MAX_DIMS];
    memset(soft, 0, sizeof soft);
    memset(hard, 0, sizeof hard);
    memset(joined, 0, sizeof joined);
    memset(ret_cells, 0, sizeof *ret_cells);
    size_t n = (size_t)p->n_values + 1;
    best_table t = {malloc(n * sizeof *t.value), malloc(n * sizeof *t.weight), -1};
    cr_auto_free bool *used = malloc(n * sizeof *used);
    cr_status status;
    if (t.value == NULL || t.weight == NULL || used == NULL) {
        status = CR_FAIL(err, CR_MEMORY, "no memory to plan");
    } else {
        status = cut_all(plan, p, &t, used, soft, hard, joined, ret_cells, err);
    }
    for (int d = 0; d < p->ndim; d++) {
        free(soft[d].ends);
        free(hard[d].ends);
        free(joined[d].ends);
    }
    free(t.value);
    free(t.weight);
    return status;
}

cr_status cr_cells_borders(cr_plan *plan, const cr_program *p, cr_cells *c, cr_err *err) {
    memset(c, 0, sizeof *c);
    for (int d = 0; d < p->ndim; d++) {
        cut_list hard = {0};
        cr_status status = hard_cuts(p, d, &hard, err);
        c->n[d] = CR_MAX(1, hard.n);
        c->ends[d] = status == CR_OK ? cr_arena_calloc(&plan->arena, (size_t)c->n[d], sizeof(int64_t)) : NULL;
        if (status == CR_OK && c->ends[d] == NULL)
            status = CR_FAIL(err, CR_LIMIT, "planning needs too much memory: %lld parts along one axis", (long long)hard.n);
        if (status == CR_OK && hard.n > 0)
            memcpy(c->ends[d], hard.ends, (size_t)hard.n * sizeof(int64_t));
        else if (status == CR_OK)
            c->ends[d][0] = p->shape[d];
        free(hard.ends);
        CR_TRY(status);
        /* The last border may lie before the end: what comes then is in no part of a concat. */
        if (c->ends[d][c->n[d] - 1] != p->shape[d])
            return CR_FAIL(err, CR_INTERNAL, "the parts of a concat do not reach its end");
    }
    return CR_OK;
}

int64_t cr_cells_begin(const cr_cells *c, int d, int64_t i) { return i == 0 ? 0 : c->ends[d][i - 1]; }

/* ---- what loading a cell takes ---- */

/* Does some cell, along axis d of the domain, need more than one chunk of the leaf's axis? */
static bool axis_straddles(const cr_cells *c, const cr_cuts *chunks, const cr_access_axis *x) {
    if (chunks->n <= 1)
        return false;
    for (int64_t i = 0; i < c->n[x->dim]; i++) {
        int64_t lo = cr_cells_begin(c, x->dim, i), hi = c->ends[x->dim][i];
        if (x->index == NULL) {
            if (cr_cuts_find(chunks, x->start + x->step * lo) != cr_cuts_find(chunks, x->start + x->step * (hi - 1)))
                return true;
            continue;
        }
        int64_t first = cr_cuts_find(chunks, x->index[lo]);
        for (int64_t k = lo + 1; k < hi; k++)
            if (cr_cuts_find(chunks, x->index[k]) != first)
                return true;
    }
    return false;
}

/* The accesses of a leaf below a concat are good only inside its scope: outside, positions mean nothing. The box of the leaf's scopes is not
 * worth keeping: such leaves are taken to straddle when they have several chunks. */
static bool leaf_straddles(const cr_scan *scan, const cr_leaf *l) {
    const cr_cells *c = &scan->cells;
    for (int a = 0; a < l->access->ndim; a++) {
        const cr_access_axis *x = &l->access->axis[a];
        if (x->dim < 0 || l->node->cuts[a]->n <= 1)
            continue;
        if (scan->program.n_scopes > 0 || scan->nested || axis_straddles(c, l->node->cuts[a], x))
            return true;
    }
    return false;
}

static uint64_t chunk_bytes(const cr_leaf *l) {
    if (l->kind == CR_LEAF_STORED)
        return ((const cr_stored_params *)l->node->params)->source->chunk_bytes;
    uint64_t bytes = l->itemsize;
    for (int a = 0; a < l->node->ndim; a++)
        bytes *= (uint64_t)CR_MAX(1, CR_MIN(l->node->cuts[a]->period, l->node->shape[a]));
    return bytes;
}

/* A callback can be asked for any box; only jumps and reversals make it read chunk by chunk. A scratch file gives whatever is asked for. */
bool cr_leaf_reads_boxes(const cr_leaf *l) {
    if (l->kind == CR_LEAF_SPILLED)
        return true;
    if (l->kind != CR_LEAF_CALLBACK)
        return false;
    for (int a = 0; a < l->access->ndim; a++)
        if (l->access->axis[a].dim >= 0 && (l->access->axis[a].index != NULL || l->access->axis[a].step != 1))
            return false;
    return true;
}

static void measure_leaf(cr_scan *scan, cr_leaf *l) {
    l->tile_bytes = l->chunk_bytes = 0;
    l->in_parts = false;
    if (l->kind != CR_LEAF_STORED && l->kind != CR_LEAF_CALLBACK && l->kind != CR_LEAF_SPILLED)
        return;
    bool boxes = cr_leaf_reads_boxes(l);
    if (boxes || leaf_straddles(scan, l)) {
        l->tile_bytes = l->itemsize;
        for (int a = 0; a < l->access->ndim; a++)
            if (l->access->axis[a].dim >= 0 &&
                __builtin_mul_overflow(l->tile_bytes, (uint64_t)scan->cells.most[l->access->axis[a].dim], &l->tile_bytes))
                l->tile_bytes = UINT64_MAX >> 8;
        l->tile_bytes = CR_MIN(l->tile_bytes, UINT64_MAX >> 8);
        l->tile_bytes = (l->tile_bytes + 63) / 64 * 64;
    }
    l->chunk_bytes = boxes ? 0 : (CR_MIN(chunk_bytes(l), UINT64_MAX >> 8) + 63) / 64 * 64;
    if (l->kind == CR_LEAF_STORED) {
        cr_source *s = ((const cr_stored_params *)l->node->params)->source;
        uint64_t part;
        size_t scratch = 0;
        l->in_parts = cr_leaf_reads_parts(&scan->program, l, &part, &scratch);
        if (l->in_parts)
            l->chunk_bytes = (part + 63) / 64 * 64;
        scan->scratch_bytes = CR_MAX(scan->scratch_bytes, l->in_parts ? scratch : s->ops->scratch_bytes(s));
    }
}

/* The longest stretch of an axis that one cell (or box, where cells are only borders) looks at. */
static int64_t longest(const cr_scan *scan, const cr_access_axis *x, int64_t extent) {
    int64_t most = x->dim < 0 ? 1 : scan->cells.most[x->dim], span = 1, n = x->dim < 0 ? 0 : scan->cells.n[x->dim];
    if (x->dim < 0)
        return 1;
    if (x->index == NULL) {
        if (__builtin_mul_overflow(x->step < 0 ? -x->step : x->step, most - 1, &span) || span >= extent)
            return extent;
        return span + 1;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t lo = extent, hi = -1;
        for (int64_t k = cr_cells_begin(&scan->cells, x->dim, i); k < scan->cells.ends[x->dim][i]; k++) {
            lo = CR_MIN(lo, x->index[k]);
            hi = CR_MAX(hi, x->index[k]);
        }
        span = CR_MAX(span, hi - lo + 1);
    }
    return CR_MIN(span, extent);
}

static uint64_t times(uint64_t a, uint64_t b) {
    uint64_t r;
    return __builtin_mul_overflow(a, b, &r) ? UINT64_MAX >> 8 : CR_MIN(r, UINT64_MAX >> 8);
}

static uint64_t rounded(uint64_t bytes) { return (CR_MIN(bytes, UINT64_MAX >> 8) + 63) / 64 * 64; }

/* A worker of its own, the box, and what else is needed: see plan.h. */
static cr_status measure_inner(cr_scan *scan, cr_leaf *l, uint64_t out, uint64_t raw, uint64_t state, cr_err *err) {
    CR_TRY(cr_cells_measure(l->inner, err));
    l->tile_bytes = rounded(out);
    l->raw_bytes = rounded(raw);
    l->state_bytes = state;
    l->inner_bytes = rounded(cr_scan_fixed_bytes(l->inner) + l->inner->load_bytes);
    l->chunk_bytes = CR_MIN(CR_NESTED_BYTES + l->raw_bytes + l->state_bytes + l->inner_bytes, UINT64_MAX >> 8);
    scan->scratch_bytes = CR_MAX(scan->scratch_bytes, l->inner->scratch_bytes);
    return CR_OK;
}

/* Positions of an axis of the target that cell i looks at. */
static void cell_stretch(const cr_scan *scan, const cr_access_axis *x, int64_t i, int64_t *ret_lo, int64_t *ret_n) {
    int64_t lo = x->start, hi = x->start;
    if (x->dim >= 0) {
        int64_t from = cr_cells_begin(&scan->cells, x->dim, i), end = scan->cells.ends[x->dim][i];
        if (x->index == NULL) {
            int64_t first = x->start + x->step * from, last = x->start + x->step * (end - 1);
            lo = CR_MIN(first, last);
            hi = CR_MAX(first, last);
        } else {
            lo = hi = x->index[from];
            for (int64_t k = from + 1; k < end; k++) {
                lo = CR_MIN(lo, x->index[k]);
                hi = CR_MAX(hi, x->index[k]);
            }
        }
    }
    *ret_lo = lo;
    *ret_n = hi - lo + 1;
}

/* The largest box of the source that a cell needs. Boxes of inner scans, and cells below concats, may lie anywhere. */
static cr_source_box most_of_source(const cr_scan *scan, const cr_leaf *l, const cr_weights *w, const int64_t *span) {
    int lead = l->node->ndim - w->dst_ndim;
    int64_t ny = w->dst_ndim == 2 ? span[lead] : 1, nx = span[l->node->ndim - 1];
    cr_source_box most = cr_weights_most(w, ny, nx), sharp = {0, 0, 0, 0};
    const cr_access_axis *y = w->dst_ndim == 2 ? &l->access->axis[lead] : NULL, *x = &l->access->axis[l->node->ndim - 1];
    if (scan->nested || scan->program.n_scopes > 0)
        return most;
    int64_t cells_y = y != NULL && y->dim >= 0 ? scan->cells.n[y->dim] : 1, cells_x = x->dim >= 0 ? scan->cells.n[x->dim] : 1;
    if (cells_y > (1 << 20) / CR_MAX(1, cells_x) || (y != NULL && y->dim >= 0 && y->dim == x->dim))
        return most;
    for (int64_t i = 0; i < cells_y; i++)
        for (int64_t k = 0; k < cells_x; k++) {
            int64_t from_y = 0, n_y = 1, from_x, n_x;
            if (y != NULL)
                cell_stretch(scan, y, i, &from_y, &n_y);
            cell_stretch(scan, x, k, &from_x, &n_x);
            cr_source_box box = cr_weights_box(w, from_y, n_y, from_x, n_x);
            sharp.ny = CR_MAX(sharp.ny, box.ny);
            sharp.nx = CR_MAX(sharp.nx, box.nx);
        }
    return sharp;
}

/* The box of the source, the columns of lanes, and a worker. */
static cr_status measure_regrid(cr_scan *scan, cr_leaf *l, cr_err *err) {
    const cr_weights *w = ((const cr_regrid_params *)l->node->params)->weights;
    const cr_array *in = l->node->inputs[0];
    int lead = cr_regrid_lead(l->node);
    int64_t span[CR_MAX_DIMS];
    uint64_t out = l->itemsize, raw = in->itemsize;
    for (int a = 0; a < l->node->ndim; a++) {
        span[a] = longest(scan, &l->access->axis[a], l->node->shape[a]);
        out = times(out, (uint64_t)span[a]);
    }
    cr_source_box most = most_of_source(scan, l, w, span);
    for (int a = 0; a < in->ndim; a++) {
        int64_t n = a < lead ? span[a] : a == lead && w->src_ndim == 2 ? most.ny : most.nx;
        l->inner->cells.most[a] = CR_MAX(1, n);
        raw = times(raw, (uint64_t)CR_MAX(1, n));
    }
    uint64_t columns = times((uint64_t)w->most_places * in->itemsize, (uint64_t)cr_weights_lanes(w));
    return measure_inner(scan, l, out, raw, rounded(columns), err);
}

/* The box of the input, the state of the loops, and a worker of its own. */
static cr_status measure_along(cr_scan *scan, cr_leaf *l, cr_err *err) {
    const cr_along_params *k = cr_along_params_of(l->node);
    const cr_array *in = l->node->inputs[0];
    cr_scan *inner = l->inner;
    uint64_t out = l->itemsize, raw = in->itemsize, kept = 1;
    for (int a = 0; a < l->node->ndim; a++) {
        int64_t span = longest(scan, &l->access->axis[a], l->node->shape[a]), more = span;
        if (a == k->axis && l->node->op == CR_OP_WINDOW)
            more = span + k->window - 1;
        inner->cells.most[a] = more;
        out = times(out, (uint64_t)span);
        raw = times(raw, (uint64_t)more);
        kept = a == k->axis ? kept : times(kept, (uint64_t)span);
    }
    uint64_t state = l->node->op == CR_OP_WINDOW ? rounded(cr_along_window_bytes(k->window)) : 2 * rounded(times(kept, 8));
    return measure_inner(scan, l, out, raw, state, err);
}

/* ---- scopes at one place ---- */

typedef struct held {             /* what leaves take in each scope */
    const cr_program *p;
    const uint64_t *own;
    int64_t left;                 /* so much may still be looked at */
} held;

static uint64_t add_bytes(uint64_t a, uint64_t b) { return CR_MIN(a, UINT64_MAX >> 4) + CR_MIN(b, UINT64_MAX >> 4); }

static uint64_t all_of(const held *h, const int32_t *scopes, int32_t n) {
    uint64_t sum = 0;
    for (int32_t i = 0; i < n; i++)
        sum = add_bytes(sum, h->own[scopes[i]]);
    return sum;
}

typedef struct scope_from {
    int64_t lo, hi;
    int32_t scope;
} scope_from;

static int by_beginning(const void *a, const void *b) {
    const scope_from *x = a, *y = b;
    return x->lo != y->lo ? (x->lo < y->lo ? -1 : 1) : x->scope - y->scope;
}

/* The most that scopes take which hold one place, from axis d on: where another one begins they may be more. Where that is too much to look at it
 * is all of them. */
static cr_status most_held(held *h, const int32_t *scopes, int32_t n, int d, uint64_t *most, cr_err *err) {
    bool cut = false;
    for (; d < h->p->ndim && !cut; d += !cut)
        for (int32_t i = 0; i < n && !cut; i++)
            cut = cr_scope_is_cut(h->p, scopes[i], d);
    h->left -= n;
    if (!cut || n <= 1 || h->left < 0) {
        *most = CR_MAX(*most, all_of(h, scopes, n));
        return CR_OK;
    }
    cr_auto_free scope_from *sorted = malloc((size_t)n * sizeof *sorted);
    cr_auto_free int32_t *here = malloc((size_t)n * sizeof *here);
    if (sorted == NULL || here == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan");
    for (int32_t i = 0; i < n; i++)
        sorted[i] = (scope_from){cr_scope_box(h->p, scopes[i])[2 * d], cr_scope_box(h->p, scopes[i])[2 * d + 1], scopes[i]};
    qsort(sorted, (size_t)n, sizeof *sorted, by_beginning);
    int32_t n_here = 0;
    for (int32_t i = 0; i < n;) {
        int64_t at = sorted[i].lo;
        int32_t kept = 0;
        for (int32_t k = 0; k < n_here; k++)
            if (cr_scope_box(h->p, here[k])[2 * d + 1] > at)
                here[kept++] = here[k];
        if ((h->left -= n_here) < 0) {
            *most = CR_MAX(*most, all_of(h, scopes, n));
            return CR_OK;
        }
        for (n_here = kept; i < n && sorted[i].lo == at; i++)
            here[n_here++] = sorted[i].scope;
        if (all_of(h, here, n_here) > *most)
            CR_TRY(most_held(h, here, n_here, d + 1, most, err));
    }
    return CR_OK;
}

/* Bytes that a worker needs to hold what a cell reads: those everywhere, and of the scopes those of the place where they are most. */
cr_status cr_cells_measure(cr_scan *scan, cr_err *err) {
    cr_program *p = &scan->program;
    cr_auto_free uint64_t *own = calloc((size_t)p->n_scopes + 1, sizeof *own);
    cr_auto_free int32_t *scopes = malloc(((size_t)p->n_scopes + 1) * sizeof *scopes);
    uint64_t most = 0;
    int32_t n = 0;
    if (own == NULL || scopes == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan");
    scan->scratch_bytes = 0;
    for (int32_t i = 0; i < p->n_leaves; i++) {
        measure_leaf(scan, &p->leaves[i]);
        if (p->leaves[i].kind == CR_LEAF_ALONG)
            CR_TRY((p->leaves[i].node->op == CR_OP_REGRID ? measure_regrid : measure_along)(scan, &p->leaves[i], err));
    }
    for (int32_t i = 0; i < p->n_values; i++) {
        const cr_value *v = &p->values[i];
        if (v->kind == CR_VALUE_LOAD)
            own[v->scope] = add_bytes(own[v->scope], add_bytes(p->leaves[v->leaf].tile_bytes, p->leaves[v->leaf].chunk_bytes));
    }
    for (int32_t s = 1; s <= p->n_scopes; s++)
        if (own[s] > 0)
            scopes[n++] = s;
    held h = {.p = p, .own = own, .left = MOST_HELD};
    CR_TRY(most_held(&h, scopes, n, 0, &most, err));
    scan->load_bytes = add_bytes(own[0], most);
    return CR_OK;
}

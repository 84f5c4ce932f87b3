/* pieces.c - cells cut into pieces whose states stay in cache, over chunks that stay decoded while a worker is in one unit.
 *
 * A chunk that holds one time is folded element by element onto states of a whole map. Sums and counts of every month are many times the bytes
 * of the chunk, and all of them go through memory for every chunk. A piece is a part of a cell along a kept axis. A worker takes all cells of
 * its unit that lie under one piece, then those under the next; chunks are decoded for the first piece and stay for the others. There is
 * also less memory in use: states of a piece for each worker, instead of states of whole cells.
 *
 * The elements of a slot come in the order in which they came before, so bits do not change. Only scans whose sinks all fold rows over the same
 * axes, from sources that are read straight; others have no states that come back again and again, or gain nothing.
 *
 * What is regridded is made map by map of whole chunks, several maps at a time. There a piece is a band of rows of the target, and the chunks
 * of the maps stay while one band after the other is made of them.
 */
#include "engine/array/weights.h"
#include "engine/plan/plan.h"

#define STATES_BYTES ((int64_t)1 << 20)  /* of a piece, all groups: about a second-level cache */
#define LEAST_ELEMENTS 4096              /* of a piece in one cell: setting up a cell takes as long as computing some thousand */
#define MOST_ROWS 16                     /* where a cell folds more onto each slot, its states are in cache for most of them already */
#define STAY_BYTES ((uint64_t)48 << 20)  /* decoded chunks of a worker */
#define MOST_STAY 1024                   /* chunks of one source: they are looked for one by one */
#define MOST_PIECES ((int64_t)1 << 16)
#define MOST_LEAVES 256
#define UNITS_PER_WORKER 4

/* ---- which scans ---- */

static bool sinks_suit(const cr_scan *s) {
    for (int i = 0; i < s->n_sinks; i++) {
        const cr_sink_plan *k = &s->sinks[i];
        if (!cr_sink_folds(k) || k->runs || k->narrows != NULL || k->reduced != s->sinks[0].reduced)
            return false;
    }
    return s->n_sinks > 0;
}

static bool is_straight(const cr_leaf *l) {
    for (int a = 0; a < l->access->ndim; a++)
        if (l->access->axis[a].dim >= 0 && (l->access->axis[a].index != NULL || l->access->axis[a].step != 1))
            return false;
    return true;
}

/* What is regridded is the values of one source. NULL: it is made of more. */
static cr_leaf *only_source(const cr_leaf *l) {
    cr_leaf *source = NULL;
    if (l->node->op != CR_OP_REGRID || l->inner->program.n_scopes > 0)
        return NULL;
    for (int32_t i = 0; i < l->inner->program.n_leaves; i++) {
        cr_leaf *in = &l->inner->program.leaves[i];
        if (in->kind == CR_LEAF_CALLBACK || in->kind == CR_LEAF_SPILLED || in->kind == CR_LEAF_ALONG || (in->kind == CR_LEAF_STORED && (source != NULL || !is_straight(in))))
            return NULL;
        source = in->kind == CR_LEAF_STORED ? in : source;
    }
    return source;
}

/* The source whose chunks stay for a leaf: what it reads, or what it is regridded from. */
static cr_leaf *source_of(cr_leaf *l) { return l->kind == CR_LEAF_STORED ? l : l->kind == CR_LEAF_ALONG ? only_source(l) : NULL; }

const cr_leaf *cr_leaf_that_stays(const cr_leaf *l) {
    const cr_leaf *source = source_of((cr_leaf *)l);
    return source != NULL && source->stays > 0 ? source : NULL;
}

/* A function of Python would be called for every piece. A source that is read in two ways shares its chunks between these from cell to cell. */
static bool leaves_suit(const cr_program *p) {
    bool any = false;
    for (int32_t i = 0; i < p->n_leaves; i++) {
        const cr_leaf *l = &p->leaves[i];
        if (l->kind == CR_LEAF_CALLBACK || l->kind == CR_LEAF_SPILLED || (l->kind == CR_LEAF_ALONG && only_source(l) == NULL))
            return false;
        if (l->kind != CR_LEAF_STORED && l->kind != CR_LEAF_ALONG)
            continue;
        any = true;
        if (!is_straight(l) || source_of((cr_leaf *)l)->in_parts)
            return false;
        for (int32_t k = 0; k < i; k++)
            if (l->kind == CR_LEAF_STORED && p->leaves[k].kind == CR_LEAF_STORED && p->leaves[k].node == l->node)
                return false;
    }
    return any;
}

static bool is_kept(const cr_scan *s, int d) { return !(s->sinks[0].reduced & (1u << d)); }

static bool may_be_cut(const cr_scan *s) {
    return !s->empty && s->part == NULL && s->columns == 0 && s->program.n_leaves <= MOST_LEAVES && sinks_suit(s) &&
           leaves_suit(&s->program);
}

/* ---- how long a piece is ---- */

/* Maps that are regridded together stay together. */
static bool may_be_cut_along(const cr_program *p, int d) {
    for (int32_t i = 0; i < p->n_leaves; i++)
        for (int a = 0; p->leaves[i].kind == CR_LEAF_ALONG && a < cr_regrid_lead(p->leaves[i].node); a++)
            if (p->leaves[i].access->axis[a].dim == d)
                return false;
    return true;
}

/* Positions of a piece along axis *ret_axis, the outermost kept one that may be cut. 0: cells stay whole. scarce: there was no memory for states of whole cells. */
static int64_t length_of_piece(const cr_scan *s, bool scarce, int *ret_axis) {
    int64_t slots = 1, rows = 1, slot_bytes = 0;
    *ret_axis = -1;
    for (int d = 0; d < s->program.ndim; d++) {
        if (*ret_axis < 0 && is_kept(s, d) && s->cells.most[d] > 1 && may_be_cut_along(&s->program, d))
            *ret_axis = d;
        if (__builtin_mul_overflow(is_kept(s, d) ? slots : rows, s->cells.most[d], is_kept(s, d) ? &slots : &rows))
            return 0;
    }
    for (int i = 0; i < s->n_sinks; i++) {
        int64_t own;
        if (__builtin_mul_overflow((int64_t)s->sinks[i].slot_bytes, s->sinks[i].n_groups, &own) || __builtin_add_overflow(slot_bytes, own, &slot_bytes))
            return 0;
    }
    if (*ret_axis < 0 || (rows > MOST_ROWS && !scarce) || slots <= 2 * STATES_BYTES / CR_MAX(1, slot_bytes))
        return 0;
    int64_t extent = s->cells.most[*ret_axis], across = slots / extent;
    int64_t wanted = CR_MAX(STATES_BYTES / CR_MAX(1, slot_bytes), LEAST_ELEMENTS / rows);
    int64_t length = CR_MAX(1, wanted / across), pieces = (extent + length - 1) / length;
    return pieces < 2 ? 0 : (extent + pieces - 1) / pieces;
}

/* false: there would be too many, or no memory to list them. */
static bool cut_cells(cr_plan *plan, cr_scan *s, int d, int64_t length, int64_t **ret_begins) {
    cr_cells *c = &s->cells;
    int64_t n = 0, at = 0;
    for (int64_t i = 0; i < c->n[d]; i++)
        n += (c->ends[d][i] - cr_cells_begin(c, d, i) + length - 1) / length;
    if (n > MOST_PIECES)
        return false;
    int64_t *ends = cr_arena_calloc(&plan->arena, (size_t)n, sizeof *ends), *begins = cr_arena_calloc(&plan->arena, (size_t)c->n[d] + 1, sizeof *begins);
    if (ends == NULL || begins == NULL)
        return false;
    for (int64_t i = 0; i < c->n[d]; i++) {
        begins[i] = at;
        for (int64_t lo = cr_cells_begin(c, d, i); lo < c->ends[d][i]; lo = ends[at - 1])
            ends[at++] = CR_MIN(c->ends[d][i], lo + length);
    }
    begins[c->n[d]] = n;
    c->ends[d] = ends;
    c->n[d] = n;
    c->most[d] = length;
    *ret_begins = begins;
    return true;
}

/* ---- units, and what stays decoded in one ---- */

static int64_t times(int64_t a, int64_t b) {
    int64_t r;
    return __builtin_mul_overflow(a, b, &r) ? INT64_MAX / 4 : CR_MIN(r, INT64_MAX / 4);
}

/* Chunks along an axis that a unit looks at, at most; start: the position of the source that the first of x is. Below a concat positions of other
 * parts mean nothing: their number has to do. */
static int64_t most_along(const cr_scan *s, const cr_access_axis *x, int64_t start, int64_t chunk) {
    int64_t most = 1;
    bool below = false;
    if (x->dim < 0)
        return 1;
    for (int32_t i = 1; i <= s->program.n_scopes && !below; i++)
        below = cr_scope_is_cut(&s->program, i, x->dim);
    for (int64_t i = 0; i < s->unit_n[x->dim]; i++) {
        int64_t lo = cr_cells_begin(&s->cells, x->dim, cr_unit_begin(s, x->dim, i)), hi = s->cells.ends[x->dim][cr_unit_begin(s, x->dim, i + 1) - 1];
        most = CR_MAX(most, below ? (hi - lo - 1) / chunk + 2 : (start + hi - 1) / chunk - (start + lo) / chunk + 1);
    }
    return most;
}

/* Of the source of a leaf, in all. Of maps that are regridded, all of each. */
static int64_t most_chunks(const cr_scan *s, const cr_leaf *l, const cr_leaf *from) {
    const cr_source *source = ((const cr_stored_params *)from->node->params)->source;
    int64_t n = 1;
    for (int a = 0; a < from->access->ndim; a++) {
        const cr_access_axis *x = &from->access->axis[a];
        int64_t chunk = source->chunk_shape[a], all = (source->shape[a] + chunk - 1) / chunk, most = all;
        if (from == l || x->dim < 0) {
            most = most_along(s, x, x->start, chunk);
        } else if (x->dim < cr_regrid_lead(l->node)) {
            const cr_access_axis *map = &l->access->axis[x->dim];
            most = most_along(s, map, x->start + map->start, chunk);
        }
        n = times(n, CR_MIN(most, all));
    }
    return n;
}

/* false: some source has more chunks in a unit than are kept. */
static bool measure_stay(cr_scan *s) {
    s->stay_bytes = 0;
    for (int32_t i = 0; i < s->program.n_leaves; i++) {
        cr_leaf *l = source_of(&s->program.leaves[i]);
        if (l == NULL)
            continue;
        l->stays = most_chunks(s, &s->program.leaves[i], l);
        if (l->stays > MOST_STAY || l->chunk_bytes > STAY_BYTES)
            return false;
        /* as scan_run.c lays them out */
        s->stay_bytes += (uint64_t)l->stays * l->chunk_bytes + ((uint64_t)l->stays * (uint64_t)l->node->ndim * sizeof(int64_t) + 63) / 64 * 64;
    }
    return s->stay_bytes <= STAY_BYTES;
}

static int64_t count_units(const cr_scan *s) {
    int64_t n = 1;
    for (int d = 0; d < s->program.ndim; d++)
        n = times(n, s->unit_n[d]);
    return n;
}

/* One more cut along the outermost reduced axis that has blocks left: so blocks come in their order. false: there is none. */
static bool cut_units_finer(cr_scan *s) {
    for (int d = 0; d < s->program.ndim; d++)
        if (!is_kept(s, d) && s->unit_n[d] < s->atoms[d].count) {
            s->unit_n[d] = CR_MIN(2 * s->unit_n[d], s->atoms[d].count);
            return true;
        }
    return false;
}

static bool cut_units(const cr_plan *plan, cr_scan *s, int threads) {
    int k = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int d = 0; d < s->program.ndim; d++)
            if (is_kept(s, d) == (pass == 0)) {
                s->unit_order[k++] = d;
                s->unit_n[d] = pass == 0 ? s->atoms[d].count : 1;
            }
    s->kept_first = true;
    while (!measure_stay(s) || (threads > 1 && count_units(s) < UNITS_PER_WORKER * (int64_t)threads))
        if (!cut_units_finer(s))
            break;
    s->n_units = count_units(s);
    s->workers = (int)CR_MIN(threads, s->n_units);
    s->window = s->workers == 1 ? 1 : 2 * s->workers;
    if (!measure_stay(s) || (threads > 1 && s->n_units < 2 * (int64_t)threads))
        return false;
    cr_fit_count(plan, s);
    return true;
}

/* ---- one scan ---- */

static cr_status try_pieces(cr_plan *plan, cr_scan *s, int d, int64_t length, int threads, bool *ret_done, cr_err *err) {
    int64_t coarse = s->cells.n[d], *begins;
    *ret_done = false;
    if (!cut_cells(plan, s, d, length, &begins))
        return CR_OK;
    CR_TRY(cr_cells_measure(s, err));
    cr_fit_atoms(plan, s);
    s->atoms[d] = (cr_atoms){.n = coarse, .count = coarse, .merge = 1, .begins = begins};
    if (!cut_units(plan, s, threads))
        return CR_OK;
    uint64_t held = cr_plan_own_bytes(plan) + cr_plan_results_bytes(plan, s->phase, s->late);
    *ret_done = held + cr_scan_bytes(s) <= plan->limit_bytes;
    return CR_OK;
}

/* As it was before. */
static cr_status undo(cr_plan *plan, cr_scan *s, const cr_scan *old, cr_err *err) {
    *s = *old;
    for (int32_t i = 0; i < s->program.n_leaves; i++)
        if (source_of(&s->program.leaves[i]) != NULL)
            source_of(&s->program.leaves[i])->stays = 0;
    CR_TRY(cr_cells_measure(s, err));
    cr_fit_count(plan, s);
    return CR_OK;
}

cr_status cr_pieces_make(cr_plan *plan, int threads, cr_err *err) {
    for (int32_t i = 0; i < plan->n_scans; i++) {
        cr_scan *s = &plan->scans[i], old = *s;
        int axis = -1;
        bool done;
        if (!may_be_cut(s))
            continue;
        if (old.refine > 1) { /* chunks would be decoded again and again */
            s->cells = s->whole;
            s->refine = 1;
        }
        int64_t length = length_of_piece(s, old.refine > 1, &axis);
        if (length == 0) {
            *s = old; /* nothing else was touched */
            continue;
        }
        CR_TRY(try_pieces(plan, s, axis, length, threads, &done, err));
        if (!done)
            CR_TRY(undo(plan, s, &old, err));
    }
    return CR_OK;
}

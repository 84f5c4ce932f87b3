/* fit.c - how the cells of a scan are dealt to workers, and the proof that this fits the memory limit.
 *
 * A unit is a box of cells, whole blocks along every axis that some sink reduces. Workers claim units in order, at most `window`
 * ahead of the oldest unfinished one. From this follows how many states and open chunks can exist at once; they are counted here,
 * before anything runs. Which candidate is taken depends on threads and memory; the bits of the results do not.
 */
#include <stdlib.h>

#include "base/text.h"
#include "engine/plan/plan.h"

#define REFINE_MOST 4096
#define STATE_ALIGN 64
#define OPEN_PANELS_BYTES ((uint64_t)64 << 20) /* more is spent on them only where no way of cutting takes less */
#define IN_PLACE_FROM 1024        /* elements of a contiguous series from which it is better ranked where it lies */

static int64_t atom_begin(const cr_atoms *a, int64_t n_cells, int64_t i) {
    if (a->begins != NULL)
        return a->begins[i];
    return a->reduced ? cr_block_begin(n_cells, a->n, i) : CR_MIN(n_cells, i * a->merge);
}

int64_t cr_unit_begin(const cr_scan *s, int d, int64_t i) {
    return atom_begin(&s->atoms[d], s->cells.n[d], s->atoms[d].first + i * s->atoms[d].count / s->unit_n[d]);
}

static bool kept_by_all(const cr_scan *s, int d) {
    for (int i = 0; i < s->n_sinks; i++)
        if (s->sinks[i].reduced & (1u << d))
            return false;
    return true;
}

static const cr_sink *user_sink(const cr_plan *plan, const cr_sink_plan *s) {
    return s->output >= 0 && !s->reduces && plan->outputs != NULL ? plan->outputs[s->output].sink : NULL;
}

/* Cells along d that make up whole chunks of the user's grids, when cells are regular; else 1. */
static int64_t cells_per_chunk(const cr_plan *plan, const cr_scan *s, int d) {
    int64_t merge = 1, cell = s->cells.n[d] > 0 ? s->cells.ends[d][0] : 1;
    for (int i = 0; i < s->n_sinks; i++) {
        const cr_sink *u = user_sink(plan, &s->sinks[i]);
        if (u == NULL || u->chunks == NULL)
            continue;
        int64_t chunk = u->chunks[s->sinks[i].out_axis[d]];
        int64_t k = 1;
        while (k <= 64 && (k * cell) % chunk != 0)
            k++;
        merge = CR_MAX(merge, k <= 64 ? k : 1);
    }
    return merge;
}

/* Blocks of a running sum along axis d: who works on one goes through it from its beginning. 0: there is none. */
static int64_t running_blocks(const cr_scan *s, int d) {
    int64_t n = 0;
    for (int32_t i = 0; i < s->program.n_leaves; i++) {
        const cr_leaf *l = &s->program.leaves[i];
        if (l->kind != CR_LEAF_ALONG || l->node->op == CR_OP_WINDOW || l->node->op == CR_OP_REGRID)
            continue;
        const cr_along_params *k = cr_along_params_of(l->node);
        const cr_access_axis *x = &l->access->axis[k->axis];
        if (x->dim == d && x->index == NULL && k->limit == 0)
            n = CR_MAX(n, k->n_blocks);
    }
    return n;
}

/* Those that the part meets. */
static void choose_atoms(cr_scan *s, int d) {
    cr_atoms *a = &s->atoms[d];
    a->first = 0;
    a->count = a->n;
    if (s->part == NULL)
        return;
    while (cr_cells_begin(&s->cells, d, atom_begin(a, s->cells.n[d], a->first + 1)) <= s->part->lo[d])
        a->first++;
    int64_t end = a->first;
    while (cr_cells_begin(&s->cells, d, atom_begin(a, s->cells.n[d], end)) < s->part->hi[d])
        end++;
    a->count = end - a->first;
}

void cr_fit_atoms(const cr_plan *plan, cr_scan *s) {
    cr_atoms *a = s->atoms;
    for (int d = 0; d < s->program.ndim; d++) {
        a[d] = (cr_atoms){.n = s->cells.n[d], .merge = 1};
        for (int i = 0; i < s->n_sinks; i++)
            if (s->sinks[i].reduced & (1u << d)) {
                a[d].n = a[d].reduced ? CR_MIN(a[d].n, s->sinks[i].blocks[d]) : s->sinks[i].blocks[d];
                a[d].reduced = true;
            }
        if (!a[d].reduced) {
            int64_t blocks = running_blocks(s, d);
            a[d].merge = cells_per_chunk(plan, s, d);
            a[d].n = (s->cells.n[d] + a[d].merge - 1) / a[d].merge;
            if (blocks > 0) {
                a[d].n = CR_MIN(blocks, s->cells.n[d]);
                a[d].reduced = true;
            }
        }
        choose_atoms(s, d);
    }
}

/* ---- counting ---- */

static int64_t sat_mul(int64_t a, int64_t b) {
    int64_t r;
    return __builtin_mul_overflow(a, b, &r) ? INT64_MAX / 4 : CR_MIN(r, INT64_MAX / 4);
}

static int64_t most_cells(const cr_scan *s, int d) {
    const cr_atoms *a = &s->atoms[d];
    int64_t most = 0, per_unit = (a->count + s->unit_n[d] - 1) / s->unit_n[d];
    if (!a->reduced && a->begins == NULL)
        return CR_MIN(s->cells.n[d], per_unit * a->merge);
    for (int64_t i = 0; i < s->unit_n[d]; i++) /* at most 64, or as many as there are cells before they are cut into pieces */
        most = CR_MAX(most, cr_unit_begin(s, d, i + 1) - cr_unit_begin(s, d, i));
    return most;
}

static int64_t most_blocks(const cr_scan *s, const cr_sink_plan *k, int d) {
    int64_t most = 0, n = s->cells.n[d];
    for (int64_t i = 0; i < s->unit_n[d]; i++)
        most = CR_MAX(most, cr_block_of(n, k->blocks[d], cr_unit_begin(s, d, i + 1) - 1) -
                                cr_block_of(n, k->blocks[d], cr_unit_begin(s, d, i)) + 1);
    return most;
}

/* Units hold, in the linear order of a sink's blocks, a contiguous range: outer reduced axes one block, inner ones all. And they are walked
 * over in that order. */
static bool blocks_in_order(const cr_scan *s, const cr_sink_plan *k) {
    bool partial = false;
    for (int i = 0, before = -1; i < s->program.ndim; i++) {
        int d = s->unit_order[i];
        if (!(k->reduced & (1u << d)) || s->unit_n[d] == 1)
            continue;
        if (d < before)
            return false;
        before = d;
    }
    for (int d = 0; d < s->program.ndim; d++) {
        if (!(k->reduced & (1u << d)) || k->blocks[d] == 1)
            continue;
        if (partial && s->unit_n[d] > 1)
            return false;
        partial = partial || s->unit_n[d] < k->blocks[d];
    }
    return true;
}

/* Kept cells that units in the window can have begun and not finished, when units hold parts of the reduced axes. */
static int64_t kept_in_window(const cr_scan *s, const cr_sink_plan *k, int64_t total_kc) {
    int64_t per_prefix = 1, units_per_prefix = 1;
    bool prefix = true;
    for (int i = 0; i < s->program.ndim; i++) {
        int d = s->unit_order[i];
        bool reduced = k->reduced & (1u << d);
        prefix = prefix && !(reduced && s->unit_n[d] > 1);
        if (!prefix)
            units_per_prefix = sat_mul(units_per_prefix, s->unit_n[d]);
        if (!reduced)
            per_prefix = sat_mul(per_prefix, prefix ? most_cells(s, d) : s->cells.n[d]);
    }
    int64_t prefixes = 1 + (s->window - 1 + units_per_prefix - 1) / units_per_prefix;
    return CR_MIN(total_kc, sat_mul(per_prefix, prefixes));
}

/* Panels of sink k that can be open at once: those of the units that are being worked on. */
static int64_t count_panels(const cr_scan *s, cr_sink_plan *k) {
    int64_t open = 1, cuts = 1;
    bool counting = false;
    k->n_kept = 1;
    for (int d = 0; d < s->program.ndim; d++) {
        bool reduced = k->reduced & (1u << d);
        if (reduced) {
            cuts = sat_mul(cuts, s->unit_n[d]);
            counting = counting || s->cells.n[d] > 1; /* all kept cells inside stay open until this axis is through */
        } else {
            k->n_kept = sat_mul(k->n_kept, s->cells.n[d]);
            open = counting ? sat_mul(open, most_cells(s, d)) : open;
        }
    }
    return CR_MIN(k->n_kept, cuts > 1 ? kept_in_window(s, k, k->n_kept) : sat_mul(s->workers, open));
}

/* Cells go through the sieves from a box of the worker's, all kept positions of a row side by side. Not worth it where there are too few, or
 * where series lie contiguously. */
static void measure_sieves(const cr_scan *s, cr_sink_plan *k) {
    int64_t item = (int64_t)cr_dtype_size(k->rank.in), positions = 1, rows = 1;
    int last = s->program.ndim - 1;
    while (last > 0 && s->program.shape[last] == 1)
        last--;
    for (int d = 0; d < s->program.ndim; d++) {
        bool reduced = k->reduced & (1u << d);
        positions = reduced ? positions : sat_mul(positions, s->cells.most[d]);
        rows = reduced ? sat_mul(rows, s->cells.most[d]) : rows;
    }
    k->sifts = k->can_sift && last >= 0 && !(k->reduced & (1u << last)) && positions >= cr_rank_lanes(k->rank.in);
    if (!k->sifts)
        return;
    k->lanes = cr_rank_lanes(k->rank.in);
    k->in_place = k->side_by_side = false;
    k->sieve_bytes = (int64_t)(k->sift.room + 1) * CR_RANK_ROW_BYTES + ((int64_t)sizeof(cr_rank_sieve) + STATE_ALIGN - 1) / STATE_ALIGN * STATE_ALIGN;
    k->panel_bytes = sat_mul((positions + k->lanes - 1) / k->lanes, k->sieve_bytes);
    k->box_bytes = sat_mul(sat_mul(positions, rows), item);
    k->ranking_bytes = (uint64_t)k->box_bytes + STATE_ALIGN;
}

/* Panels lie as the domain does. Series are taken out of them `lanes` at a time, side by side, unless they can be ranked where they lie. */
static void measure_panels(const cr_plan *plan, const cr_scan *s, cr_sink_plan *k) {
    int64_t item = (int64_t)plan->nodes[plan->nodes[k->node].inputs[0]].node->itemsize, n = 1, most = 1;
    bool kept_seen = false;
    k->panel_bytes = item;
    k->lane_axis = -1;
    k->in_place = !k->quantiles->grouped;
    for (int d = s->program.ndim - 1; d >= 0; d--) {
        bool reduced = k->reduced & (1u << d);
        int64_t extent = reduced ? s->program.shape[d] : s->cells.most[d];
        k->panel_stride[d] = k->panel_bytes;
        k->panel_bytes = sat_mul(k->panel_bytes, extent);
        if (reduced) {
            n = sat_mul(n, extent);
            k->in_place = k->in_place && (!kept_seen || extent == 1);
        } else if (extent > 1) {
            kept_seen = true;
            k->lane_axis = k->lane_axis < 0 ? d : k->lane_axis;
            most = CR_MAX(most, k->lane_axis == d ? extent : 1);
        }
    }
    k->panel_bytes = CR_MIN(INT64_MAX / 4, (k->panel_bytes + STATE_ALIGN - 1) / STATE_ALIGN * STATE_ALIGN);
    int64_t series = sat_mul(n, item), fit = series > 0 ? (512 << 10) / series : 1;
    k->side_by_side = most >= cr_rank_lanes(k->rank.in) / 4 && cr_rank_side_by_side(&k->rank, n) && !(k->in_place && n > IN_PLACE_FROM);
    k->in_place = k->in_place && !k->side_by_side;
    k->lanes = k->in_place ? 1 : CR_MIN(most, CR_MAX(fit, 64 / item));
    if (series > 1 << 20) /* each worker has this beside the panel */
        k->lanes = CR_MIN(k->lanes, CR_MAX(1, k->panel_bytes / series / 4));
    k->lanes = k->side_by_side ? cr_rank_lanes(k->rank.in) : CR_MIN(k->lanes, 64);
    k->ranking_bytes = (k->in_place ? 0 : (uint64_t)sat_mul(series, k->lanes)) + CR_RANK_MOST_LANES * sizeof(int64_t) +
                       (uint64_t)cr_rank_places(&k->rank) * (sizeof(cr_rank_place) + 2 * sizeof(int64_t)) + 256;
    measure_sieves(s, k);
}

/* How many states of sink k can exist at once; current ones of workers, early ones that wait, and those that hold what is merged. */
static int64_t count_states(const cr_scan *s, cr_sink_plan *k) {
    int64_t ku = 1, bu = 1, open = 1, cuts = 1, total_kc = 1;
    bool counting = false;
    for (int i = 0; i < s->program.ndim; i++) {
        int d = s->kept_first ? s->unit_order[i] : i;
        bool reduced = k->reduced & (1u << d);
        int64_t pieces = reduced ? most_blocks(s, k, d) : most_cells(s, d);
        if (counting)
            open = sat_mul(open, pieces);
        if (reduced && s->cells.n[d] > k->blocks[d])
            counting = true; /* the first axis along which a block has several cells: all that lies inside stays open */
        if (reduced) {
            bu = sat_mul(bu, pieces);
            cuts = sat_mul(cuts, s->unit_n[d]);
        } else {
            ku = sat_mul(ku, pieces);
            total_kc = sat_mul(total_kc, s->cells.n[d]);
        }
    }
    k->n_open = sat_mul(ku, bu);
    k->n_kept = total_kc;
    int64_t levels = k->n_blocks == 1 ? 0 : k->n_blocks <= CR_FOLD_SECTION ? 1 : 2;
    int64_t pending = 0, open_kc = s->kept_first ? s->workers : sat_mul(s->workers, ku);
    if (cuts > 1) {
        open_kc = kept_in_window(s, k, total_kc);
        pending = blocks_in_order(s, k) ? sat_mul(sat_mul(s->window - 1, ku), bu) : sat_mul(open_kc, k->n_blocks);
    }
    open_kc = CR_MIN(open_kc, total_kc);
    int64_t all = sat_mul(s->workers, open);
    all += pending;
    return CR_MIN(INT64_MAX / 4, all + sat_mul(levels, open_kc));
}

/* Most chunks of the user's grid that are begun and not finished, see engine-algorithms 12. */
static int64_t count_chunks(const cr_scan *s, const cr_sink_plan *k, const cr_sink *u, const int64_t *shape) {
    int64_t f = 1, across_all = 1, total = 1, inner[CR_MAX_DIMS + 1], across[CR_MAX_DIMS];
    bool straddles[CR_MAX_DIMS];
    int n = s->program.ndim;
    inner[n] = 1;
    for (int i = n - 1; i >= 0; i--) {
        int d = s->unit_order[i], axis = k->out_axis[d];
        int64_t chunk = u->chunks[axis], lo = 0;
        across[i] = 0;
        straddles[i] = false;
        for (int64_t j = 0; j < s->unit_n[d]; j++) {
            int64_t hi = s->cells.ends[d][cr_unit_begin(s, d, j + 1) - 1];
            across[i] = CR_MAX(across[i], (hi - 1) / chunk - lo / chunk + 1);
            straddles[i] = straddles[i] || (hi % chunk != 0 && hi < shape[axis]);
            lo = hi;
        }
        int64_t count = (shape[axis] + chunk - 1) / chunk;
        inner[i] = sat_mul(inner[i + 1], count);
        total = sat_mul(total, count);
        across_all = sat_mul(across_all, across[i]);
    }
    for (int i = n - 1; i >= 0; i--)
        f = straddles[i] ? sat_mul(across[i], inner[i + 1]) : sat_mul(across[i], f);
    return CR_MIN(total, f + sat_mul(s->window - 1, across_all));
}

/* What a worker has whatever the units are: registers, tables over values, leaves and sinks; see make_worker in exec. */
uint64_t cr_scan_fixed_bytes(const cr_scan *s) {
    const cr_program *p = &s->program;
    uint64_t bytes = (uint64_t)p->n_regs * p->reg_bytes + (uint64_t)p->n_values * 48 + (uint64_t)p->n_scopes * 12;
    bytes += (uint64_t)p->n_leaves * (192 + 32 * CR_MAX_DIMS) + (uint64_t)s->n_sinks * (1024 + 8 * (CR_FOLD_SEGMENT + (uint64_t)p->strip));
    for (int d = 0; d < p->ndim; d++)
        bytes += (uint64_t)s->cells.most[d] * sizeof(int64_t);
    return bytes + (16 << 10);
}

void cr_fit_count(const cr_plan *plan, cr_scan *s) {
    uint64_t states = 0, sinks = 0, per_worker = 0;
    for (int i = 0; i < s->n_sinks; i++) {
        cr_sink_plan *k = &s->sinks[i];
        const cr_sink *u = user_sink(plan, k);
        if (k->ranks) {
            measure_panels(plan, s, k);
            k->n_panels = count_panels(s, k);
            states += (uint64_t)sat_mul(k->n_panels, k->panel_bytes + 1024) + (uint64_t)sat_mul(k->n_kept, 8);
            if (k->quantiles->grouped)
                states += (uint64_t)sat_mul(k->quantiles->n_codes, 8) + (uint64_t)sat_mul(k->n_groups + 1, 8);
            per_worker += k->ranking_bytes;
        } else if (k->reduces) {
            k->most_slots = k->n_groups;
            for (int d = 0; d < s->program.ndim; d++)
                if (!(k->reduced & (1u << d)))
                    k->most_slots = sat_mul(k->most_slots, s->cells.most[d]);
            k->state_bytes = sat_mul(k->most_slots, (int64_t)k->slot_bytes);
            k->state_bytes = CR_MIN(INT64_MAX / 4, k->state_bytes + k->fold->n_planes * STATE_ALIGN + 256 + k->n_groups);
            k->state_bytes = (k->state_bytes + STATE_ALIGN - 1) / STATE_ALIGN * STATE_ALIGN; /* they lie one behind the other */
            k->n_states = count_states(s, k);
            states += (uint64_t)sat_mul(k->n_states, k->state_bytes) + (uint64_t)sat_mul(k->n_kept, 40) + (uint64_t)k->n_groups;
            per_worker += (uint64_t)sat_mul(k->n_open, 8);
        } else if (u != NULL) {
            const cr_array *a = plan->nodes[k->node].node;
            k->chunk_bytes = (int64_t)a->itemsize;
            k->n_chunks = 0; /* without a grid every cell is a box */
            for (int d = 0; d < s->program.ndim && u->chunks != NULL; d++)
                k->chunk_bytes = sat_mul(k->chunk_bytes, CR_MIN(u->chunks[k->out_axis[d]], s->program.shape[d]));
            k->chunk_bytes = CR_MIN(INT64_MAX / 4, (k->chunk_bytes + 63) / 64 * 64);
            if (u->chunks != NULL) {
                k->n_chunks = count_chunks(s, k, u, a->shape);
                sinks += (uint64_t)sat_mul(k->n_chunks, k->chunk_bytes + 512);
            }
            int64_t box = (int64_t)a->itemsize;
            for (int d = 0; d < s->program.ndim; d++)
                box = sat_mul(box, s->cells.most[d]);
            per_worker += (uint64_t)box + 64;
        }
    }
    s->state_bytes = states;
    s->sink_bytes = sinks;
    per_worker += cr_scan_fixed_bytes(s);
    s->worker_bytes = per_worker + s->load_bytes + s->scratch_bytes + s->stay_bytes;
}

uint64_t cr_scan_bytes(const cr_scan *s) {
    uint64_t all = s->state_bytes + s->sink_bytes;
    return all + (uint64_t)s->workers * s->worker_bytes;
}

/* ---- candidates ---- */

typedef enum how { HOW_STORAGE, HOW_KEPT, HOW_ALL } how;

static void cut_units(const cr_plan *plan, cr_scan *s, how way, int workers) {
    int64_t want = workers == 1 ? 1 : 8 * (int64_t)workers, n = 1;
    for (int d = 0; d < s->program.ndim; d++) {
        int64_t u = 1;
        bool kept = kept_by_all(s, d);
        if (way == HOW_ALL || (way == HOW_KEPT && kept))
            u = s->atoms[d].count;
        else if (way == HOW_STORAGE && n < want)
            u = CR_MIN(s->atoms[d].count, (want + n - 1) / n);
        s->unit_n[d] = CR_MAX(1, u);
        n = sat_mul(n, s->unit_n[d]);
    }
    s->workers = (int)CR_MIN(workers, n); /* one without a unit would only hold memory */
    s->window = s->workers == 1 ? 1 : 2 * s->workers;
    int k = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int d = 0; d < s->program.ndim; d++)
            if (kept_by_all(s, d) == (pass == 0))
                s->unit_order[k++] = d;
    s->n_units = n;
    cr_fit_count(plan, s);
}

static bool reduces_any(const cr_scan *s) {
    for (int i = 0; i < s->n_sinks; i++)
        if (s->sinks[i].reduces)
            return true;
    return false;
}

static bool ranks_any(const cr_scan *s) {
    for (int i = 0; i < s->n_sinks; i++)
        if (s->sinks[i].ranks)
            return true;
    return false;
}

/* Something of which a cell holds only what it looks at. */
static bool reads_boxes(const cr_scan *s) {
    for (int32_t i = 0; i < s->program.n_leaves; i++)
        if (s->program.leaves[i].kind == CR_LEAF_ALONG || s->program.leaves[i].kind == CR_LEAF_SPILLED)
            return true;
    return false;
}

/* Open panels are most of what ranking takes. In the order of storage all kept cells may be open at once; kept cell by kept cell, one for each
 * worker; where all axes are cut, the workers fill one together and have begun the next. */
static bool opens_too_many(const cr_plan *plan, cr_scan *s, how way, int workers) {
    uint64_t bytes = cr_scan_bytes(s);
    if (way != HOW_KEPT || bytes <= OPEN_PANELS_BYTES)
        return false;
    cut_units(plan, s, HOW_ALL, workers);
    bool less = cr_scan_bytes(s) < bytes;
    cut_units(plan, s, way, workers);
    return less;
}

/* Tries the ways of cutting for one number of workers; a way that leaves workers idle only if no other fits. */
static bool try_workers(const cr_plan *plan, cr_scan *s, int workers, uint64_t room) {
    static const how ways[] = {HOW_STORAGE, HOW_KEPT, HOW_ALL, HOW_STORAGE};
    bool ranks = ranks_any(s);
    for (int i = 0; i < 4; i++) {
        if (!reduces_any(s) && ways[i] != HOW_ALL)
            continue;
        cut_units(plan, s, ways[i], workers);
        if (ranks && opens_too_many(plan, s, ways[i], workers))
            continue;
        uint64_t limit = i == 0 && reduces_any(s) ? CR_MIN(room / 4, ranks ? OPEN_PANELS_BYTES : UINT64_MAX) : room;
        bool busy = s->n_units >= 2 * workers || ways[i] == HOW_ALL || (i == 3);
        if (cr_scan_bytes(s) <= limit && busy)
            return true;
    }
    return false;
}

/* Cuts cells in two along a kept axis: fewer slots per state, chunks decoded more often. false: nothing left to cut. */
static cr_status refine(cr_plan *plan, cr_scan *s, bool *ret_done, cr_err *err) {
    int pick = -1;
    *ret_done = false;
    for (int d = 0; d < s->program.ndim; d++)
        if (kept_by_all(s, d) && s->cells.most[d] > 1 && (pick < 0 || s->cells.most[d] > 2 * s->cells.most[pick]))
            pick = d;
    if (pick < 0 || s->refine >= REFINE_MOST)
        return CR_OK;
    cr_cells *c = &s->cells;
    int64_t *ends = cr_arena_calloc(&plan->arena, 2 * (size_t)c->n[pick], sizeof *ends), n = 0;
    if (ends == NULL)
        return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: %lld pieces along one axis", (long long)c->n[pick]);
    if (s->refine <= 1)
        s->whole = *c;
    c->most[pick] = 0;
    for (int64_t i = 0; i < c->n[pick]; i++) {
        int64_t lo = cr_cells_begin(c, pick, i), hi = c->ends[pick][i], mid = lo + (hi - lo + 1) / 2;
        ends[n++] = mid;
        if (mid < hi)
            ends[n++] = hi;
        c->most[pick] = CR_MAX(c->most[pick], mid - lo);
    }
    c->ends[pick] = ends;
    c->n[pick] = n;
    s->refine = CR_MAX(1, s->refine) * 2;
    *ret_done = true;
    return cr_cells_measure(s, err);
}

static cr_status refuse(const cr_plan *plan, const cr_scan *s, uint64_t room, cr_err *err) {
    char need[32], have[32], part[32];
    int32_t largest = cr_program_largest(&s->program);
    const cr_array *what = plan->nodes[s->sinks[0].node].node;
    uint64_t bytes = cr_scan_bytes(s);
    cr_text_bytes(bytes + (plan->limit_bytes - room), need, sizeof need);
    cr_text_bytes(plan->limit_bytes, have, sizeof have);
    cr_status st;
    if (largest >= 0 && s->worker_bytes > bytes / 2 && s->program.leaves[largest].kind == CR_LEAF_STORED) {
        const cr_source *src = ((const cr_stored_params *)s->program.leaves[largest].node->params)->source;
        cr_text_bytes(src->chunk_bytes, part, sizeof part);
        st = CR_FAIL(err, CR_MEMORY, "computing %s needs %s, more than the memory limit of %s: a chunk of %s has %s", cr_array_op(what), need,
                     have, src->path != NULL ? src->path : "the source", part);
        cr_err_hint(err, "raise the memory limit to %s, or store the data in smaller chunks", need);
    } else if (s->sink_bytes > bytes / 2) {
        st = CR_FAIL(err, CR_MEMORY, "writing %s needs %s, more than the memory limit of %s: its chunks lie across the chunks that are read",
                     cr_array_op(what), need, have);
        cr_err_hint(err, "raise the memory limit to %s, or write chunks that fit those of the source", need);
    } else {
        st = CR_FAIL(err, CR_MEMORY, "computing %s needs %s, more than the memory limit of %s", cr_array_op(what), need, have);
        cr_err_hint(err, "raise the memory limit to %s, or compute fewer results or groups at once", need);
    }
    return st;
}

cr_status cr_scan_fit(cr_plan *plan, cr_scan *s, int threads, uint64_t room, cr_err *err) {
    bool more = true;
    if (s->empty)
        return CR_OK;
    while (more) {
        cr_fit_atoms(plan, s);
        for (int workers = threads; workers >= 1; workers = workers > 4 ? workers * 3 / 4 : workers - 1)
            if (try_workers(plan, s, workers, room))
                return CR_OK;
        /* Finer cells help states and boxes, not chunks that must be decoded whole. */
        if (!reads_boxes(s) && (s->worker_bytes > room || (s->state_bytes == 0 && s->sink_bytes == 0)))
            break;
        CR_TRY(refine(plan, s, &more, err));
    }
    /* What the least demanding way would take, for the message. */
    uint64_t least = UINT64_MAX;
    how best = HOW_STORAGE;
    for (int h = 0; h < 3; h++) {
        cut_units(plan, s, (how)h, 1);
        if (cr_scan_bytes(s) < least) {
            least = cr_scan_bytes(s);
            best = (how)h;
        }
    }
    cut_units(plan, s, best, 1);
    return refuse(plan, s, room, err);
}

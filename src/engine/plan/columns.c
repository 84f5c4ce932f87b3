/* columns.c - scans that read the same chunks, run together column by column, so that each chunk is decoded once.
 *
 * An anomaly reads its source twice: for the climatology, and to subtract it. When what one scan makes of some part of the kept axes is all
 * that the next needs there, both can go over that part before the next part is begun, and the chunks decoded for the first still lie there for
 * the second (engine-algorithms 3.1, "local collapse"). Cells, blocks and their order within a slot stay what they were, so bits do too;
 * only the order of units changes, and how many states and open chunks wait at once, which fit.c counts. Of a column that is too large, the
 * first chunks are kept, and the others decoded for each scan.
 *
 * A family is made of scans that are tied to each other, by a source or by a result. What they need from others is made before the families
 * are run; what is only made of their results comes after ("late"). Whether scans are put together depends on memory and threads. It is
 * never needed: what does not fit is left as it was.
 */
#include <stdlib.h>

#include "engine/plan/plan.h"

#define ONCE_BYTES ((uint64_t)128 << 20) /* kept when there is only one column: fresh memory costs as much as decoding again */
#define LEAST_SHARE 4                    /* less than one part in so many is not kept: states of columns wait, which take memory too */
#define LEAST_BLOCK_BYTES ((uint64_t)64 << 10) /* of slab.h */
#define UNITS_ALONG 4096
#define SPANS_BYTES ((uint64_t)128 << 20)

typedef struct family {           /* while it is tried */
    cr_plan *plan;
    cr_columns *g;
    cr_scan *scans;               /* copies of all scans of the plan, in which is tried */
    int threads;
    uint64_t room;
    int64_t leaves;
    bool copied;                  /* sinks of the copies are their own */
} family;

/* ---- which scans are tied ---- */

static int32_t root_of(int32_t *parent, int32_t i) {
    while (parent[i] != i)
        i = parent[i] = parent[parent[i]];
    return i;
}

static void tie(int32_t *parent, int32_t a, int32_t b) {
    int32_t x = root_of(parent, a), y = root_of(parent, b);
    parent[CR_MAX(x, y)] = CR_MIN(x, y);
}

static cr_status tie_leaves(const cr_program *p, int32_t scan, const int32_t *maker, cr_idtable *readers, int32_t *parent, cr_err *err) {
    for (int32_t i = 0; i < p->n_leaves; i++) {
        const cr_leaf *l = &p->leaves[i];
        if (l->result >= 0 && maker[l->result] >= 0)
            tie(parent, scan, maker[l->result]);
        if (l->kind == CR_LEAF_STORED) {
            uint64_t key = (uint64_t)(uintptr_t)l->node;
            int64_t other = cr_idtable_get(readers, key, 0);
            if (other < 0) {
                CR_TRY(cr_idtable_put(readers, key, 0, scan, err));
            } else if (other != scan) {
                tie(parent, scan, (int32_t)other);
                CR_TRY(cr_idtable_put(readers, key, 1, 1, err));
            }
        }
        if (l->inner != NULL)
            CR_TRY(tie_leaves(&l->inner->program, scan, maker, readers, parent, err));
    }
    return CR_OK;
}

static void find_makers(const cr_plan *plan, int32_t *maker) {
    for (int32_t i = 0; i < plan->n_results; i++)
        maker[i] = -1;
    for (int32_t i = 0; i < plan->n_scans; i++)
        for (int k = 0; k < plan->scans[i].n_sinks; k++)
            if (plan->scans[i].sinks[k].result >= 0)
                maker[plan->scans[i].sinks[k].result] = i;
}

static cr_status tie_scans(const cr_plan *plan, const int32_t *maker, cr_idtable *readers, int32_t *parent, cr_err *err) {
    cr_status status = CR_OK;
    for (int32_t i = 0; i < plan->n_scans; i++)
        parent[i] = i;
    for (int32_t i = 0; i < plan->n_scans && status == CR_OK; i++) {
        status = tie_leaves(&plan->scans[i].program, i, maker, readers, parent, err);
        for (int k = 0; k < plan->scans[i].n_sinks; k++) {
            int32_t before = plan->scans[i].sinks[k].narrowed_before;
            if (before >= 0 && maker[before] >= 0)
                tie(parent, i, maker[before]);
        }
    }
    return status;
}

/* Boxes of inner scans lie anywhere; passes over digits are there because memory is short. */
static bool may_be_put_together(const cr_scan *s) {
    if (s->empty || s->part != NULL || s->refine > 1)
        return false;
    for (int32_t i = 0; i < s->program.n_leaves; i++)
        if (s->program.leaves[i].kind == CR_LEAF_ALONG)
            return false;
    for (int k = 0; k < s->n_sinks; k++)
        if (s->sinks[k].narrows != NULL)
            return false;
    return true;
}

/* ---- what is kept ---- */

static bool worth_keeping(const cr_leaf *l) {
    if (l->kind != CR_LEAF_STORED || l->in_parts)
        return false;
    const cr_source *s = ((const cr_stored_params *)l->node->params)->source;
    return s->ops->scratch_bytes(s) > 0; /* else it is read as it lies */
}

/* Numbers the sources that several scans of the family read. */
static cr_status find_sources(family *f, cr_idtable *numbers, cr_err *err) {
    cr_columns *g = f->g;
    cr_idtable seen = {0};
    cr_status status = CR_OK;
    for (int pass = 0; pass < 2 && status == CR_OK; pass++) {
        g->n_sources = 0;
        for (int32_t i = 0; i < g->n_scans && status == CR_OK; i++) {
            const cr_program *p = &f->scans[g->scans[i]].program;
            for (int32_t k = 0; k < p->n_leaves && status == CR_OK; k++) {
                const cr_leaf *l = &p->leaves[k];
                uint64_t key = (uint64_t)(uintptr_t)l->node;
                int64_t first = cr_idtable_get(&seen, key, 0);
                if (!worth_keeping(l) || first == i)
                    continue;
                if (first < 0) {
                    status = cr_idtable_put(&seen, key, 0, i, err);
                } else if (cr_idtable_get(numbers, key, (uint64_t)pass) < 0) {
                    if (pass == 1)
                        g->sources[g->n_sources] = (cr_kept_source){.node = l->node, .slot_bytes = l->chunk_bytes};
                    status = cr_idtable_put(numbers, key, (uint64_t)pass, g->n_sources++, err);
                }
            }
        }
        if (pass == 0 && status == CR_OK) {
            g->sources = calloc((size_t)g->n_sources + 1, sizeof *g->sources);
            if (g->sources == NULL)
                status = CR_FAIL(err, CR_MEMORY, "no memory to plan %d sources", g->n_sources);
        }
        cr_idtable_done(&seen);
        memset(&seen, 0, sizeof seen);
    }
    return status;
}

static bool mark_leaves(family *f, const cr_idtable *numbers) {
    cr_idtable made = {0};
    bool room = true;
    f->leaves = 1;
    for (int32_t i = 0; i < f->g->n_scans; i++) {
        cr_program *p = &f->scans[f->g->scans[i]].program;
        for (int32_t k = 0; k < p->n_leaves; k++, f->leaves++) {
            p->leaves[k].kept = p->leaves[k].in_parts ? 0 : (int32_t)cr_idtable_get(numbers, (uint64_t)(uintptr_t)p->leaves[k].node, 1) + 1;
            room = room && (p->leaves[k].kept == 0 || cr_columns_lists(&f->g->spans, p, &p->leaves[k], &made));
        }
    }
    cr_idtable_done(&made);
    return room;
}

static void unmark_leaves(family *f) {
    for (int32_t i = 0; i < f->g->n_scans; i++) {
        cr_program *p = &f->scans[f->g->scans[i]].program;
        for (int32_t k = 0; k < p->n_leaves; k++)
            p->leaves[k].kept = 0;
    }
}

/* ---- along which axes ---- */

static bool is_member(const family *f, const cr_scan *s) { return s->columns == f->plan->n_columns + 1; }

static bool straight(const cr_access_axis *x, int d) { return x->dim == d && x->start == 0 && x->step == 1 && x->index == NULL; }

/* What is read of the family's results at some positions of axis d was made at these positions. */
static bool results_follow(const family *f, const int32_t *maker, const cr_scan *s, int d) {
    for (int32_t i = 0; i < s->program.n_leaves; i++) {
        const cr_leaf *l = &s->program.leaves[i];
        if (l->kind != CR_LEAF_RESULT || maker[l->result] < 0 || !is_member(f, &f->scans[maker[l->result]]))
            continue;
        const cr_scan *from = &f->scans[maker[l->result]];
        for (int k = 0; k < from->n_sinks; k++)
            if (from->sinks[k].result == l->result && (from->sinks[k].out_axis[d] < 0 || !straight(&l->access->axis[from->sinks[k].out_axis[d]], d)))
                return false;
    }
    return true;
}

static bool is_column_axis(const family *f, const int32_t *maker, int d) {
    const cr_scan *first = &f->scans[f->g->scans[0]];
    for (int32_t i = 0; i < f->g->n_scans; i++) {
        const cr_scan *s = &f->scans[f->g->scans[i]];
        if (d >= s->program.ndim || s->cells.n[d] != first->cells.n[d] || s->cells.n[d] < 2 ||
            memcmp(s->cells.ends[d], first->cells.ends[d], (size_t)s->cells.n[d] * sizeof(int64_t)) != 0)
            return false;
    }
    for (int32_t i = 0; i < f->g->n_scans; i++)
        if (!results_follow(f, maker, &f->scans[f->g->scans[i]], d))
            return false;
    return true;
}

/* Where all scans can be cut along a column axis: blocks are powers of two, so the borders of few are borders of many. */
static cr_atoms common_atoms(const family *f, int d) {
    cr_atoms least = f->scans[f->g->scans[0]].atoms[d];
    for (int32_t i = 1; i < f->g->n_scans; i++) {
        cr_atoms a = f->scans[f->g->scans[i]].atoms[d];
        if (a.reduced != least.reduced ? a.reduced : a.n < least.n)
            least = a;
    }
    return least;
}

static void find_axes(family *f, const int32_t *maker) {
    cr_columns *g = f->g;
    for (int32_t i = 0; i < g->n_scans; i++)
        cr_fit_atoms(f->plan, &f->scans[g->scans[i]]);
    g->n_axes = 0;
    for (int d = 0; d < f->scans[g->scans[0]].program.ndim; d++) {
        if (!is_column_axis(f, maker, d))
            continue;
        cr_atoms a = common_atoms(f, d);
        if (a.n < 2)
            continue;
        g->axes[g->n_axes++] = d;
        for (int32_t i = 0; i < g->n_scans; i++)
            f->scans[g->scans[i]].atoms[d] = a;
    }
}

/* ---- fitting ---- */

static bool kept_by_all(const cr_scan *s, int d) {
    for (int k = 0; k < s->n_sinks; k++)
        if (s->sinks[k].reduced & (1u << d))
            return false;
    return true;
}

/* Units: as fine as can be along the column axes, and about `want` in each of these. */
static void cut_units(const family *f, cr_scan *s, int64_t want, int workers) {
    const cr_columns *g = f->g;
    int64_t within = 1;
    int k = g->n_axes;
    s->n_units = 1;
    for (int i = 0; i < g->n_axes; i++)
        s->unit_order[i] = g->axes[i];
    for (int d = 0; d < s->program.ndim; d++) {
        if (cr_columns_axis(g, d) >= 0) {
            s->unit_n[d] = CR_MIN(s->atoms[d].count, UNITS_ALONG);
        } else {
            s->unit_n[d] = within < want ? CR_MAX(1, CR_MIN(s->atoms[d].count, (want + within - 1) / within)) : 1;
            within *= s->unit_n[d];
        }
        s->n_units *= s->unit_n[d];
    }
    for (int pass = 0; pass < 2; pass++)
        for (int d = 0; d < s->program.ndim; d++)
            if (cr_columns_axis(g, d) < 0 && kept_by_all(s, d) == (pass == 0))
                s->unit_order[k++] = d;
    s->workers = (int)CR_MIN(workers, s->n_units);
    s->window = s->workers == 1 ? 1 : 2 * s->workers;
    cr_fit_count(f->plan, s);
}

/* The units of the scan that has fewest in a column. */
static int64_t units_in_column(const family *f) {
    int64_t least = INT64_MAX;
    for (int32_t i = 0; i < f->g->n_scans; i++) {
        int64_t first, end;
        cr_columns_units(f->g, &f->scans[f->g->scans[i]], 0, &first, &end);
        least = CR_MIN(least, end - first);
    }
    return least;
}

/* All that running it takes, when so many bytes are kept. */
static uint64_t bytes_with(const family *f, uint64_t keep_bytes) {
    uint64_t states = 0, workers = 0;
    for (int32_t i = 0; i < f->g->n_scans; i++) {
        const cr_scan *s = &f->scans[f->g->scans[i]];
        states += s->state_bytes + s->sink_bytes;
        workers = CR_MAX(workers, (uint64_t)s->workers * s->worker_bytes); /* there while the scan goes through a column */
    }
    /* Large blocks have eight sizes per doubling (slab.h). */
    uint64_t blocks = states + workers + keep_bytes;
    return blocks + blocks / 8 + (uint64_t)f->g->wanted_chunks + (uint64_t)f->g->n_sources * (sizeof(cr_chunk_box) + 2 * sizeof(uint64_t));
}

/* What small blocks may take more than was counted: kept cells and states of each sink, workers, and what is kept. */
static uint64_t rounding(const family *f) {
    uint64_t blocks = 1 + (uint64_t)f->threads;
    for (int32_t i = 0; i < f->g->n_scans; i++)
        blocks += 2 * (uint64_t)f->scans[f->g->scans[i]].n_sinks;
    return blocks * LEAST_BLOCK_BYTES;
}

/* What the largest column wants, or as much of it as there is room for. A single column is not worth a part, nor is any worth a small one. */
static bool fits(family *f, bool all, cr_chunk_box *boxes) {
    cr_columns *g = f->g;
    uint64_t slot = 0;
    if (!cr_columns_measure(g, f->scans, f->leaves, boxes))
        return false;
    for (int32_t i = 0; i < g->n_sources; i++)
        slot = CR_MAX(slot, g->sources[i].slot_bytes);
    uint64_t most = CR_MIN(f->plan->keep_bytes, g->n_columns == 1 ? ONCE_BYTES : UINT64_MAX), least = CR_MAX(g->wanted_bytes / LEAST_SHARE, slot);
    g->keep_bytes = g->wanted_bytes;
    g->bytes = bytes_with(f, g->keep_bytes);
    if (g->keep_bytes <= most && g->bytes <= f->room)
        return true;
    uint64_t room = f->room - CR_MIN(f->room, bytes_with(f, 0) + rounding(f));
    g->keep_bytes = CR_MIN(g->wanted_bytes, CR_MIN(most, room / 9 * 8)); /* an eighth as above */
    g->bytes = bytes_with(f, g->keep_bytes);
    return !all && g->n_columns > 1 && g->keep_bytes >= least && g->bytes <= f->room;
}

/* The next larger column, along the innermost axis that is not whole yet. false: it is the whole. */
static bool grow_column(const family *f) {
    cr_columns *g = f->g;
    if (g->n_axes == 0)
        return false;
    if (g->step < f->scans[g->scans[0]].unit_n[g->axes[g->at]]) {
        g->step *= 2;
        return true;
    }
    if (g->at == 0)
        return false;
    g->at--;
    g->step = 1;
    return true;
}

/* The least columns whose units keep the workers busy. Larger ones only if all that these want is kept. */
static bool choose_columns(family *f, int workers, bool all, cr_chunk_box *boxes) {
    cr_columns *g = f->g, last;
    g->at = CR_MAX(0, g->n_axes - 1);
    g->step = 1;
    if (!fits(f, all, boxes))
        return false;
    do {
        last = *g;
    } while (units_in_column(f) < (workers == 1 ? 1 : 4 * (int64_t)workers) && grow_column(f) && fits(f, true, boxes));
    *g = last;
    return units_in_column(f) >= workers;
}

static bool try_columns(family *f, cr_chunk_box *boxes) {
    const cr_columns *g = f->g;
    int least = f->threads;
    for (int32_t i = 0; i < g->n_scans; i++) /* not for fewer workers than there would be */
        least = CR_MIN(least, f->scans[g->scans[i]].workers);
    const int64_t wants[] = {8 * (int64_t)f->threads, 2 * (int64_t)f->threads, 1};
    for (int all = 1; all >= 0; all--)
        for (size_t w = 0; w < CR_ARRAY_LEN(wants); w++) {
            for (int32_t i = 0; i < g->n_scans; i++)
                cut_units(f, &f->scans[g->scans[i]], least == 1 ? 1 : wants[w], least);
            if (choose_columns(f, least, all, boxes))
                return true;
        }
    return false;
}

/* ---- together ---- */

static void adopt(family *f) {
    cr_plan *plan = f->plan;
    plan->columns[plan->n_columns++] = *f->g;
    for (int32_t i = 0; i < f->g->n_scans; i++) {
        cr_scan *s = &f->scans[f->g->scans[i]], *to = &plan->scans[f->g->scans[i]];
        cr_sink_plan *sinks = to->sinks;
        memcpy(sinks, s->sinks, (size_t)s->n_sinks * sizeof *sinks);
        *to = *s;
        to->sinks = sinks;
        to->columns = plan->n_columns;
    }
}

static void free_family(family *f) {
    for (int32_t i = 0; i < f->g->n_scans && f->copied; i++)
        free(f->scans[f->g->scans[i]].sinks);
}

/* What fit.c writes to is copied, so that what does not fit leaves no trace. */
static cr_status copy_sinks(family *f, cr_err *err) {
    f->copied = true;
    for (int32_t i = 0; i < f->g->n_scans; i++) {
        cr_scan *s = &f->scans[f->g->scans[i]];
        const cr_sink_plan *from = s->sinks;
        s->sinks = malloc((size_t)s->n_sinks * sizeof *s->sinks);
        if (s->sinks == NULL) {
            f->g->n_scans = i;
            return CR_FAIL(err, CR_MEMORY, "no memory to plan %d results", s->n_sinks);
        }
        memcpy(s->sinks, from, (size_t)s->n_sinks * sizeof *from);
    }
    return CR_OK;
}

/* The others, although some results now stay longer. */
static bool others_fit(const family *f) {
    const cr_plan *plan = f->plan;
    uint64_t own = cr_plan_own_bytes(plan) + f->g->spans.used_bytes, late = cr_plan_results_bytes(plan, 0, true);
    for (int32_t i = 0; i < plan->n_scans; i++) {
        const cr_scan *s = &plan->scans[i];
        if (s->columns == 0 && !is_member(f, &f->scans[i]) &&
            own + (s->late ? late : cr_plan_results_bytes(plan, s->phase, false)) + cr_scan_bytes(s) > plan->limit_bytes)
            return false;
    }
    for (int32_t i = 0; i < plan->n_columns; i++)
        if (own + late + plan->columns[i].bytes > plan->limit_bytes)
            return false;
    return true;
}

static cr_status try_family(family *f, const int32_t *maker, bool *ret_adopted, cr_err *err) {
    cr_auto_free cr_chunk_box *boxes = NULL;
    cr_idtable numbers = {0};
    cr_status status = find_sources(f, &numbers, err);
    if (status == CR_OK && f->g->n_sources > 0) {
        if (!mark_leaves(f, &numbers)) {
            unmark_leaves(f);
            f->g->n_sources = 0;
        }
        boxes = malloc(((size_t)f->g->n_sources + 1) * sizeof *boxes);
        status = boxes == NULL ? CR_FAIL(err, CR_MEMORY, "no memory to plan") : copy_sinks(f, err);
    }
    cr_idtable_done(&numbers);
    if (status != CR_OK || f->g->n_sources == 0)
        return status;
    uint64_t held = cr_plan_own_bytes(f->plan) + f->g->spans.used_bytes + cr_plan_results_bytes(f->plan, 0, true);
    f->room = f->plan->limit_bytes - CR_MIN(held, f->plan->limit_bytes);
    find_axes(f, maker);
    *ret_adopted = others_fit(f) && try_columns(f, boxes);
    if (*ret_adopted)
        adopt(f);
    else
        unmark_leaves(f);
    return CR_OK;
}

/* ---- which scans make a family ---- */

typedef enum role { ROLE_MEMBER = 1, ROLE_AFTER = 2, ROLE_NEEDED = 4 } role;

static bool reads_from(const cr_program *p, const int32_t *maker, const uint8_t *roles, uint8_t which) {
    for (int32_t i = 0; i < p->n_leaves; i++) {
        const cr_leaf *l = &p->leaves[i];
        if (l->result >= 0 && maker[l->result] >= 0 && (roles[maker[l->result]] & which))
            return true;
        if (l->inner != NULL && reads_from(&l->inner->program, maker, roles, which))
            return true;
    }
    return false;
}

static void need_makers(const cr_program *p, const int32_t *maker, uint8_t *roles) {
    for (int32_t i = 0; i < p->n_leaves; i++) {
        const cr_leaf *l = &p->leaves[i];
        if (l->result >= 0 && maker[l->result] >= 0)
            roles[maker[l->result]] |= ROLE_NEEDED;
        if (l->inner != NULL)
            need_makers(&l->inner->program, maker, roles);
    }
}

/* Results that members and late scans make or read stay to the end. */
static void keep_results(cr_plan *plan, const cr_program *p) {
    for (int32_t i = 0; i < p->n_leaves; i++) {
        if (p->leaves[i].result >= 0)
            plan->results[p->leaves[i].result].last_used = plan->n_phases;
        if (p->leaves[i].inner != NULL)
            keep_results(plan, &p->leaves[i].inner->program);
    }
}

/* Members read what another scan of the same tie reads too; with those between that read from one and are read by another. false: none. */
static bool find_members(family *f, const int32_t *tied, int32_t n, const int32_t *maker, uint8_t *roles, const cr_idtable *readers) {
    const cr_scan *scans = f->plan->scans;
    f->g->n_scans = 0;
    for (int32_t i = 0; i < n; i++) {
        const cr_program *p = &scans[tied[i]].program;
        for (int32_t k = 0; k < p->n_leaves; k++)
            if (worth_keeping(&p->leaves[k]) && cr_idtable_get(readers, (uint64_t)(uintptr_t)p->leaves[k].node, 1) >= 0)
                roles[tied[i]] = ROLE_MEMBER;
    }
    for (int32_t i = 0; i < n; i++)
        if (reads_from(&scans[tied[i]].program, maker, roles, ROLE_MEMBER | ROLE_AFTER))
            roles[tied[i]] |= ROLE_AFTER;
    for (int32_t i = n - 1; i >= 0; i--)
        if (roles[tied[i]] & (ROLE_MEMBER | ROLE_NEEDED))
            need_makers(&scans[tied[i]].program, maker, roles);
    bool may = true;
    for (int32_t i = 0; i < n; i++) {
        uint8_t *r = &roles[tied[i]];
        if ((*r & ROLE_AFTER) && (*r & ROLE_NEEDED))
            *r |= ROLE_MEMBER;
        if (*r & ROLE_MEMBER) {
            f->g->scans[f->g->n_scans++] = tied[i];
            f->scans[tied[i]].columns = f->plan->n_columns + 1; /* that it will be, if it fits */
            may = may && may_be_put_together(&scans[tied[i]]);
        }
    }
    return may && f->g->n_scans > 1;
}

/* Before its memory is counted: what the results of the family and of what comes after it take. */
static void make_late(cr_plan *plan, const int32_t *tied, int32_t n, const int32_t *maker, const uint8_t *roles) {
    for (int32_t i = 0; i < n; i++) {
        cr_scan *s = &plan->scans[tied[i]];
        if (!(roles[tied[i]] & (ROLE_MEMBER | ROLE_AFTER)))
            continue;
        s->late = !(roles[tied[i]] & ROLE_MEMBER);
        keep_results(plan, &s->program);
        for (int k = 0; k < s->n_sinks; k++)
            if (s->sinks[k].narrowed_before >= 0)
                plan->results[s->sinks[k].narrowed_before].last_used = plan->n_phases;
    }
    for (int32_t i = 0; i < plan->n_results; i++)
        if (maker[i] >= 0 && (roles[maker[i]] & (ROLE_MEMBER | ROLE_AFTER)))
            plan->results[i].late = true;
}

typedef struct attempt {          /* what cr_columns_make works with */
    cr_plan *plan;
    int threads;
    int32_t *parent, *maker, *tied;
    uint8_t *roles;
    cr_scan *scans;               /* copies */
    cr_idtable readers;           /* (source, 0): a scan that reads it; (source, 1): several do */
    cr_result *results;           /* as they were */
} attempt;

static void undo(attempt *a, cr_columns *g) {
    free(g->scans);
    free(g->sources);
    cr_arena_done(&g->spans);
    memcpy(a->plan->results, a->results, (size_t)a->plan->n_results * sizeof *a->results);
    for (int32_t i = 0; i < a->plan->n_scans; i++)
        if (!a->plan->scans[i].columns)
            a->plan->scans[i].late = a->scans[i].late;
}

static cr_status try_root(attempt *a, int32_t root, cr_err *err) {
    cr_plan *plan = a->plan;
    cr_columns g = {.scans = malloc((size_t)plan->n_scans * sizeof *g.scans)};
    cr_arena_init(&g.spans, (size_t)CR_MIN(plan->limit_bytes, SPANS_BYTES));
    family f = {.plan = plan, .g = &g, .scans = a->scans, .threads = a->threads};
    int32_t n = 0;
    bool adopted = false;
    cr_status status = g.scans == NULL ? CR_FAIL(err, CR_MEMORY, "no memory to plan %d scans", plan->n_scans) : CR_OK;
    for (int32_t i = root; i < plan->n_scans; i++)
        if (root_of(a->parent, i) == root)
            a->tied[n++] = i;
    memset(a->roles, 0, (size_t)plan->n_scans); /* of others that are tied */
    memcpy(a->results, plan->results, (size_t)plan->n_results * sizeof *a->results);
    memcpy(a->scans, plan->scans, (size_t)plan->n_scans * sizeof *a->scans);
    if (status == CR_OK && n > 1 && find_members(&f, a->tied, n, a->maker, a->roles, &a->readers)) {
        make_late(plan, a->tied, n, a->maker, a->roles);
        status = try_family(&f, a->maker, &adopted, err);
        free_family(&f);
    }
    if (!adopted)
        undo(a, &g);
    return status;
}

static cr_status make_all(attempt *a, cr_err *err) {
    cr_plan *plan = a->plan;
    find_makers(plan, a->maker);
    CR_TRY(tie_scans(plan, a->maker, &a->readers, a->parent, err));
    cr_auto_free int32_t *n_tied = calloc((size_t)plan->n_scans, sizeof *n_tied);
    if (n_tied == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan %d scans", plan->n_scans);
    for (int32_t i = 0; i < plan->n_scans; i++)
        n_tied[root_of(a->parent, i)]++;
    for (int32_t i = 0; i < plan->n_scans; i++)
        if (n_tied[i] > 1) /* thousands of variables are mostly tied to nothing, and an attempt copies all scans */
            CR_TRY(try_root(a, i, err));
    return CR_OK;
}

cr_status cr_columns_make(cr_plan *plan, int threads, cr_err *err) {
    size_t n = (size_t)plan->n_scans, n_results = (size_t)plan->n_results + 1;
    if (n < 2)
        return CR_OK;
    attempt a = {.plan = plan, .threads = threads, .parent = malloc(n * sizeof *a.parent), .maker = malloc(n_results * sizeof *a.maker),
                 .tied = malloc(n * sizeof *a.tied), .roles = calloc(n, 1), .scans = malloc(n * sizeof *a.scans),
                 .results = malloc(n_results * sizeof *a.results)};
    plan->columns = calloc(n / 2, sizeof *plan->columns);
    cr_status status = CR_OK;
    if (a.parent == NULL || a.maker == NULL || a.tied == NULL || a.roles == NULL || a.scans == NULL || a.results == NULL || plan->columns == NULL)
        status = CR_FAIL(err, CR_MEMORY, "no memory to plan %d scans", plan->n_scans);
    if (status == CR_OK)
        status = make_all(&a, err);
    cr_idtable_done(&a.readers);
    free(a.parent);
    free(a.maker);
    free(a.tied);
    free(a.roles);
    free(a.scans);
    free(a.results);
    return status;
}

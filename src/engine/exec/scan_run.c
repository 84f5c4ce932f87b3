/* scan_run.c - one scan from its first unit to its last: claiming, walking, errors, progress. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/poison.h"
#include "engine/exec/run.h"

/* ---- what a worker has ---- */

static void *carve(char **at, uint64_t bytes) {
    void *p = *at;
    *at += (bytes + 63) / 64 * 64;
    return p;
}

/* real: there is memory at *at. */
static void *carve_apart(bool real, char **at, uint64_t bytes) {
    char *p = carve(at, bytes);
    *at += CR_POISON_ZONE;
    if (real) {
        cr_unpoison(p, bytes);
        cr_poison(p + bytes, (size_t)(*at - p) - bytes);
    }
    return p;
}

static uint64_t box_bytes(const cr_scan *scan, const cr_array *a) {
    uint64_t bytes = a->itemsize;
    for (int d = 0; d < scan->program.ndim; d++)
        bytes *= (uint64_t)scan->cells.most[d];
    return bytes;
}

/* Twice: with at NULL-based to count, and for real. */
static void lay_out(cr_run *r, cr_worker *w, char **at) {
    const cr_scan *scan = r->scan;
    const cr_program *p = &scan->program;
    size_t n = (size_t)p->n_values;
    char *begin = *at;
    bool real = w->block != NULL;
    w->regs = carve_apart(real, at, (uint64_t)p->n_regs * p->reg_bytes);
    w->ptr = carve_apart(real, at, n * sizeof *w->ptr);
    w->step = carve_apart(real, at, n);
    w->in_reg = carve_apart(real, at, n);
    w->dst = carve_apart(real, at, n * sizeof *w->dst);
    w->chosen = carve_apart(real, at, n * sizeof *w->chosen);
    w->active = carve_apart(real, at, n * sizeof *w->active);
    w->scope_off = carve_apart(real, at, (uint64_t)p->n_scopes + 1);
    w->scope_at = carve_apart(real, at, ((uint64_t)p->n_scopes + 1) * sizeof *w->scope_at);
    w->scopes = carve_apart(real, at, ((uint64_t)p->n_scopes + 1) * sizeof *w->scopes);
    w->leaves = carve_apart(real, at, (uint64_t)p->n_leaves * sizeof *w->leaves);
    w->active_leaves = carve_apart(real, at, (uint64_t)p->n_leaves * sizeof *w->active_leaves);
    w->places = carve_apart(real, at, (uint64_t)scan->n_sinks * sizeof *w->places);
    uint64_t most = 0;
    for (int d = 0; d < p->ndim; d++)
        most += (uint64_t)scan->cells.most[d];
    w->order = carve_apart(real, at, most * sizeof *w->order);
    w->load = carve_apart(real, at, scan->load_bytes);
    w->stay = carve_apart(real, at, scan->stay_bytes);
    for (int i = 0; i < scan->n_sinks; i++) {
        const cr_sink_run *s = &r->sinks[i];
        cr_place place = {0};
        if (s->plan->ranks && s->plan->sifts) {
            place.box = carve_apart(real, at, (uint64_t)s->plan->box_bytes);
        } else if (s->plan->ranks) {
            place.ranking = carve_apart(real, at, s->plan->ranking_bytes);
        } else if (s->plan->reduces) {
            place.pending_bytes = carve_apart(real, at, 8 * CR_FOLD_SEGMENT);
            place.expanded = carve_apart(real, at, 8 * (uint64_t)p->strip);
            place.open = carve_apart(real, at, (uint64_t)s->plan->n_open * sizeof *place.open);
        } else if (s->user != NULL) {
            place.box = carve_apart(real, at, box_bytes(scan, s->node));
        }
        if (real) {
            if (place.open != NULL)
                memset(place.open, 0, (size_t)s->plan->n_open * sizeof *place.open);
            w->places[i] = place;
        }
    }
    w->block_bytes = (uint64_t)(*at - begin);
}

void cr_worker_ready(cr_worker *w, char *block) {
    const cr_program *p = &w->run->scan->program;
    char *at = block;
    w->block = block;
    lay_out(w->run, w, &at);
    memset(w->leaves, 0, (size_t)p->n_leaves * sizeof *w->leaves);
    at = w->stay;
    for (int32_t i = 0; i < p->n_leaves && w->run->scan->stay_bytes > 0; i++) {
        const cr_leaf *l = cr_leaf_that_stays(&p->leaves[i]);
        if (l == NULL)
            continue;
        w->leaves[i].stay = carve(&at, (uint64_t)l->stays * l->chunk_bytes);
        w->leaves[i].stay_at = carve(&at, (uint64_t)l->stays * (uint64_t)l->node->ndim * sizeof(int64_t));
    }
    for (int32_t i = 0; i < p->n_values; i++) {
        w->dst[i] = NULL;
        w->in_reg[i] = 0;
        w->step[i] = 0;
        w->ptr[i] = p->values[i].kind == CR_VALUE_CONST ? p->values[i].data : NULL;
    }
}

static cr_status make_worker(cr_run *r, int id, cr_err *err) {
    cr_worker *w = &r->workers[id];
    char *at = (char *)64; /* only counted */
    w->run = r;
    w->id = id;
    lay_out(r, w, &at);
    void *block;
    CR_TRY(cr_slab_take(&r->context->slab, w->block_bytes, &block, err));
    w->own_scratch.max = r->scan->scratch_bytes;
    w->scratch = &w->own_scratch;
    cr_worker_ready(w, block);
    return CR_OK;
}

static void free_worker(cr_run *r, cr_worker *w) {
    cr_slab_give(&r->context->slab, w->block, w->block_bytes);
    cr_scratch_done(&w->own_scratch);
}

/* ---- a cell ---- */

static void scopes_anew(cr_worker *w) {
    const cr_program *p = &w->run->scan->program;
    memcpy(w->scope_off, p->scope_dims, (size_t)p->n_scopes + 1);
    memcpy(w->border, p->border_begin, (size_t)p->ndim * sizeof *w->border);
    w->scopes[0] = 0; /* everywhere */
    w->n_scopes = 1;
}

/* The cell is beyond the border now, or before it again. */
static void pass_border(cr_worker *w, const cr_border *b, bool beyond) {
    int32_t s = b->scope;
    if (s == 0)
        return;
    if (b->enters == beyond) {
        if (--w->scope_off[s] == 0) {
            w->scope_at[s] = w->n_scopes;
            w->scopes[w->n_scopes++] = s;
        }
    } else if (w->scope_off[s]++ == 0) {
        int32_t last = w->scopes[--w->n_scopes];
        w->scopes[w->scope_at[s]] = last;
        w->scope_at[last] = w->scope_at[s];
    }
}

/* From the last cell to this one only what lies between them is looked at. */
static bool pass_borders(cr_worker *w) {
    const cr_program *p = &w->run->scan->program;
    bool changed = false;
    for (int d = 0; d < p->ndim; d++) {
        int32_t i = w->border[d];
        for (; i < p->border_begin[d + 1] && p->borders[i].at <= w->lo[d]; i++)
            pass_border(w, &p->borders[i], true);
        for (; i > p->border_begin[d] && p->borders[i - 1].at > w->lo[d]; i--)
            pass_border(w, &p->borders[i - 1], false);
        changed = changed || i != w->border[d];
        w->border[d] = i;
    }
    return changed;
}

static int by_number(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int32_t chosen_at(const cr_value *select, int64_t at) {
    int64_t lo = 0, hi = select->n_segments - 1;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (select->segments[mid].hi > at)
            hi = mid;
        else
            lo = mid + 1;
    }
    return select->segments[lo].value;
}

/* What there is in the cell is made out again only when it lies beyond another border, from the scopes that hold it. */
cr_status cr_worker_scopes(cr_worker *w, cr_err *err) {
    const cr_program *p = &w->run->scan->program;
    bool first = !w->scopes_known;
    if (first)
        scopes_anew(w);
    if (!pass_borders(w) && !first)
        return CR_OK;
    w->scopes_known = true;
    for (int32_t i = 0; i < w->n_active_leaves; i++)
        w->leaves[w->active_leaves[i]].active = false;
    w->n_active = w->n_active_leaves = 0;
    for (int32_t k = 0; k < w->n_scopes; k++) {
        int32_t begin = p->scope_begin[w->scopes[k]], n = p->scope_begin[w->scopes[k] + 1] - begin;
        memcpy(w->active + w->n_active, p->scope_values + begin, (size_t)n * sizeof *w->active);
        w->n_active += n;
    }
    if (w->n_scopes > 1)
        qsort(w->active, (size_t)w->n_active, sizeof *w->active, by_number);
    for (int32_t k = 0; k < w->n_active; k++) {
        int32_t i = w->active[k];
        const cr_value *v = &p->values[i];
        if (v->kind == CR_VALUE_LOAD && !w->leaves[v->leaf].active) {
            w->leaves[v->leaf].active = true;
            w->active_leaves[w->n_active_leaves++] = v->leaf;
        }
        if (v->n_segments > 0)
            w->chosen[i] = chosen_at(v, w->lo[v->dim]);
    }
    return cr_load_assign(w, err);
}

static cr_status begin_sinks(cr_worker *w, cr_err *err) {
    const cr_scan *scan = w->run->scan;
    int ndim = scan->program.ndim;
    for (int i = 0; i < scan->n_sinks; i++) {
        const cr_sink_run *s = &w->run->sinks[i];
        cr_place *p = &w->places[i];
        if (s->plan->ranks) {
            CR_TRY(cr_panel_begin(w, i, err));
        } else if (s->plan->reduces) {
            CR_TRY(cr_combine_state(w, i, &p->state, err));
            p->kept_slots = p->run_total = 1;
            for (int d = ndim - 1; d >= 0; d--) {
                bool reduced = s->plan->reduced & (1u << d);
                p->slot_stride[d] = reduced ? 0 : p->kept_slots;
                p->kept_slots *= reduced ? 1 : w->n[d];
                p->run_total *= d >= s->plan->run_from ? w->n[d] : 1;
            }
            p->pending = 0;
        } else if (s->user != NULL) {
            int64_t bytes = (int64_t)s->node->itemsize;
            int dim_of[CR_MAX_DIMS];
            for (int d = 0; d < ndim; d++)
                dim_of[s->plan->out_axis[d]] = d;
            for (int a = ndim - 1; a >= 0; a--) {
                p->out_stride[dim_of[a]] = bytes;
                bytes *= w->n[dim_of[a]];
            }
            p->out = p->box;
        } else {
            p->out = s->out;
            for (int d = 0; d < ndim; d++) {
                p->out_stride[d] = s->out_stride[d];
                p->out += w->lo[d] * s->out_stride[d];
            }
        }
    }
    return CR_OK;
}

static cr_status end_sinks(cr_worker *w, cr_err *err) {
    for (int i = 0; i < w->run->scan->n_sinks; i++) {
        if (w->run->sinks[i].plan->ranks)
            CR_TRY(cr_panel_cell_done(w, i, err));
        else if (w->run->sinks[i].plan->reduces)
            CR_TRY(cr_combine_cell_done(w, i, err));
        else if (w->run->sinks[i].user != NULL)
            CR_TRY(cr_deliver_box(w, i, err));
    }
    return CR_OK;
}

static void report_progress(void *job) {
    cr_run *r = job;
    cr_context *c = r->context;
    int64_t now = cr_now_ms();
    if (c->progress == NULL || now - r->last_report_ms < 100)
        return;
    r->last_report_ms = now;
    double done = r->done_before + (double)atomic_load_explicit(&r->cells_done, memory_order_relaxed) * cr_scan_weight(r->scan);
    c->progress(c->progress_user, done, r->total, r->shown_phase, r->plan->n_phases);
}

static cr_status run_cell(cr_worker *w, cr_err *err) {
    const cr_scan *scan = w->run->scan;
    if (cr_context_cancelled(w->run->context))
        return CR_FAIL(err, CR_CANCELLED, "cancelled");
    for (int d = 0; d < scan->program.ndim; d++) {
        w->lo[d] = cr_cells_begin(&scan->cells, d, w->cell[d]);
        w->n[d] = scan->cells.ends[d][w->cell[d]] - w->lo[d];
    }
    bool wanted = scan->wanted == NULL || scan->wanted[w->cell[scan->wanted_axis]];
    if (wanted) {
        CR_TRY(cr_worker_scopes(w, err));
        CR_TRY(cr_load_cell(w, err));
    }
    CR_TRY(begin_sinks(w, err)); /* a cell that is passed over still counts in its block */
    if (wanted)
        CR_TRY(cr_strip_cell(w, err));
    CR_TRY(end_sinks(w, err));
    atomic_fetch_add_explicit(&w->run->cells_done, 1, memory_order_relaxed);
    if (w->id == 0)
        report_progress(w->run);
    return CR_OK;
}

/* ---- units ---- */

static cr_status run_unit(cr_worker *w, int64_t unit, cr_err *err) {
    const cr_scan *scan = w->run->scan;
    int ndim = scan->program.ndim;
    for (int i = ndim - 1; i >= 0; i--) {
        int d = scan->unit_order[i];
        int64_t k = unit % scan->unit_n[d];
        unit /= scan->unit_n[d];
        w->cell[d] = w->unit_lo[d] = cr_unit_begin(scan, d, k);
        w->unit_hi[d] = cr_unit_begin(scan, d, k + 1);
    }
    for (int32_t i = 0; i < scan->program.n_leaves && scan->stay_bytes > 0; i++)
        w->leaves[i].n_stay = w->leaves[i].stay_next = 0;
    for (;;) {
        CR_TRY(run_cell(w, err));
        int i = ndim - 1;
        for (; i >= 0; i--) {
            int d = scan->kept_first ? scan->unit_order[i] : i;
            if (++w->cell[d] < w->unit_hi[d])
                break;
            w->cell[d] = w->unit_lo[d];
        }
        if (i < 0)
            return CR_OK;
    }
}

/* Nothing to claim now, and more may come: the oldest unfinished unit is too far behind, or the last ones may fill panels. */
static bool must_wait(const cr_run *r) {
    if (r->failed_unit != INT64_MAX || r->ranking != NULL)
        return false;
    return r->next_unit < r->end_unit ? r->next_unit >= r->oldest + r->scan->window : r->ranks && r->oldest < r->end_unit;
}

/* The next unit, or -1: none is left, or one below has failed. *ret_help: a panel that needs hands, instead of a unit. */
static int64_t claim(cr_run *r, struct cr_panel **ret_help) {
    int64_t unit = -1;
    pthread_mutex_lock(&r->lock);
    while (must_wait(r))
        pthread_cond_wait(&r->moved, &r->lock);
    *ret_help = cr_panel_to_help(r);
    if (*ret_help == NULL && r->next_unit < r->end_unit && r->next_unit < r->failed_unit)
        unit = r->next_unit++;
    pthread_mutex_unlock(&r->lock);
    return unit;
}

static void unit_ended(cr_run *r, int64_t unit, cr_status status, const cr_err *err) {
    pthread_mutex_lock(&r->lock);
    if (status != CR_OK && unit < r->failed_unit) {
        r->failed_unit = unit;
        r->status = status;
        r->err = *err;
    }
    r->unit_done[unit % r->scan->window] = 1;
    while (r->oldest < r->next_unit && r->unit_done[r->oldest % r->scan->window]) {
        r->unit_done[r->oldest % r->scan->window] = 0;
        r->oldest++;
    }
    pthread_cond_broadcast(&r->moved);
    pthread_mutex_unlock(&r->lock);
}

static void work(void *job, int id) {
    cr_run *r = job;
    struct cr_panel *help;
    for (int64_t unit; (unit = claim(r, &help)) >= 0 || help != NULL;) {
        if (help != NULL) {
            cr_panel_help(&r->workers[id], help);
            continue;
        }
        cr_err err = CR_ERR_INIT;
        cr_status status = run_unit(&r->workers[id], unit, &err);
        unit_ended(r, unit, status, &err);
    }
}

/* ---- the scan ---- */

/* Progress counts cells; how much one weighs is bytes read and elements computed, roughly in nanoseconds. */
double cr_scan_weight(const cr_scan *scan) {
    if (scan->empty)
        return 0;
    double elements = 1, cells = 1, bytes = 0;
    for (int d = 0; d < scan->program.ndim; d++) {
        elements *= (double)scan->program.shape[d];
        cells *= (double)scan->cells.n[d];
    }
    for (int32_t i = 0; i < scan->program.n_leaves; i++)
        if (cr_leaf_is_read(&scan->program.leaves[i]) || scan->program.leaves[i].kind == CR_LEAF_SPILLED)
            bytes += (double)scan->program.leaves[i].read_bytes;
    return (bytes + elements * (1 + 0.2 * scan->program.n_values)) / cells;
}

static cr_status begin_scan(cr_run *r, cr_err *err) {
    const cr_scan *scan = r->scan;
    for (int i = 0; i < scan->n_sinks; i++) {
        cr_sink_run *s = &r->sinks[i];
        s->plan = &scan->sinks[i];
        s->node = r->plan->nodes[s->plan->node].node;
        r->ranks = r->ranks || s->plan->ranks;
    }
    for (int i = 0; i < scan->n_sinks; i++) {
        cr_sink_run *s = &r->sinks[i];
        const cr_output_spec *to = s->plan->reduces ? NULL : &r->plan->outputs[s->plan->output];
        if (s->plan->ranks) {
            CR_TRY(cr_panel_init(r, s, err));
        } else if (s->plan->reduces) {
            CR_TRY(cr_combine_init(r, s, err));
        } else if (to->sink != NULL) {
            s->user = to->sink;
            CR_TRY(cr_deliver_init(r, s, err));
        } else {
            int64_t bytes = (int64_t)s->node->itemsize, stride[CR_MAX_DIMS];
            for (int a = s->node->ndim - 1; a >= 0; a--) {
                stride[a] = bytes;
                bytes *= s->node->shape[a];
            }
            for (int d = 0; d < s->node->ndim; d++)
                s->out_stride[d] = stride[s->plan->out_axis[d]];
            s->out = to->data;
        }
    }
    return CR_OK;
}

static cr_status run_empty(cr_run *r, cr_err *err) {
    for (int i = 0; i < r->scan->n_sinks; i++)
        if (r->sinks[i].plan->ranks)
            cr_panel_nothing(&r->sinks[i]);
        else
            CR_TRY(cr_combine_nothing(r, &r->sinks[i], err));
    return CR_OK;
}

cr_status cr_run_begin(cr_run *r, cr_context *c, const cr_plan *plan, cr_scan *scan, cr_err *err) {
    *r = (cr_run){.context = c, .plan = plan, .scan = scan, .failed_unit = INT64_MAX, .shown_phase = scan->phase,
                  .last_report_ms = cr_now_ms() - 100};
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->moved, NULL);
    r->sinks = calloc((size_t)scan->n_sinks, sizeof *r->sinks);
    r->workers = calloc((size_t)scan->workers + 1, sizeof *r->workers);
    r->unit_done = calloc((size_t)CR_MAX(1, scan->window), 1);
    if (r->sinks == NULL || r->workers == NULL || r->unit_done == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to run");
    return begin_scan(r, err);
}

cr_status cr_run_units(cr_run *r, int64_t first, int64_t end, cr_err *err) {
    cr_status status = CR_OK;
    int workers = r->scan->workers;
    r->next_unit = r->oldest = first;
    r->end_unit = end;
    for (int i = 0; i < workers && status == CR_OK; i++)
        status = make_worker(r, i, err);
    if (status == CR_OK) {
        cr_team_run(r->context->team, workers, work, report_progress, r);
        status = r->status;
        if (status != CR_OK && err != NULL)
            *err = r->err;
    }
    for (int i = 0; i < workers; i++)
        free_worker(r, &r->workers[i]);
    memset(r->workers, 0, (size_t)workers * sizeof *r->workers);
    return status;
}

void cr_run_end(cr_run *r) {
    for (int i = 0; i < r->scan->n_sinks && r->sinks != NULL; i++) {
        if (r->sinks[i].plan != NULL && r->sinks[i].plan->ranks)
            cr_panel_done(r, &r->sinks[i]);
        else if (r->sinks[i].plan != NULL && r->sinks[i].plan->reduces)
            cr_combine_done(r, &r->sinks[i]);
        else
            cr_deliver_done(r, &r->sinks[i]);
    }
    free(r->sinks);
    free(r->workers);
    free(r->unit_done);
    pthread_cond_destroy(&r->moved);
    pthread_mutex_destroy(&r->lock);
}

cr_status cr_run_scan(cr_context *c, const cr_plan *plan, cr_scan *scan, double done_before, double total, cr_err *err) {
    cr_run r;
    cr_status status = cr_run_begin(&r, c, plan, scan, err);
    r.done_before = done_before;
    r.total = total;
    if (status == CR_OK)
        status = scan->empty ? run_empty(&r, err) : cr_run_units(&r, 0, scan->n_units, err);
    cr_run_end(&r);
    return status;
}

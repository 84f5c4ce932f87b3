/* compute.c - cr_compute: plan, run the scans phase by phase, hand over. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/exec/run.h"
#include "engine/exec/stage.h"

#define KEEP_BYTES ((uint64_t)64 << 20)   /* blocks kept for the next computation */

static void results_give(cr_context *c, cr_plan *plan, int32_t phase) {
    for (int32_t i = 0; i < plan->n_results; i++) {
        cr_result *r = &plan->results[i];
        if (!r->users && r->data != NULL && r->last_used < phase) {
            if (r->touched_bytes < r->bytes)
                cr_slab_release(&c->slab, r->data, r->bytes, r->touched_bytes);
            else
                cr_slab_give(&c->slab, r->data, r->bytes);
            r->data = NULL;
        }
    }
}

/* Those of a phase, or all that are late. */
static cr_status results_take(cr_context *c, cr_plan *plan, int32_t phase, bool late, cr_err *err) {
    for (int32_t i = 0; i < plan->n_results; i++) {
        cr_result *r = &plan->results[i];
        if (!r->users && r->data == NULL && r->late == late && (late || r->made == phase) && r->bytes > 0)
            CR_TRY(r->touched_bytes < r->bytes ? cr_slab_reserve(&c->slab, r->bytes, r->touched_bytes, &r->data, err)
                                               : cr_slab_take(&c->slab, r->bytes, &r->data, err));
    }
    return CR_OK;
}

double cr_scan_cells(const cr_scan *s) {
    double n = s->empty ? 0 : 1;
    for (int d = 0; d < s->program.ndim && !s->empty; d++)
        n *= (double)(cr_unit_begin(s, d, s->unit_n[d]) - cr_unit_begin(s, d, 0));
    return n;
}

double cr_plan_weight(const cr_plan *plan) {
    double total = 0;
    for (int32_t i = 0; i < plan->n_scans; i++)
        total += cr_scan_cells(&plan->scans[i]) * cr_scan_weight(&plan->scans[i]);
    return total;
}

static cr_status run_late(cr_context *c, cr_plan *plan, double done, double total, cr_err *err) {
    results_give(c, plan, plan->n_phases);
    CR_TRY(results_take(c, plan, 0, true, err));
    for (int32_t i = 0; i < plan->n_columns; i++)
        CR_TRY(cr_run_columns(c, plan, &plan->columns[i], &done, total, err));
    for (int32_t i = 0; i < plan->n_scans; i++) {
        cr_scan *s = &plan->scans[i];
        if (!s->late)
            continue;
        CR_TRY(cr_run_scan(c, plan, s, done, total, err));
        done += cr_scan_cells(s) * cr_scan_weight(s);
    }
    return CR_OK;
}

static cr_status run_scans(cr_context *c, cr_plan *plan, cr_err *err) {
    double total = cr_plan_weight(plan), done = 0;
    int32_t phase = -1;
    for (int32_t i = 0; i < plan->n_scans; i++) {
        cr_scan *s = &plan->scans[i];
        if (s->late || s->columns > 0)
            continue;
        for (; phase < s->phase; phase++) {
            results_give(c, plan, phase + 1);
            CR_TRY(results_take(c, plan, phase + 1, false, err));
        }
        CR_TRY(cr_run_scan(c, plan, s, done, total, err));
        done += cr_scan_cells(s) * cr_scan_weight(s);
    }
    if (plan->n_columns > 0)
        CR_TRY(run_late(c, plan, done, total, err));
    if (c->progress != NULL)
        c->progress(c->progress_user, total, total, CR_MAX(0, plan->n_phases - 1), plan->n_phases);
    return CR_OK;
}

/* What was computed once and asked for several times, and reductions whose chunks someone writes. */
static cr_status hand_over(cr_context *c, cr_plan *plan, cr_err *err) {
    for (int i = 0; i < plan->n_outputs; i++) {
        const cr_plan_node *n = &plan->nodes[plan->output_nodes[i]];
        const cr_output_spec *to = &plan->outputs[i];
        if (n->node->size == 0)
            continue;
        if (to->sink != NULL && n->result >= 0)
            CR_TRY(cr_deliver_result(c, n->node, plan->results[n->result].data, to->sink, err));
        else if (to->sink == NULL && plan->output_first[i] != i && to->data != plan->outputs[plan->output_first[i]].data)
            memcpy(to->data, plan->outputs[plan->output_first[i]].data, (size_t)n->node->size * n->node->itemsize);
    }
    return CR_OK;
}

static cr_status check_sinks(int n, cr_array *const *arrays, const cr_output_spec *outputs, cr_err *err) {
    for (int i = 0; i < n; i++)
        for (int a = 0; outputs[i].sink != NULL && outputs[i].sink->chunks != NULL && a < arrays[i]->ndim; a++)
            if (outputs[i].sink->chunks[a] < 1)
                return CR_FAIL(err, CR_INVALID, "the sink of array %d has the chunk size %lld along axis %d", i,
                               (long long)outputs[i].sink->chunks[a], a);
    return CR_OK;
}

/* *ret_refused: it does not fit, and nothing was begun. */
static cr_status compute_once(cr_context *c, int n, cr_array *const *arrays, const cr_output_spec *outputs, bool *ret_refused, cr_err *err) {
    cr_plan plan;
    CR_TRY(cr_context_take(c, err));
    cr_plan_options o = {.simd = c->simd, .threads = c->threads, .limit_bytes = cr_context_room(c), .keep_bytes = c->keep_bytes};
    c->slab.peak_bytes = c->slab.bytes_held;
    cr_status status = cr_plan_make(&plan, n, arrays, outputs, &o, err);
    *ret_refused = status == CR_MEMORY;
    if (status == CR_OK && cr_context_cancelled(c))
        status = CR_FAIL(err, CR_CANCELLED, "cancelled");
    uint64_t before = plan.arena.used_bytes;
    if (status == CR_OK)
        status = run_scans(c, &plan, err);
    if (status == CR_OK)
        status = hand_over(c, &plan, err);
    results_give(c, &plan, INT32_MAX);
    c->peak_bytes = c->slab.peak_bytes + before;
    cr_plan_done(&plan);
    cr_slab_trim(&c->slab, CR_MIN(KEEP_BYTES, c->memory_limit_bytes / 4));
    cr_context_give(c);
    return status;
}

/* What does not fit has its large reductions computed into scratch files first. */
static cr_status compute_staged(cr_context *c, int n, cr_array *const *arrays, const cr_output_spec *outputs, cr_err *err) {
    cr_staging s;
    bool refused;
    cr_err why = CR_ERR_INIT;
    if (cr_staging_make(c, n, arrays, outputs, &s, &why) != CR_OK)
        return CR_MEMORY;             /* the first refusal is the one that is told */
    cr_shown shown;
    cr_shown_begin(c, &shown, cr_staging_weigh(c, &s, outputs));
    cr_status status = cr_staging_run(c, &s, &shown, err);
    if (status == CR_OK) {
        cr_shown_next(&shown, s.rest);
        status = compute_once(c, n, s.arrays, outputs, &refused, err);
    }
    cr_shown_end(c, &shown, status == CR_OK);
    cr_staging_done(&s);
    return status;
}

static cr_status compute(cr_context *c, int n, cr_array *const *arrays, const cr_output_spec *outputs, cr_err *err) {
    bool refused = false;
    if (n < 1)
        return CR_OK;
    CR_TRY(check_sinks(n, arrays, outputs, err));
    cr_context_begin(c);
    /* A call of several computations looks for panels that fit, or stages what it needs. */
    bool alone = c->n_operations == 1;
    cr_status status = compute_once(c, n, arrays, outputs, &refused, err);
    if (refused && alone)
        status = compute_staged(c, n, arrays, outputs, err);
    cr_context_end(c);
    return status;
}

cr_status cr_compute(cr_context *c, int n, cr_array *const *arrays, void *const *out, cr_err *err) {
    cr_auto_free cr_output_spec *outputs = calloc((size_t)CR_MAX(n, 0) + 1, sizeof *outputs);
    if (outputs == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to compute %d arrays", n);
    for (int i = 0; i < n; i++) {
        outputs[i].data = out[i];
        if (out[i] == NULL && arrays[i]->size > 0)
            return CR_FAIL(err, CR_INVALID, "there is no memory given for array %d", i);
    }
    return compute(c, n, arrays, outputs, err);
}

cr_status cr_compute_to(cr_context *c, int n, cr_array *const *arrays, const cr_sink *sinks, cr_err *err) {
    cr_auto_free cr_output_spec *outputs = calloc((size_t)CR_MAX(n, 0) + 1, sizeof *outputs);
    if (outputs == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to compute %d arrays", n);
    for (int i = 0; i < n; i++)
        outputs[i].sink = &sinks[i];
    return compute(c, n, arrays, outputs, err);
}

void cr_free(void *p) { free(p); }

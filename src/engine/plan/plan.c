/* plan.c - the whole of planning: number, find barriers, lower, cut, fit. */
#include "engine/plan/plan.h"

#include <stdlib.h>
#include "base/text.h"

#define PLAN_ARENA_BYTES ((size_t)512 << 20)
#define MOST_ROUNDS 16
#define NODE_BYTES 512
#define REFINE_RATHER 16          /* decoding chunks more often than this is worth trying passes over digits */

/* Every reduction gets memory for its result: the user's, when it was asked for as an output in memory. */
static cr_status make_results(cr_plan *plan, cr_err *err) {
    int32_t n = 0;
    for (int32_t i = 0; i < plan->n_nodes; i++)
        n += cr_ops[plan->nodes[i].node->op].cls == CR_CLASS_REDUCE;
    plan->results = cr_arena_calloc(&plan->arena, (size_t)n + 1, sizeof *plan->results);
    if (plan->results == NULL)
        return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: %d reductions", n);
    for (int32_t i = 0; i < plan->n_nodes; i++) {
        cr_plan_node *p = &plan->nodes[i];
        plan->n_phases = CR_MAX(plan->n_phases, p->phase + 1);
        if (cr_ops[p->node->op].cls != CR_CLASS_REDUCE)
            continue;
        p->result = plan->n_results;
        uint64_t bytes = (uint64_t)p->node->size * p->node->itemsize;
        plan->results[plan->n_results++] = (cr_result){.node = i, .made = p->phase, .last_used = p->phase, .bytes = bytes, .touched_bytes = bytes};
    }
    for (int i = 0; i < plan->n_outputs; i++) {
        const cr_plan_node *p = &plan->nodes[plan->output_nodes[i]];
        if (p->result < 0 || plan->output_first[i] != i)
            continue;
        cr_result *r = &plan->results[p->result];
        if (plan->outputs != NULL && plan->outputs[i].data != NULL) {
            r->users = true;
            r->data = plan->outputs[i].data;
        } else {
            r->last_used = plan->n_phases; /* written at the end */
        }
    }
    return CR_OK;
}

uint64_t cr_plan_results_bytes(const cr_plan *plan, int32_t phase, bool late) {
    uint64_t bytes = 0;
    for (int32_t i = 0; i < plan->n_results; i++) {
        const cr_result *r = &plan->results[i];
        bool here = late ? r->late || r->last_used >= plan->n_phases : !r->late && r->made <= phase && r->last_used >= phase;
        if (!r->users && here)
            bytes += (r->touched_bytes + 63) / 64 * 64;
    }
    return bytes;
}

uint64_t cr_plan_own_bytes(const cr_plan *plan) {
    uint64_t bytes = plan->arena.used_bytes + (uint64_t)plan->cap_nodes * sizeof(cr_plan_node) +
                     24 * (plan->by_address.cap + plan->by_hash.cap + plan->composed.cap + plan->interned.cap);
    if (plan->owned != NULL) /* nodes that the user has not made */
        bytes += (uint64_t)plan->n_nodes * NODE_BYTES;
    for (int32_t i = 0; i < plan->n_columns; i++)
        bytes += plan->columns[i].spans.used_bytes;
    for (int32_t i = 0; i < plan->n_scans; i++)
        bytes += cr_program_bytes(&plan->scans[i].program);
    return bytes;
}

static cr_status fit_all(cr_plan *plan, const cr_plan_options *o, cr_err *err) {
    for (int32_t i = 0; i < plan->n_scans; i++) {
        cr_scan *s = &plan->scans[i];
        uint64_t held = cr_plan_own_bytes(plan) + cr_plan_results_bytes(plan, s->phase, false);
        if (held >= o->limit_bytes) {
            char need[32], have[32];
            cr_text_bytes(held, need, sizeof need);
            cr_text_bytes(o->limit_bytes, have, sizeof have);
            cr_status st = CR_FAIL(err, CR_MEMORY, "the plan and the results kept between phases take %s, more than the memory limit of %s",
                                   need, have);
            cr_err_hint(err, "raise the memory limit, or compute fewer things at once");
            return st;
        }
        plan->refused = i;
        CR_TRY(cr_scan_fit(plan, s, o->threads, o->limit_bytes - held, err));
        plan->refused = -1;
    }
    return CR_OK;
}

uint64_t cr_plan_peak(const cr_plan *plan) {
    uint64_t own = cr_plan_own_bytes(plan), peak = 0;
    for (int32_t i = 0; i < plan->n_scans; i++) {
        const cr_scan *s = &plan->scans[i];
        if (s->columns == 0)
            peak = CR_MAX(peak, own + cr_plan_results_bytes(plan, s->phase, s->late) + cr_scan_bytes(s));
    }
    for (int32_t i = 0; i < plan->n_columns; i++)
        peak = CR_MAX(peak, own + cr_plan_results_bytes(plan, 0, true) + plan->columns[i].bytes);
    return peak;
}

static cr_status take_part(cr_plan *plan, const cr_plan_options *o, cr_err *err) {
    if (plan->n_scans != 1 || !cr_parts_can(plan, &plan->scans[0]))
        return CR_FAIL(err, CR_INVALID, "%s cannot be computed in parts: it is no reduction, or one that is made of others",
                       cr_array_op(plan->nodes[plan->output_nodes[0]].node));
    cr_parts_cut(&plan->scans[0], o->wanted, &plan->parts);
    if (o->part < 0 || o->part >= plan->parts.n_parts)
        return CR_FAIL(err, CR_INVALID, "there is no part %lld: these arrays are cut into %lld", (long long)o->part, (long long)plan->parts.n_parts);
    plan->part = cr_arena_alloc(&plan->arena, sizeof *plan->part);
    if (plan->part == NULL)
        return CR_FAIL(err, CR_LIMIT, "planning needs too much memory");
    cr_parts_box(&plan->scans[0], &plan->parts, o->part, plan->part);
    plan->scans[0].part = plan->part;
    return CR_OK;
}

/* owned: the arrays, when the plan is to free them. */
static cr_status make_once(cr_plan *plan, cr_array **owned, bool apart, int n, cr_array *const *arrays, const cr_output_spec *outputs,
                           const cr_plan_options *o, cr_err *err) {
    memset(plan, 0, sizeof *plan);
    plan->apart = apart;
    plan->owned = owned;
    cr_arena_init(&plan->arena, CR_MIN(PLAN_ARENA_BYTES, (size_t)CR_MAX(o->limit_bytes, 1 << 20)));
    plan->refused = -1;
    plan->simd = o->simd;
    plan->limit_bytes = o->limit_bytes;
    plan->keep_bytes = o->keep_bytes;
    plan->n_outputs = n;
    plan->outputs = outputs;
    plan->output_nodes = cr_arena_calloc(&plan->arena, (size_t)n + 1, sizeof *plan->output_nodes);
    plan->output_first = cr_arena_calloc(&plan->arena, (size_t)n + 1, sizeof *plan->output_first);
    if (plan->output_nodes == NULL || plan->output_first == NULL)
        return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: %d arrays", n);
    CR_TRY(cr_graph_number(plan, n, arrays, err));
    cr_idtable firsts = {0};
    cr_status status = CR_OK;
    for (int i = 0; i < n && status == CR_OK; i++) {
        int64_t first = cr_idtable_get(&firsts, (uint64_t)plan->output_nodes[i], 0);
        plan->output_first[i] = first < 0 ? i : (int32_t)first;
        if (first < 0)
            status = cr_idtable_put(&firsts, (uint64_t)plan->output_nodes[i], 0, i, err);
    }
    cr_idtable_done(&firsts);
    if (status == CR_OK)
        status = make_results(plan, err);
    if (status == CR_OK)
        status = cr_scans_make(plan, err);
    if (status == CR_OK)
        status = cr_plan_look(plan, err);
    if (status == CR_OK && o->wanted > 0)
        status = take_part(plan, o, err);
    if (status == CR_OK && !o->only_cells)
        status = fit_all(plan, o, err);
    if (status == CR_OK && !o->only_cells)
        status = cr_columns_make(plan, o->threads, err);
    if (status == CR_OK && !o->only_cells)
        status = cr_pieces_make(plan, o->threads, err);
    if (status == CR_OK && !o->only_cells)
        plan->peak_bytes = cr_plan_peak(plan);
    return status;
}

/* ---- order statistics whose series do not fit ---- */

/* Quantiles that hold too much: those of a scan that does not fit, or that read their source many times for lack of memory. */
static bool quantiles_to_replace(const cr_plan *plan, bool *replace) {
    bool any = false;
    for (int32_t i = 0; i < plan->n_scans; i++) {
        const cr_scan *s = &plan->scans[i];
        for (int k = 0; k < s->n_sinks; k++)
            if (s->sinks[k].ranks && (i == plan->refused || (plan->refused < 0 && s->refine > REFINE_RATHER)))
                any = replace[s->sinks[k].node] = true;
    }
    return any;
}

static void free_arrays(cr_array **arrays, int n) {
    for (int i = 0; i < n && arrays != NULL; i++)
        cr_array_unref(arrays[i]);
    free(arrays);
}

/* Several quantiles over one source are ranked in one scan; that holds the panels of all. */
static bool could_be_apart(const cr_plan *plan) {
    if (plan->refused < 0 || plan->apart || plan->scans[plan->refused].n_sinks < 2)
        return false;
    for (int k = 0; k < plan->scans[plan->refused].n_sinks; k++)
        if (plan->scans[plan->refused].sinks[k].ranks)
            return true;
    return false;
}

/* A plan for the same arrays: quantiles in scans of their own, or some of them by other means. It must be freed whatever comes back. */
static cr_status make_instead(const cr_plan *old, cr_plan *plan, const cr_output_spec *outputs, const cr_plan_options *o) {
    int n = old->n_outputs;
    bool changed = false;
    memset(plan, 0, sizeof *plan);
    plan->refused = -1;
    cr_auto_free bool *replace = calloc((size_t)old->n_nodes + 1, sizeof *replace);
    cr_array **arrays = calloc((size_t)n + 1, sizeof *arrays);
    cr_status status = CR_OK;
    bool apart = could_be_apart(old);
    if (replace == NULL || arrays == NULL)
        status = CR_MEMORY;
    for (int i = 0; i < n && apart && status == CR_OK; i++)
        arrays[i] = cr_array_ref((cr_array *)old->nodes[old->output_nodes[i]].node);
    if (status == CR_OK && apart)
        changed = true;
    else if (status == CR_OK && quantiles_to_replace(old, replace))
        status = cr_digits_instead(old, replace, o->limit_bytes, arrays, &changed, NULL);
    if (status != CR_OK || !changed) {
        free(arrays);
        return status != CR_OK ? status : CR_NOT_FOUND;
    }
    return make_once(plan, arrays, apart || old->apart, n, arrays, outputs, o, NULL);
}

static bool does_not_fit(cr_status status, const cr_plan *plan) { return status == CR_MEMORY && plan->refused >= 0; }

cr_status cr_plan_make(cr_plan *plan, int n, cr_array *const *arrays, const cr_output_spec *outputs, const cr_plan_options *o, cr_err *err) {
    cr_status status = make_once(plan, NULL, false, n, arrays, outputs, o, err);
    if (status != CR_OK && !does_not_fit(status, plan))
        return status;
    /* What was replaced needs less, but may not fit either: then something in it is replaced. The first refusal is the one that is told. */
    cr_plan at = *plan, other;
    for (int round = 0; round < MOST_ROUNDS; round++) {
        cr_status again = make_instead(&at, &other, outputs, o);
        if (round > 0)
            cr_plan_done(&at);
        at = other;
        if (again == CR_OK) {
            cr_plan_done(plan);
            *plan = other;
            return CR_OK;
        }
        if (!does_not_fit(again, &other))
            break;
    }
    cr_plan_done(&at);
    return status;
}

void cr_plan_done(cr_plan *plan) {
    for (int32_t i = 0; i < plan->n_scans; i++)
        cr_program_done(&plan->scans[i].program);
    for (int32_t i = 0; i < plan->n_columns; i++) {
        free(plan->columns[i].scans);
        free(plan->columns[i].sources);
        cr_arena_done(&plan->columns[i].spans);
    }
    free(plan->columns);
    free(plan->scans);
    free(plan->nodes);
    cr_idtable_done(&plan->by_address);
    cr_idtable_done(&plan->by_hash);
    cr_idtable_done(&plan->composed);
    cr_idtable_done(&plan->interned);
    cr_arena_done(&plan->arena);
    free_arrays(plan->owned, plan->n_outputs);
}

/* write_run.c - cr_writer_finish: how the values of a writer are computed.
 *
 * All together, so that what several variables read is read once. But where the chunks to be written lie across those that are read (all
 * days of some cells, from one field per day), nearly all of them are open until the last field is read: memory for the whole result, or a
 * refusal. Such writes go panel by panel, as those of cr_rechunk do, through an intermediate store if need be.
 *
 * What is reduced on the way (the climatology of an anomaly) each panel would reduce again. So it is settled before: computed once, and kept in memory
 * while the panels are written from it and from the rest. Where that would take more than a quarter of the limit, and all together does not fit, each panel
 * does reduce its own part (exec/reduced_panels.c) if what is read is decoded few times so; else it is computed into scratch files before (exec/stage.c).
 */
#include <stdlib.h>

#include "engine/dataset/rechunk.h"
#include "engine/exec/reduced_panels.h"
#include "engine/exec/run.h"
#include "engine/exec/stage.h"
#include "engine/plan/plan.h"

#define MOST_OPEN_BYTES CR_RECHUNK_MOST_BYTES
#define SETTLED_SHARE 4           /* of the memory limit */

typedef struct run {
    cr_array **arrays, **settled;     /* values to be written; the same made of what was settled, NULL: nothing was */
    cr_staging staging;               /* its arrays: the same made of what lies in scratch files; NULL: nothing does */
    cr_sink *sinks;
    cr_output_spec *outputs;
    cr_shown shown;                   /* while there are scratch files: their steps and the writing as one */
    int n;
    double bytes;
    uint64_t held_bytes;
} run;

static void run_done(run *r) {
    for (int i = 0; r->settled && i < r->n; i++)
        cr_array_unref(r->settled[i]);
    free(r->settled);
    cr_staging_done(&r->staging);
    free(r->arrays);
    free(r->sinks);
    free(r->outputs);
}

static cr_status list_values(cr_writer *w, run *r, cr_err *err) {
    const cr_write_item *items;
    int n = cr_writer_items(w, &items);
    r->arrays = calloc((size_t)n + 1, sizeof *r->arrays);
    r->sinks = calloc((size_t)n + 1, sizeof *r->sinks);
    r->outputs = calloc((size_t)n + 1, sizeof *r->outputs);
    if (!r->arrays || !r->sinks || !r->outputs)
        return CR_FAIL(err, CR_MEMORY, "no memory to write %d variables", n);
    for (int i = 0; i < n; i++) {
        if (!items[i].values)
            continue;
        r->sinks[r->n].chunks = items[i].unit;
        r->outputs[r->n].sink = &r->sinks[r->n];
        r->arrays[r->n++] = items[i].values;
        r->bytes += (double)items[i].values->size * (double)items[i].values->itemsize;
    }
    return CR_OK;
}

/* true: computing these together would hold too many open chunks, or does not fit, and panels may help. */
static bool lies_across(const cr_plan *plan, cr_status status) {
    uint64_t open = 0;
    for (int32_t i = 0; i < plan->n_scans; i++)
        open = CR_MAX(open, plan->scans[i].sink_bytes);
    return status == CR_OK ? open > MOST_OPEN_BYTES : status == CR_MEMORY && plan->refused >= 0 && open > 0;
}

/* ---- settling ---- */

/* The reductions that values are made of without another reduction between, marked; returns how many, and the bytes of their results. */
static int last_reductions(const cr_plan *plan, bool *mark, uint64_t *ret_bytes) {
    int n = 0;
    *ret_bytes = 0;
    for (int i = 0; i < plan->n_outputs; i++)
        mark[plan->output_nodes[i]] = true;
    for (int32_t id = plan->n_nodes - 1; id >= 0; id--) { /* inputs come before what is made of them */
        const cr_array *a = plan->nodes[id].node;
        if (mark[id] && cr_ops[a->op].cls == CR_CLASS_REDUCE) {
            n++;
            *ret_bytes += (uint64_t)a->size * a->itemsize;
            continue;
        }
        for (int i = 0; mark[id] && i < a->n_inputs; i++)
            mark[plan->nodes[id].inputs[i]] = true;
        mark[id] = false;
    }
    return n;
}

/* An array of values that it then owns, cut as another is: what is folded or accumulated of it later has the same bits. */
static cr_status as_memory(const cr_array *like, void *values, cr_array **ret_array, cr_err *err) {
    CR_TRY(cr_array_from_memory(like->dtype, like->itemsize, like->ndim, like->shape, NULL, NULL, values, free, values, ret_array, err));
    for (int i = 0; i < like->ndim; i++) {
        cr_cuts_unref((*ret_array)->cuts[i]);
        (*ret_array)->cuts[i] = cr_cuts_ref(like->cuts[i]);
    }
    return CR_OK;
}

/* Running sums and fills begin from results of reductions (what the blocks before leave): values that are there become one, of an axis of one element. */
static cr_status as_carries(cr_array **at, cr_err *err) {
    cr_reduce_options o = {0};
    cr_array *wide, *made = NULL;
    CR_TRY(cr_array_expand(*at, (*at)->ndim, &wide, err));
    cr_status status = cr_array_reduce(CR_REDUCE_FIRST, wide, 1, (const int[]){(*at)->ndim}, &o, &made, err);
    cr_array_unref(wide);
    if (status != CR_OK)
        return status;
    cr_array_unref(*at);
    *at = made;
    return CR_OK;
}

static bool are_carries(const cr_plan *plan, int32_t id) {
    for (int32_t k = id + 1; k < plan->n_nodes; k++) {
        const cr_plan_node *n = &plan->nodes[k];
        if (cr_ops[n->node->op].cls == CR_CLASS_ALONG && n->node->n_inputs > 1 && n->inputs[1] == id)
            return true;
    }
    return false;
}

static cr_status settle(run *r, cr_context *c, const cr_plan *plan, const bool *mark, int n, cr_err *err) {
    cr_auto_free cr_array **nodes = calloc((size_t)n, sizeof *nodes), **others = calloc((size_t)plan->n_nodes + 1, sizeof *others);
    cr_auto_free void **values = calloc((size_t)n, sizeof *values);
    cr_status status = CR_OK;
    r->settled = calloc((size_t)r->n + 1, sizeof *r->settled);
    if (!nodes || !others || !values || !r->settled)
        return CR_FAIL(err, CR_MEMORY, "no memory to write %d variables", r->n);
    for (int32_t id = 0, k = 0; id < plan->n_nodes && status == CR_OK; id++) {
        if (!mark[id])
            continue;
        nodes[k] = (cr_array *)plan->nodes[id].node;
        values[k] = malloc((size_t)nodes[k]->size * nodes[k]->itemsize + 1);
        if (!values[k++])
            status = CR_FAIL(err, CR_MEMORY, "no memory for the values of %s", cr_array_op(nodes[k - 1]));
    }
    cr_progress_fn progress = c->progress;
    c->progress = NULL;               /* what is shown is the writing, once from its beginning to its end */
    if (status == CR_OK)
        status = cr_compute(c, n, nodes, values, err);
    c->progress = progress;
    for (int32_t id = 0, k = 0; id < plan->n_nodes && status == CR_OK; id++) {
        if (!mark[id])
            continue;
        status = as_memory(nodes[k], values[k], &others[id], err);
        if (status == CR_OK)
            values[k++] = NULL;
        if (status == CR_OK && are_carries(plan, id))
            status = as_carries(&others[id], err);
    }
    if (status == CR_OK)
        status = cr_graph_replaced(plan, others, r->settled, err);
    for (int k = 0; k < n; k++)
        free(values[k]);
    for (int32_t id = 0; id < plan->n_nodes; id++)
        cr_array_unref(others[id]);
    return status;
}

/* ---- scratch files ---- */

/* Whether each of the values can be made panel by panel, with its reductions, by decoding what is read few times. */
static cr_status are_few_readings(run *r, cr_context *c, bool *ret_few, cr_err *err) {
    *ret_few = true;
    for (int i = 0; i < r->n && *ret_few; i++) {
        cr_panels p = {0};
        cr_err why = CR_ERR_INIT;
        bool reduces;
        double reads;
        if (r->arrays[i]->size == 0)
            continue;
        CR_TRY(cr_rechunk_source(r->arrays[i], &p, err));
        for (int a = 0; a < p.ndim; a++)
            p.chunk[a] = r->sinks[i].chunks[a];
        CR_TRY(cr_reduced_panels(c, 1, &r->arrays[i], &r->sinks[i], &p, &reduces, &reads, &why, err));
        *ret_few = !reduces || (reads > 0 && reads <= CR_STAGE_MOST_READS);
    }
    return CR_OK;
}

/* How it is cut into chunks says nothing yet: panels are there for that. What cannot be staged stays as it is. */
static cr_status stage(run *r, cr_context *c, cr_err *err) {
    static const cr_sink any;
    cr_auto_free cr_output_spec *outputs = calloc((size_t)r->n + 1, sizeof *outputs);
    bool few;
    if (outputs == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to write %d variables", r->n);
    for (int i = 0; i < r->n; i++)
        outputs[i].sink = &any;
    CR_TRY(are_few_readings(r, c, &few, err));
    cr_status status = few ? CR_OK : cr_staging_make(c, r->n, r->arrays, outputs, &r->staging, NULL);
    if (status == CR_OK && r->staging.arrays)
        cr_shown_begin(c, &r->shown, cr_staging_weigh(c, &r->staging, outputs));
    if (status == CR_OK && r->staging.arrays)
        CR_TRY(cr_staging_run(c, &r->staging, &r->shown, err));
    cr_shown_next(&r->shown, r->staging.rest);
    return CR_OK;
}

static cr_array **values_now(const run *r) { return r->staging.arrays ? r->staging.arrays : r->arrays; }

/* Those that were staged take the place of the others, and what else is reduced for them is settled, or made for each panel. */
static cr_status prepare_staged(run *r, cr_context *c, bool *ret_reduced, cr_err *err) {
    cr_plan_options o = {.simd = c->simd, .threads = c->threads, .limit_bytes = c->memory_limit_bytes, .only_cells = true};
    cr_plan plan;
    cr_status status = cr_plan_make(&plan, r->n, values_now(r), r->outputs, &o, err);
    cr_auto_free bool *mark = calloc((size_t)plan.n_nodes + 1, sizeof *mark);
    if (mark == NULL && status == CR_OK)
        status = CR_FAIL(err, CR_MEMORY, "no memory to write %d variables", r->n);
    if (status == CR_OK && plan.n_phases > 1) {
        int n = last_reductions(&plan, mark, &r->held_bytes);
        *ret_reduced = r->held_bytes > c->memory_limit_bytes / SETTLED_SHARE;
        if (!*ret_reduced)
            status = settle(r, c, &plan, mark, n, err);
    }
    cr_plan_done(&plan);
    return status;
}

/* Whether to write in panels; what is reduced on the way is then settled, or *ret_reduced: it is made for each panel. */
static cr_status prepare(run *r, cr_context *c, bool *ret_panels, bool *ret_reduced, cr_err *err) {
    cr_plan_options o = {.simd = c->simd, .threads = c->threads, .limit_bytes = c->memory_limit_bytes, .keep_bytes = c->keep_bytes};
    cr_plan plan;
    cr_status status = cr_plan_make(&plan, r->n, r->arrays, r->outputs, &o, NULL);
    cr_auto_free bool *mark = calloc((size_t)plan.n_nodes + 1, sizeof *mark);
    bool refused = status == CR_MEMORY && plan.n_results > 0;
    *ret_panels = mark && lies_across(&plan, status);
    status = CR_OK;
    if (*ret_panels && plan.n_phases > 1) {
        int n = last_reductions(&plan, mark, &r->held_bytes);
        *ret_panels = !plan.owned && r->held_bytes <= c->memory_limit_bytes / SETTLED_SHARE;
        status = *ret_panels ? settle(r, c, &plan, mark, n, err) : CR_OK;
    }
    *ret_reduced = refused && !*ret_panels;
    *ret_panels = *ret_panels || *ret_reduced;
    cr_plan_done(&plan);
    if (status == CR_OK && *ret_reduced)
        status = stage(r, c, err);
    if (status == CR_OK && r->staging.arrays) {
        *ret_reduced = false;
        status = prepare_staged(r, c, ret_reduced, err);
    }
    return status;
}

static cr_status finish(cr_writer *w, cr_context *c, run *r, cr_err *err) {
    cr_rechunk_run how = {.report = {.most_reads = 1}};
    bool panels = false;
    if (r->n > 0)
        CR_TRY(prepare(r, c, &panels, &how.reduced, err));
    if (!panels)
        return cr_writer_finish_with(w, c, NULL, NULL, err);
    how.total_bytes = r->bytes;
    if (r->settled || r->staging.arrays) {
        how.n_settled = r->n;
        how.unsettled = r->arrays;
        how.settled = r->settled ? r->settled : values_now(r);
    }
    c->set_aside_bytes = r->settled ? r->held_bytes : 0;
    cr_status status = cr_rechunk_finish(c, w, &how, err);
    c->set_aside_bytes = 0;
    return status;
}

cr_status cr_writer_finish(cr_writer *w, cr_context *c, cr_err *err) {
    run r = {0};
    cr_context_begin(c);
    cr_status status = list_values(w, &r, err);
    if (status == CR_OK)
        status = finish(w, c, &r, err);
    if (r.shown.progress != NULL)
        cr_shown_end(c, &r.shown, status == CR_OK);
    cr_context_end(c);
    run_done(&r);
    return status;
}

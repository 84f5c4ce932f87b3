/* explain.c - a plan in words: phases, what each reads and makes, memory. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/text.h"
#include "engine/array/weights.h"
#include "engine/exec/foretell.h"
#include "engine/exec/run.h"
#include "engine/exec/stage.h"

#define MOST_TEXT_BYTES ((size_t)1 << 20)
#define MOST_LINES 40

static const char *leaf_name(const cr_leaf *l) {
    if (l->kind == CR_LEAF_STORED) {
        const cr_source *s = ((const cr_stored_params *)l->node->params)->source;
        return s->path != NULL ? s->path : s->ops->name;
    }
    return l->kind == CR_LEAF_CODES ? "group codes" : cr_array_op(l->node);
}

static void explain_leaves(const cr_scan *scan, cr_buf *b) {
    char bytes[32], window[64] = "";
    int shown = 0, more = 0;
    for (int32_t i = 0; i < scan->program.n_leaves; i++) {
        const cr_leaf *l = &scan->program.leaves[i];
        if (l->kind == CR_LEAF_CODES)
            continue;
        if (shown++ >= MOST_LINES) {
            more++;
            continue;
        }
        if (l->kind == CR_LEAF_ALONG && l->node->op == CR_OP_REGRID) {
            const cr_weights *w = ((const cr_regrid_params *)l->node->params)->weights;
            cr_buf_addf(b, "    regrids by %lld weights to %lld cells, for which it\n", (long long)w->n, (long long)w->n_dst);
            explain_leaves(l->inner, b);
            continue;
        }
        if (l->kind == CR_LEAF_ALONG) {
            const cr_along_params *k = cr_along_params_of(l->node);
            if (l->node->op == CR_OP_WINDOW)
                snprintf(window, sizeof window, " of %lld elements", (long long)k->window);
            cr_buf_addf(b, "    goes along axis %d: %s%s, for which it\n", k->axis, cr_array_op(l->node), window);
            explain_leaves(l->inner, b);
            continue;
        }
        cr_buf_addf(b, "    reads %s, %s decoded", leaf_name(l), cr_text_bytes(l->read_bytes, bytes, sizeof bytes));
        if (l->kind == CR_LEAF_STORED) {
            const cr_source *s = ((const cr_stored_params *)l->node->params)->source;
            double again = scan->nested ? 1 : cr_foretell_redecode(scan, l); /* boxes are not known here */
            cr_buf_addf(b, ", chunks of %s", cr_text_bytes(s->chunk_bytes, bytes, sizeof bytes));
            if (l->in_parts)
                cr_buf_adds(b, ", of each what is looked at alone");
            if (again > 1.005)
                cr_buf_addf(b, ", each decoded %.2f times", again);
        }
        cr_buf_addc(b, '\n');
    }
    if (more > 0)
        cr_buf_addf(b, "    and %d more\n", more);
}

static void explain_sinks(const cr_plan *plan, const cr_scan *scan, cr_buf *b) {
    char shape[256], bytes[32];
    for (int i = 0; i < scan->n_sinks; i++) {
        const cr_sink_plan *s = &scan->sinks[i];
        const cr_array *a = plan->nodes[s->node].node;
        if (i == MOST_LINES) {
            cr_buf_addf(b, "    and %d more\n", scan->n_sinks - i);
            break;
        }
        cr_buf_addf(b, "    makes %s %s %s", cr_array_op(a), cr_dtype_name(a->dtype), cr_shape_text(a->ndim, a->shape, shape, sizeof shape));
        if (s->ranks && s->sifts && !scan->empty)
            cr_buf_addf(b, ", of each series the %d %s values at hand, in %lld panels of %s", (int)s->sift.wanted, s->sift.largest ? "largest" : "smallest",
                        (long long)s->n_kept, cr_text_bytes((uint64_t)s->panel_bytes, bytes, sizeof bytes));
        else if (s->ranks && !scan->empty)
            cr_buf_addf(b, ", ranked in %lld panels of %s", (long long)s->n_kept, cr_text_bytes((uint64_t)s->panel_bytes, bytes, sizeof bytes));
        else if (s->reduces && !scan->empty)
            cr_buf_addf(b, ", folded in %lld blocks, states of %s", (long long)s->n_blocks,
                        cr_text_bytes((uint64_t)s->state_bytes * (uint64_t)s->n_states, bytes, sizeof bytes));
        cr_buf_addc(b, '\n');
    }
}

static void explain_part(const cr_scan *scan, cr_buf *b) {
    cr_buf_adds(b, "    of which only what is looked at later: ");
    for (int d = 0; d < scan->program.ndim; d++)
        cr_buf_addf(b, "%s%lld:%lld", d == 0 ? "[" : ", ", (long long)scan->part->lo[d], (long long)scan->part->hi[d]);
    cr_buf_adds(b, "]\n");
}

static void explain_scan(const cr_plan *plan, const cr_scan *scan, cr_buf *b) {
    char bytes[32], shape[256];
    if (scan->empty) {
        cr_buf_adds(b, "  nothing to read\n");
        explain_sinks(plan, scan, b);
        return;
    }
    cr_buf_addf(b, "  scan over %s in %lld cells, %lld units, %d workers, strips of %u elements, %d steps\n",
                cr_shape_text(scan->program.ndim, scan->program.shape, shape, sizeof shape), (long long)cr_scan_cells(scan), (long long)scan->n_units,
                scan->workers, scan->program.strip, scan->program.n_values);
    if (scan->stay_bytes > 0)
        cr_buf_addf(b, "    cells are pieces of chunks, so that what is folded stays in cache; each worker keeps up to %s of decoded chunks meanwhile\n",
                    cr_text_bytes(scan->stay_bytes, bytes, sizeof bytes));
    if (scan->part != NULL)
        explain_part(scan, b);
    if (scan->wanted != NULL)
        cr_buf_addf(b, "    of which along axis %d only the %lld of %lld that have elements of the groups that are looked at later\n", scan->wanted_axis,
                    (long long)scan->n_wanted, (long long)scan->cells.n[scan->wanted_axis]);
    explain_leaves(scan, b);
    explain_sinks(plan, scan, b);
    if (scan->columns > 0)
        cr_buf_addf(b, "    run in columns, see below\n");
    else
        cr_buf_addf(b, "    memory at most %s%s\n", cr_text_bytes(cr_scan_bytes(scan), bytes, sizeof bytes), scan->late ? ", after the columns" : "");
}

static void explain_columns(const cr_columns *g, cr_buf *b) {
    char keep[32], wanted[32], bytes[32];
    cr_buf_addf(b, "%lld %s: %d scans go over each together, and keep ", (long long)g->n_columns, g->n_columns == 1 ? "column" : "columns", g->n_scans);
    cr_text_bytes(g->keep_bytes, keep, sizeof keep);
    if (g->keep_bytes == g->wanted_bytes)
        cr_buf_addf(b, "at most %lld decoded chunks of %s meanwhile, so that each is decoded once\n", (long long)g->wanted_chunks, keep);
    else
        cr_buf_addf(b, "%s of at most %lld decoded chunks of %s meanwhile; the others are decoded for each\n", keep, (long long)g->wanted_chunks,
                    cr_text_bytes(g->wanted_bytes, wanted, sizeof wanted));
    cr_buf_addf(b, "    memory at most %s\n", cr_text_bytes(g->bytes, bytes, sizeof bytes));
}

static void explain_time(const cr_foretold *f, cr_buf *b) {
    char copies[32], inflates[32];
    cr_buf_addf(b, "about %.2g s, an estimate: %.2g s to read and decode, %.2g s to compute%s\n", f->read_s + f->compute_s, f->read_s,
                f->compute_s, f->n_callbacks > 0 ? ", and what Python functions take, which is not known" : "");
    cr_buf_addf(b, "    by rates measured here at first (copying %s/s, inflating %s/s, %.2g ns per element and step), for files in the page cache\n",
                cr_text_bytes((uint64_t)f->rates.copy_bytes_per_s, copies, sizeof copies),
                cr_text_bytes((uint64_t)f->rates.inflate_bytes_per_s, inflates, sizeof inflates), f->rates.step_ns);
}

/* Sums of float32 are not NumPy's: the one difference of values that any program can meet. */
static bool sums_float32(const cr_array *a) {
    if (a->n_inputs == 0 || a->inputs[0]->dtype != CR_F32)
        return false;
    if (a->op == CR_OP_CUMULATE)
        return true;
    if (a->op == CR_OP_WINDOW) {
        int32_t op = cr_along_params_of(a)->op;
        return op == CR_WINDOW_SUM || op == CR_WINDOW_MEAN || op == CR_WINDOW_VAR || op == CR_WINDOW_STD;
    }
    if (a->op != CR_OP_REDUCE && a->op != CR_OP_GROUP)
        return false;
    int32_t r = ((const cr_reduce_params *)a->params)->reduction;
    return r == CR_REDUCE_SUM || r == CR_REDUCE_MEAN || r == CR_REDUCE_VAR || r == CR_REDUCE_STD;
}

static void explain_differences(const cr_plan *plan, cr_buf *b) {
    for (int32_t i = 0; i < plan->n_nodes; i++)
        if (sums_float32(plan->nodes[i].node)) {
            cr_buf_adds(b, "float32 is summed in float64 and rounded once; NumPy and bottleneck sum in float32, and come less near\n");
            return;
        }
}

static cr_status explain_plan(cr_context *c, const cr_plan *plan, cr_buf *b, cr_err *err) {
    char need[32], have[32];
    cr_foretold foretold;
    CR_TRY(cr_foretell(c, plan, &foretold, err));
    cr_buf_addf(b, "%d %s, %d %s, memory at most %s of %s\n", plan->n_phases, plan->n_phases == 1 ? "phase" : "phases", plan->n_scans,
                plan->n_scans == 1 ? "scan" : "scans", cr_text_bytes(plan->peak_bytes, need, sizeof need),
                cr_text_bytes(plan->limit_bytes, have, sizeof have));
    explain_time(&foretold, b);
    for (int32_t i = 0, phase = -1; i < plan->n_scans; i++) {
        if (plan->scans[i].phase != phase)
            cr_buf_addf(b, "phase %d\n", (phase = plan->scans[i].phase) + 1);
        explain_scan(plan, &plan->scans[i], b);
    }
    for (int32_t i = 0; i < plan->n_columns; i++)
        explain_columns(&plan->columns[i], b);
    explain_differences(plan, b);
    return CR_OK;
}

cr_status cr_explain(cr_context *c, int n, cr_array *const *arrays, char **ret_text, cr_err *err) {
    cr_plan plan;
    cr_plan_options o = {.simd = c->simd, .threads = c->threads, .limit_bytes = c->memory_limit_bytes, .keep_bytes = c->keep_bytes};
    cr_staging staging = {0};
    cr_auto_buf cr_buf b;
    cr_err why = CR_ERR_INIT;
    cr_buf_init(&b, MOST_TEXT_BYTES);
    cr_auto_free cr_output_spec *outputs = calloc((size_t)CR_MAX(n, 0) + 1, sizeof *outputs);
    if (outputs == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to explain");
    cr_status status = cr_plan_make(&plan, n, arrays, NULL, &o, err);
    if (status == CR_MEMORY) {        /* results are the caller's, and lie outside of the limit */
        for (int i = 0; i < n; i++)
            outputs[i].data = &plan;  /* is only looked at: nothing is run */
        cr_plan_done(&plan);
        status = cr_plan_make(&plan, n, arrays, outputs, &o, err);
    }
    if (status == CR_MEMORY && cr_staging_make(c, n, arrays, outputs, &staging, &why) == CR_OK) {
        cr_plan_done(&plan);
        status = cr_plan_make(&plan, n, staging.arrays, outputs, &o, err);
        if (status == CR_OK)
            status = cr_staging_explain(c, &staging, &b, err);
    }
    if (status == CR_OK)
        status = explain_plan(c, &plan, &b, err);
    if (status == CR_OK)
        status = cr_buf_check(&b, err);
    cr_plan_done(&plan);
    cr_staging_done(&staging);
    if (status != CR_OK)
        return status;
    char *text = cr_buf_take(&b);
    if (text == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to explain");
    *ret_text = text;
    return CR_OK;
}

/* stage.c - see stage.h. */
#include "engine/exec/stage.h"

#include <stdlib.h>

#include "base/text.h"
#include "engine/array/spill.h"
#include "engine/exec/foretell.h"
#include "engine/exec/reduced_panels.h"

#define SHARE 16                      /* of the memory limit: what is larger is staged */
#define HELD_SHARE 4                  /* of the memory limit: what all that is not staged may take */
#define TOGETHER_READS 1.5            /* reductions are made together where that reads no more than this */
#define MOST_STEPS (1 << 20)
#define MOST_HALVES 24                /* of a panel, that wait */
#define PAGE_BYTES ((int64_t)4096)

void cr_staging_done(cr_staging *s) {
    for (int i = 0; i < s->n_steps; i++) {
        for (int k = 0; k < s->steps[i].n; k++) {
            cr_array_unref(s->steps[i].made[k]);
            cr_array_unref(s->steps[i].spilled[k]);
        }
        free(s->steps[i].made);
        free(s->steps[i].spilled);
    }
    free(s->steps);
    for (int i = 0; s->arrays != NULL && i < s->n; i++)
        cr_array_unref(s->arrays[i]);
    free(s->arrays);
    *s = (cr_staging){0};
}

/* ---- what is staged ---- */

enum { STAY, SPILL, COPY };

static bool is_result(const cr_plan *plan, int32_t id) { return cr_ops[plan->nodes[id].node->op].cls == CR_CLASS_REDUCE; }

static uint64_t bytes_of(const cr_plan *plan, int32_t id) { return (uint64_t)plan->nodes[id].node->size * plan->nodes[id].node->itemsize; }

/* Reductions, without those that cannot be: what running sums and fills begin with has to be a reduction, and what goes to the user's memory is there. */
static void mark_candidates(const cr_plan *plan, uint8_t *what) {
    for (int32_t id = 0; id < plan->n_nodes; id++) {
        const cr_plan_node *n = &plan->nodes[id];
        what[id] = is_result(plan, id) && !(n->result >= 0 && plan->results[n->result].users) ? SPILL : STAY;
        if (cr_ops[n->node->op].cls == CR_CLASS_ALONG && n->node->n_inputs > 1)
            what[n->inputs[1]] = STAY;
    }
}

/* The large ones are staged; and smaller ones, where all of them would take too much. */
static bool mark_results(const cr_context *c, const cr_plan *plan, uint8_t *what) {
    uint64_t least = cr_context_room(c) / SHARE, held = UINT64_MAX;
    bool any = false;
    mark_candidates(plan, what);
    for (; held > cr_context_room(c) / HELD_SHARE && least > 0; least /= 2) {
        held = 0;
        for (int32_t id = 0; id < plan->n_nodes; id++)
            if (what[id] == SPILL && bytes_of(plan, id) <= least)
                held += bytes_of(plan, id);
        if (held <= cr_context_room(c) / HELD_SHARE)
            break;
    }
    for (int32_t id = 0; id < plan->n_nodes; id++) {
        if (what[id] == SPILL && bytes_of(plan, id) <= least)
            what[id] = STAY;
        any = any || what[id] == SPILL;
    }
    return any;
}

/* What the staged reductions read, where that is large. */
static cr_status mark_sources(const cr_context *c, const cr_plan *plan, uint8_t *what, cr_err *err) {
    cr_auto_free uint8_t *needed = calloc((size_t)plan->n_nodes + 1, 1);
    if (needed == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan");
    for (int32_t id = plan->n_nodes - 1; id >= 0; id--) {
        const cr_plan_node *n = &plan->nodes[id];
        needed[id] |= what[id] == SPILL;
        for (int i = 0; needed[id] && i < n->node->n_inputs; i++)
            needed[n->inputs[i]] = 1;
        if (needed[id] && (n->node->op == CR_OP_STORED || n->node->op == CR_OP_CALLBACK) && bytes_of(plan, id) > cr_context_room(c) / SHARE)
            what[id] = COPY;
    }
    return CR_OK;
}

/* ---- steps ---- */

/* Memory of a result is given by pages (plan/looked_at.c), so panels are cut along the last axes where a row of them is some pages long. */
static void grid_of(const cr_array *a, size_t itemsize, cr_panels *p) {
    int64_t row = (int64_t)a->itemsize;
    *p = (cr_panels){.ndim = a->ndim, .itemsize = itemsize};
    for (int i = a->ndim - 1; i >= 0; i--) {
        int64_t few = (PAGE_BYTES + row - 1) / row;
        p->chunk[i] = row >= PAGE_BYTES ? 1 : a->shape[i] <= 4 * few ? CR_MAX(1, a->shape[i]) : few;
        row *= p->chunk[i];
    }
    for (int i = 0; i < a->ndim; i++) {
        p->shape[i] = a->shape[i];
        p->source[i] = a->cuts[i]->n > 0 ? cr_cuts_begin(a->cuts[i], 1) : 1;
        p->panel[i] = CR_MAX(1, a->shape[i]);
    }
}

static cr_status add_step(cr_staging *s, int32_t phase, int at, cr_stage_step **ret_step, cr_err *err) {
    if (s->n_steps == s->cap_steps) {
        int cap = s->cap_steps == 0 ? 8 : 2 * s->cap_steps;
        cr_stage_step *more = cap > MOST_STEPS ? NULL : realloc(s->steps, (size_t)cap * sizeof *more);
        if (more == NULL)
            return CR_FAIL(err, CR_MEMORY, "no memory to plan %d reductions", s->n_steps);
        s->steps = more;
        s->cap_steps = cap;
    }
    memmove(s->steps + at + 1, s->steps + at, (size_t)(s->n_steps - at) * sizeof *s->steps);
    s->n_steps++;
    s->steps[at] = (cr_stage_step){.phase = phase, .reads = 1};
    *ret_step = &s->steps[at];
    return CR_OK;
}

static cr_status add_to_step(cr_stage_step *t, cr_array *made, cr_array *spilled, cr_err *err) {
    cr_array **m = realloc(t->made, (size_t)(t->n + 1) * sizeof *m);
    t->made = m != NULL ? m : t->made;
    cr_array **s = realloc(t->spilled, (size_t)(t->n + 1) * sizeof *s);
    t->spilled = s != NULL ? s : t->spilled;
    if (m == NULL || s == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan");
    t->made[t->n] = cr_array_ref(made);
    t->spilled[t->n++] = cr_array_ref(spilled);
    return CR_OK;
}

static bool same_shape(const cr_array *a, const cr_array *b) {
    return a->ndim == b->ndim && (a->ndim == 0 || memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape) == 0);
}

/* Reductions of one phase and shape are one step at first. Steps are in the order of phases. */
static cr_status put_in_step(cr_staging *s, int32_t phase, cr_array *made, cr_array *spilled, cr_err *err) {
    int at = s->n_steps;
    while (at > 0 && s->steps[at - 1].phase > phase)
        at--;
    cr_stage_step *step = NULL;
    for (int i = at - 1; phase >= 0 && i >= 0 && s->steps[i].phase == phase && step == NULL; i--)
        if (same_shape(s->steps[i].made[0], made))
            step = &s->steps[i];
    if (step == NULL)
        CR_TRY(add_step(s, phase, at, &step, err));
    return add_to_step(step, made, spilled, err);
}

/* The graph with spilled nodes in it, from the inputs up. */
static cr_status remake(cr_staging *s, const cr_plan *plan, const uint8_t *what, cr_err *err) {
    cr_auto_free cr_array **made = calloc((size_t)plan->n_nodes + 1, sizeof *made);
    cr_status status = made == NULL ? CR_FAIL(err, CR_MEMORY, "no memory to plan") : CR_OK;
    s->n = plan->n_outputs;
    s->arrays = calloc((size_t)s->n + 1, sizeof *s->arrays);
    if (s->arrays == NULL)
        status = CR_FAIL(err, CR_MEMORY, "no memory to plan");
    for (int32_t id = 0; id < plan->n_nodes && status == CR_OK; id++) {
        cr_array *own = NULL;
        status = cr_graph_remade(plan, id, made, &own, err);
        if (status == CR_OK && what[id] != STAY) {
            status = cr_spill_array(own, &made[id], err);
            if (status == CR_OK)
                status = put_in_step(s, what[id] == COPY ? -1 : plan->nodes[id].phase, own, made[id], err);
            cr_array_unref(own);
            s->bytes += bytes_of(plan, id);
        } else {
            made[id] = own;
        }
    }
    for (int i = 0; i < s->n && status == CR_OK; i++)
        s->arrays[i] = cr_array_ref(made[plan->output_nodes[i]]);
    for (int32_t id = 0; id < plan->n_nodes && made != NULL; id++)
        cr_array_unref(made[id]);
    return status;
}

/* ---- panels ---- */

static cr_status sinks_of(const cr_stage_step *t, cr_sink **ret_sinks, cr_err *err) {
    *ret_sinks = calloc((size_t)t->n, sizeof **ret_sinks);
    if (*ret_sinks == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan");
    for (int i = 0; i < t->n; i++)
        (*ret_sinks)[i] = cr_spill_sink(cr_spill_of(t->spilled[i]));
    return CR_OK;
}

static cr_plan_options options_of(const cr_context *c) {
    return (cr_plan_options){.simd = c->simd, .threads = c->threads, .limit_bytes = cr_context_room(c), .keep_bytes = c->keep_bytes};
}

/* t->reads 0: the step fits in no panels, *ret_why. */
static cr_status cut_step(cr_context *c, cr_stage_step *t, cr_err *ret_why, cr_err *err) {
    cr_auto_free cr_sink *sinks = NULL;
    cr_plan_options o = options_of(c);
    size_t itemsize = 0;
    bool reduces;
    for (int i = 0; i < t->n; i++)
        itemsize += t->made[i]->itemsize;
    grid_of(t->made[0], itemsize, &t->panels);
    CR_TRY(sinks_of(t, &sinks, err));
    if (t->phase >= 0)
        return cr_reduced_panels(c, t->n, t->made, sinks, &t->panels, &reduces, &t->reads, ret_why, err);
    cr_output_spec output = {.sink = sinks};
    cr_plan plan;
    cr_status status = cr_plan_make(&plan, 1, t->made, &output, &o, ret_why);
    cr_plan_done(&plan);
    t->reads = status == CR_OK;
    if (status != CR_OK && status != CR_MEMORY && err != NULL)
        *err = *ret_why;
    return status == CR_MEMORY ? CR_OK : status;
}

/* Step i in as many as it has arrays. */
static cr_status split_step(cr_staging *s, int i, cr_err *err) {
    while (s->steps[i].n > 1) {
        cr_stage_step *one, *all;
        CR_TRY(add_step(s, s->steps[i].phase, i + 1, &one, err));
        all = &s->steps[i];
        CR_TRY(add_to_step(one, all->made[all->n - 1], all->spilled[all->n - 1], err));
        cr_array_unref(all->made[--all->n]);
        cr_array_unref(all->spilled[all->n]);
    }
    return CR_OK;
}

/* *ret_reads: of the worst step; 0: one fits in no panels. */
static cr_status cut_steps(cr_context *c, cr_staging *s, double *ret_reads, cr_err *ret_why, cr_err *err) {
    *ret_reads = 1;
    for (int i = 0; i < s->n_steps; i++) {
        CR_TRY(cut_step(c, &s->steps[i], ret_why, err));
        if (s->steps[i].n > 1 && (s->steps[i].reads == 0 || s->steps[i].reads > TOGETHER_READS)) {
            CR_TRY(split_step(s, i, err));
            CR_TRY(cut_step(c, &s->steps[i], ret_why, err));
        }
        double reads = s->steps[i].reads;
        *ret_reads = reads == 0 || *ret_reads == 0 ? 0 : CR_MAX(*ret_reads, reads);
    }
    return CR_OK;
}

/* How often what follows decodes what it reads; 0: it does not fit, *ret_why. */
static cr_status reads_after(cr_context *c, const cr_staging *s, const cr_output_spec *outputs, double *ret_reads, cr_err *ret_why, cr_err *err) {
    cr_plan_options o = {.simd = c->simd, .threads = c->threads, .limit_bytes = cr_context_room(c), .keep_bytes = c->keep_bytes, .only_cells = true};
    cr_plan plan;
    cr_status status = cr_plan_make(&plan, s->n, s->arrays, outputs, &o, err);
    double once = CR_MAX(1, cr_decoded_bytes(&plan));
    cr_plan_done(&plan);
    CR_TRY(status);
    o.only_cells = false;
    status = cr_plan_make(&plan, s->n, s->arrays, outputs, &o, ret_why);
    *ret_reads = status == CR_OK ? CR_MAX(1, cr_decoded_bytes(&plan) / once) : 0;
    cr_plan_done(&plan);
    if (status != CR_OK && status != CR_MEMORY && err != NULL)
        *err = *ret_why;
    return status == CR_MEMORY ? CR_OK : status;
}

/* One way: with the sources copied, or without. *ret_reads: of the worst step, or of what follows; 0: something does not fit. */
static cr_status try_staging(cr_context *c, const cr_plan *plan, const cr_output_spec *outputs, const uint8_t *what, cr_staging *s, double *ret_reads,
                             cr_err *ret_why, cr_err *err) {
    double after;
    *s = (cr_staging){0};
    cr_status status = remake(s, plan, what, err);
    if (status == CR_OK)
        status = cut_steps(c, s, ret_reads, ret_why, err);
    if (status == CR_OK && *ret_reads > 0) {
        status = reads_after(c, s, outputs, &after, ret_why, err);
        *ret_reads = after > 0 ? CR_MAX(*ret_reads, after) : 0;
    }
    if (status != CR_OK)
        cr_staging_done(s);
    return status;
}

static cr_status choose_staging(cr_context *c, const cr_plan *plan, const cr_output_spec *outputs, cr_staging *s, cr_err *err) {
    cr_auto_free uint8_t *what = calloc((size_t)plan->n_nodes + 1, 1);
    cr_staging copied;
    double reads, again;
    cr_err why = CR_ERR_INIT, other = CR_ERR_INIT;
    if (what == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan");
    if (!mark_results(c, plan, what))
        return CR_FAIL(err, CR_MEMORY, "there is no reduction that could be computed before the rest");
    CR_TRY(try_staging(c, plan, outputs, what, s, &reads, &why, err));
    if (reads == 0 || reads > CR_STAGE_MOST_READS) {
        CR_TRY(mark_sources(c, plan, what, err));
        CR_TRY(try_staging(c, plan, outputs, what, &copied, &again, &other, err));
        if (again > 0 && (reads == 0 || again < reads)) {
            cr_staging_done(s);
            *s = copied;
            reads = again;
        } else {
            cr_staging_done(&copied);
        }
    }
    if (reads == 0 && err != NULL)
        *err = why;
    return reads == 0 ? CR_MEMORY : CR_OK;
}

cr_status cr_staging_make(cr_context *c, int n, cr_array *const *arrays, const cr_output_spec *outputs, cr_staging *ret_staging, cr_err *err) {
    cr_plan_options o = {.simd = c->simd, .threads = c->threads, .limit_bytes = cr_context_room(c), .only_cells = true};
    cr_plan plan;
    cr_staging s = {0};
    cr_status status = cr_plan_make(&plan, n, arrays, outputs, &o, err);
    if (status == CR_OK)
        status = choose_staging(c, &plan, outputs, &s, err);
    cr_plan_done(&plan);
    if (status != CR_OK)
        cr_staging_done(&s);
    else
        *ret_staging = s;
    return status;
}

/* ---- running ---- */

static double step_bytes(const cr_stage_step *t) {
    double bytes = 0;
    for (int i = 0; i < t->n; i++)
        bytes += (double)cr_spill_bytes(cr_spill_of(t->spilled[i]));
    return bytes;
}

static cr_status run_box(cr_context *c, const cr_stage_step *t, const cr_sink *sinks, const cr_write_box *box, cr_err *err) {
    cr_panel_parts parts;
    CR_TRY(cr_panel_parts_make(t->n, t->made, sinks, box, &parts, err));
    cr_status status = cr_compute_to(c, t->n, parts.arrays, parts.sinks, err);
    cr_panel_parts_done(&parts);
    return status;
}

static double elements_of(int ndim, const int64_t *count) {
    double n = 1;
    for (int a = 0; a < ndim; a++)
        n *= (double)count[a];
    return n;
}

/* The panel that was looked at fits. Another one may look at more, as its borders lie otherwise to chunks: it is cut in two, and again. */
static cr_status run_panel(cr_context *c, const cr_stage_step *t, const cr_sink *sinks, const int64_t *start, cr_shown *shown, cr_err *err) {
    cr_write_box stack[MOST_HALVES];
    int n = 1, ndim = t->panels.ndim;
    cr_panel_box(&t->panels, start, &stack[0]);
    while (n > 0) {
        cr_write_box box = stack[--n];
        cr_err why = CR_ERR_INIT;
        int longest = 0;
        for (int a = 1; a < ndim; a++)
            longest = box.count[a] > box.count[longest] ? a : longest;
        double share = elements_of(ndim, box.count) / CR_MAX(1, elements_of(ndim, t->panels.shape));
        cr_shown_next(shown, t->weight * share);
        cr_status status = run_box(c, t, sinks, &box, &why);
        if (status == CR_MEMORY && ndim > 0 && box.count[longest] > 1 && n + 2 <= MOST_HALVES) {
            cr_shown_next(shown, -t->weight * share); /* nothing was done */
            int64_t half = box.count[longest] / 2;
            stack[n] = stack[n + 1] = box;
            stack[n].count[longest] = half;
            stack[n + 1].start[longest] += half;
            stack[n + 1].count[longest] -= half;
            n += 2;
        } else if (status != CR_OK) {
            if (err != NULL)
                *err = why;
            return status;
        }
    }
    return CR_OK;
}

static cr_status run_step(cr_context *c, const cr_stage_step *t, cr_shown *shown, cr_err *err) {
    cr_auto_free cr_sink *sinks = NULL;
    int64_t start[CR_MAX_DIMS] = {0};
    const cr_panels *p = &t->panels;
    CR_TRY(sinks_of(t, &sinks, err));
    for (;;) {
        if (cr_context_cancelled(c))
            return CR_FAIL(err, CR_CANCELLED, "cancelled");
        CR_TRY(run_panel(c, t, sinks, start, shown, err));
        int axis = p->ndim - 1;
        while (axis >= 0 && (start[axis] += p->panel[axis]) >= p->shape[axis])
            start[axis--] = 0;
        if (axis < 0)
            return CR_OK;
    }
}

/* All files are made first: a disk that is too small is known before anything is computed. */
static cr_status open_files(const cr_staging *s, cr_err *err) {
    for (int i = 0; i < s->n_steps; i++)
        for (int k = 0; k < s->steps[i].n; k++)
            CR_TRY(cr_spill_open(cr_spill_of(s->steps[i].spilled[k]), err));
    return CR_OK;
}

/* What a panel in the middle weighs and takes, for all of them. Either may be NULL. */
static cr_status measure_step(cr_context *c, const cr_stage_step *t, double *ret_weight, double *ret_s, cr_err *err) {
    cr_plan_options o = options_of(c);
    cr_auto_free cr_sink *sinks = NULL;
    cr_panel_parts parts;
    cr_write_box box;
    cr_foretold f = {0};
    cr_plan plan;
    int64_t start[CR_MAX_DIMS];
    CR_TRY(sinks_of(t, &sinks, err));
    cr_panel_middle(&t->panels, start);
    cr_panel_box(&t->panels, start, &box);
    CR_TRY(cr_panel_parts_make(t->n, t->made, sinks, &box, &parts, err));
    cr_status status = cr_plan_make(&plan, t->n, parts.arrays, parts.outputs, &o, err);
    if (status == CR_OK && ret_s != NULL)
        status = cr_foretell(c, &plan, &f, err);
    if (status == CR_OK && ret_weight != NULL)
        *ret_weight = cr_plan_weight(&plan) * elements_of(t->panels.ndim, t->panels.shape) / CR_MAX(1, elements_of(t->panels.ndim, box.count));
    if (ret_s != NULL)
        *ret_s = (f.read_s + f.compute_s) * (double)cr_panels_count(&t->panels);
    cr_plan_done(&plan);
    cr_panel_parts_done(&parts);
    return status;
}

double cr_staging_weigh(cr_context *c, cr_staging *s, const cr_output_spec *outputs) {
    cr_plan_options o = options_of(c);
    cr_plan plan;
    double total = 0;
    if (c->progress == NULL)
        return 0;
    for (int i = 0; i < s->n_steps; i++) {
        if (measure_step(c, &s->steps[i], &s->steps[i].weight, NULL, NULL) != CR_OK) /* running it says why */
            s->steps[i].weight = step_bytes(&s->steps[i]);
        total += s->steps[i].weight;
    }
    cr_status status = cr_plan_make(&plan, s->n, s->arrays, outputs, &o, NULL);
    s->rest = status == CR_OK ? cr_plan_weight(&plan) : (double)s->bytes;
    cr_plan_done(&plan);
    return total + s->rest;
}

cr_status cr_staging_run(cr_context *c, cr_staging *s, cr_shown *shown, cr_err *err) {
    CR_TRY(open_files(s, err));
    cr_status status = CR_OK;
    for (int i = 0; i < s->n_steps && status == CR_OK; i++)
        status = run_step(c, &s->steps[i], shown, err);
    if (status != CR_OK)
        cr_err_context(err, "while computing into scratch files what does not fit into memory");
    return status;
}

/* ---- in words ---- */

cr_status cr_staging_explain(cr_context *c, const cr_staging *s, cr_buf *b, cr_err *err) {
    char bytes[32], shape[256];
    cr_text_bytes(s->bytes, bytes, sizeof bytes);
    cr_buf_addf(b, "beforehand, since it does not fit into memory: %s to scratch files in %s\n", bytes, cr_spill_directory());
    for (int i = 0; i < s->n_steps; i++) {
        const cr_stage_step *t = &s->steps[i];
        const cr_array *a = t->made[0];
        double seconds;
        int64_t panels = cr_panels_count(&t->panels);
        CR_TRY(measure_step(c, t, NULL, &seconds, err));
        cr_buf_addf(b, "    %s ", t->phase < 0 ? "decodes" : "makes");
        if (t->n > 1)
            cr_buf_addf(b, "%d times ", t->n);
        cr_buf_addf(b, "%s %s %s, %s", cr_array_op(a), cr_dtype_name(a->dtype), cr_shape_text(a->ndim, a->shape, shape, sizeof shape),
                    cr_text_bytes((uint64_t)step_bytes(t), bytes, sizeof bytes));
        if (t->phase >= 0)
            cr_buf_addf(b, ", in %lld %s, what is read for it %.2f times", (long long)panels, panels == 1 ? "panel" : "panels", t->reads);
        cr_buf_addf(b, ", in about %.2g s\n", seconds);
    }
    return CR_OK;
}

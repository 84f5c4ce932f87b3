/* reduced_panels.c - see reduced_panels.h.
 *
 * Which way the panels are best cut depends on how the source lies: several are planned, for a panel in the middle, and that with the fewest readings is
 * taken.
 */
#include "engine/exec/reduced_panels.h"

#include <stdlib.h>

#include "engine/exec/foretell.h"
#include "engine/format/writer.h"
#include "engine/plan/plan.h"

#define SMALLER 12                /* times that the panels are halved until the executor takes them */
#define AS_GOOD 1.05
#define SPILLED_SHARE 0.25        /* of decoding: what it costs to copy from a scratch file */

/* Bytes that a program decodes. */
static double decoded_by(const cr_scan *s) {
    double bytes = 0;
    for (int32_t k = 0; k < s->program.n_leaves && !s->empty; k++) {
        const cr_leaf *l = &s->program.leaves[k];
        if (l->kind == CR_LEAF_STORED)
            bytes += cr_foretell_decoded(s, l);
        else if (l->kind == CR_LEAF_CALLBACK)
            bytes += (double)l->read_bytes;
        else if (l->kind == CR_LEAF_SPILLED)
            bytes += SPILLED_SHARE * (double)l->read_bytes;
        else if (l->kind == CR_LEAF_ALONG)
            bytes += decoded_by(l->inner);
    }
    return bytes;
}

double cr_decoded_bytes(const cr_plan *plan) {
    double bytes = 0;
    for (int32_t i = 0; i < plan->n_scans; i++)
        bytes += decoded_by(&plan->scans[i]);
    return bytes;
}

/* ---- one panel of several arrays ---- */

void cr_panel_box(const cr_panels *p, const int64_t *start, cr_write_box *ret_box) {
    *ret_box = (cr_write_box){0};
    for (int i = 0; i < p->ndim; i++) {
        ret_box->start[i] = start[i];
        ret_box->count[i] = CR_MIN(p->panel[i], p->shape[i] - start[i]);
    }
}

void cr_panel_middle(const cr_panels *p, int64_t *ret_start) {
    for (int i = 0; i < p->ndim; i++)
        ret_start[i] = (p->shape[i] + p->panel[i] - 1) / p->panel[i] / 2 * p->panel[i];
}

void cr_panel_parts_done(cr_panel_parts *t) {
    for (int i = 0; i < t->n; i++)
        cr_array_unref(t->arrays[i]);
    free(t->arrays);
    free(t->sinks);
    free(t->outputs);
    free(t->shifts);
    *t = (cr_panel_parts){0};
}

cr_status cr_panel_parts_make(int n, cr_array *const *values, const cr_sink *sinks, const cr_write_box *box, cr_panel_parts *t, cr_err *err) {
    *t = (cr_panel_parts){.arrays = calloc((size_t)n, sizeof *t->arrays), .sinks = calloc((size_t)n, sizeof *t->sinks),
                          .outputs = calloc((size_t)n, sizeof *t->outputs), .shifts = calloc((size_t)n, sizeof *t->shifts)};
    cr_status status = t->arrays && t->sinks && t->outputs && t->shifts ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for parts of %d arrays", n);
    for (int i = 0; i < n && status == CR_OK; i++) {
        status = cr_write_part(values[i], box, &sinks[i], &t->shifts[i], &t->arrays[i], &t->sinks[i], err);
        t->n += status == CR_OK;
        t->outputs[i].sink = &t->sinks[i];
    }
    if (status != CR_OK)
        cr_panel_parts_done(t);
    return status;
}

/* What one panel in the middle decodes. *ret_fits false: the executor does not take it, *ret_why. */
static cr_status decoded_for_panel(cr_context *c, const cr_panels *p, int n, cr_array *const *values, const cr_sink *sinks, bool *ret_fits, double *ret_bytes,
                                   cr_err *ret_why, cr_err *err) {
    cr_plan_options o = {.simd = c->simd, .threads = c->threads, .limit_bytes = cr_context_room(c), .keep_bytes = c->keep_bytes};
    cr_panel_parts parts;
    cr_write_box box;
    cr_plan plan;
    int64_t start[CR_MAX_DIMS];
    cr_panel_middle(p, start);
    cr_panel_box(p, start, &box);
    CR_TRY(cr_panel_parts_make(n, values, sinks, &box, &parts, err));
    *ret_why = (cr_err)CR_ERR_INIT;
    cr_status status = cr_plan_make(&plan, n, parts.arrays, parts.outputs, &o, ret_why);
    *ret_fits = status == CR_OK;
    *ret_bytes = status == CR_OK ? cr_decoded_bytes(&plan) : 0;
    cr_plan_done(&plan);
    cr_panel_parts_done(&parts);
    if (status != CR_OK && status != CR_MEMORY && err != NULL)
        *err = *ret_why;
    return status == CR_MEMORY ? CR_OK : status;
}

static cr_status decoded_once(cr_context *c, int n, cr_array *const *values, const cr_sink *sinks, bool *ret_reduces, double *ret_bytes, cr_err *err) {
    cr_plan_options o = {.simd = c->simd, .threads = c->threads, .limit_bytes = cr_context_room(c), .only_cells = true};
    cr_auto_free cr_output_spec *outputs = calloc((size_t)n, sizeof *outputs);
    cr_plan plan;
    if (outputs == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan");
    for (int i = 0; i < n; i++)
        outputs[i].sink = &sinks[i];
    cr_status status = cr_plan_make(&plan, n, values, outputs, &o, err);
    *ret_bytes = status == CR_OK ? cr_decoded_bytes(&plan) : 0;
    *ret_reduces = plan.n_results > 0;
    cr_plan_done(&plan);
    return status;
}

/* The largest panels of one way of cutting that fit; *ret_reads 0: none do. */
static cr_status try_way(cr_context *c, cr_panels *p, int n, cr_array *const *values, const cr_sink *sinks, double once, double *ret_reads, cr_err *ret_why,
                         cr_err *err) {
    uint64_t budget = cr_context_room(c) / 2;
    bool fits = false;
    *ret_reads = 0;
    for (int i = 0; i < SMALLER && !fits; i++, budget /= 2) {
        int64_t before = i > 0 ? cr_panels_count(p) : 0;
        double bytes;
        cr_panels_choose(p, budget);
        if (cr_panels_count(p) == before)
            continue;
        CR_TRY(decoded_for_panel(c, p, n, values, sinks, &fits, &bytes, ret_why, err));
        *ret_reads = fits ? CR_MAX(1, bytes * (double)cr_panels_count(p) / CR_MAX(once, 1)) : 0;
    }
    return CR_OK;
}

cr_status cr_reduced_panels(cr_context *c, int n, cr_array *const *values, const cr_sink *sinks, cr_panels *p, bool *ret_reduces, double *ret_reads,
                            cr_err *ret_why, cr_err *err) {
    cr_panels best = *p;
    double once = 0, least = 0;
    CR_TRY(decoded_once(c, n, values, sinks, ret_reduces, &once, err));
    /* As the values are cut, which says nothing of an axis of groups; or as if cutting along one axis cost nothing. */
    for (int way = -1; *ret_reduces && way < p->ndim && (way < 0 || least == 0 || least > AS_GOOD); way++) {
        cr_panels one = *p;
        double reads;
        if (way >= 0 && one.source[way] == 1)
            continue;
        if (way >= 0)
            one.source[way] = 1;
        CR_TRY(try_way(c, &one, n, values, sinks, once, &reads, ret_why, err));
        if (reads > 0 && (least == 0 || reads < least / AS_GOOD)) {
            least = reads;
            best = one;
        }
    }
    if (*ret_reduces)
        memcpy(p->panel, best.panel, sizeof p->panel);
    *ret_reads = least;
    return CR_OK;
}

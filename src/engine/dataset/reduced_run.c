/* reduced_run.c - writes values whose reductions are larger than memory: each panel has its own part of them made, from what that part is read from.
 *
 * Of a reduction only what a panel looks at is computed (plan/looked_at.c), so a panel of some days of a climatology reads those days of every year, and one
 * of some rows the chunks that have them. Which way the panels are best cut depends on how the source lies: several are planned, for a panel in the
 * middle, and that with the fewest readings is taken. What would be decoded over and over is refused instead.
 */
#include "base/text.h"
#include "engine/dataset/rechunk.h"
#include "engine/exec/foretell.h"
#include "engine/plan/plan.h"

#define MOST_DECODES 10.0         /* of all that is read */
#define SMALLER 12                /* times that the panels are halved until the executor takes them */
#define AS_GOOD 1.05

/* Bytes that a plan decodes. */
static double decoded_bytes(const cr_plan *plan, bool cut) {
    double bytes = 0;
    for (int32_t i = 0; i < plan->n_scans; i++)
        for (int32_t k = 0; k < plan->scans[i].program.n_leaves && !plan->scans[i].empty; k++) {
            const cr_leaf *l = &plan->scans[i].program.leaves[k];
            if (l->kind == CR_LEAF_STORED)
                bytes += (double)l->read_bytes * (cut ? cr_foretell_redecode(&plan->scans[i], l) : 1);
            else if (l->kind == CR_LEAF_CALLBACK)
                bytes += (double)l->read_bytes;
        }
    return bytes;
}

/* What one panel in the middle decodes. *ret_fits false: the executor does not take it, *ret_why. */
static cr_status decoded_for_panel(cr_context *c, const cr_panels *p, cr_array *values, const cr_sink *sink, bool *ret_fits, double *ret_bytes, cr_err *ret_why,
                                   cr_err *err) {
    cr_plan_options o = {.simd = c->simd, .threads = c->threads, .limit_bytes = cr_context_room(c), .keep_bytes = c->keep_bytes};
    cr_array *part = NULL;
    cr_write_box box = {0};
    cr_write_shift shift;
    cr_sink to;
    cr_plan plan;
    for (int i = 0; i < p->ndim; i++) {
        int64_t n = (p->shape[i] + p->panel[i] - 1) / p->panel[i];
        box.start[i] = n / 2 * p->panel[i];
        box.count[i] = CR_MIN(p->panel[i], p->shape[i] - box.start[i]);
    }
    CR_TRY(cr_write_part(values, &box, sink, &shift, &part, &to, err));
    cr_output_spec output = {.sink = &to};
    *ret_why = (cr_err)CR_ERR_INIT;
    cr_status status = cr_plan_make(&plan, 1, &part, &output, &o, ret_why);
    *ret_fits = status == CR_OK;
    *ret_bytes = status == CR_OK ? decoded_bytes(&plan, true) : 0;
    cr_plan_done(&plan);
    cr_array_unref(part);
    if (status != CR_OK && status != CR_MEMORY && err != NULL)
        *err = *ret_why;
    return status == CR_MEMORY ? CR_OK : status;
}

static cr_status decoded_once(cr_context *c, cr_array *values, const cr_sink *sink, bool *ret_reduces, double *ret_bytes, cr_err *err) {
    cr_plan_options o = {.simd = c->simd, .threads = c->threads, .limit_bytes = cr_context_room(c), .only_cells = true};
    cr_output_spec output = {.sink = sink};
    cr_plan plan;
    cr_status status = cr_plan_make(&plan, 1, &values, &output, &o, err);
    *ret_bytes = status == CR_OK ? decoded_bytes(&plan, false) : 0;
    *ret_reduces = plan.n_results > 0;
    cr_plan_done(&plan);
    return status;
}

/* The largest panels of one way of cutting that fit; *ret_reads 0: none do. */
static cr_status try_way(cr_context *c, cr_panels *p, cr_array *values, const cr_sink *sink, double once, double *ret_reads, cr_err *ret_why,
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
        CR_TRY(decoded_for_panel(c, p, values, sink, &fits, &bytes, ret_why, err));
        *ret_reads = fits ? CR_MAX(1, bytes * (double)cr_panels_count(p) / CR_MAX(once, 1)) : 0;
    }
    return CR_OK;
}

cr_status cr_rechunk_reduced(cr_context *c, cr_panels *p, cr_array *values, const cr_sink *sink, bool *ret_reduces, double *ret_reads, cr_err *err) {
    cr_panels best = *p;
    double once, least = 0;
    cr_err why = CR_ERR_INIT;
    CR_TRY(decoded_once(c, values, sink, ret_reduces, &once, err));
    if (!*ret_reduces)
        return CR_OK;
    /* As the values are cut, which says nothing of an axis of groups; or as if cutting along one axis cost nothing. */
    for (int way = -1; way < p->ndim && (way < 0 || least == 0 || least > AS_GOOD); way++) {
        cr_panels one = *p;
        double reads;
        if (way >= 0 && one.source[way] == 1)
            continue;
        if (way >= 0)
            one.source[way] = 1;
        CR_TRY(try_way(c, &one, values, sink, once, &reads, &why, err));
        if (reads > 0 && (least == 0 || reads < least / AS_GOOD)) {
            least = reads;
            best = one;
        }
    }
    memcpy(p->panel, best.panel, sizeof p->panel);
    *ret_reads = least;
    char have[32];
    cr_text_bytes(c->memory_limit_bytes, have, sizeof have);
    if (least > MOST_DECODES) {
        cr_status status = CR_FAIL(err, CR_MEMORY, "what is computed does not fit into the memory limit of %s, and made piece by piece it would read its source %.0f times",
                                   have, least);
        cr_err_hint(err, "raise the memory limit, write smaller chunks, or store the source in chunks that are short along the axes that stay");
        return status;
    }
    if (least == 0 && err != NULL)
        *err = why;
    return least == 0 ? CR_MEMORY : CR_OK;
}

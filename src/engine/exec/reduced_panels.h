/* reduced_panels.h - values whose reductions are larger than memory, made panel by panel: each has its own part of them made, from what that part is read from.
 *
 * Of a reduction only what a panel looks at is computed (plan/looked_at.c), so a panel of some days of a climatology reads those days of every year, and one
 * of some rows the chunks that have them.
 */
#ifndef CR_EXEC_REDUCED_PANELS_H
#define CR_EXEC_REDUCED_PANELS_H

#include "engine/exec/panels.h"
#include "engine/exec/run.h"
#include "engine/format/writer.h"

/* Sets the panels in which n arrays of one shape are made together, as p has them cut. *ret_reduces false: nothing is reduced for them, and nothing is set.
 * *ret_reads: how often all that is read is decoded; 0: not in any panels, *ret_why. */
cr_status cr_reduced_panels(cr_context *c, int n, cr_array *const *values, const cr_sink *sinks, cr_panels *p, bool *ret_reduces, double *ret_reads,
                            cr_err *ret_why, cr_err *err) CR_MUST_USE;

/* What a plan decodes, and a quarter of what it copies from scratch files. */
double cr_decoded_bytes(const cr_plan *plan);
/* The box of the panel that begins at start, and where one in the middle begins. */
void cr_panel_box(const cr_panels *p, const int64_t *start, cr_write_box *ret_box);
void cr_panel_middle(const cr_panels *p, int64_t *ret_start);

typedef struct cr_panel_parts {
    int n;
    cr_array **arrays;                /* of the box */
    cr_sink *sinks;                   /* that see them at their place */
    cr_output_spec *outputs;
    cr_write_shift *shifts;
} cr_panel_parts;
cr_status cr_panel_parts_make(int n, cr_array *const *values, const cr_sink *sinks, const cr_write_box *box, cr_panel_parts *ret_parts, cr_err *err) CR_MUST_USE;
void cr_panel_parts_done(cr_panel_parts *t);

#endif

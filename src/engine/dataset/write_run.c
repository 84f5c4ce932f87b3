/* write_run.c - cr_writer_finish: how the values of a writer are computed.
 *
 * All together, so that what several variables read is read once. But where the chunks to be written lie across those that are read (all
 * days of some cells, from one field per day), nearly all of them are open until the last field is read: memory for the whole result, or a
 * refusal. Such writes go panel by panel, as those of cr_rechunk do, through an intermediate store if need be. Not if something is reduced on
 * the way, which each panel would reduce again.
 */
#include <stdlib.h>

#include "engine/dataset/rechunk.h"
#include "engine/exec/run.h"

#define MOST_OPEN_BYTES CR_RECHUNK_MOST_BYTES

/* true: computing these together would hold too many open chunks, or does not fit, and panels may help. */
static bool lies_across(cr_context *c, int n, cr_array *const *arrays, const cr_output_spec *outputs) {
    cr_plan_options o = {.simd = c->simd, .threads = c->threads, .limit_bytes = c->memory_limit_bytes, .keep_bytes = c->keep_bytes};
    cr_plan plan;
    cr_status status = cr_plan_make(&plan, n, arrays, outputs, &o, NULL);
    uint64_t open = 0;
    for (int32_t i = 0; i < plan.n_scans; i++)
        open = CR_MAX(open, plan.scans[i].sink_bytes);
    bool across = plan.n_phases <= 1 && (status == CR_OK ? open > MOST_OPEN_BYTES : status == CR_MEMORY && plan.refused >= 0 && open > 0);
    cr_plan_done(&plan);
    return across;
}

static cr_status needs_panels(cr_writer *w, cr_context *c, double *ret_bytes, bool *ret_needs, cr_err *err) {
    const cr_write_item *items;
    int n = cr_writer_items(w, &items), n_arrays = 0;
    cr_auto_free cr_array **arrays = calloc((size_t)n + 1, sizeof *arrays);
    cr_auto_free cr_sink *sinks = calloc((size_t)n + 1, sizeof *sinks);
    cr_auto_free cr_output_spec *outputs = calloc((size_t)n + 1, sizeof *outputs);
    if (!arrays || !sinks || !outputs)
        return CR_FAIL(err, CR_MEMORY, "no memory to write %d variables", n);
    *ret_bytes = 0;
    for (int i = 0; i < n; i++) {
        if (!items[i].values)
            continue;
        sinks[n_arrays].chunks = items[i].unit;
        outputs[n_arrays].sink = &sinks[n_arrays];
        arrays[n_arrays++] = items[i].values;
        *ret_bytes += (double)items[i].values->size * (double)items[i].values->itemsize;
    }
    *ret_needs = n_arrays > 0 && lies_across(c, n_arrays, arrays, outputs);
    return CR_OK;
}

cr_status cr_writer_finish(cr_writer *w, cr_context *c, cr_err *err) {
    cr_rechunk_run r = {.report = {.most_reads = 1}};
    bool panels;
    CR_TRY(needs_panels(w, c, &r.total_bytes, &panels, err));
    if (!panels)
        return cr_writer_finish_with(w, c, NULL, NULL, err);
    cr_context_begin(c);
    cr_status status = cr_rechunk_finish(c, w, &r, err);
    cr_context_end(c);
    return status;
}

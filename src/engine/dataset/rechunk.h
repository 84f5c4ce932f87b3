/* rechunk.h - what the two halves of rechunking share: rechunk.c declares what is written, rechunk_run.c moves the values. */
#ifndef CR_ENGINE_DATASET_RECHUNK_H
#define CR_ENGINE_DATASET_RECHUNK_H

#include "craton/rechunk.h"
#include "engine/exec/panels.h"
#include "engine/format/writer.h"

typedef struct cr_rechunk_run {
    const char *scratch;              /* a directory for intermediate stores; NULL: none are made */
    bool is_stage;                    /* it is an intermediate store that is written */
    int n_begun;                      /* variables of numbers */
    int n_settled;                    /* values of variables that are written as others of the same bits (write_run.c) */
    cr_array *const *unsettled, *const *settled;
    bool reduced;                     /* reductions on the way are made for each panel */
    cr_rechunk_report report;
    /* Progress of all variables, in bytes written; the caller's function is put back at the end. */
    double done_bytes, total_bytes, panel_bytes, shown;
    cr_progress_fn progress;
    void *progress_user;
} cr_rechunk_run;

/* More memory than this for one panel saves little: an intermediate store costs less than two more readings. */
#define CR_RECHUNK_MOST_BYTES ((uint64_t)512 << 20)

/* cr_writer_finish, variable by variable; r->total_bytes is what will be written. */
cr_status cr_rechunk_finish(cr_context *c, cr_writer *w, cr_rechunk_run *r, cr_err *err) CR_MUST_USE;
/* A cr_write_run_fn; user is a cr_rechunk_run. */
cr_status cr_rechunk_values(void *user, cr_context *c, const cr_write_item *item, const cr_sink *sink, const cr_write_pieces *pieces,
                            cr_err *err) CR_MUST_USE;
/* How values are cut, without what they are to be cut into. */
cr_status cr_rechunk_source(cr_array *values, cr_panels *p, cr_err *err) CR_MUST_USE;
/* A cr_progress_fn that shows the whole instead of one panel; user is a cr_rechunk_run. */
void cr_rechunk_progress(void *user, double done, double total, int phase, int n_phases);

#endif

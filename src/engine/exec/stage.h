/* stage.h - a computation whose reductions are larger than memory, made in steps: they are computed panel by panel into scratch files (array/spill.h), and
 * what follows reads them from there.
 *
 * Bits are those of the computation with memory for everything: cells, blocks and the elements of groups are the same, wherever a result lies. Where a
 * reduction in panels would read its sources over and over, these are decoded once before, into scratch files too.
 */
#ifndef CR_EXEC_STAGE_H
#define CR_EXEC_STAGE_H

#include "base/buf.h"
#include "engine/exec/panels.h"
#include "engine/exec/run.h"

/* More readings than this cost more than decoding everything once into a scratch file, which costs about two. */
#define CR_STAGE_MOST_READS 3.0

typedef struct cr_stage_step {
    int n;                            /* arrays of one shape, computed together */
    cr_array **made, **spilled;       /* expressions, and the nodes that stand for them */
    int32_t phase;                    /* -1: a copy of something read */
    cr_panels panels;
    double reads;                     /* how often what is read is decoded, or copied */
    double weight;                    /* see cr_staging_weigh() */
} cr_stage_step;

typedef struct cr_staging {
    cr_stage_step *steps;
    int n_steps, cap_steps;
    cr_array **arrays;                /* the computation's, made of what is spilled */
    int n;
    uint64_t bytes;                   /* of all scratch files */
    double rest;                      /* weight of what follows the steps */
} cr_staging;

/* The steps for a computation that does not fit. CR_MEMORY: they would not fit either, or there is nothing to stage. No file is made. */
cr_status cr_staging_make(cr_context *c, int n, cr_array *const *arrays, const cr_output_spec *outputs, cr_staging *ret_staging, cr_err *err) CR_MUST_USE;
/* Weights of the steps and of what follows, for progress, and all together; they are known where somebody looks (c->progress), else 0. */
double cr_staging_weigh(cr_context *c, cr_staging *s, const cr_output_spec *outputs);
/* Runs the steps, each a part of what is shown; then s->arrays can be computed. Between cr_context_begin and _end. */
cr_status cr_staging_run(cr_context *c, cr_staging *s, cr_shown *shown, cr_err *err) CR_MUST_USE;
/* What will be done, in words. */
cr_status cr_staging_explain(cr_context *c, const cr_staging *s, cr_buf *b, cr_err *err) CR_MUST_USE;
void cr_staging_done(cr_staging *s);

#endif

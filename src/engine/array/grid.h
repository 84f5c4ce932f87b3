/* grid.h - how an array is cut along one axis: chunk borders, regular or not, shared between the nodes that have the same cuts.
 *
 * A cr_cuts says where the pieces of one axis begin: regular (period and phase, O(1) memory however many pieces) or a list. It is
 * immutable and reference counted; nodes share them, so that a chain of a hundred thousand operations owns one copy.
 *
 * Invariants
 *  1. 0 = begin(0) < begin(1) < ... < begin(n) = extent; an axis of extent 0 has no piece.
 *  2. Threads: immutable after making; the count is atomic.
 */
#ifndef CR_ENGINE_ARRAY_GRID_H
#define CR_ENGINE_ARRAY_GRID_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"

typedef struct cr_cuts {
    atomic_int refs;
    int64_t extent, n;            /* n: number of pieces */
    int64_t period, phase;        /* regular: piece i ends at (i + 1) * period - phase, cut at extent; 0 <= phase < period */
    const int64_t *ends;          /* not NULL: irregular, n ends */
} cr_cuts;

/* Pieces of `period` elements, the first shorter by `phase`. period is clamped to 1..extent. */
cr_status cr_cuts_regular(int64_t extent, int64_t period, int64_t phase, cr_cuts **ret_cuts, cr_err *err) CR_MUST_USE;
/* Irregular; ends (copied) must rise strictly and end at extent. Becomes regular when it is. */
cr_status cr_cuts_list(const int64_t *ends, int64_t n, cr_cuts **ret_cuts, cr_err *err) CR_MUST_USE;
cr_cuts *cr_cuts_ref(cr_cuts *c);
void cr_cuts_unref(cr_cuts *c);
int64_t cr_cuts_begin(const cr_cuts *c, int64_t i);        /* i in 0..n */
int64_t cr_cuts_find(const cr_cuts *c, int64_t position);  /* the piece that holds position */
/* The cuts that elements start, start + step, ... leave (all inside). */
cr_status cr_cuts_slice(cr_cuts *in, int64_t start, int64_t step, int64_t count, cr_cuts **ret_cuts, cr_err *err) CR_MUST_USE;
/* The cuts of in[index[0..n-1]]: where the piece changes; when that is almost everywhere, pieces of in's mean size. */
cr_status cr_cuts_take(cr_cuts *in, const int64_t *index, int64_t n, cr_cuts **ret_cuts, cr_err *err) CR_MUST_USE;

#endif

/* weights.h (engine) - regridding weights as they are applied: a sparse matrix in blocks of rows that share source cells.
 *
 * Rows are target cells, row-major over the target grid, columns source cells. A block is a stretch of rows together with the source cells that
 * they want, sorted and written as runs inside rows of the source grid; a weight knows its cell by its place among those. The cells
 * of a block are few enough (mostly) for the second-level cache, so that each is brought there once for many weights.
 *
 * Which part of the source a part of the target needs is known per row and per column of the target grid, as ranges of rows and columns of
 * the source: no more than that is read.
 *
 * Invariants
 *  1. Immutable; refs is atomic. Weights are finite and not 0; in a row they are sorted by column.
 *  2. Grids of one axis are held as one row: shape {1, n}.
 *  3. Blocks, and with them everything here, follow from the matrix alone.
 */
#ifndef CR_ENGINE_ARRAY_WEIGHTS_H
#define CR_ENGINE_ARRAY_WEIGHTS_H

#include <stdatomic.h>
#include "craton/regrid.h"
#include "engine/array/node.h"

typedef struct cr_weight_run {    /* source cells first .. first + length - 1, inside one row of the source grid */
    int32_t first, length;
    int32_t place;                /* of the first among the block's */
} cr_weight_run;

typedef struct cr_weight_block {
    int64_t row_end, run_end;     /* of blocks up to this one */
    int32_t n_places;
} cr_weight_block;

typedef struct cr_span {          /* [lo, hi); lo >= hi: nothing */
    int32_t lo, hi;
} cr_span;

struct cr_weights {
    atomic_int refs;
    int src_ndim, dst_ndim;
    int64_t src_shape[2], dst_shape[2]; /* see invariant 2 */
    int64_t n_src, n_dst, n;
    int64_t *begin;               /* n_dst + 1 */
    int32_t *place;
    double *weight, *sum;
    cr_weight_run *runs;
    cr_weight_block *blocks;
    int64_t n_runs, n_blocks;
    int32_t most_places;
    cr_span *row_y, *row_x;       /* per row of the target grid: rows and columns of the source that it needs ... */
    cr_span *col_y, *col_x;       /* ... and per column */
    /* what files of weights carry along; NULL when not known. Areas in steradians */
    double *src_area, *dst_area, *dst_fraction;
};

typedef struct cr_source_box {
    int64_t y, x, ny, nx;         /* ny or nx 0: nothing is needed */
} cr_source_box;

/* What rows [y, y + ny) and columns [x, x + nx) of the target need. */
cr_source_box cr_weights_box(const cr_weights *w, int64_t y, int64_t ny, int64_t x, int64_t nx);
/* The largest box that ny rows and nx columns, wherever they lie, can need. */
cr_source_box cr_weights_most(const cr_weights *w, int64_t ny, int64_t nx);
/* Lanes that fit a sensible buffer. */
int cr_weights_lanes(const cr_weights *w);

/* Triplets are sorted by row, then column, in place; equal ones are kept side by side. row and col count from 0. Takes nothing. */
cr_status cr_weights_new(int src_ndim, const int64_t *src_shape, int dst_ndim, const int64_t *dst_shape, int64_t n, const int64_t *begin,
                         const int32_t *col, const double *weight, cr_weights **ret_weights, cr_err *err) CR_MUST_USE;

typedef struct cr_regrid_params {
    cr_weights *weights;          /* owned by the node */
    double least;                 /* of sparse.h */
    uint64_t skipna;
} cr_regrid_params;

/* Axes of a REGRID node, and of its input, that are no grid. */
static inline int cr_regrid_lead(const cr_array *a) {
    return a->ndim - ((const cr_regrid_params *)a->params)->weights->dst_ndim;
}

#endif

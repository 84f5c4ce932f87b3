/* sparse.h - sparse matrix times many columns: what applying regridding weights comes down to.
 *
 * The values of one source cell for several maps (times, levels, models) lie side by side, one map a lane. First the cells that some rows of
 * the matrix want are brought into that order; then each row is one multiply-add over all lanes per weight.
 *
 * Invariants
 *  1. A result is the sum of weight * value in the order of the row, in double, rounded once. Lanes, and which rows a call is about, change
 *     no bit; nor does it matter whether a call meets missing values that do not concern a row.
 */
#ifndef CR_KERNEL_SPARSE_H
#define CR_KERNEL_SPARSE_H

#include <stdbool.h>
#include "craton/dtype.h"

enum { CR_SPARSE_WIDTHS = 3, CR_SPARSE_LANES_MOST = 8 };

typedef struct cr_sparse_rows {
    int64_t n;
    const int64_t *begin;         /* n + 1: where the weights of each row are */
    const int32_t *place;         /* of the source cell in `columns` */
    const double *weight;
    const double *sum;            /* of the weights of each row, added in their order */
    bool skipna;                  /* NaN is left out, and the rest counts for the whole ... */
    double least;                 /* ... if its weights add up to this much; else the result is NaN */
} cr_sparse_rows;

/* Some rows of a map to some rows of lanes: `lanes` maps that are `map` items apart; n cells side by side. True: some are NaN. */
typedef bool (*cr_sparse_gather_fn)(const void *cells, int64_t map, int lanes, int64_t n, void *columns);
/* out: item i of lane l at out + l * map + i. missing: there are NaN in the columns. A row without weights is NaN. */
typedef void (*cr_sparse_apply_fn)(const cr_sparse_rows *r, bool missing, const void *columns, int lanes, int64_t map, void *out);

typedef struct cr_sparse_loops {
    int width;                    /* lanes of a column; fewer may be used */
    cr_sparse_gather_fn gather;
    cr_sparse_apply_fn apply;
} cr_sparse_loops;

typedef struct cr_sparse_table {
    cr_sparse_loops f32[CR_SPARSE_WIDTHS], f64[CR_SPARSE_WIDTHS]; /* widest first */
} cr_sparse_table;

/* Loops for float32 or float64, for that many maps; width at most `most`. */
const cr_sparse_loops *cr_sparse_find(int simd, cr_dtype type, int64_t maps, int most);

#endif

/* along.h - what goes along one axis of a lazy array in order: running sums, filling of gaps, moving windows.
 *
 * Every element of the result depends on others of its series (the elements along the axis). Nothing of this holds a series in memory: running
 * sums and fills start from what the blocks of chunks before have left (one value per series and block, made by a reduction beforehand),
 * windows look as far as they are wide. Any part of a result can be computed by itself. Bits follow from shape and chunks, as everywhere.
 *
 * Floats are accumulated in double and rounded once per element: a running sum of float32 is more exact than NumPy's.
 */
#ifndef CRATON_ALONG_H
#define CRATON_ALONG_H

#include "craton/array.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cr_cumulation { CR_CUMULATE_SUM, CR_CUMULATE_PROD, CR_CUMULATION_COUNT } cr_cumulation;

/* Element i is the sum or product of elements 0 to i. skipna: NaN counts as 0 or 1; else it makes all that follows NaN. The type is
 * NumPy's: int64 for booleans and signed integers, uint64 for unsigned ones, floats keep theirs. */
CR_API cr_status cr_array_cumulate(cr_cumulation c, cr_array *a, int axis, bool skipna, cr_array **ret_array, cr_err *err) CR_MUST_USE;
/* NaN becomes the last value before it, at most limit steps back (limit 0: any number). Types without NaN stay as they are. */
CR_API cr_status cr_array_fill_forward(cr_array *a, int axis, int64_t limit, cr_array **ret_array, cr_err *err) CR_MUST_USE;

/* What the blocks of a running sum or a fill (that the two above made) leave: a reduction over each, with the number of blocks as its extent along the
 * axis; borrowed from a. NULL: it is one block, or another array. */
CR_API cr_array *cr_along_carries(cr_array *a);
/* The same running sum or fill with these values for what its blocks leave, which are then not computed: a part of it needs no more of its
 * input than the block that it lies in. carries has the shape and type of cr_along_carries (CR_INVALID). */
CR_API cr_status cr_along_with_carries(cr_array *a, cr_array *carries, cr_array **ret_array, cr_err *err) CR_MUST_USE;

/*      name           NumPy */
#define CR_WINDOW_TABLE(X)                                                                                  \
    X(SUM, "sum") X(PROD, "prod") X(MEAN, "mean") X(MIN, "min") X(MAX, "max") X(VAR, "var") X(STD, "std")

typedef enum cr_window_op {
#define X(id, name) CR_WINDOW_##id,
    CR_WINDOW_TABLE(X)
#undef X
    CR_WINDOW_COUNT
} cr_window_op;

CR_API cr_status cr_window_find(const char *name, cr_window_op *ret_op, cr_err *err) CR_MUST_USE;

#define CR_WINDOW_LONGEST ((int64_t)1 << 20)

typedef struct cr_window_options {
    bool skipna;                  /* NaN is missing: left out; a window of nothing else gives 0 (sum), 1 (prod) or NaN. false: it gives NaN */
    int ddof;                     /* var, std */
    int64_t min_count;            /* floats: a window of fewer valid elements gives NaN; 0 to `window`; without skipna all are valid */
} cr_window_options;

/* Element i is the reduction of elements i to i + window - 1; the axis is shorter by window - 1 (CR_RANGE when it would be less than 0).
 * Any window costs the same: elements are combined in blocks whose borders are multiples of `window` counted from the beginning of the axis.
 * min_count out of its range is CR_RANGE. Types as those of reductions; integers have no mean, var and std here, and uint64 no min and max (CR_TYPE: cast first). */
CR_API cr_status cr_array_window(cr_window_op op, cr_array *a, int axis, int64_t window, const cr_window_options *options,
                                 cr_array **ret_array, cr_err *err) CR_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif

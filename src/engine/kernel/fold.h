/* fold.h - reductions as plain state: planes of numbers, loops that fold elements into them, merge, finish.
 *
 * A reduction in progress is n_planes arrays ("planes"), one item per slot in each; the caller owns and places them. slot = group * kept
 * elements + kept index, or whatever the caller likes. Being plain numbers, planes can be spilled and sent to another process.
 *
 * Threads: a cr_fold is constant; calls on different slots may run at the same time.
 *
 * Invariants
 *  1. Same bits at every SIMD level. rows() equals row() called for one row after the other, bit by bit; so does any cut of the slots.
 *  2. run() works on segments that end where the index is a multiple of CR_FOLD_SEGMENT: cutting a run there does not change bits,
 *     cutting it elsewhere does. Callers cut at places that shape and chunks decide, never threads or memory.
 *  3. merge(left, right): right holds elements folded later. Merging with a state fresh from init() changes no result.
 *  4. index (argmin, argmax, first, last) is the position along the reduced axes; any order of calls gives the same answer.
 *  5. Slots that got no element: finish() gives sum 0, prod 1, count 0, any false, all true, mean, var and std NaN, float min, max, first and
 *     last NaN when skipna. The caller knows such slots (extent 0; a group without members) and, where the result is to be
 *     missing, overwrites them with cr_fold_put_missing(); for other reductions it must.
 *  6. Elements are contiguous and aligned to their own size. Planes are aligned to 8 bytes and do not overlap.
 */
#ifndef CR_KERNEL_FOLD_H
#define CR_KERNEL_FOLD_H

#include "craton/array.h"

#define CR_FOLD_MAX_PLANES 6
#define CR_FOLD_SEGMENT 1024

typedef struct cr_fold {
    int n_planes;
    cr_dtype plane[CR_FOLD_MAX_PLANES];
    void (*init)(void *const *planes, int64_t slot0, int64_t n);
    /* n contiguous elements, element i into slot0 + i; all have the same index. */
    void (*row)(void *const *planes, int64_t slot0, const void *x, int64_t n, int64_t index);
    /* n_rows rows of n elements onto the same slots, row r at x + r * row_stride_bytes with index index0 + r * index_step; loads and
     * stores the state once for several rows. */
    void (*rows)(void *const *planes, int64_t slot0, const void *x, int64_t n, int64_t n_rows, int64_t row_stride_bytes, int64_t index0,
                 int64_t index_step);
    /* n contiguous elements into one slot; element i has index index0 + i. 16 lanes, folded in a fixed tree per segment. */
    void (*run)(void *const *planes, int64_t slot, const void *x, int64_t n, int64_t index0);
    /* Element i into slot0 + codes[i] * slot_stride, index index0 + i; negative codes leave the element out. */
    void (*scatter)(void *const *planes, int64_t slot0, int64_t slot_stride, const int32_t *codes, const void *x, int64_t n, int64_t index0);
    /* left[i] = left[i] then right[i], for slots 0..n-1 of both (move the plane pointers to start elsewhere). */
    void (*merge)(void *const *left, void *const *right, int64_t n);
    /* Slots 0..n-1 to n items of type out (the ret_out of cr_fold_find) at dst. CR_INVALID: argmin or argmax of nothing but missing. */
    cr_status (*finish)(void *const *planes, int64_t n, const cr_reduce_options *o, cr_dtype out, void *dst, cr_err *err);
} cr_fold;

/* The fold of reduction r over elements of type in; o NULL: NaN passed on, ddof 0, no min_count. ret_out is NumPy's type of the result
 * (sum of int16: int64; mean of int: float64; mean of float32: float32, accumulated in double), or o->dtype. ret_fold is static. With
 * min_count > 0, sum and prod of integers are float64. CR_TYPE for CR_BYTES and CR_STRING, and for a dtype that the
 * reduction cannot give; CR_UNSUPPORTED for min_count > 1 with other reductions than sum, prod, mean, var and std. */
cr_status cr_fold_find(int simd, cr_reduction r, cr_dtype in, const cr_reduce_options *o, const cr_fold **ret_fold, cr_dtype *ret_out,
                       cr_err *err) CR_MUST_USE;

/* Bytes per slot over all planes. */
size_t cr_fold_slot_bytes(const cr_fold *f);
/* ret[p] = start of plane p's item slot. */
void cr_fold_planes_at(const cr_fold *f, void *const *planes, int64_t slot, void **ret);
/* n items of type out that say "nothing here": NaN, or 0 (false) where there is no NaN. */
void cr_fold_put_missing(cr_dtype out, void *dst, int64_t n);

#endif

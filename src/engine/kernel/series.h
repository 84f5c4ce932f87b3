/* series.h - loops over series: running sums, filling of gaps, moving windows.
 *
 * Boxes are row-major: `outer` times, positions along the axis, `inner` elements side by side. Types: F32, F64, I64, U64.
 *
 * Invariants
 *  1. What a call leaves in the state, or writes, depends on the values and their absolute positions alone: cutting a box in several,
 *     along any axis, changes no bits; nor does the SIMD level.
 */
#ifndef CR_KERNEL_SERIES_H
#define CR_KERNEL_SERIES_H

#include "craton/along.h"

#define CR_WINDOW_LANES 64
#define CR_WINDOW_ITEM (3 * 8 * CR_WINDOW_LANES)

typedef struct cr_along_box {
    int64_t outer, n, inner;      /* of what is read */
    int64_t skip;                 /* the first positions that change the state and are not written */
    int64_t out_n, out_at;        /* positions of what is written, and where the first goes */
} cr_along_box;

/* state: outer * inner items of 8 bytes, double for floats, int64 otherwise; where the series stand before the box, and after it. */
void cr_along_cumulate(cr_dtype type, bool product, bool skipna, const cr_along_box *b, void *state, const void *in, void *out);
/* last, age: outer * inner. age: steps since last was seen. F32 and F64. */
void cr_along_fill(cr_dtype type, int64_t limit, const cr_along_box *b, void *last, int64_t *age, const void *in, void *out);
/* Reads n = out_n + window - 1 positions from absolute position `first` on. work: cr_along_window_bytes(). simd: a level (level.h). */
void cr_along_window(int simd, cr_dtype type, cr_window_op op, const cr_window_options *o, int64_t window, int64_t first,
                     const cr_along_box *b, void *work, const void *in, void *out);
size_t cr_along_window_bytes(int64_t window);

/* For window.c and window_loops.c. Integers have no mean, var and std, and are all valid. */
typedef void (*cr_window_fn)(const cr_window_options *o, int64_t window, int64_t first, const cr_along_box *b, void *work, const void *in, void *out);
typedef struct cr_window_table {
    cr_window_fn f32[CR_WINDOW_COUNT], f64[CR_WINDOW_COUNT], i64[CR_WINDOW_COUNT];
} cr_window_table;

#endif

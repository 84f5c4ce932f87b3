/* map_table.h - element by element: which loop runs for which types, and the loops themselves.
 *
 * The plan builder asks cr_map_resolve() what NumPy 2 would do (types of the arguments in the loop, type of the result), casts
 * the arguments to these types, and looks up one function per instruction. The functions know nothing of shapes: they work on
 * n elements at a time, each argument either contiguous or one value.
 *
 * Threads: everything is pure and may be called from any thread.
 *
 * Invariants
 *  1. The same input gives the same bits at every SIMD level, and however the elements are cut into calls, whether a repeated
 *     value is passed as one value (step 0) or as a row (step 1). Not-a-number results are NaNs of unspecified but reproducible bits.
 *  2. dst may be exactly one of the arguments when their items have the same size; any other overlap is not allowed.
 *  3. Alignment: that of the item type is enough.
 *  4. Every input has a defined result. Integers wrap; x / 0 and x % 0 are 0; INT_MIN / -1 is INT_MIN; int ** negative is what the
 *     true value truncates to (0, or +-1 for the bases 1 and -1). Floor division and remainder have the signs of Python.
 *  5. float16 is computed in float32. exp, sin, pow and their like (maths.inc) are within three units in the last place; power of double within one
 *     more for each 200 of |y log x|, the logarithm of the result. For arguments that are rare, as a sine of more than 65536 (float32) or a million, the C
 *     library's double functions are called, whose last digit may differ between C libraries.
 */
#ifndef CR_KERNEL_MAP_TABLE_H
#define CR_KERNEL_MAP_TABLE_H

#include "craton/array.h"

/* Level numbers as in cr_context_options.simd_level; -1 or a level that this CPU lacks: the best that it has. */
int cr_simd_pick(int wanted);
/* The best of the first `levels` that this CPU has, `wanted` at most: for loops that are not made for all. */
int cr_simd_pick_of(int wanted, int levels);

/* Types of the loop (one per argument) and of its result, as NumPy 2's ufunc of that name resolves them. n: arguments, must be
 * the arity of op. weak[i]: argument i stands for a Python scalar (kind i: int, kind f: float; bool is never weak); weak may be NULL.
 * For a weak integer the caller checks that the value fits the loop type, as NumPy does. CR_TYPE when NumPy has no such loop,
 * and for CR_BYTES and CR_STRING. */
cr_status cr_map_resolve(cr_map_op op, int n, const cr_dtype *types, const bool *weak, cr_dtype *ret_loop_types, cr_dtype *ret_out,
                         cr_err *err) CR_MUST_USE;

/* n elements: dst[i] = f(args[0][i * steps[0]], ...). steps per argument: 0 one value for all, 1 contiguous. imm: what the instruction
 * carries (only unpack has one). bool items are bytes 0 and 1. */
typedef void (*cr_map_kernel)(int64_t n, void *dst, const void *const *args, const int64_t *steps, const void *imm);

/* NULL only for types that cr_map_resolve() never gives. */
cr_map_kernel cr_kernel_map(int simd, cr_map_op op, const cr_dtype *loop_types);

/* ndarray.astype on x86-64: floats to integers truncate towards zero, NaN and values out of range give what the x86 conversion gives
 * (see cast.inc; NumPy's own vector loops differ for such values); integers wrap; to bool: not zero. NULL for CR_BYTES and CR_STRING. from == to copies. */
cr_map_kernel cr_kernel_cast(int simd, cr_dtype from, cr_dtype to);

/* CF unpacking. The kernel takes one argument (of type raw) and an imm of cr_map_imm_size() bytes, 8-aligned, made by
 * cr_unpack_prepare(). The mask is compared in compare_dtype; value * scale and + offset are each rounded to scale_dtype; then
 * the result is converted to out_dtype. Missing values become NaN. */
size_t cr_map_imm_size(void);
/* CR_TYPE when out_dtype cannot hold a missing value though there are fills, when scale_dtype is not a float though there is scale or
 * offset, or when compare_dtype is an integer type narrower than raw. */
cr_status cr_unpack_prepare(int simd, cr_dtype raw, const cr_packing *p, void *ret_imm, cr_err *err) CR_MUST_USE;
/* NULL exactly when cr_unpack_prepare() fails. */
cr_map_kernel cr_kernel_unpack(int simd, cr_dtype raw, const cr_packing *p);

#endif

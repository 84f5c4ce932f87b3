/* window.c - which loops make moving windows. */
#include "engine/kernel/level.h"

#include "base/error.h"

size_t cr_along_window_bytes(int64_t w) { return (size_t)w * CR_WINDOW_ITEM; }

void cr_along_window(int simd, cr_dtype type, cr_window_op op, const cr_window_options *o, int64_t w, int64_t first, const cr_along_box *b, void *work,
                     const void *in, void *out) {
#if CR_KERNEL_LEVELS > 1
    const cr_window_table *t = cr_simd_pick(simd) > 0 ? &cr_window_table_1 : &cr_window_table_0;
#else
    const cr_window_table *t = &cr_window_table_0;
    (void)simd;
#endif
    const cr_window_fn *loops = type == CR_F32 ? t->f32 : type == CR_F64 ? t->f64 : t->i64;
    loops[op](o, w, first, b, work, in, out);
}

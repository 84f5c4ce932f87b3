/* sparse.c - which loops apply regridding weights. */
#include "engine/kernel/level.h"

#include "base/error.h"

const cr_sparse_loops *cr_sparse_find(int simd, cr_dtype type, int64_t maps, int most) {
#if CR_KERNEL_LEVELS > 1
    const cr_sparse_table *t = cr_simd_pick(simd) > 0 ? &cr_sparse_table_1 : &cr_sparse_table_0;
#else
    const cr_sparse_table *t = &cr_sparse_table_0;
    (void)simd;
#endif
    const cr_sparse_loops *loops = type == CR_F32 ? t->f32 : t->f64;
    int i = maps > 4 ? 0 : maps > 1 ? 1 : 2;
    while (i + 1 < CR_SPARSE_WIDTHS && loops[i].width > most)
        i++;
    return &loops[i];
}

/* sparse_loops.c - regridding weights times columns of values, of one SIMD level, and their table. */
#include <math.h>

#include "engine/kernel/level.h"

#define T float
#define W 16
#define N f32_16
#include "engine/kernel/sparse_lanes.inc"
#define T float
#define W 4
#define N f32_4
#include "engine/kernel/sparse_lanes.inc"
#define T float
#define W 1
#define N f32_1
#include "engine/kernel/sparse_lanes.inc"
#define T double
#define W 16
#define N f64_16
#include "engine/kernel/sparse_lanes.inc"
#define T double
#define W 4
#define N f64_4
#include "engine/kernel/sparse_lanes.inc"
#define T double
#define W 1
#define N f64_1
#include "engine/kernel/sparse_lanes.inc"

const cr_sparse_table CR_PASTE(cr_sparse_table_, CR_LEVEL) = {
    .f32 = {{16, gather_f32_16, apply_f32_16}, {4, gather_f32_4, apply_f32_4}, {1, gather_f32_1, apply_f32_1}},
    .f64 = {{16, gather_f64_16, apply_f64_16}, {4, gather_f64_4, apply_f64_4}, {1, gather_f64_1, apply_f64_1}}};

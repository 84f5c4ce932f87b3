/* sparse_loops.c - regridding weights times columns of values, of one SIMD level, and their table. */
#include <math.h>
#include <string.h>

#include "engine/kernel/level.h"

/* Four lanes as doubles. Macros, because functions that return vectors have another calling convention at each level. */
typedef double cr_lanes_double __attribute__((vector_size(32)));
typedef float cr_lanes_float __attribute__((vector_size(16)));
#define CR_LANES_OF_float(from, to)                     \
    do {                                                \
        cr_lanes_float four;                            \
        memcpy(&four, from, sizeof four);               \
        to = __builtin_convertvector(four, cr_lanes_double); \
    } while (0)
#define CR_LANES_OF_double(from, to) memcpy(&to, from, sizeof to)

#define T float
#define W 8
#define N f32_8
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
#define W 8
#define N f64_8
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
    .f32 = {{8, gather_f32_8, apply_f32_8}, {4, gather_f32_4, apply_f32_4}, {1, gather_f32_1, apply_f32_1}},
    .f64 = {{8, gather_f64_8, apply_f64_8}, {4, gather_f64_4, apply_f64_4}, {1, gather_f64_1, apply_f64_1}}};

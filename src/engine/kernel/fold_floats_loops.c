/* fold_floats_loops.c - folds of float16, float32 and float64 of one SIMD level, and their table. */
#include <math.h>

#include "engine/kernel/fold_planes.h"
#include "engine/kernel/half.h"
#include "engine/kernel/level.h"

#define T uint16_t
#define W float
#define LOAD cr_half_to_float
#define N f16
#include "engine/kernel/fold_float.inc"
#define T float
#define W float
#define LOAD(v) (v)
#define N f32
#include "engine/kernel/fold_float.inc"
#define T double
#define W double
#define LOAD(v) (v)
#define N f64
#include "engine/kernel/fold_float.inc"

#define ENTRY(t, id, n, finish, planes, ...)                                                                         \
    [CR_##t] = {planes, {__VA_ARGS__}, id##_init_##n, id##_row_##n, id##_rows_##n, id##_run_##n, id##_scatter_##n, id##_merge_##n, \
                cr_finish_##finish}
#define ROW(id, loops, finish, planes, ...)                                                                          \
    [CR_FOLD_##id] = {ENTRY(F16, loops, f16, finish, planes, __VA_ARGS__), ENTRY(F32, loops, f32, finish, planes, __VA_ARGS__), \
                      ENTRY(F64, loops, f64, finish, planes, __VA_ARGS__)}
/* Both variants. */
#define ROWS(id, loops, finish, planes, ...)                                                                         \
    ROW(id, loops, finish, planes, __VA_ARGS__), ROW(id##P, loops##P, finish, planes, __VA_ARGS__)
/* The first plane has the type that elements are computed in (or, for first and last, their own). */
#define VALUE_ROW(id, finish, planes, half_plane, ...)                                                               \
    [CR_FOLD_##id] = {ENTRY(F16, id, f16, finish, planes, half_plane, ##__VA_ARGS__),                                \
                      ENTRY(F32, id, f32, finish, planes, CR_F32, ##__VA_ARGS__), ENTRY(F64, id, f64, finish, planes, CR_F64, ##__VA_ARGS__)}

const cr_fold_table CR_PASTE(cr_fold_floats_, CR_LEVEL) = {
    .fold = {
        ROWS(SUM, SUM, sum, 1, CR_F64),
        ROW(SUMN, MEAN, counted, 2, CR_F64, CR_I64),
        ROW(SUMNP, MEANP, counted, 2, CR_F64, CR_I64),
        ROWS(MEAN, MEAN, mean, 2, CR_F64, CR_I64),
        ROWS(PROD, PROD, counted, 2, CR_F64, CR_I64),
        VALUE_ROW(MIN, value, 1, CR_F32), VALUE_ROW(MINP, value, 1, CR_F32),
        VALUE_ROW(MAX, value, 1, CR_F32), VALUE_ROW(MAXP, value, 1, CR_F32),
        ROWS(VAR, VAR, var, 4, CR_I64, CR_F64, CR_F64, CR_F64),
        ROWS(STD, VAR, std, 4, CR_I64, CR_F64, CR_F64, CR_F64),
        ROW(COUNT, COUNT, integer, 1, CR_I64),
        ROW(ANY, ANY, value, 1, CR_U8),
        ROW(ALL, ALL, value, 1, CR_U8),
        VALUE_ROW(FIRST, end, 2, CR_F16, CR_I64), VALUE_ROW(LAST, end, 2, CR_F16, CR_I64),
        VALUE_ROW(ARGMIN, place, 2, CR_F32, CR_I64), VALUE_ROW(ARGMINP, place, 2, CR_F32, CR_I64),
        VALUE_ROW(ARGMAX, place, 2, CR_F32, CR_I64), VALUE_ROW(ARGMAXP, place, 2, CR_F32, CR_I64),
    },
};

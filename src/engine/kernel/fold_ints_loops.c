/* fold_ints_loops.c - folds of bool and integers of one SIMD level, and their table. */
#include "engine/kernel/fold_planes.h"
#include "engine/kernel/level.h"

#define LOAD(v) (v)
#define T int8_t
#define N i8
#define LOWEST INT8_MIN
#define HIGHEST INT8_MAX
#include "engine/kernel/fold_int.inc"
#define T int16_t
#define N i16
#define LOWEST INT16_MIN
#define HIGHEST INT16_MAX
#include "engine/kernel/fold_int.inc"
#define T int32_t
#define N i32
#define LOWEST INT32_MIN
#define HIGHEST INT32_MAX
#include "engine/kernel/fold_int.inc"
#define T int64_t
#define N i64
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#include "engine/kernel/fold_int.inc"
#define T uint8_t
#define N u8
#define LOWEST 0
#define HIGHEST UINT8_MAX
#define BITS
#include "engine/kernel/fold_int.inc"
#define T uint16_t
#define N u16
#define LOWEST 0
#define HIGHEST UINT16_MAX
#define BITS
#include "engine/kernel/fold_int.inc"
#define T uint32_t
#define N u32
#define LOWEST 0
#define HIGHEST UINT32_MAX
#define BITS
#include "engine/kernel/fold_int.inc"
#define T uint64_t
#define N u64
#define LOWEST 0
#define HIGHEST UINT64_MAX
#define BITS
#include "engine/kernel/fold_int.inc"

#define ENTRY(t, id, n, finish, planes, ...)                                                                         \
    [CR_##t] = {planes, {__VA_ARGS__}, id##_init_##n, id##_row_##n, id##_rows_##n, id##_run_##n, id##_scatter_##n, id##_merge_##n, \
                cr_finish_##finish}
/* The same planes for every type. */
#define ROW(id, loops, finish, planes, ...)                                                                          \
    [CR_FOLD_##id] = {ENTRY(I8, loops, i8, finish, planes, __VA_ARGS__), ENTRY(I16, loops, i16, finish, planes, __VA_ARGS__),  \
                      ENTRY(I32, loops, i32, finish, planes, __VA_ARGS__), ENTRY(I64, loops, i64, finish, planes, __VA_ARGS__), \
                      ENTRY(U8, loops, u8, finish, planes, __VA_ARGS__), ENTRY(U16, loops, u16, finish, planes, __VA_ARGS__),  \
                      ENTRY(U32, loops, u32, finish, planes, __VA_ARGS__), ENTRY(U64, loops, u64, finish, planes, __VA_ARGS__)}
/* The first plane has the element's type. */
#define VALUE_ROW(id, finish, planes, ...)                                                                           \
    [CR_FOLD_##id] = {ENTRY(I8, id, i8, finish, planes, CR_I8, ##__VA_ARGS__), ENTRY(I16, id, i16, finish, planes, CR_I16, ##__VA_ARGS__), \
                      ENTRY(I32, id, i32, finish, planes, CR_I32, ##__VA_ARGS__), ENTRY(I64, id, i64, finish, planes, CR_I64, ##__VA_ARGS__), \
                      ENTRY(U8, id, u8, finish, planes, CR_U8, ##__VA_ARGS__), ENTRY(U16, id, u16, finish, planes, CR_U16, ##__VA_ARGS__), \
                      ENTRY(U32, id, u32, finish, planes, CR_U32, ##__VA_ARGS__), ENTRY(U64, id, u64, finish, planes, CR_U64, ##__VA_ARGS__)}
/* Only the bits count: loops by size. */
#define BITS_ROW(id, finish, planes, p1, p2, p4, p8, ...)                                                            \
    [CR_FOLD_##id] = {ENTRY(I8, id, u8, finish, planes, p1, ##__VA_ARGS__), ENTRY(I16, id, u16, finish, planes, p2, ##__VA_ARGS__), \
                      ENTRY(I32, id, u32, finish, planes, p4, ##__VA_ARGS__), ENTRY(I64, id, u64, finish, planes, p8, ##__VA_ARGS__), \
                      ENTRY(U8, id, u8, finish, planes, p1, ##__VA_ARGS__), ENTRY(U16, id, u16, finish, planes, p2, ##__VA_ARGS__), \
                      ENTRY(U32, id, u32, finish, planes, p4, ##__VA_ARGS__), ENTRY(U64, id, u64, finish, planes, p8, ##__VA_ARGS__)}

const cr_fold_table CR_PASTE(cr_fold_ints_, CR_LEVEL) = {
    .fold = {
        ROW(ISUM, ISUM, integer, 1, CR_U64),
        ROW(IPROD, IPROD, integer, 1, CR_U64),
        ROW(SUM, SUM, sum, 1, CR_F64),
        ROW(SUMN, MEAN, counted, 2, CR_F64, CR_I64),
        ROW(MEAN, MEAN, mean, 2, CR_F64, CR_I64),
        ROW(PROD, PROD, counted, 2, CR_F64, CR_I64),
        VALUE_ROW(MIN, value, 1),
        VALUE_ROW(MAX, value, 1),
        ROW(VAR, VAR, var, 4, CR_I64, CR_F64, CR_F64, CR_F64),
        ROW(STD, VAR, std, 4, CR_I64, CR_F64, CR_F64, CR_F64),
        BITS_ROW(COUNT, integer, 1, CR_I64, CR_I64, CR_I64, CR_I64),
        BITS_ROW(ANY, value, 1, CR_U8, CR_U8, CR_U8, CR_U8),
        BITS_ROW(ALL, value, 1, CR_U8, CR_U8, CR_U8, CR_U8),
        BITS_ROW(FIRST, end, 2, CR_U8, CR_U16, CR_U32, CR_U64, CR_I64),
        BITS_ROW(LAST, end, 2, CR_U8, CR_U16, CR_U32, CR_U64, CR_I64),
        /* Floats that keep NaN, as bits. */
#define P_ROW(id, loops)                                                                                             \
    [CR_FOLD_##id] = {ENTRY(F16, loops, u16, end, 2, CR_U16, CR_I64), ENTRY(F32, loops, u32, end, 2, CR_U32, CR_I64), \
                      ENTRY(F64, loops, u64, end, 2, CR_U64, CR_I64)}
        P_ROW(FIRSTP, FIRST),
        P_ROW(LASTP, LAST),
        VALUE_ROW(ARGMIN, place, 2, CR_I64),
        VALUE_ROW(ARGMAX, place, 2, CR_I64),
    },
};

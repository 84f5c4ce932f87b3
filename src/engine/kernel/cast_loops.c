/* cast_loops.c - conversions between types, and CF unpacking, of one SIMD level. */
#include <math.h>

#include "engine/kernel/half.h"
#include "engine/kernel/map_shapes.h"
#include "engine/kernel/cast.inc"

typedef uint16_t half;
#define CAST(from, to, From, W, To, LOAD, STORE) CR_UNARY(cast_##from##_##to, From, W, To, LOAD, STORE, x)

/* From an integer type (or bool): plain C conversions, which wrap. */
#define TO_HALF(v) cr_float_to_half((float)(v))
#define FROM_INT(from, From)                                                                                   \
    CAST(from, BOOL, From, From, uint8_t, CR_AS_IS, ANY_BOOL)                                                  \
    CAST(from, I8, From, From, int8_t, CR_AS_IS, (int8_t))                                                     \
    CAST(from, I16, From, From, int16_t, CR_AS_IS, (int16_t))                                                  \
    CAST(from, I32, From, From, int32_t, CR_AS_IS, (int32_t))                                                  \
    CAST(from, I64, From, From, int64_t, CR_AS_IS, (int64_t))                                                  \
    CAST(from, F16, From, From, half, CR_AS_IS, TO_HALF)                                                       \
    CAST(from, F32, From, From, float, CR_AS_IS, (float))                                                      \
    CAST(from, F64, From, From, double, CR_AS_IS, (double))
FROM_INT(I8, int8_t)
FROM_INT(I16, int16_t)
FROM_INT(I32, int32_t)
FROM_INT(I64, int64_t)
FROM_INT(U8, uint8_t)
FROM_INT(U16, uint16_t)
FROM_INT(U32, uint32_t)
FROM_INT(U64, uint64_t)

#define FROM_FLOAT(from, From, W, LOAD, via, TO_F16)                                                           \
    CAST(from, BOOL, From, W, uint8_t, LOAD, ANY_BOOL)                                                         \
    CAST(from, I8, From, W, int8_t, LOAD, via##_I8)                                                            \
    CAST(from, I16, From, W, int16_t, LOAD, via##_I16)                                                         \
    CAST(from, I32, From, W, int32_t, LOAD, via##_I32)                                                         \
    CAST(from, I64, From, W, int64_t, LOAD, via##_I64)                                                         \
    CAST(from, U8, From, W, uint8_t, LOAD, via##_U8)                                                           \
    CAST(from, U16, From, W, uint16_t, LOAD, via##_U16)                                                        \
    CAST(from, U32, From, W, uint32_t, LOAD, via##_U32)                                                        \
    CAST(from, U64, From, W, uint64_t, LOAD, via##_U64)                                                        \
    CAST(from, F16, From, W, half, LOAD, TO_F16)                                                               \
    CAST(from, F32, From, W, float, LOAD, (float))                                                             \
    CAST(from, F64, From, W, double, LOAD, (double))
FROM_FLOAT(F16, half, float, cr_half_to_float, F32, cr_float_to_half)
FROM_FLOAT(F32, float, float, CR_AS_IS, F32, cr_float_to_half)
FROM_FLOAT(F64, double, double, CR_AS_IS, F64, cr_double_to_half)

/* CF unpacking: v * scale + offset in type S, or NaN where the raw value, as type C, equals a fill. */
#define UNPACK(name, Raw, C, S, LOAD, fills)                                                                   \
    static void name(CR_MAP_ARGS) {                                                                            \
        const cr_unpack_imm *u = imm;                                                                          \
        const Raw *a = args[0];                                                                                \
        S *d = dst;                                                                                            \
        const S scale = (S)u->scale, offset = (S)u->offset;                                                    \
        const C f0 = (C)u->fill.fills[0], f1 = (C)u->fill.fills[1], f2 = (C)u->fill.fills[2], f3 = (C)u->fill.fills[3]; \
        if (!steps[0] && n > 0) {                                                                              \
            const int64_t one = 1;                                                                             \
            S r;                                                                                               \
            name(1, &r, args, &one, imm);                                                                      \
            CR_EACH(i, n) { d[i] = r; }                                                                        \
        } else if (u->n_fills == 0) {                                                                          \
            CR_EACH(i, n) { const S v = (S)LOAD(a[i]) * scale; d[i] = v + offset; }                            \
        } else if (u->n_fills == 1) {                                                                          \
            CR_EACH(i, n) {                                                                                    \
                const C c = (C)LOAD(a[i]);                                                                     \
                const S v = (S)LOAD(a[i]) * scale + offset;                                                    \
                d[i] = c == f0 ? (S)NAN : v;                                                                   \
            }                                                                                                  \
        } else {                                                                                               \
            CR_EACH(i, n) {                                                                                    \
                const C c = (C)LOAD(a[i]);                                                                     \
                const S v = (S)LOAD(a[i]) * scale + offset;                                                    \
                d[i] = ((c == f0) | (c == f1) | (c == f2) | (c == f3)) ? (S)NAN : v;                           \
            }                                                                                                  \
        }                                                                                                      \
    }
#define UNPACK_RAW(t, Raw, C, LOAD, fills)                                                                     \
    UNPACK(unpack_##t##_raw_f32, Raw, C, float, LOAD, fills) UNPACK(unpack_##t##_raw_f64, Raw, C, double, LOAD, fills)
#define UNPACK_F32(t, Raw)                                                                                     \
    UNPACK(unpack_##t##_f32_f32, Raw, float, float, CR_AS_IS, f) UNPACK(unpack_##t##_f32_f64, Raw, float, double, CR_AS_IS, f)
#define UNPACK_F64(t, Raw)                                                                                     \
    UNPACK(unpack_##t##_f64_f32, Raw, double, float, CR_AS_IS, f) UNPACK(unpack_##t##_f64_f64, Raw, double, double, CR_AS_IS, f)
UNPACK_RAW(I8, int8_t, int8_t, CR_AS_IS, i)
UNPACK_RAW(U8, uint8_t, uint8_t, CR_AS_IS, i)
UNPACK_RAW(I16, int16_t, int16_t, CR_AS_IS, i)
UNPACK_RAW(U16, uint16_t, uint16_t, CR_AS_IS, i)
UNPACK_RAW(I32, int32_t, int32_t, CR_AS_IS, i)
UNPACK_RAW(U32, uint32_t, uint32_t, CR_AS_IS, i)
UNPACK_RAW(I64, int64_t, int64_t, CR_AS_IS, i)
UNPACK_RAW(U64, uint64_t, uint64_t, CR_AS_IS, i)
UNPACK_RAW(F16, half, float, cr_half_to_float, f)
UNPACK_RAW(F32, float, float, CR_AS_IS, f)
UNPACK_RAW(F64, double, double, CR_AS_IS, f)
/* Only where rounding to the float type makes different raw values equal; else the fill is moved to the raw type instead. */
UNPACK_F32(I32, int32_t)
UNPACK_F32(U32, uint32_t)
UNPACK_F32(I64, int64_t)
UNPACK_F32(U64, uint64_t)
UNPACK_F32(F64, double)
UNPACK_F64(I64, int64_t)
UNPACK_F64(U64, uint64_t)

/* Between integers only the size counts, and whether the source is extended with its sign. */
#define TO(from, to) [CR_##to] = cast_##from##_##to
#define COMMON(from) TO(from, BOOL), TO(from, I8), TO(from, I16), TO(from, I32), TO(from, I64), TO(from, F16), TO(from, F32), TO(from, F64)
#define INT_ROW(t, from)                                                                                            \
    [CR_##t] = {COMMON(from), [CR_U8] = cast_##from##_I8, [CR_U16] = cast_##from##_I16, [CR_U32] = cast_##from##_I32,  \
                [CR_U64] = cast_##from##_I64}
#define FLOAT_ROW(t) [CR_##t] = {COMMON(t), TO(t, U8), TO(t, U16), TO(t, U32), TO(t, U64)}
#define UNPACK_ROW(t, ...) [CR_##t] = {[CR_COMPARE_RAW] = {unpack_##t##_raw_f32, unpack_##t##_raw_f64}, ##__VA_ARGS__}
#define BY_F32(t) [CR_COMPARE_F32] = {unpack_##t##_f32_f32, unpack_##t##_f32_f64}
#define BY_F64(t) [CR_COMPARE_F64] = {unpack_##t##_f64_f32, unpack_##t##_f64_f64}

const cr_cast_table CR_PASTE(cr_cast_table_, CR_LEVEL) = {
    .cast = {
        INT_ROW(BOOL, U8), INT_ROW(I8, I8), INT_ROW(I16, I16), INT_ROW(I32, I32), INT_ROW(I64, I64), INT_ROW(U8, U8),
        INT_ROW(U16, U16), INT_ROW(U32, U32), INT_ROW(U64, U64), FLOAT_ROW(F16), FLOAT_ROW(F32), FLOAT_ROW(F64),
    },
    .unpack = {
        [CR_BOOL] = {[CR_COMPARE_RAW] = {unpack_U8_raw_f32, unpack_U8_raw_f64}},
        UNPACK_ROW(I8), UNPACK_ROW(U8), UNPACK_ROW(I16), UNPACK_ROW(U16), UNPACK_ROW(I32, BY_F32(I32)), UNPACK_ROW(U32, BY_F32(U32)),
        UNPACK_ROW(I64, BY_F32(I64), BY_F64(I64)), UNPACK_ROW(U64, BY_F32(U64), BY_F64(U64)), UNPACK_ROW(F16), UNPACK_ROW(F32),
        UNPACK_ROW(F64, BY_F32(F64)),
    },
};

/* map_loops.c - the element-wise loops of one SIMD level, and their table. */
#include <math.h>

#include "engine/kernel/half.h"
#include "engine/kernel/map_shapes.h"

#define T int8_t
#define U uint8_t
#define N i8
#define SIGNED 1
#include "engine/kernel/map_int.inc"
#define T int16_t
#define U uint16_t
#define N i16
#define SIGNED 1
#include "engine/kernel/map_int.inc"
#define T int32_t
#define U uint32_t
#define N i32
#define SIGNED 1
#include "engine/kernel/map_int.inc"
#define T int64_t
#define U uint64_t
#define N i64
#define SIGNED 1
#include "engine/kernel/map_int.inc"
#define T uint8_t
#define U uint8_t
#define N u8
#define SIGNED 0
#include "engine/kernel/map_int.inc"
#define T uint16_t
#define U uint16_t
#define N u16
#define SIGNED 0
#include "engine/kernel/map_int.inc"
#define T uint32_t
#define U uint32_t
#define N u32
#define SIGNED 0
#include "engine/kernel/map_int.inc"
#define T uint64_t
#define U uint64_t
#define N u64
#define SIGNED 0
#include "engine/kernel/map_int.inc"

/* NumPy's constants of deg2rad and rad2deg are quotients of the type's own pi. */
#define PI_F 3.14159265358979323846f
#define PI_D 3.14159265358979323846
#define FLOAT_FN(fn) fn##f
#define DOUBLE_FN(fn) fn
#define T uint16_t
#define U uint16_t
#define W float
#define N f16
#define LOAD cr_half_to_float
#define STORE cr_float_to_half
#define F FLOAT_FN
#define PI PI_F
#include "engine/kernel/map_float.inc"
#define T float
#define U uint32_t
#define W float
#define N f32
#define LOAD CR_AS_IS
#define STORE CR_AS_IS
#define F FLOAT_FN
#define PI PI_F
#include "engine/kernel/map_float.inc"
#define T double
#define U uint64_t
#define W double
#define N f64
#define LOAD CR_AS_IS
#define STORE CR_AS_IS
#define F DOUBLE_FN
#define PI PI_D
#include "engine/kernel/map_float.inc"

/* bool: bytes 0 and 1. What is missing here has the bits of uint8. */
CR_BINARY(map_LOGICAL_XOR_b, uint8_t, uint8_t, uint8_t, CR_AS_IS, CR_AS_BOOL, (x != 0) != (y != 0))
CR_BINARY(map_LOGICAL_AND_b, uint8_t, uint8_t, uint8_t, CR_AS_IS, CR_AS_BOOL, (x != 0) & (y != 0))
CR_BINARY(map_LOGICAL_OR_b, uint8_t, uint8_t, uint8_t, CR_AS_IS, CR_AS_BOOL, (x != 0) | (y != 0))
CR_UNARY(map_LOGICAL_NOT_b, uint8_t, uint8_t, uint8_t, CR_AS_IS, CR_AS_BOOL, x == 0)

/* int64 with uint64, exactly: a negative number is below every unsigned one. */
#define MIXED(op, su, us)                                                                                                  \
    CR_BINARY2(map_##op##_su, int64_t, uint64_t, int64_t, uint64_t, uint8_t, CR_AS_IS, CR_AS_BOOL, su)                     \
    CR_BINARY2(map_##op##_us, uint64_t, int64_t, uint64_t, int64_t, uint8_t, CR_AS_IS, CR_AS_BOOL, us)
MIXED(EQUAL, (x >= 0) & ((uint64_t)x == y), (y >= 0) & (x == (uint64_t)y))
MIXED(NOT_EQUAL, (x < 0) | ((uint64_t)x != y), (y < 0) | (x != (uint64_t)y))
MIXED(LESS, (x < 0) | ((uint64_t)x < y), (y >= 0) & (x < (uint64_t)y))
MIXED(LESS_EQUAL, (x < 0) | ((uint64_t)x <= y), (y >= 0) & (x <= (uint64_t)y))
MIXED(GREATER, (x >= 0) & ((uint64_t)x > y), (y < 0) | (x > (uint64_t)y))
MIXED(GREATER_EQUAL, (x >= 0) & ((uint64_t)x >= y), (y < 0) | (x >= (uint64_t)y))

/* where moves bits, so one loop per item size. */
#define WHERE(name, T)                                                                                      \
    static void name(CR_MAP_ARGS) {                                                                         \
        const uint8_t *c = args[0];                                                                         \
        const T *a = args[1], *b = args[2];                                                                 \
        T *d = dst;                                                                                         \
        if (n <= 0)                                                                                         \
            return;                                                                                         \
        const T a0 = a[0], b0 = b[0];                                                                       \
        const uint8_t c0 = c[0];                                                                            \
        if (!steps[0]) {                                                                                    \
            const T *from = c0 ? a : b, one = c0 ? a0 : b0;                                                 \
            const int64_t step = steps[c0 ? 1 : 2];                                                         \
            CR_EACH(i, n) { d[i] = step ? from[i] : one; }                                                  \
        } else if (steps[1] && steps[2]) {                                                                  \
            CR_EACH(i, n) { const T x = a[i], y = b[i]; d[i] = c[i] ? x : y; }                              \
        } else if (steps[1]) {                                                                              \
            CR_EACH(i, n) { const T x = a[i]; d[i] = c[i] ? x : b0; }                                       \
        } else if (steps[2]) {                                                                              \
            CR_EACH(i, n) { const T y = b[i]; d[i] = c[i] ? a0 : y; }                                       \
        } else {                                                                                            \
            CR_EACH(i, n) { d[i] = c[i] ? a0 : b0; }                                                        \
        }                                                                                                   \
    }
WHERE(where_1, uint8_t)
WHERE(where_2, uint16_t)
WHERE(where_4, uint32_t)
WHERE(where_8, uint64_t)

#define INTS(op)                                                                                                    \
    [CR_I8] = map_##op##_i8, [CR_I16] = map_##op##_i16, [CR_I32] = map_##op##_i32, [CR_I64] = map_##op##_i64,       \
    [CR_U8] = map_##op##_u8, [CR_U16] = map_##op##_u16, [CR_U32] = map_##op##_u32, [CR_U64] = map_##op##_u64
#define FLOATS(op) [CR_F16] = map_##op##_f16, [CR_F32] = map_##op##_f32, [CR_F64] = map_##op##_f64
#define NUMBERS(op) [CR_MAP_##op] = {INTS(op), FLOATS(op)}
#define WITH_BOOL(op, b) [CR_MAP_##op] = {[CR_BOOL] = b, INTS(op), FLOATS(op)}
#define SAME_BOOL(op) WITH_BOOL(op, map_##op##_u8)
#define ONLY_FLOATS(op) [CR_MAP_##op] = {FLOATS(op)}
#define SAME_INTS(as)                                                                                               \
    [CR_I8] = map_##as##_i8, [CR_I16] = map_##as##_i16, [CR_I32] = map_##as##_i32, [CR_I64] = map_##as##_i64,       \
    [CR_U8] = map_##as##_u8, [CR_U16] = map_##as##_u16, [CR_U32] = map_##as##_u32, [CR_U64] = map_##as##_u64

const cr_map_table CR_PASTE(cr_map_table_, CR_LEVEL) = {
    .map = {
        WITH_BOOL(ADD, map_LOGICAL_OR_b), NUMBERS(SUBTRACT), WITH_BOOL(MULTIPLY, map_LOGICAL_AND_b), ONLY_FLOATS(DIVIDE),
        [CR_MAP_FLOOR_DIVIDE] = {INTS(FLOOR_DIVIDE)}, [CR_MAP_REMAINDER] = {INTS(REMAINDER)}, [CR_MAP_FMOD] = {INTS(FMOD)}, ONLY_FLOATS(HEAVISIDE), ONLY_FLOATS(NEXTAFTER), [CR_MAP_POWER] = {INTS(POWER)}, SAME_BOOL(MAXIMUM), SAME_BOOL(MINIMUM),
        [CR_MAP_FMAX] = {[CR_BOOL] = map_MAXIMUM_u8, SAME_INTS(MAXIMUM), FLOATS(FMAX)},
        [CR_MAP_FMIN] = {[CR_BOOL] = map_MINIMUM_u8, SAME_INTS(MINIMUM), FLOATS(FMIN)},
        ONLY_FLOATS(COPYSIGN),
        SAME_BOOL(EQUAL), SAME_BOOL(NOT_EQUAL), SAME_BOOL(LESS), SAME_BOOL(LESS_EQUAL), SAME_BOOL(GREATER), SAME_BOOL(GREATER_EQUAL),
        [CR_MAP_BITWISE_AND] = {[CR_BOOL] = map_LOGICAL_AND_b, INTS(BITWISE_AND)},
        [CR_MAP_BITWISE_OR] = {[CR_BOOL] = map_LOGICAL_OR_b, INTS(BITWISE_OR)},
        [CR_MAP_BITWISE_XOR] = {[CR_BOOL] = map_LOGICAL_XOR_b, INTS(BITWISE_XOR)},
        [CR_MAP_LEFT_SHIFT] = {INTS(LEFT_SHIFT)}, [CR_MAP_RIGHT_SHIFT] = {INTS(RIGHT_SHIFT)},
        [CR_MAP_GCD] = {INTS(GCD)}, [CR_MAP_LCM] = {INTS(LCM)},
        [CR_MAP_LOGICAL_AND] = {[CR_BOOL] = map_LOGICAL_AND_b},
        [CR_MAP_LOGICAL_OR] = {[CR_BOOL] = map_LOGICAL_OR_b},
        [CR_MAP_LOGICAL_XOR] = {[CR_BOOL] = map_LOGICAL_XOR_b},
        [CR_MAP_LOGICAL_NOT] = {[CR_BOOL] = map_LOGICAL_NOT_b},
        NUMBERS(NEGATIVE), NUMBERS(POSITIVE), SAME_BOOL(ABSOLUTE), NUMBERS(SIGN),
        [CR_MAP_INVERT] = {[CR_BOOL] = map_LOGICAL_NOT_b, INTS(INVERT)},
        ONLY_FLOATS(SQRT), NUMBERS(SQUARE), NUMBERS(RECIPROCAL), ONLY_FLOATS(DEG2RAD), ONLY_FLOATS(RAD2DEG),
        /* Integers are whole already. */
        [CR_MAP_FLOOR] = {[CR_BOOL] = map_POSITIVE_u8, SAME_INTS(POSITIVE), FLOATS(FLOOR)},
        [CR_MAP_CEIL] = {[CR_BOOL] = map_POSITIVE_u8, SAME_INTS(POSITIVE), FLOATS(CEIL)},
        [CR_MAP_TRUNC] = {[CR_BOOL] = map_POSITIVE_u8, SAME_INTS(POSITIVE), FLOATS(TRUNC)},
        ONLY_FLOATS(RINT), SAME_BOOL(ISNAN), SAME_BOOL(ISFINITE), ONLY_FLOATS(SIGNBIT),
        [CR_MAP_ISINF] = {[CR_BOOL] = map_ISNAN_u8, SAME_INTS(ISNAN), FLOATS(ISINF)},
        [CR_MAP_WHERE] = {[CR_BOOL] = where_1, [CR_I8] = where_1, [CR_U8] = where_1, [CR_I16] = where_2, [CR_U16] = where_2,
                          [CR_F16] = where_2, [CR_I32] = where_4, [CR_U32] = where_4, [CR_F32] = where_4, [CR_I64] = where_8,
                          [CR_U64] = where_8, [CR_F64] = where_8},
        SAME_BOOL(CLIP),
    },
#define ROW(op, k) [CR_MAP_##op] = map_##op##_##k
#define ROWS(k) {ROW(EQUAL, k), ROW(NOT_EQUAL, k), ROW(LESS, k), ROW(LESS_EQUAL, k), ROW(GREATER, k), ROW(GREATER_EQUAL, k)}
    .signed_unsigned = ROWS(su),
    .unsigned_signed = ROWS(us),
};
